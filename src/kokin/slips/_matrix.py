"""Lookup tables for the only symbol that an eL-QR needs: QR Code version 6, level M, 255 digits in numeric mode.

Before masking, a QR Code is linear over GF(2): a bit of the message flips the same modules (its own and those of the
error correction), whatever the other bits are. So the symbol of 255 digits is the XOR of a frame and of 85 table rows,
one per three digits. A row of 41 modules is packed into one uint64 with column 0 in its lowest bit.

Source: ISO/IEC 18004:2015; each function names the section.
"""

from __future__ import annotations

import functools
from collections.abc import Iterator
from typing import NamedTuple, TypeAlias

import numpy as np
import numpy.typing as npt

PackedRows: TypeAlias = npt.NDArray[np.uint64]
Modules: TypeAlias = npt.NDArray[np.bool_]

#: Modules of a side.
SIDE = 41
#: Digits of the message, and groups of three digits, ten bits each.
DIGITS = 255
TRIPLETS = DIGITS // 3

_BLOCKS = 4
_BLOCK_DATA = 27
_BLOCK_CHECK = 16
_DATA_BITS = 8 * _BLOCKS * _BLOCK_DATA
_TRIPLET_BITS = 10
# Mode indicator 0001 and the number of digits in ten bits. The 85 triplets behind it fill the symbol to the last bit.
_HEADER = 0b0001 << 10 | DIGITS
_HEADER_BITS = 14
# Bits of level M in the format information.
_LEVEL_M = 0b00

_FINDER = 7
_TIMING = 6
_ALIGNMENT_CENTRE = 34
_FORMAT = 8
# Row and column of the upper left module of each finder pattern.
_CORNERS = ((0, 0), (0, SIDE - _FINDER), (SIDE - _FINDER, 0))


def pack(modules: Modules) -> PackedRows:
    """Pack modules, bool (..., 41), into rows, uint64 (...)."""
    weights = np.uint64(1) << np.arange(SIDE, dtype=np.uint64)
    rows: PackedRows = (modules * weights).sum(axis=-1, dtype=np.uint64)
    return rows


def unpack(rows: PackedRows) -> Modules:
    """Unpack rows, uint64 (...), into modules, bool (..., 41); True is dark."""
    octets = rows.astype("<u8").view(np.uint8).reshape(*rows.shape, 8)
    return np.unpackbits(octets, axis=-1, count=SIDE, bitorder="little").view(np.bool_)


@functools.cache
def _function_patterns() -> tuple[Modules, Modules]:
    """Return the fixed dark modules and the modules reserved for function patterns, both bool (41, 41).

    The format information and the dark module are reserved but light: they are added after the mask is chosen.
    Section 6.3; annex E for the alignment pattern.
    """
    dark = np.zeros((SIDE, SIDE), np.bool_)
    reserved = np.zeros((SIDE, SIDE), np.bool_)
    dark[_TIMING, ::2] = dark[::2, _TIMING] = True
    reserved[_TIMING, :] = reserved[:, _TIMING] = True
    for top, left in _CORNERS:
        separator = np.s_[max(top - 1, 0) : top + _FINDER + 1, max(left - 1, 0) : left + _FINDER + 1]
        dark[separator] = False
        dark[top : top + _FINDER, left : left + _FINDER] = _rings(_FINDER, light_ring=2)
        reserved[separator] = True
    alignment = np.s_[_ALIGNMENT_CENTRE - 2 : _ALIGNMENT_CENTRE + 3]
    dark[alignment, alignment] = _rings(5, light_ring=1)
    reserved[alignment, alignment] = True
    reserved[_FORMAT, : _FORMAT + 1] = reserved[: _FORMAT + 1, _FORMAT] = True
    reserved[_FORMAT, -_FORMAT:] = reserved[-_FORMAT:, _FORMAT] = True
    return dark, reserved


def _rings(side: int, light_ring: int) -> Modules:
    """Return a dark square with one light ring ``light_ring`` modules away from its centre."""
    distance = np.abs(np.arange(side) - side // 2)
    rings: Modules = np.maximum.outer(distance, distance) != light_ring
    return rings


def _message_positions() -> Iterator[tuple[int, int]]:
    """Yield row and column of each bit of the message, in order. Section 7.7.3."""
    _, reserved = _function_patterns()
    upwards = True
    for right in (*range(SIDE - 1, _TIMING, -2), *range(_TIMING - 1, 0, -2)):
        for row in reversed(range(SIDE)) if upwards else range(SIDE):
            yield from ((row, column) for column in (right, right - 1) if not reserved[row, column])
        upwards = not upwards


def _products() -> npt.NDArray[np.uint8]:
    """Return every element of GF(256) times each coefficient of the generator polynomial, uint8 (256, 16). Annex A."""
    exponents = [1]
    for _ in range(254):
        doubled = exponents[-1] << 1
        exponents.append(doubled ^ 0x11D if doubled > 0xFF else doubled)
    logs = {value: exponent for exponent, value in enumerate(exponents)}

    def times(a: int, b: int) -> int:
        return exponents[(logs[a] + logs[b]) % 255] if a and b else 0

    generator = [1]
    for root in exponents[:_BLOCK_CHECK]:
        generator = [high ^ times(low, root) for high, low in zip([*generator, 0], [0, *generator], strict=True)]
    return np.array([[times(value, factor) for factor in generator[1:]] for value in range(256)], np.uint8)


def _error_correction(blocks: npt.NDArray[np.uint8]) -> npt.NDArray[np.uint8]:
    """Return the error correction codewords, uint8 (n, 16), of data blocks, uint8 (n, 27). Section 7.5.2."""
    products = _products()
    remainder = np.zeros((len(blocks), _BLOCK_CHECK), np.uint8)
    for codeword in blocks.T:
        leading = remainder[:, 0] ^ codeword
        remainder = np.pad(remainder[:, 1:], ((0, 0), (0, 1))) ^ products[leading]
    return remainder


def _bit_rows() -> PackedRows:
    """Return the modules that each bit of the data flips, packed, uint64 (864, 41). Sections 7.5 and 7.6."""
    bits = np.eye(_DATA_BITS, dtype=np.uint8)
    blocks = np.packbits(bits, axis=1).reshape(_DATA_BITS * _BLOCKS, _BLOCK_DATA)
    codewords = np.concatenate([blocks, _error_correction(blocks)], axis=1)
    # The message interleaves the codewords of the blocks.
    message = codewords.reshape(_DATA_BITS, _BLOCKS, -1).transpose(0, 2, 1).reshape(_DATA_BITS, -1)
    modules = np.zeros((_DATA_BITS, SIDE, SIDE), np.bool_)
    flipped = np.unpackbits(message, axis=1)
    positions = list(_message_positions())[: flipped.shape[1]]
    modules[:, [row for row, _ in positions], [column for _, column in positions]] = flipped
    return pack(modules)


class Tables(NamedTuple):
    """The parts whose XOR is a symbol, as packed rows (uint64)."""

    frame: PackedRows
    """Fixed patterns and header of the message, (41,)."""
    triplets: PackedRows
    """Modules that three digits flip, by place and value, (85, 1024, 41)."""
    masks: PackedRows
    """Data masks, (8, 41)."""
    masks_with_format: PackedRows
    """Each mask with its format information and the dark module, (8, 41)."""


@functools.cache
def tables() -> Tables:
    """Return the tables, about 29 MB, built once per process."""
    bit_rows = _bit_rows()
    dark, reserved = _function_patterns()
    frame = pack(dark)
    for bit in range(_HEADER_BITS):
        if _HEADER >> (_HEADER_BITS - 1 - bit) & 1:
            frame ^= bit_rows[bit]
    by_triplet = bit_rows[_HEADER_BITS:].reshape(TRIPLETS, _TRIPLET_BITS, SIDE)
    triplets = np.zeros((TRIPLETS, 1 << _TRIPLET_BITS, SIDE), np.uint64)
    for bit in range(_TRIPLET_BITS):
        step = 1 << bit
        triplets[:, step : 2 * step] = triplets[:, :step] ^ by_triplet[:, _TRIPLET_BITS - 1 - bit, None]
    masks = pack(_masks() & ~reserved)
    return Tables(frame, triplets, masks, masks ^ pack(np.array([_format_modules(mask) for mask in range(8)])))


def _masks() -> Modules:
    """Return the eight mask patterns, bool (8, 41, 41). Section 7.8.2."""
    i, j = np.indices((SIDE, SIDE))
    product = i * j
    conditions = (
        (i + j) % 2,
        i % 2,
        j % 3,
        (i + j) % 3,
        (i // 2 + j // 3) % 2,
        product % 2 + product % 3,
        (product % 2 + product % 3) % 2,
        ((i + j) % 2 + product % 3) % 2,
    )
    return np.stack([condition == 0 for condition in conditions])


def _format_modules(mask: int) -> Modules:
    """Return the format information and the dark module, bool (41, 41). Section 7.9."""
    value = _LEVEL_M << 3 | mask
    remainder = value << 10
    for degree in reversed(range(10, 15)):
        if remainder >> degree & 1:
            remainder ^= 0b10100110111 << (degree - 10)
    bits = (value << 10 | remainder) ^ 0b101010000010010
    modules = np.zeros((SIDE, SIDE), np.bool_)
    # From bit 0: down the column beside the upper left finder pattern, then left along the row below it; and a copy of
    # the same bits beside the other two finder patterns.
    rows = [0, 1, 2, 3, 4, 5, 7, 8]
    first = [(row, _FORMAT) for row in rows] + [(_FORMAT, column) for column in (7, 5, 4, 3, 2, 1, 0)]
    second = [(_FORMAT, SIDE - 1 - bit) for bit in range(8)] + [(SIDE - 15 + bit, _FORMAT) for bit in range(8, 15)]
    for bit, positions in enumerate(zip(first, second, strict=True)):
        for position in positions:
            modules[position] = bits >> bit & 1
    modules[SIDE - 8, _FORMAT] = True
    return modules
