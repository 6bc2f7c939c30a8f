r"""Many authorities (団体): files that several of them share, each with a ledger, a catalog and a policy of its own.

A file ``authorities.toml`` names them. :func:`post` splits the receipts of a file by ``payee_code``, posts each part
into the ledger of its authority, and proves that the parts are the file. :func:`overview` reads the state of every
ledger. The failure of one authority stops no other.

>>> import tempfile, pathlib
>>> from kokin.ledger import Ledger
>>> folder = tempfile.TemporaryDirectory()
>>> path = pathlib.Path(folder.name)
>>> settings = 'ledger = "{authority}.db"\nunassigned = "99999"\n[authorities.99998]\n[authorities.99999]\n'
>>> _ = (path / "authorities.toml").write_text(settings)
>>> _ = (path / "night.csv").write_text(
...     "payee_code,item_code,case_key,confirmation,amount,paid_on\n"
...     "99998,127,1,000001,100,2026-06-01\n"
...     "99999,127,1,000001,200,2026-06-01\n"
...     "99997,127,1,000001,300,2026-06-01\n")
>>> authorities = Authorities.load(path / "authorities.toml")
>>> for code in authorities.codes:
...     Ledger.create(path / f"{code}.db").close()
>>> posted = post(path / "night.csv", "kokin-csv", authorities)
>>> [(result.authority, result.totals["accepted_yen"]) for result in posted.results]
[('99998', 100), ('99999', 500)]
>>> posted.unassigned
{'99997': (1, 300)}
>>> posted.control.left, posted.control.right, posted.control.holds
(600, 600, True)
>>> [(row.authority, row.receipts, row.suspense) for row in overview(authorities)]
[('99998', 1, 100), ('99999', 2, 500)]
>>> folder.cleanup()
"""

from kokin.authorities._authorities import Authorities, Authority
from kokin.authorities._overview import AuthorityStatus, overview
from kokin.authorities._post import SharedFile, post

__all__ = ["Authorities", "Authority", "AuthorityStatus", "SharedFile", "overview", "post"]
