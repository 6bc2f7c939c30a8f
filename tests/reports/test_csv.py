"""CSV for spreadsheets and old systems: no cell is a formula, and no character is lost."""

import csv
from pathlib import Path

import polars
import pyarrow as pa
import pytest

from kokin.issues import InvalidInputError
from kokin.reports import write_csv


def rows(path: Path, encoding: str) -> list[list[str]]:
    with path.open(encoding=encoding, newline="") as file:
        return list(csv.reader(file))


TEXTS = ["公金 花子", "a,b", 'say "yes"', "髙橋", "〜−‖", "①㈱", None, "ﾊﾅｺ"]


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "cp932"])
def test_texts_are_read_back_in_every_encoding(tmp_path: Path, encoding: str) -> None:
    table = pa.table({"文字": TEXTS, "yen": range(len(TEXTS))})
    assert write_csv(table, tmp_path / "t.csv", encoding) == []
    found = rows(tmp_path / "t.csv", encoding)
    assert found[0] == ["文字", "yen"]
    # cp932 has one code where Unicode has two characters for one of JIS X 0208.
    expected = [(text or "").encode("cp932").decode("cp932") if encoding == "cp932" else text or "" for text in TEXTS]
    assert [row[0] for row in found[1:]] == expected
    assert (tmp_path / "t.csv").read_bytes().startswith(b"\xef\xbb\xbf") == (encoding == "utf-8-sig")


def test_a_large_table_is_one_file_with_one_byte_order_mark(tmp_path: Path) -> None:
    table = pa.table({"n": pa.array(range(200_000)), "text": ["公"] * 200_000})
    for encoding in ("utf-8-sig", "cp932"):
        write_csv(table, tmp_path / "t.csv", encoding)
        text = (tmp_path / "t.csv").read_text(encoding=encoding)
        assert "\ufeff" not in text
        assert polars.read_csv(text.encode())["n"].to_list() == list(range(200_000))


def test_a_character_that_cp932_lacks_raises_with_its_place_or_is_replaced_and_reported(tmp_path: Path) -> None:
    table = pa.table({"a": ["ok", "𠮷野家", "—"], "b": ["é", None, "ok"], "n": [1, 2, 3]})
    with pytest.raises(InvalidInputError) as raised:
        write_csv(table, tmp_path / "t.csv", "cp932")
    lacking = [(issue.code, issue.field, issue.location.record, issue.found) for issue in raised.value.issues]
    assert lacking == [("CP932_LACKS", "a", 2, "U+20BB7"), ("CP932_LACKS", "b", 1, "U+00E9")]
    assert not (tmp_path / "t.csv").exists()

    issues = write_csv(table, tmp_path / "t.csv", "cp932", geta=True)
    assert [(issue.code, issue.field, issue.location.record, issue.found) for issue in issues] == [
        ("CP932_REPLACED", *rest) for _, *rest in lacking
    ]
    assert rows(tmp_path / "t.csv", "cp932")[1:] == [["ok", "〓", "1"], ["〓野家", "", "2"], ["―", "ok", "3"]]


@pytest.mark.parametrize("sign", ["\x80", "\xa0", "\uf8f0"])
def test_bytes_that_only_python_decodes_are_not_written(tmp_path: Path, sign: str) -> None:
    with pytest.raises(InvalidInputError):
        write_csv(pa.table({"a": [f"x{sign}"]}), tmp_path / "t.csv", "cp932")


@pytest.mark.parametrize("encoding", ["utf-8-sig", "cp932"])
def test_no_cell_is_a_formula(tmp_path: Path, encoding: str) -> None:
    texts = ["=1+1", "+81", "-1", "@x", "\t=1", "\r=1", "＝1", "＋1", "－1", "＠x", "1=1", "'=1", "", None, "公金"]
    table = pa.table({"text": texts, "coded": pa.array(texts).dictionary_encode(), "yen": [-1] * len(texts)})
    write_csv(table, tmp_path / "t.csv", encoding)
    for (text, coded, yen), original in zip(rows(tmp_path / "t.csv", encoding)[1:], texts, strict=True):
        assert text == coded == (f"'{original}" if original and original[0] in "=+-@\t\r＝＋－＠" else original or "")
        assert yen == "-1"
