"""An invented city with its bill file and receipt files, the same for the same seed.

>>> import tempfile, pathlib
>>> files = write_city(pathlib.Path(tempfile.mkdtemp()), count=100, seed=1)
>>> [layout for _, layout in files.receipts]
['kokin-csv', 'dsk-csv', 'zengin-91']
"""

from kokin.demo._city import CityFiles, write_city
from kokin.demo._ledger import post_city

__all__ = ["CityFiles", "post_city", "write_city"]
