"""``kokin qr proof`` and ``kokin qr verify``: test prints, and printed slips read back."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path
from typing import Annotated, Literal

from kokin.cli import _output
from kokin.cli._main import Exit, with_exit_code
from kokin.cli._messages import headings, language, message
from kokin.cli._options import Format, OutputFolder, OutputFormat, argument, option


@with_exit_code
def proof(
    out: OutputFolder,
    words: Annotated[Path, option("A TOML file with the payee and the names of charges.")],
    payee: Annotated[str, option("共通納税機関コード, 5 digits.")],
    item: Annotated[
        list[str] | None, option("税目・料金番号, 3 digits; once for each. By default those of the words.")
    ] = None,
    company: Annotated[str, option("請求書発行企業コード of the barcodes.", show_default=True)] = "999999",
    template: Annotated[str, option("strip, a4, or a TOML file with the geometry.", show_default=True)] = "strip",
    font: Annotated[str | None, option("A TrueType font, by path or family name.")] = None,
    digits_font: Annotated[str | None, option("A TrueType font for the OCR lines, such as an OCR-B.")] = None,
    mark: Annotated[Path | None, option("A picture of the eL mark.")] = None,
    module_mm: Annotated[float, option("Side of a module in mm; 10 dots at 600 dpi by default.", min=0.25)] = 25.4 / 60,
    quiet: Annotated[int, option("Quiet zone in modules.", min=0, show_default=True)] = 4,
    symbols: Annotated[Literal["svg", "png"] | None, option("Also write each symbol as a picture.")] = None,
    issued_on: Annotated[
        datetime | None, option("Day of issue; today by default.", formats=["%Y-%m-%d"], metavar="YYYY-MM-DD")
    ] = None,
) -> Exit:
    """Print invented slips with the extremes of every field, for a form review and a reading test.

    Each page is marked 見本. proof.csv has what each page must read as, the last page a ruler and the true sizes, and
    checklist.txt what to check. `kokin qr verify` compares scans of the sheets with the folder.
    """
    from kokin import slips

    style = slips.SymbolStyle(module_mm=module_mm, quiet_zone=quiet)
    result = slips.proof(
        out,
        words,
        payee_code=payee,
        item_codes=item or (),
        company_code=company,
        template=template,
        font=font,
        digits_font=digits_font,
        mark=mark,
        style=style,
        symbols=symbols,
        issued_on=issued_on and issued_on.date(),
        language=language(),
    )
    counts = result.as_dict()
    _output.line(message("slips {cases:,} = printed {pages:,} + rejected {rejected:,}", **counts))
    _output.issues([*style.check(), *result.issues])
    _output.line(message("written to {out}", out=out))
    return Exit.EXCEPTIONS if result.rejected else Exit.CLEAN


@with_exit_code
def verify(
    run: Annotated[Path, argument("The folder of a run of `kokin qr make`, or of proof sheets.", metavar="RUN")],
    scans: Annotated[
        list[Path], argument("Scans: PNG, JPEG, TIFF or PDF; or the PDF files of the run.", metavar="SCAN")
    ],
    sample: Annotated[
        bool, option("Only some of the slips were scanned: none of them is missing.", "--sample")
    ] = False,
    output: OutputFormat = Format.TEXT,
) -> Exit:
    """Read printed slips back, eL-QR and barcode, and compare them with the run that made them.

    Each difference is named: a missing or duplicate page, a page of another run, a code that cannot be read, and a code
    or barcode that differs or is that of another slip. Scan at 300 dpi. The exit code is 3 if there is a difference.
    """
    from kokin import slips
    from kokin._arrow.threads import usable_cores

    with _output.progress(message("pages")) as advance:
        result = slips.verify(run, scans, all_slips=not sample, processes=usable_cores(), on_progress=advance)
    if output is Format.JSON:
        issues = [_output.issue_dict(issue) for issue in result.issues]
        _output.as_json({**result.as_dict(), "issues": issues})
    else:
        rows = [(result.pages, result.read, result.differing, result.missing)]
        _output.table(headings("pages", "read", "differing", "missing slips"), rows)
        _output.issues(result.issues, total=sum(result.counts.values()))
    return Exit.CLEAN if result.is_verified else Exit.REJECTED
