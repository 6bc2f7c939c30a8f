"""The columnar reader: only speed. Without it every file is read record by record, with the same result.

Valid detail records are read by the thousand, column by column: a CSV is laid out as records of a fixed width
(:mod:`~kokin.receipts.fast.csv_matrix`), fields are tested and parsed eight bytes at a time
(:mod:`~kokin.receipts.fast.ascii_words`) and become Arrow arrays (:mod:`~kokin.receipts.fast.block`,
:mod:`~kokin.receipts.fast.texts`). A record that is not certainly valid, and any header or trailer, is processed by the
:class:`~kokin.receipts._session.Session` (:mod:`~kokin.receipts.fast.batches`), which alone decides what is invalid.

:func:`supports` is the one switch: where it is false, the session reads the file.
"""

from kokin.receipts.fast.batches import batches, supports

__all__ = ["batches", "supports"]
