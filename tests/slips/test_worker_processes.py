"""Batches in worker processes: the files of one process, also after a kill, Ctrl-C or a full disk."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from contextlib import closing
from multiprocessing import active_children
from pathlib import Path
from typing import Any

import pytest

from kokin import slips
from kokin.issues import InvalidInputError, KokinError
from kokin.slips._worker_processes import process_map
from tests.slips.test_run import WORDING, bills_csv, file_contents
from tests.support import needs_font

if sys.platform == "win32":
    pytest.skip("signals and limits of POSIX", allow_module_level=True)

# A name with a character that no font has, a slip without an address, and an invalid row.
ROWS = {
    "row4": "B4,99999,127,4,000004,104,2026-06-01,2026,2026,2026-07-10,公金 \U0002a6d6,999-0001,例示県例示市",
    "row9": "B9,99999,127,x,000009,109,2026-06-01,2026,2026,2026-07-10,公金 花子,999-0001,例示県例示市",
    "row13": "B13,99999,127,13,000013,113,2026-06-01,2026,2026,2026-07-10,公金 花子,,",
    "row22": "B22,99999,127,22,000022,122,2026-13-01,2026,2026,2026-07-10,公金 花子,999-0001,例示県例示市",
}


def inputs(folder: Path, count: int = 25) -> Path:
    """Write bills with rejected rows in several batches, and a wording; return the path of the bills."""
    source = bills_csv(folder, count, **ROWS)
    header, *lines = source.read_text(encoding="utf-8").splitlines()
    addressed = [line if line.count(",") > 9 else f"{line},公金 花子,999-0001,例示県例示市" for line in lines]
    source.write_text("\n".join([f"{header},name,postal_code,address", *addressed]) + "\n", encoding="utf-8")
    (folder / "wording.toml").write_text(WORDING, encoding="utf-8")
    return source


def make(folder: Path, out: str, output_format: str = "payload", **options: Any) -> slips.RunResult:
    files = {"wording": folder / "wording.toml", "template": "a4"} if output_format == "pdf" else {}
    return slips.make(folder / "bills.csv", folder / out, output_format, part_rows=5, dpi=100, **files, **options)


@needs_font
@pytest.mark.parametrize("output_format", list(slips.OutputFormat))
def test_any_number_of_processes_writes_the_same_files(tmp_path: Path, output_format: slips.OutputFormat) -> None:
    inputs(tmp_path)
    contents, results = [], []
    # Every process has to import Kokin, which takes most of the time of this test.
    for jobs in (1, 3 if output_format is slips.OutputFormat.PDF else 2):
        out, progress = tmp_path / f"{jobs}", list[int]()
        results.append(make(tmp_path, out.name, output_format, jobs=jobs, on_progress=progress.append))
        contents.append({str(path.relative_to(out)): path.read_bytes() for path in out.rglob("*") if path.is_file()})
        assert progress == [5, 5, 5, 5, 5]
    assert all(content == contents[0] for content in contents)
    assert all(result == results[0] for result in results)
    assert {"manifest.csv", "issues.csv", "run.json"} < contents[0].keys()
    assert results[0].rejected == (3 if output_format is slips.OutputFormat.PDF else 2)
    assert not active_children()


def test_a_run_against_an_earlier_one_is_the_same_in_processes(tmp_path: Path) -> None:
    source = inputs(tmp_path)
    make(tmp_path, "old")
    source.write_text(source.read_text(encoding="utf-8").replace(",117,", ",118,"), encoding="utf-8")
    results = [make(tmp_path, f"{jobs}", against=tmp_path / "old", jobs=jobs) for jobs in (1, 2)]
    assert results[0] == results[1]
    assert (results[0].written, results[0].unchanged, results[0].replaced) == (1, 22, 1)
    assert file_contents(tmp_path / "1") == file_contents(tmp_path / "2")


@needs_font
def test_a_killed_worker_is_an_error_and_the_run_resumes(tmp_path: Path) -> None:
    inputs(tmp_path, 100)
    make(tmp_path, "whole", "pdf")

    def kill(rows: int) -> None:
        os.kill(active_children()[0].pid or 0, signal.SIGKILL)

    with pytest.raises(KokinError, match="a worker process was killed or ran out of memory"):
        make(tmp_path, "out", "pdf", jobs=2, on_progress=kill)
    assert not active_children()
    assert not [path.name for path in (tmp_path / "out").iterdir() if path.name.startswith(".")]
    resumed = make(tmp_path, "out", "pdf", jobs=2).resumed
    assert 1 <= resumed < 20
    assert file_contents(tmp_path / "out") == file_contents(tmp_path / "whole")


COMMAND = [sys.executable, "-c", "from kokin.cli._main import main; main()", "qr", "make", "bills.csv", "--part-rows=5"]


def start(folder: Path, *options: str, **process_options: Any) -> subprocess.Popen[str]:
    """Start the command with two worker processes in a process group of its own."""
    pipes: dict[str, Any] = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True}
    call = [*COMMAND, "--out=out", "--jobs=2", *options]
    return subprocess.Popen(call, cwd=folder, start_new_session=True, **pipes, **process_options)


def wait_for(path: Path) -> None:
    end = time.monotonic() + 60
    while not path.exists():
        assert time.monotonic() < end
        time.sleep(0.01)


@pytest.mark.parametrize("signal_number", [signal.SIGKILL, signal.SIGINT])
def test_no_worker_outlives_the_command(tmp_path: Path, signal_number: int) -> None:
    """The workers have the output of the command: it ends when the last of them has ended."""
    inputs(tmp_path, 1_500)  # enough that the signal comes before the end
    make(tmp_path, "whole", "png")
    with start(tmp_path, "--format=png", "--dpi=100") as command:
        wait_for(tmp_path / "out" / "part-00003.json")
        # As a terminal does: Ctrl-C reaches every process of the group, a kill only the command.
        (os.killpg if signal_number == signal.SIGINT else os.kill)(command.pid, signal_number)
        _, errors = command.communicate(timeout=60)
    assert command.returncode == (130 if signal_number == signal.SIGINT else -signal.SIGKILL)
    assert "Traceback" not in errors
    assert not (tmp_path / "out" / "manifest.csv").exists()
    assert make(tmp_path, "out", "png").resumed >= 3
    assert file_contents(tmp_path / "out") == file_contents(tmp_path / "whole")


@needs_font
def test_a_full_disk_in_a_worker_is_an_error_and_the_run_resumes(tmp_path: Path) -> None:
    """A limit on the size of a file takes the place of the full disk."""
    resource = pytest.importorskip("resource")
    inputs(tmp_path)
    make(tmp_path, "whole", "pdf")
    options = "--format=pdf", "--words=wording.toml", "--template=a4", "--dpi=100"
    size = min(path.stat().st_size for path in (tmp_path / "whole").glob("*.pdf")) - 1

    def limit() -> None:
        resource.setrlimit(resource.RLIMIT_FSIZE, (size, size))

    with start(tmp_path, *options, preexec_fn=limit) as command:
        _, errors = command.communicate(timeout=60)
    assert (command.returncode, "Traceback" in errors) == (4, False)
    assert "File too large" in errors
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == ["run.json"]
    with start(tmp_path, *options) as command:
        command.communicate(timeout=60)
    assert file_contents(tmp_path / "out") == file_contents(tmp_path / "whole")


def half(number: int) -> int:
    if number % 2:
        raise InvalidInputError([], f"{number} is odd")
    return number // 2


def test_results_are_in_the_order_of_the_items() -> None:
    assert list(process_map(half, range(0, 40, 2), 2)) == list(range(20))
    assert list(process_map(half, [], 2)) == []


def test_an_error_of_the_function_is_raised_and_ends_the_processes() -> None:
    with pytest.raises(InvalidInputError, match="7 is odd"):
        list(process_map(half, [2, 4, 6, 7, 8], 2))
    assert not active_children()


def test_a_closed_iterator_ends_the_processes() -> None:
    with closing(process_map(half, range(0, 1000, 2), 2)) as results:
        assert next(results) == 0
        assert active_children()
    assert not active_children()


def test_one_item_is_processed_in_this_process() -> None:
    results = process_map(lambda number: number + os.getpid(), [1], 2)  # a lambda cannot be pickled
    assert list(results) == [1 + os.getpid()]
