"""Numbers as words, against Python's own ``int``."""

import random

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st
from kokin.matching._pack import EL_FIELDS, encode_keys

digit = st.sampled_from("0123456789")


def number(width, least=None):
    return st.text(digit, min_size=width if least is None else least, max_size=width)


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
    """The words of a number as one: all but the first hold 18 digits."""
    return [int(row[0]) * 10**18 + int(row[1]) if len(row) == 2 else int(row[0]) for row in words]


FORMS = {
    "string": lambda column: column,
    "large_string": lambda column: column.cast(pa.large_string()),
    "dictionary": lambda column: column.dictionary_encode(),
    "sliced": lambda column: pa.concat_arrays([pa.array(["7"]), column]).slice(1),
}


@given(st.lists(el_numbers, min_size=1, max_size=20), st.sampled_from(list(FORMS)))
def test_el_number(rows, form):
    keys = encode_keys(batch(rows, dict.fromkeys(EL_FIELDS, FORMS[form])), 3)["el_number"]
    assert as_int(keys.words) == [
        int(r["payee_code"] + r["item_code"] + r["confirmation"] + r["case_key"].zfill(20)) for r in rows
    ]
    assert keys.present.all()
    assert not keys.wrong.any()


@given(st.lists(number(44), min_size=1, max_size=20))
def test_barcode_is_known_by_company_and_free_field(barcodes):
    keys = encode_keys(batch([{"barcode": code} for code in barcodes]), 3)["barcode"]
    assert as_int(keys.words) == [int(code[2:29]) for code in barcodes]
    assert not keys.wrong.any()


@given(st.lists(number(10), min_size=1, max_size=20))
def test_virtual_account(accounts):
    keys = encode_keys(batch([{"virtual_account": code} for code in accounts]), 3)["virtual_account"]
    assert as_int(keys.words) == [int(code) for code in accounts]


@given(st.lists(st.text(st.characters(codec="utf-8", exclude_characters="\0"), max_size=8), min_size=1, max_size=20))
def test_a_text_is_its_bytes(texts):
    keys = encode_keys(batch([{"customer_number": text} for text in texts]), 4)["customer_number"]
    assert [row.astype("<u8").tobytes().rstrip(b"\0") for row in keys.words] == [text.encode() for text in texts]
    assert keys.present.tolist() == [bool(text) for text in texts]
    assert not keys.wrong.any()


def test_texts_that_cannot_be_told_from_others_are_wrong():
    rows = [{"customer_number": text} for text in ("A", "A\0", "x" * 24, "x" * 25, "ｱ" * 8, "ｱ" * 9)]
    assert encode_keys(batch(rows), 3)["customer_number"].wrong.tolist() == [False, True, False, True, False, True]


WIDTHS = {"barcode": 44, "virtual_account": 10, **EL_FIELDS}


@pytest.mark.parametrize("name", WIDTHS)
@pytest.mark.parametrize("letter", ["/", ":", "A", " ", "\x00", "-", "é"])
def test_every_foreign_byte_is_seen(name, letter):
    good = {field: "1" * width for field, width in EL_FIELDS.items() if name in EL_FIELDS} or {name: "1" * WIDTHS[name]}
    rows = [good]
    for place in range(WIDTHS[name]):
        text = good[name][:place] + letter + good[name][place + 1 :]
        rows.append({**good, name: text})
    keys = next(iter(encode_keys(batch(rows), 3).values()))
    assert keys.wrong.tolist() == [False] + [True] * WIDTHS[name]


@pytest.mark.parametrize(
    ("name", "length", "wrong"), [("payee_code", 4, True), ("case_key", 21, True), ("case_key", 19, False)]
)
def test_widths(name, length, wrong):
    good = {field: "1" * width for field, width in EL_FIELDS.items()}
    assert encode_keys(batch([good, {**good, name: "1" * length}]), 3)["el_number"].wrong.tolist() == [False, wrong]


def test_a_number_is_there_only_if_all_of_it_is():
    good = {field: "1" * width for field, width in EL_FIELDS.items()}
    rows = [good, *({**good, name: missing} for name in EL_FIELDS for missing in (None, ""))]
    keys = encode_keys(batch(rows), 3)["el_number"]
    assert keys.present.tolist() == [True] + [False] * 8
    assert not keys.wrong.any()


def test_random_batch_equals_the_plain_loop():
    rng = random.Random(1)
    rows = [
        {name: "".join(rng.choices("0123456789", k=width)) for name, width in EL_FIELDS.items()} for _ in range(5000)
    ]
    keys = encode_keys(batch(rows), 3)["el_number"]
    expected = [int(r["payee_code"] + r["item_code"] + r["confirmation"] + r["case_key"]) for r in rows]
    assert as_int(keys.words) == expected
    assert keys.words.dtype == np.uint64
