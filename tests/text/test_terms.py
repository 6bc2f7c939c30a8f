"""The table of terms: both languages are complete, every entry is used, and one term has one translation."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

import kokin
from kokin.ledger import EntryKind, RefundTask
from kokin.model import BillStatus, Disposition, Finding, Outcome, RefundKind
from kokin.reconcile import AgingKind, BalanceStatus, OverpaymentKind
from kokin.reports import CHANGE_TABLES, INTAKE_TABLE, TABLES
from kokin.rules import YearClass
from kokin.text import terms

PACKAGE = Path(kokin.__file__).parent
SOURCE = "\n".join(path.read_text(encoding="utf-8") for path in PACKAGE.rglob("*.py"))


def translated() -> Iterator[tuple[str, str, dict[str, str]]]:
    """Yield the section, the id and the row of every term but the texts of the command, which have one language."""
    for section, rows in terms().items():
        tables = rows if section == "values" else {"": rows}
        for name, table in tables.items() if section not in ("command", "usage") else ():
            for key, row in table.items():
                yield f"{section}.{name}".rstrip("."), key, row


def test_both_languages_are_complete() -> None:
    # The unit of an English count is empty.
    assert [key for _, key, row in translated() if not row["ja"] or not row["en"]] == ["card_look_unit"]


def test_every_table_and_column_is_used() -> None:
    assert set(terms()["tables"]) == {INTAKE_TABLE, *CHANGE_TABLES, *TABLES}
    names = {name.rpartition(".")[2].removesuffix("_to_date") for name in terms()["columns"]}
    assert {name for name in names if f'"{name}"' not in SOURCE and f"    {name}:" not in SOURCE} == set()


@pytest.mark.parametrize(
    ("column", "codes"),
    [
        ("outcome", [*Outcome, *Finding, *RefundTask]),
        ("kind", [*OverpaymentKind, *AgingKind, *EntryKind, *RefundKind, "file"]),
        ("status", [*BillStatus, *BalanceStatus, "withdrawn"]),
        ("disposition", Disposition),
        ("year_class", YearClass),
    ],
)
def test_every_code_has_a_term_and_every_term_a_code(column: str, codes: list[str]) -> None:
    assert set(terms()["values"][column]) == {str(code) for code in codes}


def test_every_sentence_of_the_page_is_used() -> None:
    code = "\n".join(path.read_text(encoding="utf-8") for path in (PACKAGE / "reports").glob("*.py"))
    composed = ("stage_", "drop_", "by_ch", "card_", "state_", "waits_")
    unused = [name for name in terms()["page"] if f'"{name}"' not in code and not name.startswith(composed)]
    assert [name for name in unused if f'"{name.removesuffix("_note")}"' not in code] == []


def in_glossary(key: str, row: dict[str, str]) -> bool:
    """Return whether a term is that of the glossary; the heading of a column may add what it contains."""
    entry = terms()["glossary"][key]
    japanese = {entry["ja"], *entry["ja"].split("・")}
    allowed = {name + suffix for name in japanese for suffix in ("", "額", "番号")}
    return row["ja"] in allowed and row["en"].lower() == entry["en"].lower()


def test_columns_and_values_agree_with_the_glossary() -> None:
    glossary = terms()["glossary"]
    checked = [
        (section, key, row)
        for section, key, row in translated()
        if section.startswith(("columns", "values")) and key.lower() in glossary
    ]
    assert len(checked) > 20
    assert [(section, key) for section, key, row in checked if not in_glossary(key.lower(), row)] == []


def test_headings_of_the_command_are_those_of_columns_or_of_the_glossary() -> None:
    headings, glossary = terms()["command"]["headings"], terms()["glossary"]
    assert headings.keys() & terms()["columns"].keys() == set()
    found = {name: headings[name].removesuffix("番号") for name in headings if name.replace(" ", "_") in glossary}
    assert found == {name: glossary[name.replace(" ", "_")]["ja"] for name in found}
