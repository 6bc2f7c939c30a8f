"""Bills into the ledger: new ones, and new versions of those that have changed."""

from __future__ import annotations

from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from sqlalchemy import Select, bindparam, delete, select

from kokin.columns import Flags, Ints, bool_array, distinct, int64_array, without
from kokin.issues import Issue, RefusedError
from kokin.ledger._forms import flags, ints, stored
from kokin.ledger._journal import Journal
from kokin.ledger._keys import bill_keys, text_keys
from kokin.ledger._schema import JOURNAL, TABLES
from kokin.ledger._settle import settle
from kokin.ledger._store import Wanted, joined
from kokin.ledger._verdict import differs
from kokin.model import Bill
from kokin.reconcile import Policy

_BILLS, _LINKS = TABLES["bills"], TABLES["bill_links"]
_CONTENT = tuple(name for name in JOURNAL["bills"].names if name in Bill.model_fields)
_DEFAULTS = {name: field.default for name, field in Bill.model_fields.items() if isinstance(field.default, str | int)}
# Links are written in the order of their keys, and the more at once, the fewer pages of the index are gone over.
_MOST_LINKS = 4_000_000
_NO_TEXT, _NO_NUMBER = pa.scalar(None, pa.string()), pa.scalar(None, pa.int64())


class Load:
    """A load of bills in the making; ``given = new + changed + unchanged``."""

    def __init__(self, journal: Journal, policy: Policy) -> None:
        self.journal, self.policy = journal, policy
        self.given = self.new = self.changed = self.unchanged = 0
        self._before = journal.last["bills"]
        nothing = np.empty(0, np.int64)
        #: Keys of the bills' names, of obligations that slips of their own bill, and of those that others cover.
        self._names, self._owned, self._covered = [nothing], [nothing], [nothing]
        #: Links that are still to be written: keys and rows.
        self._links: list[tuple[Ints, Ints]] = []
        #: Keys whose circles have to be settled anew.
        self._stirred = [nothing]

    def add(self, bills: pa.Table) -> None:
        """Add some bills, which have passed the check."""
        table = _as_kept(bills)
        names = text_keys("bill_id", table.column("bill_id"))
        self._names.append(names)
        previous, same = self._versions_before(table, names)
        table, previous = table.filter(bool_array(~same)), previous[~same]
        self.given += len(bills)
        self.unchanged += len(bills) - len(table)
        self.changed += int(np.count_nonzero(previous))
        self.new += int(np.count_nonzero(previous == 0))
        columns = {name: table.column(name) for name in table.column_names}
        if previous.any():
            columns["previous"] = pc.if_else(bool_array(previous > 0), int64_array(previous), _NO_NUMBER)
        ids = self.journal.add("bills", columns)
        keys, rows = bill_keys(table)
        self._links.append((keys, ids[rows]))
        if sum(len(some) for some, _ in self._links) > _MOST_LINKS:
            self._link()
        covers = _text(table, "covers")
        obligations = pc.if_else(covers.is_null(), _text(table, "obligation_id"), _NO_TEXT)
        self._owned.append(distinct(text_keys("obligation_id", obligations)))
        covered = pc.split_pattern(covers.drop_null(), "\n")
        self._covered.append(distinct(text_keys("obligation_id", pc.list_flatten(covered))))
        if self.journal.receipts_before:
            self._stirred.append(keys)

    def _link(self) -> None:
        keys, rows = ([part[side] for part in self._links] for side in (0, 1))
        if keys:
            self.journal.link("bill_links", np.concatenate(keys), np.concatenate(rows))
        self._links.clear()

    def finish(self) -> int:
        """Check what only the whole load can tell, and settle what it has changed.

        Returns:
            How many receipts have got another verdict.

        Raises:
            RefusedError: a ``bill_id`` stands twice, or a covered obligation is billed by no slip of its own.
        """
        self._link()
        names = np.sort(np.concatenate(self._names))
        self._refuse("BILL_REPEATED", "bill_id", distinct(names[1:][names[1:] == names[:-1]]))
        missing = without(distinct(np.concatenate(self._covered)), distinct(np.concatenate(self._owned)))
        found = self.journal.look_up(missing, _owned_obligations).column("key")
        self._refuse("OBLIGATION_UNKNOWN", "covers", without(missing, distinct(ints(found))))
        return settle(self.journal, self.policy, np.concatenate(self._stirred)).rejudged

    def _refuse(self, code: str, field: str, keys: Ints) -> None:
        """Refuse the load if there are such keys; tells the bills that have them."""
        if not len(keys):
            return
        told = self.journal.look_up(keys[:100], _named_bills)
        names = sorted(set(told.column("bill_id").to_pylist()))
        raise RefusedError([Issue(code, field, "", name) for name in names], "bills refused")

    def _versions_before(self, table: pa.Table, names: Ints) -> tuple[Ints, Flags]:
        """The row of each bill's version before, 0 without one: int64 (n,); and whether nothing has changed: bool (n,).

        The links of versions that are replaced go away: a key leads to bills as they are.
        """
        previous, same = np.zeros(len(table), np.int64), np.zeros(len(table), np.bool_)
        if not self._before:
            return previous, same
        found = distinct(ints(self.journal.look_up(distinct(names), _bills_of).column("bill")))
        old = self.journal.look_up(found[found <= self._before], _whole_bills)
        place = pc.index_in(_text(table, "bill_id"), value_set=old.column("bill_id"))
        rows = np.flatnonzero(~flags(place.is_null()))
        old, now = old.take(place.drop_null()), table.take(int64_array(rows))
        for name in set(_CONTENT) - set(now.column_names):
            now = now.append_column(name, pa.nulls(len(now), JOURNAL["bills"].field(name).type))
        same[rows] = ~differs(now, old, _CONTENT)
        previous[rows] = ints(old.column("id"))
        self._unlink(old.filter(bool_array(~same[rows])))
        return previous, same

    def _unlink(self, replaced: pa.Table) -> None:
        if not len(replaced):
            return
        keys, rows = bill_keys(replaced)
        self._stirred.append(keys)
        pairs = zip(keys.tolist(), ints(replaced.column("id"))[rows].tolist(), strict=True)
        one_link = (_LINKS.c.key == bindparam("k"), _LINKS.c.bill == bindparam("b"))
        self.journal.connection.execute(delete(_LINKS).where(*one_link), [{"k": key, "b": bill} for key, bill in pairs])


def _as_kept(bills: pa.Table) -> pa.Table:
    """Bills in their stored form, with every default written out."""
    columns = {name: stored(bills.column(name)) for name in bills.column_names if name in _CONTENT}
    for name, default in _DEFAULTS.items():
        if name not in columns:
            columns[name] = pa.repeat(
                pa.scalar(str(default) if isinstance(default, str) else default, JOURNAL["bills"].field(name).type),
                len(bills),
            )
    return pa.table(columns)


def _text(table: pa.Table, name: str) -> Any:
    return table.column(name).combine_chunks() if name in table.column_names else pa.nulls(len(table), pa.string())


def _bills_of(wanted: Wanted) -> Select[Any]:
    return select(_LINKS.c.bill).select_from(joined(wanted, _LINKS, "key"))


def _whole_bills(wanted: Wanted) -> Select[Any]:
    return select(*(_BILLS.c[name] for name in ("id", *_CONTENT))).select_from(joined(wanted, _BILLS, "id"))


def _named_bills(wanted: Wanted) -> Select[Any]:
    tables = joined(wanted, _LINKS, "key").join(_BILLS, _BILLS.c.id == _LINKS.c.bill)
    return select(_BILLS.c.bill_id).select_from(tables)


def _owned_obligations(wanted: Wanted) -> Select[Any]:
    tables = joined(wanted, _LINKS, "key").join(_BILLS, _BILLS.c.id == _LINKS.c.bill)
    return select(_LINKS.c.key).select_from(tables).where(_BILLS.c.covers.is_(None))
