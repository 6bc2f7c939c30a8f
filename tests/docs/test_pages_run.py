"""Every code block of the docs runs, in the order in which it is read."""

from __future__ import annotations

import importlib
import sys
from pathlib import Path
from types import SimpleNamespace

import pytest

from kokin.demo import write_city
from tests.docs.blocks import Reader, blocks, wanted

DOCS = Path(__file__).parents[2] / "docs"
PAGES = sorted(path for path in DOCS.rglob("*.md") if not {"_generated", "locale", "adr"} & set(path.parts))
WITH_OUTPUT = [page for page in PAGES if any(block.language == "text" for block in blocks(page.read_text("utf-8")))]

pytest.importorskip("furo")
nodes = pytest.importorskip("docutils.nodes")
sys.path.insert(0, str(DOCS))
translation = importlib.import_module("_translation")
OUTPUTS = translation.outputs()


def name_of(page: Path) -> str:
    """Return the name of a page as Sphinx has it."""
    return page.relative_to(DOCS).with_suffix("").as_posix()


def prepare(
    page: Path, folder: Path, monkeypatch: pytest.MonkeyPatch, request: pytest.FixtureRequest, language: str
) -> None:
    """Set the language, and prepare the folder and the services that a page asks for."""
    needs = wanted(page.read_text(encoding="utf-8"))
    if "demo" in needs:
        write_city(folder, 500, 1)
    if "postgresql" in needs:
        monkeypatch.setenv("PGHOST", str(request.getfixturevalue("own_server")))
        monkeypatch.setenv("PGUSER", "kokin")
    monkeypatch.chdir(folder)
    monkeypatch.setenv("KOKIN_LANG", language)


@pytest.mark.thorough
@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(DOCS)))
def test_what_a_page_shows_is_what_happens(
    page: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, request: pytest.FixtureRequest
) -> None:
    prepare(page, tmp_path, monkeypatch, request, "en")
    Reader(page, tmp_path).run()


@pytest.mark.thorough
@pytest.mark.parametrize("page", WITH_OUTPUT, ids=lambda page: str(page.relative_to(DOCS)))
def test_what_a_page_shows_in_japanese_is_what_happens(
    page: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, request: pytest.FixtureRequest
) -> None:
    """If this fails, run ``python -m tests.docs.japanese PAGE``."""
    prepare(page, tmp_path, monkeypatch, request, "ja")
    Reader(page, tmp_path, translation.outputs().get(name_of(page), {})).run()


def test_every_japanese_output_is_that_of_a_block() -> None:
    texts = {name_of(page): {block.text for block in blocks(page.read_text(encoding="utf-8"))} for page in PAGES}
    assert {page: [block for block in twins if block not in texts[page]] for page, twins in OUTPUTS.items()} == {
        page: [] for page in OUTPUTS
    }


@pytest.mark.parametrize("page", OUTPUTS)
def test_a_japanese_output_has_japanese_and_the_same_lines(page: str) -> None:
    for english, japanese in OUTPUTS[page].items():
        assert japanese != english
        assert len(japanese.splitlines()) == len(english.splitlines())


def test_a_japanese_build_shows_the_japanese_output() -> None:
    english, japanese = next(iter(OUTPUTS["tutorial"].items()))
    for language, shown in (("en", english), ("ja", japanese)):
        document = nodes.container("", nodes.literal_block(english, english.removesuffix("\n")))
        config = SimpleNamespace(config=SimpleNamespace(language=language), env=SimpleNamespace(docname="tutorial"))
        translation.translate_outputs(config, document)
        assert document.astext() + "\n" == shown


def test_a_block_that_is_not_run_says_why() -> None:
    excused = {page.name: [block.excuse for block in blocks(page.read_text(encoding="utf-8"))] for page in PAGES}
    assert all(len(excuse) > 10 for excuses in excused.values() for excuse in excuses if excuse)


def test_a_page_that_lies_is_found(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    page = tmp_path / "page.md"
    for lie in ("```pycon\n>>> 1 + 1\n3\n```", "```sh\nkokin layouts no-such-layout\n```", "```python\n1 / 0\n```"):
        page.write_text(lie + "\n", encoding="utf-8")
        with pytest.raises(AssertionError, match=r"page\.md, line 1"):
            Reader(page, tmp_path).run()
    page.write_text("```sh\nkokin --version\n```\n\n```text\nkokin 9.9.9\n```\n", encoding="utf-8")
    with pytest.raises(AssertionError, match=r"not printed: kokin 9\.9\.9"):
        Reader(page, tmp_path).run()
