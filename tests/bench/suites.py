"""Each suite: the octets of what is issued under it, with the limits that they pass, and how fast it signs and verifies.

All of it is really issued: a small nation for each suite, with holders' keys of it too.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from functools import partial

from ca.issuing.issuer import Issuer
from ca.keys import kinds
from ca.keys.signer import SoftwareSigner, verify
from ca.model import FULL
from ca.revoking.lists.publication import publish
from ca.suites import SHA256_RSA2048, SUITES, Suite
from front.assembly import open_world
from tests.bench import measure, revoked
from tests.bench.bench import Bench
from tests.bench.report import Row
from tests.suite_world import KIND, PASSPHRASE, TOTTORI, Desk, keys_of, make_home, one_prefecture, request

CARD_FILE = 2048
"""Octets of a certificate's file on a card. Assumed: cards of the time have files of 2 to 4 KiB for certificates."""
SHORT_READ = 256
"""Octets that one READ BINARY without extended length brings at most (ISO/IEC 7816-4 5.2)."""
MTU = 1500 - 20 - 8
"""Octets that one datagram brings over Ethernet (RFC 894) behind the headers of IPv4 (RFC 791) and UDP (RFC 768)."""
TLS_RECORD = 1 << 14
"""Octets of a TLS record (RFC 8446 5.1)."""
DATAGRAM = 65_507
"""Octets of the longest UDP datagram over IPv4 (RFC 768)."""

_LIMITS = (("one datagram over Ethernet", MTU), ("a TLS record", TLS_RECORD), ("any UDP datagram", DATAGRAM))
_CLOCK = datetime(2014, 9, 1, tzinfo=UTC)  # when the legacy suites still sign
_HOLDER = "holder's certificate"
_MESSAGE = bytes(1500)  # about a tbsCertificate


def rows(bench: Bench) -> Iterator[Row]:
    """The octets, then the speeds, each suite beside RSA-2048 with SHA-256."""
    sizes = {suite: _sizes(bench, suite) for suite in SUITES.values()}
    for what in sizes[SHA256_RSA2048]:
        reference = sizes[SHA256_RSA2048][what]
        for suite, found in sizes.items():
            size, note = found[what], limits(found[what], on_a_card=what == _HOLDER)
            if suite is SHA256_RSA2048:
                yield Row(f"{what}, {suite.id}", "octets", size, note=note)
            else:
                yield Row(
                    f"{what}, {suite.id}", "octets", size, SHA256_RSA2048.id, reference, size / reference,
                    note=note,
                )  # fmt: skip
    yield from _speeds(bench)


def limits(size: int, *, on_a_card: bool = False) -> str:
    """Which limits so many octets pass, and for a card's file in how many short reads it is read."""
    passed = [f"longer than {name} ({limit:,})" for name, limit in _LIMITS if size > limit]
    if on_a_card:
        if size > CARD_FILE:
            passed.insert(0, f"longer than a card's file ({CARD_FILE:,}, assumed)")
        passed.append(f"{-(-size // SHORT_READ)} short reads from a card")
    return "; ".join(passed)


def _sizes(bench: Bench, suite: Suite) -> dict[str, int]:
    """The octets of what a small nation issues under a suite, by what it is."""
    bench.say(f"a nation under {suite.id} ...")
    entries = bench.scale.few_entries
    with bench.fresh(f"suite-{suite.id}") as folder:
        home = make_home(folder, one_prefecture(suite=suite), f"{_CLOCK:%Y-%m-%dT%H:%MZ}")
        revoked.fill(home / "store.db", entries, datetime(2014, 1, 1, tzinfo=UTC))
        with open_world(home, lambda: PASSPHRASE) as world:
            desk = Desk(world, keys_of(suite))
            (holder,) = desk.issue({KIND: request(suite)})
            issuer: Issuer = desk.issuers.of(TOTTORI)
            publish(world.stores.nation, issuer, [FULL], world.repository, at=world.clock())
            crosses = [
                desk.read(f"g/{path}.cer")
                for path in ("gpki-bca.g1/cross/jpki-bridge.g1", "jpki-bridge.g1/cross/jpki-31.g1")
            ]
            return {
                _HOLDER: len(holder.encoded),
                "path from holder to anchor through two bridges": len(holder.encoded)
                + sum(map(len, crosses)),
                f"list of {entries:,} entries": len(desk.read(f"g/{TOTTORI}/crl/full.crl")),
                "OCSP answer with its responder's certificate": len(desk.answer(holder)),
            }


def _speeds(bench: Bench) -> Iterator[Row]:
    signers = {suite: SoftwareSigner(suite.id, kinds.make(suite)) for suite in SUITES.values()}
    others = [suite for suite in signers if suite is not SHA256_RSA2048]
    amount = bench.scale.one_thread
    for what, contender in (("sign", _signing), ("verify", _verifying)):
        bench.say(f"{what} ...")
        reference, *found = measure.in_turn(
            bench.scale.rounds,
            *(
                partial(measure.rate, amount, contender(signers[suite], suite, amount))
                for suite in (SHA256_RSA2048, *others)
            ),
        )
        for suite, standing in zip(others, found, strict=True):
            yield Row(
                f"{what}, {suite.id}", "operations/s", standing.figure, SHA256_RSA2048.id, reference.figure,
                1 / standing.ratio,
            )  # fmt: skip


def _signing(signer: SoftwareSigner, suite: Suite, amount: int) -> Callable[[], None]:
    def work() -> None:
        for _ in range(amount):
            signer.sign(_MESSAGE, suite)

    return work


def _verifying(signer: SoftwareSigner, suite: Suite, amount: int) -> Callable[[], None]:
    signature = signer.sign(_MESSAGE, suite)

    def work() -> None:
        for _ in range(amount):
            verify(signer.public_key, suite, _MESSAGE, signature)

    return work
