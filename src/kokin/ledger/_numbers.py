"""Numbers of slips (付番): allot them to debts, once and for ever, and check slips against what was issued."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc
from sqlalchemy import Table, case, func, select

from kokin import bills as bill_files
from kokin._arrow.column_checks import IssueBuilder
from kokin._arrow.convert import (
    BoolArray,
    Int64Array,
    UInt8Array,
    bool_array,
    combine,
    empty_table,
    int64_array,
    string_array,
    text_buffers,
    to_mask,
    to_numpy,
)
from kokin._arrow.threads import isin_sorted, sorted_unique
from kokin.issues import InvalidInputError, Issue, from_table
from kokin.ledger._codec import concat, decode_columns, encode_column
from kokin.ledger._components import as_of_entry, bill_keys, bills_by_id, find_pairs
from kokin.ledger._database import BATCH_ROWS, Transaction
from kokin.ledger._journal import Entry, EntryWriter
from kokin.ledger._load_bills import latest_versions
from kokin.ledger._schema import (
    BILL_DEFAULTS,
    RECORD_FIELDS,
    EntryKind,
    bill_versions,
    slip_numbers,
    stored_columns,
    upload_records,
)
from kokin.model import Bill, BillStatus, arrow_schema
from kokin.slips import ItemScheme, NumberScheme, draw_confirmations

_NOTHING = "nothing was allotted"

# At most so many records are named in the issues of rejected debts or slips.
_MAX_ISSUES = 1_000

#: The columns of the register, without those of the journal.
SLIP_COLUMNS = tuple(column.name for column in slip_numbers.c if column.name not in ("entry_id", "hash"))
_SLIP_SCHEMA = pa.schema([field for field in stored_columns("slip_numbers") if field.name in SLIP_COLUMNS])
_NUMBERS = ("bill_id", "case_key", "confirmation", "barcode")
_EL_NUMBER = ("payee_code", "item_code", "case_key", "confirmation")
#: What is printed on a slip and must not change under its number.
_PRINTED = ("amount", "due_on", "payable_until")
_PRINTED_COLUMNS = ("payee_code", "item_code", *_NUMBERS, *_PRINTED)
# The fields of a superseded slip that its debt still has; the others are those of the slip that replaces it.
_FIELDS_OF_DEBT = (
    *("office_code", "levy_year", "tax_year", "period", "obligation_id", "covers"),
    *("payer_key", "system", "charge", "paid_before"),
)


@dataclass(frozen=True, slots=True)
class AllotResult:
    """The result of an allotment: ``debts = new + reissued + unchanged``."""

    entry: Entry | None
    """None: every debt had its numbers already; nothing was written."""
    bills: pa.Table
    """The bills of the debts in their order, each after the slip that it supersedes, with the columns of
    :class:`~kokin.model.Bill`."""
    debts: int
    """The number of debts."""
    new: int
    """The number of first slips that were numbered."""
    reissued: int
    """The number of slips that were numbered and supersede another."""
    unchanged: int
    """The number of slips that had their numbers already."""
    superseded: int
    """The number of superseded slips in ``bills``."""

    def as_dict(self) -> dict[str, Any]:
        """Return the fields for JSON, without the bills."""
        counts = {name: getattr(self, name) for name in ("debts", "new", "reissued", "unchanged", "superseded")}
        return {"entry": self.entry.id if self.entry else None, **counts}


@dataclass(frozen=True)
class Debts:
    """Checked debts of one load."""

    table: pa.Table
    """As :func:`kokin.bills.check_debts` returns them."""
    records: Int64Array
    """The number of each in the input."""
    file: str

    def take(self, rows: Int64Array) -> Debts:
        """Return some of the debts."""
        return Debts(self.table.take(int64_array(rows)), self.records[rows], self.file)

    def located(self, issues: IssueBuilder) -> pa.Table:
        """Return issues, whose records are rows of the table from 1, with the numbers of the input."""
        found = issues.table()
        rows = to_numpy(found.column("record"), 1) - 1
        return found.set_column(found.column_names.index("record"), "record", int64_array(self.records[rows]))


def _checked(tables: Any, check: Callable[..., bill_files.BillBatch], file: str) -> Iterator[bill_files.BillBatch]:
    """Yield a table, or several, as checked batches; those that are not checked yet are checked."""
    first = 1
    for table in [tables] if hasattr(tables, "__arrow_c_stream__") else tables:
        batch = table if isinstance(table, bill_files.BillBatch) else check(table, file=file, first_row=first)
        first += len(batch.table) + batch.rejected
        yield batch


def checked_debts(debts: Any | Iterable[Any], file: str) -> Debts:
    """Check all debts.

    Args:
        debts: a table, or an iterable of tables or of checked batches.
        file: the name of their file.

    Raises:
        InvalidInputError: a debt is invalid.
    """
    tables, records, issues = [], [np.empty(0, np.int64)], []
    rejected = 0
    for checked in _checked(debts, bill_files.check_debts, file):
        tables.append(checked.table)
        records.append(to_numpy(checked.row_numbers, 0))
        rejected += checked.rejected
        issues += from_table(checked.issues.filter(pc.equal(checked.issues.column("severity"), "error")))[:_MAX_ISSUES]
    if rejected:
        raise InvalidInputError(issues[:_MAX_ISSUES], _NOTHING)
    if not tables:
        raise InvalidInputError([], "no table of debts")
    table = pa.concat_tables(tables, promote_options="default").combine_chunks()
    return Debts(table, np.concatenate(records), file)


def _raise(issues: pa.Table) -> None:
    """Raise for issues of debts, of which the first are named."""
    if len(issues):
        issues = issues.take(int64_array(np.argsort(to_numpy(issues.column("record"), 0), kind="stable")))
        raise InvalidInputError(from_table(issues.slice(0, _MAX_ISSUES)), _NOTHING)


def allot(writer: EntryWriter, debts: Debts, scheme: NumberScheme) -> AllotResult:
    """Allot numbers to the debts that have none; see :meth:`kokin.ledger.Ledger.allot`.

    Args:
        writer: the entry; it is written only if a debt has no numbers.
        debts: the debts.
        scheme: the rule of the numbers.
    """
    issues = IssueBuilder(1, np.zeros(len(debts.table), np.bool_), debts.file)
    earlier = _slips_of_debts(writer, debts.table)
    links = _link(earlier, debts.table)
    issues.add("DEBT_DUPLICATE", "obligation_id", links.is_duplicate)
    issues.add("ISSUE_ORDER", "issue_no", links.is_late, _texts(links.next_issue_no[links.is_late]))
    known = np.flatnonzero(links.known >= 0)
    _compare(debts.table, known, earlier.take(int64_array(links.known[known])), issues)
    _raise(debts.located(issues))
    new = np.flatnonzero(links.known < 0)
    new = new[np.argsort(_integers(debts.table, "issue_no")[new], kind="stable")]
    slips = _new_slips(writer, debts.take(new), scheme)
    # Every slip, the earlier ones first: the id, and the place of that of each debt.
    count = len(earlier)
    ids = np.concatenate([_integers(earlier, "id"), writer.before["slip_numbers"] + np.arange(1, len(new) + 1)])
    own = links.known.copy()
    own[new] = count + np.arange(len(new))
    replaced = np.where(links.replaced < count, links.replaced, own[np.maximum(links.replaced - count, 0)])
    replaces_id = np.where(replaced >= 0, ids[replaced], 0)[new]
    every = pa.concat_tables([earlier.select(_PRINTED_COLUMNS), slips.select(_PRINTED_COLUMNS)])
    bills = _bills(writer, debts.table, every, own, replaced, links.is_superseded)
    reissued = int(np.count_nonzero(replaces_id))
    counts = {"new": len(new) - reissued, "reissued": reissued, "unchanged": len(known)}
    entry = None
    if len(new):
        writer.begin(EntryKind.ALLOTMENT, source=debts.file)
        replaces = pc.if_else(bool_array(replaces_id > 0), int64_array(replaces_id), pa.scalar(None, pa.int64()))
        writer.add_rows("slip_numbers", slips.append_column("replaces_id", replaces))
        yen = int(_integers(slips, "amount").sum())
        totals = {"given": len(debts.table), **counts, "yen": yen, "scheme": scheme.model_dump(mode="json")}
        entry = writer.commit(totals)
    superseded = int(pc.sum(pc.equal(bills.column("status"), BillStatus.SUPERSEDED.value)).as_py() or 0)
    return AllotResult(entry, bills, len(debts.table), **counts, superseded=superseded)


def _integers(table: pa.Table, name: str) -> Int64Array:
    return to_numpy(table.column(name), 0).astype(np.int64, copy=False)


def _texts(numbers: Int64Array) -> pa.Array:
    return int64_array(numbers).cast(pa.string())


def _encoded(table: pa.Table, name: str) -> pa.Array:
    """Return a column of bills as it is stored; the default of the field, or null, where it is missing."""
    if name in table.column_names:
        return encode_column(table.column(name))
    return pa.repeat(pa.scalar(BILL_DEFAULTS.get(name), RECORD_FIELDS["bill_versions"].field(name).type), len(table))


# The slips of the debts


def _slips_of_debts(transaction: Transaction, debts: pa.Table) -> pa.Table:
    """Return the slips of some debts that are in the register: :data:`SLIP_COLUMNS`."""
    statement = select(*(slip_numbers.c[name] for name in SLIP_COLUMNS))
    found = []
    for payee in pc.unique(debts.column("payee_code")).to_pylist():
        obligations = debts.filter(pc.equal(debts.column("payee_code"), payee)).column("obligation_id")
        of_payee = statement.where(slip_numbers.c.payee_code == payee)
        found.append(transaction.fetch(of_payee, slip_numbers.c.obligation_id, pc.unique(obligations).to_pylist()))
    return concat(found, _SLIP_SCHEMA)


@dataclass(frozen=True)
class _Links:
    """How debts, (n,), are related to each other and to the m earlier slips; slip m + i is that of debt i."""

    known: Int64Array
    """The earlier slip of each debt and issue number, -1 for none."""
    replaced: Int64Array
    """The slip of the same debt before it, -1 for none."""
    is_superseded: BoolArray
    """Whether the debt has a later slip."""
    is_duplicate: BoolArray
    """Whether an earlier row has the same debt and issue number."""
    is_late: BoolArray
    """Whether the slip is new, and the debt has an earlier slip with a larger issue number."""
    next_issue_no: Int64Array
    """The next issue number of the debt, after its earlier slips."""


def _link(earlier: pa.Table, debts: pa.Table) -> _Links:
    """Sort all slips by debt and issue number; the slip before one of the same debt is the one that it replaces."""
    names = ("payee_code", "obligation_id", "issue_no")
    both = pa.concat_tables([table.select(names).cast(_KEY_SCHEMA) for table in (earlier, debts)])
    debt = pc.binary_join_element_wise(both.column("payee_code"), both.column("obligation_id"), "/")
    code = to_numpy(combine(debt).dictionary_encode().indices, 0).astype(np.int64)
    issue_no = _integers(both, "issue_no")
    count, is_debt = len(earlier), np.arange(len(both)) >= len(earlier)
    order = np.lexsort((is_debt, issue_no, code))
    is_first = np.ones(len(order), np.bool_)
    is_first[1:] = (np.diff(code[order]) != 0) | (np.diff(issue_no[order]) != 0)
    group = np.empty(len(order), np.int64)
    group[order] = np.cumsum(is_first) - 1
    slip, debt_code = order[is_first], code[order][is_first]  # of each group
    follows = np.zeros(len(slip) + 1, np.bool_)
    follows[1:-1] = debt_code[1:] == debt_code[:-1]
    replaced = np.where(follows[:-1], np.roll(slip, 1), -1)
    of_debt = group[count:]
    own = slip[of_debt]
    latest = np.zeros(len(order), np.int64)
    np.maximum.at(latest, code[:count], issue_no[:count])
    latest_issue_no = latest[code[count:]]
    return _Links(
        known=np.where(own < count, own, -1),
        replaced=replaced[of_debt],
        is_superseded=follows[1:][of_debt],
        is_duplicate=_is_later_duplicate(of_debt),
        is_late=(own >= count) & (issue_no[count:] < latest_issue_no),
        next_issue_no=latest_issue_no + 1,
    )


_KEY_SCHEMA = pa.schema([("payee_code", pa.string()), ("obligation_id", pa.string()), ("issue_no", pa.int64())])


def _is_later_duplicate(values: npt.NDArray[Any]) -> BoolArray:
    """Return which values are equal to an earlier one: bool (n,)."""
    is_duplicate = np.ones(len(values), np.bool_)
    is_duplicate[np.unique(values, return_index=True)[1]] = False
    return is_duplicate


def _compare(debts: pa.Table, rows: Int64Array, slips: pa.Table, issues: IssueBuilder) -> None:
    """Add an issue for each value of a debt that differs from the slip of the same issue number."""
    for name in ("item_code", *_PRINTED):
        found = _encoded(debts, name).take(int64_array(rows))
        _add_differences(issues, "ISSUED_DIFFERS", name, rows, slips.column(name), found)


def _add_differences(
    issues: IssueBuilder, code: str, name: str, rows: Int64Array, expected: pa.ChunkedArray | pa.Array, found: pa.Array
) -> None:
    """Add an issue for each row whose values differ; null differs from every value."""
    sides = [pc.fill_null(combine(side).cast(pa.string()), "") for side in (expected, found)]
    differs = to_mask(pc.not_equal(*sides))
    mask = np.zeros(len(issues.has_error), np.bool_)
    mask[rows[differs]] = True
    order = int64_array(np.argsort(rows[differs], kind="stable"))
    issues.add(code, name, mask, *(side.filter(bool_array(differs)).take(order) for side in sides))


# New numbers


def _new_slips(transaction: Transaction, debts: Debts, scheme: NumberScheme) -> pa.Table:
    """Return the slips of debts without numbers, in their order: rows of the register, encoded.

    Raises:
        InvalidInputError: the scheme cannot number a debt, or a number that it makes is used already.
    """
    slips, order = [empty_table(_NEW_SCHEMA)], [np.empty(0, np.int64)]
    problems = []
    for item in pc.unique(debts.table.column("item_code")).to_pylist():
        rows = np.flatnonzero(to_mask(combine(pc.equal(debts.table.column("item_code"), item))))
        part, rule = debts.take(rows), scheme.for_item(item)
        issues = IssueBuilder(1, np.zeros(len(rows), np.bool_), debts.file)
        if rule is None:
            every = np.ones(len(rows), np.bool_)
            issues.add(
                "CODE_UNKNOWN", "item_code", every, " | ".join(scheme.items), pa.repeat(pa.scalar(item), len(rows))
            )
        else:
            slips.append(_number(transaction, part.table, item, rule, issues))
            order.append(rows)
        problems.append(part.located(issues))
    if problems:
        _raise(pa.concat_tables(problems))
    table = pa.concat_tables(slips).take(int64_array(np.argsort(np.concatenate(order)))).combine_chunks()
    issues = IssueBuilder(1, np.zeros(len(table), np.bool_), debts.file)
    _check_bill_ids(transaction, table, issues)
    _check_barcodes(transaction, table, issues)
    _raise(debts.located(issues))
    return table.append_column("confirmation", string_array(_draw(transaction, table)))


#: The register without the columns that depend on the order of the slips, and without the confirmation number.
_NEW_SCHEMA = pa.schema([field for field in _SLIP_SCHEMA if field.name not in ("id", "replaces_id", "confirmation")])


def _number(
    transaction: Transaction, debts: pa.Table, item_code: str, rule: ItemScheme, issues: IssueBuilder
) -> pa.Table:
    """Return the slips of debts of one item without confirmation numbers; none if a debt has an issue."""
    digits = rule.series(debts, issues)
    if issues.has_error.any():
        return empty_table(_NEW_SCHEMA)
    count = len(debts)
    series = string_array(digits) if digits.shape[1] else pa.repeat(pa.scalar(""), count)
    serial = np.zeros(count, np.int64)
    if rule.has_serial:
        serial = _next_serials(transaction, combine(debts.column("payee_code")), item_code, series, rule.first_serial)
        exhausted = serial > rule.max_serial
        issues.add("SERIAL_EXHAUSTED", "case_key", exhausted, f"at most {rule.max_serial}", _texts(serial[exhausted]))
        serial[exhausted] = 0
    case_keys = rule.case_keys(debts, serial)
    columns = {name: _encoded(debts, name) for name in _NEW_SCHEMA.names if name in Bill.model_fields}
    columns["issue_no"] = combine(debts.column("issue_no"))
    columns["series"] = series
    columns["serial"] = int64_array(serial) if rule.has_serial else pa.nulls(count, pa.int64())
    columns["case_key"] = string_array(case_keys)
    columns["bill_id"] = rule.bill_ids(debts, serial, case_keys, issues)
    columns["barcode"] = rule.barcodes(debts, case_keys, issues)
    return pa.table([columns[name] for name in _NEW_SCHEMA.names], schema=_NEW_SCHEMA)


def _next_serials(
    transaction: Transaction, payees: pa.Array, item_code: str, series: pa.Array, first_serial: int
) -> Int64Array:
    """Return a serial for each slip of an item; within payee and series they count up from the last one."""
    keys = pc.binary_join_element_wise(payees, series, "/").dictionary_encode()
    code = to_numpy(keys.indices, 0).astype(np.int64)
    payee_of, series_of = ([text.split("/")[side] for text in keys.dictionary.to_pylist()] for side in (0, 1))
    last = np.full(len(payee_of), first_serial - 1)
    if transaction.has_rows("slip_numbers"):
        for payee in set(payee_of):
            of_payee = [number for number, other in enumerate(payee_of) if other == payee]
            stored = _last_serials(transaction, payee, item_code, [series_of[number] for number in of_payee])
            last[of_payee] = [max(stored.get(series_of[number], 0), first_serial - 1) for number in of_payee]
    order = np.argsort(code, kind="stable")
    starts = np.searchsorted(code[order], np.arange(len(last)))
    serial = np.empty(len(code), np.int64)
    serial[order] = np.arange(len(code)) - starts[code[order]] + last[code[order]] + 1
    return serial


def _last_serials(transaction: Transaction, payee: str, item_code: str, series: Sequence[str]) -> dict[str, int]:
    """Return the last serial of each series of a payee and item that has one."""
    last: dict[str, int] = {}
    for start in range(0, len(series), BATCH_ROWS):
        (wanted,) = transaction.database.values(series[start : start + BATCH_ROWS]).subquery("wanted").c
        of_series = (slip_numbers.c.payee_code == payee, slip_numbers.c.item_code == item_code)
        largest = select(func.max(slip_numbers.c.serial)).where(*of_series, slip_numbers.c.series == wanted)
        statement = select(wanted.label("series"), largest.scalar_subquery().label("last"))
        last |= {row.series: row.last for row in transaction.connection.execute(statement) if row.last is not None}
    return last


def _check_bill_ids(transaction: Transaction, slips: pa.Table, issues: IssueBuilder) -> None:
    """Add an issue for each ``bill_id`` that another slip has: of these, of the register, or of the ledger's bills."""
    bill_ids = combine(slips.column("bill_id"))
    is_used = _is_later_duplicate(to_numpy(bill_ids.dictionary_encode().indices, 0))
    for column in (slip_numbers.c.bill_id, bill_versions.c.bill_id):
        if transaction.has_rows(column.table.name):
            found = transaction.fetch(select(column), column, bill_ids.to_pylist())
            is_used |= to_mask(pc.is_in(bill_ids, value_set=combine(found.column("bill_id"))))
    issues.add("BILL_REPEATED", "bill_id", is_used, found=bill_ids.filter(bool_array(is_used)))


def _check_barcodes(transaction: Transaction, slips: pa.Table, issues: IssueBuilder) -> None:
    """Add an issue for each barcode whose number another slip has: of these, or of the ledger's bills."""
    keys, rows = bill_keys(slips.select(["barcode"]))
    used = isin_sorted(keys, sorted_unique(find_pairs(transaction, "bill_versions", sorted_unique(keys))[0]))
    mask = np.zeros(len(slips), np.bool_)
    mask[rows] = used | _is_later_duplicate(keys)
    expected = "a free field of its own for each slip"
    issues.add("SLIP_DUPLICATE", "barcode", mask, expected, slips.column("barcode").filter(bool_array(mask)))


def _draw(transaction: Transaction, slips: pa.Table) -> UInt8Array:
    """Return confirmation numbers with which no other slip has the same number: uint8 (n, 6).

    Other slips are these, those of the register and the ledger's bills. Numbers are compared by their match keys: a
    collision of hashes only draws another number.
    """
    case_keys = text_buffers(combine(slips.column("case_key")))[1].reshape(len(slips), 20)
    drawn = np.empty((len(slips), 6), np.uint8)
    rows = np.arange(len(slips))
    while len(rows):
        drawn[rows] = draw_confirmations(case_keys[rows])
        numbered = slips.select(["payee_code", "item_code", "case_key"]).append_column(
            "confirmation", string_array(drawn)
        )
        keys, _ = bill_keys(numbered)
        is_taken = np.zeros(len(slips), np.bool_)
        is_taken[rows] = _is_taken(transaction, numbered.take(int64_array(rows)), keys[rows])
        rows = np.flatnonzero(is_taken | _is_later_duplicate(keys))
    return drawn


def _is_taken(transaction: Transaction, slips: pa.Table, keys: Int64Array) -> BoolArray:
    """Return whether a slip of the register or a bill of the ledger has the number: bool (n,)."""
    taken = find_pairs(transaction, "bill_versions", sorted_unique(keys))[0]
    registered = _rows_by_number(transaction, slip_numbers, slips, _EL_NUMBER)
    return isin_sorted(keys, sorted_unique(np.concatenate([taken, bill_keys(registered)[0]])))


def _rows_by_number(transaction: Transaction, table: Table, slips: pa.Table, columns: Sequence[str]) -> pa.Table:
    """Return rows of a table with the payee, item and case key of some slips."""
    selected = select(*(table.c[name] for name in columns))
    found = [transaction.fetch(selected, table.c.case_key, [])]
    if transaction.has_rows(table.name):
        for pair in slips.group_by(["payee_code", "item_code"]).aggregate([]).to_pylist():
            is_pair = pc.and_(*(pc.equal(slips.column(name), value) for name, value in pair.items()))
            of_pair = selected.where(*(table.c[name] == value for name, value in pair.items()))
            wanted = pc.unique(slips.filter(is_pair).column("case_key")).to_pylist()
            found.append(transaction.fetch(of_pair, table.c.case_key, wanted))
    return pa.concat_tables(found)


# The bills of the debts


def _bills(
    transaction: Transaction,
    debts: pa.Table,
    slips: pa.Table,
    own: Int64Array,
    replaced: Int64Array,
    is_superseded: BoolArray,
) -> pa.Table:
    """Return the bills of debts in their order, each after the slip that it supersedes.

    Args:
        transaction: the transaction.
        debts: the debts.
        slips: their slips, also those that they replace: what is printed on them.
        own: the slip of each debt.
        replaced: the slip that it replaces, -1 for none.
        is_superseded: whether another slip replaces it.

    Raises:
        InvalidInputError: a bill is invalid.
    """
    numbers = slips.take(int64_array(own))
    table = debts.drop_columns("issue_no")
    for name in _NUMBERS:
        table = table.append_column(name, numbers.column(name))
    status = table.column("status") if "status" in table.column_names else pa.repeat(pa.scalar("open"), len(table))
    status = pc.if_else(bool_array(is_superseded), BillStatus.SUPERSEDED.value, combine(status))
    table = _with_column(table, "status", status)
    # A slip that a debt replaces, unless it is in the debts by itself.
    rows = np.flatnonzero((replaced >= 0) & ~np.isin(replaced, own))
    if len(rows):
        old = _superseded_bills(transaction, debts.take(int64_array(rows)), slips.take(int64_array(replaced[rows])))
        old = old.select([name for name in old.column_names if name in table.column_names or _has_values(old, name)])
        table = pa.concat_tables([table, old], promote_options="default")
    order = np.argsort(np.concatenate([2 * np.arange(len(debts)) + 1, 2 * rows]), kind="stable")
    checked = bill_files.check_batch(table.take(int64_array(order)))
    if checked.rejected:
        raise InvalidInputError(from_table(checked.issues)[:_MAX_ISSUES], _NOTHING)
    return checked.table


def _superseded_bills(transaction: Transaction, debts: pa.Table, slips: pa.Table) -> pa.Table:
    """Return superseded slips as bills: with all fields if the ledger has them as bills, else those of the register.

    Args:
        transaction: the transaction.
        debts: the debts whose slips replace them.
        slips: the superseded slips, in the same order.
    """
    columns = {name: debts.column(name) for name in _FIELDS_OF_DEBT if name in debts.column_names}
    for name in ("payee_code", "item_code", *_NUMBERS, *_PRINTED):
        columns[name] = slips.column(name).cast(arrow_schema(Bill).field(name).type)
    table = pa.table(columns)
    stored = latest_versions(transaction, slips.column("bill_id"))
    stored = stored.filter(pc.equal(stored.column("withdrawn"), 0))
    if len(stored):
        row = to_numpy(pc.index_in(stored.column("bill_id"), value_set=combine(slips.column("bill_id"))), 0)
        missing = np.setdiff1d(np.arange(len(slips)), row)
        parts = [table.take(int64_array(missing)), decode_columns(stored, Bill)]
        order = np.argsort(np.concatenate([missing, row]), kind="stable")
        table = pa.concat_tables(parts, promote_options="default").take(int64_array(order))
    return _with_column(table, "status", pa.repeat(pa.scalar(BillStatus.SUPERSEDED.value), len(table)))


def _has_values(bills: pa.Table, name: str) -> bool:
    """Return whether a bill has another value of a field than its default."""
    values = encode_column(bills.column(name))
    if name not in BILL_DEFAULTS:
        return bool(values.null_count < len(values))
    return bool(pc.any(pc.not_equal(values, pa.scalar(BILL_DEFAULTS[name], values.type))).as_py())


def _with_column(table: pa.Table, name: str, column: pa.Array) -> pa.Table:
    """Return a table with a column, added or replaced."""
    if name in table.column_names:
        table = table.drop_columns(name)
    return table.append_column(name, column)


# What was issued


def registered_slips(transaction: Transaction, bill_id: str, last: int | None) -> pa.Table:
    """Return the register, or the slips of the debt of one bill; see :meth:`kokin.ledger.Ledger.slip_numbers`."""
    replacing = slip_numbers.alias("replacing")
    is_replaced = (
        select(replacing.c.id)
        .where(replacing.c.replaces_id == slip_numbers.c.id, as_of_entry(replacing.c.entry_id, last))
        .exists()
    )
    status = case((is_replaced, BillStatus.SUPERSEDED.value), else_=BillStatus.OPEN.value).label("status")
    columns = (column for column in slip_numbers.c if column.name != "hash")
    statement = select(*columns, status).where(as_of_entry(slip_numbers.c.entry_id, last))
    if bill_id:
        of_bill = slip_numbers.alias("of_bill")
        same_debt = (of_bill.c.payee_code == slip_numbers.c.payee_code) & (
            of_bill.c.obligation_id == slip_numbers.c.obligation_id
        )
        statement = statement.where(select(of_bill.c.id).where(of_bill.c.bill_id == bill_id, same_debt).exists())
    return transaction.table(statement.order_by(slip_numbers.c.id))


def check_slips(transaction: Transaction, bills: Any | Iterable[Any], file: str) -> list[Issue]:
    """Check slips against what was issued; see :meth:`kokin.ledger.Ledger.check_slips`."""
    issues: list[Issue] = []
    for checked in _checked(bills, bill_files.check_batch, file):
        found = IssueBuilder(1, np.zeros(len(checked.table), np.bool_), file)
        slips = pa.table({name: _encoded(checked.table, name) for name in _CHECKED_FIELDS})
        _check_against_register(transaction, slips, found)
        _check_against_bills(transaction, slips, found)
        _check_against_uploads(transaction, slips, found)
        located = Debts(checked.table, to_numpy(checked.row_numbers, 0), file).located(found)
        # One issue per record and field.
        by_field = located.group_by(["record", "field"], use_threads=False).aggregate(
            [(name, "first") for name in located.column_names if name not in ("record", "field")]
        )
        names = [name.removesuffix("_first") for name in by_field.column_names]
        issues += from_table(by_field.rename_columns(names).select(located.column_names).slice(0, _MAX_ISSUES))
    return issues


_CHECKED_FIELDS = ("bill_id", *_EL_NUMBER, *_PRINTED, "barcode", "status", "obligation_id")


def _check_against_register(transaction: Transaction, slips: pa.Table, issues: IssueBuilder) -> None:
    """Compare slips with those of the register that have the same number or the same ``bill_id``."""
    if not transaction.has_rows("slip_numbers"):
        return
    rows, stored = _with_same_number(slips, _rows_by_number(transaction, slip_numbers, slips, SLIP_COLUMNS))
    _compare_printed(slips, rows, stored, (*_PRINTED, "barcode"), issues)
    own = slips.take(int64_array(rows))
    has_debt = to_mask(combine(own.column("obligation_id").is_valid()))
    for name, is_compared in (("obligation_id", has_debt), ("bill_id", ~has_debt)):
        of_name = np.flatnonzero(is_compared)
        expected, found = (table.column(name).take(int64_array(of_name)) for table in (stored, own))
        _add_differences(issues, "NUMBER_OF_OTHER", name, rows[of_name], expected, found)
    statement = select(slip_numbers.c.replaces_id, slip_numbers.c.bill_id)
    replacing = transaction.fetch(statement, slip_numbers.c.replaces_id, np.sort(_integers(stored, "id")))
    by = pc.index_in(stored.column("id"), value_set=combine(replacing.column("replaces_id")))
    _add_superseded(slips, rows, replacing.column("bill_id").take(by), issues)
    statement = select(*(slip_numbers.c[name] for name in SLIP_COLUMNS))
    with_id = transaction.fetch(statement, slip_numbers.c.bill_id, combine(slips.column("bill_id")).to_pylist())
    place = pc.index_in(slips.column("bill_id"), value_set=combine(with_id.column("bill_id")))
    other = np.setdiff1d(np.flatnonzero(to_mask(combine(place.is_valid()))), rows)
    stored = with_id.take(place.take(int64_array(other)))
    _compare_printed(slips, other, stored, _EL_NUMBER, issues)


def _check_against_bills(transaction: Transaction, slips: pa.Table, issues: IssueBuilder) -> None:
    """Compare slips with the ledger's bills in force that have the same number."""
    ids = find_pairs(transaction, "bill_versions", sorted_unique(bill_keys(slips.select(_EL_NUMBER))[0]))[1]
    bills = bills_by_id(transaction, ids, ("bill_id", *_EL_NUMBER, *_PRINTED, "barcode", "status"))
    rows, stored = _with_same_number(slips, bills)
    _compare_printed(slips, rows, stored, (*_PRINTED, "barcode"), issues)
    found = slips.column("bill_id").take(int64_array(rows))
    _add_differences(issues, "NUMBER_OF_OTHER", "bill_id", rows, stored.column("bill_id"), found)
    is_superseded = pc.equal(stored.column("status"), BillStatus.SUPERSEDED.value)
    _add_superseded(slips, rows, pc.if_else(is_superseded, "", pa.scalar(None, pa.string())), issues)


def _check_against_uploads(transaction: Transaction, slips: pa.Table, issues: IssueBuilder) -> None:
    """Compare slips with the last records that were sent to eLTAX with the same number."""
    columns = ("id", "bill_id", *_EL_NUMBER, "amount", "payable_until")
    sent = _rows_by_number(transaction, upload_records, slips, columns).sort_by([("id", "descending")])
    rows, stored = _with_same_number(slips, sent)
    _compare_printed(slips, rows, stored, ("amount", "payable_until"), issues)


def _with_same_number(slips: pa.Table, stored: pa.Table) -> tuple[Int64Array, pa.Table]:
    """Return the rows of slips whose number a stored row has, and these rows: one with the same ``bill_id``, if any."""
    places = []
    for names in ((*_EL_NUMBER, "bill_id"), _EL_NUMBER):
        keys = [
            combine(pc.binary_join_element_wise(*(table.column(name) for name in names), "/"))
            for table in (slips, stored)
        ]
        places.append(pc.index_in(keys[0], value_set=keys[1]))
    place = pc.coalesce(*places)
    return np.flatnonzero(to_mask(place.is_valid())), stored.take(place.drop_null())


def _compare_printed(
    slips: pa.Table, rows: Int64Array, stored: pa.Table, names: Sequence[str], issues: IssueBuilder
) -> None:
    """Add an issue for each value that differs; a barcode is compared only if both have one."""
    for name in names:
        expected, found = stored.column(name), slips.column(name).take(int64_array(rows))
        is_compared = np.ones(len(rows), np.bool_)
        if name == "barcode":
            is_compared = to_mask(combine(pc.and_(expected.is_valid(), found.is_valid())))
        places = int64_array(np.flatnonzero(is_compared))
        _add_differences(issues, "ISSUED_DIFFERS", name, rows[is_compared], expected.take(places), found.take(places))


def _add_superseded(slips: pa.Table, rows: Int64Array, replaced_by: Any, issues: IssueBuilder) -> None:
    """Add an issue for each slip that can be paid but is replaced; ``replaced_by`` is null for the others."""
    is_open = pc.equal(slips.column("status").take(int64_array(rows)), BillStatus.OPEN.value)
    is_found = to_mask(combine(pc.and_(is_open, replaced_by.is_valid())))
    mask = np.zeros(len(slips), np.bool_)
    mask[rows[is_found]] = True
    issues.add("SLIP_SUPERSEDED", "bill_id", mask, combine(replaced_by.filter(bool_array(is_found))))
