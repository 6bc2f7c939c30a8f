"""Generate sample files of any layout, with invented data: the same seed yields the same bytes."""

from __future__ import annotations

import random
from collections.abc import Callable
from contextlib import nullcontext
from datetime import date, time, timedelta
from itertools import chain
from pathlib import Path
from typing import Any, BinaryIO

import pyarrow as pa

from kokin.receipts._writer import write
from kokin.receipts.layouts import Field, FieldType, Layout, load
from kokin.text import gs1_check_digit

_FIRST_DATE = date(2026, 4, 1)
_NAMES = ("ｽｲﾄﾞｳ ﾀﾛｳ", "ｺｳｷﾝ ﾊﾅｺ", "ｾﾞｲﾑ ｲﾁﾛｳ", "ﾉｳﾌ ｻｸﾗ")
_MIN_YEN, _MAX_YEN = 100, 300_000


def generate_sample(
    path: str | Path | BinaryIO, layout: str | Path | Layout, rows: int, *, seed: int = 0, newline: str | None = None
) -> int:
    """Write an invented file with ``rows`` valid detail records, dated within April 2026.

    Keys count up from 1, so they are unique; banks are 9999 and payees 99999. No record reverses another payment.

    Returns:
        The number of detail records written.

    Raises:
        InvalidInputError: as :func:`kokin.receipts.write`. The newline of an XML file cannot be chosen.
    """
    layout = layout if isinstance(layout, Layout) else load(layout)
    rng = random.Random(seed)  # noqa: S311 (invented data)
    if layout.xml:
        return _write_xml(path, layout.xml.messages[-1], rows, rng)
    columns = {field.id: [_value(field, rng, row) for row in range(rows)] for field in layout.data.fields}
    empty = _reversal_fields(layout)
    header = layout.role("header")
    header_values = {field.id: _value(field, rng, 0) for field in header.fields} if header else {}
    # The columns are the layout's own fields, none of the header, so that all records are in one batch.
    filled = [name for name in columns if name not in empty and any(value is not None for value in columns[name])]
    table = pa.table({name: columns[name] for name in filled})
    return write(table, path, layout, header=header_values, newline=newline)


def _reversal_fields(layout: Layout) -> set[str]:
    """Return the fields whose values would make a record the reversal of another payment."""
    rules = [rule for source in layout.receipt.values() for rule in source.rules]
    return {*(layout.identity.cancels if layout.identity else []), *(rule.given for rule in rules if rule.given)}


def _digits(field: Field, rng: random.Random, row: int) -> str:
    is_fixed = field.id.startswith(("bank", "payee_code"))
    return "9" * field.length if is_fixed else f"{row + 1:0{field.length}d}"[-field.length :]


def _text(field: Field, rng: random.Random, row: int) -> str:
    if field.sensitive:
        return rng.choice(_NAMES)
    if field.id.endswith("name"):
        return "ﾃｽﾄ"
    return f"{row + 1:0{min(field.length, 12)}d}"[-field.length :]


def _date(rng: random.Random) -> date:
    return _FIRST_DATE + timedelta(days=rng.randrange(30))


def _barcode(field: Field, rng: random.Random, row: int) -> str:
    digits = f"91999999{row + 1:021d}099999900{rng.randrange(_MIN_YEN, _MAX_YEN):06d}"[:43]
    return f"{digits}{gs1_check_digit(digits)}"


_GENERATORS: dict[FieldType, Callable[[Field, random.Random, int], Any]] = {
    FieldType.DIGITS: _digits,
    FieldType.NUMBER: lambda field, rng, row: rng.randrange(10),
    FieldType.YEN: lambda field, rng, row: rng.randrange(_MIN_YEN, _MAX_YEN),
    FieldType.TEXT: _text,
    FieldType.KANJI: lambda field, rng, row: "公金",
    FieldType.DATE: lambda field, rng, row: _date(rng),
    FieldType.TIME: lambda field, rng, row: time(rng.randrange(24), rng.randrange(60)),
    FieldType.BARCODE: _barcode,
}


def _value(field: Field, rng: random.Random, row: int) -> Any:
    """Return a valid value of a field; ``None`` for a constant or filler, which :func:`write` supplies."""
    if field.const is not None or field.type is FieldType.FILLER:
        return None
    if field.codes:
        return rng.choice([code for code in field.codes if code.strip()])
    return _GENERATORS[field.type](field, rng, row)


_REPORT_ELEMENTS = {
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


def _write_xml(path: str | Path | BinaryIO, message: str, rows: int, rng: random.Random) -> int:
    """Write a message with one report and one entry per row; one entry in ten is a debit."""
    root, report = _REPORT_ELEMENTS[message]
    namespace = f"urn:iso:std:iso:20022:tech:xsd:{message}.001.08"
    head = f'<?xml version="1.0" encoding="UTF-8"?>\n<Document xmlns="{namespace}"><{root}><{report}>\n'
    entries = (
        _ENTRY.format(
            amount=rng.randrange(_MIN_YEN, _MAX_YEN),
            direction="DBIT" if row % 10 == 9 else "CRDT",
            day=_date(rng),
            name=rng.choice(_NAMES),
            row=row + 1,
        )
        for row in range(rows)
    )
    content = (part.encode() for part in chain((head,), entries, (f"</{report}></{root}></Document>\n",)))
    with Path(path).open("wb") if isinstance(path, str | Path) else nullcontext(path) as stream:
        stream.writelines(content)
    return rows
