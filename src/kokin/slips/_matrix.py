"""The one kind of symbol that an eL-QR needs, as tables: QR Code version 6, level M, 255 digits in numeric mode.

Up to the mask, everything in a QR Code is linear over GF(2): a bit of the message flips the same modules, its own and
those of the error correction, whatever the other bits are. So the symbol of 255 digits is the XOR of 85 table rows,
one per three digits, and of a frame. A row of 41 modules is one uint64 with column 0 in its lowest bit.

Source: ISO/IEC 18004:2015; the section stands at each function.
"""

from __future__ import annotations

import functools
from collections.abc import Iterator
from typing import NamedTuple, TypeAlias

import numpy as np
import numpy.typing as npt

Words: TypeAlias = npt.NDArray[np.uint64]
Modules: TypeAlias = npt.NDArray[np.bool_]

#: The modules of a side.
SIDE = 41
#: The digits of the message, and the groups of three that become ten bits each.
DIGITS = 255
TRIPLETS = DIGITS // 3

_BLOCKS = 4
_BLOCK_DATA = 27
_BLOCK_CHECK = 16
_DATA_BITS = 8 * _BLOCKS * _BLOCK_DATA
_TRIPLET_BITS = 10
# Mode indicator 0001 and the number of digits in ten bits; the triplets follow and fill the symbol to the last bit.
_HEADER = 0b0001 << 10 | DIGITS
_HEADER_BITS = 14
# Level M in the format information.
_LEVEL_M = 0b00

_FINDER = 7
_TIMING = 6
_ALIGNMENT_CENTRE = 34
_FORMAT = 8
# The corners of the finder patterns: row and column of their first module.
_CORNERS = ((0, 0), (0, SIDE - _FINDER), (SIDE - _FINDER, 0))


def pack(modules: Modules) -> Words:
    """Modules, bool (..., 41), as rows, uint64 (...)."""
    weights = np.uint64(1) << np.arange(SIDE, dtype=np.uint64)
    rows: Words = (modules * weights).sum(axis=-1, dtype=np.uint64)
    return rows


def unpack(rows: Words) -> Modules:
    """Rows, uint64 (...), as modules, bool (..., 41); True is dark."""
    octets = rows.astype("<u8").view(np.uint8).reshape(*rows.shape, 8)
    return np.unpackbits(octets, axis=-1, count=SIDE, bitorder="little").view(np.bool_)


@functools.cache
def _function_patterns() -> tuple[Modules, Modules]:
    """The fixed modules, and which places are not for the message, both bool (41, 41).

    The format information is left light here, and the dark module with it: both are drawn after the mask is chosen.
    Section 6.3; annex E for the one alignment pattern.
    """
    dark = np.zeros((SIDE, SIDE), np.bool_)
    taken = np.zeros((SIDE, SIDE), np.bool_)
    dark[_TIMING, ::2] = dark[::2, _TIMING] = True
    taken[_TIMING, :] = taken[:, _TIMING] = True
    for top, left in _CORNERS:
        separated = np.s_[max(top - 1, 0) : top + _FINDER + 1, max(left - 1, 0) : left + _FINDER + 1]
        dark[separated] = False
        dark[top : top + _FINDER, left : left + _FINDER] = _rings(_FINDER, light_ring=2)
        taken[separated] = True
    alignment = np.s_[_ALIGNMENT_CENTRE - 2 : _ALIGNMENT_CENTRE + 3]
    dark[alignment, alignment] = _rings(5, light_ring=1)
    taken[alignment, alignment] = True
    taken[_FORMAT, : _FORMAT + 1] = taken[: _FORMAT + 1, _FORMAT] = True
    taken[_FORMAT, -_FORMAT:] = taken[-_FORMAT:, _FORMAT] = True
    return dark, taken


def _rings(side: int, light_ring: int) -> Modules:
    """A dark square with one light ring, ``light_ring`` modules away from its centre."""
    away = np.abs(np.arange(side) - side // 2)
    rings: Modules = np.maximum.outer(away, away) != light_ring
    return rings


def _message_places() -> Iterator[tuple[int, int]]:
    """Row and column of each bit of the message, in its order. Section 7.7.3."""
    _, taken = _function_patterns()
    upwards = True
    for right in (*range(SIDE - 1, _TIMING, -2), *range(_TIMING - 1, 0, -2)):
        for row in reversed(range(SIDE)) if upwards else range(SIDE):
            yield from ((row, column) for column in (right, right - 1) if not taken[row, column])
        upwards = not upwards


def _products() -> npt.NDArray[np.uint8]:
    """Every element of GF(256) times each coefficient of the generator polynomial, uint8 (256, 16). Annex A."""
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


def _check_words(block: npt.NDArray[np.uint8]) -> npt.NDArray[np.uint8]:
    """The error correction of blocks of data, uint8 (n, 27), as uint8 (n, 16). Section 7.5.2."""
    products = _products()
    rest = np.zeros((len(block), _BLOCK_CHECK), np.uint8)
    for word in block.T:
        leading = rest[:, 0] ^ word
        rest = np.pad(rest[:, 1:], ((0, 0), (0, 1))) ^ products[leading]
    return rest


def _bit_rows() -> Words:
    """The rows of the modules that each bit of the data flips, uint64 (864, 41). Sections 7.5 and 7.6."""
    bits = np.eye(_DATA_BITS, dtype=np.uint8)
    blocks = np.packbits(bits, axis=1).reshape(_DATA_BITS * _BLOCKS, _BLOCK_DATA)
    words = np.concatenate([blocks, _check_words(blocks)], axis=1)
    # Block by block in the data, word by word in the message.
    message = words.reshape(_DATA_BITS, _BLOCKS, -1).transpose(0, 2, 1).reshape(_DATA_BITS, -1)
    modules = np.zeros((_DATA_BITS, SIDE, SIDE), np.bool_)
    flipped = np.unpackbits(message, axis=1)
    places = list(_message_places())[: flipped.shape[1]]
    modules[:, [row for row, _ in places], [column for _, column in places]] = flipped
    return pack(modules)


class Tables(NamedTuple):
    """What a symbol is the XOR of; all rows are uint64."""

    frame: Words
    """The fixed patterns and the header of the message, (41,)."""
    triplets: Words
    """The modules that three digits flip, by their place and value, (85, 1024, 41)."""
    masks: Words
    """The eight data masks, (8, 41)."""
    finish: Words
    """Each mask with its format information and the dark module, (8, 41)."""


@functools.cache
def tables() -> Tables:
    """The tables, about 29 MB, made once."""
    bit_rows = _bit_rows()
    dark, taken = _function_patterns()
    frame = pack(dark)
    for bit in range(_HEADER_BITS):
        if _HEADER >> (_HEADER_BITS - 1 - bit) & 1:
            frame ^= bit_rows[bit]
    by_triplet = bit_rows[_HEADER_BITS:].reshape(TRIPLETS, _TRIPLET_BITS, SIDE)
    triplets = np.zeros((TRIPLETS, 1 << _TRIPLET_BITS, SIDE), np.uint64)
    for bit in range(_TRIPLET_BITS):
        step = 1 << bit
        triplets[:, step : 2 * step] = triplets[:, :step] ^ by_triplet[:, _TRIPLET_BITS - 1 - bit, None]
    masks = pack(_masks() & ~taken)
    return Tables(frame, triplets, masks, masks ^ pack(np.array([_format_modules(mask) for mask in range(8)])))


def _masks() -> Modules:
    """The eight patterns that may be laid over the message, bool (8, 41, 41). Section 7.8.2."""
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
    """The format information and the dark module, bool (41, 41). Section 7.9."""
    value = _LEVEL_M << 3 | mask
    rest = value << 10
    for degree in reversed(range(10, 15)):
        if rest >> degree & 1:
            rest ^= 0b10100110111 << (degree - 10)
    bits = (value << 10 | rest) ^ 0b101010000010010
    modules = np.zeros((SIDE, SIDE), np.bool_)
    # Bit 0 upwards: down the column beside the upper left finder, then left along the row below it; and once more.
    along = [0, 1, 2, 3, 4, 5, 7, 8]
    places = [(row, _FORMAT) for row in along] + [(_FORMAT, column) for column in (7, 5, 4, 3, 2, 1, 0)]
    copies = [(_FORMAT, SIDE - 1 - bit) for bit in range(8)] + [(SIDE - 15 + bit, _FORMAT) for bit in range(8, 15)]
    for bit, (place, copy) in enumerate(zip(places, copies, strict=True)):
        modules[place] = modules[copy] = bits >> bit & 1
    modules[SIDE - 8, _FORMAT] = True
    return modules
