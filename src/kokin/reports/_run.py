"""The files of one reconciliation."""

from __future__ import annotations

import json
import shutil
import tempfile
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import pyarrow as pa

import kokin
from kokin.reconcile import Accounts, Reconciliation
from kokin.reports._csv import write_csv
from kokin.reports._page import page

_LAST = "summary.json"


@dataclass(frozen=True, slots=True)
class FileFunnel:
    """How one receipt file went in: ``read = accepted + unpaid + rejected``, counted in records of payments."""

    source: str
    layout: str
    digest: str
    """SHA-256, hexadecimal."""
    read: int
    accepted: int
    unpaid: int
    """Told as not paid (振替不能)."""
    rejected: int
    amount: int
    """Yen of the accepted records."""

    def __post_init__(self) -> None:
        assert self.read == self.accepted + self.unpaid + self.rejected


def write_run(
    result: Reconciliation,
    accounts: Accounts,
    files: Sequence[FileFunnel],
    issues: pa.Table,
    out: str | Path,
    *,
    page_rows: int = 500,
) -> dict[str, Any]:
    """Write ``outcomes.csv, balances.csv, exceptions.csv, issues.csv, summary.json`` and ``report.html`` into a folder.

    Args:
        result: the reconciliation.
        accounts: what it means for the books; its findings stand in ``exceptions.csv`` after the outcomes.
        files: how each receipt file went in.
        issues: the problems of the records that were kept out or flagged, with ``ISSUE_COLUMNS``.
        out: the folder; it is made where it is not there. Files of an earlier run in it are replaced.
        page_rows: how many exceptions stand on the page; all of them are in ``exceptions.csv``.

    Returns the summary as it was written. The same input gives the same bytes: no clock is read.

    ``summary.json`` is the last to come: a folder without it holds no complete run.

    Raises:
        OSError: the folder cannot be written.
    """
    out = Path(out)
    out.parent.mkdir(parents=True, exist_ok=True)
    summary = {"kokin": kokin.__version__, "files": [asdict(file) for file in files], **accounts.summary}
    draft = Path(tempfile.mkdtemp(prefix=f".{out.name}-", dir=out.parent))
    try:
        write_csv(result.outcomes, draft / "outcomes.csv")
        write_csv(result.balances, draft / "balances.csv")
        write_csv(accounts.exceptions, draft / "exceptions.csv")
        write_csv(issues, draft / "issues.csv")
        text = json.dumps(summary, ensure_ascii=False, indent=2, default=str)
        (draft / _LAST).write_text(text + "\n", encoding="utf-8")
        (draft / "report.html").write_text(page(summary, accounts.exceptions, issues, page_rows), encoding="utf-8")
        _move(draft, out)
    finally:
        shutil.rmtree(draft, ignore_errors=True)
    return summary


def _move(draft: Path, out: Path) -> None:
    """A finished folder to its place: at once where it is new, else file by file with the summary last."""
    draft.chmod(0o755)
    if not out.exists():
        draft.rename(out)
        return
    (out / _LAST).unlink(missing_ok=True)
    for path in sorted(draft.iterdir(), key=lambda path: path.name == _LAST):
        path.replace(out / path.name)
