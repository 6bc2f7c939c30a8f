"""One self-contained HTML page per run: no script, no request, light and dark, printable."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from html import escape
from importlib import resources
from string import Template
from typing import Any

import pyarrow as pa

import kokin
from kokin.model import Bin, Outcome

_TONES = {Bin.APPLIED: "good", Bin.EXCESS: "warn", Bin.SUSPENSE: "bad", Bin.PROVISIONAL: "calm", Bin.VOID: "mute"}
_BIN_NAMES = {
    Bin.APPLIED: "applied 充当済",
    Bin.EXCESS: "excess 過誤納",
    Bin.SUSPENSE: "suspense 不明金",
    Bin.PROVISIONAL: "provisional 速報",
    Bin.VOID: "void 重複・取消",
}


def page(summary: Mapping[str, Any], exceptions: pa.Table, issues: pa.Table, rows: int) -> str:
    """The page of a run; ``rows`` exceptions and issues at most."""
    template = Template((resources.files(__package__) / "page.html").read_text(encoding="utf-8"))
    bins = {Bin(name): yen for name, yen in summary["bins"].items()}
    t4 = summary["controls"]["T4"]
    return template.substitute(
        version=escape(kokin.__version__),
        cards=_cards(summary, exceptions),
        bins=_stack(bins),
        bins_note=f"{t4['left']:,} {'=' if t4['holds'] is True else '≠'} {t4['right']:,} yen",
        files=_files(summary["files"]),
        outcomes=_outcomes(summary["outcomes"]),
        controls=_controls(summary["controls"]),
        exceptions=_rows(exceptions, rows, "exceptions.csv"),
        issues=_rows(issues, rows, "issues.csv"),
    )


def _cards(summary: Mapping[str, Any], exceptions: pa.Table) -> str:
    facts = (
        ("bills 調定", f"{summary['bills']:,}"),
        ("receipts 収納", f"{summary['receipts']:,}"),
        ("yen received", f"{summary['amount']:,}"),
        ("to look at", f"{len(exceptions):,}"),
    )
    return "".join(f'<div class="card"><span>{name}</span><b>{value}</b></div>' for name, value in facts)


def _stack(bins: Mapping[Bin, int]) -> str:
    """The bins as one stacked bar with its legend."""
    total = sum(bins.values()) or 1
    x, bars, legend = 0.0, [], []
    for name, yen in bins.items():
        width = 1000 * yen / total
        if yen:
            bars.append(f'<rect class="{_TONES[name]}" x="{x:.2f}" width="{max(width, 1.5):.2f}" height="26"/>')
        x += width
        legend.append(f'<span><i class="{_TONES[name]}"></i>{_BIN_NAMES[name]} {yen:,}</span>')
    chart = f'<svg viewBox="0 0 1000 26" preserveAspectRatio="none" height="26" role="img">{"".join(bars)}</svg>'
    return f'<div class="card">{chart}<div class="legend">{"".join(legend)}</div></div>'


def _files(files: Sequence[Mapping[str, Any]]) -> str:
    head = ("file", "layout", "read", "accepted", "unpaid", "rejected", "yen", "SHA-256")
    rows = (
        [
            escape(file["source"]),
            escape(file["layout"]),
            *(file[name] for name in ("read", "accepted", "unpaid", "rejected", "amount")),
            f"<code>{file['digest'][:12]}…</code>",
        ]
        for file in files
    )
    return _table(head, rows)


def _outcomes(outcomes: Mapping[str, Mapping[str, int]]) -> str:
    most = max((told["count"] for told in outcomes.values()), default=1)
    rows = []
    for name, told in sorted(outcomes.items(), key=lambda item: -item[1]["count"]):
        tone = "warn" if Outcome(name).is_exception else "good"
        bar = f'<rect class="{tone}" width="{max(1000 * told["count"] / most, 3):.1f}" height="10" rx="3"/>'
        chart = f'<svg viewBox="0 0 1000 10" preserveAspectRatio="none" height="10" role="img">{bar}</svg>'
        rows.append([f'<span class="tag {tone}">{name}</span>', told["count"], told["amount"], chart])
    return _table(("outcome", "receipts", "yen", ""), rows, wide=3)


def _controls(controls: Mapping[str, Mapping[str, Any]]) -> str:
    rows = []
    for name, control in controls.items():
        holds = control["holds"]
        tone, said = {True: ("good", "holds"), False: ("bad", "broken")}.get(holds, ("", "not checked"))
        rows.append(
            [
                name,
                escape(control["statement"]),
                control["left"],
                control["right"],
                f'<span class="tag {tone}">{said}</span>',
            ]
        )
    return _table(("", "equation", "left, yen", "right, yen", ""), rows)


def _rows(table: pa.Table, most: int, file: str) -> str:
    if not len(table):
        return '<p class="note">None.</p>'
    shown = table.slice(0, most)
    rows = ([escape(cell) if isinstance(cell, str) else cell for cell in row.values()] for row in shown.to_pylist())
    note = f'<p class="note">{most:,} of {len(table):,}; all of them in {file}.</p>' if len(table) > most else ""
    return f'<div class="scroll dense">{_table(table.column_names, rows)}</div>{note}'


def _table(head: Sequence[str], rows: Iterable[Sequence[Any]], wide: int | None = None) -> str:
    """A table of cells that are HTML already, or numbers; a number stands on the right with thousands separated."""
    rows = [list(row) for row in rows]
    numeric = [
        bool(rows) and all(cell is None or isinstance(cell, int) for cell in column)
        for column in zip(*rows, strict=True)
    ]
    numeric = numeric or [False] * len(head)

    def cell(at: int, value: Any) -> str:
        text = "" if value is None else f"{value:,}" if isinstance(value, int) else str(value)
        css = ' class="wide"' if at == wide else ' class="n"' if numeric[at] else ""
        return f"<td{css}>{text}</td>"

    heads = "".join(f'<th class="n">{name}</th>' if numeric[at] else f"<th>{name}</th>" for at, name in enumerate(head))
    body = "".join(f"<tr>{''.join(cell(at, value) for at, value in enumerate(row))}</tr>" for row in rows)
    return f"<table><thead><tr>{heads}</tr></thead><tbody>{body}</tbody></table>"
