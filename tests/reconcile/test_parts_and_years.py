"""Which part of a bill and which fiscal year a payment belongs to."""

from datetime import date, timedelta

import pytest

from kokin.reconcile import Policy
from tests.reconcile.accounts_cases import BILLS, MAY_1, books, finding_rows, paid, rows, slip

# --- parts -----------------------------------------------------------------------------------------------------------

WATER = slip(1, 8_360, charge="water-charge", parts={"water-charge": 4_400, "sewerage-charge": 3_960})
RESIDENT = slip(
    2,
    31_500,
    charge="individual-resident-tax",
    parts={"municipal-resident-tax": 18_300, "prefectural-resident-tax": 12_200, "forest-environment-tax": 1_000},
)


@pytest.mark.parametrize(
    ("bill", "payments", "method", "expected"),
    [
        (WATER, [5_000], "prorata", [[2_632, 2_368]]),
        (WATER, [5_000, 3_360], "prorata", [[2_632, 2_368], [1_768, 1_592]]),
        (WATER, [5_000], "water_first", [[4_400, 600]]),
        (WATER, [5_000, 9_999], "water_first", [[4_400, 600], [3_360]]),
        (WATER, [8_360], "reject", [[4_400, 3_960]]),
        (WATER, [5_000, 3_360], "reject", [[5_000], [4_400, 3_960, -5_000]]),
        (RESIDENT, [10_000], "prorata", [[5_810, 3_873, 317]]),
        (RESIDENT, [31_499, 1], "prorata", [[18_299, 12_200, 1_000], [1]]),
        (slip(3), [1_000], "prorata", [[1_000]]),
        ({**WATER, "paid_before": 5_000}, [3_360], "prorata", [[1_768, 1_592]]),
    ],
)
def test_payments_are_divided_among_parts(bill, payments, method, expected):
    days = [MAY_1 + timedelta(n) for n in range(len(payments))]
    accounts = books(
        [bill],
        [paid(bill, yen, day) for yen, day in zip(payments, days, strict=True)],
        Policy(split={"water-charge": method}),
    )
    found = [
        [yen for number, yen in rows(accounts.parts, "record_no", "applied") if number == n + 1]
        for n in range(len(payments))
    ]
    assert found == expected
    partial = [finding for finding in finding_rows(accounts) if finding[0] == "SPLIT_MISMATCH"]
    assert len(partial) == (method == "reject" and len(payments) > 1)


def test_parts_are_booked_to_their_own_accounts():
    accounts = books([WATER], [paid(WATER, 5_000)])
    assert rows(accounts.totals, "account", "system", "charge", "revenue") == [
        ("sewerage", "sewerage", "sewerage-charge", 2_368),
        ("water", "water", "water-charge", 2_632),
    ]


def test_a_payment_is_not_divided_if_the_parts_do_not_add_up():
    bill = {**WATER, "parts": {"water-charge": 4_400, "sewerage-charge": 3_961}}
    accounts = books([bill], [paid(bill)])
    assert rows(accounts.parts, "charge", "applied") == [(None, 8_360)]
    assert finding_rows(accounts) == [("SPLIT_MISMATCH", "parts", "8360", "8361")]


def test_the_principal_and_charges_of_a_receipt_add_up():
    balanced = paid(BILLS[0], principal=9_000, late_charge=900, demand_fee=100)
    unbalanced = paid(BILLS[1], principal=9_000, late_charge=900)
    assert finding_rows(books(BILLS, [balanced, unbalanced])) == [
        ("SPLIT_MISMATCH", "principal + late_charge + demand_fee", "10000", "9900")
    ]


def test_a_slip_for_the_year_is_divided_among_the_parts_of_its_instalments():
    terms = [
        slip(
            n,
            4_000,
            obligation_id=f"O{n}",
            due_on=date(2026, n, 1),
            charge="fixed-asset-tax",
            parts={"fixed-asset-tax": 3_000, "city-planning-tax": 1_000},
        )
        for n in (6, 8)
    ]
    year = slip(9, 8_000, covers=["O6", "O8"], charge="fixed-asset-tax", obligation_id=None)
    for term in terms:
        term["covers"] = []
    accounts = books([*terms, year], [paid(terms[0], 1_000), paid(year, 5_000, MAY_1 + timedelta(1))])
    assert rows(accounts.parts, "record_no", "bill_id", "applied") == [
        (1, "B6", 750),
        (1, "B6", 250),
        (2, "B6", 2_250),
        (2, "B6", 750),
        (2, "B8", 1_500),
        (2, "B8", 500),
    ]


# --- years -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("bill", "received", "expected"),
    [
        ({"due_on": date(2026, 3, 31)}, date(2026, 5, 31), (2025, "current")),
        ({"due_on": date(2026, 3, 31)}, date(2026, 6, 1), (2026, "carried_over")),
        # 31 March 2024 is a Sunday: the term ends on it all the same.
        ({"due_on": date(2024, 4, 1), "levy_year": 2023}, date(2024, 5, 31), (2023, "current")),
        ({"due_on": date(2024, 4, 1), "levy_year": 2023}, date(2024, 6, 3), (2024, "carried_over")),
        ({"due_on": date(2024, 4, 1), "levy_year": 2024}, date(2024, 6, 3), (2024, "current")),
        ({"levy_year": 2026, "tax_year": 2023}, date(2026, 6, 1), (2026, "past")),
        ({"levy_year": 2025, "tax_year": 2023}, date(2026, 6, 1), (2026, "carried_over")),
        ({"due_on": date(2026, 3, 31), "charge": "water-charge"}, date(2026, 4, 3), (2026, "carried_over")),
        ({"due_on": date(2026, 3, 31), "charge": "water-charge"}, date(2026, 3, 31), (2025, "current")),
    ],
)
def test_the_fiscal_year_of_a_receipt(bill, received, expected):
    bill = slip(1, **bill)
    accounts = books([bill], [paid(bill, day=received - timedelta(2), received_on=received)])
    assert rows(accounts.totals, "fiscal_year", "year_class") == [expected]


@pytest.mark.parametrize(
    ("policy", "paid_on", "received_on", "found"),
    [
        ("all", date(2026, 5, 29), date(2026, 6, 2), True),
        ("all", date(2026, 7, 1), date(2026, 7, 2), True),
        ("all", date(2026, 5, 29), date(2026, 5, 31), False),
        ("crossing", date(2026, 5, 29), date(2026, 6, 2), True),
        ("crossing", date(2026, 5, 31), date(2026, 6, 2), True),
        ("crossing", date(2026, 6, 1), date(2026, 6, 2), False),
    ],
)
def test_receipts_after_the_books_have_closed_are_found(policy, paid_on, received_on, found):
    bills = [slip(1, due_on=date(2026, 3, 31)), slip(2, due_on=date(2026, 3, 31), charge="water-charge")]
    receipts = [paid(bill, day=paid_on, received_on=received_on) for bill in bills]
    expected = [("YEAR_CLOSED", 1, "received_on", "2026-05-31", str(received_on))] if found else []
    accounts = books(bills, receipts, Policy(year_closed=policy))
    assert finding_rows(accounts, "outcome", "record_no", "field", "expected", "found") == expected
