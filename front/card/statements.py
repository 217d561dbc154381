"""What a card states to machines: a few lines of JSON, and a detached CMS signature over them.

Every statement begins with its own name, so that nobody who has one signed can pass it off as another; and nothing
that begins so is signed as a document. The card writes each statement itself: nothing that a server sends is signed
as it came.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Annotated, Generic, TypeVar

import msgspec

from bridge.relying.finding.material import Material
from bridge.relying.trust import Trust
from bridge.relying.verify import VerifiedPath, verify
from ca.clock import utc_text
from ca.errors import BadInput
from ca.keys import signer
from ca.keys.kinds import believed
from ca.wire.cms import detached_signature
from ca.wire.cms_facts import DetachedFacts, read_detached
from ca.wire.facts import CertificateFacts, read_certificate
from front.card.key import CardKey
from front.strict_json import decode

S = TypeVar("S", bound="Statement")

MARK = b'{"statement":"kakehashi/'
"""What every statement begins with."""

MEDIA_TYPE = "application/vnd.kakehashi.statement+json"
"""Of a statement with its signature, in HTTP."""

STATED_LIMIT = 64 * 1024
"""Octets: a statement, and a signature with one certificate."""

NONCE = 32
"""Octets that nobody can guess, in each statement."""

CLOCKS = timedelta(minutes=5)
"""How far a holder's clock may be from ours."""

Nonce = Annotated[bytes, msgspec.Meta(min_length=NONCE, max_length=NONCE)]
Moment = Annotated[datetime, msgspec.Meta(tz=True)]


class Statement(
    msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True, tag_field="statement", tag=None
):
    """A statement; each kind is a subclass, whose tag begins with ``kakehashi``."""

    made: Moment
    nonce: Nonce


class _Envelope(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    statement: Annotated[bytes, msgspec.Meta(max_length=4096)]
    signature: bytes


@dataclass(frozen=True, slots=True)
class Stated(Generic[S]):
    """A statement as it was handed in. Nothing is believed yet but that the signature is over it."""

    statement: S
    signer: CertificateFacts
    place: str
    _signed: DetachedFacts = field(repr=False)

    def check(self, material: Material, trust: Trust, at: datetime) -> VerifiedPath:
        """The proof that the signer's certificate is valid, and has signed.

        Raises:
            KeyRefused: The signature is wrong, or its suite is not believed any more.
            PathRejected: The certificate is not valid at this moment: revoked, on hold, expired, of another world.
        """
        suite = believed(self._signed.algorithm, self.signer.public_key, at, trust.legacy)
        signer.verify(self.signer.public_key, suite, self._signed.signed, self._signed.signature)
        return verify(self.signer.der, material, trust, at)

    def require_fresh(self, at: datetime, lifetime: timedelta) -> None:
        """Raise BadInput unless the statement was made within this time before, or a clock's error after."""
        if not at - lifetime <= self.statement.made <= at + CLOCKS:
            raise BadInput(
                self.place,
                f"was made at {utc_text(self.statement.made)}, too far from {utc_text(at)}",
                remedy="Make a new one; check the clock",
            )


def state(statement: Statement, key: CardKey, at: datetime) -> bytes:
    """The statement with the key's signature over it, JSON.

    Raises:
        NotFound: The key has no certificate yet.
        SuiteRetired: The card's suite may not sign any more.
        TokenFailed: The token fails.
    """
    key.require_usable(at)
    content = msgspec.json.encode(statement)
    assert content.startswith(MARK), "a statement begins with its name"
    signature = detached_signature(
        content,
        signer_certificate=key.require_certificate(),
        other_certificates=(),
        suite=key.suite,
        sign=key.sign,
        at=at,
    )
    return msgspec.json.encode(_Envelope(content, signature))


def read_stated(octets: bytes, kind: type[S], place: str) -> Stated[S]:
    """Read a statement of this kind and what its signature says, or raise BadInput."""
    if len(octets) > STATED_LIMIT:
        raise BadInput(place, f"is longer than {STATED_LIMIT} octets")
    envelope = decode(octets, _Envelope, place)
    if not envelope.statement.startswith(MARK):
        raise BadInput(place, "is no statement of a card")
    statement = decode(envelope.statement, kind, f"{place}, statement")
    facts = read_detached(envelope.signature, envelope.statement, f"{place}, signature")
    return Stated(statement, read_certificate(facts.signer, f"{place}, signer"), place, facts)
