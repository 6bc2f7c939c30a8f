"""The layers of the packages, import cycles, and the cost of an import."""

from __future__ import annotations

import ast
import subprocess
import sys
from collections.abc import Iterator
from graphlib import TopologicalSorter
from pathlib import Path

import pytest

import kokin

PACKAGE = Path(kokin.__file__).parent
PACKAGES = {path.parent.name for path in PACKAGE.glob("*/__init__.py")}

# The packages by layer, from the lowest. Those of layer 0 depend on one another in this order.
LAYERS = [
    {"issues"},
    {"text"},
    {"model"},
    {"_arrow"},
    {"elqr", "rules"},
    {"catalog"},
    {"matching", "receipts"},
    {"bills"},
    {"slips"},
    {"reconcile"},
    {"ledger"},
    {"intake"},
    {"authorities"},
    {"reports"},
    {"demo", "spark"},
    {"cli"},
]
LAYER = {package: number for number, packages in enumerate(LAYERS) for package in packages}

# Heavy dependencies (Arrow, XML, databases, arrays), which callers who need none of them must not wait for.
HEAVY = ("pyarrow", "numpy", "lxml", "sqlalchemy", "reportlab", "xlsxwriter", "holidays", "pandas", "polars")


def name_of(path: Path) -> str:
    parts = path.relative_to(PACKAGE.parent).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


MODULES = {name_of(path): path for path in PACKAGE.rglob("*.py")}


def imports(nodes: Iterator[ast.AST]) -> Iterator[str]:
    """Yield the modules of Kokin that these statements import."""
    for node in nodes:
        match node:
            case ast.Import(names=names):
                yield from (name.name for name in names if name.name in MODULES)
            case ast.ImportFrom(module=str(module), names=names):
                found = {f"{module}.{name.name}" for name in names} & MODULES.keys()
                yield from found or ({module} & MODULES.keys())


def packages_of(path: Path) -> set[str]:
    tree = ast.parse(path.read_text(encoding="utf-8"))
    return {name.split(".")[1] for name in imports(ast.walk(tree)) if name != "kokin"}


def test_every_package_has_a_layer() -> None:
    assert set(LAYER) == PACKAGES


@pytest.mark.parametrize("package", sorted(PACKAGES))
def test_a_package_imports_from_lower_layers_only(package: str) -> None:
    imported = {
        (name_of(path), other)
        for path in (PACKAGE / package).rglob("*.py")
        for other in packages_of(path)
        if other != package
    }
    assert {(module, other) for module, other in imported if LAYER[other] >= LAYER[package]} == set()


def test_private_modules_of_another_package_are_not_imported() -> None:
    private_imports = {
        (module, other)
        for module, path in MODULES.items()
        for other in imports(ast.walk(ast.parse(path.read_text(encoding="utf-8"))))
        if any(part.startswith("_") for part in other.split(".")[2:]) and other.split(".")[1] != module.split(".")[1]
    }
    assert private_imports == set()


def test_modules_do_not_import_each_other_in_a_cycle() -> None:
    # Imports in functions and under TYPE_CHECKING do not run when a module is imported.
    graph = {
        module: set(imports(iter(ast.parse(path.read_text(encoding="utf-8")).body))) for module, path in MODULES.items()
    }
    TopologicalSorter(graph).prepare()  # raises CycleError, which names the cycle


def loaded_by(code: str) -> set[str]:
    script = f"import sys\ntry:\n    {code}\nexcept SystemExit:\n    pass\nprint('\\n' + ' '.join(sys.modules))"
    run = subprocess.run([sys.executable, "-I", "-c", script], capture_output=True, text=True, check=True)
    return set(run.stdout.splitlines()[-1].split())


@pytest.mark.parametrize(
    "code",
    [
        "import kokin",
        "import kokin; kokin.issues, kokin.text",
        "from kokin.cli import main; sys.argv = ['kokin', '--version']; main()",
        "from kokin.cli import main; sys.argv = ['kokin', '--help']; main()",
    ],
)
def test_a_light_import_stays_light(code: str) -> None:
    assert loaded_by(code) & set(HEAVY) == set()


def test_no_package_imports_pandas() -> None:
    """Creating an Arrow array of Python values imports pandas, which takes as long as everything else."""
    packages = sorted(PACKAGES - {"cli", "demo", "spark"})
    assert loaded_by(f"import {', '.join(f'kokin.{package}' for package in packages)}") & {"pandas", "polars"} == set()


def test_a_run_without_a_ledger_does_not_import_sqlalchemy() -> None:
    assert "sqlalchemy" not in loaded_by("from kokin import bills, receipts, reconcile, reports, slips")


def test_packages_are_imported_when_they_are_accessed() -> None:
    assert "kokin.elqr" in loaded_by("import kokin; kokin.elqr.ElQr")
    assert set(kokin.__all__) <= set(dir(kokin))
    with pytest.raises(AttributeError, match="no attribute 'nothing'"):
        kokin.nothing  # noqa: B018
