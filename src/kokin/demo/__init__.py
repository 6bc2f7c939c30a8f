"""A synthetic city, from the bill to the receipt file: invented people, invented money, the same for the same seed.

>>> import tempfile, pathlib
>>> files = write_city(pathlib.Path(tempfile.mkdtemp()), count=100, seed=1)
>>> [layout for _, layout in files.receipts]
['kokin-csv', 'dsk-csv', 'zengin-91']
"""

from kokin.demo._write import CityFiles, write_city

__all__ = ["CityFiles", "write_city"]
