"""A fiscal year of several authorities: their files, closings, account files, refunds and hand-over, and all ties.

    python benchmarks/year.py [--receipts N] [--authorities N] [--seed N] [--folder PATH]

The year is from 1 April 2026 to 出納閉鎖 on 31 May 2027; a file of May 2027 arrives in June, before the year is closed.
The authorities share the files of eLTAX, which ``kokin.authorities.post`` divides; each has a file of stores of its own.
Every month has bills, two shared files, a file of stores, and deposits and reports of the agents, and is closed on the
third of the next month. In the year there are: terms (期別) and slips for the whole year (全期), water bills each month,
debts of earlier years, provisional and final records, records that are corrected or reversed, payments in part, in
excess, in duplicate and with a wrong number, payments to an unknown authority, files that arrive months late (過日分), a
file without content that is rejected, files that are delivered twice, whole or in part, a file that is reversed and
restored before its month is closed and one afterwards, bills that are reduced after they were paid, refunds that are
decided, ordered, paid and returned, and payments that persons assign to their bills.

After each closing the report is printed, its controls T1 to T8 must hold, the account file is written, and a consumer
gets the changes of its bills; another consumer gets them each quarter. At the end all reports are printed again and must
be equal to the byte, the changes of both consumers must add up to the balances, and the balances must be those that this
module has computed from the payments that it has invented.

Each step runs in a process of its own. The table has its seconds and CPU time without imports, and the peak memory of
the largest process. The same seed gives the same files.
"""

from __future__ import annotations

import argparse
import multiprocessing
import os
import platform
import resource
import shutil
import tempfile
import time
from calendar import monthrange
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from functools import partial
from hashlib import sha256
from pathlib import Path
from random import Random
from typing import Any, TypeVar

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from kokin import authorities as shared
from kokin import receipts as receipt_files
from kokin.catalog import AccountCodes
from kokin.ledger import EntryKind, Ledger
from kokin.reports import AccountFile, Report
from kokin.rules import RateTable, load_rates
from kokin.text import JAPAN, gs1_check_digit

T = TypeVar("T")

FISCAL_YEAR = 2026
#: The first days of the months whose days are closed; the last one is that of 出納閉鎖.
MONTHS = tuple(date(2026 + (3 + number) // 12, (3 + number) % 12 + 1, 1) for number in range(14))
_MAY, _SEPTEMBER, _OCTOBER, _NOVEMBER, _DECEMBER, _JANUARY, _FEBRUARY = 1, 5, 6, 7, 8, 9, 10
_LAST, _AFTER = len(MONTHS) - 1, len(MONTHS)
#: The month in which the late file of a month arrives. That of the last month arrives before the year is closed.
LATE_FILES = {_MAY: 3, 11: 12, _LAST: _AFTER}
_REFUND_MONTHS = (3, 6, 9, 12)
_QUARTERS = (2, 5, 8, 11)
#: A payee code of no authority.
_NOBODY = "99001"
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
#: The controls that must hold in every report.
CONTROLS = ("T1", "T2", "T3", "T4", "T5", "T6", "T7", "T8")

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


# --- what is invented -------------------------------------------------------------------------------------------------


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
            for levy_year in (FISCAL_YEAR - 1, FISCAL_YEAR - 2):
                slip = self._slip(CHARGES[0], household, f"{levy_year}", 12_000, date(levy_year + 1, 3, 2), levy_year)
                self.bills[0].append(slip.row(self.code))
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
        month = min(month + self._occurs("late"), _LAST)
        if self._draw.random() < 0.35:
            self._pay_at_store(slip, month)
        elif self._occurs("partial"):
            self._pay_by_el(slip, month, slip.amount // 2)
        elif self._occurs("excess"):
            self._pay_by_el(slip, month, slip.amount + 1_000)
        elif self._occurs("wrong number"):
            self._pay_wrong_number(slip, month)
        elif month != _DECEMBER and self._occurs("correction"):
            self._pay_with_correction(slip, month)
        elif month != _DECEMBER and self._occurs("reversal"):
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
            if month < _DECEMBER - 1 and part != "late":
                self.wrong_numbers.append((key, el_name(month, part), slip.bill_id))
                slip.money += slip.amount
            else:
                self.suspense += slip.amount

    def _pay_with_correction(self, slip: Slip, month: int) -> None:
        """Add a payment with a wrong amount, and its correction (訂正) in the second file of the month."""
        if self._has_room(2):
            about = {"paid_on": self._day(month, "1"), "paid_time": self._time()}
            self._add_el(slip, month, "1", slip.amount + 9_000, is_counted=False, **about)
            self._add_el(slip, month, "2", slip.amount, kind="correction", settled_on=settled_on(month, "1"), **about)
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
        paid_on = first_day(month) + timedelta(days=self._draw.randrange(5, 15 if month == _LAST else 28))
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
        chance = self._draw.random()
        return "late" if month in LATE_FILES and chance < 0.1 else "1" if chance < 0.55 else "2"

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
        settled_on: date | None = None,
        is_counted: bool = True,
    ) -> str:
        """Add a record to a shared file; return its ``provider_key``."""
        self.count += 1
        paid_on, transferred_on = paid_on or self._day(month, part), settled_on or _settled_on(month, part)
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


_settled_on = settled_on


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
    parts = sorted({key for year in years for key in year.el} | {(month, "1") for month in range(_AFTER)})
    for month, part in parts:
        lines = sorted(
            (line for year in years for line in year.el.pop((month, part), [])), key=lambda line: line.split(",")[5]
        )
        if part == "1":
            lines += [_payment_to_nobody(month, number) for number in (1, 2)]
            unassigned.suspense += 2 * 500
            for _ in (1, 2):
                unassigned._deposit(settled_on(month, part), 500)
        name = el_name(month, part)
        if month < _DECEMBER - 1:
            wanted = {key for year in years for key, file, _ in year.wrong_numbers if file == name}
            keys = (line.split(",")[12] for line in lines)
            records_of |= {key: (name, number) for number, key in enumerate(keys, 1) if key in wanted}
        _write_el(folder / "files" / name, lines)
        if (month, part) == (_OCTOBER, "1"):
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
    about = f"app,EL,NB{month:02d}{number}"
    return (
        f"{_NOBODY},901,{month:019d}{number},000001,500,{day},final,12:00:00,{day},{settled_on(month, '1')},{about},\n"
    )


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


# --- the steps --------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Desk:
    """An authority at a time: what every step needs to know."""

    folder: Path
    code: str
    now: datetime

    def url(self) -> str:
        """Return the ledger of the authority."""
        return self.settings().ledger_of(self.code)

    def settings(self) -> shared.Authorities:
        """Return the authorities."""
        return shared.Authorities.load(self.folder / "authorities.toml")

    def ledger(self) -> Ledger:
        """Open the ledger; its clock is at the time of the step."""
        return Ledger.open(self.url(), clock=lambda: self.now)

    def rates(self) -> RateTable:
        """Return the rates of interest, with that of the next year."""
        return load_rates(self.folder / "rates.toml")


class YearError(AssertionError):
    """A check of the year has failed."""


def require(condition: object, *about: object) -> None:
    """Raise YearError unless a condition is true, also with ``python -O``."""
    if not condition:
        raise YearError(" ".join(map(str, about)))


def create(desk: Desk) -> None:
    """Create the ledger."""
    Ledger.create(desk.url(), actor="chief", clock=lambda: desk.now).close()


def add_bills(desk: Desk, month: int) -> None:
    """Add the bills of a month, if there are any."""
    path = desk.folder / "bills" / f"{desk.code}-{month}.parquet"
    if path.exists():
        with desk.ledger() as ledger:
            ledger.add_bills(pq.read_table(path), source=path.name, actor="tax system")


def post(desk: Desk, name: str, states: Sequence[str] = ("posted",)) -> tuple[int, int]:
    """Post a file of all authorities or of one; return its receipts and yen. Its parts must add up to it."""
    layout = "dsk-csv" if name.startswith("stores-") else "kokin-csv"
    path = desk.folder / "files" / name
    posted = shared.post(path, layout, desk.settings(), clock=lambda: desk.now)
    found = {result.state.value for result in posted.results}
    require(found == set(states), name, found, *(result.error or result.issues for result in posted.results))
    require(not posted.inconsistencies, name, posted.inconsistencies)
    if "rejected" in states:
        return 0, 0
    require(posted.control.holds is True, name, posted.control)
    nobody = sum(yen for _, yen in posted.unassigned.values())
    require(nobody == (1_000 if name.endswith("-1.csv") else 0), name, posted.unassigned)
    assert posted.totals is not None
    return posted.totals.accepted, posted.totals.accepted_yen


def post_with_events(desk: Desk, name: str, month: int) -> int:
    """Post a file as it comes: in some months it is rejected first, or delivered again; return its receipts."""
    file = desk.folder / "files" / name
    if (month, name) == (_SEPTEMBER, el_name(_SEPTEMBER, "1")):
        whole = file.read_bytes()
        file.write_bytes(b"")
        post(desk, name, ("rejected",))
        file.write_bytes(whole)
    receipts, _ = post(desk, name)
    if (month, name) == (_OCTOBER, el_name(_OCTOBER, "1")):
        post(desk, name, ("already posted",))
        post(desk, el_name(month, "copy"))
    return receipts


def add_bank(desk: Desk, day: date, count: int, amount: int, cancelled: int) -> None:
    """Add the deposit of a day, and the report of the agents about what they have collected."""
    about: dict[str, Any] = {"actor": "clerk", "source": f"bank-{day}.csv"}
    report = {
        "first_day": date(2026, 1, 1),
        "last_day": day,
        "count": count,
        "amount": amount,
        "settled_on": day,
    }
    with desk.ledger() as ledger:
        ledger.add_deposits(pa.Table.from_pylist([{"credited_on": day, "amount": amount - cancelled}]), **about)
        ledger.add_agent_reports(pa.Table.from_pylist([report]), **about)


def reverse(desk: Desk, month: int) -> None:
    """Reverse the first shared file of a month, with its deposit and report if the bank has made them."""
    sources = (el_name(month, "1"), f"bank-{settled_on(month, '1')}.csv")
    kinds = (EntryKind.RECEIPT_FILE, EntryKind.BANK_DEPOSITS, EntryKind.AGENT_REPORTS)
    with desk.ledger() as ledger:
        found = [entry.id for entry in ledger.entries() if entry.source in sources and entry.kind in kinds]
        for entry in found:
            ledger.reverse_entry(entry, reason="file of another day", actor="chief")


def restore(desk: Desk, entries: int) -> None:
    """Reverse the last reversals, so that what they have reversed is active again."""
    with desk.ledger() as ledger:
        found = [entry.id for entry in ledger.entries() if entry.kind is EntryKind.REVERSAL][-entries:]
        for entry in found:
            ledger.reverse_entry(entry, reason="it was the right file", actor="chief")


def decide(desk: Desk, wrong_numbers: Sequence[tuple[str, int, str]]) -> int:
    """Assign payments with a wrong number to their bills; return how many."""
    if not wrong_numbers:
        return 0
    bill_of = {(source, record): bill for source, record, bill in wrong_numbers}
    with desk.ledger() as ledger:
        work = ledger.work_list().select(["exception_id", "source", "record_no"]).to_pylist()
        rows = [
            {
                "exception_id": row["exception_id"],
                "decision": "assign",
                "bill_id": bill_of[row["source"], row["record_no"]],
                "reason": "digits of the number were exchanged",
            }
            for row in work
            if (row["source"], row["record_no"]) in bill_of
        ]
        require(len(rows) == len(wrong_numbers), "exceptions", len(rows), "expected", len(wrong_numbers))
        ledger.decide(pa.Table.from_pylist(rows), actor="clerk")
    return len(rows)


def refund(desk: Desk) -> tuple[int, list[tuple[str, int]]]:
    """Decide all refunds and the set-offs (充当) that law requires; each tenth transfer comes back (組戻).

    Returns:
        The number of transfers, and the bill and yen of each set-off.
    """
    day = desk.now.date()
    with desk.ledger() as ledger:
        table = ledger.refund_proposals(decided_on=day, rates=desk.rates())
        rows = table.filter(pc.equal(table.column("state"), "open")).to_pylist()
        returned = table.filter(pc.equal(table.column("state"), "returned")).column("proposal_id").to_pylist()
        # A payer who does not agree to a set-off gets the yen back.
        is_setoff = [row["kind"] == "setoff" and not row["needs_consent"] for row in rows]
        decisions = [
            {
                "proposal_id": row["proposal_id"],
                "kind": "setoff" if setoff else "refund",
                "debt_bill_id": row["debt_bill_id"] if setoff else None,
            }
            for row, setoff in zip(rows, is_setoff, strict=True)
        ]
        if decisions:
            about: dict[str, Any] = {"decided_on": day, "rates": desk.rates(), "source": f"decided-{day}.csv"}
            ledger.decide_refunds(pa.Table.from_pylist(decisions), actor="clerk", **about)
        new = [row["proposal_id"] for row, setoff in zip(rows, is_setoff, strict=True) if not setoff]
        setoffs = [(row["debt_bill_id"], row["amount"]) for row, setoff in zip(rows, is_setoff, strict=True) if setoff]
        transfers = [*new, *returned]
        if not transfers:
            return 0, setoffs
        account = {"bank_code": "9999", "branch_code": "001", "account_number": "1234567", "name": "ｺｳｷﾝ ﾊﾅｺ"}
        ordered = pa.Table.from_pylist([{"proposal_id": name, **account} for name in transfers])
        header = {"consignor_name": "ﾚｲｼﾞｼ", "transfer_day": day + timedelta(days=1), "bank_code": "9999"}
        path = desk.folder / f"refunds-{desk.code}-{day}.txt"
        ledger.order_refunds(ordered, path, header=header, actor="clerk")
        results = [
            {
                "proposal_id": name,
                "result": "returned" if at % 10 == 0 and at < len(new) else "paid",
                "result_on": day + timedelta(days=1),
            }
            for at, name in enumerate(transfers)
        ]
        ledger.add_refund_results(pa.Table.from_pylist(results), actor="clerk", source=f"results-{day}.csv")
    return len(transfers), setoffs


def close(desk: Desk, period: str, day: date) -> dict[str, Any]:
    """Close a period; return its totals with ``entry``."""
    with desk.ledger() as ledger:
        entry = ledger.close_period(period, day, actor="chief").entry
    return {"entry": entry.id, **entry.totals}


def print_report(desk: Desk, closing: int | None = None) -> dict[str, Any]:
    """Print a report as CSV and page; return the SHA-256 of each file, the yen received, and the open excess."""
    with desk.ledger() as ledger, tempfile.TemporaryDirectory(dir=desk.folder) as folder:
        report = Report.from_ledger(ledger, closing=closing, rates=desk.rates())
        report.write(folder, formats=["csv", "html"])
        digests = {path.name: sha256(path.read_bytes()).hexdigest() for path in Path(folder).iterdir()}
    controls = report.summary["controls"]
    require(all(controls[name]["holds"] is True for name in CONTROLS), desk, _broken(controls))
    require(not _broken(controls), desk, _broken(controls))
    return {"digests": digests, "received": _sum(report.tables["daily"], "received")}


def _broken(controls: Mapping[str, Mapping[str, Any]]) -> list[Mapping[str, Any]]:
    return [{"name": name, **control} for name, control in controls.items() if control["holds"] is False]


def _sum(table: pa.Table, name: str) -> int:
    return pc.sum(table.column(name)).as_py() or 0


def write_account_file(desk: Desk, closing: int) -> int:
    """Write the account file of a closing; return its yen."""
    codes = AccountCodes.load(desk.folder / "accounts.toml")
    with desk.ledger() as ledger:
        found = AccountFile.of_closing(ledger, closing, codes)
        require(all(control.holds for control in found.controls.values()), desk, found.controls)
        path = desk.folder / f"account-{desk.code}-{closing}.csv"
        records = found.write(path, desk.folder / "account-layout.toml")
    lines = path.read_bytes().decode("cp932").splitlines()[1:]
    yen = sum(int(line.split(",")[-1]) for line in lines)
    require((len(lines), yen) == (records, _sum(found.entries, "amount")), desk, "account file", records, yen)
    return yen


_DELTAS = ("amount", "paid", "residual", "provisional", "excess")


def hand_over(desk: Desk, cursor: str) -> int:
    """Write the changes since the last time for a consumer, and acknowledge them; return how many there are."""
    with desk.ledger() as ledger:
        changes = ledger.changes(cursor)
        folder = desk.folder / f"changes-{desk.code}-{cursor}"
        folder.mkdir(exist_ok=True)
        pq.write_table(changes.deltas(), folder / f"{changes.last_entry:09d}.parquet")
        ledger.acknowledge(cursor, changes.last_entry, actor=cursor)
    return len(changes.table)


def check_balances(desk: Desk, suspense: int, setoffs: Sequence[tuple[str, int]]) -> None:
    """Compare the balances, the changes of both consumers and the yen on no bill with what was invented."""
    expected = pq.read_table(desk.folder / f"expected-{desk.code}.parquet")
    credited = {
        "bill_id": [bill for bill, _ in setoffs],
        "amount": [0] * len(setoffs),
        "money": [yen for _, yen in setoffs],
    }
    expected = pa.concat_tables([expected, pa.table(credited, expected.schema)])
    expected = expected.group_by("bill_id").aggregate([("amount", "sum"), ("money", "sum")]).sort_by("bill_id")
    left = pc.subtract(expected.column("amount_sum"), expected.column("money_sum"))
    residual = pc.max_element_wise(left, 0).combine_chunks()
    excess = -(pc.sum(pc.min_element_wise(left, 0)).as_py() or 0)
    with desk.ledger() as ledger:
        balances = ledger.balances().sort_by("bill_id")
        yen = ledger.status(recompute=False).dispositions
    own = balances.filter(pc.is_in(balances.column("bill_id").cast(pa.string()), _ids(expected)))
    require(_ids(own) == _ids(expected), desk, "bills", len(own), len(expected))
    found = own.column("residual").combine_chunks()
    if found != residual:
        at = pc.indices_nonzero(pc.not_equal(found, residual))[:5].to_pylist()
        require(False, desk, [(own.slice(row, 1).to_pylist(), residual[row].as_py()) for row in at])
    require(yen.get("suspense", 0) == suspense, desk, "suspense", yen, suspense)
    for cursor in ("monthly", "quarterly"):
        changed = _sum_of_deltas(desk, cursor)
        for name in ("amount", "paid", "residual"):
            in_force = changed.filter(pc.is_in(changed.column("bill_id"), _ids(balances)))
            found = in_force.column(f"{name}_sum").combine_chunks()
            require(found == balances.column(name).combine_chunks(), desk, cursor, name)
        require(_sum(changed, "excess_sum") == excess, desk, cursor, _sum(changed, "excess_sum"), excess, yen)


def _sum_of_deltas(desk: Desk, cursor: str) -> pa.Table:
    """Return the sums of all changes that a consumer has got, by bill."""
    tables = [pq.read_table(path) for path in sorted((desk.folder / f"changes-{desk.code}-{cursor}").iterdir())]
    return (
        pa.concat_tables(tables).group_by("bill_id").aggregate([(name, "sum") for name in _DELTAS]).sort_by("bill_id")
    )


def _ids(table: pa.Table) -> pa.Array:
    return table.column("bill_id").cast(pa.string()).combine_chunks()


def verify(desk: Desk) -> None:
    """Verify all rows, and match all receipts again."""
    with desk.ledger() as ledger:
        found = ledger.verify(rematch=True)
    require(found.is_clean, desk, found.issues)


# --- the year ---------------------------------------------------------------------------------------------------------


@dataclass
class Meter:
    """Runs steps and sums what they need: each in a process of its own, or all in this one."""

    is_isolated: bool = True
    usages: dict[str, list[tuple[float, float, float]]] = field(default_factory=lambda: defaultdict(list))
    """Seconds, CPU seconds and peak MB of each run, by the name of the step."""

    def run(self, step: str, work: Callable[..., T], *arguments: Any) -> T:
        """Run a step and return its result."""
        if self.is_isolated:
            with ProcessPoolExecutor(1, multiprocessing.get_context("spawn")) as executor:
                result, usage = executor.submit(_measured, work, *arguments).result()
        else:
            result, usage = _measured(work, *arguments)
        self.usages[step].append(usage)
        return result

    def rows(self) -> Iterator[str]:
        """Yield the rows of a Markdown table."""
        yield "| step | runs | seconds | longest run | CPU seconds | peak MB |"
        yield "|---|--:|--:|--:|--:|--:|"
        for step, usages in self.usages.items():
            seconds, cpu, peak = zip(*usages, strict=True)
            figures = f"{sum(seconds):,.1f} | {max(seconds):,.1f} | {sum(cpu):,.1f} | {max(peak):,.0f}"
            yield f"| {step} | {len(usages)} | {figures} |"
        totals = [sum(usage[at] for usages in self.usages.values() for usage in usages) for at in (0, 1)]
        peak_mb = max(usage[2] for usages in self.usages.values() for usage in usages)
        yield f"| all | | {totals[0]:,.1f} | | {totals[1]:,.1f} | {peak_mb:,.0f} |"


def _measured(work: Callable[..., T], *arguments: Any) -> tuple[T, tuple[float, float, float]]:
    start, cpu = time.perf_counter(), time.process_time()
    result = work(*arguments)
    usage = (time.perf_counter() - start, time.process_time() - cpu)
    return result, (*usage, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024)


@dataclass
class YearResult:
    """What the closings of a year have sealed, by authority."""

    closings: dict[str, list[dict[str, Any]]] = field(default_factory=lambda: defaultdict(list))
    """The totals of each closing, with ``entry``, ``printed`` and ``account_yen``."""
    setoffs: dict[str, list[tuple[str, int]]] = field(default_factory=lambda: defaultdict(list))
    """The bill and yen of each set-off."""
    events: Counter[str] = field(default_factory=Counter)
    """How many receipts, refunds, decisions and changes there were."""


def run_year(plan: Plan, meter: Meter) -> YearResult:
    """Run the steps of the year in the order of the days, check everything, and return what was sealed."""
    result = YearResult()

    def desk(code: str, day: date, hour: int = 9) -> Desk:
        return Desk(plan.folder, code, datetime(day.year, day.month, day.day, hour, tzinfo=JAPAN))

    def close_all(period: str, closed: date, day: date) -> None:
        for code in plan.codes:
            at = desk(code, day)
            totals = meter.run("close", close, at, period, closed)
            totals["printed"] = meter.run("report", print_report, at)
            totals["account_yen"] = meter.run("account file", write_account_file, at, totals["entry"])
            result.closings[code].append(totals)

    def hand_over_all(cursor: str, day: date) -> None:
        for code in plan.codes:
            result.events[cursor] += meter.run(f"hand-over {cursor}", hand_over, desk(code, day), cursor)

    def post_all(name: str, day: date, month: int) -> None:
        if (plan.folder / "files" / name).exists():
            at = desk(plan.codes[0], day)
            result.events["receipts"] += meter.run("post", post_with_events, at, name, month)

    for code in plan.codes:
        meter.run("create", create, desk(code, MONTHS[0]))
    reversed_code = plan.codes[min(1, len(plan.codes) - 1)]
    for month in range(_AFTER + 1):
        on = partial(_day_of, first_day(month))
        if month:
            close_all("month", last_day(month - 1), on(3))
            hand_over_all("monthly", on(3))
            if month - 1 in _QUARTERS:
                hand_over_all("quarterly", on(3))
        for code in plan.codes if month < _AFTER else ():
            meter.run("add bills", add_bills, desk(code, on(4)), month)
            if month == 4:
                meter.run("add bills", add_bills, desk(code, on(4)), -1)
        if month == _JANUARY:
            meter.run("reverse", reverse, desk(reversed_code, on(5)), _DECEMBER)
        if month == _FEBRUARY:
            meter.run("reverse", restore, desk(reversed_code, on(5)), 3)
        for late in (late for late, arrival in LATE_FILES.items() if arrival == month):
            post_all(el_name(late, "late"), on(10), month)
        if month < _AFTER:
            post_all(el_name(month, "1"), on(16), month)
            if month == _NOVEMBER:
                meter.run("reverse", reverse, desk(reversed_code, on(17)), month)
                meter.run("reverse", restore, desk(reversed_code, on(17)), 1)
            for code in plan.codes:
                post_all(store_name(code, month), on(25), month)
            post_all(el_name(month, "2"), last_day(month), month)
        for code in plan.codes:
            bank_day = last_day(month) if month < _AFTER else on(10)
            for day, yen in sorted(plan.deposits[code].items()):
                if first_day(month) <= day <= bank_day:
                    meter.run("bank", add_bank, desk(code, bank_day), day, *yen)
            if month in _REFUND_MONTHS:
                transfers, setoffs = meter.run("refunds", refund, desk(code, last_day(month)))
                result.events += Counter({"refunds": transfers, "set-offs": len(setoffs)})
                result.setoffs[code] += setoffs
            if month == _DECEMBER:
                wrong_numbers = plan.wrong_numbers[code]
                result.events["decisions"] += meter.run("decide", decide, desk(code, last_day(month)), wrong_numbers)
        # The closing of accounts of the year before, of the enterprises, and of the year.
        if month == 2:
            close_all("year", date(FISCAL_YEAR - 1, 4, 1), last_day(month))
        if month == 12:
            close_all("enterprise_year", date(FISCAL_YEAR, 4, 1), last_day(month))
        if month == _AFTER:
            close_all("year", date(FISCAL_YEAR, 4, 1), on(15))
    for cursor in ("monthly", "quarterly"):
        hand_over_all(cursor, first_day(_AFTER).replace(day=16))
    check_year(plan, meter, result, partial(desk, day=first_day(_AFTER).replace(day=20)))
    return result


def _day_of(first: date, day: int) -> date:
    return first.replace(day=day)


def check_year(plan: Plan, meter: Meter, result: YearResult, desk: Callable[[str], Desk]) -> None:
    """Check the ties of the whole year, and print every report again."""
    for code in plan.codes:
        at = desk(code)
        closings = result.closings[code]
        meter.run("check the balances", check_balances, at, plan.suspense[code], result.setoffs[code])
        months = [closing for closing in closings if closing["period"] == "month"]
        require(len(months) == len(MONTHS), at, "months", len(months))
        require(any(closing["late_received"] for closing in months), at, "no 過日分")
        for closing in closings:
            require(closing["account_yen"] == closing["received"], at, closing)
            printed = meter.run("reprint", print_report, at, closing["entry"])
            require(printed == closing["printed"], at, closing["entry"], "differs")
        meter.run("verify", verify, at)


def main() -> None:
    """Run what the arguments say."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--receipts", type=int, default=100_000)
    parser.add_argument("--authorities", type=int, default=3)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--folder", type=Path, default=Path(__file__).parent / "_work" / "year")
    arguments = parser.parse_args()
    shutil.rmtree(arguments.folder, ignore_errors=True)
    print(f"Python {platform.python_version()}, {platform.machine()}, {os.cpu_count()} cores")
    meter = Meter()
    about = (arguments.folder, arguments.receipts, arguments.authorities)
    plan = meter.run("write the files", partial(write_year, seed=arguments.seed), *about)
    result = run_year(plan, meter)
    print(f"\n{plan.records:,} receipts, {plan.bills:,} bills, {len(plan.codes)} authorities: {dict(result.events)}\n")
    print("\n".join(meter.rows()))
    shutil.rmtree(arguments.folder)


if __name__ == "__main__":
    main()
