"""Uploads of slips and their answers: what is sent, what an answer ties to, the state of a slip, kills and writers."""

import csv
import io
import multiprocessing
import os
import random
from collections import Counter
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from hashlib import sha256

import pyarrow as pa
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from kokin import receipts
from kokin.issues import InvalidInputError
from kokin.ledger import EntryKind, Ledger
from kokin.ledger import _upload_files as upload_files
from kokin.ledger._journal import EntryWriter
from kokin.ledger._upload_files import EntryDrafts
from kokin.model import Bill, UploadAnswer, arrow_schema
from kokin.receipts import layouts
from tests.support import examples

NOON = datetime(2026, 5, 1, 3, tzinfo=UTC)
LAYOUT = "eltax-upload-example"
FORK = multiprocessing.get_context("fork")


def slips(*rows, **columns):
    """Bills from rows of bill_id and amount, with other columns for all of them, or as a third item of a row."""
    shared = {"payee_code": "99999", "item_code": "127", "confirmation": "123456", "due_on": date(2026, 6, 1)}
    shared |= {"levy_year": 2026, "tax_year": 2026, "payable_until": date(2026, 7, 10), **columns}
    records = [
        {**shared, "bill_id": name, "case_key": name[1:].zfill(20), "amount": yen, **(more[0] if more else {})}
        for name, yen, *more in rows
    ]
    names = [name for name in arrow_schema(Bill).names if any(name in record for record in records)]
    return pa.Table.from_pylist(records, pa.schema([arrow_schema(Bill).field(name) for name in names or ["bill_id"]]))


def answers(*rows, **columns):
    """Answers from rows of bill_id and result, and other fields."""
    records = [
        {"bill_id": name, "result": result, **columns, **(more[0] if more else {})} for name, result, *more in rows
    ]
    names = [name for name in arrow_schema(UploadAnswer).names if any(name in record for record in records)]
    return pa.Table.from_pylist(records, pa.schema([arrow_schema(UploadAnswer).field(name) for name in names]))


@pytest.fixture
def upload(ledger, tmp_path):
    """A function that makes an upload and returns the result."""

    def make(bills, layout=LAYOUT, **options):
        return ledger.make_upload(bills, layout, tmp_path / "out", actor="clerk", **options)

    return make


@pytest.fixture
def answer(ledger):
    """A function that adds answers and returns the result."""
    return lambda table, **options: ledger.add_upload_answer(table, actor="clerk", **options)


def rows_of(folder, run):
    """The operation code, bill and amount of each record in the files of an upload, file by file."""
    files = []
    for file in run.files:
        rows = csv.DictReader((folder / "out" / file.name).read_text("cp932").splitlines())
        files.append([(row["type"], f"B{int(row['case_key'])}", int(row["amount"])) for row in rows])
    return files


def names_in(folder):
    return sorted(path.name for path in folder.iterdir())


def states(ledger, as_of=None):
    return {row["bill_id"]: row["state"] for row in ledger.upload_status(as_of).slips.to_pylist()}


def released(ledger):
    return ledger.upload_status().release.column("bill_id").to_pylist()


def issue_code(call, *args, **options):
    with pytest.raises(InvalidInputError) as caught:
        call(*args, **options)
    return caught.value.issues[0].code


CANCELLED, SUPERSEDED = {"status": "cancelled"}, {"status": "superseded"}


# What is sent


def test_only_new_changed_and_withdrawn_slips_are_sent(upload, tmp_path):
    first = upload(slips(("B1", 100), ("B2", 200), ("B3", 300)))
    assert rows_of(tmp_path, first) == [[("1", "B1", 100), ("1", "B2", 200), ("1", "B3", 300)]]
    second = upload(slips(("B1", 100), ("B2", 250), ("B3", 300, CANCELLED), ("B4", 400), ("B5", 500, SUPERSEDED)))
    assert rows_of(tmp_path, second) == [[("2", "B2", 250), ("9", "B3", 300), ("1", "B4", 400)]]
    counts = {"given": 5, "new": 1, "change": 1, "withdraw": 1, "unchanged": 2, "absent": 0, "waiting": 0, "by_hand": 0}
    assert second.as_dict().items() >= counts.items()


def test_an_empty_delta_makes_no_entry_and_no_file(ledger, upload, tmp_path):
    upload(slips(("B1", 100)))
    before, names = ledger.status(recompute=False).hash, names_in(tmp_path / "out")
    run = upload(slips(("B1", 100)))
    assert (run.entry, run.files, run.sent) == (None, (), 0)
    assert (ledger.status(recompute=False).hash, names_in(tmp_path / "out")) == (before, names)


def test_files_are_cut_by_rows_and_numbered(upload, tmp_path):
    run = upload(slips(*((f"B{n}", n) for n in range(1, 6))), rows=2)
    assert [file.name for file in run.files] == [f"upload-0002-000{n}.csv" for n in (1, 2, 3)]
    assert [len(rows) for rows in rows_of(tmp_path, run)] == [2, 2, 1]
    assert names_in(tmp_path / "out") == [file.name for file in run.files]


def test_a_rejected_slip_is_sent_again_when_its_content_changes(upload, answer, tmp_path):
    upload(slips(("B1", 100)))
    answer(answers(("B1", "rejected", {"reason_code": "E12", "field": "amount"})))
    waiting = upload(slips(("B1", 100)))
    assert (waiting.entry, waiting.waiting) == (None, 1)
    # eLTAX does not have the slip: the corrected record is a new one.
    assert rows_of(tmp_path, upload(slips(("B1", 110)))) == [[("1", "B1", 110)]]
    answer(answers(("B1", "accepted")))
    assert rows_of(tmp_path, upload(slips(("B1", 120)))) == [[("2", "B1", 120)]]
    answer(answers(("B1", "rejected")))
    assert rows_of(tmp_path, upload(slips(("B1", 130)))) == [[("2", "B1", 130)]]


def test_a_slip_that_was_rejected_only_is_not_withdrawn(upload, answer):
    upload(slips(("B1", 100)))
    answer(answers(("B1", "rejected")))
    assert upload(slips(("B1", 100, CANCELLED))).entry is None


def test_a_withdrawn_slip_that_is_open_again_is_new(upload, answer, tmp_path):
    upload(slips(("B1", 100)))
    upload(slips(("B1", 100, CANCELLED)))
    assert upload(slips(("B1", 100, CANCELLED))).entry is None
    assert rows_of(tmp_path, upload(slips(("B1", 100)))) == [[("1", "B1", 100)]]


def test_slips_without_an_answer_are_sent_again_by_their_day(place, tmp_path):
    clock = [NOON]
    with Ledger.create(place, clock=lambda: clock[0]) as ledger:
        bills = slips(("B1", 100), ("B2", 200), ("B3", 300))

        def make(**options):
            return ledger.make_upload(bills, LAYOUT, tmp_path / "out", actor="clerk", **options)

        make()
        ledger.add_upload_answer(answers(("B1", "accepted"), ("B2", "rejected")), actor="clerk")
        assert make(resend_before=date(2026, 5, 1)).sent == 0
        clock[0] += timedelta(days=3)
        again = make(resend_before=date(2026, 5, 4))
        assert rows_of(tmp_path, again) == [[("1", "B2", 200), ("1", "B3", 300)]]
        # The same command after an interruption sends nothing again.
        assert make(resend_before=date(2026, 5, 4)).entry is None


def test_absent_slips_are_withdrawn_from_the_whole_register_only(ledger, upload, tmp_path):
    ledger.add_bills(slips(("B1", 100), ("B2", 200)), actor="clerk")
    water = slips(("B7", 700), item_code="200")
    upload(slips(("B1", 100), ("B2", 200)))
    upload(water)
    assert upload(slips(("B1", 100))).entry is None
    run = upload(slips(("B1", 100)), whole=True)
    assert rows_of(tmp_path, run) == [[("9", "B2", 200)]]
    assert [(issue.code, issue.found) for issue in run.issues] == [
        ("UPLOAD_ABSENT", "B2"),
        ("LAYOUT_UNVERIFIED", LAYOUT),
    ]
    assert upload(slips(("B1", 100)), whole=True).entry is None


def test_an_absent_slip_whose_values_are_unknown_is_an_issue(upload):
    upload(slips(("B1", 100), ("B2", 200)))
    with pytest.raises(InvalidInputError) as caught:
        upload(slips(("B1", 100)), whole=True)
    assert {(issue.code, issue.found) for issue in caught.value.issues} == {("FIELD_MISSING", "B2")}


def layout_with(**tables):
    """The example layout with other tables, without the column of the operation where ``bill`` lacks it."""
    example = layouts.load(LAYOUT).model_copy(update={"verified": True})
    bill = {name: source for name, source in example.bill.items() if name != "operation"}
    return example.model_copy(update={"bill": bill, **tables})


def test_an_operation_that_the_layout_lacks_is_an_issue(upload, answer):
    layout = layout_with()
    upload(slips(("B1", 100), ("B2", 200)), layout)
    run = upload(slips(("B1", 150), ("B2", 200, CANCELLED), ("B3", 300)), layout)
    assert [(issue.code, issue.expected, issue.found) for issue in run.issues] == [
        ("UPLOAD_BY_HAND", "change", "B1"),
        ("UPLOAD_BY_HAND", "withdraw", "B2"),
    ]
    assert (run.new, run.change, run.withdraw, run.by_hand) == (1, 0, 0, 2)


def test_a_layout_can_send_changed_slips_as_new(upload, tmp_path):
    layout = layout_with(upload=layouts.UploadRules(change_as_new=True))
    upload(slips(("B1", 100)), layout)
    run = upload(slips(("B1", 150)), layout)
    assert (run.change, rows_of(tmp_path, run)) == (1, [[("1", "B1", 150)]])


def test_no_personal_field_is_in_the_ledger_and_a_change_of_it_is_no_change(ledger, upload):
    example = layouts.load(LAYOUT)
    layout = example.model_copy(update={"bill": {**example.bill, "name": example.bill["obligation_id"]}})
    upload(slips(("B1", 100), name="架空 太郎"), layout)
    assert upload(slips(("B1", 100), name="架空 花子"), layout).entry is None
    with ledger._database.engine.connect() as connection:
        rows = connection.exec_driver_sql("SELECT * FROM upload_records").all()
    assert "架空" not in str(rows)


@pytest.mark.parametrize(
    ("bills", "layout", "code"),
    [
        (slips(("B1", 100), ("B01", 200)), LAYOUT, "SLIP_DUPLICATE"),
        (slips(("B1", 100, {"levy_year": None})), LAYOUT, "FIELD_MISSING"),
        (slips(("B1", 0)), LAYOUT, "AMOUNT_RANGE"),
        (slips(("B1", 100)), "zengin-91", "LAYOUT_TABLE_MISSING"),
    ],
)
def test_an_invalid_input_writes_nothing(ledger, upload, tmp_path, bills, layout, code):
    before = ledger.status(recompute=False).hash
    assert issue_code(upload, bills, layout) == code
    assert ledger.status(recompute=False).hash == before
    assert not (tmp_path / "out").exists() or names_in(tmp_path / "out") == []


def test_an_issue_of_a_value_names_the_row_and_the_bill(upload):
    with pytest.raises(InvalidInputError) as caught:
        upload(slips(("B1", 100), ("B2", 200, {"tax_year": None})), source="bills.csv")
    issue = caught.value.issues[0]
    assert (issue.code, issue.field, issue.found) == ("FIELD_MISSING", "tax_year", "B2")
    assert (issue.location.file, issue.location.record) == ("bills.csv", 2)


def test_a_file_of_the_name_is_not_replaced(ledger, upload, tmp_path):
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "upload-0002-0001.csv").write_text("another ledger's file")
    assert issue_code(upload, slips(("B1", 100))) == "FOLDER_TAKEN"
    assert ledger.status(recompute=False).entries == 1
    assert names_in(tmp_path / "out") == ["upload-0002-0001.csv"]


# Answers


def test_answers_give_the_state_of_each_slip(ledger, upload, answer):
    upload(slips(*((f"B{n}", n) for n in range(1, 6))))
    upload(slips(("B4", 4, CANCELLED)))
    result = answer(answers(("B1", "accepted"), ("B2", "rejected", {"reason_code": "E12", "field": "amount"})))
    assert result.as_dict() == {
        "entry": 4, "inserted": True, "read": 2, "accepted": 1, "rejected": 1, "without_record": 0
    }  # fmt: skip
    upload(slips(("B2", 20)))
    assert states(ledger) == {
        "B1": "accepted", "B2": "corrected", "B3": "sent", "B4": "withdrawn", "B5": "sent"
    }  # fmt: skip
    status = ledger.upload_status()
    assert status.states["sent"] == {"count": 2, "amount": 8}
    assert status.records == {"sent": 7, "accepted": 1, "rejected": 1, "unanswered": 5}
    assert status.control.holds
    assert status.release.select(["bill_id", "amount"]).to_pylist() == [{"bill_id": "B1", "amount": 1}]


def test_a_rejection_with_several_reasons_names_all_of_them(ledger, upload, answer):
    upload(slips(("B1", 100)))
    reasons = [{"reason_code": "E1", "field": "amount"}, {"reason_code": "E2", "field": "due_day"}]
    assert answer(answers(*(("B1", "rejected", each) for each in reasons))).rejected == 2
    row = ledger.upload_status().slips.to_pylist()[0]
    assert (row["reason_code"], row["field"]) == ("E1;E2", "amount;due_day")
    assert ledger.upload_status().records == {"sent": 1, "accepted": 0, "rejected": 1, "unanswered": 0}


def test_an_answer_finds_its_record_by_each_key(ledger, upload, answer):
    run = upload(slips(("B1", 1), ("B2", 2), ("B3", 3)))
    key = {"payee_code": "99999", "item_code": "127", "case_key": "1", "confirmation": "123456"}
    answer(pa.Table.from_pylist([{**key, "result": "accepted"}]))
    answer(answers(("B2", "accepted")))
    number = pa.table({"upload_record_no": [3], "result": ["rejected"]})
    assert issue_code(answer, number) == "ANSWER_WITHOUT_KEY"
    answer(number, upload=run.entry.id)
    assert states(ledger) == {"B1": "accepted", "B2": "accepted", "B3": "rejected"}


def test_a_late_answer_names_its_upload(ledger, upload, answer):
    first = upload(slips(("B1", 100)))
    second = upload(slips(("B1", 110)))
    same = answers(("B1", "accepted"))
    answer(same, upload=first.entry.id)
    assert (states(ledger), released(ledger)) == ({"B1": "sent"}, [])
    answer(same, upload=second.entry.id)  # the same bytes, for another upload
    assert released(ledger) == ["B1"]


def test_an_operation_in_the_answer_selects_the_record(ledger, upload, answer):
    upload(slips(("B1", 100)))
    upload(slips(("B1", 110)))
    answer(answers(("B1", "accepted", {"operation": "new"})))
    assert states(ledger) == {"B1": "sent"}
    assert issue_code(answer, answers(("B1", "accepted", {"operation": "withdraw"}))) == "ANSWER_NOT_SENT"


def test_the_same_answer_is_skipped_and_can_be_added_after_its_reversal(ledger, upload, answer):
    upload(slips(("B1", 100)))
    table = answers(("B1", "accepted"))
    first, again = answer(table), answer(table)
    assert (again.inserted, again.entry.id) == (False, first.entry.id)
    ledger.reverse_entry(first.entry.id, reason="of another authority", actor="chief")
    assert states(ledger) == {"B1": "sent"}
    assert answer(table).inserted
    assert states(ledger) == {"B1": "accepted"}


def test_answers_without_a_record_are_issues_and_the_others_are_added(ledger, upload, answer):
    ledger.add_bills(slips(("B8", 800)), actor="clerk")
    upload(slips(("B1", 1), ("B2", 2), ("B3", 3), ("B4", 4)))
    upload(slips(("B2", 2, CANCELLED)))
    table = answers(
        ("B1", "accepted"),
        ("B2", "accepted", {"operation": "new"}),
        ("B3", "accepted"),
        ("B3", "rejected"),
        ("B8", "accepted"),
        ("B9", "accepted"),
    )
    result = answer(table, source="answer.csv")
    codes = ["ANSWER_WITHDRAWN", "ANSWER_CONTRADICTS", "ANSWER_CONTRADICTS", "ANSWER_NOT_SENT", "ANSWER_KEY_UNKNOWN"]
    assert [(issue.code, issue.location.record) for issue in result.issues] == list(
        zip(codes, range(2, 7), strict=True)
    )
    assert (result.read, result.accepted, result.without_record) == (6, 1, 5)
    assert states(ledger) == {"B1": "accepted", "B2": "withdrawn", "B3": "sent", "B4": "sent"}
    assert ledger.issues().column("code").to_pylist() == codes


def test_an_answer_without_any_record_is_rejected(ledger, upload, answer):
    upload(slips(("B1", 1)))
    before = ledger.status(recompute=False).hash
    assert issue_code(answer, answers(("B9", "accepted"))) == "ANSWER_KEY_UNKNOWN"
    assert issue_code(answer, answers(("B1", "yes"))) == "CODE_UNKNOWN"
    assert issue_code(answer, answers(("B1", "accepted")), upload=7) == "UPLOAD_UNKNOWN"
    twice = answers(("B1", "accepted"), ("B1", "accepted"), record_no=1)
    assert issue_code(answer, twice) == "RECORD_TWICE"
    assert ledger.status(recompute=False).hash == before


def test_an_accepted_withdrawal_can_be_confirmed_and_not_denied(ledger, upload, answer):
    upload(slips(("B1", 1)))
    upload(slips(("B1", 1, CANCELLED)))
    answer(answers(("B1", "accepted")))
    assert answer(answers(("B1", "accepted")), source="other.csv", upload=3).accepted == 1
    assert issue_code(answer, answers(("B1", "rejected"))) == "ANSWER_WITHDRAWN"
    assert (states(ledger), released(ledger)) == ({"B1": "withdrawn"}, [])


def test_a_rejected_withdrawal_leaves_the_slip_in_eltax(ledger, upload, answer, tmp_path):
    upload(slips(("B1", 1)))
    upload(slips(("B1", 1, CANCELLED)))
    answer(answers(("B1", "rejected")))
    assert (states(ledger), released(ledger)) == ({"B1": "rejected"}, [])
    assert rows_of(tmp_path, upload(slips(("B1", 1)))) == [[("2", "B1", 1)]]


# Release


def test_a_slip_that_the_ledger_has_replaced_or_changed_is_not_released(ledger, upload, answer):
    bills = slips(("B1", 1), ("B2", 2), ("B3", 3), ("B4", 4), ("B5", 5))
    ledger.add_bills(bills, actor="clerk")
    upload(bills)
    answer(answers(*((f"B{n}", "accepted") for n in range(1, 6))))
    assert released(ledger) == ["B1", "B2", "B3", "B4", "B5"]
    deadline = {"payable_until": date(2026, 8, 1)}
    ledger.add_bills(slips(("B1", 1, CANCELLED), ("B2", 2, SUPERSEDED), ("B3", 30), ("B4", 4, deadline)), actor="clerk")
    assert released(ledger) == ["B5"]
    upload(slips(("B5", 50)))
    assert released(ledger) == []


def test_unanswered_slips_have_an_age_and_a_past_day_is_shown_as_it_was(place, tmp_path):
    clock = [NOON]
    with Ledger.create(place, clock=lambda: clock[0]) as ledger:
        ledger.make_upload(slips(("B1", 1), ("B2", 2)), LAYOUT, tmp_path / "out", actor="clerk")
        clock[0] += timedelta(days=5)
        ledger.add_upload_answer(answers(("B1", "accepted")), actor="clerk")
        ages = ledger.upload_status().slips.column("days_unanswered").to_pylist()
        assert ages == [None, 5]
        assert states(ledger, date(2026, 5, 3)) == {"B1": "sent", "B2": "sent"}
        past = ledger.upload_status(date(2026, 5, 3))
        assert past.slips.column("days_unanswered").to_pylist() == [2, 2]
        assert past.records["unanswered"] == 2


def test_numbers_that_were_not_sent_are_allotted(ledger, upload):
    with ledger._database.writing() as connection:
        writer = EntryWriter(ledger._database, connection, now=NOON, actor="clerk")
        writer.begin(EntryKind.ALLOTMENT)
        key = {"payee_code": "99999", "item_code": "127", "confirmation": "123456", "due_on": "2026-06-01"}
        rows = [
            {**key, "bill_id": f"B{n}", "case_key": f"{n:020d}", "obligation_id": "D1", "issue_no": n, "series": "s",
             "serial": n, "amount": n, "replaces_id": n - 1 or None}
            for n in (1, 2)
        ]  # fmt: skip
        writer.add_rows("slip_numbers", pa.Table.from_pylist(rows))
        writer.commit()
    assert states(ledger) == {"B1": "superseded", "B2": "allotted"}
    upload(slips(("B2", 2)))
    assert states(ledger) == {"B1": "superseded", "B2": "sent"}


# Reversals


def reverse(ledger, entry):
    return ledger.reverse_entry(entry, reason="was not transferred", actor="chief").entry.id


def test_an_upload_that_was_not_transferred_can_be_reversed(ledger, upload, tmp_path):
    run = upload(slips(("B1", 1)))
    reversal = reverse(ledger, run.entry.id)
    assert states(ledger) == {}
    assert ledger.upload_status().control.holds
    again = upload(slips(("B1", 1)))
    assert rows_of(tmp_path, again) == [[("1", "B1", 1)]]
    # Both together would be one record sent twice.
    assert issue_code(reverse, ledger, reversal) == "UPLOAD_FOLLOWED"
    reverse(ledger, again.entry.id)
    reverse(ledger, reversal)
    assert states(ledger) == {"B1": "sent"}
    assert issue_code(reverse, ledger, reversal) == "ENTRY_REVERSED"


def test_an_upload_with_an_answer_or_a_successor_cannot_be_reversed(ledger, upload, answer):
    first = upload(slips(("B1", 1), ("B2", 2)))
    second = upload(slips(("B1", 10)))
    assert issue_code(reverse, ledger, first.entry.id) == "UPLOAD_FOLLOWED"
    answered = answer(answers(("B1", "accepted")))
    assert issue_code(reverse, ledger, second.entry.id) == "UPLOAD_ANSWERED"
    reversal = reverse(ledger, answered.entry.id)
    reverse(ledger, second.entry.id)
    assert issue_code(reverse, ledger, reversal) == "UPLOAD_REVERSED"
    reverse(ledger, first.entry.id)
    assert states(ledger) == {}


# Kills and writers

# The points at which a process ends, each a function and whether it ends before or after its n-th call.
KILLS = {
    "after the first draft": (EntryDrafts, "write", 1, "after"),
    "before the rows": (EntryWriter, "add_rows", 1, "before"),
    "before the commit": (EntryWriter, "commit", 1, "after"),
    "after the commit": (EntryDrafts, "complete", 1, "before"),
    "after the first name": (upload_files, "_rename", 1, "after"),
    "after the last name": (EntryDrafts, "complete", 1, "after"),
}


def in_process(work):
    """Start a process that runs a function."""
    process = FORK.Process(target=work)
    process.start()
    return process


def killed_make(url, folder, bills, kill, **options):
    """Make an upload in a process that ends at a point, without any cleaning up."""
    owner, name, count, when = KILLS[kill]

    def run():
        original, calls = getattr(owner, name), iter(range(1, 100))

        def patched(*args, **arguments):
            number = next(calls)
            if (number, when) == (count, "before"):
                os._exit(9)
            result = original(*args, **arguments)
            if (number, when) == (count, "after"):
                os._exit(9)
            return result

        setattr(owner, name, patched)
        with Ledger.open(url) as ledger:
            ledger.make_upload(bills, LAYOUT, folder / "out", actor="clerk", **options)
        os._exit(0)

    process = in_process(run)
    process.join()
    assert process.exitcode == 9


def sent_in(folder):
    """The records in all files of a folder."""
    rows = []
    for path in sorted((folder / "out").glob("upload-*.csv")):
        rows += [
            (row["type"], f"B{int(row['case_key'])}") for row in csv.DictReader(path.read_text("cp932").splitlines())
        ]
    return rows


@pytest.mark.parametrize("kill", KILLS)
def test_a_killed_run_is_completed_by_the_next(place, tmp_path, kill):
    bills = slips(("B1", 1), ("B2", 2), ("B3", 3))
    Ledger.create(place).close()
    killed_make(place, tmp_path, bills, kill, rows=2)
    with Ledger.open(place) as ledger:
        run = ledger.make_upload(bills, LAYOUT, tmp_path / "out", actor="clerk", rows=2)
        assert sent_in(tmp_path) == [("1", "B1"), ("1", "B2"), ("1", "B3")]
        assert names_in(tmp_path / "out") == ["upload-0002-0001.csv", "upload-0002-0002.csv"]
        assert [entry.kind for entry in ledger.entries()] == ["created", "upload"]
        files = ledger.entries()[1].totals["files"]
        digests = [sha256((tmp_path / "out" / file["name"]).read_bytes()).hexdigest() for file in files]
        assert digests == [file["digest"] for file in files]
        assert (run.entry is None) == (kill in ("after the commit", "after the first name", "after the last name"))
        assert ledger.upload_status().records["sent"] == 3
        assert ledger.verify().is_clean


def test_a_killed_run_is_completed_before_a_changed_register_is_sent(place, tmp_path):
    Ledger.create(place).close()
    killed_make(place, tmp_path, slips(("B1", 1)), "after the commit")
    with Ledger.open(place) as ledger:
        run = ledger.make_upload(slips(("B1", 10), ("B2", 2)), LAYOUT, tmp_path / "out", actor="clerk")
        assert run.completed == ("upload-0002-0001.csv",)
        assert sent_in(tmp_path) == [("1", "B1"), ("2", "B1"), ("1", "B2")]


def test_the_drafts_of_a_reversed_upload_and_of_other_ledgers_are_not_completed(place, new_place, tmp_path):
    Ledger.create(place).close()
    killed_make(place, tmp_path, slips(("B1", 1)), "after the commit")
    drafts = names_in(tmp_path / "out")
    with Ledger.create(new_place()) as other:
        other.make_upload(slips(("B7", 7)), LAYOUT, tmp_path / "out", actor="clerk")
        assert {*drafts} < {*names_in(tmp_path / "out")}
    (tmp_path / "out" / "upload-0002-0001.csv").unlink()
    with Ledger.open(place) as ledger:
        reverse(ledger, 2)
        run = ledger.make_upload(slips(("B1", 10)), LAYOUT, tmp_path / "out", actor="clerk")
        assert run.completed == ()
        assert names_in(tmp_path / "out") == ["upload-0004-0001.csv"]


def test_two_runs_at_once_send_no_record_twice(place, tmp_path):
    Ledger.create(place).close()
    for day in range(4):
        bills = slips(*((f"B{n}", n + day) for n in range(1, 40)))

        def run(bills=bills):
            with Ledger.open(place) as ledger:
                ledger.make_upload(bills, LAYOUT, tmp_path / "out", actor="clerk", rows=7)

        processes = [in_process(run) for _ in range(3)]
        for process in processes:
            process.join()
        assert [process.exitcode for process in processes] == [0, 0, 0]
    sent = Counter(sent_in(tmp_path))
    assert sent == {("1", f"B{n}"): 1 for n in range(1, 40)} | {("2", f"B{n}"): 3 for n in range(1, 40)}
    with Ledger.open(place) as ledger:
        assert ledger.upload_status().records["sent"] == 4 * 39
        assert [path for path in names_in(tmp_path / "out") if path.endswith(".part")] == []


# An answer in a file

HEADER = "payee_code,item_code,case_key,confirmation,type,result,error_code,error_field\r\n"


def answer_file(text, name="answer.csv"):
    stream = io.BytesIO((HEADER + text).encode("cp932"))
    stream.name = name
    return receipts.open_mapped(stream, "eltax-answer-example", "answer")


def test_an_answer_is_read_by_its_layout(ledger, upload, answer):
    upload(slips(("B1", 1), ("B2", 2)))
    key = "99999,127,0000000000000000000{},123456,1,"
    text = key.format(1) + "0,,\r\n" + key.format(2) + "1,E12,amount\r\n"
    result = answer(answer_file(text))
    assert (result.accepted, result.rejected, result.entry.source) == (1, 1, "answer.csv")
    assert (result.entry.layout, len(result.entry.digest)) == ("eltax-answer-example", 64)
    assert states(ledger) == {"B1": "accepted", "B2": "rejected"}
    assert not answer(answer_file(text, "again.csv")).inserted


@pytest.mark.parametrize(
    ("text", "code"),
    [
        ("99999,127,00000000000000000001,123456,1,7,,\r\n", "CODE_UNKNOWN"),
        ("99999,127,00000000000000000001,123456,1\r\n", "WIDTH"),
        ("99999,127,00000000000000000001,12345x,1,0,,\r\n", "NOT_DIGITS"),
    ],
)
def test_an_invalid_record_rejects_the_answer(ledger, upload, answer, text, code):
    upload(slips(("B1", 1)))
    before = ledger.status(recompute=False).hash
    valid = "99999,127,00000000000000000001,123456,1,0,,\r\n"
    with pytest.raises(InvalidInputError) as caught:
        answer(answer_file(text + valid))
    assert (caught.value.issues[0].code, caught.value.issues[0].location.record) == (code, 1)
    assert ledger.status(recompute=False).hash == before


FIXED = """
ja = "回答"
en = "answer"
format = "fixed"
encoding = "half-width"
width = 40
newline = "LF"
verified = false
source = ["invented"]
[records.data]
role = "data"
ja = "回答"
en = "answer"
tell_by = ["kind"]
fields = [
  { id = "kind", ja = "区分", en = "kind", type = "digits", length = 1, const = "2" },
  { id = "bill", ja = "番号", en = "bill", type = "text", length = 30 },
  { id = "result", ja = "結果", en = "result", type = "digits", length = 1 },
  { id = "filler", ja = "予備", en = "filler", type = "filler", length = 8 },
]
[records.trailer]
role = "trailer"
ja = "合計"
en = "trailer"
tell_by = ["kind"]
fields = [
  { id = "kind", ja = "区分", en = "kind", type = "digits", length = 1, const = "8" },
  { id = "count", ja = "件数", en = "count", type = "number", length = 8 },
  { id = "filler", ja = "予備", en = "filler", type = "filler", length = 31 },
]
[answer]
bill_id = "bill"
result = { field = "result", values = { 0 = "accepted", 1 = "rejected" } }
[[totals]]
record = "trailer"
field = "count"
"""


def test_a_fixed_length_answer_whose_total_differs_is_rejected(ledger, upload, answer):
    layout = layouts.parse(FIXED, "fixed")
    upload(slips(("B1", 1), ("B2", 2)))

    def file(count):
        text = "".join(f"2{name:<30}0{'':8}\n" for name in ("B1", "B2")) + f"8{count:08}{'':31}\n"
        return receipts.open_mapped(io.BytesIO(text.encode()), layout, "answer")

    assert issue_code(answer, file(3)) == "TOTAL_MISMATCH"
    assert states(ledger) == {"B1": "sent", "B2": "sent"}
    assert answer(file(2)).accepted == 2


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ('bill_id = "bill"\n', ""),
        ('result = { field = "result", values = { 0 = "accepted", 1 = "rejected" } }\n', ""),
        ('1 = "rejected"', '1 = "maybe"'),
        ('bill_id = "bill"', 'bill_id = "bill"\noperation = { field = "kind", values = { 2 = "add" } }'),
        ('[answer]', '[bill]\noperation = { field = "kind", values = { 2 = "change" } }\n[answer]'),
        ('[answer]', '[bill]\nupload_record_no = "number"\n[answer]'),
    ],
)  # fmt: skip
def test_an_invalid_layout_of_an_answer_is_named(old, new):
    assert FIXED.count(old) >= 1
    with pytest.raises(InvalidInputError) as caught:
        layouts.parse(FIXED.replace(old, new), "fixed")
    assert {issue.code for issue in caught.value.issues} == {"LAYOUT_INVALID"}


# Any sequence equals a plain twin


@dataclass
class Record:
    slip: str
    operation: str
    content: object
    entry: int
    number: int
    day: date
    results: dict = field(default_factory=dict)


class Twin:
    """The rules of uploads in plain Python: entries in a list, everything else is computed from the active ones."""

    def __init__(self):
        #: ("upload", [Record]), ("answer", {id(Record): (record, result)}, identity) or ("reversal", target), from 1.
        self.entries = [("created",)]

    def active(self):
        reversed_ids = set()
        for entry in range(len(self.entries), 0, -1):
            if self.entries[entry - 1][0] == "reversal" and entry not in reversed_ids:
                reversed_ids.add(self.entries[entry - 1][1])
        return set(range(1, len(self.entries) + 1)) - reversed_ids

    def records(self):
        """The active records with the result of each."""
        active = self.active()
        records = [
            record
            for entry, (kind, *content) in enumerate(self.entries, 1)
            if kind == "upload" and entry in active
            for record in content[0]
        ]
        results = {}
        for entry, (kind, *content) in enumerate(self.entries, 1):
            if kind == "answer" and entry in active:
                results |= {id(record): result for record, result in content[0]}
        return [(record, results.get(id(record))) for record in records]

    def slips(self):
        """The last record of each slip, its result, whether eLTAX can have the slip, and whether it is a correction."""
        found = {}
        for record, result in self.records():
            is_known, is_correction = found.get(record.slip, (0, 0, False, False))[2:]
            if record.operation != "withdraw":
                is_known = is_known or result != "rejected"
            elif result != "rejected":
                is_known = False
            is_correction = {"rejected": True, "accepted": False, None: is_correction}[result]
            found[record.slip] = (record, result, is_known, is_correction)
        return found

    def due(self, register, whole, resend_before):
        """The records that an upload must have, and the number of slips that wait for a correction."""
        due, waiting, found = [], 0, self.slips()
        for slip, (content, is_open) in register.items():
            record, result, is_known, _ = found.get(slip, (None, None, False, False))
            is_late = record and result != "accepted" and resend_before and record.day < resend_before
            if is_open and record and record.operation != "withdraw" and record.content == content:
                if is_late:
                    operation = record.operation if result is None else "change" if is_known else "new"
                    due.append((slip, operation, content))
                elif result == "rejected":
                    waiting += 1
            elif is_open:
                due.append((slip, "change" if is_known else "new", content))
            elif record and (is_late if record.operation == "withdraw" else is_known):
                due.append((slip, "withdraw", content))
        for slip, (record, _, is_known, _) in (
            sorted(found.items(), key=lambda item: item[1][0].number) if whole else ()
        ):
            result = found[slip][1]
            is_late = result != "accepted" and resend_before and record.day < resend_before
            if slip not in register and is_known and (record.operation != "withdraw" or is_late):
                due.append((slip, "withdraw", None))
        return due, waiting

    def state(self, record, result, is_correction):
        if record.operation == "withdraw" and result != "rejected":
            return "withdrawn"
        return result or ("corrected" if is_correction else "sent")


class Sequence:
    """Runs random operations on a ledger and the twin, and compares them after each."""

    def __init__(self, ledger, clock, folder):
        self.ledger, self.clock, self.folder, self.twin = ledger, clock, folder, Twin()
        self.register, self.delivered, self.seen, self.number = {}, [], Counter(), 0

    def run(self, operation, rng):
        self.clock[0] += timedelta(hours=rng.choice((1, 30)))
        written = len(self.twin.entries)
        try:
            getattr(self, operation)(rng)
            problem = None
        except InvalidInputError as error:
            problem = error.issues[0].code
        assert problem == self.expected_problem
        self.expected_problem = None
        self.seen[problem or operation] += 1
        if len(self.twin.entries) == written:
            assert self.ledger.status(recompute=False).entries == written
        self.compare()

    expected_problem = None

    def make(self, rng):
        """Some slips are added, changed, cancelled, opened or removed from the register."""
        for _ in range(rng.randrange(4)):
            slip = f"B{rng.randrange(1, 7)}"
            self.register[slip] = (rng.randrange(1, 4), rng.random() < 0.7)
        if self.register and rng.random() < 0.2:
            self.register.pop(rng.choice(sorted(self.register)))
        whole, day = rng.random() < 0.3, self.clock[0].astimezone(UTC).date() if rng.random() < 0.3 else None
        rows = [(slip, yen, {} if is_open else CANCELLED) for slip, (yen, is_open) in self.register.items()]
        if not rows:
            return
        due, waiting = self.twin.due(self.register, whole, day)
        ready = {slip for slip, operation, content in due if content is None}
        if ready:  # the values of an absent slip are those of its bill
            self.ledger.add_bills(slips(*((slip, 9) for slip in sorted(ready))), actor="clerk")
            self.twin.entries.append(("bills",))
        entry = len(self.twin.entries) + 1
        size = rng.randrange(1, 4)
        run = self.ledger.make_upload(
            slips(*rows), LAYOUT, self.folder / "out", actor="clerk", rows=size, whole=whole, resend_before=day
        )
        assert (run.waiting, run.sent, run.absent) == (waiting, len(due), len(ready))
        assert run.given + run.absent == run.sent + run.unchanged + run.waiting + run.by_hand
        if not due:
            assert run.entry is None
            return
        found = [row for file in rows_of(self.folder, run) for row in file]
        codes = {"new": "1", "change": "2", "withdraw": "9"}
        assert [(code, slip) for code, slip, _ in found] == [(codes[operation], slip) for slip, operation, _ in due]
        assert [yen for *_, yen in found] == [
            content or yen for (*_, content), (*_, yen) in zip(due, found, strict=True)
        ]
        records = []
        for slip, operation, content in due:
            self.number += 1
            day = self.clock[0].astimezone(UTC) + timedelta(hours=9)
            records.append(Record(slip, operation, content, entry, self.number, day.date()))
        self.twin.entries.append(("upload", records))
        rerun = self.ledger.make_upload(
            slips(*rows), LAYOUT, self.folder / "out", actor="clerk", rows=size, whole=whole
        )
        assert rerun.entry is None

    def answer(self, rng):
        """An answer to the last records of some slips, or to one upload."""
        active = self.twin.active()
        uploads = [n for n, (kind, *_) in enumerate(self.twin.entries, 1) if kind == "upload" and n in active]
        if not uploads:
            return
        upload = rng.choice([None, *uploads])
        candidates = {}
        for record, _ in self.twin.records():
            if upload in (None, record.entry):
                candidates[record.slip] = record
        chosen = rng.sample(sorted(candidates), rng.randrange(1, len(candidates) + 1))
        results = {slip: rng.choice(("accepted", "accepted", "rejected")) for slip in chosen}
        self.deliver(upload, results, {slip: candidates[slip] for slip in chosen})

    def deliver(self, upload, results, records):
        identity = (upload, tuple(results.items()))
        active = self.twin.active()
        is_known = any(
            kind == "answer" and entry in active and content[1] == identity
            for entry, (kind, *content) in enumerate(self.twin.entries, 1)
        )
        last = self.twin.slips()

        def is_withdrawn(slip):
            record, result = last[slip][:2]
            is_denied = result == "accepted" and results[slip] != "accepted"
            return record.operation == "withdraw" and (record is not records[slip] or is_denied)

        tied = [(records[slip], result) for slip, result in results.items() if not is_withdrawn(slip)]
        if not is_known and not tied:
            self.expected_problem = "ANSWER_WITHDRAWN"
        found = self.ledger.add_upload_answer(answers(*results.items()), actor="clerk", upload=upload)
        assert found.inserted == (not is_known)
        if is_known:
            return
        self.delivered.append((upload, results))
        assert found.read == len(results) == found.accepted + found.rejected + found.without_record
        self.twin.entries.append(("answer", tied, identity))

    def answer_again(self, rng):
        """An earlier answer is delivered again."""
        active = self.twin.active()
        known = [each for each in self.delivered if each[0] is None or each[0] in active]
        if not known:
            return
        upload, results = rng.choice(known)
        candidates = {}
        for record, _ in self.twin.records():
            if upload in (None, record.entry):
                candidates[record.slip] = record
        if candidates.keys() >= results.keys():
            self.deliver(upload, results, candidates)

    def reverse(self, rng):
        targets = [n for n, (kind, *_) in enumerate(self.twin.entries, 1) if kind in ("upload", "answer", "reversal")]
        reversed_before = {content[0] for kind, *content in self.twin.entries if kind == "reversal"}
        targets = [n for n in targets if n not in reversed_before]
        if not targets:
            return
        target = rng.choice(targets)
        self.expected_problem = self.reversal_problem(target)
        self.ledger.reverse_entry(target, reason="wrong", actor="chief")
        self.twin.entries.append(("reversal", target))

    def reversal_problem(self, target):
        entries = self.twin.entries
        root = target
        while entries[root - 1][0] == "reversal":
            root = entries[root - 1][1]
        entries.append(("reversal", target))
        active = self.twin.active()
        records = {id(record) for record, _ in self.twin.records()}
        entries.pop()
        kind, content, *rest = entries[root - 1]
        if kind == "upload":
            own = {id(record) for record in content}
            for entry, (other, *other_content) in enumerate(entries, 1):
                if other == "answer" and entry in active and own & {id(record) for record, _ in other_content[0]}:
                    return "UPLOAD_ANSWERED"
            slips_of = {record.slip for record in content}
            for entry, (other, *other_content) in enumerate(entries, 1):
                is_later = other == "upload" and entry in active and entry > root
                if is_later and slips_of & {record.slip for record in other_content[0]}:
                    return "UPLOAD_FOLLOWED"
        elif root in active:
            for entry, (other, *other_content) in enumerate(entries, 1):
                if other == "answer" and entry in active and entry != root and other_content[1] == rest[0]:
                    return "FILE_STANDS"
            if not {id(record) for record, _ in content} <= records:
                return "UPLOAD_REVERSED"
        return None

    def compare(self):
        status, found = self.ledger.upload_status(), self.twin.slips()
        expected = {
            slip: (self.twin.state(record, result, is_correction), record.operation, record.entry, record.day)
            for slip, (record, result, _, is_correction) in found.items()
        }
        rows = status.slips.to_pylist()
        assert {
            row["bill_id"]: (row["state"], row["operation"], row["entry_id"], row["sent_on"]) for row in rows
        } == expected
        results = Counter(result or "unanswered" for _, result in self.twin.records())
        counts = {name: results[name] for name in ("accepted", "rejected", "unanswered")}
        assert status.records == {"sent": sum(results.values()), **counts}
        assert status.control.holds
        accepted = {
            slip
            for slip, (state, operation, *_) in expected.items()
            if (state, operation != "withdraw") == ("accepted", True)
        }
        assert {*status.release.column("bill_id").to_pylist()} <= accepted


OPERATIONS = ("make", "make", "make", "answer", "answer", "answer_again", "reverse", "reverse")
STEPS = st.lists(st.tuples(st.sampled_from(OPERATIONS), st.integers(0, 2**16)), min_size=1, max_size=16)


def run_sequence(url, folder, steps):
    clock = [NOON]
    with Ledger.create(url, clock=lambda: clock[0]) as ledger:
        sequence = Sequence(ledger, clock, folder)
        for operation, seed in steps:
            sequence.run(operation, random.Random(seed))
        assert ledger.verify().is_clean
        return sequence.seen


@settings(max_examples=examples(40), suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(steps=STEPS)
def test_any_sequence_equals_the_twin(new_place, tmp_path_factory, steps):
    run_sequence(new_place(), tmp_path_factory.mktemp("upload"), [("make", 0), *steps])


@pytest.mark.slow
def test_long_sequences_contain_every_operation(quick_folder):
    seen, rng = Counter(), random.Random(3)
    for number in range(6):
        folder = quick_folder / str(number)
        folder.mkdir()
        steps = [(rng.choice(OPERATIONS), rng.randrange(2**16)) for _ in range(50)]
        seen += run_sequence(f"sqlite:///{folder}/city.db", folder, steps)
    codes = {"UPLOAD_ANSWERED", "UPLOAD_FOLLOWED", "ANSWER_WITHDRAWN"}
    assert {*OPERATIONS, *codes} <= set(seen)
