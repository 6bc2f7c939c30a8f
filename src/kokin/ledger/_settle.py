"""Settle circles anew: judge their receipts together, and add to the journal only what has become different."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

import numpy as np
import pyarrow as pa

from kokin._arrow.convert import Int64Array, int64_array, to_numpy
from kokin._arrow.threads import difference_sorted, isin_sorted, sorted_unique
from kokin.ledger._circles import Circles, Fresh, circles, with_standing
from kokin.ledger._forms import chosen
from kokin.ledger._journal import Journal
from kokin.ledger._verdict import VERDICT, differs, matched, verdict_of, yen_back
from kokin.reconcile import Policy, Reconciliation

_NONE = np.empty(0, np.int64)
_NO_RECEIPTS = pa.table({"id": pa.array([], pa.int64())})

# Keys that are settled at once: the more, the fewer times the links are gone through; in columns a million take 1 GB.
_AT_ONCE = 1 << 19


class PostingReason(StrEnum):
    """Why a posting was made."""

    #: 計上: a receipt of the entry's own file.
    POSTED = "posted"
    #: 再判定: the verdict on an earlier receipt has changed, by what came later.
    REJUDGED = "rematched"
    #: 取消: the receipt has been taken out.
    REVERSED = "reversed"
    #: 取消の取消: the receipt has been put back.
    RESTORED = "restored"


@dataclass(frozen=True)
class Change:
    """Earlier receipts to take out and to put back: sets of ids."""

    withdrawn: Int64Array
    restored: Int64Array


@dataclass
class Settled:
    """What settling has changed, and what the fresh receipts have in common with earlier ones."""

    rematched: int = 0
    """Earlier receipts that have another outcome now."""
    repeated: Counter[int] = field(default_factory=Counter)
    """How many fresh receipts report a payment that is in the file of an earlier entry, by that entry."""
    reused: Counter[str] = field(default_factory=Counter)
    """How many fresh receipts have a ``provider_key`` that another payment has too, by that key."""


def settle(
    journal: Journal, policy: Policy, keys: Int64Array, fresh: Fresh | None = None, change: Change | None = None
) -> Settled:
    """Settle the circles of some keys.

    Args:
        journal: the entry in the making, its links to bills and receipts written.
        policy: the body's choices.
        keys: every key of a fresh or changed receipt or bill is among them.
        fresh: new receipts.
        change: what becomes of earlier ones.
    """
    change = change or Change(_NONE, _NONE)
    found = Settled()
    pending = sorted_unique(keys)
    while len(pending):
        some = circles(journal, pending[:_AT_ONCE], fresh=fresh)
        pending = difference_sorted(pending, some.keys)
        _settle(journal, policy, some, fresh, change, found)
        journal.progress(len(some.fresh))
    return found


def _settle(journal: Journal, policy: Policy, some: Circles, new: Fresh | None, change: Change, found: Settled) -> None:
    if not len(some.receipts) + len(some.fresh):
        return
    fresh = new.receipts.take(int64_array(some.fresh)) if new else _NO_RECEIPTS
    earlier = with_standing(journal, some.receipts)
    ids = to_numpy(earlier.column("id"), 0)
    stood = to_numpy(earlier.column("reverses"), -1) < 0
    withdrawn = stood & isin_sorted(ids, change.withdrawn)
    restored = ~stood & isin_sorted(ids, change.restored)
    takes_part = (stood & ~withdrawn) | restored
    old = chosen(earlier, takes_part)
    # Files of different layouts have different columns.
    parts = [part for part in (old, fresh) if len(part)] or [old]
    together = pa.concat_tables(parts, promote_options="default").combine_chunks()
    done = matched(some.bills, together, policy)
    said = verdict_of(done, some.bills, together)
    if len(fresh):
        _compare(together, done, len(old), found)

    again = said.slice(0, len(old))
    back = restored[takes_part]
    changed = differs(again, old, VERDICT) & ~back
    for rule, among, mask in ((PostingReason.REVERSED, earlier, withdrawn), (PostingReason.REJUDGED, old, changed)):
        gone = chosen(among, mask)
        _post(journal, rule, gone.column("id"), {"reverses": gone.column("posting"), **yen_back(gone)})
    for rule, mask in ((PostingReason.REJUDGED, changed), (PostingReason.RESTORED, back)):
        _post(journal, rule, chosen(old, mask).column("id"), _columns(chosen(again, mask)))
    _post(journal, PostingReason.POSTED, fresh.column("id"), _columns(said.slice(len(old))))
    found.rematched += int(np.count_nonzero(changed))


def _compare(receipts: pa.Table, done: Reconciliation, earlier: int, found: Settled) -> None:
    """Count the fresh receipts, those after the earlier ones, that repeat others, and those that reuse a key."""
    fresh_of = np.bincount(done.payments[earlier:], minlength=len(receipts))
    again = np.flatnonzero(fresh_of[done.payments[:earlier]])
    if len(again):
        entry = to_numpy(receipts.column("entry"), 0)[again]
        # A file may have several records of one payment.
        pairs = np.unique(np.stack([entry, done.payments[again]]), axis=1)
        for wrote, payment in pairs.T.tolist():
            found.repeated[wrote] += int(fresh_of[payment])
    reused = np.flatnonzero(done.reused[earlier:]) + earlier
    if len(reused):
        found.reused.update(receipts.column("provider_key").take(int64_array(reused)).to_pylist())


def _columns(table: pa.Table) -> dict[str, pa.ChunkedArray]:
    return {name: table.column(name) for name in table.column_names}


def _post(journal: Journal, rule: PostingReason, receipts: pa.ChunkedArray, columns: Mapping[str, Any]) -> None:
    if len(receipts):
        rules = pa.repeat(pa.scalar(rule.value), len(receipts))
        ids = journal.add("postings", {"receipt": receipts, "rule": rules, **columns})
        journal.link("postings", to_numpy(receipts, 0), ids)
