"""Find a Japanese font that can be embedded, by path, by the name of its family, or the best one that is installed.

Families are looked for in the font folders of the operating system and in the Python package ``matplotlib_fontja``,
which contains IPAexGothic. A font is identified by the names in its file, never by the name of the file.

Source: OpenType specification 1.9.1, "Organization of an OpenType font", "name", "OS/2 and Windows metrics".
"""

from __future__ import annotations

import functools
import importlib.util
import os
import struct
import sys
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO, NamedTuple

from kokin.issues import InvalidInputError, Issue

#: Families in order of preference: a universal-design gothic, other free gothics, those of Windows. All their digits
#: have one width, as the OCR lines need.
FAMILIES = (
    "BIZ UDGothic",
    "IPAexGothic",
    "IPAGothic",
    "Noto Sans JP",
    "Noto Sans CJK JP",
    "VL Gothic",
    "TakaoExGothic",
    "TakaoGothic",
    "Yu Gothic",
    "Meiryo",
    "MS Gothic",
)

_SUFFIXES = (".ttf", ".ttc", ".otf", ".otc")
# A Python package that contains a font, in its folder `fonts`.
_FONT_PACKAGE = "matplotlib_fontja"

_COLLECTION = b"ttcf"
_MAX_FACES = 64
_FAMILY_NAMES = (1, 16)  # family, typographic family
_REGULAR, _BOLD, _MIN_BOLD = 400, 700, 600
_ITALIC = 1 << 0  # of fsSelection
# Of fsType: no embedding, no subset, only bitmaps. Of the lowest four bits, the least restrictive one applies.
_EMBEDDING, _RESTRICTED, _NO_SUBSET, _BITMAPS_ONLY = 0x000F, 0x0002, 0x0100, 0x0200


@dataclass(frozen=True, slots=True)
class FontFace:
    """One face of a font file."""

    path: Path
    index: int
    """Position in a collection (``.ttc``), from 0."""
    families: frozenset[str]
    """Names of its family, in all languages of the file."""
    weight: int
    """400 is regular, 700 bold."""
    italic: bool
    problem: str
    """Code of the issue for which it cannot be embedded (``FONT_FORM``, ``FONT_EMBEDDING``), or an empty text."""


class FontPair(NamedTuple):
    """The faces of a document."""

    text: FontFace
    bold: FontFace
    """That of ``text`` if the family has no bold face."""


def find_font(font: str | Path | None = None, field: str = "font") -> FontPair:
    """Return the faces of a font that can be embedded.

    Args:
        font: the path of a TrueType font (``.ttf``, or ``.ttc``: its first face), the name of an installed family such
            as ``BIZ UDGothic``, or None for the first of :data:`FAMILIES` that is installed.
        field: the field that issues name.

    Raises:
        InvalidInputError: no such font is installed (``FONT_MISSING``), its outlines cannot be embedded
            (``FONT_FORM``), or its licence forbids it (``FONT_EMBEDDING``).
        OSError: the file cannot be read.
    """
    if font is not None and Path(font).suffix.lower() in _SUFFIXES:
        return _require_embeddable(_named_file(Path(font), field), field)
    installed = list(_installed_faces(font_folders()))
    wanted = FAMILIES if font is None else (str(font),)
    pairs = [pair for family in wanted if (pair := _pair(installed, family))]
    for pair in pairs:
        if not pair.text.problem:
            return pair if not pair.bold.problem else FontPair(pair.text, pair.text)
    if font is not None and pairs:
        return _require_embeddable(pairs[0], field)
    found = ", ".join(f"{pair.text.path.name} ({pair.text.problem})" for pair in pairs)
    issue = Issue("FONT_MISSING", field=field, expected=" | ".join(wanted), found=found)
    raise InvalidInputError([issue], "no font to print with; nothing was written")


def font_folders(system: str = sys.platform, environment: Mapping[str, str] = os.environ) -> list[Path]:
    """Return the folders in which fonts are installed, those of the user first; they need not exist."""

    def user(folder: str) -> Path:
        return Path(folder).expanduser()

    match system:
        case "win32":
            roots = (environment.get("LOCALAPPDATA"), "Microsoft/Windows/Fonts"), (environment.get("WINDIR"), "Fonts")
            folders = [Path(root) / folder for root, folder in roots if root]
        case "darwin":
            folders = [user("~/Library/Fonts"), Path("/Library/Fonts"), Path("/System/Library/Fonts")]
            # Fonts that the user downloaded with the system's font book, such as BIZ UDGothic.
            folders += sorted(Path("/System/Library/AssetsV2").glob("com_apple_MobileAsset_Font*"))
        case _:
            data = environment.get("XDG_DATA_HOME") or "~/.local/share"
            folders = [user(data) / "fonts", user("~/.fonts"), Path("/usr/local/share/fonts"), Path("/usr/share/fonts")]
    package = importlib.util.find_spec(_FONT_PACKAGE)
    return [*folders, *(Path(path) / "fonts" for path in (package and package.submodule_search_locations) or ())]


def _named_file(path: Path, field: str) -> FontPair:
    try:
        face = _read_faces(path)[0]
    except (struct.error, IndexError, KeyError, ValueError) as error:
        issue = Issue("FONT_FORM", field=field, expected="a TrueType font", found=path.name)
        raise InvalidInputError([issue]) from error
    return FontPair(face, face)


def _require_embeddable(pair: FontPair, field: str) -> FontPair:
    if pair.text.problem:
        issue = Issue(pair.text.problem, field=field, expected="a TrueType font", found=pair.text.path.name)
        raise InvalidInputError([issue])
    return pair


def _pair(faces: Iterable[FontFace], family: str) -> FontPair | None:
    """Return the upright faces of a family: the one nearest to regular, and the one nearest to bold.

    Of equal faces, one that can be embedded is preferred, then the first.
    """
    upright = [face for face in faces if family in face.families and not face.italic]
    regular = [face for face in upright if face.weight < _MIN_BOLD]
    bold = [face for face in upright if face.weight >= _MIN_BOLD]
    if not regular:
        return None
    text = min(regular, key=lambda face: (bool(face.problem), abs(face.weight - _REGULAR)))
    return FontPair(text, min(bold, key=lambda face: (bool(face.problem), abs(face.weight - _BOLD)), default=text))


def _installed_faces(folders: Iterable[Path]) -> Iterator[FontFace]:
    """Yield the faces of all font files in folders and their subfolders, in the order of their names."""
    for folder in folders:
        for parent, subfolders, names in os.walk(folder):
            subfolders.sort()
            for name in sorted(names):
                if name.lower().endswith(_SUFFIXES):
                    path = Path(parent, name)
                    try:
                        state = path.stat()
                        yield from _cached_faces(path, state.st_mtime_ns, state.st_size)
                    except (OSError, struct.error, IndexError, KeyError, ValueError):
                        continue  # a file that nobody named and that is no readable font


@functools.lru_cache(maxsize=4096)
def _cached_faces(path: Path, modified: int, size: int) -> tuple[FontFace, ...]:
    return tuple(_read_faces(path))


# --- font files -------------------------------------------------------------------------------------------------------


def _read_faces(path: Path) -> list[FontFace]:
    """Read the faces of a file; only its tables of names and metrics are read.

    Raises:
        struct.error, KeyError, ValueError: it is not a font.
        OSError: it cannot be read.
    """
    with path.open("rb") as file:
        offsets = [0]
        if file.read(4) == _COLLECTION:
            _, count = struct.unpack(">LL", file.read(8))
            offsets = list(struct.unpack(f">{min(count, _MAX_FACES)}L", file.read(4 * min(count, _MAX_FACES))))
        return [_read_face(file, path, index, offset) for index, offset in enumerate(offsets)]


def _read_face(file: BinaryIO, path: Path, index: int, offset: int) -> FontFace:
    file.seek(offset + 4)
    (table_count,) = struct.unpack(">H", file.read(2))
    file.seek(offset + 12)
    tables = {}
    for _ in range(table_count):
        tag, _, start, length = struct.unpack(">4sLLL", file.read(16))
        tables[tag] = (start, length)
    file.seek(tables[b"OS/2"][0])
    weight, _, embedding = struct.unpack(">4xHHH", file.read(10))
    file.seek(tables[b"OS/2"][0] + 62)
    (selection,) = struct.unpack(">H", file.read(2))
    file.seek(tables[b"name"][0])
    families = _family_names(file.read(tables[b"name"][1]))
    return FontFace(path, index, families, weight, bool(selection & _ITALIC), _problem(tables.keys(), embedding))


def _problem(tables: Iterable[bytes], embedding: int) -> str:
    """Return the code of the issue for which a face cannot be embedded.

    reportlab embeds TrueType outlines (``glyf``) only. Of a variable font (``fvar``) it would embed the default
    instance, which in Noto Sans JP is the thinnest weight.
    """
    if b"glyf" not in tables or b"fvar" in tables:
        return "FONT_FORM"
    if embedding & _EMBEDDING == _RESTRICTED or embedding & (_NO_SUBSET | _BITMAPS_ONLY):
        return "FONT_EMBEDDING"
    return ""


def _family_names(table: bytes) -> frozenset[str]:
    """Return the names of the family in a name table, those for Windows and Unicode platforms (UTF-16)."""
    count, strings = struct.unpack_from(">2xHH", table)
    families = set()
    for number in range(count):
        platform, _, _, name, length, offset = struct.unpack_from(">6H", table, 6 + 12 * number)
        if name in _FAMILY_NAMES and platform in (0, 3):
            content = table[strings + offset : strings + offset + length]
            families.add(content.decode("utf-16-be", "replace"))
    return frozenset(families)
