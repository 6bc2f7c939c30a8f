"""The tests of the docs share what reads a page."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))
