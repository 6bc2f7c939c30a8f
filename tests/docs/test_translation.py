"""The Japanese catalogs are complete and current, and keep code, links and numbers of the English pages."""

from __future__ import annotations

import importlib
import re
import sys
from collections import Counter
from pathlib import Path
from types import SimpleNamespace

import pytest

pytest.importorskip("furo")
pytest.importorskip("myst_parser")
nodes = pytest.importorskip("docutils.nodes")
jinja2 = pytest.importorskip("jinja2")
markdown_it = pytest.importorskip("markdown_it")

DOCS = Path(__file__).parents[2] / "docs"

sys.path.insert(0, str(DOCS))
translation = importlib.import_module("_translation")
CATALOGS = {
    path.relative_to(translation.CATALOGS).with_suffix("").as_posix(): translation.read_catalog(path)
    for path in sorted(translation.CATALOGS.rglob("*.po"))
}
RENEW = "run `python docs/_translation.py` and translate what it names"

# 36,000 and 0.75, which a translation copies; 1.1 million becomes 110万.
_NUMBER = re.compile(r"\d+(?:[,.]\d+)+(?! million)")


def _translated(page):
    return [message for message in translation.messages(CATALOGS[page]) if message.string and not message.fuzzy]


@pytest.fixture(scope="module")
def pages():
    return translation.extract()


@pytest.mark.parametrize("page", CATALOGS)
def test_every_message_is_translated(page):
    left = [message.id for message in translation.messages(CATALOGS[page]) if not message.string or message.fuzzy]
    assert not left, RENEW


@pytest.mark.parametrize("page", CATALOGS)
def test_no_catalog_has_an_obsolete_message(page):
    assert not CATALOGS[page].obsolete, RENEW


def test_every_page_has_its_catalogue(pages):
    assert set(pages) | {"sphinx"} == set(CATALOGS), RENEW


def test_the_messages_are_those_of_the_pages(pages):
    """If this fails, an English page has moved on."""
    moved = {
        page: sorted({str(message.id) for message in catalog} ^ {str(message.id) for message in CATALOGS[page]})
        for page, catalog in pages.items()
    }
    assert not {page: ids for page, ids in moved.items() if ids}, RENEW


@pytest.mark.parametrize("page", CATALOGS)
def test_code_links_and_numbers_are_equal(page):
    for message in _translated(page):
        assert translation.markup(message.string) == translation.markup(message.id), message.id
        assert set(_NUMBER.findall(message.id)) <= set(_NUMBER.findall(message.string)), message.id


@pytest.mark.parametrize("page", CATALOGS)
def test_emphasis_is_kept(page):
    """In Japanese an asterisk between a bracket and a letter does not close what it should."""
    for message in _translated(page):
        assert _inline(message.string) == _inline(message.id), message.string


def _inline(text: str) -> dict[str, int]:
    tokens = markdown_it.MarkdownIt().parseInline(text)[0].children
    return Counter(token.type for token in tokens if token.type.endswith("_open") or token.type == "code_inline")


@pytest.mark.parametrize("page", CATALOGS)
def test_a_translation_is_one_paragraph(page):
    r"""Sphinx passes over what is more: `1. ...` would begin a list, and is written `1\. ...`."""
    for message in _translated(page):
        blocks = [token.type for token in markdown_it.MarkdownIt().parse(message.string)]
        assert blocks == ["paragraph_open", "inline", "paragraph_close"], message.string


@pytest.mark.parametrize("page", CATALOGS)
def test_sentences_are_not_copied(page):
    for message in _translated(page):
        prose = re.sub(r"`[^`]*`|\([^)]*\)", "", message.id)
        if re.search(r"[a-z]+ [a-z]+ [a-z]+", prose):
            assert message.string != message.id


@pytest.mark.parametrize("draw", translation.FIGURES.values())
def test_drawings_speak_the_language_of_the_build(draw):
    said = {}
    for language in ("en", "ja"):
        page = nodes.container("", nodes.raw("", draw().strip(), format="html"))
        translation.translate_figures(SimpleNamespace(config=SimpleNamespace(language=language)), page)
        said[language] = page.astext()
    assert said["en"] == draw().strip()
    assert re.search("[ぁ-ん]", said["ja"])
    lines = {language: re.sub("<text.*?</text>|aria-label=.*?>", "", drawing) for language, drawing in said.items()}
    assert lines["ja"] == lines["en"]


def test_a_japanese_figure_shows_japanese_first():
    page = nodes.container("", nodes.raw("", translation.FIGURES["data-flow"]().strip(), format="html"))
    translation.translate_figures(SimpleNamespace(config=SimpleNamespace(language="ja")), page)
    titles = re.findall(r'class="strong">([^<]+)<', page.astext())
    assert len(titles) > 8
    assert [title for title in titles if not re.search("[ぁ-んァ-ヶ一-龠]", title)] == []


def test_markup_finds_what_a_translation_could_lose():
    text = "See {func}`a.b`, `code` and [the page](x.md#y)."
    assert translation.markup(text) == ["](x.md#y)", "`code`", "{func}`a.b`"]
    assert translation.markup(text.replace("x.md", "z.md")) != translation.markup(text)


@pytest.mark.parametrize(
    ("language", "bilingual", "links"),
    [
        ("en", True, ["../ja/guides/x.html"]),
        ("ja", True, ["../../guides/x.html"]),
        ("en", False, []),
        ("ja", False, []),
    ],
)
def test_a_page_links_to_its_twin_only_where_there_is_one(language, bilingual, links):
    template = jinja2.Template((DOCS / "_templates" / "sidebar" / "language.html").read_text(encoding="utf-8"))
    page = template.render(language=language, bilingual=bilingual, pagename="guides/x", content_root="../")
    assert re.findall('href="([^"]*)"', page) == links


@pytest.mark.parametrize("page", translation.outputs())
def test_a_page_shows_its_sample_outputs_in_japanese(page):
    from docutils.core import publish_doctree
    from myst_parser.parsers.docutils_ import Parser

    text = (DOCS / f"{page}.md").read_text(encoding="utf-8")
    text = re.sub(r"^```\{raw\}.*?^```$", "", text, flags=re.MULTILINE | re.DOTALL)  # figures, which a build draws
    settings = {"report_level": 5, "myst_enable_extensions": ["colon_fence", "deflist", "fieldlist"]}
    doctree = publish_doctree(text, parser=Parser(), settings_overrides=settings)
    app = SimpleNamespace(env=SimpleNamespace(docname=page), config=SimpleNamespace(language="ja"))
    translation.translate_outputs(app, doctree)
    shown = {block.astext().strip("\n") for block in doctree.findall(nodes.literal_block)}
    for english, japanese in translation.outputs()[page].items():
        assert japanese.strip("\n") in shown
        assert japanese == english or english.strip("\n") not in shown
