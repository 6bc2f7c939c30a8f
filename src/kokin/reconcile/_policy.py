"""The policy: choices that law leaves to the authority, each with its default and the reason for it."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Annotated, Literal, Self, TypeAlias

from pydantic import Field

from kokin.model import Digits, Record, Yen
from kokin.rules import Segment, SplitMethod
from kokin.text import load_toml, located_in

RefundInterestStart: TypeAlias = Literal["month", "payment", "none"]
PairField: TypeAlias = Literal["paid_on", "paid_time", "store_code"]


class Policy(Record):
    """The choices of a run. It is part of the summary, so that the run can be repeated.

    >>> Policy(split={"water-charge": "water_first"}, fees={"": 66}, fee="netted").stale_after
    30
    """

    pair_by: tuple[PairField, ...] = Field(default=("paid_on", "paid_time", "store_code"), strict=False)
    """The fields, besides bill and amount, that pair a 速報 with its 確報 or 取消, and a 訂正 with its record.

    By default all three. Leave ``paid_time`` out if the finals of an agent carry no time of day.
    """
    payee_codes: tuple[Annotated[str, Digits(5)], ...] = Field(default=(), strict=False)
    """共通納税機関コード of the authority; a receipt with another is WRONG_BODY.

    By default those of the bills: a list is needed only for a code without any bill in the run.
    """
    stale_after: Annotated[int, Yen(0, 9999)] = 30
    """Days after which a 速報 with neither 確報 nor 取消 is STALE_PROVISIONAL.

    Agents transfer money at least three times a month; after a month nothing is in transit.
    """
    year_closed: Literal["all", "crossing"] = "all"
    """Which receipts are YEAR_CLOSED: all that are received after 出納閉鎖 of their due date's year, or only those
    ``crossing`` it, paid before and received after.

    By default all: a superfluous finding can be filtered, a missing one cannot be seen.
    """
    split: dict[str, SplitMethod] = Field(default_factory=dict)
    """How a partial payment is split over the parts of a slip, by the charge of the slip.

    The default is ``prorata``, to the yen. For the resident taxes that is how a city transfers the prefecture's part
    (地方税法施行令8); for water and sewerage no law says it, and it favours neither account. ``water_first`` fills the
    part ``water-charge`` first. ``reject`` splits nothing before the slip is paid in full; each partial payment is a
    SPLIT_MISMATCH.
    """
    refund_interest_from: Literal["month", "payment"] = "month"
    """From when 還付加算金 runs: after the month that follows the payment, or from the day after the payment.

    A sum that was paid by mistake or in duplicate bears interest only after that month (地方税法17の4①四). An excessive
    levy bears it from the payment (17の4①一), but only the authority knows that; then use
    :func:`kokin.rules.refund_interest`.
    """
    refund_interest_by_charge: dict[str, RefundInterestStart] = Field(default_factory=dict)
    """The same by the charge of the slip that was paid, where it differs; ``none``: its refunds bear no interest.

    By default a private claim (私債権: water, rent, school lunch) bears none, because 地方税法17の4 and 自治法231の3④
    are for public revenue; name its charge if your terms promise interest.
    """
    interest_segment: Segment = "year"
    """The segments of 還付加算金 that are rounded down to whole yen; see :func:`kokin.rules.refund_interest`."""
    fee: Literal["gross", "netted"] = "gross"
    """Whether an agent transfers the full amount and bills its fee (``gross``), or deducts it (``netted``: 繰替払).

    It concerns the bank only: revenue is booked in full either way (総計予算主義, 自治法210).
    """
    fees: dict[str, Annotated[int, Yen()]] = Field(default_factory=dict)
    """Yen of fee per receipt, by ``agent_code``; ``""`` is the fee of every other receipt. None by default."""
    four_eyes: bool = False
    """Whether a decision about an exception, or a closing, needs the approval of another person than the actor
    (複数人確認)."""
    debit_retry: tuple[Annotated[str, Digits(1)], ...] = Field(default=("1",), strict=False)
    """The 振替結果コード after which a failed direct debit is asked for again (再振替).

    By default only 1 (資金不足): after the other codes the account cannot be debited until somebody has acted.
    """
    debit_attempts: Annotated[int, Yen(1, 99)] = 2
    """How often a bill is asked for by direct debit: the first request and, by default, one 再振替."""
    settlement_days: Annotated[int, Yen(0, 9999)] = 30
    """Days after its payment from which a receipt without a day of settlement is MISSING_SETTLEMENT, if bank deposits
    are known. As with a 速報, after a month nothing is in transit."""

    late_figures: Literal["received_on", "processed_on"] = "received_on"
    """The open day on which yen are booked that come for a closed day (過日分).

    ``received_on``: the first day that is not closed, the nearest one to the day of receipt (収入日). ``processed_on``:
    the last day of the closing that processes them (処理日), in a report the day of the report. Their day of receipt is
    listed in either case.
    """
    closing_gaps: bool = False
    """Whether a closing may also close the days before its period that are open, such as a weekend.

    By default each day is closed, so that a missing one is noticed.
    """

    @classmethod
    def load(cls, path: str | os.PathLike[str]) -> Self:
        """Read a policy from a TOML file whose keys are the names of the fields.

        Raises:
            InvalidInputError: the file is not TOML, or a value is invalid; ``.issues`` has every one.
            OSError: the file cannot be read.
        """
        file = Path(path)
        with located_in(file.name, "policy rejected"):
            return cls(**load_toml(file))
