"""Obligations (調定): which of them each slip settles, what is open on them, and which are connected by slips."""

from __future__ import annotations

from dataclasses import dataclass, field, fields, replace

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from kokin._arrow.convert import (
    BoolArray,
    Int32Array,
    Int64Array,
    UInt8Array,
    bool_array,
    combine,
    text_ranks,
    to_mask,
    to_numpy,
)
from kokin.issues import Issue, Location
from kokin.matching._groups import starts_of_runs

#: The status of a slip by code, in the order in which slips with the same key are preferred.
SLIP_STATUSES = ("open", "superseded", "cancelled")
#: Codes of ``SLIP_STATUSES``.
OPEN, SUPERSEDED, CANCELLED = range(3)

_NO_DUE_DATE = np.iinfo(np.int32).max


@dataclass(frozen=True, eq=False)
class Obligations:
    """The obligations of a batch of slips: ``n`` slips, ``m`` obligations, ``c`` slips that cover several (全期).

    Slips of one payee with the same ``obligation_id`` share an obligation; a slip without one has its own; a covering
    slip has none of its own, whatever its ``obligation_id``. The open slips of an obligation define what is owed (the
    largest amount) and when (the earliest ``due_on``); all of its slips define what was paid before (the largest
    ``paid_before``).
    Obligations due on the same day are in the order of their ``obligation_id``.

    Slips 0 and 1 share an obligation, slip 2 has its own, and slip 3 covers both: ``obligation_of_slip`` is
    [0, 0, 1, -1], ``cover_offsets`` [0, 2], ``covered`` [0, 1] and ``component`` [0, 0].
    """

    #: int64 (m,): yen billed on the obligation, the largest amount among its open slips; 0 without one.
    billed: Int64Array
    #: int64 (m,): yen of it that are open before the batch.
    open: Int64Array
    #: int32 (n,): the obligation that a slip settles, ``-1 - i`` for the i-th covering slip; None: slip i settles
    #: obligation i.
    obligation_of_slip: Int32Array | None = None
    #: int32 (c + 1,) and int32 (k,): the i-th covering slip settles, by due date,
    #: ``covered[cover_offsets[i] : cover_offsets[i + 1]]``.
    cover_offsets: Int32Array = field(default_factory=lambda: np.zeros(1, np.int32))
    covered: Int32Array = field(default_factory=lambda: np.empty(0, np.int32))
    #: int32 (m,): the connected component of each obligation, where a covering slip connects those that it covers;
    #: None: each obligation is a component.
    component: Int32Array | None = None

    def of(self, slips: Int32Array) -> Int32Array:
        """Return the obligation of each slip, ``-1 - i`` for the i-th covering slip: int32 (k,)."""
        return slips if self.obligation_of_slip is None else self.obligation_of_slip[slips]

    def first_of(self, slips: Int32Array) -> Int32Array:
        """Return the obligation of each slip, of a covering slip the one that is due first: int32 (k,)."""
        obligation = self.of(slips)
        if not len(self.covered):
            return obligation
        first = self.covered[self.cover_offsets[np.where(obligation < 0, -1 - obligation, 0)]]
        return np.where(obligation < 0, first, obligation)

    def component_of(self, slips: Int32Array) -> Int32Array:
        """Return the connected component of each slip's obligations: int32 (k,)."""
        first = self.first_of(slips)
        return first if self.component is None else self.component[first]

    def connected_by(self, slips: Int32Array) -> BoolArray:
        """Return the obligations in a connected component with a covering slip among some slips: bool (m,)."""
        if self.component is None:
            return np.zeros(len(self.billed), np.bool_)
        is_connected = np.zeros(len(self.billed), np.bool_)
        is_connected[self.component_of(slips[self.of(slips) < 0])] = True
        return is_connected[self.component]

    def expand(self, slips: Int32Array) -> tuple[Int64Array, Int32Array]:
        """Return how many obligations each slip settles, int64 (k,), and these obligations in a row, int32 (Σ,).

        With the obligations of the example of the class, slips [3, 0] give the counts [2, 1] and [0, 1, 0].
        """
        obligation = self.of(slips)
        if not len(self.covered):
            return np.ones(len(slips), np.int64), obligation
        is_covering = obligation < 0
        cover = np.where(is_covering, -1 - obligation, 0)
        start = self.cover_offsets[cover]
        count = np.where(is_covering, self.cover_offsets[cover + 1] - start, 1).astype(np.int64)
        row = np.repeat(np.arange(len(slips)), count)
        nth = np.arange(len(row)) - np.repeat(np.cumsum(count) - count, count)
        position = np.where(is_covering[row], start[row] + nth, 0)
        return count, np.where(is_covering[row], self.covered[position], obligation[row]).astype(np.int32)

    def sum_by_slip(self, yen: Int64Array, slips: Int32Array) -> Int64Array:
        """Return yen per obligation as yen per slip, summed where a slip covers several: int64 (k,)."""
        count, obligation = self.expand(slips)
        of_obligation: Int64Array = yen.take(obligation)
        return np.add.reduceat(of_obligation, np.cumsum(count) - count) if len(self.covered) else of_obligation


#: The names of the arrays.
OBLIGATION_ARRAYS = tuple(array.name for array in fields(Obligations))


def find_obligations(bills: pa.Table, amount: Int64Array, status: UInt8Array, problems: list[Issue]) -> Obligations:
    """Return the obligations of a table of bills; an issue is appended to ``problems`` for each unknown one."""
    columns = set(bills.schema.names)
    paid_before = to_numpy(bills.column("paid_before"), 0) if "paid_before" in columns else np.zeros_like(amount)
    count, covered_ids = _covers(bills)
    is_covering = count > 0
    if "obligation_id" not in columns and not is_covering.any():
        billed = np.where(status == OPEN, amount, 0) if status.any() else amount
        return Obligations(billed, np.maximum(billed - paid_before, 0) if "paid_before" in columns else billed)

    obligation, covered, ids = _number_obligations(bills, is_covering, covered_ids)
    total = int(obligation.max(initial=-1)) + 1
    billed, settled = np.zeros(total, np.int64), np.zeros(total, np.int64)
    own, is_open = np.flatnonzero(~is_covering), np.flatnonzero(~is_covering & (status == OPEN))
    np.maximum.at(billed, obligation[is_open], amount[is_open])
    np.maximum.at(settled, obligation[own], paid_before[own])
    obligations = Obligations(billed, np.maximum(billed - settled, 0), obligation)
    if not is_covering.any():
        return obligations

    slip = np.repeat(np.arange(len(bills)), count)
    if (covered < 0).any():
        code, expected = "OBLIGATION_UNKNOWN", "the obligation_id of another slip"
        rows = slip[covered < 0].tolist()
        problems += [Issue(code, field="covers", expected=expected, location=Location(record=row + 1)) for row in rows]
        return obligations
    due_on = np.full(total, _NO_DUE_DATE, np.int32)
    np.minimum.at(due_on, obligation[is_open], to_numpy(bills.column("due_on"), 0)[is_open])
    slip, covered = _by_due_date(slip, covered, due_on, ids)
    offsets = np.searchsorted(slip, np.append(np.flatnonzero(is_covering), len(bills))).astype(np.int32)
    component = connected_components(total, offsets, covered)
    return replace(obligations, cover_offsets=offsets, covered=covered, component=component)


def _covers(bills: pa.Table) -> tuple[Int64Array, pa.Array]:
    """Return how many obligations each slip covers, int64 (n,), and their ids in a row."""
    if "covers" not in bills.schema.names:
        return np.zeros(len(bills), np.int64), pa.array([], pa.string())
    lists = bills.column("covers").combine_chunks()
    count = to_numpy(pc.list_value_length(lists).cast(pa.int64()), 0)
    return count, _of_payee(bills, lists.flatten().cast(pa.string()), pc.list_parent_indices(lists))


def _of_payee(bills: pa.Table, ids: pa.Array | pa.ChunkedArray, rows: pa.Array | None = None) -> pa.Array:
    """Return ids of obligations with the payee code of their bill, as two authorities can use the same id.

    ``rows`` is the bill of each id; None: each bill has one. The ids of a single authority are not changed.
    """
    if "payee_code" not in bills.schema.names:
        return combine(ids)
    payees = bills.column("payee_code").cast(pa.string())
    if len(pc.unique(payees)) == 1:
        return combine(ids)
    payees = pc.fill_null(payees, "")
    return combine(pc.binary_join_element_wise(payees if rows is None else payees.take(rows), ids, "/"))


def _number_obligations(
    bills: pa.Table, is_covering: BoolArray, covered_ids: pa.Array
) -> tuple[Int32Array, Int32Array, pa.Array]:
    """Return ``obligation_of_slip`` (see :class:`Obligations`), and the obligation of each covered id, -1 if unknown.

    Obligations with an id come first, in the order in which the ids occur; then those of slips without an id. The ids
    are returned too.
    """
    own_ids = _own_ids(bills, is_covering)
    # One dictionary of both: what only a covering slip has comes last.
    encoded = pa.concat_arrays([own_ids, covered_ids]).dictionary_encode()
    obligation, covered = np.split(to_numpy(encoded.indices, -1).copy(), [len(bills)])
    id_count = int(obligation.max(initial=-1)) + 1
    covered[covered >= id_count] = -1
    without_id = (obligation < 0) & ~is_covering
    obligation[without_id] = id_count + np.arange(np.count_nonzero(without_id))
    obligation[is_covering] = -1 - np.arange(np.count_nonzero(is_covering))
    return obligation, covered, encoded.dictionary.slice(0, id_count)


def _own_ids(bills: pa.Table, is_covering: BoolArray) -> pa.Array:
    """Return the ``obligation_id`` of each slip that covers no others, with its payee; null without one."""
    if "obligation_id" not in bills.schema.names:
        return pa.nulls(len(bills), pa.string())
    column = bills.column("obligation_id").cast(pa.string())
    has_id = pc.and_(pc.fill_null(pc.not_equal(column, ""), False), bool_array(~is_covering))
    return _of_payee(bills, pc.if_else(has_id, column, None))


def find_not_shared(bills: pa.Table) -> Int64Array:
    """Return the slips whose ``obligation_id`` is the ``bill_id`` of a slip without one, of the same payee: int64 (k,).

    The two have different obligations, so that a payment of each is no duplicate payment.
    """
    is_covering = _covers(bills)[0] > 0
    own_ids = _own_ids(bills, is_covering)
    is_separate = pc.and_(own_ids.is_null(), bool_array(~is_covering))
    if own_ids.null_count == len(bills) or not to_mask(combine(is_separate)).any():
        return np.empty(0, np.int64)
    bill_ids = _of_payee(bills, pc.if_else(is_separate, bills.column("bill_id").cast(pa.string()), None))
    return np.flatnonzero(to_mask(combine(pc.is_in(own_ids, value_set=bill_ids.drop_null()))))


def _by_due_date(
    slip: Int64Array, covered: Int32Array, due_on: Int32Array, ids: pa.Array
) -> tuple[Int64Array, Int32Array]:
    """Return pairs of slip and covered obligation, each once, by slip, due date and id of the obligation."""
    order = np.lexsort((text_ranks(ids)[covered], due_on[covered], slip))
    slip, target = slip[order], covered[order]
    is_new = starts_of_runs(slip, target)
    return slip[is_new], target[is_new]


def connected_components(total: int, offsets: Int32Array, covered: Int32Array) -> Int32Array:
    """Return the connected component of each obligation, named after its smallest member: int32 (m,).

    Covering slip i connects ``covered[offsets[i] : offsets[i + 1]]``. Every obligation starts with its own number as
    label; each round passes the smallest label of a slip to all that it covers and to the members after which these are
    named, then labels jump to the label of their label (hooking and pointer jumping, after Shiloach and Vishkin,
    https://doi.org/10.1016/0196-6774(82)90008-6). The number of rounds is logarithmic: 18 for a shuffled chain of a
    million slips. Without the second target, a label moves one slip per round along such a chain.

    >>> connected_components(5, np.array([0, 2, 4]), np.array([3, 4, 1, 3])).tolist()
    [0, 1, 2, 1, 1]
    """
    label = np.arange(total, dtype=np.int32)
    size = np.diff(offsets)
    while True:
        label_of_covered = label[covered]
        smallest = np.repeat(np.minimum.reduceat(label_of_covered, offsets[:-1]), size)
        new_label = label.copy()
        np.minimum.at(new_label, covered, smallest)
        np.minimum.at(new_label, label_of_covered, smallest)
        new_label = new_label[new_label]
        if np.array_equal(new_label, label):
            return label
        label = new_label


def paid_before_issues(
    bills: pa.Table, amount: Int64Array, status: UInt8Array, obligations: Obligations
) -> list[Issue]:
    """Return an issue for each obligation on which more was paid before than is billed: no figure has the excess.

    What is billed is the largest amount of its open slips, or of all its slips where none is open.
    """
    if "paid_before" not in bills.schema.names:
        return []
    paid = to_numpy(bills.column("paid_before"), 0)
    obligation = obligations.of(np.arange(len(bills), dtype=np.int32))
    largest = np.zeros(len(obligations.billed), np.int64)
    own = np.flatnonzero(obligation >= 0)
    np.maximum.at(largest, obligation[own], amount[own])
    has_open = np.zeros(len(largest), np.bool_)
    has_open[obligation[own[status[own] == OPEN]]] = True
    limit = np.where(has_open, obligations.billed, largest)
    return [
        Issue(
            "PAID_BEFORE_RANGE",
            field="paid_before",
            expected=f"at most {limit[obligation[row]]}",
            found=str(paid[row]),
            location=Location(record=row + 1),
        )
        for row in own[paid[own] > limit[obligation[own]]].tolist()
    ]
