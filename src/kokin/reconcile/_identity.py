"""The identity of payments: which records report one payment. It depends on the records alone, on no bill.

Records of one payment are found by what they say, never by the bytes of a file, so a file that comes again with other
newlines, in halves, or as an overlapping statement changes nothing.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.types as pt

from kokin._arrow import (
    CHUNK_ROWS,
    BoolArray,
    Int32Array,
    Int64Array,
    UInt8Array,
    UInt64Array,
    combine,
    fixed_width,
    sort,
    text_buffers,
    thread_map,
    to_mask,
)
from kokin.matching import CONTENT, EL_FIELDS, KEY_KINDS, NO_KEY, REVERSAL, encode_text, group, hashes
from kokin.reconcile._codes import Columns, code_texts, ranks

#: The columns of :func:`overlaps`.
OVERLAP_SCHEMA = pa.schema(
    [
        ("source", pa.string()),
        ("digest", pa.string()),
        ("records", pa.int64()),
        ("repeated", pa.int64()),
        ("other_source", pa.string()),
        ("other_digest", pa.string()),
    ]
)

_FILE, _OTHER_FILE = ("source", "digest"), ("other_source", "other_digest")

# Content, what differs most often first: few rows are left for the rest.
_BY_DIFFERENCE = ("provider_key", "case_key", *KEY_KINDS[1:], "amount", "paid_on")
_CONTENT = (*_BY_DIFFERENCE, *(name for name in CONTENT if name not in (*_BY_DIFFERENCE, "kind")))


class Identity(NamedTuple):
    """The payments that ``n`` records report."""

    #: int64 (n,): the row that counts for the payment of each row; of a payment's rows one counts, for itself.
    counted: Int64Array
    #: bool (n,): the row counts, and others of its kind with the same ``provider_key`` are other payments (KEY_REUSED).
    reused: BoolArray

    @property
    def duplicate(self) -> BoolArray:
        """The rows that do not count (DUPLICATE_RECORD): bool (n,)."""
        repeats: BoolArray = self.counted != np.arange(len(self.counted))
        return repeats


class _Groups(NamedTuple):
    """Rows in groups, ``k`` rows."""

    rows: Int64Array
    #: int64 (k,): the payment of each.
    payment: Int64Array
    #: int64 (k,): a number for what each says; two payments of one content are no reuse of a key.
    content: Int64Array


def identify(some: Columns, kind: UInt8Array, part: Int64Array) -> Identity:
    """Find the records that report one payment.

    - A record whose ``provider_key`` was **assigned** to one payment is the payment of every record with the same key,
      kind, amount and day, unless two of them name different payment numbers. Records may say more or less of it; the
      one that names a number counts before one that names none.
    - Every other record (a **composed** key, or none) is one payment with the records of other files that say the same
      in every field but the payer's name: the n-th of a file with the n-th of another.
    - A record of a **whole booking** (its ``provider_key`` is the ``batch_key`` of others) is the same money as these,
      unless it is more.

    Args:
        some: the columns of the records. Records that may be one payment must all be among them.
        kind: uint8 (n,): codes of ``KINDS``.
        part: int64 (n,): which of the tables a record came in; a file without ``digest`` is a ``source`` of one table.
    """
    count = len(some)
    keyed = some.known("provider_key")
    assigned = keyed & ~some.true("key_composed")
    shared, key = _alike(some, np.flatnonzero(keyed), ("provider_key",))
    unkeyed = np.concatenate([shared[~assigned[shared]], np.flatnonzero(~keyed)])
    found = [_by_key(some, kind, shared[assigned[shared]]), _by_content(some, kind, part, unkeyed)]
    rows, payment, content = (np.concatenate(column) for column in zip(*_apart(found), strict=True))

    counted = np.arange(count)
    first = _first(payment, _order(some, rows))
    counted[rows] = rows[first]
    variant = np.arange(count)
    variant[rows] = count + content
    reused = np.zeros(count, np.bool_)
    counts = counted[shared] == shared
    shared, key = shared[counts], key[counts]
    reused[shared] = _differ(group(key, kind[shared]), variant[shared])
    _add_bookings(some, kind, counted, reused)
    return Identity(counted, reused)


def _apart(found: list[_Groups]) -> list[_Groups]:
    """Number the groups of several finds so that no two have a number in common."""
    start, moved = 0, []
    for groups in found:
        moved.append(_Groups(groups.rows, groups.payment + start, groups.content + start))
        start += len(groups.rows)
    return moved


def _by_key(some: Columns, kind: UInt8Array, rows: Int64Array) -> _Groups:
    """The groups of records with an assigned key that others have too."""
    rows, groups = _alike(some, rows, ("provider_key", "amount", "paid_on"))
    groups = group(groups, kind[rows])
    columns = some.some(rows)
    numbers = _numbers(columns)
    # Where one kind of number has two values, each record goes by the first number that it has.
    differ = np.zeros(len(rows), np.bool_)
    for number in numbers:
        has = np.flatnonzero(number >= 0)
        several = np.zeros(len(rows), np.bool_)
        several[groups[has]] = _differ(groups[has], number[has])
        differ |= several[groups]
    own = np.zeros(len(rows), np.int64)
    for place, number in reversed(list(enumerate(numbers))):
        own = np.where(number >= 0, 1 + number * len(numbers) + place, own)
    number = np.where(differ, own, 0)
    # A record without a number goes with the first one that has one.
    lost = np.flatnonzero(differ & (own == 0))
    if len(lost):
        first = _first(groups, _order(some, rows))
        number[lost] = own[first[lost]]
    payment = group(groups, number)
    return _Groups(rows, payment, payment)


def _by_content(some: Columns, kind: UInt8Array, part: Int64Array, rows: Int64Array) -> _Groups:
    """The groups of records that say the same in every field, numbered inside their files."""
    rows, content = _alike(some, rows, _CONTENT)
    content = group(content, kind[rows])
    columns = some.some(rows)
    file, in_file = _files(columns, part[rows])
    record = columns.code("record_no").astype(np.int64)
    one_record = in_file & (record > 0)
    # A file may have several names; records without a number are in the order of these.
    order = np.lexsort((columns.rank("source"), record, record <= 0, file, content))
    head = _changes(content[order], file[order])
    # The same record of the same file, in two tables, is one record.
    new = head | _changes(record[order]) | ~one_record[order]
    nth = np.cumsum(new).astype(np.int64)
    nth -= nth[head][np.cumsum(head) - 1]
    number = np.empty(len(rows), np.int64)
    number[order] = nth
    return _Groups(rows, group(content, number), content)


def _files(some: Columns, part: Int64Array) -> tuple[Int64Array, BoolArray]:
    """A number for the file of each record, int64 (n,), and whether it has a ``digest``, bool (n,)."""
    digest = some.known("digest")
    places = (np.where(digest, -1, part), np.where(digest, -1, some.code("source")))
    return group(np.where(digest, some.code("digest"), -1), *places), digest


def _alike(some: Columns, rows: Int64Array, names: tuple[str, ...]) -> tuple[Int64Array, Int64Array]:
    """The rows that equal another one in some columns, and a number for what they say there: int64 (k,) each.

    Column by column, and each time without the rows that equal no other any more.
    """
    names = tuple(name for name in names if some.has(name))
    if names and len(rows):
        rows = rows[_may_repeat(some.some(rows), names[0])]
    groups = np.zeros(len(rows), np.int64)
    for name in names:
        if not len(rows):
            break
        code = some.some(rows).code(name).astype(np.int64)
        code -= code.min()
        # Codes of texts are small; they need no sorting.
        groups = group(groups, code) if groups.any() or code.max() > 2 * len(rows) else code
        several = np.bincount(groups)[groups] > 1
        rows, groups = rows[several], groups[several]
    return rows, group(groups)


def _may_repeat(some: Columns, name: str) -> BoolArray:
    """The rows whose text may be that of another one, by a hash: bool (n,). Most texts of a long column are unique.

    Only an optimisation: each text of the column would be found to be unique otherwise, which takes far longer.
    """
    column = some.texts(name)
    if not (pt.is_string(column.type) or pt.is_large_string(column.type)) or len(some) < CHUNK_ROWS:
        return np.ones(len(some), np.bool_)
    batches = pa.table([column], [name]).to_batches(max_chunksize=CHUNK_ROWS)
    longest = pc.max(pc.binary_length(column)).as_py() or 0
    widths = {fixed_width(batch.column(0)) for batch in batches}
    width = widths.pop() if len(widths) == 1 else None

    def hashed_texts(batch: pa.RecordBatch) -> UInt64Array:
        if not width or width < 8:
            return hashes(encode_text(batch.column(0), -(-longest // 8) or 1).words)
        letters = text_buffers(batch.column(0))[1].reshape(-1, width)
        starts = [*range(0, width - 8, 8), width - 8]
        return hashes(np.stack([letters[:, at : at + 8].view("<u8")[:, 0] for at in starts], axis=1))

    hashed = np.concatenate(thread_map(hashed_texts, batches))
    ordered = hashed.copy()
    sort(ordered)
    return np.isin(hashed, ordered[1:][ordered[1:] == ordered[:-1]])


def _numbers(some: Columns) -> list[Int64Array]:
    """The payment numbers of each record by kind (:data:`kokin.matching.KEY_KINDS`) as codes, -1 for none."""
    el_fields = [name for name in EL_FIELDS if some.has(name)]
    el_number = np.full(len(some), -1, np.int64)
    if len(el_fields) == len(EL_FIELDS):
        has = np.logical_and.reduce([some.known(name) for name in EL_FIELDS])
        padded = pc.utf8_lpad(some.texts("case_key").cast(pa.string()), 20, "0")
        codes = [some.code(name) for name in EL_FIELDS if name != "case_key"]
        el_number = np.where(has, group(code_texts(padded), *codes), -1)
    found = [el_number]
    for name in KEY_KINDS[1:]:
        code = some.code(name).astype(np.int64)
        if name == "barcode" and some.has(name):
            code = code_texts(pc.utf8_slice_codeunits(some.texts(name).cast(pa.string()), 2, 29))
        found.append(np.where(some.known(name), code, -1))
    return found


def _order(some: Columns, rows: Int64Array) -> Int64Array:
    """The order in which rows of one payment count: with a number first, then the order of finals."""
    columns = some.some(rows)
    named = np.logical_or.reduce([number >= 0 for number in _numbers(columns)])
    return group(~named, ranks(columns))


def _first(groups: Int64Array, order: Int64Array) -> Int64Array:
    """The place of the row that comes first in the group of each row: int64 (k,)."""
    by_order = np.lexsort((order, groups))
    head = _changes(groups[by_order])
    first = np.empty(len(groups), np.int64)
    first[by_order] = by_order[head][np.cumsum(head) - 1]
    return first


def _changes(*columns: Int64Array) -> BoolArray:
    """Where a row differs from the one before it in any column; the first row does: bool (k,)."""
    new = np.ones(len(columns[0]), np.bool_)
    new[1:] = np.logical_or.reduce([column[1:] != column[:-1] for column in columns])
    return new


def _differ(groups: Int64Array, values: Int64Array) -> BoolArray:
    """The rows in whose group there are two values: bool (k,)."""
    size = int(groups.max(initial=-1)) + 1
    low, high = np.full(size, np.iinfo(np.int64).max), np.full(size, np.iinfo(np.int64).min)
    np.minimum.at(low, groups, values)
    np.maximum.at(high, groups, values)
    differ: BoolArray = (low < high)[groups]
    return differ


def _add_bookings(some: Columns, kind: UInt8Array, counted: Int64Array, reused: BoolArray) -> None:
    """Find the records of whole bookings (一括入金), and write into ``counted`` and ``reused`` what becomes of them."""
    counts = counted == np.arange(len(some))
    booking, member, own, batch = bookings(some, counts)
    if not len(booking):
        return
    both = group(np.concatenate([own, batch]), np.concatenate([kind[booking], kind[member]]))
    of_booking, of_member = both[: len(booking)], both[len(booking) :]
    sums, first = np.zeros(len(both), np.int64), np.full(len(both), -1)
    amount = some.code("amount").astype(np.int64)
    np.add.at(sums, of_member, amount[member])
    first[of_member] = member[_first(of_member, _order(some, member))]
    has = first[of_booking] >= 0
    covered = has & (amount[booking] <= sums[of_booking])
    counted[booking[covered]] = first[of_booking][covered]
    counted[:] = counted[counted]
    reused[booking[has & ~covered]] = True
    reused[booking[covered]] = False


def bookings(some: Columns, among: BoolArray) -> tuple[Int64Array, Int64Array, Int64Array, Int64Array]:
    """The records of whole bookings that have transactions, and these transactions, some rows among them.

    A transaction has the ``batch_key`` of another record's ``provider_key``; a booking has no ``batch_key`` but its own
    key. So none is both.

    Returns:
        The rows of the bookings, and of the transactions; a number for the key of each: int64.
    """
    nothing = np.empty(0, np.int64)
    if not (some.has("batch_key") and some.has("provider_key")):
        return nothing, nothing, nothing, nothing
    own, batch = code_together(some, "provider_key", "batch_key")
    has_own, has_batch = some.known("provider_key"), some.known("batch_key")
    member = among & has_batch & (batch != own)
    booking = among & has_own & (~has_batch | (batch == own))
    wanted = np.zeros(max(own.max(initial=0), batch.max(initial=0)) + 1, np.bool_)
    wanted[batch[member]] = True
    booking &= wanted[own]
    wanted[:] = False
    wanted[own[booking]] = True
    member &= wanted[batch]
    rows = np.flatnonzero(booking), np.flatnonzero(member)
    return (*rows, own[rows[0]], batch[rows[1]])


def code_together(some: Columns, *names: str) -> list[Int64Array]:
    """Text columns as integers that are equal where the texts are, in whichever of the columns: int64 (n,) each."""
    texts = [chunk for name in names for chunk in some.texts(name).cast(pa.string()).chunks]
    return np.split(code_texts(pa.chunked_array(texts, pa.string())), len(names))


def linked(some: Columns, kind: UInt8Array, slip: Int32Array, by: UInt8Array) -> BoolArray:
    """The records that may interact with another one through their keys, not through an obligation: bool (n,).

    Records that share no obligation have different slips, so two of them with one key can be one payment only if they
    name different kinds of numbers, or one names none. All records with a key of such a record are found, the records
    of bookings and their transactions, and those that a reversal names, alone or as a booking. For what a record
    without one of these becomes, no other record matters.

    Args:
        some: the columns of all records.
        kind: uint8 (n,): codes of ``KINDS``.
        slip: int32 (n,): the slip or what is in its place.
        by: uint8 (n,): the kind of number that each was looked up by.
    """
    found = np.zeros(len(some), np.bool_)
    none = slip == NO_KEY
    usual = np.bincount(by[~none], minlength=1).argmax()
    other = np.flatnonzero(none | (by != usual))
    keyed = [name for name in ("provider_key", "batch_key") if some.has(name)]
    keys = [_texts(some.some(other), "provider_key")] if len(other) and some.has("provider_key") else []
    if some.has("cancels"):
        keys.append(_texts(some.some(np.flatnonzero(kind == REVERSAL)), "cancels"))
    if keys:
        wanted = pc.unique(pa.chunked_array(keys)).drop_null()
        wanted = wanted.filter(pc.not_equal(wanted, ""))
        for name in keyed if len(wanted) else []:
            found |= to_mask(combine(pc.is_in(some.texts(name).cast(pa.string()), value_set=wanted)))
    if len(keyed) == 2:
        booking, member, *_ = bookings(some, np.ones(len(some), np.bool_))
        found[booking] = found[member] = True
    return found


def _texts(some: Columns, name: str) -> pa.Array:
    return combine(some.texts(name).cast(pa.string()))


def overlap_table(some: Columns, part: Int64Array, identity: Identity) -> pa.Table:
    """The files that repeat records of other files; see :func:`kokin.reconcile.overlaps`."""
    duplicate = np.flatnonzero(identity.duplicate)
    counted = identity.counted[duplicate]
    rows = np.concatenate([duplicate, counted])
    involved = some.some(rows)
    file, name = _files(involved, part[rows])[0], group(involved.code("source"), involved.code("digest"))
    half = len(duplicate)
    differs = (file[:half] != file[half:]) | (name[:half] != name[half:])
    if not differs.any():
        return OVERLAP_SCHEMA.empty_table()
    ours, others = _file_names(some.some(duplicate[differs])), _file_names(some.some(counted[differs]))
    pairs = pa.table([*ours.columns, *others.columns], names=[*_FILE, *_OTHER_FILE])
    pairs = pairs.group_by(pairs.column_names).aggregate([([], "count_all")])
    sizes = _file_names(some).group_by(list(_FILE)).aggregate([([], "count_all")])
    told = pairs.join(sizes.rename_columns([*_FILE, "records"]), list(_FILE)).rename_columns(
        [*_FILE, *_OTHER_FILE, "repeated", "records"]
    )
    order = [(field, "ascending") for field in (*_FILE, *_OTHER_FILE)]
    return told.select(OVERLAP_SCHEMA.names).sort_by(order).cast(OVERLAP_SCHEMA)


def _file_names(some: Columns) -> pa.Table:
    """``source, digest`` of each record, empty where it has none."""
    return pa.table(
        {name: pc.fill_null(_texts(some, name), "") if some.has(name) else pa.repeat("", len(some)) for name in _FILE}
    )
