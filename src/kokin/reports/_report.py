"""A report: the tables of a run or of a ledger, and the forms that people take them in."""

from __future__ import annotations

import json
from collections.abc import Collection, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, TypeAlias, get_args

import pyarrow as pa

import kokin
from kokin.catalog import CATALOG, Catalog
from kokin.issues import InvalidInputError, Issue, to_table
from kokin.model import ArrowStreamExportable
from kokin.reconcile import Accounts, Control, Reconciliation, build_accounts, reconcile
from kokin.reports import _files
from kokin.reports._csv import CsvEncoding, write_csv
from kokin.reports._files import FileSummary
from kokin.reports._folder import replaced
from kokin.reports._open_data import LEAST, open_data
from kokin.reports._page import page
from kokin.reports._tables import tables_of
from kokin.reports._words import Language, Words
from kokin.reports._xlsx import write_xlsx

if TYPE_CHECKING:
    from kokin.ledger import Ledger

#: The forms of a report.
Format: TypeAlias = Literal["csv", "xlsx", "html"]

#: The tables of a report by name: the eleven outputs of a batch in their order, then what stands beside them.
#:
#: - ① ``files``, 取込結果票: ``source, layout, digest, read, accepted, unpaid, rejected, amount``.
#: - ② ``outcomes``, 消込結果一覧: :attr:`kokin.reconcile.Reconciliation.outcomes`.
#: - ③ ``exceptions``, 消込エラーリスト: :attr:`kokin.reconcile.Accounts.exceptions`.
#: - ④ ``overpayments``, 過誤納一覧: :attr:`kokin.reconcile.Accounts.overpayments`; where the rate of a year is not
#:   known yet, without what needs it.
#: - ⑤ ``daily``, 収納日計表: ``receipts`` and the yen of :attr:`kokin.reconcile.Accounts.totals` by ``received_on,
#:   account, charge, item_code, fiscal_year, year_class, channel``.
#: - ⑥ ``monthly``, 月計・累計表: the same by ``month``, with ``receipts_to_date, received_to_date, revenue_to_date``
#:   of the fiscal year. Each kind has a row for every month from its first.
#: - ⑦ ``receivables``, 調定収納照合表: :attr:`kokin.reconcile.Accounts.receivables` with ``rate``, the 収納率 in
#:   percent, cut after two digits.
#: - ⑧ ``revenue``, 歳入科目別集計表: the same sums as ⑤ by ``account, system, charge, item_code, fiscal_year,
#:   year_class``.
#: - ⑨ ``settlements``, 払込照合表: :attr:`kokin.reconcile.Accounts.settlements` with ``difference``, what the bank
#:   has more (or less, negative); null without its credits.
#: - ⑩ ``pending``, 未着・滞留一覧: :attr:`kokin.reconcile.Accounts.aging`.
#: - ⑪ ``audit``, 監査ログ: every entry of the ledger with its time in Japan, ``actor, reason, version, digest`` and
#:   ``hash``, and whether it ``stands``; of a run without a ledger its files. The journal row by row is written by
#:   :meth:`kokin.ledger.Ledger.export`.
#: - ``balances``, 残高一覧: :attr:`kokin.reconcile.Reconciliation.balances`.
#: - ``offers``, 充当候補一覧: :attr:`kokin.reconcile.Accounts.setoff_candidates`.
#: - ``arrears``, 未納一覧: :attr:`kokin.reconcile.Accounts.arrears`.
#: - ``issues``, 取込エラー: the records that were kept out or flagged, with ``ISSUE_COLUMNS``.
#: - ``open_data``, オープンデータ: ``month, charge, channel, receipts, amount, suppressed`` of every month that is
#:   over; ``*`` stands for all. A cell of fewer receipts than ``least`` (by default 10) is suppressed, its numbers
#:   null, and as many others with it as it takes that no total tells it.
TABLES = (
    "files",
    "outcomes",
    "exceptions",
    "overpayments",
    "daily",
    "monthly",
    "receivables",
    "revenue",
    "settlements",
    "pending",
    "audit",
    "balances",
    "offers",
    "arrears",
    "issues",
    "open_data",
)


@dataclass(frozen=True)
class Report:
    """What people read of a run or of a ledger, as plain Arrow tables; made by :func:`of_run` or :func:`of_ledger`."""

    as_of: date
    """The day that it speaks of."""
    summary: Mapping[str, Any]
    """Counts, yen and controls, for JSON."""
    tables: Mapping[str, pa.Table]
    """By the names of :data:`TABLES`; the columns are told there."""
    catalog: Catalog = field(default=CATALOG, repr=False)
    """How the charges are called."""

    def page(self, *, language: Language = "ja", rows: int = 500, files: Collection[str] = ()) -> str:
        """The report as one HTML page that needs nothing from outside.

        Args:
            language: of all that is said.
            rows: how many rows of a long list stand on the page; it says where there are more.
            files: the tables whose CSV stands beside the page, and is named where a list is cut.
        """
        return page(self, Words(language, self.catalog), rows, files)

    def write(
        self,
        folder: str | Path,
        formats: Collection[Format] = ("csv", "xlsx", "html"),
        *,
        tables: Collection[str] = TABLES,
        language: Language = "ja",
        encoding: CsvEncoding = "utf-8-sig",
        headings: Literal["names", "words"] = "names",
        geta: bool = False,
        rows: int = 500,
    ) -> list[Issue]:
        """Write ``<table>.csv`` for each table, ``report.xlsx``, ``report.html`` and, last of all, ``summary.json``.

        Args:
            folder: it is made where it is not there. Files of an earlier report in it are replaced; it is complete or,
                if anything fails, as it was.
            formats: which forms.
            tables: which tables, for CSV and workbook.
            language: of the workbook and the page.
            encoding: of the CSV: ``utf-8-sig`` and ``cp932`` open in a spreadsheet by a double click.
            headings: the CSV's header has the stable ``names`` of the columns and the codes themselves, for programs;
                or both in ``words`` of the language, for people.
            geta: write 〓 for a character that cp932 lacks, instead of refusing it.
            rows: how many rows of a long list stand on the page.

        Returns the characters that stand as 〓.

        Raises:
            InvalidInputError: there is no such table or form, cp932 lacks a character, or a text is too long for a
            cell.
            KokinError: a workbook is asked for and XlsxWriter is not installed (the extra ``xlsx``).
            OSError: the folder cannot be written.
        """
        _check_names("tables", tables, TABLES)
        _check_names("formats", formats, get_args(Format))
        words = Words(language, self.catalog)
        some = {name: self.tables[name] for name in TABLES if name in tables}
        issues = []
        with replaced(Path(folder), last="summary.json") as draft:
            if "csv" in formats:
                for name, table in some.items():
                    told = words.in_words(name, table) if headings == "words" else table
                    issues += write_csv(told, draft / f"{name}.csv", encoding, geta=geta)
            if "xlsx" in formats:
                write_xlsx(some, draft / "report.xlsx", words)
            if "html" in formats:
                told_in = some if "csv" in formats else ()
                (draft / "report.html").write_text(page(self, words, rows, told_in), encoding="utf-8")
            text = json.dumps(self.summary, ensure_ascii=False, indent=2, default=str)
            (draft / "summary.json").write_text(text + "\n", encoding="utf-8")
        return issues


def _check_names(field_name: str, given: Collection[str], known: Collection[str]) -> None:
    issues = [
        Issue("CODE_UNKNOWN", field=field_name, expected=" | ".join(known), found=name)
        for name in given
        if name not in known
    ]
    if issues:
        raise InvalidInputError(issues, "nothing was written")


def of_run(
    result: Reconciliation,
    accounts: Accounts,
    *,
    files: Sequence[FileSummary] = (),
    issues: pa.Table | None = None,
    catalog: Catalog = CATALOG,
    least: int = LEAST,
) -> Report:
    """The report of a run.

    Args:
        result: the reconciliation.
        accounts: what it means for the books.
        files: how each receipt file went in.
        issues: the problems of the records that were kept out or flagged, with ``ISSUE_COLUMNS``.
        catalog: how the charges are called; the one that the accounts were made with.
        least: the fewest receipts that a cell of the open data may tell; see the table ``open_data``.
    """
    summary = {"kokin": kokin.__version__, "files": [asdict(file) for file in files], **accounts.summary.as_dict()}
    return _report(result, accounts, summary, files, _files.run_audit(files), issues, catalog, least)


def of_ledger(
    ledger: Ledger,
    *,
    as_of: date | None = None,
    catalog: Catalog = CATALOG,
    deposits: ArrowStreamExportable | None = None,
    agent_reports: ArrowStreamExportable | None = None,
    write_offs: ArrowStreamExportable | None = None,
    least: int = LEAST,
) -> Report:
    """The report of a ledger: all its receipts against all its bills, as the books stood at the end of a day in Japan.

    Args:
        ledger: the ledger.
        as_of: the day; by default that of its last entry.
        catalog: the charges, with the body's own 税目・料金番号.
        deposits: the bank deposits, with the columns of :class:`kokin.reconcile.BankDeposit`; by default those of the
            ledger.
        agent_reports: the statements of agents, with the columns of :class:`kokin.reconcile.AgentReport`; likewise.
        write_offs: what the body has given up.
        least: the fewest receipts that a cell of the open data may tell; see the table ``open_data``.

    Raises:
        LedgerError: the database failed.
        InvalidInputError: a table lacks a column, or more is written off than is open.
    """
    entries = ledger.entries()
    day = as_of or _files.day_in_japan(entries[-1])
    entries = [entry for entry in entries if _files.day_in_japan(entry) <= day]
    # Up to an entry the ledger never changes, whatever is posted meanwhile.
    moment = entries[-1].at if entries else day
    files = _files.ledger_files(entries)
    bills = ledger.bills(moment)
    result = reconcile(bills, ledger.receipts(moment), ledger.policy)
    accounts = build_accounts(
        result,
        catalog=catalog,
        deposits=_given(deposits, ledger.bank_deposits(moment)),
        agent_reports=_given(agent_reports, ledger.agent_reports(moment)),
        write_offs=write_offs,
        as_of=day,
    )
    # A receipt that was reversed alone is missing in its file: T1 is asked of the journal, which still has it.
    told, journal = accounts.summary.as_dict(), ledger.status(moment)
    journal_control = _journal_control(journal["dispositions"], told["dispositions"]).as_dict()
    controls = {**told["controls"], "T1": journal["controls"]["T1"], "T7": journal_control}
    summary = {
        "kokin": kokin.__version__,
        "files": [asdict(file) for file in files],
        **told,
        "controls": controls,
        "entries": len(entries),
        "hash": entries[-1].hash if entries else "",
    }
    return _report(result, accounts, summary, files, _files.ledger_audit(entries), None, catalog, least)


def _journal_control(posted: Mapping[str, int], recomputed: Mapping[str, int]) -> Control:
    """T7: the yen of the postings by disposition are those of a reconciliation of everything."""
    broken = tuple(name for name, yen in recomputed.items() if posted[name] != yen)
    return Control("T7", "postings = recomputation, per disposition", posted["applied"], recomputed["applied"], broken)


def _given(rows: ArrowStreamExportable | None, kept: pa.Table) -> ArrowStreamExportable | None:
    """What a caller gives, or what the ledger holds; None: nobody knows."""
    return kept if rows is None and len(kept) else rows


def _report(
    result: Reconciliation,
    accounts: Accounts,
    summary: Mapping[str, Any],
    files: Sequence[FileSummary],
    audit: pa.Table,
    issues: pa.Table | None,
    catalog: Catalog,
    least: int,
) -> Report:
    told = to_table(()) if issues is None else issues
    tables = tables_of(result, accounts, _files.file_table(files), audit, told)
    tables["open_data"] = open_data(tables["daily"], accounts.as_of, least)
    return Report(accounts.as_of, summary, {name: tables[name] for name in TABLES}, catalog)
