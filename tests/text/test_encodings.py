"""Character sets against witnesses: the platform's own tables, and the spec's traps."""

from __future__ import annotations

import shutil
import subprocess
import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kokin import text
from kokin.issues import InvalidInputError


@pytest.mark.skipif(shutil.which("iconv") is None, reason="no iconv here to compare with")
def test_ebcdic_kana_is_code_page_290() -> None:
    for byte in range(0x40, 0xFF):
        answer = subprocess.run(["iconv", "-f", "IBM290", "-t", "UTF-8"], input=bytes([byte]), capture_output=True)
        here = bytes([byte]).translate(text.EBCDIC_TO_HALF_WIDTH)
        if answer.returncode or answer.stdout.decode() in "¦£¬":
            assert here == b"\0"
            continue
        # The system's table gives full-width signs of sound (ﾞ ﾟ); compared are the normal forms of both.
        there = answer.stdout.decode().translate({ord("゛"): "ﾞ", ord("゜"): "ﾟ", ord("¥"): "\\", ord("‾"): "~"})
        assert unicodedata.normalize("NFKC", here.decode("cp932")) == unicodedata.normalize("NFKC", there), hex(byte)


def test_ebcdic_comes_back() -> None:
    known = bytes(b for b in range(256) if bytes([b]).translate(text.EBCDIC_TO_HALF_WIDTH) != b"\0")
    assert known.translate(text.EBCDIC_TO_HALF_WIDTH).translate(text.HALF_WIDTH_TO_EBCDIC) == known
    assert b"1".translate(text.HALF_WIDTH_TO_EBCDIC) == b"\xf1"


@pytest.mark.parametrize("byte", [0x80, 0xA0, 0xFD, 0xFE, 0xFF])
def test_bytes_that_python_lets_through_are_refused(byte: int) -> None:
    content = "公金".encode("cp932") + bytes([byte]) + b"1"
    content.decode("cp932")  # Python does not mind
    with pytest.raises(text.UndecodableError) as caught:
        text.decode_cp932(content)
    (issue,) = caught.value.issues
    assert (issue.code, issue.location.byte, issue.found) == ("BYTE_UNKNOWN", 4, f"0x{byte:02X}")


def test_a_lead_byte_alone_is_refused() -> None:
    with pytest.raises(text.UndecodableError) as caught:
        text.decode_cp932(b"AB\x8c")
    assert caught.value.issues[0].location.byte == 2


def test_gaiji_pass_and_are_found() -> None:
    decoded = text.decode_cp932(b"A\xf0\x40B\xf9\xfc")
    assert text.find_gaiji(decoded) == "\ue000"
    assert text.find_gaiji("髙橋") == ""
    assert text.find_control_character(decoded + "公金　花子") == ""
    assert text.find_control_character("a\x1ab") == "\x1a"


@given(st.binary(max_size=40))
def test_half_width_is_one_character_a_byte_and_comes_back(content: bytes) -> None:
    legal = all(0x20 <= byte < 0x7F or 0xA1 <= byte < 0xE0 for byte in content)
    if not legal:
        with pytest.raises(text.UndecodableError):
            text.decode_half_width(content)
        return
    decoded = text.decode_half_width(content)
    assert len(decoded) == len(content)
    assert text.encode_half_width(decoded) == content


@pytest.mark.parametrize("wrong", ["公", "é", "\n", "ア"])
def test_nothing_is_converted_to_half_width(wrong: str) -> None:
    with pytest.raises(InvalidInputError):
        text.encode_half_width("ABC" + wrong)


@given(st.binary(max_size=12))
def test_cp932_is_decoded_as_python_does_or_refused(content: bytes) -> None:
    try:
        decoded = text.decode_cp932(content)
    except text.UndecodableError as error:
        at = error.issues[0].location.byte
        assert at is not None
        assert 0 <= at < len(content)
        text.decode_cp932(content[:at])  # what stands before the byte is good
    else:
        assert decoded == content.decode("cp932")
        assert not any(c in decoded for c in "\x80\uf8f0\uf8f1\uf8f2\uf8f3")
