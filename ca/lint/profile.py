"""Rules that hold a draft against its profile: which extensions, in which order, how critical, with what fixed."""

# ruff: noqa: D103 - a rule is documented by its sentence
from __future__ import annotations

from collections.abc import Iterator

from ca.lint.candidate import CONSTANTS, PROFILES, Candidate, CertificateRules
from ca.profiles.extensions import NAMES

BOOK = CertificateRules()

_FIXED = {slot.extension for profile in PROFILES.values() for slot in profile.slots if slot.fixed is not None}


@BOOK.rule("RFC 5280 4.2", "no extension stands twice", reads=CONSTANTS)
def extension_once(candidate: Candidate) -> Iterator[str]:
    # By identifier, not by type: two types of value are subjectAltName.
    oids = [placed.value.oid for placed in candidate.draft.extensions]
    if len(set(oids)) < len(oids):
        for oid in sorted({oid for oid in oids if oids.count(oid) > 1}):
            yield f"{NAMES[oid]} stands {oids.count(oid)} times"


@BOOK.rule("the kind's profile, slots", "every extension that the profile demands is there", reads=CONSTANTS)
def profile_complete(candidate: Candidate) -> Iterator[str]:
    there = {type(placed.value) for placed in candidate.draft.extensions}
    for slot in candidate.profile.slots:
        if not slot.optional and slot.extension not in there:
            yield f"{NAMES[slot.extension.oid]} ({slot.extension.__name__}) is missing"


@BOOK.rule("the kind's profile, closed", "every extension has a place in the profile", reads=CONSTANTS)
def profile_closed(candidate: Candidate) -> Iterator[str]:
    known = {slot.extension for slot in candidate.profile.slots}
    for placed in candidate.draft.extensions:
        if type(placed.value) not in known:
            yield f"{NAMES[placed.value.oid]} ({type(placed.value).__name__}) has no place in the profile"


@BOOK.rule("the kind's profile, order", "the extensions stand in the profile's order", reads=CONSTANTS)
def profile_order(candidate: Candidate) -> Iterator[str]:
    ranks = {slot.extension: rank for rank, slot in enumerate(candidate.profile.slots)}
    found = [
        ranks[type(placed.value)] for placed in candidate.draft.extensions if type(placed.value) in ranks
    ]
    if found != sorted(found):
        yield "the extensions stand in another order"


@BOOK.rule(
    "the kind's profile, criticality", "each extension is as critical as the profile says", reads=CONSTANTS
)
def profile_criticality(candidate: Candidate) -> Iterator[str]:
    wanted = {slot.extension: slot.critical for slot in candidate.profile.slots}
    for placed in candidate.draft.extensions:
        if placed.critical != wanted.get(type(placed.value), placed.critical):
            yield f"{NAMES[placed.value.oid]} is {'' if placed.critical else 'not '}critical"


@BOOK.rule("the kind's profile, fixed values", "what the profile fixes is not varied", reads=_FIXED)
def profile_fixed(candidate: Candidate) -> Iterator[str]:
    wanted = {slot.extension: slot.fixed for slot in candidate.profile.slots if slot.fixed is not None}
    for placed in candidate.draft.extensions:
        if type(placed.value) in wanted and placed.value != wanted[type(placed.value)]:
            yield f"{NAMES[placed.value.oid]} has another value"
