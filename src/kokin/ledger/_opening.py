"""Create a ledger, or open one and compare its schema version and its policy."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import datetime
from pathlib import Path

from sqlalchemy import inspect, select
from sqlalchemy.engine import URL

from kokin.issues import InvalidInputError, Issue, Location
from kokin.ledger._databases import shown_url
from kokin.ledger._entry import EntryKind
from kokin.ledger._errors import LedgerError, LedgerExistsError
from kokin.ledger._journal import Journal
from kokin.ledger._schema import TABLES, VERSION
from kokin.ledger._store import Store
from kokin.reconcile import Policy

_ENTRIES = TABLES["entries"]


def create_ledger(store: Store, policy: Policy, clock: Callable[[], datetime], actor: str) -> Policy:
    """Create the tables and the first entry, which holds the policy.

    Raises:
        LedgerExistsError: the database has a ledger, or another table of this name.
    """
    with store.writing() as connection:
        if inspect(connection).has_table("entries"):
            raise LedgerExistsError(f"there is a ledger in {shown_url(store.engine.url)} already; open it instead")
        store.create(connection)
        told = {"form": VERSION, "pair_by": list(policy.pair_by)}
        Journal(store, connection).seal(EntryKind.CREATED.value, clock(), actor=actor, totals=told)
    return policy


def require_file(url: URL) -> None:
    """Refuse a path of SQLite where no file is: connecting would create one.

    Raises:
        LedgerError: there is none.
    """
    path = url.database if url.get_backend_name() == "sqlite" else None
    if path and path != ":memory:" and not path.startswith("file:") and not Path(path).is_file():
        raise _missing(url)


def policy_of(store: Store, policy: Policy | None) -> Policy:
    """The policy of the ledger in a store.

    Args:
        store: the database.
        policy: the expected one; None: whichever the ledger has.

    Raises:
        LedgerError: there is no ledger, or one of another schema version, or its first entry cannot be read.
        InvalidInputError: the policy is not the ledger's.
    """
    url = store.engine.url
    with store.reading() as connection:
        if not inspect(connection).has_table("entries"):
            raise _missing(url)
        missing = {*_ENTRIES.c.keys()} - {column["name"] for column in inspect(connection).get_columns("entries")}
        if "totals" in missing:
            raise LedgerError(f"the table `entries` in {shown_url(url)} is not of a ledger; name another database")
        first = connection.execute(select(_ENTRIES.c.totals).where(_ENTRIES.c.id == 1)).first()
    try:
        told = json.loads(first.totals) if first else {}
        form, pair_by = told["form"], tuple(told["pair_by"])
    except (ValueError, TypeError, KeyError) as error:
        issue = Issue(
            "LEDGER_ROW_CHANGED" if first else "LEDGER_ROW_MISSING", field="totals", location=Location("entries", 1)
        )
        raise LedgerError(f"the ledger in {shown_url(url)} cannot be used", [issue]) from error
    if form != VERSION:
        raise LedgerError(
            f"the ledger in {shown_url(url)} has form {form}; this version of kokin reads {VERSION}: "
            "use the version that made it, or give the bills and the files to a new ledger in their order"
        )
    kept = Policy(pair_by=pair_by)
    if policy and policy.pair_by != kept.pair_by:
        expected, found = (", ".join(some.pair_by) for some in (kept, policy))
        raise InvalidInputError(
            [Issue("POLICY_DIFFERS", field="pair_by", expected=expected, found=found)], "another policy"
        )
    return policy or kept


def _missing(url: URL) -> LedgerError:
    return LedgerError(
        f"there is no ledger in {shown_url(url)}; create one with `kokin ledger create` or Ledger.create"
    )
