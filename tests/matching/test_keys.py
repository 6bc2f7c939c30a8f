"""Encoded keys, against Python's own ``int``."""

import random

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pytest
from hypothesis import given
from hypothesis import strategies as st

from kokin.matching._keys import EL_FIELDS, decode_el_numbers, encode_keys, justify

digit = st.sampled_from("0123456789")


def number(width, min_width=None):
    return st.text(digit, min_size=width if min_width is None else min_width, max_size=width)


el_numbers = st.fixed_dictionaries(
    {name: number(width, 1 if name == "case_key" else None) for name, width in EL_FIELDS.items()}
)


def batch(rows, kinds=None):
    names = list(rows[0])
    columns = [pa.array([row[name] for row in rows], pa.string()) for name in names]
    return pa.record_batch(
        [(kinds or {}).get(name, lambda c: c)(c) for name, c in zip(names, columns, strict=True)], names
    )


def as_int(words):
    """The key as one number: each word but the first has 18 digits."""
    return [int(row[0]) * 10**18 + int(row[1]) if len(row) == 2 else int(row[0]) for row in words]


FORMS = {
    "string": lambda column: column,
    "large_string": lambda column: column.cast(pa.large_string()),
    "dictionary": lambda column: column.dictionary_encode(),
    "sliced": lambda column: pa.concat_arrays([pa.array(["7"]), column]).slice(1),
}


@given(st.lists(el_numbers, min_size=1, max_size=20), st.sampled_from(list(FORMS)))
def test_an_el_number_is_encoded_as_its_digits(rows, form):
    keys = encode_keys(batch(rows, dict.fromkeys(EL_FIELDS, FORMS[form])), 3)["el_number"]
    assert as_int(keys.words) == [
        int(r["payee_code"] + r["item_code"] + r["confirmation"] + r["case_key"].zfill(20)) for r in rows
    ]
    assert keys.present.all()
    assert not keys.invalid.any()
    fields = decode_el_numbers(keys.words)
    for name, width in EL_FIELDS.items():
        assert fields[name].to_pylist() == [row[name].zfill(width) for row in rows]


@given(st.lists(number(44), min_size=1, max_size=20))
def test_a_barcode_is_encoded_by_company_and_free_field(barcodes):
    keys = encode_keys(batch([{"barcode": code} for code in barcodes]), 3)["barcode"]
    assert as_int(keys.words) == [int(code[2:29]) for code in barcodes]
    assert not keys.invalid.any()


@given(st.lists(number(10), min_size=1, max_size=20))
def test_a_virtual_account_is_encoded_as_its_digits(accounts):
    keys = encode_keys(batch([{"virtual_account": code} for code in accounts]), 3)["virtual_account"]
    assert as_int(keys.words) == [int(code) for code in accounts]


@given(st.lists(st.text(st.characters(codec="utf-8", exclude_characters="\0"), max_size=8), min_size=1, max_size=20))
def test_a_text_is_encoded_as_its_bytes(texts):
    keys = encode_keys(batch([{"customer_number": text} for text in texts]), 4)["customer_number"]
    assert [row.astype("<u8").tobytes().rstrip(b"\0") for row in keys.words] == [text.encode() for text in texts]
    assert keys.present.tolist() == [bool(text) for text in texts]
    assert not keys.invalid.any()


def test_texts_that_are_too_long_or_contain_a_nul_are_invalid():
    rows = [{"customer_number": text} for text in ("A", "A\0", "x" * 24, "x" * 25, "ｱ" * 8, "ｱ" * 9)]
    assert encode_keys(batch(rows), 3)["customer_number"].invalid.tolist() == [False, True, False, True, False, True]


VALID = {field: "1" * width for field, width in EL_FIELDS.items()}
WIDTHS = {"barcode": 44, "virtual_account": 10, **EL_FIELDS}


@pytest.mark.parametrize("name", WIDTHS)
@pytest.mark.parametrize("letter", ["/", ":", "A", " ", "\x00", "-", "é"])
def test_every_byte_that_is_no_digit_is_invalid(name, letter):
    valid = VALID if name in EL_FIELDS else {name: "1" * WIDTHS[name]}
    rows = [valid]
    for position in range(WIDTHS[name]):
        text = valid[name][:position] + letter + valid[name][position + 1 :]
        rows.append({**valid, name: text})
    keys = next(iter(encode_keys(batch(rows), 3).values()))
    assert keys.invalid.tolist() == [False] + [True] * WIDTHS[name]


@pytest.mark.parametrize(
    ("name", "length", "invalid"), [("payee_code", 4, True), ("case_key", 21, True), ("case_key", 19, False)]
)
def test_a_wrong_number_of_digits_is_invalid(name, length, invalid):
    keys = encode_keys(batch([VALID, {**VALID, name: "1" * length}]), 3)["el_number"]
    assert keys.invalid.tolist() == [False, invalid]


def test_an_el_number_is_present_only_if_all_its_fields_are():
    rows = [VALID, *({**VALID, name: missing} for name in EL_FIELDS for missing in (None, ""))]
    keys = encode_keys(batch(rows), 3)["el_number"]
    assert keys.present.tolist() == [True] + [False] * 8
    assert not keys.invalid.any()


TEXTS_OR_NULLS = st.lists(st.sampled_from([None, "", "1234567890", "123", "12345678901"]), min_size=1, max_size=20)


@given(TEXTS_OR_NULLS, st.booleans(), st.booleans())
def test_texts_are_justified_in_rows_of_one_width(texts, to_the_right, has_bytes_of_nulls):
    array = pa.array(texts, pa.string())
    if has_bytes_of_nulls:
        is_null = pa.array([text is None for text in texts])
        array = pc.if_else(is_null, None, pa.array([text if text is not None else "9" * 10 for text in texts]))
    rows, lengths = justify(pa.concat_arrays([pa.array(["x"]), array]).slice(1), 10, right=to_the_right)
    assert lengths.tolist() == [len(text or "") for text in texts]
    for row, text in zip(rows, texts, strict=True):
        if text is not None:
            fitting = text if len(text) <= 10 else ""
            assert row.tobytes().decode() == (fitting.rjust(10, "0") if to_the_right else fitting.ljust(10, "\0"))


def test_a_random_batch_equals_the_plain_loop():
    rng = random.Random(1)
    rows = [
        {name: "".join(rng.choices("0123456789", k=width)) for name, width in EL_FIELDS.items()} for _ in range(5000)
    ]
    keys = encode_keys(batch(rows), 3)["el_number"]
    expected = [int(r["payee_code"] + r["item_code"] + r["confirmation"] + r["case_key"]) for r in rows]
    assert as_int(keys.words) == expected
    assert keys.words.dtype == np.uint64
