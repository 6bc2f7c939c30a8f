"""PostgreSQL: a ledger in a schema of a database of a server."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from itertools import chain
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from psycopg.adapt import Loader
from psycopg.copy import QueuedLibpqWriter
from psycopg.types.string import TextLoader
from sqlalchemy import (
    ARRAY,
    URL,
    BigInteger,
    Connection,
    Select,
    Text,
    cast,
    create_engine,
    event,
    func,
    literal,
    select,
)

from kokin._arrow.convert import Int64Array, combine, string_array, text_buffers
from kokin.ledger._database import Database
from kokin.ledger._schema import DETAIL_TABLES, TABLES

# The first key of the advisory lock, an arbitrary number that all writers use; the second is a hash of the schema.
_LOCK_KEY = int.from_bytes(b"koki")

# A writer fetches rows by tens of thousands of ids: use the primary key; the planner would scan the whole table.
_USE_INDEX = "SET LOCAL enable_hashjoin = off; SET LOCAL enable_mergejoin = off; SET LOCAL jit = off"

# Drivers read %% as one %. {schema} is the quoted name of the ledger's schema: a temporary table must not hide a table.
_FUNCTIONS = (
    """
    CREATE FUNCTION kokin_reject_change() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
        RAISE EXCEPTION 'the rows of %% are never changed', TG_TABLE_NAME;
    END $$
    """,
    """
    CREATE FUNCTION kokin_open_entry() RETURNS bigint LANGUAGE sql STABLE SET search_path = {schema}, pg_temp AS $$
        SELECT max(id) FROM entries HAVING max(id) IS DISTINCT FROM (SELECT max(entry_id) FROM seals)
    $$
    """,
    """
    CREATE FUNCTION kokin_check_rows() RETURNS trigger LANGUAGE plpgsql SET search_path = {schema}, pg_temp AS $$
    DECLARE added record; last bigint;
    BEGIN
        SELECT min(id) AS first, max(id) - min(id) + 1 AS ids, count(*) AS rows,
               min(entry_id) AS low, max(entry_id) AS high INTO added FROM new_rows;
        EXECUTE format('SELECT coalesce(max(id), 0) FROM %%I WHERE id < $1', TG_TABLE_NAME)
            INTO last USING added.first;
        IF added.rows > 0 AND (added.first <> last + 1 OR added.ids <> added.rows OR added.low <> added.high
                               OR added.low IS DISTINCT FROM kokin_open_entry()) THEN
            RAISE EXCEPTION 'the rows of %% are never changed, and added by an open entry only', TG_TABLE_NAME;
        END IF;
        RETURN NULL;
    END $$
    """,
    """
    CREATE FUNCTION kokin_check_entry() RETURNS trigger LANGUAGE plpgsql SET search_path = {schema}, pg_temp AS $$
    BEGIN
        IF NEW.id <> (SELECT coalesce(max(id), 0) + 1 FROM entries) OR kokin_open_entry() IS NOT NULL
           OR NEW.recorded_at <> transaction_timestamp() OR NEW.recorded_by <> session_user THEN
            RAISE EXCEPTION 'the rows of entries are never changed; their times and users are those of the database';
        END IF;
        RETURN NEW;
    END $$
    """,
    """
    CREATE FUNCTION kokin_check_seal() RETURNS trigger LANGUAGE plpgsql SET search_path = {schema}, pg_temp AS $$
    BEGIN
        IF NEW.entry_id IS DISTINCT FROM kokin_open_entry() THEN
            RAISE EXCEPTION 'the rows of seals are never changed';
        END IF;
        RETURN NEW;
    END $$
    """,
    """
    CREATE FUNCTION kokin_check_keys() RETURNS trigger LANGUAGE plpgsql SET search_path = {schema}, pg_temp AS $$
    BEGIN
        IF kokin_open_entry() IS NULL THEN
            RAISE EXCEPTION 'the rows of match_keys are never changed, and added by an open entry only';
        END IF;
        RETURN NULL;
    END $$
    """,
)

_TRIGGERS = {
    "entries": "BEFORE INSERT ON entries FOR EACH ROW EXECUTE FUNCTION kokin_check_entry()",
    "seals": "BEFORE INSERT ON seals FOR EACH ROW EXECUTE FUNCTION kokin_check_seal()",
    "match_keys": "BEFORE INSERT ON match_keys EXECUTE FUNCTION kokin_check_keys()",
    **{
        table: f"AFTER INSERT ON {table} REFERENCING NEW TABLE AS new_rows EXECUTE FUNCTION kokin_check_rows()"
        for table in DETAIL_TABLES
    },
}


def grants(schema: str, *, writer: str = "", reader: str = "") -> list[str]:
    """Return the statements that give a role what it needs: a batch that writes, or an auditor who reads.

    Neither can change or remove a row, and the times and users of entries are those of the database.

    Args:
        schema: the schema of the ledger.
        writer: the role of the batch.
        reader: the role of the auditor.
    """
    tables = ", ".join(f"{_quoted(schema)}.{name}" for name in (*sorted(TABLES), "audit_log"))
    added = ", ".join(f"{_quoted(schema)}.{name}" for name in sorted(TABLES) if name != "schema_versions")
    statements = []
    for role in filter(None, (writer, reader)):
        statements.append(f"GRANT USAGE ON SCHEMA {_quoted(schema)} TO {_quoted(role)}")
        statements.append(f"GRANT SELECT ON {tables} TO {_quoted(role)}")
    if writer:
        statements.append(f"GRANT INSERT ON {added} TO {_quoted(writer)}")
    return statements


def _quoted(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'


class _TimestampLoader(Loader):
    """Reads a timestamp with time zone as UTC text with microseconds, as SQLite stores it."""

    def load(self, data: Any) -> str:
        """Return ``2026-05-01 09:00:00.5+00`` as ``2026-05-01T09:00:00.500000Z``."""
        text = bytes(data).decode().removesuffix("+00")
        return f"{text.replace(' ', 'T')}{'' if '.' in text else '.'}".ljust(26, "0") + "Z"


class PostgresDatabase(Database):
    """A ledger in a schema of a server's database. Writers wait for an advisory lock; readers read a snapshot."""

    write_options = {"isolation_level": "READ COMMITTED"}  # noqa: RUF012 (read only)
    read_options = {"isolation_level": "REPEATABLE READ", "postgresql_readonly": True}  # noqa: RUF012

    def __init__(self, url: URL, lock_timeout: float) -> None:
        super().__init__(create_engine(url.set(drivername="postgresql+psycopg"), hide_parameters=True), lock_timeout)
        event.listen(self.engine, "connect", _configure)

    def lock(self, connection: Connection) -> None:
        """Lock the schema until the end of the transaction; the snapshots that follow include all earlier commits."""
        connection.exec_driver_sql(f"{_USE_INDEX}; SET LOCAL lock_timeout = {max(int(self.lock_timeout * 1000), 1)}")
        connection.execute(select(func.pg_advisory_xact_lock(_LOCK_KEY, func.hashtext(func.current_schema()))))

    def identity(self, connection: Connection) -> tuple[str, str]:
        row = connection.exec_driver_sql("SELECT transaction_timestamp(), session_user::text").one()
        return row[0], row[1]

    def schema(self, connection: Connection) -> str:
        """Return the name of the schema of the ledger."""
        return str(connection.execute(select(func.current_schema())).scalar_one())

    def create_guards(self, connection: Connection) -> None:
        schema = _quoted(self.schema(connection))
        for function in _FUNCTIONS:
            connection.exec_driver_sql(function.replace("{schema}", schema))
        for table in TABLES:
            connection.exec_driver_sql(
                f"CREATE TRIGGER {table}_no_change BEFORE UPDATE OR DELETE OR TRUNCATE ON {table} "
                "EXECUTE FUNCTION kokin_reject_change()"
            )
            if table in _TRIGGERS:
                connection.exec_driver_sql(f"CREATE TRIGGER {table}_check {_TRIGGERS[table]}")

    def drop_guards(self, connection: Connection) -> None:
        for function in _FUNCTIONS:
            name = function.split()[2].partition("(")[0]
            connection.exec_driver_sql(f"DROP FUNCTION IF EXISTS {name}() CASCADE")

    def insert(self, connection: Connection, table: str, batches: Iterable[pa.Table]) -> None:
        batches = filter(len, batches)
        first = next(batches, None)
        if first is None:
            return
        statement = f"COPY {table} ({', '.join(first.column_names)}) FROM STDIN"
        cursor: Any = connection.connection.cursor()
        # The writer sends in a thread, while the next rows are hashed.
        with cursor, cursor.copy(statement, writer=QueuedLibpqWriter(cursor)) as copy:
            for rows in chain([first], batches):
                copy.write(_copy_text(rows).to_pybytes())

    def values(self, values: Int64Array | Sequence[str]) -> Select[Any]:
        if isinstance(values, np.ndarray):
            # As one text: the driver adapts the items of a list one by one.
            return select(func.unnest(cast(literal(f"{{{str(values.tolist())[1:-1]}}}"), ARRAY(BigInteger))))
        return select(func.unnest(cast(literal(list(values), ARRAY(Text)), ARRAY(Text))))


def _copy_text(rows: pa.Table) -> pa.Buffer:
    r"""Return rows in the text format of COPY: tabs between values, ``\N`` for null. No stored text contains a tab."""
    values = []
    for name in rows.column_names:
        column = combine(rows.column(name))
        if column.type == pa.binary():  # hashes
            digits = np.frombuffer(b"".join(column.to_pylist()).hex().encode(), np.uint8).reshape(len(column), -1)
            column = pc.binary_join_element_wise("\\\\x", string_array(digits), "")
        elif column.type == pa.string():
            column = _escape(column)
        values.append(column.cast(pa.string()))
    options = {"null_handling": "replace", "null_replacement": "\\N"}
    values[-1] = pc.binary_join_element_wise(values[-1], "\n", "", **options)
    lines = pc.binary_join_element_wise(*values, "\t", **options)
    _, offsets, letters = lines.buffers()
    return letters.slice(0, np.frombuffer(offsets, np.int32)[len(lines)])


def _escape(texts: pa.Array) -> pa.Array:
    _, letters = text_buffers(texts)
    for char, escaped in (("\\", "\\\\"), ("\n", "\\n")):
        if (letters == ord(char)).any():
            texts = pc.replace_substring(texts, char, escaped)
    return texts


def _configure(connection: Any, _: Any) -> None:
    with connection.cursor() as cursor:
        cursor.execute("SET TIME ZONE 'UTC'; SET DateStyle = 'ISO'")
    connection.commit()
    for name in ("date", "time"):
        connection.adapters.register_loader(name, TextLoader)
    connection.adapters.register_loader("timestamptz", _TimestampLoader)
