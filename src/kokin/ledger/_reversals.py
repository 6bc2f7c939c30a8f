"""What a reversal takes out or puts back, and which files stand."""

from __future__ import annotations

import numpy as np
from sqlalchemy import func, select

from kokin.columns import Ints
from kokin.issues import Issue, RefusedError
from kokin.ledger._circles import standing
from kokin.ledger._entry import Entry, EntryKind
from kokin.ledger._forms import ints
from kokin.ledger._journal import Journal
from kokin.ledger._schema import TABLES
from kokin.ledger._settle import Change, Rule

_ENTRIES, _POSTINGS, _RECEIPTS = TABLES["entries"], TABLES["postings"], TABLES["receipts"]


def standing_file(journal: Journal, digest: str) -> Entry | None:
    """The entry by which a file stands in the ledger; None: it was never posted, or has been taken back."""
    rows = journal.connection.execute(
        select(_ENTRIES).where(_ENTRIES.c.kind == EntryKind.FILE.value, _ENTRIES.c.digest == digest)
    )
    standing_rows = [row for row in rows.mappings().all() if _stands(journal, row["id"])]
    return Entry.of(standing_rows[0]) if standing_rows else None


def _stands(journal: Journal, entry: int) -> bool:
    """Whether no reversal of an entry stands."""
    reversals = journal.connection.execute(select(_ENTRIES.c.id).where(_ENTRIES.c.reverses == entry)).scalars().all()
    return not any(_stands(journal, reversal) for reversal in reversals)


def reversal_of_entry(journal: Journal, entry: int | None) -> Change:
    """What taking back a file or a reversal changes.

    Raises:
        RefusedError: there is no such entry, it cannot be taken back, or it has been.
    """
    row = journal.connection.execute(select(_ENTRIES).where(_ENTRIES.c.id == entry)).mappings().first()
    if row is None:
        raise _refused("ENTRY_UNKNOWN", "entry", str(entry))
    if row["kind"] not in (EntryKind.FILE, EntryKind.REVERSAL):
        raise _refused("ENTRY_KIND", "entry", row["kind"])
    if not _stands(journal, row["id"]):
        raise _refused("ENTRY_REVERSED", "entry", str(entry))
    statement = select(_POSTINGS.c.receipt, _POSTINGS.c.rule).where(_POSTINGS.c.entry == entry)
    postings = journal.table(statement.where(_POSTINGS.c.rule != Rule.REJUDGED.value))
    rules = np.array(postings.column("rule").to_pylist(), np.str_)
    receipts = ints(postings.column("receipt"))
    taken_out = rules == Rule.REVERSED.value
    return _change(journal, withdrawn=np.sort(receipts[~taken_out]), restored=np.sort(receipts[taken_out]))


def reversal_of_posting(journal: Journal, posting: int) -> Change:
    """What taking back one posting changes.

    Raises:
        RefusedError: there is no such posting, or it is not the last one of its receipt.
    """
    statement = select(_POSTINGS.c.receipt, _POSTINGS.c.reverses).where(_POSTINGS.c.id == posting)
    row = journal.connection.execute(statement).first()
    if row is None:
        raise _refused("ENTRY_UNKNOWN", "posting", str(posting))
    last = select(func.max(_POSTINGS.c.id)).where(_POSTINGS.c.receipt == row.receipt)
    if (found := journal.connection.execute(last).scalar_one()) != posting:
        raise RefusedError([Issue("POSTING_REPLACED", "posting", str(found), str(posting))], "nothing was reversed")
    one, none = np.array([row.receipt]), np.empty(0, np.int64)
    return _change(journal, *((one, none) if row.reverses is None else (none, one)))


def _change(journal: Journal, withdrawn: Ints, restored: Ints) -> Change:
    """The receipts of which it is still true: one that was taken out alone stays out with its file, and after it."""
    taking, putting = (standing(journal, some) for some in (withdrawn, restored))
    withdrawn = withdrawn[ints(taking.column("reverses"), -1) < 0]
    restored = restored[ints(putting.column("reverses"), -1) >= 0]
    for entry in np.unique(ints(putting.column("entry"))).tolist():
        digest = journal.connection.execute(select(_ENTRIES.c.digest).where(_ENTRIES.c.id == entry)).scalar_one()
        stands = standing_file(journal, digest)
        if stands and stands.id != entry:
            raise _refused("FILE_STANDS", "entry", str(stands.id))
    return Change(withdrawn, restored)


def _refused(code: str, field: str, found: str) -> RefusedError:
    return RefusedError([Issue(code, field, "", found)], "nothing was reversed")
