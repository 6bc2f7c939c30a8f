"""SVG figures of the docs, generated from the tables of the package where they show any.

A figure is inlined into its page and takes its colours from ``_static/kokin.css``, for the light and the dark theme.
"""

from __future__ import annotations

from html import escape

from kokin import elqr

_SAMPLE = elqr.ElQr(
    payee_code="99999",
    office_code="001",
    item_code="127",
    case_key="1234567890",
    confirmation="123456",
    amount=12300,
    levy_year=2026,
    tax_year=2026,
    period="00",
    due_on="2026-06-01",
    payable_until="2026-07-10",
)

# Label, colour and names of the elements of each group; elements of no group are constant.
_GROUPS = (
    ("check digits, CRC 検査数字", "red", {"upper_check", "lower_check", "crc"}),
    ("amount, two times 金額", "amber", {"mpn_amount", "amount"}),
    ("key of the payment 税目・案件特定キー・確認番号", "green", {"item_code", "case_key", "confirmation"}),
    ("payee 機関・事務所", "blue", {"payee_code", "office_code", "account"}),
    ("years and dates 年度・期別・期限", "violet", {"levy_year", "tax_year", "period", "due_on", "payable_until"}),
    ("opaque 付加情報２", "grey", {"additional"}),
    ("constant 固定", "plain", set()),
)

# Each question of the matching rule, and the outcomes that it decides.
_STEPS = (
    ("same identity as another record?", "DUPLICATE_RECORD"),
    ("no key at all?", "KEY_MISSING"),
    ("the key belongs to several open obligations?", "MULTIPLE_BILLS"),
    ("速報: final received? cancel received? neither?", "SUPERSEDED · CANCELLED · PROVISIONAL"),
    ("取消: a 速報 in the same pair?", "CANCEL · CANCEL_WITHOUT_PROVISIONAL"),
    ("入金取消: a 確報 that it reverses?", "REVERSAL · REVERSAL_WITHOUT_PAYMENT"),
    ("確報: reversed?", "REVERSED"),
    ("確報: decided by a person?", "UNAPPLIED · OTHER_AUTHORITY · NOT_A_PAYMENT"),
    ("確報: no bill? cancelled? superseded?", "NO_BILL · CANCELLED_BILL · BILL_CHANGED"),
    ("balance 0? paid = balance? less? more?", "DUPLICATE_PAYMENT · MATCHED · UNDERPAID · OVERPAID"),
)


def _sheet(height: int, label: str, *drawn: str) -> str:
    """Return an SVG figure of 780 by ``height`` pixels; ``label`` is for screen readers."""
    size = 'viewBox="0 0 8 8" refX="7" refY="4" markerWidth="7" markerHeight="7"'
    tip = f'<defs><marker id="tip" {size} orient="auto"><path d="M0 0l8 4-8 4z" class="tip"/></marker></defs>'
    head = (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 780 {height}" role="img" aria-label="{escape(label)}">'
    )
    return f'<div class="figure">{head}{tip}{"".join(drawn)}</svg></div>\n'


def _text(x: float, y: float, words: str, anchor: str = "start", kind: str = "") -> str:
    return f'<text x="{x:g}" y="{y:g}" text-anchor="{anchor}" class="{kind}">{escape(words)}</text>'


def _box(x: float, y: float, width: float, height: float, colour: str, *lines: str) -> str:
    """Return a box with centred lines of text, the first one bold."""
    first = y + height / 2 + 5 - 9 * (len(lines) - 1)
    said = [
        _text(x + width / 2, first + 18 * at, line, "middle", "" if at else "strong") for at, line in enumerate(lines)
    ]
    rect = f'<rect x="{x:g}" y="{y:g}" width="{width:g}" height="{height:g}" rx="8" class="{colour} edge"/>'
    return rect + "".join(said)


def _arrow(*points: tuple[float, float]) -> str:
    steps = "L".join(f"{x:g} {y:g}" for x, y in points)
    return f'<path d="M{steps}" class="line" marker-end="url(#tip)"/>'


def el_qr_digits() -> str:
    """The 255 digits of a sample code, coloured by element group, in rows of 45."""
    per_row, cell, line = 45, 16, 34
    colours = {name: colour for _, colour, names in _GROUPS for name in names}
    drawn = []
    for part in elqr.ELEMENTS.values():
        colour = colours.get(part.name, "plain")
        for at in range(part.start, part.start + part.width):
            x, y = 34 + at % per_row * cell, 14 + at // per_row * line
            drawn.append(f'<rect x="{x}" y="{y}" width="{cell}" height="24" class="{colour}"/>')
            drawn.append(_text(x + cell / 2, y + 17, _SAMPLE.payload[at], "middle", "code"))
        x, y = 34 + part.start % per_row * cell, 14 + part.start // per_row * line
        drawn.append(f'<path d="M{x} {y}v24" class="line"/>')
    rows = -(-len(_SAMPLE.payload) // per_row)
    drawn += [_text(28, 31 + row * line, str(row * per_row), "end", "small") for row in range(rows)]
    for at, (name, colour, _) in enumerate(_GROUPS):
        x, y = 34 + at % 2 * 370, 26 + rows * line + at // 2 * 22
        drawn.append(f'<rect x="{x}" y="{y}" width="14" height="14" rx="3" class="{colour} edge"/>')
        drawn.append(_text(x + 22, y + 12, name))
    return _sheet(30 + rows * line + 4 * 22, "The 255 digits of an eL-QR, coloured by group of elements.", *drawn)


def matching_questions() -> str:
    """The questions of the matching rule in their order; the first that applies decides."""
    line = 56
    drawn = []
    for at, (question, outcomes) in enumerate(_STEPS):
        y = 8 + at * line
        drawn.append(f'<rect x="8" y="{y}" width="340" height="36" rx="8" class="blue edge"/>')
        drawn += [_text(24, y + 23, question), _arrow((348, y + 18), (376, y + 18))]
        drawn.append(_text(388, y + 23, outcomes, kind="code"))
        if at + 1 < len(_STEPS):
            drawn.append(_arrow((178, y + 36), (178, y + line)))
    return _sheet(len(_STEPS) * line, "The questions of the matching rule, in their order.", *drawn)


def data_flow() -> str:
    """The flow of data from the bill to the report."""
    row = (
        (8, "green", "bills", "調定"),
        (168, "green", "slip, eL-QR", "納付書"),
        (328, "plain", "payment", "納付"),
        (488, "amber", "receipt file", "収納データ"),
        (648, "amber", "check", "bytes, totals"),
    )
    drawn = [_box(x, 10, 124, 54, colour, *lines) for x, colour, *lines in row]
    drawn += [_arrow((x + 124, 37), (x + 160, 37)) for x, *_ in row[:-1]]
    drawn += [_arrow((70, 64), (70, 129), (288, 129)), _arrow((710, 64), (710, 129), (492, 129))]
    drawn.append(_box(290, 100, 200, 58, "blue", "reconciliation", "消込"))
    drawn += [_text(80, 122, "receivable", kind="small"), _text(700, 122, "received", "end", "small")]
    results = (
        (8, "plain", "bank deposits", "入金"),
        (168, "violet", "controls", "T1–T8", "A1, A2, S1, S2"),
        (328, "violet", "outcomes", "and balances"),
        (488, "red", "ledger", "台帳"),
        (648, "violet", "reports", "帳票"),
    )
    drawn += [_box(x, 200, 124, 62, colour, *lines) for x, colour, *lines in results]
    drawn += [_arrow((390, 158), (390, 200)), _arrow((330, 158), (230, 200))]
    drawn += [_arrow((x + 124, 231), (x + 160, 231)) for x in (8, 328, 488)]
    return _sheet(
        270, "From bills to slips, to payments, to receipt files, to reconciliation, ledger and reports.", *drawn
    )


def system() -> str:
    """The systems around Kokin: who sends which file when."""
    left = (
        (10, "green", "collection system", "基幹業務システム"),
        (86, "amber", "eLTAX", "地方税共同機構"),
        (162, "amber", "bank", "指定金融機関"),
        (238, "amber", "collection agent", "収納代行業者"),
    )
    sent = (
        ("bills, before 20:00", "調定"),
        ("receipts, bank days", "収納データ"),
        ("debits, deposits", "口座振替結果・入金"),
        ("速報・確報, reports", "収納報告"),
    )
    drawn = []
    for (y, colour, *lines), (words, name) in zip(left, sent, strict=True):
        drawn.append(_box(8, y, 170, 58, colour, *lines))
        drawn += [_text(262, y + 22, words, "middle", "small"), _text(262, y + 46, name, "middle", "small")]
        drawn.append(_arrow((178, y + 29), (344, y + 29)))
    drawn.append('<rect x="346" y="10" width="150" height="286" rx="8" class="blue edge"/>')
    drawn += [_text(421, 44, "Kokin", "middle", "strong")]
    steps = (("inbox", "受付"), ("check, post", "検査・計上"), ("verify", "検証"), ("report", "帳票"))
    for at, (words, name) in enumerate(steps):
        y = 74 + at * 56
        drawn += [_text(421, y, words, "middle"), _text(421, y + 18, name, "middle", "small")]
        if at < 3:
            drawn.append(_arrow((421, y + 24), (421, y + 38)))
    right = (
        (10, "violet", "people, 08:30", "収納担当", "page, work list"),
        (86, "violet", "accounting system", "財務会計システム", "revenue by account"),
        (162, "green", "collection system", "基幹業務システム", "balances, outcomes"),
        (238, "grey", "another machine", "別の保管場所", "hash, backup"),
    )
    for y, colour, name, japanese, what in right:
        drawn.append(_box(610, y, 162, 58, colour, name, japanese))
        drawn += [_arrow((496, y + 29), (608, y + 29)), _text(552, y + 22, what, "middle", "small")]
    return _sheet(306, "Who sends which file to Kokin, and who receives which result.", *drawn)


#: Layer, its packages and what they depend on, from the top.
_LAYERS = (
    (
        "6",
        "red",
        (("cli", "the kokin command"), ("spark", "reconciliation on a cluster"), ("demo", "a synthetic city")),
    ),
    ("5", "violet", (("reports", "CSV, workbook, HTML page"),)),
    ("4", "amber", (("ledger", "append-only record, SQLite or PostgreSQL"), ("intake", "expected files"))),
    ("3", "blue", (("reconcile", "outcomes, balances, accounts, controls"),)),
    (
        "2",
        "green",
        (
            ("slips", "symbols and slips"),
            ("bills", "tables of bills"),
            ("receipts", "receipt files"),
            ("matching", "arrays in, arrays out"),
        ),
    ),
    (
        "1",
        "grey",
        (("elqr", "the 255 digits"), ("rules", "law"), ("catalog", "charges")),
    ),
    ("0", "plain", (("model", "records"), ("text", "encodings, dates"), ("issues", "problems, errors"))),
)


def layers() -> str:
    """The packages by layer, the command on top."""
    line, left, width = 62, 40, 732
    drawn = []
    for row, (layer, colour, packages) in enumerate(_LAYERS):
        y, share = 6 + row * line, width / len(packages)
        drawn.append(_text(20, y + 29, layer, "middle", "strong"))
        for at, (name, content) in enumerate(packages):
            drawn.append(_box(left + at * share, y, share - 8, 48, colour, name, content))
    drawn.append(
        _text(left, 6 + len(_LAYERS) * line + 8, "A package imports only from layers below its own.", kind="small")
    )
    return _sheet(len(_LAYERS) * line + 24, "The packages of Kokin in seven layers.", *drawn)


def life_of_a_payment() -> str:
    """One payment on a timeline, and what each date decides."""
    days = (
        (70, "6/20", "paid at a store", "領収日"),
        (180, "6/21", "provisional", "速報"),
        (290, "6/26", "final", "確報"),
        (400, "6/30", "due date", "納期限"),
        (520, "7/10", "paid in", "払込日・収入日"),
        (690, "5/31", "books close", "出納閉鎖"),
    )
    drawn = ['<path d="M20 70H590" class="line"/><path d="M590 70H650" class="line" stroke-dasharray="4 5"/>']
    drawn.append(_arrow((650, 70), (764, 70)))
    for x, day, what, name in days:
        drawn.append(f'<circle cx="{x}" cy="70" r="5" class="tip"/>')
        drawn += [_text(x, 52, day, "middle", "strong"), _text(x, 92, what, "middle"), _text(x, 110, name, "middle")]
    drawn += [_text(70, 30, "2026", "middle", "small"), _text(690, 30, "2027", "middle", "small")]
    decided = (
        (8, 210, "amber", "paid_on", "in time? 延滞金 until when?"),
        (228, 240, "grey", "provisional, then final", "速報 stops 督促; only 確報 is money"),
        (478, 294, "green", "received_on, settled_on", "fiscal year, 日計; bank deposit (T3)"),
    )
    drawn += [_box(x, 150, width, 54, colour, *lines) for x, width, colour, *lines in decided]
    drawn += [_arrow((x, 116), (x, 148)) for x in (70, 520)]
    drawn += [_arrow((180, 116), (262, 148)), _arrow((290, 116), (320, 148)), _arrow((690, 116), (690, 148))]
    return _sheet(
        212,
        "Timeline of a payment: paid, reported provisionally, confirmed, paid in; and what each date decides.",
        *drawn,
    )


def hash_chain() -> str:
    """Rows, the entries that cover them, and the hash that is stored elsewhere."""
    drawn = []
    for at in range(4):
        x = 8 + at * 150
        drawn.append(_box(x, 10, 118, 54, "grey", f"row {at + 1}", f"hash {at + 1}"))
        if at < 3:
            drawn.append(_arrow((x + 118, 37), (x + 150, 37)))
    drawn.append(_text(618, 32, "hash 3 = SHA-256 of", kind="code"))
    drawn.append(_text(618, 50, "hash 2 and row 3", kind="code"))
    for x, name, end in ((158, "entry 1", "its last row: 2"), (458, "entry 2", "its last row: 4")):
        drawn.append(_box(x, 110, 118, 54, "red", name, end))
        drawn.append(_arrow((x + 59, 64), (x + 59, 108)))
    drawn += [_arrow((276, 137), (456, 137)), _text(366, 130, "chained too", "middle", "small")]
    drawn += [
        _arrow((576, 137), (626, 137)),
        _box(628, 110, 144, 54, "green", "stored elsewhere", "the hash of entry 2"),
    ]
    return _sheet(
        172, "Each row contains the hash of the previous one; entries cover rows; a hash is stored elsewhere.", *drawn
    )


def first_month() -> str:
    """The two rates of a late charge on a timeline."""
    drawn = ['<rect x="110" y="40" width="180" height="28" class="green"/>']
    drawn.append('<rect x="290" y="40" width="350" height="28" class="amber"/>')
    drawn += [_text(200, 59, "reduced rate", "middle"), _text(465, 59, "full rate", "middle")]
    for x, name in ((110, "納期限"), (290, "end of the first month"), (640, "day of payment")):
        drawn += [f'<path d="M{x} 32V76" class="line"/>', _text(x, 24, name, "middle", "strong")]
    drawn += [_text(112, 94, "from the next day", kind="small"), _text(292, 94, "from the day after", kind="small")]
    drawn.append(_text(640, 94, "this day counts", "middle", "small"))
    return _sheet(104, "The reduced rate in the first month after the due date, the full rate afterwards.", *drawn)


#: File name -> function that draws the figure.
FIGURES = {
    "data-flow": data_flow,
    "el-qr-digits": el_qr_digits,
    "first-month": first_month,
    "hash-chain": hash_chain,
    "layers": layers,
    "life-of-a-payment": life_of_a_payment,
    "matching-questions": matching_questions,
    "system": system,
}
