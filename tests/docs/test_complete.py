"""The docs describe every public name, command, option and code, and no others (compared without a build)."""

from __future__ import annotations

import re
import shlex
import sys
from collections.abc import Iterator
from itertools import chain, pairwise
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import UniqueConstraint
from typer.main import get_command

from kokin.catalog import CATALOG
from kokin.cli import app
from kokin.issues import ISSUE_CODES
from kokin.ledger._schema import TABLES as TABLES_OF_THE_LEDGER
from kokin.model import Bill, BillStatus, Disposition, Finding, Outcome, Receipt, ReceiptKind
from kokin.receipts import layouts
from kokin.reconcile import BalanceStatus, OverpaymentKind, Policy
from kokin.reports import CHANGE_TABLES, INTAKE_TABLE, TABLES
from kokin.rules import ALLOCATION_ORDERS, RATES
from kokin.text import terms
from tests.docs.blocks import blocks

pytest.importorskip("furo", reason="no furo here: pip install 'kokin[docs]'")

ROOT = Path(__file__).parents[2]
DOCS = ROOT / "docs"
sys.path.insert(0, str(DOCS))
import _complete  # noqa: E402
import _pages  # noqa: E402

GENERATED = {name: "\n".join(lines) for name, lines in _pages.generated().items()}
WRITTEN = {
    str(path.relative_to(DOCS)): path.read_text(encoding="utf-8")
    for path in sorted(DOCS.rglob("*.md"))
    if not {"_generated", "locale"} & set(path.parts)
}
WRITTEN["README.md"] = (ROOT / "README.md").read_text(encoding="utf-8")
PROSE = "\n".join(WRITTEN.values())


def first_cells(page: str, heading: str = "") -> list[str]:
    """The code in the first cell of each row, of a whole generated page or of one of its sections."""
    text = GENERATED[page].partition(f"## {heading}\n")[2].partition("\n## ")[0] if heading else GENERATED[page]
    return re.findall(r"^\| \[?`([^`]+)`", text, re.MULTILINE)


def inline_code(page: str) -> list[str]:
    """The code between words, outside of blocks."""
    prose = re.sub(r"^```.*?^```$", "", page, flags=re.MULTILINE | re.DOTALL)
    return re.findall(r"(?<![`}])`([^`\n]+)`", prose)


# --- what is generated holds all of it --------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("page", "heading", "names"),
    [
        ("issues.md", "", sorted(ISSUE_CODES)),
        ("layouts.md", "", layouts.names()),
        ("records.md", "Bill", list(Bill.model_fields)),
        ("records.md", "Receipt", list(Receipt.model_fields)),
        ("records.md", "BillStatus", list(BillStatus)),
        ("records.md", "ReceiptKind", list(ReceiptKind)),
        ("outcomes.md", "Findings", list(Finding)),
        ("outcomes.md", "Dispositions", list(Disposition)),
        ("outcomes.md", "Status of a bill", list(BalanceStatus)),
        ("outcomes.md", "Kinds of overpayment", list(OverpaymentKind)),
        ("rates.md", "Orders of allocation (充当の順序)", list(ALLOCATION_ORDERS)),
        ("charges.md", "", [*CATALOG.charges, *CATALOG.accounts, *CATALOG.systems]),
    ],
)
def test_a_table_has_every_name(page: str, heading: str, names: list[str]) -> None:
    assert first_cells(page, heading) == [str(name) for name in names]


def test_every_outcome_year_report_and_layout_is_there() -> None:
    assert first_cells("outcomes.md")[: len(Outcome)] == [outcome.value for outcome in Outcome]
    assert re.findall(r"^\| (\d{4}) \|", GENERATED["rates.md"], re.MULTILINE) == [str(year) for year in RATES.years]
    assert re.findall(r"^`(\w+)\.csv`", GENERATED["reports.md"], re.MULTILINE) == [
        INTAKE_TABLE,
        *CHANGE_TABLES,
        *TABLES,
    ]
    pages = {name for name in GENERATED if name.startswith("layout-")}
    assert pages == {f"layout-{name}.md" for name in layouts.names()}


@pytest.mark.parametrize("name", TABLES_OF_THE_LEDGER)
def test_every_table_of_the_ledger_has_its_columns_with_their_meaning(name: str) -> None:
    table = TABLES_OF_THE_LEDGER[name]
    section = GENERATED["ledger-schema.md"].partition(f"## {name}\n")[2].partition("\n## ")[0]
    columns = re.findall(r"^\| `(\w+)` \|[^|]*\|[^|]*\| (|yes) \| .*\w.* \|$", section, re.MULTILINE)
    assert columns[: len(table.columns)] == [
        (column.name, "yes" if column.nullable else "") for column in table.columns
    ]
    assert section.partition("\n")[2].partition("|")[0].strip(), "no meaning of the table"
    keys = re.findall(r"^- FOREIGN KEY `(\w+)` → `([\w.]+)`$", section, re.MULTILINE)
    assert set(keys) == {(key.parent.name, key.target_fullname) for key in table.foreign_keys}
    uniques = section.count("- UNIQUE `")
    assert uniques == sum(isinstance(each, UniqueConstraint) for each in table.constraints)


def test_every_generated_text_is_on_a_page() -> None:
    shown = re.findall(r"_generated/([\w.-]+)", PROSE)
    own = {name for name in GENERATED if not name.startswith(("api-", "layout-")) and not name.endswith(".schema.json")}
    assert own <= set(shown)
    assert {"_generated/api-*", "_generated/layout-*"} <= set(PROSE.split())


def test_every_example_is_on_a_page() -> None:
    shown = {Path(path).name for path in re.findall(r"\.\./examples/([\w./-]+)", PROSE)}
    there = {path.name for path in (ROOT / "examples").rglob("*") if path.is_file() and path.suffix != ".pyc"}
    assert shown == there


def test_every_test_that_a_page_names_exists() -> None:
    named = re.findall(r"`(tests/[\w/]+\.py)(?:::(\w+))?`", PROSE)
    assert len(named) > 50
    for path, name in named:
        source = (ROOT / path).read_text(encoding="utf-8")
        assert not name or f"def {name}(" in source, f"{path}::{name}"


# --- public names -----------------------------------------------------------------------------------------------------


def test_the_api_has_a_page_and_a_line_for_every_package() -> None:
    packages = {package.__name__ for package in _complete.packages()}
    assert set(re.findall(r"\{mod\}`([\w.]+)`", WRITTEN["reference/api.md"])) == packages
    assert {name[4:-3] for name in GENERATED if name.startswith("api-")} == packages


@pytest.mark.parametrize("package", list(_complete.packages()), ids=lambda package: package.__name__)
def test_every_public_name_says_its_meaning(package: Any) -> None:
    assert package.__doc__
    constants = _complete.constants(package)
    for name in getattr(package, "__all__", []):
        value = getattr(package, name)
        assert name in constants or (value.__doc__ or "").strip(), f"{package.__name__}.{name} has no docstring"
        if isinstance(value, type):
            silent = [
                part for part, made in vars(value).items() if not part.startswith("_") and is_silent(value, part, made)
            ]
            assert not silent, f"{package.__name__}.{name}: no docstring of {', '.join(silent)}"


def is_silent(owner: type, name: str, made: Any) -> bool:
    """Whether a method or property has no docstring, and overrides none that has one."""
    inner = getattr(made, "fget", None) or getattr(made, "func", None) or getattr(made, "__func__", made)
    if getattr(inner, "__module__", "") != owner.__module__ or not callable(inner) or isinstance(inner, type):
        return False
    return not inner.__doc__ and not any(name in vars(base) for base in owner.__mro__[1:])


def test_a_name_too_many_or_too_few_is_found() -> None:
    names = _complete.public_names()
    assert not _complete.problems(names | {"kokin.ledger.Ledger.post"})
    assert _complete.problems(names - {"kokin.elqr.parse"}) == ["kokin.elqr.parse is public and not documented"]
    assert _complete.problems(names | {"kokin.elqr.pars"}) == ["kokin.elqr.pars is documented and not public"]


def test_names_in_prose_are_there() -> None:
    """``rules.load_rates`` between words is an attribute of its package."""
    packages = {package.__name__.removeprefix("kokin."): package for package in _complete.packages()}
    for name, page in WRITTEN.items():
        for code in inline_code(page):
            package, _, attribute = re.sub(r"\(.*", "", code.removeprefix("kokin.")).rpartition(".")
            if (
                package in packages
                and attribute.isidentifier()
                and Path(code).suffix not in (".csv", ".md", ".py", ".toml")
            ):
                assert hasattr(packages[package], attribute), f"{name}: {code}"


# --- the command ------------------------------------------------------------------------------------------------------


def commands(command: Any = None, names: tuple[str, ...] = ()) -> Iterator[tuple[tuple[str, ...], Any]]:
    """Every command that does something, by its words."""
    command = command or get_command(app)
    children = getattr(command, "commands", {})
    if not children:
        yield names, command
    for name, child in children.items():
        yield from commands(child, (*names, name))


COMMANDS = dict(commands())


def calls() -> Iterator[tuple[str, list[str]]]:
    """Every call of the command that a page shows, in a block or between words: the page, and the words after it."""
    for name, page in WRITTEN.items():
        shown = [block.text for block in blocks(page) if block.language in ("sh", "bash", "text")]
        lines = [line for text in shown for line in text.replace("\\\n", " ").splitlines()] + inline_code(page)
        for line in lines:
            found = re.match(r"(?:run |\$ |[\w./-]*bin/)?kokin (\w.*)", line.strip())
            if found:
                # What a comment says and what a shell adds is no argument.
                yield name, shlex.split(re.split(r"  #| #|[|>]|\$\(", found[1])[0].replace("'", ""))


def test_every_call_in_the_docs_is_one() -> None:
    for page, words in calls():
        known = [names for names in COMMANDS if list(names) == words[: len(names)]]
        # `kokin ledger` and `kokin qr` are said of groups.
        group = [names for names in COMMANDS if list(names[: len(words)]) == words]
        assert known or group, f"{page}: kokin {' '.join(words)}"
        if known:
            options = {option for parameter in COMMANDS[known[0]].params for option in parameter.opts} | {
                "-h",
                "--help",
            }
            unknown = [word for word in words if re.match(r"--?[a-z]", word) and word.partition("=")[0] not in options]
            assert not unknown, f"{page}: kokin {' '.join(words)}"


def test_every_command_and_option_is_documented() -> None:
    used = {names for _, words in calls() for names in COMMANDS if list(names) == words[: len(names)]}
    assert set(COMMANDS) == used, "no page shows how it is called"
    for names, command in COMMANDS.items():
        (text,) = re.findall(
            rf"^## kokin {' '.join(names)}\n\n```text\n(.*?)```", GENERATED["cli.md"], re.MULTILINE | re.DOTALL
        )
        # Lines are wrapped, in Japanese between any two characters.
        shown = "".join(text.split())
        for parameter in command.params:
            # A backspace makes click keep the line breaks of a paragraph.
            help_text = "".join((parameter.help or "").replace("\b", "").split())
            assert help_text, f"kokin {' '.join(names)}: {parameter.name} has no help"
            assert help_text in shown, f"kokin {' '.join(names)}: {help_text}"
            assert parameter.opts[0] in shown or parameter.param_type_name == "argument"


# --- words in prose ---------------------------------------------------------------------------------------------------


def test_codes_in_prose_are_codes() -> None:
    known = {*ISSUE_CODES, *(outcome.value for outcome in Outcome), *(finding.value for finding in Finding)}
    # Of Python, of the environment, of SQL and of other formats.
    known |= {
        "CATALOG",
        "ALLOCATION_ORDERS",
        "RATES",
        "LOCAL_TAX",
        "CALENDAR_YEARS",
        "TABLES",
        "CODES",
        "ISSUE_COLUMNS",
        "KINDS",
    }
    known |= {"KOKIN_LANG", "KOKIN_LEDGER", "LANG", "PGHOST", "PGPORT", "PGSSLMODE", "PGPASSWORD", "PYSPARK_PYTHON"}
    known |= {"KOKIN_LOG", "KOKIN_LOG_FILE"}
    known |= {"CONFLICT", "INSERT", "INTO", "REPLACE", "UPDATE", "VACUUM"}
    known |= {
        "SECURITY",
        "README",
        "CHANGELOG",
        "DOCTYPE",
        "HASH",
        "MMDD",
        "SHA256SUMS",
        "EXPECTED",
        "FULL",
        "NORMAL",
        "YYMMDD",
        "YYYYMMDD",
        "YYYY",
    }
    for name, page in WRITTEN.items():
        if name.startswith("adr/"):
            continue
        for code in inline_code(page):
            for word in re.findall(r"(?<![\w.-])[A-Z][A-Z_]{3,}(?![\w.(])", code):
                assert word in known, f"{name}: {word}"


def test_every_outcome_and_finding_is_explained() -> None:
    rule = WRITTEN["explanation/matching.md"]
    assert [outcome.value for outcome in Outcome if f"`{outcome}`" not in rule] == []
    others = "\n".join(page for name, page in WRITTEN.items() if name.startswith(("guides/", "explanation/")))
    assert [finding.value for finding in Finding if finding not in others] == []


def test_every_choice_of_the_policy_has_its_reason() -> None:
    page = WRITTEN["explanation/what-kokin-decides.md"].partition("## A run")[2].partition("\n```")[0]
    assert set(re.findall(r"^\| `(\w+)`", page, re.MULTILINE)) == set(Policy.model_fields)


def test_layouts_in_prose_are_layouts() -> None:
    names = set(layouts.names())
    for name, page in WRITTEN.items():
        for code in inline_code(page):
            for word in re.findall(r"^(?:zengin|camt|eltax|dsk|kokin)[-.][\w.-]+$", code):
                known = (
                    word in names or word.startswith("kokin.") or Path(word).suffix in (".toml", ".csv", ".py", ".xml")
                )
                assert known, f"{name}: {word}"
    for page, words in calls():
        for option, value in pairwise(words):
            if option in ("-l", "--layout", "--credits-layout") and not value.endswith(".toml"):
                assert value in names, f"{page}: {value}"


# --- the glossary -----------------------------------------------------------------------------------------------------


def glossary() -> list[list[str]]:
    """The terms of each entry, the English one first."""
    return [[row["en"], *row["ja"].split("・")] for row in terms()["glossary"].values()]


@pytest.mark.parametrize("language", ["en", "ja"])
def test_the_glossary_has_every_term_in_both_languages(language: str) -> None:
    body = "\n".join(_pages.generated(_pages.Words(language))["glossary.md"])
    entries = [entry.splitlines() for entry in body.partition("\n")[2].rpartition("\n")[0].strip().split("\n\n")]
    names = [[line for line in entry if not line.startswith(" ")] for entry in entries]
    assert {entry[0 if language == "en" else -1] for entry in names} == {english for english, *_ in glossary()}
    # Each name is defined once; a word of two terms at the first of them.
    assert sorted(chain(*names)) == sorted(set(chain(*glossary())))
    english = [entry[0 if language == "en" else -1].lower() for entry in names]
    assert english == sorted(english)
    for entry in entries:
        assert entry[-1].strip().isascii() is False or language == "en", entry


def test_a_term_of_the_glossary_is_named_in_both_languages() -> None:
    for english, *japanese in glossary():
        assert english.isascii()
        assert japanese
        assert not any(term.isascii() for term in japanese)


def test_a_term_of_the_glossary_is_used() -> None:
    source = "\n".join(
        path.read_text(encoding="utf-8")
        for path in (ROOT / "src").rglob("*.*")
        if path.suffix in (".py", ".toml") and path.name != "terms.toml"
    )
    used = "\n".join([*WRITTEN.values(), source]).lower()
    for names in glossary():
        forms = {name.lower().replace(" ", joint) for name in names for joint in (" ", "_", "")}
        assert any(form in used for form in forms), names
