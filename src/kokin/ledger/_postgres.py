"""PostgreSQL: one ledger for a team."""

from __future__ import annotations

import pyarrow as pa
import pyarrow.csv as pa_csv
from sqlalchemy import ARRAY, URL, BigInteger, Connection, cast, column, create_engine, func, literal, select

from kokin.columns import Ints
from kokin.ledger._store import Store, Wanted

# Any number, the same for all writers: "kokin" in ASCII.
_LOCK = int.from_bytes(b"kokin")

# Drivers take %% for one %.
_REFUSE = """
CREATE FUNCTION rows_are_never_changed() RETURNS trigger LANGUAGE plpgsql AS
$$ BEGIN RAISE EXCEPTION 'the rows of %% are never changed', TG_TABLE_NAME; END $$
"""


class PostgresStore(Store):
    """A ledger in a server's database. Writers take turns by an advisory lock; readers see a snapshot."""

    write_options = {"isolation_level": "READ COMMITTED"}  # noqa: RUF012 (read only)
    read_options = {"isolation_level": "REPEATABLE READ", "postgresql_readonly": True}  # noqa: RUF012

    def __init__(self, url: URL) -> None:
        super().__init__(create_engine(url.set(drivername="postgresql+psycopg"), hide_parameters=True))

    def lock(self, connection: Connection) -> None:
        """It is held to the end of the transaction; what was committed before it is seen after it."""
        connection.execute(select(func.pg_advisory_xact_lock(_LOCK)))

    def create(self, connection: Connection) -> None:
        connection.exec_driver_sql(_REFUSE)
        super().create(connection)

    def guards(self, table: str) -> list[str]:
        return [
            f"CREATE TRIGGER {table}_only_grows BEFORE UPDATE OR DELETE OR TRUNCATE ON {table} "
            "EXECUTE FUNCTION rows_are_never_changed()"
        ]

    def insert(self, connection: Connection, table: str, rows: pa.Table) -> None:
        # Texts stand in quotes, so an empty one is not taken for nothing.
        sink = pa.BufferOutputStream()
        pa_csv.write_csv(rows, sink, pa_csv.WriteOptions(include_header=False))
        statement = f"COPY {table} ({', '.join(rows.column_names)}) FROM STDIN (FORMAT csv)"
        with connection.connection.cursor() as cursor, cursor.copy(statement) as copy:  # type: ignore[attr-defined]
            copy.write(sink.getvalue().to_pybytes())

    def wanted(self, keys: Ints) -> Wanted:
        array = cast(literal(keys.tolist(), ARRAY(BigInteger)), ARRAY(BigInteger))
        return func.unnest(array).table_valued(column("value", BigInteger), name="wanted").render_derived()
