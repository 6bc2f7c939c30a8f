"""Check the geometry of a template: nothing outside, nothing on top of something else, clear bands around OCR lines."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import combinations
from typing import NamedTuple

from kokin.issues import InvalidInputError, Issue
from kokin.slips import gs1_128
from kokin.slips._render import POINTS_PER_MM
from kokin.slips._slip_template import BARCODE_GAP_MM, BARCODE_LINE_MM, Item, Panel, Template

# Digits of the longer OCR line.
_OCR_DIGITS = 44
# Height of a digit as a share of the font size.
_DIGIT_HEIGHT = 0.75
_TOLERANCE_MM = 0.01


class _Area(NamedTuple):
    """The rectangle of an item in mm, from the upper left corner of the page."""

    name: str
    left: float
    top: float
    right: float
    bottom: float

    def overlaps(self, other: _Area) -> bool:
        return (
            self.left < other.right - _TOLERANCE_MM
            and other.left < self.right - _TOLERANCE_MM
            and self.top < other.bottom - _TOLERANCE_MM
            and other.top < self.bottom - _TOLERANCE_MM
        )

    def is_inside(self, other: _Area) -> bool:
        return (
            self.left >= other.left - _TOLERANCE_MM
            and self.top >= other.top - _TOLERANCE_MM
            and self.right <= other.right + _TOLERANCE_MM
            and self.bottom <= other.bottom + _TOLERANCE_MM
        )


def check_template(template: Template, symbol_mm: float) -> None:
    """Check that the items of a template keep their distances.

    Args:
        template: the template.
        symbol_mm: side of the eL-QR in mm, quiet zone included.

    Raises:
        InvalidInputError: an item is outside its panel or too near to the edge of the page (``ITEM_OUTSIDE``), or two
            items overlap, or one is in the clear band of an OCR line (``ITEM_OVERLAPS``).
    """
    issues = [issue for panel in template.part for issue in _panel_issues(template, panel, symbol_mm)]
    if issues:
        raise InvalidInputError(issues, "invalid template")


def _panel_issues(template: Template, panel: Panel, symbol_mm: float) -> Iterator[Issue]:
    edge = template.edge
    printable = _Area("page", edge, edge, template.width - edge, template.height - edge)
    panel_area = _Area("panel", *panel.at, panel.at[0] + panel.size[0], panel.at[1] + panel.size[1])
    areas = [(item, _area(item, panel, symbol_mm)) for item in panel.items]
    for item, area in areas:
        if not (area.is_inside(panel_area) and area.is_inside(printable)):
            field = "module_mm" if item.kind == "symbol" else area.name
            yield Issue(
                "ITEM_OUTSIDE", field=field, expected=f"{edge:g} mm from the edge, inside the panel", found=_mm(area)
            )
    for (_, first), (_, second) in combinations(areas, 2):
        if first.overlaps(second):
            yield Issue("ITEM_OVERLAPS", field=first.name, expected="free space", found=second.name)
    for line, area in areas:
        if line.kind == "digits":
            top, bottom = area.top - template.clear, area.bottom + template.clear
            band = _Area(area.name, panel_area.left, top, panel_area.right, bottom)
            for item, other in areas:
                if item.kind != "digits" and other.overlaps(band):
                    expected = f"{template.clear:g} mm above and below {area.name}"
                    yield Issue("ITEM_OVERLAPS", field=other.name, expected=expected, found=_mm(other))


def _area(item: Item, panel: Panel, symbol_mm: float) -> _Area:
    x, y = panel.at[0] + item.at[0], panel.at[1] + item.at[1]
    match item.kind:
        case "symbol":
            width, height = symbol_mm, symbol_mm
        case "barcode":
            width, height = gs1_128.width_mm(), item.height + BARCODE_GAP_MM + 2 * BARCODE_LINE_MM
        case "digits":
            height = item.font * _DIGIT_HEIGHT / POINTS_PER_MM
            width, y = _OCR_DIGITS * item.pitch, y - height
        case _:
            width, height = item.size
    return _Area(_name(item), x, y, x + width, y + height)


def _name(item: Item) -> str:
    return " ".join(text for text in (item.kind, item.value or item.text or item.label) if text)


def _mm(area: _Area) -> str:
    return f"{area.left:g} to {area.right:g}, {area.top:g} to {area.bottom:g} mm"
