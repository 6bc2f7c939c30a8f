"""Rows of a table that a person has filled in: checked as records, and each problem with the location of its row."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from operator import itemgetter
from typing import Any, TypeAlias

from kokin._arrow.convert import as_table
from kokin._arrow.validate import validate_records, validate_table
from kokin.issues import InvalidInputError, Issue, Location
from kokin.model import Record
from kokin.reconcile import Policy

#: The fields of a row by name, and its number from 1 as ``row``.
Row: TypeAlias = dict[str, Any]
#: Issues, each with the number of its row.
Problems: TypeAlias = Iterator[tuple[int, Issue]]


def checked_rows(table: Any, record: type[Record], place: Callable[[int], Location], summary: str) -> list[Row]:
    """Return the rows of a table with all fields of a record.

    Args:
        table: a table with the columns of the record.
        record: the record of its rows.
        place: returns the location of a row by its number, from 1.
        summary: what was not done, for the error.

    Raises:
        InvalidInputError: not such a table, or a row is invalid.
    """
    columns = validate_table(as_table(table), record, place=place)
    numbers = range(1, len(columns) + 1)
    if issues := list(validate_records(columns, numbers, record, place)):
        raise InvalidInputError(issues, summary)
    absent: Row = dict.fromkeys(record.model_fields)
    return [{**absent, **row, "row": number} for number, row in zip(numbers, columns.to_pylist(), strict=True)]


def require_none(problems: Iterable[tuple[int, Issue]], place: Callable[[int], Location], summary: str) -> None:
    """Raise InvalidInputError with the problems in the order of the rows, if there are any."""
    if issues := [issue.with_location(place(number)) for number, issue in sorted(problems, key=itemgetter(0))]:
        raise InvalidInputError(issues, summary)


def approver_problems(rows: Sequence[Row], actor: str, policy: Policy) -> Problems:
    """Yield the problems of approvers (四つの目)."""
    for row in rows:
        if row["approver"] is None and policy.four_eyes:
            yield row["row"], Issue("FIELD_MISSING", field="approver", expected="another person than the actor")
        elif row["approver"] is not None and row["approver"].strip() == actor.strip():
            yield row["row"], Issue("APPROVER_SAME", field="approver", found=row["approver"])
