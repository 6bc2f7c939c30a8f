"""Read the inputs of the matching benchmark into Arrow tables, for the core and for peers without a reader."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv as pa_csv
import pyarrow.parquet as pq
from matching_city import FIELDS, RECORD

KEY = ["payee_code", "item_code", "case_key", "confirmation"]
ORDER = ["paid_on", "received_on", "record_no"]
OUTCOME = [
    "record_no",
    "outcome",
    "bill_id",
    "payee_code",
    "item_code",
    "case_key",
    "amount",
    "applied",
    "excess",
    "balance_before",
]
DAY = {"paid_on", "received_on"}


def fixed_columns(folder: Path) -> dict[str, pa.Array]:
    """Return the fields of the fixed-length file as Arrow strings, sliced by numpy."""
    rows = np.fromfile(folder / "receipts.dat", np.uint8).reshape(-1, RECORD)
    columns = {}
    for name, (start, end) in FIELDS.items():
        letters = np.ascontiguousarray(rows[:, start:end])
        kind = pa.binary(end - start)
        columns[name] = (
            pa.Array.from_buffers(kind, len(rows), [None, pa.py_buffer(letters)]).cast(pa.binary()).view(pa.string())
        )
    return columns


def arrow_receipts(folder: Path) -> pa.Table:
    """Return the receipts with a valid key and amount, computed with Arrow's kernels."""
    table = pa.table(fixed_columns(folder))
    numbers = np.arange(1, len(table) + 1)
    table = table.append_column(
        "record_no", pa.Array.from_buffers(pa.int64(), len(table), [None, pa.py_buffer(numbers)])
    )
    valid = pc.utf8_is_digit(table["amount"])
    for name in KEY:
        valid = pc.and_(valid, pc.ascii_is_decimal(table[name]))
    table = table.filter(valid)
    for name in DAY:
        days = pc.strptime(table[name], "%Y%m%d", "s", error_is_null=True).cast(pa.date32())
        table = table.set_column(table.schema.get_field_index(name), name, days)
    amount = pc.cast(pc.utf8_ltrim(table["amount"], "0"), pa.int64())
    return table.set_column(table.schema.get_field_index("amount"), "amount", amount)


def arrow_bills(folder: Path, form: str) -> pa.Table:
    """Return the bills, read with Arrow's readers."""
    if form == "csv":
        types = {name: pa.string() for name in ["bill_id", *KEY]}
        return pa_csv.read_csv(folder / "bills.csv", convert_options=pa_csv.ConvertOptions(column_types=types))
    return pq.read_table(folder / "bills.parquet")
