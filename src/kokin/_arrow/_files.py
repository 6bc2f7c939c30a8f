"""Files and folders that appear complete or not at all."""

from __future__ import annotations

import os
import secrets
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

# The end of a draft's name. Drafts begin with a dot and lie beside their target, on the same file system.
_DRAFT = ".part"


@contextmanager
def atomic_file(path: Path) -> Iterator[Path]:
    """A draft beside ``path`` that takes its place when the block ends, and is removed when the block raises.

    Readers see the old file or the whole new one. The draft is a new file with the permissions of the process's umask.
    A symbolic link is kept and its target replaced. What is no regular file, such as a pipe, is written directly.

    Raises:
        OSError: the folder cannot be written.
    """
    if path.is_relative_to("/dev") or (path.exists() and not path.is_file()):
        yield path
        return
    target = Path(os.path.realpath(path))
    draft = _draft_of(target)
    try:
        yield draft
        draft.replace(target)
    finally:
        draft.unlink(missing_ok=True)


@contextmanager
def draft_folder(path: Path) -> Iterator[Path]:
    """A new empty folder beside ``path``; it is removed at the end of the block unless it was renamed.

    Its permissions are those of the process's umask.

    Raises:
        OSError: the parent folder cannot be written.
    """
    draft = _draft_of(path)
    draft.mkdir()
    try:
        yield draft
    finally:
        shutil.rmtree(draft, ignore_errors=True)


def remove_drafts(folder: Path) -> None:
    """Remove what a process that was killed left of its drafts in a folder that no other process writes to."""
    for draft in folder.glob(f".*{_DRAFT}"):
        if draft.is_dir():
            shutil.rmtree(draft)
        else:
            draft.unlink()


def _draft_of(target: Path) -> Path:
    return target.with_name(f".{target.name}.{secrets.token_hex(8)}{_DRAFT}")
