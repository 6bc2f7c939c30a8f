"""The eL-QR (地方税統一QRコード): 255 digits with the amount, payee, deadline and key of a payment.

>>> from datetime import date
>>> code = ElQr(payee_code="99999", office_code="001", item_code="127", case_key="1234567890", confirmation="123456",
...             amount=12300, levy_year=2026, tax_year=2026, period="00",
...             due_on=date(2026, 6, 1), payable_until=date(2026, 7, 10))
>>> len(code.payload), code.payload[-5:]
(255, '08191')
>>> parse(code.payload).amount
12300

A check returns every issue, with its field and its first digit:

>>> for issue in check(code.payload.replace("12300213800", "12400213800")):
...     print(issue.location.byte, issue.field, issue.code, issue.expected, issue.found)
29 upper_check CHECK_DIGIT 09 48
116 amount PAYLOAD_AMOUNT 00000012400 00000012300
250 crc PAYLOAD_CRC 49170 08191

The fields are checked in the same way, before a code is built:

>>> [issue.code for issue in check_fields(**code.model_dump() | {"amount": 0})]
['AMOUNT_RANGE']

Columns of a batch follow the same rules; a row with an error gets no code:

>>> import pyarrow as pa
>>> from kokin.elqr import build_many, parse_many
>>> slips = pa.Table.from_pylist([code.model_dump(), code.model_dump() | {"amount": 0}])
>>> built = build_many(slips)
>>> built.payloads.to_pylist() == [code.payload, None]
True
>>> built.issues.select(["record", "field", "code"]).to_pylist()
[{'record': 2, 'field': 'amount', 'code': 'AMOUNT_RANGE'}]
>>> parse_many(built.payloads).table["amount"].to_pylist()
[12300, None]
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

from kokin.elqr._checksums import mpn_check_digits
from kokin.elqr._code import ElQr, PayloadError, check, check_fields, is_elqr, parse, strip_scanner_marks
from kokin.elqr._layout import ELEMENTS, PAYLOAD_LENGTH, Element

if TYPE_CHECKING:
    from kokin.elqr._batch import BuildResult, ParseResult, build_many, parse_many

__all__ = [
    "ELEMENTS",
    "PAYLOAD_LENGTH",
    "BuildResult",
    "ElQr",
    "Element",
    "ParseResult",
    "PayloadError",
    "build_many",
    "check",
    "check_fields",
    "is_elqr",
    "mpn_check_digits",
    "parse",
    "parse_many",
    "strip_scanner_marks",
]

# A single code needs neither numpy nor Arrow, so the module of batches is imported on first use of these names.
_OF_BATCHES = {"BuildResult", "ParseResult", "build_many", "parse_many"}


def __getattr__(name: str) -> Any:
    if name in _OF_BATCHES:
        return getattr(import_module(f"{__name__}._batch"), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
