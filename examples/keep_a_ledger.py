"""A ledger: what is posted stays posted, once; and its reports."""

import tempfile
from pathlib import Path

from kokin import bills, receipts, reports
from kokin.demo import write_city
from kokin.ledger import Ledger

folder = Path(tempfile.mkdtemp())
city = write_city(folder, count=1_000, seed=1)

# A server would be "postgresql://kokin@/city"; what follows is the same.
with Ledger.create(f"sqlite:///{folder}/city.db") as ledger:
    ledger.add_bills(bills.batches(city.bills), actor="batch")
    for path, layout in city.receipts:
        file = receipts.open(path, layout, reference_date=city.reference_date)
        done = ledger.post(file, actor="batch")
        print(f"entry {done.entry.id}: {path.name}, {file.totals.accepted} receipts, {done.rematched} judged anew")

    # A file that was posted is not posted twice, whatever its name; so a night can simply be run again.
    path, layout = city.receipts[0]
    assert not ledger.post(receipts.open(path, layout), actor="batch").inserted

    # A mistake is taken back by a row that says so. Nothing is ever deleted.
    ledger.reverse_entry(done.entry.id, reason="the file of another month", actor="chief")

    # Every row is what was written; the hash, kept elsewhere, proves it years later.
    found = ledger.verify()
    assert found.is_clean, found.issues
    print(f"sealed by {found.hash}")

    report = reports.Report.from_ledger(ledger)  # as_of= any past day
    report.write(folder / "report", formats=["csv", "html"])
    print(f"{len(report.tables['arrears'])} bills past their day on {report.as_of}; open {folder}/report/report.html")
