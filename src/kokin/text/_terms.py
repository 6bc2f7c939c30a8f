"""The terms of the field in English and Japanese (``terms.toml``): one table for the glossary and for all outputs."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from importlib import resources
from typing import Any

from kokin.text._toml import load_toml


@cache
def terms() -> Mapping[str, Any]:
    """Return the tables of ``terms.toml``: ids with their ``en`` and ``ja``.

    - ``glossary``: terms of the field, with their definition in ``means`` and ``ja_means``.
    - ``tables``, ``columns``: names of tables (with their ``number``) and headings of columns.
    - ``values``: coded values, by column.
    - ``page``: sentences of the HTML report, with placeholders.
    - ``command``: texts of the command in sections; the id is the English text, the value the Japanese one.

    >>> terms()["glossary"]["reconciliation"]["ja"], terms()["values"]["outcome"]["MATCHED"]["en"]
    ('消込', 'Matched')
    """
    return load_toml(resources.files("kokin.text") / "terms.toml")
