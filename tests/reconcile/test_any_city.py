"""Any small city with payers, taxes, rents and years: T1 to T8 hold, with set-offs, interest and late charges."""

import random
from collections import Counter, defaultdict
from datetime import UTC, date, datetime

import pyarrow.compute as pc
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kokin import rules
from kokin.ledger import Ledger
from kokin.receipts import Totals
from kokin.reconcile import Policy, build_accounts, reconcile
from kokin.reports import Report
from tests.reconcile import cities
from tests.reconcile.test_arrears import AUTHORITY
from tests.support import examples

AS_OF = date(2026, 6, 15)
CHARGES = (
    "light-vehicle-tax",
    "fixed-asset-tax",
    "national-health-insurance-premium",
    "road-occupancy-fee",
    "housing-rent",
    "water-charge",
    None,
)
PARTS = {
    "water-charge": ("water-charge", "sewerage-charge"),
    "fixed-asset-tax": ("fixed-asset-tax", "city-planning-tax"),
}
SPLIT = {"water-charge": "water_first", "fixed-asset-tax": "reject"}
DUE_ON = (date(2024, 4, 30), date(2025, 9, 1), date(2026, 3, 2), date(2026, 6, 30))
PAID_ON = (date(2024, 4, 1), date(2025, 12, 26), date(2026, 5, 1))


def city(pick, bill_count, receipt_count):
    """A city of :mod:`tests.reconcile.cities` with larger amounts, payers, charges and dates in several years."""
    bills, receipts = cities.city(pick, bill_count, receipt_count)
    for row in bills:
        charge, amount = pick(CHARGES), row["amount"] * 1_000
        row.update(charge=charge, payer_key=pick((None, "P1", "P1", "P2")), due_on=pick(DUE_ON), amount=amount)
        row["paid_before"] *= 1_000
        if charge in PARTS and pick((True, False)):
            row["parts"] = list(zip(PARTS[charge], (amount * 2 // 3, amount - amount * 2 // 3), strict=True))
    for number, row in enumerate(receipts, 1):
        row.update(amount=row["amount"] * 1_000, paid_on=pick(PAID_ON), record_no=number)
        source = row["source"] or "d.csv"
        row.update(received_on=pick((None, row["paid_on"])), source=source, digest=source[0] * 64)
    return bills, receipts


def files_of(receipts):
    totals = defaultdict(lambda: Totals(complete=True))
    for row in receipts:
        totals[row["digest"]].accepted += 1
        totals[row["digest"]].accepted_yen += row["amount"]
    return totals


def deposits_of(accounts):
    """The deposits if the bank pays in what is expected on every day."""
    names = {"settled_on": "credited_on", "agent_code": "agent_code", "expected": "amount"}
    rows = accounts.settlements.select(list(names)).rename_columns(list(names.values()))
    return rows.filter(pc.is_valid(rows["credited_on"]))


@st.composite
def runs(draw):
    rng = random.Random(draw(st.integers(0, 2**32)))
    bills, receipts = city(rng.choice, draw(st.integers(1, 12)), draw(st.integers(0, 30)))
    return bills, receipts, Policy(split=SPLIT if draw(st.booleans()) else {})


@settings(max_examples=examples(200))
@given(runs())
def test_controls_hold_with_set_off_and_interest(run):
    bills, receipts, policy = run
    result = reconcile(*cities.tables(bills, receipts), policy)
    more = {"catalog": AUTHORITY, "as_of": AS_OF, "files": files_of(receipts)}
    accounts = build_accounts(result, **more, deposits=deposits_of(build_accounts(result, **more)))
    for control in accounts.controls:
        assert (control.holds, control.broken) == (None if control.name == "T2" else True, ()), control.name

    # The totals have every yen of the outcomes; money of others is apart from the revenue of the authority.
    dispositions = result.summary.dispositions
    names = ("revenue", "off_budget", "overpaid", "suspense")
    revenue, off_budget, overpaid, suspense = (sum(accounts.totals[name].to_pylist()) for name in names)
    assert revenue + off_budget == dispositions["applied"]
    assert (overpaid, suspense) == (dispositions["excess"], dispositions["suspense"])

    # No yen is set off against two debts, and no debt by more than is open on it.
    candidates, arrears = accounts.setoff_candidates.to_pylist(), accounts.arrears.to_pylist()
    unpaid = {row["bill_id"]: row["unpaid"] for row in arrears}
    offered = Counter()
    for row in candidates:
        offered[row["debt_bill_id"]] += row["offered"]
        assert 0 < offered[row["debt_bill_id"]] <= row["residual"]
        assert row["due_on"] == AS_OF or unpaid[row["debt_bill_id"]] == row["residual"]
        assert row["consent"] or row["due_on"] <= row["setoff_on"] <= AS_OF

    # The refund and the set-offs by law are the excess; each is cut to hundreds apart.
    for row in accounts.overpayments.to_pylist():
        assert max(row["refund"], row["offered"]) <= row["excess"]
        assert row["interest"] % 100 == row["setoff_interest"] % 100 == 0
    excess, refund = (sum(accounts.overpayments[name].to_pylist()) for name in ("excess", "refund"))
    by_law = [row["offered"] for row in candidates if not row["consent"] and row["kind"] != "wrong_term"]
    assert (excess, excess - refund) == (dispositions["excess"], sum(by_law))

    # The late charge of a debt without parts is that of the scalar rule.
    has_parts = {bill["bill_id"]: bool(bill.get("parts")) for bill in bills}
    for row in arrears:
        charge = AUTHORITY.charges.get(row["charge"])
        rule = charge and charge.applicable_rule
        if not has_parts[row["bill_id"]]:
            expected = rule and rules.late_charge(row["unpaid"], row["due_on"], AS_OF, rule=rule)
            assert row["late_charge"] == expected
        years = charge and charge.limitation_years
        assert row["limitation_ends_on"] == (years and rules.limitation_ends_on(row["due_on"], years))


@settings(max_examples=examples(100))
@given(runs())
def test_controls_hold_after_the_set_offs_are_recorded(run):
    """Each set-off becomes ``paid_before`` of its debt, which is lower by it to the yen; no other debt changes."""
    bills, receipts, policy = run
    before = build_accounts(reconcile(*cities.tables(bills, receipts), policy), catalog=AUTHORITY, as_of=AS_OF)
    obligation_of = {bill["bill_id"]: bill["obligation_id"] or bill["bill_id"] for bill in bills}
    set_off = Counter()
    for row in before.setoff_candidates.to_pylist():
        if row["kind"] != "wrong_term":
            set_off[obligation_of[row["debt_bill_id"]]] += row["offered"]
    paid_before = Counter()
    for bill in bills:
        if not bill["covers"]:
            name = obligation_of[bill["bill_id"]]
            paid_before[name] = max(paid_before[name], bill["paid_before"])
    recorded = []
    for bill in bills:
        name = obligation_of[bill["bill_id"]]
        is_set_off = set_off[name] and bill["status"] == "open" and not bill["covers"]
        recorded.append({**bill, "paid_before": paid_before[name] + set_off[name]} if is_set_off else bill)
    after = build_accounts(reconcile(*cities.tables(recorded, receipts), policy), catalog=AUTHORITY, as_of=AS_OF)
    assert not any(control.broken for control in after.controls)
    assert after.summary.dispositions == before.summary.dispositions
    unpaid, still_unpaid = (unpaid_of(accounts, obligation_of) for accounts in (before, after))
    assert {name: yen - set_off[name] for name, yen in unpaid.items() if yen > set_off[name]} == still_unpaid


def unpaid_of(accounts, obligation_of):
    """The open yen of each obligation past its due date."""
    rows = accounts.arrears.select(["bill_id", "unpaid"]).to_pylist()
    return {obligation_of[row["bill_id"]]: row["unpaid"] for row in rows}


@pytest.mark.parametrize("seed", [4, 13])
def test_the_ledger_of_a_city_has_the_same_money(seed, tmp_path):
    """T1 to T8 hold in a ledger that is posted file by file, and its tables are those of a run of everything."""
    bills, receipts = city(random.Random(seed).choice, 40, 150)
    billed, paid = cities.tables(bills, receipts)
    clock = iter(datetime(2026, 6, day, 1, tzinfo=UTC) for day in range(1, 15))
    with Ledger.create(f"sqlite:///{tmp_path}/city.db", clock=lambda: next(clock)) as ledger:
        ledger.add_bills(billed, actor="clerk", source="bills.csv")
        for source in sorted(set(paid["source"].to_pylist())):
            ledger.post(paid.filter(pc.equal(paid["source"], source)), source=source, actor="batch")
        report = Report.from_ledger(ledger, as_of=AS_OF, catalog=AUTHORITY)
    accounts = build_accounts(reconcile(billed, paid), catalog=AUTHORITY, as_of=AS_OF)
    holds = {name: control["holds"] for name, control in report.summary["controls"].items()}
    assert {name for name, result in holds.items() if result is True} == {"T1", "T4", "T5", "T6", "T7", "T8"}
    for name, table in (
        ("offers", accounts.setoff_candidates),
        ("overpayments", accounts.overpayments),
        ("arrears", accounts.arrears),
    ):
        assert len(table) > 0
        assert report.tables[name].equals(table), name
    money = ("interest", "setoff_interest", "offered", "refund")
    assert all(sum(accounts.overpayments[name].to_pylist()) for name in money)
    assert sum(yen or 0 for yen in accounts.arrears["late_charge"].to_pylist()) > 0
