"""One self-contained HTML page: first the answer, then what to look at, then the detail."""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Collection
from hashlib import sha256
from importlib import resources
from string import Template
from typing import TYPE_CHECKING

import kokin
from kokin.reports._html import Html, html, tag
from kokin.reports._page_answer import answer, funnel, to_look_at
from kokin.reports._page_books import controls, rates, records, refunds, totals, waiting
from kokin.reports._words import Words

if TYPE_CHECKING:
    from kokin.reports._report import Report

# Of each section its name in the contents, its sentence, and what makes it.
_SECTIONS = (
    ("look", to_look_at),
    ("funnel", funnel),
    ("totals", totals),
    ("rates", rates),
    ("settlement", controls),
    ("waiting", waiting),
    ("refunds", refunds),
    ("records", records),
)


def page(report: Report, words: Words, most: int, files: Collection[str] = ()) -> str:
    """The page of a report.

    It asks for nothing: a Content-Security-Policy forbids everything but its own style and script, by their hashes.

    Args:
        report: the report.
        words: the reader's language.
        most: rows that are shown of a long list.
        files: the tables whose CSV stands beside the page.
    """
    here = resources.files("kokin.reports")
    style, script = ((here / name).read_text(encoding="utf-8") for name in ("page.css", "page.js"))
    sections = [_section(name, words, make(report, words, most, files)) for name, make in _SECTIONS]
    links = [tag("a", words.say(name), href=f"#{name}") for name, _ in _SECTIONS]
    return Template((here / "page.html").read_text(encoding="utf-8")).substitute(
        language=words.language,
        style=style,
        script=script,
        style_hash=_hash(style),
        script_hash=_hash(script),
        title=html(words.say("title")),
        day=html(words.say("as_of", day=words.day(report.as_of))),
        version=html(kokin.__version__),
        contents=tag("nav", *links, aria_label=words.say("contents")),
        answer=answer(report, words),
        sections=html(*sections),
        print_cut=html(words.say("print_cut")),
        closed=html(words.say("closed")),
        filter=html(words.say("filter")),
        rows_shown=html(words.say("rows_shown", n="#")),
    )


def _section(name: str, words: Words, content: Html) -> Html:
    head = tag("h2", words.say(name), tag("small", words.say(f"{name}_note")))
    return tag("section", head, content, id=name)


def _hash(text: str) -> str:
    return "sha256-" + b64encode(sha256(text.encode()).digest()).decode()
