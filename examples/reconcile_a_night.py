"""Reconcile three receipt files of a synthetic city with its bills."""

import tempfile
from pathlib import Path

import pyarrow.compute as pc

from kokin import bills, receipts
from kokin.demo import write_city
from kokin.reconcile import reconcile

city = write_city(Path(tempfile.mkdtemp()), count=2_000, seed=1)

billed = bills.read(city.bills)
assert billed.totals.accepted == billed.totals.read, billed.issues

# One record is damaged: without on_error="skip", reading its file would raise an error.
day = city.reference_date
paid = [receipts.read(path, layout, reference_date=day, on_error="skip") for path, layout in city.receipts]
for issue in [issue for file in paid for issue in file.issues]:
    print(issue)
result = reconcile(billed, paid)

for name, total in result.summary.outcomes.items():
    print(f"{name:28}{total.count:8,}{total.amount:16,} yen")

t4 = next(control for control in result.controls if control.name == "T4")
assert t4.holds, "the dispositions do not add up to the receipts"

# The tables are Arrow tables: pass them to pandas, Polars or DuckDB.
double = result.outcomes.filter(pc.equal(result.outcomes["outcome"], "DUPLICATE_PAYMENT"))
print(f"{len(double)} double payments to refund, {pc.sum(double['excess']).as_py():,} yen")
