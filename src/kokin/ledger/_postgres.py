"""PostgreSQL: one ledger for a team."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import chain
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from sqlalchemy import ARRAY, URL, BigInteger, Connection, cast, column, create_engine, func, literal, select

from kokin._arrow.convert import Int64Array, combine, string_array
from kokin.ledger._store import Chained, Store, Wanted

# Any number, the same for all writers: "kokin" in ASCII.
_LOCK = int.from_bytes(b"kokin")

# Drivers take %% for one %.
_REFUSE = """
CREATE FUNCTION rows_are_never_changed() RETURNS trigger LANGUAGE plpgsql AS
$$ BEGIN RAISE EXCEPTION 'the rows of %% are never changed', TG_TABLE_NAME; END $$
"""

# A writer looks rows up by their ids, some ten thousand at a time: the planner would rather go through the whole table.
_BY_INDEX = "SET LOCAL enable_hashjoin = off; SET LOCAL enable_mergejoin = off; SET LOCAL jit = off"


class PostgresStore(Store):
    """A ledger in a server's database. Writers take turns by an advisory lock; readers see a snapshot."""

    write_options = {"isolation_level": "READ COMMITTED"}  # noqa: RUF012 (read only)
    read_options = {"isolation_level": "REPEATABLE READ", "postgresql_readonly": True}  # noqa: RUF012

    def __init__(self, url: URL) -> None:
        super().__init__(create_engine(url.set(drivername="postgresql+psycopg"), hide_parameters=True))

    def lock(self, connection: Connection) -> None:
        """It is held to the end of the transaction; what was committed before it is seen after it."""
        connection.exec_driver_sql(_BY_INDEX)
        connection.execute(select(func.pg_advisory_xact_lock(_LOCK)))

    def create(self, connection: Connection) -> None:
        connection.exec_driver_sql(_REFUSE)
        super().create(connection)
        # Pairs do not get smaller, and would be tried each time.
        connection.exec_driver_sql("ALTER TABLE links ALTER COLUMN pairs SET STORAGE EXTERNAL")

    def guards(self, table: str) -> list[str]:
        return [
            f"CREATE TRIGGER {table}_only_grows BEFORE UPDATE OR DELETE OR TRUNCATE ON {table} "
            "EXECUTE FUNCTION rows_are_never_changed()"
        ]

    def insert(self, connection: Connection, table: str, parts: Iterator[Chained]) -> None:
        first = next(parts, None)
        if first is None:
            return
        from psycopg.copy import QueuedLibpqWriter  # of the extra `postgres`

        statement = f"COPY {table} ({', '.join((*first[0].column_names, 'hash'))}) FROM STDIN"
        cursor: Any = connection.connection.cursor()
        # A thread of the writer's sends; what comes next is hashed in the meantime.
        with cursor, cursor.copy(statement, writer=QueuedLibpqWriter(cursor)) as copy:
            for rows, hashes in chain([first], parts):
                copy.write(_copied(rows, hashes).to_pybytes())

    def wanted(self, keys: Int64Array) -> Wanted:
        array = cast(literal(keys.tolist(), ARRAY(BigInteger)), ARRAY(BigInteger))
        return func.unnest(array).table_valued(column("value", BigInteger), name="wanted").render_derived()

    def fact(self, body: str, name: str) -> str:
        return f"({body}::json ->> '{name}')"


def _copied(rows: pa.Table, hashes: list[bytes]) -> pa.Buffer:
    r"""Rows in the text format of COPY: tabs between values, ``\N`` for nothing. No text of theirs has a tab."""
    values = []
    for name in rows.column_names:
        column = combine(rows.column(name)).cast(pa.string())
        values.append(pc.replace_substring(column, "\\", "\\\\") if name == "body" else column)
    digits = np.frombuffer(b"".join(hashes).hex().encode(), np.uint8).reshape(len(hashes), -1)
    values.append(pc.binary_join_element_wise("\\\\x", string_array(digits), "\n", ""))
    lines = pc.binary_join_element_wise(*values, "\t", null_handling="replace", null_replacement="\\N")
    _, offsets, letters = lines.buffers()
    return letters.slice(0, np.frombuffer(offsets, np.int32)[len(lines)])
