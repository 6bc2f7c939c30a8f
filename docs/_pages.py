"""Reference pages generated from the package, so that they are never out of date."""

from __future__ import annotations

import json
import os
import re
import textwrap
import tomllib
from collections.abc import Callable, Collection, Iterable, Iterator
from datetime import date, datetime
from decimal import Decimal
from enum import StrEnum
from importlib import resources
from pathlib import Path
from tempfile import TemporaryDirectory
from types import ModuleType
from typing import Any, Literal, get_origin
from unittest import mock

import _schemas
from _complete import constants, packages
from _dependencies import notices, sbom
from _figures import FIGURES
from _screens import SCREENS, screens
from sphinx.pycode import ModuleAnalyzer
from sqlalchemy import CheckConstraint, Column, ForeignKeyConstraint, PrimaryKeyConstraint, Table, UniqueConstraint
from sqlalchemy.dialects import postgresql, sqlite
from typer.main import get_command
from typer.testing import CliRunner

from kokin import bills, receipts
from kokin.catalog import CATALOG, ClaimClass
from kokin.cli import app
from kokin.demo import write_city
from kokin.intake import IntakeStatus
from kokin.issues import ISSUE_CODES
from kokin.ledger import ClosingPeriod, EntryKind, PostingReason
from kokin.ledger._exception_states import STATE_COLUMNS
from kokin.ledger._schema import AUDIT_LOG
from kokin.ledger._schema import TABLES as LEDGER_TABLES
from kokin.model import (
    Bill,
    BillStatus,
    DecisionKind,
    Disposition,
    Finding,
    Outcome,
    Receipt,
    ReceiptKind,
    RefundState,
    RefundStep,
    UploadAnswer,
    UploadOperation,
    UploadResult,
    arrow_schema,
)
from kokin.receipts import layouts
from kokin.reconcile import AgentReport, BalanceStatus, BankDeposit, OverpaymentKind, build_accounts, reconcile
from kokin.reports import CHANGE_TABLES, INTAKE_TABLE, TABLES, Report
from kokin.reports._sources import intake_table
from kokin.reports._terms import Terms
from kokin.rules import RATES
from kokin.text import JAPAN, terms


class Words:
    """The texts of generated pages in one language: called with an English text, it returns that of the page.

    The translations are in the catalog ``generated.po``, like those of the figures.
    """

    def __init__(self, language: str = "en", translations: dict[str, str] | None = None) -> None:
        self.language = language
        self.seen: dict[str, None] = {}
        self._translations = translations or {}

    def __call__(self, text: str) -> str:
        """Return an English text in the language of the page."""
        self.seen[text] = None
        return self._translations.get(text) or text

    def row(self, *cells: str) -> str:
        """Return a row of a table of English texts, in the language of the page."""
        return f"| {' | '.join(map(self, cells))} |"


def write_generated_pages(source: Path, words: Words, empty: Collection[str] = ()) -> None:
    """Write the generated pages below ``reference/_generated``; unchanged pages are not touched.

    ``empty`` are the pages without content, for a build that extracts only what was written by hand.
    """
    folder = source / "reference" / "_generated"
    folder.mkdir(parents=True, exist_ok=True)
    drawn = dict.fromkeys(SCREENS, "") if empty else screens(words.language)
    pages = generated(words) | {name: ["% without content"] for name in empty}
    pages |= {name: [picture.strip()] for name, picture in drawn.items()}
    for stale in {path.name for path in folder.iterdir()} - pages.keys():
        (folder / stale).unlink()
    for name, lines in pages.items():
        text = "\n".join(lines) + "\n"
        path = folder / name
        if not path.exists() or path.read_text(encoding="utf-8") != text:
            path.write_text(text, encoding="utf-8")


def generated(words: Words | None = None) -> dict[str, Iterable[str]]:
    """Return the lines of every generated file by its name, in the language of ``words``, by default English."""
    words = words or Words()
    pages: dict[str, Iterable[str]] = {f"{name}.html": [draw().strip()] for name, draw in FIGURES.items()}
    pages |= {f"layout-{name}.md": _layout(name, words.language) for name in layouts.names()}
    pages |= {f"api-{package.__name__}.md": _package(package) for package in packages()}
    pages |= {
        f"{name}-{output.version}.schema.json": [json.dumps(_schemas.schema(name), ensure_ascii=False, indent=1)]
        for name, output in _schemas.OUTPUTS.items()
    }
    return pages | {
        "charges.md": _charges(words),
        "cli.md": _commands(words),
        "glossary.md": _glossary(words.language),
        "issues.md": _issue_codes(),
        "layouts.md": _layouts(words),
        "ledger-schema.md": _ledger_schema(words),
        "notices.md": notices(words.language),
        "outcomes.md": _outcomes(words),
        "rates.md": _rates(words),
        "records.md": _records(words),
        "reports.md": _reports(words),
        "sbom.json": [sbom()],
        "schemas.md": _schemas.table(words),
    }


def translated_texts() -> list[str]:
    """Return the English texts of the generated pages that a translation has."""
    words = Words()
    for make in (_charges, _layouts, _ledger_schema, _outcomes, _rates, _records, _schemas.table):
        list(make(words))
    return list(words.seen)


def _package(package: ModuleType) -> Iterator[str]:
    """The API page of a package: all its names, constants last."""
    yield f"# {package.__name__}"
    yield ""
    yield "```{eval-rst}"
    yield f".. automodule:: {package.__name__}"
    for name, comment in constants(package).items():
        value = getattr(package, name)
        yield ""
        yield f".. py:data:: {name}"
        if isinstance(value, int | str) or get_origin(value) is Literal:
            yield f"   :value: {str(value).replace('typing.', '') if get_origin(value) else repr(value)}"
        yield ""
        yield textwrap.indent(comment, "   ")
    yield "```"


def _attribute_comments(kind: type) -> dict[str, str]:
    """Return the docstrings and comments of the attributes of a class."""
    found = ModuleAnalyzer.for_module(kind.__module__).find_attr_docs()
    return {name: " ".join(lines).strip() for (owner, name), lines in found.items() if owner == kind.__qualname__}


def _as_markdown(text: str) -> str:
    """Return a docstring's sentence as a Markdown table cell: roles become code."""
    return re.sub(r":\w+:`~?\.?([^`]*)`", r"`\1`", text).replace("``", "`").replace("|", "\\|")


def _issue_codes() -> Iterator[str]:
    yield "| code | severity | meaning | 意味 |"
    yield "|---|---|---|---|"
    for code in sorted(ISSUE_CODES.values(), key=lambda code: code.name):
        yield f"| `{code.name}` | {code.severity} | {_as_markdown(code.en)} | {code.ja} |"


# Heading, introduction, column heading and the enumeration.
_ENUMERATIONS = (
    (
        "Findings",
        "Law, policy and bank may add findings to an outcome. They move no yen and need a look.",
        "finding",
        Finding,
    ),
    ("Dispositions", "Every yen of every receipt has exactly one of them (control T4).", "disposition", Disposition),
    ("Status of a bill", "In `balances.csv`.", "status", BalanceStatus),
    ("Kinds of overpayment", "In `overpayments.csv` and `offers.csv`.", "kind", OverpaymentKind),
    ("States of an overpayment", "In `overpayments.csv` and `kokin ledger refund list`.", "state", RefundState),
)


def _outcomes(words: Words) -> Iterator[str]:
    yield from _members(words, "outcome", Outcome, "exception", lambda one: words("yes" if one.is_exception else "no"))
    for heading, text, head, kind in _ENUMERATIONS:
        yield from ("", f"## {words(heading)}", "", words(text), "")
        yield from _members(words, head, kind)


def _members(
    words: Words, head: str, kind: type[StrEnum], more: str = "", cell: Callable[[Any], str] | None = None
) -> Iterator[str]:
    """A table of an enumeration: each member with its comment; in Japanese also its name in reports."""
    comments = _attribute_comments(kind)
    names = terms()["values"].get({"finding": "outcome"}.get(head, head), {}) if words.language == "ja" else {}
    yield words.row(head, "meaning", *([more] if cell else []))
    yield "|---|---|" + ("---|" if cell else "")
    for one in kind:
        name = f"<br>{names[one.value]['ja']}" if one.value in names else ""
        meaning = _as_markdown(words(comments[one.name]))
        yield f"| `{one.value}`{name} | {meaning} |" + (f" {cell(one)} |" if cell else "")


def _records(words: Words) -> Iterator[str]:
    for record in (Bill, Receipt, UploadAnswer):
        comments, columns = _attribute_comments(record), arrow_schema(record)
        yield f"## {record.__name__}"
        yield ""
        yield words.row("column", "required", "type", "meaning")
        yield "|---|---|---|---|"
        for name, field in record.model_fields.items():
            required = words("yes") if field.is_required() else ""
            yield f"| `{name}` | {required} | {columns.field(name).type} | {_as_markdown(words(comments[name]))} |"
        yield ""
    for kind in (BillStatus, ReceiptKind):
        yield f"## {kind.__name__}"
        yield ""
        yield from _members(words, "value", kind)
        yield ""


_CLAIMS = {ClaimClass.COMPULSORY: "強制徴収公債権", ClaimClass.PUBLIC: "非強制徴収公債権", ClaimClass.PRIVATE: "私債権"}


def _charges(words: Words) -> Iterator[str]:
    yield words.row("charge", "claim", "account, basis", "limitation, years", "late charge", "order")
    yield "|---|---|---|--:|---|---|"
    for charge in CATALOG.charges.values():
        name = f"`{charge.id}`<br>{_name(words, charge)}"
        claim = f"{charge.claim}<br>{_CLAIMS[charge.claim]}"
        law = f"{CATALOG.accounts[charge.account].ja}<br>{charge.basis}"
        yield f"| {name} | {claim} | {law} | {charge.limitation_years} | {charge.late_charge} | {charge.allocation} |"
    yield ""
    yield words.row("account", "class", "accrual", "revenue")
    yield "|---|---|---|---|"
    for account in CATALOG.accounts.values():
        kind = CATALOG.account_classes[account.account_class]
        flags = " | ".join(words("yes" if flag else "no") for flag in (kind.accrual, kind.revenue))
        yield f"| `{account.id}`<br>{account.ja} | `{kind.id}`<br>{kind.ja} | {flags} |"
    yield ""
    yield words.row("system", "charges")
    yield "|---|---|"
    for system in CATALOG.systems.values():
        charges = ", ".join(f"`{charge.id}`" for charge in CATALOG.charges_of(system.id)) or words(
            system.no_collection_reason
        )
        yield f"| `{system.id}`<br>{_name(words, system)} | {charges} |"


def _name(words: Words, row: Any) -> str:
    """Return the names of a row of the catalog: both in English, the Japanese one in Japanese."""
    return str(row.ja) if words.language == "ja" else f"{row.ja}<br>{row.en}"


def _rates(words: Words) -> Iterator[str]:
    table = tomllib.loads((resources.files("kokin.rules") / "rates.toml").read_text(encoding="utf-8"))
    yield f"{words('Source')}: {table['source']}. {words('Verified.' if table['verified'] else 'Not verified.')}"
    yield ""
    yield words.row("year", "延滞金, reduced %", "延滞金, full %", "還付加算金 %", "延滞金, stay (猶予) %")
    yield "|---|--:|--:|--:|--:|"
    for year, rates in RATES.years.items():
        cells = (words("unknown") if rate is None else f"{Decimal(rate) / 100:.1f}" for rate in rates)
        yield f"| {year} | " + " | ".join(cells) + " |"
    yield ""
    yield f"## {words('Statutory rates (法定利率)')}"
    yield ""
    yield words.row("first day of delay", "%", "source")
    yield "|---|--:|---|"
    for row in table["statutory"]:
        yield f"| {row['first_day']} – {row['last_day']} | {row['rate']:.1f} | {row['source']} |"
    yield ""
    yield f"## {words('Orders of allocation (充当の順序)')}"
    yield ""
    yield words.row("order", "parts, first to last", "source", "verified")
    yield "|---|---|---|---|"
    orders = tomllib.loads((resources.files("kokin.rules") / "orders.toml").read_text(encoding="utf-8"))
    for name, row in orders.items():
        parts = " → ".join(f"`{part}`" for part in row["order"])
        yield f"| `{name}` | {parts} | {row['source']} | {words('yes' if row['verified'] else 'no')} |"


# The slips of the synthetic city of the samples, and the rows of a sample.
_SAMPLE_SLIPS, _SAMPLE_ROWS = 2_000, 3


def _reports(words: Words) -> Iterator[str]:
    """The tables of a report: their columns, and the first rows of a report of a synthetic city."""
    language: Literal["en", "ja"] = "ja" if words.language == "ja" else "en"
    in_words = Terms(language)
    with TemporaryDirectory() as temporary:
        folder = Path(temporary)
        city = write_city(folder, _SAMPLE_SLIPS, 1)
        day = city.reference_date
        read = [receipts.read(path, name, reference_date=day, on_error="skip") for path, name in city.receipts]
        run = reconcile(bills.read(city.bills), read)
        accounts = build_accounts(run)
        report = Report.from_run(run, accounts)
        report.write(folder / "out", formats=["csv"], headings="words", language=language, encoding="utf-8")
        status = IntakeStatus(date(2026, 5, 1), datetime(2026, 5, 1, tzinfo=JAPAN), (), ())
        tables = {INTAKE_TABLE: intake_table(status), **report.tables}
        columns_of = {**CHANGE_TABLES, **{name: tables[name].column_names for name in tables}}
        for table in (INTAKE_TABLE, *CHANGE_TABLES, *TABLES):
            columns = columns_of[table]
            yield f"## {in_words.table(table)}"
            yield ""
            yield f"`{table}.csv`: " + " · ".join(
                f"`{column}` {Terms('ja').heading(table, column)}" for column in columns
            )
            if table == "exceptions":
                yield ""
                yield f"{words('Of a ledger also:')} " + " · ".join(
                    f"`{column}` {Terms('ja').heading(table, column)}" for column, _ in STATE_COLUMNS
                )
            yield ""
            sample = folder / "out" / f"{table}.csv"
            rows = sample.read_text(encoding="utf-8").splitlines()[: 1 + _SAMPLE_ROWS] if sample.exists() else []
            if len(rows) > 1:
                yield from ("```text", *rows, "```", "")


# What each table of the ledger contains.
_LEDGER_TABLES = {
    "entries": "One row per transaction: who, when, why, from which file. The first entry is `created`.",
    "seals": "One row per entry, written last. Its hash covers the entry and everything before it.",
    "bill_versions": "調定. The versions of the bills; the current one is that which no other replaces.",
    "receipts": "収納. The accepted records of receipt files; each belongs to the entry of its file.",
    "postings": "消込. The outcome of each receipt, and rows that take the yen of an earlier one back.",
    "bank_deposits": "入金. Deposits on the bank account, for control T3.",
    "agent_reports": "収納報告. What agents report that they have collected, for control T2.",
    "file_issues": "The problems of the records of posted files, and of files that were rejected as a whole.",
    "slip_numbers": "付番. The numbers of each slip, each allotted once and for ever, and the debt that it is for.",
    "upload_records": "納付書情報. The records of slips that were sent to eLTAX.",
    "upload_answers": "The answers to these records; of several answers to a record the last one applies.",
    "decisions": "判断. What persons decided about exceptions; of several active decisions the last one applies.",
    "refund_steps": "還付・充当. The steps of each part of an overpayment: decided, ordered, paid or returned.",
    "closings": "締め. The days, months and fiscal years that were closed.",
    "closing_figures": "The figures that each closing has added to those before it, by day, year and account.",
    "debit_records": "口座振替依頼. The direct debits that banks were asked for, without accounts and names.",
    "debit_results": "口座振替結果. The result of each; of several results of a debit the last one applies.",
    "acknowledgements": "連携の受領. Up to which entry each consumer of changes has processed them.",
    "write_offs": "不納欠損. What was written off of debts, with article and reason.",
    "match_keys": "The match index: which bills and receipts share a number, an obligation or a reference.",
    "schema_versions": "The versions of this schema that the database has had.",
}

# The records whose fields are columns, and the columns that are no fields and have no comment in the schema.
_LEDGER_RECORDS = {
    "bill_versions": Bill,
    "receipts": Receipt,
    "bank_deposits": BankDeposit,
    "agent_reports": AgentReport,
    "slip_numbers": Bill,
    "upload_records": Bill,
}
_LEDGER_COLUMNS = {
    "id": "1, 2, 3 …, without gaps",
    "entry_id": "the entry that added the row",
    "hash": "SHA-256 of the hash of the row before and of this row",
    "seals.hash": "SHA-256 of the hash of the seal before, of the entry and of this row",
    "entries.kind": "see below",
    "actor": "who wrote it, according to the caller",
    "reason": "why; empty if it is obvious, required for a reversal",
    "kokin_version": "the version of Kokin that wrote it",
    "schema_version": "the schema version that it was written with",
    "entries.layout": "the layout of the file",
    "reverses_entry_id": "the entry that a reversal reverses",
    "reverses_posting_id": "the posting that a reversal reverses",
    "receipt_id": "the receipt",
    "bill_version_id": "the bill, in its version at that time; null for an unknown number",
    "posting_reason": "see below",
    "outcome": "see [](outcomes.md)",
    "balance_before": "the balance of the obligation before the payment, yen",
    "file_issues.code": "see [](issues.md)",
    "file_issues.severity": "`error` or `warning`",
    "file_issues.field": "the field of the record",
    "file_issues.expected": "what is valid",
    "upload_records.operation": "see below",
    "upload_record_id": "the record that is answered",
    "result": "see below",
    "decisions.decision": "see below",
    "refund_steps.step": "see below",
    "refund_steps.kind": "`refund` or `setoff`",
    "refund_steps.reason": "the reason of the decision, or why the transfer came back",
    "closings.period": "see below",
    "closing_figures.payee_code": "the authority; null if unknown",
    "closing_figures.account": "会計",
    "closing_figures.system": "業務",
    "closing_figures.charge": "科目",
    "closing_figures.item_code": "税目・料金番号",
    "closing_figures.fiscal_year": "会計年度 of the day of receipt; null if unknown",
    "closing_figures.year_class": "`current`, `past` or `carried_over`",
    "closing_figures.channel": "how it was paid",
    "closing_figures.received": "yen received: `revenue + off_budget + overpaid + suspense`",
    "closing_figures.revenue": "yen of revenue (歳入)",
    "closing_figures.off_budget": "yen held for others (歳入歳出外現金)",
    "closing_figures.overpaid": "yen paid in excess (過誤納)",
    "closing_figures.suspense": "yen of unknown payments (不明金)",
    "debit_records.bill_id": "the bill",
    "debit_records.amount": "yen of the debit",
    "debit_results.debit_record_id": "the debit",
    "write_offs.reason": "why it was written off",
    "schema_versions.version": "the schema version",
    "schema_versions.recorded_at": "the database's own time of the creation or upgrade",
    "schema_versions.recorded_by": "the user of the database, or of the system for SQLite",
}


def _ledger_schema(words: Words) -> Iterator[str]:
    """The data dictionary of the ledger: each table with its columns, constraints and indexes; the view."""
    kinds: dict[str, tuple[str, type[StrEnum]]] = {
        "entries": ("kind", EntryKind),
        "postings": ("posting_reason", PostingReason),
        "upload_records": ("operation", UploadOperation),
        "upload_answers": ("result", UploadResult),
        "decisions": ("decision", DecisionKind),
        "refund_steps": ("step", RefundStep),
        "closings": ("period", ClosingPeriod),
    }
    for name, table in LEDGER_TABLES.items():
        yield from (f"## {name}", "", words(_LEDGER_TABLES[name]), "")
        yield words.row("column", "PostgreSQL", "SQLite", "null", "meaning")
        yield "|---|---|---|---|---|"
        for column in table.columns:
            types = " | ".join(column.type.compile(each.dialect()).lower() for each in (postgresql, sqlite))
            null = words("yes") if column.nullable else ""
            yield f"| `{column.name}` | {types} | {null} | {_as_markdown(words(_ledger_column(table, column)))} |"
        yield from ("", *(f"- {line}" for line in sorted(_ledger_constraints(table))), "")
        if name in kinds:
            yield from _members(words, *kinds[name])
            yield ""
    yield "## audit_log"
    yield ""
    yield words("A view: each posting with its entry, file and receipt, and the hash of the row before.")
    yield ""
    yield " · ".join(f"`{column.name}`" for column in AUDIT_LOG.columns)


def _ledger_column(table: Table, column: Column[Any]) -> str:
    """Return the meaning of a column: that of the record, of the schema, or of ``_LEDGER_COLUMNS``."""
    record = _LEDGER_RECORDS.get(table.name)
    comments = _attribute_comments(record) if record else {}
    if table.name == "postings":
        yen = _attribute_comments(Disposition)
        comments = {each.value: f"{yen[each.name]} Yen." for each in Disposition}
    own = _LEDGER_COLUMNS.get(f"{table.name}.{column.name}", _LEDGER_COLUMNS.get(column.name))
    return comments.get(column.name) or column.comment or own or ""


def _ledger_constraints(table: Table) -> Iterator[str]:
    """Yield the keys, checks and indexes of a table, without the checks of storage classes that only SQLite needs."""
    for each in table.constraints:
        names = ", ".join(column.name for column in each.columns)
        match each:
            case PrimaryKeyConstraint():
                yield f"PRIMARY KEY `{names}`"
            case UniqueConstraint():
                yield f"UNIQUE `{names}`"
            case ForeignKeyConstraint():
                yield f"FOREIGN KEY `{names}` → `{each.elements[0].target_fullname}`"
            case CheckConstraint() if each._ddl_if is None:
                yield f"CHECK `{each.sqltext}`"
    for index in table.indexes:
        names = ", ".join(column.name for column in index.columns)
        condition = index.dialect_options["sqlite"]["where"]
        where = "" if condition is None else f", where `{condition.compile(compile_kwargs={'literal_binds': True})}`"
        yield f"{'UNIQUE ' if index.unique else ''}INDEX `{names}`{where}".replace(f"{table.name}.", "")


def _glossary(language: str) -> Iterator[str]:
    """The terms and their definitions, sorted by the English term; the Japanese page has the Japanese term first."""
    yield "```{glossary}"
    defined = set[str]()
    for row in sorted(terms()["glossary"].values(), key=lambda row: row["en"].lower()):
        # 充当 is the Japanese word of two terms; the page defines it once.
        names = [name for name in (row["en"], *row["ja"].split("・")) if name not in defined]
        defined.update(names)
        yield from names if language == "en" else reversed(names)
        yield f"  {row['means' if language == 'en' else 'ja_means']}"
        yield ""
    yield "```"


def _commands(words: Words) -> Iterator[str]:
    with mock.patch.dict(os.environ, {"KOKIN_LANG": words.language}):
        yield from _help(get_command(app), ())


def _help(command: Any, names: tuple[str, ...]) -> Iterator[str]:
    """The output of ``--help`` for a command and its subcommands."""
    yield f"## {' '.join(('kokin', *names))}"
    yield ""
    yield "```text"
    yield CliRunner().invoke(app, [*names, "--help"], prog_name="kokin", terminal_width=80).stdout.strip()
    yield "```"
    yield ""
    for name, child in sorted(getattr(command, "commands", {}).items()):
        yield from _help(child, (*names, name))


def _layouts(words: Words) -> Iterator[str]:
    yield words.row("layout", "file", "format", "verified against its specification")
    yield "|---|---|---|---|"
    for layout in map(layouts.load, layouts.names()):
        file_format = f"{layout.format}, {layout.width} {words('bytes')}" if layout.width else layout.format
        link = f"[`{layout.name}`](_generated/layout-{layout.name}.md)"
        yield f"| {link} | {_name(words, layout)} | {file_format} | {words('yes' if layout.verified else '**no**')} |"


def _layout(name: str, language: str) -> Iterator[str]:
    layout = layouts.load(name)
    yield f"# {name}"
    yield ""
    yield layouts.describe(layout, "ja" if language == "ja" else "en").split("\n", 1)[1]
