"""Aging (未着・滞留): provisional, unidentified and undeposited money."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from enum import StrEnum

import numpy as np
import pyarrow as pa

from kokin._arrow.convert import Int64Array, bool_array, from_numpy, to_numpy
from kokin.reconcile._bank import is_due
from kokin.reconcile._columns import Days, category_texts, day_column, days_array
from kokin.reconcile._tables import OUTCOME_SCHEMA, OutcomeRows


class AgingKind(StrEnum):
    """Why money has not reached its end."""

    #: 速報: reported, without a final (確報) or a cancel.
    PROVISIONAL = "provisional"
    #: 不明金: received for an unknown purpose.
    SUSPENSE = "suspense"
    #: 未着: due at the bank on a past day, and not deposited.
    UNSETTLED = "unsettled"


_KINDS = [kind.value for kind in AgingKind]

#: The buckets of 経過日数, in days.
AGING_BUCKETS = ("0-7", "8-30", "31-90", "91+")
_LAST_DAYS = (7, 30, 90)

_OUTCOME_COLUMNS = ("source", "record_no", "outcome", "bill_id", "payee_code", "item_code", "case_key")
_AGING_SCHEMA = pa.schema(
    [
        ("kind", pa.string()),
        *(OUTCOME_SCHEMA.field(name) for name in _OUTCOME_COLUMNS),
        ("agent_code", pa.string()),
        ("since", pa.date32()),
        ("days", pa.int64()),
        ("age", pa.string()),
        ("amount", pa.int64()),
    ]
)


def aging_receipts(rows: OutcomeRows, as_of: np.datetime64) -> pa.Table:
    """Return the rows of :func:`aging_table` that are receipts, in their order."""
    at = np.flatnonzero(rows.is_provisional | rows.is_suspense)
    outcomes = rows.outcomes_at(at)
    is_provisional = rows.is_provisional[at]
    since = np.where(is_provisional, rows.paid_on[at], rows.received_on[at])
    columns = {
        **{name: outcomes.column(name) for name in _OUTCOME_COLUMNS},
        "kind": category_texts(np.where(is_provisional, 0, 1), _KINDS),
        "agent_code": rows.text_column("agent_code").take(from_numpy(at, pa.int64())),
        "amount": from_numpy(rows.yen[at], pa.int64()),
        **age_columns(since, as_of),
    }
    return _with_all_columns(columns, len(at))


def aging_table(receipts: Sequence[pa.Table], settlements: pa.Table | None, as_of: np.datetime64) -> pa.Table:
    """Return 未着・滞留一覧; see :attr:`kokin.reconcile.Accounts.aging`.

    ``receipts`` are tables of :func:`aging_receipts`, ``settlements`` is the table of that name, None if the bank
    deposits are unknown.
    """
    tables = [*receipts]
    if settlements is not None:
        tables.append(_undeposited(settlements, as_of))
    order = [("kind", "ascending"), ("days", "descending"), ("source", "ascending"), ("record_no", "ascending")]
    return pa.concat_tables(tables).sort_by(order)


def _undeposited(settlements: pa.Table, as_of: np.datetime64) -> pa.Table:
    """Return a row for each past day and agent of which less was deposited than expected."""
    missing = to_numpy(settlements.column("expected"), 0) - to_numpy(settlements.column("credited"), 0)
    is_missing = is_due(settlements, as_of) & (missing > 0)
    days = settlements.filter(bool_array(is_missing))
    columns = {
        "kind": category_texts(np.full(len(days), 2), _KINDS),
        "agent_code": days.column("agent_code"),
        "amount": from_numpy(missing[is_missing], pa.int64()),
        **age_columns(day_column(days, "settled_on"), as_of),
    }
    return _with_all_columns(columns, len(days))


def _with_all_columns(columns: Mapping[str, pa.Array], count: int) -> pa.Table:
    arrays = [columns.get(field.name, pa.nulls(count, field.type)) for field in _AGING_SCHEMA]
    return pa.table(arrays, schema=_AGING_SCHEMA)


def age_columns(since: Days, as_of: np.datetime64) -> dict[str, pa.Array]:
    """Return the columns ``since, days, age``."""
    days: Int64Array = np.maximum((as_of - since).astype(np.int64), 0)
    age = category_texts(np.searchsorted(_LAST_DAYS, days), AGING_BUCKETS)
    return {"since": days_array(since), "days": from_numpy(days, pa.int64()), "age": age}
