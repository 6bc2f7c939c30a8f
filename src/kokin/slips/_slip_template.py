"""The layout of a printed slip (様式) as data: page, panels and items, read from TOML."""

from __future__ import annotations

from collections.abc import Iterator
from importlib import resources
from importlib.resources.abc import Traversable
from pathlib import Path
from typing import Annotated, Literal, Self, TypeAlias

from pydantic import ConfigDict, Field, model_validator

from kokin.issues import InvalidInputError, Issue
from kokin.model import Record
from kokin.slips._slip_values import VALUE_NAMES
from kokin.text import load_toml, located_in

#: The smallest font size in points of a text, and of a label.
MIN_TEXT_PT, MIN_LABEL_PT = 8.0, 7.0
#: The lowest bars of a GS1-128 in mm.
MIN_BAR_MM = 10.0
#: Distance of the figures from the bars, and height of each of their two lines, in mm.
BARCODE_GAP_MM, BARCODE_LINE_MM = 0.4, 3.2

# PDF readers show no page larger than 200 inches.
_MAX_MM = 5080

# TOML allows inf and nan.
_Number: TypeAlias = Annotated[float, Field(allow_inf_nan=False, ge=-_MAX_MM, le=_MAX_MM)]
_Size: TypeAlias = Annotated[float, Field(allow_inf_nan=False, gt=0, le=_MAX_MM)]
_TextSize: TypeAlias = Annotated[float, Field(allow_inf_nan=False, ge=MIN_TEXT_PT, le=_MAX_MM)]
_Colour: TypeAlias = Annotated[str, Field(pattern=r"\A#[0-9a-fA-F]{6}\z")]

#: A point or a size, in mm.
Pair: TypeAlias = tuple[_Number, _Number]


class _Geometry(Record):
    # TOML has lists, not tuples, and writes a length such as 12 as an integer.
    model_config = ConfigDict(strict=False)


class Cell(_Geometry):
    """A framed value with its label.

    A cell is not drawn if it has nothing to show: an empty ``value`` or, of a cell that is filled in by hand, an empty
    ``when``.
    """

    label: str = ""
    """Label, the same on every slip."""
    label_value: str = ""
    """Name of the value that is the label, where it differs from slip to slip: ``payer_title``."""
    label_width: Annotated[float, Field(allow_inf_nan=False, ge=0, le=_MAX_MM)] = 0.0
    """Width in mm of the label at the left of the value; 0 for a label above it."""
    value: str = ""
    """Name of the value of the slip that is printed."""
    when: str = ""
    """Name of the value without which the cell is not drawn; by default ``value``."""
    width: _Size = 1.0
    """Share of the width of its row."""
    font: _TextSize = 9.0
    """Font size in points; a long value is set smaller, down to :data:`MIN_TEXT_PT`."""
    lines: Annotated[int, Field(ge=1, le=100)] = 1
    """Maximum number of lines of a value; one that still does not fit gets more if it is above 1."""
    align: Literal["left", "center", "right"] = "left"
    """Horizontal alignment of a value."""
    bold: bool = False
    """Whether the value is bold."""

    @model_validator(mode="after")
    def _check_values(self) -> Self:
        _check_value_names(label_value=self.label_value, value=self.value, when=self.when)
        return self


class Row(_Geometry):
    """A row of cells; those that are drawn share its width by their ``width``."""

    height: _Size
    """Share of the height of the grid."""
    cells: tuple[Cell, ...]


class Item(_Geometry):
    """One item on a panel of a slip.

    The kinds:

    - ``text``: a fixed ``text``, or a ``value`` of the slip;
    - ``grid``: rows of cells that fill ``size``. A row without a cell to draw is left out, and the others share its
      height. A row whose values are too long for it takes height from the others;
    - ``address``: 郵便番号, 住所 and 氏名 of the payer, for the window of an envelope;
    - ``table``: the breakdown (内訳) of the bill;
    - ``area``: an empty frame with a label, for a stamp (領収日付印);
    - ``mark``: the eL mark;
    - ``digits``: an OCR line;
    - ``symbol``: the eL-QR;
    - ``barcode``: the GS1-128.
    """

    kind: Literal["text", "grid", "address", "table", "area", "mark", "digits", "symbol", "barcode"]
    at: Pair
    """Upper left corner in mm from that of the panel; of ``digits`` the left end of the base line."""
    size: Pair = (0.0, 0.0)
    """Width and height in mm; ``symbol``, ``barcode`` and ``digits`` have a size of their own."""
    label: str = ""
    """Label of an ``area`` or of the frame for the ``mark``."""
    text: str = ""
    """Fixed text, the same on every slip."""
    value: str = ""
    """Name of the value of the slip that is printed."""
    rows: tuple[Row, ...] = ()
    """The rows of a ``grid``."""
    font: _TextSize = 9.0
    """Font size in points; a long value is set smaller, down to :data:`MIN_TEXT_PT`."""
    lines: Annotated[int, Field(ge=1, le=100)] = 1
    """Maximum number of lines of a text."""
    align: Literal["left", "center", "right"] = "left"
    """Horizontal alignment of a text."""
    valign: Literal["top", "middle"] = "middle"
    """Vertical alignment of a text."""
    bold: bool = False
    """Whether a text is bold."""
    inked: bool = False
    """Whether a value has the colour of labels, as fixed texts have, instead of black."""
    pitch: _Size = 2.54
    """Distance between the digits of an OCR line in mm."""
    height: Annotated[float, Field(allow_inf_nan=False, ge=MIN_BAR_MM, le=_MAX_MM)] = 12.0
    """Height of the bars in mm, at least 10."""

    @model_validator(mode="after")
    def _check_fields(self) -> Self:
        _check_value_names(value=self.value)
        if self.kind == "digits" and not self.value:
            raise InvalidInputError([Issue("FIELD_MISSING", field="value", expected="upper_line | lower_line")])
        if self.kind in _SIZED and not all(side > 0 for side in self.size):
            raise InvalidInputError([Issue("FIELD_MISSING", field="size", expected="width and height in mm")])
        return self


# Kinds of items whose size is that of the template.
_SIZED = ("text", "grid", "address", "table", "area", "mark")


def _check_value_names(**names: str) -> None:
    expected = " | ".join(sorted(VALUE_NAMES))
    issues = [
        Issue("CODE_UNKNOWN", field=field, expected=expected, found=name)
        for field, name in names.items()
        if name and name not in VALUE_NAMES
    ]
    if issues:
        raise InvalidInputError(issues)


class Panel(_Geometry):
    """One panel (片) of a slip, which is cut off and kept by one of its readers."""

    at: Pair
    """Upper left corner in mm from that of the page."""
    size: tuple[_Size, _Size]
    """Width and height in mm."""
    items: tuple[Item, ...]
    """Its items, in drawing order."""


class Template(_Geometry):
    """A page with its panels.

    Raises:
        InvalidInputError: an unknown key or kind, or a value of an invalid type.
    """

    source: str
    """Who designed the layout."""
    verified: bool
    """Whether it was compared with an official form (様式)."""
    title: str
    """Title of the document."""
    width: _Size
    """Width of the page in mm."""
    height: _Size
    """Height of the page in mm."""
    edge: Annotated[float, Field(allow_inf_nan=False, ge=0, le=_MAX_MM)] = 5.0
    """Distance in mm from the edge of the page within which nothing is printed."""
    clear: Annotated[float, Field(allow_inf_nan=False, ge=0, le=_MAX_MM)] = 3.0
    """Height in mm of the clear band above and below an OCR line, across its panel."""
    cuts: tuple[tuple[_Number, _Number, _Number, _Number], ...] = ()
    """Cut lines (キリトリ線): x and y of both ends in mm."""
    cut_label: str = ""
    """Text on each cut line."""
    ink: _Colour
    """Colour of frames and labels, ``#rrggbb``."""
    tint: _Colour
    """Colour behind labels, ``#rrggbb``."""
    part: tuple[Panel, ...]
    """The panels in drawing order (``[[part]]`` in the file)."""

    def placed_items(self) -> Iterator[tuple[Item, float, float]]:
        """Yield each item with its upper left corner in mm from that of the page."""
        for panel in self.part:
            for item in panel.items:
                yield item, panel.at[0] + item.at[0], panel.at[1] + item.at[1]

    @property
    def has_address(self) -> bool:
        """Whether the payer's address is printed."""
        return any(item.kind == "address" for item, _, _ in self.placed_items())


def template_file(name: str | Path) -> Traversable:
    """Return the file of a template by its name (``strip``, ``a4``) or path.

    Raises:
        InvalidInputError: an unknown name that is not the path of a TOML file.
    """
    built_in = resources.files("kokin.slips") / "templates"
    known = sorted(entry.name.removesuffix(".toml") for entry in built_in.iterdir() if entry.name.endswith(".toml"))
    if name in known:
        return built_in / f"{name}.toml"
    path = Path(name)
    if path.suffix != ".toml":
        expected = f"{', '.join(known)} or a TOML file"
        raise InvalidInputError([Issue("CODE_UNKNOWN", field="template", expected=expected, found=str(name))])
    return path


def load_template(name: str | Path) -> Template:
    """Read a template by its name (``strip``, ``a4``) or the path of a TOML file.

    Raises:
        InvalidInputError: an unknown name, or a file that is not a valid template.
        OSError: the file cannot be read.
    """
    file = template_file(name)
    with located_in(file.name, "invalid template"):
        return Template(**load_toml(file))
