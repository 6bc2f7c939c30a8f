"""``kokin reconcile``: the files of a run depend neither on the rows of a chunk nor on where receipts are stored."""

import sys

import pytest

from kokin._arrow.threads import chunk_slices
from kokin.demo import write_city
from kokin.matching import _index
from kokin.receipts import _file
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


@pytest.mark.parametrize("seed", range(1, 5))
@pytest.mark.parametrize("block_bytes", [500, 20_000, None])
def test_the_files_of_a_run_do_not_depend_on_where_receipts_are_stored(kokin, tmp_path, monkeypatch, seed, block_bytes):
    city = write_city(tmp_path / "city", 60 * seed, seed)
    named = [str(part) for path, layout in city.receipts for part in (path, "--layout", layout)]
    args = ("reconcile", "--bills", city.bills, *named, "--reference-date", city.reference_date)
    if block_bytes:
        monkeypatch.setattr(_file, "LARGE_BLOCK_BYTES", block_bytes)

    def files(out):
        done = kokin(*args, "--out", out, cwd=tmp_path)
        assert done.returncode == 1, done.stderr
        return {path.name: path.read_bytes() for path in (tmp_path / out).iterdir()}

    mapped = files("mapped")
    monkeypatch.setattr(_file, "to_mapped_file", lambda blocks, _folder: list(blocks))
    assert files("in-memory") == mapped
    assert {path.name for path in tmp_path.iterdir()} == {"city", "mapped", "in-memory"}
