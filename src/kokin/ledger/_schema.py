"""The tables of the ledger: one definition for both databases.

Five journal tables whose rows are never changed, and one of links, which says where to look and can be made again from
the journal. A row has what the database itself sums, joins or looks for in columns of their own; everything else that
was said stands in its ``body``, one JSON object.
"""

from __future__ import annotations

from typing import Any

import pyarrow as pa
from sqlalchemy import (
    BigInteger,
    CheckConstraint,
    Column,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    Table,
    Text,
    column,
    table,
)
from sqlalchemy.types import TypeEngine

from kokin.model import Bill, Disposition, Receipt, Record, Yen, arrow_schema
from kokin.reconcile import AgentReport, BankDeposit

#: The form of the tables; a ledger of another form is not opened.
VERSION = 4

_INT, _TEXT, _BYTES = pa.int64(), pa.string(), pa.binary()

#: What an entry tells of the file; the rest of a receipt stands in its own row.
_TOLD_BY_ENTRY = ("layout", "source", "digest", "raw")
#: Personal, and of use to a printer only.
_NOT_KEPT = ("name",)


def _facts(record: type[Record], without: tuple[str, ...] = ()) -> pa.Schema:
    """The fields of a record as numbers and texts, those that are always told first."""
    fields = [field for field in arrow_schema(record) if field.name not in without]
    fields.sort(key=lambda field: not record.model_fields[field.name].is_required())
    return pa.schema([(field.name, _INT if field.type in (_INT, pa.bool_()) else _TEXT) for field in fields])


#: What the rows of each table say beside the verdicts: days are ``YYYY-MM-DD``, times ``HH:MM:SS``.
FACTS = {
    "bills": _facts(Bill, _NOT_KEPT),
    "receipts": _facts(Receipt, _TOLD_BY_ENTRY),
    "bank_deposits": _facts(BankDeposit),
    "agent_reports": _facts(AgentReport),
}

#: Yen of a table that the database sums; the body leaves them out.
SUMMED = "amount"

_SETTLEMENT = pa.schema([("id", _INT), ("entry", _INT), (SUMMED, _INT), ("body", _TEXT), ("hash", _BYTES)])

#: The most yen of one record.
MAX_YEN = Yen().max

#: The tables whose rows an entry adds. The last column is the hash that chains the rows of a table.
CHAINED: dict[str, pa.Schema] = {
    "bills": pa.schema([("id", _INT), ("entry", _INT), ("previous", _INT), ("body", _TEXT), ("hash", _BYTES)]),
    "receipts": _SETTLEMENT,
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
            ("no_effect", _INT),
            ("balance_before", _INT),
            ("hash", _BYTES),
        ]
    ),
    "bank_deposits": _SETTLEMENT,
    "agent_reports": _SETTLEMENT,
}
CHAINS = tuple(CHAINED)

#: The kinds of links: from the key of a bill's name, number or obligation to the bill; of a receipt to it;
#: from a receipt to its postings. Bills and receipts have several keys.
LINK_KINDS = ("bills", "receipts", "postings")


def links_column(kind: str) -> str:
    """The column of an entry with the number of all links of a kind: a writer finds an incomplete index by it."""
    return f"{kind}_links"


_ENTRIES = pa.schema(
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
        ("totals", _TEXT),
        *(field for name in CHAINS for field in ((name, _INT), (f"{name}_hash", _BYTES))),
        *((links_column(kind), _INT) for kind in LINK_KINDS),
        ("hash", _BYTES),
    ]
)

#: The journal: each table's columns.
JOURNAL = {**CHAINED, "entries": _ENTRIES}

#: Where to look: see :mod:`kokin.ledger._links`.
_LINKS = pa.schema([("id", _INT), ("kind", _TEXT), ("run", _INT), ("low", _INT), ("high", _INT), ("pairs", _BYTES)])

METADATA = MetaData()
_KINDS: dict[pa.DataType, TypeEngine[Any]] = {
    # SQLite numbers rows by an INTEGER that is the primary key; one of another name would be a second index.
    _INT: BigInteger().with_variant(Integer(), "sqlite"),
    _TEXT: Text(),
    _BYTES: LargeBinary(),
}
_ALWAYS = ("id", "entry", "hash", "body", "kind", "run", "low", "high", "pairs")


def _table(name: str, columns: pa.Schema) -> Table:
    made = [
        Column(
            field.name,
            _KINDS[field.type],
            primary_key=field.name == "id",
            autoincrement=False,
            nullable=field.name not in _ALWAYS,
        )
        for field in columns
    ]
    checks = [CheckConstraint(rule) for rule in _rules(name)]
    # SQLite takes any value in any column.
    checks += [CheckConstraint(rule).ddl_if(dialect="sqlite") for rule in _storage_classes(columns)]
    return Table(name, METADATA, *made, *checks)


def _rules(name: str) -> list[str]:
    """What every row of a table fulfils."""
    rules = ["id > 0"]
    least = {"receipts": 0, "agent_reports": 0, "bank_deposits": -MAX_YEN}.get(name)
    if least is not None:
        rules.append(f"{SUMMED} BETWEEN {least} AND {MAX_YEN}")
    if name == "postings":
        rules += [f"{each.value} BETWEEN {-MAX_YEN} AND {MAX_YEN}" for each in Disposition]
    if name == "entries":
        rules.append("reverses IS NULL OR reverses_posting IS NULL")
        rules.append("(kind = 'reversal') = (reverses IS NOT NULL OR reverses_posting IS NOT NULL)")
    return rules


def _storage_classes(columns: pa.Schema) -> list[str]:
    """The storage class of every column of SQLite: https://www.sqlite.org/datatype3.html."""
    classes = {_INT: "integer", _TEXT: "text", _BYTES: "blob"}
    return [f"typeof({field.name}) IN ('{classes[field.type]}', 'null')" for field in columns]


TABLES = {name: _table(name, columns) for name, columns in {**JOURNAL, "links": _LINKS}.items()}

# Few rows replace or reverse another; an index over all would cost every row.
for _name, _of in (("bills", "previous"), ("postings", "reverses")):
    _some = TABLES[_name].c[_of]
    Index(f"{_name}_{_of}", _some, sqlite_where=_some.is_not(None), postgresql_where=_some.is_not(None))

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
        *((name, _INT) for name in ("applied", "excess", "suspense", "provisional", "no_effect", "balance_before")),
        *((name, _BYTES) for name in ("hash_before", "hash")),
    ]
)
AUDIT_LOG = table("journal", *(column(field.name, _KINDS[field.type]) for field in _LOG))

#: ``{}`` stands for how the database takes a text out of a body.
AUDIT_LOG_VIEW = """
CREATE VIEW journal AS
SELECT p.id, p.entry, e.at, e.actor, e.reason, e.version, f.source, f.digest,
       CAST({record_no} AS BIGINT) AS record_no, p.receipt,
       p.rule, p.reverses, p.outcome, p.bill, {bill_id} AS bill_id,
       p.applied, p.excess, p.suspense, p.provisional, p.no_effect, p.balance_before,
       before.hash AS hash_before, p.hash
FROM postings p
JOIN entries e ON e.id = p.entry
JOIN receipts r ON r.id = p.receipt
JOIN entries f ON f.id = r.entry
LEFT JOIN bills b ON b.id = p.bill
LEFT JOIN postings before ON before.id = p.id - 1
"""
