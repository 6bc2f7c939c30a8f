"""The invented files of the fiscal year of ``year.py``: bills, receipt files and settings, and what must come out.

The yen of each bill are computed here, payment by payment, without Kokin's rules of matching.
"""

from __future__ import annotations

from calendar import monthrange
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from pathlib import Path
from random import Random
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from kokin import receipts as receipt_files
from kokin.text import gs1_check_digit

FISCAL_YEAR = 2026
#: The first days of the months whose days are closed; the last one is that of 出納閉鎖.
MONTHS = tuple(date(2026 + (3 + number) // 12, (3 + number) % 12 + 1, 1) for number in range(14))
MAY, AUGUST, SEPTEMBER, OCTOBER, NOVEMBER, DECEMBER, JANUARY, FEBRUARY, MARCH = 1, 4, 5, 6, 7, 8, 9, 10, 11
LAST, AFTER = len(MONTHS) - 1, len(MONTHS)
#: The month in which the late file of a month arrives. That of the last month arrives before the year is closed.
LATE_FILES = {MAY: 3, MARCH: 12, LAST: AFTER}
#: The years of debts that are carried over; those of the last one are due five years before this year, and lapse.
EARLIER_YEARS = (FISCAL_YEAR - 1, FISCAL_YEAR - 2, FISCAL_YEAR - 6)
LAPSED_YEAR = EARLIER_YEARS[-1]
#: A payee code of no authority, and the yen of each of its two payments in the first shared file of a month.
NOBODY, NOBODY_YEN = "99001", 500
_EL_COLUMNS = (
    "payee_code,item_code,case_key,confirmation,amount,paid_on,kind,paid_time,received_on,settled_on,channel,"
    "agent_code,provider_key,cancels"
)
_STORES = (("010", "セブン－イレブン"), ("020", "ローソン"), ("030", "ファミリーマート"))
_BILL_COLUMNS = (
    *("bill_id", "payee_code", "item_code", "case_key", "confirmation", "amount", "due_on", "levy_year", "tax_year"),
    *("period", "status", "barcode", "payer_key", "charge", "obligation_id"),
    "covers",
)
_ACCOUNTS = """
[[codes]]
kind = "revenue"
account = "01"
kan = "01"

[[codes]]
kind = "revenue"
charge = "water-charge"
account = "51"

[[codes]]
kind = "revenue"
charge = "national-health-insurance-premium"
account = "11"

[[codes]]
kind = "revenue"
charge = "fixed-asset-tax"
year_class = "carried_over"
account = "01"
kan = "01"
moku = "02"

[[codes]]
kind = "off_budget"
account = "80"

[[codes]]
kind = "overpaid"
account = "90"

[[codes]]
kind = "suspense"
account = "91"
"""

_ACCOUNT_LAYOUT = """
ja = "財務会計 (記入例)"
en = "an invented accounting system"
format = "csv"
encoding = "cp932"
newline = "CRLF"
verified = false
source = ["invented for Kokin"]

[csv]
header = "names"

[records.data]
role = "data"
ja = "収入"
en = "revenue"
fields = [
  { id = "day", ja = "収入日", en = "day", type = "date", format = "YYYYMMDD", length = 8, required = true },
  { id = "year", ja = "年度", en = "year", type = "number", length = 4 },
  { id = "code", ja = "会計", en = "account", type = "text", length = 20, required = true },
  { id = "title", ja = "款", en = "kan", type = "text", length = 20 },
  { id = "detail", ja = "目", en = "moku", type = "text", length = 20 },
  { id = "yen", ja = "金額", en = "amount", type = "yen", length = 13, required = true },
]

[account]
booked_on = "day"
fiscal_year = "year"
account = "code"
kan = "title"
moku = "detail"
amount = "yen"
"""

# An invented average lending rate: that of 2027 is announced in November 2026.
_RATES = "[[rates]]\nyears = [2027, 2027]\naverage = 1.0\n"


@dataclass(frozen=True)
class Charge:
    """A charge of an authority, with the months in which it is due, as positions in :data:`MONTHS`."""

    id: str
    item_code: str
    share: float
    """The share of households that have it."""
    min_yen: int
    max_yen: int
    due: tuple[int, ...]
    """The month of each term (期別), or of each bill of a charge that is billed monthly."""
    is_whole_year: bool = False
    """Whether there is a slip for the whole year (全期) too."""
    is_monthly: bool = False
    """Whether each bill is added in its own month, not all in the first one."""


CHARGES = (
    Charge("fixed-asset-tax", "901", 0.6, 4_000, 400_000, (0, 3, 8, 10), is_whole_year=True),
    Charge("individual-resident-tax", "902", 0.8, 5_000, 600_000, (2, 4, 6, 9), is_whole_year=True),
    Charge("light-vehicle-tax", "903", 0.5, 2_000, 12_900, (1,)),
    Charge("national-health-insurance-premium", "911", 0.3, 20_000, 400_000, tuple(range(3, 11))),
    Charge("water-charge", "921", 0.9, 2_000, 40_000, tuple(range(14)), is_monthly=True),
)

#: Shares of the events among payments; :func:`write_year` multiplies them for a small year.
SHARES = {
    "unpaid": 0.04,
    "late": 0.1,
    "late file": 0.1,
    "double": 0.01,
    "excess": 0.005,
    "partial": 0.01,
    "wrong number": 0.003,
    "correction": 0.003,
    "reversal": 0.003,
    "cancel": 0.005,
    "without final": 0.005,
    "reduced": 0.02,
    "earlier years": 0.05,
}


@dataclass(slots=True)
class Slip:
    """An invented slip, and the yen that must be paid on it at the end."""

    bill_id: str
    item_code: str
    charge: str
    case_key: str
    confirmation: str
    amount: int
    due_on: date
    levy_year: int
    period: str
    barcode: str
    payer_key: str
    covers: tuple[str, ...] = ()
    obligation_id: str | None = None
    status: str = "open"
    money: int = 0
    """Yen of its payments that count, with its part of a payment for the whole year."""

    def row(self, payee_code: str) -> tuple[Any, ...]:
        """Return the values of :data:`_BILL_COLUMNS`."""
        number = (self.bill_id, payee_code, self.item_code, self.case_key, self.confirmation)
        years = (self.amount, self.due_on, self.levy_year, self.levy_year, self.period)
        return (
            *number,
            *years,
            self.status,
            self.barcode,
            self.payer_key,
            self.charge,
            self.obligation_id,
            list(self.covers),
        )


def last_day(month: int) -> date:
    """Return the last day of a month, by its position in :data:`MONTHS`."""
    first = first_day(month)
    return first.replace(day=monthrange(first.year, first.month)[1])


def first_day(month: int) -> date:
    """Return the first day of a month; the month after the last one has a position, too."""
    return MONTHS[month] if month < len(MONTHS) else last_day(month - 1) + timedelta(days=1)


def el_name(month: int, part: str) -> str:
    """Return the name of a shared file of a month: part ``1``, ``2``, ``late`` or ``copy``."""
    return f"eltax-{first_day(month):%Y-%m}-{part}.csv"


def store_name(code: str, month: int) -> str:
    """Return the name of the file of stores of an authority."""
    return f"stores-{code}-{first_day(month):%Y-%m}.csv"


class AuthorityYear:
    """Invents the households of an authority, their bills and payments; adds the records to those of the files."""

    def __init__(self, code: str, number: int, limit: int, shares: Mapping[str, float], draw: Random) -> None:
        self.code, self._number, self._limit, self._shares, self._draw = code, number, limit, shares, draw
        self.el: dict[tuple[int, str], list[str]] = defaultdict(list)
        """Lines of the shared files, by month and part."""
        self.stores: dict[int, list[dict[str, Any]]] = defaultdict(list)
        """Rows of the file of stores, by month."""
        self.bills: dict[int, list[tuple[Any, ...]]] = defaultdict(list)
        """Rows of :data:`_BILL_COLUMNS` by the month in which they are added; ``-1`` are the changed bills."""
        self.slips: dict[str, Slip] = {}
        self.deposits: dict[date, list[int]] = defaultdict(lambda: [0, 0, 0])
        """Receipts, their yen, and those that are taken back on each day of transfer."""
        self.suspense = 0
        """Yen of payments that are on no bill at the end."""
        self.wrong_numbers: list[tuple[str, str, str]] = []
        """``provider_key``, file and bill of the payments with a wrong number that somebody assigns to their bill."""
        self.count, self._serial = 0, 0
        for household in range(1, 1 << 30):
            if self.count >= limit:
                break
            self._add_household(household)

    def expected(self) -> pa.Table:
        """Return ``bill_id, amount, money`` of each slip but those for a whole year, as they must be at the end."""
        slips = [slip for slip in self.slips.values() if not slip.covers]
        return pa.table({name: [getattr(slip, name) for slip in slips] for name in ("bill_id", "amount", "money")})

    def _occurs(self, event: str) -> bool:
        return self._draw.random() < self._shares[event]

    def _add_household(self, household: int) -> None:
        if self._occurs("earlier years"):
            for levy_year in EARLIER_YEARS:
                slip = self._slip(CHARGES[0], household, f"{levy_year}", 12_000, date(levy_year + 1, 3, 2), levy_year)
                self.bills[0].append(slip.row(self.code))
                if levy_year != LAPSED_YEAR or self._draw.random() < 0.3:
                    self._pay(slip, self._draw.randrange(4))
        for charge in CHARGES:
            if self._draw.random() >= charge.share:
                continue
            if charge.is_monthly:
                for month in charge.due:
                    amount = self._draw.randrange(charge.min_yen, charge.max_yen, 10)
                    slip = self._slip(charge, household, f"{month:02d}", amount, last_day(month), None)
                    self.bills[month].append(slip.row(self.code))
                    self._pay(slip, month)
            else:
                self._add_terms(charge, household)

    def _add_terms(self, charge: Charge, household: int) -> None:
        total = self._draw.randrange(charge.min_yen, charge.max_yen, 1000 * len(charge.due))
        amount = max(total // len(charge.due), 1000)
        terms = [
            self._slip(charge, household, f"{term}", amount, last_day(month), FISCAL_YEAR)
            for term, month in enumerate(charge.due, 1)
        ]
        rows = self.bills[charge.due[0]]
        rows += [slip.row(self.code) for slip in terms]
        if charge.is_whole_year:  # only obligations with an id can be covered
            names = tuple(slip.bill_id for slip in terms)
            whole = self._slip(charge, household, "A", amount * len(terms), terms[0].due_on, FISCAL_YEAR, names)
            rows.append(whole.row(self.code))
            if self._draw.random() < 0.2 and self._pay_by_el(whole, charge.due[0], whole.amount):
                for slip in terms:
                    slip.money += slip.amount
                if self._occurs("double"):
                    self._pay_by_el(terms[1], charge.due[1], amount)
                return
        for slip, month in zip(terms, charge.due, strict=True):
            self._pay(slip, month)
        if charge.id == "light-vehicle-tax" and self._occurs("reduced"):
            terms[0].amount //= 2
            self.bills[-1].append(terms[0].row(self.code))

    def _slip(
        self,
        charge: Charge,
        household: int,
        suffix: str,
        amount: int,
        due_on: date,
        levy_year: int | None,
        covers: tuple[str, ...] = (),
    ) -> Slip:
        self._serial += 1
        scrambled = (self._serial * 0x9E3779B97F4A7C15 >> 4) % 10**18
        number = f"{charge.item_code}{household:07d}{self._serial:011d}"
        barcode = f"91929999{number}0{due_on + timedelta(days=40):%y%m%d}0{amount:06d}"
        slip = Slip(
            f"{charge.item_code}-{household:07d}-{suffix}",
            charge.item_code,
            charge.id,
            f"{self._number:02d}{scrambled:018d}",
            f"{self._draw.randrange(10**6):06d}",
            amount,
            due_on,
            levy_year or (due_on.year if due_on.month > 3 else due_on.year - 1),
            suffix.zfill(2) if len(suffix) == 1 and suffix.isdigit() else "00",
            f"{barcode}{gs1_check_digit(barcode)}",
            f"P{household:07d}",
            covers,
            None if covers else f"{charge.item_code}-{household:07d}-{suffix}",
        )
        self.slips[slip.bill_id] = slip
        return slip

    def _pay(self, slip: Slip, month: int) -> None:
        """Pay a slip in a month or in the next one, with the events of :data:`SHARES`."""
        if self._occurs("unpaid"):
            return
        month = min(month + self._occurs("late"), LAST)
        if self._draw.random() < 0.35:
            self._pay_at_store(slip, month)
        elif self._occurs("partial"):
            self._pay_by_el(slip, month, slip.amount // 2)
        elif self._occurs("excess"):
            self._pay_by_el(slip, month, slip.amount + 1_000)
        elif self._occurs("wrong number"):
            self._pay_wrong_number(slip, month)
        elif month != DECEMBER and self._occurs("correction"):
            self._pay_with_correction(slip, month)
        elif month != DECEMBER and self._occurs("reversal"):
            self._pay_and_reverse(slip, month)
        else:
            self._pay_by_el(slip, month, slip.amount)
        if self._occurs("double"):
            self._pay_by_el(slip, month, slip.amount)

    def _pay_by_el(self, slip: Slip, month: int, amount: int) -> bool:
        """Add a payment; return whether there was room for it."""
        if not self._has_room(1):
            return False
        part = self._part(month)
        self._add_el(slip, month, part, amount)
        slip.money += amount
        return True

    def _pay_wrong_number(self, slip: Slip, month: int) -> None:
        """Add a payment whose confirmation number is wrong: until somebody assigns it, its bill is unknown."""
        if self._has_room(1):
            part = self._part(month)
            key = self._add_el(slip, month, part, slip.amount, case_key=f"98{slip.case_key[2:]}")
            if month < DECEMBER - 1 and part != "late":
                self.wrong_numbers.append((key, el_name(month, part), slip.bill_id))
                slip.money += slip.amount
            else:
                self.suspense += slip.amount

    def _pay_with_correction(self, slip: Slip, month: int) -> None:
        """Add a payment with a wrong amount, and its correction (訂正) in the second file of the month."""
        if self._has_room(2):
            about: dict[str, Any] = {"paid_on": self._day(month, "1"), "paid_time": self._time()}
            self._add_el(slip, month, "1", slip.amount + 9_000, is_counted=False, **about)
            self._add_el(
                slip, month, "2", slip.amount, kind="correction", transferred_on=settled_on(month, "1"), **about
            )
            slip.money += slip.amount

    def _pay_and_reverse(self, slip: Slip, month: int) -> None:
        """Add a payment, and its reversal (入金取消) in the second file of the month."""
        if self._has_room(2):
            key = self._add_el(slip, month, "1", slip.amount)
            self._add_el(slip, month, "2", slip.amount, kind="reversal", cancels=key, is_counted=False)
            self.deposits[settled_on(month, "2")][2] += slip.amount

    def _pay_at_store(self, slip: Slip, month: int) -> None:
        """Add the provisional record (速報) of a payment, and usually its final one (確報) five days later."""
        if not self._has_room(2):
            return
        paid_on = first_day(month) + timedelta(days=self._draw.randrange(5, 15 if month == LAST else 28))
        final_month = month + (paid_on.day > 15)
        code, name = self._draw.choice(_STORES)
        row = {
            "paid_on": paid_on,
            "paid_time": datetime(2026, 1, 1, self._draw.randrange(7, 23), self._draw.randrange(60)).time(),
            "barcode": slip.barcode,
            "amount": slip.amount,
            "agent_code": code,
            "channel": name,
            "store_code": f"{self._draw.randrange(10**6):06d}",
            "settled_on": None,
        }
        # The file of a month is made on the 25th: what is paid later is in that of the next month.
        provisional_month = month + (paid_on.day > 25)
        self.stores[provisional_month].append({**row, "type": "01", "made_day": paid_on + timedelta(days=1)})
        self.count += 1
        if self._occurs("without final"):
            return
        kind = "03" if self._occurs("cancel") else "02"
        day = None if kind == "03" else first_day(final_month).replace(day=20)
        made_day = paid_on + timedelta(days=5)
        self.stores[final_month].append({**row, "type": kind, "settled_on": day, "made_day": made_day})
        self.count += 1
        if day:
            slip.money += slip.amount
            self._deposit(day, slip.amount)

    def _has_room(self, records: int) -> bool:
        return self.count + records <= self._limit

    def _deposit(self, day: date, amount: int) -> None:
        found = self.deposits[day]
        found[0] += 1
        found[1] += amount

    def _part(self, month: int) -> str:
        """Return the file of a payment: the first or second of its month, or one that arrives months later."""
        if month in LATE_FILES and self._occurs("late file"):
            return "late"
        return "1" if self._draw.random() < 0.5 else "2"

    def _day(self, month: int, part: str) -> date:
        """Return a day of payment of a file."""
        start, end = (5, 14) if part == "1" else (14, 27)
        return first_day(month) + timedelta(days=self._draw.randrange(start, end))

    def _time(self) -> str:
        return f"{self._draw.randrange(7, 23):02d}:{self._draw.randrange(60):02d}:{self._draw.randrange(60):02d}"

    def _add_el(
        self,
        slip: Slip,
        month: int,
        part: str,
        amount: int,
        *,
        kind: str = "final",
        case_key: str = "",
        cancels: str = "",
        paid_on: date | None = None,
        paid_time: str = "",
        transferred_on: date | None = None,
        is_counted: bool = True,
    ) -> str:
        """Add a record to a shared file; return its ``provider_key``."""
        self.count += 1
        paid_on = paid_on or self._day(month, part)
        transferred_on = transferred_on or settled_on(month, part)
        received_on = paid_on + timedelta(days=1)
        key = f"EL{self._number:02d}{self.count:09d}"
        self.el[month, part].append(
            f"{self.code},{slip.item_code},{case_key or slip.case_key},{slip.confirmation},{amount},{paid_on},{kind},"
            f"{paid_time or self._time()},{received_on},{transferred_on},app,EL,{key},{cancels}\n"
        )
        if is_counted:
            self._deposit(transferred_on, amount)
        return key


def settled_on(month: int, part: str) -> date:
    """Return the day on which the money of a shared file is transferred."""
    if part == "late":
        return first_day(LATE_FILES[month]).replace(day=9)
    return first_day(month).replace(day=18) if part == "1" else last_day(month)


@dataclass(frozen=True)
class Plan:
    """What is written to the folder of a year, and what must be found at the end, by authority."""

    folder: Path
    codes: tuple[str, ...]
    """The authorities; the last one receives what nobody is named for."""
    records: int
    """The number of records of all files, without files that are delivered again."""
    bills: int
    deposits: Mapping[str, Mapping[date, tuple[int, int, int]]]
    """Receipts, their yen, and those that are taken back, by day of transfer."""
    wrong_numbers: Mapping[str, Sequence[tuple[str, int, str]]]
    """File, record and bill of the payments that somebody assigns."""
    suspense: Mapping[str, int]
    """Yen on no bill."""


def write_year(
    folder: Path,
    receipts: int,
    authorities: int = 3,
    *,
    seed: int = 1,
    event_factor: float = 1.0,
    ledgers: Mapping[str, str] | None = None,
) -> Plan:
    """Write the files of a year: bills, receipt files, settings, and ``expected-CODE.parquet`` of the balances.

    Args:
        folder: an empty folder.
        receipts: the number of records of all receipt files, without files that are delivered again.
        authorities: the number of authorities; each is half as large as the one before.
        seed: of the random numbers.
        event_factor: multiplies the shares of the events, so that a small year has each of them.
        ledgers: the URL of the ledger of each authority; by default SQLite files in the folder.
    """
    codes = tuple(f"{99_999 - number}" for number in range(authorities))
    shares = {name: min(share * event_factor, 0.3) for name, share in SHARES.items()}
    # Two records of each first shared file are for nobody.
    rest, years = receipts - 2 * len(MONTHS), []
    for number, code in enumerate(codes):
        limit = rest if number == authorities - 1 else rest * 2 // 3
        draw = Random(f"year {seed} {code}")
        years.append(AuthorityYear(code, number, limit, shares, draw))
        rest -= limit
    for name in ("bills", "files"):
        (folder / name).mkdir(parents=True)
    unassigned = years[-1]
    records_of: dict[str, tuple[str, int]] = {}
    parts = sorted({key for year in years for key in year.el} | {(month, "1") for month in range(AFTER)})
    for month, part in parts:
        lines = sorted(
            (line for year in years for line in year.el.pop((month, part), [])), key=lambda line: line.split(",")[5]
        )
        if part == "1":
            lines += [_payment_to_nobody(month, number) for number in (1, 2)]
            unassigned.suspense += 2 * NOBODY_YEN
            for _ in (1, 2):
                unassigned._deposit(settled_on(month, part), NOBODY_YEN)
        name = el_name(month, part)
        if month < DECEMBER - 1:
            wanted = {key for year in years for key, file, _ in year.wrong_numbers if file == name}
            keys = (line.split(",")[12] for line in lines)
            records_of |= {key: (name, number) for number, key in enumerate(keys, 1) if key in wanted}
        _write_el(folder / "files" / name, lines)
        if (month, part) == (OCTOBER, "1"):
            _write_el(folder / "files" / el_name(month, "copy"), lines[: max(2, len(lines) // 10)])
    (folder / "files" / "empty.csv").write_bytes(b"")
    for year in years:
        for month, rows in year.stores.items():
            path = folder / "files" / store_name(year.code, month)
            receipt_files.write(sorted(rows, key=lambda row: (row["made_day"], row["paid_on"])), path, "dsk-csv")
        for month, bills in year.bills.items():
            columns = dict(zip(_BILL_COLUMNS, zip(*bills, strict=True), strict=True))
            columns["covers"] = pa.array(columns["covers"], pa.list_(pa.string()))
            pq.write_table(pa.table(columns), folder / "bills" / f"{year.code}-{month}.parquet")
        pq.write_table(year.expected(), folder / f"expected-{year.code}.parquet")
    _write_settings(folder, codes, ledgers or {})
    return Plan(
        folder,
        codes,
        sum(year.count for year in years) + 2 * len(MONTHS),
        sum(len(year.slips) for year in years),
        {year.code: {day: (row[0], row[1], row[2]) for day, row in year.deposits.items()} for year in years},
        {
            year.code: [(*records_of[key], bill_id) for key, _, bill_id in year.wrong_numbers if key in records_of]
            for year in years
        },
        {year.code: year.suspense for year in years},
    )


def _payment_to_nobody(month: int, number: int) -> str:
    day = first_day(month) + timedelta(days=13)
    number_of_slip, days = f"{NOBODY},901,{month:019d}{number},000001", f"{day},final,12:00:00,{day}"
    return f"{number_of_slip},{NOBODY_YEN},{days},{settled_on(month, '1')},app,EL,NB{month:02d}{number},\n"


def _write_el(path: Path, lines: Sequence[str]) -> None:
    with path.open("w", encoding="utf-8", newline="") as stream:
        stream.write(f"{_EL_COLUMNS}\n")
        stream.writelines(lines)


def _write_settings(folder: Path, codes: Sequence[str], ledgers: Mapping[str, str]) -> None:
    lines = ['ledger = "{authority}.db"', f'unassigned = "{codes[-1]}"', 'actor = "service"']
    for code in codes:
        lines += [f"[authorities.{code}]", f'files = ["stores-{code}-*.csv"]']
        if code in ledgers:
            lines.append(f'ledger = "{ledgers[code]}"')
    texts = {"authorities.toml": "\n".join(lines), "accounts.toml": _ACCOUNTS, "rates.toml": _RATES}
    for name, text in {**texts, "account-layout.toml": _ACCOUNT_LAYOUT}.items():
        (folder / name).write_text(text, encoding="utf-8")
