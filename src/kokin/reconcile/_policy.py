"""What the body decides: choices that law leaves open, each with its default and the reason for it."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Annotated, Literal, Self, TypeAlias

from pydantic import Field

from kokin.issues import InvalidInputError, Location
from kokin.model import Digits, Record, Yen
from kokin.rules import Segment, SplitMethod
from kokin.text import load_toml

PairField: TypeAlias = Literal["paid_on", "paid_time", "store_code"]


class Policy(Record):
    """The choices of a run; it is told with the result, so that the run can be repeated.

    >>> Policy(split={"water-charge": "water_first"}, fees={"": 66}, fee="netted").stale_after
    30
    """

    pair_by: tuple[PairField, ...] = Field(default=("paid_on", "paid_time", "store_code"), strict=False)
    """What, besides bill and amount, a 速報 has in common with its 確報 or 取消, and a 訂正 with what it corrects.

    By default all three. Leave ``paid_time`` out where an operator's finals carry no time of day.
    """
    payee_codes: tuple[Annotated[str, Digits(5)], ...] = Field(default=(), strict=False)
    """共通納税機関コード that are served here; a receipt of another is WRONG_BODY.

    By default those of the bills: a list of one's own is needed only where a body has no bill in the run.
    """
    stale_after: Annotated[int, Yen(0, 9999)] = 30
    """Days after which a 速報 with neither 確報 nor 取消 is STALE_PROVISIONAL.

    Agencies pay over three times a month or oftener; after a month nothing is on its way any more.
    """
    year_closed: Literal["all", "crossing"] = "all"
    """Which receipts are YEAR_CLOSED: all that came after the 出納閉鎖 of their term's year, or only those ``crossing``
    it, paid before and received after.

    By default all: what is told too often can be filtered, what is not told cannot be found.
    """
    split: dict[str, SplitMethod] = Field(default_factory=dict)
    """How a partial payment is split over the parts of a slip, by the charge of the slip.

    A charge that is not named is split ``prorata``, to the yen. For the resident taxes that is how a city pays over the
    prefecture's part (地方税法施行令8); for water and sewerage no law says it, and it favours neither account.
    ``water_first`` fills the part ``water-charge`` first. ``reject`` splits nothing before the slip is paid in full,
    and tells each partial payment as SPLIT_MISMATCH.
    """
    refund_interest_from: Literal["month", "payment"] = "month"
    """From when 還付加算金 runs: after the month that follows the payment, or from the day after it.

    A sum that was paid by mistake or twice bears interest only after that month (地方税法17の4①四). What the body had
    levied too high bears it from the payment (17の4①一), but only the body knows that; then compute with
    :func:`kokin.rules.refund_interest`.
    """
    interest_segment: Segment = "year"
    """Where a segment of 還付加算金 is cut to whole yen; see :func:`kokin.rules.refund_interest`."""
    fee: Literal["gross", "netted"] = "gross"
    """Whether an operator pays everything over and bills its fee (``gross``), or keeps it back (``netted``: 繰替払).

    It concerns the bank only: revenue is booked in full either way (総計予算主義, 自治法210).
    """
    fees: dict[str, Annotated[int, Yen()]] = Field(default_factory=dict)
    """Yen of fee per receipt, by ``agent_code``; ``""`` stands for every other receipt. None by default."""
    settlement_days: Annotated[int, Yen(0, 9999)] = 30
    """Days after its payment from which money without a day of settlement is MISSING_SETTLEMENT, where bank credits are
    given. As with a 速報, after a month nothing is on its way any more."""

    @classmethod
    def load(cls, path: str | os.PathLike[str]) -> Self:
        """A policy from a TOML file, in which the names are those of the fields.

        Raises:
            InvalidInputError: the file is not TOML, or a choice is wrong; ``.issues`` names every one.
            OSError: the file cannot be read.
        """
        file = Path(path)
        where = Location(file.name)
        choices = load_toml(file)
        try:
            return cls(**choices)
        except InvalidInputError as refusal:
            raise InvalidInputError(
                [issue.with_location(where) for issue in refusal.issues], "policy refused"
            ) from None
