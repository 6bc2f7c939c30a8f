"""Compare the results of an old system with those of Kokin in a parallel run: bill by bill, or receipt by receipt."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from hashlib import file_digest
from pathlib import Path
from typing import Annotated, Any, Literal, NamedTuple, Self

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from pydantic import Field

from kokin._arrow.convert import BoolArray, Int64Array, bool_array, combine, int64_array, is_present, to_mask, to_numpy
from kokin.bills import read_columns
from kokin.issues import MAX_ISSUES, InvalidInputError, Issue, Location
from kokin.matching import first_of_groups, group, starts_of_runs
from kokin.model import ArrowStreamExportable, Record, Text
from kokin.reconcile import Control
from kokin.reports._terms import Language, Terms
from kokin.text import file_name, load_toml, located_in

_Name = Annotated[str, Text(80, min=1)]
_Names = Annotated[tuple[_Name, ...], Field(strict=False)]

# A coded column with more values among the differences is compared as free text.
_MAX_VALUES = 40
_YEN = r"^-?[0-9]{1,11}$"
_AMOUNTS = frozenset({"amount", "applied", "balance_before", "billed", "excess", "paid", "paid_before", "residual"})
_DIRECTIONS = {"more": "compared_more", "less": "compared_less"}
_CODED = frozenset({"disposition", "kind", "outcome", "status"})
_DEFAULTS = {
    "bill": (("bill_id",), ("paid", "residual", "status"), "paid"),
    "receipt": (("source", "record_no"), ("bill_id", "amount", "outcome"), "amount"),
}


class ComparisonResult(StrEnum):
    """The result of comparing a row of the old system with a row of the new one."""

    SAME = "same"
    DIFFERENT = "different"
    ONLY_OLD = "only_old"
    ONLY_NEW = "only_new"


class ComparisonMap(Record):
    """Which columns are compared, and how those of the old system are named and coded; a TOML file."""

    per: Literal["bill", "receipt"] = "bill"
    """What a row is; it decides the defaults of the next three."""
    key: _Names = ()
    """The columns that identify a row; ``bill_id``, or ``source, record_no``."""
    compare: _Names = ()
    """The columns that are compared; ``paid, residual, status``, or ``bill_id, amount, outcome``."""
    yen: Annotated[str, Text(80)] = ""
    """The column whose yen are added up; ``paid``, or ``amount``."""
    amounts: _Names = ()
    """Further columns of yen, beside those that Kokin knows. An empty value is 0."""
    columns: dict[_Name, _Name] = Field(default_factory=dict)
    """The column of the old file for each of these columns, if its name differs."""
    values: dict[_Name, dict[str, str]] = Field(default_factory=dict)
    """By column, the value of Kokin for each value of the old system. Others are compared as they are."""
    digits: dict[_Name, Annotated[int, Field(ge=1, le=80)]] = Field(default_factory=dict)
    """By column, the number of digits to which both files are filled up with leading zeros."""

    @classmethod
    def load(cls, path: str | Path) -> Self:
        """Read a TOML file.

        Raises:
            InvalidInputError: it is not TOML, or has an unknown key or an invalid value.
            OSError: the file cannot be read.
        """
        file = Path(path)
        with located_in(file.name, "the map was rejected"):
            return cls(**load_toml(file))

    @property
    def key_columns(self) -> tuple[str, ...]:
        """The columns that identify a row."""
        return self.key or _DEFAULTS[self.per][0]

    @property
    def compared(self) -> tuple[str, ...]:
        """The columns that are compared, with the column of yen."""
        return tuple(dict.fromkeys((*(self.compare or _DEFAULTS[self.per][1]), self.yen_column)))

    @property
    def yen_column(self) -> str:
        """The column whose yen are added up."""
        return self.yen or _DEFAULTS[self.per][2]

    def is_amount(self, column: str) -> bool:
        """Return whether a column has yen."""
        return column in _AMOUNTS or column in self.amounts or column == self.yen_column

    def is_coded(self, column: str) -> bool:
        """Return whether a column has a few values, which name a cause."""
        return column in _CODED or column in self.values


class Change(NamedTuple):
    """How a column differs in the rows of a cause."""

    column: str
    old: str
    """The value of a coded column in the old system; otherwise empty."""
    new: str
    """The value in Kokin; ``more`` or ``less`` of a column of yen; otherwise empty."""

    @property
    def text(self) -> str:
        """The change in words of the command."""
        return f"{self.column} {self.old} -> {self.new}" if self.old else f"{self.column} {self.new}".strip()


@dataclass(frozen=True, slots=True)
class Cause:
    """The rows that differ in the same way."""

    result: ComparisonResult
    changes: tuple[Change, ...]
    rows: int
    old_yen: int
    new_yen: int

    @property
    def text(self) -> str:
        """All changes: ``paid less; status settled -> partial``; for rows of one system, their coded values."""
        return "; ".join(change.text for change in self.changes)

    def as_dict(self) -> dict[str, Any]:
        """Return the fields for JSON."""
        yen = {"old_yen": self.old_yen, "new_yen": self.new_yen, "difference": self.new_yen - self.old_yen}
        return {"result": self.result.value, "cause": self.text, "rows": self.rows, **yen}


@dataclass(frozen=True, slots=True)
class ComparedFile:
    """One of the two sides."""

    name: str
    digest: str
    """SHA-256 of the file, hexadecimal; empty for a table."""
    rows: int
    yen: int


@dataclass(frozen=True)
class Comparison:
    """The result of :func:`compare`."""

    mapping: ComparisonMap
    old: ComparedFile
    new: ComparedFile
    totals: Mapping[ComparisonResult, Mapping[str, int]]
    """Of each result ``old_rows, new_rows, old_yen, new_yen``."""
    causes: Sequence[Cause]
    """What differs, the largest differences of yen first, then by rows; their rows and yen add up to the totals."""
    differences: pa.Table
    """A row for each pair that differs and each row of one file only: ``result, cause``, the key, and each compared
    column as ``NAME_old`` and ``NAME_new``; by key."""
    controls: Mapping[str, Control]
    """Each file against the parts of the comparison: rows and yen."""

    @property
    def is_same(self) -> bool:
        """Whether no row differs and none is in one file only."""
        return not len(self.differences)

    def describe(self, cause: Cause, language: Language = "ja") -> list[str]:
        """Return the changes of a cause in words: ``納付済額: Kokin の方が多い``, ``状態: 一部納付 → 完納``."""
        terms = Terms(language)
        texts = []
        for change in cause.changes:
            old, new = (terms.value(change.column, word) for word in (change.old, change.new))
            if change.new in _DIRECTIONS and self.mapping.is_amount(change.column):
                new = terms.sentence(_DIRECTIONS[change.new])
            words = f"{old} → {new}" if old else new
            texts.append(": ".join(filter(None, (str(terms.value("field", change.column)), words))))
        return texts

    def as_dict(self) -> dict[str, Any]:
        """Return the summary for JSON."""
        files = {
            name: {"file": side.name, "sha256": side.digest, "rows": side.rows, "yen": side.yen}
            for name, side in (("old", self.old), ("new", self.new))
        }
        totals = {result.value: dict(row) for result, row in self.totals.items()}
        controls = {name: control.as_dict() for name, control in self.controls.items()}
        return {**files, "totals": totals, "causes": [cause.as_dict() for cause in self.causes], "controls": controls}


def compare(
    old: str | Path | ArrowStreamExportable,
    new: str | Path | ArrowStreamExportable,
    mapping: ComparisonMap | None = None,
) -> Comparison:
    """Compare the rows of two tables by their key.

    Rows that are equal in the key and every compared column are ``same``. Of the others, the n-th row of a key in one
    file is compared with the n-th of the other (``different``); a row without such a partner is in one file only. So
    every row of both files is in exactly one result, also if keys are duplicate.

    Args:
        old: the results of the old system: a CSV (UTF-8 or cp932), a Parquet file or a table.
        new: those of Kokin, such as ``balances.csv`` or ``outcomes.csv``, in Kokin's columns.
        mapping: the columns; by default the balances of bills.

    Raises:
        InvalidInputError: a column is missing, a row cannot be read, or a value of yen is not a whole number.
        OSError: a file cannot be read.
    """
    mapping = mapping or ComparisonMap()
    old_rows, old_file = _read(old, mapping, is_old=True)
    new_rows, new_file = _read(new, mapping, is_old=False)
    old_pairs, new_pairs, same = _pair(old_rows, new_rows, mapping)
    only_old, only_new = _others(len(old_rows), old_pairs), _others(len(new_rows), new_pairs)
    rows_of = {
        ComparisonResult.SAME: (old_pairs[same], new_pairs[same]),
        ComparisonResult.DIFFERENT: (old_pairs[~same], new_pairs[~same]),
        ComparisonResult.ONLY_OLD: (only_old, only_new[:0]),
        ComparisonResult.ONLY_NEW: (only_old[:0], only_new),
    }
    yen = [to_numpy(table.column(mapping.yen_column), 0) for table in (old_rows, new_rows)]
    totals = {
        result: {
            **{f"{name}_rows": len(at) for name, at in zip(("old", "new"), rows, strict=True)},
            **{f"{name}_yen": int(side[at].sum()) for name, side, at in zip(("old", "new"), yen, rows, strict=True)},
        }
        for result, rows in rows_of.items()
    }
    causes, differences = _differences(old_rows, new_rows, rows_of, mapping)
    controls = _controls([old_file, new_file], totals)
    return Comparison(mapping, old_file, new_file, totals, causes, differences, controls)


def _controls(
    files: Sequence[ComparedFile], totals: Mapping[ComparisonResult, Mapping[str, int]]
) -> dict[str, Control]:
    """Return the equations of rows and yen of both files."""
    controls = {}
    for name, file in zip(("old", "new"), files, strict=True):
        for unit, left in (("rows", file.rows), ("yen", file.yen)):
            right = sum(row[f"{name}_{unit}"] for row in totals.values())
            statement = f"{name} {unit} = same + different + only {name}"
            controls[f"{name} {unit}"] = Control(f"{name} {unit}", statement, left, right)
    return controls


def _read(
    source: str | Path | ArrowStreamExportable, mapping: ComparisonMap, *, is_old: bool
) -> tuple[pa.Table, ComparedFile]:
    """Return the key and the compared columns of a file under Kokin's names, text or int64, none null."""
    name, digest = "", ""
    if isinstance(source, str | Path):
        name = file_name(source)
        with Path(source).open("rb") as file:
            digest = file_digest(file, "sha256").hexdigest()
    table = read_columns(source)
    used = {column: mapping.columns.get(column, column) if is_old else column for column in mapping.key_columns}
    used |= {column: mapping.columns.get(column, column) if is_old else column for column in mapping.compared}
    counts = Counter(table.column_names)
    issues = [
        Issue("FIELD_MISSING" if not counts[own] else "COLUMN_TWICE", field=own, location=Location(name))
        for own in used.values()
        if counts[own] != 1
    ]
    if issues:
        raise InvalidInputError(issues, "nothing was compared")
    columns = {}
    for column, own in used.items():
        texts = _texts(table.column(own))
        if is_old and column in mapping.values:
            texts = _translated(texts, mapping.values[column])
        if mapping.is_amount(column):
            columns[column] = _yen(texts, own, name)
        elif column in mapping.digits:
            padded = pc.utf8_lpad(texts, mapping.digits[column], "0")
            columns[column] = pc.if_else(bool_array(is_present(texts)), padded, texts)
        else:
            columns[column] = texts
    found = pa.table(columns)
    yen = int(pc.sum(found.column(mapping.yen_column)).as_py() or 0)
    return found, ComparedFile(name, digest, len(found), yen)


def _texts(column: pa.ChunkedArray) -> pa.Array:
    """Return any column as text without spaces around it; null becomes empty."""
    texts = combine(column)
    if pa.types.is_dictionary(texts.type):
        texts = texts.cast(texts.type.value_type)
    return pc.fill_null(pc.utf8_trim_whitespace(texts.cast(pa.string())), "")


def _translated(texts: pa.Array, values: Mapping[str, str]) -> pa.Array:
    """Return texts with the values of another system replaced by Kokin's."""
    coded = pc.dictionary_encode(texts)
    words = pa.array([values.get(word, word) for word in coded.dictionary.to_pylist()], pa.string())
    return words.take(coded.indices)


def _yen(texts: pa.Array, column: str, file: str) -> pa.Array:
    """Return texts as whole yen, an empty one as 0; commas between thousands are allowed.

    Raises:
        InvalidInputError: a text is something else.
    """
    digits = pc.replace_substring(texts, ",", "")
    digits = pc.if_else(pc.equal(digits, ""), "0", digits)
    invalid = np.flatnonzero(~to_mask(pc.match_substring_regex(digits, _YEN)))
    if len(invalid):
        expected = "whole yen, at most 11 digits"
        issues = [
            Issue("NOT_DIGITS", field=column, expected=expected, location=Location(file, row + 1))
            for row in invalid[:MAX_ISSUES].tolist()
        ]
        raise InvalidInputError(issues, "nothing was compared")
    return digits.cast(pa.int64())


# --- pairs of rows ----------------------------------------------------------------------------------------------------


def _codes(old: pa.Table, new: pa.Table, columns: Sequence[str]) -> tuple[Int64Array, Int64Array]:
    """Return a number for each row of both tables, equal for rows that are equal in some columns."""
    encoded = []
    for name in columns:
        values = pa.chunked_array([combine(old.column(name)), combine(new.column(name))])
        if pa.types.is_string(values.type):
            values = combine(values.dictionary_encode()).indices.cast(pa.int64())
        encoded.append(to_numpy(values, 0))
    numbers = group(*encoded)
    return numbers[: len(old)], numbers[len(old) :]


def _occurrence(numbers: Int64Array) -> Int64Array:
    """Return how many earlier rows have the number of each row: [7, 5, 7] gives [0, 0, 1]."""
    order = np.argsort(numbers, kind="stable")
    starts = np.flatnonzero(starts_of_runs(numbers[order])) if len(order) else order
    lengths = np.diff(np.append(starts, len(order)))
    occurrence = np.empty(len(order), np.int64)
    occurrence[order] = np.arange(len(order)) - np.repeat(starts, lengths)
    return occurrence


def _join(old: Int64Array, new: Int64Array) -> tuple[Int64Array, Int64Array]:
    """Return the rows of each pair: the n-th row with a number on one side, and the n-th on the other."""
    if not len(old) or not len(new):
        return old[:0], new[:0]
    both = group(np.concatenate([old, new]), np.concatenate([_occurrence(old), _occurrence(new)]))
    row_of = np.full(int(both.max()) + 1, -1)
    row_of[both[len(old) :]] = np.arange(len(new))
    partner = row_of[both[: len(old)]]
    rows = np.flatnonzero(partner >= 0)
    return rows, partner[rows]


def _others(count: int, rows: Int64Array) -> Int64Array:
    """Return the rows from 0 to ``count`` that are not in ``rows``, ascending: int64 (k,)."""
    is_other = np.ones(count, np.bool_)
    is_other[rows] = False
    return np.flatnonzero(is_other)


def _pair(old: pa.Table, new: pa.Table, mapping: ComparisonMap) -> tuple[Int64Array, Int64Array, BoolArray]:
    """Return the old row, the new row, and whether they are the same, of each pair: (k,) each."""
    if not len(old) + len(new):
        empty = np.empty(0, np.int64)
        return empty, empty, empty.astype(np.bool_)
    same_old, same_new = _join(*_codes(old, new, (*mapping.key_columns, *mapping.compared)))
    rest_old, rest_new = _others(len(old), same_old), _others(len(new), same_new)
    key_old, key_new = _codes(old, new, mapping.key_columns)
    other_old, other_new = _join(key_old[rest_old], key_new[rest_new])
    pairs_old = np.concatenate([same_old, rest_old[other_old]])
    pairs_new = np.concatenate([same_new, rest_new[other_new]])
    return pairs_old, pairs_new, np.arange(len(pairs_old)) < len(same_old)


# --- causes -----------------------------------------------------------------------------------------------------------


def _differences(
    old: pa.Table,
    new: pa.Table,
    rows_of: Mapping[ComparisonResult, tuple[Int64Array, Int64Array]],
    mapping: ComparisonMap,
) -> tuple[list[Cause], pa.Table]:
    """Return the causes, and the table of differences."""
    parts, causes = [], list[Cause]()
    for result, (old_rows, new_rows) in rows_of.items():
        if result is ComparisonResult.SAME or not len(old_rows) + len(new_rows):
            continue
        sides = old.take(int64_array(old_rows)), new.take(int64_array(new_rows))
        found, text = _causes(result, *sides, mapping)
        causes += found
        key = sides[1] if result is ComparisonResult.ONLY_NEW else sides[0]
        columns = {"result": pa.repeat(result.value, len(key)), "cause": text}
        columns |= {name: key.column(name) for name in mapping.key_columns}
        for name in mapping.compared:
            for side, label in zip(sides, ("old", "new"), strict=True):
                missing = pa.nulls(len(key), side.schema.field(name).type)
                columns[f"{name}_{label}"] = side.column(name) if len(side) else missing
        parts.append(pa.table(columns))
    causes.sort(key=lambda cause: (-abs(cause.new_yen - cause.old_yen), -cause.rows, cause.result, cause.text))
    if not parts:
        return causes, _empty(old, mapping)
    order = [(name, "ascending") for name in (*mapping.key_columns, "result", "cause")]
    return causes, pa.concat_tables(parts).sort_by(order).combine_chunks()


def _empty(old: pa.Table, mapping: ComparisonMap) -> pa.Table:
    """Return the table of differences without rows."""
    fields = [("result", pa.string()), ("cause", pa.string())]
    fields += [(name, old.schema.field(name).type) for name in mapping.key_columns]
    fields += [(f"{name}_{side}", old.schema.field(name).type) for name in mapping.compared for side in ("old", "new")]
    return pa.schema(fields).empty_table()


def _causes(
    result: ComparisonResult, old: pa.Table, new: pa.Table, mapping: ComparisonMap
) -> tuple[list[Cause], pa.Array]:
    """Return the causes of the rows of one result, and the text of the cause of each row."""
    codes, changes = [], []
    for name in mapping.compared:
        code, names = _changes(name, result, old, new, mapping)
        codes.append(code)
        changes.append(names)
    numbers = group(*codes)
    first = first_of_groups(numbers)
    count = len(first)
    yen = [np.zeros(count, np.int64) for _ in range(2)]
    for total, side in zip(yen, (old, new), strict=True):
        if len(side):
            np.add.at(total, numbers, to_numpy(side.column(mapping.yen_column), 0))
    rows = np.bincount(numbers, minlength=count)
    causes = []
    for at in range(count):
        found = (names.get(int(code[first[at]])) for code, names in zip(codes, changes, strict=True))
        changed = tuple(change for change in found if change)
        causes.append(Cause(result, changed, int(rows[at]), int(yen[0][at]), int(yen[1][at])))
    return causes, pa.array([cause.text for cause in causes], pa.string()).take(int64_array(numbers))


def _changes(
    name: str, result: ComparisonResult, old: pa.Table, new: pa.Table, mapping: ComparisonMap
) -> tuple[Int64Array, dict[int, Change]]:
    """Return a code for how a column differs in each row, 0 for not at all, and the change of each code."""
    if result is not ComparisonResult.DIFFERENT:
        column = (old if result is ComparisonResult.ONLY_OLD else new).column(name)
        if not mapping.is_coded(name):
            return np.zeros(len(column), np.int64), {}
        coded = combine(column.dictionary_encode())
        if len(coded.dictionary) > _MAX_VALUES:
            return np.zeros(len(column), np.int64), {}
        words = coded.dictionary.to_pylist()
        return to_numpy(coded.indices, 0) + 1, {at: Change(name, "", word) for at, word in enumerate(words, 1)}
    left, right = old.column(name), new.column(name)
    if mapping.is_amount(name):
        sign = np.sign(to_numpy(right, 0) - to_numpy(left, 0))
        return np.where(sign < 0, 2, sign), {1: Change(name, "", "more"), 2: Change(name, "", "less")}
    differs = to_mask(combine(pc.not_equal(left, right)))
    if mapping.is_coded(name):
        encoded = combine(pa.chunked_array([combine(left), combine(right)]).dictionary_encode())
        words, indices = encoded.dictionary.to_pylist(), to_numpy(encoded.indices, 0)
        if len(words) <= _MAX_VALUES:
            pair = indices[: len(left)] * len(words) + indices[len(left) :] + 1
            names = {
                before * len(words) + after + 1: Change(name, words[before] or "(empty)", words[after] or "(empty)")
                for before in range(len(words))
                for after in range(len(words))
            }
            return np.where(differs, pair, 0), names
    return differs.astype(np.int64), {1: Change(name, "", "")}
