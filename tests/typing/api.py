"""What a type checker sees of the public names. Checked by mypy and pyright, never run."""

from collections.abc import Iterator
from datetime import date
from typing import assert_type

import pyarrow as pa

import kokin
from kokin import bills, elqr, ledger, receipts, reconcile, reports, rules, slips, text
from kokin.issues import InvalidInputError, Issue, ReadResult
from kokin.model import Bill, Receipt


def one_slip(bill: Bill) -> str:
    try:
        code: elqr.ElQr = elqr.ElQr.from_bill(bill)
    except elqr.PayloadError as error:
        found: list[Issue] = error.issues
        return str(found)
    lines: tuple[str, str] = slips.mpn_lines(code)
    picture: str = slips.render(code, "svg", slips.SymbolStyle(module_mm=0.5))
    page: bytes = slips.render(code, "pdf")
    return code.payload + code.el_number + lines[0] + picture + str(len(page))


def many_slips(table: pa.Table) -> int:
    built = elqr.build_many(table, issued_on=date(2026, 6, 1))
    symbols: slips.Symbols = slips.encode(built.payloads)
    pictures: list[bytes] = list(symbols.render("png", dpi=300))
    return len(pictures) + built.rejected


def a_file() -> Iterator[Receipt]:
    file: receipts.ReceiptFile = receipts.open("debit.txt", layout="zengin-91", reference_date=date(2026, 11, 1))
    try:
        yield from file
    except receipts.FileRejectedError as error:
        refused: InvalidInputError = error
        raise refused from None


def a_night() -> dict[str, object]:
    billed: ReadResult[bills.BillTotals] = bills.read("bills.csv")
    done: reconcile.Reconciliation = reconcile.reconcile(billed.table, receipts.read("r.csv", layout="kokin-csv"))
    held: bool | None = done.controls[3].holds
    return {"held": held, **done.summary.as_dict()}


def a_ledger() -> str:
    with ledger.Ledger.open("sqlite:///city.db") as city:
        paid = receipts.read("r.csv", layout="kokin-csv").table
        night: ledger.EntryResult = city.post(paid, source="r.csv", actor="batch")
        city.reverse_entry(night.entry.id, reason="the wrong body's file", actor="chief")
        checked: ledger.Verification = city.verify()
        replaced: list[Issue] = reports.Report.from_ledger(city).write("reports", formats=["csv", "html"])
    return f"{checked.is_clean} {replaced}"


def by_the_top(body: bytes) -> None:
    assert_type(kokin.elqr.parse(body.decode()), elqr.ElQr)
    assert_type(kokin.text.authority_code("08233"), str)


yen: int = rules.late_charge(56_400, due_on=date(2026, 2, 2), paid_on=date(2026, 5, 29))
day: date = rules.shift_due_date(date(2026, 2, 28))
shares: list[int] = rules.instalments(101_300, 4)
code: str = text.authority_code("08233")
