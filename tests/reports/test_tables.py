"""The tables of a report: their sums agree, a ledger and a run give the same, and every column and code has a term."""

import json
from collections import defaultdict
from datetime import UTC, date, datetime
from pathlib import Path

import pyarrow as pa
import pytest

from kokin.authorities import SharedFile
from kokin.catalog import CATALOG
from kokin.demo import write_city
from kokin.issues import InvalidInputError
from kokin.ledger import EntryKind, Ledger
from kokin.ledger._settlement import STATEMENTS as SETTLEMENT_STATEMENTS
from kokin.model import Disposition, Finding, Outcome
from kokin.receipts import read
from kokin.reconcile import AgingKind, BalanceStatus, OverpaymentKind, build_accounts, reconcile
from kokin.reports import TABLES, FileSummary, Report, compare
from kokin.reports._account_entries import STATEMENTS as ACCOUNT_FILE_STATEMENTS
from kokin.reports._terms import Terms
from kokin.rules import YearClass
from kokin.text import terms

AS_OF = date(2026, 11, 30)


@pytest.fixture(scope="module")
def city(tmp_path_factory: pytest.TempPathFactory):
    """Return the bills of a synthetic city, and its receipts by file."""
    from kokin import bills

    paths = write_city(tmp_path_factory.mktemp("city"), 1_500, 3)
    files = {
        path.name: read(path, layout, reference_date=AS_OF, on_error="skip").table for path, layout in paths.receipts
    }
    return bills.read(paths.bills).table, files


def summary_of(table: pa.Table) -> FileSummary:
    first = table.slice(0, 1).to_pylist()[0]
    count = len(table)
    name = (first["source"], first["layout"], first["digest"])
    return FileSummary(*name, count, count, 0, 0, sum(table["amount"].to_pylist()))


@pytest.fixture(scope="module")
def report(city) -> Report:
    bills, files = city
    result = reconcile(bills, list(files.values()))
    accounts = build_accounts(result, as_of=AS_OF)
    return Report.from_run(result, accounts, files=[summary_of(table) for table in files.values()])


def total(report: Report, table: str, column: str) -> int:
    return sum(yen or 0 for yen in report.tables[table][column].to_pylist())


def test_the_sums_of_all_tables_agree(report: Report) -> None:
    dispositions = report.summary["dispositions"]
    money = dispositions["applied"] + dispositions["excess"] + dispositions["suspense"]
    assert money > 0
    for table in ("daily", "monthly", "revenue"):
        assert total(report, table, "received") == money
        assert total(report, table, "revenue") + total(report, table, "off_budget") == dispositions["applied"]
        for column, name in (("overpaid", "excess"), ("suspense", "suspense")):
            assert total(report, table, column) == dispositions[name]
    assert total(report, "overpayments", "excess") == dispositions["excess"]
    assert total(report, "settlements", "settled") == money
    assert total(report, "balances", "residual") >= total(report, "receivables", "unpaid")
    assert sum(file["amount"] for file in report.summary["files"]) == report.summary["amount"]


def test_months_and_running_totals_equal_those_of_plain_python(report: Report) -> None:
    keys = ("account", "charge", "item_code", "fiscal_year", "year_class", "channel")
    months: dict[tuple, dict[str, list[int]]] = defaultdict(lambda: defaultdict(lambda: [0, 0, 0]))
    for row in report.tables["daily"].to_pylist():
        sums = months[tuple(row[key] for key in keys)][row["received_on"].isoformat()[:7]]
        for at, name in enumerate(("receipts", "received", "revenue")):
            sums[at] += row[name]
    last: dict[int | None, str] = {}
    for key, by_month in months.items():
        last[key[3]] = max(last.get(key[3], ""), *by_month)
    expected = {}
    for key, by_month in months.items():
        year, month = map(int, min(by_month).split("-"))
        running = [0, 0, 0]
        while (name := f"{year}-{month:02}") <= last[key[3]]:
            own = by_month.get(name, [0, 0, 0])
            running = [total + amount for total, amount in zip(running, own, strict=True)]
            expected[name, *key] = (*own, *running)
            year, month = (year + 1, 1) if month == 12 else (year, month + 1)
    columns = ("receipts", "received", "revenue", "receipts_to_date", "received_to_date", "revenue_to_date")
    found = {
        (row["month"], *(row[key] for key in keys)): tuple(row[name] for name in columns)
        for row in report.tables["monthly"].to_pylist()
    }
    assert found == expected
    assert len(found) == len(report.tables["monthly"]) > 50


def test_a_rate_of_100_means_paid_in_full(report: Report) -> None:
    rows = report.tables["receivables"].to_pylist()
    for row in rows:
        paid = row["paid_before"] + row["received"] - row["overpaid"]
        assert row["rate"] <= 100 * paid / row["billed"] < float(row["rate"]) + 0.01 + 1e-9
        assert (row["rate"] == 100) == (paid == row["billed"])
    assert {row["rate"] is None for row in rows} == {False}


def test_the_difference_is_null_without_bank_deposits(city) -> None:
    bills, files = city
    result = reconcile(bills, list(files.values()))
    assert set(Report.from_run(result, build_accounts(result)).tables["settlements"]["difference"].to_pylist()) == {
        None
    }
    deposits = pa.table({"credited_on": [date(2026, 6, 1)], "amount": [123]})
    settlements = Report.from_run(result, build_accounts(result, deposits=deposits)).tables["settlements"].to_pylist()
    assert all(row["difference"] == row["credited"] - row["expected"] for row in settlements)


def test_without_the_rate_of_a_year_only_the_interest_is_missing(city) -> None:
    bills, files = city
    result = reconcile(bills, list(files.values()))
    known, unknown = (
        Report.from_run(result, build_accounts(result, as_of=day)).tables["overpayments"]
        for day in (AS_OF, date(2099, 1, 1))
    )
    assert unknown.schema.names == known.schema.names
    assert unknown["excess"].to_pylist() == known["excess"].to_pylist()
    assert set(unknown["interest"].to_pylist()) == set(unknown["setoff_interest"].to_pylist()) == {None}


def test_without_the_rate_of_a_year_the_candidates_have_no_interest() -> None:
    slip = {"payee_code": "99999", "item_code": "127", "confirmation": "123456", "payer_key": "P1", "charge": "x"}
    bills = pa.Table.from_pylist(
        [
            {"bill_id": f"B{n}", "case_key": str(n), "amount": 10_000, "due_on": day, **slip}
            for n, day in ((1, date(2026, 6, 1)), (2, date(2098, 6, 1)))
        ]
    )
    paid = {"amount": 10_000, "paid_on": date(2026, 5, 1), "case_key": "1", "source": "a.csv"}
    paid |= {name: slip[name] for name in ("payee_code", "item_code", "confirmation")}
    result = reconcile(bills, pa.Table.from_pylist([{**paid, "record_no": n} for n in (1, 2)]))
    (row,) = Report.from_run(result, build_accounts(result, as_of=date(2099, 1, 1))).tables["offers"].to_pylist()
    assert (row["debt_bill_id"], row["offered"], row["setoff_on"], row["interest"]) == (
        "B2",
        10_000,
        date(2098, 6, 1),
        None,
    )


def test_the_report_of_a_ledger_equals_that_of_a_run(city, report: Report, tmp_path: Path) -> None:
    bills, files = city
    clock = iter(datetime(2026, 11, day, 20, tzinfo=UTC) for day in range(1, 30))  # the next day in Japan
    with Ledger.create(f"sqlite:///{tmp_path}/city.db", clock=lambda: next(clock)) as ledger:
        ledger.add_bills(bills, actor="clerk", source="bills.csv")
        for name, table in files.items():
            ledger.post(table, source=name, actor="batch")
        found = Report.from_ledger(ledger, as_of=AS_OF)
        for name in set(TABLES) - {"audit", "exceptions"}:
            assert found.tables[name].equals(report.tables[name]), name
        # A ledger lists its exceptions with their states and in another order, here those of the run.
        of_run = report.tables["exceptions"]
        order = [(name, "ascending") for name in ("source", "record_no", "outcome")]
        listed = found.tables["exceptions"].select(of_run.column_names).sort_by(order)
        assert listed.equals(of_run.sort_by(order))
        assert found.summary["controls"]["T1"]["holds"] is True
        assert found.tables["audit"]["kind"].to_pylist() == [
            "created",
            "bills",
            "receipt_file",
            "receipt_file",
            "receipt_file",
        ]
        assert found.tables["audit"]["at"][1].as_py() == "2026-11-03T05:00:00+09:00"

        first = Report.from_ledger(ledger, as_of=date(2026, 11, 4))
        assert (first.as_of, first.summary["entries"]) == (date(2026, 11, 4), 3)
        alone = reconcile(bills, next(iter(files.values())))
        assert first.tables["outcomes"].equals(alone.outcomes)
        assert len(first.tables["files"]) == 1
        paid = first.summary["controls"]["T4"]["left"]
        assert {name: first.summary["controls"][name]["left"] for name in ("T1", "T4")} == {"T1": paid, "T4": paid}

        day = report.tables["settlements"].to_pylist()[0]
        deposits = pa.table({"credited_on": [day["settled_on"]], "amount": [day["expected"]]})
        ledger.add_deposits(deposits, actor="batch")
        settlements = Report.from_ledger(ledger, as_of=AS_OF).tables["settlements"].to_pylist()
        assert {row["settled_on"]: row["difference"] for row in settlements}[day["settled_on"]] == 0
        ledger.reverse_entry(ledger.entries()[-1].id, reason="of another account", actor="chief")

        file = ledger.entries()[2].id
        reversal = ledger.reverse_entry(file, reason="another authority's file", actor="chief").entry.id
        assert Report.from_ledger(ledger).as_of == date(2026, 11, 9)
        without = Report.from_ledger(ledger, as_of=AS_OF)
        assert len(without.tables["files"]) == 2
        assert without.tables["audit"]["active"].to_pylist() == [*(True, True, False, True, True, False, True, True)]
        ledger.reverse_entry(reversal, reason="it was ours", actor="chief")
        restored = Report.from_ledger(ledger, as_of=AS_OF)
        assert restored.tables["audit"]["active"].to_pylist() == [
            *(True, True, True, True, True, False, True, False, True)
        ]
        assert restored.tables["outcomes"].equals(report.tables["outcomes"])
        assert {name: control["holds"] for name, control in restored.summary["controls"].items() if name != "T2"} == {
            **dict.fromkeys(("T1", "T4", "T5", "T6", "T7", "T8"), True),
            "T3": "not checked",
        }


@pytest.mark.parametrize("language", ["ja", "en"])
def test_every_table_column_and_code_has_its_own_term(report: Report, language) -> None:
    translated = Terms(language)
    assert tuple(report.tables) == TABLES
    assert len({translated.table(name) for name in TABLES}) == len(TABLES)
    for name, table in report.tables.items():
        headings = [translated.heading(name, column) for column in table.column_names]
        assert len(set(headings)) == len(headings), name
        assert "," not in "".join(headings)
        assert not any(sign in translated.table(name) for sign in "[]:*?/\\")
        assert len(translated.table(name)) <= 25
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
        assert all(translated.value(column, code) != str(code) for code in values), column
        assert len({translated.value(column, code) for code in values}) >= len(list(values)) - 1


def test_every_control_has_a_term(city, report: Report, tmp_path: Path) -> None:
    with Ledger.create(f"sqlite:///{tmp_path}/city.db") as ledger:
        of_ledger = [ledger.status().as_dict()["controls"], Report.from_ledger(ledger).summary["controls"]]
        of_uploads = ledger.upload_status().control.statement
    controls = [control for each in (report.summary["controls"], *of_ledger) for control in each.values()]
    of_file = SharedFile("", None, (), {}, {}).control.statement
    for name in ("old.csv", "new.csv"):
        (tmp_path / name).write_text("bill_id,paid,residual,status\n", encoding="utf-8")
    of_comparison = compare(tmp_path / "old.csv", tmp_path / "new.csv").controls.values()
    statements = {*(control["statement"] for control in controls), of_uploads, of_file}
    statements |= {*ACCOUNT_FILE_STATEMENTS.values(), *SETTLEMENT_STATEMENTS.values()}
    statements |= {control.statement for control in of_comparison}
    assert statements == set(terms()["values"]["control"])


def test_a_report_is_written_in_the_requested_formats(report: Report, tmp_path: Path) -> None:
    assert report.write(tmp_path / "all", formats=["csv", "html"]) == []
    assert {path.name for path in (tmp_path / "all").iterdir()} == {
        *(f"{name}.csv" for name in TABLES),
        "report.html",
        "summary.json",
    }
    summary = json.loads((tmp_path / "all" / "summary.json").read_text(encoding="utf-8"))
    assert summary["dispositions"] == report.summary["dispositions"]
    head = (tmp_path / "all" / "arrears.csv").read_text(encoding="utf-8-sig").splitlines()[0]
    assert head == ",".join(report.tables["arrears"].column_names)

    report.write(tmp_path / "some", formats=["csv"], tables=["arrears"], headings="words", encoding="cp932")
    assert {path.name for path in (tmp_path / "some").iterdir()} == {"arrears.csv", "summary.json"}
    head, first, *_ = (tmp_path / "some" / "arrears.csv").read_text(encoding="cp932").splitlines()
    assert head.startswith("通知書番号,共通納税機関コード,税目・料金番号,案件特定キー,宛名番号,業務,科目,債権区分")
    assert "強制徴収公債権" in first


def test_the_name_of_an_unknown_table_raises(report: Report, tmp_path: Path) -> None:
    with pytest.raises(InvalidInputError, match="arrear"):
        report.write(tmp_path / "out", formats=["csv"], tables=["arrear"])
    assert list(tmp_path.iterdir()) == []


def test_a_failure_leaves_the_folder_unchanged(report: Report, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    report.write(tmp_path / "out", formats=["csv"], tables=["files"])
    before = {path.name: path.read_bytes() for path in (tmp_path / "out").iterdir()}
    broken = Report(AS_OF, report.summary, {**report.tables, "issues": pa.table({"found": ["é"]})})
    with pytest.raises(InvalidInputError, match="U\\+00E9"):
        broken.write(tmp_path / "out", formats=["csv"], encoding="cp932")
    assert {path.name: path.read_bytes() for path in (tmp_path / "out").iterdir()} == before
    assert [path.name for path in tmp_path.iterdir()] == ["out"]
