"""Issues: codes in two languages, locations, the table form, and results in notebooks."""

from __future__ import annotations

import re

import pyarrow as pa
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
    ReadResult,
    Severity,
    from_table,
    printable,
    to_table,
)

texts = st.text(st.characters(codec="utf-8"), max_size=20)
locations = st.builds(Location, texts, st.none() | st.integers(1, 2**40), st.none() | st.integers(0, 2**40))


@pytest.mark.parametrize("code", ISSUE_CODES.values(), ids=str)
def test_every_code_has_an_english_and_a_japanese_text(code) -> None:
    assert re.fullmatch(r"[A-Z][A-Z0-9_]+", code.name)
    assert code.en.isascii()
    assert not code.en.endswith(".")
    assert re.search(r"[぀-ヿ一-鿿]", code.ja)


def test_an_unknown_code_raises_key_error() -> None:
    with pytest.raises(KeyError, match="NO_SUCH"):
        Issue("NO_SUCH")


def issues_of(text, location):
    texts = dict.fromkeys(("field", "expected", "found"), text)
    return st.builds(Issue, st.sampled_from(sorted(ISSUE_CODES)), **texts, location=location)


@given(st.lists(issues_of(texts, locations), max_size=10))
def test_issues_are_equal_after_conversion_to_a_table_and_back(issues: list[Issue]) -> None:
    table = to_table(issues)
    assert tuple(table.column_names) == ISSUE_COLUMNS
    assert from_table(table) == issues


def test_the_severity_of_an_issue_is_that_of_its_code() -> None:
    assert Issue("DEADLINE_BEFORE_DUE").severity is Severity.WARNING
    assert not Issue("DEADLINE_BEFORE_DUE").is_error
    assert Issue("FIELD_MISSING").is_error


def test_the_text_of_an_exception_lists_the_first_twenty_issues() -> None:
    error = InvalidInputError([Issue("FIELD_MISSING", field=f"f{i}") for i in range(30)], "rejected")
    assert isinstance(error, KokinError)
    lines = str(error).splitlines()
    assert lines[0] == "rejected"
    assert lines[1] == "f0: FIELD_MISSING: a required value is missing"
    assert lines[-1] == "... and 10 more in .issues"
    assert len(error.issues) == 30


def test_a_location_is_described_as_file_record_byte_field() -> None:
    issue = Issue("WIDTH", field="amount", expected="10 digits", found="9 digits", location=Location("a.csv", 3, 120))
    assert str(issue).startswith("a.csv, record 3, byte 120, amount: WIDTH:")
    assert issue.describe("ja").startswith("a.csv, レコード 3, バイト 120, amount: WIDTH: 桁数")


@given(issues_of(st.text(), st.builds(Location, st.text())))
def test_an_issue_is_described_on_one_line_without_control_characters(issue: Issue) -> None:
    for line in (issue.describe("en"), issue.describe("ja"), str(InvalidInputError([issue]))):
        assert line == printable(line)


@pytest.mark.parametrize("text", ["\x1b]0;x\x07", "a\nb", "\x9b31m", "\u2028", "\u202e"])
def test_control_characters_are_escaped(text: str) -> None:
    assert printable(text).isascii()
    assert printable(text).isprintable()
    assert printable(text).encode().decode("unicode_escape") == text


@pytest.mark.parametrize("text", ["", "収納　データ.csv", "ｺｳｷﾝ ﾊﾅｺ", "a\\b"])
def test_printable_text_is_not_escaped(text: str) -> None:
    assert printable(text) == text


class Totals:
    def as_dict(self) -> dict[str, object]:
        return {"read": 1203, "accepted": 1200, "by_file": {}}


def test_a_result_is_summarised_as_escaped_html_with_its_first_issues() -> None:
    table = pa.table({"bill_id": ["<b>"], "name": ["公金花子"]})
    issues = [Issue("WIDTH", field="period", found="<i>", location=Location(record=n)) for n in range(1, 13)]
    html = ReadResult(table, issues, Totals())._repr_html_()
    assert html.startswith("<p>read 1,203, accepted 1,200</p><ul><li>record 1, period: WIDTH: ")
    assert "found &lt;i&gt;</li>" in html
    assert html.count("<li>") == 11
    assert "and 2 more in .issues" in html
    assert "花子" not in html
    assert ReadResult(table, [], None)._repr_html_() == "<p>accepted 1</p>"
