"""The kinds of field that records are made of, and the Arrow schema that follows from them.

A kind is an object in an ``Annotated`` type. It checks one value for the record, and a batch reader checks its columns
by the same object, so a width or a bound stands in one place.
"""

from __future__ import annotations

import abc
import functools
import re
import typing
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import date, time
from enum import StrEnum
from types import NoneType, UnionType
from typing import TYPE_CHECKING, Annotated, Any, ClassVar, LiteralString, Protocol, Self, runtime_checkable

from pydantic import BaseModel, ConfigDict, ValidationError, model_validator
from pydantic import GetCoreSchemaHandler as Handler
from pydantic.functional_validators import ModelWrapValidatorHandler
from pydantic_core import CoreSchema, PydanticCustomError, core_schema

from kokin.issues import InvalidInputError, Issue
from kokin.text import find_control_character, mask

if TYPE_CHECKING:
    import pyarrow as pa

_ISO_DAY = re.compile(r"\d{4}-\d{2}-\d{2}", re.ASCII)
_MAX_SHOWN = 24
# Everything but ASCII digits, punctuation and the blank; control characters are among what is masked.
_MASKED = re.compile(r"[^\x20-\x40\x5b-\x60\x7b-\x7e]")


def redact(value: str) -> str:
    """A rejected value as an issue may show it: its digits and punctuation, and ``*`` for any other character.

    Letters of any script are never shown, for a name may be in a column of numbers. At most 24 characters are kept.

    >>> redact("12A4"), redact("YAMADA TARO"), redact("山田 1")
    ('12*4', '****** ****', '** 1')
    """
    return _MASKED.sub("*", value[:_MAX_SHOWN])


def _problem(code: LiteralString, expected: str, found: object = "") -> PydanticCustomError:
    # The issue is made from the context; pydantic wants a message template of its own.
    context = {"expected": expected, "found": str(found)}
    return PydanticCustomError(code, "{expected}, {found}", context)


@runtime_checkable
class ArrowStreamExportable(Protocol):
    """A table that speaks the Arrow PyCapsule interface: of PyArrow, Polars, pandas 2.2, DuckDB, or a result of Kokin.

    See https://arrow.apache.org/docs/format/CDataInterface/PyCapsuleInterface.html.
    """

    def __arrow_c_stream__(self, requested_schema: object | None = None) -> object:
        """Return a PyCapsule with an ``ArrowArrayStream``."""


class FieldType(abc.ABC):
    """A kind of field: ``check`` returns the value as it is kept, or raises the problem."""

    @abc.abstractmethod
    def check(self, value: Any) -> Any:
        """The value as it is kept; a value of another type is left for pydantic to refuse."""

    def __get_pydantic_core_schema__(self, source: Any, handler: Handler) -> CoreSchema:
        return core_schema.no_info_before_validator_function(self.check, handler(source))


@dataclass(frozen=True)
class Digits(FieldType):
    """A number that is a name (番号): exactly ``width`` digits, kept as text with its zeros.

    ``pad`` fills a shorter number with zeros on the left; ``shorter`` lets it stand as it is. An empty text is taken
    only where the field has one as its default.
    """

    width: int
    pad: bool = False
    shorter: bool = False

    @property
    def expected(self) -> str:
        """The rule in words, for an issue."""
        return f"{'at most ' if self.pad or self.shorter else ''}{self.width} digits"

    def check(self, value: Any) -> Any:
        if not isinstance(value, str):
            return value
        if value and not (value.isascii() and value.isdigit()):
            raise _problem("NOT_DIGITS", self.expected, redact(value))
        if len(value) > self.width or not value or (len(value) < self.width and not (self.pad or self.shorter)):
            raise _problem("WIDTH", self.expected, f"{len(value)} digits")
        return value.zfill(self.width) if self.pad else value


@dataclass(frozen=True)
class Text(FieldType):
    """Free text of ``min`` to ``width`` characters, without control characters."""

    width: int
    min: int = 0

    @property
    def expected(self) -> str:
        """The rule in words, for an issue."""
        return f"{self.min} to {self.width} characters"

    def check(self, value: Any) -> Any:
        if not isinstance(value, str):
            return value
        if not self.min <= len(value) <= self.width:
            raise _problem("WIDTH", self.expected, f"{len(value)} characters")
        if find_control_character(value):
            raise _problem("CHARACTER", "no control characters")
        return value


@dataclass(frozen=True)
class PersonalName(Text):
    """A personal name (氏名): masked in ``repr`` and in every report unless asked for."""


@dataclass(frozen=True)
class Yen(FieldType):
    """Whole yen (円), from ``min`` to ``max``."""

    min: int = 0
    max: int = 99_999_999_999

    @property
    def expected(self) -> str:
        """The rule in words, for an issue."""
        return f"{self.min} to {self.max}"

    def check(self, value: Any) -> Any:
        if type(value) is int and not self.min <= value <= self.max:
            raise _problem("AMOUNT_RANGE", self.expected, redact(str(value)))
        return value


@dataclass(frozen=True)
class Date(FieldType):
    """A day (年月日): a ``date``, or its text as ``YYYY-MM-DD``."""

    expected: ClassVar[str] = "YYYY-MM-DD"

    def check(self, value: Any) -> Any:
        if not isinstance(value, str):
            return value
        try:
            if _ISO_DAY.fullmatch(value):
                return date.fromisoformat(value)
        except ValueError:
            pass
        raise _problem("DATE_INVALID", self.expected, redact(value))


_NAME_FORBIDDEN = re.compile("[;=]")


def _check_name(value: Any, rule: Text) -> str:
    """A name inside ``covers`` or ``parts``, without the spaces around it."""
    if not isinstance(value, str):
        raise _problem("FIELD_TYPE", "text", type(value).__name__)
    name = value.strip(" \u3000")
    rule.check(name)
    if _NAME_FORBIDDEN.search(name):
        raise _problem("CHARACTER", "no ; and no =, which separate names in a file", "")
    return name


@dataclass(frozen=True)
class Names(FieldType):
    """Several names, each by the rule ``name``: a tuple or a list of texts, or one text ``a;b``.

    Spaces around a name are removed. A name has no ``;`` and no ``=``, so the names can be written as one text.
    """

    name: Text

    def check(self, value: Any) -> Any:
        if isinstance(value, str):
            value = [name for name in value.split(";") if name.strip(" \u3000")]
        if not isinstance(value, list | tuple):
            return value
        return tuple(_check_name(name, self.name) for name in value)


@dataclass(frozen=True)
class Amounts(FieldType):
    """Yen by name, each by the rules ``name`` and ``yen``: a mapping, pairs, or one text ``name=yen;name=yen``.

    It is kept as pairs in their order. Names are as in :class:`Names`, each of them once.
    """

    name: Text
    yen: Yen

    def check(self, value: Any) -> Any:
        if isinstance(value, str):
            value = _amounts_of(value)
        elif isinstance(value, Mapping):
            value = tuple(value.items())
        if not isinstance(value, list | tuple) or not all(isinstance(p, list | tuple) and len(p) == 2 for p in value):
            return value
        names = []
        for name, yen in value:
            if type(yen) is not int:
                raise _problem("FIELD_TYPE", "whole yen", type(yen).__name__)
            self.yen.check(yen)
            names.append(_check_name(name, self.name))
        if len(set(names)) < len(names):
            raise _problem("PARTS_DUPLICATE", "each name once", "")
        return tuple(zip(names, (yen for _, yen in value), strict=True))


def _amounts_of(text: str) -> list[tuple[str, int]]:
    """The pairs of a text ``name=yen;name=yen``."""
    pairs = []
    for part in text.split(";"):
        name, equals, yen = (side.strip(" \u3000") for side in part.partition("="))
        if not (name or equals or yen):
            continue
        if not (equals and yen.isascii() and yen.isdigit() and len(yen) <= _MAX_YEN_DIGITS):
            raise _problem("PARTS_FORM", "name=yen;name=yen", "")
        pairs.append((name, int(yen)))
    return pairs


_MAX_YEN_DIGITS = 18


class Record(BaseModel):
    """The base of every frozen record: strict types, no unknown field, every problem named at once.

    Raises:
        InvalidInputError: with one :class:`~kokin.issues.Issue` per problem in ``.issues``.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)

    #: What is raised for a record with problems; a room may narrow it.
    refusal: ClassVar[type[InvalidInputError]] = InvalidInputError

    @model_validator(mode="wrap")
    @classmethod
    def _name_the_problems(cls, value: Any, handler: ModelWrapValidatorHandler[Self]) -> Self:
        try:
            return handler(value)
        except ValidationError as error:
            problems = [_as_issue(problem) for problem in error.errors(include_url=False, include_input=False)]
        raise cls.refusal(problems, f"{cls.__name__} refused")

    def __repr_args__(self) -> typing.Iterator[tuple[str | None, Any]]:
        known = field_types(type(self))
        for name, value in super().__repr_args__():
            hidden = isinstance(value, str) and isinstance(known.get(name or ""), PersonalName)
            yield name, mask(value) if hidden else value


def _as_issue(problem: Any) -> Issue:
    """An issue for one of pydantic's error rows; the input itself is never echoed, for it may be a name."""
    field = ".".join(str(part) for part in problem["loc"])
    context = problem.get("ctx", {})
    match problem["type"]:
        case "missing":
            return Issue("FIELD_MISSING", field=field)
        case "extra_forbidden":
            return Issue("FIELD_UNKNOWN", field=field)
        case "enum":
            return Issue("CODE_UNKNOWN", field=field, expected=context["expected"])
        case code if code.isupper():
            return Issue(code, field=field, expected=context["expected"], found=context["found"])
        case _:
            return Issue("FIELD_TYPE", field=field, expected=problem["msg"])


@functools.cache
def field_types(record: type[Record]) -> dict[str, FieldType]:
    """The kind of each field that has one: what a batch reader checks its columns by."""
    found = {}
    for name, field in record.model_fields.items():
        inner = [mark for member in typing.get_args(field.annotation) for mark in getattr(member, "__metadata__", ())]
        marks = [mark for mark in (*field.metadata, *inner) if isinstance(mark, FieldType)]
        if marks:
            found[name] = marks[0]
    return found


def _without_marks(hint: Any) -> Any:
    """A type without the kinds that are noted in it: ``tuple[Annotated[str, ...], ...]`` is ``tuple[str, ...]``."""
    if typing.get_origin(hint) is Annotated:
        return _without_marks(typing.get_args(hint)[0])
    if typing.get_origin(hint) is tuple:
        return tuple[tuple(_without_marks(part) for part in typing.get_args(hint))]  # type: ignore[misc]
    return hint


def _arrow_types() -> dict[Any, Callable[[], pa.DataType]]:
    import pyarrow as pa

    return {
        str: pa.string,
        bytes: pa.binary,
        int: pa.int64,
        bool: pa.bool_,
        date: pa.date32,
        time: lambda: pa.time32("s"),
        tuple[str, ...]: lambda: pa.list_(pa.string()),
        tuple[tuple[str, int], ...]: lambda: pa.map_(pa.string(), pa.int64()),
    }


@functools.cache
def arrow_schema(record: type[Record]) -> pa.Schema:
    """The Arrow schema of a batch of records: a column per field, in the order of the fields.

    A field whose type admits ``None`` is nullable. An enumeration is a string column. Yen are int64, days date32,
    times of day time32[s].
    """
    import pyarrow as pa

    types = _arrow_types()
    columns = []
    for name, field in record.model_fields.items():
        kind: Any = field.annotation
        nullable = typing.get_origin(kind) in (typing.Union, UnionType)
        if nullable:
            kind = next(member for member in typing.get_args(kind) if member is not NoneType)
        kind = _without_marks(kind)
        if isinstance(kind, type) and issubclass(kind, StrEnum):
            kind = str
        columns.append(pa.field(name, types[kind](), nullable=nullable))
    return pa.schema(columns)
