"""What is wrong with the files of a source: number of records, sequence number, balance, common payments."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from kokin.intake._files import DeliveredFile
from kokin.intake._source import BalanceChain, SequenceRule, Source, field_value
from kokin.intake._status import FindingKind, IntakeFinding


def file_findings(source: Source, files: Sequence[DeliveredFile], names: Mapping[int, str]) -> Iterator[IntakeFinding]:
    """Yield the findings of the posted files of a source.

    Args:
        source: the source.
        files: its posted files by day (:meth:`Assignment.in_order`).
        names: the name of the file of each entry, for overlaps.
    """
    for file in files:
        yield from _count_findings(source, file)
        for overlap in file.overlaps:
            found = f"{overlap['repeated']} of {file.records} in {names.get(overlap['entry'], '')} "
            found += f"(entry {overlap['entry']})"
            yield _finding(FindingKind.OVERLAP, source, file, "payments of no other file", found)
    if source.sequence:
        yield from _sequence_findings(source, source.sequence, files)
    if source.balance_chain:
        yield from _balance_findings(source, source.balance_chain, files)


def _finding(kind: FindingKind, source: Source, file: DeliveredFile, expected: str, found: str) -> IntakeFinding:
    return IntakeFinding(kind, source.name, file.name, file.entry, expected, found)


def _count_findings(source: Source, file: DeliveredFile) -> Iterator[IntakeFinding]:
    if not file.records:
        if not source.may_be_empty:
            yield _finding(FindingKind.EMPTY, source, file, "1 or more", "0")
    elif source.records and not source.records[0] <= file.records <= source.records[1]:
        smallest, largest = source.records
        yield _finding(FindingKind.RECORD_COUNT, source, file, f"{smallest} to {largest}", str(file.records))


def _sequence_findings(source: Source, rule: SequenceRule, files: Sequence[DeliveredFile]) -> Iterator[IntakeFinding]:
    """Yield a finding for each file whose number is not the next one; nothing is expected after an unknown number."""
    expected: int | None = None
    for file in files:
        number = _number(field_value(file.control_records, rule.field))
        if expected is not None and number is not None and number != expected:
            yield _finding(FindingKind.SEQUENCE, source, file, str(expected), str(number))
        expected = None if number is None else rule.next(number)


def _number(value: str | int | None) -> int | None:
    return int(value) if isinstance(value, int) or (value and value.isascii() and value.isdigit()) else None


def _balance_findings(source: Source, chain: BalanceChain, files: Sequence[DeliveredFile]) -> Iterator[IntakeFinding]:
    """Yield a finding for each account of a file that does not open with its last closing balance."""
    last: dict[tuple[str, ...], int] = {}
    for file in files:
        for account, opening, closing in _balances(chain, file):
            if account in last and opening is not None and opening != last[account]:
                yield _finding(FindingKind.BALANCE_CHAIN, source, file, f"{last[account]:,} yen", f"{opening:,} yen")
            if closing is None:
                last.pop(account, None)
            else:
                last[account] = closing


def _balances(chain: BalanceChain, file: DeliveredFile) -> Iterator[tuple[tuple[str, ...], int | None, int | None]]:
    """Yield account, opening and closing balance (yen) of each batch of a file; ``None`` for one that it lacks."""
    opens, closes = chain.opening.partition("."), chain.closing.partition(".")
    account: tuple[str, ...] = ()
    opening: int | None = None
    for row in file.control_records:
        values = row["values"]
        if row["record"] == opens[0]:
            account = tuple(str(values.get(name, "")) for name in chain.account)
            opening = _signed(chain, values, opens[2])
        if row["record"] == closes[0]:
            yield account, opening, _signed(chain, values, closes[2])


def _signed(chain: BalanceChain, values: Mapping[str, str | int], name: str) -> int | None:
    amount = values.get(name)
    if not isinstance(amount, int):
        return None
    is_negative = chain.sign_field and str(values.get(chain.sign_field, "")) == chain.negative_code
    return -amount if is_negative else amount
