"""The cycle of direct debits: a request, its result compared record by record, and the re-request of what failed."""

import contextlib
from datetime import date
from pathlib import Path

import pyarrow as pa
import pytest
from sqlalchemy import make_url

from kokin import receipts as receipt_files
from kokin.issues import InvalidInputError
from kokin.ledger import EntryKind
from kokin.reconcile import Policy
from tests.support import added_changes

DAY, RETRY_DAY = date(2026, 10, 26), date(2026, 11, 10)
HEADER = {"consignor_name": "ﾚｲｼﾞｼ", "debit_day": DAY, "bank_code": "9999"}
NAME = "ｺｳｷﾝ ﾊﾅｺ"
REFERENCE = date(2026, 11, 1)


def accounts(*names, **more):
    rows = [
        {"bill_id": name, "bank_code": "9999", "branch_code": "001", "account_number": name[1:], "name": NAME, **more}
        for name in names
    ]
    return pa.Table.from_pylist(rows)


def request(ledger, path, *names, retry=False, day=DAY, **more):
    header = {**HEADER, "debit_day": day}
    options = {"header": header, "retry": retry, "source": "accounts.csv"}
    return ledger.request_debits(accounts(*names, **more), path, actor="clerk", **options)


def answered(request_path, path, *, results, day=DAY, drop=(), change=None, add=()):
    """Write the result of a request: ``results`` by 顧客番号, ``change`` of fields by 顧客番号."""
    records = receipt_files.open(request_path, "zengin-91", reference_date=REFERENCE)
    rows = []
    with contextlib.suppress(InvalidInputError):  # REQUEST_FILE, at the end
        rows.extend(dict(record.values) for record in records.records() if record.kind == "data")
    rows = [row for row in rows if row["customer_number"] not in drop]
    for row in rows:
        row["result"] = results.get(row["customer_number"], "0")
        row |= (change or {}).get(row["customer_number"], {})
    rows += [{**rows[0], "customer_number": number, "result": "0"} for number in add]
    names = [name for name in rows[0] if "filler" not in name and name != "record_code"]
    table = pa.Table.from_pylist([{name: row[name] for name in names} for row in rows])
    receipt_files.write(table, path, "zengin-91", header={**HEADER, "debit_day": day})
    return receipt_files.open(path, "zengin-91", reference_date=REFERENCE)


def add_result(ledger, file):
    return ledger.add_debit_result(file, actor="clerk"), ledger.post(file, actor="clerk")


def states(ledger):
    names = ("bill_id", "attempt", "state", "result", "is_retryable")
    return [tuple(row[name] for name in names) for row in ledger.debits().to_pylist()]


@pytest.fixture
def town(ledger, bills):
    for name, yen in (("B1", 1_000), ("B2", 2_000), ("B3", 3_000), ("B4", 4_000)):
        ledger.add_bills(bills({"customer_number": f"C{name}"}, **{name: yen}), actor="clerk")
    return ledger


@pytest.fixture
def requested(town, tmp_path):
    request(town, tmp_path / "request.txt", "B1", "B2", "B3")
    return town


def test_a_request_is_made_from_the_balances(town, receipts, tmp_path):
    town.post(
        receipts("mon.csv", ("B1", 400, 1), ("B2", 2_000, 1), ("B3", 3_000, 1, {"kind": "provisional"})), actor="x"
    )
    found = request(town, tmp_path / "request.txt", "B1", "B2", "B3", "B4")
    counts = ("given", "requested", "yen", "settled", "reported", "open", "failed")
    assert [getattr(found, name) for name in counts] == [4, 2, 4_600, 1, 1, 0, 0]
    lines = (tmp_path / "request.txt").read_bytes().decode("cp932").splitlines()
    assert [line[0] for line in lines] == ["1", "2", "2", "8", "9"]
    assert (lines[1][80:90], lines[1][91:111].rstrip(), lines[1][50:58]) == ("0000000600", "CB1", NAME)
    assert lines[3][1:37] == f"{2:06}{4600:012}{0:06}{0:012}"
    assert found.entry.kind is EntryKind.DEBIT_REQUEST


def test_accounts_and_names_are_in_the_file_only(town, place, tmp_path):
    """Neither a request nor a result with another account writes an account number into the ledger, nor a name."""
    numbers = {"B1": "7310946", "B2": "5820167", "B3": "0096413"}
    rows = [accounts(name, account_number=number) for name, number in numbers.items()]
    options = {"header": HEADER, "source": "accounts.csv"}
    town.request_debits(pa.concat_tables(rows), tmp_path / "request.txt", actor="clerk", **options)
    written = (tmp_path / "request.txt").read_bytes().decode("cp932")
    changes = {"CB3": {"account_number": "8640253"}}
    file = answered(tmp_path / "request.txt", tmp_path / "r.txt", results={"CB2": "1"}, change=changes)
    found, posted = add_result(town, file)
    assert (found.debited, found.failed, found.missing, found.changed) == (2, 1, 0, 1)
    assert posted.outcomes == {"MATCHED": {"count": 2, "amount": 4_000}}
    contents = [path.read_bytes() for path in town.export(tmp_path / "export")]
    if place.startswith("sqlite"):
        path = Path(make_url(place).database)
        contents += [each.read_bytes() for each in path.parent.glob(f"{path.name}*")]
    assert any(b"CB1" in content for content in contents)
    for text in (*numbers.values(), "8640253", NAME):
        assert all(text.encode(encoding) not in content for content in contents for encoding in ("utf-8", "utf-16-le"))
    assert all(text in written for text in (*numbers.values(), NAME))


def test_each_bill_is_requested_once(requested, tmp_path):
    again = request(requested, tmp_path / "again.txt", "B1", "B2", "B3", "B4")
    assert (again.requested, again.open) == (1, 3)
    nothing = request(requested, tmp_path / "nothing.txt", "B1", "B4")
    assert (nothing.entry, nothing.open, (tmp_path / "nothing.txt").exists()) == (None, 2, False)


def test_the_result_is_compared_and_posted(requested, tmp_path):
    file = answered(tmp_path / "request.txt", tmp_path / "result.txt", results={"CB2": "1", "CB3": "2"})
    found, posted = add_result(requested, file)
    assert found.as_dict() == {
        "entry": 7,
        "inserted": True,
        "read": 3,
        "debited": 1,
        "failed": 2,
        "without_request": 0,
        "missing": 0,
        "changed": 0,
    }
    assert posted.outcomes == {"MATCHED": {"count": 1, "amount": 1_000}}
    assert states(requested) == [
        ("B1", 1, "debited", "0", False),
        ("B2", 1, "failed", "1", True),
        ("B3", 1, "failed", "2", False),
    ]
    found, posted = add_result(requested, file)
    assert (found.inserted, posted.inserted) == (False, False)
    assert requested.verify(rematch=True).is_clean
    added_changes(requested)


def test_what_the_result_misses_adds_and_changes_is_named(requested, tmp_path):
    changes = {"CB2": {"amount": 2_500}, "CB3": {"account_number": "0000099"}}
    options = {"results": {}, "drop": {"CB1"}, "change": changes, "add": ["CX", "CB2"]}
    found = requested.add_debit_result(answered(tmp_path / "request.txt", tmp_path / "r.txt", **options), actor="x")
    assert (found.read, found.debited, found.without_request, found.missing, found.changed) == (4, 2, 2, 1, 2)
    names = ("code", "field", "expected", "found")
    assert [(*(getattr(issue, name) for name in names), issue.location.record) for issue in found.issues] == [
        ("DEBIT_CHANGED", "amount", "2000 (B2)", "2500", 2),
        ("DEBIT_CHANGED", "account", "B3", "9999-001-1-*******", 3),
        ("DEBIT_ADDED", "customer_number", "", "CX", 4),
        ("DEBIT_ADDED", "customer_number", "", "CB2", 5),
        ("DEBIT_MISSING", "customer_number", "CB1", "B1", None),
    ]
    assert requested.issues().column("code").to_pylist() == [issue.code for issue in found.issues]
    assert states(requested)[0] == ("B1", 1, "requested", None, False)
    late = answered(tmp_path / "request.txt", tmp_path / "late.txt", results={})
    found = requested.add_debit_result(late, actor="x")
    assert [issue.code for issue in found.issues] == ["DEBIT_REPORTED", "DEBIT_REPORTED"]
    assert states(requested)[0] == ("B1", 1, "debited", "0", False)


def test_a_result_without_its_request_is_a_warning(requested, tmp_path):
    before = requested.status(recompute=False).hash
    other_day = answered(tmp_path / "request.txt", tmp_path / "r.txt", results={}, day=date(2026, 9, 28))
    found = requested.add_debit_result(other_day, actor="x")
    assert [(issue.code, issue.severity.value) for issue in found.issues] == [("DEBIT_WITHOUT_REQUEST", "warning")]
    assert (found.entry, found.without_request) == (None, 3)
    assert requested.status(recompute=False).hash == before
    assert requested.post(other_day, actor="x").outcomes == {"MATCHED": {"count": 3, "amount": 6_000}}


def test_a_request_that_comes_back_is_rejected(requested, tmp_path):
    file = receipt_files.open(tmp_path / "request.txt", "zengin-91", reference_date=REFERENCE)
    with pytest.raises(InvalidInputError, match="REQUEST_FILE"):
        requested.add_debit_result(file, actor="x")


def test_only_failed_debits_that_the_policy_allows_are_asked_for_again(requested, tmp_path):
    add_result(requested, answered(tmp_path / "request.txt", tmp_path / "r.txt", results={"CB2": "1", "CB3": "2"}))
    plain = request(requested, tmp_path / "plain.txt", "B1", "B2", "B3", day=RETRY_DAY)
    assert (plain.requested, plain.settled, plain.failed) == (0, 1, 2)
    retry = request(requested, tmp_path / "retry.txt", "B1", "B2", "B3", "B4", retry=True, day=RETRY_DAY)
    assert (retry.requested, retry.yen, retry.settled, retry.failed) == (1, 2_000, 1, 2)
    assert states(requested)[-1] == ("B2", 2, "requested", None, False)
    file = answered(tmp_path / "retry.txt", tmp_path / "r2.txt", results={"CB2": "1"}, day=RETRY_DAY)
    add_result(requested, file)
    assert states(requested)[-1] == ("B2", 2, "failed", "1", False)  # two attempts are the limit
    assert request(requested, tmp_path / "third.txt", "B2", retry=True).entry is None
    requested.set_policy(Policy(debit_retry=("1", "2"), debit_attempts=3), actor="chief")
    assert request(requested, tmp_path / "third.txt", "B2", "B3", retry=True).requested == 2


def test_reversals(requested, tmp_path):
    add_result(requested, answered(tmp_path / "request.txt", tmp_path / "r.txt", results={"CB2": "1"}))
    with pytest.raises(InvalidInputError, match="DEBIT_FOLLOWED"):
        requested.reverse_entry(6, reason="never sent", actor="chief")
    retry = request(requested, tmp_path / "retry.txt", "B2", retry=True, day=RETRY_DAY)
    with pytest.raises(InvalidInputError, match="DEBIT_FOLLOWED"):
        requested.reverse_entry(7, reason="wrong file", actor="chief")
    reversal = requested.reverse_entry(retry.entry.id, reason="never sent", actor="chief")
    requested.reverse_entry(7, reason="wrong file", actor="chief")
    assert {row[2] for row in states(requested)} == {"requested"}
    with pytest.raises(InvalidInputError, match="ENTRY_REVERSED"):
        requested.reverse_entry(7, reason="duplicate", actor="chief")
    requested.reverse_entry(6, reason="never sent", actor="chief")
    assert states(requested) == []
    requested.reverse_entry(reversal.entry.id, reason="it was sent", actor="chief")
    assert states(requested) == [("B2", 2, "requested", None, False)]
    assert requested.verify(rematch=True).is_clean


@pytest.mark.parametrize(
    ("names", "more", "code", "field"),
    [
        (("B9",), {}, "BILL_UNKNOWN", "bill_id"),
        (("B1", "B1"), {}, "BILL_REPEATED", "bill_id"),
        (("B5",), {}, "FIELD_MISSING", "customer_number"),
        (("B1", "B6"), {}, "DEBIT_NUMBER", "customer_number"),
        (("B1",), {"bank_code": "999"}, "WIDTH", "bank_code"),
        (("B1",), {"name": "公金花子"}, "CHARACTER", "payer_name"),
    ],
)
def test_a_row_that_is_rejected(town, bills, tmp_path, names, more, code, field):
    town.add_bills(bills(B5=100), actor="clerk")
    town.add_bills(bills({"customer_number": "CB1"}, B6=100), actor="clerk")
    with pytest.raises(InvalidInputError) as error:
        request(town, tmp_path / "request.txt", *names, **more)
    assert [(issue.code, issue.field) for issue in error.value.issues] == [(code, field)]
    assert list(tmp_path.iterdir()) == []
    assert town.entries()[-1].kind is EntryKind.BILLS


def test_an_interrupted_request_is_completed_by_the_same_call(town, tmp_path, monkeypatch):
    from kokin.ledger import _upload_files

    monkeypatch.setattr(_upload_files.EntryDrafts, "complete", lambda _: None)
    first = request(town, tmp_path / "request.txt", "B1")
    assert not (tmp_path / "request.txt").exists()
    monkeypatch.undo()
    again = request(town, tmp_path / "request.txt", "B1")
    assert (again.inserted, again.entry, again.digest) == (False, first.entry, first.digest)
    assert (tmp_path / "request.txt").exists()
