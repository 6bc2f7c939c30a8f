"""The guides describe every event of the log, and every state, finding and metric of the intake."""

from __future__ import annotations

import re
from datetime import UTC, date, datetime
from pathlib import Path

import pytest

from kokin.cli._event_log import COMMON_FIELDS, EVENTS
from kokin.intake import FileState, FindingKind, IntakeStatus, Source, prometheus

GUIDES = Path(__file__).parents[2] / "docs" / "guides"


def code(page: str) -> list[list[str]]:
    """Return the code in the cells of every row of the tables of a page."""
    text = (GUIDES / page).read_text(encoding="utf-8")
    rows = (line.split(" | ") for line in text.splitlines() if line.startswith("| `"))
    return [
        [*re.findall(r"`([^`]+)`", row[0]), *re.findall(r"`([^`]+)`", row[-1] if len(row) > 2 else "")] for row in rows
    ]


def test_every_event_has_its_fields() -> None:
    rows = {names[0]: tuple(names[1:]) for names in code("logs.md")}
    assert {event: rows[event] for event in EVENTS} == EVENTS
    described = {name for names in code("logs.md") for name in names if names[0] not in EVENTS}
    assert {name for fields in EVENTS.values() for name in fields} <= described
    text = (GUIDES / "logs.md").read_text(encoding="utf-8")
    assert [name for name in COMMON_FIELDS if f"`{name}`" not in text] == []


@pytest.mark.parametrize("names", [FileState, FindingKind], ids=["states", "findings"])
def test_every_state_and_finding_is_described(names: type[FileState | FindingKind]) -> None:
    assert {each.value for each in names} <= {row[0] for row in code("expected-files.md")}


def test_every_metric_is_described() -> None:
    metrics = prometheus(IntakeStatus(date(2026, 5, 8), datetime(2026, 5, 8, tzinfo=UTC), (), ()))
    names = {line.split()[2] for line in metrics.splitlines() if line.startswith("# TYPE")}
    assert names <= {row[0] for row in code("expected-files.md")}


def test_every_key_of_a_source_is_described() -> None:
    described = {name for row in code("expected-files.md") for name in row}
    assert set(Source.model_fields) - {"name", "label", "agent", "day_field_bank_days"} <= described
