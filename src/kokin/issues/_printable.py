"""Text that can be printed and stored, whatever bytes and control characters it came with."""

from __future__ import annotations

import re

# C0, DEL and C1 controls; marks, embeddings, overrides and isolates of the bidirectional algorithm (UAX #9); line and
# paragraph separators; lone surrogates.
_UNPRINTABLE = re.compile("[\x00-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069\ud800-\udfff]")


def printable(text: str, keep: str = "") -> str:
    r"""Return a text with every character escaped that a terminal obeys or that UTF-8 cannot encode.

    These are control characters (C0 and C1, with newline and tab), the controls of the bidirectional algorithm, line
    separators and lone surrogates. A byte that Python could not decode in a file name or an argument
    (``surrogateescape``, :pep:`383`) is written as that byte.

    Args:
        text: any text.
        keep: characters that stay, such as a newline.

    >>> print(printable("\x1b[2J\u202e.csv"), printable("\udc83e.csv"))
    \x1b[2J\u202e.csv \x83e.csv
    """
    return _UNPRINTABLE.sub(lambda found: found[0] if found[0] in keep else _escaped(ord(found[0])), text)


def _escaped(code: int) -> str:
    if 0xDC80 <= code <= 0xDCFF:  # surrogateescape: the byte plus 0xDC00
        code -= 0xDC00
    return f"\\x{code:02x}" if code < 0x100 else f"\\u{code:04x}"
