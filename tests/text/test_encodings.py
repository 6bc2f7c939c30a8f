"""Character sets, compared with the tables of the platform and the special cases of the standards."""

from __future__ import annotations

import shutil
import subprocess
import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kokin import text
from kokin.issues import InvalidInputError


@pytest.mark.skipif(shutil.which("iconv") is None, reason="iconv is not installed")
def test_ebcdic_kana_is_code_page_290() -> None:
    for byte in range(0x40, 0xFF):
        answer = subprocess.run(["iconv", "-f", "IBM290", "-t", "UTF-8"], input=bytes([byte]), capture_output=True)
        own = bytes([byte]).translate(text.EBCDIC_TO_HALF_WIDTH)
        if answer.returncode or answer.stdout.decode() in "¦£¬":
            assert own == b"\0"
            continue
        # iconv returns full-width sound marks (゛ ゜); the normal forms are compared.
        expected = answer.stdout.decode().translate({ord("゛"): "ﾞ", ord("゜"): "ﾟ", ord("¥"): "\\", ord("‾"): "~"})
        assert unicodedata.normalize("NFKC", own.decode("cp932")) == unicodedata.normalize("NFKC", expected), hex(byte)


def test_ebcdic_is_equal_after_conversion_and_back() -> None:
    known = bytes(b for b in range(256) if bytes([b]).translate(text.EBCDIC_TO_HALF_WIDTH) != b"\0")
    assert known.translate(text.EBCDIC_TO_HALF_WIDTH).translate(text.HALF_WIDTH_TO_EBCDIC) == known
    assert b"1".translate(text.HALF_WIDTH_TO_EBCDIC) == b"\xf1"


@pytest.mark.parametrize("byte", [0x80, 0xA0, 0xFD, 0xFE, 0xFF])
def test_bytes_that_python_accepts_are_rejected(byte: int) -> None:
    content = "公金".encode("cp932") + bytes([byte]) + b"1"
    content.decode("cp932")  # Python accepts it
    with pytest.raises(text.UndecodableError) as caught:
        text.decode_cp932(content)
    (issue,) = caught.value.issues
    assert (issue.code, issue.location.byte, issue.found) == ("BYTE_UNKNOWN", 4, f"0x{byte:02X}")


def test_a_lead_byte_without_a_second_byte_is_rejected() -> None:
    with pytest.raises(text.UndecodableError) as caught:
        text.decode_cp932(b"AB\x8c")
    assert caught.value.issues[0].location.byte == 2


def test_gaiji_are_decoded_and_found() -> None:
    decoded = text.decode_cp932(b"A\xf0\x40B\xf9\xfc")
    assert text.find_gaiji(decoded) == "\ue000"
    assert text.find_gaiji("髙橋") == ""
    assert text.find_control_character(decoded + "公金　花子") == ""
    assert text.find_control_character("a\x1ab") == "\x1a"


@given(st.binary(max_size=40))
def test_half_width_is_one_character_per_byte_and_encoded_back(content: bytes) -> None:
    is_valid = all(0x20 <= byte < 0x7F or 0xA1 <= byte < 0xE0 for byte in content)
    if not is_valid:
        with pytest.raises(text.UndecodableError):
            text.decode_half_width(content)
        return
    decoded = text.decode_half_width(content)
    assert len(decoded) == len(content)
    assert text.encode_half_width(decoded) == content


@pytest.mark.parametrize("character", ["公", "é", "\n", "ア"])
def test_no_character_is_converted_to_half_width(character: str) -> None:
    with pytest.raises(InvalidInputError):
        text.encode_half_width("ABC" + character)


@given(st.binary(max_size=12))
def test_cp932_is_decoded_as_by_python_or_rejected(content: bytes) -> None:
    try:
        decoded = text.decode_cp932(content)
    except text.UndecodableError as error:
        offset = error.issues[0].location.byte
        assert offset is not None
        assert 0 <= offset < len(content)
        text.decode_cp932(content[:offset])  # the bytes before it are valid
    else:
        assert decoded == content.decode("cp932")
        assert not any(c in decoded for c in "\x80\uf8f0\uf8f1\uf8f2\uf8f3")
