"""Record batches in a mapped temporary file."""

from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc
import pytest

from kokin._arrow.mapped import map_columns, release_mapped_memory, to_mapped_file

STATUS = Path("/proc/self/status")
BATCHES = [pa.record_batch({"a": [1, None], "b": ["x", "長い"]}), pa.record_batch({"a": [3], "b": ["z"]})]


def test_mapped_batches_are_equal_and_leave_no_file(tmp_path):
    mapped = to_mapped_file(iter(BATCHES), tmp_path)
    assert list(tmp_path.iterdir()) == []
    assert mapped == BATCHES
    release_mapped_memory()
    assert mapped == BATCHES


def test_no_batches_need_no_file(tmp_path):
    assert to_mapped_file([], tmp_path / "missing") == []


def test_an_interrupted_write_leaves_no_file(tmp_path):
    def interrupted():
        yield BATCHES[0]
        raise ValueError("rejected")

    with pytest.raises(ValueError, match="rejected"):
        to_mapped_file(interrupted(), tmp_path)
    assert list(tmp_path.iterdir()) == []


def resident_bytes():
    """The memory of mapped files in use."""
    with STATUS.open(encoding="ascii") as status:
        return next(int(line.split()[1]) * 1024 for line in status if line.startswith("RssFile"))


@pytest.mark.skipif(not STATUS.exists(), reason="the system has no /proc")
def test_memory_in_use_is_that_of_one_column_at_a_time(tmp_path):
    size = 40_000_000
    column = pa.array(range(size // 80), pa.int64())
    names = [f"c{number}" for number in range(10)]
    mapped = to_mapped_file([pa.record_batch([column] * 10, names)], tmp_path)
    table = pa.Table.from_batches(mapped)
    release_mapped_memory()
    before, in_use = resident_bytes(), []

    def copy(values):
        taken = values.filter(pc.greater_equal(values, 0))
        in_use.append(resident_bytes() - before)
        return taken

    assert map_columns(copy, table) == table
    assert 0 < max(in_use) < size / 2
    assert resident_bytes() - before > size / 2  # the comparison has read it all
    release_mapped_memory()
    assert resident_bytes() - before < size / 20
