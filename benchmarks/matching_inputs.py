"""Read the inputs of the matching benchmark into Arrow tables for the core, and the part of it that peers share."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
from matching_city import FIELDS, FILES, RECORD

KEY = ["payee_code", "item_code", "case_key", "confirmation"]
OUTCOME = [
    "record_no",
    "outcome",
    "disposition",
    "bill_id",
    "payee_code",
    "item_code",
    "case_key",
    "amount",
    "applied",
    "excess",
    "balance_before",
]
DAYS = ["paid_on", "received_on"]
#: What a record says; records of several files that are equal in all of it are one payment.
CONTENT = [*KEY, "customer_number", "event", *DAYS, "amount", "channel", "store_code"]
#: The order of the payments of one obligation; a receipt without an eL number comes first.
ORDER = [*DAYS, "amount", "by_number", *KEY, "customer_number", "channel", "store_code", "file", "record_no"]
#: A valid record: digits everywhere, and an eL number or a 顧客番号.
VALID = "^2(?:[0-9]{69}(?:[0-9]{12}| {12})| {34}[0-9]{47})[01]"


def file_columns(path: Path) -> dict[str, pa.Array]:
    """Return the fields of a fixed-length file as Arrow strings, sliced by numpy."""
    rows = np.fromfile(path, np.uint8).reshape(-1, RECORD)
    columns = {}
    for name, (start, end) in FIELDS.items():
        letters = pa.py_buffer(np.ascontiguousarray(rows[:, start:end]))
        array = pa.Array.from_buffers(pa.binary(end - start), len(rows), [None, letters])
        columns[name] = array.cast(pa.binary()).view(pa.string())
    return columns


def arrow_receipts(folder: Path) -> list[pa.Table]:
    """Return the valid receipts of each file, computed with Arrow's kernels; a blank field is null."""
    tables = []
    for number, name in enumerate(FILES):
        table = pa.table(file_columns(folder / name))
        table = table.append_column("record_no", pa.array(np.arange(1, len(table) + 1)))
        line = pc.binary_join_element_wise("2", *(table[name] for name in FIELDS), "")
        table = table.filter(pc.match_substring_regex(line, VALID))
        columns = {
            name: pc.if_else(pc.starts_with(table[name], " "), None, table[name]) for name in table.column_names[:-1]
        }
        for name in DAYS:
            columns[name] = pc.strptime(table[name], "%Y%m%d", "s").cast(pa.date32())
        columns["amount"] = pc.cast(pc.utf8_ltrim(table["amount"], "0"), pa.int64())
        columns["kind"] = pc.if_else(pc.equal(columns["event"], "1"), "reversal", "final")
        columns["record_no"] = table["record_no"]
        columns["file"] = pa.repeat(pa.scalar(number, pa.int8()), len(table))
        tables.append(pa.table(columns))
    return tables


def arrow_bills(folder: Path) -> pa.Table:
    """Return the bills, read with Arrow's reader."""
    return pq.read_table(folder / "bills.parquet")


def allocate(
    component: np.ndarray, nth: np.ndarray, amount: np.ndarray, cover: np.ndarray, billed: np.ndarray
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Allocate the payments of households that use their covering slip, in the order of the rows.

    In each round the next payment of every household is allocated, all of them at once.

    Args:
        component: (n,): the covering slip of the household of each payment.
        nth: (n,): which instalment is paid, by due date; -1: all of them, by the covering slip.
        amount: (n,): yen.
        cover: (m,): the covering slip of each instalment, ascending; within it by due date.
        billed: (m,): yen of each instalment.

    Returns:
        The yen that lower a balance and the balance before, (n,) each; the open yen of each instalment after, (m,).
    """
    households, first, size = np.unique(cover, return_index=True, return_counts=True)
    column = np.arange(len(cover)) - np.repeat(first, size)
    row = np.repeat(np.arange(len(households)), size)
    open_yen = np.zeros((len(households), size.max(initial=1)), np.int64)
    open_yen[row, column] = billed
    household = np.searchsorted(households, component)
    order = np.argsort(household, kind="stable")
    turn = np.empty(len(order), np.int64)
    turn[order] = np.arange(len(order)) - np.searchsorted(household[order], household[order])
    applied, before = np.zeros(len(amount), np.int64), np.zeros(len(amount), np.int64)
    for number in range(turn.max(initial=-1) + 1):
        rows = np.flatnonzero(turn == number)
        paid_for = (nth[rows, None] < 0) | (nth[rows, None] == np.arange(open_yen.shape[1]))
        payable = np.where(paid_for, open_yen[household[rows]], 0)
        put = np.clip(amount[rows, None] - (np.cumsum(payable, axis=1) - payable), 0, payable)
        open_yen[household[rows]] -= put
        applied[rows], before[rows] = put.sum(axis=1), payable.sum(axis=1)
    return applied, before, open_yen[row, column]
