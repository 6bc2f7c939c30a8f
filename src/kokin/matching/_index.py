"""The index: from every number of every slip to the slip, and from the slip to its debt."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple, Self

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from kokin._arrow import (
    CHUNK_ROWS,
    UNKNOWN_CATEGORY,
    BoolArray,
    Int32Array,
    Int64Array,
    UInt8Array,
    category_codes,
    checked_table,
    combine_strings,
    empty_batch,
    fixed_width,
    iter_batches,
    take_strings,
    thread_map,
    to_numpy,
    validate_records,
)
from kokin.issues import InvalidInputError, Issue, Location
from kokin.matching._debts import DEBT_ARRAYS, OPEN, STATUSES, Obligations, find_debts, overpaid
from kokin.matching._lookup import NO_BILL, NO_KEY, Lookup, look_up
from kokin.matching._pack import DIGIT_COLUMNS, KEY_COLUMNS, KEY_KINDS, EncodedKeys, encode_keys, encode_text, unpack
from kokin.matching._saved import load, release, save
from kokin.matching._slots import fill, gather
from kokin.model import Bill

_TEXT_WORDS = 3

# What bills are matched on, and what is owed on them; the rest of a bill is for other rooms.
_OF_DEBTS = ("bill_id", "due_on", "obligation_id", "covers", "paid_before")
_USED = {"amount", "status", *_OF_DEBTS, *KEY_COLUMNS}


@dataclass(frozen=True, eq=False)
class Index:
    """Bills, prepared for matching: ``n`` slips, the numbers that lead to them, the debts that they lead to.

    A number that several slips have leads to the open ones first, then to superseded, then to cancelled ones; among
    slips of the same debt the smallest ``bill_id`` counts. Open slips of different debts make it lead to
    :data:`SEVERAL`. Slips of one debt (an original and its 督促状 with the same 顧客番号) are not ambiguous: whichever
    is taken, the same balance is settled.
    """

    #: The ``bill_id`` of each slip, whether they stand in their order, and the bytes of each where all have as many.
    bill_id: pa.Array
    in_order: bool
    width: int | None
    #: int64 (n,): yen printed on the slip.
    amount: Int64Array
    #: uint8 (n,): a code of ``STATUSES``; None where all slips are open.
    status: UInt8Array | None
    #: What is owed.
    debts: Obligations
    #: By kind of number.
    lookups: dict[str, Lookup]

    def __len__(self) -> int:
        return len(self.amount)

    @classmethod
    def build(cls, bills: Any, *, check_paid_before: bool = True) -> Self:
        """Prepare a table of bills (the columns of :class:`~kokin.model.Bill`; one row is one slip).

        Of a stream, such as a :class:`pyarrow.RecordBatchReader`, only what is matched on is held.

        Args:
            bills: the table.
            check_paid_before: refuse an obligation on which more was paid before than its slips bill, for the excess
                would be in no figure.

        Raises:
            InvalidInputError: ``.issues`` names every row that is no bill, every duplicate ``bill_id``, every
                covered obligation that no slip of its own bills, and every obligation with more paid than billed.
        """
        parts = thread_map(_read, _counted(iter_batches(bills, CHUNK_ROWS)))
        rows = pa.concat_tables([part.rows for part in parts])
        bill_id = combine_strings(rows.column("bill_id"))
        amount, status = (np.concatenate([part[column] for part in parts]) for column in (1, 2))
        keys = {kind: _joined([part.keys[kind] for part in parts]) for kind in parts[0].keys}
        found = [issue for part in parts for issue in part.issues]
        in_order = _ascending(bill_id)
        if not in_order:
            found += _repeated(bill_id)
        debts = find_debts(rows, amount, status, found)
        if check_paid_before:
            found += overpaid(rows, amount, status, debts)
        if found:
            raise InvalidInputError(found, "bills refused")
        lookups = {kind: look_up(some, bill_id, status, debts) for kind, some in keys.items() if some.present.any()}
        status_told = status if status.any() else None
        return cls(bill_id, in_order, fixed_width(bill_id), amount, status_told, debts, lookups)

    def save(self, folder: str | Path) -> None:
        """Write the index into a folder, to be used by :meth:`load` on a machine of the same byte order."""
        arrays = {name: getattr(self.debts, name) for name in DEBT_ARRAYS}
        arrays.update(amount=self.amount, status=self.status)
        for kind, lookup in self.lookups.items():
            arrays.update({f"{kind}.{name}": part for name, part in zip(Lookup._fields, lookup, strict=True)})
        names = pa.table({"bill_id": self.bill_id})
        more = {"in_order": self.in_order, "width": self.width, "kinds": list(self.lookups)}
        save(Path(folder), arrays, names, more)

    @classmethod
    def load(cls, folder: str | Path) -> Self:
        """An index from a folder, mapped into memory: only what is looked at is read.

        Raises:
            InvalidInputError: the folder holds no index, or one of another version.
            OSError: a file cannot be read.
        """
        arrays, names, more = load(Path(folder))
        debts = Obligations(**{name: arrays[name] for name in DEBT_ARRAYS})
        lookups = {kind: Lookup(*(arrays[f"{kind}.{name}"] for name in Lookup._fields)) for kind in more["kinds"]}
        bill_id = combine_strings(names.column("bill_id"))
        return cls(bill_id, more["in_order"], more["width"], arrays["amount"], arrays["status"], debts, lookups)

    def release(self) -> None:
        """Give back the memory of the lookups where they are mapped; a day's run needs them once."""
        for lookup in self.lookups.values():
            release(lookup.words)
            release(lookup.slots)

    def names(self, slips: Int32Array) -> pa.Array:
        """The ``bill_id`` of slips, null for what is no slip (below 0): string (k,)."""
        return take_strings(self.bill_id, self.width, slips)

    def el_fields(self, slips: Int32Array) -> dict[str, pa.Array]:
        """The eL numbers of slips by their fields, ``payee_code, item_code, confirmation, case_key``."""
        return unpack(gather(self.lookups["el_number"].words, slips))

    def find(self, receipts: pa.RecordBatch) -> tuple[Int32Array, UInt8Array, BoolArray]:
        """The slip of each receipt, by the first number that it carries.

        Returns:
            The slip, :data:`NO_BILL`, :data:`SEVERAL` or :data:`NO_KEY`: int32 (n,). Which of ``KEY_KINDS`` it was:
            uint8 (n,). Whether any of its numbers is none of its kind: bool (n,).
        """
        count = len(receipts)
        slip, by = np.full(count, NO_KEY, np.int32), np.zeros(count, np.uint8)
        wrong = np.zeros(count, np.bool_)
        lookup = self.lookups.get("customer_number")
        packed = encode_keys(receipts, lookup.words.shape[1] if lookup else _TEXT_WORDS)
        for kind, keys in packed.items():
            wrong |= keys.wrong
            asked = keys.present & (slip == NO_KEY)
            rows = slice(None) if asked.all() else np.flatnonzero(asked)
            by[rows] = KEY_KINDS.index(kind)
            asked_keys = EncodedKeys(keys.words[rows], keys.present[rows], keys.wrong[rows])
            slip[rows] = self.lookups[kind].find(asked_keys) if kind in self.lookups else NO_BILL
        return slip, by, wrong


class _Part(NamedTuple):
    """A stretch of bills: what debts are found by, yen, standing, numbers, and what is wrong."""

    rows: pa.Table
    amount: Int64Array
    status: UInt8Array
    keys: dict[str, EncodedKeys]
    issues: list[Issue]


def _counted(batches: Iterable[pa.RecordBatch]) -> Iterator[tuple[pa.RecordBatch, int]]:
    """Batches, and how many rows come before each."""
    before = 0
    for batch in batches:
        yield batch, before
        before += len(batch)


def _read(piece: tuple[pa.RecordBatch, int]) -> _Part:
    """A stretch of bills, checked and packed; ``piece`` says how many rows come before it."""
    batch, before = piece
    rows = pa.Table.from_batches([batch])
    # The numbers are checked where they are packed.
    table, issues = checked_table(
        rows, Bill, _USED, unchecked=DIGIT_COLUMNS, place=lambda row: Location(record=before + row)
    )
    amount = to_numpy(table.column("amount"), 0)
    status = np.zeros(len(table), np.uint8)
    if "status" in table.schema.names:
        status = category_codes(table.column("status"), STATUSES, OPEN)
    keys = encode_keys(
        table.combine_chunks().to_batches()[0] if len(table) else empty_batch(table.schema), _text_words(table)
    )
    wrong = _suspects(table, status, keys)
    issues += validate_records(table, Bill, wrong, lambda record: Location(record=before + record))
    rows = table.select([name for name in _OF_DEBTS if name in table.schema.names])
    return _Part(rows, amount, status, keys, list(dict.fromkeys(issues)))


def _suspects(table: pa.Table, status: UInt8Array, keys: dict[str, EncodedKeys]) -> BoolArray:
    """Rows that may be no bills: bool (n,)."""
    wrong: BoolArray = ~keys["el_number"].present | (status == UNKNOWN_CATEGORY)
    for kind in keys.values():
        wrong |= kind.wrong
    return wrong


def _text_words(table: pa.Table) -> int:
    if "customer_number" not in table.schema.names:
        return _TEXT_WORDS
    longest = pc.max(pc.binary_length(table.column("customer_number").cast(pa.string()))).as_py() or 0
    return max(_TEXT_WORDS, -(-longest // 8))


def _joined(parts: list[EncodedKeys]) -> EncodedKeys:
    """The numbers of one kind, a stretch after another, all in as many words as the longest needs."""
    words = np.zeros((sum(len(part.present) for part in parts), max(part.words.shape[1] for part in parts)), np.uint64)
    end = 0
    for part in parts:
        start, end = end, end + len(part.present)
        words[start:end, : part.words.shape[1]] = part.words
    present, wrong = [part.present for part in parts], [part.wrong for part in parts]
    return EncodedKeys(words, np.concatenate(present), np.concatenate(wrong))


def _ascending(texts: pa.Array) -> bool:
    """Whether each text is less than the one after it; then no two are the same."""
    count = len(texts) - 1
    starts = range(0, max(count, 0), CHUNK_ROWS)

    def ascends(start: int) -> bool:
        size = min(CHUNK_ROWS, count - start)
        return bool(pc.all(pc.less(texts.slice(start, size), texts.slice(start + 1, size))).as_py())

    return all(thread_map(ascends, starts))


def _repeated(bill_id: pa.Array) -> list[Issue]:
    """The rows whose ``bill_id`` an earlier row has."""
    longest = pc.max(pc.binary_length(bill_id)).as_py() or 0
    keys = encode_text(bill_id, -(-longest // 8) or 1)
    _, again, first = fill(keys.words, keys.present)
    rows = np.unique(np.concatenate([again, first]))
    issues, seen = [], set()
    for row, text in zip(rows.tolist(), take_strings(bill_id, None, rows).to_pylist(), strict=True):
        if text in seen:
            issues.append(
                Issue("BILL_REPEATED", field="bill_id", expected="", found=text, location=Location(record=row + 1))
            )
        seen.add(text)
    return issues
