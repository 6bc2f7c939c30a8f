"""How large a symbol is and in which colours, with the physical size that follows."""

from __future__ import annotations

import re
from dataclasses import dataclass

from kokin.issues import Issue, RefusedError

_MM_PER_INCH = 25.4
_SIDE = 41
_COLOUR = re.compile(r"#[0-9a-fA-F]{6}")


@dataclass(frozen=True, slots=True)
class Look:
    """How a symbol is drawn.

    Model, module size and colours of an eL-QR are nowhere published: the body's own test print (読取テスト) decides.

    >>> Look().side_mm, Look(module_mm=0.5, quiet=4).side_mm
    (20.74, 24.5)

    Raises:
        RefusedError: a module without a size, a negative quiet zone, or a colour that is not ``#rrggbb``.
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
        if not self.module_mm > 0:
            problems.append(Issue("PRINT_SIZE", "module_mm", "more than 0", str(self.module_mm)))
        if self.quiet < 0:
            problems.append(Issue("PRINT_SIZE", "quiet", "0 or more", str(self.quiet)))
        for name, colour in (("dark", self.dark), ("light", self.light)):
            if colour is not None and not _COLOUR.fullmatch(colour):
                problems.append(Issue("CODE_UNKNOWN", name, "#rrggbb", colour))
        if problems:
            raise RefusedError(problems, "no such look")

    @property
    def modules(self) -> int:
        """The modules of a side, quiet zone included."""
        return _SIDE + 2 * self.quiet

    @property
    def side_mm(self) -> float:
        """The side of the whole symbol in mm, quiet zone included, to a hundredth."""
        return round(self.modules * self.module_mm, 2)

    def dots(self, dpi: int) -> int:
        """The dots of a module's side in a raster picture: whole ones, and at least one."""
        return max(1, round(self.module_mm / _MM_PER_INCH * dpi))

    def printed_mm(self, dpi: int) -> float:
        """The side of a raster picture in mm, to a hundredth: what :attr:`side_mm` becomes in whole dots."""
        return round(self.modules * self.dots(dpi) / dpi * _MM_PER_INCH, 2)
