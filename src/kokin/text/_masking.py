"""Masking (マスキング) of personal names, and of every rejected value: it may be a name in the wrong column."""

from __future__ import annotations

import re

_MAX_SHOWN = 24
# Everything but ASCII digits, punctuation and the blank; control characters are among what is masked.
_MASKED = re.compile(r"[^\x20-\x40\x5b-\x60\x7b-\x7e]")


def mask(name: str) -> str:
    """A name with all but its first character hidden: enough to recognise, not enough to know.

    The length is kept up to five characters, so that a long company name does not stand out.
    """
    name = name.strip()
    return name[:1] + "＊" * min(len(name) - 1, 4) if name else ""


def shown(value: str) -> str:
    """A rejected value as an issue may show it: its digits and punctuation, and ``*`` for any other character.

    Letters of any script are never shown, for a name may be in a column of numbers. At most 24 characters are kept.

    >>> shown("12A4"), shown("YAMADA TARO"), shown("山田 1")
    ('12*4', '****** ****', '** 1')
    """
    return _MASKED.sub("*", value[:_MAX_SHOWN])
