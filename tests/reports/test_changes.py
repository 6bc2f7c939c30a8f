"""What changed since the last report: files, new and resolved exceptions, and one number in every output."""

import csv
import json
import re
from datetime import date, datetime, time, timedelta

import openpyxl
import pyarrow as pa
import pytest

from kokin import receipts as receipt_files
from kokin.issues import InvalidInputError
from kokin.ledger import Ledger
from kokin.reports import CHANGE_TABLES, Report, default_since
from kokin.text import JAPAN
from tests.cli.conftest import run

HEADINGS = "payee_code,item_code,case_key,confirmation,amount,paid_on,kind,provider_key"
BILL = {"payee_code": "99999", "item_code": "127", "confirmation": "123456", "due_on": date(2026, 6, 30)}
THURSDAY, FRIDAY, MONDAY = date(2026, 11, 26), date(2026, 11, 27), date(2026, 11, 30)


class Clock:
    def __init__(self):
        self.now = datetime(2026, 11, 20, 9, tzinfo=JAPAN)

    def __call__(self):
        return self.now

    def set(self, day, hour):
        self.now = datetime.combine(day, time(hour), JAPAN)


def post(ledger, folder, name, *rows):
    """Post a file of ``case_key, amount, paid_on, kind`` rows."""
    lines = [f"99999,127,{case},123456,{yen},{day},{kind},{name}{n}" for n, (case, yen, day, kind) in enumerate(rows)]
    path = folder / name
    path.write_text("\n".join([HEADINGS, *lines, ""]), encoding="utf-8")
    return ledger.post(receipt_files.read(path, "kokin-csv", on_error="skip"), actor="batch")


@pytest.fixture(scope="module")
def town(tmp_path_factory):
    """A ledger of two nights: an invalid amount, provisionals, an overpayment, and a decision on the second day."""
    folder, clock = tmp_path_factory.mktemp("changes"), Clock()
    ledger = Ledger.create(folder / "town.db", clock=clock)
    bills = [{"bill_id": f"B{n}", "case_key": str(n), "amount": 1_000 * n, **BILL} for n in range(1, 6)]
    ledger.add_bills(pa.Table.from_pylist(bills), actor="clerk")
    clock.set(THURSDAY, 22)
    post(
        ledger,
        folder,
        "a.csv",
        ("1", "1000", THURSDAY, "final"),
        ("2", "2500", THURSDAY, "final"),
        ("3", "3000", THURSDAY, "provisional"),
        ("9", "700", THURSDAY, "final"),
        ("4", "4O00", THURSDAY, "final"),
    )
    clock.set(FRIDAY, 22)
    later = FRIDAY + timedelta(days=9)
    post(
        ledger,
        folder,
        "b.csv",
        ("3", "3000", FRIDAY, "final"),
        ("5", "900", FRIDAY, "final"),
        ("4", "10", later, "final"),
    )
    seen = [row["exception_id"] for row in ledger.work_list().to_pylist() if row["code"] in ("NO_BILL", "OVERPAID")]
    rows = [{"exception_id": each, "decision": "accept", "reason": "seen", "approver": "chief"} for each in seen]
    ledger.decide(pa.Table.from_pylist(rows), actor="clerk", source="work.xlsx")
    yield ledger, folder
    ledger.close()


def open_ids(ledger, as_of):
    return set(ledger.work_list(as_of).column("exception_id").to_pylist())


@pytest.mark.parametrize("since", [FRIDAY, datetime(2026, 11, 27, 21, tzinfo=JAPAN), 3])
def test_new_and_resolved_are_the_difference_of_two_reports(town, since):
    ledger, _ = town
    changes = Report.from_ledger(ledger, as_of=FRIDAY, since=since).changes
    before, now = open_ids(ledger, THURSDAY), open_ids(ledger, FRIDAY)
    new, resolved = (
        set(changes.tables[name].column("exception_id").to_pylist())
        for name in ("new_exceptions", "resolved_exceptions")
    )
    assert (new, resolved) == (now - before, before - now)
    assert any("FUTURE_DATE" in each for each in new)
    assert any("NO_BILL" in each for each in resolved)
    assert changes.open_exceptions == len(now) == len(before) + len(new) - len(resolved)


def test_files_that_came_have_final_and_provisional_records_apart(town):
    ledger, _ = town
    everything = Report.from_ledger(ledger, as_of=FRIDAY, since=date(2026, 1, 1)).changes
    names = ("source", "accepted", "rejected", "final", "final_yen", "provisional", "provisional_yen", "other")
    assert everything.tables["new_files"].select(names).to_pylist() == [
        dict(zip(names, ("a.csv", 4, 1, 3, 4_200, 1, 3_000, 0), strict=True)),
        dict(zip(names, ("b.csv", 3, 0, 3, 3_910, 0, 0, 0), strict=True)),
    ]
    assert everything.previous is None
    tonight = Report.from_ledger(ledger, as_of=FRIDAY, since=FRIDAY).changes
    assert (tonight.total("final"), tonight.total("provisional")) == ((3, 3_910), (0, 0))
    assert tonight.previous == (THURSDAY, (4, 7_200))


def test_an_unknown_entry_is_rejected(town):
    with pytest.raises(InvalidInputError) as caught:
        Report.from_ledger(town[0], since=99)
    assert [issue.code for issue in caught.value.issues] == ["ENTRY_UNKNOWN"]


def test_by_default_a_report_is_compared_with_the_last_one_of_an_earlier_day(town, tmp_path):
    ledger, _ = town
    entries = ledger.entries()
    # Without a report: what came on the previous business day or later is new.
    assert default_since(tmp_path / "out", entries, MONDAY) == (3, THURSDAY)
    thursday = Report.from_ledger(ledger, as_of=THURSDAY, since=date(2026, 1, 1))
    thursday.write(tmp_path / "out", formats=["html"])
    of_thursday = default_since(tmp_path / "out", entries, FRIDAY)
    assert of_thursday == (3, THURSDAY)
    friday = Report.from_ledger(ledger, as_of=FRIDAY, since=of_thursday)
    friday.write(tmp_path / "out", formats=["html"])
    # The same report once more: nothing of the morning is lost.
    assert default_since(tmp_path / "out", entries, FRIDAY) == of_thursday
    assert default_since(tmp_path / "out", entries, MONDAY) == (len(entries), FRIDAY)
    # A report of another ledger is none, nor is a file that cannot be read.
    summary = tmp_path / "out" / "summary.json"
    for text in (summary.read_text(encoding="utf-8").replace(entries[-1].hash, "0" * 64), "[]", "{"):
        summary.write_text(text, encoding="utf-8")
        assert default_since(tmp_path / "out", entries, MONDAY) == (3, THURSDAY)


def cards(page, title):
    """The numbers of the cards with a title."""
    return re.findall(rf"<span>{re.escape(title)}</span><b[^>]*>([^<]*)</b>", page)


@pytest.mark.parametrize("language", ["ja", "en"])
def test_each_number_is_the_same_in_every_output(town, tmp_path, language):
    _, folder = town
    result = run(
        *("report", "-L", folder / "town.db", "--as-of", FRIDAY, "--since", FRIDAY, "--out", tmp_path / "out"),
        *("--format", "csv", "--format", "html", "--format", "xlsx"),
        cwd=tmp_path,
        kokin_lang=language,
    )
    assert result.returncode == 1, result.stderr
    out = tmp_path / "out"
    summary = json.loads((out / "summary.json").read_text(encoding="utf-8"))
    page = (out / "report.html").read_text(encoding="utf-8")
    book = openpyxl.load_workbook(out / "report.xlsx")
    terms = {"ja": ("新規の要確認", "解消した要確認", "③要確認一覧", "問題一覧", "①取込結果票", "新着ファイル")}
    terms["en"] = ("New exceptions", "Resolved exceptions", "③Exceptions", "Import issues", "①Files", "New files")
    changes = summary["changes"]
    names = ("new_exceptions", "resolved_exceptions", "exceptions", "issues", "files", "new_files")
    counts = dict.fromkeys(names, 0)
    for name, title in zip(names, terms[language], strict=True):
        with (out / f"{name}.csv").open(encoding="utf-8-sig", newline="") as file:
            counts[name] = len(list(csv.DictReader(file)))
        # The filter ends above the row of sums.
        assert int(re.sub(r".*[A-Z]", "", book[title].auto_filter.ref)) - 1 == counts[name]
    assert changes["new_exceptions"] == counts["new_exceptions"] > 0
    assert changes["resolved_exceptions"] == counts["resolved_exceptions"] > 0
    assert summary["exceptions"] == counts["exceptions"]
    assert changes["files"] == counts["new_files"] == 1
    # The rejected record of the night before: in the funnel, in ①, in the list, in the headline.
    assert summary["rejected"] == {"records": 1, "files": 0}
    assert counts["issues"] == sum(file["rejected"] for file in summary["files"]) == 1
    titles = (
        ("新規の要確認", "解消", "未処理の要確認")
        if language == "ja"
        else ("New exceptions", "Resolved", "Open exceptions")
    )
    unit = "件" if language == "ja" else ""
    shown = [changes[name] for name in ("new_exceptions", "resolved_exceptions", "open_exceptions")]
    for title, number in zip(titles, shown, strict=True):
        assert set(cards(page, title)) == {f"{number}{unit}"}
    # The open rows of ③ are the open exceptions, which the card of the morning and that of the totals have.
    with (out / "exceptions.csv").open(encoding="utf-8-sig", newline="") as file:
        states = [row["exception_state"] for row in csv.DictReader(file)]
    assert states.count("open") == summary["open_exceptions"] == changes["open_exceptions"]
    assert len(cards(page, titles[-1])) == 2
    assert states.count("accepted") == len(states) - states.count("open") == 2
    closed = "ほかに保留・了承・決定済 2件" if language == "ja" else "on hold, accepted or decided: 2"
    assert closed in page
    assert page.count('<tr class="closed">') == 2
    rejected = ("受付不可明細1件", "受付不可 1") if language == "ja" else ("rejected records: 1", "1 rejected")
    assert all(text in page for text in rejected)
    for number in shown:
        assert re.search(rf"\s{number}\s*$", result.stdout, re.MULTILINE)
    assert set(CHANGE_TABLES) <= {path.stem for path in out.iterdir()}


def test_the_funnel_says_how_many_rejected_records_are_open(tmp_path):
    clock = Clock()
    with Ledger.create(tmp_path / "rejected.db", clock=clock) as ledger:
        clock.set(THURSDAY, 22)
        post(ledger, tmp_path, "a.csv", ("1", "1000", THURSDAY, "final"), ("4", "4O00", THURSDAY, "final"))
        report = Report.from_ledger(ledger)
        assert report.summary["rejected"]["records"] == 1
        assert "受付不可 1（うち未処理 1）" in report.page()
        [row] = [row for row in ledger.work_list().to_pylist() if row["receipt_id"] is None and row["record_no"]]
        decision = {"exception_id": row["exception_id"], "decision": "accept", "reason": "seen", "approver": "chief"}
        ledger.decide(pa.Table.from_pylist([decision]), actor="clerk", source="work.xlsx")
        report = Report.from_ledger(ledger)
    assert report.summary["rejected"]["records"] == 0
    assert "受付不可 1（うち未処理 0）" in report.page()
    assert report.summary["open_exceptions"] == report.summary["exceptions"] - 1 == 2
    assert "ほかに保留・了承・決定済 1件" in report.page()
