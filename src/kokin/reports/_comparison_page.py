"""The files of a parallel run: the differences, and the page that the authority signs."""

from __future__ import annotations

import json
from datetime import datetime
from pathlib import Path
from typing import Any

from kokin.reports._comparison import Cause, ComparedFile, Comparison, ComparisonResult
from kokin.reports._csv import write_csv
from kokin.reports._elements import BAD_SIGN, GOOD_SIGN, Html, html, render_grid, tag
from kokin.reports._page import render_document
from kokin.reports._report import replaced_folder
from kokin.reports._terms import Language, Terms
from kokin.text import JAPAN

# So many causes and rows are on the page; the other files have all.
_MAX_CAUSES, _MAX_ROWS = 50, 100
_BREAK = Html("<br>")


def write_comparison(comparison: Comparison, folder: str | Path, *, at: datetime, language: Language = "ja") -> None:
    """Write ``comparison.html``, the page to be signed, ``differences.csv`` and ``comparison.json``.

    Args:
        comparison: the result of :func:`kokin.reports.compare`.
        folder: the folder; it is created if it does not exist. If anything fails, the folder is unchanged.
        at: the time of the comparison, with a zone; it is shown in the time of Japan.
        language: the language of the page.

    Raises:
        OSError: the folder cannot be written.
    """
    moment = at.astimezone(JAPAN)
    page = _Page(comparison, Terms(language), moment)
    with replaced_folder(Path(folder), last="comparison.json") as draft:
        write_csv(comparison.differences, draft / "differences.csv", "utf-8-sig")
        (draft / "comparison.html").write_text(page.render(), encoding="utf-8")
        summary = {"at": moment.isoformat(timespec="seconds"), **comparison.as_dict()}
        text = json.dumps(summary, ensure_ascii=False, indent=2)
        (draft / "comparison.json").write_text(text + "\n", encoding="utf-8")


class _Page:
    """The sections of the page."""

    def __init__(self, comparison: Comparison, terms: Terms, at: datetime) -> None:
        self.comparison, self.terms, self.at = comparison, terms, at

    def render(self) -> str:
        sections = [
            ("compared_totals", html(self._totals(), self._controls())),
            ("compared_causes", self._causes()),
            ("compared_files", html(self._files(), self._map())),
            ("signatures", self._signatures()),
            ("compared_rows", self._rows()),
        ]
        return render_document(
            self.terms,
            title=self.terms.sentence("comparison"),
            day=self.at.date(),
            headline=self._headline(),
            sections=html(*(tag("section", tag("h2", self.terms.sentence(key)), body) for key, body in sections)),
        )

    def _headline(self) -> Html:
        found, sentence = self.comparison, self.terms.sentence
        broken = [name for name, control in found.controls.items() if control.holds is not True]
        count = len(found.differences)
        title = (
            sentence("broken", names=", ".join(broken))
            if broken
            else sentence("compared_same")
            if found.is_same
            else sentence("compared_different", n=f"{count:,}")
        )
        yen = found.new.yen - found.old.yen
        name = self._column(found.mapping.yen_column)
        text = sentence("compared_yen", column=name, yen=self.terms.yen(yen), at=f"{self.at:%Y-%m-%d %H:%M} JST")
        lines = tag("div", tag("h1", title), tag("p", text, class_="soft"))
        sign = tag("div", GOOD_SIGN if found.is_same and not broken else BAD_SIGN, lines, class_="headline")
        return tag("div", sign, class_="answer")

    def _column(self, name: str) -> str:
        return str(self.terms.value("field", name))

    def _result(self, result: str) -> str:
        return str(self.terms.value("compared", result))

    def _totals(self) -> Html:
        sentence, found = self.terms.sentence, self.comparison
        heads = [
            ("", ""),
            (sentence("rows_old"), "n"),
            (sentence("rows_new"), "n"),
            (sentence("yen_old"), "n"),
            (sentence("yen_new"), "n"),
            (sentence("difference"), "n"),
        ]
        names = ("old_rows", "new_rows", "old_yen", "new_yen")
        rows: list[list[Any]] = []
        for result in ComparisonResult:
            total = [found.totals[result][name] for name in names]
            rows.append([self._result(result), *total, total[3] - total[2]])
        sums = [found.old.rows, found.new.rows, found.old.yen, found.new.yen]
        rows.append([tag("b", sentence("total")), *sums, sums[3] - sums[2]])
        return render_grid(heads, rows)

    def _controls(self) -> Html:
        sentence = self.terms.sentence
        states = {True: ("good", "holds"), False: ("bad", "differs"), None: ("mute", "not_checked")}
        heads = [("", "wrap"), (sentence("left"), "n"), (sentence("right"), "n"), ("", "")]
        rows = []
        for control in self.comparison.controls.values():
            tone, state = states[control.holds]
            statement = self.terms.value("control", control.statement)
            rows.append([statement, control.left, control.right, tag("span", sentence(state), class_=f"tag {tone}")])
        return html(tag("h3", sentence("settlement")), render_grid(heads, rows))

    def _causes(self) -> Html:
        sentence, causes = self.terms.sentence, self.comparison.causes
        if not causes:
            return tag("p", sentence("none"), class_="note")
        heads = [
            (sentence("compared"), ""),
            (sentence("compared_cause"), "wrap"),
            (sentence("count"), "n"),
            (sentence("yen_old"), "n"),
            (sentence("yen_new"), "n"),
            (sentence("difference"), "n"),
        ]
        rows = [
            [
                self._result(each.result),
                self._cause(each),
                each.rows,
                each.old_yen,
                each.new_yen,
                each.new_yen - each.old_yen,
            ]
            for each in causes[:_MAX_CAUSES]
        ]
        return html(render_grid(heads, rows), self._cut(len(causes), _MAX_CAUSES, "comparison.json"))

    def _cause(self, cause: Cause) -> Html:
        parts = self.comparison.describe(cause, self.terms.language)
        return html(*(html(_BREAK if at else None, part) for at, part in enumerate(parts))) if parts else html("–")

    def _rows(self) -> Html:
        """Return the first differing rows, each compared column with the old and the new value."""
        sentence, mapping = self.terms.sentence, self.comparison.mapping
        table = self.comparison.differences
        if not len(table):
            return tag("p", sentence("none"), class_="note")
        heads = [(sentence("compared"), ""), *((self._column(name), "d") for name in mapping.key_columns)]
        for name in mapping.compared:
            css = "n" if mapping.is_amount(name) else ""
            heads += [(sentence(key, column=self._column(name)), css) for key in ("compared_old", "compared_new")]
        rows = []
        for row in table.slice(0, _MAX_ROWS).to_pylist():
            cells: list[Any] = [self._result(row["result"]), *(str(row[name]) for name in mapping.key_columns)]
            for name in mapping.compared:
                cells += [self.terms.value(name, row[f"{name}_{side}"]) for side in ("old", "new")]
            rows.append(cells)
        return html(render_grid(heads, rows), self._cut(len(table), _MAX_ROWS, "differences.csv"))

    def _cut(self, count: int, shown: int, file: str) -> Html:
        if count <= shown:
            return html()
        return tag("p", self.terms.sentence("cut_in", shown=f"{shown:,}", all=f"{count:,}", file=file), class_="note")

    def _files(self) -> Html:
        sentence = self.terms.sentence
        heads = [("", ""), (sentence("file"), "wrap"), (sentence("count"), "n"), (sentence("yen"), "n")]
        rows = [
            [sentence(key), self._file(side), side.rows, side.yen]
            for key, side in (("old_system", self.comparison.old), ("kokin", self.comparison.new))
        ]
        return render_grid(heads, rows)

    def _file(self, side: ComparedFile) -> Html:
        return html(side.name or "–", _BREAK, tag("code", f"SHA-256 {side.digest}")) if side.digest else html("–")

    def _map(self) -> Html:
        settings = self.comparison.mapping.model_dump(mode="json", exclude_defaults=True)
        settings |= {"key": self.comparison.mapping.key_columns, "compare": self.comparison.mapping.compared}
        rows = [(name, json.dumps(value, ensure_ascii=False)) for name, value in sorted(settings.items())]
        return html(tag("h3", self.terms.sentence("compared_map")), render_grid([("", ""), ("", "wrap")], rows))

    def _signatures(self) -> Html:
        sentence = self.terms.sentence
        heads = [("", ""), (sentence("signer"), ""), (sentence("signature"), ""), (sentence("signed_on"), "")]
        roles = ("signer_old", "signer_new", "signer_authority")
        grid = render_grid(heads, [[sentence(role), "", "", ""] for role in roles])
        return html(tag("p", sentence("signature_note"), class_="note"), tag("div", grid, class_="signatures"))
