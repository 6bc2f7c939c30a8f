"""What every test shares."""

import os

from hypothesis import settings

from tests.support import examples

# A timed test is a flaky test: speed is measured in `benchmarks/`. A gate tries the same examples each time, so that it
# judges the change and not the day; elsewhere each run tries new ones.
settings.register_profile("kokin", deadline=None, derandomize=bool(os.environ.get("CI")), max_examples=examples(100))
settings.load_profile("kokin")
