"""What people ask of a ledger: one bill's story, the state of the whole, and the audit log in files."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv as pa_csv
from sqlalchemy import Select, func, select

from kokin.issues import Issue, RefusedError
from kokin.ledger._circles import circles
from kokin.ledger._entry import EntryKind
from kokin.ledger._forms import ints
from kokin.ledger._journal import last_entry
from kokin.ledger._keys import bill_keys, text_keys
from kokin.ledger._read import standing_postings
from kokin.ledger._schema import AUDIT_LOG, CHAINS, TABLES
from kokin.ledger._store import Session, Wanted, joined
from kokin.ledger._verdict import BINS
from kokin.reconcile import Control

_BILLS, _ENTRIES, _POSTINGS, _RECEIPTS = (TABLES[name] for name in ("bills", "entries", "postings", "receipts"))
_LINKS, _BALANCES = TABLES["bill_links"], TABLES["balances"]


@dataclass(frozen=True, slots=True)
class History:
    """Everything on one bill, oldest first; every table names the ``entry`` of each row."""

    versions: pa.Table
    """The bill as it was sent, each time that it changed."""
    postings: pa.Table
    """The postings on it and their reversals, with who, when, why and from which file."""
    balances: pa.Table
    """How it stood after each change."""


def history(session: Session, bill_id: str) -> History:
    """See :meth:`kokin.ledger.Ledger.history`."""
    key = text_keys("bill_id", pa.array([bill_id]))
    found = session.look_up(key, _bills_of)
    found = found.filter(pc.equal(found.column("bill_id"), bill_id))
    if not len(found):
        raise RefusedError([Issue("BILL_UNKNOWN", "bill_id", "", bill_id)], "no history")
    versions = [found]
    while (before := ints(versions[-1].column("previous"))[0]) > 0:
        versions.append(session.table(select(_BILLS).where(_BILLS.c.id == before)))
    bills = pa.concat_tables(versions[::-1]).combine_chunks()
    ids = bills.column("id")
    # A posting is on a bill whose number led to it: its receipt is in the circle of one of the versions.
    receipts = circles(session, bill_keys(bills)[0], _last_receipt(session)).receipts.column("id")
    postings = session.look_up(ints(receipts), _log_of)
    postings = postings.filter(pc.is_in(postings.column("bill"), value_set=ids)).sort_by("id")
    balances = session.look_up(ints(ids), _balances_of).sort_by("id")
    return History(bills.drop_columns("hash"), postings, balances)


def _last_receipt(session: Session) -> int:
    last = last_entry(session.connection)
    return int(last["receipts"]) if last else 0


def _bills_of(wanted: Wanted) -> Select[Any]:
    return select(_BILLS).select_from(joined(wanted, _LINKS, "key").join(_BILLS, _BILLS.c.id == _LINKS.c.bill))


def _log_of(wanted: Wanted) -> Select[Any]:
    return select(AUDIT_LOG).select_from(joined(wanted, AUDIT_LOG, "receipt"))


def _balances_of(wanted: Wanted) -> Select[Any]:
    names = ("id", "entry", "bill", "amount", "paid", "residual", "status")
    return select(*(_BALANCES.c[name] for name in names)).select_from(joined(wanted, _BALANCES, "bill"))


def status(session: Session) -> dict[str, Any]:
    """See :meth:`kokin.ledger.Ledger.status`."""
    last = last_entry(session.connection)
    assert last is not None
    tables = _POSTINGS.join(_RECEIPTS, _RECEIPTS.c.id == _POSTINGS.c.receipt)
    stand = (
        select(_POSTINGS.c.outcome, func.count().label("count"), func.sum(_RECEIPTS.c.amount).label("amount"))
        .select_from(tables)
        .where(standing_postings(None))
        .group_by(_POSTINGS.c.outcome)
        .order_by(_POSTINGS.c.outcome)
    )
    rows = session.connection.execute(stand).all()
    outcomes = {row.outcome: {"count": row[1], "amount": int(row[2])} for row in rows}
    sums = session.connection.execute(select(*(func.sum(_POSTINGS.c[name]) for name in BINS))).one()
    bins = {name: int(yen or 0) for name, yen in zip(BINS, sums, strict=True)}
    files = select(func.count()).where(_ENTRIES.c.kind == EntryKind.FILE.value)
    return {
        "entries": last["id"],
        **{name: last[name] for name in CHAINS},
        "files": session.connection.execute(files).scalar_one(),
        "outcomes": outcomes,
        "bins": bins,
        "controls": {control.name: control.as_dict() for control in _controls(session, outcomes, bins)},
        "at": last["at"],
        "hash": last["hash"],
    }


def _controls(session: Session, outcomes: dict[str, dict[str, int]], bins: dict[str, int]) -> Iterator[Control]:
    """What the journal alone can tell: every yen that a file brought is in a receipt, and every receipt's in a bin."""
    told = session.connection.execute(select(_ENTRIES.c.told).where(_ENTRIES.c.kind == EntryKind.FILE.value)).scalars()
    brought = sum(json.loads(text)["accepted_yen"] for text in told)
    kept = session.connection.execute(select(func.sum(_RECEIPTS.c.amount))).scalar_one() or 0
    yield Control("T1", "accepted by the files = receipts", brought, int(kept))
    stand = sum(row["amount"] for row in outcomes.values())
    yield Control("T4", "standing receipts = sum of all bins", stand, sum(bins.values()))


def _defused(rows: pa.Table) -> pa.Table:
    """The same rows, an apostrophe before a text that a spreadsheet would take for a formula."""
    for place, field in enumerate(rows.schema):
        if field.type == pa.string():
            texts = rows.column(place)
            formula = pc.fill_null(pc.match_substring_regex(texts, r"^[=+\-@]"), False)
            harmless = pc.binary_join_element_wise("'", texts, "")
            rows = rows.set_column(place, field, pc.if_else(formula, harmless, texts))
    return rows


def export(session: Session, folder: Path) -> list[Path]:
    """See :meth:`kokin.ledger.Ledger.export`."""
    folder.mkdir(parents=True, exist_ok=True)
    statements: dict[str, Select[Any]] = {"journal": select(AUDIT_LOG).order_by(AUDIT_LOG.c.id)}
    for name in ("entries", *CHAINS):
        columns = [column for column in TABLES[name].c if column.name != "name"]
        statements[name] = select(*columns).order_by(TABLES[name].c.id)
    written = []
    for name, statement in statements.items():
        path = folder / f"{name}.csv"
        with path.open("wb") as file:
            file.write(",".join(statement.selected_columns.keys()).encode() + b"\n")
            for rows in session.store.query(session.connection, statement):
                pa_csv.write_csv(_defused(rows), file, pa_csv.WriteOptions(include_header=False))
        written.append(path)
    return written
