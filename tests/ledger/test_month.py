"""A month of thirty files with duplicates, reversals and changed bills gives the same ledger as one reconciliation."""

import random
from datetime import UTC, date, datetime, time, timedelta

import pyarrow as pa
import pytest

from kokin import receipts as receipt_files
from kokin.ledger import Ledger
from kokin.model import Bill, Receipt, arrow_schema
from kokin.reconcile import Policy, build_accounts, reconcile

FIRST, LAST = date(2026, 5, 1), date(2026, 6, 30)
DAYS = 30
NUMBER = ("payee_code", "item_code", "case_key", "confirmation")
FEE = 66


def day_of(number):
    return FIRST + timedelta(days=number)


class Month:
    """Bills, and the receipts of each day's file."""

    def __init__(self, seed, count):
        self.rng = random.Random(seed)
        self.bills = {}
        for number in range(count):
            amount = self.rng.randrange(1_000, 20_000)
            self.bills[f"B{number}"] = self.bill(f"B{number}", number, amount)
            if number % 10 == 0:  # a second slip with a reminder, for the same obligation
                reminder = self.bill(f"R{number}", count + number, amount)
                self.bills[f"R{number}"] = {**reminder, "obligation_id": f"B{number}"}
                self.bills[f"B{number}"]["obligation_id"] = f"B{number}"
        self.files = [[] for _ in range(DAYS)]
        self.serial = 0
        for name in list(self.bills):
            self.pay(name)
        for number, file in enumerate(self.files):
            if number >= 5:  # redelivered in another file
                file += self.rng.sample(self.files[number - 5], min(2, len(self.files[number - 5])))
            self.rng.shuffle(file)

    def bill(self, name, number, amount):
        slip = ("99999", "127", str(number).zfill(20), "123456")
        return {
            **dict(zip(NUMBER, slip, strict=True)),
            "bill_id": name,
            "amount": amount,
            "due_on": date(2026, 6, 1),
            "charge": "light-vehicle-tax",
            "obligation_id": None,
            "status": "open",
        }

    def receipt(self, name, day, **more):
        bill = self.bills[name]
        self.serial += 1
        row = {
            **{name: bill[name] for name in NUMBER},
            "kind": "final",
            "amount": bill["amount"],
            "paid_on": day_of(day),
            "received_on": day_of(day + 2),
            "settled_on": day_of(day + 5),
            "agent_code": self.rng.choice(("010", "020")),
            "channel": "app",
            "provider_key": f"EL{self.serial:06d}",
        }
        return {**row, **more}

    def pay(self, name):
        """Most bills are paid once, by phone or at a store; some twice, in part, never."""
        day, fate = self.rng.randrange(DAYS - 6), self.rng.random()
        till = {"paid_time": time(9, self.rng.randrange(60)), "store_code": str(self.rng.randrange(100, 103))}
        if fate < 0.25:  # 速報, then 確報
            final = self.receipt(name, day, **till)
            self.files[day].append(self.till_record(final, "provisional"))
            self.files[day + 3].append(final)
        elif fate < 0.35:  # 速報, then 取消
            voided = self.receipt(name, day, **till)
            self.files[day].append(self.till_record(voided, "provisional"))
            self.files[day + 1].append(self.till_record(voided, "cancel"))
        elif fate < 0.75:
            self.files[day].append(self.receipt(name, day))
        elif fate < 0.85:  # twice; the later payment is reported first
            self.files[day].append(self.receipt(name, day))
            self.files[day + 4].append(self.receipt(name, max(day - 1, 0)))
        elif fate < 0.92:
            self.files[day].append(self.receipt(name, day, amount=self.bills[name]["amount"] // 2))

    @staticmethod
    def till_record(final, kind):
        """The till's record of a payment, before it is collected."""
        return {**final, "kind": kind, "provider_key": None, "received_on": None, "settled_on": None}

    def change(self):
        """更正: change amounts, and cancel bills."""
        names = self.rng.sample([name for name, bill in self.bills.items() if not bill["obligation_id"]], 9)
        for number, name in enumerate(names):
            self.bills[name].update(({"amount": 777}, {"status": "cancelled"}, {"status": "superseded"})[number % 3])

    def table(self):
        rows = pa.Table.from_pylist(list(self.bills.values()), arrow_schema(Bill))
        return rows.drop_columns([name for name in rows.column_names if rows.column(name).null_count == len(rows)])

    def money(self, files):
        """The collected payments of some files, without duplicates."""
        seen = {}
        for number in sorted(files):
            for row in self.files[number]:
                if row["kind"] == "final":
                    seen[row["provider_key"]] = row
        return list(seen.values())


def write(month, number, folder):
    path = folder / f"day-{number:02d}.csv"
    receipt_files.write(month.files[number], path, "kokin-csv")
    return path


def as_table(rows):
    return pa.Table.from_pylist(rows)


def night(ledger, month, number, path):
    """Post a file, and post it again, as a batch that was started twice."""
    done = ledger.post(receipt_files.open(path, "kokin-csv"), actor="batch")
    assert done.inserted
    assert not ledger.post(receipt_files.open(path, "kokin-csv"), actor="batch").inserted
    return done.entry.id


@pytest.mark.parametrize(
    "count", [pytest.param(60, marks=pytest.mark.thorough), pytest.param(20_000, marks=pytest.mark.slow)]
)
def test_a_month_of_files(place, tmp_path, count):
    month = Month(5, count)
    clock = [datetime(2026, 5, 1, 12, tzinfo=UTC)]
    policy = Policy(fees={"": FEE}, fee="netted")
    paths = [write(month, number, tmp_path) for number in range(DAYS)]
    with Ledger.create(place, policy=policy, clock=lambda: clock[0]) as ledger:
        ledger.add_bills(month.table(), actor="clerk")
        entries, hashes = {}, []
        for number in range(DAYS):
            clock[0] += timedelta(days=1)
            entries[number] = night(ledger, month, number, paths[number])
            if number == 12:
                wrong = ledger.reverse_entry(entries[11], reason="another authority's file", actor="chief").entry.id
            if number == 14:
                before = ledger.status()
                ledger.reverse_entry(wrong, reason="it was ours", actor="chief")
                assert ledger.status().rows["receipts"] == before.rows["receipts"]
            if number == 17:
                month.change()
                assert ledger.add_bills(month.table(), actor="clerk").entry.totals["changed"] == 9
            if number == 21:
                ledger.reverse_entry(entries[20], reason="the agent withdraws it", actor="chief")
            hashes.append(ledger.status().hash)
        active = set(range(DAYS)) - {20}
        add_deposits_and_reports(ledger, month.money(active))
        assert_equals_one_reconciliation(ledger, month, [paths[number] for number in sorted(active)], policy)
        assert_controls(ledger, policy)
        found = ledger.verify(expected_hash=hashes[7], rematch=True)
        assert found.is_clean, found.issues


def add_deposits_and_reports(ledger, money):
    """Add the deposits day by day, one of them wrong at first, and the agents' reports of the month."""
    sums = {}
    for row in money:
        key = row["settled_on"], row["agent_code"]
        sums[key] = sums.get(key, 0) + row["amount"] - FEE
    deposits = [{"credited_on": day, "agent_code": agent, "amount": yen} for (day, agent), yen in sorted(sums.items())]
    wrong = ledger.add_deposits(as_table([{**deposits[0], "amount": 1}]), actor="clerk", source="bank-0.txt").entry.id
    ledger.reverse_entry(wrong, reason="misread", actor="chief")
    for number, row in enumerate(deposits):
        done = ledger.add_deposits(as_table([row]), actor="clerk", source=f"bank-{number}.txt")
        assert done.inserted
    assert not ledger.add_deposits(as_table(deposits[:1]), actor="clerk", source="bank-0.txt").inserted
    assert ledger.bank_deposits().select(["amount"]).to_pylist() == [{"amount": row["amount"]} for row in deposits]
    for agent in ("010", "020"):
        amounts = [row["amount"] for row in money if row["agent_code"] == agent]
        report = {
            "first_day": FIRST,
            "last_day": LAST,
            "count": len(amounts),
            "amount": sum(amounts),
            "agent_code": agent,
        }
        ledger.add_agent_reports(as_table([report]), actor="clerk", source=f"report-{agent}.xlsx")


def assert_equals_one_reconciliation(ledger, month, paths, policy):
    """Compare the ledger with one reconciliation of all active files and the current bills."""
    files = [receipt_files.read(path, "kokin-csv") for path in paths]
    want = reconcile(month.table(), [arrow_schema(Receipt).empty_table(), *files], policy)
    assert ledger.outcomes().to_pylist() == want.outcomes.to_pylist()
    assert ledger.balances().to_pylist() == want.balances.to_pylist()
    assert ledger.status().dispositions == want.summary.dispositions
    outcomes = set(want.summary.outcomes)
    assert {"MATCHED", "DUPLICATE_PAYMENT", "UNDERPAID", "DUPLICATE_RECORD", "SUPERSEDED", "CANCELLED"} <= outcomes


def assert_controls(ledger, policy):
    bills = ledger.bills()
    accounts = build_accounts(
        reconcile(bills, ledger.receipts(), policy),
        deposits=ledger.bank_deposits(),
        agent_reports=ledger.agent_reports(),
        files=ledger.totals(),
        as_of=LAST,
    )
    assert {control.name: control.holds for control in accounts.controls} == dict.fromkeys(
        ("T1", "T2", "T3", "T4", "T5", "T6"), True
    ), accounts.controls
    assert all(control.holds for control in ledger.status().controls.values())
