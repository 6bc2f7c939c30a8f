"""Text of legacy systems: check digits, character sets, dates without an era; masking; TOML files.

>>> authority_code("08233")
'082333'
>>> mask("公金 花子")
'公＊＊＊＊'
>>> decode_half_width(bytes([0xBA, 0xB3, 0xB7, 0xDD]))
'ｺｳｷﾝ'
>>> from datetime import date
>>> infer_era("080731", reference=date(2026, 8, 3))
datetime.date(2026, 7, 31)
"""

from kokin.text._check_digits import authority_code, gs1_check_digit, is_my_number
from kokin.text._dates import (
    JAPAN,
    MONTHS,
    YEARS_AHEAD,
    YEARS_BACK,
    format_wareki,
    format_wareki_text,
    infer_century,
    infer_era,
    infer_era_or_century,
    infer_year,
    parse_date_text,
    parse_wareki,
    parse_wareki_text,
    require_date,
    today,
)
from kokin.text._display import file_name, mask
from kokin.text._encodings import (
    EBCDIC_TO_HALF_WIDTH,
    HALF_WIDTH_TO_EBCDIC,
    JIS_X_0201,
    UndecodableError,
    decode_cp932,
    decode_half_width,
    encode_half_width,
    find_control_character,
    find_gaiji,
)
from kokin.text._terms import terms
from kokin.text._toml import load_toml, located_in, parse_toml

__all__ = [
    "EBCDIC_TO_HALF_WIDTH",
    "HALF_WIDTH_TO_EBCDIC",
    "JAPAN",
    "JIS_X_0201",
    "MONTHS",
    "YEARS_AHEAD",
    "YEARS_BACK",
    "UndecodableError",
    "authority_code",
    "decode_cp932",
    "decode_half_width",
    "encode_half_width",
    "file_name",
    "find_control_character",
    "find_gaiji",
    "format_wareki",
    "format_wareki_text",
    "gs1_check_digit",
    "infer_century",
    "infer_era",
    "infer_era_or_century",
    "infer_year",
    "is_my_number",
    "load_toml",
    "located_in",
    "mask",
    "parse_date_text",
    "parse_toml",
    "parse_wareki",
    "parse_wareki_text",
    "require_date",
    "terms",
    "today",
]
