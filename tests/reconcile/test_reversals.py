"""A bank or an agent takes booked money back: it was never paid, and the bill is open again."""

from datetime import date, timedelta

import pytest

from kokin.reconcile import OutcomeTotal, bank_deposits, build_accounts, reconcile
from tests.reconcile.accounts_cases import JUNE_1, MAY_1, books, credit, finding_rows, paid, rows, run, slip, table

B1, B2 = slip(1, 12_300), slip(2, 5_000)


def back(bill, amount=None, day=MAY_1 + timedelta(1), **more):
    return paid(bill, amount, day, kind="reversal", **more)


def outcomes(*receipts, bills=(B1, B2)):
    receipts = [{"record_no": number, **row} for number, row in enumerate(receipts, 1)]
    done = reconcile(table(bills), table(receipts))
    assert {name: control.holds for name, control in done.summary.controls.items() if name in ("T4", "T5", "T6")} == {
        "T4": True,
        "T5": True,
        "T6": True,
    }
    return done.outcomes["outcome"].to_pylist()


NEXT = MAY_1 + timedelta(1)
JUNE_3 = JUNE_1 + timedelta(2)
NAMELESS = {"payee_code": None, "item_code": None, "case_key": None, "confirmation": None}
ALONE = "REVERSAL_WITHOUT_PAYMENT"


@pytest.mark.parametrize(
    ("receipts", "expected"),
    [
        pytest.param([paid(B1), back(B1)], ["REVERSED", "REVERSAL"], id="by the number"),
        pytest.param([back(B1), paid(B1)], ["REVERSAL", "REVERSED"], id="in any order"),
        pytest.param([paid(B1), back(B1, day=MAY_1)], ["REVERSED", "REVERSAL"], id="on the same day"),
        pytest.param([paid(B1, day=JUNE_1), back(B1)], ["MATCHED", ALONE], id="not before the payment"),
        pytest.param([paid(B1, 9_000), back(B1)], ["UNDERPAID", ALONE], id="another amount"),
        pytest.param([paid(B2, 12_300), back(B1)], ["OVERPAID", ALONE], id="another bill"),
        pytest.param([back(B1)], [ALONE], id="nothing to take back"),
        pytest.param([paid(B1), back(B1), back(B1, channel="x")], ["REVERSED", "REVERSAL", ALONE], id="each takes one"),
        pytest.param([paid(B1), paid(B1, day=NEXT), back(B1)], ["MATCHED", "REVERSED", "REVERSAL"], id="the latest"),
        pytest.param(
            [paid(B1), paid(B1, day=JUNE_1), back(B1)],
            ["REVERSED", "MATCHED", "REVERSAL"],
            id="the latest not after it",
        ),
        pytest.param(
            [paid(B1, day=JUNE_3, received_on=JUNE_1), back(B1, day=JUNE_1 + timedelta(1))],
            ["REVERSED", "REVERSAL"],
            id="booked before it, with a later value day",
        ),
        pytest.param(
            [paid(B1, day=JUNE_3), back(B1, day=JUNE_1, received_on=JUNE_3)],
            ["REVERSED", "REVERSAL"],
            id="booked on the day, with an earlier value day of the reversal",
        ),
        pytest.param(
            [paid(B1, day=MAY_1, received_on=JUNE_3), back(B1, day=JUNE_3, received_on=JUNE_1)],
            ["MATCHED", ALONE],
            id="booked after it, with an earlier value day",
        ),
        pytest.param(
            [paid(B1, day=JUNE_3, received_on=MAY_1), paid(B1, received_on=NEXT), back(B1, received_on=JUNE_1)],
            ["MATCHED", "REVERSED", "REVERSAL"],
            id="the one booked last",
        ),
        pytest.param([paid(B1), back(B1), paid(B1, day=JUNE_1)], ["REVERSED", "REVERSAL", "MATCHED"], id="paid again"),
        pytest.param([paid(B1, case_key="77"), back(B1, case_key="77")], ["REVERSED", "REVERSAL"], id="without a bill"),
        pytest.param([paid(B1, **NAMELESS), back(B1, **NAMELESS)], ["KEY_MISSING", ALONE], id="without a number"),
        pytest.param(
            [paid(B1, provider_key="K", **NAMELESS), back(B1, cancels="K", **NAMELESS)],
            ["REVERSED", "REVERSAL"],
            id="without a number, by its key",
        ),
        pytest.param(
            [paid(B1, provider_key="K"), paid(B1, provider_key="L", day=NEXT), back(B1, cancels="K")],
            ["REVERSED", "MATCHED", "REVERSAL"],
            id="the named one",
        ),
        pytest.param(
            [paid(B1, provider_key="K", day=JUNE_1), back(B1, cancels="K")],
            ["REVERSED", "REVERSAL"],
            id="of a later day",
        ),
        pytest.param([paid(B1, provider_key="K"), back(B1, cancels="L")], ["MATCHED", ALONE], id="no other than named"),
        pytest.param([paid(B1, provider_key="K"), back(B1, 300, cancels="K")], ["MATCHED", ALONE], id="a part of it"),
        pytest.param(
            [paid(B1, provider_key="K", key_composed=True), back(B2, 12_300, cancels="K")],
            ["REVERSED", "REVERSAL"],
            id="by a composed key",
        ),
        pytest.param(
            [paid(B1, 9), paid(B1, kind="correction"), back(B1)],
            ["SUPERSEDED", "REVERSED", "REVERSAL"],
            id="a correction",
        ),
        pytest.param(
            [paid(B1, kind="manual", actor="a", reason="b"), back(B1)], ["MATCHED", ALONE], id="no payment by hand"
        ),
        pytest.param([paid(B1, kind="provisional"), back(B1)], ["PROVISIONAL", ALONE], id="no provisional"),
        pytest.param(
            [paid(B1, kind="provisional"), paid(B1), back(B1)],
            ["SUPERSEDED", "REVERSED", "REVERSAL"],
            id="a provisional does not wait again",
        ),
        pytest.param(
            [paid(B1, provider_key="K"), paid(B1, provider_key="K"), back(B1)],
            ["REVERSED", "DUPLICATE_RECORD", "REVERSAL"],
            id="a duplicate is no payment",
        ),
        pytest.param(
            [paid(B1), back(B1, provider_key="R"), back(B1, provider_key="R")],
            ["REVERSED", "REVERSAL", "DUPLICATE_RECORD"],
            id="a reversal that comes twice",
        ),
    ],
)
def test_pairs(receipts, expected):
    assert outcomes(*receipts) == expected


IN_E90 = {"batch_key": "E90"}
BOTH = [paid(B1, provider_key="E91", **IN_E90), paid(B2, provider_key="E92", **IN_E90)]
WHOLE = back(B1, 17_300, **NAMELESS)


@pytest.mark.parametrize(
    "naming", [{"cancels": "E90"}, {"provider_key": "E90"}, {"provider_key": "R", "cancels": "E90"}]
)
@pytest.mark.parametrize(
    ("receipts", "expected"),
    [
        pytest.param([*BOTH, WHOLE], ["REVERSED", "REVERSED", "REVERSAL"], id="the whole booking"),
        pytest.param(
            [{**paid(B1), **IN_E90}, {**paid(B2), **IN_E90}, WHOLE],
            ["REVERSED", "REVERSED", "REVERSAL"],
            id="of payments without a key",
        ),
        pytest.param(
            [*BOTH, paid(B1, 17_300, provider_key="E90", **NAMELESS), WHOLE],
            ["REVERSED", "REVERSED", "DUPLICATE_RECORD", "REVERSAL"],
            id="that was reported too",
        ),
        pytest.param(
            [*BOTH, {**WHOLE, "amount": 17_299}, {**WHOLE, "amount": 12_300}],
            ["MATCHED", "MATCHED", ALONE, ALONE],
            id="another amount",
        ),
        pytest.param(
            [*BOTH, back(B1, cancels="E91"), WHOLE, {**WHOLE, "amount": 5_000}],
            ["REVERSED", "REVERSED", "REVERSAL", ALONE, "REVERSAL"],
            id="what is left of it",
        ),
        pytest.param(
            [*BOTH, WHOLE, {**WHOLE, "paid_on": JUNE_1}],
            ["REVERSED", "REVERSED", "REVERSAL", ALONE],
            id="taken back once",
        ),
        pytest.param(
            [paid(B1, provider_key="E90"), {**WHOLE, "amount": 12_300}], ["REVERSED", "REVERSAL"], id="a single payment"
        ),
        pytest.param(
            [paid(B1, kind="manual", actor="a", reason="b", **IN_E90), {**WHOLE, "amount": 12_300}],
            ["MATCHED", ALONE],
            id="no payment by hand",
        ),
    ],
)
def test_a_reversal_of_a_whole_booking(receipts, expected, naming):
    receipts = [
        {**row, **naming} if row.get("kind") == "reversal" and "cancels" not in row else row for row in receipts
    ]
    assert outcomes(*receipts) == expected


def test_the_key_of_a_reversal_with_a_number_names_nothing():
    assert outcomes(*BOTH, back(B1, 17_300, provider_key="E90")) == ["MATCHED", "MATCHED", ALONE]


def test_both_bills_of_a_reversed_booking_are_open_again():
    on = {"settled_on": date(2026, 5, 20)}
    receipts = [{**row, **on} for row in (*BOTH, {**WHOLE, "cancels": "E90"}, paid(B2, 500, day=JUNE_1))]
    done = run([B1, B2], receipts)
    accounts = build_accounts(done, as_of=date(2026, 7, 1), deposits=credit(500))
    assert rows(done.balances, "bill_id", "paid", "residual") == [("B1", 0, 12_300), ("B2", 500, 4_500)]
    assert done.summary.dispositions == {"applied": 500, "excess": 0, "suspense": 0, "provisional": 0, "no_effect": 0}
    assert [row for row in accounts.controls if row.holds is False] == []
    assert sum(accounts.totals["received"].to_pylist()) == sum(accounts.totals["revenue"].to_pylist()) == 500
    assert not len(accounts.overpayments)


def test_the_bill_is_open_again_and_nothing_is_owed_back():
    done = run([B1, B2], [paid(B1), back(B1), paid(B2), back(B2, provider_key="x"), paid(B2, day=JUNE_1)])
    accounts = build_accounts(done, as_of=date(2026, 7, 1))
    assert rows(done.balances, "bill_id", "paid", "residual", "status") == [
        ("B1", 0, 12_300, "expected"),
        ("B2", 5_000, 0, "settled"),
    ]
    assert done.summary.amount == 5_000
    assert done.summary.dispositions == {"applied": 5_000, "excess": 0, "suspense": 0, "provisional": 0, "no_effect": 0}
    assert done.summary.outcomes["REVERSAL"] == OutcomeTotal(2, -17_300)
    assert rows(accounts.arrears, "bill_id", "unpaid") == [("B1", 12_300)]
    assert rows(accounts.totals, "received", "revenue") == [(5_000, 5_000)]
    assert rows(accounts.receivables, "billed", "received", "unpaid") == [(17_300, 5_000, 12_300)]
    assert not len(accounts.overpayments)


def test_a_double_payment_that_is_taken_back_is_not_owed_back():
    result = run([B1], [paid(B1), paid(B1, day=NEXT), back(B1)])
    accounts = build_accounts(result)
    assert rows(result.outcomes, "outcome") == [("MATCHED",), ("REVERSED",), ("REVERSAL",)]
    assert not len(accounts.overpayments)


def test_money_taken_back_without_a_payment_lowers_suspense():
    accounts = books([B1], [back(B1), paid(B1, 500, case_key="77")])
    assert accounts.summary.dispositions["suspense"] == 500 - 12_300
    assert accounts.summary.amount == 500 - 12_300
    assert sorted(rows(accounts.aging, "kind", "outcome", "amount")) == [
        ("suspense", "NO_BILL", 500),
        ("suspense", ALONE, -12_300),
    ]
    assert sum(accounts.totals["suspense"].to_pylist()) == 500 - 12_300


@pytest.mark.parametrize(
    ("receipts", "expected"),
    [
        ([paid(B1), back(B1)], [("REVERSED", "kind", "no reversal", "reversal")]),
        ([back(B1)], [(ALONE, "kind", "a payment of this amount", "reversal")]),
        ([back(B1, cancels="K")], [(ALONE, "cancels", "a payment of this amount", "K")]),
    ],
)
def test_what_is_to_be_looked_at(receipts, expected):
    done = run([B1], receipts)
    assert rows(done.exceptions, "outcome", "field", "expected", "found") == expected


def test_the_bank_has_less_on_the_day_of_the_reversal():
    """T3: the payment came on 20 May, and the bank took it back on 25 May."""
    on, later = {"settled_on": date(2026, 5, 20)}, {"settled_on": date(2026, 5, 25)}
    receipts = [paid(B1, **on), paid(B2, **on), back(B1, **later)]
    credits_ = table(
        [{"credited_on": date(2026, 5, 20), "amount": 17_300}, {"credited_on": date(2026, 5, 25), "amount": -12_300}]
    )
    accounts = books([B1, B2], receipts, deposits=credits_)
    assert rows(accounts.settlements, "settled_on", "settled", "cancelled", "expected", "credited") == [
        (date(2026, 5, 20), 17_300, 0, 17_300, 17_300),
        (date(2026, 5, 25), 0, 12_300, -12_300, -12_300),
    ]
    assert accounts.controls[2].holds is True
    assert books([B1, B2], receipts, deposits=credit(17_300)).controls[2].holds is False


def test_an_agent_has_collected_what_was_taken_back_later():
    report = table([{"first_day": MAY_1, "last_day": MAY_1, "count": 2, "amount": 17_300}])
    accounts = books([B1, B2], [paid(B1), paid(B2), back(B1)], agent_reports=report)
    assert accounts.controls[1].holds is True


def test_a_reversal_in_a_bank_file_is_a_negative_credit():
    came = bank_deposits(table([{**paid(B1), "kind": "final"}, back(B1)]))
    assert came["amount"].to_pylist() == [12_300, -12_300]


# --- several keys in one text ----------------------------------------------------------------------------------------


def test_a_text_that_names_several_bills_stays_in_suspense():
    done = run([B1, B2], [paid(B1, 17_300, other_keys="99999127000000000000000000021234567")])
    assert rows(done.outcomes, "outcome", "bill_id", "applied", "excess") == [("MULTIPLE_BILLS", None, 0, 0)]
    assert done.summary.dispositions["suspense"] == 17_300
    own = "99999" + "127" + "1".zfill(20) + "123456"
    assert rows(done.exceptions, "field", "expected", "found") == [
        ("el_number", "one open bill", f"{own};99999127000000000000000000021234567")
    ]
    assert finding_rows(books([B1], [paid(B1, other_keys="")])) == []
