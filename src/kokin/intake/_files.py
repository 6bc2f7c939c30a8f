"""The files that have come: the entries of the ledger, and what is in the inbox."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from hashlib import file_digest
from pathlib import Path
from typing import Any

from kokin.intake._source import Source, SourceKind
from kokin.issues import printable
from kokin.ledger import Entry, EntryKind, active_entries
from kokin.text import file_name

_POSTED_KINDS = {kind.entry_kind for kind in SourceKind}

# Subfolders of an inbox besides those that are named after a layout, as in examples/night.
_FOLDERS = {"deposits": SourceKind.DEPOSITS, "agent-reports": SourceKind.AGENT_REPORTS}
_BILLS_FOLDER = "bills"


@dataclass(frozen=True)
class DeliveredFile:
    """A file that was posted, or rejected."""

    entry: int
    """The id of its entry."""
    name: str
    kind: EntryKind
    layout: str
    """Empty for a table, and for deposits that were added without their file."""
    digest: str
    at: datetime
    """When it was posted or rejected: the effective time of the entry."""
    records: int | None
    """The number of its records; ``None`` for a rejected file."""
    yen: int | None
    control_records: Sequence[Mapping[str, Any]] = ()
    overlaps: Sequence[Mapping[str, int]] = ()
    """``entry`` of another file, and the number of payments ``repeated`` that it has too."""

    @property
    def is_rejected(self) -> bool:
        """Whether it was rejected as a whole."""
        return self.kind is EntryKind.REJECTED_FILE

    @classmethod
    def of(cls, entry: Entry) -> DeliveredFile:
        """Return the file of an entry."""
        totals = entry.totals
        return cls(
            entry=entry.id,
            name=entry.source,
            kind=entry.kind,
            layout=entry.layout,
            digest=entry.digest,
            at=entry.at,
            records=totals.get("read", totals.get("given")),
            yen=totals.get("accepted_yen", totals.get("yen")),
            control_records=totals.get("control_records", ()),
            overlaps=totals.get("overlaps", ()),
        )


def delivered_files(entries: Iterable[Entry], now: datetime) -> list[DeliveredFile]:
    """Return the active files of a ledger as of a time, oldest first.

    A file that was rejected and posted later is the posted one; one that was rejected several times is the last one.
    """
    known = sorted((entry for entry in entries if entry.at <= now), key=lambda entry: entry.id)
    active = active_entries(known)
    files = [DeliveredFile.of(entry) for entry in known if entry.id in active]
    posted = [file for file in files if file.kind in _POSTED_KINDS]
    digests = {file.digest for file in posted}
    rejected = {file.digest: file for file in files if file.is_rejected and file.digest not in digests}
    return sorted([*posted, *rejected.values()], key=lambda file: (file.at, file.entry))


def by_specificity(sources: Iterable[Source]) -> list[Source]:
    """Return the sources in the order in which a file is compared with them: those with a file pattern first."""
    return sorted(sources, key=lambda source: not source.file)


def source_of(file: DeliveredFile, sources: Iterable[Source], layout_names: Mapping[str, str]) -> str | None:
    """Return the name of the first source that a file matches; ``None`` if it matches none.

    Args:
        file: the file. One without a layout is compared by kind and name only.
        sources: the sources, in order.
        layout_names: the name of the layout of each source, as in the ledger.
    """
    for source in sources:
        # A rejected file has a layout; the command that rejected it is not recorded.
        is_kind = file.kind is source.kind.entry_kind or (file.is_rejected and layout_names[source.name] != "")
        is_layout = not file.layout or file.layout == layout_names[source.name]
        if is_kind and is_layout and source.has_name(file.name):
            return source.name
    return None


@dataclass(frozen=True)
class InboxFile:
    """A file in the inbox that is not in the ledger."""

    name: str
    source: str | None
    """The name of the source that it matches."""


@dataclass
class Inbox:
    """The files of a folder, and of its subfolders, which are named after a layout, ``deposits`` or ``agent-reports``.

    Files whose name begins with a dot or ends in ``.part`` are not complete, and are ignored; so is ``bills``.
    """

    folder: Path
    _files: list[Path] = field(init=False)

    def __post_init__(self) -> None:
        if not self.folder.is_dir():
            raise NotADirectoryError(20, "Not a directory", str(self.folder))
        self._files = sorted(path for path in self.folder.rglob("*") if path.is_file() and self._is_complete(path))

    def _is_complete(self, path: Path) -> bool:
        parts = path.relative_to(self.folder).parts
        return not any(part.startswith(".") for part in parts) and path.suffix != ".part" and parts[0] != _BILLS_FOLDER

    def unposted(
        self, sources: Sequence[Source], layout_names: Mapping[str, str], files: Sequence[DeliveredFile]
    ) -> list[InboxFile]:
        """Return the files that are not in the ledger, by name.

        Receipt files are compared by SHA-256. The digest of deposits and agent reports is that of their rows, so they
        are compared by name.
        """
        digests = {file.digest for file in files}
        names = {file.name for file in files if file.kind in (EntryKind.BANK_DEPOSITS, EntryKind.AGENT_REPORTS)}
        found = []
        for path in self._files:
            name = file_name(path)
            if name in names:
                continue
            with path.open("rb") as stream:
                if file_digest(stream, "sha256").hexdigest() in digests:
                    continue
            folder = path.parent.name if path.parent != self.folder else ""
            matching = (source.name for source in sources if _matches(source, name, folder, layout_names))
            found.append(InboxFile(printable(str(path.relative_to(self.folder))), next(matching, None)))
        return found


def _matches(source: Source, name: str, folder: str, layout_names: Mapping[str, str]) -> bool:
    """Return whether a file of the inbox matches a source: by its subfolder if it is in one, and by its name."""
    if not source.has_name(name):
        return False
    if not folder:
        return bool(source.file)
    if folder in _FOLDERS:
        return source.kind is _FOLDERS[folder]
    return source.kind is SourceKind.RECEIPTS and folder == layout_names[source.name]
