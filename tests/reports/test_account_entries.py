"""Account entries (会計・款項目節): every yen of a closing has one code, and the file ties to the reports."""

import io
from datetime import UTC, date, datetime

import pyarrow as pa
import pyarrow.compute as pc
import pytest

from kokin.catalog import CATALOG, AccountCodes
from kokin.issues import InvalidInputError
from kokin.ledger import Ledger
from kokin.model import MoneyKind
from kokin.receipts.layouts import LayoutError, load, parse
from kokin.reports import AccountFile, Report, account_entries
from kokin.reports._account_entries import _period_controls
from tests.ledger.conftest import make_bills, make_receipts

CODES = """
[[codes]]
kind = "revenue"
charge = "fixed-asset-tax"
account = "01"
kan = "01"
ko = "02"
moku = "01"

[[codes]]
kind = "revenue"
charge = "fixed-asset-tax"
year_class = "carried_over"
account = "01"
kan = "01"
ko = "02"
moku = "02"

[[codes]]
kind = "overpaid"
account = "90"
"""

SUSPENSE = """
[[codes]]
kind = "suspense"
account = "91"
"""

LAYOUT = """
ja = "財務会計 (記入例)"
en = "an invented accounting system"
format = "csv"
encoding = "cp932"
newline = "CRLF"
verified = false
source = ["invented for Kokin"]

[csv]
header = "names"

[records.data]
role = "data"
ja = "収入"
en = "revenue"
fields = [
  { id = "day", ja = "収入日", en = "day", type = "date", format = "YYYYMMDD", length = 8, required = true },
  { id = "year", ja = "年度", en = "year", type = "number", length = 4 },
  { id = "code", ja = "会計", en = "account", type = "text", length = 20, required = true },
  { id = "title", ja = "款", en = "kan", type = "text", length = 20 },
  { id = "item", ja = "項", en = "ko", type = "text", length = 20 },
  { id = "detail", ja = "目", en = "moku", type = "text", length = 20 },
  { id = "yen", ja = "金額", en = "amount", type = "yen", length = 13, required = true },
]

[account]
booked_on = "day"
fiscal_year = "year"
account = "code"
kan = "title"
ko = "item"
moku = "detail"
amount = "yen"
"""


_PERIODS = (("month", date(2026, 5, 1)), ("year", date(2025, 4, 1)))


def codes_of(tmp_path, text):
    path = tmp_path / "accounts.toml"
    path.write_text(text, encoding="utf-8")
    return AccountCodes.load(path)


FIXED_LAYOUT = """
ja = "財務会計 (固定長)"
en = "an invented accounting system, records of a fixed length"
format = "fixed"
encoding = "cp932"
newline = "CRLF"
width = 23
verified = false
source = ["invented for Kokin"]

[records.data]
role = "data"
ja = "収入"
en = "revenue"
tell_by = ["mark"]
fields = [
  { id = "mark", ja = "区分", en = "kind of record", type = "digits", length = 1, const = "1" },
  { id = "code", ja = "会計", en = "account", type = "text", length = 11 },
  { id = "yen", ja = "金額", en = "amount", type = "yen", length = 11 },
]

[records.trailer]
role = "trailer"
ja = "合計"
en = "total"
tell_by = ["mark"]
fields = [
  { id = "mark", ja = "区分", en = "kind of record", type = "digits", length = 1, const = "9" },
  { id = "total", ja = "合計金額", en = "total", type = "yen", length = 13 },
  { id = "rest", ja = "余白", en = "filler", type = "filler", length = 9 },
]

[[totals]]
record = "trailer"
field = "total"
sum = "yen"

[account]
account = "code"
amount = "yen"
"""


def written(found, folder, layout):
    """Return the lines of an account file."""
    path = folder / "accounts-system.toml"
    path.write_text(layout, encoding="utf-8")
    stream = io.BytesIO()
    assert found.write(stream, load(path)) == len(found.entries)
    return stream.getvalue().decode("cp932").splitlines()


@pytest.fixture
def closed(tmp_path):
    """A ledger with a closed day, and the entry of the closing."""
    with Ledger.create(tmp_path / "city.db", clock=lambda: datetime(2026, 6, 10, tzinfo=UTC)) as ledger:
        tax = {"charge": "fixed-asset-tax"}
        ledger.add_bills(make_bills(tax, B1=10_000), actor="clerk")
        ledger.add_bills(make_bills({**tax, "levy_year": 2024, "tax_year": 2024}, B2=5_000), actor="clerk")
        rows = ("B1", 12_000, 1), ("B2", 3_000, 1), ("B9", 70, 1)
        ledger.post(make_receipts("a.csv", *rows), actor="batch")
        yield ledger, ledger.close_period("day", date(2026, 5, 1), actor="chief").entry.id


def test_every_yen_has_the_most_precise_code(tmp_path, closed):
    ledger, entry = closed
    found = AccountFile.of_closing(ledger, entry, codes_of(tmp_path, CODES + SUSPENSE))
    rows = found.entries.select(["kind", "account", "moku", "fiscal_year", "receipts", "amount"]).to_pylist()
    assert [tuple(row.values()) for row in rows] == [
        ("overpaid", "90", None, 2026, 0, 2_000),
        ("revenue", "01", "01", 2026, 1, 10_000),
        ("revenue", "01", "02", 2026, 1, 3_000),
        ("suspense", "91", None, 2026, 1, 70),
    ]
    assert {name: (each.left, each.right, each.holds) for name, each in found.controls.items()} == {
        "A1": (15_070, 15_070, True),
        "A2": (13_000, 13_000, True),
        "T5": (2_000, 2_000, True),
        "A2-period": (13_000, 13_000, True),
        "T5-period": (2_000, 2_000, True),
    }
    assert written(found, tmp_path, LAYOUT)[1:] == [
        "20260501,2026,90,,,,2000",
        "20260501,2026,01,01,02,01,10000",
        "20260501,2026,01,01,02,02,3000",
        "20260501,2026,91,,,,70",
    ]


def test_the_revenue_of_a_report_has_the_codes(closed, tmp_path):
    ledger, _ = closed
    plain = Report.from_ledger(ledger).tables["revenue"]
    report = Report.from_ledger(ledger, codes=codes_of(tmp_path, CODES))
    table = report.tables["revenue"]
    assert table.select(plain.column_names).equals(plain)
    names = ("account_code", "kan", "ko", "moku", "setsu", "saisetsu")
    found = {row["charge"]: tuple(row[name] for name in names) for row in table.to_pylist()}
    assert found["fixed-asset-tax"] == ("01", "01", "02", "01", None, None)
    # A charge without a code is in the table, too.
    assert found.get(None, (None,) * 6) == (None,) * 6
    assert "款" in report.page()


def test_a_yen_without_a_code_stops_the_export_with_its_place(tmp_path, closed):
    ledger, entry = closed
    with pytest.raises(InvalidInputError) as error:
        AccountFile.of_closing(ledger, entry, codes_of(tmp_path, CODES))
    (issue,) = error.value.issues
    assert (issue.code, issue.field, issue.found) == ("ACCOUNT_CODE_MISSING", "suspense", "2026-05-01 70")


def test_a_negative_correction_keeps_its_code(tmp_path, closed):
    ledger, entry = closed
    ledger.reverse_entry(4, reason="another authority", actor="clerk")
    second = ledger.close_period("day", date(2026, 5, 2), actor="chief").entry.id
    codes = codes_of(tmp_path, CODES + SUSPENSE)
    first, correction = (account_entries(ledger.closing_figures(each), codes) for each in (entry, second))
    assert pc.sum(first.column("amount")).as_py() == -pc.sum(correction.column("amount")).as_py() == 15_070
    found = AccountFile.of_closing(ledger, second, codes)
    assert written(found, tmp_path, LAYOUT)[1:] == [
        "20260502,2026,90,,,,-2000",
        "20260502,2026,01,01,02,01,-10000",
        "20260502,2026,01,01,02,02,-3000",
        "20260502,2026,91,,,,-70",
    ]
    assert written(found, tmp_path, FIXED_LAYOUT) == [
        "190         -0000002000",
        "101         -0000010000",
        "101         -0000003000",
        "191         -0000000070",
        "9-000000015070         ",
    ]


def test_a_layout_of_other_records_is_rejected(tmp_path, closed):
    ledger, entry = closed
    found = AccountFile.of_closing(ledger, entry, codes_of(tmp_path, CODES + SUSPENSE))
    with pytest.raises(InvalidInputError, match="LAYOUT_TABLE_MISSING"):
        found.write(tmp_path / "out.csv", "eltax-upload-example")
    assert not (tmp_path / "out.csv").exists()


@pytest.mark.parametrize("name", ["kind", "receipts", "payee_code"])
def test_a_field_with_the_name_of_an_entry_needs_a_mapping(name, closed, tmp_path):
    """Without a mapping the field would get the value of the entry, which the layout does not say."""
    kind = "number" if name == "receipts" else "text"
    field = f'{{ id = "{name}", ja = "摘要", en = "note", type = "{kind}", length = 20 }},\n]'
    text = LAYOUT.replace("\n]", f"\n  {field}", 1)
    with pytest.raises(LayoutError) as error:
        parse(text, "ours")
    (issue,) = error.value.issues
    assert (issue.code, issue.field) == ("LAYOUT_INVALID", f"records.data.fields[7] ({name})")
    assert f"account.{name}" in issue.expected
    ledger, entry = closed
    found = AccountFile.of_closing(ledger, entry, codes_of(tmp_path, CODES + SUSPENSE))
    rows = written(found, tmp_path, text + f'{name} = "{name}"\n')[1:]
    assert [row.split(",")[7] for row in rows] == [str(each) for each in found.entries.column(name).to_pylist()]


def test_invalid_codes_are_named(tmp_path):
    with pytest.raises(InvalidInputError) as error:
        codes_of(
            tmp_path, CODES + '[[codes]]\nkind = "overpaid"\naccount = "92"\n[[codes]]\nkind = "cash"\naccount = ""\n'
        )
    assert {(issue.code, issue.field) for issue in error.value.issues} >= {
        ("ACCOUNT_CODE_DUPLICATE", "codes"),
    }
    assert any(issue.field.startswith("codes[5].kind") for issue in error.value.issues)
    assert (
        codes_of(tmp_path, CODES).find(
            MoneyKind.SUSPENSE, dict.fromkeys(("payee_code", "charge", "item_code", "year_class"))
        )
        is None
    )


def test_the_controls_of_a_period_are_of_what_came_since_the_closing_before(tmp_path, closed):
    """The second day has 500 yen of its own and 100 late ones; 40 of the third are open; 900 are billed in between."""
    ledger, _ = closed
    ledger.add_bills(make_bills({"charge": "fixed-asset-tax"}, B3=900), actor="clerk")
    ledger.post(make_receipts("b.csv", ("B2", 500, 2), ("B3", 100, 1), ("B3", 40, 3)), actor="batch")
    entry = ledger.close_period("day", date(2026, 5, 2), actor="chief").entry.id
    controls = AccountFile.of_closing(ledger, entry, codes_of(tmp_path, CODES + SUSPENSE)).controls
    sides = {name: (each.left, each.right, each.holds) for name, each in controls.items()}
    assert (sides["A2-period"], sides["T5-period"]) == ((640, 640, True), (260, 260, True))
    # The period alone is broken where other figures were sealed, though the sums since the beginning are equal.
    report = Report.from_ledger(ledger, closing=entry)
    figures = ledger.closing_figures(entry)
    wrong = figures.set_column(figures.column_names.index("revenue"), "revenue", pa.array([99] * len(figures)))
    found = _period_controls(ledger, entry, wrong, report, CATALOG)
    assert (found["A2-period"].holds, found["T5-period"].holds) == (False, True)


def test_the_first_closing_of_a_day_closes_the_days_before_the_month_too(tmp_path):
    """The month has no closing before it, so its controls have the yen of the days that its first day has closed."""
    with Ledger.create(tmp_path / "city.db", clock=lambda: datetime(2026, 6, 10, tzinfo=UTC)) as ledger:
        ledger.add_bills(make_bills({"charge": "fixed-asset-tax"}, B1=10_000, B2=5_000), actor="clerk")
        april = {"paid_on": date(2026, 4, 20)}
        ledger.post(make_receipts("a.csv", ("B1", 400, 1, april), ("B2", 300, 2), ("B2", 70, 31)), actor="batch")
        ledger.close_period("day", date(2026, 5, 31), actor="chief")
        month = ledger.close_period("month", date(2026, 5, 1), actor="chief").entry.id
        found = AccountFile.of_closing(ledger, month, codes_of(tmp_path, CODES))
        assert pc.sum(found.entries.column("amount")).as_py() == 370
        sides = {name: (each.left, each.right, each.holds) for name, each in found.controls.items()}
        assert (sides["A2-period"], sides["T5-period"]) == ((770, 770, True), (14_230, 14_230, True))


def test_the_file_of_a_fiscal_year_has_no_controls_of_a_period(tmp_path):
    with Ledger.create(tmp_path / "city.db", clock=lambda: datetime(2026, 6, 10, tzinfo=UTC)) as ledger:
        ledger.add_bills(make_bills({"charge": "fixed-asset-tax"}, B1=10_000), actor="clerk")
        ledger.post(make_receipts("a.csv", ("B1", 400, 20)), actor="batch")
        month, year = (ledger.close_period(*each, actor="chief").entry.id for each in _PERIODS)
        files = [AccountFile.of_closing(ledger, entry, codes_of(tmp_path, CODES)) for entry in (month, year)]
        assert [list(file.controls) for file in files] == [
            ["A1", "A2", "T5", "A2-period", "T5-period"],
            ["A1", "A2", "T5"],
        ]
        assert all(control.holds for file in files for control in file.controls.values())
