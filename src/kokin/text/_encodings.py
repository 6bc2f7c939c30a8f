"""Character sets of legacy systems, decoded strictly: an undefined byte raises, with its offset."""

from __future__ import annotations

import re
from collections.abc import Mapping
from types import MappingProxyType

from kokin.issues import InvalidInputError, Issue, Location

#: The bytes of a half-width field: JIS X 0201 without control characters (20-7E and A1-DF).
JIS_X_0201 = bytes([*range(0x20, 0x7F), *range(0xA1, 0xE0)])

# Python maps these single bytes of cp932 to control and private-use characters instead of raising.
_NOT_CP932 = re.compile("[\x80\uf8f0-\uf8f3]")
_GAIJI = re.compile("[\ue000-\ue757]")


class UndecodableError(InvalidInputError):
    """Bytes that are not text of their character set; the one issue has the first such byte in ``location.byte``."""


def _undecodable(content: bytes, offset: int, charset: str) -> UndecodableError:
    found, location = f"0x{content[offset]:02X}", Location(byte=offset)
    return UndecodableError([Issue("BYTE_UNKNOWN", expected=charset, found=found, location=location)])


def decode_half_width(content: bytes) -> str:
    """Decode a half-width field (半角, JIS X 0201), one character per byte; the yen sign becomes a backslash.

    Raises:
        UndecodableError: a byte outside 20-7E and A1-DF.

    >>> decode_half_width(bytes.fromhex("BAB3B7DD20CACAC5BA"))
    'ｺｳｷﾝ ﾊﾊﾅｺ'
    """
    if content.translate(None, JIS_X_0201):
        offset = next(i for i, byte in enumerate(content) if byte not in JIS_X_0201)
        raise _undecodable(content, offset, "JIS X 0201")
    return content.decode("cp932")


def encode_half_width(text: str) -> bytes:
    """Encode a half-width text; the inverse of :func:`decode_half_width`.

    Raises:
        InvalidInputError: a character that JIS X 0201 does not have; no character is converted to another.
    """
    try:
        content = text.encode("cp932")
    except UnicodeEncodeError:
        content = b"\0"
    if len(content) != len(text) or content.translate(None, JIS_X_0201):
        raise InvalidInputError([Issue("CHARACTER", expected="half-width characters (JIS X 0201)")])
    return content


def decode_cp932(content: bytes) -> str:
    """Decode cp932; unlike Python, reject the single bytes 80, A0 and FD-FF.

    398 two-byte codes are not encoded as the same bytes again. To write an identical file, keep its bytes.

    Raises:
        UndecodableError: not cp932; also a lead byte without its second byte at the end.

    >>> decode_cp932(bytes.fromhex("FBFC8BB4"))
    '髙橋'
    """
    if content.isascii():
        return content.decode("ascii")
    offset = -1
    try:
        text = content.decode("cp932")
    except UnicodeDecodeError as error:
        offset = error.start
        text = content[:offset].decode("cp932")
    if stray := _NOT_CP932.search(text):
        offset = len(text[: stray.start()].encode("cp932"))
    if offset >= 0:
        raise _undecodable(content, offset, "cp932")
    return text


def find_control_character(text: str) -> str:
    """Return the first control character or line separator of a text, or an empty text.

    The full-width space and 外字 are accepted, although ``str.isprintable`` is false for them.
    """
    if text.isprintable():
        return ""
    return next((c for c in text if not (c.isprintable() or c == "\u3000" or _GAIJI.match(c))), "")


def find_gaiji(text: str) -> str:
    """Return the first 外字 (F040-F9FC, private use area) of a text decoded from cp932, or an empty text."""
    found = _GAIJI.search(text)
    return found[0] if found else ""


def _ebcdic_kana() -> Mapping[int, int]:
    """Return the JIS X 0201 byte of each EBCDIC byte: IBM code page 290 without its lower-case letters."""
    runs = {
        0x40: " ｡｢｣､･ｦｧｨｩ",
        0x4B: ".<(+|&ｪｫｬｭｮｯ",
        0x58: "ｰ",
        0x5A: "!\\*);",
        0x60: "-/",
        0x6B: ",%_>?",
        0x79: "`:#@'=\"",
        0x81: "ｱｲｳｴｵｶｷｸｹｺ",
        0x8C: "ｻｼｽｾｿﾀﾁﾂﾃﾄﾅﾆﾇﾈﾉ",
        0x9D: "ﾊﾋﾌ",
        0xA1: "~ﾍﾎﾏﾐﾑﾒﾓﾔﾕ",
        0xAC: "ﾖﾗﾘﾙ",
        0xBA: "ﾚﾛﾜﾝﾞﾟ",
        0xC1: "ABCDEFGHI",
        0xD1: "JKLMNOPQR",
        0xE0: "$",
        0xE2: "STUVWXYZ",
        0xF0: "0123456789",
    }
    return MappingProxyType(
        {start + i: byte for start, characters in runs.items() for i, byte in enumerate(characters.encode("cp932"))}
    )


_FROM_EBCDIC = _ebcdic_kana()

#: A table for ``bytes.translate``: EBCDIC kana to JIS X 0201; a byte without a counterpart becomes NUL.
EBCDIC_TO_HALF_WIDTH = bytes(_FROM_EBCDIC.get(byte, 0) for byte in range(256))

#: The inverse: JIS X 0201 to EBCDIC kana; a byte without a counterpart becomes NUL.
HALF_WIDTH_TO_EBCDIC = bytes({to: byte for byte, to in _FROM_EBCDIC.items()}.get(byte, 0) for byte in range(256))
