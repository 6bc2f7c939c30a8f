"""What every test shares."""

import os
from pathlib import Path

from hypothesis import settings

from tests.support import PASSED_FILE, THOROUGH, examples

# A timed test is a flaky test: speed is measured in `benchmarks/`. A gate tries the same examples each time, so that it
# judges the change and not the day; elsewhere each run tries new ones.
settings.register_profile("kokin", deadline=None, derandomize=bool(os.environ.get("CI")), max_examples=examples(100))
settings.load_profile("kokin")

# The gate runs the tests first quickly, then thoroughly: the second run leaves out those that passed in the first one,
# except those that generate more examples.
_passed: list[str] = []


def pytest_runtest_logreport(report):
    if PASSED_FILE and report.when == "call" and report.passed:
        _passed.append(report.nodeid)


def pytest_sessionfinish(session):
    if PASSED_FILE and not THOROUGH and not hasattr(session.config, "workerinput"):
        Path(PASSED_FILE).write_text("\n".join(_passed), encoding="utf-8")


def pytest_collection_modifyitems(config, items):
    if not (PASSED_FILE and THOROUGH):
        return
    passed = set(Path(PASSED_FILE).read_text(encoding="utf-8").splitlines())

    def is_needed(item):
        return item.nodeid not in passed or getattr(getattr(item, "obj", None), "is_hypothesis_test", False)

    config.hook.pytest_deselected(items=[item for item in items if not is_needed(item)])
    items[:] = filter(is_needed, items)
