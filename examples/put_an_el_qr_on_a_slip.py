"""Create the eL-QR of a slip: the digits, the eL number, and the symbol in three formats."""

import tempfile
from pathlib import Path

from kokin import elqr, slips

code = elqr.ElQr(
    payee_code="99999",  # 共通納税機関コード; 99999 is not assigned
    office_code="001",
    item_code="127",  # 税目・料金番号, from your own list
    case_key="1234567890",
    confirmation="123456",  # issued by your system, never derived from the case key
    amount=12300,
    levy_year=2026,
    tax_year=2026,
    period="00",
    due_on="2026-06-01",
    payable_until="2026-07-10",
)
print(code.payload)
print(code.el_number)

style = slips.SymbolStyle(module_mm=0.5, quiet_zone=4)
folder = Path(tempfile.mkdtemp())
(folder / "slip.svg").write_text(slips.render(code, "svg", style))
(folder / "slip.png").write_bytes(slips.render(code, "png", style, dpi=600))
(folder / "slip.pdf").write_bytes(slips.render(code, "pdf", style))
print(f"{style.side_mm} mm wide, in {folder}")

# Check the digits from a scanner: all problems are reported, with field and digit.
for issue in elqr.check(code.payload.replace("12300", "12400")):
    print(issue)
