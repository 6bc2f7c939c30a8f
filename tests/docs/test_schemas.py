"""The JSON that commands write is valid by the published schemas, and no output is without one."""

from __future__ import annotations

import csv
import importlib
import json
import sys
from pathlib import Path

import pytest
from pydantic import ValidationError

from kokin.demo import write_city
from kokin.ledger import Ledger
from tests.cli.conftest import run

DOCS = Path(__file__).parents[2] / "docs"
sys.path.insert(0, str(DOCS))
schemas = importlib.import_module("_schemas")

_LEDGER = ("-L", "city.db")
_JSON = ("--format", "json")


@pytest.fixture(scope="module")
def outputs(tmp_path_factory: pytest.TempPathFactory) -> dict[str, list[str]]:
    """The outputs of commands on a synthetic city, by the name of their schema."""
    folder = tmp_path_factory.mktemp("schemas")
    write_city(folder, 300, 1)
    found: dict[str, list[str]] = {}

    def add(name: str, *words: object) -> str:
        result = run(*words, *_JSON, cwd=folder)
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
    run("report", *_LEDGER, "--out", "report", cwd=folder)
    found["summary"] = [(folder / name / "summary.json").read_text(encoding="utf-8") for name in ("run", "report")]
    incoming = folder / "queue" / "99999" / "incoming"
    incoming.mkdir(parents=True)
    (incoming / "eltax.csv").write_bytes((folder / "eltax.csv").read_bytes())
    (folder / "queue" / "queue.toml").write_text(
        'ledger = "../{authority}.db"\n[layouts]\n"eltax*.csv" = "kokin-csv"\n[authorities.99999]\n', encoding="utf-8"
    )
    lines = run("ledger", "work", "queue", "--until-empty", *_JSON, cwd=folder).stdout
    found["work-line"] = lines.splitlines()
    return found


def test_outputs_are_valid(outputs: dict[str, list[str]]) -> None:
    for name, texts in outputs.items():
        for text in texts:
            schemas.validate(name, text)


def test_every_schema_has_a_command_that_was_run(outputs: dict[str, list[str]]) -> None:
    assert {name for name, texts in outputs.items() if any(texts)} == set(schemas.OUTPUTS)


@pytest.mark.parametrize(
    ("name", "field"), [("status", "hash"), ("verification", "clean"), ("summary", "bills"), ("intake", "day")]
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
