"""The batch encoder against segno, module for module."""

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
from kokin.slips._symbols import draw

PAYLOAD = (
    "000201010212279600051380001834800000000000000000123002138000127000003000000000001234567890123456099999001000000054"
    "110000001230062262026202600202606012026071080850000000000000000000000000000000000000000000000000000000000000000000"
    "000000000000000000630508191"
)


CODE = elqr.parse(PAYLOAD)


def drawn_by_segno(payload: str) -> tuple[Any, int]:
    drawn = segno.make_qr(payload, error="m", version=6, mode="numeric", boost_error=False)
    return np.array(drawn.matrix, np.bool_), drawn.mask


def assert_as_segno(payloads: list[str]) -> None:
    made = draw(payloads)
    for payload, modules, mask in zip(payloads, made.modules(), made.masks, strict=True):
        expected, expected_mask = drawn_by_segno(payload)
        assert mask == expected_mask
        np.testing.assert_array_equal(modules, expected)


digits = st.text("0123456789", min_size=255, max_size=255)
runs = st.lists(st.tuples(st.text("0123456789", min_size=1, max_size=9), st.integers(1, 40)), min_size=1).map(
    lambda pieces: "".join(piece * times for piece, times in pieces).ljust(255, "0")[:255]
)


@settings(deadline=None, max_examples=40)
@given(st.lists(st.one_of(digits, runs), min_size=1, max_size=4))
def test_any_payload_is_drawn_as_segno_draws_it(payloads: list[str]) -> None:
    assert_as_segno(payloads)


@pytest.mark.slow
def test_thousands_of_payloads_are_drawn_as_segno_draws_them() -> None:
    chance = random.Random(20260901)
    head = PAYLOAD[:29]
    assert_as_segno([head + "".join(chance.choices("0123456789", k=226)) for _ in range(5000)])


def test_every_mask_is_met() -> None:
    chance = random.Random(7)
    payloads = ["".join(chance.choices("0123456789", k=255)) for _ in range(100)]
    assert set(draw(payloads).masks.tolist()) == set(range(8))


# Rows that are rich in what the penalty looks for: long runs, finder-like patterns that overlap or touch the edge.
PIECES = ["1011101", "01110", "0000", "11111", "000000", "1", "0", "10111011101", "1011101011101"]


@settings(deadline=None, max_examples=150)
@given(st.integers(0, 2**32), st.booleans())
def test_the_penalty_of_any_picture_is_segno_s(seed: int, turned: bool) -> None:
    chance = random.Random(seed)
    rows = ["".join(chance.choices(PIECES, k=SIDE))[:SIDE] for _ in range(SIDE)]
    modules = np.array([[int(bit) for bit in row] for row in rows], np.uint8)
    if turned:
        modules = np.ascontiguousarray(modules.T)
    expected = sum(mask_scores([bytearray(row) for row in modules], SIDE, SIDE))
    unmasked = pack(modules.astype(np.bool_)) ^ tables().masks[3]
    assert penalties(unmasked[:, None])[3, 0] == expected


def test_the_first_of_equal_masks_is_taken() -> None:
    unmasked = np.random.default_rng(1).integers(0, 2**41, (SIDE, 5000), np.uint64)
    points = penalties(unmasked)
    equal = np.flatnonzero((points == points.min(axis=0)).sum(axis=0) > 1)
    assert equal.size
    taken = best_masks(unmasked)
    for symbol in equal:
        assert taken[symbol] == points[:, symbol].tolist().index(points[:, symbol].min())


def test_packed_rows_unpack_to_the_same_modules() -> None:
    modules = np.random.default_rng(3).integers(0, 2, (5, SIDE, SIDE)).astype(np.bool_)
    np.testing.assert_array_equal(unpack(pack(modules)), modules)


def test_every_form_of_a_batch_gives_the_same_symbols() -> None:
    payloads = [PAYLOAD, *(ElQr(**CODE.model_dump() | {"case_key": f"{number}"}).payload for number in (1, 2))]
    expected = slips.symbols(payloads)
    for form in (
        pa.array(payloads),
        pa.chunked_array([payloads[:1], payloads[1:]]),
        pa.array(payloads, pa.large_string()),
        pa.array(["x", *payloads]).slice(1),
    ):
        np.testing.assert_array_equal(slips.symbols(form, threads=2).rows, expected.rows)
    batches = list(slips.symbol_batches(payloads, size=2))
    assert [len(batch) for batch in batches] == [2, 1]
    np.testing.assert_array_equal(np.concatenate([batch.rows for batch in batches]), expected.rows)
    assert len(slips.symbols([])) == 0


def test_more_symbols_than_a_stretch() -> None:
    payloads = [f"{number:0255d}" for number in range(5000)]
    made = draw(payloads, threads=2)
    for some in (0, 2047, 2048, 4999):
        np.testing.assert_array_equal(made.rows[some], draw([payloads[some]]).rows[0])


@pytest.mark.parametrize(
    ("text", "code"),
    [(None, "FIELD_MISSING"), ("1" * 254, "PAYLOAD_LENGTH"), ("１" * 255, "NOT_DIGITS"), ("x" * 255, "NOT_DIGITS")],
)
def test_anything_but_255_digits_is_refused(text: str | None, code: str) -> None:
    with pytest.raises(InvalidInputError) as refused:
        slips.symbols(pa.array([PAYLOAD, text]))
    assert [(issue.code, issue.location.record) for issue in refused.value.issues] == [(code, 2)]


@pytest.mark.parametrize("digits", ["1" * 255, PAYLOAD.replace("12300213800", "12400213800"), PAYLOAD[:-1] + "0"])
@pytest.mark.parametrize("drawing", [slips.symbol, slips.svg, slips.png, slips.pdf, lambda text: slips.symbols([text])])
def test_digits_that_are_no_elqr_are_not_drawn(drawing: Callable[[str], Any], digits: str) -> None:
    with pytest.raises(InvalidInputError) as refused:
        drawing(digits)
    assert [issue.code for issue in refused.value.issues] == [issue.code for issue in elqr.check(digits)]
    drawing(PAYLOAD)


def test_batches_of_symbols_name_the_record_that_is_no_elqr() -> None:
    batches = slips.symbol_batches([PAYLOAD, PAYLOAD, "1" * 255, PAYLOAD], size=2)
    with pytest.raises(InvalidInputError) as refused:
        next(batches)
    assert {issue.location.record for issue in refused.value.issues} == {3}
