"""Check digits (検査数字) of numbers that several packages use."""

from __future__ import annotations

from kokin.issues import InvalidInputError, Issue

_AUTHORITY_WEIGHTS = (6, 5, 4, 3, 2)
_MY_NUMBER_WEIGHTS = (6, 5, 4, 3, 2, 7, 6, 5, 4, 3, 2)


def _parse_digits(field: str, value: str, width: int) -> list[int]:
    if len(value) != width:
        raise InvalidInputError([Issue("WIDTH", field=field, expected=f"{width} digits", found=str(len(value)))])
    if not (value.isascii() and value.isdigit()):
        raise InvalidInputError([Issue("NOT_DIGITS", field=field, expected=f"{width} digits", found=value)])
    return [int(digit) for digit in value]


def authority_code(first_five: str) -> str:
    """Return the six-digit 全国地方公共団体コード of its first five digits (prefecture 2, municipality 3).

    Raises:
        InvalidInputError: not five digits.

    Source: 総務省 全国地方公共団体コード仕様 (modulus 11, weights 6 to 2).

    >>> [authority_code(code) for code in ("08233", "01100", "13101", "47382")]
    ['082333', '011002', '131016', '473821']
    """
    total = sum(w * d for w, d in zip(_AUTHORITY_WEIGHTS, _parse_digits("authority_code", first_five, 5), strict=True))
    return first_five + str((11 - total % 11) % 10)


def gs1_check_digit(digits: str) -> int:
    """Return the GS1 check digit (モジュラス10 ウェイト3) of a number without it: weights 3, 1 from the right.

    Raises:
        InvalidInputError: not digits.

    Source: GS1 General Specifications 7.9.

    >>> gs1_check_digit("9192902325207000001012349990019999990010605")
    0
    """
    values = _parse_digits("digits", digits, len(digits))
    return -sum(d * (3 if i % 2 == 0 else 1) for i, d in enumerate(reversed(values))) % 10


def is_my_number(text: str) -> bool:
    """Return whether a text is twelve digits with the check digit of an individual number (マイナンバー).

    Collection files must not contain such a number (番号法19); a caller rejects free text that is one.
    Source: 平成26年総務省令第85号5条.

    >>> is_my_number("983205673214"), is_my_number("983205673215")
    (True, False)
    """
    if len(text) != 12 or not (text.isascii() and text.isdigit()):
        return False
    rest = 11 - sum(w * int(d) for w, d in zip(_MY_NUMBER_WEIGHTS, text, strict=False)) % 11
    return int(text[11]) == (0 if rest >= 10 else rest)
