"""The tables that people read, made from the accounts of a run: plain Arrow tables by stable names."""

from __future__ import annotations

from decimal import Decimal

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from kokin._arrow.aggregate import sum_by
from kokin._arrow.convert import Int64Array, combine, int64_array, to_numpy
from kokin.reconcile import Accounts, Reconciliation
from kokin.rules import RateMissingError

#: By what receipts are added up: ⑤ day × item × year class × channel.
_KEYS = ("account", "charge", "item_code", "fiscal_year", "year_class", "channel")
_SUMS = ("receipts", "received", "revenue", "overpaid", "suspense")
_TO_DATE = ("receipts", "received", "revenue")

_OVERPAYMENTS = pa.schema(
    [
        ("source", pa.string()),
        ("record_no", pa.int64()),
        ("outcome", pa.string()),
        ("bill_id", pa.string()),
        ("payer_key", pa.string()),
        ("charge", pa.string()),
        ("item_code", pa.string()),
        ("paid_on", pa.date32()),
        ("kind", pa.string()),
        ("excess", pa.int64()),
        ("interest", pa.int64()),
        ("offered", pa.int64()),
    ]
)


def tables_of(
    result: Reconciliation, accounts: Accounts, files: pa.Table, audit: pa.Table, issues: pa.Table
) -> dict[str, pa.Table]:
    """The eleven outputs of a run and what stands beside them, all but the open data."""
    by_day = daily(accounts.totals)
    credited = next(control for control in accounts.controls if control.name == "T3").holds is not None
    return {
        "files": files,
        "outcomes": result.outcomes,
        "exceptions": accounts.exceptions,
        "overpayments": _overpayments(result, accounts),
        "daily": by_day,
        "monthly": monthly(by_day),
        "receivables": _with_rate(accounts.receivables),
        "revenue": sum_by(accounts.totals, ("account", "system", *_KEYS[1:-1]), _SUMS),
        "settlements": _with_difference(accounts.settlements, credited),
        "pending": accounts.aging,
        "audit": audit,
        "balances": result.balances,
        "offers": accounts.setoff_candidates,
        "arrears": accounts.arrears,
        "issues": issues,
    }


def daily(totals: pa.Table) -> pa.Table:
    """⑤ 収納日計表, from :attr:`kokin.reconcile.Accounts.totals`."""
    by = ("received_on", *_KEYS)
    return totals.select([*by, *_SUMS]).sort_by([(name, "ascending") for name in by])


def monthly(by_day: pa.Table) -> pa.Table:
    """⑥ 月計・累計: each month, and how much of its fiscal year (会計年度) has come up to its end.

    A row stands for every month from the first receipt of its kind to the last one of the fiscal year, so that the
    ``_to_date`` columns of a year's last month add up to all of that year.
    """
    entries = by_day.append_column("month", int64_array(months_of(by_day.column("received_on"))))
    told = sum_by(entries, (*_KEYS, "month"), _SUMS)
    month = to_numpy(told.column("month"), 0)
    codes = np.column_stack([_codes(told.column(name)) for name in _KEYS])
    head = np.ones(len(told), np.bool_)
    head[1:] = (codes[1:] != codes[:-1]).any(axis=1)
    group = np.cumsum(head) - 1
    year = codes[:, _KEYS.index("fiscal_year")]
    last = np.full(year.max(initial=0) + 1, np.iinfo(np.int64).min)
    np.maximum.at(last, year, month)
    first = month[head]
    count = last[year[head]] - first + 1
    start = np.cumsum(count) - count
    kind = np.repeat(np.arange(len(first)), count)
    place = start[group] + month - first[group]
    filled = {name: np.zeros(len(kind), np.int64) for name in _SUMS}
    for name, values in filled.items():
        values[place] = to_numpy(told.column(name), 0)
    for name in _TO_DATE:
        running = np.cumsum(filled[name])
        filled[f"{name}_to_date"] = running - (running - filled[name])[start][kind]
    keys = told.select(_KEYS).take(int64_array(np.flatnonzero(head)[kind]))
    months = month_texts(np.arange(len(kind)) - start[kind] + first[kind])
    columns = {name: keys.column(name) for name in _KEYS} | {name: int64_array(yen) for name, yen in filled.items()}
    return pa.table({"month": months, **columns}).sort_by([(name, "ascending") for name in ("month", *_KEYS)])


def months_of(days: pa.ChunkedArray) -> Int64Array:
    """The months of days, as months since 1970: int64 (n,)."""
    numbers = to_numpy(days, 0).astype("datetime64[D]")
    months: Int64Array = numbers.astype("datetime64[M]").astype(np.int64)
    return months


def month_texts(months: Int64Array) -> pa.Array:
    """Months since 1970 as ``YYYY-MM``."""
    return pa.array(np.datetime_as_string(months.astype("datetime64[M]")), pa.string())


def _codes(column: pa.ChunkedArray) -> Int64Array:
    """Numbers that are equal where values are; 0 for a null."""
    coded = combine(column).dictionary_encode()
    codes: Int64Array = to_numpy(coded.indices, -1).astype(np.int64) + 1
    return codes


def _with_rate(receivables: pa.Table) -> pa.Table:
    """⑦ with the 収納率 in percent, cut after two digits: 100.00 says that all has come."""
    billed, before, received, overpaid = (
        receivables.column(name).to_pylist() for name in ("billed", "paid_before", "received", "overpaid")
    )
    rates = [
        Decimal((paid + came - back) * 10_000 // asked).scaleb(-2) if asked else None
        for asked, paid, came, back in zip(billed, before, received, overpaid, strict=True)
    ]
    return receivables.append_column("rate", pa.array(rates, pa.decimal128(5, 2)))


def _with_difference(settlements: pa.Table, credited: bool) -> pa.Table:
    """⑨ with what came too much (or too little, negative); null where the bank has not been asked."""
    difference = pc.subtract(settlements.column("credited"), settlements.column("expected"))
    if not credited:
        difference = pa.nulls(len(settlements), pa.int64())
    return settlements.append_column("difference", difference)


def _overpayments(result: Reconciliation, accounts: Accounts) -> pa.Table:
    """④ 過誤納一覧; where the rate of a year is not known yet, without what needs it."""
    try:
        return accounts.overpayments
    except RateMissingError:
        some = result.outcomes.filter(pc.greater(result.outcomes.column("excess"), 0))
        told = {name: some.column(name) for name in some.column_names}
        return pa.table([told.get(f.name, pa.nulls(len(some), f.type)) for f in _OVERPAYMENTS], _OVERPAYMENTS)
