"""Arrears: the late charge of the day, its days at each rate, and the end of limitation, equal the scalar rules."""

from collections import defaultdict
from datetime import date
from pathlib import Path

import pytest

from kokin import rules
from kokin.catalog import CATALOG, load
from kokin.reconcile import Policy, build_accounts, reconcile
from kokin.rules import RATES, LateChargeRule, RateTable
from tests.reconcile import accounts_city, accounts_reference, reference
from tests.reconcile.accounts_cases import books, paid, slip

AUTHORITY = load(Path(__file__).parent / "authority-late-charges.toml")
MONEY = ("late_charge", "reduced_days", "full_days")


def arrears(bills, receipts=(), policy=None, **more):
    """The arrears of some slips, by bill; a receipt for a bill without arrears, so that there is a run."""
    other = slip(99, 1, due_on=date(2030, 1, 1))
    accounts = books([*bills, other], [*receipts, paid(other)], policy, **{"catalog": AUTHORITY, **more})
    return {row["bill_id"]: row for row in accounts.arrears.to_pylist()}


# --- vectors ---------------------------------------------------------------------------------------------------------

# Charge, yen, due date, day, late charge, days at the reduced and at the full rate, end of limitation.
VECTORS = [
    # The published example of a city.
    ("light-vehicle-tax", 56_400, "2026-02-02", "2026-05-29", 1_300, 28, 88, "2031-02-02"),
    ("light-vehicle-tax", 100_000, "2026-06-30", "2026-07-31", 0, 31, 0, "2031-06-30"),
    ("light-vehicle-tax", 1_999, "2020-06-30", "2026-06-30", 0, 31, 2_160, "2025-06-30"),
    # The published example of a ward: the reduced rate for three months.
    ("national-health-insurance-premium", 100_000, "2021-04-30", "2021-10-31", 2_800, 92, 92, "2023-04-30"),
    # 14.6 % from the first day.
    ("child-rearing-allowance-recovery", 100_000, "2026-01-05", "2026-01-30", 1_000, 0, 25, "2031-01-05"),
    # Statutory interest: 3 % on the whole principal.
    ("water-charge", 36_500, "2026-01-05", "2026-01-15", 30, 0, 10, "2031-01-05"),
    # Nothing is charged.
    ("child-rearing-allowance-return", 100_000, "2026-01-05", "2026-07-31", 0, None, None, "2031-01-05"),
    # The rule is not known, or depends on a demand.
    ("housing-rent", 100_000, "2026-01-05", "2026-07-31", None, None, None, "2031-01-05"),
    ("childcare-fee", 100_000, "2026-01-05", "2026-07-31", None, None, None, "2031-01-05"),
    ("property-use-fee", 100_000, "2026-01-05", "2026-07-31", None, None, None, "2031-01-05"),
    # A charge that the catalog does not have.
    ("parking", 100_000, "2026-01-05", "2026-07-31", None, None, None, None),
]


@pytest.mark.parametrize(("charge", "yen", "due_on", "day", "late", "reduced", "full", "limitation"), VECTORS)
def test_the_money_of_a_debt(charge, yen, due_on, day, late, reduced, full, limitation):
    bill = slip(1, yen, charge=charge, due_on=date.fromisoformat(due_on))
    row = arrears([bill], as_of=date.fromisoformat(day))["B1"]
    assert tuple(row[name] for name in MONEY) == (late, reduced, full)
    assert row["limitation_ends_on"] == (limitation and date.fromisoformat(limitation))


def test_without_a_rule_of_the_authority_only_local_taxes_have_money():
    bills = [slip(n, 100_000, charge=charge, due_on=date(2025, 6, 2)) for n, charge in enumerate(CATALOG.charges, 1)]
    rows = arrears(bills, catalog=CATALOG, as_of=date(2026, 6, 15))
    with_money = {row["charge"] for row in rows.values() if row["late_charge"]}
    nothing = {row["charge"] for row in rows.values() if row["late_charge"] == 0}
    assert with_money == {charge.id for charge in CATALOG.charges.values() if charge.late_charge.value == "tax"}
    assert nothing == {charge.id for charge in CATALOG.charges.values() if charge.late_charge.value == "none"}


def test_the_charge_is_on_what_is_unpaid():
    bill = slip(1, 100_000, due_on=date(2025, 6, 2))
    rows = arrears([bill], [paid(bill, 40_000, date(2025, 12, 1))], as_of=date(2026, 6, 15))
    assert rows["B1"]["late_charge"] == rules.late_charge(60_000, date(2025, 6, 2), date(2026, 6, 15))


@pytest.mark.parametrize(
    ("due_on", "as_of", "is_null"),
    [
        ("1998-06-30", "1999-06-30", [True, False, False]),
        ("2026-06-30", "2099-06-30", [True, False, False]),
        ("2029-03-30", "2029-06-30", [True, False, False]),
        ("2029-03-31", "2029-06-30", [True, False, True]),
    ],
)
def test_money_is_null_for_a_day_without_a_rate(due_on, as_of, is_null):
    """Yearly rates, a fixed one, and the statutory one of the first day of delay, known to 31 March 2029."""
    days = {"due_on": date.fromisoformat(due_on)}
    bills = [slip(1, **days), slip(2, **days, charge="road-occupancy-fee"), slip(3, **days, charge="water-charge")]
    rows = arrears(bills, as_of=date.fromisoformat(as_of))
    assert [rows[name]["late_charge"] is None for name in ("B1", "B2", "B3")] == is_null
    assert rows["B2"]["limitation_ends_on"] == rules.limitation_ends_on(days["due_on"], 5)


def test_an_authority_adds_the_rates_of_a_year():
    bill, as_of = slip(1, 100_000, due_on=date(2026, 6, 30)), date(2027, 6, 30)
    rates = RATES.with_average(2027, "1.0")
    assert arrears([bill], as_of=as_of)["B1"]["late_charge"] is None
    row = arrears([bill], as_of=as_of, rates=rates)["B1"]
    assert row["late_charge"] == rules.late_charge(100_000, bill["due_on"], as_of, rates=rates)
    assert arrears([bill], as_of=as_of, rates=RateTable({}))["B1"]["late_charge"] is None


def test_a_debt_due_at_the_end_of_time_has_no_money():
    bill = slip(1, 100_000, charge="road-occupancy-fee", due_on=date(9999, 12, 30))
    row = arrears([bill], as_of=date(9999, 12, 31))["B1"]
    assert [row[name] for name in (*MONEY, "limitation_ends_on")] == [None] * 4


# --- parts that are debts of their own -------------------------------------------------------------------------------

WATER = slip(
    1,
    83_600,
    charge="water-charge",
    due_on=date(2025, 6, 2),
    parts={"water-charge": 44_000, "sewerage-charge": 39_600},
)
AS_OF = date(2026, 6, 15)


def charges_of(water, sewerage):
    due_on = WATER["due_on"]
    statutory, ordinance = (AUTHORITY.charge(name).applicable_rule for name in ("water-charge", "sewerage-charge"))
    return rules.late_charge(water, due_on, AS_OF, rule=statutory) + rules.late_charge(
        sewerage, due_on, AS_OF, rule=ordinance
    )


@pytest.mark.parametrize(
    ("method", "paid_before", "payment", "left"),
    [
        ("prorata", 0, 0, (44_000, 39_600)),
        ("prorata", 0, 50_000, (17_684, 15_916)),
        ("prorata", 50_000, 0, (17_684, 15_916)),
        ("water_first", 0, 50_000, (0, 33_600)),
        ("water_first", 10_000, 40_000, (0, 33_600)),
        ("reject", 0, 0, (44_000, 39_600)),
        ("reject", 0, 50_000, None),
        ("reject", 50_000, 0, None),
    ],
)
def test_water_and_sewerage_are_computed_apart(method, paid_before, payment, left):
    bill = {**WATER, "paid_before": paid_before}
    receipts = [paid(bill, payment)] if payment else []
    row = arrears([bill], receipts, Policy(split={"water-charge": method}), as_of=AS_OF)["B1"]
    assert row["late_charge"] == (None if left is None else charges_of(*left))
    # Water has no reduced rate, sewerage has.
    assert row["reduced_days"] == (30 if left and not left[0] else None)
    assert row["limitation_ends_on"] == date(2030, 6, 2)


def test_parts_that_are_not_known_have_no_money():
    invalid = {**WATER, "parts": {"water-charge": 44_000, "sewerage-charge": 39_601}}
    assert arrears([invalid], as_of=AS_OF)["B1"]["late_charge"] is None
    assert arrears([WATER], as_of=AS_OF, catalog=CATALOG)["B1"]["late_charge"] is None
    one_rule = {**WATER, "parts": {"sewerage-charge": 83_600}}
    assert arrears([one_rule], as_of=AS_OF)["B1"]["late_charge"] == charges_of(0, 83_600)


def test_the_shares_of_one_debt_are_cut_together():
    parts = {f"nhi-premium-{share}": 1_900 for share in ("medical", "support", "care", "childcare")}
    bill = slip(1, 7_600, charge="national-health-insurance-premium", due_on=date(2023, 6, 2), parts=parts)
    row = arrears([bill], as_of=AS_OF)["B1"]
    rule = LateChargeRule(reduced_months=3)
    assert row["late_charge"] == rules.late_charge(7_600, bill["due_on"], AS_OF, rule=rule) > 0


# --- a city ----------------------------------------------------------------------------------------------------------


class Debts(accounts_reference.PlainAccounts):
    """The accounts in plain Python, with the open yen of each part."""

    def open_parts(self):
        """Yen by part of each obligation with parts; None if it is not known how its open yen are divided."""
        found = {}
        put = defaultdict(list)
        for _, debt, part, yen in self.cut()[0]:
            put[debt].append((part, yen))
        for debt, open_yen in self.unpaid.items():
            bill = self.own_slip(debt)
            still, before = dict(bill["parts"]), self.whole[debt] - self.debts.balance[debt]
            method = self.policy.split.get(self.charge(bill), "prorata")
            if sum(still.values()) != self.whole[debt]:
                found[debt] = None
                continue
            if method != "reject":
                accounts_reference.take(still, before, method)
            for part, yen in put[debt]:
                if part in still:
                    still[part] -= yen
            found[debt] = still if sum(still.values()) == open_yen else None
        return found

    def late_charge(self, debt, open_parts):
        """The late charge of an obligation by the scalar rule."""
        bill = self.own_slip(debt)
        names = [name for name, _ in bill["parts"]] or [self.charge(bill)]
        kinds = {(self.known(name, "system"), self.known(name, "applicable_rule")) for name in names}
        if len(kinds) == 1:
            return self.charge_by_rule(names[0], bill["due_on"], self.unpaid[debt])
        if open_parts[debt] is None:
            return None
        charges = [self.charge_by_rule(name, bill["due_on"], yen) for name, yen in open_parts[debt].items() if yen]
        return None if None in charges else sum(charges)

    def charge_by_rule(self, name, due_on, yen):
        charge = self.catalog.charges[name]
        rule = charge.applicable_rule
        if not charge.bears_late_charge:
            return 0
        if rule is None or rule.accrues_from == "demand" or rule.reduced_until == "demand":
            return None
        return rules.late_charge(yen, due_on, self.as_of, rule=rule)


@pytest.mark.parametrize("method", ["prorata", "water_first", "reject"])
@pytest.mark.parametrize("seed", [3, 4])
def test_a_city_equals_the_scalar_rules(seed, method):
    policy = Policy(split=dict.fromkeys(("water-charge", "fixed-asset-tax"), method))
    bills, receipts = accounts_city.city(seed, 2_000, AUTHORITY)
    done = reconcile(*accounts_city.tables(bills, receipts), policy)
    lines = [
        {**receipts[outcome["record_no"] - 1], "own_payee_code": None, **outcome}
        for outcome in done.outcomes.to_pylist()
    ]
    accounts = build_accounts(done, catalog=AUTHORITY, as_of=AS_OF)
    debts = reference.Obligations(bills)
    books_ = Debts(bills, lines, policy, AUTHORITY, AS_OF, debts, reference.order_of_finals, [])
    open_parts = books_.open_parts()
    by_bill = {books_.own_slip(debt)["bill_id"]: debt for debt in books_.unpaid}
    rows = accounts.arrears.to_pylist()
    assert len(rows) > 300
    for row in rows:
        debt = by_bill[row["bill_id"]]
        assert row["late_charge"] == books_.late_charge(debt, open_parts), row
        if row["full_days"] is not None:
            assert row["reduced_days"] + row["full_days"] == row["days"]
        charge = AUTHORITY.charges[row["charge"]]
        assert row["limitation_ends_on"] == rules.limitation_ends_on(row["due_on"], charge.limitation_years)
    assert {row["charge"] for row in rows if row["late_charge"]} > {"water-charge", "long-term-care-premium"}
