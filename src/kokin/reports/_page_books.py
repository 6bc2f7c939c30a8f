"""The second half of the page: the books, by day and month, charge, settlement and age."""

from __future__ import annotations

import json
from collections.abc import Collection, Mapping, Sequence
from datetime import date
from typing import TYPE_CHECKING

import pyarrow as pa
import pyarrow.compute as pc

from kokin._arrow.aggregate import sum_by
from kokin.reconcile import AGING_BUCKETS, AgingKind
from kokin.reports._charts import columns, meter, stacked
from kokin.reports._html import Html, html, tag
from kokin.reports._lists import grid, listed
from kokin.reports._words import Words

if TYPE_CHECKING:
    from kokin.reports._report import Report

# As many columns as can be told apart.
_DAYS, _MONTHS = 45, 24
# Places where a control is broken, that are named beside it.
_PLACES = 8
_HOLDS = {True: ("good", "holds"), False: ("bad", "differs")}


def totals(report: Report, words: Words, most: int, files: Collection[str]) -> Html:
    """⑤ and ⑥, as charts and lists."""
    daily, monthly = report.tables["daily"], report.tables["monthly"]
    by_day = _pivot(daily, "received_on", "channel", _DAYS, pa.scalar(report.as_of), words)
    by_month = _pivot(monthly, "month", "charge", _MONTHS, pa.scalar(report.as_of.isoformat()[:7]), words)
    days = [f"{day.month}/{day.day}" for day in map(date.fromisoformat, by_day)]
    return html(
        _chart("by_channel", days, by_day, words),
        tag("h3", words.table("daily")),
        listed(
            *("daily", daily, words, most),
            order=[("received_on", "descending"), ("received", "descending")],
            without=("account",),
            files=files,
        ),
        _chart("by_charge", list(by_month), by_month, words),
        tag("h3", words.table("monthly")),
        listed(
            *("monthly", monthly, words, most),
            order=[("month", "descending"), ("received", "descending")],
            without=("account",),
            files=files,
        ),
    )


def _chart(name: str, labels: Sequence[str], rows: Mapping[str, Mapping[str, int]], words: Words) -> Html:
    """Yen over time as columns; nothing where there are none."""
    title = words.say(name, n=len(rows))
    series = stacked(rows, words.say(f"{name}_unknown"), words.say("rest"))
    return html(tag("h3", title), columns(labels, series, words, title)) if rows else html()


def _pivot(table: pa.Table, by: str, name: str, most: int, last: pa.Scalar, words: Words) -> dict[str, dict[str, int]]:
    """Yen received by the latest days or months up to the last one, and by name; null is an empty name."""
    told = sum_by(table, (by, name), ("received",))
    told = told.filter(pc.less_equal(told.column(by), last))
    rows: dict[str, dict[str, int]] = {}
    for row in told.to_pylist():
        yen = rows.setdefault(str(row[by]), {})
        word = words.value(name, row[name]) or ""
        yen[word] = yen.get(word, 0) + row["received"]
    return {label: rows[label] for label in sorted(rows)[-most:]}


def rates(report: Report, words: Words, most: int, files: Collection[str]) -> Html:
    """⑦ by charge with its 収納率, then in full; ⑧."""
    table = report.tables["receivables"]
    told = sum_by(table, ("charge",), ("billed", "paid_before", "received", "overpaid", "unpaid")).to_pylist()
    rows = []
    for row in sorted(told, key=lambda row: (-row["billed"], row["charge"] or "")):
        paid = row["paid_before"] + row["received"] - row["overpaid"]
        hundredths = paid * 10_000 // row["billed"] if row["billed"] else 0
        rate = f"{hundredths // 100}.{hundredths % 100:02}%" if row["billed"] else "–"
        name = words.value("charge", row["charge"]) or words.say("by_charge_unknown")
        rows.append((name, row["billed"], paid, row["unpaid"], rate, meter(hundredths, 10_000, "good")))
    heads = [
        (words.column("receivables", "charge"), ""),
        (words.column("receivables", "billed"), "n"),
        (words.say("collected"), "n"),
        (words.column("receivables", "unpaid"), "n"),
        (words.column("receivables", "rate"), "n"),
        ("", "wide"),
    ]
    return html(
        grid(heads, rows) if rows else html(),
        tag("h3", words.table("receivables")),
        listed("receivables", table, words, most, files=files),
        tag("h3", words.table("revenue")),
        listed("revenue", report.tables["revenue"], words, most, files=files),
    )


def controls(report: Report, words: Words, most: int, files: Collection[str]) -> Html:
    """T1 to T6, and ⑨: days on which the bank has another sum first."""
    rows = []
    for name, control in report.summary["controls"].items():
        tone, said = _HOLDS.get(control["holds"], ("mute", "not_checked"))
        places = [*control.get("broken", []), *control.get("unsure", [])]
        where = " · ".join(places[:_PLACES]) + (" …" if len(places) > _PLACES else "")
        statement = html(words.value("control", name), tag("small", where) if places else None)
        state = tag("span", words.say(said), class_=f"tag {tone}")
        rows.append((name, statement, control["left"], control["right"], state))
    heads = [("", ""), ("", "wrap"), (words.say("left"), "n"), (words.say("right"), "n"), ("", "")]
    told = report.tables["settlements"]
    late = pc.fill_null(pc.less_equal(told.column("settled_on"), pa.scalar(report.as_of)), False)
    wrong = pc.fill_null(pc.not_equal(told.column("difference"), 0), False)
    told = told.append_column("wrong", pc.and_(late, wrong).cast(pa.int8()))
    order = [("wrong", "descending"), ("settled_on", "descending")]
    return html(
        grid(heads, rows),
        tag("h3", words.say("settled_days")),
        listed("settlements", told, words, most, order=order, without=("wrong",), files=files),
    )


def waiting(report: Report, words: Words, most: int, files: Collection[str]) -> Html:
    """⑩ and 未納一覧 by age, then one by one."""
    pending, arrears = report.tables["pending"], report.tables["arrears"]
    kinds = [
        (words.value("kind", kind), pending.filter(pc.equal(pending.column("kind"), kind)), "amount")
        for kind in AgingKind
    ]
    rows = [_by_age(name, some, yen, words) for name, some, yen in (*kinds, (words.say("arrears"), arrears, "unpaid"))]
    ages = [(words.say("days_of", age=age), "n age") for age in AGING_BUCKETS]
    return html(
        grid([("", ""), *ages, (words.say("total"), "n age")], rows),
        tag("h3", words.table("pending")),
        listed("pending", pending, words, most, order=[("days", "descending")], files=files),
        tag("h3", words.table("arrears")),
        listed(
            "arrears",
            arrears,
            words,
            most,
            order=[("unpaid", "descending")],
            without=("payee_code", "system"),
            files=files,
        ),
    )


def _by_age(name: str, some: pa.Table, yen: str, words: Words) -> list[Html]:
    """A row of sums by age, with how many there are."""
    told = {row["age"]: row for row in some.group_by("age").aggregate([(yen, "sum"), ([], "count_all")]).to_pylist()}
    cells = [(told[age][f"{yen}_sum"], told[age]["count_all"]) if age in told else (0, 0) for age in AGING_BUCKETS]
    highest = max(amount for amount, _ in cells)
    whole = (sum(amount for amount, _ in cells), sum(count for _, count in cells))

    def cell(amount: int, count: int, bar: Html) -> Html:
        if not count:
            return html("–")
        return html(tag("b", words.yen(amount)), tag("small", words.say("rows_of", n=f"{count:,}")), bar)

    tones = ("calm", "calm", "warn", "bad")
    bars = [meter(amount, highest, tone) for (amount, _), tone in zip(cells, tones, strict=True)]
    return [html(name), *map(cell, *zip(*cells, strict=True), bars), cell(*whole, html())]


def refunds(report: Report, words: Words, most: int, files: Collection[str]) -> Html:
    """④, and what could be set off."""
    return html(
        listed(
            "overpayments", report.tables["overpayments"], words, most, order=[("excess", "descending")], files=files
        ),
        tag("h3", words.table("offers")),
        listed("offers", report.tables["offers"], words, most, files=files),
    )


def records(report: Report, words: Words, most: int, files: Collection[str]) -> Html:
    """① and ⑪, and the choices of the run."""
    policy: Mapping[str, object] = report.summary["policy"]
    choices = [(name, json.dumps(value, ensure_ascii=False)) for name, value in policy.items()]
    return html(
        listed("files", report.tables["files"], words, most, files=files),
        tag("h3", words.table("audit")),
        listed("audit", report.tables["audit"], words, most, order=[("entry", "descending")], files=files),
        tag("details", tag("summary", words.say("policy")), grid([("", ""), ("", "wrap")], choices)),
    )
