"""The ``kokin`` command: arguments, progress, output and exit codes. It contains no rule and no file format."""

from __future__ import annotations

from typing import TYPE_CHECKING

from kokin.cli._main import main

if TYPE_CHECKING:
    from kokin.cli._app import app

__all__ = ["app", "main"]


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})


def __getattr__(name: str) -> object:
    if name == "app":  # imported late, so that main can report an import that fails
        from kokin.cli._app import app

        return app
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
