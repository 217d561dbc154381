"""Which of a resident's two kinds a certificate is of, read off the certificate alone."""

from __future__ import annotations

import re

from ca.errors import BadInput
from ca.model import CertificateKind
from ca.profiles.extensions import CLIENT_AUTH, KeyUse
from ca.wire.facts import CertificateFacts

_CLAUSE = "JPKI profile"
_COMMON_NAME = "2.5.4.3"
# 14 alphanumerics, a municipality's 5 digits, 3 digits, a letter; names are compared in small letters. Posts and members
# of a government, whose certificates serve the same uses, have names of another form.
_PSEUDONYM = re.compile(r"[0-9a-z]{14}[0-9]{8}[a-z]")
_KINDS = {
    (frozenset({KeyUse.DIGITAL_SIGNATURE, KeyUse.NON_REPUDIATION}), None): CertificateKind.SIGNATURE,
    (frozenset({KeyUse.DIGITAL_SIGNATURE}), frozenset({CLIENT_AUTH})): CertificateKind.USER_AUTHENTICATION,
}


def kind_of(certificate: CertificateFacts) -> CertificateKind:
    """The kind, or BadInput if it is none of a resident's."""
    kind = _KINDS.get((certificate.key_usage or frozenset(), certificate.purposes))
    names = list(certificate.subject.values(_COMMON_NAME))
    if kind is None or certificate.is_ca or len(names) != 1 or not _PSEUDONYM.fullmatch(names[0]):
        raise BadInput(certificate.place, "is not a certificate that a resident holds", clause=_CLAUSE)
    return kind
