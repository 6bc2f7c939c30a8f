"""The columnar reader: only speed. Without it every file is read record by record, with the same result.

Valid detail records are read by the thousand, column by column: ``csv_matrix`` lays out a CSV as records of a fixed
width, ``ascii_words`` tests and parses fields eight bytes at a time, ``block`` and ``texts`` make Arrow arrays of them.
A record that is not certainly valid, and any header or trailer, is processed by the
:class:`~kokin.receipts._session.Session` (in ``batches``), which alone decides what is invalid.

:func:`supports` is the one switch: where it is false, the session reads the file.
"""

from kokin.receipts._fast.batches import batches, supports

__all__ = ["batches", "supports"]
