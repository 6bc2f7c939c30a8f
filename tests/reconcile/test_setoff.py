"""Overpayments with their interest, and the debts against which they could be set off."""

from datetime import date, timedelta

import pytest

from kokin.reconcile import Policy
from kokin.rules import late_charge
from tests.reconcile.accounts_cases import JUNE_1, MAY_1, books, finding_rows, paid, rows, slip


@pytest.mark.parametrize(
    ("start", "excess", "interest"),
    # After the month: 2 May to 31 December, 244 days at 0.9 %, 1,203 yen; 90 days of 2026 at 1.3 %, 641 yen.
    [("payment", 200_500, 1_900), ("payment", 100_500, 0), ("month", 200_500, 1_800)],
)
def test_refund_interest(start, excess, interest):
    bill = slip(1)
    receipts = [paid(bill, day=date(2025, 3, 31)), paid(bill, excess, date(2025, 4, 1))]
    accounts = books([bill], receipts, Policy(refund_interest_from=start), as_of=date(2026, 3, 31))
    assert rows(accounts.overpayments, "kind", "excess", "interest") == [("double", excess, interest)]


def test_interest_on_a_set_off_ends_when_it_becomes_possible():
    """500,000 paid in duplicate on 25 June, 300,000 set off against the term due on 31 July: 0, not 2,600 (17の2④)."""
    bills = [slip(1, 500_000, due_on=date(2026, 6, 30)), slip(2, 500_000, due_on=date(2026, 7, 31))]
    receipts = [paid(bills[0], day=date(2026, 6, 20)), paid(bills[0], day=date(2026, 6, 25))]
    accounts = books(bills, receipts, as_of=date(2026, 12, 18))
    assert rows(accounts.overpayments, "excess", "refund", "interest", "setoff_interest", "offered") == [
        (500_000, 0, 0, 0, 500_000)
    ]
    assert rows(accounts.setoff_candidates, "debt_bill_id", "setoff_on", "interest") == [("B2", date(2026, 7, 31), 0)]
    alone = books(bills[:1], receipts, as_of=date(2026, 12, 18))
    assert rows(alone.overpayments, "refund", "interest", "offered") == [(500_000, 2_600, 0)]


def test_the_debt_counts_as_paid_on_the_day_of_the_set_off():
    """The debt was due before the overpayment arose: 延滞金 runs to that day, 還付加算金 does not begin."""
    bills = [slip(1, 200_000), slip(2, 100_000, due_on=date(2025, 12, 1))]
    receipts = [paid(bills[0]), paid(bills[0], day=date(2026, 5, 20))]
    accounts = books(bills, receipts, as_of=date(2026, 12, 18))
    (row,) = accounts.setoff_candidates.to_pylist()
    assert (row["offered"], row["setoff_on"], row["interest"]) == (100_000, date(2026, 5, 20), 0)
    assert late_charge(row["offered"], row["due_on"], row["setoff_on"]) == 3_600
    assert late_charge(row["offered"], row["due_on"], accounts.as_of) == 8_900


def test_refund_and_set_off_are_cut_apart():
    """練馬区: 400,000 yen bear 1,900 + 1,900 or 3,900 yen, depending on whether they are one sum."""
    bills = [slip(1, 400_000, due_on=date(2025, 3, 31)), slip(2, 200_000, due_on=date(2026, 3, 31))]
    receipts = [paid(bills[0], day=date(2025, 3, 31)), paid(bills[0], day=date(2025, 4, 1))]
    policy = Policy(refund_interest_from="payment")
    accounts = books(bills, receipts, policy, as_of=date(2026, 3, 31))
    assert rows(accounts.overpayments, "refund", "interest", "setoff_interest") == [(200_000, 1_900, 1_900)]
    alone = books(bills[:1], receipts, policy, as_of=date(2026, 3, 31))
    assert rows(alone.overpayments, "refund", "interest", "setoff_interest") == [(400_000, 3_900, 0)]


@pytest.mark.parametrize(
    ("charge", "by_charge", "interest"),
    [
        ("light-vehicle-tax", {}, 1_800),
        ("light-vehicle-tax", {"light-vehicle-tax": "payment"}, 1_900),
        ("light-vehicle-tax", {"light-vehicle-tax": "none"}, 0),
        ("water-charge", {}, 0),
        ("water-charge", {"water-charge": "month"}, 1_800),
        ("housing-rent", {"water-charge": "month"}, 0),
        ("no-such-charge", {}, 1_800),
        (None, {}, 1_800),
    ],
)
def test_a_private_claim_bears_no_interest_unless_the_policy_says_so(charge, by_charge, interest):
    bill = slip(1, charge=charge)
    receipts = [paid(bill, day=date(2025, 3, 31)), paid(bill, 200_500, date(2025, 4, 1))]
    accounts = books([bill], receipts, Policy(refund_interest_by_charge=by_charge), as_of=date(2026, 3, 31))
    assert accounts.overpayments["interest"].to_pylist() == [interest]


def test_a_set_off_with_consent_has_no_day_in_law():
    bills = [slip(1, 500_000), slip(2, 300_000, charge="housing-rent", due_on=date(2026, 5, 11))]
    receipts = [paid(bills[0], day=date(2025, 4, 1)), paid(bills[0], day=date(2025, 4, 1))]
    accounts = books(bills, receipts, as_of=date(2026, 12, 18))
    assert rows(accounts.setoff_candidates, "offered", "consent", "setoff_on", "interest") == [
        (300_000, True, None, None)
    ]
    # Without the consent all of it is refunded.
    assert rows(accounts.overpayments, "refund", "setoff_interest", "offered") == [(500_000, 0, 300_000)]


def test_kinds_of_overpayment():
    bills = [slip(1), slip(2, status="superseded"), slip(3, status="cancelled"), slip(4)]
    receipts = [paid(bills[0], 12_000), paid(bills[1]), paid(bills[2]), paid(bills[3]), paid(bills[3], day=JUNE_1)]
    accounts = books([{"status": "open", **bill} for bill in bills], receipts)
    assert rows(accounts.overpayments, "bill_id", "kind", "excess") == [
        ("B1", "overpaid", 2_000),
        ("B2", "mistaken", 10_000),
        ("B3", "mistaken", 10_000),
        ("B4", "double", 10_000),
    ]


def test_candidates_follow_the_law_and_the_due_date():
    """25,000 overpaid on a tax: the payer's taxes by due date, then other debts with consent; no other payer's."""
    paid_twice = slip(1, 25_000)
    bills = [
        paid_twice,
        slip(2, due_on=date(2026, 5, 11), charge="housing-rent"),
        slip(3, due_on=date(2026, 5, 15)),
        slip(4, due_on=date(2026, 5, 13), charge="fixed-asset-tax"),
        slip(5, due_on=date(2026, 5, 12), payer_key="P2"),
        slip(6, due_on=date(2026, 6, 2)),
        slip(7, due_on=date(2026, 5, 10), payee_code="88888"),
    ]
    accounts = books(bills, [paid(paid_twice), paid(paid_twice, day=MAY_1 + timedelta(1))], as_of=JUNE_1)
    assert rows(accounts.setoff_candidates, "debt_bill_id", "offered", "consent") == [
        ("B4", 10_000, False),
        ("B3", 10_000, False),
        ("B2", 5_000, True),
    ]
    assert accounts.overpayments["offered"].to_pylist() == [25_000]
    assert sum(accounts.receivables["unpaid"].to_pylist()) == 60_000  # no yen is moved


def test_no_yen_of_a_debt_is_in_two_candidates():
    bills = [slip(1), slip(2), slip(3, 12_000, due_on=date(2026, 5, 10))]
    receipts = [paid(bill, day=MAY_1 + timedelta(n)) for n in (0, 1) for bill in bills[:2]]
    accounts = books(bills, receipts, as_of=JUNE_1)
    assert rows(accounts.setoff_candidates, "bill_id", "debt_bill_id", "offered") == [
        ("B1", "B3", 10_000),
        ("B2", "B3", 2_000),
    ]
    assert accounts.overpayments["offered"].to_pylist() == [10_000, 2_000]


TERMS = [slip(n, 3_000 + n, period=f"{n:02d}", due_on=date(2026, 2 * n, 10)) for n in (1, 2, 3, 4)]


@pytest.mark.parametrize(
    ("term", "paid_on", "as_of", "found"),
    [
        (4, date(2026, 6, 5), date(2026, 7, 1), [("02", "03"), ("04", "B3", 3_003)]),
        (4, date(2026, 6, 5), date(2026, 6, 5), None),  # instalment 3 may still be paid
        (4, date(2026, 6, 11), date(2026, 7, 1), None),  # instalment 3 is in arrears; this is instalment 4
        (3, date(2026, 6, 5), date(2026, 7, 1), None),
    ],
)
def test_the_slip_of_another_instalment(term, paid_on, as_of, found):
    """第3期 was due, and the slip of 第4期 was paid: 誤納金, a candidate for 第3期, not paid in advance."""
    receipts = [paid(TERMS[0]), paid(TERMS[1]), paid(TERMS[term - 1], day=paid_on)]
    accounts = books(TERMS, receipts, as_of=as_of)
    if found is None:
        assert (finding_rows(accounts), len(accounts.setoff_candidates)) == ([], 0)
        return
    assert finding_rows(accounts) == [("WRONG_TERM", "period", "03", "04")]
    assert rows(accounts.setoff_candidates, "kind", "bill_id", "debt_bill_id", "offered") == [
        ("wrong_term", "B4", "B3", 3_003)
    ]
    assert len(accounts.overpayments) == 0
