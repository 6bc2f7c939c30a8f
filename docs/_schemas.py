"""JSON schemas of the machine-readable outputs, made from types; the tests validate the outputs of the commands."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Annotated, Any, Literal, NamedTuple, NotRequired

from pydantic import ConfigDict, Field, Strict, TypeAdapter
from typing_extensions import TypedDict

from kokin.cli._event_log import EVENTS
from kokin.intake import FileState, FindingKind
from kokin.intake._status import STATUS_VERSION
from kokin.ledger import AuthorityFileState, EntryKind, SlipState
from kokin.model import Disposition, Finding, Outcome
from kokin.reconcile import Policy
from kokin.reports import ComparisonResult
from kokin.slips import OutputFormat

#: Copies of the schemas. A test compares them, so that no schema changes unnoticed; run this file to write them.
COPIES = Path(__file__).parents[1] / "tests" / "docs" / "schemas"

Count = Annotated[int, Strict(), Field(ge=0)]
Yen = Annotated[int, Strict(), Field(description="Yen.")]
Hash = Annotated[str, Field(pattern="^([0-9a-f]{64})?$", description="SHA-256, hexadecimal; empty: none.")]
Moment = Annotated[
    str,
    Field(
        pattern=r"^(\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?[+-]\d\d:\d\d)?$",
        description="ISO 8601 with offset; empty: none.",
    ),
]
Day = Annotated[str, Field(pattern=r"^\d{4}-\d\d-\d\d$", description="Day, ISO 8601.")]
Value = str | int | bool | list[Any] | dict[str, Any] | None
Row = Annotated[dict[str, Value], Field(description="A row of a table, by column.")]


class _Object(TypedDict):
    """An object without other fields than those of its type."""

    __pydantic_config__ = ConfigDict(extra="forbid")  # type: ignore[misc]


class Issue(_Object):
    """A problem: its code, place and message."""

    code: str
    severity: Literal["error", "warning"]
    file: NotRequired[str | None]
    record: Count | None
    byte: Count | None
    field: NotRequired[str]
    expected: NotRequired[str]
    found: NotRequired[str]
    message: Annotated[str, Field(description="In the language of the command.")]


class BilingualIssue(_Object):
    """A problem with its message in both languages."""

    code: str
    severity: Literal["error", "warning"]
    record: Count | None
    byte: Count | None
    field: NotRequired[str]
    expected: NotRequired[str]
    found: NotRequired[str]
    en: str
    ja: str


class Control(_Object):
    """A control equation."""

    statement: str
    left: int | None
    right: int | None
    holds: Annotated[bool, Strict()] | Literal["not checked"]
    broken: NotRequired[list[str]]
    unsure: NotRequired[list[str]]


class Total(_Object):
    """Receipts and yen."""

    count: Count
    amount: Yen


class PayeeTotals(_Object):
    """The totals of an authority."""

    bills: NotRequired[Count]
    receipts: Count
    amount: NotRequired[Yen]
    outcomes: dict[Outcome, Count | Total]
    dispositions: dict[Disposition, Yen]


class Declared(_Object):
    """A total that a file declares, and the one that was counted."""

    field: str
    declared: int | None
    counted: int | None
    agrees: bool | None


class CheckCounts(_Object):
    """Records and yen of a file."""

    records: Count
    read: Count
    accepted: Count
    unpaid: Count
    rejected: Count
    accepted_yen: Yen
    unpaid_yen: Yen
    rejected_yen: Yen | None


class Check(_Object):
    """The check of a file of receipts."""

    source: str
    layout: str
    digest: Hash
    framing: str | None
    is_rejected: bool
    counts: CheckCounts
    declared: list[Declared]
    issue_counts: dict[str, Count]
    issues: list[Issue]
    issues_not_shown: Count


class Status(_Object):
    """The state of a ledger."""

    entries: Count
    rows: dict[str, Count]
    files: Count
    outcomes: dict[Outcome, Total]
    dispositions: dict[Disposition, Yen]
    payees: dict[str, PayeeTotals]
    controls: dict[str, Control]
    at: Moment
    hash: Hash


class Change(_Object):
    """Receipts and yen before and after an entry."""

    before: Total | Yen
    after: Total | Yen


class Effect(_Object):
    """What an entry would change (dry run)."""

    outcomes: dict[Outcome, Change]
    dispositions: dict[Disposition, Change]


class WrittenFile(_Object):
    """A file that was added to a ledger; of a rejected file only its name, state, error and issues."""

    file: str
    state: str
    entry: NotRequired[Count]
    at: NotRequired[Moment]
    hash: NotRequired[Hash]
    totals: NotRequired[dict[str, Value]]
    outcomes: NotRequired[dict[Outcome, Total]]
    rematched: NotRequired[Count]
    overlaps: NotRequired[list[Row]]
    dry_run: NotRequired[bool]
    effect: NotRequired[Effect]
    error: str
    issues: list[Issue]


class Entry(_Object):
    """A transaction of the ledger."""

    id: Count
    kind: EntryKind
    at: Moment
    recorded_at: Moment
    recorded_by: str
    actor: str
    reason: str
    version: Annotated[str, Field(description="The version of Kokin that wrote it.")]
    source: Annotated[str, Field(description="The name of the file.")]
    layout: str
    digest: Hash
    reverses: Annotated[Count | None, Field(description="The entry that a reversal reverses.")]
    reverses_posting: Annotated[Count | None, Field(description="The posting that a reversal reverses.")]
    totals: dict[str, Value]
    hash: Hash


class Verification(_Object):
    """The verification of every row and hash."""

    clean: bool
    rows: dict[str, Count]
    hash: Hash
    issues: list[Issue]


class WorkLine(_Object):
    """A file of the queue, one object per line."""

    authority: str
    file: str
    state: AuthorityFileState
    attempt: Count
    entry: Count | None
    read: Count | None
    accepted: Count | None
    accepted_yen: Yen | None
    exceptions: Count
    issues: dict[str, Count]
    error: str


class AuthorityFile(_Object):
    """The part of an authority in a shared file."""

    authority: str
    file: str
    state: AuthorityFileState
    attempt: Count
    entry: Count | None
    hash: Hash
    totals: dict[str, Value]
    outcomes: dict[Outcome, Total]
    issues: list[BilingualIssue]
    error: str


class SharedTotals(_Object):
    """Records and yen of a shared file."""

    read: Count
    accepted: Count
    unpaid: Count
    rejected: Count
    accepted_yen: Yen


class Unassigned(_Object):
    """Receipts of a payee code that belongs to no authority."""

    receipts: Count
    amount: Yen


class SharedFile(_Object):
    """A file that several authorities share."""

    file: str
    totals: SharedTotals | None
    control: Control
    unassigned: dict[str, Unassigned]
    authorities: list[AuthorityFile]
    inconsistencies: dict[str, str]


class FirstLine(_Object):
    """The state in a sentence."""

    en: str
    ja: str


class ExpectedFile(_Object):
    """A file of a source and day."""

    source: str
    label: str
    agent: str
    layout: str
    day: Day
    deadline: Moment
    state: FileState
    bank_days: Count
    file: str
    entry: Count | None
    at: Moment | None
    records: Count | None
    yen: Yen | None


class IntakeFinding(_Object):
    """What is wrong with a file."""

    kind: FindingKind
    source: str
    file: str
    entry: Count | None
    expected: str
    found: str


class Intake(_Object):
    """The files that are expected, and which have come."""

    version: Literal[1]
    day: Day
    now: Moment
    expected: Count
    arrived: Count
    first_line: FirstLine
    files: list[ExpectedFile]
    findings: list[IntakeFinding]


class Authority(_Object):
    """The state of the ledger of an authority."""

    authority: str
    name: str
    files: Count
    receipts: Count
    exceptions: Count
    hash: Hash
    at: Moment
    dispositions: dict[Disposition, Yen]
    controls: dict[str, Control]
    intake: Intake | None
    error: str


class Records(_Object):
    """Records and yen of new files."""

    records: Count
    amount: Yen


class Changes(_Object):
    """What changed since an earlier state of the ledger."""

    entry: Annotated[Count, Field(description="The last entry of the earlier state; 0: none.")]
    day: Annotated[Day, Field(description="The day of the report of the earlier state.")]
    files: Count
    final: Records
    provisional: Records
    other: Annotated[Records, Field(description="Cancels and reversals.")]
    new_exceptions: Count
    resolved_exceptions: Count
    open_exceptions: Annotated[Count, Field(description="Those that are open now.")]


class Rejected(_Object):
    """What was rejected, and has not been closed by a decision."""

    records: Count
    files: Count


class Summary(_Object):
    """Counts, yen and controls of a run or a ledger."""

    kokin: NotRequired[Annotated[str, Field(description="The version of Kokin.")]]
    files: NotRequired[list[Row]]
    bills: Count
    receipts: Count
    amount: Yen
    outcomes: dict[Outcome, Total]
    dispositions: dict[Disposition, Yen]
    payees: dict[str, PayeeTotals]
    controls: dict[str, Control]
    policy: Policy
    as_of: NotRequired[Day]
    findings: NotRequired[dict[Finding, Count]]
    exceptions: NotRequired[Annotated[Count, Field(description="The number of rows of exceptions.csv.")]]
    open_exceptions: NotRequired[
        Annotated[Count, Field(description="Those to look at: of a ledger the open ones, of a run all.")]
    ]
    rejected: NotRequired[Rejected]
    changes: NotRequired[Annotated[Changes, Field(description="Of kokin report.")]]
    intake: NotRequired[Intake]
    entries: NotRequired[Annotated[Count, Field(description="Of a ledger only.")]]
    hash: NotRequired[Hash]


class BillHistory(_Object):
    """A bill with everything that belongs to it."""

    versions: list[Row]
    postings: list[Row]
    balances: list[Row]
    decisions: list[Row]
    write_offs: list[Row]


class Trace(_Object):
    """A receipt, an entry or a deposit with everything that belongs to it."""

    deposits: list[Row]
    receipts: list[Row]
    bills: list[Row]
    postings: list[Row]
    decisions: list[Row]


class BillChanges(_Object):
    """What changed in bills since the consumer has acknowledged; with `--ack` also the acknowledgement."""

    acknowledged_by: NotRequired[Annotated[Count, Field(description="The entry of the acknowledgement.")]]
    inserted: NotRequired[Annotated[bool, Strict(), Field(description="False: acknowledged already.")]]
    cursor: NotRequired[str]
    first_entry: NotRequired[Count]
    last_entry: NotRequired[Count]
    file: NotRequired[str]
    rows: NotRequired[Count]
    bills: NotRequired[Count]
    deltas: NotRequired[Annotated[dict[str, Yen], Field(description="Yen by column, after less before.")]]


class ComparedSide(_Object):
    """A file of a comparison."""

    file: str
    sha256: Hash
    rows: Count
    yen: Yen


class ComparedTotals(_Object):
    """Rows and yen of a result of a comparison, on both sides."""

    old_rows: Count
    new_rows: Count
    old_yen: Yen
    new_yen: Yen


class ComparedCause(_Object):
    """Rows that differ in the same way."""

    result: ComparisonResult
    cause: str
    rows: Count
    old_yen: Yen
    new_yen: Yen
    difference: Yen


class Comparison(_Object):
    """The comparison of an old system with Kokin."""

    at: NotRequired[Annotated[Moment, Field(description="In comparison.json only.")]]
    old: ComparedSide
    new: ComparedSide
    totals: dict[ComparisonResult, ComparedTotals]
    causes: list[ComparedCause]
    controls: dict[str, Control]


class Decided(_Object):
    """The decisions of a work list, as they were recorded; without an entry if no row has a decision."""

    file: str
    entry: Count | None
    decisions: dict[str, Count]
    skipped: Annotated[Count, Field(description="Rows without a decision.")]
    given: NotRequired[Annotated[Count, Field(description="Rows with a decision.")]]
    yen: NotRequired[Annotated[Yen, Field(description="Yen of the receipts that are assigned or moved.")]]
    dry_run: NotRequired[Annotated[bool, Strict()]]
    at: NotRequired[Moment]
    hash: NotRequired[Hash]
    rematched: NotRequired[Count]
    effect: NotRequired[Effect | None]


class BillCheck(_Object):
    """The check of a file of bills."""

    file: str
    errors: Count
    warnings: Count
    issues: list[Issue]


class Allotted(_Object):
    """The numbers that were allotted to debts; without an entry if every debt had its numbers."""

    entry: Count | None
    debts: Count
    new: Count
    reissued: Count
    unchanged: Count
    superseded: Count
    issues: list[Issue]


class UploadedFile(_Object):
    """A file of an upload."""

    name: str
    records: Count
    digest: Hash


class Upload(_Object):
    """The files of an upload; without an entry if nothing was to be sent."""

    entry: Count | None
    given: Count
    absent: Count
    new: Count
    change: Count
    withdraw: Count
    unchanged: Count
    waiting: Count
    by_hand: Count
    files: list[UploadedFile]
    completed: list[str]
    issues: list[Issue]


class Answered(_Object):
    """The answer to an upload."""

    entry: Count
    inserted: Annotated[bool, Strict()]
    read: Count
    accepted: Count
    rejected: Count
    without_record: Count
    issues: list[Issue]


class UploadRecords(_Object):
    """Records that were sent, by their answer."""

    sent: Count
    accepted: Count
    rejected: Count
    unanswered: Count


class Uploads(_Object):
    """The state of the uploads."""

    states: dict[SlipState, Total]
    records: UploadRecords
    release: Annotated[Count, Field(description="Slips that may be posted.")]
    controls: dict[str, Control]


class WrittenOff(_Object):
    """The write-offs of a file."""

    file: str
    dry_run: Annotated[bool, Strict()]
    inserted: Annotated[bool, Strict()]
    entry: Count
    given: Count
    yen: Yen
    hash: Hash


class Opened(_Object):
    """The opening balances."""

    entry: Count
    inserted: Annotated[bool, Strict()]
    dry_run: Annotated[bool, Strict()]
    hash: Hash
    opening: dict[str, dict[str, Count]]
    outcomes: dict[Outcome, Total]


class Closed(_Object):
    """The figures that a closing has sealed; those of its fiscal year are printed by `ledger settlement`."""

    entry: Count
    period: Literal["day", "month", "year", "enterprise_year"]
    first_day: Day
    last_day: Day
    receipts: Count
    received: Yen
    revenue: Yen
    overpaid: Yen
    off_budget: Yen
    suspense: Yen
    late_receipts: Count
    late_received: Yen
    digest: Hash
    open_late: Hash


class AccountFile(_Object):
    """The file for the accounting system."""

    closing: Count
    file: str
    records: Count
    yen: Yen
    controls: dict[str, Control]


class Settlement(_Object):
    """The settlement statement of a closed fiscal year."""

    fiscal_year: Count
    period: Literal["year", "enterprise_year"]
    entry: Count
    rows: list[Row]
    totals: list[Row]
    controls: dict[str, Control]


class DebitRequest(_Object):
    """A request for direct debits: given = requested + settled + reported + open + failed."""

    entry: Count | None
    inserted: Annotated[bool, Strict()]
    given: Count
    requested: Count
    yen: Yen
    settled: Count
    reported: Count
    open: Count
    failed: Count
    digest: Hash
    file: str | None


class DebitResult(_Object):
    """A result of direct debits: read = debited + failed + without_request."""

    entry: Count | None
    inserted: Annotated[bool, Strict()]
    read: Count
    debited: Count
    failed: Count
    without_request: Count
    missing: Count
    changed: Count
    posted: Annotated[bool, Strict()]
    receipt_entry: Count
    outcomes: dict[Outcome, Total]
    issues: list[Issue]


class RefundsDecided(_Object):
    """Decided refunds and set-offs, in yen."""

    entry: Count
    decided: Count
    refund: Yen
    setoff: Yen
    interest: Yen
    rematched: Count


class RefundsOrdered(_Object):
    """The file of transfers for the bank."""

    entry: Count
    inserted: Annotated[bool, Strict()]
    transfers: Count
    yen: Yen
    digest: Hash
    file: str


class RefundResults(_Object):
    """The number of transfers that were paid, and of those that came back."""

    entry: Count
    inserted: Annotated[bool, Strict()]
    paid: NotRequired[Count]
    returned: NotRequired[Count]


class Verified(_Object):
    """Printed slips, compared with the run that made them; counts has the number of issues by code."""

    pages: Count
    read: Count
    differing: Count
    missing: Count
    counts: dict[str, Count]
    issues: list[Issue]


class RunFile(_Object):
    """A file that a run has read, by name and SHA-256."""

    file: str
    sha256: Hash


class RunLayout(_Object):
    """The layout of the bills of a run; the SHA-256 is that of its content."""

    name: str
    sha256: Hash


class RunStyle(_Object):
    """The size and the colours of the symbols of a run."""

    module_mm: float
    quiet_zone: Annotated[Count, Field(description="Modules.")]
    dark: str
    light: Annotated[str | None, Field(description="Null: transparent.")]


#: The earlier run of ``--against``, with the SHA-256 of its tables, whose names are no identifiers.
EarlierRun = TypedDict(
    "EarlierRun",
    {
        "run": Annotated[str, Field(description="The name of its folder.")],
        "manifest.csv": Hash,
        "unchanged.csv": NotRequired[Hash],
    },
)
EarlierRun.__pydantic_config__ = ConfigDict(extra="forbid")  # type: ignore[attr-defined]


class RunCounts(_Object):
    """The counts of a completed run: read = written + unchanged + closed + rejected."""

    read: Count
    written: Count
    rejected: Count
    unchanged: Count
    closed: Count
    resumed: Annotated[Count, Field(description="Parts that an interrupted run had completed.")]
    withdrawn: Count
    replaced: Count
    changed_options: list[str]
    without_address: Count


class SlipRun(_Object):
    """The options and the counts of a run; without `result` the run was interrupted."""

    kokin: Annotated[str, Field(description="The version of Kokin.")]
    bills: RunFile
    bill_layout: RunLayout | None
    output_format: OutputFormat
    style: RunStyle
    dpi: Count
    wording: RunFile | None
    template: RunFile | None
    font: RunFile | None
    bold_font: RunFile | None
    digits_font: RunFile | None
    mark: RunFile | None
    notes: RunFile | None
    issued_on: Day | None
    allow_missing_deadline: Annotated[bool, Strict()]
    part_rows: Count
    against: NotRequired[EarlierRun]
    result: NotRequired[RunCounts]


class LogEvent(_Object):
    """An event of the log, one object per line. The fields of each event are on the page "Log every step"."""

    time: Moment
    level: Literal["info", "warning", "error"]
    logger: str
    event: Literal[*EVENTS]  # type: ignore[valid-type]
    pid: Count
    command: NotRequired[str]
    version: NotRequired[str]
    exit_code: NotRequired[Count]
    seconds: NotRequired[Annotated[float, Field(ge=0)]]
    error: NotRequired[str]
    issues: NotRequired[dict[str, Count]]
    file: NotRequired[str]
    folder: NotRequired[str]
    layout: NotRequired[str]
    digest: NotRequired[Hash]
    records: NotRequired[Count]
    accepted: NotRequired[Count]
    unpaid: NotRequired[Count]
    rejected: NotRequired[Count]
    yen: NotRequired[Yen]
    state: NotRequired[str]
    entry: NotRequired[Count]
    kind: NotRequired[EntryKind]
    hash: NotRequired[Hash]
    bytes: NotRequired[Count]
    formats: NotRequired[list[str]]
    tables: NotRequired[Count]


class Output(NamedTuple):
    """A machine-readable output: its type, version, and the commands or the file that have it."""

    version: int
    type: Any
    source: str


#: The outputs by the name of their schema. A version grows when a field is renamed, removed or changes its meaning.
OUTPUTS = {
    "account-file": Output(1, AccountFile, "kokin ledger account-file --format json"),
    "allotted": Output(1, Allotted, "kokin issue allot --format json"),
    "authorities": Output(1, list[Authority], "kokin overview --format json"),
    "bill-check": Output(1, BillCheck, "kokin issue check --format json"),
    "bill-history": Output(1, BillHistory, "kokin ledger show BILL --format json"),
    "check": Output(1, list[Check], "kokin check --format json"),
    "changes": Output(1, BillChanges, "kokin ledger changes --format json"),
    "closed": Output(1, Closed, "kokin ledger close --format json"),
    "comparison": Output(1, Comparison, "kokin compare --format json, and comparison.json"),
    "debit-request": Output(1, DebitRequest, "kokin ledger debit request --format json"),
    "debit-result": Output(1, DebitResult, "kokin ledger debit result --format json"),
    "decided": Output(1, Decided, "kokin ledger decide --format json"),
    "entries": Output(1, list[Entry], "kokin ledger list entries --format json"),
    "files": Output(
        1, list[WrittenFile], "kokin ledger add-bills, add-agent-reports, add-deposits, post --format json"
    ),
    "intake": Output(STATUS_VERSION, Intake, "kokin intake check --format json"),
    "log-event": Output(1, LogEvent, "kokin … --log json, --log-file (JSON Lines)"),
    "opened": Output(1, Opened, "kokin ledger open-balances --format json"),
    "refunds-decided": Output(1, RefundsDecided, "kokin ledger refund decide --format json"),
    "refunds-ordered": Output(1, RefundsOrdered, "kokin ledger refund order --format json"),
    "refund-results": Output(1, RefundResults, "kokin ledger refund result --format json"),
    "rows": Output(1, list[Row], "kokin ledger list bills, outcomes, and others; kokin ledger worklist, refund list"),
    "settlement": Output(1, Settlement, "kokin ledger settlement --format json"),
    "shared-files": Output(1, list[SharedFile], "kokin post-all --format json"),
    "slip-run": Output(1, SlipRun, "run.json of kokin qr make"),
    "status": Output(1, Status, "kokin ledger status --format json"),
    "summary": Output(1, Summary, "summary.json of kokin report and kokin reconcile"),
    "trace": Output(1, Trace, "kokin ledger show RECEIPT, --entry or --deposit --format json"),
    "upload": Output(1, Upload, "kokin upload make --format json"),
    "upload-answer": Output(1, Answered, "kokin upload answer --format json"),
    "upload-status": Output(1, Uploads, "kokin upload status --format json"),
    "verification": Output(1, Verification, "kokin ledger verify --format json"),
    "verified": Output(1, Verified, "kokin qr verify --format json"),
    "work-line": Output(1, WorkLine, "kokin ledger work --format json (JSON Lines)"),
    "written-off": Output(1, WrittenOff, "kokin ledger write-off post --format json"),
}

#: The outputs that are files, or that every command has, instead of that of a command with `--format json`.
FILES = ("log-event", "slip-run", "summary")

#: The schemas of each command that has JSON. A test compares the commands, so that none is without a schema unnoticed.
COMMANDS: dict[str, tuple[str, ...]] = {
    "check": ("check",),
    "compare": ("comparison",),
    "intake check": ("intake",),
    "issue allot": ("allotted",),
    "issue check": ("bill-check",),
    **{f"ledger {name}": ("files",) for name in ("add-agent-reports", "add-bills", "add-deposits", "post")},
    "ledger account-file": ("account-file",),
    "ledger changes": ("changes",),
    "ledger close": ("closed",),
    "ledger debit list": ("rows",),
    "ledger debit request": ("debit-request",),
    "ledger debit result": ("debit-result",),
    "ledger decide": ("decided",),
    "ledger list entries": ("entries",),
    **{
        f"ledger list {name}": ("rows",)
        for name in ("balances", "bills", "closings", "figures", "issues", "numbers", "outcomes", "write-offs")
    },
    "ledger open-balances": ("opened",),
    "ledger refund decide": ("refunds-decided",),
    "ledger refund list": ("rows",),
    "ledger refund order": ("refunds-ordered",),
    "ledger refund result": ("refund-results",),
    "ledger sample": ("rows",),
    "ledger settlement": ("settlement",),
    "ledger show": ("bill-history", "trace"),
    "ledger status": ("status",),
    "ledger verify": ("verification",),
    "ledger work": ("work-line",),
    "ledger worklist": ("rows",),
    "ledger write-off list": ("rows",),
    "ledger write-off post": ("written-off",),
    "overview": ("authorities",),
    "post-all": ("shared-files",),
    "qr verify": ("verified",),
    "upload answer": ("upload-answer",),
    "upload make": ("upload",),
    "upload status": ("upload-status",),
}


def schema(name: str) -> dict[str, Any]:
    """Return the JSON schema (draft 2020-12) of an output."""
    output = OUTPUTS[name]
    about = {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "$id": f"urn:kokin:schema:{name}:{output.version}",
        "description": output.source,
    }
    return {**about, **_published(TypeAdapter(output.type).json_schema(mode="serialization"))}


def copy_of(name: str) -> Path:
    """Return the path of the committed copy of the current version of a schema."""
    return COPIES / f"{name}-{OUTPUTS[name].version}.schema.json"


def validate(name: str, text: str | bytes) -> Any:
    """Return the value of an output; ValidationError if it is not that of its schema."""
    return TypeAdapter(OUTPUTS[name].type).validate_json(text)


def _published(value: Any) -> Any:
    """Return a schema without titles, which repeat the names of fields, and open to fields of later versions.

    The tests allow no other field than those of a type; a program must ignore those that it does not know.
    """
    if isinstance(value, dict):
        return {
            key: _published(item)
            for key, item in value.items()
            if (key != "title" or isinstance(item, dict)) and (key, item) != ("additionalProperties", False)
        }
    return [_published(item) for item in value] if isinstance(value, list) else value


def table(words: Callable[[str], str]) -> Iterator[str]:
    """Return the lines of the page of the schemas, with the fields of each; ``words`` translates a text."""
    for name, output in OUTPUTS.items():
        document = schema(name)
        root = document.get("items", document)
        definition = document.get("$defs", {}).get(root.get("$ref", "").rpartition("/")[2], root)
        about = (
            definition.get("description") or "Rows of a table by column; the columns are those of the CSV."
        ).strip()
        yield from (f"## {name}", "", f"`{output.source}`: {words(about)}", "")
        yield from (
            f"{{download}}`{name}-{output.version}.schema.json <_generated/{name}-{output.version}.schema.json>`",
            "",
        )
        fields, needed = definition.get("properties", {}), definition.get("required", ())
        if fields:
            yield " · ".join(f"`{each}`" if each in needed else f"(`{each}`)" for each in fields)
            yield ""


if __name__ == "__main__":
    COPIES.mkdir(exist_ok=True)
    for path in COPIES.glob("*.json"):
        path.unlink()
    for name in OUTPUTS:
        text = json.dumps(schema(name), ensure_ascii=False, indent=1)
        copy_of(name).write_text(text + "\n", encoding="utf-8")
