"""The size and the colours of a drawn symbol, and the physical size that follows from them."""

from __future__ import annotations

import re
from dataclasses import dataclass

from kokin.issues import InvalidInputError, Issue
from kokin.slips._matrix import SIDE

_MM_PER_INCH = 25.4
# In benchmarks/phone_photos.py, modules of 0.33 mm are read in all photos with 10 pixels per mm, those of 0.25 mm in no
# photo of that resolution that is slightly out of focus.
_MIN_MODULE_MM, _SAFE_MODULE_MM, _SAFE_QUIET_ZONE = 0.25, 0.33, 4
# Limits far beyond any print; a larger raster would exhaust the memory.
_MAX_MODULE_MM, _MAX_QUIET_ZONE, _MAX_DPI, _MAX_PIXELS = 100, 100, 10_000, 30_000
_COLOUR = re.compile(r"#[0-9a-fA-F]{6}")


@dataclass(frozen=True, slots=True)
class SymbolStyle:
    """Module size, quiet zone and colours of a symbol.

    No published document fixes module size or colours of an eL-QR: the authority's test print (読取テスト) decides.
    :meth:`check` warns of a size that phones often fail to read.

    >>> SymbolStyle().side_mm, SymbolStyle(module_mm=0.5, quiet_zone=4).side_mm
    (20.74, 24.5)

    Raises:
        InvalidInputError: ``module_mm`` is not 0.25 to 100, ``quiet_zone`` is not 0 to 100, or a colour is not
            ``#rrggbb``.
    """

    module_mm: float = _MM_PER_INCH / 60
    """Side of one module in mm; by default five pixels at 300 dpi."""
    quiet_zone: int = 4
    """Width of the light margin in modules; ISO/IEC 18004 requires four."""
    dark: str = "#000000"
    """Colour of the dark modules, ``#rrggbb``."""
    light: str | None = "#ffffff"
    """Colour of the light modules and the quiet zone; ``None`` leaves them transparent."""

    def __post_init__(self) -> None:
        problems = []
        if not (isinstance(self.module_mm, int | float) and _MIN_MODULE_MM <= self.module_mm <= _MAX_MODULE_MM):
            expected = f"{_MIN_MODULE_MM} to {_MAX_MODULE_MM}"
            problems.append(Issue("PRINT_SIZE", field="module_mm", expected=expected, found=str(self.module_mm)))
        if not (isinstance(self.quiet_zone, int) and 0 <= self.quiet_zone <= _MAX_QUIET_ZONE):
            expected = f"0 to {_MAX_QUIET_ZONE}"
            problems.append(Issue("PRINT_SIZE", field="quiet_zone", expected=expected, found=str(self.quiet_zone)))
        for name, colour in (("dark", self.dark), ("light", "#ffffff" if self.light is None else self.light)):
            if not (isinstance(colour, str) and _COLOUR.fullmatch(colour)):
                problems.append(Issue("CODE_UNKNOWN", field=name, expected="#rrggbb", found=str(colour)))
        if problems:
            raise InvalidInputError(problems, "invalid symbol style")

    def check(self, dpi: int | None = None) -> list[Issue]:
        """Return a warning for modules below 0.33 mm and one for a quiet zone of fewer than four modules.

        Args:
            dpi: the resolution of a raster picture, whose modules are rounded to whole pixels; None for PDF and SVG.

        Raises:
            InvalidInputError: see :meth:`pixels_per_module`.
        """
        printed = self.module_mm if dpi is None else self.pixels_per_module(dpi) / dpi * _MM_PER_INCH
        issues = []
        if printed < _SAFE_MODULE_MM:
            expected = f"at least {_SAFE_MODULE_MM} mm"
            issues.append(Issue("MODULE_TOO_SMALL", field="module_mm", expected=expected, found=f"{printed:.3f} mm"))
        if self.quiet_zone < _SAFE_QUIET_ZONE:
            expected = f"at least {_SAFE_QUIET_ZONE}"
            issues.append(
                Issue("QUIET_ZONE_TOO_SMALL", field="quiet_zone", expected=expected, found=f"{self.quiet_zone}")
            )
        return issues

    @property
    def side_modules(self) -> int:
        """Side of the whole symbol in modules, quiet zone included."""
        return SIDE + 2 * self.quiet_zone

    @property
    def side_mm(self) -> float:
        """Side of the whole symbol in mm, quiet zone included, rounded to 0.01 mm."""
        return round(self.side_modules * self.module_mm, 2)

    def pixels_per_module(self, dpi: int) -> int:
        """Return the side of a module in whole pixels of a raster picture, at least one.

        Raises:
            InvalidInputError: ``dpi`` is not 1 to 10,000, a module rounded to whole pixels is below 0.25 mm, or the
                picture would have more than 30,000 pixels a side.
        """
        if not (isinstance(dpi, int) and 1 <= dpi <= _MAX_DPI):
            raise _invalid_dpi(f"1 to {_MAX_DPI}", str(dpi))
        pixels = max(1, round(self.module_mm / _MM_PER_INCH * dpi))
        if pixels / dpi * _MM_PER_INCH < _MIN_MODULE_MM:
            found = f"a module of {pixels} pixels, {pixels / dpi * _MM_PER_INCH:.3f} mm"
            raise _invalid_dpi(f"modules of at least {_MIN_MODULE_MM} mm", found)
        if pixels * self.side_modules > _MAX_PIXELS:
            raise _invalid_dpi(f"at most {_MAX_PIXELS} pixels a side", str(pixels * self.side_modules))
        return pixels

    def printed_mm(self, dpi: int) -> float:
        """Return the side of a raster picture in mm: :attr:`side_mm` with the module rounded to whole pixels."""
        return round(self.side_modules * self.pixels_per_module(dpi) / dpi * _MM_PER_INCH, 2)


def _invalid_dpi(expected: str, found: str) -> InvalidInputError:
    return InvalidInputError([Issue("PRINT_SIZE", field="dpi", expected=expected, found=found)], "invalid raster size")
