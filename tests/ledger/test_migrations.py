"""A ledger of an earlier schema version is upgraded in place, or rejected with what to do; a copy keeps its hashes."""

import shutil
import subprocess
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import pyarrow as pa
import pytest
from sqlalchemy import create_engine, inspect, make_url, text

from kokin.ledger import EntryKind, Ledger, LedgerError, LedgerExistsError
from kokin.ledger._schema import DETAIL_TABLES, SCHEMA_VERSION, TABLES
from kokin.slips import NumberScheme

DATA = Path(__file__).parent / "data"

#: The hash of the last entry of each fixture, by version and database.
HASHES = {
    (5, "sqlite"): "492cbfe6376a8c4e8e478f053c207476af2352b8a88050658bbc241d75fb9394",
    (5, "postgresql"): "73da901936b00426efeeddf3782ed6db076e9320d66f84e87823b226a482ce84",
    (6, "sqlite"): "9d58db04660c08c8b4de2db84f661b531a6db7b20e126928f1b34b39d1f7381c",
    (6, "postgresql"): "de3ca5120375917a7ee1b0f2ea49f575c54c1d25221e222abd27912d904e9d40",
    (7, "sqlite"): "e74adcdff51af1142c2a9615afac14149816df4a11c4f673480af079a665f376",
    (7, "postgresql"): "5176ef6c0c41c1887beb1a08a86e8db925f8512205c645a8ac46c69cf55a9320",
}


@pytest.fixture(params=[5, 6, 7])
def version(request):
    """An earlier schema version."""
    return request.param


@pytest.fixture
def earlier(new_place, version):
    """The URL of a ledger of an earlier schema version, with rows in every table."""
    url = make_url(new_place())
    if url.get_backend_name() == "sqlite":
        shutil.copyfile(DATA / f"version-{version}.db", url.database)
    else:
        host = ("-h", url.query["host"], "-U", url.username, "-d", url.database)
        load = ["psql", "-q", "-v", "ON_ERROR_STOP=1", *host, "-f", DATA / f"version-{version}.sql"]
        subprocess.run(load, check=True, stdout=subprocess.DEVNULL)
    return url.render_as_string(hide_password=False)


def definitions(url):
    """The columns, keys, checks and triggers of a database, in an order of its own."""
    url = make_url(url)
    engine = create_engine(url if url.get_backend_name() == "sqlite" else url.set(drivername="postgresql+psycopg"))
    with engine.connect() as connection:
        tables = inspect(connection)
        found = {
            name: (
                [{**column, "type": str(column["type"])} for column in tables.get_columns(name)],
                sorted(check["sqltext"] for check in tables.get_check_constraints(name)),
                sorted(str(key["referred_table"]) for key in tables.get_foreign_keys(name)),
                sorted((index["name"], index["unique"]) for index in tables.get_indexes(name)),
            )
            for name in TABLES
        }
        if engine.dialect.name == "sqlite":
            triggers = text("SELECT name, sql FROM sqlite_master WHERE type = 'trigger' ORDER BY name")
        else:
            triggers = text(
                "SELECT tgname, pg_get_triggerdef(oid) FROM pg_trigger WHERE NOT tgisinternal ORDER BY 1, 2"
            )
        found["triggers"] = [tuple(row) for row in connection.execute(triggers)]
    engine.dispose()
    return found


def test_an_earlier_version_is_upgraded_and_equals_a_new_ledger(earlier, version, new_place, receipts):
    needed = f"version {version}, this version of Kokin uses {SCHEMA_VERSION}; run `kokin ledger upgrade`"
    with pytest.raises(LedgerError, match=needed):
        Ledger.open(earlier)
    assert Ledger.upgrade(earlier) == [*range(version + 1, SCHEMA_VERSION + 1)]
    assert Ledger.upgrade(earlier) == []
    new = new_place()
    Ledger.create(new).close()
    assert definitions(earlier) == definitions(new)
    noted_hash = HASHES[version, make_url(earlier).get_backend_name()]
    with Ledger.open(earlier) as ledger:
        assert ledger.status().hash == noted_hash
        assert ledger.verify(expected_hash=noted_hash, rematch=True).is_clean
        assert all(control.holds for control in ledger.status().controls.values())
        assert ledger.balances().column("paid").to_pylist() == [10_000, 0]
        assert ledger.entries()[0].actor == "founder"
        ledger.post(receipts("thu.csv", ("B2", 4_000, 8)), actor="batch")
        assert ledger.balances().column("paid").to_pylist() == [10_000, 4_000]
        debt = {"payee_code": "99999", "item_code": "127", "obligation_id": "D1", "amount": 10, "due_on": "2026-06-01"}
        scheme = NumberScheme.parse({"case_key": "{serial:9}"})
        allotted = ledger.allot(pa.Table.from_pylist([debt]), scheme, actor="clerk")
        assert allotted.entry.kind == EntryKind.ALLOTMENT
        last = ledger.slip_numbers().column("case_key").to_pylist()[-1]
        assert last == f"{1 if version < 7 else 3:020}"
        decision = {"exception_id": "R3-MATCHED", "decision": "unapply", "reason": "wrong number"}
        ledger.decide(pa.Table.from_pylist([decision]), actor="clerk")
        assert ledger.status().outcomes["UNAPPLIED"]["count"] == 1
        assert ledger.verify(since=noted_hash).is_clean
        assert ledger.verify(rematch=True).is_clean


def test_an_upgrade_that_fails_changes_nothing(earlier, version, monkeypatch):
    from kokin.ledger import _migrations

    before = tables_and_versions(earlier)
    original = _migrations._statements
    monkeypatch.setattr(
        _migrations, "_statements", lambda *version: [*original(*version), "CREATE TABLE entries (id INT)"]
    )
    with pytest.raises(LedgerError, match="entries"):
        Ledger.upgrade(earlier)
    monkeypatch.undo()
    assert tables_and_versions(earlier) == before
    assert Ledger.upgrade(earlier) == [*range(version + 1, SCHEMA_VERSION + 1)]


def tables_and_versions(url):
    url = make_url(url)
    engine = create_engine(url if url.get_backend_name() == "sqlite" else url.set(drivername="postgresql+psycopg"))
    with engine.connect() as connection:
        tables = sorted(inspect(connection).get_table_names())
        versions = connection.execute(text("SELECT version FROM schema_versions")).all()
    engine.dispose()
    return tables, [tuple(row) for row in versions]


@pytest.mark.parametrize("version", [2, 4])
@pytest.mark.parametrize("call", [Ledger.open, Ledger.upgrade])
def test_a_ledger_of_a_development_version_is_rejected_with_what_to_do(tmp_path, version, call):
    path = tmp_path / "city.db"
    shutil.copyfile(DATA / f"version-{version}.db", path)
    with pytest.raises(LedgerError, match="create a new ledger, and add the bills and post the files again"):
        call(path)


@pytest.mark.parametrize("call", [Ledger.open, Ledger.upgrade])
def test_a_ledger_of_a_later_version_is_rejected(ledger, place, raw, unguarded, call):
    unguarded()
    with raw.begin() as connection:
        connection.execute(text("UPDATE schema_versions SET version = 99"))
    with pytest.raises(LedgerError, match="version 99"):
        call(place)


def test_upgrade_needs_a_ledger(new_place):
    with pytest.raises(LedgerError, match="no ledger"):
        Ledger.upgrade(new_place())


@pytest.mark.parametrize("kind", ["sqlite", "postgresql"])
def test_a_copy_in_either_database_keeps_ids_actors_times_and_hashes(filled, place, kind, request, tmp_path, bills):
    # A reversal of a posting refers to a later table.
    filled.reverse_posting(filled.history("B1").postings.to_pylist()[3]["id"], reason="dishonoured", actor="chief")
    new = request.getfixturevalue("new_postgres")() if kind == "postgresql" else f"sqlite:///{tmp_path}/copy.db"
    opening = Ledger.copy(place, new, actor="admin")
    noted_hash, count = filled.status().hash, filled.status().entries
    assert (opening.kind, opening.actor, opening.id) == (EntryKind.OPENING, "admin", count + 1)
    assert opening.totals == {"copied_hash": noted_hash, "copied_entries": count}
    with Ledger.open(new) as copied:
        assert copied.entries()[:-1] == filled.entries()
        assert copied.verify(expected_hash=noted_hash, rematch=True).is_clean
        for name in ("balances", "outcomes", "bills", "receipts", "bank_deposits", "agent_reports"):
            assert getattr(copied, name)().equals(getattr(filled, name)()), name
        rows = {name: filled.status().rows[name] for name in DETAIL_TABLES}
        assert {name: copied.status().rows[name] for name in DETAIL_TABLES} == rows
        assert copied.add_bills(bills(B5=100), actor="clerk").entry.id == count + 2
    with pytest.raises(LedgerExistsError):
        Ledger.copy(place, new, actor="admin")


def test_a_changed_ledger_is_not_copied(filled, place, raw, unguarded, tmp_path):
    unguarded()
    with raw.begin() as connection:
        connection.execute(text("UPDATE receipts SET amount = 1 WHERE id = 1"))
    with pytest.raises(LedgerError, match="receipts, record 1"):
        Ledger.copy(place, tmp_path / "copy.db", actor="admin")
    with Ledger.create(tmp_path / "copy.db") as created:
        assert created.entries()[0].kind == "created"


def test_a_path_is_the_address_of_a_ledger(tmp_path):
    noon = datetime(2026, 5, 1, 12, tzinfo=UTC)
    with Ledger.create(tmp_path / "city.db", clock=lambda: noon) as ledger:
        entry = ledger.entries()[0]
    assert (entry.at, entry.recorded_by != "") == (noon, True)
    assert abs(entry.recorded_at - datetime.now(UTC)) < timedelta(hours=1)
    with Ledger.open(str(tmp_path / "city.db")) as ledger:
        assert ledger.status(date(2026, 5, 1)).entries == 1
