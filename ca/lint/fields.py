"""Rules about a certificate's own fields (RFC 5280 4.1): serial, suite, names, validity, public key."""

# ruff: noqa: D103 - a rule is documented by its sentence
from __future__ import annotations

from collections.abc import Iterator
from datetime import time, timedelta

from ca.lint import parts
from ca.lint.candidate import CONSTANTS, NAMED, Candidate, CertificateRules, Part
from ca.lint.key_info import key_info
from ca.model import CA_KINDS, HOLDER_KINDS, RESPONDER_KINDS, CertificateKind
from ca.suites import Use

BOOK = CertificateRules()

_ENDING_A_DAY = CA_KINDS | HOLDER_KINDS
_DAY_END = time(14, 59, 59)  # 23:59:59 in Japan, which keeps no summer time


@BOOK.rule(
    "RFC 5280 4.1.2.2",
    "the serial is positive, of exactly 20 octets, and has room for 158 bits of chance",
    reads={Part.SERIAL},
)
def serial_shape(candidate: Candidate) -> Iterator[str]:
    # The same shape as ca.chance.new_serial gives: bit 158 set, so that every serial has one length.
    if not 1 << 158 <= candidate.draft.serial.value < 1 << 159:
        yield "the serial is not 20 octets with bit 158 set"


@BOOK.rule(
    "RFC 5280 4.1.1.2",
    "the suite is one that the product knows, with its own hash and key size",
    reads=CONSTANTS,
)
def suite_known(candidate: Candidate) -> Iterator[str]:
    yield from parts.altered_suite(candidate.draft.suite)


@BOOK.rule(
    "NIST SP 800-131A 3", "the suite may sign at the moment when validity begins", reads={Part.VALIDITY}
)
def suite_may_sign(candidate: Candidate) -> Iterator[str]:
    use = Use.SIGN_STATUS if candidate.kind in RESPONDER_KINDS else Use.SIGN
    yield from parts.retired_suite(candidate.draft.suite, use, candidate.draft.period.not_before)


@BOOK.rule(
    "RFC 5280 4.1.2.4", "the issuer is named exactly as the authority whose key signs", reads=CONSTANTS
)
def issuer_is_signer(candidate: Candidate) -> Iterator[str]:
    # RFC 5280 7.1 would forgive case and spaces; verifiers that compare octets would not.
    if candidate.draft.issuer != candidate.issuer.name:
        yield "the issuer is not the authority that is to sign"


@BOOK.rule("RFC 3647 4.1.4", "the authority issues this kind of certificate", reads=CONSTANTS)
def kind_is_issued(candidate: Candidate) -> Iterator[str]:
    if candidate.kind not in candidate.issuer.kinds:
        yield f"the authority does not issue {candidate.kind} certificates"


@BOOK.rule("RFC 5280 4.1.2.5", "validity is in UTC, to the second", reads={Part.VALIDITY})
def validity_in_utc(candidate: Candidate) -> Iterator[str]:
    yield from parts.wrong_moment("notBefore", candidate.draft.period.not_before)
    yield from parts.wrong_moment("notAfter", candidate.draft.period.not_after)


@BOOK.rule("RFC 5280 4.1.2.5, notAfter", "validity does not end before it begins", reads={Part.VALIDITY})
def validity_forwards(candidate: Candidate) -> Iterator[str]:
    period = candidate.draft.period
    if parts.instant(period.not_after) < parts.instant(period.not_before):
        yield "notAfter lies before notBefore"


@BOOK.rule(
    "RFC 5280 6.1.3 (a)(2)",
    "a certificate does not outlive, nor begin before, its issuer's own",
    reads={Part.VALIDITY},
)
def validity_within_issuer(candidate: Candidate) -> Iterator[str]:
    period, outer = candidate.draft.period, candidate.issuer.period
    if outer is None:
        if candidate.kind is not CertificateKind.SELF_SIGNED:
            yield "the validity of the issuer's own certificate is not known"
        return
    if parts.instant(period.not_before) < outer.not_before:
        yield f"begins before the issuer's own certificate ({outer.not_before:%Y-%m-%dT%H:%M:%SZ})"
    if parts.instant(period.not_after) > outer.not_after:
        yield f"ends after the issuer's own certificate ({outer.not_after:%Y-%m-%dT%H:%M:%SZ})"


@BOOK.rule(
    "JPKI profile, validity",
    "the validity of CAs and holders ends with a day in Japan, at 23:59:59",
    reads={Part.VALIDITY},
)
def validity_ends_a_day(candidate: Candidate) -> Iterator[str]:
    end = candidate.draft.period.not_after
    # Another zone is another rule's finding.
    if candidate.kind not in _ENDING_A_DAY or end.utcoffset() != timedelta(0):
        return
    if end.time() != _DAY_END:
        yield "notAfter is not 23:59:59 in Japan"


@BOOK.rule("RFC 5280 4.1.2.6", "no name in a certificate is empty", reads=NAMED)
def names_not_empty(candidate: Candidate) -> Iterator[str]:
    for place, name in candidate.names():
        if not name.steps:
            yield f"{place} has an empty name"


@BOOK.rule("RFC 5280 appendix A.1, X520countryName", "a country is two capital letters", reads=NAMED)
def names_country(candidate: Candidate) -> Iterator[str]:
    for place, name in candidate.names():
        yield from parts.wrong_countries(place, name)


@BOOK.rule(
    "RFC 5280 appendix A.1, upper bounds", "an attribute says something, within its upper bound", reads=NAMED
)
def names_lengths(candidate: Candidate) -> Iterator[str]:
    for place, name in candidate.names():
        yield from parts.wrong_lengths(place, name)


@BOOK.rule("RFC 4518 2.4", "a name holds no control characters and only what UTF-8 can carry", reads=NAMED)
def names_text(candidate: Candidate) -> Iterator[str]:
    for place, name in candidate.names():
        yield from parts.unfit_values(place, name)


@BOOK.rule(
    "RFC 5280 3.2, self-signed",
    "a self-signed certificate has one name for issuer and subject",
    kinds={CertificateKind.SELF_SIGNED},
    reads={Part.SUBJECT_NAME},
)
def self_signed_names(candidate: Candidate) -> Iterator[str]:
    draft = candidate.draft
    if draft.subject.name != draft.issuer:
        yield "issuer and subject differ"


@BOOK.rule(
    "RFC 5280 3.2, self-issued",
    "a link certificate has one name for issuer and subject",
    kinds={CertificateKind.LINK},
    reads={Part.SUBJECT_NAME},
)
def link_names(candidate: Candidate) -> Iterator[str]:
    draft = candidate.draft
    if draft.subject.name != draft.issuer:
        yield "issuer and subject differ"


@BOOK.rule(
    "RFC 5280 3.2, cross-certificates",
    "a cross-certificate speaks for another CA",
    kinds={CertificateKind.CROSS},
    reads={Part.SUBJECT_NAME},
)
def cross_names(candidate: Candidate) -> Iterator[str]:
    draft = candidate.draft
    if draft.subject.name.folded() == draft.issuer.folded():
        yield "issuer and subject are the same"


@BOOK.rule("RFC 5280 4.1.2.7", "the public key is one whole SubjectPublicKeyInfo", reads={Part.PUBLIC_KEY})
def public_key_frame(candidate: Candidate) -> Iterator[str]:
    if key_info(candidate.draft.subject.public_key) is None:
        yield "the subject's public key is not a SubjectPublicKeyInfo in DER"
