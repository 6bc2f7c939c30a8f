"""Masking (マスキング) of personal names."""

from __future__ import annotations


def mask(name: str) -> str:
    """A name with all but its first character hidden: enough to recognise, not enough to know.

    The length is kept up to five characters, so that a long company name does not stand out.
    """
    name = name.strip()
    return name[:1] + "＊" * min(len(name) - 1, 4) if name else ""
