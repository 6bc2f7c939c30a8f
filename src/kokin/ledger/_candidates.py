"""Candidates (充当先の候補): open bills that unknown money can be for. They are offered to a person, never applied.

A bill is a candidate of a payment for one or several reasons: the same number, a number that differs by one error of
typing, the payer of a bill with such a number, or an open amount that equals that of the payment. Equal numbers are
found by a join, similar ones by looking up every variant of a payment's number with one error, so the time grows with
payments plus bills, not with their product.
"""

from __future__ import annotations

from collections.abc import Iterator
from enum import StrEnum
from typing import NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from kokin._arrow.convert import (
    BoolArray,
    Int64Array,
    UInt8Array,
    UInt64Array,
    combine,
    int64_array,
    text_buffers,
    to_mask,
    to_numpy,
)
from kokin.ledger._components import concat_ranges
from kokin.model import BillStatus

#: At most so many candidates are offered for a payment.
MAX_CANDIDATES = 3


class CandidateReason(StrEnum):
    """Why a bill is offered for a payment."""

    #: 同じ番号: the same case key, customer number or virtual account.
    NUMBER = "number"
    #: 似た番号: one digit differs, is missing or too many, or two neighbours are exchanged.
    SIMILAR = "similar"
    #: 同じ宛名: the payer of a bill with the same or a similar number.
    PAYER = "payer"
    #: 同じ金額: the open amount is that of the payment.
    AMOUNT = "amount"


REASONS = tuple(CandidateReason)
_BITS = {reason: 1 << at for at, reason in enumerate(REASONS)}
# The weights of the reasons; their sum ranks the candidates of a payment.
_WEIGHTS = {
    CandidateReason.NUMBER: 6,
    CandidateReason.SIMILAR: 3,
    CandidateReason.PAYER: 2,
    CandidateReason.AMOUNT: 3,
}
# An amount that more open bills have says nothing about a payment that has nothing else in common with them.
_MAX_OF_AMOUNT = 3
# Bills of one number or payer that are looked at: the open ones first, then the latest.
_MAX_OF_KEY = 16

# The width of a case key, and of the payee code and item code before it.
_CASE_KEY_WIDTH, _CODES_WIDTH = 20, 8
# Payments whose variants are in memory at a time: some 400 of each.
_PAYMENTS_PER_CHUNK = 1_000
_MULTIPLIERS = np.random.default_rng(20_27).integers(0, 2**63, 64, np.uint64) * np.uint64(2) + np.uint64(1)


class Candidates(NamedTuple):
    """The candidates of ``n`` payments, the best first."""

    #: int64 (n, 3): the row of the bill, -1 for none.
    bill: Int64Array
    #: int64 (n, 3): the reasons, bit ``i`` for ``REASONS[i]``.
    reasons: Int64Array

    def texts(self, bills: pa.Table) -> dict[str, pa.Array]:
        """Return ``candidate_1, candidate_1_reason``, ...: the bill, and its reasons joined by `` + ``."""
        names = [" + ".join(reason for reason in REASONS if code & _BITS[reason]) or None for code in range(1 << 4)]
        columns = {}
        for at in range(MAX_CANDIDATES):
            rows = pa.array(self.bill[:, at], mask=self.bill[:, at] < 0)
            columns[f"candidate_{at + 1}"] = combine(bills.column("bill_id")).cast(pa.string()).take(rows)
            codes = int64_array(np.ascontiguousarray(self.reasons[:, at]))
            columns[f"candidate_{at + 1}_reason"] = pa.array(names, pa.string()).take(codes)
        return columns


class _Pairs(NamedTuple):
    """Payments and bills that have something in common, ``k`` pairs: rows of both, int64 (k,)."""

    payment: Int64Array
    bill: Int64Array


def find_candidates(payments: pa.Table, bills: pa.Table, balances: pa.Table) -> Candidates:
    """Return the candidates of payments.

    Args:
        payments: ``payee_code, item_code, case_key, customer_number, virtual_account, amount, paid_on, bill_id``;
            ``bill_id`` is the bill that the number of the payment leads to, null if there is none.
        bills: with the columns of :class:`~kokin.model.Bill`, by ``bill_id``.
        balances: :attr:`kokin.reconcile.Reconciliation.balances`, by ``bill_id``.
    """
    residual = to_numpy(balances.column("residual"), 0)
    is_open = (residual > 0) & to_mask(pc.equal(combine(bills.column("status")).cast(pa.string()), BillStatus.OPEN))
    due_on = to_numpy(bills.column("due_on").cast(pa.int32()), 0).astype(np.int64)
    order = np.lexsort((-due_on, ~is_open))
    found = dict.fromkeys(REASONS, _Pairs(np.empty(0, np.int64), np.empty(0, np.int64)))
    numbers = [
        _join(left, right, order)
        for left, right in zip(_numbers(payments), _numbers(bills), strict=True)
        if len(left.drop_null()) and len(right.drop_null())
    ]
    found[CandidateReason.NUMBER] = _concat(numbers)
    found[CandidateReason.SIMILAR] = _concat(list(_similar(payments, bills, order)))
    known = _concat([found[CandidateReason.NUMBER], found[CandidateReason.SIMILAR], _own_bills(payments, bills)])
    found[CandidateReason.PAYER] = _of_payers(known, bills, order)
    amount = to_numpy(payments.column("amount"), 0)
    found[CandidateReason.AMOUNT] = _of_amounts(amount, np.where(is_open, residual, 0))

    bits = np.repeat([_BITS[reason] for reason in REASONS], [len(found[reason].bill) for reason in REASONS])
    pairs = _concat(list(found.values()))
    keep = is_open[pairs.bill] & ~_differs(payments, bills, pairs)
    key, of_pair = np.unique(pairs.payment[keep] * max(len(bills), 1) + pairs.bill[keep], return_inverse=True)
    reasons = np.zeros(len(key), np.int64)
    np.bitwise_or.at(reasons, of_pair, bits[keep])
    payment, bill = np.divmod(key, max(len(bills), 1))
    has_number = reasons & _BITS[CandidateReason.NUMBER] > 0
    reasons[has_number] &= ~_BITS[CandidateReason.SIMILAR]
    reasons[residual[bill] == amount[payment]] |= _BITS[CandidateReason.AMOUNT]
    paid_on = to_numpy(payments.column("paid_on").cast(pa.int32()), 0)
    return _best(payment, bill, reasons, np.abs(due_on[bill] - paid_on[payment]), len(payments))


def _best(payment: Int64Array, bill: Int64Array, reasons: Int64Array, days: Int64Array, count: int) -> Candidates:
    """Return the best candidates of each payment: by weight, then by the days between payment and due date."""
    weight = sum((((reasons & _BITS[each]) > 0) * _WEIGHTS[each] for each in REASONS), np.zeros(len(bill), np.int64))
    order = np.lexsort((bill, days, -weight, payment))
    payment, bill, reasons = payment[order], bill[order], reasons[order]
    rank = np.arange(len(payment)) - np.searchsorted(payment, payment)
    is_best = rank < MAX_CANDIDATES
    best = Candidates(np.full((count, MAX_CANDIDATES), -1), np.zeros((count, MAX_CANDIDATES), np.int64))
    best.bill[payment[is_best], rank[is_best]] = bill[is_best]
    best.reasons[payment[is_best], rank[is_best]] = reasons[is_best]
    return best


def _text(table: pa.Table, name: str) -> pa.Array:
    """Return a column as texts; null for an empty text, and where the table lacks the column."""
    if name not in table.column_names:
        return pa.nulls(len(table), pa.string())
    texts = combine(table.column(name)).cast(pa.string())
    return pc.if_else(pc.equal(texts, ""), None, texts)


def _numbers(table: pa.Table) -> list[pa.Array]:
    """Return the numbers of rows: payee, item and case key; customer number; virtual account."""
    case_key = pc.utf8_lpad(_text(table, "case_key"), _CASE_KEY_WIDTH, "0")
    slip_number = pc.binary_join_element_wise(_text(table, "payee_code"), _text(table, "item_code"), case_key, "")
    return [slip_number, _text(table, "customer_number"), _text(table, "virtual_account")]


def _join(left: pa.Array, right: pa.Array, order: Int64Array) -> _Pairs:
    """Return the pairs of equal texts, for each text at most 16 rows of ``right``: the first ones of ``order``."""
    encoded = right.take(int64_array(order)).dictionary_encode()
    code = to_numpy(encoded.indices, -1).astype(np.int64)
    by_code = np.argsort(code, kind="stable")
    wanted = to_numpy(pc.index_in(left, value_set=encoded.dictionary.drop_null()), -1).astype(np.int64)
    payment = np.flatnonzero(wanted >= 0)
    first, end = (np.searchsorted(code[by_code], wanted[payment], side) for side in ("left", "right"))
    end = np.minimum(end, first + _MAX_OF_KEY)
    return _Pairs(np.repeat(payment, end - first), order[by_code[concat_ranges(first, end)]])


def _concat(pairs: list[_Pairs]) -> _Pairs:
    empty = np.empty(0, np.int64)
    return _Pairs(*(np.concatenate([empty, *(getattr(each, name) for each in pairs)]) for name in _Pairs._fields))


def _own_bills(payments: pa.Table, bills: pa.Table) -> _Pairs:
    """Return the bills to which the numbers of the payments lead."""
    rows = pc.index_in(_text(payments, "bill_id"), value_set=_text(bills, "bill_id"))
    bill = to_numpy(pc.if_else(_text(payments, "bill_id").is_valid(), rows, None), -1).astype(np.int64)
    return _Pairs(np.flatnonzero(bill >= 0), bill[bill >= 0])


def _of_payers(known: _Pairs, bills: pa.Table, order: Int64Array) -> _Pairs:
    """Return the bills of the payers of some bills, beside these."""
    payer = _text(bills, "payer_key")
    pairs = _join(payer.take(int64_array(known.bill)), payer, order)
    is_other = pairs.bill != known.bill[pairs.payment]
    return _Pairs(known.payment[pairs.payment][is_other], pairs.bill[is_other])


def _of_amounts(amount: Int64Array, open_yen: Int64Array) -> _Pairs:
    """Return the bills whose open yen are those of a payment, if at most three bills have them."""
    by_yen = np.argsort(open_yen, kind="stable")
    first, end = (np.searchsorted(open_yen[by_yen], amount, side) for side in ("left", "right"))
    end = np.where((end - first <= _MAX_OF_AMOUNT) & (amount > 0), end, first)
    return _Pairs(np.repeat(np.arange(len(amount)), end - first), by_yen[concat_ranges(first, end)])


def _differs(payments: pa.Table, bills: pa.Table, pairs: _Pairs) -> BoolArray:
    """Return the pairs of two payees: bool (k,). A payment without a payee code can be for any."""
    left = _text(payments, "payee_code").take(int64_array(pairs.payment))
    right = _text(bills, "payee_code").take(int64_array(pairs.bill))
    return to_mask(pc.fill_null(pc.not_equal(left, right), False))


# Similar numbers


def _similar(payments: pa.Table, bills: pa.Table, order: Int64Array) -> Iterator[_Pairs]:
    """Yield the pairs whose case keys (of one payee and item) or customer numbers differ by one error of typing."""
    slip_numbers, customers, _ = zip(_numbers(payments), _numbers(bills), strict=True)
    for (left, right), shape in ((slip_numbers, (_CODES_WIDTH, _CASE_KEY_WIDTH, "0")), (customers, (0, 20, " "))):
        yield _with_one_error(left, right.take(int64_array(order)), order, *shape)


def _with_one_error(
    left: pa.Array, right: pa.Array, order: Int64Array, prefix: int, width: int, padding: str
) -> _Pairs:
    """Return the pairs of texts that differ by one error in the last ``width`` characters.

    The hash of every variant of a text in ``left`` is looked up among those of ``right``: first in a table of bits,
    which nearly no variant passes, then in the sorted hashes; hits are compared byte by byte.
    """
    queries, query_rows = _characters(left, prefix + width, padding)
    texts, text_rows = _characters(right, prefix + width, padding)
    if not len(queries) or not len(texts):
        return _concat([])
    alphabet = np.append(np.unique(texts[:, prefix:]), np.uint8(ord(padding)))
    edits, drops_first = _edits(prefix, width, len(alphabet))
    hashes = _hash(texts)
    by_hash = np.argsort(hashes, kind="stable")
    hashes = hashes[by_hash]
    bits = np.zeros(1 << max(len(texts) * 16, 2).bit_length(), np.bool_)
    bit_mask = np.uint64(len(bits) - 1)
    bits[hashes & bit_mask] = True
    pairs = []
    for start in range(0, len(queries), _PAYMENTS_PER_CHUNK):
        chunk = queries[start : start + _PAYMENTS_PER_CHUNK]
        letters = np.concatenate([chunk, np.broadcast_to(alphabet, (len(chunk), len(alphabet)))], axis=1)
        variants = letters[:, edits].reshape(-1, prefix + width)
        hashed = _hash(variants)
        hits = np.flatnonzero(bits[hashed & bit_mask])
        query, edit = np.divmod(hits, len(edits))
        # A character can be missing only if the text is shorter than the width.
        hits = hits[~drops_first[edit] | (chunk[query, prefix] == ord(padding))]
        first, end = (np.searchsorted(hashes, hashed[hits], side) for side in ("left", "right"))
        end = np.minimum(end, first + _MAX_OF_KEY)
        hits, found = np.repeat(hits, end - first), by_hash[concat_ranges(first, end)]
        is_equal = (variants[hits] == texts[found]).all(axis=1)
        rows = query_rows[start + hits[is_equal] // len(edits)], order[text_rows[found[is_equal]]]
        pairs.append(_Pairs(*rows))
    return _concat(pairs)


def _characters(texts: pa.Array, width: int, padding: str) -> tuple[UInt8Array, Int64Array]:
    """Return ASCII texts of at most a width, padded on the left, as bytes (k, width), and the row of each: (k,)."""
    fits = pc.and_(pc.string_is_ascii(texts), pc.less_equal(pc.binary_length(texts), width))
    rows = np.flatnonzero(to_mask(pc.fill_null(fits, False)))
    padded = pc.ascii_lpad(texts.take(int64_array(rows)), width, padding)
    return text_buffers(padded)[1].reshape(-1, width), rows


def _edits(prefix: int, width: int, alphabet: int) -> tuple[Int64Array, BoolArray]:
    """Return the errors of typing as positions in a text that is followed by the alphabet; the padding is its last.

    For a text of two characters and the alphabet of ``0`` and the padding, ``[2, 1]`` puts a ``0`` in the place of the
    first character, and ``[1, 0]`` exchanges the two.

    Returns:
        The positions of the characters of each variant, int64 (v, prefix + width), and which variants have a further
        character in the place of the first one: bool (v,).
    """
    same = list(range(prefix + width))
    letters = range(prefix + width, prefix + width + alphabet - 1)
    padding = prefix + width + alphabet - 1
    before = same[:prefix]
    edits: list[list[int]] = []
    drops_first: list[list[int]] = []
    for at in range(prefix, prefix + width):
        edits += [[*same[:at], letter, *same[at + 1 :]] for letter in letters]
        edits.append([*before, padding, *same[prefix:at], *same[at + 1 :]])
        if at > prefix:
            edits.append([*same[: at - 1], at, at - 1, *same[at + 1 :]])
        drops_first += [[*before, *same[prefix + 1 : at + 1], letter, *same[at + 1 :]] for letter in letters]
    is_first_dropped = np.arange(len(edits) + len(drops_first)) >= len(edits)
    return np.array(edits + drops_first), is_first_dropped


def _hash(texts: UInt8Array) -> UInt64Array:
    """Return a hash of each text, uint8 (n, width): uint64 (n,)."""
    hashed = np.zeros(len(texts), np.uint64)
    for at in range(texts.shape[1]):
        hashed += texts[:, at] * _MULTIPLIERS[at]
    return hashed
