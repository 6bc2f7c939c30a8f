"""The result of reading a file, the same for bills and receipts, and issues as an Arrow table."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from html import escape
from typing import TYPE_CHECKING, Generic, TypeVar

from kokin.issues._issue import Issue, Location

if TYPE_CHECKING:
    import pyarrow as pa

T = TypeVar("T")

#: The columns of an issue table: ``code, severity, field, file, record, byte, expected, found``.
ISSUE_COLUMNS = ("code", "severity", "field", "file", "record", "byte", "expected", "found")

# The issues that a notebook shows; the rest is in `.issues`.
_MAX_HTML_ROWS = 10


@dataclass(frozen=True, slots=True)
class ReadResult(Generic[T]):
    """The accepted records of a file, all issues, and the counts.

    It is an Arrow stream itself (``__arrow_c_stream__``), so it can be passed wherever a table is accepted.
    """

    table: pa.Table
    """The accepted records."""
    issues: Sequence[Issue]
    """Every issue, errors of rejected records and warnings alike."""
    totals: T
    """Counts of records: ``read = accepted + rejected``, for receipts also ``+ unpaid``."""

    def __arrow_c_stream__(self, requested_schema: object = None) -> object:
        """Return the accepted records as an Arrow C stream."""
        return self.table.__arrow_c_stream__(requested_schema)

    def __len__(self) -> int:
        return int(self.table.num_rows)

    def _repr_html_(self) -> str:
        """Return a summary for a notebook: the counts and the first issues, without any record or personal name."""
        counts = getattr(self.totals, "as_dict", dict)() or {"accepted": len(self)}
        summary = ", ".join(f"{name} {count:,}" for name, count in counts.items() if isinstance(count, int))
        lines = [issue.describe() for issue in self.issues[:_MAX_HTML_ROWS]]
        if len(self.issues) > _MAX_HTML_ROWS:
            lines.append(f"... and {len(self.issues) - _MAX_HTML_ROWS} more in .issues")
        items = "".join(f"<li>{escape(line)}</li>" for line in lines)
        return f"<p>{escape(summary)}</p>" + (f"<ul>{items}</ul>" if items else "")


def issue_schema() -> pa.Schema:
    """Return the Arrow schema of a table of issues: :data:`ISSUE_COLUMNS`, int64 for ``record`` and ``byte``."""
    import pyarrow as pa

    return pa.schema([(name, pa.int64() if name in ("record", "byte") else pa.string()) for name in ISSUE_COLUMNS])


def to_table(issues: Iterable[Issue]) -> pa.Table:
    """Return issues as a table with :data:`ISSUE_COLUMNS`; ``record`` and ``byte`` are int64 and nullable."""
    import pyarrow as pa

    rows = [
        (i.code, i.severity.value, i.field, i.location.file, i.location.record, i.location.byte, i.expected, i.found)
        for i in issues
    ]
    schema = issue_schema()
    columns = list(zip(*rows, strict=True)) if rows else [()] * len(ISSUE_COLUMNS)
    arrays = [pa.array(list(column), kind) for column, kind in zip(columns, schema.types, strict=True)]
    return pa.table(arrays, schema=schema)


def from_table(table: pa.Table) -> list[Issue]:
    """Return the rows of an issue table as objects."""
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
