"""The ledger (収納台帳): what was posted stays posted, once."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any, Self

import numpy as np
import pyarrow as pa
from sqlalchemy import make_url, select
from sqlalchemy.engine import URL
from sqlalchemy.exc import SQLAlchemyError

from kokin.columns import int64_array
from kokin.issues import Issue, Place, RefusedError
from kokin.ledger import _history, _read
from kokin.ledger._bills import Load, pieces
from kokin.ledger._circles import standing
from kokin.ledger._databases import LedgerError, store_for
from kokin.ledger._entry import Entry, EntryKind, Written
from kokin.ledger._files import given, totals_of
from kokin.ledger._history import History
from kokin.ledger._journal import Journal, last_entry
from kokin.ledger._keys import receipt_keys
from kokin.ledger._opening import opened
from kokin.ledger._relink import make_links
from kokin.ledger._reversals import reversal_of_entry, reversal_of_posting, standing_file
from kokin.ledger._schema import TABLES
from kokin.ledger._settle import Fresh, settle
from kokin.ledger._settlements import settlements
from kokin.ledger._store import Session, Store
from kokin.ledger._verify import Verification, verify
from kokin.receipts import ReceiptFile, Totals
from kokin.reconcile import Credit, OperatorReport, Policy

_ENTRIES = TABLES["entries"]


def _now() -> datetime:
    return datetime.now(UTC)


class Ledger:
    """A ledger in a database; made by :meth:`open`.

    Several may be open on one database, in any number of processes: writers wait for one another, readers for nobody.
    """

    def __init__(self, store: Store, policy: Policy, clock: Callable[[], datetime]) -> None:
        self._store, self.policy, self._clock = store, policy, clock

    @classmethod
    def open(
        cls,
        url: str | URL,
        *,
        create: bool = True,
        policy: Policy | None = None,
        clock: Callable[[], datetime] = _now,
    ) -> Self:
        """Open a ledger.

        Args:
            url: ``sqlite:///city.db`` or ``postgresql://user@host/database``.
            create: make the ledger where there is none yet.
            policy: the body's choices. What decides on outcomes (``pair_by``) is written down when the ledger is made;
                later it must be the same.
            clock: tells the time of entries that are not given one.

        Raises:
            LedgerError: there is no ledger, or one of another form.
            RefusedError: the policy is not the ledger's.
            sqlalchemy.exc.SQLAlchemyError: the database cannot be reached.
        """
        place = make_url(url)
        store = store_for(place)
        try:
            return cls(store, opened(store, policy, clock if create else None), clock)
        except BaseException:
            store.engine.dispose()
            raise

    def close(self) -> None:
        """Let go of the database."""
        self._store.engine.dispose()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def add_bills(
        self,
        bills: Any | Iterable[Any],
        *,
        actor: str,
        source: str = "",
        reason: str = "",
        at: datetime | None = None,
        progress: Callable[[int], None] | None = None,
    ) -> Written:
        """Add bills, and new versions of bills that have changed; receipts that they concern are judged anew.

        A bill that is there unchanged is passed over, so a whole register can be sent again. ``told`` of the entry
        has ``given = new + changed + unchanged``.

        Args:
            bills: a table with the columns of :class:`~kokin.model.Bill`, or several one after another, as
                :func:`kokin.bills.batches` gives them.
            actor: who does it.
            source: the name of the file that they come from.
            reason: why, where that is not plain.
            at: when; by default now, by the ledger's clock.
            progress: is told how many bills have been added, some at a time.

        Raises:
            RefusedError: a row is no bill, or the bills do not hold together; nothing was added.
        """
        with self._writing(progress) as journal:
            load = Load(journal, self.policy)
            for piece in pieces(bills):
                load.add(piece)
            rejudged = load.finish()
            told = {"given": load.given, "new": load.new, "changed": load.changed, "unchanged": load.unchanged}
            self._seal(journal, EntryKind.BILLS, at, actor=actor, reason=reason, source=source, told=told)
            return Written(_entry(journal), True, {}, rejudged)

    def post(
        self,
        receipts: ReceiptFile | Any,
        *,
        actor: str,
        source: str | None = None,
        reason: str = "",
        at: datetime | None = None,
        progress: Callable[[int], None] | None = None,
    ) -> Written:
        """Post the receipts of one file: all of it or, if anything fails, nothing.

        A file that stands in the ledger already, by its SHA-256, is not posted again. What the receipts say of earlier
        ones is settled with them: the ledger then stands as if all its files had come at once.

        Args:
            receipts: an open receipt file, or a table of the receipts of one.
            actor: who does it.
            source: the name of the file, if another than its own.
            reason: why, where that is not plain.
            at: when; by default now, by the ledger's clock.
            progress: is told how many receipts have been judged, some at a time.

        Raises:
            FileRefused: a total does not agree, a record is cut: nothing was posted.
            RefusedError: the table is none of receipts.
        """
        file = given(receipts, source)
        with self._writing(progress) as journal:
            stands = standing_file(journal, EntryKind.FILE, file.digest)
            if stands:
                return Written(stands, False, {}, 0)
            ids = journal.add_facts("receipts", file.receipts)
            fresh = file.receipts.append_column("id", int64_array(ids))
            fresh = fresh.append_column("entry", int64_array(np.full(len(ids), journal.entry)))
            fresh = fresh.append_column("digest", pa.repeat(pa.scalar(file.digest), len(ids)))
            keys = receipt_keys(fresh)
            try:
                done = settle(journal, self.policy, keys, Fresh(fresh, keys))
            except RefusedError as error:
                # The circles know files by their entries; only this one can be wrong.
                places = (Place(file.source, issue.where.record) for issue in error.issues)
                issues = [issue.at(place) for issue, place in zip(error.issues, places, strict=True)]
                raise RefusedError(issues, "nothing was posted") from error
            journal.link("receipts", keys, ids)
            about = {"source": file.source, "layout": file.layout, "digest": file.digest, "told": file.told}
            self._seal(journal, EntryKind.FILE, at, actor=actor, reason=reason, **about)
            return Written(_entry(journal), True, done.outcomes, done.rejudged)

    def add_credits(
        self, credits_: Any, *, actor: str, source: str = "", reason: str = "", at: datetime | None = None
    ) -> Written:
        """Write down what reached the bank (入金); the same source again adds nothing.

        Args:
            credits_: a table with the columns of :class:`kokin.reconcile.Credit`;
                :func:`kokin.reconcile.bank_credits` makes one of a bank file.
            actor: who does it.
            source: the name of the file that they come from. The same rows from another source are other money.
            reason: why, where that is not plain.
            at: when; by default now, by the ledger's clock.

        Raises:
            RefusedError: the table is none of credits; nothing was added.
        """
        return self._add_settlements(EntryKind.CREDITS, credits_, actor, source, reason, at)

    def add_reports(
        self, reports: Any, *, actor: str, source: str = "", reason: str = "", at: datetime | None = None
    ) -> Written:
        """Write down what an operator reports to have collected (収納報告); the same source again adds nothing.

        Args:
            reports: a table with the columns of :class:`kokin.reconcile.OperatorReport`.
            actor: who does it.
            source: the name of the report.
            reason: why, where that is not plain.
            at: when; by default now, by the ledger's clock.

        Raises:
            RefusedError: the table is none of reports; nothing was added.
        """
        return self._add_settlements(EntryKind.REPORTS, reports, actor, source, reason, at)

    def _add_settlements(
        self, kind: EntryKind, rows: Any, actor: str, source: str, reason: str, at: datetime | None
    ) -> Written:
        given = settlements(kind, rows, source)
        with self._writing() as journal:
            stands = standing_file(journal, kind, given.digest)
            if stands:
                return Written(stands, False, {}, 0)
            journal.add_facts(kind.value, given.rows)
            self._seal(
                journal, kind, at, actor=actor, reason=reason, source=source, digest=given.digest, told=given.told
            )
            return Written(_entry(journal), True, {}, 0)

    def reverse(
        self,
        entry: int | None = None,
        *,
        posting: int | None = None,
        reason: str,
        actor: str,
        at: datetime | None = None,
    ) -> Written:
        """Take back a file, credits, reports, a posting (a dishonoured 証券), or a reversal, which restores.

        Nothing is deleted. Each posting that is taken back gets a row that names it, and whatever else was judged by
        it is judged anew.

        Args:
            entry: the entry of a file, of credits or reports, or of a reversal.
            posting: one posting, instead of an entry: the last one of its receipt.
            reason: why; it is required.
            actor: who does it.
            at: when; by default now, by the ledger's clock.

        Raises:
            RefusedError: no reason, no such entry or posting, one that is taken back already or has been replaced, or
                a file that has been posted again since.
        """
        if not reason.strip():
            raise RefusedError([Issue("FIELD_MISSING", "reason")], "nothing was reversed")
        with self._writing() as journal:
            change = reversal_of_posting(journal, posting) if posting is not None else reversal_of_entry(journal, entry)
            concerned = standing(journal, np.concatenate([change.withdrawn, change.restored]))
            done = settle(journal, self.policy, receipt_keys(concerned), change=change)
            about = {"reverses": entry, "reverses_posting": posting}
            self._seal(journal, EntryKind.REVERSAL, at, actor=actor, reason=reason, **about)
            return Written(_entry(journal), True, {}, done.rejudged)

    def balances(self, as_of: date | datetime | None = None) -> pa.Table:
        """How every bill stands: ``bill_id, amount, paid, residual, status`` (yen), by ``bill_id``.

        They follow from the bills in force and the receipts that stand, by the rule of today.

        Args:
            as_of: of what the ledger held at that moment, or at the end of that day in Japan; by default now.
        """
        with self._reading() as session:
            return _read.balances(session, as_of, self.policy)

    def outcomes(self, entry: int | None = None) -> pa.Table:
        """The verdict that stands on each receipt, of one file's entry or of all.

        A row per receipt, by source, digest and record_no, with the columns of
        :attr:`kokin.reconcile.Reconciliation.outcomes`. Receipts that have been reversed are not there.
        """
        with self._reading() as session:
            return _read.outcomes(session, entry)

    def bills(self, as_of: date | datetime | None = None) -> pa.Table:
        """The bills in the version that is in force, with the columns of :class:`~kokin.model.Bill`, by ``bill_id``."""
        with self._reading() as session:
            return _read.bills(session, as_of)

    def receipts(self, as_of: date | datetime | None = None) -> pa.Table:
        """The receipts that have not been reversed, with the columns of :class:`~kokin.model.Receipt`.

        ``reconcile(ledger.bills(), ledger.receipts())`` says what the ledger says.
        """
        with self._reading() as session:
            return _read.receipts(session, as_of)

    def totals(self, as_of: date | datetime | None = None) -> dict[str, Totals]:
        """The totals of the files that stand, by their SHA-256.

        With :meth:`bills`, :meth:`receipts`, :meth:`credits` and :meth:`reports` they are all that
        :func:`kokin.reconcile.settle_accounts` takes for the controls T1 to T5.
        """
        with self._reading() as session:
            return {entry.digest: totals_of(entry.told) for entry in _read.entries(session, EntryKind.FILE, as_of)}

    def credits(self, as_of: date | datetime | None = None) -> pa.Table:
        """What reached the bank and was not taken back, with the columns of :class:`kokin.reconcile.Credit`."""
        with self._reading() as session:
            return _read.settlements(session, EntryKind.CREDITS, Credit, as_of)

    def reports(self, as_of: date | datetime | None = None) -> pa.Table:
        """What operators report and nobody took back, with the columns of :class:`kokin.reconcile.OperatorReport`."""
        with self._reading() as session:
            return _read.settlements(session, EntryKind.REPORTS, OperatorReport, as_of)

    def history(self, bill_id: str) -> History:
        """Everything that the ledger has on one bill.

        Raises:
            RefusedError: there is no such bill.
        """
        with self._reading() as session:
            return _history.history(session, bill_id, self.policy)

    def entries(self) -> list[Entry]:
        """Every entry, first to last."""
        with self._reading() as session:
            rows = session.connection.execute(select(_ENTRIES).order_by(_ENTRIES.c.id)).mappings()
            return [Entry.of(row) for row in rows]

    def status(self) -> dict[str, Any]:
        """How the ledger stands, for JSON.

        Counts of ``entries, files, bills, receipts, postings, credits, reports``; ``outcomes`` and ``bins`` of the
        receipts that stand; ``controls``; ``at`` and ``hash`` of the last entry.

        ``hash`` seals all of it: written down elsewhere, it proves later that nothing before it was changed.
        """
        with self._reading() as session:
            return _history.status(session)

    def verify(self, *, sealed: str = "", again: bool = False) -> Verification:
        """Walk the chains in bounded memory, and name the first row of each table that is not what was written.

        The links are compared with the journal, too; :meth:`relink` makes them anew.

        Args:
            sealed: the ``hash`` of an entry as it was written down outside the ledger: it must be there still. Without
                it, whoever owns the database could cut off its end, or write all of it again, and not be noticed.
            again: also judge all receipts again, and compare with the verdicts that stand.
        """
        with self._reading() as session:
            return verify(session, self.policy, sealed=sealed, again=again)

    def relink(self) -> None:
        """Make the links anew from the journal."""
        with self._writing() as journal:
            make_links(journal)

    def export(self, folder: str | Path) -> list[Path]:
        """Write the journal as CSV (UTF-8), a file per table, in bounded memory; names of persons are left out.

        The journal itself (``journal.csv``) is the audit log: who, when, which file, which rule and version, and the
        hashes.
        """
        with self._reading() as session:
            return _history.export(session, Path(folder))

    @contextmanager
    def _reading(self) -> Iterator[Session]:
        with self._failures_told(), self._store.reading() as connection:
            yield Session(self._store, connection)

    @contextmanager
    def _writing(self, progress: Callable[[int], None] | None = None) -> Iterator[Journal]:
        with self._failures_told(), self._store.writing() as connection:
            yield Journal(self._store, connection, progress)

    @contextmanager
    def _failures_told(self) -> Iterator[None]:
        """One error for whatever a database may fail with; the driver's own words do not hold a row."""
        dialect = self._store.engine.dialect
        driver: Any = dialect.loaded_dbapi
        try:
            yield
        except (SQLAlchemyError, driver.Error) as error:
            reason = str(getattr(error, "orig", None) or error).partition("\n")[0]
            raise LedgerError(
                f"the database failed ({reason}); do it again: a file that was posted is not posted twice"
            ) from error

    def _seal(self, journal: Journal, kind: EntryKind, at: datetime | None, **told: Any) -> None:
        if not told["actor"].strip():
            raise RefusedError([Issue("FIELD_MISSING", "actor")], "nothing was written")
        journal.seal(kind.value, at or self._clock(), strict=at is not None, **told)


def _entry(journal: Journal) -> Entry:
    row = last_entry(journal.connection)
    assert row is not None
    return Entry.of(row)
