"""PostgreSQL: a ledger in a schema of a database of a server."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from itertools import chain
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from sqlalchemy import (
    ARRAY,
    URL,
    BigInteger,
    ColumnElement,
    Connection,
    Dialect,
    Select,
    Table,
    Text,
    cast,
    create_engine,
    event,
    func,
    literal,
    select,
    text,
)
from sqlalchemy.schema import CheckConstraint, ForeignKeyConstraint, PrimaryKeyConstraint, UniqueConstraint

from kokin._arrow.convert import Int64Array, combine, string_array, text_buffers
from kokin.ledger._database import BATCH_ROWS, Database, Definition
from kokin.ledger._schema import AUDIT_LOG, DETAIL_TABLES, TABLES

# The first key of the advisory lock, an arbitrary number that all writers use; the second is a hash of the schema.
_LOCK_KEY = int.from_bytes(b"koki")

# A writer fetches rows by tens of thousands of ids: use the primary key; the planner would scan the whole table.
_USE_INDEX = "SET LOCAL enable_hashjoin = off; SET LOCAL enable_mergejoin = off; SET LOCAL jit = off"

# Drivers read %% as one %. {schema} is the literal of the ledger's schema: a temporary table must not hide a table.
_FUNCTIONS = (
    """
    CREATE FUNCTION kokin_reject_change() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
        RAISE EXCEPTION 'the rows of %% are never changed', TG_TABLE_NAME;
    END $$
    """,
    """
    CREATE FUNCTION kokin_open_entry() RETURNS bigint LANGUAGE sql STABLE SET search_path TO {schema}, 'pg_temp' AS $$
        SELECT max(id) FROM entries HAVING max(id) IS DISTINCT FROM (SELECT max(entry_id) FROM seals)
    $$
    """,
    """
    CREATE FUNCTION kokin_check_rows() RETURNS trigger LANGUAGE plpgsql SET search_path TO {schema}, 'pg_temp' AS $$
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
    CREATE FUNCTION kokin_check_entry() RETURNS trigger LANGUAGE plpgsql SET search_path TO {schema}, 'pg_temp' AS $$
    BEGIN
        IF NEW.id <> (SELECT coalesce(max(id), 0) + 1 FROM entries) OR kokin_open_entry() IS NOT NULL
           OR NEW.recorded_at <> transaction_timestamp() OR NEW.recorded_by <> session_user THEN
            RAISE EXCEPTION 'the rows of entries are never changed; their times and users are those of the database';
        END IF;
        RETURN NEW;
    END $$
    """,
    """
    CREATE FUNCTION kokin_check_seal() RETURNS trigger LANGUAGE plpgsql SET search_path TO {schema}, 'pg_temp' AS $$
    BEGIN
        IF NEW.entry_id IS DISTINCT FROM kokin_open_entry() THEN
            RAISE EXCEPTION 'the rows of seals are never changed';
        END IF;
        RETURN NEW;
    END $$
    """,
    """
    CREATE FUNCTION kokin_check_keys() RETURNS trigger LANGUAGE plpgsql SET search_path TO {schema}, 'pg_temp' AS $$
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
    "match_keys": "BEFORE INSERT ON match_keys FOR EACH STATEMENT EXECUTE FUNCTION kokin_check_keys()",
    **{
        table: f"AFTER INSERT ON {table} REFERENCING NEW TABLE AS new_rows FOR EACH STATEMENT "
        "EXECUTE FUNCTION kokin_check_rows()"
        for table in DETAIL_TABLES
    },
}

# The definitions of a schema: kind, table, name and text, from facts that every version of PostgreSQL shows alike. A
# check is shown by its columns, and of the view, which Kokin does not read, only the columns.
_DEFINITIONS = """
    WITH tables AS (
        SELECT pg_class.* FROM pg_class JOIN pg_namespace ON pg_namespace.oid = relnamespace WHERE nspname = :schema
    ), columns AS (
        SELECT attrelid AS relation, attnum AS number, attname AS name, attnotnull AS is_required,
               format_type(atttypid, atttypmod) AS type
        FROM pg_attribute WHERE attnum > 0 AND NOT attisdropped
    )
    SELECT 'column', relname, name, concat_ws(' ', type, CASE WHEN is_required THEN 'NOT NULL' END)
        FROM columns JOIN tables ON oid = relation WHERE relkind = 'r'
    UNION ALL SELECT 'view', relname, relname, string_agg(name, ' ' ORDER BY number)
        FROM columns JOIN tables ON oid = relation WHERE relkind = 'v' GROUP BY relname
    UNION ALL SELECT 'constraint', relname, contype::text, concat_ws(
            ' ',
            (SELECT string_agg(name, ' ' ORDER BY name) FROM columns
             WHERE relation = conrelid AND number = ANY (conkey)),
            (SELECT relname FROM pg_class WHERE pg_class.oid = confrelid),
            CASE WHEN condeferrable THEN 'DEFERRABLE' END, CASE WHEN NOT convalidated THEN 'NOT VALID' END
        ) FROM pg_constraint JOIN tables ON tables.oid = conrelid WHERE contype IN ('c', 'f', 'p', 'u')
    UNION ALL SELECT 'index', tables.relname, pg_class.relname, concat_ws(
            ' ',
            (SELECT string_agg(name, ' ' ORDER BY name) FROM columns
             WHERE relation = indrelid AND number = ANY (indkey)),
            CASE WHEN indisunique THEN 'UNIQUE' END, CASE WHEN indpred IS NOT NULL THEN 'PARTIAL' END
        ) FROM pg_index JOIN tables ON tables.oid = indrelid JOIN pg_class ON pg_class.oid = indexrelid
        WHERE NOT EXISTS (SELECT 1 FROM pg_constraint WHERE conindid = indexrelid AND contype IN ('p', 'u'))
    UNION ALL SELECT 'trigger', relname, tgname, concat_ws(
            ' ', tgtype, CASE WHEN pronamespace = relnamespace THEN proname END,
            CASE WHEN tgqual IS NOT NULL THEN 'WHEN' END, CASE WHEN tgenabled <> 'O' THEN 'DISABLED' END
        ) FROM pg_trigger JOIN tables ON tables.oid = tgrelid JOIN pg_proc ON pg_proc.oid = tgfoid
        WHERE NOT tgisinternal OR tgenabled <> 'O'
    UNION ALL SELECT 'rule', tablename, rulename, '' FROM pg_rules WHERE schemaname = :schema
    UNION ALL SELECT 'rule', relname, 'row security', '' FROM tables WHERE relrowsecurity
    UNION ALL SELECT 'function', proname, proname, concat_ws(
            ' ', prosrc,
            CASE WHEN proconfig::text LIKE '%search_path=%' || :schema || '%pg_temp%' THEN 'SEARCH PATH' END
        )
        FROM pg_proc JOIN pg_namespace ON pg_namespace.oid = pronamespace
        WHERE nspname = :schema AND proname LIKE 'kokin%'
"""

# The bits of pg_trigger.tgtype: https://github.com/postgres/postgres/blob/REL_15_STABLE/src/include/catalog/pg_trigger.h
_TRIGGER_TYPES = {"ROW": 1, "BEFORE": 2, "INSERT": 4, "DELETE": 8, "UPDATE": 16, "TRUNCATE": 32}

# How PostgreSQL shows the types of columns.
_TYPES = {"time": "time without time zone"}


def _functions(schema: str) -> Iterator[tuple[str, str, str]]:
    """Yield the name, the statement and the body of each function."""
    literal_schema = "'" + schema.replace("'", "''") + "'"
    for function in _FUNCTIONS:
        statement = function.replace("{schema}", literal_schema)
        yield function.split("(", 1)[0].split()[-1], statement, statement.split("$$")[1]


def _triggers() -> Iterator[tuple[str, str, str]]:
    """Yield the table, the name and the rest of the statement of each trigger."""
    for table in TABLES:
        no_change = f"BEFORE UPDATE OR DELETE OR TRUNCATE ON {table} EXECUTE FUNCTION kokin_reject_change()"
        yield table, f"{table}_no_change", no_change
        if table in _TRIGGERS:
            yield table, f"{table}_check", _TRIGGERS[table]


def _new_definitions(schema: str, dialect: Dialect) -> Iterator[Definition]:
    """Yield the definitions of a new ledger, as :data:`_DEFINITIONS` shows them."""
    for name, table in TABLES.items():
        yield from _columns_and_constraints(table, dialect)
        for index in table.indexes:
            words = [*sorted(index.columns.keys()), "UNIQUE" if index.unique else ""]
            words.append("PARTIAL" if index.dialect_options["postgresql"]["where"] is not None else "")
            yield Definition("index", name, str(index.name), " ".join(filter(None, words)))
    yield Definition("view", AUDIT_LOG.name, AUDIT_LOG.name, " ".join(AUDIT_LOG.c.keys()))
    for table_name, name, trigger in _triggers():
        words = trigger.split()
        kind = sum(bit for word, bit in _TRIGGER_TYPES.items() if word in words)
        yield Definition("trigger", table_name, name, f"{kind} {words[-1].removesuffix('()')}")
    for name, statement, body in _functions(schema):
        path = " SEARCH PATH" if "SET search_path" in statement else ""
        yield Definition("function", name, name, body.replace("%%", "%") + path)


def _columns_and_constraints(table: Table, dialect: Dialect) -> Iterator[Definition]:
    for column in table.c:
        kind = str(column.type.compile(dialect)).lower()
        required = "" if column.nullable else " NOT NULL"
        yield Definition("column", table.name, column.name, f"{_TYPES.get(kind, kind)}{required}")
    for rule in table.constraints:
        columns: Iterable[str] = ()
        target = ""
        match rule:
            case CheckConstraint():
                text_of_rule = re.sub("'[^']*'", "", str(rule.sqltext))
                columns = [each.name for each in table.c if re.search(rf"\b{each.name}\b", text_of_rule)]
                if rule._ddl_if is not None:  # of SQLite
                    continue
            case ForeignKeyConstraint():
                columns = rule.column_keys
                target = f" {rule.referred_table.name}" + (" DEFERRABLE" if rule.deferrable else "")
            case PrimaryKeyConstraint() | UniqueConstraint():
                columns = rule.columns.keys()
        kind = type(rule).__name__[0].lower()
        yield Definition("constraint", table.name, kind, " ".join(sorted(columns)) + target)


class PostgresDatabase(Database):
    """A ledger in a schema of a server's database. Writers wait for an advisory lock; readers read a snapshot."""

    write_options = {"isolation_level": "READ COMMITTED"}  # noqa: RUF012 (read only)
    read_options = {"isolation_level": "REPEATABLE READ", "postgresql_readonly": True}  # noqa: RUF012
    stream_options = {"yield_per": BATCH_ROWS}  # noqa: RUF012

    def __init__(self, url: URL, lock_timeout: float) -> None:
        super().__init__(create_engine(url.set(drivername="postgresql+psycopg"), hide_parameters=True), lock_timeout)
        event.listen(self.engine, "connect", _configure)

    def lock(self, connection: Connection) -> None:
        """Lock the schema until the end of the transaction; the snapshots that follow include all earlier commits."""
        connection.exec_driver_sql(f"{_USE_INDEX}; SET LOCAL lock_timeout = {max(int(self.lock_timeout * 1000), 1)}")
        connection.execute(select(func.pg_advisory_xact_lock(_LOCK_KEY, func.hashtext(self.schema(connection)))))

    def identity(self, connection: Connection) -> tuple[str, str]:
        row = connection.exec_driver_sql("SELECT transaction_timestamp(), session_user::text").one()
        return row[0], row[1]

    def schema(self, connection: Connection) -> str:
        """Return the name of the schema of the ledger, or of a new one: users can have other schemas on their paths."""
        of_table = "SELECT nspname FROM pg_class JOIN pg_namespace ON pg_namespace.oid = relnamespace"
        statement = f"SELECT coalesce(({of_table} WHERE pg_class.oid = to_regclass('entries')), current_schema())"
        return str(connection.exec_driver_sql(statement).scalar_one())

    def create_guards(self, connection: Connection) -> None:
        for _, statement, _ in _functions(self.schema(connection)):
            connection.exec_driver_sql(statement)
        for _, name, trigger in _triggers():
            connection.exec_driver_sql(f"CREATE TRIGGER {name} {trigger}")

    def definitions(self, connection: Connection) -> list[Definition]:
        rows = connection.execute(text(_DEFINITIONS), {"schema": self.schema(connection)})
        return [Definition(*row) for row in rows]

    def expected_definitions(self, connection: Connection) -> list[Definition]:
        return list(_new_definitions(self.schema(connection), connection.dialect))

    def drop_guards(self, connection: Connection) -> None:
        for name, _, _ in _functions(self.schema(connection)):
            connection.exec_driver_sql(f"DROP FUNCTION IF EXISTS {name}() CASCADE")

    def insert(self, connection: Connection, table: str, batches: Iterable[pa.Table]) -> None:
        batches = filter(len, batches)
        first = next(batches, None)
        if first is None:
            return
        from psycopg.copy import QueuedLibpqWriter  # of the extra `postgres`

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

    def json_list(self, values: ColumnElement[Any]) -> ColumnElement[str]:
        return cast(func.json_agg(values), Text)  # as text: the driver would parse JSON


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
    from psycopg.adapt import Loader  # of the extra `postgres`
    from psycopg.types.string import TextLoader

    class TimestampLoader(Loader):
        """Reads a timestamp with time zone as SQLite stores it: UTC text with microseconds."""

        def load(self, data: Any) -> str:
            """Return ``2026-05-01 09:00:00.5+00`` as ``2026-05-01T09:00:00.500000Z``."""
            text = bytes(data).decode().removesuffix("+00")
            return f"{text.replace(' ', 'T')}{'' if '.' in text else '.'}".ljust(26, "0") + "Z"

    with connection.cursor() as cursor:
        cursor.execute("SET TIME ZONE 'UTC'; SET DateStyle = 'ISO'")
    connection.commit()
    for name in ("date", "time"):
        connection.adapters.register_loader(name, TextLoader)
    connection.adapters.register_loader("timestamptz", TimestampLoader)
