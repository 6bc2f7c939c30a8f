"""Post incoming files: receipts, bank deposits and reports of agents; record a file that was rejected as a whole.

What comes in is read and checked before the transaction: see :mod:`kokin.ledger._incoming`.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from hashlib import sha256
from pathlib import Path

from kokin.issues import MAX_ISSUES, InvalidInputError, Issue, Location
from kokin.ledger import _queries
from kokin.ledger._active_entries import find_posted_file
from kokin.ledger._components import RECEIPT_COLUMNS
from kokin.ledger._database import Transaction
from kokin.ledger._incoming import ReceiptBatch, SettlementBatch, digest_of, issue_rows
from kokin.ledger._journal import Entry, EntryResult, EntryWriter, rows_of_entry
from kokin.ledger._rematch import add_receipts
from kokin.ledger._schema import EntryKind
from kokin.receipts import FilePart, FileRejectedError, ReceiptFile
from kokin.reconcile import Policy
from kokin.text import file_name


def post(writer: EntryWriter, file: ReceiptBatch, policy: Policy) -> EntryResult:
    """Post the receipts of one file; see :meth:`kokin.ledger.Ledger.post`."""
    posted, deliveries = find_posted_file(writer, EntryKind.RECEIPT_FILE, file.digest)
    if posted:
        _require_same_records(writer, posted, file)
        return EntryResult(posted, False, {}, 0)
    about = {"source": file.source, "layout": file.layout, "digest": file.digest, "delivery": deliveries + 1}
    writer.begin(EntryKind.RECEIPT_FILE, **about)
    try:
        ids, result = add_receipts(writer, policy, file.receipts, file.digest)
    except InvalidInputError as error:
        # Matching locates a record by its entry. Only a record of this file can be invalid: name the file.
        issues = [issue.with_location(Location(file.source, issue.location.record)) for issue in error.issues]
        raise FileRejectedError(issues, "nothing was posted") from error
    writer.add_rows("file_issues", issue_rows(file.issues))
    overlaps = _queries.overlaps(writer, result.repeated, len(ids))
    common = [{"entry": overlap.entry, "repeated": overlap.repeated} for overlap in overlaps]
    entry = writer.commit({**file.totals, "overlaps": common} if common else file.totals)
    outcomes = _queries.posted_outcomes(writer, entry.id)
    return EntryResult(entry, True, outcomes, result.rematched, overlaps, result.reused)


def _require_same_records(transaction: Transaction, entry: Entry, file: ReceiptBatch) -> None:
    """Raise :class:`InvalidInputError` if a posted file has other records than a batch with the same digest.

    One of the two is then a table with a part of the file.
    """
    names = tuple(file.receipts.column_names)
    rows = transaction.rows("receipts", rows_of_entry(transaction, "receipts", entry.id), RECEIPT_COLUMNS)
    if digest_of(rows.select(RECEIPT_COLUMNS)) != digest_of(file.receipts.select(names)):
        expected, found = f"{len(rows):,} records", f"{len(file.receipts):,}"
        location = Location(file.source)
        issue = Issue("FILE_PART", field=f"entry {entry.id}", expected=expected, found=found, location=location)
        raise InvalidInputError([issue], "nothing was posted")


def file_columns(file: ReceiptFile | FilePart | Path, source: str | None) -> dict[str, str]:
    """Return ``source, layout, digest`` of the entry of a file that was rejected; a path has no layout."""
    if isinstance(file, Path):
        return {"source": source or file_name(file), "layout": "", "digest": sha256(file.read_bytes()).hexdigest()}
    layout = file.layout if isinstance(file, FilePart) else file.layout.name
    return {"source": source or file.source, "layout": layout, "digest": file.digest}


def add_rejected_file(writer: EntryWriter, columns: Mapping[str, str], issues: Sequence[Issue]) -> EntryResult:
    """Record that a file was rejected as a whole; see :meth:`kokin.ledger.Ledger.add_rejected_file`."""
    counts = dict(sorted(Counter(issue.code for issue in issues).items()))
    rejected, deliveries = find_posted_file(writer, EntryKind.REJECTED_FILE, columns["digest"])
    if rejected and rejected.totals == {"issues": counts}:
        return EntryResult(rejected, False, {}, 0)
    writer.begin(EntryKind.REJECTED_FILE, **columns, delivery=deliveries + 1)
    writer.add_rows("file_issues", issue_rows(issues[:MAX_ISSUES]))
    return EntryResult(writer.commit({"issues": counts}), True, {}, 0)


def add_settlements(
    writer: EntryWriter, kind: EntryKind, batch: SettlementBatch, source: str, layout: str = ""
) -> EntryResult:
    """Add bank deposits or agent reports, which are skipped if the same source and rows are active."""
    posted, deliveries = find_posted_file(writer, kind, batch.digest)
    if posted:
        return EntryResult(posted, False, {}, 0)
    about = {"source": source, "layout": layout, "digest": batch.digest, "delivery": deliveries + 1}
    writer.begin(kind, **about)
    writer.add_rows(kind.value, batch.rows)
    return EntryResult(writer.commit(batch.totals), True, {}, 0)
