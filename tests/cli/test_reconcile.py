"""``kokin reconcile``: the files of a run do not depend on the number of rows in a chunk."""

import sys

import pytest

from kokin._arrow.threads import chunk_slices
from kokin.demo import write_city
from kokin.matching import _index
from kokin.reconcile import _identity, _matches, _payees, _tables


@pytest.mark.parametrize("reverse", [False, True])
def test_the_files_of_a_run_do_not_depend_on_the_size_of_chunks(kokin, tmp_path, monkeypatch, reverse):
    city = write_city(tmp_path / "city", 300, 1)
    receipts = sorted(city.receipts, reverse=reverse)
    named = [str(part) for path, layout in receipts for part in (path, "--layout", layout)]
    args = ("reconcile", "--bills", city.bills, *named, "--reference-date", city.reference_date)

    def files(rows):
        done = kokin(*args, "--out", f"out-{rows}", cwd=tmp_path)
        assert done.returncode == 1, done.stderr
        return {path.name: path.read_bytes() for path in (tmp_path / f"out-{rows}").iterdir()}

    whole = files("whole")
    assert len(whole) == 7
    for rows in (1, 7, 1000):
        with monkeypatch.context() as patch:
            for module in (_matches, _tables, _index, _identity, _payees, sys.modules[chunk_slices.__module__]):
                patch.setattr(module, "CHUNK_ROWS", rows)
            assert files(rows) == whole, rows
