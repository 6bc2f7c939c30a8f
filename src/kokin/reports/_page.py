"""The HTML page of a report: a headline, the exceptions, and then the sections on files and accounts."""

from __future__ import annotations

import json
from base64 import b64encode
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from functools import cached_property, partial
from hashlib import sha256
from importlib import resources
from string import Template
from typing import TYPE_CHECKING, Any

import pyarrow as pa
import pyarrow.compute as pc

import kokin
from kokin._arrow.aggregate import sum_by
from kokin.model import Disposition, Outcome
from kokin.reconcile import AGING_BUCKETS, AgingKind
from kokin.reports._elements import (
    Html,
    SortKeys,
    column_chart,
    html,
    meter,
    render_grid,
    render_rows,
    share_bar,
    stacked_series,
    tag,
)
from kokin.reports._tables import LazyTables
from kokin.reports._terms import Terms

if TYPE_CHECKING:
    from kokin.reports._report import Report

_DISPOSITION_TONES = {
    Disposition.APPLIED: "good",
    Disposition.EXCESS: "warn",
    Disposition.SUSPENSE: "bad",
    Disposition.PROVISIONAL: "calm",
    Disposition.NO_EFFECT: "mute",
}
_AGE_TONES = ("calm", "calm", "warn", "bad")
# Tone and sentence of a control that is balanced or not; any other is not checked.
_CONTROL_STATES = {True: ("good", "holds"), False: ("bad", "differs")}
# Dispositions of money; outcomes that lower a balance; outcomes that are excess as a whole.
_MONEY = (Disposition.APPLIED, Disposition.EXCESS, Disposition.SUSPENSE)
_LOWERING = (Outcome.MATCHED, Outcome.UNDERPAID, Outcome.OVERPAID)
_EXCESS = (Outcome.DUPLICATE_PAYMENT, Outcome.BILL_CHANGED, Outcome.CANCELLED_BILL)
# The column of payees, and the cell of rows that have none.
_PAYEE, _NO_PAYEE = "payee_code", "–"
# Columns of a chart, at most.
_MAX_DAYS, _MAX_MONTHS = 45, 24
# Places where a control differs: how many are named in its row, and in the headline.
_MAX_PLACES, _MAX_HEADLINE_PLACES = 8, 3

_EMPTY = Html()
GOOD_SIGN = Html(
    '<svg class="sign good" viewBox="0 0 24 24" aria-hidden="true"><path d="M5 12.5l4.5 4.5L19 7.5"/></svg>'
)
BAD_SIGN = Html('<svg class="sign bad" viewBox="0 0 24 24" aria-hidden="true"><path d="M12 6v8M12 17.5v.5"/></svg>')


def render_page(report: Report, terms: Terms, max_rows: int, csv_tables: Collection[str] = ()) -> str:
    """Return the page of a report.

    It makes no requests: a Content-Security-Policy allows its own style and script only, by their hashes.

    Args:
        report: the report.
        terms: the terms of the language.
        max_rows: the maximum number of rows of a list.
        csv_tables: the tables that are also written as CSV; the note below a shortened list names the file.
    """
    return _Page(report, terms, max_rows, csv_tables).render()


@dataclass(frozen=True)
class _Page:
    """The sections of a page."""

    report: Report
    terms: Terms
    max_rows: int
    csv_tables: Collection[str]

    @cached_property
    def has_payees(self) -> bool:
        """Whether the run has several payees; then the page has the sums of each."""
        return sum(map(bool, self.report.summary["payees"])) > 1

    @cached_property
    def tables(self) -> Mapping[str, pa.Table]:
        """The tables of the report, without ``payee_code`` if all rows with a payee have the same."""
        tables = self.report.tables
        return tables if self.has_payees else LazyTables({name: partial(self._without_payee, name) for name in tables})

    def _without_payee(self, name: str) -> pa.Table:
        table = self.report.tables[name]
        return table.drop_columns([_PAYEE]) if _PAYEE in table.schema.names else table

    def _by_payee(self, table: pa.Table) -> list[tuple[Sequence[str], pa.Table]]:
        """Return the rows of each payee with its cell; the whole table, without a cell, if the page has one payee."""
        if not self.has_payees:
            return [((), table)]
        codes = pc.fill_null(table.column(_PAYEE), "")
        return [
            ((code or _NO_PAYEE,), table.filter(pc.equal(codes, code))) for code in sorted(pc.unique(codes).to_pylist())
        ]

    @property
    def _payee_head(self) -> list[tuple[str, str]]:
        """The heading of the cell of a payee; none if the page has one payee."""
        return [(self.terms.heading("balances", _PAYEE), "d")] if self.has_payees else []

    def render(self) -> str:
        """Return the whole page."""
        # The id of each section, which is also the key of its title, and what renders it.
        sections: dict[str, Callable[[], Html]] = {
            **({"intake": self.intake_section} if self.report.intake else {}),
            "look": self.exceptions_section,
            "funnel": self.funnel_section,
            "totals": self.totals_section,
            "rates": self.rates_section,
            "settlement": self.controls_section,
            "waiting": self.aging_section,
            "refunds": self.refunds_section,
            "records": self.sources_section,
        }
        sentence = self.terms.sentence
        links = [tag("a", sentence(name), href=f"#{name}") for name in sections]
        return render_document(
            self.terms,
            title=sentence("title"),
            day=self.report.as_of,
            headline=html(self.intake_line(), self.headline()),
            contents=tag("nav", *links, aria_label=sentence("contents")),
            sections=html(*(self._section(name, render()) for name, render in sections.items())),
        )

    def _section(self, name: str, content: Html) -> Html:
        title = tag("h2", self.terms.sentence(name), tag("small", self.terms.sentence(f"{name}_note")))
        return tag("section", title, content, id=name)

    def _rows(self, name: str, order: SortKeys = (), without: Collection[str] = (), table: pa.Table = None) -> Html:
        """Return a table of the report (or ``table``, with its headings) as a list."""
        table = self.tables[name] if table is None else table
        return render_rows(
            name, table, self.terms, self.max_rows, order=order, without=without, csv_tables=self.csv_tables
        )

    def _titled_rows(self, name: str, order: SortKeys = (), without: Collection[str] = ()) -> Html:
        return html(tag("h3", self.terms.table(name)), self._rows(name, order, without))

    # --- expected files: has everything come? ------------------------------------------------------------------------

    def intake_line(self) -> Html:
        """Return which files have come, in one line that links to ⓪; nothing without an intake status."""
        status = self.report.intake
        if status is None:
            return html()
        tone = "bad" if status.has_missing else "good" if status.is_clean else "warn"
        state = tag("span", self.terms.table("intake"), class_=f"tag {tone}")
        link = tag("a", status.first_line(self.terms.language), href="#intake")
        return tag("p", state, " ", link, class_="intake")

    def intake_section(self) -> Html:
        """Return ⓪, and what is wrong with the files that came."""
        status, terms = self.report.intake, self.terms
        columns = ("label", "intake_state", "day", "deadline", "bank_days", "file", "at", "records", "amount")
        rows = self._rows("intake", table=self.tables["intake"].select(columns))
        if status is None or not status.findings:
            return rows
        names = (("intake", "finding"), ("intake", "file"), ("exceptions", "expected"), ("exceptions", "found"))
        heads = [(terms.heading(*name), "wrap") for name in names]
        found = [
            (terms.value("intake_finding", each.kind.value), each.file, each.expected, each.found)
            for each in status.findings
        ]
        return html(
            rows,
            tag("h3", terms.sentence("findings")),
            render_grid(heads, found),
        )

    # --- headline: is every yen accounted for, and how much is there to do? -----------------------------------------

    def headline(self) -> Html:
        """Return whether the controls are balanced, the yen of each disposition, and four key figures."""
        summary, sentence = self.report.summary, self.terms.sentence
        dispositions = {Disposition(name): amount for name, amount in summary["dispositions"].items()}
        controls = summary["controls"]
        broken = [name for name, control in controls.items() if control["holds"] is False]
        unchecked = [name for name, control in controls.items() if control["holds"] not in (True, False)]
        states = [sentence("checked", n=len(controls), held=len(controls) - len(broken) - len(unchecked))]
        if unchecked:
            states.append(sentence("unchecked", names=", ".join(unchecked)))
        amounts = {"receipts": f"{summary['receipts']:,}", "amount": self.terms.yen(summary["amount"])}
        reasons = [self._difference(name, controls[name]) for name in broken] or [sentence("accounted_by", **amounts)]
        text = tag(
            "div",
            tag("h1", sentence("broken", names=", ".join(broken)) if broken else sentence("accounted")),
            *(tag("p", reason) for reason in reasons),
            tag("p", " · ".join(states), class_="soft"),
        )
        parts = [
            (self.terms.value("disposition", name), _DISPOSITION_TONES[name], amount)
            for name, amount in dispositions.items()
        ]
        sign = tag("div", BAD_SIGN if broken else GOOD_SIGN, text, class_="headline")
        return html(
            tag("div", sign, share_bar(parts, self.terms), class_="answer"),
            self._payee_figures() if self.has_payees else tag("div", *self._cards(dispositions), class_="cards"),
        )

    def _payee_figures(self) -> Html:
        """Return the key figures of each payee, a row each."""
        terms, tables = self.terms, self.tables
        exceptions = {cell: len(rows) for (cell,), rows in self._by_payee(tables["exceptions"])}
        arrears = {cell: pc.sum(rows.column("unpaid")).as_py() for (cell,), rows in self._by_payee(tables["arrears"])}
        heads = [
            *self._payee_head,
            (terms.sentence("stage_receipts"), "n"),
            *((terms.value("disposition", name), "n") for name in Disposition),
            (terms.sentence("card_look"), "n"),
            (terms.sentence("card_arrears"), "n"),
        ]
        rows = [
            (cell, totals["receipts"], *totals["dispositions"].values(), exceptions.get(cell, 0), arrears.get(cell, 0))
            for cell, totals in ((code or _NO_PAYEE, totals) for code, totals in self.report.summary["payees"].items())
        ]
        return render_grid(heads, rows)

    def _difference(self, name: str, control: Mapping[str, Any]) -> str:
        """Return how the sides of a broken control differ, and where."""
        places = ", ".join(control.get("broken", [])[:_MAX_HEADLINE_PLACES])
        return self.terms.sentence(
            "broken_by",
            name=name,
            statement=self.terms.value("control", control["statement"]),
            difference=self.terms.yen(control["left"] - control["right"]),
            places=f"({places})" if places else "",
        ).strip()

    def _cards(self, dispositions: Mapping[Disposition, int]) -> list[Html]:
        """Return the key figures: money, applied yen, exceptions and arrears."""
        tables, terms = self.tables, self.terms
        applied, arrears = dispositions[Disposition.APPLIED], tables["arrears"]
        exceptions, issues = len(tables["exceptions"]), len(tables["issues"])
        # A reversal without a payment makes suspense negative; it does not lower what was received.
        received = sum(max(dispositions[name], 0) for name in _MONEY)
        return [
            self._card("card_money", terms.yen(sum(dispositions[name] for name in _MONEY))),
            self._card("card_applied", terms.yen(applied), rate=_percent(applied, received)),
            self._card(
                "card_look",
                f"{exceptions:,}{terms.sentence('card_look_unit')}",
                "warn" if exceptions or issues else None,
                issues=f"{issues:,}",
            ),
            self._card("card_arrears", terms.yen(pc.sum(arrears.column("unpaid")).as_py() or 0), n=f"{len(arrears):,}"),
        ]

    def _card(self, name: str, value: str, tone: str | None = None, **note: str) -> Html:
        sentence = self.terms.sentence
        content = (tag("span", sentence(name)), tag("b", value, class_=tone))
        return tag("div", *content, tag("small", sentence(f"{name}_note", **note)), class_="card")

    # --- sections on the receipts -----------------------------------------------------------------------------------

    def exceptions_section(self) -> Html:
        """Return ③ by code, then one by one, and the issues of rejected or flagged records."""
        sentence, table = self.terms.sentence, self.tables["exceptions"]
        rows = [
            (payee, group["outcome"], "warn", group["count_all"], group["amount_sum"])
            for payee, of_payee in self._by_payee(table)
            for group in of_payee.group_by("outcome").aggregate([("amount", "sum"), ([], "count_all")]).to_pylist()
        ]
        return html(
            self._outcome_grid((sentence("what"), self.terms.heading("exceptions", "code")), rows) if rows else None,
            self._titled_rows("exceptions", [("amount", "descending")]),
            self._titled_rows("issues") if len(self.tables["issues"]) else None,
        )

    def funnel_section(self) -> Html:
        """Return how many records reached each stage and why others did not, and ② by outcome."""
        sentence, stages = self.terms.sentence, _stages(self.report)
        highest = max(count for _, count, _ in stages)
        rows = []
        for name, count, drops in stages:
            text = " · ".join(sentence(f"drop_{reason}", n=f"{number:,}") for reason, number in drops if number > 0)
            rows.append((sentence(f"stage_{name}"), count, meter(count, highest, "s0"), text))
        heads = [("", ""), (sentence("count"), "n"), ("", "wide"), ("", "soft")]
        return html(render_grid(heads, rows), tag("h3", self.terms.table("outcomes")), self._outcomes())

    def _outcomes(self) -> Html:
        """Return count and yen of each outcome, the most frequent first."""
        summary = self.report.summary
        outcomes: list[tuple[Sequence[str], Mapping[str, Any]]] = [((), summary["outcomes"])]
        if self.has_payees:
            outcomes = [((code or _NO_PAYEE,), totals["outcomes"]) for code, totals in summary["payees"].items()]
        rows = []
        for payee, groups in outcomes:
            for name, group in groups.items():
                tone = "good" if name == Outcome.MATCHED else "warn" if Outcome(name).is_exception else "calm"
                rows.append((payee, name, tone, group["count"], group["amount"]))
        return self._outcome_grid(
            (self.terms.heading("outcomes", "outcome"), self.terms.heading("issues", "code")), rows
        )

    def _outcome_grid(
        self, titles: tuple[str, str], rows: Sequence[tuple[Sequence[str], str, str, int, int | None]]
    ) -> Html:
        """Return a grid of outcomes, the most frequent of each payee first: payee, code, tone, count, yen."""
        sentence = self.terms.sentence
        rows = sorted(rows, key=lambda row: (row[0], -row[3], row[1]))
        highest = max((count for *_, count, _ in rows), default=0)
        heads = [
            *self._payee_head,
            (titles[0], ""),
            (titles[1], "d"),
            (sentence("count"), "n"),
            (sentence("yen"), "n"),
            ("", "wide"),
        ]
        cells = [
            (
                *payee,
                tag("span", self.terms.value("outcome", code), class_=f"tag {tone}"),
                *(code, count, amount, meter(count, highest, tone)),
            )
            for payee, code, tone, count, amount in rows
        ]
        return render_grid(heads, cells)

    # --- sections on the accounts -----------------------------------------------------------------------------------

    def totals_section(self) -> Html:
        """Return ⑤ and ⑥ as charts and lists; with closings, 過日分 and the closings."""
        received = ("received", "descending")
        return html(
            *(self._daily_chart(*payee) for payee in self._by_payee(self.tables["daily"])),
            self._titled_rows("daily", [("received_on", "descending"), received], without=("account",)),
            *(self._monthly_chart(*payee) for payee in self._by_payee(self.tables["monthly"])),
            self._titled_rows("monthly", [("month", "descending"), received], without=("account",)),
            *(self._titled_rows(name) for name in ("late", "closings") if len(self.tables["closings"])),
        )

    def _daily_chart(self, payee: Sequence[str], table: pa.Table) -> Html:
        by_day = self._pivot(table, "received_on", "channel", _MAX_DAYS, pa.scalar(self.report.as_of))
        days = [f"{day.month}/{day.day}" for day in map(date.fromisoformat, by_day)]
        return self._chart("by_channel", payee, days, by_day)

    def _monthly_chart(self, payee: Sequence[str], table: pa.Table) -> Html:
        last = pa.scalar(self.report.as_of.isoformat()[:7])
        by_month = self._pivot(table, "month", "charge", _MAX_MONTHS, last)
        return self._chart("by_charge", payee, list(by_month), by_month)

    def _chart(
        self, name: str, payee: Sequence[str], labels: Sequence[str], rows: Mapping[str, Mapping[str, int]]
    ) -> Html:
        """Return a column chart, titled with the payee if there are several; empty if there are no rows."""
        if not rows:
            return html()
        title = " · ".join([*payee, self.terms.sentence(name, n=len(rows))])
        series = stacked_series(rows, self.terms.sentence(f"{name}_unknown"), self.terms.sentence("rest"))
        return html(tag("h3", title), column_chart(labels, series, self.terms, title))

    def _pivot(
        self, table: pa.Table, time: str, name: str, max_count: int, last: pa.Scalar
    ) -> dict[str, dict[str, int]]:
        """Return yen received by the latest days or months up to ``last``, and by the term of a column or ""."""
        sums = sum_by(table, (time, name), ("received",))
        rows: dict[str, dict[str, int]] = {}
        for row in sums.filter(pc.less_equal(sums.column(time), last)).to_pylist():
            amounts = rows.setdefault(str(row[time]), {})
            term = self.terms.value(name, row[name]) or ""
            amounts[term] = amounts.get(term, 0) + row["received"]
        return {label: rows[label] for label in sorted(rows)[-max_count:]}

    def rates_section(self) -> Html:
        """Return ⑦ by charge with its 収納率, then ⑦ and ⑧ in full."""
        terms, table = self.terms, self.tables["receivables"]
        yen = ("billed", "paid_before", "received", "overpaid", "unpaid")
        sums = [
            (payee, row)
            for payee, of_payee in self._by_payee(table)
            for row in sum_by(of_payee, ("charge",), yen).to_pylist()
        ]
        rows = []
        for payee, row in sorted(sums, key=lambda item: (item[0], -item[1]["billed"], item[1]["charge"] or "")):
            paid = row["paid_before"] + row["received"] - row["overpaid"]
            hundredths = paid * 10_000 // row["billed"] if row["billed"] else 0
            rate = f"{hundredths // 100}.{hundredths % 100:02}%" if row["billed"] else "–"
            name = terms.value("charge", row["charge"]) or terms.sentence("by_charge_unknown")
            rows.append((*payee, name, row["billed"], paid, row["unpaid"], rate, meter(hundredths, 10_000, "good")))
        heads = [
            *self._payee_head,
            (terms.heading("receivables", "charge"), ""),
            (terms.heading("receivables", "billed"), "n"),
            (terms.sentence("collected"), "n"),
            (terms.heading("receivables", "unpaid"), "n"),
            (terms.heading("receivables", "rate"), "n"),
            ("", "wide"),
        ]
        grid = render_grid(heads, rows) if rows else None
        return html(grid, self._titled_rows("receivables"), self._titled_rows("revenue"))

    def controls_section(self) -> Html:
        """Return the control equations, and ⑨ with the days first on which the bank's sum differs."""
        sentence = self.terms.sentence
        rows = []
        for name, control in self.report.summary["controls"].items():
            tone, state = _CONTROL_STATES.get(control["holds"], ("mute", "not_checked"))
            places = [*control.get("broken", []), *control.get("unsure", [])]
            text = " · ".join(places[:_MAX_PLACES]) + (" …" if len(places) > _MAX_PLACES else "")
            statement = html(self.terms.value("control", control["statement"]), tag("small", text) if places else None)
            rows.append(
                (name, statement, control["left"], control["right"], tag("span", sentence(state), class_=f"tag {tone}"))
            )
        heads = [("", ""), ("", "wrap"), (sentence("left"), "n"), (sentence("right"), "n"), ("", "")]
        table = self.tables["settlements"]
        is_due = pc.fill_null(pc.less_equal(table.column("settled_on"), pa.scalar(self.report.as_of)), False)
        differs = pc.fill_null(pc.not_equal(table.column("difference"), 0), False)
        table = table.append_column("differs", pc.and_(is_due, differs).cast(pa.int8()))
        order = [("differs", "descending"), ("settled_on", "descending")]
        return html(
            render_grid(heads, rows),
            tag("h3", sentence("settled_days")),
            self._rows("settlements", order, without=("differs",), table=table),
        )

    def aging_section(self) -> Html:
        """Return ⑩ and 未納一覧 by age, then one by one."""
        tables, terms = self.tables, self.terms
        pending = tables["pending"]
        open_yen = [
            (terms.value("kind", kind), pending.filter(pc.equal(pending.column("kind"), kind)), "amount")
            for kind in AgingKind
        ]
        open_yen.append((terms.sentence("arrears"), tables["arrears"], "unpaid"))
        rows = [
            [*payee, *self._by_age(name, of_payee, column)]
            for name, table, column in open_yen
            for payee, of_payee in self._by_payee(table)
        ]
        ages = [(terms.sentence("days_of", age=age), "n age") for age in AGING_BUCKETS]
        return html(
            render_grid([*self._payee_head, ("", ""), *ages, (terms.sentence("total"), "n age")], rows),
            self._titled_rows("pending", [("days", "descending")]),
            self._titled_rows("arrears", [("unpaid", "descending")], without=("system",)),
        )

    def _by_age(self, name: str, table: pa.Table, column: str) -> list[Html]:
        """Return a row of the sums and counts by age, and in total."""
        groups = table.group_by("age").aggregate([(column, "sum"), ([], "count_all")]).to_pylist()
        by_age = {group["age"]: (group[f"{column}_sum"], group["count_all"]) for group in groups}
        sums = [by_age.get(age, (0, 0)) for age in AGING_BUCKETS]
        highest = max(amount for amount, _ in sums)
        bars = [meter(amount, highest, tone) for (amount, _), tone in zip(sums, _AGE_TONES, strict=True)]
        total = (sum(amount for amount, _ in sums), sum(count for _, count in sums))
        cells = [self._age_cell(amount, count, bar) for (amount, count), bar in zip(sums, bars, strict=True)]
        return [html(name), *cells, self._age_cell(*total, html())]

    def _age_cell(self, amount: int, count: int, bar: Html) -> Html:
        if not count:
            return html("–")
        return html(tag("b", self.terms.yen(amount)), tag("small", self.terms.sentence("rows_of", n=f"{count:,}")), bar)

    def refunds_section(self) -> Html:
        """Return ④ and the set-off candidates."""
        return html(self._rows("overpayments", [("excess", "descending")]), self._titled_rows("offers"))

    def sources_section(self) -> Html:
        """Return ① and ⑪, and the policy of the run."""
        policy: Mapping[str, object] = self.report.summary["policy"]
        settings = [(name, json.dumps(value, ensure_ascii=False)) for name, value in policy.items()]
        grid = render_grid([("", ""), ("", "wrap")], settings)
        return html(
            self._rows("files"),
            self._titled_rows("audit", [("entry", "descending")]),
            tag("details", tag("summary", self.terms.sentence("policy")), grid),
        )


def _stages(report: Report) -> list[tuple[str, int, list[tuple[str, int]]]]:
    """Return the stages of the funnel: name, records that reached it, and why others of the stage before did not."""
    summary, kinds = report.summary, report.tables["pending"].column("kind")
    counts = {Outcome(name): group["count"] for name, group in summary["outcomes"].items()}
    receipts = summary["receipts"]
    provisional, suspense = (pc.sum(pc.equal(kinds, kind)).as_py() or 0 for kind in ("provisional", "suspense"))
    applied, excess = (sum(counts.get(name, 0) for name in names) for names in (_LOWERING, _EXCESS))
    known = applied + excess
    money = known + suspense
    stages: list[tuple[str, int, list[tuple[str, int]]]] = [("receipts", receipts, [])]
    if summary["files"]:
        read, accepted, unpaid, rejected = (
            sum(file[name] for file in summary["files"]) for name in ("read", "accepted", "unpaid", "rejected")
        )
        active = [("receipts", receipts, [("reversed", accepted - receipts)])] if accepted != receipts else []
        stages = [("read", read, []), ("accepted", accepted, [("rejected", rejected), ("unpaid", unpaid)]), *active]
    return [
        *stages,
        ("money", money, [("no_effect", receipts - money - provisional), ("waiting", provisional)]),
        ("known", known, [("suspense", suspense)]),
        ("applied", applied, [("returned", excess)]),
    ]


def _percent(part: int, whole: int) -> str:
    """Return a share in percent, truncated after one digit: 100.0% only if the part is the whole."""
    tenths = part * 1000 // whole if whole else 0
    return f"{tenths // 10}.{tenths % 10}%" if whole else "–"


def render_document(
    terms: Terms, *, title: str, day: date, headline: Html, sections: Html, contents: Html = _EMPTY
) -> str:
    """Return a page with its style and script; a Content-Security-Policy allows these only, by their hashes."""
    folder, sentence = resources.files("kokin.reports"), terms.sentence
    style, script = ((folder / name).read_text(encoding="utf-8") for name in ("page.css", "page.js"))
    return Template((folder / "page.html").read_text(encoding="utf-8")).substitute(
        language=terms.language,
        style=style,
        script=script,
        style_hash=_csp_hash(style),
        script_hash=_csp_hash(script),
        title=html(title),
        day=html(sentence("as_of", day=terms.date(day))),
        version=html(kokin.__version__),
        contents=contents,
        headline=headline,
        sections=sections,
        print_cut=html(sentence("print_cut")),
        closed=html(sentence("closed")),
        filter=html(sentence("filter")),
        rows_shown=html(sentence("rows_shown", n="#")),
    )


def _csp_hash(text: str) -> str:
    """Return the source of a Content-Security-Policy that allows exactly this style or script."""
    return "sha256-" + b64encode(sha256(text.encode()).digest()).decode()
