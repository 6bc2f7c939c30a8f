"""Layouts (レイアウト) as data: one TOML file per kind of file. The built-in ones are in this folder.

>>> layout = load("zengin-91")
>>> layout.width, layout.data.offsets["amount"], layout.data.by_id["amount"].ja
(120, 80, '引落金額')
>>> "dsk-csv" in names()
True

Wherever a name is accepted, so is the path of a TOML file; start a new one from :func:`template`. An installed package
offers layouts by name with an entry point of the group ``kokin.layouts``; see :func:`packages`.
"""

from kokin.receipts.layouts._describe import describe, template
from kokin.receipts.layouts._loader import LayoutError, load, names, packages, parse
from kokin.receipts.layouts._schema import (
    ANSWER_KEYS,
    MAPPED_RECORDS,
    UPLOAD_KEYS,
    Csv,
    Dates,
    Field,
    FieldType,
    IdentityFields,
    Layout,
    PaidCondition,
    RecordKind,
    RequestCondition,
    Rule,
    Source,
    Total,
    UploadRules,
    Xml,
)

__all__ = [
    "ANSWER_KEYS",
    "MAPPED_RECORDS",
    "UPLOAD_KEYS",
    "Csv",
    "Dates",
    "Field",
    "FieldType",
    "IdentityFields",
    "Layout",
    "LayoutError",
    "PaidCondition",
    "RecordKind",
    "RequestCondition",
    "Rule",
    "Source",
    "Total",
    "UploadRules",
    "Xml",
    "describe",
    "load",
    "names",
    "packages",
    "parse",
    "template",
]
