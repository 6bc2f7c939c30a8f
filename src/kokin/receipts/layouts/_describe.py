"""Describe a layout as a Markdown page, and generate a commented layout file to start from."""

from __future__ import annotations

from importlib import resources

from kokin.receipts.layouts._schema import MAPPED_RECORDS, Field, IdentityFields, Layout, Rule, Source


def describe(layout: Layout) -> str:
    """Return the field table (項目表) of a layout in Markdown: every record, field, offset, length and code.

    Offsets are bytes from 0; the columns of a CSV are numbered from 1. The mappings to records and the
    identity of a payment follow.
    """
    lines = [f"# {layout.name}: {layout.ja} / {layout.en}", ""]
    if not layout.verified:
        lines += ["**UNVERIFIED 未検証**: compare it with your own copy of the specification before you use it.", ""]
    width = f", {layout.width} bytes" if layout.width else ""
    lines += [f"{layout.format}{width}, {layout.encoding}. {layout.note}".rstrip(), ""]
    lines += [f"Source: {source}" for source in layout.source]
    for name, kind in layout.records.items():
        position = "offset" if layout.format == "fixed" else "column"
        lines += ["", f"## {name}: {kind.ja} / {kind.en}", ""]
        lines += [f"| {position} | length | type | id | 項目 | meaning | content |", "|--:|--:|---|---|---|---|---|"]
        for i, field in enumerate(kind.fields):
            start = kind.offsets[field.id] if layout.format == "fixed" else i + 1
            kind_of_value = f"{field.type} {field.format or ''}".rstrip()
            cells = [str(start), str(field.length), kind_of_value, field.id, field.ja, field.en, _content(field)]
            lines.append("| " + " | ".join(cells) + " |")
    if layout.identity:
        lines += ["", "## identity", "", *_identity(layout.identity)]
    for table in MAPPED_RECORDS:
        mapping: dict[str, Source] = getattr(layout, table)
        lines += ["", f"## {table}", "", "| canonical | from |", "|---|---|"] if mapping else []
        for canonical, source in mapping.items():
            values = ", ".join(f"{code} → {value}" for code, value in source.values.items())
            lines.append(f"| {canonical} | {_origin(source)}{f' ({values})' if values else ''} |")
    return "\n".join(lines) + "\n"


def _origin(source: Source) -> str:
    if source.rules:
        return "; ".join(f"{rule.value}: {_condition(rule)}" for rule in source.rules)
    if source.amounts:
        return ", ".join(f"{name}: {path}" for name, path in source.amounts.items())
    if source.slice:
        return f"{source.field}, characters {source.slice[0]} to {source.slice[1]}"
    return (" or ".join(source.first) or " + ".join(source.ids)) or f"always {source.const}"


def _condition(rule: Rule) -> str:
    tests = [f"{name} = {'/'.join(codes)}" for name, codes in rule.where.items()]
    return " and ".join([*tests, *([f"{rule.given} not empty"] if rule.given else [])]) or "all other records"


def _identity(identity: IdentityFields) -> list[str]:
    """Return sentences on the fields that identify a payment."""
    if identity.content:
        return ["All canonical fields together; equal records of a file are numbered."]
    if identity.fields:
        lines = [f"Composed of {' + '.join(identity.fields)}; equal records of a file are numbered."]
    else:
        within = f" within {' + '.join(identity.scope)}" if identity.scope else ""
        lines = [f"Assigned by the sender: {' or '.join(identity.assigned)}{within}."]
    lines += [f"No key where {path} is {' or '.join(values)}." for path, values in identity.none.items()]
    return lines + ([f"A reversal names its payment by {' + '.join(identity.cancels)}."] if identity.cancels else [])


def _content(field: Field) -> str:
    parts = [f"`{field.const}`"] if field.const is not None else []
    parts += [", ".join(f"{code} {meaning}" for code, meaning in field.codes.items())] if field.codes else []
    parts += [f"column `{field.column}`"] if field.column else []
    parts += [f"prefix `{field.prefix}`"] if field.prefix else []
    parts += ["filled with zeros"] if field.zero_pad else []
    parts += ["separators and ¥ allowed"] if field.formatted else []
    parts += ["may be blank"] if field.blank else []
    parts += ["personal data"] if field.sensitive else []
    parts += [field.note] if field.note else []
    return "; ".join(parts)


def template(name: str) -> str:
    """Return a commented layout file to start from: fixed length, with a header, data records and a trailer."""
    text = (resources.files("kokin.receipts.layouts") / "_template.toml").read_text(encoding="utf-8")
    return text.replace("NAME", name)
