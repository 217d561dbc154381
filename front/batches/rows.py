"""A row of the table becomes a holder with requests, or a row that cannot be read and why."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date

import msgspec

from ca.errors import BadInput, KakehashiError
from ca.issuing.batch import BadRow, BatchRow
from ca.keys.codes import keyed_code
from ca.model import CertificateKind
from front.applicants import ResidentParticulars, resident_of
from front.batches.source import FORM, REQUESTS, Source

_REQUIRED = tuple(item.name for item in msgspec.structs.fields(ResidentParticulars) if item.required)


def read_row(number: int, fields: Mapping[str, str], source: Source, code_key: bytes) -> BatchRow | BadRow:
    """The holder that a row describes, with the requests that it names."""
    asked = tuple(
        (CertificateKind(kind), fields[column]) for column, kind in REQUESTS.items() if fields[column]
    )
    try:
        if not asked:
            raise BadInput(f"row {number}", "names no request", clause=FORM)
        found = resident_of(_particulars(number, fields), f"row {number}")
        csrs = tuple((kind, source.request(name, f"row {number}, {kind} request")) for kind, name in asked)
    except KakehashiError as error:
        kinds = tuple(kind for kind, _ in asked) or tuple(CertificateKind(kind) for kind in REQUESTS.values())
        return BadRow(number, kinds, error)
    return BatchRow(number, found.resident, keyed_code(code_key, found.code), found.card_expires, csrs)


def _particulars(number: int, fields: Mapping[str, str]) -> ResidentParticulars:
    """The same fields, of the same types, as an office's own file of a resident has; an empty one is left out."""
    for name in _REQUIRED:
        if not fields[name]:
            raise BadInput(f"row {number}, {name}", "is missing", clause=FORM)
    given: dict[str, object] = {
        name: text for name, text in fields.items() if text and name in ResidentParticulars.__struct_fields__
    }
    try:
        if text := fields["card_expires"]:
            given["card_expires"] = date.fromisoformat(text)
        return msgspec.convert(given, ResidentParticulars)
    except msgspec.ValidationError as error:
        # What stands there is a person's; only the field is named.
        _, _, where = str(error).partition(" - at ")
        field = where.strip("`").removeprefix("$.") or "the holder"
        raise BadInput(f"row {number}, {field}", "is not as it should be", clause=FORM) from None
    except ValueError:
        raise BadInput(
            f"row {number}, card_expires", "is not a day, such as 2024-05-05", clause=FORM
        ) from None
