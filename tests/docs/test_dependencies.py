"""The SBOM and the notices name everything that is installed for Kokin, with its licence, and are always the same."""

from __future__ import annotations

import importlib
import json
import sys
from importlib import metadata
from pathlib import Path

import pytest

packaging = pytest.importorskip("packaging.requirements")

sys.path.insert(0, str(Path(__file__).parents[2] / "docs"))
dependencies = importlib.import_module("_dependencies")


def test_every_requirement_is_a_component() -> None:
    found = {component.name for component in dependencies.components()}
    wanted = [packaging.Requirement(text) for text in metadata.requires("kokin") or ()]
    direct = {dependencies.canonicalize_name(each.name) for each in wanted if each.marker is None}
    assert {"pydantic", "pyarrow", "sqlalchemy"} <= direct <= found
    assert "pydantic-core" in found, "a requirement of a requirement"
    assert not {"pytest", "ruff", "kokin"} & found


def test_the_sbom_is_complete_and_reproducible() -> None:
    text = dependencies.sbom()
    assert dependencies.sbom() == text
    document = json.loads(text)
    assert (document["bomFormat"], document["specVersion"]) == ("CycloneDX", "1.5")
    assert "timestamp" not in document["metadata"]
    refs = [component["bom-ref"] for component in document["components"]]
    assert len(refs) == len(set(refs)) == len(dependencies.components())
    assert all(metadata.version(component["name"]) == component["version"] for component in document["components"])
    assert all(component["licenses"][0]["license"]["name"] for component in document["components"])
    known = {document["metadata"]["component"]["bom-ref"], *refs}
    assert {row["ref"] for row in document["dependencies"]} == known
    assert {ref for row in document["dependencies"] for ref in row["dependsOn"]} == set(refs)


@pytest.mark.parametrize("language", ["en", "ja"])
def test_every_component_has_a_notice(language: str) -> None:
    _, _, *rows = dependencies.notices(language)
    assert len(rows) == len(dependencies.components())
    assert not [row for row in rows if "|  |" in row]
