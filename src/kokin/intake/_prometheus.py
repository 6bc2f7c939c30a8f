"""The state of the intake as metrics for Prometheus: a text file for the textfile collector of node_exporter.

https://prometheus.io/docs/instrumenting/exposition_formats/
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator

from kokin.intake._status import FileState, FindingKind, IntakeStatus

_ESCAPES = str.maketrans({"\\": r"\\", '"': r"\"", "\n": r"\n"})


def prometheus(status: IntakeStatus) -> str:
    """Return the state of the intake in the text format of Prometheus; every metric is a gauge.

    ``kokin_intake_files_expected`` and ``kokin_intake_files_arrived`` of the day; ``kokin_intake_files`` by ``state``;
    ``kokin_intake_missing_bank_days`` by ``source``, of its oldest missing or rejected file, 0 if none;
    ``kokin_intake_records`` by ``source``, of its file of the day; ``kokin_intake_findings`` by ``kind``; and
    ``kokin_intake_checked_timestamp_seconds``. Every state, kind and source of the day has a sample.
    """
    states = Counter(file.state for file in status.files)
    kinds = Counter(finding.kind for finding in status.findings)
    missing = {file.source: 0 for file in status.files}
    for file in status.files:
        missing[file.source] = max(missing[file.source], file.bank_days)
    records = [
        ({"source": file.source}, file.records or 0)
        for file in status.files
        if file.day == status.day and file.state.has_file
    ]
    lines = [
        *_gauge("files_expected", "Files expected on the day of the check.", [({}, status.expected)]),
        *_gauge("files_arrived", "Files of the day that were posted.", [({}, status.arrived)]),
        *_gauge(
            "files",
            "Files of the day, and of earlier days that are missing, rejected or late, by state.",
            [({"state": state.value}, states[state]) for state in FileState],
        ),
        *_gauge(
            "missing_bank_days",
            "Bank days for which the oldest file of a source is missing or rejected.",
            [({"source": source}, days) for source, days in missing.items()],
        ),
        *_gauge("records", "Records of the file of the day.", records),
        *_gauge(
            "findings",
            "Findings about files that came, by kind.",
            [({"kind": kind.value}, kinds[kind]) for kind in FindingKind],
        ),
        *_gauge("checked_timestamp_seconds", "Time of the check.", [({}, int(status.now.timestamp()))]),
    ]
    return "".join(f"{line}\n" for line in lines)


def _gauge(name: str, text: str, samples: Iterable[tuple[dict[str, str], int]]) -> Iterator[str]:
    samples = list(samples)
    if not samples:
        return
    yield f"# HELP kokin_intake_{name} {text}"
    yield f"# TYPE kokin_intake_{name} gauge"
    for labels, value in samples:
        pairs = ",".join(f'{label}="{text.translate(_ESCAPES)}"' for label, text in labels.items())
        yield f"kokin_intake_{name}{{{pairs}}} {value}" if pairs else f"kokin_intake_{name} {value}"
