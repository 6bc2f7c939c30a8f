"""From the values of a record to a receipt: the mapping of a layout, one record at a time."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date
from typing import Any

from pydantic_core import PydanticCustomError

from kokin.issues import Issue
from kokin.model import Receipt, Text, kinds
from kokin.receipts.layouts import Layout, Source


class ReceiptMapping:
    """What each canonical column of a file is made of. ``fields`` are those that the file has."""

    def __init__(self, layout: Layout, fields: list[str]) -> None:
        self.layout = layout
        self.sources: dict[str, Source] = {
            name: source
            for name, source in layout.receipt.items()
            if all(path.startswith("header.") or path in fields for path in source.ids)
        }
        self._kinds = kinds(Receipt)

    def values(self, record: Mapping[str, Any], header: Mapping[str, Any]) -> tuple[dict[str, Any], list[Issue]]:
        """The canonical values of a detail record under its header, and what is wrong with them.

        The field of an issue is the layout's; its place is left to the caller.
        """
        issues: list[Issue] = []
        values: dict[str, Any] = {}
        for name, source in self.sources.items():
            path = source.ids[0] if source.ids else ""
            value = self._value(source, record, header)
            if value is not None and source.values:
                if str(value) not in source.values:
                    issues.append(Issue("CODE_UNKNOWN", path, "/".join(source.values), str(value)[:24]))
                    continue
                value = source.values[str(value)]
            value = source.blank if value is None else value
            kind = self._kinds.get(name)
            if value is not None and kind is not None:
                try:
                    value = kind.check(value)
                except PydanticCustomError as problem:
                    if source.over == "refuse":
                        context = problem.context or {}
                        issues.append(Issue(problem.type, path, context["expected"], context["found"]))
                    value = value[: kind.width] if source.over == "cut" and isinstance(kind, Text) else None
            values[name] = value
        issues += [Issue("FIELD_MISSING", name) for name in ("paid_on", "amount") if values.get(name) is None]
        issues += self._incomplete(values)
        return values, issues

    def _value(self, source: Source, record: Mapping[str, Any], header: Mapping[str, Any]) -> Any:
        parts = [
            header.get(path.removeprefix("header.")) if path.startswith("header.") else record.get(path)
            for path in source.ids
        ]
        if not source.join:
            return parts[0] if parts else source.const
        if None in parts:
            return None
        return "-".join(part.isoformat() if isinstance(part, date) else str(part) for part in parts)

    def _incomplete(self, values: Mapping[str, Any]) -> list[Issue]:
        issues = []
        for members in self.layout.together.values():
            missing = [name for name in members if values.get(name) is None]
            if len(missing) < len(members):
                issues += [Issue("FIELD_MISSING", name) for name in missing]
        return issues
