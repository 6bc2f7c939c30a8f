"""Amounts: instalments (期別), allocation of a payment to the parts of a debt (充当の順序), proration (按分)."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterable, Mapping, Sequence
from importlib import resources
from types import MappingProxyType
from typing import Literal, TypeAlias

from kokin.issues import InvalidInputError, Issue
from kokin.rules._arguments import check_choice, check_yen, check_yens
from kokin.text import load_toml

#: How a partial payment on a slip of water and sewerage is split.
SplitMethod: TypeAlias = Literal["prorata", "water_first", "reject"]

SPLIT_METHODS = ("prorata", "water_first", "reject")

#: The order in which a payment settles the parts of a debt, by name: ``tax, road, contribution, civil``
#: (``orders.toml`` has the source of each). The parts are ``principal`` (本税, 元本), ``late_charge`` (延滞金,
#: 遅延損害金), ``demand_fee`` (督促手数料) and ``costs`` (費用).
ALLOCATION_ORDERS: Mapping[str, tuple[str, ...]] = MappingProxyType(
    {name: tuple(row["order"]) for name, row in load_toml(resources.files("kokin.rules") / "orders.toml").items()}
)


def instalments(total: int, count: int, unit: int = 1_000) -> list[int]:
    """Divide a yearly sum into ``count`` instalments of whole ``unit`` yen; the remainder is in the first.

    Law for local tax: whole thousands, the rest to the first 納期 (地方税法20の4の2⑥). Its proviso lets an ordinance
    set another ``unit``.

    Raises:
        InvalidInputError: ``total`` is not 0 to 99,999,999,999 whole yen, or ``count`` or ``unit`` is not positive.

    >>> instalments(101_300, 4), instalments(3_900, 4)
    ([26300, 25000, 25000, 25000], [3900, 0, 0, 0])
    """
    check_yens(total=total, count=count, unit=unit)
    issues = [
        Issue("AMOUNT_RANGE", field=field, expected="1 or more", found=str(value))
        for field, value in (("count", count), ("unit", unit))
        if value < 1
    ]
    if issues:
        raise InvalidInputError(issues)
    each = total // count // unit * unit
    return [total - each * (count - 1)] + [each] * (count - 1)


def allocate(paid: int, owed: Mapping[str, int], order: Sequence[str]) -> dict[str, int]:
    """Allocate a payment to the parts of one debt, in an order (:data:`ALLOCATION_ORDERS`, or an authority's own).

    The result names every part of ``owed``; it adds up to ``paid``, or to the sum owed if more was paid. The excess is
    left to the caller as 過誤納: money never moves to another debt on its own (民法488①).

    Raises:
        InvalidInputError: a part is owed that is not in the order, or the order names a part more than once.
            Under ``tax`` 督促手数料 is not in the order: it is an item of its own, with a payment of its own.

    >>> allocate(10_500, {"principal": 10_000, "late_charge": 1_200}, ALLOCATION_ORDERS["tax"])
    {'principal': 10000, 'late_charge': 500}
    """
    check_order(owed, order)
    rest = check_yen("paid", paid)
    allocated = {}
    for name in order:
        if name in owed:
            allocated[name] = min(rest, check_yen(name, owed[name]))
            rest -= allocated[name]
    return allocated


def check_order(owed: Iterable[str], order: Collection[str]) -> None:
    """Raise :class:`InvalidInputError` if an order names a part more than once or lacks one that is owed."""
    duplicates = [name for name, count in Counter(order).items() if count > 1]
    issues = [Issue("PART_REPEATED", field="order", found=name) for name in duplicates]
    issues += [
        Issue("CODE_UNKNOWN", field="owed", expected=" | ".join(order), found=name)
        for name in owed
        if name not in order
    ]
    if issues:
        raise InvalidInputError(issues)


def prorata(paid: int, parts: Sequence[int]) -> list[int]:
    """Split a payment over parts in proportion, to the yen (按分, largest remainder; a tie goes to the earlier part).

    The result adds up to ``paid``, or is the parts themselves if as much or more was paid.

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


def split_water_sewerage(paid: int, water: int, sewerage: int, method: SplitMethod = "prorata") -> tuple[int, int]:
    """Split a payment on a combined slip into the yen for water (水道料金) and for sewerage (下水道使用料).

    The two are debts of different nature (a private claim and a compulsory public one), so their balances are never
    merged. No law says how a partial payment is split: ``prorata`` | ``water_first`` | ``reject``.

    Raises:
        InvalidInputError: the payment is partial and ``method`` is ``reject``.

    >>> split_water_sewerage(5_000, 4_400, 3_960), split_water_sewerage(5_000, 4_400, 3_960, "water_first")
    ((2632, 2368), (4400, 600))
    """
    check_choice("method", method, SPLIT_METHODS)
    check_yens(paid=paid, water=water, sewerage=sewerage)
    if method == "reject" and paid < (owed := water + sewerage):
        raise InvalidInputError([Issue("PARTIAL_PAYMENT", field="paid", expected=str(owed), found=str(paid))])
    if method == "water_first":
        allocated = allocate(paid, {"water": water, "sewerage": sewerage}, ("water", "sewerage"))
        return allocated["water"], allocated["sewerage"]
    for_water, for_sewerage = prorata(paid, (water, sewerage))
    return for_water, for_sewerage
