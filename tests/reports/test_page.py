"""The page: self-contained, escaped, and with the headline first."""

import html.parser
import re
from base64 import b64encode
from collections import Counter
from hashlib import sha256

import pyarrow as pa
import pytest

from kokin.reconcile import build_accounts, reconcile
from kokin.reports import Report
from tests.reports.hostile import DAY, HOSTILE, hostile_report

STATEMENT = "receipts - reversals = sum of all dispositions"


class Parsed(html.parser.HTMLParser):
    """The elements, attributes and texts of a page, as a browser parses them."""

    def __init__(self, text):
        super().__init__()
        self.tags, self.attributes, self.texts, self.codes = Counter(), [], [], {}
        self.meta, self._open = {}, []
        self.feed(text)
        assert self._open == []

    def handle_starttag(self, tag, attrs):
        self.tags[tag] += 1
        self.attributes += [(tag, name, value or "") for name, value in attrs]
        if tag == "meta":
            values = dict(attrs)
            self.meta[values.get("http-equiv") or values.get("name")] = values.get("content")
        if tag not in ("meta", "link", "line", "path"):
            self._open.append(tag)

    def handle_endtag(self, tag):
        if tag not in ("line", "path"):
            assert self._open.pop() == tag

    @property
    def names(self):
        """The tag and name of each attribute, without the class of a wide text, which depends on the text."""
        return [(tag, name) for tag, name, value in self.attributes if (tag, name, value) != ("td", "class", "long")]

    def handle_startendtag(self, tag, attrs):
        self.tags[tag] += 1

    def handle_data(self, text):
        if self._open and self._open[-1] in ("script", "style"):
            self.codes[self._open[-1]] = self.codes.get(self._open[-1], "") + text
        else:
            self.texts.append(text)


@pytest.mark.parametrize("language", ["ja", "en"])
def test_hostile_text_stays_text(language):
    page = hostile_report().page(language=language)
    calm = hostile_report("calm").page(language=language)
    evil, plain = Parsed(page), Parsed(calm)
    # With a harmless text in every field the page has the same elements.
    assert evil.tags == plain.tags
    assert (evil.tags["script"], evil.tags["style"], evil.tags["img"]) == (1, 1, 0)
    assert evil.codes == plain.codes
    assert evil.names == plain.names
    assert not [name for _, name, _ in evil.attributes if name.startswith("on") or name == "style"]
    assert HOSTILE in evil.texts
    assert "山田" not in page


def test_the_page_allows_only_its_own_style_and_script():
    page = Parsed(hostile_report().page())
    hashes = {name: "sha256-" + b64encode(sha256(code.encode()).digest()).decode() for name, code in page.codes.items()}
    rules = dict(rule.strip().split(" ", 1) for rule in page.meta["Content-Security-Policy"].split(";"))
    assert rules == {
        "default-src": "'none'",
        "style-src": f"'{hashes['style']}'",
        "script-src": f"'{hashes['script']}'",
        "img-src": "data:",
        "base-uri": "'none'",
        "form-action": "'none'",
    }
    links = [value for _, name, value in page.attributes if name in ("href", "src", "action", "data")]
    assert all(link == "data:," or link.startswith("#") for link in links)
    ids = [value for _, name, value in page.attributes if name == "id"]
    assert {link[1:] for link in links if link[0] == "#"} == set(ids)
    assert len(ids) == len(set(ids))
    assert not re.search(r"@import|url\(|fetch|XMLHttp|WebSocket|eval|innerHTML", "".join(page.codes.values()))


def text_of(report: Report, **options):
    return "\n".join(Parsed(report.page(**options)).texts)


def test_the_headline_is_first():
    report = hostile_report()
    text = text_of(report)
    assert text.index("照合が合っていません: T3") < text.index("未照合: T1, T2") < text.index("二重納付")
    assert "2026年6月15日 (月) 現在" in text
    assert "Mon, 2026-06-15" in text_of(report, language="en")


T4 = {"statement": STATEMENT, "holds": True, "left": 30_100, "right": 30_100}
T3 = {"statement": "bank deposits = settled - cancels - netted fee", "left": None, "right": None}
NOTHING, ONE_RECORD, ONE_FILE = ({"records": n, "files": m} for n, m in ((0, 0), (1, 0), (0, 1)))


@pytest.mark.parametrize(
    ("controls", "rejected", "tone", "ja", "en"),
    [
        (
            {"T4": T4},
            NOTHING,
            "good",
            "収納額の全額を区分しました（照合1式一致）。",
            "All receipts are classified: controls balanced: 1.",
        ),
        (
            {"T4": T4, "T3": {**T3, "holds": "not checked"}},
            ONE_RECORD,
            "warn",
            "収納額の全額を区分しました（照合1式一致、1式未照合、受付不可明細1件）。",
            "All receipts are classified: controls balanced: 1, not checked: 1, rejected records: 1.",
        ),
        (
            {"T4": T4},
            ONE_FILE,
            "warn",
            "収納額の全額を区分しました（照合1式一致、受付不可ファイル1件）。",
            "All receipts are classified: controls balanced: 1, rejected files: 1.",
        ),
        (
            {"T4": {**T4, "holds": "not checked"}},
            NOTHING,
            "warn",
            "一部の照合ができていません（照合0式一致、1式未照合）。",
            "Some controls could not be checked: controls balanced: 0, not checked: 1.",
        ),
        (
            {"T4": T4, "T3": {**T3, "holds": False, "left": 1, "right": 2}},
            NOTHING,
            "bad",
            "照合が合っていません: T3",
            "The books do not balance: T3",
        ),
    ],
)
def test_the_headline_is_green_only_if_everything_is_checked_and_nothing_was_rejected(controls, rejected, tone, ja, en):
    report = hostile_report()
    shown = Report(DAY, {**report.summary, "controls": controls, "rejected": rejected}, report.tables)
    for language, title in (("ja", ja), ("en", en)):
        page = shown.page(language=language)
        assert re.findall(r'<svg class="sign (\w+)"', page) == [tone]
        assert f"<h1>{title}</h1>" in page


def test_a_note_below_a_shortened_list_names_the_file():
    report = hostile_report()
    tables = dict(report.tables)
    tables["exceptions"] = pa.concat_tables([tables["exceptions"]] * 300)
    long = Report(DAY, report.summary, tables)
    count = len(tables["exceptions"])
    assert f"全{count:,}件のうち 7件を表示しています。すべては exceptions.csv" in text_of(
        long, max_rows=7, csv_tables=["exceptions"]
    )
    assert f"7 of {count:,} rows." in text_of(long, max_rows=7, language="en")
    assert len(long.page(max_rows=7)) < len(report.page()) * 2


def test_a_shortened_list_has_the_largest_sums():
    report = hostile_report()
    text = report.page(max_rows=1)
    rows = re.search(r'id="look".*?<tbody>.*?</tbody>.*?<tbody>(.*?)</tbody>', text, re.DOTALL)[1]
    assert rows.count("<tr>") == 1
    largest = max(amount for amount in report.tables["exceptions"]["amount"].to_pylist() if amount is not None)
    assert f'<td class="n">{largest:,}</td>' in rows


def test_a_report_without_rows_is_a_page_too():
    bills = pa.table(
        {
            name: pa.array([], kind)
            for name, kind in (
                ("bill_id", "string"),
                ("payee_code", "string"),
                ("item_code", "string"),
                ("case_key", "string"),
                ("confirmation", "string"),
                ("amount", "int64"),
                ("due_on", "date32"),
            )
        }
    )
    receipts = pa.table({"amount": pa.array([], "int64"), "paid_on": pa.array([], "date32")})
    result = reconcile(bills, receipts)
    report = Report.from_run(result, build_accounts(result, as_of=DAY))
    assert "ありません。" in text_of(report)
    assert "None." in text_of(report, language="en")


@pytest.mark.parametrize(
    ("holds", "tone", "text"),
    [(True, "good", "balanced"), (False, "bad", "differs"), ("not checked", "mute", "not checked")],
)
def test_a_broken_control_is_red_and_an_unchecked_one_neither_red_nor_green(holds, tone, text):
    report = hostile_report()
    right = None if tone == "mute" else 30_100
    controls = {"T4": {"statement": STATEMENT, "holds": holds, "left": 30_100, "right": right}}
    page = Report(DAY, {**report.summary, "controls": controls}, report.tables).page(language="en")
    states = re.findall(r'<span class="tag (\w+)">(balanced|differs|not checked)</span>', page)
    assert states == [(tone, text)]
    assert "Receipts − reversals = sum of all dispositions" in page


def report_with_a_reversal_and_overlapping_files():
    """Return a report of a payment in two files, two payments with one key, and a reversal larger than all receipts."""
    key = {"payee_code": "99999", "item_code": "127", "confirmation": "123456"}
    bills = [{"bill_id": f"B{n}", "case_key": str(n), "amount": 1_000, "due_on": DAY, **key} for n in (1, 2)]
    rows = [
        ("a.csv", 1, "1", 1_000, "final", "K1", None),
        ("b.csv", 1, "1", 1_000, "final", "K1", None),
        ("b.csv", 2, "2", 900, "final", "K1", None),
        ("b.csv", 3, "9", 5_000, "reversal", "K9", "K8"),
    ]
    names = ("source", "record_no", "case_key", "amount", "kind", "provider_key", "cancels")
    receipts = [{**dict(zip(names, row, strict=True)), "paid_on": DAY, **key} for row in rows]
    result = reconcile(pa.Table.from_pylist(bills), pa.Table.from_pylist(receipts))
    return Report.from_run(result, build_accounts(result))


@pytest.mark.parametrize(
    ("language", "labels", "overlap"),
    [
        ("en", ("Overlapping file", "Reused provider key", "Reversal without a payment"), "1 of 3 in a.csv"),
        ("ja", ("ファイルの重複", "識別番号の重複", "入金取消の対象なし"), "a.csv に 3 件中 1 件"),
    ],
)
def test_overlaps_and_reused_keys_are_on_the_page_and_negative_yen_are_not_drawn(language, labels, overlap):
    report = report_with_a_reversal_and_overlapping_files()
    assert report.summary["dispositions"]["suspense"] == -5_000
    assert report.summary["findings"] == {"FILE_OVERLAPS": 1, "KEY_REUSED": 2}
    page = report.page(language=language)
    parsed = Parsed(page)
    assert set(labels) <= set(parsed.texts)
    assert any(overlap in text for text in parsed.texts)
    assert "-5,000" in page
    shapes = re.findall(r'<rect class="[^"]*" x="([^"]*)" y="([^"]*)" width="([^"]*)" height="([^"]*)"', page)
    assert shapes
    assert all(float(side) >= 0 for shape in shapes for side in shape)
    (bar,) = re.findall(r'<svg [^>]*class="share"[^>]*>(.*?)</svg>|<svg class="share"[^>]*>(.*?)</svg>', page)
    drawn = re.findall(r' x="([^"]*)".*? width="([^"]*)"', "".join(bar))
    assert max(float(x) + float(width) for x, width in drawn) == pytest.approx(1000, abs=2)
    assert "100.0%" in page  # of the 1,900 yen received
