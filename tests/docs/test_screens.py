"""The pictures of the terminal and the workbook align full-width characters and show the output of the page."""

from __future__ import annotations

import re
import sys
from pathlib import Path

import pytest

pytest.importorskip("openpyxl")
DOCS = Path(__file__).parents[2] / "docs"
sys.path.insert(0, str(DOCS))
import _screens  # noqa: E402


def test_a_full_width_character_takes_two_cells() -> None:
    picture = _screens.terminal("kokin x", ["消込済  1", "MATCHED 1"])
    positions = [line.split() for line in re.findall(r'<text x="([^"]+)"', picture)]
    assert [len(line) for line in positions] == [9, 6, 9]
    assert positions[1][-1] == positions[2][-1]


@pytest.mark.parametrize(
    ("language", "shown"), [("en", "outcome  receipts     yen"), ("ja", "消込結果      コード   収納件数  金額 (円)")]
)
def test_a_picture_shows_the_output_in_the_language_of_the_edition(language: str, shown: str) -> None:
    with _screens._output("guides/work-list.md", "--dry-run", language) as (command, lines):
        assert shown in [line.rstrip() for line in lines]
        assert command.startswith("kokin ledger post monday.csv")
        assert f">{shown}</text>" in _screens.terminal(command, lines)


def test_the_sheet_has_the_rows_of_the_work_list() -> None:
    with _screens._output("guides/work-list.md", "ledger worklist", "ja"):
        picture = _screens.sheet(Path("work.xlsx"), columns=10)
    assert re.findall(r">(R\d-NO_BILL)<", picture) == ["R2-NO_BILL", "R3-NO_BILL"]
    assert ">該当調定なし</text>" in picture


def test_a_page_without_the_command_is_found() -> None:
    with (
        pytest.raises(ValueError, match=r"work-list\.md: no command with 'kokin nothing'"),
        _screens._output("guides/work-list.md", "kokin nothing", "en"),
    ):
        pass
