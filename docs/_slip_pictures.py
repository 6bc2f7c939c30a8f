"""The pictures of slips in the guide, printed from its example files by the command on the page.

After a change of the templates, the example files or the drawing, run this and look at the pictures:

    python docs/_slip_pictures.py
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryDirectory

import pypdfium2
from PIL.Image import Image

from kokin import slips

DOCS = Path(__file__).parent
EXAMPLES = DOCS.parent / "examples"
_DPI = 130


def slip_pictures() -> Iterator[tuple[Path, Image]]:
    """Yield the file and the picture of the first example slip in each template."""
    for template in ("strip", "a4"):
        with TemporaryDirectory() as folder:
            slips.make(
                EXAMPLES / "slip-bills.csv",
                Path(folder) / "example",
                slips.OutputFormat.PDF,
                wording=EXAMPLES / "slip-words.toml",
                notes=EXAMPLES / "slip-notes.csv",
                template=template,
            )
            with pypdfium2.PdfDocument(Path(folder) / "example" / "part-00001.pdf") as document:
                picture = document[0].render(scale=_DPI / 72).to_pil().convert("P", palette=1, colors=64)
        yield DOCS / "_static" / f"slip-{template}.png", picture


if __name__ == "__main__":
    for path, picture in slip_pictures():
        picture.save(path, optimize=True)
