"""How thoroughly the tests run, and what several of them need.

They run quickly by default, with every example and case where ``KOKIN_TESTS=thorough``.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import pytest

from kokin.issues import InvalidInputError
from kokin.slips._font_files import find_font

if TYPE_CHECKING:
    from kokin.issues import Issue
    from kokin.ledger import Verification

#: Whether property tests run with all their examples; the gate does this once.
THOROUGH = os.environ.get("KOKIN_TESTS") == "thorough"


NO_FONT = "no Japanese font: apt install fonts-morisawa-bizud-gothic"


def has_font() -> bool:
    """Return whether a Japanese font for printed slips is installed."""
    try:
        find_font()
    except InvalidInputError:
        return False
    return True


#: Marks a test that prints slips with the installed Japanese font.
needs_font = pytest.mark.skipif(not has_font(), reason=NO_FONT)


def examples(count: int) -> int:
    """Return how many examples a property test generates: ``count`` in a thorough run, else a sixth of it."""
    return count if THOROUGH else max(count // 6, 4)


def row_issues(verification: Verification) -> list[Issue]:
    """Return the issues of a ledger other than its missing guards, which a test has dropped to change rows."""
    return [issue for issue in verification.issues if issue.code != "LEDGER_GUARD"]
