"""An invented city with its bill file and receipt files, the same for the same seed.

>>> import tempfile, pathlib
>>> files = write_city(pathlib.Path(tempfile.mkdtemp()), count=100, seed=1)
>>> [layout for _, layout in files.receipts]
['kokin-csv', 'dsk-csv', 'zengin-91']
"""

from kokin.demo._city import CityFiles, write_city

__all__ = ["CityFiles", "write_city"]
