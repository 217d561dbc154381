"""Rules about residents' certificates: the pseudonymous name and the four items. No finding quotes any of them."""

# ruff: noqa: D103 - a rule is documented by its sentence
from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from datetime import date

from ca.lint import parts
from ca.lint.candidate import CONSTANTS, Candidate, CertificateRules, Part
from ca.model import RESIDENT_KINDS, CertificateKind, Sex
from ca.names import Attribute
from ca.profiles.extensions import SubjectDirectoryName, SubjectOtherNames

BOOK = CertificateRules()

_ITEMS = "1.2.392.200149.8.5.5"
_NAME, _NAME_FLAGS, _SEX = f"{_ITEMS}.1", f"{_ITEMS}.2", f"{_ITEMS}.3"
_BIRTH_DATE, _ADDRESS, _ADDRESS_FLAGS = f"{_ITEMS}.4", f"{_ITEMS}.5", f"{_ITEMS}.6"
_ALL_ITEMS = sorted((_NAME, _NAME_FLAGS, _SEX, _BIRTH_DATE, _ADDRESS, _ADDRESS_FLAGS))

_PSEUDONYM = re.compile(r"[0-9A-Z]{14}[0-9]{5}[0-9]{3}[A-Z]")
_FLAGS = re.compile(r"[01]*")
_SEXES = frozenset(sex.value for sex in Sex)
_BIRTH = re.compile(r"[0-5](?P<year>[0-9]{4})(?P<month>0[0-9]|1[0-2])(?P<day>[0-2][0-9]|3[01])")


def _items(candidate: Candidate) -> Mapping[str, str]:
    """The items by identifier; that each is there once is ``items_complete``'s to see."""
    names = candidate.extension(SubjectOtherNames)
    return dict(names.names) if names is not None else {}


@BOOK.rule(
    "JPKI profile, CN",
    "a resident's common name is a pseudonym: 14 alphanumerics, 5 and 3 digits, a letter",
    kinds=RESIDENT_KINDS,
    reads={Part.SUBJECT_NAME},
)
def pseudonym(candidate: Candidate) -> Iterator[str]:
    for attribute, value in candidate.draft.subject.name.steps:
        if attribute is Attribute.CN and not _PSEUDONYM.fullmatch(value):
            yield "the common name is not a pseudonym of 23 characters"


@BOOK.rule(
    "JPKI profile, subject of signature",
    "the signature subject is C, L, L, CN",
    kinds={CertificateKind.SIGNATURE},
    reads={Part.SUBJECT_NAME},
)
def signature_subject(candidate: Candidate) -> Iterator[str]:
    wanted = [Attribute.C, Attribute.L, Attribute.L, Attribute.CN]
    if [attribute for attribute, _ in candidate.draft.subject.name.steps] != wanted:
        yield "the subject is not C, L (prefecture), L (municipality), CN"


@BOOK.rule(
    "JPKI profile, subject of user authentication",
    "the user-authentication subject is C, CN and no more",
    kinds={CertificateKind.USER_AUTHENTICATION},
    reads={Part.SUBJECT_NAME},
)
def user_authentication_subject(candidate: Candidate) -> Iterator[str]:
    steps = candidate.draft.subject.name.steps
    if [attribute for attribute, _ in steps] != [Attribute.C, Attribute.CN]:
        yield "the subject is not C, CN"


@BOOK.rule(
    "JPKI profile, subjectAltName", "only a signature certificate tells who its holder is", reads=CONSTANTS
)
def items_only_for_signature(candidate: Candidate) -> Iterator[str]:
    if candidate.kind is not CertificateKind.SIGNATURE and candidate.extension(SubjectOtherNames) is not None:
        yield f"a {candidate.kind} certificate has otherNames"
    if candidate.kind in RESIDENT_KINDS and candidate.extension(SubjectDirectoryName) is not None:
        yield f"a {candidate.kind} certificate has a directoryName as alternative"


@BOOK.rule(
    "JPKI profile, otherNames",
    "a signature certificate has the six otherNames, each once",
    kinds={CertificateKind.SIGNATURE},
    reads={SubjectOtherNames},
)
def items_complete(candidate: Candidate) -> Iterator[str]:
    names = candidate.extension(SubjectOtherNames)
    if names is None:
        return
    # In any order: the verifiers are told never to rely on one.
    if sorted(oid for oid, _ in names.names) != _ALL_ITEMS:
        yield "otherNames are not the six items, each once"


@BOOK.rule(
    "JPKI profile, name and address",
    "name and address say something that can be shown",
    kinds={CertificateKind.SIGNATURE},
    reads={SubjectOtherNames},
)
def items_text(candidate: Candidate) -> Iterator[str]:
    items = _items(candidate)
    for oid, word in ((_NAME, "the name"), (_ADDRESS, "the address")):
        text = items.get(oid)
        if text is not None and (not text.strip() or parts.is_unfit(text)):
            yield f"{word} is empty, holds a control character or what UTF-8 cannot carry"


@BOOK.rule(
    "JPKI profile, substitute characters",
    "substitute flags are one 0 or 1 for each character of the text",
    kinds={CertificateKind.SIGNATURE},
    reads={SubjectOtherNames},
)
def items_substitutes(candidate: Candidate) -> Iterator[str]:
    items = _items(candidate)
    for text, flags, word in (
        (_NAME, _NAME_FLAGS, "the name's"),
        (_ADDRESS, _ADDRESS_FLAGS, "the address's"),
    ):
        if text not in items or flags not in items:
            continue
        if len(items[text]) != len(items[flags]) or not _FLAGS.fullmatch(items[flags]):
            yield f"{word} substitute flags are not one 0 or 1 a character"


@BOOK.rule(
    "JPKI profile, date of birth",
    "a date of birth is EYYYYMMDD, a day of the calendar or zeros for unknown",
    kinds={CertificateKind.SIGNATURE},
    reads={SubjectOtherNames},
)
def items_birth_date(candidate: Candidate) -> Iterator[str]:
    text = _items(candidate).get(_BIRTH_DATE)
    if text is not None and not _is_birth_date(text):
        yield "the date of birth is not EYYYYMMDD"


@BOOK.rule("JIS X 0303", "sex is 1, 2 or 9", kinds={CertificateKind.SIGNATURE}, reads={SubjectOtherNames})
def items_sex(candidate: Candidate) -> Iterator[str]:
    text = _items(candidate).get(_SEX)
    if text is not None and text not in _SEXES:
        yield "sex is not 1, 2 or 9"


def _is_birth_date(text: str) -> bool:
    match = _BIRTH.fullmatch(text)
    if match is None:
        return False
    # What is unknown is zero; any known rest must lie in a calendar that has 29 February.
    year, month, day = (int(match[part]) for part in ("year", "month", "day"))
    try:
        date(year or 2000, month or 1, day or 1)
    except ValueError:
        return False
    return True
