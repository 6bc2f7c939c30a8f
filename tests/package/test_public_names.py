"""The public names: listed in ``__all__``, sorted, complete, each defined in one package."""

from __future__ import annotations

import ast
import importlib
import inspect
import re
import subprocess
import sys
from collections import defaultdict
from pathlib import Path
from types import ModuleType

import pytest

import kokin

PACKAGE = Path(kokin.__file__).parent
PACKAGES = sorted(path.parent.name for path in PACKAGE.glob("*/__init__.py"))


def package_of(name: str) -> ModuleType:
    return importlib.import_module(f"kokin.{name}")


def names_bound(module: ModuleType) -> set[str]:
    """Return the names without an underscore that a package defines or imports from its own modules."""
    bound: set[str] = set()
    for node in ast.parse(inspect.getsource(module)).body:
        match node:
            case ast.ImportFrom(module=str(home), names=names) if home.startswith(module.__name__):
                bound |= {name.asname or name.name for name in names}
            case ast.FunctionDef(name=name) | ast.ClassDef(name=name):
                bound.add(name)
            case ast.Assign(targets=[ast.Name(id=name)]) | ast.AnnAssign(target=ast.Name(id=name)):
                bound.add(name)
    return {name for name in bound if not name.startswith("_")}


@pytest.mark.parametrize("name", PACKAGES)
def test_all_is_sorted_and_complete(name: str) -> None:
    module = package_of(name)
    names = module.__all__
    # As the linter sorts them: CONSTANTS, Classes, functions; numbers by value.
    natural = [[int(part) if part.isdigit() else part for part in re.split(r"(\d+)", name)] for name in names]
    groups = [(not name.isupper(), not name[0].isupper()) for name in names]
    assert sorted(zip(groups, natural, strict=True)) == list(zip(groups, natural, strict=True))
    assert names_bound(module) <= set(names)
    assert all(hasattr(module, name) for name in names)


def test_each_public_name_has_one_package() -> None:
    homes: dict[object, list[str]] = defaultdict(list)
    for name in PACKAGES:
        for public in package_of(name).__all__:
            item = getattr(package_of(name), public)
            if inspect.isclass(item) or inspect.isfunction(item):
                homes[item].append(f"{name}.{public}")
    assert [names for names in homes.values() if len(names) > 1] == []


def test_kokin_lists_the_packages_that_others_import() -> None:
    # Arrow helpers serve the other packages, the demo and the command serve the shell.
    assert sorted({*kokin.__all__, "cli", "_arrow", "demo"}) == PACKAGES


@pytest.mark.parametrize(
    "name",
    [
        "elqr.ElQr",
        "elqr.PayloadError",
        "elqr.build_many",
        "elqr.check",
        "elqr.parse",
        "ledger.Ledger.add_bills",
        "ledger.Ledger.balances",
        "ledger.Ledger.create",
        "ledger.Ledger.open",
        "ledger.Ledger.post",
        "ledger.Ledger.reverse_entry",
        "ledger.Ledger.reverse_posting",
        "ledger.Ledger.verify",
        "receipts.open",
        "receipts.read",
        "reconcile.Reconciliation",
        "reconcile.reconcile",
        "rules.instalments",
        "rules.late_charge",
        "rules.refund_interest",
        "rules.shift_due_date",
        "slips.gs1_128.build",
        "slips.gs1_128.parse",
        "slips.gs1_128.render",
        "slips.encode",
        "slips.make",
        "slips.mpn_lines",
        "slips.render",
        "slips.write_slips",
        "text.authority_code",
    ],
)
def test_the_contract(name: str) -> None:
    item: object = kokin
    for part in name.split("."):
        item = getattr(item, part)
    assert callable(item)


def test_a_type_checker_may_look_inside() -> None:
    assert (PACKAGE / "py.typed").exists()


@pytest.mark.parametrize("name", ["kokin", *(f"kokin.{name}" for name in PACKAGES)])
def test_dir_lists_the_names_that_load_later(name: str) -> None:
    """In a new process, because a name that was used once is listed in any case."""
    script = f"import {name}; print(*sorted(set({name}.__all__) - set(dir({name}))))"
    run = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert run.stdout.split() == []
