"""What the parts of the page share: the report in one language, its lists, cards, and the sums by age and payee."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property, partial
from typing import TYPE_CHECKING

import pyarrow as pa
import pyarrow.compute as pc

from kokin.reconcile import AGING_BUCKETS
from kokin.reports._elements import Html, html, meter, render_grid, tag
from kokin.reports._lists import SortKeys, render_rows
from kokin.reports._tables import LazyTables
from kokin.reports._terms import Terms

if TYPE_CHECKING:
    from kokin.reports._report import Report

_AGE_TONES = ("calm", "calm", "warn", "bad")
# The column of payees, and the cell of rows that have none.
_PAYEE, NO_PAYEE = "payee_code", "–"
# Tables with charges; an item that the catalog lacks has its number instead of a charge.
_CHARGE_TABLES = ("daily", "monthly", "receivables", "revenue")


@dataclass(frozen=True)
class PagePart:
    """A part of the page."""

    report: Report
    terms: Terms
    max_rows: int | None
    csv_tables: Collection[str]

    @cached_property
    def has_payees(self) -> bool:
        """Whether the run has several payees; then the page has the sums of each."""
        return sum(map(bool, self.report.summary["payees"])) > 1

    @cached_property
    def tables(self) -> Mapping[str, pa.Table]:
        """The tables of the report with the number of an unknown item as its charge.

        They lack ``payee_code`` if all rows with a payee have the same.
        """
        return LazyTables({name: partial(self._shown, name) for name in self.report.tables})

    def _shown(self, name: str) -> pa.Table:
        table = self.report.tables[name]
        if name in _CHARGE_TABLES:
            table = self._with_unregistered(table)
        return table.drop_columns([_PAYEE]) if not self.has_payees and _PAYEE in table.schema.names else table

    def _with_unregistered(self, table: pa.Table) -> pa.Table:
        """Return a table with ``科目未登録 (999)`` for each null charge of a known item number."""
        charge, item = (table.column(name).cast(pa.string()) for name in ("charge", "item_code"))
        before, after = self.terms.sentence("unregistered", item="\0").split("\0")
        texts = pc.binary_join_element_wise(before, item, after, "")
        filled = pc.if_else(pc.and_(pc.is_null(charge), pc.not_equal(pc.fill_null(item, ""), "")), texts, charge)
        return table.set_column(table.column_names.index("charge"), "charge", filled)

    def by_payee(self, table: pa.Table) -> list[tuple[Sequence[str], pa.Table]]:
        """Return the rows of each payee with its cell; the whole table, without a cell, if the page has one payee."""
        if not self.has_payees:
            return [((), table)]
        codes = pc.fill_null(table.column(_PAYEE), "")
        return [
            ((code or NO_PAYEE,), table.filter(pc.equal(codes, code))) for code in sorted(pc.unique(codes).to_pylist())
        ]

    @property
    def has_states(self) -> bool:
        """Whether exceptions have a state, as those of a ledger."""
        return "exception_state" in self.tables["exceptions"].column_names

    @property
    def payee_head(self) -> list[tuple[str, str]]:
        """The heading of the cell of a payee; none if the page has one payee."""
        return [(self.terms.heading("balances", _PAYEE), "d")] if self.has_payees else []

    def section(self, name: str, content: Html) -> Html:
        title = tag("h2", self.terms.sentence(name), tag("small", self.terms.sentence(f"{name}_note")))
        return tag("section", title, content, id=name)

    def rows(self, name: str, order: SortKeys = (), without: Collection[str] = (), table: pa.Table = None) -> Html:
        """Return a table of the report (or ``table``, with its headings) as a list."""
        table = self.tables[name] if table is None else table
        return render_rows(
            name,
            table,
            self.terms,
            self.max_rows,
            order=order,
            without=without,
            csv_tables=self.csv_tables,
            has_ledger="entries" in self.report.summary,
        )

    def exceptions(self, name: str) -> Html:
        """Return a list of exceptions: the open ones first, the largest amounts first."""
        state = "exception_state"
        order = [(state, "descending")] if state in self.tables[name].column_names else []
        return self.rows(name, [*order, ("amount", "descending")], without=("entry_id",))

    def titled_rows(self, name: str, order: SortKeys = (), without: Collection[str] = ()) -> Html:
        return html(tag("h3", self.terms.table(name)), self.rows(name, order, without))

    def card(self, name: str, value: str, tone: str | None = None, href: str | None = None, **note: str) -> Html:
        """Return a key figure: its title, value and note; ``href`` is the section with its rows."""
        sentence = self.terms.sentence
        note_text = tag("small", sentence(f"{name}_note", **note))
        content = (tag("span", sentence(name)), tag("b", value, class_=tone), note_text)
        return tag("a", *content, class_="card", href=href) if href else tag("div", *content, class_="card")

    def age_grid(self, amounts: Sequence[tuple[str, pa.Table, str]]) -> Html:
        """Return a grid of yen and rows by age, from the name, rows with ``age``, and column of yen of each line."""
        terms = self.terms
        rows = [
            [*payee, *self._by_age(name, of_payee, column)]
            for name, table, column in amounts
            for payee, of_payee in self.by_payee(table)
        ]
        names = [("days_from" if age.endswith("+") else "days_of", age.rstrip("+")) for age in AGING_BUCKETS]
        ages = [(terms.sentence(name, age=age), "n age") for name, age in names]
        return render_grid([*self.payee_head, ("", ""), (terms.sentence("total"), "n age"), *ages], rows)

    def _by_age(self, name: str, table: pa.Table, column: str) -> list[Html]:
        """Return a row of the sums and counts by age, and in total."""
        groups = table.group_by("age").aggregate([(column, "sum"), ([], "count_all")]).to_pylist()
        by_age = {group["age"]: (group[f"{column}_sum"], group["count_all"]) for group in groups}
        sums = [by_age.get(age, (0, 0)) for age in AGING_BUCKETS]
        highest = max(amount for amount, _ in sums)
        bars = [meter(amount, highest, tone) for (amount, _), tone in zip(sums, _AGE_TONES, strict=True)]
        total = (sum(amount for amount, _ in sums), sum(count for _, count in sums))
        cells = [self._age_cell(amount, count, bar) for (amount, count), bar in zip(sums, bars, strict=True)]
        return [html(name), self._age_cell(*total, html()), *cells]

    def _age_cell(self, amount: int, count: int, bar: Html) -> Html:
        if not count:
            return html("–")
        return html(tag("b", self.terms.yen(amount)), tag("small", self.terms.sentence("rows_of", n=f"{count:,}")), bar)
