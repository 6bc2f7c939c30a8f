"""Invented files of any layout, for tests, demonstrations and benchmarks: the same seed, the same bytes."""

from __future__ import annotations

import random
from collections.abc import Callable
from datetime import date, time, timedelta
from itertools import chain
from pathlib import Path
from typing import Any, BinaryIO

import pyarrow as pa

from kokin.receipts._write import write
from kokin.receipts.layouts import Field, FieldType, Layout, load
from kokin.text import gs1_check_digit

_FIRST_DAY = date(2026, 4, 1)
_NAMES = ("ｽｲﾄﾞｳ ﾀﾛｳ", "ｺｳｷﾝ ﾊﾅｺ", "ｾﾞｲﾑ ｲﾁﾛｳ", "ﾉｳﾌ ｻｸﾗ")
_LEAST_YEN, _MOST_YEN = 100, 300_000


def generate_sample(
    path: str | Path | BinaryIO, layout: str | Path | Layout, rows: int, *, seed: int = 0, newline: str | None = None
) -> int:
    """Write an invented file with ``rows`` detail records, every one of them good, dated within April 2026.

    Keys count up from 1, so that they are unique; banks are 9999 and payees 99999. No record names another payment
    that it takes back.

    Returns:
        How many detail records were written.

    Raises:
        InvalidInputError: as :func:`kokin.receipts.write`; of an XML file the newline cannot be chosen.
    """
    if not isinstance(layout, Layout):
        layout = load(layout)
    chance = random.Random(seed)  # noqa: S311 (invented data)
    if layout.xml:
        return _write_xml(path, layout.xml.messages[-1], rows, chance)
    kind = layout.data
    empty = _left_empty(layout)
    columns = {field.id: [_value(field, chance, row) for row in range(rows)] for field in kind.fields}
    columns = {name: column for name, column in columns.items() if name not in empty}
    header = layout.role("header")
    values = {field.id: _value(field, chance, 0) for field in header.fields} if header else {}
    # All records of an invented file stand in one batch.
    table = pa.table({name: column for name, column in columns.items() if any(value is not None for value in column)})
    return write(table, path, layout, header=values, newline=newline)


def _left_empty(layout: Layout) -> set[str]:
    """The fields that make a record the reversal of another."""
    cancels = layout.identity.cancels if layout.identity else []
    rules = [rule for source in layout.receipt.values() for rule in source.rules]
    return {*cancels, *(rule.given for rule in rules if rule.given)}


def _digits(field: Field, chance: random.Random, row: int) -> str:
    if field.id.startswith(("bank", "payee_code")):
        return "9" * field.length
    return f"{row + 1:0{field.length}d}"[-field.length :]


def _text(field: Field, chance: random.Random, row: int) -> str:
    if field.sensitive:
        return chance.choice(_NAMES)
    if field.id.endswith("name"):
        return "ﾃｽﾄ"
    return f"{row + 1:0{min(field.length, 12)}d}"[-field.length :]


def _day(field: Field, chance: random.Random, row: int) -> date:
    return _day_of(chance)


def _day_of(chance: random.Random) -> date:
    return _FIRST_DAY + timedelta(days=chance.randrange(30))


def _barcode(field: Field, chance: random.Random, row: int) -> str:
    digits = f"91999999{row + 1:021d}099999900{chance.randrange(_LEAST_YEN, _MOST_YEN):06d}"[:43]
    return f"{digits}{gs1_check_digit(digits)}"


_MAKERS: dict[FieldType, Callable[[Field, random.Random, int], Any]] = {
    FieldType.DIGITS: _digits,
    FieldType.NUMBER: lambda field, chance, row: chance.randrange(10),
    FieldType.YEN: lambda field, chance, row: chance.randrange(_LEAST_YEN, _MOST_YEN),
    FieldType.TEXT: _text,
    FieldType.KANJI: lambda field, chance, row: "公金",
    FieldType.DATE: _day,
    FieldType.TIME: lambda field, chance, row: time(chance.randrange(24), chance.randrange(60)),
    FieldType.BARCODE: _barcode,
}


def _value(field: Field, chance: random.Random, row: int) -> Any:
    """A value that the field can hold; ``None`` where it writes itself."""
    if field.const is not None or field.type is FieldType.FILLER:
        return None
    if field.codes:
        return chance.choice([code for code in field.codes if code.strip()])
    return _MAKERS[field.type](field, chance, row)


_PARTS = {
    "camt.052": ("BkToCstmrAcctRpt", "Rpt"),
    "camt.053": ("BkToCstmrStmt", "Stmt"),
    "camt.054": ("BkToCstmrDbtCdtNtfctn", "Ntfctn"),
}
_ENTRY = """\
<Ntry><Amt Ccy="JPY">{amount}</Amt><CdtDbtInd>{direction}</CdtDbtInd><Sts><Cd>BOOK</Cd></Sts><BookgDt><Dt>{day}</Dt>\
</BookgDt><ValDt><Dt>{day}</Dt></ValDt><NtryDtls><TxDtls><Refs><AcctSvcrRef>{row:012d}</AcctSvcrRef></Refs>\
<RltdPties><Dbtr><Pty><Nm>{name}</Nm></Pty></Dbtr></RltdPties><RltdAgts><DbtrAgt><FinInstnId><ClrSysMmbId><ClrSysId>\
<Cd>JPZGN</Cd></ClrSysId><MmbId>9999</MmbId></ClrSysMmbId></FinInstnId><BrnchId><Id>001</Id></BrnchId></DbtrAgt>\
</RltdAgts><RmtInf><Ustrd>99999-{row:020d}-123456-127</Ustrd></RmtInf></TxDtls></NtryDtls></Ntry>
"""


def _write_xml(path: str | Path | BinaryIO, message: str, rows: int, chance: random.Random) -> int:
    """A message of one report with an entry per row, one in ten a debit."""
    root, report = _PARTS[message]
    namespace = f"urn:iso:std:iso:20022:tech:xsd:{message}.001.08"
    head = f'<?xml version="1.0" encoding="UTF-8"?>\n<Document xmlns="{namespace}"><{root}><{report}>\n'
    entries = (
        _ENTRY.format(
            amount=chance.randrange(_LEAST_YEN, _MOST_YEN),
            direction="DBIT" if row % 10 == 9 else "CRDT",
            day=_day_of(chance),
            name=chance.choice(_NAMES),
            row=row + 1,
        )
        for row in range(rows)
    )
    pieces = (piece.encode() for piece in chain((head,), entries, (f"</{report}></{root}></Document>\n",)))
    if isinstance(path, str | Path):
        with Path(path).open("wb") as stream:
            stream.writelines(pieces)
    else:
        path.writelines(pieces)
    return rows
