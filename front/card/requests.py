"""Asking on line for the end of one's own certificate: the card's request, and the check of whoever receives it.

The holder may ask for the end of either kind, at a window or on line; the reason is cessationOfOperation. The user-
authentication key may ask for any certificate of its holder, the signature key for its own alone. What is not asked for
here: that a key was lost or leaked is said at a window, or by telephone, since whoever has found the card could ask.
"""

from __future__ import annotations

import hashlib
from dataclasses import InitVar, dataclass
from datetime import datetime, timedelta
from typing import Annotated, Final, Literal

import msgspec
from sqlalchemy import Connection

from bridge.manifest import PEER
from bridge.relying.finding.snapshot import Snapshot
from bridge.relying.trust import Trust
from ca.chance import Chance
from ca.errors import BadInput, NotFound, NotPermitted
from ca.keys.signer import key_identifier
from ca.model import CertificateId, CertificateKind, GenerationId, RevocationReason, Serial
from ca.rules.residents import REASONS, ChangeKind
from ca.store import holdings, register
from ca.store.holdings import HoldingRecord
from ca.wire.facts import read_certificate
from front.card.files import About
from front.card.key import CardKey
from front.card.kinds import kind_of
from front.card.once import Once
from front.card.statements import CLOCKS, NONCE, Statement, read_stated, state

LIFETIME = timedelta(hours=1)
"""For how long a request is good: it may be carried as a file."""

CHANGES = {
    CertificateKind.SIGNATURE: ChangeKind.SIGNATURE_GIVEN_UP,
    CertificateKind.USER_AUTHENTICATION: ChangeKind.USER_AUTHENTICATION_GIVEN_UP,
}
"""What a request is among the changes of a resident's life."""
assert all(REASONS[change] is RevocationReason.CESSATION_OF_OPERATION for change in CHANGES.values())

_PLACE = "revocation request"
_CLAUSE = "domain facts 5, holder's request"
_MADE_BY_READ: Final = object()


class RevocationStatement(Statement, frozen=True, kw_only=True, tag="kakehashi/revocation-request/1"):
    """What the holder states.

    Attributes:
        kind: Of the certificate that is to end.
        issuer_key: The identifier of its issuer's key, in hexadecimal digits.
        serial: Its serial number, in hexadecimal digits.
    """

    kind: Literal["signature", "user-authentication"]
    issuer_key: Annotated[str, msgspec.Meta(pattern=r"\A[0-9a-f]{40}\Z")]
    serial: Annotated[str, msgspec.Meta(pattern=r"\A[0-9a-f]{1,40}\Z")]


@dataclass(frozen=True, slots=True)
class RevocationRequest:
    """The proof that a holder's key has asked for an end. Only ``read_request`` makes one.

    Attributes:
        signer: The certificate whose key has signed, valid at ``at``.
        signer_key: Its public key, DER.
        target: The certificate that is to end, as the request names it. If it is not the signer's own, whether it is
            the same holder's is not known yet: ``certificate_to_end`` looks.
        kind: The target's, as the request says.
        made: When the holder asked, by the holder's own word.
        at: When the request was read.
    """

    signer: CertificateId
    signer_key: bytes
    target: CertificateId
    kind: CertificateKind
    made: datetime
    at: datetime
    made_by: InitVar[object] = None

    def __post_init__(self, made_by: object) -> None:
        if made_by is not _MADE_BY_READ:
            raise TypeError("only read_request() makes a RevocationRequest")

    @property
    def change(self) -> ChangeKind:
        """What the request is among the changes of a resident's life."""
        return CHANGES[self.kind]

    @property
    def reason(self) -> RevocationReason:
        """For which reason the certificate ends: cessationOfOperation."""
        return REASONS[self.change]


def make_request(kind: CertificateKind, about: About, key: CardKey, chance: Chance, at: datetime) -> bytes:
    """The card's request for the end of its certificate of a kind, JSON.

    Raises:
        NotPermitted: The signature key asks for another's end than its own certificate's.
        NotFound, SuiteRetired, TokenFailed: See ``front.card.statements.state``.
    """
    _require_may_ask(key.kind, kind)
    statement = RevocationStatement(
        made=at,
        nonce=chance.octets("revocation request", NONCE),
        kind="signature" if kind is CertificateKind.SIGNATURE else "user-authentication",
        issuer_key=key_identifier(about.issuer.public_key).hex(),
        serial=f"{about.serial:x}",
    )
    return state(statement, key, at)


def read_request(
    octets: bytes, snapshot: Snapshot, trust: Trust, once: Once, at: datetime
) -> RevocationRequest:
    """The request of a holder whose certificate is valid; spends its nonce.

    Args:
        octets: What was handed in.
        snapshot: What this world publishes.
        trust: This world's anchor and policies.
        once: Remembers nonces.
        at: The moment, aware.

    Raises:
        BadInput: It is no such request, or too old, or signed by no resident's key; or names an unknown issuer.
        KeyRefused: The signature is wrong.
        PathRejected: The signer's certificate is not valid: revoked, on hold, expired, of another world.
        NotPermitted: This key may not ask for that certificate's end.
        Conflict: The request was handed in before.
    """
    stated = read_stated(octets, RevocationStatement, _PLACE)
    statement = stated.statement
    stated.require_fresh(at, LIFETIME)
    path = stated.check(snapshot, trust, at)
    issuer = snapshot.generation_of(read_certificate(path.certificates[-2], "the signer's issuer"))
    if issuer is None:
        raise BadInput(_PLACE, "is signed by no holder of this world")
    signer = CertificateId(issuer, Serial(stated.signer.serial))
    kind = CertificateKind(statement.kind)
    asking = kind_of(stated.signer)
    target = CertificateId(_generation(snapshot, statement.issuer_key), _serial(statement.serial))
    if target == signer and kind is not asking:
        raise BadInput(_PLACE, f"names a certificate of the kind {asking} as one of {kind}")
    if target != signer:
        _require_may_ask(asking, kind)
        if asking is CertificateKind.SIGNATURE:
            raise _not_permitted()
    once.spend(statement.nonce, statement.made + LIFETIME + CLOCKS, at)
    return RevocationRequest(
        signer, stated.signer.public_key, target, kind, statement.made, at, made_by=_MADE_BY_READ
    )


def certificate_to_end(connection: Connection, request: RevocationRequest) -> HoldingRecord:
    """The certificate that the request names, if it is the asking holder's: by the nation's register.

    Raises:
        NotFound: The register does not know the signer's key.
        NotPermitted: The certificate is another holder's, or unknown; or is of another kind than the request says.
    """
    digest = hashlib.sha256(request.signer_key).digest()
    mine = holdings.with_keys(connection, [digest]).get(digest)
    if mine is None or mine.certificate != request.signer:
        raise NotFound(f"certificate {request.signer}", "is not in the register")
    codes = [] if mine.holder is None else sorted(register.codes_of(connection, [mine.holder])[mine.holder])
    for held in [mine, *holdings.of_holders(connection, codes)]:
        if (held.certificate, held.kind) == (request.target, request.kind):
            return held
    raise _not_permitted()


def _require_may_ask(asking: CertificateKind, kind: CertificateKind) -> None:
    if asking is CertificateKind.SIGNATURE and kind is not CertificateKind.SIGNATURE:
        raise _not_permitted()


def _not_permitted() -> NotPermitted:
    return NotPermitted(
        _PLACE,
        "asks for the end of a certificate that is not this key's to give up",
        clause=_CLAUSE,
        remedy="Ask by the user-authentication key of the same holder, or at a window",
    )


def _generation(snapshot: Snapshot, issuer_key: str) -> GenerationId:
    for entry in snapshot.manifest.authorities:
        if entry.key_identifier == issuer_key and entry.role != PEER:
            return GenerationId.parse(entry.generation)
    raise BadInput(_PLACE, "names an issuer that is none of this world's")


def _serial(digits: str) -> Serial:
    return Serial(int(digits, 16))
