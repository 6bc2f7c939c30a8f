"""build_many and parse_many equal the functions of one code row by row."""

from __future__ import annotations

import importlib
import random
from datetime import date, datetime
from typing import Any

import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kokin import elqr
from kokin.elqr import ElQr, PayloadError, build_many, parse_many
from kokin.issues import InvalidInputError, Issue, Location, from_table
from tests.elqr.test_code import FIELDS
from tests.support import examples

ROW: dict[str, Any] = FIELDS["A"]
TYPES = {"amount": pa.int64(), "levy_year": pa.int64(), "tax_year": pa.int64()} | dict.fromkeys(
    ["due_on", "payable_until"], pa.date32()
)
OPTIONAL = {"office_code": "000", "period": "00"}


def as_table(rows: list[dict[str, Any]]) -> pa.Table:
    names = {name: None for row in rows for name in row}
    return pa.table({name: pa.array([row.get(name) for row in rows], TYPES.get(name, pa.string())) for name in names})


def one_by_one(
    row: dict[str, Any], record: int, allow_missing_deadline: bool = False
) -> tuple[str | None, list[Issue]]:
    """Return the payload of a row by :class:`ElQr`, or None, and its issues with the number of the record."""
    fields = OPTIONAL | {name: value for name, value in row.items() if value is not None}
    if allow_missing_deadline:
        fields.setdefault("payable_until", None)
    try:
        return ElQr(**fields).payload, []
    except PayloadError as error:
        return None, [issue.with_location(Location(record=record)) for issue in error.issues]


digits = st.text("0123456789", min_size=0, max_size=22)
anything = st.one_of(digits, st.text(max_size=30), st.none())


def number(width: int, min_width: int | None = None) -> st.SearchStrategy[Any]:
    valid = st.text("0123456789", min_size=width if min_width is None else min_width, max_size=width)
    return st.one_of(valid, valid, valid, anything)


days = st.one_of(st.dates(), st.dates(date(2026, 1, 1), date(2027, 12, 31)), st.none())
rows = st.fixed_dictionaries(
    {
        "payee_code": number(5),
        "office_code": number(3),
        "item_code": number(3),
        "case_key": number(20, 1),
        "confirmation": number(6),
        "amount": st.one_of(st.integers(1, 10**11 - 1), st.integers(-(2**63), 2**63 - 1), st.none()),
        "levy_year": st.one_of(st.integers(0, 9999), st.integers(-10, 10**6), st.none()),
        "tax_year": st.one_of(st.integers(0, 9999), st.none()),
        "period": number(2),
        "due_on": days,
        "payable_until": days,
    },
    optional={"account": number(11, 1), "additional": number(85), "bill_id": st.text()},
)


@settings(deadline=None, max_examples=examples(150))
@given(st.lists(rows, min_size=1, max_size=6), st.booleans())
def test_a_batch_equals_its_rows_one_by_one(batch: list[dict[str, Any]], allow_missing_deadline: bool) -> None:
    built = build_many(as_table(batch), allow_missing_deadline=allow_missing_deadline)
    expected = [
        one_by_one({k: v for k, v in row.items() if k != "bill_id"}, record, allow_missing_deadline)
        for record, row in enumerate(batch, 1)
    ]
    assert built.payloads.to_pylist() == [payload for payload, _ in expected]
    found = [issue for issue in from_table(built.issues) if not issue.code.startswith("DEADLINE")]
    assert found == [issue for _, issues in expected for issue in issues]
    assert built.accepted + built.rejected == len(batch)
    assert built.rejected == sum(payload is None for payload, _ in expected)


def test_text_columns_and_other_arrow_types_build_the_same_codes() -> None:
    plain = as_table([ROW, ROW | {"amount": 1}])
    other = plain
    for name, kind in {
        "amount": pa.string(),
        "levy_year": pa.int16(),
        "due_on": pa.string(),
        "payable_until": pa.date64(),
        "case_key": pa.large_string(),
    }.items():
        other = other.set_column(other.schema.get_field_index(name), name, other[name].cast(kind))
    other = other.set_column(0, "payee_code", other["payee_code"].dictionary_encode())
    assert build_many(other).payloads == build_many(plain).payloads


@pytest.mark.parametrize(
    ("field", "values", "problems"),
    [
        ("amount", ["0", "-5", "1.5", "", "１２", "00007", "9" * 30], [
            ("AMOUNT_RANGE", "0"), ("NOT_DIGITS", "-5"), ("NOT_DIGITS", "1.5"), ("NOT_DIGITS", ""),
            ("NOT_DIGITS", "**"), None, ("AMOUNT_RANGE", "9" * 24),
        ]),
        ("due_on", ["2026-02-30", "20260601", "2024-02-29", "0000-01-01", "2026-06-1x", "9999-12-31", "山田太郎"], [
            ("DATE_INVALID", "2026-02-30"), ("DATE_INVALID", "20260601"), None, ("DATE_INVALID", "0000-01-01"),
            ("DATE_INVALID", "2026-06-1*"), None, ("DATE_INVALID", "****"),
        ]),
    ],
)  # fmt: skip
def test_text_that_is_no_number_or_day_is_an_issue(
    field: str, values: list[str], problems: list[tuple[str, str] | None]
) -> None:
    table = as_table([ROW] * len(values)).drop_columns([field]).append_column(field, pa.array(values))
    issues = [issue for issue in from_table(build_many(table).issues) if issue.is_error]
    expected = [(record, *problem) for record, problem in enumerate(problems, 1) if problem]
    assert [(issue.location.record, issue.code, issue.found) for issue in issues] == expected


def test_a_deadline_before_the_day_of_issue_is_an_error_and_before_the_due_date_a_warning() -> None:
    late = ROW | {"payable_until": date(2026, 5, 31)}
    table = as_table([ROW, late, ROW | {"payable_until": date(2026, 5, 1)}, ROW | {"payable_until": None}])
    built = build_many(table, issued_on=date(2026, 5, 2), allow_missing_deadline=True)
    assert [
        (issue.location.record, issue.code, issue.field, issue.expected, issue.found)
        for issue in from_table(built.issues)
    ] == [
        (2, "DEADLINE_BEFORE_DUE", "payable_until", "2026-06-01 or later", "2026-05-31"),
        (3, "DEADLINE_PASSED", "payable_until", "2026-05-02 or later", "2026-05-01"),
        (3, "DEADLINE_BEFORE_DUE", "payable_until", "2026-06-01 or later", "2026-05-01"),
    ]
    assert [payload is None for payload in built.payloads.to_pylist()] == [False, False, True, False]
    assert built.payloads[3].as_py() == ElQr(**ROW | {"payable_until": None}).payload
    assert build_many(table).rejected == 1


@pytest.mark.parametrize(("field", "kind"), [("amount", pa.float64()), ("due_on", pa.bool_()), ("period", pa.int64())])
def test_a_column_whose_type_could_lose_something_raises(field: str, kind: pa.DataType) -> None:
    table = as_table([ROW]).drop_columns([field]).append_column(field, pa.array([1]).cast(kind))
    with pytest.raises(InvalidInputError) as error:
        build_many(table)
    assert [(issue.code, issue.field, issue.found) for issue in error.value.issues] == [
        ("FIELD_TYPE", field, str(kind))
    ]


def test_a_missing_column_raises() -> None:
    with pytest.raises(InvalidInputError) as error:
        build_many(as_table([ROW]).drop_columns(["levy_year", "payable_until"]))
    assert [(issue.code, issue.field) for issue in error.value.issues] == [
        ("FIELD_MISSING", "levy_year"),
        ("FIELD_MISSING", "payable_until"),
    ]


def test_a_duplicate_column_raises() -> None:
    table = as_table([ROW])
    with pytest.raises(InvalidInputError) as error:
        build_many(table.append_column("amount", table["amount"]))
    assert [(issue.code, issue.field) for issue in error.value.issues] == [("COLUMN_TWICE", "amount")]


def test_checksums_of_a_batch_depend_on_every_digit() -> None:
    """3,000 random rows, in which every digit that may vary does, equal the codes that are computed one by one."""
    chance = random.Random(20260901)
    widths = {"payee_code": 5, "office_code": 3, "item_code": 3, "case_key": 20, "confirmation": 6, "period": 2}
    widths |= {"account": 11, "additional": 85}
    rows = [
        {name: "".join(chance.choices("0123456789", k=width)) for name, width in widths.items()}
        | {
            "amount": chance.randrange(1, 10**11),
            "levy_year": chance.randrange(10**4),
            "tax_year": chance.randrange(10),
        }
        | {name: date.fromordinal(chance.randrange(1, date.max.toordinal())) for name in ("due_on", "payable_until")}
        for _ in range(3000)
    ]
    payloads = [ElQr(**row).payload for row in rows]
    assert build_many(as_table(rows)).payloads.to_pylist() == payloads
    parsed = parse_many(pa.array(payloads))
    assert parsed.table.select(list(rows[0])).to_pylist() == rows
    assert parsed.rejected == 0


@pytest.mark.parametrize(
    "kinds",
    [
        {
            "amount": pa.uint64(),
            "due_on": pa.timestamp("ns"),
            "payable_until": pa.date64(),
            "case_key": pa.string_view(),
        },
        {"amount": pa.decimal128(24, 2), "levy_year": pa.uint16(), "due_on": pa.string_view(), "tax_year": pa.string()},
    ],
    ids=["wide", "text"],
)
def test_each_type_of_a_value_builds_the_same_code(kinds: dict[str, pa.DataType]) -> None:
    table = as_table([ROW, ROW | {"amount": 5}])
    other = pa.table({name: table[name].cast(kinds.get(name, table[name].type)) for name in table.column_names})
    assert build_many(other).payloads == build_many(table).payloads


def test_a_time_other_than_midnight_is_an_issue_of_its_row() -> None:
    table = as_table([ROW] * 2)
    moments = pa.array([datetime(2026, 6, 1), datetime(2026, 6, 1, 9)], pa.timestamp("us"))
    built = build_many(table.set_column(table.column_names.index("due_on"), "due_on", moments))
    found = [issue for issue in from_table(built.issues) if issue.is_error]
    assert [(issue.code, issue.field, issue.location.record) for issue in found] == [("DATE_INVALID", "due_on", 2)]


@pytest.mark.parametrize("library", ["polars", "pandas"])
def test_tables_of_other_libraries_are_accepted(library: str) -> None:
    pytest.importorskip(library)
    table = as_table([ROW, ROW | {"amount": 5}])
    frame: Any = table.to_pandas() if library == "pandas" else importlib.import_module(library).from_arrow(table)
    assert build_many(frame).payloads == build_many(table).payloads


def test_chunks_are_joined_in_order() -> None:
    rows = [ROW | {"amount": amount} for amount in range(20_000)]
    table = pa.concat_tables([as_table(rows[:7]), as_table(rows[7:])])
    built = build_many(table, threads=3)
    assert from_table(built.issues) == [
        Issue("AMOUNT_RANGE", field="amount", expected="1 to 99999999999", found="0", location=Location(record=1)),
    ]
    payloads = built.payloads.to_pylist()
    assert [payloads[i] for i in (0, 6, 7, 8191, 8192, 19_999)] == [
        None, *(ElQr(**rows[i]).payload for i in (6, 7, 8191, 8192, 19_999))
    ]  # fmt: skip
    parsed = parse_many(built.payloads)
    assert parsed.table["amount"].to_pylist() == [None, *range(1, 20_000)]


def test_an_empty_batch_has_an_empty_result() -> None:
    assert len(build_many(as_table([ROW]).slice(0, 0)).payloads) == 0
    assert len(parse_many(pa.array([], pa.string())).table) == 0


def test_a_sliced_table_is_read_where_it_starts() -> None:
    table = as_table([ROW | {"amount": amount, "case_key": f"{amount}"} for amount in range(1, 9)])
    assert build_many(table.slice(3, 2)).payloads.to_pylist() == build_many(table).payloads.to_pylist()[3:5]


def with_changes(payload: str, changes: list[tuple[int, str]]) -> str:
    for position, letter in changes:
        payload = payload[:position] + letter + payload[position + 1 :]
    return payload


valid = st.builds(
    lambda key, amount, due, until, extra: (
        ElQr(
            **ROW | {"case_key": key, "amount": amount, "due_on": due, "payable_until": until, "additional": extra}
        ).payload
    ),
    st.text("0123456789", min_size=1, max_size=20),
    st.integers(1, 10**11 - 1),
    st.dates(),
    st.one_of(st.none(), st.dates()),
    st.one_of(st.just("0" * 85), st.text("0123456789", min_size=85, max_size=85)),
)
changes = st.lists(st.tuples(st.integers(0, 254), st.sampled_from("0123456789")), max_size=4)
texts = st.one_of(
    valid,
    st.builds(with_changes, valid, changes),
    st.builds(with_changes, valid, st.lists(st.tuples(st.integers(0, 254), st.characters(exclude_categories=["Cs"])))),
    st.text("0123456789", min_size=250, max_size=260),
    st.text(max_size=20),
    st.builds(
        "{}{}{}".format,
        st.sampled_from(["", "]Q1", "]Q6", "]Q7", "]q1", "]C1", "\n"]),
        valid,
        st.text("\r\n", max_size=3),
    ),
    st.text("]Q1\r\n0", max_size=12),
)


@settings(deadline=None, max_examples=examples(150))
@given(st.lists(texts, min_size=1, max_size=6))
def test_parsing_a_batch_equals_parsing_its_texts_one_by_one(batch: list[str]) -> None:
    parsed = parse_many(pa.array(batch, pa.string()))
    expected = [
        Issue(
            issue.code,
            field=issue.field,
            expected=issue.expected,
            found=issue.found,
            location=Location(record=record, byte=issue.location.byte),
        )
        for record, text in enumerate(batch, 1)
        for issue in elqr.check(text)
    ]
    assert from_table(parsed.issues) == expected
    for text, row in zip(batch, parsed.table.to_pylist(), strict=True):
        assert row == (dict.fromkeys(row) if elqr.check(text) else elqr.parse(text).model_dump())


def test_a_null_is_rejected_as_missing() -> None:
    parsed = parse_many(pa.array([None, ElQr(**ROW).payload]))
    assert [(issue.code, issue.location.record) for issue in from_table(parsed.issues)] == [("FIELD_MISSING", 1)]
    assert (parsed.accepted, parsed.rejected) == (1, 1)


@pytest.mark.parametrize("issued_on", [datetime(2026, 7, 10, 12), "2026-07-10"])
def test_a_day_of_issue_that_is_no_date_raises(issued_on: Any) -> None:
    with pytest.raises(TypeError, match="issued_on must be a date"):
        build_many(as_table([ROW]), issued_on=issued_on)


@pytest.mark.parametrize("field", ["due_on", "payable_until"])
def test_a_datetime_is_an_invalid_field(field: str) -> None:
    with pytest.raises(PayloadError) as error:
        ElQr(**ROW | {field: datetime(2026, 6, 1)})
    assert [(issue.code, issue.field) for issue in error.value.issues] == [("FIELD_TYPE", field)]
