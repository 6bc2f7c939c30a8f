"""The texts of a slip: by item, by bill, and from a file of notes."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from kokin.issues import InvalidInputError
from kokin.model import Bill
from kokin.slips import SlipNotes, SlipText, SlipWording

WORDING = """
payee = "例示市会計管理者"
charge = "手数料"
honorifics = { "株式会社" = "御中", "法人" = "御中", "大臣" = "殿" }
periods = { 00 = "", 01 = "第1期", 99 = "全期" }
[items.921]
charge = "水道料金・下水道使用料"
labels = { water-charge = "水道料金", sewerage-charge = "下水道使用料" }
registrations = { water-charge = "T0000000000001", sewerage-charge = "T0000000000002" }
periods = { 01 = "4・5月分" }
"""


def bill(**changes: Any) -> Bill:
    fields: dict[str, Any] = {
        "bill_id": "B1",
        "payee_code": "99999",
        "item_code": "921",
        "case_key": "1",
        "confirmation": "271828",
        "amount": 1200,
        "due_on": "2026-06-01",
        "period": "01",
        "parts": {"water-charge": 700, "sewerage-charge": 500},
        "name": "公金　花子",
    }
    return Bill(**fields | changes)


@pytest.fixture
def wording(tmp_path: Path) -> SlipWording:
    (tmp_path / "words.toml").write_text(WORDING, encoding="utf-8")
    return SlipWording.load(tmp_path / "words.toml")


def text_of(wording: SlipWording, **changes: Any) -> SlipText:
    return wording.of(bill(**changes))[1]


@pytest.mark.parametrize(
    ("name", "honorific"),
    [
        ("公金　花子", "様"),
        ("株式会社例示商事", "御中"),
        ("医療法人例示会", "御中"),
        ("例示大臣", "殿"),
        ("株式会社 法人課 大臣", "御中"),
        (None, "様"),
    ],
)
def test_the_first_text_in_the_name_decides_on_the_honorific(
    wording: SlipWording, name: str | None, honorific: str
) -> None:
    assert text_of(wording, name=name).honorific == honorific


@pytest.mark.parametrize(
    ("item_code", "period", "printed"), [("921", "01", "4・5月分"), ("921", "99", "全期"), ("127", "01", "第1期")]
)
def test_the_names_of_periods_are_those_of_the_item(
    wording: SlipWording, item_code: str, period: str, printed: str
) -> None:
    assert text_of(wording, item_code=item_code, period=period, parts={}).period == printed


def test_a_period_that_is_not_in_the_table_is_an_error(wording: SlipWording) -> None:
    with pytest.raises(InvalidInputError) as raised:
        wording.of(bill(period="05"))
    (issue,) = raised.value.issues
    assert (issue.code, issue.field, issue.found) == ("CODE_UNKNOWN", "period", "05")
    assert issue.expected.startswith("periods of the words: 00 | 01")


@pytest.mark.parametrize(
    ("charge", "kind"), [("fixed-asset-tax", "tax"), ("water-charge", "other"), ("no-such-charge", ""), (None, "")]
)
def test_the_kind_is_that_of_the_charge_in_the_catalog(wording: SlipWording, charge: str | None, kind: str) -> None:
    assert text_of(wording, charge=charge).kind == kind


def test_a_kind_in_the_wording_takes_precedence(tmp_path: Path) -> None:
    (tmp_path / "words.toml").write_text(WORDING + 'kind = "tax"\n', encoding="utf-8")
    assert text_of(SlipWording.load(tmp_path / "words.toml"), charge="water-charge").kind == "tax"


NOTES = """bill_id,note,period,honorific,notice_number,remarks,registrations
B1,使用期間 4月から5月,,,,water-charge=内消費税 68円;sewerage-charge=内消費税 45円,
B2,,臨時,殿,2026-1,,水道料金=T0000000000009
"""


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "cp932"])
def test_notes_take_precedence_on_their_own_bill(tmp_path: Path, encoding: str) -> None:
    (tmp_path / "words.toml").write_text(WORDING, encoding="utf-8")
    (tmp_path / "notes.csv").write_text(NOTES, encoding=encoding)
    wording = SlipWording.load(tmp_path / "words.toml", tmp_path / "notes.csv")
    first, second, third = (text_of(wording, bill_id=bill_id) for bill_id in ("B1", "B2", "B3"))
    assert (first.note, first.period, first.honorific, first.notice_number) == (
        "使用期間 4月から5月",
        "4・5月分",
        "様",
        "",
    )
    assert first.remarks == {"水道料金": "内消費税 68円", "下水道使用料": "内消費税 45円"}
    assert (second.note, second.period, second.honorific, second.notice_number) == ("", "臨時", "殿", "2026-1")
    assert second.registrations == {"水道料金": "T0000000000009", "下水道使用料": "T0000000000002"}
    assert (third.note, third.remarks) == ("", {})


@pytest.mark.parametrize(
    ("text", "code", "field", "record"),
    [
        ("bill_id,notes\nB1,x\n", "FIELD_UNKNOWN", "notes", None),
        ("note\nx\n", "FIELD_MISSING", "bill_id", None),
        ("", "FIELD_MISSING", "bill_id", None),
        ("bill_id,note\nB1,x\nB1,y\n", "SLIP_DUPLICATE", "bill_id", 2),
        ("bill_id,note\nB1,x,y\n", "COLUMNS_COUNT", "", 1),
        ("bill_id,remarks\nB1,内消費税\n", "PARTS_FORM", "remarks", 1),
    ],
)
def test_invalid_notes_are_rejected(tmp_path: Path, text: str, code: str, field: str, record: int | None) -> None:
    (tmp_path / "notes.csv").write_text(text, encoding="utf-8")
    with pytest.raises(InvalidInputError) as raised:
        SlipNotes.load(tmp_path / "notes.csv")
    problem = raised.value.issues[0]
    assert (problem.code, problem.field, problem.location.record) == (code, field, record)
    assert problem.location.file == "notes.csv"


def test_notes_that_are_no_text_are_rejected(tmp_path: Path) -> None:
    (tmp_path / "notes.csv").write_bytes(b"bill_id,note\nB1,\x81 \n")
    with pytest.raises(InvalidInputError, match="BYTE_UNKNOWN"):
        SlipNotes.load(tmp_path / "notes.csv")
