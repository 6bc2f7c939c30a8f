"""Receipts as the matching core wants them: columns of integers whose order is the order of what they stand for."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.types as pt

from kokin._arrow import (
    CHUNK_ROWS,
    UNKNOWN_CATEGORY,
    BoolArray,
    Int32Array,
    Int64Array,
    UInt8Array,
    as_table,
    bool_array,
    category_codes,
    checked_table,
    combine,
    from_numpy,
    is_present,
    location_of,
    thread_map,
    to_numpy,
    validate_records,
)
from kokin.issues import InvalidInputError, Issue, Location
from kokin.matching import (
    AMBIGUOUS,
    CANCEL,
    CORRECTION,
    DIGIT_COLUMNS,
    EL_FIELDS,
    FINAL,
    KEY_KINDS,
    KINDS,
    NO_KEY,
    PROVISIONAL,
    REVERSAL,
    Index,
    MatchInput,
    find_interacting,
    group,
    signed,
)
from kokin.model import Receipt, ReceiptKind
from kokin.reconcile._codes import Columns, code_texts, ranks
from kokin.reconcile._identity import Identity, code_together, identify, linked, overlap_table
from kokin.reconcile._policy import Policy

_BY_HAND = [code for code, kind in enumerate(KINDS) if kind.is_by_hand]
_NONE = (np.empty(0, np.int32), np.empty(0, np.uint8), np.empty(0, np.bool_))


class Receipts:
    """The receipts of a run, and the slip that each leads to.

    Raises:
        InvalidInputError: rows that are no receipts; ``.issues`` names all of them.
    """

    def __init__(self, receipts: Any, index: Index) -> None:
        #: The table, and which of the tables given each record came in: int64 (n,).
        self.table, self.part_of, issues = gather(receipts)
        self.debts = index.debts
        self.kind = kinds_of(self.table)
        #: int64 (n,): yen as reported; those of a reversal are not negative. A null is already among the issues.
        self.amount: Int64Array = to_numpy(self.table.column("amount"), 1)
        found = thread_map(index.find, self.table.to_batches(max_chunksize=CHUNK_ROWS)) or [_NONE]
        index.release()
        #: int32 (n,): the slip, ``NO_BILL``, ``AMBIGUOUS`` or ``NO_KEY``.
        self.slip: Int32Array = np.concatenate([slip for slip, _, _ in found])
        #: uint8 (n,): which of ``KEY_KINDS`` the receipt was looked up by.
        self.by: UInt8Array = np.concatenate([by for _, by, _ in found])
        suspects = np.concatenate([wrong for _, _, wrong in found])
        suspects |= self.kind == UNKNOWN_CATEGORY
        suspects |= self.amount < (self.kind != CORRECTION)
        suspects |= self._partly_numbered() | self._by_nobody()
        # As in the record: a rule of the whole receipt is checked when its fields are valid.
        found_at = {issue.location for issue in issues}
        rows = validate_records(self.table, Receipt, suspects, self._place)
        issues += [issue for issue in rows if issue.code != "AMOUNT_ZERO" or issue.location not in found_at]
        if issues:
            by_place = sorted(
                dict.fromkeys(issues), key=lambda issue: (issue.location.file, issue.location.record or 0)
            )
            raise InvalidInputError(by_place, "receipts refused")
        columns = Columns(self.table)
        if columns.has("other_keys"):
            self.slip[columns.known("other_keys") & (self.slip != NO_KEY)] = AMBIGUOUS

    def __len__(self) -> int:
        return len(self.table)

    def _partly_numbered(self) -> BoolArray:
        """Receipts with some fields of the eL number but not all, which no look-up checks: bool (n,)."""
        columns = [self.table.column(name) for name in EL_FIELDS if name in self.table.schema.names]
        if len(columns) == len(EL_FIELDS) and not any(column.null_count for column in columns):
            return np.zeros(len(self.table), np.bool_)
        known = [is_present(column) for column in columns] or [np.zeros(len(self.table), np.bool_)]
        whole = np.logical_and.reduce(known) & (len(columns) == len(EL_FIELDS))
        partly: BoolArray = np.logical_or.reduce(known) & ~whole
        return partly

    def _by_nobody(self) -> BoolArray:
        """Receipts by hand (天引き, 手消込) for which nobody answers: bool (n,)."""
        wrong = np.isin(self.kind, _BY_HAND)
        if wrong.any() and {"actor", "reason"} <= set(self.table.schema.names):
            wrong &= ~(is_present(self.table.column("actor")) & is_present(self.table.column("reason")))
        return wrong

    def _place(self, record: int) -> Location:
        return location_of(self.table, record)

    @property
    def yen(self) -> Int64Array:
        """int64 (n,): the yen that each brings; those of a reversal are negative."""
        return signed(self.kind, self.amount)

    @cached_property
    def identity(self) -> Identity:
        """The payments that all records report."""
        return identify(Columns(self.table), self.kind, self.part_of)

    @cached_property
    def overlaps(self) -> pa.Table:
        """The files that repeat records of others; see :func:`kokin.reconcile.overlaps`."""
        return overlap_table(Columns(self.table), self.part_of, self.identity)

    def interacting(self) -> BoolArray:
        """The receipts for which another one may matter, so that the full rule must see them: bool (n,)."""
        found = find_interacting(self.kind, self.slip, self.debts)
        found |= linked(Columns(self.table), self.kind, self.slip, self.by)
        return found

    def claims(self, rows: Int64Array, policy: Policy) -> MatchInput:
        """Some receipts for the judgement; see :class:`kokin.matching.MatchInput`."""
        some = Columns(self.table, from_numpy(rows, pa.int64()))
        kind, slip, by = self.kind[rows], self.slip[rows], self.by[rows]
        place = slip.astype(np.int64)
        moment = np.zeros(len(rows), np.int64)
        if (kind != FINAL).any():  # else nothing is paired
            moment = group(moment, *map(some.code, policy.pair_by))
            lost = np.flatnonzero(slip < 0)
            numbers = self.number_texts(self.table.take(from_numpy(rows[lost], pa.int64())), by[lost])
            place[lost] = -1 - group(by[lost], code_texts(pa.chunked_array([numbers])))
        duplicate = identify(some, kind, self.part_of[rows]).duplicate
        key, batch = _keys(some, kind, slip)
        rank = self.order(rows, np.isin(key, key[(kind == REVERSAL) & (key >= 0)]))
        return MatchInput(kind, slip, self.amount[rows], place, moment, duplicate, key, batch, _booked_on(some), rank)

    def order(self, rows: Int64Array, also: BoolArray | None = None) -> Int64Array:
        """The order of finals of some receipts: int64 (k,); 0 where they meet no other, except ``also``, bool (k,)."""
        kind, slip = self.kind[rows], self.slip[rows]
        ordered = np.zeros(len(rows), np.bool_) if also is None else also.copy()
        money = np.flatnonzero((kind != PROVISIONAL) & (kind != CANCEL))
        ordered[money] |= find_interacting(np.full(len(money), FINAL, np.uint8), slip[money], self.debts)
        rank = np.zeros(len(rows), np.int64)
        some = rows[ordered]
        rank[ordered] = ranks(Columns(self.table, from_numpy(some, pa.int64())))
        return rank

    @staticmethod
    def number_texts(table: pa.Table, by: UInt8Array) -> pa.Array:
        """The number by which each receipt was looked up, as its key reads: 34, 27, up to 20 and 10 characters."""
        columns = []
        for name in KEY_KINDS:
            parts = ("payee_code", "item_code", "case_key", "confirmation") if name == "el_number" else (name,)
            if not set(parts) <= set(table.schema.names):
                columns.append(pa.nulls(len(table), pa.string()))
                continue
            fields = [table.column(part).cast(pa.string()).combine_chunks() for part in parts]
            if name == "el_number":
                fields[2] = pc.utf8_lpad(fields[2], 20, "0")
            if name == "barcode":
                fields[0] = pc.utf8_slice_codeunits(fields[0], 2, 29)
            columns.append(pc.binary_join_element_wise(*fields, ""))
        return pc.fill_null(pc.choose(from_numpy(by.astype(np.int64), pa.int64()), *columns), "")


def kinds_of(table: pa.Table) -> UInt8Array:
    """The kind of each receipt as a code of ``KINDS``, ``UNKNOWN_CATEGORY`` for another word: uint8 (n,)."""
    if "kind" not in table.schema.names:
        return np.full(len(table), FINAL, np.uint8)
    return category_codes(table.column("kind"), tuple(KINDS), FINAL)


def _booked_on(some: Columns) -> Int64Array:
    """The day that the bank booked each (``received_on``), ``paid_on`` where that is not given: int64 (n,).

    A cheque counts as paid on its value day (起算日), which may be after the day on which it is returned.
    """
    paid_on = some.code("paid_on").astype(np.int64)
    if not some.has("received_on"):
        return paid_on
    return np.where(some.known("received_on"), some.code("received_on"), paid_on)


def _keys(some: Columns, kind: UInt8Array, slip: Int32Array) -> tuple[Int64Array, Int64Array]:
    """Return ``key`` and ``batch`` of :class:`kokin.matching.MatchInput`; NO_KEY where there is no reversal.

    A reversal names the key that it ``cancels``. With neither that nor a number it names its own ``provider_key``: the
    bank reports it under the reference of what it takes back.
    """
    reversal = kind == REVERSAL
    names = ("provider_key", "cancels", "batch_key")
    has = [name for name in names if reversal.any() and some.has(name)]
    codes = dict(zip(has, code_together(some, *has), strict=True)) if has else {}
    own, cancelled, batch = (np.where(some.known(name), codes.get(name, -1), -1) for name in names)
    named = np.where((cancelled < 0) & (slip == NO_KEY), own, cancelled)
    return np.where(reversal, named, own), np.where(reversal | (batch == own), -1, batch)


def gather(receipts: Any) -> tuple[pa.Table, Int64Array, list[Issue]]:
    """Return one table of receipts from one, or from one per file, in the columns and types of the schema.

    Also which table each row came in, int64 (n,), and the issues of rows. The numbers are checked where they are looked
    up.
    """
    several = [as_table(table) for table in (receipts if isinstance(receipts, Sequence) else [receipts])]
    found = [checked_table(table, Receipt, unchecked=DIGIT_COLUMNS) for table in several]
    tables, issues = [table for table, _ in found], [issue for _, some in found for issue in some]
    if not tables:
        raise InvalidInputError(
            [Issue("FIELD_MISSING", field="receipts", expected="at least one table")], "no receipts"
        )
    part_of = np.repeat(np.arange(len(tables)), [len(table) for table in tables])
    if any(table.schema != tables[0].schema for table in tables):
        plain = [pa.table({name: _plain(table.column(name)) for name in table.column_names}) for table in tables]
        return _with_kinds(pa.concat_tables(plain, promote_options="default")), part_of, issues
    return _with_kinds(pa.concat_tables(tables)), part_of, issues


def _with_kinds(table: pa.Table) -> pa.Table:
    """The same, with ``final`` for a kind that is null or empty: they say the same, so they are written the same."""
    if "kind" not in table.schema.names:
        return table
    known = is_present(table.column("kind"))
    if known.all():
        return table
    kinds = pc.if_else(bool_array(known), combine(table.column("kind").cast(pa.string())), ReceiptKind.FINAL.value)
    return table.set_column(table.schema.get_field_index("kind"), "kind", kinds)


def _plain(column: pa.ChunkedArray) -> pa.ChunkedArray:
    kind = column.type.value_type if pt.is_dictionary(column.type) else column.type
    texts_like = pt.is_large_string(kind) or pt.is_string_view(kind) or pt.is_string(kind)
    return column.cast(pa.string()) if texts_like else column


def overlaps(receipts: Any) -> pa.Table:
    """Find the files that repeat records of other files, by the identity of payments.

    Args:
        receipts: a table with the columns of :class:`~kokin.model.Receipt`, or a list of them, one per file. A file is
            known by its ``digest``; without one, a ``source`` of one table is a file.

    Returns:
        ``source, digest, records, repeated, other_source, other_digest``: so many of the records of a file are already
        in the other. Which of two files repeats the other depends on the records alone: the record that counts is the
        first in the order of finals.

    Raises:
        InvalidInputError: a required column is missing or of a wrong type, or a row is no receipt.
    """
    table, part_of, issues = gather(receipts)
    if issues:
        raise InvalidInputError(issues, "receipts refused")
    columns = Columns(table)
    return overlap_table(columns, part_of, identify(columns, kinds_of(table), part_of))
