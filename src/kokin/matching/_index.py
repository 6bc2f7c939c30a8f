"""The index: from every key of every slip to the slip, and from the slip to its obligations; saved in a folder."""

from __future__ import annotations

import json
import mmap
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple, Self

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from kokin._arrow.convert import (
    BoolArray,
    Int32Array,
    Int64Array,
    UInt8Array,
    as_table,
    combine_strings,
    empty_batch,
    fixed_width,
    is_ascending,
    iter_batches,
    take_strings,
    to_numpy,
)
from kokin._arrow.normalize import normalize
from kokin._arrow.threads import CHUNK_ROWS, thread_map
from kokin._arrow.validate import UNKNOWN_CATEGORY, category_codes, checked_table, first_rows, validate_records
from kokin.issues import MAX_ISSUES, InvalidInputError, Issue, Location
from kokin.matching._hash_index import NO_BILL, NO_KEY, KeyFilter, KeyIndex, build_table, gather
from kokin.matching._keys import (
    DIGIT_COLUMNS,
    KEY_COLUMNS,
    KEY_KINDS,
    TEXT_WORDS,
    EncodedKeys,
    decode_el_numbers,
    encode_keys,
    encode_text,
    payee_numbers,
    text_words,
)
from kokin.matching._obligations import (
    OBLIGATION_ARRAYS,
    OPEN,
    SLIP_STATUSES,
    Obligations,
    find_obligations,
    paid_before_issues,
)
from kokin.model import Bill, Receipt

_OBLIGATION_COLUMNS = ("bill_id", "payee_code", "due_on", "obligation_id", "covers", "paid_before")
#: The columns of a bill that matching reads.
MATCHED_COLUMNS = {"amount", "status", *_OBLIGATION_COLUMNS, *KEY_COLUMNS}

_VERSION = 3
_HEAD = "index.json"
_BILL_IDS = "bills.arrow"


@dataclass(frozen=True, eq=False)
class Index:
    """Bills, prepared for matching: ``n`` slips, the keys that lead to them, the obligations that they settle.

    A key of several slips leads to the open ones first, then to superseded, then to cancelled ones; among slips of the
    same obligations to the smallest ``bill_id``. If open slips settle different obligations, it is :data:`AMBIGUOUS`.
    Slips of one obligation (an original and its 督促状 with the same 顧客番号) are not ambiguous: whichever is chosen,
    the payment is allocated to the same balance.
    """

    #: The ``bill_id`` of each slip, whether they are sorted, and the bytes of each if all have the same number.
    bill_id: pa.Array
    is_sorted: bool
    id_width: int | None
    #: int64 (n,): yen printed on the slip.
    amount: Int64Array
    #: uint8 (n,): a code of ``SLIP_STATUSES``; None if all slips are open.
    status: UInt8Array | None
    #: What is owed.
    obligations: Obligations
    #: By kind of key.
    key_indexes: dict[str, KeyIndex]

    def __len__(self) -> int:
        return len(self.amount)

    @classmethod
    def build(cls, bills: Any, *, receipts: Any = None, check_paid_before: bool = True) -> Self:
        """Prepare a table of bills (the columns of :class:`~kokin.model.Bill`; one row is one slip).

        Of a stream, such as a :class:`pyarrow.RecordBatchReader`, only the columns used for matching stay in memory.

        Args:
            bills: the table.
            receipts: the receipts that will be looked up, if they are few: a table with the columns of
                :class:`~kokin.model.Receipt`, or a list of them. Keys that none of them has are not indexed, which
                saves time and memory. :meth:`lookup` of these receipts returns the same: a key that was left out is
                not among theirs, the slips of one key are indexed together or not at all, and obligations do not
                depend on keys.
            check_paid_before: reject an obligation on which more was paid before than its slips bill, because no figure
                would contain the excess.

        Raises:
            InvalidInputError: ``.issues`` has every invalid row, every duplicate ``bill_id``, every covered obligation
                that no slip of its own bills, and every obligation with more paid than billed.
        """
        filters = None if receipts is None else _key_filters(receipts)
        chunks = thread_map(partial(_read_chunk, filters), _with_offsets(iter_batches(bills, CHUNK_ROWS)))
        rows = pa.concat_tables([chunk.rows for chunk in chunks])
        bill_id = combine_strings(rows.column("bill_id"))
        amount = np.concatenate([chunk.amount for chunk in chunks])
        status = np.concatenate([chunk.status for chunk in chunks])
        # Those of the chunks are popped, as both together need much memory.
        keys = {kind: _concat_keys([chunk.keys.pop(kind) for chunk in chunks]) for kind in list(chunks[0].keys)}
        issues = _issues_of(chunks)
        is_sorted = is_ascending(bill_id)
        if not is_sorted:
            issues += _duplicate_ids(bill_id)
        obligations = find_obligations(rows, amount, status, issues)
        if check_paid_before:
            issues += paid_before_issues(rows, amount, status, obligations)
        if issues:
            raise InvalidInputError(issues, "bills rejected", sum(chunk.invalid_count for chunk in chunks))
        slips = {kind: np.concatenate([chunk.slips[kind] for chunk in chunks]) for kind in chunks[0].slips}
        key_indexes = {
            kind: KeyIndex.build(of_kind, bill_id, status, obligations, slips.get(kind))
            for kind, of_kind in keys.items()
            if of_kind.present.any() or (kind == "el_number" and len(amount))
        }
        any_status = status if status.any() else None
        return cls(bill_id, is_sorted, fixed_width(bill_id), amount, any_status, obligations, key_indexes)

    def save(self, folder: str | Path) -> None:
        """Write the index into a folder, for :meth:`load` on a machine of the same byte order."""
        arrays = {name: getattr(self.obligations, name) for name in OBLIGATION_ARRAYS}
        arrays.update(amount=self.amount, status=self.status)
        for kind, key_index in self.key_indexes.items():
            arrays.update({f"{kind}.{name}": array for name, array in key_index._asdict().items()})
        values = {"is_sorted": self.is_sorted, "id_width": self.id_width, "kinds": list(self.key_indexes)}
        _save(Path(folder), arrays, pa.table({"bill_id": self.bill_id}), values)

    @classmethod
    def load(cls, folder: str | Path) -> Self:
        """Load an index from a folder by mapping its files into memory: only what is used is read.

        Raises:
            InvalidInputError: the folder contains no index, or one of another version.
            OSError: a file cannot be read.
        """
        arrays, bill_ids, values = _load(Path(folder))
        obligations = Obligations(**{name: arrays[name] for name in OBLIGATION_ARRAYS})
        key_indexes = {
            kind: KeyIndex(*(arrays[f"{kind}.{name}"] for name in KeyIndex._fields)) for kind in values["kinds"]
        }
        bill_id = combine_strings(bill_ids.column("bill_id"))
        is_sorted, width = values["is_sorted"], values["id_width"]
        return cls(bill_id, is_sorted, width, arrays["amount"], arrays["status"], obligations, key_indexes)

    def release(self) -> None:
        """Release the memory of mapped key indexes; a run needs them once."""
        for key_index in self.key_indexes.values():
            _release(key_index.words)
            _release(key_index.table)

    def bill_ids(self, slips: Int32Array) -> pa.Array:
        """Return the ``bill_id`` of slips, null for a code below 0: string (k,)."""
        return take_strings(self.bill_id, self.id_width, slips)

    def el_fields(self, slips: Int32Array) -> dict[str, pa.Array]:
        """Return the eL numbers of slips by field: ``payee_code, item_code, confirmation, case_key``."""
        return decode_el_numbers(gather(self.key_indexes["el_number"].words, slips))

    def payees(self) -> tuple[Int32Array, list[str]]:
        """Return a number for the payee of each slip, int32 (n,), and the ``payee_code`` of each number, ascending."""
        if not len(self):
            return np.empty(0, np.int32), []
        numbers = payee_numbers(self.key_indexes["el_number"].words)
        first = int(numbers.min())
        numbers -= first
        is_payee = np.zeros(int(numbers.max()) + 1, np.bool_)
        is_payee[numbers] = True
        number_of = (np.cumsum(is_payee) - 1).astype(np.int32)
        return number_of[numbers], [f"{first + number:05d}" for number in np.flatnonzero(is_payee).tolist()]

    def lookup(self, receipts: pa.RecordBatch) -> tuple[Int32Array, UInt8Array, BoolArray]:
        """Find the slip of each receipt by the first key that it carries.

        Returns:
            The slip, :data:`NO_BILL`, :data:`AMBIGUOUS` or :data:`NO_KEY`: int32 (n,). Which of ``KEY_KINDS`` the key
            was: uint8 (n,). Whether any of its keys is invalid: bool (n,).
        """
        count = len(receipts)
        slip, key_kind = np.full(count, NO_KEY, np.int32), np.zeros(count, np.uint8)
        invalid = np.zeros(count, np.bool_)
        customer_numbers = self.key_indexes.get("customer_number")
        encoded = encode_keys(receipts, customer_numbers.words.shape[1] if customer_numbers else TEXT_WORDS)
        for kind, keys in encoded.items():
            invalid |= keys.invalid
            unresolved = keys.present & (slip == NO_KEY)
            rows: slice | Int64Array = slice(None)
            queries = keys
            if not unresolved.all():
                rows = at = np.flatnonzero(unresolved)
                queries = EncodedKeys(gather(keys.words, at), keys.present[at], keys.invalid[at])
            key_kind[rows] = KEY_KINDS.index(kind)
            slip[rows] = self.key_indexes[kind].lookup(queries) if kind in self.key_indexes else NO_BILL
        return slip, key_kind, invalid


class _BillChunk(NamedTuple):
    """A chunk of bills, checked: the columns of obligations, yen, status codes and keys, and what is invalid."""

    rows: pa.Table
    amount: Int64Array
    status: UInt8Array
    keys: dict[str, EncodedKeys]
    slips: dict[str, Int32Array]
    """The slips of the keys of a kind that is filtered, int32 (k,)."""
    issues: list[Issue]
    """Those of single values."""
    suspects: pa.Table
    """The first rows that may be invalid as a record."""
    suspect_numbers: list[int]
    """Their numbers in the chunk, from 1."""
    place: Callable[[int], Location]
    invalid_count: int


def _issues_of(chunks: Iterable[_BillChunk]) -> list[Issue]:
    """Return the first issues of chunks, each once."""
    issues: dict[Issue, None] = {}
    for chunk in chunks:
        if len(issues) < MAX_ISSUES:
            issues |= dict.fromkeys(chunk.issues)
            issues |= dict.fromkeys(validate_records(chunk.suspects, chunk.suspect_numbers, Bill, chunk.place))
    return list(issues)


def _with_offsets(batches: Iterable[pa.RecordBatch]) -> Iterator[tuple[pa.RecordBatch, int]]:
    """Yield batches, and the number of rows before each."""
    offset = 0
    for batch in batches:
        yield batch, offset
        offset += len(batch)


def _key_filters(receipts: Any) -> dict[str, KeyFilter]:
    """Return the filter of the keys of receipts by kind, without kinds that they lack."""
    encoded: dict[str, list[EncodedKeys]] = {}
    for table in receipts if isinstance(receipts, Sequence) else [receipts]:
        batches = normalize(as_table(table), Receipt, KEY_COLUMNS).to_batches(max_chunksize=CHUNK_ROWS)
        for keys in thread_map(lambda batch: encode_keys(batch, text_words(batch)), batches):
            for kind, of_kind in keys.items():
                encoded.setdefault(kind, []).append(of_kind)
    return {kind: KeyFilter(of_kind) for kind, of_kind in encoded.items()}


def _filter_keys(
    keys: dict[str, EncodedKeys], filters: Mapping[str, KeyFilter], offset: int
) -> tuple[dict[str, EncodedKeys], dict[str, Int32Array]]:
    """Return the keys of bills that receipts may have, and their slips, where ``offset`` is the first slip.

    All eL numbers stay in memory, as they are fields of the bills; those that no receipt has count as not present.
    """
    filtered, slips = {}, {}
    for kind, of_kind in keys.items():
        may_be_found = filters[kind].may_contain(of_kind) if kind in filters else np.zeros_like(of_kind.present)
        if kind == "el_number":
            filtered[kind] = of_kind._replace(present=may_be_found)
        else:
            rows = np.flatnonzero(may_be_found)
            filtered[kind], slips[kind] = of_kind.at(rows), (offset + rows).astype(np.int32)
    return filtered, slips


def _read_chunk(filters: Mapping[str, KeyFilter] | None, chunk: tuple[pa.RecordBatch, int]) -> _BillChunk:
    """Check and encode a batch of bills; the second value is the number of rows before it."""
    batch, offset = chunk

    def place(record: int) -> Location:
        return Location(record=offset + record)

    rows = pa.Table.from_batches([batch])
    # Encoding checks the keys.
    table, issues, has_error = checked_table(rows, Bill, MATCHED_COLUMNS, unchecked=DIGIT_COLUMNS, place=place)
    amount = to_numpy(table.column("amount"), 0)
    status = np.zeros(len(table), np.uint8)
    if "status" in table.schema.names:
        status = category_codes(table.column("status"), SLIP_STATUSES, OPEN)
    encodable = table.combine_chunks().to_batches()[0] if len(table) else empty_batch(table.schema)
    keys = encode_keys(encodable, text_words(table))
    invalid = ~keys["el_number"].present | (status == UNKNOWN_CATEGORY)
    for of_kind in keys.values():
        invalid |= of_kind.invalid
    suspects, numbers = first_rows(table, invalid)
    rows = table.select([name for name in _OBLIGATION_COLUMNS if name in table.schema.names])
    count = int(np.count_nonzero(invalid | has_error))
    keys, slips = (keys, {}) if filters is None else _filter_keys(keys, filters, offset)
    return _BillChunk(rows, amount, status, keys, slips, issues, suspects, numbers, place, count)


def _concat_keys(chunks: list[EncodedKeys]) -> EncodedKeys:
    """Concatenate keys of one kind, all in as many words as the longest needs."""
    width = max(chunk.words.shape[1] for chunk in chunks)
    words = np.zeros((sum(len(chunk.present) for chunk in chunks), width), np.uint64)
    end = 0
    for chunk in chunks:
        start, end = end, end + len(chunk.present)
        words[start:end, : chunk.words.shape[1]] = chunk.words
    present, invalid = [chunk.present for chunk in chunks], [chunk.invalid for chunk in chunks]
    return EncodedKeys(words, np.concatenate(present), np.concatenate(invalid))


def _duplicate_ids(bill_id: pa.Array) -> list[Issue]:
    """Return an issue for each row whose ``bill_id`` an earlier row has."""
    longest = pc.max(pc.binary_length(bill_id)).as_py() or 0
    keys = encode_text(bill_id, -(-longest // 8) or 1)
    _, duplicates, firsts = build_table(keys.words, keys.present)
    rows = np.unique(np.concatenate([duplicates, firsts]))
    issues, seen = [], set()
    for row, text in zip(rows.tolist(), take_strings(bill_id, None, rows).to_pylist(), strict=True):
        if text in seen:
            location = Location(record=row + 1)
            issues.append(Issue("BILL_REPEATED", field="bill_id", expected="", found=text, location=location))
        seen.add(text)
    return issues


def _save(
    folder: Path, arrays: Mapping[str, npt.NDArray[Any] | None], bill_ids: pa.Table, values: Mapping[str, Any]
) -> None:
    """Write arrays as ``.npy`` files (an array with two names once), the bill ids, and JSON values.

    The JSON file is written last, so an interrupted save leaves no index.
    """
    folder.mkdir(parents=True, exist_ok=True)
    (folder / _HEAD).unlink(missing_ok=True)
    files: dict[int, str] = {}
    for name, array in arrays.items():
        if array is not None and id(array) not in files:
            files[id(array)] = f"{name}.npy"
            np.save(folder / files[id(array)], array)
    table = bill_ids.combine_chunks()
    with pa.OSFile(str(folder / _BILL_IDS), "wb") as sink, pa.ipc.new_file(sink, table.schema) as writer:
        writer.write_table(table, max_chunksize=max(1, len(table)))
    file_of = {name: None if array is None else files[id(array)] for name, array in arrays.items()}
    head = {"version": _VERSION, "arrays": file_of, **values}
    (folder / _HEAD).write_text(json.dumps(head, indent=1), encoding="utf-8")


def _load(folder: Path) -> tuple[dict[str, Any], pa.Table, dict[str, Any]]:
    """Map what :func:`_save` wrote into memory; raise InvalidInputError as :meth:`Index.load`."""
    head = json.loads((folder / _HEAD).read_text(encoding="utf-8")) if (folder / _HEAD).is_file() else {}
    if head.get("version") != _VERSION:
        found, location = str(head.get("version", "")), Location(folder.name)
        issue = Issue("INDEX_VERSION", field="", expected=str(_VERSION), found=found, location=location)
        raise InvalidInputError([issue], "no index")
    mapped = {name: np.asarray(np.load(folder / name, mmap_mode="r")) for name in set(head["arrays"].values()) - {None}}
    arrays = {name: None if file is None else mapped[file] for name, file in head["arrays"].items()}
    bill_ids = pa.ipc.open_file(pa.memory_map(str(folder / _BILL_IDS))).read_all()
    return arrays, bill_ids, head


def _release(array: npt.NDArray[Any]) -> None:
    """Release the memory of a mapped array; a later access reads it from the file cache."""
    base: Any = array
    while isinstance(base, np.ndarray):
        base = base.base
    if isinstance(base, mmap.mmap) and hasattr(mmap, "MADV_DONTNEED"):
        base.madvise(mmap.MADV_DONTNEED)
