"""Each charge of the catalogue from the bill to the books: bill, eL-QR, receipt, reconciliation, totals by item."""

from datetime import timedelta
from pathlib import Path

import pytest

from kokin import bills, catalog, elqr, receipts, reconcile

CATALOG = Path(__file__).parents[1] / "catalog"
BODY = catalog.load(CATALOG / "body-99999.toml")
BILLED = bills.read(CATALOG / "bills.csv").table
ROWS = BILLED.to_pylist()


@pytest.fixture(scope="module")
def night(tmp_path_factory):
    """Every slip is paid by its eL-QR a week before it is due, and the operator's file is read."""
    paid = [pay(row) for row in ROWS]
    file = tmp_path_factory.mktemp("night") / "eltax.csv"
    receipts.write(paid, file, "kokin-csv")
    opened = receipts.open(file, "kokin-csv")
    done = reconcile.reconcile(BILLED, list(opened.batches()))
    return reconcile.build_accounts(done, catalog=BODY, files={opened.digest: opened.totals}), done


def pay(row):
    """What an app reads from the code, and sends back as paid."""
    bill = bills_of(row)
    code = elqr.parse(elqr.ElQr.from_bill(bill).payload)
    told = {name: getattr(code, name) for name in ("payee_code", "item_code", "case_key", "confirmation", "amount")}
    paid_on = code.due_on - timedelta(days=7)
    return {**told, "paid_on": paid_on, "received_on": paid_on + timedelta(days=3), "channel": "app"}


def bills_of(row):
    from kokin.model import Bill

    told = {name: value for name, value in row.items() if value is not None}
    return Bill(**{**told, "parts": dict(row["parts"])})


@pytest.mark.parametrize("row", ROWS, ids=[row["charge"] for row in ROWS])
def test_from_the_bill_to_the_books(night, row):
    accounts, done = night
    outcome = [told for told in done.outcomes.to_pylist() if told["bill_id"] == row["bill_id"]]
    assert [(told["outcome"], told["applied"], told["excess"]) for told in outcome] == [("MATCHED", row["amount"], 0)]
    booked = [told for told in accounts.totals.to_pylist() if told["item_code"] == row["item_code"]]
    parts = dict(row["parts"]) or {row["charge"]: row["amount"]}
    assert {told["charge"]: told["revenue"] for told in booked} == parts
    for told in booked:
        charge = BODY.charge(told["charge"])
        assert (told["account"], told["system"]) == (charge.account, charge.system)
        assert (told["fiscal_year"], told["year_class"], told["channel"], told["receipts"]) == (
            2026,
            "current",
            "app",
            1,
        )
        assert told["received"] == told["revenue"]


def test_nothing_is_left_to_look_at(night):
    accounts, done = night
    assert (len(done.outcomes), len(accounts.exceptions)) == (len(ROWS), 0)
    assert set(accounts.receivables["unpaid"].to_pylist()) == {0}
    assert [control.holds for control in accounts.controls] == [True, None, None, True, True, True]
