"""The field types of records, and the Arrow schema that is derived from them.

A field type is an object in an ``Annotated`` type. It checks one value for the record, and the batch code checks whole
columns by the same object, so each width and range is defined once.
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
_MAX_REDACTED = 24
# Every character except ASCII digits, ASCII punctuation and the space.
_TO_MASK = re.compile(r"[^\x20-\x40\x5b-\x60\x7b-\x7e]")


def redact(value: str) -> str:
    """Return a rejected value for display in an issue: digits and punctuation, and ``*`` for any other character.

    No letter of any script is displayed, because a personal name may be in a column of numbers. At most 24 characters
    are returned.

    >>> redact("12A4"), redact("YAMADA TARO"), redact("山田 1")
    ('12*4', '****** ****', '** 1')
    """
    return _TO_MASK.sub("*", value[:_MAX_REDACTED])


def _problem(code: LiteralString, expected: str, found: object = "") -> PydanticCustomError:
    # The issue is built from the context; pydantic requires a message template as well.
    context = {"expected": expected, "found": str(found)}
    return PydanticCustomError(code, "{expected}, {found}", context)


@runtime_checkable
class ArrowStreamExportable(Protocol):
    """A table with the Arrow PyCapsule interface: of PyArrow, Polars, pandas 2.2, DuckDB, or a result of Kokin.

    See https://arrow.apache.org/docs/format/CDataInterface/PyCapsuleInterface.html.
    """

    def __arrow_c_stream__(self, requested_schema: object | None = None) -> object:
        """Return a PyCapsule with an ``ArrowArrayStream``."""


class FieldType(abc.ABC):
    """The type of a field: validates a value and converts it to the stored form."""

    @abc.abstractmethod
    def check(self, value: Any) -> Any:
        """Return the value in the stored form. A value of another type is returned as it is, and rejected by pydantic.

        Raises:
            PydanticCustomError: the value breaks the rule; the type of the error is the issue code.
        """

    def __get_pydantic_core_schema__(self, source: Any, handler: Handler) -> CoreSchema:
        return core_schema.no_info_before_validator_function(self.check, handler(source))


@dataclass(frozen=True)
class Digits(FieldType):
    """An identifier of digits (番号): exactly ``width`` digits, stored as text with its leading zeros.

    ``zero_pad`` accepts 1 to ``width`` digits and pads with zeros on the left; ``allow_shorter`` accepts as many and
    does not pad.
    """

    width: int
    zero_pad: bool = False
    allow_shorter: bool = False

    @property
    def expected(self) -> str:
        """The valid values as text, for an issue."""
        return f"{'1 to ' if self.zero_pad or self.allow_shorter else ''}{self.width} digits"

    def check(self, value: Any) -> Any:
        if not isinstance(value, str):
            return value
        if value and not (value.isascii() and value.isdigit()):
            raise _problem("NOT_DIGITS", self.expected, redact(value))
        min_width = 1 if self.zero_pad or self.allow_shorter else self.width
        if not min_width <= len(value) <= self.width:
            raise _problem("WIDTH", self.expected, f"{len(value)} digits")
        return value.zfill(self.width) if self.zero_pad else value


@dataclass(frozen=True)
class Text(FieldType):
    """Free text of ``min`` to ``width`` characters, without control characters."""

    width: int
    min: int = 0

    @property
    def expected(self) -> str:
        """The valid values as text, for an issue."""
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
    """A personal name (氏名): masked in ``repr``, and in every report unless requested."""


@dataclass(frozen=True)
class Yen(FieldType):
    """Whole yen (円), from ``min`` to ``max``."""

    min: int = 0
    max: int = 99_999_999_999

    @property
    def expected(self) -> str:
        """The valid values as text, for an issue."""
        return f"{self.min} to {self.max}"

    def check(self, value: Any) -> Any:
        if type(value) is int and not self.min <= value <= self.max:
            raise _problem("AMOUNT_RANGE", self.expected, redact(str(value)))
        return value


@dataclass(frozen=True)
class Date(FieldType):
    """A date (年月日): a ``date``, or text ``YYYY-MM-DD``."""

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
    """Return a name of ``covers`` or ``parts`` without surrounding spaces, if it obeys the rule."""
    if not isinstance(value, str):
        raise _problem("FIELD_TYPE", "text", type(value).__name__)
    name = value.strip(" \u3000")
    rule.check(name)
    if _NAME_FORBIDDEN.search(name):
        raise _problem("CHARACTER", "no ; and no =, which are separators in a file", "")
    return name


@dataclass(frozen=True)
class Names(FieldType):
    """At most ``max_count`` names, each with the type ``name``: a tuple or a list of texts, or one text ``a;b``.

    Spaces around a name are removed. A name must not contain ``;`` or ``=``, so that names can be joined to one text.
    """

    name: Text
    max_count: int = 100

    def check(self, value: Any) -> Any:
        if isinstance(value, str):
            value = [name for name in value.split(";") if name.strip(" \u3000")]
        if not isinstance(value, list | tuple):
            return value
        if len(value) > self.max_count:
            raise _problem("WIDTH", f"at most {self.max_count} names", str(len(value)))
        return tuple(_check_name(name, self.name) for name in value)


@dataclass(frozen=True)
class Amounts(FieldType):
    """Yen by name, with the types ``name`` and ``yen``: a mapping, pairs, or one text ``name=yen;name=yen``.

    Stored as pairs, in their order. Names are as in :class:`Names`, and unique.
    """

    name: Text
    yen: Yen

    def check(self, value: Any) -> Any:
        if isinstance(value, str):
            value = _parse_amounts(value)
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


def _parse_amounts(text: str) -> list[tuple[str, int]]:
    """Return the pairs of a text ``name=yen;name=yen``."""
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
    """Base class of the frozen records: strict types, no unknown fields, all problems reported together.

    Raises:
        InvalidInputError: with one :class:`~kokin.issues.Issue` per problem in ``.issues``.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)

    #: The exception for an invalid record; a subclass may set a narrower one.
    error_class: ClassVar[type[InvalidInputError]] = InvalidInputError

    @model_validator(mode="wrap")
    @classmethod
    def _raise_issues(cls, value: Any, handler: ModelWrapValidatorHandler[Self]) -> Self:
        try:
            return handler(value)
        except ValidationError as error:
            issues = [_to_issue(details) for details in error.errors(include_url=False, include_input=False)]
        raise cls.error_class(issues, f"invalid {cls.__name__}")

    def __repr_args__(self) -> typing.Iterator[tuple[str | None, Any]]:
        types = field_types(type(self))
        for name, value in super().__repr_args__():
            is_name = isinstance(value, str) and isinstance(types.get(name or ""), PersonalName)
            yield name, mask(value) if is_name else value


def _to_issue(details: Any) -> Issue:
    """Return the issue of one ``ErrorDetails`` of pydantic, without the input, which may be a personal name."""
    field = ".".join(str(part) for part in details["loc"])
    context = details.get("ctx", {})
    match details["type"]:
        case "missing":
            return Issue("FIELD_MISSING", field=field)
        case "extra_forbidden":
            return Issue("FIELD_UNKNOWN", field=field)
        case "enum":
            return Issue("CODE_UNKNOWN", field=field, expected=context["expected"])
        case code if code.isupper():
            return Issue(code, field=field, expected=context["expected"], found=context["found"])
        case _:
            return Issue("FIELD_TYPE", field=field, expected=details["msg"])


@functools.cache
def field_types(record: type[Record]) -> dict[str, FieldType]:
    """Return the field type of each field that has one, by name."""
    types = {}
    for name, field in record.model_fields.items():
        members = typing.get_args(field.annotation)  # of ``Annotated[str, Digits(3)] | None``
        metadata = [*field.metadata, *(item for member in members for item in getattr(member, "__metadata__", ()))]
        found = next((item for item in metadata if isinstance(item, FieldType)), None)
        if found:
            types[name] = found
    return types


def _strip_annotated(hint: Any) -> Any:
    """Return a type without its ``Annotated``: ``tuple[Annotated[str, x], ...]`` becomes ``tuple[str, ...]``."""
    if typing.get_origin(hint) is Annotated:
        return _strip_annotated(typing.get_args(hint)[0])
    if typing.get_origin(hint) is tuple:
        return tuple[tuple(_strip_annotated(part) for part in typing.get_args(hint))]  # type: ignore[misc]
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
    """Return the Arrow schema of a batch of records: a column per field, in the order of the fields.

    A field with ``None`` in its type is nullable. An enumeration is a string column. Yen are int64, dates date32, times
    of day time32[s].
    """
    import pyarrow as pa

    types = _arrow_types()
    columns = []
    for name, field in record.model_fields.items():
        hint: Any = field.annotation
        nullable = typing.get_origin(hint) in (typing.Union, UnionType)
        if nullable:
            hint = next(member for member in typing.get_args(hint) if member is not NoneType)
        hint = _strip_annotated(hint)
        if isinstance(hint, type) and issubclass(hint, StrEnum):
            hint = str
        columns.append(pa.field(name, types[hint](), nullable=nullable))
    return pa.schema(columns)
