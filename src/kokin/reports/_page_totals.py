"""The second part of the page: everything since the beginning, of the ledger or of the run."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from datetime import date
from typing import TYPE_CHECKING, Any

import pyarrow as pa
import pyarrow.compute as pc

from kokin._arrow.aggregate import sum_by
from kokin.model import Disposition, Outcome
from kokin.reconcile import AgingKind
from kokin.reports._changes import open_exceptions
from kokin.reports._elements import Html, column_chart, html, meter, render_grid, stacked_series, tag
from kokin.reports._page_parts import NO_PAYEE, PagePart

if TYPE_CHECKING:
    from kokin.ledger import Settlement
    from kokin.reports._report import Report

# Tone and sentence of a control that is balanced or not; any other is not checked.
_CONTROL_STATES = {True: ("good", "holds"), False: ("bad", "differs")}
# Dispositions of money; outcomes that lower a balance; outcomes that are excess as a whole.
_MONEY = (Disposition.APPLIED, Disposition.EXCESS, Disposition.SUSPENSE)
_LOWERING = (Outcome.MATCHED, Outcome.UNDERPAID, Outcome.OVERPAID)
_EXCESS = (Outcome.DUPLICATE_PAYMENT, Outcome.BILL_CHANGED, Outcome.CANCELLED_BILL)
# The yen of a settlement statement, and its rate.
_STATEMENT = ("assessed", "collected", "refundable", "refunded", "written_off", "unpaid", "rate")
# Columns of a chart, at most.
_MAX_DAYS, _MAX_MONTHS = 45, 24
# Places where a control differs: how many are named in its row.
_MAX_PLACES = 8


class TotalsPart(PagePart):
    """Key figures and sections of everything since the beginning."""

    def sections(self) -> dict[str, Callable[[], Html]]:
        """Return what renders each section, by its id."""
        return {
            "look": self.exceptions_section,
            "funnel": self.funnel_section,
            "totals": self.totals_section,
            "rates": self.rates_section,
            "settlement": self.controls_section,
            "waiting": self.aging_section,
            "refunds": self.refunds_section,
            "records": self.sources_section,
        }

    def key_figures(self) -> Html:
        """Return four key figures; with several payees those of each, a row each."""
        if self.has_payees:
            return self._payee_figures()
        return tag("div", *self._cards(), class_="cards")

    def _payee_figures(self) -> Html:
        """Return the key figures of each payee, a row each."""
        terms, tables = self.terms, self.tables
        exceptions = {cell: len(rows) for (cell,), rows in self.by_payee(open_exceptions(tables["exceptions"]))}
        arrears = {cell: pc.sum(rows.column("unpaid")).as_py() for (cell,), rows in self.by_payee(tables["arrears"])}
        heads = [
            *self.payee_head,
            (terms.sentence("stage_receipts"), "n"),
            *((terms.value("disposition", name), "n") for name in Disposition),
            (terms.sentence("card_look"), "n"),
            (terms.sentence("card_arrears"), "n"),
        ]
        rows = [
            (cell, totals["receipts"], *totals["dispositions"].values(), exceptions.get(cell, 0), arrears.get(cell, 0))
            for cell, totals in ((code or NO_PAYEE, totals) for code, totals in self.report.summary["payees"].items())
        ]
        return render_grid(heads, rows)

    def _cards(self) -> list[Html]:
        """Return the key figures: money, applied yen, exceptions and arrears."""
        tables, terms = self.tables, self.terms
        dispositions = {Disposition(name): amount for name, amount in self.report.summary["dispositions"].items()}
        applied, arrears = dispositions[Disposition.APPLIED], tables["arrears"]
        all_exceptions = len(tables["exceptions"])
        exceptions = len(open_exceptions(tables["exceptions"]))
        rejected = sum(self.report.summary.get("rejected", {}).values())
        note = {"rejected": f"{rejected:,}"}
        if self.has_states:  # then the rejected records and files are exceptions, too
            note, rejected = {"closed": f"{all_exceptions - exceptions:,}"}, 0
        # A reversal without a payment makes suspense negative; it does not lower what was received.
        received = sum(max(dispositions[name], 0) for name in _MONEY)
        return [
            self.card("card_money", terms.yen(sum(dispositions[name] for name in _MONEY))),
            self.card("card_applied", terms.yen(applied), rate=_percent(applied, received)),
            self.card(
                "card_look_open" if self.has_states else "card_look",
                f"{exceptions:,}{terms.sentence('card_look_unit')}",
                "warn" if exceptions or rejected else None,
                href="#look",
                **note,
            ),
            self.card("card_arrears", terms.yen(pc.sum(arrears.column("unpaid")).as_py() or 0), n=f"{len(arrears):,}"),
        ]

    # --- sections on the receipts -----------------------------------------------------------------------------------

    def exceptions_section(self) -> Html:
        """Return the open rows of ③ by code, then all one by one, and the issues of rejected or flagged records."""
        sentence, table = self.terms.sentence, self.tables["exceptions"]
        rows = [
            (payee, group["outcome"], "warn", group["count_all"], group["amount_sum"])
            for payee, of_payee in self.by_payee(open_exceptions(table))
            for group in of_payee.group_by("outcome").aggregate([("amount", "sum"), ([], "count_all")]).to_pylist()
        ]
        rows.sort(key=lambda row: (-(row[-1] or 0), row[1]))
        issues = None
        if len(self.tables["issues"]):
            issues = html(tag("h3", self.terms.table("issues"), id="rejected"), self.rows("issues"))
        return html(
            self._outcome_grid((sentence("what"), self.terms.heading("exceptions", "code")), rows) if rows else None,
            tag("h3", self.terms.table("exceptions")),
            self.exceptions("exceptions"),
            issues,
        )

    def funnel_section(self) -> Html:
        """Return how many records reached each stage and why others did not, and ② by outcome."""
        sentence, stages = self.terms.sentence, _stages(self.report)
        highest = max(count for _, count, _ in stages)
        still_open = self.report.summary.get("rejected", {}).get("records", 0)
        rows = []
        for name, count, drops in stages:
            text = " · ".join(
                sentence(f"drop_{reason}", n=f"{number:,}", open=f"{still_open:,}")
                for reason, number in drops
                if number > 0
            )
            rows.append((sentence(f"stage_{name}"), count, meter(count, highest, "s0"), text))
        heads = [("", ""), (sentence("count"), "n"), ("", "wide"), ("", "soft")]
        return html(render_grid(heads, rows), tag("h3", self.terms.table("outcomes")), self._outcomes())

    def _outcomes(self) -> Html:
        """Return count and yen of each outcome, the most frequent first."""
        summary = self.report.summary
        outcomes: list[tuple[Sequence[str], Mapping[str, Any]]] = [((), summary["outcomes"])]
        if self.has_payees:
            outcomes = [((code or NO_PAYEE,), totals["outcomes"]) for code, totals in summary["payees"].items()]
        rows = []
        for payee, groups in outcomes:
            for name, group in groups.items():
                tone = "good" if name == Outcome.MATCHED else "warn" if Outcome(name).is_exception else "calm"
                rows.append((payee, name, tone, group["count"], group["amount"]))
        rows.sort(key=lambda row: (-row[3], row[1]))
        return self._outcome_grid(
            (self.terms.heading("outcomes", "outcome"), self.terms.heading("issues", "code")), rows
        )

    def _outcome_grid(
        self, titles: tuple[str, str], rows: Sequence[tuple[Sequence[str], str, str, int, int | None]]
    ) -> Html:
        """Return a grid of outcomes, by payee, in the order of the rows: payee, code, tone, count, yen."""
        sentence = self.terms.sentence
        rows = sorted(rows, key=lambda row: tuple(row[0]))
        highest = max((count for *_, count, _ in rows), default=0)
        heads = [
            *self.payee_head,
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
            *(self._daily_chart(*payee) for payee in self.by_payee(self.tables["daily"])),
            self.titled_rows("daily", [("received_on", "descending"), received], without=("account",)),
            *(self._monthly_chart(*payee) for payee in self.by_payee(self.tables["monthly"])),
            self.titled_rows("monthly", [("month", "descending"), received], without=("account",)),
            *(self.titled_rows(name) for name in ("late", "closings") if len(self.tables["closings"])),
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
            for payee, of_payee in self.by_payee(table)
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
            *self.payee_head,
            (terms.heading("receivables", "charge"), ""),
            (terms.heading("receivables", "billed"), "n"),
            (terms.sentence("collected"), "n"),
            (terms.heading("receivables", "unpaid"), "n"),
            (terms.heading("receivables", "rate"), "n"),
            ("", "wide"),
        ]
        grid = render_grid(heads, rows) if rows else None
        return html(
            grid, *map(self._statement, self.report.statements), *map(self.titled_rows, ("receivables", "revenue"))
        )

    def _statement(self, statement: Settlement) -> Html:
        """Return a settlement statement: a row for each charge and year class, then its sums, and its controls."""
        terms, sentence, name = self.terms, self.terms.sentence, "settlement_statement"
        table = self._with_unregistered(statement.table).select(["payee_code", "charge", "year_class", *_STATEMENT])
        rows = [
            *table.to_pylist(),
            *({"charge": sentence("total"), **row} for row in statement.totals.to_pylist()),
        ]
        keys = (*(["payee_code"] if self.has_payees else []), "charge", "year_class")
        cells = [
            (*(terms.value(key, row[key]) for key in keys), *(row[column] for column in _STATEMENT)) for row in rows
        ]
        heads = [
            *((terms.heading(name, key), "") for key in keys),
            *((terms.heading(name, key), "n") for key in _STATEMENT),
        ]
        period = terms.value("period", statement.period.value)
        title = sentence("statement", year=statement.year, period=period, entry=statement.entry)
        states = sentence("comma").join(
            f"{control.name} {sentence('holds' if control.holds else 'differs')}"
            for control in statement.controls.values()
        )
        return html(tag("h3", title), render_grid(heads, cells), tag("p", states, class_="note"))

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
            self.rows("settlements", order, without=("differs",), table=table),
        )

    def aging_section(self) -> Html:
        """Return ⑩ and 未納一覧 by age, then one by one."""
        pending, terms = self.tables["pending"], self.terms
        kinds = [
            (terms.value("kind", kind), pending.filter(pc.equal(pending.column("kind"), kind)), "amount")
            for kind in AgingKind
        ]
        return html(
            self.age_grid([*kinds, (terms.sentence("arrears"), self.tables["arrears"], "unpaid")]),
            self.titled_rows("pending", [("days", "descending")]),
            self.titled_rows("arrears", [("unpaid", "descending")], without=("system",)),
        )

    def refunds_section(self) -> Html:
        """Return ④ and the set-off candidates."""
        return html(self.rows("overpayments", [("excess", "descending")]), self.titled_rows("offers"))

    def sources_section(self) -> Html:
        """Return ① and ⑪, and the policy of the run."""
        policy: Mapping[str, object] = self.report.summary["policy"]
        settings = [(name, json.dumps(value, ensure_ascii=False)) for name, value in policy.items()]
        grid = render_grid([("", ""), ("", "wrap")], settings)
        return html(
            self.rows("files"),
            self.titled_rows("audit", [("entry", "descending")]),
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
