"""Time of one reconciliation on inputs of unusual shape, beside a plain city of the same size.

    python benchmarks/shapes.py [--rows N] [--runs N]

Prints Markdown: for each shape the median seconds of ``reconcile`` with outcomes, balances and exceptions, the ratio to
the plain city, and the peak memory; then the same of the hash index with a tenth of the keys. Rounds are paired: each
runs every shape once, in turn, in a process of its own.
"""

from __future__ import annotations

import argparse
import json
import platform
import resource
import statistics
import subprocess
import sys
import time
from collections.abc import Callable
from datetime import date
from typing import TypeAlias

import numpy as np
import pyarrow as pa

from kokin._arrow.convert import from_numpy, string_array
from kokin._arrow.digits import to_digits
from kokin.issues import InvalidInputError
from kokin.matching import hash_keys
from kokin.matching._hash_index import build_table, lookup
from kokin.reconcile import reconcile

Columns: TypeAlias = dict[str, pa.Array]
DUE = from_numpy(np.array([(date(2026, 6, 1) - date(1970, 1, 1)).days]), pa.date32())[0]
PAID = from_numpy(np.array([(date(2026, 5, 1) - date(1970, 1, 1)).days]), pa.date32())[0]


def texts(numbers: np.ndarray, width: int, prefix: str = "") -> pa.Array:
    """Return numbers as digits after a prefix."""
    digits = to_digits(numbers.astype(np.int64), width)
    letters = np.tile(np.frombuffer(prefix.encode(), np.uint8), (len(numbers), 1))
    return string_array(np.ascontiguousarray(np.concatenate([letters, digits], axis=1)))


def numbers_of(keys: np.ndarray, yen: np.ndarray | int = 1_000, confirmation: np.ndarray | int = 123_456) -> Columns:
    """Return the columns of eL number and amount."""
    count = len(keys)
    return {
        "payee_code": pa.repeat("99999", count),
        "item_code": pa.repeat("127", count),
        "case_key": texts(keys, 20),
        "confirmation": texts(np.broadcast_to(confirmation, count), 6),
        "amount": from_numpy(np.broadcast_to(yen, count).astype(np.int64), pa.int64()),
    }


def slips(keys: np.ndarray, yen: np.ndarray | int = 1_000, **more: object) -> Columns:
    """Return the columns of bills."""
    count = len(keys)
    return {
        "bill_id": texts(np.arange(count), 9, "B"),
        **numbers_of(keys, yen, **more),
        "due_on": pa.repeat(DUE, count),
    }


def payments(keys: np.ndarray, yen: np.ndarray | int = 1_000, **more: object) -> Columns:
    """Return the columns of the receipts of one file."""
    count = len(keys)
    place = {"source": pa.repeat("paid.csv", count), "digest": pa.repeat("0" * 64, count)}
    place["record_no"] = from_numpy(np.arange(1, count + 1), pa.int64())
    return {**place, **numbers_of(keys, yen, **more), "paid_on": pa.repeat(PAID, count)}


def plain(rows: int) -> tuple[Columns, Columns]:
    """A city in which everybody pays one slip."""
    keys = np.random.default_rng(1).permutation(rows)
    return slips(keys), payments(keys)


def chain(rows: int) -> tuple[Columns, Columns]:
    """Half of the slips cover two obligations each, which together are one shuffled chain."""
    own = rows // 2
    order = np.random.default_rng(2).permutation(own)
    pairs = np.random.default_rng(3).permutation(np.column_stack([order[:-1], order[1:]]))
    bills = slips(np.arange(own + len(pairs)), np.append(np.full(own, 1_000), np.full(len(pairs), 2_000)))
    bills["obligation_id"] = pa.concat_arrays([texts(np.arange(own), 9, "O"), pa.nulls(len(pairs), pa.string())])
    offsets = np.append(np.zeros(own, np.int32), 2 * np.arange(len(pairs) + 1)).astype(np.int32)
    bills["covers"] = pa.ListArray.from_arrays(from_numpy(offsets, pa.int32()), texts(pairs.ravel(), 9, "O"))
    return bills, payments(np.arange(own))


def households(rows: int) -> tuple[Columns, Columns]:
    """Each household has four instalments and one slip that covers them, all with one 顧客番号; half pay by it."""
    homes = rows // 5
    home, term = np.repeat(np.arange(homes), 5), np.tile(np.arange(5), homes)
    bills = slips(np.arange(5 * homes), np.where(term == 4, 4_000, 1_000))
    bills["obligation_id"] = texts(home * 10 + term, 9, "O")
    covered = texts((np.repeat(np.arange(homes), 4) * 10 + np.tile(np.arange(4), homes)), 9, "O")
    offsets = np.append(0, np.cumsum(np.where(term == 4, 4, 0))).astype(np.int32)
    bills["covers"] = pa.ListArray.from_arrays(from_numpy(offsets, pa.int32()), covered)
    bills["customer_number"] = texts(home, 12)
    receipts = payments(np.arange(4 * homes) // 4 * 5 + np.arange(4 * homes) % 4)
    return bills, receipts


def keys_of_index(rows: int, *, collide: bool) -> np.ndarray:
    """Return keys for the hash index, uint64 (rows, 2): random ones, or such that all have one hash."""
    words = np.random.default_rng(4).integers(0, 2**63, (rows, 2), np.uint64)
    if collide:  # the second word cancels what the first one adds to the state of `hash_keys`
        state = words[:, 0] * np.uint64(0x9E3779B97F4A7C15)
        words[:, 1] = np.uint64(0) - (state ^ (state >> np.uint64(32)))
        assert len(np.unique(hash_keys(words))) == 1
    return words


def wrong_bills(rows: int) -> tuple[Columns, Columns]:
    """Each bill has an invalid amount."""
    bills, receipts = plain(rows)
    return {**bills, "amount": from_numpy(np.zeros(rows, np.int64), pa.int64())}, receipts


def wrong_receipts(rows: int) -> tuple[Columns, Columns]:
    """Each receipt has an invalid confirmation number."""
    bills, receipts = plain(rows)
    return bills, {**receipts, "confirmation": pa.repeat("12345X", rows)}


def one_number(rows: int) -> tuple[Columns, Columns]:
    """All slips have one eL number."""
    return slips(np.zeros(rows, np.int64)), payments(np.arange(rows))


SHAPES: dict[str, Callable[[int], tuple[Columns, Columns]]] = {
    "plain city": plain,
    "households: 全期 and 期別 with one 顧客番号": households,
    "shuffled chain of covering slips": chain,
    "one eL number on all slips": one_number,
    "every bill invalid": wrong_bills,
    "every receipt invalid": wrong_receipts,
}
#: Keys of the hash index: the index is built, and each key is looked up in it.
KEYS = {"index of random keys": False, "index of keys with one hash": True}


def run(name: str, rows: int) -> dict[str, float]:
    """Time one shape in this process."""
    if name in KEYS:
        words = keys_of_index(rows, collide=KEYS[name])
        start = time.perf_counter()
        table, _, _ = build_table(words, np.ones(rows, np.bool_))
        found = lookup(table, words, words)
        seconds = time.perf_counter() - start
        if (found != np.arange(rows)).any():
            raise AssertionError("a key was not found")
        return measured(seconds)
    bills, receipts = (pa.table(columns) for columns in SHAPES[name](rows))
    start = time.perf_counter()
    try:
        result = reconcile(bills, receipts)
        sizes = [len(table) for table in (result.outcomes, result.balances, result.exceptions)]
    except InvalidInputError as error:
        sizes = [error.total]
    seconds = time.perf_counter() - start
    if sizes[0] not in (len(receipts), rows):
        raise AssertionError(f"{sizes[0]} rows")
    return measured(seconds)


def measured(seconds: float) -> dict[str, float]:
    """Return a time and the peak memory of this process."""
    return {"seconds": seconds, "gigabytes": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20}


def main() -> None:
    """Run rounds of all shapes, and print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", type=int, default=1_000_000)
    parser.add_argument("--runs", type=int, default=5)
    parser.add_argument("--shape", choices=[*SHAPES, *KEYS], help="run one shape in this process, for JSON")
    options = parser.parse_args()
    if options.shape:
        print(json.dumps(run(options.shape, options.rows)))
        return
    found: dict[str, list[dict[str, float]]] = {name: [] for name in (*SHAPES, *KEYS)}
    for _ in range(options.runs):
        for name, runs in found.items():
            rows = options.rows // 10 if name in KEYS else options.rows
            call = [sys.executable, __file__, "--rows", str(rows), "--shape", name]
            runs.append(json.loads(subprocess.run(call, check=True, capture_output=True, text=True).stdout))
    median = {name: statistics.median(each["seconds"] for each in runs) for name, runs in found.items()}
    print(f"{options.rows:,} bills, {options.runs} runs, {platform.processor() or platform.machine()}\n")
    print("| shape | s | ratio to the plain one | peak GB, input included |\n|---|---:|---:|---:|")
    for name, seconds in median.items():
        ratio = seconds / median["index of random keys" if name in KEYS else "plain city"]
        peak = max(each["gigabytes"] for each in found[name])
        print(f"| {name} | {seconds:.2f} | {ratio:.1f} | {peak:.2f} |")


if __name__ == "__main__":
    main()
