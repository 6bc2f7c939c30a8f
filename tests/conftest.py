"""What every test shares."""

from hypothesis import settings

# A timed test is a flaky test: speed is measured in `benchmarks/`.
settings.register_profile("kokin", deadline=None)
settings.load_profile("kokin")
