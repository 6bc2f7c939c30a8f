"""The picture of the page of a report in README, of the synthetic city; it needs Chromium.

After a change of the page, run this and look at the picture:

    python docs/_page_picture.py
"""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path
from tempfile import TemporaryDirectory

from PIL import Image

from kokin import bills, receipts
from kokin.demo import write_city
from kokin.reconcile import build_accounts, reconcile
from kokin.reports import Report

PICTURE = Path(__file__).parent / "_static" / "report-page.png"
_SLIPS = 2_000
_WINDOW, _SIZE, _COLOURS = (1280, 800), (960, 600), 64


def draw_page(path: Path) -> None:
    """Write the picture of the first screen of the page as PNG."""
    browser = shutil.which("chromium") or shutil.which("google-chrome")
    if browser is None:
        raise SystemExit("no browser: apt-get install chromium fonts-noto-cjk")
    with TemporaryDirectory() as temporary:
        folder = Path(temporary)
        city = write_city(folder, _SLIPS, 1)
        day = city.reference_date
        read = [receipts.read(file, name, reference_date=day, on_error="skip") for file, name in city.receipts]
        run = reconcile(bills.read(city.bills), read)
        Report.from_run(run, build_accounts(run)).write(folder / "out", formats=["html"])
        screen = folder / "screen.png"
        options = ("--headless", "--no-sandbox", "--hide-scrollbars", f"--user-data-dir={folder / 'profile'}")
        size, target = f"--window-size={_WINDOW[0]},{_WINDOW[1]}", f"--screenshot={screen}"
        page = (folder / "out" / "report.html").as_uri()
        subprocess.run([browser, *options, size, target, page], check=True, timeout=120, stderr=subprocess.DEVNULL)
        picture = Image.open(screen).convert("RGB").resize(_SIZE).quantize(_COLOURS)
    picture.save(path, optimize=True)


if __name__ == "__main__":
    draw_page(PICTURE)
