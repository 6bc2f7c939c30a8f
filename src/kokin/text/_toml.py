"""TOML files with limits on size and nesting: a hostile file is an issue, never a traceback or a memory error."""

from __future__ import annotations

import tomllib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Protocol

from kokin.issues import InvalidInputError, Issue, Location

#: Maximum size of a file in bytes.
MAX_BYTES = 1 << 20
# tomllib needs time and memory quadratic in the number of parts of a dotted key. A key is on one line.
_MAX_DOTS = 250


class Readable(Protocol):
    """A path, or a resource of a package (``importlib.resources``)."""

    @property
    def name(self) -> str: ...
    def read_bytes(self) -> bytes: ...


def load_toml(path: Path | Readable, *, parse_float: Callable[[str], Any] = float) -> dict[str, Any]:
    """Return the tables of a TOML file, or of a resource of a package.

    ``parse_float`` converts the text of a number with a fraction, such as ``decimal.Decimal``.

    Raises:
        InvalidInputError: ``TOML_INVALID``: not UTF-8, not TOML, nested too deeply, or larger than 1 MiB.
        OSError: the file cannot be read.
    """
    content = path.read_bytes()
    if len(content) > MAX_BYTES:
        raise _invalid(path.name, f"at most {MAX_BYTES} bytes", str(len(content)))
    try:
        text = content.decode("utf-8")
    except UnicodeDecodeError as error:
        raise _invalid(path.name, "UTF-8", f"byte {error.start}: 0x{content[error.start]:02X}") from None
    return parse_toml(text, path.name, parse_float=parse_float)


def parse_toml(text: str, name: str = "", *, parse_float: Callable[[str], Any] = float) -> dict[str, Any]:
    r"""Return the tables of a TOML text; ``name`` is the file name in the issue.

    >>> parse_toml("a.b = 1")
    {'a': {'b': 1}}

    Raises:
        InvalidInputError: ``TOML_INVALID``: not TOML, or nested too deeply.
    """
    if any(line.count(".") > _MAX_DOTS for line in text.splitlines()):
        raise _invalid(name, f"at most {_MAX_DOTS} dots in a line", "more")
    try:
        return tomllib.loads(text, parse_float=parse_float)
    except RecursionError:
        raise _invalid(name, "TOML", "tables or arrays nested too deeply") from None
    except ValueError as error:  # a TOMLDecodeError, or a number with too many digits
        raise _invalid(name, "TOML", str(error)) from None


@contextmanager
def located_in(file: str, summary: str) -> Iterator[None]:
    """Locate the issues of an error in a file, and say what was rejected.

    Args:
        file: the name of the file that is read and checked in the block.
        summary: the summary of the error.

    Raises:
        InvalidInputError: the block raised one.
    """
    try:
        yield
    except InvalidInputError as error:
        raise InvalidInputError([issue.with_location(Location(file)) for issue in error.issues], summary) from None


def _invalid(name: str, expected: str, found: str) -> InvalidInputError:
    issue = Issue("TOML_INVALID", field="", expected=expected, found=found[:200], location=Location(name))
    return InvalidInputError([issue])
