"""Files as banks and agencies really send them, from their bytes to the balances of the bills."""

from __future__ import annotations

import io
from datetime import date
from typing import Any

import pyarrow as pa
import pytest

from kokin import receipts
from kokin.reconcile import Policy, build_accounts, overlaps, reconcile

REFERENCE = date(2026, 4, 15)
NUMBERS = ["99999-00000000000000000101-123456-127", "99999-00000000000000000102-123456-127"]
BILLS = pa.table(
    {
        "bill_id": ["B1", "B2"],
        "payee_code": ["99999"] * 2,
        "item_code": ["127"] * 2,
        "case_key": ["101", "102"],
        "confirmation": ["123456"] * 2,
        "amount": [12_300, 5_000],
        "due_on": [date(2026, 6, 1)] * 2,
        "payable_until": [date(2026, 10, 31)] * 2,
        "virtual_account": ["0017654321", "0017654322"],
        "customer_number": ["12345", "12346"],
    }
)


def camt(name: str, *entries: str) -> bytes:
    outer, inner = {
        "052": ("BkToCstmrAcctRpt", "Rpt"),
        "053": ("BkToCstmrStmt", "Stmt"),
        "054": ("BkToCstmrDbtCdtNtfctn", "Ntfctn"),
    }[name]
    return (
        f'<?xml version="1.0" encoding="UTF-8"?><Document xmlns="urn:iso:std:iso:20022:tech:xsd:camt.{name}.001.08">'
        f"<{outer}><GrpHdr><MsgId>M</MsgId></GrpHdr><{inner}><Id>S</Id>{''.join(entries)}</{inner}></{outer}></Document>"
    ).encode()


def entry(
    yen: int, *transactions: str, ref: str = "", sign: str = "CRDT", day: str = "2026-06-01", more: str = ""
) -> str:
    reference = f"<AcctSvcrRef>{ref}</AcctSvcrRef>" if ref else ""
    return (
        f'<Ntry><Amt Ccy="JPY">{yen}</Amt><CdtDbtInd>{sign}</CdtDbtInd>{more}<Sts><Cd>BOOK</Cd></Sts>'
        f"<BookgDt><Dt>{day}</Dt></BookgDt>{reference}<NtryDtls>{''.join(transactions)}</NtryDtls></Ntry>"
    )


def transaction(text: str = "", ref: str = "", yen: int = 0, more: str = "") -> str:
    refs = f"<Refs><AcctSvcrRef>{ref}</AcctSvcrRef></Refs>" if ref else ""
    amount = f'<Amt Ccy="JPY">{yen}</Amt><CdtDbtInd>CRDT</CdtDbtInd>' if yen else ""
    return f"<TxDtls>{refs}{amount}{more}<RmtInf><Ustrd>{text}</Ustrd></RmtInf></TxDtls>"


def written(layout: str, rows: list[dict[str, Any]], **options: Any) -> bytes:
    stream = io.BytesIO()
    receipts.write(rows, stream, layout, **options)
    return stream.getvalue()


def settled(*files: tuple[bytes, str], reference: date = REFERENCE) -> tuple[list[str], dict[str, int]]:
    """The outcomes, sorted, and what is paid on each bill; a rejected record raises."""
    tables = [receipts.read(io.BytesIO(content), layout, reference_date=reference) for content, layout in files]
    result = reconcile(BILLS, tables)
    assert all(control.holds in (True, None) for control in result.controls)
    paid = dict(zip(result.balances["bill_id"].to_pylist(), result.balances["paid"].to_pylist(), strict=True))
    return sorted(result.outcomes["outcome"].to_pylist()), paid


@pytest.mark.parametrize("place", ["entry", "transaction"])
@pytest.mark.parametrize("layouts", [("053", "053"), ("053", "054"), ("054", "053")])
def test_an_entry_that_comes_in_two_messages_is_one_payment(place: str, layouts: tuple[str, str]) -> None:
    at_entry, at_transaction = ("E77", "") if place == "entry" else ("", "E77")
    files = [
        (camt(name, entry(12_300, transaction(NUMBERS[0], at_transaction), ref=at_entry)), f"camt.{name}")
        for name in layouts
    ]
    assert settled(*files) == (["DUPLICATE_RECORD", "MATCHED"], {"B1": 12_300, "B2": 0})


@pytest.mark.parametrize("order", [1, -1])
def test_a_statement_with_the_sum_and_a_notice_with_the_payments_are_one_booking(order: int) -> None:
    total = entry(17_300, "<Btch><NbOfTxs>2</NbOfTxs></Btch>", ref="E90")
    parts = [transaction(NUMBERS[0], "R1", 12_300), transaction(NUMBERS[1], "R2", 5_000)]
    files = [(camt("053", total), "camt.053"), (camt("054", entry(17_300, *parts, ref="E90")), "camt.054")][::order]
    assert settled(*files) == (["DUPLICATE_RECORD", "MATCHED", "MATCHED"], {"B1": 12_300, "B2": 5_000})


def test_a_credit_that_the_bank_reverses_is_not_paid() -> None:
    back = entry(12_300, transaction(NUMBERS[0], "R2"), sign="DBIT", day="2026-06-03", more="<RvslInd>true</RvslInd>")
    content = camt("053", entry(12_300, transaction(NUMBERS[0], "R1")), back)
    assert settled((content, "camt.053")) == (["REVERSAL", "REVERSED"], {"B1": 0, "B2": 0})


def transfer(yen: int, account: str, day: date, **more: Any) -> dict[str, Any]:
    return {"amount": yen, "virtual_account": account, "paid_on": day, **more}


@pytest.mark.parametrize("order", [1, -1])
@pytest.mark.parametrize("reference", ["000001", "000000"])
def test_a_cancelled_transfer_is_not_paid(order: int, reference: str) -> None:
    first = written("zengin-01", [transfer(12_300, "0017654321", date(2026, 4, 1), reference=reference)])
    back = transfer(12_300, "0017654321", date(2026, 4, 2), reference="000009", kind="reversal")
    files = [(first, "zengin-01"), (written("zengin-01", [back]), "zengin-01")][::order]
    assert settled(*files) == (["REVERSAL", "REVERSED"], {"B1": 0, "B2": 0})


HEADER = {"bank_code": "9999", "branch_code": "001", "account_type": "1", "account_number": "7654321"}


def test_statements_of_overlapping_days_count_a_transfer_once() -> None:
    one = transfer(12_300, "0017654321", date(2026, 4, 1), reference="000001")
    two = transfer(5_000, "0017654322", date(2026, 4, 3), reference="000002")
    three = transfer(700, "0017654322", date(2026, 4, 7), reference="000001")
    first, second = (written("zengin-01", rows, header=HEADER) for rows in ([one, two], [two, three]))
    found = settled((first, "zengin-01"), (second, "zengin-01"))
    assert found == (["DUPLICATE_PAYMENT", "DUPLICATE_RECORD", "MATCHED", "MATCHED"], {"B1": 12_300, "B2": 5_000})
    tables = [receipts.read(io.BytesIO(each), "zengin-01", reference_date=REFERENCE) for each in (first, second)]
    assert [(row["records"], row["repeated"]) for row in overlaps(tables).to_pylist()] == [(2, 1)]


@pytest.mark.parametrize("newline", ["", "LF", "CR"])
def test_a_debit_result_with_other_newlines_adds_nothing(newline: str) -> None:
    rows = [
        {"amount": yen, "customer_number": number, "paid_on": date(2026, 3, 31), "account_number": account}
        for yen, number, account in ((12_300, "12345", "1111111"), (5_000, "12346", "2222222"))
    ]
    first, again = (written("zengin-91", rows, newline=style) for style in ("CRLF", newline))
    assert first != again
    expected = ["DUPLICATE_RECORD", "DUPLICATE_RECORD", "MATCHED", "MATCHED"]
    assert settled((first, "zengin-91"), (again, "zengin-91")) == (expected, {"B1": 12_300, "B2": 5_000})


def test_charges_beside_a_transaction_do_not_lower_what_the_payer_paid() -> None:
    charge = '<Chrgs><Rcrd><Amt Ccy="JPY">110</Amt><CdtDbtInd>DBIT</CdtDbtInd></Rcrd></Chrgs>'
    one = entry(12_190, transaction(NUMBERS[0], "R1", 12_300, charge))
    content = camt("054", one, entry(5_000, transaction(NUMBERS[1], "R2")))
    assert settled((content, "camt.054")) == (["MATCHED", "MATCHED"], {"B1": 12_300, "B2": 5_000})


@pytest.mark.parametrize(
    "text",
    [
        f"<![CDATA[<?xml version='1.0' encoding='UTF-8'?><edi><no>{NUMBERS[0]}</no></edi>]]>",
        f"<!-- <?xml version='1.0'?> -->{NUMBERS[0]}",
        f"{NUMBERS[0][:9]}<!-- c -->{NUMBERS[0][9:]}",
        f"{NUMBERS[0][:9]}<?pi x?>{NUMBERS[0][9:]}",
    ],
)
def test_a_number_within_markup_is_found(text: str) -> None:
    content = camt("054", entry(12_300, transaction(text, "R1")))
    assert settled((content, "camt.054")) == (["MATCHED"], {"B1": 12_300, "B2": 0})


def test_a_comment_within_an_amount_is_no_part_of_it() -> None:
    content = camt("054", entry(12_300, transaction(NUMBERS[0], "R1"))).replace(b">12300<", b">123<!-- c -->00<")
    assert settled((content, "camt.054")) == (["MATCHED"], {"B1": 12_300, "B2": 0})


@pytest.mark.parametrize("between", [" ", "</Ustrd><Ustrd>", ";"])
def test_a_transfer_that_names_two_bills_stays_in_suspense(between: str) -> None:
    content = camt("053", entry(17_300, transaction(between.join(NUMBERS), "R1")))
    assert settled((content, "camt.053")) == (["MULTIPLE_BILLS"], {"B1": 0, "B2": 0})
    result = reconcile(BILLS, receipts.read(io.BytesIO(content), "camt.053"))
    found = result.exceptions["found"][0].as_py()
    assert all(number.split("-")[1] in found for number in NUMBERS)


SATURDAY, MONDAY = date(2026, 10, 31), date(2026, 11, 2)


def dated(
    name: str, value_day: date | None, booked_day: date | None, status: str = "BOOK", reference: str = "E1"
) -> Any:
    """Return a message with a payment of bill B1, and its layout."""
    days = [("BookgDt", booked_day), ("ValDt", value_day)]
    inside = "".join(f"<{tag}><Dt>{day}</Dt></{tag}>" for tag, day in days if day)
    content = camt(name, entry(12_300, transaction(NUMBERS[0]), ref=reference)).decode()
    content = content.replace("<BookgDt><Dt>2026-06-01</Dt></BookgDt>", inside).replace("BOOK", status)
    return content.encode(), f"camt.{name}"


def on_a_holiday(layout: str) -> bytes:
    """Return a transfer of Saturday 2026-10-31 that the bank books on Monday."""
    if layout == "camt.053":
        content: bytes = dated("053", SATURDAY, MONDAY)[0]
        return content
    row = transfer(12_300, "0017654321", SATURDAY, received_on=MONDAY, direction="1", transaction="11")
    return written(layout, [row])


@pytest.mark.parametrize("layout", ["zengin-01", "zengin-03", "camt.053"])
def test_the_day_of_payment_is_the_value_day(layout: str) -> None:
    """It is in time on a slip payable until Saturday."""
    table = receipts.read(io.BytesIO(on_a_holiday(layout)), layout, reference_date=date(2026, 11, 3))
    (row,) = table.table.select(["paid_on", "received_on"]).to_pylist()
    assert row == {"paid_on": SATURDAY, "received_on": MONDAY}
    accounts = build_accounts(reconcile(BILLS, table, Policy()))
    assert accounts.exceptions["outcome"].to_pylist() == []


@pytest.mark.parametrize("days", [(SATURDAY, None), (SATURDAY, MONDAY)])
def test_a_report_before_the_booking_and_the_statement_are_one_payment(days: Any) -> None:
    """camt.052 comes during the day, at times without the day of booking."""
    files = dated("052", *days), dated("053", SATURDAY, MONDAY)
    assert settled(*files) == (["DUPLICATE_RECORD", "MATCHED"], {"B1": 12_300, "B2": 0})


@pytest.mark.parametrize("days", [(SATURDAY, None), (SATURDAY, SATURDAY)])
def test_a_pending_transfer_is_superseded_by_the_booked_one(days: Any) -> None:
    files = dated("052", *days, "PDNG"), dated("053", SATURDAY, MONDAY)
    assert settled(*files) == (["MATCHED", "SUPERSEDED"], {"B1": 12_300, "B2": 0})


CHARGE = '<Chrgs><Rcrd><Amt Ccy="JPY">110</Amt><CdtDbtInd>DBIT</CdtDbtInd></Rcrd></Chrgs>'
NET = entry(12_190, ref="E77")
GROSS = entry(12_190, transaction(NUMBERS[0], yen=12_300, more=CHARGE), ref="E77")


@pytest.mark.parametrize(
    "notice",
    [
        GROSS,
        entry(12_190, transaction(NUMBERS[0], yen=12_300), ref="E77").replace("<NtryDtls>", f"{CHARGE}<NtryDtls>"),
        entry(12_190, transaction(NUMBERS[0], "T1", 12_300, CHARGE), ref="E77"),
    ],
)
@pytest.mark.parametrize("order", [1, -1])
def test_a_statement_with_the_net_amount_and_a_notice_with_the_charge_are_one_payment(notice: str, order: int) -> None:
    """The entry reached the account less the charge; the payer paid what the transaction says."""
    files = [(camt("053", NET), "camt.053"), (camt("054", notice), "camt.054")][::order]
    assert settled(*files) == (["DUPLICATE_RECORD", "MATCHED"], {"B1": 12_300, "B2": 0})
    tables = [receipts.read(io.BytesIO(content), layout).table for content, layout in files]
    assert "KEY_REUSED" not in build_accounts(reconcile(BILLS, tables)).exceptions["outcome"].to_pylist()


def test_a_net_amount_that_names_another_bill_is_another_payment() -> None:
    other = entry(12_190, transaction(NUMBERS[1]), ref="E77")
    outcomes, paid = settled((camt("053", other), "camt.053"), (camt("054", GROSS), "camt.054"))
    assert (outcomes, paid) == (["MATCHED", "OVERPAID"], {"B1": 12_300, "B2": 5_000})


@pytest.mark.parametrize(("yen", "day"), [(12_189, "2026-06-01"), (12_190, "2026-06-02")])
def test_another_net_amount_or_day_is_another_payment(yen: int, day: str) -> None:
    files = (camt("053", entry(yen, ref="E77", day=day)), "camt.053"), (camt("054", GROSS), "camt.054")
    assert settled(*files) == (["KEY_MISSING", "MATCHED"], {"B1": 12_300, "B2": 0})
