"""Drawings for the docs, made from the package's own tables."""

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
_FONT = "font-family=\"ui-monospace, 'SF Mono', Consolas, 'Noto Sans Mono CJK JP', monospace\""
_SANS = "font-family=\"system-ui, 'Hiragino Sans', 'Noto Sans CJK JP', sans-serif\""

# Group, colour, and the parts in it by their names; what is in no group is fixed.
_GROUPS = (
    ("check digits, CRC 検査数字", "#e8b4b0", {"upper_check", "lower_check", "crc"}),
    ("amount, twice 金額", "#f2d491", {"mpn_amount", "amount"}),
    ("what is paid 税目・案件特定キー・確認番号", "#a9d3b5", {"item_code", "case_key", "confirmation"}),
    ("to whom 機関・事務所", "#a8c6e8", {"payee_code", "office_code", "account"}),
    ("years and days 年度・期別・期限", "#cdbbe6", {"levy_year", "tax_year", "period", "due_on", "payable_until"}),
    ("opaque 付加情報２", "#e4e0d7", {"additional"}),
    ("always the same 固定", "#f6f4ef", set()),
)


def el_qr_digits() -> str:
    """The 255 digits of a sample, coloured by what they say, a row of 45 each."""
    per_row, cell, line = 45, 16, 34
    colours = {name: colour for _, colour, names in _GROUPS for name in names}
    payload = _SAMPLE.payload
    drawn = []
    for part in elqr.PARTS.values():
        colour = colours.get(part.name, _GROUPS[-1][1])
        for at in range(part.start, part.start + part.width):
            x, y = 34 + at % per_row * cell, 14 + at // per_row * line
            drawn.append(f'<rect x="{x}" y="{y}" width="{cell}" height="24" fill="{colour}"/>')
            drawn.append(f'<text x="{x + cell / 2}" y="{y + 17}" text-anchor="middle">{payload[at]}</text>')
        first = 34 + part.start % per_row * cell, 14 + part.start // per_row * line
        drawn.append(f'<path d="M{first[0]} {first[1]}v24" stroke="#8a8578"/>')
    rows = -(-len(payload) // per_row)
    numbers = "".join(
        f'<text x="28" y="{31 + row * line}" text-anchor="end" font-size="10" fill="#8a8578">{row * per_row}</text>'
        for row in range(rows)
    )
    legend = []
    for at, (name, colour, _) in enumerate(_GROUPS):
        x, y = 34 + at % 2 * 370, 26 + rows * line + at // 2 * 22
        legend.append(
            f'<rect x="{x}" y="{y}" width="14" height="14" rx="3" fill="{colour}" stroke="#8a8578" stroke-width=".5"/>'
        )
        legend.append(f'<text x="{x + 22}" y="{y + 12}" {_SANS}>{escape(name)}</text>')
    height = 36 + rows * line + 4 * 22
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 780 {height}" font-size="13" {_FONT}>'
        f'<rect width="780" height="{height}" rx="10" fill="#fff"/>{"".join(drawn)}{numbers}{"".join(legend)}</svg>\n'
    )


# A question of the judgement, and the outcomes that leave it.
_STEPS = (
    ("told before, with the same provider key?", "DUPLICATE_RECORD"),
    ("no number at all?", "KEY_MISSING"),
    ("the number leads to two open bills?", "MULTIPLE_BILLS"),
    ("速報: its final came? its cancel came? neither?", "SUPERSEDED · CANCELLED · PROVISIONAL"),
    ("取消: a 速報 in its pair?", "CANCEL · CANCEL_WITHOUT_PROVISIONAL"),
    ("確報: no bill? cancelled? superseded?", "NO_BILL · CANCELLED_BILL · BILL_CHANGED"),
    ("balance 0? paid = balance? less? more?", "DUPLICATE_PAYMENT · MATCHED · UNDERPAID · OVERPAID"),
)


def judgement() -> str:
    """The questions that a receipt is asked, from the top; the first that fits decides."""
    line = 56
    drawn = []
    for at, (question, outcomes) in enumerate(_STEPS):
        y = 16 + at * line
        drawn.append(f'<rect x="16" y="{y}" width="340" height="36" rx="8" fill="#eef3f8" stroke="#a8c6e8"/>')
        drawn.append(f'<text x="32" y="{y + 23}">{escape(question)}</text>')
        drawn.append(f'<path d="M356 {y + 18}h28" stroke="#8a8578" marker-end="url(#tip)"/>')
        drawn.append(f'<text x="396" y="{y + 23}" {_FONT} font-size="12">{escape(outcomes)}</text>')
        if at + 1 < len(_STEPS):
            drawn.append(f'<path d="M186 {y + 36}v{line - 40}" stroke="#8a8578" marker-end="url(#tip)"/>')
    height = 8 + len(_STEPS) * line
    size = 'viewBox="0 0 8 8" refX="7" refY="4" markerWidth="7" markerHeight="7"'
    tip = f'<marker id="tip" {size} orient="auto"><path d="M0 0l8 4-8 4z" fill="#8a8578"/></marker>'
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 780 {height}" font-size="13" {_SANS} fill="#1d2430">'
        f'<defs>{tip}</defs><rect width="780" height="{height}" rx="10" fill="#fff"/>{"".join(drawn)}</svg>\n'
    )
