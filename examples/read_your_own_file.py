"""Read a file of an unknown format with a layout of your own: TOML instead of code."""

import tempfile
from pathlib import Path

from kokin import receipts

LAYOUT = Path(__file__).parent / "app-payments.toml"

today = Path(tempfile.mkdtemp()) / "today.csv"
today.write_text(
    "state,paid_day,customer,amount,number\n"
    "PAID,2026-06-01,A-0001,4320,T-1\n"
    "PAID,2026-06-01,A-0002,12O00,T-2\n"  # a letter in the amount
    "PAID,2026-06-31,A-0003,800,T-3\n"
)

file = receipts.open(today, LAYOUT)
for receipt in file:
    print(receipt.customer_number, receipt.paid_on, f"{receipt.amount:,} yen")

# An invalid record is rejected and reported with its location; the other records are read.
assert file.totals.read == file.totals.accepted + file.totals.unpaid + file.totals.rejected == 3
for issue in file.issues:
    print(issue)

# Before the first real file arrives, generate a sample with this layout to test your system.
receipts.generate_sample(today.with_name("sample.csv"), LAYOUT, 1_000, seed=1)
print(f"{len(receipts.read(today.with_name('sample.csv'), LAYOUT)):,} invented receipts")
