"""Bills into the ledger: new ones, and new versions of those that have changed."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from kokin import bills as bill_files
from kokin._arrow.convert import BoolArray, Int64Array, as_table, bool_array, combine, int64_array, to_numpy
from kokin._arrow.threads import difference_sorted, sorted_unique
from kokin.issues import InvalidInputError, Issue, from_table
from kokin.ledger._bodies import bodies, facts
from kokin.ledger._circles import bills_by_id, in_force
from kokin.ledger._forms import ITEMS, flags, stored
from kokin.ledger._journal import Journal
from kokin.ledger._keys import bill_keys, text_keys
from kokin.ledger._links import MOST, find
from kokin.ledger._schema import FACTS
from kokin.ledger._settle import settle
from kokin.reconcile import Policy

# Bills that are made ready at once.
_PIECE = 1 << 17

_NOTHING = np.empty(0, np.int64)
_NO_TEXT, _NO_NUMBER = pa.scalar(None, pa.string()), pa.scalar(None, pa.int64())


@dataclass(frozen=True)
class Piece:
    """Some bills that have passed the check, made ready outside the transaction."""

    names: pa.Array
    """Their ``bill_id``."""
    bodies: pa.Array
    name_keys: Int64Array
    keys: Int64Array
    """All other keys, and the row that has each."""
    rows: Int64Array
    owned: Int64Array
    """Keys of the obligations that slips of their own bill."""
    covered: Int64Array
    """Keys of the obligations that slips for several cover."""


def pieces(given: Any) -> Iterator[Piece]:
    """Bills as the ledger takes them; each piece is made ready while the one before it is written.

    Args:
        given: a table of bills, or several, checked or not.

    Raises:
        InvalidInputError: a row is no bill.
    """
    first = 1
    with ThreadPoolExecutor(1) as pool:
        coming: deque[Future[Piece]] = deque()
        for part in _parts([given] if hasattr(given, "__arrow_c_stream__") else given):
            coming.append(pool.submit(_ready, part, first))
            first += len(part)
            if len(coming) > 1:
                yield coming.popleft().result()
        while coming:
            yield coming.popleft().result()


def _parts(tables: Iterable[Any]) -> Iterator[pa.Table]:
    """Tables cut small, which are still to be checked; a checked one is as good when it is checked again."""
    for table in tables:
        if isinstance(table, bill_files.BillBatch):
            _refuse_wrong(table)
            table = table.table
        table = as_table(table)
        yield from (table.slice(start, _PIECE) for start in range(0, max(len(table), 1), _PIECE))


def _refuse_wrong(checked: bill_files.BillBatch) -> None:
    if checked.rejected:
        raise InvalidInputError(from_table(checked.issues), f"{checked.rejected} bills are wrong; nothing was added")


def _ready(part: pa.Table, first: int) -> Piece:
    """A piece from some bills, of which the first has a number in the whole."""
    checked = bill_files.check_batch(part, first_row=first)
    _refuse_wrong(checked)
    bills = checked.table
    table = pa.table({name: stored(bills.column(name)) for name in bills.column_names if name in FACTS["bills"].names})
    told = {name: combine(table.column(name)) for name in table.column_names}
    keys, rows = bill_keys(table)
    owned, covered = _obligations(table)
    name_keys = text_keys("bill_id", table.column("bill_id"))
    return Piece(told["bill_id"], bodies("bills", told), name_keys, keys, rows, owned, covered)


def _obligations(bills: pa.Table) -> tuple[Int64Array, Int64Array]:
    """The keys of obligations that bills as they are kept have for their own, and that they cover: sets."""
    names = bills.column_names
    covers = combine(bills.column("covers")) if "covers" in names else pa.nulls(len(bills), pa.string())
    own = _NOTHING
    if "obligation_id" in names:
        texts = pc.if_else(covers.is_null(), combine(bills.column("obligation_id")), _NO_TEXT)
        own = sorted_unique(text_keys("obligation_id", texts))
    covered = pc.list_flatten(pc.split_pattern(covers.drop_null(), ITEMS))
    return own, sorted_unique(text_keys("obligation_id", covered))


class Load:
    """A load of bills in the making; ``given = new + changed + unchanged``."""

    def __init__(self, journal: Journal, policy: Policy) -> None:
        self.journal, self.policy = journal, policy
        self.given = self.new = self.changed = self.unchanged = 0
        #: Keys of the bills' names, of obligations that slips of their own bill, and of those that others cover.
        self._names, self._owned, self._covered = [_NOTHING], [_NOTHING], [_NOTHING]
        #: Keys whose circles have to be settled anew.
        self._stirred = [_NOTHING]

    def add(self, piece: Piece) -> None:
        """Add some bills."""
        self._names.append(piece.name_keys)
        self._owned.append(piece.owned)
        self._covered.append(piece.covered)
        previous, same = self._versions_before(piece)
        fresh = ~same
        self.given += len(same)
        self.unchanged += int(np.count_nonzero(same))
        self.changed += int(np.count_nonzero(previous[fresh]))
        self.new += int(np.count_nonzero(previous[fresh] == 0))
        columns = {"body": piece.bodies if fresh.all() else piece.bodies.filter(bool_array(fresh))}
        if previous.any():
            before = previous[fresh]
            columns["previous"] = pc.if_else(bool_array(before > 0), int64_array(before), _NO_NUMBER)
        ids = np.zeros(len(same), np.int64)
        ids[fresh] = self.journal.add("bills", columns)
        self.journal.link("bills", piece.name_keys[fresh], ids[fresh])
        written = fresh[piece.rows]
        keys = piece.keys[written]
        self.journal.link("bills", keys, ids[piece.rows[written]])
        if self.journal.before["receipts"]:
            self._stirred.append(sorted_unique(keys))
        self.journal.progress(len(same))

    def finish(self) -> int:
        """Check what only the whole load can tell, and settle what it has changed.

        Returns:
            How many receipts have got another verdict.

        Raises:
            InvalidInputError: a ``bill_id`` stands twice, or a covered obligation is billed by no slip of its own.
        """
        self.journal.write_links()
        names = np.sort(np.concatenate(self._names))
        twice = sorted_unique(names[1:][names[1:] == names[:-1]])
        self._refuse("BILL_REPEATED", "bill_id", find(self.journal, "bills", twice[:100])[1])
        missing = difference_sorted(
            sorted_unique(np.concatenate(self._covered)), sorted_unique(np.concatenate(self._owned))
        )
        keys, bills = find(self.journal, "bills", missing)
        table = bills_by_id(self.journal, bills, ("obligation_id", "covers"))
        missing = difference_sorted(missing, _obligations(table)[0])
        self._refuse("OBLIGATION_UNKNOWN", "covers", bills[np.isin(keys, missing[:100])])
        return settle(
            self.journal, self.policy, self._concerned(sorted_unique(np.concatenate(self._stirred)))
        ).rematched

    def _concerned(self, keys: Int64Array) -> Int64Array:
        """Those of the stirred keys that lead to receipts or to bills of before: the others stirred nobody else."""
        found = [_NOTHING]
        for start in range(0, len(keys), MOST):
            part = keys[start : start + MOST]
            leading, bills = find(self.journal, "bills", part)
            found += [find(self.journal, "receipts", part)[0], leading[bills <= self.journal.before["bills"]]]
        return sorted_unique(np.concatenate(found))

    def _refuse(self, code: str, field: str, bills: Int64Array) -> None:
        """Refuse the load if there are such bills."""
        if len(bills):
            names = set(bills_by_id(self.journal, bills, ("bill_id",), replaced=True).column("bill_id").to_pylist())
            raise InvalidInputError(
                [Issue(code, field=field, expected="", found=name) for name in sorted(names)], "bills refused"
            )

    def _versions_before(self, piece: Piece) -> tuple[Int64Array, BoolArray]:
        """The row of each bill's version before, 0 without one: int64 (n,); whether nothing has changed: bool (n,)."""
        previous, same = np.zeros(len(piece.names), np.int64), np.zeros(len(piece.names), np.bool_)
        if not self.journal.before["bills"]:
            return previous, same
        found = sorted_unique(find(self.journal, "bills", sorted_unique(piece.name_keys))[1])
        # What this very load has written has the name twice, and is refused in the end.
        found = found[found <= self.journal.before["bills"]]
        old = self.journal.rows("bills", found, ("body",), in_force())
        if not len(old):
            return previous, same
        names = facts("bills", old.column("body"), ("bill_id",)).column("bill_id")
        place = pc.index_in(piece.names, value_set=combine(names))
        rows = np.flatnonzero(~flags(place.is_null()))
        at = place.drop_null()
        same[rows] = flags(pc.equal(combine(old.column("body")).take(at), piece.bodies.take(int64_array(rows))))
        previous[rows] = to_numpy(old.column("id").take(at), 0)
        replaced = bills_by_id(self.journal, previous[rows][~same[rows]])
        self._stirred.append(sorted_unique(bill_keys(replaced)[0]))
        return previous, same
