"""What people read after a run: CSV, JSON and one self-contained HTML page.

A folder of reports is complete or absent: every file is written beside the folder first and moved into it at the end.
"""

from kokin.reports._csv import write_csv
from kokin.reports._run import FileFunnel, write_run

__all__ = ["FileFunnel", "write_csv", "write_run"]
