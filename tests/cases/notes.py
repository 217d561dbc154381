"""The words in which a case says what differs from the right world, in brackets of its chain and for its lists.

Notes stand between semicolons; each is a phrase of the two tables here and what the phrase asks for:

    bridge [maps 2.999.1=2.999.2, 2.999.1=any; path 0; until -1d]
    "tokyo chiyoda" = "revokes holder at -2d for keyCompromise; signed by tokyo.g2"

What no phrase begins, and what a phrase cannot use, is refused.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from datetime import timedelta
from typing import Any

from asn1crypto import core, x509

from tests.cases.certificates import UNKNOWN, Extension, Point, freshest
from tests.cases.general_names import Spelling
from tests.cases.lists import Entry
from tests.cases.parties import ANY, Party, steps_of

Changes = dict[str, Any]
Phrases = Mapping[str, Callable[[str], Changes]]

_UNITS = {"s": 1, "m": 60, "h": 3600, "d": 86400, "y": 365 * 86400}
_REASONS = {
    "unspecified": "unspecified",
    "keyCompromise": "key_compromise",
    "caCompromise": "ca_compromise",
    "affiliationChanged": "affiliation_changed",
    "superseded": "superseded",
    "cessationOfOperation": "cessation_of_operation",
    "certificateHold": "certificate_hold",
    "privilegeWithdrawn": "privilege_withdrawn",
    "aaCompromise": "aa_compromise",
    "removeFromCRL": "remove_from_crl",
}
_USES = {
    "certify": "key_cert_sign",
    "list": "crl_sign",
    "sign": "digital_signature",
    "commit": "non_repudiation",
    "encipher": "key_encipherment",
}
_PURPOSES = {"clients": "client_auth", "any": "any_extended_key_usage", "answers": "ocsp_signing"}

_NULL = b"\x05\x00"
_EXTRAS: dict[str, tuple[Extension, ...]] = {
    "an unknown extension": ((UNKNOWN, False, _NULL),),
    "an unknown extension twice": ((UNKNOWN, False, _NULL),) * 2,
    "a critical unknown extension": ((UNKNOWN, True, _NULL),),
    "keyUsage twice": (("key_usage", True, x509.KeyUsage({"digital_signature"}).dump()),),
    "policies twice": (
        ("certificate_policies", True, x509.CertificatePolicies([{"policy_identifier": "2.999.1"}]).dump()),
    ),
    "nocheck": (("ocsp_no_check", False, core.Null().dump()),),
}

_GROWING = frozenset({"points", "permitted", "excluded", "named", "more", "revoked"})
"""Fields that several notes may add to."""


def offset(words: str) -> timedelta:
    """``-1d``, ``+6h``, ``0s``: a time from the moment of the cases."""
    found = re.fullmatch(r"([+-]?\d+)([smhdy])", words)
    if found is None:
        raise ValueError(f"{words!r} is no time")
    return timedelta(seconds=int(found[1]) * _UNITS[found[2]])


def policy(words: str) -> str:
    """A policy's object identifier; ``any`` is anyPolicy."""
    if words == "any":
        return ANY
    if not re.fullmatch(r"2\.999\.\d+", words):
        raise ValueError(f"{words!r} is no policy of the examples")
    return words


def read_notes(notes: str, phrases: Phrases) -> Changes:
    """The fields that notes change, or ValueError naming the note."""
    changes: Changes = {}
    for note in filter(None, (one.strip() for one in notes.split(";"))):
        phrase = max((one for one in phrases if f"{note} ".startswith(f"{one} ")), key=len, default=None)
        if phrase is None:
            raise ValueError(f"{note!r} says nothing that is known")
        try:
            found = phrases[phrase](note.removeprefix(phrase).strip())
        except (KeyError, ValueError) as error:
            raise ValueError(f"{note!r} is not understood: {error}") from error
        for field, value in found.items():
            if field in changes and field not in _GROWING:
                raise ValueError(f"{note!r} says again what another note says")
            changes[field] = changes[field] + value if field in changes else value
    return changes


def _field(name: str, read: Callable[[str], Any]) -> Callable[[str], Changes]:
    return lambda words: {name: read(words)}


def _set(**changes: Any) -> Callable[[str], Changes]:
    def read(words: str) -> Changes:
        if words:
            raise ValueError(f"{words!r} stands behind a phrase that takes nothing")
        return dict(changes)

    return read


def _each(words: str) -> tuple[str, ...]:
    return tuple(word.strip() for word in words.split(","))


def _one(words: str) -> tuple[str, ...]:
    if not words:
        raise ValueError("a name is missing")
    return (words,)


def _words(table: Mapping[str, str]) -> Callable[[str], frozenset[str]]:
    return lambda words: frozenset(table[word] for word in _each(words))


def _policies(words: str) -> tuple[str, ...]:
    found: list[str] = []
    for word in _each(words):
        first, dots, last = word.partition("..")  # 2.999.100..50 is fifty policies
        found += [policy(f"{first}{number:02}") for number in range(int(last))] if dots else [policy(first)]
    return tuple(found)


def _mappings(words: str) -> tuple[tuple[str, str], ...]:
    pairs = (word.partition("=") for word in _each(words))
    return tuple((policy(above), policy(below)) for above, _, below in pairs)


def _key(words: str) -> int:
    return Party.parse(words).key


def _certificate_named(words: str) -> Changes:
    serial, _, issuer = words.partition(" of ")
    return {"certificate_named": (Party.parse(issuer).steps, int(serial, 16))}


def _point(words: str) -> Changes:
    names, _, reasons = words.partition(" for ")
    names, _, issuer = names.partition(" by ")
    point = Point(
        names=tuple(steps_of(name) for name in _each(names)),
        reasons=_words(_REASONS)(reasons) if reasons else None,
        issuer=steps_of(issuer) if issuer else None,
    )
    return {"points": (point,)}


def _freshest(words: str) -> Changes:
    generation, scope = words.split()
    return {"more": (freshest(Party.parse(generation), scope),)}


def _revokes(words: str) -> Changes:
    found = re.fullmatch(r"([\w.]+)(?: at (\S+))?(?: for (\w+))?( with a critical unknown extension)?", words)
    if found is None:
        raise ValueError("as `revokes holder at -2d for keyCompromise`")
    serial = re.fullmatch(r"0x[0-9a-f]+", found[1])
    reason = found[3] or "affiliationChanged"
    entry = Entry(
        found[1] if serial else str(Party.parse(found[1])),
        offset(found[2] or "-1d"),
        None if reason == "nothing" else _REASONS[reason],
        _EXTRAS["a critical unknown extension"] if found[4] else (),
    )
    return {"revoked": (entry,)}


_SHARED: Phrases = {
    "from": _field("from", offset),
    "until": _field("until", offset),
    "signed by": _field("signer", _key),
    "signed with SHA-1": _set(digest="sha1"),
    "names the key of": _field("key_named", _key),
    "names no key": _set(key_named=None),
    "issuer called": _field("issuer", steps_of),
    "issuer in": _field("issuer_spelling", Spelling),
    "has": _field("more", _EXTRAS.__getitem__),
    "freshest": _freshest,
    "version": _field("version", lambda words: f"v{int(words)}"),
}

FOR_CERTIFICATES: Phrases = {
    **_SHARED,
    "from": _field("not_before", offset),
    "until": _field("not_after", offset),
    "subject called": _field("subject", steps_of),
    "subject in": _field("subject_spelling", Spelling),
    "key of": _field("key", _key),
    "names certificate": _certificate_named,
    "claims the key of": _field("key_claimed", _key),
    "no key identifier": _set(identified=False),
    "serial": _field("serial", lambda words: int(words, 16)),
    "policies": _field("policies", _policies),
    "no policies": _set(policies=()),
    "with a qualifier": _set(qualified=True),
    "maps": _field("mappings", _mappings),
    "maps nothing": _set(mappings=()),
    "explicit": _field("explicit", int),
    "not explicit": _set(explicit=None),
    "inhibits mapping": _field("inhibit_mapping", int),
    "inhibits any": _field("inhibit_any", int),
    "path": _field("path_length", int),
    "no CA": _set(ca=False),
    "a CA": _set(ca=True),
    "no basicConstraints": _set(ca=None),
    "may": _field("usage", _words(_USES)),
    "no keyUsage": _set(usage=None),
    "for": _field("purposes", lambda words: tuple(_PURPOSES[word] for word in _each(words))),
    "permits": _field("permitted", _one),
    "excludes": _field("excluded", _one),
    "named": _field("named", _one),
    "point": _point,
    "no point": _set(points=()),
}
"""What may be said of a certificate."""

FOR_LISTS: Phrases = {
    **_SHARED,
    "from": _field("this_update", offset),
    "until": _field("next_update", offset),
    "no end": _set(next_update=None),
    "missing": _set(missing=True),
    "right": _set(),
    "number": _field("number", int),
    "no number": _set(number=None),
    "adds to": _field("base", int),
    "for": _field("holds", str),
    "point": _field("point", steps_of),
    "no point": _set(point=None),
    "point in": _field("point_spelling", Spelling),
    "reasons": _field("reasons", _words(_REASONS)),
    "indirect": _set(indirect=True),
    "revokes": _revokes,
}
"""What may be said of a list."""
