"""Sphinx configuration. A build needs no network; set ``KOKIN_DOCS_ONLINE`` for links to the docs of other projects."""

from __future__ import annotations

import logging as python_logging
import os
import sys
from enum import Enum
from pathlib import Path

import sphinx.ext.napoleon as napoleon
from sphinx.util import logging

os.environ["KOKIN_LANG"] = "en"  # docstrings and messages in the API are English
import kokin

sys.path.insert(0, str(Path(__file__).parent))
from _complete import problems
from _pages import write_generated_pages
from _translation import generated_words, mark_english_page, translate_figures, translate_outputs

python_logging.getLogger("kokin").setLevel(python_logging.WARNING)  # the samples of reports write files

project = "Kokin"
author = "the Kokin maintainers"
copyright = "2026, the Kokin maintainers"
version = release = kokin.__version__

extensions = [
    "myst_parser",
    "sphinx.ext.autodoc",
    "sphinx.ext.doctest",
    "sphinx.ext.intersphinx",
    "sphinx.ext.napoleon",
    "sphinx.ext.viewcode",
    "sphinx_copybutton",
]
# Links into the docs of other projects need their inventories, which a closed network cannot download and which would
# become outdated as copies in this repository. Set KOKIN_DOCS_ONLINE=1 in a build for the web; in other builds these
# names are plain text.
if os.environ.get("KOKIN_DOCS_ONLINE"):
    intersphinx_mapping = {
        "python": ("https://docs.python.org/3", None),
        "numpy": ("https://numpy.org/doc/stable", None),
        "pyarrow": ("https://arrow.apache.org/docs", None),
        "pydantic": ("https://docs.pydantic.dev/latest", None),
        "sqlalchemy": ("https://docs.sqlalchemy.org/en/20", None),
        "segno": ("https://segno.readthedocs.io/en/latest", None),
    }

# Included by the pages of the same names.
_included = (
    "charges",
    "cli",
    "glossary",
    "issues",
    "layouts",
    "ledger-schema",
    "notices",
    "outcomes",
    "rates",
    "records",
    "reports",
    "schemas",
)
exclude_patterns = ["_build", "locale", *(f"reference/_generated/{name}.md" for name in _included)]
myst_enable_extensions = ["colon_fence", "deflist", "fieldlist"]
myst_heading_anchors = 3
copybutton_exclude = ".linenos, .gp, .go"

# pytest runs the examples of docstrings.
doctest_test_doctest_blocks = ""

# English is the source language; the Japanese translation is in locale/ja, one catalog per page (see _translation.py).
# With `-t bilingual` both builds are published together, and each page links to the other language.
language = "en"
locale_dirs = ["locale"]
gettext_compact = False
gettext_location = False
templates_path = ["_templates"]

html_theme = "furo"
html_title = f"Kokin {release}"
html_static_path = ["_static"]
html_css_files = ["kokin.css"]
html_context = {"bilingual": tags.has("bilingual")}  # noqa: F821 (defined by Sphinx)
html_sidebars = {
    "**": [
        "sidebar/brand.html",
        "sidebar/search.html",
        "sidebar/language.html",
        "sidebar/scroll-start.html",
        "sidebar/navigation.html",
        "sidebar/scroll-end.html",
    ]
}

autodoc_member_order = "bysource"
autodoc_typehints = "signature"
autodoc_preserve_defaults = True
autodoc_default_options = {
    "members": True,
    "undoc-members": True,
    "show-inheritance": True,
    "exclude-members": "model_config",
}
napoleon_numpy_docstring = False

# The docstring of an attribute is prose: do not let napoleon parse the text before its first colon as a type.
_process = napoleon._process_docstring


def _process_all_but_attributes(app, what, name, obj, options, lines) -> None:
    if what not in ("attribute", "data", "property"):
        _process(app, what, name, obj, options, lines)


napoleon._process_docstring = _process_all_but_attributes

# Types of other projects, which the docs cannot link to without a network.
nitpick_ignore_regex = [
    (r"py:.*", r"(pa|pyarrow|np|numpy|npt|segno|pydantic|pydantic_core|typing|typing_extensions)\..*"),
    (r"py:.*", r"(collections|contextlib|lxml|sqlalchemy)\..*"),
    (
        r"py:.*",
        r"(date|time|datetime|Path|Any|Decimal|Fraction|Enum|IntEnum|StrEnum|Self|Literal|Iterator|Iterable|Sequence|Mapping|Callable)",
    ),
    (r"py:.*", r"(datetime|pathlib|enum|decimal|fractions|abc|builtins|os)\..*"),
    (
        r"py:.*",
        r"(str|int|bool|bytes|float|object|dict|list|tuple|set|type|None|frozenset|ValueError|KeyError|OSError|Exception)",
    ),
    # Private modules, aliases of array types, and constants, which have no page entry of their own.
    (r"py:.*", r".*\._[a-z_0-9]+(\..*)?"),
    (
        r"py:class",
        r"(BillColumns|BoolArray|MatchedRun|WrittenOff|Name|Percent|PercentOrStatutory|PairField|RefundInterestStart|Segment|Split|Modules|PackedRows|PictureFormat|Language|DateFormat|TimeFormat|U?Int\d+Array|dict\[str)",
    ),
    # The type variable of ReadResult.
    (r"py:class", r"T"),
    # Names that pydantic writes into signatures.
    (
        r"py:(class|exc)",
        r"(annotated_types\.)?(_Pydantic\w+|PydanticCustomError|PydanticUndefined|FieldInfo|NoneType|Mapped|Limits|Ge|MinLen|BeforeValidator|_\w+)",
    ),
    (r"py:class", r"DataFrame|SparkSession|threading\.Event"),
]


def setup(app) -> None:
    app.connect("doctree-read", translate_figures)
    app.connect("doctree-read", translate_outputs)
    app.connect("doctree-read", mark_english_page)
    app.connect("builder-inited", _write_generated)
    app.connect("autodoc-process-signature", _fields_alone)
    app.connect("env-check-consistency", _warn_of_names)


def _write_generated(app) -> None:
    empty = [f"{name}.md" for name in _included] if app.builder.name == "gettext" else []
    write_generated_pages(Path(app.srcdir), generated_words(app.config.language), empty)


def _fields_alone(app, what, name, obj, options, signature, returns):
    """Return the signature of a pydantic model: its fields with defaults, without types, which the fields show."""
    if what not in ("class", "exception") or not hasattr(obj, "model_fields"):
        return None
    fields = (
        field_name if field.is_required() else f"{field_name}={_default(field)}"
        for field_name, field in obj.model_fields.items()
    )
    return f"(*, {', '.join(fields)})", None


def _default(field) -> str:
    default = field.get_default(call_default_factory=True)
    return repr(default.value if isinstance(default, Enum) else default)


def _warn_of_names(app, env) -> None:
    """Warn of each public name without an entry; with ``-W`` this is an error."""
    # Each class has a second, aliased entry under the private module that defines it.
    documented = {name for name, entry in env.get_domain("py").objects.items() if not entry.aliased}
    for problem in problems(documented):
        logging.getLogger(__name__).warning(problem, type="kokin")
