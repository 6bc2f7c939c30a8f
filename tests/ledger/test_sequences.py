"""Any sequence of operations gives what one reconciliation of the active bills and receipts gives."""

import random
from collections import Counter
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta

import pyarrow as pa
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import text

from kokin.issues import InvalidInputError
from kokin.ledger import Ledger, active_entries
from kokin.matching import Index
from kokin.model import Bill, Receipt, arrow_schema
from kokin.reconcile import Policy, reconcile
from tests.support import added_changes, examples

NOON = datetime(2026, 5, 1, 12, tzinfo=UTC)
CHANGES = (
    {"amount": 700},
    {"amount": 3000},
    {"status": "cancelled"},
    {"status": "open"},
    {"case_key": "99"},
    {"barcode": None},
    {"obligation_id": None},
    {"obligation_id": "O1"},
    {"paid_before": 200},
)
POLICIES = (
    {"stale_after": 5},
    {"payee_codes": ("99999",)},
    {"fees": {"": 66}, "fee": "netted"},
    {"settlement_days": 3, "year_closed": "crossing"},
    {"split": {"water-charge": "water_first"}, "interest_segment": "year"},
)


@dataclass
class Written:
    """An entry of the model; the fields that its kind does not have are empty."""

    kind: str
    bills: dict = field(default_factory=dict)
    """The bills of a load that were new or changed, by ``bill_id``."""
    identity: tuple = ()
    """What identifies a file, a source of deposits, or a report."""
    rows: list = field(default_factory=list)
    target: int = 0
    """The entry that a reversal reverses."""
    receipt: tuple = ()
    """The receipt (entry, record number) whose posting a reversal reverses."""


class Model:
    """What is in force, from the definitions: an entry is active unless an active entry reverses it."""

    def __init__(self):
        self.entries = [Written("created")]
        self.policies = [Policy()]

    def active(self, entries=None):
        """The ids of the active entries."""
        entries = self.entries if entries is None else entries
        reversed_ids = set()
        for number in range(len(entries), 0, -1):
            if entries[number - 1].target and number not in reversed_ids:
                reversed_ids.add(entries[number - 1].target)
        return set(range(1, len(entries) + 1)) - reversed_ids

    def of_kind(self, *kinds):
        """The active entries of some kinds, by id."""
        return {n: self.entries[n - 1] for n in sorted(self.active()) if self.entries[n - 1].kind in kinds}

    def bills(self, entries=None):
        """The bills in force: of each bill the version of the last active load that has one."""
        entries, versions = self.entries if entries is None else entries, {}
        for number in sorted(self.active(entries)):
            versions |= entries[number - 1].bills
        return versions

    def files(self):
        """The active receipts, by the entry of their file."""
        active = self.active()
        reversed_alone = {self.entries[n - 1].receipt for n in active}
        return {
            number: [row for row in file.rows if (number, row["record_no"]) not in reversed_alone]
            for number, file in self.of_kind("receipt_file").items()
        }

    def settlements(self, kind):
        return [row for one in self.of_kind(kind).values() for row in one.rows]

    def find(self, kind, identity):
        return next((n for n, one in self.of_kind(kind).items() if one.identity == identity), None)

    def cursor(self, name):
        """The last entry that a consumer has acknowledged."""
        acknowledged = (one.identity for one in self.of_kind("acknowledgement").values())
        return max((entry for cursor, entry in acknowledged if cursor == name), default=0)

    def reversal_problem(self, entry):
        """The code of the issue if an entry cannot be reversed now."""
        if not 0 < entry <= len(self.entries):
            return "ENTRY_UNKNOWN"
        if self.entries[entry - 1].kind in ("created", "policy"):
            return "ENTRY_KIND"
        if any(one.target == entry for one in self.entries):
            return "ENTRY_REVERSED"
        after = [*self.entries, Written("reversal", target=entry)]
        identities = [
            (one.kind, one.identity)
            for n, one in enumerate(after, 1)
            if one.identity and one.kind != "acknowledgement" and n in self.active(after)
        ]
        if len(set(identities)) < len(identities):
            return "FILE_STANDS"
        return None if covers_known_obligations(self.bills(after)) else "OBLIGATION_UNKNOWN"


def covers_known_obligations(bills):
    own = {bill["obligation_id"] for bill in bills.values() if not bill["covers"]}
    return own >= {each for bill in bills.values() for each in bill["covers"]}


def bill_table(rows):
    return pa.Table.from_pylist(list(rows), arrow_schema(Bill))


def receipt_table(rows, *, drop_empty=False):
    table = pa.Table.from_pylist(rows, arrow_schema(Receipt))
    # Each layout fills columns of its own.
    empty = [name for name in table.column_names if drop_empty and table.column(name).null_count == len(table) > 0]
    return table.drop_columns(empty)


class Sequence:
    """Applies operations to a ledger and to the model, and compares them after each."""

    def __init__(self, ledger, clock, city):
        self.ledger, self.clock, self.model = ledger, clock, Model()
        bills, receipts = city
        #: The register (税務システム) that is sent: the source of all loads.
        self.register = {bill["bill_id"]: {name: value or None for name, value in bill.items()} for bill in bills}
        for bill in self.register.values():
            bill |= {"covers": bill["covers"] or [], "paid_before": bill["paid_before"] or 0}
        self.receipts = receipts
        self.deliveries = []
        #: Time, status and balances after each entry.
        self.points = []
        self.created = ledger.status().hash
        self.seen = Counter()

    def run(self, operation, rng):
        self.clock[0] += timedelta(minutes=1)
        count = len(self.model.entries)
        try:
            result, written, problem = *getattr(self, operation)(rng), None
        except InvalidInputError as error:
            result, written, problem = None, None, error.issues[0].code
        assert problem == self.expected_problem
        if written:
            self.model.entries.append(written)
            assert result.entry.id == count + 1
        assert result is None or result.inserted == bool(written)
        self.seen[operation if problem is None else problem] += 1
        if written:
            self.compare()
        # What is rejected or skipped writes nothing.
        assert self.ledger.status(recompute=False).hash == (self.points[-1][1].hash if self.points else self.created)

    expected_problem = None

    # Operations: each sets the expected problem, and returns the result and the entry of the model, if any.

    def add_bills(self, rng):
        """Some bills of the register, or all of them."""
        names = sorted(self.register)
        rows = [self.register[name] for name in rng.sample(names, rng.choice((len(names), rng.randrange(len(names)))))]
        return self.load(rows)

    def change_bills(self, rng):
        names = rng.sample(sorted(self.register), max(1, len(self.register) // 3))
        rows = [{**self.register[name], **rng.choice(CHANGES)} for name in names]
        for row in rows:
            if row["obligation_id"] is None and not row["covers"]:
                row["paid_before"] = min(row["paid_before"], row["amount"])
        if rng.random() < 0.7:  # else one load differs from the register
            self.register |= {row["bill_id"]: row for row in rows}
        return self.load(rows)

    def load(self, rows):
        in_force = self.model.bills()
        changed = {row["bill_id"]: row for row in rows if in_force.get(row["bill_id"]) != row}
        is_valid = covers_known_obligations(in_force | changed)
        self.expected_problem = None if is_valid else "OBLIGATION_UNKNOWN"
        result = self.ledger.add_bills(bill_table(rows), actor="clerk")
        new = sum(name not in in_force for name in changed)
        counts = {"given": len(rows), "new": new, "changed": len(changed) - new, "unchanged": len(rows) - len(changed)}
        assert result.entry.totals == counts
        return result, Written("bills", bills=changed)

    def duplicate_bills(self, rng):
        self.expected_problem = "BILL_REPEATED"
        bill = rng.choice(sorted(self.register))
        return self.ledger.add_bills(bill_table([self.register[bill]] * 2), actor="clerk"), None

    def post(self, rng):
        """A file of receipts that were not delivered yet."""
        count = rng.randrange(6)
        rows, self.receipts = self.receipts[:count], self.receipts[count:]
        return self.deliver(f"new-{len(self.deliveries)}", rows)

    def post_again(self, rng):
        """An earlier file under another name: the same bytes, other bytes, backwards, or a half of it."""
        if not self.deliveries:
            return self.post(rng)
        digest, rows = rng.choice(self.deliveries)
        form = rng.choice(("same", "other", "backwards", "half"))
        if form != "same":
            digest = f"{form}-{len(self.deliveries)}"
        half = rng.randrange(len(rows) + 1)
        rows = {"backwards": rows[::-1], "half": rng.choice((rows[:half], rows[half:]))}.get(form, rows)
        return self.deliver(digest, rows)

    def post_overlap(self, rng):
        """A file with records of two earlier ones and new ones."""
        rows = [row for _, rows in rng.sample(self.deliveries, min(2, len(self.deliveries))) for row in rows]
        new, self.receipts = self.receipts[:2], self.receipts[2:]
        return self.deliver(f"overlap-{len(self.deliveries)}", rng.sample(rows, len(rows) // 2) + new)

    def post_part(self, rng):
        """A part of a file under the digest of the whole file."""
        whole = [(digest, rows) for digest, rows in self.deliveries if rows]
        if not whole:
            return self.post(rng)
        digest, rows = rng.choice(whole)
        return self.deliver(digest, rows[:-1])

    def deliver(self, digest, rows):
        about = {"digest": digest, "source": f"{digest}-{len(self.model.entries)}.csv"}
        rows = [{**row, **about, "record_no": number} for number, row in enumerate(rows, 1)]
        posted = self.model.find("receipt_file", digest if rows else "empty")
        content = [{**row, "source": ""} for row in rows]
        is_part = posted and [{**row, "source": ""} for row in self.model.entries[posted - 1].rows] != content
        self.expected_problem = "FILE_PART" if is_part else None
        # A table without rows has no digest of a file: every empty one is the same.
        table = receipt_table(rows, drop_empty=True)
        result = self.ledger.post(table, actor="batch", source=about["source"])
        if posted:
            assert result.entry.id == posted
            return result, None
        self.deliveries.append((digest, rows))
        assert result.outcomes == counted(self.ledger.outcomes(result.entry.id), kinds_of(rows))
        return result, Written("receipt_file", identity=digest if rows else "empty", rows=rows)

    def add_deposits(self, rng):
        row = {"credited_on": date(2026, 5, rng.randrange(1, 4)), "amount": rng.choice((100, 200)), "agent_code": "A1"}
        return self.settle("bank_deposits", self.ledger.add_deposits, row, rng)

    def add_agent_reports(self, rng):
        day = date(2026, 5, rng.randrange(1, 4))
        row = {"first_day": day, "last_day": day, "count": 1, "amount": rng.choice((100, 200)), "agent_code": "A1"}
        return self.settle("agent_reports", self.ledger.add_agent_reports, row, rng)

    def settle(self, kind, add, row, rng):
        rows, source = [row] * rng.choice((1, 2)), rng.choice(("bank.txt", "other.txt"))
        identity = (source, str(rows))
        posted = self.model.find(kind, identity)
        self.expected_problem = None
        result = add(pa.Table.from_pylist(rows), actor="clerk", source=source)
        return result, None if posted else Written(kind, identity=identity, rows=rows)

    def write_off(self, rng):
        """Some yen of any bill of the register, or of one that does not exist; sometimes more than are open."""
        name = rng.choice([*sorted(self.register), "unknown"])
        bill, residual = self.model.bills().get(name), self.residuals().get(name, 0)
        row = {"bill_id": name, "amount": rng.choice((1, 100, residual or 1, residual + 1)), "reason": "消滅時効"}
        row |= {"article": "破産法253", "written_off_on": NOON.date()}
        posted = self.model.find("write_off", str(row))
        if posted:
            self.expected_problem = None
        elif bill is None:
            self.expected_problem = "BILL_UNKNOWN"
        elif bill["status"] != "open":
            self.expected_problem = "WRITE_OFF_BILL"
        else:
            self.expected_problem = "WRITE_OFF_EXCEEDS" if row["amount"] > residual else None
        result = self.ledger.write_off(pa.Table.from_pylist([row]), actor="chief")
        return result, None if posted else Written("write_off", identity=str(row), rows=[row])

    def residuals(self):
        """The yen that are open of each bill, as of the last entry."""
        return {row["bill_id"]: row["residual"] for row in self.points[-1][2].to_pylist()} if self.points else {}

    def set_policy(self, rng):
        return self.put_policy(Policy(**rng.choice(POLICIES), pair_by=self.model.policies[-1].pair_by))

    def pair_otherwise(self, rng):
        """Change the only field that decides on outcomes."""
        fields = rng.choice((("paid_on",), ("paid_on", "paid_time")))
        return self.put_policy(self.model.policies[-1].model_copy(update={"pair_by": fields}))

    def put_policy(self, policy):
        current = self.model.policies[-1]
        has_receipts = any(one.rows for one in self.model.entries if one.kind == "receipt_file")
        self.expected_problem = "POLICY_DIFFERS" if has_receipts and policy.pair_by != current.pair_by else None
        result = self.ledger.set_policy(policy, actor="chief")
        self.model.policies.append(policy)
        return result, None if policy == current else Written("policy")

    def reverse_entry(self, rng):
        """Any entry, or one that does not exist."""
        return self.reverse(rng.randrange(1, len(self.model.entries) + 2))

    def reverse_reversal(self, rng):
        reversals = [n for n, one in enumerate(self.model.entries, 1) if one.kind == "reversal"]
        return self.reverse(rng.choice(reversals)) if reversals else self.reverse_entry(rng)

    def reverse_load(self, rng):
        loads = [n for n, one in enumerate(self.model.entries, 1) if one.kind == "bills"]
        return self.reverse(rng.choice(loads)) if loads else self.reverse_entry(rng)

    def reverse(self, entry):
        self.expected_problem = self.model.reversal_problem(entry)
        result = self.ledger.reverse_entry(entry, reason="wrong", actor="chief")
        return result, Written("reversal", target=entry)

    def reverse_posting(self, rng):
        """Any posting of any receipt, also an earlier one."""
        with self.ledger._database.engine.connect() as connection:
            columns = "postings.id, reverses_id, receipts.entry_id, record_no, receipt_id"
            statement = f"SELECT {columns} FROM postings JOIN receipts ON receipts.id = receipt_id ORDER BY postings.id"
            postings = connection.execute(text(statement)).all()
        last = {row.receipt_id: row.id for row in postings}
        if not postings:
            return self.post(rng)
        row = rng.choice([row for row in postings if rng.random() < 0.2 or last[row.receipt_id] == row.id] or postings)
        if last[row.receipt_id] != row.id:
            self.expected_problem = "POSTING_REPLACED"
        else:
            self.expected_problem = "ENTRY_REVERSED" if row.reverses_id else None
        result = self.ledger.reverse_posting(row.id, reason="dishonoured", actor="chief")
        return result, Written("reversal", receipt=(row.entry_id, row.record_no))

    def acknowledge(self, rng):
        """One of two consumers acknowledges any entry."""
        cursor, entry = rng.choice(("billing", "care")), rng.randrange(1, len(self.model.entries) + 2)
        position = self.model.cursor(cursor)
        is_unknown = entry > len(self.model.entries)
        self.expected_problem = "ENTRY_UNKNOWN" if is_unknown else "CHANGES_ACKNOWLEDGED" if entry < position else None
        result = self.ledger.acknowledge(cursor, entry, actor="batch")
        return result, None if entry == position else Written("acknowledgement", identity=(cursor, entry))

    # Comparisons

    def compare_changes(self):
        """Compare what each consumer gets with all changes, which add up to the balances."""
        every = added_changes(self.ledger)
        for cursor in ("billing", "care"):
            changes, position = self.ledger.changes(cursor), self.model.cursor(cursor)
            assert (changes.first_entry, changes.last_entry) == (position + 1, len(self.model.entries))
            assert changes.table.to_pylist() == [row for row in every.to_pylist() if row["entry_id"] > position]

    def compare(self):
        """Compare the ledger with one reconciliation of what the model has in force."""
        model, ledger = self.model, self.ledger
        files, policy = model.files(), model.policies[-1]
        index = Index.build(bill_table(model.bills().values()), check_paid_before=False)
        tables = [receipt_table([]), *map(receipt_table, files.values())]
        expected = reconcile(index, tables, policy)
        rows = [{name: row[name] for name in ("bill_id", "amount")} for row in model.settlements("write_off")]
        if rows:
            expected = expected.with_write_offs(pa.Table.from_pylist(rows))
        assert ledger.outcomes().to_pylist() == expected.outcomes.to_pylist()
        balances = ledger.balances()
        assert balances.to_pylist() == expected.balances.to_pylist()
        status = ledger.status()
        assert status.dispositions == expected.summary.dispositions
        kinds = kinds_of(row for rows in files.values() for row in rows)
        assert status.outcomes == counted(expected.outcomes, kinds)
        all_files = [one for one in model.entries if one.kind == "receipt_file"]
        assert (status.entries, status.files) == (len(model.entries), len(all_files))
        accepted = sum(row["amount"] for file in all_files for row in file.rows)
        applied = sum(expected.outcomes.column("applied").to_pylist())
        excess = sum(expected.outcomes.column("excess").to_pylist())
        yen = sum(status.dispositions.values())
        controls = {name: (one.left, one.right, one.holds) for name, one in status.controls.items()}
        assert controls == {
            "T1": (accepted, accepted, True),
            "T4": (yen, yen, True),
            "T7": (applied, applied, True),
            "T8": (excess, excess, True),
        }
        for kind, table in (("bank_deposits", ledger.bank_deposits()), ("agent_reports", ledger.agent_reports())):
            rows = model.settlements(kind)
            assert table.select(list(rows[0]) if rows else []).to_pylist() == rows
            assert len(table) == len(rows)
        assert active_entries(ledger.entries()) == model.active()
        assert ledger.policy_as_of() == policy
        self.points.append((self.clock[0], status, balances))

    def compare_histories(self):
        """Compare the histories of some bills with their balances and loads."""
        for row in self.ledger.balances().to_pylist()[:2]:
            history = self.ledger.history(row["bill_id"])
            last = history.balances.to_pylist()[-1]
            assert {name: last[name] for name in row} == row
            loads = {n for n, one in enumerate(self.model.entries, 1) if row["bill_id"] in one.bills}
            assert loads <= set(history.versions.column("entry_id").to_pylist())

    def compare_earlier_points(self):
        """Compare every earlier status and balance, as of its time, with what it was then."""
        for at, status, balances in self.points:
            assert self.ledger.status(at) == status
            assert self.ledger.balances(at).equals(balances)


def counted(outcomes, kinds):
    """``count`` and ``amount`` of each outcome; the yen that the bank takes back are negative."""
    totals = {}
    for row in outcomes.to_pylist():
        sums = totals.setdefault(row["outcome"], {"count": 0, "amount": 0})
        sums["count"] += 1
        sums["amount"] += row["amount"] * (-1 if kinds[row["source"], row["record_no"]] == "reversal" else 1)
    return totals


def kinds_of(rows):
    return {(row["source"], row["record_no"]): row["kind"] for row in rows}


OPERATIONS = (
    *("post",) * 4,
    *("add_bills", "change_bills", "post_again", "post_overlap", "reverse_entry", "reverse_reversal") * 2,
    *("reverse_load", "reverse_posting", "reverse_posting", "add_deposits", "add_agent_reports", "set_policy"),
    *("duplicate_bills", "post_part", "pair_otherwise", "acknowledge", "write_off", "write_off"),
)


def run_sequence(url, cities, seed, operations):
    """Run a sequence of (operation, seed) on a new ledger, and return how often each operation and problem occurred."""
    rng, clock = random.Random(seed), [NOON]
    city = cities.city(rng.choice, rng.randrange(1, 10), rng.randrange(30))
    with Ledger.create(url, clock=lambda: clock[0]) as ledger:
        sequence = Sequence(ledger, clock, city)
        for operation, operation_seed in operations:
            sequence.run(operation, random.Random(operation_seed))
        sequence.compare_earlier_points()
        sequence.compare_histories()
        sequence.compare_changes()
        found = ledger.verify(rematch=True)
        assert found.is_clean, found.issues
        return sequence.seen


STEPS = st.lists(st.tuples(st.sampled_from(OPERATIONS), st.integers(0, 2**16)), min_size=1, max_size=14)


@settings(max_examples=examples(9), suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(seed=st.integers(0, 2**32), steps=STEPS)
def test_any_sequence_equals_one_reconciliation(new_place, cities, seed, steps):
    run_sequence(new_place(), cities, seed, [("add_bills", 0), *steps])


@pytest.mark.slow
def test_long_sequences_contain_every_operation(quick_folder, cities):
    seen, rng = Counter(), random.Random(8)
    for seed in range(5):
        steps = [(rng.choice(OPERATIONS), rng.randrange(2**16)) for _ in range(40)]
        seen += run_sequence(f"sqlite:///{quick_folder}/{seed}.db", cities, seed, [("pair_otherwise", 0), *steps])
    codes = {"BILL_REPEATED", "FILE_PART", "POLICY_DIFFERS"}
    codes |= {"ENTRY_UNKNOWN", "ENTRY_KIND", "ENTRY_REVERSED", "POSTING_REPLACED"}
    assert {*OPERATIONS, *codes} - set(seen) == {"duplicate_bills"}  # always BILL_REPEATED
