"""An invented city (authority 99999): its bills, the payments, and the files of each channel up to a day."""

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

# No payment of fiscal year 2026 is later.
_END_OF_PAYMENTS = date(2027, 5, 31)
# Month and day of the direct debit (口座振替日) of water and nursery fees.
_DEBITED_ON = (10, 26)
# Month and day to which dates without a year are nearest.
_REFERENCE_DATE = (10, 31)
# The bills of a fiscal year have payments of every channel from this month and day on.
_ENOUGH_PAYMENTS = (11, 28)

_DAYS_TO_PAY = 30
_DAYS_TO_SETTLE = 20
# The receipt files of the last day have the payments of so many days, as after a weekend.
_DAYS_OF_LAST_FILES = 3
# 標準料金代理収納: no barcode above this amount.
_BARCODE_LIMIT = 300_000
# The receipt files by layout; `write_city` writes them in this order.
_QR, _STORE, _DEBIT = "kokin-csv", "dsk-csv", "zengin-91"
_FILES = {_QR: "eltax.csv", _STORE: "stores.csv", _DEBIT: "debit.txt"}
_DEBIT_HEADER = {"consignor_name": "ﾃｽﾄｼ", "bank_code": "9999"}
_BANK_ACCOUNT = {"bank_code": "9999", "branch_code": "001", "account_type": "1", "account_number": "7654321"}
# The payer of its transfers in the bank's file.
_ELTAX = "900"
_STORES = (("010", "セブン－イレブン"), ("020", "ローソン"), ("030", "ファミリーマート"), ("820", "PayPay"))

_Row = dict[str, Any]
# A layout of receipts, and a row of its file.
_Payment = tuple[str, _Row]


@dataclass(frozen=True, slots=True)
class CityFiles:
    """The paths of the files of a city."""

    bills: Path
    receipts: tuple[tuple[Path, str], ...]
    """Each receipt file with its layout; those that came on the last day are at the end."""
    reference_date: date
    """The reference date of the direct debit file, whose dates are MMDD."""
    last_day: date
    """No payment is later."""
    last_day_receipts: tuple[tuple[Path, str], ...]
    """The receipt files that came on the last day."""
    deposits: Path
    """The bank's file of the transfers of the agents (振込入金通知), in the layout zengin-01."""
    agent_reports: Path
    """What the agents report (収納報告), a CSV with the columns of :class:`kokin.reconcile.AgentReport`."""
    intake: Path
    """Which files should have come on the last day (:mod:`kokin.intake`): one of them is missing."""


def write_city(folder: str | Path, count: int, seed: int, last_day: date | None = None) -> CityFiles:
    """Write ``bills.csv`` with ``count`` slips, and all files that came up to a day.

    One record of ``eltax.csv`` is invalid on purpose. A payment at a bank is reversed on the last day.

    Args:
        folder: the folder; it is created if it does not exist.
        count: the number of slips.
        seed: the same seed gives the same bills and payments of a fiscal year.
        last_day: the day. The fiscal year (年度) of the bills is the last one with payments of every channel by then.
            None: the files have all payments of fiscal year 2026, without a reversal.

    Raises:
        InvalidInputError: ``count`` is negative.
        OSError: the folder cannot be written.
    """
    if count < 0:
        raise InvalidInputError([Issue("AMOUNT_RANGE", field="count", expected="0 or more", found=str(count))])
    folder = Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    is_whole = last_day is None
    last_day = last_day or _END_OF_PAYMENTS
    year = last_day.year - ((last_day.month, last_day.day) < _ENOUGH_PAYMENTS)
    bills = list(_bills(count, seed, year))
    bill_files.write(bills, folder / "bills.csv")
    earlier, latest = [], []
    last_files = last_day - timedelta(days=_DAYS_OF_LAST_FILES)
    payments = {
        layout: [row for row in rows if _arrived_on(row) <= last_day]
        for layout, rows in _payments(bills, seed, year).items()
    }
    if not is_whole:
        payments[_QR] += _reversals(payments[_QR], last_day)
    for layout, rows in payments.items():
        path = folder / _FILES[layout]
        header = _DEBIT_HEADER if layout == _DEBIT else None
        if before := [row for row in rows if _arrived_on(row) <= last_files]:
            receipts.write(before, path, layout, header=header)
            earlier.append((path, layout))
        if of_day := [row for row in rows if _arrived_on(row) > last_files]:
            path = path.with_stem(f"{path.stem}-{last_day:%Y%m%d}")
            receipts.write(of_day, path, layout, header=header)
            latest.append((path, layout))
    _insert_invalid_record(folder / _FILES[_QR], year)
    deposits, agent_reports, intake = folder / "deposits.txt", folder / "agent-reports.csv", folder / "intake.toml"
    transfers = _transfers(payments[_STORE], last_day)
    _write_deposits(deposits, payments[_QR], transfers, last_day)
    _write_agent_reports(agent_reports, transfers)
    intake.write_text(_intake(last_day), encoding="utf-8")
    return CityFiles(
        folder / "bills.csv",
        (*earlier, *latest),
        date(year, *_REFERENCE_DATE),
        last_day,
        tuple(latest),
        deposits,
        agent_reports,
        intake,
    )


def _reversals(rows: Iterable[_Row], day: date) -> list[_Row]:
    """Return the record that reverses the first payment at a bank (不渡り), if there is one."""
    return [
        {**row, "kind": "reversal", "cancels": row["provider_key"], "provider_key": f"R{row['provider_key']}"}
        | {"paid_on": day, "received_on": day}
        for row in islice((row for row in rows if row["channel"] == "bank"), 1)
    ]


def _arrived_on(row: _Row) -> date:
    """Return the day on which the file of a payment came."""
    day: date = row.get("received_on") or row.get("made_day") or row["paid_on"]
    return day


def _insert_invalid_record(path: Path, year: int) -> None:
    """Insert a record into the middle of a CSV whose amount has the letter O instead of a zero, as an editor might."""
    lines = path.read_text(encoding="utf-8").splitlines(keepends=True)
    values = {"payee_code": _PAYEE, "item_code": "999", "case_key": "1", "confirmation": "000001", "amount": "1O000"}
    record = [values.get(name, f"{year}-10-01" if name == "paid_on" else "") for name in lines[0].strip().split(",")]
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
    due: tuple[tuple[int, int], ...]
    """Month and day of the 納期限 of each term, before it is shifted."""
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
        ((4, 30), (7, 31), (12, 25), (2, 28)),
        whole_year=True,
    ),
    _Levy(
        "individual-resident-tax",
        "individual-resident-tax",
        "902",
        20,
        5_000,
        600_000,
        ((6, 30), (8, 31), (10, 31), (1, 31)),
        whole_year=True,
    ),
    _Levy("light-vehicle-tax", "light-vehicle-tax", "903", 15, 2_000, 12_900, ((5, 31),)),
    _Levy(
        "national-health-insurance",
        "national-health-insurance-premium",
        "911",
        10,
        3_000,
        90_000,
        ((10, 31),),
    ),
    _Levy("long-term-care-insurance", "long-term-care-premium", "912", 10, 2_000, 20_000, ((10, 31),)),
    _Levy("water", "water-charge", "921", 20, 2_000, 40_000, (_DEBITED_ON,), debit=0.6),
    _Levy("childcare-support", "childcare-fee", "931", 5, 5_000, 60_000, (_DEBITED_ON,), debit=0.8),
)


def _bills(count: int, seed: int, year: int) -> Iterator[Bill]:
    """Return ``count`` slips of a fiscal year, the same for the same seed."""
    return islice(_all_bills(Random(f"bills {seed}"), year), count)  # noqa: S311 (invented data, not a secret)


def _all_bills(draw: Random, year: int) -> Iterator[Bill]:
    for household in count_from(1):
        (levy,) = draw.choices(_LEVIES, [levy.share for levy in _LEVIES])
        yield from _slips(levy, household, draw.randrange(levy.min_yen, levy.max_yen, 10), draw, year)


def _slips(levy: _Levy, household: int, total: int, draw: Random, year: int) -> Iterator[Bill]:
    """Yield the slips of one household for a charge: the terms (期別), the whole year (全期), reminders (督促状)."""
    due = [date(year + (month < 4), month, day) for month, day in levy.due]
    yen = [part for part in instalments(total, len(due)) if part]
    terms = [f"{levy.item_code}-{household:07d}-{term}" for term in range(1, len(yen) + 1)]
    for term, (amount, last_day) in enumerate(zip(yen, due, strict=False), 1):
        bill_id = terms[term - 1]
        chance = draw.random()
        reissued = chance < 0.01
        status = (
            BillStatus.SUPERSEDED if chance < 0.005 else BillStatus.CANCELLED if chance > 0.997 else BillStatus.OPEN
        )
        bill = _slip(
            levy, bill_id, household, amount, last_day, draw, year=year, period=f"{term if len(yen) > 1 else 0:02d}"
        )
        bill = bill.model_copy(
            update={"status": status, "obligation_id": bill_id if len(yen) > 1 or reissued else None}
        )
        yield bill
        if reissued:
            reminder = _slip(levy, f"{bill_id}R", household, amount, last_day, draw, year=year, period=bill.period)
            yield reminder.model_copy(update={"obligation_id": bill_id})
    if levy.whole_year and len(yen) > 1:
        whole = _slip(
            levy, f"{levy.item_code}-{household:07d}-A", household, sum(yen), due[0], draw, year=year, period="00"
        )
        yield whole.model_copy(update={"covers": tuple(terms)})


def _slip(
    levy: _Levy, bill_id: str, household: int, amount: int, last_day: date, draw: Random, *, year: int, period: str
) -> Bill:
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
        levy_year=year,
        tax_year=year,
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


def _payments(bills: Iterable[Bill], seed: int, year: int) -> dict[str, list[_Row]]:
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
    qr += [_unknown_payment(draw, date(year, *_REFERENCE_DATE)) for _ in range(max(1, count // 200))]
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
        settled_on = paid_on + timedelta(days=_DAYS_TO_SETTLE)
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


def _unknown_payment(draw: Random, due_on: date) -> _Row:
    """Return a payment whose number is on no bill."""
    unknown = Bill.model_construct(
        bill_id="",
        payee_code=_PAYEE,
        item_code="999",
        case_key=f"9{draw.randrange(10**19):019d}",
        confirmation=f"{draw.randrange(10**6):06d}",
        amount=draw.randrange(1_000, 50_000),
        due_on=due_on,
    )
    return _qr_row(unknown, draw)


def _paid_on(due_on: date, draw: Random) -> date:
    return due_on + timedelta(days=draw.randrange(-25, 3) if draw.random() < 0.9 else draw.randrange(3, 30))


def _paid_time(draw: Random) -> time:
    return time(draw.randrange(7, 23), draw.randrange(60), draw.randrange(60))


# --- other files ------------------------------------------------------------------------------------------------------

_SOURCES = {
    "eltax": {"label": "eL-QR", "layout": "kokin-csv"},
    "stores": {"label": "コンビニ収納", "layout": "dsk-csv"},
    "debit": {"label": "口座振替結果", "layout": "zengin-91"},
    "agent-reports": {"label": "収納報告", "kind": "agent_reports", "file": "agent-reports.csv"},
    "deposits": {"label": "振込入金通知", "kind": "deposits", "layout": "zengin-01"},
}


def _intake(day: date) -> str:
    """Return the TOML file of the sources, from each of which a file comes every day from a day on."""
    daily = f'days = "daily"\nsince = {day}\nuntil = 09:00:00\n'
    tables = []
    for name, keys in _SOURCES.items():
        lines = "".join(f'{key} = "{value}"\n' for key, value in keys.items())
        tables.append(f"[source.{name}]\n{lines}{daily}")
    return "\n".join(tables)


@dataclass(slots=True)
class _Transfer:
    """What an agent transfers on a day for the payments of another one."""

    paid_on: date
    count: int = 0
    amount: int = 0


def _transfers(rows: Iterable[_Row], last_day: date) -> dict[tuple[date, str], _Transfer]:
    """Return the transfers of agents up to a day, by 払込日 and agent."""
    transfers: dict[tuple[date, str], _Transfer] = {}
    for row in rows:
        if row["settled_on"] and row["settled_on"] <= last_day:
            transfer = transfers.setdefault((row["settled_on"], row["agent_code"]), _Transfer(row["paid_on"]))
            transfer.count += 1
            transfer.amount += row["amount"]
    return dict(sorted(transfers.items()))


def _write_deposits(
    path: Path, qr_payments: Iterable[_Row], transfers: dict[tuple[date, str], _Transfer], last_day: date
) -> None:
    """Write the bank's file: what each agent and eLTAX transfer on a day, and what the bank takes back."""
    deposits = {(day, agent, "0"): transfer.amount for (day, agent), transfer in transfers.items()}
    # A record that was delivered twice is one payment.
    for row in {row["provider_key"]: row for row in qr_payments}.values():
        key = (row["received_on"], _ELTAX, "1" if row.get("kind") == "reversal" else "0")
        deposits[key] = deposits.get(key, 0) + row["amount"]
    rows = [
        {"account_day": day, "value_day": day, "amount": amount, "payer_code": agent.zfill(10), "cancel": cancel}
        for (day, agent, cancel), amount in sorted(deposits.items())
    ]
    first_day = rows[0]["account_day"] if rows else last_day
    header = {"made_day": last_day, "from_day": first_day, "to_day": last_day, **_BANK_ACCOUNT}
    numbered = [{**row, "inquiry_number": f"{number:06d}"} for number, row in enumerate(rows, 1)]
    receipts.write(numbered, path, "zengin-01", header=header)


def _write_agent_reports(path: Path, transfers: dict[tuple[date, str], _Transfer]) -> None:
    """Write what each agent reports of every transfer."""
    lines = ["first_day,last_day,count,amount,agent_code,settled_on"]
    for (settled_on, agent), transfer in transfers.items():
        day = transfer.paid_on
        lines.append(f"{day},{day},{transfer.count},{transfer.amount},{agent},{settled_on}")
    with atomic_file(path) as draft:
        draft.write_text("\n".join(lines) + "\n", encoding="utf-8")
