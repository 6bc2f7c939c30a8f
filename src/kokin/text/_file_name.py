"""Names of files as text, whatever bytes they consist of."""

from __future__ import annotations

from pathlib import PurePath

from kokin.issues import printable


def file_name(path: str | PurePath) -> str:
    """Return the last part of a path as printable text; a name that is not UTF-8 has its bytes escaped.

    It names the file in issues, tables and ledgers. Open the file with its path, not with this name.
    """
    return printable(PurePath(path).name)
