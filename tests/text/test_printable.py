"""Text that can be printed and stored."""

from __future__ import annotations

import os
import unicodedata
from pathlib import Path

from hypothesis import given
from hypothesis import strategies as st

from kokin.issues import printable
from kokin.text import file_name

BIDI = {"LRE", "RLE", "LRO", "RLO", "PDF", "LRI", "RLI", "FSI", "PDI"}


@given(st.text(st.characters(codec=None)))
def test_printable_text_has_no_control_characters(text: str) -> None:
    escaped = printable(text)
    escaped.encode("utf-8")
    assert not any(unicodedata.category(character) in ("Cc", "Zl", "Zp", "Cs") for character in escaped)
    assert not any(unicodedata.bidirectional(character) in BIDI for character in escaped)
    assert printable(escaped) == escaped


@given(st.text(st.characters(categories=["L", "N", "P", "S", "Zs"])))
def test_other_text_is_not_changed(text: str) -> None:
    assert printable(text) == text


@given(st.binary(min_size=1).filter(lambda name: not set(b"/\0") & set(name) and name not in (b".", b"..")))
def test_any_file_name_can_be_encoded(name: bytes) -> None:
    file_name(Path("folder") / os.fsdecode(name)).encode("utf-8")


def test_listed_characters_are_not_escaped() -> None:
    assert printable("a\n\tb", keep="\n") == "a\n\\x09b"
