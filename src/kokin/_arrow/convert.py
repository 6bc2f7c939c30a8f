"""Conversions between Arrow and numpy, over the same memory and without a Python object per value.

``pa.array`` and ``pa.scalar`` of Python values, and ``to_numpy``, import pandas if it is installed, which takes longer
than the work; these functions do not.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.types as pt

from kokin._arrow.threads import CHUNK_ROWS, chunk_slices, thread_map
from kokin.issues import InvalidInputError, Issue
from kokin.model import ArrowStreamExportable, Bill, Receipt

#: Bytes.
UInt8Array: TypeAlias = npt.NDArray[np.uint8]
#: Yen, counts, days since 1970-01-01.
Int64Array: TypeAlias = npt.NDArray[np.int64]
#: A mask.
BoolArray: TypeAlias = npt.NDArray[np.bool_]
#: Row numbers.
Int32Array: TypeAlias = npt.NDArray[np.int32]
#: Encoded keys, and words of eight digits.
UInt64Array: TypeAlias = npt.NDArray[np.uint64]

_STRING = pa.string()
# The offsets of a `string` array are int32.
MAX_STRING_BYTES = 1 << 31

# The numpy type of each Arrow type of fixed width that Kokin uses.
_DTYPES: dict[pa.DataType, type[np.integer[Any]]] = {
    pa.uint8(): np.uint8,
    pa.int8(): np.int8,
    pa.int32(): np.int32,
    pa.int64(): np.int64,
    pa.date32(): np.int32,
    pa.time32("s"): np.int32,
}


def as_table(rows: ArrowStreamExportable) -> pa.Table:
    """Return rows as a table: a table, a record batch, or an object with ``__arrow_c_stream__``.

    Raises:
        InvalidInputError: a column has no Arrow type, such as Int128 of Polars, or a value does not fit its type.
    """
    if isinstance(rows, pa.Table):
        return rows
    if isinstance(rows, pa.RecordBatch):
        return pa.Table.from_batches([rows])
    try:
        return pa.table(rows)
    except pa.ArrowException:
        # The message of Arrow may contain a value of the table.
        raise InvalidInputError(_unsupported_columns(rows), "the table cannot be read") from None


def _unsupported_columns(frame: Any) -> list[Issue]:
    """Return an issue for each column of a data frame that cannot be converted on its own."""
    issues = []
    for number, name in enumerate(getattr(frame, "columns", ()), 1):
        try:
            pa.table(frame[[name]])
        except pa.ArrowException:
            issues.append(Issue("FIELD_TYPE", field=column_label(str(name), number), found=str(frame[name].dtype)))
        except (TypeError, KeyError, AttributeError):  # not a data frame with this way of selecting columns
            break
    return issues or [Issue("FIELD_TYPE", expected="types that Arrow has")]


def column_label(name: str, number: int) -> str:
    """Return the text for a column in an issue: its name if a record has such a field, else its number.

    In a file without a header row, the first row is read as names, so any other name may be personal data.
    """
    return name if any(name in record.model_fields for record in (Bill, Receipt)) else f"column {number}"


def iter_batches(rows: ArrowStreamExportable, size: int) -> Iterator[pa.RecordBatch]:
    """Yield the rows in batches of at most ``size`` rows, and at least one batch; a stream is read lazily."""
    source: Any
    if isinstance(rows, pa.RecordBatchReader):
        source = rows
    elif isinstance(rows, pa.Table | pa.RecordBatch) or not hasattr(rows, "__arrow_c_stream__"):
        source = as_table(rows).to_reader()
    else:
        try:
            source = pa.RecordBatchReader.from_stream(rows)
        except pa.ArrowException:
            source = as_table(rows).to_reader()  # raises with the name of the column
    is_empty = True
    for batch in source:
        for start in range(0, len(batch), size):
            is_empty = False
            yield batch.slice(start, size)
    if is_empty:
        yield empty_batch(source.schema)


def empty_batch(schema: pa.Schema) -> pa.RecordBatch:
    """Return a batch without rows."""
    return pa.record_batch([pa.nulls(0, kind) for kind in schema.types], schema=schema)


def empty_table(schema: pa.Schema) -> pa.Table:
    """Return a table without rows. ``Schema.empty_table`` does the same, and imports pandas if it is installed."""
    return pa.Table.from_batches([empty_batch(schema)])


def chunks(column: pa.ChunkedArray | pa.Array) -> list[pa.Array]:
    """Return the arrays of a column."""
    return list(column.chunks) if isinstance(column, pa.ChunkedArray) else [column]


def combine(column: pa.ChunkedArray | pa.Array) -> pa.Array:
    """Return a column as one array."""
    if isinstance(column, pa.Array):
        return column
    combined = column.combine_chunks()
    return pa.concat_arrays(combined.chunks) if isinstance(combined, pa.ChunkedArray) else combined


def combine_strings(column: pa.ChunkedArray) -> pa.Array:
    """Return texts as one array with nulls as empty texts; ``large_string`` if they are too long for ``string``."""
    column = column.cast(pa.large_string() if column.nbytes >= MAX_STRING_BYTES else pa.string())
    array = column.chunk(0) if column.num_chunks == 1 else combine(column)
    return pc.fill_null(array, EMPTY_STRING) if array.null_count else array


def from_numpy(values: npt.NDArray[Any], kind: pa.DataType, valid: BoolArray | None = None) -> pa.Array:
    """Return integers as an Arrow array, null where not ``valid``; they are copied only to change their width."""
    values = np.ascontiguousarray(values, _DTYPES[kind])
    return pa.Array.from_buffers(kind, len(values), [_validity(valid), pa.py_buffer(values)])


def int64_array(numbers: Int64Array) -> pa.Array:
    """Return an int64 array."""
    return from_numpy(numbers, pa.int64())


def bool_array(mask: BoolArray) -> pa.Array:
    """Return a boolean array."""
    return pa.Array.from_buffers(pa.bool_(), len(mask), [None, _bitmap(mask)])


def string_array(letters: UInt8Array, valid: BoolArray | None = None) -> pa.Array:
    """Return texts of one width from ASCII bytes, uint8 (n, width), C-contiguous; null where not ``valid``."""
    count, width = letters.shape
    offsets = np.arange(count + 1, dtype=np.int32) * np.int32(width)
    return pa.Array.from_buffers(pa.string(), count, [_validity(valid), pa.py_buffer(offsets), pa.py_buffer(letters)])


def text_array(texts: Sequence[str | bytes | None], kind: pa.DataType = _STRING) -> pa.Array:
    """Return a few Python texts as an array, or bytes as ``pa.binary()``; ``text_array(["x"])[0]`` is a scalar."""
    valid = np.array([text is not None for text in texts], np.bool_)
    contents = [text.encode() if isinstance(text, str) else text or b"" for text in texts]
    offsets = np.cumsum([0, *map(len, contents)], dtype=np.int32)
    buffers = [_validity(valid), pa.py_buffer(offsets), pa.py_buffer(b"".join(contents))]
    return pa.Array.from_buffers(kind, len(texts), buffers)


def _validity(valid: BoolArray | None) -> pa.Buffer | None:
    """Return the validity bitmap of an array; None if no value is null."""
    return None if valid is None or valid.all() else _bitmap(valid)


def _bitmap(mask: BoolArray) -> pa.Buffer:
    """Return a mask as an Arrow bitmap: one bit per value, least significant bit first."""
    return pa.py_buffer(np.packbits(mask, bitorder="little"))


def buffer_view(array: pa.Array, dtype: npt.DTypeLike) -> npt.NDArray[Any]:
    """Return the values of an array of fixed width without a copy; the values of nulls are undefined."""
    buffer = array.buffers()[1]
    return np.frombuffer(buffer if len(array) else b"", dtype)[array.offset :][: len(array)]


def to_numpy(column: pa.ChunkedArray | pa.Array, null: int) -> npt.NDArray[Any]:
    """Return a column of integers, dates or times in its own width, with ``null`` for nulls: (n,).

    A single chunk without nulls is not copied.
    """
    dtype = _DTYPES[column.type]
    parts = []
    for array in chunks(column):
        values = buffer_view(array, dtype)
        parts.append(np.where(is_valid(array), values, dtype(null)) if array.null_count else values)
    if len(parts) == 1:
        return parts[0]
    return np.concatenate(parts) if parts else np.empty(0, dtype)


def to_mask(array: pa.Array) -> BoolArray:
    """Return a boolean array without nulls as a mask: bool (n,)."""
    return _unpack_bits(array.buffers()[1], array)


def is_valid(array: pa.Array) -> BoolArray:
    """Return which values are not null: bool (n,)."""
    validity = array.buffers()[0]
    return np.ones(len(array), np.bool_) if validity is None or not array.null_count else _unpack_bits(validity, array)


def _unpack_bits(buffer: pa.Buffer, array: pa.Array) -> BoolArray:
    """Return the bits of the rows of an array, which may be a slice: bool (n,)."""
    first_byte, first_bit = divmod(array.offset, 8)
    byte_count = -(-(first_bit + len(array)) // 8)
    packed = np.frombuffer(buffer if len(array) else b"", np.uint8)[first_byte : first_byte + byte_count]
    return np.unpackbits(packed, count=first_bit + len(array), bitorder="little")[first_bit:].view(np.bool_)


def text_buffers(texts: pa.Array) -> tuple[npt.NDArray[Any], UInt8Array]:
    """Return the offsets of texts, (n + 1,) from 0, and their bytes; the bytes of nulls are undefined.

    ``string`` (int32 offsets) and ``large_string`` (int64) are not copied, other text types are cast to ``string``.
    """
    if texts.type not in (pa.string(), pa.large_string()):
        texts = texts.cast(pa.string())
    offset_type = np.int64 if texts.type == pa.large_string() else np.int32
    if not len(texts):
        return np.zeros(1, offset_type), np.zeros(0, np.uint8)
    _, offsets, letters = texts.buffers()
    bounds = np.frombuffer(offsets, offset_type)[texts.offset : texts.offset + len(texts) + 1]
    letters = np.frombuffer(letters or b"", np.uint8)[bounds[0] : bounds[-1]]
    return bounds - bounds[0] if bounds[0] else bounds, letters


def fixed_width(texts: pa.Array) -> int | None:
    """Return the width in bytes if every text has the same width and none is null, else None."""
    offsets, _ = text_buffers(texts)
    width = int(offsets[:2][-1])

    def has_width(rows: slice) -> bool:
        return bool((np.diff(offsets[rows.start : rows.stop + 1]) == width).all())

    return width if not texts.null_count and all(thread_map(has_width, chunk_slices(len(texts)))) else None


def take_strings(texts: pa.Array, width: int | None, rows: Int32Array) -> pa.Array:
    """Return the texts of some rows as ``string``, null for a row below 0.

    With the :func:`fixed_width` of the texts it is several times faster than Arrow.
    """
    valid = rows >= 0
    if width is None or not len(texts):
        return texts.take(from_numpy(rows, pa.int32(), valid)).cast(pa.string())
    _, letters = text_buffers(texts)
    return string_array(letters.reshape(-1, width).take(rows, axis=0, mode="clip"), valid)


def is_ascending(texts: pa.Array) -> bool:
    """Return whether each text is less than the next one; then all are different."""
    count = len(texts) - 1

    def ascends(start: int) -> bool:
        size = min(CHUNK_ROWS, count - start)
        return bool(pc.all(pc.less(texts.slice(start, size), texts.slice(start + 1, size))).as_py())

    return all(thread_map(ascends, range(0, max(count, 0), CHUNK_ROWS)))


def text_ranks(texts: pa.Array) -> Int32Array:
    """Return the position of each text among the sorted ones: int32 (n,). Texts in ascending order are not sorted."""
    ranks = np.arange(len(texts), dtype=np.int32)
    if not is_ascending(texts):
        ranks[to_numpy(pc.sort_indices(texts).cast(pa.int64()), 0)] = ranks.copy()
    return ranks


def is_present(column: pa.ChunkedArray | pa.Array) -> BoolArray:
    """Return which values are neither null nor an empty text: bool (n,)."""
    parts = [np.empty(0, np.bool_)]
    for array in chunks(column):
        present = is_valid(array)
        if not pt.is_date(array.type):
            present &= np.diff(text_buffers(array)[0]) > 0
        parts.append(present)
    return np.concatenate(parts)


#: An empty text, as a scalar.
EMPTY_STRING = text_array([""])[0]
#: A null of type ``string``, as a scalar.
NULL_STRING = text_array([None])[0]
