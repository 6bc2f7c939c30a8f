"""Which bills and receipts must be reconciled together: keys as 64-bit tokens, connected components, buckets.

A token is a hash (xxHash64) of a kind and a text, in Spark's SQL. Equal texts have equal tokens, so a hash collision
can bring together unrelated rows, but never separate related ones; the core compares the texts themselves.

Slips that share a key or an obligation form a graph, whose connected components are reconciled together. Most slips
share nothing and never enter it. The graph is shallow but need not be small: one 顧客番号 connects all slips of a
household. So it is not collected on the driver but contracted in Spark, by alternating large and small stars (Kiveris
et al., "Connected Components in MapReduce and Beyond", SoCC 2014, https://doi.org/10.1145/2670979.2670997), whose
rounds grow with the logarithm of the longest chain and not with its length.
"""

from __future__ import annotations

from collections.abc import Collection
from typing import TYPE_CHECKING

from kokin.matching import CONTENT_COLUMNS, EL_FIELDS, KEY_KINDS

if TYPE_CHECKING:
    from pyspark.sql import DataFrame


def assign_buckets(bills: DataFrame, receipts: DataFrame, count: int) -> tuple[DataFrame, DataFrame]:
    """Return both with a column ``bucket``, 0 to ``count - 1``, equal for all rows that can affect each other.

    Both are partitioned by it. All shuffles have ``count`` partitions, whatever the setting of the session.
    """
    of_slips = components(bills, count).repartition(count, "slip")
    slips = bills.selectExpr("*", f"{SLIP} as slip").repartition(count, "slip").join(of_slips, "slip", "left")
    rows = receipts.selectExpr("*", f"{receipt_token(receipts.columns)} as token").repartition(count, "token")
    rows = rows.join(key_owners(bills, of_slips, count), "token", "left")
    slips = slips.selectExpr(*bills.columns, "coalesce(root, slip) as slip")
    rows = rows.selectExpr(*receipts.columns, "coalesce(root, token) as slip")
    if {"provider_key", "batch_key", "cancels"} & set(receipts.columns):
        of_receipts = components_of_receipts(rows, count).repartition(count, "slip")
        slips, rows = (
            frame.repartition(count, "slip")
            .join(of_receipts, "slip", "left")
            .selectExpr(*names, "coalesce(root, slip) as slip")
            for frame, names in ((slips, bills.columns), (rows, receipts.columns))
        )
    return (
        slips.selectExpr(*bills.columns, f"pmod(slip, {count}) as bucket").repartition(count, "bucket"),
        rows.selectExpr(*receipts.columns, f"pmod(slip, {count}) as bucket").repartition(count, "bucket"),
    )


def components(bills: DataFrame, partitions: int) -> DataFrame:
    """Return the root of every slip that is connected with a smaller one: ``slip, root``.

    The root is the smallest slip of the component. Slips without a row are roots, mostly of themselves alone.
    """
    links = bills.selectExpr(f"{SLIP} as slip", f"explode({bill_tokens(bills.columns)}) as token").where(
        "token is not null"
    )
    links = links.repartition(partitions, "token")
    edges = links.selectExpr("slip", "min(slip) over (partition by token) as root").where("slip > root")
    return to_stars(_distinct(edges, partitions), partitions)


def components_of_receipts(receipts: DataFrame, partitions: int) -> DataFrame:
    """Return the roots of the components that receipts with one key connect: ``slip, root`` as :func:`components`.

    ``slip`` of the receipts is the component of each. Nearly every key is of one component, and leaves no edge.
    """
    keys = receipts.selectExpr("slip", f"explode({receipt_keys(receipts.columns)}) as key").where("key is not null")
    keys = keys.repartition(partitions, "key")
    several = keys.groupBy("key").agg({"slip": "min", "*": "count"}).toDF("key", "root", "records")
    edges = keys.join(several.where("records > 1"), "key").where("slip > root").select("slip", "root")
    return to_stars(_distinct(edges, partitions), partitions)


def key_owners(bills: DataFrame, of_slips: DataFrame, partitions: int) -> DataFrame:
    """Return the component of each key of the slips: ``token, root``, without eL numbers that are their own root."""
    tokens = ", ".join(key_tokens(bills.columns))
    keys = bills.selectExpr(f"{SLIP} as slip", f"explode(array({tokens})) as token").repartition(partitions, "slip")
    owners = keys.join(of_slips, "slip", "left").selectExpr("token", "coalesce(root, slip) as root")
    return owners.where("token <> root").repartition(partitions, "token").dropDuplicates(["token"])


def to_stars(edges: DataFrame, partitions: int) -> DataFrame:
    """Return the same components with one edge from every slip but the smallest to the smallest.

    ``edges`` has the columns ``slip, root`` (bigint), every edge once and ``slip > root``. The chain 4-3, 3-2, 2-1
    becomes 4-1, 3-1, 2-1.
    """
    edges = edges.localCheckpoint()
    while not _are_stars(edges, partitions):
        # Without the checkpoint every round would start with all rounds before it.
        edges = _small_stars(_large_stars(edges, partitions), partitions).localCheckpoint()
    return edges


def _are_stars(edges: DataFrame, partitions: int) -> bool:
    """Return whether every slip has one root, and no root has one itself."""
    ends = edges.selectExpr(
        "inline(array(struct(slip as one, 1 as up, 0 as down), struct(root as one, 0 as up, 1 as down)))"
    )
    counts = ends.repartition(partitions, "one").groupBy("one").sum("up", "down").toDF("one", "up", "down")
    return counts.where("up > 1 or (up > 0 and down > 0)").isEmpty()


def _large_stars(edges: DataFrame, partitions: int) -> DataFrame:
    """Connect every slip's larger neighbours with its smallest neighbour, or with itself if it is smaller."""
    both = edges.selectExpr("inline(array(struct(slip as one, root as other), struct(root as one, slip as other)))")
    both = both.repartition(partitions, "one")
    near = both.selectExpr("one", "other", "least(one, min(other) over (partition by one)) as root")
    return _distinct(near.where("other > one").selectExpr("other as slip", "root"), partitions)


def _small_stars(edges: DataFrame, partitions: int) -> DataFrame:
    """Connect every slip and its smaller neighbours with the smallest of them; ``edges`` are partitioned by slip."""
    near = edges.selectExpr("slip", "root as other", "min(root) over (partition by slip) as root")
    moved = near.selectExpr("inline(array(struct(slip as slip, root as root), struct(other as slip, root as root)))")
    return _distinct(moved.where("slip > root"), partitions)


def _distinct(edges: DataFrame, partitions: int) -> DataFrame:
    """Return each edge once, partitioned by slip."""
    return edges.repartition(partitions, "slip").distinct()


def _text(column: str) -> str:
    """Return a column as a text in SQL, null if it is empty."""
    return f"nullif(string({column}), '')"


_KEY_TEXTS = {
    "el_number": f"concat({_text('payee_code')}, {_text('item_code')}, lpad({_text('case_key')}, 20, '0'), "
    f"{_text('confirmation')})",
    # The company and the free field of the 44 digits.
    "barcode": f"substring({_text('barcode')}, 3, 27)",
    "customer_number": _text("customer_number"),
    "virtual_account": _text("virtual_account"),
}

#: The token that identifies a slip: that of its eL number, which every bill has.
SLIP = f"xxhash64('el_number', {_KEY_TEXTS['el_number']})"


def key_texts(columns: Collection[str]) -> dict[str, str]:
    """Return the keys of a row by kind, in the order of lookup, as SQL of a text, null for none.

    They read as in the core: 34, 27, up to 20 and 10 characters. A kind without its columns is left out.
    """
    needed = {kind: set(EL_FIELDS) if kind == "el_number" else {kind} for kind in KEY_KINDS}
    return {kind: _KEY_TEXTS[kind] for kind in KEY_KINDS if needed[kind] <= set(columns)}


def key_tokens(columns: Collection[str]) -> list[str]:
    """Return the tokens of a row's keys, in the order of :func:`key_texts`: SQL of a bigint, null for none."""
    return [_token(kind, text) for kind, text in key_texts(columns).items()]


def bill_tokens(columns: Collection[str]) -> str:
    """Return everything that connects a bill with another: SQL of an array of bigints, some of them null.

    Slips with one ``bill_id`` are connected, so that the core finds the duplicate.
    """
    own = [*key_tokens(columns), _token("bill_id", _text("bill_id"))]
    if "obligation_id" in columns:
        own.append(_token("obligation_id", _text("obligation_id")))
    tokens = f"array({', '.join(own)})"
    if "covers" not in columns:
        return tokens
    covered = f"transform(covers, name -> {_token('obligation_id', _text('name'))})"
    return f"concat({tokens}, coalesce({covered}, array()))"


def receipt_token(columns: Collection[str]) -> str:
    """Return the token by which a receipt is grouped: SQL of a bigint, never null.

    It is that of its first key. A receipt without a key is grouped by its content, with the equal records of other
    files.
    """
    content = [f"coalesce(string({name}), '')" for name in columns if name in CONTENT_COLUMNS]
    content_token = f"xxhash64({', '.join(content)})"
    return f"coalesce({', '.join([*key_tokens(columns), content_token])})"


def receipt_keys(columns: Collection[str]) -> str:
    """Return the keys that connect a receipt with one of another number: SQL of an array of bigints, some null.

    They are the ``provider_key`` of a payment, of the booking that contains it, and of the payment that it reverses.
    """
    names = [name for name in ("provider_key", "batch_key", "cancels") if name in columns]
    return f"array({', '.join(_token('key', _text(name)) for name in names)})" if names else "array(bigint(null))"


def _token(kind: str, text: str) -> str:
    return f"if({text} is null, null, xxhash64('{kind}', {text}))"
