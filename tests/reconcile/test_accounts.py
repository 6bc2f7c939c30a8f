"""Findings of law and policy, and the input of the accounts."""

import re
from datetime import date
from pathlib import Path

import numpy as np
import pytest

from kokin.catalog import CATALOG
from kokin.issues import InvalidInputError
from kokin.matching import Index
from kokin.model import Receipt
from kokin.reconcile import Policy, _matches, build_accounts, reconcile
from kokin.reconcile._reconciliation import html_table
from tests.reconcile.accounts_cases import (
    BILLS,
    JUNE_1,
    MAY_1,
    NIGHT,
    books,
    credit,
    finding_rows,
    paid,
    rows,
    slip,
    table,
)

# --- other findings --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("more", "expected"),
    [
        ({"period": "02"}, [("WRONG_TERM", "period", "01", "02")]),
        ({"levy_year": 2025}, [("WRONG_TERM", "levy_year", "2026", "2025")]),
        ({"tax_year": 2024}, [("WRONG_TERM", "tax_year", "2026", "2024")]),
        ({"period": "01", "levy_year": 2026, "tax_year": 2026}, []),
        ({"day": date(2026, 7, 11)}, [("EXPIRED", "paid_on", "2026-07-10", "2026-07-11")]),
        ({"day": date(2026, 7, 10)}, []),
        ({"day": date(2026, 7, 11), "payable_until": date(2026, 8, 1)}, []),
        ({"payee_code": "77777"}, [("WRONG_BODY", "payee_code", "99999", "77777")]),
        ({"kind": "provisional"}, [("STALE_PROVISIONAL", "paid_on", "2026-06-16 or later (30 days)", "2026-05-01")]),
        ({"kind": "provisional", "day": date(2026, 6, 16)}, []),
        (
            {"day": date(2026, 7, 17), "payable_until": date(2026, 8, 1)},
            [("FUTURE_DATE", "paid_on", "2026-07-16 or earlier", "2026-07-17")],
        ),
        (
            {"received_on": date(2026, 7, 17)},
            [("FUTURE_DATE", "received_on", "2026-07-16 or earlier", "2026-07-17")],
        ),
        ({"day": date(2026, 7, 16), "payable_until": date(2026, 8, 1)}, []),
    ],
)
def test_findings_beside_the_outcome(more, expected):
    bill = slip(1, period="01", levy_year=2026, tax_year=2026, payable_until=date(2026, 7, 10))
    assert (
        finding_rows(
            books([bill], [{**paid(bill), "paid_on": more.pop("day", MAY_1), **more}], as_of=date(2026, 7, 16))
        )
        == expected
    )


def test_exceptions_are_those_of_the_run_and_the_findings():
    bill = slip(1, payable_until=date(2026, 4, 1))
    accounts = books([bill], [paid(bill, 9_000)])
    assert accounts.exceptions["outcome"].to_pylist() == ["UNDERPAID", "EXPIRED"]
    assert accounts.summary.findings == {"EXPIRED": 1}
    assert accounts.summary.as_of == MAY_1
    assert list(accounts.summary.as_dict()) == SUMMARY_KEYS
    assert accounts.summary.as_dict()["as_of"] == "2026-05-01"
    assert "<tr><td>EXPIRED</td><td>1</td></tr>" in accounts._repr_html_()


SUMMARY_KEYS = ["bills", "receipts", "amount", "outcomes", "dispositions", "payees", "controls", "policy"]
SUMMARY_KEYS += ["as_of", "findings"]


def test_html_tables_are_escaped():
    assert html_table(("<", "&"), [("<b>", 1_000)]) == (
        "<table><tr><th>&lt;</th><th>&amp;</th></tr><tr><td>&lt;b&gt;</td><td>1,000</td></tr></table>"
    )


# --- manual receipts ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", ["deduction", "manual"])
def test_manual_receipts_have_an_actor_and_a_reason(kind):
    with pytest.raises(InvalidInputError) as caught:
        Receipt(kind=kind, paid_on=MAY_1, amount=1)
    assert [(issue.code, issue.field) for issue in caught.value.issues] == [
        ("FIELD_MISSING", "actor"),
        ("FIELD_MISSING", "reason"),
    ]
    assert Receipt(kind=kind, paid_on=MAY_1, amount=1, actor="clerk 7", reason="児童手当法21").kind.is_by_hand


@pytest.mark.parametrize("more", [{}, {"actor": "clerk 7"}, {"actor": "clerk 7", "reason": ""}])
def test_manual_receipts_without_actor_or_reason_are_rejected(more):
    with pytest.raises(InvalidInputError) as caught:
        books(BILLS, [paid(BILLS[0]), paid(BILLS[1], kind="manual", **more)])
    expected = [(2, name) for name in ("actor", "reason") if not more.get(name)]
    assert [(issue.location.record, issue.field) for issue in caught.value.issues] == expected


def test_manual_receipts_are_allocated_in_their_order():
    """A deduction of 5 May is allocated after a payment of 1 May, in whatever order the files have them."""
    terms = [slip(n, 4_000, obligation_id=f"O{n}", covers=[], due_on=date(2026, n, 1)) for n in (6, 8)]
    year = slip(9, 8_000, covers=["O6", "O8"], obligation_id=None)
    by_hand = {"kind": "deduction", "actor": "clerk 7", "reason": "生活保護法78の2"}
    receipts = [paid(terms[0], day=date(2026, 5, 5), **by_hand), paid(year, 6_000)]
    done = books([*terms, year], receipts)
    assert rows(done.parts, "record_no", "bill_id", "applied") == [(2, "B6", 4_000), (2, "B8", 2_000)]
    assert rows(done.overpayments, "record_no", "kind") == [(1, "double")]


@pytest.mark.parametrize("kind", ["deduction", "manual"])
def test_manual_receipts_are_revenue_and_not_expected_at_the_bank(kind):
    receipt = paid(BILLS[0], kind=kind, actor="clerk 7", reason="児童手当法21")
    accounts = books(BILLS, [receipt], deposits=credit(1).slice(0, 0), as_of=date(2026, 12, 31))
    assert rows(accounts.totals, "revenue") == [(10_000,)]
    assert (len(accounts.settlements), accounts.controls[2].holds) == (0, True)


@pytest.mark.parametrize("key", [{}, {"provider_key": "K1"}, {"provider_key": "K1", "key_composed": True}])
def test_a_payment_that_counts_twice_breaks_t6(monkeypatch, key):
    """Both rows are record 1 of one file. If the matching counted both, T6 would be broken."""
    again = [{**paid(BILLS[0], **key), "record_no": 1} for _ in range(2)]
    control = books(BILLS, again).controls[5]
    assert (control.left, control.right, control.holds) == (1, 1, True)

    identify = _matches.identify
    calls = []

    def finds_nothing(*columns):
        """Find no duplicates in the first call, that of matching, but in the second one, that of T6."""
        calls.append(columns)
        found = identify(*columns)
        return found._replace(counted=np.arange(len(found.counted))) if len(calls) == 1 else found

    monkeypatch.setattr(_matches, "identify", finds_nothing)
    done = books(BILLS, again)
    control = done.controls[5]
    assert (control.left, control.right, control.holds, control.broken) == (2, 1, False, ("99999", again[0]["source"]))
    assert done.summary.controls["T6"].holds is False
    calls.clear()
    assert reconcile(table(BILLS), table(again)).summary.controls["T6"].holds is False


# --- input -----------------------------------------------------------------------------------------------------------


def test_accounts_need_the_table_of_bills():
    done = reconcile(Index.build(table(BILLS)), table([paid(BILLS[0])]))
    with pytest.raises(InvalidInputError) as caught:
        build_accounts(done)
    assert [(issue.code, issue.field) for issue in caught.value.issues] == [("FIELD_MISSING", "bills")]


def test_bills_may_be_a_stream_that_is_read_once():
    done = reconcile(table(BILLS).to_reader(), table(NIGHT))
    same = reconcile(table(BILLS), table(NIGHT))
    assert build_accounts(done).receivables == build_accounts(same).receivables


@pytest.mark.parametrize("change", [{"amount": None}, {"credited_on": None}, {"amount": "x"}])
def test_invalid_deposits_are_rejected(change):
    with pytest.raises(InvalidInputError, match=r"FIELD_MISSING|NOT_DIGITS"):
        books(BILLS, [paid(BILLS[0])], deposits=table([{"credited_on": MAY_1, "amount": 1, **change}]))


def test_a_write_off_lowers_the_unpaid_amount():
    bills = [slip(1), slip(2), slip(3, 4_000)]
    receipts = [paid(bills[0]), paid(bills[0], day=date(2026, 5, 2)), paid(bills[1], 3_000)]
    write_offs = table([{"bill_id": "B2", "amount": 6_000}, {"bill_id": "B2", "amount": 500}])
    accounts = books(bills, receipts, write_offs=write_offs, as_of=JUNE_1)
    names = ("billed", "received", "overpaid", "written_off", "unpaid")
    assert rows(accounts.receivables, *names) == [(24_000, 23_000, 10_000, 6_500, 4_500)]
    assert accounts.controls[4].holds is True
    assert rows(accounts.setoff_candidates, "debt_bill_id", "offered") == [("B2", 500), ("B3", 4_000)]


def test_the_whole_balance_may_be_written_off():
    accounts = books([slip(1)], [paid(slip(1), 1)], write_offs=table([{"bill_id": "B1", "amount": 9_999}]))
    assert rows(accounts.receivables, "received", "written_off", "unpaid") == [(1, 9_999, 0)]


@pytest.mark.parametrize(
    ("more", "problem"),
    [
        ({"amount": 10_000}, ("AMOUNT_RANGE", "amount")),
        ({"amount": 0}, ("AMOUNT_RANGE", "amount")),
        ({"bill_id": "B9"}, ("CODE_UNKNOWN", "bill_id")),
    ],
)
def test_no_more_than_the_balance_is_written_off(more, problem):
    with pytest.raises(InvalidInputError) as caught:
        books([slip(1)], [paid(slip(1), 1)], write_offs=table([{"bill_id": "B1", "amount": 1, **more}]))
    assert [(issue.code, issue.field) for issue in caught.value.issues] == [problem]


def test_no_receipts_and_no_bills():
    empty = reconcile(table(BILLS), table([paid(BILLS[0])]).slice(0, 0))
    accounts = build_accounts(empty, catalog=CATALOG)
    assert accounts.as_of == JUNE_1
    assert rows(accounts.receivables, "billed", "unpaid") == [(30_000, 30_000)]
    for name in ("parts", "totals", "overpayments", "setoff_candidates", "settlements", "exceptions"):
        assert len(getattr(accounts, name)) == 0
    nothing = table(BILLS).slice(0, 0)
    lost = build_accounts(reconcile(nothing, table([paid(BILLS[0])])))
    assert rows(lost.totals, "received", "suspense") == [(10_000, 10_000)]
    assert {control.holds for control in lost.controls} == {True, None}


# --- policy ----------------------------------------------------------------------------------------------------------


def test_a_policy_from_a_file(tmp_path):
    file = tmp_path / "policy.toml"
    file.write_text(
        'pair_by = ["paid_on"]\nfee = "netted"\n[split]\nwater-charge = "water_first"\n[fees]\n"" = 66\n"010" = 60\n',
        encoding="utf-8",
    )
    policy = Policy.load(file)
    assert policy == Policy(
        pair_by=("paid_on",), fee="netted", split={"water-charge": "water_first"}, fees={"": 66, "010": 60}
    )
    summary = reconcile(table(BILLS), table([paid(BILLS[0])]), policy).summary
    assert summary.policy == policy
    assert Policy(**summary.as_dict()["policy"]) == policy  # a run can be repeated from its summary.json


@pytest.mark.parametrize(
    ("text", "code", "field"),
    [
        ("fee = 'none'", "FIELD_TYPE", "fee"),
        ("stale_after = -1", "AMOUNT_RANGE", "stale_after"),
        ("payee_codes = ['123']", "WIDTH", "payee_codes.0"),
        ("fees = { x = 1.5 }", "FIELD_TYPE", "fees.x"),
        ("[split]\nwater-charge = 'half'", "FIELD_TYPE", "split.water-charge"),
        ("colour = 'red'", "FIELD_UNKNOWN", "colour"),
        ("fee = ", "TOML_INVALID", ""),
    ],
)
def test_an_invalid_policy_is_rejected(tmp_path, text, code, field):
    file = tmp_path / "policy.toml"
    file.write_text(text, encoding="utf-8")
    with pytest.raises(InvalidInputError) as caught:
        Policy.load(file)
    assert [(i.code, i.field, i.location.file) for i in caught.value.issues] == [(code, field, "policy.toml")]


def test_the_docs_give_a_reason_for_every_choice():
    page = Path(__file__).parents[2] / "docs" / "explanation" / "what-kokin-decides.md"
    argued = set(re.findall(r"^\| `(\w+)`", page.read_text(encoding="utf-8"), re.MULTILINE))
    assert argued == Policy.model_fields.keys()


@pytest.mark.parametrize("module", ["polars", "pandas", "duckdb"])
def test_tables_may_be_of_any_library_with_an_arrow_stream(module):
    library = pytest.importorskip(module)
    plain = [table(BILLS), table(NIGHT), credit(29_500)]
    bills, receipts, banked = [
        given.to_pandas() if module == "pandas" else library.from_arrow(given) for given in plain
    ]
    found = build_accounts(reconcile(bills, receipts), deposits=banked)
    same = build_accounts(reconcile(*plain[:2]), deposits=plain[2])
    for name in ("exceptions", "parts", "totals", "receivables", "overpayments", "setoff_candidates", "settlements"):
        assert getattr(found, name).equals(getattr(same, name)), name
