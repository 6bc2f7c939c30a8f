"""The first half of the page: are all yen accounted for, and what is there to look at?"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import TYPE_CHECKING, Any

import pyarrow as pa
import pyarrow.compute as pc

from kokin.model import Disposition, Outcome
from kokin.reports._charts import meter, share_bar
from kokin.reports._html import Html, html, tag
from kokin.reports._lists import grid, listed
from kokin.reports._words import Words

if TYPE_CHECKING:
    from kokin.reports._report import Report

_TONES = {
    Disposition.APPLIED: "good",
    Disposition.EXCESS: "warn",
    Disposition.SUSPENSE: "bad",
    Disposition.PROVISIONAL: "calm",
    Disposition.NO_EFFECT: "mute",
}
_MONEY = (Disposition.APPLIED, Disposition.EXCESS, Disposition.SUSPENSE)
_LOWERED = (Outcome.MATCHED, Outcome.UNDERPAID, Outcome.OVERPAID)
_RETURNED = (Outcome.DUPLICATE_PAYMENT, Outcome.BILL_CHANGED, Outcome.CANCELLED_BILL)

_YES = Html('<svg class="sign good" viewBox="0 0 24 24" aria-hidden="true"><path d="M5 12.5l4.5 4.5L19 7.5"/></svg>')
_NO = Html('<svg class="sign bad" viewBox="0 0 24 24" aria-hidden="true"><path d="M12 6v8M12 17.5v.5"/></svg>')


def answer(report: Report, words: Words) -> Html:
    """Whether all yen are accounted for, in what, and how much there is to do."""
    summary, tables = report.summary, report.tables
    dispositions = {Disposition(name): yen for name, yen in summary["dispositions"].items()}
    told = summary["controls"]
    broken = [name for name, control in told.items() if control["holds"] is False]
    unchecked = [name for name, control in told.items() if control["holds"] not in (True, False)]
    held = len(told) - len(broken) - len(unchecked)
    facts = [words.say("checked", n=len(told), held=held)]
    if unchecked:
        facts.append(words.say("unchecked", names=", ".join(unchecked)))
    amounts = {"receipts": f"{summary['receipts']:,}", "amount": words.yen(summary["amount"])}
    reasons = [_difference(name, told[name], words) for name in broken] or [words.say("accounted_by", **amounts)]
    said = tag(
        "div",
        tag("h1", words.say("broken", names=", ".join(broken)) if broken else words.say("accounted")),
        *(tag("p", reason) for reason in reasons),
        tag("p", " · ".join(facts), class_="soft"),
    )
    parts = [(words.value("disposition", name), _TONES[name], yen) for name, yen in dispositions.items()]
    headline = tag("div", _NO if broken else _YES, said, class_="headline")
    return html(
        tag("div", headline, share_bar(parts, words), class_="answer"),
        tag("div", *_cards(dispositions, tables, words), class_="cards"),
    )


def _difference(name: str, control: Mapping[str, Any], words: Words) -> str:
    """What is wrong with a control equation."""
    places = ", ".join(control.get("broken", [])[:3])
    difference = words.yen(control["left"] - control["right"])
    statement = words.value("control", name)
    return words.say(
        "broken_by", name=name, statement=statement, difference=difference, places=f"({places})" if places else ""
    ).strip()


def _cards(dispositions: dict[Disposition, int], tables: Any, words: Words) -> list[Html]:
    money = sum(dispositions[name] for name in _MONEY)
    arrears = tables["arrears"]
    owed = pc.sum(arrears.column("unpaid")).as_py() or 0
    look, issues = len(tables["exceptions"]), len(tables["issues"])
    # What was taken back without a payment makes suspense negative; it is no part of what came.
    came = sum(max(dispositions[name], 0) for name in _MONEY)
    rate = words.say("card_applied_note", rate=percent(dispositions[Disposition.APPLIED], came))
    return [
        _card("card_money", words.yen(money), words.say("card_money_note"), words),
        _card("card_applied", words.yen(dispositions[Disposition.APPLIED]), rate, words),
        _card(
            "card_look",
            f"{look:,}{words.say('card_look_unit')}",
            words.say("card_look_note", issues=f"{issues:,}"),
            words,
            "warn" if look or issues else None,
        ),
        _card("card_arrears", words.yen(owed), words.say("card_arrears_note", n=f"{len(arrears):,}"), words),
    ]


def _card(name: str, value: str, note: str, words: Words, tone: str | None = None) -> Html:
    return tag("div", tag("span", words.say(name)), tag("b", value, class_=tone), tag("small", note), class_="card")


def percent(part: int, whole: int) -> str:
    """A share in percent, cut after one digit: only all is 100."""
    tenths = part * 1000 // whole if whole else 0
    return f"{tenths // 10}.{tenths % 10}%" if whole else "–"


def to_look_at(report: Report, words: Words, most: int, files: Collection[str]) -> Html:
    """③ by what it is, and then one by one; the records that were kept out."""
    table, issues = report.tables["exceptions"], report.tables["issues"]
    found = _by(table, "outcome")
    highest = max((count for _, count, _ in found), default=0)
    rows = [
        (tag("span", words.value("outcome", name), class_="tag warn"), name, count, yen, meter(count, highest, "warn"))
        for name, count, yen in found
    ]
    heads = [(words.say("what"), ""), (words.column("exceptions", "code"), "d"), (words.say("count"), "n")]
    told = grid([*heads, (words.say("yen"), "n"), ("", "wide")], rows) if rows else html()
    order = [("amount", "descending")]
    parts = [
        told,
        tag("h3", words.table("exceptions")),
        listed("exceptions", table, words, most, order=order, files=files),
    ]
    if len(issues):
        parts += [tag("h3", words.table("issues")), listed("issues", issues, words, most, files=files)]
    return html(*parts)


def _by(table: pa.Table, name: str) -> list[tuple[str, int, int | None]]:
    """Rows and yen by a column, the most frequent first."""
    told = table.group_by(name).aggregate([("amount", "sum"), ([], "count_all")]).to_pylist()
    return sorted(((row[name], row["count_all"], row["amount_sum"]) for row in told), key=lambda row: (-row[1], row[0]))


def funnel(report: Report, words: Words, most: int, files: Collection[str]) -> Html:
    """How far the records came, stage by stage, and what stayed behind at each."""
    stages = _stages(report)
    highest = max(count for _, count, _ in stages)
    rows = []
    for name, count, drops in stages:
        lost = " · ".join(words.say(f"drop_{why}", n=f"{number:,}") for why, number in drops if number > 0)
        rows.append((words.say(f"stage_{name}"), count, meter(count, highest, "s0"), lost))
    heads = [("", ""), (words.say("count"), "n"), ("", "wide"), ("", "soft")]
    return html(grid(heads, rows), tag("h3", words.table("outcomes")), outcomes(report, words))


def _stages(report: Report) -> list[tuple[str, int, list[tuple[str, int]]]]:
    """Of each stage its name, how many reached it, and how many of those before it did not and why."""
    summary, waiting = report.summary, report.tables["pending"].column("kind")
    told = {Outcome(name): row["count"] for name, row in summary["outcomes"].items()}
    receipts = summary["receipts"]
    waits, unknown = (pc.sum(pc.equal(waiting, kind)).as_py() or 0 for kind in ("provisional", "suspense"))
    applied, returned = (sum(told.get(name, 0) for name in names) for names in (_LOWERED, _RETURNED))
    known = applied + returned
    money = known + unknown
    stages: list[tuple[str, int, list[tuple[str, int]]]] = []
    if summary["files"]:
        read, accepted, unpaid, rejected = (
            sum(file[name] for file in summary["files"]) for name in ("read", "accepted", "unpaid", "rejected")
        )
        stages += [("read", read, []), ("accepted", accepted, [("rejected", rejected), ("unpaid", unpaid)])]
        if accepted != receipts:
            stages.append(("receipts", receipts, [("reversed", accepted - receipts)]))
    else:
        stages.append(("receipts", receipts, []))
    return [
        *stages,
        ("money", money, [("no_effect", receipts - money - waits), ("waiting", waits)]),
        ("known", known, [("suspense", unknown)]),
        ("applied", applied, [("returned", returned)]),
    ]


def outcomes(report: Report, words: Words) -> Html:
    """② by outcome."""
    told = sorted(report.summary["outcomes"].items(), key=lambda row: (-row[1]["count"], row[0]))
    highest = max((row["count"] for _, row in told), default=0)
    rows = []
    for name, row in told:
        tone = "good" if name == Outcome.MATCHED else "warn" if Outcome(name).is_exception else "calm"
        said = tag("span", words.value("outcome", name), class_=f"tag {tone}")
        rows.append((said, name, row["count"], row["amount"], meter(row["count"], highest, tone)))
    heads = [
        (words.column("outcomes", "outcome"), ""),
        (words.column("issues", "code"), "d"),
        (words.say("count"), "n"),
    ]
    return grid([*heads, (words.say("yen"), "n"), ("", "wide")], rows)
