"""A prepared index on disk: plain arrays that are mapped into memory, so that a start costs nothing."""

from __future__ import annotations

import json
import mmap
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from kokin.issues import InvalidInputError, Issue, Location

_VERSION = 2
_HEAD = "index.json"
_NAMES = "bills.arrow"


def save(folder: Path, arrays: Mapping[str, npt.NDArray[Any] | None], names: pa.Table, more: Mapping[str, Any]) -> None:
    """Write arrays (one that stands under two names, once), a table of texts and what else there is.

    The head is written last: a folder without one is no index.
    """
    folder.mkdir(parents=True, exist_ok=True)
    (folder / _HEAD).unlink(missing_ok=True)
    files: dict[int, str] = {}
    for name, array in arrays.items():
        if array is not None and id(array) not in files:
            files[id(array)] = f"{name}.npy"
            np.save(folder / files[id(array)], array)
    table = names.combine_chunks()
    with pa.OSFile(str(folder / _NAMES), "wb") as sink, pa.ipc.new_file(sink, table.schema) as writer:
        writer.write_table(table, max_chunksize=max(1, len(table)))
    held = {name: None if array is None else files[id(array)] for name, array in arrays.items()}
    head = {"version": _VERSION, "arrays": held, **more}
    (folder / _HEAD).write_text(json.dumps(head, indent=1), encoding="utf-8")


def release(array: npt.NDArray[Any]) -> None:
    """Give back the memory of an array that is mapped; what is asked for again comes from the file's cache."""
    base: Any = array
    while isinstance(base, np.ndarray):
        base = base.base
    if isinstance(base, mmap.mmap) and hasattr(mmap, "MADV_DONTNEED"):
        base.madvise(mmap.MADV_DONTNEED)


def load(folder: Path) -> tuple[dict[str, Any], pa.Table, dict[str, Any]]:
    """What :func:`save` wrote, mapped into memory.

    Raises:
        InvalidInputError: the folder holds no index, or one of another version.
    """
    head = json.loads((folder / _HEAD).read_text(encoding="utf-8")) if (folder / _HEAD).is_file() else {}
    if head.get("version") != _VERSION:
        found = str(head.get("version", ""))
        raise InvalidInputError(
            [Issue("INDEX_VERSION", field="", expected=str(_VERSION), found=found, location=Location(folder.name))],
            "no index",
        )
    mapped = {name: np.asarray(np.load(folder / name, mmap_mode="r")) for name in set(head["arrays"].values()) - {None}}
    arrays = {name: None if file is None else mapped[file] for name, file in head["arrays"].items()}
    names = pa.ipc.open_file(pa.memory_map(str(folder / _NAMES))).read_all()
    return arrays, names, head
