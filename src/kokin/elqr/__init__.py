"""The eL-QR (地方税統一QRコード): 255 digits that say what is paid, to whom and until when.

>>> from datetime import date
>>> code = ElQr(payee_code="99999", office_code="001", item_code="127", case_key="1234567890", confirmation="123456",
...             amount=12300, levy_year=2026, tax_year=2026, period="00",
...             due_on=date(2026, 6, 1), payable_until=date(2026, 7, 10))
>>> len(code.payload), code.payload[-5:]
(255, '08191')
>>> parse(code.payload).amount
12300

Every problem is told at once, with its field and its digit:

>>> for issue in check(code.payload.replace("12300213800", "12400213800")):
...     print(issue.where.byte, issue.field, issue.code, issue.expected, issue.found)
29 upper_check CHECK_DIGIT 09 48
116 amount PAYLOAD_AMOUNT 00000012400 00000012300
250 crc PAYLOAD_CRC 49170 08191
"""

from kokin.elqr._check_digits import mpn_check_digits
from kokin.elqr._code import ElQr, PayloadError, check, is_elqr, parse
from kokin.elqr._parts import PARTS, Part

__all__ = [
    "PARTS",
    "ElQr",
    "Part",
    "PayloadError",
    "check",
    "is_elqr",
    "mpn_check_digits",
    "parse",
]
