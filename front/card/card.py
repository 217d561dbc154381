"""A card: made in a folder, unlocked by PINs, and given its certificates.

The folder has what a resident's card has (JPKI-AP), under names of its own:

- ``card.json``: the card's number, its suite, both public keys (token information, 0006)
- ``<kind>.pin.json``: the PIN's count of tries, and half of what opens the token (0018, 001B)
- ``<kind>.json``: once there is a certificate, what is free to be read of it, and its issuer's (000A, 0002, 000B)
- ``tokens/``: SoftHSM's, one an application, with its private key (0017, 001A); in that of the signature also its
  certificate (0001), which tells name and address and so is read after the PIN only

``<kind>`` is ``signature`` or ``user-authentication``.
"""

from __future__ import annotations

import re
import shutil
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path

import msgspec

from bridge.relying.finding.snapshot import Snapshot
from ca.chance import Chance
from ca.errors import BadInput, Conflict, KeyRefused, NotFound, PassphraseRefused, StorageFailed
from ca.keys.kinds import require_in_token
from ca.model import RESIDENT_KINDS, CertificateKind
from ca.suites import SUITES, Suite, SuiteId
from ca.wire.facts import read_certificate
from front.card.files import (
    About,
    CardRecord,
    about_record,
    damaged,
    move_durably,
    read_about,
    read_record,
)
from front.card.key import CardKey
from front.card.kinds import kind_of
from front.card.pins import PIN_RULES, Pin, write_durably
from front.card.published import issuer_of
from front.card.tokens import OpenToken, Tokens

_NUMBER = re.compile(r"[A-Z0-9]{8,12}")
_CARD = "card.json"
_CODE_OCTETS = 16
_CODE = re.compile(r"[0-9a-f]{32}")
_NAMES = {CertificateKind.SIGNATURE: "signature", CertificateKind.USER_AUTHENTICATION: "authentication"}


@dataclass(frozen=True, slots=True)
class Card:
    """A card that lies in a folder."""

    folder: Path
    number: str
    suite: Suite
    keys: Mapping[CertificateKind, bytes] = field(repr=False)
    tokens: Tokens = field(repr=False)

    @classmethod
    def make(
        cls,
        folder: Path,
        number: str,
        pins: Mapping[CertificateKind, str],
        *,
        suite: Suite,
        chance: Chance,
        module: str | None = None,
    ) -> tuple[Card, str]:
        """Make a card with a key pair in each application; gives its unlock code too, which is written down nowhere.

        Raises:
            BadInput: The number or a PIN is not of its form.
            Conflict: There is something in the place of the folder.
            KeyRefused: No card has keys for this suite.
            TokenFailed: SoftHSM is missing or fails.
            StorageFailed: The disk refused; nothing is left.
        """
        if not _NUMBER.fullmatch(number):
            raise BadInput("card number", "is not 8 to 12 capital letters and digits")
        require_in_token(f"card {number}", suite)
        for kind in RESIDENT_KINDS:
            PIN_RULES[kind].require(pins[kind], _pin_words(number, kind))
        code = chance.octets(f"unlock code of card {number}", _CODE_OCTETS).hex()
        if folder.exists():
            raise Conflict(str(folder), "is there already", remedy="Name another folder for the card")
        try:
            folder.absolute().parent.mkdir(parents=True, exist_ok=True)
            making = Path(tempfile.mkdtemp(prefix=".card-", dir=folder.absolute().parent))  # mode 0700
        except OSError as error:
            raise StorageFailed(str(folder), f"cannot be made: {error.strerror}") from None
        try:
            tokens = Tokens(making, module)
            keys = {
                kind: _make_application(tokens, number, kind, pins[kind], code, suite, chance)
                for kind in RESIDENT_KINDS
            }
            record = CardRecord(number=number, suite=suite.id, keys={kind.value: keys[kind] for kind in keys})
            write_durably(making / _CARD, msgspec.json.encode(record))
            move_durably(making, folder)
        except BaseException:
            shutil.rmtree(making, ignore_errors=True)
            raise
        return cls.open(folder, module), "-".join(re.findall("....", code))

    @classmethod
    def open(cls, folder: Path, module: str | None = None) -> Card:
        """The card in this folder.

        Raises:
            NotFound: There is no card.
            KeyRefused: It is damaged.
        """
        record = read_record(folder / _CARD, CardRecord)
        if record is None:
            raise NotFound(str(folder), "has no card in it", remedy="`kakehashi card new` makes one")
        kinds = {kind.value: kind for kind in RESIDENT_KINDS}
        suite = SUITES.get(SuiteId(record.suite))
        if suite is None or record.keys.keys() != kinds.keys() or not _NUMBER.fullmatch(record.number):
            raise damaged(folder / _CARD)
        keys = {kinds[name]: key for name, key in record.keys.items()}
        return cls(folder, record.number, suite, keys, Tokens(folder, module))

    def pin(self, kind: CertificateKind) -> Pin:
        """The PIN of an application, with its tries."""
        return Pin(self.folder / f"{kind}.pin.json", PIN_RULES[kind], _pin_words(self.number, kind))

    def about(self, kind: CertificateKind) -> About | None:
        """What is free to be read of a certificate, if there is one; KeyRefused if it is damaged."""
        return read_about(self.folder / f"{kind}.json")

    @contextmanager
    def unlocked(self, kind: CertificateKind, pin: str) -> Iterator[CardKey]:
        """An application, open while the block runs.

        Raises:
            BadInput, PassphraseRefused, PinLocked, KeyRefused, TokenFailed, StorageFailed: See ``Pin.attempt``.
        """
        with self._token(kind, pin) as token:
            if kind is CertificateKind.SIGNATURE:
                certificate = token.certificate()
            else:
                about = self.about(kind)
                certificate = None if about is None else about.certificate
            signer = token.signer()
            if signer.public_key != self.keys[kind]:
                raise KeyRefused(
                    f"card {self.number}", f"its {kind} key is not the one that it was made with"
                )
            yield CardKey(self.number, kind, self.suite, certificate, signer)

    def load(
        self,
        encoded: bytes,
        pin: str,
        snapshot: Snapshot,
        at: datetime,
        legacy: frozenset[SuiteId] = frozenset(),
    ) -> CertificateKind:
        """Take a certificate that was issued for a key of this card; one before it is forgotten.

        Args:
            encoded: The certificate, DER.
            pin: Of the application whose key it is for (``kind_for`` says which).
            snapshot: What is published, with the issuer's own certificate.
            at: The moment, aware.
            legacy: The legacy suites whose signatures are believed in their time.

        Raises:
            BadInput: It is not for a key of this card, is of another kind than the key's application, is no resident's,
                has expired, or comes from no published issuer.
            KeyRefused: The issuer has not signed it.
            BadInput, PassphraseRefused, PinLocked, KeyRefused, TokenFailed, StorageFailed: See ``Pin.attempt``.
        """
        kind = self.kind_for(encoded)
        facts = read_certificate(encoded, "certificate")
        found = kind_of(facts)
        if found is not kind:
            raise BadInput(facts.place, f"is of the kind {found} on the card's {kind} key")
        if facts.not_after < at:
            raise BadInput(facts.place, "has expired", clause="RFC 5280 4.1.2.5")
        issuer = issuer_of(facts, snapshot, at, legacy)
        free = kind is CertificateKind.USER_AUTHENTICATION
        record = about_record(facts, issuer, free=free)
        with self._token(kind, pin) as token:
            if not free:
                token.keep_certificate(encoded)
            write_durably(self.folder / f"{kind}.json", msgspec.json.encode(record))
        return kind

    def kind_for(self, encoded: bytes) -> CertificateKind:
        """The application whose key this certificate (DER) is for, or BadInput."""
        facts = read_certificate(encoded, "certificate")
        for kind, key in self.keys.items():
            if key == facts.public_key:
                return kind
        raise BadInput(facts.place, f"is for no key of card {self.number}")

    def change_pin(self, kind: CertificateKind, pin: str, new: str) -> None:
        """Have a new PIN; see ``Pin.another``."""

        def change(old_opens: str, new_opens: str) -> None:
            with self.tokens.open(_label(self.number, kind), old_opens) as token:
                token.change_pin(old_opens, new_opens)

        self.pin(kind).another(pin, new, change)

    def unlock(self, kind: CertificateKind, code: str, new: str, chance: Chance) -> None:
        """Set a new PIN by the unlock code, all tries left; locked or not.

        Raises:
            BadInput: The PIN or the code is not of its form.
            PassphraseRefused: The code is wrong.
            TokenFailed, StorageFailed: As they say.
        """
        plain = code.replace("-", "").replace(" ", "").lower()
        if not _CODE.fullmatch(plain):
            raise BadInput("unlock code", "is not 32 hexadecimal digits")
        label = _label(self.number, kind)
        try:
            self.pin(kind).set(new, lambda opens: self.tokens.set_pin(label, plain, opens), chance)
        except PassphraseRefused:
            raise PassphraseRefused(f"card {self.number}, unlock code", "is wrong") from None

    @contextmanager
    def _token(self, kind: CertificateKind, pin: str) -> Iterator[OpenToken]:
        """The application's token, after its PIN was tried."""
        label = _label(self.number, kind)
        with ExitStack() as stack:
            yield self.pin(kind).attempt(
                pin, lambda opens: stack.enter_context(self.tokens.open(label, opens))
            )


def _make_application(
    tokens: Tokens, number: str, kind: CertificateKind, pin: str, code: str, suite: Suite, chance: Chance
) -> bytes:
    """Make an application's token with its PIN and key pair; gives the public key."""
    label = _label(number, kind)
    place = Pin(tokens.folder / f"{kind}.pin.json", PIN_RULES[kind], _pin_words(number, kind))

    def give(opens: str) -> bytes:
        tokens.make(label, code, opens)
        with tokens.open(label, opens) as token:
            return token.make_key(suite).public_key

    return place.set(pin, give, chance)


def _label(number: str, kind: CertificateKind) -> str:
    return f"{number}/{kind}"


def _pin_words(number: str, kind: CertificateKind) -> str:
    return f"card {number}, {_NAMES[kind]} PIN"
