"""Which file is the one of which day.

1. A file whose layout has a date (``day_field``) belongs to the first expected day that is not before that date (plus
   ``day_field_bank_days``). The first file of a day is its file.
2. Every other file is in the window of a day: after the deadline of the day before, until the deadline of the day. The
   files of a window are distributed in the order in which they came. If several came, or one before the day opens, the
   first of them are the late files of the days before that have none: of the last such days, in their order. The next
   one is the file of the day itself.
3. A file for which no day remains is an extra file.
4. A rejected file counts for a day that has no file: the last day before if it came before the day of its window opens
   and that day has none, else the day of its window.
"""

from __future__ import annotations

from bisect import bisect_left
from collections import defaultdict
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime

from kokin.intake._days import ExpectedDay
from kokin.intake._files import DeliveredFile


@dataclass
class Assignment:
    """The files of the days of one source."""

    files: dict[date, DeliveredFile] = field(default_factory=dict)
    """The file of each day that has one."""
    rejected: dict[date, DeliveredFile] = field(default_factory=dict)
    """The last rejected file of each day without a file."""
    extra: list[tuple[date | None, DeliveredFile]] = field(default_factory=list)
    """Files for which no day remains, each with the day of its window; ``None`` after the last day."""

    def in_order(self) -> list[DeliveredFile]:
        """Return all posted files by day, those of one day in the order in which they came."""
        rows = [*self.files.items(), *((day or date.max, file) for day, file in self.extra)]
        return [file for _, file in sorted(rows, key=lambda row: (row[0], row[1].at, row[1].entry))]


def assign(
    days: Sequence[ExpectedDay],
    files: Sequence[DeliveredFile],
    date_of: Callable[[DeliveredFile], date | None],
    closed: Collection[date] = (),
) -> Assignment:
    """Assign the files of a source to its days.

    Args:
        days: the expected days, in order.
        files: the files of the source, in any order.
        date_of: the date from which on a file can be the one of a day; ``None`` if it has no date.
        closed: days that a person has closed; a late file is not for them.
    """
    result = Assignment()
    files = sorted(files, key=lambda file: (file.at, file.entry))
    deadlines = [day.deadline for day in days]
    windows: dict[int, list[DeliveredFile]] = defaultdict(list)
    for file in files:
        if file.is_rejected:
            continue
        window = bisect_left(deadlines, file.at)
        first_date = date_of(file)
        if first_date is not None:
            _assign_dated(result, days, file, first_date)
        elif window == len(days):
            result.extra.append((None, file))
        else:
            windows[window].append(file)
    for window in sorted(windows):
        _assign_window(result, days[: window + 1], windows[window], closed)
    for file in files:
        window = bisect_left(deadlines, file.at)
        if file.is_rejected and window < len(days):
            _assign_rejected(result, days[: window + 1], file)
    return result


def _assign_dated(result: Assignment, days: Sequence[ExpectedDay], file: DeliveredFile, first_date: date) -> None:
    at = bisect_left([day.day for day in days], first_date)
    day = days[at].day if at < len(days) else None
    if day is None or day in result.files:
        result.extra.append((day, file))
    else:
        result.files[day] = file


def _assign_window(
    result: Assignment, days: Sequence[ExpectedDay], files: Sequence[DeliveredFile], closed: Collection[date]
) -> None:
    """Assign the files of the window of the last of these days, in the order in which they came."""
    own = days[-1]
    missing = [day.day for day in days[:-1] if day.day not in result.files and day.day not in closed]
    is_open = any(file.at >= own.opens_at for file in files)
    late = min(len(missing), len(files) - is_open)
    if late:
        result.files.update(zip(missing[-late:], files[:late], strict=True))
    for file in files[late:]:
        if own.day in result.files:
            result.extra.append((own.day, file))
        else:
            result.files[own.day] = file


def _assign_rejected(result: Assignment, days: Sequence[ExpectedDay], file: DeliveredFile) -> None:
    before, own = days[-2:-1], days[-1]
    is_early = file.at < own.opens_at
    day = before[0].day if is_early and before and before[0].day not in result.files else own.day
    if day not in result.files:
        result.rejected[day] = file


def is_late(day: ExpectedDay, at: datetime) -> bool:
    """Return whether a time is after the deadline of a day."""
    return at > day.deadline
