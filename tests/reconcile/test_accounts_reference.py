"""The accounts in columns equal the accounts in plain Python, on a city over every charge, and T1 to T6 hold on it."""

import random
from collections import Counter, defaultdict
from datetime import date

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kokin.catalog import CATALOG
from kokin.receipts import Totals
from kokin.reconcile import Policy, build_accounts, reconcile
from kokin.reconcile._setoff import match_intervals
from tests.reconcile import accounts_city, accounts_reference, cities, reference
from tests.support import examples

AS_OF = date(2026, 6, 15)
FEES = {"": 66, "010": 60}
POLICIES = {
    "default": Policy(),
    "other": Policy(
        payee_codes=("99999",),
        stale_after=5,
        year_closed="crossing",
        split={"water-charge": "water_first", "individual-resident-tax": "reject", "fixed-asset-tax": "reject"},
        refund_interest_from="payment",
        refund_interest_by_charge={"water-charge": "payment", "fixed-asset-tax": "none", "housing-rent": "month"},
        interest_segment="part",
        fee="netted",
        fees=FEES,
    ),
}


class Night:
    """The run of a city, and its accounts in plain Python."""

    def __init__(self, seed, households, policy):
        self.policy = policy
        self.bills, self.receipts = accounts_city.city(seed, households)
        self.tables = accounts_city.tables(self.bills, self.receipts)
        self.done = reconcile(*self.tables, policy)
        self.lines = [
            {**row, "own_payee_code": row["payee_code"], **outcome}
            for outcome in self.done.outcomes.to_pylist()
            for row in [self.receipts[outcome["record_no"] - 1]]
        ]
        self.accounts = build_accounts(
            self.done,
            catalog=accounts_city.BODY,
            deposits=table(self.deposits()),
            agent_reports=table(self.reports()),
            files=self.files(),
            write_offs=table(self.written_off()),
            as_of=AS_OF,
        )
        debts = reference.Obligations(self.bills)
        order = reference.order_of_finals
        self.books = accounts_reference.PlainAccounts(
            self.bills, self.lines, policy, accounts_city.BODY, AS_OF, debts, order, self.written_off()
        )

    def money(self):
        """The payments through agents and banks, also those reversed later, and the day on which they are due."""
        for line in self.lines:
            no_money = ("CANCEL", "CANCELLED", "SUPERSEDED", "DUPLICATE_RECORD", "CANCEL_WITHOUT_PROVISIONAL")
            if line["kind"] in ("final", "correction") and line["outcome"] not in no_money:
                yield line, line["settled_on"] or line["received_on"]

    def deposits(self):
        """The deposits if every agent transfers what is due."""
        due = Counter()
        for line, day in self.money():
            fee = FEES.get(line["agent_code"], FEES[""]) if self.policy.fee == "netted" else 0
            due[day, line["agent_code"]] += line["amount"] - fee
        for line in self.lines:
            if line["kind"] == "cancel" and line["settled_on"] and line["outcome"] != "DUPLICATE_RECORD":
                due[line["settled_on"], line["agent_code"]] -= line["amount"]
            if line["kind"] == "reversal" and line["outcome"] != "DUPLICATE_RECORD":
                due[line["settled_on"] or line["received_on"], line["agent_code"]] -= line["amount"]
        return [{"credited_on": day, "agent_code": agent, "amount": yen} for (day, agent), yen in due.items() if day]

    def reports(self):
        sums = defaultdict(list)
        for line, _ in self.money():
            sums[line["agent_code"], line["paid_on"].year].append(line["amount"])
        return [
            {
                "agent_code": agent,
                "first_day": date(year, 1, 1),
                "last_day": date(year, 12, 31),
                "count": len(yen),
                "amount": sum(yen),
            }
            for (agent, year), yen in sums.items()
            if agent
        ]

    def written_off(self):
        """Write off a part of the balance of some instalments."""
        open_yen = {row["bill_id"]: row["residual"] for row in self.done.balances.to_pylist()}
        names = [bill["bill_id"] for bill in self.bills[::7] if bill["period"] != "00" and open_yen[bill["bill_id"]]]
        return [{"bill_id": name, "amount": open_yen[name] // 2 + 1} for name in names]

    def files(self):
        totals = defaultdict(lambda: Totals(complete=True))
        for row in self.receipts:
            totals[row["digest"]].accepted += 1
            totals[row["digest"]].accepted_yen += row["amount"]
        return totals


def table(rows):
    return pa.Table.from_pylist(rows)


def rows(table, *names):
    return Counter(tuple(row.values()) for row in table.select(list(names)).to_pylist())


@pytest.fixture(scope="module", params=POLICIES)
def night(request):
    return Night(6, 6_000, POLICIES[request.param])


@pytest.mark.slow
def test_a_million_receipts():
    night = Night(1, 530_000, POLICIES["other"])
    assert len(night.receipts) > 1_000_000
    for test in (
        same_parts,
        same_totals,
        same_receivables,
        same_overpayments,
        same_setoff_candidates,
        same_findings,
        all_hold,
    ):
        test(night)


def same_parts(night):
    names = ("record_no", "bill_id", "charge", "account", "fiscal_year", "year_class", "applied")
    assert rows(night.accounts.parts, *names) == night.books.parts()
    applied = sum(night.done.outcomes["applied"].to_pylist())
    assert sum(night.accounts.parts["applied"].to_pylist()) == applied


def same_totals(night):
    totals = night.accounts.totals
    assert rows(totals, *totals.column_names) == Counter(night.books.totals())
    dispositions = night.done.summary.dispositions
    sums = {name: sum(totals[name].to_pylist()) for name in ("revenue", "off_budget", "overpaid", "suspense")}
    assert sums["revenue"] + sums["off_budget"] == dispositions["applied"]
    assert (sums["overpaid"], sums["suspense"]) == (dispositions["excess"], dispositions["suspense"])
    assert {row["account"] for row in totals.to_pylist() if row["off_budget"]} == {"off-budget"}


def same_receivables(night):
    receivables = night.accounts.receivables
    assert rows(receivables, *receivables.column_names) == Counter(night.books.receivables())


def same_overpayments(night):
    overpayments = night.accounts.overpayments
    names = ("record_no", "kind", "excess", "refund", "interest", "setoff_interest", "offered")
    assert rows(overpayments, *names) == night.books.overpayments()


def same_setoff_candidates(night):
    candidates = night.accounts.setoff_candidates
    names = ("record_no", "debt_bill_id", "kind", "residual", "offered", "setoff_on", "interest", "consent")
    assert rows(candidates, *names) == night.books.setoff_candidates()[0]


def same_findings(night):
    findings = rows(night.accounts.findings, "record_no", "outcome", "field", "expected", "found")
    assert findings == night.books.findings() + late(night) + overlapping(night)


def overlapping(night):
    """The files with records that another file has too, by their provider keys."""
    records, found = Counter(line["source"] for line in night.lines), Counter()
    first = {}
    for line in sorted(night.lines, key=reference.order_of_finals):
        other = first.setdefault((line["provider_key"], line["kind"]), line["source"])
        if other != line["source"]:
            found[line["source"], other] += 1
    return Counter(
        (None, "FILE_OVERLAPS", "records", "in no other file", f"{count} of {records[name]} in {other}")
        for (name, other), count in found.items()
    )


def late(night):
    """Payments without a day of settlement."""
    expected = f"a day, within {night.policy.settlement_days} days of the payment"
    return Counter(
        (line["record_no"], "MISSING_SETTLEMENT", "settled_on", expected, str(line["paid_on"]))
        for line, day in night.money()
        if day is None
        and line["outcome"] != "REVERSED"
        and (AS_OF - line["paid_on"]).days > night.policy.settlement_days
    )


def all_hold(night):
    assert {control.name: (control.holds, control.broken) for control in night.accounts.controls} == {
        f"T{number}": (True, ()) for number in range(1, 7)
    }


@pytest.mark.parametrize(
    "test",
    [same_parts, same_totals, same_receivables, same_overpayments, same_setoff_candidates, same_findings, all_hold],
)
def test_a_city_over_every_charge(night, test):
    test(night)


def test_the_city_has_every_finding_and_kind(night):
    found = set(night.accounts.findings["outcome"].to_pylist())
    expected = {"WRONG_TERM", "EXPIRED", "WRONG_BODY", "YEAR_CLOSED", "STALE_PROVISIONAL", "SPLIT_MISMATCH"}
    assert expected | {"MISSING_SETTLEMENT", "FILE_OVERLAPS", "FUTURE_DATE"} == found
    outcomes = set(night.done.outcomes["outcome"].to_pylist())
    assert {"REVERSED", "REVERSAL", "REVERSAL_WITHOUT_PAYMENT", "DUPLICATE_RECORD"} <= outcomes
    assert set(night.accounts.setoff_candidates["kind"].to_pylist()) == {"overpaid", "double", "mistaken", "wrong_term"}
    assert {True, False} == set(night.accounts.setoff_candidates["consent"].to_pylist())
    assert {"current", "past", "carried_over", None} == set(night.accounts.totals["year_class"].to_pylist())
    assert set(CATALOG.charges) == set(night.accounts.totals["charge"].to_pylist()) - {None}


def test_order_of_the_input_does_not_show(night):
    rng = random.Random(1)
    bills, receipts = list(night.bills), list(night.receipts)
    rng.shuffle(bills)
    rng.shuffle(receipts)
    billed, received = accounts_city.tables(bills, receipts)
    done = reconcile(billed, [received.slice(0, 1_000), received.slice(1_000)], night.policy)
    more = {"deposits": table(night.deposits()), "agent_reports": table(night.reports()), "files": night.files()}
    more["write_offs"] = table(night.written_off())
    again = build_accounts(done, catalog=accounts_city.BODY, as_of=AS_OF, **more)
    for name in ("exceptions", "parts", "totals", "receivables", "overpayments", "setoff_candidates", "settlements"):
        assert getattr(again, name).equals(getattr(night.accounts, name)), name
    assert again.summary == night.accounts.summary


@settings(max_examples=examples(100))
@given(st.integers(0, 2**32), st.integers(1, 12), st.integers(0, 30))
def test_nothing_is_lost_in_any_city(seed, bill_count, receipt_count):
    """With keys shared by slips, and slips that cover each other's obligations, every yen is in one row."""
    bills, receipts = cities.city(random.Random(seed).choice, bill_count, receipt_count)
    tables = cities.tables(bills, receipts)
    done = reconcile(*tables)
    accounts = build_accounts(done, as_of=AS_OF)
    assert sum(accounts.parts["applied"].to_pylist()) == done.summary.dispositions["applied"]
    assert min(accounts.parts["applied"].to_pylist(), default=1) > 0
    received = sum(accounts.totals["received"].to_pylist())
    assert received == sum(done.summary.dispositions[name] for name in ("applied", "excess", "suspense"))
    assert accounts.controls[4].holds is True


@settings(max_examples=examples(200))
@given(
    st.lists(st.tuples(st.integers(-1, 2), st.integers(0, 9))),
    st.lists(st.tuples(st.integers(-1, 2), st.integers(0, 9))),
)
def test_intervals_equal_a_loop(money, debts):
    """The plain twin of ``match_intervals``: each payment pays the debts of its group until it is used up."""
    expected, still = [], [yen for _, yen in debts]
    for row, (group, left) in enumerate(money):
        for debt, (other, _) in enumerate(debts):
            if group == other >= 0 and min(left, still[debt]):
                expected.append((row, debt, min(left, still[debt])))
                left, still[debt] = left - expected[-1][2], still[debt] - expected[-1][2]
    columns = [np.array([pair[at] for pair in pairs], np.int64) for pairs in (money, debts) for at in (0, 1)]
    found = list(zip(*(column.tolist() for column in match_intervals(*columns)), strict=True))
    assert sorted(found) == expected
