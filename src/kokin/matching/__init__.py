"""The matching core (照合): columns of keys and yen in, columns of outcomes out.

It knows numbers, yen and the order of payments; no law, no file, no database.

>>> import numpy as np, pyarrow as pa
>>> from datetime import date
>>> number = {"payee_code": "99999", "item_code": "127", "confirmation": "123456"}
>>> bills = pa.Table.from_pylist([
...     {"bill_id": f"B{n}", "case_key": str(n), "amount": 1000 * n, "due_on": date(2026, 6, 1), **number}
...     for n in (1, 2)])

An :class:`Index` leads from every number of every slip to the slip, and from the slip to what is open on its debt:

>>> index = Index.build(bills)
>>> receipts = pa.Table.from_pylist([{"case_key": key, **number} for key in ("2", "1", "3")])
>>> slip, by, _ = index.find(receipts.to_batches()[0])
>>> slip.tolist(), NUMBERS[by[0]]
([1, 0, -1], 'el_number')

A receipt that concerns no other is judged at a stroke; :func:`crowded` finds the others, for the whole rule of
:func:`judge`:

>>> kind = np.full(3, KINDS.index("final"), np.uint8)
>>> crowded(kind, slip, index.debts).tolist()
[False, False, True]
>>> judged = judge_alone(slip[:2], np.array([1500, 1000]), np.ones(2, bool), index.debts, index.status)
>>> [OUTCOMES[code].value for code in judged.outcome], judged.applied.tolist()
(['UNDERPAID', 'MATCHED'], [1500, 1000])
"""

from kokin.matching._debts import CANCELLED, OPEN, STATUSES, SUPERSEDED, Debts
from kokin.matching._disposition import BOOKED, PROVISIONAL_YEN, SUSPENSE, bins, disposition, signed
from kokin.matching._index import Index
from kokin.matching._judge import (
    CANCEL,
    CORRECTION,
    FINAL,
    KINDS,
    NO_BALANCE,
    OUTCOMES,
    PROVISIONAL,
    REVERSAL,
    Claims,
    Judgement,
    crowded,
    group,
    judge,
    judge_alone,
)
from kokin.matching._lookup import NO_BILL, NO_NUMBER, SEVERAL
from kokin.matching._pack import CONTENT, DIGIT_COLUMNS, EL_FIELDS, NUMBER_COLUMNS, NUMBERS, Keys, pack, pack_text
from kokin.matching._slots import hashes

__all__ = [
    "BOOKED",
    "CANCEL",
    "CANCELLED",
    "CONTENT",
    "CORRECTION",
    "DIGIT_COLUMNS",
    "EL_FIELDS",
    "FINAL",
    "KINDS",
    "NO_BALANCE",
    "NO_BILL",
    "NO_NUMBER",
    "NUMBERS",
    "NUMBER_COLUMNS",
    "OPEN",
    "OUTCOMES",
    "PROVISIONAL",
    "PROVISIONAL_YEN",
    "REVERSAL",
    "SEVERAL",
    "STATUSES",
    "SUPERSEDED",
    "SUSPENSE",
    "Claims",
    "Debts",
    "Index",
    "Judgement",
    "Keys",
    "bins",
    "crowded",
    "disposition",
    "group",
    "hashes",
    "judge",
    "judge_alone",
    "pack",
    "pack_text",
    "signed",
]
