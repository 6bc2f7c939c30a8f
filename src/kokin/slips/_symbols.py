"""Many symbols at once, each equal to segno's module for module."""

from __future__ import annotations

import os
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from kokin._arrow import text_buffers
from kokin.elqr import ElQr, parse_many
from kokin.issues import InvalidInputError, Issue, Location, from_table
from kokin.slips._matrix import DIGITS, SIDE, TRIPLETS, Modules, Words, tables, unpack
from kokin.slips._penalty import best_masks

# Symbols worked on at once: enough that two threads seldom wait for the lock, few enough for the cache.
_STRETCH = 2048
# More problems than these are not told: a column with so many is the wrong column.
_MOST_TOLD = 100


@dataclass(frozen=True, slots=True, eq=False)
class Symbols:
    """QR Codes of version 6, level M, without quiet zones."""

    rows: Words
    """The modules, uint64 (n, 41): a word per row, column 0 in its lowest bit, dark is 1."""
    masks: npt.NDArray[np.uint8]
    """The data mask of each, uint8 (n)."""

    def __len__(self) -> int:
        return len(self.rows)

    def __getitem__(self, some: slice) -> Symbols:
        return Symbols(self.rows[some], self.masks[some])

    def modules(self) -> Modules:
        """The modules one by one, bool (n, 41, 41); True is dark."""
        return unpack(self.rows)


def symbols(payloads: Any, *, threads: int | None = None) -> Symbols:
    """The symbols of many codes.

    ``payloads`` is an Arrow text column or anything that offers one (without nulls: drop the rejected rows first), or a
    sequence of :class:`~kokin.elqr.ElQr` and texts, each of which must be a valid eL-QR.

    Raises:
        InvalidInputError: a text that is no valid eL-QR; the issues name the records.
    """
    column = _as_column(payloads)
    _check(column, threads)
    return draw(column, threads=threads)


def _check(column: pa.ChunkedArray, threads: int | None, start: int = 0) -> None:
    """Refuse a text that is not the 255 digits of a valid eL-QR; ``start`` rows come before the column."""
    parsed = parse_many(column, threads=threads)
    if parsed.rejected:
        issues = from_table(parsed.issues.slice(0, _MOST_TOLD))
        moved = [
            issue.with_location(replace(issue.location, record=start + (issue.location.record or 0)))
            for issue in issues
        ]
        raise InvalidInputError(moved, f"no symbols: {parsed.rejected} invalid codes")


def draw(payloads: Any, *, threads: int | None = None) -> Symbols:
    """The symbols of any 255 digits; for payloads that were built or checked before.

    Raises:
        InvalidInputError: something else than 255 digits; the issues name the records.
    """
    letters = _letters(_as_column(payloads))
    rows = np.empty((len(letters), SIDE), np.uint64)
    masks = np.empty(len(letters), np.uint8)

    def encode(start: int) -> None:
        some = slice(start, start + _STRETCH)
        rows[some], masks[some] = _encode(letters[some])

    tables()
    with ThreadPoolExecutor(threads or os.cpu_count()) as pool:
        list(pool.map(encode, range(0, len(letters), _STRETCH)))
    return Symbols(rows, masks)


def symbol_batches(payloads: Any, *, size: int = 1 << 16, threads: int | None = None) -> Iterator[Symbols]:
    """The symbols of many codes, ``size`` at a time, so that memory stays bounded; see :func:`symbols`.

    All codes are checked before the first batch is drawn.
    """
    column = _as_column(payloads)
    for start in range(0, len(column), size):
        _check(column.slice(start, size), threads, start)
    for start in range(0, len(column), size):
        yield draw(column.slice(start, size), threads=threads)


def _as_column(payloads: Any) -> pa.ChunkedArray:
    if isinstance(payloads, pa.ChunkedArray):
        return payloads
    if isinstance(payloads, pa.Array) or hasattr(payloads, "__arrow_c_stream__"):
        return pa.chunked_array(payloads if hasattr(payloads, "__arrow_c_stream__") else [payloads])
    return pa.chunked_array([[code.payload if isinstance(code, ElQr) else code for code in payloads]], pa.string())


def _letters(column: pa.ChunkedArray) -> npt.NDArray[np.uint8]:
    """The column as ASCII digits, uint8 (n, 255)."""
    texts = column.cast(pa.string()).combine_chunks()
    if isinstance(texts, pa.ChunkedArray):
        texts = pa.concat_arrays(texts.chunks) if texts.num_chunks else pa.array([], pa.string())
    offsets, letters = text_buffers(texts)
    if texts.null_count or (np.diff(offsets) != DIGITS).any() or ((letters - np.uint8(ord("0"))) > 9).any():
        raise InvalidInputError(_problems(texts), f"no symbols: each takes {DIGITS} digits")
    return letters.reshape(len(texts), DIGITS)


def _problems(texts: pa.Array) -> list[Issue]:
    problems: list[Issue] = []
    for record, text in enumerate(texts.to_pylist(), 1):
        where = Location(record=record)
        if text is None:
            problems.append(Issue("FIELD_MISSING", field="payload", location=where))
        elif len(text) != DIGITS:
            problems.append(
                Issue(
                    "PAYLOAD_LENGTH",
                    field="payload",
                    expected=f"{DIGITS} digits",
                    found=f"{len(text)} characters",
                    location=where,
                )
            )
        elif not (text.isascii() and text.isdigit()):
            problems.append(Issue("NOT_DIGITS", field="payload", expected=f"{DIGITS} digits", location=where))
        if len(problems) == _MOST_TOLD:
            break
    return problems


def _encode(letters: npt.NDArray[np.uint8]) -> tuple[Words, npt.NDArray[np.intp]]:
    """Rows, uint64 (n, 41), and masks, (n), of the symbols of ASCII digits, uint8 (n, 255)."""
    frame, triplets, _, finish = tables()
    rows = np.repeat(frame[None], len(letters), axis=0)
    for place, values in enumerate(_triplet_values(letters)):
        if (values == values[0]).all():
            rows ^= triplets[place, values[0]]
        else:
            rows ^= triplets[place].take(values, axis=0)
    masks = best_masks(np.ascontiguousarray(rows.T))
    rows ^= finish.take(masks, axis=0)
    return rows, masks


def _triplet_values(letters: npt.NDArray[np.uint8]) -> npt.NDArray[np.intp]:
    """The digits three by three as numbers, (85, n)."""
    digits = np.ascontiguousarray(letters.T).reshape(TRIPLETS, 3, -1).astype(np.intp) - ord("0")
    values: npt.NDArray[np.intp] = digits[:, 0] * 100 + digits[:, 1] * 10 + digits[:, 2]
    return values
