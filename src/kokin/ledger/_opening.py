"""Opening a ledger: made where there is none yet, and held to its form and its policy."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import datetime

from sqlalchemy import inspect, select

from kokin.issues import Issue, RefusedError
from kokin.ledger._databases import LedgerError
from kokin.ledger._entry import EntryKind
from kokin.ledger._journal import Journal
from kokin.ledger._schema import TABLES, VERSION
from kokin.ledger._store import Store
from kokin.reconcile import Policy

_ENTRIES = TABLES["entries"]


def opened(store: Store, policy: Policy | None, clock: Callable[[], datetime] | None) -> Policy:
    """The policy of the ledger in a store.

    Args:
        store: the database.
        policy: the body's choices; none: those that the ledger was made with.
        clock: tells the time of the first entry, where a ledger that is not there is to be made.

    Raises:
        LedgerError: there is no ledger, or one of another form.
        RefusedError: the policy is not the ledger's.
    """
    with store.reading() as connection:
        exists = inspect(connection).has_table("entries")
    if not exists:
        if clock is None:
            raise LedgerError(f"there is no ledger in {store.engine.url!r}; `kokin ledger init` makes one")
        _make(store, policy or Policy(), clock())
    with store.reading() as connection:
        told = json.loads(connection.execute(select(_ENTRIES.c.told).where(_ENTRIES.c.id == 1)).scalar_one())
    if told["form"] != VERSION:
        raise LedgerError(
            f"the ledger in {store.engine.url!r} has form {told['form']}; this version of kokin reads {VERSION}: "
            "use the version that made it, or give the bills and the files to a new ledger in their order"
        )
    kept = Policy(pair_by=tuple(told["pair_by"]))
    if policy and policy.pair_by != kept.pair_by:
        expected, found = (", ".join(some.pair_by) for some in (kept, policy))
        raise RefusedError([Issue("POLICY_DIFFERS", "pair_by", expected, found)], "another policy")
    return policy or kept


def _make(store: Store, policy: Policy, at: datetime) -> None:
    with store.writing() as connection:
        if inspect(connection).has_table("entries"):
            return  # another process was faster
        store.create(connection)
        told = {"form": VERSION, "pair_by": list(policy.pair_by)}
        Journal(store, connection).seal(EntryKind.OPENED.value, at, strict=False, actor="", told=told)
