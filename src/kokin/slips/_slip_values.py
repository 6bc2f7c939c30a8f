"""The values printed on a slip, as text."""

from __future__ import annotations

import re
from collections.abc import Sequence
from datetime import date
from typing import NamedTuple

from kokin.elqr import ElQr
from kokin.issues import InvalidInputError, Issue
from kokin.model import Bill
from kokin.slips._ocr_lines import PaymentNumbers, payment_numbers
from kokin.slips._slip_wording import SlipText

_REIWA_BEGINS = date(2019, 5, 1)
_BEFORE_REIWA = 2018

# Texts that are printed as they are.
_TEXT_FIELDS = ("payee", "charge", "account", "contact", "note", "cautions")
# Texts that are printed only on a slip with a barcode.
_STORE_FIELDS = ("stores", "agent")
# The titles of the parts, and the word for the payer, by the kind of charge. A tax has 納付 (地方税法), other public
# money 納入 (自治法231); the words of an unknown kind are used for both.
_TITLES = {
    "tax": ("領収済通知書", "納付書（原符）", "領収証書", "納税義務者"),
    "other": ("納入済通知書", "納入書（原符）", "納入通知書・領収証書", "納入義務者"),
    "": ("領収済通知書", "納付書（原符）", "領収証書", "納付者"),
}
_TITLE_FIELDS = ("notice_title", "stub_title", "receipt_title", "payer_title")
_WITHOUT_PERIOD = "00"
# 郵便番号 of digits alone, and its printed form.
_POSTAL_DIGITS, _WITH_HYPHEN = re.compile(r"(\d{3})(\d{4})", re.ASCII), r"\1-\2"

#: The names of the values in a template.
VALUE_NAMES = frozenset(
    {
        *_TEXT_FIELDS,
        *_STORE_FIELDS,
        *_TITLE_FIELDS,
        *PaymentNumbers.model_fields,
        *("notice_number", "amount", "levy_year", "tax_year", "period", "due_on", "payable_until", "store_until"),
        *("el_number", "upper_line", "lower_line", "name", "addressee", "postal_code", "address"),
        *("how_to_pay", "counter_charges"),
    }
)


class BreakdownLine(NamedTuple):
    """One line of the breakdown (内訳)."""

    name: str
    yen: int
    remark: str = ""
    registration: str = ""
    is_total: bool = False

    @property
    def amount(self) -> str:
        """The yen as text."""
        return f"{self.yen:,}円"


def breakdown_lines(bill: Bill, text: SlipText) -> list[BreakdownLine]:
    """Return the parts of a bill; a bill without parts is one part.

    Raises:
        InvalidInputError: the parts do not add up to the amount, or a registration or remark names an unknown part.
    """
    parts = dict(bill.parts) or {text.charge: bill.amount}
    if (total := sum(parts.values())) != bill.amount:
        raise InvalidInputError([Issue("PARTS_SUM", field="parts", expected=str(bill.amount), found=str(total))])
    unknown = (text.registrations.keys() | text.remarks.keys()) - parts.keys()
    if unknown:
        expected, found = ", ".join(parts), ", ".join(sorted(unknown))
        raise InvalidInputError([Issue("FIELD_UNKNOWN", field="registrations", expected=expected, found=found)])
    return [
        BreakdownLine(name, yen, text.remarks.get(name, ""), text.registrations.get(name, ""))
        for name, yen in parts.items()
    ]


def shorten(parts: Sequence[BreakdownLine], count: int) -> list[BreakdownLine]:
    """Return at most ``count`` lines of parts, and the total of several.

    The last line sums the rest (継続), so that the lines always add up to the total.

    >>> parts = [BreakdownLine("水道", 700), BreakdownLine("下水道", 500), BreakdownLine("手数料", 30)]
    >>> [(line.name, line.yen) for line in shorten(parts, 2)]
    [('水道', 700), ('ほか2件', 530), ('合計', 1230)]
    """
    lines = list(parts)
    if len(lines) > count:
        rest = lines[count - 1 :]
        lines[count - 1 :] = [BreakdownLine(f"ほか{len(rest)}件", sum(line.yen for line in rest))]
    if len(parts) > 1:
        lines.append(BreakdownLine("合計", sum(line.yen for line in parts), is_total=True))
    return lines


def slip_values(bill: Bill, code: ElQr, text: SlipText) -> dict[str, str]:
    """Return every value of a slip by its name in a template; the keys are :data:`VALUE_NAMES`."""
    name = bill.name or ""
    has_barcode = bool(bill.barcode)
    payable_until = format_date(code.payable_until) if code.payable_until else ""
    titles = zip(_TITLE_FIELDS, _TITLES[text.kind], strict=True)
    return {
        **{field: getattr(text, field) for field in _TEXT_FIELDS},
        **{field: getattr(text, field) if has_barcode else "" for field in _STORE_FIELDS},
        **{field: getattr(text, field) or title for field, title in titles},
        **payment_numbers(code).model_dump(),
        "notice_number": text.notice_number or bill.bill_id,
        "amount": f"¥{bill.amount:,}",
        "levy_year": _fiscal_year(code.levy_year),
        "tax_year": _fiscal_year(code.tax_year),
        "period": text.period or ("" if code.period == _WITHOUT_PERIOD else code.period),
        "due_on": format_date(code.due_on),
        "payable_until": payable_until,
        "store_until": payable_until if has_barcode else "",
        "el_number": code.el_number,
        "upper_line": code.upper_line,
        "lower_line": code.lower_line,
        "name": name,
        "addressee": f"{name}　{text.honorific}".rstrip() if name else "",
        "postal_code": _postal_code(bill.postal_code),
        "address": bill.address or "",
        "how_to_pay": text.how_to_pay if has_barcode else text.how_to_pay_no_store,
        "counter_charges": "1" if text.counter_charges else "",
    }


def _postal_code(code: str | None) -> str:
    """Return 郵便番号 with its mark; one of seven digits gets its hyphen."""
    if not code:
        return ""
    digits = _POSTAL_DIGITS.fullmatch(code)
    return f"〒{digits.expand(_WITH_HYPHEN) if digits else code}"


def format_date(day: date) -> str:
    """Return a date in 令和; an earlier one in years of the common era.

    >>> format_date(date(2026, 6, 1)), format_date(date(2019, 5, 1)), format_date(date(2019, 4, 30))
    ('令和8年6月1日', '令和元年5月1日', '2019年4月30日')
    """
    era = f"令和{_year_of_reiwa(day.year)}年" if day >= _REIWA_BEGINS else f"{day.year}年"
    return f"{era}{day.month}月{day.day}日"


def _fiscal_year(year: int) -> str:
    """A fiscal year. The one from April 2019 is 令和元年度 on slips, although it began in 平成."""
    if not year:
        return ""
    return f"令和{_year_of_reiwa(year)}年度" if year > _BEFORE_REIWA else f"{year}年度"


def _year_of_reiwa(year: int) -> str:
    return "元" if year == _REIWA_BEGINS.year else str(year - _BEFORE_REIWA)
