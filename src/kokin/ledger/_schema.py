"""Schema of the ledger: one definition of tables, constraints and indexes for SQLite and PostgreSQL.

An *entry* is one transaction: who, when, why, from which file. It adds rows to the detail tables, and its *seal* ends
it: totals, and the last row and hash of every table. Every field of a record is a column. Rows are never changed.

A date is ``date`` in PostgreSQL and text ``YYYY-MM-DD`` in SQLite, a time of day ``time`` or ``HH:MM:SS``, a time
``timestamp with time zone`` or text in UTC with microseconds. Kokin reads all of them as text. A list has one item per
line, amounts by name one ``name=yen`` per line.
"""

from __future__ import annotations

from collections.abc import Iterable
from enum import StrEnum
from typing import Any

import pyarrow as pa
import pyarrow.types as pt
from sqlalchemy import (
    BigInteger,
    CheckConstraint,
    Column,
    ForeignKey,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    SmallInteger,
    Table,
    Text,
    UniqueConstraint,
    select,
)
from sqlalchemy.dialects.postgresql.base import PGIdentifierPreparer
from sqlalchemy.engine import Dialect
from sqlalchemy.engine.default import DefaultDialect
from sqlalchemy.types import TypeEngine, UserDefinedType

from kokin.issues import Severity
from kokin.model import (
    Bill,
    BillStatus,
    DecisionKind,
    Disposition,
    Outcome,
    Receipt,
    ReceiptKind,
    Record,
    RefundKind,
    RefundStep,
    UploadOperation,
    UploadResult,
    Yen,
    arrow_schema,
    field_types,
)
from kokin.reconcile import AgentReport, BankDeposit

#: The version of this schema; see :mod:`kokin.ledger._migrations`.
SCHEMA_VERSION = 8

#: Versions 1 to 4 had other tables and another chain of hashes.
FIRST_VERSION = 5


class EntryKind(StrEnum):
    """The kind of an entry."""

    #: The first entry of a ledger.
    CREATED = "created"
    #: The choices of the authority, from this entry on.
    POLICY = "policy"
    #: 調定: bills and new versions of bills.
    BILLS = "bills"
    #: 収納: the receipts of one file.
    RECEIPT_FILE = "receipt_file"
    #: A file of receipts that was rejected as a whole.
    REJECTED_FILE = "rejected_file"
    #: 入金: deposits on the bank account.
    BANK_DEPOSITS = "bank_deposits"
    #: 収納報告: collections reported by an agent.
    AGENT_REPORTS = "agent_reports"
    #: 判断: what persons decided about exceptions.
    DECISION = "decision"
    #: 還付・充当: steps of refunds and set-offs.
    REFUND = "refund"
    #: 不納欠損: debts that were written off.
    WRITE_OFF = "write_off"
    #: 付番: numbers of slips that were allotted to debts.
    ALLOTMENT = "allotment"
    #: 納付書情報: records of slips that were sent to eLTAX.
    UPLOAD = "upload"
    #: The answer to records that were sent to eLTAX.
    UPLOAD_ANSWER = "upload_answer"
    #: 口座振替依頼: the direct debits that a bank was asked for.
    DEBIT_REQUEST = "debit_request"
    #: 口座振替結果: what the bank reports about each direct debit of a request.
    DEBIT_RESULT = "debit_result"
    #: 連携の受領: a system next door has processed the changes up to an entry.
    ACKNOWLEDGEMENT = "acknowledgement"
    #: 締め: a day, month or fiscal year that was closed.
    CLOSING = "closing"
    #: 繰越: the state that was carried over from another ledger.
    OPENING = "opening"
    #: 取消: reverses an entry or a posting.
    REVERSAL = "reversal"


class PostingReason(StrEnum):
    """Why a posting was written."""

    #: 計上: a receipt of the entry's own file.
    POSTED = "posted"
    #: 再判定: the outcome of an earlier receipt has changed because of later data.
    REMATCHED = "rematched"
    #: 取消: the receipt was reversed.
    REVERSED = "reversed"
    #: 取消の取消: the reversal of the receipt was reversed.
    RESTORED = "restored"


class ClosingPeriod(StrEnum):
    """The kind of a period that is closed (締め)."""

    #: 日締め.
    DAY = "day"
    #: 月締め.
    MONTH = "month"
    #: 出納閉鎖: a fiscal year of the accounts on a cash basis, until 31 May after it (自治法235の5).
    YEAR = "year"
    #: A fiscal year of the enterprise accounts (公営企業会計), until its 31 March.
    ENTERPRISE_YEAR = "enterprise_year"


#: The largest amount of one record, in yen.
MAX_YEN = Yen().max

#: Yen columns of a posting, one per disposition.
DISPOSITIONS = tuple(each.value for each in Disposition)

#: Fields of a receipt that the entry of its file has for all of them.
_FILE_FIELDS = ("layout", "source", "digest", "raw")
#: Personal fields of a record, which no table has: neither matching nor a report reads them.
PERSONAL_FIELDS = ("name", "postal_code", "address")


class _Native(UserDefinedType[str]):
    """A type of PostgreSQL by its name; its values are texts in Python."""

    cache_ok = True

    def __init__(self, name: str) -> None:
        self.name = name

    def get_col_spec(self, **_: Any) -> str:
        """Return the name of the type."""
        return self.name


# In SQLite only a primary key of type INTEGER is the row id; BIGINT would need a second index.
_INT = BigInteger().with_variant(Integer(), "sqlite")
_SMALL = SmallInteger().with_variant(Integer(), "sqlite")
_TEXT = Text()
_DATE = Text().with_variant(_Native("DATE"), "postgresql")
_CLOCK = Text().with_variant(_Native("TIME"), "postgresql")
_TIMESTAMP = Text().with_variant(_Native("TIMESTAMP WITH TIME ZONE"), "postgresql")
_HASH = LargeBinary(32)

METADATA = MetaData()


def _one_of(name: str, values: Iterable[str]) -> CheckConstraint:
    texts = ", ".join(f"'{value}'" for value in values)
    return CheckConstraint(f"{name} IN ({texts})")


def _between(name: str, low: int, high: int = MAX_YEN) -> CheckConstraint:
    return CheckConstraint(f"{name} BETWEEN {low} AND {high}")


def _storage_classes(columns: Iterable[Column[Any]]) -> list[CheckConstraint]:
    """Return the checks of SQLite, which accepts any value in any column: https://www.sqlite.org/datatype3.html."""
    checks = []
    for each in columns:
        kind = "integer" if isinstance(each.type, Integer) else "blob" if each.type is _HASH else "text"
        rule = f"typeof({each.name}) IN ('{kind}', 'null')"
        if each.type is _DATE:
            rule += f" AND {each.name} IS date({each.name})"
        if each.type is _CLOCK:
            rule += f" AND {each.name} IS time({each.name})"
        checks.append(CheckConstraint(rule).ddl_if(dialect="sqlite"))
    return checks


def _define(name: str, *items: Any, **options: Any) -> Table:
    columns = [item for item in items if isinstance(item, Column)]
    return Table(name, METADATA, *items, *_storage_classes(columns), **options)


def _id() -> list[Any]:
    return [Column("id", _INT, primary_key=True, autoincrement=False), CheckConstraint("id > 0")]


def _entry_id() -> Column[int]:
    return Column("entry_id", _INT, ForeignKey("entries.id"), nullable=False)


def _hash() -> list[Any]:
    return [Column("hash", _HASH, nullable=False), CheckConstraint("length(hash) = 32")]


def _stored_fields(record: type[Record], without: tuple[str, ...] = ()) -> pa.Schema:
    """Return the fields of a record as int64 and string, required fields first."""
    fields = [field for field in arrow_schema(record) if field.name not in without]
    fields.sort(key=lambda field: not record.model_fields[field.name].is_required())
    is_integer = {field.name: pt.is_integer(field.type) or pt.is_boolean(field.type) for field in fields}
    return pa.schema([(name, pa.int64() if integer else pa.string()) for name, integer in is_integer.items()])


#: The fields of the records of each table, as they are read and written: int64 and string.
RECORD_FIELDS = {
    "bill_versions": _stored_fields(Bill, PERSONAL_FIELDS),
    "receipts": _stored_fields(Receipt, (*_FILE_FIELDS, *PERSONAL_FIELDS)),
    "bank_deposits": _stored_fields(BankDeposit),
    "agent_reports": _stored_fields(AgentReport),
}

#: The value of a field that a table lacks, by field.
BILL_DEFAULTS: dict[str, str | int] = {
    name: str(field.default) if isinstance(field.default, str) else field.default
    for name, field in Bill.model_fields.items()
    if isinstance(field.default, str | int)
}


def _record_columns(record: type[Record], name: str, required: tuple[str, ...] = ()) -> list[Any]:
    """Return the columns of a record and the checks of their ranges."""
    kinds, schema, types = RECORD_FIELDS[name], arrow_schema(record), field_types(record)
    items: list[Any] = []
    for field_name in kinds.names:
        kind = schema.field(field_name).type
        is_required = record.model_fields[field_name].is_required() or field_name in required
        sql_type: TypeEngine[Any] = _TEXT
        if pt.is_date(kind) or pt.is_time(kind):
            sql_type = _DATE if pt.is_date(kind) else _CLOCK
        elif kinds.field(field_name).type == pa.int64():
            sql_type = _INT
            rule = types.get(field_name)
            low, high = (rule.min, rule.max) if isinstance(rule, Yen) else (0, 1)
            items.append(_between(field_name, low, high))
        items.append(Column(field_name, sql_type, nullable=not is_required))
    return items


entries = _define(
    "entries",
    *_id(),
    Column("kind", _TEXT, nullable=False),
    Column("recorded_at", _TIMESTAMP, nullable=False, comment="the database's own time of the transaction"),
    Column("recorded_by", _TEXT, nullable=False, comment="the user of the database, or of the system for SQLite"),
    Column("effective_at", _TIMESTAMP, nullable=False, comment="when it counts as written"),
    Column("actor", _TEXT, nullable=False),
    Column("reason", _TEXT, nullable=False),
    Column("kokin_version", _TEXT, nullable=False),
    Column("schema_version", _INT, nullable=False),
    Column("source", _TEXT, comment="the name of the file"),
    Column("layout", _TEXT),
    Column("digest", _TEXT, comment="SHA-256 of the file"),
    Column("delivery", _INT, comment="1 for the first entry of the file; a later one needs the reversal of all before"),
    Column("reverses_entry_id", _INT, ForeignKey("entries.id")),
    Column(
        "reverses_posting_id",
        _INT,
        ForeignKey(
            "postings.id",
            name="entries_reverses_posting_id_fkey",
            use_alter=True,
            deferrable=True,
            initially="DEFERRED",
        ),
    ),
    _one_of("kind", EntryKind),
    CheckConstraint("actor <> '' AND recorded_by <> '' AND kokin_version <> ''"),
    CheckConstraint("length(digest) BETWEEN 1 AND 64"),
    CheckConstraint("(digest IS NULL) = (delivery IS NULL) AND (delivery IS NULL OR delivery > 0)"),
    CheckConstraint("reverses_entry_id < id"),
    CheckConstraint("reverses_entry_id IS NULL OR reverses_posting_id IS NULL"),
    CheckConstraint("(kind = 'reversal') = (reverses_entry_id IS NOT NULL OR reverses_posting_id IS NOT NULL)"),
    UniqueConstraint("reverses_entry_id"),
    UniqueConstraint("reverses_posting_id"),
    UniqueConstraint("kind", "digest", "delivery"),
)

seals = _define(
    "seals",
    Column("entry_id", _INT, ForeignKey("entries.id"), primary_key=True, autoincrement=False),
    Column("totals", _TEXT, nullable=False, comment="JSON: the totals of the file or load, the policy"),
    Column("last_rows", _TEXT, nullable=False, comment="JSON: id and hash of the last row of each table"),
    Column("key_counts", _TEXT, nullable=False, comment="JSON: the number of match keys of each kind"),
    *_hash(),
)

bill_versions = _define(
    "bill_versions",
    *_id(),
    _entry_id(),
    Column("version", _INT, nullable=False, comment="1, 2, 3 for the versions of a bill"),
    Column("replaces_id", _INT, ForeignKey("bill_versions.id"), comment="the version before"),
    Column("withdrawn", _SMALL, nullable=False, comment="1: the load of the bill was reversed"),
    *_record_columns(Bill, "bill_versions", tuple(BILL_DEFAULTS)),
    *_hash(),
    CheckConstraint("withdrawn IN (0, 1) AND withdrawn < version"),
    CheckConstraint("(version = 1) = (replaces_id IS NULL) AND version > 0 AND (version = 1 OR replaces_id < id)"),
    _one_of("status", BillStatus),
    UniqueConstraint("bill_id", "version"),
)

receipts = _define(
    "receipts",
    *_id(),
    _entry_id(),
    *_record_columns(Receipt, "receipts", ("record_no", "kind")),
    *_hash(),
    _one_of("kind", ReceiptKind),
    UniqueConstraint("entry_id", "record_no"),
)

postings = _define(
    "postings",
    *_id(),
    _entry_id(),
    Column("receipt_id", _INT, ForeignKey("receipts.id"), nullable=False),
    Column("bill_version_id", _INT, ForeignKey("bill_versions.id")),
    Column("posting_reason", _TEXT, nullable=False),
    Column("reverses_id", _INT, ForeignKey("postings.id"), comment="the posting whose yen this one takes back"),
    Column("outcome", _TEXT, nullable=False),
    *(Column(name, _INT, nullable=False) for name in DISPOSITIONS),
    Column("balance_before", _INT),
    *_hash(),
    _one_of("posting_reason", PostingReason),
    _one_of("outcome", Outcome),
    CheckConstraint("reverses_id < id"),
    CheckConstraint(
        "(reverses_id IS NULL) = (posting_reason IN ('posted', 'restored')) OR posting_reason = 'rematched'"
    ),
    *(_between(name, -MAX_YEN) for name in DISPOSITIONS),
)

bank_deposits = _define("bank_deposits", *_id(), _entry_id(), *_record_columns(BankDeposit, "bank_deposits"), *_hash())
agent_reports = _define("agent_reports", *_id(), _entry_id(), *_record_columns(AgentReport, "agent_reports"), *_hash())

#: The issues of a file: of the records that were rejected, or for which the file was rejected as a whole.
file_issues = _define(
    "file_issues",
    *_id(),
    _entry_id(),
    Column("code", _TEXT, nullable=False),
    Column("severity", _TEXT, nullable=False),
    Column("field", _TEXT, nullable=False),
    Column("record", _INT, comment="the number of the record in the file"),
    Column("byte", _INT, comment="the position in the file, from 0"),
    Column("expected", _TEXT, nullable=False),
    Column("found", _TEXT, nullable=False, comment="the value; a text that can be personal is masked"),
    *_hash(),
    _one_of("severity", Severity),
)

#: 付番: the numbers of each slip, each allotted once and for ever, and what was printed with them.
slip_numbers = _define(
    "slip_numbers",
    *_id(),
    _entry_id(),
    Column("obligation_id", _TEXT, nullable=False, comment="the number of the debt"),
    Column("issue_no", _INT, nullable=False, comment="1 for the first slip of the debt, 2 for a re-issue"),
    Column("replaces_id", _INT, ForeignKey("slip_numbers.id"), comment="the slip of the debt before"),
    Column("bill_id", _TEXT, nullable=False),
    Column("payee_code", _TEXT, nullable=False),
    Column("item_code", _TEXT, nullable=False),
    Column("case_key", _TEXT, nullable=False),
    Column("confirmation", _TEXT, nullable=False),
    Column("series", _TEXT, nullable=False, comment="the case key without its serial and check digit"),
    Column("serial", _INT, comment="counts up within the series; null if the case key has no serial"),
    Column("amount", _INT, nullable=False),
    Column("due_on", _DATE, nullable=False),
    Column("payable_until", _DATE),
    Column("barcode", _TEXT),
    *_hash(),
    _between("amount", 1),
    CheckConstraint("issue_no > 0 AND serial >= 0"),
    CheckConstraint("length(case_key) = 20 AND length(confirmation) = 6"),
    CheckConstraint("replaces_id IS NULL OR (replaces_id < id AND issue_no > 1)"),
    UniqueConstraint("payee_code", "item_code", "case_key", "confirmation"),
    UniqueConstraint("payee_code", "item_code", "series", "serial"),
    UniqueConstraint("payee_code", "obligation_id", "issue_no"),
    UniqueConstraint("bill_id"),
)

#: 納付書情報: the records that were sent to eLTAX.
upload_records = _define(
    "upload_records",
    *_id(),
    _entry_id(),
    Column("record_no", _INT, nullable=False, comment="the number of the record in the upload, from 1"),
    Column("file_no", _INT, nullable=False, comment="the number of the file of the upload, from 1"),
    Column("operation", _TEXT, nullable=False),
    Column("bill_id", _TEXT, nullable=False),
    Column("payee_code", _TEXT, nullable=False),
    Column("item_code", _TEXT, nullable=False),
    Column("case_key", _TEXT, nullable=False),
    Column("confirmation", _TEXT, nullable=False),
    Column("amount", _INT, nullable=False),
    Column("payable_until", _DATE),
    Column("content", _TEXT, nullable=False, comment="SHA-256 of the values that were sent"),
    *_hash(),
    _one_of("operation", UploadOperation),
    _between("amount", 1),
    CheckConstraint("record_no > 0 AND file_no > 0"),
    CheckConstraint("length(content) = 64"),
    UniqueConstraint("entry_id", "record_no"),
)

#: The answers to records that were sent to eLTAX; of several answers to a record the last one applies.
upload_answers = _define(
    "upload_answers",
    *_id(),
    _entry_id(),
    Column("record_no", _INT, nullable=False, comment="the number of the record in the file of the answer"),
    Column("upload_record_id", _INT, ForeignKey("upload_records.id"), nullable=False),
    Column("result", _TEXT, nullable=False),
    Column("reason_code", _TEXT, comment="why the record was rejected, as the answer says"),
    Column("field", _TEXT, comment="the field to correct, as the answer says"),
    *_hash(),
    _one_of("result", UploadResult),
    UniqueConstraint("entry_id", "record_no"),
)

#: 判断: what persons decided about exceptions. The parts of a payment that is divided among bills are rows in a row.
decisions = _define(
    "decisions",
    *_id(),
    _entry_id(),
    Column("exception_id", _TEXT, nullable=False, comment="the exception, as the work list names it"),
    Column("part_no", _INT, nullable=False, comment="1, 2, 3 for the parts of a payment, else 1"),
    Column("decision", _TEXT, nullable=False),
    Column("receipt_id", _INT, ForeignKey("receipts.id"), comment="the receipt; null if the exception is of none"),
    Column("bill_id", _TEXT, comment="the bill that the part is assigned to"),
    Column("amount", _INT, comment="yen of the part; null for the whole payment"),
    Column("hold_until", _DATE, comment="the first day on which somebody has to look again"),
    Column("reason", _TEXT, nullable=False),
    Column("approver", _TEXT, comment="who approved it, another person than the actor"),
    Column("accepted_yen", _TEXT, comment="the yen that were accepted: of the exception, expected, found"),
    *_hash(),
    _one_of("decision", DecisionKind),
    _between("amount", 1),
    CheckConstraint("part_no > 0 AND (part_no = 1 OR amount IS NOT NULL)"),
    CheckConstraint("(decision IN ('assign', 'move')) = (bill_id IS NOT NULL)"),
    CheckConstraint("amount IS NULL OR bill_id IS NOT NULL"),
    CheckConstraint("(decision = 'hold') = (hold_until IS NOT NULL)"),
    CheckConstraint("receipt_id IS NOT NULL OR decision IN ('hold', 'accept')"),
    CheckConstraint("exception_id <> '' AND reason <> ''"),
    UniqueConstraint("entry_id", "exception_id", "part_no"),
)

#: 還付・充当: the steps of refunds and set-offs. A part of an excess is identified by its receipt and number.
refund_steps = _define(
    "refund_steps",
    *_id(),
    _entry_id(),
    Column("receipt_id", _INT, ForeignKey("receipts.id"), nullable=False, comment="the receipt with the excess"),
    Column("part_no", _INT, nullable=False, comment="1, 2, 3 for the parts of the excess"),
    Column("step", _TEXT, nullable=False),
    Column("step_on", _DATE, nullable=False, comment="the day of the decision, transfer, payment or return"),
    Column("kind", _TEXT, nullable=False),
    Column("amount", _INT, nullable=False, comment="yen of the excess"),
    Column("interest", _INT, nullable=False, comment="yen of interest on the refund, fixed by the decision"),
    Column("payee_code", _TEXT, nullable=False, comment="the payee of the receipt; empty if unknown"),
    Column("article", _TEXT, nullable=False, comment="the article of law"),
    Column("consent", _SMALL, comment="1: the payer has agreed to the set-off; null if law needs no consent"),
    Column("debt_bill_id", _TEXT, comment="the bill against which the part is set off"),
    Column("setoff_receipt_id", _INT, ForeignKey("receipts.id"), comment="the receipt that credits this bill"),
    Column("record_no", _INT, comment="the number of the transfer in the file of an order"),
    Column("reason", _TEXT),
    Column("approver", _TEXT, comment="who approved it, another person than the actor"),
    *_hash(),
    _one_of("step", RefundStep),
    _one_of("kind", RefundKind),
    _between("amount", 1),
    _between("interest", 0),
    CheckConstraint("part_no > 0 AND record_no > 0 AND consent = 1 AND article <> ''"),
    CheckConstraint("(kind = 'setoff') = (debt_bill_id IS NOT NULL)"),
    CheckConstraint("(kind = 'setoff' AND step = 'decided') = (setoff_receipt_id IS NOT NULL)"),
    CheckConstraint("(step = 'ordered') = (record_no IS NOT NULL)"),
    CheckConstraint("kind = 'refund' OR step = 'decided' OR interest > 0"),
    UniqueConstraint("entry_id", "receipt_id", "part_no"),
)

#: 不納欠損: what was written off of debts.
write_offs = _define(
    "write_offs",
    *_id(),
    _entry_id(),
    Column("bill_id", _TEXT, nullable=False, comment="the bill of the debt"),
    Column("amount", _INT, nullable=False, comment="yen that were written off"),
    Column("written_off_on", _DATE, nullable=False, comment="the day of the decision"),
    Column("article", _TEXT, nullable=False, comment="the article of law"),
    Column("reason", _TEXT, nullable=False),
    Column("approver", _TEXT, comment="who approved it, another person than the actor"),
    *_hash(),
    _between("amount", 1),
    CheckConstraint("bill_id <> '' AND article <> '' AND reason <> ''"),
    UniqueConstraint("entry_id", "bill_id"),
)

#: 締め: the periods that were closed.
closings = _define(
    "closings",
    *_id(),
    _entry_id(),
    Column("period", _TEXT, nullable=False),
    Column("first_day", _DATE, nullable=False, comment="the first day of the period"),
    Column("last_day", _DATE, nullable=False, comment="the last day of the period"),
    Column("digest", _TEXT, nullable=False, comment="SHA-256 of the figures of the period"),
    Column("approver", _TEXT, comment="who approved it, another person than the actor"),
    *_hash(),
    _one_of("period", ClosingPeriod),
    CheckConstraint("first_day <= last_day AND length(digest) = 64 AND approver <> ''"),
    UniqueConstraint("entry_id"),
)

#: The figures that a closing has added to those of the closings before it: sums of receipts, which can be negative.
closing_figures = _define(
    "closing_figures",
    *_id(),
    _entry_id(),
    Column("booked_on", _DATE, nullable=False, comment="the day whose 日計 has the figures"),
    Column("booked_year", _INT, comment="the fiscal year whose accounts have the figures; null if unknown"),
    Column("received_on", _DATE, nullable=False, comment="収入日; before booked_on for 過日分"),
    Column("is_late", _SMALL, nullable=False, comment="1: 過日分, the day of receipt was closed before"),
    *(Column(name, _TEXT) for name in ("payee_code", "account", "system", "charge", "item_code")),
    Column("fiscal_year", _INT),
    *(Column(name, _TEXT) for name in ("year_class", "channel")),
    Column("receipts", _INT, nullable=False, comment="number of receipts"),
    *(Column(name, _INT, nullable=False) for name in ("received", "revenue", "off_budget", "overpaid", "suspense")),
    *_hash(),
    CheckConstraint("is_late IN (0, 1)"),
)
Index("closing_figures_entry_id", closing_figures.c.entry_id)
#: 口座振替依頼: the records of requests. The account and the name of its holder are in the file for the bank only.
debit_records = _define(
    "debit_records",
    *_id(),
    _entry_id(),
    Column("record_no", _INT, nullable=False, comment="the number of the debit in the request, from 1"),
    Column("bill_id", _TEXT, nullable=False),
    Column("attempt", _INT, nullable=False, comment="1 for the first request of the bill, 2 for 再振替"),
    Column("customer_number", _TEXT, nullable=False, comment="顧客番号, by which the result names the debit"),
    Column("amount", _INT, nullable=False),
    Column("account_check", _TEXT, nullable=False, comment="a salt, a hyphen and the check code of the account"),
    Column("debit_on", _DATE, nullable=False, comment="引落日"),
    *_hash(),
    _between("amount", 1),
    CheckConstraint("record_no > 0 AND attempt > 0"),
    CheckConstraint("customer_number <> '' AND bill_id <> ''"),
    UniqueConstraint("entry_id", "record_no"),
    UniqueConstraint("entry_id", "customer_number"),
    UniqueConstraint("entry_id", "bill_id"),
)

#: 口座振替結果: the result of each debit of a request; of several results of a debit the last active one applies.
debit_results = _define(
    "debit_results",
    *_id(),
    _entry_id(),
    Column("record_no", _INT, nullable=False, comment="the number of the record in the file of the result"),
    Column("debit_record_id", _INT, ForeignKey("debit_records.id"), nullable=False),
    Column("result", _TEXT, nullable=False, comment="振替結果コード: 0 debited, else why not"),
    *_hash(),
    CheckConstraint("record_no > 0 AND result <> ''"),
    UniqueConstraint("entry_id", "record_no"),
    UniqueConstraint("entry_id", "debit_record_id"),
)

#: 連携の受領: up to which entry each system next door has processed the changes; the last active row applies.
acknowledgements = _define(
    "acknowledgements",
    *_id(),
    _entry_id(),
    Column("cursor_name", _TEXT, nullable=False, comment="the name that the other system has in the ledger"),
    Column("last_entry_id", _INT, ForeignKey("entries.id"), nullable=False, comment="the last entry it has processed"),
    *_hash(),
    CheckConstraint("cursor_name <> ''"),
    CheckConstraint("last_entry_id < entry_id"),
    UniqueConstraint("entry_id", "cursor_name"),
)

#: The match index: keys of bills and receipts, see :mod:`kokin.ledger._components`.
match_keys = _define(
    "match_keys",
    Column("kind", _SMALL, primary_key=True, autoincrement=False, comment="1: of a bill version, 2: of a receipt"),
    Column("key", _INT, primary_key=True, autoincrement=False, comment="hash of a number or text"),
    Column("row_id", _INT, primary_key=True, autoincrement=False, comment="id in bill_versions or receipts"),
    CheckConstraint("kind IN (1, 2) AND row_id > 0"),
    sqlite_with_rowid=False,
)

schema_versions = _define(
    "schema_versions",
    Column("version", _INT, primary_key=True, autoincrement=False),
    Column("recorded_at", _TIMESTAMP, nullable=False),
    Column("recorded_by", _TEXT, nullable=False),
    Column("kokin_version", _TEXT, nullable=False),
)

TABLES = METADATA.tables

#: The tables to which an entry adds rows. Each has its own chain of hashes.
DETAIL_TABLES = (
    "bill_versions",
    "receipts",
    "postings",
    "bank_deposits",
    "agent_reports",
    "file_issues",
    "slip_numbers",
    "upload_records",
    "upload_answers",
    "decisions",
    "refund_steps",
    "closings",
    "closing_figures",
    "debit_records",
    "debit_results",
    "acknowledgements",
    "write_offs",
)

#: Kinds of match keys: the tables of the rows that they lead to, and their numbers.
KEY_KINDS = {"bill_versions": 1, "receipts": 2}

# Few rows replace or reverse another: a full index would cost time on every row.
for _column, _is_unique in (
    (bill_versions.c.replaces_id, True),
    (bill_versions.c.obligation_id, False),
    (postings.c.reverses_id, True),
    (slip_numbers.c.replaces_id, True),
    (decisions.c.receipt_id, False),
    (decisions.c.bill_id, False),
    (refund_steps.c.setoff_receipt_id, True),
):
    _is_set = _column.is_not(None)
    _name = f"{_column.table.name}_{_column.name}"
    Index(_name, _column, unique=_is_unique, sqlite_where=_is_set, postgresql_where=_is_set)
Index("postings_receipt_id", postings.c.receipt_id, postings.c.id)
Index("postings_bill_version_id", postings.c.bill_version_id)
Index("file_issues_entry_id", file_issues.c.entry_id)
Index(
    "upload_records_el_number",
    *(upload_records.c[name] for name in ("payee_code", "item_code", "case_key", "confirmation")),
)
Index("refund_steps_receipt_id", refund_steps.c.receipt_id, refund_steps.c.part_no)
Index("decisions_exception_id", decisions.c.exception_id, decisions.c.id)
Index("debit_records_bill_id", debit_records.c.bill_id, debit_records.c.id)
Index("debit_results_debit_record_id", debit_results.c.debit_record_id, debit_results.c.id)
Index("write_offs_bill_id", write_offs.c.bill_id, write_offs.c.id)
Index("upload_answers_upload_record_id", upload_answers.c.upload_record_id, upload_answers.c.id)


def stored_columns(name: str) -> pa.Schema:
    """Return the columns of a table as they are read: int64, string, and binary for a hash."""
    return pa.schema([(each.name, arrow_type(each.type)) for each in TABLES[name].c])


def arrow_type(sql_type: TypeEngine[Any]) -> pa.DataType:
    """Return the Arrow type in which Kokin reads a column: int64, string or binary."""
    if isinstance(sql_type, Integer):
        return pa.int64()
    return pa.binary() if isinstance(sql_type, LargeBinary) else pa.string()


_before = postings.alias("before")
_file = entries.alias("file")

#: The query of the view ``audit_log``: each posting with actor, times, file and reason, and the hash of the row before.
AUDIT_LOG_QUERY = select(
    postings.c.id,
    postings.c.entry_id,
    entries.c.recorded_at,
    entries.c.recorded_by,
    entries.c.effective_at,
    entries.c.actor,
    entries.c.reason,
    entries.c.kokin_version,
    _file.c.source,
    _file.c.digest,
    receipts.c.record_no,
    postings.c.receipt_id,
    postings.c.posting_reason,
    postings.c.reverses_id,
    postings.c.outcome,
    postings.c.bill_version_id,
    bill_versions.c.bill_id,
    *(postings.c[name] for name in DISPOSITIONS),
    postings.c.balance_before,
    _before.c.hash.label("hash_before"),
    postings.c.hash,
).select_from(
    postings.join(entries, entries.c.id == postings.c.entry_id)
    .join(receipts, receipts.c.id == postings.c.receipt_id)
    .join(_file, _file.c.id == receipts.c.entry_id)
    .outerjoin(bill_versions, bill_versions.c.id == postings.c.bill_version_id)
    .outerjoin(_before, _before.c.id == postings.c.id - 1)
)

#: The same as a table: a view could be replaced by another.
AUDIT_LOG = AUDIT_LOG_QUERY.subquery("audit_log")


def audit_log_query(dialect: Dialect) -> str:
    """Return the statement of :data:`AUDIT_LOG_QUERY` for a database."""
    return str(AUDIT_LOG_QUERY.compile(dialect=dialect, compile_kwargs={"literal_binds": True}))


def role_grants(schema: str = "public", *, writer: str = "", reader: str = "") -> list[str]:
    """Return the PostgreSQL statements that grant roles what they need: a batch that writes, an auditor who reads.

    The owner of the ledger executes them. Neither role can change or remove a row; times and users of entries are those
    of the database.

    Args:
        schema: the schema of the ledger.
        writer: the role of the batch; an empty name grants nothing.
        reader: the role of the auditor; an empty name grants nothing.

    >>> for statement in role_grants(reader="auditor"):
    ...     print(statement)  # doctest: +ELLIPSIS
    REVOKE CREATE ON SCHEMA public FROM PUBLIC
    GRANT USAGE ON SCHEMA public TO auditor
    GRANT SELECT ON public.acknowledgements, public.agent_reports, ... TO auditor
    """
    quote = PGIdentifierPreparer(DefaultDialect()).quote
    quoted = quote(schema)
    read, added = (
        ", ".join(f"{quoted}.{name}" for name in sorted(names))
        for names in ({*TABLES, AUDIT_LOG.name}, {*TABLES} - {"schema_versions"})
    )
    statements = [f"REVOKE CREATE ON SCHEMA {quoted} FROM PUBLIC"]
    for role in filter(None, (writer, reader)):
        statements.append(f"GRANT USAGE ON SCHEMA {quoted} TO {quote(role)}")
        statements.append(f"GRANT SELECT ON {read} TO {quote(role)}")
    if writer:
        statements.append(f"GRANT INSERT ON {added} TO {quote(writer)}")
    return statements
