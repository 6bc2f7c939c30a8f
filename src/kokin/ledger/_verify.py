"""Verify a ledger: walk its chains, compare its links with the journal, and judge again where that is asked for."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pyarrow as pa
from sqlalchemy import func, select

from kokin._arrow.convert import to_numpy
from kokin._arrow.threads import difference_sorted, sorted_union, sorted_unique
from kokin.issues import InvalidInputError, Issue, Location
from kokin.ledger._chain import START, chained, row_bytes
from kokin.ledger._circles import circles, receipt_facts, with_standing
from kokin.ledger._errors import LedgerError
from kokin.ledger._forms import chosen
from kokin.ledger._keys import receipt_keys
from kokin.ledger._links import require_complete
from kokin.ledger._relink import check_links, check_pages, pages
from kokin.ledger._schema import CHAINS, JOURNAL, LINK_KINDS, SUMMED, TABLES
from kokin.ledger._store import ROWS, Session
from kokin.ledger._verdict import VERDICT, differs, verdict
from kokin.reconcile import Policy

# What reading raises of rows that the chain of hashes confirms and that Kokin cannot have written.
_UNREADABLE = (pa.ArrowException, LedgerError, InvalidInputError, ValueError, TypeError, LookupError, OverflowError)


@dataclass
class Verification:
    """What a walk has found."""

    rows: dict[str, int] = field(default_factory=dict)
    """How many rows of each table are what was written, up to the first that is not."""
    issues: list[Issue] = field(default_factory=list)
    """What is not: ``where`` names the table as its file and the row's id as its record."""
    hash: str = ""
    """Of the last entry: it seals everything before it."""

    @property
    def is_clean(self) -> bool:
        """Whether everything is what was written."""
        return not self.issues


def verify(session: Session, policy: Policy, *, expected_hash: str, rematch: bool) -> Verification:
    """See :meth:`kokin.ledger.Ledger.verify`."""
    found = Verification()
    if expected_hash and not re.fullmatch("[0-9a-fA-F]{64}", expected_hash):
        found.issues.append(
            Issue(
                "LEDGER_SEAL_FORMAT", field="expected_hash", expected="64 hexadecimal digits", found=expected_hash[:64]
            )
        )
        return found
    seals: dict[str, dict[int, bytes]] = {name: {} for name in CHAINS}
    known = not expected_hash
    last: dict[str, Any] = {}
    for page in _walk(session, "entries", {}, found):
        for name in CHAINS:
            ends, hashes = page.column(name).to_pylist(), page.column(f"{name}_hash").to_pylist()
            seals[name].update({end: seal for end, seal in zip(ends, hashes, strict=True) if end})
        hashes = page.column("hash").to_pylist()
        found.hash = hashes[-1].hex()
        known = known or bytes.fromhex(expected_hash) in hashes
        last = page.slice(len(page) - 1).to_pylist()[0]
    if not last and found.is_clean:
        found.issues.append(Issue("LEDGER_ROW_MISSING", location=Location("entries", 1)))
    if not known and found.is_clean:
        found.issues.append(
            Issue("LEDGER_SEAL", field="hash", expected=expected_hash, found=found.hash, location=Location("entries"))
        )
    if not found.is_clean:
        return found
    for name in CHAINS:
        for _ in _walk(session, name, seals[name], found):
            pass
    if found.is_clean:
        found.issues += _check_index(session, last)
    if found.is_clean and rematch:
        try:
            found.issues += _judge_again(session, policy)
        except _UNREADABLE:
            found.issues.append(Issue("LEDGER_ROW_CHANGED", field="body", location=Location("receipts")))
    return found


def _check_index(session: Session, last: Mapping[str, Any]) -> list[Issue]:
    """The problems of the index: of its rows, of the number that the last entry has of each kind, of its content."""
    try:
        if page := check_pages(session):
            return [page]
        require_complete(session, last)
    except LedgerError as error:
        return error.issues or [Issue("LEDGER_LINKS", location=Location("links"))]
    found = []
    for kind in LINK_KINDS:
        try:
            found.append(check_links(session, kind))
        except _UNREADABLE:
            found.append(Issue("LEDGER_ROW_CHANGED", field="body", location=Location(kind)))
    return [issue for issue in found if issue]


def _walk(session: Session, name: str, seals: dict[int, bytes], found: Verification) -> Iterator[pa.Table]:
    """The rows of a table that are what was written, some at a time, up to the first that is not.

    ``seals`` are the hashes that the entries say of some rows; the last of them is the last row of the table.
    """
    table = TABLES[name]
    before, last = START, 0
    end = max(seals, default=0)
    # The first page has no lower bound: there must be no row before the first.
    rows_after = select(table).order_by(table.c.id)

    def broken(code: str, row: int) -> None:
        found.issues.append(Issue(code, field="", location=Location(name, row)))

    size = ROWS
    while True:
        try:
            page = session.table(rows_after.limit(size))
            rows = row_bytes(page, JOURNAL[name])
        except (pa.ArrowException, InvalidInputError, LedgerError):
            # A value that no column of the ledger can hold: look for its row one by one.
            if size > 1:
                size = 1
                continue
            return broken("LEDGER_ROW_CHANGED", last + 1)
        if not len(page):
            break
        ids = to_numpy(page.column("id"), 0).tolist()
        hashes = page.column("hash").to_pylist()
        # Up to the first row that is not what was written, what is computed is what stands there.
        right = zip(ids, hashes, chained(before, rows), strict=True)
        good = 0
        for row_id, hash_of_row, computed in right:
            if row_id != last + 1 or hash_of_row != computed or seals.get(row_id, computed) != computed:
                break
            before, last, good = computed, row_id, good + 1
        found.rows[name] = last
        if good:
            yield page.slice(0, good)
        if good < len(page):
            row = ids[good]
            if row <= last:
                return broken("LEDGER_ROW_ADDED", row)
            return broken("LEDGER_ROW_MISSING" if row > last + 1 else "LEDGER_ROW_CHANGED", last + 1)
        rows_after = select(table).where(table.c.id > last).order_by(table.c.id)
    found.rows[name] = last
    if name != "entries" and last != end:
        return broken("LEDGER_ROW_MISSING" if last < end else "LEDGER_ROW_ADDED", last + 1)
    # A row without an id, or with that of another, where the owner has removed the primary key.
    count = session.connection.execute(select(func.count()).select_from(table)).scalar_one()
    if count != last:
        broken("LEDGER_ROW_ADDED", last + 1)
    return None


def _judge_again(session: Session, policy: Policy) -> Iterator[Issue]:
    """Where the verdicts that stand are not what the rule says of the receipts that stand."""
    table = TABLES["receipts"]
    seen = np.empty(0, np.int64)
    for page in pages(session, select(table.c.id, table.c[SUMMED], table.c.body), table.c.id):
        some = circles(session, difference_sorted(sorted_unique(receipt_keys(receipt_facts(page))[0]), seen))
        seen = sorted_union(seen, some.keys)
        receipts = with_standing(session, some.receipts)
        stand = chosen(receipts, to_numpy(receipts.column("reverses"), -1) < 0)
        said = verdict(some.bills, stand, policy)
        for posting in chosen(stand, differs(said, stand, VERDICT)).column("posting").to_pylist():
            yield Issue("LEDGER_VERDICT", field="outcome", location=Location("postings", posting))
