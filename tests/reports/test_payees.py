"""No row of a report adds the yen of two authorities, and the page of one authority has no column for it."""

import re
from collections import Counter
from datetime import date

import pyarrow as pa
import pyarrow.compute as pc
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kokin.model import Bill, Receipt, arrow_schema
from kokin.reconcile import build_accounts, reconcile
from kokin.reports import TABLES, Report
from tests.reconcile import accounts_city, authorities
from tests.support import examples

AS_OF = date(2026, 6, 15)
#: The tables without a payee: files, the audit log, bank deposits and issues belong to no authority.
WITHOUT_PAYEE = {"files", "settlements", "audit", "issues", "closings"}


def city_of(payee, seed, households):
    """The bills and receipts of an authority; some receipts have the customer number only, and so no payee."""
    bills, receipts = accounts_city.city(seed, households)
    number_of = {row["case_key"]: row["bill_id"] for row in bills}
    bills = [{**row, "payee_code": payee, "customer_number": row["bill_id"]} for row in bills]
    numbers = dict.fromkeys(("payee_code", "item_code", "case_key", "confirmation"))
    receipts = [
        {**row, **numbers, "customer_number": number_of[row["case_key"]]}
        if row["record_no"] % 5 == 0 and row["case_key"] in number_of
        else row
        for row in receipts
    ]
    return authorities.move(payee, bills), authorities.move(payee, receipts)


def report_of(*cities):
    """The report of a run over the bills and receipts of some authorities."""
    bills, receipts = ([row for rows in side for row in rows] for side in zip(*cities, strict=True))
    result = reconcile(
        pa.Table.from_pylist(bills, arrow_schema(Bill)), pa.Table.from_pylist(receipts, arrow_schema(Receipt))
    )
    accounts = build_accounts(result, catalog=accounts_city.BODY, as_of=AS_OF)
    assert {control.holds for control in accounts.controls} == {True, None}
    return Report.from_run(result, accounts, catalog=accounts_city.BODY, minimum_count=3)


def of_payee(table, payee):
    """The rows of a table with a payee, as one chunk."""
    return table.filter(pc.equal(table["payee_code"], payee)).combine_chunks()


@settings(max_examples=examples(30))
@given(st.lists(st.tuples(st.integers(0, 2**32), st.integers(1, 60)), min_size=2, max_size=2))
def test_the_report_of_two_authorities_has_the_rows_of_two_reports(shapes):
    cities = [city_of(payee, *shape) for payee, shape in zip(authorities.PAYEES, shapes, strict=True)]
    both = report_of(*cities)
    for payee, city in zip(authorities.PAYEES, cities, strict=True):
        alone = report_of(city)
        for name in TABLES:
            if name not in WITHOUT_PAYEE:
                assert of_payee(both.tables[name], payee) == of_payee(alone.tables[name], payee), name
        assert both.summary["payees"][payee] == alone.summary["payees"][payee]


@pytest.fixture(scope="module")
def reports():
    """The reports of two authorities, and that of both."""
    cities = [city_of(payee, seed, 200) for seed, payee in enumerate(authorities.PAYEES)]
    return [report_of(city) for city in cities], report_of(*cities)


def test_every_table_has_the_payee_but_those_of_no_authority(reports):
    _, both = reports
    without = {name for name, table in both.tables.items() if "payee_code" not in table.column_names}
    assert without == WITHOUT_PAYEE
    for name in ("daily", "monthly", "receivables", "revenue", "open_data"):
        assert both.tables[name].column_names[0] == "payee_code"
        assert set(authorities.PAYEES) <= set(both.tables[name]["payee_code"].to_pylist())
        assert both.tables[name]["payee_code"].null_count == 0


def test_the_sums_of_the_tables_are_those_of_each_payee(reports):
    _, both = reports
    for payee, totals in both.summary["payees"].items():
        dispositions = totals["dispositions"]
        for name in ("daily", "monthly", "revenue"):
            rows = of_payee(both.tables[name], payee)
            columns = ("revenue", "off_budget", "overpaid", "suspense")
            revenue, off_budget, *others = (pc.sum(rows[column]).as_py() or 0 for column in columns)
            assert revenue + off_budget == dispositions["applied"]
            assert others == [dispositions[column] for column in ("excess", "suspense")]


def test_the_page_of_one_authority_has_no_column_for_it(reports, tmp_path):
    (alone, _), _ = reports
    one = Report(AS_OF, alone.summary, {name: _with_one_payee(table) for name, table in alone.tables.items()})
    assert "Payee code" not in one.page(language="en")
    one.write(tmp_path, formats=["csv"])
    for name in ("balances", "daily", "receivables", "open_data"):
        assert "payee_code" in (tmp_path / f"{name}.csv").read_text(encoding="utf-8-sig").splitlines()[0].split(",")


def _with_one_payee(table):
    """The rows of the authority, and those without a payee."""
    if "payee_code" not in table.column_names:
        return table
    return table.filter(
        pc.is_in(pc.fill_null(table["payee_code"], ""), value_set=pa.array([authorities.PAYEES[0], ""]))
    )


@pytest.mark.parametrize(("language", "heading"), [("en", "Payee code"), ("ja", "共通納税機関コード")])
def test_the_page_of_two_authorities_has_the_sums_of_each(reports, language, heading):
    _, both = reports
    page = both.page(language=language, max_rows=5)
    # The sums are what waits, the key figures, exceptions, outcomes, rates and ages.
    lists = ("exceptions", "daily", "monthly", "receivables", "revenue", "pending", "arrears", "overpayments", "offers")
    assert page.count(f">{heading}</th>") == 6 + len(lists)
    for payee, totals in both.summary["payees"].items():
        yen = "".join(f'<td class="n">{amount:,}</td>' for amount in totals["dispositions"].values())
        assert f'<td class="d">{payee or "–"}</td><td class="n">{totals["receipts"]:,}</td>{yen}' in page
    billed = Counter()
    for row in both.tables["receivables"].to_pylist():
        billed[row["payee_code"], row["charge"]] += row["billed"]
    rates = re.search(r'<section id="rates">.*?</table>', page, re.DOTALL)[0]
    assert rates.count('<td class="d">') == len(billed)
    for payee in authorities.PAYEES:
        assert len(re.findall(rf"<h3>{payee} · ", page)) == 2  # a chart by day and one by month
        for (of_payee, _), yen in billed.items():
            if of_payee == payee:
                assert re.search(rf'<td class="d">{payee}</td><td>[^<]*</td><td class="n">{yen:,}</td>', rates)
