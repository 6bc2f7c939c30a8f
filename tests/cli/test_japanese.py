"""With KOKIN_LANG=ja no output has English words: only codes, identifiers, names of files, and those listed below."""

from __future__ import annotations

import html
import json
import re

import openpyxl
import pytest

from kokin.demo import write_city
from kokin.ledger._schema import TABLES
from kokin.receipts import layouts
from kokin.reconcile import Policy
from kokin.reports import ComparisonMap
from kokin.text import terms
from tests.cli.conftest import run

#: Words that are the same in Japanese: of formats, programs and brands, and arguments of the API (lenient).
SAME = frozenset({"Kokin", "PayPay", "csv", "eL", "eLTAX", "fixed", "hash", "json", "kokin", "lenient", "xml"})
#: What is no word: paths, addresses and options; names with a sign or a digit in them; codes in capitals; hashes.
NO_WORDS = re.compile(
    r"\S*[/\\]\S*|--?[a-z][\w-]*|`[^`]*`|\w*[_0-9@]\w*|[A-Za-z]+(?:[-.][\w-]+)+|\b[A-Z]{2,}\b|\b[0-9a-f]{12,}\b|\b[A-Z]\b"
)
_LEDGER = ("-L", "city.db")


def english(text: str, names: frozenset[str] = frozenset()) -> list[str]:
    """Return the English words of a text."""
    words = re.findall("[A-Za-z]{2,}", NO_WORDS.sub(" ", text))
    return sorted({word for word in words if word not in SAME | names})


def cells_of(page: str) -> str:
    """Return what a person reads on a page, without styles and scripts."""
    visible = re.sub(r"<(style|script)\b.*?</\1>|<!--.*?-->", " ", page, flags=re.DOTALL)
    labels = re.findall(r'(?:aria-label|placeholder|title|alt)="([^"]*)"', visible)
    return html.unescape(re.sub("<[^>]+>", " ", visible) + " ".join(labels))


@pytest.fixture(scope="module")
def outputs(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """The Japanese outputs of commands on a synthetic city, by what they are."""
    folder = tmp_path_factory.mktemp("japanese")
    write_city(folder, 300, 1)
    (folder / "damaged.txt").write_text("9" * 120, encoding="ascii")
    (folder / "few.csv").write_text("bill_id,amount\nA,x\n", encoding="utf-8")
    found = {}
    commands = (
        "check eltax.csv stores.csv --layout kokin-csv",
        "check damaged.txt debit.txt --layout zengin-91",
        "check nofile.csv --layout kokin-csv",
        "issue check bills.csv",
        "issue check few.csv",
        "ledger create",
        "ledger add-bills bills.csv",
        "ledger post eltax.csv --layout kokin-csv --dry-run",
        "ledger post eltax.csv --layout kokin-csv",
        "ledger post stores.csv --layout dsk-csv",
        "ledger post debit.txt damaged.txt --layout zengin-91",
        "ledger status",
        "ledger verify",
        "ledger list entries",
        "ledger list outcomes",
        "ledger list balances",
        "ledger list numbers",
        "ledger list issues",
        "ledger list bills",
        "ledger show eltax.csv:1",
        "ledger worklist --out work.xlsx",
        "ledger refund list",
        "report --out out-1 --headings words --format csv --format html",
        "reconcile eltax.csv --bills bills.csv --layout kokin-csv --out out-2",
        "compare out-2/balances.csv out-2/balances.csv --out out-3",
        "layouts",
    )
    for command in commands:
        words = command.split()
        address = _LEDGER if words[0] in ("ledger", "report") else ()
        result = run(*words, *address, cwd=folder, kokin_lang="ja")
        assert result.returncode != 2, result.stderr
        found[command] = result.stdout + result.stderr
    for path in sorted((folder / "out-1").glob("*.csv")):
        found[path.name] = path.read_text(encoding="utf-8-sig")
    for path in (folder / "out-1" / "report.html", folder / "out-3" / "comparison.html"):
        found[path.name] = cells_of(path.read_text(encoding="utf-8"))
    book = openpyxl.load_workbook(folder / "work.xlsx")
    cells = (cell for sheet in book.worksheets for row in sheet.iter_rows(values_only=True) for cell in row)
    found["work.xlsx"] = "\n".join(str(cell) for cell in cells if cell is not None)
    return found


@pytest.fixture(scope="module")
def names() -> frozenset[str]:
    """Names that programs use: columns, fields and records of layouts, tables of the ledger, settings."""
    loaded = [layouts.load(name) for name in layouts.names()]
    records = {name for layout in loaded for name in layout.records}
    fields = {field.id for layout in loaded for kind in layout.records.values() for field in kind.fields}
    policy = set(re.findall("[a-z]+", json.dumps(Policy().model_dump(mode="json"))))
    settings = policy | set(ComparisonMap.model_fields)
    return frozenset({*terms()["columns"], *layouts.names(), *records, *fields, *TABLES, *settings, "tester"})


def test_no_output_has_english_words(outputs: dict[str, str], names: frozenset[str]) -> None:
    """Notes of layouts have a test of their own, beside those of layouts."""
    assert len(outputs) > 40
    assert {name: words for name, text in outputs.items() if (words := english(text, names))} == {}


def test_english_words_are_found() -> None:
    text = "取込 rejected 1 件 (`--all`, T4, NO_BILL, a.csv, out/x, 2026-11-28 or later, el_number)"
    assert english(text) == ["later", "or", "rejected"]
