"""Signed lists as the product's own writer makes them, what the gate expects of them, and mutants of them."""

from __future__ import annotations

import hashlib
import io
from collections.abc import Callable, Iterable
from dataclasses import replace
from datetime import timedelta

from asn1crypto import crl

from ca.keys.pool import public_test_key
from ca.keys.signer import SoftwareSigner
from ca.model import GenerationId, Revocation, RevocationReason
from ca.profiles.extensions import Holds
from ca.profiles.lists import ListDraft, draft_delta
from ca.revoking.lists.gate import Base, Before, Expectation
from ca.revoking.lists.gate_entries import Asked, Excuses
from ca.wire.lists import encode_entry, write_signature, write_unsigned
from ca.wire.tbs import signed
from tests.builders import AUTHORITY, KEYS, NOW, list_draft_of, place_of, public_key, revocation_of, serial_of

GENERATION = GenerationId.parse("jpki-13.g1")
DAY = timedelta(days=1)
YESTERDAY = NOW - DAY
HOLD, LIFTED = RevocationReason.CERTIFICATE_HOLD, RevocationReason.REMOVE_FROM_CRL
COMPROMISE, SUPERSEDED = RevocationReason.KEY_COMPROMISE, RevocationReason.SUPERSEDED
LAST_NUMBER, NUMBER = 100, 200

Revoked = dict[int, Revocation]
"""What a list says, by the small number that makes a serial (``tests.builders.serial_of``)."""


def signer(whose: str = "authority") -> SoftwareSigner:
    return SoftwareSigner(whose, public_test_key(KEYS[whose]))


def draft_of(number: int, *, base: int | None = None, holds: Holds = Holds.USER, **fields) -> ListDraft:
    draft = list_draft_of(holds, **fields)
    extensions = tuple(
        replace(placed, value=replace(placed.value, number=number))
        if placed.value.oid == "2.5.29.20"
        else placed
        for placed in draft.extensions
    )
    draft = replace(draft, extensions=extensions)
    return draft if base is None else draft_delta(draft, base)


def list_of(draft: ListDraft, entries: Iterable[bytes], whose: str = "authority") -> bytes:
    """A list as the product writes and signs it."""
    blocks, file = list(entries), io.BytesIO()
    unsigned = write_unsigned(file, draft, blocks, sum(map(len, blocks)), hashlib.new(draft.suite.digest))
    write_signature(file, unsigned, draft.suite, signer(whose).sign_digest(unsigned.digest, draft.suite))
    return file.getvalue()


def encoded(revoked: Revoked) -> list[bytes]:
    return [encode_entry(revoked[number]) for number in sorted(revoked)]


def of_today(revoked: Revoked, number: int = NUMBER, **fields) -> bytes:
    return list_of(draft_of(number, **fields), encoded(revoked))


def of_yesterday(revoked: Revoked, number: int = LAST_NUMBER, **fields) -> bytes:
    times = {"this_update": YESTERDAY, "next_update": YESTERDAY + DAY}
    return list_of(draft_of(number, **(times | fields)), encoded(revoked))


def mutated(
    encoded_list: bytes, mutate: Callable[[crl.TbsCertList], object], whose: str = "authority"
) -> bytes:
    """The list after a change that asn1crypto makes, signed again."""
    tbs = crl.CertificateList.load(encoded_list, strict=True)["tbs_cert_list"]
    mutate(tbs)
    octets = tbs.dump(force=True)
    draft = draft_of(1)
    return signed(octets, draft.suite, signer(whose).sign(octets, draft.suite))


def excuses(*, expired: Iterable[int] = (), let_go: Iterable[int] = ()) -> Excuses:
    """What the gate asks, answered: these have expired, and these were let go, as far as the store has it."""

    def answer(numbers: Iterable[int]) -> Asked:
        known = {serial_of(number) for number in numbers}
        return lambda serials: frozenset(known.intersection(serials))

    return Excuses(answer(expired), answer(let_go))


def expected(entries: int, **fields) -> Expectation:
    """What is expected of today's list in the partition, with so many entries."""
    usual = {
        "generation": GENERATION,
        "place": place_of(Holds.USER),
        "issuer": AUTHORITY,
        "suite": draft_of(1).suite,
        "public_key": public_key("authority"),
        "number": NUMBER,
        "entries": entries,
        "sequence": 50,
        "at": NOW,
        "excuses": excuses(),
        "before": Before(LAST_NUMBER, YESTERDAY, 20, 40),
    }
    return Expectation(**(usual | fields))


def base_of(encoded_list: bytes, number: int = LAST_NUMBER) -> Base:
    return Base(io.BytesIO(encoded_list), number)


def some(*numbers: int, **fields) -> Revoked:
    """These, revoked the day before yesterday."""
    usual = {"revoked_at": YESTERDAY - DAY}
    return {number: revocation_of(number, **(usual | fields)) for number in numbers}
