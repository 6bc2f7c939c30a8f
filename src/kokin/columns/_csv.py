"""Tables as CSV: plain where no value needs a quote, so that it reads well and is written fast."""

from __future__ import annotations

from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv as pa_csv

_STRUCTURAL = '[",\r\n]'


def write_csv(table: pa.Table, path: Path) -> None:
    """A table as CSV in UTF-8, with LF and a header row; a null is empty.

    Either no text is quoted, or, where one of them has a quote, a comma or a newline inside, all are.
    """
    plain = not any(_needs_quotes(column) for column in table.columns)
    options = pa_csv.WriteOptions(include_header=False, quoting_style="none" if plain else "needed")
    # pyarrow writes what lies in its buffer for a batch of no rows, so such a batch must not reach it.
    batches = [batch for batch in table.to_batches() if len(batch)]
    with path.open("wb") as file:
        file.write(",".join(table.column_names).encode() + b"\n")
        if batches:
            pa_csv.write_csv(pa.Table.from_batches(batches), file, options)


def _needs_quotes(column: pa.ChunkedArray) -> bool:
    if pa.types.is_dictionary(column.type):
        column = pa.chunked_array([chunk.dictionary for chunk in column.chunks], column.type.value_type)
    if not (pa.types.is_string(column.type) or pa.types.is_large_string(column.type)):
        return False
    return bool(pc.any(pc.match_substring_regex(column, _STRUCTURAL)).as_py())
