"""The rule of matching: the outcome of each receipt, the disposition of its yen, and the order of allocation.

:func:`apply_rule` decides in this order: duplicate records, corrections, reversals, receipts without a key,
provisionals and their cancels, what a person decided, receipts without an open bill. The payments that are left, or the
parts that a person assigned to bills, are allocated to the open balances in the order of :attr:`MatchInput.sort_key`; a
slip for several obligations fills them by due date. See
:func:`~kokin.matching.allocate_in_order`.

Receipts that share no obligation with another one skip all that: see :func:`match_independent`, a fast path with the
same result.

Columns of integers in, outcomes and yen out. The integers are opaque ids: equal values have equal ids, and ids sort as
the values do.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import pyarrow as pa

from kokin._arrow.convert import BoolArray, Int32Array, Int64Array, UInt8Array, from_numpy, text_array
from kokin._arrow.threads import chunk_slices, sort, thread_map
from kokin.matching._allocate import allocate_in_order
from kokin.matching._groups import group, last_of_groups
from kokin.matching._hash_index import AMBIGUOUS, NO_BILL, NO_KEY
from kokin.matching._obligations import CANCELLED, OPEN, SUPERSEDED, Obligations
from kokin.model import Disposition, Outcome, ReceiptKind

#: The outcomes by code.
OUTCOMES = tuple(Outcome)
#: The kinds of receipt by code.
KINDS = tuple(ReceiptKind)

OUTCOME_CODE = {outcome: np.uint8(code) for code, outcome in enumerate(OUTCOMES)}
#: Codes of :data:`KINDS`.
PROVISIONAL, FINAL, CANCEL, CORRECTION, REVERSAL = (
    KINDS.index(ReceiptKind(name)) for name in ("provisional", "final", "cancel", "correction", "reversal")
)

#: Codes of the disposition of a receipt: money for a known bill (applied and excess), and the other dispositions.
BOOKED, SUSPENSE, PROVISIONAL_YEN, NO_EFFECT = range(4)

#: ``balance_before`` of a receipt that was not compared with a balance.
NO_BALANCE = -1

#: In the place of an outcome: no step, or no person, has decided it.
UNDECIDED = np.uint8(255)


class Assignments(NamedTuple):
    """The parts of payments that a person assigned to bills, ``k`` rows; a whole payment is one part."""

    #: int64 (k,): the row of the payment.
    payment: Int64Array
    #: int32 (k,): the slip of the bill; ``NO_BILL`` if it is not among the bills.
    slip: Int32Array
    #: int64 (k,): yen; the parts of a payment add up to its amount.
    yen: Int64Array


class MatchInput(NamedTuple):
    """Receipts as input of :func:`apply_rule`, ``n`` rows."""

    #: uint8 (n,): a code of ``KINDS``.
    kind: UInt8Array
    #: int32 (n,): the slip, or ``NO_BILL``, ``AMBIGUOUS``, ``NO_KEY``.
    slip: Int32Array
    #: int64 (n,): yen.
    amount: Int64Array
    #: int64 (n,): equal for rows with the same slip or, without a slip, with the same key.
    bill_group: Int64Array
    #: int64 (n,): equal for rows that were paid at the same time and in the same store.
    time_group: Int64Array
    #: bool (n,): another row reports the same payment, and that one counts.
    duplicate: BoolArray
    #: int64 (n,): the ``provider_key`` of a payment, or the one that a reversal refers to, as a number; -1: none.
    reference: Int64Array
    #: int64 (n,): the key of the whole booking that contains a payment, as a number like ``reference``; -1: none.
    batch_reference: Int64Array
    #: int64 (n,): the day that the bank booked (``received_on``), ``paid_on`` if that is null.
    booked_on: Int64Array
    #: int64 (n,): the order in which payments are allocated. Rows with equal keys are interchangeable.
    sort_key: Int64Array
    #: uint8 (n,): the outcome that a person decided, or :data:`UNDECIDED`.
    decided: UInt8Array
    #: What a person assigned to bills; the slips of these receipts are not used.
    assigned: Assignments


class Allocations(NamedTuple):
    """Yen of payments on obligations, ``k`` rows, all above 0; those of a payment are together, by due date."""

    #: int64 (k,): the row of the payment.
    payment: Int64Array
    #: int32 (k,): the obligation.
    obligation: Int32Array
    #: int64 (k,): yen that lowered its balance.
    yen: Int64Array
    #: int64 (k,): its balance before; of two allocations to an obligation the one with the higher balance came first.
    balance_before: Int64Array

    def by_payment(self, payment: Int64Array) -> Allocations:
        """Return the allocations with other numbers of the payments, sorted by these; those of a payment keep order."""
        order = np.argsort(payment, kind="stable")
        return Allocations(payment[order], self.obligation[order], self.yen[order], self.balance_before[order])


class MatchResult(NamedTuple):
    """The results of receipts, ``n`` rows."""

    #: uint8 (n,): a code of ``OUTCOMES``.
    outcome: UInt8Array
    #: uint8 (n,): ``BOOKED``, ``SUSPENSE``, ``PROVISIONAL_YEN`` or ``NO_EFFECT``.
    disposition: UInt8Array
    #: int64 (n,): yen that lowered a balance.
    applied: Int64Array
    #: int64 (n,): yen for a known bill that did not.
    excess: Int64Array
    #: int64 (n,): the balance before the receipt; :data:`NO_BALANCE` if it was not compared with one.
    balance_before: Int64Array

    def at(self, rows: Int64Array) -> MatchResult:
        """Return the results of some receipts; ``rows`` is int64 (k,)."""
        return MatchResult._make(column[rows] for column in self)


def apply_rule(
    receipts: MatchInput, obligations: Obligations, status: UInt8Array | None
) -> tuple[MatchResult, Allocations]:
    """Match receipts by the full rule; all receipts that interact with one of them must be among them.

    ``status`` is the status of each slip, uint8 (slips,); None if all slips are open.
    """
    count = len(receipts.kind)
    outcome = np.full(count, UNDECIDED, np.uint8)
    outcome[receipts.duplicate] = OUTCOME_CODE[Outcome.DUPLICATE_RECORD]
    with_key = ~receipts.duplicate & (receipts.slip != NO_KEY)
    outcome[superseded_by_correction(receipts, with_key)] = OUTCOME_CODE[Outcome.SUPERSEDED]
    withdraws = (receipts.kind == CORRECTION) & (receipts.amount == 0)
    outcome[withdraws & with_key & (outcome == UNDECIDED)] = OUTCOME_CODE[Outcome.CANCEL]
    pair_reversals(receipts, out=outcome)
    by_number = receipts.decided == UNDECIDED
    by_number[receipts.assigned.payment] = False
    outcome[(outcome == UNDECIDED) & (receipts.slip == NO_KEY) & by_number] = OUTCOME_CODE[Outcome.KEY_MISSING]
    pair_provisionals(receipts, with_key, out=outcome)
    outcome = np.where(outcome == UNDECIDED, receipts.decided, outcome)
    undecided = outcome == UNDECIDED
    outcome[undecided & by_number & (receipts.slip == NO_BILL)] = OUTCOME_CODE[Outcome.NO_BILL]
    outcome[undecided & by_number & (receipts.slip == AMBIGUOUS)] = OUTCOME_CODE[Outcome.MULTIPLE_BILLS]
    outcome[_without_bill(receipts.assigned, undecided)] = OUTCOME_CODE[Outcome.NO_BILL]
    return _allocate_payments(receipts, by_number, outcome, obligations, status)


def _without_bill(assigned: Assignments, undecided: BoolArray) -> Int64Array:
    """Return the undecided payments that are assigned to a bill that is not among the bills: int64 (k,)."""
    payments = assigned.payment[assigned.slip < 0]
    return payments[undecided[payments]]


# The outcomes of the parts of one payment: the last one of these that a part has is that of the payment.
_OUTCOMES_OF_PARTS = (
    Outcome.MATCHED,
    Outcome.UNDERPAID,
    Outcome.OVERPAID,
    Outcome.DUPLICATE_PAYMENT,
    Outcome.BILL_CHANGED,
    Outcome.CANCELLED_BILL,
)
_CODES_OF_PARTS = np.array([OUTCOME_CODE[outcome] for outcome in _OUTCOMES_OF_PARTS])
_RANK_OF_PART = np.zeros(len(OUTCOMES), np.int64)
_RANK_OF_PART[_CODES_OF_PARTS] = np.arange(len(_CODES_OF_PARTS))


def _allocate_payments(
    receipts: MatchInput, by_number: BoolArray, outcome: UInt8Array, obligations: Obligations, status: UInt8Array | None
) -> tuple[MatchResult, Allocations]:
    """Allocate the receipts that are undecided in ``outcome``: whole ones ``by_number``, others by their parts."""
    whole = np.flatnonzero((outcome == UNDECIDED) & by_number)
    parts = Assignments._make(column[outcome[receipts.assigned.payment] == UNDECIDED] for column in receipts.assigned)
    payment = np.concatenate([whole, parts.payment])
    slip = np.concatenate([receipts.slip[whole], parts.slip])
    amount = np.concatenate([receipts.amount[whole], parts.yen])
    order = np.argsort(receipts.sort_key[payment], kind="stable")
    payment, slip, amount = payment[order], slip[order], amount[order]

    put, balance = np.zeros(len(payment), np.int64), np.zeros(len(payment), np.int64)
    of_part = np.full(len(payment), UNDECIDED, np.uint8)
    slip_status = np.zeros(len(payment), np.uint8) if status is None else status[slip]
    is_open = slip_status == OPEN
    balance[is_open], put[is_open], allocations = allocate(slip[is_open], amount[is_open], obligations)
    of_part[is_open] = compare_with_balance(amount[is_open], balance[is_open])
    of_part[slip_status == CANCELLED] = OUTCOME_CODE[Outcome.CANCELLED_BILL]
    of_part[slip_status == SUPERSEDED] = OUTCOME_CODE[Outcome.BILL_CHANGED]

    count = len(receipts.kind)
    rank, has_balance = np.zeros(count, np.int64), np.zeros(count, np.bool_)
    np.maximum.at(rank, payment, _RANK_OF_PART[of_part])
    outcome[payment] = _CODES_OF_PARTS[rank[payment]]
    has_balance[payment[is_open]] = True
    applied, excess, balance_before = (np.zeros(count, np.int64) for _ in range(3))
    for total, of_parts in ((applied, put), (excess, amount - put), (balance_before, balance)):
        np.add.at(total, payment, of_parts)
    balance_before[~has_balance] = NO_BALANCE
    result = MatchResult(outcome, disposition_of(outcome, receipts.kind), applied, excess, balance_before)
    return result, allocations._replace(payment=payment[is_open][allocations.payment])


def find_interacting(kind: UInt8Array, slip: Int32Array, obligations: Obligations) -> BoolArray:
    """Return the receipts that need the full rule (:func:`apply_rule`): bool (n,).

    All others are finals on a slip with one obligation, which no other receipt settles, alone or with others: neither
    another receipt is on the obligation, nor is one on a covering slip of its connected component.
    """
    if not len(obligations.billed):
        return np.ones(len(slip), np.bool_)
    is_shared, interacting = obligations.connected_by(slip[slip >= 0]), np.empty(len(slip), np.bool_)
    settled = np.empty(len(slip), np.int32)

    def find_obligations(rows: slice) -> None:
        settled[rows] = np.where(slip[rows] < 0, NO_BILL, obligations.first_of(np.maximum(slip[rows], 0)))

    def find_rows(rows: slice) -> None:
        shared = is_shared.take(obligations.first_of(np.maximum(slip[rows], 0)))
        interacting[rows] = (slip[rows] < 0) | (kind[rows] != FINAL) | shared

    thread_map(find_obligations, chunk_slices(len(slip)))
    # Sorting is faster than counting, which reaches memory in random order.
    sort(settled)
    for rows in chunk_slices(len(settled) - 1):
        left, right = settled[rows], settled[rows.start + 1 : rows.stop + 1]
        is_shared[left[(left == right) & (left >= 0)]] = True
    thread_map(find_rows, chunk_slices(len(slip)))
    return interacting


def match_independent(
    slip: Int32Array, amount: Int64Array, obligations: Obligations, status: UInt8Array | None
) -> MatchResult:
    """Match receipts that share no obligation with another one (see :func:`find_interacting`).

    The results of interacting receipts among the rows are undefined. ``status`` is None if all slips are open.
    """
    balance = obligations.open.take(obligations.of(np.maximum(slip, 0)), mode="clip")
    applied = np.minimum(balance, amount)
    outcome = compare_with_balance(amount, balance)
    if status is not None:
        slip_status = status.take(slip, mode="clip")
        is_closed = slip_status != OPEN
        outcome[slip_status == CANCELLED] = OUTCOME_CODE[Outcome.CANCELLED_BILL]
        outcome[slip_status == SUPERSEDED] = OUTCOME_CODE[Outcome.BILL_CHANGED]
        applied[is_closed] = 0
        balance = np.where(is_closed, NO_BALANCE, balance)
    return MatchResult(outcome, np.full(len(slip), BOOKED, np.uint8), applied, amount - applied, balance)


def superseded_by_correction(receipts: MatchInput, with_key: BoolArray) -> BoolArray:
    """Return the receipts that a correction (訂正) replaces: bool (n,).

    The corrections of one bill, time and store restate one payment. The last of them counts and the others are
    replaced; so is the final that it restates: the last one with another amount, or else the last one.
    """
    superseded: BoolArray = with_key & (receipts.kind == CORRECTION)
    if not superseded.any():
        return superseded
    payment = group(receipts.bill_group, receipts.time_group)
    latest = last_of_groups(payment, np.flatnonzero(superseded).astype(np.int32), receipts.sort_key)
    superseded[latest] = False
    restated = np.full(len(payment), -1, np.int64)
    restated[payment[latest]] = receipts.amount[latest]
    finals = np.flatnonzero(with_key & (receipts.kind == FINAL) & (restated[payment] >= 0)).astype(np.int32)
    differs = receipts.amount != restated[payment]
    superseded[last_of_groups(payment, finals, differs, receipts.sort_key)] = True
    return superseded


def pair_reversals(receipts: MatchInput, *, out: UInt8Array) -> None:
    """Pair reversals (入金取消) with the finals that they reverse, and write the outcomes of both into ``out``.

    A reversal with a reference is paired with the final of that key and amount, or with all finals of the booking of
    that key if it has their sum, and with no other. One without a reference is paired by bill and amount, with the
    latest final that was booked on its day or before. Each reverses one final or one booking. A payment entered by hand
    is not reversed by a file.
    """
    undecided = out == UNDECIDED
    reversals = np.flatnonzero(undecided & (receipts.kind == REVERSAL))
    if not len(reversals):
        return
    out[reversals] = OUTCOME_CODE[Outcome.REVERSAL_WITHOUT_PAYMENT]
    is_final = undecided & ((receipts.kind == FINAL) | (receipts.kind == CORRECTION))
    has_reference, has_key = receipts.reference >= 0, receipts.slip != NO_KEY

    def open_finals(candidates: BoolArray) -> Int64Array:
        return np.flatnonzero(is_final & candidates & (out == UNDECIDED))

    def reverse(paired_reversals: Int64Array, paired_finals: Int64Array) -> None:
        out[paired_reversals], out[paired_finals] = OUTCOME_CODE[Outcome.REVERSAL], OUTCOME_CODE[Outcome.REVERSED]

    by_reference = reversals[has_reference[reversals]]
    same_reference, no_day = group(receipts.reference, receipts.amount), np.zeros_like(receipts.booked_on)
    reverse(*latest_first(by_reference, open_finals(has_reference), same_reference, no_day, receipts.sort_key).T)
    by_reference = by_reference[out[by_reference] != OUTCOME_CODE[Outcome.REVERSAL]]
    reverse(*whole_bookings(by_reference, open_finals(receipts.batch_reference >= 0), receipts))
    by_bill = reversals[(has_key & ~has_reference)[reversals]]
    same_bill = group(receipts.bill_group, receipts.amount)
    reverse(*latest_first(by_bill, open_finals(has_key), same_bill, receipts.booked_on, receipts.sort_key).T)


def whole_bookings(reversals: Int64Array, finals: Int64Array, receipts: MatchInput) -> tuple[Int64Array, Int64Array]:
    """Return the reversals that refer to a booking (一括入金) and have the sum of its finals; and these finals."""
    reference, booking = receipts.reference, receipts.batch_reference
    sums = np.zeros(max(reference.max(initial=-1), booking.max(initial=-1)) + 1, np.int64)
    np.add.at(sums, booking[finals], receipts.amount[finals])
    with_sum = reversals[sums[reference[reversals]] == receipts.amount[reversals]]
    with_sum = last_of_groups(reference, with_sum.astype(np.int32), -receipts.sort_key).astype(np.int64)
    return with_sum, finals[np.isin(booking[finals], reference[with_sum])]


def latest_first(
    reversals: Int64Array, finals: Int64Array, groups: Int64Array, day: Int64Array, sort_key: Int64Array
) -> Int64Array:
    """Pair each reversal, by day and sort key, with the latest unpaired final of its group up to its day: int64 (k, 2).

    Finals up to a day are pushed on a stack before the reversals of that day pop from its top: like brackets, this is
    the same as searching for the latest one each time.
    """
    finals = finals[np.isin(groups[finals], groups[reversals])]
    rows = np.concatenate([finals, reversals])
    is_reversal = np.arange(len(rows)) >= len(finals)
    order = np.lexsort((sort_key[rows], is_reversal, day[rows], groups[rows]))
    rows, is_reversal = rows[order], is_reversal[order]
    pairs: list[tuple[int, int]] = []
    stack: list[int] = []
    group_of_stack = -1
    for row, pops, own_group in zip(rows.tolist(), is_reversal.tolist(), groups[rows].tolist(), strict=True):
        if own_group != group_of_stack:
            stack, group_of_stack = [], own_group
        if not pops:
            stack.append(row)
        elif stack:
            pairs.append((row, stack.pop()))
    return np.array(pairs, np.int64).reshape(-1, 2)


def pair_provisionals(receipts: MatchInput, with_key: BoolArray, *, out: UInt8Array) -> None:
    """Decide provisionals (速報) and their cancels (速報取消) by what else is in their pair; written into ``out``.

    A pair is bill, time, store and amount. Its counts do not matter: three cancels may be paired with one provisional.
    """
    provisional = with_key & (receipts.kind == PROVISIONAL)
    cancel = with_key & (receipts.kind == CANCEL)
    if not (provisional.any() or cancel.any()):
        return
    pair = group(receipts.bill_group, receipts.time_group, receipts.amount)
    final = with_key & ((receipts.kind == FINAL) | (receipts.kind == CORRECTION))
    has_provisional, has_cancel, has_final = (
        np.bincount(pair[rows], minlength=len(pair))[pair] > 0 for rows in (provisional, cancel, final)
    )
    out[provisional] = OUTCOME_CODE[Outcome.PROVISIONAL]
    out[provisional & has_cancel] = OUTCOME_CODE[Outcome.CANCELLED]
    out[provisional & has_final] = OUTCOME_CODE[Outcome.SUPERSEDED]
    out[provisional & (receipts.slip == NO_BILL)] = OUTCOME_CODE[Outcome.NO_BILL]
    out[provisional & (receipts.slip == AMBIGUOUS)] = OUTCOME_CODE[Outcome.MULTIPLE_BILLS]
    out[cancel] = OUTCOME_CODE[Outcome.CANCEL_WITHOUT_PROVISIONAL]
    out[cancel & has_provisional] = OUTCOME_CODE[Outcome.CANCEL]


def allocate(
    slips: Int32Array, amount: Int64Array, obligations: Obligations
) -> tuple[Int64Array, Int64Array, Allocations]:
    """Allocate payments for open slips in the order of the rows.

    Returns:
        int64 (n,) each: the balance before (of all obligations that the slip settles), and the yen that lowered it. The
        allocations, in which ``payment`` is the row.
    """
    count, obligation = obligations.expand(slips)
    distinct, accounts = np.unique(obligation, return_inverse=True)
    component, balance = obligations.component_of(slips), obligations.open[distinct]
    yen, before, _ = allocate_in_order(amount, count, accounts, component, balance)
    put = np.flatnonzero(yen)
    payment = np.repeat(np.arange(len(slips)), count)
    allocations = Allocations(payment[put], obligation[put], yen[put], before[put])
    if len(obligation) > len(slips):
        start = np.cumsum(count) - count
        before, yen = np.add.reduceat(before, start), np.add.reduceat(yen, start)
    return before, yen, allocations


# By case: equal, less, more, nothing open.
_CASES = (Outcome.MATCHED, Outcome.UNDERPAID, Outcome.OVERPAID, Outcome.DUPLICATE_PAYMENT)
_CASE_CODES = np.array([OUTCOME_CODE[outcome] for outcome in _CASES], np.uint8)


def compare_with_balance(amount: Int64Array, balance: Int64Array) -> UInt8Array:
    """Return the outcome of payments by the balance before each: uint8 (n,)."""
    case = (amount > balance).view(np.uint8) + (amount != balance).view(np.uint8)
    case[balance == 0] = 3
    outcome: UInt8Array = _CASE_CODES.take(case)
    return outcome


_BOOKED_OUTCOMES = {*_CASES, Outcome.BILL_CHANGED, Outcome.CANCELLED_BILL}
_UNKNOWN_OUTCOMES = {
    Outcome.NO_BILL,
    Outcome.MULTIPLE_BILLS,
    Outcome.KEY_MISSING,
    Outcome.REVERSAL_WITHOUT_PAYMENT,
    Outcome.UNAPPLIED,
    Outcome.OTHER_AUTHORITY,
}


def _disposition(outcome: Outcome, kind: ReceiptKind) -> int:
    if outcome in _BOOKED_OUTCOMES:
        return BOOKED
    if outcome in _UNKNOWN_OUTCOMES and kind not in (ReceiptKind.PROVISIONAL, ReceiptKind.CANCEL):
        return SUSPENSE
    # A provisional (速報) without a bill is not money yet, so not in suspense; a cancel (速報取消) is never money.
    waits = outcome is Outcome.PROVISIONAL or (outcome in _UNKNOWN_OUTCOMES and kind is ReceiptKind.PROVISIONAL)
    return PROVISIONAL_YEN if waits else NO_EFFECT


_DISPOSITIONS = np.array([[_disposition(outcome, kind) for kind in KINDS] for outcome in OUTCOMES], np.uint8)


def disposition_of(outcome: UInt8Array, kind: UInt8Array) -> UInt8Array:
    """Return the disposition of receipts, uint8 (n,), from their codes of ``OUTCOMES`` and ``KINDS``."""
    codes: UInt8Array = _DISPOSITIONS[outcome, kind]
    return codes


#: By the codes of :func:`disposition_of`, if no balance was lowered; the last one if a balance was lowered.
_DISPOSITION_TEXTS = text_array(["excess", "suspense", "provisional", "no_effect", "applied"])


def disposition_texts(disposition: UInt8Array, applied: Int64Array) -> pa.Array:
    """Return the :class:`~kokin.model.Disposition` of receipts: string (n,).

    ``disposition`` is that of :func:`disposition_of`. A receipt with both applied and excess yen is ``applied``.
    """
    codes = np.where(applied > 0, np.uint8(len(_DISPOSITION_TEXTS) - 1), disposition)
    return _DISPOSITION_TEXTS.take(from_numpy(codes, pa.uint8()))


def signed(kind: UInt8Array, amount: Int64Array) -> Int64Array:
    """Return the yen that receipts bring, int64 (n,): those of a reversal are negative."""
    return np.where(kind == REVERSAL, -amount, amount)


def yen_by_disposition(
    disposition: UInt8Array, yen: Int64Array, applied: Int64Array, excess: Int64Array
) -> dict[Disposition, Int64Array]:
    """Return the yen of each receipt by disposition, int64 (n,) each; they add up to ``yen`` (see :func:`signed`)."""
    return {
        Disposition.APPLIED: applied,
        Disposition.EXCESS: excess,
        Disposition.SUSPENSE: np.where(disposition == SUSPENSE, yen, 0),
        Disposition.PROVISIONAL: np.where(disposition == PROVISIONAL_YEN, yen, 0),
        Disposition.NO_EFFECT: np.where(disposition == NO_EFFECT, yen, 0),
    }
