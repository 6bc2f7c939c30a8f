"""Reconciliation (消込) for a nation, on PySpark: the local result, whatever the partitioning.

Spark labels what belongs together and brings it to one place; there the matching core of :mod:`kokin.reconcile` runs
on Arrow tables, once per bucket of about a million rows. The rule of matching is not written a second time.

.. code-block:: python

    from kokin import spark

    done = spark.reconcile(session.read.parquet("bills"), session.read.parquet("receipts"))
    print(done.summary().dispositions)
    done.outcomes.write.parquet("outcomes")

The DataFrames are the caller's, of classic Spark or of Spark Connect (4.0 or later, extra ``spark``).
"""

from kokin.spark._reconcile import SparkReconciliation, reconcile

__all__ = ["SparkReconciliation", "reconcile"]
