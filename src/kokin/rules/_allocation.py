"""Which debt, and which part of it, a payment settles (充当の順序, 按分)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from importlib import resources
from types import MappingProxyType
from typing import Literal, TypeAlias

from kokin.issues import InvalidInputError, Issue
from kokin.rules._checks import check_name, check_order, check_yen, check_yens
from kokin.text import load_toml

#: What becomes of a partial payment on a slip of water and sewerage.
SplitMethod: TypeAlias = Literal["prorata", "water_first", "reject"]

SPLITS = ("prorata", "water_first", "reject")

#: The order in which a payment settles the parts of a debt, by name: ``tax, road, contribution, civil``
#: (``orders.toml`` tells the source of each). The parts are ``principal`` (本税, 元本), ``late_charge`` (延滞金,
#: 遅延損害金), ``demand_fee`` (督促手数料) and ``costs`` (費用).
ORDERS: Mapping[str, tuple[str, ...]] = MappingProxyType(
    {name: tuple(row["order"]) for name, row in load_toml(resources.files("kokin.rules") / "orders.toml").items()}
)


def allocate(paid: int, owed: Mapping[str, int], order: Sequence[str]) -> dict[str, int]:
    """The yen of a payment on each part of one debt, in the order given (:data:`ORDERS`, or a body's own).

    The result names every part of ``owed``; it adds up to ``paid``, or to what is owed where more was paid. What is
    over stays with the caller as 過誤納: money never moves to another debt on its own (民法488①).

    Raises:
        InvalidInputError: a part is owed that has no place in the order, or the order names a part more than once.
            Under ``tax`` the part without a place is 督促手数料: an item of its own, with a payment of its own.

    >>> allocate(10_500, {"principal": 10_000, "late_charge": 1_200}, ORDERS["tax"])
    {'principal': 10000, 'late_charge': 500}
    """
    check_order(owed, order)
    rest = check_yen("paid", paid)
    settled = {}
    for name in order:
        if name in owed:
            settled[name] = min(rest, check_yen(name, owed[name]))
            rest -= settled[name]
    return settled


def prorata(paid: int, parts: Sequence[int]) -> list[int]:
    """A payment split over parts in proportion, to the yen (按分, largest remainder; a tie goes to the earlier part).

    It adds up to ``paid``, or gives the parts themselves where as much or more was paid.

    >>> prorata(5_000, [4_400, 3_960])
    [2632, 2368]
    """
    check_yens(paid=paid, **{f"parts[{i}]": part for i, part in enumerate(parts)})
    total = sum(parts)
    if paid >= total:
        return list(parts)
    shares = [paid * part // total for part in parts]
    by_remainder = sorted(range(len(parts)), key=lambda i: -(paid * parts[i] % total))
    for i in by_remainder[: paid - sum(shares)]:
        shares[i] += 1
    return shares


def split_water(paid: int, water: int, sewerage: int, how: SplitMethod = "prorata") -> tuple[int, int]:
    """The yen for water (水道料金) and for sewerage (下水道使用料) out of a payment on the slip of both.

    The two are debts of different nature (a private claim and a compulsory public one), so their balances are never
    merged. No law says how a partial payment is split: ``prorata`` | ``water_first`` | ``reject``.

    Raises:
        InvalidInputError: the payment is partial and ``how`` is ``reject``.

    >>> split_water(5_000, 4_400, 3_960), split_water(5_000, 4_400, 3_960, "water_first")
    ((2632, 2368), (4400, 600))
    """
    check_name("how", how, SPLITS)
    check_yens(paid=paid, water=water, sewerage=sewerage)
    if how == "reject" and paid < water + sewerage:
        raise InvalidInputError(
            [Issue("PARTIAL_PAYMENT", field="paid", expected=str(water + sewerage), found=str(paid))]
        )
    if how == "water_first":
        settled = allocate(paid, {"water": water, "sewerage": sewerage}, ("water", "sewerage"))
        return settled["water"], settled["sewerage"]
    for_water, for_sewerage = prorata(paid, (water, sewerage))
    return for_water, for_sewerage
