"""The public names of the package: their comments, and which of them the docs omit."""

from __future__ import annotations

import inspect
import pkgutil
import sys
from collections.abc import Collection, Iterator
from importlib import import_module
from types import ModuleType

from sphinx.pycode import ModuleAnalyzer

import kokin

# The command has its own page, generated from its help.
_ELSEWHERE = ("kokin.cli",)


def packages(package: ModuleType = kokin) -> Iterator[ModuleType]:
    """Every public module below a package."""
    for found in pkgutil.iter_modules(package.__path__, f"{package.__name__}."):
        if found.name.rpartition(".")[2].startswith("_") or found.name in _ELSEWHERE:
            continue
        module = import_module(found.name)
        yield module
        if found.ispkg:
            yield from packages(module)


def public_names() -> set[str]:
    """Return the full name of every public package, and of everything in its ``__all__``."""
    return {module.__name__ for module in packages()} | {
        f"{module.__name__}.{name}" for module in packages() for name in _names(module)
    }


def _names(module: ModuleType) -> Iterator[str]:
    """Names that a module exports, including lazy imports; without ``__all__``, what is defined in it."""
    own = (
        name
        for name, value in vars(module).items()
        if not name.startswith("_") and getattr(value, "__module__", None) == module.__name__
    )
    for name in getattr(module, "__all__", own):
        if not inspect.ismodule(getattr(module, name)):
            yield name


def constants(package: ModuleType) -> dict[str, str]:
    """Return the comments of a module's constants and aliases, which autodoc does not find at their import.

    Raises:
        LookupError: one has no comment (``#:``) at its definition.
    """
    modules = [module for name, module in sys.modules.items() if name.startswith(f"{package.__name__}._")]
    seen = ModuleAnalyzer.for_module(package.__name__).find_attr_docs()
    said = {}
    for name in _names(package):
        value = getattr(package, name)
        if inspect.isclass(value) or inspect.isroutine(value) or hasattr(value, "__wrapped__") or ("", name) in seen:
            continue
        comments = [
            ModuleAnalyzer.for_module(module.__name__).find_attr_docs().get(("", name))
            for module in modules
            if getattr(module, name, None) is value
        ]
        if not any(comments):
            raise LookupError(f"{package.__name__}.{name} is public and has no comment (#:)")
        said[name] = "\n".join(next(filter(None, comments)))
    return said


def problems(documented: Collection[str]) -> list[str]:
    """Compare documented names with public names; return the differences as sentences."""
    public = public_names()
    missing = sorted(public - set(documented))
    # A method is public with its class.
    owners = public - {module.__name__ for module in packages()}
    unknown = sorted(
        name for name in set(documented) - public if not name.startswith(tuple(f"{owner}." for owner in owners))
    )
    return [f"{name} is public and not documented" for name in missing] + [
        f"{name} is documented and not public" for name in unknown
    ]
