"""Schema of the ledger: one definition of tables and constraints for SQLite and PostgreSQL.

Six append-only tables and one of the match index, which is derived from them and can be rebuilt. Values that the
database itself sums, joins or searches have a column; all other fields of a record are in ``body``, one JSON object.
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

#: A ledger of another schema version is not opened.
SCHEMA_VERSION = 4

_INT, _TEXT, _BYTES = pa.int64(), pa.string(), pa.binary()

#: Fields of a receipt that the entry of its file has for all of them.
_FILE_FIELDS = ("layout", "source", "digest", "raw")
#: Personal, and of use to a printer only.
_UNSTORED = ("name",)


def _record_fields(record: type[Record], without: tuple[str, ...] = ()) -> pa.Schema:
    """Return the fields of a record as int64 and string, required fields first."""
    fields = [field for field in arrow_schema(record) if field.name not in without]
    fields.sort(key=lambda field: not record.model_fields[field.name].is_required())
    return pa.schema([(field.name, _INT if field.type in (_INT, pa.bool_()) else _TEXT) for field in fields])


#: Stored fields of the records of each table. Dates are ``YYYY-MM-DD``, times ``HH:MM:SS``.
RECORD_FIELDS = {
    "bills": _record_fields(Bill, _UNSTORED),
    "receipts": _record_fields(Receipt, _FILE_FIELDS),
    "bank_deposits": _record_fields(BankDeposit),
    "agent_reports": _record_fields(AgentReport),
}

#: The column of yen that the database sums; it is not repeated in ``body``.
AMOUNT = "amount"

#: Yen columns of a posting, one per disposition.
DISPOSITIONS = tuple(each.value for each in Disposition)


def _typed(kind: pa.DataType, *names: str) -> list[tuple[str, pa.DataType]]:
    return [(name, kind) for name in names]


_RECORD_WITH_AMOUNT = pa.schema([("id", _INT), ("entry", _INT), (AMOUNT, _INT), ("body", _TEXT), ("hash", _BYTES)])

#: The largest amount of one record, in yen.
MAX_YEN = Yen().max

_DETAIL_COLUMNS: dict[str, pa.Schema] = {
    "bills": pa.schema([("id", _INT), ("entry", _INT), ("previous", _INT), ("body", _TEXT), ("hash", _BYTES)]),
    "receipts": _RECORD_WITH_AMOUNT,
    "postings": pa.schema(
        [
            *_typed(_INT, "id", "entry", "receipt"),
            ("rule", _TEXT),
            ("reverses", _INT),
            ("outcome", _TEXT),
            *_typed(_INT, "bill", *DISPOSITIONS, "balance_before"),
            ("hash", _BYTES),
        ]
    ),
    "bank_deposits": _RECORD_WITH_AMOUNT,
    "agent_reports": _RECORD_WITH_AMOUNT,
}
#: The tables to which an entry adds rows. Each has its own chain of hashes.
DETAIL_TABLES = tuple(_DETAIL_COLUMNS)

#: Kinds of pairs of the match index: from a bill's ``bill_id``, slip number or obligation to the bill; from a
#: receipt's keys to the receipt; from a receipt to its postings.
INDEX_KINDS = ("bills", "receipts", "postings")


def pair_count_column(kind: str) -> str:
    """Return the column of ``entries`` with the number of all pairs of a kind; it detects an incomplete index."""
    return f"{kind}_links"


_ENTRY_COLUMNS = pa.schema(
    [
        ("id", _INT),
        *_typed(_TEXT, "kind", "at", "actor", "reason", "version", "source", "layout", "digest"),
        *_typed(_INT, "reverses", "reverses_posting"),
        ("totals", _TEXT),
        *(field for name in DETAIL_TABLES for field in ((name, _INT), (f"{name}_hash", _BYTES))),
        *_typed(_INT, *map(pair_count_column, INDEX_KINDS)),
        ("hash", _BYTES),
    ]
)

#: The columns of each append-only table. The last one is the hash that chains its rows.
APPEND_ONLY_TABLES = {**_DETAIL_COLUMNS, "entries": _ENTRY_COLUMNS}

#: The match index; see :mod:`kokin.ledger._match_index`.
_INDEX_COLUMNS = pa.schema(
    [("id", _INT), ("kind", _TEXT), ("run", _INT), ("low", _INT), ("high", _INT), ("pairs", _BYTES)]
)

METADATA = MetaData()
_SQL_TYPES: dict[pa.DataType, TypeEngine[Any]] = {
    # In SQLite only a primary key of type INTEGER is the row id; BIGINT would need a second index.
    _INT: BigInteger().with_variant(Integer(), "sqlite"),
    _TEXT: Text(),
    _BYTES: LargeBinary(),
}
_NOT_NULL = ("id", "entry", "hash", "body", "kind", "run", "low", "high", "pairs")


def _table(name: str, fields: pa.Schema) -> Table:
    columns = [
        Column(
            field.name,
            _SQL_TYPES[field.type],
            primary_key=field.name == "id",
            autoincrement=False,
            nullable=field.name not in _NOT_NULL,
        )
        for field in fields
    ]
    checks = [CheckConstraint(rule) for rule in _check_rules(name)]
    # SQLite accepts a value of any type in any column.
    checks += [CheckConstraint(rule).ddl_if(dialect="sqlite") for rule in _storage_class_rules(fields)]
    return Table(name, METADATA, *columns, *checks)


def _check_rules(name: str) -> list[str]:
    """Return the CHECK conditions of a table."""
    rules = ["id > 0"]
    min_yen = {"receipts": 0, "agent_reports": 0, "bank_deposits": -MAX_YEN}.get(name)
    if min_yen is not None:
        rules.append(f"{AMOUNT} BETWEEN {min_yen} AND {MAX_YEN}")
    if name == "postings":
        rules += [f"{name} BETWEEN {-MAX_YEN} AND {MAX_YEN}" for name in DISPOSITIONS]
    if name == "entries":
        rules.append("reverses IS NULL OR reverses_posting IS NULL")
        rules.append("(kind = 'reversal') = (reverses IS NOT NULL OR reverses_posting IS NOT NULL)")
    return rules


def _storage_class_rules(fields: pa.Schema) -> list[str]:
    """Return the CHECK conditions on SQLite's storage classes: https://www.sqlite.org/datatype3.html."""
    classes = {_INT: "integer", _TEXT: "text", _BYTES: "blob"}
    return [f"typeof({field.name}) IN ('{classes[field.type]}', 'null')" for field in fields]


TABLES = {name: _table(name, columns) for name, columns in {**APPEND_ONLY_TABLES, "links": _INDEX_COLUMNS}.items()}

# Partial indexes: few rows replace or reverse another, and a full index would cost time on every row.
for _name, _reference in (("bills", "previous"), ("postings", "reverses")):
    _column = TABLES[_name].c[_reference]
    _is_set = _column.is_not(None)
    Index(f"{_name}_{_reference}", _column, sqlite_where=_is_set, postgresql_where=_is_set)

#: Columns of the audit log: each posting with actor, time, file, reason and version, and the hash of the row before.
_AUDIT_LOG_COLUMNS = pa.schema(
    [
        *_typed(_INT, "id", "entry"),
        *_typed(_TEXT, "at", "actor", "reason", "version", "source", "digest"),
        *_typed(_INT, "record_no", "receipt"),
        ("rule", _TEXT),
        ("reverses", _INT),
        ("outcome", _TEXT),
        ("bill", _INT),
        ("bill_id", _TEXT),
        *_typed(_INT, *DISPOSITIONS, "balance_before"),
        *_typed(_BYTES, "hash_before", "hash"),
    ]
)
AUDIT_LOG = table("journal", *(column(field.name, _SQL_TYPES[field.type]) for field in _AUDIT_LOG_COLUMNS))

#: ``{record_no}`` and ``{bill_id}`` are replaced by the expression that reads the field from a JSON column.
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
