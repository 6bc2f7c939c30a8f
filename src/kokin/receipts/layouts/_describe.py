"""Describe a layout as a Markdown page, and generate a commented layout file to start from."""

from __future__ import annotations

from kokin.receipts.layouts._schema import Field, IdentityFields, Layout, Rule, Source


def describe(layout: Layout) -> str:
    """Return the field table (項目表) of a layout in Markdown: every record, field, offset, length and code.

    Offsets are bytes from 0; the columns of a CSV are numbered from 1. The mapping to receipts or bills and the
    identity of a payment follow.
    """
    lines = [f"# {layout.name}: {layout.ja} / {layout.en}", ""]
    if not layout.verified:
        lines += ["**UNVERIFIED 未検証**: compare it with your own copy of the specification before you use it.", ""]
    width = f", {layout.width} bytes" if layout.width else ""
    lines += [f"{layout.format}{width}, {layout.encoding}. {layout.note}".rstrip(), ""]
    lines += [f"Source: {source}" for source in layout.source]
    for name, kind in layout.records.items():
        position = "offset" if layout.format == "fixed" else "column"
        lines += ["", f"## {name}: {kind.ja} / {kind.en}", ""]
        lines += [f"| {position} | length | type | id | 項目 | meaning | content |", "|--:|--:|---|---|---|---|---|"]
        for i, field in enumerate(kind.fields):
            start = kind.offsets[field.id] if layout.format == "fixed" else i + 1
            cells = [str(start), str(field.length), _type(field), field.id, field.ja, field.en, _content(field)]
            lines.append("| " + " | ".join(cells) + " |")
    if layout.identity:
        lines += ["", "## identity", "", *_identity(layout.identity)]
    if layout.receipt or layout.bill:
        lines += ["", f"## {'receipt' if layout.receipt else 'bill'}", "", "| canonical | from |", "|---|---|"]
        for canonical, source in (layout.receipt or layout.bill).items():
            values = ", ".join(f"{code} → {value}" for code, value in source.values.items())
            origin = _origin(source)
            lines.append(f"| {canonical} | {origin}{f' ({values})' if values else ''} |")
    return "\n".join(lines) + "\n"


def _origin(source: Source) -> str:
    if source.rules:
        return "; ".join(f"{rule.value}: {_condition(rule)}" for rule in source.rules)
    return (" or ".join(source.first) or " + ".join(source.ids)) or f"always {source.const}"


def _condition(rule: Rule) -> str:
    tests = [f"{name} = {'/'.join(codes)}" for name, codes in rule.where.items()]
    return " and ".join([*tests, *([f"{rule.given} not empty"] if rule.given else [])]) or "all other records"


def _identity(identity: IdentityFields) -> list[str]:
    """Return sentences on the fields that identify a payment."""
    if identity.content:
        return ["All canonical fields together; equal records of a file are numbered."]
    if identity.fields:
        lines = [f"Composed of {' + '.join(identity.fields)}; equal records of a file are numbered."]
    else:
        within = f" within {' + '.join(identity.scope)}" if identity.scope else ""
        lines = [f"Assigned by the sender: {' or '.join(identity.assigned)}{within}."]
    lines += [f"No key where {path} is {' or '.join(values)}." for path, values in identity.none.items()]
    return lines + ([f"A reversal names its payment by {' + '.join(identity.cancels)}."] if identity.cancels else [])


def _type(field: Field) -> str:
    return f"{field.type} {field.format}" if field.format else str(field.type)


def _content(field: Field) -> str:
    parts = [f"`{field.const}`"] if field.const is not None else []
    parts += [", ".join(f"{code} {meaning}" for code, meaning in field.codes.items())] if field.codes else []
    parts += [f"prefix `{field.prefix}`"] if field.prefix else []
    parts += ["may be blank"] if field.blank else []
    parts += ["personal data"] if field.sensitive else []
    parts += [field.note] if field.note else []
    return "; ".join(parts)


def template(name: str) -> str:
    """Return a commented layout file to start from: fixed length, with a header, data records and a trailer."""
    return _TEMPLATE.replace("NAME", name)


_TEMPLATE = """\
# NAME: who sends these files, and what they report.
# Check it with `kokin layouts NAME.toml`, read with `kokin check FILE --layout NAME.toml`.

ja = "ファイルの名前"
en = "name of the file"
format = "fixed"              # fixed: fixed-length records · csv: a table [csv] instead of width
encoding = "half-width"       # half-width: JIS X 0201 · cp932 · utf-8. EBCDIC is detected
width = 40                    # bytes of a record without its newline
newline = "CRLF"              # used when writing; it is detected when reading
verified = false              # true after a comparison with the specification, byte by byte
source = ["title, edition and date of the specification"]

# One table per kind of record; role is header, data, trailer or end. Offsets follow from the lengths, which add up to
# width. tell_by: the fields whose const identifies this kind of record.
[records.header]
role = "header"
ja = "ヘッダー"
en = "header"
tell_by = ["record_code"]
fields = [
  { id = "record_code", ja = "データ区分", en = "record code", type = "digits", length = 1, const = "1" },
  { id = "made_day", ja = "作成日", en = "day of the file", type = "date", format = "YYYYMMDD", length = 8 },
  { id = "filler", ja = "予備", en = "filler", type = "filler", length = 31 },
]

# type: digits (an identifier, zeros kept), number, yen, text, kanji, date and time (with format), barcode, filler
# Dates without a full year (MMDD, YYMMDD, wareki YYMMDD) are accepted near the reference date only; a table [dates]
# with years_back = 3, years_ahead = 1, months = 7 sets the range.
# codes: the codes allowed · blank = true: may be empty · sensitive = true: personal data, masked
[records.data]
role = "data"
ja = "明細"
en = "payment"
tell_by = ["record_code"]
fields = [
  { id = "record_code", ja = "データ区分", en = "record code", type = "digits", length = 1, const = "2" },
  { id = "type", ja = "種別", en = "type", type = "digits", length = 1, codes = { 1 = "速報", 2 = "確報" } },
  { id = "paid_day", ja = "納付日", en = "day of payment", type = "date", format = "YYYYMMDD", length = 8 },
  { id = "customer_number", ja = "顧客番号", en = "customer number", type = "text", length = 20 },
  { id = "amount", ja = "金額", en = "amount", type = "yen", length = 10 },
]

[records.trailer]
role = "trailer"
ja = "トレーラー"
en = "trailer"
tell_by = ["record_code"]
fields = [
  { id = "record_code", ja = "データ区分", en = "record code", type = "digits", length = 1, const = "8" },
  { id = "count", ja = "件数", en = "records", type = "number", length = 7 },
  { id = "amount", ja = "金額", en = "amount", type = "yen", length = 12 },
  { id = "filler", ja = "予備", en = "filler", type = "filler", length = 20 },
]

# The fields that identify a payment, so that a payment that arrives in two files is counted once:
#   assigned = ["reference"]: a number that the sender assigns to one payment, with scope = [...] if it is unique only
#     within an account and a day; none = { reference = ["000000"] } for values that identify nothing
#   fields = [...]: without such a number, fields that together describe a payment
# or, above the first table, identity = "content": all canonical fields together
[identity]
fields = ["type", "paid_day", "customer_number"]

# Mapping of a data record to a receipt: canonical field = field, header.field, or a table with values, join or const.
# Required: paid_on, amount, and one key: the eL number's four fields, barcode, customer_number or virtual_account.
[receipt]
kind = { field = "type", values = { 1 = "provisional", 2 = "final" } }
paid_on = "paid_day"
customer_number = "customer_number"
amount = "amount"

# Totals of the trailer; a file with a different total is rejected. where = { field = ["code"] } selects records.
[[totals]]
record = "trailer"
field = "count"

[[totals]]
record = "trailer"
field = "amount"
sum = "amount"
"""
