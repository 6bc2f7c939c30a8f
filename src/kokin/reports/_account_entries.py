"""Account entries (会計・款項目節) for a 財務会計 system: the figures of a closing under the codes of the authority."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO

import pyarrow as pa
import pyarrow.compute as pc

from kokin import receipts
from kokin._arrow.aggregate import sum_by
from kokin.catalog import CATALOG, AccountCodes, Catalog
from kokin.issues import InvalidInputError, Issue
from kokin.model import AccountEntry, MoneyKind, arrow_schema
from kokin.receipts.layouts import Layout, load
from kokin.reconcile import Control
from kokin.reports._report import Report
from kokin.rules import fiscal_year

if TYPE_CHECKING:
    from kokin.ledger import Ledger

_KEYS = ("booked_on", "booked_year", "payee_code", "charge", "item_code", "year_class")
_CODES = ("account", "kan", "ko", "moku", "setsu", "saisetsu")
#: The statements of the controls of :class:`AccountFile`, by name.
STATEMENTS = {
    "A1": "account entries = figures of the closing",
    "A2": "revenue + off budget of the report = paid - excess of T5",
    "A2-period": "revenue + off budget of the period + change of what is open = change of paid - excess",
    "T5-period": "change of billed - change of (paid - excess) - change of written off = change of open",
}
_KINDS = tuple(each.value for each in MoneyKind)


@dataclass(frozen=True)
class AccountFile:
    """The entries of a closing, and the controls that tie them to the reports."""

    entries: pa.Table
    """The columns of :class:`~kokin.model.AccountEntry`, by day and code."""
    controls: Mapping[str, Control]
    """``A1``: the entries have the yen of the closing. ``A2``: ⑧ of the report of the closing has the applied yen of
    T5. ``T5`` of this report.

    ``A2-period`` and ``T5-period`` compare this report with that of the last closing before the period: the figures of
    the period are the yen by which the bills have become lower in between, but for those on days that are open at
    either time. A fiscal year has neither; its control is S2 of :class:`kokin.ledger.Settlement`."""

    @classmethod
    def of_closing(
        cls, ledger: Ledger, closing: int, codes: AccountCodes, *, catalog: Catalog = CATALOG
    ) -> AccountFile:
        """Return the entries of a closing.

        Args:
            ledger: the ledger.
            closing: the entry of the closing.
            codes: the codes of the authority.
            catalog: the charges; use the one of the closing.

        Raises:
            InvalidInputError: ACCOUNT_CODE_MISSING for each day, charge and kind of yen without a code; CLOSING_UNKNOWN
                or CLOSING_DIFFERS.
        """
        figures = ledger.closing_figures(closing, catalog=catalog)
        entries = account_entries(figures, codes)
        report = Report.from_ledger(ledger, closing=closing, catalog=catalog)
        revenue, receivables = report.tables["revenue"], report.tables["receivables"]
        booked = sum(_sum(revenue, name) for name in ("revenue", "off_budget"))
        applied = _sum(receivables, "received") - _sum(receivables, "overpaid")
        sides = {"A1": (_sum(entries, "amount"), _sum(figures, "received")), "A2": (booked, applied)}
        controls = {name: Control(name, STATEMENTS[name], *yen) for name, yen in sides.items()}
        t5 = next(control for control in _controls(report) if control.name == "T5")
        of_period = _period_controls(ledger, closing, figures, report, catalog)
        return cls(entries, {**controls, "T5": t5, **of_period})

    def write(
        self, path: str | Path | BinaryIO, layout: str | Path | Layout, *, header: Mapping[str, Any] | None = None
    ) -> int:
        """Write the file of the entries by a layout with ``[account]``; return the number of its records.

        Args:
            path: the file, or a binary stream.
            layout: the layout of the authority: the path of a TOML file, or a layout.
            header: values of the fields of the layout's header.

        Raises:
            InvalidInputError: the layout has no ``[account]``, a value cannot be written, or a control is broken
                (TOTAL_MISMATCH); nothing was written.
            OSError: the file cannot be written.
        """
        layout = layout if isinstance(layout, Layout) else load(layout)
        if not layout.account:
            raise InvalidInputError(
                [Issue("LAYOUT_TABLE_MISSING", expected="[account]", found=layout.name)], "nothing was written"
            )
        broken = [control for control in self.controls.values() if control.holds is False]
        if broken:
            issues = [
                Issue("TOTAL_MISMATCH", field=each.name, expected=str(each.right), found=str(each.left))
                for each in broken
            ]
            raise InvalidInputError(issues, "nothing was written")
        return receipts.write(self.entries, path, layout, header=header)


def account_entries(figures: pa.Table, codes: AccountCodes) -> pa.Table:
    """Return figures by day and code of account, with the columns of :class:`~kokin.model.AccountEntry`.

    Args:
        figures: the columns of :meth:`kokin.ledger.Ledger.closing_figures`.
        codes: the codes of the authority.

    Raises:
        InvalidInputError: ACCOUNT_CODE_MISSING, with the day, charge and kind of each yen without a code.
    """
    rows: list[dict[str, Any]] = []
    issues = []
    for row in sum_by(figures, _KEYS, ("receipts", *_KINDS)).to_pylist():
        counted, year = False, row["booked_year"]
        if year is None:
            year = fiscal_year(row["booked_on"])
        for kind in MoneyKind:
            yen = row[kind.value]
            if not yen:
                continue
            code = codes.find(kind, row)
            if code is None:
                where = " ".join(str(row[name]) for name in _KEYS[2:] if row[name] is not None)
                issues.append(
                    Issue("ACCOUNT_CODE_MISSING", field=kind.value, expected=where, found=f"{row['booked_on']} {yen:,}")
                )
                continue
            about = {name: row[name] for name in ("booked_on", "payee_code")}
            own = {name: getattr(code, name) for name in _CODES}
            # The receipts of a row are counted once, with its first kind of yen.
            number = 0 if counted else row["receipts"]
            rows.append(
                {
                    **about,
                    **own,
                    "fiscal_year": year,
                    "kind": kind.value,
                    "receipts": number,
                    "amount": yen,
                }
            )
            counted = True
    if issues:
        raise InvalidInputError(issues, "nothing was written")
    schema = arrow_schema(AccountEntry)
    table = pa.Table.from_pylist(rows, schema)
    keys = [name for name in schema.names if name not in ("receipts", "amount")]
    return sum_by(table, keys, ("receipts", "amount")).select(schema.names)


def _period_controls(
    ledger: Ledger, closing: int, figures: pa.Table, report: Report, catalog: Catalog
) -> dict[str, Control]:
    """Return the controls of the period of a closing, whose report is ``report``; none for a fiscal year."""
    closings = report.tables["closings"].to_pylist()
    period = next(row for row in closings if row["entry"] == closing)
    if "year" in period["period"]:
        return {}
    earlier = [row for row in closings if "year" not in row["period"] and row["last_day"] < period["first_day"]]
    before = max(earlier, key=lambda row: (row["last_day"], row["entry"]), default=None)
    changes = _receivable_sums(report)
    open_yen = _revenue_of_days(report, after=period["last_day"])
    if before:
        previous = Report.from_ledger(ledger, closing=before["entry"], catalog=catalog)
        changes = {name: yen - _receivable_sums(previous)[name] for name, yen in changes.items()}
        open_yen -= _revenue_of_days(previous, after=before["last_day"])
    applied = changes["received"] - changes["overpaid"]
    booked = _sum(figures, "revenue") + _sum(figures, "off_budget")
    # Days before the period that were closed with a day of it, such as those before the first closing of all.
    since = before["last_day"] if before else date.min
    booked += _revenue_of_days(report, after=since, until=period["first_day"] - timedelta(days=1))
    explained = changes["billed"] - changes["paid_before"] - applied - changes["written_off"]
    sides = {"A2-period": (booked + open_yen, applied), "T5-period": (explained, changes["unpaid"])}
    return {name: Control(name, STATEMENTS[name], *yen) for name, yen in sides.items()}


def _receivable_sums(report: Report) -> dict[str, int]:
    """Return the sums of the yen of ⑦."""
    names = ("billed", "paid_before", "received", "overpaid", "written_off", "unpaid")
    return {name: _sum(report.tables["receivables"], name) for name in names}


def _revenue_of_days(report: Report, *, after: date, until: date = date.max) -> int:
    """Return the yen of ⑤ after a day, until another one: 歳入 and 歳入歳出外現金."""
    daily = report.tables["daily"]
    day = daily.column("received_on")
    rows = daily.filter(pc.and_(pc.greater(day, pa.scalar(after)), pc.less_equal(day, pa.scalar(until))))
    return _sum(rows, "revenue") + _sum(rows, "off_budget")


def _sum(table: pa.Table, column: str) -> int:
    return pc.sum(table.column(column)).as_py() or 0


def _controls(report: Report) -> list[Control]:
    """Return the controls of the summary of a report."""
    found = report.summary["controls"]
    return [
        Control(name, each["statement"], each["left"], each["right"], tuple(each.get("broken", ())))
        for name, each in found.items()
    ]
