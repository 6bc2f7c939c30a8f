"""The outcomes (消込結果): the closed set of what can become of a receipt, and the bin its yen go to."""

from __future__ import annotations

from enum import StrEnum


class Disposition(StrEnum):
    """Where the yen of a receipt are counted. Control T4: every yen is in exactly one bin.

    The yen of a reversal are negative: those of a payment and of its reversal cancel out in NO_EFFECT, those of a
    reversal without a payment lower SUSPENSE.
    """

    #: 充当済: lowered a balance.
    APPLIED = "applied"
    #: 過誤納: paid, and owed back or to be set off.
    EXCESS = "excess"
    #: 不明金: paid, and nobody knows for what.
    SUSPENSE = "suspense"
    #: 仮消込: reported, not yet money.
    PROVISIONAL = "provisional"
    #: No effect: repeated, replaced, voided, or taken back.
    NO_EFFECT = "no_effect"


class Outcome(StrEnum):
    """What became of a receipt, or what is wrong with it."""

    #: 消込済: the balance was paid to the yen.
    MATCHED = "MATCHED"
    #: 内入: less than the balance; the rest stays open.
    UNDERPAID = "UNDERPAID"
    #: 過納: more than the balance.
    OVERPAID = "OVERPAID"
    #: 二重納付: the balance was nothing already.
    DUPLICATE_PAYMENT = "DUPLICATE_PAYMENT"
    #: 更正後の旧納付書: the slip has been superseded.
    BILL_CHANGED = "BILL_CHANGED"
    #: 調定取消後: the bill has been cancelled.
    CANCELLED_BILL = "CANCELLED_BILL"
    #: 該当なし: the number leads to no bill.
    NO_BILL = "NO_BILL"
    #: 複数該当: the number leads to more than one open bill.
    MULTIPLE_BILLS = "MULTIPLE_BILLS"
    #: 番号なし: the receipt carries no number.
    KEY_MISSING = "KEY_MISSING"
    #: 速報: waiting for its final.
    PROVISIONAL = "PROVISIONAL"
    #: 速報→確報: its final has come.
    SUPERSEDED = "SUPERSEDED"
    #: 取り消された速報.
    CANCELLED = "CANCELLED"
    #: 速報取消: the cancel itself; also a correction (訂正) to 0 yen: nothing was paid.
    CANCEL = "CANCEL"
    #: 取消の対象がない.
    CANCEL_WITHOUT_PROVISIONAL = "CANCEL_WITHOUT_PROVISIONAL"
    #: 再取込: the same payment in a second record.
    DUPLICATE_RECORD = "DUPLICATE_RECORD"
    #: 入金取消済: booked money that the bank or agent took back.
    REVERSED = "REVERSED"
    #: 入金取消: the record that takes it back.
    REVERSAL = "REVERSAL"
    #: 入金取消の対象がない: money was taken back, and no booked payment fits.
    REVERSAL_WITHOUT_PAYMENT = "REVERSAL_WITHOUT_PAYMENT"

    @property
    def is_exception(self) -> bool:
        """Whether somebody has to look at it."""
        return self not in _EXPECTED


_EXPECTED = frozenset(
    {
        Outcome.MATCHED,
        Outcome.PROVISIONAL,
        Outcome.SUPERSEDED,
        Outcome.CANCELLED,
        Outcome.CANCEL,
        # The payment that it takes back is REVERSED, and that is to be looked at: one row for one fact.
        Outcome.REVERSAL,
    }
)


class Finding(StrEnum):
    """What law and policy add beside an outcome: something to look at that moves no yen.

    A receipt keeps its outcome and its bins whatever is found. What is found before there is a receipt (a check digit,
    a format) is an issue of the file that was read.
    """

    #: 期別違い: paid for another term than the one that was due, or the receipt names another term than its bill.
    WRONG_TERM = "WRONG_TERM"
    #: 支払期限後: paid after the slip's last day.
    EXPIRED = "EXPIRED"
    #: 他団体分: the receipt names a body that is not served here.
    WRONG_BODY = "WRONG_BODY"
    #: 出納閉鎖後: the money came after the accounts of its year had closed.
    YEAR_CLOSED = "YEAR_CLOSED"
    #: 滞留速報: neither a final nor a cancel has come.
    STALE_PROVISIONAL = "STALE_PROVISIONAL"
    #: 内訳不一致: parts do not add up, or a partial payment is not to be split.
    SPLIT_MISMATCH = "SPLIT_MISMATCH"
    #: 合計不一致: a file or an operator's report says another total than its records.
    TOTAL_MISMATCH = "TOTAL_MISMATCH"
    #: 払込額不一致: the bank has another sum than the records of the day.
    SETTLEMENT_MISMATCH = "SETTLEMENT_MISMATCH"
    #: 払込未着: money was reported and has not come to the bank.
    MISSING_SETTLEMENT = "MISSING_SETTLEMENT"
    #: 識別番号の重複: payments with one provider key and different content.
    KEY_REUSED = "KEY_REUSED"
    #: ファイルの重複: a file repeats payments of another file.
    FILE_OVERLAPS = "FILE_OVERLAPS"
