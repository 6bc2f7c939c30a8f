"""Text as old systems write it: check digits, character sets, dates without an era, and masking.

>>> body_code("08233")
'082333'
>>> mask("公金 花子")
'公＊＊＊＊'
"""

from kokin.text._check_digits import body_code, gs1_check_digit, is_my_number
from kokin.text._masking import mask

__all__ = ["body_code", "gs1_check_digit", "is_my_number", "mask"]
