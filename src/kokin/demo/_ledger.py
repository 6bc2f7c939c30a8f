"""The ledger of an invented city: what a collection office writes into it until a morning."""

from __future__ import annotations

from datetime import datetime, time, timedelta
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc

from kokin import bills as bill_files
from kokin import receipts
from kokin._arrow.files import read_records
from kokin.demo._city import CityFiles
from kokin.ledger import Ledger
from kokin.model import RefundKind
from kokin.reconcile import AgentReport, Policy, bank_deposits
from kokin.rules import RateMissingError

_ACTOR = "demo"
# A record of a direct debit has no day of settlement.
_POLICY = Policy(settlement_days=365)
_DECIDED_REFUNDS = 3
# The account of the payer of the refund that is ordered.
_ACCOUNT = {"bank_code": "9999", "branch_code": "001", "account_type": "1", "account_number": "1234567", "name": "ﾃｽﾄ"}


def post_city(city: CityFiles, path: Path, morning: datetime) -> None:
    """Write a city into a new ledger, with the deposits and reports of its agents, and refunds (還付).

    The bills and the earlier receipt files are from the evening of the day before; everything else is of the morning.

    Args:
        city: the files of :func:`write_city`.
        path: the SQLite file of the ledger, which must not exist.
        morning: the time of the last entries, on the last day of the city.

    Raises:
        LedgerError: the ledger cannot be written.
    """
    evening = datetime.combine(city.last_day - timedelta(days=1), time(18), morning.tzinfo)
    with Ledger.create(path, policy=_POLICY, clock=lambda: evening) as ledger:
        ledger.add_bills(bill_files.read(city.bills).table, actor=_ACTOR, source=city.bills.name)
        for file, layout in city.receipts:
            if (file, layout) not in city.last_day_receipts:
                _post(ledger, city, file, layout)
    with Ledger.open(path, clock=lambda: morning) as ledger:
        for file, layout in city.last_day_receipts:
            _post(ledger, city, file, layout)
        bank_file = receipts.open(city.deposits, "zengin-01", reference_date=city.last_day)
        deposits = bank_deposits(bank_file.table())
        ledger.add_deposits(deposits, actor=_ACTOR, source=city.deposits.name, file=bank_file)
        reports, _ = read_records(city.agent_reports, AgentReport)
        ledger.add_agent_reports(reports, actor=_ACTOR, source=city.agent_reports.name)
        _refund(ledger, city)


def _post(ledger: Ledger, city: CityFiles, path: Path, layout: str) -> None:
    file = receipts.open(path, layout, reference_date=city.reference_date)
    ledger.post(file, actor=_ACTOR)


def _refund(ledger: Ledger, city: CityFiles) -> None:
    """Decide the first refunds (還付決定), and write the file by which the bank transfers one of them (還付命令)."""
    try:
        proposals = ledger.refund_proposals(decided_on=city.last_day)
    except RateMissingError:  # this version does not know the rates of 還付加算金 of the year
        return
    decisions = proposals.filter(pc.equal(proposals["kind"], RefundKind.REFUND)).slice(0, _DECIDED_REFUNDS)
    if not len(decisions):
        return
    ledger.decide_refunds(decisions, actor=_ACTOR, decided_on=city.last_day)
    accounts = pa.Table.from_pylist([{"proposal_id": decisions["proposal_id"][0].as_py(), **_ACCOUNT}])
    header = {"consignor_name": "ﾃｽﾄｼ", "bank_code": "9999", "transfer_day": city.last_day + timedelta(days=3)}
    ledger.order_refunds(accounts, city.bills.with_name("refunds.txt"), header=header, actor=_ACTOR)
