"""The ledger (収納台帳)."""

from kokin.ledger._databases import LedgerError
from kokin.ledger._entry import Entry, EntryKind, Written
from kokin.ledger._ledger import Ledger

__all__ = ["Entry", "EntryKind", "Ledger", "LedgerError", "Written"]
