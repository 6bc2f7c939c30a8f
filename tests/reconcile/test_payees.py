"""No total adds the yen of two authorities, and no control hides a difference of one behind that of another."""

import random
import sys

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kokin._arrow.threads import chunk_slices
from kokin.matching import Index
from kokin.model import Disposition
from kokin.reconcile import _controls, _matches, build_accounts, reconcile
from tests.reconcile import accounts_city, cities
from tests.reconcile.accounts_cases import JUNE_1, books, paid, rows, run, slip, table
from tests.support import examples

ONE, OTHER = "88888", "99999"
#: A bill of 10,000 yen of each authority, with the same charge and 税目・料金番号, paid in part.
BILLS = [slip(1, payee_code=ONE), slip(2, payee_code=OTHER)]
RECEIPTS = [paid(BILLS[0], 6_000), paid(BILLS[1], 7_000)]


# --- errors of two authorities that cancel each other ------------------------------------------------------------------


@pytest.fixture
def shifted_balances(monkeypatch):
    """500 yen too little are open on the first bill, and 500 too much on the second."""
    computed = _matches.Matches.balance_after.fget
    monkeypatch.setattr(_matches.Matches, "balance_after", property(lambda self: computed(self) + [-500, 500]))


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
        return {**found, Disposition.SUSPENSE: found[Disposition.SUSPENSE] + [-500, 500]}

    monkeypatch.setattr(_controls, "yen_by_disposition", shifted)
    for made in (run(BILLS, RECEIPTS), books(BILLS, RECEIPTS)):
        control = the_control(made.controls, "T4")
        assert control.left == control.right == 13_000
        assert (control.holds, control.broken) == (False, (ONE, OTHER))


def test_t6_names_two_payees_whose_errors_cancel(monkeypatch):
    """Of the first authority a duplicate record counts, of the second a payment does not."""
    duplicates = [{**paid(BILLS[0]), "record_no": 1} for _ in range(2)]
    payments = [{**paid(BILLS[1]), "record_no": number, "provider_key": f"K{number}"} for number in (2, 3)]
    control = the_control(books(BILLS, [*duplicates, *payments]).controls, "T6")
    assert (control.left, control.right, control.holds) == (3, 3, True)

    identify = _matches.identify

    def shifted(some, *more):
        """The identity of some rows, as the matching asks; that of all rows, as T6 asks, is right."""
        found = identify(some, *more)
        return found if some.rows is None else found._replace(counted=np.array([0, 1, 2, 2]))

    monkeypatch.setattr(_matches, "identify", shifted)
    control = the_control(books(BILLS, [*duplicates, *payments]).controls, "T6")
    assert control.left == control.right == 3
    assert (control.holds, control.broken) == (False, (ONE, OTHER, "day.csv"))
