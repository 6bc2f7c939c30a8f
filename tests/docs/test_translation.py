"""The Japanese catalogues hold what the English pages say now: all of it, with the same code, links and numbers."""

from __future__ import annotations

import importlib.util
import re
import sys
from pathlib import Path

import pytest

pytest.importorskip("sphinx")
pytest.importorskip("furo")

DOCS = Path(__file__).parents[2] / "docs"


def _load_translation():
    spec = importlib.util.spec_from_file_location("_translation", DOCS / "_translation.py")
    module = importlib.util.module_from_spec(spec)
    sys.modules["_translation"] = module
    spec.loader.exec_module(module)
    return module


translation = _load_translation()
CATALOGS = {
    path.relative_to(translation.CATALOGS).with_suffix("").as_posix(): translation.read_catalog(path)
    for path in sorted(translation.CATALOGS.rglob("*.po"))
}
RENEW = "run `python docs/_translation.py` and translate what it names"

# 36,000 and 0.75, and what is written of them in Japanese; a plain 400 may become 4億.
_NUMBER = re.compile(r"\d+(?:[,.]\d+)+")


@pytest.fixture(scope="module")
def pages():
    return translation.extract()


@pytest.mark.parametrize("page", CATALOGS)
def test_every_message_is_translated(page):
    left = [message.id for message in translation.messages(CATALOGS[page]) if not message.string or message.fuzzy]
    assert not left, RENEW


@pytest.mark.parametrize("page", CATALOGS)
def test_nothing_stands_in_a_catalogue_that_no_page_says(page):
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
    for message in translation.messages(CATALOGS[page]):
        assert translation.markup(message.string) == translation.markup(message.id), message.id
        # A decimal or a sum with commas is copied, not rounded.
        found, said = (sorted(_NUMBER.findall(text)) for text in (message.string, message.id))
        assert [number for number in said if number not in found] == [], message.id


@pytest.mark.parametrize("page", CATALOGS)
def test_prose_is_japanese(page):
    """A sentence without kana was copied, not translated."""
    for message in translation.messages(CATALOGS[page]):
        if len(re.findall(r"[a-z]+ [a-z]+", re.sub(r"`[^`]*`|\([^)]*\)", "", message.id))) > 1:
            assert re.search("[ぁ-んァ-ヶ]", message.string), message.id


def test_markup_finds_what_a_translation_could_lose():
    text = "See {func}`a.b`, `code` and [the page](x.md#y)."
    assert translation.markup(text) == ["](x.md#y)", "`code`", "{func}`a.b`"]
    assert translation.markup(text.replace("x.md", "z.md")) != translation.markup(text)
