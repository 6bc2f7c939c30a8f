"""Files, agents and the bank against the receipts: the controls T1, T2 and T3."""

from datetime import date, timedelta

import pyarrow as pa
import pytest

from kokin import receipts as files
from kokin.issues import InvalidInputError
from kokin.reconcile import Policy, bank_deposits, build_accounts, reconcile
from tests.reconcile.accounts_cases import (
    BILLS,
    JUNE_1,
    MAY_1,
    NIGHT,
    books,
    credit,
    finding_rows,
    paid,
    rows,
    run,
    slip,
    table,
)

# --- the three-way example -------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("fee", "credited"), [("netted", 29_302), ("gross", 29_500)])
def test_three_way_example(fee, credited):
    accounts = books(BILLS, NIGHT, Policy(fees={"": 66}, fee=fee), deposits=credit(credited), as_of=JUNE_1)
    assert {control.name: control.holds for control in accounts.controls} == {
        **dict.fromkeys(("T3", "T4", "T5", "T6"), True),
        **dict.fromkeys(("T1", "T2"), None),
    }
    assert rows(accounts.settlements, "receipts", "settled", "fee", "expected", "credited") == [
        (3, 29_500, 198, credited, credited)
    ]
    assert rows(accounts.receivables, "billed", "received", "overpaid", "unpaid") == [(30_000, 29_500, 10_000, 10_500)]
    assert sum(accounts.totals["received"].to_pylist()) == 29_500
    assert rows(accounts.overpayments, "bill_id", "kind", "excess") == [("B1", "double", 10_000)]
    assert finding_rows(accounts) == []
    assert accounts.summary.controls["T3"].holds is True


@pytest.mark.parametrize(
    ("more", "finding"),
    [
        ({"amount": 29_301}, ("SETTLEMENT_MISMATCH", "settled_on 2026-05-20", "29302", "29301")),
        (
            {"amount": 29_302, "credited_on": date(2026, 5, 21)},
            ("MISSING_SETTLEMENT", "settled_on 2026-05-20", "29302", ""),
        ),
        (
            {"amount": 29_301, "agent_code": "010"},
            ("SETTLEMENT_MISMATCH", "settled_on 2026-05-20 010", "29302", "29301"),
        ),
    ],
)
def test_a_bank_that_says_otherwise(more, finding):
    banked = table([{"credited_on": date(2026, 5, 20), **more}])
    accounts = books(BILLS, NIGHT, Policy(fees={"": 66}, fee="netted"), deposits=banked, as_of=JUNE_1)
    assert finding in finding_rows(accounts)
    control = accounts.controls[2]
    assert (control.holds, "2026-05-20" in control.broken) == (False, True)


def test_days_to_come_are_not_missing_yet():
    accounts = books(BILLS, NIGHT, deposits=credit(1).slice(0, 0), as_of=date(2026, 5, 19))
    assert (finding_rows(accounts), accounts.controls[2].holds) == ([], True)


def test_money_without_a_day_is_missing_after_a_month():
    accounts = books(
        BILLS, [paid(BILLS[0]), paid(BILLS[1], day=MAY_1 + timedelta(1))], deposits=credit(1).slice(0, 0), as_of=JUNE_1
    )
    assert finding_rows(accounts, "outcome", "record_no", "found") == [("MISSING_SETTLEMENT", 1, "2026-05-01")]


@pytest.mark.parametrize("layout", ["zengin-01", "zengin-03"])
def test_credits_from_a_bank_file(tmp_path, layout):
    sums = [{"paid_on": day, "amount": yen} for day, yen in ((date(2026, 5, 20), 29_000), (date(2026, 5, 20), 500))]
    extra = {"direction": "1", "transaction": "11"} if layout == "zengin-03" else {}
    files.write([{**row, **extra} for row in sums], tmp_path / "bank.txt", layout)
    banked = bank_deposits(files.read(tmp_path / "bank.txt", layout, reference_date=MAY_1))
    assert rows(banked, "credited_on", "amount") == [(row["paid_on"], row["amount"]) for row in sums]
    assert books(BILLS, NIGHT, deposits=banked, as_of=JUNE_1).controls[2].holds is True


NOTICE = """<?xml version="1.0" encoding="UTF-8"?>
<Document xmlns="urn:iso:std:iso:20022:tech:xsd:camt.054.001.08"><BkToCstmrDbtCdtNtfctn>
<GrpHdr><MsgId>M1</MsgId></GrpHdr><Ntfctn><Id>1</Id>{entries}</Ntfctn></BkToCstmrDbtCdtNtfctn></Document>"""


def entry(yen, direction="CRDT", status="BOOK", reversal="false", reference="R1"):
    return (
        f'<Ntry><Amt Ccy="JPY">{yen}</Amt><CdtDbtInd>{direction}</CdtDbtInd><RvslInd>{reversal}</RvslInd>'
        f"<Sts><Cd>{status}</Cd></Sts><BookgDt><Dt>2026-05-20</Dt></BookgDt>"
        f"<NtryDtls><TxDtls><Refs><AcctSvcrRef>{reference}</AcctSvcrRef></Refs></TxDtls></NtryDtls></Ntry>"
    )


def test_credits_from_a_notice_of_the_bank(tmp_path):
    entries = [
        entry(29_500, status="PDNG"),
        entry(29_500),
        entry(1_000, reference="R2"),
        entry(1_000, "DBIT", reversal="true", reference="R3"),
    ]
    (tmp_path / "notice.xml").write_text(NOTICE.format(entries="".join(entries)), encoding="utf-8")
    banked = bank_deposits(files.read(tmp_path / "notice.xml", "camt.054"))
    assert rows(banked, "credited_on", "amount", "reference") == [
        (date(2026, 5, 20), 29_500, "R1"),
        (date(2026, 5, 20), 1_000, "R2"),
        (date(2026, 5, 20), -1_000, "R3"),
    ]
    assert books(BILLS, NIGHT, deposits=banked, as_of=JUNE_1).controls[2].holds is True


@pytest.mark.parametrize(
    ("kind", "deposits"),
    [("final", [100]), (None, [100]), ("reversal", [-100]), ("provisional", []), ("cancel", [])],
)
def test_only_a_reversal_is_a_negative_deposit(kind, deposits):
    receipts = table(
        [{"paid_on": MAY_1, "amount": 100, "kind": kind}, {"paid_on": MAY_1, "amount": 7, "kind": "final"}]
    )
    assert bank_deposits(receipts)["amount"].to_pylist() == [*deposits, 7]


def test_a_pending_entry_and_its_cancel_are_no_deposits(tmp_path):
    entries = [entry(29_500, status="PDNG"), entry(29_500, "DBIT", "PDNG", "true"), entry(1_000, reference="R2")]
    (tmp_path / "notice.xml").write_text(NOTICE.format(entries="".join(entries)), encoding="utf-8")
    read = files.read(tmp_path / "notice.xml", "camt.054").table
    assert read["kind"].to_pylist() == ["provisional", "cancel", "final"]
    assert read["settled_on"].to_pylist()[:2] == [None, None]
    accounts = books(BILLS, read.to_pylist(), deposits=bank_deposits(read), as_of=JUNE_1)
    assert rows(accounts.settlements, "settled", "cancelled", "expected", "credited") == [(1_000, 0, 1_000, 1_000)]


# --- the bank's charges ----------------------------------------------------------------------------------------------


def charged(net, gross, kept, key, **more):
    """An entry of one transaction from which the bank deducts a charge."""
    detail = (
        f'<Amt Ccy="JPY">{gross}</Amt><CdtDbtInd>{more.get("direction", "CRDT")}</CdtDbtInd>'
        f'<Chrgs><Rcrd><Amt Ccy="JPY">{kept}</Amt></Rcrd></Chrgs>'
        f"<RmtInf><Ustrd>99999-{key}-123456-127</Ustrd></RmtInf></TxDtls>"
    )
    return entry(net, **more).replace("</TxDtls>", detail)


@pytest.mark.parametrize("fee", ["netted", "gross"])
@pytest.mark.parametrize("fees", [{}, {"": 110}])
def test_a_bank_charge_does_not_lower_the_payment(tmp_path, fees, fee):
    """The payer paid 12,300, which settles the bill; the account got 12,190."""
    bill = slip(1, 12_300)
    content = NOTICE.format(entries=charged(12_190, 12_300, 110, bill["case_key"]))
    (tmp_path / "notice.xml").write_text(content, encoding="utf-8")
    read = files.read(tmp_path / "notice.xml", "camt.054").table
    banked = bank_deposits(read)
    assert banked["amount"].to_pylist() == [12_190]
    result = run([bill], read.to_pylist(), Policy(fees=fees, fee=fee))
    accounts = build_accounts(result, deposits=banked, as_of=JUNE_1)
    assert result.outcomes.select(["outcome", "amount"]).to_pylist() == [{"outcome": "MATCHED", "amount": 12_300}]
    assert rows(accounts.settlements, "settled", "fee", "expected", "credited") == [(12_300, 110, 12_190, 12_190)]
    assert accounts.controls[2].holds is True
    assert finding_rows(accounts) == []


def test_a_reversal_returns_the_charge(tmp_path):
    bill = slip(1, 12_300)
    entries = [
        charged(12_190, 12_300, 110, bill["case_key"]),
        charged(12_190, 12_300, 110, bill["case_key"], direction="DBIT", reversal="true", reference="R2"),
    ]
    (tmp_path / "notice.xml").write_text(NOTICE.format(entries="".join(entries)), encoding="utf-8")
    read = files.read(tmp_path / "notice.xml", "camt.054").table
    result = run([bill], read.to_pylist())
    accounts = build_accounts(result, deposits=bank_deposits(read), as_of=JUNE_1)
    assert result.outcomes["outcome"].to_pylist() == ["REVERSED", "REVERSAL"]
    assert rows(accounts.settlements, "settled", "cancelled", "fee", "expected", "credited") == [
        (12_300, 12_300, 0, 0, 0)
    ]
    assert accounts.controls[2].holds is True


def test_a_charge_above_the_amount_is_rejected():
    receipts = table(
        [{"paid_on": MAY_1, "amount": 100, "bank_charge": 100}, {"paid_on": MAY_1, "amount": 1, "bank_charge": 2}]
    )
    with pytest.raises(InvalidInputError) as caught:
        bank_deposits(receipts)
    assert [(one.code, one.field, one.expected, one.found, one.location.record) for one in caught.value.issues] == [
        ("AMOUNT_RANGE", "bank_charge", "at most 1", "2", 2)
    ]


# --- files and reports -----------------------------------------------------------------------------------------------


def test_a_file_and_its_run(tmp_path):
    bills = [slip(n, customer_number=f"C{n}") for n in (1, 2)]
    debits = [
        {
            "paid_on": MAY_1,
            "amount": 10_000,
            "customer_number": f"C{n}",
            "bank_code": "9999",
            "branch_code": "001",
            "account_number": "1",
            "result": "0",
        }
        for n in (1, 2)
    ]
    files.write(debits, tmp_path / "debit.txt", "zengin-91", header={"consignor_name": "ﾃｽﾄｼ"})
    file = files.open(tmp_path / "debit.txt", "zengin-91", reference_date=MAY_1)
    read = pa.Table.from_batches(list(file.batches()))
    billed = table(bills)
    whole = build_accounts(reconcile(billed, read), files={file.digest: file.totals})
    assert (whole.controls[0].left, whole.controls[0].holds) == (20_000, True)
    lost = build_accounts(reconcile(billed, read.slice(1)), files={file.digest: file.totals})
    assert lost.controls[0].broken == ("debit.txt records", "debit.txt amount")
    assert finding_rows(lost, "outcome", "source", "field", "expected", "found") == [
        ("TOTAL_MISMATCH", "debit.txt", "records", "2", "1"),
        ("TOTAL_MISMATCH", "debit.txt", "amount", "20000", "10000"),
    ]


@pytest.mark.parametrize(
    ("change", "wrong"),
    [
        ({}, []),
        ({"amount": 29_499}, [("TOTAL_MISMATCH", 1, "report.amount", "29500", "29499")]),
        ({"count": 2}, [("TOTAL_MISMATCH", 1, "report.count", "3", "2")]),
        ({"last_day": MAY_1, "count": 2, "amount": 19_500}, []),
        ({"agent_code": "010"}, []),
        ({"settled_on": date(2026, 5, 20)}, []),
        ({"agent_code": "020", "count": 0, "amount": 0}, []),
    ],
)
def test_an_agent_report(change, wrong):
    report = {"first_day": MAY_1, "last_day": date(2026, 5, 31), "count": 3, "amount": 29_500, **change}
    accounts = books(BILLS, NIGHT, agent_reports=table([report]))
    assert finding_rows(accounts, "outcome", "record_no", "field", "expected", "found") == wrong
    assert accounts.controls[1].holds is (not wrong)
    assert accounts.controls[1].broken == (("report 1",) if wrong else ())
