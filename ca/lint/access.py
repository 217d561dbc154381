"""Rules about what certificates say can be had elsewhere: status, issuers' certificates, what a CA has issued.

Each over plain http: to verify an https server's certificate one would need its status and its issuers first (RFC 5280 8).
"""

# ruff: noqa: D103 - a rule is documented by its sentence
from __future__ import annotations

from collections.abc import Iterator

from ca.lint import parts
from ca.lint.candidate import CONSTANTS, Candidate, CertificateRules
from ca.model import CA_KINDS, CertificateKind
from ca.profiles.extensions import AuthorityAccess, SubjectAccess

BOOK = CertificateRules()


@BOOK.rule("RFC 5280 4.2.2.1, SIZE", "authorityInfoAccess names at least one place", reads={AuthorityAccess})
def access_there(candidate: Candidate) -> Iterator[str]:
    if candidate.extension(AuthorityAccess) == AuthorityAccess():
        yield "authorityInfoAccess names nothing"


@BOOK.rule(
    "RFC 5280 4.2.2.1",
    "status is asked for over plain http, at a URL of at most 255 characters",
    reads={AuthorityAccess},
)
def status_url(candidate: Candidate) -> Iterator[str]:
    access = candidate.extension(AuthorityAccess)
    if access is not None and access.status is not None and not parts.is_plain_http(access.status):
        yield "the OCSP location is not an http URL of at most 255 characters"


@BOOK.rule(
    "RFC 5280 4.2.2.1, id-ad-caIssuers",
    "the issuer's certificates are got over plain http, at a URL of at most 255 characters",
    reads={AuthorityAccess},
)
def issuers_url(candidate: Candidate) -> Iterator[str]:
    access = candidate.extension(AuthorityAccess)
    if access is not None and access.issuers is not None and not parts.is_plain_http(access.issuers):
        yield "the caIssuers location is not an http URL of at most 255 characters"


@BOOK.rule(
    "the edition's certificates.information_access",
    "authorityInfoAccess names what the authority practises, of the key that signs",
    reads={AuthorityAccess},
)
def access_of_issuer(candidate: Candidate) -> Iterator[str]:
    if candidate.extension(AuthorityAccess) != candidate.issuer.access.get(candidate.kind):
        yield "authorityInfoAccess is not what the authority practises for the kind"


@BOOK.rule("RFC 5280 4.2.2.2", "only a CA certificate says where its subject publishes", reads=CONSTANTS)
def repository_of_cas_only(candidate: Candidate) -> Iterator[str]:
    if candidate.kind not in CA_KINDS and candidate.extension(SubjectAccess) is not None:
        yield f"a {candidate.kind} certificate has subjectInfoAccess"


@BOOK.rule(
    "RFC 5280 4.2.2.2, id-ad-caRepository",
    "what a CA has issued is got over plain http, at a URL of at most 255 characters",
    reads={SubjectAccess},
)
def repository_url(candidate: Candidate) -> Iterator[str]:
    access = candidate.extension(SubjectAccess)
    if access is not None and not parts.is_plain_http(access.repository):
        yield "the caRepository location is not an http URL of at most 255 characters"


@BOOK.rule(
    "RFC 5280 4.2.2.2, subject",
    "a self-signed certificate names where its own key's certificates are, if its authority practises that",
    kinds={CertificateKind.SELF_SIGNED},
    reads={SubjectAccess},
)
def repository_of_self(candidate: Candidate) -> Iterator[str]:
    if candidate.extension(SubjectAccess) != candidate.issuer.repository:
        yield "subjectInfoAccess is not what the authority practises for its own key"
