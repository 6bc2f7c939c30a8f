"""Many small random cities in one batch, most of them without a common key, and the same rows in Spark."""

import random

import pyarrow as pa

from tests.reconcile import cities


def province(seed, count=25, bills=8, receipts=20):
    """Bills and receipts of several cities; each has its own numbers, except a few that all have."""
    pick = random.Random(seed).choice
    all_bills, all_receipts = [], []
    for number in range(count):
        city_bills, city_receipts = cities.city(pick, bills, receipts)
        shared = pick(((), (), (), ("customer_number",), ("virtual_account",), ("obligation_id", "covers")))
        all_bills += [move(row, number, shared) for row in city_bills]
        all_receipts += [move(row, number, shared) for row in city_receipts]
    return all_bills, all_receipts


def move(row, city, shared):
    """A row whose numbers are those of its city, except the shared ones."""
    moves = {
        "bill_id": lambda text: f"{text}-{city}",
        "case_key": lambda text: str(int(text) + 100 * city).zfill(len(text)),
        "barcode": lambda text: cities.barcode(int(text[8:29]) + 100 * city, int(text[37:43])),
        "customer_number": lambda text: f"{text[:16]}{city:04d}",
        "virtual_account": lambda text: f"{(int(text) + 100 * city) % 10**10:010d}",
        "obligation_id": lambda text: f"{text}-{city}",
        "covers": lambda names: [f"{name}-{city}" for name in names],
    }
    return {
        name: moves[name](value) if value and name in moves and name not in shared else value
        for name, value in row.items()
    }


def frame(session, table, partitions=3):
    """A table as a DataFrame with some partitions."""
    return session.createDataFrame(with_text_times(table)).repartition(partitions)


def with_text_times(table):
    """A table with times of day as texts, because Spark 4.0 has no such type, and without dictionaries."""
    columns = {}
    for name in table.column_names:
        kind = table[name].type
        is_text = pa.types.is_time(kind) or pa.types.is_dictionary(kind)
        columns[name] = table[name].cast(pa.string()) if is_text else table[name]
    return pa.table(columns)
