"""One responder for all the nation, which relying parties trust directly (RFC 6960 2.2): off unless the edition says so.

A delegated responder may speak for the key that delegated it and for no other, so that a verifier with a path of four
certificates asks four times. This one answers for every key of every authority in one response. No authority's word
makes it believed: a relying party configures its certificate, as it does an anchor's.
"""

from __future__ import annotations

from collections.abc import Callable, Collection
from contextlib import suppress

from ca.errors import NotFound
from ca.keys.vault import KeyId
from ca.model import AuthorityId, CertificateKind, GenerationId
from ca.store import authorities, key_lives
from ca.store.authorities import GenerationRecord
from ca.store.certificates import CertificateRecord
from ca.store.engine import Store
from ca.wire.names import encode_name
from ocsp.freshness import Freshness, Itself
from ocsp.lint import ResponderFacts
from ocsp.responder import IssuerKey, Keeping, Responder, Spoken, keys_of, newest_certificate, spoken_for

NATIONAL = "national"
"""What stands in the URL where the others have their generation; no generation's text is without a dot."""


def open_national(
    issuers: Keeping,
    anchor: AuthorityId,
    stores: Collection[Store],
    freshness: Callable[[AuthorityId], Freshness] = lambda _: Itself(),
) -> Responder:
    """The nation's responder with its newest certificate.

    Args:
        issuers: Those of the whole nation; their own keys stay closed.
        anchor: The authority that issued the responder's certificate.
        stores: Every database of the nation.
        freshness: Up to when the database of an authority says everything.

    Raises:
        NotFound: The edition names no national responder, or none of the anchor's keys has certified it.
        KeyRefused: The responder's key cannot be opened.
    """
    practice = issuers.practice(anchor)
    if not practice.status.national:
        raise NotFound("the edition", "names no national responder")
    records: dict[GenerationId, GenerationRecord] = {}
    for store in stores:
        with store.reading() as connection:
            serving = key_lives.signing_status(connection)
            records |= {
                record.id: record
                for record in authorities.all_generations(connection)
                if record.id in serving
            }
    own, certificate, key = _own(issuers.store(anchor), anchor)
    by_generation = {
        generation: spoken_for(issuers, record, freshness(generation.authority))
        for generation, record in records.items()
    }
    spoken: dict[IssuerKey, Spoken] = {
        name: one for one in by_generation.values() for name in keys_of(one.hashes)
    }
    return Responder(
        home=by_generation[own],
        spoken=spoken,
        facts=ResponderFacts.of(
            encode_name(practice.name),
            records[own].public_key,
            certificate.encoded,
            records[own].suite,
            "the national responder",
            direct=True,
        ),
        signer=issuers.vault.signer(key),
        lifetime=practice.periods.answer,
    )


def _own(store: Store, anchor: AuthorityId) -> tuple[GenerationId, CertificateRecord, KeyId]:
    """The anchor's key that certified the responder, with its newest certificate: the key that issues, if it did yet.

    While a cut-over's certificates are being signed, the key before it still speaks. One on its way has none of them.
    """
    with store.reading() as connection:
        issuing = authorities.issuing_generation(connection, anchor)
        serving = key_lives.signing_status(connection)
    own = [one for one in serving if one.authority == anchor and one.number <= issuing.number]
    for generation in sorted(own, reverse=True):
        with suppress(NotFound):
            found = newest_certificate(store, generation, CertificateKind.NATIONAL_RESPONDER)
            return generation, *found
    raise NotFound(f"authority {anchor}", f"has no {CertificateKind.NATIONAL_RESPONDER}")
