"""``kokin qr``: codes out of bills, and fields out of codes."""

from __future__ import annotations

from datetime import datetime
from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from kokin.cli import _show
from kokin.cli._exits import Exit, exits
from kokin.cli._words import heads, help_text, page, tell

app = typer.Typer(help=page("Make and read the eL-QR (地方税統一QRコード)."), no_args_is_help=True)


class Form(StrEnum):
    """What is written for each bill."""

    SVG = "svg"
    PNG = "png"
    PBM = "pbm"
    PDF = "pdf"
    PAYLOAD = "payload"


@app.command()
@exits
def make(
    bills: Annotated[
        Path, typer.Argument(help=help_text("Bills: CSV (UTF-8 or cp932) or Parquet."), show_default=False)
    ],
    out: Annotated[Path, typer.Option(help=help_text("The folder to write into."), show_default=False)],
    form: Annotated[Form, typer.Option("--format", help=help_text("What is written for each bill."))] = Form.SVG,
    module_mm: Annotated[float, typer.Option(help=help_text("The side of a module in mm."), min=0.05)] = 25.4 / 60,
    quiet: Annotated[int, typer.Option(help=help_text("The light margin, in modules."), min=0)] = 4,
    dpi: Annotated[int, typer.Option(help=help_text("Dots per inch of PNG and PBM."), min=72)] = 600,
    words: Annotated[
        Path | None,
        typer.Option(help=help_text("Of PDF: a TOML with the payee and the charges in words."), show_default=False),
    ] = None,
    template: Annotated[
        str, typer.Option(help=help_text("Of PDF: strip, a4, or a TOML file with the geometry."))
    ] = "strip",
    font: Annotated[
        Path | None, typer.Option(help=help_text("Of PDF: a TrueType font to embed."), show_default=False)
    ] = None,
    issued_on: Annotated[
        datetime | None,
        typer.Option(formats=["%Y-%m-%d"], help=help_text("Reject a deadline before this day."), show_default=False),
    ] = None,
    allow_missing_deadline: Annotated[
        bool, typer.Option("--no-deadline", help=help_text("Write zeros where a bill has no 支払期限."))
    ] = False,
    part_rows: Annotated[int, typer.Option(help=help_text("Rows of the bills per part."), min=1)] = 10_000,
) -> Exit:
    """Make the eL-QR of every bill, in numbered parts with a manifest.

    The same call on the same folder goes on where an interrupted one stopped. A bill that breaks a rule gets no code;
    it is told in issues.csv with its row and field.
    """
    from kokin import slips

    style = slips.SymbolStyle(module_mm=module_mm, quiet_zone=quiet)
    with _show.progress(tell("slips")) as on_progress:
        day = issued_on and issued_on.date()
        result = slips.make(
            bills,
            out,
            form.value,
            style=style,
            dpi=dpi,
            wording=words,
            template=template,
            font=font,
            issued_on=day,
            allow_missing_deadline=allow_missing_deadline,
            part_rows=part_rows,
            on_progress=on_progress,
        )
    counts = {"read": result.read, "made": result.written, "rejected": result.rejected}
    _show.line(tell("read {read:,} = made {made:,} + rejected {rejected:,}", **counts))
    if form is not Form.PAYLOAD:
        side = style.side_mm if form is Form.SVG else style.printed_mm(dpi)
        _show.line(tell("each {side:g} mm wide, quiet zone of {quiet} modules included", side=side, quiet=quiet))
    if result.resumed:
        _show.line(tell("{parts:,} parts were there already", parts=result.resumed))
    _show.line(tell("written to {out}", out=out))
    if (out / "issues.csv").exists():
        _show.note(tell("issues are in {file}", file=out / "issues.csv"))
    return Exit.EXCEPTIONS if result.rejected else Exit.CLEAN


@app.command()
@exits
def read(
    code: Annotated[
        str, typer.Argument(help=help_text("The 255 digits, or the path of a picture."), show_default=False)
    ],
) -> Exit:
    """Read an eL-QR from its digits or from a picture: every field and every problem."""
    from kokin import elqr

    problems = 0
    for digits in _decoded(code):
        issues = elqr.check(digits)
        if len(digits) == elqr.PAYLOAD_LENGTH:
            parts = [(part.name, part.ja, digits[part.span]) for part in elqr.ELEMENTS.values() if not part.const]
            number = [] if issues else [("el_number", "eL番号", elqr.parse(digits).el_number)]
            _show.grid((*heads("field"), "項目", *heads("digits")), parts + number)
        _show.issues(issues, most=len(issues))
        problems += len(issues)
    return Exit.REFUSED if problems else Exit.CLEAN


def _decoded(code: str) -> list[str]:
    """The digits themselves, or those of every eL-QR in a picture.

    Raises:
        InvalidInputError: the picture has no QR code.
        OSError: it cannot be read.
    """
    from kokin import elqr, slips

    digits = elqr.strip_scanner_marks(code)
    is_picture = not digits.isdigit() and (Path(code).suffix or Path(code).exists())
    return slips.decode(code) if is_picture else [digits]
