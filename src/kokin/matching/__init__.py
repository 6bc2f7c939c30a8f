"""The matching core (照合): columns of keys and yen in, columns of outcomes and allocations out.

It knows keys, yen and the order of payments; no law, no file format, no database.

>>> import numpy as np, pyarrow as pa
>>> from datetime import date
>>> number = {"payee_code": "99999", "item_code": "127", "confirmation": "123456"}
>>> bills = pa.Table.from_pylist([
...     {"bill_id": f"B{n}", "case_key": str(n), "amount": 1000 * n, "due_on": date(2026, 6, 1), **number}
...     for n in (1, 2)])

An :class:`Index` maps every key of every slip to the slip, and the slip to its obligations:

>>> index = Index.build(bills)
>>> receipts = pa.Table.from_pylist([{"case_key": key, **number} for key in ("2", "1", "3")])
>>> slip, key_kind, _ = index.lookup(receipts.to_batches()[0])
>>> slip.tolist(), KEY_KINDS[key_kind[0]]
([1, 0, -1], 'el_number')

:func:`find_interacting` finds the receipts that need the full rule (:func:`apply_rule`); the others are settled by a
vectorised shortcut:

>>> kind = np.full(3, KINDS.index("final"), np.uint8)
>>> find_interacting(kind, slip, index.obligations).tolist()
[False, False, True]
>>> result = match_independent(slip[:2], np.array([1500, 1000]), index.obligations, index.status)
>>> [OUTCOMES[code].value for code in result.outcome], result.applied.tolist()
(['UNDERPAID', 'MATCHED'], [1500, 1000])
"""

from kokin.matching._allocate import allocate_in_order, fill_in_order
from kokin.matching._groups import first_of_groups, first_of_runs, group, starts_of_runs
from kokin.matching._hash_index import AMBIGUOUS, NO_BILL, NO_KEY, hash_keys
from kokin.matching._index import MATCHED_COLUMNS, Index
from kokin.matching._keys import (
    CONTENT_COLUMNS,
    DIGIT_COLUMNS,
    EL_FIELDS,
    KEY_COLUMNS,
    KEY_KINDS,
    EncodedKeys,
    encode_keys,
    encode_text,
)
from kokin.matching._obligations import CANCELLED, OPEN, SUPERSEDED, Obligations, find_not_shared
from kokin.matching._rule import (
    BOOKED,
    CANCEL,
    CORRECTION,
    FINAL,
    KINDS,
    NO_BALANCE,
    OUTCOMES,
    PROVISIONAL,
    PROVISIONAL_YEN,
    REVERSAL,
    SUSPENSE,
    UNDECIDED,
    Allocations,
    Assignments,
    MatchInput,
    MatchResult,
    apply_rule,
    disposition_of,
    disposition_texts,
    find_interacting,
    match_independent,
    signed,
    yen_by_disposition,
)

__all__ = [
    "AMBIGUOUS",
    "BOOKED",
    "CANCEL",
    "CANCELLED",
    "CONTENT_COLUMNS",
    "CORRECTION",
    "DIGIT_COLUMNS",
    "EL_FIELDS",
    "FINAL",
    "KEY_COLUMNS",
    "KEY_KINDS",
    "KINDS",
    "MATCHED_COLUMNS",
    "NO_BALANCE",
    "NO_BILL",
    "NO_KEY",
    "OPEN",
    "OUTCOMES",
    "PROVISIONAL",
    "PROVISIONAL_YEN",
    "REVERSAL",
    "SUPERSEDED",
    "SUSPENSE",
    "UNDECIDED",
    "Allocations",
    "Assignments",
    "EncodedKeys",
    "Index",
    "MatchInput",
    "MatchResult",
    "Obligations",
    "allocate_in_order",
    "apply_rule",
    "disposition_of",
    "disposition_texts",
    "encode_keys",
    "encode_text",
    "fill_in_order",
    "find_interacting",
    "find_not_shared",
    "first_of_groups",
    "first_of_runs",
    "group",
    "hash_keys",
    "match_independent",
    "signed",
    "starts_of_runs",
    "yen_by_disposition",
]
