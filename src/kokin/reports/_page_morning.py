"""The first part of the page: what somebody has to know this morning, in the order of the questions."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from kokin.model import Disposition, RefundState
from kokin.reconcile import AGING_BUCKETS, AgingKind
from kokin.reports._elements import BAD_SIGN, GOOD_SIGN, WARN_SIGN, Html, html, render_grid, share_bar, tag
from kokin.reports._page_parts import PagePart

_DISPOSITION_TONES = {
    Disposition.APPLIED: "good",
    Disposition.EXCESS: "warn",
    Disposition.SUSPENSE: "bad",
    Disposition.PROVISIONAL: "calm",
    Disposition.NO_EFFECT: "mute",
}
# Places where a control differs: how many are named in the headline.
_MAX_PLACES = 3
# The columns of ⓪.
_INTAKE_COLUMNS = ("label", "intake_state", "day", "deadline", "bank_days", "file", "at", "records", "amount")


class MorningPart(PagePart):
    """Expected files, what came, what is new and what was resolved, whether the books balance, and what waits."""

    def sections(self) -> dict[str, Callable[[], Html]]:
        """Return what renders each section, by its id."""
        intake = {"intake": self.intake_section} if self.report.intake else {}
        changed = {"came": self.files_section, "new": self.new_section, "resolved": self.resolved_section}
        return {**intake, **(changed if self.report.changes else {})}

    def first_screen(self) -> Html:
        """Return the answers in short, in the order of the questions."""
        return html(
            self._since_line(),
            self.intake_line(),
            self.change_cards(),
            self.balance(),
            tag("h3", self.terms.sentence("waits")),
            self.age_grid(self._waiting()),
        )

    def _since_line(self) -> Html:
        """Return since when things are new; nothing if the report is compared with no earlier state."""
        if self.report.changes is None:
            return html()
        entry, day = self.report.changes.since
        note = self.terms.sentence("since" if entry else "since_beginning", day=self.terms.date(day), entry=entry)
        return tag("h2", self.terms.sentence("morning"), tag("small", note), class_="part first")

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
        rows = self.rows("intake", table=self.tables["intake"].select(_INTAKE_COLUMNS))
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

    # --- what came, what is new, what was resolved ------------------------------------------------------------------

    def change_cards(self) -> Html:
        """Return what came, final and provisional apart, what is new, what was resolved and what is open."""
        changes, terms, sentence = self.report.changes, self.terms, self.terms.sentence
        if changes is None:
            return html()
        final, provisional = changes.total("final"), changes.total("provisional")
        files, new, resolved = (len(table) for table in changes.tables.values())
        before = changes.open_exceptions - new + resolved
        note = sentence("card_came_none")
        if changes.previous:
            day, total = changes.previous
            values = {"records": f"{total.records:,}", "amount": terms.yen(total.amount)}
            note = sentence("card_came_previous", day=f"{day.month}/{day.day}", **values)
        came = {"n": f"{final.records:,}", "files": f"{files:,}", "previous": note}
        sum_of_open = {"before": f"{before:,}", "new": f"{new:,}", "resolved": f"{resolved:,}"}
        cards = [
            self.card("card_came", terms.yen(final.amount), href="#came", **came),
            self.card("card_provisional", terms.yen(provisional.amount), href="#came", n=f"{provisional.records:,}"),
            self.card("card_new", self._count(new), "warn" if new else None, href="#new"),
            self.card("card_resolved", self._count(resolved), href="#resolved"),
            self.card("card_open", self._count(changes.open_exceptions), **sum_of_open),
        ]
        return tag("div", *cards, class_="cards")

    def _count(self, number: int) -> str:
        return f"{number:,}{self.terms.sentence('card_look_unit')}"

    def files_section(self) -> Html:
        """Return the files that came."""
        return self.rows("new_files", without=("layout",))

    def new_section(self) -> Html:
        """Return the exceptions that are new, the largest amounts first."""
        return self.exceptions("new_exceptions")

    def resolved_section(self) -> Html:
        """Return the exceptions that were resolved, the largest amounts first."""
        return self.exceptions("resolved_exceptions")

    # --- do the books balance? ---------------------------------------------------------------------------------------

    def balance(self) -> Html:
        """Return whether the books balance: green if every control is balanced and no record or file was rejected."""
        summary, sentence = self.report.summary, self.terms.sentence
        controls, rejected = summary["controls"], summary.get("rejected", {"records": 0, "files": 0})
        broken = [name for name, control in controls.items() if control["holds"] is False]
        unchecked = [name for name, control in controls.items() if control["holds"] not in (True, False)]
        balanced = len(controls) - len(broken) - len(unchecked)
        counts = {"unchecked": len(unchecked), "rejected": rejected["records"], "rejected_files": rejected["files"]}
        state = sentence("comma").join(
            [
                sentence("state_balanced", n=balanced),
                *(sentence(f"state_{name}", n=f"{n:,}") for name, n in counts.items() if n),
            ]
        )
        is_complete = not broken and not any(counts.values())
        sign = BAD_SIGN if broken else GOOD_SIGN if is_complete else WARN_SIGN
        is_divided = controls.get("T4", {}).get("holds") is True
        title = (
            sentence("broken", names=", ".join(broken))
            if broken
            else sentence("accounted" if is_divided else "partly_checked", state=state)
        )
        amounts = {"receipts": f"{summary['receipts']:,}", "amount": self.terms.yen(summary["amount"])}
        reasons = [self._difference(name, controls[name]) for name in broken]
        if not broken and is_divided:
            reasons = [sentence("accounted_by", **amounts)]
        details = [state] if broken else []
        if unchecked:
            details.append(sentence("unchecked", names=", ".join(unchecked)))
        text = tag(
            "div",
            tag("h1", title),
            *(tag("p", reason) for reason in reasons),
            *(tag("p", detail, class_="soft") for detail in details),
            tag("p", tag("a", sentence("rejected_link"), href="#rejected"))
            if rejected["records"] or rejected["files"]
            else None,
        )
        dispositions = {Disposition(name): amount for name, amount in summary["dispositions"].items()}
        parts = [
            (self.terms.value("disposition", name), _DISPOSITION_TONES[name], amount)
            for name, amount in dispositions.items()
        ]
        return tag("div", tag("div", sign, text, class_="headline"), share_bar(parts, self.terms), class_="answer")

    def _difference(self, name: str, control: Mapping[str, Any]) -> str:
        """Return how the sides of a broken control differ, and where."""
        places = ", ".join(control.get("broken", [])[:_MAX_PLACES])
        return self.terms.sentence(
            "broken_by",
            name=name,
            statement=self.terms.value("control", control["statement"]),
            difference=self.terms.yen(control["left"] - control["right"]),
            places=f"({places})" if places else "",
        ).strip()

    # --- what waits, and how long? -----------------------------------------------------------------------------------

    def _waiting(self) -> list[tuple[str, pa.Table, str]]:
        """Return what waits: 速報 without 確報, 不明金, deposits that are missing, and refunds that are undecided."""
        pending, terms = self.tables["pending"], self.terms
        has_deposits = self.report.summary["controls"].get("T3", {}).get("holds") in (True, False)
        rows = [
            (terms.sentence(f"waits_{kind.value}"), pending.filter(pc.equal(pending.column("kind"), kind)), "amount")
            for kind in AgingKind
            if kind is not AgingKind.UNSETTLED or has_deposits
        ]
        refunds = self.tables["overpayments"]
        refunds = refunds.filter(pc.equal(refunds.column("state"), RefundState.OPEN.value))
        days = pc.days_between(refunds.column("paid_on"), pa.scalar(self.report.as_of))
        return [*rows, (terms.sentence("refunds_open"), refunds.append_column("age", _ages(days)), "excess")]


def _ages(days: pa.ChunkedArray) -> pa.ChunkedArray:
    """Return the bucket of :data:`~kokin.reconcile.AGING_BUCKETS` of each number of days."""
    age = pa.repeat(AGING_BUCKETS[0], len(days))
    for bucket in AGING_BUCKETS[1:]:
        first = int(bucket.rstrip("+").split("-")[0])
        age = pc.if_else(pc.fill_null(pc.greater_equal(days, first), False), bucket, age)
    return age
