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
    NO_TEXT,
    Bytes,
    Flags,
    Ints,
    Rows,
    Words,
    as_table,
    batches_of,
    bool_array,
    chunks,
    column_label,
    common_width,
    fixed_buffer,
    flags_of,
    in_one,
    int64_array,
    integers,
    no_rows,
    string_array,
    take_texts,
    text_array,
    text_buffers,
    texts_in_one,
    there,
    to_arrow,
    valid,
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
from kokin.columns._csv import (
    FORMULA,
    escape_formulas,
    write_csv,
)
from kokin.columns._digits import (
    day_numbers,
    days_since_1970,
    from_digits,
    to_digits,
)
from kokin.columns._fields import (
    check_amounts,
    check_paid_before,
    field_column,
)
from kokin.columns._files import atomic_file, draft_folder, remove_drafts
from kokin.columns._normalize import (
    normalize,
    normalize_column,
    type_issue,
)
from kokin.columns._problems import (
    Problems,
    issue_schema,
)
from kokin.columns._rows import (
    UNKNOWN_WORD,
    conform,
    conformed,
    place_of,
    record_problems,
    word_codes,
)
from kokin.columns._sets import (
    distinct,
    union,
    within,
    without,
)
from kokin.columns._stretches import (
    CHUNK,
    in_threads,
    in_turn,
    sort,
    stretches,
)

__all__ = [
    "CHUNK",
    "FORMULA",
    "NO_TEXT",
    "UNKNOWN_WORD",
    "Bytes",
    "Flags",
    "Ints",
    "Problems",
    "Rows",
    "Words",
    "as_table",
    "atomic_file",
    "batches_of",
    "bool_array",
    "check_amounts",
    "check_paid_before",
    "chunks",
    "column_label",
    "common_width",
    "conform",
    "conformed",
    "counted",
    "day_column",
    "day_numbers",
    "days_since_1970",
    "digits_column",
    "distinct",
    "draft_folder",
    "escape_formulas",
    "field_column",
    "fixed_buffer",
    "flags_of",
    "from_digits",
    "in_one",
    "in_threads",
    "in_turn",
    "int64_array",
    "integers",
    "issue_schema",
    "no_rows",
    "normalize",
    "normalize_column",
    "place_of",
    "record_problems",
    "remove_drafts",
    "shown_of",
    "sort",
    "stretches",
    "string_array",
    "take_texts",
    "text_array",
    "text_buffers",
    "text_column",
    "texts_in_one",
    "there",
    "to_arrow",
    "to_digits",
    "type_issue",
    "union",
    "valid",
    "with_foreign_bytes",
    "within",
    "without",
    "word_codes",
    "write_csv",
    "yen_column",
]
