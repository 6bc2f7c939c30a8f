"""A file that is rejected, and records that are, leave a trace with code, place and masked value."""

import io

import pytest

from kokin import receipts as receipt_files
from kokin.issues import InvalidInputError, Issue, Location
from kokin.ledger import EntryKind
from kokin.reports import Report

HEADER = "payee_code,item_code,case_key,confirmation,amount,paid_on\n"
GOOD = "99999,127,1,123456,100,2026-05-01\n"
BAD = "99999,127,2,12345山,100,2026-05-01\n"


def file_of(content, name="may.csv"):
    stream = io.BytesIO(content.encode())
    stream.name = name
    return receipt_files.open(stream, "kokin-csv")


def rows(table):
    return [(row["entry_id"], row["code"], row["file"], row["record"], row["field"]) for row in table.to_pylist()]


def test_a_rejected_file_is_recorded_once_and_until_it_is_posted(ledger, bills):
    ledger.add_bills(bills(B1=100), actor="clerk")
    for _ in range(2):
        with pytest.raises(receipt_files.FileRejectedError):
            ledger.post(file_of(HEADER + GOOD + "99999,12"), actor="batch")
    entry = ledger.entries()[-1]
    assert (entry.id, entry.kind, entry.source, entry.layout) == (3, EntryKind.REJECTED_FILE, "may.csv", "kokin-csv")
    assert len(entry.digest) == 64
    assert entry.totals == {"issues": {"RECORD_TRUNCATED": 1}}
    assert rows(ledger.issues()) == [(3, "RECORD_TRUNCATED", "may.csv", 2, "")]
    assert Report.from_ledger(ledger).tables["issues"].column("code").to_pylist() == ["RECORD_TRUNCATED"]
    assert (ledger.status().files, ledger.totals()) == (0, {})
    before = entry.at
    ledger.reverse_entry(3, reason="the agent has sent a whole file", actor="chief")
    assert len(ledger.issues()) == 0
    assert len(ledger.issues(before)) == 1
    assert ledger.verify(rematch=True).is_clean


def test_rejected_records_of_a_posted_file_are_kept_with_their_place_and_without_the_value(ledger, bills):
    ledger.add_bills(bills(B1=100), actor="clerk")
    done = ledger.post(file_of(HEADER + GOOD + BAD), actor="batch")
    assert done.entry.totals["rejected"] == 1
    (issue,) = ledger.issues().to_pylist()
    assert (issue["entry_id"], issue["file"], issue["record"], issue["field"]) == (3, "may.csv", 2, "confirmation")
    assert "山" not in str(issue)
    assert Report.from_ledger(ledger).tables["issues"].num_rows == 1
    ledger.reverse_entry(3, reason="wrong file", actor="chief")
    assert len(ledger.issues()) == 0
    assert ledger.verify(rematch=True).is_clean


def reject(ledger, name, content=HEADER + GOOD + "99999,12"):
    with pytest.raises(receipt_files.FileRejectedError):
        ledger.post(file_of(content, name), actor="batch")


def open_files(ledger):
    names = ("exception_id", "source")
    return [row for row in ledger.work_list().select(names).to_pylist() if row["exception_id"][0] == "F"]


def test_a_good_file_of_the_same_name_replaces_a_rejected_one(ledger):
    reject(ledger, "may.csv")
    reject(ledger, "june.csv", HEADER + GOOD + "99999,13")
    assert [row["source"] for row in open_files(ledger)] == ["may.csv", "june.csv"]
    posted = ledger.post(file_of(HEADER + GOOD, "may.csv"), actor="batch").entry
    assert [row["source"] for row in open_files(ledger)] == ["june.csv"]
    assert ledger.issues().column("file").to_pylist() == ["june.csv"]
    ledger.reverse_entry(posted.id, reason="wrong file", actor="chief")
    assert len(open_files(ledger)) == 2


def test_a_name_that_several_files_have_replaces_nothing(ledger):
    ledger.post(file_of(HEADER + GOOD, "data.csv"), actor="batch")
    reject(ledger, "data.csv")
    ledger.post(file_of(HEADER + GOOD.replace(",1,", ",3,"), "data.csv"), actor="batch")
    assert [row["source"] for row in open_files(ledger)] == ["data.csv"]


def test_an_earlier_file_of_the_same_name_replaces_nothing(ledger):
    ledger.post(file_of(HEADER + GOOD, "may.csv"), actor="batch")
    reject(ledger, "may.csv")
    assert len(open_files(ledger)) == 1


def test_a_file_that_matching_rejects_is_recorded(ledger, monkeypatch):
    def fail(*_):
        issue = Issue("FIELD_MISSING", field="case_key", location=Location("3", 1))
        raise InvalidInputError([issue], "invalid receipts")

    monkeypatch.setattr("kokin.ledger._posting.add_receipts", fail)
    reject(ledger, "may.csv", HEADER + GOOD)
    (issue,) = ledger.issues().to_pylist()
    assert (issue["code"], issue["file"], issue["record"]) == ("FIELD_MISSING", "may.csv", 1)
    assert [row["source"] for row in open_files(ledger)] == ["may.csv"]
    assert ledger.verify(rematch=True).is_clean
