"""The Sphinx project. It needs no network: everything it links to is in it."""

from __future__ import annotations

import sys
from pathlib import Path

import kokin

sys.path.insert(0, str(Path(__file__).parent))
from _pages import write_generated_pages

project = "Kokin"
author = "the Kokin maintainers"
copyright = "2026, the Kokin maintainers"
version = release = kokin.__version__

extensions = [
    "myst_parser",
    "sphinx.ext.autodoc",
    "sphinx.ext.doctest",
    "sphinx.ext.napoleon",
    "sphinx.ext.viewcode",
    "sphinx_copybutton",
]
exclude_patterns = ["_build"]
myst_enable_extensions = ["colon_fence", "deflist", "fieldlist"]
myst_heading_anchors = 3
copybutton_exclude = ".linenos, .gp, .go"

html_theme = "furo"
html_title = f"Kokin {release}"
html_static_path = ["_static"]
html_css_files = ["kokin.css"]

autodoc_member_order = "bysource"
autodoc_typehints = "signature"
autodoc_preserve_defaults = True
autodoc_default_options = {"members": True, "show-inheritance": True}
napoleon_numpy_docstring = False

# Types of other projects, which the docs cannot link to without a network.
nitpick_ignore_regex = [
    (r"py:.*", r"(pa|pyarrow|np|numpy|npt|segno|pydantic|pydantic_core|typing|typing_extensions|collections|lxml)\..*"),
    (
        r"py:.*",
        r"(date|time|datetime|Path|Any|Decimal|Fraction|Enum|IntEnum|StrEnum|Self|Literal|Iterator|Iterable|Sequence|Mapping|Callable)",
    ),
    (r"py:.*", r"(datetime|pathlib|enum|decimal|fractions|abc|builtins|os)\..*"),
    (
        r"py:.*",
        r"(str|int|bool|bytes|float|object|dict|list|tuple|set|type|None|frozenset|ValueError|KeyError|OSError|Exception)",
    ),
    (r"py:.*", r".*\._[a-z_]+\..*"),
]


def setup(app) -> None:
    app.connect("builder-inited", lambda app: write_generated_pages(Path(app.srcdir)))
