"""The matching core: columns of keys and yen in, columns of outcomes out."""

from kokin.matching._debts import CANCELLED, OPEN, STATUSES, SUPERSEDED, Debts
from kokin.matching._index import Index
from kokin.matching._judge import KINDS, NO_BALANCE, OUTCOMES, Claims, Judgement, crowded, judge, judge_alone
from kokin.matching._lookup import NO_BILL, NO_NUMBER, SEVERAL
from kokin.matching._pack import NUMBERS

__all__ = [
    "CANCELLED",
    "KINDS",
    "NO_BALANCE",
    "NO_BILL",
    "NO_NUMBER",
    "NUMBERS",
    "OPEN",
    "OUTCOMES",
    "SEVERAL",
    "STATUSES",
    "SUPERSEDED",
    "Claims",
    "Debts",
    "Index",
    "Judgement",
    "crowded",
    "judge",
    "judge_alone",
]
