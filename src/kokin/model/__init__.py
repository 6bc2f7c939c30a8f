"""Bills and receipts: one definition, two forms.

A frozen record (:class:`Bill`, :class:`Receipt`) for a person who holds one, an Arrow schema (:func:`schema`) for a
batch. Both follow from the fields of the record, so they cannot drift apart.
"""

from kokin.model._bill import OPTIONAL_TEXTS, Bill, BillStatus
from kokin.model._fields import Amounts, Day, Digits, Kind, Name, Names, Record, Text, Yen, kinds, schema, shown
from kokin.model._outcome import Bin, Finding, Outcome
from kokin.model._receipt import Receipt, ReceiptKind

__all__ = [
    "OPTIONAL_TEXTS",
    "Amounts",
    "Bill",
    "BillStatus",
    "Bin",
    "Day",
    "Digits",
    "Finding",
    "Kind",
    "Name",
    "Names",
    "Outcome",
    "Receipt",
    "ReceiptKind",
    "Record",
    "Text",
    "Yen",
    "kinds",
    "schema",
    "shown",
]
