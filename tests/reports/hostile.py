"""A report with a hostile text in every text field."""

from datetime import date

import pyarrow as pa

from kokin.issues import Issue, Location, to_table
from kokin.reconcile import build_accounts, reconcile
from kokin.reports import FileSummary, Report

HOSTILE = "</script><img onerror=alert(1) src=x>\"'&{}$x`"
DAY = date(2026, 6, 15)


def hostile_report(evil=HOSTILE):
    """Return a report with the same text in every text field."""
    slip = {"payee_code": "99999", "item_code": "127", "confirmation": "123456", "due_on": date(2026, 5, 1)}
    bills = [
        {
            "bill_id": f"{evil}{n}",
            "case_key": str(n),
            "amount": 10_000,
            "charge": evil[:40],
            "system": evil[:40],
            "payer_key": evil,
            "name": f"山田{evil}",
            "obligation_id": f"{evil}{n}",
            "period": "01",
            **slip,
        }
        for n in (1, 2, 3)
    ]
    key = {name: slip[name] for name in ("payee_code", "item_code", "confirmation")}
    texts = {"source": evil, "layout": evil[:40], "digest": evil, "channel": evil[:20], "agent_code": evil[:20]}
    texts |= {"provider_key": evil, "name": f"山田{evil}", "store_code": evil[:20], "actor": evil, "reason": evil}
    receipts = [
        {"record_no": n, "case_key": case, "amount": yen, "kind": kind, "paid_on": date(2026, 5, n), **texts, **key}
        for n, case, yen, kind in (
            (1, "1", 10_000, "final"),
            (2, "1", 9_000, "final"),
            (3, "2", 400, "final"),
            (4, "9", 700, "final"),
            (5, "3", 10_000, "provisional"),
        )
    ]
    receipts.append(dict(receipts[0], record_no=6))
    result = reconcile(pa.Table.from_pylist(bills), pa.Table.from_pylist(receipts))
    deposits = pa.table({"credited_on": [date(2026, 5, 1)], "amount": [1], "agent_code": [evil[:20]]})
    accounts = build_accounts(result, as_of=DAY, deposits=deposits)
    file = FileSummary(evil, evil, evil, read=7, accepted=6, unpaid=0, rejected=1, amount=30_100)
    issues = to_table([Issue("NOT_DIGITS", field=evil, expected=evil, found=evil, location=Location(evil, 1))])
    return Report.from_run(result, accounts, files=[file], issues=issues)
