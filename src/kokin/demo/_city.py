"""The bills of an invented city: a body 99999 that does not exist, in the fiscal year 2026."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date, timedelta
from random import Random

from kokin.model import Bill, BillStatus
from kokin.rules import instalments, shift_due_date
from kokin.text import gs1_check_digit

#: The body's codes. 99999 is given to nobody.
PAYEE, OFFICE, COMPANY = "99999", "001", "929999"

#: The day of the direct debit (口座振替日) of water and nursery fees.
DEBITED_ON = date(2026, 10, 26)

_YEAR = 2026
_DAYS_TO_PAY = 30
# 標準料金代理収納: no barcode above this.
_BARCODE_LIMIT = 300_000


@dataclass(frozen=True, slots=True)
class Levy:
    """A charge of the city: its 税目・料金番号 and amounts are invented, as each body gives its own."""

    system: str
    charge: str
    item_code: str
    share: int
    least: int
    most: int
    due: tuple[date, ...]
    whole_year: bool = False
    debit: float = 0.0


LEVIES = (
    Levy(
        "fixed-asset-tax",
        "fixed-asset-tax",
        "901",
        20,
        4_000,
        400_000,
        (date(2026, 4, 30), date(2026, 7, 31), date(2026, 12, 25), date(2027, 2, 28)),
        whole_year=True,
    ),
    Levy(
        "individual-resident-tax",
        "individual-resident-tax",
        "902",
        20,
        5_000,
        600_000,
        (date(2026, 6, 30), date(2026, 8, 31), date(2026, 10, 31), date(2027, 1, 31)),
        whole_year=True,
    ),
    Levy("light-vehicle-tax", "light-vehicle-tax", "903", 15, 2_000, 12_900, (date(2026, 5, 31),)),
    Levy(
        "national-health-insurance",
        "national-health-insurance-premium",
        "911",
        10,
        3_000,
        90_000,
        (date(2026, 10, 31),),
    ),
    Levy("long-term-care-insurance", "long-term-care-premium", "912", 10, 2_000, 20_000, (date(2026, 10, 31),)),
    Levy("water", "water-charge", "921", 20, 2_000, 40_000, (DEBITED_ON,), debit=0.6),
    Levy("childcare-support", "childcare-fee", "931", 5, 5_000, 60_000, (DEBITED_ON,), debit=0.8),
)


def bills(count: int, seed: int) -> Iterator[Bill]:
    """``count`` slips, the same for the same seed."""
    draw = Random(f"bills {seed}")  # noqa: S311 (a city, not a secret)
    shares = [levy.share for levy in LEVIES]
    made = 0
    household = 0
    while made < count:
        household += 1
        (levy,) = draw.choices(LEVIES, shares)
        total = draw.randrange(levy.least, levy.most, 10)
        for bill in _slips(levy, household, total, draw):
            if made == count:
                return
            made += 1
            yield bill


def _slips(levy: Levy, household: int, total: int, draw: Random) -> Iterator[Bill]:
    """The slips of one household for one charge: the terms (期別), the whole year (全期), a reminder (督促状)."""
    yen = [part for part in instalments(total, len(levy.due)) if part]
    terms = [f"{levy.item_code}-{household:07d}-{term}" for term in range(1, len(yen) + 1)]
    for term, (amount, last_day) in enumerate(zip(yen, levy.due, strict=False), 1):
        bill_id = terms[term - 1]
        fate = draw.random()
        reissued = fate < 0.01
        status = BillStatus.SUPERSEDED if fate < 0.005 else BillStatus.CANCELLED if fate > 0.997 else BillStatus.OPEN
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


def _slip(levy: Levy, bill_id: str, household: int, amount: int, last_day: date, draw: Random, period: str) -> Bill:
    due_on = shift_due_date(last_day)
    until = due_on + timedelta(days=_DAYS_TO_PAY)
    case_key = f"{draw.randrange(10**19):020d}"
    number = f"{levy.item_code}{household:07d}{draw.randrange(10**11):011d}"
    barcode = f"91{COMPANY}{number}0{until:%y%m%d}0{amount:06d}"
    water = amount * 53 // 100
    return Bill.model_construct(
        bill_id=bill_id,
        payee_code=PAYEE,
        item_code=levy.item_code,
        case_key=case_key,
        confirmation=f"{draw.randrange(10**6):06d}",
        amount=amount,
        due_on=due_on,
        office_code=OFFICE,
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
