"""Control characters out of text that comes from files, before it reaches a terminal or a log."""

from __future__ import annotations


def escape_controls(text: str) -> str:
    r"""A text on one line, with what a terminal may act on as an escape sequence of Python.

    Control characters, line separators, marks of writing direction, and the bytes of a file name that are not UTF-8
    (surrogates) are escaped; letters, signs and blanks are not.

    >>> print(escape_controls("a\x1b[31mb\n山田　\u202e\udc83"))
    a\x1b[31mb\n山田　\u202e\udc83
    """
    if text.isprintable():
        return text
    # The full-width blank is writing, though `str.isprintable` does not think so.
    return "".join(c if c.isprintable() or c == "\u3000" else c.encode("unicode_escape").decode() for c in text)
