"""The named cases of the specification, and input that is rejected."""

from datetime import date

import pyarrow as pa
import pytest

from kokin.issues import InvalidInputError
from kokin.matching import Index
from kokin.reconcile import Policy, reconcile

MAY_1, MAY_2 = date(2026, 5, 1), date(2026, 5, 2)


def slip(bill_id, amount=10_000, **more):
    return {
        "bill_id": bill_id,
        "payee_code": "99999",
        "item_code": "127",
        "case_key": bill_id.strip("ABCDEFGHIJKLMNOPQRSTUVWXYZ").zfill(20),
        "confirmation": "123456",
        "amount": amount,
        "due_on": date(2026, 6, 1),
        **more,
    }


def paid(bill, amount=None, day=MAY_1, **more):
    number = {name: bill[name] for name in ("payee_code", "item_code", "case_key", "confirmation")}
    return {"amount": bill["amount"] if amount is None else amount, "paid_on": day, **number, **more}


def by(name, bill, amount=None, day=MAY_1, **more):
    return {"amount": bill["amount"] if amount is None else amount, "paid_on": day, name: bill[name], **more}


def table_of(rows):
    names = sorted({name for row in rows for name in row})
    return pa.Table.from_pylist([{name: row.get(name) for name in names} for row in rows])


def run(bills, receipts, **policy):
    for number, row in enumerate(receipts):
        row.setdefault("record_no", number + 1)
    return reconcile(table_of(bills), table_of(receipts), Policy(**policy))


def outcome_tuples(done):
    columns = done.outcomes.select(["outcome", "bill_id", "applied", "excess", "balance_before"]).to_pylist()
    return [tuple(row.values()) for row in columns]


def balances(done):
    return {row["bill_id"]: (row["paid"], row["residual"], row["status"]) for row in done.balances.to_pylist()}


def test_three_way_example():
    bills = [slip("B1"), slip("B2"), slip("B3")]
    done = run(bills, [paid(bills[0]), paid(bills[0], day=MAY_2), paid(bills[1], 9_500)])
    assert outcome_tuples(done) == [
        ("MATCHED", "B1", 10_000, 0, 10_000),
        ("DUPLICATE_PAYMENT", "B1", 0, 10_000, 0),
        ("UNDERPAID", "B2", 9_500, 0, 10_000),
    ]
    assert balances(done) == {
        "B1": (10_000, 0, "settled"),
        "B2": (9_500, 500, "partial"),
        "B3": (0, 10_000, "expected"),
    }
    assert done.summary.amount == 29_500
    assert [(c.name, c.left, c.right, c.holds) for c in done.controls if c.holds is not None] == [
        ("T4", 29_500, 29_500, True),
        ("T5", 10_500, 10_500, True),
        ("T6", 3, 3, True),
    ]
    assert done.summary.controls["T1"].holds is None


TERMS = [slip(f"B{n}", obligation_id=f"O{n}", due_on=date(2026, n, 1)) for n in (6, 8, 10)]
YEAR = slip("Z99", 30_000, covers=["O10", "O6", "O8"])
ORIGINAL = slip("B1", obligation_id="O", barcode="91929999" + "0" * 20 + "10999999" + "0" * 8)
REMINDER = slip("B2", obligation_id="O")


@pytest.mark.parametrize(
    ("bills", "receipts", "expected"),
    [
        pytest.param(
            [*TERMS, YEAR],
            [paid(TERMS[0]), paid(YEAR, day=MAY_2)],
            [("MATCHED", "B6", 10_000, 0, 10_000), ("OVERPAID", "Z99", 20_000, 10_000, 20_000)],
            id="the year after an instalment",
        ),
        pytest.param(
            [*TERMS, YEAR],
            [paid(YEAR), paid(TERMS[2], day=MAY_2)],
            [("MATCHED", "Z99", 30_000, 0, 30_000), ("DUPLICATE_PAYMENT", "B10", 0, 10_000, 0)],
            id="an instalment after the year",
        ),
        pytest.param(
            [ORIGINAL, REMINDER],
            [paid(ORIGINAL), by("barcode", ORIGINAL, day=MAY_2)],
            [("MATCHED", "B1", 10_000, 0, 10_000), ("DUPLICATE_PAYMENT", "B1", 0, 10_000, 0)],
            id="QR and counter",
        ),
        pytest.param(
            [ORIGINAL, REMINDER],
            [paid(REMINDER), paid(ORIGINAL, day=MAY_2)],
            [("MATCHED", "B2", 10_000, 0, 10_000), ("DUPLICATE_PAYMENT", "B1", 0, 10_000, 0)],
            id="reminder and original",
        ),
    ],
)
def test_the_four_double_payments(bills, receipts, expected):
    assert outcome_tuples(run(bills, receipts)) == expected


def test_a_part_of_the_year_is_allocated_to_the_first_instalments():
    done = run([*TERMS, YEAR], [paid(YEAR, 15_000)])
    assert outcome_tuples(done) == [("UNDERPAID", "Z99", 15_000, 0, 30_000)]
    assert balances(done) == {
        "B6": (10_000, 0, "settled"),
        "B8": (5_000, 5_000, "partial"),
        "B10": (0, 10_000, "expected"),
        "Z99": (15_000, 15_000, "partial"),
    }


def outcomes(bills, receipts, **policy):
    return [row[0] for row in outcome_tuples(run(bills, receipts, **policy))]


B = slip("B1")


@pytest.mark.parametrize(
    ("receipts", "expected"),
    [
        ([paid(B, kind="provisional")], ["PROVISIONAL"]),
        ([paid(B, kind="provisional"), paid(B, kind="cancel")], ["CANCELLED", "CANCEL"]),
        ([paid(B, kind="provisional"), paid(B)], ["SUPERSEDED", "MATCHED"]),
        ([paid(B, kind="provisional"), paid(B), paid(B, kind="cancel")], ["SUPERSEDED", "MATCHED", "CANCEL"]),
        ([paid(B, kind="provisional", store_code="1"), paid(B, store_code="2")], ["PROVISIONAL", "MATCHED"]),
        ([paid(B, kind="provisional", amount=1), paid(B)], ["PROVISIONAL", "MATCHED"]),
        ([paid(B, kind="cancel")], ["CANCEL_WITHOUT_PROVISIONAL"]),
        ([paid(B), paid(B)], ["MATCHED", "DUPLICATE_PAYMENT"]),
        ([paid(B, 9_000), paid(B, kind="correction")], ["SUPERSEDED", "MATCHED"]),
        ([paid(B, 9_000), paid(B, 9_000), paid(B, kind="correction")], ["UNDERPAID", "SUPERSEDED", "OVERPAID"]),
        ([paid(B, kind="correction", amount=1), paid(B, kind="correction")], ["SUPERSEDED", "MATCHED"]),
        ([paid(B, provider_key="k"), paid(B, provider_key="k")], ["MATCHED", "DUPLICATE_RECORD"]),
        ([paid(B, provider_key="k"), paid(B, provider_key="k", channel="x")], ["MATCHED", "DUPLICATE_RECORD"]),
        ([paid(B, provider_key=""), paid(B, provider_key="")], ["MATCHED", "DUPLICATE_PAYMENT"]),
        ([paid(B, case_key=None), paid(B, case_key="77")], ["KEY_MISSING", "NO_BILL"]),
        ([paid(B, kind="provisional", case_key="77")], ["NO_BILL"]),
    ],
)
def test_the_rule_of_matching(receipts, expected):
    assert outcomes([B], receipts) == expected


def test_a_provisional_without_a_bill_is_not_suspense():
    done = run([B], [paid(B, kind="provisional", case_key="77"), paid(B, 1, case_key="77")])
    assert (done.summary.dispositions["suspense"], done.summary.dispositions["provisional"]) == (1, 10_000)


def test_pairs_by_policy():
    receipts = [paid(B, kind="provisional", store_code="1"), paid(B, store_code="2")]
    assert outcomes([B], receipts, pair_by=("paid_on", "paid_time")) == ["SUPERSEDED", "MATCHED"]


@pytest.mark.parametrize(
    ("twin", "expected"),
    [
        ({}, "MULTIPLE_BILLS"),
        ({"obligation_id": "O"}, "MATCHED"),
        ({"status": "superseded"}, "MATCHED"),
    ],
)
def test_one_number_on_two_slips(twin, expected):
    shared = {"virtual_account": "0010000001"}
    bills = [
        slip("B1", **shared, **({"obligation_id": "O"} if "obligation_id" in twin else {})),
        slip("B2", **shared, **twin),
    ]
    columns = sorted({name for row in bills for name in row})
    bills = [{name: row.get(name) for name in columns} for row in bills]
    done = run(bills, [by("virtual_account", bills[0])])
    assert outcome_tuples(done)[0][:2] == (expected, None if expected == "MULTIPLE_BILLS" else "B1")


def test_money_on_closed_slips_is_excess():
    bills = [slip("B1", status="cancelled"), slip("B2", status="superseded")]
    assert outcome_tuples(run(bills, [paid(bills[0]), paid(bills[1])])) == [
        ("CANCELLED_BILL", "B1", 0, 10_000, None),
        ("BILL_CHANGED", "B2", 0, 10_000, None),
    ]


@pytest.mark.parametrize(
    ("receipt", "disposition"),
    [
        (paid(B), "applied"),
        (paid(B, 12_000), "applied"),
        (paid(B, kind="provisional"), "provisional"),
        (paid(B, kind="provisional", case_key="77"), "provisional"),
        (paid(B, case_key="77"), "suspense"),
        (paid(B, case_key=None), "suspense"),
        (paid(B, kind="reversal"), "suspense"),
        (paid(B, kind="cancel"), "no_effect"),
        (paid(slip("B2", status="cancelled")), "excess"),
    ],
)
def test_every_outcome_has_the_disposition_of_its_yen(receipt, disposition):
    done = run([{**B, "status": "open"}, slip("B2", status="cancelled")], [receipt])
    assert done.outcomes["disposition"].to_pylist() == [disposition]


def test_exceptions_have_the_columns_of_outcomes():
    done = run([B], [paid(B), paid(B)])
    assert done.exceptions.column_names == [*done.outcomes.column_names, "field", "expected", "found"]
    outcome, exception = done.outcomes.to_pylist()[1], done.exceptions.to_pylist()[0]
    assert exception == {**outcome, "field": "amount", "expected": "0", "found": "10000"}


def test_the_summary_is_shown_in_notebooks():
    html = run([B], [paid(B), paid(B, case_key="77")])._repr_html_()
    assert "<tr><td>MATCHED</td><td>1</td><td>10,000</td></tr>" in html
    assert "<td>suspense</td><td></td><td>10,000</td>" in html
    assert "T6 records that count = different payments: none counts twice</td><td>holds</td>" in html


def test_exceptions_have_the_expected_and_the_found_value():
    done = run([B], [paid(B, 9_000), paid(B, case_key="77"), paid(B, case_key=None)])
    rows = done.exceptions.select(["outcome", "field", "expected", "found"]).to_pylist()
    assert [tuple(row.values()) for row in rows] == [
        ("UNDERPAID", "amount", "10000", "9000"),
        ("NO_BILL", "el_number", "a bill", "99999" + "127" + "77".zfill(20) + "123456"),
        ("KEY_MISSING", "", "el_number | barcode | customer_number | virtual_account", ""),
    ]


def test_a_receipt_without_a_number_shows_that_of_its_bill():
    done = run([ORIGINAL], [by("barcode", ORIGINAL)])
    row = done.outcomes.to_pylist()[0]
    assert (row["payee_code"], row["item_code"], row["case_key"]) == ("99999", "127", "1".zfill(20))


def test_every_invalid_bill_is_reported():
    rows = [
        slip("B1"),
        slip("B1", case_key="x"),
        slip("B3", amount=0),
        slip("B4", covers=["O9"]),
        slip("B5", due_on=None),
        slip("B6", status="lost"),
    ]
    with pytest.raises(InvalidInputError) as caught:
        Index.build(table_of(rows))
    assert sorted((issue.location.record, issue.field, issue.code) for issue in caught.value.issues) == [
        (2, "bill_id", "BILL_REPEATED"),
        (2, "case_key", "NOT_DIGITS"),
        (3, "amount", "AMOUNT_RANGE"),
        (4, "covers", "OBLIGATION_UNKNOWN"),
        (5, "due_on", "FIELD_MISSING"),
        (6, "status", "CODE_UNKNOWN"),
    ]


def test_every_invalid_receipt_is_reported():
    rows = [paid(B, -1), paid(B, day=None), paid(B, kind="maybe"), paid(B, case_key="1x"), paid(B)]
    for number, row in enumerate(rows):
        row.update(source="a.csv", record_no=11 + number)
    with pytest.raises(InvalidInputError) as caught:
        run([B], rows)
    assert [(i.location.file, i.location.record, i.field, i.code) for i in caught.value.issues] == [
        ("a.csv", 11, "amount", "AMOUNT_RANGE"),
        ("a.csv", 12, "paid_on", "FIELD_MISSING"),
        ("a.csv", 13, "kind", "CODE_UNKNOWN"),
        ("a.csv", 14, "case_key", "NOT_DIGITS"),
    ]


@pytest.mark.parametrize(("change", "code"), [({"amount": 1.5}, "FIELD_TYPE"), ({"due_on": "soon"}, "DATE_INVALID")])
def test_a_column_of_an_invalid_type_is_rejected(change, code):
    with pytest.raises(InvalidInputError, match=code):
        run([{**B, **change}], [paid(B)])


def test_columns_that_are_not_matched_on_may_have_any_type():
    bills = pa.Table.from_pylist([{**B, "parts": [{"water": 1}], "levy_year": "R8", "colour": 1.5}])
    assert outcome_tuples(reconcile(bills, table_of([paid(B)])))[0][0] == "MATCHED"


def test_without_receipts_every_bill_is_unpaid():
    done = reconcile(pa.Table.from_pylist([B]), pa.Table.from_pylist([paid(B)]).slice(0, 0))
    assert len(done.outcomes) == 0
    assert balances(done) == {"B1": (0, 10_000, "expected")}


@pytest.mark.parametrize("module", ["polars", "pandas", "duckdb"])
def test_tables_may_be_of_any_library_with_an_arrow_stream(module):
    library = pytest.importorskip(module)
    bills, receipts = pa.Table.from_pylist([B]), pa.Table.from_pylist([paid(B, record_no=1)])
    match module:
        case "pandas":
            tables = [table.to_pandas() for table in (bills, receipts)]
        case _:
            tables = [library.from_arrow(table) for table in (bills, receipts)]
    assert reconcile(*tables).outcomes == reconcile(bills, receipts).outcomes
