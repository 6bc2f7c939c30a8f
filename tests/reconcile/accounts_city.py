"""A random city with every charge of the catalog, in which every finding and every kind of overpayment occurs."""

import functools
import random
from datetime import date, timedelta
from pathlib import Path

import pyarrow as pa

from kokin.catalog import load
from kokin.model import Bill, Receipt, arrow_schema
from kokin.rules import instalments, prorata, shift_due_date

BODY = load(Path(__file__).parents[1] / "catalog" / "authority-99999.toml")
OWN = "99999"
TERMS = ((4, 30), (7, 31), (12, 25), (2, 28))
AGENTS = ("010", "020", None)
EMPTY = dict.fromkeys(arrow_schema(Receipt).names)
shifted = functools.cache(shift_due_date)


def city(seed, households, catalog=BODY):
    """Bills and receipts as rows; every receipt has its own record number."""
    rng = random.Random(seed)
    bills, receipts = [], []
    items = sorted(catalog.items)
    for number in range(households):
        payer = None if rng.random() < 0.05 else f"P{rng.randrange(max(1, households // 3)):07d}"
        item = rng.choice(items)
        slips = list(bills_of(rng, number, item, payer, catalog))
        bills += slips
        receipts += payments_of(rng, slips)
    for _ in range(households // 20):
        receipts.append(unknown_payment(rng))
    for row in rng.sample(receipts, len(receipts) // 100):
        receipts.append(dict(row))  # a duplicate record with the same provider key
    for row in rng.sample(receipts, len(receipts) // 50):
        receipts.append(reversal_of(rng, row))
    rng.shuffle(receipts)
    for number, row in enumerate(receipts, 1):
        row.update(source=rng.choice(("a.csv", "b.csv")), record_no=number)
        row["digest"] = row["source"][0] * 64
    return bills, receipts


def bills_of(rng, number, item, payer, catalog):
    """The slips of one household for one charge: instalments and the whole year, or one slip, sometimes superseded."""
    charge = catalog.charge_of_item(item)
    year = rng.choice((2023, 2024, 2025, 2025, 2025))
    common = {
        "payee_code": OWN if rng.random() < 0.98 else "88888",
        "item_code": item,
        "levy_year": rng.choice((year, year, None)),
        "tax_year": rng.choice((year, year, year - 2, None)),
        "payer_key": payer,
        "system": charge.system,
        "charge": rng.choice((charge.id, None)),
    }
    total = rng.randrange(3_000, 90_000)
    if charge.late_charge.value == "tax" and rng.random() < 0.7:
        yen = [part for part in instalments(total, 4) if part]
        names = [f"{number:08d}-{term}" for term in range(1, len(yen) + 1)]
        days = [date(year + (month < 4), month, day) for month, day in TERMS]
        for term, (name, amount, day) in enumerate(zip(names, yen, days, strict=False), 1):
            yield slip(rng, name, amount, day, charge.parts, **common, obligation_id=name, period=f"{term:02d}")
        if len(yen) > 1:
            yield slip(rng, f"{number:08d}-A", sum(yen), days[0], charge.parts, **common, covers=names)
        return
    day = rng.choice((date(year + 1, 3, 31), date(year, 10, 31), date(year, 5, 31)))
    one = slip(rng, f"{number:08d}", total, day, charge.parts, **common)
    yield one
    if rng.random() < 0.1:
        one["obligation_id"] = one["bill_id"]
        one["status"] = rng.choice(("superseded", "cancelled", "open"))
        again = slip(rng, f"{number:08d}-R", total + rng.choice((0, 0, -500)), day, charge.parts, **common)
        yield {**again, "obligation_id": one["bill_id"]}


def slip(rng, bill_id, amount, day, names, covers=(), **more):
    due_on = shifted(day)
    parts = {}
    if names and rng.random() < 0.9:
        weights = [rng.randrange(1, 100) for _ in names]
        yen = prorata(amount, [weight * amount for weight in weights])
        yen[0] += rng.random() < 0.02  # the parts do not add up
        parts = dict(zip(names, yen, strict=True))
    return {
        "bill_id": bill_id,
        "case_key": f"{rng.randrange(10**19):020d}",
        "confirmation": "123456",
        "amount": amount,
        "due_on": due_on,
        "period": "00",
        "payable_until": rng.choice((None, due_on + timedelta(days=30))),
        "status": "open",
        "obligation_id": None,
        "covers": list(covers),
        "parts": list(parts.items()),
        "paid_before": rng.choice((0, 0, 0, 0, 700)) if not covers else 0,
        **more,
    }


def payments_of(rng, slips):
    for row in slips:
        for _ in range(rng.choice((0, 1, 1, 1, 1, 2, 3)) if not row["covers"] else rng.choice((0, 0, 1))):
            yield payment(rng, row)


def payment(rng, row):
    due_on, amount = row["due_on"], row["amount"]
    paid_on = due_on + timedelta(days=rng.choice((-20, -3, 0, 5, 58, 62, 120, -100)))
    chance = rng.random()
    settled_on = rng.choice((None, paid_on + timedelta(days=rng.randrange(3, 12))))
    key = {name: row[name] for name in ("payee_code", "item_code", "case_key", "confirmation")}
    paid = {
        **EMPTY,
        **key,
        "kind": "final",
        "amount": amount if chance < 0.8 else max(1, amount // rng.choice((2, 3))) if chance < 0.9 else amount + 1_000,
        "paid_on": paid_on,
        "received_on": rng.choice((None, paid_on + timedelta(days=rng.randrange(1, 9)))),
        "settled_on": settled_on,
        "channel": rng.choice(("app", "bank", None)),
        "agent_code": rng.choice(AGENTS),
        "provider_key": f"K{rng.randrange(10**12):012d}",
    }
    change = rng.random()
    if change < 0.05:
        paid.update(kind=rng.choice(("provisional", "cancel", "correction")), store_code="1")
    elif change < 0.1:
        paid.update(kind=rng.choice(("deduction", "manual")), actor="a clerk", reason="by law", settled_on=None)
    elif change < 0.15:
        paid.update(period=rng.choice(("01", "02")), levy_year=rng.choice((2025, None)), tax_year=2024)
    elif change < 0.2:
        paid.update(principal=paid["amount"] - 100, late_charge=rng.choice((100, 90, None)))
    elif change < 0.25:
        paid.update(payable_until=paid_on - timedelta(days=rng.choice((-1, 0, 1))))
    return paid


def reversal_of(rng, row):
    """A reversal of a payment, with or without its key; sometimes of another amount."""
    day = row["paid_on"] + timedelta(days=rng.choice((0, 1, 5)))
    named = {"cancels": rng.choice((row["provider_key"], None))}
    missed = rng.choice(({}, {}, {}, {"amount": row["amount"] + 1}))
    own = {"provider_key": f"R{rng.randrange(10**12):012d}", "settled_on": rng.choice((None, day))}
    return {**row, "kind": "reversal", "paid_on": day, "received_on": None, **named, **missed, **own}


def unknown_payment(rng):
    """A payment that leads to no bill."""
    row = {"item_code": "999", "case_key": f"9{rng.randrange(10**19):019d}", "confirmation": "1" * 6, "amount": 5_000}
    return payment(rng, {**row, "payee_code": rng.choice((OWN, "77777")), "due_on": date(2025, 10, 31)})


def tables(bills, receipts):
    return pa.Table.from_pylist(bills, arrow_schema(Bill)), pa.Table.from_pylist(receipts, arrow_schema(Receipt))
