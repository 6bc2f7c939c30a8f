"""A target for atheris (coverage-guided fuzzing), out of CI: ``python tests/receipts/fuzz_atheris.py zengin-91``.

It needs ``pip install atheris`` and runs until it is stopped or finds an error. With a folder of valid files as second
argument (from :func:`kokin.receipts.generate_sample`) it covers about twice as much of the reader.
"""

from __future__ import annotations

import io
import sys
from datetime import date


def main() -> None:
    """Pass bytes to the reader of the layout that the first argument names."""
    import atheris

    with atheris.instrument_imports():
        from kokin import receipts

    layout = sys.argv.pop(1)

    def target(content: bytes) -> None:
        receipts.check(io.BytesIO(content), layout, reference_date=date(2026, 4, 15))

    atheris.Setup(sys.argv, target)
    atheris.Fuzz()


if __name__ == "__main__":
    main()
