"""The reconciliation of two Spark DataFrames."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import pyarrow as pa

from kokin.issues import InvalidInputError, from_table
from kokin.matching import KEY_COLUMNS
from kokin.model import Outcome, Receipt
from kokin.reconcile import Control, OutcomeTotal, PayeeTotals, Policy, Summary
from kokin.spark._bucket import empty_summary, reconcile_bucket, row_schema
from kokin.spark._components import assign_buckets

if TYPE_CHECKING:
    from pyspark.sql import DataFrame

#: Approximate rows of bills and receipts in a bucket: enough to outweigh a call of the core, few enough for a worker.
ROWS_PER_BUCKET = 1_000_000

# The columns of a bill that the core reads. The others, names among them, are not moved.
_BILL_COLUMNS = ("bill_id", "amount", "due_on", "status", "obligation_id", "covers", "paid_before", *KEY_COLUMNS)
# Nearly all columns of a receipt, because duplicates are found by their content.
_RECEIPT_COLUMNS = tuple(name for name in Receipt.model_fields if name not in ("layout", "byte_offset", "raw"))


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
        """
        results = self._results.where("rejected is not null or run is not null")
        rows = results.select("rejected", "run.summary").toArrow()
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
    times, so they should be stored or cached.

    Args:
        bills: the columns of :class:`~kokin.model.Bill`, one row a slip; optional ones may be missing.
        receipts: the columns of :class:`~kokin.model.Receipt`. ``paid_time`` may be a text ``HH:MM:SS``.
        policy: the authority's choices.
        buckets: how many parts the work has; by default one per million rows. The result does not depend on it.

    Raises:
        InvalidInputError: a required column is missing, or one is of a wrong type.
    """
    policy = policy or Policy()
    bills = bills.select(*(name for name in bills.columns if name in _BILL_COLUMNS))
    receipts = receipts.select(*(name for name in receipts.columns if name in _RECEIPT_COLUMNS))
    summary = empty_summary(bills.limit(0).toArrow(), receipts.limit(0).toArrow(), policy)
    buckets = buckets or 1 + (bills.count() + receipts.count()) // ROWS_PER_BUCKET
    left, right = assign_buckets(bills, receipts, buckets)

    def work(bucket_bills: pa.Table, bucket_receipts: pa.Table) -> pa.Table:
        return reconcile_bucket(bucket_bills, bucket_receipts, policy)

    results = left.groupBy("bucket").cogroup(right.groupBy("bucket")).applyInArrow(work, _ddl(row_schema())).persist()
    outcomes, balances, exceptions = (_rows(results, kind) for kind in ("outcome", "balance", "exception"))
    return SparkReconciliation(outcomes, balances, exceptions, _overlaps(results), results, receipts, summary, policy)


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


def _ddl(schema: pa.Schema) -> str:
    """Return the DDL of an Arrow schema of structs of texts and int64."""

    def of(fields: Any) -> str:
        return ", ".join(f"`{field.name}`: {'bigint' if field.type == pa.int64() else 'string'}" for field in fields)

    return ", ".join(f"`{field.name}` struct<{of(field.type)}>" for field in schema)


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
