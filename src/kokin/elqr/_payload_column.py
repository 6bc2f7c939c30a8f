"""A column of scanned texts as a matrix of digits."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from kokin._arrow import (
    BoolArray,
    IssueBuilder,
    UInt8Array,
    bool_array,
    buffer_view,
    has_non_digits,
    text_buffers,
    to_mask,
    with_unit,
)
from kokin.elqr._parts import PAYLOAD_LENGTH, SCANNER_MARKS

# What stands in for a text that is no payload.
_NO_PAYLOAD = "0" * PAYLOAD_LENGTH


def payload_column(column: pa.Array, problems: IssueBuilder) -> UInt8Array:
    """Texts that should be payloads as ASCII digits, uint8 (n, 255); zeros where one is not."""
    missing = to_mask(column.is_null())
    problems.add("FIELD_MISSING", "payload", missing)
    texts = column.fill_null(_NO_PAYLOAD)
    offsets, letters = text_buffers(texts)
    lengths = np.diff(offsets)
    if (lengths != PAYLOAD_LENGTH).any():
        texts = pc.replace_substring_regex(texts, SCANNER_MARKS, "")
        offsets, letters = text_buffers(texts)
        lengths = np.diff(offsets)
    foreign = has_non_digits(offsets, letters) | (lengths == 0)
    if foreign.any():
        lengths = buffer_view(pc.utf8_length(texts), np.int32)
    wrong = lengths != PAYLOAD_LENGTH
    problems.add(
        "PAYLOAD_LENGTH", "payload", wrong, f"{PAYLOAD_LENGTH} digits", with_unit(lengths[wrong], "characters")
    )
    _tell_first_foreign(texts, foreign, problems)
    if wrong.any() or foreign.any():
        _, letters = text_buffers(pc.if_else(bool_array(wrong | foreign), _NO_PAYLOAD, texts))
    return letters.reshape(len(texts), PAYLOAD_LENGTH)


def _tell_first_foreign(texts: pa.Array, foreign: BoolArray, problems: IssueBuilder) -> None:
    """The first character that is no digit, and its place; all before it is ASCII, so bytes are characters."""
    kept = texts.filter(bool_array(foreign))
    rest = pc.ascii_ltrim(kept, "0123456789")
    characters = pc.utf8_slice_codeunits(rest, 0, 1).dictionary_encode()
    found = pa.array([ascii(character) for character in characters.dictionary.to_pylist()], pa.string())
    before = buffer_view(pc.subtract(pc.binary_length(kept), pc.binary_length(rest)).cast(pa.int64()), np.int64)
    problems.add("NOT_DIGITS", "payload", foreign, "digits", found.take(characters.indices), before)
