"""The page of many authorities: a row for each ledger, with a link to its reports."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING

from kokin._arrow.files import atomic_file
from kokin.model import Disposition
from kokin.reports._elements import BAD_SIGN, GOOD_SIGN, Html, html, render_grid, tag
from kokin.reports._page import render_document
from kokin.reports._terms import Language, Terms
from kokin.text import JAPAN

if TYPE_CHECKING:
    from kokin.authorities import AuthorityStatus


def write_overview(
    path: str | Path,
    rows: Sequence[AuthorityStatus],
    day: date,
    *,
    pages: Mapping[str, str] | None = None,
    language: Language = "ja",
) -> None:
    """Write the page of many authorities.

    Args:
        path: the HTML file; an existing one is replaced.
        rows: the state of each ledger, of :func:`kokin.authorities.overview`.
        day: the day of the page.
        pages: the address of the report of each authority, by its code.
        language: the language.

    Raises:
        OSError: the file cannot be written.
    """
    terms = Terms(language)
    sections = tag("section", tag("h2", terms.sentence("authorities")), _grid(rows, terms, pages or {}))
    page = render_document(
        terms, title=terms.sentence("overview"), day=day, headline=_headline(rows, terms), sections=sections
    )
    Path(path).parent.mkdir(parents=True, exist_ok=True)
    with atomic_file(Path(path)) as draft:
        draft.write_text(page, encoding="utf-8")


def _headline(rows: Sequence[AuthorityStatus], terms: Terms) -> Html:
    """Return whether every ledger is read and balanced, and how many files are missing."""
    sentence = terms.sentence
    unbalanced = [row for row in rows if row.broken]
    unread = [row for row in rows if row.error]
    missing = [row for row in rows if row.intake and row.intake.has_missing]
    problems = [
        sentence(key, names=", ".join(row.name for row in found))
        for key, found in (("ledgers_broken", unbalanced), ("ledgers_unread", unread), ("files_missing", missing))
        if found
    ]
    counts = sentence("ledgers_counted", n=len(rows), exceptions=f"{sum(row.exceptions for row in rows):,}")
    title, *others = problems or [sentence("ledgers_balanced")]
    others += [f"{row.name}: {row.error}" for row in unread]
    text = tag("div", tag("h1", title), *(tag("p", each) for each in others), tag("p", counts, class_="soft"))
    sign = tag("div", BAD_SIGN if problems else GOOD_SIGN, text, class_="headline")
    return tag("div", sign, class_="answer")


def _grid(rows: Sequence[AuthorityStatus], terms: Terms, pages: Mapping[str, str]) -> Html:
    sentence = terms.sentence
    shown = (Disposition.APPLIED, Disposition.EXCESS, Disposition.SUSPENSE, Disposition.PROVISIONAL)
    heads = [
        (sentence("authority"), ""),
        (sentence("count"), "n"),
        *((terms.value("disposition", name), "n") for name in shown),
        (sentence("look"), "n"),
        (sentence("settlement"), ""),
        (sentence("expected_files"), "soft"),
    ]
    return render_grid(heads, [_cells(row, terms, shown, pages) for row in rows])


def _cells(
    row: AuthorityStatus, terms: Terms, shown: Sequence[Disposition], pages: Mapping[str, str]
) -> list[str | int | Html | None]:
    name = tag("a", row.name, href=pages[row.authority]) if row.authority in pages else html(row.name)
    code = tag("small", f" {row.authority}") if row.name != row.authority else None
    if row.error:
        error = tag("span", terms.value("state", "unreadable"), class_="tag bad")
        return [html(name, code), None, *(None for _ in shown), None, error, None]
    state = ("bad", ", ".join(row.broken)) if row.broken else ("good", terms.sentence("holds"))
    at = f"{row.at.astimezone(JAPAN):%Y-%m-%d %H:%M}" if row.at else ""
    intake = row.intake.first_line(terms.language) if row.intake else terms.sentence("last_entry", at=at)
    return [
        html(name, code),
        row.receipts,
        *(row.dispositions.get(name, 0) for name in shown),
        row.exceptions,
        tag("span", state[1], class_=f"tag {state[0]}"),
        intake,
    ]
