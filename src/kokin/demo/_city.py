"""An invented city (authority 99999, fiscal year 2026): its bills, the payments, and the files of each channel."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import date, time, timedelta
from itertools import count as count_from
from itertools import groupby, islice
from pathlib import Path
from random import Random
from typing import Any

from kokin import bills as bill_files
from kokin import receipts
from kokin._arrow.files import atomic_file
from kokin.issues import InvalidInputError, Issue
from kokin.model import Bill, BillStatus
from kokin.rules import instalments, shift_due_date
from kokin.text import gs1_check_digit

# The codes of the city. 99999 is not assigned to any authority.
_PAYEE, _OFFICE, _COMPANY = "99999", "001", "929999"

# The day of the direct debit (口座振替日) of water and nursery fees.
_DEBITED_ON = date(2026, 10, 26)
# The date to which dates without a year are nearest.
_REFERENCE_DATE = date(2026, 10, 31)

_YEAR = 2026
_DAYS_TO_PAY = 30
# 標準料金代理収納: no barcode above this amount.
_BARCODE_LIMIT = 300_000
# The receipt files by layout; `write_city` writes them in this order.
_QR, _STORE, _DEBIT = "kokin-csv", "dsk-csv", "zengin-91"
_FILES = {_QR: "eltax.csv", _STORE: "stores.csv", _DEBIT: "debit.txt"}
_DEBIT_HEADER = {"consignor_name": "ﾃｽﾄｼ", "bank_code": "9999"}
_STORES = (("010", "セブン－イレブン"), ("020", "ローソン"), ("030", "ファミリーマート"), ("820", "PayPay"))

_Row = dict[str, Any]
# A layout of receipts, and a row of its file.
_Payment = tuple[str, _Row]


@dataclass(frozen=True, slots=True)
class CityFiles:
    """The paths of the files of a city."""

    bills: Path
    receipts: tuple[tuple[Path, str], ...]
    """Each receipt file with its layout."""
    reference_date: date
    """The reference date of the direct debit file, whose dates are MMDD."""


def write_city(folder: str | Path, count: int, seed: int) -> CityFiles:
    """Write ``bills.csv`` with ``count`` slips, and the receipt files of their payments.

    One record of ``eltax.csv`` is invalid on purpose.

    Raises:
        InvalidInputError: ``count`` is negative.
        OSError: the folder cannot be written.
    """
    if count < 0:
        raise InvalidInputError([Issue("AMOUNT_RANGE", field="count", expected="0 or more", found=str(count))])
    folder = Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    bills = list(_bills(count, seed))
    bill_files.write(bills, folder / "bills.csv")
    written = []
    for layout, rows in _payments(bills, seed).items():
        if rows:
            path = folder / _FILES[layout]
            receipts.write(rows, path, layout, header=_DEBIT_HEADER if layout == _DEBIT else None)
            written.append((path, layout))
    _insert_invalid_record(folder / _FILES[_QR])
    return CityFiles(folder / "bills.csv", tuple(written), _REFERENCE_DATE)


def _insert_invalid_record(path: Path) -> None:
    """Insert a record into the middle of a CSV whose amount has the letter O instead of a zero, as an editor might."""
    lines = path.read_text(encoding="utf-8").splitlines(keepends=True)
    values = {"payee_code": _PAYEE, "item_code": "999", "case_key": "1", "confirmation": "000001", "amount": "1O000"}
    record = [values.get(name, "2026-10-01" if name == "paid_on" else "") for name in lines[0].strip().split(",")]
    lines.insert(len(lines) // 2 + 1, ",".join(record) + "\n")
    with atomic_file(path) as draft:
        draft.write_text("".join(lines), encoding="utf-8")


# --- bills ------------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class _Levy:
    """A charge of the city, with an invented 税目・料金番号, and the shares and amounts of its bills."""

    system: str
    charge: str
    item_code: str
    share: int
    """Percent of the households that get a bill."""
    min_yen: int
    max_yen: int
    due: tuple[date, ...]
    """納期限 of each term, before it is shifted."""
    whole_year: bool = False
    """Whether there is a slip for the whole year (全期) too."""
    debit: float = 0.0
    """The share of slips that are paid by direct debit."""


_LEVIES = (
    _Levy(
        "fixed-asset-tax",
        "fixed-asset-tax",
        "901",
        20,
        4_000,
        400_000,
        (date(2026, 4, 30), date(2026, 7, 31), date(2026, 12, 25), date(2027, 2, 28)),
        whole_year=True,
    ),
    _Levy(
        "individual-resident-tax",
        "individual-resident-tax",
        "902",
        20,
        5_000,
        600_000,
        (date(2026, 6, 30), date(2026, 8, 31), date(2026, 10, 31), date(2027, 1, 31)),
        whole_year=True,
    ),
    _Levy("light-vehicle-tax", "light-vehicle-tax", "903", 15, 2_000, 12_900, (date(2026, 5, 31),)),
    _Levy(
        "national-health-insurance",
        "national-health-insurance-premium",
        "911",
        10,
        3_000,
        90_000,
        (date(2026, 10, 31),),
    ),
    _Levy("long-term-care-insurance", "long-term-care-premium", "912", 10, 2_000, 20_000, (date(2026, 10, 31),)),
    _Levy("water", "water-charge", "921", 20, 2_000, 40_000, (_DEBITED_ON,), debit=0.6),
    _Levy("childcare-support", "childcare-fee", "931", 5, 5_000, 60_000, (_DEBITED_ON,), debit=0.8),
)


def _bills(count: int, seed: int) -> Iterator[Bill]:
    """Return ``count`` slips, the same for the same seed."""
    return islice(_all_bills(Random(f"bills {seed}")), count)  # noqa: S311 (invented data, not a secret)


def _all_bills(draw: Random) -> Iterator[Bill]:
    for household in count_from(1):
        (levy,) = draw.choices(_LEVIES, [levy.share for levy in _LEVIES])
        yield from _slips(levy, household, draw.randrange(levy.min_yen, levy.max_yen, 10), draw)


def _slips(levy: _Levy, household: int, total: int, draw: Random) -> Iterator[Bill]:
    """Yield the slips of one household for a charge: the terms (期別), the whole year (全期), reminders (督促状)."""
    yen = [part for part in instalments(total, len(levy.due)) if part]
    terms = [f"{levy.item_code}-{household:07d}-{term}" for term in range(1, len(yen) + 1)]
    for term, (amount, last_day) in enumerate(zip(yen, levy.due, strict=False), 1):
        bill_id = terms[term - 1]
        chance = draw.random()
        reissued = chance < 0.01
        status = (
            BillStatus.SUPERSEDED if chance < 0.005 else BillStatus.CANCELLED if chance > 0.997 else BillStatus.OPEN
        )
        bill = _slip(levy, bill_id, household, amount, last_day, draw, period=f"{term if len(yen) > 1 else 0:02d}")
        bill = bill.model_copy(
            update={"status": status, "obligation_id": bill_id if len(yen) > 1 or reissued else None}
        )
        yield bill
        if reissued:
            reminder = _slip(levy, f"{bill_id}R", household, amount, last_day, draw, period=bill.period)
            yield reminder.model_copy(update={"obligation_id": bill_id})
    if levy.whole_year and len(yen) > 1:
        whole = _slip(levy, f"{levy.item_code}-{household:07d}-A", household, sum(yen), levy.due[0], draw, period="00")
        yield whole.model_copy(update={"covers": tuple(terms)})


def _slip(levy: _Levy, bill_id: str, household: int, amount: int, last_day: date, draw: Random, period: str) -> Bill:
    due_on = shift_due_date(last_day)
    until = due_on + timedelta(days=_DAYS_TO_PAY)
    case_key = f"{draw.randrange(10**19):020d}"
    number = f"{levy.item_code}{household:07d}{draw.randrange(10**11):011d}"
    barcode = f"91{_COMPANY}{number}0{until:%y%m%d}0{amount:06d}"
    water = amount * 53 // 100
    return Bill.model_construct(
        bill_id=bill_id,
        payee_code=_PAYEE,
        item_code=levy.item_code,
        case_key=case_key,
        confirmation=f"{draw.randrange(10**6):06d}",
        amount=amount,
        due_on=due_on,
        office_code=_OFFICE,
        levy_year=_YEAR,
        tax_year=_YEAR,
        period=period,
        payable_until=until,
        barcode=f"{barcode}{gs1_check_digit(barcode)}" if amount <= _BARCODE_LIMIT else None,
        customer_number=f"{levy.item_code}{household:017d}" if draw.random() < levy.debit else None,
        payer_key=f"P{household:07d}",
        system=levy.system,
        charge=levy.charge,
        parts=(("water-charge", water), ("sewerage-charge", amount - water)) if levy.system == "water" else (),
    )


# --- payments ---------------------------------------------------------------------------------------------------------


def _payments(bills: Iterable[Bill], seed: int) -> dict[str, list[_Row]]:
    """Return the rows of each receipt file by layout, the same for the same seed.

    The channels, double payments, partial payments, unknown numbers and duplicate records have realistic shares.
    """
    draw = Random(f"payments {seed}")  # noqa: S311 (invented data, not a secret)
    rows: dict[str, list[_Row]] = {layout: [] for layout in _FILES}
    count = 0
    for _, group in groupby(bills, key=lambda bill: (bill.payer_key, bill.item_code)):
        slips = list(group)
        count += len(slips)
        for layout, row in _pay_household(slips, draw):
            rows[layout].append(row)
    qr = rows[_QR]
    qr += [_unknown_payment(draw) for _ in range(max(1, count // 200))]
    # Records that the agent delivers twice, with the same number of its own.
    qr += [dict(row) for row in draw.sample(qr, max(1, len(qr) // 1000))]
    qr.sort(key=lambda row: (row["paid_on"], row["paid_time"]))
    rows[_STORE].sort(key=lambda row: (row["made_day"], row["paid_on"], row["paid_time"]))
    return rows


def _pay_household(slips: list[Bill], draw: Random) -> Iterator[_Payment]:
    whole_year = [slip for slip in slips if slip.covers]
    if whole_year and draw.random() < 0.2:
        yield from _pay(whole_year[0], draw)
        if draw.random() < 0.05:  # 全期 is paid, and a 期別 as well
            yield from _pay(slips[0], draw)
        return
    for slip in slips:
        if slip.covers:
            continue
        if slip.customer_number is not None:
            yield _DEBIT, _debit_row(slip, draw)
        elif draw.random() < (0.8 if slip.status is BillStatus.OPEN else 0.2):
            yield from _pay(slip, draw)
            if draw.random() < 0.01:  # paid twice, for example by QR and at the counter
                yield from _pay(slip, draw)


def _pay(slip: Bill, draw: Random) -> list[_Payment]:
    if slip.barcode is not None and draw.random() < 0.5:
        return [(_STORE, row) for row in _store_rows(slip, draw)]
    return [(_QR, _qr_row(slip, draw))]


def _qr_row(slip: Bill, draw: Random) -> _Row:
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
        "paid_time": _paid_time(draw),
        "received_on": paid_on + timedelta(days=draw.randrange(2, 9)),
        "channel": draw.choice(("app", "bank", "site")),
        "provider_key": f"EL{draw.randrange(10**12):012d}",
    }


def _store_rows(slip: Bill, draw: Random) -> list[_Row]:
    """Return the records of one payment at a store: 速報, then usually 確報, rarely 速報取消."""
    code, name = draw.choice(_STORES)
    paid_on = _paid_on(slip.due_on, draw)
    row: _Row = {
        "paid_on": paid_on,
        "paid_time": _paid_time(draw).replace(second=0),  # the file has no seconds
        "barcode": slip.barcode,
        "amount": slip.amount,
        "agent_code": code,
        "channel": name,
        "store_code": f"{draw.randrange(10**6):06d}",
    }
    rows = [{**row, "type": "01", "made_day": paid_on + timedelta(days=1), "settled_on": None}]
    chance = draw.random()
    if chance < 0.9:
        settled_on = paid_on + timedelta(days=20)
        rows.append({**row, "type": "02", "made_day": paid_on + timedelta(days=6), "settled_on": settled_on})
    elif chance < 0.93:
        rows.append({**row, "type": "03", "made_day": paid_on + timedelta(days=1), "settled_on": None})
    return rows


def _debit_row(slip: Bill, draw: Random) -> _Row:
    return {
        "paid_on": slip.due_on,
        "amount": slip.amount,
        "customer_number": slip.customer_number,
        "bank_code": "9999",
        "branch_code": "001",
        "bank_name": "ﾃｽﾄｷﾞﾝｺｳ",
        "account_number": f"{draw.randrange(10**7):07d}",
        "result": "1" if draw.random() < 0.03 else "0",
    }


def _unknown_payment(draw: Random) -> _Row:
    """Return a payment whose number is on no bill."""
    unknown = Bill.model_construct(
        bill_id="",
        payee_code=_PAYEE,
        item_code="999",
        case_key=f"9{draw.randrange(10**19):019d}",
        confirmation=f"{draw.randrange(10**6):06d}",
        amount=draw.randrange(1_000, 50_000),
        due_on=date(2026, 10, 31),
    )
    return _qr_row(unknown, draw)


def _paid_on(due_on: date, draw: Random) -> date:
    return due_on + timedelta(days=draw.randrange(-25, 3) if draw.random() < 0.9 else draw.randrange(3, 30))


def _paid_time(draw: Random) -> time:
    return time(draw.randrange(7, 23), draw.randrange(60), draw.randrange(60))
