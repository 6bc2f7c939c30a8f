"""The ledger (収納台帳): create, open, write and read."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any, Self

import numpy as np
import pyarrow as pa
from sqlalchemy import inspect, make_url, select
from sqlalchemy.engine import URL

from kokin._arrow.convert import int64_array
from kokin.issues import InvalidInputError, Issue, Location
from kokin.ledger import _queries
from kokin.ledger._components import NewReceipts, receipts_with_posting
from kokin.ledger._database import Database, LedgerError, LedgerExistsError, Transaction, database_errors, shown_url
from kokin.ledger._entry import Entry, EntryKind, EntryResult
from kokin.ledger._incoming import (
    ReceiptBatch,
    decode_totals,
    digest_of,
    digest_of_rows,
    receipt_batch,
    settlement_batch,
)
from kokin.ledger._journal import EntryWriter, last_entry, rows_of_entry
from kokin.ledger._keys import receipt_keys
from kokin.ledger._load_bills import BillLoader, bill_chunks
from kokin.ledger._match_index import rebuild, require_complete
from kokin.ledger._queries import BillHistory
from kokin.ledger._rematch import ReversalEffect, rematch
from kokin.ledger._reversals import find_posted_file, reversal_of_entry, reversal_of_posting
from kokin.ledger._schema import AMOUNT, SCHEMA_VERSION, TABLES
from kokin.ledger._verify import Verification, verify
from kokin.receipts import ReceiptFile, Totals
from kokin.reconcile import Policy

_ENTRIES = TABLES["entries"]


def _now() -> datetime:
    return datetime.now(UTC)


class Ledger:
    """A ledger in a database; see :meth:`create` and :meth:`open`.

    A database can be open several times, in any number of processes: writers wait for each other, readers never wait.
    """

    def __init__(self, database: Database, policy: Policy, clock: Callable[[], datetime]) -> None:
        self._database, self.policy, self._clock = database, policy, clock

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
            LedgerExistsError: the database has a ledger already.
            LedgerError: the database cannot be reached or written.
        """
        return cls._connected(url, clock, lambda database: _create(database, policy or Policy(), clock, actor))

    @classmethod
    def open(cls, url: str | URL, *, policy: Policy | None = None, clock: Callable[[], datetime] = _now) -> Self:
        """Open an existing ledger.

        Args:
            url: ``sqlite:///city.db`` or ``postgresql://user@host/database``.
            policy: the choices of the authority; ``pair_by`` must be the ledger's. By default the ledger's own.
            clock: returns the current time, with a zone.

        Raises:
            LedgerError: there is no ledger, it has another schema version, or the database cannot be reached.
            InvalidInputError: the policy is not the ledger's.
        """
        _require_file(make_url(url))
        return cls._connected(url, clock, lambda database: _open(database, policy))

    @classmethod
    def _connected(cls, url: str | URL, clock: Callable[[], datetime], policy_of: Callable[[Database], Policy]) -> Self:
        database = _database_for(make_url(url))
        try:
            with database_errors(database):
                return cls(database, policy_of(database), clock)
        except BaseException:
            database.engine.dispose()
            raise

    def close(self) -> None:
        """Close the connections to the database."""
        self._database.engine.dispose()

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
        """Add bills, and new versions of bills that have changed; match the affected receipts again.

        An unchanged bill is skipped, so a whole register can be sent again. The totals of the entry have
        ``given = new + changed + unchanged``.

        Args:
            bills: a table with the columns of :class:`~kokin.model.Bill`, or an iterable of tables, such as
                :func:`kokin.bills.batches`.
            actor: who adds them.
            source: the name of their file.
            reason: the reason, if it is not obvious.
            at: the effective time; by default now, by the ledger's clock.
            progress: called with the number of bills of each chunk.

        Raises:
            InvalidInputError: a bill is invalid or a duplicate, or a covered obligation is unknown; nothing was added.
        """
        with self._writing(progress) as writer:
            loader = BillLoader(writer, self.policy)
            for chunk in bill_chunks(bills):
                loader.add(chunk)
            rematched = loader.finish()
            totals = {name: getattr(loader, name) for name in ("given", "new", "changed", "unchanged")}
            entry = self._commit(writer, EntryKind.BILLS, at, actor, reason=reason, source=source, totals=totals)
            return EntryResult(entry, True, {}, rematched)

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
        """Post the receipts of one file: all of them or, after an error, none.

        A file that is already posted, by its SHA-256, is skipped. A file that repeats payments of other files, in
        whatever bytes, is posted: these records are DUPLICATE_RECORD, and ``overlaps`` of the result names the files.
        Earlier receipts that the new ones affect are matched again, so outcomes and balances are those of all files
        together, in whatever order they were posted.

        Args:
            receipts: an open receipt file, the result of reading one, or a table of the receipts of one.
            actor: who posts it.
            source: the name of the file, if another than its own.
            reason: the reason, if it is not obvious.
            at: the effective time; by default now, by the ledger's clock.
            progress: called with the number of receipts of each round of matching.

        Raises:
            FileRejectedError: a total differs or a record is truncated; nothing was posted.
            InvalidInputError: not a table of receipts, or the ledger has another part of the same file.
        """
        file = receipt_batch(receipts, source)
        with self._writing(progress) as writer:
            posted = find_posted_file(writer, EntryKind.RECEIPT_FILE, file.digest)
            if posted:
                _require_same_records(writer, posted, file)
                return EntryResult(posted, False, {}, 0)
            ids = writer.add_records("receipts", file.receipts)
            rows = file.receipts.append_column("id", int64_array(ids))
            rows = rows.append_column("entry", int64_array(np.full(len(ids), writer.entry)))
            rows = rows.append_column("digest", pa.repeat(pa.scalar(file.digest), len(ids)))
            keys, key_rows = receipt_keys(rows)
            writer.add_pairs("receipts", keys, ids[key_rows])
            writer.flush_pairs()
            try:
                result = rematch(writer, self.policy, keys, NewReceipts(rows, keys, key_rows) if len(rows) else None)
            except InvalidInputError as error:
                # Matching locates a record by its entry. Only a record of this file can be invalid: name the file.
                issues = [issue.with_location(Location(file.source, issue.location.record)) for issue in error.issues]
                raise InvalidInputError(issues, "nothing was posted") from error
            about = {"source": file.source, "layout": file.layout, "digest": file.digest, "totals": file.totals}
            entry = self._commit(writer, EntryKind.RECEIPT_FILE, at, actor, reason=reason, **about)
            outcomes = _queries.posted_outcomes(writer, writer.entry)
            overlaps = _queries.overlaps(writer, result.repeated, len(rows))
            return EntryResult(entry, True, outcomes, result.rematched, overlaps, result.reused)

    def add_deposits(
        self, deposits: Any, *, actor: str, source: str = "", reason: str = "", at: datetime | None = None
    ) -> EntryResult:
        """Add deposits on the bank account (入金); the same source and rows are skipped.

        Args:
            deposits: a table with the columns of :class:`kokin.reconcile.BankDeposit`;
                :func:`kokin.reconcile.bank_deposits` reads one from a bank file.
            actor: who adds them.
            source: the name of their file. The same rows from another source are other deposits.
            reason: the reason, if it is not obvious.
            at: the effective time; by default now, by the ledger's clock.

        Raises:
            InvalidInputError: not a table of deposits; nothing was added.
        """
        return self._add_settlements(EntryKind.BANK_DEPOSITS, deposits, actor, source, reason, at)

    def add_agent_reports(
        self, reports: Any, *, actor: str, source: str = "", reason: str = "", at: datetime | None = None
    ) -> EntryResult:
        """Add the collections that an agent reports (収納報告); the same source and rows are skipped.

        Args:
            reports: a table with the columns of :class:`kokin.reconcile.AgentReport`.
            actor: who adds them.
            source: the name of the report.
            reason: the reason, if it is not obvious.
            at: the effective time; by default now, by the ledger's clock.

        Raises:
            InvalidInputError: not a table of agent reports; nothing was added.
        """
        return self._add_settlements(EntryKind.AGENT_REPORTS, reports, actor, source, reason, at)

    def _add_settlements(
        self, kind: EntryKind, records: Any, actor: str, source: str, reason: str, at: datetime | None
    ) -> EntryResult:
        batch = settlement_batch(kind, records, source)
        with self._writing() as writer:
            posted = find_posted_file(writer, kind, batch.digest)
            if posted:
                return EntryResult(posted, False, {}, 0)
            writer.add_records(kind.value, batch.rows)
            about = {"source": source, "digest": batch.digest, "totals": batch.totals}
            return EntryResult(self._commit(writer, kind, at, actor, reason=reason, **about), True, {}, 0)

    def reverse_entry(self, entry: int, *, reason: str, actor: str, at: datetime | None = None) -> EntryResult:
        """Reverse an entry: a file, deposits, agent reports, or a reversal, whose receipts are then restored.

        Nothing is deleted. Each posting of the entry gets a row with the opposite yen that names it, and the receipts
        that it affects are matched again.

        Args:
            entry: its id.
            reason: the reason; required.
            actor: who reverses it.
            at: the effective time; by default now, by the ledger's clock.

        Raises:
            InvalidInputError: no reason, an unknown entry, one that is already reversed or cannot be reversed, or a
                file that has been posted by another entry since.
        """
        return self._reverse(lambda writer: reversal_of_entry(writer, entry), reason, actor, at, reverses=entry)

    def reverse_posting(self, posting: int, *, reason: str, actor: str, at: datetime | None = None) -> EntryResult:
        """Reverse one posting: a payment that was dishonoured (証券の不渡り).

        Args:
            posting: the id of the last posting of its receipt. If that is itself a reversal, the receipt is restored.
            reason: the reason; required.
            actor: who reverses it.
            at: the effective time; by default now, by the ledger's clock.

        Raises:
            InvalidInputError: no reason, an unknown posting, or one that a later posting has replaced.
        """
        return self._reverse(
            lambda writer: reversal_of_posting(writer, posting), reason, actor, at, reverses_posting=posting
        )

    def _reverse(
        self,
        effect_of: Callable[[EntryWriter], ReversalEffect],
        reason: str,
        actor: str,
        at: datetime | None,
        **target: int,
    ) -> EntryResult:
        if not reason.strip():
            raise InvalidInputError([Issue("FIELD_MISSING", field="reason")], "nothing was reversed")
        with self._writing() as writer:
            effect = effect_of(writer)
            receipts = receipts_with_posting(writer, np.concatenate([effect.reversed, effect.restored]))
            result = rematch(writer, self.policy, receipt_keys(receipts)[0], effect=effect)
            entry = self._commit(writer, EntryKind.REVERSAL, at, actor, reason=reason, **target)
            return EntryResult(entry, True, {}, result.rematched)

    def balances(self, as_of: date | datetime | None = None) -> pa.Table:
        """Return the balance of every bill: ``bill_id, amount, paid, residual, status`` (yen), by ``bill_id``.

        They follow from the current bills and the active receipts, by the rule of this version of Kokin.

        Args:
            as_of: a time, or the end of a day in Japan; by default now.
        """
        with self._reading() as transaction:
            return _queries.balances(transaction, as_of, self.policy)

    def outcomes(self, entry: int | None = None) -> pa.Table:
        """Return the outcome of each active receipt, of one file's entry or of all.

        A row per receipt, by source, digest and record_no, with the columns of
        :attr:`kokin.reconcile.Reconciliation.outcomes`.
        """
        with self._reading() as transaction:
            require_complete(transaction, last_entry(transaction.connection))
            return _queries.outcomes(transaction, entry)

    def bills(self, as_of: date | datetime | None = None) -> pa.Table:
        """Return the bills in their current version, with the columns of :class:`~kokin.model.Bill`, by ``bill_id``."""
        with self._reading() as transaction:
            return _queries.bills(transaction, as_of)

    def receipts(self, as_of: date | datetime | None = None) -> pa.Table:
        """Return the active receipts, with the columns of :class:`~kokin.model.Receipt`.

        ``reconcile(ledger.bills(), ledger.receipts())`` gives the outcomes and balances of the ledger.
        """
        with self._reading() as transaction:
            return _queries.receipts(transaction, as_of)

    def totals(self, as_of: date | datetime | None = None) -> dict[str, Totals]:
        """Return the totals of the active files, by their SHA-256.

        With :meth:`bills`, :meth:`receipts`, :meth:`bank_deposits` and :meth:`agent_reports` they are what
        :func:`kokin.reconcile.build_accounts` needs for the controls T1 to T5.
        """
        with self._reading() as transaction:
            files = _queries.active_entries_of(transaction, EntryKind.RECEIPT_FILE, as_of)
            return {entry.digest: decode_totals(entry.totals) for entry in files}

    def bank_deposits(self, as_of: date | datetime | None = None) -> pa.Table:
        """Return the active deposits on the bank account, with the columns of :class:`kokin.reconcile.BankDeposit`."""
        with self._reading() as transaction:
            return _queries.settlements(transaction, EntryKind.BANK_DEPOSITS, as_of)

    def agent_reports(self, as_of: date | datetime | None = None) -> pa.Table:
        """Return the active reports of agents, with the columns of :class:`kokin.reconcile.AgentReport`."""
        with self._reading() as transaction:
            return _queries.settlements(transaction, EntryKind.AGENT_REPORTS, as_of)

    def history(self, bill_id: str) -> BillHistory:
        """Return everything about one bill.

        Raises:
            InvalidInputError: there is no such bill.
        """
        with self._reading() as transaction:
            require_complete(transaction, last_entry(transaction.connection))
            return _queries.history(transaction, bill_id, self.policy)

    def entries(self) -> list[Entry]:
        """Return all entries, oldest first."""
        with self._reading() as transaction:
            rows = transaction.connection.execute(select(_ENTRIES).order_by(_ENTRIES.c.id)).mappings()
            return [Entry.of(row) for row in rows]

    def status(self, as_of: date | datetime | None = None) -> dict[str, Any]:
        """Return the state of the ledger, for JSON.

        Counts of ``entries, files, bills, receipts, postings, bank_deposits, agent_reports``; ``outcomes`` and
        ``dispositions`` of the active receipts; ``controls`` T1, T4 and T7; ``at`` and ``hash`` of the last entry.

        ``hash`` covers everything before it: stored outside the ledger, it proves later that nothing was changed.

        Args:
            as_of: a time, or the end of a day in Japan; by default now.
        """
        with self._reading() as transaction:
            return _queries.status(transaction, as_of)

    def verify(self, *, expected_hash: str = "", rematch: bool = False) -> Verification:
        """Recompute the chains of hashes in bounded memory, and locate the first changed row of each table.

        Then the match index is compared with the journal; :meth:`reindex` rebuilds it. Problems are returned, never
        raised, whatever the rows contain.

        Args:
            expected_hash: the ``hash`` of an entry, stored outside the ledger; an entry must still have it. Without
                it, the owner of the database could remove the last entries, or rewrite all of them, undetected.
            rematch: also match all receipts again, and compare with the recorded outcomes.

        Raises:
            LedgerError: the database failed.
        """
        with self._reading() as transaction:
            return verify(transaction, self.policy, expected_hash=expected_hash, rematch=rematch)

    def reindex(self) -> Verification:
        """Rebuild the match index from the journal, then verify the ledger and match all receipts again.

        What was posted while the index was incomplete can have the wrong outcome: the result names these postings.
        """
        with database_errors(self._database), self._database.writing() as connection:
            rebuild(EntryWriter(self._database, connection))
        return self.verify(rematch=True)

    def export(self, folder: str | Path) -> list[Path]:
        """Write the journal as CSV (UTF-8), a file per table, in bounded memory; names of persons are omitted.

        ``journal.csv`` is the audit log: actor, time, file, reason, version and the hashes of each posting.
        """
        with self._reading() as transaction:
            return _queries.export(transaction, Path(folder))

    @contextmanager
    def _reading(self) -> Iterator[Transaction]:
        with database_errors(self._database), self._database.reading() as connection:
            transaction = Transaction(self._database, connection)
            try:
                yield transaction
            except (pa.ArrowException, ValueError, TypeError, LookupError, AttributeError, AssertionError) as error:
                # Reading a changed row can fail anywhere. If no row was changed, it is misuse or a fault of Kokin.
                result = verify(transaction, self.policy, expected_hash="", rematch=False)
                if result.is_clean:
                    raise
                raise LedgerError("the ledger was changed; restore a backup", result.issues) from error

    @contextmanager
    def _writing(self, progress: Callable[[int], None] | None = None) -> Iterator[EntryWriter]:
        with database_errors(self._database), self._database.writing() as connection:
            require_complete(Transaction(self._database, connection), last_entry(connection))
            yield EntryWriter(self._database, connection, progress)

    def _commit(self, writer: EntryWriter, kind: EntryKind, at: datetime | None, actor: str, **columns: Any) -> Entry:
        """Write the entry and return it."""
        if not actor.strip():
            raise InvalidInputError([Issue("FIELD_MISSING", field="actor")], "nothing was written")
        writer.commit_entry(kind.value, self._clock(), at, actor=actor, **columns)
        row = last_entry(writer.connection)
        assert row is not None
        return Entry.of(row)


def _require_same_records(transaction: Transaction, entry: Entry, file: ReceiptBatch) -> None:
    """Raise :class:`InvalidInputError` if a posted file has other records than a batch with the same digest.

    One of the two is then a table with a part of the file.
    """
    rows = transaction.rows("receipts", rows_of_entry(transaction, "receipts", entry.id), (AMOUNT, "body"))
    if digest_of_rows(rows.column(AMOUNT), rows.column("body")) != digest_of("receipts", file.receipts):
        expected, found = f"{len(rows):,} records", f"{len(file.receipts):,}"
        location = Location(file.source)
        issue = Issue("FILE_PART", field=f"entry {entry.id}", expected=expected, found=found, location=location)
        raise InvalidInputError([issue], "nothing was posted")


def _database_for(url: URL) -> Database:
    """Return the database of a URL.

    Raises:
        LedgerError: another kind of database, or its driver is not installed.
    """
    match url.get_backend_name():
        case "sqlite":
            from kokin.ledger._sqlite import SqliteDatabase

            return SqliteDatabase(url)
        case "postgresql":
            from kokin.ledger._postgres import PostgresDatabase

            try:
                return PostgresDatabase(url)
            except ModuleNotFoundError as error:
                raise LedgerError("PostgreSQL needs its driver: pip install 'kokin[postgres]'") from error
        case name:
            raise LedgerError(f"a ledger cannot be in {name}; use SQLite or PostgreSQL")


def _require_file(url: URL) -> None:
    """Raise :class:`LedgerError` if a SQLite file does not exist: connecting would create it."""
    path = url.database if url.get_backend_name() == "sqlite" else None
    if path and path != ":memory:" and not path.startswith("file:") and not Path(path).is_file():
        raise _no_ledger(url)


def _no_ledger(url: URL) -> LedgerError:
    return LedgerError(
        f"there is no ledger in {shown_url(url)}; create one with `kokin ledger create` or Ledger.create"
    )


def _create(database: Database, policy: Policy, clock: Callable[[], datetime], actor: str) -> Policy:
    """Create the tables and the first entry, with the policy.

    Raises:
        LedgerExistsError: the database has a ledger, or another table ``entries``.
    """
    with database.writing() as connection:
        if inspect(connection).has_table("entries"):
            raise LedgerExistsError(f"there is a ledger in {shown_url(database.engine.url)} already; open it instead")
        database.create(connection)
        totals = {"form": SCHEMA_VERSION, "pair_by": list(policy.pair_by)}
        EntryWriter(database, connection).commit_entry(EntryKind.CREATED.value, clock(), actor=actor, totals=totals)
    return policy


def _open(database: Database, policy: Policy | None) -> Policy:
    """Compare schema version and policy with those of the ledger, and return the policy.

    Raises:
        LedgerError: no ledger, another schema version, or the first entry cannot be read.
        InvalidInputError: the policy is not the ledger's.
    """
    url = database.engine.url
    with database.reading() as connection:
        if not inspect(connection).has_table("entries"):
            raise _no_ledger(url)
        names = {column["name"] for column in inspect(connection).get_columns("entries")}
        if "totals" not in names:
            raise LedgerError(f"the table `entries` in {shown_url(url)} is not of a ledger; name another database")
        first = connection.execute(select(_ENTRIES.c.totals).where(_ENTRIES.c.id == 1)).first()
    try:
        totals = json.loads(first.totals) if first else {}
        version, pair_by = totals["form"], tuple(totals["pair_by"])
    except (ValueError, TypeError, KeyError) as error:
        code = "LEDGER_ROW_CHANGED" if first else "LEDGER_ROW_MISSING"
        issue = Issue(code, field="totals", location=Location("entries", 1))
        raise LedgerError(f"the ledger in {shown_url(url)} cannot be opened; restore a backup", [issue]) from error
    if version != SCHEMA_VERSION:
        raise LedgerError(
            f"the ledger in {shown_url(url)} has schema version {version}, this version of kokin reads "
            f"{SCHEMA_VERSION}; use the version that created it, or load bills and files into a new ledger in order"
        )
    stored = Policy(pair_by=pair_by)
    if policy and policy.pair_by != stored.pair_by:
        expected, found = ", ".join(stored.pair_by), ", ".join(policy.pair_by)
        issue = Issue("POLICY_DIFFERS", field="pair_by", expected=expected, found=found)
        raise InvalidInputError([issue], "another policy")
    return policy or stored
