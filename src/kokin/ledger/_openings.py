"""Opening balances (期首移行): what an old system carries over into a new ledger, tied to its totals.

Overpayments, suspense (不明金) and provisionals (速報) become receipts without a file, the first two of kind
``manual``, so neither T1 nor T3 expects a file or a deposit for them. Their outcomes follow from the rule of matching
like those of every receipt; the opening is rejected unless each has the disposition that the old system states.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import date, time
from functools import partial
from hashlib import sha256
from pathlib import Path
from typing import Annotated, Any, Self

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from pydantic import Field

from kokin._arrow.convert import Int64Array, as_table, combine, int64_array, to_numpy
from kokin._arrow.validate import validate_table
from kokin.issues import MAX_ISSUES, InvalidInputError, Issue, Location
from kokin.ledger._active_entries import find_posted_file
from kokin.ledger._codec import canonical_rows, decode_columns, encode_column
from kokin.ledger._components import receipts_with_posting
from kokin.ledger._journal import EntryResult, EntryWriter
from kokin.ledger._load_bills import BillChunk, BillLoader, bill_chunks, latest_versions
from kokin.ledger._queries import posted_outcomes
from kokin.ledger._rematch import add_receipts, rematch
from kokin.ledger._schema import DISPOSITIONS, RECORD_FIELDS, EntryKind
from kokin.matching import MATCHED_COLUMNS, Index
from kokin.model import Bill, Date, Digits, Disposition, ReceiptKind, Record, Text, Yen
from kokin.reconcile import Policy
from kokin.text import load_toml, located_in

_SUMMARY = "nothing was opened"
_EL_FIELDS = ("payee_code", "item_code", "case_key", "confirmation")

#: The kind and the disposition of the items of each file.
ITEM_KINDS = {
    "overpayments": (ReceiptKind.MANUAL, Disposition.EXCESS),
    "suspense": (ReceiptKind.MANUAL, Disposition.SUSPENSE),
    "provisionals": (ReceiptKind.PROVISIONAL, Disposition.PROVISIONAL),
}


class OpeningItem(Record):
    """An overpayment, money in suspense, or a provisional of an old system."""

    bill_id: Annotated[str, Text(64, min=1)] | None = None
    """The overpaid bill (required), or the bill of a provisional; the item gets the numbers of the bill."""
    payee_code: Annotated[str, Digits(5)] | None = None
    """共通納税機関コード."""
    item_code: Annotated[str, Digits(3)] | None = None
    """税目・料金番号."""
    case_key: Annotated[str, Digits(20, zero_pad=True)] | None = None
    """案件特定キー."""
    confirmation: Annotated[str, Digits(6)] | None = None
    """確認番号."""
    barcode: Annotated[str, Digits(44)] | None = None
    """The 44 digits of the convenience-store barcode."""
    customer_number: Annotated[str, Text(20)] | None = None
    """顧客番号."""
    virtual_account: Annotated[str, Digits(10)] | None = None
    """Virtual account: branch 3 + number 7."""
    amount: Annotated[int, Yen(1)]
    """Yen that are not refunded, not resolved or not confirmed."""
    paid_on: Annotated[date, Date()]
    """納付日."""
    paid_time: time | None = None
    """The time of day at the till; of a provisional as its final will have it."""
    received_on: Annotated[date, Date()] | None = None
    """収入日, which determines the fiscal year."""
    channel: Annotated[str, Text(20)] | None = None
    """納付チャネル."""
    agent_code: Annotated[str, Text(20)] | None = None
    """収納代行."""
    store_code: Annotated[str, Text(20)] | None = None
    """店舗コード; of a provisional as its final will have it."""
    provider_key: Annotated[str, Text(128)] | None = None
    """The number of the item in the old system, unique; it is shown, and never sent."""
    reason: Annotated[str, Text(200, min=1)] | None = None
    """A note, without personal data."""


class OpeningTotal(Record):
    """The total of one kind in the old system."""

    count: Annotated[int, Yen()] = 0
    """Number of items."""
    yen: Annotated[int, Yen(0, 999_999_999_999_999)] = 0
    """Their yen."""


class OpeningBills(Record):
    """The totals of the bills in the old system."""

    count: Annotated[int, Yen()] = 0
    """Number of slips, also of cancelled and superseded ones."""
    billed: Annotated[int, Yen(0, 999_999_999_999_999)] = 0
    """調定額 in yen; slips of one obligation count once."""
    paid: Annotated[int, Yen(0, 999_999_999_999_999)] = 0
    """Yen of it that were paid before (収入済額), without overpayments."""
    open: Annotated[int, Yen(0, 999_999_999_999_999)] = 0
    """未納額 in yen."""


class OpeningTotals(Record):
    """The totals of the old system; a table that is left out is zero."""

    bills: OpeningBills = Field(default_factory=OpeningBills)
    """調定."""
    overpayments: OpeningTotal = Field(default_factory=OpeningTotal)
    """還付未済の過誤納."""
    suspense: OpeningTotal = Field(default_factory=OpeningTotal)
    """不明金."""
    provisionals: OpeningTotal = Field(default_factory=OpeningTotal)
    """確報のない速報."""

    @classmethod
    def load(cls, path: str | Path) -> Self:
        """Read a TOML file with the tables ``[bills]``, ``[overpayments]``, ``[suspense]`` and ``[provisionals]``.

        Raises:
            InvalidInputError: it is not TOML, or has an unknown key or an invalid value.
            OSError: the file cannot be read.
        """
        file = Path(path)
        with located_in(file.name, "totals rejected"):
            return cls(**load_toml(file))

    def differences(self, found: Self) -> Iterator[Issue]:
        """Yield ``OPENING_TOTAL`` for each total that differs: which one, expected and found."""
        for (name, expected), (_, actual) in zip(self, found, strict=True):
            for field, value in expected:
                other = getattr(actual, field)
                if value != other:
                    yield Issue("OPENING_TOTAL", field=f"{name}.{field}", expected=f"{value:,}", found=f"{other:,}")


@dataclass(frozen=True)
class Opening:
    """Checked bills and items, encoded, with the totals that were found."""

    bills: list[BillChunk]
    items: dict[str, pa.Table]
    """By kind; the columns of receipts and ``bill_id``."""
    digest: str
    """SHA-256 of all rows."""
    totals: OpeningTotals


def prepare_opening(bills: Any, items: Mapping[str, Any], totals: OpeningTotals) -> Opening:
    """Check the bills and items, and compare their totals with those of the old system.

    Args:
        bills: a table of bills, an iterable of tables, or None.
        items: by kind a table with the columns of :class:`OpeningItem`, or None.
        totals: those of the old system.

    Raises:
        InvalidInputError: a row is invalid, or a total differs.
    """
    chunks = [] if bills is None else list(bill_chunks(bills))
    tables = {}
    for name in ITEM_KINDS:
        table = as_table(items[name]) if items.get(name) is not None else pa.table({"amount": pa.array([], pa.int64())})
        if len(table):
            tables[name] = _encode(validate_table(table, OpeningItem, place=partial(Location, name)))
    missing = (
        [
            Issue("FIELD_MISSING", field="bill_id", location=Location("overpayments", row + 1))
            for row in np.flatnonzero(~_has_bill(tables["overpayments"]))[:MAX_ISSUES].tolist()
        ]
        if "overpayments" in tables
        else []
    )
    found = OpeningTotals(
        bills=_bill_totals(chunks),
        **{
            name: OpeningTotal(count=len(table), yen=int(pc.sum(table.column("amount")).as_py() or 0))
            for name, table in tables.items()
        },
    )
    if issues := [*missing, *totals.differences(found)]:
        raise InvalidInputError(issues, _SUMMARY)
    digest = sha256()
    for rows in (*(chunk.bills for chunk in chunks), *tables.values()):
        digest.update(b"\n".join(canonical_rows(rows)) + b"\n\n")
    return Opening(chunks, tables, digest.hexdigest(), found)


def _encode(items: pa.Table) -> pa.Table:
    return pa.table({name: encode_column(items.column(name)) for name in items.column_names})


def _has_bill(items: pa.Table) -> np.ndarray[Any, np.dtype[np.bool_]]:
    if "bill_id" not in items.column_names:
        return np.zeros(len(items), np.bool_)
    return np.array([bool(each) for each in items.column("bill_id").to_pylist()], np.bool_)


def _bill_totals(chunks: list[BillChunk]) -> OpeningBills:
    """Return the totals of bills as Kokin counts them: an obligation of several slips once."""
    if not chunks:
        return OpeningBills()
    fields = pa.schema([field for field in RECORD_FIELDS["bill_versions"] if field.name in MATCHED_COLUMNS])
    bills = pa.concat_tables(_with_fields(chunk.bills, fields) for chunk in chunks)
    owed = Index.build(decode_columns(bills, Bill)).obligations
    billed, unpaid = int(owed.billed.sum()), int(owed.open.sum())
    return OpeningBills(count=len(bills), billed=billed, paid=billed - unpaid, open=unpaid)


def open_balances(writer: EntryWriter, policy: Policy, opening: Opening, source: str) -> EntryResult:
    """Carry over the balances of an old system; see :meth:`kokin.ledger.Ledger.open_balances`."""
    opened, deliveries = find_posted_file(writer, EntryKind.OPENING, opening.digest)
    if opened:
        return EntryResult(opened, False, {}, 0)
    about = {"source": source, "digest": opening.digest, "delivery": deliveries + 1}
    writer.begin(EntryKind.OPENING, **about)
    count, not_shared = _add(writer, policy, opening)
    entry = writer.commit({"read": count, "opening": opening.totals.model_dump(mode="json")})
    outcomes = posted_outcomes(writer, entry.id)
    return EntryResult(entry, True, outcomes, 0, not_shared=tuple(not_shared))


def _add(writer: EntryWriter, policy: Policy, opening: Opening) -> tuple[int, list[str]]:
    """Add the bills and items of an opening to an entry, which was begun.

    Returns the number of receipts, and the bills of :meth:`BillLoader.not_shared`.

    Raises:
        InvalidInputError: a bill is in the ledger already, a receipt of the ledger is matched otherwise than before, or
            an item has not the disposition of its kind; each is an issue.
    """
    loader = BillLoader(writer)
    for chunk in opening.bills:
        loader.add(chunk)
    rematched = rematch(writer, policy, loader.finish()).rematched
    receipts = _receipts(writer, opening)
    ids, result = add_receipts(writer, policy, receipts, opening.digest)
    issues = [
        Issue("OPENING_NOT_NEW", field=field, expected="0", found=f"{count:,}")
        for field, count in (("bills", loader.given - loader.new), ("receipts", rematched + result.rematched))
        if count
    ]
    issues += _other_dispositions(writer, opening, ids)
    if issues:
        raise InvalidInputError(issues, _SUMMARY)
    return len(ids), loader.not_shared()


def _receipts(writer: EntryWriter, opening: Opening) -> pa.Table:
    """Return the items as encoded receipts, numbered from 1 over all kinds.

    Raises:
        InvalidInputError: a ``bill_id`` is unknown.
    """
    schema = RECORD_FIELDS["receipts"]
    issues, tables, number = list[Issue](), [], 0
    for name, items in opening.items.items():
        columns = {field: items.column(field) for field in schema.names if field in items.column_names}
        if "bill_id" in items.column_names:
            bill_id = combine(items.column("bill_id"))
            bills = latest_versions(writer, pa.chunked_array([pc.unique(bill_id.drop_null())]))
            bills = bills.filter(pc.equal(bills.column("withdrawn"), 0))
            at = pc.index_in(bill_id, value_set=combine(bills.column("bill_id")))
            unknown = np.flatnonzero(to_numpy(pc.and_(bill_id.is_valid(), at.is_null()).cast(pa.int64()), 0))
            issues += [
                Issue("BILL_UNKNOWN", field="bill_id", found=bill_id[row].as_py(), location=Location(name, row + 1))
                for row in unknown[:MAX_ISSUES].tolist()
            ]
            for field in _EL_FIELDS:
                of_bill = combine(bills.column(field)).take(at)
                columns[field] = pc.coalesce(of_bill, combine(columns[field])) if field in columns else of_bill
        kind = ITEM_KINDS[name][0]
        note = pa.nulls(len(items), pa.string()) if "reason" not in columns else combine(columns["reason"])
        columns |= {
            "kind": pa.repeat(kind.value, len(items)),
            "record_no": int64_array(np.arange(number + 1, number + len(items) + 1)),
            "actor": pa.repeat(writer.actor, len(items)),
            "reason": pc.fill_null(note, f"opening balance: {name}"),
        }
        number += len(items)
        tables.append(_with_fields(pa.table(columns), schema))
    if issues:
        raise InvalidInputError(issues, _SUMMARY)
    return pa.concat_tables([schema.empty_table(), *tables]).combine_chunks()


def _with_fields(table: pa.Table, fields: pa.Schema) -> pa.Table:
    """Return encoded rows with these columns; one that they lack is null."""
    names = table.column_names
    columns = [table.column(each.name) if each.name in names else pa.nulls(len(table), each.type) for each in fields]
    return pa.Table.from_arrays(columns, schema=fields)


def _other_dispositions(writer: EntryWriter, opening: Opening, ids: Int64Array) -> list[Issue]:
    """Return an issue for each item whose yen are not all in the disposition of its kind."""
    posted = receipts_with_posting(writer, ids)
    issues, start = list[Issue](), 0
    for name, items in opening.items.items():
        rows = posted.slice(start, len(items))
        start += len(items)
        wanted = ITEM_KINDS[name][1].value
        differing = np.flatnonzero(to_numpy(rows.column(wanted), 0) != to_numpy(rows.column("amount"), 0))
        for at in differing[: MAX_ISSUES - len(issues)].tolist():
            row = rows.slice(at, 1).to_pylist()[0]
            yen = ", ".join(f"{each} {row[each]:,}" for each in DISPOSITIONS if row[each]) or "0"
            expected, found = f"{wanted} {row['amount']:,}", f"{row['outcome']}: {yen}"
            location = Location(name, at + 1)
            issues.append(
                Issue("OPENING_DISPOSITION", field="amount", expected=expected, found=found, location=location)
            )
    return issues
