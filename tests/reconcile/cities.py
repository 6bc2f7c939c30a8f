"""Small random cities in which every case of the rule of matching occurs often."""

from datetime import date, time

import pyarrow as pa

from kokin.model import Bill, Receipt, arrow_schema

BODY, ITEMS = "99999", ("127", "301")
DAYS = [date(2026, 5, day) for day in (1, 2)]
TIMES = [None, time(9, 30), time(18, 15)]


KINDS = (*("final",) * 4, "provisional", "provisional", "cancel", "correction", "manual", "reversal")
KEYS = ("k1", "k2", "k3", "k4", "k5")


def barcode(free, amount=0, deadline="999999", reissue="0"):
    head = f"91929999{free:021d}{reissue}{deadline}0{amount:06d}"
    return head + str(-sum(int(d) * (3 if i % 2 == 0 else 1) for i, d in enumerate(reversed(head))) % 10)


def bill(pick, number, obligations):
    """A bill whose numbers come from a small pool, so that slips share them."""
    return {
        "bill_id": f"B{number:04d}",
        "payee_code": BODY,
        "item_code": pick(ITEMS),
        "case_key": str(pick(range(1, 12))).zfill(pick((1, 20))),
        "confirmation": pick(("111111", "222222")),
        "amount": pick((1, 500, 1000, 3000)),
        "due_on": pick(DAYS),
        "status": pick(("open", "open", "open", "open", "superseded", "cancelled")),
        "barcode": pick((None, barcode(pick(range(6)), pick((0, 77))))),
        "customer_number": pick((None, None, "", "A-1", "A-12", "12345678901234567890", "ｱｲｳ7")),
        "virtual_account": pick((None, None, "0010000001", "0010000002")),
        "obligation_id": pick((None, None, *obligations)),
        "covers": [],
        "paid_before": pick((0, 0, 0, 200, 5000)),
    }


def add_covers(pick, bills):
    named = sorted({b["obligation_id"] for b in bills if b["obligation_id"]})
    for row in bills:
        if named and not row["obligation_id"] and pick((True, False, False)):
            row["covers"] = [pick(named) for _ in range(pick((1, 2, 3)))]


def pay_at_most_what_is_billed(bills):
    """Lower ``paid_before`` to what is billed on the obligation; a table with more is rejected."""
    slips = {}
    for row in bills:
        slips.setdefault(row["obligation_id"] or row["bill_id"], []).append(row)
    for several in slips.values():
        own = [row for row in several if not row["covers"]]
        amounts = [row["amount"] for row in own if row["status"] == "open"] or [row["amount"] for row in own]
        for row in several:
            row["paid_before"] = min(row["paid_before"], max(amounts, default=0))


def receipt(pick, number, bills):
    row = dict.fromkeys(arrow_schema(Receipt).names)
    by = pick(("el", "el", "el", "barcode", "customer_number", "virtual_account", "none", "both", "both", "unknown"))
    target = pick(bills) if bills else None
    if target and by in ("el", "both"):
        row.update({name: target[name] for name in ("payee_code", "item_code", "case_key", "confirmation")})
    if target and by in ("barcode", "customer_number", "virtual_account", "both"):
        for name in ("barcode", "customer_number", "virtual_account"):
            if by in (name, "both"):
                row[name] = target[name]
    if by == "unknown":
        unknown = {"payee_code": BODY, "item_code": "999", "case_key": pick(("1", "2")), "confirmation": "111111"}
        row.update(
            pick((unknown, {"virtual_account": "9999999999"}, {"customer_number": "a very very long number 1"[:20]}))
        )
    if by == "none":
        row.update(payee_code=BODY, case_key=pick((None, "7")))
    row.update(
        kind=pick(KINDS),
        actor="clerk 7",
        reason="手消込",
        amount=pick((1, 200, 500, 800, 1000, 3000, *([target["amount"]] * 6 if target else ()))),
        paid_on=pick(DAYS),
        paid_time=pick(TIMES),
        received_on=pick((None, *DAYS)),
        store_code=pick((None, "", "100")),
        name=pick((None, None, "見本 一郎", "見本")),
        provider_key=pick((None, "", "", *KEYS)),
        key_composed=pick((None, False, True)),
        batch_key=pick((None, None, None, "", *KEYS)),
        other_keys=pick((None,) * 9 + ("", "1;2")),
        source=pick(("", "a.csv", "b.csv")),
        digest=pick(("", "d1", "d2")),
        record_no=pick((None, number, number, 1, 2)),
    )
    row["bank_charge"] = pick((None, None, None, -100, 100 if row["amount"] > 100 else 0))
    if row["kind"] == "correction":
        row["amount"] = pick((0, row["amount"]))
    if row["kind"] == "reversal":
        row["cancels"] = pick((None, None, "", *KEYS))
    return row


def city(pick, bill_count, receipt_count):
    obligations = [f"O{n}" for n in range(max(1, bill_count // 3))]
    bills = [bill(pick, number, obligations) for number in range(bill_count)]
    add_covers(pick, bills)
    pay_at_most_what_is_billed(bills)
    receipts = [receipt(pick, number + 1, bills) for number in range(receipt_count)]
    for number in range(receipt_count // 3):
        twin = dict(pick(receipts))
        twin.update({name: pick((twin[name], 900 + number, None)) for name in ("record_no",)})
        twin.update(
            pick(
                (
                    {},
                    {"kind": "final"},
                    {"kind": "cancel"},
                    {"kind": "correction", "amount": 500},
                    {"kind": "reversal"},
                    {"kind": "reversal", "cancels": twin["provider_key"]},
                    {"source": "c.csv"},
                    {"digest": pick(("d1", "d2"))},
                    {"channel": "x"},
                    # What reached the account.
                    {"amount": max(twin["amount"] - (twin["bank_charge"] or 0), 1), "bank_charge": None},
                    {"name": "見本 一"},
                    # The same payment without its number.
                    dict.fromkeys(("case_key", "barcode", "customer_number", "virtual_account")),
                )
            )
        )
        if twin["kind"] != "correction":
            twin["amount"] = twin["amount"] or 1
        receipts.append(twin)
    for number in range(receipt_count // 10):
        receipts.append(reversal_of_booking(pick, number, receipts))
    return bills, receipts


def reversal_of_booking(pick, number, receipts):
    """A reversal without a number that has the yen of all finals of a booking, or of one."""
    key = pick(KEYS)
    inside = [row["amount"] for row in receipts if row["batch_key"] == key and row["kind"] == "final"] or [1]
    return {
        **pick(receipts),
        **dict.fromkeys(("case_key", "barcode", "customer_number", "virtual_account", "batch_key")),
        **pick(({"cancels": key}, {"cancels": None, "provider_key": key})),
        "kind": "reversal",
        "record_no": 800 + number,
        "amount": pick((sum(inside), sum(inside), pick(inside))),
    }


def tables(bills, receipts):
    return pa.Table.from_pylist(bills, arrow_schema(Bill)), pa.Table.from_pylist(receipts, arrow_schema(Receipt))
