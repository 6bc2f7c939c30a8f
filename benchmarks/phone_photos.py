"""How small a module may be: simulated phone photos of printed symbols, read by zxing-cpp.

Each photo shows a symbol on paper: in perspective, rotated, blurred, under uneven light, with noise, as a JPEG. A cell
of the table has the number of photos that were read, for modules of a size (mm) photographed with a resolution on the
paper (pixels per mm), in sharp and in soft photos. The photos are the same in each run.

    python benchmarks/phone_photos.py [--photos N]
"""

from __future__ import annotations

import argparse
import io
from datetime import date
from importlib.metadata import version

import numpy as np
import zxingcpp
from PIL import Image, ImageFilter

from kokin import slips
from kokin.elqr import ElQr
from kokin.slips._symbol_style import SymbolStyle

MODULES_MM = (0.25, 0.30, 0.33, 25.4 / 60, 0.50)
# Pixels per mm on the paper: a video frame of 1920 x 1080 and a photo of 12 megapixels, each of the width of a slip
# (297 mm), and two distances between.
PIXELS_PER_MM = (6.5, 8, 10, 13)
# Standard deviation of the blur in pixels of the photo.
BLURS = {"sharp": 0.6, "soft": 1.2}
# The symbol is drawn with this many pixels per module before it is photographed.
SAMPLING = 16
MARGIN_MM = 8
NOISE, JPEG_QUALITY = 6.0, 60
MAX_TILT, MAX_TURN_DEGREES = 0.06, 12


def symbol(number: int) -> tuple[str, Image.Image]:
    """Return the digits of an invented eL-QR and its picture without a quiet zone, one pixel per module."""
    code = ElQr(
        payee_code="99999",
        office_code="001",
        item_code="127",
        case_key=f"{1234567890 + number}",
        confirmation=f"{number:06d}",
        amount=12_300 + number,
        levy_year=2026,
        tax_year=2026,
        period="01",
        due_on=date(2026, 6, 1),
        payable_until=date(2026, 7, 10),
    )
    modules = slips.encode([code]).modules()[0]
    return code.payload, Image.fromarray(np.where(modules, 0, 255).astype(np.uint8))


def photo(picture: Image.Image, module_mm: float, pixels_per_mm: float, blur: float, seed: int) -> Image.Image:
    """Return a photo of a symbol on white paper."""
    random = np.random.default_rng(seed)
    scale = module_mm * pixels_per_mm / SAMPLING  # pixels of the photo per pixel of the drawing
    side = picture.width * SAMPLING
    margin = round(MARGIN_MM / module_mm * SAMPLING)
    paper = Image.new("L", (side + 2 * margin, side + 2 * margin), 235)
    ink = picture.point([25] * 128 + [235] * 128)
    paper.paste(ink.resize((side, side), Image.Resampling.NEAREST), (margin, margin))
    turn = np.radians(random.uniform(-MAX_TURN_DEGREES, MAX_TURN_DEGREES) + 90 * random.integers(4))
    size = round(paper.width * scale * 1.2)
    # Of a pixel of the photo to one of the drawing: scaled, turned around the centre, tilted.
    cos, sin = np.cos(turn) / scale, np.sin(turn) / scale
    centre, middle = paper.width / 2, size / 2
    tilt_x, tilt_y = random.uniform(-MAX_TILT, MAX_TILT, 2) / middle
    matrix = np.array([[cos, -sin, centre], [sin, cos, centre], [tilt_x, tilt_y, 1.0]])
    matrix[:2] += centre * np.outer((1, 1), matrix[2] - (0, 0, 1))  # the centre of the photo shows that of the drawing
    matrix = matrix @ np.array([[1, 0, -middle], [0, 1, -middle], [0, 0, 1]])
    matrix /= matrix[2, 2]
    # What one pixel of a sensor collects: the mean of the area that it covers, before it is sampled.
    spread = ImageFilter.GaussianBlur(float(np.hypot(0.45, blur)) / scale)
    seen = paper.filter(spread).transform(
        (size, size), Image.Transform.PERSPECTIVE, tuple(matrix.ravel()[:8]), Image.Resampling.BILINEAR, fillcolor=235
    )
    light = random.uniform(0.55, 1, (2, 2))
    shade = Image.fromarray((255 * light).astype(np.uint8)).resize((size, size), Image.Resampling.BICUBIC)
    levels = np.asarray(seen) * (np.asarray(shade) / 255) + random.normal(0, NOISE, (size, size))
    file = io.BytesIO()
    Image.fromarray(levels.clip(0, 255).astype(np.uint8)).save(file, "JPEG", quality=JPEG_QUALITY)
    return Image.open(file)


def count_read(module_mm: float, pixels_per_mm: float, blur: float, photos: int) -> int:
    """Return how many of the photos zxing-cpp reads correctly."""
    read = 0
    for number in range(photos):
        payload, picture = symbol(number)
        codes = zxingcpp.read_barcodes(photo(picture, module_mm, pixels_per_mm, blur, number))
        assert all(code.text == payload for code in codes), "a symbol was read as other digits"
        read += bool(codes)
    return read


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--photos", type=int, default=16)
    photos = parser.parse_args().photos
    print(f"Read of {photos} photos, sharp / soft; zxing-cpp {version('zxing-cpp')}.\n")
    print("| module mm | " + " | ".join(f"{density:g} px/mm" for density in PIXELS_PER_MM) + " |")
    print("|---|" + "---|" * len(PIXELS_PER_MM))
    for module_mm in MODULES_MM:
        SymbolStyle(module_mm=module_mm)  # raises for a size that Kokin does not print
        cells = (
            " / ".join(str(count_read(module_mm, density, blur, photos)) for blur in BLURS.values())
            for density in PIXELS_PER_MM
        )
        print(f"| {module_mm:.3g} | " + " | ".join(cells) + " |")


if __name__ == "__main__":
    main()
