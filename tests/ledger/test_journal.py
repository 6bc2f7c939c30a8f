"""Entries of the journal: times, the audit log, export, and the states as of an entry."""

import csv
import json
import subprocess
import sys
from datetime import UTC, datetime, timedelta

import pyarrow as pa
import pytest

from kokin.issues import InvalidInputError
from kokin.ledger import Ledger, LedgerError
from kokin.ledger._schema import DETAIL_TABLES
from kokin.reconcile import Policy


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
    reasons = ["posted", "rematched", "rematched", "posted", "posted", "reversed", "rematched", "rematched"]
    assert [row["posting_reason"] for row in rows] == reasons
    last = next(row for row in rows if row["posting_reason"] == "reversed")
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
        23,
        3,
        4,
        2,
    )
    assert {name: control["holds"] for name, control in status["controls"].items()} == dict.fromkeys(
        ("T1", "T4", "T7", "T8"), True
    )
    kinds = ["created", "bills", "receipt_file", "receipt_file", "reversal", "bills", "bank_deposits", "agent_reports"]
    kinds += ["receipt_file", "allotment", "upload", "upload_answer", "decision", "refund", "closing", "closing"]
    kinds += ["acknowledgement", "acknowledgement", "bills", "bills", "debit_request", "debit_result", "write_off"]
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
