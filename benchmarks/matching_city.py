"""Write the bills and receipts of a deterministic city of any size for the matching benchmark.

Of the receipts, 2 % are double payments, 1 % underpaid, 0.5 % overpaid, 1 % have an unknown key, and 0.5 % have a
letter in the key, so that the reader must reject them. All are finals with an eL number.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.csv as pa_csv
import pyarrow.parquet as pq

from kokin._arrow.convert import from_numpy, int64_array, string_array
from kokin._arrow.digits import to_digits, yyyymmdd

CHUNK = 1_000_000
RECORD = 200
LAYOUT = """
ja = "照合ベンチマーク"
en = "matching benchmark"
format = "fixed"
encoding = "half-width"
width = 199
newline = "LF"
verified = false
source = ["invented"]
identity = "content"

[records.data]
role = "data"
ja = "データ"
en = "data"
tell_by = ["record_code"]
fields = [
  { id = "record_code", ja = "区分", en = "code", type = "digits", length = 1, const = "2" },
  { id = "payee_code", ja = "機関", en = "payee", type = "digits", length = 5 },
  { id = "item_code", ja = "税目", en = "item", type = "digits", length = 3 },
  { id = "case_key", ja = "案件特定キー", en = "case key", type = "digits", length = 20 },
  { id = "confirmation", ja = "確認番号", en = "confirmation", type = "digits", length = 6 },
  { id = "paid_on", ja = "納付日", en = "paid on", type = "date", format = "YYYYMMDD", length = 8 },
  { id = "received_on", ja = "収入日", en = "received on", type = "date", format = "YYYYMMDD", length = 8 },
  { id = "amount", ja = "金額", en = "amount", type = "yen", length = 11 },
  { id = "channel", ja = "チャネル", en = "channel", type = "digits", length = 2 },
  { id = "store_code", ja = "店舗", en = "store", type = "digits", length = 6 },
  { id = "filler", ja = "ダミー", en = "filler", type = "filler", length = 129 },
]

[receipt]
payee_code = "payee_code"
item_code = "item_code"
case_key = "case_key"
confirmation = "confirmation"
paid_on = "paid_on"
received_on = "received_on"
amount = "amount"
channel = "channel"
store_code = "store_code"
"""
#: Start and end of each field in a record.
FIELDS = {
    "payee_code": (1, 6),
    "item_code": (6, 9),
    "case_key": (9, 29),
    "confirmation": (29, 35),
    "paid_on": (35, 43),
    "received_on": (43, 51),
    "amount": (51, 62),
    "channel": (62, 64),
    "store_code": (64, 70),
}
#: 2026-04-01.
FIRST_DAY = 20_544


def make(folder: Path, bills: int, receipts: int, seed: int = 20_26) -> Path:
    """Return the folder with ``bills.parquet, bills.csv, receipts.dat, layout.toml``; create it if it is missing."""
    folder = folder / f"matching-{bills}-{receipts}-{seed}"
    if (folder / "done").exists():
        return folder
    folder.mkdir(parents=True, exist_ok=True)
    rng = np.random.default_rng(seed)
    number = rng.permutation(bills).astype(np.int32)
    confirmation = rng.integers(0, 10**6, bills, np.int32)
    item = rng.integers(100, 108, bills, np.int16)
    amount = (rng.integers(1, 3000, bills, np.int32)) * 100
    _bills(folder, number, confirmation, item, amount)

    chance = rng.random(receipts)
    paid = rng.permutation(bills)[:receipts] if receipts <= bills else rng.integers(0, bills, receipts)
    double = np.flatnonzero(chance < 0.02)
    paid[double] = paid[rng.integers(0, receipts, len(double))]
    yen = amount[paid].astype(np.int64)
    yen[(chance >= 0.02) & (chance < 0.03)] //= 2
    yen[(chance >= 0.03) & (chance < 0.035)] += 1000
    key = _key(number[paid])
    key[(chance >= 0.035) & (chance < 0.045)] += 10**15
    day = np.sort(rng.integers(0, 30, receipts)) + FIRST_DAY
    _receipts(folder, key, item[paid], confirmation[paid], yen, day, np.flatnonzero(chance >= 0.995))
    (folder / "layout.toml").write_text(LAYOUT, encoding="utf-8")
    (folder / "done").touch()
    return folder


def _key(number: np.ndarray) -> np.ndarray:
    return number.astype(np.int64) * 7 + 10**12


def _texts(numbers: np.ndarray, width: int) -> pa.Array:
    return string_array(np.ascontiguousarray(to_digits(numbers.astype(np.int64), width)))


def _bills(folder: Path, number: np.ndarray, confirmation: np.ndarray, item: np.ndarray, amount: np.ndarray) -> None:
    parquet = csv = None
    for start in range(0, len(number), CHUNK):
        rows = slice(start, start + CHUNK)
        size = len(number[rows])
        names = np.full((size, 10), ord("B"), np.uint8)
        names[:, 1:] = to_digits(np.arange(start, start + size), 9)
        table = pa.table(
            {
                "bill_id": string_array(names),
                "payee_code": _texts(np.full(size, 99999), 5),
                "item_code": _texts(item[rows], 3),
                "case_key": _texts(_key(number[rows]), 20),
                "confirmation": _texts(confirmation[rows], 6),
                "amount": int64_array(amount[rows].astype(np.int64)),
                "due_on": from_numpy(np.full(size, FIRST_DAY + 60), pa.date32()),
            }
        )
        parquet = parquet or pq.ParquetWriter(folder / "bills.parquet", table.schema)
        csv = csv or pa_csv.CSVWriter(
            folder / "bills.csv", table.schema, write_options=pa_csv.WriteOptions(quoting_style="none")
        )
        parquet.write_table(table)
        csv.write_table(table)
    parquet.close()
    csv.close()


def _receipts(
    folder: Path,
    key: np.ndarray,
    item: np.ndarray,
    confirmation: np.ndarray,
    yen: np.ndarray,
    day: np.ndarray,
    invalid: np.ndarray,
) -> None:
    is_invalid = np.zeros(len(key), np.bool_)
    is_invalid[invalid] = True
    with (folder / "receipts.dat").open("wb") as file:
        for start in range(0, len(key), CHUNK):
            rows = slice(start, start + CHUNK)
            size = len(key[rows])
            record = np.full((size, RECORD), ord(" "), np.uint8)
            record[:, 0], record[:, -1] = ord("2"), ord("\n")
            values = {
                "payee_code": np.full(size, 99999),
                "item_code": item[rows],
                "case_key": key[rows],
                "confirmation": confirmation[rows],
                "paid_on": yyyymmdd(day[rows]),
                "received_on": yyyymmdd(day[rows] + 3),
                "amount": yen[rows],
                "channel": np.full(size, 7),
                "store_code": key[rows] % 900_001,
            }
            for name, (first, end) in FIELDS.items():
                record[:, first:end] = to_digits(values[name].astype(np.int64), end - first)
            record[is_invalid[rows], FIELDS["confirmation"][0] + 2] = ord("X")
            file.write(record.tobytes())
