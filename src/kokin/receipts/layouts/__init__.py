"""Layouts (レイアウト) as data: one TOML file per kind of file, Kokin's own beside this page.

>>> layout = load("zengin-91")
>>> layout.width, layout.data.offsets["amount"], layout.data.by_id["amount"].ja
(120, 80, '引落金額')
>>> "dsk-csv" in names()
True

A layout of your own is a TOML file whose path stands wherever a name does; :func:`template` is one to begin from.
"""

from kokin.receipts.layouts._load import LayoutError, load, names, parse
from kokin.receipts.layouts._model import (
    Csv,
    Dates,
    Field,
    FieldType,
    Identity,
    Layout,
    Paid,
    RecordKind,
    Request,
    Rule,
    Source,
    Total,
    Xml,
)
from kokin.receipts.layouts._table import table, template

__all__ = [
    "Csv",
    "Dates",
    "Field",
    "FieldType",
    "Identity",
    "Layout",
    "LayoutError",
    "Paid",
    "RecordKind",
    "Request",
    "Rule",
    "Source",
    "Total",
    "Xml",
    "load",
    "names",
    "parse",
    "table",
    "template",
]
