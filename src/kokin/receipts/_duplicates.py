"""Duplicate records of a file: found by hashes that are computed while the file is read.

Records of equal 64-bit hash are candidates. Their bytes are read again and compared, so a collision reports nothing; of
a file without duplicates nothing is read again. It needs 8 bytes of memory per record, and 48 per piece of the file.
"""

from __future__ import annotations

import hashlib
from array import array
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cache
from typing import BinaryIO

import numpy as np

from kokin._arrow.convert import Int64Array, UInt8Array, UInt64Array
from kokin._arrow.threads import isin_sorted, sorted_unique
from kokin.receipts._framing import Blank, Block, FileFraming, Frame, Lines, Piece, lines_of

# Hashes in one array: so many that the system gets its memory back when it is freed.
_CHUNK_ROWS = 1 << 22
# Hashes are searched for equal ones in parts, by their highest bits, so that only a part is sorted at a time.
_PART_BITS = 4
_SHIFT = np.uint64(64 - _PART_BITS)
# Hashes that are looked at in one step.
_STEP_ROWS = 1 << 18
# The part of the lines of a chunk that is hashed at once: eight bytes of memory for each byte.
_CACHED_BYTES = 1 << 18


# Instead of the bytes from one record to the next.
_LINES, _SINGLE = 0, -1


@cache
def _all_multipliers() -> UInt64Array:
    """Return odd multipliers, one per word or byte of a record; seeded, so that every run finds the same candidates."""
    return np.random.default_rng(seed=4711).integers(1, 1 << 62, 1 << 16, np.uint64) * np.uint64(2) + np.uint64(1)


def _multipliers(count: int) -> UInt64Array:
    multipliers = _all_multipliers()
    return multipliers[:count] if count <= len(multipliers) else np.resize(multipliers, count)


@dataclass(frozen=True)
class _Part:
    """Where a piece of the file is, to read it again."""

    first: int
    """The index of its first record among all records."""
    record_no: int
    byte_offset: int
    size: int
    """In bytes."""
    count: int
    stride: int
    """Bytes from one record to the next; or what else the piece is: ``_LINES`` and so on."""


class RecordHashes:
    """The hashes of the records of a file, in their order, and where their bytes are."""

    def __init__(self, framing: FileFraming) -> None:
        self._framing = framing
        self._chunks: list[UInt64Array] = []
        self._count = 0
        self._parts = array("q")

    def add(self, piece: Piece) -> None:
        """Add the records of the next piece of the file."""
        match piece:
            case Blank():
                return
            case Block():
                size, stride = piece.count * piece.file_stride, piece.file_stride
                hashes = self._of_rows(piece.rows[:, : piece.width])
            case Lines():
                size, stride = len(piece.content), _LINES
                hashes = self._of_lines(piece)
            case Frame():
                size, stride = len(piece.raw), _SINGLE
                hashes = self._of_frame(piece.raw)
        self._parts.extend((self._count, piece.record_no, piece.byte_offset, size, len(hashes), stride))
        while self._count + len(hashes) > len(self._chunks) * _CHUNK_ROWS:
            self._chunks.append(np.empty(_CHUNK_ROWS, np.uint64))
        for rows, chunk_rows in self._places(self._count, len(hashes)):
            chunk_rows[:] = hashes[rows]
        self._count += len(hashes)

    def _places(self, first: int, count: int) -> Iterator[tuple[slice, UInt64Array]]:
        """Yield the parts of ``count`` rows from ``first`` on, and where each of these is in its chunk."""
        at = 0
        while at < count:
            number, start = divmod(first + at, _CHUNK_ROWS)
            size = min(count - at, _CHUNK_ROWS - start)
            yield slice(at, at + size), self._chunks[number][start : start + size]
            at += size

    def duplicates(self, stream: BinaryIO) -> Iterator[tuple[Frame, int]]:
        """Yield each record that equals an earlier one, and the number of the first of these.

        Raises:
            ValueError: the stream has other bytes than those that were hashed.
        """
        candidates = self._candidates()
        first_number: dict[bytes, int] = {}
        parts = np.frombuffer(self._parts, np.int64).reshape(-1, 6)
        of_part = np.searchsorted(parts[:, 0], candidates, side="right") - 1
        for number in np.unique(of_part).tolist():
            part = _Part(*parts[number].tolist())
            frame_at = self._read_again(stream, part)
            for index in (candidates[of_part == number] - part.first).tolist():
                frame = frame_at(index)
                # Any two records that are equal have one number; 16 bytes, so that no two others have.
                earlier = first_number.setdefault(hashlib.blake2b(frame.raw, digest_size=16).digest(), frame.record_no)
                if earlier != frame.record_no:
                    yield frame, earlier

    def _candidates(self) -> Int64Array:
        """Return the index of each record whose hash another record has, too, in ascending order: int64 (k,)."""
        parts = [
            rows
            for _, chunk in self._places(0, self._count)
            for rows in np.split(chunk, range(_STEP_ROWS, len(chunk), _STEP_ROWS))
        ]
        shared: list[UInt64Array] = [np.zeros(0, np.uint64)]
        for number in range(1 << _PART_BITS):
            ordered = np.sort(np.concatenate([*shared[:1], *(rows[rows >> _SHIFT == number] for rows in parts)]))
            shared.append(ordered[1:][ordered[1:] == ordered[:-1]])
        # The order of uint64 and of int64 differ, and isin_sorted needs the latter.
        values = sorted_unique(np.concatenate(shared).view(np.int64))
        found, start = [np.zeros(0, np.int64)], 0
        for rows in parts if len(values) else ():
            found.append(start + np.flatnonzero(isin_sorted(rows.view(np.int64), values)))
            start += len(rows)
        return np.concatenate(found)

    def _read_again(self, stream: BinaryIO, part: _Part) -> Callable[[int], Frame]:
        """Return the function that returns the records of a piece, read again and compared with their hashes."""
        stream.seek(part.byte_offset)
        content = stream.read(part.size)
        if len(content) != part.size:
            raise ValueError("the file has changed")
        frame_at: Callable[[int], Frame]
        if part.stride == _SINGLE:
            frames, hashes = [Frame(part.record_no, part.byte_offset, content, True)], self._of_frame(content)
            frame_at = frames.__getitem__
        elif part.stride == _LINES:
            lines = lines_of(content, part.record_no, part.byte_offset, self._framing)
            hashes = self._of_lines(lines)
            numbers = lines.rows.tolist()
            frame_at = lambda index: lines.frame(numbers[index])  # noqa: E731
        else:
            width = self._framing.width
            block = Block(part.record_no, part.byte_offset, part.count, content, width, part.stride, part.stride)
            hashes = self._of_rows(block.rows[:, :width])
            frame_at = block.frame
        if not all(np.array_equal(hashes[rows], known) for rows, known in self._places(part.first, part.count)):
            raise ValueError("the file has changed")
        return frame_at

    def _of_lines(self, lines: Lines) -> UInt64Array:
        """Return the hash of each line that is not blank; one of the width of a record has the hash of a record."""
        lengths, width = lines.lengths[lines.rows], self._framing.width
        hashes = np.empty(len(lengths), np.uint64)
        is_record = lengths == width
        if is_record.any():
            hashes[is_record] = self._of_rows(lines.matrix(lines.rows[is_record], width))
        others = lines.rows[~is_record]
        hashes[~is_record] = _of_cells(
            np.frombuffer(lines.content, np.uint8), lines.starts[others], lines.lengths[others]
        )
        return hashes

    def _of_frame(self, raw: bytes) -> UInt64Array:
        if len(raw) == self._framing.width:
            return self._of_rows(np.frombuffer(raw, np.uint8).reshape(1, -1))
        return _of_cells(np.frombuffer(raw, np.uint8), np.zeros(1, np.int64), np.array([len(raw)]))

    @staticmethod
    def _of_rows(rows: UInt8Array) -> UInt64Array:
        """Return the multilinear hash of each row: the sum over its 8-byte words of word x multiplier, modulo 2**64."""
        padded = np.zeros((len(rows), -(-rows.shape[1] // 8) * 8), np.uint8)
        padded[:, : rows.shape[1]] = rows
        words = padded.view("<u8")
        return np.asarray((words * _multipliers(words.shape[1])).sum(axis=1, dtype=np.uint64))


def _of_cells(buffer: UInt8Array, starts: Int64Array, lengths: Int64Array) -> UInt64Array:
    """Return the multilinear hash of each of the cells: the sum over its bytes of (byte + 1) x multiplier.

    The sums are differences of running sums, modulo 2**64.
    """
    multipliers = _multipliers(int(lengths.max(initial=0)))
    hashes = np.zeros(len(starts), np.uint64)
    first = 0
    while first < len(starts):  # as many cells at once as fit into the cache, at least one
        behind = max(first + 1, int(np.searchsorted(starts, starts[first] + _CACHED_BYTES)))
        sizes = lengths[first:behind]
        stops = np.cumsum(sizes)
        position = np.arange(stops[-1]) - np.repeat(stops - sizes, sizes)  # within its cell
        summands = buffer[np.repeat(starts[first:behind], sizes) + position].astype(np.uint64)
        sums = np.zeros(stops[-1] + 1, np.uint64)
        np.cumsum((summands + np.uint64(1)) * multipliers[position], out=sums[1:])
        hashes[first:behind] = sums[stops] - sums[stops - sizes]
        first = behind
    return hashes
