"""What README shows is what happens."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from kokin.demo import write_city

README = Path(__file__).parents[1] / "README.md"


def test_the_python_example_runs(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    write_city(tmp_path, 500, 1)
    monkeypatch.chdir(tmp_path)
    (example,) = re.findall(r"```python\n(.*?)```", README.read_text(encoding="utf-8"), re.DOTALL)
    exec(compile(example, "README.md", "exec"), {})
    assert (tmp_path / "slip.svg").read_text().startswith("<svg")
    assert capsys.readouterr().out.startswith("{'applied': ")
