"""Describe a layout as a Markdown page, and generate a commented layout file to start from."""

from __future__ import annotations

from collections.abc import Iterable
from importlib import resources
from typing import Literal

from kokin.receipts.layouts._schema import MAPPED_RECORDS, Field, IdentityFields, Layout, Rule, Source
from kokin.text import terms


def describe(layout: Layout, language: Literal["en", "ja"] = "en") -> str:
    """Return the field table (項目表) of a layout in Markdown: every record, field, offset, length and code.

    Offsets are bytes from 0; the columns of a CSV are numbered from 1. The mappings to records and the
    identity of a payment follow. A note without a translation (``note_ja``) is in the language in which it was written.
    """
    return _Description(layout, language).text()


class _Description:
    """The field table of a layout in one language; its words are those of ``[layout]`` in terms.toml."""

    def __init__(self, layout: Layout, language: Literal["en", "ja"]) -> None:
        self._layout, self._language = layout, language

    def _words(self, name: str, **values: object) -> str:
        return str(terms()["layout"][name][self._language]).format(**values)

    def _note(self, described: Layout | Field) -> str:
        return described.note if self._language == "en" else described.note_ja or described.note

    def _any(self, texts: Iterable[str]) -> str:
        return self._words("or").join(texts)

    def _titles(self, *names: str) -> str:
        return f"| {' | '.join(map(self._words, names))} |"

    def text(self) -> str:
        layout, english = self._layout, self._language == "en"
        lines = [f"# {layout.name}: {layout.ja}" + (f" / {layout.en}" if english else ""), ""]
        if not layout.verified:
            lines += [self._words("unverified"), ""]
        width = self._words("width", bytes=layout.width) if layout.width else ""
        lines += [f"{layout.format}{width}, {layout.encoding}. {self._note(layout)}".rstrip(), ""]
        lines += [self._words("source", source=source) for source in layout.source]
        for name, kind in layout.records.items():
            position = "offset" if layout.format == "fixed" else "column"
            lines += ["", f"## {name}: {kind.ja}" + (f" / {kind.en}" if english else ""), ""]
            columns = (position, "length", "type", "id", "item", *(["meaning"] if english else []), "content")
            lines += [self._titles(*columns), "|--:|--:|" + "---|" * (len(columns) - 2)]
            for i, field in enumerate(kind.fields):
                start = kind.offsets[field.id] if layout.format == "fixed" else i + 1
                kind_of_value = f"{field.type} {field.format or ''}".rstrip()
                names = [field.ja, *([field.en] if english else [])]
                cells = [str(start), str(field.length), kind_of_value, field.id, *names, self._content(field)]
                lines.append("| " + " | ".join(cells) + " |")
        if layout.identity:
            lines += ["", self._words("identity_title"), "", *self._identity(layout.identity)]
        for table in MAPPED_RECORDS:
            mapping: dict[str, Source] = getattr(layout, table)
            lines += ["", f"## {table}", "", self._titles("canonical", "from"), "|---|---|"] if mapping else []
            for canonical, source in mapping.items():
                values = ", ".join(f"{code} → {value}" for code, value in source.values.items())
                lines.append(f"| {canonical} | {self._origin(source)}{f' ({values})' if values else ''} |")
        return "\n".join(lines) + "\n"

    def _origin(self, source: Source) -> str:
        if source.rules:
            return "; ".join(f"{rule.value}: {self._condition(rule)}" for rule in source.rules)
        if source.amounts:
            return ", ".join(f"{name}: {path}" for name, path in source.amounts.items())
        if source.slice:
            first, last = source.slice
            return self._words("slice", field=source.field, first=first, last=last)
        named = self._any(source.first) or " + ".join(source.ids)
        return named or self._words("always", value=source.const)

    def _condition(self, rule: Rule) -> str:
        tests = [f"{name} = {'/'.join(codes)}" for name, codes in rule.where.items()]
        tests += [self._words("not_empty", field=rule.given)] if rule.given else []
        return self._words("and").join(tests) or self._words("other_records")

    def _identity(self, identity: IdentityFields) -> list[str]:
        """Return sentences on the fields that identify a payment."""
        if identity.content:
            return [self._words("identity_content")]
        if identity.fields:
            lines = [self._words("identity_fields", fields=" + ".join(identity.fields))]
        else:
            within = self._words("within", scope=" + ".join(identity.scope)) if identity.scope else ""
            lines = [self._words("identity_assigned", fields=self._any(identity.assigned), within=within)]
        lines += [
            self._words("identity_none", path=path, values=self._any(values)) for path, values in identity.none.items()
        ]
        return lines + (
            [self._words("identity_cancels", fields=" + ".join(identity.cancels))] if identity.cancels else []
        )

    def _content(self, field: Field) -> str:
        parts = [f"`{field.const}`"] if field.const is not None else []
        parts += [", ".join(f"{code} {meaning}" for code, meaning in field.codes.items())] if field.codes else []
        parts += [self._words("of_column", column=field.column)] if field.column else []
        parts += [self._words("prefix", prefix=field.prefix)] if field.prefix else []
        flags = {"zero_pad": field.zero_pad, "formatted": field.formatted, "blank": field.blank}
        parts += [self._words(name) for name, is_set in (flags | {"sensitive": field.sensitive}).items() if is_set]
        parts += [self._note(field)] if field.note else []
        return "; ".join(parts)


def template(name: str) -> str:
    """Return a commented layout file to start from: fixed length, with a header, data records and a trailer."""
    text = (resources.files("kokin.receipts.layouts") / "_template.toml").read_text(encoding="utf-8")
    return text.replace("NAME", name)
