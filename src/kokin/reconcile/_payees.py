"""The payees (共通納税機関コード) of a run: no total adds the yen of two authorities."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import pyarrow as pa

from kokin._arrow.convert import Int32Array
from kokin._arrow.threads import CHUNK_ROWS, thread_map
from kokin.matching import Index, Obligations
from kokin.reconcile._columns import Categorical, categorize

_PAYEE = "payee_code"


class Payees(NamedTuple):
    """The payees of a run, numbered in the order of their codes.

    The payee of a receipt is its own ``payee_code``, else that of the bill it was matched with, else the empty text.
    """

    #: The ``payee_code`` of each number, ascending; the empty text is the payee of receipts whose payee is unknown.
    codes: Sequence[str]
    #: int32 (n,): the payee of each receipt.
    of_receipt: Int32Array
    #: int32 (slips,): the payee of each slip.
    of_slip: Int32Array

    def of_bill(self, slips: Int32Array) -> Int32Array:
        """Return the payee of the bill of each slip, int32 (k,); any payee for a code below 0."""
        if len(self.codes) < 2 or not len(self.of_slip):
            return np.zeros(len(slips), np.int32)
        return self.of_slip[np.maximum(slips, 0)]

    def of_obligation(self, obligations: Obligations) -> Int32Array:
        """Return the payee of each obligation, int32 (m,): that of its own slips, of several payees the first."""
        of_slip = obligations.obligation_of_slip
        if of_slip is None:
            return self.of_slip
        own = of_slip >= 0
        payees = np.full(len(obligations.billed), len(self.codes) - 1, np.int32)
        np.minimum.at(payees, of_slip[own], self.of_slip[own])
        return payees


def find_payees(receipts: pa.Table, slip: Int32Array, index: Index) -> Payees:
    """Return the payees of receipts and slips; ``slip``, int32 (n,), is the slip of each receipt."""
    own, billed = _own_payees(receipts), Categorical(*index.payees())
    has_none = own.codes < 0
    unknown = [""] if (has_none & (slip < 0)).any() else []
    codes = sorted({*own.categories, *billed.categories, *unknown})
    of_slip = _renumber(billed, codes)
    of_receipt = _renumber(own, codes)
    rows = np.flatnonzero(has_none)
    of_receipt[rows] = 0  # the number of the empty text, which is the first
    with_bill = rows[slip[rows] >= 0]
    of_receipt[with_bill] = of_slip[slip[with_bill]]
    return Payees(codes, of_receipt, of_slip)


def _own_payees(receipts: pa.Table) -> Categorical:
    """Return the ``payee_code`` of each receipt; -1 for a null, an empty text and a missing column."""
    if _PAYEE not in receipts.schema.names:
        return Categorical(np.full(len(receipts), -1, np.int32), [])
    batches = receipts.select([_PAYEE]).to_batches(max_chunksize=CHUNK_ROWS)
    parts = thread_map(lambda batch: categorize(batch.column(0).cast(pa.string())), batches)
    codes = sorted({code for part in parts for code in part.categories})
    return Categorical(np.concatenate([np.empty(0, np.int32), *(_renumber(part, codes) for part in parts)]), codes)


def _renumber(column: Categorical, codes: Sequence[str]) -> Int32Array:
    """Return the number in ``codes`` of each value: int32 (n,); -1 for a null."""
    if list(column.categories) == list(codes):
        return column.codes
    number_of = {code: number for number, code in enumerate(codes)}
    numbers = np.array([*(number_of[code] for code in column.categories), -1], np.int32)
    return numbers[column.codes]
