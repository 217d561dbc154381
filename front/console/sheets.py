"""Tables as files for spreadsheets: CSV that opens as it is meant, and holds nothing that a spreadsheet would reckon."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Iterator, Sequence

from flask import Response

_FORMULA = (*"=+-@\t\r\n|%", "\uff1d", "\uff0b", "\uff0d", "\uff20")  # the last four are full-width
_ROWS = 500
_MARK = "\ufeff"  # by which spreadsheets know UTF-8


def guarded(value: object) -> str:
    """A cell's text; where a spreadsheet would take it for a formula, with an apostrophe before it (OWASP)."""
    text = "" if value is None else str(value)
    number = isinstance(value, int | float)
    return f"'{text}" if text.lstrip().startswith(_FORMULA) and not number else text


def sheet(name: str, heading: Sequence[str], rows: Iterable[Sequence[object]]) -> Response:
    """A file of this name to be kept, written while it is sent, however many rows there are."""
    response = Response(_written(heading, rows), mimetype="text/csv")
    response.headers["Content-Disposition"] = f'attachment; filename="{name}.csv"'
    return response


def _written(heading: Sequence[str], rows: Iterable[Sequence[object]]) -> Iterator[str]:
    text = io.StringIO()
    writer = csv.writer(text, quoting=csv.QUOTE_ALL, lineterminator="\r\n")
    text.write(_MARK)
    writer.writerow([guarded(cell) for cell in heading])
    for number, row in enumerate(rows, 1):
        writer.writerow([guarded(cell) for cell in row])
        if number % _ROWS == 0:
            yield text.getvalue()
            text.seek(0)
            text.truncate()
    yield text.getvalue()
