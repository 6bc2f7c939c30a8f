"""Post a file that several authorities share, each part into its ledger, with the proof that the parts are the file."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from datetime import date, datetime
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from kokin import receipts
from kokin.authorities._authorities import Authorities
from kokin.issues import InvalidInputError
from kokin.ledger import AuthorityFileResult, AuthorityFileState, PostingResult, post_receipts
from kokin.receipts import FilePart, ReceiptFile, Totals
from kokin.receipts.layouts import Layout
from kokin.reconcile import Control
from kokin.text import file_name

_STATEMENT = "file = sum of its parts in the ledgers"


@dataclass(frozen=True)
class SharedFile:
    """What happened to a file: its counts, and the result of each authority."""

    file: str
    """The name of the file."""
    totals: Totals | None
    """The counts of the file; None if it was rejected or could not be read."""
    results: tuple[AuthorityFileResult, ...]
    """The result of each authority, in the order of ``authorities.toml``; of the only one for a file of its own."""
    inconsistencies: Mapping[str, str]
    """The broken control, or the changed row, of each authority whose ledger is inconsistent."""
    unassigned: Mapping[str, tuple[int, int]]
    """Receipts and yen of each ``payee_code`` of no authority, of the empty text for none; their receipts are in the
    ledger of :attr:`Authorities.unassigned`."""

    @property
    def is_complete(self) -> bool:
        """Whether every part is in its ledger."""
        posted = (AuthorityFileState.POSTED, AuthorityFileState.ALREADY_POSTED)
        return all(result.state in posted for result in self.results)

    @property
    def control(self) -> Control:
        """The yen of the file against those of its entries in the ledgers; not checked while a part is missing."""
        if self.totals is None or not self.is_complete:
            return Control("file", _STATEMENT, self.totals.accepted_yen if self.totals else None)
        entries = [result.totals for result in self.results]
        broken = tuple(
            name
            for name in ("read", "accepted", "unpaid", "rejected")
            if sum(entry.get(name, 0) for entry in entries) != getattr(self.totals, name)
        )
        return Control(
            "file", _STATEMENT, self.totals.accepted_yen, sum(entry["accepted_yen"] for entry in entries), broken
        )

    def as_dict(self) -> dict[str, Any]:
        """Return everything for JSON."""
        counts = self.totals and {
            name: getattr(self.totals, name) for name in ("read", "accepted", "unpaid", "rejected", "accepted_yen")
        }
        return {
            "file": self.file,
            "totals": counts,
            "control": self.control.as_dict(),
            "unassigned": {code: {"receipts": count, "amount": yen} for code, (count, yen) in self.unassigned.items()},
            "authorities": [result.as_dict() for result in self.results],
            "inconsistencies": dict(self.inconsistencies),
        }


def post(
    path: str | Path,
    layout: Layout | str,
    authorities: Authorities,
    *,
    actor: str = "",
    lenient: bool = False,
    reference_date: date | None = None,
    clock: Callable[[], datetime] | None = None,
    lock_timeout: float | None = None,
) -> SharedFile:
    """Post the receipts of a file into the ledgers of their authorities.

    Every authority gets an entry of the file, also one without receipts in it: its ledger then shows that the file has
    come. Unpaid and rejected records, which name no authority, are counted in the ledger of
    :attr:`Authorities.unassigned`, with the issues of the file. A file that is rejected as a whole is recorded as
    rejected in every ledger. Nothing is posted twice, so after any failure the same call can be made again.

    Args:
        path: the file.
        layout: its layout, or the name of one.
        authorities: the authorities.
        actor: who makes the entries; by default :attr:`Authorities.actor`.
        lenient: repair what can be repaired, and report each repair.
        reference_date: a day near the payments, for dates without a century or era.
        clock: returns the current time, with a zone; by default the clock of the computer.
        lock_timeout: seconds to wait for another writer of a ledger.

    Raises:
        InvalidInputError: the layout is invalid, or the file name matches the patterns of several authorities.
        OSError: the file cannot be read.
    """
    path = Path(path)
    own = authorities.of_file(file_name(path))

    def open_file() -> ReceiptFile:
        return receipts.open(path, layout, lenient=lenient, reference_date=reference_date)

    file = open_file()
    options: dict[str, Any] = {"actor": actor or authorities.actor, "clock": clock}
    if lock_timeout is not None:
        options["lock_timeout"] = lock_timeout

    def post_part(code: str, part: Callable[[], ReceiptFile | FilePart]) -> PostingResult:
        pending = AuthorityFileResult(code, file.source, AuthorityFileState.FAILED, 1)
        return post_receipts(part, authorities.ledger_of(code), pending, policy=authorities.policy(code), **options)

    if own:
        posted = [post_part(own, lambda: file)]
        totals = file.totals if file.totals.complete else None
        return _result(file.source, totals, posted, {})
    try:
        table = pa.Table.from_batches(list(file.batches()), file.schema())
    except InvalidInputError:
        return _result(file.source, None, [post_part(code, open_file) for code in authorities.codes], {})
    parts, unassigned = _split(file, table, authorities)
    posted = [post_part(code, lambda part=part: part) for code, part in parts.items()]  # type: ignore[misc]
    return _result(file.source, file.totals, posted, unassigned)


def _result(
    name: str, totals: Totals | None, posted: list[PostingResult], unassigned: Mapping[str, tuple[int, int]]
) -> SharedFile:
    inconsistencies = {each.file.authority: each.inconsistency for each in posted if each.inconsistency}
    return SharedFile(name, totals, tuple(each.file for each in posted), inconsistencies, unassigned)


def _split(
    file: ReceiptFile, table: pa.Table, authorities: Authorities
) -> tuple[dict[str, FilePart], dict[str, tuple[int, int]]]:
    """Return the part of each authority, and receipts and yen of each ``payee_code`` of none."""
    codes = pa.nulls(len(table), pa.string())
    if "payee_code" in table.schema.names:
        codes = table.column("payee_code").cast(pa.string())
    payees = pc.fill_null(codes, "")
    rows: dict[str, list[str]] = {code: [] for code in authorities.codes}
    unassigned = {}
    for payee in sorted(pc.unique(payees).to_pylist()):
        code = authorities.authority_of_payee.get(payee)
        rows[code or authorities.unassigned].append(payee)
        if code is None:
            amounts = table.column("amount").filter(pc.equal(payees, payee))
            unassigned[payee] = (len(amounts), pc.sum(amounts).as_py())
    parts = {}
    for code, own in rows.items():
        part = table.filter(pc.is_in(payees, pa.array(own, pa.string())))
        parts[code] = _part(file, part, with_rest=code == authorities.unassigned)
    return parts, unassigned


def _part(file: ReceiptFile, table: pa.Table, *, with_rest: bool) -> FilePart:
    """Return a part with its counts; ``with_rest``: with the records of the file that are no receipts."""
    yen = pc.sum(table.column("amount")).as_py() or 0
    totals = Totals(read=len(table), accepted=len(table), accepted_yen=yen, complete=True)
    totals.control_records = file.totals.control_records
    if with_rest:
        rest = {name: getattr(file.totals, name) for name in ("unpaid", "rejected", "unpaid_yen", "rejected_yen")}
        totals = replace(totals, read=len(table) + file.totals.unpaid + file.totals.rejected, **rest)
    return FilePart(file.source, file.layout.name, file.digest, totals, table, list(file.issues) if with_rest else ())
