"""Reconcile on Spark and compare with the local result (pip install 'kokin[spark]', and Java 17)."""

import os
import sys
import tempfile
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
from pyspark.sql import SparkSession

from kokin import bills, receipts, reconcile, spark
from kokin.demo import write_city

folder = Path(tempfile.mkdtemp())
city = write_city(folder, count=2_000, seed=1)
billed = bills.read(city.bills).table
day = city.reference_date
paid = [receipts.read(path, layout, reference_date=day, on_error="skip").table for path, layout in city.receipts]

# On a cluster the files are in its storage, and the session exists already.
(folder / "receipts").mkdir()
pq.write_table(billed, folder / "bills.parquet")
for number, table in enumerate(paid):
    if "paid_time" in table.column_names:  # Spark cannot read a time of day from Parquet
        times = table.column("paid_time").cast(pa.string())
        table = table.drop_columns("paid_time").append_column("paid_time", times)
    pq.write_table(table, folder / "receipts" / f"{number}.parquet")
os.environ.setdefault("PYSPARK_PYTHON", sys.executable)
quiet = {"spark.ui.enabled": "false", "spark.ui.showConsoleProgress": "false", "spark.sql.shuffle.partitions": "2"}
session = SparkSession.builder.master("local[2]").config(map=quiet).getOrCreate()
session.sparkContext.setLogLevel("ERROR")

# A column that one file lacks is null for its rows.
all_receipts = session.read.option("mergeSchema", "true").parquet(str(folder / "receipts"))
result = spark.reconcile(session.read.parquet(str(folder / "bills.parquet")), all_receipts)
dispositions = result.summary().dispositions
print(dispositions)
assert dispositions == reconcile.reconcile(billed, paid).summary.dispositions
session.stop()
