"""A batch against the definition of its record: column types first, then the rows that cannot be."""

from __future__ import annotations

from collections.abc import Container, Iterable
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.types as pt

from kokin.columns._arrow import Bytes, Flags, chunks, integers
from kokin.issues import Issue, Place, RefusedError
from kokin.model import Record, Yen, kinds, schema

#: What :func:`word_codes` says for a word that is not in the list.
UNKNOWN_WORD = 255


def conform(table: pa.Table, record: type[Record], used: Container[str] | None = None) -> pa.Table:
    """The columns of a table that the record knows (or of these, the used ones), in the types of its schema.

    A text column may stay ``large_string`` or a dictionary of texts; views, which cannot be taken from, are copied.

    Raises:
        RefusedError: a required column is missing, or one is of a type that does not become the schema's without loss.
    """
    problems = []
    columns = {}
    for field in schema(record):
        if field.name not in table.schema.names:
            if record.model_fields[field.name].is_required():
                problems.append(Issue("FIELD_MISSING", field.name, "a column of this name"))
            continue
        if used is not None and field.name not in used:
            continue
        column = table.column(field.name)
        kind = column.type.value_type if pt.is_dictionary(column.type) else column.type
        if pt.is_null(kind) or (kind != field.type and not (_is_text(kind) and _is_text(field.type))):
            try:
                # Yen in floats would be rounded before they came here.
                column = None if pt.is_floating(kind) else column.cast(field.type)
            except (pa.ArrowInvalid, pa.ArrowNotImplementedError):
                column = None
            if column is None:
                problems.append(Issue("FIELD_TYPE", field.name, str(field.type), str(kind)))
                continue
        columns[field.name] = column
    if problems:
        raise RefusedError(problems, f"no table of {record.__name__.lower()}s")
    return pa.table(columns)


def _is_text(kind: pa.DataType) -> bool:
    return bool(pt.is_string(kind) or pt.is_large_string(kind))


def word_codes(column: pa.ChunkedArray, words: tuple[str, ...], null: int) -> Bytes:
    """A column of few words as their places in a list: uint8 (n,), :data:`UNKNOWN_WORD` for another word."""
    parts = [np.empty(0, np.uint8)]
    for array in chunks(column):
        coded = array if pt.is_dictionary(array.type) else pc.dictionary_encode(array)
        known = [words.index(word) if word in words else UNKNOWN_WORD for word in coded.dictionary.to_pylist()]
        indices = coded.indices.cast(pa.int64()).fill_null(len(known))
        parts.append(np.array([*known, null], np.uint8)[np.frombuffer(indices.buffers()[1] or b"", np.int64)])
    return np.concatenate(parts)


def out_of_bounds(table: pa.Table, record: type[Record], names: Container[str] | None = None) -> Flags:
    """The rows with yen outside the bounds that the record sets, in any of its columns or some: bool (n,)."""
    found = np.zeros(len(table), np.bool_)
    for name, kind in kinds(record).items():
        if isinstance(kind, Yen) and name in table.schema.names and (names is None or name in names):
            column = table.column(name)
            yen = np.concatenate([np.empty(0, np.int64), *(integers(array, kind.least) for array in chunks(column))])
            found |= (yen < kind.least) | (yen > kind.most)
    return found


def record_problems(table: pa.Table, record: type[Record], suspects: Flags, place: Any = Place) -> Iterable[Issue]:
    """What is wrong in the suspected rows, each told by the record itself.

    ``place`` makes the place of a row from its number, counted from 1.
    """
    for row in np.flatnonzero(suspects).tolist():
        values = {name: value for name, value in table.slice(row, 1).to_pylist()[0].items() if value not in (None, "")}
        if "covers" in values:
            values["covers"] = tuple(values["covers"])
        try:
            record(**values)
        except RefusedError as error:
            for issue in error.issues:
                yield issue.at(place(record=row + 1))
