"""What the invented city's people pay: by eL-QR, at the store, by direct debit, twice, in part, and by mistake."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from datetime import date, time, timedelta
from itertools import groupby
from random import Random
from typing import Any

from kokin.demo._city import PAYEE
from kokin.model import Bill, BillStatus

Row = dict[str, Any]

_STORES = (("010", "セブン－イレブン"), ("020", "ローソン"), ("030", "ファミリーマート"), ("820", "PayPay"))


@dataclass
class Payments:
    """The receipts of the city, by the layout in which each of them is delivered."""

    qr: list[Row] = field(default_factory=list)
    """eL-QR, for ``kokin-csv``."""
    store: list[Row] = field(default_factory=list)
    """Barcode, for ``dsk-csv``."""
    debit: list[Row] = field(default_factory=list)
    """Direct debit, for ``zengin-91``: paid and not paid."""


def payments(bills: Iterable[Bill], seed: int) -> Payments:
    """Every way in which people pay, in shares that a city knows; the same for the same seed."""
    draw = Random(f"payments {seed}")  # noqa: S311 (a city, not a secret)
    made = Payments()
    count = 0
    for _, group in groupby(bills, key=lambda bill: (bill.payer_key, bill.item_code)):
        slips = list(group)
        count += len(slips)
        _pay_household(slips, made, draw)
    _pay_for_nothing(max(1, count // 200), made, draw)
    _deliver_twice(max(1, len(made.qr) // 1000), made, draw)
    made.qr.sort(key=lambda row: (row["paid_on"], row["paid_time"]))
    made.store.sort(key=lambda row: (row["made_day"], row["paid_on"], row["paid_time"]))
    return made


def _pay_household(slips: list[Bill], made: Payments, draw: Random) -> None:
    whole = [slip for slip in slips if slip.covers]
    if whole and draw.random() < 0.2:
        _pay(whole[0], made, draw)
        if draw.random() < 0.05:  # 全期 paid, forgotten, and a 期別 paid as well
            _pay(slips[0], made, draw)
        return
    for slip in slips:
        if slip.covers:
            continue
        if slip.customer_number is not None:
            _debit(slip, made, draw)
        elif draw.random() < (0.8 if slip.status is BillStatus.OPEN else 0.2):
            _pay(slip, made, draw)
            if draw.random() < 0.01:  # by QR and at the counter
                _pay(slip, made, draw)


def _pay(slip: Bill, made: Payments, draw: Random) -> None:
    if slip.barcode is not None and draw.random() < 0.5:
        _pay_at_the_store(slip, made, draw)
    else:
        made.qr.append(_qr_row(slip, draw))


def _qr_row(slip: Bill, draw: Random) -> Row:
    chance = draw.random()
    amount = slip.amount
    if chance < 0.01:
        amount = max(1, amount // 2)  # 内入, at a counter
    elif chance < 0.015:
        amount += 1_000  # 過納
    paid_on = _paid_on(slip.due_on, draw)
    return {
        "payee_code": slip.payee_code,
        "item_code": slip.item_code,
        "case_key": slip.case_key,
        "confirmation": slip.confirmation,
        "amount": amount,
        "paid_on": paid_on,
        "paid_time": _paid_at(draw),
        "received_on": paid_on + timedelta(days=draw.randrange(2, 9)),
        "channel": draw.choice(("app", "bank", "site")),
        "provider_key": f"EL{draw.randrange(10**12):012d}",
    }


def _pay_at_the_store(slip: Bill, made: Payments, draw: Random) -> None:
    code, name = draw.choice(_STORES)
    paid_on = _paid_on(slip.due_on, draw)
    report: Row = {
        "paid_on": paid_on,
        "paid_time": _paid_at(draw).replace(second=0),  # the file tells minutes
        "barcode": slip.barcode,
        "amount": slip.amount,
        "agent_code": code,
        "channel": name,
        "store_code": f"{draw.randrange(10**6):06d}",
    }
    made.store.append({**report, "type": "01", "made_day": paid_on + timedelta(days=1), "settled_on": None})
    chance = draw.random()
    if chance < 0.9:
        settled_on = paid_on + timedelta(days=20)
        made.store.append({**report, "type": "02", "made_day": paid_on + timedelta(days=6), "settled_on": settled_on})
    elif chance < 0.93:
        made.store.append({**report, "type": "03", "made_day": paid_on + timedelta(days=1), "settled_on": None})


def _debit(slip: Bill, made: Payments, draw: Random) -> None:
    made.debit.append(
        {
            "paid_on": slip.due_on,
            "amount": slip.amount,
            "customer_number": slip.customer_number,
            "bank_code": "9999",
            "branch_code": "001",
            "bank_name": "ﾃｽﾄｷﾞﾝｺｳ",
            "account_number": f"{draw.randrange(10**7):07d}",
            "result": "1" if draw.random() < 0.03 else "0",
        }
    )


def _pay_for_nothing(count: int, made: Payments, draw: Random) -> None:
    """Receipts whose number no bill has."""
    for _ in range(count):
        stranger = Bill.model_construct(
            bill_id="",
            payee_code=PAYEE,
            item_code="999",
            case_key=f"9{draw.randrange(10**19):019d}",
            confirmation=f"{draw.randrange(10**6):06d}",
            amount=draw.randrange(1_000, 50_000),
            due_on=date(2026, 10, 31),
        )
        made.qr.append(_qr_row(stranger, draw))


def _deliver_twice(count: int, made: Payments, draw: Random) -> None:
    """The same payment told a second time, with the operator's own number."""
    made.qr.extend(dict(row) for row in draw.sample(made.qr, min(count, len(made.qr))))


def _paid_on(due_on: date, draw: Random) -> date:
    return due_on + timedelta(days=draw.randrange(-25, 3) if draw.random() < 0.9 else draw.randrange(3, 30))


def _paid_at(draw: Random) -> time:
    return time(draw.randrange(7, 23), draw.randrange(60), draw.randrange(60))


def broken_line(columns: Iterable[str]) -> Iterator[str]:
    """The cells of a record that an editor has spoilt: an O for a zero in its amount."""
    cells = {"payee_code": PAYEE, "item_code": "999", "case_key": "1", "confirmation": "000001", "amount": "1O000"}
    return (cells.get(name, "2026-10-01" if name == "paid_on" else "") for name in columns)
