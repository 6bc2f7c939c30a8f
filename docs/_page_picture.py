"""The picture of the page of a report in README, of the synthetic city; it needs Chromium.

After a change of the page, run this and look at the picture:

    python docs/_page_picture.py
"""

from __future__ import annotations

import shutil
import subprocess
from datetime import date, datetime, time
from pathlib import Path
from tempfile import TemporaryDirectory

from PIL import Image

from kokin import intake
from kokin.demo import post_city, write_city
from kokin.ledger import Ledger
from kokin.reports import Report
from kokin.text import JAPAN

PICTURE = Path(__file__).parent / "_static" / "report-page.png"
_SLIPS, _DAY = 2_000, date(2026, 11, 28)
_WINDOW, _SIZE, _COLOURS = (1280, 800), (960, 600), 255


def draw_page(path: Path) -> None:
    """Write the picture of the first screen of the page as PNG."""
    browser = shutil.which("chromium") or shutil.which("google-chrome")
    if browser is None:
        raise SystemExit("no browser: apt-get install chromium fonts-noto-cjk")
    with TemporaryDirectory() as temporary:
        folder = Path(temporary)
        city = write_city(folder, _SLIPS, 1, _DAY)
        morning = datetime.combine(_DAY, time(9), JAPAN)
        post_city(city, folder / "city.db", morning)
        with Ledger.open(folder / "city.db") as ledger:
            status = intake.load(city.intake).check(ledger, day=_DAY, now=morning)
            report = Report.from_ledger(ledger, as_of=_DAY, since=_DAY, intake=status)
        report.write(folder / "out", formats=["html"])
        screen = folder / "screen.png"
        options = ("--headless", "--no-sandbox", "--hide-scrollbars", f"--user-data-dir={folder / 'profile'}")
        size, target = f"--window-size={_WINDOW[0]},{_WINDOW[1]}", f"--screenshot={screen}"
        page = (folder / "out" / "report.html").as_uri()
        subprocess.run([browser, *options, size, target, page], check=True, timeout=120, stderr=subprocess.DEVNULL)
        picture = Image.open(screen).convert("RGB").resize(_SIZE).quantize(_COLOURS)
    picture.save(path, optimize=True)


if __name__ == "__main__":
    draw_page(PICTURE)
