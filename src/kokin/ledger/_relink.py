"""Links compared with the journal that they follow from, or made anew."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa
from sqlalchemy import delete, select

from kokin._arrow.convert import Int64Array, to_numpy
from kokin._arrow.threads import isin_sorted, sorted_unique
from kokin.issues import Issue, Location
from kokin.ledger._bodies import facts
from kokin.ledger._circles import BILL_COLUMNS, receipt_facts
from kokin.ledger._journal import Journal
from kokin.ledger._keys import bill_keys, receipt_keys, text_keys
from kokin.ledger._links import BYTES, MOST, find, joined, pairs_of, sizes
from kokin.ledger._schema import LINK_KINDS, SUMMED, TABLES
from kokin.ledger._store import ROWS, Session

if TYPE_CHECKING:
    from kokin.ledger._store import Statement

_LINKS = TABLES["links"]

# Pages of links that are read at once: 128 KiB each.
_PAGES = 64
# The databases number no row above twice this.
_MAX_ID = 1 << 62


def pages(session: Session, statement: Statement, key: Any, rows: int = ROWS) -> Iterator[pa.Table]:
    """The rows of a statement in the order of a key, so many at a time, each page asked for by itself."""
    ordered = statement.order_by(None).order_by(key).limit(rows)
    page = session.table(ordered)
    while len(page):
        yield page
        page = session.table(ordered.where(key > int(to_numpy(page.column("id"), 0)[-1])))


def _made(session: Session, kind: str) -> Iterator[tuple[Int64Array, Int64Array]]:
    """The links that the journal asks for: keys and the rows that they lead to, some at a time."""
    table = TABLES[kind]
    columns = {"bills": ("id", "body"), "receipts": ("id", SUMMED, "body"), "postings": ("id", "receipt")}[kind]
    for page in pages(session, select(*(table.c[name] for name in columns)), table.c.id):
        ids = to_numpy(page.column("id"), 0)
        match kind:
            case "bills":
                bills = facts("bills", page.column("body"), BILL_COLUMNS)
                keys, rows = bill_keys(bills)
                yield keys, ids[rows]
                yield text_keys("bill_id", bills.column("bill_id")), ids
            case "receipts":
                keys, rows = receipt_keys(receipt_facts(page))
                yield keys, ids[rows]
            case _:
                yield to_numpy(page.column("receipt"), 0), ids


def check_links(session: Session, kind: str) -> Issue | None:
    """The first row to which a link is missing, or the surplus of links; None: they are as the journal asks."""
    count = 0
    for keys, rows in _many(_made(session, kind)):
        count += len(sorted_unique(_paired(keys, rows)))
        missing = rows[~isin_sorted(_paired(keys, rows), np.sort(_paired(*find(session, kind, sorted_unique(keys)))))]
        if len(missing):
            return Issue("LEDGER_LINKS", field=kind, location=Location(kind, int(missing.min())))
    found = sizes(session)[kind] // BYTES
    return (
        Issue("LEDGER_LINKS", field=kind, expected=str(count), found=str(found), location=Location("links"))
        if found != count
        else None
    )


def check_pages(session: Session) -> Issue | None:
    """The first row of the index that is not a page as it is written; None: all are.

    The index is in no chain of hashes, so its rows can hold anything.
    """
    for rows in pages(session, select(_LINKS), _LINKS.c.id, _PAGES):
        for row in rows.to_pylist():
            page = pairs_of(pa.scalar(row["pairs"], pa.binary()))
            is_numbered = 0 < (row["run"] or 0) <= row["id"] <= _MAX_ID
            if page is None or not page.shape[1] or row["kind"] not in LINK_KINDS or not is_numbered:
                return Issue("LEDGER_LINKS", field="pairs", location=Location("links", row["id"]))
            if (row["low"], row["high"]) != (page[0, 0], page[0, -1]) or (page[0, 1:] < page[0, :-1]).any():
                return Issue("LEDGER_LINKS", field="low", location=Location("links", row["id"]))
    return None


def _many(links: Iterator[tuple[Int64Array, Int64Array]]) -> Iterator[tuple[Int64Array, Int64Array]]:
    """The same links, many at a time: each time that some are looked for, all may have to be gone through."""
    held: list[tuple[Int64Array, Int64Array]] = []
    for some in links:
        held.append(some)
        if sum(len(keys) for keys, _ in held) > MOST:
            yield joined(held)
            held = []
    if held:
        yield joined(held)


def _paired(keys: Int64Array, rows: Int64Array) -> Int64Array:
    """Two integers as one; two pairs become the same as good as never, and never by themselves."""
    return keys + rows * np.int64(0x1E3779B97F4A7C15)


def make_links(journal: Journal) -> None:
    """Throw the links away and make them from the journal."""
    journal.connection.execute(delete(_LINKS))
    for kind in LINK_KINDS:
        for keys, rows in _made(journal, kind):
            journal.link(kind, keys, rows)
    journal.write_links()
