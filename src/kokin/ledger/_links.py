"""Links: which rows an integer leads to. They follow from the journal, and can be compared with it or made anew.

A *run* is a set of links in order, cut into pages: a row of the table ``links`` has some thousand keys and, after
them, the rows that they lead to. A run is never changed; a new one takes in those before it that are not much larger,
so that there are few. Small lookups read the pages that can have the key, large ones go through a run from end to end:
either is cheaper by far than an index with an entry per key, which would cost as much as the row itself.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np
import pyarrow as pa
from sqlalchemy import RowMapping, delete, func, select

from kokin._arrow.convert import Int64Array, to_numpy
from kokin.issues import Issue, Location
from kokin.ledger._errors import LedgerError
from kokin.ledger._schema import LINK_KINDS, TABLES, links_column
from kokin.ledger._store import Session

#: Links that are written at once, and the most of one run.
MOST = 1 << 22

_LINKS = TABLES["links"]

#: Bytes of a link.
BYTES = 16

# Links of a page: so many bytes cost little more to fetch than one.
_PAGE = 1 << 13
# Pages that are fetched at once.
_PAGES = 1 << 8


def find(session: Session, kind: str, keys: Int64Array) -> tuple[Int64Array, Int64Array]:
    """The links of some keys, which are a set in order: the keys, in order, and the rows: int64 (k,) and (k,)."""
    found = [np.empty((2, 0), np.int64)]
    for pairs in _pages(session, kind, keys):
        first, end = np.searchsorted(keys, pairs[0, [0, -1]])
        if end - first < pairs.shape[1]:
            found.append(_taken(pairs, keys[first : end + 1]))
        else:
            place = np.searchsorted(keys[first : end + 1], pairs[0])
            found.append(pairs[:, keys[first : end + 1].take(place, mode="clip") == pairs[0]])
    return ordered(*np.concatenate(found, axis=1))


def _taken(pairs: Int64Array, keys: Int64Array) -> Int64Array:
    """The pairs of a few keys."""
    first, end = (np.searchsorted(pairs[0], keys, side) for side in ("left", "right"))
    return pairs[:, spread(first, end)]


def spread(first: Int64Array, end: Int64Array) -> Int64Array:
    """All the integers from each first one to before its end."""
    count = end - first
    return np.repeat(first - (np.cumsum(count) - count), count) + np.arange(count.sum())


def _pages(session: Session, kind: str, keys: Int64Array) -> Iterator[Int64Array]:
    """The pages that may have one of some keys: int64 (2, n) each, keys and rows."""
    if not len(keys):
        return
    told = select(_LINKS.c.id, _LINKS.c.low, _LINKS.c.high).where(_LINKS.c.kind == kind)
    ids, low, high = (to_numpy(column, 0) for column in session.table(told.order_by(_LINKS.c.id)).columns)
    ids = ids[np.searchsorted(keys, low) < np.searchsorted(keys, high, "right")]
    for start in range(0, len(ids), _PAGES):
        yield from _fetched(session, ids[start : start + _PAGES])


def _fetched(session: Session, ids: Int64Array) -> Iterator[Int64Array]:
    of = session.rows("links", ids, ("pairs",))
    for row, pairs in zip(of.column("id"), of.column("pairs"), strict=True):
        page = pairs_of(pairs)
        if page is None:
            raise incomplete(Location("links", row.as_py()))
        yield page


def pairs_of(page: pa.BinaryScalar) -> Int64Array | None:
    """The keys and rows of a page: int64 (2, n); None: it is cut."""
    pairs = page.as_buffer()
    return np.frombuffer(pairs, "<i8").reshape(2, -1) if pairs is not None and pairs.size % BYTES == 0 else None


def sizes(session: Session) -> dict[str, int]:
    """The bytes of all links of each kind."""
    rows = select(_LINKS.c.kind, func.sum(func.length(_LINKS.c.pairs))).group_by(_LINKS.c.kind)
    found = {kind: int(size or 0) for kind, size in session.connection.execute(rows).all()}
    return {kind: found.get(kind, 0) for kind in LINK_KINDS}


def require_complete(session: Session, last: Mapping[str, Any] | RowMapping | None) -> None:
    """Compare the number of links of each kind with that of the last entry.

    Raises:
        LedgerError: some are missing or were added: matching would not find earlier payments.
    """
    if last:
        for kind, size in sizes(session).items():
            expected = last[links_column(kind)] or 0
            if size != expected * BYTES:
                raise incomplete(Location("links"), kind, str(expected), str(size // BYTES))


def incomplete(place: Location, kind: str = "", expected: str = "", found: str = "") -> LedgerError:
    """The error of an index that must not be used."""
    issue = Issue("LEDGER_LINKS", field=kind, expected=expected, found=found, location=place)
    return LedgerError("the index of the ledger is incomplete: nothing was written", [issue])


def ordered(keys: Int64Array, rows: Int64Array) -> tuple[Int64Array, Int64Array]:
    """Links in the order of key and row, each once."""
    if len(keys) > 1 and not (keys[1:] > keys[:-1]).all():
        order = np.argsort(keys, kind="stable")
        keys, rows = keys[order], rows[order]
        if (keys[1:] == keys[:-1]).any():
            order = np.lexsort((rows, keys))
            keys, rows = keys[order], rows[order]
            fresh = np.ones(len(keys), np.bool_)
            fresh[1:] = (keys[1:] != keys[:-1]) | (rows[1:] != rows[:-1])
            keys, rows = keys[fresh], rows[fresh]
    return keys, rows


def joined(parts: Sequence[tuple[Int64Array, Int64Array]]) -> tuple[Int64Array, Int64Array]:
    """The keys and rows of some links, one part after another: at least one."""
    return np.concatenate([keys for keys, _ in parts]), np.concatenate([rows for _, rows in parts])


def add(session: Session, kind: str, keys: Int64Array, rows: Int64Array) -> int:
    """Write links as a run, together with those before it that are small; return how many are new."""
    keys, rows = ordered(keys, rows)
    added = len(keys)
    runs = (
        select(_LINKS.c.run, func.sum(func.length(_LINKS.c.pairs)))
        .where(_LINKS.c.kind == kind)
        .group_by(_LINKS.c.run)
        .order_by(_LINKS.c.run.desc())
    )
    parts = [np.stack([keys, rows])]
    size = len(keys)
    for run, length in session.connection.execute(runs).all():
        count = int(length) // BYTES
        if count > size or size + count > MOST:
            break
        ids = session.table(select(_LINKS.c.id).where(_LINKS.c.kind == kind, _LINKS.c.run == run))
        parts += list(_fetched(session, to_numpy(ids.column("id"), 0)))
        session.connection.execute(delete(_LINKS).where(_LINKS.c.kind == kind, _LINKS.c.run == run))
        size += count
    keys, rows = ordered(*np.concatenate(parts, axis=1))
    last = session.connection.execute(select(func.max(_LINKS.c.id))).scalar_one() or 0
    pages = [
        {
            "id": last + 1 + start // _PAGE,
            "kind": kind,
            "run": last + 1,
            "low": int(keys[start]),
            "high": int(keys[min(start + _PAGE, len(keys)) - 1]),
            "pairs": np.stack([keys[start : start + _PAGE], rows[start : start + _PAGE]]).astype("<i8").tobytes(),
        }
        for start in range(0, len(keys), _PAGE)
    ]
    if pages:
        session.connection.execute(_LINKS.insert(), pages)
    return added
