"""Settle circles anew: judge their receipts together, and add to the journal only what has become different."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

import numpy as np
import pyarrow as pa

from kokin.columns import Ints, distinct, int64_array, integers, within, without
from kokin.ledger._circles import Circles, circles, standing
from kokin.ledger._forms import chosen
from kokin.ledger._journal import Journal
from kokin.ledger._links import spread
from kokin.ledger._verdict import VERDICT, differs, verdict, yen_back
from kokin.reconcile import Policy

_NONE = np.empty(0, np.int64)

# Keys that are settled at once: the more, the fewer times the links are gone through; in columns a million take 1 GB.
_AT_ONCE = 1 << 19


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


def settle(
    journal: Journal, policy: Policy, keys: Ints, fresh: Fresh | None = None, change: Change | None = None
) -> int:
    """Settle the circles of some keys.

    Args:
        journal: the entry in the making, its links to bills written.
        policy: the body's choices.
        keys: every key of a fresh or changed receipt or bill is among them.
        fresh: new receipts.
        change: what becomes of earlier ones.

    Returns:
        How many earlier receipts have another outcome now.
    """
    fresh = fresh or Fresh(pa.table({"id": pa.array([], pa.int64())}), _NONE)
    change = change or Change(_NONE, _NONE)
    order = np.argsort(fresh.keys, kind="stable")
    sorted_keys = fresh.keys[order]
    rejudged = 0
    pending = distinct(keys)
    while len(pending):
        some = circles(journal, pending[:_AT_ONCE])
        pending = without(pending, some.keys)
        first, end = (np.searchsorted(sorted_keys, some.keys, side) for side in ("left", "right"))
        rows = np.sort(order[spread(first, end)])
        rejudged += _settle(journal, policy, some, fresh.receipts.take(int64_array(rows)), change)
        journal.progress(len(rows))
    return rejudged


def _settle(journal: Journal, policy: Policy, some: Circles, fresh: pa.Table, change: Change) -> int:
    if not len(some.receipts) + len(fresh):
        return 0
    earlier = standing(journal, some.receipts)
    ids = integers(earlier.column("id"), 0)
    stood = integers(earlier.column("reverses"), -1) < 0
    withdrawn = stood & within(ids, change.withdrawn)
    restored = ~stood & within(ids, change.restored)
    takes_part = (stood & ~withdrawn) | restored
    old = chosen(earlier, takes_part)
    # Files of different layouts have different columns.
    parts = [part for part in (old, fresh) if len(part)] or [old]
    found = verdict(some.bills, pa.concat_tables(parts, promote_options="default").combine_chunks(), policy)

    again, new = found.slice(0, len(old)), found.slice(len(old))
    back = restored[takes_part]
    changed = differs(again, old, VERDICT) & ~back
    for rule, among, mask in ((Rule.REVERSED, earlier, withdrawn), (Rule.REJUDGED, old, changed)):
        gone = chosen(among, mask)
        _post(journal, rule, gone.column("id"), {"reverses": gone.column("posting"), **yen_back(gone)})
    for rule, mask in ((Rule.REJUDGED, changed), (Rule.RESTORED, back)):
        _post(journal, rule, chosen(old, mask).column("id"), _columns(chosen(again, mask)))
    _post(journal, Rule.POSTED, fresh.column("id"), _columns(new))
    return int(np.count_nonzero(changed))


def _columns(table: pa.Table) -> dict[str, pa.ChunkedArray]:
    return {name: table.column(name) for name in table.column_names}


def _post(journal: Journal, rule: Rule, receipts: pa.ChunkedArray, columns: Mapping[str, Any]) -> None:
    if len(receipts):
        rules = pa.repeat(pa.scalar(rule.value), len(receipts))
        ids = journal.add("postings", {"receipt": receipts, "rule": rules, **columns})
        journal.link("postings", integers(receipts, 0), ids)
