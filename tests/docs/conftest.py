"""A page has a PostgreSQL server of its own, because it can create roles, which all databases of a server share."""

import pytest

from tests.ledger.conftest import postgres_server

# A program without tests, which needs the extra of the docs.
collect_ignore = ["japanese.py"]


@pytest.fixture
def own_server():
    """The folder of a new PostgreSQL server."""
    with postgres_server() as folder:
        yield folder
