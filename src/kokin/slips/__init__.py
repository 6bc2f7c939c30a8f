"""What is printed on a slip: the eL-QR, the convenience-store barcode, the OCR lines, and the slip itself.

>>> from kokin import elqr
>>> code = elqr.ElQr(payee_code="99999", office_code="001", item_code="127", case_key="1234567890",
...                  confirmation="123456", amount=12300, levy_year=2026, tax_year=2026, period="00",
...                  due_on="2026-06-01", payable_until="2026-07-10")

The picture of one eL-QR, with its size in print:

>>> style = SymbolStyle(module_mm=0.5)
>>> style.side_mm, render(code, "svg", style)[:76]
(24.5, '<svg xmlns="http://www.w3.org/2000/svg" width="24.5mm" height="24.5mm" viewB')

Many of them, from a list or an Arrow column of payloads:

>>> symbols = encode([code, code])
>>> symbols.modules().shape, next(symbols.render("svg", style)) == render(code, "svg", style)
((2, 41, 41), True)

The OCR lines and the barcode:

>>> mpn_lines(code)
('480000000000000000012300213800012700000', '30000000000012345678901234560999990010000000')
>>> gs1_128.build(company_code="929023", free_field=f"{1234567890:021d}", amount=code.amount).lines
('(91)929023-0000000000012345678900', '999999-0-012300-0')

The slip as a PDF, one page per bill (extra ``pdf``):

>>> from kokin.model import Bill
>>> bill = Bill(bill_id="1", payee_code="99999", item_code="127", case_key="1234567890", confirmation="123456",
...             amount=12300, levy_year=2026, tax_year=2026, due_on="2026-06-01", payable_until="2026-07-10")
>>> slip_pdf(bill, SlipText(payee="例示市", charge="自動車税種別割"), template="a4")[:5]
b'%PDF-'

:func:`make` writes the slips of a whole file of bills into a folder.
"""

from kokin.slips import gs1_128
from kokin.slips._batch_writer import OutputFormat
from kokin.slips._check_slips import check
from kokin.slips._decode import decode
from kokin.slips._number_scheme import (
    CHECK_DIGITS,
    BarcodeScheme,
    CheckDigit,
    ItemScheme,
    NumberScheme,
    draw_confirmations,
)
from kokin.slips._ocr_lines import PaymentNumbers, mpn_lines, payment_numbers
from kokin.slips._proof import ProofResult, proof
from kokin.slips._run import RunResult, make
from kokin.slips._slip_notes import SlipNotes
from kokin.slips._slip_pdf import slip_pdf, write_slips
from kokin.slips._slip_wording import SlipText, SlipWording
from kokin.slips._symbol_style import SymbolStyle
from kokin.slips._symbols import Symbols, encode, render
from kokin.slips._verify import VerifyResult, verify

__all__ = [
    "CHECK_DIGITS",
    "BarcodeScheme",
    "CheckDigit",
    "ItemScheme",
    "NumberScheme",
    "OutputFormat",
    "PaymentNumbers",
    "ProofResult",
    "RunResult",
    "SlipNotes",
    "SlipText",
    "SlipWording",
    "SymbolStyle",
    "Symbols",
    "VerifyResult",
    "check",
    "decode",
    "draw_confirmations",
    "encode",
    "gs1_128",
    "make",
    "mpn_lines",
    "payment_numbers",
    "proof",
    "render",
    "slip_pdf",
    "verify",
    "write_slips",
]
