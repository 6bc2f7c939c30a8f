"""Let the tests of this directory import the helper modules in it."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))
