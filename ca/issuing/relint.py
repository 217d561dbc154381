"""Intents are looked at again before they are signed: between their lint and now they lay in a database.

Whoever can write there could else have anything signed. The octets have to be what the kind's profile makes, of this
issuer, for what the record says; they end before the issuer does and name the list in which they would be revoked;
and whoever is no holder has a key of the vault's, or is another nation's CA of which the journal tells that two officers
accepted just this certificate. So nobody becomes a CA, or a responder, by way of the database.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping, Sequence
from typing import TypeAlias

from ca.errors import BadInput, LintRefused, NotFound
from ca.issuing.issuer import Issuer, Issuers
from ca.journal.crossing import AcceptanceEntry
from ca.journal.journal import records
from ca.keys.signer import key_identifier
from ca.keys.vault import KeyId
from ca.lint.candidate import PROFILES
from ca.model import ARL, CA_KINDS, FULL, HOLDER_KINDS, CertificateKind, partition_scope
from ca.profiles.drafting import Slot
from ca.profiles.extensions import (
    NAMES,
    AuthorityAccess,
    CertificateExtension,
    DistributionPoint,
    IssuerDirectoryName,
    SubjectAccess,
    SubjectDirectoryName,
    SubjectKey,
)
from ca.store import agreements, authorities, lists
from ca.store.authorities import GenerationRecord
from ca.store.certificates import CertificateRecord
from ca.wire import der, walk
from ca.wire.extensions import encode_extension
from ca.wire.facts import CERTIFICATE_LIMIT, read_extensions, read_name
from ca.wire.names import encode_name
from ca.wire.tbs import VERSION_3, algorithm_identifier

_TAGS = [0xA0, 0x02, 0x30, 0x30, 0x30, 0x30, 0x30, 0xA3]
_FIELDS = "RFC 5280 4.1"
_Known: TypeAlias = Mapping[type[CertificateExtension], CertificateExtension | None]
_SELF_ISSUED = {CertificateKind.SELF_SIGNED, CertificateKind.LINK}


def check_intent(record: CertificateRecord, issuers: Issuers) -> None:
    """Look at the bytes of an intent that was written down earlier, and maybe by another process.

    Raises:
        LintRefused: They are not the certificate that the record, its issuer and the kind's profile speak of.
        NotFound, KeyRefused: The issuer is unknown, or its key cannot be opened.
    """
    issuer = issuers.of(record.id.generation)
    place = f"intent of {record.id}"
    try:
        access = _access(record, issuer, issuers)
        found = list(_problems(record, issuer, _point(record, issuer, issuers), access))
    except BadInput:
        found = ["is not a TBSCertificate in DER"]
    if not found and record.kind not in HOLDER_KINDS and not _is_known(record, issuers):
        found = ["the key is no authority's or service's of this home, nor that of an accepted request"]
    if found:
        raise LintRefused(
            place,
            "; ".join(found),
            clause=_FIELDS,
            remedy="What lies in the database was altered. It is not signed; find out by whom",
        )


def _problems(
    record: CertificateRecord, issuer: Issuer, point: DistributionPoint | None, access: _Known
) -> Iterator[str]:
    """What is wrong with an intent, each as a short sentence; BadInput if it cannot even be read."""
    octets = record.encoded
    walk.require_size(octets, "intent", CERTIFICATE_LIMIT)
    with walk.reading("intent", "the frame"):
        walk.check_nesting(octets, 0, len(octets))
        frame = walk.only(octets, 0x30)
        fields = list(walk.elements(octets, frame.start, frame.end))
    if [field.tag for field in fields] != _TAGS:
        yield "has other fields than version, serial, suite, issuer, validity, subject, key and extensions"
        return
    version, serial, suite, name, validity, subject, key = (field.whole(octets) for field in fields[:-1])
    own_name = encode_name(issuer.practice.name)
    period = der.sequence(der.time(record.period.not_before), der.time(record.period.not_after))
    for what, found, wanted in (
        ("the version", version, VERSION_3),
        ("the serial", serial, der.integer(record.id.serial.value)),
        ("the suite", suite, algorithm_identifier(issuer.record.suite)),
        ("the issuer", name, own_name),
        ("the validity", validity, period),
        ("the key", hashlib.sha256(key).digest(), record.subject_key),
    ):
        if found != wanted:
            yield f"{what} is another one"
    own = issuer.record.period
    if not own.not_before <= record.period.not_before <= record.period.not_after <= own.not_after:
        yield "the validity is not within the issuer's own"
    read_name(subject, "intent")
    if (subject == own_name) != (record.kind in _SELF_ISSUED):
        yield f"the subject is {'' if subject == own_name else 'not '}the issuer"
    if (key == issuer.signer.public_key) != (record.kind is CertificateKind.SELF_SIGNED):
        yield f"the key is {'' if key == issuer.signer.public_key else 'not '}the issuer's own"
    if record.kind not in issuer.facts.kinds:
        yield f"the kind {record.kind} is not issued by this authority"
        return
    if point is None:
        yield f"the scope {record.scope!r} is no list of this kind's"
    yield from _extension_problems(
        fields[-1].contents(octets),
        PROFILES[record.kind].slots,
        {**_known(record, issuer, key, point), **access},
    )


def _extension_problems(octets: bytes, slots: Sequence[Slot], known: _Known) -> Iterator[str]:
    """What is wrong with the extensions: each must be the next that the profile has, with the value that is known.

    What is known as None must not be there.
    """
    with walk.reading("intent", "the extensions"):
        read_extensions(octets)
        frame = walk.only(octets, 0x30)
        encoded = [element.whole(octets) for element in walk.elements(octets, frame.start, frame.end)]
    position = 0
    for slot in slots:
        name = NAMES[slot.extension.oid]
        head = der.oid(slot.extension.oid) + (der.BOOLEAN_TRUE if slot.critical else b"")
        there = encoded[position] if position < len(encoded) else b""
        wanted = slot.fixed or known.get(slot.extension)
        if not _begins(there, head):
            if wanted is not None or not slot.optional:
                yield f"{name} is not in its place, or not as critical as the profile says"
                return
            continue
        position += 1
        if wanted is None and slot.extension in known:
            yield f"{name} is there"
        if wanted is not None and there != encode_extension(wanted, critical=slot.critical):
            yield f"{name} has another value"
    if position < len(encoded):
        yield "an extension stands there that has no place in the profile"


def _begins(extension: bytes, head: bytes) -> bool:
    """Whether this Extension has this identifier and mark, and the value right behind them."""
    if not extension:
        return False
    start = walk.only(extension, 0x30).start
    return extension[start:].startswith(head) and extension[start + len(head)] == 0x04


def _point(record: CertificateRecord, issuer: Issuer, issuers: Issuers) -> DistributionPoint | None:
    """What a certificate of this kind and scope says of its list, or None if the scope is no list of the kind's.

    A holder's partition is read from the store, and has to lie under the kind's name in the practice.
    """
    practice, kind = issuer.practice, record.kind
    if kind not in HOLDER_KINDS:
        return (
            DistributionPoint(practice.name) if record.scope == (ARL if kind in CA_KINDS else FULL) else None
        )
    holder = practice.holders.get(kind)
    if holder is None or not record.scope.startswith(partition_scope(kind, "")):
        return None
    try:
        with issuers.store(issuer.id.authority).reading() as connection:
            point = lists.place(connection, issuer.id, record.scope).point
    except NotFound:
        return None
    above = holder.points.steps
    return DistributionPoint(point) if point is not None and point.steps[: len(above)] == above else None


def _known(
    record: CertificateRecord, issuer: Issuer, key: bytes, point: DistributionPoint | None
) -> dict[type[CertificateExtension], CertificateExtension]:
    """The values, besides those that the profile fixes, that follow from issuer, kind, key and the list's point.

    Not known are what only the application said: the holder's own names, and a cross-certificate's policies.
    """
    kind, practice = record.kind, issuer.practice
    values: list[CertificateExtension] = [
        SubjectKey(key_identifier(key)),
        IssuerDirectoryName(practice.japanese_name),
    ]
    if point is not None:
        values.append(point)
    if kind in HOLDER_KINDS:
        holder = practice.holder(kind)
        values += [holder.policies, issuer.authority_key(holder.authority_key)]
    else:
        values.append(issuer.authority_key())
        if kind is not CertificateKind.CROSS:  # its policies are those of an agreement
            values += [practice.services, SubjectDirectoryName(practice.japanese_name)]
    return {type(value): value for value in values}


def _access(record: CertificateRecord, issuer: Issuer, issuers: Issuers) -> _Known:
    """What is known of the places that a certificate names: its issuer's, and its subject's if that is one of ours."""
    certified = _certified(record, issuers) if record.kind in CA_KINDS else ()
    told = [issuers.practice(one.id.authority).subject_access(one.id) for one in certified]
    return {
        AuthorityAccess: issuer.practice.authority_access(record.kind, issuer.id),
        SubjectAccess: next(iter(told), None),
    }


def _is_known(record: CertificateRecord, issuers: Issuers) -> bool:
    """Whether the key is ours, or the journal tells that two officers accepted just this for another CA."""
    return _is_ours(record, issuers) or _was_accepted(record, issuers)


def _was_accepted(record: CertificateRecord, issuers: Issuers) -> bool:
    """Whether the journal tells of the acceptance of these very octets. The database only says where."""
    if record.kind is not CertificateKind.CROSS:
        return False
    with issuers.stores.nation.reading() as connection:
        examined = agreements.issued_by(connection, record.id)
    if examined is None or not examined.journal_index:
        return False
    told = next(records(issuers.stores.journal.folder, examined.journal_index - 1), None)
    return (
        told is not None
        and isinstance(told.entry, AcceptanceEntry)
        and told.entry.certificate == str(record.id)
        and told.entry.tbs == hashlib.sha256(record.encoded).hexdigest()
    )


def _is_ours(record: CertificateRecord, issuers: Issuers) -> bool:
    """Whether the vault holds the private key: of an authority, or of the service whose certificate this is."""
    if record.kind in CA_KINDS:
        names = [generation.key for generation in _certified(record, issuers)]
    else:
        with issuers.store(record.id.generation.authority).reading() as connection:
            services = authorities.services(connection)
        names = [service.key for service in services if service.certificate == record.id]
    signers = [issuers.vault.signer(KeyId(name)) for name in names]
    return any(hashlib.sha256(signer.public_key).digest() == record.subject_key for signer in signers)


def _certified(record: CertificateRecord, issuers: Issuers) -> list[GenerationRecord]:
    """The generations of this home that have the key of a CA certificate: one, or none."""
    return [
        generation
        for generation in issuers.stores.generations()
        if hashlib.sha256(generation.public_key).digest() == record.subject_key
    ]
