"""TOML with limits: any file is either parsed or rejected with one issue."""

from __future__ import annotations

from decimal import Decimal
from pathlib import Path

import pytest

from kokin.issues import InvalidInputError
from kokin.text import load_toml, parse_toml


def test_a_file_and_a_text_are_parsed(tmp_path: Path) -> None:
    path = tmp_path / "a.toml"
    path.write_text("[tax]\nrate = 2.4\n", encoding="utf-8")
    assert load_toml(path) == parse_toml(path.read_text(encoding="utf-8")) == {"tax": {"rate": 2.4}}
    assert load_toml(path, parse_float=Decimal) == {"tax": {"rate": Decimal("2.4")}}
    with pytest.raises(FileNotFoundError):
        load_toml(tmp_path / "b.toml")


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        (b"a = '\xff'", "UTF-8"),
        (b"a = ", "TOML"),
        (b"a = " + b"[" * 9_000, "TOML"),
        (b"a = " + b"9" * 5_000, "TOML"),
        (b"a." * 40_000 + b"a = 1", "at most 250 dots in a line"),
        (b"#" * (1 << 20) + b"\n", "at most 1048576 bytes"),
    ],
)
def test_any_other_file_is_rejected_with_one_issue(content: bytes, expected: str, tmp_path: Path) -> None:
    path = tmp_path / "a.toml"
    path.write_bytes(content)
    with pytest.raises(InvalidInputError) as caught:
        load_toml(path)
    assert [(issue.code, issue.location.file, issue.expected) for issue in caught.value.issues] == [
        ("TOML_INVALID", "a.toml", expected)
    ]
