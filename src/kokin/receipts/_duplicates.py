"""Detail records that stand twice in one file, byte for byte."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from typing import BinaryIO

import numpy as np
import numpy.typing as npt

from kokin.issues import Issue, Place
from kokin.receipts._file import ReceiptFile
from kokin.receipts._frames import Block, Frame, blocks, frames

# Odd multipliers, one for each word of a record, the same in every run.
_MULTIPLIERS = np.random.default_rng(seed=4711).integers(1, 1 << 62, 4096, np.uint64) * np.uint64(2) + np.uint64(1)

_Marks = tuple[npt.NDArray[np.uint64], npt.NDArray[np.int64], npt.NDArray[np.int64]]


def duplicates(file: ReceiptFile) -> Iterator[Issue]:
    """A warning for each detail record that has stood in the file before; 24 bytes of memory per record.

    Equal marks are only a hint: the bytes of the records are compared. XML has no records of bytes to compare.
    """
    if file.layout.xml:
        return
    with file.opened() as stream:
        if file.framing.width:
            marked = [
                _block(piece) if isinstance(piece, Block) else _frame(piece) for piece in blocks(stream, file.framing)
            ]
        else:
            marked = [_frame(frame) for frame in frames(stream, file.framing)]
        if not marked:
            return
        marks, numbers, offsets = (np.concatenate(parts) for parts in zip(*marked, strict=True))
        order = np.lexsort((numbers, marks))
        marks = marks[order]
        equal = marks[1:] == marks[:-1]
        twice = order[np.append(equal, False) | np.insert(equal, 0, False)]
        suspects = [(int(offsets[i]), int(numbers[i])) for i in twice.tolist()]
        yield from sorted(_compared(file, stream, suspects), key=lambda issue: issue.where.record or 0)


def _block(block: Block) -> _Marks:
    """A mark for each record of a block: its words, each times a number of its own, added up modulo 2**64."""
    content = np.frombuffer(block.content, np.uint8, block.count * block.pitch).reshape(block.count, block.pitch)
    words = np.zeros((block.count, -(-block.width // 8) * 8), np.uint8)
    words[:, : block.width] = content[:, : block.width]
    values = words.view("<u8")
    marks = (values * np.resize(_MULTIPLIERS, values.shape[1])).sum(axis=1, dtype=np.uint64)
    at = np.arange(block.count)
    return marks, block.number + at, block.offsets(at)


def _frame(frame: Frame) -> _Marks:
    mark = int.from_bytes(hashlib.blake2b(frame.raw, digest_size=8).digest(), "little")
    return np.array([mark], np.uint64), np.array([frame.number]), np.array([frame.offset])


def _compared(file: ReceiptFile, stream: BinaryIO, suspects: list[tuple[int, int]]) -> Iterator[Issue]:
    """Those suspects that are detail records and the same as one before them."""
    first: dict[bytes, int] = {}
    decoder = file.decoder()
    for offset, number in suspects:
        stream.seek(offset)
        raw = stream.read(file.framing.width) if file.framing.width else stream.readline().rstrip(b"\r\n")
        before = first.setdefault(raw, number)
        kind = file.layout.kinds.get(decoder.decode(Frame(number, offset, raw, True)).kind)
        if before != number and kind and kind.role == "data":
            yield Issue("RECORD_REPEATED", found=f"record {before}", where=Place(file.source, number, offset))
