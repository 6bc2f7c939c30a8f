"""Changes of bills for systems next door (連携): what each entry changed, from a cursor to an entry.

A row is one bill that one entry changed, with its state before and after. The states are those of the connected
components that the entry touched, matched as of the entry before and as of the entry, so a bill that was matched again
because of another file has a row too. The other bills are not read. The deltas of a bill add up to its balance.

A cursor is the name of a consumer. It is at the last entry that the consumer has acknowledged, which is an entry of the
ledger itself: auditable, written whole or not at all, and reversed as any other entry.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from enum import StrEnum

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from sqlalchemy import func, select

from kokin._arrow.aggregate import sum_by
from kokin._arrow.convert import BoolArray, Int64Array, bool_array, combine, int64_array, to_numpy
from kokin._arrow.runs import SortedRuns
from kokin._arrow.threads import difference_sorted, isin_sorted, sorted_union, sorted_unique
from kokin.issues import InvalidInputError, Issue
from kokin.ledger._active_entries import reversal_targets, reversed_entries, root_entry
from kokin.ledger._codec import to_bool
from kokin.ledger._component_states import ComponentStates
from kokin.ledger._components import (
    Components,
    bill_keys,
    bills_by_id,
    find_components,
    receipt_keys,
    receipts_by_id,
)
from kokin.ledger._database import Transaction
from kokin.ledger._decisions_in_force import receipts_of_decisions
from kokin.ledger._journal import EntryResult, EntryWriter, is_id, rows_of_entry, table_ends
from kokin.ledger._queries import entry_of
from kokin.ledger._rematch import differs
from kokin.ledger._schema import EntryKind, PostingReason, acknowledgements, bill_versions, entries, seals
from kokin.ledger._write_offs_in_force import written_off_bills
from kokin.model import Disposition
from kokin.reconcile import Policy, Reconciliation

# Versions of bills, and receipts, per round: so many and those connected to them are in memory at the same time.
_ROWS_PER_ROUND = 1 << 16

# Rows per batch of the result.
_BATCH_ROWS = 1 << 14

_CURSOR_NAME = re.compile(r"[0-9A-Za-z][0-9A-Za-z._-]{0,63}", re.ASCII)

_YEN = ("amount", "paid", "residual", "provisional", "excess")
_STATE = (*_YEN, "status")

#: The columns of :attr:`BillChanges.table`.
CHANGE_COLUMNS = pa.schema(
    [
        *((name, pa.int64() if name == "entry_id" else pa.string()) for name in ("entry_id", "change_cause")),
        *((name, pa.string()) for name in ("bill_id", "payee_code")),
        *(
            (f"{name}_{side}", pa.string() if name == "status" else pa.int64())
            for name in _STATE
            for side in ("from", "to")
        ),
    ]
)


class ChangeCause(StrEnum):
    """Why the state of a bill changed."""

    #: 調定: the bill is new, or a new version of it was added.
    BILL = "bill"
    #: 計上: a receipt of a file was posted on it, or on another slip of its obligation.
    POSTING = "posting"
    #: 再判定: earlier receipts were matched again because of the entry, and none of it was posted on the bill.
    REMATCH = "rematch"
    #: 取消: an entry or a posting was reversed, or a reversal was.
    REVERSAL = "reversal"
    #: 判断: a person decided about a payment.
    DECISION = "decision"
    #: 充当: an overpayment was set off against it.
    SET_OFF = "set_off"
    #: 不納欠損: yen of its debt were written off.
    WRITE_OFF = "write_off"


_CAUSES = {
    EntryKind.BILLS: ChangeCause.BILL,
    EntryKind.OPENING: ChangeCause.BILL,
    EntryKind.RECEIPT_FILE: ChangeCause.POSTING,
    EntryKind.REVERSAL: ChangeCause.REVERSAL,
    EntryKind.DECISION: ChangeCause.DECISION,
    EntryKind.REFUND: ChangeCause.SET_OFF,
    EntryKind.WRITE_OFF: ChangeCause.WRITE_OFF,
}


@dataclass(frozen=True)
class BillChanges:
    """The changes of bills after the last acknowledged entry of a cursor, up to an entry."""

    cursor: str
    """The name of the consumer."""
    first_entry: int
    """The first entry after those that the consumer has acknowledged."""
    last_entry: int
    """The entry to acknowledge when the changes are processed."""
    table: pa.Table
    """A row per entry and bill that it changed, in this order, with :data:`CHANGE_COLUMNS`.

    Yen: ``amount`` of the bill, ``paid``, ``residual``, ``provisional`` (速報 without 確報) and ``excess`` (過誤納 on
    the bill); ``status`` is a :class:`~kokin.reconcile.BalanceStatus`. ``_from`` is before the entry, ``_to`` after it.
    A bill that is not in force has 0 yen and no status. ``change_cause`` is a :class:`ChangeCause`.
    """

    def deltas(self) -> pa.Table:
        """Return the sum of all changes of a bill, by ``bill_id``: ``amount, paid, residual, provisional, excess``."""
        sides = [
            pa.table(
                {
                    "bill_id": self.table.column("bill_id"),
                    **{name: int64_array(sign * to_numpy(self.table.column(f"{name}_{side}"), 0)) for name in _YEN},
                }
            )
            for sign, side in ((1, "to"), (-1, "from"))
        ]
        return sum_by(pa.concat_tables(sides), ["bill_id"], _YEN)


def require_cursor_name(name: str) -> None:
    """Raise InvalidInputError unless a text can be the name of a cursor."""
    if not _CURSOR_NAME.fullmatch(name):
        issue = Issue("CURSOR_NAME", field="cursor", expected="A-Z a-z 0-9 . _ -", found=name[:64])
        raise InvalidInputError([issue], "nothing was written")


def _position(transaction: Transaction, cursor: str) -> tuple[int, int]:
    """Return the last entry that a consumer has acknowledged, 0 for none, and the entry of the acknowledgement."""
    columns = select(acknowledgements.c.last_entry_id, acknowledgements.c.entry_id)
    rows = transaction.connection.execute(columns.where(acknowledgements.c.cursor_name == cursor)).all()
    reversed_ids = reversed_entries(transaction) if rows else set()
    return max(((row[0], row[1]) for row in rows if row[1] not in reversed_ids), default=(0, 0))


def acknowledge(writer: EntryWriter, cursor: str, entry: int) -> EntryResult:
    """Record that a consumer has processed the changes up to an entry; see :meth:`kokin.ledger.Ledger.acknowledge`."""
    _require_acknowledgeable(writer, cursor, entry)
    position, acknowledged_by = _position(writer, cursor)
    if entry == position:
        return EntryResult(entry_of(writer, acknowledged_by), False, {}, 0)
    writer.begin(EntryKind.ACKNOWLEDGEMENT)
    writer.add_rows("acknowledgements", pa.table({"cursor_name": [cursor], "last_entry_id": [entry]}))
    totals = {"cursor": cursor, "first_entry": position + 1, "last_entry": entry}
    return EntryResult(writer.commit(totals), True, {}, 0)


def _require_acknowledgeable(transaction: Transaction, cursor: str, entry: int) -> None:
    """Raise InvalidInputError unless a consumer can acknowledge an entry: it exists, and is not before its cursor."""
    last = transaction.connection.execute(select(func.max(entries.c.id))).scalar_one()
    if not is_id(entry) or entry > last:
        issue = Issue("ENTRY_UNKNOWN", field="entry", expected=f"1 to {last}", found=str(entry))
        raise InvalidInputError([issue], "nothing was written")
    position, _ = _position(transaction, cursor)
    if entry < position:
        issue = Issue("CHANGES_ACKNOWLEDGED", field="entry", expected=f"{position} or later", found=str(entry))
        raise InvalidInputError([issue], "nothing was written")


class ChangeBatches:
    """The changes of bills after the last acknowledged entry of a cursor, in batches from a temporary file."""

    def __init__(self, cursor: str, first_entry: int, last_entry: int) -> None:
        #: The name of the consumer.
        self.cursor = cursor
        #: The first entry after those that the consumer has acknowledged.
        self.first_entry = first_entry
        #: The entry to acknowledge when the changes are processed.
        self.last_entry = last_entry
        #: The number of rows of each :class:`ChangeCause`.
        self.causes = Counter[str]()
        #: The sum of all changes in yen: ``amount, paid, residual, provisional, excess``.
        self.deltas = Counter[str]()
        self._runs = SortedRuns(CHANGE_COLUMNS, "bill_id")

    @property
    def rows(self) -> int:
        """The number of rows."""
        return self.causes.total()

    def batches(self) -> Iterator[pa.RecordBatch]:
        """Yield the rows of :attr:`BillChanges.table` in batches, at least one; can be called several times."""
        return self._runs.batches(_BATCH_ROWS)

    def add(self, entry: int, rows: pa.Table) -> None:
        """Add rows of an entry, the last one so far."""
        self._runs.add(entry, rows)
        for row in rows.column("change_cause").value_counts().to_pylist():
            self.causes[row["values"]] += row["counts"]
        for name in _YEN:
            after, before = (pc.sum(rows.column(f"{name}_{side}")).as_py() or 0 for side in ("to", "from"))
            self.deltas[name] += after - before

    def finish(self) -> None:
        """End the adding; afterwards the batches can be read."""
        self._runs.finish()

    def close(self) -> None:
        """Remove the temporary file."""
        self._runs.close()


def change_batches(transaction: Transaction, cursor: str, policy: Policy) -> ChangeBatches:
    """Return the changes from a cursor to the last entry; see :meth:`kokin.ledger.Ledger.change_batches`."""
    position, _ = _position(transaction, cursor)
    last: int = transaction.connection.execute(select(func.max(entries.c.id))).scalar_one()
    found = ChangeBatches(cursor, position + 1, last)
    try:
        for entry, kind in _entries_with_rows(transaction, position):
            for rows in _changes(transaction, entry, kind, policy):
                found.add(entry, rows)
        found.finish()
    except BaseException:
        found.close()
        raise
    return found


def _entries_with_rows(transaction: Transaction, position: int) -> Iterator[tuple[int, EntryKind]]:
    """Yield the entries after one that can have changed a bill: with rows about bills or payments, and reversals."""
    statement = select(entries.c.id, entries.c.kind, seals.c.last_rows).join_from(
        entries, seals, seals.c.entry_id == entries.c.id
    )
    before: dict[str, int] = {}
    for row in transaction.connection.execute(statement.where(entries.c.id >= position).order_by(entries.c.id)).all():
        ends = table_ends(row.last_rows)
        after = {name: ends[name].id for name in ("bill_versions", "postings", "decisions", "write_offs")}
        kind = EntryKind(row.kind)
        if row.id > position and (after != before or kind is EntryKind.REVERSAL):
            yield row.id, kind
        before = after


def _changes(transaction: Transaction, entry: int, kind: EntryKind, policy: Policy) -> Iterator[pa.Table]:
    """Yield the rows of one entry, by round of components."""
    touched = _touched(transaction, entry, kind)
    versions, receipts = touched.versions, touched.receipts
    while len(versions) or len(receipts):
        components = _components(transaction, touched, versions[:_ROWS_PER_ROUND], receipts[:_ROWS_PER_ROUND])
        versions = _after_round(versions, components.bills)
        receipts = _after_round(receipts, components.receipts)
        if len(components.bills):
            states = ComponentStates(transaction, components, policy)
            yield _changed_rows(states, entry, _CAUSES[kind], is_decided=touched.is_decided)


def _after_round(ids: Int64Array, found: pa.Table) -> Int64Array:
    """Return the ids after those of a round, without those that its components had too."""
    later = ids[_ROWS_PER_ROUND:]
    return difference_sorted(later, np.sort(to_numpy(found.column("id"), 0))) if len(later) else later


@dataclass(frozen=True)
class _Touched:
    """What an entry can have changed: sorted ids, int64 (k,) each."""

    versions: Int64Array
    """The versions of bills that it added, or of which it wrote off yen."""
    replacing: Int64Array
    """Those of them that replace a version."""
    replaced: Int64Array
    """The version that each of them replaces; not sorted."""
    receipts: Int64Array
    """The receipts that it posted, or about which it decided."""
    is_decided: bool
    """Whether it decides about payments, or reverses such an entry."""


def _touched(transaction: Transaction, entry: int, kind: EntryKind) -> _Touched:
    """Return what an entry can have changed."""
    versions = rows_of_entry(transaction, "bill_versions", entry)
    first, end = (int(versions[0]), int(versions[-1])) if len(versions) else (0, 0)
    pairs = select(bill_versions.c.id, bill_versions.c.replaces_id).where(
        bill_versions.c.id.between(first, end), bill_versions.c.replaces_id.is_not(None)
    )
    replacing = transaction.table(pairs.order_by(bill_versions.c.id))
    posted = transaction.rows("postings", rows_of_entry(transaction, "postings", entry), ("receipt_id",))
    # Another division of a payment among bills can leave its posting as it was.
    decided = root_entry(reversal_targets(transaction), entry) if kind is EntryKind.REVERSAL else entry
    decisions = transaction.rows("decisions", rows_of_entry(transaction, "decisions", decided), ("receipt_id",))
    if written_off := written_off_bills(transaction, decided):
        in_force = select(func.max(bill_versions.c.id).label("id")).where(bill_versions.c.entry_id <= entry)
        in_force = in_force.group_by(bill_versions.c.bill_id)
        rows = transaction.fetch(in_force, bill_versions.c.bill_id, written_off)
        versions = sorted_union(versions, to_numpy(rows.column("id"), 0))
    return _Touched(
        versions,
        to_numpy(replacing.column("id"), 0),
        to_numpy(replacing.column("replaces_id"), 0),
        sorted_union(to_numpy(posted.column("receipt_id"), 0), receipts_of_decisions(decisions)),
        len(decisions) > 0,
    )


def _components(transaction: Transaction, touched: _Touched, versions: Int64Array, receipts: Int64Array) -> Components:
    """Return the components of some versions and receipts of an entry.

    A version and the one that it replaces can have no key in common. They are in the same result, as a bill has one
    row per entry.
    """
    keys = sorted_unique(receipt_keys(receipts_by_id(transaction, receipts))[0])
    added = sorted_union(versions, touched.replaced[isin_sorted(touched.replacing, versions)])
    while True:
        keys = sorted_union(keys, bill_keys(bills_by_id(transaction, added, superseded=True))[0])
        components = find_components(transaction, keys, superseded=True)
        known = np.sort(to_numpy(components.bills.column("id"), 0))
        has_new, has_old = (isin_sorted(ids, known) for ids in (touched.replacing, touched.replaced))
        added = sorted_union(touched.replacing[has_old & ~has_new], touched.replaced[has_new & ~has_old])
        if not len(added):
            return components
        keys = components.keys


def _changed_rows(states: ComponentStates, entry: int, cause: ChangeCause, *, is_decided: bool) -> pa.Table:
    """Return the rows of the bills of some components that an entry changed."""
    before, after = (_state(states.reconciled(each)) for each in (entry - 1, entry))
    ids = pc.unique(pa.chunked_array([*before.column("bill_id").chunks, *after.column("bill_id").chunks], pa.string()))
    sides = [_aligned(state, ids) for state in (before, after)]
    changed = differs(sides[0], sides[1], _STATE)
    columns = {
        "entry_id": int64_array(np.full(len(ids), entry)),
        "change_cause": _causes(states, entry, cause, ids, is_decided=is_decided),
        "bill_id": ids,
        "payee_code": pc.coalesce(*(combine(side.column("payee_code")) for side in reversed(sides))),
        **{
            f"{name}_{suffix}": side.column(name)
            for name in _STATE
            for suffix, side in zip(("from", "to"), sides, strict=True)
        },
    }
    return pa.table(columns, schema=CHANGE_COLUMNS).filter(bool_array(changed))


def _state(result: Reconciliation) -> pa.Table:
    """Return ``bill_id, payee_code`` and the state of each bill."""
    balances, outcomes = result.balances, result.outcomes
    is_provisional = combine(pc.equal(outcomes.column("disposition").cast(pa.string()), Disposition.PROVISIONAL.value))
    rows = pa.table(
        {
            "bill_id": outcomes.column("bill_id").cast(pa.string()),
            "provisional": pc.if_else(is_provisional, combine(outcomes.column("amount")), 0),
            "excess": outcomes.column("excess"),
        }
    )
    sums = sum_by(rows.filter(rows.column("bill_id").is_valid()), ["bill_id"], ("provisional", "excess"))
    found = pc.index_in(balances.column("bill_id").cast(pa.string()), value_set=combine(sums.column("bill_id")))
    columns = {name: balances.column(name) for name in ("amount", "paid", "residual")}
    columns |= {name: pc.fill_null(sums.column(name).take(found), 0) for name in ("provisional", "excess")}
    texts = {name: balances.column(name).cast(pa.string()) for name in ("bill_id", "payee_code", "status")}
    return pa.table({**texts, **columns})


def _aligned(state: pa.Table, ids: pa.Array) -> pa.Table:
    """Return the state of some bills, 0 yen and no text for those that it does not have."""
    rows = state.take(pc.index_in(ids, value_set=combine(state.column("bill_id"))))
    columns = {name: pc.fill_null(rows.column(name), 0) for name in _YEN}
    return pa.table({"payee_code": rows.column("payee_code"), **columns, "status": rows.column("status")})


def _causes(states: ComponentStates, entry: int, cause: ChangeCause, ids: pa.Array, *, is_decided: bool) -> pa.Array:
    """Return the :class:`ChangeCause` of an entry for some bills: string (n,)."""
    versions = states.bills.filter(pc.equal(states.bills.column("entry_id"), entry))
    posted = states.postings.filter(pc.equal(states.postings.column("entry_id"), entry))
    rows = pc.index_in(posted.column("bill_version_id"), value_set=combine(states.bills.column("id")))
    names = states.bills.column("bill_id").take(rows)
    is_rematch = pc.equal(posted.column("posting_reason"), PostingReason.REMATCHED.value)

    def is_among(texts: pa.ChunkedArray) -> BoolArray:
        return to_bool(pc.is_in(ids, value_set=combine(texts)))

    is_own = is_among(versions.column("bill_id")) | is_among(names.filter(pc.invert(is_rematch)))
    is_matched_again = ~is_own if cause is ChangeCause.BILL else is_among(names.filter(is_rematch)) & ~is_own
    if is_decided or cause is ChangeCause.SET_OFF:  # its postings are all those of receipts that are matched again
        is_matched_again[:] = False
    return pc.if_else(bool_array(is_matched_again), ChangeCause.REMATCH.value, cause.value)
