"""Issues: codes with two languages, places, and the table form."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kokin.issues import (
    ISSUE_CODES,
    ISSUE_COLUMNS,
    InvalidInputError,
    Issue,
    KokinError,
    Location,
    Severity,
    from_table,
    printable,
    to_table,
)

texts = st.text(st.characters(codec="utf-8"), max_size=20)
places = st.builds(Location, texts, st.none() | st.integers(1, 2**40), st.none() | st.integers(0, 2**40))


@pytest.mark.parametrize("code", ISSUE_CODES.values(), ids=str)
def test_every_code_speaks_both_languages(code) -> None:
    assert re.fullmatch(r"[A-Z][A-Z0-9_]+", code.name)
    assert code.en.isascii()
    assert not code.en.endswith(".")
    assert re.search(r"[぀-ヿ一-鿿]", code.ja)


def test_an_unknown_code_is_misuse() -> None:
    with pytest.raises(KeyError, match="NO_SUCH"):
        Issue("NO_SUCH")


def built(text, location):
    about = dict.fromkeys(("field", "expected", "found"), text)
    return st.builds(Issue, st.sampled_from(sorted(ISSUE_CODES)), **about, location=location)


@given(st.lists(built(texts, places), max_size=10))
def test_the_table_form_loses_nothing(issues: list[Issue]) -> None:
    table = to_table(issues)
    assert tuple(table.column_names) == ISSUE_COLUMNS
    assert from_table(table) == issues


def test_severity_comes_from_the_code() -> None:
    assert Issue("DEADLINE_BEFORE_DUE").severity is Severity.WARNING
    assert not Issue("DEADLINE_BEFORE_DUE").is_error
    assert Issue("FIELD_MISSING").is_error


def test_a_refusal_lists_its_issues_and_no_more_than_one_can_read() -> None:
    error = InvalidInputError([Issue("FIELD_MISSING", field=f"f{i}") for i in range(30)], "refused")
    assert isinstance(error, KokinError)
    lines = str(error).splitlines()
    assert lines[0] == "refused"
    assert lines[1] == "f0: FIELD_MISSING: a required value is missing"
    assert lines[-1] == "... and 10 more in .issues"
    assert len(error.issues) == 30


def test_a_place_is_told_from_the_outside_in() -> None:
    issue = Issue("WIDTH", field="amount", expected="10 digits", found="9 digits", location=Location("a.csv", 3, 120))
    assert str(issue).startswith("a.csv, record 3, byte 120, amount: WIDTH:")
    assert issue.describe("ja").startswith("a.csv, レコード 3, バイト 120, amount: WIDTH: 桁数")


@given(built(st.text(), st.builds(Location, st.text())))
def test_an_issue_is_one_line_without_control_characters(issue: Issue) -> None:
    for line in (issue.describe("en"), issue.describe("ja"), str(InvalidInputError([issue]))):
        assert line == printable(line)


@pytest.mark.parametrize("text", ["\x1b]0;x\x07", "a\nb", "\x9b31m", "\u2028", "\u202e"])
def test_what_a_terminal_acts_on_is_escaped(text: str) -> None:
    assert printable(text).isascii()
    assert printable(text).isprintable()
    assert printable(text).encode().decode("unicode_escape") == text


@pytest.mark.parametrize("text", ["", "収納　データ.csv", "ｺｳｷﾝ ﾊﾅｺ", "a\\b"])
def test_writing_is_not_escaped(text: str) -> None:
    assert printable(text) == text
