"""Totals (科目別集計, 調定収納照合): what came in for what, and whether what was billed explains it."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from kokin._arrow import Int64Array, combine, from_numpy, to_numpy
from kokin.catalog import Catalog
from kokin.matching import Allocations
from kokin.reconcile._billed import Billed
from kokin.reconcile._columns import days_array, summed, total, words_of
from kokin.reconcile._controls import Control
from kokin.reconcile._lines import Lines
from kokin.reconcile._overpayments import overpaid
from kokin.reconcile._part_allocations import PartAllocations
from kokin.reconcile._years import book
from kokin.rules import YearClass

_BY = ("charge", "item_code", "fiscal_year", "year_class", "channel", "received_on")
_YEN = ("revenue", "overpaid", "suspense")


def part_table(lines: Lines, billed: Billed, allocations: Allocations, by_part: PartAllocations) -> pa.Table:
    """What each part of each bill received.

    ``source, record_no, bill_id, charge, account, fiscal_year, year_class, applied``. ``bill_id`` is the bill whose
    debt was lowered: of a slip for the whole year (全期) a row for each term. ``charge`` is the part; null where the
    yen cannot be told apart (yet). ``applied`` adds up to that of the outcomes.

    Args:
        lines: the receipts.
        billed: the bills.
        allocations: what was paid on each obligation, by line.
        by_part: the allocations divided among parts.
    """
    line = allocations.payment[by_part.allocation]
    slip = billed.slip_of[allocations.obligation[by_part.allocation]]
    years = book(billed.terms_of(slip), lines.received_on[line])
    told = lines.told.take(from_numpy(line, pa.int64()))
    charge = words_of(by_part.part.codes, by_part.part.words)
    return pa.table(
        {
            "source": told.column("source"),
            "record_no": told.column("record_no"),
            "bill_id": billed.index.bill_ids(slip),
            "charge": charge,
            "account": of_charge(charge, billed.catalog, "account"),
            "fiscal_year": from_numpy(years.fiscal_year, pa.int64()),
            "year_class": year_class_texts(years.year_class),
            "applied": from_numpy(by_part.yen, pa.int64()),
        }
    )


def year_class_texts(values: npt.NDArray[np.str_]) -> pa.Array:
    """The classes as a column."""
    names = [name.value for name in YearClass]
    code = np.zeros(len(values), np.int32)
    for at, name in enumerate(names):
        code[values == name] = at
    return words_of(code, names)


def of_charge(charge: pa.Array, catalog: Catalog, name: str) -> pa.Array:
    """What the catalogue says of each charge: its ``account`` or ``system``; null where it does not know it."""
    coded = charge.dictionary_encode()
    known = [
        getattr(catalog.charges[word], name) if word in catalog.charges else None
        for word in coded.dictionary.to_pylist()
    ]
    return pa.array(known, pa.string()).take(coded.indices)


def totals(lines: Lines, billed: Billed, parts: pa.Table, part_lines: Int64Array) -> pa.Table:
    """科目別集計: receipts and yen; see :attr:`kokin.reconcile.Accounts.totals`.

    Yen held under no part stand under the charge of their slip.

    Args:
        lines: the receipts.
        billed: the bills.
        parts: the table of :func:`part_table`.
        part_lines: int64: the line of each of its rows.
    """
    excess, suspense = overpaid(lines), np.flatnonzero(lines.suspense)
    years = book(billed.terms_of(lines.slip[excess]), lines.received_on[excess])
    revenue = parts.select(["charge", "fiscal_year", "year_class"])
    owed_back = pa.table(
        {
            "fiscal_year": from_numpy(years.fiscal_year, pa.int64()),
            "year_class": year_class_texts(years.year_class),
        }
    )
    entries = pa.concat_tables(
        [
            _entries(lines, billed, part_lines, revenue, revenue=to_numpy(parts.column("applied"), 0)),
            _entries(lines, billed, excess, owed_back, overpaid=lines.excess[excess]),
            _entries(lines, billed, suspense, pa.table({}), suspense=lines.yen[suspense]),
        ],
        promote_options="default",
    )
    told = summed(entries, _BY, _YEN, "line")
    charge = combine(told.column("charge"))
    received = pc.add(pc.add(told.column("revenue"), told.column("overpaid")), told.column("suspense"))
    return pa.table(
        {
            **{name: of_charge(charge, billed.catalog, name) for name in ("account", "system")},
            **{name: told.column(name) for name in _BY},
            "receipts": told.column("line"),
            "received": received,
            **{name: told.column(name) for name in _YEN},
        }
    )


def _entries(lines: Lines, billed: Billed, line: Int64Array, years: pa.Table, **yen: Int64Array) -> pa.Table:
    """Yen of some lines with all that they are grouped by; ``years`` tells the charge and the years where it can."""
    slip = lines.slip[line]
    of_slip = from_numpy(np.maximum(slip, 0), pa.int32(), slip >= 0)
    of_line = from_numpy(line, pa.int64())
    columns = dict(zip(years.column_names, years.columns, strict=True))
    charge = words_of(billed.charge.codes, billed.charge.words).take(of_slip)
    columns["charge"] = pc.coalesce(columns["charge"], charge) if "charge" in columns else charge
    columns["item_code"] = pc.coalesce(billed.text("item_code").take(of_slip), lines.text("item_code").take(of_line))
    columns["channel"] = lines.text("channel").take(of_line)
    columns["received_on"] = days_array(lines.received_on[line])
    columns["line"] = of_line
    columns.update({name: from_numpy(values, pa.int64()) for name, values in yen.items()})
    return pa.table(columns)


def receivables(
    lines: Lines,
    billed: Billed,
    allocations: Allocations,
    written_off: Int64Array,
    unpaid: Int64Array,
    as_of: np.datetime64,
) -> pa.Table:
    """調定収納照合表: what explains what is open; see :attr:`kokin.reconcile.Accounts.receivables`.

    Args:
        lines: the receipts.
        billed: the bills.
        allocations: what was paid on each obligation.
        written_off: int64 (m,): yen written off on each obligation (不納欠損).
        unpaid: int64 (m,): yen still open on each.
        as_of: the day.
    """
    debts = billed.index.obligations
    received, excess = np.zeros_like(unpaid), np.zeros_like(unpaid)
    at = overpaid(lines)
    first = billed.obligation_of(lines.slip[at])
    np.add.at(excess, first, lines.excess[at])
    np.add.at(received, allocations.obligation, allocations.yen)
    received += excess
    slip = billed.slip_of
    day = np.broadcast_to(as_of, len(slip))
    by = {
        "charge": billed.charge.texts(slip),
        "item_code": billed.item.texts(slip),
        "year_class": year_class_texts(book(billed.terms_of(slip), day).year_class),
    }
    yen = {
        "billed": debts.billed,
        "paid_before": debts.billed - debts.open,
        "received": received,
        "overpaid": excess,
        "written_off": written_off,
        "unpaid": unpaid,
    }
    columns = {name: from_numpy(values, pa.int64()) for name, values in yen.items()}
    return summed(pa.table({**by, **columns}), list(by), list(yen))


def receivables_control(told: pa.Table) -> Control:
    """T5: what explains what is open, and what is open, by charge and year class."""
    yen = {name: to_numpy(told.column(name), 0) for name in told.column_names[3:]}
    explained = yen["billed"] - yen["paid_before"] - (yen["received"] - yen["overpaid"]) - yen["written_off"]
    wrong = told.take(from_numpy(np.flatnonzero(explained != yen["unpaid"]), pa.int64())).to_pylist()
    names = tuple(f"{row['charge']} {row['item_code']} {row['year_class']}" for row in wrong)
    statement = "billed - (paid - excess) - written off = open"
    return Control("T5", statement, total(explained), total(yen["unpaid"]), names)
