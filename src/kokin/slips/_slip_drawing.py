"""How the things on a slip are drawn: frames and labels once, values on every page."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from kokin.slips import gs1_128
from kokin.slips._look import SymbolStyle
from kokin.slips._pdf_file import POINTS_PER_MM
from kokin.slips._slip_values import DebtLine
from kokin.slips._template import Item, Template

if TYPE_CHECKING:
    from kokin.slips._paper import Paper

# The strip with the label of a cell or a table, the margin beside a value, and the size of labels.
_STRIP_MM, _MARGIN_MM, _LABEL_PT = 2.9, 1.2, 5.6
# In a table, the room above and below a line, and the size of remarks beside the other words.
_GAP_MM, _REMARK = 0.4, 0.8
# The lines below a barcode.
_BARCODE_LINE_MM, _BARCODE_PT = 2.6, 6.5
# The columns of the table of debts: heading, share of the width, value, alignment.
_COLUMNS = (
    ("内訳", 0.31, "name", "left"),
    ("金額", 0.21, "amount", "right"),
    ("備考", 0.22, "remark", "left"),
    ("登録番号", 0.26, "registration", "center"),
)
_NO_BARCODE = "コンビニエンスストアでは納付できません"


class Slip(NamedTuple):
    """A slip ready to be drawn."""

    values: dict[str, str]
    debts: list[DebtLine]
    barcode: gs1_128.Barcode | None
    look: SymbolStyle
    symbol: str
    """The dark runs of the eL-QR as PDF rectangles in modules, quiet zone included."""


def fixed_words(template: Template) -> str:
    """Every word that is the same on every slip."""
    words = [word for part in template.part for item in part.items for word in (item.label, item.text)]
    return "".join([*words, *(heading for heading, *_ in _COLUMNS), _NO_BARCODE])


def draw_frames(paper: Paper, mark: bytes | None) -> None:
    """What is the same on every slip; ``mark`` is the picture of the eL mark."""
    for cut in paper.template.cuts:
        paper.cut(*cut)
    for part in paper.template.part:
        for item in part.items:
            x, y = part.at[0] + item.at[0], part.at[1] + item.at[1]
            width, height = item.size
            if item.kind in ("cell", "table"):
                paper.frame(x, y, width, height, tinted=_STRIP_MM)
            if item.kind == "cell":
                _label(paper, item.label, x, y, width)
            elif item.kind == "table":
                for heading, left, wide, _, align in _columns(item):
                    _label(paper, heading, x + left, y, wide, align)
                    if left:
                        paper.rule(x + left, y, 0, height)
            elif item.kind == "mark" and mark:
                paper.image(mark, x, y, width, height)
            elif item.kind in ("area", "mark"):
                paper.frame(x, y, width, height, dashed=True)
                paper.text(item.label, x, y, width, height, size=_LABEL_PT + 1, align="center", inked=True)
            elif item.text:
                paper.text(item.text, x, y, width, height, size=item.font, align=item.align, inked=True)


def _label(paper: Paper, label: str, x: float, y: float, width: float, align: str = "left") -> None:
    box = (x + _MARGIN_MM, y, width - 2 * _MARGIN_MM, _STRIP_MM)
    paper.text(label, *box, size=_LABEL_PT, align=align, inked=True)


def _columns(item: Item) -> list[tuple[str, float, float, str, str]]:
    """The columns of the table: heading, left edge and width in mm, value, alignment."""
    columns, left = [], 0.0
    for heading, share, value, align in _COLUMNS:
        columns.append((heading, left, share * item.size[0], value, align))
        left += share * item.size[0]
    return columns


def draw_slip(paper: Paper, slip: Slip) -> None:
    """What differs from slip to slip."""
    for part in paper.template.part:
        for item in part.items:
            x, y = part.at[0] + item.at[0], part.at[1] + item.at[1]
            match item.kind:
                case "text" | "cell" if item.value:
                    _draw_text(paper, item, x, y, slip.values[item.value])
                case "table":
                    _draw_debts(paper, item, x, y, slip.debts)
                case "digits":
                    paper.digits(slip.values[item.value], x, y, item.pitch, item.font)
                case "symbol":
                    paper.operators(x, y, slip.look.module_mm * POINTS_PER_MM, slip.symbol)
                case "barcode":
                    _draw_barcode(paper, item, x, y, slip.barcode)


def _draw_text(paper: Paper, item: Item, x: float, y: float, text: str) -> None:
    width, height = item.size
    if item.kind == "cell":
        x, y, width, height = x + _MARGIN_MM, y + _STRIP_MM, width - 2 * _MARGIN_MM, height - _STRIP_MM
    paper.text(text, x, y, width, height, size=item.font, lines=item.lines, align=item.align, bold=item.bold)


def _draw_debts(paper: Paper, item: Item, x: float, y: float, debts: list[DebtLine]) -> None:
    """The lines share the height of the table; one or two leave room below."""
    high = (item.size[1] - _STRIP_MM) / max(len(debts), 3)
    for number, debt in enumerate(debts):
        top = y + _STRIP_MM + number * high
        if number:
            paper.rule(x, top, item.size[0], 0)
        for _, left, wide, value, align in _columns(item):
            size = item.font * (_REMARK if value == "remark" else 1)
            box = (x + left + _MARGIN_MM, top + _GAP_MM, wide - 2 * _MARGIN_MM, high - 2 * _GAP_MM)
            paper.text(getattr(debt, value), *box, size=size, lines=2 if align == "left" else 1, align=align)


def _draw_barcode(paper: Paper, item: Item, x: float, y: float, barcode: gs1_128.Barcode | None) -> None:
    if barcode is None:
        paper.text(_NO_BARCODE, x, y, gs1_128.width_mm(), item.height, size=_BARCODE_PT, align="center", inked=True)
        return
    paper.boxes((x + left, y, wide, item.height) for left, wide in gs1_128.bars(barcode, height_mm=item.height))
    for number, line in enumerate(barcode.lines):
        top = y + item.height + 0.4 + number * _BARCODE_LINE_MM
        box = (x, top, gs1_128.width_mm(), _BARCODE_LINE_MM)
        paper.text(line, *box, size=_BARCODE_PT, align="center")
