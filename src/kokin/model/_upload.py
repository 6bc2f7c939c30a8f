"""納付書情報: what a record of an upload to eLTAX does with a slip, and the answer to it."""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated

from pydantic import Field

from kokin.model._fields import Digits, Record, Text, Yen


class UploadOperation(StrEnum):
    """What a record of an upload does with a slip."""

    #: 新規: eLTAX does not have the slip: it was not sent before, was rejected, or was withdrawn.
    NEW = "new"
    #: 訂正: the slip has other values than those sent before.
    CHANGE = "change"
    #: 取消: the slip can no longer be paid.
    WITHDRAW = "withdraw"


class UploadResult(StrEnum):
    """The answer to a record of an upload."""

    #: 受付: the slip can be paid.
    ACCEPTED = "accepted"
    #: エラー: the record was rejected, with a reason.
    REJECTED = "rejected"


class UploadAnswer(Record):
    """One record of an answer to an upload: the key of the slip, and whether its record was accepted.

    The key is one of three: the four fields of the eL number, the ``bill_id``, or the ``upload_record_no``. Of several
    keys the first one is used.
    """

    layout: Annotated[str, Text(40)] = ""
    """The name of the layout of the file."""
    source: Annotated[str, Text(255)] = ""
    """The name of the file."""
    digest: Annotated[str, Text(64)] = ""
    """SHA-256 of the file, in hexadecimal."""
    record_no: Annotated[int, Yen(1)] | None = None
    """The number of the record in the file of the answer, from 1; records of every type are counted."""
    byte_offset: Annotated[int, Yen()] | None = None
    """The offset of the first byte of the record in its file, from 0."""
    payee_code: Annotated[str, Digits(5)] | None = None
    """共通納税機関コード."""
    item_code: Annotated[str, Digits(3)] | None = None
    """税目・料金番号."""
    case_key: Annotated[str, Digits(20, zero_pad=True)] | None = None
    """案件特定キー, with its leading zeros."""
    confirmation: Annotated[str, Digits(6)] | None = None
    """確認番号."""
    bill_id: Annotated[str, Text(64)] | None = None
    """The authority's own number of the slip, if the upload contained it."""
    upload_record_no: Annotated[int, Yen(1)] | None = None
    """The number of the answered record in its upload, from 1."""
    operation: UploadOperation | None = Field(default=None, strict=False)
    """The operation of the answered record, if the file has it; otherwise the last record of the slip is answered."""
    result: UploadResult = Field(strict=False)
    """Whether the record was accepted."""
    reason_code: Annotated[str, Text(40)] | None = None
    """Why the record was rejected."""
    field: Annotated[str, Text(80)] | None = None
    """The field to correct."""
