"""The encoder of many symbols against segno, module for module."""

from __future__ import annotations

import random
from collections.abc import Callable
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
import segno
from hypothesis import given, settings
from hypothesis import strategies as st
from segno.encoder import mask_scores

from kokin import elqr, slips
from kokin.elqr import ElQr
from kokin.issues import InvalidInputError
from kokin.slips._matrix import SIDE, pack, tables, unpack
from kokin.slips._penalty import best_masks, penalties
from kokin.slips._symbols import encode_digits
from tests.support import examples

PAYLOAD = (
    "000201010212279600051380001834800000000000000000123002138000127000003000000000001234567890123456099999001000000054"
    "110000001230062262026202600202606012026071080850000000000000000000000000000000000000000000000000000000000000000000"
    "000000000000000000630508191"
)


CODE = elqr.parse(PAYLOAD)


def segno_modules(payload: str) -> tuple[Any, int]:
    symbol = segno.make_qr(payload, error="m", version=6, mode="numeric", boost_error=False)
    return np.array(symbol.matrix, np.bool_), symbol.mask


def assert_equal_to_segno(payloads: list[str]) -> None:
    symbols = encode_digits(payloads)
    for payload, modules, mask in zip(payloads, symbols.modules(), symbols.masks, strict=True):
        expected, expected_mask = segno_modules(payload)
        assert mask == expected_mask
        np.testing.assert_array_equal(modules, expected)


digits = st.text("0123456789", min_size=255, max_size=255)
runs = st.lists(st.tuples(st.text("0123456789", min_size=1, max_size=9), st.integers(1, 40)), min_size=1).map(
    lambda pieces: "".join(piece * times for piece, times in pieces).ljust(255, "0")[:255]
)


@settings(deadline=None, max_examples=examples(40))
@given(st.lists(st.one_of(digits, runs), min_size=1, max_size=4))
def test_any_digits_are_encoded_as_segno_does(payloads: list[str]) -> None:
    assert_equal_to_segno(payloads)


@pytest.mark.slow
def test_thousands_of_payloads_are_encoded_as_segno_does() -> None:
    generator = random.Random(20260901)
    head = PAYLOAD[:29]
    assert_equal_to_segno([head + "".join(generator.choices("0123456789", k=226)) for _ in range(5000)])


def test_every_mask_occurs() -> None:
    generator = random.Random(7)
    payloads = ["".join(generator.choices("0123456789", k=255)) for _ in range(100)]
    assert set(encode_digits(payloads).masks.tolist()) == set(range(8))


# Rows with many features of the penalty: long runs, and finder-like patterns that overlap or touch the edge.
PIECES = ["1011101", "01110", "0000", "11111", "000000", "1", "0", "10111011101", "1011101011101"]


@settings(deadline=None, max_examples=examples(150))
@given(st.integers(0, 2**32), st.booleans())
def test_the_penalty_of_any_modules_equals_that_of_segno(seed: int, transposed: bool) -> None:
    generator = random.Random(seed)
    rows = ["".join(generator.choices(PIECES, k=SIDE))[:SIDE] for _ in range(SIDE)]
    modules = np.array([[int(bit) for bit in row] for row in rows], np.uint8)
    if transposed:
        modules = np.ascontiguousarray(modules.T)
    expected = sum(mask_scores([bytearray(row) for row in modules], SIDE, SIDE))
    unmasked = pack(modules.astype(np.bool_)) ^ tables().masks[3]
    assert penalties(unmasked[:, None])[3, 0] == expected


def test_the_lowest_of_equal_masks_is_chosen() -> None:
    unmasked = np.random.default_rng(1).integers(0, 2**41, (SIDE, 5000), np.uint64)
    points = penalties(unmasked)
    equal = np.flatnonzero((points == points.min(axis=0)).sum(axis=0) > 1)
    assert equal.size
    masks = best_masks(unmasked)
    for symbol in equal:
        assert masks[symbol] == points[:, symbol].tolist().index(points[:, symbol].min())


def test_packed_rows_unpack_to_the_same_modules() -> None:
    modules = np.random.default_rng(3).integers(0, 2, (5, SIDE, SIDE)).astype(np.bool_)
    np.testing.assert_array_equal(unpack(pack(modules)), modules)


def test_lists_and_columns_of_payloads_give_the_same_symbols() -> None:
    payloads = [PAYLOAD, *(ElQr(**CODE.model_dump() | {"case_key": f"{number}"}).payload for number in (1, 2))]
    expected = slips.encode(payloads)
    for codes in (
        [elqr.parse(payload) for payload in payloads],
        iter(payloads),
        pa.table({"payload": payloads})["payload"],
        pa.array(payloads),
        pa.chunked_array([payloads[:1], payloads[1:]]),
        pa.array(payloads, pa.large_string()),
        pa.array(["x", *payloads]).slice(1),
    ):
        np.testing.assert_array_equal(slips.encode(codes).rows, expected.rows)
    assert len(slips.encode([])) == 0


def test_one_code_is_encoded_as_in_a_list() -> None:
    for code in (PAYLOAD, CODE):
        symbol = slips.encode(code)
        np.testing.assert_array_equal(symbol.rows, slips.encode([PAYLOAD]).rows)
        np.testing.assert_array_equal(symbol.masks, slips.encode([PAYLOAD]).masks)


def test_symbols_are_a_sequence() -> None:
    symbols = encode_digits([f"{number:0255d}" for number in range(3)])
    assert [len(symbol) for symbol in symbols] == [1, 1, 1]
    np.testing.assert_array_equal(symbols[-1].rows[0], symbols.rows[2])
    np.testing.assert_array_equal(symbols[1:].masks, symbols.masks[1:])
    with pytest.raises(IndexError):
        symbols[3]


def test_a_notebook_shows_the_first_symbols() -> None:
    symbols = encode_digits([f"{number:0255d}" for number in range(14)])
    assert symbols[:2]._repr_html_() == " ".join(symbols[:2].render())
    assert symbols._repr_html_().count("<svg") == 12
    assert symbols._repr_html_().endswith("<p>… 2 more</p>")


def test_more_symbols_than_a_chunk() -> None:
    payloads = [f"{number:0255d}" for number in range(5000)]
    symbols = encode_digits(payloads)
    for number in (0, 2047, 2048, 4999):
        np.testing.assert_array_equal(symbols.rows[number], encode_digits([payloads[number]]).rows[0])


@pytest.mark.parametrize(
    ("text", "code"),
    [(None, "FIELD_MISSING"), ("1" * 254, "PAYLOAD_LENGTH"), ("１" * 255, "NOT_DIGITS"), ("x" * 255, "NOT_DIGITS")],
)
def test_a_text_of_other_than_255_digits_is_rejected(text: str | None, code: str) -> None:
    with pytest.raises(InvalidInputError) as raised:
        slips.encode(pa.array([PAYLOAD, text]))
    assert [(issue.code, issue.location.record) for issue in raised.value.issues] == [(code, 2)]


@pytest.mark.parametrize("digits", ["1" * 255, PAYLOAD.replace("12300213800", "12400213800"), PAYLOAD[:-1] + "0"])
@pytest.mark.parametrize("encode", [slips.encode, slips.render, lambda text: slips.encode([text])])
def test_digits_that_are_not_an_el_qr_are_rejected(encode: Callable[[str], Any], digits: str) -> None:
    with pytest.raises(InvalidInputError) as raised:
        encode(digits)
    assert [issue.code for issue in raised.value.issues] == [issue.code for issue in elqr.check(digits)]
    encode(PAYLOAD)


def test_an_issue_names_the_record_that_is_not_an_el_qr() -> None:
    with pytest.raises(InvalidInputError) as raised:
        slips.encode([PAYLOAD, PAYLOAD, "1" * 255, PAYLOAD])
    assert {issue.location.record for issue in raised.value.issues} == {3}
