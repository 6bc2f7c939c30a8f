"""The ledger (収納台帳): create, open, write and read."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, closing, contextmanager, nullcontext
from dataclasses import replace
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any, Literal, Self, TypeVar

import pyarrow as pa
from sqlalchemy import Connection, inspect
from sqlalchemy.engine import URL

from kokin.catalog import CATALOG, Catalog
from kokin.issues import InvalidInputError, Issue
from kokin.ledger import _queries
from kokin.ledger._arrivals import records_by_kind
from kokin.ledger._books import LedgerAccounts
from kokin.ledger._changes import BillChanges, ChangeBatches, acknowledge, change_batches, require_cursor_name
from kokin.ledger._closed_books import BookedTotals, ClosedBooks, booked_totals, closing_of
from kokin.ledger._closings import close_period
from kokin.ledger._components import require_complete
from kokin.ledger._database import (
    Database,
    LedgerError,
    LedgerExistsError,
    Transaction,
    database_errors,
    login_name,
    shown_url,
    with_retry,
)
from kokin.ledger._debit_records import debit_table
from kokin.ledger._debits import (
    DebitRequest,
    DebitResults,
    add_debit_result,
    request_debits,
    require_debit_layout,
    result_records,
)
from kokin.ledger._decisions import decide
from kokin.ledger._exception_states import exception_list, work_list
from kokin.ledger._incoming import (
    decode_totals,
    receipt_batch,
    settlement_batch,
)
from kokin.ledger._journal import Effect, Entry, EntryResult, EntryWriter, last_entry
from kokin.ledger._load_bills import add_bills
from kokin.ledger._migrations import (
    connected,
    copy,
    create_schema,
    database_url,
    require_file,
    require_version,
    upgrade,
)
from kokin.ledger._numbers import AllotResult, allot, check_slips, checked_debts, registered_slips
from kokin.ledger._openings import OpeningTotals, open_balances, prepare_opening
from kokin.ledger._posting import add_rejected_file, add_settlements, file_columns, post
from kokin.ledger._queries import BillHistory, LedgerStatus
from kokin.ledger._refund_decisions import decide_refunds, proposal_table
from kokin.ledger._refund_orders import RefundOrder, add_results, order_refunds, refund_results, require_transfer_layout
from kokin.ledger._refund_steps import refund_table
from kokin.ledger._reversals import reverse_entry, reverse_posting
from kokin.ledger._schema import ClosingPeriod, EntryKind
from kokin.ledger._settlement import Settlement, settlement_of
from kokin.ledger._trace import SampleOptions, Trace, draw_sample, trace_deposit, trace_entry, trace_receipt
from kokin.ledger._upload_answers import UploadAnswers, add_answer, answer_batch
from kokin.ledger._upload_files import EntryDrafts, complete_drafts
from kokin.ledger._upload_status import UploadStatus, upload_status
from kokin.ledger._uploads import MAX_ROWS, UploadRun, make_upload, upload_request
from kokin.ledger._verify import Verification, verify
from kokin.ledger._write_offs import limitation_list, write_off, write_off_batch
from kokin.ledger._write_offs_in_force import write_offs_in_force
from kokin.receipts import FilePart, FileRejectedError, ReceiptFile, Totals
from kokin.receipts.layouts import Layout, load
from kokin.reconcile import Control, Policy, Reconciliation
from kokin.rules import RATES, RateTable
from kokin.slips import NumberScheme
from kokin.text import JAPAN

T = TypeVar("T")

#: How long a writer waits for another, in seconds.
LOCK_TIMEOUT_S = 600.0

# How often a transaction is tried if the database reports a conflict with another one.
_ATTEMPTS = 3

_LOGGER = logging.getLogger(__name__)


def _log_entry(entry: Entry) -> None:
    """Log an entry that was committed, without its actor and reason."""
    totals = entry.totals
    fields = {"entry": entry.id, "kind": entry.kind.value, "file": entry.source, "layout": entry.layout}
    fields |= {"digest": entry.digest, "hash": entry.hash, "records": totals.get("read", totals.get("given"))}
    _LOGGER.info("entry_written", extra={"fields": {**fields, "yen": totals.get("accepted_yen", totals.get("yen"))}})


def _now() -> datetime:
    return datetime.now(UTC)


class Ledger:
    """A ledger in a database; see :meth:`create` and :meth:`open`.

    A database can be open several times, in any number of processes: writers wait for each other, readers never wait.
    """

    def __init__(self, database: Database, policy: Policy, clock: Callable[[], datetime]) -> None:
        self._database, self._clock = database, clock
        self._dry_run: Connection | None = None
        #: The policy in force when the ledger was opened, or set since.
        self.policy = policy

    @classmethod
    def create(
        cls,
        url: str | URL | Path,
        *,
        policy: Policy | None = None,
        actor: str = "",
        at: datetime | None = None,
        clock: Callable[[], datetime] = _now,
        lock_timeout: float = LOCK_TIMEOUT_S,
    ) -> Self:
        """Create a ledger in a database without one, and open it.

        Args:
            url: ``sqlite:///city.db`` or ``postgresql://user@host/database``; a text without ``://`` is the path of an
                SQLite file.
            policy: the choices of the authority, stored in the first entry; see :meth:`set_policy`.
            actor: who creates it; by default the login name.
            at: the effective time, if entries of an earlier time follow; by default now, by the ledger's clock.
            clock: returns the current time, with a zone.
            lock_timeout: how long a writer waits for another, in seconds.

        Raises:
            InvalidInputError: ``at`` has no zone, or is in the future.
            LedgerExistsError: the database has a ledger already.
            LedgerError: the database cannot be reached or written.
        """

        def create(database: Database) -> Policy:
            return _create(database, policy or Policy(), clock(), at, actor or login_name())

        return cls._connected(url, clock, lock_timeout, create)

    @classmethod
    def open(
        cls,
        url: str | URL | Path,
        *,
        policy: Policy | None = None,
        clock: Callable[[], datetime] = _now,
        lock_timeout: float = LOCK_TIMEOUT_S,
    ) -> Self:
        """Open an existing ledger.

        Args:
            url: ``sqlite:///city.db`` or ``postgresql://user@host/database``; a text without ``://`` is the path of an
                SQLite file.
            policy: the policy that the caller expects to be in force; by default any.
            clock: returns the current time, with a zone.
            lock_timeout: how long a writer waits for another, in seconds.

        Raises:
            LedgerError: there is no ledger, it has another schema version, or the database cannot be reached.
            InvalidInputError: another policy is in force.
        """
        require_file(database_url(url))
        return cls._connected(url, clock, lock_timeout, lambda database: _open(database, policy))

    @classmethod
    def _connected(
        cls,
        url: str | URL | Path,
        clock: Callable[[], datetime],
        lock_timeout: float,
        policy_of: Callable[[Database], Policy],
    ) -> Self:
        with connected(url, lock_timeout) as database:
            return cls(database, policy_of(database), clock)

    @staticmethod
    def upgrade(url: str | URL | Path, *, lock_timeout: float = LOCK_TIMEOUT_S) -> list[int]:
        """Bring the schema of a ledger to the version of this version of Kokin; its rows and hashes do not change.

        Args:
            url: the ledger; the user must own its tables. Make a backup first.
            lock_timeout: how long to wait for a writer, in seconds.

        Returns:
            The schema versions that were applied; none if the schema is up to date.

        Raises:
            LedgerError: there is no ledger, its version is unknown, or the database failed; nothing was changed.
        """
        return upgrade(url, lock_timeout)

    @staticmethod
    def copy(
        old: str | URL | Path,
        new: str | URL | Path,
        *,
        actor: str,
        clock: Callable[[], datetime] = _now,
        lock_timeout: float = LOCK_TIMEOUT_S,
    ) -> Entry:
        """Copy a ledger into a database without one, of the same kind or the other.

        Every row is copied with its id, actor, times and hash, so a hash that was noted before is valid for both. An
        entry of kind ``opening`` follows, with the hash of the last entry that was copied.

        Args:
            old: the ledger; it is verified first.
            new: the database of the new one.
            actor: who copies it.
            clock: returns the current time, with a zone.
            lock_timeout: how long to wait for a writer, in seconds.

        Raises:
            LedgerExistsError: the new database has a ledger already.
            LedgerError: the old ledger was changed, or a database failed; nothing was written.
        """
        return copy(old, new, actor, clock(), lock_timeout)

    @contextmanager
    def dry_run(self) -> Iterator[None]:
        """Run a block as a dry run: everything is computed and can be read inside, and nothing is written.

        The block is one transaction of the only writer, which is rolled back at its end, also if it raises.
        :meth:`make_upload`, :meth:`order_refunds` and :meth:`request_debits`, which write files, cannot be run in it.

        Raises:
            LedgerError: the database failed.
        """
        policy = self.policy
        with database_errors(self._database), self._database.rolled_back() as connection:
            self._dry_run = connection
            try:
                yield
            finally:
                self._dry_run, self.policy = None, policy

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
        whole: bool = False,
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
            whole: the bills are the whole register of their authorities and systems (``payee_code``, ``system``):
                ``vanished`` of the result has the open bills of the ledger that it lacks. They are not changed.

        Raises:
            InvalidInputError: a bill is invalid or a duplicate, or a covered obligation is unknown; nothing was added.
        """

        def load(writer: EntryWriter) -> EntryResult:
            return add_bills(writer, bills, self.policy, source=source, whole=whole)

        # A generator of tables can be read once only.
        return self._write(
            load, actor, reason, at, progress, attempts=_ATTEMPTS if hasattr(bills, "__arrow_c_stream__") else 1
        )

    def open_balances(
        self,
        *,
        totals: OpeningTotals,
        bills: Any | Iterable[Any] | None = None,
        overpayments: Any | None = None,
        suspense: Any | None = None,
        provisionals: Any | None = None,
        actor: str,
        source: str = "",
        reason: str = "",
        at: datetime | None = None,
    ) -> EntryResult:
        """Carry over the balances of an old system as one entry, tied to its totals; the same rows are skipped.

        A bill has what was paid before in ``paid_before``. An overpayment that is not refunded yet is later in the
        refund proposals, suspense in the work list; a provisional waits for its final. T1 and T3 expect no file and no
        deposit for them: the money came before the ledger began.

        Args:
            totals: the number and the yen of each kind in the old system.
            bills: new bills; a table with the columns of :class:`~kokin.model.Bill`, or an iterable of tables.
            overpayments: 還付未済の過誤納; a table with the columns of :class:`OpeningItem`, with ``bill_id``.
            suspense: 不明金; a table with the columns of :class:`OpeningItem`.
            provisionals: 確報のない速報; a table with the columns of :class:`OpeningItem`.
            actor: who opens the balances.
            source: the name of the old system, or of its files.
            reason: the reason, if it is not obvious.
            at: the effective time; by default now, by the ledger's clock.

        Raises:
            InvalidInputError: a row is invalid, a total differs (``OPENING_TOTAL``), a bill or its receipts are in the
                ledger already (``OPENING_NOT_NEW``), or an item is no overpayment, suspense or provisional by the rule
                of matching (``OPENING_DISPOSITION``). Nothing was opened.
        """
        items = {"overpayments": overpayments, "suspense": suspense, "provisionals": provisionals}
        opening = prepare_opening(bills, items, totals)
        return self._write(lambda writer: open_balances(writer, self.policy, opening, source), actor, reason, at)

    def allot(
        self,
        debts: Any | Iterable[Any],
        scheme: NumberScheme,
        *,
        actor: str,
        source: str = "",
        reason: str = "",
        at: datetime | None = None,
    ) -> AllotResult:
        """Allot numbers to the slips of debts (付番), each once and for ever; return the bills with their numbers.

        The same debt and issue number gets the same numbers again, so a file, or a part of it, can be sent again. With
        the next issue number the slip is issued again (再発行) with other numbers, and the earlier slip is superseded;
        both have one ``obligation_id``. The bills are not added to the ledger: see :meth:`add_bills`.

        Args:
            debts: a table, or an iterable of tables, as in :func:`kokin.bills.check_debts`, checked or not.
            scheme: the rule of the numbers.
            actor: who allots them.
            source: the name of the file.
            reason: the reason, if it is not obvious.
            at: the effective time; by default now, by the ledger's clock.

        Raises:
            InvalidInputError: a debt is invalid or a duplicate, the scheme cannot number it (``WIDTH``,
                ``SERIAL_EXHAUSTED``, ...), or its slip was issued with another amount or deadline
                (``ISSUED_DIFFERS``); nothing was allotted.
        """
        checked = checked_debts(debts, source)
        return self._write(lambda writer: allot(writer, checked, scheme), actor, reason, at)

    def slip_numbers(self, bill_id: str = "", as_of: date | datetime | None = None) -> pa.Table:
        """Return the numbers that were allotted: the columns of the table ``slip_numbers``, with ``status``.

        Args:
            bill_id: only the slips of the debt of this bill, oldest first; by default all.
            as_of: a time, or the end of a day in Japan; by default now.

        ``status`` is ``superseded`` if another slip of the debt was issued later, else ``open``.
        """

        def read(transaction: Transaction) -> pa.Table:
            return registered_slips(transaction, bill_id, _queries.entry_as_of(transaction, as_of))

        return self._read(read)

    def check_slips(self, bills: Any | Iterable[Any], *, file: str = "") -> list[Issue]:
        """Return what differs between bills that are about to be printed and the slips that were issued.

        ``ISSUED_DIFFERS``: amount, deadlines or barcode changed under a number of the register, of an upload, or of a
        bill of the ledger; ``NUMBER_OF_OTHER``: the number is that of another debt; ``SLIP_SUPERSEDED``: a superseded
        slip that is open. At most one issue per record and field.

        Args:
            bills: a table with the columns of :class:`~kokin.model.Bill`, or an iterable of tables, such as
                :func:`kokin.bills.batches`; rejected rows are not checked.
            file: the file name in the issues.
        """
        return self._read(lambda transaction: check_slips(transaction, bills, file))

    def post(
        self,
        receipts: ReceiptFile | FilePart | Any,
        *,
        actor: str,
        source: str | None = None,
        reason: str = "",
        at: datetime | None = None,
        progress: Callable[[int], None] | None = None,
        dry_run: bool = False,
    ) -> EntryResult:
        """Post the receipts of one file: all of them or, after an error, none.

        A file that is already posted, by its SHA-256, is skipped. A file that repeats payments of other files, in
        whatever bytes, is posted: these records are DUPLICATE_RECORD, and ``overlaps`` of the result names the files.
        Earlier receipts that the new ones affect are matched again, so outcomes and balances are those of all files
        together, in whatever order they were posted.

        Args:
            receipts: an open receipt file, a part of one, the result of reading one, or a table of the receipts of one.
            actor: who posts it.
            source: the name of the file, if another than its own.
            reason: the reason, if it is not obvious.
            at: the effective time; by default now, by the ledger's clock.
            progress: called with the number of receipts of each round of matching.
            dry_run: write nothing; ``effect`` of the result has the books before and after. The entry does not exist.

        Raises:
            FileRejectedError: a total differs, a record is truncated, or matching cannot use a record; nothing was
                posted, and the rejection of an open file is recorded.
            InvalidInputError: not a table of receipts, or the ledger has another part of the same file.
        """
        try:
            file = receipt_batch(receipts, source)

            def write() -> EntryResult:
                return self._write(lambda writer: post(writer, file, self.policy), actor, reason, at, progress)

            return self._with_effect(write) if dry_run else write()
        except FileRejectedError as error:
            if isinstance(receipts, ReceiptFile | FilePart) and not dry_run:
                self.add_rejected_file(receipts, error.issues, actor=actor, source=source, reason=reason, at=at)
            raise

    def _with_effect(self, write: Callable[[], EntryResult]) -> EntryResult:
        """Return the result of a function that writes an entry, with its effect, in a dry run."""
        with nullcontext() if self._dry_run is not None else self.dry_run():
            before = self._read(_queries.book_totals)
            result = write()
            return replace(result, effect=Effect(before, self._read(_queries.book_totals)))

    def add_rejected_file(
        self,
        file: ReceiptFile | FilePart | Path,
        issues: Sequence[Issue],
        *,
        actor: str,
        source: str | None = None,
        reason: str = "",
        at: datetime | None = None,
    ) -> EntryResult:
        """Record that a file was rejected as a whole, with its issues; :meth:`post` does so by itself.

        A file that was rejected before for the same reasons is skipped. Its issues are listed until the file is posted,
        the exception (``F`` and the entry) is accepted, or the entry is reversed.

        Args:
            file: the file or its part, for its name, layout and SHA-256; the path of one that has no layout.
            issues: why it was rejected.
            actor: who tried to post it.
            source: the name of the file, if another than its own.
            reason: the reason, if it is not obvious.
            at: the effective time; by default now, by the ledger's clock.
        """
        columns = file_columns(file, source)
        return self._write(lambda writer: add_rejected_file(writer, columns, issues), actor, reason, at)

    def add_deposits(
        self,
        deposits: Any,
        *,
        actor: str,
        source: str = "",
        reason: str = "",
        at: datetime | None = None,
        file: ReceiptFile | None = None,
    ) -> EntryResult:
        """Add deposits on the bank account (入金); the same source and rows are skipped.

        Args:
            deposits: a table with the columns of :class:`kokin.reconcile.BankDeposit`;
                :func:`kokin.reconcile.bank_deposits` reads one from a bank file.
            actor: who adds them.
            source: the name of their file. The same rows from another source are other deposits.
            reason: the reason, if it is not obvious.
            at: the effective time; by default now, by the ledger's clock.
            file: the bank file that the deposits were read from; the entry has its layout and control records.

        Raises:
            InvalidInputError: not a table of deposits; nothing was added.
        """
        kind, layout = EntryKind.BANK_DEPOSITS, file.layout.name if file else ""
        batch = settlement_batch(kind, deposits, source, file)
        return self._write(lambda writer: add_settlements(writer, kind, batch, source, layout), actor, reason, at)

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
        kind = EntryKind.AGENT_REPORTS
        batch = settlement_batch(kind, reports, source)
        return self._write(lambda writer: add_settlements(writer, kind, batch, source), actor, reason, at)

    def make_upload(
        self,
        bills: Any,
        layout: str | Path | Layout,
        folder: str | Path,
        *,
        actor: str,
        rows: int = MAX_ROWS,
        whole: bool = False,
        resend_before: date | None = None,
        header: Mapping[str, Any] | None = None,
        source: str = "",
        reason: str = "",
        at: datetime | None = None,
    ) -> UploadRun:
        """Write the files of an upload of slips (納付書情報) with what has changed since the last one; send nothing.

        A slip is identified by its eL number. A slip that was not sent is new; one with other values than in its last
        record is changed; one with the status ``cancelled`` or ``superseded`` is withdrawn if eLTAX can have it. A slip
        whose last record was rejected is written again after its content has changed.

        The entry is committed between the drafts of the files and their names: after an interruption, the next call
        with the same folder completes the files of an upload in the ledger, and removes the drafts of others.

        Args:
            bills: a table with the columns of :class:`~kokin.model.Bill`, such as the result of
                :func:`kokin.bills.read`. A slip that is not in it remains as it is.
            layout: a layout with ``[bill]``: a name, the path of a TOML file, or a layout.
            folder: the folder of the files; it is created. Use the same one after an interruption.
            actor: who makes it.
            rows: the most records of a file.
            whole: the bills are the whole register of their payees and items: withdraw slips that are not among them.
            resend_before: write again what was sent before this day in Japan and has no answer, or was rejected.
            header: values of the fields of the layout's header.
            source: the name of the file of bills.
            reason: the reason, if it is not obvious.
            at: the effective time; by default now, by the ledger's clock.

        Raises:
            InvalidInputError: the layout has no ``[bill]``, a bill is invalid or two have one eL number, a value cannot
                be written, or the folder has another file of the name; nothing was sent.
            OSError: the folder cannot be written; after the entry was committed, run again to complete the files.
        """
        self._require_no_dry_run()
        layout = layout if isinstance(layout, Layout) else load(layout)
        options: dict[str, Any] = {"rows": rows, "whole": whole, "resend_before": resend_before, "header": header}
        request = upload_request(bills, layout, source=source, **options)
        folder = Path(folder)
        folder.mkdir(parents=True, exist_ok=True)
        completed: list[str] = []

        def write(writer: EntryWriter) -> tuple[UploadRun, EntryDrafts]:
            completed.extend(complete_drafts(writer, folder))
            return make_upload(writer, request, folder)

        run, drafts = self._write(write, actor, reason, at)
        drafts.complete()
        return replace(run, completed=tuple(completed))

    def add_upload_answer(
        self,
        answers: Any,
        *,
        actor: str,
        upload: int | None = None,
        source: str | None = None,
        reason: str = "",
        at: datetime | None = None,
    ) -> UploadAnswers:
        """Add the answer to an upload of slips: each record answers the last record that was sent for its slip.

        A file that is already added, by its SHA-256, is skipped. A record that cannot be tied is not added; it is an
        issue of the entry: an unknown key, a slip that was not sent or was withdrawn since, or two results in one file.

        Args:
            answers: a file that :func:`kokin.receipts.open_mapped` has opened with the table ``answer`` of its layout,
                or a table with the columns of :class:`~kokin.model.UploadAnswer`.
            actor: who adds it.
            upload: the upload that is answered: its records are answered then, also if a slip was sent again since.
                Required for answers that name a record by its number only.
            source: the name of the file, if another than its own.
            reason: the reason, if it is not obvious.
            at: the effective time; by default now, by the ledger's clock.

        Raises:
            InvalidInputError: not a table of answers, an unknown upload, a file with an invalid total or record, or no
                record could be tied; nothing was added.
        """
        batch = answer_batch(answers, source, upload)
        return self._write(lambda writer: add_answer(writer, batch), actor, reason, at)

    def upload_status(self, as_of: date | datetime | None = None) -> UploadStatus:
        """Return the state of every slip that was allotted or sent, the control U1, and the slips to be posted.

        Args:
            as_of: a time, or the end of a day in Japan; by default now.
        """
        today = self._japan_day(as_of)
        return self._read(lambda transaction: upload_status(transaction, as_of, today))

    def set_policy(self, policy: Policy, *, actor: str, reason: str = "", at: datetime | None = None) -> EntryResult:
        """Store another policy, in force from this entry on; earlier reports keep the earlier one.

        Args:
            policy: all choices of the authority. ``pair_by`` decides on outcomes: it can be changed only before the
                first file is posted.
            actor: who sets it.
            reason: the reason, if it is not obvious.
            at: the effective time; by default now, by the ledger's clock.

        Raises:
            InvalidInputError: ``pair_by`` differs from that of posted files; nothing was written.
        """

        def write(writer: EntryWriter) -> EntryResult:
            current = self.policy  # as read in this transaction
            if policy == current:
                return EntryResult(_queries.policy_entry(writer, None), False, {}, 0)
            if policy.pair_by != current.pair_by and writer.before["receipts"]:
                raise _policy_differs(Policy(pair_by=current.pair_by), Policy(pair_by=policy.pair_by))
            writer.begin(EntryKind.POLICY)
            return EntryResult(writer.commit({"policy": policy.model_dump(mode="json")}), True, {}, 0)

        result = self._write(write, actor, reason, at)
        self.policy = policy
        return result

    def decide(
        self,
        decisions: Any,
        *,
        actor: str,
        source: str = "",
        reason: str = "",
        at: datetime | None = None,
        open_only: bool = False,
        catalog: Catalog = CATALOG,
        dry_run: bool = False,
    ) -> EntryResult:
        """Record what persons decided about exceptions: all rows or, after an error, none.

        A payment that is assigned to bills keeps its file, record, days and agent; its yen are applied to these bills.
        To take a decision back, reverse the entry, or decide again: the last active decision applies. An exception is
        accepted with its yen: when they change, it is in the work list again.

        Args:
            decisions: a table with the columns of :class:`ExceptionDecision`. Of several rows with one
                ``exception_id``, each has the yen for one bill.
            actor: who decided.
            source: the name of the file.
            reason: the reason, if it is not obvious.
            at: the effective time; by default now, by the ledger's clock.
            open_only: reject a decision about an exception that is no longer open (``DECISION_SETTLED``): it was
                accepted, or the outcome has changed since the work list was made.
            catalog: the charges of the authority, with which the work list was made; for ``open_only`` and ``accept``.
            dry_run: write nothing; ``effect`` of the result has the books before and after.

        Raises:
            InvalidInputError: a row is invalid: an unknown or reversed receipt, one that brings no money, an unknown
                or closed bill, other yen than those of the payment, two decisions about one payment, or no approver;
                ``.issues`` has all of them by row and field. Nothing was written.
        """
        about: dict[str, Any] = {"catalog": catalog, "source": source, "open_only": open_only}

        def write() -> EntryResult:
            return self._write(lambda writer: decide(writer, decisions, self.policy, **about), actor, reason, at)

        return self._with_effect(write) if dry_run else write()

    def refund_proposals(
        self,
        as_of: date | datetime | None = None,
        *,
        decided_on: date | None = None,
        catalog: Catalog = CATALOG,
        rates: RateTable = RATES,
    ) -> pa.Table:
        """Return what is proposed for every overpayment (過誤納), and what became of those that were decided.

        ``proposal_id, state, kind, amount, interest, transfer, bill_id, payee_code, payer_key, charge, item_code,
        paid_on, cause, debt_bill_id, setoff_on, article, needs_consent, decided_on, ordered_on, result_on, order_entry,
        source, record_no``, by receipt. ``state`` is a :class:`~kokin.model.RefundState`, ``kind`` a
        :class:`~kokin.model.RefundKind`. The open proposals of a receipt are its set-offs, in the order of law, and the
        refund of the rest; they add up to its open excess.

        Yen: ``amount`` of the excess; ``interest`` (還付加算金), of an open proposal if it is decided on the day, else
        as it was decided; ``transfer`` to the payer. ``bill_id`` was overpaid for the ``cause``, a
        :class:`kokin.reconcile.OverpaymentKind`. A set-off settles ``debt_bill_id`` on ``setoff_on``, or, if it
        ``needs_consent``, on the day of the decision. ``source`` and ``record_no`` are null if the receipt is not
        active any more.

        Args:
            as_of: a time, or the end of a day in Japan; by default now.
            decided_on: the day of the decision, on which debts are due; by default that of ``as_of``.
            catalog: the charges, with the authority's own 税目・料金番号.
            rates: the rates of 還付加算金.

        Raises:
            RateMissingError: the rate of a year between payment and decision is unknown.
        """
        day = decided_on or self._japan_day(as_of)

        def read(transaction: Transaction) -> pa.Table:
            accounts = LedgerAccounts.build(transaction, as_of, day, catalog, rates=rates).accounts
            return proposal_table(transaction, _queries.entry_as_of(transaction, as_of), accounts)

        return self._read(read)

    def refunds(self, as_of: date | datetime | int | None = None) -> pa.Table:
        """Return the decided parts of overpayments, by receipt: the input of :func:`kokin.reconcile.build_accounts`.

        The columns of :class:`~kokin.model.RefundPart`, and ``transfer, setoff_on, decided_on, ordered_on, result_on,
        order_entry, entry_id`` as in :meth:`refund_proposals`; ``entry_id`` is the entry of the last step.

        Args:
            as_of: a time, or the end of a day in Japan; by default now.
        """
        return self._read(lambda transaction: refund_table(transaction, _queries.entry_as_of(transaction, as_of)))

    def decide_refunds(
        self,
        decisions: Any,
        *,
        actor: str,
        decided_on: date | None = None,
        catalog: Catalog = CATALOG,
        rates: RateTable = RATES,
        source: str = "",
        reason: str = "",
        at: datetime | None = None,
    ) -> EntryResult:
        """Decide refunds and set-offs (還付決定・充当決定): all rows or, after an error, none.

        Yen, interest and article are fixed. The decision of a set-off takes effect at once: the excess is less, and a
        receipt of kind ``setoff`` credits the debt on the day of the set-off (充当適状; with consent, the day of the
        decision). A refund is paid by :meth:`order_refunds`. Among local taxes a set-off is mandatory (地方税法17の2①):
        its yen cannot be refunded.

        Args:
            decisions: a table with the columns of :class:`RefundDecision`, such as :meth:`refund_proposals`.
            actor: who decides.
            decided_on: the day of the decision; by default that of the entry in Japan.
            catalog: the charges, with the authority's own 税目・料金番号.
            rates: the rates of 還付加算金.
            source: the name of the file.
            reason: the reason, if it is not obvious.
            at: the effective time; by default now, by the ledger's clock.

        Raises:
            InvalidInputError: an unknown or decided proposal, more yen than are open, a set-off without a consent that
                it needs, a refund before a mandatory set-off, or no approver; ``.issues`` has all of them by row and
                field. Nothing was written.
            RateMissingError: the rate of a year between payment and decision is unknown.
        """
        about: dict[str, Any] = {"decided_on": decided_on, "catalog": catalog, "rates": rates, "source": source}
        return self._write(lambda writer: decide_refunds(writer, decisions, self.policy, **about), actor, reason, at)

    def order_refunds(
        self,
        accounts: Any,
        path: str | Path,
        *,
        actor: str,
        layout: str | Path | Layout = "zengin-21",
        header: Mapping[str, Any] | None = None,
        approver: str = "",
        source: str = "",
        reason: str = "",
        at: datetime | None = None,
    ) -> RefundOrder:
        """Write the file of transfers for the bank (還付命令) with the refunds that the accounts name; send nothing.

        A proposal is in one file, ever, unless its transfer comes back (組戻) or the order is reversed because the file
        was never transferred. The accounts and names are written into the file only, never into the ledger.

        The entry is committed between the draft of the file and its name: after an interruption, the same call
        completes the file of an order that is in the ledger.

        Args:
            accounts: a table with the columns of :class:`RefundAccount`, a row for each proposal to order, in the order
                of the transfers.
            path: the file; no file of this name exists. Use the same one after an interruption.
            actor: who orders.
            layout: a layout with the fields of ``zengin-21``.
            header: values of the layout's header; ``transfer_day`` is the day of the transfer.
            approver: who approved it; required, and another person than the actor, if the policy asks for four eyes.
            source: the name of the file of accounts, for issues.
            reason: the reason, if it is not obvious.
            at: the effective time; by default now, by the ledger's clock.

        Raises:
            InvalidInputError: an unknown proposal, one that is not decided or was ordered, or whose yen are no longer
                paid in excess; a value that the layout cannot write, or the path exists; nothing was ordered.
            OSError: the file cannot be written; after the entry was committed, run again to complete it.
        """
        self._require_no_dry_run()
        layout = layout if isinstance(layout, Layout) else load(layout)
        require_transfer_layout(layout)
        about: dict[str, Any] = {"header": dict(header or {}), "approver": approver, "source": source}
        order, drafts = self._write(
            lambda writer: order_refunds(writer, accounts, Path(path), layout, self.policy, **about), actor, reason, at
        )
        if drafts:
            drafts.complete()
        return order

    def add_refund_results(
        self, results: Any, *, actor: str, source: str = "", reason: str = "", at: datetime | None = None
    ) -> EntryResult:
        """Add what the bank reports about transfers: paid, or returned (組戻); the same source and rows are skipped.

        A returned transfer can be ordered again, to another account.

        Args:
            results: a table with the columns of :class:`RefundResult`.
            actor: who adds them.
            source: the name of the file.
            reason: the reason, if it is not obvious.
            at: the effective time; by default now, by the ledger's clock.

        Raises:
            InvalidInputError: a row is invalid, its proposal is unknown or not ordered, or it is a result of an earlier
                order of the proposal; nothing was added.
        """
        batch = refund_results(results, source)
        return self._write(lambda writer: add_results(writer, batch), actor, reason, at)

    def write_offs_due(
        self,
        as_of: date | datetime | int | None = None,
        *,
        until: date | None = None,
        catalog: Catalog = CATALOG,
    ) -> pa.Table:
        """Return the limitation list (時効一覧): the debts whose limitation has ended, or ends until a day.

        ``bill_id, payee_code, charge, claim, due_on, lapses_on, needs_invocation, balance``, then ``amount,
        written_off_on, article, reason, approver``, which are null: a person fills them in for :meth:`write_off`. Yen:
        ``balance`` is open. ``lapses_on`` is the last day of the limitation by the due date and the years of the charge
        (地方税法18①, 自治法236①, 民法166①); null, and last, if the charge is not known. ``needs_invocation``: a private
        claim lapses only if the debtor invokes the limitation (民法145). Kokin does not know what interrupts a
        limitation (更新, 完成猶予), nor a stay of enforcement (執行停止, 地方税法15の7): check each row, and
        add others.

        Args:
            as_of: a time, or the end of a day in Japan; by default now.
            until: the last ``lapses_on`` of the list; by default the day of ``as_of``.
            catalog: the charges, with the authority's own 税目・料金番号.
        """
        day = self._japan_day(None if isinstance(as_of, int) else as_of)
        return self._read(
            lambda transaction: limitation_list(
                LedgerAccounts.build(transaction, as_of, max(day, until or day), catalog).accounts, until or day
            )
        )

    def write_offs(self, as_of: date | datetime | int | None = None) -> pa.Table:
        """Return the write-offs (不納欠損) in force, in the order in which they were written.

        ``entry_id, bill_id, amount, written_off_on, article, reason, approver``; yen.

        Args:
            as_of: a time, or the end of a day in Japan; by default now.
        """
        return self._read(
            lambda transaction: write_offs_in_force(transaction, _queries.entry_as_of(transaction, as_of))
        )

    def write_off(
        self,
        decisions: Any,
        *,
        actor: str,
        written_off_on: date | None = None,
        catalog: Catalog = CATALOG,
        source: str = "",
        reason: str = "",
        at: datetime | None = None,
        dry_run: bool = False,
    ) -> EntryResult:
        """Write off debts (不納欠損), each with article and reason: all rows or, after an error, none.

        The balance is lower by the yen that are written off. No payment is moved: a receipt that comes later is matched
        as before, and the finding WRITE_OFF_EXCEEDS_BALANCE names it. To take write-offs back, reverse the entry. The
        same rows are skipped while their entry is active.

        Args:
            decisions: a table with the columns of :class:`WriteOffDecision`, such as the completed
                :meth:`write_offs_due`; rows that are not completed are left out.
            actor: who writes them off.
            written_off_on: the day of the decision in rows without one; rows of a file that is sent again need the
                same day.
            catalog: the charges, with the authority's own 税目・料金番号.
            source: the name of the file.
            reason: the reason of the entry, if it is not obvious.
            at: the effective time; by default now, by the ledger's clock.
            dry_run: write nothing. The entry does not exist.

        Raises:
            InvalidInputError: a row is invalid or half completed; an unknown bill, one that is not open or in two rows;
                more yen than are open; a day in the future or in a closed period; an article that does not apply to the
                claim; a row that is in force already; or no approver. ``.issues`` has all of them by row and field.
        """
        batch = write_off_batch(decisions, written_off_on, source)

        def write() -> EntryResult:
            return self._write(lambda writer: write_off(writer, batch, self.policy, catalog), actor, reason, at)

        return self._with_effect(write) if dry_run else write()

    def close_period(
        self,
        period: ClosingPeriod | str,
        day: date,
        *,
        actor: str,
        approver: str = "",
        catalog: Catalog = CATALOG,
        reason: str = "",
        at: datetime | None = None,
    ) -> EntryResult:
        """Close a day, a month or a fiscal year (締め): its figures are sealed, and no later entry changes them.

        What comes for a closed day afterwards is 過日分: it is booked on an open day, as the policy says, and listed
        with the closing. Days are closed one after the other; a month closes its days if none of them is closed, and
        else needs all of them. A fiscal year is closed after the last day of its receipts, and what comes for it later
        is booked in the next one. The totals of the entry have the sums of the period.

        Args:
            period: the kind of the period.
            day: a day of it; for a fiscal year a day from 1 April to 31 March.
            actor: who closes it.
            approver: who approved it; required, and another person than the actor, if the policy asks for four eyes.
            catalog: the charges of the authority; use the same one for all closings.
            reason: the reason, if it is not obvious.
            at: the effective time; by default now, by the ledger's clock.

        Raises:
            InvalidInputError: the period has not ended (CLOSING_FUTURE), is closed (CLOSING_CLOSED), a period or day
                before it is open (CLOSING_GAP), or there is no approver; nothing was closed.
        """
        about: dict[str, Any] = {"approver": approver, "catalog": catalog}
        return self._write(
            lambda writer: close_period(writer, ClosingPeriod(period), day, self.policy, **about), actor, reason, at
        )

    def closings(self, as_of: date | datetime | int | None = None, *, catalog: Catalog = CATALOG) -> pa.Table:
        """Return the active closings, with the sums of their periods; yen.

        ``entry, period, first_day, last_day, receipts, received, revenue, off_budget, overpaid, suspense,
        late_receipts, late_received, digest, approver``, by entry. ``late_received`` is 過日分, a part of ``received``.

        Args:
            as_of: a time, the end of a day in Japan, or the number of an entry; by default now.
            catalog: the charges; it has the accounts that are on accrual.
        """

        def read(transaction: Transaction) -> pa.Table:
            return ClosedBooks.read(transaction, _queries.entry_as_of(transaction, as_of)).table(catalog)

        return self._read(read)

    def settlement(
        self,
        year: int,
        *,
        period: ClosingPeriod | str = ClosingPeriod.YEAR,
        as_of: date | datetime | int | None = None,
        catalog: Catalog = CATALOG,
    ) -> Settlement:
        """Return the settlement statement (決算表) of a closed fiscal year; no later entry changes it.

        Args:
            year: the fiscal year.
            period: ``year``, or ``enterprise_year`` for the enterprise accounts (公営企業会計).
            as_of: a time, the end of a day in Japan, or the number of an entry; by default now.
            catalog: the charges; it has the accounts that are on accrual.

        Raises:
            InvalidInputError: SETTLEMENT_OPEN: the fiscal year is not closed.
        """

        def read(transaction: Transaction) -> Settlement:
            last = _queries.entry_as_of(transaction, as_of)
            return settlement_of(transaction, year, ClosingPeriod(period), last, catalog)

        return self._read(read)

    def closing_figures(self, entry: int, *, catalog: Catalog = CATALOG) -> pa.Table:
        """Return the figures of the period of a closing, as they were sealed; no later entry changes them.

        ``booked_on, booked_year, received_on, is_late``, then the keys and sums of
        :attr:`kokin.reconcile.Accounts.totals`. Of 過日分 (``is_late``) the day of receipt is before ``booked_on``, the
        day whose figures have it.

        Args:
            entry: the entry of the closing; it can be reversed.
            catalog: the charges; it has the accounts that are on accrual.

        Raises:
            InvalidInputError: CLOSING_UNKNOWN: the entry is no closing.
        """

        def read(transaction: Transaction) -> pa.Table:
            closing, books = closing_of(transaction, entry)
            return books.figures_of(closing, catalog)

        return self._read(read)

    def booked_totals(
        self, totals: pa.Table, day: date, as_of: date | datetime | int | None = None, *, catalog: Catalog = CATALOG
    ) -> BookedTotals:
        """Return totals by the days and years in which the closings book them, and what came for closed days.

        Args:
            totals: :attr:`kokin.reconcile.Accounts.totals` of :meth:`bills`, :meth:`receipts` and :meth:`decisions`.
            day: the day of the report.
            as_of: their time.
            catalog: the catalog of the accounts.

        Raises:
            InvalidInputError: CLOSING_DIFFERS: the totals are as of a closing, and are not those that it has sealed,
                because the catalog or the rule of matching is another.
        """
        return self._read(lambda transaction: booked_totals(transaction, totals, day, as_of, catalog))

    def request_debits(
        self,
        accounts: Any,
        path: str | Path,
        *,
        actor: str,
        layout: str | Path | Layout = "zengin-91",
        header: Mapping[str, Any],
        retry: bool = False,
        source: str = "",
        reason: str = "",
        at: datetime | None = None,
    ) -> DebitRequest:
        """Write the file that asks a bank for direct debits (口座振替依頼) of the balances of bills; send nothing.

        A bill is in one request until its result is added. Bills that are settled, reported as paid, asked for without
        a result, or whose last debit failed are counted and left out. With ``retry`` the file has only bills whose last
        debit failed, by a code and after a number of attempts that the policy allows (再振替).

        The accounts and the names of their holders are written into the file only. The entry is committed between the
        draft of the file and its name: after an interruption, the same call completes the file.

        Args:
            accounts: a table with the columns of :class:`DebitAccount`, in the order of the debits.
            path: the file; no file of this name exists. Use the same one after an interruption.
            actor: who asks.
            layout: a layout with the fields of ``zengin-91``.
            header: values of the layout's header, with ``debit_day``.
            retry: ask again for failed debits.
            source: the name of the file of accounts, for issues.
            reason: the reason, if it is not obvious.
            at: the effective time; by default now, by the ledger's clock.

        Raises:
            InvalidInputError: an unknown bill, one without a 顧客番号, a duplicate, a value that the layout cannot
                write, or the path exists; nothing was requested.
            OSError: the file cannot be written; after the entry was committed, run again to complete it.
        """
        self._require_no_dry_run()
        layout = layout if isinstance(layout, Layout) else load(layout)
        require_debit_layout(layout)
        about: dict[str, Any] = {"header": header, "retry": retry, "source": source}
        request, drafts = self._write(
            lambda writer: request_debits(writer, accounts, Path(path), layout, self.policy, **about), actor, reason, at
        )
        if drafts:
            drafts.complete()
        return request

    def add_debit_result(
        self, file: ReceiptFile, *, actor: str, source: str | None = None, reason: str = "", at: datetime | None = None
    ) -> DebitResults:
        """Add the result of direct debits (口座振替結果), compared with the request record by record.

        The issues of the result name what is missing, added or changed. The same file is skipped. A file without a
        request is a warning, and nothing is added. The payments are posted by :meth:`post`.

        Args:
            file: the open file.
            actor: who adds it.
            source: the name of the file, if another than its own.
            reason: the reason, if it is not obvious.
            at: the effective time; by default now, by the ledger's clock.

        Raises:
            InvalidInputError: the file is rejected, or a record is invalid; nothing was added.
        """
        records = result_records(file)
        about = {"source": source or file.source, "layout": file.layout.name, "digest": file.digest}
        return self._write(lambda writer: add_debit_result(writer, records, **about), actor, reason, at)

    def debits(self, as_of: date | datetime | None = None) -> pa.Table:
        """Return the direct debits that banks were asked for, by request and record.

        ``entry_id, record_no, bill_id, customer_number, amount, debit_on, attempt, state, result, result_entry,
        is_retryable``. ``state`` is a :class:`DebitState`, ``result`` the 振替結果コード, null without one.
        ``is_retryable``: it failed, was not asked for again, and the policy allows it.

        Args:
            as_of: a time, or the end of a day in Japan; by default now.
        """

        def read(transaction: Transaction) -> pa.Table:
            last = _queries.entry_as_of(transaction, as_of)
            return debit_table(transaction, _queries.policy(transaction, as_of), last)

        return self._read(read)

    def changes(self, cursor: str) -> BillChanges:
        """Return what every entry after a cursor changed in bills, for a system next door (連携).

        The same ledger and cursor give the same rows; further entries add rows at the end. :meth:`acknowledge` moves
        the cursor. The deltas of a bill, from the first entry of the ledger on, add up to its balance. Memory and time
        depend on the bills that changed; :meth:`change_batches` needs less memory.

        Args:
            cursor: the name of the consumer: Latin letters, digits and ``. _ -``, at most 64; a new one is before the
                first entry.

        Raises:
            InvalidInputError: ``CURSOR_NAME``: not a name.
        """
        with self.change_batches(cursor) as found:
            table = pa.Table.from_batches(found.batches()).combine_chunks()
            return BillChanges(cursor, found.first_entry, found.last_entry, table)

    @contextmanager
    def change_batches(self, cursor: str) -> Iterator[ChangeBatches]:
        """Open what :meth:`changes` returns in batches, from a temporary file: for more rows than fit into memory.

        Args:
            cursor: the name of the consumer, as in :meth:`changes`.

        Raises:
            InvalidInputError: ``CURSOR_NAME``: not a name.
            OSError: the temporary file cannot be written.
        """
        require_cursor_name(cursor)
        found = self._read(lambda transaction: change_batches(transaction, cursor, _queries.policy(transaction, None)))
        with closing(found):
            yield found

    def acknowledge(
        self, cursor: str, entry: int, *, actor: str, reason: str = "", at: datetime | None = None
    ) -> EntryResult:
        """Record that a consumer has processed the changes up to an entry; later changes begin after it.

        The acknowledgement is an entry. To get the changes again, reverse it. The same one again is skipped.

        Args:
            cursor: the name of the consumer, as in :meth:`changes`.
            entry: :attr:`BillChanges.last_entry`, or an earlier entry after the cursor.
            actor: who acknowledges.
            reason: the reason, if it is not obvious.
            at: the effective time; by default now, by the ledger's clock.

        Raises:
            InvalidInputError: ``ENTRY_UNKNOWN``, or ``CHANGES_ACKNOWLEDGED``: the cursor is after the entry already.
        """
        require_cursor_name(cursor)
        return self._write(lambda writer: acknowledge(writer, cursor, entry), actor, reason, at)

    def reverse_entry(self, entry: int, *, reason: str, actor: str, at: datetime | None = None) -> EntryResult:
        """Reverse an entry: a file, bills, decisions, write-offs, ..., or a reversal, which restores its target.

        Nothing is deleted. Each posting of the entry gets a row with the opposite yen that names it; each bill of a
        load gets a version with its earlier fields, or one that withdraws it. A bill that a later load sent unchanged
        belongs to the load that added it. A receipt is active if the entry of its file is, and no active reversal names
        a posting of it. Affected receipts are matched again. The records of an upload that was never transferred count
        as never sent; the records of a reversed answer are unanswered. Of refunds, a decision can be reversed until its
        transfer is ordered, an order whose file was never transferred until a result is added; both sides of a set-off
        are reversed together. Of the active closings, the last one can be reversed; its period can be closed again.

        Args:
            entry: its id.
            reason: the reason; required.
            actor: who reverses it.
            at: the effective time; by default now, by the ledger's clock.

        Raises:
            InvalidInputError: no reason, an unknown entry, one that is already reversed or cannot be reversed, a file
                that has been posted by another entry since, a load whose obligations a remaining bill covers, an
                upload that is answered or whose slips a later upload has, a step of a refund that others follow, a
                closing that others follow, or, if the policy asks for four eyes, that of the same actor.
        """
        return self._write(lambda writer: reverse_entry(writer, entry, self.policy), actor, reason, at)

    def reverse_posting(self, posting: int, *, reason: str, actor: str, at: datetime | None = None) -> EntryResult:
        """Reverse one posting: a payment that was dishonoured (証券の不渡り).

        Args:
            posting: the id of the last posting of its receipt, which must be active. To restore the receipt, reverse
                the entry that this method writes.
            reason: the reason; required.
            actor: who reverses it.
            at: the effective time; by default now, by the ledger's clock.

        Raises:
            InvalidInputError: no reason, an unknown posting, one that a later posting has replaced, or a reversal.
        """
        return self._write(lambda writer: reverse_posting(writer, posting, self.policy), actor, reason, at)

    def balances(self, as_of: date | datetime | int | None = None) -> pa.Table:
        """Return ``bill_id, payee_code, amount, paid, residual, status`` of every bill, by ``bill_id``; yen.

        They follow from the current bills and the active receipts, by the rule of this version of Kokin.

        Args:
            as_of: a time, or the end of a day in Japan; by default now.
        """
        return self._read(lambda transaction: _queries.balances(transaction, as_of, self.policy))

    def outcomes(self, entry: int | None = None) -> pa.Table:
        """Return the outcome of each active receipt, of one file's entry or of all.

        A row per receipt, by source, digest and record_no, with the columns of
        :attr:`kokin.reconcile.Reconciliation.outcomes`.
        """
        return self._read(lambda transaction: _queries.outcomes(transaction, entry))

    def bills(self, as_of: date | datetime | int | None = None) -> pa.Table:
        """Return the bills in their current version, with the columns of :class:`~kokin.model.Bill`, by ``bill_id``."""
        return self._read(lambda transaction: _queries.bills(transaction, as_of))

    def receipts(self, as_of: date | datetime | int | None = None) -> pa.Table:
        """Return the active receipts, with the columns of :class:`~kokin.model.Receipt`.

        With :meth:`bills` and :meth:`decisions` they are the input of :func:`kokin.reconcile.reconcile`.
        """
        return self._read(lambda transaction: _queries.receipts(transaction, as_of))

    def decisions(self, as_of: date | datetime | int | None = None) -> pa.Table:
        """Return the active decisions about payments, with the columns of :class:`~kokin.model.Decision`.

        ``reconcile(ledger.bills(), ledger.receipts(), decisions=ledger.decisions())`` gives the outcomes of the ledger.
        """
        return self._read(lambda transaction: _queries.decisions(transaction, as_of))

    def totals(self, as_of: date | datetime | int | None = None) -> dict[str, Totals]:
        """Return the totals of the active files, by their SHA-256.

        With :meth:`bills`, :meth:`receipts`, :meth:`bank_deposits` and :meth:`agent_reports` they are what
        :func:`kokin.reconcile.build_accounts` needs for the controls T1 to T5.
        """
        files = self._read(lambda transaction: _queries.active_entries_of(transaction, EntryKind.RECEIPT_FILE, as_of))
        return {entry.digest: decode_totals(entry.totals) for entry in files}

    def bank_deposits(self, as_of: date | datetime | int | None = None) -> pa.Table:
        """Return the active deposits on the bank account, with the columns of :class:`kokin.reconcile.BankDeposit`."""
        return self._read(lambda transaction: _queries.settlements(transaction, EntryKind.BANK_DEPOSITS, as_of))

    def agent_reports(self, as_of: date | datetime | int | None = None) -> pa.Table:
        """Return the active reports of agents, with the columns of :class:`kokin.reconcile.AgentReport`."""
        return self._read(lambda transaction: _queries.settlements(transaction, EntryKind.AGENT_REPORTS, as_of))

    def accounts(
        self,
        as_of: date | datetime | int | None = None,
        *,
        day: date | None = None,
        catalog: Catalog = CATALOG,
        rates: RateTable = RATES,
    ) -> LedgerAccounts:
        """Reconcile everything in the ledger, and build the accounts: those of the report and of the work list.

        Args:
            as_of: a time, the end of a day in Japan, or an entry; by default now.
            day: the day of the accounts; by default that of ``as_of``.
            catalog: the charges, with the authority's own 税目・料金番号.
            rates: the rates of 延滞金 and 還付加算金.

        Returns the reconciliation and the accounts. The write-offs in force lower the balances.
        """
        day = day or self._japan_day(None if isinstance(as_of, int) else as_of)
        return self._read(lambda transaction: LedgerAccounts.build(transaction, as_of, day, catalog, rates=rates))

    def report_books(
        self, entry: int, day: date, *, catalog: Catalog = CATALOG, rates: RateTable = RATES
    ) -> tuple[LedgerAccounts, pa.Table]:
        """Return :meth:`accounts` and :meth:`exceptions` as of an entry and a day; the bills are read once.

        Args:
            entry: the last entry that is read; 0 for none.
            day: the day of the accounts and of the states.
            catalog: the charges, with the authority's own 税目・料金番号.
            rates: the rates of 延滞金 and 還付加算金.
        """

        def read(transaction: Transaction) -> tuple[LedgerAccounts, pa.Table]:
            bills = _queries.bills(transaction, entry)
            accounts = LedgerAccounts.build(transaction, entry, day, catalog, bills=bills, rates=rates)
            return accounts, exception_list(transaction, entry, day, catalog, bills)

        return self._read(read)

    def issues(self, as_of: date | datetime | int | None = None) -> pa.Table:
        """Return the issues of active files, and of files that were rejected as a whole and not posted since.

        Those that :meth:`decide` has accepted are left out.
        The columns are those of :func:`kokin.issues.to_table`, preceded by ``entry_id``; ``file`` is the file's name.
        """
        return self._read(lambda transaction: _queries.file_issues(transaction, as_of))

    def work_list(self, as_of: date | None = None, *, catalog: Catalog = CATALOG) -> pa.Table:
        """Return every open exception once, the oldest entry first, with candidates for unknown money.

        ``exception_id, code, age_days, entry_id, receipt_id, source, record_no, paid_on, amount, bill_id, field,
        expected, found``, then ``candidate_1, candidate_1_reason`` to 3. ``code`` is the outcome, the finding or the
        code of an issue; ``entry_id`` the entry that brought it; ``bill_id`` the bill that the payment is on now. A
        candidate is an open bill that the money can be for, with a :class:`CandidateReason` or several; none is
        applied. There are no names of persons. :meth:`decide` closes an exception; one that is held is in the list
        from its day on.

        Args:
            as_of: the end of a day in Japan; by default now.
            catalog: the charges of the authority.
        """
        day = as_of or self._clock().astimezone(JAPAN).date()
        return self._read(lambda transaction: work_list(transaction, as_of, day, catalog))

    def exceptions(self, entry: int, day: date, *, catalog: Catalog = CATALOG) -> pa.Table:
        """Return all exceptions as of an entry and a day, also closed ones, each once: ③ 要確認一覧.

        The columns of :attr:`kokin.reconcile.Accounts.exceptions`, then ``paid_on, exception_id, exception_state,
        since, age_days, hold_until, decided_by, entry_id``. The state is an :class:`~kokin.ledger.ExceptionState`:
        those that are ``open`` are the :meth:`work_list`. An exception waits ``since`` the day of the entry that
        brought it (``entry_id``), or the day of settlement; ``decided_by`` is the actor of the entry that closed it.

        Args:
            entry: the last entry that is read; 0 for none.
            day: the day on which provisionals are stale, deposits are due and holds end.
            catalog: the charges of the authority.
        """
        return self._read(lambda transaction: exception_list(transaction, entry, day, catalog))

    def records_by_kind(self, after: int, last: int) -> pa.Table:
        """Return ``entry_id, kind, records, amount`` of the receipts of the entries from ``after`` + 1 to ``last``.

        ``kind`` is a :class:`~kokin.model.ReceiptKind`, ``amount`` the sum of yen as reported. Receipts of reversed
        entries are included.
        """
        return self._read(lambda transaction: records_by_kind(transaction, after, last))

    @property
    def id(self) -> str:
        """The hash of the first entry, which no other ledger has but a copy of this one: hexadecimal."""
        return self._read(_queries.first_hash)

    def policy_as_of(self, as_of: date | datetime | int | None = None) -> Policy:
        """Return the policy that was in force at a time, or at the end of a day in Japan; by default now."""
        return self._read(lambda transaction: _queries.policy(transaction, as_of))

    def require_policy(self, policy: Policy, as_of: date | datetime | int | None = None) -> None:
        """Raise an error unless a policy was in force at a time, or at the end of a day in Japan; by default now.

        Raises:
            InvalidInputError: another policy was in force; the issues name each setting that differs.
        """
        current = self.policy_as_of(as_of)
        if policy != current:
            raise _policy_differs(current, policy)

    def history(self, bill_id: str) -> BillHistory:
        """Return everything about one bill.

        Raises:
            InvalidInputError: there is no such bill.
        """
        return self._read(lambda transaction: _queries.history(transaction, bill_id, self.policy))

    def trace_receipt(self, source: str, record_no: int) -> Trace:
        """Return what belongs to the receipt of a record of a file: its deposits, bills, postings and decisions.

        Raises:
            InvalidInputError: ``RECEIPT_UNKNOWN``: there is no such receipt.
        """
        return self._read(lambda transaction: trace_receipt(transaction, source, record_no, self.policy))

    def trace_deposit(self, deposit: int | date, agent_code: str | None = None) -> Trace:
        """Return the deposits of a day and agent, and the receipts of which they consist, with their bills.

        The yen ``expected`` of the receipts add up to ``expected`` in the settlements of the accounts (T3).

        Args:
            deposit: the day, or the id of a deposit.
            agent_code: the agent, with a day; by default all.

        Raises:
            InvalidInputError: ``DEPOSIT_UNKNOWN``: nothing was deposited or due.
        """
        key = deposit if isinstance(deposit, int) else (deposit, agent_code)
        return self._read(lambda transaction: trace_deposit(transaction, key, self.policy))

    def trace_entry(self, entry: int) -> Trace:
        """Return the receipts that an entry posted, matched again or decided, with what belongs to them.

        Raises:
            InvalidInputError: ``ENTRY_UNKNOWN``: there is no such entry.
        """
        return self._read(lambda transaction: trace_entry(transaction, entry, self.policy))

    def sample(
        self,
        seed: int,
        count: int,
        *,
        by: Literal["yen", "count"] = "yen",
        first_day: date | None = None,
        last_day: date | None = None,
    ) -> pa.Table:
        """Draw a sample of receipts for an audit (金額単位抽出); the same ledger and seed give the same sample.

        ``receipt_id, entry_id, source, record_no, paid_on, received_on, settled_on, agent_code, kind, amount, outcome,
        bill_id, applied, excess, digest, posting_ids, posting_hash, hits``, by receipt. ``digest`` is the SHA-256 of
        the file, ``posting_hash`` the hash of the last posting, ``hits`` how often a receipt was drawn.

        Args:
            seed: any number; write it down with the sample.
            count: how many points are drawn.
            by: ``yen``: each yen has the same chance, so a large receipt is drawn more likely; ``count``: each receipt.
            first_day: the first day of receipt (収納日, else 納付日); by default any.
            last_day: the last day of receipt.

        The receipts from which it is drawn are those that are active and bring money: no duplicates, 速報 or reversals.
        """
        options = SampleOptions(seed, count, by, first_day, last_day)
        return self._read(lambda transaction: draw_sample(transaction, options))

    def entries(self, last: int | None = None) -> list[Entry]:
        """Return all entries, or the last ones, oldest first."""
        return self._read(lambda transaction: _queries.entry_list(transaction, last))

    def status(self, as_of: date | datetime | int | None = None, *, recompute: bool = True) -> LedgerStatus:
        """Return the state of the ledger: counts, outcomes, dispositions, controls and the hash of the last entry.

        Args:
            as_of: a time, or the end of a day in Japan; by default now.
            recompute: also reconcile all bills and receipts for the controls T7 and T8; without it the status takes
                less time.
        """

        def read(transaction: Transaction) -> LedgerStatus:
            policy = _queries.policy(transaction, as_of) if recompute else None
            return _queries.status(transaction, as_of, policy)

        return self._read(read)

    def applied_control(self, outcomes: pa.Table, as_of: date | datetime | int | None = None) -> Control:
        """Return control T7 for the outcomes of a reconciliation that the caller has made of bills and receipts.

        Args:
            outcomes: :attr:`kokin.reconcile.Reconciliation.outcomes` of :meth:`bills` and :meth:`receipts`.
            as_of: their time.
        """

        def read(transaction: Transaction) -> Control:
            return _queries.applied_control(transaction, _queries.entry_as_of(transaction, as_of), outcomes)

        return self._read(read)

    def refund_control(self, result: Reconciliation, as_of: date | datetime | int | None = None) -> Control:
        """Return control T8 for a reconciliation that the caller has made of bills, receipts and decisions.

        Args:
            result: the reconciliation of :meth:`bills`, :meth:`receipts` and :meth:`decisions`.
            as_of: their time.
        """

        def read(transaction: Transaction) -> Control:
            return _queries.excess_control(transaction, _queries.entry_as_of(transaction, as_of), result)

        return self._read(read)

    def verify(self, *, since: str = "", expected_hash: str = "", rematch: bool = False) -> Verification:
        """Recompute the chains of hashes in bounded memory, and locate the first changed row of each table.

        Then the match index is compared with the rows. Problems are returned, never raised, whatever the rows contain.

        Args:
            since: the ``hash`` of an entry that was verified before; only what follows it is verified.
            expected_hash: the ``hash`` of an entry, stored outside the ledger; an entry must still have it. Without
                it, the owner of the database could remove the last entries, or rewrite all of them, undetected.
            rematch: also match all receipts again, and compare with the recorded outcomes.

        Raises:
            LedgerError: the database failed.
        """
        options = {"since": since, "expected_hash": expected_hash}
        with database_errors(self._database), self._database.reading() as connection:
            return verify(Transaction(self._database, connection), self.policy, **options, rematch=rematch)

    def export(self, folder: str | Path) -> list[Path]:
        """Write the journal as CSV (UTF-8), a file per table, in bounded memory; the ledger has no names of persons.

        ``audit_log.csv`` has actor, times, file, reason, version and the hashes of each posting.
        """
        return self._read(lambda transaction: _queries.export(transaction, Path(folder)))

    def _japan_day(self, at: date | datetime | None) -> date:
        """Return the day in Japan of a time, by default of the ledger's clock."""
        day = at or self._clock()
        return day.astimezone(JAPAN).date() if isinstance(day, datetime) else day

    def _read(self, work: Callable[[Transaction], T]) -> T:
        """Return the result of a function that reads one snapshot."""

        def read() -> T:
            with self._reading() as connection:
                transaction = Transaction(self._database, connection)
                try:
                    return work(transaction)
                except (pa.ArrowException, ValueError, TypeError, LookupError, AttributeError, AssertionError) as error:
                    # Reading a changed row can fail anywhere. If no row was changed, it is misuse or a fault of Kokin.
                    result = verify(transaction, self.policy, since="", expected_hash="", rematch=False)
                    if result.is_clean:
                        raise
                    raise LedgerError("the ledger was changed; restore a backup", result.issues) from error

        return with_retry(self._database, read, _ATTEMPTS)

    def _write(
        self,
        work: Callable[[EntryWriter], T],
        actor: str,
        reason: str,
        at: datetime | None,
        progress: Callable[[int], None] | None = None,
        attempts: int = _ATTEMPTS,
    ) -> T:
        """Return the result of a function that writes one entry, or finds that there is nothing to write."""

        def write() -> tuple[T, Entry | None]:
            with self._writing() as connection:
                require_complete(Transaction(self._database, connection), last_entry(connection))
                about: dict[str, Any] = {"now": self._clock(), "at": at, "actor": actor, "reason": reason}
                writer = EntryWriter(self._database, connection, **about, progress=progress)
                self.policy = _queries.policy(writer, None)
                return work(writer), writer.sealed

        # A conflict ends the whole transaction of a dry run.
        result, entry = with_retry(self._database, write, attempts if self._dry_run is None else 1)
        if entry and self._dry_run is None:
            _log_entry(entry)
        return result

    def _require_no_dry_run(self) -> None:
        """Raise :class:`LedgerError` in a dry run: a file for another system would remain."""
        if self._dry_run is not None:
            raise LedgerError("files for another system cannot be written in a dry run")

    def _reading(self) -> AbstractContextManager[Connection]:
        return self._database.reading() if self._dry_run is None else nullcontext(self._dry_run)

    @contextmanager
    def _writing(self) -> Iterator[Connection]:
        """Open a transaction of the only writer; in a dry run a savepoint of its transaction."""
        if self._dry_run is None:
            with self._database.writing() as connection:
                yield connection
        else:
            with self._dry_run.begin_nested():
                yield self._dry_run


def _create(database: Database, policy: Policy, now: datetime, at: datetime | None, actor: str) -> Policy:
    """Create the tables and the first entry, with the policy.

    Raises:
        LedgerExistsError: the database has a ledger, or another table ``entries``.
    """
    with database.writing() as connection:
        if inspect(connection).has_table("entries"):
            raise LedgerExistsError(f"there is a ledger in {shown_url(database.engine.url)} already; open it instead")
        create_schema(database, connection)
        writer = EntryWriter(database, connection, now=now, at=at, actor=actor)
        writer.begin(EntryKind.CREATED)
        entry = writer.commit({"policy": policy.model_dump(mode="json")})
    _log_entry(entry)
    return policy


def _open(database: Database, policy: Policy | None) -> Policy:
    """Check the schema version, and return the policy in force.

    Raises:
        LedgerError: no ledger, another schema version, or an entry with a policy cannot be read.
        InvalidInputError: another policy is in force.
    """
    with database.reading() as connection:
        require_version(database, connection)
        current = _queries.policy(Transaction(database, connection), None)
    if policy and policy != current:
        raise _policy_differs(current, policy)
    return current


def _policy_differs(expected: Policy, found: Policy) -> InvalidInputError:
    current, other = expected.model_dump(mode="json"), found.model_dump(mode="json")
    issues = [
        Issue("POLICY_DIFFERS", field=name, expected=str(current[name]), found=str(other[name]))
        for name in current
        if current[name] != other[name]
    ]
    return InvalidInputError(issues, "another policy")
