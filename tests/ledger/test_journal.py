"""The database rejects changes of the journal, and verify locates every change that the owner of the database makes."""

import csv
import json
import struct
import subprocess
import sys

import pyarrow as pa
import pytest
from sqlalchemy import BigInteger, LargeBinary, Text, text
from sqlalchemy.exc import DBAPIError

from kokin.issues import InvalidInputError
from kokin.ledger import Ledger, LedgerError
from kokin.ledger._schema import APPEND_ONLY_TABLES, DETAIL_TABLES, INDEX_KINDS, TABLES
from kokin.reconcile import Policy

#: The value instead of null, and what is appended to a value, by column type.
_CHANGES = {BigInteger: (0, 1), Text: ("", "x"), LargeBinary: (b"", b"x")}


@pytest.mark.parametrize("table", APPEND_ONLY_TABLES)
def test_rows_are_never_changed(filled, raw, table):
    statements = [f"UPDATE {table} SET id = id", f"DELETE FROM {table}"]
    if raw.dialect.name == "postgresql":
        statements.append(f"TRUNCATE {table}")
    for statement in statements:
        with pytest.raises(DBAPIError, match="never changed"), raw.begin() as connection:
            connection.execute(text(statement))
    assert filled.verify(rematch=True).is_clean


def test_verify_locates_every_changed_value(filled, raw, unguarded):
    unguarded()
    assert filled.verify().is_clean
    for name in APPEND_ONLY_TABLES:
        table = TABLES[name]
        for column in table.c:
            if column.name == "id":
                continue
            with raw.begin() as connection:
                kept = connection.execute(table.select().where(table.c.id == 2)).mappings().one()
                empty, suffix = _CHANGES[type(column.type)]
                other = (kept[column.name] or empty) + suffix
                change = table.update().where(table.c.id == 2)
                connection.execute(change.values({column.name: other}))
            found = filled.verify()
            where = [(issue.location.file, issue.location.record) for issue in found.issues]
            assert where == [(name, 2)], (name, column.name)
            with raw.begin() as connection:
                connection.execute(change.values(dict(kept)))
    assert filled.verify(rematch=True).is_clean


def test_null_differs_from_an_empty_text_and_a_separator(filled, raw, unguarded):
    unguarded()
    for other in ("", "\x1e", "a\x1fb"):
        with raw.begin() as connection:
            connection.execute(text("UPDATE postings SET outcome = :other WHERE id = 2"), {"other": other})
        issue = filled.verify().issues[0]
        assert (issue.code, issue.location.file, issue.location.record) == ("LEDGER_ROW_CHANGED", "postings", 2)


@pytest.mark.parametrize("table", DETAIL_TABLES)
def test_verify_locates_missing_and_added_rows(filled, raw, table, unguarded):
    unguarded()
    last = filled.status()[table]
    columns = ", ".join(name for name in APPEND_ONLY_TABLES[table].names if name != "id")
    with raw.begin() as connection:
        copy = f"SELECT id + 1, {columns} FROM {table} WHERE id = {last}"
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
    last_hash = filled.status()["hash"]
    assert filled.verify(expected_hash=last_hash).is_clean
    unguarded()
    with raw.begin() as connection:
        for table in DETAIL_TABLES:
            connection.execute(text(f"DELETE FROM {table} WHERE entry = 8"))
        connection.execute(text("DELETE FROM entries WHERE id = 8"))
    filled.reindex()
    assert filled.verify().is_clean
    assert [issue.code for issue in filled.verify(expected_hash=last_hash).issues] == ["LEDGER_SEAL"]


def test_a_broken_index_is_found_and_rebuilt(filled, raw):
    links = TABLES["links"]
    surplus = {"id": 999, "run": 999, "low": 5, "high": 5, "pairs": struct.pack("<qq", 5, 1)}
    broken = [
        change
        for kind in INDEX_KINDS
        for change in (links.delete().where(links.c.kind == kind), links.insert().values(kind=kind, **surplus))
    ]
    for change in broken:
        with raw.begin() as connection:
            connection.execute(change)
        assert [issue.code for issue in filled.verify().issues] == ["LEDGER_LINKS"]
        filled.reindex()
        assert filled.verify(rematch=True).is_clean


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
    assert {issue.code for issue in filled.verify(rematch=True).issues} == {"LEDGER_VERDICT"}


def test_the_audit_log_has_actor_reason_file_and_previous_hash(filled, tmp_path):
    rows = filled.history("B1").postings.to_pylist()
    assert [row["rule"] for row in rows] == ["posted", "rematched", "rematched", "posted", "reversed"]
    last = rows[-1]
    assert (last["actor"], last["reason"], last["source"]) == ("chief", "wrong file", "mon.csv")
    assert (last["outcome"], last["applied"], last["excess"], last["reverses"]) == ("DUPLICATE_PAYMENT", 0, -10_000, 4)
    paths = {path.name: path.read_text() for path in filled.export(tmp_path)}
    assert set(paths) == {f"{name}.csv" for name in ("journal", *APPEND_ONLY_TABLES)}
    log = paths["journal.csv"].splitlines()
    assert len(log) == filled.status()["postings"] + 1
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
    status = json.loads(json.dumps(filled.status()))
    assert (status["entries"], status["files"], status["receipts"], status["bank_deposits"]) == (8, 2, 4, 2)
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


def test_the_policy_that_decides_on_outcomes_is_stored(place):
    loose = Policy(pair_by=("paid_on",))
    with Ledger.create(place, policy=loose):
        pass
    with Ledger.open(place) as again:
        assert again.policy == loose
    with pytest.raises(InvalidInputError, match="POLICY_DIFFERS"):
        Ledger.open(place, policy=Policy())


def test_a_ledger_of_another_schema_version_is_not_opened(place, ledger, raw, unguarded):
    unguarded()
    with raw.begin() as connection:
        connection.execute(text("UPDATE entries SET totals = replace(totals, '\"form\": 4', '\"form\": 2')"))
    with pytest.raises(LedgerError, match="schema version 2"):
        Ledger.open(place)


def test_importing_kokin_does_not_import_its_dependencies():
    code = "import kokin, sys; print(sorted({'sqlalchemy', 'pyarrow'} & set(sys.modules)))"
    assert subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True).stdout == "[]\n"
