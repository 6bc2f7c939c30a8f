"""What the database rejects, and what ``verify`` finds after the owner of the database has dropped all guards.

``verify`` returns issues for whatever the rows contain: it never raises, and never reports a changed ledger as clean.
The threat model in the docs has a row for each of these tests.
"""

import contextlib
import json

import pytest
from sqlalchemy import Integer, LargeBinary, text
from sqlalchemy.exc import DBAPIError

from kokin.issues import InvalidInputError
from kokin.ledger import Ledger, LedgerError
from kokin.ledger._codec import canonical_rows
from kokin.ledger._journal import GENESIS_HASH, chain_hashes, seal_hash
from kokin.ledger._schema import DETAIL_TABLES, FIRST_VERSION, SCHEMA_VERSION, TABLES
from tests.support import row_issues

#: The number of entries of the filled ledger.
LAST = 23

sqlite_only = pytest.mark.parametrize("new_place", ["sqlite"], indirect=True)
postgres_only = pytest.mark.parametrize("new_place", ["postgresql"], indirect=True)


def key_of(table):
    """The first column of a table, by which its rows are ordered."""
    return next(iter(TABLES[table].c)).name


def execute(raw, *statements, **values):
    """Change the database in one transaction; return whether it accepts the change and a row changes."""
    try:
        with raw.begin() as connection:
            return sum(abs(connection.execute(text(statement), values).rowcount) for statement in statements) != 0
    except DBAPIError:
        return False


def assert_rejected(raw, *statements, match="never changed", **values):
    for statement in statements:
        with pytest.raises(DBAPIError, match=match), raw.begin() as connection:
            connection.execute(text(statement), values)


def copy_of_row(table, where, **expressions):
    """The statement that inserts a copy of a row with other values of some columns."""
    names = [column.name for column in TABLES[table].c]
    values = ", ".join(str(expressions.get(name, name)) for name in names)
    return f"INSERT INTO {table} ({', '.join(names)}) SELECT {values} FROM {table} WHERE {where}"


def rows_of(raw, table):
    columns = TABLES[table].c
    with raw.connect() as connection:
        return [dict(row) for row in connection.execute(TABLES[table].select().order_by(*columns[:3])).mappings()]


def restore(raw, table, rows):
    with raw.begin() as connection:
        connection.execute(TABLES[table].delete())
        connection.execute(TABLES[table].insert(), rows)


def found(ledger, **options):
    """Code, table and row of each issue that is not about guards."""
    issues = row_issues(ledger.verify(**options))
    return [(issue.code, issue.location.file, issue.location.record) for issue in issues]


# With all guards


@pytest.mark.parametrize("table", TABLES)
def test_the_database_rejects_update_and_removal(filled, raw, table):
    before = rows_of(raw, table)
    for column in TABLES[table].c:
        assert not execute(raw, f"UPDATE {table} SET {column.name} = NULL"), column.name
    assert_rejected(raw, f"UPDATE {table} SET {key_of(table)} = {key_of(table)}", f"DELETE FROM {table}")
    if raw.dialect.name == "postgresql":
        assert_rejected(raw, f"TRUNCATE {table} CASCADE")
    assert rows_of(raw, table) == before


@pytest.mark.parametrize("table", TABLES)
@sqlite_only
def test_sqlite_rejects_replaced_rows(filled, raw, table):
    before, where = rows_of(raw, table), f"rowid = {1 if table != 'schema_versions' else SCHEMA_VERSION}"
    if table == "match_keys":
        where = "row_id = 1"
    names = [column.name for column in TABLES[table].c]
    copy = copy_of_row(table, where)
    keys = ", ".join(column.name for column in TABLES[table].primary_key)
    assert_rejected(
        raw,
        copy.replace("INSERT", "INSERT OR REPLACE", 1),
        copy.replace("INSERT", "REPLACE", 1),
        f"{copy} ON CONFLICT ({keys}) DO UPDATE SET {names[-1]} = NULL",
        f"UPDATE OR REPLACE {table} SET {keys.partition(',')[0]} = 2",
    )
    assert rows_of(raw, table) == before


@pytest.mark.parametrize("table", DETAIL_TABLES)
def test_the_database_rejects_rows_of_a_sealed_entry_and_rows_with_other_ids(filled, raw, table):
    last = len(rows_of(raw, table))
    for row in (last + 1, last + 2, last, 1, 0, -1, -(2**63), 2**63 - 1, "NULL"):
        for entry in (1, LAST, LAST + 1, 0, "NULL"):
            assert not execute(raw, copy_of_row(table, "id = 1", id=row, entry_id=entry)), (row, entry)
    assert len(rows_of(raw, table)) == last
    assert filled.verify(rematch=True).is_clean


@pytest.mark.parametrize("table", DETAIL_TABLES)
def test_the_database_rejects_other_ids_in_an_open_entry(filled, raw, table):
    last = len(rows_of(raw, table))
    with raw.connect() as connection:
        connection.execute(text(copy_of_entry(raw)))
        for row in (last + 2, last, 1, 0, -1, -(2**63), 2**63 - 1, "NULL"):
            with pytest.raises(DBAPIError), connection.begin_nested():
                connection.execute(text(copy_of_row(table, "id = 1", id=row, entry_id=LAST + 1)))
        connection.rollback()
    assert filled.verify(rematch=True).is_clean


def copy_of_entry(raw, **expressions):
    """The statement that adds the next entry, with times and user as Kokin writes them."""
    is_sqlite = raw.dialect.name == "sqlite"
    now = "strftime('%Y-%m-%dT%H:%M:%f000Z', 'now')" if is_sqlite else "transaction_timestamp()"
    written = {"recorded_at": now, "effective_at": now} | ({} if is_sqlite else {"recorded_by": "session_user"})
    return copy_of_row(
        "entries", "id = 2", **{"id": LAST + 1, "digest": "NULL", "delivery": "NULL"} | written | expressions
    )


@pytest.mark.parametrize("row", [LAST + 2, LAST, 1, 0, -1, 2**63 - 1, "NULL"])
def test_the_database_rejects_entries_with_other_ids(filled, raw, row):
    assert not execute(raw, copy_of_entry(raw, id=row))
    assert filled.verify().is_clean


def test_the_database_rejects_entries_with_another_time(filled, raw):
    is_sqlite = raw.dialect.name == "sqlite"
    for days in (-1, 1):
        other = f"strftime('%Y-%m-%dT%H:%M:%f000Z', 'now', '{days} day')" if is_sqlite else f"now() + '{days} day'"
        assert_rejected(raw, copy_of_entry(raw, recorded_at=other))
    assert_rejected(raw, copy_of_entry(raw, recorded_at="'x'" if is_sqlite else "'infinity'"))
    assert not execute(raw, copy_of_entry(raw, recorded_at="NULL"))
    assert filled.verify().is_clean


@postgres_only
def test_postgresql_rejects_entries_with_another_user_or_time(filled, raw):
    assert_rejected(raw, copy_of_entry(raw, recorded_by="'mayor'"), match="those of the database")
    second = "transaction_timestamp() + interval '1 microsecond'"
    assert_rejected(raw, copy_of_entry(raw, recorded_at=second), match="those of the database")


def test_the_database_rejects_seals_and_keys_without_an_open_entry(filled, raw):
    for entry in (LAST, LAST + 1, 1, 0, -1, "NULL"):
        assert not execute(raw, copy_of_row("seals", "entry_id = 1", entry_id=entry)), entry
    for kind in (1, 2, 3, "NULL"):
        assert not execute(raw, f"INSERT INTO match_keys VALUES ({kind}, 5, 1)"), kind
    assert filled.verify().is_clean


def test_an_entry_without_a_seal_is_found_and_stops_the_writers(filled, raw, bills):
    assert execute(raw, copy_of_entry(raw), copy_of_row("receipts", "id = 1", id=5, entry_id=LAST + 1))
    assert found(filled) == [("LEDGER_ROW_MISSING", "seals", LAST + 1)]
    with pytest.raises(LedgerError):
        filled.add_bills(bills(B7=1), actor="clerk")
    assert not execute(raw, copy_of_entry(raw, id=LAST + 2))


@pytest.mark.parametrize("table", [None, *DETAIL_TABLES, "match_keys"])
def test_rows_that_the_seal_of_their_entry_lacks_are_found(filled, raw, table):
    last = len(rows_of(raw, table)) if table else 0
    unique = {"id": last + 1, "entry_id": LAST + 1, "record_no": 9, "version": 9, "replaces_id": "NULL"}
    added, expected = [], []
    if table == "match_keys":
        added, expected = ["INSERT INTO match_keys VALUES (1, 5, 1)"], [("LEDGER_KEYS", "match_keys", None)]
    elif table:
        if table == "bill_versions":
            unique |= {"version": 1, "bill_id": "'B8'"}
        if table == "slip_numbers":
            unique |= {"bill_id": "'D8-1'", "obligation_id": "'D8'", "confirmation": "'654321'", "serial": 8}
        if table == "refund_steps":  # only an order has a record in a file
            unique |= {"record_no": "NULL"}
        added, expected = [copy_of_row(table, "id = 1", **unique)], [("LEDGER_ROW_ADDED", table, last + 1)]
    user = {"recorded_by": "'mayor'"} if raw.dialect.name == "sqlite" else {}  # SQLite has no users
    assert execute(raw, copy_of_entry(raw, **user), *added)
    entry, last_seal = stored_rows(filled, "entries")[-1], stored_rows(filled, "seals")[-1]
    seal = {**last_seal, "entry_id": LAST + 1}
    with raw.begin() as connection:
        connection.execute(TABLES["seals"].insert(), seal | {"hash": seal_hash(last_seal["hash"], entry, seal)})
    assert found(filled) == expected


def test_a_seal_with_an_invalid_hash_is_found(filled, raw):
    assert execute(raw, copy_of_entry(raw), copy_of_row("seals", f"entry_id = {LAST}", entry_id=LAST + 1))
    assert found(filled) == [("LEDGER_ROW_CHANGED", "entries", LAST + 1)]


@pytest.mark.parametrize(
    "version", [SCHEMA_VERSION, FIRST_VERSION - 1, SCHEMA_VERSION + 1, SCHEMA_VERSION + 2, 0, "NULL"]
)
def test_a_schema_version_is_rejected_or_found(filled, raw, version):
    where = f"version = {SCHEMA_VERSION}"
    if execute(raw, copy_of_row("schema_versions", where, version=version)):
        assert found(filled) == [("LEDGER_ROW_ADDED", "schema_versions", version)]
    else:
        assert filled.verify().is_clean


@pytest.mark.parametrize("table", TABLES)
@sqlite_only
def test_sqlite_rejects_values_of_another_storage_class(filled, raw, table):
    drop_triggers(raw)
    for column in TABLES[table].c:
        other = "CAST('x' AS BLOB)" if not isinstance(column.type, LargeBinary) else "'x'"
        assert_rejected(raw, f"UPDATE {table} SET {column.name} = {other}", match="CHECK|datatype")


def drop_triggers(raw):
    with raw.begin() as connection:
        if raw.dialect.name == "sqlite":
            triggers = "SELECT name, '' FROM sqlite_master WHERE type = 'trigger'"
        else:
            triggers = "SELECT tgname, ' ON ' || tgrelid::regclass FROM pg_trigger WHERE NOT tgisinternal"
        for name, place in connection.execute(text(triggers)).all():
            connection.execute(text(f"DROP TRIGGER {name}{place}"))


@pytest.mark.parametrize(
    ("table", "change"),
    [
        *(("receipts", f"amount = {yen}") for yen in (-1, 100_000_000_000, 2**63 - 1)),
        *(("bill_versions", f"amount = {yen}") for yen in (-1, 100_000_000_000)),
        *(("agent_reports", f"amount = {yen}") for yen in (-1, 100_000_000_000)),
        *(("bank_deposits", f"amount = {yen}") for yen in (-100_000_000_000, 100_000_000_000)),
        ("postings", "excess = 100000000000"),
        ("postings", "no_effect = -100000000000"),
        ("postings", "receipt_id = 999"),
        ("postings", "outcome = 'PAID'"),
        ("receipts", "entry_id = 999"),
        ("bill_versions", "status = 'paid'"),
        ("entries", "reverses_entry_id = 1"),
        ("entries", "reverses_posting_id = 1"),
        ("entries", "kind = 'reversal'"),
        ("entries", "actor = ''"),
        ("seals", "hash = NULL"),
        ("match_keys", "kind = 3"),
        ("schema_versions", "recorded_by = NULL"),
    ],
)
def test_constraints_reject_invalid_values(filled, raw, table, change):
    drop_triggers(raw)
    kind = " AND kind = 'receipt_file'" if table == "entries" else ""
    with raw.begin() as connection:
        if raw.dialect.name == "sqlite":
            connection.execute(text("PRAGMA foreign_keys = ON"))
    assert not execute(raw, f"UPDATE {table} SET {change} WHERE {key_of(table)} >= 1{kind}")


# Without guards


def new_values(raw, column):
    """SQL expressions for other values of a column, of its own type and of every type that the database accepts."""
    name = column.name
    if raw.dialect.name == "postgresql":
        if isinstance(column.type, Integer):
            small = [f"{name} + 1", "-1", "0", "32767", "-32768"]
            return ["NULL", *small, "9223372036854775807", "-9223372036854775808"]
        if isinstance(column.type, LargeBinary):
            return ["NULL", "''::bytea", f"substring({name} FROM 2)", "decode(repeat('00', 32), 'hex')"]
        kind = column.type.dialect_impl(raw.dialect).compile(raw.dialect)
        if kind == "TEXT":
            return ["NULL", "''", f"left({name}, -1)", "repeat('x', 100000)", "'{}'", "'[1]'", "'null'"]
        if kind == "TIME":
            return ["NULL", f"{name} + interval '1 second'", "'24:00'", "'00:00:00.000001'"]
        return ["NULL", f"{name} + interval '1 day'", "'infinity'", "'-infinity'", "'4000-01-01 BC'", "'12000-01-01'"]
    return [
        "NULL",
        "''",
        f"substr({name}, 1, length({name}) - 1)",
        f"CAST({name} AS BLOB)",
        f"CAST({name} AS TEXT)",
        f"{name} + 0.5",
        f"{name} + 1",
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


def change_values(filled, raw, table, values):
    """Change one row of a table, a column at a time; check that verify finds each; return how many it found."""
    rows = rows_of(raw, table)
    row = rows[1]
    keys = [column.name for column in TABLES[table].primary_key]
    where = " AND ".join(f"{name} = {row[name]}" for name in keys)
    tried = 0
    for column in TABLES[table].c:
        for value in values(raw, column):
            differs = "IS NOT" if raw.dialect.name == "sqlite" else "IS DISTINCT FROM"
            changed = f"{where} AND {column.name} {differs} {value}"
            if not execute(raw, f"UPDATE {table} SET {column.name} = {value} WHERE {changed}"):
                continue
            tried += 1
            code, place, record = found(filled)[0]
            if table == "match_keys":
                assert (code, place) == ("LEDGER_KEYS", "match_keys") or place in ("bill_versions", "receipts")
            elif column.name in keys:
                assert (code[:11], place) == ("LEDGER_ROW_", table), (column.name, value)
            else:  # the hash of a seal covers its entry, too
                place_of_hash = "entries" if table == "seals" else table
                assert (code, place, record) == ("LEDGER_ROW_CHANGED", place_of_hash, 2), (column.name, value)
            restore(raw, table, rows)
    assert not found(filled, rematch=True)
    return tried


#: The tables whose rows are under a hash, and the match index.
SEALED_TABLES = [name for name in TABLES if name != "schema_versions"]


@pytest.mark.slow
@pytest.mark.parametrize("table", SEALED_TABLES)
def test_verify_finds_every_changed_value_of_every_type(filled, raw, unguarded, table):
    unguarded()
    assert change_values(filled, raw, table, new_values) > 2 * len(TABLES[table].c)


@pytest.mark.parametrize("table", SEALED_TABLES)
def test_verify_finds_a_changed_value_of_every_column(filled, raw, unguarded, table):
    unguarded()

    def one_value(raw, column):
        is_null = rows_of(raw, table)[1][column.name] is None
        text_of_type = {"DATE": "'2026-05-01'", "TIME": "'12:00'"}
        kind = column.type.dialect_impl(raw.dialect).compile(raw.dialect)
        return [text_of_type.get(kind, "1" if isinstance(column.type, Integer) else "'x'") if is_null else "NULL"]

    assert change_values(filled, raw, table, one_value) == len(TABLES[table].c)


@pytest.mark.parametrize("table", SEALED_TABLES)
def test_verify_finds_missing_added_and_moved_rows(filled, raw, unguarded, table):
    unguarded()
    rows, key = rows_of(raw, table), key_of(table)
    numbers = [row[key] for row in rows]
    first, last = numbers[0], numbers[-1]
    place = "seals" if table == "seals" else table
    whole = "ctid" if raw.dialect.name == "postgresql" else "rowid"
    one = f"{whole} = (SELECT max({whole}) FROM {table} WHERE {key} = {{}})"
    changes = {f"DELETE FROM {table}": None}
    if table == "match_keys":
        changes |= dict.fromkeys(
            [
                *(f"DELETE FROM {table} WHERE " + " AND ".join(f"{k} = {v}" for k, v in row.items()) for row in rows),
                copy_of_row(table, one.format(1)),  # a duplicate
                *(copy_of_row(table, one.format(1), **{name: "NULL"}) for name in ("kind", "key", "row_id")),
                *(copy_of_row(table, one.format(2), **{name: "0"}) for name in ("kind", "key", "row_id")),
                f"UPDATE {table} SET row_id = 3 - row_id WHERE row_id IN (1, 2)",  # swapped
            ]
        )
    else:
        changes |= {
            **{f"DELETE FROM {table} WHERE {key} = {row}": ("LEDGER_ROW_MISSING", place, row) for row in numbers},
            copy_of_row(table, f"{key} = {last}"): ("LEDGER_ROW_ADDED", None, None),  # a duplicate
            copy_of_row(table, f"{key} = 2"): ("LEDGER_ROW_ADDED", None, None),
            **{
                copy_of_row(table, f"{key} = 2", **{key: row}): ("LEDGER_ROW_ADDED", None, None)
                for row in (0, -1, -(2**63), last + 1, last + 2, 2**63 - 1, "NULL")
            },
            f"UPDATE {table} SET {key} = CASE {key} WHEN {first} THEN {last} ELSE {first} END "
            f"WHERE {key} IN ({first}, {last})": ("LEDGER_ROW_CHANGED", None, 1),
        }
    for statement, expected in changes.items():
        assert execute(raw, statement), statement
        issues = found(filled)
        assert issues, statement
        if table == "match_keys":
            assert {code for code, *_ in issues} == {"LEDGER_KEYS"}, statement
        if expected:
            code, file, record = issues[0]
            codes = ("LEDGER_ROW_ADDED", "LEDGER_ROW_MISSING") if table in ("entries", "seals") else expected[:1]
            assert code in codes or code == expected[0], statement
            assert expected[1:] == (expected[1] and file, expected[2] and record), statement
        restore(raw, table, rows)
    assert not found(filled, rematch=True)


@pytest.mark.parametrize("table", TABLES)
def test_verify_reads_an_empty_table(filled, raw, unguarded, table):
    unguarded()
    execute(raw, f"DELETE FROM {table}")
    expected = {"seals": ("LEDGER_ROW_MISSING", "seals", 1), "match_keys": ("LEDGER_KEYS", "match_keys", None)}
    first = SCHEMA_VERSION if table == "schema_versions" else 1
    assert found(filled)[0] == expected.get(table, ("LEDGER_ROW_MISSING", table, first))


def test_verify_finds_changed_schema_versions(filled, raw, unguarded):
    unguarded()
    rows = rows_of(raw, "schema_versions")
    last = f"version = {SCHEMA_VERSION}"
    changes = {
        f"UPDATE schema_versions SET version = version + 1 WHERE {last}": "LEDGER_ROW_ADDED",
        f"UPDATE schema_versions SET version = NULL WHERE {last}": "LEDGER_ROW_ADDED",
        f"UPDATE schema_versions SET version = -1 WHERE {last}": "LEDGER_ROW_ADDED",
        f"DELETE FROM schema_versions WHERE {last}": "LEDGER_ROW_MISSING",
        copy_of_row("schema_versions", last): "LEDGER_ROW_ADDED",
        **{
            f"UPDATE schema_versions SET {column} = NULL WHERE {last}": "LEDGER_ROW_CHANGED"
            for column in ("recorded_at", "recorded_by", "kokin_version")
        },
    }
    for statement, expected in changes.items():
        assert execute(raw, statement)
        assert [(code, place) for code, place, _ in found(filled)] == [(expected, "schema_versions")], statement
        restore(raw, "schema_versions", rows)
    # The user and time of an upgrade are under no hash; those of entries are, and so is their schema version.
    assert execute(raw, "UPDATE schema_versions SET recorded_by = 'mayor'")
    assert not found(filled)


@postgres_only
def test_verify_finds_columns_of_another_type(filled, raw, unguarded):
    unguarded()
    with raw.begin() as connection:
        connection.execute(text("DROP VIEW audit_log"))
        connection.execute(text("ALTER TABLE receipts ALTER amount TYPE numeric"))
    assert found(filled) == [("LEDGER_ROW_CHANGED", "receipts", 1)]


@pytest.mark.parametrize(
    "change",
    [
        "ALTER TABLE receipts RENAME amount TO yen",
        "ALTER TABLE entries RENAME id TO number",
        "DROP TABLE match_keys",
        "DROP TABLE schema_versions",
    ],
)
def test_verify_finds_missing_tables_and_columns(filled, raw, unguarded, change):
    unguarded()
    with raw.begin() as connection:
        for statement in ("DROP VIEW audit_log", change):
            connection.execute(text(statement))
    issues = filled.verify(rematch=True).issues
    assert {issue.code for issue in issues} == {"LEDGER_GUARD"}
    assert change.split()[2] in {issue.location.file for issue in issues}


def cut_end(connection, first):
    """Remove the entries from a number on, with their rows and match keys."""
    for kind, table in ((1, "bill_versions"), (2, "receipts")):
        ids = f"SELECT id FROM {table} WHERE entry_id >= {first}"
        connection.execute(text(f"DELETE FROM match_keys WHERE kind = {kind} AND row_id IN ({ids})"))
    for table in DETAIL_TABLES:
        connection.execute(text(f"DELETE FROM {table} WHERE entry_id >= {first}"))
    connection.execute(text(f"DELETE FROM seals WHERE entry_id >= {first}"))
    connection.execute(text(f"DELETE FROM entries WHERE id >= {first}"))


@pytest.mark.parametrize("first", range(2, LAST + 1))
def test_a_cut_end_is_found_by_the_expected_hash_only(filled, raw, unguarded, first):
    last_hash = filled.status(recompute=False).hash
    assert filled.verify(expected_hash=last_hash, since=last_hash).is_clean
    unguarded()
    with raw.begin() as connection:
        cut_end(connection, first)
    assert not found(filled, rematch=True)
    assert found(filled, expected_hash=last_hash) == [("LEDGER_SEAL", "entries", None)]
    assert found(filled, since=last_hash) == [("LEDGER_SEAL", "entries", None)]


@pytest.mark.parametrize("table", [*DETAIL_TABLES, "entries"])
def test_a_chain_with_recomputed_hashes_is_found_by_the_expected_hash_only(filled, raw, unguarded, place, table):
    last_hash = filled.status(recompute=False).hash
    unguarded()
    change = {
        "bill_versions": "payer_key = 'x'",
        "postings": "balance_before = 7",
        "entries": "actor = 'mayor'",
        "file_issues": "field = 'x'",
        "slip_numbers": "series = 'x'",
        "upload_records": "bill_id = 'x'",
        "upload_answers": "reason_code = 'x'",
        "decisions": "reason = 'x'",
        "refund_steps": "reason = 'x'",
        "closings": "approver = 'x'",
        "closing_figures": "channel = 'x'",
        "debit_records": "account_check = 'x'",
        "debit_results": "result = '9'",
        "write_offs": "amount = 999",
        "acknowledgements": "cursor_name = 'x'",
    }
    forge_rows(filled, raw, table, change.get(table, "agent_code = 'A7'"))
    assert not found(filled)
    assert found(filled, expected_hash=last_hash) == [("LEDGER_SEAL", "entries", None)]


@pytest.mark.parametrize(
    "text_of_seal", ["'[]'", "'[1]'", "'null'", "'x'", "'{}'", "'{\"receipts\": 1}'", "'" + "[" * 99999 + "'"]
)
@pytest.mark.parametrize("column", ["last_rows", "key_counts"])
def test_verify_never_raises_for_a_forged_seal(filled, raw, unguarded, column, text_of_seal):
    last_hash = filled.status(recompute=False).hash
    unguarded()
    assert execute(raw, f"UPDATE seals SET {column} = {text_of_seal} WHERE entry_id = {LAST}".replace(":", "\\:"))
    assert found(filled, since=last_hash)[0][0] in (
        "LEDGER_SEAL",
        "LEDGER_KEYS",
        "LEDGER_ROW_ADDED",
        "LEDGER_ROW_CHANGED",
    )
    forge_seals(filled, raw)
    assert found(filled)


def forge_rows(ledger, raw, table, change):
    """Change the second row of a table and recompute all hashes, as the owner of the database can."""
    assert execute(raw, f"UPDATE {table} SET {change} WHERE id = 2")
    ends = {}
    with ledger._database.reading() as connection:
        for name in DETAIL_TABLES:
            rows = ledger._database.table(connection, TABLES[name].select().order_by(TABLES[name].c.id))
            hashes = chain_hashes(GENESIS_HASH, canonical_rows(rows))
            ends[name] = dict(zip(rows.column("id").to_pylist(), hashes, strict=True))
    with raw.begin() as connection:
        for name, hashes in ends.items():
            for row, digest in hashes.items():
                connection.execute(TABLES[name].update().values(hash=digest).where(TABLES[name].c.id == row))
    forge_seals(ledger, raw, ends)


def forge_seals(ledger, raw, ends=None):
    """Recompute the hashes of all seals."""
    entries, seals = (
        {row[key]: row for row in stored_rows(ledger, name)} for name, key in (("entries", "id"), ("seals", "entry_id"))
    )
    previous = GENESIS_HASH
    with raw.begin() as connection:
        for entry, seal in seals.items():
            if ends:
                last_rows = json.loads(seal["last_rows"])
                last_rows = {name: [row, ends[name][row].hex()] for name, (row, _) in last_rows.items()}
                seal["last_rows"] = json.dumps(last_rows)
            previous = seal["hash"] = seal_hash(previous, entries[entry], seal)
            connection.execute(TABLES["seals"].update().values(seal).where(TABLES["seals"].c.entry_id == entry))


def stored_rows(ledger, table):
    """The rows of a table as Kokin reads them."""
    with ledger._database.reading() as connection:
        statement = TABLES[table].select().order_by(key_of(table))
        return ledger._database.table(connection, statement).to_pylist()


# Guards

GUARDS = {
    "sqlite": [
        ("DROP TRIGGER postings_no_update", "postings", "trigger postings_no_update"),
        ("DROP TRIGGER seals_no_insert", "seals", "trigger seals_no_insert"),
        ("CREATE TRIGGER x AFTER INSERT ON receipts BEGIN SELECT 1; END", "receipts", "trigger x"),
        ("DROP INDEX postings_reverses_id", "postings", "index postings_reverses_id"),
        ("DROP VIEW audit_log", "audit_log", "view audit_log"),
        ("DROP VIEW audit_log; CREATE VIEW audit_log AS SELECT * FROM postings", "audit_log", "view audit_log"),
        ("ALTER TABLE receipts ADD COLUMN more TEXT", "receipts", "table receipts"),
    ],
    "postgresql": [
        ("DROP TRIGGER postings_no_change ON postings", "postings", "trigger postings_no_change"),
        ("ALTER TABLE postings DISABLE TRIGGER postings_no_change", "postings", "trigger postings_no_change"),
        ("ALTER TABLE seals DISABLE TRIGGER USER", "seals", "trigger seals_check, trigger seals_no_change"),
        (
            "CREATE TRIGGER x BEFORE INSERT ON receipts FOR EACH STATEMENT EXECUTE FUNCTION kokin_check_keys()",
            "receipts",
            "trigger x",
        ),
        *(
            (
                f"DROP TRIGGER postings_no_change ON postings; CREATE TRIGGER postings_no_change {other}()",
                "postings",
                "trigger postings_no_change",
            )
            for other in (
                "BEFORE UPDATE ON postings FOR EACH STATEMENT EXECUTE FUNCTION kokin_reject_change",
                "BEFORE DELETE OR UPDATE OR TRUNCATE ON postings WHEN (false) EXECUTE FUNCTION kokin_reject_change",
                "BEFORE DELETE OR UPDATE OR TRUNCATE ON postings EXECUTE FUNCTION kokin_check_keys",
            )
        ),
        (
            "DROP TRIGGER postings_no_change ON postings; CREATE SCHEMA other; "
            "ALTER FUNCTION kokin_reject_change() SET SCHEMA other; "
            "CREATE TRIGGER postings_no_change BEFORE DELETE OR UPDATE OR TRUNCATE ON postings "
            "EXECUTE FUNCTION other.kokin_reject_change()",
            "postings",
            "trigger postings_no_change",
        ),
        ("DROP FUNCTION kokin_check_rows() CASCADE", "kokin_check_rows", "function kokin_check_rows"),
        (
            "CREATE OR REPLACE FUNCTION kokin_reject_change() RETURNS trigger LANGUAGE plpgsql "
            "AS 'BEGIN RETURN NEW; END'",
            "kokin_reject_change",
            "function kokin_reject_change",
        ),
        (
            "ALTER FUNCTION kokin_check_entry() RESET ALL",
            "kokin_check_entry",
            "function kokin_check_entry",
        ),
        ("CREATE RULE r AS ON INSERT TO postings DO INSTEAD NOTHING", "postings", "rule r"),
        ("ALTER TABLE receipts ENABLE ROW LEVEL SECURITY", "receipts", "rule row security"),
        ("DROP INDEX postings_reverses_id", "postings", "index postings_reverses_id"),
        ("DROP VIEW audit_log", "audit_log", "view audit_log"),
        (
            "DROP VIEW audit_log; CREATE VIEW audit_log AS SELECT * FROM postings",
            "audit_log",
            "view audit_log",
        ),
        ("ALTER TABLE entries DROP CONSTRAINT entries_kind_digest_delivery_key", "entries", "constraint u"),
        ("ALTER TABLE receipts DROP CONSTRAINT receipts_entry_id_fkey", "receipts", "constraint f"),
        ("ALTER TABLE receipts DROP CONSTRAINT receipts_amount_check", "receipts", "constraint c"),
        ("ALTER TABLE match_keys DROP CONSTRAINT match_keys_pkey", "match_keys", "constraint p"),
        ("ALTER TABLE seals ALTER totals DROP NOT NULL", "seals", "column totals"),
    ],
}


@pytest.mark.parametrize(
    ("new_place", "change", "table", "names"),
    [(database, *guard) for database, guards in GUARDS.items() for guard in guards],
    indirect=["new_place"],
)
def test_verify_finds_missing_and_changed_guards(filled, raw, change, table, names):
    assert filled.verify().is_clean
    with raw.begin() as connection:
        for statement in change.split("; ") if "BEGIN" not in change else [change]:
            connection.execute(text(statement))
    issues = filled.verify(rematch=True).issues
    assert ("LEDGER_GUARD", table, names) in [(issue.code, issue.location.file, issue.field) for issue in issues]
    assert {issue.code for issue in issues} == {"LEDGER_GUARD"}


def test_guards_are_reported_after_changed_rows(filled, raw, unguarded):
    unguarded()
    assert execute(raw, "UPDATE receipts SET amount = 1 WHERE id = 1")
    codes = [issue.code for issue in filled.verify().issues]
    assert codes[0] == "LEDGER_ROW_CHANGED"
    assert set(codes[1:]) == {"LEDGER_GUARD"}
    places = {issue.location.file for issue in filled.verify().issues}
    assert places >= {*TABLES}


def test_changed_rows_are_found_although_the_guards_were_created_again(filled, raw):
    drop_triggers(raw)
    assert execute(raw, "UPDATE receipts SET amount = 1 WHERE id = 1")
    if raw.dialect.name == "postgresql":
        drop_functions(raw)
    filled._database.engine.dispose()  # a connection of SQLite remembers the triggers
    with filled._database.writing() as connection:
        filled._database.create_guards(connection)
    assert [issue.code for issue in filled.verify().issues] == ["LEDGER_ROW_CHANGED"]


def drop_functions(raw):
    with raw.begin() as connection:
        names = connection.execute(text("SELECT proname FROM pg_proc WHERE proname LIKE 'kokin%'")).scalars().all()
        assert names
        for name in names:
            connection.execute(text(f"DROP FUNCTION {name}()"))


@postgres_only
def test_another_check_of_the_same_columns_is_not_found(filled, raw):
    with raw.begin() as connection:
        connection.execute(text("ALTER TABLE receipts DROP CONSTRAINT receipts_amount_check"))
        connection.execute(text("ALTER TABLE receipts ADD CHECK (amount > -1)"))
    assert filled.verify().is_clean


@postgres_only
def test_another_view_with_the_same_columns_is_not_found_and_not_read(filled, raw, tmp_path):
    filled.export(tmp_path)
    exported = (tmp_path / "audit_log.csv").read_bytes()
    with raw.begin() as connection:
        connection.execute(text("ALTER VIEW audit_log RENAME TO original"))
        connection.execute(text("CREATE VIEW audit_log AS SELECT * FROM original WHERE false"))
    assert filled.verify().is_clean
    filled.export(tmp_path)
    assert (tmp_path / "audit_log.csv").read_bytes() == exported


@sqlite_only
def test_a_copy_by_vacuum_has_all_guards(filled, raw, quick_folder):
    with raw.connect() as connection:
        connection.execution_options(isolation_level="AUTOCOMMIT").execute(
            text(f"VACUUM INTO '{quick_folder}/copy.db'")
        )
    with Ledger.open(quick_folder / "copy.db") as copy:
        assert copy.verify(rematch=True, expected_hash=filled.status().hash).is_clean


def test_every_new_ledger_has_all_constraints(new_postgres, quick_folder):
    # SQLAlchemy remembers the foreign keys that it has added to PostgreSQL by ALTER TABLE.
    for place in (new_postgres(), quick_folder / "first.db", new_postgres(), quick_folder / "second.db"):
        with Ledger.create(place) as ledger:
            assert ledger.verify().is_clean


def test_an_index_of_the_administrator_is_no_issue(filled, raw):
    with raw.begin() as connection:
        connection.execute(text("CREATE INDEX own ON receipts (paid_on)"))
    assert filled.verify().is_clean


# Since a hash


def test_verify_since_a_hash_reads_only_what_follows(filled, raw, unguarded, bills, receipts):
    noted_hash = filled.status().hash
    filled.add_bills(bills(B7=100), actor="clerk")
    filled.post(receipts("wed.csv", ("B7", 100, 4)), actor="batch")
    assert filled.verify(since=noted_hash, expected_hash=filled.status().hash).is_clean
    unguarded()
    assert execute(raw, "UPDATE receipts SET amount = 1 WHERE id = 1")
    assert not found(filled, since=noted_hash)
    assert found(filled) == [("LEDGER_ROW_CHANGED", "receipts", 1)]
    assert execute(raw, "UPDATE receipts SET amount = 1 WHERE id = 5")
    assert found(filled, since=noted_hash) == [("LEDGER_ROW_CHANGED", "receipts", 5)]


@pytest.mark.parametrize("table", DETAIL_TABLES)
def test_rows_that_were_moved_away_are_missing(filled, raw, unguarded, bills, table):
    noted_hash = filled.status().hash
    filled.add_bills(bills(B7=100), actor="clerk")
    unguarded()
    assert execute(raw, f"DELETE FROM {table} WHERE id = 1")
    assert found(filled) == [("LEDGER_ROW_MISSING", table, 1)]
    assert found(filled, since=noted_hash) == [("LEDGER_ROW_MISSING", table, None)]


# Reading


@pytest.mark.parametrize("value", ["'{}'", "'[]'", "'null'", "'x'", "NULL", "'{\"policy\": 3}'", None])
def test_a_ledger_with_a_changed_first_entry_is_not_opened(filled, raw, unguarded, place, value):
    unguarded()
    change = f"UPDATE seals SET totals = {value} WHERE entry_id = 1" if value else "DELETE FROM entries WHERE id = 1"
    assert execute(raw, change.replace(":", "\\:"))
    with pytest.raises(LedgerError) as rejected:
        Ledger.open(place)
    (issue,) = rejected.value.issues
    assert (issue.code[:11], issue.location.file, issue.location.record) == ("LEDGER_ROW_", "entries", 1)
    assert [(file, record) for _, file, record in found(filled)] == [("entries", 1)]


CHANGES = ["CAST({} AS BLOB)", "NULL", "'x'", "'{{}}'"]


@pytest.mark.thorough
@pytest.mark.parametrize("change", [CHANGES[0], *(pytest.param(each, marks=pytest.mark.slow) for each in CHANGES[1:])])
@pytest.mark.parametrize("table", SEALED_TABLES)
def test_reading_a_changed_ledger_raises_only_errors_of_kokin(filled, raw, unguarded, table, change):
    unguarded()
    rows = rows_of(raw, table)
    for column in TABLES[table].c:
        if not execute(raw, f"UPDATE {table} SET {column.name} = {change.format(column.name)}"):
            continue
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
    assert not found(filled)


@pytest.mark.parametrize("expected", ["zz", "0" * 63, "0" * 65, "g" * 64, "0" * 63 + " ", "é" * 64])
def test_an_invalid_expected_hash_is_an_issue(filled, expected):
    assert [issue.code for issue in filled.verify(expected_hash=expected).issues] == ["LEDGER_SEAL_FORMAT"]


def test_hashes_are_compared_in_either_case(filled):
    last_hash = filled.status().hash
    assert filled.verify(expected_hash=last_hash.upper()).is_clean


def test_sums_of_yen_never_overflow(filled, raw, unguarded):
    unguarded()
    assert execute(raw, f"UPDATE receipts SET amount = {2**63 - 1}", f"UPDATE postings SET suspense = {-(2**63)}")
    status = filled.status(recompute=False)
    assert status.dispositions["suspense"] == -(2**63) * status.rows["postings"]
    assert status.controls["T1"].right == (2**63 - 1) * status.rows["receipts"]
    assert not status.controls["T4"].holds
