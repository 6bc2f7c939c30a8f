"""The layout of a printed slip (様式) as data: page, panels and items, read from TOML."""

from __future__ import annotations

from collections.abc import Iterator
from importlib import resources
from importlib.resources.abc import Traversable
from pathlib import Path
from typing import Annotated, Literal, Self, TypeAlias

from pydantic import ConfigDict, Field, model_validator

from kokin.issues import InvalidInputError, Issue, Location
from kokin.model import Record
from kokin.slips._slip_values import VALUE_NAMES
from kokin.text import load_toml

# PDF readers show no page larger than 200 inches.
_MAX_MM = 5080

# TOML allows inf and nan.
_Number: TypeAlias = Annotated[float, Field(allow_inf_nan=False, ge=-_MAX_MM, le=_MAX_MM)]
_Size: TypeAlias = Annotated[float, Field(allow_inf_nan=False, gt=0, le=_MAX_MM)]
_Colour: TypeAlias = Annotated[str, Field(pattern=r"\A#[0-9a-fA-F]{6}\z")]

#: A point or a size, in mm.
Pair: TypeAlias = tuple[_Number, _Number]


class _Geometry(Record):
    # TOML has lists, not tuples, and writes a length such as 12 as an integer.
    model_config = ConfigDict(strict=False)


class Item(_Geometry):
    """One item on a panel of a slip.

    The kinds: ``text``; ``cell``, text in a frame with a label; ``area``, an empty frame; ``mark``, the eL mark or an
    empty frame; ``table``, the breakdown of the bill; ``digits``, an OCR line; ``symbol``, the eL-QR; ``barcode``, the
    GS1-128.
    """

    kind: Literal["text", "cell", "area", "mark", "table", "digits", "symbol", "barcode"]
    at: Pair
    """Upper left corner in mm from that of the panel; of ``digits`` the left end of the base line."""
    size: Pair = (0.0, 0.0)
    """Width and height in mm; ``symbol``, ``barcode`` and ``digits`` have a size of their own."""
    label: str = ""
    """Label in the frame, the same on every slip."""
    text: str = ""
    """Fixed text, the same on every slip."""
    value: str = ""
    """Name of the value of the slip that is printed."""
    font: _Size = 9.0
    """Font size in points; a long value is set smaller."""
    lines: Annotated[int, Field(ge=1, le=100)] = 1
    """Maximum number of lines of a value."""
    align: Literal["left", "center", "right"] = "left"
    """Horizontal alignment of a value."""
    bold: bool = False
    """Whether figures are bold."""
    pitch: _Size = 2.54
    """Distance between digits in mm."""
    height: _Size = 10.0
    """Height of the bars in mm."""

    @model_validator(mode="after")
    def _check_value(self) -> Self:
        needs_value = self.kind == "digits" or (self.kind in ("text", "cell") and self.value)
        if needs_value and self.value not in VALUE_NAMES:
            expected = " | ".join(sorted(VALUE_NAMES))
            raise InvalidInputError([Issue("CODE_UNKNOWN", field="value", expected=expected, found=self.value)])
        return self


class Panel(_Geometry):
    """One panel (片) of a slip, which is cut off and kept by one of its readers."""

    at: Pair
    """Upper left corner in mm from that of the page."""
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
    cuts: tuple[tuple[_Number, _Number, _Number, _Number], ...] = ()
    """Cut lines: x and y of both ends in mm."""
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
    tables = load_toml(file)
    try:
        return Template(**tables)
    except InvalidInputError as error:
        issues = [issue.with_location(Location(file.name)) for issue in error.issues]
        raise InvalidInputError(issues, "invalid template") from None
