"""The outcomes of matching (消込結果), the dispositions of yen, and the findings of law and policy."""

from __future__ import annotations

from enum import StrEnum


class Disposition(StrEnum):
    """The disposition of the yen of a receipt. Control T4: every yen has exactly one.

    The yen of a reversal are negative: those of a payment and of its reversal cancel out in NO_EFFECT, those of a
    reversal without a payment reduce SUSPENSE.
    """

    #: 消込済: reduced a balance.
    APPLIED = "applied"
    #: 過誤納: overpaid; to be refunded or set off.
    EXCESS = "excess"
    #: 不明金: paid, but the bill is unknown.
    SUSPENSE = "suspense"
    #: 速報: reported; the money has not arrived.
    PROVISIONAL = "provisional"
    #: No effect: a duplicate, or superseded, cancelled or reversed.
    NO_EFFECT = "no_effect"


class Outcome(StrEnum):
    """The result of matching a receipt."""

    #: 消込済: equal to the balance.
    MATCHED = "MATCHED"
    #: 内入: less than the balance; the remainder stays open.
    UNDERPAID = "UNDERPAID"
    #: 過納: more than the balance.
    OVERPAID = "OVERPAID"
    #: 二重納付: the balance was 0 already.
    DUPLICATE_PAYMENT = "DUPLICATE_PAYMENT"
    #: 更正後の旧納付書: the slip has been superseded.
    BILL_CHANGED = "BILL_CHANGED"
    #: 調定取消後: the bill has been cancelled.
    CANCELLED_BILL = "CANCELLED_BILL"
    #: 該当調定なし: no bill has the number.
    NO_BILL = "NO_BILL"
    #: 複数該当: the number identifies open bills of several obligations.
    MULTIPLE_BILLS = "MULTIPLE_BILLS"
    #: 番号なし: the receipt has no number.
    KEY_MISSING = "KEY_MISSING"
    #: 速報: its final receipt is pending.
    PROVISIONAL = "PROVISIONAL"
    #: 速報→確報: a provisional receipt whose final receipt has arrived.
    SUPERSEDED = "SUPERSEDED"
    #: 取り消された速報: a cancelled provisional receipt.
    CANCELLED = "CANCELLED"
    #: 速報取消: the cancellation itself; also a correction (訂正) to 0 yen: nothing was paid.
    CANCEL = "CANCEL"
    #: 取消の対象がない: a cancellation without a provisional receipt.
    CANCEL_WITHOUT_PROVISIONAL = "CANCEL_WITHOUT_PROVISIONAL"
    #: 重複明細: another record of the same payment.
    DUPLICATE_RECORD = "DUPLICATE_RECORD"
    #: 入金取消済: a payment that the bank or agent has reversed.
    REVERSED = "REVERSED"
    #: 入金取消: the record that reverses it.
    REVERSAL = "REVERSAL"
    #: 入金取消の対象がない: a reversal without a matching payment.
    REVERSAL_WITHOUT_PAYMENT = "REVERSAL_WITHOUT_PAYMENT"
    #: 消込保留: a person decided that the payment is for none of the bills (:class:`~kokin.model.DecisionKind`).
    UNAPPLIED = "UNAPPLIED"
    #: 他団体分 (判断済): a person decided that the payment is for another authority.
    OTHER_AUTHORITY = "OTHER_AUTHORITY"
    #: 収納外 (判断済): a person decided that the record reports no payment.
    NOT_A_PAYMENT = "NOT_A_PAYMENT"

    @property
    def is_exception(self) -> bool:
        """Whether a person has to review it."""
        return self not in _EXPECTED


# The payment that a REVERSAL reverses is REVERSED, an exception: one fact is listed once. UNAPPLIED yen wait for a
# decision.
_EXPECTED = frozenset(
    (
        Outcome.MATCHED,
        Outcome.PROVISIONAL,
        Outcome.SUPERSEDED,
        Outcome.CANCELLED,
        Outcome.CANCEL,
        Outcome.REVERSAL,
        Outcome.OTHER_AUTHORITY,
        Outcome.NOT_A_PAYMENT,
    )
)


class Finding(StrEnum):
    """A finding of law or policy in addition to the outcome: to be reviewed, without an effect on yen.

    A finding changes neither the outcome nor the disposition of a receipt. A problem that is found while a file is read
    (a check digit, a format) is an issue of the file.
    """

    #: 期別違い: another term than the one that was due is paid, or the term of the receipt differs from its bill.
    WRONG_TERM = "WRONG_TERM"
    #: 支払期限後: paid after the payment deadline of the slip.
    EXPIRED = "EXPIRED"
    #: 他団体分: the receipt is for an authority that the policy does not list.
    WRONG_BODY = "WRONG_BODY"
    #: 出納閉鎖後: received after the accounts of its fiscal year were closed.
    YEAR_CLOSED = "YEAR_CLOSED"
    #: 滞留速報: neither a final receipt nor a cancellation has arrived.
    STALE_PROVISIONAL = "STALE_PROVISIONAL"
    #: 未来日付: the day of payment or of receipt is after the day of the run.
    FUTURE_DATE = "FUTURE_DATE"
    #: 内訳不一致: the parts do not add up, or a partial payment must not be split.
    SPLIT_MISMATCH = "SPLIT_MISMATCH"
    #: 合計不一致: a total of a file or of an agent report differs from its records.
    TOTAL_MISMATCH = "TOTAL_MISMATCH"
    #: 払込額不一致: the deposit differs from the sum of the records of the day.
    SETTLEMENT_MISMATCH = "SETTLEMENT_MISMATCH"
    #: 払込未着: payments were reported, but the deposit has not arrived.
    MISSING_SETTLEMENT = "MISSING_SETTLEMENT"
    #: 識別番号の重複: payments with the same provider key and different content.
    KEY_REUSED = "KEY_REUSED"
    #: ファイルの重複: a file contains payments of another file.
    FILE_OVERLAPS = "FILE_OVERLAPS"
    #: 還付超過: more was refunded or set off than is paid in excess now, because of later data.
    REFUND_EXCEEDS_EXCESS = "REFUND_EXCEEDS_EXCESS"
    #: 不納欠損超過: more was written off than is open now, because of later data: a payment, a corrected bill.
    WRITE_OFF_EXCEEDS_BALANCE = "WRITE_OFF_EXCEEDS_BALANCE"
