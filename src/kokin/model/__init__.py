"""Bills and receipts: one definition, two forms.

A frozen record (:class:`Bill`, :class:`Receipt`) for a person who holds one, an Arrow schema (:func:`schema`) for a
batch. Both follow from the fields of the record, so they cannot drift apart.
"""

from kokin.model._bill import Bill, BillStatus
from kokin.model._fields import Day, Digits, Kind, Name, Record, Text, Yen, kinds, schema, shown
from kokin.model._outcome import Bin, Finding, Outcome
from kokin.model._receipt import Receipt, ReceiptKind

__all__ = [
    "Bill",
    "BillStatus",
    "Bin",
    "Day",
    "Digits",
    "Finding",
    "Kind",
    "Name",
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
