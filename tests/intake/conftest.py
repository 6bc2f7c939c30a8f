"""A ledger whose clock the test sets, in both databases; sources and files."""

from __future__ import annotations

import io
from collections.abc import Callable, Iterator
from datetime import date, datetime
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest

from kokin import intake, receipts
from kokin.ledger import Ledger
from kokin.reconcile import bank_deposits
from kokin.text import JAPAN
from tests.ledger.conftest import cluster, new_place, new_postgres, quick_folder, server

__all__ = ["cluster", "new_place", "new_postgres", "quick_folder", "server"]

NUMBERED = """\
ja = "通番付き収納データ"
en = "numbered receipts"
format = "fixed"
encoding = "half-width"
width = 44
newline = "LF"
verified = true
source = ["invented for this test"]
identity = "content"
[records.header]
role = "header"
ja = "ヘッダー"
en = "header"
tell_by = ["code"]
fields = [
  { id = "code", ja = "区分", en = "code", type = "digits", length = 1, const = "1" },
  { id = "made_day", ja = "作成日", en = "day", type = "date", format = "YYYYMMDD", length = 8 },
  { id = "number", ja = "通番", en = "number", type = "number", length = 2 },
  { id = "sender", ja = "送信者", en = "sender", type = "text", length = 33 },
]
[records.data]
role = "data"
ja = "明細"
en = "data"
tell_by = ["code"]
fields = [
  { id = "code", ja = "区分", en = "code", type = "digits", length = 1, const = "2" },
  { id = "customer", ja = "顧客番号", en = "customer", type = "digits", length = 20 },
  { id = "amount", ja = "金額", en = "amount", type = "yen", length = 10 },
  { id = "paid_day", ja = "支払日", en = "day", type = "date", format = "YYYYMMDD", length = 8 },
  { id = "filler", ja = "予備", en = "filler", type = "filler", length = 5 },
]
[receipt]
customer_number = "customer"
amount = "amount"
paid_on = "paid_day"
"""


def at(text: str) -> datetime:
    """Return a time in Japan of May 2026: ``"11 09:00"``."""
    return datetime.strptime(f"2026-05-{text}", "%Y-%m-%d %H:%M").replace(tzinfo=JAPAN)


class Post:
    """Adds files to a ledger at times of May 2026."""

    def __init__(self, ledger: Ledger, folder: Path) -> None:
        self.ledger, self.layout = ledger, folder / "numbered.toml"
        self.layout.write_text(NUMBERED, encoding="utf-8")
        self.count = 0

    def table(self, when: str, name: str = "may.csv", records: int = 1) -> None:
        """Post other receipts each time, as a table."""
        self.count += 1
        row = {"payee_code": "99999", "item_code": "127", "confirmation": "123456", "paid_on": date(2026, 5, 1)}
        rows = [{**row, "case_key": f"{self.count}", "amount": 100 + each} for each in range(records)]
        table = pa.Table.from_pylist(
            rows, None if rows else pa.table({"amount": [1], **{key: ["1"] for key in row}}).schema
        )
        self.ledger.post(table, source=name, actor="batch", at=at(when))

    def numbered(self, when: str, number: int, day: str = "2026-05-11", customers: int = 1) -> None:
        """Post a file with a sequence number and a date in its header."""
        self.count += 1
        stream = io.BytesIO()
        made_day = date.fromisoformat(day)
        rows = [
            {"customer": f"{self.count}{each}".zfill(20), "amount": 100, "paid_day": made_day}
            for each in range(customers)
        ]
        header = {"number": number, "made_day": made_day, "sender": "ﾔﾏﾀﾞ ﾀﾛｳ"}
        receipts.write(rows, stream, str(self.layout), header=header)
        stream.name = f"{number}.txt"
        self.ledger.post(receipts.open(stream, str(self.layout)), actor="batch", at=at(when))

    def statement(self, when: str, opening: int, closing: int, account: str = "1", **more: Any) -> None:
        """Add the deposits of an account statement (zengin-03)."""
        self.count += 1
        stream = io.BytesIO()
        day = date(2026, 5, 11)
        row = {
            "reference": f"{self.count:08}",
            "account_day": day,
            "direction": "1",
            "transaction": "11",
            "amount": 100,
        }
        header = {"account_number": account.zfill(10), "balance": opening, "made_day": day, "bank_name": "ﾃｽﾄ"}
        trailer = {"balance": closing, **more}
        receipts.write([row], stream, "zengin-03", header={**header, **more}, trailer=trailer)
        stream.name = f"statement-{self.count}.txt"
        file = receipts.open(stream, "zengin-03", reference_date=day)
        deposits = bank_deposits(file.table())
        self.ledger.add_deposits(deposits, source=stream.name, actor="batch", at=at(when), file=file)

    def rejected(self, when: str, name: str = "half.csv") -> None:
        """Try to post a truncated file."""
        stream = io.BytesIO(b"payee_code,item_code,case_key,confirmation,amount,paid_on\n99999,12")
        stream.name = name
        with pytest.raises(receipts.FileRejectedError):
            self.ledger.post(receipts.open(stream, "kokin-csv"), actor="batch", at=at(when))


@pytest.fixture
def post(new_place: Callable[[], str], tmp_path: Path) -> Iterator[Post]:
    """A ledger that was created on Thursday 7 May 2026, the first bank day after the holidays, and posts files."""
    moments = iter([at("07 12:00")])
    # The entries after the first have a time of their own, which must not be after that of the clock.
    with Ledger.create(new_place(), clock=lambda: next(moments, at("31 12:00"))) as ledger:
        yield Post(ledger, tmp_path)


@pytest.fixture
def load(tmp_path: Path) -> Callable[[str], intake.Intake]:
    """A function that reads an intake file from its text; ``numbered.toml`` is a layout beside it."""
    (tmp_path / "numbered.toml").write_text(NUMBERED, encoding="utf-8")

    def read(text: str) -> intake.Intake:
        path = tmp_path / "intake.toml"
        path.write_text(text, encoding="utf-8")
        return intake.load(path)

    return read
