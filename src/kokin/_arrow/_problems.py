"""The problems of a batch, kept as columns: a million bad rows are a few arrays, not a million objects."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pyarrow as pa

from kokin._arrow._arrow import BoolArray, Int64Array, int64_array
from kokin.issues import ISSUE_CODES, ISSUE_COLUMNS


@dataclass
class IssueBuilder:
    """Problems of one stretch of rows, in the order of the fields.

    ``first`` is the record number of row 0; ``refused`` marks the rows that have an error; ``file`` is told with each.
    """

    first: int
    refused: BoolArray
    file: str = ""
    _blocks: list[tuple[str, str, int | Int64Array | None, Int64Array, Any, Any]] = field(default_factory=list)

    def add(
        self,
        code: str,
        name: str,
        rows: BoolArray,
        expected: str | pa.Array = "",
        found: str | pa.Array = "",
        byte: int | Int64Array | None = None,
    ) -> None:
        """One problem of the rows that are marked; what it tells is one value, or one per *marked* row."""
        where = np.flatnonzero(rows)
        if where.size:
            self._blocks.append((code, name, byte, where, expected, found))
            if ISSUE_CODES[code].severity == "error":
                self.refused[where] = True

    def table(self) -> pa.Table:
        """The problems with ``ISSUE_COLUMNS``, by record and within a record in the order in which they were added."""
        blocks = []
        for code, name, byte, where, expected, found in self._blocks:
            count = len(where)
            columns = {
                "code": code,
                "severity": ISSUE_CODES[code].severity.value,
                "field": name,
                "file": self.file,
                "record": int64_array(where + self.first),
                "byte": pa.nulls(count, pa.int64()) if byte is None else int64_array(np.broadcast_to(byte, count)),
                "expected": expected,
                "found": found,
            }
            filled = [
                pa.repeat(pa.scalar(column), count) if isinstance(column, str) else column
                for column in (columns[name] for name in ISSUE_COLUMNS)
            ]
            blocks.append(pa.table(filled, schema=issue_schema()))
        if not blocks:
            return pa.Table.from_batches([], issue_schema())
        order = np.argsort(np.concatenate([where for *_, where, _, _ in self._blocks]), kind="stable")
        return pa.concat_tables(blocks).take(int64_array(order))


def issue_schema() -> pa.Schema:
    """The types of ``ISSUE_COLUMNS``."""
    return pa.schema([(name, pa.int64() if name in ("record", "byte") else pa.string()) for name in ISSUE_COLUMNS])
