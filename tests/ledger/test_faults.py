"""A small run of ``benchmarks/faults.py``: no fault loses or duplicates a receipt."""

import importlib.util
import random
import sys
from pathlib import Path

import pytest

PATH = Path(__file__).parents[2] / "benchmarks" / "faults.py"


@pytest.fixture(scope="module")
def faults():
    if not PATH.exists():
        pytest.skip("no folder benchmarks/")
    spec = importlib.util.spec_from_file_location("kokin_benchmarks_faults", PATH)
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    return module


@pytest.mark.thorough
@pytest.mark.parametrize(("fault", "count"), [("kills", 3), ("two_at_once", 1), ("half_a_file", 2)])
def test_the_ledger_equals_an_undisturbed_one(faults, place, fault, count):
    found = getattr(faults, fault)(place, random.Random(7), count)
    assert found.broken == 0
    assert found.hit >= count


@pytest.mark.thorough
def test_a_full_disk_keeps_posted_files(faults, quick_folder):
    found = faults.disk_full(f"sqlite:///{quick_folder}/full.db", random.Random(7), 2)
    assert (found.broken, found.hit) == (0, 2)


@pytest.mark.thorough
def test_a_lost_connection_keeps_posted_files(faults, new_postgres):
    found = faults.connection_cut(new_postgres(), random.Random(7), 2)
    assert (found.broken, found.hit) == (0, 2)
