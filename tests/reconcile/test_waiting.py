"""What waits: every yen that is not at its end stands in one row, and every debt past its day in one."""

from datetime import date, timedelta

import books_city
import pyarrow as pa
import pytest

from kokin.reconcile import AgingKind, build_accounts, reconcile

AS_OF = date(2026, 6, 15)


def books(bills, receipts, **more):
    return build_accounts(reconcile(bills, receipts), catalog=books_city.BODY, as_of=AS_OF, **more)


@pytest.mark.parametrize("seed", range(4))
def test_what_waits_adds_up_to_the_bins_and_to_what_is_open(seed):
    bills, receipts = books_city.city(seed, 300)
    result = reconcile(*books_city.tables(bills, receipts))
    accounts = build_accounts(result, catalog=books_city.BODY, as_of=AS_OF)
    waiting = accounts.aging.to_pylist()
    for kind in (AgingKind.PROVISIONAL, AgingKind.SUSPENSE):
        assert sum(row["amount"] for row in waiting if row["kind"] == kind) == accounts.summary.dispositions[kind]
    by_record = {row["record_no"]: row for row in receipts}
    for row in waiting:
        told = by_record[row["record_no"]]
        since = told["paid_on"] if row["kind"] == "provisional" else told["received_on"] or told["paid_on"]
        assert (row["since"], row["days"]) == (since, (AS_OF - since).days)
        days = row["days"]
        assert row["age"] == ("0-7" if days <= 7 else "8-30" if days <= 30 else "31-90" if days <= 90 else "91+")

    arrears = accounts.arrears.to_pylist()
    open_ = {row["bill_id"]: row for row in result.balances.to_pylist()}
    by_bill = {row["bill_id"]: row for row in bills}
    # Slips of one debt show the same balance; a slip for the whole year shows that of its terms.
    debts = {
        by_bill[name].get("obligation_id") or name: balance["residual"]
        for name, balance in open_.items()
        if not by_bill[name]["covers"] and by_bill[name]["due_on"] < AS_OF and balance["residual"]
    }
    assert sorted(row["unpaid"] for row in arrears) == sorted(debts.values())
    assert [row["due_on"] for row in arrears] == sorted(row["due_on"] for row in arrears)
    for row in arrears:
        balance = open_[row["bill_id"]]
        assert (row["paid"], row["unpaid"]) == (balance["paid"], balance["residual"])
        assert row["reported"] or balance["status"] != "provisional"


SLIP = {"payee_code": "99999", "item_code": "901", "confirmation": "123456", "amount": 1_000}


def bill(number, due_on, **more):
    return {"bill_id": f"B{number}", "case_key": str(number), "due_on": due_on, **SLIP, **more}


def receipt(number, case, **more):
    place = {"source": "a", "digest": "d", "record_no": number, "kind": "final"}
    return {**place, "case_key": str(case), "paid_on": AS_OF, **SLIP, **more}


def test_a_debt_is_late_after_its_day_and_a_report_of_any_of_its_slips_is_told():
    yesterday = AS_OF - timedelta(1)
    bills = [
        bill(1, AS_OF, obligation_id=None),
        bill(2, yesterday, obligation_id=None),
        bill(3, yesterday, obligation_id="X"),
        bill(4, yesterday, obligation_id="X"),
    ]
    accounts = books(pa.Table.from_pylist(bills), pa.Table.from_pylist([receipt(1, 4, kind="provisional")]))
    told = accounts.arrears.select(["bill_id", "days", "age", "unpaid", "reported"]).to_pylist()
    assert [tuple(row.values()) for row in told] == [("B2", 1, "0-7", 1_000, False), ("B3", 1, "0-7", 1_000, True)]


def test_money_is_missing_at_the_bank_only_where_the_bank_has_spoken_and_the_day_has_come():
    bills = pa.Table.from_pylist([bill(n, AS_OF) for n in (1, 2, 3)])
    days = (AS_OF - timedelta(8), AS_OF - timedelta(9), AS_OF + timedelta(1))
    receipts = pa.Table.from_pylist([receipt(n, n, settled_on=day) for n, day in enumerate(days, 1)])
    assert len(books(bills, receipts).aging) == 0
    credits_ = pa.table({"credited_on": [days[1]], "amount": [400]})
    told = books(bills, receipts, deposits=credits_).aging.select(["kind", "since", "age", "amount"]).to_pylist()
    assert [tuple(row.values()) for row in told] == [
        ("unsettled", days[1], "8-30", 600),
        ("unsettled", days[0], "8-30", 1_000),
    ]
