"""Issues as an Arrow table, for batches in which a million rows may be wrong."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

from kokin.issues._issue import Issue, Location

if TYPE_CHECKING:
    import pyarrow as pa

#: The columns of an issue table: ``code, severity, field, file, record, byte, expected, found``.
ISSUE_COLUMNS = ("code", "severity", "field", "file", "record", "byte", "expected", "found")


def to_table(issues: Iterable[Issue]) -> pa.Table:
    """Issues as a table with :data:`ISSUE_COLUMNS`; ``record`` and ``byte`` are int64 and may be null."""
    import pyarrow as pa

    schema = pa.schema([(name, pa.int64() if name in ("record", "byte") else pa.string()) for name in ISSUE_COLUMNS])
    rows = [
        (
            issue.code,
            issue.severity.value,
            issue.field,
            issue.location.file,
            issue.location.record,
            issue.location.byte,
            issue.expected,
            issue.found,
        )
        for issue in issues
    ]
    columns = list(zip(*rows, strict=True)) if rows else [()] * len(ISSUE_COLUMNS)
    return pa.table(
        [pa.array(list(column), kind) for column, kind in zip(columns, schema.types, strict=True)], schema=schema
    )


def from_table(table: pa.Table) -> list[Issue]:
    """The rows of an issue table as objects."""
    return [
        Issue(
            row["code"],
            field=row["field"],
            expected=row["expected"],
            found=row["found"],
            location=Location(row["file"], row["record"], row["byte"]),
        )
        for row in table.to_pylist()
    ]
