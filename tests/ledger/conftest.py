"""Ledgers in both databases, and small tables of bills and receipts."""

import functools
import importlib.util
import io
import itertools
import os
import pwd
import shutil
import subprocess
import sys
import tempfile
from contextlib import contextmanager
from datetime import date
from pathlib import Path

import pyarrow as pa
import pytest
from sqlalchemy import create_engine, make_url, text

from kokin import receipts as receipt_files
from kokin.ledger import Ledger
from kokin.ledger._schema import TABLES
from kokin.model import Bill, Receipt, arrow_schema
from kokin.slips import NumberScheme

_BINARIES = sorted(Path("/usr/lib/postgresql").glob("*/bin/pg_ctl"))


@contextmanager
def postgres_server():
    """Run a PostgreSQL server on a socket in a temporary folder; the value is the folder."""
    pg_ctl = shutil.which("pg_ctl") or (str(_BINARIES[-1]) if _BINARIES else None)
    if pg_ctl is None:
        pytest.skip("no PostgreSQL server: apt-get install postgresql")
    pytest.importorskip("psycopg", reason="no psycopg: pip install 'kokin[postgres]'")
    # Not in pytest's own folder, which only one user may enter: the server does not run as root.
    folder = Path(tempfile.mkdtemp(prefix="kokin-pg-", dir=_memory_folder()))
    user = None
    if os.getuid() == 0:
        user = next(entry.pw_name for entry in pwd.getpwall() if entry.pw_name in ("postgres", "nobody"))
        shutil.chown(folder, user)

    def run(*arguments):
        subprocess.run([pg_ctl, *arguments], check=True, user=user, cwd=folder, stdout=subprocess.DEVNULL)

    run("-D", f"{folder}/data", "-o", "-U kokin -A trust -E UTF8 --locale=C --no-sync", "-s", "init")
    settings = ("listen_addresses=", "max_connections=40", "fsync=off", "full_page_writes=off", "autovacuum=off")
    options = f"-k {folder} " + " ".join(f"-c {setting}" for setting in settings)
    run("-D", f"{folder}/data", "-o", options, "-l", f"{folder}/log", "-w", "-s", "start")
    yield folder
    run("-D", f"{folder}/data", "-m", "immediate", "-s", "stop")
    shutil.rmtree(folder)


@pytest.fixture(scope="session")
def cluster():
    """The folder of a PostgreSQL server."""
    with postgres_server() as folder:
        yield folder


def _memory_folder():
    """Return a folder in memory, or None for the usual folder of temporary files if there is none or it is small."""
    memory = Path("/dev/shm")
    return memory if os.access(memory, os.W_OK) and shutil.disk_usage(memory).free > 1 << 30 else None


@pytest.fixture
def quick_folder():
    """A folder in memory if possible: a ledger waits for the disk at the end of every entry."""
    with tempfile.TemporaryDirectory(prefix="kokin-", dir=_memory_folder()) as folder:
        yield Path(folder)


@pytest.fixture(scope="session")
def server(cluster):
    """A connection to the server that can create and drop databases."""
    import psycopg

    with psycopg.connect(host=str(cluster), user="kokin", dbname="postgres", autocommit=True) as connection:
        yield connection


def _create_database(server, template=None):
    """Create a database, empty or a copy of another, and return its URL."""
    name = f"t{os.getpid()}_{next(_DATABASES)}"
    original = make_url(template).database if template else "template0"
    # The other strategy writes each page to the log of the server first.
    strategy = "STRATEGY FILE_COPY" if server.info.server_version >= 150_000 else ""
    server.execute(f"CREATE DATABASE {name} TEMPLATE {original} {strategy}")
    return f"postgresql://kokin@/{name}?host={server.info.host}"


@pytest.fixture
def new_postgres(server):
    """A function that creates a database on the server, empty or a copy of another, and returns its URL.

    The databases are dropped after the test.
    """
    urls = []

    def create(template=None):
        urls.append(_create_database(server, template))
        return urls[-1]

    yield create
    for url in urls:
        server.execute(f"DROP DATABASE IF EXISTS {make_url(url).database} WITH (FORCE)")


@pytest.fixture(params=["sqlite", "postgresql"])
def new_place(request, quick_folder):
    """A function that returns the URL of an empty database, or of a copy of another."""
    if request.param == "postgresql":
        return request.getfixturevalue("new_postgres")

    def create(template=None):
        path = quick_folder / f"{next(_DATABASES)}.db"
        if template:
            shutil.copyfile(make_url(template).database, path)
        return f"sqlite:///{path}"

    return create


@pytest.fixture(scope="session")
def templates(request):
    """A function that returns the URL of an empty (``ledger``) or a filled ledger in a database, to be copied."""
    with tempfile.TemporaryDirectory(prefix="kokin-", dir=_memory_folder()) as folder:

        @functools.cache
        def create(database, prepared):
            is_sqlite = database == "sqlite"
            url = (
                f"sqlite:///{folder}/{prepared}.db"
                if is_sqlite
                else _create_database(request.getfixturevalue("server"))
            )
            with Ledger.create(url) as ledger:
                if prepared == "filled":
                    fill(ledger, make_bills, make_receipts)
            return url

        yield create


@pytest.fixture
def raw(place):
    """The database of the ledger, as an engine without Kokin."""
    url = make_url(place)
    engine = create_engine(url if url.get_backend_name() == "sqlite" else url.set(drivername="postgresql+psycopg"))
    yield engine
    engine.dispose()


@pytest.fixture
def unguarded(raw):
    """A function that drops all triggers, keys, indexes and other constraints, as only the owner of the database can.

    ``verify`` then has the issue LEDGER_GUARD beside others; see :func:`tests.support.row_issues`.
    """

    def remove():
        with raw.begin() as connection:
            if raw.dialect.name == "sqlite":
                # Only a new table has no constraints. The view refers to the old one while it is renamed.
                connection.execute(text("PRAGMA legacy_alter_table = ON"))
                for name in TABLES:
                    connection.execute(text(f"CREATE TABLE copied AS SELECT * FROM {name}"))
                    connection.execute(text(f"DROP TABLE {name}"))
                    connection.execute(text(f"ALTER TABLE copied RENAME TO {name}"))
                return
            triggers = "SELECT tgrelid::regclass, tgname FROM pg_trigger WHERE NOT tgisinternal"
            for table, name in connection.execute(text(triggers)).all():
                connection.execute(text(f"DROP TRIGGER {name} ON {table}"))
            rules = "SELECT conrelid::regclass, conname FROM pg_constraint WHERE connamespace = 'public'::regnamespace"
            # Foreign keys before the keys that they need.
            for kinds in ("('c', 'f')", "('p', 'u')"):
                for table, name in connection.execute(text(f"{rules} AND contype IN {kinds}")).all():
                    connection.execute(text(f"ALTER TABLE {table} DROP CONSTRAINT {name}"))
            for table in TABLES.values():
                for index in table.indexes:
                    connection.execute(text(f"DROP INDEX {index.name}"))
                for column in table.c:
                    connection.execute(text(f"ALTER TABLE {table.name} ALTER {column.name} DROP NOT NULL"))

    return remove


def fill(ledger, bills, receipts):
    """Add rows to every table."""
    ledger.add_bills(bills({"payer_key": "P1"}, B1=10_000, B2=5_000), actor="clerk")
    ledger.post(receipts("mon.csv", ("B1", 10_000, 9), ("B2", 1_000, 1)), actor="batch", reason="night")
    ledger.post(receipts("tue.csv", ("B1", 10_000, 2), ("B9", 77, 3)), actor="batch")
    ledger.reverse_entry(3, reason="wrong file", actor="chief")
    ledger.add_bills(bills(B2=4_000), actor="clerk")
    sums = [{"credited_on": date(2026, 5, day), "amount": 11_000, "agent_code": "A1"} for day in (4, 5)]
    ledger.add_deposits(pa.Table.from_pylist(sums), actor="clerk", source="bank.txt")
    days = [{"first_day": date(2026, 5, day), "last_day": date(2026, 5, day)} for day in (2, 3)]
    rows = [{**row, "count": 1, "amount": 10_000, "agent_code": "A1"} for row in days]
    ledger.add_agent_reports(pa.Table.from_pylist(rows), actor="clerk", source="report.xlsx")
    rejected = "99999,127,2,12345x,100,2026-05-01\n" * 2
    stream = io.BytesIO(f"payee_code,item_code,case_key,confirmation,amount,paid_on\n{rejected}".encode())
    stream.name = "wed.csv"
    ledger.post(receipt_files.open(stream, "kokin-csv"), actor="batch")
    debts = [{"payee_code": "99999", "item_code": "127", "due_on": date(2026, 6, 1), "amount": 1_000}]
    debts = [{**debts[0], "obligation_id": f"D{n}"} for n in (11, 12)]
    scheme = NumberScheme.parse({"case_key": "{serial:9}"})
    allotted = ledger.allot(pa.Table.from_pylist(debts), scheme, actor="clerk").bills
    slips = allotted.select(["bill_id", *SLIP, "case_key", "amount"]).to_pylist()
    columns = {"due_on": date(2026, 6, 1), "levy_year": 2026, "tax_year": 2026, "payable_until": date(2026, 7, 10)}
    with tempfile.TemporaryDirectory() as folder:
        sent = pa.Table.from_pylist([{**slip, **columns} for slip in slips])
        ledger.make_upload(sent, "eltax-upload-example", folder, actor="clerk")
    answers = [{"bill_id": slip["bill_id"], "result": "accepted"} for slip in slips]
    ledger.add_upload_answer(pa.Table.from_pylist(answers), actor="clerk")
    decisions = [
        {"exception_id": "R4-NO_BILL", "decision": "assign", "bill_id": "B1", "reason": "wrong number"},
        {"exception_id": "B2-ARREARS", "decision": "accept", "reason": "the payer was called"},
    ]
    ledger.decide(pa.Table.from_pylist(decisions), actor="clerk")
    refunds = [{"proposal_id": name, "kind": "refund", "amount": yen} for name, yen in (("P4", 70), ("P4-2", 7))]
    ledger.decide_refunds(pa.Table.from_pylist(refunds), actor="clerk", decided_on=date(2026, 6, 30))
    for day in (date(2026, 6, 30), date(2026, 7, 1)):
        ledger.close_period("day", day, actor="chief")
    for entry in (3, 9):
        ledger.acknowledge("billing", entry, actor="batch")
    ledger.add_bills(bills({"customer_number": "C3"}, B3=3_000), actor="clerk")
    ledger.add_bills(bills({"customer_number": "C4"}, B4=4_000), actor="clerk")
    add_debits(ledger)
    lapsed = {"amount": 1_000, "article": "地方税法18①", "reason": "消滅時効"}
    written_off = [{"bill_id": name, **lapsed} for name in ("B4", "B2")]
    ledger.write_off(pa.Table.from_pylist(written_off), actor="clerk", written_off_on=date(2026, 7, 2))


def add_debits(ledger):
    """Request two direct debits, and add the result: one is carried out, one fails."""
    header = {"consignor_name": "ﾚｲｼﾞｼ", "debit_day": date(2026, 10, 26)}
    account = {"bank_code": "9999", "branch_code": "001", "account_number": "7", "name": "ｺｳｷﾝ ﾊﾅｺ"}
    accounts = pa.Table.from_pylist([{"bill_id": name, **account} for name in ("B3", "B4")])
    results = [
        {"customer_number": number, "amount": yen, "result": result, "account_number": "0000007"}
        | {"bank_code": "9999", "branch_code": "001", "account_type": "1", "payer_name": "ｺｳｷﾝ ﾊﾅｺ"}
        for number, yen, result in (("C3", 3_000, "0"), ("C4", 4_000, "1"))
    ]
    with tempfile.TemporaryDirectory() as folder:
        ledger.request_debits(accounts, Path(folder, "request.txt"), header=header, actor="clerk")
        receipt_files.write(results, Path(folder, "result.txt"), "zengin-91", header=header)
        file = receipt_files.open(Path(folder, "result.txt"), "zengin-91", reference_date=date(2026, 11, 1))
        ledger.add_debit_result(file, actor="clerk")


_DATABASES = itertools.count()


@pytest.fixture
def place(request, new_place, templates):
    """The URL of a database: a copy of a filled or an empty ledger if the test uses one, else empty.

    A copy is several times faster than a new ledger for each test.
    """
    prepared = next((name for name in ("filled", "ledger") if name in request.fixturenames), None)
    if prepared is None:
        return new_place()
    return new_place(templates(request.node.callspec.params["new_place"], prepared))


@pytest.fixture
def ledger(place):
    """An empty ledger."""
    with Ledger.open(place) as opened:
        yield opened


@pytest.fixture
def filled(ledger):
    """A ledger with rows in every table."""
    return ledger


@pytest.fixture(scope="session")
def cities():
    """The module of random cities of the tests of reconciliation."""
    path = Path(__file__).parents[1] / "reconcile" / "cities.py"
    spec = importlib.util.spec_from_file_location("kokin_tests_cities", path)
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    return module


SLIP = {"payee_code": "99999", "item_code": "127", "confirmation": "123456"}


def make_bills(more=None, **amounts):
    """Return bills from ``name=yen`` and the other columns of all of them."""
    rows = [
        {"bill_id": name, "case_key": name[1:].zfill(20), "amount": yen, "due_on": date(2026, 6, 1)}
        for name, yen in amounts.items()
    ]
    rows = [{**SLIP, **row, **(more or {})} for row in rows]
    return pa.Table.from_pylist(rows, pa.schema([arrow_schema(Bill).field(name) for name in rows[0]]))


def make_receipts(source, *rows):
    """Return the receipts of one file, from rows of bill, yen, day and other columns."""
    records = [
        {
            **SLIP,
            "source": source,
            "digest": f"digest of {source}",
            "record_no": number,
            "case_key": name[1:].zfill(20),
            "amount": yen,
            "paid_on": date(2026, 5, day),
            **(more[0] if more else {}),
        }
        for number, (name, yen, day, *more) in enumerate(rows, 1)
    ]
    return pa.Table.from_pylist(records, arrow_schema(Receipt))


@pytest.fixture(scope="session")
def bills():
    """See :func:`make_bills`."""
    return make_bills


@pytest.fixture(scope="session")
def receipts():
    """See :func:`make_receipts`."""
    return make_receipts
