"""The index: from every number of every slip to the slip, and from the slip to its debt."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Self

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from kokin.issues import Issue, Place, RefusedError
from kokin.matching._columns import Bytes, Ints, Rows, Words, as_table, integers, to_arrow
from kokin.matching._debts import OPEN, STATUSES, Debts, find_debts
from kokin.matching._pack import NUMBERS, Keys, pack
from kokin.matching._rows import UNKNOWN, codes, conform, problems, texts
from kokin.matching._slots import fill, probe
from kokin.model import Bill

#: What stands for a slip where a receipt's number leads to none: no bill has it, open bills of several debts have it,
#: the receipt carries no number.
NO_BILL, SEVERAL, NO_NUMBER = -1, -2, -3

#: Rows that are worked on at a time, so that what is between two steps stays in the cache.
CHUNK = 32_768

_TEXT_WORDS = 3


@dataclass(frozen=True)
class Lookup:
    """The slips by one kind of number."""

    #: uint64 (n,) each: the numbers of all slips.
    words: tuple[Words, ...]
    #: int32 (power of two,): the table of :func:`kokin.matching._slots.fill`.
    slots: Rows
    #: int32 (n,): the slip that a found one stands for, or :data:`SEVERAL`; None where no number is shared.
    leads: Rows | None

    def find(self, keys: Keys) -> Rows:
        """The slip of each number, :data:`NO_BILL` or :data:`SEVERAL`: int32 (k,)."""
        found = probe(self.slots, self.words, keys.words)
        for wrong in keys.wrong.values():
            found[wrong] = NO_BILL
        return found if self.leads is None else np.where(found < 0, found, self.leads[found])


@dataclass(frozen=True)
class Index:
    """Bills, prepared for matching.

    A number that several slips have leads to the open ones first, then to superseded, then to cancelled ones; among
    slips of the same debt the smallest ``bill_id`` counts. Open slips of different debts make it lead to
    :data:`SEVERAL`. Slips of one debt (an original and its 督促状 with the same 顧客番号) are not ambiguous: whichever
    is taken, the same balance is settled.
    """

    #: The bills as they came: ``bill_id`` and the columns of the eL number are used.
    bills: pa.Table
    #: int64 (n,): yen printed on the slip.
    amount: Ints
    #: uint8 (n,): a code of ``STATUSES``.
    status: Bytes
    #: What is owed.
    debts: Debts
    #: By kind of number.
    lookups: dict[str, Lookup]

    @classmethod
    def build(cls, bills: Any) -> Self:
        """Prepare a table of bills (the columns of :class:`~kokin.model.Bill`; one row is one slip).

        Raises:
            RefusedError: ``.issues`` names every row that is no bill, every ``bill_id`` that is there twice, and every
                covered obligation that no slip of its own bills.
        """
        table = conform(as_table(bills), Bill)
        amount = integers(table.column("amount"), 0)
        names = set(table.schema.names)
        status = codes(table.column("status"), STATUSES, OPEN) if "status" in names else np.zeros(len(table), np.uint8)
        keys = pack_table(table, _text_words(table))
        wrong = (amount < 1) | (status == UNKNOWN) | ~keys["el_number"].present
        for name in {"bill_id", "due_on"} & names:
            wrong |= _absent(table.column(name))
        if "paid_before" in names:
            wrong |= integers(table.column("paid_before"), 0) < 0
        for kind in keys.values():
            for column in kind.wrong.values():
                wrong |= column
        found = [*problems(table, Bill, wrong), *_repeated(table.column("bill_id"))]
        debts = find_debts(table, status, found)
        if found:
            raise RefusedError(found, "bills refused")
        bill_id = table.column("bill_id")
        lookups = {kind: _look_up(some, bill_id, status, debts) for kind, some in keys.items() if some.present.any()}
        return cls(table, amount, status, debts, lookups)

    def find(self, receipts: pa.RecordBatch) -> tuple[Rows, Bytes, dict[str, Keys]]:
        """The slip of each receipt, by the first number that it carries.

        Returns:
            The slip, :data:`NO_BILL`, :data:`SEVERAL` or :data:`NO_NUMBER`: int32 (n,). Which of ``NUMBERS`` it was:
            uint8 (n,). The packed numbers.
        """
        slip = np.full(len(receipts), NO_NUMBER, np.int32)
        by = np.zeros(len(receipts), np.uint8)
        lookup = self.lookups.get("customer_number")
        packed = pack(receipts, len(lookup.words) if lookup else _TEXT_WORDS)
        for code, kind in enumerate(NUMBERS):
            if kind not in packed:
                continue
            rows = np.flatnonzero(packed[kind].present & (slip == NO_NUMBER))
            by[rows] = code
            asked = Keys(
                tuple(word[rows] for word in packed[kind].words),
                packed[kind].present[rows],
                {name: wrong[rows] for name, wrong in packed[kind].wrong.items()},
            )
            slip[rows] = self.lookups[kind].find(asked) if kind in self.lookups else NO_BILL
        return slip, by, packed


def pack_table(table: pa.Table, text_words: int) -> dict[str, Keys]:
    """The numbers of a whole table, chunk by chunk; see :func:`kokin.matching._pack.pack`."""
    parts = [pack(batch, text_words) for batch in table.to_batches(max_chunksize=CHUNK)]
    if not parts:
        parts = [pack(pa.RecordBatch.from_pylist([], schema=table.schema), text_words)]
    return {
        kind: Keys(
            tuple(np.concatenate(words) for words in zip(*(part[kind].words for part in parts), strict=True)),
            np.concatenate([part[kind].present for part in parts]),
            {name: np.concatenate([part[kind].wrong[name] for part in parts]) for name in parts[0][kind].wrong},
        )
        for kind in parts[0]
    }


def _text_words(table: pa.Table) -> int:
    if "customer_number" not in table.schema.names:
        return _TEXT_WORDS
    longest = pc.max(pc.binary_length(table.column("customer_number").cast(pa.string()))).as_py() or 0
    return max(_TEXT_WORDS, -(-longest // 8))


def _absent(column: pa.ChunkedArray) -> Any:
    empty = pc.is_null(column) if pa.types.is_date32(column.type) else pc.equal(texts(column), "")
    return integers(empty.cast(pa.int32()), 1).astype(np.bool_)


def _repeated(bill_id: pa.ChunkedArray) -> list[Issue]:
    coded = texts(bill_id).combine_chunks().dictionary_encode()
    code = integers(coded.indices if not isinstance(coded, pa.ChunkedArray) else coded, -1)
    if len(coded.dictionary) == len(code):
        return []
    first = np.full(len(coded.dictionary), len(code), np.int64)
    np.minimum.at(first, code, np.arange(len(code)))
    again = np.flatnonzero(first[code] != np.arange(len(code)))
    return [
        Issue("BILL_REPEATED", "bill_id", "", bill_id[row].as_py(), Place(record=row + 1)) for row in again.tolist()
    ]


def _look_up(keys: Keys, bill_id: pa.ChunkedArray, status: Bytes, debts: Debts) -> Lookup:
    slots, again, first = fill(keys.words, keys.present)
    if not len(again):
        return Lookup(keys.words, slots, None)
    return Lookup(keys.words, slots, settle_shared(again, first, bill_id, status, debts))


def settle_shared(again: Rows, first: Rows, bill_id: pa.ChunkedArray, status: Bytes, debts: Debts) -> Rows:
    """For every slip the one that its number leads to, or :data:`SEVERAL`: int32 (n,).

    ``again`` and ``first`` are the pairs of slips with one number that :func:`kokin.matching._slots.fill` found.
    """
    holders = np.unique(first)
    slip = np.concatenate([holders, again])
    holder = np.concatenate([holders, first])
    rank = np.empty(len(slip), np.int64)
    order = pc.sort_indices(texts(bill_id).take(to_arrow(slip, pa.int32())))
    rank[integers(order.cast(pa.int64()), 0)] = np.arange(len(slip))
    order = np.lexsort((rank, status[slip], holder))
    slip, holder = slip[order], holder[order]
    head = np.ones(len(slip), np.bool_)
    head[1:] = holder[1:] != holder[:-1]
    chosen = slip[head][np.cumsum(head) - 1]
    debt = _debt_names(slip, debts)
    other = (status[slip] == OPEN) & (debt != debt[head][np.cumsum(head) - 1])
    leads = np.arange(len(status), dtype=np.int32)
    leads[holder] = chosen
    leads[holder[other]] = SEVERAL
    return leads


def _debt_names(slips: Rows, debts: Debts) -> Ints:
    """A number for what each slip settles, the same for slips that settle the same obligations: int64 (k,)."""
    name = debts.lead(slips).astype(np.int64)
    seen: dict[tuple[int, ...], int] = {}
    for place in np.flatnonzero(name < 0).tolist():
        _, covered = debts.spread(name[place : place + 1].astype(np.int32))
        several = tuple(sorted(covered.tolist()))
        name[place] = several[0] if len(several) == 1 else seen.setdefault(several, -1 - len(seen))
    return name
