"""The chain of hashes: each row's takes in the hash of the row before it.

    hash(row) = SHA-256(hash of the row before, 32 bytes | the row's bytes)

A row's bytes are its values but the hash itself, in the order of its table's columns, in UTF-8, with the character 1F
between them and 1E for nothing; a hash among them is hexadecimal. No text that is kept has either character, so no two
rows have the same bytes.
"""

from __future__ import annotations

from hashlib import sha256

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from kokin._arrow.convert import combine, text_buffers
from kokin.issues import InvalidInputError, Issue

#: What stands before the first row of a table.
START = bytes(32)

_BETWEEN, _NOTHING = "\x1f", "\x1e"


def row_bytes(table: pa.Table, columns: pa.Schema) -> list[bytes]:
    """The bytes of each row; a column that is not there holds nothing.

    A body stands last, and what is before it has no such signs: whatever it holds, it is told apart.

    Raises:
        InvalidInputError: a text has a character that is used between values.
    """
    values = []
    for field in columns:
        if field.name == "hash":
            continue
        if field.name not in table.column_names:
            values.append(pa.scalar(None, pa.string()))
            continue
        column = combine(table.column(field.name))
        if field.type == pa.string() and field.name != "body" and _has_signs(column):
            raise InvalidInputError(
                [Issue("CHARACTER", field=field.name, expected="no control characters")], "a text cannot be kept"
            )
        values.append(hexadecimal(column) if field.type == pa.binary() else column.cast(pa.string()))
    joined = pc.binary_join_element_wise(*values, _BETWEEN, null_handling="replace", null_replacement=_NOTHING)
    rows: list[bytes] = combine(joined).cast(pa.binary()).to_pylist()
    return rows


def _has_signs(texts: pa.Array) -> bool:
    _, letters = text_buffers(texts)
    return bool((np.right_shift(letters, 1) == ord(_NOTHING) >> 1).any())  # 1E and 1F


def hexadecimal(hashes: pa.Array) -> pa.Array:
    """Bytes as text; nothing stays nothing."""
    return pa.array([None if some is None else some.hex() for some in hashes.to_pylist()], pa.string())


def chained(before: bytes, rows: list[bytes]) -> list[bytes]:
    """The hash of each row, ``before`` being that of the row before the first."""
    return [before := sha256(before + row).digest() for row in rows]
