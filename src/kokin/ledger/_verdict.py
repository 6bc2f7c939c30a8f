"""The verdict on some receipts: what the rule of matching says of them, in the columns of a posting."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from kokin.columns import Flags, int64_array, integers
from kokin.ledger._forms import flags, restored
from kokin.matching import Index
from kokin.model import Bill, Bin, Outcome, Receipt, ReceiptKind
from kokin.reconcile import Policy, reconcile

#: Where the yen of a receipt may be.
BINS = tuple(name.value for name in Bin)

#: What a posting says of its receipt.
VERDICT = ("outcome", "bill", *BINS, "expected")

_UNKNOWN = pa.array([Outcome.NO_BILL, Outcome.MULTIPLE_BILLS, Outcome.KEY_MISSING], pa.string())


def verdict(bills: pa.Table, receipts: pa.Table, policy: Policy) -> pa.Table:
    """Judge receipts against bills; both hold whole circles, as they are kept.

    Args:
        bills: with ``id``.
        receipts: with ``entry`` and ``digest``, in the order of their ids.
        policy: the body's choices.

    Returns:
        The columns of :data:`VERDICT`, a row per receipt; ``bill`` is the id of the bill's row.
    """
    # The outcomes come in the order of source, digest and record number: by their entries they come in that of ids.
    source = pc.utf8_lpad(receipts.column("entry").cast(pa.string()), 19, "0")
    told = restored(receipts, Receipt)
    told = told.append_column("source", source)
    # Stored slips may bill less than was paid before them: a correction came later.
    done = reconcile(Index.build(restored(bills, Bill), check_paid_before=False), told, policy)
    outcomes = done.outcomes
    assert outcomes.column("record_no").equals(receipts.column("record_no"))
    kind = receipts.column("kind") if "kind" in receipts.column_names else pa.nulls(len(receipts), pa.string())
    columns = {
        "outcome": outcomes.column("outcome"),
        "bill": _rows_of(outcomes.column("bill_id"), bills),
        **_bins(outcomes, pc.fill_null(kind, ReceiptKind.FINAL.value)),
        "expected": outcomes.column("expected"),
    }
    return pa.table(columns).select(VERDICT)


def _rows_of(names: pa.ChunkedArray, bills: pa.Table) -> pa.ChunkedArray:
    return bills.column("id").take(pc.index_in(names, value_set=bills.column("bill_id")))


def _bins(outcomes: pa.Table, kind: pa.ChunkedArray) -> dict[str, pa.Array]:
    """The yen of each receipt by bin; a receipt of which none is money is void."""
    amount, applied, excess = (integers(outcomes.column(name), 0) for name in ("amount", "applied", "excess"))
    unknown = flags(pc.is_in(outcomes.column("outcome"), value_set=_UNKNOWN))
    told = flags(pc.equal(kind, ReceiptKind.PROVISIONAL.value))
    waits = flags(pc.equal(outcomes.column("outcome"), Outcome.PROVISIONAL.value)) | (unknown & told)
    suspense = unknown & ~told & ~flags(pc.equal(kind, ReceiptKind.CANCEL.value))
    void = ~waits & ~suspense & (applied + excess == 0)
    yen = {
        Bin.APPLIED: applied,
        Bin.EXCESS: excess,
        Bin.SUSPENSE: np.where(suspense, amount, 0),
        Bin.PROVISIONAL: np.where(waits, amount, 0),
        Bin.VOID: np.where(void, amount, 0),
    }
    return {name.value: int64_array(column) for name, column in yen.items()}


def differs(one: pa.Table, other: pa.Table, names: tuple[str, ...]) -> Flags:
    """Which rows of two tables are not the same in some columns, nothing being an empty text: bool (n,)."""
    found = np.zeros(len(one), np.bool_)
    for name in names:
        left, right = one.column(name), other.column(name)
        if left.type == pa.int64():
            found |= integers(left, -1) != integers(right, -1)
        else:
            found |= ~flags(pc.equal(pc.fill_null(left, ""), pc.fill_null(right, "")))
    return found


def yen_back(standing: pa.Table) -> dict[str, pa.Array]:
    """What takes a posting back: the same verdict, its yen negative."""
    return {
        name: int64_array(-integers(standing.column(name), 0)) if name in BINS else standing.column(name)
        for name in VERDICT
    }
