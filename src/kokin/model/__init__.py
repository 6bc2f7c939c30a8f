"""Bills and receipts: one definition, two forms.

A frozen record (:class:`Bill`, :class:`Receipt`) for a person who holds one, an Arrow schema (:func:`arrow_schema`) for
a batch. Both follow from the fields of the record, so they cannot drift apart.
"""

from kokin.model._bill import OPTIONAL_TEXTS, Bill, BillStatus
from kokin.model._fields import (
    Amounts,
    ArrowStreamExportable,
    Date,
    Digits,
    FieldType,
    Names,
    PersonalName,
    Record,
    Text,
    Yen,
    arrow_schema,
    field_types,
    redact,
)
from kokin.model._outcome import Disposition, Finding, Outcome
from kokin.model._receipt import Receipt, ReceiptKind

__all__ = [
    "OPTIONAL_TEXTS",
    "Amounts",
    "ArrowStreamExportable",
    "Bill",
    "BillStatus",
    "Date",
    "Digits",
    "Disposition",
    "FieldType",
    "Finding",
    "Names",
    "Outcome",
    "PersonalName",
    "Receipt",
    "ReceiptKind",
    "Record",
    "Text",
    "Yen",
    "arrow_schema",
    "field_types",
    "redact",
]
