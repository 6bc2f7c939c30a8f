"""Update the Japanese message catalogs of the docs (gettext) from the English pages.

After a change of an English page, run this and translate the messages that it prints:

    python docs/_translation.py

A new message has an empty translation; a changed one keeps the old translation and is marked fuzzy. Index, tutorials,
guides, explanations and most of the reference are translated completely, other pages by their titles, which the
navigation shows. The texts of the generated pages are in ``generated.po``.
"""

from __future__ import annotations

import re
import subprocess
import sys
import tomllib
from html import escape, unescape
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING

from _figures import FIGURES
from babel.messages.catalog import Catalog, Message
from babel.messages.pofile import read_po, write_po
from docutils import nodes

if TYPE_CHECKING:
    from _pages import Words

DOCS = Path(__file__).parent
CATALOGS = DOCS / "locale" / "ja" / "LC_MESSAGES"

#: The sample outputs of the pages in Japanese, made by ``python -m tests.docs.japanese``.
OUTPUTS = DOCS / "locale" / "ja" / "outputs.toml"

# Docstrings, pages generated from data, and decision records are in English only.
_WITHOUT_MESSAGES = ("_build", "adr/0*", "reference/api.md", "reference/_generated/*")

_HEADER = rb"""msgid ""
msgstr ""
"Language: ja\n"
"MIME-Version: 1.0\n"
"Content-Type: text/plain; charset=UTF-8\n"
"Content-Transfer-Encoding: 8bit\n"

"""

# The pages of the reference that are translated; the API, the benchmarks and the changelog are not.
_REFERENCE = tuple(
    f"reference/{name}"
    for name in (
        "charges",
        "cli",
        "examples",
        "glossary",
        "issues",
        "json",
        "layouts",
        "ledger-schema",
        "outcomes",
        "rates",
        "records",
        "reports",
        "third-party",
    )
)

# Code, roles, targets of links, and values of a {role}: the same in every language.
_MARKUP = re.compile(r"\{[\w:]+\}`[^`]*`|`[^`]*`|\]\([^)]*\)")

# A text of a figure in English, and its Japanese below it, which the Japanese edition shows first.
_JAPANESE_BELOW = re.compile(
    r"(<text[^>]*>)([^<ぁ-ヿ一-鿿]*[A-Za-z][^<ぁ-ヿ一-鿿]*)(</text><text[^>]*>)([^<]*[ぁ-ヿ一-鿿][^<]*)(?=</text>)"
)

# The texts of a figure, and its label for screen readers.
_FIGURE_TEXT = re.compile(r'(?<=>)[^<>]+(?=</text>)|(?<=aria-label=")[^"]+')


def is_whole(page: str) -> bool:
    """Whether a page is translated completely, not only its title."""
    return page in ("index", *_REFERENCE) or page.startswith(("tutorial", "guides/", "explanation/"))


def extract() -> dict[str, Catalog]:
    """Return the current messages by page; the texts of all figures are under ``figures``."""
    with TemporaryDirectory() as folder:
        excluded = "exclude_patterns=" + ",".join(_WITHOUT_MESSAGES)
        build = [sys.executable, "-m", "sphinx", "-Q", "-b", "gettext", "-D", excluded, str(DOCS), folder]
        subprocess.run(build, check=True)
        found = {"figures": _figure_texts(), "generated": _generated_texts()}
        for path in sorted(Path(folder).rglob("*.pot")):
            page = path.relative_to(folder).with_suffix("").as_posix()
            catalog = read_catalog(path)
            found[page] = catalog if is_whole(page) else _title_alone(catalog)
        return found


def read_catalog(path: Path) -> Catalog:
    """Return the message catalog of a file."""
    with path.open("rb") as file:
        return read_po(file, locale="ja", abort_invalid=True)


def messages(catalog: Catalog) -> list[Message]:
    """Return the messages of a catalog without its header."""
    return [message for message in catalog if message.id]


def markup(text: str) -> list[str]:
    """Return what a translation must keep of a message: code, roles and link targets, sorted."""
    return sorted(_MARKUP.findall(text))


def update() -> list[str]:
    """Update the catalogs; return the messages without a valid translation."""
    pages = extract()
    for path in set(CATALOGS.rglob("*.po")) - {CATALOGS / "sphinx.po", *(CATALOGS / f"{page}.po" for page in pages)}:
        path.unlink()
    open_messages = []
    for page, template in pages.items():
        path = CATALOGS / f"{page}.po"
        catalog = read_catalog(path) if path.exists() else Catalog(locale="ja")
        catalog.update(template)
        catalog.obsolete.clear()
        for message in messages(catalog):
            if not _has_words(str(message.id)):
                message.string = message.id
                message.flags.discard("fuzzy")
            if not message.string or message.fuzzy:
                open_messages.append(f"{page}: {message.id}")
        path.parent.mkdir(parents=True, exist_ok=True)
        with path.open("wb") as file:
            file.write(_HEADER)
            write_po(file, catalog, width=None, omit_header=True)
    return open_messages


def translate_figures(app, doctree: nodes.Element) -> None:
    """Translate the figures of a page into the language of the build."""
    figures = [raw for raw in doctree.findall(nodes.raw) if 'class="figure"' in raw.astext()]
    if app.config.language != "ja" or not figures:
        return
    words = {message.id: message.string for message in messages(read_catalog(CATALOGS / "figures.po"))}
    for raw in figures:
        drawing = _JAPANESE_BELOW.sub(r"\1\4\3\2", raw.astext())
        translated = _FIGURE_TEXT.sub(lambda found: escape(words.get(unescape(found[0]), unescape(found[0]))), drawing)
        raw.replace_self(nodes.raw("", translated, format="html"))


def mark_english_page(app, doctree: nodes.Element) -> None:
    """Say below the title of a page that is in English only in the Japanese edition."""
    page = app.env.docname
    if app.config.language == "ja" and not is_whole(page) and not page.startswith("reference/_generated/layout-"):
        section = next(doctree.findall(nodes.section))
        section.insert(1, nodes.paragraph("", "このページの本文は英語のみです。"))


def outputs() -> dict[str, dict[str, str]]:
    """Return the sample outputs in Japanese: by page, then by the English block."""
    tables = tomllib.loads(OUTPUTS.read_text(encoding="utf-8")) if OUTPUTS.exists() else {}
    return {page: {block["en"]: block["ja"] for block in blocks} for page, blocks in tables.items()}


def translate_outputs(app, doctree: nodes.Element) -> None:
    """Show the sample outputs of a page in the language of the build."""
    blocks = outputs().get(app.env.docname, {}) if app.config.language == "ja" else {}
    # The text of a block ends with a newline or not, depending on its kind and on the parser.
    japanese = {english.strip("\n"): text for english, text in blocks.items()}
    for block in doctree.findall(nodes.literal_block) if japanese else ():
        if text := japanese.get(block.astext().strip("\n")):
            block.rawsource = text.strip("\n")
            block.children = [nodes.Text(block.rawsource)]


def _figure_texts() -> Catalog:
    catalog = Catalog(locale="ja")
    for draw in FIGURES.values():
        for found in _FIGURE_TEXT.findall(draw()):
            if re.search("[a-z]{2}", re.sub(r"\w*_\w*", "", found)):  # not in names of fields and outcomes
                catalog.add(unescape(found))
    return catalog


def _generated_texts() -> Catalog:
    from _pages import translated_texts

    catalog = Catalog(locale="ja")
    for text in translated_texts():
        if re.search("[A-Za-z]{2}", text):
            catalog.add(text)
    return catalog


def generated_words(language: str) -> Words:
    """Return the texts of the generated pages in the language of a build."""
    from _pages import Words

    if language != "ja":
        return Words(language)
    found = messages(read_catalog(CATALOGS / "generated.po"))
    return Words(language, {str(message.id): str(message.string) for message in found})


def _title_alone(catalog: Catalog) -> Catalog:
    title = Catalog(locale="ja")
    title.add(messages(catalog)[0].id)
    return title


def _has_words(text: str) -> bool:
    """Whether a text has words to translate: not a file name, only code, or a link that shows a title."""
    return not re.fullmatch(r"[\w-]+\.\w+", text) and bool(re.search("[A-Za-z]", _MARKUP.sub("", text)))


if __name__ == "__main__":
    left = update()
    print("\n".join(left))
    print(f"{len(left)} messages to translate", file=sys.stderr)
