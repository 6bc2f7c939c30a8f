"""The tables of a report, from the accounts of a run: plain Arrow tables with stable names."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from decimal import Decimal
from functools import cache

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from kokin._arrow.aggregate import sum_by
from kokin._arrow.convert import Int64Array, combine, int64_array, to_numpy
from kokin.matching import group
from kokin.reconcile import Accounts, Reconciliation
from kokin.rules import RateMissingError

# Keys of the sums of ⑤ and ⑥, beside the day or month; the summed columns; those with a running total in ⑥.
_KEYS = ("payee_code", "account", "charge", "item_code", "fiscal_year", "year_class", "channel")
_SUMS = ("receipts", "received", "revenue", "off_budget", "overpaid", "suspense")
_TO_DATE = ("receipts", "received", "revenue")


class LazyTables(Mapping[str, pa.Table]):
    """Tables by name, each computed when it is first used."""

    def __init__(self, tables: Mapping[str, Callable[[], pa.Table]]) -> None:
        self._tables = {name: cache(table) for name, table in tables.items()}

    def __getitem__(self, name: str) -> pa.Table:
        return self._tables[name]()

    def __iter__(self) -> Iterator[str]:
        return iter(self._tables)

    def __len__(self) -> int:
        return len(self._tables)


def accounts_tables(result: Reconciliation, accounts: Accounts, totals: pa.Table | None = None) -> LazyTables:
    """Return the tables that follow from the accounts: all but the files, issues, closings, audit log and open data.

    Args:
        result: the reconciliation.
        accounts: its accounts.
        totals: their totals by the days and years in which closings book them; by default those of the accounts.
    """
    booked = accounts.totals if totals is None else totals

    @cache
    def daily() -> pa.Table:
        return daily_totals(booked)

    def settlements() -> pa.Table:
        has_deposits = next(control for control in accounts.controls if control.name == "T3").holds is not None
        return _with_difference(accounts.settlements, has_deposits)

    return LazyTables(
        {
            "outcomes": lambda: result.outcomes,
            "exceptions": lambda: accounts.exceptions,
            "overpayments": lambda: _overpayments(accounts),
            "daily": daily,
            "monthly": lambda: monthly_totals(daily()),
            "receivables": lambda: _with_rate(accounts.receivables),
            "revenue": lambda: sum_by(booked, ("payee_code", "account", "system", *_KEYS[2:-1]), _SUMS),
            "settlements": settlements,
            "pending": lambda: accounts.aging,
            "allocations": lambda: accounts.parts,
            "balances": lambda: result.balances,
            "offers": lambda: accounts.setoff_candidates,
            "arrears": lambda: accounts.arrears,
        }
    )


def daily_totals(totals: pa.Table) -> pa.Table:
    """Return ⑤ 収納日計表 from :attr:`kokin.reconcile.Accounts.totals`."""
    keys = ("payee_code", "received_on", *_KEYS[1:])
    return totals.select([*keys, *_SUMS]).sort_by([(name, "ascending") for name in keys])


def monthly_totals(daily: pa.Table) -> pa.Table:
    """Return ⑥ 月計・累計: the sums of each month, and the running totals of its fiscal year (会計年度).

    A key has a row for every month from its first receipt to the last receipt of any key of its payee and fiscal year,
    so that the ``_to_date`` columns of the last month add up to all of that year. With receipts of other keys until
    August::

        receipts of a key       its rows   received  received_to_date
        May   100               May        100       100
        July   50               June       0         100
                                July       50        150
                                August     0         150
    """
    rows = daily.append_column("month", int64_array(months_since_1970(daily.column("received_on"))))
    sums = sum_by(rows, (*_KEYS, "month"), _SUMS)  # sorted: the months of a key are adjacent and ascending
    month = to_numpy(sums.column("month"), 0)
    codes = np.column_stack([_codes(sums.column(name)) for name in _KEYS])
    is_first = np.ones(len(sums), np.bool_)
    is_first[1:] = (codes[1:] != codes[:-1]).any(axis=1)
    key = np.cumsum(is_first) - 1
    year = group(*(codes[:, _KEYS.index(name)] for name in ("payee_code", "fiscal_year")))
    last_of_year = np.full(year.max(initial=0) + 1, np.iinfo(np.int64).min)
    np.maximum.at(last_of_year, year, month)
    # By key: its first month, and the number and the position of its rows in the result.
    first_month = month[is_first]
    count = last_of_year[year[is_first]] - first_month + 1
    start = np.cumsum(count) - count
    # By row of the result: its key. By row of the sums: its position in the result.
    key_of_row = np.repeat(np.arange(len(count)), count)
    position = start[key] + month - first_month[key]

    columns = {name: sums.column(name).take(int64_array(np.flatnonzero(is_first)[key_of_row])) for name in _KEYS}
    filled = {name: np.zeros(len(key_of_row), np.int64) for name in _SUMS}
    for name, values in filled.items():
        values[position] = to_numpy(sums.column(name), 0)
    for name in _TO_DATE:
        running = np.cumsum(filled[name])
        filled[f"{name}_to_date"] = running - (running - filled[name])[start][key_of_row]
    months = format_months(np.arange(len(key_of_row)) - start[key_of_row] + first_month[key_of_row])
    table = pa.table({"month": months, **columns, **{name: int64_array(values) for name, values in filled.items()}})
    keys = ("payee_code", "month", *_KEYS[1:])
    return table.select([*keys, *filled]).sort_by([(name, "ascending") for name in keys])


def months_since_1970(dates: pa.ChunkedArray) -> Int64Array:
    """Return the months of dates, counted from January 1970: int64 (n,)."""
    days = to_numpy(dates, 0).astype("datetime64[D]")
    months: Int64Array = days.astype("datetime64[M]").astype(np.int64)
    return months


def format_months(months: Int64Array) -> pa.Array:
    """Return months since 1970 as ``YYYY-MM``.

    >>> format_months(np.array([0, 677])).to_pylist()
    ['1970-01', '2026-06']
    """
    return pa.array(np.datetime_as_string(months.astype("datetime64[M]")), pa.string())


def _codes(column: pa.ChunkedArray) -> Int64Array:
    """Return an integer for each value, equal for equal values; 0 for a null: int64 (n,)."""
    encoded = combine(column).dictionary_encode()
    codes: Int64Array = to_numpy(encoded.indices, -1).astype(np.int64) + 1
    return codes


def _with_rate(receivables: pa.Table) -> pa.Table:
    """Return ⑦ with ``rate``, the 収納率 in percent, truncated after two digits: 100.00 only if everything is paid."""
    rows = receivables.select(["billed", "paid_before", "received", "overpaid"]).to_pylist()
    rates = [
        Decimal((row["paid_before"] + row["received"] - row["overpaid"]) * 10_000 // row["billed"]).scaleb(-2)
        if row["billed"]
        else None
        for row in rows
    ]
    return receivables.append_column("rate", pa.array(rates, pa.decimal128(5, 2)))


def _with_difference(settlements: pa.Table, has_deposits: bool) -> pa.Table:
    """Return ⑨ with ``difference``, deposited minus expected yen; null if no bank deposits were passed."""
    difference = pc.subtract(settlements.column("credited"), settlements.column("expected"))
    if not has_deposits:
        difference = pa.nulls(len(settlements), pa.int64())
    return settlements.append_column("difference", difference)


def _overpayments(accounts: Accounts) -> pa.Table:
    """Return ④ 過誤納一覧; if the rate of a year is not known yet, the columns that need it are null."""
    try:
        return accounts.overpayments
    except RateMissingError:
        return accounts.overpayments_without_interest
