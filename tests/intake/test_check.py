"""The state of the expected files of a ledger, in both databases. 11 May 2026 is a Monday."""

from __future__ import annotations

import json
import random
from collections.abc import Callable
from datetime import date, datetime
from pathlib import Path
from typing import Any

import pytest

from kokin import intake
from kokin.intake import FindingKind
from kokin.text import terms
from tests.intake.conftest import Post, at

Load = Callable[[str], intake.Intake]
STORES = '[source.stores]\nlabel = "収納代行"\nlayout = "kokin-csv"\ndays = "bank"\nuntil = 09:00:00\n'
NUMBERED = '[source.numbered]\nlayout = "numbered.toml"\ndays = "bank"\nuntil = 09:00:00\nmay_be_empty = true\n'
STATEMENT = (
    '[source.bank]\nkind = "deposits"\nlayout = "zengin-03"\ndays = "bank"\nsince = 2026-05-08\nbalance_chain = true\n'
)


def states(status: intake.IntakeStatus) -> list[tuple[int, str]]:
    return [(file.day.day, file.state.value) for file in status.files]


def findings(status: intake.IntakeStatus) -> list[tuple[str, str, str]]:
    return [(finding.kind.value, finding.expected, finding.found) for finding in status.findings]


def check(source: intake.Intake, post: Post, day: int, now: str, **more: Any) -> intake.IntakeStatus:
    return source.check(post.ledger, date(2026, 5, day), now=at(now), **more)


def test_a_file_in_time_a_late_one_and_a_missing_one(post: Post, load: Load) -> None:
    source = load(STORES)
    assert states(check(source, post, 8, "08 08:59")) == [(8, "not_due")]
    assert states(check(source, post, 8, "08 09:01")) == [(8, "missing")]
    post.table("08 08:30")
    assert states(check(source, post, 8, "08 09:01")) == [(8, "arrived")]
    post.table("11 10:00", records=3)  # an hour after the deadline of Monday
    status = check(source, post, 11, "11 12:00")
    assert states(status) == [(11, "late")]
    assert (status.files[0].entry, status.files[0].records, status.files[0].yen) == (3, 3, 303)
    assert not status.is_clean
    assert states(check(source, post, 11, "11 09:30")) == [(11, "missing")]  # as of half an hour before
    assert check(source, post, 13, "13 09:30").first_line() == "0 of 1 files; 収納代行 missing for 2 bank days"
    assert check(source, post, 13, "13 09:30").first_line("ja") == "予定 1 件中 0 件到着、収納代行 未着 2 営業日"
    assert states(check(source, post, 12, "12 08:00")) == [(12, "not_due")]


def test_missing_days_are_filled_when_several_files_come(post: Post, load: Load) -> None:
    source = load(STORES)
    post.table("13 08:00", name="1.csv")  # the file of Wednesday; 8, 11 and 12 May are missing
    assert states(check(source, post, 13, "13 09:30")) == [
        (8, "missing"),
        (11, "missing"),
        (12, "missing"),
        (13, "arrived"),
    ]
    post.table("13 08:10", name="2.csv")
    post.table("13 08:20", name="3.csv")
    status = check(source, post, 13, "13 09:30")
    assert [(file.day.day, file.state.value, file.file) for file in status.files] == [
        (8, "missing", ""),
        (11, "late", "1.csv"),
        (12, "late", "2.csv"),
        (13, "arrived", "3.csv"),
    ]
    post.table("13 10:00", name="4.csv")  # after the deadline of Wednesday, before Thursday begins
    assert states(check(source, post, 13, "13 12:00"))[0] == (8, "late")
    post.table("13 11:00", name="5.csv")
    assert [file.file for file in check(source, post, 14, "14 12:00").files if file.day.day == 14] == ["5.csv"]
    post.table("14 08:00", name="6.csv")
    assert findings(check(source, post, 14, "14 12:00")) == [("unexpected", "one file per day", "receipt_file")]


def test_a_file_before_a_weekend_or_holiday_is_not_missing_on_it(post: Post, load: Load) -> None:
    source = load("holidays = [2026-05-11]\n" + STORES)
    post.table("08 08:00")
    for day, now in ((9, "09 12:00"), (10, "10 12:00"), (11, "11 12:00")):
        status = check(source, post, day, now)
        assert (status.files, status.first_line(), status.is_clean) == ((), "no file was expected", True)
    assert states(check(source, post, 12, "12 12:00")) == [(12, "missing")]


def test_a_rejected_file_until_a_good_one_comes(post: Post, load: Load) -> None:
    source = load(STORES)
    post.rejected("08 08:00")
    status = check(source, post, 8, "08 12:00")
    assert (states(status), status.has_missing, status.is_clean) == ([(8, "rejected")], False, False)
    assert status.first_line() == "0 of 1 files; 収納代行 rejected"
    assert states(check(source, post, 11, "11 08:00")) == [(8, "rejected"), (11, "not_due")]
    post.table("08 13:00")
    assert states(check(source, post, 8, "08 14:00")) == [(8, "late")]


def test_a_reversed_file_is_missing_again(post: Post, load: Load) -> None:
    post.table("08 08:00")
    post.ledger.reverse_entry(2, reason="another authority's file", actor="chief", at=at("08 10:00"))
    assert states(check(load(STORES), post, 8, "08 12:00")) == [(8, "missing")]
    assert states(check(load(STORES), post, 8, "08 09:30")) == [(8, "arrived")]


def test_a_person_closes_a_missing_day(post: Post, load: Load) -> None:
    closed = 'closed = [{ day = 2026-05-08, actor = "chief", reason = "no payments" }]\n'
    status = check(load(STORES + closed), post, 8, "08 12:00")
    assert (states(status), status.expected, status.is_clean) == ([(8, "closed")], 0, True)
    assert states(check(load(STORES + closed), post, 11, "11 08:00")) == [(11, "not_due")]


def test_the_number_of_records(post: Post, load: Load) -> None:
    source, lenient = load(STORES + "records = [2, 3]"), load(STORES + "may_be_empty = true\nrecords = [2, 3]")
    post.table("08 08:00", records=1)
    post.table("11 08:00", records=3)
    post.table("12 08:00", records=0)
    assert findings(check(source, post, 8, "08 12:00")) == [("record_count", "2 to 3", "1")]
    assert check(source, post, 11, "11 12:00").is_clean
    status = check(source, post, 12, "12 12:00")
    assert (states(status), findings(status)) == ([(12, "empty")], [("empty", "1 or more", "0")])
    assert check(lenient, post, 12, "12 12:00").is_clean


def test_sources_are_recognized_by_layout_then_by_name(post: Post, load: Load) -> None:
    source = load(
        STORES + '[source.cards]\nlayout = "kokin-csv"\nfile = "cards-*.csv"\ndays = "bank"\nsince = 2026-05-08\n'
    )
    post.table("08 08:00", name="cards-1.csv")
    post.numbered("08 08:10", 1)
    status = check(source, post, 8, "08 12:00")
    assert [(file.source, file.state.value) for file in status.files] == [("stores", "missing"), ("cards", "arrived")]
    assert findings(status) == [("unexpected", "a source", "numbered")]
    assert findings(check(source, post, 11, "11 12:00")) == []  # it was reported on its own day


def test_a_date_in_the_header_decides_on_the_day(post: Post, load: Load) -> None:
    source = load(NUMBERED + 'day_field = "header.made_day"\n')
    post.numbered("11 08:00", 1, day="2026-05-11")
    post.numbered("12 08:00", 2, day="2026-05-08")  # a day late, before the file of its own day
    status = check(source, post, 12, "12 08:30")
    assert [(file.day.day, file.state.value, file.file) for file in status.files] == [
        (8, "late", "2.txt"),
        (12, "not_due", ""),
    ]
    post.numbered("12 08:10", 3, day="2026-05-10")  # a Sunday: the file of Monday, which has one
    assert findings(check(source, post, 12, "12 12:00")) == [("unexpected", "one file per day", "numbered")]
    evening = load(NUMBERED + 'day_field = "header.made_day"\nday_field_bank_days = 1\n')
    assert states(check(evening, post, 12, "12 12:00"))[-1] == (12, "arrived")  # of the file of 11 May


def test_a_gap_in_the_sequence_and_its_wrap_around(post: Post, load: Load) -> None:
    source = load(NUMBERED + 'sequence = { field = "header.number", last = 99 }\n')
    for when, number in (("08 08:00", 98), ("11 08:00", 99), ("12 08:00", 1), ("13 08:00", 3), ("14 08:00", 3)):
        post.numbered(when, number)
    found = {day: findings(check(source, post, day, f"{day:02} 12:00")) for day in (8, 11, 12, 13, 14)}
    assert found == {8: [], 11: [], 12: [], 13: [("sequence", "2", "3")], 14: [("sequence", "4", "3")]}


def test_a_balance_chain_by_account_and_sign(post: Post, load: Load) -> None:
    source = load(STATEMENT)
    post.statement("08 10:00", 1_000, 1_100)
    post.statement("11 10:00", 1_100, 1_200)
    post.statement("12 10:00", 1_300, 50, overdraft="2")
    post.statement("13 10:00", 50, 150, overdraft="2")
    post.statement("14 10:00", 50, 150)
    post.statement("15 10:00", 7, 107, account="2")
    found = {day: findings(check(source, post, day, f"{day:02} 12:00")) for day in (8, 11, 12, 13, 14, 15)}
    broken = {12: [("balance_chain", "1,200 yen", "-1,300 yen")], 14: [("balance_chain", "-150 yen", "50 yen")]}
    assert found == {**{key: [] for key in (8, 11, 13, 15)}, **broken}


def test_payments_of_another_file(post: Post, load: Load) -> None:
    source = load(NUMBERED)
    post.numbered("08 08:00", 1)
    post.count -= 1
    post.numbered("11 08:00", 2, customers=2)
    assert findings(check(source, post, 11, "11 12:00")) == [
        ("overlap", "payments of no other file", "1 of 2 in 1.txt (entry 2)")
    ]


def test_no_name_of_the_header_is_stored(post: Post) -> None:
    post.numbered("08 08:00", 1)
    totals = post.ledger.entries()[-1].totals
    assert totals["control_records"] == [{"record": "header", "values": {"made_day": "2026-05-11", "number": 1}}]
    assert "ﾔﾏﾀﾞ" not in json.dumps(totals, ensure_ascii=False)
    assert next(iter(post.ledger.totals().values())).control_records[0].values["number"] == 1


def test_deposits_of_earlier_versions_have_no_layout_and_are_recognized(post: Post, load: Load) -> None:
    import pyarrow as pa

    table = pa.table({"credited_on": [date(2026, 5, 8)], "amount": [100]})
    post.ledger.add_deposits(table, source="bank.txt", actor="clerk", at=at("08 10:00"))
    assert states(check(load(STATEMENT), post, 8, "08 12:00")) == [(8, "arrived")]


def test_the_inbox(post: Post, load: Load, tmp_path: Path) -> None:
    source = load(STORES.replace("days", 'file = "s*.csv"\ndays') + NUMBERED)
    inbox = tmp_path / "inbox"
    for name in (
        "s1.csv",
        "other.csv",
        ".hidden",
        "s2.csv.part",
        "numbered/any.txt",
        "zengin-91/s3.csv",
        "bills/b.csv",
    ):
        (inbox / name).parent.mkdir(parents=True, exist_ok=True)
        (inbox / name).write_text(name)
    status = check(source, post, 8, "08 12:00", inbox=inbox)
    assert [(finding.kind.value, finding.source, finding.file) for finding in status.findings] == [
        ("unposted", "numbered", "numbered/any.txt"),
        ("unexpected", "", "other.csv"),
        ("unposted", "stores", "s1.csv"),
        ("unexpected", "", "zengin-91/s3.csv"),
    ]
    with pytest.raises(NotADirectoryError):
        check(source, post, 8, "08 12:00", inbox=tmp_path / "none")


def test_the_results_do_not_depend_on_the_order_of_entries(post: Post, load: Load) -> None:
    source = load(STORES + NUMBERED + 'sequence = { field = "header.number", last = 99 }\n')
    for when in ("08 08:00", "11 10:00", "12 08:00", "12 08:01"):
        post.table(when)
        post.numbered(when, post.count)
    entries = post.ledger.entries()
    expected = source.check_entries(entries, date(2026, 5, 12), now=at("12 12:00"))
    for seed in range(20):
        random.Random(seed).shuffle(entries)
        assert source.check_entries(entries, date(2026, 5, 12), now=at("12 12:00")) == expected


def test_table_json_and_metrics(post: Post, load: Load) -> None:
    source = load(STORES + STATEMENT.replace("[source.bank]", '[source."b\\"k"]'))
    post.table("08 08:00")
    status = check(source, post, 11, "11 12:00")
    rows = status.table.to_pylist()
    assert [(row["day"], row["state"], row["bank_days"], row["file"]) for row in rows] == [
        (date(2026, 5, 8), "missing", 2, None),
        (date(2026, 5, 11), "missing", 1, None),
        (date(2026, 5, 11), "not_due", 0, None),
    ]
    assert rows[0]["deadline"].isoformat() == "2026-05-09T00:00:00+09:00"
    values = json.loads(json.dumps(status.as_dict(), ensure_ascii=False))
    assert (values["version"], values["day"], values["expected"], values["arrived"]) == (1, "2026-05-11", 2, 0)
    assert values["files"][1]["deadline"] == "2026-05-11T09:00:00+09:00"
    metrics = intake.prometheus(status)
    assert 'kokin_intake_files{state="missing"} 2\n' in metrics
    assert 'kokin_intake_missing_bank_days{source="b\\"k"} 2\n' in metrics
    assert "kokin_intake_files_expected 2\n" in metrics
    assert 'kokin_intake_findings{kind="overlap"} 0\n' in metrics
    names = [line.split("{")[0].split(" ")[0] for line in metrics.splitlines() if line[0] != "#"]
    assert set(names) == {line.split()[2] for line in metrics.splitlines() if line.startswith("# TYPE")}


def test_misuse_raises(post: Post, load: Load) -> None:
    source = load(STORES)
    with pytest.raises(TypeError):
        source.check(post.ledger, date(2026, 5, 8), now=datetime(2026, 5, 8))
    with pytest.raises(TypeError):
        source.check(post.ledger, at("08 12:00"), now=at("08 12:00"))


def test_every_state_and_finding_has_a_term() -> None:
    assert {state.value for state in intake.FileState} == set(terms()["values"]["intake_state"])
    assert {kind.value for kind in FindingKind} == set(terms()["values"]["intake_finding"])
