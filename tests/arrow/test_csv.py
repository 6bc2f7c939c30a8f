"""Tables as CSV, parsed with the csv module of Python."""

from __future__ import annotations

import csv
from pathlib import Path

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from kokin._arrow.files import escape_formulas, write_csv

texts = st.text(st.characters(codec="utf-8", exclude_characters="\x00"), max_size=8)
rows = st.lists(st.tuples(texts, st.none() | st.integers(-(2**62), 2**62)), max_size=6)


@given(st.lists(rows, max_size=4))
def test_written_values_are_parsed_back(tmp_path_factory: pytest.TempPathFactory, chunks: list[list[tuple]]) -> None:
    schema = pa.schema([("text", pa.string()), ("number", pa.int64())])
    batches = [
        pa.record_batch([pa.array([row[i] for row in chunk], schema.types[i]) for i in (0, 1)], schema=schema)
        for chunk in chunks
    ]
    path = tmp_path_factory.mktemp("csv") / "t.csv"
    write_csv(pa.Table.from_batches(batches, schema), path)
    with path.open(encoding="utf-8", newline="") as file:
        found = list(csv.reader(file))
    expected = [[text, "" if number is None else str(number)] for chunk in chunks for text, number in chunk]
    assert found == [["text", "number"], *expected]


def test_empty_batches_are_not_written(tmp_path: Path) -> None:
    table = pa.table({"a": ["x"]})
    write_csv(pa.concat_tables([table.slice(0, 0), table, table.slice(0, 0), table]), tmp_path / "t.csv")
    assert (tmp_path / "t.csv").read_bytes() == b"a\nx\nx\n"
    write_csv(table.slice(0, 0), tmp_path / "empty.csv")
    assert (tmp_path / "empty.csv").read_bytes() == b"a\n"


@pytest.mark.parametrize("last", ["plain", 'a "quoted" one', "one, two"])
def test_batches_are_written_like_their_table(tmp_path: Path, last: str) -> None:
    table = pa.concat_tables([pa.table({"a": ["x"] * 9}), pa.table({"a": [last]})])
    write_csv(table, tmp_path / "table.csv")
    write_csv(lambda: table.to_batches(max_chunksize=2), tmp_path / "batches.csv")
    assert (tmp_path / "batches.csv").read_bytes() == (tmp_path / "table.csv").read_bytes()
    assert (tmp_path / "table.csv").read_bytes().startswith(b"a\nx\n" if last == "plain" else b'a\n"x"\n')


FORMULAS = [
    "=1",
    "+1",
    "-1",
    "@A1",
    "\t=1",
    "\tx",
    "\r1",
    "＝HYPERLINK(1)",
    "＋1",
    "－1",
    "＠A1",
    " =1",
    "\u3000＝1",
    "\n-1",
]
PLAIN = ["", " ", "1-1", "B=1", "'=1", "国民健康保険", "ー", "－".join("ab"), None]


@pytest.mark.parametrize(
    "kind", [pa.string(), pa.large_string(), pa.string_view(), pa.dictionary(pa.int32(), pa.string())]
)
def test_formulas_are_escaped_in_any_type_of_text(kind):
    column = pa.chunked_array([pa.array(PLAIN, pa.string()), pa.array(FORMULAS, pa.string())]).cast(kind)
    assert escape_formulas(column).to_pylist() == [*PLAIN, *(f"'{text}" for text in FORMULAS)]


def test_columns_without_formulas_are_not_copied():
    for column in (pa.chunked_array([PLAIN[2:4]]), pa.chunked_array([[1, -2]]), pa.chunked_array([[b"=1"]])):
        assert escape_formulas(column) is column
