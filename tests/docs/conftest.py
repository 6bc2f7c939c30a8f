"""The tests of the docs use the PostgreSQL server of the ledger's tests."""

from tests.ledger.conftest import cluster

__all__ = ["cluster"]
