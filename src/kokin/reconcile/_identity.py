"""What makes two receipts one payment. It depends on the records alone, not on bills or on the bytes of a file.

So a file that is delivered again with other newlines, in halves, or as an overlapping statement changes nothing.
:func:`identify` has the rule, and :func:`payment_order` decides which record of a payment counts.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.types as pt

from kokin._arrow.convert import (
    BoolArray,
    Int32Array,
    Int64Array,
    UInt8Array,
    UInt64Array,
    combine,
    empty_table,
    fixed_width,
    text_buffers,
    to_mask,
    to_numpy,
)
from kokin._arrow.threads import CHUNK_ROWS, chunk_slices, sort, thread_map
from kokin.matching import (
    CONTENT_COLUMNS,
    KEY_COLUMNS,
    KEY_KINDS,
    NO_KEY,
    REVERSAL,
    encode_text,
    first_of_runs,
    group,
    hash_keys,
    starts_of_runs,
)
from kokin.reconcile._columns import EncodedColumns, encode_texts, encode_together, key_columns, key_texts, mask_of

_FILE, _OTHER_FILE = ("source", "digest"), ("other_source", "other_digest")
_COUNTS = ("records", "repeated")
#: The columns of :func:`overlaps`.
OVERLAP_SCHEMA = pa.schema(
    [(name, pa.int64() if name in _COUNTS else pa.string()) for name in (*_FILE, *_COUNTS, *_OTHER_FILE)]
)

# Columns with the most different values first, so that few rows remain for the others.
_SELECTIVE = ("provider_key", "case_key", *KEY_KINDS[1:], "amount", "paid_on")
_CONTENT = (*_SELECTIVE, *(name for name in CONTENT_COLUMNS if name not in (*_SELECTIVE, "kind")))

_WHEN = ("paid_on", "paid_time", "received_on", "provider_key")
_WHAT = ("amount", "kind", *KEY_COLUMNS)
#: The columns by which payments are sorted: when and under which reference a payment was made, what else it says, and
#: where it was reported. The columns of a step are compared only where all steps before it are equal.
SORT_COLUMNS = (
    _WHEN,
    (*_WHAT, *(name for name in CONTENT_COLUMNS if name not in (*_WHEN, *_WHAT))),
    ("digest", "record_no", "source"),
)


class Identity(NamedTuple):
    """The payments that ``n`` records report."""

    #: int64 (n,): the row that counts for the payment of each row; it counts for itself.
    counted: Int64Array
    #: bool (n,): the row counts, and other rows of its kind with its ``provider_key`` are other payments (KEY_REUSED).
    reused: BoolArray

    @property
    def duplicate(self) -> BoolArray:
        """The rows that do not count (DUPLICATE_RECORD): bool (n,)."""
        is_duplicate: BoolArray = self.counted != np.arange(len(self.counted))
        return is_duplicate


class _Payments(NamedTuple):
    """Rows with a number for the payment that each reports, ``k`` rows."""

    rows: Int64Array
    #: int64 (k,): the payment.
    payment: Int64Array
    #: int64 (k,): a number for the content; two payments of one content are no reuse of a key.
    content: Int64Array


def identify(columns: EncodedColumns, kind: UInt8Array, table_no: Int64Array) -> Identity:
    """Find the records that report one payment.

    - A record whose ``provider_key`` was **assigned** to one payment is the payment of every record with the same key,
      kind, amount and day, unless two of them have different payment numbers. The amount of a record without
      ``bank_charge`` may be less by the charge of another one: what reached the account. Records may have more or fewer
      details; one with a number counts before one without, then one with a charge.
    - Every other record (a **composed** key, or none) is one payment with the records of other files that are equal in
      every field but the payer's name: the n-th of a file with the n-th of another.
    - A record of a **whole booking** (its ``provider_key`` is the ``batch_key`` of others) is the same money as these,
      unless it is more.

    Args:
        columns: the columns of the records. All records that may report one of their payments must be among them.
        kind: uint8 (n,): codes of ``KINDS``.
        table_no: int64 (n,): the table of each record; without ``digest``, a file is a ``source`` of one table.
    """
    total = len(columns)
    has_key = columns.is_present("provider_key")
    is_assigned = has_key & ~columns.is_true("key_composed")
    shared, key = _equal_rows(columns, np.flatnonzero(has_key), ("provider_key",))
    other = np.concatenate([shared[~is_assigned[shared]], np.flatnonzero(~has_key)])
    by_key = _payments_by_key(columns, kind, shared[is_assigned[shared]])
    by_content = _payments_by_content(columns, kind, table_no, other)
    rows = np.concatenate([by_key.rows, by_content.rows])
    # Numbers of the first are below those of the second.
    payment, content = (
        np.concatenate([first, second + len(by_key.rows)])
        for first, second in ((by_key.payment, by_content.payment), (by_key.content, by_content.content))
    )

    counted, variant = np.arange(total), np.arange(total)
    counted[rows] = rows[_first_of_group(payment, _counting_order(columns, rows))]
    variant[rows] = total + content
    reused = np.zeros(total, np.bool_)
    counts = counted[shared] == shared
    shared, key = shared[counts], key[counts]
    reused[shared] = _has_several(group(key, kind[shared]), variant[shared])
    return _with_bookings(columns, kind, Identity(counted, reused))


def _payments_by_key(columns: EncodedColumns, kind: UInt8Array, rows: Int64Array) -> _Payments:
    """Return the payments of records with an assigned key that others have too."""
    if _charges(columns)[rows].any():
        rows, groups = _equal_rows(columns, rows, ("provider_key", "paid_on"))
        groups = _group_amounts(columns.take(rows), group(groups, kind[rows]))
    else:
        rows, groups = _equal_rows(columns, rows, ("provider_key", "amount", "paid_on"))
        groups = group(groups, kind[rows])
    columns = columns.take(rows)
    numbers = _payment_numbers(columns)
    # If a group has two numbers of one kind, each of its records goes by the first number that it has.
    has_conflict = np.zeros(len(rows), np.bool_)
    for number in numbers:
        has = np.flatnonzero(number >= 0)
        several = np.zeros(len(rows), np.bool_)
        several[groups[has]] = _has_several(groups[has], number[has])
        has_conflict |= several[groups]
    first_number = np.zeros(len(rows), np.int64)
    for kind_no, number in reversed(list(enumerate(numbers))):
        first_number = np.where(number >= 0, 1 + number * len(numbers) + kind_no, first_number)
    number = np.where(has_conflict, first_number, 0)
    # A record without a number goes with the first one that has one.
    without = np.flatnonzero(has_conflict & (first_number == 0))
    if len(without):
        first = _first_of_group(groups, group(first_number == 0, _charges(columns) == 0, payment_order(columns)))
        number[without] = first_number[first[without]]
    payment = group(groups, number)
    return _Payments(rows, payment, payment)


def _group_amounts(columns: EncodedColumns, groups: Int64Array) -> Int64Array:
    """Return groups of records of equal amount within groups: int64 (k,).

    A record without a charge also goes with one whose amount less its charge is the same, the smallest of several:
    12,190 goes with 12,300 less 110, if no record of 12,190 has a charge.
    """
    amount, charge = columns.codes("amount").astype(np.int64), _charges(columns)
    of_amount = group(groups, amount)
    has_charge = np.zeros(len(groups), np.bool_)
    has_charge[of_amount[charge != 0]] = True
    net, gross = np.flatnonzero(~has_charge[of_amount]), np.flatnonzero(charge)
    gross = gross[np.argsort(-amount[gross], kind="stable")]
    rows, received = np.concatenate([net, gross]), np.concatenate([amount[net], (amount - charge)[gross]])
    number = group(groups[rows], received)
    of_gross = np.full(len(rows), -1, np.int64)
    of_gross[number[len(net) :]] = of_amount[gross]  # the last one is the smallest
    found = of_gross[number[: len(net)]]
    of_amount[net] = np.where(found < 0, of_amount[net], found)
    return of_amount


def _charges(columns: EncodedColumns) -> Int64Array:
    """Return the yen that the bank deducted from each record (``bank_charge``), 0 without: int64 (n,)."""
    if not columns.has("bank_charge"):
        return np.zeros(len(columns), np.int64)
    return to_numpy(columns.column("bank_charge"), 0)


def _payments_by_content(
    columns: EncodedColumns, kind: UInt8Array, table_no: Int64Array, rows: Int64Array
) -> _Payments:
    """Return the payments of records that are equal in every field, numbered inside their files.

    Three equal records, two in file a and one in file b, are two payments: 0 and 1 in a, 0 in b.
    """
    rows, content = _equal_rows(columns, rows, _CONTENT)
    content = group(content, kind[rows])
    columns = columns.take(rows)
    file, has_digest = _files(columns, table_no[rows])
    record = columns.codes("record_no").astype(np.int64)
    is_numbered = has_digest & (record > 0)
    # A file may have several names; records without a number are in the order of these.
    order = np.lexsort((columns.ranks("source"), record, record <= 0, file, content))
    is_first = starts_of_runs(content[order], file[order])
    # The same record of the same file, in two tables, is one record.
    is_new = is_first | starts_of_runs(record[order]) | ~is_numbered[order]
    nth = np.cumsum(is_new).astype(np.int64)
    nth -= first_of_runs(nth, is_first)
    number = np.empty(len(rows), np.int64)
    number[order] = nth
    return _Payments(rows, group(content, number), content)


def _files(columns: EncodedColumns, table_no: Int64Array) -> tuple[Int64Array, BoolArray]:
    """Return a number for the file of each record, int64 (n,), and whether it has a ``digest``, bool (n,)."""
    has_digest = columns.is_present("digest")
    table, source = np.where(has_digest, -1, table_no), np.where(has_digest, -1, columns.codes("source"))
    return group(np.where(has_digest, columns.codes("digest"), -1), table, source), has_digest


def _equal_rows(columns: EncodedColumns, rows: Int64Array, names: tuple[str, ...]) -> tuple[Int64Array, Int64Array]:
    """Return the rows that equal another one in some columns, and a number for their values: int64 (k,) each.

    Column by column; rows that no longer equal another one are dropped before the next column.
    """
    names = tuple(name for name in names if columns.has(name))
    if names and len(rows):
        rows = rows[_may_repeat(columns.take(rows), names[0])]
    groups = np.zeros(len(rows), np.int64)
    for name in names:
        if not len(rows):
            break
        code = columns.take(rows).codes(name).astype(np.int64)
        code -= code.min()
        # Codes of texts are small; they need no sorting.
        groups = group(groups, code) if groups.any() or code.max() > 2 * len(rows) else code
        several = np.bincount(groups)[groups] > 1
        rows, groups = rows[several], groups[several]
    return rows, group(groups)


def _may_repeat(columns: EncodedColumns, name: str) -> BoolArray:
    """Return the rows whose text may equal that of another one, by a hash: bool (n,).

    Only an optimisation for long columns, in which most texts are unique: encoding them all takes far longer.
    """
    column = columns.column(name)
    if not (pt.is_string(column.type) or pt.is_large_string(column.type)) or len(columns) < CHUNK_ROWS:
        return np.ones(len(columns), np.bool_)
    batches = pa.table([column], [name]).to_batches(max_chunksize=CHUNK_ROWS)
    longest = pc.max(pc.binary_length(column)).as_py() or 0
    widths = {fixed_width(batch.column(0)) for batch in batches}
    width = widths.pop() if len(widths) == 1 else None

    def hash_texts(batch: pa.RecordBatch) -> UInt64Array:
        if not width or width < 8:
            return hash_keys(encode_text(batch.column(0), -(-longest // 8) or 1).words)
        letters = text_buffers(batch.column(0))[1].reshape(-1, width)
        starts = [*range(0, width - 8, 8), width - 8]
        return hash_keys(np.stack([letters[:, at : at + 8].view("<u8")[:, 0] for at in starts], axis=1))

    hashes = np.concatenate(thread_map(hash_texts, batches))
    ordered = hashes.copy()
    sort(ordered)
    return np.isin(hashes, ordered[1:][ordered[1:] == ordered[:-1]])


def _payment_numbers(columns: EncodedColumns) -> list[Int64Array]:
    """Return the payment numbers of each record by kind (``KEY_KINDS``) as codes, int64 (n,) each; -1: none."""
    numbers = []
    for kind in KEY_KINDS:
        is_present = np.logical_and.reduce([columns.is_present(name) for name in key_columns(kind)])
        numbers.append(np.where(is_present, encode_texts(pa.chunked_array([key_texts(columns, kind)])), -1))
    return numbers


def _counting_order(columns: EncodedColumns, rows: Int64Array) -> Int64Array:
    """Return the order in which records of one payment count: with a number first, with a charge, then by payment."""
    columns = columns.take(rows)
    has_number = np.logical_or.reduce([number >= 0 for number in _payment_numbers(columns)])
    return group(~has_number, _charges(columns) == 0, payment_order(columns))


def _first_of_group(groups: Int64Array, order: Int64Array) -> Int64Array:
    """Return for each row the row that comes first in its group: int64 (k,)."""
    by_order = np.lexsort((order, groups))
    first = np.empty(len(groups), np.int64)
    first[by_order] = first_of_runs(by_order, starts_of_runs(groups[by_order]))
    return first


def _has_several(groups: Int64Array, values: Int64Array) -> BoolArray:
    """Return the rows whose group has different values: bool (k,)."""
    size = int(groups.max(initial=-1)) + 1
    low, high = np.full(size, np.iinfo(np.int64).max), np.full(size, np.iinfo(np.int64).min)
    np.minimum.at(low, groups, values)
    np.maximum.at(high, groups, values)
    differ: BoolArray = (low < high)[groups]
    return differ


def _with_bookings(columns: EncodedColumns, kind: UInt8Array, identity: Identity) -> Identity:
    """Return the identity with the records of whole bookings (一括入金) counted as the money of their transactions."""
    counted, reused = identity.counted.copy(), identity.reused.copy()
    booking, member, booking_key, member_key = _find_bookings(columns, ~identity.duplicate)
    if not len(booking):
        return identity
    numbers = group(np.concatenate([booking_key, member_key]), np.concatenate([kind[booking], kind[member]]))
    of_booking, of_member = numbers[: len(booking)], numbers[len(booking) :]
    sums, first = np.zeros(len(numbers), np.int64), np.full(len(numbers), -1)
    amount = columns.codes("amount").astype(np.int64)
    np.add.at(sums, of_member, amount[member])
    first[of_member] = member[_first_of_group(of_member, _counting_order(columns, member))]
    has_members = first[of_booking] >= 0
    is_covered = has_members & (amount[booking] <= sums[of_booking])
    counted[booking[is_covered]] = first[of_booking][is_covered]
    reused[booking[has_members]] = ~is_covered[has_members]
    return Identity(counted[counted], reused)


def _find_bookings(columns: EncodedColumns, among: BoolArray) -> tuple[Int64Array, Int64Array, Int64Array, Int64Array]:
    """Return the records of whole bookings that have transactions, and these transactions, ``among`` some records.

    A transaction has the ``batch_key`` of another record's ``provider_key``; a booking has no ``batch_key`` but its own
    key. So no record is both.

    Returns:
        The rows of the bookings, and of the transactions; a number for the key of each: int64.
    """
    empty = np.empty(0, np.int64)
    if not (columns.has("batch_key") and columns.has("provider_key")):
        return empty, empty, empty, empty
    own_key, batch_key = encode_together(columns, "provider_key", "batch_key")
    has_own, has_batch = columns.is_present("provider_key"), columns.is_present("batch_key")
    is_member = among & has_batch & (batch_key != own_key)
    is_booking = among & has_own & (~has_batch | (batch_key == own_key))
    size = max(own_key.max(initial=0), batch_key.max(initial=0)) + 1
    is_booking &= mask_of(batch_key[is_member], size)[own_key]
    is_member &= mask_of(own_key[is_booking], size)[batch_key]
    bookings, members = np.flatnonzero(is_booking), np.flatnonzero(is_member)
    return bookings, members, own_key[bookings], batch_key[members]


def linked_by_key(columns: EncodedColumns, kind: UInt8Array, slip: Int32Array, key_kind: UInt8Array) -> BoolArray:
    """Return the records that may interact with another one through their keys, not through an obligation: bool (n,).

    Records that share no obligation have different slips, so two of them with one key can be one payment only if they
    have different kinds of numbers, or one has none. Found are all records with a key of such a record, the records of
    bookings and their transactions, and those that a reversal refers to, alone or as a booking. The result of any other
    record does not depend on another record.

    ``kind``, uint8 (n,), are codes of ``KINDS``, ``slip``, int32 (n,), the slip or the code in its place, ``key_kind``,
    uint8 (n,), the kind of key by which each record was looked up.
    """
    linked = np.zeros(len(columns), np.bool_)
    has_no_key = slip == NO_KEY
    usual = np.bincount(key_kind[~has_no_key], minlength=1).argmax()
    unusual = np.flatnonzero(has_no_key | (key_kind != usual))
    references = []
    if len(unusual) and columns.has("provider_key"):
        references.append(combine(columns.take(unusual).texts("provider_key")))
    if columns.has("cancels"):
        references.append(combine(columns.take(np.flatnonzero(kind == REVERSAL)).texts("cancels")))
    key_columns = [name for name in ("provider_key", "batch_key") if columns.has(name)]
    if references:
        values = pc.unique(pa.chunked_array(references)).drop_null()
        values = values.filter(pc.not_equal(values, ""))
        for name in key_columns if len(values) else []:
            linked |= to_mask(combine(pc.is_in(columns.texts(name), value_set=values)))
    if len(key_columns) == 2:
        bookings, members, *_ = _find_bookings(columns, np.ones(len(columns), np.bool_))
        linked[bookings] = linked[members] = True
    return linked


def payment_order(columns: EncodedColumns, groups: Int64Array | None = None) -> Int64Array:
    """Return the sort key of each record by :data:`SORT_COLUMNS`, equal for records that are equal in all: int64 (n,).

    Records are first sorted by ``groups``, int64 (n,), if these are passed: where only the order within a group
    matters, most records need no further comparison.

    What a payment says comes before where it was reported. So the order is the same if a file is delivered again in
    other bytes or in parts, and it does not depend on the order of the input.
    """
    order = np.zeros(len(columns), np.int64) if groups is None else group(groups)
    tied = np.flatnonzero(np.bincount(order)[order] > 1)
    for names in SORT_COLUMNS:
        if len(tied):
            within = np.zeros(len(columns), np.int64)
            rows = columns.take(tied)
            within[tied] = group(order[tied], *(rows.ranks(name) for name in names if rows.has(name)))
            order = group(order, within)
            tied = np.flatnonzero(np.bincount(order)[order] > 1)
    return order


def overlap_table(columns: EncodedColumns, table_no: Int64Array, identity: Identity) -> pa.Table:
    """Return the files that repeat records of other files; see :func:`kokin.reconcile.overlaps`."""
    duplicate = np.flatnonzero(identity.duplicate)
    counted = identity.counted[duplicate]
    rows = np.concatenate([duplicate, counted])
    involved = columns.take(rows)
    file, name = _files(involved, table_no[rows])[0], group(involved.codes("source"), involved.codes("digest"))
    half = len(duplicate)
    differs = (file[:half] != file[half:]) | (name[:half] != name[half:])
    if not differs.any():
        return empty_table(OVERLAP_SCHEMA)
    files, others = _file_names(columns.take(duplicate[differs])), _file_names(columns.take(counted[differs]))
    pairs = pa.table([*files.columns, *others.columns], names=[*_FILE, *_OTHER_FILE])
    pairs = pairs.group_by(pairs.column_names).aggregate([([], "count_all")])
    overlaps = pairs.join(_records_of_files(columns.table), list(_FILE)).rename_columns(
        [*_FILE, *_OTHER_FILE, "repeated", "records"]
    )
    order = [(field, "ascending") for field in (*_FILE, *_OTHER_FILE)]
    return overlaps.select(OVERLAP_SCHEMA.names).sort_by(order).cast(OVERLAP_SCHEMA)


def _records_of_files(table: pa.Table) -> pa.Table:
    """Return ``source, digest, records`` of each file, counted chunk by chunk: texts of all rows need much memory."""
    chunks = [EncodedColumns(table.slice(rows.start, rows.stop - rows.start)) for rows in chunk_slices(len(table))]
    counts = [_file_names(chunk).group_by(list(_FILE)).aggregate([([], "count_all")]) for chunk in chunks]
    total = pa.concat_tables(counts).group_by(list(_FILE)).aggregate([("count_all", "sum")])
    return total.rename_columns([*_FILE, "records"])


def _file_names(columns: EncodedColumns) -> pa.Table:
    """Return ``source, digest`` of each record, empty if it has none."""

    def texts(name: str) -> pa.Array:
        return pc.fill_null(combine(columns.texts(name)), "") if columns.has(name) else pa.repeat("", len(columns))

    return pa.table({name: texts(name) for name in _FILE})
