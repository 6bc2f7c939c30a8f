"""Place the frames and texts of a slip on its page: what is drawn where, in which size."""

from __future__ import annotations

import functools
import math
import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Literal, NamedTuple, TypeAlias

from kokin.issues import InvalidInputError, Issue
from kokin.slips import gs1_128
from kokin.slips._render import POINTS_PER_MM as MM
from kokin.slips._slip_template import (
    BARCODE_GAP_MM,
    BARCODE_LINE_MM,
    MIN_LABEL_PT,
    MIN_TEXT_PT,
    Cell,
    Item,
    Row,
    Template,
)
from kokin.slips._slip_values import BreakdownLine, shorten
from kokin.slips._text_fit import BREAK_HINT, block_height, fit_text, needed_lines, text_width

if TYPE_CHECKING:
    from kokin.slips._fonts import Fonts

# Printed in the place of a barcode on a slip without one.
_NO_BARCODE = "コンビニエンスストアでは", "納付できません"
# Height of a label above its value, and horizontal and vertical margin of a text in its frame.
_LABEL_MM, _MARGIN_MM, _PAD_MM = 3.4, 1.2, 0.35
# Smallest height for a value that is written by hand.
_BLANK_MM = 4.5
# Smallest distance of a label from the sides of its frame.
_LABEL_SIDE_MM = 0.4
# In a table: headings by field of BreakdownLine, horizontal and vertical margin of a text, the fewest lines that share
# its height, the smallest share of the width that a column of figures gets if there is space.
_HEADINGS = {"name": "内訳", "amount": "金額", "remark": "備考", "registration": "登録番号"}
_SIDE_MM, _GAP_MM, _MIN_LINES, _MIN_COLUMN = 0.75, 0.45, 3, 0.24
# In an address: the font size of the name as a multiple of that of the address, the distances after 郵便番号 and 住所.
_NAME_SIZE, _POSTAL_GAP_MM, _ADDRESS_GAP_MM = 1.3, 0.8, 3.2
_SIZE_STEP = 0.5
_MAX_LINES = 100
_TOLERANCE = 0.01
# Grids whose frames are cached per template.
_CACHED_GRIDS = 1024
# The end of the name of a prefecture, city, town or village, after which an address may be broken.
_END_OF_PLACE = re.compile(r"(?<=[都道府県市区町村郡])(?=[一-鿿]{2})")


class Box(NamedTuple):
    """A rectangle in mm from the upper left corner of the page."""

    x: float
    y: float
    width: float
    height: float

    def inset(self, across: float, down: float) -> Box:
        """Return the rectangle without a margin at its sides, and at its top and bottom."""
        return Box(self.x + across, self.y + down, self.width - 2 * across, self.height - 2 * down)


class Shape(NamedTuple):
    """A rectangle or line without text.

    ``tint`` is a rectangle behind a label, ``frame`` is an outline, ``dashed`` is the outline of an area,
    ``line`` a thin line of which one side of the box is 0.
    """

    kind: Literal["tint", "frame", "dashed", "line"]
    box: Box


class PlacedText(NamedTuple):
    """Lines of text in a box, at their font size."""

    lines: tuple[str, ...]
    box: Box
    font: str
    size: float
    """In points."""
    align: str
    valign: str
    inked: bool
    """Whether it has the ink of the template instead of black."""


Placed: TypeAlias = Shape | PlacedText


class PageLayout(NamedTuple):
    """The shapes and texts of a page: ``frames`` are equal on most pages, ``values`` differ from slip to slip."""

    frames: tuple[Placed, ...]
    values: tuple[Placed, ...]


class SlipLayout:
    """Lays out the slips of a template one after the other.

    Args:
        template: the layout.
        fonts: the fonts in which texts are measured.
        proof: whether there is a frame where the eL mark belongs.
    """

    def __init__(self, template: Template, fonts: Fonts, *, proof: bool = False) -> None:
        self._fonts, self._proof = fonts, proof
        self._items = list(template.placed_items())
        # Cached, as the grids of most slips differ in nothing but their values.
        self._place_cells = functools.lru_cache(_CACHED_GRIDS)(self._place_cells_of)

    def of(
        self, values: Mapping[str, str], parts: Sequence[BreakdownLine], barcode: gs1_128.Barcode | None
    ) -> PageLayout:
        """Place the frames, labels and values of a slip.

        Args:
            values: the values by their names in the template.
            parts: the lines of the breakdown, without the total.
            barcode: the barcode, whose figures are printed below its bars.

        Raises:
            InvalidInputError: a text does not fit at the smallest size (``TEXT_TOO_SMALL``: the size that would fit).
        """
        page = _Page(self._fonts, values)
        for number, (item, x, y) in enumerate(self._items):
            if item.kind == "grid":
                page.add_grid(item, Box(x, y, *item.size), functools.partial(self._place_cells, number))
            else:
                page.add(item, x, y, parts, barcode, self._proof)
        if page.problems:
            raise InvalidInputError(list(dict.fromkeys(page.problems)), "a text is too long for its place")
        return PageLayout(tuple(page.frames), tuple(page.texts))

    def _place_cells_of(self, number: int, labels: _Labels, heights: tuple[tuple[float, bool], ...]) -> _Cells:
        """Place the frames and labels of a grid, and the boxes of its values.

        Args:
            number: the position of the grid among the items of the template.
            labels: for each row that is drawn, its position in the grid, and the positions and labels of its cells
                that are drawn.
            heights: the height of each of these rows, and whether its values are too long for its share.
        """
        item, x, y = self._items[number]
        box = Box(x, y, *item.size)
        page = _Page(self._fonts, {})
        lines: list[Shape] = []
        values: list[tuple[Cell, Box, int]] = []
        top = box.y
        for (row, drawn), (height, is_long) in zip(labels, heights, strict=True):
            if top > box.y:
                lines.append(Shape("line", Box(box.x, top, box.width, 0)))
            cells = [item.rows[row].cells[position] for position, _ in drawn]
            for (cell, left, width), (_, label) in zip(_across(cells, box), drawn, strict=True):
                if left > box.x:
                    lines.append(Shape("line", Box(left, top, 0, height)))
                cell_box = Box(left, top, width, height)
                page.add_cell_label(cell, label, cell_box)
                count = _MAX_LINES if is_long and cell.lines > 1 else cell.lines
                values.append((cell, _value_box(cell, cell_box), count))
            top += height
        return _Cells((*page.frames, *lines, Shape("frame", box)), tuple(values), tuple(page.problems))


def fixed_texts(template: Template) -> str:
    """Return all text that is the same on every slip, and that of cells that only some slips have."""
    texts = [template.cut_label, *_NO_BARCODE, *_HEADINGS.values()]
    for item, _, _ in template.placed_items():
        texts += [item.label, item.text, *(cell.label for row in item.rows for cell in row.cells)]
    return "".join(texts)


def check_fixed_texts(template: Template, fonts: Fonts) -> None:
    """Check that fixed texts and labels fit at their smallest sizes, with all cells drawn.

    Raises:
        InvalidInputError: ``TEXT_TOO_SMALL`` names the text and the size that would fit.
    """
    SlipLayout(template, fonts).of(_FixedTexts(), [], None)


class _FixedTexts(dict[str, str]):
    """A space for each value: it is drawn, and fits everywhere."""

    def __missing__(self, name: str) -> str:
        return " "


#: For each row of a grid that is drawn: its position, and the positions and labels of its cells that are drawn.
_Labels: TypeAlias = tuple[tuple[int, tuple[tuple[int, str], ...]], ...]


class _Cells(NamedTuple):
    """The placed cells of a grid: what is drawn around their values, and the place of each value."""

    frames: tuple[Placed, ...]
    values: tuple[tuple[Cell, Box, int], ...]
    """Each cell with the box of its value and the maximum number of its lines."""
    problems: tuple[Issue, ...]


class _Page:
    """The layout of one page while it is built."""

    def __init__(self, fonts: Fonts, values: Mapping[str, str]) -> None:
        self.fonts, self.values = fonts, values
        self.frames: list[Placed] = []
        self.texts: list[Placed] = []
        self.problems: list[Issue] = []

    def add(
        self,
        item: Item,
        x: float,
        y: float,
        parts: Sequence[BreakdownLine],
        barcode: gs1_128.Barcode | None,
        proof: bool,
    ) -> None:
        """Place an item whose upper left corner is at a point in mm."""
        box = Box(x, y, *item.size)
        match item.kind:
            case "text":
                text = self.values[item.value] if item.value else item.text
                if text:
                    placed = self._fit(
                        item.value or "text", text, box, item, item.lines, inked=item.inked or not item.value
                    )
                    (self.texts if item.value else self.frames).append(placed)
            case "address":
                self._add_address(item, box)
            case "table":
                self._add_table(item, box, parts)
            case "mark" if not proof:
                pass
            case "area" | "mark":
                self.frames.append(Shape("dashed", box))
                self._add_label(item.label, box, align="center")
            case "barcode":
                self._add_barcode_text(item, x, y, barcode)

    # --- texts --------------------------------------------------------------------------------------------------------

    def _fit(self, field: str, text: str, box: Box, style: Item | Cell, lines: int, inked: bool = False) -> PlacedText:
        """Fit a text into a box; report it if it does not fit at the smallest size."""
        font = self.fonts.for_text(text, style.bold)
        size, broken = fit_text(text, font, box.width * MM, box.height * MM, style.font, lines, MIN_TEXT_PT)
        if size < MIN_TEXT_PT - _TOLERANCE:
            self._report(field, MIN_TEXT_PT, size)
        valign = style.valign if isinstance(style, Item) else "middle"
        return PlacedText(_strip(broken), box, font, size, style.align, valign, inked)

    def _add_barcode_text(self, item: Item, x: float, y: float, barcode: gs1_128.Barcode | None) -> None:
        width = gs1_128.width_mm()
        if barcode is None:
            font = self.fonts.for_text(_NO_BARCODE[0])
            box = Box(x, y, width, item.height)
            self.texts.append(PlacedText(_NO_BARCODE, box, font, MIN_TEXT_PT, "center", "middle", True))
            return
        for number, line in enumerate(barcode.lines):
            top = y + item.height + BARCODE_GAP_MM + number * BARCODE_LINE_MM
            font = self.fonts.for_text(line)
            box = Box(x, top, width, BARCODE_LINE_MM)
            self.texts.append(PlacedText((line,), box, font, MIN_TEXT_PT, "center", "middle", False))

    def _report(self, field: str, min_size: float, size: float) -> None:
        expected, found = f"at least {min_size:g} pt", f"{size:.1f} pt"
        self.problems.append(Issue("TEXT_TOO_SMALL", field=field, expected=expected, found=found))

    def _add_label(self, label: str, box: Box, align: str = "left") -> None:
        if not label:
            return
        left = _MARGIN_MM if align == "left" else _LABEL_SIDE_MM
        inner = Box(box.x + left, box.y, box.width - left - _LABEL_SIDE_MM, box.height)
        font = self.fonts.for_text(label)
        size, lines = fit_text(label, font, inner.width * MM, inner.height * MM, MIN_LABEL_PT, 2, MIN_LABEL_PT)
        if size < MIN_LABEL_PT - _TOLERANCE:
            self._report(label, MIN_LABEL_PT, size)
        self.frames.append(PlacedText(_strip(lines), inner, font, size, align, "middle", True))

    # --- grids --------------------------------------------------------------------------------------------------------

    def add_grid(self, item: Item, box: Box, place_cells: Callable[..., _Cells]) -> None:
        """Place the cells of a grid that are drawn; ``place_cells`` returns their frames by labels and heights."""
        drawn = [
            (number, [(position, cell) for position, cell in enumerate(row.cells) if self._is_drawn(cell)])
            for number, row in enumerate(item.rows)
        ]
        drawn = [(number, cells) for number, cells in drawn if cells]
        if not drawn:
            return
        labels = tuple(
            (number, tuple((position, self._label_of(cell)) for position, cell in cells)) for number, cells in drawn
        )
        rows = [(item.rows[number], [cell for _, cell in cells]) for number, cells in drawn]
        weight = sum(row.height for row, _ in rows)
        placed = place_cells(labels, tuple((row.height * box.height / weight, False) for row, _ in rows))
        if not all(self._fits(cell, value_box) for cell, value_box, _ in placed.values):
            placed = place_cells(labels, tuple(self._row_heights(rows, box)))
        self.frames += placed.frames
        self.problems += placed.problems
        for cell, value_box, lines in placed.values:
            if text := self._value_of(cell):
                self.texts.append(self._fit(cell.value, text, value_box, cell, lines))

    def _is_drawn(self, cell: Cell) -> bool:
        return bool(self.values[cell.when or cell.value])

    def _value_of(self, cell: Cell) -> str:
        return self.values[cell.value] if cell.value else ""

    def _label_of(self, cell: Cell) -> str:
        return self.values[cell.label_value] if cell.label_value else cell.label

    def _row_heights(self, rows: Sequence[tuple[Row, list[Cell]]], box: Box) -> list[tuple[float, bool]]:
        """Return the height of each row, and whether it is one whose values are too long for its share.

        Such a row gets the height that it needs at the smallest size, and the others share the rest. Words are broken
        only if there is no other way.
        """
        for whole_words in (True, False):
            if heights := self._shared_heights(rows, box, whole_words):
                return heights
        total = sum(row.height for row, _ in rows)
        return [(row.height * box.height / total, True) for row, _ in rows]

    def _shared_heights(
        self, rows: Sequence[tuple[Row, list[Cell]]], box: Box, whole_words: bool
    ) -> list[tuple[float, bool]] | None:
        needed: dict[int, float] = {}
        while True:
            weight = sum(row.height for number, (row, _) in enumerate(rows) if number not in needed)
            rest = box.height - sum(needed.values())
            if rest < 0:
                return None
            if weight == 0:  # all rows are long, and there is space left
                total = sum(row.height for row, _ in rows)
                return [(needed[number] + rest * row.height / total, True) for number, (row, _) in enumerate(rows)]
            heights = [needed.get(number, row.height * rest / weight) for number, (row, _) in enumerate(rows)]
            too_long = [
                number
                for number, (_, cells) in enumerate(rows)
                if number not in needed and not self._row_fits(cells, box, heights[number], whole_words)
            ]
            if not too_long:
                return [(height, number in needed) for number, height in enumerate(heights)]
            needed |= {number: self._needed_height(rows[number][1], box, not whole_words) for number in too_long}

    def _row_fits(self, cells: Sequence[Cell], box: Box, height: float, whole_words: bool) -> bool:
        boxes = ((cell, Box(left, box.y, width, height)) for cell, left, width in _across(cells, box))
        return all(self._fits(cell, _value_box(cell, cell_box), whole_words) for cell, cell_box in boxes)

    def _fits(self, cell: Cell, box: Box, whole_words: bool = True) -> bool:
        """Return whether the value of a cell fits a box at the smallest size."""
        text = self._value_of(cell)
        if not text:
            return box.height >= _BLANK_MM
        font = self.fonts.for_text(text, cell.bold)
        sides = box.width * MM, box.height * MM
        size, _ = fit_text(text, font, *sides, cell.font, cell.lines, MIN_TEXT_PT, whole_words)
        return size >= MIN_TEXT_PT - _TOLERANCE

    def _needed_height(self, cells: Sequence[Cell], box: Box, compact: bool) -> float:
        needed = 0.0
        for cell, left, width in _across(cells, box):
            text = self._value_of(cell)
            inner = _value_box(cell, Box(left, box.y, width, 0))
            font = self.fonts.for_text(text, cell.bold)
            lines = needed_lines(text, font, inner.width * MM, MIN_TEXT_PT, compact)
            count = 1 if lines is None or cell.lines == 1 else len(lines)
            height = block_height(count, MIN_TEXT_PT) / MM if text else _BLANK_MM
            needed = max(needed, height - inner.height)
        return needed + _TOLERANCE

    def add_cell_label(self, cell: Cell, label: str, box: Box) -> None:
        """Place the label of a cell with its background."""
        if label:
            label_box = Box(*box[:2], cell.label_width or box.width, box.height if cell.label_width else _LABEL_MM)
            self.frames.append(Shape("tint", label_box))
            self._add_label(label, label_box, "center" if cell.label_width else "left")
            if cell.label_width:
                self.frames.append(Shape("line", Box(label_box.x + label_box.width, box.y, 0, box.height)))

    # --- the address --------------------------------------------------------------------------------------------------

    def _add_address(self, item: Item, box: Box) -> None:
        """Place 郵便番号, 住所 and 氏名 below each other, in the largest size at which they fit."""
        postal_code, name = self.values["postal_code"], self.values["addressee"]
        address = _END_OF_PLACE.sub(BREAK_HINT, self.values["address"])
        size, bottom = item.font, box.y
        for size, name_size in _address_sizes(item.font):
            blocks = [
                (postal_code, size, _POSTAL_GAP_MM, False),
                (address, size, _ADDRESS_GAP_MM, False),
                (name, name_size, 0.0, True),
            ]
            placed, bottom = [], box.y
            for text, font_size, gap, bold in blocks:
                if text:
                    font = self.fonts.for_text(text, bold)
                    lines = needed_lines(text, font, box.width * MM, font_size) or (text,) * _MAX_LINES
                    height = block_height(len(lines), font_size) / MM
                    part = Box(box.x, bottom, box.width, height)
                    placed.append(PlacedText(_strip(lines), part, font, font_size, "left", "top", False))
                    bottom += height + gap
            if bottom <= box.y + box.height + _TOLERANCE:
                self.texts += placed
                return
        self._report("address", MIN_TEXT_PT, size * box.height / (bottom - box.y))

    # --- the breakdown ------------------------------------------------------------------------------------------------

    def _add_table(self, item: Item, box: Box, parts: Sequence[BreakdownLine]) -> None:
        """Place the breakdown at the largest size at which all lines fit; if none, with fewer lines, of equal sum."""
        if not parts:
            return
        height = box.height - _LABEL_MM
        sizes = [item.font]
        while sizes[-1] > MIN_TEXT_PT:
            sizes.append(max(sizes[-1] - _SIZE_STEP, MIN_TEXT_PT))
        choices = [(size, len(parts)) for size in sizes]
        choices += [(MIN_TEXT_PT, count) for count in range(len(parts) - 1, 0, -1)]
        tables = (_Table(self.fonts, shorten(parts, count), size, box) for size, count in choices)
        lowest = math.inf
        for table in tables:
            lowest = min(lowest, table.height)
            if table.height <= height + _TOLERANCE:
                self.frames += [Shape("tint", Box(*box[:3], _LABEL_MM)), Shape("frame", box)]
                self.texts += table.place(height)
                return
        self._report("parts", MIN_TEXT_PT, MIN_TEXT_PT * height / lowest)


class _Table:
    """A breakdown at one font size: the columns in use, and the height of each line."""

    def __init__(self, fonts: Fonts, lines: Sequence[BreakdownLine], size: float, box: Box) -> None:
        self.fonts, self.lines, self.size, self.box = fonts, lines, size, box
        self.columns = self._columns()
        self.heights = [self._line_height(line) for line in lines]
        self.height = sum(self.heights)

    def _columns(self) -> list[tuple[str, float, float]]:
        """Return name, left edge and width of each column; 備考 and 登録番号 only if a line has one.

        Figures get the width that they need; name and remark share the rest by the widths of their texts.
        """
        widths = {name: self._widest(name) for name in _HEADINGS if any(getattr(line, name) for line in self.lines)}
        flexible = [name for name in ("name", "remark") if name in widths]
        rest = self.box.width - sum(widths.values())
        if rest > 0:  # a wide column of amounts looks calmer
            widths["amount"] += min(rest, max(0.0, _MIN_COLUMN * self.box.width - widths["amount"]))
        rest = self.box.width - sum(widths.values())
        total = sum(widths[name] for name in flexible)
        columns, left = [], self.box.x
        for name, width in widths.items():
            shared = width + (rest * width / total if name in flexible else 0)
            columns.append((name, left, shared))
            left += shared
        return columns

    def _widest(self, column: str) -> float:
        texts = [getattr(line, column) for line in self.lines]
        widths = [text_width(text, self._font(text, True), self.size) for text in texts]
        heading = _HEADINGS[column]
        widths.append(text_width(heading, self.fonts.for_text(heading), MIN_LABEL_PT))
        return float(max(widths)) / MM + 2 * _SIDE_MM

    def _font(self, text: str, bold: bool) -> str:
        return self.fonts.for_text(text, bold)

    def _broken(self, line: BreakdownLine, column: str, width: float) -> tuple[str, ...]:
        text = getattr(line, column)
        inner = (width - 2 * _SIDE_MM) * MM
        broken = needed_lines(text, self._font(text, line.is_total), inner, self.size) if inner > 0 else None
        return (text,) * _MAX_LINES if broken is None else broken

    def _line_height(self, line: BreakdownLine) -> float:
        count = max(len(self._broken(line, column, width)) for column, _, width in self.columns)
        return block_height(count, self.size) / MM + 2 * _GAP_MM

    def place(self, height: float) -> Iterator[Placed]:
        """Yield headings, lines and texts; the lines share what remains of the height of the table."""
        for column, left, width in self.columns:
            heading = _HEADINGS[column]
            box = Box(left, self.box.y, width, _LABEL_MM).inset(_SIDE_MM, 0)
            font = self.fonts.for_text(heading)
            align = "right" if column == "amount" else "left"
            yield PlacedText((heading,), box, font, MIN_LABEL_PT, align, "middle", True)
            if left > self.box.x:
                yield Shape("line", Box(left, self.box.y, 0, self.box.height))
        extra = (height - self.height) / max(len(self.lines), _MIN_LINES)
        top = self.box.y + _LABEL_MM
        for number, (line, line_height) in enumerate(zip(self.lines, self.heights, strict=True)):
            if number:
                yield Shape("line", Box(self.box.x, top, self.box.width, 0))
            for column, left, width in self.columns:
                if text := getattr(line, column):
                    box = Box(left, top, width, line_height + extra).inset(_SIDE_MM, _GAP_MM)
                    align = "right" if column == "amount" else "left"
                    font = self._font(text, line.is_total)
                    lines = _strip(self._broken(line, column, width))
                    yield PlacedText(lines, box, font, self.size, align, "middle", False)
            top += line_height + extra


def _address_sizes(largest: float) -> Iterator[tuple[float, float]]:
    """Yield font sizes for an address and its name, the largest first."""
    size = largest
    while size > MIN_TEXT_PT:
        yield size, size * _NAME_SIZE
        size = max(size - _SIZE_STEP, MIN_TEXT_PT)
    for share in (1.0, 0.5, 0.0):
        yield MIN_TEXT_PT, MIN_TEXT_PT * (1 + share * (_NAME_SIZE - 1))


def _across(cells: Sequence[Cell], box: Box) -> Iterator[tuple[Cell, float, float]]:
    """Yield the cells of a row with their left edge and width in mm."""
    total, left = sum(cell.width for cell in cells), box.x
    for cell in cells:
        width = box.width * cell.width / total
        yield cell, left, width
        left += width


def _value_box(cell: Cell, box: Box) -> Box:
    """Return the space for the value in the frame of a cell."""
    if cell.label_width:
        box = Box(box.x + cell.label_width, box.y, box.width - cell.label_width, box.height)
    elif cell.label or cell.label_value:
        box = Box(box.x, box.y + _LABEL_MM, box.width, box.height - _LABEL_MM)
    return box.inset(_SIDE_MM, _PAD_MM)


def _strip(lines: Iterable[str]) -> tuple[str, ...]:
    """Return lines without the spaces at their ends."""
    return tuple(map(str.rstrip, lines))
