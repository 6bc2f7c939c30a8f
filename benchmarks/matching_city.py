"""Write the bills and receipts of a deterministic city of any size for the matching benchmark.

Of 25 slips, five are those of a household: four instalments (期別) and one slip that covers them (全期), all with one
顧客番号. A tenth of the households pay the covering slip. Two of 25 slips are paid by direct debit: the receipt has the
顧客番号 instead of the eL number.

Of the receipts, 2 % are double payments, 1 % underpaid, 0.5 % overpaid, 1 % have an unknown key, and 0.5 % have a
letter in the key, so that the reader must reject them. 0.2 % are reversals, a tenth of them of a payment that does not
exist. 1 % of the instalments are paid by the covering slip instead, and 0.5 % of the payments of households have only
the 顧客番号, which is that of several bills. The receipts are in two files: the last 2 %, of which half were delivered
in the first file already, are the second one. 0.02 % are equal to another record of their own file.
"""

from __future__ import annotations

from dataclasses import dataclass
from hashlib import file_digest
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
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
  { id = "payee_code", ja = "機関", en = "payee", type = "digits", length = 5, blank = true },
  { id = "item_code", ja = "税目", en = "item", type = "digits", length = 3, blank = true },
  { id = "case_key", ja = "案件特定キー", en = "case key", type = "digits", length = 20, blank = true },
  { id = "confirmation", ja = "確認番号", en = "confirmation", type = "digits", length = 6, blank = true },
  { id = "paid_on", ja = "納付日", en = "paid on", type = "date", format = "YYYYMMDD", length = 8 },
  { id = "received_on", ja = "収入日", en = "received on", type = "date", format = "YYYYMMDD", length = 8 },
  { id = "amount", ja = "金額", en = "amount", type = "yen", length = 11 },
  { id = "channel", ja = "チャネル", en = "channel", type = "digits", length = 2 },
  { id = "store_code", ja = "店舗", en = "store", type = "digits", length = 6 },
  { id = "customer_number", ja = "顧客番号", en = "customer number", type = "digits", length = 12, blank = true },
  { id = "event", ja = "取消区分", en = "event", type = "digits", length = 1, codes = { 0 = "入金", 1 = "取消" } },
  { id = "filler", ja = "ダミー", en = "filler", type = "filler", length = 116 },
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
customer_number = "customer_number"
kind = { field = "event", values = { 0 = "final", 1 = "reversal" } }
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
    "customer_number": (70, 82),
    "event": (82, 83),
}
#: 2026-04-01.
FIRST_DAY = 20_544
#: Slips of a block, of which the first are those of a household, the last of these the covering one.
BLOCK, INSTALMENTS = 25, 4
#: The slips of a block that are paid by direct debit.
DEBITED = (5, 6)
FILES = ("receipts-1.dat", "receipts-2.dat")


@dataclass
class Receipts:
    """The receipts of a city by column: int64 (n,) each."""

    slip: np.ndarray
    yen: np.ndarray
    day: np.ndarray
    unknown: np.ndarray
    by_customer: np.ndarray
    reversal: np.ndarray
    invalid: np.ndarray

    def copy(self, rows: np.ndarray, source: np.ndarray) -> None:
        """Overwrite some rows by others."""
        for column in vars(self).values():
            column[rows] = column[source]


def make(folder: Path, bills: int, receipts: int, seed: int = 20_26) -> Path:
    """Return the folder with ``bills.parquet, bills.csv, receipts-1.dat, receipts-2.dat, layout.toml``; create it once.

    The SHA-256 of the first file is less than that of the second one: the order of payments looks at it.
    """
    folder = folder / f"households-{bills}-{receipts}-{seed}"
    if (folder / "done").exists():
        return folder
    folder.mkdir(parents=True, exist_ok=True)
    rng = np.random.default_rng(seed)
    slips = Slips(bills, rng)
    slips.write(folder)
    table = _pay(slips, receipts, rng)
    second = receipts - receipts // 50
    for name, rows in zip(FILES, (slice(0, second), slice(second, receipts)), strict=True):
        _write_receipts(folder / name, slips, table, rows)
    digests = []
    for name in FILES:
        with (folder / name).open("rb") as file:
            digests.append(file_digest(file, "sha256").hexdigest())
    if digests[0] > digests[1]:
        first, second_file = (folder / name for name in FILES)
        first.rename(folder / "draft")
        second_file.rename(first)
        (folder / "draft").rename(second_file)
    (folder / "layout.toml").write_text(LAYOUT, encoding="utf-8")
    (folder / "done").touch()
    return folder


class Slips:
    """The slips of a city, ``n`` of them."""

    def __init__(self, count: int, rng: np.random.Generator) -> None:
        self.row = np.arange(count)
        self.key = rng.permutation(count) * 7 + 10**12
        self.confirmation = rng.integers(0, 10**6, count)
        self.item = rng.integers(100, 108, count)
        self.amount = rng.integers(1, 3000, count) * 100
        self.nth = self.row % BLOCK
        self.is_instalment = self.nth < INSTALMENTS
        self.is_covering = self.nth == INSTALMENTS
        self.household = self.row // BLOCK
        last = np.flatnonzero(self.is_covering)
        self.amount[last] = sum(self.amount[last - back] for back in range(1, INSTALMENTS + 1))
        self.is_debited = np.isin(self.nth, DEBITED)
        #: -1: none.
        self.customer = np.where(
            self.nth <= INSTALMENTS, self.household, np.where(self.is_debited, 10**9 + self.row, -1)
        )

    def __len__(self) -> int:
        return len(self.row)

    @property
    def payable(self) -> np.ndarray:
        """The slips of which each is paid once."""
        pays_all = self.household % 10 == 0
        return np.flatnonzero(np.where(pays_all, ~self.is_instalment, ~self.is_covering))

    def write(self, folder: Path) -> None:
        """Write ``bills.parquet`` and ``bills.csv``."""
        parquet = csv = None
        for start in range(0, len(self), CHUNK):
            table = self._table(slice(start, start + CHUNK))
            text = [";".join(names or []) or None for names in table["covers"].to_pylist()]
            plain = table.set_column(table.column_names.index("covers"), "covers", pa.array(text, pa.string()))
            parquet = parquet or pq.ParquetWriter(folder / "bills.parquet", table.schema)
            csv = csv or pa_csv.CSVWriter(
                folder / "bills.csv", plain.schema, write_options=pa_csv.WriteOptions(quoting_style="none")
            )
            parquet.write_table(table)
            csv.write_table(plain)
        parquet.close()
        csv.close()

    def _table(self, rows: slice) -> pa.Table:
        row, is_covering, customer = self.row[rows], self.is_covering[rows], self.customer[rows]
        offsets = np.append(0, np.cumsum(np.where(is_covering, INSTALMENTS, 0))).astype(np.int32)
        covered = (row[is_covering][:, None] + np.arange(-INSTALMENTS, 0)).ravel()
        due = np.where(is_covering, 60, 60 + 61 * (self.nth[rows] % INSTALMENTS)) + FIRST_DAY
        return pa.table(
            {
                "bill_id": _texts(row, 9, "B"),
                "payee_code": _texts(np.full(len(row), 99999), 5),
                "item_code": _texts(self.item[rows], 3),
                "case_key": _texts(self.key[rows], 20),
                "confirmation": _texts(self.confirmation[rows], 6),
                "amount": int64_array(self.amount[rows]),
                "due_on": from_numpy(due.astype(np.int32), pa.date32()),
                "obligation_id": pc.if_else(pa.array(self.is_instalment[rows]), _texts(row, 9, "O"), None),
                "covers": pa.ListArray.from_arrays(from_numpy(offsets, pa.int32()), _texts(covered, 9, "O")),
                "customer_number": pc.if_else(pa.array(customer >= 0), _texts(np.maximum(customer, 0), 12), None),
            }
        )


def _pay(slips: Slips, count: int, rng: np.random.Generator) -> Receipts:
    """Return the receipts: one per payable slip, in random order, with all that the module describes."""
    chance = rng.random(count)
    paid = slips.payable
    is_second = np.arange(count) >= count - count // 50
    double, unknown, reversal = chance < 0.02, (chance >= 0.035) & (chance < 0.045), (chance >= 0.07) & (chance < 0.072)
    repeats = (is_second & (np.arange(count) % 2 == 0)) | ((chance >= 0.08) & (chance < 0.0802))
    own = np.flatnonzero(~(double | unknown | reversal | repeats))
    slip = rng.integers(0, len(slips), count)
    slip[own] = np.resize(rng.permutation(paid), len(own))
    slip[double] = slip[rng.choice(own, np.count_nonzero(double))]
    by_covering = (chance >= 0.05) & (chance < 0.06) & slips.is_instalment[slip]
    slip[by_covering] += INSTALMENTS - slips.nth[slip[by_covering]]
    yen = slips.amount[slip]
    yen[(chance >= 0.02) & (chance < 0.03)] //= 2
    yen[(chance >= 0.03) & (chance < 0.035)] += 1000
    by_household = (chance >= 0.06) & (chance < 0.065) & (slips.nth[slip] <= INSTALMENTS)
    receipts = Receipts(
        slip=slip,
        yen=yen,
        day=np.sort(rng.integers(0, 30, count)) + FIRST_DAY,
        unknown=unknown,
        by_customer=(slips.is_debited[slip] & ~unknown) | by_household,
        reversal=reversal,
        invalid=chance >= 0.995,
    )
    rows = np.flatnonzero(reversal)
    receipts.copy(rows, rng.choice(own, len(rows)))
    receipts.reversal[rows] = True
    receipts.day[rows] += rng.integers(0, 5, len(rows))
    receipts.yen[rows[::10]] += 1
    rows = np.flatnonzero(repeats)
    receipts.copy(rows, rng.integers(0, count - count // 50, len(rows)))
    return receipts


def _texts(numbers: np.ndarray, width: int, prefix: str = "") -> pa.Array:
    digits = to_digits(numbers.astype(np.int64), width)
    letters = np.tile(np.frombuffer(prefix.encode(), np.uint8), (len(digits), 1))
    return string_array(np.ascontiguousarray(np.concatenate([letters, digits], axis=1)))


def _write_receipts(path: Path, slips: Slips, receipts: Receipts, of_file: slice) -> None:
    with path.open("wb") as file:
        for start in range(of_file.start, of_file.stop, CHUNK):
            rows = slice(start, min(start + CHUNK, of_file.stop))
            slip, day, by_customer = receipts.slip[rows], receipts.day[rows], receipts.by_customer[rows]
            record = np.full((len(slip), RECORD), ord(" "), np.uint8)
            record[:, 0], record[:, -1] = ord("2"), ord("\n")
            key = slips.key[slip] + 10**15 * receipts.unknown[rows]
            values = {
                "payee_code": np.full(len(slip), 99999),
                "item_code": slips.item[slip],
                "case_key": key,
                "confirmation": slips.confirmation[slip],
                "paid_on": yyyymmdd(day),
                "received_on": yyyymmdd(day + 3),
                "amount": receipts.yen[rows],
                "channel": np.full(len(slip), 7),
                "store_code": key % 900_001,
                "customer_number": np.maximum(slips.customer[slip], 0),
                "event": receipts.reversal[rows],
            }
            for name, (first, end) in FIELDS.items():
                record[:, first:end] = to_digits(values[name].astype(np.int64), end - first)
            record[by_customer, FIELDS["payee_code"][0] : FIELDS["confirmation"][1]] = ord(" ")
            record[~by_customer, FIELDS["customer_number"][0] : FIELDS["customer_number"][1]] = ord(" ")
            record[receipts.invalid[rows], FIELDS["confirmation"][0] + 2] = ord("X")
            file.write(record.tobytes())
