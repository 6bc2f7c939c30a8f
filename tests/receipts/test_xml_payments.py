"""Entries of ISO 20022 messages: texts, dates, amounts, charges, keys, references, reversals."""

from __future__ import annotations

import io
import re
from datetime import date
from pathlib import Path

import pytest

from kokin import receipts
from kokin.receipts import layouts

A = "99999-00000000001234567890-123456-127"
B = "99999-00000000001234567891-123456-127"
NAMES = {"camt.052": "Rpt", "camt.053": "Stmt", "camt.054": "Ntfctn"}


def message(entries: str, before: str = "", name: str = "camt.054") -> str:
    report = NAMES[name]
    return (
        f'<?xml version="1.0" encoding="UTF-8"?><Document xmlns="urn:iso:std:iso:20022:tech:xsd:{name}.001.08"><Msg>'
        f"<{report}><Id>1</Id>{before}{entries}</{report}></Msg></Document>"
    )


def entry(
    amount: str = "12300",
    inside: str = "",
    *,
    after: str = "",
    direction: str = "CRDT",
    status: str = "BOOK",
    day: str = "<Dt>2026-06-01</Dt>",
    reversal: str = "",
    currency: str = "JPY",
) -> str:
    """Return an entry with ``inside`` before its details; ``after`` is its details and what follows them."""
    return (
        f'<Ntry><Amt Ccy="{currency}">{amount}</Amt><CdtDbtInd>{direction}</CdtDbtInd>'
        f"{f'<RvslInd>{reversal}</RvslInd>' if reversal else ''}<Sts><Cd>{status}</Cd></Sts><BookgDt>{day}</BookgDt>"
        f"{inside}{after}</Ntry>"
    )


def details(*transactions: str) -> str:
    return f"<NtryDtls>{''.join(f'<TxDtls>{each}</TxDtls>' for each in transactions)}</NtryDtls>"


def yen(amount: str, direction: str = "", currency: str = "JPY") -> str:
    indicator = f"<CdtDbtInd>{direction}</CdtDbtInd>" if direction else ""
    return f'<Amt Ccy="{currency}">{amount}</Amt>{indicator}'


def text(*lines: str) -> str:
    return "<RmtInf>" + "".join(f"<Ustrd>{line}</Ustrd>" for line in lines) + "</RmtInf>"


def references(*values: str) -> str:
    each = "".join(f"<Strd><CdtrRefInf><Ref>{value}</Ref></CdtrRefInf></Strd>" for value in values)
    return f"<RmtInf>{each}</RmtInf>"


def opened(content: str, layout: str = "camt.054") -> receipts.ReceiptFile:
    return receipts.open(io.BytesIO(content.encode()), layout)


def only(content: str, layout: str = "camt.054") -> receipts.Receipt:
    (receipt,) = opened(content, layout)
    return receipt


def issues_of(content: str) -> list[tuple[int | None, str, str]]:
    """Return record, code and field of each issue of a file that is not rejected."""
    file = opened(content)
    list(file.batches())
    assert file.totals.rejected == len({issue.location.record for issue in file.issues if issue.is_error})
    return [(issue.location.record, issue.code, issue.field) for issue in file.issues]


def fatal_issues(content: str) -> list[tuple[str, str, str, str]]:
    """Return code, field, expected and found of each issue that rejects a file."""
    file = opened(content)
    with pytest.raises(receipts.FileRejectedError):
        list(file.batches())
    return [(issue.code, issue.field, issue.expected, issue.found) for issue in file.fatal_issues]


# --- Text ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "amount",
    [
        "7<!-- 1 -->0545",
        "7<?p 1?>0545",
        "7<![CDATA[05]]>45",
        "<![CDATA[70545]]>",
        "<!-- 1 -->70545<!-- 2 -->",
        "&#55;0545",
    ],
)
def test_the_text_of_an_element_is_its_whole_text(amount: str) -> None:
    assert only(message(entry(amount))).amount == 70_545


@pytest.mark.parametrize(
    ("part", "field"),
    [
        (entry("7<b>0545</b>"), "amount"),
        (entry("<b>70545</b>"), "amount"),
        (entry(day="<Dt>2026<b/>-06-01</Dt>"), "booked_day"),
        (entry(after=details(text(f"{A}<b/>"))), "el_case_key"),
        (entry("70545", "<AcctSvcrRef>R<b/>1</AcctSvcrRef>"), "servicer_reference"),
        (entry(after=details(yen("7<b>0545</b>"), yen("1"))), "amount"),
    ],
)
def test_an_element_within_a_value_rejects_the_record(part: str, field: str) -> None:
    content = message(part + entry("5"))
    found = issues_of(content)
    assert (1, "XML_ELEMENT", field) in found
    assert {code for record, code, _ in found if record == 1} == {"XML_ELEMENT"}
    assert [receipt.amount for receipt in opened(content)][-1] == 5


@pytest.mark.parametrize(
    ("number", "rejected"),
    [
        ("2<!-- 9 -->", []),
        ("<!-- 9 -->2", []),
        ("9<!-- 9 -->", [("TOTAL_MISMATCH", "TtlNtries.NbOfNtries", "2", "9")]),
        ("2<!-- 9 -->9", [("TOTAL_MISMATCH", "TtlNtries.NbOfNtries", "2", "29")]),
        ("2<b>9</b>", [("XML_ELEMENT", "TtlNtries.NbOfNtries", "", "")]),
        ("two", [("TOTAL_MISMATCH", "TtlNtries.NbOfNtries", "2", "***")]),
    ],
)
def test_the_text_of_a_summary(number: str, rejected: list[tuple[str, str, str, str]]) -> None:
    summary = f"<TxsSummry><TtlNtries><NbOfNtries>{number}</NbOfNtries></TtlNtries></TxsSummry>"
    content = message(entry("1") + entry("2"), summary)
    if rejected:
        assert fatal_issues(content) == rejected
    else:
        assert [receipt.amount for receipt in opened(content)] == [1, 2]


@pytest.mark.parametrize("inner", [entry("1"), details(details("")), f"<NtryDtls>{entry('1')}</NtryDtls>", "<TxDtls/>"])
def test_entries_and_transactions_do_not_contain_one_another(inner: str) -> None:
    (issue,) = fatal_issues(message(entry(after=inner)))
    assert issue[0] == "XML_INVALID"


def test_an_extension_may_have_elements_of_the_same_names() -> None:
    extension = f'<SplmtryData><Envlp xmlns="urn:bank">{entry("1", after=details(yen("1")))}</Envlp></SplmtryData>'
    assert only(message(entry(after=details(text(A) + extension) + extension))).amount == 12_300


# --- Values of XML Schema --------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("day", "paid_on"),
    [
        ("<Dt>2026-06-01</Dt>", date(2026, 6, 1)),
        ("<Dt>\n 2026-06-01\t</Dt>", date(2026, 6, 1)),
        ("<Dt>2026-06-01+09:00</Dt>", date(2026, 6, 1)),
        ("<Dt>2026-06-01-14:00</Dt>", date(2026, 6, 1)),
        ("<Dt>2026-06-01Z</Dt>", date(2026, 6, 1)),
        ("<DtTm>2026-06-01T14:59:59.999999999Z</DtTm>", date(2026, 6, 1)),
        ("<DtTm>2026-06-01T15:00:00Z</DtTm>", date(2026, 6, 2)),
        ("<DtTm>2026-06-01T15:00:00.1-00:00</DtTm>", date(2026, 6, 2)),
        ("<DtTm>2026-06-01T23:59:59+09:00</DtTm>", date(2026, 6, 1)),
        ("<DtTm>2026-06-02T04:59:59+14:00</DtTm>", date(2026, 6, 1)),
        ("<DtTm>2026-05-31T10:00:00-14:00</DtTm>", date(2026, 6, 1)),
        ("<DtTm>2026-06-01T00:30:00+05:45</DtTm>", date(2026, 6, 1)),
        ("<DtTm>2026-06-01T20:00:00</DtTm>", date(2026, 6, 1)),
        ("<DtTm>2026-05-31T24:00:00</DtTm>", date(2026, 6, 1)),
        ("<DtTm>2026-05-31T24:00:00.000+09:00</DtTm>", date(2026, 6, 1)),
    ],
)
def test_every_form_of_a_date(day: str, paid_on: date) -> None:
    assert only(message(entry(day=day))).paid_on == paid_on


@pytest.mark.parametrize(
    "day",
    [
        "<DtTm>9999-12-31T23:59:59-14:00</DtTm>",
        "<DtTm>9999-12-31T24:00:00</DtTm>",
        "<DtTm>0001-01-01T00:00:00+14:00</DtTm>",
        "<Dt>0000-01-01</Dt>",
        "<Dt>2026-02-30</Dt>",
        "<Dt>2026-06-01+14:01</Dt>",
        "<Dt>2026-06-01+9:00</Dt>",
        "<Dt>20260601</Dt>",
        "<Dt>2026-6-1</Dt>",
        "<Dt>26-06-01</Dt>",
        "<Dt>-2026-06-01</Dt>",
        "<Dt>２０２６-06-01</Dt>",
        "<DtTm>2026-06-01T24:00:01</DtTm>",
        "<DtTm>2026-06-01T25:00:00</DtTm>",
        "<DtTm>2026-06-01T12:00:60</DtTm>",
        "<DtTm>2026-06-01T12:00</DtTm>",
        "<DtTm>2026-06-01 12:00:00</DtTm>",
        "<DtTm>2026-06-01T12:00:00+15:00</DtTm>",
    ],
)
def test_an_invalid_date_is_an_issue(day: str) -> None:
    assert issues_of(message(entry(day=day))) == [(1, "DATE_INVALID", "booked_day")]


@pytest.mark.parametrize(
    "amount", ["12300", "12300.", "+12300", "012300", "12300.00", "+0012300.0", " 12300\n", "0" * 50 + "12300"]
)
def test_every_form_of_an_amount(amount: str) -> None:
    assert only(message(entry(amount))).amount == 12_300


@pytest.mark.parametrize(
    ("amount", "code"),
    [
        ("-12300", "NOT_DIGITS"),
        ("1e3", "NOT_DIGITS"),
        ("NaN", "NOT_DIGITS"),
        ("INF", "NOT_DIGITS"),
        ("12,300", "NOT_DIGITS"),
        ("12_300", "NOT_DIGITS"),
        ("12 300", "NOT_DIGITS"),
        (".", "NOT_DIGITS"),
        ("+", "NOT_DIGITS"),
        ("１２３００", "NOT_DIGITS"),
        ("\u00a012300", "NOT_DIGITS"),
        ("9" * 5000, "NOT_DIGITS"),
        ("12300.5", "AMOUNT_FRACTION"),
        (".5", "AMOUNT_FRACTION"),
        ("", "FIELD_MISSING"),
    ],
)
def test_an_invalid_amount_is_an_issue(amount: str, code: str) -> None:
    assert issues_of(message(entry(amount))) == [(1, code, "amount")]


def test_an_amount_above_the_maximum_is_an_issue() -> None:
    assert issues_of(message(entry("100000000000"))) == [(1, "AMOUNT_RANGE", "amount")]


@pytest.mark.parametrize(
    ("reversal", "kind"),
    [("true", "reversal"), ("1", "reversal"), (" true\n", "reversal"), ("0", None), ("false", None)],
)
def test_every_form_of_a_boolean(reversal: str, kind: str | None) -> None:
    found = [receipt.kind.value for receipt in opened(message(entry(direction="DBIT", reversal=reversal)))]
    assert found == ([kind] if kind else [])


def test_blanks_around_and_newlines_within_a_text() -> None:
    party = "<RltdPties><Dbtr><Pty><Nm>\n  公金\n  花子\n</Nm></Pty></Dbtr></RltdPties>"
    receipt = only(
        message(entry(after=details("<Refs><AcctSvcrRef>\n R1 \t</AcctSvcrRef></Refs>" + party + text(f"\n{A}\n"))))
    )
    assert (receipt.case_key, receipt.name) == ("00000000001234567890", "公金   花子")


# --- An entry and its transactions -----------------------------------------------------------------------------------


def charge(amount: str, direction: str = "DBIT", currency: str = "JPY") -> str:
    indicator = f"<CdtDbtInd>{direction}</CdtDbtInd>" if direction else ""
    return f'<Chrgs><Rcrd><Amt Ccy="{currency}">{amount}</Amt>{indicator}</Rcrd></Chrgs>'


def total_charge(amount: str) -> str:
    return f'<Chrgs><TtlChrgsAndTaxAmt Ccy="JPY">{amount}</TtlChrgsAndTaxAmt></Chrgs>'


@pytest.mark.parametrize(
    "part",
    [
        pytest.param(entry("12190", after=details(yen("12300") + charge("110"))), id="at the transaction"),
        pytest.param(entry("12190", charge("110"), after=details(yen("12300"))), id="at the entry"),
        pytest.param(entry("12190", charge("110"), after=details(yen("12300") + charge("110"))), id="at both, once"),
        pytest.param(entry("12080", charge("110"), after=details(yen("12300") + charge("110"))), id="at both, two"),
        pytest.param(entry("12190", charge("110", ""), after=details(yen("12300"))), id="without direction"),
        pytest.param(entry("12190", total_charge("110"), after=details(yen("12300"))), id="total only"),
        pytest.param(
            entry(
                "12190",
                f'<Chrgs><TtlChrgsAndTaxAmt Ccy="JPY">110</TtlChrgsAndTaxAmt>{charge("100")[7:-8]}</Chrgs>',
                after=details(yen("12300")),
            ),
            id="total with tax",
        ),
        pytest.param(
            entry("12190", '<Chrgs><Amt Ccy="JPY">110</Amt></Chrgs>', after=details(yen("12300"))), id="version 02"
        ),
        pytest.param(entry("12190", charge("54.5") + charge("55.5"), after=details(yen("12300"))), id="fractions"),
        pytest.param(entry("12310", charge("10", "CRDT"), after=details(yen("12300"))), id="credited"),
        pytest.param(entry("12300", charge("110"), after=details(yen("12300"))), id="not deducted"),
    ],
)
def test_charges_explain_the_difference_between_an_entry_and_its_transactions(part: str) -> None:
    content = message(part + entry("5000"))
    assert [receipt.amount for receipt in opened(content)] == [12_300, 5_000]
    assert not opened(content).totals.rejected


def test_charges_of_several_transactions_and_of_a_reversal() -> None:
    several = details(yen("12300") + charge("110"), yen("5000") + charge("55"))
    assert [receipt.amount for receipt in opened(message(entry("17135", after=several)))] == [12_300, 5_000]
    back = entry("12190", total_charge("110"), after=details(yen("12300")), direction="DBIT", reversal="true")
    assert only(message(back)).amount == 12_300


@pytest.mark.parametrize(
    ("part", "charges"),
    [
        pytest.param(entry("12300", charge("110"), after=details(yen("12300"))), [None], id="not deducted"),
        pytest.param(entry("12190", after=details(yen("12300") + charge("110"))), [110], id="at the transaction"),
        pytest.param(entry("12190", charge("110"), after=details(yen("12300"))), [110], id="at the entry"),
        pytest.param(entry("12190", charge("110"), after=details(yen("12300") + charge("110"))), [110], id="once"),
        pytest.param(entry("12080", charge("110"), after=details(yen("12300") + charge("110"))), [220], id="two"),
        pytest.param(entry("12310", charge("10", "CRDT"), after=details(yen("12300"))), [-10], id="added"),
        pytest.param(
            entry("17135", after=details(yen("12300") + charge("110"), yen("5000") + charge("55"))), [110, 55],
            id="of each",
        ),
        pytest.param(
            entry("17245", after=details(yen("12300"), yen("5000") + charge("55"))), [None, 55], id="of the second"
        ),
        pytest.param(
            entry("17190", charge("110"), after=details(yen("12300"), yen("5000"))), [110, None], id="of the entry"
        ),
        pytest.param(
            entry("12290", charge("110"), after=details(yen("100"), yen("12300"))), [None, 110],
            id="of the first that covers it",
        ),
        pytest.param(
            entry("17190", after=details(yen("12300") + charge("54.5"), yen("5000") + charge("55.5"))), [110, None],
            id="fractions",
        ),
        pytest.param(
            entry("12190", total_charge("110"), after=details(yen("12300")), direction="DBIT", reversal="true"), [110],
            id="of a reversal",
        ),
    ],
)  # fmt: skip
def test_the_bank_s_charge_of_a_payment(part: str, charges: list[int | None]) -> None:
    assert [receipt.bank_charge for receipt in opened(message(part))] == charges
    assert opened(message(part)).table()["bank_charge"].to_pylist() == charges


def test_charges_of_an_entry_with_released_transactions(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("kokin.receipts._xml_entries._MAX_PENDING", 2)
    file = opened(message(entry("2970", after=details(*[yen("1000") + charge("10")] * 3))))
    assert [receipt.bank_charge for receipt in file] == [None, None, 30]


def test_a_charge_with_a_fraction_of_a_yen_rejects_the_entry() -> None:
    part = entry("12189.5", after=details(yen("12300") + charge("110.5")))
    assert issues_of(message(part)) == [(1, "AMOUNT_FRACTION", "Ntry.Amt")]


@pytest.mark.parametrize(
    ("part", "records", "found"),
    [
        (entry("12190", after=details(yen("12300"))), 1, ("12300", "12190")),
        (entry("12190", charge("100"), after=details(yen("12300"))), 1, ("12300", "12190")),
        (entry("12190", charge("110.5"), after=details(yen("12300"))), 1, ("12300", "12190")),
        (entry("12190", charge("110", "DBIT", "USD"), after=details(yen("12300"))), 1, ("12300", "12190")),
        (entry("12410", charge("110"), after=details(yen("12300"))), 1, ("12300", "12410")),
        (entry("17300.5", after=details(yen("12300"), yen("5000"))), 2, ("17300", "17300.5")),
        (entry("22300", after=details(yen("12300"), yen("10000", "DBIT"))), 2, ("2300", "22300")),
        (entry("12300", after=details(yen("12300", "DBIT"))), 1, ("-12300", "12300")),
    ],
)
def test_an_entry_that_differs_from_its_transactions_is_rejected_and_no_other(
    part: str, records: int, found: tuple[str, str]
) -> None:
    content = message(part + entry("5000"))
    file = opened(content)
    assert [receipt.amount for receipt in file] == [5_000]
    at = content.index("<Ntry>")
    assert [(i.code, i.field, i.expected, i.found, i.location.record, i.location.byte) for i in file.issues] == [
        ("TOTAL_MISMATCH", "Ntry.Amt", *found, record, at) for record in range(1, records + 1)
    ]
    assert file.totals.rejected == records


def test_the_direction_of_each_transaction_counts() -> None:
    file = opened(message(entry("2300", after=details(yen("12300", "CRDT"), yen("10000", "DBIT")))))
    assert [receipt.amount for receipt in file] == [12_300]
    assert (file.totals.unpaid, file.totals.unpaid_yen) == (1, 10_000)


def test_an_entry_with_a_transaction_without_amount_is_not_compared() -> None:
    assert issues_of(message(entry("1000", after=details(yen("400"), "")))) == [(2, "FIELD_MISSING", "amount")]


def test_a_different_entry_with_released_transactions_rejects_the_file(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("kokin.receipts._xml_entries._MAX_PENDING", 2)
    three = [yen("1"), yen("2"), yen("3"), yen("4")]
    assert [receipt.amount for receipt in opened(message(entry("10", after=details(*three))))] == [1, 2, 3, 4]
    assert fatal_issues(message(entry("11", after=details(*three)))) == [("TOTAL_MISMATCH", "Ntry.Amt", "10", "11")]


def in_details(name: str, amount: str, currency: str) -> str:
    return f'<AmtDtls><{name}><Amt Ccy="{currency}">{amount}</Amt></{name}></AmtDtls>'


@pytest.mark.parametrize(
    "inside",
    [
        pytest.param(details(yen("80", currency="USD") + in_details("TxAmt", "12300", "JPY")), id="TxAmt"),
        pytest.param(details(yen("80", currency="USD") + in_details("CntrValAmt", "12300", "JPY")), id="CntrValAmt"),
        pytest.param(details(in_details("TxAmt", "80", "USD")), id="the entry of a single transaction"),
        pytest.param(details(in_details("InstdAmt", "80", "USD") + yen("12300")), id="InstdAmt is not the amount"),
    ],
)
def test_the_amount_in_yen_of_a_transfer_from_abroad(inside: str) -> None:
    assert only(message(entry("12300", after=inside))).amount == 12_300


def test_yen_and_dollars_are_never_added() -> None:
    content = message(entry("12300", after=details(yen("12300"), yen("80", currency="USD"))))
    assert [receipt.amount for receipt in opened(content)] == [12_300]
    assert issues_of(content) == [(2, "CURRENCY", "amount")]
    assert issues_of(message(entry("80", currency="USD", after=details(yen("12300"))))) == [(1, "CURRENCY", "Ntry.Amt")]


@pytest.mark.parametrize(
    ("declared", "agrees"),
    [
        ("17300", True),
        ("17300.00", True),
        ("+017300.", True),
        ("17300.99", False),
        ("17299.99", False),
        ("17301", False),
    ],
)
def test_a_declared_sum_is_compared_with_its_fraction(declared: str, agrees: bool) -> None:
    content = message(
        entry("12300") + entry("5000"), f"<TxsSummry><TtlNtries><Sum>{declared}</Sum></TtlNtries></TxsSummry>"
    )
    if agrees:
        assert len(list(opened(content))) == 2
    else:
        assert fatal_issues(content) == [("TOTAL_MISMATCH", "TtlNtries.Sum", "17300", declared)]


# --- Keys ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("inside", "case_key", "customer_number", "other_keys"),
    [
        (text(A), A, None, None),
        (text(f"{A} {A}"), A, None, None),
        (text(A, A), A, None, None),
        (text(f"{A} {B}"), A, None, B),
        (text(f"料金 {B}、{A} 計17300円"), B, None, A),
        (text(A, B), A, None, B),
        (text(A) + references(B), A, None, B),
        (text(A) + references(A), A, None, None),
        (text("公金") + references(B), B, None, None),
        (references("C1", "C2", "C1", "C3"), None, "C1", "C2;C3"),
        (references("C1", "C1"), None, "C1", None),
        (references("X" * 21, "C1"), None, "C1", None),
        (text(A) + references("C1"), A, "C1", None),
        (text("公金") + f"<AddtlTxInf>{A}</AddtlTxInf>", A, None, None),
        (text(A) + f"<AddtlTxInf>{B}</AddtlTxInf>", A, None, B),
        (text(f"1{A} {B}1"), None, None, None),
    ],
)
def test_the_keys_that_a_payment_names(
    inside: str, case_key: str | None, customer_number: str | None, other_keys: str | None
) -> None:
    receipt = only(message(entry(after=details(inside))))
    assert (receipt.case_key, receipt.customer_number) == (case_key and case_key[6:26], customer_number)
    assert receipt.other_keys == other_keys


def test_other_keys_are_limited_to_the_length_of_the_column() -> None:
    many = [f"99999-{number:020d}-123456-127" for number in range(50)]
    receipt = only(message(entry(after=details(text(*many)))))
    assert receipt.other_keys == ";".join(many[1:11])
    assert len(receipt.other_keys) <= 400


def test_the_text_of_an_entry_names_the_key_of_a_single_transaction() -> None:
    information = f"<AddtlNtryInf>{A}</AddtlNtryInf>"
    assert only(message(entry(after=information))).case_key == A[6:26]
    assert only(message(entry(after=details("") + information))).case_key == A[6:26]
    assert only(message(entry(after=details(text(B)) + information))).other_keys == A
    file = opened(message(entry("3", after=details(yen("1"), yen("2") + text(B)) + information)))
    assert [(receipt.case_key, receipt.other_keys) for receipt in file] == [(None, None), (B[6:26], None)]


def test_a_layout_names_the_fields_that_may_find_other_keys() -> None:
    text = (Path(layouts.__file__).parent / "camt.054.toml").read_text(encoding="utf-8")
    for name in ("nothing", "debtor_name", "event"):
        with pytest.raises(layouts.LayoutError, match=r"other_keys\).others"):
            layouts.parse(text.replace('others = ["el_number"', f'others = ["{name}"'), "custom")


# --- References ------------------------------------------------------------------------------------------------------

E, OWN = "<AcctSvcrRef>E1</AcctSvcrRef>", "<Refs><AcctSvcrRef>T{}</AcctSvcrRef></Refs>"
LIKE_ENTRY = "<Refs><AcctSvcrRef>E1</AcctSvcrRef></Refs>"
NOTHING = "<Refs><AcctSvcrRef>NOTPROVIDED</AcctSvcrRef></Refs>"
BATCH = "<NtryDtls><Btch><NbOfTxs>2</NbOfTxs></Btch></NtryDtls>"


@pytest.mark.parametrize(
    ("part", "keys"),
    [
        pytest.param(entry("3", E), [("E1", None)], id="no details"),
        pytest.param(entry("3", E, after=BATCH), [("E1", None)], id="batch"),
        pytest.param(entry("3", E, after=details("")), [("E1", None)], id="one without a reference"),
        pytest.param(entry("3", E, after=details(NOTHING)), [("E1", None)], id="one with a reference of nothing"),
        pytest.param(entry("3", E, after=details(LIKE_ENTRY)), [("E1", None)], id="one with the same"),
        pytest.param(entry("3", E, after=details(OWN.format(1))), [("T1", "E1")], id="one with its own"),
        pytest.param(entry("3", after=details(OWN.format(1))), [("T1", None)], id="none at the entry"),
        pytest.param(entry("3"), [(None, None)], id="none at all"),
        pytest.param(entry("3", "<NtryRef>1</NtryRef>"), [(None, None)], id="a number of the entry in the file"),
        pytest.param(entry("3", E.replace("E1", "0000")), [(None, None)], id="zeros"),
        pytest.param(
            entry("3", E, after=details(OWN.format(1) + yen("1"), OWN.format(2) + yen("2"))),
            [("T1", "E1"), ("T2", "E1")],
            id="several with their own",
        ),
        pytest.param(entry("3", E, after=details(yen("1"), yen("2"))), [(None, "E1")] * 2, id="several without"),
        pytest.param(
            entry("3", E, after=details(LIKE_ENTRY + yen("1"), LIKE_ENTRY + yen("2"))),
            [(None, "E1")] * 2,
            id="several alike",
        ),
    ],
)
def test_the_reference_of_a_payment_and_of_its_entry(part: str, keys: list[tuple[str | None, str | None]]) -> None:
    assert [(receipt.provider_key, receipt.batch_key) for receipt in opened(message(part))] == keys


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("mark", ["CODU", "COPY", "DUPL"])
def test_a_message_that_the_bank_marks_as_a_copy(name: str, mark: str) -> None:
    file = opened(message(entry(), f"<CpyDplctInd>{mark}</CpyDplctInd>", name), name)
    assert [receipt.amount for receipt in file] == [12_300]
    assert [(issue.code, issue.found, issue.is_error) for issue in file.issues] == [("XML_COPY", mark, False)]


# --- Reversals and entries that pay nothing --------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("direction", "reversal", "status", "kind"),
    [
        ("CRDT", "", "BOOK", "final"),
        ("CRDT", "false", "BOOK", "final"),
        ("CRDT", "", "PDNG", "provisional"),
        ("DBIT", "true", "BOOK", "reversal"),
        ("DBIT", "true", "PDNG", "cancel"),
        ("DBIT", "", "BOOK", None),
        ("CRDT", "true", "BOOK", None),
        ("CRDT", "", "INFO", None),
        ("DBIT", "true", "INFO", None),
    ],
)
def test_the_kind_of_an_entry(direction: str, reversal: str, status: str, kind: str | None) -> None:
    file = opened(message(entry("10", E, direction=direction, reversal=reversal, status=status)))
    assert [(receipt.kind.value, receipt.cancels) for receipt in file] == ([(kind, None)] if kind else [])
    assert file.totals.unpaid == (kind is None)


@pytest.mark.parametrize(
    ("status", "kinds"),
    [
        ("<Sts>BOOK</Sts>", ["final"]),
        ("<Sts><Cd>PDNG</Cd></Sts>", ["provisional"]),
        ("<Sts><Prtry>BOOK</Prtry></Sts>", ["final"]),
        ("<Sts><Prtry>PDNG</Prtry></Sts>", ["provisional"]),
        ("", ["final"]),
    ],
)
def test_every_form_of_a_status(status: str, kinds: list[str]) -> None:
    content = message(entry().replace("<Sts><Cd>BOOK</Cd></Sts>", status))
    assert [receipt.kind.value for receipt in opened(content)] == kinds


@pytest.mark.parametrize(
    ("status", "code"),
    [
        ("<Sts><Prtry>HOLD</Prtry></Sts>", "CODE_UNKNOWN"),
        ("<Sts><Prtry>REVIEW</Prtry></Sts>", "WIDTH"),
        ("<Sts>book</Sts>", "CODE_UNKNOWN"),
        ("<Sts>BOOK<Cd>PDNG</Cd></Sts>", "XML_ELEMENT"),
        ("<Sts>INFO</Sts><Sts><Cd>BOOK</Cd></Sts>", "XML_ELEMENT"),
        ("<Sts><Cd>INFO</Cd></Sts><Sts>BOOK</Sts>", "XML_ELEMENT"),
        ("<Sts><Cd>INFO</Cd></Sts><Sts><Cd>BOOK</Cd></Sts>", "XML_ELEMENT"),
    ],
)
def test_an_unknown_or_ambiguous_status_rejects_the_record(status: str, code: str) -> None:
    content = message(entry().replace("<Sts><Cd>BOOK</Cd></Sts>", status))
    assert issues_of(content) == [(1, code, "status")]


@pytest.mark.parametrize("amount", ["0", ".0", "0.00"])
def test_an_entry_of_0_yen_is_rejected(amount: str) -> None:
    assert issues_of(message(entry(amount, after=details(text(A))))) == [(1, "AMOUNT_ZERO", "amount")]


# --- Structure -------------------------------------------------------------------------------------------------------

OTHER = 'xmlns="urn:x"'
ENTRY = entry("12300", after=details(yen("12300") + text(A)))
SUMMARY = "<TxsSummry><TtlNtries><NbOfNtries>2</NbOfNtries></TtlNtries></TxsSummry>"


@pytest.mark.parametrize("namespace", ['xmlns="urn:x"', 'xmlns=""'])
@pytest.mark.parametrize("name", ["Msg", "Ntfctn", "Ntry", "NtryDtls", "TxDtls", "TxsSummry"])
def test_an_entry_in_another_namespace_rejects_the_file(name: str, namespace: str) -> None:
    content = message(ENTRY + entry("5"), SUMMARY)
    at = content.rindex(f"<{name}>")
    (issue,) = fatal_issues(content[:at] + content[at:].replace(f"<{name}>", f"<{name} {namespace}>", 1))
    assert issue[0] == "XML_INVALID"


def test_a_prefix_counts_for_its_own_element_only() -> None:
    content = message(ENTRY).replace("Document xmlns=", "Document xmlns:d=")
    content = content.replace("<Document", "<d:Document").replace("</Document", "</d:Document")
    (issue,) = fatal_issues(content)
    assert issue[0] == "XML_INVALID"
    assert only(re.sub(r"<(/?)(?:d:)?(?=[A-Z])", r"<\1d:", content)).case_key == A[6:26]


@pytest.mark.parametrize(
    ("part", "field"),
    [
        (ENTRY.replace("<Amt", f"<Amt {OTHER}", 1), "amount"),
        (entry("5").replace("<Amt", f"<Amt {OTHER}"), "amount"),
        (entry("5", after=details(yen("5").replace("<Amt", f"<Amt {OTHER}"))), "amount"),
        (ENTRY.replace("<CdtDbtInd", f"<CdtDbtInd {OTHER}"), "direction"),
        (entry("5", reversal="true").replace("<RvslInd", f"<RvslInd {OTHER}"), "reversal"),
        (ENTRY.replace("<Sts", f"<Sts {OTHER}"), "status"),
        (ENTRY.replace("<Dt>", f"<Dt {OTHER}>"), "booked_day"),
        (ENTRY.replace("<RmtInf", f"<RmtInf {OTHER}"), "el_number"),
        (ENTRY.replace("<Ustrd", f"<x:Ustrd {OTHER[:5]}:x{OTHER[5:]}").replace("</Us", "</x:Us"), "el_case_key"),
        (entry("5", f"<AcctSvcrRef {OTHER}>R1</AcctSvcrRef>"), "servicer_reference"),
    ],
)
def test_a_value_in_another_namespace_rejects_its_record(part: str, field: str) -> None:
    content = message(part + entry("7"))
    found = issues_of(content)
    assert (1, "XML_ELEMENT", field) in found
    assert [receipt.amount for receipt in opened(content)] == [7]


def test_a_count_in_another_namespace_rejects_the_file() -> None:
    content = message(ENTRY, SUMMARY.replace("<NbOfNtries", f"<NbOfNtries {OTHER}"))
    assert fatal_issues(content) == [("XML_ELEMENT", "TtlNtries.NbOfNtries", "", "")]


@pytest.mark.parametrize("content", ["<Msg/>", "<Msg><GrpHdr/></Msg>", "<Msg><Nothing/></Msg>", "<Msg xmlns='urn:x'/>"])
def test_a_message_without_a_report_is_rejected(content: str) -> None:
    (issue,) = fatal_issues(message("").partition("<Msg>")[0] + content + "</Document>")
    assert issue[0] == "XML_INVALID"


@pytest.mark.parametrize("name", NAMES)
def test_a_report_may_have_no_entries(name: str) -> None:
    file = opened(message("", name=name), name)
    assert list(file) == []
    assert (file.totals.read, len(file.issues)) == (0, 0)


HEADER = '<?xml version="1.0"?><AppHdr xmlns="urn:iso:std:iso:20022:tech:xsd:head.001.001.01">{}</AppHdr>'


@pytest.mark.parametrize(
    "bundle",
    [
        pytest.param(HEADER, id="alone"),
        pytest.param(HEADER + message(ENTRY) + HEADER, id="last"),
        pytest.param(HEADER + HEADER + message(ENTRY), id="two"),
        pytest.param(HEADER.format(message(ENTRY).partition("?>")[2]), id="around its document"),
    ],
)
def test_a_header_without_a_document_after_it_rejects_the_file(bundle: str) -> None:
    file = opened(bundle, "zedi")
    with pytest.raises(receipts.FileRejectedError):
        list(file.batches())
    assert [issue.code for issue in file.fatal_issues] == ["XML_INVALID"]


# --- The number of transactions of a batch ---------------------------------------------------------------------------


def batch(number: str, *transactions: str) -> str:
    return details(*transactions).replace("<NtryDtls>", f"<NtryDtls><Btch><NbOfTxs>{number}</NbOfTxs></Btch>")


@pytest.mark.parametrize(
    ("after", "records", "found"),
    [
        pytest.param(batch("2", text(A)), 1, ("1", "2"), id="one of two, without its amount"),
        pytest.param(batch("2", yen("17300")), 1, ("1", "2"), id="one of two, with the amount of the entry"),
        pytest.param(batch("3", yen("12300"), yen("5000")), 2, ("2", "3"), id="two of three"),
        pytest.param(batch("1", text(A)) + batch("1"), 1, ("1", "2"), id="two batches, one without transactions"),
        pytest.param(batch("2", yen("17300")) + batch("02.0"), 1, ("1", "4"), id="two batches"),
        pytest.param(batch("two", yen("17300")), 1, ("1", "***"), id="no number"),
        pytest.param(batch("2<b/>", yen("17300")), 1, ("1", ""), id="an element"),
    ],
)
def test_an_entry_with_fewer_transactions_than_its_batches_declare_is_rejected_and_no_other(
    after: str, records: int, found: tuple[str, str]
) -> None:
    file = opened(message(entry("17300", after=after) + entry("5000")))
    assert [receipt.amount for receipt in file] == [5_000]
    assert [(i.code, i.field, i.expected, i.found, i.location.record) for i in file.issues] == [
        ("TOTAL_MISMATCH", "Ntry.Btch.NbOfTxs", *found, record) for record in range(1, records + 1)
    ]


@pytest.mark.parametrize(
    ("after", "amounts"),
    [
        (batch("2"), [17_300]),
        (batch("2") + batch("3"), [17_300]),
        (batch("", text(A)), [17_300]),
        (batch("1", text(A)), [17_300]),
        (batch("2", yen("12300"), yen("5000")), [12_300, 5_000]),
        (batch("1", yen("12300"), yen("5000")), [12_300, 5_000]),
        (batch("1", yen("12300")) + batch("1", yen("5000")), [12_300, 5_000]),
        (batch("2", yen("12300")) + details(yen("5000")), [12_300, 5_000]),
    ],
)
def test_an_entry_has_all_transactions_of_its_batches_or_none(after: str, amounts: list[int]) -> None:
    file = opened(message(entry("17300", after=after)))
    assert [receipt.amount for receipt in file] == amounts
    assert not file.issues


def test_a_different_batch_with_released_transactions_rejects_the_file(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("kokin.receipts._xml_entries._MAX_PENDING", 2)
    four = [yen("1"), yen("2"), yen("3"), yen("4")]
    content = message(entry("10", after=batch("5", *four)))
    assert fatal_issues(content) == [("TOTAL_MISMATCH", "Ntry.Btch.NbOfTxs", "4", "5")]
