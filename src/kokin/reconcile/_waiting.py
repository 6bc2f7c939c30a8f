"""What waits (未着・滞留, 未納): money that is not at its end yet, and debts that are past their day."""

from __future__ import annotations

from enum import StrEnum

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from kokin._arrow import BoolArray, Int32Array, Int64Array, bool_array, from_numpy, to_numpy
from kokin.reconcile._billed import Billed
from kokin.reconcile._columns import Days, day_column, days_array, words_of
from kokin.reconcile._lines import Lines
from kokin.reconcile._settlement import due_days
from kokin.reconcile._totals import of_charge, year_class_texts
from kokin.reconcile._years import book


class AgingKind(StrEnum):
    """Why money is not at its end yet."""

    #: 速報: reported, and neither its final nor a cancel has come.
    PROVISIONAL = "provisional"
    #: 不明金: here, and nobody knows for what.
    SUSPENSE = "suspense"
    #: 未着: due at the bank on a day that has come, and not there.
    UNSETTLED = "unsettled"


_KINDS = [kind.value for kind in AgingKind]

#: How long something waits (経過日数), in days.
AGING_BUCKETS = ("0-7", "8-30", "31-90", "91+")
_AGE_ENDS = (7, 30, 90)

_PENDING = pa.schema(
    [
        ("kind", pa.string()),
        ("source", pa.string()),
        ("record_no", pa.int64()),
        ("outcome", pa.string()),
        ("bill_id", pa.string()),
        ("payee_code", pa.string()),
        ("item_code", pa.string()),
        ("case_key", pa.string()),
        ("agent_code", pa.string()),
        ("since", pa.date32()),
        ("days", pa.int64()),
        ("age", pa.string()),
        ("amount", pa.int64()),
    ]
)


def pending(lines: Lines, settlements: pa.Table | None, as_of: np.datetime64) -> pa.Table:
    """未着・滞留一覧: a row for each; see :attr:`kokin.reconcile.Accounts.pending`.

    ``settlements`` is the table of that name where the bank's credits are known.
    """
    at = np.flatnonzero(lines.waiting | lines.suspense)
    told = lines.told.take(from_numpy(at, pa.int64()))
    waits = lines.waiting[at]
    since = np.where(waits, lines.paid_on[at], lines.received_on[at])
    columns = {
        **{name: told.column(name) for name in _PENDING.names if name in told.column_names},
        "kind": words_of(np.where(waits, 0, 1), _KINDS),
        "agent_code": lines.text("agent_code").take(from_numpy(at, pa.int64())),
        "amount": from_numpy(lines.yen[at], pa.int64()),
        **_waited(since, as_of),
    }
    tables = [_in_full(columns, len(at))]
    if settlements is not None:
        tables.append(_unsettled(settlements, as_of))
    order = [("kind", "ascending"), ("days", "descending"), ("source", "ascending"), ("record_no", "ascending")]
    return pa.concat_tables(tables).sort_by(order)


def _unsettled(settlements: pa.Table, as_of: np.datetime64) -> pa.Table:
    missing = to_numpy(settlements.column("expected"), 0) - to_numpy(settlements.column("credited"), 0)
    rows = due_days(settlements, as_of) & (missing > 0)
    some = settlements.filter(bool_array(rows))
    columns = {
        "kind": words_of(np.full(len(some), 2), _KINDS),
        "agent_code": some.column("agent_code"),
        "amount": from_numpy(missing[rows], pa.int64()),
        **_waited(day_column(some, "settled_on"), as_of),
    }
    return _in_full(columns, len(some))


def _in_full(columns: dict[str, pa.Array], count: int) -> pa.Table:
    return pa.table([columns.get(f.name, pa.nulls(count, f.type)) for f in _PENDING], schema=_PENDING)


def _waited(since: Days, as_of: np.datetime64) -> dict[str, pa.Array]:
    """``since, days, age`` of what has waited since some days."""
    days: Int64Array = np.maximum((as_of - since).astype(np.int64), 0)
    age = words_of(np.searchsorted(_AGE_ENDS, days), AGING_BUCKETS)
    return {"since": days_array(since), "days": from_numpy(days, pa.int64()), "age": age}


def arrears(
    billed: Billed, unpaid: Int64Array, written_off: Int64Array, waiting: Int32Array, as_of: np.datetime64
) -> pa.Table:
    """未納一覧: a row for each debt past its day; see :attr:`kokin.reconcile.Accounts.arrears`.

    Args:
        billed: the bills.
        unpaid: int64 (m,): yen still open on each obligation.
        written_off: int64 (m,): yen written off on each.
        waiting: the slips on which a 速報 waits.
        as_of: the day.
    """
    debts = billed.index.obligations
    reported: BoolArray = np.zeros(len(unpaid), np.bool_)
    reported[debts.expand(np.unique(waiting[waiting >= 0]))[1]] = True
    due_on = billed.terms.due_on[billed.slip_of]
    debt = np.flatnonzero((unpaid > 0) & (due_on < as_of))
    slip = billed.slip_of[debt]
    order = np.lexsort((billed.rank[slip], due_on[debt]))
    debt, slip = debt[order], slip[order]
    of_slip = from_numpy(slip, pa.int32())
    charge = billed.charge.texts(slip)
    terms = billed.terms_of(slip)
    waited = _waited(terms.due_on, as_of)
    yen = {
        "billed": debts.billed[debt],
        "paid": debts.billed[debt] - unpaid[debt] - written_off[debt],
        "unpaid": unpaid[debt],
    }
    day = np.broadcast_to(as_of, len(slip))
    return pa.table(
        {
            "bill_id": billed.index.bill_ids(slip),
            **{name: billed.text(name).take(of_slip) for name in ("payee_code", "item_code")},
            "case_key": pc.utf8_lpad(billed.text("case_key").take(of_slip), 20, "0"),
            "payer_key": billed.text("payer_key").take(of_slip),
            "system": of_charge(charge, billed.catalog, "system"),
            "charge": charge,
            "claim": of_charge(charge, billed.catalog, "claim"),
            "levy_year": _year(terms.levy_year),
            "tax_year": _year(terms.tax_year),
            "period": billed.period.take(of_slip),
            "year_class": year_class_texts(book(terms, day).year_class),
            "due_on": waited["since"],
            "days": waited["days"],
            "age": waited["age"],
            **{name: from_numpy(values, pa.int64()) for name, values in yen.items()},
            "reported": bool_array(reported[debt]),
        }
    )


def _year(years: Int64Array) -> pa.Array:
    return from_numpy(years, pa.int64(), years > 0)
