"""The form of a new application: what the officer typed, read into what the use case takes, field by field."""

from __future__ import annotations

import unicodedata
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime
from enum import StrEnum

from asn1crypto import pem

from ca.birth import BirthDate
from ca.errors import BadInput, CsrRefused
from ca.issuing.intake import MAXIMUM_SIZE, read_csr
from ca.model import (
    RESIDENT_KINDS,
    CertificateKind,
    MunicipalityCode,
    Office,
    OfficeKind,
    Resident,
    ResidentCode,
    Sex,
)
from ca.profiles.practice import HolderPractice
from ca.rules.identity import (
    DOCUMENTS,
    Document,
    Purpose,
    Reception,
    SeenDocument,
    Weight,
    accepted_on,
    require_identified,
)
from ca.rules.validity import BirthdayRule, japanese_day, months_before, require_age
from ca.store.search import HolderCertificate
from ca.wire.same_keys import same_key
from front.assembly import World
from front.pages.forms import Fields, FormRefused, Problem
from front.pages.refusals import explained
from front.registration.window_items import read_birth_date, read_code, read_flags, read_text

_CARD_YEARS = 10
"""The longest that a card lasts (Cabinet Order on individual numbers, article 26: to the tenth birthday)."""
_RENEWAL_MONTHS = 3
"""For kinds of which the rule of validity does not say it."""
_PEM = "CERTIFICATE REQUEST"


class Kinds(StrEnum):
    """Which certificates are applied for."""

    BOTH = "both"
    SIGNATURE = "signature"
    USER_AUTHENTICATION = "user-authentication"

    @property
    def wanted(self) -> tuple[CertificateKind, ...]:
        """The kinds, in the order in which they are shown."""
        return RESIDENT_KINDS if self is Kinds.BOTH else (CertificateKind(self.value),)


@dataclass(frozen=True, slots=True)
class Filing:
    """An application that is right as far as it can be seen from the form.

    Attributes:
        keys: The encoded SubjectPublicKeyInfo of each request.
    """

    resident: Resident = field(repr=False)
    code: ResidentCode = field(repr=False)
    csrs: Mapping[CertificateKind, bytes] = field(repr=False)
    keys: tuple[bytes, ...] = field(repr=False)
    card_expires: date = field(repr=False)
    reception: Reception = field(repr=False)


@dataclass(frozen=True, slots=True)
class Choices:
    """What an office's form offers today: documents by weight, and the kinds that its authorities issue."""

    documents: Mapping[Weight, Sequence[Document]]
    kinds: tuple[Kinds, ...]
    practices: Mapping[CertificateKind, HolderPractice]
    address: str

    @classmethod
    def of(cls, world: World, office: Office, at: datetime) -> Choices:
        """The choices of a window; BadInput at an office that is none."""
        if office.kind is not OfficeKind.WINDOW:
            raise BadInput(f"office {office.id}", "is not a window; residents apply at theirs")
        accepted = accepted_on(japanese_day(at))
        practices = {
            kind: practice
            for authority in office.authorities
            for kind, practice in world.issuers.practice(authority).holders.items()
            if kind in RESIDENT_KINDS
        }
        town = world.plan.municipalities.window(office.id)
        return cls(
            {weight: [each for each in accepted if DOCUMENTS[each].weight is weight] for weight in Weight},
            tuple(each for each in Kinds if practices.keys() >= set(each.wanted)),
            practices,
            town.prefecture + town.name,
        )


def read_filing(choices: Choices, office: Office, fields: Fields, at: datetime) -> Filing:
    """What the form says, or FormRefused with every problem of every field.

    The page that checks while somebody types asks this very function.
    """
    today = japanese_day(at)
    purpose = fields.choice("purpose", Purpose)
    documents = _documents(fields, at)
    code = read_code(fields)
    born = read_birth_date(fields, "birth_date", today)
    name = read_text(fields, "name", most=200)
    name_flags = read_flags(fields, "name_substitutes", name)
    sex = fields.choice("sex", Sex)
    address = read_text(fields, "address", most=200)
    if address and len(address) <= len(choices.address):
        fields.refuse("address", "registration.address_short")
    address_flags = read_flags(fields, "address_substitutes", address)
    card_number = _card_number(fields)
    expires = _card_expires(fields, today)
    kinds = fields.choice("kinds", Kinds)
    if kinds is not None and kinds not in choices.kinds:
        fields.refuse("kinds", "form.not_a_choice")
        kinds = None
    csrs, keys = _requests(fields, kinds, choices.practices, at)
    if kinds is not None and born is not None:
        _require_age(fields, choices, kinds, born, at)
    fields.settle()
    assert purpose and code and born and sex and expires, "missing is a problem"  # noqa: PT018 - one sentence of five
    resident = Resident(name, name_flags, sex, born, address, address_flags, MunicipalityCode(office.id))
    return Filing(resident, code, csrs, keys, expires, Reception(purpose, documents, card_number))


def explain_csr(error: CsrRefused) -> tuple[str, dict[str, object]]:
    """The words for a request that was refused, and what stands in them."""
    key = _CSR_WORDS.get(error.clause or "")
    if key is not None:
        return key, {}
    return "registration.csr.refused", {"detail": explained(error)}


def require_renewable(
    choices: Choices, filing: Filing, held: Iterable[HolderCertificate], at: datetime
) -> None:
    """Raise FormRefused if a renewal is asked for and there is nothing to renew, or too early.

    What is to be replaced before that is no renewal: the form has a purpose of its own for it.
    """
    if filing.reception.purpose is not Purpose.RENEWAL:
        return
    lasts = {each.kind: each.period.not_after for each in held if each.revocation is None}
    for kind in filing.csrs:
        last = lasts.get(kind)
        if last is None or last < at.replace(microsecond=0):
            raise FormRefused((Problem("purpose", "registration.purpose.nothing_to_renew"),))
        rule = choices.practices[kind].validity
        months = rule.renewal_months if isinstance(rule, BirthdayRule) else _RENEWAL_MONTHS
        if japanese_day(at) <= months_before(japanese_day(last), months):
            raise FormRefused((Problem("purpose", "registration.purpose.too_early", {"months": months}),))


def pasted(octets: bytes) -> str:
    """A request that came as a file, as the text that the form shows again."""
    if len(octets) > MAXIMUM_SIZE:
        return ""
    text = pem.armor(_PEM, octets) if octets[:1] == b"\x30" else octets
    return text.decode("ascii", "replace")


_CSR_WORDS = {
    "RFC 2986 4": "registration.csr.not_a_request",
    "RFC 2986 4.2; RFC 4211 4": "registration.csr.possession",
    "RFC 5280 5.3.1, keyCompromise": "registration.csr.compromised",
}
"""The rules that a request breaks most often."""


def _documents(fields: Fields, at: datetime) -> tuple[SeenDocument, ...]:
    seen = []
    for document in Document:
        if fields.checked(f"document-{document}"):
            ends = fields.day(f"ends-{document}") if DOCUMENTS[document].ends else None
            if DOCUMENTS[document].ends and ends is None:
                return ()
            seen.append(SeenDocument(document, ends))
    try:
        require_identified(seen, at)
    except BadInput as error:
        over = error.place in set(Document)
        fields.refuse("documents", "registration.document.over" if over else "registration.document.few")
    return tuple(seen)


def _card_number(fields: Fields) -> str:
    typed = unicodedata.normalize("NFKC", fields.text("card_number", most=40)).upper().replace(" ", "")
    try:
        Reception(card_number=typed)
    except BadInput:
        fields.refuse("card_number", "registration.card_number_wrong")
    return typed


def _card_expires(fields: Fields, today: date) -> date | None:
    expires = fields.day("card_expires")
    if expires is not None and expires < today:
        fields.refuse("card_expires", "registration.card_expires.over")
    elif expires is not None and expires.year > today.year + _CARD_YEARS:
        fields.refuse("card_expires", "registration.card_expires.far")
    return expires


def _requests(
    fields: Fields, kinds: Kinds | None, practices: Mapping[CertificateKind, HolderPractice], at: datetime
) -> tuple[dict[CertificateKind, bytes], tuple[bytes, ...]]:
    """The requests of the kinds applied for, and their keys; those of other kinds are not looked at."""
    found: dict[CertificateKind, bytes] = {}
    keys: list[bytes] = []
    for kind in () if kinds is None else kinds.wanted:
        name = f"csr-{kind}"
        octets = fields.octets(name, required=False)
        if octets is None:
            fields.refuse(name, "registration.csr.missing")
            continue
        try:
            key = read_csr(octets, practices[kind].keys.on(at), f"{kind} request")
        except CsrRefused as error:
            words, values = explain_csr(error)
            fields.refuse(name, words, **values)
            continue
        if not set(same_key(key)).isdisjoint(keys):
            fields.refuse(name, "registration.csr.same")
        found[kind] = octets
        keys.append(key)
    return found, tuple(keys)


def _require_age(fields: Fields, choices: Choices, kinds: Kinds, born: BirthDate, at: datetime) -> None:
    for kind in kinds.wanted:
        minimum = choices.practices[kind].minimum_age
        if minimum is None:
            continue
        try:
            require_age(born, at, minimum)
        except BadInput:
            fields.refuse("birth_date", "registration.birth_date.young", minimum=minimum)
