"""The reconciliation of two Spark DataFrames."""

from __future__ import annotations

import json
import logging
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import pyarrow as pa

from kokin.issues import InvalidInputError, KokinError, from_table
from kokin.matching import KEY_COLUMNS
from kokin.model import Outcome, Receipt
from kokin.reconcile import Control, OutcomeTotal, PayeeTotals, Policy, Summary
from kokin.spark._bucket import empty_summary, reconcile_bucket, row_schema
from kokin.spark._components import assign_buckets
from kokin.spark._rows import sql_schema

if TYPE_CHECKING:
    from pyspark.sql import DataFrame

#: Approximate rows of bills and receipts in a bucket: enough to outweigh a call of the core, few enough for a worker.
ROWS_PER_BUCKET = 1_000_000

#: Bills and receipts below which :func:`kokin.reconcile.reconcile` is faster, on one of the machines.
LOCAL_ROWS = 10_000_000

_LOGGER = logging.getLogger("kokin.spark")

# The columns of a bill that the core reads. The others, names among them, are not moved.
_BILL_COLUMNS = ("bill_id", "amount", "due_on", "status", "obligation_id", "covers", "paid_before", *KEY_COLUMNS)
# Nearly all columns of a receipt, because duplicates are found by their content.
_RECEIPT_COLUMNS = tuple(name for name in Receipt.model_fields if name not in ("layout", "byte_offset", "raw"))


class BucketMemoryError(KokinError):
    """A bucket does not fit into the memory of a Python worker."""


@dataclass(frozen=True)
class SparkReconciliation:
    """The outcome of every receipt and the balance of every bill after the run; computed on first use, and cached.

    Rows have no order in Spark. Sorted by ``source, digest, record_no``, and by the other columns where these are not
    unique, the outcomes and exceptions are those of :class:`kokin.reconcile.Reconciliation`, except that overlapping
    files have a table of their own; so are the balances, sorted by ``bill_id``.

    If the input is rejected, :meth:`summary` raises the reasons, and a DataFrame of the result fails when it is
    computed.
    """

    outcomes: DataFrame
    """A row per receipt: the columns of the local outcomes, and ``digest``."""
    balances: DataFrame
    """A row per slip: the columns of the local balances."""
    exceptions: DataFrame
    """The outcomes to check and the reused keys: the columns of the local exceptions, and ``digest``."""
    overlaps: DataFrame
    """The files that repeat records of others, in the columns of :func:`kokin.reconcile.overlaps`."""
    _results: DataFrame
    _receipts: DataFrame
    _empty_summary: dict[str, Any]
    _policy: Policy

    def summary(self) -> Summary:
        """Return counts and yen, equal to :attr:`kokin.reconcile.Reconciliation.summary`.

        Control T4 compares the dispositions with the yen of the receipts in the input DataFrame, so that it detects a
        lost receipt. The payees of a broken control are those of the buckets.

        Raises:
            InvalidInputError: the bills are inconsistent, or a bill or a receipt is invalid. ``.issues`` has all
                problems; the location of a bill is its ``bill_id``, because rows have no number in Spark.
            BucketMemoryError: a bucket does not fit into the memory of a Python worker.
        """
        results = self._results.where("rejected is not null or run is not null")
        try:
            rows = results.select("rejected", "run.summary").toArrow()
        except Exception as error:
            if "MemoryError" in str(error):
                raise _memory_error(str(error)) from None
            raise
        if rows.column("rejected").null_count < len(rows):
            rejected = rows.column("rejected").drop_null().combine_chunks()
            issues = dict.fromkeys(from_table(pa.Table.from_struct_array(rejected)))
            raise InvalidInputError(list(issues), "bills or receipts rejected")
        is_reversal = "coalesce(kind, '') = 'reversal'" if "kind" in self._receipts.columns else "false"
        yen = f"if({is_reversal}, -bigint(amount), bigint(amount))"
        received = self._receipts.selectExpr(f"coalesce(sum({yen}), 0)").first()
        assert received is not None
        of_buckets = [json.loads(text) for text in rows.column("summary").to_pylist()]
        return add_summaries(self._empty_summary, of_buckets, received[0], self._policy)

    def unpersist(self) -> None:
        """Release the cached results; they are computed again on the next use."""
        self._results.unpersist()


def reconcile(
    bills: DataFrame, receipts: DataFrame, policy: Policy | None = None, *, buckets: int | None = None
) -> SparkReconciliation:
    """Reconcile receipts with bills by the rule of matching.

    The connected components of slips are computed at once, everything else on first use. The bills are read several
    times, so they should be stored or cached. Below ten million rows, a warning of the logger ``kokin.spark`` says that
    a local run is faster, unless ``buckets`` is passed: then the rows are not counted.

    Args:
        bills: the columns of :class:`~kokin.model.Bill`, one row a slip; optional ones may be missing.
        receipts: the columns of :class:`~kokin.model.Receipt`; see also :func:`read_receipts`. ``paid_time`` may be a
            text ``HH:MM:SS``.
        policy: the authority's choices.
        buckets: how many parts, and partitions, the work has; by default one per million rows. The result does not
            depend on it.

    Raises:
        InvalidInputError: a required column is missing, or one is of a wrong type.
    """
    policy = policy or Policy()
    bills = bills.select(*(name for name in bills.columns if name in _BILL_COLUMNS))
    receipts = receipts.select(*(name for name in receipts.columns if name in _RECEIPT_COLUMNS))
    summary = empty_summary(bills.limit(0).toArrow(), receipts.limit(0).toArrow(), policy)
    buckets = buckets or _count_buckets(bills.count() + receipts.count())
    left, right = assign_buckets(bills, receipts, buckets)

    def work(bucket_bills: pa.Table, bucket_receipts: pa.Table) -> pa.Table:
        try:
            return reconcile_bucket(bucket_bills, bucket_receipts, policy)
        except (MemoryError, pa.ArrowMemoryError):
            rows = f"with {len(bucket_bills):,} bills and {len(bucket_receipts):,} receipts "
            raise BucketMemoryError(_MEMORY_ADVICE.format(rows=rows)) from None

    groups = left.groupBy("bucket").cogroup(right.groupBy("bucket"))
    results = groups.applyInArrow(work, sql_schema(row_schema())).persist()
    outcomes, balances, exceptions = (_rows(results, kind) for kind in ("outcome", "balance", "exception"))
    return SparkReconciliation(outcomes, balances, exceptions, _overlaps(results), results, receipts, summary, policy)


_MEMORY_ADVICE = (
    "a bucket {rows}does not fit into the memory of a Python worker; pass a larger number of `buckets=`, or raise "
    "spark.executor.memoryOverhead, and spark.executor.pyspark.memory if it is set"
)


def _memory_error(reason: str) -> BucketMemoryError:
    """Return the error of a worker from the text of Spark's exception, which contains its traceback.

    A worker whose memory ends before it has all rows of a bucket cannot count them.
    """
    found = re.search(rf"{BucketMemoryError.__name__}: (.+)", reason)
    return BucketMemoryError(found[1].strip() if found else _MEMORY_ADVICE.format(rows=""))


def _count_buckets(rows: int) -> int:
    """Return the number of buckets for some rows; warn if there are too few for a cluster."""
    if rows < LOCAL_ROWS:
        _LOGGER.warning("%s bills and receipts: kokin.reconcile on one machine is faster than Spark", f"{rows:,}")
    return 1 + rows // ROWS_PER_BUCKET


def _overlaps(results: DataFrame) -> DataFrame:
    """Return the overlaps of all buckets, added up, with the number of records of each file."""
    pairs = _rows(results, "overlap").groupBy("source", "digest", "other_source", "other_digest").sum("repeated")
    sizes = _rows(results, "outcome").groupBy("source", "digest").count()
    overlaps = pairs.join(sizes, ["source", "digest"])
    names = ("bigint(count) as records", "bigint(`sum(repeated)`) as repeated")
    return overlaps.selectExpr("source", "digest", *names, "other_source", "other_digest")


def _rows(results: DataFrame, kind: str) -> DataFrame:
    """Return the rows of one kind; they fail if input is rejected, because the others alone are not the result."""
    reason = "concat_ws(' ', 'rejected:', rejected.code, rejected.field, rejected.file, rejected.record)"
    is_valid = f"case when rejected is not null then raise_error({reason}) else {kind} is not null end"
    return results.where(is_valid).select(f"{kind}.*")


def add_summaries(empty: dict[str, Any], of_buckets: list[dict[str, Any]], received: int, policy: Policy) -> Summary:
    """Return the summary of a run from those of its buckets.

    ``empty`` is the summary of a run without rows, ``received`` the yen of the receipts in the input. A control that is
    broken in a bucket is broken, also if the sums over all buckets agree.
    """
    controls = {}
    for name, control in empty["controls"].items():
        left, right = (
            None if control[side] is None else sum(summary["controls"][name][side] for summary in of_buckets)
            for side in ("left", "right")
        )
        broken = sorted({part for summary in of_buckets for part in summary["controls"][name].get("broken", ())})
        sides = (received if name == "T4" else left, right)
        controls[name] = Control(name, control["statement"], *sides, tuple(broken))
    codes = sorted({code for summary in of_buckets for code in summary["payees"]})
    of_payees = {
        code: [summary["payees"][code] for summary in of_buckets if code in summary["payees"]] for code in codes
    }
    return Summary(
        **_add_totals(empty, of_buckets),
        payees={code: PayeeTotals(**_add_totals(empty, totals)) for code, totals in of_payees.items()},
        controls=controls,
        policy=policy,
    )


def _add_totals(empty: dict[str, Any], all_totals: list[dict[str, Any]]) -> dict[str, Any]:
    """Return the sums of the counts, yen, outcomes and dispositions of summaries, or of one payee in them."""
    outcomes = {}
    for outcome in Outcome:
        found = [totals["outcomes"][outcome.value] for totals in all_totals if outcome.value in totals["outcomes"]]
        if found:
            count, amount = (sum(total[name] for total in found) for name in ("count", "amount"))
            outcomes[outcome.value] = OutcomeTotal(count, amount)
    return {
        **{name: sum(totals[name] for totals in all_totals) for name in ("bills", "receipts", "amount")},
        "outcomes": outcomes,
        "dispositions": {
            name: sum(totals["dispositions"][name] for totals in all_totals) for name in empty["dispositions"]
        },
    }
