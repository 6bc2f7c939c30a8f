"""The ledger (収納台帳): what was posted stays posted, once."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from contextlib import AbstractContextManager, contextmanager
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any, Self

import numpy as np
import pyarrow as pa
from sqlalchemy import make_url, select
from sqlalchemy.engine import URL

from kokin._arrow.convert import int64_array
from kokin.issues import InvalidInputError, Issue, Location
from kokin.ledger import _history, _read, _status
from kokin.ledger._bills import Load, pieces
from kokin.ledger._circles import Fresh, standing
from kokin.ledger._databases import shown_url, store_for
from kokin.ledger._entry import Entry, EntryKind, EntryResult
from kokin.ledger._errors import LedgerError, database_errors
from kokin.ledger._files import GivenFile, digest, digest_of_stored, given, totals_of
from kokin.ledger._history import BillHistory
from kokin.ledger._journal import Journal, last_entry, written_by
from kokin.ledger._keys import receipt_keys
from kokin.ledger._links import require_complete
from kokin.ledger._opening import create_ledger, policy_of, require_file
from kokin.ledger._relink import make_links
from kokin.ledger._reversals import reversal_of_entry, reversal_of_posting, standing_file
from kokin.ledger._schema import SUMMED, TABLES
from kokin.ledger._settle import Change, settle
from kokin.ledger._settlements import settlements
from kokin.ledger._store import Session, Store
from kokin.ledger._verify import Verification, verify
from kokin.receipts import ReceiptFile, Totals
from kokin.reconcile import AgentReport, BankDeposit, Policy

_ENTRIES = TABLES["entries"]


def _now() -> datetime:
    return datetime.now(UTC)


class Ledger:
    """A ledger in a database; see :meth:`create` and :meth:`open`.

    Several may be open on one database, in any number of processes: writers wait for one another, readers for nobody.
    """

    def __init__(self, store: Store, policy: Policy, clock: Callable[[], datetime]) -> None:
        self._store, self.policy, self._clock = store, policy, clock

    @classmethod
    def create(
        cls,
        url: str | URL,
        *,
        policy: Policy | None = None,
        actor: str = "",
        clock: Callable[[], datetime] = _now,
    ) -> Self:
        """Create a ledger in a database without one, and open it.

        Args:
            url: ``sqlite:///city.db`` or ``postgresql://user@host/database``.
            policy: the choices of the authority. ``pair_by``, which decides on outcomes, is stored with the ledger and
                cannot be changed later.
            actor: who creates it.
            clock: returns the current time, with a zone.

        Raises:
            LedgerExistsError: there is a ledger already.
            LedgerError: the database cannot be reached or written.
        """
        return cls._connected(url, clock, lambda store: create_ledger(store, policy or Policy(), clock, actor))

    @classmethod
    def open(cls, url: str | URL, *, policy: Policy | None = None, clock: Callable[[], datetime] = _now) -> Self:
        """Open a ledger; nothing is created where there is none.

        Args:
            url: ``sqlite:///city.db`` or ``postgresql://user@host/database``.
            policy: the choices of the authority; ``pair_by`` must be the ledger's. By default the ledger's own.
            clock: returns the current time, with a zone.

        Raises:
            LedgerError: there is no ledger, one of another schema version, or the database cannot be reached.
            InvalidInputError: the policy is not the ledger's.
        """
        require_file(make_url(url))
        return cls._connected(url, clock, lambda store: policy_of(store, policy))

    @classmethod
    def _connected(cls, url: str | URL, clock: Callable[[], datetime], policy_in: Callable[[Store], Policy]) -> Self:
        store = store_for(make_url(url))
        try:
            with _database_errors(store):
                return cls(store, policy_in(store), clock)
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
    ) -> EntryResult:
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
            InvalidInputError: a row is no bill, or the bills do not hold together; nothing was added.
        """
        with self._writing(progress) as journal:
            load = Load(journal, self.policy)
            for piece in pieces(bills):
                load.add(piece)
            rematched = load.finish()
            told = {"given": load.given, "new": load.new, "changed": load.changed, "unchanged": load.unchanged}
            self._seal(journal, EntryKind.BILLS, at, actor=actor, reason=reason, source=source, totals=told)
            return EntryResult(_entry(journal), True, {}, rematched)

    def post(
        self,
        receipts: ReceiptFile | Any,
        *,
        actor: str,
        source: str | None = None,
        reason: str = "",
        at: datetime | None = None,
        progress: Callable[[int], None] | None = None,
    ) -> EntryResult:
        """Post the receipts of one file: all of it or, if anything fails, nothing.

        A file that is in the ledger already, by its SHA-256, is not posted again. A file that repeats payments of other
        files, in whatever bytes, is posted: these records are DUPLICATE_RECORD, and ``overlaps`` of the result names
        the files. Earlier receipts that the new ones concern are matched again with them: the outcomes and balances are
        those of all the files at once.

        Args:
            receipts: an open receipt file, the result of reading one, or a table of the receipts of one.
            actor: who does it.
            source: the name of the file, if another than its own.
            reason: why, where that is not plain.
            at: when; by default now, by the ledger's clock.
            progress: is told how many receipts have been judged, some at a time.

        Raises:
            FileRejectedError: a total does not agree, a record is cut: nothing was posted.
            InvalidInputError: the table is none of receipts, or the ledger has another part of the same file.
        """
        file = given(receipts, source)
        with self._writing(progress) as journal:
            stands = standing_file(journal, EntryKind.RECEIPT_FILE, file.digest)
            if stands:
                self._require_same_records(journal, stands, file)
                return EntryResult(stands, False, {}, 0)
            ids = journal.add_facts("receipts", file.receipts)
            fresh = file.receipts.append_column("id", int64_array(ids))
            fresh = fresh.append_column("entry", int64_array(np.full(len(ids), journal.entry)))
            fresh = fresh.append_column("digest", pa.repeat(pa.scalar(file.digest), len(ids)))
            keys, rows = receipt_keys(fresh)
            journal.link("receipts", keys, ids[rows])
            journal.write_links()
            try:
                found = settle(journal, self.policy, keys, Fresh(fresh, keys, rows) if len(fresh) else None)
            except InvalidInputError as error:
                # The circles know files by their entries; only this one can be wrong.
                places = (Location(file.source, issue.location.record) for issue in error.issues)
                issues = [issue.with_location(place) for issue, place in zip(error.issues, places, strict=True)]
                raise InvalidInputError(issues, "nothing was posted") from error
            about = {"source": file.source, "layout": file.layout, "digest": file.digest, "totals": file.totals}
            self._seal(journal, EntryKind.RECEIPT_FILE, at, actor=actor, reason=reason, **about)
            outcomes = _read.posted_outcomes(journal, journal.entry)
            repeated = _read.overlaps(journal, found.repeated, len(fresh))
            return EntryResult(_entry(journal), True, outcomes, found.rematched, repeated, found.reused)

    @staticmethod
    def _require_same_records(session: Session, entry: Entry, file: GivenFile) -> None:
        """Raise :class:`InvalidInputError` if the ledger has a file with other records than it is given now.

        The digest is the same, so one of the two is a table with a part of the file.
        """
        rows = session.rows("receipts", written_by(session, "receipts", entry.id), (SUMMED, "body"))
        posted = digest_of_stored(rows.column(SUMMED), rows.column("body"))
        if posted != digest("receipts", file.receipts):
            expected, found = f"{len(rows):,} records", f"{len(file.receipts):,}"
            issue = Issue(
                "FILE_PART", field=f"entry {entry.id}", expected=expected, found=found, location=Location(file.source)
            )
            raise InvalidInputError([issue], "nothing was posted")

    def add_deposits(
        self, credits_: Any, *, actor: str, source: str = "", reason: str = "", at: datetime | None = None
    ) -> EntryResult:
        """Write down what reached the bank (入金); the same source again adds nothing.

        Args:
            credits_: a table with the columns of :class:`kokin.reconcile.BankDeposit`;
                :func:`kokin.reconcile.bank_deposits` makes one of a bank file.
            actor: who does it.
            source: the name of the file that they come from. The same rows from another source are other money.
            reason: why, where that is not plain.
            at: when; by default now, by the ledger's clock.

        Raises:
            InvalidInputError: the table is none of credits; nothing was added.
        """
        return self._add_settlements(EntryKind.BANK_DEPOSITS, credits_, actor, source, reason, at)

    def add_agent_reports(
        self, reports: Any, *, actor: str, source: str = "", reason: str = "", at: datetime | None = None
    ) -> EntryResult:
        """Write down what an operator reports to have collected (収納報告); the same source again adds nothing.

        Args:
            reports: a table with the columns of :class:`kokin.reconcile.AgentReport`.
            actor: who does it.
            source: the name of the report.
            reason: why, where that is not plain.
            at: when; by default now, by the ledger's clock.

        Raises:
            InvalidInputError: the table is none of reports; nothing was added.
        """
        return self._add_settlements(EntryKind.AGENT_REPORTS, reports, actor, source, reason, at)

    def _add_settlements(
        self, kind: EntryKind, rows: Any, actor: str, source: str, reason: str, at: datetime | None
    ) -> EntryResult:
        given = settlements(kind, rows, source)
        with self._writing() as journal:
            stands = standing_file(journal, kind, given.digest)
            if stands:
                return EntryResult(stands, False, {}, 0)
            journal.add_facts(kind.value, given.rows)
            self._seal(
                journal, kind, at, actor=actor, reason=reason, source=source, digest=given.digest, totals=given.totals
            )
            return EntryResult(_entry(journal), True, {}, 0)

    def reverse_entry(self, entry: int, *, reason: str, actor: str, at: datetime | None = None) -> EntryResult:
        """Reverse an entry: a file, credits, reports, or a reversal, whose receipts are then restored.

        Nothing is deleted. Each posting of the entry gets a row with the opposite yen that names it, and the receipts
        that it affects are matched again.

        Args:
            entry: its id.
            reason: why; it is required.
            actor: who does it.
            at: the effective time; by default now, by the ledger's clock.

        Raises:
            InvalidInputError: no reason, no such entry, one that is reversed already or cannot be, or a file that has
                been posted again since.
        """
        return self._reverse(lambda journal: reversal_of_entry(journal, entry), reason, actor, at, reverses=entry)

    def reverse_posting(self, posting: int, *, reason: str, actor: str, at: datetime | None = None) -> EntryResult:
        """Reverse one posting: a payment that was dishonoured (証券の不渡り).

        Args:
            posting: the id of the last posting of its receipt. If that is itself a reversal, the receipt is restored.
            reason: why; it is required.
            actor: who does it.
            at: the effective time; by default now, by the ledger's clock.

        Raises:
            InvalidInputError: no reason, no such posting, or one that a later posting has replaced.
        """
        return self._reverse(
            lambda journal: reversal_of_posting(journal, posting), reason, actor, at, reverses_posting=posting
        )

    def _reverse(
        self, change_of: Callable[[Journal], Change], reason: str, actor: str, at: datetime | None, **reversed_row: int
    ) -> EntryResult:
        if not reason.strip():
            raise InvalidInputError([Issue("FIELD_MISSING", field="reason")], "nothing was reversed")
        with self._writing() as journal:
            change = change_of(journal)
            concerned = standing(journal, np.concatenate([change.withdrawn, change.restored]))
            found = settle(journal, self.policy, receipt_keys(concerned)[0], change=change)
            self._seal(journal, EntryKind.REVERSAL, at, actor=actor, reason=reason, **reversed_row)
            return EntryResult(_entry(journal), True, {}, found.rematched)

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
            require_complete(session, last_entry(session.connection))
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
        :func:`kokin.reconcile.build_accounts` takes for the controls T1 to T5.
        """
        with self._reading() as session:
            return {
                entry.digest: totals_of(entry.totals) for entry in _read.entries(session, EntryKind.RECEIPT_FILE, as_of)
            }

    def bank_deposits(self, as_of: date | datetime | None = None) -> pa.Table:
        """What reached the bank and was not taken back, with the columns of :class:`kokin.reconcile.BankDeposit`."""
        with self._reading() as session:
            return _read.settlements(session, EntryKind.BANK_DEPOSITS, BankDeposit, as_of)

    def agent_reports(self, as_of: date | datetime | None = None) -> pa.Table:
        """What operators report and nobody took back, with the columns of :class:`kokin.reconcile.AgentReport`."""
        with self._reading() as session:
            return _read.settlements(session, EntryKind.AGENT_REPORTS, AgentReport, as_of)

    def history(self, bill_id: str) -> BillHistory:
        """Everything that the ledger has on one bill.

        Raises:
            InvalidInputError: there is no such bill.
        """
        with self._reading() as session:
            require_complete(session, last_entry(session.connection))
            return _history.history(session, bill_id, self.policy)

    def entries(self) -> list[Entry]:
        """Every entry, first to last."""
        with self._reading() as session:
            rows = session.connection.execute(select(_ENTRIES).order_by(_ENTRIES.c.id)).mappings()
            return [Entry.of(row) for row in rows]

    def status(self, as_of: date | datetime | None = None) -> dict[str, Any]:
        """The state of the ledger, for JSON.

        Counts of ``entries, files, bills, receipts, postings, credits, reports``; ``outcomes`` and ``dispositions`` of
        the receipts that are not reversed; ``controls`` T1, T4 and T7; ``at`` and ``hash`` of the last entry.

        ``hash`` covers everything before it: written down elsewhere, it proves later that nothing was changed.

        Args:
            as_of: a moment, or the end of a day in Japan; by default now.
        """
        with self._reading() as session:
            return _status.status(session, as_of)

    def verify(self, *, expected_hash: str = "", rematch: bool = False) -> Verification:
        """Walk the chains in bounded memory, and name the first row of each table that is not what was written.

        Then the index is compared with the journal; :meth:`reindex` rebuilds it. Whatever the rows hold, the problems
        are returned, never raised.

        Args:
            expected_hash: the ``hash`` of an entry, noted outside the ledger; an entry must still have it. Without it,
                an owner of the database could remove the last entries, or rewrite all of them, without being noticed.
            rematch: also match all receipts again, and compare with the recorded outcomes.

        Raises:
            LedgerError: the database failed.
        """
        with self._reading() as session:
            return verify(session, self.policy, expected_hash=expected_hash, rematch=rematch)

    def reindex(self) -> Verification:
        """Rebuild the index from the journal, then verify the ledger and match all receipts again.

        What was posted while the index was incomplete can have the wrong outcome: the result names these postings.
        """
        with self._errors(), self._store.writing() as connection:
            make_links(Journal(self._store, connection))
        return self.verify(rematch=True)

    def export(self, folder: str | Path) -> list[Path]:
        """Write the journal as CSV (UTF-8), a file per table, in bounded memory; names of persons are left out.

        The journal itself (``journal.csv``) is the audit log: who, when, which file, which rule and version, and the
        hashes.
        """
        with self._reading() as session:
            return _history.export(session, Path(folder))

    @contextmanager
    def _reading(self) -> Iterator[Session]:
        with self._errors(), self._store.reading() as connection:
            session = Session(self._store, connection)
            try:
                yield session
            except (pa.ArrowException, ValueError, TypeError, LookupError, AttributeError, AssertionError) as error:
                # A row that no entry has written can fail anywhere; misuse and faults of Kokin stay what they are.
                found = verify(session, self.policy, expected_hash="", rematch=False)
                if found.is_clean:
                    raise
                raise LedgerError("the ledger was changed; restore a backup", found.issues) from error

    @contextmanager
    def _writing(self, progress: Callable[[int], None] | None = None) -> Iterator[Journal]:
        with self._errors(), self._store.writing() as connection:
            require_complete(Session(self._store, connection), last_entry(connection))
            yield Journal(self._store, connection, progress)

    def _errors(self) -> AbstractContextManager[None]:
        return _database_errors(self._store)

    def _seal(self, journal: Journal, kind: EntryKind, at: datetime | None, **about: Any) -> None:
        if not about["actor"].strip():
            raise InvalidInputError([Issue("FIELD_MISSING", field="actor")], "nothing was written")
        journal.seal(kind.value, self._clock(), at, **about)


def _database_errors(store: Store) -> AbstractContextManager[None]:
    return database_errors(store.engine.dialect.loaded_dbapi, lambda: shown_url(store.engine.url))


def _entry(journal: Journal) -> Entry:
    row = last_entry(journal.connection)
    assert row is not None
    return Entry.of(row)
