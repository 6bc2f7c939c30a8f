"""What the columnar twins take: columns of yen and days in any of the usual forms, as numpy arrays of one length."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt

from kokin.issues import InvalidInputError, Issue, Location, from_table
from kokin.model import Date, Yen
from kokin.rules._checks import MOST_YEN
from kokin.rules._periods import DATE_BOUNDS
from kokin.text import require_date

Column: TypeAlias = Any
Ints: TypeAlias = npt.NDArray[np.int64]
Days: TypeAlias = npt.NDArray[np.datetime64]
Flags: TypeAlias = npt.NDArray[np.bool_]

DAY, MONTH = np.timedelta64(1, "D"), np.timedelta64(1, "M")

_FIRST, _LAST = np.datetime64(date.min, "D"), np.datetime64(date.max, "D")

#: Represents a day that never comes: later than every date.
NEVER = _LAST + DAY

# The rows that an error names.
_MAX_ISSUES = 20


_NOTHING: Mapping[str, Column] = {}


def take(
    *,
    yen: Mapping[str, Column] = _NOTHING,
    days: Mapping[str, Column] = _NOTHING,
    days_or_never: Mapping[str, Column] = _NOTHING,
) -> tuple[npt.NDArray[Any], ...]:
    """Named columns as numpy arrays of one length, in the order given; a single value is repeated.

    ``yen``: whole numbers from 0, int64 (n). ``days``: datetime64[D] (n). ``days_or_never``: the same with
    :data:`NEVER` for nulls, and for a whole column that is ``None``.

    Raises:
        InvalidInputError: a value of the wrong type or outside its range, a null, or columns of unequal length.
    """
    columns: dict[str, npt.NDArray[Any]] = {name: _yen(name, column) for name, column in yen.items()}
    columns |= {name: _days(name, column) for name, column in days.items()}
    columns |= {name: _days_or_never(name, column) for name, column in days_or_never.items()}
    lengths = {name: len(column) for name, column in columns.items()}
    wanted = 0 if 0 in lengths.values() else max(lengths.values())
    odd = [
        Issue("COLUMN_LENGTH", field=name, expected=str(wanted), found=str(n))
        for name, n in lengths.items()
        if n not in (1, wanted)
    ]
    if odd:
        raise InvalidInputError(odd)
    return tuple(np.broadcast_to(column, wanted) for column in columns.values())


def refuse(code: str, field: str, rows: Flags, expected: str = "", found: npt.NDArray[Any] | None = None) -> None:
    """Raise for the rows that are marked, if there are any."""
    marked = np.flatnonzero(rows)
    if marked.size:
        issues = [
            Issue(
                code,
                field=field,
                expected=expected,
                found="" if found is None else str(found[row]),
                location=Location(record=int(row) + 1),
            )
            for row in marked[:_MAX_ISSUES]
        ]
        raise _refused(issues, marked.size)


def _refused(issues: list[Issue], rows: int | None = None) -> InvalidInputError:
    return InvalidInputError(issues[:_MAX_ISSUES], f"{rows or len(issues)} rows refused")


def _yen(name: str, column: Column) -> Ints:
    if _speaks_arrow(column):
        return _from_arrow(name, column, Yen(0, MOST_YEN))
    values = _one_dimension(name, np.asarray(column))
    if values.dtype.kind not in "iu":
        raise InvalidInputError([Issue("FIELD_TYPE", field=name, expected="int64", found=str(values.dtype))])
    refuse("AMOUNT_RANGE", name, (values < 0) | (values > MOST_YEN), f"0 to {MOST_YEN}", values)
    return values.astype(np.int64, copy=False)


def _days(name: str, column: Column) -> Days:
    values = _days_or_never(name, column)
    refuse("FIELD_MISSING", name, values == NEVER)
    return values


def _days_or_never(name: str, column: Column) -> Days:
    if column is None:
        return np.atleast_1d(NEVER)
    if isinstance(column, date):
        column = np.array(require_date(name, column), "datetime64[D]")
    values = _from_arrow(name, column, Date()) if _speaks_arrow(column) else _one_dimension(name, np.asarray(column))
    if values.dtype.kind != "M":
        raise InvalidInputError([Issue("FIELD_TYPE", field=name, expected="datetime64[D]", found=str(values.dtype))])
    days = values.astype("datetime64[D]", copy=False)
    never = np.isnat(days)
    refuse("DATE_INVALID", name, ~never & (days != values), "a day without a time", values)
    refuse("DATE_RANGE", name, ~never & ((days < _FIRST) | (days > _LAST)), DATE_BOUNDS, days)
    return np.where(never, NEVER, days)


def within_dates(field: str, days: Days) -> Days:
    """The days of a result, all of which a ``date`` can be."""
    refuse("DATE_RANGE", field, (days < _FIRST) | (days > _LAST), DATE_BOUNDS)
    return days


def _one_dimension(name: str, values: npt.NDArray[Any]) -> npt.NDArray[Any]:
    if values.ndim > 1:
        raise InvalidInputError(
            [Issue("FIELD_TYPE", field=name, expected="one dimension", found=f"{values.ndim} dimensions")]
        )
    return np.atleast_1d(values)


def _speaks_arrow(column: Column) -> bool:
    return hasattr(column, "__arrow_c_array__") or hasattr(column, "__arrow_c_stream__")


def _from_arrow(name: str, column: Column, rule: Yen | Date) -> npt.NDArray[Any]:
    """An Arrow column of yen or days as numpy has it, int64 or datetime64[D]; a day that is null becomes ``NaT``."""
    import pyarrow as pa

    from kokin._arrow import IssueBuilder, combine, field_column, is_valid, normalize_column, to_numpy, type_issue

    wanted = pa.int64() if isinstance(rule, Yen) else pa.date32()
    given = pa.chunked_array([column]) if isinstance(column, pa.Array) else pa.chunked_array(column)
    values = normalize_column(given, wanted)
    if values is None:
        raise InvalidInputError([type_issue(name, wanted, given.type)])
    problems = IssueBuilder(1, np.zeros(len(values), np.bool_))
    checked = field_column(combine(values), rule, name, problems, required=isinstance(rule, Yen))
    if problems.has_error.any():
        raise _refused(from_table(problems.table()))
    days = to_numpy(checked, 0).astype(np.int64)
    return days if isinstance(rule, Yen) else np.where(is_valid(checked), days, _NAT).view("datetime64[D]")


_NAT = np.iinfo(np.int64).min
