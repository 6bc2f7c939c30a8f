"""The city's files, as they come from a billing system, a portal, a store agency and a bank."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date
from pathlib import Path

from kokin import bills as bill_files
from kokin import receipts
from kokin._arrow import atomic_file
from kokin.demo._city import bills
from kokin.demo._payments import broken_line, payments
from kokin.issues import InvalidInputError, Issue

#: The day near which the city's days without a year are.
REFERENCE_DATE = date(2026, 10, 31)


@dataclass(frozen=True, slots=True)
class CityFiles:
    """Where the files of a city are."""

    bills: Path
    receipts: tuple[tuple[Path, str], ...]
    """Each receipt file with its layout."""
    reference_date: date
    """What MMDD in the direct debit file is nearest to."""


def write_city(folder: str | Path, count: int, seed: int) -> CityFiles:
    """Write ``bills.csv`` with ``count`` slips, and the receipt files of those who paid.

    One record of ``eltax.csv`` is broken on purpose.

    Raises:
        InvalidInputError: ``count`` is negative.
        OSError: the folder cannot be written.
    """
    if count < 0:
        raise InvalidInputError([Issue("AMOUNT_RANGE", field="count", expected="0 or more", found=str(count))])
    folder = Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    city = list(bills(count, seed))
    bill_files.write(city, folder / "bills.csv")
    made = payments(city, seed)
    qr, store, debit = folder / "eltax.csv", folder / "stores.csv", folder / "debit.txt"
    receipts.write(made.qr, qr, "kokin-csv")
    _break(qr)
    written = [(qr, "kokin-csv")]
    if made.store:
        receipts.write(made.store, store, "dsk-csv")
        written.append((store, "dsk-csv"))
    if made.debit:
        receipts.write(made.debit, debit, "zengin-91", header={"consignor_name": "ﾃｽﾄｼ", "bank_code": "9999"})
        written.append((debit, "zengin-91"))
    return CityFiles(folder / "bills.csv", tuple(written), REFERENCE_DATE)


def _break(path: Path) -> None:
    """Put a broken record in the middle of a CSV."""
    lines = path.read_text(encoding="utf-8").splitlines(keepends=True)
    lines.insert(len(lines) // 2 + 1, ",".join(broken_line(lines[0].strip().split(","))) + "\n")
    with atomic_file(path) as draft:
        draft.write_text("".join(lines), encoding="utf-8")
