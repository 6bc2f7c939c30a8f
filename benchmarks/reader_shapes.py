"""CPU time to read files of unusual shape, beside an ordinary file of the same size and reader.

    python benchmarks/reader_shapes.py [--mb 20] [--reader NAME ...] [--limit 600]

Prints Markdown: for each reader and shape the CPU seconds of one reading (user and system, of all threads), the ratio
to the ordinary file, and the issues that were found. Each reading is a process of its own, so a run on a loaded machine
has nearly the same ratios. A reading of more than ``--limit`` CPU seconds is stopped.
"""

from __future__ import annotations

import argparse
import io
import json
import resource
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from datetime import date
from pathlib import Path

from kokin import bills, receipts
from kokin.issues import InvalidInputError
from kokin.receipts import layouts

REFERENCE = date(2026, 4, 15)
#: A layout whose fields are read as those of kokin-csv; and one with formatted fields.
TAB_CSV = """
ja = "収納"
en = "receipts with tabs"
format = "csv"
encoding = "cp932"
newline = "LF"
verified = true
source = ["invented"]
identity = "content"
[csv]
header = "names"
delimiter = "tab"
other_columns = "ignore"
[records.data]
role = "data"
ja = "収納"
en = "receipt"
fields = [
  { id = "day", ja = "領収日", en = "day", type = "date", format = "YYYY-MM-DD", length = 24 },
  { id = "yen", ja = "金額", en = "yen", type = "yen", length = 14 },
  { id = "customer", ja = "番号", en = "number", type = "digits", length = 8 },
]
[receipt]
paid_on = "day"
amount = "yen"
customer_number = "customer"
"""
FORMATTED_TAB_CSV = TAB_CSV.replace("YYYY-MM-DD", "YYYY/M/D").replace("length = 14", "length = 14, formatted = true")
BILLS = "bill_id,payee_code,item_code,case_key,confirmation,amount,due_on\n"

#: Reader to the layout, or to the function that reads a path.
READERS: dict[str, str] = {
    "fixed width with LF (zengin-91)": "zengin-91",
    "fixed width without newline (zengin-91)": "zengin-91",
    "fixed width of 200 (zengin-01)": "zengin-01",
    "kokin-csv": "kokin-csv",
    "delimited, cp932 (dsk-csv)": "dsk-csv",
    "delimited by tabs": "tab",
    "delimited by tabs, formatted": "formatted-tab",
    "camt.054": "camt.054",
    "bills, CSV": "bills",
    "bills by a layout": "eltax-upload-example",
}


def sample(layout: str, rows: int, newline: str) -> bytes:
    """Return a file of invented receipts."""
    stream = io.BytesIO()
    receipts.generate_sample(stream, layout, rows, newline=newline)
    return stream.getvalue()


def ordinary(reader: str) -> tuple[bytes, bytes, bytes]:
    """Return the beginning, one thousand records and the end of an ordinary file."""
    layout, rows = READERS[reader], 1000
    if layout == "bills":
        lines = b"".join(b"B%09d,99999,127,%020d,%06d,%d,2026-06-01\n" % (i, i, i, i + 1) for i in range(rows))
        return BILLS.encode(), lines, b""
    if layout in ("tab", "formatted-tab"):
        lines = "".join(f"2026-04-{1 + i % 30:02d}\t{i + 1}\t{i:08d}\n" for i in range(rows))
        if layout == "formatted-tab":
            lines = "".join(f"2026/4/{1 + i % 30}\t{i + 1:,}円\t{i:08d}\n" for i in range(rows))
        return b"day\tyen\tcustomer\n", lines.encode("cp932"), b""
    if layout == "eltax-upload-example":
        content = io.BytesIO()
        receipts.generate_sample(content, layout, rows, newline="LF")
        first, _, rest = content.getvalue().partition(b"\n")
        return first + b"\n", rest, b""
    if layout == "camt.054":
        content = sample(layout, rows, "LF")
        start, end = content.index(b"<Ntry>"), content.rindex(b"</Ntry>") + 7
        return content[:start], content[start:end], content[end:]
    newline = "" if "without newline" in reader else "LF"
    content = sample(layout, rows, newline)
    if layouts.load(layout).width:
        stride = (layouts.load(layout).width or 0) + len(newline[1:])
        return content[:stride], content[stride : -2 * stride], content[-2 * stride :]
    first, _, rest = content.partition(b"\n")
    has_header = layouts.load(layout).csv and layouts.load(layout).csv.header != "none"
    return (first + b"\n", rest, b"") if has_header else (b"", content, b"")


def filled(pattern: bytes, size: int) -> bytes:
    """Return a pattern, repeated to about ``size`` bytes."""
    return pattern * max(1, size // len(pattern))


def text_shapes(record: bytes) -> dict[str, Callable[[int], bytes]]:
    """Return the shapes of a file of lines: what follows its beginning, of about ``size`` bytes."""
    columns = record.count(b",") or record.count(b"\t") or 5
    cell = b"\t" if b"\t" in record else b","
    digits = bytes(b"X"[0] if 48 <= byte <= 57 else byte for byte in record)
    return {
        "all digits invalid": lambda size: filled(digits + b"\n", size),
        "one byte invalid in each record": lambda size: filled(record[:-3] + b"X" + record[-2:] + b"\n", size),
        "valid and invalid in turn": lambda size: filled(record + b"\n" + digits + b"\n", size),
        "16 valid records and a short line": lambda size: filled((record + b"\n") * 16 + b"x\n", size),
        "empty lines": lambda size: filled(b"\n", size),
        "lines of blanks": lambda size: filled(b" " * 100 + b"\n", size),
        "lines of delimiters": lambda size: filled(cell * columns + b"\n", size),
        "lines of one byte": lambda size: filled(b"x\n", size),
        "record and empty line in turn": lambda size: filled(record + b"\n\n", size),
        "quotes only": lambda size: filled(b'"' * 100 + b"\n", size),
        "one line of quotes": lambda size: filled(b'"', size),
        "each cell in quotes": lambda size: filled(b'"' + record.replace(cell, b'"' + cell + b'"') + b'"\n', size),
        "a quote in each cell": lambda size: filled(record.replace(cell, b'"' + cell) + b"\n", size),
        "doubled quotes": lambda size: filled(b'"a""b""c"' + cell + record + b"\n", size),
        "one long line": lambda size: filled(b"1", size),
        "one long line of delimiters": lambda size: filled(cell, size),
        "long cells": lambda size: filled(b"1" * 60_000 + cell + record + b"\n", size),
        "10,000 columns": lambda size: filled(record + (cell + b"1") * 10_000 + b"\n", size),
        "no line ends": lambda size: filled(record, size),
        "CR only": lambda size: filled(record + b"\r", size),
        "NUL bytes": lambda size: filled(b"\0", size),
        "unknown bytes": lambda size: filled(b"\xff" * 100 + b"\n", size),
    }


def fixed_shapes(record: bytes) -> dict[str, Callable[[int], bytes]]:
    """Return the shapes of a file of records without newlines."""
    digits = record[:1] + bytes(b"X"[0] if 48 <= byte <= 57 else byte for byte in record[1:])
    return {
        "all digits invalid": lambda size: filled(digits, size),
        "valid and invalid in turn": lambda size: filled(record + digits, size),
        "blank records": lambda size: filled(b" " * len(record), size),
        "a record and a blank one in turn": lambda size: filled(record + b" " * len(record), size),
        "unknown kind": lambda size: filled(b"7" * len(record), size),
        "headers only": lambda size: filled(b"1" + b"0" * (len(record) - 1), size),
        "headers with an unknown byte": lambda size: filled(b"1" + b"0" * (len(record) - 2) + b"\xff", size),
        "headers with other digits each": lambda size: b"".join(
            b"1%0*d" % (len(record) - 1, i * 7919) for i in range(size // len(record))
        ),
        "quotes only": lambda size: filled(b'"', size),
        "newlines only": lambda size: filled(b"\n", size),
        "NUL bytes": lambda size: filled(b"\0", size),
        "unknown bytes": lambda size: filled(b"\xff", size),
    }


def xml_shapes(start: bytes, entry: bytes, end: bytes) -> dict[str, Callable[[int], bytes]]:
    """Return the shapes of a message of entries."""
    inner = entry[len(b"<Ntry>") : -len(b"</Ntry>")]
    declarations = b" ".join(b'xmlns:a%d="urn:a%d"' % (i, i) for i in range(10_000))
    message = start + end
    remittance = b"<NtryDtls><TxDtls><RmtInf><Ustrd>%b</Ustrd></RmtInf></TxDtls></NtryDtls>"
    return {
        "empty entries": lambda size: filled(b"<Ntry/>", size),
        "empty elements in one entry": lambda size: b"<Ntry>" + inner + filled(b"<A/>", size) + b"</Ntry>",
        "repeated Amt": lambda size: b"<Ntry>" + inner + filled(b'<Amt Ccy="JPY">1</Amt>', size) + b"</Ntry>",
        "empty transactions in one entry": lambda size: (
            b"<Ntry>" + inner + b"<NtryDtls>" + filled(b"<TxDtls/>", size) + b"</NtryDtls></Ntry>"
        ),
        "details in one entry": lambda size: b"<Ntry>" + inner + filled(b"<NtryDtls/>", size) + b"</Ntry>",
        "remittances in one transaction": lambda size: (
            b"<Ntry>"
            + inner.partition(b"<NtryDtls>")[0]
            + b"<NtryDtls><TxDtls><RmtInf>"
            + filled(b"<Ustrd>99999-00000000001234567890-123456-127</Ustrd>", size)
            + b"</RmtInf></TxDtls></NtryDtls></Ntry>"
        ),
        "one long text": lambda size: b"<Ntry>" + inner + remittance % filled(b"1", size) + b"</Ntry>",
        "one long text of digits and hyphens": lambda size: (
            b"<Ntry>" + inner + remittance % filled(b"99999-", size) + b"</Ntry>"
        ),
        "comments": lambda size: filled(b"<!-- x -->", size),
        "one long comment": lambda size: b"<!--" + filled(b"- <Ntry>", size) + b"-->",
        "CDATA": lambda size: b"<Ntry>" + filled(b"<![CDATA[x]]>", size) + b"</Ntry>",
        "processing instructions": lambda size: filled(b"<?a b?>", size),
        "deep elements": lambda size: filled(b"<A>", size),
        "a namespace in each element": lambda size: (
            b"<Ntry>" + inner + filled(b'<A xmlns="urn:a"/>', size) + b"</Ntry>"
        ),
        "many namespaces in one element": lambda size: (
            b"<Ntry " + b" ".join(b'xmlns:a%d="urn:a%d"' % (i, i) for i in range(size // 25)) + b"/>"
        ),
        "10,000 namespaces, elements with a prefix": lambda size: (
            b"<Ntry " + declarations + b">" + inner + filled(b"<a9999:A/>", size) + b"</Ntry>"
        ),
        "10,000 namespaces, elements without prefix": lambda size: (
            b"<Ntry " + declarations + b">" + inner + filled(b"<A/>", size) + b"</Ntry>"
        ),
        "10,000 namespaces in each entry": lambda size: filled(
            b"<Ntry " + declarations + b">" + inner + b"</Ntry>", size
        ),
        "long prefixes": lambda size: filled(
            b"<Ntry>" + inner + b'<%b:A xmlns:%b="urn:a"/>' % (b"p" * 10_000, b"p" * 10_000) + b"</Ntry>", size
        ),
        "long names of namespaces": lambda size: filled(
            b"<Ntry>" + inner + b'<A xmlns="urn:%b"/>' % (b"a" * 10_000) + b"</Ntry>", size
        ),
        "a namespace at each of 200 levels": lambda size: filled(
            b"<Ntry>" + inner + b"".join(b'<A xmlns="urn:%d">' % i for i in range(200)) + b"</A>" * 200 + b"</Ntry>",
            size,
        ),
        "200 levels in each entry": lambda size: filled(
            b"<Ntry>" + inner + b"<A>" * 200 + b"</A>" * 200 + b"</Ntry>", size
        ),
        "entries of another namespace below 200 levels": lambda size: (
            b"<SplmtryData>" + b"<A>" * 200 + filled(b'<Ntry xmlns="u"/>', size) + b"</A>" * 200 + b"</SplmtryData>"
        ),
        "many attributes": lambda size: (
            b"<Ntry " + b" ".join(b'a%d="1"' % i for i in range(size // 12)) + b">" + inner + b"</Ntry>"
        ),
        "1,000 attributes in each element": lambda size: (
            b"<Ntry>"
            + inner
            + filled(b"<A " + b" ".join(b'a%d="1"' % i for i in range(1000)) + b"/>", size)
            + b"</Ntry>"
        ),
        "attributes with 1,000 prefixes": lambda size: filled(
            b"<Ntry "
            + b" ".join(b'xmlns:a%d="urn:a%d" a%d:b="1"' % (i, i, i) for i in range(1000))
            + b">"
            + inner
            + b"</Ntry>",
            size,
        ),
        "duplicate attributes": lambda size: b"<Ntry " + filled(b'a="1" ', size) + b"/>",
        "messages without entries": lambda size: end + filled(message, size) + start,
        "declarations": lambda size: end + filled(b'<?xml version="1.0"?>', size),
        "undefined entities": lambda size: b"<Ntry><A>" + filled(b"&x;", size) + b"</A></Ntry>",
        "references to characters": lambda size: b"<Ntry><A>" + filled(b"&#65;", size) + b"</A></Ntry>",
        "a DOCTYPE with entities": lambda size: (
            end + b"<!DOCTYPE a [" + b"".join(b'<!ENTITY a%d "&a;&a;">' % i for i in range(size // 25)) + b"]>" + start
        ),
        "opening brackets": lambda size: filled(b"<", size),
        "entities": lambda size: b"<Ntry><A>" + filled(b"&amp;", size) + b"</A></Ntry>",
    }


def shapes(reader: str) -> dict[str, Callable[[int], bytes]]:
    """Return the content of each shape after the beginning of the file, by name."""
    start, records, end = ordinary(reader)
    if READERS[reader] == "camt.054":
        return xml_shapes(start, records[: records.index(b"</Ntry>") + 7], end)
    if "without newline" in reader:
        return fixed_shapes(records[:120])
    record = records.split(b"\n")[0]
    zero = (
        {}
        if READERS[reader] in ("bills", "tab", "formatted-tab", "eltax-upload-example")
        else without_amount(reader, start, record)
    )
    return zero | text_shapes(record)


def without_amount(reader: str, header: bytes, record: bytes) -> dict[str, Callable[[int], bytes]]:
    """Return the shape of records that only the mapping to a receipt rejects: the amount is 0."""
    layout = layouts.load(READERS[reader])
    kind, name = layout.data, layout.receipt["amount"].field
    if layout.width:
        start, end = kind.offsets[name], kind.offsets[name] + kind.by_id[name].length
        changed = record[:start] + b"0" * (end - start) + record[end:]
    else:
        names, cells = header.strip().split(b","), record.split(b",")
        cells[names.index(name.encode()) if name.encode() in names else list(kind.by_id).index(name)] = b"0"
        changed = b",".join(cells)
    return {"amount 0": lambda size: filled(changed + b"\n", size)}


def read(reader: str, path: Path) -> int:
    """Read a file to its end, and return the number of issues."""
    layout = READERS[reader]
    if layout in ("bills", "eltax-upload-example"):
        try:
            options = {"layout": layout, "reference_date": REFERENCE} if layout != "bills" else {}
            return sum(len(batch.issues) for batch in bills.batches(path, **options))
        except InvalidInputError as error:
            return error.total
    own = {"tab": TAB_CSV, "formatted-tab": FORMATTED_TAB_CSV}
    named = layouts.parse(own[layout], layout) if layout in own else layout
    file = receipts.open(path, named, reference_date=REFERENCE)
    try:
        for _ in file.batches():
            pass
    except receipts.FileRejectedError:
        pass
    return file.issues.total


def measure(reader: str, path: Path) -> None:
    """Print the CPU seconds and the issues of one reading, as JSON."""
    start = _cpu_seconds()
    issues = read(reader, path)
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024
    print(json.dumps({"seconds": _cpu_seconds() - start, "issues": issues, "megabytes": peak}))


def _cpu_seconds() -> float:
    usage = resource.getrusage(resource.RUSAGE_SELF)
    return usage.ru_utime + usage.ru_stime


def files(reader: str, megabytes: int, folder: Path) -> Iterator[tuple[str, Path]]:
    """Yield the ordinary file and those of other shapes, written one after the other to one path."""
    start, records, end = ordinary(reader)
    size, path = megabytes * 1_000_000, folder / "file"
    repeated = {"ordinary": lambda size: filled(records, size)}
    for name, content in {**repeated, **shapes(reader)}.items():
        path.write_bytes(start + content(size) + end)
        yield name, path


def main() -> None:
    """Measure all shapes, and print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--mb", type=int, default=20)
    parser.add_argument("--reader", choices=[*READERS], action="append", help="by default all")
    parser.add_argument("--limit", type=int, default=600, help="CPU seconds of one reading")
    parser.add_argument("--file", type=Path, help="read one file in this process")
    options = parser.parse_args()
    if options.file:
        resource.setrlimit(resource.RLIMIT_CPU, (options.limit, options.limit))
        measure(options.reader[0], options.file)
        return
    print("| reader | shape | CPU s | ratio | issues | peak MB |\n|---|---|--:|--:|--:|--:|")
    with tempfile.TemporaryDirectory() as folder:
        for reader in options.reader or READERS:
            base = 0.0
            for name, path in files(reader, options.mb, Path(folder)):
                call = [sys.executable, __file__, "--limit", str(options.limit), "--reader", reader]
                out = subprocess.run([*call, "--file", str(path)], capture_output=True, text=True)
                if out.returncode:
                    print(f"| {reader} | {name} | {out.stderr.strip()[-60:] or 'stopped'} | | | |", flush=True)
                    continue
                found = json.loads(out.stdout)
                base = base or found["seconds"]
                cells = (f"{found['seconds']:.2f}", f"{found['seconds'] / base:.1f}", f"{found['issues']:,}")
                print(f"| {reader} | {name} | {' | '.join(cells)} | {found['megabytes']} |", flush=True)


if __name__ == "__main__":
    main()
