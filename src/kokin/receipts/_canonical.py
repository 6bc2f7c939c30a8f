"""From the values of a record to a receipt: the mapping of a layout, one record at a time."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from datetime import date
from typing import Any

from pydantic_core import PydanticCustomError

from kokin.issues import Issue
from kokin.model import Receipt, ReceiptKind, Text, field_types
from kokin.receipts._identity import PaymentKey
from kokin.receipts.layouts import Layout, Rule, Source

Values = Mapping[str, Any]
#: Kinds that need an actor and a reason.
BY_HAND = frozenset(kind.value for kind in ReceiptKind if kind.is_by_hand)


@dataclass(frozen=True, slots=True)
class _Step:
    """How one canonical value is made."""

    name: str
    source: Source
    get: Callable[[Values, Values], Any]
    kind: Any


class ReceiptMapping:
    """What each canonical column of a file is made of; ``fields`` are those that the file has."""

    def __init__(self, layout: Layout, fields: Collection[str]) -> None:
        self.layout = layout
        self.sources: dict[str, Source] = {
            name: source
            for name, source in layout.receipt.items()
            if source.rules or all(path.startswith("header.") or path in fields for path in source.ids)
        }
        self.key = PaymentKey(layout, fields)
        #: The canonical columns that the file has.
        self.columns = [*self.sources, *self.key.columns]
        known = field_types(Receipt)
        self._steps = [_Step(name, source, _getter(source), known.get(name)) for name, source in self.sources.items()]

    def values(self, record: Values, header: Values) -> tuple[dict[str, Any], list[Issue]]:
        """The canonical values of a detail record under its header, and what is wrong with them.

        The field of an issue is the layout's; its place is left to the caller.
        """
        issues: list[Issue] = []
        values: dict[str, Any] = {}
        rejected: set[str] = set()
        for step in self._steps:
            value = step.get(record, header)
            coded = step.source.values
            if value is not None and coded:
                code = str(value)
                if code not in coded:
                    issues.append(
                        Issue("CODE_UNKNOWN", field=step.source.field, expected="/".join(coded), found=code[:24])
                    )
                    rejected.add(step.name)
                    continue
                value = coded[code]
            if value is None:
                value = step.source.blank
            elif step.kind is not None:
                try:
                    value = step.kind.check(value)
                except PydanticCustomError as problem:
                    before = len(issues)
                    value = self._over(step, value, problem, issues)
                    if len(issues) > before:
                        rejected.add(step.name)
            values[step.name] = value
        values |= self.key.values(record, header)

        def missing(names: Collection[str]) -> list[str]:
            # The issue of a rejected value is its own.
            return [name for name in names if values.get(name) is None and name not in rejected]

        issues += [Issue("FIELD_MISSING", field=name) for name in missing(("paid_on", "amount"))]
        if values.get("amount") == 0 and values.get("kind") != ReceiptKind.CORRECTION:
            issues.append(Issue("AMOUNT_ZERO", field=self.sources["amount"].field))
        if values.get("kind") in BY_HAND:
            issues += [Issue("FIELD_MISSING", field=name) for name in missing(("actor", "reason"))]
        for members in self.layout.together.values():
            absent = missing(members)
            if len(absent) < len(members):
                issues += [Issue("FIELD_MISSING", field=name) for name in absent]
        return values, issues

    def pays(self, record: Values) -> bool:
        """Whether a detail record reports a payment, or money that is taken back."""
        if self.layout.paid is not None:
            return as_code(record.get(self.layout.paid.field)) in self.layout.paid.codes
        rules = self.sources["kind"].rules if "kind" in self.sources else []
        return not rules or _ruled(rules, record) is not None

    def _over(self, step: _Step, value: Any, problem: PydanticCustomError, issues: list[Issue]) -> Any:
        """What becomes of a value that a receipt cannot hold."""
        match step.source.over:
            case "cut" if isinstance(step.kind, Text):
                return value[: step.kind.width]
            case "refuse":
                context = problem.context or {}
                path = (step.source.ids or [step.name])[0]
                issues.append(Issue(problem.type, field=path, expected=context["expected"], found=context["found"]))
        return None


def _getter(source: Source) -> Callable[[Values, Values], Any]:
    """The function that takes a value from a record and its header."""
    if source.join:
        parts = [_getter(Source(field=path)) for path in source.join]

        def joined(record: Values, header: Values) -> Any:
            values = [get(record, header) for get in parts]
            if None in values:
                return None
            return "-".join(value.isoformat() if isinstance(value, date) else str(value) for value in values)

        return joined
    if source.first:
        choices = [_getter(Source(field=path)) for path in source.first]
        return lambda record, header: next(
            (value for get in choices if (value := get(record, header)) is not None), None
        )
    if source.rules:
        return lambda record, header: _ruled(source.rules, record)
    if not source.field:
        return lambda record, header: source.const
    if source.field.startswith("header."):
        name = source.field.removeprefix("header.")
        return lambda record, header: header.get(name)
    return lambda record, header: record.get(source.field)


def as_code(value: Any) -> str:
    """A value as layouts write it among codes; a blank is the empty text."""
    return "" if value is None else str(value)


def _ruled(rules: list[Rule], record: Values) -> str | None:
    """The value by the first rule that a record meets."""
    for rule in rules:
        meets = all(as_code(record.get(name)) in codes for name, codes in rule.where.items())
        if meets and (rule.given is None or record.get(rule.given) is not None):
            return rule.value
    return None
