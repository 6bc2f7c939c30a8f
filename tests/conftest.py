"""What every test shares."""

import os

from hypothesis import settings

# A timed test is a flaky test: speed is measured in `benchmarks/`. A gate tries the same examples each time, so that it
# judges the change and not the day; elsewhere each run tries new ones.
settings.register_profile("kokin", deadline=None, derandomize=bool(os.environ.get("CI")))
settings.load_profile("kokin")
