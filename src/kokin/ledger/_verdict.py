"""The verdict on some receipts: what the rule of matching says of them, in the columns of a posting."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from kokin._arrow.convert import BoolArray, int64_array, to_numpy
from kokin._arrow.validate import UNKNOWN_CATEGORY, category_codes
from kokin.ledger._forms import flags, restored
from kokin.matching import FINAL, KINDS, OUTCOMES, Index, disposition_of, signed, yen_by_disposition
from kokin.model import Bill, Disposition, Receipt
from kokin.reconcile import Policy, Reconciliation, reconcile

#: Where the yen of a receipt may be.
DISPOSITIONS = tuple(name.value for name in Disposition)

#: What a posting says of its receipt.
VERDICT = ("outcome", "bill", *DISPOSITIONS, "balance_before")


def verdict(bills: pa.Table, receipts: pa.Table, policy: Policy) -> pa.Table:
    """The columns of :data:`VERDICT`, a row per receipt; see :func:`matched`. ``bill`` is the id of the bill's row."""
    return verdict_of(matched(bills, receipts, policy), bills, receipts)


def matched(bills: pa.Table, receipts: pa.Table, policy: Policy) -> Reconciliation:
    """Judge receipts against bills; both hold whole circles, as they are kept.

    Args:
        bills: with ``id``.
        receipts: with ``entry`` and ``digest``, in the order of their ids.
        policy: the body's choices.

    Returns:
        The result; its outcomes are in the order of the receipts.
    """
    # The outcomes come in the order of source, digest and record number: by their entries they come in that of ids.
    source = pc.utf8_lpad(receipts.column("entry").cast(pa.string()), 19, "0")
    told = restored(receipts, Receipt)
    told = told.append_column("source", source)
    # Stored slips may bill less than was paid before them: a correction came later.
    done = reconcile(Index.build(restored(bills, Bill), check_paid_before=False), told, policy)
    assert done.outcomes.column("record_no").equals(receipts.column("record_no"))
    return done


def verdict_of(done: Reconciliation, bills: pa.Table, receipts: pa.Table) -> pa.Table:
    """The columns of :data:`VERDICT`, a row per receipt; see :func:`matched`."""
    outcomes = done.outcomes
    kind = receipts.column("kind") if "kind" in receipts.column_names else pa.nulls(len(receipts), pa.string())
    columns = {
        "outcome": outcomes.column("outcome"),
        "bill": _rows_of(outcomes.column("bill_id"), bills),
        **_dispositions(outcomes, kind),
        "balance_before": outcomes.column("balance_before"),
    }
    return pa.table(columns).select(VERDICT)


def _rows_of(names: pa.ChunkedArray, bills: pa.Table) -> pa.ChunkedArray:
    return bills.column("id").take(pc.index_in(names, value_set=bills.column("bill_id")))


def _dispositions(outcomes: pa.Table, kind: pa.ChunkedArray) -> dict[str, pa.Array]:
    """The yen of each receipt by disposition."""
    amount, applied, excess = (to_numpy(outcomes.column(name), 0) for name in ("amount", "applied", "excess"))
    outcome = category_codes(outcomes.column("outcome"), tuple(OUTCOMES), UNKNOWN_CATEGORY)
    code = category_codes(kind, tuple(KINDS), FINAL)
    yen = yen_by_disposition(disposition_of(outcome, code), signed(code, amount), applied, excess)
    return {name.value: int64_array(column) for name, column in yen.items()}


def differs(one: pa.Table, other: pa.Table, names: tuple[str, ...]) -> BoolArray:
    """Which rows of two tables are not the same in some columns, nothing being an empty text: bool (n,)."""
    found = np.zeros(len(one), np.bool_)
    for name in names:
        left, right = one.column(name), other.column(name)
        if left.type == pa.int64():
            found |= to_numpy(left, -1) != to_numpy(right, -1)
        else:
            found |= ~flags(pc.equal(pc.fill_null(left, ""), pc.fill_null(right, "")))
    return found


def yen_back(standing: pa.Table) -> dict[str, pa.Array]:
    """What takes a posting back: the same verdict, its yen negative."""
    return {
        name: int64_array(-to_numpy(standing.column(name), 0)) if name in DISPOSITIONS else standing.column(name)
        for name in VERDICT
    }
