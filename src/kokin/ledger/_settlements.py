"""Settlements (払込) into the ledger: what reached the bank, and what operators report."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial
from hashlib import sha256
from typing import Any

import pyarrow as pa

from kokin._arrow.convert import as_table, to_numpy
from kokin._arrow.validate import validate_table
from kokin.issues import Location
from kokin.ledger._entry import EntryKind
from kokin.ledger._files import digest
from kokin.ledger._forms import stored
from kokin.ledger._schema import FACTS, SUMMED
from kokin.model import Record
from kokin.reconcile import AgentReport, BankDeposit


@dataclass(frozen=True)
class Settlements:
    """Credits or reports, as they are kept."""

    digest: str
    """SHA-256 of the source's name and the rows."""
    totals: Mapping[str, int]
    """How many there are, and their yen."""
    rows: pa.Table


def settlements(kind: EntryKind, given: Any, source: str) -> Settlements:
    """Take credits or reports.

    Raises:
        InvalidInputError: a column or a value that is required is missing, or of another type.
    """
    records: dict[EntryKind, type[Record]] = {
        EntryKind.BANK_DEPOSITS: BankDeposit,
        EntryKind.AGENT_REPORTS: AgentReport,
    }
    record = records[kind]
    table = validate_table(as_table(given), record, place=partial(Location, source))
    rows = pa.table(
        {name: stored(table.column(name)) for name in FACTS[kind.value].names if name in table.column_names}
    )
    told = {"given": len(rows), "yen": int(to_numpy(rows.column(SUMMED), 0).sum())}
    return Settlements(sha256(f"{source}\n{digest(kind.value, rows)}".encode()).hexdigest(), told, rows)
