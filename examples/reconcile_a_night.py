"""A night: three receipt files of a synthetic city, settled against its bills."""

import tempfile
from pathlib import Path

import pyarrow.compute as pc

from kokin import bills, receipts
from kokin.demo import write_city
from kokin.reconcile import reconcile

city = write_city(Path(tempfile.mkdtemp()), count=2_000, seed=1)

billed = bills.read(city.bills)
assert billed.totals.accepted == billed.totals.read, billed.issues

# One record of the night is damaged: without on_error="skip" its file would raise.
day = city.reference_date
paid = [receipts.read(path, layout, reference_date=day, on_error="skip") for path, layout in city.receipts]
for issue in [issue for file in paid for issue in file.issues]:
    print(issue)
result = reconcile(billed, paid)

for name, told in result.summary.outcomes.items():
    print(f"{name:28}{told['count']:8,}{told['amount']:16,} yen")

t4 = next(control for control in result.controls if control.name == "T4")
assert t4.holds, "a yen is in no disposition, or in two"

# Tables go on into whatever you use: pandas, Polars, DuckDB.
twice = result.outcomes.filter(pc.equal(result.outcomes["outcome"], "DUPLICATE_PAYMENT"))
print(f"{len(twice)} double payments to give back, {pc.sum(twice['excess']).as_py():,} yen")
