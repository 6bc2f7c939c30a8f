"""What a type checker sees of the public names. Checked by mypy, never run."""

from collections.abc import Iterator
from datetime import date

import pyarrow as pa

from kokin import bills, elqr, receipts, reconcile, rules, slips, text
from kokin.issues import Issue, RefusedError
from kokin.model import Bill, Receipt


def one_slip(bill: Bill) -> str:
    try:
        code: elqr.ElQr = elqr.ElQr.from_bill(bill)
    except elqr.PayloadError as error:
        found: list[Issue] = error.issues
        return str(found)
    lines: tuple[str, str] = slips.mpn_lines(code)
    picture: str = slips.svg(code, slips.Look(module_mm=0.5))
    return code.payload + code.el_number + lines[0] + picture


def many_slips(table: pa.Table) -> int:
    built = elqr.build_many(table, issued_on=date(2026, 6, 1))
    symbols: slips.Symbols = slips.symbols(built.payloads)
    return len(symbols) + built.rejected


def a_file() -> Iterator[Receipt]:
    file: receipts.ReceiptFile = receipts.open("debit.txt", layout="zengin-91", reference_date=date(2026, 11, 1))
    try:
        yield from file
    except receipts.FileRefused as error:
        refused: RefusedError = error
        raise refused from None


def a_night() -> dict[str, object]:
    billed: bills.Checked = bills.read("bills.csv")
    done: reconcile.Reconciliation = reconcile.reconcile(billed.table, receipts.read("r.csv", layout="kokin-csv"))
    held: bool | None = done.controls[3].holds
    return {"held": held, **done.summary}


yen: int = rules.late_charge(56_400, due_on=date(2026, 2, 2), paid_on=date(2026, 5, 29))
day: date = rules.shift_due_date(date(2026, 2, 28))
shares: list[int] = rules.instalments(101_300, 4)
code: str = text.body_code("08233")
