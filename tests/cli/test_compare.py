"""``kokin compare``: exit codes, and what it prints in both languages."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

Kokin = Callable[..., Any]
HEADER = "bill_id,paid,residual,status\n"


def test_compare(kokin: Kokin, tmp_path: Path) -> None:
    (tmp_path / "new.csv").write_text(HEADER + "B1,100,0,settled\nB2,0,50,expected\n", encoding="utf-8")
    (tmp_path / "old.csv").write_text("番号,paid,residual,status\nB1,100,0,9\nB2,50,0,9\n", encoding="utf-8")
    (tmp_path / "map.toml").write_text(
        '[columns]\nbill_id = "番号"\n[values.status]\n9 = "settled"\n', encoding="utf-8"
    )
    same = kokin("compare", "new.csv", "new.csv", "--out", "same", cwd=tmp_path)
    assert (same.returncode, same.stderr) == (0, "")
    assert (tmp_path / "same" / "comparison.html").exists()
    command = ("compare", "old.csv", "new.csv", "--map", "map.toml", "--out", "out")
    found = kokin(*command, cwd=tmp_path)
    assert found.returncode == 1
    assert "paid less; residual more; status settled -> expected" in found.stdout
    japanese = kokin(*command, cwd=tmp_path, kokin_lang="ja").stdout
    assert "旧の金額 = 一致 + 不一致 + 旧だけ" in japanese
    data = json.loads(kokin(*command, "--format", "json", cwd=tmp_path).stdout)
    assert data["causes"][0]["difference"] == -50
    missing = kokin("compare", "old.csv", "new.csv", "--out", "other", cwd=tmp_path)
    assert (missing.returncode, "FIELD_MISSING" in missing.stderr) == (3, True)
    assert not (tmp_path / "other").exists()
    assert kokin("compare", "no.csv", "new.csv", "--out", "other", cwd=tmp_path).returncode == 4
