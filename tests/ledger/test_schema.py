"""What an administrator asks of the schema: row ids, indexes, statements per question, one lock per schema."""

import pytest
from sqlalchemy import event, make_url, text

from kokin.ledger import Ledger, LedgerError
from kokin.ledger._schema import DETAIL_TABLES
from kokin.reports import Report

#: Questions of an auditor, and the table whose rows an index must find.
QUESTIONS = {
    "SELECT * FROM postings WHERE bill_version_id = 1": "postings",
    "SELECT * FROM postings WHERE receipt_id = 1": "postings",
    "SELECT * FROM postings WHERE reverses_id = 1": "postings",
    "SELECT * FROM receipts WHERE entry_id = 3": "receipts",
    "SELECT * FROM bill_versions WHERE bill_id = 'B1'": "bill_versions",
    "SELECT * FROM bill_versions WHERE replaces_id = 1": "bill_versions",
    "SELECT * FROM bill_versions WHERE obligation_id = 'O1'": "bill_versions",
    "SELECT * FROM entries WHERE kind = 'receipt_file' AND digest = 'x'": "entries",
    "SELECT * FROM entries WHERE reverses_entry_id = 1": "entries",
    "SELECT * FROM entries WHERE reverses_posting_id = 1": "entries",
    "SELECT * FROM match_keys WHERE kind = 1 AND key = 1": "match_keys",
    "SELECT * FROM file_issues WHERE entry_id = 1": "file_issues",
    "SELECT * FROM slip_numbers WHERE bill_id = 'D1-1'": "slip_numbers",
    "SELECT * FROM slip_numbers WHERE payee_code = '99999' AND obligation_id = 'D1'": "slip_numbers",
    "SELECT * FROM slip_numbers WHERE payee_code = '99999' AND item_code = '1' AND case_key = '2'": "slip_numbers",
    "SELECT * FROM slip_numbers WHERE payee_code = '99999' AND item_code = '1' AND series = '2'": "slip_numbers",
    "SELECT * FROM slip_numbers WHERE replaces_id = 1": "slip_numbers",
}


@pytest.mark.parametrize("question", QUESTIONS)
def test_an_auditors_question_uses_an_index(ledger, raw, question):
    with raw.connect() as connection:
        if raw.dialect.name == "sqlite":
            plan = [row.detail for row in connection.execute(text(f"EXPLAIN QUERY PLAN {question}"))]
            assert [line.partition(" USING ")[0] for line in plan] == [f"SEARCH {QUESTIONS[question]}"], plan
        else:
            # An empty table is scanned unless scans are off; without an index it still is.
            connection.execute(text("SET enable_seqscan = off"))
            plan = "\n".join(connection.execute(text(f"EXPLAIN {question}")).scalars())
            assert "Index" in plan, plan
            assert "Seq Scan" not in plan, plan


@pytest.mark.parametrize("new_place", ["sqlite"], indirect=True)
def test_an_id_is_the_row_id_of_sqlite(ledger, raw):
    with raw.connect() as connection:
        for table in ("entries", *DETAIL_TABLES):
            indexes = connection.execute(text(f"PRAGMA index_list({table})")).mappings().all()
            assert "pk" not in {index["origin"] for index in indexes}, table


def test_the_number_of_statements_does_not_grow_with_the_entries(ledger, bills, receipts):
    ledger.add_bills(bills(B1=10_000, B2=20_000), actor="clerk")
    statements = []
    event.listen(ledger._database.engine, "before_cursor_execute", lambda *arguments: statements.append(arguments[2]))
    counts = []
    for number in (2, 3, 20):
        for day in range(1, number + 1):
            file = receipts(f"{number}-{day}.csv", ("B2", 100 * number + day, day))
            reversed_entry = ledger.post(file, actor="batch").entry.id
        ledger.reverse_entry(reversed_entry, reason="wrong", actor="chief")
        statements.clear()
        for question in (ledger.status, ledger.totals, ledger.issues, ledger.entries, ledger.bank_deposits):
            question()
        Report.from_ledger(ledger)
        counts.append(len(statements))
    assert counts == [counts[0]] * 3


@pytest.mark.parametrize("new_place", ["postgresql"], indirect=True)
def test_two_schemas_of_a_database_have_their_own_lock(place, raw, bills):
    with raw.begin() as connection:
        connection.execute(text("CREATE SCHEMA one"))
        connection.execute(text("CREATE SCHEMA two"))
    urls = {name: make_url(place).update_query_dict({"options": f"-csearch_path={name}"}) for name in ("one", "two")}
    first, second = (Ledger.create(url, lock_timeout=0) for url in urls.values())
    with first, second:

        def chunks():
            """Add bills to both ledgers while the first one is locked."""
            second.add_bills(bills(B1=1), actor="clerk")
            with Ledger.open(urls["one"], lock_timeout=0) as other, pytest.raises(LedgerError, match="lock timeout"):
                other.add_bills(bills(B2=1), actor="clerk")
            yield bills(B1=2)

        first.add_bills(chunks(), actor="clerk")
        assert [each.bills().column("amount").to_pylist() for each in (first, second)] == [[2], [1]]
