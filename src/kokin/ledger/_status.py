"""The state of a ledger: counts, sums, and the controls that the journal alone can check."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any, TypeAlias

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from sqlalchemy import ColumnElement, func, select

from kokin._arrow.convert import Int64Array, combine
from kokin._arrow.threads import sorted_unique
from kokin.ledger._bodies import facts
from kokin.ledger._circles import in_force, up_to
from kokin.ledger._entry import Entry, EntryKind
from kokin.ledger._keys import text_keys
from kokin.ledger._links import find
from kokin.ledger._read import entry_of, outcome_counts, whole_yen, yen_parts
from kokin.ledger._schema import CHAINS, TABLES
from kokin.ledger._store import ROWS, Session
from kokin.ledger._verdict import DISPOSITIONS
from kokin.reconcile import Control

_BILLS, _ENTRIES, _POSTINGS, _RECEIPTS = (TABLES[name] for name in ("bills", "entries", "postings", "receipts"))

#: Bills that a broken T7 names.
_MAX_NAMED = 20


def status(session: Session, as_of: date | datetime | None) -> dict[str, Any]:
    """See :meth:`kokin.ledger.Ledger.status`."""
    last = entry_of(session, as_of)
    newest = select(_ENTRIES).where(up_to(_ENTRIES.c.id, last)).order_by(_ENTRIES.c.id.desc()).limit(1)
    row = session.connection.execute(newest).mappings().first()
    entry = Entry.of(row) if row else None
    outcomes = outcome_counts(session, last)
    columns = [part for name in DISPOSITIONS for part in yen_parts(_POSTINGS.c[name])]
    sums = session.connection.execute(select(*columns).where(up_to(_POSTINGS.c.entry, last))).one()
    dispositions = {name: whole_yen(sums[2 * at], sums[2 * at + 1]) for at, name in enumerate(DISPOSITIONS)}
    controls = [*_sums(session, last, outcomes, dispositions), _applied_control(session, last)]
    files = select(func.count()).where(_ENTRIES.c.kind == EntryKind.RECEIPT_FILE.value, up_to(_ENTRIES.c.id, last))
    return {
        "entries": entry.id if entry else 0,
        **{name: row[name] if row else 0 for name in CHAINS},
        "files": session.connection.execute(files).scalar_one(),
        "outcomes": outcomes,
        "dispositions": dispositions,
        "controls": {control.name: control.as_dict() for control in controls},
        "at": row["at"] if row else "",
        "hash": entry.hash if entry else "",
    }


def _sums(
    session: Session, last: int | None, outcomes: dict[str, dict[str, int]], dispositions: dict[str, int]
) -> Iterator[Control]:
    """Every yen that a file brought is in a receipt, and every receipt's in a disposition."""
    files = select(_ENTRIES).where(_ENTRIES.c.kind == EntryKind.RECEIPT_FILE.value, up_to(_ENTRIES.c.id, last))
    accepted = sum(Entry.of(row).totals.get("accepted_yen", 0) for row in session.connection.execute(files).mappings())
    kept = select(*yen_parts(_RECEIPTS.c.amount)).where(up_to(_RECEIPTS.c.entry, last))
    sums = session.connection.execute(kept).one()
    yield Control("T1", "accepted by the files = receipts", accepted, whole_yen(sums[0], sums[1]))
    active = sum(row["amount"] for row in outcomes.values())
    yield Control("T4", "active receipts = sum of all dispositions", active, sum(dispositions.values()))


def _applied_control(session: Session, last: int | None) -> Control:
    """T7: the active postings apply to no obligation more than was billed on it.

    `kokin report` compares the postings with a recomputation of everything; this bound reads the paid bills only, and
    leaves out slips that cover several obligations.
    """
    # A posting that reverses another has the same bill and the opposite yen.
    paid = (
        select(_POSTINGS.c.bill, func.sum(_POSTINGS.c.applied).label("applied"))
        .where(_POSTINGS.c.bill.is_not(None), up_to(_POSTINGS.c.entry, last))
        .group_by(_POSTINGS.c.bill)
        .having(func.sum(_POSTINGS.c.applied) != 0)
    )
    applied = {bill: int(yen) for bill, yen in session.connection.execute(paid).all()}
    #: By obligation, or by bill_id where a slip is its own: the yen applied, the largest amount, a slip.
    groups: dict[tuple[bool, str], _Applied] = {}
    ids = np.array(sorted(applied), np.int64)
    for start in range(0, len(ids), ROWS):
        for row, bill_id, amount, obligation in _slips(session, ids[start : start + ROWS]):
            group = groups.setdefault((bool(obligation), obligation or bill_id), _Applied(bill_id))
            group.yen += applied[row]
            group.billed = max(group.billed, amount)
    _ask_unpaid_slips(session, {key[1]: group for key, group in groups.items() if key[0] and group.excess}, last)
    broken = sorted(group.bill_id for group in groups.values() if group.excess)
    left = sum(group.yen for group in groups.values())
    right = left - sum(group.excess for group in groups.values())
    return Control("T7", "applied to each obligation <= billed on it", left, right, tuple(broken[:_MAX_NAMED]))


#: ``id, bill_id, amount, obligation_id`` of a bill.
Slip: TypeAlias = tuple[int, str, int, str | None]


@dataclass(slots=True)
class _Applied:
    """What was paid on an obligation."""

    bill_id: str
    """One of its slips."""
    yen: int = 0
    billed: int = 0
    """The largest amount of its slips."""

    @property
    def excess(self) -> int:
        return max(self.yen - self.billed, 0)


def _slips(session: Session, ids: Int64Array, only: ColumnElement[bool] | None = None) -> list[Slip]:
    """``id, bill_id, amount, obligation_id`` of bills by their ids, without those that cover several obligations."""
    rows = session.rows("bills", ids, ("body",), only)
    slips = facts("bills", rows.column("body"), ("bill_id", "amount", "obligation_id", "covers"))
    slips = slips.append_column("id", combine(rows.column("id")))
    own = pc.is_null(slips.column("covers"))
    columns = ("id", "bill_id", "amount", "obligation_id")
    # Lists of a column each: a mapping per row would take most of the time.
    values = (column.to_pylist() for column in slips.filter(own).select(columns).columns)
    return list(zip(*values, strict=True))


def _ask_unpaid_slips(session: Session, groups: dict[str, _Applied], last: int | None) -> None:
    """Raise the billed yen of obligations to the largest amount of all their slips, the unpaid ones too."""
    if groups:
        keys = sorted_unique(text_keys("obligation_id", pa.array(groups)))
        for _, _, amount, obligation in _slips(session, sorted_unique(find(session, "bills", keys)[1]), in_force(last)):
            if group := groups.get(obligation or ""):
                group.billed = max(group.billed, amount)
