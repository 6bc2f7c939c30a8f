"""No total adds the yen of two authorities, and no control hides a difference of one behind that of another."""

import random
import sys
from collections import Counter

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kokin._arrow.threads import chunk_slices
from kokin.issues import InvalidInputError
from kokin.matching import Index
from kokin.model import Disposition
from kokin.reconcile import _controls, _matches, reconcile
from kokin.reconcile._columns import exact_sums_by
from tests.reconcile import authorities, cities
from tests.reconcile.accounts_cases import JUNE_1, books, paid, rows, run, slip, table
from tests.support import examples

ONE, OTHER = "88888", "99999"
#: A bill of 10,000 yen of each authority, with the same charge and 税目・料金番号, paid in part.
BILLS = [slip(1, payee_code=ONE), slip(2, payee_code=OTHER)]
RECEIPTS = [paid(BILLS[0], 6_000), paid(BILLS[1], 7_000)]


# --- errors of two authorities that cancel each other -----------------------------------------------------------------


@pytest.fixture
def shifted_balances(monkeypatch):
    """500 yen too little are open on the first bill, and 500 too much on the second."""
    computed, shift = _matches.Matches.balance_after.fget, np.array([-500, 500])
    monkeypatch.setattr(_matches.Matches, "balance_after", property(lambda self: computed(self) + shift))


def the_control(controls, name):
    return next(control for control in controls if control.name == name)


@pytest.mark.usefixtures("shifted_balances")
def test_t5_names_two_payees_whose_errors_cancel():
    control = the_control(run(BILLS, RECEIPTS).controls, "T5")
    assert control.left == control.right == 7_000
    assert (control.holds, control.broken) == (False, (ONE, OTHER))


@pytest.mark.usefixtures("shifted_balances")
def test_t5_of_the_accounts_names_two_payees_whose_errors_cancel():
    control = the_control(books(BILLS, RECEIPTS, as_of=JUNE_1).controls, "T5")
    assert control.left == control.right == 7_000
    assert control.holds is False
    assert control.broken == tuple(f"{payee} light-vehicle-tax 127 current" for payee in (ONE, OTHER))


def test_t4_names_two_payees_whose_errors_cancel(monkeypatch):
    computed = _controls.yen_by_disposition

    def shifted(*columns):
        found = computed(*columns)
        return {**found, Disposition.SUSPENSE: found[Disposition.SUSPENSE] + np.array([-500, 500])}

    monkeypatch.setattr(_controls, "yen_by_disposition", shifted)
    for result in (run(BILLS, RECEIPTS), books(BILLS, RECEIPTS)):
        control = the_control(result.controls, "T4")
        assert control.left == control.right == 13_000
        assert (control.holds, control.broken) == (False, (ONE, OTHER))


def test_t6_names_two_payees_whose_errors_cancel(monkeypatch):
    """Of the first authority a duplicate record counts, of the second a payment does not."""
    duplicates = [{**paid(BILLS[0]), "record_no": 1} for _ in range(2)]
    payments = [{**paid(BILLS[1]), "record_no": number, "provider_key": f"K{number}"} for number in (2, 3)]
    control = the_control(books(BILLS, [*duplicates, *payments]).controls, "T6")
    assert (control.left, control.right, control.holds) == (3, 3, True)

    identify = _matches.identify

    calls = []

    def shifted(*columns):
        """The identity that the matching asks for first is wrong; that of T6 is right."""
        calls.append(columns)
        found = identify(*columns)
        return found._replace(counted=np.array([0, 1, 2, 2])) if len(calls) == 1 else found

    monkeypatch.setattr(_matches, "identify", shifted)
    control = the_control(books(BILLS, [*duplicates, *payments]).controls, "T6")
    assert control.left == control.right == 3
    assert (control.holds, control.broken) == (False, (ONE, OTHER, "day.csv"))


# --- a run of two authorities equals two runs ------------------------------------------------------------------------


def of_payee(rows, payee):
    """The rows of a table with a payee, as one chunk."""
    return rows.filter(pc.equal(rows["payee_code"], payee)).combine_chunks()


@settings(max_examples=examples(100))
@given(st.lists(st.tuples(st.integers(0, 2**32), st.integers(0, 9), st.integers(0, 30)), min_size=2, max_size=2))
def test_a_run_of_two_authorities_equals_two_runs(shapes):
    """With numbers that slips share, provisionals, reversals and bookings, of two authorities with the same ids."""
    inputs = []
    for payee, (seed, bill_count, receipt_count) in zip(authorities.PAYEES, shapes, strict=True):
        rows_of_city = cities.city(random.Random(seed).choice, bill_count, receipt_count)
        inputs.append(cities.tables(*(authorities.move(payee, rows) for rows in rows_of_city)))
    both = reconcile(*(pa.concat_tables(tables) for tables in zip(*inputs, strict=True)))
    for payee, tables in zip(authorities.PAYEES, inputs, strict=True):
        alone = reconcile(*tables)
        for name in ("outcomes", "balances", "changes", "exceptions"):
            assert of_payee(getattr(both, name), payee) == of_payee(getattr(alone, name), payee), name
        assert both.summary.payees.get(payee) == alone.summary.payees.get(payee)
    assert {control.holds for control in both.controls} == {True, None}
    assert_sums_are_those_of_the_payees(both)


def assert_sums_are_those_of_the_payees(result):
    """The counts and yen of the payees, from the outcomes and the bills, and their sums."""
    summary, lines = result.summary, result.outcomes.to_pylist()
    billed = [row["payee_code"] for row in result.balances.to_pylist()]
    assert list(summary.payees) == sorted({*billed, *(line["payee_code"] or "" for line in lines)})
    for payee, totals in summary.payees.items():
        own = [line for line in lines if (line["payee_code"] or "") == payee]
        counts = Counter(line["outcome"] for line in own)
        assert {name: total.count for name, total in totals.outcomes.items()} == counts
        assert (totals.bills, totals.receipts) == (billed.count(payee), len(own))
        assert totals.dispositions["applied"] == sum(line["applied"] for line in own)
        assert totals.dispositions["excess"] == sum(line["excess"] for line in own)
        assert totals.amount == sum(totals.dispositions.values())
        assert totals.amount == sum(total.amount for total in totals.outcomes.values())
    assert summary.amount == sum(totals.amount for totals in summary.payees.values())
    for name, yen in summary.dispositions.items():
        assert yen == sum(totals.dispositions[name] for totals in summary.payees.values())
    for name, total in summary.outcomes.items():
        of_payees = [totals.outcomes[name] for totals in summary.payees.values() if name in totals.outcomes]
        assert (total.count, total.amount) == (sum(each.count for each in of_payees), sum(e.amount for e in of_payees))


# --- the payee of a receipt -------------------------------------------------------------------------------------------


def test_the_payee_of_a_receipt_is_its_own_else_that_of_its_bill_else_unknown():
    bill = slip(1, payee_code=ONE, customer_number="C1")
    numbers = dict.fromkeys(("item_code", "case_key", "confirmation"))
    receipts = [
        {**paid(bill, 1_000), **numbers, "payee_code": OTHER, "customer_number": "C1"},
        {**paid(bill, 2_000), **numbers, "payee_code": None, "customer_number": "C1"},
        {**paid(bill, 4_000), **numbers, "payee_code": "", "customer_number": "C1"},
        {**paid(bill, 8_000), **numbers, "payee_code": None, "customer_number": "C9"},
        {**paid(bill, 16_000), **numbers, "payee_code": "", "customer_number": "C9"},
        {**paid(bill, 32_000), "payee_code": "77777"},
    ]
    accounts = books([bill], receipts)
    expected = [("", 0, 24_000), (OTHER, 1_000, 0), ("77777", 0, 32_000), (ONE, 6_000, 0)]
    assert rows(accounts.totals, "payee_code", "revenue", "suspense") == sorted(expected)
    # The yen lowered a balance of the bill's payee.
    assert rows(accounts.receivables, "payee_code", "billed", "received") == [(ONE, 10_000, 7_000)]
    assert {payee: each.amount for payee, each in accounts.summary.payees.items()} == {
        payee: revenue + suspense for payee, revenue, suspense in sorted(expected)
    }
    assert accounts.summary.payees[ONE].bills == 1
    cells = (OTHER, 1, "1,000", 0, 0, 0, 0)
    assert f"<tr>{''.join(f'<td>{cell}</td>' for cell in cells)}</tr>" in accounts._repr_html_()
    codes = [OTHER, ONE, ONE, None, None, "77777"]
    assert run([bill], receipts).outcomes["payee_code"].to_pylist() == codes
    assert accounts.controls[4].holds is True


def test_two_payees_can_use_the_same_obligation_id():
    bills = [slip(1, payee_code=ONE, obligation_id="O"), slip(2, payee_code=OTHER, obligation_id="O")]
    result = run(bills, [paid(bills[1])])
    assert dict(zip(*(result.balances[name].to_pylist() for name in ("payee_code", "paid")), strict=True)) == {
        ONE: 0,
        OTHER: bills[1]["amount"],
    }
    assert the_control(result.controls, "T5").holds
    cover = slip(3, payee_code=OTHER, covers=["O", "P"])
    with pytest.raises(InvalidInputError, match="OBLIGATION_UNKNOWN"):
        run([*bills, slip(4, payee_code=ONE, obligation_id="P"), cover], [])


@pytest.mark.parametrize("payees", [("00001",), ("99999",), ("00000", "00007", "99999"), (OTHER, ONE, OTHER)])
def test_the_payees_of_an_index(payees, tmp_path):
    built = Index.build(table([slip(number, payee_code=payee) for number, payee in enumerate(payees)]))
    built.save(tmp_path)
    for index in (built, Index.load(tmp_path)):
        numbers, codes = index.payees()
        assert codes == sorted(set(payees))
        assert [codes[number] for number in numbers.tolist()] == list(payees)


def test_sums_by_group_do_not_wrap(monkeypatch):
    monkeypatch.setattr(sys.modules[chunk_slices.__module__], "CHUNK_ROWS", 2)
    most = np.full(6, 2**62 - 1)
    assert exact_sums_by(np.array([0, 0, 1, 0, 0, 2]), most, 4) == [4 * (2**62 - 1), 2**62 - 1, 2**62 - 1, 0]
    assert exact_sums_by(np.zeros(6, np.int64), most, 1) == [6 * (2**62 - 1)]
