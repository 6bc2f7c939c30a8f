"""ISO 20022 messages: versions, bundles, encodings, amounts, and hostile input."""

from __future__ import annotations

import io
import logging
import time
from collections import Counter
from datetime import date

import pytest
from lxml import etree

from kokin import receipts
from kokin.model import ReceiptKind
from kokin.receipts import _xml_segments
from tests.receipts.differential import reading_of

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
    status_element = f"<Sts>{status}</Sts>" if version < 8 else f"<Sts><Cd>{status}</Cd></Sts>"
    return (
        f'<Ntry><Amt Ccy="{currency}">{amount}</Amt><CdtDbtInd>{direction}</CdtDbtInd>'
        f"{f'<RvslInd>{reversal}</RvslInd>' if reversal else ''}{status_element}<BookgDt>{day}</BookgDt>"
        f"<NtryDtls>{details}</NtryDtls></Ntry>"
    )


def details(amount: str = "", version: int = 8, name: str = "①㈱髙橋", remittance: str = EL_NUMBER) -> str:
    amount_element = (
        f'<Amt Ccy="JPY">{amount}</Amt>'
        if version >= 4
        else f'<AmtDtls><TxAmt><Amt Ccy="JPY">{amount}</Amt></TxAmt></AmtDtls>'
    )
    party = f"<Pty><Nm>{name}</Nm></Pty>" if version >= 8 else f"<Nm>{name}</Nm>"
    return (
        f"<TxDtls><Refs><AcctSvcrRef>R{amount}</AcctSvcrRef></Refs>{amount_element if amount else ''}"
        f"<RltdPties><Dbtr>{party}</Dbtr></RltdPties><RltdAgts><DbtrAgt><FinInstnId><ClrSysMmbId><ClrSysId><Cd>JPZGN</Cd>"
        "</ClrSysId><MmbId>9999</MmbId></ClrSysMmbId></FinInstnId><BrnchId><Id>001</Id></BrnchId></DbtrAgt></RltdAgts>"
        f"<RmtInf><Ustrd>{remittance}</Ustrd></RmtInf></TxDtls>"
    )


def opened(content: str | bytes, layout: str = "camt.054") -> receipts.ReceiptFile:
    return receipts.open(io.BytesIO(content if isinstance(content, bytes) else content.encode()), layout)


def rejection(content: str | bytes, layout: str = "camt.054") -> tuple[str, int | None]:
    file = opened(content, layout)
    with pytest.raises(receipts.FileRejectedError):
        list(file.batches())
    return file.fatal_issues[0].code, file.fatal_issues[0].location.byte


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
    assert rejection(bundle, "camt.054")[0] == "XML_MESSAGE"


@pytest.mark.parametrize("encoding", ["Shift_JIS", "Windows-31J", "MS932", "CP932", "x-sjis"])
def test_every_name_of_shift_jis_is_read_as_cp932(encoding: str) -> None:
    padding = "<!--" + "公" * 40_000 + "-->"  # chunks end within characters
    content = message(padding + entry(details=details("1000", name="①㈱髙\\~‖")), encoding=encoding)
    (receipt,) = opened(content.encode("cp932"))
    assert receipt.name == "①㈱髙\\~∥" or receipt.name == "①㈱髙\\~‖"
    assert receipt.amount == 1000


def test_an_unknown_byte_or_encoding_rejects_the_file() -> None:
    content = message(entry(details=details("1000", name="公Q")), encoding="Shift_JIS").encode("cp932")
    at = content.index("公Q".encode("cp932")) + 2
    assert rejection(content[:at] + b"\x80" + content[at + 1 :]) == ("BYTE_UNKNOWN", at)
    assert rejection(message(entry(), encoding="ISO-2022-JP"))[0] == "XML_ENCODING"
    content = message(entry(details=details("1000", name="Q"))).encode().replace(b"<Nm>Q", b"<Nm>\xff")
    assert rejection(content) == ("BYTE_UNKNOWN", content.index(b"\xff"))


@pytest.mark.parametrize(
    ("amount", "currency", "code"),
    [
        ("1000.50", "JPY", "AMOUNT_FRACTION"),
        ("10", "USD", "CURRENCY"),
        ("-10", "JPY", "NOT_DIGITS"),
        ("", "JPY", "FIELD_MISSING"),
    ],
)
def test_an_amount_that_is_not_whole_yen_rejects_its_entry(amount: str, currency: str, code: str) -> None:
    content = message(entry(amount, currency=currency) + entry("7.00"))
    file = opened(content)
    assert [receipt.amount for receipt in file] == [7]
    (issue,) = file.issues
    assert (issue.code, issue.field, issue.location.record, issue.location.byte) == (
        code,
        "amount",
        1,
        content.index("<Ntry>"),
    )
    assert (file.totals.read, file.totals.accepted, file.totals.rejected) == (2, 1, 1)


def test_transactions_of_an_entry_add_up_to_it() -> None:
    several = details("400") + details("600")
    assert [receipt.amount for receipt in opened(message(entry("1000", details=several)))] == [400, 600]
    # The amount of the entry is not used for one of several transactions.
    file = opened(message(entry("1000", details=details("400") + details())))
    assert [receipt.amount for receipt in file] == [400]
    assert [(issue.code, issue.location.record) for issue in file.issues] == [("FIELD_MISSING", 2)]


def test_summaries_are_compared() -> None:
    def summary(count: int, total: str) -> str:
        return f"<TxsSummry><TtlCdtNtries><NbOfNtries>{count}</NbOfNtries><Sum>{total}</Sum></TtlCdtNtries></TxsSummry>"

    entries = entry("100") + entry("50", "DBIT") + entry("200")
    file = opened(message(entries, summary=summary(2, "300.00")))
    assert len(list(file)) == 2
    assert [total.agrees for total in file.totals.declared] == [True, True]
    assert rejection(message(entries, summary=summary(3, "300")))[0] == "TOTAL_MISMATCH"
    assert rejection(message(entries, summary=summary(2, "350")))[0] == "TOTAL_MISMATCH"


def test_a_date_time_is_converted_to_a_date_in_japan() -> None:
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
def test_a_doctype_rejects_the_file(prolog: str) -> None:
    content = message(entry()).replace("?>\n", "?>" + prolog, 1)
    assert rejection(content) == ("XML_DOCTYPE", content.index("<!DOCTYPE"))


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
def test_xml_that_is_not_well_formed_is_rejected(content: str) -> None:
    assert rejection(content)[0] == "XML_INVALID"


@pytest.mark.parametrize(
    "content",
    [b"", b"\xef\xbb\xbf \n", b"\n" * 200_000, bytes(4096), bytes(200_000), b"\x1a", b" \0\r\n\x1a\xef\xbb\xbf"],
)
def test_a_file_without_a_document_is_rejected(content: bytes) -> None:
    assert rejection(content) == ("FILE_EMPTY", 0)
    assert receipts.check(io.BytesIO(content), "camt.054").exit_code == 3


# --- Where a document starts -----------------------------------------------------------------------------------------

HIDDEN = (
    '<?xml version="1.0" encoding="UTF-16"?>',
    "<!DOCTYPE Document>",
    "<Ntry>",
    "<Ntry/>",
    "<!- <?xml ->",
    "encoding='EUC-JP'",
    '<?xml version="1.0"?><edi><no>7</no></edi>',
)


@pytest.mark.parametrize("hidden", HIDDEN)
@pytest.mark.parametrize("encoding", ["UTF-8", "Shift_JIS"])
@pytest.mark.parametrize("pad", [0, 65_300, 65_536])
def test_marks_inside_comments_and_cdata_sections_are_ignored(hidden: str, encoding: str, pad: int) -> None:
    comment = f"<!-- {'公' * (pad // 3)}{hidden} -->"
    remittance = f"{EL_NUMBER}<![CDATA[{hidden}]]>"
    content = message(entry("1", details=details("1", remittance=remittance)) + comment + entry("2"), encoding=encoding)
    raw = content.replace("<Document", comment + "<Document", 1).encode("cp932" if encoding == "Shift_JIS" else "utf-8")
    file = opened(raw)
    found = list(file)
    assert [(receipt.amount, receipt.case_key) for receipt in found] == [(1, EL_NUMBER[6:26]), (2, None)]
    assert not file.issues
    assert [receipt.byte_offset for receipt in found] == [raw.index(b"<Ntry><Amt"), raw.rindex(b"<Ntry><Amt")]


@pytest.mark.parametrize("text", ["‐]>", "ー]]", "ソ‐‐]>", "―]]-->"])
def test_the_second_byte_of_a_character_does_not_end_a_cdata_section(text: str) -> None:
    # The second byte of ‐ in cp932 is that of ].
    hidden = f'<![CDATA[{text}<?xml version="1.0"?>]]>'
    (receipt,) = opened(message(entry(details=details("1000", name=hidden)), encoding="Shift_JIS").encode("cp932"))
    assert receipt.name == f'{text}<?xml version="1.0"?>'


def test_instructions_and_comments_around_a_document() -> None:
    style = '<?xml-stylesheet type="text/xsl" href="<Ntry>?"?>'
    one = message(entry("1")).replace("?>\n", "?>" + style, 1)
    assert [receipt.amount for receipt in opened(one + "<!-- 1 -->\n" + one + style, "zedi")] == [1, 1]


@pytest.mark.parametrize(
    ("content", "rejected"),
    [
        (message("<!-- --><?xml version='1.0'?>" + entry()), "XML_INVALID"),
        ("<!-- 1 -->" + message(entry()), "XML_INVALID"),
        (message("<!DOCTYPE a>" + entry()), "XML_DOCTYPE"),
        (message(entry()) + "<!DOCTYPE a>", "XML_DOCTYPE"),
        ("<!DOCTYPE a>" + message(entry()), "XML_DOCTYPE"),
        (message(entry()) + "\0" + entry(), "XML_INVALID"),
        ('<?xml version="1.0" encoding="UTF-8"?>', "XML_INVALID"),
        (message(entry()).replace(' encoding="UTF-8"', " charset='1'"), "XML_INVALID"),
        (f'<Envelope xmlns="urn:x">{message(entry()).partition("?>")[2]}</Envelope>', "XML_MESSAGE"),
    ],
)
def test_a_file_that_is_not_a_sequence_of_documents_is_rejected(content: str, rejected: str) -> None:
    assert rejection(content)[0] == rejected


@pytest.mark.parametrize(
    ("raw", "rejected"),
    [
        (message(entry()).encode("utf-16"), ("XML_ENCODING", 0, "UTF-16")),
        (message(entry()).encode("utf-16-le"), ("XML_ENCODING", 0, "UTF-16")),
        (message(entry()).encode("utf-16-be"), ("XML_ENCODING", 0, "UTF-16")),
        (message(entry()).encode("utf-32"), ("XML_ENCODING", 0, "UTF-32")),
        (message(entry()).encode("cp500"), ("XML_ENCODING", 0, "EBCDIC")),
        (message(entry(), encoding="UTF-16").encode(), ("XML_ENCODING", 0, "UTF-16")),
        (message(entry(), encoding="EUC-JP").encode("euc-jp"), ("XML_ENCODING", 0, "EUC-JP")),
        (b"\xef\xbb\xbf" + message(entry(), encoding="Shift_JIS").encode("cp932"), ("XML_ENCODING", 3, "Shift_JIS")),
        (b"\n" + message(entry(), encoding="ISO-8859-1").encode(), ("XML_ENCODING", 1, "ISO-8859-1")),
    ],
)
def test_an_unsupported_encoding_is_rejected_with_its_name(raw: bytes, rejected: tuple[str, int, str]) -> None:
    file = opened(raw)
    with pytest.raises(receipts.FileRejectedError):
        list(file.batches())
    assert [(issue.code, issue.location.byte, issue.found) for issue in file.fatal_issues] == [rejected]


@pytest.mark.parametrize(
    "declaration",
    [
        "",
        '<?xml version="1.0"?>',
        "<?xml version='1.0' encoding='utf-8' standalone='yes' ?>",
        "<?xml\n version = \"1.1\"\n encoding = 'UTF8'?>",
    ],
)
@pytest.mark.parametrize("mark", ["", "\ufeff"])
def test_every_form_of_a_declaration(declaration: str, mark: str) -> None:
    content = mark + declaration + message(entry(details=details("1000"))).partition("?>\n")[2]
    (receipt,) = opened(content)
    assert (receipt.amount, receipt.name) == (1000, "①㈱髙橋")


@pytest.mark.parametrize("chunk", [300, 301, 313, 400])
def test_the_chunk_size_does_not_change_the_result(chunk: int, monkeypatch: pytest.MonkeyPatch) -> None:
    hidden = '<!-- <?xml version="1.0"?> <Ntry> 公 --><?p <Ntry>?>'
    entries = [entry(str(n), details=details(str(n), remittance=f"{hidden}{EL_NUMBER}")) for n in range(1, 30)]
    for encoding in ("utf-8", "cp932"):
        one = message(hidden.join(entries), encoding="Shift_JIS" if encoding == "cp932" else "UTF-8")
        raw = (one + " \n" * 200 + one).encode(encoding)
        monkeypatch.setattr(_xml_segments, "_CHUNK", 1 << 20)
        whole = [receipt.model_dump() for receipt in opened(raw, "zedi")]
        monkeypatch.setattr(_xml_segments, "_CHUNK", chunk)
        assert [receipt.model_dump() for receipt in opened(raw, "zedi")] == whole
        assert len(whole) == 58
        assert all(raw[one["byte_offset"] :].startswith(b"<Ntry><Amt") for one in whole)


# --- Time is linear in the bytes -------------------------------------------------------------------------------------


@pytest.mark.slow
@pytest.mark.parametrize(
    "part",
    [
        pytest.param(
            ("<Ntry><NtryDtls><TxDtls><RmtInf>", "<Ustrd>x</Ustrd>", "</RmtInf></TxDtls></NtryDtls></Ntry>"), id="texts"
        ),
        pytest.param(("<Ntry><NtryDtls>", "<TxDtls/>", "</NtryDtls></Ntry>"), id="transactions"),
        pytest.param(("", "<Ntry/>", ""), id="entries"),
        pytest.param(("<!--", " \n\0"[:2] * 8, "-->"), id="comment"),
        pytest.param(("", " \n" * 8, ""), id="blanks"),
        pytest.param(
            (
                "<Ntry><NtryDtls><TxDtls><RmtInf><Ustrd>",
                "99999-00000000001234567890-123456-127 ",
                "</Ustrd></RmtInf></TxDtls></NtryDtls></Ntry>",
            ),
            id="keys",
        ),
    ],
)
def test_time_is_linear(part: tuple[str, str, str]) -> None:
    def seconds(count: int) -> float:
        content = message(part[0] + part[1] * count + part[2])
        start = time.process_time()
        receipts.check(io.BytesIO(content.encode()), "camt.054")
        return time.process_time() - start

    seconds(1_000)
    assert seconds(40_000) < 8 * max(seconds(10_000), 0.05)


@pytest.mark.parametrize("max_issues", [0, 4, 9999])
def test_the_first_issues_have_a_location_and_all_are_counted(max_issues: int) -> None:
    empty = "<Ntry/>" * 20 + "<Ntry><Amt>x</Amt></Ntry>" + entry(details=details("1000") + "<TxDtls/>" * 20)
    content = message(entry(details=details("1000")) + empty).encode()
    by_record = reading_of(content, "camt.054", by_record=True)
    assert {issue.code for issue in by_record.issues} == {"FIELD_MISSING", "NOT_DIGITS"}
    assert all(issue.location.record and issue.location.byte for issue in by_record.issues)
    batches = reading_of(content, "camt.054", max_issues=max_issues)
    assert (len(batches.rows), batches.totals) == (len(by_record.rows), by_record.totals)
    assert batches.issues == by_record.issues[:max_issues]
    file = receipts.open(io.BytesIO(content), "camt.054", max_issues=max_issues)
    for read in (file.batches, file.records):
        found = [issue for record in read() for issue in getattr(record, "issues", ())]
        assert file.issues.counts == Counter(issue.code for issue in by_record.issues)
    assert found == by_record.issues


def test_a_password_of_the_header_is_never_shown(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    for content in (BAH + message(entry()), BAH.replace("</Nm>", "") + message(entry()), BAH):
        file = opened(content, "zedi")
        shown = ""
        try:
            shown += repr(list(file))
        except receipts.FileRejectedError as error:
            shown += repr(error) + str(error)
        shown += repr(file) + repr(file.header) + repr(list(file.issues)) + repr(file.totals) + caplog.text
        report = receipts.check(io.BytesIO(content.encode()), "zedi")
        shown += repr(report) + str(report.as_dict()) + str(report.as_sarif())
        assert PASSWORD not in shown


@pytest.mark.parametrize("layout", ["camt.052", "camt.053", "camt.054", "zedi"])
def test_the_result_equals_that_of_a_full_tree(layout: str) -> None:
    content = io.BytesIO()
    receipts.generate_sample(content, layout, 300, seed=2)
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
