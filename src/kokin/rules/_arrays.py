"""Columns of yen and dates as numpy arrays of one length: the checked arguments of :mod:`kokin.rules.columns`."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt

from kokin.issues import InvalidInputError, Issue, Location, from_table
from kokin.model import Date, Yen
from kokin.rules._arguments import DATE_BOUNDS, MAX_YEN
from kokin.text import require_date

# A numpy array, an Arrow array or stream (`__arrow_c_array__`, `__arrow_c_stream__`), a sequence, or a single value.
Column: TypeAlias = Any
Ints: TypeAlias = npt.NDArray[np.int64]
Days: TypeAlias = npt.NDArray[np.datetime64]
Flags: TypeAlias = npt.NDArray[np.bool_]

DAY, MONTH = np.timedelta64(1, "D"), np.timedelta64(1, "M")

_FIRST_DATE, _LAST_DATE = np.datetime64(date.min, "D"), np.datetime64(date.max, "D")

#: Null in a column of days: one day after the last date, so that comparisons need no mask.
NO_DATE = _LAST_DATE + DAY

# Rows that one error names.
_MAX_ISSUES = 20

_NO_COLUMNS: Mapping[str, Column] = {}
_NAT = np.iinfo(np.int64).min


def as_arrays(
    *,
    yen: Mapping[str, Column] = _NO_COLUMNS,
    days: Mapping[str, Column] = _NO_COLUMNS,
    days_or_null: Mapping[str, Column] = _NO_COLUMNS,
) -> tuple[npt.NDArray[Any], ...]:
    """Return named columns as numpy arrays of one length, in the order of the arguments; a single value is broadcast.

    ``yen``: whole numbers from 0, int64 (n). ``days``: datetime64[D] (n). ``days_or_null``: the same with
    :data:`NO_DATE` for nulls, and for a whole column that is ``None``.

    Raises:
        InvalidInputError: a value of another type or outside its range, a null, or columns of unequal length.
    """
    columns: dict[str, npt.NDArray[Any]] = {name: _yen(name, column) for name, column in yen.items()}
    columns |= {name: _days(name, column) for name, column in days.items()}
    columns |= {name: _days_or_null(name, column) for name, column in days_or_null.items()}
    lengths = {name: len(column) for name, column in columns.items()}
    length = 0 if 0 in lengths.values() else max(lengths.values())
    issues = [
        Issue("COLUMN_LENGTH", field=name, expected=str(length), found=str(n))
        for name, n in lengths.items()
        if n not in (1, length)
    ]
    if issues:
        raise InvalidInputError(issues)
    return tuple(np.broadcast_to(column, length) for column in columns.values())


def raise_for_rows(
    code: str, field: str, rows: Flags, expected: str | npt.NDArray[Any] = "", found: npt.NDArray[Any] | None = None
) -> None:
    """Raise :class:`InvalidInputError` if a row of the mask ``rows`` is True; its issues name the first 20 rows.

    ``expected`` is one text, or one value per row like ``found``.
    """
    numbers = np.flatnonzero(rows)
    if numbers.size:
        issues = [
            Issue(
                code,
                field=field,
                expected=expected if isinstance(expected, str) else str(expected[row]),
                found="" if found is None else str(found[row]),
                location=Location(record=int(row) + 1),
            )
            for row in numbers[:_MAX_ISSUES]
        ]
        raise _invalid_rows(issues, numbers.size)


def raise_for_dates(field: str, days: Days) -> Days:
    """Return the days of a result; raise :class:`InvalidInputError` if one is outside the range of ``date``."""
    raise_for_rows("DATE_RANGE", field, (days < _FIRST_DATE) | (days > _LAST_DATE), DATE_BOUNDS)
    return days


def _invalid_rows(issues: list[Issue], rows: int | None = None) -> InvalidInputError:
    return InvalidInputError(issues[:_MAX_ISSUES], f"{rows or len(issues)} invalid rows")


def _yen(name: str, column: Column) -> Ints:
    if _is_arrow(column):
        return _from_arrow(name, column, Yen(0, MAX_YEN))
    values = _one_dimension(name, np.asarray(column))
    if values.dtype.kind not in "iu":
        raise InvalidInputError([Issue("FIELD_TYPE", field=name, expected="int64", found=str(values.dtype))])
    raise_for_rows("AMOUNT_RANGE", name, (values < 0) | (values > MAX_YEN), f"0 to {MAX_YEN}", values)
    return values.astype(np.int64, copy=False)


def _days(name: str, column: Column) -> Days:
    values = _days_or_null(name, column)
    raise_for_rows("FIELD_MISSING", name, values == NO_DATE)
    return values


def _days_or_null(name: str, column: Column) -> Days:
    if column is None:
        return np.atleast_1d(NO_DATE)
    if isinstance(column, date):
        column = np.array(require_date(name, column), "datetime64[D]")
    values = _from_arrow(name, column, Date()) if _is_arrow(column) else _one_dimension(name, np.asarray(column))
    if values.dtype.kind != "M":
        raise InvalidInputError([Issue("FIELD_TYPE", field=name, expected="datetime64[D]", found=str(values.dtype))])
    days = values.astype("datetime64[D]", copy=False)
    null = np.isnat(days)
    raise_for_rows("DATE_INVALID", name, ~null & (days != values), "a day without a time", values)
    raise_for_rows("DATE_RANGE", name, ~null & ((days < _FIRST_DATE) | (days > _LAST_DATE)), DATE_BOUNDS, days)
    return np.where(null, NO_DATE, days)


def _one_dimension(name: str, values: npt.NDArray[Any]) -> npt.NDArray[Any]:
    if values.ndim > 1:
        found = f"{values.ndim} dimensions"
        raise InvalidInputError([Issue("FIELD_TYPE", field=name, expected="one dimension", found=found)])
    return np.atleast_1d(values)


def _is_arrow(column: Column) -> bool:
    return hasattr(column, "__arrow_c_array__") or hasattr(column, "__arrow_c_stream__")


def _from_arrow(name: str, column: Column, rule: Yen | Date) -> npt.NDArray[Any]:
    """Return an Arrow column of yen or days as int64 or datetime64[D]; a null day becomes ``NaT``."""
    import pyarrow as pa

    from kokin._arrow.column_checks import IssueBuilder
    from kokin._arrow.convert import combine, is_valid, to_numpy
    from kokin._arrow.normalize import normalize_column, type_issue
    from kokin._arrow.validate import field_column

    arrow_type = pa.int64() if isinstance(rule, Yen) else pa.date32()
    chunked = pa.chunked_array([column]) if isinstance(column, pa.Array) else pa.chunked_array(column)
    values = normalize_column(chunked, arrow_type)
    if values is None:
        raise InvalidInputError([type_issue(name, arrow_type, chunked.type)])
    problems = IssueBuilder(1, np.zeros(len(values), np.bool_))
    checked = field_column(combine(values), rule, name, problems, required=isinstance(rule, Yen))
    if problems.has_error.any():
        raise _invalid_rows(from_table(problems.table()))
    days = to_numpy(checked, 0).astype(np.int64)
    return days if isinstance(rule, Yen) else np.where(is_valid(checked), days, _NAT).view("datetime64[D]")
