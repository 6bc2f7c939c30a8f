"""A payment counts once, however often, in whichever files and with how many details it is reported."""

import random
import zlib
from collections import Counter
from datetime import date, timedelta

import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kokin.model import Receipt, arrow_schema
from kokin.receipts import Totals
from kokin.reconcile import build_accounts, overlaps, reconcile
from tests.reconcile.accounts_cases import JUNE_1, MAY_1, paid, slip, table
from tests.support import examples

B1, B2 = slip(1, 12_300), slip(2, 5_000)
NAMELESS = {"payee_code": None, "item_code": None, "case_key": None, "confirmation": None}


def file(name, *rows, digest=True):
    """The rows of a file, with record numbers from 1."""
    place = {"source": name, "digest": (name * 8)[:64] if digest else ""}
    return pa.Table.from_pylist(
        [
            {**dict.fromkeys(arrow_schema(Receipt).names), **place, "record_no": n, **row}
            for n, row in enumerate(rows, 1)
        ],
        arrow_schema(Receipt),
    )


def outcomes(*files, bills=(B1, B2)):
    """The outcomes by file and record; the same in any order of the files."""
    result = reconcile(table(bills), list(files))
    assert reconcile(table(bills), list(files[::-1])).outcomes == result.outcomes
    return result.outcomes["outcome"].to_pylist()


@pytest.mark.parametrize(
    ("key", "expected"),
    [
        ({}, ["MATCHED", "DUPLICATE_PAYMENT", "DUPLICATE_RECORD"]),
        ({"provider_key": "z:7", "key_composed": True}, ["MATCHED", "DUPLICATE_PAYMENT", "DUPLICATE_RECORD"]),
        ({"provider_key": "7", "key_composed": False}, ["MATCHED", "DUPLICATE_RECORD", "DUPLICATE_RECORD"]),
        ({"provider_key": "7"}, ["MATCHED", "DUPLICATE_RECORD", "DUPLICATE_RECORD"]),
    ],
    ids=["no key", "composed key", "assigned key", "key without key_composed"],
)
def test_equal_records_of_a_file_are_numbered_unless_their_key_was_assigned(key, expected):
    row = paid(B1, **key)
    assert outcomes(file("a", row, row), file("b", row)) == expected


def test_the_nth_of_a_file_is_the_nth_of_another():
    row = paid(B1)
    assert Counter(outcomes(file("a", row, row), file("b", row, row, row))) == {
        "MATCHED": 1,
        "DUPLICATE_PAYMENT": 2,
        "DUPLICATE_RECORD": 2,
    }


def test_one_record_of_one_file_in_two_tables_is_one_record():
    same = file("a", paid(B1), paid(B1))
    expected = {"MATCHED": 1, "DUPLICATE_PAYMENT": 1, "DUPLICATE_RECORD": 2}
    assert Counter(outcomes(same, same)) == expected
    rest = file("b", paid(B1), paid(B1))
    assert Counter(outcomes(same.slice(0, 1), rest, same.slice(1))) == expected


def test_records_without_a_number_do_not_depend_on_the_order_of_rows():
    """One file under two names, whose records have no numbers, beside another file."""
    unnumbered = [{**paid(B1), "record_no": None, "digest": "d", "source": name} for name in ("x", "y")]
    rows = [*unnumbered, {**paid(B1), "record_no": 1, "digest": "a", "source": "z"}]
    for order in ([0, 1, 2], [1, 0, 2], [2, 1, 0]):
        result = reconcile(table([B1]), table([rows[at] for at in order]))
        assert Counter(result.outcomes["outcome"].to_pylist()) == {
            "MATCHED": 1,
            "DUPLICATE_PAYMENT": 1,
            "DUPLICATE_RECORD": 1,
        }
        assert result.overlaps["source"].to_pylist() == ["x"]


def test_equal_rows_of_one_data_frame_are_two_payments_and_of_two_frames_one():
    row = {**paid(B1), "source": "", "record_no": None}
    assert sorted(outcomes(file("", row, row, digest=False))) == ["DUPLICATE_PAYMENT", "MATCHED"]
    once = file("", row, digest=False)
    assert sorted(outcomes(once, once)) == ["DUPLICATE_RECORD", "MATCHED"]


@pytest.mark.parametrize("name", ["provider_key", "batch_key", "cancels", "store_code", "channel", "name"])
def test_an_empty_text_is_a_null(name):
    assert outcomes(file("a", paid(B1, **{name: ""})), file("b", paid(B1))) == ["MATCHED", "DUPLICATE_RECORD"]


@pytest.mark.parametrize("kind", ["final", "", None])
def test_a_missing_kind_is_a_final(kind):
    without = file("b", paid(B1)).drop_columns("kind")
    assert outcomes(file("a", paid(B1, kind=kind)), without) == ["MATCHED", "DUPLICATE_RECORD"]
    assert outcomes(file("a", paid(B1, kind=kind)), file("b", paid(B1))) == ["MATCHED", "DUPLICATE_RECORD"]


def test_the_location_of_a_record_is_not_part_of_its_content():
    other = paid(B1, layout="camt.054", record_no=9, byte_offset=700, raw=b"x")
    assert outcomes(file("a", paid(B1, layout="camt.053")), file("b", other)) == ["MATCHED", "DUPLICATE_RECORD"]


@pytest.mark.parametrize("key", [{}, {"provider_key": "z:7", "key_composed": True}, {"provider_key": "7"}])
@pytest.mark.parametrize("number", [{}, NAMELESS])
@pytest.mark.parametrize("name", ["見本 一", "", None])
def test_the_name_of_the_payer_has_no_influence(key, number, name):
    row = paid(B1, name="見本 一郎", **key, **number)
    files = [file("a", row), file("b", {**row, "name": name})]
    assert outcomes(*files) == ["KEY_MISSING" if number else "MATCHED", "DUPLICATE_RECORD"]
    assert "KEY_REUSED" not in reconcile(table([B1, B2]), files).exceptions["outcome"].to_pylist()


def test_the_record_with_the_number_counts():
    """A statement without details comes first, the message with them after it: both report entry E77."""
    bare = {"provider_key": "E77", "amount": 12_300, "paid_on": MAY_1}
    detailed = paid(B1, provider_key="E77", channel="transfer")
    assert outcomes(file("a", bare), file("b", detailed)) == ["DUPLICATE_RECORD", "MATCHED"]
    assert outcomes(file("a", bare), file("b", bare)) == ["KEY_MISSING", "DUPLICATE_RECORD"]


def test_numbers_of_different_kinds_are_compatible():
    """The eL number in one message, the virtual account in the other; they lead to two bills, but it is one payment."""
    account = {**B2, "virtual_account": "0010000001"}
    by_account = {**NAMELESS, "virtual_account": "0010000001", "provider_key": "E77"}
    rows = [paid(B1, provider_key="E77"), {**paid(B1), **by_account}]
    assert sorted(outcomes(*(file(name, row) for name, row in zip("ab", rows, strict=True)), bills=(B1, account))) == [
        "DUPLICATE_RECORD",
        "OVERPAID",
    ]


REUSED = [
    pytest.param(paid(B2, 12_300, provider_key="E77"), id="another number"),
    pytest.param(paid(B1, 12_000, provider_key="E77"), id="another amount"),
    pytest.param(paid(B1, day=JUNE_1, provider_key="E77"), id="another day"),
    pytest.param(paid(B1, provider_key="E77", key_composed=True, channel="x"), id="another content"),
]


@pytest.mark.parametrize("other", REUSED)
def test_a_key_of_different_payments_is_a_finding(other):
    result = reconcile(table([B1, B2]), [file("a", paid(B1, provider_key="E77")), file("b", other)])
    assert "DUPLICATE_RECORD" not in result.outcomes["outcome"].to_pylist()
    found = [row for row in result.exceptions.to_pylist() if row["outcome"] == "KEY_REUSED"]
    assert [(row["source"], row["field"], row["found"]) for row in found] == [
        ("a", "provider_key", "E77"),
        ("b", "provider_key", "E77"),
    ]
    accounts = build_accounts(result)
    assert accounts.summary.findings["KEY_REUSED"] == 2
    assert len([row for row in accounts.exceptions.to_pylist() if row["outcome"] == "KEY_REUSED"]) == 2


@pytest.mark.parametrize("kind", ["provisional", "correction", "reversal"])
def test_the_stages_of_one_payment_may_have_one_key(kind):
    rows = [paid(B1, provider_key="E77"), paid(B1, provider_key="E77", kind=kind)]
    assert not len(reconcile(table([B1]), file("a", *rows)).findings)


# --- bookings of several payments ------------------------------------------------------------------------------------

SUM = {"provider_key": "E90", "amount": 17_300, "paid_on": MAY_1}
DETAILS = [paid(B1, provider_key="T1", batch_key="E90"), paid(B2, provider_key="T2", batch_key="E90")]


@pytest.mark.parametrize(
    ("booking", "details", "expected", "reused"),
    [
        (SUM, DETAILS, ["DUPLICATE_RECORD", "MATCHED", "MATCHED"], 0),
        ({**SUM, "amount": 17_000}, DETAILS, ["DUPLICATE_RECORD", "MATCHED", "MATCHED"], 0),
        ({**SUM, "amount": 17_301}, DETAILS, ["KEY_MISSING", "MATCHED", "MATCHED"], 1),
        (SUM, DETAILS[:1], ["KEY_MISSING", "MATCHED"], 1),
        ({**paid(B2), **SUM, "amount": 12_300}, DETAILS[:1], ["DUPLICATE_RECORD", "MATCHED"], 0),
        ({**SUM, "batch_key": "E90"}, DETAILS, ["DUPLICATE_RECORD", "MATCHED", "MATCHED"], 0),
        ({**SUM, "batch_key": "E91"}, DETAILS, ["KEY_MISSING", "MATCHED", "MATCHED"], 0),
        (SUM, [*DETAILS, DETAILS[1]], ["DUPLICATE_RECORD", "MATCHED", "MATCHED", "DUPLICATE_RECORD"], 0),
        (
            {**SUM, "amount": 22_300},
            [*DETAILS, DETAILS[1]],
            ["KEY_MISSING", "MATCHED", "MATCHED", "DUPLICATE_RECORD"],
            1,
        ),
    ],
    ids=[
        "sum",
        "less",
        "more",
        "half",
        "one with another number",
        "own key",
        "other batch",
        "duplicate",
        "duplicates are not added",
    ],
)
def test_a_record_of_the_whole_booking(booking, details, expected, reused):
    files = [file("a", booking), file("b", *details)]
    assert outcomes(*files) == expected
    result = reconcile(table([B1, B2]), files)
    assert result.findings["outcome"].to_pylist().count("KEY_REUSED") == reused


# --- files that overlap ----------------------------------------------------------------------------------------------


def test_overlapping_files_are_named_with_counts():
    rows = [paid(B1, 100 * n) for n in range(1, 6)]
    files = [file("a", *rows[:3]), file("b", *rows[1:]), file("c", paid(B2))]
    expected = {"source": "b", "digest": "b" * 8, "records": 4, "repeated": 2, "other_source": "a"}
    assert overlaps(files).to_pylist() == [{**expected, "other_digest": "a" * 8}]
    result = reconcile(table([B1, B2]), files)
    assert result.overlaps == overlaps(files)
    found = [row for row in result.exceptions.to_pylist() if row["outcome"] == "FILE_OVERLAPS"]
    assert [(row["source"], row["found"]) for row in found] == [("b", "2 of 4 in a")]
    assert build_accounts(result).summary.findings["FILE_OVERLAPS"] == 1


def test_one_file_under_two_names_overlaps():
    same = file("a", paid(B1))
    renamed = same.set_column(same.column_names.index("source"), "source", pa.array(["z"]))
    assert [(row["source"], row["other_source"]) for row in overlaps([same, renamed]).to_pylist()] == [("z", "a")]
    assert not len(overlaps([same, same]))
    assert not len(overlaps(same.slice(0, 0)))


# --- a month, however it is delivered --------------------------------------------------------------------------------


def month(rng):
    """Bills, and the files of a month: every payment in one file, some payments of a file equal in every field."""
    bills = [slip(n, rng.choice((500, 1_000)), payer_key=f"P{n}") for n in range(1, 9)]
    files = []
    for day in range(4):
        rows = []
        for n in range(rng.randrange(1, 7)):
            bill = rng.choice(bills)
            on = MAY_1 + timedelta(day)
            key = f"{day}{n}"
            row = paid(bill, day=on, settled_on=on, agent_code="010", amount=rng.choice((500, 500, 1_000)))
            row.update(rng.choice((NAMELESS, {}, {}, {}, {"other_keys": "9"})))
            assigned, composed = {"provider_key": key}, {"provider_key": f"x:{key}", "key_composed": True}
            row.update(rng.choice(({}, assigned, assigned, composed)))
            row["kind"] = rng.choice(("final", "final", "final", "provisional", "correction", "cancel"))
            rows += [row] * (rng.choice((1, 1, 2)) if row.get("provider_key") != key else 1)
        for row in rng.sample(rows, len(rows) // 3):
            named = {"cancels": row.get("provider_key") if rng.random() < 0.5 else None}
            own = {"provider_key": f"r{day}{len(rows)}", "key_composed": None}
            rows.append({**row, **own, **named, "kind": "reversal"})
        files.append(rows)
    return bills, files


def delivered(rng, files):
    """The files of the month; and these with more: duplicates, in other bytes, in halves, and overlapping ones."""
    tables = [file(f"day{n}", *rows) for n, rows in enumerate(files)]
    others = []
    for n, rows in enumerate(files):
        match rng.choice(("same", "renamed", "other bytes", "halves", "less detail", "none")):
            case "same":
                others.append(tables[n])
            case "renamed":
                others.append(tables[n].set_column(1, "source", pa.array(["again"] * len(rows))))
            case "other bytes":
                others.append(file(f"x{n}", *({**row, "record_no": 2 * at + 5} for at, row in enumerate(rows))))
            case "halves":
                others += [file(f"h{n}{half}", *some_of(rows, half, 2)) for half in range(2)]
            case "less detail":
                others.append(file(f"l{n}", *({**row, **NAMELESS, "channel": "x"} for row in rows if is_assigned(row))))
    others.append(file("statement", *some_of([row for rows in files for row in rows], 0, 2)))
    whole = [tables[n] for n in range(len(files)) if rng.random() < 0.7]
    halves = [
        file(f"c{n}{half}", *some_of(files[n], half, 2))
        for n in range(len(files))
        if not any(table is tables[n] for table in whole)
        for half in range(2)
    ]
    more = [*whole, *halves, *others]
    rng.shuffle(more)
    return tables, more


def some_of(rows, part, parts):
    """Some of the rows; equal rows are in the same part."""
    return [row for row in rows if zlib.crc32(repr(sorted(row.items(), key=str)).encode()) % parts == part]


def is_assigned(row):
    return row.get("provider_key") and not row.get("key_composed")


def totals_of(tables):
    return {
        one["digest"][0].as_py(): Totals(complete=True, accepted=len(one), accepted_yen=sum(one["amount"].to_pylist()))
        for one in tables
        if len(one)
    }


@pytest.mark.thorough
@settings(max_examples=examples(60))
@given(st.integers(0, 2**32))
def test_a_month_has_one_result_however_it_is_delivered(seed):
    rng = random.Random(seed)
    bills, files = month(rng)
    once, more = delivered(rng, files)
    billed = table(bills)
    due = build_accounts(reconcile(billed, once)).settlements
    columns = [due[name].to_pylist() for name in ("settled_on", "expected", "receipts", "settled")]
    credits_ = [{"credited_on": day, "amount": yen} for day, yen, *_ in zip(*columns, strict=True)]
    period = {"first_day": MAY_1, "last_day": date(2026, 5, 31)}
    report = {**period, "count": sum(columns[2]), "amount": sum(columns[3])}

    def books(tables):
        given_ = {"files": totals_of(tables), "deposits": table(credits_), "agent_reports": table([report])}
        return build_accounts(reconcile(billed, tables), as_of=JUNE_1, **given_)

    expected, accounts = books(once), books(more)
    for each in (expected, accounts):
        assert {control.name: (control.holds, control.broken) for control in each.controls} == {
            f"T{number}": (True, ()) for number in range(1, 7)
        }
    assert reconcile(billed, more).balances == reconcile(billed, once).balances
    for name in ("overpayments", "arrears", "totals", "receivables", "settlements", "aging"):
        tables = [getattr(each, name) for each in (expected, accounts)]
        columns = [column for column in tables[0].column_names if column not in ("source", "record_no")]
        rows, expected_rows = (Counter(map(repr, table.select(columns).to_pylist())) for table in tables)
        assert rows == expected_rows, name


@pytest.mark.thorough
def test_the_months_contain_every_case():
    found = set()
    for seed in range(40):
        rng = random.Random(seed)
        bills, files = month(rng)
        found |= set(reconcile(table(bills), delivered(rng, files)[1]).exceptions["outcome"].to_pylist())
    assert {"DUPLICATE_RECORD", "REVERSED", "REVERSAL_WITHOUT_PAYMENT", "FILE_OVERLAPS", "MULTIPLE_BILLS"} <= found
