"""The repository: everything public of a world, as files that any web server can serve.

::

    manifest.json  manifest.p7s                      what is where; signed
    journal/head.json  head.p7s                      how far the journal reaches; signed
    journal/heads/<count>.json  <count>.p7s          the first head of each hour, for ever
    g/<generation>/self.cer  ocsp.cer  repository.cer  time-stamp.cer  validation-service.cer
    g/<anchor's generation>/national-ocsp.cer        of the responder for all the nation, if the edition has one
    g/<generation>/cross/<subject generation>.cer    this generation's word for another's key: the newest in force
    g/<generation>/cross/<subject generation>/<serial>.cer  every one that was ever issued, for ever; links too
    g/<generation>/pairs/<other generation>.ccp      CertificatePair: both directions, as this CA holds it
    g/<generation>/issued-to.p7c  issued-by.p7c      CA certificates in force for this key, and by it
    g/<generation>/crl/<scope>.crl                   the newest list of the scope
    g/<generation>/crl/<scope>.delta.crl             what changed since an earlier one, if the edition wants delta lists
    g/<generation>/crl/<scope>/<number>.crl          every list of the scope, for ever
    g/<generation>/crl/<scope>/index.json            their numbers (made by the server when asked)

A generation is never named again and so neither is its URL. A peer, which is no authority of this world, has a
generation's folder too, with what it gave: its own certificate and its word for keys of ours.
"""

from __future__ import annotations

from bridge.manifest import ListEntry
from ca.model import SERVICE_KINDS, CertificateKind, GenerationId, Scope, Serial
from ca.profiles.lists import ListPlace
from ca.wire.names import encode_name

_SERVICE_FILES = {
    CertificateKind.OCSP_RESPONDER: "ocsp.cer",
    CertificateKind.REPOSITORY: "repository.cer",
    CertificateKind.TIME_STAMP: "time-stamp.cer",
    CertificateKind.VALIDATION_SERVICE: "validation-service.cer",
    CertificateKind.NATIONAL_RESPONDER: "national-ocsp.cer",
}
assert _SERVICE_FILES.keys() == SERVICE_KINDS, "each kind of service needs a row"


def self_signed_path(generation: GenerationId) -> str:
    """Where a generation's self-signed certificate is."""
    return f"g/{generation}/self.cer"


def service_path(generation: GenerationId, kind: CertificateKind) -> str:
    """Where the certificate of a generation's service is."""
    return f"g/{generation}/{_SERVICE_FILES[kind]}"


def cross_path(issuer: GenerationId, subject: GenerationId, serial: Serial | None = None) -> str:
    """Where the newest cross-certificate of two generations that is in force is, or the one of a serial number."""
    stem = f"g/{issuer}/cross/{subject}"
    return f"{stem}.cer" if serial is None else f"{stem}/{serial}.cer"


def pair_path(owner: GenerationId, other: GenerationId) -> str:
    """Where the pair of two generations is, as the owner's directory entry holds it."""
    return f"g/{owner}/pairs/{other}.ccp"


def issued_to_path(generation: GenerationId) -> str:
    """Where the certificates for a generation are: its own, crosses, links (id-ad-caIssuers, RFC 5280 4.2.2.1)."""
    return f"g/{generation}/issued-to.p7c"


def issued_by_path(generation: GenerationId) -> str:
    """Where the CA certificates are that a generation has issued (id-ad-caRepository, RFC 5280 4.2.2.2)."""
    return f"g/{generation}/issued-by.p7c"


def list_path(generation: GenerationId, scope: Scope, number: int | None = None) -> str:
    """Where a scope's newest list is, or the one of a number."""
    return f"g/{generation}/crl/{scope}.crl" if number is None else f"g/{generation}/crl/{scope}/{number}.crl"


def delta_path(generation: GenerationId, scope: Scope) -> str:
    """Where a scope's delta list is."""
    return f"g/{generation}/crl/{scope}.delta.crl"


def list_entry(generation: GenerationId, place: ListPlace) -> ListEntry:
    """The manifest's line for a list."""
    return ListEntry(
        generation=str(generation),
        scope=place.scope,
        point=None if place.point is None else encode_name(place.point),
        holds=place.holds,
        url=list_path(generation, place.scope),
    )


def kept_head_path(count: int) -> str:
    """Where a head of the journal is kept for ever; its signature is beside it."""
    return f"journal/heads/{count}.json"


def kept_head_signature_path(count: int) -> str:
    """Where the signature of such a head is."""
    return f"journal/heads/{count}.p7s"
