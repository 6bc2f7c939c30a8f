"""``kokin qr``: make an eL-QR for every bill, and read one."""

from __future__ import annotations

import csv
from datetime import datetime
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from kokin.cli import _output
from kokin.cli._main import Exit, with_exit_code
from kokin.cli._messages import command_help, headings, language, message
from kokin.cli._options import BillLayout, OutputFolder, argument, option
from kokin.issues import Issue, Location, Severity

if TYPE_CHECKING:
    from kokin.slips import RunResult

app = typer.Typer(help=command_help("Make and read the eL-QR (地方税統一QRコード)."), no_args_is_help=True)

# Rejected bills that are named on the screen; all are in issues.csv.
_MAX_REJECTED = 3


class CodeFormat(StrEnum):
    """Format of the file of each bill."""

    SVG = "svg"
    PNG = "png"
    PBM = "pbm"
    PDF = "pdf"
    PAYLOAD = "payload"


@app.command()
@with_exit_code
def make(
    bills: Annotated[Path, argument("Bills: CSV (UTF-8 or cp932) or Parquet.", metavar="BILLS")],
    out: OutputFolder,
    output: Annotated[
        CodeFormat, option("Format of the file of each bill.", "--format", show_default=True)
    ] = CodeFormat.SVG,
    module_mm: Annotated[float, option("Side of a module in mm; 10 dots at 600 dpi by default.", min=0.25)] = 25.4 / 60,
    quiet: Annotated[int, option("Quiet zone in modules.", min=0, show_default=True)] = 4,
    dpi: Annotated[int, option("Resolution of PNG and PBM.", min=72, show_default=True)] = 600,
    words: Annotated[Path | None, option("For PDF: a TOML file with the payee and the names of charges.")] = None,
    template: Annotated[
        str, option("For PDF: strip, a4, or a TOML file with the geometry.", show_default=True)
    ] = "strip",
    font: Annotated[str | None, option("For PDF: a TrueType font, by path or family name.")] = None,
    digits_font: Annotated[str | None, option("For PDF: a TrueType font for the OCR lines, such as an OCR-B.")] = None,
    mark: Annotated[Path | None, option("For PDF: a picture of the eL mark; its area is blank without one.")] = None,
    notes: Annotated[
        Path | None, option("For PDF: a CSV of texts on single slips, by bill_id: period, note, remarks.")
    ] = None,
    issued_on: Annotated[
        datetime | None,
        option("Reject bills with a 支払期限 before this day.", formats=["%Y-%m-%d"], metavar="YYYY-MM-DD"),
    ] = None,
    allow_missing_deadline: Annotated[
        bool, option("Write zeros for a bill without a 支払期限.", "--no-deadline")
    ] = False,
    part_rows: Annotated[int, option("Bills per part.", min=1, show_default=True)] = 10_000,
    jobs: Annotated[
        int | None, option("Parts that are written at the same time; by default one per core, at most 8.", min=1)
    ] = None,
    bill_layout: BillLayout = None,
    against: Annotated[
        Path | None, option("Folder of an earlier run: only new and changed slips are printed, withdrawn ones listed.")
    ] = None,
) -> Exit:
    """Make the eL-QR of every bill, in numbered parts with a manifest.

    The same command on the same folder continues an interrupted run. A bill that breaks a rule gets no code; issues.csv
    names its row and field.

    With --against, unchanged.csv lists the slips that an earlier run printed with the same content, withdrawn.csv those
    that are no longer in the file, or are cancelled or superseded, and replaced.csv those that are printed with another
    content. The pages of the last two must not be posted.
    """
    from kokin import slips

    if output is not CodeFormat.PDF:
        changed_template = None if template == "strip" else template
        _require_no_pdf_option(
            words=words, template=changed_template, font=font, digits_font=digits_font, mark=mark, notes=notes
        )
    style = slips.SymbolStyle(module_mm=module_mm, quiet_zone=quiet)
    with _output.progress(message("slips")) as advance:
        run = slips.make(
            bills,
            out,
            output.value,
            layout=bill_layout,
            style=style,
            dpi=dpi,
            wording=words,
            template=template,
            font=font,
            digits_font=digits_font,
            mark=mark,
            notes=notes,
            issued_on=issued_on and issued_on.date(),
            allow_missing_deadline=allow_missing_deadline,
            part_rows=part_rows,
            against=against,
            jobs=jobs,
            on_progress=advance,
        )
    _print_counts(run, out)
    if output is not CodeFormat.PAYLOAD:
        is_raster = output in (CodeFormat.PNG, CodeFormat.PBM)
        side = style.printed_mm(dpi) if is_raster else style.side_mm
        _output.line(message("each {side:g} mm wide, quiet zone of {quiet} modules included", side=side, quiet=quiet))
        _output.issues(style.check(dpi if is_raster else None))
    if run.resumed:
        _output.line(message("{parts:,} parts existed already", parts=run.resumed))
    _output.line(message("written to {out}", out=out))
    if run.without_address:
        _output.note(
            message(
                "slips without a name or address, which cannot be posted in a window envelope: {count:,}",
                count=run.without_address,
            )
        )
    if (out / "issues.csv").exists():
        _print_rejected(out / "issues.csv")
        _output.note(message("issues are in {file}", file=out / "issues.csv"))
    if run.read == run.rejected > 0:
        return Exit.REJECTED
    return Exit.EXCEPTIONS if run.rejected or run.without_address else Exit.CLEAN


def _require_no_pdf_option(**options: object) -> None:
    """Raise for the first option that has a value, since only a PDF would use it.

    Raises:
        BadParameter: an option has a value.
    """
    for name, value in options.items():
        if value is not None:
            raise typer.BadParameter(message("pass it with --format pdf"), param_hint=f"--{name.replace('_', '-')}")


def _print_counts(run: RunResult, out: Path) -> None:
    counts = {"read": run.read, "made": run.written, "rejected": run.rejected}
    if run.unchanged or run.closed:
        counts |= {"unchanged": run.unchanged, "closed": run.closed}
        _output.line(
            message(
                "read {read:,} = made {made:,} + unchanged {unchanged:,} + not open {closed:,} + rejected {rejected:,}",
                **counts,
            )
        )
    else:
        _output.line(message("read {read:,} = made {made:,} + rejected {rejected:,}", **counts))
    if run.changed_options:
        options = ", ".join(run.changed_options)
        _output.note(message("all slips are printed, because these options changed: {options}", options=options))
    if run.withdrawn:
        values = {"count": run.withdrawn, "file": out / "withdrawn.csv"}
        _output.note(message("slips of the earlier run to withdraw: {count:,}, in {file}", **values))
    if run.replaced:
        values = {"count": run.replaced, "file": out / "replaced.csv"}
        _output.note(message("slips of the earlier run that are replaced: {count:,}, in {file}", **values))


def _print_rejected(path: Path) -> None:
    """Print the issues of the first rejected bills, with their numbers."""
    shown: set[str] = set()
    with path.open(encoding="utf-8", newline="") as file:
        for row in csv.DictReader(file):
            if row["severity"] != Severity.ERROR:
                continue
            shown.add(row["record"])
            if len(shown) > _MAX_REJECTED:
                break
            location = Location(row["file"], int(row["record"]) if row["record"] else None)
            values = {name: row[name] for name in ("field", "expected", "found")}
            text = Issue(row["code"], location=location, **values).describe(language())
            _output.note(message("bill {bill_id}: {issue}", bill_id=row["bill_id"] or "?", issue=text))


@app.command()
@with_exit_code
def read(code: Annotated[str, argument("The 255 digits, or the path of an image.", metavar="TEXT-OR-IMAGE")]) -> Exit:
    """Read an eL-QR from its digits or from an image: every field and every problem."""
    from kokin import elqr

    count = 0
    for digits in _payloads(code):
        issues = elqr.check(digits)
        if len(digits) == elqr.PAYLOAD_LENGTH:
            elements = (element for element in elqr.ELEMENTS.values() if not element.const)
            rows = [(element.name, element.ja, digits[element.span]) for element in elements]
            number = [] if issues else [("el_number", "eL番号", elqr.parse(digits).el_number)]
            _output.table(headings("field", "item", "digits"), rows + number)
        _output.issues(issues, max_count=len(issues))
        count += len(issues)
    return Exit.REJECTED if count else Exit.CLEAN


def _payloads(code: str) -> list[str]:
    """Return the digits themselves, or those of every eL-QR in an image.

    Raises:
        InvalidInputError: the image has no QR code.
        OSError: it cannot be read.
    """
    from kokin import elqr, slips

    digits = elqr.strip_scanner_marks(code)
    is_image = not digits.isdigit() and (Path(code).suffix or Path(code).exists())
    return slips.decode(code) if is_image else [digits]
