"""What leads to a slip, as 64-bit tokens in Spark's SQL: its numbers, its obligations, its ``bill_id``.

A token is a hash (xxHash64) of a kind and a text. Whatever has the same text has the same token, so a hash can bring
together what has nothing to do with each other, but never part what has: two slips more in a group cost nothing, for
the core compares the texts themselves.
"""

from __future__ import annotations

from collections.abc import Collection

from kokin.matching import CONTENT_COLUMNS, KEY_KINDS


def _text(column: str) -> str:
    """A column as a text, null where it is empty: an empty number is none."""
    return f"nullif(string({column}), '')"


_TEXTS = {
    "el_number": f"concat({_text('payee_code')}, {_text('item_code')}, lpad({_text('case_key')}, 20, '0'), "
    f"{_text('confirmation')})",
    # The company and the free field of the 44 digits.
    "barcode": f"substring({_text('barcode')}, 3, 27)",
    "customer_number": _text("customer_number"),
    "virtual_account": _text("virtual_account"),
}
_EL_FIELDS = {"payee_code", "item_code", "case_key", "confirmation"}

#: The token by which a slip itself is known: its eL number's. Every bill has one.
SLIP = f"xxhash64('el_number', {_TEXTS['el_number']})"


def numbers(columns: Collection[str]) -> dict[str, str]:
    """The numbers of a row by kind, in the order in which a receipt's are looked at: SQL of a text, null for none.

    They read as their keys in the core: 34, 27, up to 20 and 10 characters. A kind without its columns is left out.
    """
    return {kind: _TEXTS[kind] for kind in KEY_KINDS if (_EL_FIELDS if kind == "el_number" else {kind}) <= set(columns)}


def number_tokens(columns: Collection[str]) -> list[str]:
    """The tokens of a row's numbers, in the order of :func:`numbers`: SQL of a bigint, null for none."""
    return [_token(kind, text) for kind, text in numbers(columns).items()]


def bill_tokens(columns: Collection[str]) -> str:
    """Everything by which a bill can have to do with another: SQL of an array of bigints, some of them null.

    Slips with one ``bill_id`` meet, so that the core sees that it is there twice.
    """
    own = [*number_tokens(columns), _token("bill_id", _text("bill_id"))]
    if "obligation_id" in columns:
        own.append(_token("obligation_id", _text("obligation_id")))
    tokens = f"array({', '.join(own)})"
    if "covers" not in columns:
        return tokens
    covered = f"transform(covers, name -> {_token('obligation_id', _text('name'))})"
    return f"concat({tokens}, coalesce({covered}, array()))"


def receipt_token(columns: Collection[str]) -> str:
    """What a receipt is grouped by: SQL of a bigint, never null.

    It is the first of its numbers. A receipt without one is grouped by all that it says, so that it meets the records
    of other files that say the same.
    """
    said = [f"coalesce(string({name}), '')" for name in columns if name in CONTENT_COLUMNS]
    anything = f"xxhash64({', '.join(said)})"
    return f"coalesce({', '.join([*number_tokens(columns), anything])})"


def receipt_keys(columns: Collection[str]) -> str:
    """The keys by which a receipt can have to do with one of another number: SQL of an array of bigints, some null.

    They are the ``provider_key`` of a payment, of the booking that contains it, and of the payment that it cancels.
    """
    names = [name for name in ("provider_key", "batch_key", "cancels") if name in columns]
    return f"array({', '.join(_token('key', _text(name)) for name in names)})" if names else "array(bigint(null))"


def _token(kind: str, text: str) -> str:
    return f"if({text} is null, null, xxhash64('{kind}', {text}))"
