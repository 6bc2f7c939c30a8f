"""Instalments (期別) of a yearly sum."""

from __future__ import annotations

from kokin.issues import InvalidInputError, Issue
from kokin.rules._checks import check_yen


def instalments(total: int, count: int, unit: int = 1_000) -> list[int]:
    """A yearly sum in ``count`` instalments: each in whole ``unit`` yen, and what is left over in the first.

    Law for local tax: whole thousands, the rest to the first 納期 (地方税法20の4の2⑥). Its proviso lets an ordinance
    set another ``unit``.

    Raises:
        InvalidInputError: ``total`` is not 0 to 99,999,999,999 whole yen, or ``count`` or ``unit`` is not positive.

    >>> instalments(101_300, 4), instalments(3_900, 4)
    ([26300, 25000, 25000, 25000], [3900, 0, 0, 0])
    """
    check_yen("total", total)
    for name, value in (("count", count), ("unit", unit)):
        check_yen(name, value)
    issues = [
        Issue("AMOUNT_RANGE", field=n, expected="1 or more", found=str(v))
        for n, v in (("count", count), ("unit", unit))
        if v < 1
    ]
    if issues:
        raise InvalidInputError(issues)
    each = total // count // unit * unit
    return [total - each * (count - 1)] + [each] * (count - 1)
