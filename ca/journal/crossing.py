"""What the journal's records say of cross-certification: agreements with other CAs, and what two officers did by them.

The certificates themselves that an authority issues for others are intents and issues like any (``entries``).
"""

from __future__ import annotations

from datetime import datetime
from typing import TypeAlias

from ca.journal.part import Part


class AgreementEntry(Part, frozen=True, tag_field="entry", tag="cross-agreement"):
    """An agreement with another CA, written down.

    Attributes:
        ours: The authority that is a party to it, and ``peer`` the name by which the other party is known here.
        text: The file that it was read from. Whom to ask stands in it: an office, not a person.
        begins: From when to when certificates may be issued and accepted by it; ``ends`` is its last second.
    """

    agreement: str
    ours: str
    peer: str
    begins: datetime
    ends: datetime
    text: str
    officer: str
    at: datetime


class AgreementEndEntry(Part, frozen=True, tag_field="entry", tag="cross-agreement-end"):
    """An agreement is over before its time: nothing more is issued or accepted by it."""

    agreement: str
    officer: str
    at: datetime


class PeerKeyEntry(Part, frozen=True, tag_field="entry", tag="peer-key"):
    """A key of another CA, by which it is known from now on.

    Attributes:
        generation: What the key is called here, such as ``foreign.g1``.
        name: The CA's name, as it encodes it itself.
        public_key: Encoded SubjectPublicKeyInfo.
        self_signed: The CA's own certificate for it, if it gave one.
    """

    generation: str
    name: bytes
    public_key: bytes
    at: datetime
    self_signed: bytes | None = None


class ExaminationEntry(Part, frozen=True, tag_field="entry", tag="cross-examination"):
    """An officer has examined what a peer handed in, and found it as the agreement says.

    Attributes:
        number: What the examination is called by.
        what: ``request``, ``certificate``, or ``renewal`` of what was issued on a request.
        ours: The generation of ours that is to certify, or that was certified.
        digest: SHA-256 of the file's DER, in hexadecimal digits.
    """

    number: int
    agreement: str
    what: str
    ours: str
    peer: str
    digest: str
    officer: str
    at: datetime


class AcceptanceEntry(Part, frozen=True, tag_field="entry", tag="cross-acceptance"):
    """A second officer has accepted what another one had examined.

    Attributes:
        number: The examination's.
        certificate: The one that is issued on a request, and ``tbs`` the SHA-256 of what is signed of it, in
            hexadecimal digits: nothing else is signed for somebody who is not of this home.
        received: The one that the peer has issued to us, in DER, and its ``serial`` in hexadecimal digits.
    """

    number: int
    officer: str
    at: datetime
    certificate: str | None = None
    tbs: str | None = None
    received: bytes | None = None
    serial: str | None = None
    not_before: datetime | None = None
    not_after: datetime | None = None


class ReceivedEndEntry(Part, frozen=True, tag_field="entry", tag="cross-received-end"):
    """A certificate that a peer has issued to us is not shown to anybody as half of a pair any more."""

    issuer: str
    subject: str
    serial: str
    officer: str
    at: datetime


class RenewalHalf(Part, frozen=True):
    """A cross-certificate that is to be made.

    Attributes:
        certificate: What it will be called: its serial is fixed with the order, so that none is made twice.
        subject: The generation that it certifies.
        replaces: The one that it is to stand beside.
    """

    certificate: str
    subject: str
    replaces: str


class RenewalEntry(Part, frozen=True, tag_field="entry", tag="cross-renewal"):
    """Two officers order that cross-certificates be renewed.

    Attributes:
        plan: What the renewal is called by.
        halves: What is to be made, in this order.
    """

    plan: str
    officer: str
    second_officer: str
    at: datetime
    halves: tuple[RenewalHalf, ...]


CrossingEntry: TypeAlias = (
    AgreementEntry
    | AgreementEndEntry
    | PeerKeyEntry
    | ExaminationEntry
    | AcceptanceEntry
    | ReceivedEndEntry
    | RenewalEntry
)
"""What lies in the nation's database, and ends no certificate by itself."""
