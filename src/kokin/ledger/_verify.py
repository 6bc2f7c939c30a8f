"""Verify a ledger: walk its chains, compare its links with the journal, and judge again where that is asked for."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field

import numpy as np
import pyarrow as pa
from sqlalchemy import select

from kokin.columns import bool_array, distinct, union, without
from kokin.issues import Issue, Place, RefusedError
from kokin.ledger._chain import START, follows, row_bytes
from kokin.ledger._circles import RECEIPT_COLUMNS, circles
from kokin.ledger._forms import ints
from kokin.ledger._keys import receipt_keys
from kokin.ledger._links import check_links, pages
from kokin.ledger._schema import CHAINS, JOURNAL, LINKS, TABLES
from kokin.ledger._settle import BALANCE, last_balances
from kokin.ledger._store import ROWS, Session
from kokin.ledger._verdict import VERDICT, differs, verdict
from kokin.reconcile import Policy


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


def verify(session: Session, policy: Policy, *, sealed: str, again: bool) -> Verification:
    """See :meth:`kokin.ledger.Ledger.verify`."""
    found = Verification()
    seals: dict[str, dict[int, str]] = {name: {} for name in CHAINS}
    known = not sealed
    for page in _walk(session, "entries", {}, found):
        for name in CHAINS:
            ends, hashes = page.column(name).to_pylist(), page.column(f"{name}_hash").to_pylist()
            seals[name].update({end: seal for end, seal in zip(ends, hashes, strict=True) if end})
        hashes = page.column("hash").to_pylist()
        found.hash = hashes[-1]
        known |= sealed in hashes
    if not known:
        found.issues.append(Issue("LEDGER_SEAL", "hash", sealed, found.hash, Place("entries")))
    if not found.is_clean:
        return found
    for name in CHAINS:
        for _ in _walk(session, name, seals[name], found):
            pass
    if found.is_clean:
        found.issues += filter(None, (check_links(session, name) for name in LINKS))
    if found.is_clean and again:
        found.issues += _judge_again(session, policy, found.rows["receipts"])
    return found


def _walk(session: Session, name: str, seals: dict[int, str], found: Verification) -> Iterator[pa.Table]:
    """The rows of a table that are what was written, some at a time, up to the first that is not.

    ``seals`` are the hashes that the entries say of some rows; the last of them is the last row of the table.
    """
    table = TABLES[name]
    before, last = START, 0
    end = max(seals, default=0)

    def broken(code: str) -> None:
        found.issues.append(Issue(code, "", where=Place(name, last + 1)))

    size = ROWS
    while True:
        try:
            page = session.table(select(table).where(table.c.id > last).order_by(table.c.id).limit(size))
            rows = row_bytes(page, JOURNAL[name])
        except (pa.ArrowException, TypeError, RefusedError):
            # A value that no column of the ledger can hold: look for its row one by one.
            if size > 1:
                size = 1
                continue
            return broken("LEDGER_ROW_CHANGED")
        if not len(page):
            break
        good, hashes = 0, page.column("hash").to_pylist()
        for row_id, bytes_of_row, hash_of_row in zip(page.column("id").to_pylist(), rows, hashes, strict=True):
            sealed = seals.get(row_id, hash_of_row)
            if row_id != last + 1 or hash_of_row != sealed or not follows(before, bytes_of_row, hash_of_row):
                break
            before, last, good = hash_of_row, row_id, good + 1
        found.rows[name] = last
        if good:
            yield page.slice(0, good)
        if good < len(page):
            gap = page.column("id")[good].as_py() != last + 1
            return broken("LEDGER_ROW_MISSING" if gap else "LEDGER_ROW_CHANGED")
    found.rows[name] = last
    if name != "entries" and last != end:
        broken("LEDGER_ROW_MISSING" if last < end else "LEDGER_ROW_ADDED")
    return None


def _judge_again(session: Session, policy: Policy, last_receipt: int) -> Iterator[Issue]:
    """Where the verdicts and balances that stand are not what the rule says of the receipts that stand."""
    table = TABLES["receipts"]
    seen = np.empty(0, np.int64)
    for page in pages(session, select(*(table.c[name] for name in ("id", *RECEIPT_COLUMNS))), table.c.id):
        keys = without(distinct(receipt_keys(page)), seen)
        some = circles(session, keys, last_receipt)
        seen = union(seen, some.keys)
        stand = some.receipts.filter(bool_array(ints(some.receipts.column("reverses"), -1) < 0))
        said, balances = verdict(some.bills, stand, policy)
        for posting in stand.column("posting").filter(bool_array(differs(said, stand, VERDICT))).to_pylist():
            yield Issue("LEDGER_VERDICT", "outcome", where=Place("postings", posting))
        noted = session.look_up(ints(balances.column("bill")), last_balances)
        both = balances.join(noted, "bill", right_suffix="_noted").sort_by("bill")
        columns = both.select(["bill", *BALANCE])
        said_before = both.select([f"{name}_noted" for name in BALANCE]).rename_columns(BALANCE)
        for bill in columns.column("bill").filter(bool_array(differs(columns, said_before, BALANCE))).to_pylist():
            yield Issue("LEDGER_BALANCE", "residual", where=Place("bills", bill))
