"""A small run of ``benchmarks/faults.py``: no fault loses or doubles an entry."""

import importlib.util
import random
import sys
from functools import partial
from pathlib import Path

import pytest

PATH = Path(__file__).parents[2] / "benchmarks" / "faults.py"

pytestmark = pytest.mark.thorough


@pytest.fixture(scope="module")
def faults():
    if not PATH.exists():
        pytest.skip("no folder benchmarks/")
    spec = importlib.util.spec_from_file_location("kokin_benchmarks_faults", PATH)
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    return module


@pytest.fixture(params=["sqlite", "postgresql"])
def places(request, faults, quick_folder):
    """The URLs of empty databases."""
    if request.param == "sqlite":
        return faults.sqlite_files(quick_folder)
    return faults.postgres_schemas(request.getfixturevalue("new_postgres")())


def assert_harmless(run, places, count):
    result = run(places, random.Random(7), count)
    assert result.is_clean, result
    assert result.interrupted >= count


@pytest.mark.parametrize(("fault", "count"), [("kills", 4), ("writers", 1), ("half_files", 2)])
def test_a_fault_loses_and_doubles_nothing(faults, places, fault, count):
    run = partial(faults.writers, writer_count=4) if fault == "writers" else getattr(faults, fault)
    assert_harmless(run, places, count)


@pytest.mark.parametrize(
    "step", ["allot numbers", "decide exceptions", "decide refunds", "order refunds", "write off debts"]
)
def test_a_kill_during_a_step_loses_and_doubles_nothing(faults, places, step):
    assert_harmless(partial(faults.kills, only=(step,)), places, 4)


def test_a_full_disk_loses_nothing_in_sqlite(faults, quick_folder):
    assert_harmless(faults.full_disk_sqlite, faults.sqlite_files(quick_folder), 2)


def test_a_lost_connection_loses_nothing(faults, new_postgres):
    assert_harmless(faults.cut_connections, faults.postgres_schemas(new_postgres()), 2)


def test_a_restart_and_a_full_disk_lose_nothing_in_postgresql(faults, cluster):
    with faults.PostgresServer.start() as server:
        assert_harmless(server.restarts, faults.postgres_schemas(server.url()), 1)
        result = server.full_disk(None, random.Random(7), 1)
        if result is None:
            pytest.skip("no disk can be mounted")
        assert result.is_clean, result


def test_the_checks_find_what_is_lost_and_doubled(faults, quick_folder):
    """The counts of the campaign are not zero for a ledger that lacks an entry or has one in excess."""
    town = faults.city(random.Random(7))
    places = faults.sqlite_files(quick_folder)
    expected, _ = faults.undisturbed(next(places), town)
    url = next(places)
    with faults.Ledger.create(url) as ledger:
        faults.STEPS["load bills"](ledger, town, {})
        faults.STEPS["load bills"](ledger, town, {})
        ledger.add_deposits(town.deposits, actor="clerk", source="other.txt")
        ledger.add_deposits(town.deposits, actor="clerk", source="bank.txt")
        result = faults.FaultResult()
        faults.compare(ledger, expected, result)
    # Four files of 60 receipts, one of which is reversed, two reports, three decided payments, four refunds, four
    # write-offs and all numbers of slips; eight deposits.
    assert (result.lost, result.doubled, result.broken) == (239 + 2 + 3 + 4 + 4 + len(town.debts), 8, 1)
    result = faults.FaultResult()
    faults.verify(url, ["00" * 32], result)
    assert (result.lost, result.doubled, result.broken) == (1, 2, 0)
