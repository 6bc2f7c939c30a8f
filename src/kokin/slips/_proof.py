"""Proof sheets for 様式審査 and 読取テスト: invented slips with the extremes of every field, and what must be read."""

from __future__ import annotations

import io
import itertools
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from datetime import date, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, NamedTuple

import pyarrow as pa

from kokin._arrow.files import draft_folder, rename, write_csv
from kokin.elqr import ElQr
from kokin.issues import InvalidInputError, Issue, Location
from kokin.model import Bill
from kokin.rules import fiscal_year
from kokin.slips import gs1_128
from kokin.slips._render import POINTS_PER_MM
from kokin.slips._slip_pdf import Design, load_design, slip_contents, write_designed
from kokin.slips._slip_template import Template
from kokin.slips._slip_values import breakdown_lines, shorten, slip_values
from kokin.slips._slip_wording import SlipText, SlipWording
from kokin.slips._symbol_style import SymbolStyle
from kokin.slips._symbols import encode
from kokin.slips._verify import PROOF
from kokin.text import terms, today

if TYPE_CHECKING:
    from kokin.slips._pdf_canvas import PdfCanvas

_PDF = "proof.pdf"
_MAX_YEN = 99_999_999_999
# Lengths of names that are tried until one can be printed; the first is the largest that a bill allows.
_NAME_LENGTHS = (80, 60, 48, 36, 24, 12)
_NAME = "株式会社例示市公金収納代行センター第一営業本部東日本統括収納管理課"
_ADDRESS = "例示県例示市中央一丁目二十三番四十五号　例示中央公金ビルディング西館地下一階百二十三号室"
_BILL_ID_LENGTH = 64
# Sizes on the page with the ruler, in mm, and its font sizes in points.
_MARGIN_MM, _RULER_MM, _TICK_MM, _LINE_MM = 7.0, 100, 10, 5.0
_TITLE_PT, _TEXT_PT = 12, 8.5


@dataclass(frozen=True, slots=True)
class ProofResult:
    """The sheets that were written: ``cases = pages + rejected``."""

    cases: int
    pages: int
    """Slips in ``proof.pdf``; the last page of the file, with the ruler, is not counted."""
    rejected: int
    """Slips that cannot be printed with this template, wording and font."""
    issues: list[Issue] = field(default_factory=list)
    """Why they cannot be; ``location`` has the bill_id (item and case) as the file, and the number of the case."""

    def as_dict(self) -> dict[str, int]:
        """Return the counts by name."""
        return {name: getattr(self, name) for name in ("cases", "pages", "rejected")}


class _Case(NamedTuple):
    name: str
    bill: Bill
    text: SlipText


def proof(
    out: str | Path,
    wording: str | Path,
    *,
    payee_code: str,
    item_codes: Sequence[str] = (),
    company_code: str = "999999",
    template: str | Path = "strip",
    font: str | Path | None = None,
    digits_font: str | Path | None = None,
    mark: str | Path | None = None,
    style: SymbolStyle | None = None,
    symbols: Literal["svg", "png"] | None = None,
    dpi: int = 600,
    issued_on: date | None = None,
    language: Literal["en", "ja"] = "ja",
) -> ProofResult:
    """Write the sheets for a form review (様式審査) and a reading test (読取テスト) into a new folder.

    The slips are invented: for each item the smallest and largest amounts, 300,000 yen with a barcode and 300,001
    without, keys with leading zeros and of nines, no 支払期限, the longest name and address that can be printed, all
    parts of the breakdown, codes of 期別, and 全期. Each page is marked 見本, so that it is not paid.

    The folder receives ``proof.pdf``, a page per slip and a last page with a ruler and the true sizes of symbol and
    barcode, by which a printer that scales is noticed; ``proof.csv``, what each page must read as: payload, digits of
    the barcode, OCR lines and printed values; ``checklist.txt``; and the folder ``symbols`` if pictures are requested.
    :func:`verify` compares scans of the sheets with this folder.

    Args:
        out: the folder; it must not exist, or be empty.
        wording: the texts beside the bills: a TOML file, see :class:`SlipWording`.
        payee_code: 共通納税機関コード.
        item_codes: 税目・料金番号; by default those of the wording.
        company_code: 請求書発行企業コード of the barcodes.
        template: as for :func:`write_slips`.
        font: as for :func:`write_slips`.
        digits_font: as for :func:`write_slips`.
        mark: as for :func:`write_slips`.
        style: module size and quiet zone of the symbols.
        symbols: format of pictures of the symbols and barcodes; none by default. Barcodes are always SVG.
        dpi: resolution of the pictures.
        issued_on: the day of issue; by default today. The deadlines follow it by one and two months.
        language: of the checklist and the page with the ruler.

    Raises:
        InvalidInputError: the folder contains files (``FOLDER_TAKEN``), there is no item code, or an argument or file
            is invalid.
        KokinError: reportlab is not installed (extra ``pdf``).
        OSError: a file cannot be read or written.
    """
    out, style = Path(out), style or SymbolStyle()
    if out.exists() and any(out.iterdir()):
        raise InvalidInputError([Issue("FOLDER_TAKEN", field="out", location=Location(out.name))], f"{out} is in use")
    texts = SlipWording.load(wording)
    items = list(item_codes or texts.items)
    if not items:
        raise InvalidInputError([Issue("FIELD_MISSING", field="item_codes", expected="three digits")])
    design = load_design(template, font, digits_font, mark, proof=True)
    base = _Base(payee_code, company_code, issued_on or today(), design, style)
    cases = [case for number, item in enumerate(items) for case in _cases(base, texts, item, number)]
    issues: list[Issue] = []
    with draft_folder(out) as draft:
        pages = write_designed(
            draft / _PDF,
            slip_contents(((case.bill, case.text) for case in cases), allow_missing_deadline=True),
            design,
            style,
            lambda error: issues.extend(error.issues),
            last_page=lambda canvas: _draw_ruler(canvas, style, language),
        )
        rejected = {issue.location.record for issue in issues}
        printed = [case for number, case in enumerate(cases, 1) if number not in rejected]
        write_csv(_expected_readings(printed, design), draft / PROOF)
        checklist = "".join(f"{line}\n" for line in _checklist(language, style, design.template))
        (draft / "checklist.txt").write_text(checklist, encoding="utf-8")
        if symbols:
            _write_symbols(draft / "symbols", printed, symbols, style, dpi)
        if out.exists():
            out.rmdir()
        rename(draft, out)
    assert pages == len(printed)
    located = [
        issue.with_location(replace(issue.location, file=cases[issue.location.record - 1].bill.bill_id))
        for issue in issues
        if issue.location.record
    ]
    return ProofResult(len(cases), pages, len(cases) - pages, located)


# --- cases ------------------------------------------------------------------------------------------------------------


class _Base(NamedTuple):
    """What all cases share."""

    payee_code: str
    company_code: str
    day: date
    design: Design
    style: SymbolStyle


def _cases(base: _Base, wording: SlipWording, item_code: str, item_number: int) -> Iterator[_Case]:
    """Yield the cases of an item; ``item_number`` makes their barcodes unique."""
    numbers = itertools.count(1)
    labels = wording.table("labels", item_code)
    periods = sorted(wording.table("periods", item_code)) or ["00", "01", "12", "99"]
    first, *_, last = [*periods, *periods]

    def case(title: str, /, *, has_barcode: bool = True, **fields: Any) -> _Case:
        number = next(numbers)
        due_on = base.day + timedelta(days=30)
        values = {
            "bill_id": f"{item_code}-{title}",
            "payee_code": base.payee_code,
            "item_code": item_code,
            "office_code": "001",
            "case_key": f"{1234567890 + number}",
            "confirmation": f"{271828 + number}",
            "amount": 12_300,
            "levy_year": fiscal_year(base.day),
            "tax_year": fiscal_year(base.day),
            "period": "01" if "01" in periods else first,
            "due_on": due_on,
            "payable_until": due_on + timedelta(days=30),
            "name": "公金　花子",
            "postal_code": "000-0000",
            "address": "例示県例示市本町1-2-3",
            **fields,
        }
        if labels:  # registrations and remarks belong to a part
            values.setdefault("parts", {next(iter(labels)): values["amount"]})
        if has_barcode and values["amount"] <= gs1_128.MAX_YEN:
            barcode = gs1_128.build(
                company_code=base.company_code,
                free_field=f"{item_number * 1000 + number:021d}",
                amount=values["amount"],
                payable_until=values["payable_until"],
            )
            values["barcode"] = barcode.digits
        return _Case(title, *wording.of(Bill(**values)))

    yield case("ordinary")
    yield case("without-barcode", has_barcode=False)
    yield case("amount-1", amount=1)
    yield case("amount-300000", amount=gs1_128.MAX_YEN)
    yield case("amount-300001", amount=gs1_128.MAX_YEN + 1)
    yield case("amount-max", amount=_MAX_YEN)
    nines: dict[str, Any] = {"case_key": "9" * 20, "confirmation": "9" * 6, "office_code": "999", "period": last}
    last_day: dict[str, Any] = {"due_on": date(2099, 12, 31), "payable_until": date(2099, 12, 31)}
    yield case("nines", amount=_MAX_YEN, levy_year=9999, tax_year=9999, **nines, **last_day)
    yield case("zeros", case_key="0" * 19 + "1", confirmation="000000", office_code="000", period=first, amount=1)
    yield case("without-deadline", payable_until=None)
    yield _longest(base, case)
    parts = list(labels) or ["内訳一", "内訳二", "内訳三"]
    yield case("parts", amount=100_000 * len(parts), parts=dict.fromkeys(parts, 100_000), has_barcode=False)
    for period in periods[-2:]:
        yield case(f"period-{period}", period=period)
    yield case("whole-year", period=first, covers=[f"{item_code}-{term}" for term in range(1, 5)], amount=49_200)


def _longest(base: _Base, case: Any) -> _Case:
    """Return the slip with the longest name and address that can be printed, or the shortest one tried."""
    cases = (
        case("longest", name=(_NAME * 3)[:length], address=(_ADDRESS * 3)[:length], bill_id="9" * _BILL_ID_LENGTH)
        for length in _NAME_LENGTHS
    )
    longest: _Case = next(cases)
    while not _can_be_printed(base, longest) and (shorter := next(cases, None)):
        longest = shorter
    return longest


def _can_be_printed(base: _Base, case: _Case) -> bool:
    slips = slip_contents([(case.bill, case.text)])
    return bool(write_designed(io.BytesIO(), slips, base.design, base.style, lambda error: None))


# --- files ------------------------------------------------------------------------------------------------------------


def _expected_readings(cases: Sequence[_Case], design: Design) -> pa.Table:
    """Return a row per page: the columns of a manifest, the case, and every printed value."""
    has_barcode = any(item.kind == "barcode" for item, _, _ in design.template.placed_items())
    rows = []
    for page, (name, bill, text) in enumerate(cases, 1):
        code = ElQr.from_bill(bill, allow_missing_deadline=True)
        values = slip_values(bill, code, text)
        parts = breakdown_lines(bill, text)
        lines = (f"{line.name}={line.amount}" for line in shorten(parts, len(parts)))
        rows.append(
            {
                "record": page,
                "bill_id": bill.bill_id,
                "el_number": code.el_number,
                "file": _PDF,
                "page": page,
                "case": name,
                "payload": code.payload,
                "barcode": bill.barcode if has_barcode else None,
                "barcode_lines": " ".join(gs1_128.from_bill(bill).lines) if bill.barcode and has_barcode else "",
                # A line of the file is a row of the table.
                **{key: value.replace("\n", " / ") for key, value in sorted(values.items())},
                "parts": " / ".join(lines),
            }
        )
    return pa.Table.from_pylist(rows)


def _write_symbols(
    folder: Path, cases: Sequence[_Case], picture_format: Literal["svg", "png"], style: SymbolStyle, dpi: int
) -> None:
    folder.mkdir()
    codes = encode([ElQr.from_bill(case.bill, allow_missing_deadline=True) for case in cases])
    pictures: Iterator[str | bytes] = codes.render(picture_format, style, dpi=dpi)
    for page, (case, content) in enumerate(zip(cases, pictures, strict=True), 1):
        path = folder / f"{page:03d}-{case.bill.item_code}-{case.name}.{picture_format}"
        path.write_bytes(content.encode() if isinstance(content, str) else content)
        if case.bill.barcode:
            path.with_name(f"{path.stem}-barcode.svg").write_text(
                gs1_128.render(gs1_128.from_bill(case.bill)), encoding="utf-8"
            )


def _ruler_mm(template: Template) -> int:
    """Return the length of the rulers: 100 mm, or the whole centimetres for which the page has space."""
    space = min(template.width, template.height) - 2 * _MARGIN_MM
    return min(_RULER_MM, int(space // _TICK_MM) * _TICK_MM)


def _texts(language: Literal["en", "ja"], style: SymbolStyle, ruler_mm: int, bar_mm: float = 0) -> dict[str, str]:
    """Return the texts of the sheets, with the sizes in print."""
    sizes = {
        "side": style.side_mm,
        "module": round(style.module_mm, 3),
        "quiet": style.quiet_zone,
        "quiet_mm": round(style.quiet_zone * style.module_mm, 2),
        "barcode": gs1_128.width_mm(),
        "bars": bar_mm,
        "ruler": ruler_mm,
    }
    return {name: text[language].format(**sizes) for name, text in terms()["proof"].items()}


def _checklist(language: Literal["en", "ja"], style: SymbolStyle, template: Template) -> Iterator[str]:
    texts = _texts(language, style, _ruler_mm(template))
    yield texts["title"]
    yield ""
    for number, name in enumerate((name for name in texts if name.startswith("check_")), 1):
        yield f"[ ] {number}. {texts[name]}"


def _draw_ruler(canvas: PdfCanvas, style: SymbolStyle, language: Literal["en", "ja"]) -> None:
    """Draw a ruler in either direction, and frames in the size of symbol and barcode."""
    from kokin.slips._slip_layout import Box, PlacedText, Shape
    from kokin.slips._text_fit import fit_text

    template, font = canvas.template, canvas.fonts.text
    heights = [item.height for item, _, _ in template.placed_items() if item.kind == "barcode"]
    ruler = _ruler_mm(template)
    texts = _texts(language, style, ruler, max(heights, default=0))
    lines = [Box(_MARGIN_MM, _MARGIN_MM, ruler, 0), Box(_MARGIN_MM, _MARGIN_MM, 0, ruler)]
    for tick in range(0, ruler + 1, _TICK_MM):
        lines += [Box(_MARGIN_MM + tick, _MARGIN_MM, 0, 3), Box(_MARGIN_MM, _MARGIN_MM + tick, 3, 0)]
    canvas.draw(Shape("line", box) for box in lines)
    x, y = _MARGIN_MM + 6.0, _MARGIN_MM + 6.0
    headings = [texts["title"], texts["ruler"], texts["symbol"], *([texts["barcode"]] if heights else [])]
    for number, heading in enumerate(headings):
        box = Box(x, y, template.width - x - _MARGIN_MM, _LINE_MM)
        largest = _TEXT_PT if number else _TITLE_PT
        size, broken = fit_text(heading, font, box.width * POINTS_PER_MM, box.height * POINTS_PER_MM, largest, 1)
        canvas.draw([PlacedText(broken, box, font, size, "left", "middle", False)])
        y += _LINE_MM + 1
    frames = [Box(x, y, style.side_mm, style.side_mm)]
    if heights:
        frames.append(Box(x + style.side_mm + 5, y, gs1_128.width_mm(), max(heights)))
    canvas.draw(Shape("frame", box) for box in frames)
