"""The articles of law on which write-offs (不納欠損) are based, and the claims that they extinguish."""

from __future__ import annotations

import re

from kokin.catalog._catalog import ClaimClass

# NFKC would make a digit of ①, the mark of a paragraph.
_DIGITS = str.maketrans("０１２３４５６７８９", "0123456789")

# Each article as it is written, in digits or in kanji, and the classes of claims to which it applies.
_ARTICLES = (
    # 滞納処分の執行停止 (④ after three years, ⑤ at once): only claims that are collected like taxes.
    (r"地方税法第?(15|十五)条?の(7|七)(?![0-9])", {ClaimClass.COMPULSORY}),
    # 地方税の消滅時効.
    (r"地方税法第?(18|十八)(?![0-9])", {ClaimClass.COMPULSORY}),
    # 公債権の消滅時効, without 援用; where another law has a limitation of its own, that law.
    (r"自治法第?(236|二百三十六)(?![0-9])", {ClaimClass.COMPULSORY, ClaimClass.PUBLIC}),
    # 私債権: 援用 (145), 消滅時効 (166).
    (r"(?<![一-龠])民法", {ClaimClass.PRIVATE}),
)


def claims_of_article(article: str) -> frozenset[ClaimClass] | None:
    """Return the classes of claims that an article can extinguish; None: the article is not known.

    >>> sorted(claims_of_article("地方税法15の7④"))
    [<ClaimClass.COMPULSORY: 'compulsory'>]
    >>> claims_of_article("民法１４５条") == {ClaimClass.PRIVATE}, claims_of_article("会社更生法204条")
    (True, None)
    """
    found = [claims for pattern, claims in _ARTICLES if re.search(pattern, article.translate(_DIGITS))]
    return frozenset().union(*found) if found else None
