"""What tables, columns and codes are called, in Japanese and in English (``kokin.text.terms``)."""

from __future__ import annotations

from datetime import date
from typing import Any, Literal, TypeAlias

import pyarrow as pa
import pyarrow.compute as pc

from kokin._arrow.convert import combine
from kokin.catalog import CATALOG, Catalog
from kokin.text import terms

#: Of the words that people read.
Language: TypeAlias = Literal["en", "ja"]

#: Whole numbers that are names or years, and no quantity: their thousands are not separated.
UNGROUPED = frozenset(
    {"record_no", "fiscal_year", "levy_year", "tax_year", "entry", "reverses", "reverses_posting", "record", "byte"}
)
_WEEKDAYS = {"ja": "月火水木金土日", "en": ("Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun")}
# Large sums in short: from how many yen, and by what.
_UNITS = {"ja": ((10**8, "億円"), (10**4, "万円")), "en": ((10**9, "bn"), (10**6, "m"), (10**3, "k"))}


class Words:
    """The words of one language, with the names of a body's own charges."""

    def __init__(self, language: Language = "ja", catalog: Catalog = CATALOG) -> None:
        self.language = language
        named = {"system": catalog.systems, "charge": catalog.charges, "account": catalog.accounts}
        self._codes = {
            name: {code: getattr(row, language) for code, row in rows.items()} for name, rows in named.items()
        }
        for name, rows in terms()["values"].items():
            self._codes[name] = {code: row[language] for code, row in rows.items()}
        self._codes["field"] |= {code: row[language] for code, row in terms()["columns"].items()}

    def table(self, name: str) -> str:
        """What a table is called, with its number among the eleven."""
        row = terms()["tables"][name]
        return f"{row.get('number', '')}{row[self.language]}"

    def column(self, table: str, name: str) -> str:
        """What a column is called; a few are called otherwise in one table."""
        columns = terms()["columns"]
        return str(columns.get(f"{table}.{name}", columns[name])[self.language])

    def value(self, column: str, code: Any) -> Any:
        """A coded value in words; any other as it is."""
        return self._codes.get(column, {}).get(code, code)

    def values(self, column: str, codes: pa.ChunkedArray) -> pa.ChunkedArray:
        """A column with its coded values in words; any other as it is."""
        if pa.types.is_boolean(codes.type):
            yes, no = (self.say(word) for word in ("yes", "no"))
            return pc.if_else(codes, yes, no)
        if pa.types.is_dictionary(codes.type):
            codes = codes.cast(codes.type.value_type)
        if column not in self._codes or not pa.types.is_string(codes.type):
            return codes
        coded = combine(codes).dictionary_encode()
        words = pa.array([self.value(column, code) for code in coded.dictionary.to_pylist()], pa.string())
        return pa.chunked_array([words.take(coded.indices)])

    def in_words(self, name: str, table: pa.Table) -> pa.Table:
        """A table with its headings and coded values in words."""
        columns = [self.values(column, table.column(column)) for column in table.column_names]
        return pa.table(columns, [self.column(name, column) for column in table.column_names])

    def say(self, key: str, **values: Any) -> str:
        """A sentence of the page, with its values."""
        return str(terms()["page"][key][self.language]).format(**values)

    def yen(self, yen: int) -> str:
        """Yen in full."""
        sign, size = "−" if yen < 0 else "", f"{abs(yen):,}"
        return f"{sign}{size}円" if self.language == "ja" else f"{sign}¥{size}"

    def short_yen(self, yen: int) -> str:
        """Yen as the scale of a chart tells them, to a tenth of their unit."""
        sign = "" if self.language == "ja" else "¥"
        for unit, name in _UNITS[self.language]:
            if yen >= unit:
                whole, tenth = divmod(yen * 10 // unit, 10)
                return f"{sign}{whole:,}{f'.{tenth}' if tenth else ''}{name}"
        return self.yen(yen)

    def day(self, day: date) -> str:
        """A day with its day of the week."""
        weekday = _WEEKDAYS[self.language][day.weekday()]
        if self.language == "ja":
            return f"{day.year}年{day.month}月{day.day}日 ({weekday})"
        return f"{weekday}, {day.isoformat()}"
