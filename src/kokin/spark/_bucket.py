"""The reconciliation of one bucket, on an executor: two Arrow tables in, one table of all that there is to tell out.

Nothing here knows Spark.
"""

from __future__ import annotations

import functools
import json
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from kokin._arrow import buffer_view, from_numpy, int64_array
from kokin.issues import InvalidInputError, Issue, Location, to_table
from kokin.matching import Index
from kokin.model import Bill, Receipt, arrow_schema
from kokin.reconcile import Policy, reconcile


def settle(bills: pa.Table, receipts: pa.Table, policy: Policy) -> pa.Table:
    """What became of a bucket, in rows of :func:`row_schema`; what is refused is told and not raised."""
    try:
        told = _told(bills, receipts, policy)
    except InvalidInputError as error:
        told = {"refused": to_table(error.issues)}
    form = row_schema()
    rows = [form.empty_table()]
    for kind, table in told.items():
        fields = pa.schema(list(form.field(kind).type))
        rows.append(pa.table({kind: table.select(fields.names).cast(fields).to_struct_array()}))
    return pa.concat_tables(rows, promote_options="default")


def rehearse(bills: pa.Table, receipts: pa.Table, policy: Policy) -> dict[str, Any]:
    """Return the summary, as JSON has it, of a run over tables without rows.

    Raises:
        InvalidInputError: a required column is missing, or one is of a wrong type.
    """
    found: dict[str, Any] = json.loads(_told(bills, receipts, policy)["run"].column("summary")[0].as_py())
    return found


@functools.cache
def row_schema() -> pa.Schema:
    """The columns ``outcome, exception, balance, overlap, run, refused``: structs, of which each row has one."""
    nothing = _told(arrow_schema(Bill).empty_table(), arrow_schema(Receipt).empty_table(), Policy())
    nothing["refused"] = to_table([])
    return pa.schema(
        [(kind, pa.struct([field.with_nullable(True) for field in table.schema])) for kind, table in nothing.items()]
    )


def _told(bills: pa.Table, receipts: pa.Table, policy: Policy) -> dict[str, pa.Table]:
    try:
        index = Index.build(bills)
    except InvalidInputError as error:
        raise InvalidInputError([_at_bill(issue, bills) for issue in error.issues], error.summary) from None
    receipts = _with_times(receipts)
    done = reconcile(index, receipts, policy)
    digest = _digests(receipts)
    exceptions = [(found, digest.take(from_numpy(at, pa.int64()))) for found, at in done.exceptions_by_record()]
    return {
        "outcome": done.outcomes.append_column("digest", digest),
        "exception": pa.concat_tables([found.append_column("digest", digests) for found, digests in exceptions]),
        "balance": done.balances,
        "overlap": done.overlaps.drop_columns("records"),
        "run": pa.table({"summary": [json.dumps(done.summary.as_dict())]}),
    }


def _at_bill(issue: Issue, bills: pa.Table) -> Issue:
    """A bucket's rows have no numbers that anybody knows; a bill is told by its ``bill_id``."""
    if issue.location.record is None:
        return issue
    bill_id = bills.column("bill_id")[issue.location.record - 1].as_py()
    return issue.with_location(Location(f"bill_id {bill_id}"))


def _with_times(receipts: pa.Table) -> pa.Table:
    """Spark reads no time of day from Parquet or CSV, so ``paid_time`` may be a text ``HH:MM:SS``."""
    place = receipts.schema.get_field_index("paid_time")
    if place < 0 or receipts.schema.field(place).type not in (pa.string(), pa.large_string()):
        return receipts
    texts = receipts.column(place).cast(pa.string())
    times = pc.strptime(texts, format="%H:%M:%S", unit="s", error_is_null=True).cast(pa.time32("s"))
    wrong = pc.and_(pc.not_equal(texts, ""), pc.fill_null(pc.not_equal(times.cast(pa.string()), texts), True))
    if issues := [
        Issue(
            "FIELD_TYPE",
            field="paid_time",
            expected="HH:MM:SS",
            location=Location(row.get("source") or "", row.get("record_no")),
        )
        for row in receipts.filter(wrong).to_pylist()
    ]:
        raise InvalidInputError(issues, "receipts refused")
    return receipts.set_column(place, "paid_time", times)


def _digests(receipts: pa.Table) -> pa.ChunkedArray:
    """The ``digest`` of each receipt, in the order of the outcomes, which stand by source and digest."""
    place = ["source", "digest"]
    files = pa.table({name: _text(receipts, name) for name in place}).group_by(place).aggregate([([], "count_all")])
    files = files.sort_by([(name, "ascending") for name in place])
    counts = buffer_view(files.column("count_all").combine_chunks(), np.int64)
    return files.column("digest").take(int64_array(np.repeat(np.arange(len(files)), counts)))


def _text(table: pa.Table, name: str) -> pa.Array | pa.ChunkedArray:
    if name not in table.schema.names:
        return pa.repeat("", len(table))
    return pc.fill_null(table.column(name).cast(pa.string()), "")
