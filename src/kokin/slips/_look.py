"""How large a symbol is and in which colours, with the physical size that follows."""

from __future__ import annotations

import re
from dataclasses import dataclass

from kokin.issues import InvalidInputError, Issue

_MM_PER_INCH = 25.4
_SIDE = 41
# Far beyond every print: a picture of more dots a side would fill the memory.
_MAX_MODULE_MM, _MAX_QUIET, _MAX_DPI, _MAX_DOTS = 100, 100, 10_000, 30_000
_COLOUR = re.compile(r"#[0-9a-fA-F]{6}")


@dataclass(frozen=True, slots=True)
class SymbolStyle:
    """How a symbol is drawn.

    Model, module size and colours of an eL-QR are nowhere published: the body's own test print (読取テスト) decides.

    >>> SymbolStyle().side_mm, SymbolStyle(module_mm=0.5, quiet=4).side_mm
    (20.74, 24.5)

    Raises:
        InvalidInputError: a module of no size or above 100 mm, a quiet zone that is not 0 to 100 modules, or a colour
            that is not ``#rrggbb``.
    """

    module_mm: float = _MM_PER_INCH / 60
    """The side of one module in mm; by default five dots at 300 dpi."""
    quiet: int = 4
    """The light margin around the symbol, in modules; the standard asks for four."""
    dark: str = "#000000"
    """The colour of dark modules, ``#rrggbb``."""
    light: str | None = "#ffffff"
    """The colour behind them; ``None`` lets the paper through."""

    def __post_init__(self) -> None:
        problems = []
        if not (isinstance(self.module_mm, int | float) and 0 < self.module_mm <= _MAX_MODULE_MM):
            expected = f"more than 0, at most {_MAX_MODULE_MM}"
            problems.append(Issue("PRINT_SIZE", field="module_mm", expected=expected, found=str(self.module_mm)))
        if not (isinstance(self.quiet, int) and 0 <= self.quiet <= _MAX_QUIET):
            problems.append(Issue("PRINT_SIZE", field="quiet", expected=f"0 to {_MAX_QUIET}", found=str(self.quiet)))
        for name, colour in (("dark", self.dark), ("light", "#ffffff" if self.light is None else self.light)):
            if not (isinstance(colour, str) and _COLOUR.fullmatch(colour)):
                problems.append(Issue("CODE_UNKNOWN", field=name, expected="#rrggbb", found=str(colour)))
        if problems:
            raise InvalidInputError(problems, "no such look")

    @property
    def modules(self) -> int:
        """The modules of a side, quiet zone included."""
        return _SIDE + 2 * self.quiet

    @property
    def side_mm(self) -> float:
        """The side of the whole symbol in mm, quiet zone included, to a hundredth."""
        return round(self.modules * self.module_mm, 2)

    def dots(self, dpi: int) -> int:
        """The dots of a module's side in a raster picture: whole ones, and at least one.

        Raises:
            InvalidInputError: ``dpi`` is not 1 to 10,000, or the picture would have more than 30,000 dots a side.
        """
        if not (isinstance(dpi, int) and 1 <= dpi <= _MAX_DPI):
            raise InvalidInputError(
                [Issue("PRINT_SIZE", field="dpi", expected=f"1 to {_MAX_DPI}", found=str(dpi))], "no such picture"
            )
        dots = max(1, round(self.module_mm / _MM_PER_INCH * dpi))
        if dots * self.modules > _MAX_DOTS:
            found = f"{dots * self.modules} dots a side"
            raise InvalidInputError(
                [Issue("PRINT_SIZE", field="dpi", expected=f"at most {_MAX_DOTS}", found=found)], "no such picture"
            )
        return dots

    def printed_mm(self, dpi: int) -> float:
        """The side of a raster picture in mm, to a hundredth: what :attr:`side_mm` becomes in whole dots."""
        return round(self.modules * self.dots(dpi) / dpi * _MM_PER_INCH, 2)
