"""A report: the tables and the summary of a run or of a ledger, written as CSV, workbook, HTML page and JSON."""

from __future__ import annotations

import json
import logging
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field, replace
from datetime import date, datetime
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, Self, TypeAlias, get_args

import pyarrow as pa
import pyarrow.compute as pc

import kokin
from kokin._arrow.files import draft_folder, rename
from kokin.catalog import CATALOG, AccountCodes, Catalog
from kokin.issues import InvalidInputError, Issue, to_table
from kokin.reconcile import Accounts, Reconciliation
from kokin.reports._changes import CHANGE_TABLES, Changes, Since, open_exceptions, resolve_since
from kokin.reports._csv import CsvEncoding, write_csv, write_csv_batches
from kokin.reports._open_data import MINIMUM_COUNT, open_data
from kokin.reports._page import render_page
from kokin.reports._settlement import last_statements, statement_table, with_account_codes
from kokin.reports._sources import (
    FileSummary,
    file_table,
    intake_table,
    japan_date,
    ledger_audit,
    ledger_files,
    no_closings,
    run_audit,
)
from kokin.reports._tables import LazyTables, accounts_tables
from kokin.reports._terms import Language, Terms
from kokin.reports._xlsx import Cover, write_xlsx
from kokin.rules import RATES, RateTable
from kokin.text import file_name

if TYPE_CHECKING:
    from kokin.intake import IntakeStatus
    from kokin.ledger import Ledger, Settlement

_LOGGER = logging.getLogger(__name__)

#: The formats of a report. ``summary.json`` is written with each of them.
Format: TypeAlias = Literal["csv", "xlsx", "html"]

#: The tables of a report by name: the eleven outputs of a batch in their order, then the others.
#:
#: No row adds the yen of two authorities: every table of totals has the column ``payee_code``, empty for receipts whose
#: payee is unknown. Files, the audit log and bank deposits (①, ⑨, ⑪) belong to no authority.
#:
#: - ① ``files``, 取込結果票: ``source, layout, digest, read, accepted, unpaid, rejected, amount``.
#: - ② ``outcomes``, 消込結果一覧: :attr:`kokin.reconcile.Reconciliation.outcomes`.
#: - ③ ``exceptions``, 要確認一覧: of a run :attr:`kokin.reconcile.Accounts.exceptions`; of a ledger
#:   :meth:`kokin.ledger.Ledger.exceptions`, each once with its state, the oldest first. The work list has the open
#:   ones.
#: - ④ ``overpayments``, 過誤納一覧: :attr:`kokin.reconcile.Accounts.overpayments`; if the rate of a year is not known
#:   yet, the columns that need it are null.
#: - ⑤ ``daily``, 収納日計表: ``receipts`` and the yen of :attr:`kokin.reconcile.Accounts.totals` by ``payee_code,
#:   received_on, account, charge, item_code, fiscal_year, year_class, channel``.
#: - ⑥ ``monthly``, 月計・累計表: the same by ``month`` instead of ``received_on``, with ``receipts_to_date,
#:   received_to_date, revenue_to_date`` of the fiscal year. Each key has a row for every month from its first.
#: - ⑦ ``receivables``, 調定収納照合表: :attr:`kokin.reconcile.Accounts.receivables` with ``rate``, the 収納率 in
#:   percent, truncated after two digits.
#: - ⑧ ``revenue``, 歳入科目別集計表: the same sums as ⑤ by ``payee_code, account, system, charge, item_code,
#:   fiscal_year, year_class``; with codes of account also ``account_code, kan, ko, moku, setsu, saisetsu``.
#: - ⑨ ``settlements``, 払込照合表: :attr:`kokin.reconcile.Accounts.settlements` with ``difference``, deposited minus
#:   expected yen; null without bank deposits.
#: - ⑩ ``pending``, 未着・滞留一覧: :attr:`kokin.reconcile.Accounts.aging`.
#: - ⑪ ``audit``, 監査ログ: every entry of the ledger with its time in Japan, ``actor, reason, version, digest`` and
#:   ``hash``, and ``active``, false for a reversed entry; of a run without a ledger, its files. The journal row by row
#:   is written by :meth:`kokin.ledger.Ledger.export`.
#: - ``allocations``, 充当明細: :attr:`kokin.reconcile.Accounts.parts`.
#: - ``balances``, 残高一覧: :attr:`kokin.reconcile.Reconciliation.balances`.
#: - ``offers``, 充当候補一覧: :attr:`kokin.reconcile.Accounts.setoff_candidates`.
#: - ``arrears``, 未納一覧: :attr:`kokin.reconcile.Accounts.arrears`.
#: - ``closings``, 締め一覧: the active closings of the ledger: :meth:`kokin.ledger.Ledger.closings`.
#: - ``late``, 過日分一覧: what came for a day after it was closed: :attr:`kokin.ledger.BookedTotals.late`. In ⑤, ⑥
#:   and ⑧ it is on the day and in the year in which it is booked, so that a closed day, month or year does not change.
#: - ``settlement_statement``, 決算表: of the last fiscal year that is closed, and of the last one of the enterprise
#:   accounts, ``fiscal_year, period``, then :attr:`kokin.ledger.Settlement.table`; with codes of account also
#:   ``account_code, kan, ko, moku, setsu, saisetsu``. Empty before the first closing of a year.
#: - ``issues``, 問題一覧: the issues of rejected or flagged records, with ``ISSUE_COLUMNS``.
#: - ``open_data``, オープンデータ: ``payee_code, month, charge, channel, receipts, amount, suppressed`` of every month
#:   that has ended; ``*`` is the total of the payee. A cell with fewer receipts than ``minimum_count`` (by default 10)
#:   is suppressed, its numbers null, and so are further cells, so that it cannot be computed from a total.
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
    "allocations",
    "balances",
    "offers",
    "arrears",
    "closings",
    "late",
    "settlement_statement",
    "issues",
    "open_data",
)

#: The name of ⓪ 受入状況表, a table of reports with an intake status only.
#:
#: ``source, label, agent_code, layout, day, deadline, intake_state, bank_days, file, entry_id, at, records, amount``:
#: those of :attr:`kokin.intake.IntakeStatus.table`, with times in Japan as text, to the minute.
INTAKE_TABLE = "intake"

# The tables with codes of account.
_WITH_CODES = ("revenue", "settlement_statement")

#: All tables that a report can have, in their order.
ALL_TABLES = (INTAKE_TABLE, *CHANGE_TABLES, *TABLES)

#: The tables that ``kokin reconcile`` writes: the results of one run, for programs.
RUN_TABLES = ("outcomes", "allocations", "balances", "exceptions", "issues")


@dataclass(frozen=True)
class Report:
    """The tables and the summary of a run (:meth:`from_run`) or of a ledger (:meth:`from_ledger`)."""

    as_of: date
    """The date of the report."""
    summary: Mapping[str, Any]
    """Counts, yen and controls, as written to ``summary.json``."""
    tables: Mapping[str, pa.Table]
    """The tables by the names of :data:`TABLES`, which documents their columns."""
    catalog: Catalog = field(default=CATALOG, repr=False)
    """The names of the charges."""
    intake: IntakeStatus | None = None
    """Which files should have come, and which have: the first line of the page and ⓪, :data:`INTAKE_TABLE`."""
    changes: Changes | None = None
    """What changed since an earlier state: the first part of the page, and :data:`CHANGE_TABLES`."""
    statements: Sequence[Settlement] = ()
    """The settlement statements (決算表) of the last closed fiscal years, which ``settlement_statement`` lists."""
    batches: Mapping[str, Callable[[], Iterable[pa.RecordBatch]]] = field(default_factory=dict, repr=False)
    """The batches of the largest tables, from which :meth:`write` writes a CSV without holding the table."""

    @classmethod
    def from_run(
        cls,
        result: Reconciliation,
        accounts: Accounts,
        *,
        files: Sequence[FileSummary] = (),
        issues: pa.Table | None = None,
        catalog: Catalog = CATALOG,
        minimum_count: int = MINIMUM_COUNT,
    ) -> Self:
        """Return the report of a run.

        Args:
            result: the reconciliation.
            accounts: its accounts.
            files: the counts of each receipt file.
            issues: the issues of rejected or flagged records, with ``ISSUE_COLUMNS``.
            catalog: the catalog that the accounts were built with; it has the names of the charges.
            minimum_count: the minimum of receipts in a cell of the open data; see the table ``open_data``.
        """
        summary = {"kokin": kokin.__version__, "files": [asdict(file) for file in files], **accounts.summary.as_dict()}
        tables = {"audit": run_audit(files), "issues": to_table(()) if issues is None else issues, **no_closings()}
        summary["rejected"] = {"records": _rejected_records(tables["issues"]), "files": 0}
        return cls._build(result, accounts, summary, files, tables, catalog, minimum_count)

    @classmethod
    def from_ledger(
        cls,
        ledger: Ledger,
        *,
        as_of: date | None = None,
        closing: int | None = None,
        catalog: Catalog = CATALOG,
        minimum_count: int = MINIMUM_COUNT,
        rates: RateTable = RATES,
        intake: IntakeStatus | None = None,
        since: Since | date | datetime | int | None = None,
        codes: AccountCodes | None = None,
    ) -> Self:
        """Return the report of a ledger: all its receipts and bills, as of the end of a day in Japan.

        Args:
            ledger: the ledger.
            as_of: the day; by default that of the last entry.
            closing: the entry of a closing: the report as it was printed when the period was closed, equal to the byte.
            catalog: the charges, with the authority's own 税目・料金番号.
            minimum_count: the minimum of receipts in a cell of the open data; see the table ``open_data``.
            rates: the rates of 延滞金 and 還付加算金; :func:`kokin.rules.load_rates` adds those of a year.
            intake: which files should have come, and which have (:meth:`kokin.intake.Intake.check`).
            since: the state with which this one is compared: that before a day or a moment, or as of an entry;
                :func:`default_since` returns that of the last report. By default nothing is compared.
            codes: the codes of account, which ⑧ and 決算表 then have: ``account_code, kan, ko, moku, setsu, saisetsu``;
                null in a row without a code.

        Raises:
            LedgerError: the database failed.
            InvalidInputError: the ledger has no entry ``since`` (ENTRY_UNKNOWN), the entry is no closing
                (CLOSING_UNKNOWN), or the figures are not those that it has sealed (CLOSING_DIFFERS).
        """
        entries = ledger.entries()
        if closing is not None:
            entries = [entry for entry in entries if entry.id <= closing]
            if not entries or entries[-1].id != closing or entries[-1].kind != "closing":
                raise InvalidInputError([Issue("CLOSING_UNKNOWN", field="entry", found=str(closing))], "no report")
        day = as_of or japan_date(entries[-1])
        entries = [entry for entry in entries if japan_date(entry) <= day]
        # The state as of an entry never changes, whatever is posted in the meantime.
        last = entries[-1].id if entries else 0
        files = ledger_files(entries)
        (result, accounts), exceptions = ledger.report_books(last, day, catalog=catalog, rates=rates)
        booked = ledger.booked_totals(accounts.totals, day, last, catalog=catalog)
        # T1, T4, T7 and T8 are those of the journal. The receipts do not contain those that were reversed one by one.
        totals, controls = accounts.summary.as_dict(), dict(ledger.status(last, recompute=False).controls)
        controls["T7"] = ledger.applied_control(result.outcomes, last)
        controls["T8"] = ledger.refund_control(result, last)
        # A payee whose yen have no disposition breaks T4, too.
        controls["T4"] = replace(controls["T4"], broken=accounts.summary.controls["T4"].broken)
        journal = {name: control.as_dict() for name, control in controls.items()}
        summary = {
            "kokin": kokin.__version__,
            "files": [asdict(file) for file in files],
            **totals,
            "controls": {**totals["controls"], **journal},
            "entries": len(entries),
            "hash": entries[-1].hash if entries else "",
        }
        if intake:
            summary[INTAKE_TABLE] = intake.as_dict()
        issues = ledger.issues(last)
        rejected_files = {entry.id for entry in entries if entry.kind == "rejected_file"}
        is_of_file = pc.is_in(issues.column("entry_id"), value_set=pa.array(sorted(rejected_files), pa.int64()))
        summary["rejected"] = {
            "records": _rejected_records(issues.filter(pc.invert(is_of_file))),
            "files": len(pc.unique(issues.column("entry_id").filter(is_of_file))),
        }
        changes = None
        if since is not None:
            changes = Changes.between(ledger, entries, resolve_since(since, entries), exceptions, catalog)
            summary["changes"] = changes.as_dict()
        tables = {"exceptions": exceptions, "audit": ledger_audit(entries), "issues": issues.drop_columns("entry_id")}
        statements = last_statements(ledger, booked.closings, last, catalog)
        tables |= {"closings": booked.closings, "late": booked.late}
        tables["settlement_statement"] = statement_table(statements)
        return cls._build(
            result,
            accounts,
            summary,
            files,
            tables,
            catalog,
            minimum_count,
            totals=booked.totals,
            intake=intake,
            changes=changes,
            codes=codes,
            statements=statements,
        )

    @classmethod
    def _build(
        cls,
        result: Reconciliation,
        accounts: Accounts,
        summary: dict[str, Any],
        files: Sequence[FileSummary],
        tables: Mapping[str, pa.Table],
        catalog: Catalog,
        minimum_count: int,
        *,
        totals: pa.Table | None = None,
        intake: IntakeStatus | None = None,
        changes: Changes | None = None,
        codes: AccountCodes | None = None,
        statements: Sequence[Settlement] = (),
    ) -> Self:
        """Return the report of accounts, whose totals ``totals`` are by the days and years that closings book them."""
        of_accounts, others = accounts_tables(result, accounts, totals), {**tables, "files": file_table(files)}
        if intake:
            others[INTAKE_TABLE] = intake_table(intake)
        if changes:
            others |= changes.tables

        def table_of(name: str) -> pa.Table:
            if name == "open_data":
                return open_data(of_accounts["daily"], accounts.as_of, minimum_count)
            table = others[name] if name in others else of_accounts[name]
            return with_account_codes(table, codes, catalog) if codes and name in _WITH_CODES else table

        batches = {
            "outcomes": result.outcome_batches,
            "allocations": accounts.part_batches,
            "balances": result.balance_batches,
        }
        names = [name for name in ALL_TABLES if name in TABLES or name in others]
        lazy_tables = LazyTables({name: partial(table_of, name) for name in names})
        exceptions = lazy_tables["exceptions"]
        summary["exceptions"], summary["open_exceptions"] = len(exceptions), len(open_exceptions(exceptions))
        return cls(accounts.as_of, summary, lazy_tables, catalog, intake, changes, statements, batches)

    def page(self, *, language: Language = "ja", max_rows: int | None = None, csv_tables: Collection[str] = ()) -> str:
        """Return the report as one HTML page without external resources.

        Args:
            language: the language of the page.
            max_rows: the maximum number of rows of a list, by default 500, and 5,000 of exceptions; a note below the
                list says if there are more.
            csv_tables: the tables that are also written as CSV; the note names the file.
        """
        return render_page(self, Terms(language, self.catalog), max_rows, csv_tables)

    def write(
        self,
        folder: str | Path,
        *,
        tables: Collection[str] = ALL_TABLES,
        formats: Collection[Format] = ("csv", "xlsx", "html"),
        language: Language = "ja",
        encoding: CsvEncoding = "utf-8-sig",
        headings: Literal["names", "words"] = "names",
        geta: bool = False,
        max_rows: int | None = None,
    ) -> list[Issue]:
        """Write ``<table>.csv`` for each table, ``report.xlsx``, ``report.html`` and, last, ``summary.json``.

        The same report gives the same bytes.

        Args:
            folder: the folder; it is created if it does not exist. Files of an earlier report are replaced; other files
                stay. If anything fails, the folder is unchanged.
            tables: the tables of the CSV files and the workbook; ``intake`` and those of :data:`CHANGE_TABLES` are
                written if the report has them.
            formats: the formats.
            language: the language of the workbook, the page and the headings in ``words``.
            encoding: the character set of the CSV files; a spreadsheet opens ``utf-8-sig`` and ``cp932``.
            headings: of the CSV files: ``names``, the stable names of columns, with codes as values, for programs; or
                ``words``, the terms of the language for both, for people.
            geta: write 〓 for a character that cp932 lacks, instead of raising.
            max_rows: the maximum number of rows of a list on the page, by default 500, and 5,000 of exceptions.

        Returns an issue for each text in which a character was replaced by 〓.

        Raises:
            InvalidInputError: an unknown table or format, a character that cp932 lacks, or a text that is too long for
                a cell of a workbook.
            KokinError: XlsxWriter is not installed (the extra ``xlsx``).
            OSError: the folder cannot be written.
        """
        _check_names("tables", tables, ALL_TABLES)
        _check_names("formats", formats, get_args(Format))
        terms = Terms(language, self.catalog)
        selected = [name for name in self.tables if name in tables]
        issues = []
        with replaced_folder(Path(folder), last="summary.json") as draft:
            if "csv" in formats:
                for name in selected:
                    path = draft / f"{name}.csv"
                    if name in self.batches and headings == "names" and encoding != "cp932":
                        write_csv_batches(self.batches[name], path, encoding)
                        continue
                    table = self.tables[name]
                    rows = terms.translate_table(name, table) if headings == "words" else table
                    issues += write_csv(rows, path, encoding, geta=geta)
            if "xlsx" in formats:
                cover = Cover(terms.sentence("title"), self.as_of, self.summary)
                write_xlsx({name: self.tables[name] for name in selected}, draft / "report.xlsx", terms, cover=cover)
            if "html" in formats:
                page = render_page(self, terms, max_rows, selected if "csv" in formats else ())
                (draft / "report.html").write_text(page, encoding="utf-8")
            text = json.dumps(self.summary, ensure_ascii=False, indent=2, default=str)
            (draft / "summary.json").write_text(text + "\n", encoding="utf-8")
        fields = {"folder": file_name(folder), "formats": sorted(formats), "tables": len(selected)}
        _LOGGER.info("report_written", extra={"fields": fields})
        return issues


def _rejected_records(issues: pa.Table) -> int:
    """Return the number of records with an error."""
    errors = issues.filter(pc.equal(issues.column("severity"), "error"))
    return len(errors.group_by(["file", "record"]).aggregate([]))


def _check_names(parameter: str, names: Collection[str], known: Collection[str]) -> None:
    """Raise if a name is unknown."""
    issues = [
        Issue("CODE_UNKNOWN", field=parameter, expected=" | ".join(known), found=name)
        for name in names
        if name not in known
    ]
    if issues:
        raise InvalidInputError(issues, "nothing was written")


@contextmanager
def replaced_folder(folder: Path, last: str) -> Iterator[Path]:
    """Yield a draft folder, whose files are moved into ``folder`` at the end of the block.

    A new folder appears as a whole. In an existing one, files of the same names are replaced one by one, and ``last``
    at the end: a folder without it has no complete result.
    """
    folder.parent.mkdir(parents=True, exist_ok=True)
    with draft_folder(folder) as draft:
        yield draft
        if not folder.exists():
            rename(draft, folder)
            return
        (folder / last).unlink(missing_ok=True)
        for path in sorted(draft.iterdir(), key=lambda path: path.name == last):
            rename(path, folder / path.name, replace=True)
