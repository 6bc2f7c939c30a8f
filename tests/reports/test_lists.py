"""Lists of the page: the order of columns, constants said once, values in the reader's language, and contrast."""

import re
from importlib import resources

import pyarrow as pa
import pytest

from kokin.reports._lists import render_rows
from kokin.reports._terms import Terms
from tests.reports.hostile import hostile_report

EXCEPTIONS = pa.table(
    {
        "source": ["a.csv", "a.csv", "b.csv"],
        "record_no": [1, 2, 3],
        "outcome": ["OVERPAID", "STALE_PROVISIONAL", "NO_BILL"],
        "bill_id": ["B1", "B 2", None],
        "amount": [438_940, 1_000, 700],
        "item_code": ["127", "127", "127"],
        "case_key": pa.nulls(3, pa.string()),
        "field": ["amount", "paid_on", "bill_id"],
        "expected": ["438000", "2026-10-28 or later", "a bill"],
        "found": ["438940", "2026-06-01", "cancelled"],
    }
)


def rows_of(language: str, **options) -> str:
    return str(render_rows("exceptions", EXCEPTIONS, Terms(language), **options))


def test_columns_are_in_the_order_of_need_and_constants_are_said_once():
    page, terms = rows_of("ja"), Terms("ja")
    names = ["outcome", "bill_id", "amount", "expected", "found", "field", "source", "record_no"]
    assert re.findall(r"<th [^>]*>(.*?)</th>", page) == [terms.heading("exceptions", name) for name in names]
    note = re.search(r'<p class="note constants">(.*?)</p>', page)[1]
    assert note == f"すべての行で同じ項目: {terms.heading('exceptions', 'item_code')} 127"


def test_a_column_of_the_lead_stays_and_one_row_has_no_constants():
    same = EXCEPTIONS.slice(0, 1)
    page = str(render_rows("exceptions", pa.concat_tables([same, same]), Terms("en")))
    assert len(re.findall("<th ", page)) == 3
    assert "constants" not in str(render_rows("exceptions", same, Terms("en")))


def test_values_are_those_of_the_language_and_quantities_are_numbers():
    page = rows_of("ja")
    assert '<td class="n">438,000</td><td class="n">438,940</td>' in page
    assert "<td>2026年10月28日以降</td><td>2026年6月1日</td>" in page
    assert "<td>該当する調定</td><td>調定取消</td>" in page
    assert "<td>2026-10-28 or later</td><td>2026-06-01</td>" in rows_of("en")


def test_a_long_text_is_wrapped_and_a_code_has_its_text():
    issue = {"code": "NOT_DIGITS", "file": "a.csv", "field": "amount", "found": "9" * 34}
    page = str(render_rows("issues", pa.Table.from_pylist([issue]), Terms("ja")))
    assert '<td class="long">数字 0-9 だけを使えます<small>NOT_DIGITS</small></td>' in page
    assert f'<td class="long">{"9" * 34}</td>' in page
    assert "<td>a.csv</td>" in page


def test_the_step_of_a_refund_is_a_term():
    refund = {"bill_id": "B1", "outcome": "REFUND_ORDERED", "field": "step", "expected": "paid", "found": "ordered"}
    page = str(render_rows("new_exceptions", pa.Table.from_pylist([refund]), Terms("ja")))
    assert all(f">{text}<" in page for text in ("振込結果待ち", "還付の手続", "還付済", "還付命令済"))


def test_no_english_is_left_in_the_lists_of_a_japanese_report():
    report, terms = hostile_report("公金"), Terms("ja")
    codes = {"layout", "digest", "hash", "version", "code", "actor", "proposal_id"}
    for name, table in report.tables.items():
        for column in set(table.column_names) - codes:
            for value in terms.translate_column(column, table.column(column)).to_pylist():
                assert not re.search("[A-Za-z]{3,}", str(value or "")), (name, column, value)


def test_a_row_of_a_ledger_has_the_command_that_shows_it():
    assert re.findall(r'class="copy" value="(.*?)"', rows_of("ja", has_ledger=True)) == [
        "B1",
        "&#x27;B 2&#x27;",
        "b.csv:3",
    ]
    assert "copy" not in rows_of("ja")


@pytest.mark.parametrize(("count", "max_rows", "printed"), [(20, None, 20), (1_800, None, 30), (1_800, 7, 7)])
def test_print_has_the_true_counts(count, max_rows, printed):
    table = pa.concat_tables([EXCEPTIONS] * count)
    page = str(render_rows("exceptions", table, Terms("en"), max_rows))
    assert f"{min(printed * (3 if count == 20 else 1), 30)} of {3 * count:,} rows printed." in page
    assert page.count("<tr>") == 1 + (max_rows or min(3 * count, 5_000))


# --- contrast ---------------------------------------------------------------------------------------------------------


def colours() -> list[dict[str, tuple[float, ...]]]:
    """Return the colours of the page by name: light, dark and print."""
    style = (resources.files("kokin.reports") / "page.css").read_text(encoding="utf-8")
    roots = re.findall(r":root \{(.*?)\}", style, re.DOTALL)
    found = [dict(re.findall(r"--(\w+): (#[0-9a-f]{3,6});", root)) for root in roots]
    return [{name: rgb(text) for name, text in root.items()} for root in found]


def rgb(text: str) -> tuple[float, ...]:
    digits = text[1:] if len(text) == 7 else "".join(sign * 2 for sign in text[1:])
    return tuple(int(digits[at : at + 2], 16) / 255 for at in (0, 2, 4))


def luminance(colour: tuple[float, ...]) -> float:
    """Return the relative luminance of WCAG 2.2."""
    linear = [part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in colour]
    return sum(weight * part for weight, part in zip((0.2126, 0.7152, 0.0722), linear, strict=True))


def contrast(one: tuple[float, ...], two: tuple[float, ...]) -> float:
    low, high = sorted(luminance(colour) for colour in (one, two))
    return (high + 0.05) / (low + 0.05)


def test_luminance_is_that_of_the_standard():
    assert contrast(rgb("#000"), rgb("#ffffff")) == pytest.approx(21)
    assert contrast(rgb("#767676"), rgb("#ffffff")) == pytest.approx(4.54, abs=0.01)


def test_all_text_has_the_contrast_of_aa_in_light_dark_and_print():
    schemes = colours()
    assert len(schemes) == 3
    for scheme in schemes:
        mix = lambda share, one, two: tuple(share * a + (1 - share) * b for a, b in zip(one, two, strict=True))  # noqa: E731
        hovered = mix(0.55, scheme["track"], scheme["card"])
        for background in (scheme["paper"], scheme["card"], hovered):
            for name in ("ink", "soft", "good", "warn", "bad", "calm"):
                assert contrast(scheme[name], background) >= 4.5, (name, background)
        for tone in ("good", "warn", "bad", "calm", "soft"):
            for background in (scheme["card"], hovered):
                assert contrast(scheme[tone], mix(0.13, scheme[tone], background)) >= 4.5, tone
