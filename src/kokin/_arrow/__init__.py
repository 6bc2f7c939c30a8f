"""Arrow columns: normalised, validated by the rules of the record, and converted to numpy arrays without a copy.

The private helpers of the other packages, which import from here and not from the modules inside. A record validates
one value by its :class:`~kokin.model.FieldType`; a batch validates a whole column by the same object. An invalid value
is reported as the record reports it, and replaced by a valid placeholder, so that vectorised code can continue.

>>> import numpy as np, pyarrow as pa
>>> from kokin.model import Digits
>>> issues = IssueBuilder(first_record=1, has_error=np.zeros(2, np.bool_))
>>> digits = digits_column(pa.array(["12345", "1234X"]), Digits(5), "payee_code", issues, None)
>>> digits.shape, issues.has_error.tolist()
((2, 5), [False, True])
>>> issues.table()["code"].to_pylist()
['NOT_DIGITS']
"""

from kokin._arrow._aggregate import sum_by
from kokin._arrow._column_checks import (
    IssueBuilder,
    check_amounts,
    check_paid_before,
    day_column,
    digits_column,
    has_non_digits,
    redact_array,
    with_unit,
    yen_column,
)
from kokin._arrow._convert import (
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
from kokin._arrow._digits import (
    days_since_1970,
    digit_words,
    from_digits,
    non_digit_words,
    parse_words,
    to_digits,
    yyyymmdd,
)
from kokin._arrow._files import (
    FORMULA,
    atomic_file,
    draft_folder,
    escape_formulas,
    remove_drafts,
    write_csv,
)
from kokin._arrow._normalize import (
    normalize,
    normalize_column,
    type_issue,
)
from kokin._arrow._read_csv import read_records
from kokin._arrow._threads import (
    CHUNK_ROWS,
    chunk_slices,
    difference_sorted,
    isin_sorted,
    lazy_thread_map,
    sort,
    sorted_union,
    sorted_unique,
    thread_map,
)
from kokin._arrow._validate import (
    UNKNOWN_CATEGORY,
    category_codes,
    checked_table,
    field_column,
    location_of,
    validate_records,
    validate_table,
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
    "digit_words",
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
    "iter_batches",
    "lazy_thread_map",
    "location_of",
    "non_digit_words",
    "normalize",
    "normalize_column",
    "parse_words",
    "read_records",
    "redact_array",
    "remove_drafts",
    "sort",
    "sorted_union",
    "sorted_unique",
    "string_array",
    "sum_by",
    "take_strings",
    "text_array",
    "text_buffers",
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
