"""Aging: every provisional, suspense or undeposited yen is in one row, and every debt past its due date in one."""

from datetime import date, timedelta

import pyarrow as pa
import pytest

from kokin.reconcile import AgingKind, build_accounts, reconcile
from tests.reconcile import accounts_city

AS_OF = date(2026, 6, 15)


def books(bills, receipts, **more):
    return build_accounts(reconcile(bills, receipts), catalog=accounts_city.BODY, as_of=AS_OF, **more)


@pytest.mark.parametrize("seed", range(4))
def test_aging_adds_up_to_the_dispositions_and_arrears_to_the_balances(seed):
    bills, receipts = accounts_city.city(seed, 300)
    result = reconcile(*accounts_city.tables(bills, receipts))
    accounts = build_accounts(result, catalog=accounts_city.BODY, as_of=AS_OF)
    aging = accounts.aging.to_pylist()
    for kind in (AgingKind.PROVISIONAL, AgingKind.SUSPENSE):
        assert sum(row["amount"] for row in aging if row["kind"] == kind) == accounts.summary.dispositions[kind]
    by_record = {row["record_no"]: row for row in receipts}
    for row in aging:
        receipt_ = by_record[row["record_no"]]
        since = receipt_["paid_on"] if row["kind"] == "provisional" else receipt_["received_on"] or receipt_["paid_on"]
        assert (row["since"], row["days"]) == (since, max((AS_OF - since).days, 0))
        days = row["days"]
        assert row["age"] == ("0-7" if days <= 7 else "8-30" if days <= 30 else "31-90" if days <= 90 else "91+")

    arrears = accounts.arrears.to_pylist()
    open_ = {row["bill_id"]: row for row in result.balances.to_pylist()}
    by_bill = {row["bill_id"]: row for row in bills}
    # Slips of one debt show the same balance; a slip for the whole year shows that of its instalments.
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


def test_a_debt_is_in_arrears_after_its_due_date_and_shows_a_provisional_of_any_of_its_slips():
    yesterday = AS_OF - timedelta(1)
    bills = [
        bill(1, AS_OF, obligation_id=None),
        bill(2, yesterday, obligation_id=None),
        bill(3, yesterday, obligation_id="X"),
        bill(4, yesterday, obligation_id="X"),
    ]
    accounts = books(pa.Table.from_pylist(bills), pa.Table.from_pylist([receipt(1, 4, kind="provisional")]))
    arrears = accounts.arrears.select(["bill_id", "days", "age", "unpaid", "reported"]).to_pylist()
    assert [tuple(row.values()) for row in arrears] == [("B2", 1, "0-7", 1_000, False), ("B3", 1, "0-7", 1_000, True)]


def test_money_is_undeposited_only_if_deposits_are_known_and_the_day_is_past():
    bills = pa.Table.from_pylist([bill(n, AS_OF) for n in (1, 2, 3)])
    days = (AS_OF - timedelta(8), AS_OF - timedelta(9), AS_OF + timedelta(1))
    receipts = pa.Table.from_pylist([receipt(n, n, settled_on=day) for n, day in enumerate(days, 1)])
    assert len(books(bills, receipts).aging) == 0
    credits_ = pa.table({"credited_on": [days[1]], "amount": [400]})
    aging = books(bills, receipts, deposits=credits_).aging.select(["kind", "since", "age", "amount"]).to_pylist()
    assert [tuple(row.values()) for row in aging] == [
        ("unsettled", days[1], "8-30", 600),
        ("unsettled", days[0], "8-30", 1_000),
    ]
