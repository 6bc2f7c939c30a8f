"""The pictures of slips in the guide show what the command on the page prints."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from kokin.slips._font_files import FAMILIES, find_font
from tests.support import needs_font

DOCS = Path(__file__).parents[2] / "docs"
pytestmark = needs_font


def test_the_pictures_are_those_of_the_example_files(monkeypatch: pytest.MonkeyPatch) -> None:
    image = pytest.importorskip("PIL.Image", reason="needs the extra 'decode'")
    chops = pytest.importorskip("PIL.ImageChops")
    if FAMILIES[0] not in find_font().text.families:
        pytest.skip(f"the pictures are set in {FAMILIES[0]}")
    monkeypatch.setattr(sys, "path", [str(DOCS), *sys.path])
    from _slip_pictures import slip_pictures

    for path, picture in slip_pictures():
        shown, printed = image.open(path).convert("L"), picture.convert("L")
        assert shown.size == printed.size
        differing = sum(chops.difference(shown, printed).point(lambda level: level > 64).histogram()[1:])
        assert differing < 0.0005 * shown.width * shown.height, f"run docs/_slip_pictures.py: {path.name} is outdated"
