"""The links: which rows a key leads to. They follow from the journal, and can be compared with it or made anew."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import pyarrow as pa
from sqlalchemy import Select, delete, func, select

from kokin.columns import Ints, distinct, within
from kokin.issues import Issue, Place
from kokin.ledger._circles import BILL_COLUMNS, RECEIPT_COLUMNS
from kokin.ledger._forms import ints
from kokin.ledger._journal import Journal
from kokin.ledger._keys import bill_keys, receipt_keys
from kokin.ledger._read import in_force
from kokin.ledger._schema import LINKS, TABLES
from kokin.ledger._store import ROWS, Session, Wanted, joined

_BILLS, _RECEIPTS = TABLES["bills"], TABLES["receipts"]


def pages(session: Session, statement: Select[Any], key: Any, rows: int = ROWS) -> Iterator[pa.Table]:
    """The rows of a statement in the order of a key, so many at a time, each page asked for by itself."""
    last = 0
    while len(page := session.table(statement.where(key > last).order_by(None).order_by(key).limit(rows))):
        yield page
        last = int(ints(page.column("id"))[-1])


def _made(session: Session, table: str) -> Iterator[tuple[Ints, Ints]]:
    """The links that the journal asks for: keys and the rows that they lead to, some at a time."""
    if table == "bill_links":
        for bills in pages(session, in_force(None, BILL_COLUMNS), _BILLS.c.id):
            keys, rows = bill_keys(bills)
            yield keys, ints(bills.column("id"))[rows]
    else:
        columns = (_RECEIPTS.c[name] for name in ("id", *RECEIPT_COLUMNS))
        for receipts in pages(session, select(*columns), _RECEIPTS.c.id):
            yield receipt_keys(receipts), ints(receipts.column("id"))


def check_links(session: Session, table: str) -> Issue | None:
    """The first row to which a link is missing, or the surplus of links; None: they are as the journal asks."""
    count = 0
    to = LINKS[table].names[1]
    for keys, rows in _made(session, table):
        count += len(distinct(_paired(keys, rows)))
        there = session.look_up(distinct(keys), lambda wanted: _links_of(table, wanted))
        known = distinct(_paired(ints(there.column("key")), ints(there.column(to))))
        missing = rows[~within(_paired(keys, rows), known)]
        if len(missing):
            return Issue("LEDGER_LINKS", to, where=Place(table, int(missing.min())))
    found = session.connection.execute(select(func.count()).select_from(TABLES[table])).scalar_one()
    return Issue("LEDGER_LINKS", "", str(count), str(found), Place(table)) if found != count else None


def _paired(keys: Ints, rows: Ints) -> Ints:
    """Two integers as one; two pairs become the same as good as never, and never by themselves."""
    return keys + rows * np.int64(0x1E3779B97F4A7C15)


def _links_of(table: str, wanted: Wanted) -> Select[Any]:
    return select(TABLES[table]).select_from(joined(wanted, TABLES[table], "key"))


def make_links(journal: Journal) -> None:
    """Throw the links away and make them from the journal."""
    for table in LINKS:
        journal.connection.execute(delete(TABLES[table]))
        for keys, rows in _made(journal, table):
            journal.link(table, keys, rows)
