"""Files written into a ledger one by one: what became of each, told to people and to programs."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import asdict, dataclass, field
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeAlias

from kokin.cli import _show
from kokin.cli._exits import Exit, with_controls
from kokin.cli._options import Format
from kokin.cli._words import heads, tell
from kokin.issues import InvalidInputError, Issue, printable
from kokin.model import Outcome
from kokin.text import file_name

if TYPE_CHECKING:
    from kokin.ledger import EntryResult, Ledger

#: Writes a file, and tells as it goes how many more rows are done.
Write: TypeAlias = "Callable[[Path, Callable[[int], None]], tuple[EntryResult, Iterable[Issue]]]"


class State(StrEnum):
    """What became of a file."""

    POSTED = "posted"
    #: It stood in the ledger already; nothing was written.
    THERE = "there already"
    REFUSED = "refused"
    UNREADABLE = "unreadable"


@dataclass
class Done:
    """What became of one file."""

    file: str
    state: State
    written: EntryResult | None = None
    issues: list[Issue] = field(default_factory=list)
    why: str = ""

    @property
    def exceptions(self) -> int:
        """How many of its receipts are to be looked at."""
        outcomes = self.written.outcomes if self.written else {}
        return sum(told["count"] for name, told in outcomes.items() if Outcome(name).is_exception)

    @property
    def code(self) -> Exit:
        """The exit code that the file alone would give."""
        if self.state is State.REFUSED:
            return Exit.REFUSED
        if self.state is State.UNREADABLE:
            return Exit.FAILED
        return Exit.EXCEPTIONS if self.exceptions or self.issues else Exit.CLEAN

    def as_dict(self) -> dict[str, Any]:
        """For JSON."""
        told: dict[str, Any] = {"file": self.file, "state": self.state.value}
        if self.written:
            entry = self.written.entry
            told |= {"entry": entry.id, "at": entry.at.isoformat(), "hash": entry.hash, "totals": dict(entry.totals)}
            told |= {"outcomes": dict(self.written.outcomes), "rematched": self.written.rematched}
            told["overlaps"] = [asdict(overlap) for overlap in self.written.overlaps]
        return told | {"why": self.why, "issues": [_show.issue_dict(issue) for issue in self.issues]}


def write_each(ledger: Ledger, paths: Sequence[Path], write: Write, output: Format) -> Exit:
    """Write files, each by itself: a rejected or unreadable file does not stop the others.

    The results are printed even if the ledger fails in between. Returns the highest of their exit codes, and of that of
    the ledger's controls after them.
    """
    done: list[Done] = []
    try:
        for path in paths:
            with _show.progress(file_name(path)) as rows:
                done.append(_written(path, write, rows))
    finally:
        if done:
            _show_all(done, output)
    return with_controls(max(each.code for each in done), ledger.status()["controls"])


def _written(path: Path, write: Write, rows: Callable[[int], None]) -> Done:
    name = file_name(path) or printable(str(path))
    try:
        written, issues = write(path, rows)
    except InvalidInputError as error:
        return Done(name, State.REFUSED, issues=error.issues)
    except OSError as error:
        return Done(name, State.UNREADABLE, why=error.strerror or str(error))
    return Done(name, State.POSTED if written.inserted else State.THERE, written, list(issues))


def _show_all(done: Sequence[Done], output: Format) -> None:
    if output is Format.JSON:
        _show.as_json([each.as_dict() for each in done])
    else:
        _print(done)
    for each in done:
        if each.code in (Exit.REFUSED, Exit.FAILED):
            why = f" ({tell(each.why)})" if each.why else ""
            _show.note(tell("{file}: {state}", file=each.file, state=tell(each.state)) + why)
        _show.issues(each.issues)


def _print(done: Sequence[Done]) -> None:
    rows = []
    for each in done:
        written = each.written
        told = written.entry.totals if written else {}
        read, yen = told.get("given", told.get("read")), told.get("yen", told.get("accepted_yen"))
        look = (each.exceptions or None, (written and written.rematched) or None)
        rows.append((each.file, tell(each.state), written and written.entry.id, read, yen, *look))
    _show.grid(heads("file", "", "entry", "read", "yen", "to look at", "judged anew"), rows)
    outcomes: dict[str, list[int]] = {}
    for each in done:
        for name, told in (each.written.outcomes if each.written else {}).items():
            count, amount = outcomes.get(name, (0, 0))
            outcomes[name] = [count + told["count"], amount + told["amount"]]
    if outcomes:
        _show.line()
        _show.grid(heads("outcome", "receipts", "yen"), [(name, *told) for name, told in sorted(outcomes.items())])
