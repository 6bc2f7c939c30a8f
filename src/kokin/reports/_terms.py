"""Names of tables, columns and codes, and sentences of the page, in one language (:func:`kokin.text.terms`)."""

from __future__ import annotations

import re
from datetime import date
from typing import Any, Literal, TypeAlias
from unicodedata import east_asian_width

import pyarrow as pa
import pyarrow.compute as pc

from kokin._arrow.convert import combine
from kokin.catalog import CATALOG, Catalog
from kokin.issues import ISSUE_CODES, Issue, expected_ja, found_ja
from kokin.text import terms

#: The languages of a report.
Language: TypeAlias = Literal["en", "ja"]

#: Columns of whole numbers that are ids or years, not quantities; they are written without thousands separators.
UNGROUPED = frozenset(
    {
        "booked_by",
        "booked_year",
        "byte",
        "closed_by",
        "entry",
        "entry_id",
        "fiscal_year",
        "levy_year",
        "record",
        "record_no",
        "reverses",
        "reverses_posting",
        "tax_year",
    }
)
# Columns of texts, which in Japanese are translated phrase by phrase.
_PHRASES = {"expected": expected_ja, "found": found_ja}
# Between the values of several fields of one exception.
_AND = "; "
# Columns of months and moments as text.
_MONTH, _MOMENT = "month", "at"
# The fields of findings whose values are yen or counts; a field may be a sum of several.
_QUANTITY_FIELDS = frozenset(
    {
        "amount",
        "applied",
        "count",
        "credited",
        "demand_fee",
        "excess",
        "expected",
        "late_charge",
        "principal",
        "records",
        "refund",
        "report.amount",
        "report.count",
    }
)
_ISO_DATE = re.compile(r"(\d{4})-(\d\d)-(\d\d)")
# The space between a date and 以降 or まで.
_DATE_SPACE = re.compile(r"(?<=日) (?=[^\x00-\x7f])")
_WEEKDAYS = {"ja": "月火水木金土日", "en": ("Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun")}
# Units of the scale of a chart, the largest first: minimum yen, and the suffix.
_UNITS = {"ja": ((10**8, "億円"), (10**4, "万円")), "en": ((10**9, "bn"), (10**6, "m"), (10**3, "k"))}


def exception_name(code: str, language: Language = "ja") -> str:
    """Return the name of the code of an exception: an outcome, a finding, or the message of an issue.

    >>> exception_name("NO_BILL"), exception_name("EXPIRED", "en")
    ('該当調定なし', 'After the payment deadline')
    """
    row = terms()["values"]["outcome"].get(code)
    return str(row[language]) if row else Issue(code).message(language)


def parse_value(field: str | None, text: str) -> int | date | str:
    """Return the ``expected`` or ``found`` of a field as the number or date that it is, or else the text.

    >>> parse_value("amount", "438940"), parse_value("period", "01"), parse_value("paid_on", "2026-06-01")
    (438940, '01', datetime.date(2026, 6, 1))
    """
    if _ISO_DATE.fullmatch(text):
        try:
            return date.fromisoformat(text)
        except ValueError:
            return text
    is_quantity = field is not None and set(field.split(" + ")) <= _QUANTITY_FIELDS
    return int(text) if is_quantity and re.fullmatch(r"-?\d{1,15}", text, re.ASCII) else text


def display_width(text: str) -> int:
    """Return the width of a text in half-width characters.

    >>> display_width("調定A")
    5
    """
    return sum(2 if east_asian_width(sign) in "WF" else 1 for sign in text)


class Terms:
    """The terms of one language, with the names of the authority's own charges.

    >>> Terms("ja").value("outcome", "MATCHED"), Terms("en").heading("arrears", "due_on"), Terms("ja").short_yen(12_345)
    ('消込済', 'Due on', '1.2万円')
    """

    def __init__(self, language: Language = "ja", catalog: Catalog = CATALOG) -> None:
        self.language: Language = language
        charges = {"system": catalog.systems, "charge": catalog.charges, "account": catalog.accounts}
        self._values = {
            column: {code: getattr(row, language) for code, row in rows.items()} for column, rows in charges.items()
        }
        for column, rows in terms()["values"].items():
            self._values[column] = {code: row[language] for code, row in rows.items()}
        self._values["field"] |= {name: row[language] for name, row in terms()["columns"].items()}

    def table(self, name: str) -> str:
        """Return the title of a table, with its number if it is one of the eleven outputs."""
        row = terms()["tables"][name]
        return f"{row.get('number', '')}{row[self.language]}"

    def heading(self, table: str, column: str) -> str:
        """Return the heading of a column; a few columns have another heading in one table."""
        columns = terms()["columns"]
        return str(columns.get(f"{table}.{column}", columns[column])[self.language])

    def value(self, column: str, code: Any) -> Any:
        """Return the term for a coded value; any other value is returned unchanged."""
        if isinstance(code, str):
            if column == _MOMENT:
                return code[:19].replace("T", " ")
            if column == "field" and _AND in code:  # what an exception says about several fields
                return _AND.join(str(self.value(column, name)) for name in code.split(_AND))
            if column == "field" and " + " in code:
                return " + ".join(str(self.value(column, name)) for name in code.split(" + "))
            if column == "field" and " " in code:  # a field, and the day or the file that it is about
                name, rest = code.split(" ", 1)
                return f"{self.value(column, name)} {rest}"
            if self.language == "ja" and column == _MONTH and len(code) == len("YYYY-MM"):
                return f"{int(code[:4])}年{int(code[5:])}月"
            if self.language == "ja" and column in _PHRASES:
                return _DATE_SPACE.sub("", _ISO_DATE.sub(_date_ja, _PHRASES[column](code)))
            if column == "outcome" and code in ISSUE_CODES and code not in self._values[column]:
                return exception_name(code, self.language)
        return self._values.get(column, {}).get(code, code)

    def finding(self, column: str, field: str | None, text: str) -> int | date | str:
        """Return the ``expected`` or ``found`` of a field as a number or date, or as the term or phrase for it."""
        if field and _AND in field and field.count(_AND) == text.count(_AND):
            pairs = zip(field.split(_AND), text.split(_AND), strict=True)
            values = (self.finding(column, *pair) for pair in pairs)
            return _AND.join(f"{value:,}" if isinstance(value, int) else str(value) for value in values)
        value = parse_value(field, text)
        return str(self.value("state" if field == "step" else column, value)) if isinstance(value, str) else value

    def reasons(self, text: str | None) -> str | None:
        """Return the terms for the reasons of a candidate, joined as they are."""
        return text and " + ".join(str(self.value("candidate_reason", reason)) for reason in text.split(" + "))

    def translate_column(self, column: str, values: pa.ChunkedArray) -> pa.ChunkedArray:
        """Return a column with terms in place of coded values and booleans; any other column is unchanged."""
        if pa.types.is_boolean(values.type):
            return pc.if_else(values, self.sentence("yes"), self.sentence("no"))
        if pa.types.is_dictionary(values.type):
            values = values.cast(values.type.value_type)
        if column not in {*self._values, *_PHRASES, _MONTH, _MOMENT} or not pa.types.is_string(values.type):
            return values
        encoded = combine(values).dictionary_encode()
        translated = pa.array([self.value(column, code) for code in encoded.dictionary.to_pylist()], pa.string())
        return pa.chunked_array([translated.take(encoded.indices)])

    def translate_table(self, name: str, table: pa.Table) -> pa.Table:
        """Return a table with terms in place of column names and coded values."""
        columns = [self.translate_column(column, table.column(column)) for column in table.column_names]
        return pa.table(columns, [self.heading(name, column) for column in table.column_names])

    def sentence(self, key: str, **values: Any) -> str:
        """Return a sentence of the page with its values."""
        return str(terms()["page"][key][self.language]).format(**values)

    def yen(self, amount: int) -> str:
        """Return an amount in full."""
        sign, digits = "−" if amount < 0 else "", f"{abs(amount):,}"
        return f"{sign}{digits}円" if self.language == "ja" else f"{sign}¥{digits}"

    def short_yen(self, amount: int) -> str:
        """Return an amount for the scale of a chart, truncated to a tenth of its unit."""
        sign = "" if self.language == "ja" else "¥"
        for unit, suffix in _UNITS[self.language]:
            if amount >= unit:
                whole, tenth = divmod(amount * 10 // unit, 10)
                return f"{sign}{whole:,}{f'.{tenth}' if tenth else ''}{suffix}"
        return self.yen(amount)

    def day(self, day: date) -> str:
        """Return a date without its day of the week."""
        return f"{day.year}年{day.month}月{day.day}日" if self.language == "ja" else day.isoformat()

    def date(self, day: date) -> str:
        """Return a date with its day of the week."""
        weekday = _WEEKDAYS[self.language][day.weekday()]
        if self.language == "ja":
            return f"{day.year}年{day.month}月{day.day}日 ({weekday})"
        return f"{weekday}, {day.isoformat()}"


def _date_ja(found: re.Match[str]) -> str:
    return f"{found[1]}年{int(found[2])}月{int(found[3])}日"
