"""What law and policy find beside the outcomes, and what the accounts are made from."""

import re
from datetime import date
from pathlib import Path

import numpy as np
import pytest
from accounts_cases import BILLS, JUNE_1, MAY_1, NIGHT, books, credit, paid, rows, slip, table, told

from kokin.catalog import CATALOG
from kokin.issues import InvalidInputError
from kokin.model import Receipt
from kokin.reconcile import Policy, Reversal, _match_input, build_accounts, reconcile, standing

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
        ({"kind": "provisional"}, [("STALE_PROVISIONAL", "paid_on", "2026-06-16 or later", "2026-05-01")]),
        ({"kind": "provisional", "day": date(2026, 6, 16)}, []),
    ],
)
def test_findings_beside_the_outcome(more, expected):
    bill = slip(1, period="01", levy_year=2026, tax_year=2026, payable_until=date(2026, 7, 10))
    assert (
        told(books([bill], [{**paid(bill), "paid_on": more.pop("day", MAY_1), **more}], as_of=date(2026, 7, 16)))
        == expected
    )


def test_exceptions_are_those_of_the_run_and_the_findings():
    bill = slip(1, payable_until=date(2026, 4, 1))
    accounts = books([bill], [paid(bill, 9_000)])
    assert accounts.exceptions["outcome"].to_pylist() == ["UNDERPAID", "EXPIRED"]
    assert accounts.summary["findings"] == {"EXPIRED": 1}
    assert accounts.summary["as_of"] == "2026-05-01"


# --- by hand, and undone ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", ["deduction", "manual"])
def test_receipts_by_hand_tell_who_and_why(kind):
    with pytest.raises(InvalidInputError) as caught:
        Receipt(kind=kind, paid_on=MAY_1, amount=1)
    assert [(issue.code, issue.field) for issue in caught.value.issues] == [
        ("FIELD_MISSING", "actor"),
        ("FIELD_MISSING", "reason"),
    ]
    assert Receipt(kind=kind, paid_on=MAY_1, amount=1, actor="clerk 7", reason="児童手当法21").kind.is_by_hand


@pytest.mark.parametrize("more", [{}, {"actor": "clerk 7"}, {"actor": "clerk 7", "reason": ""}])
def test_a_run_refuses_receipts_that_nobody_answers_for(more):
    with pytest.raises(InvalidInputError) as caught:
        books(BILLS, [paid(BILLS[0]), paid(BILLS[1], kind="manual", **more)])
    expected = [(2, name) for name in ("actor", "reason") if not more.get(name)]
    assert [(issue.location.record, issue.field) for issue in caught.value.issues] == expected


def test_receipts_by_hand_come_in_their_order():
    """A deduction of 5 May meets what a payment of 1 May has left, whichever stands first in the files."""
    terms = [slip(n, 4_000, obligation_id=f"O{n}", covers=[], due_on=date(2026, n, 1)) for n in (6, 8)]
    year = slip(9, 8_000, covers=["O6", "O8"], obligation_id=None)
    by_hand = {"kind": "deduction", "actor": "clerk 7", "reason": "生活保護法78の2"}
    receipts = [paid(terms[0], day=date(2026, 5, 5), **by_hand), paid(year, 6_000)]
    done = books([*terms, year], receipts)
    assert rows(done.parts, "record_no", "bill_id", "applied") == [(2, "B6", 4_000), (2, "B8", 2_000)]
    assert rows(done.overpayments, "record_no", "kind") == [(1, "double")]


@pytest.mark.parametrize("kind", ["deduction", "manual"])
def test_receipts_by_hand_settle_and_reach_no_bank(kind):
    receipt = paid(BILLS[0], kind=kind, actor="clerk 7", reason="児童手当法21")
    accounts = books(BILLS, [receipt], credits=credit(1).slice(0, 0), as_of=date(2026, 12, 31))
    assert rows(accounts.totals, "revenue") == [(10_000,)]
    assert (len(accounts.settlements), accounts.controls[2].holds) == (0, True)


def reversal(name, **target):
    return Reversal(reversal_id=name, actor="clerk 7", reason="dishonoured", reversed_on=JUNE_1, **target)


def test_reversing_a_reversal_gives_back_the_state():
    bills = table(BILLS)
    for number, row in enumerate(NIGHT, 1):
        row.update(record_no=number, digest="ab" * 32)
    before = reconcile(bills, table(NIGHT))
    bounced = reversal("R1", digest="ab" * 32, record_no=1)
    undone = reconcile(bills, standing(table(NIGHT), [bounced]))
    assert undone.outcomes["outcome"].to_pylist() == ["MATCHED", "UNDERPAID"]
    chain = [bounced]
    for number, state in ((2, before), (3, undone), (4, before)):
        chain.append(reversal(f"R{number}", reverses=f"R{number - 1}"))
        again = reconcile(bills, standing(table(NIGHT), chain))
        assert again.outcomes.equals(state.outcomes)
        assert again.summary == state.summary


@pytest.mark.parametrize(
    "chain",
    [
        [{"digest": "ab" * 32, "record_no": 9}],
        [{"reverses": "R9"}],
        [{"digest": "ab" * 32, "record_no": 1}, {"digest": "ab" * 32, "record_no": 1}],
        [{"digest": "ab" * 32, "record_no": 1}, {"reverses": "R1"}, {"reverses": "R1"}],
        [{}],
    ],
)
def test_only_what_stands_is_reversed(chain):
    rows = table([{**row, "record_no": number, "digest": "ab" * 32} for number, row in enumerate(NIGHT, 1)])
    with pytest.raises(InvalidInputError, match="REVERSAL_TARGET") as caught:
        standing(rows, [reversal(f"R{number}", **target) for number, target in enumerate(chain, 1)])
    assert caught.value.issues[-1].location.record == len(chain)


@pytest.mark.parametrize("key", [{}, {"provider_key": "K1"}, {"provider_key": "K1", "key_composed": True}])
def test_a_payment_that_counts_twice_breaks_t6(monkeypatch, key):
    """Both rows are record 1 of one file. The matching counts them once; where it does not, T6 says so."""
    again = [{**paid(BILLS[0], **key), "record_no": 1} for _ in range(2)]
    control = books(BILLS, again).controls[5]
    assert (control.left, control.right, control.holds) == (1, 1, True)

    identify = _match_input.identify

    def finds_nothing(some, *more):
        """Of some rows nothing is found: what the matching asks, not what T6 asks of all."""
        found = identify(some, *more)
        return found if some.rows is None else found._replace(counted=np.arange(len(some)))

    monkeypatch.setattr(_match_input, "identify", finds_nothing)
    done = books(BILLS, again)
    control = done.controls[5]
    assert (control.left, control.right, control.holds, control.broken) == (2, 1, False, (again[0]["source"],))
    assert done.summary["controls"]["T6"]["holds"] is False
    assert reconcile(table(BILLS), table(again)).summary["controls"]["T6"]["holds"] is False


# --- input -----------------------------------------------------------------------------------------------------------


def test_other_bills_are_refused():
    done = reconcile(table(BILLS), table([paid(BILLS[0])]))
    for bills in (table(BILLS[:2]), table(BILLS[::-1])):
        with pytest.raises(InvalidInputError, match="BILLS_DIFFER"):
            build_accounts(done, bills)


@pytest.mark.parametrize("change", [{"amount": None}, {"credited_on": None}, {"amount": "x"}])
def test_bad_credits_are_refused(change):
    with pytest.raises(InvalidInputError, match=r"FIELD_MISSING|NOT_DIGITS"):
        books(BILLS, [paid(BILLS[0])], credits=table([{"credited_on": MAY_1, "amount": 1, **change}]))


def test_what_is_written_off_is_not_asked_for():
    bills = [slip(1), slip(2), slip(3, 4_000)]
    receipts = [paid(bills[0]), paid(bills[0], day=date(2026, 5, 2)), paid(bills[1], 3_000)]
    given_up = table([{"bill_id": "B2", "amount": 6_000}, {"bill_id": "B2", "amount": 500}])
    accounts = books(bills, receipts, write_offs=given_up, as_of=JUNE_1)
    names = ("billed", "received", "overpaid", "written_off", "unpaid")
    assert rows(accounts.receivables, *names) == [(24_000, 23_000, 10_000, 6_500, 4_500)]
    assert accounts.controls[4].holds is True
    assert rows(accounts.offers, "debt_bill_id", "offered") == [("B2", 500), ("B3", 4_000)]


def test_all_that_is_open_may_be_written_off():
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
def test_only_what_is_open_is_written_off(more, problem):
    with pytest.raises(InvalidInputError) as caught:
        books([slip(1)], [paid(slip(1), 1)], write_offs=table([{"bill_id": "B1", "amount": 1, **more}]))
    assert [(issue.code, issue.field) for issue in caught.value.issues] == [problem]


def test_no_receipts_and_no_bills():
    empty = reconcile(table(BILLS), table([paid(BILLS[0])]).slice(0, 0))
    accounts = build_accounts(empty, table(BILLS), catalog=CATALOG)
    assert accounts.as_of == JUNE_1
    assert rows(accounts.receivables, "billed", "unpaid") == [(30_000, 30_000)]
    for name in ("parts", "totals", "overpayments", "offers", "settlements", "exceptions"):
        assert len(getattr(accounts, name)) == 0
    nothing = table(BILLS).slice(0, 0)
    lost = build_accounts(reconcile(nothing, table([paid(BILLS[0])])), nothing)
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
    told = reconcile(table(BILLS), table([paid(BILLS[0])]), policy).summary["policy"]
    assert Policy(**told) == policy  # a run can be repeated from its summary


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
def test_a_bad_policy_is_refused(tmp_path, text, code, field):
    file = tmp_path / "policy.toml"
    file.write_text(text, encoding="utf-8")
    with pytest.raises(InvalidInputError) as caught:
        Policy.load(file)
    assert [(i.code, i.field, i.location.file) for i in caught.value.issues] == [(code, field, "policy.toml")]


def test_every_choice_is_argued_in_the_docs():
    page = Path(__file__).parents[2] / "docs" / "explanation" / "what-kokin-decides.md"
    argued = set(re.findall(r"^\| `(\w+)`", page.read_text(encoding="utf-8"), re.MULTILINE))
    assert argued == Policy.model_fields.keys()


@pytest.mark.parametrize("module", ["polars", "pandas", "duckdb"])
def test_anything_that_speaks_arrow_is_taken(module):
    library = pytest.importorskip(module)
    plain = [table(BILLS), table(NIGHT), credit(29_500)]
    bills, receipts, banked = [
        given.to_pandas() if module == "pandas" else library.from_arrow(given) for given in plain
    ]
    told = build_accounts(reconcile(bills, receipts), bills, credits=banked)
    same = build_accounts(reconcile(*plain[:2]), plain[0], credits=plain[2])
    for name in ("exceptions", "parts", "totals", "receivables", "overpayments", "offers", "settlements"):
        assert getattr(told, name).equals(getattr(same, name)), name
