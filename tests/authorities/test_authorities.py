"""Files that several authorities share: every yen is in one ledger, and a failure concerns one authority only."""

import json
from collections import defaultdict
from datetime import UTC, datetime

import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kokin.authorities import Authorities, overview, post
from kokin.cli._app import run as run_command
from kokin.issues import InvalidInputError
from kokin.ledger import AuthorityFileState, EntryKind, Ledger
from tests.support import examples

HEADER = "payee_code,item_code,case_key,confirmation,amount,paid_on\n"
SETTINGS = 'ledger = "{authority}.db"\nunassigned = "99999"\n'
CODES = ("99997", "99998", "99999")


def rows(*payments):
    return HEADER + "".join(f"{payee},127,{case},000001,{yen},2026-06-01\n" for payee, case, yen in payments)


def make(folder, *, settings=SETTINGS, tables="", ledgers=CODES):
    path = folder / "authorities.toml"
    path.write_text(settings + (tables or "".join(f"[authorities.{code}]\n" for code in CODES)), encoding="utf-8")
    for code in ledgers:
        Ledger.create(folder / f"{code}.db").close()
    return path


def stored(folder, code):
    """The receipts and yen in a ledger, from its own status."""
    with Ledger.open(folder / f"{code}.db") as ledger:
        assert ledger.verify().is_clean
        outcomes = ledger.status(recompute=False).outcomes.values()
    return sum(row["count"] for row in outcomes), sum(row["amount"] for row in outcomes)


def codes_of(error):
    return [(issue.code, issue.field) for issue in error.value.issues]


def test_each_part_is_posted_into_its_ledger(tmp_path):
    authorities = Authorities.load(make(tmp_path))
    file = tmp_path / "night.csv"
    file.write_text(rows(("99997", 1, 100), ("99999", 1, 200), ("99997", 2, 300), ("12345", 1, 400)))
    posted = post(file, "kokin-csv", authorities)
    assert {each.authority: each.totals["accepted_yen"] for each in posted.results} == {
        "99997": 400,
        "99998": 0,
        "99999": 600,
    }
    assert posted.unassigned == {"12345": (1, 400)}
    assert (posted.control.left, posted.control.right, posted.control.holds) == (1000, 1000, True)
    assert [stored(tmp_path, code) for code in CODES] == [(2, 400), (0, 0), (2, 600)]


def test_the_entries_have_the_time_of_the_clock(tmp_path):
    authorities = Authorities.load(make(tmp_path, ledgers=()))
    first, second = datetime(2026, 6, 1, tzinfo=UTC), datetime(2026, 6, 2, tzinfo=UTC)
    for code in CODES:
        Ledger.create(tmp_path / f"{code}.db", clock=lambda: first).close()
    file = tmp_path / "night.csv"
    file.write_text(rows(("99997", 1, 100)))
    post(file, "kokin-csv", authorities, clock=lambda: second)
    for code in CODES:
        with Ledger.open(tmp_path / f"{code}.db") as ledger:
            assert [entry.at for entry in ledger.entries()] == [first, second]


def test_a_file_is_posted_once_and_an_authority_that_failed_is_posted_by_the_next_run(tmp_path):
    authorities = Authorities.load(make(tmp_path, ledgers=("99997", "99999")))
    file = tmp_path / "night.csv"
    file.write_text(rows(("99997", 1, 100), ("99998", 1, 200), ("99999", 1, 300)))
    posted = post(file, "kokin-csv", authorities)
    states = {each.authority: each.state for each in posted.results}
    assert states == {
        "99997": AuthorityFileState.POSTED,
        "99998": AuthorityFileState.FAILED,
        "99999": AuthorityFileState.POSTED,
    }
    assert posted.control.holds is None
    Ledger.create(tmp_path / "99998.db").close()
    posted = post(file, "kokin-csv", authorities)
    assert [each.state for each in posted.results] == [
        AuthorityFileState.ALREADY_POSTED,
        AuthorityFileState.POSTED,
        AuthorityFileState.ALREADY_POSTED,
    ]
    assert posted.control.holds is True
    assert [stored(tmp_path, code) for code in CODES] == [(1, 100), (1, 200), (1, 300)]


def test_other_parts_of_a_posted_file_are_rejected(tmp_path):
    """A payee code that moves to another authority after the file was posted would be lost or counted twice."""
    path = make(tmp_path)
    file = tmp_path / "night.csv"
    file.write_text(rows(("99997", 1, 100), ("99998", 1, 200)))
    post(file, "kokin-csv", Authorities.load(path))
    moved = '[authorities.99997]\npayee_codes = ["99997", "99998"]\n[authorities.99998]\npayee_codes = ["11111"]\n'
    path = make(tmp_path, tables=moved + "[authorities.99999]\n", ledgers=())
    posted = post(file, "kokin-csv", Authorities.load(path))
    assert [each.state for each in posted.results] == [
        AuthorityFileState.REJECTED,
        AuthorityFileState.REJECTED,
        AuthorityFileState.ALREADY_POSTED,
    ]
    assert {issue.code for each in posted.results for issue in each.issues} == {"FILE_PART"}
    assert [stored(tmp_path, code) for code in CODES] == [(1, 100), (1, 200), (0, 0)]


def test_a_rejected_file_is_recorded_in_every_ledger(tmp_path):
    authorities = Authorities.load(make(tmp_path))
    file = tmp_path / "night.csv"
    file.write_text("")
    posted = post(file, "kokin-csv", authorities)
    assert {each.state for each in posted.results} == {AuthorityFileState.REJECTED}
    assert posted.totals is None
    assert posted.control.holds is None
    for code in CODES:
        with Ledger.open(tmp_path / f"{code}.db") as ledger:
            assert [entry.kind for entry in ledger.entries()][-1] is EntryKind.REJECTED_FILE


def test_rejected_records_are_counted_where_unassigned_receipts_go(tmp_path):
    authorities = Authorities.load(make(tmp_path))
    file = tmp_path / "night.csv"
    file.write_text(rows(("99997", 1, 100), ("99998", 1, 200)) + "99997,127,3,000001,yen,2026-06-01\n")
    posted = post(file, "kokin-csv", authorities)
    assert posted.totals.rejected == 1
    assert posted.control.holds is True
    assert {each.authority: each.totals["rejected"] for each in posted.results} == {
        "99997": 0,
        "99998": 0,
        "99999": 1,
    }
    assert [issue.location.record for each in posted.results for issue in each.issues] == [3]


def test_a_file_of_one_authority_is_posted_whole(tmp_path):
    tables = '[authorities.99997]\nfiles = ["own-*.csv"]\n[authorities.99999]\n'
    authorities = Authorities.load(make(tmp_path, tables=tables))
    file = tmp_path / "own-1.csv"
    file.write_text(rows(("12345", 1, 100)))
    posted = post(file, "kokin-csv", authorities)
    assert [(each.authority, each.totals["accepted_yen"]) for each in posted.results] == [("99997", 100)]
    assert posted.unassigned == {}
    assert posted.control.holds is True


@pytest.mark.parametrize(
    ("tables", "issues"),
    [
        ('[authorities.99999]\npayee_codes = ["1"]\n', [("WIDTH", "authorities.99999.payee_codes.0")]),
        ("[authorities.99999]\nlegder = 'x'\n", [("FIELD_UNKNOWN", "authorities.99999.legder")]),
        ("[authorities.99998]\n", [("CODE_UNKNOWN", "unassigned")]),
        (
            '[authorities.99999]\n[authorities.99998]\npayee_codes = ["99999"]\n',
            [("AUTHORITY_DUPLICATE", "authorities.99998.payee_codes")],
        ),
        (
            '[authorities.99999]\nledger = "x.db"\n[authorities.99998]\nledger = "x.db"\n',
            [("AUTHORITY_DUPLICATE", "authorities.99998.ledger")],
        ),
    ],
)
def test_invalid_settings_are_located(tmp_path, tables, issues):
    with pytest.raises(InvalidInputError) as error:
        Authorities.load(make(tmp_path, tables=tables, ledgers=()))
    assert codes_of(error) == issues
    assert {issue.location.file for issue in error.value.issues} == {"authorities.toml"}


def test_a_file_of_two_authorities_is_rejected(tmp_path):
    tables = '[authorities.99997]\nfiles = ["own-*"]\n[authorities.99999]\nfiles = ["*.csv"]\n'
    authorities = Authorities.load(make(tmp_path, tables=tables, ledgers=()))
    with pytest.raises(InvalidInputError) as error:
        post(tmp_path / "own-1.csv", "kokin-csv", authorities)
    assert codes_of(error) == [("AUTHORITY_DUPLICATE", "files")]


@given(payments=st.lists(st.tuples(st.sampled_from([*CODES, "12345"]), st.integers(1, 5), st.integers(1, 999))))
@settings(max_examples=examples(12), deadline=None)
def test_every_yen_is_in_one_ledger(tmp_path_factory, payments):
    folder = tmp_path_factory.mktemp("authorities")
    authorities = Authorities.load(make(folder))
    file = folder / "night.csv"
    file.write_text(rows(*payments))
    posted = post(file, "kokin-csv", authorities)
    expected = defaultdict(lambda: (0, 0))
    for payee, _, yen in payments:
        code = payee if payee in CODES else "99999"
        expected[code] = (expected[code][0] + 1, expected[code][1] + yen)
    assert [stored(folder, code) for code in CODES] == [expected[code] for code in CODES]
    assert posted.control.holds is True
    assert posted.control.left == sum(yen for *_, yen in payments)


def test_the_overview_has_the_state_of_each_ledger(tmp_path):
    authorities = Authorities.load(make(tmp_path, ledgers=("99997", "99999")))
    file = tmp_path / "night.csv"
    file.write_text(rows(("99997", 1, 100), ("99998", 1, 200)))
    post(file, "kokin-csv", authorities)
    first, second, third = overview(authorities)
    assert (first.receipts, first.suspense, first.exceptions, first.broken, first.error) == (1, 100, 1, (), "")
    assert second.error
    assert (third.receipts, third.files) == (0, 1)


def test_the_commands_print_and_write_the_state(tmp_path, capsys):
    path = make(tmp_path)
    (tmp_path / "intake.toml").write_text('[source.night]\nlayout = "kokin-csv"\ndays = "bank"\nuntil = 09:00:00\n')
    path.write_text(path.read_text().replace("[authorities.99997]\n", '[authorities.99997]\nintake = "intake.toml"\n'))
    file = tmp_path / "night.csv"
    file.write_text(rows(("99997", 1, 100), ("12345", 1, 200)))
    options = ["--authorities", str(path)]
    assert run_command(["post-all", str(file), "-l", "kokin-csv", *options, "--format", "json"]) == 1
    (shown,) = json.loads(capsys.readouterr().out)
    assert shown["control"]["holds"] is True
    assert shown["unassigned"] == {"12345": {"receipts": 1, "amount": 200}}
    assert run_command(["post-all", str(file), "-l", "kokin-csv", *options]) == 1
    assert "12345" in capsys.readouterr().out
    assert run_command(["overview", *options, "--format", "json"]) == 1
    by_code = {row["authority"]: row for row in json.loads(capsys.readouterr().out)}
    assert by_code["99997"]["dispositions"]["suspense"] == 100
    assert run_command(["report-all", *options, "--out", str(tmp_path / "out")]) == 1
    page = (tmp_path / "out" / "overview.html").read_text(encoding="utf-8")
    assert 'href="99997/report.html"' in page
    summaries = {path.parent.name: json.loads(path.read_text("utf-8")) for path in tmp_path.glob("out/*/summary.json")}
    assert set(summaries) == set(CODES)
    # Each report is the one that `kokin report` writes: what is new, and the expected files of the authority.
    with Ledger.open(Authorities.load(path).ledger_of("99997")) as ledger:
        assert summaries["99997"]["changes"]["open_exceptions"] == len(ledger.work_list()) > 0
    assert {code for code, summary in summaries.items() if "intake" in summary} == {"99997"}


def test_the_exit_code_of_report_all_counts_open_exceptions_only(tmp_path):
    path = make(tmp_path)
    file = tmp_path / "night.csv"
    file.write_text(rows(("99997", 1, 100)))
    options = ["--authorities", str(path)]
    assert run_command(["post-all", str(file), "-l", "kokin-csv", *options]) == 1
    report = ["report-all", *options, "--out", str(tmp_path / "out")]
    assert run_command(report) == 1
    with Ledger.open(Authorities.load(path).ledger_of("99997")) as ledger:
        accept = {"decision": "accept", "reason": "checked"}
        decisions = [{"exception_id": each, **accept} for each in ledger.work_list()["exception_id"].to_pylist()]
        ledger.decide(pa.Table.from_pylist(decisions), actor="clerk")
    assert run_command(report) == 0


def test_the_report_of_an_authority_that_fails_stops_no_other(tmp_path, capsys):
    path = make(tmp_path, ledgers=("99997", "99999"))
    assert run_command(["report-all", "--authorities", str(path), "--out", str(tmp_path / "out")]) == 4
    assert {each.parent.name for each in tmp_path.glob("out/*/summary.json")} == {"99997", "99999"}
    page = (tmp_path / "out" / "overview.html").read_text(encoding="utf-8")
    assert "99998/report.html" not in page
    assert "99998" in page
