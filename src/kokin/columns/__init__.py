"""Columns of a batch: checked by the rules of the record, and moved between Arrow and numpy without a copy.

A record checks one value by its :class:`~kokin.model.Kind`; a batch checks a million by the same object. A value that
breaks its rule is told in the same words, and a harmless one stands in its place, so that the rest can be worked on.

>>> import numpy as np, pyarrow as pa
>>> from kokin.model import Digits
>>> problems = Problems(first=1, refused=np.zeros(2, np.bool_))
>>> digits = digits_column(pa.array(["12345", "1234X"]), Digits(5), "payee_code", problems, None)
>>> digits.shape, problems.refused.tolist()
((2, 5), [False, True])
>>> problems.table()["code"].to_pylist()
['NOT_DIGITS']
"""

from kokin.columns._arrow import (
    Bytes,
    Flags,
    Ints,
    bool_array,
    fixed_buffer,
    flags_of,
    int64_array,
    string_array,
    text_buffers,
    with_nulls,
)
from kokin.columns._checks import (
    counted,
    day_column,
    digits_column,
    shown_of,
    text_column,
    with_foreign_bytes,
    yen_column,
)
from kokin.columns._csv import write_csv
from kokin.columns._digits import day_numbers, days_since_1970, from_digits, to_digits
from kokin.columns._problems import Problems, issue_schema

__all__ = [
    "Bytes",
    "Flags",
    "Ints",
    "Problems",
    "bool_array",
    "counted",
    "day_column",
    "day_numbers",
    "days_since_1970",
    "digits_column",
    "fixed_buffer",
    "flags_of",
    "from_digits",
    "int64_array",
    "issue_schema",
    "shown_of",
    "string_array",
    "text_buffers",
    "text_column",
    "to_digits",
    "with_foreign_bytes",
    "with_nulls",
    "write_csv",
    "yen_column",
]
