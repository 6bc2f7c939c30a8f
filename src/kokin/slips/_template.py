"""Where things stand on a printed slip (様式): geometry as data."""

from __future__ import annotations

from importlib import resources
from importlib.resources.abc import Traversable
from pathlib import Path
from typing import Annotated, Literal, Self, TypeAlias

from pydantic import ConfigDict, Field, model_validator

from kokin.issues import InvalidInputError, Issue, Location
from kokin.model import Record
from kokin.slips._slip_values import VALUES
from kokin.text import load_toml

# PDF readers show no page larger than 200 inches.
_MAX_MM = 5080

# TOML has inf and nan, and a page has neither.
_Number: TypeAlias = Annotated[float, Field(allow_inf_nan=False, ge=-_MAX_MM, le=_MAX_MM)]
_Size: TypeAlias = Annotated[float, Field(allow_inf_nan=False, gt=0, le=_MAX_MM)]
_Colour: TypeAlias = Annotated[str, Field(pattern=r"\A#[0-9a-fA-F]{6}\z")]

#: A point or a size, in mm.
Pair: TypeAlias = tuple[_Number, _Number]


class _Geometry(Record):
    # TOML knows neither tuples nor which numbers are lengths.
    model_config = ConfigDict(strict=False)


class Item(_Geometry):
    """One thing on a part of a slip.

    ``text`` is words, ``cell`` words in a frame with a label, ``area`` an empty frame, ``mark`` the eL mark or its
    empty frame, ``table`` the debts on the slip, ``digits`` an OCR line, ``symbol`` the eL-QR, ``barcode`` the GS1-128.
    """

    kind: Literal["text", "cell", "area", "mark", "table", "digits", "symbol", "barcode"]
    at: Pair
    """The upper left corner, mm from that of the part; for ``digits`` the left end of the base line."""
    size: Pair = (0.0, 0.0)
    """Width and height in mm, where they do not follow from the thing itself."""
    label: str = ""
    """The words in the frame, on every slip the same."""
    text: str = ""
    """Words that stand on every slip."""
    value: str = ""
    """The name of a slip's value that stands here."""
    font: _Size = 9.0
    """The size of the type in points; it shrinks where a value needs it."""
    lines: Annotated[int, Field(ge=1, le=100)] = 1
    """The most lines that a value may take."""
    align: Literal["left", "center", "right"] = "left"
    """Where in its width a value stands."""
    bold: bool = False
    """Whether figures are bold."""
    pitch: _Size = 2.54
    """The distance of digits in mm."""
    height: _Size = 10.0
    """The height of bars in mm."""

    @model_validator(mode="after")
    def _value_is_known(self) -> Self:
        named = self.kind == "digits" or (self.kind in ("text", "cell") and self.value)
        if named and self.value not in VALUES:
            raise InvalidInputError(
                [Issue("CODE_UNKNOWN", field="value", expected=" | ".join(sorted(VALUES)), found=self.value)]
            )
        return self


class Part(_Geometry):
    """One part (片) of a slip."""

    at: Pair
    """The upper left corner in mm from that of the page."""
    items: tuple[Item, ...]
    """What stands on it."""


class Template(_Geometry):
    """A page with its parts.

    Raises:
        InvalidInputError: an unknown key or kind, or a value of the wrong type.
    """

    source: str
    """Whose geometry it is."""
    verified: bool
    """Whether it was checked against an official form (様式)."""
    title: str
    """The title of the document."""
    width: _Size
    """The width of the page in mm."""
    height: _Size
    """The height of the page in mm."""
    cuts: tuple[tuple[_Number, _Number, _Number, _Number], ...] = ()
    """Where the page is cut: lines from (x, y) to (x, y) in mm."""
    ink: _Colour
    """The colour of frames and labels, ``#rrggbb``."""
    tint: _Colour
    """The colour behind labels, ``#rrggbb``."""
    part: tuple[Part, ...]
    """The parts in the order in which they are drawn."""


def template_file(name: str | Path) -> Traversable:
    """The file of a template by its name (``strip``, ``a4``) or path.

    Raises:
        InvalidInputError: no such template.
    """
    built_in = resources.files("kokin.slips") / "templates"
    known = sorted(entry.name.removesuffix(".toml") for entry in built_in.iterdir() if entry.name.endswith(".toml"))
    if name in known:
        return built_in / f"{name}.toml"
    path = Path(name)
    if path.suffix != ".toml":
        raise InvalidInputError(
            [Issue("CODE_UNKNOWN", field="template", expected=f"{', '.join(known)} or a TOML file", found=str(name))]
        )
    return path


def load_template(name: str | Path) -> Template:
    """A template by its name (``strip``, ``a4``) or the path of a TOML file.

    Raises:
        InvalidInputError: no such template, or a file that is none.
        OSError: the file cannot be read.
    """
    file = template_file(name)
    tables = load_toml(file)
    try:
        return Template(**tables)
    except InvalidInputError as error:
        raise InvalidInputError(
            [issue.with_location(Location(file.name)) for issue in error.issues], "no template"
        ) from None
