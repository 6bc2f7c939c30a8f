"""What is printed on a slip, as text: from a bill, and from what a bill does not carry."""

from __future__ import annotations

from datetime import date
from typing import Annotated, NamedTuple

from pydantic import Field

from kokin.elqr import ElQr
from kokin.issues import InvalidInputError, Issue
from kokin.model import Bill, PersonalName, Record, Text
from kokin.slips._numbers import payment_numbers

_REIWA_BEGINS = date(2019, 5, 1)
_BEFORE_REIWA = 2018


#: The names by which a template calls the values of a slip.
VALUES = frozenset(
    {
        "payee",
        "charge",
        "account",
        "contact",
        "note",
        "how_to_pay",
        "biller",
        "payment",
        "confirmation",
        "category",
        "bill_id",
        "amount",
        "levy_year",
        "tax_year",
        "period",
        "due_on",
        "payable_until",
        "el_number",
        "upper_line",
        "lower_line",
        "name",
        "addressee",
        "address",
    }
)


class SlipText(Record):
    """The words on a slip that no bill carries.

    Raises:
        InvalidInputError: a text that is too long, or has control characters.
    """

    payee: Annotated[str, Text(60, min=1)]
    """納入先: who is paid."""
    charge: Annotated[str, Text(60, min=1)]
    """税目・料金 as it is printed."""
    account: Annotated[str, Text(60)] = ""
    """口座番号・加入者名, where the slip shows one."""
    contact: Annotated[str, Text(120)] = ""
    """お問い合わせ先."""
    period: Annotated[str, Text(20)] = ""
    """期別 in words; without them the code is printed."""
    note: Annotated[str, Text(160)] = ""
    """A remark, such as the months that a bill is for."""
    how_to_pay: Annotated[str, Text(160)] = ""
    """How and where the slip can be paid."""
    address: tuple[Annotated[str, PersonalName(60)], ...] = Field(default=(), repr=False)
    """郵便番号・住所 of the payer, line by line."""
    registrations: dict[str, Annotated[str, Text(14)]] = Field(default_factory=dict)
    """登録番号 (T and 13 digits) by the name of the debt in ``Bill.parts``."""
    remarks: dict[str, Annotated[str, Text(40)]] = Field(default_factory=dict)
    """Words by the name of the debt in ``Bill.parts``, such as the tax in it."""


class DebtLine(NamedTuple):
    """One line of the table of debts."""

    name: str
    amount: str
    remark: str
    registration: str


def debt_lines(bill: Bill, texts: SlipText) -> list[DebtLine]:
    """The debts on a slip and, of several, their sum; a bill without parts is one debt.

    Raises:
        InvalidInputError: the parts do not add up to the amount, or a text is for a debt that is not on the slip.
    """
    parts = dict(bill.parts) or {texts.charge: bill.amount}
    if sum(parts.values()) != bill.amount:
        raise InvalidInputError(
            [Issue("PARTS_SUM", field="parts", expected=str(bill.amount), found=str(sum(parts.values())))]
        )
    strangers = (texts.registrations.keys() | texts.remarks.keys()) - parts.keys()
    if strangers:
        raise InvalidInputError(
            [
                Issue(
                    "FIELD_UNKNOWN",
                    field="registrations",
                    expected=", ".join(parts),
                    found=", ".join(sorted(strangers)),
                )
            ]
        )
    lines = [
        DebtLine(
            name=name,
            amount=f"{amount:,}円",
            remark=texts.remarks.get(name, ""),
            registration=texts.registrations.get(name, ""),
        )
        for name, amount in parts.items()
    ]
    if len(lines) > 1:
        lines.append(DebtLine(name="合計", amount=f"{bill.amount:,}円", remark="", registration=""))
    return lines


def slip_values(bill: Bill, code: ElQr, texts: SlipText) -> dict[str, str]:
    """Every text of a slip by the name that a template calls it."""
    upper, lower = code.upper_line, code.lower_line
    name = bill.name or ""
    return {
        **{field: getattr(texts, field) for field in ("payee", "charge", "account", "contact", "note", "how_to_pay")},
        **payment_numbers(code).model_dump(),
        "bill_id": bill.bill_id,
        "amount": f"¥{bill.amount:,}",
        "levy_year": _year(code.levy_year),
        "tax_year": _year(code.tax_year),
        "period": texts.period or code.period,
        "due_on": japanese_day(code.due_on),
        "payable_until": japanese_day(code.payable_until) if code.payable_until else "",
        "el_number": code.el_number,
        "upper_line": upper,
        "lower_line": lower,
        "name": name,
        "addressee": f"{name}　様" if name else "",
        "address": "\n".join(texts.address),
    }


def japanese_day(day: date) -> str:
    """A day in 令和; before it in years of the common era.

    >>> japanese_day(date(2026, 6, 1)), japanese_day(date(2019, 5, 1)), japanese_day(date(2019, 4, 30))
    ('令和8年6月1日', '令和元年5月1日', '2019年4月30日')
    """
    era = f"令和{_in_reiwa(day.year)}年" if day >= _REIWA_BEGINS else f"{day.year}年"
    return f"{era}{day.month}月{day.day}日"


def _year(year: int) -> str:
    """A fiscal year. The one from April 2019 is 令和元年度 on slips, though it began in 平成."""
    if not year:
        return ""
    return f"令和{_in_reiwa(year)}年度" if year > _BEFORE_REIWA else f"{year}年度"


def _in_reiwa(year: int) -> str:
    return "元" if year == _REIWA_BEGINS.year else str(year - _BEFORE_REIWA)
