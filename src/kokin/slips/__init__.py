"""What is printed: the eL-QR symbol, the convenience-store barcode, the lines of digits, and the slip itself.

>>> from kokin import elqr
>>> code = elqr.ElQr(payee_code="99999", office_code="001", item_code="127", case_key="1234567890",
...                  confirmation="123456", amount=12300, levy_year=2026, tax_year=2026, period="00",
...                  due_on="2026-06-01", payable_until="2026-07-10")

One symbol, drawn by segno, with its size in print:

>>> symbol(code).designator
'6-M'
>>> look = SymbolStyle(module_mm=0.5)
>>> look.side_mm, svg(code, look)[:76]
(24.5, '<svg xmlns="http://www.w3.org/2000/svg" width="24.5mm" height="24.5mm" viewB')

A batch of symbols, the same modules and some thousand times as fast:

>>> many = symbols([code, code])
>>> many.modules().shape, next(svgs(many, look)) == svg(code, look)
((2, 41, 41), True)

What else stands on the slip:

>>> mpn_lines(code)
('480000000000000000012300213800012700000', '30000000000012345678901234560999990010000000')
>>> gs1_128.build(company_code="929023", free=f"{1234567890:021d}", amount=code.amount).lines
('(91)929023-0000000000012345678900', '999999-0-012300-0')

And the slip itself, as a PDF of one page per bill (extra ``pdf``):

>>> from kokin.model import Bill
>>> bill = Bill(bill_id="1", payee_code="99999", item_code="127", case_key="1234567890", confirmation="123456",
...             amount=12300, levy_year=2026, tax_year=2026, due_on="2026-06-01", payable_until="2026-07-10")
>>> slip_pdf(bill, SlipText(payee="例示市", charge="自動車税種別割"), template="a4")[:5]
b'%PDF-'
"""

from kokin.slips import gs1_128
from kokin.slips._decode import decode
from kokin.slips._forms import OutputFormat
from kokin.slips._look import SymbolStyle
from kokin.slips._make import RunResult, make
from kokin.slips._numbers import PaymentNumbers, mpn_lines, payment_numbers
from kokin.slips._one import pdf, png, svg, symbol
from kokin.slips._pictures import dots, pbms, pdfs, pngs, svgs, tiff
from kokin.slips._slip import slip_pdf, write_slips
from kokin.slips._slip_values import SlipText
from kokin.slips._symbols import Symbols, symbol_batches, symbols
from kokin.slips._words import SlipWording

__all__ = [
    "OutputFormat",
    "PaymentNumbers",
    "RunResult",
    "SlipText",
    "SlipWording",
    "SymbolStyle",
    "Symbols",
    "decode",
    "dots",
    "gs1_128",
    "make",
    "mpn_lines",
    "payment_numbers",
    "pbms",
    "pdf",
    "pdfs",
    "png",
    "pngs",
    "slip_pdf",
    "svg",
    "svgs",
    "symbol",
    "symbol_batches",
    "symbols",
    "tiff",
    "write_slips",
]
