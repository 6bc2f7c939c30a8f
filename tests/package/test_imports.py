"""Who may import whom, and what an import may cost."""

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
ROOMS = {path.parent.name for path in PACKAGE.glob("*/__init__.py")}

# The floors of the house, each room on one. Those of the ground floor stand on one another in this order.
FLOORS = [
    {"issues"},
    {"text"},
    {"model"},
    {"_arrow"},
    {"bills", "catalog", "elqr", "rules"},
    {"matching", "receipts", "slips"},
    {"reconcile"},
    {"ledger"},
    {"reports"},
    {"demo", "spark"},
    {"cli"},
]
FLOOR = {room: number for number, rooms in enumerate(FLOORS) for room in rooms}

# Arrow, XML, databases and arithmetic in columns: what a caller who needs none of them must not wait for.
HEAVY = ("pyarrow", "numpy", "lxml", "sqlalchemy", "reportlab", "xlsxwriter", "holidays", "pandas", "polars")


def name_of(path: Path) -> str:
    parts = path.relative_to(PACKAGE.parent).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


MODULES = {name_of(path): path for path in PACKAGE.rglob("*.py")}


def imports(nodes: Iterator[ast.AST]) -> Iterator[str]:
    """The modules of the package that these statements name."""
    for node in nodes:
        match node:
            case ast.Import(names=names):
                yield from (name.name for name in names if name.name in MODULES)
            case ast.ImportFrom(module=str(module), names=names):
                found = {f"{module}.{name.name}" for name in names} & MODULES.keys()
                yield from found or ({module} & MODULES.keys())


def rooms_of(path: Path) -> set[str]:
    tree = ast.parse(path.read_text(encoding="utf-8"))
    return {name.split(".")[1] for name in imports(ast.walk(tree)) if name != "kokin"}


def test_every_room_has_its_floor() -> None:
    assert set(FLOOR) == ROOMS


@pytest.mark.parametrize("room", sorted(ROOMS))
def test_a_room_imports_from_lower_floors_only(room: str) -> None:
    wanted = {
        (name_of(path), other) for path in (PACKAGE / room).rglob("*.py") for other in rooms_of(path) if other != room
    }
    assert {(module, other) for module, other in wanted if FLOOR[other] >= FLOOR[room]} == set()


def test_another_rooms_private_modules_are_left_alone() -> None:
    taken = {
        (module, other)
        for module, path in MODULES.items()
        for other in imports(ast.walk(ast.parse(path.read_text(encoding="utf-8"))))
        if any(part.startswith("_") for part in other.split(".")[2:]) and other.split(".")[1] != module.split(".")[1]
    }
    assert taken == set()


def test_no_module_is_imported_in_a_circle() -> None:
    # What stands in a function or under TYPE_CHECKING is not imported while modules are made.
    graph = {
        module: set(imports(iter(ast.parse(path.read_text(encoding="utf-8")).body))) for module, path in MODULES.items()
    }
    TopologicalSorter(graph).prepare()  # raises CycleError, which names the circle


def loaded_by(code: str) -> set[str]:
    shown = f"import sys\ntry:\n    {code}\nexcept SystemExit:\n    pass\nprint('\\n' + ' '.join(sys.modules))"
    run = subprocess.run([sys.executable, "-I", "-c", shown], capture_output=True, text=True, check=True)
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


def test_the_rooms_are_found_when_they_are_named() -> None:
    assert "kokin.elqr" in loaded_by("import kokin; kokin.elqr.ElQr")
    assert set(kokin.__all__) <= set(dir(kokin))
    with pytest.raises(AttributeError, match="no attribute 'nothing'"):
        kokin.nothing  # noqa: B018
