"""PostgreSQL: a ledger in a database of a server."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import chain
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from sqlalchemy import ARRAY, URL, BigInteger, Connection, cast, column, create_engine, func, literal, select

from kokin._arrow.convert import Int64Array, combine, string_array
from kokin.ledger._database import Database, HashedRows, IdTable

# The key of the advisory lock, an arbitrary number that all writers use: "kokin" in ASCII.
_LOCK_KEY = int.from_bytes(b"kokin")

# Drivers read %% as one %.
_REJECT_FUNCTION = """
CREATE FUNCTION rows_are_never_changed() RETURNS trigger LANGUAGE plpgsql AS
$$ BEGIN RAISE EXCEPTION 'the rows of %% are never changed', TG_TABLE_NAME; END $$
"""

# A writer fetches rows by tens of thousands of ids: use the primary key; the planner would scan the whole table.
_USE_INDEX = "SET LOCAL enable_hashjoin = off; SET LOCAL enable_mergejoin = off; SET LOCAL jit = off"


class PostgresDatabase(Database):
    """A ledger in a database of a server. Writers wait for an advisory lock; readers read a snapshot."""

    write_options = {"isolation_level": "READ COMMITTED"}  # noqa: RUF012 (read only)
    read_options = {"isolation_level": "REPEATABLE READ", "postgresql_readonly": True}  # noqa: RUF012

    def __init__(self, url: URL) -> None:
        super().__init__(create_engine(url.set(drivername="postgresql+psycopg"), hide_parameters=True))

    def lock(self, connection: Connection) -> None:
        """Lock until the end of the transaction; the snapshots that follow include all earlier commits."""
        connection.exec_driver_sql(_USE_INDEX)
        connection.execute(select(func.pg_advisory_xact_lock(_LOCK_KEY)))

    def create(self, connection: Connection) -> None:
        connection.exec_driver_sql(_REJECT_FUNCTION)
        super().create(connection)
        # Pairs of hashes do not compress: do not try.
        connection.exec_driver_sql("ALTER TABLE links ALTER COLUMN pairs SET STORAGE EXTERNAL")

    def append_only_ddl(self, table: str) -> list[str]:
        return [
            f"CREATE TRIGGER {table}_only_grows BEFORE UPDATE OR DELETE OR TRUNCATE ON {table} "
            "EXECUTE FUNCTION rows_are_never_changed()"
        ]

    def insert(self, connection: Connection, table: str, batches: Iterator[HashedRows]) -> None:
        first = next(batches, None)
        if first is None:
            return
        from psycopg.copy import QueuedLibpqWriter  # of the extra `postgres`

        statement = f"COPY {table} ({', '.join((*first[0].column_names, 'hash'))}) FROM STDIN"
        cursor: Any = connection.connection.cursor()
        # The writer sends in a thread, while the next rows are hashed.
        with cursor, cursor.copy(statement, writer=QueuedLibpqWriter(cursor)) as copy:
            for rows, hashes in chain([first], batches):
                copy.write(_copy_text(rows, hashes).to_pybytes())

    def id_table(self, ids: Int64Array) -> IdTable:
        array = cast(literal(ids.tolist(), ARRAY(BigInteger)), ARRAY(BigInteger))
        return func.unnest(array).table_valued(column("value", BigInteger), name="ids").render_derived()

    def json_field_sql(self, column: str, name: str) -> str:
        return f"({column}::json ->> '{name}')"


def _copy_text(rows: pa.Table, hashes: list[bytes]) -> pa.Buffer:
    r"""Return rows in the text format of COPY: tabs between values, ``\N`` for null. No stored text contains a tab."""
    values = []
    for name in rows.column_names:
        column = combine(rows.column(name)).cast(pa.string())
        values.append(pc.replace_substring(column, "\\", "\\\\") if name == "body" else column)
    digits = np.frombuffer(b"".join(hashes).hex().encode(), np.uint8).reshape(len(hashes), -1)
    values.append(pc.binary_join_element_wise("\\\\x", string_array(digits), "\n", ""))
    lines = pc.binary_join_element_wise(*values, "\t", null_handling="replace", null_replacement="\\N")
    _, offsets, letters = lines.buffers()
    return letters.slice(0, np.frombuffer(offsets, np.int32)[len(lines)])
