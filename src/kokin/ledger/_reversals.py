"""What a reversal takes out or puts back, and which entries stand."""

from __future__ import annotations

import numpy as np
import pyarrow.compute as pc
from sqlalchemy import select

from kokin._arrow.convert import Int64Array, to_numpy
from kokin.issues import InvalidInputError, Issue
from kokin.ledger._circles import standing
from kokin.ledger._entry import OF_FILES, Entry, EntryKind
from kokin.ledger._forms import flags
from kokin.ledger._journal import is_id, written_by
from kokin.ledger._schema import TABLES
from kokin.ledger._settle import Change, PostingReason
from kokin.ledger._store import Session

_ENTRIES, _POSTINGS = TABLES["entries"], TABLES["postings"]

_NONE = np.empty(0, np.int64)


def stands(session: Session, entry: int, last: int | None = None) -> bool:
    """Whether no reversal of an entry stands, up to the last entry that counts."""
    reversals = select(_ENTRIES.c.id).where(_ENTRIES.c.reverses == entry)
    if last is not None:
        reversals = reversals.where(_ENTRIES.c.id <= last)
    return not any(stands(session, found, last) for found in session.connection.execute(reversals).scalars().all())


def standing_file(session: Session, kind: EntryKind, digest: str) -> Entry | None:
    """The entry by which a file stands in the ledger; None: it was never posted, or has been taken back."""
    rows = session.connection.execute(
        select(_ENTRIES).where(_ENTRIES.c.kind == kind.value, _ENTRIES.c.digest == digest)
    )
    standing_rows = [row for row in rows.mappings().all() if stands(session, row["id"])]
    return Entry.of(standing_rows[0]) if standing_rows else None


def reversal_of_entry(session: Session, entry: int) -> Change:
    """What taking back an entry changes.

    Raises:
        InvalidInputError: there is no such entry, it cannot be taken back, or it has been.
    """
    statement = select(_ENTRIES).where(_ENTRIES.c.id == entry)
    row = session.connection.execute(statement).mappings().first() if is_id(entry) else None
    if row is None:
        raise _refused("ENTRY_UNKNOWN", "entry", str(entry))
    if row["kind"] not in (*OF_FILES, EntryKind.REVERSAL):
        raise _refused("ENTRY_KIND", "entry", row["kind"])
    if not stands(session, row["id"]):
        raise _refused("ENTRY_REVERSED", "entry", str(entry))
    own = _POSTINGS.c.rule != PostingReason.REJUDGED.value
    postings = session.rows("postings", written_by(session, "postings", row["id"]), ("receipt", "rule"), own)
    receipts = to_numpy(postings.column("receipt"), 0)
    taken_out = flags(pc.equal(postings.column("rule"), PostingReason.REVERSED.value))
    if row["reverses"] is not None and not len(receipts):
        _refuse_second(session, _origin(session, row["reverses"]))
    return _change(session, withdrawn=np.sort(receipts[~taken_out]), restored=np.sort(receipts[taken_out]))


def _origin(session: Session, entry: int) -> int:
    """The entry that a chain of reversals began with."""
    reverses = session.connection.execute(select(_ENTRIES.c.reverses).where(_ENTRIES.c.id == entry)).scalar_one()
    return entry if reverses is None else _origin(session, reverses)


def reversal_of_posting(session: Session, posting: int) -> Change:
    """What taking back one posting changes.

    Raises:
        InvalidInputError: there is no such posting, or it is not the last one of its receipt.
    """
    statement = select(_POSTINGS.c.receipt, _POSTINGS.c.reverses).where(_POSTINGS.c.id == posting)
    row = session.connection.execute(statement).first() if is_id(posting) else None
    if row is None:
        raise _refused("ENTRY_UNKNOWN", "posting", str(posting))
    one = np.array([row.receipt])
    last = to_numpy(standing(session, one).column("posting"), 0)[0]
    if last != posting:
        raise InvalidInputError(
            [Issue("POSTING_REPLACED", field="posting", expected=str(last), found=str(posting))], "nothing was reversed"
        )
    return _change(session, *((one, _NONE) if row.reverses is None else (_NONE, one)))


def _change(session: Session, withdrawn: Int64Array, restored: Int64Array) -> Change:
    """The receipts of which it is still true: one that was taken out alone stays out with its file, and after it."""
    taking, putting = (standing(session, some) for some in (withdrawn, restored))
    withdrawn = withdrawn[to_numpy(taking.column("reverses"), -1) < 0]
    restored = restored[to_numpy(putting.column("reverses"), -1) >= 0]
    for entry in np.unique(to_numpy(putting.column("entry"), 0)).tolist():
        _refuse_second(session, entry)
    return Change(withdrawn, restored)


def _refuse_second(session: Session, entry: int) -> None:
    """Refuse to put back an entry whose file has been posted again."""
    row = session.connection.execute(select(_ENTRIES.c.kind, _ENTRIES.c.digest).where(_ENTRIES.c.id == entry)).one()
    again = standing_file(session, EntryKind(row.kind), row.digest)
    if again and again.id != entry:
        raise _refused("FILE_STANDS", "entry", str(again.id))


def _refused(code: str, field: str, found: str) -> InvalidInputError:
    return InvalidInputError([Issue(code, field=field, expected="", found=found)], "nothing was reversed")
