"""Every loader of a TOML file of the caller raises InvalidInputError with the file name, not a parser exception."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from kokin import catalog, intake, rules
from kokin.issues import InvalidInputError
from kokin.reconcile import Policy
from kokin.slips import SlipWording
from kokin.slips._slip_template import load_template
from kokin.text import load_toml

LOADERS: dict[str, Callable[[Path], Any]] = {
    "toml": load_toml,
    "rates": rules.load_rates,
    "template": load_template,
    "words": SlipWording.load,
    "policy": Policy.load,
    "catalog": catalog.load,
    "account codes": catalog.AccountCodes.load,
    "intake": intake.load,
}

HOSTILE = {
    "broken": b"a = ",
    "truncated": b"[[rates",
    "duplicate key": b"a = 1\na = 2\n",
    "cp932": "payee = '例示市'".encode("cp932"),
    "nul": b"a = '\0'",
    "random": bytes(range(256)),
    "deep array": b"a = " + b"[" * 5_000 + b"]" * 5_000,
    "deep table": b"a = " + b"{a = " * 5_000 + b"1" + b"}" * 5_000,
    "dotted": b"a" + b".a" * 50_000 + b" = 1",
    "long number": b"a = " + b"9" * 10_000,
    "large": b"#" * (1 << 20) + b"\n",
}


@pytest.mark.parametrize("content", HOSTILE.values(), ids=HOSTILE)
@pytest.mark.parametrize("load", LOADERS.values(), ids=LOADERS)
def test_a_hostile_file_is_rejected_with_its_name(tmp_path: Path, load: Callable[[Path], Any], content: bytes) -> None:
    path = tmp_path / "own.toml"
    path.write_bytes(content)
    with pytest.raises(InvalidInputError) as caught:
        load(path)
    assert {issue.code for issue in caught.value.issues} == {"TOML_INVALID"}
    assert {issue.location.file for issue in caught.value.issues} == {"own.toml"}


@pytest.mark.parametrize("load", LOADERS.values(), ids=LOADERS)
def test_a_missing_file_raises_file_not_found_error(tmp_path: Path, load: Callable[[Path], Any]) -> None:
    with pytest.raises(FileNotFoundError):
        load(tmp_path / "none.toml")


def test_a_parse_error_has_its_line_number(tmp_path: Path) -> None:
    (tmp_path / "own.toml").write_text("a = 1\nb = \n")
    with pytest.raises(InvalidInputError, match=r"own\.toml.*line 2"):
        load_toml(tmp_path / "own.toml")


@pytest.mark.parametrize("load", [load for name, load in LOADERS.items() if name not in ("toml", "words")])
@pytest.mark.parametrize("content", ["x = 1", "rates = 1", "items = 1", "width = nan", "part = [1]", "split = 1"])
def test_tables_with_another_structure_are_rejected_with_the_file_name(
    tmp_path: Path, load: Callable[[Path], Any], content: str
) -> None:
    (tmp_path / "own.toml").write_text(content)
    with pytest.raises(InvalidInputError) as caught:
        load(tmp_path / "own.toml")
    assert {issue.location.file for issue in caught.value.issues} == {"own.toml"}
