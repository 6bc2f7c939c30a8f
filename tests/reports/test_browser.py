"""The page in a browser: no console message, no request, and lists that sort and filter."""

import http.server
import re
import threading
from datetime import date
from functools import partial

import pyarrow as pa
import pytest

from kokin.reports._elements import html, tag
from kokin.reports._lists import render_rows
from kokin.reports._page import render_document
from kokin.reports._terms import Terms
from tests.reports.chromium import Chromium, needs_chromium
from tests.reports.hostile import HOSTILE, hostile_report

pytestmark = needs_chromium


@pytest.fixture(scope="module")
def browser():
    with Chromium() as chromium:
        yield chromium


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    out = tmp_path_factory.mktemp("report") / "out"
    report = hostile_report()
    report.write(out, formats=["html"], max_rows=50)
    (out / "en.html").write_text(report.page(language="en"), encoding="utf-8")
    return out


@pytest.mark.parametrize("name", ["report.html", "en.html"])
def test_the_page_logs_nothing_and_requests_nothing(browser, folder, name):
    address = (folder / name).as_uri()
    browser.open(address)
    assert browser.logged == []
    assert browser.requested == [address]
    assert browser.evaluate("document.querySelectorAll('script, img').length") == 1
    assert HOSTILE in browser.evaluate("document.body.innerText")


def test_messages_and_requests_of_other_pages_are_recorded(browser, folder):
    """Tests the helper itself, with pages that do log and request."""
    bad = folder / "bad.html"
    text = (folder / "en.html").read_text(encoding="utf-8")
    bad.write_text(text.replace("</main>", "<img src='http://127.0.0.1:9/x.png'><script>alert(1)</script></main>"))
    browser.open(bad.as_uri())
    assert len([message for message in browser.logged if "Content Security Policy" in message["text"]]) == 2
    loud = folder / "loud.html"
    loud.write_text("<script>console.log('x'); throw 1</script><link rel=stylesheet href=none.css>")
    browser.open(loud.as_uri())
    assert len(browser.logged) >= 2
    assert any(url.endswith("none.css") for url in browser.requested)


def test_a_server_receives_one_request(browser, folder):
    requested = []

    class Handler(http.server.SimpleHTTPRequestHandler):
        def log_message(self, *_):
            requested.append(self.path)

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), partial(Handler, directory=folder))
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        browser.open(f"http://127.0.0.1:{server.server_port}/report.html")
        browser.evaluate("new Promise((resolve) => setTimeout(resolve, 300))")
    finally:
        server.shutdown()
        server.server_close()
    assert requested == ["/report.html"]
    assert browser.logged == []


LIST = """
const list = document.querySelector("#look .list");
const column = (name) => [...list.querySelectorAll("thead th")].findIndex((head) => head.textContent.startsWith(name));
const visible = () => [...list.querySelectorAll("tbody tr")].filter((row) => row.checkVisibility());
const cells = (name) => visible().map((row) => row.cells[column(name)].textContent);
"""


def evaluate(browser, code):
    """Return the value of code that can use the names of LIST."""
    return browser.evaluate(f"(() => {{ {LIST} {code} }})()")


def test_a_list_sorts_by_its_headings_and_numbers_by_value(browser, folder):
    browser.open((folder / "en.html").as_uri())
    before = evaluate(browser, "return cells('Amount');")
    for order, reverse in (("ascending", False), ("descending", True)):
        evaluate(browser, "list.querySelectorAll('thead th')[column('Amount')].querySelector('button').click();")
        amounts = evaluate(browser, "return cells('Amount');")
        numbers = [int(text.replace(",", "")) for text in amounts if text]
        assert numbers == sorted(numbers, reverse=reverse)
        assert "" not in amounts[: len(numbers)]  # empty cells are last in both orders
        assert sorted(amounts) == sorted(before)
        assert evaluate(browser, "return list.querySelectorAll('thead th')[column('Amount')].ariaSort;") == order
    evaluate(browser, "list.querySelectorAll('thead th')[column('Outcome')].querySelector('button').click();")
    outcomes = evaluate(browser, "return cells('Outcome');")
    assert outcomes == sorted(outcomes, key=str.lower)
    assert evaluate(browser, "return list.querySelectorAll('th[aria-sort]').length;") == 1


def test_a_list_is_filtered_from_the_keyboard(browser, folder):
    browser.open((folder / "en.html").as_uri())
    everything = evaluate(browser, "return cells('Outcome');")
    while browser.evaluate("document.activeElement.type") != "search":
        browser.press("Tab")
    browser.type("ＤＵＰＬＩＣＡＴＥ payment")  # full-width letters are normalized
    found = evaluate(browser, "return cells('Outcome');")
    assert found
    assert set(found) == {"Duplicate payment"}
    assert evaluate(browser, "return list.previousElementSibling.querySelector('output').textContent;") == (
        f"rows: {len(found)} / {len(everything)}"
    )
    browser.press("Tab")  # the list itself, to scroll it
    browser.press("Tab")
    assert browser.evaluate("document.activeElement.textContent") == "Outcome"
    browser.press("Enter", "\r")
    assert browser.evaluate("document.activeElement.closest('th').ariaSort") == "ascending"
    assert evaluate(browser, "return cells('Outcome');") == found


def test_the_page_fits_a_narrow_screen(browser, folder, tmp_path):
    browser.open((folder / "report.html").as_uri())
    browser.screenshot(tmp_path / "narrow.png", width=360, height=740, dark=True)
    assert browser.evaluate("document.documentElement.scrollWidth <= innerWidth")


def test_dark_and_light_differ_and_paper_is_light(browser, folder, tmp_path):
    browser.open((folder / "report.html").as_uri())
    colour = "getComputedStyle(document.body).backgroundColor"
    browser.screenshot(tmp_path / "light.png")
    light = browser.evaluate(colour)
    browser.screenshot(tmp_path / "dark.png", dark=True)
    dark = browser.evaluate(colour)
    assert light != dark
    browser.send("Emulation.setEmulatedMedia", media="print")
    assert browser.evaluate(colour) == "rgb(255, 255, 255)"
    assert not browser.evaluate("document.querySelector('nav').checkVisibility()")
    browser.send("Emulation.setEmulatedMedia", media="")
    browser.print(tmp_path / "report.pdf")
    assert (tmp_path / "report.pdf").read_bytes().startswith(b"%PDF")


def test_a_row_is_a_card_below_600_pixels_and_begins_with_what_which_and_how_much(browser, folder, tmp_path):
    browser.open((folder / "en.html").as_uri())
    browser.screenshot(tmp_path / "wide.png", width=800)
    assert evaluate(browser, "return getComputedStyle(visible()[0]).display;") == "table-row"
    browser.screenshot(tmp_path / "cards.png", width=390)
    assert evaluate(browser, "return getComputedStyle(visible()[0]).display;") == "grid"
    labels = "return [...visible()[0].cells].slice(0, 3).map((cell) => cell.dataset.label);"
    assert evaluate(browser, labels) == ["Outcome", "Bill", "Amount"]
    assert evaluate(browser, "return list.scrollWidth <= list.clientWidth;")
    browser.screenshot(tmp_path / "wide.png", width=1280)


def test_print_says_how_many_of_the_filtered_rows_it_has(browser, folder):
    browser.open((folder / "en.html").as_uri())
    note = "let note = list; while (!note.matches('.printed')) note = note.nextElementSibling; return note.textContent;"
    count = evaluate(browser, "return visible().length;")
    assert evaluate(browser, note) == f"{count} of {count} rows printed."
    type_in = "const box = list.previousElementSibling.querySelector('input'); box.value = 'duplicate payment';"
    found = evaluate(browser, f"{type_in} box.dispatchEvent(new Event('input')); return visible().length;")
    assert 0 < found < count
    assert evaluate(browser, note) == f"{found} of {count} rows printed."


def test_lists_are_printed_in_landscape(browser, folder, tmp_path):
    pdf = pytest.importorskip("pypdfium2")
    browser.open((folder / "report.html").as_uri())
    browser.print(tmp_path / "report.pdf")
    sizes = [page.get_size() for page in pdf.PdfDocument(tmp_path / "report.pdf")]
    assert sizes[0][0] < sizes[0][1]
    assert all(width > height for width, height in sizes[1:])
    texts = [page.get_textpage().get_text_bounded() for page in pdf.PdfDocument(tmp_path / "report.pdf")]
    assert all("2026年6月15日" in text and f"{number} / {len(texts)}" in text for number, text in enumerate(texts, 1))


def test_a_list_on_two_sheets_has_its_headings_on_both(browser, tmp_path):
    pdf = pytest.importorskip("pypdfium2")
    terms, count = Terms("en"), 30
    bills, texts = [f"B{n}" for n in range(count)], [f"{n} {'x' * 200}" for n in range(count)]
    table = pa.table({"bill_id": bills, "amount": range(count), "found": texts})
    sections = tag("section", render_rows("exceptions", table, terms))
    page = render_document(terms, title="Lists", day=date(2026, 6, 15), headline=html(), sections=sections)
    (tmp_path / "lists.html").write_text(page, encoding="utf-8")
    browser.open((tmp_path / "lists.html").as_uri())
    browser.print(tmp_path / "lists.pdf")
    texts = [page.get_textpage().get_text_bounded() for page in pdf.PdfDocument(tmp_path / "lists.pdf")]
    sheets = [text for text in texts if re.search(r"\bB\d+\b", text)]
    assert len(sheets) > 1
    assert all("Bill" in text and "Amount" in text for text in sheets)


def test_closed_exceptions_are_hidden_on_demand(browser, tmp_path):
    table = pa.table({"bill_id": ["B1", "B2", "B3"], "exception_state": ["open", "held", "accepted"]})
    sections = tag("section", render_rows("exceptions", table, Terms("en")))
    page = render_document(Terms("en"), title="Lists", day=date(2026, 6, 15), headline=html(), sections=sections)
    (tmp_path / "lists.html").write_text(page, encoding="utf-8")
    browser.open((tmp_path / "lists.html").as_uri())
    shown = "[...document.querySelectorAll('.list tbody tr')].filter((row) => !row.hidden).length"
    assert browser.evaluate(shown) == 3
    browser.evaluate("document.querySelector('.tools [type=checkbox]').click()")
    assert browser.evaluate(shown) == 1
    assert browser.evaluate("document.querySelector('.tools output').textContent") == "rows: 1 / 3"
    browser.evaluate("document.querySelector('.tools [type=checkbox]').click()")
    assert browser.evaluate(shown) == 3
