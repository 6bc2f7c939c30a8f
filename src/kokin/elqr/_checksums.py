"""The check digits of an MPN line (マルチペイメントネットワーク 標準帳票) and the CRC of a payload, for one code.

:mod:`kokin.elqr._batch_checksums` computes them for a batch.
"""

from __future__ import annotations

import binascii
from itertools import cycle

from kokin.issues import InvalidInputError, Issue

#: Weights of the second check digit, repeating, from the third digit of the printed line on.
SECOND_WEIGHTS = (9, 1, 8, 1, 7, 1, 6, 1, 5, 1, 4, 1, 3, 1, 2, 1)
#: Weights of the first check digit, repeating, from the second digit of the printed line on (the second check digit).
FIRST_WEIGHTS = (2, 1, 3, 1, 4, 1, 5, 1, 6, 1, 7, 1, 8, 1, 9, 1)


def mpn_check_digits(line: str) -> str:
    """Return the two check digits that are printed before a line, from the line without them (37 or 42 digits).

    The second is a weighted sum modulo 10; the first is a weighted sum modulo 11 (10 becomes 0) that includes the
    second. Together they detect every single-digit error and all but about 0.2 % of the swaps of adjacent digits.

    Raises:
        InvalidInputError: the line has a character that is not a digit.

    Source: lines of codes in print and published self-test lines.

    >>> mpn_check_digits("0000000000000000039500213800012700000")
    '38'
    >>> mpn_check_digits("848537153542910686890641003790889692913072")
    '08'
    """
    if not (line.isascii() and line.isdigit()):
        raise InvalidInputError([Issue("NOT_DIGITS", field="line", expected="digits", found=line)])
    digits = [int(digit) for digit in line]
    second = sum(w * d for w, d in zip(cycle(SECOND_WEIGHTS), digits, strict=False)) % 10
    first = sum(w * d for w, d in zip(cycle(FIRST_WEIGHTS), [second, *digits], strict=False)) % 11 % 10
    return f"{first}{second}"


def crc(text: str) -> str:
    """Return the CRC-16/CCITT-FALSE of ASCII text as five decimal digits.

    >>> crc("123456789")
    '10673'
    """
    return f"{binascii.crc_hqx(text.encode('ascii'), 0xFFFF):05d}"
