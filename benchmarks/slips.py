"""Speed of slips: payloads, symbols, pictures and printed pages, compared with loops and other encoders.

Before anything is timed, payloads are compared with those of single records, and symbols module for module with segno.
Rounds are paired in one process: each runs every implementation once, slow ones on fewer rows. The tables show medians
and ratios.

    python benchmarks/slips.py [--rows N] [--rounds N] [--pages N]
    python benchmarks/slips.py --only-pages [--pages N] [--rounds N]
"""

from __future__ import annotations

import argparse
import binascii
import functools
import io
import os
import platform
import shutil
import statistics
import tempfile
import time
from collections.abc import Callable
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import qrcodegen
import segno
import zxingcpp

from kokin import slips
from kokin.elqr import ElQr, build_many, parse_many
from kokin.model import Bill

Job = Callable[[], object]


def bills(rows: int) -> pa.Table:
    """Return invented bills of one authority with varying keys, confirmation numbers, amounts and terms."""
    random = np.random.default_rng(20_26)

    def texts(numbers: np.ndarray, width: int) -> list[str]:
        return [f"{number:0{width}d}" for number in numbers.tolist()]

    term = random.integers(1, 5, rows)
    due = np.array([f"2026-{month:02d}-30" for month in (6, 8, 10, 12)], "M8[D]")[term - 1]
    return pa.table(
        {
            "bill_id": [f"{number}" for number in range(rows)],
            "payee_code": ["99999"] * rows,
            "office_code": ["001"] * rows,
            "item_code": np.array(["127", "201", "301"])[random.integers(0, 3, rows)].tolist(),
            "case_key": texts(random.integers(10**13, 10**14, rows), 14),
            "confirmation": texts(random.integers(0, 10**6, rows), 6),
            "amount": pa.array(random.integers(500, 300_000, rows).tolist(), pa.int64()),
            "levy_year": pa.array([2026] * rows, pa.int64()),
            "tax_year": pa.array([2026] * rows, pa.int64()),
            "period": texts(term, 2),
            "due_on": pa.array(due.tolist(), pa.date32()),
            "payable_until": pa.array((due + 30).tolist(), pa.date32()),
        }
    )


def loop_over_records(rows: list[dict[str, Any]]) -> list[str]:
    """Build one record per row: validated, with check digits and CRC."""
    return [ElQr(**row).payload for row in rows]


def loop_of_f_strings(rows: list[dict[str, Any]]) -> list[str]:
    """Format rows like a simple script: an f-string and the standard library's CRC, no check digits, no validation."""
    payloads = []
    for row in rows:
        text = (
            f"00020101021227960005138000183000000000000{row['amount']:011d}2138000{row['item_code']}0000000"
            f"{row['case_key']:0>20}{row['confirmation']}0{row['payee_code']}{row['office_code']}00000005411"
            f"{row['amount']:011d}6226{row['levy_year']:04d}{row['tax_year']:04d}{row['period']}"
            f"{row['due_on']:%Y%m%d}{row['payable_until']:%Y%m%d}8085{'0' * 85}6305"
        )
        payloads.append(f"{text}{binascii.crc_hqx(text.encode(), 0xFFFF):05d}")
    return payloads


def by_segno(payloads: list[str]) -> list[np.ndarray]:
    """Encode with segno, one symbol at a time."""
    return [np.array(segno_symbol(payload).matrix, np.bool_) for payload in payloads]


def segno_symbol(payload: str) -> segno.QRCode:
    """Return the symbol of a payload encoded by segno."""
    return segno.make_qr(payload, error="m", version=6, mode="numeric", boost_error=False)


def by_qrcodegen(payloads: list[str]) -> list[np.ndarray]:
    """Encode with qrcodegen, one symbol at a time."""
    level = qrcodegen.QrCode.Ecc.MEDIUM
    drawn = [
        qrcodegen.QrCode.encode_segments([qrcodegen.QrSegment.make_numeric(payload)], level, 6, 6, -1, False)
        for payload in payloads
    ]
    return [np.array([[code.get_module(x, y) for x in range(41)] for y in range(41)]) for code in drawn]


def by_zxing(payloads: list[str]) -> list[np.ndarray]:
    """Encode with the C++ writer of zxing-cpp, one symbol at a time."""
    drawn = [zxing(payload).to_image(scale=1, add_quiet_zones=False) for payload in payloads]
    return [~np.asarray(image).astype(np.bool_) for image in drawn]


def zxing(payload: str) -> zxingcpp.Barcode:
    """Return the zxing-cpp barcode of a payload."""
    return zxingcpp.create_barcode(payload, zxingcpp.BarcodeFormat.QRCode, ec_level="M", version=6)


def by_segno_svg(payloads: list[str]) -> list[bytes]:
    """Write SVGs with segno."""
    pictures = []
    for payload in payloads:
        out = io.BytesIO()
        segno_symbol(payload).save(out, kind="svg")
        pictures.append(out.getvalue())
    return pictures


def page_bills(table: pa.Table) -> list[tuple[Bill, slips.SlipText]]:
    """Return bills with the texts of their slips."""
    texts = slips.SlipText(payee="例示市水道事業管理者", charge="水道料金・下水道使用料", note="使用期間 4月〜5月")
    rows = []
    for row in table.to_pylist():
        code = slips.gs1_128.build(
            company_code="999999",
            free_field=f"{row['case_key']:0>21}",
            amount=row["amount"],
            payable_until=row["payable_until"],
        )
        parts = {"水道料金": row["amount"] // 2, "下水道使用料": row["amount"] - row["amount"] // 2}
        rows.append((Bill(**row, barcode=code.digits, parts=parts, name="公金　花子"), texts))
    return rows


def print_files(folder: Path, pages: int) -> None:
    """Write a file of bills with names, addresses and barcodes, and the wording of their slips."""
    table, random = bills(pages), np.random.default_rng(7)
    numbers = random.integers(1, 30, (pages, 3)).tolist()
    columns = {
        "name": [f"{family}　{given}" for family, given in zip(*_names(random, pages), strict=True)],
        "postal_code": [f"{number:07d}" for number in random.integers(0, 10**7, pages).tolist()],
        "address": [f"例示県例示市見本町{a}丁目{b}番{c}号" for a, b, c in numbers],
        "barcode": [bill.barcode for bill, _ in page_bills(table)],
        "parts": [f"水道料金={yen // 2};下水道使用料={yen - yen // 2}" for yen in table["amount"].to_pylist()],
    }
    pq.write_table(
        pa.table({**{name: table[name] for name in table.column_names}, **columns}), folder / "bills.parquet"
    )
    (folder / "wording.toml").write_text(
        'payee = "例示市水道事業管理者"\ncharge = "水道料金・下水道使用料"\ncontact = "例示市 収納課"\n'
        'how_to_pay = "スマートフォンアプリ、地方税お支払サイト、金融機関、コンビニエンスストアで納付できます。"\n'
        'stores = "例示マート、サンプルストア"\n[items.127]\n[items.201]\n[items.301]\n',
        encoding="utf-8",
    )


def _names(random: np.random.Generator, count: int) -> tuple[list[str], list[str]]:
    families, given = (
        np.array(["公金", "納付", "税務", "収納", "会計"]),
        np.array(["花子", "太郎", "一郎", "さくら", "健一"]),
    )
    return families[random.integers(0, 5, count)].tolist(), given[random.integers(0, 5, count)].tolist()


def print_run(folder: Path, template: str, jobs: int) -> None:
    """Print all slips into a new folder, and remove it."""
    out, wording = folder / "out", folder / "wording.toml"
    slips.make(folder / "bills.parquet", out, "pdf", wording=wording, template=template, part_rows=2000, jobs=jobs)
    shutil.rmtree(out)


def measure_print_runs(pages: int, rounds: int, cores: int) -> None:
    """Time whole runs from a file of bills: imports of worker processes, digests and manifest included."""
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        print_files(folder, pages)
        measure(
            "printed slips, the whole run",
            "pages",
            rounds,
            {
                f"`slips.make`, {template}, jobs={jobs}": (pages, functools.partial(print_run, folder, template, jobs))
                for template in ("strip", "a4")
                for jobs in sorted({1, cores})
            },
        )


def machine() -> str:
    """Return the machine and the versions."""
    lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    model = next((line.split(":", 1)[1].strip() for line in lines if line.startswith("model name")), "unknown")
    packages = ", ".join(
        f"{name} {version(name)}" for name in ("numpy", "pyarrow", "segno", "qrcodegen", "zxing-cpp", "reportlab")
    )
    return f"{model}, {os.cpu_count()} cores; Python {platform.python_version()}, {packages}"


def seconds(job: Job) -> float:
    """Return the seconds of one call."""
    start = time.perf_counter()
    job()
    return time.perf_counter() - start


def measure(title: str, unit: str, rounds: int, implementations: dict[str, tuple[int, Job]]) -> None:
    """Time implementations, each with the number of units it produces; print a table of ratios to the first."""
    first = next(iter(implementations))
    paired = [{name: seconds(job) / units for name, (units, job) in implementations.items()} for _ in range(rounds)]
    print(f"\n| {title} | {unit} measured | {unit}/s | µs each | ratio to the first |\n|---|---:|---:|---:|---:|")
    for name, (units, _) in implementations.items():
        each = statistics.median(round_[name] for round_ in paired)
        ratio = statistics.median(round_[name] / round_[first] for round_ in paired)
        print(f"| {name} | {units:,} | {1 / each:,.0f} | {each * 1e6:,.2f} | {ratio:,.2f} |")


def main() -> None:
    """Check that all results agree, time them in turn, print the tables."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rows", type=int, default=1_000_000)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--pages", type=int, default=20_000)
    parser.add_argument("--only-pages", action="store_true", help="time nothing but the runs that print pages")
    options = parser.parse_args()
    rows, rounds, cores = options.rows, options.rounds, os.cpu_count() or 1
    if options.only_pages:
        print(f"Medians of {rounds} paired rounds. {machine()}")
        measure_print_runs(options.pages, rounds, cores)
        return

    table = bills(rows)
    code_rows = table.drop_columns(["bill_id"]).slice(0, 100_000).to_pylist()
    records, built = code_rows[:10_000], build_many(table)
    assert built.rejected == 0
    assert built.payloads.slice(0, len(records)).to_pylist() == loop_over_records(records)
    payloads = built.payloads.slice(0, min(rows, 200_000))
    some = payloads.slice(0, 20_000).to_pylist()
    ours = slips.encode(payloads)
    print(f"{rows:,} slips, medians of {rounds} paired rounds. {machine()}\n")
    for name, others in (
        ("segno", by_segno(some[:200])),
        ("qrcodegen", by_qrcodegen(some[:50])),
        ("zxing-cpp", by_zxing(some[:2000])),
    ):
        same = (ours[: len(others)].modules() == others).all(axis=(1, 2))
        assert name != "segno" or same.all()
        print(f"{same.sum()} of {len(others)} symbols have the same modules as those of {name}.")
    print("A sample of the others was inspected: they differ only in the mask.")
    measure(
        "payloads",
        "payloads",
        rounds,
        {
            f"`build_many`, {cores} threads": (rows, lambda: build_many(table)),
            "`build_many`, 1 thread": (rows, lambda: build_many(table, threads=1)),
            "`build_many`, then `parse_many` of the result": (rows, lambda: parse_many(build_many(table).payloads)),
            "loop over `ElQr(...).payload`": (len(records), lambda: loop_over_records(records)),
            "loop of f-string + `crc_hqx`, no check digits, no checks": (
                len(code_rows),
                lambda: loop_of_f_strings(code_rows),
            ),
        },
    )
    measure(
        "symbols as module arrays",
        "symbols",
        rounds,
        {
            f"`slips.encode`, {cores} threads": (len(payloads), lambda: slips.encode(payloads)),
            "zxing-cpp writer (C++)": (2000, lambda: by_zxing(some[:2000])),
            "segno": (100, lambda: by_segno(some[:100])),
            "qrcodegen": (10, lambda: by_qrcodegen(some[:10])),
        },
    )
    measure(
        "pictures of symbols, 1 thread",
        "pictures",
        rounds,
        {
            "`Symbols.render`, SVG": (20_000, lambda: sum(map(len, ours[:20_000].render("svg")))),
            "`Symbols.render`, PNG, 600 dpi": (5000, lambda: sum(map(len, ours[:5000].render("png")))),
            "`Symbols.render`, PBM, 600 dpi": (5000, lambda: sum(map(len, ours[:5000].render("pbm")))),
            "`Symbols.render`, PDF": (5000, lambda: sum(map(len, ours[:5000].render("pdf")))),
            "zxing-cpp, encoded and `to_svg`": (2000, lambda: [zxing(payload).to_svg() for payload in some[:2000]]),
            "segno, encoded and saved as SVG": (100, lambda: by_segno_svg(some[:100])),
        },
    )
    pages = page_bills(table.slice(0, 500))
    measure(
        "printed slips, 1 process",
        "pages",
        rounds,
        {
            f"`slips.write_slips`, {name}": (
                len(pages),
                lambda name=name: slips.write_slips(io.BytesIO(), pages, template=name),  # type: ignore[misc]
            )
            for name in ("strip", "a4")
        },
    )
    measure_print_runs(options.pages, rounds, cores)


if __name__ == "__main__":
    main()
