"""What the journal's records say: one type for each thing that has to outlive every database.

No entry holds a name, an address or a resident's code. What a certificate says of a person lies in the archive.
"""

from __future__ import annotations

from datetime import datetime
from typing import TypeAlias

from ca.journal.crossing import (
    AcceptanceEntry,
    AgreementEndEntry,
    AgreementEntry,
    ExaminationEntry,
    PeerKeyEntry,
    ReceivedEndEntry,
    RenewalEntry,
)
from ca.journal.part import Part


class OrderEntry(Part, frozen=True):
    """A certificate that ends, is put on hold, or is let go of a hold: its id, why, when, and the list that says so.

    The scope stands here so that the record is enough even where a restored store has forgotten the certificate.

    Attributes:
        reason: In the RFC's spelling; ``removeFromCRL`` lifts a hold.
        not_after: The certificate's own end, behind which no list has to name it; older records have none.
    """

    certificate: str
    reason: str
    revoked_at: datetime
    scope: str
    invalid_since: datetime | None = None
    not_after: datetime | None = None


class EventEntry(Part, frozen=True, tag_field="entry", tag="event"):
    """An event of the register, and what was decided.

    Attributes:
        feed: The feed that told of it, and ``sequence`` the number of the file there.
        holder: The resident's keyed code in hexadecimal digits.
        received: When it was acknowledged.
        outcome: What came of it; one that waits for its effect has no orders yet.
        rule: The row of the table that was applied, in words.
        withdraws: The event that this one takes back.
        new_holder: The keyed code that the resident has from now on.
        links: Whether the two codes count as one resident's from this record on.
    """

    event: str
    kind: str
    feed: str
    sequence: int
    holder: str
    occurred: datetime
    notified: datetime
    effective: datetime
    received: datetime
    outcome: str
    rule: str
    orders: tuple[OrderEntry, ...]
    withdraws: str | None = None
    new_holder: str | None = None
    links: bool = False


class EffectEntry(Part, frozen=True, tag_field="entry", tag="effect"):
    """An event that had waited took effect, and what was decided then."""

    event: str
    at: datetime
    outcome: str
    rule: str
    orders: tuple[OrderEntry, ...]
    links: bool = False


class QuarantineEntry(Part, frozen=True, tag_field="entry", tag="quarantine"):
    """What could not be decided waits for an officer.

    Attributes:
        case: Its number.
        event: The event that it is about.
        problem: Why nothing was decided.
        facts: The event, if its own record does not have it: its id is known for another one. JSON, without a
            resident's code.
    """

    case: int
    event: str
    problem: str
    at: datetime
    facts: str | None = None


class ResolutionEntry(Part, frozen=True, tag_field="entry", tag="resolution"):
    """An officer decided a case of the quarantine."""

    case: int
    decision: str
    officer: str
    at: datetime
    orders: tuple[OrderEntry, ...]
    links: bool = False


ORDER = "order "
"""How the cause begins of what an order of many ended; the order's number follows."""


class Progress(Part, frozen=True):
    """How far an order of many is carried out, in certificates, with a record of it.

    Attributes:
        done: Those that it has ended; ``ended`` and ``expired`` those that it found so.
        place: How far its selection was read; None before the first certificate.
        finished: Whether none is left behind that.
    """

    done: int
    ended: int
    expired: int
    place: tuple[str | int, ...] | None
    finished: bool = False


class RevocationEntry(Part, frozen=True, tag_field="entry", tag="revocation"):
    """Certificates that end without an event: on an officer's or a holder's word, by an order of many, by the signing cycle.

    Attributes:
        cause: Who or what ends them: ``officer ito``, ``holder's request 1f2e``, ``order 12``, ``signing cycle``.
        rule: Why, in words.
        progress: Of an order of many, how far it is carried out with this; older records have none.
    """

    cause: str
    rule: str
    at: datetime
    orders: tuple[OrderEntry, ...]
    progress: Progress | None = None


class MassNamesEntry(Part, frozen=True, tag_field="entry", tag="mass-names"):
    """Certificates that an order of many names one by one; the order's own record comes behind the last of these."""

    number: int
    certificates: tuple[str, ...]


class MassOrderEntry(Part, frozen=True, tag_field="entry", tag="mass-order"):
    """An officer made an order of many.

    Attributes:
        number: What the order is called by.
        selection: What its certificates have in common, such as ``municipality 131016``.
        reason: In the RFC's spelling.
        found: How many certificates the selection had.
    """

    number: int
    selection: str
    reason: str
    priority: int
    officer: str
    at: datetime
    found: int


class MassStepEntry(Part, frozen=True, tag_field="entry", tag="mass-step"):
    """An officer approved an order of many, paused it, resumed it, or gave it up.

    Attributes:
        step: Which of them, as ``ca.store.orders.OrderStep`` has it.
        found: How many certificates its selection had when it was approved.
    """

    number: int
    step: str
    officer: str
    at: datetime
    found: int | None = None


class KeyEndEntry(Part, frozen=True, tag_field="entry", tag="client-key-end"):
    """The keys of a client, a machine or an officer, open nothing any more.

    Attributes:
        keys: The SHA-256 of each, in hexadecimal digits; a key is 256 random bits, so none can be found by that.
    """

    client: str
    keys: tuple[str, ...]
    at: datetime


class VerifierEndEntry(Part, frozen=True, tag_field="entry", tag="verifier-end"):
    """A signature verifier is off the register.

    Attributes:
        fingerprint: SHA-256 of its certificate, in hexadecimal digits: a later verifier of that id has another.
    """

    verifier: str
    fingerprint: str
    at: datetime


class RetentionEndEntry(Part, frozen=True, tag_field="entry", tag="retention-end"):
    """What was kept of certificates and cases that ended before a moment goes, from archive and databases.

    Attributes:
        before: That moment.
    """

    before: datetime
    at: datetime


class GenerationEntry(Part, frozen=True, tag_field="entry", tag="generation"):
    """A new key of an authority.

    Attributes:
        key: The name under which the vault holds the private key.
        public_key: Encoded SubjectPublicKeyInfo.
        serial: Of the self-signed certificate, in hexadecimal digits; the validity is that certificate's too.
    """

    generation: str
    suite: str
    key: str
    public_key: bytes
    serial: str
    not_before: datetime
    not_after: datetime


class KeyStepEntry(Part, frozen=True, tag_field="entry", tag="key-step"):
    """A step in the life of an authority's key, taken or taken back.

    Attributes:
        suite: With which the key signs, or will.
        step: Which of them, as ``ca.rules.generations.Step`` has it.
        evidence: By what it was ordered, or what shows that it was right.
    """

    generation: str
    suite: str
    step: str
    back: bool
    at: datetime
    evidence: str | None = None


class IntentPart(Part, frozen=True):
    """A certificate that is about to be signed.

    Attributes:
        subject_key: SHA-256 of the encoded SubjectPublicKeyInfo, in hexadecimal digits.
        tbs: SHA-256 of the TBSCertificate, in hexadecimal digits.
        body: The TBSCertificate's number in the archive.
        holder: The resident's keyed code in hexadecimal digits; None for whoever is no resident.
        held: Whether it is a holder's certificate, and stands in the register of holdings.
        application: The case that it answers.
        row: The row of the batch that it answers.
        crosses: The generation whose key it certifies, if it is a cross-certificate.
        service_key: The name under which the vault holds its key, if it is one of the authority's services.
    """

    certificate: str
    kind: str
    scope: str
    not_before: datetime
    not_after: datetime
    subject_key: str
    tbs: str
    body: int
    holder: str | None = None
    decided_at: datetime | None = None
    application: str | None = None
    row: int | None = None
    crosses: str | None = None
    service_key: str | None = None
    held: bool = False


class IntentEntry(Part, frozen=True, tag_field="entry", tag="intent"):
    """Certificates that are about to be signed: their serials are spent.

    Attributes:
        officer: Who issues them, if they answer cases.
        batch: The batch whose rows they answer.
    """

    at: datetime
    certificates: tuple[IntentPart, ...]
    officer: str | None = None
    batch: str | None = None


class IssuedPart(Part, frozen=True):
    """A certificate that was signed: with its TBSCertificate, the raw signature value gives its bytes."""

    certificate: str
    signature: bytes


class IssuedEntry(Part, frozen=True, tag_field="entry", tag="issued"):
    """Certificates that were signed."""

    at: datetime
    certificates: tuple[IssuedPart, ...]


Entry: TypeAlias = (
    EventEntry
    | EffectEntry
    | QuarantineEntry
    | ResolutionEntry
    | RevocationEntry
    | MassNamesEntry
    | MassOrderEntry
    | MassStepEntry
    | KeyEndEntry
    | VerifierEndEntry
    | RetentionEndEntry
    | AgreementEntry
    | AgreementEndEntry
    | PeerKeyEntry
    | ExaminationEntry
    | AcceptanceEntry
    | ReceivedEndEntry
    | RenewalEntry
    | GenerationEntry
    | KeyStepEntry
    | IntentEntry
    | IssuedEntry
)
"""What a record may say."""
