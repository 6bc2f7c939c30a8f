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
def test_what_is_printable_is_text_without_controls(text: str) -> None:
    shown = printable(text)
    shown.encode("utf-8")
    assert not any(unicodedata.category(sign) in ("Cc", "Zl", "Zp", "Cs") for sign in shown)
    assert not any(unicodedata.bidirectional(sign) in BIDI for sign in shown)
    assert printable(shown) == shown


@given(st.text(st.characters(categories=["L", "N", "P", "S", "Zs"])))
def test_other_text_stays(text: str) -> None:
    assert printable(text) == text


@given(st.binary(min_size=1).filter(lambda name: not set(b"/\0") & set(name) and name not in (b".", b"..")))
def test_any_name_of_a_file_is_shown(name: bytes) -> None:
    file_name(Path("folder") / os.fsdecode(name)).encode("utf-8")


def test_characters_may_be_kept() -> None:
    assert printable("a\n\tb", keep="\n") == "a\n\\x09b"
