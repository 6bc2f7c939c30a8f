"""Keep a ledger: post each file once, reverse a mistake, verify the ledger, and write its reports."""

import tempfile
from pathlib import Path

from kokin import bills, receipts, reports
from kokin.demo import write_city
from kokin.ledger import Ledger

folder = Path(tempfile.mkdtemp())
city = write_city(folder, count=1_000, seed=1)

# For a PostgreSQL server, use a URL such as "postgresql://kokin@/city"; the rest is the same.
with Ledger.create(f"sqlite:///{folder}/city.db") as ledger:
    ledger.add_bills(bills.batches(city.bills), actor="batch")
    for path, layout in city.receipts:
        file = receipts.open(path, layout, reference_date=city.reference_date)
        posted = ledger.post(file, actor="batch")
        print(
            f"entry {posted.entry.id}: {path.name}, {file.totals.accepted} receipts, {posted.rematched} matched again"
        )

    # A file is never posted twice, whatever its name, so a nightly batch is safe to run again.
    path, layout = city.receipts[0]
    assert not ledger.post(receipts.open(path, layout), actor="batch").inserted

    # A mistake is reversed by a new row. Nothing is ever deleted.
    ledger.reverse_entry(posted.entry.id, reason="the file of another month", actor="chief")

    # Verify that no row was changed. The hash, stored elsewhere, proves it years later.
    check = ledger.verify()
    assert check.is_clean, check.issues
    print(f"hash of the ledger: {check.hash}")

    report = reports.Report.from_ledger(ledger)  # as_of= selects a past day
    report.write(folder / "report", formats=["csv", "html"])
    print(f"{len(report.tables['arrears'])} bills in arrears on {report.as_of}; open {folder}/report/report.html")
