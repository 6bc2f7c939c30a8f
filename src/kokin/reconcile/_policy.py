"""What the body decides: choices that the rule of matching leaves open, each with its default."""

from __future__ import annotations

from typing import Literal

from kokin.model import Record

PairField = Literal["paid_on", "paid_at", "store_code"]


class Policy(Record):
    """The choices of a run; it is told with the result, so that the run can be repeated."""

    pair_by: tuple[PairField, ...] = ("paid_on", "paid_at", "store_code")
    """What, besides bill and amount, a 速報 has in common with its 確報 or 取消, and a 訂正 with what it corrects.

    By default all three. Leave ``paid_at`` out where an operator's finals carry no time of day.
    """
