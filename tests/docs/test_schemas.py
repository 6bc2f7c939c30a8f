"""The JSON that commands write is valid by the published schemas, and no output is without one."""

from __future__ import annotations

import csv
import importlib
import json
import shutil
import sys
from collections.abc import Callable, Iterator
from datetime import date
from enum import Enum
from importlib import resources
from pathlib import Path
from typing import Any, get_type_hints

import pytest
from pydantic import ValidationError

from kokin import receipts, slips
from kokin.cli import app
from kokin.cli._event_log import COMMON_FIELDS, EVENTS
from kokin.demo import write_city
from kokin.ledger import Ledger
from tests.cli.conftest import run
from tests.cli.test_issue import HEADER as DEBTS
from tests.cli.test_issue import SCHEME
from tests.cli.test_openings import BILLS as OPENING_BILLS
from tests.cli.test_openings import TOTALS as OPENING_TOTALS
from tests.cli.test_upload import ANSWER as UPLOAD_ANSWER
from tests.cli.test_upload import BILLS as UPLOAD_BILLS
from tests.support import has_font

DOCS = Path(__file__).parents[2] / "docs"
EXAMPLES = DOCS.parent / "examples"
sys.path.insert(0, str(DOCS))
schemas = importlib.import_module("_schemas")

_LEDGER = ("-L", "city.db")
UPLOAD_BILL = "B1,99999,127,1,123456,100,2026-06-01,2026,2026,2026-07-10,open\n"
DEBT = "D1,1,99999,127,2026,2026,1000,2026-06-01,2026-07-10,公金 花子\n"
OVERPAYMENTS = "bill_id,amount,paid_on\nB1,200,2026-02-01\n"
LAPSED_BILLS = """bill_id,payee_code,item_code,case_key,confirmation,amount,due_on,charge
L1,99999,901,1,123456,5000,2019-06-30,fixed-asset-tax
"""
YEAR_BILL = """bill_id,payee_code,item_code,case_key,confirmation,amount,due_on,levy_year,tax_year,system,charge
F1,99999,901,1,123456,500000,2025-06-30,2025,2025,fixed-asset-tax,fixed-asset-tax
"""
YEAR_HEADER = "payee_code,item_code,case_key,confirmation,amount,paid_on,received_on\n"
ACCOUNT_LAYOUT = """ja = "架空の財務会計"
en = "an invented accounting system"
format = "csv"
encoding = "cp932"
newline = "CRLF"
verified = false
source = ["invented for this test"]

[csv]
header = "names"

[records.data]
role = "data"
ja = "収入"
en = "revenue"
fields = [
  { id = "account", ja = "会計", en = "account", type = "text", length = 8, required = true },
  { id = "yen", ja = "金額", en = "yen", type = "yen", length = 13, required = true },
]

[account]
account = "account"
amount = "yen"
"""
DEBIT_BILL = """bill_id,payee_code,item_code,case_key,confirmation,amount,due_on,customer_number
W1,99999,921,1,123456,2000,2026-10-26,W1
"""
_JSON = ("--format", "json")


@pytest.fixture(scope="module")
def outputs(tmp_path_factory: pytest.TempPathFactory) -> dict[str, list[str]]:
    """The outputs of commands on a synthetic city, by the name of their schema."""
    folder = tmp_path_factory.mktemp("schemas")
    write_city(folder, 300, 1)
    found: dict[str, list[str]] = {}

    def add(name: str, *words: object) -> str:
        command = " ".join(map(str, words)) + " "
        assert any(name in names for each, names in schemas.COMMANDS.items() if command.startswith(each + " ")), command
        result = run(*words, *_JSON, "--log-file", "kokin.log", cwd=folder)
        assert result.returncode in (0, 1, 3, 6), result.stderr
        found.setdefault(name, []).append(result.stdout)
        return result.stdout

    (folder / "damaged.txt").write_text("9" * 120, encoding="ascii")
    add("check", "check", "eltax.csv", "--layout", "kokin-csv")
    add("check", "check", "damaged.txt", "debit.txt", "--layout", "zengin-91")
    add("bill-check", "issue", "check", "bills.csv")
    run("ledger", "create", *_LEDGER, cwd=folder)
    add("files", "ledger", "add-bills", "bills.csv", *_LEDGER)
    add("files", "ledger", "post", "eltax.csv", *_LEDGER, "--layout", "kokin-csv", "--dry-run")
    add("files", "ledger", "post", "eltax.csv", *_LEDGER, "--layout", "kokin-csv")
    add("files", "ledger", "post", "eltax.csv", "debit.txt", "damaged.txt", *_LEDGER, "--layout", "zengin-91")
    add("status", "ledger", "status", *_LEDGER)
    add("verification", "ledger", "verify", *_LEDGER)
    add("entries", "ledger", "list", "entries", *_LEDGER)
    for name in ("outcomes", "balances", "numbers", "issues", "write-offs"):
        add("rows", "ledger", "list", name, *_LEDGER)
    (bill, *_) = json.loads(add("rows", "ledger", "list", "bills", *_LEDGER))
    add("bill-history", "ledger", "show", bill["bill_id"], *_LEDGER)
    add("rows", "ledger", "refund", "list", *_LEDGER)
    add("rows", "ledger", "worklist", *_LEDGER, "--out", "work.csv")
    add("decided", "ledger", "decide", "work.csv", *_LEDGER)
    with (folder / "work.csv").open(encoding="utf-8-sig", newline="") as file:
        rows = list(csv.DictReader(file))
    rows[0] |= {"decision": "hold", "hold_until": "2099-07-01", "reason": "bank asked"}
    with (folder / "work.csv").open("w", encoding="utf-8", newline="") as file:
        writer = csv.DictWriter(file, rows[0])
        writer.writeheader()
        writer.writerows(rows)
    add("decided", "ledger", "decide", "work.csv", *_LEDGER, "--dry-run")
    add("decided", "ledger", "decide", "work.csv", *_LEDGER)
    add("trace", "ledger", "show", "eltax.csv:1", *_LEDGER)
    changes = json.loads(add("changes", "ledger", "changes", *_LEDGER, "--cursor", "billing", "--out", "changes.csv"))
    ack = ("--ack", str(changes["last_entry"]))
    add("changes", "ledger", "changes", *_LEDGER, "--cursor", "billing", *ack)
    sources = "".join(
        f'[source.{name}]\nlabel = "{name}"\nlayout = "kokin-csv"\nfile = "{name}*"\ndays = "bank"\n'
        "since = 2026-11-24\nuntil = 09:00:00\n"
        for name in ("eltax", "store")
    )
    (folder / "intake.toml").write_text(sources, encoding="utf-8")
    add("intake", "intake", "check", "intake.toml", *_LEDGER, "--for", "2026-11-26")
    (folder / "authorities.toml").write_text(
        'ledger = "{authority}.db"\nunassigned = "99999"\n[authorities.99998]\n[authorities.99999]\n', encoding="utf-8"
    )
    for code in ("99998", "99999"):
        Ledger.create(folder / f"{code}.db").close()
    add("shared-files", "post-all", "-a", "authorities.toml", "eltax.csv", "damaged.txt", "--layout", "kokin-csv")
    add("authorities", "overview", "-a", "authorities.toml")
    run("reconcile", "eltax.csv", "--bills", "bills.csv", "--layout", "kokin-csv", "--out", "run", cwd=folder)
    balances = (folder / "run" / "balances.csv").read_text(encoding="utf-8-sig")
    (folder / "old.csv").write_text(balances.replace(",settled", ",partial", 3), encoding="utf-8")
    add("comparison", "compare", "old.csv", "run/balances.csv", "--out", "compared")
    found["comparison"].append((folder / "compared" / "comparison.json").read_text(encoding="utf-8"))
    run("report", *_LEDGER, "--out", "report", "--log-file", "kokin.log", cwd=folder)
    found["summary"] = [(folder / name / "summary.json").read_text(encoding="utf-8") for name in ("run", "report")]
    incoming = folder / "queue" / "99999" / "incoming"
    incoming.mkdir(parents=True)
    (incoming / "eltax.csv").write_bytes((folder / "eltax.csv").read_bytes())
    (folder / "queue" / "queue.toml").write_text(
        'ledger = "../{authority}.db"\n[layouts]\n"eltax*.csv" = "kokin-csv"\n[authorities.99999]\n', encoding="utf-8"
    )
    _add_uploads(folder, add)
    _add_openings_and_write_offs(folder, add)
    _add_refunds_and_closings(folder, add)
    _add_debits(folder, add)
    few = "\n".join((folder / "bills.csv").read_text(encoding="utf-8-sig").splitlines()[:3])
    (folder / "few.csv").write_text(few, encoding="utf-8")
    _add_slip_runs(folder, found)
    add("verified", "qr", "verify", "slips", *sorted(folder.glob("slips/part-*/*.png"))[:1])
    lines = run("ledger", "work", "queue", "--until-empty", *_JSON, cwd=folder).stdout
    found["work-line"] = lines.splitlines()
    found["log-event"] = (folder / "kokin.log").read_text(encoding="utf-8").splitlines()
    return found


def _add_slip_runs(folder: Path, found: dict[str, list[str]]) -> None:
    """Make slips: in a first run, against it, with a layout of bills, as PDF, and in an interrupted run."""
    for name in ("water-bills.csv", "water-system.toml"):
        shutil.copy(EXAMPLES / name, folder)
    (folder / "words.toml").write_text('payee = "例示市"\ncharge = "税"\n', encoding="utf-8")
    pdf = ("few.csv", "--format", "pdf", "--words", "words.toml", "--issued-on", "2026-04-01")
    for out, *options in (
        ("slips", "few.csv", "--format", "png"),
        ("later", "few.csv", "--format", "png", "--against", "slips"),
        ("latest", "few.csv", "--format", "png", "--against", "later"),
        ("water", "water-bills.csv", "--bill-layout", "water-system.toml", "--format", "payload"),
        *([("printed", *pdf)] if has_font() else []),
    ):
        result = run("qr", "make", *options, "--out", out, "--log-file", "kokin.log", cwd=folder)
        assert result.returncode in (0, 1), result.stderr
    with pytest.raises(InterruptedError):
        slips.make(folder / "few.csv", folder / "interrupted", "payload", on_progress=_interrupt)
    runs = {path.parent.name: path.read_text(encoding="utf-8") for path in folder.glob("*/run.json")}
    assert [name for name, text in runs.items() if "result" not in json.loads(text)] == ["interrupted"]
    found["slip-run"] = list(runs.values())


def _interrupt(rows: int) -> None:
    raise InterruptedError


def _add_uploads(folder: Path, add: Callable[..., str]) -> None:
    for name in ("upload", "answer"):
        example = resources.files("kokin.receipts") / "layouts" / f"eltax-{name}-example.toml"
        (folder / f"{name}.toml").write_text(example.read_text(encoding="utf-8"), encoding="utf-8")
    ledger = ("-L", "uploads.db")
    Ledger.create(folder / "uploads.db").close()
    (folder / "slips.csv").write_text(UPLOAD_BILLS + UPLOAD_BILL, encoding="utf-8")
    answer = (
        UPLOAD_ANSWER + "99999,127,00000000000000000001,123456,1,0,,\n99999,127,00000000000000000009,123456,1,0,,\n"
    )
    (folder / "answer.csv").write_text(answer, encoding="cp932")
    for _ in range(2):
        add("upload", "upload", "make", "slips.csv", "-l", "upload.toml", "--out", "sent", *ledger)
    add("upload-answer", "upload", "answer", "answer.csv", "-l", "answer.toml", *ledger)
    add("upload-status", "upload", "status", *ledger)


def _add_openings_and_write_offs(folder: Path, add: Callable[..., str]) -> None:
    for name, text in (("opening.csv", OPENING_BILLS), ("over.csv", OVERPAYMENTS), ("totals.toml", OPENING_TOTALS)):
        (folder / name).write_text(text, encoding="utf-8")
    ledger = ("-L", "opened.db")
    Ledger.create(folder / "opened.db").close()
    opened = ("--totals", "totals.toml", "--bills", "opening.csv", "--overpayments", "over.csv")
    for more in (("--dry-run",), ()):
        add("opened", "ledger", "open-balances", *ledger, *opened, *more)
    (folder / "lapsed.csv").write_text(LAPSED_BILLS, encoding="utf-8")
    run("ledger", "add-bills", "lapsed.csv", *ledger, cwd=folder)
    add("rows", "ledger", "write-off", "list", *ledger, "--out", "list.csv")
    with (folder / "list.csv").open(encoding="utf-8-sig", newline="") as file:
        [row] = csv.DictReader(file)
    row |= {"amount": "5000", "article": "地方税法18①", "reason": "消滅時効"}
    with (folder / "list.csv").open("w", encoding="cp932", newline="") as file:
        writer = csv.DictWriter(file, row)
        writer.writeheader()
        writer.writerow(row)
    for more in (("--dry-run",), ()):
        add("written-off", "ledger", "write-off", "post", "list.csv", *ledger, "--day", "2026-06-01", *more)
    (folder / "numbers.toml").write_text(SCHEME, encoding="utf-8")
    (folder / "debts.csv").write_text(DEBTS + DEBT, encoding="utf-8")
    allot = ("issue", "allot", "debts.csv", "--scheme", "numbers.toml", "--out", "allotted.csv", *ledger)
    for _ in range(2):
        add("allotted", *allot)


def _add_refunds_and_closings(folder: Path, add: Callable[..., str]) -> None:
    ledger = ("-L", "year.db")
    Ledger.create(folder / "year.db").close()
    paid = "".join(f"99999,901,1,123456,400000,2025-06-{day},2025-06-26\n" for day in (20, 25))
    (folder / "year.csv").write_text(YEAR_BILL, encoding="utf-8")
    (folder / "year-paid.csv").write_text(YEAR_HEADER + paid, encoding="utf-8")
    run("ledger", "add-bills", "year.csv", *ledger, cwd=folder)
    run("ledger", "post", "year-paid.csv", "-l", "kokin-csv", *ledger, cwd=folder)
    day = ("--day", "2026-06-10")
    (proposal,) = json.loads(add("rows", "ledger", "refund", "list", *ledger, *day, "--out", "proposals.csv"))
    add("refunds-decided", "ledger", "refund", "decide", "proposals.csv", *ledger, *day)
    for name, line in (
        (
            "accounts.csv",
            "proposal_id,bank_code,branch_code,account_type,account_number,name\n{},9999,001,1,1234567,ﾃｽﾄ\n",
        ),
        ("result.csv", "proposal_id,result,result_on,reason\n{},returned,2026-06-13,account closed\n"),
    ):
        (folder / name).write_text(line.format(proposal["proposal_id"]), encoding="utf-8")
    header = ("--header", "consignor_name=ﾚｲ", "--header", "transfer_day=2026-06-12", "--header", "bank_code=9999")
    add("refunds-ordered", "ledger", "refund", "order", "accounts.csv", "--out", "refunds.txt", *ledger, *header)
    add("refund-results", "ledger", "refund", "result", "result.csv", *ledger)
    closing = json.loads(add("closed", "ledger", "close", "month", "2026-05", *ledger))
    add("closed", "ledger", "close", "year", "2025", *ledger)
    add("settlement", "ledger", "settlement", "2025", *ledger)
    codes = "".join(f'[[codes]]\nkind = "{kind}"\naccount = "{kind[:2]}"\n' for kind in ("revenue", "overpaid"))
    (folder / "codes.toml").write_text(codes, encoding="utf-8")
    (folder / "system.toml").write_text(ACCOUNT_LAYOUT, encoding="utf-8")
    options = ("--codes", "codes.toml", "-l", "system.toml", "--out", "account.csv")
    add("account-file", "ledger", "account-file", closing["entry"], *options, *ledger)
    add("rows", "ledger", "list", "closings", *ledger)
    add("rows", "ledger", "list", "figures", closing["entry"], *ledger)


def _add_debits(folder: Path, add: Callable[..., str]) -> None:
    ledger = ("-L", "debits.db")
    Ledger.create(folder / "debits.db").close()
    (folder / "water.csv").write_text(DEBIT_BILL, encoding="utf-8")
    run("ledger", "add-bills", "water.csv", *ledger, cwd=folder)
    account = {"bank_code": "9999", "branch_code": "001", "account_type": "1", "account_number": "1234567"}
    (folder / "payers.csv").write_text(
        f"bill_id,{','.join(account)},name\nW1,{','.join(account.values())},ﾃｽﾄ\n", encoding="utf-8"
    )
    header = ("--header", "debit_day=2026-10-26", "--header", "consignor_name=ﾚｲ")
    for name in ("request.txt", "other.txt"):
        add("debit-request", "ledger", "debit", "request", "payers.csv", "--out", name, *header, *ledger)
    row = {**account, "payer_name": "ﾃｽﾄ", "customer_number": "W1", "amount": 2000, "result": "1"}
    about = {"consignor_name": "ﾚｲ", "debit_day": date(2026, 10, 26)}
    receipts.write([row], folder / "debited.txt", "zengin-91", header=about)
    for _ in range(2):
        add("debit-result", "ledger", "debit", "result", "debited.txt", "--reference-date", "2026-11-01", *ledger)
    add("rows", "ledger", "debit", "list", *ledger)


def _commands(app: Any, names: tuple[str, ...] = ()) -> Iterator[tuple[str, Any]]:
    for command in app.registered_commands:
        yield " ".join((*names, command.name or command.callback.__name__.replace("_", "-"))), command.callback
    for group in app.registered_groups:
        yield from _commands(group.typer_instance, (*names, group.name or group.typer_instance.info.name))


def _has_json(callback: Any) -> bool:
    types = get_type_hints(callback).values()
    return any(
        isinstance(each, type) and issubclass(each, Enum) and "json" in {e.value for e in each} for each in types
    )


def test_every_command_with_json_has_a_schema() -> None:
    found = {name for name, callback in _commands(app) if _has_json(callback)}
    assert found == set(schemas.COMMANDS)
    assert {name for names in schemas.COMMANDS.values() for name in names} | {*schemas.FILES} == set(schemas.OUTPUTS)


def test_outputs_are_valid(outputs: dict[str, list[str]]) -> None:
    for name, texts in outputs.items():
        for text in texts:
            schemas.validate(name, text)


def test_every_schema_has_a_command_that_was_run(outputs: dict[str, list[str]]) -> None:
    assert {name for name, texts in outputs.items() if any(texts)} == set(schemas.OUTPUTS)


def test_the_log_has_every_event_and_field(outputs: dict[str, list[str]]) -> None:
    events = [json.loads(line) for line in outputs["log-event"]]
    assert {event["event"] for event in events} == set(EVENTS)
    fields = {name for names in EVENTS.values() for name in names}
    assert set(schemas.schema("log-event")["properties"]) == {*COMMON_FIELDS, *fields}


@pytest.mark.parametrize(
    ("name", "field"),
    [
        ("status", "hash"),
        ("verification", "clean"),
        ("summary", "bills"),
        ("intake", "day"),
        ("slip-run", "bills"),
        ("log-event", "event"),
    ],
)
def test_another_field_or_none_is_invalid(name: str, field: str, outputs: dict[str, list[str]]) -> None:
    output = json.loads(outputs[name][0])
    with pytest.raises(ValidationError):
        schemas.validate(name, json.dumps(output | {"unknown": 1}))
    del output[field]
    with pytest.raises(ValidationError):
        schemas.validate(name, json.dumps(output))


@pytest.mark.parametrize("name", schemas.OUTPUTS)
def test_a_schema_is_changed_with_its_copy_and_version(name: str) -> None:
    """A field that is renamed, removed or has another meaning needs a new version; write the copies with
    ``python docs/_schemas.py``."""
    path = schemas.copy_of(name)
    assert path.exists(), "no copy of this version: python docs/_schemas.py"
    assert json.loads(path.read_text(encoding="utf-8")) == schemas.schema(name)


def test_only_the_current_versions_have_copies() -> None:
    copies = {path.name for path in schemas.COPIES.glob("*.json")}
    assert copies == {schemas.copy_of(name).name for name in schemas.OUTPUTS}


@pytest.mark.parametrize("name", schemas.OUTPUTS)
def test_a_schema_has_a_name_with_its_version(name: str) -> None:
    document = schemas.schema(name)
    assert document["$id"] == f"urn:kokin:schema:{name}:{schemas.OUTPUTS[name].version}"
    assert json.loads(json.dumps(document)) == document
