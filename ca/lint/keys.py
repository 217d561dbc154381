"""Rules about key identifiers: which key signs, which key is certified (RFC 5280 4.2.1.1, 4.2.1.2)."""

# ruff: noqa: D103 - a rule is documented by its sentence
from __future__ import annotations

import hashlib
from collections.abc import Iterator

from ca.lint.candidate import CONSTANTS, Candidate, CertificateRules, Part
from ca.lint.key_info import key_info
from ca.model import CertificateKind
from ca.profiles.extensions import AuthorityKey, SubjectKey

BOOK = CertificateRules()


@BOOK.rule(
    "RFC 5280 4.2.1.1",
    "all but self-signed certificates name their issuer's key; those do not",
    reads=CONSTANTS,
)
def authority_key_there(candidate: Candidate) -> Iterator[str]:
    there = candidate.extension(AuthorityKey) is not None
    if there == (candidate.kind is CertificateKind.SELF_SIGNED):
        yield f"authorityKeyIdentifier is {'there' if there else 'missing'}"


@BOOK.rule(
    "RFC 5280 4.2.1.1, keyIdentifier",
    "authorityKeyIdentifier is the issuer's subjectKeyIdentifier",
    reads={AuthorityKey},
)
def authority_key_is_issuers(candidate: Candidate) -> Iterator[str]:
    key = candidate.extension(AuthorityKey)
    if key is not None and key.key_identifier != candidate.issuer.key_identifier:
        yield "authorityKeyIdentifier is another key's"


@BOOK.rule(
    "RFC 5280 appendix A.2, AuthorityKeyIdentifier",
    "issuer and serial come together or not at all",
    reads={AuthorityKey},
)
def authority_key_pair(candidate: Candidate) -> Iterator[str]:
    key = candidate.extension(AuthorityKey)
    if key is not None and (key.issuer is None) != (key.serial is None):
        yield "authorityKeyIdentifier has one of issuer and serial"


@BOOK.rule(
    "JPKI profile, authorityKeyIdentifier",
    "authorityKeyIdentifier has the form that the authority practises for this kind",
    reads={AuthorityKey},
)
def authority_key_form(candidate: Candidate) -> Iterator[str]:
    key = candidate.extension(AuthorityKey)
    # One of issuer and serial alone is the rule above.
    if key is None or (key.issuer is None) != (key.serial is None):
        return
    wanted = candidate.kind in candidate.issuer.all_parts
    if (key.serial is not None) != wanted:
        yield f"authorityKeyIdentifier {'does not name' if wanted else 'names'} issuer and serial"


@BOOK.rule(
    "RFC 5280 4.2.1.1, authorityCertIssuer",
    "issuer and serial in authorityKeyIdentifier are those of the issuer's self-signed certificate",
    reads={AuthorityKey},
)
def authority_key_names(candidate: Candidate) -> Iterator[str]:
    key, issuer = candidate.extension(AuthorityKey), candidate.issuer
    if key is None or key.issuer is None or key.serial is None:
        return
    if (key.issuer, key.serial) != (issuer.name, issuer.serial):
        yield "authorityKeyIdentifier names another certificate than the issuer's self-signed one"


@BOOK.rule("RFC 5280 4.2.1.2", "a certificate names its own key", reads=CONSTANTS)
def subject_key_there(candidate: Candidate) -> Iterator[str]:
    if candidate.extension(SubjectKey) is None:
        yield "subjectKeyIdentifier is missing"


@BOOK.rule("RFC 5280 4.2.1.2 (1)", "a key identifier has 20 octets", reads={SubjectKey})
def subject_key_length(candidate: Candidate) -> Iterator[str]:
    key = candidate.extension(SubjectKey)
    if key is not None and len(key.key_identifier) != 20:
        yield f"subjectKeyIdentifier has {len(key.key_identifier)} octets"


@BOOK.rule(
    "RFC 5280 4.2.1.2, method (1)",
    "a key identifier is the SHA-1 hash of the key that is certified",
    reads={SubjectKey, Part.PUBLIC_KEY},
)
def subject_key_is_hash(candidate: Candidate) -> Iterator[str]:
    # A cross-certificate repeats the identifier that the other CA gave itself, made as it may be.
    if candidate.kind is CertificateKind.CROSS:
        return
    key = candidate.extension(SubjectKey)
    info = key_info(candidate.draft.subject.public_key)
    if key is None or info is None or len(key.key_identifier) != 20:
        return
    if key.key_identifier != hashlib.sha1(info.bits, usedforsecurity=False).digest():
        yield "subjectKeyIdentifier is not the hash of the subject's key"


@BOOK.rule(
    "RFC 5280 3.2, self-signed key",
    "a self-signed certificate is for the key that signs it",
    kinds={CertificateKind.SELF_SIGNED},
    reads={SubjectKey},
)
def self_signed_key(candidate: Candidate) -> Iterator[str]:
    key = candidate.extension(SubjectKey)
    if key is not None and key.key_identifier != candidate.issuer.key_identifier:
        yield "the subject's key is not the key that is to sign"


@BOOK.rule(
    "RFC 4210 4.4",
    "a link certificate is for another key than the one that signs it",
    kinds={CertificateKind.LINK},
    reads={SubjectKey},
)
def link_key(candidate: Candidate) -> Iterator[str]:
    key = candidate.extension(SubjectKey)
    if key is not None and key.key_identifier == candidate.issuer.key_identifier:
        yield "the subject's key is the key that is to sign"
