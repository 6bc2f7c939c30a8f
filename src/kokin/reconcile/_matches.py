"""The receipts of a run and their matches: check them, look up the slip of each, and apply the rule of matching.

Independent receipts are matched by a vectorised shortcut, the others by the full rule.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property, partial
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.types as pt

from kokin._arrow.convert import (
    BoolArray,
    Int32Array,
    Int64Array,
    UInt8Array,
    as_table,
    bool_array,
    combine,
    from_numpy,
    is_present,
    to_numpy,
)
from kokin._arrow.mapped import map_columns, release_mapped_memory
from kokin._arrow.threads import CHUNK_ROWS, chunk_slices, thread_map
from kokin._arrow.validate import (
    UNKNOWN_CATEGORY,
    category_codes,
    checked_table,
    first_rows,
    location_of,
    validate_records,
)
from kokin.issues import InvalidInputError, Issue
from kokin.matching import (
    AMBIGUOUS,
    CANCEL,
    CORRECTION,
    DIGIT_COLUMNS,
    EL_FIELDS,
    FINAL,
    KEY_KINDS,
    KINDS,
    NO_BILL,
    NO_KEY,
    PROVISIONAL,
    REVERSAL,
    UNDECIDED,
    Allocations,
    Assignments,
    Index,
    MatchInput,
    MatchResult,
    apply_rule,
    find_interacting,
    group,
    match_independent,
    signed,
)
from kokin.model import Receipt, ReceiptKind
from kokin.reconcile._columns import EncodedColumns, encode_texts, encode_together, key_texts, mask_of
from kokin.reconcile._decisions import Decisions, interacts
from kokin.reconcile._identity import Identity, identify, linked_by_key, overlap_table, payment_order
from kokin.reconcile._policy import Policy

_BY_HAND = [code for code, kind in enumerate(KINDS) if kind.is_by_hand]
_EMPTY = (np.empty(0, np.int32), np.empty(0, np.uint8), np.empty(0, np.bool_))


class Receipts:
    """The receipts of a run, ``n`` of them, and the slip of each.

    Raises:
        InvalidInputError: ``.issues`` has all invalid rows.
    """

    def __init__(self, receipts: Any, index: Index, decisions: Any = None) -> None:
        #: The table, and the number of the input table of each record: int64 (n,).
        self.table, self.table_no, issues, has_error = concat_receipts(receipts)
        self.obligations = index.obligations
        self.kind = kind_codes(self.table)
        #: int64 (n,): yen as reported; those of a reversal are not negative. A null is already among the issues.
        self.amount: Int64Array = to_numpy(self.table.column("amount"), 1)
        chunks = thread_map(partial(_look_up, index), self.table.to_batches(max_chunksize=CHUNK_ROWS)) or [_EMPTY]
        index.release()
        #: int32 (n,): the slip, ``NO_BILL``, ``AMBIGUOUS`` or ``NO_KEY``.
        self.slip: Int32Array = np.concatenate([slip for slip, _, _ in chunks])
        #: uint8 (n,): by which of ``KEY_KINDS`` the receipt was looked up.
        self.key_kind: UInt8Array = np.concatenate([key_kind for _, key_kind, _ in chunks])
        suspects = np.concatenate([invalid for _, _, invalid in chunks])
        suspects |= self.kind == UNKNOWN_CATEGORY
        suspects |= self.amount < (self.kind != CORRECTION)
        suspects |= self._has_incomplete_el_number() | self._lacks_actor()
        # As in the record: a rule of the whole receipt is checked only if its fields are valid.
        invalid_locations = {issue.location for issue in issues}
        of_rows = validate_records(*first_rows(self.table, suspects), Receipt, partial(location_of, self.table))
        issues += [i for i in of_rows if i.code != "AMOUNT_ZERO" or i.location not in invalid_locations]
        if issues:
            issues = sorted(dict.fromkeys(issues), key=lambda issue: (issue.location.file, issue.location.record or 0))
            raise InvalidInputError(issues, "receipts rejected", int(np.count_nonzero(suspects | has_error)))
        columns = EncodedColumns(self.table)
        if columns.has("other_keys"):
            self.slip[columns.is_present("other_keys") & (self.slip != NO_KEY)] = AMBIGUOUS
        #: What persons decided about some of them.
        self.decisions = Decisions.find(decisions, self.table, self.kind, index)
        release_mapped_memory()

    def __len__(self) -> int:
        return len(self.table)

    def _has_incomplete_el_number(self) -> BoolArray:
        """Return the receipts with some fields of the eL number but not all, which the lookup does not check."""
        columns = [self.table.column(name) for name in EL_FIELDS if name in self.table.schema.names]
        if len(columns) == len(EL_FIELDS) and not any(column.null_count for column in columns):
            return np.zeros(len(self.table), np.bool_)
        present = [is_present(column) for column in columns] or [np.zeros(len(self.table), np.bool_)]
        is_complete = np.logical_and.reduce(present) & (len(columns) == len(EL_FIELDS))
        incomplete: BoolArray = np.logical_or.reduce(present) & ~is_complete
        return incomplete

    def _lacks_actor(self) -> BoolArray:
        """Return the receipts entered by hand (天引き, 手消込) without an actor or a reason: bool (n,)."""
        lacks = np.isin(self.kind, _BY_HAND)
        if lacks.any() and {"actor", "reason"} <= set(self.table.schema.names):
            lacks &= ~(is_present(self.table.column("actor")) & is_present(self.table.column("reason")))
        return lacks

    @property
    def yen(self) -> Int64Array:
        """int64 (n,): the yen that each brings; those of a reversal are negative."""
        return signed(self.kind, self.amount)

    @cached_property
    def identity(self) -> Identity:
        """The payments that all records report."""
        identity = identify(EncodedColumns(self.table), self.kind, self.table_no)
        release_mapped_memory()
        return identity

    @cached_property
    def overlaps(self) -> pa.Table:
        """The files that repeat records of others; see :func:`kokin.reconcile.overlaps`."""
        return overlap_table(EncodedColumns(self.table), self.table_no, self.identity)

    def interacting(self) -> BoolArray:
        """Return the receipts whose result may depend on another one, so that they need the full rule: bool (n,)."""
        interacting = find_interacting(self.kind, self.slip, self.obligations)
        interacting |= linked_by_key(EncodedColumns(self.table), self.kind, self.slip, self.key_kind)
        if len(self.decisions.row):
            interacting[self.decisions.row] = True
            interacting |= interacts(self.decisions.slip, self.slip, self.obligations)
        return interacting

    def match_input(self, rows: Int64Array, policy: Policy) -> MatchInput:
        """Return some receipts as input of the full rule; see :class:`kokin.matching.MatchInput`. ``rows`` ascend."""
        # One array per column: Arrow would join all chunks of the table whenever some of its rows are taken.
        mask = bool_array(mask_of(rows, len(self)))
        columns = EncodedColumns(map_columns(lambda column: column.filter(mask), self.table).combine_chunks())
        kind, slip, key_kind = self.kind[rows], self.slip[rows], self.key_kind[rows]
        bill_group, time_group = slip.astype(np.int64), np.zeros(len(rows), np.int64)
        if (kind != FINAL).any():  # only then something is paired
            time_group = group(time_group, *map(columns.codes, policy.pair_by))
            no_slip = np.flatnonzero(slip < 0)
            keys = self.key_texts(columns.table.take(from_numpy(no_slip, pa.int64())), key_kind[no_slip])
            bill_group[no_slip] = -1 - group(key_kind[no_slip], encode_texts(pa.chunked_array([keys])))
        identity = identify(columns, kind, self.table_no[rows])
        decided, assigned = self.decisions.of_payments(rows, identity.counted, self.amount[rows])
        references = _references(columns, kind, slip)
        reversed_references = references[0][(kind == REVERSAL) & (references[0] >= 0)]
        sort_key = self._sort_keys(columns, rows, np.isin(references[0], reversed_references))
        booked_on, amount = _booked_on(columns), self.amount[rows]
        numbers = (kind, slip, amount, bill_group, time_group, identity.duplicate, *references, booked_on, sort_key)
        return MatchInput(*numbers, decided, assigned)

    def decide(self, rows: Int64Array, decided: UInt8Array, assigned: Assignments) -> None:
        """Replace the slips of some receipts by what was decided about them; see :class:`MatchInput`."""
        self.slip[rows[decided != UNDECIDED]] = NO_BILL
        # Of several parts the first one.
        self.slip[rows[assigned.payment[::-1]]] = assigned.slip[::-1]

    def components(self, slip: Int32Array) -> Int64Array:
        """Return the connected component of the obligations of each slip, a code below 0 as it is: int64 (k,)."""
        components = slip.astype(np.int64)
        components[slip >= 0] = self.obligations.component_of(slip[slip >= 0])
        return components

    def _sort_keys(self, columns: EncodedColumns, rows: Int64Array, is_reversed: BoolArray) -> Int64Array:
        """Return the order of payments of some receipts, whose columns are passed: int64 (k,); 0 for those without one.

        An order need those that share an obligation, also by a decision, and those that a reversal refers to
        (``is_reversed``). Without reversals and decisions it is enough to compare those of one component, and those
        without a slip.
        """
        kind, slip = self.kind[rows], self.slip[rows]
        needs_order = is_reversed.copy()
        money = np.flatnonzero((kind != PROVISIONAL) & (kind != CANCEL))
        needs_order[money] |= find_interacting(np.full(len(money), FINAL, np.uint8), slip[money], self.obligations)
        needs_order |= interacts(self.decisions.slip, slip, self.obligations)
        needs_order |= np.isin(rows, self.decisions.row)
        sort_key = np.zeros(len(rows), np.int64)
        of_component = not (is_reversed.any() or len(self.decisions.row))
        groups = self.components(slip[needs_order]) if of_component else None
        sort_key[needs_order] = payment_order(columns.take(np.flatnonzero(needs_order)), groups)
        return sort_key

    @staticmethod
    def key_texts(table: pa.Table, key_kind: UInt8Array) -> pa.Array:
        """Return the key by which each receipt was looked up, as text: 34, 27, up to 20 or 10 characters."""
        columns = EncodedColumns(table)
        texts = [key_texts(columns, kind) for kind in KEY_KINDS]
        return pc.fill_null(pc.choose(from_numpy(key_kind.astype(np.int64), pa.int64()), *texts), "")


def _look_up(index: Index, receipts: pa.RecordBatch) -> tuple[Int32Array, UInt8Array, BoolArray]:
    """Return what :meth:`Index.lookup` returns, and release the memory of mapped receipts."""
    release_mapped_memory()
    return index.lookup(receipts)


def kind_codes(table: pa.Table) -> UInt8Array:
    """Return the kind of each receipt as a code of ``KINDS``, ``UNKNOWN_CATEGORY`` for another text: uint8 (n,)."""
    if "kind" not in table.schema.names:
        return np.full(len(table), FINAL, np.uint8)
    return category_codes(table.column("kind"), tuple(KINDS), FINAL)


def _booked_on(columns: EncodedColumns) -> Int64Array:
    """Return the day that the bank booked each (``received_on``), ``paid_on`` if that is null: int64 (n,).

    A cheque counts as paid on its value day (起算日), which may be after the day on which it is returned.
    """
    paid_on = columns.codes("paid_on").astype(np.int64)
    if not columns.has("received_on"):
        return paid_on
    return np.where(columns.is_present("received_on"), columns.codes("received_on"), paid_on)


def _references(columns: EncodedColumns, kind: UInt8Array, slip: Int32Array) -> tuple[Int64Array, Int64Array]:
    """Return ``reference`` and ``batch_reference`` of :class:`kokin.matching.MatchInput`; all -1 without reversals.

    A reversal refers to the key that it ``cancels``. With neither that nor a payment number it refers to its own
    ``provider_key``: the bank reports it under the reference of the payment that it reverses.
    """
    is_reversal = kind == REVERSAL
    names = ("provider_key", "cancels", "batch_key")
    existing = [name for name in names if is_reversal.any() and columns.has(name)]
    codes = dict(zip(existing, encode_together(columns, *existing), strict=True)) if existing else {}
    own, cancelled, batch = (np.where(columns.is_present(name), codes.get(name, -1), -1) for name in names)
    referred = np.where((cancelled < 0) & (slip == NO_KEY), own, cancelled)
    return np.where(is_reversal, referred, own), np.where(is_reversal | (batch == own), -1, batch)


def concat_receipts(receipts: Any) -> tuple[pa.Table, Int64Array, list[Issue], BoolArray]:
    """Concatenate one table of receipts, or one per file, in the columns and types of the schema.

    Also returned are the number of the input table of each row, int64 (n,), the first issues of rows, and which rows
    have an error, bool (n,). Keys are checked where they are looked up.
    """
    inputs = [as_table(table) for table in (receipts if isinstance(receipts, Sequence) else [receipts])]
    checked = [checked_table(table, Receipt, unchecked=DIGIT_COLUMNS) for table in inputs]
    release_mapped_memory()
    tables, issues = [table for table, *_ in checked], [issue for _, of_table, _ in checked for issue in of_table]
    if not tables:
        issue = Issue("FIELD_MISSING", field="receipts", expected="at least one table")
        raise InvalidInputError([issue], "no receipts")
    table_no = np.repeat(np.arange(len(tables)), [len(table) for table in tables])
    has_error = np.concatenate([errors for *_, errors in checked])
    if any(table.schema != tables[0].schema for table in tables):
        tables = [pa.table({name: _decoded(table.column(name)) for name in table.column_names}) for table in tables]
        return _with_kinds(pa.concat_tables(tables, promote_options="default")), table_no, issues, has_error
    return _with_kinds(pa.concat_tables(tables)), table_no, issues, has_error


def _with_kinds(table: pa.Table) -> pa.Table:
    """Return the table with ``final`` for a kind that is null or empty, so that all finals are equal in it."""
    if "kind" not in table.schema.names:
        return table
    has_kind = is_present(table.column("kind"))
    if has_kind.all():
        return table
    kinds = pc.if_else(bool_array(has_kind), combine(table.column("kind").cast(pa.string())), ReceiptKind.FINAL.value)
    return table.set_column(table.schema.get_field_index("kind"), "kind", kinds)


def _decoded(column: pa.ChunkedArray) -> pa.ChunkedArray:
    """Return a column of texts, dictionary-encoded or not, as strings; others unchanged."""
    kind = column.type.value_type if pt.is_dictionary(column.type) else column.type
    is_text = pt.is_large_string(kind) or pt.is_string_view(kind) or pt.is_string(kind)
    return column.cast(pa.string()) if is_text else column


def overlaps(receipts: Any) -> pa.Table:
    """Find the files that repeat records of other files, by the identity of payments.

    Args:
        receipts: a table with the columns of :class:`~kokin.model.Receipt`, or a list of them, one per file. A file is
            identified by its ``digest``; without one, a ``source`` of one table is a file.

    Returns:
        ``source, digest, records, repeated, other_source, other_digest``: how many of the records of a file are already
        in the other. Which of two files repeats the other depends on the records alone: the record that counts is the
        first in the order of payments.

    Raises:
        InvalidInputError: a required column is missing or has a wrong type, or a row is no valid receipt.
    """
    table, table_no, issues, has_error = concat_receipts(receipts)
    if issues:
        raise InvalidInputError(issues, "receipts rejected", int(np.count_nonzero(has_error)))
    columns = EncodedColumns(table)
    return overlap_table(columns, table_no, identify(columns, kind_codes(table), table_no))


class Matches:
    """The results of the receipts of a run, ``n`` of them, and of its obligations, ``m``.

    Nearly all receipts are independent. Their results are cheap to compute, so they are computed per chunk on demand
    and not stored.
    """

    def __init__(self, index: Index, receipts: Receipts, policy: Policy) -> None:
        self.index, self.receipts, self.policy = index, receipts, policy
        interacting = receipts.interacting()
        self._rows = np.flatnonzero(interacting)
        receipts_of_rule = receipts.match_input(self._rows, policy)
        self._by_rule, allocations = apply_rule(receipts_of_rule, index.obligations, index.status)
        receipts.decide(self._rows, receipts_of_rule.decided, receipts_of_rule.assigned)
        #: The allocations of the interacting receipts.
        self.rule_allocations = allocations._replace(payment=self._rows[allocations.payment])
        #: bool (n,): the others, which have no obligation in common.
        self.is_independent = np.logical_not(interacting, out=interacting)

    def results(self, rows: slice | Int64Array) -> MatchResult:
        """Return the results of some receipts, a slice of them or int64 (k,)."""
        receipts, index = self.receipts, self.index
        is_independent = self.is_independent[rows]
        at = np.flatnonzero(~is_independent)
        of_rule = np.searchsorted(self._rows, at + rows.start if isinstance(rows, slice) else rows[at])
        by_rule = self._by_rule.at(of_rule)
        if len(at) == len(is_independent):
            return by_rule
        results = match_independent(receipts.slip[rows], receipts.amount[rows], index.obligations, index.status)
        for name, column in by_rule._asdict().items():
            getattr(results, name)[at] = column
        return results

    @property
    def outcome(self) -> UInt8Array:
        """uint8 (n,): a code of ``OUTCOMES``."""
        return self._collected[0]

    @property
    def disposition(self) -> UInt8Array:
        """uint8 (n,): in which disposition the yen of each receipt are; see :class:`~kokin.matching.MatchResult`."""
        return self._collected[1]

    @property
    def balance_after(self) -> Int64Array:
        """int64 (m,): yen open on each obligation after the run."""
        return self._collected[2]

    @cached_property
    def allocations(self) -> Allocations:
        """The yen of all payments by receipt and obligation, in the order of the receipts."""
        chunks = thread_map(
            lambda rows: self._independent_allocations(rows, self.results(rows)), chunk_slices(len(self.receipts))
        )
        allocations = Allocations._make(map(np.concatenate, zip(self.rule_allocations, *chunks, strict=True)))
        return allocations.by_payment(allocations.payment)

    def _independent_allocations(self, rows: slice, results: MatchResult) -> Allocations:
        """Return the allocations of the independent receipts in a slice; each is for one obligation."""
        at = np.flatnonzero(self.is_independent[rows] & (results.applied > 0))
        obligation = self.index.obligations.of(self.receipts.slip[rows][at])
        return Allocations(rows.start + at, obligation, results.applied[at], results.balance_before[at])

    @cached_property
    def _collected(self) -> tuple[UInt8Array, UInt8Array, Int64Array]:
        outcome, disposition = (np.empty(len(self.receipts), np.uint8) for _ in range(2))
        balance = np.array(self.index.obligations.open)
        np.subtract.at(balance, self.rule_allocations.obligation, self.rule_allocations.yen)

        def collect(rows: slice) -> None:
            results = self.results(rows)
            outcome[rows], disposition[rows] = results.outcome, results.disposition
            allocations = self._independent_allocations(rows, results)
            # Independent receipts have no obligation in common.
            balance[allocations.obligation] -= allocations.yen

        thread_map(collect, chunk_slices(len(self.receipts)))
        return outcome, disposition, balance
