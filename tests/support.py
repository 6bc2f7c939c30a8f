"""How thoroughly the tests run: quickly by default, with every example and case where ``KOKIN_TESTS=thorough``."""

from __future__ import annotations

import os

#: Whether property tests run with all their examples; the gate does this once.
THOROUGH = os.environ.get("KOKIN_TESTS") == "thorough"


def examples(count: int) -> int:
    """Return how many examples a property test generates: ``count`` in a thorough run, else a sixth of it."""
    return count if THOROUGH else max(count // 6, 4)
