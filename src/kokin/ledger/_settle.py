"""Settle circles anew: judge their receipts together, and add to the journal only what has become different."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

import numpy as np
import pyarrow as pa
from sqlalchemy import Select, func, select

from kokin.columns import Ints, bool_array, distinct, int64_array, within, without
from kokin.ledger._circles import Circles, circles
from kokin.ledger._forms import ints
from kokin.ledger._journal import Journal
from kokin.ledger._schema import TABLES
from kokin.ledger._store import ROWS, Wanted
from kokin.ledger._verdict import VERDICT, differs, verdict, yen_back
from kokin.reconcile import Policy

_NONE = np.empty(0, np.int64)

#: How a bill stands.
BALANCE = ("amount", "paid", "residual", "status")


class Rule(StrEnum):
    """Why a posting was made."""

    #: 計上: a receipt of the entry's own file.
    POSTED = "posted"
    #: 再判定: the verdict on an earlier receipt has changed, by what came later.
    REJUDGED = "rejudged"
    #: 取消: the receipt has been taken out.
    REVERSED = "reversed"
    #: 取消の取消: the receipt has been put back.
    RESTORED = "restored"


@dataclass(frozen=True)
class Fresh:
    """The receipts of the entry's own file."""

    receipts: pa.Table
    """As they are kept, with ``id``, ``entry`` and ``digest``, in the order of ids."""
    keys: Ints


@dataclass(frozen=True)
class Change:
    """Earlier receipts to take out and to put back: sets of ids."""

    withdrawn: Ints
    restored: Ints


@dataclass
class Settled:
    """What has come of it."""

    rejudged: int = 0
    """Earlier receipts with another verdict."""
    outcomes: dict[str, dict[str, int]] = field(default_factory=dict)
    """Of the fresh receipts: ``count`` and ``amount`` (yen) of each outcome."""


def settle(
    journal: Journal, policy: Policy, keys: Ints, fresh: Fresh | None = None, change: Change | None = None
) -> Settled:
    """Settle the circles of some keys.

    Args:
        journal: the entry in the making.
        policy: the body's choices.
        keys: every key of a fresh or changed receipt or bill is among them.
        fresh: new receipts.
        change: what becomes of earlier ones.
    """
    fresh = fresh or Fresh(pa.table({"id": pa.array([], pa.int64())}), _NONE)
    change = change or Change(_NONE, _NONE)
    order = np.argsort(fresh.keys, kind="stable")
    sorted_keys = fresh.keys[order]
    done = Settled()
    pending = distinct(keys)
    while len(pending):
        some = circles(journal, pending[:ROWS], journal.receipts_before)
        pending = without(pending, some.keys)
        first, end = (np.searchsorted(sorted_keys, some.keys, side) for side in ("left", "right"))
        rows = np.sort(order[_spread(first, end)])
        _settle(journal, policy, some, fresh.receipts.take(int64_array(rows)), change, done)
    return done


def _spread(first: Ints, end: Ints) -> Ints:
    """All the integers from each first one to before its end."""
    count = end - first
    return np.repeat(first - (np.cumsum(count) - count), count) + np.arange(count.sum())


def _settle(journal: Journal, policy: Policy, some: Circles, fresh: pa.Table, change: Change, done: Settled) -> None:
    earlier = some.receipts
    ids = ints(earlier.column("id"))
    stood = ints(earlier.column("reverses"), -1) < 0
    withdrawn = stood & within(ids, change.withdrawn)
    restored = ~stood & within(ids, change.restored)
    takes_part = (stood & ~withdrawn) | restored
    old = earlier.filter(bool_array(takes_part))
    # Files of different layouts have different columns.
    judged = pa.concat_tables([old, fresh], promote_options="default") if len(fresh) else old
    found, balances = verdict(some.bills, judged.combine_chunks(), policy)

    again, new = found.slice(0, len(old)), found.slice(len(old))
    back = restored[takes_part]
    changed = differs(again, old, VERDICT) & ~back
    for rule, among, mask in ((Rule.REVERSED, earlier, withdrawn), (Rule.REJUDGED, old, changed)):
        gone = among.filter(bool_array(mask))
        _post(journal, rule, gone.column("id"), {"reverses": gone.column("posting"), **yen_back(gone)})
    for rule, mask in ((Rule.REJUDGED, changed), (Rule.RESTORED, back)):
        _post(journal, rule, old.column("id").filter(bool_array(mask)), _columns(again.filter(bool_array(mask))))
    _post(journal, Rule.POSTED, fresh.column("id"), _columns(new))
    _note(journal, balances, met=len(earlier) + len(fresh) > 0)
    done.rejudged += int(np.count_nonzero(changed))
    _count(done, new, fresh)


def _count(done: Settled, found: pa.Table, fresh: pa.Table) -> None:
    if not len(fresh):
        return
    told = pa.table({"outcome": found.column("outcome"), "amount": fresh.column("amount")})
    for row in told.group_by("outcome").aggregate([("amount", "count"), ("amount", "sum")]).to_pylist():
        sums = done.outcomes.setdefault(row["outcome"], {"count": 0, "amount": 0})
        sums["count"] += row["amount_count"]
        sums["amount"] += row["amount_sum"]


def _columns(table: pa.Table) -> dict[str, pa.ChunkedArray]:
    return {name: table.column(name) for name in table.column_names}


def _post(journal: Journal, rule: Rule, receipts: pa.ChunkedArray, columns: Mapping[str, Any]) -> None:
    if len(receipts):
        rules = pa.repeat(pa.scalar(rule.value), len(receipts))
        journal.add("postings", {"receipt": receipts, "rule": rules, **columns})


def _note(journal: Journal, balances: pa.Table, *, met: bool) -> None:
    """Add the balances that are not what was noted last; none where no receipt has ever met the bills."""
    balances = balances.sort_by("bill")
    bills = ints(balances.column("bill"))
    noted = journal.look_up(bills if journal.last["balances"] else _NONE, last_balances)
    if not (met or len(noted)):
        return
    place = np.searchsorted(bills, ints(noted.column("bill")))
    same = np.zeros(len(bills), np.bool_)
    same[place] = ~differs(balances.take(int64_array(place)), noted, BALANCE)
    fresh = balances.filter(bool_array(~same))
    if len(fresh):
        journal.add("balances", _columns(fresh))


def last_balances(wanted: Wanted) -> Select[tuple[object, ...]]:
    """The balance that was noted last of each wanted bill."""
    table = TABLES["balances"]
    others = table.alias()
    last = select(func.max(others.c.id)).where(others.c.bill == wanted.c.value).scalar_subquery()
    columns = (table.c[name] for name in ("bill", *BALANCE))
    return select(*columns).select_from(wanted.join(table, table.c.id == last))
