"""The values printed on a slip, as text."""

from __future__ import annotations

from datetime import date
from typing import NamedTuple

from kokin.elqr import ElQr
from kokin.issues import InvalidInputError, Issue
from kokin.model import Bill
from kokin.slips._ocr_lines import PaymentNumbers, payment_numbers
from kokin.slips._slip_wording import SlipText

_REIWA_BEGINS = date(2019, 5, 1)
_BEFORE_REIWA = 2018

_TEXT_FIELDS = ("payee", "charge", "account", "contact", "note", "how_to_pay")

#: The names of the values in a template.
VALUE_NAMES = frozenset(
    {
        *_TEXT_FIELDS,
        *PaymentNumbers.model_fields,
        *("bill_id", "amount", "levy_year", "tax_year", "period", "due_on", "payable_until"),
        *("el_number", "upper_line", "lower_line", "name", "addressee", "address"),
    }
)


class BreakdownLine(NamedTuple):
    """One line of the breakdown (内訳), as text."""

    name: str
    amount: str
    remark: str = ""
    registration: str = ""


def breakdown_lines(bill: Bill, text: SlipText) -> list[BreakdownLine]:
    """Return the parts of a bill and, of several, their total; a bill without parts is one part.

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
    lines = [
        BreakdownLine(name, _yen(amount), text.remarks.get(name, ""), text.registrations.get(name, ""))
        for name, amount in parts.items()
    ]
    if len(lines) > 1:
        lines.append(BreakdownLine("合計", _yen(bill.amount)))
    return lines


def _yen(amount: int) -> str:
    return f"{amount:,}円"


def slip_values(bill: Bill, code: ElQr, text: SlipText) -> dict[str, str]:
    """Return every value of a slip by its name in a template; the keys are :data:`VALUE_NAMES`."""
    name = bill.name or ""
    return {
        **{field: getattr(text, field) for field in _TEXT_FIELDS},
        **payment_numbers(code).model_dump(),
        "bill_id": bill.bill_id,
        "amount": f"¥{bill.amount:,}",
        "levy_year": _fiscal_year(code.levy_year),
        "tax_year": _fiscal_year(code.tax_year),
        "period": text.period or code.period,
        "due_on": format_date(code.due_on),
        "payable_until": format_date(code.payable_until) if code.payable_until else "",
        "el_number": code.el_number,
        "upper_line": code.upper_line,
        "lower_line": code.lower_line,
        "name": name,
        "addressee": f"{name}　様" if name else "",
        "address": "\n".join(text.address),
    }


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
