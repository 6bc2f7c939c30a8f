"""What reading a file returns, the same for bills and receipts."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Generic, TypeVar

from kokin.issues._issue import Issue

if TYPE_CHECKING:
    import pyarrow as pa

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class ReadResult(Generic[T]):
    """The accepted records of a file, with everything that was found in it.

    It is an Arrow stream itself (``__arrow_c_stream__``), so it can be passed wherever a table is accepted.
    """

    table: pa.Table
    """The accepted records."""
    issues: Sequence[Issue]
    """Every issue, errors of rejected records and warnings alike."""
    totals: T
    """Counts of records: ``read = accepted + rejected``, for receipts also ``+ unpaid``."""

    def __arrow_c_stream__(self, requested_schema: object = None) -> object:
        """The accepted records as an Arrow C stream."""
        return self.table.__arrow_c_stream__(requested_schema)

    def __len__(self) -> int:
        return int(self.table.num_rows)
