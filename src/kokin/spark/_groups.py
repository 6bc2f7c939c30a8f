"""Which slips hang together, and where the receipts have to go to meet theirs.

Slips that share a number or an obligation form a graph, and its components are the groups. Most slips share nothing
and never enter it. The graph is shallow but need not be small: one 顧客番号 ties all slips of a household. So it is
not collected on the driver; it is contracted where it lies, by alternating large and small stars (Kiveris et al.,
"Connected Components in MapReduce and Beyond", SoCC 2014), whose rounds grow with the logarithm of the longest chain
and not with its length.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from kokin.spark._tokens import SLIP, bill_tokens, number_tokens, receipt_keys, receipt_token

if TYPE_CHECKING:
    from pyspark.sql import DataFrame


def into_buckets(bills: DataFrame, receipts: DataFrame, count: int) -> tuple[DataFrame, DataFrame]:
    """Both with a column ``bucket``, 0 to ``count - 1``, the same for all that can influence each other."""
    tied = ties(bills)
    slips = bills.selectExpr("*", f"{SLIP} as slip").join(tied, "slip", "left")
    asked = receipts.selectExpr("*", f"{receipt_token(receipts.columns)} as token")
    asked = asked.join(targets(bills, tied), "token", "left")
    slips = slips.selectExpr(*bills.columns, "coalesce(head, slip) as slip")
    asked = asked.selectExpr(*receipts.columns, "coalesce(head, token) as slip")
    if {"provider_key", "batch_key", "cancels"} & set(receipts.columns):
        linked = links(asked)
        slips, asked = (
            rows.join(linked, "slip", "left").selectExpr(*names, "coalesce(head, slip) as slip")
            for rows, names in ((slips, bills.columns), (asked, receipts.columns))
        )
    return (
        slips.selectExpr(*bills.columns, f"pmod(slip, {count}) as bucket"),
        asked.selectExpr(*receipts.columns, f"pmod(slip, {count}) as bucket"),
    )


def links(receipts: DataFrame) -> DataFrame:
    """The groups that receipts with one key connect: ``slip, head`` as :func:`ties` has them.

    ``receipts`` have the group of each as ``slip``. Nearly every key is of one group, and leaves no edge.
    """
    keys = receipts.selectExpr("slip", f"explode({receipt_keys(receipts.columns)}) as key").where("key is not null")
    several = keys.groupBy("key").agg({"slip": "min", "*": "count"}).toDF("key", "head", "records")
    edges = keys.join(several.where("records > 1"), "key").where("slip > head").select("slip", "head").distinct()
    return stars(edges)


def ties(bills: DataFrame) -> DataFrame:
    """The head of every slip that has one: ``slip, head``. Slips of one group have one head, the least of them."""
    links = bills.selectExpr(f"{SLIP} as slip", f"explode({bill_tokens(bills.columns)}) as token").where(
        "token is not null"
    )
    edges = links.selectExpr("slip", "min(slip) over (partition by token) as head").where("slip > head").distinct()
    return stars(edges)


def targets(bills: DataFrame, tied: DataFrame) -> DataFrame:
    """Where the numbers of slips lead to, each once: ``token, head``; an eL number that leads to itself is left out."""
    tokens = ", ".join(number_tokens(bills.columns))
    links = bills.selectExpr(f"{SLIP} as slip", f"explode(array({tokens})) as token").join(tied, "slip", "left")
    leads = links.selectExpr("token", "coalesce(head, slip) as head").where("token <> head")
    return leads.dropDuplicates(["token"])


def stars(edges: DataFrame) -> DataFrame:
    """The same components with one edge from every slip but the least to the least.

    ``edges`` has the columns ``slip, head`` (bigint), every edge once and ``slip > head``.
    """
    edges = edges.localCheckpoint()
    while not _are_stars(edges):
        # Without the checkpoint every round would begin with all rounds before it.
        edges = _small_stars(_large_stars(edges)).localCheckpoint()
    return edges


def _are_stars(edges: DataFrame) -> bool:
    """Whether every slip has one head, and no head has one itself."""
    ends = edges.selectExpr(
        "inline(array(struct(slip as one, 1 as up, 0 as down), struct(head as one, 0 as up, 1 as down)))"
    )
    found = ends.groupBy("one").sum("up", "down").toDF("one", "up", "down")
    return found.where("up > 1 or (up > 0 and down > 0)").isEmpty()


def _large_stars(edges: DataFrame) -> DataFrame:
    """Every slip's greater neighbours go to its least neighbour, or to itself if it is less."""
    both = edges.selectExpr("inline(array(struct(slip as one, head as other), struct(head as one, slip as other)))")
    near = both.selectExpr("one", "other", "least(one, min(other) over (partition by one)) as head")
    return near.where("other > one").selectExpr("other as slip", "head").distinct()


def _small_stars(edges: DataFrame) -> DataFrame:
    """Every slip and its lesser neighbours go to the least of them."""
    near = edges.selectExpr("slip", "head as other", "min(head) over (partition by slip) as head")
    moved = near.selectExpr("inline(array(struct(slip as slip, head as head), struct(other as slip, head as head)))")
    return moved.where("slip > head").distinct()
