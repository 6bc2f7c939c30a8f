"""The chain of hashes: each row's takes in the hash of the row before it.

    hash(row) = SHA-256(hash of the row before | the row's bytes), hexadecimal

A row's bytes are its values but the hash itself, in the order of its table's columns, in UTF-8, with the character 1F
between them and 1E for nothing. No text that is kept has either character, so no two rows have the same bytes.
"""

from __future__ import annotations

from hashlib import sha256

import pyarrow as pa
import pyarrow.compute as pc

from kokin.issues import Issue, RefusedError

#: What stands before the first row of a table.
START = "0" * 64

_BETWEEN, _NOTHING = "\x1f", "\x1e"


def row_bytes(table: pa.Table, columns: pa.Schema) -> list[bytes]:
    """The bytes of each row; a column that is not there holds nothing.

    Raises:
        RefusedError: a text has a character that is used between values.
    """
    values = []
    for field in columns:
        if field.name == "hash":
            continue
        if field.name not in table.column_names:
            values.append(pa.scalar(None, pa.string()))
            continue
        column = table.column(field.name)
        if field.type == pa.string() and _has_signs(column):
            raise RefusedError([Issue("CHARACTER", field.name, "no control characters")], "a text cannot be kept")
        values.append(column.cast(pa.string()))
    joined = pc.binary_join_element_wise(*values, _BETWEEN, null_handling="replace", null_replacement=_NOTHING)
    rows: list[bytes] = joined.cast(pa.binary()).to_pylist()
    return rows


def _has_signs(column: pa.ChunkedArray) -> bool:
    found = pc.any(pc.match_substring_regex(column, f"[{_BETWEEN}{_NOTHING}]")).as_py()
    return bool(found)


def chained(before: str, rows: list[bytes]) -> list[str]:
    """The hash of each row, ``before`` being that of the row before the first."""
    hashes = []
    for row in rows:
        before = sha256(before.encode() + row).hexdigest()
        hashes.append(before)
    return hashes


def follows(before: str, row: bytes, said: str) -> bool:
    """Whether a row has the hash that is said of it, ``before`` being that of the row before."""
    return sha256(before.encode() + row).hexdigest() == said
