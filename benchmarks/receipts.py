"""Speed of reading receipt files, compared with alternative implementations.

    python benchmarks/receipts.py [--rows 1000000] [--rounds 5] [--stress 5000000] [--xml-mb 300]

Prints a Markdown table; ``--stress 0`` and ``--xml-mb 0`` skip their parts. The implementations alternate in one
process; peak memory is measured in separate processes. The Polars reader returns the same columns after the same
checks, and its result is compared with Kokin's.
"""

from __future__ import annotations

import argparse
import hashlib
import io
import os
import platform
import statistics
import subprocess
import sys
import time
from collections.abc import Callable
from datetime import date
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import polars as pl
import pyarrow as pa
import pydantic

from kokin import receipts
from kokin.receipts import layouts

WORK = Path(__file__).parent / "_work"
REFERENCE = date(2026, 4, 15)
# The count in the trailer of a 口座振替 file is at most 999,999.
BATCH = 500_000
SEED_ROWS = 10_000


def make_91(rows: int) -> Path:
    """Write a result file 91 with CRLF: 19 of 20 debited, distinct customer numbers, batches of half a million."""
    path = WORK / f"zengin-91-{rows}.dat"
    if path.exists():
        return path
    content = io.BytesIO()
    receipts.generate_sample(content, "zengin-91", SEED_ROWS, seed=1)
    lines = np.frombuffer(content.getvalue(), np.uint8).reshape(-1, 122)
    header, seed, end = lines[0], lines[1:-2].copy(), lines[-1]
    seed[:, 111] = np.where(np.arange(len(seed)) % 20 == 7, ord("1"), ord("0"))
    amounts = np.array([int(row[80:90].tobytes()) for row in seed])
    paid = seed[:, 111] == ord("0")
    with path.open("wb") as stream:
        for first in range(0, rows, BATCH):
            count = min(BATCH, rows - first)
            stream.write(header.tobytes())
            totals = np.zeros(4, np.int64)
            for at in range(0, count, SEED_ROWS):
                size = min(SEED_ROWS, count - at)
                block = seed[:size].copy()
                numbers = b"".join(b"%020d" % (first + at + i + 1) for i in range(size))
                block[:, 91:111] = np.frombuffer(numbers, np.uint8).reshape(size, 20)
                stream.write(block.tobytes())
                good = paid[:size]
                totals += [size, amounts[:size].sum(), good.sum(), amounts[:size][good].sum()]
            n, total, n_paid, total_paid = totals.tolist()
            trailer = b"8%06d%012d%06d%012d%06d%012d" % (n, total, n_paid, total_paid, n - n_paid, total - total_paid)
            stream.write(trailer.ljust(120) + b"\r\n")
        stream.write(end.tobytes())
    return path


def kokin_91(path: Path) -> pa.Table:
    """Read the file with Kokin."""
    return receipts.read(path, "zengin-91", reference_date=REFERENCE).table


def polars_91(path: Path) -> pl.DataFrame:
    """Read the same columns with the same checks in Polars: decode once, one column of lines, slices."""
    content = path.read_bytes()
    digest = hashlib.sha256(content).hexdigest()
    lines = pl.read_csv(
        io.BytesIO(content.decode("cp932").encode()),
        has_header=False,
        separator="\x01",
        quote_char=None,
        schema={"line": pl.String},
        row_index_name="record_no",
        row_index_offset=1,
    )

    def cut(start: int, length: int) -> pl.Expr:
        return pl.col("line").str.slice(start, length)

    details = (
        lines.lazy()
        .filter(pl.col("line").str.starts_with("2"))
        .select(
            "record_no",
            "line",
            byte_offset=(pl.col("record_no").cast(pl.Int64) - 1) * 122,
            bank_code=cut(1, 4),
            bank_name=cut(5, 15),
            branch_code=cut(20, 3),
            branch_name=cut(23, 15),
            account_type=cut(42, 1),
            account_number=cut(43, 7),
            name=cut(50, 30).str.strip_chars(),
            amount=cut(80, 10),
            new_code=cut(90, 1),
            customer_number=cut(91, 20).str.strip_chars(),
            result=cut(111, 1),
        )
        .with_columns(
            good=~pl.col("line").str.contains("[^ -~｡-ﾟ]")
            & pl.col("bank_code").str.contains("^[0-9]{4}$")
            & pl.col("branch_code").str.contains("^[0-9]{3}$")
            & pl.col("account_type").is_in(["1", "2", "3", "9"])
            & pl.col("account_number").str.contains("^[0-9]{7}$")
            & pl.col("amount").str.contains("^[0-9]{10}$")
            & pl.col("new_code").str.contains("^[0-9 ]$")
            & pl.col("result").is_in(["0", "1", "2", "3", "4", "8", "9"])
        )
        .filter("good")
        .with_columns(pl.col("amount").cast(pl.Int64))
        .collect()
    )
    trailers = lines.filter(pl.col("line").str.starts_with("8"))["line"]
    paid = details.filter(pl.col("result") == "0")
    declared = [(int(line[7:19]), int(line[25:37])) for line in trailers]
    if (sum(one[0] for one in declared), sum(one[1] for one in declared)) != (
        details["amount"].sum(),
        paid["amount"].sum(),
    ):
        raise ValueError("totals differ")
    header = lines["line"][0]
    paid_on = date(REFERENCE.year, int(header[54:56]), int(header[56:58]))
    columns = ["byte_offset", "customer_number", "amount", "bank_code", "branch_code", "name"]
    constant = {"layout": "zengin-91", "source": path.name, "digest": digest}
    return paid.select(
        pl.col("record_no").cast(pl.Int64),
        *columns,
        paid_on=pl.lit(paid_on),
        **{name: pl.lit(value) for name, value in constant.items()},
    )


class Detail(pydantic.BaseModel):
    """A detail record with every field and every check."""

    layout: str
    source: str
    digest: str
    record_no: Annotated[int, pydantic.Field(ge=1)]
    byte_offset: Annotated[int, pydantic.Field(ge=0)]
    bank_code: Annotated[str, pydantic.Field(pattern="^[0-9]{4}$")]
    bank_name: Annotated[str, pydantic.Field(max_length=15)]
    branch_code: Annotated[str, pydantic.Field(pattern="^[0-9]{3}$")]
    branch_name: Annotated[str, pydantic.Field(max_length=15)]
    account_type: Annotated[str, pydantic.Field(pattern="^[1239]$")]
    account_number: Annotated[str, pydantic.Field(pattern="^[0-9]{7}$")]
    name: Annotated[str, pydantic.Field(max_length=30)]
    amount: Annotated[int, pydantic.Field(ge=0, le=99_999_999_999)]
    new_code: Annotated[str, pydantic.Field(pattern="^[0-9 ]$")]
    customer_number: Annotated[str, pydantic.Field(max_length=20)]
    result: Annotated[str, pydantic.Field(pattern="^[0123489]$")]
    paid_on: date


def pydantic_91(path: Path, max_records: int) -> list[Detail]:
    """Return the paid records among the first ``max_records``, one model per record, with the sum for the trailer."""
    paid = []
    total = offset = 0
    with path.open("rb") as stream:
        digest = hashlib.file_digest(stream, "sha256").hexdigest() if max_records > SEED_ROWS else ""
        stream.seek(0)
        header = stream.readline().decode("cp932")
        paid_on = date(REFERENCE.year, int(header[54:56]), int(header[56:58]))
        for number in range(2, max_records + 2):
            raw = stream.readline()
            offset += len(raw)
            line = raw.decode("cp932")
            if line[0] != "2" or len(line) != 122:
                continue
            record = Detail(
                layout="zengin-91",
                source=path.name,
                digest=digest,
                record_no=number,
                byte_offset=offset,
                bank_code=line[1:5],
                bank_name=line[5:20].strip(),
                branch_code=line[20:23],
                branch_name=line[23:38].strip(),
                account_type=line[42],
                account_number=line[43:50],
                name=line[50:80].strip(),
                amount=int(line[80:90]),
                new_code=line[90],
                customer_number=line[91:111].strip(),
                result=line[111],
                paid_on=paid_on,
            )
            total += record.amount
            if record.result == "0":
                paid.append(record)
    return paid


def make_xml(megabytes: int) -> Path:
    """Write a camt.054 file of about ``megabytes``."""
    path = WORK / f"camt-054-{megabytes}.xml"
    if not path.exists():
        sample = io.BytesIO()
        receipts.generate_sample(sample, "camt.054", 1000)
        receipts.generate_sample(path, "camt.054", megabytes * 1_000_000 * 1000 // len(sample.getvalue()))
    return path


def peak(code: str) -> tuple[float, int]:
    """Return the seconds and peak megabytes of Python code in a new process."""
    code = (
        f"import time\nstart = time.perf_counter()\n{code}\nseconds = time.perf_counter() - start\n"
        # Not ru_maxrss, which a child inherits from the process that forks it.
        "print(seconds, *(line.split()[1] for line in open('/proc/self/status') if line.startswith('VmHWM')))"
    )
    out = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    seconds, kilobytes = out.split()
    return float(seconds), int(kilobytes) // 1024


# The imports are included, because a batch job needs them, too.
STREAM = """
from datetime import date
from kokin import receipts
file = receipts.open({path!r}, {layout!r}, reference_date=date(2026, 4, 15))
rows = sum(batch.num_rows for batch in file.batches())
assert rows > 0
"""
TREE = """
import re
from datetime import date
import pyarrow as pa
from lxml import etree
fields = {fields!r}
space = {{"c": "urn:iso:std:iso:20022:tech:xsd:camt.054.001.08"}}
el_number = re.compile("([0-9]{{5}})-([0-9]{{20}})-([0-9]{{6}})-([0-9]{{3}})")
tree = etree.parse({path!r}, etree.XMLParser(huge_tree=True))
rows = []
for entry in tree.iterfind(".//c:Ntry", space):
    values = {{name: entry.xpath(path, namespaces=space).strip() for name, path in fields.items()}}
    if values["direction"] != "CRDT" or values["currency"] != "JPY":
        continue
    number = el_number.search(values["remittance"])
    rows.append({{
        "amount": int(values["amount"]),
        "paid_on": date.fromisoformat(values["booked_day"]),
        "settled_on": date.fromisoformat(values["value_day"]) if values["value_day"] else None,
        "provider_key": values["servicer_reference"] or None,
        "bank_code": values["debtor_bank"] or None,
        "branch_code": values["debtor_branch"] or None,
        "name": values["debtor_name"] or None,
        "kind": "provisional" if values["status"] == "PDNG" else "final",
        "payee_code": number and number[1],
        "case_key": number and number[2],
        "confirmation": number and number[3],
        "item_code": number and number[4],
    }})
table = pa.Table.from_pylist(rows)
assert table.num_rows > 0
"""


def tree_fields() -> dict[str, str]:
    """Return the XPath of every field of the layout in version 8."""
    elsewhere = {"amount": "Amt", "direction": "CdtDbtInd", "status": "Sts/Cd"}
    paths = {"currency": "string(c:Amt/@Ccy)"}
    for field in layouts.load("camt.054").data.fields:
        if field.path:
            name = "remittance" if field.id.startswith("el_") else field.id
            path = elsewhere.get(name) or field.path[-1 if name == "debtor_name" else 0]
            steps = path.replace("TxDtls", "NtryDtls/TxDtls").split("/")
            paths[name] = "string(" + "/".join(f"c:{step}" for step in steps) + ")"
    return paths


def timed(function: Callable[[], Any]) -> float:
    """Return the seconds of wall time of one call."""
    start = time.perf_counter()
    function()
    return time.perf_counter() - start


def machine() -> str:
    """Return the machine and the versions."""
    lines = Path("/proc/cpuinfo").read_text().splitlines()
    cpu = next((line.split(":")[1].strip() for line in lines if line.startswith("model name")), "?")
    names = f"Python {platform.python_version()}, numpy {np.__version__}, pyarrow {pa.__version__}"
    return f"{cpu}, {os.cpu_count()} cores; {names}, polars {pl.__version__}, pydantic {pydantic.VERSION}"


def main() -> None:
    """Run the benchmarks and print the tables."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", type=int, default=1_000_000)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--stress", type=int, default=5_000_000)
    parser.add_argument("--xml-mb", type=int, default=300)
    options = parser.parse_args()
    WORK.mkdir(exist_ok=True)
    path = make_91(options.rows)

    ours, theirs = kokin_91(path), polars_91(path)
    shown = ours.select(theirs.columns)
    shown = shown.cast(pa.schema([(name, theirs.to_arrow().schema.field(name).type) for name in shown.column_names]))
    if not pl.from_arrow(shown).equals(theirs):
        raise SystemExit("the results of Kokin and Polars differ")
    del ours, theirs
    sample = min(options.rows, 100_000)
    rounds: dict[str, list[float]] = {"kokin": [], "polars": [], "pydantic": []}
    for _ in range(options.rounds):
        rounds["kokin"].append(timed(lambda: kokin_91(path)))
        rounds["polars"].append(timed(lambda: polars_91(path)))
        rounds["pydantic"].append(timed(lambda: pydantic_91(path, sample)) * options.rows / sample)
    print(f"{machine()}; medians of {options.rounds} paired rounds\n")
    print(f"| {options.rows:,} records of 120 bytes (91) | seconds | ratio |\n|---|--:|--:|")
    base = statistics.median(rounds["kokin"])
    names = {
        "kokin": "`receipts.read`",
        "polars": "Polars, the same fields and checks",
        "pydantic": f"a pydantic model per record (from {sample:,})",
    }
    for name, label in names.items():
        ratios = [other / own for other, own in zip(rounds[name], rounds["kokin"], strict=True)]
        print(f"| {label} | {statistics.median(rounds[name]):.2f} | {statistics.median(ratios):.1f} |")
    print(f"\n{options.rows / base / 1e6:.1f} million records per second.\n")
    if options.stress:
        seconds, megabytes = peak(STREAM.format(path=str(make_91(options.stress)), layout="zengin-91"))
        print(f"{options.stress:,} records in batches: {seconds:.1f} s, peak {megabytes} MB.\n")
    if options.xml_mb:
        bench_xml(options.xml_mb, min(options.rounds, 3))


def bench_xml(megabytes: int, runs: int) -> None:
    """Read a camt.054 as a stream and as a tree, each run in a new process."""
    xml = make_xml(megabytes)
    streamed = STREAM.format(path=str(xml), layout="camt.054")
    tree = TREE.format(path=str(xml), fields=tree_fields())
    pairs = [(peak(streamed), peak(tree)) for _ in range(runs)]
    print(f"| camt.054 of {xml.stat().st_size // 1_000_000} MB | seconds | peak MB |\n|---|--:|--:|")
    for label, times in zip(
        ("`receipts.open(...).batches()`", "tree and XPath"), zip(*pairs, strict=True), strict=True
    ):
        print(f"| {label} | {statistics.median(run[0] for run in times):.1f} | {max(run[1] for run in times)} |")


if __name__ == "__main__":
    main()
