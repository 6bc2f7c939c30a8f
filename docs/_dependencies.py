"""The software that Kokin needs: notices and an SBOM (CycloneDX), from the metadata of what is installed."""

from __future__ import annotations

import json
import uuid
from collections.abc import Iterator
from importlib import metadata
from typing import Any, NamedTuple

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

#: The extras of Kokin that an authority installs; the tools of tests, docs and development are not part of it.
EXTRAS = ("pdf", "xlsx", "postgres", "spark", "decode")
_LICENCE_CLASSIFIER = "License :: OSI Approved :: "
_LONGEST_LICENCE_NAME = 80


class Component(NamedTuple):
    """An installed distribution."""

    name: str
    version: str
    licence: str
    url: str
    extras: frozenset[str]
    """The extras of Kokin that need it; with the empty text, Kokin itself needs it."""
    requires: frozenset[str]
    """The names of the components that it needs."""

    @property
    def purl(self) -> str:
        """The package URL."""
        return f"pkg:pypi/{self.name}@{self.version}"


def components() -> list[Component]:
    """Return what Kokin and its extras need, directly or not, by name. An extra that is not installed is left out."""
    extras: dict[str, set[str]] = {}
    requires: dict[str, set[str]] = {}
    for extra in ("", *EXTRAS):
        _follow("kokin", {extra}, extra, extras, requires)
    found = []
    for name in sorted(extras):
        about = metadata.metadata(name)
        urls = [line.partition(", ")[2] for line in about.get_all("Project-URL") or []]
        url = about.get("Home-page") or (urls or [""])[0]
        needed = frozenset(requires.get(name, ()))
        found.append(Component(name, metadata.version(name), _licence(about), url, frozenset(extras[name]), needed))
    return found


def _follow(
    name: str, wanted: set[str], extra: str, extras: dict[str, set[str]], requires: dict[str, set[str]]
) -> None:
    """Add the requirements of a distribution with extras, and theirs, to ``extras`` and ``requires``."""
    for text in metadata.requires(name) or ():
        requirement = Requirement(text)
        if requirement.marker and not any(requirement.marker.evaluate({"extra": each}) for each in wanted):
            continue
        child = canonicalize_name(requirement.name)
        try:
            metadata.version(child)
        except metadata.PackageNotFoundError:
            continue
        requires.setdefault(name, set()).add(child)
        if extra not in extras.setdefault(child, set()):
            extras[child].add(extra)
            _follow(child, {"", *requirement.extras}, extra, extras, requires)


def _licence(about: Any) -> str:
    """Return the licence of a distribution: the SPDX expression, else the classifiers, else a short text."""
    if about.get("License-Expression"):
        return str(about["License-Expression"])
    kinds = [text for text in about.get_all("Classifier") or [] if text.startswith(_LICENCE_CLASSIFIER)]
    text = about.get("License") or ""
    if kinds:
        return " or ".join(kind.removeprefix(_LICENCE_CLASSIFIER) for kind in kinds)
    return text if 0 < len(text) <= _LONGEST_LICENCE_NAME and "\n" not in text else "see the licence file"


def sbom() -> str:
    """Return the SBOM: CycloneDX 1.5 as JSON. The same installation has the same SBOM."""
    found = components()
    version = metadata.version("kokin")
    purls = {component.name: component.purl for component in found}
    kokin = f"pkg:pypi/kokin@{version}"
    direct = {each for extra in ("", *EXTRAS) for each in _direct(extra)}
    dependencies = {kokin: direct, **{component.purl: component.requires for component in found}}
    document: dict[str, Any] = {
        "bomFormat": "CycloneDX",
        "specVersion": "1.5",
        "version": 1,
        "metadata": {
            "component": {
                "type": "library",
                "bom-ref": kokin,
                "name": "kokin",
                "version": version,
                "purl": kokin,
                "licenses": [{"expression": "Apache-2.0"}],
            }
        },
        "components": [_as_cyclonedx(component) for component in found],
        "dependencies": [
            {"ref": ref, "dependsOn": sorted(purls[name] for name in names if name in purls)}
            for ref, names in dependencies.items()
        ],
    }
    content = json.dumps(document, ensure_ascii=False)
    return json.dumps({**document, "serialNumber": uuid.uuid5(uuid.NAMESPACE_URL, content).urn}, indent=1)


def _direct(extra: str) -> set[str]:
    requirements = map(Requirement, metadata.requires("kokin") or ())
    return {
        canonicalize_name(each.name)
        for each in requirements
        if each.marker is None or each.marker.evaluate({"extra": extra})
    }


def _as_cyclonedx(component: Component) -> dict[str, Any]:
    values: dict[str, Any] = {
        "type": "library",
        "bom-ref": component.purl,
        "name": component.name,
        "version": component.version,
        "scope": "required" if "" in component.extras else "optional",
        "purl": component.purl,
        "licenses": [{"license": {"name": component.licence}}],
    }
    if component.url:
        values["externalReferences"] = [{"type": "website", "url": component.url}]
    return values


#: The heads of the table and the words for what Kokin itself needs, by language.
_WORDS = {
    "en": (("component", "version", "licence", "needed by"), "Kokin"),
    "ja": (("部品", "版", "ライセンス", "必要とするもの"), "本体"),
}


def notices(language: str) -> Iterator[str]:
    """Return the lines of a table of the components with their licences."""
    heads, itself = _WORDS[language]
    yield f"| {' | '.join(heads)} |"
    yield "|---|---|---|---|"
    for each in components():
        needed = itself if "" in each.extras else ", ".join(f"`{name}`" for name in EXTRAS if name in each.extras)
        name = f"[{each.name}]({each.url})" if each.url.startswith("https://") else each.name
        yield f"| {name} | {each.version} | {each.licence.replace('|', '/')} | {needed} |"
