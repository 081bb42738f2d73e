"""Sensor logs: a CSV text in, SI arrays over one time out, and a document to start from.

`csv_text` finds the cells, `headings` the names and units, `clock` and `stamps` the time,
`long_form` turns rows of (time, sensor, value) into columns; `log` puts them together. `places` and
`roles` guess where a column belongs, and `starter` writes the document.
"""

from app.logs.log import Log, read_log
from app.logs.starter import Start, starter

__all__ = ["Log", "Start", "read_log", "starter"]
