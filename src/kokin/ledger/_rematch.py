"""Match the receipts of components again, and post only the differences.

A posting is never changed. If the outcome of an earlier receipt differs now, one row reverses its last posting (the
same outcome, negative yen) and another has the new outcome.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from kokin._arrow.convert import BoolArray, Int64Array, UInt8Array, int64_array, to_numpy
from kokin._arrow.threads import difference_sorted, isin_sorted, sorted_unique
from kokin._arrow.validate import UNKNOWN_CATEGORY, category_codes
from kokin.ledger._codec import decode_columns, filter_rows, to_bool
from kokin.ledger._components import (
    OUTCOME_COLUMNS,
    Components,
    NewReceipts,
    add_last_posting,
    find_components,
    receipt_keys,
)
from kokin.ledger._database import LedgerError
from kokin.ledger._decisions_in_force import decisions_in_force
from kokin.ledger._journal import EntryWriter
from kokin.ledger._schema import DISPOSITIONS, PostingReason
from kokin.matching import FINAL, KINDS, OUTCOMES, Index, disposition_of, signed, yen_by_disposition
from kokin.model import Bill, Receipt
from kokin.reconcile import Policy, Reconciliation, reconcile

_NO_IDS = np.empty(0, np.int64)
_NO_RECEIPTS = pa.table({"id": int64_array(np.empty(0, np.int64))})

# Keys per round: the columns of a million receipts take 1 GB.
_KEYS_PER_ROUND = 1 << 19


@dataclass(frozen=True)
class ReversalEffect:
    """Earlier receipts that an entry reverses, and those that it restores: sorted ids."""

    reversed: Int64Array
    restored: Int64Array


@dataclass
class RematchResult:
    """What matching again has changed, and what the new receipts share with earlier ones."""

    rematched: int = 0
    """Earlier receipts with another outcome."""
    repeated: Counter[int] = field(default_factory=Counter)
    """How many new receipts report a payment that is in the file of an earlier entry, by that entry."""
    reused: Counter[str] = field(default_factory=Counter)
    """How many new receipts have a ``provider_key`` that another payment has too, by that key."""


def rematch(
    writer: EntryWriter,
    policy: Policy,
    keys: Int64Array,
    new: NewReceipts | None = None,
    effect: ReversalEffect | None = None,
) -> RematchResult:
    """Match the components of some keys again, and post the differences.

    Args:
        writer: the entry; its match keys must have been flushed.
        policy: the choices of the authority.
        keys: every key of a new or changed receipt or bill.
        new: the receipts of the file that is being posted.
        effect: the earlier receipts that the entry reverses or restores.
    """
    effect = effect or ReversalEffect(_NO_IDS, _NO_IDS)
    result = RematchResult()
    pending = sorted_unique(keys)
    while len(pending):
        components = find_components(writer, pending[:_KEYS_PER_ROUND], new=new)
        pending = difference_sorted(pending, components.keys)
        _rematch_components(writer, policy, components, new, effect, out=result)
        writer.progress(len(components.new_rows))
    return result


def add_receipts(
    writer: EntryWriter, policy: Policy, receipts: pa.Table, digest: str
) -> tuple[Int64Array, RematchResult]:
    """Add encoded receipts to an entry and match their components; return their ids and what has changed.

    Args:
        writer: the entry, which was begun.
        policy: the choices of the authority.
        receipts: the receipts, by record number.
        digest: the digest of the entry.
    """
    ids = writer.add_rows("receipts", receipts)
    rows = receipts.append_column("id", int64_array(ids))
    rows = rows.append_column("entry_id", int64_array(np.full(len(ids), writer.entry)))
    rows = rows.append_column("digest", pa.repeat(pa.scalar(digest), len(ids)))
    keys, key_rows = receipt_keys(rows)
    writer.add_keys("receipts", keys, ids[key_rows])
    writer.flush_keys()
    return ids, rematch(writer, policy, keys, NewReceipts(rows, keys, key_rows) if len(rows) else None)


def _rematch_components(
    writer: EntryWriter,
    policy: Policy,
    components: Components,
    new: NewReceipts | None,
    effect: ReversalEffect,
    *,
    out: RematchResult,
) -> None:
    if not len(components.receipts) + len(components.new_rows):
        return
    added = new.receipts.take(int64_array(components.new_rows)) if new else _NO_RECEIPTS
    earlier = add_last_posting(writer, components.receipts)
    ids = to_numpy(earlier.column("id"), 0)
    was_active = to_numpy(earlier.column("reverses_id"), -1) < 0
    is_reversed = was_active & isin_sorted(ids, effect.reversed)
    is_restored = ~was_active & isin_sorted(ids, effect.restored)
    is_active = (was_active & ~is_reversed) | is_restored
    active = filter_rows(earlier, is_active)
    # Files of different layouts have different columns.
    parts = [part for part in (active, added) if len(part)] or [active]
    receipts = pa.concat_tables(parts, promote_options="default").combine_chunks()
    decisions = decisions_in_force(writer, receipts=ids)
    result = match_receipts(components.bills, receipts, policy, decisions)
    outcomes = outcome_columns(result, components.bills, receipts)
    if len(added):
        _count_duplicates(receipts, result, len(active), out=out)

    new_outcomes = outcomes.slice(0, len(active))
    restored = is_restored[is_active]
    changed = differs(new_outcomes, active, OUTCOME_COLUMNS) & ~restored
    for reason, rows in (
        (PostingReason.REVERSED, filter_rows(earlier, is_reversed)),
        (PostingReason.REMATCHED, filter_rows(active, changed)),
    ):
        _post(writer, reason, rows.column("id"), {"reverses_id": rows.column("posting"), **_negated(rows)})
    for reason, mask in ((PostingReason.REMATCHED, changed), (PostingReason.RESTORED, restored)):
        _post(writer, reason, filter_rows(active, mask).column("id"), _columns(filter_rows(new_outcomes, mask)))
    _post(writer, PostingReason.POSTED, added.column("id"), _columns(outcomes.slice(len(active))))
    out.rematched += int(np.count_nonzero(changed))


def _count_duplicates(receipts: pa.Table, result: Reconciliation, earlier: int, *, out: RematchResult) -> None:
    """Count the new receipts (those after the first ``earlier``) that repeat a payment, and those that reuse a key."""
    new_of_payment = np.bincount(result.payments[earlier:], minlength=len(receipts))
    repeated = np.flatnonzero(new_of_payment[result.payments[:earlier]])
    if len(repeated):
        entries = to_numpy(receipts.column("entry_id"), 0)[repeated]
        # A file may have several records of one payment.
        pairs = np.unique(np.stack([entries, result.payments[repeated]]), axis=1)
        for entry, payment in pairs.T.tolist():
            out.repeated[entry] += int(new_of_payment[payment])
    reused = np.flatnonzero(result.reused[earlier:]) + earlier
    if len(reused):
        out.reused.update(receipts.column("provider_key").take(int64_array(reused)).to_pylist())


def _columns(table: pa.Table) -> dict[str, pa.ChunkedArray]:
    return {name: table.column(name) for name in table.column_names}


def _post(writer: EntryWriter, reason: PostingReason, receipts: pa.ChunkedArray, columns: Mapping[str, Any]) -> None:
    if len(receipts):
        reasons = pa.repeat(pa.scalar(reason.value), len(receipts))
        writer.add_rows("postings", pa.table({"receipt_id": receipts, "posting_reason": reasons, **columns}))


def entry_sources(entries: pa.ChunkedArray) -> pa.ChunkedArray:
    """Return entries as names of files for matching: padded, so that their order is that of the ids."""
    return pc.utf8_lpad(entries.cast(pa.string()), 19, "0")


def match_receipts(bills: pa.Table, receipts: pa.Table, policy: Policy, decisions: pa.Table) -> Reconciliation:
    """Match the receipts of whole components with their bills.

    Args:
        bills: encoded.
        receipts: encoded, with ``entry_id`` and ``digest``, in the order of their ids.
        policy: the choices of the authority.
        decisions: the active decisions about these receipts.

    Returns:
        The result; its outcomes are in the order of the receipts.

    Raises:
        LedgerError: the outcomes do not correspond to the receipts.
    """
    # Outcomes are sorted by source, digest and record number. With the entry as source that is the order of ids.
    source = entry_sources(receipts.column("entry_id"))
    decoded = decode_columns(receipts, Receipt).append_column("source", source)
    # A stored slip may bill less than was paid before: a correction came later.
    index = Index.build(decode_columns(bills, Bill), check_paid_before=False)
    result = reconcile(index, decoded, policy, decisions=decisions)
    if not result.outcomes.column("record_no").equals(receipts.column("record_no")):
        raise LedgerError("outcomes do not match their receipts; nothing was written; run `kokin ledger verify`")
    return result


def outcome_columns(result: Reconciliation, bills: pa.Table, receipts: pa.Table) -> pa.Table:
    """Return :data:`OUTCOME_COLUMNS`, a row per receipt; ``bill_version_id`` is the id of the version."""
    outcomes = result.outcomes
    kind = receipts.column("kind") if "kind" in receipts.column_names else pa.nulls(len(receipts), pa.string())
    bill_rows = pc.index_in(outcomes.column("bill_id"), value_set=bills.column("bill_id"))
    columns = {
        "outcome": outcomes.column("outcome"),
        "bill_version_id": bills.column("id").take(bill_rows),
        **_yen_by_disposition(outcomes, kind),
        "balance_before": outcomes.column("balance_before"),
    }
    return pa.table(columns).select(OUTCOME_COLUMNS)


def _yen_by_disposition(outcomes: pa.Table, kind: pa.ChunkedArray) -> dict[str, pa.Array]:
    """Return the yen of each receipt by disposition."""
    amount, applied, excess = (to_numpy(outcomes.column(name), 0) for name in ("amount", "applied", "excess"))
    disposition, code = disposition_and_kind(outcomes.column("outcome"), kind)
    yen = yen_by_disposition(disposition, signed(code, amount), applied, excess)
    return {name.value: int64_array(column) for name, column in yen.items()}


def disposition_and_kind(outcome: pa.ChunkedArray, kind: pa.ChunkedArray) -> tuple[UInt8Array, UInt8Array]:
    """Return the codes of :func:`kokin.matching.disposition_of` and of ``KINDS``, uint8 (n,) and (n,), from texts."""
    code = category_codes(kind, tuple(KINDS), FINAL)
    return disposition_of(category_codes(outcome, tuple(OUTCOMES), UNKNOWN_CATEGORY), code), code


def differs(one: pa.Table, other: pa.Table, names: tuple[str, ...]) -> BoolArray:
    """Return which rows of two tables differ in some columns: bool (n,). A null text equals an empty one."""
    mask = np.zeros(len(one), np.bool_)
    for name in names:
        left, right = one.column(name), other.column(name)
        if left.type == pa.int64():
            mask |= to_numpy(left, -1) != to_numpy(right, -1)
        else:
            mask |= ~to_bool(pc.equal(pc.fill_null(left, ""), pc.fill_null(right, "")))
    return mask


def _negated(postings: pa.Table) -> dict[str, pa.Array]:
    """Return the columns that reverse postings: the same outcome, negative yen."""
    return {
        name: int64_array(-to_numpy(postings.column(name), 0)) if name in DISPOSITIONS else postings.column(name)
        for name in OUTCOME_COLUMNS
    }
