"""Rows that are read by ranges of ids are those of one statement, and have the types of their columns."""

import pytest
from sqlalchemy import text

from kokin.ledger import LedgerError, _database


@pytest.mark.parametrize("ids", [1, 2, 3, 1000])
def test_the_size_of_a_range_changes_nothing(filled, bills, receipts, monkeypatch, ids):
    filled.add_bills(bills(B3=100, B4=200, B5=300), actor="clerk")
    filled.post(receipts("thu.csv", ("B3", 100, 1), ("B4", 300, 2), ("B4", 200, 3)), actor="batch")

    def read():
        status = filled.status().as_dict()
        return filled.bills(), filled.receipts(), filled.balances(), filled.outcomes(), status

    expected = read()
    monkeypatch.setattr(_database, "SCAN_ROWS", ids)
    assert read() == expected
    assert len(expected[0]) > 3
    assert len(expected[1]) > 3


@pytest.mark.parametrize(
    ("table", "column", "value"),
    [
        ("bill_versions", "amount", "'secret'"),
        ("bill_versions", "amount", "0.5"),
        ("bill_versions", "bill_id", "CAST('secret' AS BLOB)"),
        ("receipts", "channel", "CAST(x'ff' AS TEXT)"),
    ],
)
@pytest.mark.parametrize("new_place", ["sqlite"], indirect=True)
def test_a_value_of_another_type_is_an_error_that_does_not_quote_it(filled, raw, unguarded, table, column, value):
    unguarded()
    with raw.begin() as connection:
        connection.execute(text(f"UPDATE {table} SET {column} = {value}"))
    with pytest.raises(LedgerError) as caught:
        filled.balances()
    assert "kokin ledger verify" in str(caught.value)
    assert "secret" not in str(caught.value)
    assert caught.value.__cause__ is None or "secret" not in str(caught.value.__cause__)
