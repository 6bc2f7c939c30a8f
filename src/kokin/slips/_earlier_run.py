"""The slips of an earlier run: which of them are unchanged in a file of bills, and which were withdrawn.

A run against an earlier one lists in ``unchanged.csv`` the slips that it did not print, with the run in which they were
printed, so that the next run needs only the folder of the latest one.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv as pa_csv

from kokin._arrow.convert import BoolArray, Int64Array, bool_array, int64_array, to_mask
from kokin.issues import InvalidInputError, Issue, Location
from kokin.slips._check_slips import el_numbers, is_open

RUN, MANIFEST, UNCHANGED = "run.json", "manifest.csv", "unchanged.csv"
WITHDRAWN, REPLACED = "withdrawn.csv", "replaced.csv"

_UNCHANGED_COLUMNS = ("record", "bill_id", "el_number", "run", "file", "page", "sha256", "content_sha256")
_WITHDRAWN_COLUMNS = ("bill_id", "el_number", "run", "file", "page")
# Options that do not change what is printed on all slips. The version of Kokin is one of them: a slip that another
# version draws in another way has the same content. The notes are part of the content of single slips.
_NOT_PRINTED = frozenset(
    (
        *("kokin", "bills", "bill_layout", "notes", "against", "issued_on", "allow_missing_deadline"),
        *("part_rows", "result"),
    )
)

# Texts as bytes of a fixed width.
_Keys: TypeAlias = npt.NDArray[np.bytes_]


def sha256(path: Path) -> str:
    """Return the SHA-256 of a file in hexadecimal digits."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def flatten(options: Mapping[str, Any], prefix: str = "") -> dict[str, str]:
    """Return nested options by dotted names, as JSON."""
    flat: dict[str, str] = {}
    for name, value in options.items():
        flat |= flatten(value, f"{prefix}{name}.") if isinstance(value, dict) else {prefix + name: json.dumps(value)}
    return flat


def read_columns(path: Path, names: Sequence[str]) -> Iterator[pa.Table]:
    """Yield the columns of a CSV of a run as text, batch by batch; an empty cell is an empty text.

    Raises:
        InvalidInputError: the file lacks one of them, or is not a CSV (``RUN_INCOMPLETE``).
        OSError: the file cannot be read.
    """
    types = pa_csv.ConvertOptions(column_types=dict.fromkeys(names, pa.string()), include_columns=list(names))
    with path.open("rb") as file:
        try:
            for batch in pa_csv.open_csv(file, convert_options=types):
                yield pa.Table.from_batches([batch])
        except pa.ArrowException:
            raise InvalidInputError([Issue("RUN_INCOMPLETE", field="", location=Location(path.name))]) from None


def completed_options(folder: Path, field: str) -> dict[str, Any]:
    """Return the options and the result of a completed run.

    Raises:
        InvalidInputError: the folder has none (``RUN_INCOMPLETE``).
    """
    try:
        options = json.loads((folder / RUN).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        options = None
    if not (isinstance(options, dict) and options.get("result") and (folder / MANIFEST).exists()):
        issue = Issue("RUN_INCOMPLETE", field=field, location=Location(folder.name))
        raise InvalidInputError([issue], f"{folder} has no completed run")
    return options


class EarlierRun:
    """A completed run with which a new one is compared.

    Raises:
        InvalidInputError: the folder has no completed run of this version (``RUN_INCOMPLETE``).
        OSError: a file cannot be read.
    """

    def __init__(self, folder: Path) -> None:
        self._options = completed_options(folder, "against")
        # A folder may be named by a path such as "." or "..".
        name = folder.resolve().name
        tables = [
            pa.Table.from_batches([], pa.schema([(column, pa.string()) for column in _UNCHANGED_COLUMNS])),
            *(
                table.append_column("run", pa.repeat(name, len(table))).select(_UNCHANGED_COLUMNS)
                for table in read_columns(folder / MANIFEST, [each for each in _UNCHANGED_COLUMNS if each != "run"])
            ),
        ]
        self.fingerprint = {"run": name, MANIFEST: sha256(folder / MANIFEST)}
        if (folder / UNCHANGED).exists():
            tables += read_columns(folder / UNCHANGED, _UNCHANGED_COLUMNS)
            self.fingerprint[UNCHANGED] = sha256(folder / UNCHANGED)
        self._slips = pa.concat_tables(tables)
        self._contents = _Lookup(self._slips["content_sha256"])
        self._numbers = _Lookup(self._slips["el_number"])
        self._is_current = np.zeros(len(self._slips), np.bool_)

    def changed_options(self, options: Mapping[str, Any]) -> tuple[str, ...]:
        """Return the names of the options that change all slips, and that differ from those of the earlier run."""
        before, now = _printed(self._options), _printed(options)
        differing = (name.partition(".")[0] for name in {**now, **before} if before.get(name) != now.get(name))
        return tuple(dict.fromkeys(differing))

    def rows_of(self, contents: pa.Array) -> Int64Array:
        """Return the row of the slip with the same content, -1 for none: int64 (n,). A null has none."""
        return self._contents.rows_of(contents)

    def unchanged(self, rows: Int64Array, records: pa.Array) -> pa.Table:
        """Return slips of the earlier run with their records in the new file of bills."""
        slips = self._slips.take(int64_array(rows))
        return slips.set_column(0, "record", records)

    def mark_current(self, bills: pa.Table, rejected_ids: pa.Array) -> None:
        """Mark the slips that are still open in a batch of bills, and those of bills that were rejected."""
        self._mark(self._is_current, el_numbers(bills.filter(is_open(bills))))
        if len(rejected_ids):
            self._is_current |= to_mask(pc.is_in(self._slips["bill_id"], value_set=rejected_ids).combine_chunks())

    def withdrawn(self) -> pa.Table:
        """Return the slips that were not marked."""
        return self._slips.select(_WITHDRAWN_COLUMNS).filter(bool_array(~self._is_current))

    def replaced(self, manifest: Path) -> pa.Table:
        """Return the slips whose number is on a slip in the manifest of the new run, too."""
        is_replaced = np.zeros(len(self._slips), np.bool_)
        for batch in read_columns(manifest, ["el_number"]):
            self._mark(is_replaced, batch["el_number"])
        return self._slips.select(_WITHDRAWN_COLUMNS).filter(bool_array(is_replaced))

    def _mark(self, mask: BoolArray, numbers: pa.ChunkedArray) -> None:
        """Set the mask, bool (n,), for the slips that have one of some eL numbers."""
        rows = self._numbers.rows_of(numbers.combine_chunks())
        mask[rows[rows >= 0]] = True


class _Lookup:
    """The rows of unique texts, as a sorted array of bytes: 64 to 72 bytes per text of 64 characters."""

    def __init__(self, texts: pa.ChunkedArray) -> None:
        keys = _as_keys(texts)
        self._order = np.argsort(keys, kind="stable")
        self._keys = keys[self._order]

    def rows_of(self, texts: pa.Array) -> Int64Array:
        """Return the row of each text, -1 for one that is not there or null: int64 (n,)."""
        keys = _as_keys(texts)
        if not len(self._keys):
            return np.full(len(keys), -1, np.int64)
        at = np.searchsorted(self._keys, keys)
        at[at == len(self._keys)] = 0
        is_found: BoolArray = (self._keys[at] == keys) & (keys != b"")
        return np.where(is_found, self._order[at], -1)


def _as_keys(texts: pa.ChunkedArray | pa.Array) -> _Keys:
    width = max(pc.max(pc.binary_length(texts)).as_py() or 1, 1)
    return np.array(pc.fill_null(texts, "").cast(pa.binary()).to_pylist(), f"S{width}")


def _printed(options: Mapping[str, Any]) -> dict[str, str]:
    """Return the options that change what is printed; a file by its digest alone."""
    printed = {name: value for name, value in options.items() if name not in _NOT_PRINTED}
    return {name: value for name, value in flatten(printed).items() if not name.endswith(".file")}
