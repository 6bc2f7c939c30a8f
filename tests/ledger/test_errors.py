"""Every failure of the database is a LedgerError, with advice that fits the cause."""

import sqlite3
from contextlib import closing

import pytest
from sqlalchemy import event, make_url, text

from kokin.issues import InvalidInputError
from kokin.ledger import Ledger, LedgerError, LedgerExistsError, _sqlite, shown_url
from kokin.reconcile import Policy


def message_of(call, *arguments, **options):
    with pytest.raises(LedgerError) as error:
        call(*arguments, **options)
    return str(error.value)


@pytest.mark.parametrize("call", [Ledger.open, Ledger.create])
def test_an_unreachable_server(call):
    pytest.importorskip("psycopg", reason="no psycopg: pip install 'kokin[postgres]'")
    message = message_of(call, "postgresql://nobody:secret@127.0.0.1:1/city?sslpassword=s3cret")
    assert "no connection" in message
    assert "secret" not in message
    assert "s3cret" not in message


def test_a_path_without_folder_or_file(tmp_path):
    assert "no ledger" in message_of(Ledger.open, f"sqlite:///{tmp_path}/typo.db")
    assert "path" in message_of(Ledger.create, f"sqlite:///{tmp_path}/no/such/folder/city.db")
    assert list(tmp_path.iterdir()) == []
    (tmp_path / "bills.csv").write_text("bill_id,amount\n" * 1000)
    assert "not a database" in message_of(Ledger.open, f"sqlite:///{tmp_path}/bills.csv")


def test_a_database_of_another_program(place, raw):
    with raw.begin() as connection:
        connection.execute(text("CREATE TABLE entries (id INTEGER PRIMARY KEY, title TEXT)"))
    assert "not of a ledger" in message_of(Ledger.open, place)
    with pytest.raises(LedgerExistsError):
        Ledger.create(place)


def test_an_unsupported_kind_of_database():
    assert "mysql" in message_of(Ledger.create, "mysql://host/city")


@pytest.mark.parametrize("new_place", ["postgresql"], indirect=True)
def test_a_role_without_rights(ledger, raw, bills, receipts):
    ledger.add_bills(bills(B1=1), actor="clerk")
    with raw.begin() as connection:
        if not connection.execute(text("SELECT 1 FROM pg_roles WHERE rolname = 'auditor'")).first():
            connection.execute(text("CREATE ROLE auditor LOGIN"))
        connection.execute(text("GRANT SELECT ON entries, seals, match_keys, schema_versions TO auditor"))
    with Ledger.open(str(raw.url.set(drivername="postgresql", username="auditor"))) as auditor:
        for call in (
            lambda: auditor.add_bills(bills(B2=1), actor="clerk"),
            auditor.bills,
            auditor.status,
            auditor.verify,
        ):
            message = message_of(call)
            assert "rights" in message
            assert "safe to run again" not in message


@pytest.mark.parametrize("new_place", ["sqlite"], indirect=True)
def test_a_read_only_file(ledger, place, bills, monkeypatch):
    ledger.close()
    configure = _sqlite._configure

    def read_only(connection, record):
        configure(connection, record)
        connection.execute("PRAGMA query_only = ON")

    monkeypatch.setattr(_sqlite, "_configure", read_only)
    with Ledger.open(place) as opened:
        message = message_of(opened.add_bills, bills(B1=1), actor="clerk")
    assert "rights" in message
    assert "again" not in message


@pytest.mark.parametrize("new_place", ["sqlite"], indirect=True)
def test_a_lock_timeout(ledger, place, bills):
    ledger._database.lock_timeout = 0
    with closing(sqlite3.connect(place.removeprefix("sqlite:///"), isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        message = message_of(ledger.add_bills, bills(B1=1), actor="clerk")
        assert "nothing was written; safe to run again" in message
    assert ledger.add_bills(bills(B1=1), actor="clerk").inserted


@pytest.mark.parametrize("new_place", ["postgresql"], indirect=True)
def test_a_lost_connection(ledger, raw, bills):
    def chunks():
        with raw.begin() as connection:
            others = "FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid()"
            connection.execute(text(f"SELECT pg_terminate_backend(pid) {others}"))
        yield bills(B1=1)

    assert "safe to run again" in message_of(ledger.add_bills, chunks(), actor="clerk")
    assert ledger.add_bills(bills(B1=1), actor="clerk").inserted


@pytest.mark.parametrize("new_place", ["sqlite"], indirect=True)
def test_a_full_disk_has_other_advice_than_to_run_again(ledger, place, bills):
    def limit(connection, _):
        pages = connection.execute("PRAGMA page_count").fetchone()[0]
        connection.execute(f"PRAGMA max_page_count = {pages}")

    event.listen(ledger._database.engine, "connect", limit)
    ledger._database.engine.dispose()
    many = {f"B{number}": 1 for number in range(1, 3000)}
    message = message_of(ledger.add_bills, bills(**many), actor="clerk")
    assert "free space" in message
    assert "safe to run again" not in message


@pytest.mark.parametrize("parameter", ["password", "sslpassword"])
def test_passwords_of_a_shown_url_are_masked(parameter):
    url = make_url(f"postgresql://user:s3cret@host/city?{parameter}=s3cret&sslmode=require")
    assert "s3cret" not in shown_url(url)
    assert "sslmode=require" in shown_url(url)


def test_another_policy_is_not_an_error_of_the_database(ledger, place):
    with pytest.raises(InvalidInputError, match="POLICY_DIFFERS"):
        Ledger.open(place, policy=Policy(pair_by=("paid_on",)))
