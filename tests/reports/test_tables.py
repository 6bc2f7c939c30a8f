"""The tables of a report: added up by hand they agree, of a ledger they are those of a run, and all have names."""

import json
from collections import defaultdict
from datetime import UTC, date, datetime
from pathlib import Path

import pyarrow as pa
import pytest

from kokin import reports
from kokin.catalog import CATALOG
from kokin.demo import write_city
from kokin.issues import InvalidInputError
from kokin.ledger import EntryKind, Ledger
from kokin.model import Disposition, Finding, Outcome
from kokin.receipts import read
from kokin.reconcile import AgingKind, BalanceStatus, OverpaymentKind, build_accounts, reconcile
from kokin.reports import TABLES, FileSummary, Report, of_ledger, of_run
from kokin.reports._words import Words
from kokin.rules import YearClass
from kokin.text import terms

AS_OF = date(2026, 11, 30)


@pytest.fixture(scope="module")
def city(tmp_path_factory: pytest.TempPathFactory):
    """Bills and receipts of an invented city, by file."""
    from kokin import bills

    made = write_city(tmp_path_factory.mktemp("city"), 1_500, 3)
    files = {
        path.name: read(path, layout, reference_date=AS_OF, on_error="skip").table for path, layout in made.receipts
    }
    return bills.read(made.bills).table, files


def funnel(table: pa.Table) -> FileSummary:
    first = table.slice(0, 1).to_pylist()[0]
    count = len(table)
    name = (first["source"], first["layout"], first["digest"])
    return FileSummary(*name, count, count, 0, 0, sum(table["amount"].to_pylist()))


@pytest.fixture(scope="module")
def report(city) -> Report:
    bills, files = city
    done = reconcile(bills, list(files.values()))
    accounts = build_accounts(done, as_of=AS_OF)
    return of_run(done, accounts, files=[funnel(table) for table in files.values()])


def total(report: Report, table: str, column: str) -> int:
    return sum(yen or 0 for yen in report.tables[table][column].to_pylist())


def test_every_way_of_adding_up_gives_the_money(report: Report) -> None:
    dispositions = report.summary["dispositions"]
    money = dispositions["applied"] + dispositions["excess"] + dispositions["suspense"]
    assert money > 0
    for table in ("daily", "monthly", "revenue"):
        assert total(report, table, "received") == money
        for column, name in (("revenue", "applied"), ("overpaid", "excess"), ("suspense", "suspense")):
            assert total(report, table, column) == dispositions[name]
    assert total(report, "overpayments", "excess") == dispositions["excess"]
    assert total(report, "settlements", "settled") == money
    assert total(report, "balances", "residual") >= total(report, "receivables", "unpaid")
    assert sum(file["amount"] for file in report.summary["files"]) == report.summary["amount"]


def test_the_months_and_their_running_totals_are_those_of_plain_python(report: Report) -> None:
    keys = ("account", "charge", "item_code", "fiscal_year", "year_class", "channel")
    months: dict[tuple, dict[str, list[int]]] = defaultdict(lambda: defaultdict(lambda: [0, 0, 0]))
    for row in report.tables["daily"].to_pylist():
        sums = months[tuple(row[key] for key in keys)][row["received_on"].isoformat()[:7]]
        for at, name in enumerate(("receipts", "received", "revenue")):
            sums[at] += row[name]
    last: dict[int | None, str] = {}
    for key, some in months.items():
        last[key[3]] = max(last.get(key[3], ""), *some)
    expected = {}
    for key, some in months.items():
        year, month = map(int, min(some).split("-"))
        running = [0, 0, 0]
        while (name := f"{year}-{month:02}") <= last[key[3]]:
            own = some.get(name, [0, 0, 0])
            running = [one + two for one, two in zip(running, own, strict=True)]
            expected[name, *key] = (*own, *running)
            year, month = (year + 1, 1) if month == 12 else (year, month + 1)
    columns = ("receipts", "received", "revenue", "receipts_to_date", "received_to_date", "revenue_to_date")
    found = {
        (row["month"], *(row[key] for key in keys)): tuple(row[name] for name in columns)
        for row in report.tables["monthly"].to_pylist()
    }
    assert found == expected
    assert len(found) == len(report.tables["monthly"]) > 50


def test_a_rate_of_100_says_that_all_has_come(report: Report) -> None:
    rows = report.tables["receivables"].to_pylist()
    for row in rows:
        paid = row["paid_before"] + row["received"] - row["overpaid"]
        assert row["rate"] <= 100 * paid / row["billed"] < float(row["rate"]) + 0.01 + 1e-9
        assert (row["rate"] == 100) == (paid == row["billed"])
    assert {row["rate"] is None for row in rows} == {False}


def test_the_difference_is_told_only_where_the_bank_was_asked(city) -> None:
    bills, files = city
    done = reconcile(bills, list(files.values()))
    assert set(of_run(done, build_accounts(done)).tables["settlements"]["difference"].to_pylist()) == {None}
    credits_ = pa.table({"credited_on": [date(2026, 6, 1)], "amount": [123]})
    asked = of_run(done, build_accounts(done, deposits=credits_)).tables["settlements"].to_pylist()
    assert all(row["difference"] == row["credited"] - row["expected"] for row in asked)


def test_a_year_without_a_rate_costs_the_interest_and_nothing_else(city) -> None:
    bills, files = city
    done = reconcile(bills, list(files.values()))
    known, unknown = (
        of_run(done, build_accounts(done, as_of=day)).tables["overpayments"] for day in (AS_OF, date(2099, 1, 1))
    )
    assert unknown.schema.names == known.schema.names
    assert unknown["excess"].to_pylist() == known["excess"].to_pylist()
    assert set(unknown["interest"].to_pylist()) == {None}


def test_a_ledger_s_report_is_that_of_its_receipts(city, report: Report, tmp_path: Path) -> None:
    bills, files = city
    clock = iter(datetime(2026, 11, day, 20, tzinfo=UTC) for day in range(1, 30))  # the next day in Japan
    with Ledger.create(f"sqlite:///{tmp_path}/city.db", clock=lambda: next(clock)) as ledger:
        ledger.add_bills(bills, actor="clerk", source="bills.csv")
        for name, table in files.items():
            ledger.post(table, source=name, actor="batch")
        told = of_ledger(ledger, as_of=AS_OF)
        for name in set(TABLES) - {"audit"}:
            assert told.tables[name].equals(report.tables[name]), name
        assert told.summary["controls"]["T1"]["holds"] is True
        assert told.tables["audit"]["kind"].to_pylist() == [
            "created",
            "bills",
            "receipt_file",
            "receipt_file",
            "receipt_file",
        ]
        assert told.tables["audit"]["at"][1].as_py() == "2026-11-03T05:00:00+09:00"

        first = of_ledger(ledger, as_of=date(2026, 11, 4))
        assert (first.as_of, first.summary["entries"]) == (date(2026, 11, 4), 3)
        alone = reconcile(bills, next(iter(files.values())))
        assert first.tables["outcomes"].equals(alone.outcomes)
        assert len(first.tables["files"]) == 1
        paid = first.summary["controls"]["T4"]["left"]
        assert {name: first.summary["controls"][name]["left"] for name in ("T1", "T4")} == {"T1": paid, "T4": paid}

        day = report.tables["settlements"].to_pylist()[0]
        credits_ = pa.table({"credited_on": [day["settled_on"]], "amount": [day["expected"]]})
        ledger.add_deposits(credits_, actor="batch")
        asked = of_ledger(ledger, as_of=AS_OF).tables["settlements"].to_pylist()
        assert {row["settled_on"]: row["difference"] for row in asked}[day["settled_on"]] == 0
        ledger.reverse_entry(ledger.entries()[-1].id, reason="of another account", actor="chief")

        file = ledger.entries()[2].id
        back = ledger.reverse_entry(file, reason="another body's file", actor="chief").entry.id
        assert of_ledger(ledger).as_of == date(2026, 11, 9)
        gone = of_ledger(ledger, as_of=AS_OF)
        assert len(gone.tables["files"]) == 2
        assert gone.tables["audit"]["stands"].to_pylist() == [*(True, True, False, True, True, False, True, True)]
        ledger.reverse_entry(back, reason="it was ours", actor="chief")
        again = of_ledger(ledger, as_of=AS_OF)
        assert again.tables["audit"]["stands"].to_pylist() == [
            *(True, True, True, True, True, False, True, False, True)
        ]
        assert again.tables["outcomes"].equals(report.tables["outcomes"])
        assert {name: control["holds"] for name, control in again.summary["controls"].items() if name != "T2"} == {
            **dict.fromkeys(("T1", "T4", "T5", "T6", "T7"), True),
            "T3": "not checked",
        }


@pytest.mark.parametrize("language", ["ja", "en"])
def test_every_table_column_and_code_has_its_own_words(report: Report, language) -> None:
    words = Words(language)
    assert tuple(report.tables) == TABLES
    assert len({words.table(name) for name in TABLES}) == len(TABLES)
    for name, table in report.tables.items():
        heads = [words.column(name, column) for column in table.column_names]
        assert len(set(heads)) == len(heads), name
        assert "," not in "".join(heads)
        assert not any(sign in words.table(name) for sign in "[]:*?/\\")
        assert len(words.table(name)) <= 25
    codes = {
        "outcome": [*Outcome, *Finding],
        "kind": [*OverpaymentKind, *AgingKind, *EntryKind],
        "disposition": Disposition,
        "status": BalanceStatus,
        "year_class": YearClass,
        "charge": CATALOG.charges,
        "system": CATALOG.systems,
        "account": CATALOG.accounts,
    }
    for column, values in codes.items():
        assert all(words.value(column, code) != str(code) for code in values), column
        assert len({words.value(column, code) for code in values}) >= len(list(values)) - 1


def test_no_sentence_of_the_page_is_unused_or_missing(report: Report, monkeypatch: pytest.MonkeyPatch) -> None:
    from importlib import resources

    given = terms()
    for table in (given["tables"], given["columns"], given["page"], *given["values"].values()):
        assert all(row["ja"] is not None and row["en"] is not None for row in table.values())
    code = "".join(path.read_text() for path in Path(str(resources.files(reports))).glob("*.py"))
    composed = ("stage_", "drop_", "by_ch", "card_")
    unused = [name for name in given["page"] if f'"{name}"' not in code and not name.startswith(composed)]
    assert [name for name in unused if f'"{name.removesuffix("_note")}"' not in code] == []


def test_a_report_is_written_in_the_form_that_is_asked_for(report: Report, tmp_path: Path) -> None:
    assert report.write(tmp_path / "all", ["csv", "html"]) == []
    assert {path.name for path in (tmp_path / "all").iterdir()} == {
        *(f"{name}.csv" for name in TABLES),
        "report.html",
        "summary.json",
    }
    summary = json.loads((tmp_path / "all" / "summary.json").read_text(encoding="utf-8"))
    assert summary["dispositions"] == report.summary["dispositions"]
    head = (tmp_path / "all" / "arrears.csv").read_text(encoding="utf-8-sig").splitlines()[0]
    assert head == ",".join(report.tables["arrears"].column_names)

    report.write(tmp_path / "some", ["csv"], tables=["arrears"], headings="words", encoding="cp932")
    assert {path.name for path in (tmp_path / "some").iterdir()} == {"arrears.csv", "summary.json"}
    head, first, *_ = (tmp_path / "some" / "arrears.csv").read_text(encoding="cp932").splitlines()
    assert head.startswith("通知書番号,納付先機関コード,税目・料金番号,案件特定キー,宛名番号,業務,科目,債権区分")
    assert "強制徴収公債権" in first


def test_a_name_that_no_table_has_is_refused(report: Report, tmp_path: Path) -> None:
    with pytest.raises(InvalidInputError, match="arrear"):
        report.write(tmp_path / "out", ["csv"], tables=["arrear"])
    assert list(tmp_path.iterdir()) == []


def test_a_report_that_fails_leaves_the_folder_as_it_was(
    report: Report, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    report.write(tmp_path / "out", ["csv"], tables=["files"])
    before = {path.name: path.read_bytes() for path in (tmp_path / "out").iterdir()}
    broken = Report(AS_OF, report.summary, {**report.tables, "issues": pa.table({"found": ["é"]})})
    with pytest.raises(InvalidInputError, match="U\\+00E9"):
        broken.write(tmp_path / "out", ["csv"], encoding="cp932")
    assert {path.name: path.read_bytes() for path in (tmp_path / "out").iterdir()} == before
    assert [path.name for path in tmp_path.iterdir()] == ["out"]
