"""The accounts of a run in plain Python: one receipt, one bill, one day at a time, after the specification.

The input are the outcomes of the reference of matching. The rules of law are the scalar ones.
"""

from collections import Counter, defaultdict
from datetime import date, timedelta

from kokin import rules

# The parts that a city collects for the prefecture and the state, and the yen of the totals.
OFF_BUDGET = {"prefectural-resident-tax", "forest-environment-tax"}
YEN = ("revenue", "off_budget", "overpaid", "suspense")
MONEY = {"MATCHED", "UNDERPAID", "OVERPAID", "DUPLICATE_PAYMENT", "BILL_CHANGED", "CANCELLED_BILL"}
SUSPENSE = {"NO_BILL", "MULTIPLE_BILLS", "KEY_MISSING", "REVERSAL_WITHOUT_PAYMENT"}
KINDS = {
    "OVERPAID": "overpaid",
    "DUPLICATE_PAYMENT": "double",
    "BILL_CHANGED": "mistaken",
    "CANCELLED_BILL": "mistaken",
}


class PlainAccounts:
    """The accounts of ``lines``: the receipts with their outcomes, in the order of the outcomes."""

    def __init__(self, bills, lines, policy, catalog, as_of, debts, rank, write_offs):
        self.policy, self.catalog, self.as_of = policy, catalog, as_of
        self.bills = {bill["bill_id"]: bill for bill in bills}
        self.served = sorted(policy.payee_codes or {bill["payee_code"] for bill in bills})
        self.lines = lines
        for line in lines:
            line["bill"] = self.bills.get(line["bill_id"])
            line["received"] = line["received_on"] or line["paid_on"]
            kind = line["outcome"]
            line["booked"] = kind in MONEY
            line["suspense"] = kind in SUSPENSE and line["kind"] not in ("provisional", "cancel")
        self.debts = debts  # before the run
        self.whole = debts.billed
        self.replay(rank)
        self.written_off = {self.bills[row["bill_id"]]["debts"][0]: row["amount"] for row in write_offs}
        self.unpaid = {debt: yen - self.written_off.get(debt, 0) for debt, yen in self.open.items()}

    # --- obligations -------------------------------------------------------------------------------------------------

    def own_slip(self, debt):
        order = ("open", "superseded", "cancelled")
        return min(
            self.debts.slips_of[debt], key=lambda bill: (order.index(bill["status"]), -bill["amount"], bill["bill_id"])
        )

    def replay(self, rank):
        """Allocate each payment to the obligations of its slip."""
        self.open = dict(self.debts.balance)
        self.shares = []
        for line in sorted((line for line in self.lines if line["applied"]), key=rank):
            left = line["applied"]
            for debt in line["bill"]["debts"]:
                taken = min(left, self.open[debt])
                left -= taken
                if taken:
                    self.shares.append((line, debt, taken, self.open[debt]))
                    self.open[debt] -= taken
            assert left == 0

    # --- charges and years -------------------------------------------------------------------------------------------

    def charge(self, bill):
        return bill["charge"] or self.catalog.items[bill["item_code"]].charge

    def known(self, charge, name):
        return getattr(self.catalog.charges[charge], name) if charge in self.catalog.charges else None

    def years(self, bill, received):
        """Fiscal year, class, the day on which its accounts closed (None: it came before), for one bill."""
        due = bill["due_on"]
        march = date(rules.fiscal_year(due), 3, 31)
        if bill["levy_year"] == march.year - 1 and due > march and rules.shift_due_date(march) == due:
            due = march
        account = self.known(self.charge(bill), "account")
        if account in ("water", "sewerage"):
            year, closed = rules.fiscal_year(received), None
        else:
            year = rules.revenue_year(due, received)
            closed = rules.accounts_close_on(rules.fiscal_year(due)) if year > rules.fiscal_year(due) else None
        assessed = min(bill["levy_year"] or rules.fiscal_year(due), year)
        charged = min(bill["tax_year"] or assessed, assessed)
        return year, rules.year_class(charged, assessed, year).value, closed

    # --- parts -------------------------------------------------------------------------------------------------------

    def cut(self):
        """(line, debt, part or None, yen), and the two kinds of SPLIT_MISMATCH."""
        still, pieces, findings = {}, [], []
        for line, debt, yen, met in self.shares:
            slip = self.own_slip(debt)
            parts, charge = dict(slip["parts"]), self.charge(slip)
            how = self.policy.split.get(charge, "prorata")
            before = self.whole[debt] - self.debts.balance[debt]
            if not parts:
                pieces.append((line, debt, charge, yen))
            elif sum(parts.values()) != self.whole[debt]:
                pieces.append((line, debt, None, yen))
                findings.append((line, "SPLIT_MISMATCH", "parts", self.whole[debt], sum(parts.values())))
            elif how == "reject":
                if yen < met:
                    pieces.append((line, debt, None, yen))
                    findings.append((line, "SPLIT_MISMATCH", "amount", met, yen))
                else:
                    pieces += [(line, debt, name, part) for name, part in parts.items() if part]
                    if met < self.whole[debt]:
                        pieces.append((line, debt, None, met - self.whole[debt]))
            else:
                if debt not in still:
                    still[debt] = parts
                    take(still[debt], before, how)
                pieces += [(line, debt, name, part) for name, part in take(still[debt], yen, how).items() if part]
        return pieces, findings

    def parts(self):
        rows = []
        for line, debt, part, yen in self.cut()[0]:
            slip = self.own_slip(debt)
            year, year_class, _ = self.years(slip, line["received"])
            account = self.known(part, "account")
            rows.append((line["record_no"], slip["bill_id"], part, account, year, year_class, yen))
        return Counter(rows)

    # --- totals ------------------------------------------------------------------------------------------------------

    def totals(self):
        yen, receipts = defaultdict(Counter), defaultdict(set)

        def add(line, bill, charge, years, name, amount):
            charge = charge or (self.charge(bill) if bill else None)
            item = bill["item_code"] if bill else line["item_code"]
            key = (
                line["own_payee_code"] or (line["bill"]["payee_code"] if line["bill"] else ""),
                self.known(charge, "account"),
                self.known(charge, "system"),
                charge,
                item,
                *years,
                line["channel"],
                line["received"],
            )
            yen[key][name] += amount
            receipts[key].add(line["record_no"])

        for line, debt, part, amount in self.cut()[0]:
            column = "off_budget" if part in OFF_BUDGET else "revenue"
            add(line, line["bill"], part, self.years(self.own_slip(debt), line["received"])[:2], column, amount)
        for line in self.lines:
            if line["excess"]:
                years = self.years(line["bill"], line["received"])[:2]
                add(line, line["bill"], None, years, "overpaid", line["excess"])
            if line["suspense"]:
                taken_back = line["kind"] == "reversal"
                amount = -line["amount"] if taken_back else line["amount"]
                add(line, line["bill"] if taken_back else None, None, (None, None), "suspense", amount)
        return {(*key, len(receipts[key]), sums.total(), *(sums[name] for name in YEN)) for key, sums in yen.items()}

    def receivables(self):
        rows = defaultdict(Counter)

        def of(debt):
            slip = self.own_slip(debt)
            return rows[slip["payee_code"], self.charge(slip), slip["item_code"], self.years(slip, self.as_of)[1]]

        for debt, billed in self.whole.items():
            row, before, written_off = of(debt), self.debts.balance[debt], self.written_off.get(debt, 0)
            row.update(billed=billed, paid_before=billed - before, written_off=written_off)
            row["unpaid"] += self.unpaid[debt]
        for _, debt, yen, _ in self.shares:
            of(debt)["received"] += yen
        for line in self.lines:
            if line["excess"]:
                of(line["bill"]["debts"][0]).update(received=line["excess"], overpaid=line["excess"])
        names = ("billed", "paid_before", "received", "overpaid", "written_off", "unpaid")
        return {(*key, *(row[name] for name in names)) for key, row in rows.items()}

    # --- overpayments and set-off candidates -------------------------------------------------------------------------

    def setoff_class(self, bill):
        charge = self.charge(bill)
        return "tax" if self.known(charge, "late_charge") == "tax" else charge

    def due_debts(self):
        """Open debts that are due: [slip, still open], by term and bill_id."""
        slips = [self.own_slip(debt) for debt, yen in self.unpaid.items() if yen]
        found = [s for s in slips if s["due_on"] <= self.as_of and s["payer_key"]]
        return sorted(found, key=lambda slip: (slip["due_on"], slip["bill_id"]))

    def setoff_candidates(self):
        debts = self.due_debts()
        still = {slip["bill_id"]: self.unpaid[slip["debts"][0]] for slip in debts}
        by_payer = defaultdict(list)
        for slip in debts:
            by_payer[slip["payee_code"], slip["payer_key"]].append(slip)
        left = {line["record_no"]: line["excess"] for line in self.lines if line["excess"]}
        self.by_law = defaultdict(list)  # yen and interest of each set-off
        rows = []

        def add(line, slip, max_yen, kind, consent):
            yen = min(max_yen, still[slip["bill_id"]])
            if yen:
                still[slip["bill_id"]] -= yen
                setoff_on = None if consent else max(slip["due_on"], line["paid_on"])
                interest = None if consent else self.interest(line, yen, setoff_on)
                if not consent and kind != "wrong_term":
                    self.by_law[line["record_no"]].append((yen, interest))
                more = (self.unpaid[slip["debts"][0]], yen, setoff_on, interest, consent)
                rows.append((line["record_no"], slip["bill_id"], kind, *more))
            return yen

        for consent in (False, True):
            for line in self.lines:
                if line["excess"] and line["bill"]["payer_key"]:
                    bill = line["bill"]
                    for slip in by_payer[bill["payee_code"], bill["payer_key"]]:
                        if consent or self.setoff_class(slip) == self.setoff_class(bill):
                            max_yen = left[line["record_no"]]
                            left[line["record_no"]] -= add(line, slip, max_yen, KINDS[line["outcome"]], consent)
        for line, slip in self.wrong_instalments():
            add(line, slip, line["applied"], "wrong_term", False)
        return Counter(rows), left

    def wrong_instalments(self):
        def assessment(bill):
            key = (bill["payee_code"], bill["payer_key"], self.setoff_class(bill), bill["item_code"])
            return (*key, bill["levy_year"] or 0, bill["tax_year"] or 0)

        by_assessment = defaultdict(list)
        for slip in self.due_debts():
            if slip["period"] != "00":
                by_assessment[assessment(slip)].append(slip)
        for line in self.lines:
            bill = line["bill"]
            if line["applied"] and bill["payer_key"] and bill["period"] != "00":
                for slip in by_assessment[assessment(bill)]:
                    if line["paid_on"] <= slip["due_on"]:
                        if slip["due_on"] < bill["due_on"]:
                            yield line, slip
                        break

    def overpayments(self):
        _, left = self.setoff_candidates()
        rows = []
        for line in self.lines:
            if line["excess"]:
                by_law = self.by_law[line["record_no"]]
                refund = line["excess"] - sum(yen for yen, _ in by_law)
                interest = self.interest(line, refund, self.as_of), sum(yen for _, yen in by_law)
                offered = line["excess"] - left[line["record_no"]]
                more = (line["excess"], refund, *interest, offered)
                rows.append((line["record_no"], KINDS[line["outcome"]], *more))
        return Counter(rows)

    def interest(self, line, yen, ends_on):
        """還付加算金 on some yen of a receipt; none on a private claim unless the policy names its charge."""
        charge = self.charge(line["bill"])
        start = "none" if self.known(charge, "claim") == "private" else self.policy.refund_interest_from
        start = self.policy.refund_interest_by_charge.get(charge, start)
        if start == "none":
            return 0
        after = line["paid_on"] if start == "payment" else rules.period_end(line["paid_on"], 1)
        return rules.refund_interest(yen, after, ends_on, self.policy.interest_segment)

    # --- findings ----------------------------------------------------------------------------------------------------

    def findings(self):
        rows = Counter()

        def add(line, name, field, expected, found):
            rows[line["record_no"], name, field, str(expected), str(found)] += 1

        for line, name, field, expected, found in self.cut()[1]:
            add(line, name, field, expected, found)
        for line, slip in self.wrong_instalments():
            add(line, "WRONG_TERM", "period", slip["period"], line["bill"]["period"])
        for line in self.lines:
            self.findings_of(line, lambda *finding, line=line: add(line, *finding))
        return rows

    def findings_of(self, line, add):
        bill, policy = line["bill"], self.policy
        if line["own_payee_code"] not in (None, *self.served):
            add("WRONG_BODY", "payee_code", " | ".join(self.served), line["own_payee_code"])
        if line["outcome"] == "PROVISIONAL" and (self.as_of - line["paid_on"]).days > policy.stale_after:
            last_day = self.as_of - timedelta(days=policy.stale_after)
            add("STALE_PROVISIONAL", "paid_on", f"{last_day} or later ({policy.stale_after} days)", line["paid_on"])
        future = [
            (name, line[key])
            for name, key in (("paid_on", "paid_on"), ("received_on", "received"))
            if line[key] > self.as_of
        ]
        for name, day in future[:1]:
            add("FUTURE_DATE", name, f"{self.as_of} or earlier", day)
        is_money = line["booked"] or (line["suspense"] and line["kind"] != "reversal")
        if line["principal"] is not None and is_money:
            parts = sum(line[name] or 0 for name in ("principal", "late_charge", "demand_fee"))
            if parts != line["amount"]:
                add("SPLIT_MISMATCH", "principal + late_charge + demand_fee", line["amount"], parts)
        if not line["booked"]:
            return
        for name in ("period", "levy_year", "tax_year"):
            if line[name] and bill[name] and line[name] != bill[name]:
                add("WRONG_TERM", name, bill[name], line[name])
        last_day = line["payable_until"] or bill["payable_until"]
        if last_day and line["paid_on"] > last_day:
            add("EXPIRED", "paid_on", last_day, line["paid_on"])
        closed = self.years(bill, line["received"])[2]
        if closed and (policy.year_closed == "all" or line["paid_on"] <= closed):
            add("YEAR_CLOSED", "received_on", closed, line["received"])


def take(still, yen, how):
    """Split yen over the open amounts of the parts, and lower them."""
    if how == "water_first":
        order = sorted(still, key=lambda name: name != "water-charge")
        taken = rules.allocate(yen, {name: still[name] for name in order}, order)
    else:
        taken = dict(zip(still, rules.prorata(yen, list(still.values())), strict=True))
    for name in still:
        still[name] -= taken[name]
    return taken
