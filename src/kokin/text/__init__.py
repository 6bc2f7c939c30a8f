"""Text as old systems write it: check digits, character sets, dates without an era, and masking.

>>> body_code("08233")
'082333'
>>> mask("公金 花子")
'公＊＊＊＊'
>>> decode_half_width(bytes([0xBA, 0xB3, 0xB7, 0xDD]))
'ｺｳｷﾝ'
>>> from datetime import date
>>> assume_era("080731", reference=date(2026, 8, 3))
datetime.date(2026, 7, 31)
"""

from kokin.text._check_digits import body_code, gs1_check_digit, is_my_number
from kokin.text._dates import (
    MONTHS,
    YEARS_AHEAD,
    YEARS_BACK,
    assume_century,
    assume_era,
    assume_era_or_century,
    assume_year,
    era_day,
    era_text,
)
from kokin.text._encodings import (
    EBCDIC_TO_HALF_WIDTH,
    HALF_WIDTH_TO_EBCDIC,
    JIS_X_0201,
    UndecodableError,
    control_character,
    decode_cp932,
    decode_half_width,
    encode_half_width,
    gaiji,
)
from kokin.text._file_name import file_name
from kokin.text._masking import mask
from kokin.text._require_date import require_date
from kokin.text._toml import load_toml, parse_toml

__all__ = [
    "EBCDIC_TO_HALF_WIDTH",
    "HALF_WIDTH_TO_EBCDIC",
    "JIS_X_0201",
    "MONTHS",
    "YEARS_AHEAD",
    "YEARS_BACK",
    "UndecodableError",
    "assume_century",
    "assume_era",
    "assume_era_or_century",
    "assume_year",
    "body_code",
    "control_character",
    "decode_cp932",
    "decode_half_width",
    "encode_half_width",
    "era_day",
    "era_text",
    "file_name",
    "gaiji",
    "gs1_check_digit",
    "is_my_number",
    "load_toml",
    "mask",
    "parse_toml",
    "require_date",
]
