"""The job of the matching benchmark on Polars and DuckDB, tuned by hand.

Every peer reads the same files, rejects the invalid records, and returns the same outcome and balance tables (compared
by ``matching.py``) in any order of rows. The matching rule is limited to the cases of the benchmark's city: finals and
reversals with an eL number or a 顧客番号, records that several files have, one obligation per slip and covering slips.
Only receipts that share a bill or a household with another one use window functions. The payments of households that
use their covering slip depend on each other one by one, so both peers share a function in numpy for them.

Acero, pandas and SQLite, which were 3 to 60 times as slow as Kokin, are no longer compared.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import duckdb
import numpy as np
import polars as pl
import pyarrow as pa
from matching_city import FIELDS, FILES
from matching_inputs import CONTENT, DAYS, KEY, ORDER, OUTCOME, VALID, allocate

# --- Polars ---------------------------------------------------------------------------------------------------------


def polars_receipts(folder: Path) -> pl.LazyFrame:
    """Return the valid receipts of both files; the fields are slices of one text column."""
    files = [
        pl.scan_csv(
            folder / name,
            has_header=False,
            separator="\x1f",
            quote_char=None,
            new_columns=["record"],
            schema_overrides=[pl.String],
            row_index_name="record_no",
            row_index_offset=1,
        ).with_columns(file=pl.lit(number, pl.Int8))
        for number, name in enumerate(FILES)
    ]
    fields = [pl.col("record").str.slice(start, end - start).alias(name) for name, (start, end) in FIELDS.items()]
    return (
        pl.concat(files)
        .filter(pl.col("record").str.contains(VALID))
        .select("file", "record_no", *fields)
        .with_columns(
            *(pl.col(name).str.to_date("%Y%m%d", strict=False) for name in DAYS),
            pl.col("amount").cast(pl.Int64, strict=False),
        )
        .filter(pl.all_horizontal(pl.col("amount", *DAYS).is_not_null()))
    )


def polars_join(receipts: pl.LazyFrame, bills: pl.LazyFrame, engine: str) -> pl.DataFrame:
    """Return the receipts with their bills: by eL number, and those without one by a 顧客番号 of a single bill.

    A bill is identified by its row number, which is faster to compare than its id.
    """
    of_bill = [pl.col("bill"), "bill_id", pl.col("amount").alias("billed"), pl.col("covers").list.len() > 0]
    joined = receipts.join(bills.select(*KEY, *of_bill), on=KEY, how="left", maintain_order="none").collect(
        engine=engine
    )
    by_number = pl.col("case_key") >= "0"
    others = joined.filter(~by_number)
    names = ["bill", "bill_id", "billed", "covers", *KEY]
    found = (
        bills.filter(pl.col("customer_number").is_in(others["customer_number"].unique().implode()))
        .select("customer_number", *of_bill, *KEY)
        .group_by("customer_number")
        .agg(pl.col(names).first(), ambiguous=pl.len() > 1)
        .with_columns(pl.when(~pl.col("ambiguous")).then(pl.col(name)).alias(name) for name in names)
        .collect(engine=engine)
    )
    others = others.drop(names).join(found, on="customer_number", how="left").with_columns(by_number=False)
    numbered = joined.filter(by_number).with_columns(ambiguous=False, by_number=True)
    return pl.concat([numbered, others.select(numbered.columns)])


def polars_covered(bills: pl.LazyFrame) -> pl.LazyFrame:
    """Return ``cover, bill, billed, due_on, obligation_id``: the bills of the obligations of each covering slip."""
    own = bills.filter(pl.col("obligation_id").is_not_null())
    return (
        bills.filter(pl.col("covers").list.len() > 0)
        .select("payee_code", cover="bill", obligation_id="covers")
        .explode("obligation_id")
        .join(
            own.select("payee_code", "obligation_id", "bill", "due_on", billed="amount"),
            on=["payee_code", "obligation_id"],
        )
    )


def polars_reversals(rows: pl.DataFrame) -> pl.DataFrame:
    """Return ``file, record_no, decided`` of reversals and of the finals that they reverse.

    Each reversal is paired with the latest unpaired final of its bill and yen up to its day, as brackets are: by the
    number of open finals before each row.
    """
    key = pl.when(pl.col("bill").is_null()).then(pl.concat_str(*KEY, "customer_number", ignore_nulls=True))
    rows = rows.with_columns(
        is_reversal=pl.col("event") == "1", key=key.fill_null(""), bill=pl.col("bill").fill_null(-1)
    )
    group = ["bill", "key", "amount"]
    rows = rows.join(rows.filter("is_reversal").select(group).unique(), on=group, how="semi")
    rows = rows.sort([*group, "received_on", "is_reversal", *ORDER])
    step = pl.when("is_reversal").then(-1).otherwise(1)
    before = step.cum_sum().over(group) - step
    rows = rows.with_columns(before=before).with_columns(
        level=pl.col("before") - pl.col("before").cum_min().over(group) + (~pl.col("is_reversal")).cast(pl.Int32)
    )
    has_next = pl.col("is_reversal").shift(-1).over([*group, "level"]).is_not_null()
    paired = (pl.col("level") > 0) & (pl.col("is_reversal") | has_next)
    decided = (
        pl.when(~pl.col("is_reversal") & paired)
        .then(pl.lit("REVERSED"))
        .when(pl.col("is_reversal"))
        .then(pl.when(paired).then(pl.lit("REVERSAL")).otherwise(pl.lit("REVERSAL_WITHOUT_PAYMENT")))
    )
    return rows.select("file", "record_no", decided=decided).drop_nulls()


def polars_interacting(rows: pl.DataFrame, covered: pl.DataFrame) -> tuple[pl.DataFrame, pl.DataFrame]:
    """Return the receipts with ``decided``, ``applied`` and ``balance``, and the paid yen of the covered bills."""
    rows = rows.sort("record_no").with_columns(copy=pl.int_range(pl.len()).over([*CONTENT, "file"]))
    duplicate = pl.col("file") > pl.col("file").min().over([*CONTENT, "copy"])
    rows = rows.with_columns(decided=pl.when(duplicate).then(pl.lit("DUPLICATE_RECORD")))
    reversals = polars_reversals(rows.filter(pl.col("decided").is_null()))
    rows = rows.join(reversals, on=["file", "record_no"], how="left").with_columns(
        decided=pl.coalesce("decided", "decided_right")
    )
    is_payment = pl.col("decided").is_null() & pl.col("bill").is_not_null()
    payments = rows.filter(is_payment).sort(ORDER)
    own, of_household = payments.filter(pl.col("cover").is_null()), payments.filter(pl.col("cover").is_not_null())
    earlier = pl.col("amount").cum_sum().over("bill") - pl.col("amount")
    own = own.with_columns(balance=(pl.col("billed") - earlier).clip(lower_bound=0))
    columns = (of_household[name].to_numpy() for name in ("cover", "nth", "amount"))
    _, before, after = allocate(*columns, covered["cover"].to_numpy(), covered["billed"].to_numpy())
    of_household = of_household.with_columns(balance=pl.Series(before))
    paid = covered.select("bill", paid=pl.col("billed") - pl.Series(after))
    others = rows.filter(~is_payment).with_columns(balance=pl.lit(None, pl.Int64))
    return pl.concat([own, of_household, others]), paid


def polars_outcomes(receipts: pl.LazyFrame, bills: pl.LazyFrame, engine: str) -> tuple[pl.DataFrame, pl.LazyFrame]:
    """Return the outcome of every receipt, and the paid yen of every bill with a payment (``bill, paid``)."""
    bills = bills.with_row_index("bill").with_columns(pl.col("bill").cast(pl.Int64))
    rows = polars_join(receipts, bills, engine)
    used = rows.filter("covers")["bill"].unique()
    covered = polars_covered(bills).filter(pl.col("cover").is_in(used.implode())).collect(engine=engine)
    covered = covered.sort("cover", "due_on", "obligation_id")
    covered = covered.with_columns(nth=pl.int_range(pl.len(), dtype=pl.Int32).over("cover"))
    rows = rows.join(covered.select("bill", "cover", "nth"), on="bill", how="left").with_columns(
        cover=pl.when("covers").then("bill").otherwise("cover"), nth=pl.col("nth").fill_null(-1)
    )
    component = rows.select(pl.coalesce("cover", "bill")).to_series()
    alone = ~component.is_duplicated() & pl.Series(rows["cover"].is_null() & (rows["event"] == "0"))
    independent = rows.filter(alone).with_columns(decided=pl.lit(None, pl.String), balance=pl.col("billed"))
    interacting, paid = polars_interacting(rows.filter(~alone), covered)
    rows = pl.concat([independent, interacting.select(independent.columns)])
    decided, amount, balance = pl.col("decided"), pl.col("amount"), pl.col("balance")
    compared = decided.is_null() & pl.col("bill").is_not_null()
    rows = rows.lazy().with_columns(
        outcome=pl.when(decided.is_not_null())
        .then(decided)
        .when(pl.col("ambiguous"))
        .then(pl.lit("MULTIPLE_BILLS"))
        .when(pl.col("bill").is_null())
        .then(pl.lit("NO_BILL"))
        .when(balance == 0)
        .then(pl.lit("DUPLICATE_PAYMENT"))
        .when(amount == balance)
        .then(pl.lit("MATCHED"))
        .when(amount < balance)
        .then(pl.lit("UNDERPAID"))
        .otherwise(pl.lit("OVERPAID")),
        disposition=pl.when(compared)
        .then(pl.when(balance == 0).then(pl.lit("excess")).otherwise(pl.lit("applied")))
        .when(decided.is_null() | (decided == "REVERSAL_WITHOUT_PAYMENT"))
        .then(pl.lit("suspense"))
        .otherwise(pl.lit("no_effect")),
        applied=pl.when(compared).then(pl.min_horizontal(amount, balance)).otherwise(0),
        balance_before=balance,
    )
    rows = rows.with_columns(excess=pl.when(compared).then(amount - pl.col("applied")).otherwise(0)).collect(
        engine=engine
    )
    own = rows.lazy().filter((pl.col("applied") > 0) & pl.col("cover").is_null())
    paid_yen = pl.concat([own.group_by("bill").agg(paid=pl.col("applied").sum()), paid.lazy()])
    return rows.select(OUTCOME), paid_yen


def polars_balances(paid: pl.LazyFrame, bills: pl.LazyFrame) -> pl.LazyFrame:
    """Return every bill with its paid and open yen; those of a covering slip are the sum of what it covers."""
    bills = bills.with_row_index("bill").with_columns(pl.col("bill").cast(pl.Int64))
    of_covering = polars_covered(bills).join(paid, on="bill").group_by(bill="cover").agg(pl.col("paid").sum())
    return (
        bills.select("bill", "bill_id", "payee_code", "amount")
        .join(pl.concat([paid, of_covering]), on="bill", how="left", maintain_order="none")
        .with_columns(pl.col("paid").fill_null(0))
        .with_columns(residual=pl.col("amount") - pl.col("paid"))
        .with_columns(
            status=pl.when(pl.col("residual") == 0)
            .then(pl.lit("settled"))
            .when(pl.col("paid") > 0)
            .then(pl.lit("partial"))
            .otherwise(pl.lit("expected"))
        )
        .drop("bill")
    )


def polars_job(folder: Path, form: str, out: Path) -> None:
    """Run the streaming engine; the outcomes are computed once and both files are written from them."""
    if form == "csv":
        texts = dict.fromkeys([*KEY, "obligation_id", "covers", "customer_number"], pl.String)
        scan = pl.scan_csv(folder / "bills.csv", schema_overrides=texts, try_parse_dates=True)
        scan = scan.with_columns(pl.col("covers").str.split(";").fill_null([]))
    else:
        scan = pl.scan_parquet(folder / "bills.parquet")
    outcomes, paid = polars_outcomes(polars_receipts(folder), scan, "streaming")
    sinks = [
        outcomes.lazy().select(pl.lit("receipts").alias("source"), *OUTCOME).sink_csv(out / "outcomes.csv", lazy=True),
        polars_balances(paid, scan).sink_csv(out / "balances.csv", lazy=True),
    ]
    pl.collect_all(sinks, engine="streaming")


def polars_core(bills: pa.Table, receipts: list[pa.Table]) -> Callable[[], pa.Table]:
    """Convert both tables to Polars; return the timed function."""
    left = pl.concat([pl.from_arrow(table) for table in receipts]).with_columns(
        pl.col(*KEY, "customer_number").fill_null("")
    )
    right = pl.from_arrow(bills)
    return lambda: polars_outcomes(left.lazy(), right.lazy(), "in-memory")[0].to_arrow()


# --- DuckDB ---------------------------------------------------------------------------------------------------------

WORDS = {"key": ", ".join(KEY), "order": ", ".join(ORDER), "content": ", ".join(CONTENT)}
#: Receipts with their bills: by eL number, and those without one by a 顧客番号 of a single bill.
JOINED_SQL = """
select r.*, true as by_number, false as ambiguous, b.bill, b.bill_id, b.amount as billed, len(b.covers) > 0 as covering
from (select * from receipts where case_key >= '0') r left join bills b using ({key})
union all by name
select r.* exclude ({key}), c.* exclude (customer_number), false as by_number
from (select * from receipts where case_key < '0') r
left join (
  select customer_number, count(*) > 1 as ambiguous, {found}
  from bills where customer_number in (select customer_number from receipts where case_key < '0')
  group by customer_number
) c using (customer_number)
""".format(
    key=WORDS["key"],
    found=", ".join(
        f"case when count(*) = 1 then any_value({value}) end as {name}"
        for name, value in [
            *zip(KEY, KEY, strict=True),
            ("bill", "bill"),
            ("bill_id", "bill_id"),
            ("billed", "amount"),
            ("covering", "len(covers) > 0"),
        ]
    ),
)
#: The bills of the obligations that covering slips cover.
COVERED_SQL = """
select e.cover, b.bill, b.amount as billed, b.due_on, b.obligation_id
from (select bill as cover, payee_code, unnest(covers) as obligation_id from bills where len(covers) > 0) e
join bills b using (payee_code, obligation_id)
"""
#: Those of the slips that are used, with their order by due date.
USED_SQL = f"""
select cover, bill, billed, row_number() over (partition by cover order by due_on, obligation_id) - 1 as nth
from ({COVERED_SQL}) where cover in (select bill from joined where covering)
"""
#: All receipts with their household, and whether another one shares it or their bill.
GROUPED_SQL = """
create or replace temp table grouped as
select j.*, case when covering then j.bill else u.cover end as cover, coalesce(u.nth, -1) as nth
from joined j left join used u on j.bill = u.bill;
create or replace temp table multiple as
select coalesce(cover, bill) as component from grouped where bill is not null
group by component having count(*) > 1 or bool_or(cover is not null) or bool_or(event = '1');
create or replace temp table interacting as
select *, row_number() over (partition by {content}, file order by record_no) as copy
from grouped where bill is null or coalesce(cover, bill) in (select component from multiple);
""".format(**WORDS)
#: Duplicate records; then reversals, each paired with the latest unpaired final of its bill and yen up to its day, as
#: brackets are: by the number of open finals before each row.
DECIDED_SQL = """
create or replace temp table counted as
select *, file > min(file) over (partition by {content}, copy) as duplicate,
  case when bill is null then concat({key}, customer_number) end as number
from interacting;
create or replace temp table decided as
with pushed as (
  select c.*, event = '1' as reverses from counted c
  where not duplicate and (bill, number, amount) in (select (bill, number, amount) from counted where event = '1')
),
open as (
  select *, sum(case when reverses then -1 else 1 end) over latest - case when reverses then -1 else 1 end as before
  from pushed
  window latest as (partition by bill, number, amount order by received_on, reverses, {order})
),
leveled as (
  select *, before - min(before) over latest + case when reverses then 0 else 1 end as level
  from open
  window latest as (partition by bill, number, amount order by received_on, reverses, {order})
),
paired as (
  select *, level > 0 and (reverses or lead(true) over (
    partition by bill, number, amount, level order by received_on, reverses, {order}) is not null) as paired
  from leveled
)
select file, record_no, case when reverses then case when paired then 'REVERSAL' else 'REVERSAL_WITHOUT_PAYMENT' end
  else 'REVERSED' end as decided
from paired where reverses or paired
union all
select file, record_no, 'DUPLICATE_RECORD' from counted where duplicate;
create or replace temp table payments as
select * from counted anti join decided using (file, record_no) where bill is not null;
""".format(**WORDS)
HOUSEHOLD_SQL = """
select file, record_no, cover, nth, amount from payments where cover is not null order by {order}
""".format(**WORDS)
OUTCOME_SQL = """
create or replace temp table outcomes as
with matched as (
  select *, null as decided, billed as balance from grouped
  where bill is not null and coalesce(cover, bill) not in (select component from multiple)
  union all by name
  select * exclude (copy, duplicate, number), greatest(0, billed - coalesce(sum(amount) over (partition by bill
    order by {order} rows between unbounded preceding and 1 preceding), 0)) as balance
  from payments where cover is null
  union all by name
  select p.* exclude (copy, duplicate, number), a.balance from payments p join allocated a using (file, record_no)
  union all by name
  select c.* exclude (copy, duplicate, number), d.decided from counted c left join decided d using (file, record_no)
  where d.decided is not null or bill is null
),
compared as (select *, decided is null and bill is not null as compared from matched)
select record_no,
  case when decided is not null then decided when ambiguous then 'MULTIPLE_BILLS' when bill is null then 'NO_BILL'
       when balance = 0 then 'DUPLICATE_PAYMENT' when amount = balance then 'MATCHED'
       when amount < balance then 'UNDERPAID' else 'OVERPAID' end as outcome,
  case when compared then case when balance = 0 then 'excess' else 'applied' end
       when decided is null or decided = 'REVERSAL_WITHOUT_PAYMENT' then 'suspense' else 'no_effect' end as disposition,
  bill_id, payee_code, item_code, case_key, amount,
  case when compared then least(amount, balance) else 0 end as applied,
  case when compared then amount - least(amount, balance) else 0 end as excess, balance as balance_before, bill, cover
from compared
""".format(**WORDS)
BALANCE_SQL = f"""
with paid as (
  select bill, sum(applied) as paid from outcomes where applied > 0 and cover is null group by bill
  union all
  select bill, paid from paid_by_household
),
every as (
  select * from paid union all
  select cover, sum(paid) from ({COVERED_SQL}) join paid using (bill) group by cover
)
select bill_id, payee_code, amount, coalesce(paid, 0) as paid, amount - coalesce(paid, 0) as residual,
  case when amount = paid then 'settled' when paid > 0 then 'partial' else 'expected' end as status
from bills left join every using (bill)
"""
PLAIN = "auto_detect = false, quote = ''"


def duckdb_connection() -> duckdb.DuckDBPyConnection:
    """Return an in-memory database that need not preserve the order of rows."""
    connection = duckdb.connect()
    connection.execute("set preserve_insertion_order = false; set enable_progress_bar = false")
    return connection


def duckdb_receipts(folder: Path) -> str:
    """Return a query for the valid receipts of both files; records are read as one text column."""
    columns = "delim = '\x1f', columns = {'record': 'VARCHAR'}"
    files = " union all ".join(
        f"select {number}::tinyint as file, row_number() over () as record_no, record"
        f" from read_csv('{folder}/{name}', header = false, {PLAIN}, {columns})"
        for number, name in enumerate(FILES)
    )
    fields = ", ".join(f"record[{start + 1}:{end}] as {name}" for name, (start, end) in FIELDS.items())
    days = ", ".join(f"try_strptime({name}, '%Y%m%d')::date as {name}" for name in DAYS)
    return f"""
      select * replace (try_cast(amount as bigint) as amount, {days})
      from (select file, record_no, {fields} from ({files}) where regexp_matches(record, '{VALID}'))
      where try_cast(amount as bigint) is not null
    """


def duckdb_outcomes(connection: duckdb.DuckDBPyConnection) -> None:
    """Create the tables ``outcomes`` and ``paid_by_household`` from ``receipts`` and ``bills``."""
    connection.execute(f"create or replace temp table joined as {JOINED_SQL}")
    connection.execute(f"create or replace temp table used as {USED_SQL}")
    connection.execute(GROUPED_SQL + DECIDED_SQL)
    payments, covered = (
        connection.execute(query).fetchnumpy() for query in (HOUSEHOLD_SQL, "select * from used order by cover, nth")
    )
    columns = [payments["cover"], payments["nth"], payments["amount"], covered["cover"], covered["billed"]]
    _, before, after = allocate(*map(np.asarray, columns))
    place = {name: payments[name] for name in ("file", "record_no")}
    for name, table in (
        ("allocated", {**place, "balance": before}),
        ("paid_by_household", {"bill": covered["bill"], "paid": covered["billed"] - after}),
    ):
        connection.register("computed", pa.table({key: np.asarray(column) for key, column in table.items()}))
        connection.execute(f"create or replace temp table {name} as select * from computed")
    connection.execute(OUTCOME_SQL)


def duckdb_job(folder: Path, form: str, out: Path) -> None:
    """Store receipts and outcomes as tables and copy both files from them."""
    connection = duckdb_connection()
    bills = f"*, file_row_number as bill from read_parquet('{folder}/bills.parquet', file_row_number = true)"
    if form == "csv":
        names = ["bill_id", *KEY, "amount", "due_on", "obligation_id", "covers", "customer_number"]
        kinds = {"amount": "BIGINT", "due_on": "DATE"}
        columns = ", ".join(f"'{name}': '{kinds.get(name, 'VARCHAR')}'" for name in names)
        read = f"read_csv('{folder}/bills.csv', header = true, {PLAIN}, columns = {{{columns}}})"
        bills = f"* replace (string_split(covers, ';') as covers), row_number() over () as bill from {read}"
    connection.execute(f"create view bills as select {bills}")
    connection.execute(f"create temp table receipts as {duckdb_receipts(folder)}")
    duckdb_outcomes(connection)
    columns = ", ".join(OUTCOME)
    connection.execute(f"copy (select 'receipts' as source, {columns} from outcomes) to '{out}/outcomes.csv' (header)")
    connection.execute(f"copy ({BALANCE_SQL}) to '{out}/balances.csv' (header)")


def duckdb_core(bills: pa.Table, receipts: list[pa.Table]) -> Callable[[], pa.Table]:
    """Copy both tables into DuckDB; return the timed function."""
    connection = duckdb_connection()
    connection.register("input_table", bills)
    connection.execute("create temp table bills as select *, row_number() over () as bill from input_table")
    connection.register("input_table", pa.concat_tables(receipts))
    blanks = ", ".join(f"coalesce({name}, '') as {name}" for name in [*KEY, "customer_number"])
    connection.execute(f"create temp table receipts as select * exclude (kind) replace ({blanks}) from input_table")

    def run() -> pa.Table:
        duckdb_outcomes(connection)
        return connection.sql(f"select {', '.join(OUTCOME)} from outcomes").to_arrow_table()

    return run


JOBS = {"Polars": polars_job, "DuckDB": duckdb_job}
CORES = {"Polars": polars_core, "DuckDB": duckdb_core}
