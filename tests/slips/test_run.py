"""Runs: batches, manifest, resuming, and rows that get no slip."""

from __future__ import annotations

import csv
import hashlib
import json
import shutil
import tempfile
from collections.abc import Iterator
from datetime import date
from importlib import resources
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kokin import bills, elqr, slips
from kokin.issues import InvalidInputError, Location
from kokin.model import Bill
from kokin.slips import _check_slips, gs1_128
from tests.support import examples, needs_font

HEADER = "bill_id,payee_code,item_code,case_key,confirmation,amount,due_on,levy_year,tax_year,payable_until"


def bills_csv(folder: Path, count: int, **replaced: str) -> Path:
    lines = [f"B{i},99999,127,{i},{i:06d},{100 + i},2026-06-01,2026,2026,2026-07-10" for i in range(1, count + 1)]
    for place, line in replaced.items():
        lines[int(place.removeprefix("row")) - 1] = line
    path = folder / "bills.csv"
    path.write_text("\n".join([HEADER, *lines]) + "\n", encoding="utf-8")
    return path


def rows(path: Path) -> list[dict[str, str]]:
    with path.open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def file_contents(folder: Path) -> dict[str, bytes]:
    files = sorted(path for path in folder.rglob("*") if path.is_file() and path.name != "run.json")
    return {str(path.relative_to(folder)): path.read_bytes() for path in files}


@pytest.mark.parametrize("output_format", list(slips.OutputFormat))
def test_the_manifest_has_the_file_and_digest_of_every_row(tmp_path: Path, output_format: slips.OutputFormat) -> None:
    source = bills_csv(tmp_path, 25)
    (tmp_path / "wording.toml").write_text(WORDING, encoding="utf-8")
    result = slips.make(
        source, tmp_path / "out", output_format, part_rows=10, dpi=100, wording=tmp_path / "wording.toml"
    )
    assert (result.read, result.written, result.rejected, result.resumed) == (25, 25, 0, 0)
    manifest = rows(tmp_path / "out" / "manifest.csv")
    assert [int(row["record"]) for row in manifest] == list(range(1, 26))
    assert [row["bill_id"] for row in manifest] == [f"B{i}" for i in range(1, 26)]
    assert {row["file"].split(".")[0].split("/")[0] for row in manifest} == {"part-00001", "part-00002", "part-00003"}
    if output_format is slips.OutputFormat.PDF:
        assert [int(row["page"]) for row in manifest] == [*range(1, 11), *range(1, 11), *range(1, 6)]
    for row in manifest:
        assert hashlib.sha256((tmp_path / "out" / row["file"]).read_bytes()).hexdigest() == row["sha256"]
    assert not (tmp_path / "out" / "issues.csv").exists()
    assert not [path for path in (tmp_path / "out").iterdir() if path.name.startswith(".")]


def test_the_payloads_are_those_of_the_record(tmp_path: Path) -> None:
    source = bills_csv(tmp_path, 3)
    slips.make(source, tmp_path / "out", "payload")
    table = bills.read(source).table
    written = rows(tmp_path / "out" / "part-00001.csv")
    for row, bill in zip(written, table.to_pylist(), strict=True):
        names = elqr.ElQr.model_fields.keys() & bill.keys()
        code = elqr.ElQr(office_code="000", period="00", **{name: bill[name] for name in names})
        assert (row["payload"], row["el_number"]) == (code.payload, code.el_number)


def test_an_invalid_row_gets_no_slip_and_an_issue(tmp_path: Path) -> None:
    source = bills_csv(
        tmp_path,
        30,
        row3="B3,99999,127,12A,000003,100,2026-06-01,2026,2026,2026-07-10",
        row12="B12,99999,127,12,000012,0,2026-06-01,2026,2026,2026-07-10",
        row13="B13,9999999,127,13,000013,100,2026-06-01,2026,2026,2026-07-10",
        row14="B14,99999,127,14,000014,100,2026-02-30,2026,2026,2026-07-10",
        row15="B15,99999,127,15,000015,999999999999,2026-06-01,2026,2026,2026-07-10",
        row16="B16,99999,127,16,000016,100,2026-06-01,,2026,2026-07-10",
        row17="B17,99999,127,17,000017,100,2026-06-01,2026,2026,",
        row28="B28,99999,127,28,000028,100,2026-06-01,2026,2026,2026-06-30",
    )
    result = slips.make(source, tmp_path / "out", "payload", part_rows=10, issued_on=date(2026, 7, 1))
    assert (result.read, result.written, result.rejected) == (30, 22, 8)
    issues = {(int(row["record"]), row["field"], row["code"]) for row in rows(tmp_path / "out" / "issues.csv")}
    assert issues == {
        (3, "case_key", "NOT_DIGITS"),
        (12, "amount", "AMOUNT_RANGE"),
        (13, "payee_code", "WIDTH"),
        (14, "due_on", "DATE_INVALID"),
        (15, "amount", "AMOUNT_RANGE"),
        (16, "levy_year", "FIELD_MISSING"),
        (17, "payable_until", "FIELD_MISSING"),
        (28, "payable_until", "DEADLINE_PASSED"),
    }
    bill_ids = {(row["record"], row["bill_id"]) for row in rows(tmp_path / "out" / "issues.csv")}
    assert bill_ids == {(row, f"B{row}") for row in ("3", "12", "13", "14", "15", "16", "17", "28")}
    rejected = {3, 12, 13, 14, 15, 16, 17, 28}
    assert {int(row["record"]) for row in rows(tmp_path / "out" / "manifest.csv")} == set(range(1, 31)) - rejected


@pytest.mark.parametrize("stop", [1, 2, 3])
@pytest.mark.parametrize("output_format", ["svg", "payload"])
def test_a_resumed_run_writes_the_files_of_an_uninterrupted_one(tmp_path: Path, output_format: str, stop: int) -> None:
    source = bills_csv(tmp_path, 35, row22="B22,99999,127,x,000022,100,2026-06-01,2026,2026,2026-07-10")
    slips.make(source, tmp_path / "whole", output_format, part_rows=10)

    class StoppedError(Exception):
        pass

    count = 0

    def stop_after(rows_done: int) -> None:
        nonlocal count
        count += 1
        if count == stop:
            raise StoppedError

    with pytest.raises(StoppedError):
        slips.make(source, tmp_path / "out", output_format, part_rows=10, on_progress=stop_after)
    result = slips.make(source, tmp_path / "out", output_format, part_rows=10)
    assert result.resumed == stop
    assert file_contents(tmp_path / "out") == file_contents(tmp_path / "whole")
    completed = slips.make(source, tmp_path / "out", output_format, part_rows=10)
    assert (completed.read, completed.written, completed.rejected) == (35, 34, 1)


def test_printed_slips_need_a_wording(tmp_path: Path) -> None:
    with pytest.raises(InvalidInputError, match="wording: FIELD_MISSING"):
        slips.make(bills_csv(tmp_path, 1), tmp_path / "out", "pdf")
    path = tmp_path / "wording.toml"
    path.write_text(
        'payee = "例示市"\n[items.921]\ncharge = "水道料金"\nlabels = { water = "水道料金" }\n', encoding="utf-8"
    )
    wording = slips.SlipWording.load(path)
    bill, text = wording.of(
        Bill(
            bill_id="B",
            payee_code="99999",
            item_code="921",
            case_key="1",
            confirmation="000001",
            amount=3,
            due_on=date(2026, 6, 1),
            parts={"water": 1, "sewerage": 2},
        )
    )
    assert bill.parts == (("水道料金", 1), ("sewerage", 2))
    assert (text.payee, text.charge) == ("例示市", "水道料金")
    for content, code in (
        ("payee = ", "TOML_INVALID"),
        ("[items.921]\n", "FIELD_MISSING"),
        ("[items.1]\nx = 1", "FIELD_UNKNOWN"),
    ):
        path.write_text(content)
        with pytest.raises(InvalidInputError, match=code):
            slips.SlipWording.load(path)
    assert not (tmp_path / "out").exists()


@needs_font
def test_a_slip_that_cannot_be_printed_gets_no_page_and_an_issue(tmp_path: Path) -> None:
    lines = [f"B{i},99999,127,{i},{i:06d},{100 + i},2026-06-01,2026,2026,2026-07-10" for i in range(1, 6)]
    names = ["公金 一", "公金 二", "公金 \U0002a6d6", "公金 四", "公金 五"]
    text = "\n".join([f"{HEADER},name", *map(",".join, zip(lines, names, strict=True))])
    (tmp_path / "bills.csv").write_text(text, encoding="utf-8")
    (tmp_path / "wording.toml").write_text('payee = "例示市"\ncharge = "税"\n', encoding="utf-8")
    result = slips.make(tmp_path / "bills.csv", tmp_path / "out", "pdf", wording=tmp_path / "wording.toml", part_rows=3)
    assert (result.read, result.written, result.rejected) == (5, 4, 1)
    manifest = [(row["record"], row["file"], row["page"]) for row in rows(tmp_path / "out" / "manifest.csv")]
    assert manifest == [
        ("1", "part-00001.pdf", "1"),
        ("2", "part-00001.pdf", "2"),
        ("4", "part-00002.pdf", "1"),
        ("5", "part-00002.pdf", "2"),
    ]
    issues = {(row["file"], row["record"], row["code"], row["found"]) for row in rows(tmp_path / "out" / "issues.csv")}
    assert issues == {("bills.csv", "3", "CHARACTER", "U+2A6D6")}


def test_a_folder_with_another_run_is_not_changed(tmp_path: Path) -> None:
    source = bills_csv(tmp_path, 5)
    slips.make(source, tmp_path / "out", "svg")
    before = file_contents(tmp_path / "out")
    with pytest.raises(InvalidInputError) as raised:
        slips.make(source, tmp_path / "out", "png")
    assert [(issue.code, issue.field, issue.expected, issue.found) for issue in raised.value.issues] == [
        ("RUN_DIFFERS", "output_format", '"svg"', '"png"')
    ]
    (tmp_path / "list").mkdir()
    (tmp_path / "list" / "run.json").write_text("[]")
    with pytest.raises(InvalidInputError, match="FOLDER_TAKEN"):
        slips.make(source, tmp_path / "list", "svg")
    (tmp_path / "letters").mkdir()
    (tmp_path / "letters" / "letter.txt").write_text("dear")
    with pytest.raises(InvalidInputError, match="FOLDER_TAKEN"):
        slips.make(source, tmp_path / "letters", "svg")
    assert file_contents(tmp_path / "out") == before
    assert file_contents(tmp_path / "letters") == {"letter.txt": b"dear"}


def test_an_invalid_file_of_bills_creates_no_folder(tmp_path: Path) -> None:
    (tmp_path / "bills.csv").write_text("a,b\n1,2\n")
    with pytest.raises(InvalidInputError, match="FIELD_MISSING"):
        slips.make(tmp_path / "bills.csv", tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_a_file_without_bills_gives_an_empty_manifest(tmp_path: Path) -> None:
    result = slips.make(bills_csv(tmp_path, 0), tmp_path / "out")
    assert (result.read, result.written, result.rejected) == (0, 0, 0)
    assert rows(tmp_path / "out" / "manifest.csv") == []


def test_a_parquet_file_gives_the_same_slips(tmp_path: Path) -> None:
    source = bills_csv(tmp_path, 12)
    bills.write(bills.read(source).table, tmp_path / "bills.parquet")
    slips.make(source, tmp_path / "a", "svg", part_rows=5)
    slips.make(tmp_path / "bills.parquet", tmp_path / "b", "svg", part_rows=5)
    assert file_contents(tmp_path / "a") == file_contents(tmp_path / "b")
    run = json.loads((tmp_path / "b" / "run.json").read_text())
    assert run["result"]["written"] == 12


class StoppedError(Exception):
    """Interrupts a run after its first batch."""


def stop(rows_done: int) -> None:
    raise StoppedError


WORDING = 'payee = "例示市"\n[items.127]\ncharge = "自動車税種別割"\n'


def print_run(folder: Path, **options: Any) -> slips.RunResult:
    files = {"wording": folder / "wording.toml", "template": folder / "template.toml", "font": folder / "font.ttf"}
    return slips.make(folder / "bills.csv", folder / "out", "pdf", part_rows=5, **files, **options)


@pytest.fixture
def interrupted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with the inputs of a print run that was interrupted after its first batch."""
    reportlab = pytest.importorskip("reportlab", reason="needs the extra 'pdf'")
    # The font that reportlab includes has no Japanese characters.
    monkeypatch.setattr("kokin.slips._slip_pdf._check_characters", lambda values, fonts: None)
    bills_csv(tmp_path, 10)
    (tmp_path / "wording.toml").write_text(WORDING, encoding="utf-8")
    page = resources.files("kokin.slips") / "templates" / "a4.toml"
    (tmp_path / "template.toml").write_bytes(page.read_bytes())
    (tmp_path / "font.ttf").write_bytes((Path(reportlab.__file__).parent / "fonts" / "Vera.ttf").read_bytes())
    with pytest.raises(StoppedError):
        print_run(tmp_path, on_progress=stop)
    return tmp_path


@pytest.mark.parametrize(
    ("file", "field"),
    [("bills.csv", "bills"), ("wording.toml", "wording"), ("template.toml", "template"), ("font.ttf", "font")],
)
def test_a_run_is_not_resumed_with_another_input(interrupted: Path, file: str, field: str) -> None:
    path, before = interrupted / file, file_contents(interrupted / "out")
    content = path.read_bytes()
    path.write_bytes(content + b"\n")
    with pytest.raises(InvalidInputError) as raised:
        print_run(interrupted)
    assert [(issue.code, issue.field) for issue in raised.value.issues] == [("RUN_DIFFERS", f"{field}.sha256")]
    assert file_contents(interrupted / "out") == before
    path.write_bytes(content)
    assert (print_run(interrupted).resumed, print_run(interrupted).written) == (1, 10)


@pytest.mark.parametrize(
    ("options", "field"),
    [
        ({"dpi": 300}, "dpi"),
        ({"style": slips.SymbolStyle(quiet_zone=5)}, "style.quiet_zone"),
        ({"allow_missing_deadline": True}, "allow_missing_deadline"),
    ],
)
def test_a_run_is_not_resumed_with_another_option(interrupted: Path, options: dict[str, Any], field: str) -> None:
    with pytest.raises(InvalidInputError) as raised:
        print_run(interrupted, **options)
    assert [(issue.code, issue.field) for issue in raised.value.issues] == [("RUN_DIFFERS", field)]


def test_a_template_that_changes_during_a_run_does_not_change_its_pages(interrupted: Path) -> None:
    """All batches are printed with the files as they were when the run began."""
    shutil.rmtree(interrupted / "out")
    template = (interrupted / "template.toml").read_text(encoding="utf-8")

    def widen(rows_done: int) -> None:
        (interrupted / "template.toml").write_text(template.replace("width = 210", "width = 400"), encoding="utf-8")
        (interrupted / "wording.toml").write_text(WORDING.replace("例示市", "別の市"), encoding="utf-8")

    print_run(interrupted, on_progress=widen)
    pypdfium2 = pytest.importorskip("pypdfium2")
    widths = {
        page.get_width()
        for name in ("part-00001.pdf", "part-00002.pdf")
        for page in pypdfium2.PdfDocument(interrupted / "out" / name)
    }
    assert (interrupted / "template.toml").read_text(encoding="utf-8") != template
    assert len(widths) == 1


def test_a_run_fails_if_the_bills_change(tmp_path: Path) -> None:
    source = bills_csv(tmp_path, 10)

    def append(rows_done: int) -> None:
        with source.open("a") as file:
            file.write("B11,99999,127,11,000011,111,2026-06-01,2026,2026,2026-07-10\n")

    with pytest.raises(InvalidInputError, match="bills: RUN_DIFFERS"):
        slips.make(source, tmp_path / "out", "payload", part_rows=10, on_progress=append)
    assert not (tmp_path / "out" / "manifest.csv").exists()


def test_drafts_of_a_killed_run_are_removed(tmp_path: Path) -> None:
    source = bills_csv(tmp_path, 20)
    with pytest.raises(StoppedError):
        slips.make(source, tmp_path / "out", "svg", part_rows=10, on_progress=stop)
    (tmp_path / "out" / ".part-00002.0123.part").mkdir()
    (tmp_path / "out" / ".run.json.0123.part").write_text("{")
    slips.make(source, tmp_path / "out", "svg", part_rows=10)
    assert not [path for path in (tmp_path / "out").iterdir() if path.name.startswith(".")]


def test_a_failure_within_a_batch_leaves_no_partial_batch(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    source = bills_csv(tmp_path, 20)
    render = slips.Symbols.render

    def fail_later(*arguments: Any, **options: Any) -> Iterator[str]:
        yield next(render(*arguments, **options))
        raise OSError("disk full")

    monkeypatch.setattr(slips.Symbols, "render", fail_later)
    with pytest.raises(OSError, match="disk full"):
        slips.make(source, tmp_path / "out", "svg")
    assert [path.name for path in (tmp_path / "out").iterdir()] == ["run.json"]


def test_slips_that_are_not_open_are_not_printed(tmp_path: Path) -> None:
    bills_csv(tmp_path, 3)
    table = bills.read(tmp_path / "bills.csv").table.append_column(
        "status", pa.array(["open", "cancelled", "superseded"])
    )
    bills.write(table, tmp_path / "bills.parquet")
    result = slips.make(tmp_path / "bills.parquet", tmp_path / "out", "svg")
    assert (result.read, result.written, result.closed, result.rejected) == (3, 1, 2, 0)
    assert [row["bill_id"] for row in rows(tmp_path / "out" / "manifest.csv")] == ["B1"]


def test_a_row_that_has_no_columns_has_no_bill_id(tmp_path: Path) -> None:
    slips.make(bills_csv(tmp_path, 3, row2="B2,99999,127"), tmp_path / "out", "payload")
    (issue,) = rows(tmp_path / "out" / "issues.csv")
    assert (issue["record"], issue["bill_id"], issue["code"]) == ("2", "", "COLUMNS_COUNT")


@needs_font
def test_a_page_without_a_deadline_is_printed_if_allowed(tmp_path: Path) -> None:
    pytest.importorskip("reportlab", reason="needs the extra 'pdf'")
    source = bills_csv(tmp_path, 2, row2="B2,99999,127,2,000002,102,2026-06-01,2026,2026,")
    (tmp_path / "wording.toml").write_text(WORDING, encoding="utf-8")
    result = slips.make(source, tmp_path / "out", "pdf", wording=tmp_path / "wording.toml", allow_missing_deadline=True)
    assert (result.written, result.rejected) == (2, 0)


# --- only what changed ------------------------------------------------------------------------------------------------

NEW_NUMBER, NEW_AMOUNT, REMOVED, CANCELLED, ADDED, SAME = range(6)


def write_changed(path: Path, amounts: list[int], changes: list[int]) -> dict[int, set[str]]:
    """Write bills to which these changes apply, by row; return the bill_id of each kind of change."""
    lines, ids = [], {kind: set() for kind in range(6)}
    for row, (amount, change) in enumerate(zip(amounts, changes, strict=True), 1):
        bill_id = f"B{row}"
        ids[change].add(bill_id)
        if change == REMOVED:
            continue
        confirmation = f"{row + (500_000 if change == NEW_NUMBER else 0):06d}"
        amount += change == NEW_AMOUNT
        status = "cancelled" if change == CANCELLED else "open"
        values = f"{bill_id},99999,127,{row},{confirmation},{amount},2026-06-01,2026,2026,2026-07-10,{status}"
        lines.append(values)
    path.write_text("\n".join([f"{HEADER},status", *lines]) + "\n", encoding="utf-8")
    return ids


def ids_in(path: Path) -> set[str]:
    return {row["bill_id"] for row in rows(path)}


@settings(max_examples=examples(60), deadline=None)
@given(
    data=st.lists(st.tuples(st.integers(1, 10**6), st.sampled_from(range(6))), min_size=1, max_size=12),
    part_rows=st.integers(1, 5),
    is_interrupted=st.booleans(),
)
def test_a_run_against_an_earlier_one_prints_what_changed(
    data: list[tuple[int, int]], part_rows: int, is_interrupted: bool
) -> None:
    amounts, changes = map(list, zip(*data, strict=True))
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        source, old, new, next_run = (folder / each for each in ("bills.csv", "old", "new", "next"))
        # A bill that is added later is missing in the earlier file.
        write_changed(source, amounts, [REMOVED if change == ADDED else SAME for change in changes])
        slips.make(source, old, "payload", part_rows=part_rows)
        kinds = write_changed(source, amounts, changes)
        if is_interrupted:
            with pytest.raises(StoppedError):
                slips.make(source, new, "payload", part_rows=part_rows, against=old, on_progress=stop)
        result = slips.make(source, new, "payload", part_rows=part_rows, against=old)
        assert ids_in(new / "manifest.csv") == kinds[NEW_NUMBER] | kinds[NEW_AMOUNT] | kinds[ADDED]
        assert ids_in(new / "unchanged.csv") == kinds[SAME]
        assert ids_in(new / "withdrawn.csv") == kinds[NEW_NUMBER] | kinds[REMOVED] | kinds[CANCELLED]
        assert result.read == result.written + result.unchanged + result.closed + result.rejected
        assert (result.unchanged, result.closed) == (len(kinds[SAME]), len(kinds[CANCELLED]))
        assert result.withdrawn == len(rows(new / "withdrawn.csv"))
        # A page with other values of the same number must not be posted beside the new one.
        assert ids_in(new / "replaced.csv") == kinds[NEW_AMOUNT]
        assert result.replaced == len(kinds[NEW_AMOUNT])
        # The next run needs only the latest folder: nothing changes, and the earliest file of each slip is known.
        result = slips.make(source, next_run, "payload", part_rows=part_rows, against=new)
        assert (result.written, result.withdrawn, result.replaced) == (0, 0, 0)
        assert {(row["bill_id"], row["run"]) for row in rows(next_run / "unchanged.csv")} == {
            *((bill_id, "old") for bill_id in kinds[SAME]),
            *((bill_id, "new") for bill_id in kinds[NEW_NUMBER] | kinds[NEW_AMOUNT] | kinds[ADDED]),
        }


def test_a_changed_option_prints_all_slips(tmp_path: Path) -> None:
    source = bills_csv(tmp_path, 5)
    slips.make(source, tmp_path / "old", "svg")
    style = slips.SymbolStyle(module_mm=0.5)
    result = slips.make(source, tmp_path / "new", "svg", style=style, against=tmp_path / "old")
    assert (result.written, result.unchanged, result.changed_options) == (5, 0, ("style",))
    result = slips.make(source, tmp_path / "same", "svg", part_rows=2, against=tmp_path / "old")
    assert (result.written, result.unchanged, result.changed_options) == (0, 5, ())


@needs_font
def test_a_changed_name_prints_the_slip_and_is_in_no_table(tmp_path: Path) -> None:
    pytest.importorskip("reportlab", reason="needs the extra 'pdf'")
    (tmp_path / "wording.toml").write_text(WORDING, encoding="utf-8")

    def write(*names: str) -> Path:
        lines = [
            f"B{i},99999,127,{i},{i:06d},{100 + i},2026-06-01,2026,2026,2026-07-10,{name}"
            for i, name in enumerate(names, 1)
        ]
        (tmp_path / "bills.csv").write_text("\n".join([f"{HEADER},name", *lines]) + "\n", encoding="utf-8")
        return tmp_path / "bills.csv"

    wording = tmp_path / "wording.toml"
    slips.make(write("公金 一", "公金 二"), tmp_path / "old", "pdf", wording=wording)
    slips.make(write("公金 一", "公庫 二"), tmp_path / "new", "pdf", wording=wording, against=tmp_path / "old")
    assert ids_in(tmp_path / "new" / "manifest.csv") == {"B2"}
    tables = [path.read_text(encoding="utf-8") for path in tmp_path.rglob("*/*.csv")]
    assert len(tables) == 5
    assert not any("公" in table for table in tables)


def test_a_run_against_a_folder_without_a_run_writes_nothing(tmp_path: Path) -> None:
    source = bills_csv(tmp_path, 10)
    with pytest.raises(StoppedError):
        slips.make(source, tmp_path / "old", "svg", part_rows=5, on_progress=stop)
    for folder in ("old", "nothing"):
        with pytest.raises(InvalidInputError, match="RUN_INCOMPLETE"):
            slips.make(source, tmp_path / "new", "svg", against=tmp_path / folder)
    assert not (tmp_path / "new").exists()


# --- duplicate slips --------------------------------------------------------------------------------------------------

COLUMNS = f"{HEADER},barcode"


def with_barcodes(count: int) -> list[dict[str, str]]:
    names = COLUMNS.split(",")
    rows = []
    for number in range(1, count + 1):
        code = gs1_128.build(company_code="929999", free_field=f"{number:021d}", amount=100 + number)
        values = ["99999", "127", str(number), f"{number:06d}", str(100 + number)]
        values += ["2026-06-01", "2026", "2026", "2026-07-10", code.digits]
        rows.append(dict(zip(names, [f"B{number}", *values], strict=True)))
    return rows


def write_bills(path: Path, rows: list[dict[str, str]]) -> Path:
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.DictWriter(file, COLUMNS.split(","))
        writer.writeheader()
        writer.writerows(rows)
    return path


@pytest.mark.parametrize(
    ("field", "copied"),
    [
        ("bill_id", ["bill_id"]),
        ("el_number", ["case_key", "confirmation"]),
        ("barcode", ["barcode"]),
    ],
)
@pytest.mark.parametrize("output_format", ["payload", "svg"])
def test_duplicate_slips_are_rejected_before_anything_is_written(
    tmp_path: Path, output_format: str, field: str, copied: list[str]
) -> None:
    rows = with_barcodes(30)
    rows[26] |= {name: rows[3][name] for name in copied}
    source = write_bills(tmp_path / "bills.csv", rows)
    with pytest.raises(InvalidInputError) as raised:
        slips.make(source, tmp_path / "out", output_format, part_rows=10)
    (issue,) = raised.value.issues
    assert (issue.code, issue.field, issue.location) == ("SLIP_DUPLICATE", field, Location("bills.csv", 27))
    assert issue.found == "that of record 4"
    assert not (tmp_path / "out").exists()


def test_a_barcode_with_another_amount_is_a_duplicate(tmp_path: Path) -> None:
    rows = with_barcodes(2)
    rows[1]["barcode"] = gs1_128.build(company_code="929999", free_field=f"{1:021d}", amount=102).digits
    with pytest.raises(InvalidInputError, match="barcode: SLIP_DUPLICATE"):
        slips.make(write_bills(tmp_path / "bills.csv", rows), tmp_path / "out", "payload")


def test_equal_hashes_of_different_keys_are_not_duplicates(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(_check_slips, "_hashes", lambda keys: np.arange(len(keys), dtype=np.int64) % 3)
    monkeypatch.setattr(_check_slips, "_MAX_COMPARED", 1)
    rows = with_barcodes(20)
    assert slips.make(write_bills(tmp_path / "bills.csv", rows), tmp_path / "out", "payload").written == 20
    rows[16]["bill_id"] = rows[1]["bill_id"]
    with pytest.raises(InvalidInputError, match="record 17, bill_id: SLIP_DUPLICATE"):
        slips.make(write_bills(tmp_path / "b.csv", rows), tmp_path / "b", "payload")


def test_bills_without_barcodes_are_not_duplicates(tmp_path: Path) -> None:
    rows = with_barcodes(3)
    for row in rows[:2]:
        row["barcode"] = ""
    assert slips.make(write_bills(tmp_path / "bills.csv", rows), tmp_path / "out", "payload").written == 3
