"""Files are written completely or not at all, with the permissions of the umask."""

from __future__ import annotations

import os
import stat
from pathlib import Path

import pyarrow as pa
import pytest

from kokin._arrow.files import atomic_file, draft_folder, remove_drafts, write_csv


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def fail_in_the_middle(path: Path) -> None:
    with atomic_file(path) as draft:
        draft.write_text("half")
        raise OSError("disk full")


def test_after_a_failure_the_old_file_remains_without_a_draft(tmp_path: Path) -> None:
    path = tmp_path / "a.csv"
    path.write_text("old")
    with pytest.raises(OSError, match="disk full"):
        fail_in_the_middle(path)
    assert (path.read_text(), names(tmp_path)) == ("old", ["a.csv"])
    with atomic_file(path) as draft:
        draft.write_text("new")
        assert path.read_text() == "old"
    assert (path.read_text(), names(tmp_path)) == ("new", ["a.csv"])


def test_two_writers_of_one_file_have_different_drafts(tmp_path: Path) -> None:
    path = tmp_path / "a.csv"
    with atomic_file(path) as one, atomic_file(path) as other:
        one.write_text("one")
        other.write_text("other")
    assert path.read_text() == "one"


@pytest.mark.parametrize(("umask", "mode"), [(0o077, 0o600), (0o022, 0o644), (0o027, 0o640)])
def test_the_umask_is_respected(tmp_path: Path, umask: int, mode: int) -> None:
    before = os.umask(umask)
    try:
        with atomic_file(tmp_path / "file") as draft:
            draft.write_text("x")
        with draft_folder(tmp_path / "folder") as draft:
            draft.rename(tmp_path / "folder")
    finally:
        os.umask(before)
    assert stat.S_IMODE((tmp_path / "file").stat().st_mode) == mode
    assert stat.S_IMODE((tmp_path / "folder").stat().st_mode) == 0o777 & ~umask


def test_a_draft_folder_is_removed_unless_it_was_renamed(tmp_path: Path) -> None:
    with draft_folder(tmp_path / "out") as draft:
        (draft / "file").write_text("x")
    assert names(tmp_path) == []


def test_a_symbolic_link_is_kept_and_its_target_replaced(tmp_path: Path) -> None:
    (tmp_path / "folder").mkdir()
    (tmp_path / "folder" / "real").write_text("old")
    (tmp_path / "link").symlink_to(tmp_path / "folder" / "real")
    with atomic_file(tmp_path / "link") as draft:
        draft.write_text("new")
    assert (tmp_path / "link").is_symlink()
    assert (tmp_path / "folder" / "real").read_text() == "new"


def test_a_pipe_is_written_directly(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    with atomic_file(tmp_path / "pipe") as draft:
        assert draft == tmp_path / "pipe"
    with atomic_file(Path("/dev/null")) as draft:
        draft.write_text("x")
    assert stat.S_ISFIFO((tmp_path / "pipe").stat().st_mode)


def test_drafts_of_a_killed_process_are_removed(tmp_path: Path) -> None:
    drafts: list[Path] = []
    for target in (tmp_path / "a.csv", tmp_path / "b"):
        with atomic_file(target) as draft:
            drafts.append(draft)
            draft.write_text("x")
    drafts[0].write_text("half")
    drafts[1].mkdir()
    remove_drafts(tmp_path)
    assert names(tmp_path) == ["a.csv", "b"]


def test_after_a_failure_the_old_csv_remains(tmp_path: Path) -> None:
    path = tmp_path / "t.csv"
    write_csv(pa.table({"a": ["old"]}), path)
    with pytest.raises(UnicodeEncodeError):
        write_csv(pa.table({"a": ["x", "\U0002000b"]}), path, "cp932")
    assert (path.read_text(), names(tmp_path)) == ("a\nold\n", ["t.csv"])
