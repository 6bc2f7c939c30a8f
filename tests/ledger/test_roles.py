"""PostgreSQL: what the roles of :func:`kokin.ledger.role_grants` can do, schemas, and locks."""

import threading

import pyarrow as pa
import pytest
from sqlalchemy import create_engine, make_url, text
from sqlalchemy.exc import DBAPIError

from kokin.ledger import Ledger, LedgerError, role_grants
from kokin.ledger._schema import DETAIL_TABLES, TABLES
from kokin.reconcile import Policy
from kokin.slips import NumberScheme

pytestmark = pytest.mark.parametrize("new_place", ["postgresql"], indirect=True)

DEBT = {"payee_code": "99999", "item_code": "127", "obligation_id": "D1", "amount": 10, "due_on": "2026-06-01"}
DEBTS = pa.Table.from_pylist([DEBT])
ROLES = ("ledger_owner", "batch", "auditor", "stranger")


def url_of(place, role, schema=""):
    url = make_url(place).set(username=role)
    return url.update_query_dict({"options": f"-csearch_path={schema}"}) if schema else url


def grant(raw, schema="public"):
    """Create the roles, and execute the grants in a schema."""
    with raw.begin() as connection:
        known = connection.execute(text("SELECT rolname FROM pg_roles")).scalars().all()
        for role in ROLES:
            if role not in known:
                connection.execute(text(f"CREATE ROLE {role} LOGIN"))
        for statement in role_grants(schema, writer="batch", reader="auditor"):
            connection.execute(text(statement))


@pytest.fixture
def connect(filled, raw, place):
    """A function that opens a connection of a role to the filled ledger, without Kokin."""
    grant(raw)
    engines = []

    def as_role(role):
        engines.append(create_engine(url_of(place, role).set(drivername="postgresql+psycopg")))
        return engines[-1].connect()

    yield as_role
    for engine in engines:
        engine.dispose()


def assert_rejected(connection, statement, match):
    with pytest.raises(DBAPIError, match=match):
        connection.execute(text(statement))
    connection.rollback()


def test_the_batch_writes(filled, raw, place, bills, receipts):
    grant(raw)
    with Ledger.open(url_of(place, "batch")) as batch:
        batch.add_bills(bills(B7=100), actor="batch")
        posted = batch.post(receipts("wed.csv", ("B7", 100, 4)), actor="batch")
        batch.reverse_posting(batch.history("B7").postings.column("id")[0].as_py(), reason="dishonoured", actor="chief")
        batch.reverse_entry(posted.entry.id, reason="wrong file", actor="chief")
        batch.set_policy(Policy(fee="netted"), actor="chief")
        batch.add_deposits(batch.bank_deposits().slice(0, 1), actor="batch", source="other.txt")
        batch.allot(DEBTS, NumberScheme.parse({"case_key": "{serial:9}"}), actor="batch")
        assert batch.verify(rematch=True).is_clean
        assert {entry.recorded_by for entry in batch.entries()[23:]} == {"batch"}


def test_the_auditor_reads(filled, raw, place, tmp_path, bills, receipts):
    grant(raw)
    with Ledger.open(url_of(place, "auditor")) as auditor:
        assert auditor.verify(rematch=True).is_clean
        for read in ("balances", "outcomes", "bills", "receipts", "totals", "bank_deposits", "agent_reports"):
            assert len(getattr(auditor, read)()) > 0
        assert auditor.status() == filled.status()
        assert len(auditor.history("B1").postings) == 8
        assert auditor.policy_as_of() == Policy()
        assert len(auditor.slip_numbers("D11-1")) == 1
        assert auditor.check_slips(auditor.bills()) == []
        assert len(auditor.export(tmp_path)) == 3 + len(DETAIL_TABLES)
        control = auditor.applied_control(auditor.outcomes())
        assert control.holds
        for write in (
            lambda: auditor.add_bills(bills(B7=100), actor="batch"),
            lambda: auditor.post(receipts("wed.csv", ("B7", 100, 4)), actor="batch"),
            lambda: auditor.reverse_entry(2, reason="x", actor="chief"),
            lambda: auditor.set_policy(Policy(fee="netted"), actor="chief"),
            lambda: auditor.allot(DEBTS, NumberScheme.parse({"case_key": "{serial:9}"}), actor="batch"),
        ):
            with pytest.raises(LedgerError, match="rights of the user"):
                write()
    assert filled.status().entries == 23


def test_a_role_without_grants_has_no_rights(filled, raw, place):
    grant(raw)
    with pytest.raises(LedgerError, match="rights of the user"):
        Ledger.open(url_of(place, "stranger"))


@pytest.mark.parametrize("role", ["batch", "auditor", "stranger"])
def test_no_role_changes_rows_or_definitions(connect, role):
    with connect(role) as connection:
        for table in TABLES:
            column = next(iter(TABLES[table].c)).name
            for statement in (
                f"UPDATE {table} SET {column} = {column}",
                f"DELETE FROM {table}",
                f"TRUNCATE {table}",
                f"SELECT 1 FROM {table} FOR UPDATE",
                f"LOCK {table} IN ACCESS EXCLUSIVE MODE",
            ):
                assert_rejected(connection, statement, "permission denied")
            for statement in (
                f"DROP TABLE {table} CASCADE",
                f"ALTER TABLE {table} DISABLE TRIGGER ALL",
                f"ALTER TABLE {table} ADD more text",
                f"DROP TRIGGER {table}_no_change ON {table}",
                f"CREATE RULE r AS ON INSERT TO {table} DO INSTEAD NOTHING",
            ):
                assert_rejected(connection, statement, "must be owner|permission denied")
            trigger = f"CREATE TRIGGER t BEFORE INSERT ON {table} EXECUTE FUNCTION kokin_reject_change()"
            assert_rejected(connection, trigger, "permission denied")
        for statement in (
            "CREATE TABLE own (id int)",
            "CREATE VIEW own AS SELECT 1",
            "CREATE FUNCTION own() RETURNS int LANGUAGE sql AS 'SELECT 1'",
            "CREATE SCHEMA own",
            "SET session_replication_role = replica",
            "SET SESSION AUTHORIZATION kokin",
            "SET ROLE kokin",
            "INSERT INTO schema_versions VALUES (6, now(), 'x', 'x')",
        ):
            assert_rejected(connection, statement, "permission denied")
        for statement in (
            "CREATE OR REPLACE VIEW audit_log AS SELECT 1 AS id",
            "DROP VIEW audit_log",
            "DROP FUNCTION kokin_check_rows() CASCADE",
            "ALTER FUNCTION kokin_check_entry() RESET ALL",
        ):
            assert_rejected(connection, statement, "must be owner|permission denied")


def copy_of_row(table, where, schema="", **expressions):
    names = [column.name for column in TABLES[table].c]
    values = ", ".join(str(expressions.get(name, name)) for name in names)
    return f"INSERT INTO {schema}{table} ({', '.join(names)}) SELECT {values} FROM public.{table} WHERE {where}"


ENTRY = {"id": 24, "digest": "NULL", "delivery": "NULL", "recorded_at": "now()", "recorded_by": "session_user"}


def test_the_batch_adds_rows_to_its_own_open_entry_only(connect, filled):
    with connect("batch") as connection:
        for entry in (16, 1):
            assert_rejected(connection, copy_of_row("receipts", "id = 1", id=5, entry_id=entry), "open entry only")
        for row in (1, 5, -1):
            assert_rejected(connection, f"INSERT INTO match_keys VALUES (1, {row}, 1)", "open entry only")
        for lie in (
            {"recorded_by": "'mayor'"},
            {"recorded_by": "'kokin'"},
            {"recorded_at": "now() - interval '1 second'"},
        ):
            assert_rejected(connection, copy_of_row("entries", "id = 1", **ENTRY | lie), "those of the database")
        connection.execute(text(copy_of_row("entries", "id = 1", **ENTRY)))
        connection.rollback()
    assert filled.verify().is_clean


def test_temporary_tables_do_not_hide_the_tables_from_the_guards(connect, filled):
    with connect("batch") as connection:
        for table in ("entries", "seals", "receipts"):
            connection.execute(text(f"CREATE TEMPORARY TABLE {table} (LIKE public.{table})"))
            connection.execute(text(f"INSERT INTO pg_temp.{table} SELECT * FROM public.{table}"))
        connection.execute(text("DELETE FROM pg_temp.seals WHERE entry_id = 16"))  # as if the entry were open
        connection.execute(text("SET search_path = pg_temp, public"))
        connection.commit()
        row = copy_of_row("receipts", "id = 1", "public.", id=5, entry_id=16)
        assert_rejected(connection, row, "open entry only")
        assert_rejected(connection, "INSERT INTO public.match_keys VALUES (1, 5, 1)", "open entry only")
        seal = copy_of_row("seals", "entry_id = 1", "public.", entry_id=16)
        assert_rejected(connection, seal, "never changed|duplicate key")
        connection.execute(text("DELETE FROM pg_temp.entries"))
        connection.commit()
        entry = copy_of_row("entries", "id = 2", "public.", **ENTRY | {"id": 1})
        assert_rejected(connection, entry, "never changed")
    assert filled.verify().is_clean


@pytest.mark.parametrize("schema", ["city", "City-2", "entries"])
def test_a_ledger_in_a_schema_of_its_own(place, raw, schema, bills, receipts):
    with raw.begin() as connection:
        connection.execute(text(f'CREATE SCHEMA "{schema}"'))
    path = f'"{schema}"'
    with Ledger.create(url_of(place, "kokin", path)) as owner:
        owner.add_bills(bills(B1=100), actor="clerk")
        assert owner.verify().is_clean
    grant(raw, schema)
    with Ledger.open(url_of(place, "batch", path)) as batch:
        batch.post(receipts("mon.csv", ("B1", 100, 4)), actor="batch")
    with Ledger.open(url_of(place, "auditor", path)) as auditor:
        assert auditor.verify(rematch=True).is_clean
        assert auditor.balances().column("status").to_pylist() == ["settled"]
    with pytest.raises(LedgerError):
        Ledger.open(url_of(place, "stranger", path))
    with pytest.raises(LedgerError, match="no ledger"):
        Ledger.open(place)


def test_two_schemas_do_not_wait_for_each_other(place, raw, bills):
    with raw.begin() as connection:
        for schema in ("east", "west"):
            connection.execute(text(f"CREATE SCHEMA {schema}"))
    east, west = (Ledger.create(url_of(place, "kokin", schema), lock_timeout=0.2) for schema in ("east", "west"))
    same = Ledger.open(url_of(place, "kokin", "east"), lock_timeout=0.2)
    is_writing, may_end = threading.Event(), threading.Event()

    def chunks():
        yield bills(B1=100)
        is_writing.set()
        assert may_end.wait(60)

    writer = threading.Thread(target=lambda: east.add_bills(chunks(), actor="clerk"))
    writer.start()
    try:
        assert is_writing.wait(60)
        assert west.add_bills(bills(B1=100), actor="clerk").inserted
        with pytest.raises(LedgerError, match="another program is using the ledger"):
            same.add_bills(bills(B2=100), actor="clerk")
        assert same.bills().num_rows == 0  # readers do not wait
    finally:
        may_end.set()
        writer.join()
    assert same.bills().num_rows == 1
    for ledger in (east, west, same):
        assert ledger.verify().is_clean
        ledger.close()


def test_users_with_other_schemas_on_their_paths_wait_for_each_other(filled, raw, place, bills):
    grant(raw)
    with raw.begin() as connection:
        connection.execute(text("CREATE SCHEMA batch AUTHORIZATION batch"))  # first on the default path of the batch
    with Ledger.open(url_of(place, "batch"), lock_timeout=0.2) as batch:
        with filled._database.writing(), pytest.raises(LedgerError, match="another program is using the ledger"):
            batch.add_bills(bills(B7=100), actor="batch")
        assert batch.add_bills(bills(B7=100), actor="batch").inserted
        assert batch.verify().is_clean
