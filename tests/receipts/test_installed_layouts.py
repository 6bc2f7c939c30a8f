"""Layouts of installed packages, which entry points of the group ``kokin.layouts`` offer."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from kokin.receipts import layouts
from kokin.receipts.layouts import LayoutError

Install = Callable[..., Path]


@pytest.fixture
def install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Install:
    """Return a function that installs a distribution with layouts: a package and its ``dist-info`` folder."""
    monkeypatch.syspath_prepend(tmp_path)

    def install_package(distribution: str, package: str, *names: str, value: str = "") -> Path:
        folder = tmp_path / package
        folder.mkdir()
        (folder / "__init__.py").write_text("", encoding="utf-8")
        for name in names:
            (folder / f"{name}.toml").write_text(layouts.template(name), encoding="utf-8")
        info = tmp_path / f"{distribution.replace('-', '_')}-1.0.dist-info"
        info.mkdir()
        (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {distribution}\nVersion: 1.0\n", encoding="utf-8")
        (info / "entry_points.txt").write_text(f"[kokin.layouts]\nown = {value or package}\n", encoding="utf-8")
        return folder

    return install_package


def test_a_layout_of_a_package_is_loaded_by_its_name(install: Install) -> None:
    install("city-water", "city_water_layouts", "city-water-bills", "city-water-receipts", "_part")
    assert layouts.load("city-water-bills").name == "city-water-bills"
    assert layouts.packages() == {
        **dict.fromkeys(layouts.names(), "kokin"),
        "city-water-bills": "city-water",
        "city-water-receipts": "city-water",
    }
    with pytest.raises(LayoutError, match="LAYOUT_UNKNOWN"):
        layouts.load("_part")


def test_a_built_in_name_is_the_built_in_layout_and_the_clash_is_reported(install: Install) -> None:
    install("city-water", "city_layouts_a", "dsk-csv", "other")
    assert layouts.load("dsk-csv").format == "csv"
    for load in (layouts.packages, lambda: layouts.load("other")):
        with pytest.raises(LayoutError) as caught:
            load()
        (issue,) = caught.value.issues
        assert (issue.code, issue.field, issue.found) == ("LAYOUT_DUPLICATE", "dsk-csv", "kokin, city-water")


def test_two_packages_with_one_name_are_named(install: Install) -> None:
    install("city-water", "city_layouts_b", "bills")
    install("city-tax", "city_layouts_c", "bills")
    with pytest.raises(LayoutError) as caught:
        layouts.load("bills")
    (issue,) = caught.value.issues
    assert (issue.code, issue.field, set(issue.found.split(", "))) == (
        "LAYOUT_DUPLICATE",
        "bills",
        {"city-water", "city-tax"},
    )


def test_an_entry_point_without_a_package_is_an_error(install: Install) -> None:
    install("city-water", "city_layouts_d", value="no_such_package")
    with pytest.raises(LayoutError, match="no_such_package"):
        layouts.packages()


def test_an_invalid_layout_of_a_package_names_its_key(install: Install) -> None:
    folder = install("city-water", "city_layouts_e", "own")
    (folder / "own.toml").write_text("a = ", encoding="utf-8")
    with pytest.raises(LayoutError, match="LAYOUT_INVALID"):
        layouts.load("own")
    (folder / "own.toml").write_text(layouts.template("own").replace("width = 40", "width = 41"), encoding="utf-8")
    with pytest.raises(LayoutError, match=r"records\.header\.fields"):
        layouts.load("own")
