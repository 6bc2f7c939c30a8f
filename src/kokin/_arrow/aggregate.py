"""Sums by group."""

from __future__ import annotations

from collections.abc import Sequence

import pyarrow as pa
import pyarrow.compute as pc


def sum_by(table: pa.Table, by: Sequence[str], yen: Sequence[str], *counts: str) -> pa.Table:
    """Sum the columns ``yen`` by group, in the order of the group columns ``by``; a null adds 0.

    Of the columns ``counts`` the distinct values are counted.

    >>> sum_by(pa.table({"day": [2, 1, 2], "yen": [5, None, 7]}), ["day"], ["yen"]).to_pylist()
    [{'day': 1, 'yen': 0}, {'day': 2, 'yen': 12}]
    """
    aggregations = [(name, "sum", pc.ScalarAggregateOptions(min_count=0)) for name in yen]
    aggregations += [(name, "count_distinct", None) for name in counts]
    sums = table.group_by(list(by)).aggregate(aggregations)
    sums = sums.select([*by, *(f"{name}_{function}" for name, function, _ in aggregations)])
    return sums.rename_columns([*by, *yen, *counts]).sort_by([(name, "ascending") for name in by])
