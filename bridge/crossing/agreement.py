"""An agreement with another CA: the TOML file in which two CAs wrote down how each is to certify the other.

Read strictly, as an edition is: an unknown key is an error. What its keys mean stands in docs/crossing.md.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Annotated, Any, TypeVar

import msgspec
import tomli

from bridge.crossing.edition import Steps
from bridge.crossing.plan import Plan
from ca.errors import BadInput
from ca.model import AuthorityId, authority_id
from ca.names import DirectoryName
from ca.profiles.extensions import ANY_POLICY, CertificatePolicies, NameConstraints, PolicyMappings, Subtree
from ca.store.agreements import AgreementRecord

FORMAT = 1
_MAXIMUM_SIZE = 1 << 16

# Certificates can tell of the years 1950 to 9999 (RFC 5280 4.1.2.5); behind the last one there is room to reckon in.
_FIRST_YEAR, _LAST_YEAR = 1950, 9000

# X.660: below the arcs 0 and 1 stand 0 to 39.
_OID = re.compile(r"([01]\.[1-3]?[0-9]|2\.(0|[1-9][0-9]{0,18}))(\.(0|[1-9][0-9]{0,18})){0,19}")
# RFC 5280 4.2.1.10: a host and all below it; of mail addresses a host, all below it (with a dot), or one mailbox.
_DNS = re.compile(r"(?=.{1,253}\Z)[A-Za-z0-9-]{1,63}(\.[A-Za-z0-9-]{1,63})*")
_EMAIL = re.compile(r"(?=.{1,253}\Z)([!-?A-~]{1,64}@|\.)?[A-Za-z0-9-]{1,63}(\.[A-Za-z0-9-]{1,63})*")

_Word = Annotated[str, msgspec.Meta(pattern=r"\A[a-z][a-z0-9-]{0,39}\Z")]
_Text = Annotated[str, msgspec.Meta(pattern=r"\A[^\x00-\x1f\x7f]{1,200}\Z")]
_Digest = Annotated[str, msgspec.Meta(pattern=r"\A[0-9a-f]{64}\Z")]
_Moment = Annotated[datetime, msgspec.Meta(tz=True)]
_Days = Annotated[int, msgspec.Meta(ge=1, le=36_525)]
_Length = Annotated[int, msgspec.Meta(ge=0, le=100)]
T = TypeVar("T")


class _Table(
    msgspec.Struct,
    frozen=True,
    forbid_unknown_fields=True,
    kw_only=True,
    rename={"begins": "from", "ends": "to"},
):
    """A table of the file: every key known, every value of its type."""


class _Ours(_Table, frozen=True):
    authority: str


class _Peer(_Table, frozen=True):
    id: str
    organisation: _Text
    contact: _Text
    name: Steps
    keys: Annotated[tuple[_Digest, ...], msgspec.Meta(min_length=1, max_length=16)]


class _Map(_Table, frozen=True):
    ours: str
    theirs: str


class _Subtree(_Table, frozen=True):
    directory: Steps | None = None
    dns: str | None = None
    email: str | None = None


class _Half(_Table, frozen=True):
    maximum_days: _Days
    path_length: _Length | None = None
    permitted: Annotated[tuple[_Subtree, ...], msgspec.Meta(max_length=100)] = ()
    excluded: Annotated[tuple[_Subtree, ...], msgspec.Meta(max_length=100)] = ()


class _File(_Table, frozen=True):
    format: int
    id: _Word
    title: _Text
    begins: _Moment
    ends: _Moment
    ours: _Ours
    peer: _Peer
    map: Annotated[tuple[_Map, ...], msgspec.Meta(min_length=1, max_length=100)]
    certify: _Half
    receive: _Half


@dataclass(frozen=True, slots=True)
class Terms:
    """How one of the two certifies the other.

    Attributes:
        policies: In the issuer's domain; ``mappings`` says what each is in the subject's.
        path_length: How many further CAs may follow the subject; None for any number.
        constraints: In which names the subject may issue; None for any.
        maximum_days: The longest validity, in days.
    """

    mappings: PolicyMappings
    path_length: int | None
    constraints: NameConstraints | None
    maximum_days: int

    @property
    def policies(self) -> CertificatePolicies:
        """The policies that the certificate carries."""
        return CertificatePolicies(tuple(dict.fromkeys(issuers for issuers, _ in self.mappings.pairs)))


@dataclass(frozen=True, slots=True)
class Agreement:
    """What was agreed with another CA.

    Attributes:
        begins: From when to when certificates are issued and accepted, and hold, by it; ``ends`` is its last second.
        peer: The name by which the other CA is known here, such as ``foreign``.
        contact: Whom to ask there: an office.
        keys: SHA-256 of the encoded SubjectPublicKeyInfo of each key of the peer's that may be certified.
        certify: How we certify the peer.
        receive: How the peer certifies us; its path length is the least, not the most, that is accepted.
        text: The file.
    """

    id: str
    title: str
    begins: datetime
    ends: datetime
    ours: AuthorityId
    peer: AuthorityId
    organisation: str
    contact: str = field(repr=False)
    name: DirectoryName
    keys: frozenset[bytes]
    certify: Terms
    receive: Terms
    text: str = field(repr=False)


def read_agreement(text: str, place: str, plan: Plan) -> Agreement:
    """Read an agreement.

    Args:
        text: The file's text.
        place: What messages call it.
        plan: Of the nation that is a party to it: its authorities, and the names of its policies.

    Raises:
        BadInput: It is not TOML, a key is unknown or missing, a value is not of its type, or what it names is not
            there or cannot be agreed on; says where.
    """
    if len(text) > _MAXIMUM_SIZE:
        raise BadInput(place, f"is longer than {_MAXIMUM_SIZE} characters")
    try:
        tables: dict[str, Any] = tomli.loads(text)
    except (tomli.TOMLDecodeError, RecursionError) as error:
        raise BadInput(place, f"is not TOML: {error}") from None
    if tables.get("format", FORMAT) != FORMAT:
        raise BadInput(f"{place}, format", f"is {tables['format']}; this version reads format {FORMAT}")
    try:
        file = msgspec.convert(tables, _File)
    except msgspec.ValidationError as error:
        problem, _, path = str(error).partition(" - at ")
        where = path.strip("`").removeprefix("$").removeprefix(".")
        raise BadInput(f"{place}, {where}" if where else place, problem) from None
    try:
        return _agreement(file, text, plan)
    except BadInput as error:
        raise BadInput(
            f"{place}, {error.place}", error.problem, clause=error.clause, remedy=error.remedy
        ) from None


def agreement_in_force(record: AgreementRecord, plan: Plan, at: datetime) -> Agreement:
    """What an agreement says, or Conflict if it is not in force at this moment."""
    record.require_in_force(at)
    return read_agreement(record.text, f"agreement {record.id}", plan)


def _agreement(file: _File, text: str, plan: Plan) -> Agreement:
    ours = AuthorityId(file.ours.authority)
    practice = plan.practices.get(ours)
    if practice is None:
        raise BadInput("ours.authority", f"{ours!r} is not an authority of {plan.name}")
    peer = authority_id(file.peer.id, "peer.id")
    name = DirectoryName.of(file.peer.name, "peer.name")
    for other in plan.practices.values():
        if peer == other.authority or name.folded() == other.name.folded():
            raise BadInput("peer", f"has the id or the name of our own {other.authority}")
    begins, ends = (_second(getattr(file, key), where) for key, where in (("begins", "from"), ("ends", "to")))
    if ends <= begins:
        raise BadInput("to", "is not after `from`")
    pairs = tuple(_pair(one, plan, practice.services.policies, f"map[{n}]") for n, one in enumerate(file.map))
    if len(set(pairs)) < len(pairs):
        raise BadInput("map", "holds a pair twice", clause="RFC 5280 4.2.1.5")
    return Agreement(
        id=file.id,
        title=file.title,
        begins=begins,
        ends=ends,
        ours=ours,
        peer=peer,
        organisation=file.peer.organisation,
        contact=file.peer.contact,
        name=name,
        keys=frozenset(map(bytes.fromhex, file.peer.keys)),
        certify=_terms(file.certify, pairs, "certify"),
        receive=_terms(file.receive, tuple((theirs, ours) for ours, theirs in pairs), "receive"),
        text=text,
    )


def _pair(one: _Map, plan: Plan, carried: Iterable[str], where: str) -> tuple[str, str]:
    """A policy of ours, by the edition's name or its identifier, and one of theirs by its identifier."""
    ours = plan.policies.get(one.ours, one.ours)
    if ours not in carried:
        known = ", ".join(name for name, policy in plan.policies.items() if policy in carried)
        raise BadInput(
            f"{where}.ours",
            f"{one.ours!r} is not a policy under which the authority certifies",
            remedy=f"One of: {known}",
        )
    if one.theirs == ANY_POLICY:
        raise BadInput(f"{where}.theirs", "anyPolicy is not mapped from or to", clause="RFC 5280 4.2.1.5")
    if not _OID.fullmatch(one.theirs):
        raise BadInput(f"{where}.theirs", f"{one.theirs!r} is not an object identifier", clause="X.660")
    if one.theirs in plan.policies.values():
        raise BadInput(f"{where}.theirs", f"{one.theirs} is a policy of our own")
    return ours, one.theirs


def _terms(half: _Half, pairs: tuple[tuple[str, str], ...], where: str) -> Terms:
    constraints = None
    if half.permitted or half.excluded:
        constraints = NameConstraints(
            tuple(_subtree(one, f"{where}.permitted[{n}]") for n, one in enumerate(half.permitted)),
            tuple(_subtree(one, f"{where}.excluded[{n}]") for n, one in enumerate(half.excluded)),
        )
    return Terms(PolicyMappings(pairs), half.path_length, constraints, half.maximum_days)


def _subtree(one: _Subtree, where: str) -> Subtree:
    if sum(form is not None for form in (one.directory, one.dns, one.email)) != 1:
        raise BadInput(where, "is not one of directory, dns and email", clause="RFC 5280 4.2.1.10")
    if one.directory is not None:
        return DirectoryName.of(one.directory, f"{where}.directory")
    form, text, pattern = ("dns", one.dns, _DNS) if one.dns is not None else ("email", one.email, _EMAIL)
    assert text is not None, "one of the three is there"
    if not pattern.fullmatch(text):
        raise BadInput(f"{where}.{form}", f"{text!r} is no base of such names", clause="RFC 5280 4.2.1.10")
    return form, text


def _second(moment: datetime, where: str) -> datetime:
    if not _FIRST_YEAR <= moment.year <= _LAST_YEAR:
        raise BadInput(where, f"is not within the years {_FIRST_YEAR} to {_LAST_YEAR}")
    if moment.microsecond:
        raise BadInput(where, "has a fraction of a second")
    return moment.astimezone(UTC)
