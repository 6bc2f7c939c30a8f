"""The part of a receipt file that concerns one authority."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import pyarrow as pa

from kokin.issues import Issue
from kokin.receipts._totals import Totals


@dataclass(frozen=True)
class FilePart:
    """Some receipts of a file, with the identity of the whole file: a ledger posts them like a file."""

    source: str
    """The name of the file."""
    layout: str
    """The name of its layout."""
    digest: str
    """SHA-256 of the whole file, in hexadecimal."""
    totals: Totals
    """The counts of the part."""
    table: pa.Table
    """The receipts, with the columns of :class:`~kokin.model.Receipt`."""
    issues: Sequence[Issue] = ()
    """The issues of its records."""
