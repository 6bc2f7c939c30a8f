"""Between numpy and Arrow over the same memory, without a Python object per value.

``pa.array``, ``pa.scalar``, whatever makes one of a Python value, and ``to_numpy`` import pandas where it is installed,
which takes longer than the work.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.types as pt

from kokin._arrow._stretches import chunk_slices, thread_map
from kokin.issues import InvalidInputError, Issue
from kokin.model import Bill, Receipt

#: Bytes.
UInt8Array: TypeAlias = npt.NDArray[np.uint8]
#: Yen, counts and days.
Int64Array: TypeAlias = npt.NDArray[np.int64]
#: A yes or no for each row.
BoolArray: TypeAlias = npt.NDArray[np.bool_]
#: Row numbers.
Int32Array: TypeAlias = npt.NDArray[np.int32]
#: Packed keys.
UInt64Array: TypeAlias = npt.NDArray[np.uint64]

_STRING = pa.string()
# The offsets of a `string` array are int32.
MAX_TEXT_BYTES = 1 << 31

# How numpy holds the columns of fixed width that are used here.
_DTYPES: dict[pa.DataType, type[np.integer[Any]]] = {
    pa.uint8(): np.uint8,
    pa.int8(): np.int8,
    pa.int32(): np.int32,
    pa.int64(): np.int64,
    pa.date32(): np.int32,
    pa.time32("s"): np.int32,
}


def as_table(rows: Any) -> pa.Table:
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
        # Arrow's message may contain a value of the table.
        raise InvalidInputError(_without_arrow_type(rows), "the table cannot be read") from None


def _without_arrow_type(rows: Any) -> list[Issue]:
    """An issue for each column of a data frame that cannot be read alone."""
    issues = []
    for number, name in enumerate(getattr(rows, "columns", ()), 1):
        try:
            pa.table(rows[[name]])
        except pa.ArrowException:
            issues.append(Issue("FIELD_TYPE", field=column_label(str(name), number), found=str(rows[name].dtype)))
        except (TypeError, KeyError, AttributeError):  # no data frame that selects columns like this
            break
    return issues or [Issue("FIELD_TYPE", expected="types that Arrow has")]


def column_label(name: str, number: int) -> str:
    """Return how an issue names a column: by its name where a record has it, else by its place.

    Of a file without a header row, the first row is taken as names, so that another name may be a person's.
    """
    return name if any(name in record.model_fields for record in (Bill, Receipt)) else f"column {number}"


def iter_batches(rows: Any, size: int) -> Iterator[pa.RecordBatch]:
    """The same rows by the batch of at most ``size``, and at least one; of a stream, only the batch at hand is read."""
    if isinstance(rows, pa.RecordBatchReader):
        source = rows
    elif isinstance(rows, pa.Table | pa.RecordBatch) or not hasattr(rows, "__arrow_c_stream__"):
        source = as_table(rows).to_reader()
    else:
        try:
            source = pa.RecordBatchReader.from_stream(rows)
        except pa.ArrowException:
            source = as_table(rows).to_reader()  # names the column
    is_empty = True
    for batch in source:
        for start in range(0, len(batch), size):
            is_empty = False
            yield batch.slice(start, size)
    if is_empty:
        yield empty_batch(source.schema)


def empty_batch(schema: pa.Schema) -> pa.RecordBatch:
    """A batch without rows."""
    return pa.record_batch([pa.nulls(0, kind) for kind in schema.types], schema=schema)


def chunks(column: pa.ChunkedArray | pa.Array) -> list[pa.Array]:
    """The arrays that a column is made of."""
    return list(column.chunks) if isinstance(column, pa.ChunkedArray) else [column]


def combine(column: pa.ChunkedArray | pa.Array) -> pa.Array:
    """A column as one array."""
    if isinstance(column, pa.Array):
        return column
    whole = column.combine_chunks()
    return pa.concat_arrays(whole.chunks) if isinstance(whole, pa.ChunkedArray) else whole


def combine_strings(column: pa.ChunkedArray) -> pa.Array:
    """A text column as one array, ``large_string`` where it is too long for ``string``; an empty text for a null."""
    column = column.cast(pa.large_string() if column.nbytes >= MAX_TEXT_BYTES else pa.string())
    array = column.chunk(0) if column.num_chunks == 1 else combine(column)
    return pc.fill_null(array, EMPTY_STRING) if array.null_count else array


def from_numpy(values: npt.NDArray[Any], kind: pa.DataType, known: BoolArray | None = None) -> pa.Array:
    """Whole numbers as an array of fixed width, null where not ``known``; not copied where they have that width."""
    values = np.ascontiguousarray(values, _DTYPES[kind])
    validity = None if known is None or known.all() else bitmap(known)
    return pa.Array.from_buffers(kind, len(values), [validity, pa.py_buffer(values)])


def int64_array(numbers: Int64Array) -> pa.Array:
    """An int64 array."""
    return from_numpy(numbers, pa.int64())


def bool_array(flags: BoolArray) -> pa.Array:
    """A boolean array."""
    return pa.Array.from_buffers(pa.bool_(), len(flags), [None, bitmap(flags)])


def string_array(letters: UInt8Array, known: BoolArray | None = None) -> pa.Array:
    """Texts of one width each from their ASCII bytes, uint8 (n, width), C-contiguous; null where not ``known``."""
    count, width = letters.shape
    offsets = np.arange(count + 1, dtype=np.int32) * np.int32(width)
    validity = None if known is None or known.all() else bitmap(known)
    return pa.Array.from_buffers(pa.string(), count, [validity, pa.py_buffer(offsets), pa.py_buffer(letters)])


def text_array(texts: Sequence[str | bytes | None], kind: pa.DataType = _STRING) -> pa.Array:
    """A few texts of Python as an array, or bytes as ``pa.binary()``; ``text_array(["x"])[0]`` is a scalar."""
    known = np.array([text is not None for text in texts], np.bool_)
    letters = [text.encode() if isinstance(text, str) else text or b"" for text in texts]
    offsets = np.cumsum([0, *map(len, letters)], dtype=np.int32)
    buffers = [None if known.all() else bitmap(known), pa.py_buffer(offsets), pa.py_buffer(b"".join(letters))]
    return pa.Array.from_buffers(kind, len(texts), buffers)


def bitmap(flags: BoolArray) -> pa.Buffer:
    """Flags as Arrow keeps them: a bit each, lowest first."""
    return pa.py_buffer(np.packbits(flags, bitorder="little"))


def buffer_view(array: pa.Array, dtype: npt.DTypeLike) -> npt.NDArray[Any]:
    """The values of an array of fixed width; what stands under a null has no meaning."""
    buffer = array.buffers()[1]
    return np.frombuffer(buffer if len(array) else b"", dtype)[array.offset :][: len(array)]


def to_numpy(column: pa.ChunkedArray | pa.Array, null: int) -> npt.NDArray[Any]:
    """The values of a column of whole numbers, days or seconds in their own width, with ``null`` for a null: (n,).

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
    """A boolean array without nulls as numpy flags: bool (n,)."""
    return _bits(array.buffers()[1], array)


def is_valid(array: pa.Array) -> BoolArray:
    """Which values are not null: bool (n,)."""
    validity = array.buffers()[0]
    return np.ones(len(array), np.bool_) if validity is None or not array.null_count else _bits(validity, array)


def _bits(buffer: pa.Buffer, array: pa.Array) -> BoolArray:
    """The bits of an array's rows."""
    first, spare = divmod(array.offset, 8)
    held = np.frombuffer(buffer if len(array) else b"", np.uint8)[first : first + -(-(spare + len(array)) // 8)]
    return np.unpackbits(held, count=spare + len(array), bitorder="little")[spare:].view(np.bool_)


def text_buffers(texts: pa.Array) -> tuple[npt.NDArray[Any], UInt8Array]:
    """The offsets of texts, (n + 1,) from 0, and their bytes; what stands under a null has no meaning.

    ``string`` (int32 offsets) and ``large_string`` (int64) are not copied, other forms of text become ``string``.
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
    """The bytes of each text where all have as many."""
    offsets, _ = text_buffers(texts)
    width = int(offsets[:2][-1])

    def has_it(some: slice) -> bool:
        return bool((np.diff(offsets[some.start : some.stop + 1]) == width).all())

    return width if not texts.null_count and all(thread_map(has_it, chunk_slices(len(texts)))) else None


def take_strings(texts: pa.Array, width: int | None, rows: Int32Array) -> pa.Array:
    """Some texts as ``string``, null for a row below 0. Where all have a ``width``, several times faster than Arrow."""
    known = rows >= 0
    if width is None or not len(texts):
        return texts.take(from_numpy(rows, pa.int32(), known)).cast(pa.string())
    _, letters = text_buffers(texts)
    return string_array(letters.reshape(-1, width).take(rows, axis=0, mode="clip"), known)


def is_present(column: pa.ChunkedArray | pa.Array) -> BoolArray:
    """Which values are neither null nor an empty text: bool (n,)."""
    parts = [np.empty(0, np.bool_)]
    for array in chunks(column):
        known = is_valid(array)
        if not pt.is_date(array.type):
            known &= np.diff(text_buffers(array)[0]) > 0
        parts.append(known)
    return np.concatenate(parts)


#: The empty text as a scalar.
EMPTY_STRING = text_array([""])[0]
