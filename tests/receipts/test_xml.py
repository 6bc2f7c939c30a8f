"""ISO 20022 messages: versions, bundles, encodings, amounts, and what is hostile."""

from __future__ import annotations

import io
import logging
from datetime import date

import pytest
from lxml import etree

from kokin import receipts
from kokin.model import ReceiptKind

PARTS = {
    "camt.052": ("BkToCstmrAcctRpt", "Rpt"),
    "camt.053": ("BkToCstmrStmt", "Stmt"),
    "camt.054": ("BkToCstmrDbtCdtNtfctn", "Ntfctn"),
}
PASSWORD = "Himitsu-4711"
BAH = (
    '<?xml version="1.0" encoding="UTF-8"?>\n<AppHdr xmlns="urn:iso:std:iso:20022:tech:xsd:head.001.001.01">'
    f"<Fr><OrgId><Nm>{PASSWORD}</Nm></OrgId></Fr></AppHdr>\n"
)
EL_NUMBER = "99999-00000000001234567890-123456-127"


def message(entries: str, name: str = "camt.054", version: int = 8, encoding: str = "UTF-8", summary: str = "") -> str:
    root, report = PARTS[name]
    return (
        f'<?xml version="1.0" encoding="{encoding}"?>\n'
        f'<Document xmlns="urn:iso:std:iso:20022:tech:xsd:{name}.001.{version:02d}"><{root}>'
        f"<GrpHdr><MsgId>M1</MsgId></GrpHdr><{report}><Id>1</Id>{summary}{entries}</{report}></{root}></Document>"
    )


def entry(
    amount: str = "1000",
    direction: str = "CRDT",
    details: str = "",
    *,
    currency: str = "JPY",
    reversal: str = "",
    status: str = "BOOK",
    version: int = 8,
    day: str = "<Dt>2026-04-01</Dt>",
) -> str:
    told = f"<Sts>{status}</Sts>" if version < 8 else f"<Sts><Cd>{status}</Cd></Sts>"
    return (
        f'<Ntry><Amt Ccy="{currency}">{amount}</Amt><CdtDbtInd>{direction}</CdtDbtInd>'
        f"{f'<RvslInd>{reversal}</RvslInd>' if reversal else ''}{told}<BookgDt>{day}</BookgDt>"
        f"<NtryDtls>{details}</NtryDtls></Ntry>"
    )


def details(amount: str = "", version: int = 8, name: str = "①㈱髙橋", remittance: str = EL_NUMBER) -> str:
    own = (
        f'<Amt Ccy="JPY">{amount}</Amt>'
        if version >= 4
        else f'<AmtDtls><TxAmt><Amt Ccy="JPY">{amount}</Amt></TxAmt></AmtDtls>'
    )
    party = f"<Pty><Nm>{name}</Nm></Pty>" if version >= 8 else f"<Nm>{name}</Nm>"
    return (
        f"<TxDtls><Refs><AcctSvcrRef>R{amount}</AcctSvcrRef></Refs>{own if amount else ''}"
        f"<RltdPties><Dbtr>{party}</Dbtr></RltdPties><RltdAgts><DbtrAgt><FinInstnId><ClrSysMmbId><ClrSysId><Cd>JPZGN</Cd>"
        "</ClrSysId><MmbId>9999</MmbId></ClrSysMmbId></FinInstnId><BrnchId><Id>001</Id></BrnchId></DbtrAgt></RltdAgts>"
        f"<RmtInf><Ustrd>{remittance}</Ustrd></RmtInf></TxDtls>"
    )


def opened(content: str | bytes, layout: str = "camt.054") -> receipts.ReceiptFile:
    return receipts.open(io.BytesIO(content if isinstance(content, bytes) else content.encode()), layout)


def refusal(content: str | bytes, layout: str = "camt.054") -> tuple[str, int | None]:
    file = opened(content, layout)
    with pytest.raises(receipts.FileRefused):
        list(file.batches())
    return file.refused[0].code, file.refused[0].where.byte


@pytest.mark.parametrize("name", PARTS)
@pytest.mark.parametrize("version", [2, 4, 8])
def test_every_message_and_version(name: str, version: int) -> None:
    content = message(entry(details=details("1000", version), version=version), name, version)
    file = opened(content, name)
    (receipt,) = file
    assert (receipt.amount, receipt.paid_on, receipt.kind) == (1000, date(2026, 4, 1), ReceiptKind.FINAL)
    assert (receipt.payee_code, receipt.item_code, receipt.confirmation) == ("99999", "127", "123456")
    assert receipt.case_key == "00000000001234567890"
    assert (receipt.bank_code, receipt.branch_code, receipt.name) == ("9999", "001", "①㈱髙橋")
    assert receipt.byte_offset == content.encode().index(b"<Ntry>")
    assert not file.issues


def test_several_documents_in_one_file() -> None:
    bundle = BAH + message(entry("100")) + "\n" + BAH + message(entry("200"), "camt.053") + "\n\x1a"
    assert [receipt.amount for receipt in opened("\ufeff" + bundle, "zedi")] == [100, 200]
    assert refusal(bundle, "camt.054")[0] == "XML_MESSAGE"


@pytest.mark.parametrize("encoding", ["Shift_JIS", "Windows-31J", "MS932", "CP932", "x-sjis"])
def test_the_shift_jis_family_is_read_as_cp932(encoding: str) -> None:
    padding = "<!--" + "公" * 40_000 + "-->"  # chunks end within characters
    content = message(padding + entry(details=details("1000", name="①㈱髙\\~‖")), encoding=encoding)
    (receipt,) = opened(content.encode("cp932"))
    assert receipt.name == "①㈱髙\\~∥" or receipt.name == "①㈱髙\\~‖"
    assert receipt.amount == 1000


def test_an_unknown_byte_or_encoding_is_refused() -> None:
    content = message(entry(details=details("1000", name="公Q")), encoding="Shift_JIS").encode("cp932")
    at = content.index("公Q".encode("cp932")) + 2
    assert refusal(content[:at] + b"\x80" + content[at + 1 :]) == ("BYTE_UNKNOWN", at)
    assert refusal(message(entry(), encoding="ISO-2022-JP"))[0] == "XML_ENCODING"
    assert (
        refusal(message(entry(details=details("1000", name="Q"))).encode().replace(b"<Nm>Q", b"<Nm>\xff"))[0]
        == "XML_INVALID"
    )


@pytest.mark.parametrize(
    ("amount", "currency", "code"),
    [
        ("1000.50", "JPY", "AMOUNT_FRACTION"),
        ("10", "USD", "CURRENCY"),
        ("-10", "JPY", "NOT_DIGITS"),
        ("", "JPY", "FIELD_MISSING"),
    ],
)
def test_an_amount_that_is_no_whole_yen_keeps_its_entry_out(amount: str, currency: str, code: str) -> None:
    content = message(entry(amount, currency=currency) + entry("7.00"))
    file = opened(content)
    assert [receipt.amount for receipt in file] == [7]
    (issue,) = file.issues
    assert (issue.code, issue.field, issue.where.record, issue.where.byte) == (
        code,
        "amount",
        1,
        content.index("<Ntry>"),
    )
    assert (file.totals.read, file.totals.accepted, file.totals.rejected) == (2, 1, 1)


@pytest.mark.parametrize(
    ("direction", "reversal", "status", "kind"),
    [
        ("CRDT", "", "BOOK", "final"),
        ("CRDT", "false", "BOOK", "final"),
        ("CRDT", "", "PDNG", "provisional"),
        ("DBIT", "true", "BOOK", "cancel"),
        ("DBIT", "", "BOOK", None),
        ("CRDT", "true", "BOOK", None),
        ("CRDT", "", "INFO", None),
    ],
)
def test_what_an_entry_means(direction: str, reversal: str, status: str, kind: str | None) -> None:
    file = opened(message(entry("10", direction, reversal=reversal, status=status)))
    assert [receipt.kind.value for receipt in file] == ([kind] if kind else [])
    assert file.totals.unpaid == (kind is None)


def test_transactions_of_an_entry_add_up_to_it() -> None:
    several = details("400") + details("600")
    assert [receipt.amount for receipt in opened(message(entry("1000", details=several)))] == [400, 600]
    content = message(entry("1001", details=several))
    assert refusal(content) == ("TOTAL_MISMATCH", content.index("<Ntry>"))
    # The amount of the entry is not taken for one of several.
    file = opened(message(entry("1000", details=details("400") + details())))
    assert [receipt.amount for receipt in file] == [400]
    assert [(issue.code, issue.where.record) for issue in file.issues] == [("FIELD_MISSING", 2)]


def test_summaries_are_compared() -> None:
    def summary(count: int, total: str) -> str:
        return f"<TxsSummry><TtlCdtNtries><NbOfNtries>{count}</NbOfNtries><Sum>{total}</Sum></TtlCdtNtries></TxsSummry>"

    entries = entry("100") + entry("50", "DBIT") + entry("200")
    file = opened(message(entries, summary=summary(2, "300.00")))
    assert len(list(file)) == 2
    assert [total.agrees for total in file.totals.declared] == [True, True]
    assert refusal(message(entries, summary=summary(3, "300")))[0] == "TOTAL_MISMATCH"
    assert refusal(message(entries, summary=summary(2, "350")))[0] == "TOTAL_MISMATCH"


def test_a_moment_is_a_day_in_japan() -> None:
    (receipt,) = opened(message(entry(day="<DtTm>2026-04-01T20:00:00Z</DtTm>")))
    assert receipt.paid_on == date(2026, 4, 2)


@pytest.mark.parametrize(
    "prolog",
    [
        "<!DOCTYPE Document SYSTEM 'file:///etc/passwd'>",
        "<!DOCTYPE a [<!ENTITY a 'a'><!ENTITY b '&a;&a;&a;&a;'>]>",
        f"<!--{'x' * 200_000}--><!DOCTYPE Document>",
    ],
)
def test_a_doctype_is_refused(prolog: str) -> None:
    content = message(entry()).replace("?>\n", "?>" + prolog, 1)
    assert refusal(content) == ("XML_DOCTYPE", content.index("<!DOCTYPE"))


@pytest.mark.parametrize(
    "content",
    [
        message(entry())[:-40],
        message("<a>" * 5000 + "</a>" * 5000),
        message(entry(details=details("1000", name="&unknown;"))),
        message(entry()) + "<more/>",
        "no XML at all",
    ],
)
def test_what_is_not_well_formed_is_refused(content: str) -> None:
    assert refusal(content)[0] == "XML_INVALID"


def test_an_empty_file_is_refused() -> None:
    assert refusal(b"\xef\xbb\xbf \n")[0] == "FILE_EMPTY"


def test_a_password_of_the_header_is_told_nowhere(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    for content in (BAH + message(entry()), BAH.replace("</Nm>", "") + message(entry()), BAH):
        file = opened(content, "zedi")
        told = ""
        try:
            told += repr(list(file))
        except receipts.FileRefused as error:
            told += repr(error) + str(error)
        told += repr(file) + repr(file.header) + repr(list(file.issues)) + repr(file.totals) + caplog.text
        report = receipts.check(io.BytesIO(content.encode()), "zedi")
        told += repr(report) + str(report.as_dict()) + str(report.as_sarif())
        assert PASSWORD not in told


@pytest.mark.parametrize("layout", ["camt.052", "camt.053", "camt.054", "zedi"])
def test_a_full_tree_gives_the_same(layout: str) -> None:
    content = io.BytesIO()
    receipts.synthesize(content, layout, 300, seed=2)
    tree = etree.fromstring(content.getvalue())
    entries = tree.findall(".//{*}Ntry")
    paid = [one for one in entries if one.findtext("{*}CdtDbtInd") == "CRDT"]
    file = opened(content.getvalue(), layout)
    got = [(receipt.amount, receipt.provider_key, receipt.name) for receipt in file]
    path = "{*}NtryDtls/{*}TxDtls/{*}"
    assert got == [
        (
            int(one.findtext("{*}Amt") or ""),
            one.findtext(path + "Refs/{*}AcctSvcrRef"),
            one.findtext(path + "RltdPties/{*}Dbtr/{*}Pty/{*}Nm"),
        )
        for one in paid
    ]
    assert file.totals.unpaid == len(entries) - len(paid)
