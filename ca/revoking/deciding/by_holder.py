"""Ending a certificate as its holder asked on line, in a request that the holder's key has signed.

What a request ends stays ended, and it names one certificate. So that it is good for once needs no memory of its own:
the end says by its cause which request it came of, and the same request again finds that.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from ca.errors import Conflict, NotFound, NotPermitted
from ca.journal.entries import OrderEntry, RevocationEntry
from ca.model import CertificateId, Revocation, RevocationReason, Scope
from ca.rules.residents import Standing, standing_of
from ca.rules.revocation import change, permit
from ca.store import certificates, lives, revocations
from ca.store.certificates import CertificateState
from ca.store.stores import Stores

_RULE = "asked for on line by its holder"


@dataclass(frozen=True, slots=True)
class HolderEnd:
    """A certificate that its holder has ended.

    Attributes:
        scopes: The lists that have to say it.
        record: The index of the journal's record that acknowledges it.
    """

    certificate: CertificateId
    revocation: Revocation
    scopes: tuple[Scope, ...]
    record: int


def end_for_holder(
    stores: Stores,
    wanted: CertificateId,
    signer: CertificateId,
    reason: RevocationReason,
    request: str,
    *,
    at: datetime,
) -> HolderEnd:
    """End a certificate at its holder's request. The same request again changes nothing, and gives the same.

    Args:
        stores: The world's databases.
        wanted: The certificate, which is the asking holder's.
        signer: The certificate by whose key the holder asks.
        reason: For which it ends.
        request: What the request is known by: a digest of it, in hexadecimal digits.
        at: Now.

    Raises:
        NotFound: There is no such certificate.
        NotPermitted: The signer's certificate has ended or is on hold, as the databases know already and lists may not.
        Conflict: The certificate is not issued yet, or has expired.
        RevocationRefused: It has ended otherwise already.
        HomeRefused, StorageFailed: As ``by_hand.revoke``.
    """
    moment, cause = at.replace(microsecond=0), f"holder's request {request}"
    place = f"certificate {wanted}"
    with stores.recording() as recording:
        connection = recording.of(wanted.generation.authority)
        record = certificates.find(connection, wanted)
        standing = revocations.standing(connection, wanted, record.scope)
        if standing is None or standing.cause != cause:
            _require_live(lives.of(recording, [signer]), signer)
            if record.state is not CertificateState.ISSUED:
                raise Conflict(place, "is not issued yet")
            if record.period.not_after < moment:
                raise Conflict(place, "has expired", clause="RFC 5280 3.3")
            permit(record.kind, reason)
            change(
                revocations.find(connection, wanted, record.scope), Revocation(wanted.serial, moment, reason)
            )
            order = OrderEntry(
                str(wanted), reason.word, moment, record.scope, not_after=record.period.not_after
            )
            recording.note(RevocationEntry(cause, _RULE, at, (order,)))
            standing = revocations.standing(connection, wanted, record.scope)
            assert standing is not None, "it has just been written down"
    return HolderEnd(
        wanted, standing.revocation, revocations.lists_naming(record.scope), standing.journal_index
    )


def _require_live(found: list[lives.Life], signer: CertificateId) -> None:
    if not found:
        raise NotFound(f"certificate {signer}", "is not one of this home's")
    (life,) = found
    standing = standing_of(None if life.standing is None else life.standing.revocation)
    if standing is not Standing.LIVE:
        raise NotPermitted(
            "revocation request",
            f"is signed by the key of a certificate that is {standing}",
            remedy="Ask at a window",
        )
