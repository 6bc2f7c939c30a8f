"""Bodies: what a row says, as one JSON object, written and read a column at a time.

The fields stand in the order of the table's facts; nothing, and a value that a record has by default, is left out. So
two rows that say the same have the same body.
"""

from __future__ import annotations

from collections.abc import Mapping

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.json as pa_json

from kokin._arrow.convert import combine, text_buffers
from kokin.issues import InvalidInputError, Issue
from kokin.ledger._schema import FACTS
from kokin.model import Bill

_QUOTE, _BACKSLASH, _NEWLINE, _SPACE = b'"\\\n '

#: What is not written out: the defaults of the records, where a field has one that is not nothing.
_DEFAULTS: dict[str, dict[str, str | int]] = {name: {} for name in FACTS}
_DEFAULTS["bills"] = {
    name: str(field.default) if isinstance(field.default, str) else field.default
    for name, field in Bill.model_fields.items()
    if isinstance(field.default, str | int)
}

# Bytes that are parsed at once.
_BLOCK = 1 << 22


def bodies(table: str, columns: Mapping[str, pa.Array]) -> pa.Array:
    """The bodies of rows from their facts in stored form (see :func:`kokin.ledger._forms.stored`): string (n,).

    Raises:
        InvalidInputError: a text has a control character.
    """
    pieces: list[pa.Array | str] = []

    def add(text: str) -> None:
        """Constant text is put together, to be copied once."""
        if pieces and isinstance(pieces[-1], str):
            pieces[-1] += text
        else:
            pieces.append(text)

    for field in FACTS[table]:
        column = columns.get(field.name)
        if column is not None and field.name in _DEFAULTS[table]:
            default = pa.scalar(_DEFAULTS[table][field.name], field.type)
            column = pc.if_else(pc.equal(column, default), pa.scalar(None, field.type), column)
        if column is None or column.null_count == len(column):
            continue
        mark = "" if field.type == pa.int64() else '"'
        column = column.cast(pa.string()) if field.type == pa.int64() else _escaped(column, field.name)
        name = f'{"," if pieces else "{"}"{field.name}":{mark}'
        if column.null_count:
            pieces.append(pc.fill_null(pc.binary_join_element_wise(name, column, mark, ""), ""))
        else:
            add(name)
            pieces.append(column)
            add(mark)
    if not pieces:  # every row tells something: there are none
        return pa.array([], pa.string())
    add("}")
    return pc.binary_join_element_wise(*pieces, "")


def _escaped(texts: pa.Array, name: str) -> pa.Array:
    """Texts as they stand between the quotes of JSON. Only lists have more than a line."""
    _, letters = text_buffers(texts)
    if (letters >= _SPACE).all() and not ((letters == _QUOTE) | (letters == _BACKSLASH)).any():
        return texts
    if ((letters < _SPACE) & (letters != _NEWLINE)).any():
        raise InvalidInputError(
            [Issue("CHARACTER", field=name, expected="no control characters")], "a text cannot be kept"
        )
    for sign, written in (("\\", "\\\\"), ('"', '\\"'), ("\n", "\\n")):
        texts = pc.replace_substring(texts, sign, written)
    return texts


def facts(table: str, bodies: pa.Array | pa.ChunkedArray, names: tuple[str, ...] = ()) -> pa.Table:
    """The facts that bodies tell, or some of them, in stored form, with the defaults filled in; (n,) rows."""
    wanted = pa.schema([FACTS[table].field(name) for name in names or FACTS[table].names if name in FACTS[table].names])
    if not len(bodies):
        return wanted.empty_table()
    parts = []
    for array in bodies.chunks if isinstance(bodies, pa.ChunkedArray) else [bodies]:
        lines = pc.binary_join(pa.ListArray.from_arrays(pa.array([0, len(array)], pa.int32()), array), "\n")
        parts.append(
            pa_json.read_json(
                pa.BufferReader(lines.buffers()[2]),
                pa_json.ReadOptions(block_size=_BLOCK),
                pa_json.ParseOptions(explicit_schema=wanted, unexpected_field_behavior="ignore"),
            ).select(wanted.names)
        )
    told = pa.concat_tables(parts)
    for name, default in _DEFAULTS[table].items():
        if name in wanted.names:
            place = wanted.get_field_index(name)
            told = told.set_column(place, name, pc.fill_null(told.column(name), default))
    return pa.table({name: combine(told.column(name)) for name in wanted.names})
