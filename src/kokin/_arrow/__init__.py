"""Columns of a batch: checked by the rules of the record, and moved between Arrow and numpy without a copy.

A record checks one value by its :class:`~kokin.model.FieldType`; a batch checks a million by the same object. A value
that breaks its rule is told in the same words, and a harmless one stands in its place, so that the rest can be worked
on.

>>> import numpy as np, pyarrow as pa
>>> from kokin.model import Digits
>>> problems = IssueBuilder(first=1, refused=np.zeros(2, np.bool_))
>>> digits = digits_column(pa.array(["12345", "1234X"]), Digits(5), "payee_code", problems, None)
>>> digits.shape, problems.refused.tolist()
((2, 5), [False, True])
>>> problems.table()["code"].to_pylist()
['NOT_DIGITS']
"""

from kokin._arrow._arrow import (
    EMPTY_STRING,
    BoolArray,
    Int32Array,
    Int64Array,
    UInt8Array,
    UInt64Array,
    as_table,
    bool_array,
    buffer_view,
    chunks,
    column_label,
    combine,
    combine_strings,
    empty_batch,
    fixed_width,
    from_numpy,
    int64_array,
    is_present,
    is_valid,
    iter_batches,
    string_array,
    take_strings,
    text_array,
    text_buffers,
    to_mask,
    to_numpy,
)
from kokin._arrow._checks import (
    day_column,
    digits_column,
    has_non_digits,
    redact_array,
    text_column,
    with_unit,
    yen_column,
)
from kokin._arrow._csv import (
    FORMULA,
    escape_formulas,
    read_records,
    write_csv,
)
from kokin._arrow._digits import (
    days_since_1970,
    from_digits,
    to_digits,
    yyyymmdd,
)
from kokin._arrow._fields import (
    check_amounts,
    check_paid_before,
    field_column,
)
from kokin._arrow._files import atomic_file, draft_folder, remove_drafts
from kokin._arrow._normalize import (
    normalize,
    normalize_column,
    type_issue,
)
from kokin._arrow._problems import (
    IssueBuilder,
    issue_schema,
)
from kokin._arrow._rows import (
    UNKNOWN_CATEGORY,
    category_codes,
    checked_table,
    location_of,
    validate_records,
    validate_table,
)
from kokin._arrow._sets import (
    difference_sorted,
    isin_sorted,
    sorted_union,
    sorted_unique,
)
from kokin._arrow._stretches import (
    CHUNK_ROWS,
    chunk_slices,
    lazy_thread_map,
    sort,
    thread_map,
)

__all__ = [
    "CHUNK_ROWS",
    "EMPTY_STRING",
    "FORMULA",
    "UNKNOWN_CATEGORY",
    "BoolArray",
    "Int32Array",
    "Int64Array",
    "IssueBuilder",
    "UInt8Array",
    "UInt64Array",
    "as_table",
    "atomic_file",
    "bool_array",
    "buffer_view",
    "category_codes",
    "check_amounts",
    "check_paid_before",
    "checked_table",
    "chunk_slices",
    "chunks",
    "column_label",
    "combine",
    "combine_strings",
    "day_column",
    "days_since_1970",
    "difference_sorted",
    "digits_column",
    "draft_folder",
    "empty_batch",
    "escape_formulas",
    "field_column",
    "fixed_width",
    "from_digits",
    "from_numpy",
    "has_non_digits",
    "int64_array",
    "is_present",
    "is_valid",
    "isin_sorted",
    "issue_schema",
    "iter_batches",
    "lazy_thread_map",
    "location_of",
    "normalize",
    "normalize_column",
    "read_records",
    "redact_array",
    "remove_drafts",
    "sort",
    "sorted_union",
    "sorted_unique",
    "string_array",
    "take_strings",
    "text_array",
    "text_buffers",
    "text_column",
    "thread_map",
    "to_digits",
    "to_mask",
    "to_numpy",
    "type_issue",
    "validate_records",
    "validate_table",
    "with_unit",
    "write_csv",
    "yen_column",
    "yyyymmdd",
]
