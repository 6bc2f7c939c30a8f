"""Reconciliation (消込) for a nation, on PySpark: the local result, whatever the partitioning.

Spark finds the rows that affect each other and brings them to one bucket of about a million rows; on each bucket
:mod:`kokin.reconcile` runs locally, on Arrow tables. The rule of matching is not written a second time.

.. code-block:: python

    from kokin import spark

    files = spark.read_receipts(session, ["/share/monday.dat", "/share/tuesday.dat"], "zengin-91")
    result = spark.reconcile(session.read.parquet("bills"), files.receipts)
    print(result.summary().dispositions)
    result.outcomes.write.parquet("outcomes")

The DataFrames are the caller's, of classic Spark or of Spark Connect (4.0 or later, extra ``spark``).
"""

from kokin.spark._read import SparkReceipts, read_receipts
from kokin.spark._reconcile import LOCAL_ROWS, ROWS_PER_BUCKET, BucketMemoryError, SparkReconciliation, reconcile

__all__ = [
    "LOCAL_ROWS",
    "ROWS_PER_BUCKET",
    "BucketMemoryError",
    "SparkReceipts",
    "SparkReconciliation",
    "read_receipts",
    "reconcile",
]
