"""The ``kokin`` command: arguments, progress and exit codes. No rule and no format lives here."""

from kokin.cli._app import app, main

__all__ = ["app", "main"]
