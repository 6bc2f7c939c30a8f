"""The files of one reconciliation."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pyarrow as pa

from kokin.catalog import CATALOG, Catalog
from kokin.reconcile import Accounts, Reconciliation
from kokin.reports._csv import write_csv
from kokin.reports._files import FileSummary
from kokin.reports._folder import replaced
from kokin.reports._report import of_run
from kokin.reports._words import Language

_TABLES = ("outcomes", "balances", "exceptions", "issues")


def write_run(
    result: Reconciliation,
    accounts: Accounts,
    files: Sequence[FileSummary],
    issues: pa.Table,
    out: str | Path,
    *,
    page_rows: int = 500,
    language: Language = "ja",
    catalog: Catalog = CATALOG,
) -> dict[str, Any]:
    """Write ``outcomes.csv, balances.csv, exceptions.csv, issues.csv, summary.json`` and ``report.html`` into a folder.

    The CSV are UTF-8 without a byte order mark, with the stable names of columns and codes, for programs. All the
    other tables of a run, in the forms that people want, are written by :meth:`Report.write`.

    Args:
        result: the reconciliation.
        accounts: what it means for the books; its findings stand in ``exceptions.csv`` after the outcomes.
        files: how each receipt file went in.
        issues: the problems of the records that were kept out or flagged, with ``ISSUE_COLUMNS``.
        out: the folder; it is made where it is not there. Files of an earlier run in it are replaced.
        page_rows: how many rows of a long list stand on the page; all of them are in the CSV.
        language: of the page.
        catalog: how the charges are called there; the one that the accounts were made with.

    Returns the summary as it was written. The same input gives the same bytes: no clock is read.

    ``summary.json`` is the last to come: a folder without it holds no complete run.

    Raises:
        OSError: the folder cannot be written.
    """
    report = of_run(result, accounts, files=files, issues=issues, catalog=catalog)
    summary = dict(report.summary)
    with replaced(Path(out), last="summary.json") as draft:
        for name in _TABLES:
            write_csv(report.tables[name], draft / f"{name}.csv")
        page = report.page(language=language, rows=page_rows, files=_TABLES)
        (draft / "report.html").write_text(page, encoding="utf-8")
        text = json.dumps(summary, ensure_ascii=False, indent=2, default=str)
        (draft / "summary.json").write_text(text + "\n", encoding="utf-8")
    return summary
