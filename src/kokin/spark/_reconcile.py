"""The reconciliation of two Spark DataFrames."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import pyarrow as pa

from kokin.issues import InvalidInputError, from_table
from kokin.model import Outcome, Receipt
from kokin.reconcile import Control, OutcomeTotal, Policy, Summary
from kokin.spark._bucket import rehearse, row_schema, settle
from kokin.spark._groups import into_buckets

if TYPE_CHECKING:
    from pyspark.sql import DataFrame

#: Rows of bills and receipts in a bucket, about: enough to make a call of the core worth it, few enough for a worker.
ROWS_PER_BUCKET = 1_000_000

# What the core reads of a bill. The rest, names among it, is not moved.
_OF_BILLS = (
    "bill_id",
    "payee_code",
    "item_code",
    "case_key",
    "confirmation",
    "amount",
    "due_on",
    "status",
    "barcode",
    "customer_number",
    "virtual_account",
    "obligation_id",
    "covers",
    "paid_before",
)
# Of a receipt nearly everything, for a copy is told by its content.
_OF_RECEIPTS = tuple(name for name in Receipt.model_fields if name not in ("layout", "byte_offset", "raw"))


@dataclass(frozen=True)
class SparkReconciliation:
    """What became of every receipt, and how every bill stands after it; computed when it is first asked for, and kept.

    Rows have no order in Spark. Sorted by ``source, digest, record_no``, and by the other columns where these are not
    unique, the outcomes and exceptions are those of :class:`kokin.reconcile.Reconciliation`, but for the files that
    overlap, which have a table of their own; so are the balances, sorted by ``bill_id``.

    Where the input is refused, :meth:`summary` tells why. Until then a DataFrame of it fails when it is computed.
    """

    outcomes: DataFrame
    """A row per receipt: the columns of the local outcomes, and ``digest``."""
    balances: DataFrame
    """A row per slip: the columns of the local balances."""
    exceptions: DataFrame
    """The outcomes to look at and the reused keys: the columns of the local exceptions, and ``digest``."""
    overlaps: DataFrame
    """The files that repeat records of others, as :func:`kokin.reconcile.overlaps` tells them."""
    _settled: DataFrame
    _receipts: DataFrame
    _empty: dict[str, Any]
    _policy: Policy

    def summary(self) -> Summary:
        """Return counts and yen, equal to :attr:`kokin.reconcile.Reconciliation.summary`.

        Control T4 compares the dispositions with the yen of the receipts in the input DataFrame, so that it detects a
        lost receipt.

        Raises:
            InvalidInputError: the bills do not hold together, or a row is no bill or no receipt. ``.issues`` tells all
                of it; a bill is named by its ``bill_id``, for rows have no number in Spark.
        """
        told = self._settled.where("refused is not null or run is not null").select("refused", "run.summary").toArrow()
        if told.column("refused").null_count < len(told):
            refused = told.column("refused").drop_null().combine_chunks()
            issues = dict.fromkeys(from_table(pa.Table.from_struct_array(refused)))
            raise InvalidInputError(list(issues), "bills or receipts refused")
        taken_back = "coalesce(kind, '') = 'reversal'" if "kind" in self._receipts.columns else "false"
        yen = f"if({taken_back}, -bigint(amount), bigint(amount))"
        received = self._receipts.selectExpr(f"coalesce(sum({yen}), 0)").first()
        assert received is not None
        summaries = [json.loads(text) for text in told.column("summary").to_pylist()]
        return add_up(self._empty, summaries, received[0], self._policy)

    def unpersist(self) -> None:
        """Forget what has been computed; what is asked for afterwards is computed again."""
        self._settled.unpersist()


def reconcile(
    bills: DataFrame, receipts: DataFrame, policy: Policy | None = None, *, buckets: int | None = None
) -> SparkReconciliation:
    """Settle receipts against bills by the rule of matching.

    Which slips hang together is worked out at once; all the rest when it is asked for. The bills are read several
    times: give them from storage, or cached.

    Args:
        bills: the columns of :class:`~kokin.model.Bill`, one row a slip; optional ones may be missing.
        receipts: the columns of :class:`~kokin.model.Receipt`. ``paid_time`` may be a text ``HH:MM:SS``.
        policy: the body's choices.
        buckets: into how many parts the work is cut; by default one per million rows. It does not show in the result.

    Raises:
        InvalidInputError: a required column is missing, or one is of a wrong type.
    """
    policy = policy or Policy()
    bills = bills.select(*(name for name in bills.columns if name in _OF_BILLS))
    receipts = receipts.select(*(name for name in receipts.columns if name in _OF_RECEIPTS))
    empty = rehearse(bills.limit(0).toArrow(), receipts.limit(0).toArrow(), policy)
    buckets = buckets or 1 + (bills.count() + receipts.count()) // ROWS_PER_BUCKET
    left, right = into_buckets(bills, receipts, buckets)

    def work(some_bills: pa.Table, some_receipts: pa.Table) -> pa.Table:
        return settle(some_bills, some_receipts, policy)

    settled = left.groupBy("bucket").cogroup(right.groupBy("bucket")).applyInArrow(work, _ddl(row_schema())).persist()
    return SparkReconciliation(
        _rows(settled, "outcome"),
        _rows(settled, "balance"),
        _rows(settled, "exception"),
        _overlaps(settled),
        settled,
        receipts,
        empty,
        policy,
    )


def _overlaps(settled: DataFrame) -> DataFrame:
    """The overlaps of all buckets, added up, with the number of records of each file."""
    pairs = _rows(settled, "overlap").groupBy("source", "digest", "other_source", "other_digest").sum("repeated")
    sizes = _rows(settled, "outcome").groupBy("source", "digest").count()
    found = pairs.join(sizes, ["source", "digest"])
    names = ("bigint(count) as records", "bigint(`sum(repeated)`) as repeated")
    return found.selectExpr("source", "digest", *names, "other_source", "other_digest")


def _rows(settled: DataFrame, kind: str) -> DataFrame:
    """The rows of one kind; they fail where the input is refused, for the rest alone would not be the result."""
    reason = "concat_ws(' ', 'refused:', refused.code, refused.field, refused.file, refused.record)"
    sound = f"case when refused is not null then raise_error({reason}) else {kind} is not null end"
    return settled.where(sound).select(f"{kind}.*")


def _ddl(schema: pa.Schema) -> str:
    """An Arrow schema of structs of texts and int64 as Spark writes it."""

    def of(fields: Any) -> str:
        return ", ".join(f"`{field.name}`: {'bigint' if field.type == pa.int64() else 'string'}" for field in fields)

    return ", ".join(f"`{field.name}` struct<{of(field.type)}>" for field in schema)


def add_up(empty: dict[str, Any], parts: list[dict[str, Any]], received: int, policy: Policy) -> Summary:
    """Return the summary of a run from those of its buckets.

    Args:
        empty: the summary of a run without rows.
        parts: the summaries of the buckets.
        received: yen of the receipts in the input.
        policy: the choices of the run.
    """
    outcomes = {}
    for outcome in Outcome:
        totals = [part["outcomes"][outcome.value] for part in parts if outcome.value in part["outcomes"]]
        if totals:
            count, amount = (sum(total[name] for total in totals) for name in ("count", "amount"))
            outcomes[outcome.value] = OutcomeTotal(count, amount)
    controls = {}
    for name, control in empty["controls"].items():
        left, right = (
            None if control[side] is None else sum(part["controls"][name][side] for part in parts)
            for side in ("left", "right")
        )
        controls[name] = Control(name, control["statement"], received if name == "T4" else left, right)
    return Summary(
        **{name: sum(part[name] for part in parts) for name in ("bills", "receipts", "amount")},
        outcomes=outcomes,
        dispositions={name: sum(part["dispositions"][name] for part in parts) for name in empty["dispositions"]},
        controls=controls,
        policy=policy,
    )
