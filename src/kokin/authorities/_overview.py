"""The state of the ledgers of many authorities, one row each."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date, datetime
from typing import Any

from kokin.authorities._authorities import Authorities
from kokin.intake import IntakeStatus
from kokin.issues import InvalidInputError
from kokin.ledger import Ledger, LedgerError, LedgerStatus
from kokin.model import Disposition, Outcome
from kokin.reconcile import Control


@dataclass(frozen=True)
class AuthorityStatus:
    """The state of one ledger. Yen of two authorities are never added."""

    authority: str
    name: str
    at: datetime | None = None
    """The effective time of the last entry."""
    files: int = 0
    """Entries of receipt files."""
    receipts: int = 0
    """Active receipts."""
    exceptions: int = 0
    """Receipts whose outcome is an exception."""
    dispositions: Mapping[str, int] = field(default_factory=dict)
    """Yen by disposition."""
    controls: Mapping[str, Control] = field(default_factory=dict)
    """T1 and T4, which are sums of the ledger."""
    intake: IntakeStatus | None = None
    """The state of the expected files; None without an intake file."""
    error: str = ""
    """Why the ledger or the intake could not be read; the other fields are then empty."""
    hash: str = ""
    """The hash of the last entry."""

    @property
    def suspense(self) -> int:
        """Yen of receipts whose bill is unknown (不明金)."""
        return self.dispositions.get(Disposition.SUSPENSE, 0)

    @property
    def broken(self) -> tuple[str, ...]:
        """The controls that do not hold."""
        return tuple(name for name, control in self.controls.items() if control.holds is False)

    def as_dict(self) -> dict[str, Any]:
        """Return everything for JSON."""
        return {
            **{name: getattr(self, name) for name in ("authority", "name", "files", "receipts", "exceptions", "hash")},
            "at": self.at.isoformat() if self.at else "",
            "dispositions": dict(self.dispositions),
            "controls": {name: control.as_dict() for name, control in self.controls.items()},
            "intake": self.intake.as_dict() if self.intake else None,
            "error": self.error,
        }


def overview(
    authorities: Authorities, *, day: date | None = None, now: datetime | None = None
) -> list[AuthorityStatus]:
    """Return the state of each ledger, in the order of ``authorities.toml``; a ledger that fails has its error.

    Args:
        authorities: the authorities.
        day: the day of the expected files; None leaves the intake out.
        now: the time as of which deadlines have passed; by default now.
    """
    return [_status(authorities, code, day, now) for code in authorities.codes]


def _status(authorities: Authorities, code: str, day: date | None, now: datetime | None) -> AuthorityStatus:
    about = (code, authorities.name(code))
    try:
        with Ledger.open(authorities.ledger_of(code), policy=authorities.policy(code)) as ledger:
            status = ledger.status(recompute=False)
            intake = authorities.intake(code) if day else None
            checked = intake.check(ledger, day, now=now) if intake and day else None
    except InvalidInputError as error:
        return AuthorityStatus(*about, error=str(error.issues[0]))
    except (LedgerError, OSError) as error:
        return AuthorityStatus(*about, error=str(error))
    return AuthorityStatus(*about, **_fields(status), intake=checked)


def _fields(status: LedgerStatus) -> dict[str, Any]:
    outcomes = status.outcomes.items()
    return {
        "at": status.at,
        "files": status.files,
        "receipts": sum(row["count"] for _, row in outcomes),
        "exceptions": sum(row["count"] for name, row in outcomes if Outcome(name).is_exception),
        "dispositions": status.dispositions,
        "controls": status.controls,
        "hash": status.hash,
    }
