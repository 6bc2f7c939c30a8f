"""A month of files and its redelivery (other bytes, halves, overlaps, any order) give the same ledger."""

import io
import random
from datetime import date

import pyarrow as pa
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from kokin import receipts as receipt_files
from kokin.ledger import Ledger
from kokin.model import Bill, Receipt, arrow_schema
from kokin.reconcile import build_accounts, reconcile
from tests.support import examples

EL = {"payee_code": "99999", "item_code": "127", "confirmation": "123456"}
ACCOUNT = {"bank_code": "9999", "branch_code": "001", "account_number": "1234567"}
REFERENCE_DAY = date(2026, 6, 30)


def slip(number):
    return {**EL, "case_key": str(number).zfill(20)}


class Month:
    """Bills, and the files of a month: by layout and day, groups of rows. Equal rows are in one group."""

    def __init__(self, seed, count):
        self.rng = random.Random(seed)
        self.serial = 0
        self.bills = [
            {
                **slip(number),
                "bill_id": f"B{number:05d}",
                "amount": self.rng.choice((500, 1_000, 3_000)),
                "due_on": date(2026, 6, 1),
                "charge": "light-vehicle-tax",
                "customer_number": f"C{number}",
                "virtual_account": f"{number:010d}",
            }
            for number in range(1, count + 1)
        ]
        #: Payments that can be reversed: bill, yen and reference.
        self.reversible = {"kokin-csv": [], "zengin-01": [], "camt": []}
        layouts = ("kokin-csv", "zengin-91", "zengin-01", "camt", "table")
        self.files = [
            (layout, [self.group(layout, date(2026, 5, day)) for _ in range(self.rng.randrange(1, 2 + count // 3))])
            for day, layout in enumerate(self.rng.choices(layouts, k=6), 1)
        ]

    def group(self, layout, day):
        self.serial += 1
        bill = self.rng.choice(self.bills)
        yen = self.rng.choice((bill["amount"], bill["amount"], 100, 7_000))
        row = {"amount": yen, "paid_on": day}
        back = self.reversible.get(layout)
        if back and self.rng.random() < 0.3:
            bill, row["amount"], name = back.pop()
            row |= {"kind": "reversal", "cancels": name}
        elif back is not None and self.rng.random() < 0.5:
            back.append((bill, yen, f"{layout}-{self.serial}"))
        own = slip(int(bill["case_key"]))
        match layout:
            case "kokin-csv":
                key = self.rng.choice((f"{layout}-{self.serial}", None))
                if back and back[-1][2].endswith(f"-{self.serial}"):
                    key = f"{layout}-{self.serial}"
                rows = [{**own, **row, "provider_key": key, "channel": "app"}]
                return rows * (1 if key else self.rng.choice((1, 2)))
            case "zengin-91":
                row |= {"customer_number": bill["customer_number"], **ACCOUNT, "name": "ｺｳｷﾝ"}
                return [row] * self.rng.choice((1, 1, 2))
            case "zengin-01":
                row |= {"virtual_account": bill["virtual_account"], "name": "ｺｳｷﾝ"}
                return [{**row, "reference": f"{self.serial:06d}"}]
            case "camt":
                return [{**own, **row, "reference": f"E{self.serial}", "split": self.rng.random() < 0.4}]
        # A payment without any number, with a composed key or none.
        numbers = self.rng.choice((own, {}))
        key = self.rng.choice(({}, {"provider_key": f"c{self.serial}", "key_composed": True}))
        return [{**numbers, **row, **key, "channel": f"x{self.serial}"}] * self.rng.choice((1, 2))

    def redelivered(self):
        """The files of the month in random order, each in one of the forms of a redelivery."""
        deliveries = []
        for number, (layout, groups) in enumerate(self.files):
            whole = [(layout, groups, 0)]
            half = self.rng.randrange(len(groups) + 1)
            halves = [(layout, part, 0) for part in (groups[:half], groups[half:])]
            other = self.files[self.rng.randrange(len(self.files))]
            overlap = [(layout, groups[half:] + other[1], 1)] if other[0] == layout and other[1] is not groups else []
            backwards = [(layout, groups[::-1], 1)]
            forms = (whole * 2, halves, [*whole, (layout, groups, 1)], [*halves, *whole], [*whole, *overlap], backwards)
            deliveries += self.rng.choice(forms)
            if layout == "camt" and self.rng.random() < 0.5:
                deliveries.append(("camt.053 without details", groups, number))
        self.rng.shuffle(deliveries)
        return [form for form in deliveries if form[1]]

    def register(self):
        return pa.Table.from_pylist(self.bills, arrow_schema(Bill))


def deliver(layout, groups, variant, number):
    """A delivered file: an open receipt file, or a table."""
    rows = [row for group in groups for row in group]
    if layout == "table":
        records = [{"digest": f"d{number}", **row} for row in rows]
        return pa.Table.from_pylist(
            [{**row, "record_no": record} for record, row in enumerate(records, 1)], arrow_schema(Receipt)
        )
    stream = io.BytesIO()
    if layout.startswith("camt"):
        detailed = layout == "camt"
        stream.write(camt(rows, "camt.054" if detailed else "camt.053", detailed, "\n" * variant).encode())
        layout = "camt.054" if detailed else "camt.053"
    elif layout == "zengin-01":
        receipt_files.write(rows, stream, layout, header=ACCOUNT, newline=("CRLF", "")[variant])
    else:
        receipt_files.write(rows, stream, layout, newline=("CRLF", "LF")[variant])
    stream.seek(0)
    return receipt_files.open(stream, layout, reference_date=REFERENCE_DAY)


def camt(rows, message, detailed, space):
    """A camt message; a split entry has two transactions, which a statement may leave out."""
    entries = []
    for row in rows:
        back = row.get("kind") == "reversal"
        number = "-".join((row["payee_code"], row["case_key"], row["confirmation"], row["item_code"]))
        parts = [row["amount"] // 2, row["amount"] - row["amount"] // 2] if row["split"] and not back else []
        details = "".join(
            f"<TxDtls><Refs><AcctSvcrRef>{row['reference']}-{part}</AcctSvcrRef></Refs><Amt Ccy='JPY'>{yen}</Amt>"
            f"<RmtInf><Ustrd>{number}</Ustrd></RmtInf></TxDtls>"
            for part, yen in enumerate(parts)
        )
        single = f"<TxDtls><RmtInf><Ustrd>{number}</Ustrd></RmtInf></TxDtls>"
        details = "" if parts and not detailed else f"<NtryDtls>{details or single}</NtryDtls>"
        entries.append(
            f"{space}<Ntry><Amt Ccy='JPY'>{row['amount']}</Amt><CdtDbtInd>{'DBIT' if back else 'CRDT'}</CdtDbtInd>"
            f"{'<RvslInd>true</RvslInd>' if back else ''}<Sts><Cd>BOOK</Cd></Sts>"
            f"<BookgDt><Dt>{row['paid_on']}</Dt></BookgDt><AcctSvcrRef>{row['reference']}</AcctSvcrRef>"
            f"{details}</Ntry>"
        )
    head, body = {"camt.053": ("BkToCstmrStmt", "Stmt"), "camt.054": ("BkToCstmrDbtCdtNtfctn", "Ntfctn")}[message]
    return (
        f'<Document xmlns="urn:iso:std:iso:20022:tech:xsd:{message}.001.08"><{head}><GrpHdr><MsgId>M</MsgId></GrpHdr>'
        f"<{body}><Id>S</Id>{''.join(entries)}</{body}></{head}></Document>"
    )


def posted(place, month, deliveries, rng):
    """Post some files, compare the ledger with one reconciliation, and return balances, refunds and sums."""
    with Ledger.create(place) as ledger:
        cut = rng.randrange(len(deliveries) + 1)
        for number, (layout, groups, variant) in enumerate(deliveries):
            if number == cut:
                ledger.add_bills(month.register(), actor="clerk")
            ledger.post(deliver(layout, groups, variant, number), actor="batch", source=f"{number}.dat")
        ledger.add_bills(month.register(), actor="clerk")
        expected = reconcile(ledger.bills(), ledger.receipts())
        assert ledger.outcomes().to_pylist() == expected.outcomes.to_pylist()
        assert ledger.balances().to_pylist() == expected.balances.to_pylist()
        status = ledger.status()
        assert status.dispositions == expected.summary.dispositions
        assert {name: control.holds for name, control in status.controls.items()} == dict.fromkeys(
            ("T1", "T4", "T7", "T8"), True
        )
        accounts = build_accounts(expected, files=ledger.totals(), as_of=REFERENCE_DAY)
        held = {control.name: control.holds for control in accounts.controls if control.holds is not None}
        assert held == dict.fromkeys(("T1", "T4", "T5", "T6"), True), accounts.controls
        assert ledger.verify(rematch=True).is_clean
        refunds = accounts.overpayments.select(["bill_id", "outcome", "paid_on", "excess", "offered"])
        return {
            "balances": ledger.balances().to_pylist(),
            "dispositions": {name: yen for name, yen in status.dispositions.items() if name != "no_effect"},
            "refunds": sorted(map(str, refunds.to_pylist())),
            "outcomes": {name: total for name, total in status.outcomes.items() if name != "DUPLICATE_RECORD"},
            "T5": [(control.left, control.right) for control in accounts.controls if control.name == "T5"],
        }


def assert_redelivery_changes_nothing(new_place, seed, count):
    month = Month(seed, count)
    once = [(layout, groups, 0) for layout, groups in month.files]
    expected = posted(new_place(), month, once, month.rng)
    assert posted(new_place(), month, month.redelivered(), month.rng) == expected


@pytest.mark.thorough
@settings(max_examples=3, suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(seed=st.integers(0, 2**32))
def test_a_redelivered_month_gives_the_same_ledger(new_place, seed):
    assert_redelivery_changes_nothing(new_place, seed, 5)


@pytest.mark.slow
@settings(max_examples=examples(100), suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(seed=st.integers(0, 2**32), count=st.integers(1, 40))
def test_many_redelivered_months_give_the_same_ledger(new_place, seed, count):
    assert_redelivery_changes_nothing(new_place, seed, count)
