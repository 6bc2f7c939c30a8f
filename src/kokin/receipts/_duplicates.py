"""Detail records that stand twice in one file, byte for byte."""

from __future__ import annotations

import hashlib
from array import array
from collections.abc import Iterable, Iterator
from typing import BinaryIO

import numpy as np
import numpy.typing as npt

from kokin.issues import Issue, Location
from kokin.receipts._file import ReceiptFile
from kokin.receipts._framing import Block, Frame, Lines, blocks, frame_at

# Odd multipliers, one for each word of a record, the same in every run.
_MULTIPLIERS = np.random.default_rng(seed=4711).integers(1, 1 << 62, 4096, np.uint64) * np.uint64(2) + np.uint64(1)

_Marks = tuple[npt.NDArray[np.uint64], npt.NDArray[np.int64], npt.NDArray[np.int64]]


def duplicates(file: ReceiptFile) -> Iterator[Issue]:
    """A warning for each detail record that has stood in the file before; 24 bytes of memory per record.

    Equal marks are only a hint: the bytes of the records are compared. XML has no records of bytes to compare.
    """
    if file.layout.xml:
        return
    with file.hashed() as stream:
        marks, numbers, offsets = _marked(file, stream)
        order = np.argsort(marks)
        equal = np.diff(marks[order]) == 0
        twice = np.zeros(len(marks), np.bool_)
        twice[order[1:][equal]] = True
        twice[order[:-1][equal]] = True
        yield from _compared(file, stream, zip(offsets[twice].tolist(), numbers[twice].tolist(), strict=True))


def _marked(file: ReceiptFile, stream: BinaryIO) -> _Marks:
    """A mark, the number and the first byte of every record."""
    marks, numbers, offsets = array("Q"), array("q"), array("q")
    for piece in blocks(stream, file.framing):
        if isinstance(piece, Block):
            at = np.arange(piece.count)
            marks.frombytes(_block_marks(piece).tobytes())
            numbers.frombytes((piece.record_no + at).tobytes())
            offsets.frombytes(piece.offsets(at).tobytes())
            continue
        for frame in piece if isinstance(piece, Lines) else [piece] if isinstance(piece, Frame) else []:
            marks.append(int.from_bytes(hashlib.blake2b(frame.raw, digest_size=8).digest(), "little"))
            numbers.append(frame.record_no)
            offsets.append(frame.byte_offset)
    return np.frombuffer(marks, np.uint64), np.frombuffer(numbers, np.int64), np.frombuffer(offsets, np.int64)


def _block_marks(block: Block) -> npt.NDArray[np.uint64]:
    """The words of each record, each times a number of its own, added up modulo 2**64."""
    words = np.zeros((block.count, -(-block.width // 8) * 8), np.uint8)
    words[:, : block.width] = block.rows[:, : block.width]
    values = words.view("<u8")
    return np.asarray((values * np.resize(_MULTIPLIERS, values.shape[1])).sum(axis=1, dtype=np.uint64))


def _compared(file: ReceiptFile, stream: BinaryIO, suspects: Iterable[tuple[int, int]]) -> Iterator[Issue]:
    """Those suspects that are detail records and the same as one before them."""
    first: dict[bytes, int] = {}
    decoder = file.decoder()
    for offset, number in suspects:
        frame = frame_at(stream, file.framing, number, offset)
        before = first.setdefault(frame.raw, number)
        kind = file.layout.kinds.get(decoder.decode(frame).kind)
        if before != number and kind and kind.role == "data":
            yield Issue("RECORD_REPEATED", found=f"record {before}", location=Location(file.source, number, offset))
