"""The tests of the docs use the PostgreSQL server of the ledger's tests."""

from tests.ledger.conftest import cluster

__all__ = ["cluster"]

# A program without tests, which needs the extra of the docs.
collect_ignore = ["japanese.py"]
