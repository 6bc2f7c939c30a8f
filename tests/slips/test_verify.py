"""Printed slips read back: each fault is found and named, and a faultless run has none."""

from __future__ import annotations

import csv
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from kokin import slips
from kokin.issues import InvalidInputError
from kokin.slips import gs1_128
from tests.support import needs_font

pytestmark = needs_font
pytest.importorskip("reportlab", reason="needs the extra 'pdf'")
zxingcpp = pytest.importorskip("zxingcpp", reason="needs the extra 'decode'")
pdfium = pytest.importorskip("pypdfium2", reason="needs the extra 'decode'")
Image = pytest.importorskip("PIL.Image", reason="needs the extra 'decode'")

HEADER = "bill_id,payee_code,item_code,case_key,confirmation,amount,due_on,levy_year,tax_year,payable_until,barcode"
COUNT = 5


def bill(number: int, *, amount: int = 12300, barcode_of: int | None = None) -> dict[str, str]:
    """Return a bill without a deadline; its barcode has the number of ``barcode_of``, -1 for no barcode."""
    key = number if barcode_of is None else abs(barcode_of)
    code = gs1_128.build(company_code="929999", free_field=f"{key:021d}", amount=amount)
    values = [f"B{number}", "99999", "127", str(number), f"{number * 7919:06d}", str(amount)]
    values += ["2026-06-01", "2026", "2026", "", "" if barcode_of == -1 else code.digits]
    return dict(zip(HEADER.split(","), values, strict=True))


def make_run(folder: Path, name: str, bills: list[dict[str, str]], output_format: str = "pdf") -> Path:
    source = folder / f"{name}.csv"
    with source.open("w", encoding="utf-8", newline="") as file:
        writer = csv.DictWriter(file, HEADER.split(","))
        writer.writeheader()
        writer.writerows(bills)
    wording = folder / "wording.toml"
    wording.write_text('payee = "例示市"\ncharge = "自動車税種別割"\n', encoding="utf-8")
    options = {"wording": wording, "allow_missing_deadline": True, "part_rows": 3}
    assert slips.make(source, folder / name, output_format, **options).written == len(bills)
    return folder / name


def pages_of(run: Path) -> list[Any]:
    """Return the pages of a run as a scanner at 300 dpi would."""
    return [
        page.render(scale=300 / 72, grayscale=True).to_pil()
        for part in sorted(run.glob("*.pdf"))
        for page in pdfium.PdfDocument(part)
    ]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("verify")


@pytest.fixture(scope="module")
def run(folder: Path) -> Path:
    return make_run(folder, "run", [bill(number) for number in range(1, COUNT + 1)])


@pytest.fixture(scope="module")
def scanned(run: Path) -> list[Any]:
    return pages_of(run)


def without_code(page: Any, kind: str) -> Any:
    """Return a page on which the code of a kind is painted over."""
    copy = page.copy()
    (code,) = [
        code for code in zxingcpp.read_barcodes(page) if (code.symbology_identifier[:2] == "]Q") == (kind == "qr")
    ]
    corners = [getattr(code.position, name) for name in ("top_left", "top_right", "bottom_left", "bottom_right")]
    xs, ys = [corner.x for corner in corners], [corner.y for corner in corners]
    copy.paste(255, (min(xs) - 9, min(ys) - 9, max(xs) + 9, max(ys) + 9))
    return copy


def save(pages: list[Any], path: Path) -> Path:
    pages[0].save(path, save_all=True, append_images=pages[1:])
    return path


def found(result: slips.VerifyResult) -> set[tuple[str, str, str, str, str]]:
    return {(issue.location.file, issue.code, issue.field, issue.expected, issue.found) for issue in result.issues}


def test_a_faultless_run_is_verified_from_its_pdf_and_from_scans(run: Path, scanned: list[Any], tmp_path: Path) -> None:
    parts = sorted(run.glob("*.pdf"))
    assert len(parts) == 2
    rotated = [page.rotate(180) for page in reversed(scanned)]
    pictures = [tmp_path / f"{number}.png" for number in range(COUNT)]
    for page, path in zip(scanned, pictures, strict=True):
        page.rotate(90, expand=True).save(path)
    for scans in (parts, [save(rotated, tmp_path / "scan.tif")], pictures):
        result = slips.verify(run, scans)
        assert (result.pages, result.read, result.differing, result.missing) == (COUNT, COUNT, 0, 0)
        assert result.is_verified
        assert result.issues == []


def test_noisy_and_skewed_scans_are_read(run: Path, scanned: list[Any], tmp_path: Path) -> None:
    draw = np.random.default_rng(1)
    noisy = []
    for angle, page in zip((-2, -1, 0, 1, 2), scanned, strict=True):
        grey = np.asarray(page.rotate(angle, fillcolor=255, resample=Image.BICUBIC), np.float64)
        noisy.append(Image.fromarray(np.clip(grey + draw.normal(0, 12, grey.shape), 0, 255).astype(np.uint8)))
    assert slips.verify(run, [save(noisy, tmp_path / "scan.tif")]).is_verified


def test_processes_read_the_same(run: Path, scanned: list[Any], tmp_path: Path) -> None:
    scans = [save(scanned[1:], tmp_path / "a.tif"), save(scanned[:2], tmp_path / "b.tif")]
    seen: list[int] = []
    result = slips.verify(run, scans, processes=2, on_progress=seen.append)
    assert result == slips.verify(run, scans)
    assert (sum(seen), result.counts) == (COUNT + 1, {"SCAN_DUPLICATE": 1})


def test_a_missing_page_is_named_unless_the_scans_are_a_sample(run: Path, scanned: list[Any], tmp_path: Path) -> None:
    scan = save([page for number, page in enumerate(scanned) if number != 3], tmp_path / "scan.tif")
    result = slips.verify(run, [scan])
    assert found(result) == {("part-00002.pdf#page=1", "SLIP_MISSING", "bill_id", "B4", "")}
    assert (result.pages, result.differing, result.missing) == (COUNT - 1, 0, 1)
    assert slips.verify(run, [scan], all_slips=False).is_verified


def test_swapped_pages_of_the_pdf_are_named(run: Path, tmp_path: Path) -> None:
    part, swapped = pdfium.PdfDocument(run / "part-00001.pdf"), pdfium.PdfDocument.new()
    swapped.import_pages(part, [0, 2, 1])
    swapped.save(tmp_path / "part-00001.pdf")
    result = slips.verify(run, [tmp_path / "part-00001.pdf", run / "part-00002.pdf"])
    assert found(result) == {
        ("part-00001.pdf#page=2", "SCAN_OTHER_SLIP", "payload", "bill B2", "bill B3"),
        ("part-00001.pdf#page=3", "SCAN_OTHER_SLIP", "payload", "bill B3", "bill B2"),
    }
    assert (result.differing, result.missing) == (2, 0)


def test_an_altered_code_is_named_by_its_element(folder: Path, run: Path, scanned: list[Any], tmp_path: Path) -> None:
    altered = make_run(folder, "altered", [bill(3, amount=12301, barcode_of=-1)])
    result = slips.verify(run, [save([*scanned[:2], *pages_of(altered), *scanned[3:]], tmp_path / "scan.tif")])
    assert found(result) == {
        ("scan.tif#page=3", "SCAN_DIFFERS", "amount", "00000012300", "00000012301"),
        ("scan.tif#page=3", "SCAN_UNREADABLE", "barcode", "bill B3", ""),
    }
    assert (result.read, result.differing, result.missing) == (COUNT, 1, 0)


@pytest.mark.parametrize("barcode_of", [4, 99])
def test_another_barcode_is_named(folder: Path, run: Path, scanned: list[Any], tmp_path: Path, barcode_of: int) -> None:
    wrong = make_run(folder, f"barcode-{barcode_of}", [bill(2, barcode_of=barcode_of)])
    result = slips.verify(run, [save([scanned[0], *pages_of(wrong), *scanned[2:]], tmp_path / "scan.tif")])
    if barcode_of == 4:
        expected = ("scan.tif#page=2", "SCAN_OTHER_SLIP", "barcode", "bill B2", "bill B4")
    else:
        digits = bill(2)["barcode"], bill(2, barcode_of=99)["barcode"]
        expected = ("scan.tif#page=2", "SCAN_DIFFERS", "barcode", *digits)
    assert found(result) == {expected}


def test_a_page_of_another_run_and_a_duplicate_page_are_named(
    folder: Path, run: Path, scanned: list[Any], tmp_path: Path
) -> None:
    other = pages_of(make_run(folder, "other", [bill(50)]))
    scan = save([*scanned, *other, scanned[1]], tmp_path / "scan.tif")
    number = "99999-00000000000000000050-395950-127"
    assert found(slips.verify(run, [scan])) == {
        ("scan.tif#page=6", "SCAN_OTHER_RUN", "el_number", "a slip of the run", number),
        ("scan.tif#page=7", "SCAN_DUPLICATE", "payload", "one page", "bill B2 on scan.tif#page=2"),
    }


def test_an_unreadable_code_is_named_with_its_slip(run: Path, scanned: list[Any], tmp_path: Path) -> None:
    blank = Image.new("L", scanned[0].size, 255)
    pages = [without_code(scanned[0], "qr"), without_code(scanned[1], "barcode"), *scanned[2:4], blank]
    result = slips.verify(run, [save(pages, tmp_path / "scan.tif")])
    assert found(result) == {
        ("scan.tif#page=1", "SCAN_UNREADABLE", "payload", "bill B1", ""),
        ("scan.tif#page=2", "SCAN_UNREADABLE", "barcode", "bill B2", ""),
        ("scan.tif#page=5", "SCAN_UNREADABLE", "payload", "an eL-QR", ""),
        ("part-00002.pdf#page=2", "SLIP_MISSING", "bill_id", "B5", ""),
    }
    assert (result.pages, result.read, result.differing, result.missing) == (COUNT, 3, 3, 1)
    assert result.counts == {"SCAN_UNREADABLE": 3, "SLIP_MISSING": 1}
    assert result.as_dict() == {"pages": 5, "read": 3, "differing": 3, "missing": 1, "counts": result.counts}


def test_a_page_of_the_pdf_without_a_code_is_the_one_of_the_manifest(run: Path, tmp_path: Path) -> None:
    document = pdfium.PdfDocument.new()
    document.import_pages(pdfium.PdfDocument(run / "part-00001.pdf"), [0, 1])
    document.new_page(800, 300)
    document.save(tmp_path / "part-00001.pdf")
    result = slips.verify(run, [tmp_path / "part-00001.pdf", run / "part-00002.pdf"])
    assert found(result) == {
        ("part-00001.pdf#page=3", "SCAN_UNREADABLE", "payload", "bill B3", ""),
        ("part-00001.pdf#page=3", "SCAN_UNREADABLE", "barcode", "bill B3", ""),
    }


def test_pictures_of_a_run_are_compared_without_barcodes(folder: Path) -> None:
    pictures = make_run(folder, "pictures", [bill(number) for number in (1, 2)], "png")
    scans = sorted((pictures / "part-00001").iterdir())
    assert slips.verify(pictures, scans).is_verified
    scans[0].write_bytes(scans[1].read_bytes())
    codes = slips.verify(pictures, scans).counts
    assert codes == {"SCAN_OTHER_SLIP": 1, "SCAN_DUPLICATE": 1, "SLIP_MISSING": 1}


def test_only_the_first_issues_are_listed_and_all_are_counted(run: Path, scanned: list[Any], tmp_path: Path) -> None:
    result = slips.verify(run, [save([scanned[0]] * 3, tmp_path / "scan.tif")], max_issues=3)
    assert (len(result.issues), result.counts, result.missing) == (3, {"SCAN_DUPLICATE": 2, "SLIP_MISSING": 4}, 4)


def write_text(path: Path) -> None:
    path.write_text("no picture")


def write_pdf(path: Path) -> None:
    path.write_bytes(b"%PDF-1.7\nno pages")


@pytest.mark.parametrize("write", [write_text, write_pdf])
def test_a_scan_that_is_no_picture_is_rejected(run: Path, tmp_path: Path, write: Callable[[Path], None]) -> None:
    write(tmp_path / "scan")
    with pytest.raises(InvalidInputError, match="scan: PICTURE_FORM"):
        slips.verify(run, [tmp_path / "scan"])


def test_a_folder_without_a_run_is_rejected(tmp_path: Path) -> None:
    with pytest.raises(InvalidInputError, match="run: RUN_INCOMPLETE"):
        slips.verify(tmp_path, [])


def test_decode_reads_every_page(run: Path, scanned: list[Any], tmp_path: Path) -> None:
    with (run / "manifest.csv").open(encoding="utf-8") as file:
        payloads = [row["payload"] for row in csv.DictReader(file)]
    assert slips.decode(run / "part-00001.pdf") == payloads[:3]
    assert slips.decode(save(scanned, tmp_path / "scan.tif")) == payloads
