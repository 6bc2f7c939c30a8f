"""The reconciliation of one bucket on an executor: two Arrow tables in, one table with all results out.

This module does not depend on Spark.
"""

from __future__ import annotations

import functools
import json
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from kokin._arrow.convert import buffer_view, empty_table, from_numpy, int64_array
from kokin.issues import InvalidInputError, Issue, Location, to_table
from kokin.matching import Index
from kokin.model import Bill, Receipt, arrow_schema
from kokin.reconcile import Policy, reconcile
from kokin.spark._rows import struct_rows, struct_schema


def reconcile_bucket(bills: pa.Table, receipts: pa.Table, policy: Policy) -> pa.Table:
    """Reconcile a bucket: the results in rows of :func:`row_schema`. Rejected input is a result, not an exception."""
    try:
        tables = _result_tables(bills, receipts, policy)
    except InvalidInputError as error:
        tables = {"rejected": to_table(error.issues)}
    return struct_rows(tables, row_schema())


def empty_summary(bills: pa.Table, receipts: pa.Table, policy: Policy) -> dict[str, Any]:
    """Return the summary, as JSON has it, of a run over tables without rows.

    Raises:
        InvalidInputError: a required column is missing, or one is of a wrong type.
    """
    summary: dict[str, Any] = json.loads(_result_tables(bills, receipts, policy)["run"].column("summary")[0].as_py())
    return summary


@functools.cache
def row_schema() -> pa.Schema:
    """The columns ``outcome, exception, balance, overlap, run, rejected``: structs, of which each row has one."""
    tables = _result_tables(empty_table(arrow_schema(Bill)), empty_table(arrow_schema(Receipt)), Policy())
    tables["rejected"] = to_table([])
    return struct_schema({kind: table.schema for kind, table in tables.items()})


def _result_tables(bills: pa.Table, receipts: pa.Table, policy: Policy) -> dict[str, pa.Table]:
    try:
        index = Index.build(bills)
    except InvalidInputError as error:
        raise InvalidInputError([_by_bill_id(issue, bills) for issue in error.issues], error.summary) from None
    receipts = _with_times(receipts)
    result = reconcile(index, receipts, policy)
    digest = _digests(receipts)
    exceptions = [
        table.append_column("digest", digest.take(from_numpy(rows, pa.int64())))
        for table, rows in result.exceptions_by_record()
    ]
    return {
        "outcome": result.outcomes.append_column("digest", digest),
        "exception": pa.concat_tables(exceptions),
        "balance": result.balances,
        "overlap": result.overlaps.drop_columns("records"),
        "run": pa.table({"summary": [json.dumps(result.summary.as_dict())]}),
    }


def _by_bill_id(issue: Issue, bills: pa.Table) -> Issue:
    """Return the issue with a ``bill_id`` as location: the numbers of a bucket's rows mean nothing to the caller."""
    if issue.location.record is None:
        return issue
    bill_id = bills.column("bill_id")[issue.location.record - 1].as_py()
    return issue.with_location(Location(f"bill_id {bill_id}"))


def _with_times(receipts: pa.Table) -> pa.Table:
    """Convert a ``paid_time`` of texts ``HH:MM:SS``: Spark reads no time of day from Parquet or CSV."""
    column = receipts.schema.get_field_index("paid_time")
    if column < 0 or receipts.schema.field(column).type not in (pa.string(), pa.large_string()):
        return receipts
    texts = receipts.column(column).cast(pa.string())
    times = pc.strptime(texts, format="%H:%M:%S", unit="s", error_is_null=True).cast(pa.time32("s"))
    invalid = pc.and_(pc.not_equal(texts, ""), pc.fill_null(pc.not_equal(times.cast(pa.string()), texts), True))
    if issues := [
        Issue(
            "FIELD_TYPE",
            field="paid_time",
            expected="HH:MM:SS",
            location=Location(row.get("source") or "", row.get("record_no")),
        )
        for row in receipts.filter(invalid).to_pylist()
    ]:
        raise InvalidInputError(issues, "receipts rejected")
    return receipts.set_column(column, "paid_time", times)


def _digests(receipts: pa.Table) -> pa.ChunkedArray:
    """Return the ``digest`` of each receipt, in the order of the outcomes, which are sorted by source and digest."""
    names = ["source", "digest"]
    files = pa.table({name: _text(receipts, name) for name in names}).group_by(names).aggregate([([], "count_all")])
    files = files.sort_by([(name, "ascending") for name in names])
    counts = buffer_view(files.column("count_all").combine_chunks(), np.int64)
    return files.column("digest").take(int64_array(np.repeat(np.arange(len(files)), counts)))


def _text(table: pa.Table, name: str) -> pa.Array | pa.ChunkedArray:
    if name not in table.schema.names:
        return pa.repeat("", len(table))
    return pc.fill_null(table.column(name).cast(pa.string()), "")
