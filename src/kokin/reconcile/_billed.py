"""The bills of a run as columns: whose they are, what they are for, and when."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cached_property
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from kokin._arrow import Int32Array, Int64Array, as_table, combine, combine_strings, to_numpy, validate_table
from kokin.catalog import Catalog, Charge, LateChargeBasis
from kokin.issues import InvalidInputError, Issue
from kokin.matching import Index
from kokin.model import Bill
from kokin.reconcile._columns import Coded, Days, coded, day_column, text_column, words_of
from kokin.reconcile._years import Terms


class Parts(NamedTuple):
    """The parts of slips (内訳): slip ``i`` has those from ``offsets[i]`` to ``offsets[i + 1]``."""

    #: int64 (n + 1,).
    offsets: Int64Array
    names: Coded
    #: int64 (k,).
    yen: Int64Array


class Billed:
    """The slips of an index, ``n`` rows in its order, with what the index does not keep.

    Raises:
        InvalidInputError: the bills are not those that the index was built from.
    """

    def __init__(self, bills: Any, index: Index, catalog: Catalog) -> None:
        self.table = validate_table(as_table(bills), Bill)
        self.index, self.catalog = index, catalog
        if not combine_strings(self.table.column("bill_id")).equals(index.bill_id):
            raise InvalidInputError(
                [
                    Issue(
                        "BILLS_DIFFER",
                        field="bill_id",
                        expected=f"{len(index)} bills",
                        found=f"{len(self.table)} bills",
                    )
                ]
            )

    def __len__(self) -> int:
        return len(self.table)

    def text(self, name: str) -> pa.Array:
        """A text column in one piece; null where there is none."""
        return text_column(self.table, name)

    def days(self, name: str) -> Days:
        """A column of days, datetime64[D] (n,); NaT for a null."""
        return day_column(self.table, name)

    @cached_property
    def item(self) -> Coded:
        """税目・料金番号."""
        return coded(self.text("item_code"))

    @cached_property
    def charge(self) -> Coded:
        """The charge by its id: the bill's own word, or else that of its 税目・料金番号."""
        items = self.catalog.items
        known = [items[code].charge if code in items else "" for code in self.item.words]
        return coded(pc.coalesce(self.text("charge"), words_of(self.item.codes, known)))

    @cached_property
    def charges(self) -> Mapping[str, Charge]:
        """The charges that the catalogue knows of those that are billed."""
        return {name: self.catalog.charges[name] for name in self.charge.words if name in self.catalog.charges}

    @cached_property
    def family(self) -> Int32Array:
        """A number for what is set off against each other by law: int32 (n,).

        All local taxes are one family; any other charge is one of its own, an unknown one is its 税目・料金番号's.
        """
        by_charge = self.charge
        taxes = {name for name, charge in self.charges.items() if charge.late_charge is LateChargeBasis.TAX}
        number = np.array([0 if name in taxes else 1 + at for at, name in enumerate(by_charge.words)] + [-1], np.int32)
        family: Int32Array = number[by_charge.codes]
        return np.where(family < 0, 1 + len(by_charge.words) + self.item.codes, family).astype(np.int32)

    @cached_property
    def payer(self) -> Int32Array:
        """A number for the payer (宛名番号) of each slip and the body that he owes: int32 (n,); -1: not told."""
        key = self.text("payer_key")
        key = pc.if_else(pc.equal(key, ""), None, key)
        return coded(pc.binary_join_element_wise(self.text("payee_code"), key, "/")).codes

    @cached_property
    def period(self) -> pa.Array:
        """期別; ``00`` for a slip that is no term of several."""
        return pc.fill_null(self.text("period"), "00")

    @cached_property
    def terms(self) -> Terms:
        """What decides the years of each slip's debt; see :mod:`kokin.reconcile._years`."""
        accounts = self.catalog.accounts
        flags = [name in self.charges and accounts[self.charges[name].account].enterprise for name in self.charge.words]
        enterprise = np.array([*flags, False])[self.charge.codes]
        return Terms(self.days("due_on"), self._year("levy_year"), self._year("tax_year"), enterprise)

    def terms_of(self, slips: npt.NDArray[Any]) -> Terms:
        """The same of some slips."""
        return Terms._make(column[slips] for column in self.terms)

    def _year(self, name: str) -> Int64Array:
        if name not in self.table.schema.names:
            return np.zeros(len(self), np.int64)
        return to_numpy(self.table.column(name), 0)

    @cached_property
    def rank(self) -> Int64Array:
        """The order of the slips by ``bill_id``: int64 (n,)."""
        rank = np.arange(len(self), dtype=np.int64)
        if not self.index.is_sorted:
            rank[to_numpy(pc.sort_indices(self.index.bill_id).cast(pa.int64()), 0)] = np.arange(len(self))
        return rank

    @cached_property
    def slip_of(self) -> Int32Array:
        """The slip that stands for each obligation: int32 (m,).

        Its own, not one that covers several: an open one, the largest, the first by ``bill_id``.
        """
        debts = self.index.obligations
        slips = np.arange(len(self), dtype=np.int32)
        if debts.obligation_of_slip is None:
            return slips
        own = slips[debts.obligation_of_slip >= 0]
        status = np.zeros(len(self), np.uint8) if self.index.status is None else self.index.status
        lead = debts.obligation_of_slip[own]
        own = own[np.lexsort((self.rank[own], -self.index.amount[own], status[own], lead))]
        lead = debts.obligation_of_slip[own]
        return own[np.diff(lead, prepend=-1) > 0]

    def obligation_of(self, slips: Int32Array) -> Int32Array:
        """The obligation of each slip, the first by term of one that covers several: int32 (k,)."""
        return self.index.obligations.first_of(slips)

    @cached_property
    def parts(self) -> Parts:
        """The parts of every slip."""
        if "parts" not in self.table.schema.names:
            return Parts(np.zeros(len(self) + 1, np.int64), Coded(np.empty(0, np.int32), []), np.empty(0, np.int64))
        maps = combine(self.table.column("parts"))
        lists = maps.cast(pa.list_(pa.struct([("key", pa.string()), ("value", pa.int64())])))
        counts = to_numpy(pc.list_value_length(lists).cast(pa.int64()), 0)
        pairs = lists.flatten()
        offsets = np.concatenate([[0], np.cumsum(counts)])
        return Parts(offsets, coded(pairs.field("key")), to_numpy(pairs.field("value"), 0))
