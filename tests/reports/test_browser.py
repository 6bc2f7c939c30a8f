"""The page in a real browser: it says nothing, asks for nothing, and its lists sort and filter."""

import http.server
import threading
from functools import partial

import pytest

from tests.reports.chromium import Chromium, needs_chromium
from tests.reports.hostile import HOSTILE, hostile_report

pytestmark = needs_chromium


@pytest.fixture(scope="module")
def browser():
    with Chromium() as one:
        yield one


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    out = tmp_path_factory.mktemp("report") / "out"
    report = hostile_report()
    report.write(out, ["html"], rows=50)
    (out / "en.html").write_text(report.page(language="en"), encoding="utf-8")
    return out


@pytest.mark.parametrize("name", ["report.html", "en.html"])
def test_the_page_says_nothing_and_asks_for_nothing(browser, folder, name):
    address = (folder / name).as_uri()
    browser.open(address)
    assert browser.said == []
    assert browser.asked == [address]
    assert browser.ask("document.querySelectorAll('script, img').length") == 1
    assert HOSTILE in browser.ask("document.body.innerText")


def test_what_the_browser_would_say_is_heard(browser, folder):
    """The witness itself: a page that does ask and speak is told from one that does not."""
    bad = folder / "bad.html"
    text = (folder / "en.html").read_text(encoding="utf-8")
    bad.write_text(text.replace("</main>", "<img src='http://127.0.0.1:9/x.png'><script>alert(1)</script></main>"))
    browser.open(bad.as_uri())
    assert len([said for said in browser.said if "Content Security Policy" in said["text"]]) == 2
    loud = folder / "loud.html"
    loud.write_text("<script>console.log('x'); throw 1</script><link rel=stylesheet href=none.css>")
    browser.open(loud.as_uri())
    assert len(browser.said) >= 2
    assert any(url.endswith("none.css") for url in browser.asked)


def test_a_server_is_asked_for_the_page_alone(browser, folder):
    asked = []

    class Handler(http.server.SimpleHTTPRequestHandler):
        def log_message(self, *_):
            asked.append(self.path)

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), partial(Handler, directory=folder))
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        browser.open(f"http://127.0.0.1:{server.server_port}/report.html")
        browser.ask("new Promise((done) => setTimeout(done, 300))")
    finally:
        server.shutdown()
        server.server_close()
    assert asked == ["/report.html"]
    assert browser.said == []


LIST = """
const list = document.querySelector("#look .list");
const column = (name) => [...list.querySelectorAll("thead th")].findIndex((head) => head.textContent.startsWith(name));
const shown = () => [...list.querySelectorAll("tbody tr")].filter((row) => row.checkVisibility());
const cells = (name) => shown().map((row) => row.cells[column(name)].textContent);
"""


def asks(browser, code):
    return browser.ask(f"(() => {{ {LIST} {code} }})()")


def test_a_list_sorts_by_its_headings_with_numbers_as_numbers(browser, folder):
    browser.open((folder / "en.html").as_uri())
    before = asks(browser, "return cells('Amount');")
    for way, reverse in (("ascending", False), ("descending", True)):
        asks(browser, "list.querySelectorAll('thead th')[column('Amount')].querySelector('button').click();")
        told = asks(browser, "return cells('Amount');")
        numbers = [int(text.replace(",", "")) for text in told if text]
        assert numbers == sorted(numbers, reverse=reverse)
        assert "" not in told[: len(numbers)]  # what is empty comes last, whichever way
        assert sorted(told) == sorted(before)
        assert asks(browser, "return list.querySelectorAll('thead th')[column('Amount')].ariaSort;") == way
    asks(browser, "list.querySelectorAll('thead th')[column('Outcome')].querySelector('button').click();")
    told = asks(browser, "return cells('Outcome');")
    assert told == sorted(told, key=str.lower)
    assert asks(browser, "return list.querySelectorAll('th[aria-sort]').length;") == 1


def test_a_list_is_filtered_from_the_keyboard(browser, folder):
    browser.open((folder / "en.html").as_uri())
    whole = asks(browser, "return cells('Outcome');")
    while browser.ask("document.activeElement.type") != "search":
        browser.press("Tab")
    browser.write("ＤＵＰＬＩＣＡＴＥ payment")  # full-width letters are found, too
    told = asks(browser, "return cells('Outcome');")
    assert told
    assert set(told) == {"Duplicate payment"}
    assert asks(browser, "return list.previousElementSibling.querySelector('output').textContent;") == (
        f"rows: {len(told)} / {len(whole)}"
    )
    browser.press("Tab")  # the list itself, to scroll it
    browser.press("Tab")
    assert browser.ask("document.activeElement.textContent") == "File"
    browser.press("Enter", "\r")
    assert browser.ask("document.activeElement.closest('th').ariaSort") == "ascending"
    assert asks(browser, "return cells('Outcome');") == told


def test_nothing_is_wider_than_a_narrow_screen(browser, folder, tmp_path):
    browser.open((folder / "report.html").as_uri())
    browser.look(tmp_path / "narrow.png", width=360, height=740, dark=True)
    assert browser.ask("document.documentElement.scrollWidth <= innerWidth")


def test_dark_and_light_differ_and_paper_is_light(browser, folder, tmp_path):
    browser.open((folder / "report.html").as_uri())
    colour = "getComputedStyle(document.body).backgroundColor"
    browser.look(tmp_path / "light.png")
    light = browser.ask(colour)
    browser.look(tmp_path / "dark.png", dark=True)
    dark = browser.ask(colour)
    assert light != dark
    browser.send("Emulation.setEmulatedMedia", media="print")
    assert browser.ask(colour) == "rgb(255, 255, 255)"
    assert not browser.ask("document.querySelector('nav').checkVisibility()")
    browser.send("Emulation.setEmulatedMedia", media="")
    browser.print(tmp_path / "report.pdf")
    assert (tmp_path / "report.pdf").read_bytes().startswith(b"%PDF")
