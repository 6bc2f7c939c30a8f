"""The job of the matching benchmark on other engines, tuned by hand.

Every peer reads the same files, rejects the rows with an invalid key, and returns the same outcome and balance tables
(compared by ``matching.py``) in any order of rows. The matching rule is limited to the cases of the benchmark's city:
finals with an eL number, one obligation per slip. Only bills that are paid more than once use a window function.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Callable
from pathlib import Path

import duckdb
import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv as pa_csv
from matching_city import FIELDS
from matching_inputs import DAY, KEY, ORDER, OUTCOME, arrow_bills, arrow_receipts

# --- Polars ---------------------------------------------------------------------------------------------------------


def polars_receipts(folder: Path) -> pl.LazyFrame:
    """Return the receipts with a valid key and amount; the fields are slices of one text column."""
    rows = pl.scan_csv(
        folder / "receipts.dat",
        has_header=False,
        separator="\x1f",
        quote_char=None,
        new_columns=["record"],
        schema_overrides=[pl.String],
        row_index_name="record_no",
        row_index_offset=1,
    ).filter(pl.col("record").str.contains("^2[0-9]{34}"))
    days = [pl.col(name).str.to_date("%Y%m%d", strict=False) for name in sorted(DAY)]
    return (
        rows.select(
            "record_no",
            *(pl.col("record").str.slice(FIELDS[name][0], length(name)).alias(name) for name in [*KEY, "amount", *DAY]),
        )
        .with_columns(*days, pl.col("amount").cast(pl.Int64, strict=False))
        .filter(pl.all_horizontal(pl.col("amount", *DAY).is_not_null()))
    )


def length(name: str) -> int:
    """Return the number of bytes of a field."""
    start, end = FIELDS[name]
    return end - start


def polars_outcomes(receipts: pl.LazyFrame, bills: pl.LazyFrame, engine: str) -> pl.LazyFrame:
    """Return the outcome of every receipt: a join, then a running sum for bills with several payments.

    A bill is identified by its row number, which is faster to compare than its id; the join is computed once.
    """
    bills = bills.with_row_index("bill").select(*KEY, "bill", "bill_id", pl.col("amount").alias("billed"))
    joined = receipts.join(bills, on=KEY, how="left", maintain_order="none").collect(engine=engine)
    paid = joined["bill"].drop_nulls()
    multiple = paid.filter(paid.is_duplicated()).unique()
    joined = joined.with_columns(multiple=pl.col("bill").is_in(multiple.implode()).fill_null(False)).lazy()
    independent = joined.filter(~pl.col("multiple")).with_columns(balance=pl.col("billed"))
    earlier = pl.col("amount").cum_sum().over("bill") - pl.col("amount")
    interacting = (
        joined.filter("multiple").sort(ORDER).with_columns(balance=(pl.col("billed") - earlier).clip(lower_bound=0))
    )
    known, amount, balance = pl.col("bill_id").is_not_null(), pl.col("amount"), pl.col("balance")
    return (
        pl.concat([independent, interacting])
        .with_columns(
            outcome=pl.when(~known)
            .then(pl.lit("NO_BILL"))
            .when(balance == 0)
            .then(pl.lit("DUPLICATE_PAYMENT"))
            .when(amount == balance)
            .then(pl.lit("MATCHED"))
            .when(amount < balance)
            .then(pl.lit("UNDERPAID"))
            .otherwise(pl.lit("OVERPAID")),
            disposition=pl.when(~known)
            .then(pl.lit("suspense"))
            .when(balance == 0)
            .then(pl.lit("excess"))
            .otherwise(pl.lit("applied")),
            applied=pl.when(known).then(pl.min_horizontal(amount, balance)).otherwise(0),
            balance_before=balance,
        )
        .with_columns(excess=pl.when(known).then(amount - pl.col("applied")).otherwise(0))
        .select(OUTCOME)
    )


def polars_balances(outcomes: pl.LazyFrame, bills: pl.LazyFrame) -> pl.LazyFrame:
    """Return every bill with its paid and open yen."""
    paid = outcomes.filter(pl.col("applied") > 0).group_by("bill_id").agg(paid=pl.col("applied").sum())
    return (
        bills.select("bill_id", "payee_code", "amount")
        .join(paid, on="bill_id", how="left", maintain_order="none")
        .with_columns(pl.col("paid").fill_null(0))
        .with_columns(residual=pl.col("amount") - pl.col("paid"))
        .with_columns(
            status=pl.when(pl.col("residual") == 0)
            .then(pl.lit("settled"))
            .when(pl.col("paid") > 0)
            .then(pl.lit("partial"))
            .otherwise(pl.lit("expected"))
        )
    )


def polars_job(folder: Path, form: str, out: Path) -> None:
    """Run the streaming engine; the outcomes are computed once and both files are written from them."""
    scan = (
        pl.scan_csv(folder / "bills.csv", schema_overrides=dict.fromkeys(KEY, pl.String))
        if form == "csv"
        else pl.scan_parquet(folder / "bills.parquet")
    )
    outcomes = polars_outcomes(polars_receipts(folder), scan, "streaming").collect(engine="streaming").lazy()
    sinks = [
        outcomes.select(pl.lit("receipts").alias("source"), *OUTCOME).sink_csv(out / "outcomes.csv", lazy=True),
        polars_balances(outcomes, scan).sink_csv(out / "balances.csv", lazy=True),
    ]
    pl.collect_all(sinks, engine="streaming")


def polars_core(bills: pa.Table, receipts: pa.Table) -> Callable[[], pa.Table]:
    """Convert both tables to Polars; return the timed function."""
    left, right = pl.from_arrow(receipts).lazy(), pl.from_arrow(bills).lazy()
    return lambda: polars_outcomes(left, right, "in-memory").collect().to_arrow()


# --- DuckDB ---------------------------------------------------------------------------------------------------------

OUTCOME_SQL = """
with joined as (
  select r.*, b.bill_id, b.amount as billed, b.{bill} as bill from receipts r left join bills b using ({key})
),
multiple as (select bill from joined where bill is not null group by bill having count(*) > 1),
matched as (
  select *, billed as balance from joined where not exists (select 1 from multiple where multiple.bill = joined.bill)
  union all
  select *, {greatest}(0, billed - coalesce(sum(amount) over (partition by bill order by {order}
    rows between unbounded preceding and 1 preceding), 0)) as balance
  from joined where bill in (select bill from multiple)
)
select record_no,
  case when bill_id is null then 'NO_BILL' when balance = 0 then 'DUPLICATE_PAYMENT'
       when amount = balance then 'MATCHED' when amount < balance then 'UNDERPAID' else 'OVERPAID' end as outcome,
  case when bill_id is null then 'suspense' when balance = 0 then 'excess' else 'applied' end as disposition,
  bill_id, payee_code, item_code, case_key, amount,
  case when bill_id is null then 0 else {least}(amount, balance) end as applied,
  case when bill_id is null then 0 else amount - {least}(amount, balance) end as excess, balance as balance_before
from matched
"""
BALANCE_SQL = """
select bill_id, payee_code, amount, coalesce(paid, 0) as paid, amount - coalesce(paid, 0) as residual,
  case when amount = paid then 'settled' when paid > 0 then 'partial' else 'expected' end as status
from bills
left join (select bill_id, sum(applied) as paid from outcomes where applied > 0 group by bill_id) using (bill_id)
"""
PLAIN = "auto_detect = false, quote = ''"
WORDS = {"key": ", ".join(KEY), "order": ", ".join(ORDER)}
DUCKDB_OUTCOME_SQL = OUTCOME_SQL.format(**WORDS, bill="bill", least="least", greatest="greatest")


def duckdb_connection() -> duckdb.DuckDBPyConnection:
    """Return an in-memory database that need not preserve the order of rows."""
    connection = duckdb.connect()
    connection.execute("set preserve_insertion_order = false; set enable_progress_bar = false")
    return connection


def duckdb_receipts(folder: Path) -> str:
    """Return a query for the receipts with a valid key and amount; records are read as one text column."""
    columns = "delim = '\x1f', columns = {'record': 'VARCHAR'}"
    read = f"read_csv('{folder}/receipts.dat', header = false, {PLAIN}, {columns})"
    fields = ", ".join(f"record[{start + 1}:{end}] as {name}" for name, (start, end) in FIELDS.items())
    day = "%Y%m%d"
    digits = " and ".join(f"regexp_full_match({name}, '[0-9]+')" for name in KEY)
    return f"""
      select record_no, {", ".join(KEY)}, try_cast(amount as bigint) as amount,
        try_strptime(paid_on, '{day}')::date as paid_on, try_strptime(received_on, '{day}')::date as received_on
      from (select row_number() over () as record_no, {fields} from {read})
      where {digits} and try_cast(amount as bigint) is not null
    """


def duckdb_job(folder: Path, form: str, out: Path) -> None:
    """Store receipts and outcomes as tables and copy both files from them."""
    connection = duckdb_connection()
    columns = ", ".join(
        f"'{name}': '{kind}'"
        for name, kind in zip(["bill_id", *KEY, "amount", "due_on"], [*["VARCHAR"] * 5, "BIGINT", "DATE"], strict=True)
    )
    bills = f"*, file_row_number as bill from read_parquet('{folder}/bills.parquet', file_row_number = true)"
    if form == "csv":
        read = f"read_csv('{folder}/bills.csv', header = true, {PLAIN}, columns = {{{columns}}})"
        bills = f"*, row_number() over () as bill from {read}"
    connection.execute(f"create view bills as select {bills}")
    connection.execute(f"create temp table receipts as {duckdb_receipts(folder)}")
    connection.execute(f"create temp table outcomes as {DUCKDB_OUTCOME_SQL}")
    connection.execute(f"copy (select 'receipts' as source, * from outcomes) to '{out}/outcomes.csv' (header)")
    connection.execute(f"copy ({BALANCE_SQL}) to '{out}/balances.csv' (header)")


def duckdb_core(bills: pa.Table, receipts: pa.Table) -> Callable[[], pa.Table]:
    """Copy both tables into DuckDB; return the timed function."""
    connection = duckdb_connection()
    for name, table in (("bills", bills), ("receipts", receipts)):
        connection.register("input_table", table)
        number = ", row_number() over () as bill" if name == "bills" else ""
        connection.execute(f"create temp table {name} as select *{number} from input_table")
    return lambda: connection.sql(DUCKDB_OUTCOME_SQL).to_arrow_table()


# --- pandas ---------------------------------------------------------------------------------------------------------


def pandas_outcomes(receipts: pd.DataFrame, bills: pd.DataFrame) -> pd.DataFrame:
    """Return the outcomes: a merge, then a running sum for bills with several payments."""
    joined = receipts.merge(bills[[*KEY, "bill_id", "amount"]].rename(columns={"amount": "billed"}), on=KEY, how="left")
    known = joined["bill_id"].notna()
    balance = joined["billed"].astype("Int64")
    multiple = joined["bill_id"].duplicated(keep=False) & known
    interacting = joined[multiple].sort_values(ORDER)
    earlier = interacting.groupby("bill_id")["amount"].cumsum() - interacting["amount"]
    balance[interacting.index] = (interacting["billed"].astype("int64") - earlier).clip(lower=0)
    amount = joined["amount"]
    applied = np.minimum(amount, balance.fillna(0).astype("int64"))
    cases = [~known, (balance == 0).fillna(False), (amount == balance).fillna(False), (amount < balance).fillna(False)]
    names = ["NO_BILL", "DUPLICATE_PAYMENT", "MATCHED", "UNDERPAID"]
    joined["outcome"] = np.select([case.to_numpy(bool) for case in cases], names, "OVERPAID")
    joined["disposition"] = np.select([case.to_numpy(bool) for case in cases[:2]], ["suspense", "excess"], "applied")
    joined["applied"] = applied
    joined["excess"] = np.where(known, amount - applied, 0)
    joined["balance_before"] = balance
    return joined[OUTCOME]


def pandas_job(folder: Path, form: str, out: Path) -> None:
    """Use Arrow strings, the default of pandas 3."""
    bills = arrow_bills(folder, form).to_pandas()
    outcomes = pandas_outcomes(arrow_receipts(folder).to_pandas(), bills)
    outcomes.insert(0, "source", "receipts")
    outcomes.to_csv(out / "outcomes.csv", index=False)
    paid = outcomes[outcomes["applied"] > 0].groupby("bill_id")["applied"].sum()
    balances = bills[["bill_id", "payee_code", "amount"]].copy()
    balances["paid"] = balances["bill_id"].map(paid).fillna(0).astype("int64")
    balances["residual"] = balances["amount"] - balances["paid"]
    cases = [balances["residual"] == 0, balances["paid"] > 0]
    balances["status"] = np.select(cases, ["settled", "partial"], "expected")
    balances.to_csv(out / "balances.csv", index=False)


def pandas_core(bills: pa.Table, receipts: pa.Table) -> Callable[[], pa.Table]:
    """Convert both tables to data frames; return the timed function."""
    left, right = receipts.to_pandas(), bills.to_pandas()
    return lambda: pa.Table.from_pandas(pandas_outcomes(left, right), preserve_index=False)


# --- PyArrow: Acero -------------------------------------------------------------------------------------------------


def acero_outcomes(receipts: pa.Table, bills: pa.Table) -> pa.Table:
    """Return the outcomes: Acero's hash join and aggregation, and numpy instead of a window function."""
    billed = bills.select([*KEY, "bill_id", "amount"]).rename_columns([*KEY, "bill_id", "billed"])
    joined = receipts.select([*KEY, *ORDER, "amount"]).join(billed, KEY, join_type="left outer")
    counts = joined.filter(pc.is_valid(joined["bill_id"])).group_by("bill_id").aggregate([([], "count_all")])
    multiple = counts.filter(pc.greater(counts["count_all"], 1)).select(["bill_id"])
    repeated = pc.is_in(joined["bill_id"], value_set=multiple["bill_id"].combine_chunks())
    independent, interacting = joined.filter(pc.invert(repeated)), joined.filter(repeated)
    interacting = interacting.sort_by([("bill_id", "ascending"), *((name, "ascending") for name in ORDER)])
    # Acero has no window function: the running sum of a bill is the total running sum less its value before the bill.
    amount = interacting["amount"].to_numpy()
    ids = interacting["bill_id"].combine_chunks().dictionary_encode().indices.to_numpy()
    sums = np.cumsum(amount) - amount
    first = np.flatnonzero(np.diff(ids, prepend=-1))
    before = sums - np.repeat(sums[first], np.diff(np.append(first, len(ids))))
    balance = np.maximum(interacting["billed"].to_numpy() - before, 0)
    rows = pa.concat_tables(
        [
            independent.append_column("balance", independent["billed"]),
            interacting.append_column("balance", pa.array(balance)),
        ]
    )
    amount, balance, unknown = rows["amount"], rows["balance"], pc.is_null(rows["bill_id"])
    applied = pc.fill_null(pc.min_element_wise(amount, balance, skip_nulls=False), 0)
    cases = pc.make_struct(
        unknown,
        pc.fill_null(pc.equal(balance, 0), False),
        pc.fill_null(pc.equal(amount, balance), False),
        pc.fill_null(pc.less(amount, balance), False),
    )
    outcome = pc.case_when(cases, "NO_BILL", "DUPLICATE_PAYMENT", "MATCHED", "UNDERPAID", "OVERPAID")
    disposition = pc.case_when(pc.make_struct(*cases.flatten()[:2]), "suspense", "excess", "applied")
    more = {
        "outcome": outcome,
        "disposition": disposition,
        "applied": applied,
        "excess": pc.if_else(unknown, 0, pc.subtract(amount, applied)),
        "balance_before": balance,
    }
    return pa.table({name: more.get(name, rows[name] if name in rows.column_names else None) for name in OUTCOME})


def acero_job(folder: Path, form: str, out: Path) -> None:
    """Use Arrow's readers, kernels and CSV writer."""
    bills = arrow_bills(folder, form)
    outcomes = acero_outcomes(arrow_receipts(folder), bills)
    plain = pa_csv.WriteOptions(quoting_style="none", batch_size=1 << 16)
    pa_csv.write_csv(
        outcomes.add_column(0, "source", pa.repeat("receipts", len(outcomes))), out / "outcomes.csv", plain
    )
    moved = outcomes.filter(pc.greater(outcomes["applied"], 0)).group_by("bill_id").aggregate([("applied", "sum")])
    rows = bills.select(["bill_id", "payee_code", "amount"]).join(moved, "bill_id", join_type="left outer")
    paid = pc.fill_null(rows["applied_sum"], 0)
    residual = pc.subtract(rows["amount"], paid)
    status = pc.case_when(pc.make_struct(pc.equal(residual, 0), pc.greater(paid, 0)), "settled", "partial", "expected")
    balances = {
        "bill_id": rows["bill_id"],
        "payee_code": rows["payee_code"],
        "amount": rows["amount"],
        "paid": paid,
        "residual": residual,
        "status": status,
    }
    pa_csv.write_csv(pa.table(balances), out / "balances.csv", plain)


def acero_core(bills: pa.Table, receipts: pa.Table) -> Callable[[], pa.Table]:
    """Return the timed function; the tables are Arrow tables already."""
    return lambda: acero_outcomes(receipts, bills)


# --- SQLite ---------------------------------------------------------------------------------------------------------


def sqlite_connection(bills: pa.Table, receipts: pa.Table) -> sqlite3.Connection:
    """Return an in-memory database with both tables and an index over the key of the bills."""
    connection = sqlite3.connect(":memory:")
    for name, table in (
        ("bills", bills.select(["bill_id", *KEY, "amount"])),
        ("receipts", receipts.select([*KEY, *ORDER, "amount"])),
    ):
        connection.execute(f"create table {name} ({', '.join(table.column_names)})")
        values = ", ".join("?" * table.num_columns)
        for batch in table.to_batches(max_chunksize=100_000):
            columns = [
                column.cast(pa.string()) if pa.types.is_date(column.type) else column for column in batch.columns
            ]
            rows = zip(*(column.to_pylist() for column in columns), strict=True)
            connection.executemany(f"insert into {name} values ({values})", rows)
    connection.execute(f"create index number on bills ({', '.join([*reversed(KEY), 'bill_id', 'amount'])})")
    return connection


SQLITE_OUTCOME_SQL = OUTCOME_SQL.format(**WORDS, bill="rowid", least="min", greatest="max").replace(
    "with joined as (", "with joined as materialized ("
)


def sqlite_job(folder: Path, form: str, out: Path) -> None:
    """Move rows in and out through Python's sqlite3 module."""
    connection = sqlite_connection(arrow_bills(folder, form), arrow_receipts(folder))
    connection.execute(f"create table outcomes as {SQLITE_OUTCOME_SQL}")
    for name, query in (("outcomes", "select 'receipts' as source, * from outcomes"), ("balances", BALANCE_SQL)):
        cursor = connection.execute(query)
        with (out / f"{name}.csv").open("w") as file:
            file.write(",".join(column[0] for column in cursor.description) + "\n")
            file.writelines(",".join("" if v is None else str(v) for v in row) + "\n" for row in cursor)


def sqlite_core(bills: pa.Table, receipts: pa.Table) -> Callable[[], pa.Table]:
    """Load both tables and index the bills; return the timed function."""
    connection = sqlite_connection(bills, receipts)

    def run() -> pa.Table:
        columns = zip(*connection.execute(SQLITE_OUTCOME_SQL).fetchall(), strict=True)
        return pa.table(dict(zip(OUTCOME, map(list, columns), strict=True)))

    return run


JOBS = {
    "Polars": polars_job,
    "DuckDB": duckdb_job,
    "PyArrow (Acero)": acero_job,
    "pandas": pandas_job,
    "SQLite": sqlite_job,
}
CORES = {
    "Polars": polars_core,
    "DuckDB": duckdb_core,
    "PyArrow (Acero)": acero_core,
    "pandas": pandas_core,
    "SQLite": sqlite_core,
}
