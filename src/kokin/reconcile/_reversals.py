"""Reversals (取消): a receipt that counts as never paid, told by a new row that names it. Nothing is deleted."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date
from typing import Annotated, Any

import pyarrow as pa
import pyarrow.compute as pc

from kokin._arrow import as_table, combine, validate_table
from kokin.issues import InvalidInputError, Issue, Location
from kokin.model import Date, Receipt, Record, Text, Yen
from kokin.reconcile._columns import text_column


class Reversal(Record):
    """One reversal: of a receipt by its file and record, or of an earlier reversal.

    A dishonoured 証券 makes its receipt count as never paid (自治法231の2④).
    """

    reversal_id: Annotated[str, Text(64, min=1)]
    """Its own name, unique."""
    actor: Annotated[str, Text(80, min=1)]
    """Who ordered it."""
    reason: Annotated[str, Text(200, min=1)]
    """Why, without personal data."""
    reversed_on: Annotated[date, Date()]
    """The day of the order."""
    digest: Annotated[str, Text(64, min=1)] | None = None
    """SHA-256 of the file whose receipt is reversed; with ``record_no``."""
    record_no: Annotated[int, Yen(1)] | None = None
    """The receipt's record in that file."""
    reverses: Annotated[str, Text(64, min=1)] | None = None
    """The ``reversal_id`` of the reversal that is itself reversed, instead of a receipt."""


def standing(receipts: Any, reversals: Sequence[Reversal]) -> pa.Table:
    """The receipts that still count after some reversals, in their order.

    Reversing a reversal gives back the state before it (control T6): the same receipts, and so the same outcome of
    every one.

    Args:
        receipts: a table with the columns of :class:`~kokin.model.Receipt`.
        reversals: in the order in which they were made.

    Raises:
        InvalidInputError: a reversal names no receipt and no earlier reversal, or one that is reversed already;
            ``.issues`` tells all of them by their row.

    >>> day = date(2026, 5, 1)
    >>> rows = pa.table({"digest": ["ab"] * 2, "record_no": [1, 2], "amount": [500, 700], "paid_on": [day] * 2})
    >>> bounced = Reversal(reversal_id="R1", actor="clerk 7", reason="dishonoured", reversed_on=date(2026, 5, 9),
    ...                    digest="ab", record_no=2)
    >>> standing(rows, [bounced])["amount"].to_pylist()
    [500]
    >>> back = Reversal(reversal_id="R2", actor="clerk 7", reason="wrong cheque", reversed_on=date(2026, 5, 10),
    ...                 reverses="R1")
    >>> standing(rows, [bounced, back])["amount"].to_pylist()
    [500, 700]
    """
    table = validate_table(as_table(receipts), Receipt)
    names = _names(table)
    wanted = pa.array([_receipt(reversal) for reversal in reversals if reversal.reverses is None], pa.string())
    # What can be reversed, and whether it stands; what each reversal reverses.
    stands = dict.fromkeys(names.filter(pc.is_in(names, value_set=wanted)).to_pylist(), True)
    targets: dict[str, str] = {}
    problems = []
    for row, reversal in enumerate(reversals, 1):
        target = _receipt(reversal) if reversal.reverses is None else f"reversal {reversal.reverses}"
        own = f"reversal {reversal.reversal_id}"
        if own in targets or not stands.get(target):
            problems.append(
                Issue(
                    "REVERSAL_TARGET",
                    field="reverses",
                    expected="what stands",
                    found=target,
                    location=Location(record=row),
                )
            )
            continue
        targets[own], stands[own] = target, True
        step: str | None = target
        while step is not None:  # what a reversal had undone stands again
            stands[step] = not stands[step]
            step = targets.get(step)
    if problems:
        raise InvalidInputError(problems, "reversals refused")
    gone = pa.array([name for name, stays in stands.items() if not stays and name not in targets], pa.string())
    return table.filter(pc.invert(pc.is_in(names, value_set=gone)))


def _receipt(reversal: Reversal) -> str:
    return f"{reversal.digest}#{reversal.record_no}"


def _names(receipts: pa.Table) -> pa.Array:
    """Each receipt by its file and record; null where it does not tell them."""
    if "record_no" not in receipts.schema.names:
        return pa.nulls(len(receipts), pa.string())
    number = combine(receipts.column("record_no")).cast(pa.string())
    return pc.binary_join_element_wise(text_column(receipts, "digest"), number, "#")
