"""A folder of files that is complete or as it was."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from kokin._arrow.files import draft_folder


@contextmanager
def replaced(out: Path, last: str) -> Iterator[Path]:
    """A draft folder beside ``out``, whose files are moved there when all of them are written.

    A new folder appears at once. In one that is there already, files of the same names are replaced one by one, and
    ``last`` comes last: without it the folder holds no complete result.
    """
    out.parent.mkdir(parents=True, exist_ok=True)
    with draft_folder(out) as draft:
        yield draft
        if not out.exists():
            draft.rename(out)
            return
        (out / last).unlink(missing_ok=True)
        for path in sorted(draft.iterdir(), key=lambda path: path.name == last):
            path.replace(out / path.name)
