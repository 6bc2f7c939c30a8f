"""The order of payments: in which order those of one obligation are allocated, and which record of a payment counts."""

from __future__ import annotations

import numpy as np

from kokin._arrow import Int64Array
from kokin.matching import CONTENT_COLUMNS, KEY_COLUMNS, group
from kokin.reconcile._encoding import EncodedColumns

_WHEN = ("paid_on", "paid_time", "received_on", "provider_key")
_WHAT = ("amount", "kind", *KEY_COLUMNS)
#: The columns by which payments are sorted: when and under which reference a payment was made, what else it says, and
#: where it was reported. The columns of a step are compared only where all steps before it are equal.
SORT_COLUMNS = (
    _WHEN,
    (*_WHAT, *(name for name in CONTENT_COLUMNS if name not in (*_WHEN, *_WHAT))),
    ("digest", "record_no", "source"),
)


def payment_order(columns: EncodedColumns) -> Int64Array:
    """Return the sort key of each record by :data:`SORT_COLUMNS`, equal for records that are equal in all: int64 (n,).

    What a payment says comes before where it was reported. So the order is the same if a file is delivered again in
    other bytes or in parts, and it does not depend on the order of the input.
    """
    order = np.zeros(len(columns), np.int64)
    tied = np.arange(len(columns))
    for names in SORT_COLUMNS:
        if len(tied):
            within = np.zeros(len(columns), np.int64)
            rows = columns.take(tied)
            within[tied] = group(order[tied], *(rows.ranks(name) for name in names if rows.has(name)))
            order = group(order, within)
            tied = np.flatnonzero(np.bincount(order)[order] > 1)
    return order
