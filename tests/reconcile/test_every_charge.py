"""Each charge of the catalog from the bill to the accounts: bill, eL-QR, receipt, reconciliation, totals by item."""

from datetime import timedelta
from pathlib import Path

import pytest

from kokin import bills, catalog, elqr, receipts, reconcile

CATALOG = Path(__file__).parents[1] / "catalog"
BODY = catalog.load(CATALOG / "authority-99999.toml")
BILLED = bills.read(CATALOG / "bills.csv").table
ROWS = BILLED.to_pylist()


@pytest.fixture(scope="module")
def night(tmp_path_factory):
    """Every slip is paid by its eL-QR a week before it is due; the agent's file is read."""
    paid = [pay(row) for row in ROWS]
    file = tmp_path_factory.mktemp("night") / "eltax.csv"
    receipts.write(paid, file, "kokin-csv")
    opened = receipts.open(file, "kokin-csv")
    done = reconcile.reconcile(BILLED, list(opened.batches()))
    return reconcile.build_accounts(done, catalog=BODY, files={opened.digest: opened.totals}), done


def pay(row):
    """The receipt of an app that reads the code."""
    bill = bills_of(row)
    code = elqr.parse(elqr.ElQr.from_bill(bill).payload)
    key = {name: getattr(code, name) for name in ("payee_code", "item_code", "case_key", "confirmation", "amount")}
    paid_on = code.due_on - timedelta(days=7)
    return {**key, "paid_on": paid_on, "received_on": paid_on + timedelta(days=3), "channel": "app"}


def bills_of(row):
    from kokin.model import Bill

    fields = {name: value for name, value in row.items() if value is not None}
    return Bill(**{**fields, "parts": dict(row["parts"])})


@pytest.mark.parametrize("row", ROWS, ids=[row["charge"] for row in ROWS])
def test_from_the_bill_to_the_accounts(night, row):
    accounts, done = night
    outcomes = [each for each in done.outcomes.to_pylist() if each["bill_id"] == row["bill_id"]]
    assert [(each["outcome"], each["applied"], each["excess"]) for each in outcomes] == [("MATCHED", row["amount"], 0)]
    totals = [total for total in accounts.totals.to_pylist() if total["item_code"] == row["item_code"]]
    parts = dict(row["parts"]) or {row["charge"]: row["amount"]}
    assert {total["charge"]: total["received"] for total in totals} == parts
    for total in totals:
        charge = BODY.charge(total["charge"])
        assert (total["account"], total["system"]) == (charge.account, charge.system)
        assert (total["fiscal_year"], total["year_class"], total["channel"], total["receipts"]) == (
            2026,
            "current",
            "app",
            1,
        )
        column = "revenue" if BODY.class_of(charge).revenue else "off_budget"
        assert total["received"] == total[column] == total["revenue"] + total["off_budget"]


def test_there_are_no_exceptions(night):
    accounts, done = night
    assert (len(done.outcomes), len(accounts.exceptions)) == (len(ROWS), 0)
    assert set(accounts.receivables["unpaid"].to_pylist()) == {0}
    assert [control.holds for control in accounts.controls] == [True, None, None, True, True, True]
