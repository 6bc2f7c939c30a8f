"""Expected files (受入予定): which files should have come, on which day and until when, and which of them have.

An intake file names the sources. The files that have come are those in the ledger:

>>> import tempfile, pyarrow as pa
>>> from datetime import date, datetime
>>> from pathlib import Path
>>> from kokin.ledger import Ledger
>>> from kokin.text import JAPAN
>>> folder = tempfile.TemporaryDirectory()
>>> path = Path(folder.name) / "intake.toml"
>>> _ = path.write_text('''
... [source.stores]
... label = "収納代行"
... layout = "kokin-csv"
... days = "bank"
... until = 09:00:00
... since = 2026-05-08
... ''', encoding="utf-8")
>>> intake = load(path)
>>> clock = lambda: datetime(2026, 5, 8, 8, 30, tzinfo=JAPAN)
>>> ledger = Ledger.create(f"sqlite:///{folder.name}/city.db", clock=clock)
>>> payment = {"payee_code": "99999", "item_code": "127", "confirmation": "123456", "case_key": "1", "amount": 10_000,
...            "paid_on": date(2026, 5, 7)}
>>> _ = ledger.post(pa.Table.from_pylist([payment]), source="friday.csv", actor="batch")
>>> status = intake.check(ledger, date(2026, 5, 8), now=datetime(2026, 5, 8, 9, 30, tzinfo=JAPAN))
>>> status.first_line(), status.files[0].state.value
('1 of 1 files', 'arrived')

On the Tuesday after it, the file of Monday is missing, and so is that of Tuesday:

>>> status = intake.check(ledger, date(2026, 5, 12), now=datetime(2026, 5, 12, 9, 30, tzinfo=JAPAN))
>>> status.first_line()
'0 of 1 files; 収納代行 missing for 2 bank days'
>>> [(file.day.isoformat(), file.state.value, file.bank_days) for file in status.files]
[('2026-05-11', 'missing', 2), ('2026-05-12', 'missing', 1)]
>>> ledger.close(); folder.cleanup()
"""

from kokin.intake._days import BusinessCalendar
from kokin.intake._intake import Intake, load
from kokin.intake._prometheus import prometheus
from kokin.intake._source import (
    MONTH_END,
    WEEKDAYS,
    BalanceChain,
    ClosedDay,
    DayRule,
    SequenceRule,
    Source,
    SourceKind,
)
from kokin.intake._status import (
    STATUS_VERSION,
    ExpectedFile,
    FileState,
    FindingKind,
    IntakeFinding,
    IntakeStatus,
)

__all__ = [
    "MONTH_END",
    "STATUS_VERSION",
    "WEEKDAYS",
    "BalanceChain",
    "BusinessCalendar",
    "ClosedDay",
    "DayRule",
    "ExpectedFile",
    "FileState",
    "FindingKind",
    "Intake",
    "IntakeFinding",
    "IntakeStatus",
    "SequenceRule",
    "Source",
    "SourceKind",
    "load",
    "prometheus",
]
