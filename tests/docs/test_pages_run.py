"""Every code block of the docs runs, in the order in which it is read."""

from __future__ import annotations

from pathlib import Path

import pytest

from kokin.demo import write_city
from tests.docs.blocks import Reader, blocks, wanted

DOCS = Path(__file__).parents[2] / "docs"
PAGES = sorted(path for path in DOCS.rglob("*.md") if not {"_generated", "locale", "adr"} & set(path.parts))


@pytest.mark.thorough
@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(DOCS)))
def test_what_a_page_shows_is_what_happens(
    page: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, request: pytest.FixtureRequest
) -> None:
    needs = wanted(page.read_text(encoding="utf-8"))
    if "demo" in needs:
        write_city(tmp_path, 500, 1)
    if "postgresql" in needs:
        monkeypatch.setenv("PGHOST", str(request.getfixturevalue("cluster")))
        monkeypatch.setenv("PGUSER", "kokin")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("KOKIN_LANG", "en")
    Reader(page, tmp_path).run()


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
