"""Compare scans or PDFs of printed slips with the run that made them: every difference is named."""

from __future__ import annotations

import multiprocessing
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple

import pyarrow as pa
import pyarrow.compute as pc

from kokin._arrow.convert import BoolArray, bool_array, combine, to_mask
from kokin.elqr import ELEMENTS, PAYLOAD_LENGTH, strip_scanner_marks
from kokin.issues import Issue, Location
from kokin.slips._decode import PageCodes, count_pages, read_pages
from kokin.slips._earlier_run import MANIFEST, completed_options, read_columns
from kokin.text import file_name

#: The table of a folder of proof sheets, which is verified like a run.
PROOF = "proof.csv"

_EL_NUMBER = ("payee_code", "case_key", "confirmation", "item_code")
# Elements that are computed from the others: named only if no other element differs.
_COMPUTED = frozenset({"upper_check", "lower_check", "mpn_amount", "crc"})
# Pages that a process reads at a time.
_CHUNK_PAGES = 16


@dataclass(frozen=True, slots=True)
class VerifyResult:
    """The result of reading printed slips back."""

    pages: int
    """Pages of the scans."""
    read: int
    """Pages whose eL-QR was read."""
    differing: int
    """Pages with an issue."""
    missing: int
    """Slips of the run that are on no page."""
    issues: list[Issue] = field(default_factory=list)
    """The first issues."""
    counts: dict[str, int] = field(default_factory=dict)
    """The number of all issues by code."""

    @property
    def is_verified(self) -> bool:
        """Whether each page was read and agrees with the run, and no slip is missing."""
        return not self.counts

    def as_dict(self) -> dict[str, Any]:
        """Return the counts by name; ``counts`` has the number of issues by code."""
        return {name: getattr(self, name) for name in ("pages", "read", "differing", "missing", "counts")}


def verify(
    run: str | Path,
    scans: Iterable[str | Path],
    *,
    all_slips: bool = True,
    processes: int = 1,
    max_issues: int = 1000,
    on_progress: Callable[[int], object] = lambda pages: None,
) -> VerifyResult:
    """Read the codes of printed slips and compare them with the manifest of the run that made them.

    The eL-QR is compared digit for digit, the barcode too if the run printed one. In a PDF of the run itself, each page
    is also compared with the slip that the manifest names for that page. A page is named as ``file#page=2``.

    - ``SCAN_UNREADABLE``: no eL-QR (field ``payload``) or no barcode (``barcode``) was read.
    - ``SCAN_DIFFERS``: the eL-QR or barcode of the slip has other digits; ``field`` is the element of the payload.
    - ``SCAN_OTHER_SLIP``: the barcode is that of another slip, or the page of the PDF has another slip.
    - ``SCAN_OTHER_RUN``: the eL-QR is that of no slip of the run. ``SCAN_DUPLICATE``: an earlier page has it, too.
    - ``SLIP_MISSING``: no page has the slip; its location is its page in the run.

    Args:
        run: the folder of a run, or of proof sheets.
        scans: PNG, JPEG, PBM, TIFF (also of several pages) and PDF files.
        all_slips: whether all slips of the run were scanned; False for a sample, of which no slip is missing.
        processes: processes that read pages. With more than one, a script needs ``if __name__ == "__main__":``.
        max_issues: the number of issues in the result.
        on_progress: called with the number of pages that were read.

    Raises:
        KokinError: the extra ``decode`` is not installed.
        InvalidInputError: the folder has no completed run, or a scan is not a picture or PDF.
        OSError: a file cannot be read.
    """
    table, requires_barcode = _table_of(Path(run))
    pages = list(_read_scans([Path(scan) for scan in scans], requires_barcode, processes, on_progress))
    slips = _Slips(table, pages, max_missing=max_issues if all_slips else 0)
    counts: Counter[str] = Counter()
    issues: list[Issue] = []
    differing = 0
    printed_on: dict[str, str] = {}
    for page in pages:
        found = list(_compare(page, slips, printed_on, requires_barcode))
        issues += [issue.with_location(Location(page.place)) for issue in found[: max_issues - len(issues)]]
        counts.update(issue.code for issue in found)
        differing += bool(found)
    missing = slips.missing_count if all_slips else 0
    if missing:
        counts["SLIP_MISSING"] = missing
        issues += slips.missing[: max_issues - len(issues)]
    read = sum(bool(page.payloads) for page in pages)
    return VerifyResult(len(pages), read, differing, missing, issues, dict(counts))


def _table_of(folder: Path) -> tuple[Path, bool]:
    """Return the table of the slips of a run or of proof sheets, and whether their barcodes were printed.

    Raises:
        InvalidInputError: the folder has neither.
    """
    if (folder / PROOF).exists():
        return folder / PROOF, True
    return folder / MANIFEST, completed_options(folder, "run")["output_format"] == "pdf"


# --- pages ------------------------------------------------------------------------------------------------------------


class _Page(NamedTuple):
    """The codes of a scanned page."""

    place: str
    """The name of the page in issues."""
    positions: tuple[tuple[str, int], ...]
    """The names that its file and page can have in the manifest."""
    payloads: tuple[str, ...]
    """The distinct texts that have the form of an eL-QR."""
    barcodes: tuple[str, ...]


def _read_scans(
    scans: Sequence[Path], with_barcodes: bool, processes: int, on_progress: Callable[[int], object]
) -> Iterator[_Page]:
    """Yield the pages of the scans in their order."""
    counts = [count_pages(scan) for scan in scans]
    chunks = [
        (scan, range(start, min(start + _CHUNK_PAGES, count + 1)), with_barcodes)
        for scan, count in zip(scans, counts, strict=True)
        for start in range(1, count + 1, _CHUNK_PAGES)
    ]
    is_single = {scan: count == 1 for scan, count in zip(scans, counts, strict=True)}
    with ExitStack() as stack:
        results: Iterable[list[PageCodes]]
        if processes > 1 and len(chunks) > 1:
            # A forked process could inherit a lock of Arrow's threads; spawn is the same on every system.
            context = multiprocessing.get_context("spawn")
            pool = stack.enter_context(ProcessPoolExecutor(min(processes, len(chunks)), context))
            results = pool.map(_read_chunk, chunks)
        else:
            results = map(_read_chunk, chunks)
        for (scan, *_), codes in zip(chunks, results, strict=True):
            for page in codes:
                yield _page_of(scan, page, is_single[scan])
            on_progress(len(codes))


def _read_chunk(chunk: tuple[Path, range, bool]) -> list[PageCodes]:
    scan, numbers, with_barcodes = chunk
    return list(read_pages(scan, numbers, with_barcodes=with_barcodes))


def _page_of(scan: Path, codes: PageCodes, is_single: bool) -> _Page:
    name = file_name(scan)
    payloads = (strip_scanner_marks(text) for text in codes.qr_codes)
    return _Page(
        name if is_single else f"{name}#page={codes.page}",
        ((name, codes.page), (f"{file_name(scan.parent)}/{name}", codes.page)),
        tuple(dict.fromkeys(text for text in payloads if _has_form_of_elqr(text))),
        tuple(dict.fromkeys(codes.barcodes)),
    )


def _has_form_of_elqr(text: str) -> bool:
    """Whether a text is meant as an eL-QR, which may have invalid digits: a page can have other QR Codes."""
    return len(text) == PAYLOAD_LENGTH and text.isascii() and text.isdigit()


def _el_number(payload: str) -> str:
    return "-".join(payload[ELEMENTS[name].span] for name in _EL_NUMBER)


# --- slips of the run -------------------------------------------------------------------------------------------------


class _Slip(NamedTuple):
    """A row of the manifest."""

    record: str
    bill_id: str
    el_number: str
    file: str
    page: str
    payload: str
    barcode: str

    @property
    def position(self) -> tuple[str, int]:
        """The file and the page; a picture has one page."""
        return self.file, int(self.page or 1)


class _Slips:
    """The slips of a run that are on a page or expected on it, and those that are on no page."""

    def __init__(self, table: Path, pages: Sequence[_Page], max_missing: int) -> None:
        self.by_number: dict[str, _Slip] = {}
        self.by_barcode: dict[str, _Slip] = {}
        self.by_position: dict[tuple[str, int], _Slip] = {}
        self.files: set[str] = set()
        self.missing: list[Issue] = []
        self.missing_count = 0
        numbers = {_el_number(payload) for page in pages for payload in page.payloads}
        barcodes = {barcode for page in pages for barcode in page.barcodes}
        positions = {position for page in pages for position in page.positions}
        # A slip whose eL-QR cannot be read is known by its barcode, or by its page in a PDF of the run.
        unread = [page for page in pages if not page.payloads]
        unread_barcodes = {barcode for page in unread for barcode in page.barcodes}
        unread_positions = {position for page in unread for position in page.positions}
        for chunk in read_columns(table, _Slip._fields):
            is_read = _is_in(chunk["el_number"], numbers)
            is_known = is_read | _is_in(chunk["barcode"], unread_barcodes)
            is_placed = _is_in(chunk["file"], {file for file, _ in positions})
            for slip in _slips_of(chunk, is_read | is_placed | _is_in(chunk["barcode"], barcodes)):
                self.by_number[slip.el_number] = slip
                if slip.barcode:
                    self.by_barcode[slip.barcode] = slip
                self.files.add(slip.file)
                if slip.position in positions:
                    self.by_position[slip.position] = slip
            placed = sum(slip.position in unread_positions for slip in _slips_of(chunk, is_placed & ~is_known))
            self.missing_count += int((~is_known).sum()) - placed
            for slip in _slips_of(chunk, ~is_known):
                if len(self.missing) >= max_missing:
                    break
                if slip.position not in unread_positions:
                    location = Location("{}#page={}".format(*slip.position) if slip.page else slip.file)
                    self.missing.append(
                        Issue("SLIP_MISSING", field="bill_id", expected=slip.bill_id, location=location)
                    )


def _is_in(column: pa.ChunkedArray, values: set[str]) -> BoolArray:
    return to_mask(combine(pc.is_in(column, value_set=pa.array(sorted(values), pa.string()))))


def _slips_of(chunk: pa.Table, rows: BoolArray) -> Iterator[_Slip]:
    for batch in chunk.filter(bool_array(rows)).to_batches(max_chunksize=1000):
        yield from map(_Slip._make, zip(*batch.to_pydict().values(), strict=True))


# --- comparison -------------------------------------------------------------------------------------------------------


def _compare(page: _Page, slips: _Slips, printed_on: dict[str, str], requires_barcode: bool) -> Iterator[Issue]:
    """Yield the issues of a page, without their location; ``printed_on`` has the page of each slip read so far."""
    expected = next((slips.by_position[place] for place in page.positions if place in slips.by_position), None)
    if not page.payloads:
        if expected is None and not page.barcodes and any(file in slips.files for file, _ in page.positions):
            return  # a page of the run without a slip, such as the ruler of proof sheets
        known = expected or next((slips.by_barcode[code] for code in page.barcodes if code in slips.by_barcode), None)
        yield Issue("SCAN_UNREADABLE", field="payload", expected=f"bill {known.bill_id}" if known else "an eL-QR")
        if known:
            yield from _compare_barcode(page, known, slips, requires_barcode)
        return
    for payload in page.payloads:
        slip = slips.by_number.get(_el_number(payload))
        if slip is None:
            expected_text = f"bill {expected.bill_id}" if expected else "a slip of the run"
            yield Issue("SCAN_OTHER_RUN", field="el_number", expected=expected_text, found=_el_number(payload))
            continue
        if expected and slip != expected:
            yield _other_slip("payload", expected, slip)
        yield from _differing_elements(slip.payload, payload)
        if slip.el_number in printed_on:
            found = f"bill {slip.bill_id} on {printed_on[slip.el_number]}"
            yield Issue("SCAN_DUPLICATE", field="payload", expected="one page", found=found)
        printed_on.setdefault(slip.el_number, page.place)
        yield from _compare_barcode(page, slip, slips, requires_barcode)


def _differing_elements(expected: str, found: str) -> Iterator[Issue]:
    """Yield an issue per element of an eL-QR that differs; a computed one only if no other differs."""
    differing = [each for each in ELEMENTS.values() if expected[each.span] != found[each.span]]
    for element in [each for each in differing if each.name not in _COMPUTED] or differing:
        yield Issue("SCAN_DIFFERS", field=element.name, expected=expected[element.span], found=found[element.span])


def _compare_barcode(page: _Page, slip: _Slip, slips: _Slips, requires_barcode: bool) -> Iterator[Issue]:
    if not page.barcodes:
        if slip.barcode and requires_barcode:
            yield Issue("SCAN_UNREADABLE", field="barcode", expected=f"bill {slip.bill_id}")
    elif slip.barcode not in page.barcodes:
        for barcode in page.barcodes:
            if other := slips.by_barcode.get(barcode):
                yield _other_slip("barcode", slip, other)
            else:
                yield Issue("SCAN_DIFFERS", field="barcode", expected=slip.barcode or "no barcode", found=barcode)


def _other_slip(field: str, expected: _Slip, found: _Slip) -> Issue:
    names = f"bill {expected.bill_id}", f"bill {found.bill_id}"
    return Issue("SCAN_OTHER_SLIP", field=field, expected=names[0], found=names[1])
