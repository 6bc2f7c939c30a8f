"""Write-offs (不納欠損): the limitation list, the rows that a person has completed.

A write-off lowers what is open of a debt. It moves no payment and changes no outcome: a receipt that comes later is
matched as before, and the finding WRITE_OFF_EXCEEDS_BALANCE names it.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from functools import partial
from typing import Annotated, Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from kokin._arrow.convert import combine, to_numpy
from kokin.catalog import Catalog, ClaimClass, claims_of_article
from kokin.issues import InvalidInputError, Issue, Location
from kokin.ledger import _queries
from kokin.ledger._active_entries import find_posted_file
from kokin.ledger._closed_books import ClosedBooks
from kokin.ledger._database import Transaction
from kokin.ledger._incoming import digest_of
from kokin.ledger._journal import EntryResult, EntryWriter, rows_of_entry
from kokin.ledger._load_bills import latest_versions
from kokin.ledger._row_checks import Problems, Row, approver_problems, checked_rows, require_none
from kokin.ledger._schema import EntryKind, stored_columns
from kokin.ledger._write_offs_in_force import write_offs_in_force
from kokin.model import BillStatus, Date, Record, Text, Yen
from kokin.reconcile import Accounts, Policy

_SUMMARY = "nothing was written off"

#: The columns of a write-off that a person fills in.
INPUT_COLUMNS = ("amount", "written_off_on", "article", "reason", "approver")
_ROW = pa.schema([field for field in stored_columns("write_offs") if field.name not in ("id", "entry_id", "hash")])

#: The columns of the limitation list; the last five are empty, for a person to fill in.
LIMITATION_COLUMNS = pa.schema(
    [
        ("bill_id", pa.string()),
        ("payee_code", pa.string()),
        ("charge", pa.string()),
        ("claim", pa.string()),
        ("due_on", pa.date32()),
        ("lapses_on", pa.date32()),
        ("needs_invocation", pa.bool_()),
        ("balance", pa.int64()),
        ("amount", pa.int64()),
        ("written_off_on", pa.date32()),
        ("article", pa.string()),
        ("reason", pa.string()),
        ("approver", pa.string()),
    ]
)


class WriteOffDecision(Record):
    """A row of the limitation list that a person has completed: yen of one debt to write off (不納欠損).

    A row without amount, day, article, reason and approver is left out: nothing was decided about it.
    """

    bill_id: Annotated[str, Text(64, min=1)]
    """The open bill of the debt; of a slip that covers several obligations, the first of them is meant."""
    amount: Annotated[int, Yen(1)] | None = None
    """Yen, at most the balance; required."""
    written_off_on: Annotated[date, Date()] | None = None
    """The day of the decision; by default that of the call."""
    article: Annotated[str, Text(80, min=1)] | None = None
    """The article of law, such as 地方税法18①, 地方税法15の7④, 地方自治法236① or 民法145; required."""
    reason: Annotated[str, Text(200, min=1)] | None = None
    """Why, without personal data; required."""
    approver: Annotated[str, Text(80, min=1)] | None = None
    """Who approved it; required, and another person than the actor, if the policy asks for four eyes."""


def limitation_list(accounts: Accounts, until: date) -> pa.Table:
    """Return the debts whose limitation ends until a day: :data:`LIMITATION_COLUMNS`, by ``lapses_on, bill_id``.

    Debts whose charge is not known, and so their limitation, come last, without ``lapses_on``.
    """
    arrears = accounts.arrears
    ends = combine(arrears.column("limitation_ends_on"))
    arrears = arrears.filter(pc.fill_null(pc.less_equal(ends, pa.scalar(until)), True))
    claim = combine(arrears.column("claim")).cast(pa.string())
    columns = {
        **{name: combine(arrears.column(name)) for name in ("bill_id", "payee_code", "charge", "due_on")},
        "claim": claim,
        "lapses_on": combine(arrears.column("limitation_ends_on")),
        "needs_invocation": pc.equal(claim, ClaimClass.PRIVATE.value),
        "balance": combine(arrears.column("unpaid")),
    }
    found = [
        columns[field.name].cast(field.type) if field.name in columns else pa.nulls(len(arrears), field.type)
        for field in LIMITATION_COLUMNS
    ]
    table = pa.Table.from_arrays(found, schema=LIMITATION_COLUMNS)
    return table.sort_by([("lapses_on", "ascending"), ("bill_id", "ascending")]).combine_chunks()


@dataclass(frozen=True)
class WriteOffBatch:
    """The completed rows of one file."""

    source: str
    """The name of the file."""
    rows: Sequence[Row]
    """With all fields of :class:`WriteOffDecision`, and their number ``row`` in the file."""
    digest: str
    """SHA-256 of the rows in any order: the same rows are booked once."""


def write_off_batch(table: Any, day: date | None, source: str) -> WriteOffBatch:
    """Return the completed rows of a table.

    Args:
        table: a table with the columns of :class:`WriteOffDecision`.
        day: the day of the rows without one.
        source: the name of the file.

    Raises:
        InvalidInputError: not such a table, a row is invalid or half completed, or none is completed.
    """
    place = partial(Location, source)
    rows = checked_rows(table, WriteOffDecision, place, _SUMMARY)
    rows = [row for row in rows if any(row[name] is not None for name in INPUT_COLUMNS)]
    if not rows:
        issue = Issue("FIELD_MISSING", field="amount", expected="yen to write off")
        raise InvalidInputError([issue], _SUMMARY)
    for row in rows:
        row["written_off_on"] = row["written_off_on"] or day
    names = ("amount", "written_off_on", "article", "reason")
    missing = ((row["row"], Issue("FIELD_MISSING", field=name)) for row in rows for name in names if row[name] is None)
    require_none(missing, place, _SUMMARY)
    encoded = _encoded(rows).sort_by([(name, "ascending") for name in _ROW.names])
    return WriteOffBatch(source, rows, digest_of(encoded.combine_chunks()))


def _encoded(rows: Sequence[Row]) -> pa.Table:
    return pa.Table.from_pylist(
        [{**row, "written_off_on": row["written_off_on"].isoformat()} for row in rows], schema=_ROW
    )


def write_off(writer: EntryWriter, batch: WriteOffBatch, policy: Policy, catalog: Catalog) -> EntryResult:
    """Write off debts; see :meth:`kokin.ledger.Ledger.write_off`."""
    posted, deliveries = find_posted_file(writer, EntryKind.WRITE_OFF, batch.digest)
    if posted:
        return EntryResult(posted, False, {}, 0)
    rows = _checked(writer, batch, policy, catalog)
    about = {"source": batch.source, "digest": batch.digest, "delivery": deliveries + 1}
    writer.begin(EntryKind.WRITE_OFF, **about)
    writer.add_rows("write_offs", rows)
    totals = {"given": len(rows), "yen": pc.sum(rows.column("amount")).as_py()}
    return EntryResult(writer.commit(totals), True, {}, 0)


def _checked(writer: EntryWriter, batch: WriteOffBatch, policy: Policy, catalog: Catalog) -> pa.Table:
    """Check the rows of a file against the ledger, and return them as columns of the table ``write_offs``.

    Raises:
        InvalidInputError: with every problem, each with its row and field.
    """
    rows = batch.rows
    names = pa.chunked_array([sorted({row["bill_id"] for row in rows})], pa.string())
    bills = {bill["bill_id"]: bill for bill in latest_versions(writer, names).to_pylist() if not bill["withdrawn"]}
    problems = [
        *_bill_problems(rows, bills),
        *_day_problems(rows, writer.day, ClosedBooks.read(writer, None).first_open_day),
        *_article_problems(rows, bills, catalog),
        *_duplicate_problems(writer, rows),
        *_balance_problems(writer, rows, bills, policy),
        *approver_problems(rows, writer.actor, policy),
    ]
    require_none(problems, partial(Location, batch.source), _SUMMARY)
    return _encoded(rows)


def _bill_problems(rows: Sequence[Row], bills: dict[str, Row]) -> Problems:
    """Yield the problems of bills: unknown, not open, or in two rows."""
    seen = set()
    for row in rows:
        bill = bills.get(row["bill_id"])
        if bill is None:
            yield row["row"], Issue("BILL_UNKNOWN", field="bill_id", found=row["bill_id"])
        elif bill["status"] != BillStatus.OPEN:
            yield row["row"], Issue("WRITE_OFF_BILL", field="bill_id", expected=BillStatus.OPEN, found=bill["status"])
        elif row["bill_id"] in seen:
            yield row["row"], Issue("BILL_REPEATED", field="bill_id", found=row["bill_id"])
        seen.add(row["bill_id"])


def _day_problems(rows: Sequence[Row], today: date, first_open: date | None) -> Problems:
    """Yield the problems of days: in the future, or in a closed period."""
    for row in rows:
        day = row["written_off_on"]
        if day > today:
            yield (
                row["row"],
                Issue("WRITE_OFF_FUTURE", field="written_off_on", expected=f"{today} or earlier", found=str(day)),
            )
        elif first_open and day < first_open:
            yield (
                row["row"],
                Issue("WRITE_OFF_CLOSED", field="written_off_on", expected=f"{first_open} or later", found=str(day)),
            )


def _article_problems(rows: Sequence[Row], bills: dict[str, Row], catalog: Catalog) -> Problems:
    """Yield WRITE_OFF_ARTICLE for an article that applies to no claim of the bill, as far as both are known."""
    for row in rows:
        applies = claims_of_article(row["article"])
        claims = _claims(bills[row["bill_id"]], catalog) if row["bill_id"] in bills else set()
        if applies and claims and not applies & claims:
            expected, found = " | ".join(sorted(applies)), f"{row['article']}: {', '.join(sorted(claims))}"
            yield row["row"], Issue("WRITE_OFF_ARTICLE", field="article", expected=expected, found=found)


def _claims(bill: Row, catalog: Catalog) -> set[ClaimClass]:
    """Return the classes of the claims of a bill, also of its parts; none if its charge is not known."""
    item = catalog.items.get(bill["item_code"])
    names = [bill["charge"] or (item.charge if item else "")]
    names += [line.partition("=")[0] for line in (bill["parts"] or "").splitlines()]
    return {catalog.charges[name].claim for name in names if name in catalog.charges}


def _duplicate_problems(transaction: Transaction, rows: Sequence[Row]) -> Problems:
    """Yield WRITE_OFF_DUPLICATE for a row that is in force already, from another file."""
    names = ("bill_id", "amount", "written_off_on", "article", "reason")
    booked = {
        tuple(row[name] for name in names): row["entry_id"] for row in write_offs_in_force(transaction).to_pylist()
    }
    for row in rows:
        entry = booked.get(tuple(row[name] for name in names))
        if entry is not None:
            yield row["row"], Issue("WRITE_OFF_DUPLICATE", field="bill_id", found=f"{row['bill_id']} (entry {entry})")


def require_write_off_restorable(transaction: Transaction, root: int, reversed_ids: set[int]) -> None:
    """Raise WRITE_OFF_DUPLICATE if an entry is restored of whose rows one is in force, from another file.

    Args:
        transaction: the transaction.
        root: the entry of the write-offs.
        reversed_ids: the entries that will not be active.
    """
    if root in reversed_ids:
        return
    ids = rows_of_entry(transaction, "write_offs", root)
    rows = transaction.rows("write_offs", ids, _ROW.names).to_pylist()
    own = [{**row, "row": 1, "written_off_on": date.fromisoformat(row["written_off_on"])} for row in rows]
    require_none(_duplicate_problems(transaction, own), lambda _: Location(), "nothing was reversed")


def _balance_problems(transaction: Transaction, rows: Sequence[Row], bills: dict[str, Row], policy: Policy) -> Problems:
    """Yield WRITE_OFF_EXCEEDS for the rows of debts of which more is written off than is open."""
    run = _queries.reconciled(transaction, None, policy).run
    known = [row for row in rows if row["bill_id"] in bills and bills[row["bill_id"]]["status"] == BillStatus.OPEN]
    ids = pa.array([row["bill_id"] for row in known], run.index.bill_id.type)
    slips = to_numpy(pc.index_in(ids, value_set=run.index.bill_id), -1).astype(np.int32)
    debts = run.index.obligations.first_of(slips).tolist()
    is_open = run.balance - run.written_off.yen
    total: dict[int, int] = defaultdict(int)
    for row, debt in zip(known, debts, strict=True):
        total[debt] += row["amount"]
    for row, debt in zip(known, debts, strict=True):
        if total[debt] > is_open[debt]:
            expected, found = f"{is_open[debt]:,}", f"{total[debt]:,}"
            yield row["row"], Issue("WRITE_OFF_EXCEEDS", field="amount", expected=expected, found=found)
