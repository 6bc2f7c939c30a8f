"""``kokin ledger``: what writes into the ledger."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from kokin.cli import _ledger_views as views
from kokin.cli import _show
from kokin.cli._address import LedgerUrl, address, created, only, opened, shown
from kokin.cli._exits import Exit, exits
from kokin.cli._options import (
    Actor,
    As,
    At,
    CreditsLayout,
    Format,
    LayoutNames,
    Lenient,
    PolicyFile,
    ReferenceDate,
    actor_of,
    as_printable,
    day_of,
    moment_of,
)
from kokin.cli._words import help_text, page, tell
from kokin.issues import Issue, from_table
from kokin.text import file_name

if TYPE_CHECKING:
    from kokin.bills import BillBatch
    from kokin.ledger import EntryResult

app = typer.Typer(
    help=page("""Keep a ledger: what was posted stays posted, once.

    The ledger is a database, named first by its URL or by KOKIN_LEDGER: sqlite:///city.db for one machine,
    postgresql://user@host/database for a team. A password belongs in PGPASSWORD or .pgpass; it is never printed."""),
    no_args_is_help=True,
)

Reason = Annotated[
    str, typer.Option(help=help_text("Why, where that is not plain."), callback=as_printable, show_default=False)
]


@app.command()
@exits
def init(ledger: LedgerUrl = None, policy: PolicyFile = None, actor: Actor = "") -> Exit:
    """Make a ledger where there is none yet.

    What of the policy decides on outcomes is written down with it, and stays.
    """
    from kokin.ledger import LedgerExistsError
    from kokin.reconcile import Policy

    url = only(ledger)
    choices = Policy.load(policy) if policy else None
    try:
        with created(url, actor_of(actor), choices) as kept:
            status = kept.status()
        _show.line(tell("the ledger is {place}", place=shown(url)))
    except LedgerExistsError:
        with opened(url, policy=choices) as kept:
            status = kept.status()
        _show.line(tell("the ledger is there already: {place}", place=shown(url)))
    _show.line(f"hash {status['hash']}")
    return Exit.CLEAN


@app.command()
@exits
def bills(
    ledger: LedgerUrl = None,
    files: Annotated[
        list[str] | None,
        typer.Argument(metavar="FILE", help=help_text("Bills: CSV (UTF-8 or cp932) or Parquet."), show_default=False),
    ] = None,
    actor: Actor = "",
    reason: Reason = "",
    at: At = None,
    output: As = Format.TEXT,
) -> Exit:
    """Add bills, and new versions of bills that have changed.

    A bill that is there unchanged is passed over, so a whole register can be sent again. Each file is added whole or
    not at all; one that is refused keeps no other out.
    """
    from kokin import bills as room
    from kokin.cli._posting import write_each

    url, paths = _files(ledger, files)
    who = actor_of(actor)
    with opened(url) as kept:

        def add(path: Path, rows: Callable[[int], None]) -> tuple[EntryResult, Iterable[Issue]]:
            warnings: list[Issue] = []
            pieces = _watched(room.batches(path), warnings)
            about = {"actor": who, "source": file_name(path), "reason": reason}
            return kept.add_bills(pieces, **about, at=moment_of(at), progress=rows), warnings

        return write_each(kept, paths, add, output)


@app.command()
@exits
def post(
    layout: LayoutNames,
    ledger: LedgerUrl = None,
    files: Annotated[
        list[str] | None,
        typer.Argument(metavar="FILE", help=help_text("Receipt files."), show_default=False),
    ] = None,
    actor: Actor = "",
    reason: Reason = "",
    at: At = None,
    lenient: Lenient = False,
    reference_date: ReferenceDate = None,
    output: As = Format.TEXT,
) -> Exit:
    """Post receipt files, each of them whole or not at all.

    A file that is in the ledger already, under any name, adds nothing. One that repeats payments of other files is
    posted; each payment counts once, and FILE_OVERLAPS names these files. One that is refused or cannot be read keeps
    no other out; the exit code is then 3 or 4, and the rest is posted. After any failure the same command can be given
    again.
    """
    from kokin import receipts
    from kokin.cli._files import layouts_for
    from kokin.cli._posting import write_each
    from kokin.receipts import layouts

    url, paths = _files(ledger, files)
    who, day = actor_of(actor), day_of(reference_date)
    named = layouts_for(paths, layout)
    known = {name: layouts.load(name) for name in dict.fromkeys(named)}
    layout_of = {path: known[name] for path, name in zip(paths, named, strict=True)}
    with opened(url) as kept:

        def write(path: Path, rows: Callable[[int], None]) -> tuple[EntryResult, Iterable[Issue]]:
            file = receipts.open(path, layout_of[path], lenient=lenient, reference_date=day)
            written = kept.post(file, actor=who, reason=reason, at=moment_of(at), progress=rows)
            return written, [*file.issues, *written.issues] if written.inserted else ()

        return write_each(kept, paths, write, output)


@app.command("credits")
@exits
def add_deposits(
    ledger: LedgerUrl = None,
    files: Annotated[
        list[str] | None,
        typer.Argument(metavar="FILE", help=help_text("A bank's credit files."), show_default=False),
    ] = None,
    layout: CreditsLayout = "zengin-01",
    actor: Actor = "",
    reason: Reason = "",
    at: At = None,
    lenient: Lenient = False,
    reference_date: ReferenceDate = None,
    output: As = Format.TEXT,
) -> Exit:
    """Write down what reached the bank, by its credit files; the reports compare it with the receipts.

    A file that is there already, by its name and content, adds nothing.
    """
    from kokin import receipts
    from kokin.cli._posting import write_each
    from kokin.reconcile import bank_deposits

    url, paths = _files(ledger, files)
    who, day = actor_of(actor), day_of(reference_date)
    with opened(url) as kept:

        def add(path: Path, rows: Callable[[int], None]) -> tuple[EntryResult, Iterable[Issue]]:
            file = receipts.open(path, layout, lenient=lenient, reference_date=day)
            money = bank_deposits(file.table())
            written = kept.add_deposits(money, actor=who, source=file_name(path), reason=reason, at=moment_of(at))
            return written, file.issues if written.inserted else ()

        return write_each(kept, paths, add, output)


@app.command()
@exits
def reverse(
    reason: Annotated[
        str, typer.Option(help=help_text("Why; it is written down."), callback=as_printable, show_default=False)
    ],
    ledger: LedgerUrl = None,
    entry: Annotated[
        int | None,
        typer.Option(
            help=help_text("The entry of a file, of credits or of a reversal; `status` lists them."), show_default=False
        ),
    ] = None,
    posting: Annotated[
        int | None,
        typer.Option(help=help_text("One posting, instead of an entry; `history` lists them."), show_default=False),
    ] = None,
    actor: Actor = "",
    at: At = None,
) -> Exit:
    """Take back a file, a posting, credits, or a reversal: what a reversal took out is put back.

    Nothing is deleted; whatever else was judged by it is judged anew.
    """
    if (entry is None) == (posting is None):
        raise typer.BadParameter(tell("give either --entry or --posting"), param_hint="--entry")
    with opened(only(ledger)) as kept:
        who, when = actor_of(actor), moment_of(at)
        if entry is not None:
            done = kept.reverse_entry(entry, reason=reason, actor=who, at=when)
        else:
            assert posting is not None  # one of the two is given
            done = kept.reverse_posting(posting, reason=reason, actor=who, at=when)
    _show.line(
        tell("reversed by entry {entry}; judged anew: {rematched:,}", entry=done.entry.id, rematched=done.rematched)
    )
    return Exit.CLEAN


@app.command()
@exits
def relink(ledger: LedgerUrl = None) -> Exit:
    """Rebuild the index from the journal, where `verify` asks for it, and match all receipts again.

    It ends with 0 only if every recorded outcome is that of the rule; what was posted while the index was incomplete
    can differ.
    """
    with opened(only(ledger)) as kept, _show.progress(tell("links")):
        found = kept.relink()
    _show.line(tell("the index was rebuilt"))
    _show.issues(found.issues)
    return Exit.CLEAN if found.is_clean else Exit.UNBALANCED


for _view in (views.status, views.balances, views.history, views.verify, views.export):
    app.command()(_view)


def _files(ledger: str | None, files: list[str] | None) -> tuple[str, list[Path]]:
    """The ledger, and the files that follow it.

    Raises:
        BadParameter: no ledger is named, or no file.
    """
    url, rest = address(ledger, *(files or ()))
    if not rest:
        raise typer.BadParameter(tell("name at least one file after the ledger"), param_hint="FILE")
    return url, [Path(name) for name in rest]


def _watched(pieces: Iterable[BillBatch], warnings: list[Issue]) -> Iterator[BillBatch]:
    """The pieces of a file of bills; what is to be looked at in them is kept, each thing once."""
    for piece in pieces:
        warnings += [issue for issue in from_table(piece.issues) if issue not in warnings]
        yield piece
