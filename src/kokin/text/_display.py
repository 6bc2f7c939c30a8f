"""Names in the form in which they may be displayed: masked personal names, printable file names."""

from __future__ import annotations

from pathlib import PurePath

from kokin.issues import printable


def mask(name: str) -> str:
    """Return a personal name with all but its first character masked (マスキング).

    The length is kept up to five characters, so that a long name cannot be recognised by its length.

    >>> mask("公金 花子")
    '公＊＊＊＊'
    """
    name = name.strip()
    return name[:1] + "＊" * min(len(name) - 1, 4) if name else ""


def file_name(path: str | PurePath) -> str:
    """Return the last part of a path as printable text; the bytes of a name that is not UTF-8 are escaped.

    It names the file in issues, tables and ledgers. Open the file with its path, not with this name.
    """
    return printable(PurePath(path).name)
