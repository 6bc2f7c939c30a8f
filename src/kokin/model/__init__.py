"""Bills and receipts: typed records, and the Arrow schema of a batch of them.

A frozen record (:class:`Bill`, :class:`Receipt`) is one row; :func:`arrow_schema` returns the schema of a table. The
schema is derived from the fields of the record, so the two cannot differ.
"""

from kokin.model._account_entry import AccountEntry, MoneyKind
from kokin.model._bill import OPTIONAL_TEXTS, Bill, BillStatus, IssuedBill
from kokin.model._decision import Decision, DecisionFields, DecisionKind
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
from kokin.model._refund import NEXT_STEPS, RefundKind, RefundPart, RefundState, RefundStep
from kokin.model._upload import UploadAnswer, UploadOperation, UploadResult

__all__ = [
    "NEXT_STEPS",
    "OPTIONAL_TEXTS",
    "AccountEntry",
    "Amounts",
    "ArrowStreamExportable",
    "Bill",
    "BillStatus",
    "Date",
    "Decision",
    "DecisionFields",
    "DecisionKind",
    "Digits",
    "Disposition",
    "FieldType",
    "Finding",
    "IssuedBill",
    "MoneyKind",
    "Names",
    "Outcome",
    "PersonalName",
    "Receipt",
    "ReceiptKind",
    "Record",
    "RefundKind",
    "RefundPart",
    "RefundState",
    "RefundStep",
    "Text",
    "UploadAnswer",
    "UploadOperation",
    "UploadResult",
    "Yen",
    "arrow_schema",
    "field_types",
    "redact",
]
