"""Values of XML Schema in every form that it allows: decimals, dates and moments."""

from __future__ import annotations

import functools
import re
from collections.abc import Collection
from datetime import date, timedelta
from fractions import Fraction

from kokin.model import redact
from kokin.receipts._fields import field_error

_DECIMAL = re.compile(r"([+-]?)0*([0-9]{0,18})(?:\.([0-9]{0,18}))?")
_ZONE = r"(?:(Z)|([+-])(?:(0[0-9]|1[0-3]):([0-5][0-9])|(14):(00)))?"
_DAY = re.compile(r"([0-9]{4}-[0-9]{2}-[0-9]{2})" + _ZONE)
_MOMENT = re.compile(
    r"([0-9]{4}-[0-9]{2}-[0-9]{2})T(?:([01][0-9]|2[0-3]):([0-5][0-9]):[0-5][0-9](?:\.[0-9]+)?|(24):(00):00(?:\.0+)?)"
    + _ZONE
)
_JAPAN = 9 * 60


def decimal_of(text: str) -> int | Fraction | None:
    """Return the exact value of an ``xs:decimal``, or ``None``; 18 digits at most on each side of the point.

    >>> decimal_of("+012300."), decimal_of(".5"), decimal_of("1e3")
    (12300, Fraction(1, 2), None)
    """
    match = _DECIMAL.fullmatch(text)
    if not match or not any(letter.isdigit() for letter in text):
        return None
    sign, whole, rest = match.groups()
    if rest and rest.strip("0"):
        return Fraction(f"{sign}{whole or 0}.{rest}")
    return int(f"{sign}{whole or 0}")


def amount_of(text: str, currencies: Collection[str]) -> int | Fraction:
    """Return the yen of an ``xs:decimal``, exactly.

    Raises:
        InvalidInputError: no amount, a negative one, or another currency; always one issue.
    """
    if not text:
        raise field_error("FIELD_MISSING")
    value = decimal_of(text)
    if value is None or text.startswith("-"):
        raise field_error("NOT_DIGITS", "a decimal amount")
    if set(currencies) != {"JPY"}:
        raise field_error("CURRENCY", "JPY", " ".join(sorted(currencies))[:8])
    return value


def yen_of(text: str, currencies: Collection[str]) -> int:
    """Return the whole yen of an ``xs:decimal``.

    Raises:
        InvalidInputError: as :func:`amount_of`, or a fraction.
    """
    value = amount_of(text, currencies)
    if isinstance(value, Fraction):
        raise field_error("AMOUNT_FRACTION", "whole yen", text[:24])
    return value


@functools.lru_cache(4096)
def day_of(text: str) -> date:
    """Return the day of an ``xs:date`` as it is written, or the day in Japan of an ``xs:dateTime``.

    The zone of an ``xs:date`` does not move it: the bank names a day, and 24 hours of it are not one day of Japan. A
    moment without a zone is the bank's own time.

    >>> day_of("2026-06-01+09:00"), day_of("2026-06-01T15:00:00.000Z"), day_of("2026-06-01T24:00:00")
    (datetime.date(2026, 6, 1), datetime.date(2026, 6, 2), datetime.date(2026, 6, 2))

    Raises:
        InvalidInputError: neither of them, or outside the years 1 to 9999.
    """
    match = _DAY.fullmatch(text) or _MOMENT.fullmatch(text)
    if match:
        try:
            day = date.fromisoformat(match[1])
            return day if match.re is _DAY else day + timedelta(minutes=_minutes(match))
        except (ValueError, OverflowError):
            pass
    raise field_error("DATE_INVALID", "YYYY-MM-DD", redact(text))


def _minutes(match: re.Match[str]) -> int:
    """Return the minutes from the beginning of the written day to the moment, in Japan where it has a zone."""
    _, hour, minute, midnight, _, utc, sign, *zone = match.groups()
    minutes = 24 * 60 if midnight else int(hour) * 60 + int(minute)
    if utc:
        return minutes + _JAPAN
    if sign:
        hours, rest = (int(part) for part in zone if part)
        return minutes + _JAPAN - int(f"{sign}1") * (hours * 60 + rest)
    return minutes
