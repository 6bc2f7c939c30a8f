"""Tables as CSV that a spreadsheet opens without running anything."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from kokin.columns import text_buffers
from kokin.columns import write_csv as write_plain

# A cell that begins so is a formula to a spreadsheet. Control characters are refused where bills and receipts are read.
_FORMULA = np.frombuffer(b"=+-@", np.uint8)


def write_csv(table: pa.Table, path: Path) -> None:
    """A table as :func:`kokin.columns.write_csv` writes it, an apostrophe before a text that looks like a formula."""
    columns = {name: _defused(table[name]) for name in table.column_names}
    write_plain(pa.table(columns), path)


def _defused(column: pa.ChunkedArray) -> pa.ChunkedArray:
    if pa.types.is_dictionary(column.type):
        column = column.cast(column.type.value_type)
    if not pa.types.is_string(column.type) or not any(_has_formula(chunk) for chunk in column.chunks):
        return column
    dangerous = pc.fill_null(pc.match_substring_regex(column, "^[=+@-]"), False)
    return pc.if_else(dangerous, pc.binary_join_element_wise("'", column, ""), column)


def _has_formula(texts: pa.Array) -> bool:
    """Whether any text begins like a formula; asked of first bytes, because it hardly ever does."""
    offsets, letters = text_buffers(texts)
    first = offsets[:-1][np.diff(offsets) > 0]
    return bool(np.isin(letters[first], _FORMULA).any())
