"""Check that the wheel and the sdist contain exactly the committed files.

    python .ci/distributions.py DIST

DIST contains the sdist, the wheel built from it, and in ``tree/`` the wheel built from the checkout.
"""

import subprocess
import sys
import tarfile
import zipfile
from pathlib import Path

# The sdist contains the package and everything to read, test, document and benchmark it.
FOLDERS = ("benchmarks/", "docs/", "examples/", "src/", "tests/", "typings/")
PAGES = {"CHANGELOG.md", "CONTRIBUTING.md", "LICENSE", "README.md", "SECURITY.md", "pyproject.toml"}


def main(folder: Path) -> str:
    """Check the distributions; return their names and sizes."""
    (sdist,), (wheel,), (direct,) = folder.glob("*.tar.gz"), folder.glob("*.whl"), folder.glob("tree/*.whl")
    tracked = subprocess.run(["git", "ls-files"], check=True, capture_output=True, text=True).stdout.splitlines()
    package = {name.removeprefix("src/") for name in tracked if name.startswith("src/")}
    written = {name for name in tracked if name.startswith(FOLDERS)} | PAGES
    with tarfile.open(sdist) as archive:
        packed = {member.name.partition("/")[2] for member in archive if member.isfile()}
    agree(sdist, packed, written | {"PKG-INFO", ".gitignore"})
    with zipfile.ZipFile(wheel) as archive:
        packed = {name for name in archive.namelist() if ".dist-info/" not in name}
    agree(wheel, packed, package)
    if wheel.read_bytes() != direct.read_bytes():
        raise SystemExit("the wheels of the sdist and of the checkout differ")
    return f"{sdist.name} {sdist.stat().st_size:,} bytes; {wheel.name} {wheel.stat().st_size:,} bytes"


def agree(path: Path, packed: set[str], wanted: set[str]) -> None:
    """Exit with an error if a file is missing or unexpected."""
    if packed != wanted:
        raise SystemExit(f"{path.name}: unexpected {sorted(packed - wanted)}, missing {sorted(wanted - packed)}")


if __name__ == "__main__":
    print(main(Path(sys.argv[1])))
