"""The tests of the docs share what reads a page, and the PostgreSQL server of the ledger's tests."""

import importlib.util
import sys
from pathlib import Path

_HERE = Path(__file__).parent
sys.path.insert(0, str(_HERE))

_spec = importlib.util.spec_from_file_location("kokin_tests_ledger", _HERE.parent / "ledger" / "conftest.py")
_ledger = importlib.util.module_from_spec(_spec)
_spec.loader.exec_module(_ledger)
cluster = _ledger.cluster
