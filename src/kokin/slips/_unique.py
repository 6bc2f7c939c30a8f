"""Keys that no two slips of a run may share."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import islice
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from kokin import bills
from kokin._arrow import Int64Array
from kokin.issues import InvalidInputError, Issue, Location

# The digits of a barcode that name its slip: 請求書発行企業コード and 自由使用欄.
_BARCODE_KEY = slice(2, 29)
# A refusal names so many pairs; more would show nothing new.
_MAX_SHOWN = 20
# Equal hashes that are compared in one pass over the file, so that memory is bounded whatever the file holds.
_COMPARED = 1000


def check_unique(source: Path) -> None:
    """Refuse bills of which two have one bill_id, eL number or barcode key, so that their payments could be confused.

    The file is read once, and eight bytes per key are kept: Python's hash of it. Where hashes are equal the file is
    read a second time and those rows are compared by the keys themselves.

    Raises:
        InvalidInputError: ``SLIP_DUPLICATE`` names the field and both rows of the file.
    """
    hashes: dict[str, list[Int64Array]] = {}
    for piece in bills.batches(source):
        for name, keys in _keys(piece.table):
            hashes.setdefault(name, []).append(_hashes(keys)[~_is_null(keys)])
    candidates = {name: _repeated(np.concatenate(found)) for name, found in hashes.items()}
    if not any(map(len, candidates.values())):
        return
    for start in range(0, max(map(len, candidates.values())), _COMPARED):
        group = {name: found[start : start + _COMPARED] for name, found in candidates.items()}
        if issues := list(islice(_duplicates(source, group), _MAX_SHOWN)):
            raise InvalidInputError(issues, "two slips of one number; nothing was written")


def _keys(table: pa.Table) -> Iterator[tuple[str, pa.Array]]:
    """The keys of each slip by the name of their field, as text; null where a slip has none."""
    yield "bill_id", table["bill_id"].combine_chunks()
    number = [table[name] for name in ("payee_code", "case_key", "confirmation", "item_code")]
    yield "el_number", pc.binary_join_element_wise(*number, "-").combine_chunks()
    if "barcode" in table.column_names:
        yield (
            "barcode",
            pc.utf8_slice_codeunits(table["barcode"], _BARCODE_KEY.start, _BARCODE_KEY.stop).combine_chunks(),
        )


def _hashes(keys: pa.Array) -> Int64Array:
    return np.fromiter(map(hash, keys.to_pylist()), np.int64, len(keys))


def _is_null(keys: pa.Array) -> npt.NDArray[np.bool_]:
    return np.asarray(keys.is_null().to_numpy(zero_copy_only=False), np.bool_)


def _repeated(hashes: Int64Array) -> Int64Array:
    """The values that occur more than once, sorted."""
    hashes.sort()
    return np.unique(hashes[1:][hashes[1:] == hashes[:-1]])


def _duplicates(source: Path, candidates: dict[str, Int64Array]) -> Iterator[Issue]:
    """Each slip whose key an earlier one has."""
    first_records: dict[tuple[str, str], int] = {}
    for piece in bills.batches(source):
        for name, keys in _keys(piece.table):
            rows = np.flatnonzero(np.isin(_hashes(keys), candidates[name]) & ~_is_null(keys))
            for key, record in zip(keys.take(rows).to_pylist(), piece.row_numbers.take(rows).to_pylist(), strict=True):
                first = first_records.setdefault((name, key), record)
                if first != record:
                    place = Location(source.name, record)
                    yield Issue(
                        "SLIP_DUPLICATE",
                        field=name,
                        expected="a number of its own",
                        found=f"that of record {first}",
                        location=place,
                    )
