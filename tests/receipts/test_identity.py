"""The identity of a payment: what a layout may declare, and the keys composed from records."""

from __future__ import annotations

import io
import re
from collections.abc import Callable
from datetime import date
from hashlib import sha256
from importlib import resources
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kokin import receipts
from kokin.receipts import layouts
from tests.support import examples

REFERENCE = date(2026, 4, 15)
DAY = date(2026, 4, 1)
LAYOUTS = [name for name in layouts.names() if layouts.load(name).receipt]


def written(rows: list[dict[str, Any]], layout: Any, **options: Any) -> bytes:
    content = io.BytesIO()
    receipts.write(rows, content, layout, **options)
    return content.getvalue()


def keys(content: bytes, layout: Any, *names: str) -> list[Any]:
    """Return the keys of the receipts, after a check that the record reader and the column reader agree."""
    names = names or ("provider_key",)
    file = receipts.open(io.BytesIO(content), layout, reference_date=REFERENCE)
    by_record = [tuple(getattr(one, name) for name in names) for one in file]
    table = file.table(on_error="skip")
    columns = [table[name].to_pylist() if name in table.column_names else [None] * len(table) for name in names]
    assert list(zip(*columns, strict=True)) == by_record
    return [row[0] for row in by_record] if len(names) == 1 else by_record


# --- what a layout may declare ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", layouts.names())
def test_every_built_in_layout_of_receipts_declares_an_identity(name: str) -> None:
    layout = layouts.load(name)
    assert bool(layout.identity) == bool(layout.receipt)
    assert ("## identity" in layouts.describe(layout)) == bool(layout.receipt)


TEMPLATE = layouts.template("ours")
IDENTITY = '[identity]\nfields = ["type", "paid_day", "customer_number"]\n'


def problems(text: str) -> list[tuple[str, str, str]]:
    with pytest.raises(layouts.LayoutError) as caught:
        layouts.parse(text, "ours")
    return [(issue.code, issue.field, issue.expected) for issue in caught.value.issues]


def test_an_xml_layout_needs_an_identity() -> None:
    text = resources.files("kokin.receipts.layouts").joinpath("camt.054.toml").read_text(encoding="utf-8")
    declared = '[identity]\nassigned = ["servicer_reference"]\n'
    assert declared in text
    assert [code for code, *_ in problems(text.replace(declared, ""))] == ["IDENTITY_MISSING"]


def test_a_layout_without_an_identity_is_rejected_with_what_to_write() -> None:
    without = TEMPLATE.replace(IDENTITY, "")
    assert problems(without) == [
        ("IDENTITY_MISSING", "identity", '[identity] with fields = ["...", "..."], or identity = "content"')
    ]
    mapped = without.replace("[receipt]\n", '[receipt]\nprovider_key = "customer_number"\n')
    assert problems(mapped) == [
        ("IDENTITY_MISSING", "identity", '[identity] with assigned = ["customer_number"], or identity = "content"')
    ]


@pytest.mark.parametrize(
    ("identity", "field"),
    [
        ('[identity]\nfields = ["type"]\nassigned = ["type"]\n', "identity"),
        ("[identity]\n", "identity"),
        ('[identity]\nscope = ["type"]\nfields = ["paid_day"]\n', "identity.scope"),
        ('[identity]\nfields = ["tpye"]\n', "identity"),
        ('[identity]\nfields = ["header.tpye"]\n', "identity"),
        ('[identity]\nfields = ["header.made_day"]\n', "identity.fields"),
        ('[identity]\nassigned = ["header.made_day"]\n', "identity.assigned"),
        ('[identity]\nfields = ["type"]\nnone = { paid_day = ["0"] }\n', "identity.none"),
        ('[identity]\nfields = ["type", "paid_day"]\ncancels = ["type"]\n', "identity.cancels"),
        ('[identity]\nassigned = ["type"]\nscope = ["paid_day"]\ncancels = ["type"]\n', "identity.cancels"),
        ('[identity]\ncontent = true\nfields = ["type"]\n', "identity"),
        ('[identity]\nnames = ["type"]\n', "identity.names"),
    ],
)
def test_an_invalid_identity_is_rejected_at_its_key(identity: str, field: str) -> None:
    found = problems(TEMPLATE.replace(IDENTITY, identity))
    assert {code for code, *_ in found} == {"LAYOUT_INVALID"}
    assert field in [where for _, where, _ in found]


def test_identity_is_a_table_or_content() -> None:
    text = TEMPLATE.replace(IDENTITY, "").replace("\nformat =", '\nidentity = "contents"\nformat =')
    assert [where for _, where, _ in problems(text)] == ["identity"]


@pytest.mark.parametrize("name", ["provider_key", "key_composed", "cancels"])
def test_keys_are_declared_in_the_identity_table_only(name: str) -> None:
    text = TEMPLATE.replace("[receipt]\n", f'[receipt]\n{name} = "customer_number"\n')
    assert ("LAYOUT_INVALID", f"receipt.{name}", "the fields in [identity]") in problems(text)


# --- the keys of records ----------------------------------------------------------------------------------------------


def test_91_the_same_result_with_and_without_newlines_has_the_same_keys() -> None:
    rows = [{"customer_number": f"{i}", "amount": 10, "paid_on": DAY, "account_number": f"{i:07}"} for i in range(40)]
    header = {"consignor_code": "1234567890"}
    with_newlines = keys(written(rows, "zengin-91", header=header), "zengin-91", "provider_key", "key_composed")
    assert keys(written(rows, "zengin-91", header=header, newline=""), "zengin-91", "provider_key", "key_composed") == (
        with_newlines
    )
    assert with_newlines[7] == ("zengin-91:1234567890|2026-04-01|0000|000|1|7|7", True)
    assert len(set(with_newlines)) == 40


def test_the_key_has_a_remainder_of_the_account_number() -> None:
    accounts = ["0000007", "0065528", "7654321", "7654322"]
    rows = [{"customer_number": "1", "amount": 10, "paid_on": DAY, "account_number": account} for account in accounts]
    file = written(rows, "zengin-91", header={"consignor_code": "1234567890"})
    found = keys(file, "zengin-91", "provider_key")
    # 65,528 = 65,521 + 7; the others differ.
    assert [key.split("|")[5] for key in found] == ["7", "7", *(str(int(each) % 65_521) for each in accounts[2:])]
    assert not any(account in key for account in accounts for key in found)


def test_a_sensitive_field_of_a_key_has_digits() -> None:
    changed = re.sub(r'(id = "customer_number"[^}]*?) }', r"\1, sensitive = true }", TEMPLATE)
    assert changed != TEMPLATE
    assert [where for _, where, _ in problems(changed)] == ["identity"]


def transfer(reference: str, day: date = DAY, **more: Any) -> dict[str, Any]:
    return {"reference": reference, "account_day": day, "amount": 5000, "direction": "1", "transaction": "11", **more}


@pytest.mark.parametrize(("layout", "width"), [("zengin-01", 6), ("zengin-03", 8)])
@pytest.mark.parametrize("count", [1, 30])
def test_transactions_of_overlapping_statements_have_the_same_keys(layout: str, width: int, count: int) -> None:
    header = {"bank_code": "9999", "branch_code": "001", "account_number": "7" * (7 if width == 6 else 10)}
    rows = [transfer(f"{i + 1:0{width}}", DAY) for i in range(2 * count)]
    first = keys(written(rows[: count + 1], layout, header=header), layout, "provider_key", "key_composed")
    second = keys(written(rows[1:], layout, header=header), layout, "provider_key", "key_composed")
    assert first[1:] == second[:count]
    assert len({*first, *second}) == 2 * count
    assert first[0] == (f"{layout}:9999|001|{header['account_number']}|2026-04-01|{1:0{width}}", False)
    other = keys(written(rows, layout, header={**header, "account_number": "8" * 7}), layout)
    assert not {key for key, _ in first} & set(other)


@pytest.mark.parametrize("layout", ["zengin-01", "zengin-03"])
@pytest.mark.parametrize("count", [1, 30])
def test_zeros_and_blanks_identify_nothing(layout: str, count: int) -> None:
    zeros = "0" * (6 if layout == "zengin-01" else 8)
    header = {"account_number": "1" * 7}
    for reference in (zeros, ""):
        rows = [transfer(reference), transfer("1")] * count
        found = keys(written(rows, layout, header=header), layout, "provider_key", "key_composed")
        assert found[0] == (None, None)
        assert found[1][1] is False
    # A number of the bank is unique within an account only, so without the account there is no key.
    assert keys(written([transfer("1")] * count, layout), layout) == [None] * count


@pytest.mark.parametrize("zeros", ["0", "000", "0" * 20])
def test_a_reference_of_zeros_identifies_nothing_in_any_layout(zeros: str) -> None:
    """Two payments of one bill on one day, which a converter gave no reference, are two."""
    number = {"payee_code": "99999", "item_code": "127", "case_key": "1", "confirmation": "123456"}
    references = (zeros, zeros, "010", "0a0")
    rows = [{**number, "amount": 500, "paid_on": DAY, "provider_key": reference} for reference in references]
    found = keys(written(rows, "kokin-csv"), "kokin-csv", "provider_key", "key_composed")
    assert found == [(None, None), (None, None), ("010", False), ("0a0", False)]
    back = [{**rows[0], "kind": "reversal", "cancels": key} for key in (zeros, "010")]
    assert keys(written(back, "kokin-csv"), "kokin-csv", "cancels") == [None, "010"]


def test_the_keys_of_each_batch_have_its_own_header() -> None:
    rows = [{"customer_number": f"{i}", "amount": 10, "paid_on": date(2026, 4, 1 + i // 20)} for i in range(60)]
    found = keys(written(rows, "zengin-91"), "zengin-91")
    assert [key.split("|")[1] for key in found] == [f"2026-04-0{1 + i // 20}" for i in range(60)]


def test_dsk_a_key_is_composed_of_kind_barcode_day_time_and_store() -> None:
    barcode = "91929023252070000010123499900199999900106050"
    row = f"01,20260401,1815,EAN{barcode},000001,01234999001,0,10605,010,x,110001,0,20260402\r\n".encode("cp932")
    expected = f"dsk-csv:01|{barcode}|2026-04-01|18:15:00|110001"
    assert keys(row * 2, "dsk-csv", "provider_key", "key_composed") == [(expected, True)] * 2


def test_kokin_csv_the_reference_is_the_key_and_cancels_names_it() -> None:
    rows = [
        {"customer_number": "1", "amount": 10, "paid_on": DAY, "provider_key": "a|%", "cancels": None},
        {
            "customer_number": "1",
            "amount": 10,
            "paid_on": DAY,
            "provider_key": "b",
            "cancels": "a|%",
            "kind": "reversal",
        },
        {"customer_number": "1", "amount": 10, "paid_on": DAY, "provider_key": None, "cancels": None},
    ]
    expected = [("a|%", False, None), ("b", False, "a|%"), (None, None, None)]
    assert keys(written(rows, "kokin-csv"), "kokin-csv", "provider_key", "key_composed", "cancels") == expected
    plain = [{name: row.get(name) for name in ("customer_number", "amount", "paid_on")} for row in rows]
    file = receipts.open(io.BytesIO(written(plain, "kokin-csv")), "kokin-csv")
    assert not {"provider_key", "key_composed", "cancels"} & set(file.table().column_names)


@pytest.mark.parametrize("count", [1, 30])
def test_a_reversal_names_its_payment_by_the_key_of_the_payment(count: int) -> None:
    """The triple of MPN: 仕向センタ, 仕向処理年月日, 通番."""
    row = {
        "payee_code": "99999",
        "office_code": "000",
        "item_code": "127",
        "case_key": "1",
        "confirmation": "123456",
        "period": "00",
        "channel": "01",
        "amount": 100,
        "paid_on": DAY,
    }
    paid = [row | {"type": "2", "center": "0000000001", "sent_day": DAY, "serial": f"{i + 1:08}"} for i in range(count)]
    later = date(2026, 4, 2)
    back = [
        row
        | {"type": "5", "center": "0000000001", "sent_day": later, "serial": f"{count + i + 1:08}"}
        | {"original_center": "0000000001", "original_day": DAY, "original_serial": f"{i + 1:08}"}
        for i in range(count)
    ]
    content = written(paid + back, "eltax-example", header={"made_day": DAY, "payee_code": "99999"})
    found = keys(content, "eltax-example", "provider_key", "cancels", "kind")
    assert [cancels for _, cancels, _ in found[:count]] == [None] * count
    assert [cancels for _, cancels, _ in found[count:]] == [key for key, _, _ in found[:count]]
    assert [kind for *_, kind in found[count:]] == ["reversal"] * count
    assert len({key for key, *_ in found}) == 2 * count


# --- composed keys ---------------------------------------------------------------------------------------------------

PARTS = """
ja = "x"
en = "x"
format = "csv"
encoding = "utf-8"
newline = "LF"
verified = true
source = ["x"]
[csv]
header = "none"
[records.data]
role = "data"
ja = "x"
en = "x"
fields = [
  { id = "a", ja = "x", en = "x", type = "text", length = 600 },
  { id = "b", ja = "x", en = "x", type = "text", length = 600 },
  { id = "c", ja = "x", en = "x", type = "number", length = 4, blank = true },
  { id = "day", ja = "x", en = "x", type = "date", format = "YYYYMMDD", length = 8 },
  { id = "amount", ja = "x", en = "x", type = "yen", length = 11 },
]
[identity]
%s
[receipt]
paid_on = "day"
amount = "amount"
"""
TEXTS = st.text(st.sampled_from("ab|%7C25:é税"), max_size=4) | st.just("長" * 130)
ROWS = st.lists(st.tuples(TEXTS, TEXTS, st.sampled_from(["", "0", "7", "0007"])), min_size=1, max_size=40)


def keys_of_parts(identity: str, rows: list[tuple[str, str, str]]) -> list[str | None]:
    content = "".join(f"{a},{b},{c},20260401,5\n" for a, b, c in rows).encode()
    return keys(content, layouts.parse(PARTS % identity, "parts"))


@settings(deadline=None, max_examples=examples(60))
@given(ROWS)
def test_two_keys_are_equal_only_where_all_parts_are(rows: list[tuple[str, str, str]]) -> None:
    found = keys_of_parts('fields = ["a", "b", "c"]', rows)
    for row, key in zip(rows, found, strict=True):
        assert (key is None) == ("" in row)
        assert key is None or len(key) <= 128
    parts = [(a, b, int(c)) if a and b and c else None for a, b, c in rows]
    assert len(set(found) - {None}) == len(set(parts) - {None})


@settings(deadline=None, max_examples=examples(60))
@given(ROWS)
def test_the_first_reference_that_is_not_empty_or_zeros_is_the_key(rows: list[tuple[str, str, str]]) -> None:
    short: Callable[[str], str] = lambda key: key if len(key) <= 128 else sha256(key.encode()).hexdigest()  # noqa: E731
    found = keys_of_parts('assigned = ["a", "c"]\nnone = { a = ["a"] }', rows)
    assert found == [
        short(a if a.strip("0") and a != "a" else str(int(c)) if c and int(c) else "") or None for a, _, c in rows
    ]


def test_identity_by_content_composes_no_key() -> None:
    text = (PARTS % "").replace("[identity]\n", "").replace('source = ["x"]', 'source = ["x"]\nidentity = "content"')
    layout = layouts.parse(text, "parts")
    assert "equal records of a file are numbered" in layouts.describe(layout)
    file = receipts.open(io.BytesIO(b"a,b,1,20260401,5\n"), layout)
    assert [one.provider_key for one in file] == [None]
    assert "provider_key" not in file.table().column_names
