"""Tables as CSV that a spreadsheet opens without running anything."""

from __future__ import annotations

from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc

from kokin.columns import write_csv as write_plain

# A cell that begins so is a formula to a spreadsheet. Control characters are refused where bills and receipts are read.
_FORMULA = r"^[=+\-@]"


def write_csv(table: pa.Table, path: Path) -> None:
    """A table as :func:`kokin.columns.write_csv` writes it, an apostrophe before a text that looks like a formula."""
    columns = {name: _defused(table[name]) for name in table.column_names}
    write_plain(pa.table(columns), path)


def _defused(column: pa.ChunkedArray) -> pa.ChunkedArray:
    if pa.types.is_dictionary(column.type):
        column = column.cast(column.type.value_type)
    if not (pa.types.is_string(column.type) or pa.types.is_large_string(column.type)):
        return column
    dangerous = pc.match_substring_regex(column, _FORMULA)
    if not pc.any(dangerous).as_py():
        return column
    return pc.if_else(pc.fill_null(dangerous, False), pc.binary_join_element_wise("'", column, ""), column)
