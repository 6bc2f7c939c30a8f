"""The HTML page of a report: the morning's part, then everything since the beginning."""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Collection
from datetime import date
from hashlib import sha256
from importlib import resources
from string import Template
from typing import TYPE_CHECKING

import kokin
from kokin.reports._elements import Html, html, tag
from kokin.reports._lists import print_header
from kokin.reports._page_morning import MorningPart
from kokin.reports._page_totals import TotalsPart
from kokin.reports._terms import Terms

if TYPE_CHECKING:
    from kokin.reports._report import Report

_EMPTY = Html()


def render_page(report: Report, terms: Terms, max_rows: int | None, csv_tables: Collection[str] = ()) -> str:
    """Return the page of a report.

    It makes no requests: a Content-Security-Policy allows its own style and script only, by their hashes.

    Args:
        report: the report.
        terms: the terms of the language.
        max_rows: the maximum number of rows of a list; by default that of :func:`~kokin.reports._lists.render_rows`.
        csv_tables: the tables that are also written as CSV; the note below a shortened list names the file.
    """
    part = (report, terms, max_rows, csv_tables)
    morning, totals = MorningPart(*part), TotalsPart(*part)
    sections = {**morning.sections(), **totals.sections()}
    sentence = terms.sentence
    part_of_all = "all_of_ledger" if "entries" in report.summary else "all_of_run"
    return render_document(
        terms,
        title=sentence("title"),
        day=report.as_of,
        headline=morning.first_screen(),
        contents=tag(
            "nav", *(tag("a", sentence(name), href=f"#{name}") for name in sections), aria_label=sentence("contents")
        ),
        sections=html(
            *(morning.section(name, render()) for name, render in morning.sections().items()),
            tag("h2", sentence(part_of_all), tag("small", sentence(f"{part_of_all}_note")), class_="part"),
            totals.key_figures(),
            *(totals.section(name, render()) for name, render in totals.sections().items()),
        ),
    )


def render_document(
    terms: Terms, *, title: str, day: date, headline: Html, sections: Html, contents: Html = _EMPTY
) -> str:
    """Return a page with its style and script; a Content-Security-Policy allows these only, by their hashes."""
    folder, sentence = resources.files("kokin.reports"), terms.sentence
    style, script = ((folder / name).read_text(encoding="utf-8") for name in ("page.css", "page.js"))
    style += print_header(title, sentence("as_of", day=terms.date(day)))
    return Template((folder / "page.html").read_text(encoding="utf-8")).substitute(
        language=terms.language,
        style=style,
        script=script,
        style_hash=_csp_hash(style),
        script_hash=_csp_hash(script),
        title=html(title),
        day=html(sentence("as_of", day=terms.date(day))),
        version=html(kokin.__version__),
        contents=contents,
        headline=headline,
        sections=sections,
        printed=html(sentence("printed", shown="#", all="##")),
        copied=html(sentence("copied")),
        open_only=html(sentence("open_only")),
        closed=html(sentence("closed")),
        filter=html(sentence("filter")),
        rows_shown=html(sentence("rows_shown", n="#")),
    )


def _csp_hash(text: str) -> str:
    """Return the source of a Content-Security-Policy that allows exactly this style or script."""
    return "sha256-" + b64encode(sha256(text.encode()).digest()).decode()
