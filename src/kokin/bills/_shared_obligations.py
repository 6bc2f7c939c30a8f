"""Slips of a file that were meant to share an obligation (調定) and do not: a check of all of its batches together."""

from __future__ import annotations

import pyarrow as pa

from kokin._arrow.convert import combine, int64_array
from kokin.bills._check import BillBatch
from kokin.issues import Issue, Location
from kokin.matching import find_not_shared

_COLUMNS = ("bill_id", "payee_code", "obligation_id", "covers")


class SharedObligations:
    """Collects the bills of a file, of which it keeps four columns if there is an ``obligation_id``."""

    def __init__(self, file: str = "") -> None:
        self._file = file
        self._tables: list[pa.Table] = []
        self._records: list[pa.Array] = []

    def add(self, batch: BillBatch) -> None:
        """Add the next batch."""
        names = batch.table.column_names
        if "obligation_id" in names:
            self._tables.append(batch.table.select([name for name in _COLUMNS if name in names]))
            self._records.append(batch.row_numbers)

    def issues(self) -> list[Issue]:
        """Return a warning for each slip whose ``obligation_id`` is the ``bill_id`` of a slip without one."""
        if not self._tables:
            return []
        bills, records = pa.concat_tables(self._tables), combine(pa.chunked_array(self._records))
        rows = int64_array(find_not_shared(bills))
        found = zip(records.take(rows).to_pylist(), bills.column("obligation_id").take(rows).to_pylist(), strict=True)
        return [not_shared(bill_id, Location(self._file, record)) for record, bill_id in found]


def not_shared(bill_id: str, location: Location) -> Issue:
    """Return the warning that a slip without ``obligation_id`` does not share the debt of those that name it."""
    return Issue("OBLIGATION_NOT_SHARED", field="obligation_id", found=bill_id, location=location)
