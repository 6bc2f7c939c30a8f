"""The tables of the ledger: one definition for both databases.

Five journal tables whose rows are never changed, and two of links, which say where to look and can be made again from
the journal. Every value is a whole number or a text: days are ``YYYY-MM-DD``, times ``HH:MM:SS``, hashes hexadecimal.
"""

from __future__ import annotations

import pyarrow as pa
from sqlalchemy import BigInteger, Column, Index, MetaData, Table, Text, column, table

from kokin.model import Bill, Receipt, Record, schema

#: The form of the tables; a ledger of another form is not opened.
VERSION = 1

_INT, _TEXT = pa.int64(), pa.string()

#: What an entry tells of the file; the rest of a receipt stands in its own row.
_TOLD_BY_ENTRY = ("layout", "source", "digest", "raw")
#: Personal, and of use to a printer only.
_NOT_KEPT = ("name",)


def _of(record: type[Record], without: tuple[str, ...]) -> list[pa.Field]:
    """The fields of a record as numbers and texts."""
    fields = [field for field in schema(record) if field.name not in without]
    return [pa.field(field.name, _INT if field.type in (_INT, pa.bool_()) else _TEXT) for field in fields]


#: The journal: each table's columns. The last one is the hash that chains its rows.
JOURNAL: dict[str, pa.Schema] = {
    "bills": pa.schema([("id", _INT), ("entry", _INT), ("previous", _INT), *_of(Bill, _NOT_KEPT), ("hash", _TEXT)]),
    "receipts": pa.schema([("id", _INT), ("entry", _INT), *_of(Receipt, _TOLD_BY_ENTRY), ("hash", _TEXT)]),
    "postings": pa.schema(
        [
            ("id", _INT),
            ("entry", _INT),
            ("receipt", _INT),
            ("rule", _TEXT),
            ("reverses", _INT),
            ("outcome", _TEXT),
            ("bill", _INT),
            ("applied", _INT),
            ("excess", _INT),
            ("suspense", _INT),
            ("provisional", _INT),
            ("void", _INT),
            ("expected", _INT),
            ("hash", _TEXT),
        ]
    ),
    "balances": pa.schema(
        [
            ("id", _INT),
            ("entry", _INT),
            ("bill", _INT),
            ("amount", _INT),
            ("paid", _INT),
            ("residual", _INT),
            ("status", _TEXT),
            ("hash", _TEXT),
        ]
    ),
    "entries": pa.schema(
        [
            ("id", _INT),
            ("kind", _TEXT),
            ("at", _TEXT),
            ("actor", _TEXT),
            ("reason", _TEXT),
            ("version", _TEXT),
            ("source", _TEXT),
            ("layout", _TEXT),
            ("digest", _TEXT),
            ("reverses", _INT),
            ("reverses_posting", _INT),
            ("told", _TEXT),
            ("bills", _INT),
            ("bills_hash", _TEXT),
            ("receipts", _INT),
            ("receipts_hash", _TEXT),
            ("postings", _INT),
            ("postings_hash", _TEXT),
            ("balances", _INT),
            ("balances_hash", _TEXT),
            ("hash", _TEXT),
        ]
    ),
}

#: The tables whose rows an entry adds.
CHAINS = ("bills", "receipts", "postings", "balances")

#: From what a bill or a receipt shares with others to its row.
LINKS: dict[str, pa.Schema] = {
    "bill_links": pa.schema([("key", _INT), ("bill", _INT)]),
    "receipt_links": pa.schema([("key", _INT), ("receipt", _INT)]),
}

METADATA = MetaData()


def _table(name: str, columns: pa.Schema, key: tuple[str, ...], *, with_rowid: bool = True) -> Table:
    made = [
        Column(
            field.name,
            BigInteger() if field.type == _INT else Text(),
            primary_key=field.name in key,
            autoincrement=False,
            nullable=field.name not in ("id", "entry", "hash", *key),
        )
        for field in columns
    ]
    return Table(name, METADATA, *made, sqlite_with_rowid=with_rowid)


TABLES = {name: _table(name, columns, ("id",)) for name, columns in JOURNAL.items()}
TABLES |= {name: _table(name, columns, tuple(columns.names), with_rowid=False) for name, columns in LINKS.items()}

Index("postings_of_receipt", TABLES["postings"].c.receipt, TABLES["postings"].c.id)
Index("balances_of_bill", TABLES["balances"].c.bill, TABLES["balances"].c.id)

#: The columns of the audit log: each posting with who, when, by which file, rule and version, and the hash before it.
_LOG = pa.schema(
    [
        *((name, _INT) for name in ("id", "entry")),
        *((name, _TEXT) for name in ("at", "actor", "reason", "version", "source", "digest")),
        *((name, _INT) for name in ("record_no", "receipt")),
        ("rule", _TEXT),
        ("reverses", _INT),
        ("outcome", _TEXT),
        ("bill", _INT),
        ("bill_id", _TEXT),
        *((name, _INT) for name in ("applied", "excess", "suspense", "provisional", "void", "expected")),
        *((name, _TEXT) for name in ("hash_before", "hash")),
    ]
)
AUDIT_LOG = table("journal", *(column(field.name, BigInteger() if field.type == _INT else Text()) for field in _LOG))

AUDIT_LOG_VIEW = """
CREATE VIEW journal AS
SELECT p.id, p.entry, e.at, e.actor, e.reason, e.version, f.source, f.digest, r.record_no, p.receipt,
       p.rule, p.reverses, p.outcome, p.bill, b.bill_id,
       p.applied, p.excess, p.suspense, p.provisional, p.void, p.expected,
       before.hash AS hash_before, p.hash
FROM postings p
JOIN entries e ON e.id = p.entry
JOIN receipts r ON r.id = p.receipt
JOIN entries f ON f.id = r.entry
LEFT JOIN bills b ON b.id = p.bill
LEFT JOIN postings before ON before.id = p.id - 1
"""
