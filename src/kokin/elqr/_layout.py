"""The layout of the 255 digits: every element with its place, width and constant.

Source: rebuilt from codes in print, digit by digit. The elements follow EMVCo's merchant-presented mode (id 2,
length 2, value), except that 62 and 80 are flat and the CRC under 63 is five decimal digits.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType

#: 地方税共同機構, the payee of every eL-QR: 機関ID of MPN.
AGENCY = "13800"


@dataclass(frozen=True, slots=True)
class Element:
    """An element of the payload (a data object of EMVCo, or a part of its value).

    ``start`` (from 0) and ``width`` count digits. ``const`` is the constant content, empty for a value.
    """

    name: str
    ja: str
    start: int
    width: int
    const: str = ""

    @property
    def span(self) -> slice:
        """The digits of the element in the payload."""
        return slice(self.start, self.start + self.width)


# Name, Japanese name, and either the width of a value or the digits of a constant.
_ROWS: tuple[tuple[str, str, int | str], ...] = (
    ("format", "ペイロード形式", "000201"),
    ("method", "静的・動的区分", "010212"),
    ("payee_element", "地方税共同機構 (ID 27)", "27960005" + AGENCY + "0183"),
    ("upper_check", "上段検査数字", 2),
    ("account", "口座番号", 11),
    ("mpn_amount", "払込金額", 11),
    ("fee_bearer", "手数料負担区分", "2"),
    ("agency", "機関ID", AGENCY),
    ("stamp_duty", "印紙税要否区分", "0"),
    ("item_code", "税目・料金番号", 3),
    ("upper_reserve", "拡張領域 (上段)", "00000"),
    ("lower_check", "下段検査数字", 2),
    ("case_key", "案件特定キー", 20),
    ("confirmation", "確認番号", 6),
    ("eltax_area", "eLTAX利用領域", "0"),
    ("payee_code", "共通納税機関コード", 5),
    ("office_code", "税務事務所コード", 3),
    ("lower_reserve", "拡張領域 (下段)", "0000000"),
    ("amount_element", "金額 (ID 54)", "5411"),
    ("amount", "金額", 11),
    ("levy_element", "賦課情報 (ID 62)", "6226"),
    ("levy_year", "賦課年度", 4),
    ("tax_year", "課税年度", 4),
    ("period", "期別", 2),
    ("due_on", "納期限", 8),
    ("payable_until", "支払期限", 8),
    ("additional_element", "付加情報２ (ID 80)", "8085"),
    ("additional", "付加情報２", 85),
    ("crc_element", "CRC (ID 63)", "6305"),
    ("crc", "CRC", 5),
)


def _elements() -> Mapping[str, Element]:
    elements = {}
    start = 0
    for name, ja, rule in _ROWS:
        width, const = (rule, "") if isinstance(rule, int) else (len(rule), rule)
        elements[name] = Element(name, ja, start, width, const)
        start += width
    return MappingProxyType(elements)


#: Every element of the payload by name, in the order of the digits.
ELEMENTS: Mapping[str, Element] = _elements()

#: The number of digits of an eL-QR: 255.
PAYLOAD_LENGTH = sum(element.width for element in ELEMENTS.values())

#: The first digits of every eL-QR, which identify it among other codes.
HEAD = "".join(ELEMENTS[name].const for name in ("format", "method", "payee_element"))

#: Characters that a scanner adds to the digits, as a regular expression: the symbology identifier of a QR Code
#: (ISO/IEC 15424, ``]Q0`` to ``]Q6``) before them, CR and LF after them.
SCANNER_MARKS = r"^\]Q[0-6]|[\r\n]+$"


def _span(first: str, last: str) -> slice:
    return slice(ELEMENTS[first].start, ELEMENTS[last].start + ELEMENTS[last].width)


#: The upper line of the MPN slip (上段): check digits 2 + 37.
UPPER_LINE = _span("upper_check", "upper_reserve")
#: The lower line of the MPN slip (下段): check digits 2 + 42.
LOWER_LINE = _span("lower_check", "lower_reserve")
