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
>>> slip.tolist(), KEY_KINDS[by[0]]
([1, 0, -1], 'el_number')

A receipt that concerns no other is judged at a stroke; :func:`find_interacting` finds the others, for the whole rule of
:func:`apply_rule`:

>>> kind = np.full(3, KINDS.index("final"), np.uint8)
>>> find_interacting(kind, slip, index.debts).tolist()
[False, False, True]
>>> judged = match_independent(slip[:2], np.array([1500, 1000]), np.ones(2, bool), index.debts, index.status)
>>> [OUTCOMES[code].value for code in judged.outcome], judged.applied.tolist()
(['UNDERPAID', 'MATCHED'], [1500, 1000])
"""

from kokin.matching._debts import CANCELLED, OPEN, STATUSES, SUPERSEDED, Obligations
from kokin.matching._disposition import BOOKED, PROVISIONAL_YEN, SUSPENSE, bins, disposition, disposition_index, signed
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
    MatchInput,
    MatchResult,
    apply_rule,
    find_interacting,
    group,
    match_independent,
)
from kokin.matching._lookup import AMBIGUOUS, NO_BILL, NO_KEY
from kokin.matching._pack import (
    CONTENT,
    DIGIT_COLUMNS,
    EL_FIELDS,
    KEY_COLUMNS,
    KEY_KINDS,
    EncodedKeys,
    encode_keys,
    encode_text,
)
from kokin.matching._slots import hashes

__all__ = [
    "AMBIGUOUS",
    "BOOKED",
    "CANCEL",
    "CANCELLED",
    "CONTENT",
    "CORRECTION",
    "DIGIT_COLUMNS",
    "EL_FIELDS",
    "FINAL",
    "KEY_COLUMNS",
    "KEY_KINDS",
    "KINDS",
    "NO_BALANCE",
    "NO_BILL",
    "NO_KEY",
    "OPEN",
    "OUTCOMES",
    "PROVISIONAL",
    "PROVISIONAL_YEN",
    "REVERSAL",
    "STATUSES",
    "SUPERSEDED",
    "SUSPENSE",
    "EncodedKeys",
    "Index",
    "MatchInput",
    "MatchResult",
    "Obligations",
    "apply_rule",
    "bins",
    "disposition",
    "disposition_index",
    "encode_keys",
    "encode_text",
    "find_interacting",
    "group",
    "hashes",
    "match_independent",
    "signed",
]
