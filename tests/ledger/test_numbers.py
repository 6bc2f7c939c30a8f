"""Numbers of slips: each allotted once and for ever, the same for the same debt and issue number, checked before print.

The expected numbers come from plain computations in this file.
"""

import csv
import multiprocessing
from collections import Counter
from datetime import date

import pyarrow as pa
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from kokin import bills as bill_files
from kokin.issues import InvalidInputError
from kokin.ledger import EntryKind, Ledger
from kokin.ledger._journal import EntryWriter
from kokin.model import Bill, arrow_schema
from kokin.slips import NumberScheme, gs1_128
from tests.support import examples

COMPANY = "929023"
SCHEME = NumberScheme.parse(
    {
        "case_key": "{levy_year}{item_code}{serial:8}{check}",
        "check_digit": "mod11",
        "barcode": {"company_code": COMPANY, "free_field": "{case_key:20}"},
    }
)
#: Without a serial: the key is the number of the debt.
PLAIN = NumberScheme.parse({"case_key": "{obligation_id:10}", "bill_id": "{payee_code}-{obligation_id}-{issue_no}"})
DEBT = {
    "payee_code": "99999",
    "item_code": "127",
    "levy_year": 2026,
    "due_on": date(2026, 6, 1),
    "payable_until": date(2026, 7, 10),
}
SCHEMA = pa.schema([*(field for field in arrow_schema(Bill) if field.name not in ("bill_id", "case_key"))])
SCHEMA = SCHEMA.append(pa.field("issue_no", pa.int64()))


def debts(*rows, **more):
    """Debts from (obligation_id, issue_no, amount) and other columns."""
    values = [
        {**DEBT, "obligation_id": name, "issue_no": issue_no, "amount": amount, **more}
        for name, issue_no, amount in rows
    ]
    return pa.Table.from_pylist(values, pa.schema([field for field in SCHEMA if field.name in values[0]]))


def allot(ledger, *rows, scheme=SCHEME, **more):
    return ledger.allot(debts(*rows, **more), scheme, actor="clerk")


def by_id(result):
    return {row["bill_id"]: row for row in result.bills.to_pylist()}


def codes(error):
    return [(issue.code, issue.field, issue.location.record) for issue in error.value.issues]


def mod11(digits):
    """The check digit by modulus 11 with the weights 2 to 7 from the right."""
    total = sum(int(digit) * (2 + place % 6) for place, digit in enumerate(reversed(digits)))
    return str({10: 0, 11: 0}.get(11 - total % 11, 11 - total % 11))


def is_strong(bill):
    confirmation = bill["confirmation"]
    return len({*confirmation}) > 1 and confirmation != "123456" and not bill["case_key"].endswith(confirmation)


def test_new_debts_get_serials_check_digits_confirmations_and_barcodes(ledger):
    result = allot(ledger, ("A", 1, 100), ("B", 1, 300_001), ("C", 1, 300_000))
    assert result.as_dict() == {"entry": 2, "debts": 3, "new": 3, "reissued": 0, "unchanged": 0, "superseded": 0}
    rows = result.bills.to_pylist()
    for serial, row in enumerate(rows, 1):
        key = f"2026127{serial:08}"
        assert row["case_key"] == (key + mod11(key)).zfill(20)
        assert is_strong(row)
        assert row["status"] == "open"
    assert [row["bill_id"] for row in rows] == ["A-1", "B-1", "C-1"]
    assert rows[1]["barcode"] is None
    for row in (rows[0], rows[2]):
        expected = gs1_128.build(
            company_code=COMPANY,
            free_field=row["case_key"].zfill(21),
            amount=row["amount"],
            payable_until=row["payable_until"],
        )
        assert row["barcode"] == expected.digits
    entry = result.entry
    assert (entry.kind, entry.actor, entry.totals["new"], entry.totals["yen"]) == (
        EntryKind.ALLOTMENT,
        "clerk",
        3,
        600_101,
    )
    assert entry.totals["scheme"] == SCHEME.model_dump(mode="json")
    assert ledger.verify().is_clean


def test_the_same_debts_get_the_same_numbers_also_a_part_of_them(ledger):
    first = allot(ledger, ("A", 1, 100), ("B", 1, 200), ("C", 1, 300))
    again = allot(ledger, ("C", 1, 300), ("D", 1, 400), ("A", 1, 100))
    assert (again.new, again.unchanged) == (1, 2)
    assert [row["bill_id"] for row in again.bills.to_pylist()] == ["C-1", "D-1", "A-1"]
    for name in ("A-1", "C-1"):
        assert by_id(again)[name] == by_id(first)[name]
    count = ledger.status().entries
    repeated = allot(ledger, ("C", 1, 300), ("D", 1, 400), ("A", 1, 100))
    assert repeated.entry is None
    assert repeated.bills.equals(again.bills)
    assert ledger.status().entries == count


def test_other_fields_of_a_debt_may_change_under_its_numbers(ledger):
    allot(ledger, ("A", 1, 100))
    result = allot(ledger, ("A", 1, 100), name="公金 花子", status="cancelled")
    assert [(row["name"], row["status"]) for row in result.bills.to_pylist()] == [("公金 花子", "cancelled")]


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({"due_on": date(2026, 6, 2)}, "due_on"),
        ({"payable_until": date(2026, 7, 11)}, "payable_until"),
        ({"payable_until": None}, "payable_until"),
        ({"item_code": "128"}, "item_code"),
    ],
)
def test_a_change_of_what_is_printed_is_an_error_that_says_to_issue_again(ledger, changes, field):
    allot(ledger, ("A", 1, 100), ("B", 1, 200))
    with pytest.raises(InvalidInputError, match="next issue_no") as error:
        allot(ledger, ("B", 1, 200), ("C", 1, 5), **changes)
    assert codes(error) == [("ISSUED_DIFFERS", field, 1)]
    with pytest.raises(InvalidInputError) as error:
        allot(ledger, ("C", 1, 5), ("B", 1, 201))
    assert codes(error) == [("ISSUED_DIFFERS", "amount", 2)]
    assert (error.value.issues[0].expected, error.value.issues[0].found) == ("200", "201")
    assert len(ledger.slip_numbers()) == 2  # all rows or none


def test_a_reissue_gets_new_numbers_and_supersedes_the_earlier_slip(ledger):
    first = allot(ledger, ("A", 1, 100), ("B", 1, 200))
    result = allot(ledger, ("B", 2, 150), ("A", 1, 100))
    assert (result.new, result.reissued, result.unchanged, result.superseded) == (0, 1, 1, 1)
    old, new, other = result.bills.to_pylist()
    assert old == {**by_id(first)["B-1"], "status": "superseded"}
    assert (new["bill_id"], new["amount"], new["status"], new["barcode"][29]) == ("B-2", 150, "open", "1")
    assert new["obligation_id"] == old["obligation_id"] == "B"
    assert new["case_key"] != old["case_key"]
    assert other == by_id(first)["A-1"]
    assert allot(ledger, ("B", 2, 150), ("A", 1, 100)).bills.equals(result.bills)
    # The row of the superseded slip itself.
    assert by_id(allot(ledger, ("B", 1, 200)))["B-1"]["status"] == "superseded"
    register = ledger.slip_numbers("B-1").to_pylist()
    assert [(row["bill_id"], row["replaces_id"], row["status"]) for row in register] == [
        ("B-1", None, "superseded"),
        ("B-2", 2, "open"),
    ]
    before_reissue = ledger.entries()[1].at
    assert ledger.slip_numbers("B-1", as_of=before_reissue).column("status").to_pylist() == ["open"]


def test_a_superseded_bill_of_the_ledger_keeps_its_fields(ledger):
    first = allot(ledger, ("A", 1, 100), customer_number="C1", parts=[("water", 60), ("sewerage", 40)])
    ledger.add_bills(first.bills, actor="clerk")
    result = allot(ledger, ("A", 2, 90), customer_number="C2", parts=[("water", 90)])
    assert result.bills.to_pylist()[0] == {**first.bills.to_pylist()[0], "status": "superseded"}
    ledger.add_bills(result.bills, actor="clerk")
    assert dict(zip(*ledger.bills().select(["bill_id", "status"]).to_pydict().values(), strict=True)) == {
        "A-1": "superseded",
        "A-2": "open",
    }


def test_the_file_of_an_earlier_issue_does_not_open_a_replaced_slip_again(ledger):
    first = allot(ledger, ("A", 1, 100), ("B", 1, 200))
    second = allot(ledger, ("A", 2, 90))
    ledger.add_bills(first.bills, actor="clerk")  # in any order before the re-issue is added
    ledger.add_bills(second.bills, actor="clerk")
    before = ledger.bills()
    with pytest.raises(InvalidInputError, match="nothing was added") as error:
        ledger.add_bills(first.bills, actor="clerk")
    assert codes(error) == [("SLIP_SUPERSEDED", "bill_id", None)]
    assert (error.value.issues[0].expected, error.value.issues[0].found) == ("A-2", "A-1")
    assert ledger.bills().equals(before)
    assert (
        ledger.add_bills(allot(ledger, ("A", 1, 100), ("B", 1, 200)).bills, actor="clerk").entry.totals["unchanged"]
        == 2
    )


def test_first_slip_and_reissue_in_one_file(ledger):
    result = allot(ledger, ("A", 2, 90), ("A", 1, 100), ("A", 3, 80))
    assert [(row["bill_id"], row["status"]) for row in result.bills.to_pylist()] == [
        ("A-2", "superseded"),
        ("A-1", "superseded"),
        ("A-3", "open"),
    ]
    assert (result.new, result.reissued) == (1, 2)


def test_an_earlier_issue_number_cannot_be_allotted_later(ledger):
    allot(ledger, ("A", 3, 100))
    with pytest.raises(InvalidInputError) as error:
        allot(ledger, ("B", 1, 1), ("A", 2, 100))
    assert codes(error) == [("ISSUE_ORDER", "issue_no", 2)]
    assert error.value.issues[0].expected == "4"


def test_invalid_debts_are_rejected_whole(ledger):
    for rows, more, expected in (
        ([("A", 1, 100), ("B", 1, 5), ("A", 1, 100)], {}, ("DEBT_DUPLICATE", "obligation_id", 3)),
        ([("A", 1, 100), ("B", 1, 0)], {}, ("AMOUNT_RANGE", "amount", 2)),
        ([("A", 1, 100)], {"levy_year": None}, ("FIELD_MISSING", "levy_year", 1)),
        ([("A", 0, 100)], {}, ("AMOUNT_RANGE", "issue_no", 1)),
        ([("A" * 63, 1, 100)], {}, ("WIDTH", "bill_id", 1)),
    ):
        with pytest.raises(InvalidInputError) as error:
            allot(ledger, *rows, **more)
        assert codes(error)[:1] == [expected] or expected in codes(error)
    assert not len(ledger.slip_numbers())


def test_numbers_of_debts_that_do_not_fit_the_template_are_named(ledger):
    with pytest.raises(InvalidInputError) as error:
        allot(ledger, ("1", 1, 100), ("12345678901", 1, 100), ("X1", 1, 100), scheme=PLAIN)
    assert codes(error) == [("WIDTH", "obligation_id", 2), ("NOT_DIGITS", "obligation_id", 3)]


def test_a_series_is_exhausted(ledger):
    scheme = NumberScheme.parse({"case_key": "{item_code}{serial:1}", "first_serial": 8})
    with pytest.raises(InvalidInputError) as error:
        allot(ledger, ("A", 1, 1), ("B", 1, 1), ("C", 1, 1), scheme=scheme)
    assert codes(error) == [("SERIAL_EXHAUSTED", "case_key", 3)]
    rows = allot(ledger, ("A", 1, 1), ("B", 1, 1), scheme=scheme).bills.to_pylist()
    assert [row["case_key"] for row in rows] == ["1278".zfill(20), "1279".zfill(20)]
    with pytest.raises(InvalidInputError):
        allot(ledger, ("C", 1, 1), scheme=scheme)
    # Another item is another series.
    assert allot(ledger, ("C", 1, 1), scheme=scheme, item_code="300").new == 1


def test_items_have_rules_of_their_own(ledger):
    scheme = NumberScheme.parse({"items": {"127": {"case_key": "{serial:4}"}, "300": {"case_key": "9{serial:3}"}}})
    table = pa.concat_tables([debts(("A", 1, 1)), debts(("B", 1, 1), item_code="300"), debts(("C", 1, 1))])
    rows = ledger.allot(table, scheme, actor="clerk").bills.to_pylist()
    assert [row["case_key"][-4:] for row in rows] == ["0001", "9001", "0002"]
    with pytest.raises(InvalidInputError) as error:
        allot(ledger, ("D", 1, 1), scheme=scheme, item_code="400")
    assert codes(error) == [("CODE_UNKNOWN", "item_code", 1)]


def test_payees_have_series_of_their_own(ledger):
    allot(ledger, ("A", 1, 1), ("B", 1, 1))
    scheme = NumberScheme.parse(
        {"case_key": SCHEME.common.case_key, "check_digit": "mod11", "bill_id": "2-{obligation_id}"}
    )
    (row,) = allot(ledger, ("A", 1, 1), payee_code="99998", scheme=scheme).bills.to_pylist()
    assert row["case_key"][-9:-1] == "00000001"


def draw_in_turn(monkeypatch, *confirmations):
    """Let confirmation numbers be drawn from a list; return the numbers that are left."""
    left = [number.to_bytes(4, "little") for number in confirmations]
    monkeypatch.setattr("secrets.token_bytes", lambda size: b"".join(left.pop(0) for _ in range(size // 4)))
    return left


def test_a_number_that_another_slip_has_is_not_allotted(ledger, monkeypatch):
    """The keys of these debts are equal, so that only the confirmation differs."""
    left = draw_in_turn(monkeypatch, 500_001, 500_001, 500_002, 500_002, 500_003)
    rows = allot(ledger, ("7", 1, 10), ("07", 1, 10), scheme=PLAIN).bills.to_pylist()
    assert [row["confirmation"] for row in rows] == ["500001", "500002"]
    rows = allot(ledger, ("007", 1, 10), scheme=PLAIN).bills.to_pylist()
    assert [row["confirmation"] for row in rows] == ["500003"]
    assert not left


def test_a_number_of_a_bill_of_the_ledger_is_not_allotted(ledger, bills, monkeypatch):
    ledger.add_bills(bills(B7=100), actor="clerk")  # with the confirmation 123456
    ledger.add_bills(bills({"confirmation": "500001"}, B7=100), actor="clerk")
    ledger.add_bills(bills({"confirmation": "500002"}, B7=100), actor="clerk")
    left = draw_in_turn(monkeypatch, 500_001, 500_002, 500_004)  # of an earlier version, too
    (row,) = allot(ledger, ("7", 1, 10), scheme=PLAIN).bills.to_pylist()
    assert row["confirmation"] == "500004"
    assert not left


def test_a_bill_id_or_barcode_of_another_slip_is_an_error(ledger, bills):
    allot(ledger, ("A", 1, 10))
    ledger.add_bills(with_values(bills(B7=100), bill_id="C-1"), actor="clerk")
    for rows, more in (
        ([("D", 1, 10), ("A", 1, 10)], {"payee_code": "99998"}),
        ([("D", 1, 10), ("C", 1, 10)], {}),
    ):
        with pytest.raises(InvalidInputError) as error:
            allot(ledger, *rows, **more)
        assert codes(error) == [("BILL_REPEATED", "bill_id", 2)]
    key = f"2026127{2:08}"
    free_field = (key + mod11(key)).zfill(21)
    barcode = gs1_128.build(company_code=COMPANY, free_field=free_field, amount=5).digits
    ledger.add_bills(bills({"barcode": barcode}, B8=5), actor="clerk")
    with pytest.raises(InvalidInputError) as error:
        allot(ledger, ("E", 1, 10))
    assert codes(error) == [("SLIP_DUPLICATE", "barcode", 1)]


def test_an_allotment_cannot_be_reversed(ledger):
    entry = allot(ledger, ("A", 1, 100)).entry
    with pytest.raises(InvalidInputError, match="for ever") as error:
        ledger.reverse_entry(entry.id, reason="wrong", actor="chief")
    assert [issue.code for issue in error.value.issues] == ["NUMBERS_FINAL"]


def test_numbers_are_exported_copied_and_verified(ledger, place, tmp_path):
    allot(ledger, ("A", 1, 100), ("B", 1, 200))
    allot(ledger, ("A", 2, 100))
    rows = ledger.slip_numbers()
    (exported,) = [path for path in ledger.export(tmp_path) if path.name == "slip_numbers.csv"]
    with exported.open(encoding="utf-8") as file:
        assert [row["case_key"] for row in csv.DictReader(file)] == rows.column("case_key").to_pylist()
    assert ledger.status().rows["slip_numbers"] == 3
    Ledger.copy(place, tmp_path / "copy.db", actor="admin")
    with Ledger.open(tmp_path / "copy.db") as copy:
        assert copy.slip_numbers().equals(rows)
        assert copy.verify().is_clean
        result = allot(copy, ("A", 2, 100), ("C", 1, 5))
        assert (result.new, result.unchanged) == (1, 1)


# Any sequence of files

FILES = st.lists(
    st.lists(st.tuples(st.integers(0, 5), st.integers(0, 3)), min_size=1, max_size=8), min_size=1, max_size=6
)


@pytest.fixture(scope="module")
def prefixes():
    return iter(range(10_000))


@settings(max_examples=examples(60), suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(files=FILES)
def test_any_sequence_of_allotments_reissues_and_parts(ledger, prefixes, files):
    prefix = next(prefixes)
    issued, latest = {}, Counter()
    for file in files:
        rows = {}
        for debt, choice in file:
            name = f"{prefix}.{debt}"
            issue_no = min(choice, latest[name]) + 1
            latest[name] = max(latest[name], issue_no)
            rows[name, issue_no] = 100 * issue_no + debt
        known = len(issued.keys() & rows.keys())
        result = allot(ledger, *((*slip, amount) for slip, amount in rows.items()))
        assert (result.debts, result.unchanged) == (len(rows), known)
        assert result.new + result.reissued == len(rows) - known
        found = by_id(result)
        assert len(found) == len(result.bills)
        for name, issue_no in rows:
            bill = found.pop(f"{name}-{issue_no}")
            numbers = (bill["case_key"], bill["confirmation"], bill["barcode"])
            assert issued.setdefault((name, issue_no), numbers) == numbers
            assert bill["amount"] == rows[name, issue_no]
            assert bill["status"] == ("open" if issue_no == latest[name] else "superseded")
            assert bill["case_key"][-1] == mod11(bill["case_key"][:-1])
            assert is_strong(bill)
            assert gs1_128.parse(bill["barcode"]).amount == bill["amount"]
        assert {bill["status"] for bill in found.values()} <= {"superseded"}
        for bill in found.values():
            issue_no = int(bill["bill_id"].rpartition("-")[2])
            numbers = (bill["case_key"], bill["confirmation"], bill["barcode"])
            assert issued[bill["obligation_id"], issue_no] == numbers
            assert (bill["obligation_id"], issue_no + 1) in rows
        assert ledger.check_slips(result.bills) == []
    register = ledger.slip_numbers()
    keys = register.column("case_key").to_pylist()
    assert len({*keys}) == len(keys)
    assert len({*register.column("barcode").to_pylist()}) == len(keys)
    assert ledger.verify().is_clean


# Two writers


def _allot_in_process(url, number, results):
    """Allot numbers to debts of the writer's own, and to debts that all writers share, file by file."""
    with Ledger.open(url) as ledger:
        for file in range(6):
            own = [(f"{number}.{file}.{row}", 1, 100) for row in range(20)]
            shared = [(f"S.{file}.{row}", 1, 100) for row in range(20)]
            results.put(allot(ledger, *own, *shared).bills.select(["bill_id", "case_key", "confirmation"]).to_pylist())


def test_two_writers_never_allot_one_number_to_two_slips(ledger, place):
    context = multiprocessing.get_context("spawn")
    results = context.Queue()
    workers = [context.Process(target=_allot_in_process, args=(place, number, results)) for number in range(2)]
    for worker in workers:
        worker.start()
    rows = [row for _ in range(2 * 6) for row in results.get(timeout=300)]
    for worker in workers:
        worker.join()
        assert worker.exitcode == 0
    slips = {(row["bill_id"], row["case_key"], row["confirmation"]) for row in rows}
    assert len(slips) == len({key for _, key, _ in slips}) == len({name for name, *_ in slips}) == 6 * 20 * 3
    assert len(ledger.slip_numbers()) == len(slips)
    assert ledger.verify().is_clean


# Check before print


def with_values(table, **values):
    """A table with one value for a whole column."""
    for name, value in values.items():
        column = pa.array([value] * len(table), arrow_schema(Bill).field(name).type)
        place = table.column_names.index(name) if name in table.column_names else len(table.column_names)
        table = (
            table.set_column(place, name, column) if place < table.num_columns else table.append_column(name, column)
        )
    return table


def checked(ledger, table):
    return [(issue.code, issue.field, issue.location.record) for issue in ledger.check_slips(table, file="bills.csv")]


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({}, []),
        ({"name": "公金 花子", "period": "01"}, []),
        ({"barcode": None}, []),
        ({"amount": 101}, [("ISSUED_DIFFERS", "amount", 2)]),
        ({"due_on": date(2026, 6, 2)}, [("ISSUED_DIFFERS", "due_on", 2)]),
        ({"payable_until": None}, [("ISSUED_DIFFERS", "payable_until", 2)]),
        ({"barcode": "9" * 44}, [("ISSUED_DIFFERS", "barcode", 2)]),
        ({"obligation_id": "X"}, [("NUMBER_OF_OTHER", "obligation_id", 2)]),
        ({"obligation_id": None, "bill_id": "X"}, [("NUMBER_OF_OTHER", "bill_id", 2)]),
        ({"case_key": "7"}, [("ISSUED_DIFFERS", "case_key", 2)]),
        ({"confirmation": "000000"}, [("ISSUED_DIFFERS", "confirmation", 2)]),
    ],
)
def test_a_slip_that_differs_from_the_register_is_named(ledger, changes, expected):
    table = allot(ledger, ("A", 1, 100), ("B", 1, 100)).bills
    other = pa.concat_tables([table.slice(0, 1), with_values(table.slice(1), **changes)], promote_options="default")
    assert checked(ledger, other) == expected


def test_a_superseded_slip_that_is_open_is_named(ledger):
    allot(ledger, ("A", 1, 100))
    table = allot(ledger, ("A", 2, 100)).bills
    assert checked(ledger, table) == []
    (issue,) = ledger.check_slips(with_values(table, status="open"), file="bills.csv")
    assert (issue.code, issue.expected, issue.location.file) == ("SLIP_SUPERSEDED", "A-2", "bills.csv")
    assert issue.location.record == 1


def test_a_slip_that_differs_from_a_bill_of_the_ledger_is_named(ledger, bills):
    ledger.add_bills(bills(B1=100, B2=200), actor="clerk")
    assert checked(ledger, bills(B1=100, B2=200)) == []
    assert checked(ledger, bills(B1=100, B2=201)) == [("ISSUED_DIFFERS", "amount", 2)]
    assert checked(ledger, with_values(bills(B1=100), bill_id="B5")) == [("NUMBER_OF_OTHER", "bill_id", 1)]
    ledger.add_bills(bills({"status": "superseded"}, B1=100), actor="clerk")
    assert checked(ledger, bills(B1=100)) == [("SLIP_SUPERSEDED", "bill_id", 1)]
    assert checked(ledger, bills({"status": "superseded"}, B1=100)) == []
    # Another number is another slip.
    assert checked(ledger, bills({"confirmation": "654321"}, B1=999)) == []


def test_a_slip_that_differs_from_what_was_sent_is_named(ledger, bills):
    with ledger._database.writing() as connection:
        writer = EntryWriter(ledger._database, connection, now=ledger._clock(), actor="clerk")
        writer.begin(EntryKind.UPLOAD)
        sent = bills(B1=100).select(["bill_id", "payee_code", "item_code", "case_key", "confirmation"]).to_pylist()[0]
        sent |= {"file_no": 1, "content": "0" * 64}
        records = [
            {**sent, "record_no": 1, "operation": "new", "amount": 90},
            {**sent, "record_no": 2, "operation": "change", "amount": 100},
        ]
        writer.add_rows("upload_records", pa.Table.from_pylist(records))
        writer.commit()
    assert checked(ledger, bills(B1=100)) == []
    assert checked(ledger, bills(B1=90)) == [("ISSUED_DIFFERS", "amount", 1)]


def test_slips_are_checked_in_batches_with_the_lines_of_the_file(ledger, tmp_path):
    table = allot(ledger, *((f"D{n}", 1, 100) for n in range(5))).bills
    bill_files.write(with_values(table.slice(3), amount=5), tmp_path / "bills.csv")
    batches = bill_files.batches(tmp_path / "bills.csv", rows=1)
    issues = ledger.check_slips(batches, file="bills.csv")
    assert [(issue.code, issue.location.record) for issue in issues] == [("ISSUED_DIFFERS", 1), ("ISSUED_DIFFERS", 2)]
