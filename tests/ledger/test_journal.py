"""The database rejects changes of the journal, and verify locates every change that the owner of the database makes."""

import csv
import json
import subprocess
import sys
from datetime import UTC, datetime, timedelta

import pyarrow as pa
import pytest
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError

from kokin.issues import InvalidInputError
from kokin.ledger import Ledger, LedgerError
from kokin.ledger._schema import DETAIL_TABLES, TABLES
from kokin.reconcile import Policy


@pytest.mark.parametrize("table", TABLES)
def test_rows_are_never_changed(filled, raw, table):
    key = next(iter(TABLES[table].c)).name
    statements = [f"UPDATE {table} SET {key} = {key}", f"DELETE FROM {table}"]
    if raw.dialect.name == "postgresql":
        statements.append(f"TRUNCATE {table} CASCADE")
    for statement in statements:
        with pytest.raises(DBAPIError, match="never changed"), raw.begin() as connection:
            connection.execute(text(statement))
    assert filled.verify(rematch=True).is_clean


@pytest.mark.parametrize("table", DETAIL_TABLES)
def test_verify_locates_missing_and_added_rows(filled, raw, table, unguarded):
    unguarded()
    last = filled.status(recompute=False).rows[table]
    names = [column.name for column in TABLES[table].c if column.name != "id"]
    columns = ", ".join(names)
    unique = {"record_no": "record_no + 100", "version": "version + 100", "replaces_id": "NULL", "reverses_id": "NULL"}
    values = ", ".join(unique.get(name, name) for name in names)
    with raw.begin() as connection:
        copy = f"SELECT id + 1, {values} FROM {table} WHERE id = {last}"
        connection.execute(text(f"INSERT INTO {table} (id, {columns}) {copy}"))
    assert filled.verify().issues[0].location.record == last + 1
    with raw.begin() as connection:
        connection.execute(text(f"DELETE FROM {table} WHERE id >= {last}"))
    issue = filled.verify().issues[0]
    assert (issue.code, issue.location.file, issue.location.record) == ("LEDGER_ROW_MISSING", table, last)
    with raw.begin() as connection:
        connection.execute(text(f"DELETE FROM {table} WHERE id = 1"))
    issue = filled.verify().issues[0]
    assert (issue.code, issue.location.file, issue.location.record) == ("LEDGER_ROW_MISSING", table, 1)


def test_a_truncated_ledger_lacks_the_expected_hash(filled, raw, unguarded):
    last_hash = filled.status().hash
    assert filled.verify(expected_hash=last_hash).is_clean
    unguarded()
    with raw.begin() as connection:
        for table in DETAIL_TABLES:
            connection.execute(text(f"DELETE FROM {table} WHERE entry_id = 8"))
        connection.execute(text("DELETE FROM seals WHERE entry_id = 8"))
        connection.execute(text("DELETE FROM entries WHERE id = 8"))
    assert filled.verify().is_clean
    assert [issue.code for issue in filled.verify(expected_hash=last_hash).issues] == ["LEDGER_SEAL"]
    assert [issue.code for issue in filled.verify(since=last_hash).issues] == ["LEDGER_SEAL"]


def test_verify_since_a_hash_reads_only_what_follows(filled, raw, unguarded, bills, receipts):
    noted_hash = filled.status().hash
    filled.add_bills(bills(B7=100), actor="clerk")
    filled.post(receipts("wed.csv", ("B7", 100, 4)), actor="batch")
    assert filled.verify(since=noted_hash, expected_hash=filled.status().hash).is_clean
    unguarded()
    changed = text("UPDATE receipts SET amount = 1 WHERE id = :id")
    with raw.begin() as connection:
        connection.execute(changed, {"id": 1})
    assert filled.verify(since=noted_hash).is_clean
    assert [issue.location.record for issue in filled.verify().issues] == [1]
    with raw.begin() as connection:
        connection.execute(changed, {"id": 5})
    found = filled.verify(since=noted_hash)
    assert [(issue.location.file, issue.location.record) for issue in found.issues] == [("receipts", 5)]


def test_rematching_finds_a_wrong_outcome(filled, bills, receipts, monkeypatch):
    from kokin.ledger import _rematch

    original = _rematch.outcome_columns

    def always_matched(*arguments):
        outcomes = original(*arguments)
        index = outcomes.column_names.index("outcome")
        return outcomes.set_column(index, "outcome", pa.array(["MATCHED"] * len(outcomes)))

    monkeypatch.setattr(_rematch, "outcome_columns", always_matched)
    filled.post(receipts("fri.csv", ("B2", 1, 5)), actor="batch")
    assert filled.verify().is_clean
    assert {issue.code for issue in filled.verify(rematch=True).issues} == {"LEDGER_OUTCOME"}


def test_the_audit_log_has_actor_reason_file_and_previous_hash(filled, tmp_path):
    rows = filled.history("B1").postings.to_pylist()
    assert [row["posting_reason"] for row in rows] == ["posted", "rematched", "rematched", "posted", "reversed"]
    last = rows[-1]
    assert (last["actor"], last["reason"], last["source"]) == ("chief", "wrong file", "mon.csv")
    assert (last["outcome"], last["applied"], last["excess"], last["reverses_id"]) == (
        "DUPLICATE_PAYMENT",
        0,
        -10_000,
        4,
    )
    paths = {path.name: path.read_text() for path in filled.export(tmp_path)}
    assert set(paths) == {f"{name}.csv" for name in ("audit_log", "entries", "seals", *DETAIL_TABLES)}
    log = paths["audit_log.csv"].splitlines()
    assert len(log) == filled.status().rows["postings"] + 1
    first, second = (dict(zip(log[0].split(","), line.replace('"', "").split(","), strict=True)) for line in log[1:3])
    assert first["hash"] == second["hash_before"]


def test_names_are_not_exported(ledger, bills, receipts, tmp_path):
    ledger.add_bills(bills(B1=100), actor="clerk")
    ledger.post(receipts("mon.csv", ("B1", 100, 1, {"name": "ｺｳｷﾝ ﾊﾅｺ"})), actor="batch")
    assert "ﾊﾅｺ" not in "".join(path.read_text() for path in ledger.export(tmp_path))


@pytest.mark.parametrize(
    "formula", ["=clerk()", "＝HYPERLINK(1)", "@1+1", "＋1", "－1", "＠SUM(A1)", " =1", "\u3000-1"]
)
def test_formulas_are_escaped_in_an_export(ledger, bills, receipts, tmp_path, formula):
    ledger.add_bills(bills(B1=100), actor=formula)
    ledger.post(receipts(formula, ("B1", 100, 1)), actor="batch", reason=formula)
    files = [path.read_text() for path in ledger.export(tmp_path)]
    cells = [cell for file in files for row in csv.reader(file.splitlines()) for cell in row]
    assert formula not in cells
    # The actor of the bills; the source and the reason of the file, in the entry and beside its posting.
    assert cells.count(f"'{formula}") == 1 + 2 + 2


def test_status_is_json_and_its_controls_hold(filled):
    status = json.loads(json.dumps(filled.status().as_dict()))
    assert (status["entries"], status["files"], status["rows"]["receipts"], status["rows"]["bank_deposits"]) == (
        8,
        2,
        4,
        2,
    )
    assert {name: control["holds"] for name, control in status["controls"].items()} == dict.fromkeys(
        ("T1", "T4", "T7"), True
    )
    kinds = ["created", "bills", "receipt_file", "receipt_file", "reversal", "bills", "bank_deposits", "agent_reports"]
    assert [entry.kind for entry in filled.entries()] == kinds


def test_an_unknown_bill_has_no_history(filled):
    with pytest.raises(InvalidInputError, match="BILL_UNKNOWN"):
        filled.history("B7")


def test_open_does_not_create_a_ledger(new_place):
    with pytest.raises(LedgerError, match="no ledger"):
        Ledger.open(new_place())
    with pytest.raises(LedgerError, match="mysql"):
        Ledger.open("mysql://host/city")


def test_the_whole_policy_is_stored_with_its_day(place, bills, receipts):
    noon = datetime(2026, 5, 1, 12, tzinfo=UTC)
    clock = [noon]
    first = Policy(pair_by=("paid_on",), fee="netted")
    with Ledger.create(place, policy=first, clock=lambda: clock[0]) as ledger:
        clock[0] += timedelta(days=1)
        second = Policy(stale_after=10)
        assert ledger.set_policy(second, actor="chief").inserted
        assert not ledger.set_policy(second, actor="chief").inserted
        ledger.add_bills(bills(B1=100), actor="clerk")
        ledger.post(receipts("mon.csv", ("B1", 100, 1)), actor="batch")
        with pytest.raises(InvalidInputError, match="pair_by: POLICY_DIFFERS"):
            ledger.set_policy(first, actor="chief")
        with pytest.raises(InvalidInputError, match="ENTRY_KIND"):
            ledger.reverse_entry(2, reason="not that one", actor="chief")
        third = Policy(fees={"": 66}, fee="netted")
        ledger.set_policy(third, actor="chief")
        assert (ledger.policy, ledger.policy_as_of(), ledger.policy_as_of(noon)) == (third, third, first)
    with Ledger.open(place) as again:
        assert again.policy == third
        assert [entry.kind for entry in again.entries()] == ["created", "policy", "bills", "receipt_file", "policy"]
    with pytest.raises(InvalidInputError, match="POLICY_DIFFERS"):
        Ledger.open(place, policy=second)


def test_importing_kokin_does_not_import_its_dependencies():
    code = "import kokin, sys; print(sorted({'sqlalchemy', 'pyarrow'} & set(sys.modules)))"
    assert subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True).stdout == "[]\n"
