"""Check a whole file of slips before it is printed: duplicate numbers, weak confirmation numbers, barcodes, deadlines.

The file is read in batches. Eight bytes are kept per key and row, the ``bill_id`` and ``obligation_id`` of each row,
and 8 MB for the confirmation numbers, so that memory is bounded by the number of rows and not by their length.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import replace
from datetime import date
from functools import partial, reduce
from itertools import islice
from pathlib import Path
from typing import TypeAlias

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from kokin import bills
from kokin._arrow.convert import (
    BoolArray,
    Int64Array,
    combine,
    int64_array,
    is_valid,
    text_buffers,
    to_mask,
    to_numpy,
)
from kokin.elqr import build_many
from kokin.issues import InvalidInputError, Issue, Location, from_table
from kokin.model import ArrowStreamExportable, BillStatus
from kokin.receipts.layouts import Layout
from kokin.rules import CALENDAR_YEARS, shift_due_date
from kokin.slips import gs1_128
from kokin.text import file_name

_Source: TypeAlias = str | Path | ArrowStreamExportable
#: Reads the bills of a run from the beginning.
ReadBills: TypeAlias = Callable[[], Iterator[bills.BillBatch]]

#: The payee, ``obligation_id`` or ``bill_id``, and its value: a slip without an ``obligation_id`` shares none.
_Obligation: TypeAlias = tuple[str, str, str]

_EL_NUMBER = ("payee_code", "case_key", "confirmation", "item_code")
# The digits of a barcode that identify its slip: 請求書発行企業コード and 自由使用欄; and those of its other fields.
_BARCODE_KEY, _BARCODE_DEADLINE, _BARCODE_STAMP, _BARCODE_YEN = slice(2, 29), slice(30, 36), 36, slice(37, 43)
_BARCODE_DIGITS = 44
# Numbers that no two slips may share, and numbers that the open slips of one obligation may share.
_UNIQUE, _SHARED = ("bill_id", "el_number", "barcode"), ("customer_number", "virtual_account")
# Duplicates named in an exception.
_MAX_DUPLICATES = 20
# Hashes that occur more than once whose keys are compared in one pass over the file, which bounds the memory.
_MAX_COMPARED = 100_000

_SATURDAY = 5
_CONFIRMATIONS = 1_000_000
# A confirmation number on fewer slips is no evidence: a system may use one number for all slips of a payer.
_MIN_EQUAL = 10
# What sound confirmation numbers cause in fewer than one of 10,000 files is an error.
_CHANCE = 1e-4


def check(
    source: _Source,
    *,
    encoding: str | None = None,
    layout: str | Path | Layout | None = None,
    issued_on: date | None = None,
    allow_missing_deadline: bool = False,
    max_issues: int = 1000,
) -> list[Issue]:
    """Return the issues of a file of slips: those of each bill, and those that only the whole file shows.

    Beside the issues of :func:`kokin.bills.check` and of the eL-QR (:func:`kokin.elqr.build_many`):

    - ``SLIP_DUPLICATE``: two slips share a ``bill_id``, an eL number or the key of a barcode (請求書発行企業コード and
      自由使用欄). ``KEY_SHARED``, a warning: two open slips of different obligations share a ``customer_number`` or a
      ``virtual_account``. ``OBLIGATION_NOT_SHARED``, a warning: the ``obligation_id`` of a slip is the ``bill_id`` of
      a slip without one, so that the two do not share a debt.
    - ``CONFIRMATION_WEAK``: one 確認番号 is on at least 10 slips and on more than chance allows, or more 確認番号 than
      chance allows are the end of their 案件特定キー. Chance allows a count that random numbers reach in one of 10,000
      files of this size (Poisson distribution). With 1,000 slips: 9 slips with one number, 1 with the end of its key.
    - ``BARCODE_AMOUNT``: a barcode on a slip above 300,000 yen. ``BARCODE_DIFFERS``: its amount or 支払期限 differs
      from the bill.
    - ``PAYABLE_BEFORE_DUE``: the 支払期限 is before the 納期限. ``DEADLINE_PASSED``: it is before ``issued_on``.
      ``DEADLINE_HOLIDAY``, a warning: one of them is not a business day of banks; one issue per day, with the number of
      slips. ``HOLIDAYS_UNKNOWN``, a warning: only the weekends of that year are known.

    Args:
        source: bills as a file or a table, see :func:`kokin.bills.batches`.
        encoding: the encoding of a CSV.
        layout: the layout of bills in columns of their own; dates without a full year are near ``issued_on``.
        issued_on: the day of issue.
        allow_missing_deadline: accept a slip without 支払期限.
        max_issues: the number of issues listed per code; ``ISSUES_OMITTED`` counts the others.

    Raises:
        OSError: the file cannot be read.
    """
    place = _place(source)
    read_bills = partial(bills.batches, source, encoding=encoding, layout=layout, reference_date=issued_on)
    log = _IssueLog(max_issues)
    keys, confirmations, deadlines = _KeyHashes(_UNIQUE + _SHARED), _Confirmations(), _Deadlines()
    shared = bills.SharedObligations(place().file)
    try:
        for batch in read_bills():
            log.add(from_table(batch.issues))
            log.add(_code_issues(batch, place, issued_on, allow_missing_deadline))
            log.add(_barcode_issues(batch, place))
            keys.add(batch.table)
            confirmations.add(batch)
            deadlines.add(batch)
            shared.add(batch)
        log.add(shared.issues())
        log.add(_duplicates(read_bills, place, keys))
        log.add(confirmations.issues(place))
        log.add(deadlines.issues(place))
    except InvalidInputError as error:  # the file is not a table of bills
        log.add(error.issues)
    return log.issues()


def check_unique(read_bills: ReadBills, source: _Source) -> None:
    """Check that no two slips share a bill_id, an eL number or a barcode key, which would mix up their payments.

    ``read_bills`` reads the bills of ``source`` from the beginning.

    Raises:
        InvalidInputError: ``SLIP_DUPLICATE`` names the field and both rows of the file.
    """
    keys = _KeyHashes(_UNIQUE)
    for batch in read_bills():
        keys.add(batch.table)
    if issues := list(islice(_duplicates(read_bills, _place(source), keys), _MAX_DUPLICATES)):
        raise InvalidInputError(issues, "duplicate slips; nothing was written")


def el_numbers(table: pa.Table) -> pa.ChunkedArray:
    """Return the eL numbers of bills, in the form of :attr:`kokin.elqr.ElQr.el_number`."""
    return pc.binary_join_element_wise(*[table[name] for name in _EL_NUMBER], "-")


def _place(source: _Source) -> partial[Location]:
    return partial(Location, file_name(source) if isinstance(source, str | Path) else "")


class _IssueLog:
    """The first issues of each code, and the number of the others."""

    def __init__(self, max_issues: int) -> None:
        self._max_issues = max_issues
        self._counts: Counter[str] = Counter()
        self._issues: list[Issue] = []

    def add(self, issues: Iterable[Issue]) -> None:
        for issue in issues:
            self._counts[issue.code] += 1
            if self._counts[issue.code] <= self._max_issues:
                self._issues.append(issue)

    def issues(self) -> list[Issue]:
        omitted = [
            Issue("ISSUES_OMITTED", found=f"{count - self._max_issues:,} of {code}")
            for code, count in self._counts.items()
            if count > self._max_issues
        ]
        return self._issues + omitted


# --- one bill ---------------------------------------------------------------------------------------------------------


def _code_issues(
    batch: bills.BillBatch, place: partial[Location], issued_on: date | None, allow_missing_deadline: bool
) -> list[Issue]:
    """Return the issues of the eL-QR; a deadline before the due date is an error on paper."""
    built = build_many(batch.table, issued_on=issued_on, allow_missing_deadline=allow_missing_deadline)
    records = batch.row_numbers
    issues = []
    for issue in from_table(built.issues):
        code = "PAYABLE_BEFORE_DUE" if issue.code == "DEADLINE_BEFORE_DUE" else issue.code
        row = issue.location.record
        location = place() if row is None else place(records[row - 1].as_py())
        issues.append(replace(issue, code=code, location=location))
    return issues


def _barcode_issues(batch: bills.BillBatch, place: partial[Location]) -> Iterator[Issue]:
    """Yield the issues of barcodes; only those that differ from a bill, digit for digit, are parsed."""
    table = batch.table
    if "barcode" not in table.column_names or table["barcode"].null_count == len(table):
        return
    names = ["amount", "payable_until", "barcode"]
    if "payable_until" not in table.column_names:
        table = table.append_column("payable_until", pa.nulls(len(table), pa.date32()))
    for row in np.flatnonzero(_differing_barcodes(table)).tolist():
        amount, payable_until, barcode = (table[name][row].as_py() for name in names)
        location = place(batch.row_numbers[row].as_py())
        if amount > gs1_128.MAX_YEN:
            expected = f"no barcode above {gs1_128.MAX_YEN:,} yen"
            yield Issue(
                "BARCODE_AMOUNT", field="barcode", expected=expected, found=f"{amount:,} yen", location=location
            )
        elif problems := gs1_128.check(barcode):
            for problem in problems:
                yield replace(problem, field=f"barcode.{problem.field}", location=location)
        else:
            code = gs1_128.parse(barcode)
            for name, value in (("amount", amount), ("payable_until", payable_until)):
                if getattr(code, name) != value:
                    expected, found = str(value), str(getattr(code, name))
                    yield Issue("BARCODE_DIFFERS", field=name, expected=expected, found=found, location=location)


def _differing_barcodes(table: pa.Table) -> BoolArray:
    """Return which barcodes are not those of their bills, or have an invalid field: bool (n,).

    A barcode is compared with the digits that the bill requires, so that few of a million need to be parsed.
    """
    barcodes, digit = table["barcode"], partial(pc.utf8_slice_codeunits, table["barcode"])
    deadlines = pc.strftime(table["payable_until"].cast(pa.timestamp("s")), "%y%m%d")
    yen = pc.utf8_lpad(table["amount"].cast(pa.string()), _BARCODE_YEN.stop - _BARCODE_YEN.start, "0")
    conditions = [
        pc.equal(digit(0, 2), "91"),
        pc.equal(digit(_BARCODE_DEADLINE.start, _BARCODE_DEADLINE.stop), pc.fill_null(deadlines, "999999")),
        pc.is_in(digit(_BARCODE_STAMP, _BARCODE_STAMP + 1), value_set=pa.array(["0", "1"])),
        pc.equal(digit(_BARCODE_YEN.start, _BARCODE_YEN.stop), yen),
    ]
    agrees = to_mask(combine(pc.fill_null(reduce(pc.and_, conditions), False)))
    _, letters = text_buffers(combine(pc.fill_null(barcodes, "0" * _BARCODE_DIGITS)))
    # From the right the check digit has weight 1, then 3, 1, ...: the sum of a valid barcode ends with 0.
    weights = np.tile([3, 1], _BARCODE_DIGITS // 2)
    agrees &= (letters.reshape(-1, _BARCODE_DIGITS) - ord("0")) @ weights % 10 == 0
    agrees &= to_numpy(table["amount"], 0) <= gs1_128.MAX_YEN
    return ~agrees & is_valid(combine(barcodes))


# --- the whole file ---------------------------------------------------------------------------------------------------


class _KeyHashes:
    """The hashes of the keys of slips by field, eight bytes each."""

    def __init__(self, names: Sequence[str]) -> None:
        self.names = names
        self._arrays: dict[str, list[Int64Array]] = {name: [_NO_HASHES] for name in names}

    def add(self, table: pa.Table) -> None:
        for name, keys in _slip_keys(table, self.names):
            self._arrays[name].append(_hashes(keys)[is_valid(keys)])

    def duplicates(self) -> dict[str, Int64Array]:
        """Return the hashes that occur more than once, sorted, by field."""
        return {name: _duplicate_values(np.concatenate(arrays)) for name, arrays in self._arrays.items()}


_NO_HASHES = np.zeros(0, np.int64)


def _slip_keys(table: pa.Table, names: Sequence[str]) -> Iterator[tuple[str, pa.Array]]:
    """Yield the keys of slips by field, as text; null where a slip has none, or where the key may be shared."""
    for name in names:
        if name == "el_number":
            yield name, combine(el_numbers(table))
        elif name not in table.column_names:
            continue
        elif name == "barcode":
            yield name, combine(pc.utf8_slice_codeunits(table[name], _BARCODE_KEY.start, _BARCODE_KEY.stop))
        elif name in _SHARED:
            yield name, combine(pc.if_else(is_open(table), table[name], pa.scalar(None, pa.string())))
        else:
            yield name, combine(table[name])


def is_open(table: pa.Table) -> pa.ChunkedArray:
    """Return which slips of a checked table can still be paid."""
    if "status" not in table.column_names:
        return pa.chunked_array([pa.repeat(True, len(table))])
    return pc.equal(table["status"], BillStatus.OPEN.value)


def _hashes(keys: pa.Array) -> Int64Array:
    return np.fromiter(map(hash, keys.to_pylist()), np.int64, len(keys))


def _duplicate_values(hashes: Int64Array) -> Int64Array:
    """Return the values that occur more than once, sorted."""
    ordered = np.sort(hashes)
    return np.unique(ordered[1:][ordered[1:] == ordered[:-1]])


def _duplicates(read_bills: ReadBills, place: partial[Location], hashes: _KeyHashes) -> Iterator[Issue]:
    """Yield an issue for each slip with the key of an earlier one.

    Only slips whose hash occurs more than once are compared, key by key, in further passes over the file.
    """
    candidates = hashes.duplicates()
    for start in range(0, max(map(len, candidates.values())), _MAX_COMPARED):
        compared = {name: values[start : start + _MAX_COMPARED] for name, values in candidates.items()}
        yield from _compare_keys(read_bills(), place, compared)


def _compare_keys(
    batches: Iterable[bills.BillBatch], place: partial[Location], hashes: dict[str, Int64Array]
) -> Iterator[Issue]:
    # The first record with a key, and the obligations of all slips with it.
    earlier: dict[tuple[str, str], tuple[int, set[_Obligation]]] = {}
    names = [name for name, values in hashes.items() if len(values)]
    for batch in batches:
        for name, keys in _slip_keys(batch.table, names):
            rows = np.flatnonzero(np.isin(_hashes(keys), hashes[name]) & is_valid(keys))
            for row, key in zip(rows.tolist(), keys.take(int64_array(rows)).to_pylist(), strict=True):
                record = batch.row_numbers[row].as_py()
                obligations = _obligations(batch.table, row) if name in _SHARED else set[_Obligation]()
                if (name, key) not in earlier:
                    earlier[name, key] = record, obligations
                    continue
                first, others = earlier[name, key]
                if name in _UNIQUE:
                    found = f"that of record {first}"
                    yield Issue(
                        "SLIP_DUPLICATE", field=name, expected="a unique number", found=found, location=place(record)
                    )
                elif others.isdisjoint(obligations):
                    expected, found = "one obligation", f"another than record {first}"
                    yield Issue("KEY_SHARED", field=name, expected=expected, found=found, location=place(record))
                others |= obligations


def _obligations(table: pa.Table, row: int) -> set[_Obligation]:
    """Return the obligations of a slip: those that it covers, else its own, as :class:`~kokin.matching.Obligations`."""
    names = [name for name in ("bill_id", "payee_code", "obligation_id", "covers") if name in table.column_names]
    values = table.select(names).slice(row, 1).to_pylist()[0]
    ids = values.get("covers") or [each for each in (values.get("obligation_id"),) if each]
    payee = values["payee_code"]
    return {(payee, "obligation_id", each) for each in ids} or {(payee, "bill_id", values["bill_id"])}


class _Confirmations:
    """Counts of the confirmation numbers of a file."""

    def __init__(self) -> None:
        self._slips = 0
        self._counts = np.zeros(_CONFIRMATIONS, np.int64)
        self._first_records = np.zeros(_CONFIRMATIONS, np.int64)
        self._key_ends = 0
        self._first_key_end = 0

    def add(self, batch: bills.BillBatch) -> None:
        records = to_numpy(batch.row_numbers, 0)
        confirmations, case_keys = batch.table["confirmation"], batch.table["case_key"]
        numbers = to_numpy(confirmations.cast(pa.int64()), 0)
        self._slips += len(numbers)
        self._counts += np.bincount(numbers, minlength=_CONFIRMATIONS)
        distinct, rows = np.unique(numbers, return_index=True)
        is_new = self._first_records[distinct] == 0
        self._first_records[distinct[is_new]] = records[rows[is_new]]
        ends = np.flatnonzero(to_mask(combine(pc.equal(pc.utf8_slice_codeunits(case_keys, -6), confirmations))))
        if len(ends) and not self._key_ends:
            self._first_key_end = int(records[ends[0]])
        self._key_ends += len(ends)

    def issues(self, place: partial[Location]) -> Iterator[Issue]:
        weak = partial(Issue, "CONFIRMATION_WEAK", field="confirmation")
        expected_slips = self._slips / _CONFIRMATIONS
        largest = max(_largest_by_chance(expected_slips, _CONFIRMATIONS), _MIN_EQUAL - 1)
        frequent = np.flatnonzero(self._counts > largest)
        for number in frequent[np.argsort(-self._counts[frequent], kind="stable")].tolist():
            yield weak(
                expected=f"at most {largest} slips with one number",
                found=f"{self._counts[number]:,} of {self._slips:,}",
                location=place(int(self._first_records[number])),
            )
        largest = _largest_by_chance(expected_slips)
        if self._key_ends > largest:
            yield weak(
                expected=f"at most {largest} with the end of the case key",
                found=f"{self._key_ends:,} of {self._slips:,}",
                location=place(self._first_key_end),
            )


def _largest_by_chance(mean: float, draws: int = 1) -> int:
    """Return the largest count that one of ``draws`` Poisson variables reaches in at least one of 10,000 cases.

    >>> _largest_by_chance(0.001), _largest_by_chance(1.0), _largest_by_chance(1.0, 1_000_000)
    (1, 6, 12)
    """
    count = 0
    while draws * _poisson_tail(count + 1, mean) >= _CHANCE:
        count += 1
    return count


def _poisson_tail(count: int, mean: float) -> float:
    """Return the probability that a Poisson variable is ``count`` or more; the terms are added, so none cancels."""
    if not mean:
        return float(count <= 0)
    terms = (
        math.exp(number * math.log(mean) - mean - math.lgamma(number + 1))
        for number in range(count, count + 100 + int(2 * mean))
    )
    return math.fsum(terms)


class _Deadlines:
    """The days on which open slips are due and can be paid, with their numbers of slips."""

    def __init__(self) -> None:
        self._days: dict[tuple[str, date], tuple[int, int]] = {}

    def add(self, batch: bills.BillBatch) -> None:
        is_payable = is_open(batch.table)
        records = batch.row_numbers.filter(combine(is_payable))
        table = batch.table.filter(is_payable)
        for name in ("due_on", "payable_until"):
            if name not in table.column_names:
                continue
            days = pa.table({"day": table[name], "record": records}).group_by("day")
            for row in days.aggregate([("record", "min"), ("record", "count")]).to_pylist():
                if row["day"] is not None:
                    count, first = self._days.get((name, row["day"]), (0, row["record_min"]))
                    self._days[name, row["day"]] = count + row["record_count"], first

    def issues(self, place: partial[Location]) -> Iterator[Issue]:
        first_year, last_year = CALENDAR_YEARS
        for (name, day), (count, record) in sorted(self._days.items()):
            found, location = f"{day} on {count:,} slips", place(record)
            if first_year <= day.year <= last_year:
                if (next_day := shift_due_date(day, "bank")) != day:
                    expected = f"a business day of banks, such as {next_day}"
                    yield Issue("DEADLINE_HOLIDAY", field=name, expected=expected, found=found, location=location)
            elif day.weekday() >= _SATURDAY:
                expected = "a business day of banks"
                yield Issue("DEADLINE_HOLIDAY", field=name, expected=expected, found=found, location=location)
            else:
                expected = f"{first_year} to {last_year}"
                yield Issue("HOLIDAYS_UNKNOWN", field=name, expected=expected, found=found, location=location)
