"""The authorities of a shared service, as the file ``authorities.toml`` names them."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, Sequence
from fnmatch import fnmatchcase
from functools import cached_property
from pathlib import Path
from typing import Annotated, Any, Self, TypeVar

from pydantic import BaseModel, Field, PrivateAttr

from kokin.catalog import CATALOG, Catalog
from kokin.catalog import load as load_catalog
from kokin.intake import Intake
from kokin.intake import load as load_intake
from kokin.issues import InvalidInputError, Issue, Location
from kokin.model import Digits, Record, Text
from kokin.reconcile import Policy
from kokin.text import load_toml, located_in

T = TypeVar("T")


class Authority(BaseModel):
    """A table ``[authorities.CODE]`` of ``authorities.toml``. Paths are relative to the folder of that file."""

    model_config = Record.model_config

    name: Annotated[str, Text(80)] = ""
    """Its name for people; the code if it is empty."""
    ledger: str = ""
    """URL of its ledger, or the path of an SQLite file; by default that of all, with ``{authority}`` for the code."""
    payee_codes: tuple[Annotated[str, Digits(5)], ...] = Field(default=(), strict=False)
    """共通納税機関コード of its receipts; by default the code of the table, if it is one."""
    files: tuple[Annotated[str, Text(255, min=1)], ...] = Field(default=(), strict=False)
    """Patterns (``debit-*.txt``) of the names of files whose receipts are all for this authority."""
    catalog: str = ""
    """The TOML file of its charges; by default the shipped catalog."""
    policy: str = ""
    """The TOML file of the policy that its ledger must have; by default any."""
    intake: str = ""
    """The TOML file of the files that it expects."""


class Authorities(Record):
    """The authorities that share files; see :meth:`load`."""

    authorities: dict[Annotated[str, Field(pattern=r"^[0-9][0-9A-Za-z_-]{0,39}$")], Authority] = Field(min_length=1)
    """The authorities by code."""
    unassigned: str
    """The code of the authority whose ledger receives what no authority is named for, so that no yen is lost."""
    ledger: str = ""
    """The ledger of each authority, with ``{authority}`` for its code."""
    actor: Annotated[str, Text(80, min=1)] = "shared-service"
    """Who makes the entries."""

    _folder: Path = PrivateAttr(default=Path())
    # What the files of the authorities contain, by the field and the name of the file.
    _files: dict[tuple[str, str], Any] = PrivateAttr(default_factory=dict)

    @classmethod
    def load(cls, path: str | os.PathLike[str]) -> Self:
        """Read the authorities from a TOML file, and every file that it names.

        Raises:
            InvalidInputError: a file is not TOML or a value is invalid; two authorities have the same ``payee_code``
                or ledger; an authority has none; ``unassigned`` is not an authority. ``.issues`` has every one.
            OSError: a file cannot be read.
        """
        file = Path(path)
        with located_in(file.name, "authorities rejected"):
            loaded = cls(**load_toml(file))
            loaded._folder = file.parent
            if issues := [*loaded._conflicts()]:
                raise InvalidInputError(issues)
        for read in (loaded.policy, loaded.catalog, loaded.intake):
            for code in loaded.codes:
                read(code)
        return loaded

    def _conflicts(self) -> list[Issue]:
        """Return what is wrong between the tables."""
        without = [code for code in self.codes if not self.ledger_of(code)]
        issues = [Issue("FIELD_MISSING", field=f"authorities.{code}.ledger") for code in without]
        if self.unassigned not in self.authorities:
            expected = " | ".join(self.codes)[:200]
            issues.append(Issue("CODE_UNKNOWN", field="unassigned", expected=expected, found=self.unassigned[:40]))
        issues += self._duplicates("payee_codes", {code: self._payee_codes(code) for code in self.codes})
        issues += self._duplicates("ledger", {code: [self.ledger_of(code)] for code in self.codes})
        return issues

    def _duplicates(self, field: str, values: Mapping[str, Sequence[str]]) -> list[Issue]:
        """Return an issue for each value of an authority that an earlier one has too."""
        owner: dict[str, str] = {}
        issues = []
        for code, own in values.items():
            for value in own:
                if value and owner.setdefault(value, code) != code:
                    name = f"authorities.{code}.{field}"
                    issues.append(Issue("AUTHORITY_DUPLICATE", field=name, expected=owner[value], found=value))
        return issues

    @property
    def codes(self) -> tuple[str, ...]:
        """The codes, in the order of the file."""
        return tuple(self.authorities)

    def name(self, code: str) -> str:
        """Return the name of an authority for people."""
        return self.authorities[code].name or code

    def ledger_of(self, code: str) -> str:
        """Return the URL of the ledger of an authority, or the path of an SQLite file; empty if none is named."""
        address = (self.authorities[code].ledger or self.ledger).replace("{authority}", code)
        return address if "://" in address or not address else str(self._folder / address)

    @cached_property
    def authority_of_payee(self) -> Mapping[str, str]:
        """The code of the authority of each ``payee_code``."""
        return {payee: code for code in self.codes for payee in self._payee_codes(code)}

    def of_file(self, name: str) -> str | None:
        """Return the authority for which all receipts of a file are; None if the file is split.

        Raises:
            InvalidInputError: ``AUTHORITY_DUPLICATE``: the patterns of several authorities match the name.
        """
        codes = [
            code
            for code, authority in self.authorities.items()
            if any(fnmatchcase(name, pattern) for pattern in authority.files)
        ]
        if len(codes) > 1:
            issue = Issue("AUTHORITY_DUPLICATE", field="files", expected=codes[0], found=codes[1])
            raise InvalidInputError([issue.with_location(Location(name))], "the file was not posted")
        return codes[0] if codes else None

    def policy(self, code: str) -> Policy | None:
        """Return the policy that the ledger of an authority must have; None for any."""
        return self._loaded(code, "policy", Policy.load)

    def catalog(self, code: str) -> Catalog:
        """Return the charges of an authority."""
        return self._loaded(code, "catalog", load_catalog) or CATALOG

    def intake(self, code: str) -> Intake | None:
        """Return the files that an authority expects; None if they are not known."""
        return self._loaded(code, "intake", load_intake)

    def _payee_codes(self, code: str) -> Sequence[str]:
        own = self.authorities[code].payee_codes
        return own or ([code] if len(code) == 5 and code.isdecimal() else [])

    def _loaded(self, code: str, field: str, load: Callable[[Path], T]) -> T | None:
        """Return what a file of an authority contains, read once; None if the authority names no file."""
        name = getattr(self.authorities[code], field)
        key = (field, name)
        if name and key not in self._files:
            self._files[key] = load(self._folder / name)
        return self._files.get(key)
