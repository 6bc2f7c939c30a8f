"""How thoroughly the tests run, and what several of them need.

They run quickly by default; with every case and twice the examples where ``KOKIN_TESTS=thorough``, as the gate
does once; with six times the examples where ``KOKIN_TESTS=complete``, before a release; and with the fewest ones where
``KOKIN_TESTS=installed``: a test of the wheel checks the packaging and the versions, not the properties. The first of
the two runs of the gate has the fewest ones too: the second one checks the same properties thoroughly.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import pytest

from kokin.issues import InvalidInputError
from kokin.slips._font_files import find_font

if TYPE_CHECKING:
    import pyarrow as pa

    from kokin.issues import Issue
    from kokin.ledger import Ledger, Verification

#: The gate runs the tests twice: the first run writes the tests that passed into this file, for the second one.
PASSED_FILE = os.environ.get("KOKIN_PASSED")
_MODE = os.environ.get("KOKIN_TESTS", "first" if PASSED_FILE else "")
#: Whether tests run with every case, and property tests with many examples.
THOROUGH = _MODE in ("thorough", "complete")
# Examples of a complete run for each example of this one, and the fewest examples of a property.
_DIVISOR, _MIN_EXAMPLES = {
    "complete": (1, 1),
    "thorough": (3, 4),
    "installed": (30, 2),
    "first": (30, 2),
}.get(_MODE, (6, 4))


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
    """Return how many examples a property test generates.

    ``count`` in a complete run, a third of it in a thorough one, a thirtieth in the tests of an installed wheel and in
    the first run of the gate, else a sixth.
    """
    return max(count // _DIVISOR, _MIN_EXAMPLES)


def row_issues(verification: Verification) -> list[Issue]:
    """Return the issues of a ledger other than its missing guards, which a test has dropped to change rows."""
    return [issue for issue in verification.issues if issue.code != "LEDGER_GUARD"]


def added_changes(ledger: Ledger) -> pa.Table:
    """Return all changes of bills of a ledger; each bill starts where its last change ended, up to its balance."""
    changes = ledger.changes("of-a-test")
    names = ("amount", "paid", "residual", "provisional", "excess", "status")
    absent = {**dict.fromkeys(names, 0), "status": None}
    state: dict[str, dict[str, object]] = {}
    for row in changes.table.to_pylist():
        before, after = ({name: row[f"{name}_{side}"] for name in names} for side in ("from", "to"))
        assert before == state.get(row["bill_id"], absent)
        assert after != before
        state[row["bill_id"]] = after
    balances = ledger.balances().to_pylist()
    for row in balances:
        found = state.pop(row["bill_id"])
        assert {name: row[name] for name in ("amount", "paid", "residual", "status")} == {
            name: found[name] for name in ("amount", "paid", "residual", "status")
        }
    assert all(after == absent for after in state.values())  # withdrawn bills
    deltas = {row["bill_id"]: row for row in changes.deltas().to_pylist()}
    for row in balances:
        assert {name: row[name] for name in names[:3]} == {name: deltas[row["bill_id"]][name] for name in names[:3]}
    return changes.table
