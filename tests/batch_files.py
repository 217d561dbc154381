"""What a card factory sends: tables of invented holders with requests on public test keys, as a directory or a ZIP."""

from __future__ import annotations

import csv
import io
import zipfile
from collections.abc import Iterable, Mapping, Sequence
from functools import cache
from pathlib import Path

from front.batches.source import COLUMNS, TABLE
from front.demo.people import invented_code
from tests.engine_world import csr_for

TOWNS = (("131016", "東京都千代田区"), ("312011", "鳥取県鳥取市"), ("331015", "岡山県岡山市北区"))
"""Where holders live, in turn: each town lies in another authority's prefecture of the small world."""

Row = dict[str, str]
Files = Mapping[str, bytes]

request = cache(csr_for)
"""A request in DER on the public test key of this number."""


def row(number: int, **fields: str) -> Row:
    """The holder of this number, who asks for both kinds on keys 2n and 2n + 1; keywords replace fields."""
    town, address = TOWNS[number % len(TOWNS)]
    return {
        "reference": f"card-{number}",
        "code": str(invented_code(number)),
        "name": "試験\u3000花子",
        "name_substitutes": "",
        "sex": "female",
        "birth_date": f"{1940 + number % 60}-{1 + number % 12:02}-{1 + number % 28:02}",
        "address": f"{address}試験町1-2-3",
        "address_substitutes": "",
        "municipality": town,
        "card_expires": "",
        "signature_csr": f"{number}s.csr",
        "user_authentication_csr": f"{number}u.csr",
        **fields,
    }


def requests(rows: Iterable[Row], first: int = 0) -> dict[str, bytes]:
    """The requests that rows made by ``row`` name, on keys from this number on."""
    found = {}
    for one in rows:
        for column, place in (("signature_csr", 0), ("user_authentication_csr", 1)):
            name = one[column]
            if name:
                found[name] = request(first + 2 * int(name.rstrip("su.cr")) + place)
    return found


def table(rows: Iterable[Row], columns: Sequence[str] = COLUMNS) -> bytes:
    """The table of these rows."""
    text = io.StringIO(newline="")
    writer = csv.DictWriter(text, columns, lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    return text.getvalue().encode()


def sent(rows: Sequence[Row], first: int = 0) -> dict[str, bytes]:
    """All the files of a batch."""
    return {TABLE: table(rows), **requests(rows, first)}


def write_folder(path: Path, files: Files) -> Path:
    """A directory of these files."""
    path.mkdir()
    for name, octets in files.items():
        (path / name).write_bytes(octets)
    return path


def write_zip(path: Path, files: Files, method: int = zipfile.ZIP_DEFLATED) -> Path:
    """A ZIP of these files."""
    with zipfile.ZipFile(path, "w", method) as archive:
        for name, octets in files.items():
            archive.writestr(name, octets)
    return path


def results(folder: Path) -> list[Row]:
    """The rows of results.csv."""
    with (folder / "results.csv").open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file, strict=True))
