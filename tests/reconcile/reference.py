"""The rule of matching in plain Python, written from its specification (docs/explanation/matching.md).

Slow, one receipt at a time, with dictionaries only, and independent of ``kokin.matching``: results must be equal.
"""

from collections import defaultdict
from datetime import date, time
from itertools import groupby

from kokin.model import Receipt

NUMBERS = ("el_number", "barcode", "customer_number", "virtual_account")
LOCATION = {"layout", "source", "digest", "record_no", "byte_offset", "raw"}
CONTENT = [name for name in Receipt.model_fields if name not in LOCATION | {"name"}]
CLOSED = {"cancelled": "CANCELLED_BILL", "superseded": "BILL_CHANGED"}


def numbers_of(row):
    """Every number that a row carries: (kind, digits)."""
    el = [row.get(name) for name in ("payee_code", "item_code", "case_key", "confirmation")]
    if all(el):
        el[2] = el[2].rjust(20, "0")
        yield "el_number", "".join(el)
    if row.get("barcode"):
        yield "barcode", row["barcode"][2:29]
    for name in NUMBERS[2:]:
        if row.get(name):
            yield name, row[name]


def first_null(value, smallest):
    return smallest if value is None else value


def order_of_finals(row):
    return (
        row["paid_on"],
        (row.get("paid_time") is not None, first_null(row.get("paid_time"), time())),
        (row.get("received_on") is not None, first_null(row.get("received_on"), date.min)),
        row.get("provider_key") or "",
        row["amount"],
        row["kind"],
        *(row.get(name) or "" for name in ("payee_code", "item_code", "case_key", "confirmation", *NUMBERS[1:])),
        *by_content(row),
        row.get("digest") or "",
        first_null(row.get("record_no"), 0),
        row.get("source") or "",
    )


class Obligations:
    """Obligations with their balances, and the slips that settle them."""

    def __init__(self, bills):
        self.slips_of = defaultdict(list)
        for bill in bills:
            bill["debts"] = [("own", bill["bill_id"])]
            if bill.get("covers"):
                bill["debts"] = [("named", bill["payee_code"], name) for name in dict.fromkeys(bill["covers"])]
            elif bill.get("obligation_id"):
                bill["debts"] = [("named", bill["payee_code"], bill["obligation_id"])]
            if not bill.get("covers"):
                self.slips_of[bill["debts"][0]].append(bill)
        self.billed, self.balance, self.term = {}, {}, {}
        for debt, slips in self.slips_of.items():
            still_open = [slip for slip in slips if slip["status"] == "open"]
            self.billed[debt] = max((slip["amount"] for slip in still_open), default=0)
            before = max(slip.get("paid_before") or 0 for slip in slips)
            self.balance[debt] = max(0, self.billed[debt] - before)
            self.term[debt] = (min((slip["due_on"] for slip in still_open), default=date.max), debt)
        for bill in bills:
            bill["debts"].sort(key=self.term.__getitem__)

    def pay(self, slip, amount):
        """Return the balance before, and the yen applied."""
        before = sum(self.balance[debt] for debt in slip["debts"])
        left = amount
        for debt in slip["debts"]:
            yen = min(left, self.balance[debt])
            self.balance[debt] -= yen
            left -= yen
        return before, amount - left


def find(by_number, row):
    """Return the number and what it leads to: a slip, "none" or "several"."""
    number = next(numbers_of(row), None)
    if number is None:
        return None, None
    slips = by_number.get(number, [])
    for status in ("open", "superseded", "cancelled"):
        with_status = sorted((slip for slip in slips if slip["status"] == status), key=lambda slip: slip["bill_id"])
        if with_status:
            ambiguous = status == "open" and len({frozenset(slip["debts"]) for slip in with_status}) > 1
            return number, "several" if ambiguous else with_status[0]
    return number, "none"


DECIDED = {"unapply": "UNAPPLIED", "other_authority": "OTHER_AUTHORITY", "not_a_payment": "NOT_A_PAYMENT"}
OUTCOMES_OF_PARTS = ("MATCHED", "UNDERPAID", "OVERPAID", "DUPLICATE_PAYMENT", "BILL_CHANGED", "CANCELLED_BILL")


def decide(rows, bills, decisions):
    """Set ``decision`` of each row that counts to the last decision about a record of its payment: a list of parts."""
    bill_of = {bill["bill_id"]: bill for bill in bills}
    for row in rows:
        row["decision"] = []
    for decision in sorted(decisions, key=lambda decision: decision["decision_no"]):
        named = [
            row for row in rows if (row["digest"], row["record_no"]) == (decision["digest"], decision["record_no"])
        ]
        if not named or decision["decision"] in ("hold", "accept"):
            continue
        row = named[0]["counted"]
        if row["amount"] != named[0]["amount"]:  # the transactions of a whole booking
            continue
        if row["decision"] and row["decision"][0]["decision_no"] != decision["decision_no"]:
            row["decision"] = []
        row["decision"].append({**decision, "slip": bill_of.get(decision["bill_id"])})
    for row in rows:
        if row["decision"]:
            row["slip"] = row["decision"][0]["slip"]


def pay_parts(row, debts):
    """Allocate the parts of a payment one after another."""
    parts = []
    for part in row["decision"] or [{"slip": row["slip"], "amount": None}]:
        amount = part["amount"] or row["amount"]
        if part["slip"]["status"] != "open":
            row["excess"] += amount
            parts.append(CLOSED[part["slip"]["status"]])
            continue
        before, applied = debts.pay(part["slip"], amount)
        row["balance_before"] = (row["balance_before"] or 0) + before
        row["applied"] += applied
        row["excess"] += amount - applied
        if before == 0:
            parts.append("DUPLICATE_PAYMENT")
        elif amount == before:
            parts.append("MATCHED")
        else:
            parts.append("UNDERPAID" if amount < before else "OVERPAID")
    row["outcome"] = max(parts, key=OUTCOMES_OF_PARTS.index)


def reconcile(bills, receipts, pair_by=("paid_on", "paid_time", "store_code"), decisions=()):
    """Outcome rows in canonical order, balances by obligation, and balance rows by bill_id."""
    bills = [{**bill, "status": bill.get("status") or "open"} for bill in bills]
    rows = [{**row, "kind": row.get("kind") or "final"} for row in receipts]
    debts = Obligations(bills)
    by_number = defaultdict(list)
    for bill in bills:
        for number in numbers_of(bill):
            by_number[number].append(bill)
    rows.sort(key=order_of_finals)

    for row in rows:
        row.update(outcome=None, applied=0, excess=0, balance_before=None)
    identify(rows)
    for row in rows:
        if row["counted"] is not row:
            row["outcome"] = "DUPLICATE_RECORD"
        number, row["found"] = find(by_number, row)
        if row.get("other_keys") and number:
            row["found"] = "several"
        row["slip"] = row["found"] if isinstance(row["found"], dict) else None
        row["number"] = number
        row["bill_group"] = ("bill", row["slip"]["bill_id"]) if row["slip"] else number
        row["time_group"] = (row["bill_group"], *((row.get(name) or None) for name in pair_by))
    decide(rows, bills, decisions)

    live = [row for row in rows if row["outcome"] is None and row["number"]]
    correct(live)
    pair_reversals(rows)
    for row in rows:
        if row["outcome"] is None and not row["number"] and not row["decision"]:
            row["outcome"] = "KEY_MISSING"
    kinds = defaultdict(set)
    for row in live:
        kinds[row["time_group"], row["amount"]].add("final" if row["kind"] == "correction" else row["kind"])
    for row in rows:
        if row["outcome"] is not None:
            continue
        others = kinds[row["time_group"], row["amount"]]
        if row["decision"] and row["decision"][0]["decision"] != "assign":
            row["outcome"] = DECIDED[row["decision"][0]["decision"]]
        elif row["decision"] and any(part["slip"] is None for part in row["decision"]):
            row["outcome"] = "NO_BILL"
        elif row["decision"]:
            pay_parts(row, debts)
        elif row["kind"] == "cancel":
            row["outcome"] = "CANCEL" if "provisional" in others else "CANCEL_WITHOUT_PROVISIONAL"
        elif row["found"] in ("none", "several"):
            row["outcome"] = "NO_BILL" if row["found"] == "none" else "MULTIPLE_BILLS"
        elif row["kind"] == "provisional":
            row["outcome"] = "SUPERSEDED" if "final" in others else "CANCELLED" if "cancel" in others else "PROVISIONAL"
        else:
            pay_parts(row, debts)
    return outcome_rows(rows), debts, balance_rows(bills, debts, rows), rows


def correct(live):
    """The last correction of a bill, time and store counts for the payment; what it restates is SUPERSEDED."""
    groups = defaultdict(list)
    for row in live:
        groups[row["time_group"]].append(row)
    for rows in groups.values():
        corrections = [row for row in rows if row["kind"] == "correction"]
        finals = [row for row in rows if row["kind"] == "final"]
        if not corrections:
            continue
        for row in corrections[:-1]:
            row["outcome"] = "SUPERSEDED"
        other = [row for row in finals if row["amount"] != corrections[-1]["amount"]]
        for row in (other or finals)[-1:]:
            row["outcome"] = "SUPERSEDED"
        if not corrections[-1]["amount"]:
            corrections[-1]["outcome"] = "CANCEL"


def content_of(row):
    return {k: v for k, v in row.items() if k in CONTENT and v not in (None, "")}


def identify(rows):
    """Set the row that counts for the payment of each row, ``counted``, and whether its key is ``reused``."""
    payments, records_of, order = defaultdict(list), defaultdict(list), {}
    for row in sorted(rows, key=lambda row: (row.get("record_no") or 10**9, row.get("source") or "")):
        row["counted"], row["reused"] = row, False
        content = content_of(row)
        row["variant"] = tuple(sorted((name, str(value)) for name, value in content.items()))
        order[id(row)] = (
            not any(numbers_of(row)),
            not row.get("bank_charge"),
            *order_of_finals(row),
            row.get("part", 0),
        )
        if row.get("provider_key") and not row.get("key_composed"):
            payments["key", row["provider_key"], row["kind"], row["amount"], row["paid_on"]].append(row)
            continue
        file = row.get("digest") or (row.get("part", 0), row.get("source") or "")
        records = records_of[row["variant"], file]
        record = (row["digest"], row["record_no"]) if row.get("digest") and row.get("record_no") else id(row)
        if record not in records:
            records.append(record)
        payments["content", row["variant"], records.index(record)].append(row)
    merge_net_amounts(payments)
    for (how, *_), same in payments.items():
        same.sort(key=lambda row: order[id(row)])
        for group in apart(same) if how == "key" else [same]:
            for row in group:
                row["counted"] = group[0]
                if how == "key":
                    row["variant"] = id(group[0])
    counted = [row for row in rows if row["counted"] is row]
    keys = defaultdict(set)
    for row in counted:
        keys[row.get("provider_key"), row["kind"]].add(row["variant"])
    for row in counted:
        row["reused"] = bool(row.get("provider_key")) and len(keys[row["provider_key"], row["kind"]]) > 1
    for row in counted:
        own, batch = row.get("provider_key"), row.get("batch_key")
        if not own or batch not in (None, "", own):
            continue
        inside = [o for o in counted if o.get("batch_key") == own != o.get("provider_key") and o["kind"] == row["kind"]]
        if inside:
            covered = row["amount"] <= sum(other["amount"] for other in inside)
            row["reused"] = not covered
            if covered:
                row["counted"] = min(inside, key=lambda row: order[id(row)])
    for row in rows:
        row["counted"] = row["counted"]["counted"]


def merge_net_amounts(payments):
    """Put records without a charge to those of their key, kind and day of which they are the amount less the charge."""
    charged = {key: same for key, same in payments.items() if key[0] == "key" and any(map(charge_of, same))}
    for key in [key for key in payments if key[0] == "key" and key not in charged]:
        _, name, kind, amount, day = key
        for gross in sorted(charged, key=lambda gross: gross[3]):
            is_other = (gross[1], gross[2], gross[4]) != (name, kind, day)
            if not is_other and amount in {gross[3] - charge_of(row) for row in charged[gross] if charge_of(row)}:
                payments[gross] += payments.pop(key)
                break


def charge_of(row):
    return row.get("bank_charge") or 0


def by_content(row):
    for name in CONTENT:
        value = row.get(name)
        text = {True: "true", False: "false"}.get(value) if isinstance(value, bool) else value
        yield (text not in (None, ""), text if text not in (None, "") else 0)


def apart(same):
    """Records of one assigned key: one payment, or by the first number of each where two of a kind differ."""
    values = defaultdict(set)
    for row in same:
        for kind, number in numbers_of(row):
            values[kind].add(number)
    if all(len(numbers) < 2 for numbers in values.values()):
        return [same]
    groups = defaultdict(list)
    first = next(next(numbers_of(row)) for row in same if any(numbers_of(row)))
    for row in same:
        groups[next(numbers_of(row), first)].append(row)
    return list(groups.values())


def booked_on(row):
    return row.get("received_on") or row["paid_on"]


def referred_key(reversal):
    return reversal.get("cancels") or (None if reversal["number"] else reversal.get("provider_key")) or None


def is_in_booking(row, key):
    return row.get("batch_key") == key != row.get("provider_key")


def pair_reversals(rows):
    """Pair reversals in the order of finals: with the final they refer to, then with the whole booking.

    Then by the day booked, those without a reference: with the latest final of the bill and amount up to that day.
    """
    reversals = [row for row in rows if row["kind"] == "reversal" and row["outcome"] is None]
    reversals.sort(key=order_of_finals)
    for row in reversals:
        row["outcome"] = "REVERSAL_WITHOUT_PAYMENT"
    finals = [row for row in rows if row["kind"] in ("final", "correction")]
    finals.sort(key=order_of_finals)
    with_reference = [row for row in reversals if referred_key(row)]
    for row in with_reference:
        same = [other for other in finals if other["outcome"] is None and other["amount"] == row["amount"]]
        reverse(row, [other for other in same if other.get("provider_key") == referred_key(row)][-1:])
    for row in with_reference:
        inside = [other for other in finals if other["outcome"] is None and is_in_booking(other, referred_key(row))]
        if row["outcome"] != "REVERSAL" and sum(other["amount"] for other in inside) == row["amount"]:
            reverse(row, inside)
    finals.sort(key=booked_on)
    for row in sorted(reversals, key=booked_on):
        if not referred_key(row) and row["bill_group"] is not None:
            same = [other for other in finals if other["outcome"] is None and other["amount"] == row["amount"]]
            before = [other for other in same if booked_on(other) <= booked_on(row)]
            reverse(row, [other for other in before if other["bill_group"] == row["bill_group"]][-1:])


def reverse(reversal, finals):
    for row in finals:
        row["outcome"], reversal["outcome"] = "REVERSED", "REVERSAL"


def disposition_of(row):
    """The disposition of a receipt's yen; one with both applied and excess yen is applied."""
    if row["applied"] or row["excess"]:
        return "applied" if row["applied"] else "excess"
    unknown = ("NO_BILL", "MULTIPLE_BILLS", "KEY_MISSING", "REVERSAL_WITHOUT_PAYMENT", "UNAPPLIED", "OTHER_AUTHORITY")
    is_unknown = row["outcome"] in unknown
    if row["outcome"] == "PROVISIONAL" or (is_unknown and row["kind"] == "provisional"):
        return "provisional"
    return "suspense" if is_unknown and row["kind"] != "cancel" else "no_effect"


def outcome_rows(rows):
    out = []
    for row in rows:
        slip = row["slip"] or {}
        line = {
            "source": row.get("source") or "",
            "record_no": row.get("record_no"),
            "outcome": row["outcome"],
            "disposition": disposition_of(row),
            "bill_id": slip.get("bill_id"),
        }
        for name in ("payee_code", "item_code", "case_key"):
            line[name] = row.get(name) or slip.get(name)
        if line["case_key"] is not None:
            line["case_key"] = line["case_key"].rjust(20, "0")
        line.update({name: row[name] for name in ("amount", "applied", "excess", "balance_before")})
        key = (line["source"], row.get("digest") or "", line["record_no"] or 0)
        out.append((*key, [(value is not None, value) for value in line.values()], line))
    out.sort(key=lambda item: item[:3])
    ordered = []
    for _, same in groupby(out, key=lambda item: item[:3]):
        ordered += [
            item[4]
            for item in sorted(
                same,
                key=lambda item: [
                    (known, v or "") if isinstance(v, str) or v is None else (known, v) for known, v in item[3]
                ],
            )
        ]
    return ordered


def balance_rows(bills, debts, rows):
    waiting = {row["slip"]["bill_id"] for row in rows if row["outcome"] == "PROVISIONAL"}
    out = []
    for bill in sorted(bills, key=lambda bill: bill["bill_id"]):
        line = {
            "bill_id": bill["bill_id"],
            "payee_code": bill["payee_code"],
            "amount": bill["amount"],
            "paid": 0,
            "residual": 0,
            "status": bill["status"],
        }
        if bill["status"] == "open":
            billed = sum(debts.billed[debt] for debt in bill["debts"])
            residual = sum(debts.balance[debt] for debt in bill["debts"])
            status = "settled"
            if residual:
                status = "provisional" if bill["bill_id"] in waiting else "partial" if billed > residual else "expected"
            line.update(amount=billed, paid=billed - residual, residual=residual, status=status)
        out.append(line)
    return out
