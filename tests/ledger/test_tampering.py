"""What the database rejects, and what ``verify`` finds after the owner of the database has dropped its constraints.

``verify`` returns issues for whatever the rows hold: it never raises, and never calls a changed ledger clean.
"""

import contextlib

import pytest
from sqlalchemy import LargeBinary, Text, text
from sqlalchemy.exc import DBAPIError

from kokin.issues import InvalidInputError
from kokin.ledger import Ledger, LedgerError
from kokin.ledger._schema import APPEND_ONLY_TABLES, TABLES

EVERY_TABLE = [*APPEND_ONLY_TABLES, "links"]


def execute(raw, *statements, **values):
    """Change the database; return False if it rejects the change, or if no row changes."""
    try:
        with raw.begin() as connection:
            return sum(connection.execute(text(statement), values).rowcount for statement in statements) != 0
    except DBAPIError:
        return False


def rows_of(raw, table):
    with raw.connect() as connection:
        return [dict(row) for row in connection.execute(TABLES[table].select().order_by(TABLES[table].c.id)).mappings()]


def restore(raw, table, rows):
    with raw.begin() as connection:
        connection.execute(TABLES[table].delete())
        connection.execute(TABLES[table].insert(), rows)


def new_values(raw, column):
    """SQL expressions for other values of a column, of its own type and of any other."""
    name = column.name
    if raw.dialect.name == "postgresql":
        if isinstance(column.type, Text):
            return ["NULL", "''", f"left({name}, -1)", "repeat('x', 100000)", "'{}'", "'[1]'", "'null'"]
        if isinstance(column.type, LargeBinary):
            return ["NULL", "''::bytea", f"substring({name} FROM 2)", "decode(repeat('00', 32), 'hex')"]
        return ["NULL", "-1", "0", f"{name} + 1", "9223372036854775807", "-9223372036854775808"]
    return [
        "NULL",
        "''",
        f"substr({name}, 1, length({name}) - 1)",
        f"CAST({name} AS BLOB)",
        f"CAST({name} AS TEXT)",
        f"{name} + 0.5",
        "0.5",
        "-1",
        "0",
        "9223372036854775807",
        "9e99",
        "zeroblob(32)",
        "CAST(zeroblob(32) AS TEXT)",
        "CAST(x'ff' AS TEXT)",
        "'{}'",
        "'[1]'",
        "'null'",
        "printf('%.*c', 100000, 'x')",
    ]


@pytest.mark.thorough
@pytest.mark.parametrize("table", EVERY_TABLE)
def test_verify_finds_every_changed_value_of_every_type(filled, raw, unguarded, table):
    unguarded()
    rows = rows_of(raw, table)
    row = rows[-1]["id"] if table == "links" else 2
    # The number of a page or of a run has no meaning.
    free = ("id", "run") if table == "links" else ()
    assert filled.verify(rematch=True).is_clean
    tried = 0
    for column in TABLES[table].c:
        for value in new_values(raw, column):
            differs = "IS NOT" if raw.dialect.name == "sqlite" else "IS DISTINCT FROM"
            where = f"id = {row} AND {column.name} {differs} {value}"
            if not execute(raw, f"UPDATE {table} SET {column.name} = {value} WHERE {where}"):
                continue
            tried += 1
            found = filled.verify(rematch=table == "links")
            assert column.name in free or not found.is_clean, (column.name, value)
            assert table == "links" or found.issues[0].location.file == table, (column.name, value)
            restore(raw, table, rows)
    assert tried > len(TABLES[table].c)
    assert filled.verify(rematch=True).is_clean


@pytest.mark.parametrize("table", EVERY_TABLE)
def test_verify_finds_every_missing_added_or_moved_row(filled, raw, unguarded, table):
    unguarded()
    rows = rows_of(raw, table)
    ids = [row["id"] for row in rows]
    first, second, last = ids[0], ids[1], ids[-1]
    columns = ", ".join(column.name for column in TABLES[table].c if column.name != "id")
    copy = f"INSERT INTO {table} (id, {columns}) SELECT {{id}}, {columns} FROM {table} WHERE id = {second}"
    changes = [
        *([f"DELETE FROM {table} WHERE id = {row}"] for row in (first, second, last)),
        [f"DELETE FROM {table}"],
        *([copy.format(id=row)] for row in (0, -1, -(2**63), last + 1, last + 2, 2**63 - 1)),
    ]
    if table != "links":  # the order of pages has no meaning
        swapped = ((-9, 1), (1, 2), (2, -9))
        changes.append([f"UPDATE {table} SET id = {new} WHERE id = {old}" for new, old in swapped])
    for statements in changes:
        assert execute(raw, *statements), statements
        found = filled.verify(rematch=True)
        assert not found.is_clean, statements
        restore(raw, table, rows)
    assert filled.verify(rematch=True).is_clean


@pytest.mark.parametrize("table", APPEND_ONLY_TABLES)
def test_the_database_rejects_rows_with_other_ids(filled, raw, table):
    columns = ", ".join(name for name in APPEND_ONLY_TABLES[table].names if name != "id")
    last = len(rows_of(raw, table))
    ids = [1, 0, -1, -(2**63)]
    if raw.dialect.name == "sqlite":  # on PostgreSQL only `verify` finds gaps
        ids += [last + 2, 2**63 - 1, "NULL"]
    else:
        with raw.begin() as connection:
            if not connection.execute(text("SELECT 1 FROM pg_roles WHERE rolname = 'adder'")).first():
                connection.execute(text("CREATE ROLE adder"))
            connection.execute(text(f"GRANT SELECT, INSERT ON {', '.join(APPEND_ONLY_TABLES)} TO adder"))
    as_adder = ["SET LOCAL ROLE adder"] if raw.dialect.name == "postgresql" else []
    for number in ids:
        copy = f"INTO {table} (id, {columns}) SELECT {number}, {columns} FROM {table} WHERE id = 1"
        assert not execute(raw, *as_adder, f"INSERT {copy}"), number
    assert len(rows_of(raw, table)) == last
    assert filled.verify(rematch=True).is_clean


@pytest.mark.parametrize("table", APPEND_ONLY_TABLES)
@pytest.mark.parametrize("new_place", ["sqlite"], indirect=True)
def test_sqlite_rejects_replacing_a_row(filled, raw, table):
    columns = ", ".join(APPEND_ONLY_TABLES[table].names)
    changed = columns.replace("entry", "entry + 1") if "entry" in APPEND_ONLY_TABLES[table].names else columns
    before = rows_of(raw, table)
    for statement in (
        f"INSERT OR REPLACE INTO {table} ({columns}) SELECT {changed} FROM {table} WHERE id = 1",
        f"REPLACE INTO {table} ({columns}) SELECT {changed} FROM {table} WHERE id = 1",
        f"INSERT INTO {table} ({columns}) SELECT {changed} FROM {table} WHERE id = 1 "
        "ON CONFLICT (id) DO UPDATE SET hash = x'00'",
        f"UPDATE OR REPLACE {table} SET id = 2 WHERE id = 1",
    ):
        with pytest.raises(DBAPIError, match="never changed"), raw.begin() as connection:
            connection.execute(text(statement))
    assert rows_of(raw, table) == before


@pytest.mark.parametrize("table", EVERY_TABLE)
@pytest.mark.parametrize("new_place", ["sqlite"], indirect=True)
def test_sqlite_rejects_values_of_another_storage_class(filled, raw, table):
    with raw.begin() as connection:
        for trigger in (
            connection.execute(text("SELECT name FROM sqlite_master WHERE type = 'trigger'")).scalars().all()
        ):
            connection.execute(text(f"DROP TRIGGER {trigger}"))
    for column in TABLES[table].c:
        other = "CAST('x' AS BLOB)" if not isinstance(column.type, LargeBinary) else "'x'"
        assert not execute(raw, f"UPDATE {table} SET {column.name} = {other}"), column.name


@pytest.mark.parametrize(
    ("table", "change"),
    [
        *(("receipts", f"amount = {yen}") for yen in (-1, 100_000_000_000, 2**63 - 1)),
        *(("agent_reports", f"amount = {yen}") for yen in (-1, 100_000_000_000)),
        *(("bank_deposits", f"amount = {yen}") for yen in (-100_000_000_000, 100_000_000_000)),
        ("postings", "excess = 100000000000"),
        ("postings", "no_effect = -100000000000"),
        ("entries", "reverses = 1"),
        ("entries", "reverses_posting = 1"),
        ("entries", "kind = 'reversal'"),
    ],
)
def test_the_database_rejects_invalid_rows(filled, raw, table, change):
    with raw.begin() as connection:
        if raw.dialect.name == "sqlite":
            connection.execute(text(f"DROP TRIGGER {table}_no_update"))
        else:
            connection.execute(text(f"DROP TRIGGER {table}_only_grows ON {table}"))
    kind = " AND kind = 'receipt_file'" if table == "entries" else ""
    assert not execute(raw, f"UPDATE {table} SET {change} WHERE id >= 2{kind}")
    if table == "entries":
        for both in ("reverses_posting = 1", "reverses = NULL"):
            assert not execute(raw, f"UPDATE entries SET {both} WHERE kind = 'reversal'")


@pytest.mark.parametrize("value", ["'{}'", "'[]'", "'null'", "'x'", "NULL", "'{\"form\": 3}'", None])
def test_a_ledger_with_a_changed_first_entry_is_not_opened(filled, raw, unguarded, place, value):
    unguarded()
    assert execute(
        raw, f"UPDATE entries SET totals = {value} WHERE id = 1" if value else "DELETE FROM entries WHERE id = 1"
    )
    with pytest.raises(LedgerError) as rejected:
        Ledger.open(place)
    (issue,) = rejected.value.issues
    assert (issue.code[:11], issue.location.file, issue.location.record) == ("LEDGER_ROW_", "entries", 1)
    assert [(each.location.file, each.location.record) for each in filled.verify().issues] == [("entries", 1)]


CHANGES = ["CAST({} AS BLOB)", "NULL", "'x'", "'{{}}'"]


@pytest.mark.thorough
@pytest.mark.parametrize("change", CHANGES)
def test_reading_a_changed_ledger_raises_only_errors_of_kokin(filled, raw, unguarded, change):
    unguarded()
    changed = 0
    for table in APPEND_ONLY_TABLES:
        rows = rows_of(raw, table)
        for column in TABLES[table].c:
            if not execute(raw, f"UPDATE {table} SET {column.name} = {change.format(column.name)}"):
                continue
            changed += 1
            for read in (
                filled.entries,
                filled.status,
                filled.totals,
                filled.bills,
                filled.receipts,
                filled.balances,
                filled.bank_deposits,
                filled.agent_reports,
                filled.outcomes,
                lambda: filled.history("B1"),
            ):
                with contextlib.suppress(LedgerError, InvalidInputError):
                    read()
            restore(raw, table, rows)
    assert changed or raw.dialect.name == "postgresql"


@pytest.mark.parametrize("expected", ["zz", "0" * 63, "0" * 65, "g" * 64, "0" * 63 + " ", "é" * 64])
def test_an_invalid_expected_hash_is_an_issue(filled, expected):
    assert [issue.code for issue in filled.verify(expected_hash=expected).issues] == ["LEDGER_SEAL_FORMAT"]


def test_hashes_are_compared_in_either_case(filled):
    last_hash = filled.status().hash
    assert filled.verify(expected_hash=last_hash.upper()).is_clean


def test_sums_of_yen_never_overflow(filled, raw, unguarded):
    unguarded()
    assert execute(raw, f"UPDATE receipts SET amount = {2**63 - 1}", f"UPDATE postings SET suspense = {-(2**63)}")
    status = filled.status()
    assert status.dispositions["suspense"] == -(2**63) * status.rows["postings"]
    assert status.controls["T1"]["right"] == (2**63 - 1) * status.rows["receipts"]
    assert not status.controls["T4"]["holds"]
