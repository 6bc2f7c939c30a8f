"""Cities of two authorities whose rows never meet: only the payee, or a prefix of each id, differs."""

from tests.reconcile import cities

PAYEES = ("88888", "99999")
_IDS = ("bill_id", "obligation_id", "provider_key", "batch_key", "cancels", "other_keys")


def move(payee, rows):
    """Return rows of bills or receipts as rows of a payee; one without a payee stays without."""
    return [_moved(payee, row) for row in rows]


def _moved(payee, row):
    changes = {name: f"{payee}-{row[name]}" for name in _IDS if row.get(name)}
    if row.get("payee_code"):
        changes["payee_code"] = payee
    if row.get("covers"):
        changes["covers"] = [f"{payee}-{name}" for name in row["covers"]]
    if row.get("customer_number"):
        changes["customer_number"] = f"{payee}{row['customer_number']}"[:20]
    if row.get("virtual_account"):
        changes["virtual_account"] = payee + row["virtual_account"][5:]
    if row.get("barcode"):
        # The free field: eight digits are left for the number of the city.
        changes["barcode"] = cities.barcode(int(payee + row["barcode"][21:29]), int(row["barcode"][37:43]))
    return {**row, **changes}
