"""Proof sheets: every page reads as the table says, has the mark 見本, and the extremes of the fields are in it."""

from __future__ import annotations

import csv
from datetime import date
from pathlib import Path
from typing import Any

import pytest

from kokin import elqr, slips
from kokin.issues import InvalidInputError
from kokin.slips import gs1_128
from tests.support import needs_font

pytestmark = needs_font
pytest.importorskip("reportlab", reason="needs the extra 'pdf'")
pdfium = pytest.importorskip("pypdfium2", reason="needs the extra 'decode'")
pytest.importorskip("zxingcpp", reason="needs the extra 'decode'")

WORDING = """
payee = "例示市会計管理者"

[items.127]
charge = "自動車税種別割"

[items.921]
charge = "水道料金・下水道使用料"
labels = { water-charge = "水道料金", sewerage-charge = "下水道使用料" }
registrations = { water-charge = "T0000000000001", sewerage-charge = "T0000000000002" }
"""
DAY = date(2026, 4, 1)


def make(folder: Path, name: str = "proof", **options: Any) -> tuple[Path, slips.ProofResult]:
    (folder / "wording.toml").write_text(WORDING, encoding="utf-8")
    options = {"payee_code": "99999", "issued_on": DAY, **options}
    return folder / name, slips.proof(folder / name, folder / "wording.toml", **options)


def rows(folder: Path) -> list[dict[str, str]]:
    with (folder / "proof.csv").open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


@pytest.fixture(scope="module", params=["strip", "a4"])
def sheets(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder, result = make(tmp_path_factory.mktemp(request.param), template=request.param, symbols="png", dpi=300)
    assert result.as_dict() == {"cases": 28, "pages": 28, "rejected": 0}
    return folder


def test_the_pages_read_as_the_table_says(sheets: Path) -> None:
    result = slips.verify(sheets, [sheets / "proof.pdf"])
    # The last page is the ruler.
    assert (result.pages, result.read, result.differing, result.missing) == (29, 28, 0, 0)
    assert slips.decode(sheets / "proof.pdf") == [row["payload"] for row in rows(sheets)]


def test_the_values_of_the_table_are_on_the_page_and_in_the_payload(sheets: Path) -> None:
    document = pdfium.PdfDocument(sheets / "proof.pdf")
    for row, page in zip(rows(sheets), document, strict=False):
        code = elqr.parse(row["payload"])
        assert (row["el_number"], row["upper_line"], row["lower_line"]) == (
            code.el_number,
            code.upper_line,
            code.lower_line,
        )
        text = "".join(page.get_textpage().get_text_range().split())
        names = ["amount", "el_number", "upper_line", "lower_line", "due_on", "payee", "name"]
        assert [name for name in names if "".join(row[name].split()) not in text] == []
        assert "見本" in text
        if row["barcode"]:
            assert " ".join(gs1_128.parse(row["barcode"]).lines) == row["barcode_lines"]
            assert "".join(row["barcode_lines"].split()) in text


def test_the_extremes_of_the_fields_are_printed(sheets: Path) -> None:
    pages = {row["case"]: row for row in rows(sheets) if row["payload"] and row["category"] == "921"}
    codes = {name: elqr.parse(row["payload"]) for name, row in pages.items()}
    assert {(codes[f"amount-{name}"].amount, bool(pages[f"amount-{name}"]["barcode"])) for name in ("1", "300000")} == {
        (1, True),
        (300_000, True),
    }
    assert (codes["amount-300001"].amount, pages["amount-300001"]["barcode"]) == (300_001, "")
    assert max(code.amount for code in codes.values()) == 99_999_999_999
    assert codes["nines"].el_number == f"99999-{'9' * 20}-999999-921"
    assert codes["zeros"].el_number == f"99999-{'0' * 19}1-000000-921"
    assert codes["without-deadline"].payable_until is None
    assert pages["without-deadline"]["barcode"][30:36] == "999999"
    assert pages["parts"]["parts"] == "水道料金=100,000円 / 下水道使用料=100,000円 / 合計=200,000円"
    assert {codes[name].period for name in ("period-12", "period-99", "whole-year")} == {"12", "99", "00"}
    assert len(pages["longest"]["name"]) == 80
    assert codes["ordinary"].due_on == date(2026, 5, 1)


def test_the_symbols_are_pictures_of_the_payloads(sheets: Path) -> None:
    pictures = sorted((sheets / "symbols").glob("*.png"))
    assert [slips.decode(path) for path in pictures] == [[row["payload"]] for row in rows(sheets)]
    assert len(list((sheets / "symbols").glob("*-barcode.svg"))) == sum(bool(row["barcode"]) for row in rows(sheets))


def test_the_ruler_has_its_true_length(tmp_path: Path) -> None:
    folder, _ = make(tmp_path, item_codes=["127"], style=slips.SymbolStyle(module_mm=0.5))
    document = pdfium.PdfDocument(folder / "proof.pdf")
    picture = document[len(document) - 1].render(scale=254 / 72, grayscale=True).to_numpy()  # ten pixels per mm
    dark = picture[:, :, 0] < 200 if picture.ndim == 3 else picture < 200
    assert dark.sum(axis=1).max() == pytest.approx(1000, abs=5)
    text = document[len(document) - 1].get_textpage().get_text_range()
    assert all(size in text for size in ("100", "24.5", "0.5", "2.0", "52.15"))


def test_the_checklist_is_in_the_language(tmp_path: Path) -> None:
    for language, word in (("ja", "目盛り"), ("en", "ruler")):
        folder, _ = make(tmp_path, language, item_codes=["127"], language=language)
        text = (folder / "checklist.txt").read_text(encoding="utf-8")
        assert word in text
        assert "{" not in text


def test_slips_that_cannot_be_printed_are_issues(tmp_path: Path) -> None:
    path = tmp_path / "wording.toml"
    path.write_text(WORDING.replace("自動車税種別割", "\U0001f600"), encoding="utf-8")
    result = slips.proof(tmp_path / "proof", path, payee_code="99999", issued_on=DAY)
    assert (result.cases, result.pages, result.rejected) == (28, 14, 14)
    assert {issue.location.record for issue in result.issues} == set(range(1, 15))
    assert {issue.location.file for issue in result.issues} >= {"127-ordinary", "127-amount-max"}
    assert {row["category"] for row in rows(tmp_path / "proof")} == {"921"}
    assert slips.verify(tmp_path / "proof", [tmp_path / "proof" / "proof.pdf"]).is_verified


def test_a_folder_with_files_is_not_changed(tmp_path: Path) -> None:
    (tmp_path / "proof").mkdir()
    assert make(tmp_path, item_codes=["127"])[1].pages == 14
    before = {path: path.read_bytes() for path in (tmp_path / "proof").iterdir()}
    with pytest.raises(InvalidInputError, match="FOLDER_TAKEN"):
        make(tmp_path, item_codes=["921"])
    assert {path: path.read_bytes() for path in (tmp_path / "proof").iterdir()} == before


@pytest.mark.parametrize(
    ("options", "code"),
    [({"payee_code": "1"}, "WIDTH"), ({"item_codes": ["12X"]}, "NOT_DIGITS"), ({"company_code": "1"}, "WIDTH")],
)
def test_an_invalid_argument_writes_nothing(tmp_path: Path, options: dict[str, Any], code: str) -> None:
    with pytest.raises(InvalidInputError, match=code):
        make(tmp_path, **options)
    assert [path.name for path in tmp_path.iterdir()] == ["wording.toml"]
