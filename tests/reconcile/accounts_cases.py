"""Slips, payments and their accounts, for the named cases of the specification."""

from datetime import date, timedelta

import pyarrow as pa

from kokin.reconcile import Policy, build_accounts, reconcile

MAY_1, JUNE_1 = date(2026, 5, 1), date(2026, 6, 1)


def slip(number, amount=10_000, **more):
    return {
        "bill_id": f"B{number}",
        "payee_code": "99999",
        "item_code": "127",
        "case_key": str(number).zfill(20),
        "confirmation": "123456",
        "amount": amount,
        "due_on": JUNE_1,
        "levy_year": None,
        "tax_year": None,
        "period": "00",
        "payer_key": "P1",
        "charge": "light-vehicle-tax",
        **more,
    }


def paid(bill, amount=None, day=MAY_1, **more):
    number = {name: bill[name] for name in ("payee_code", "item_code", "case_key", "confirmation")}
    return {"amount": bill["amount"] if amount is None else amount, "paid_on": day, **number, **more}


def table(rows):
    names = sorted({name for row in rows for name in row})
    return pa.Table.from_pylist([{name: row.get(name) for name in names} for row in rows])


def run(bills, receipts, policy=None):
    """The reconciliation of rows; receipts without a place are records of one file."""
    for number, row in enumerate(receipts, 1):
        row.setdefault("source", "day.csv")
        row.setdefault("digest", "ab" * 32)
        row.setdefault("record_no", number)
    billed = table(bills)
    if any("parts" in bill for bill in bills):
        parts = pa.array([list(bill.get("parts", {}).items()) for bill in bills], pa.map_(pa.string(), pa.int64()))
        billed = billed.set_column(billed.column_names.index("parts"), "parts", parts)
    return reconcile(billed, table(receipts), policy or Policy())


def books(bills, receipts, policy=None, **more):
    """The accounts of rows."""
    return build_accounts(run(bills, receipts, policy), **more)


def finding_rows(accounts, *names):
    """The findings as tuples."""
    return [
        tuple(row.values())
        for row in accounts.findings.select(list(names or ("outcome", "field", "expected", "found"))).to_pylist()
    ]


def rows(some, *names):
    return [tuple(row.values()) for row in some.select(list(names)).to_pylist()]


BILLS = [slip(number, payer_key=f"P{number}") for number in (1, 2, 3)]
SETTLED = {"settled_on": date(2026, 5, 20), "agent_code": "010"}
NIGHT = [
    paid(BILLS[0], **SETTLED),
    paid(BILLS[0], day=MAY_1 + timedelta(1), **SETTLED),
    paid(BILLS[1], 9_500, **SETTLED),
]


def credit(amount, **more):
    return table([{"credited_on": date(2026, 5, 20), "amount": amount, **more}])
