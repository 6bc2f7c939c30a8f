"""The columns of closings (締め) and of their figures, which the ledger writes and the reports print."""

from __future__ import annotations

import pyarrow as pa

#: The keys of :attr:`kokin.reconcile.Accounts.totals`, beside the day of receipt.
FIGURE_KEYS = ("payee_code", "account", "system", "charge", "item_code", "fiscal_year", "year_class", "channel")
#: Its sums: the number of receipts, and yen.
FIGURE_SUMS = ("receipts", "received", "revenue", "off_budget", "overpaid", "suspense")

_YEARS = ("booked_year", "fiscal_year")

#: The columns of :meth:`kokin.ledger.Ledger.closing_figures`.
FIGURE_COLUMNS = pa.schema(
    [
        ("booked_on", pa.date32()),
        ("booked_year", pa.int64()),
        ("received_on", pa.date32()),
        ("is_late", pa.bool_()),
        *((name, pa.int64() if name in _YEARS else pa.string()) for name in FIGURE_KEYS),
        *((name, pa.int64()) for name in FIGURE_SUMS),
    ]
)

#: The columns of :meth:`kokin.ledger.Ledger.closings`.
CLOSING_COLUMNS = pa.schema(
    [
        ("entry", pa.int64()),
        ("period", pa.string()),
        ("first_day", pa.date32()),
        ("last_day", pa.date32()),
        *((name, pa.int64()) for name in FIGURE_SUMS),
        ("late_receipts", pa.int64()),
        ("late_received", pa.int64()),
        ("digest", pa.string()),
        ("approver", pa.string()),
    ]
)

#: The columns of :attr:`kokin.ledger.BookedTotals.late`.
LATE_COLUMNS = pa.schema(
    [("closed_by", pa.int64()), ("booked_by", pa.int64()), *(each for each in FIGURE_COLUMNS if each.name != "is_late")]
)
