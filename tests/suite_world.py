"""Small nations under one suite each, made and published by the command; of each what a relying party is given.

Holders' keys are of the suite too, so that a path is of one algorithm from the holder to the anchor.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from functools import cached_property
from itertools import pairwise
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.serialization import Encoding

from bridge.relying.finding.snapshot import Snapshot
from ca.issuing.authority import Registration
from ca.issuing.cycle import IssuedCertificate
from ca.issuing.issuer import Issuers
from ca.keys import kinds
from ca.model import CertificateKind, GenerationId, RevocationReason
from ca.revoking.deciding.by_hand import revoke
from ca.revoking.lists.publication import publish
from ca.suites import Curve, KeyFamily, RsaKeys, SubjectKeyRule, Suite
from ca.wire.facts import read_certificate
from front.assembly import World, open_world
from front.demo.openssl import OpensslJudge, from_folder
from front.demo.people import invented_code, invented_resident
from ocsp.client import ask_about
from ocsp.responder import open_responder
from tests import commands
from tests.small_edition import JAPAN_2014, OFFICERS, SEED, replaced

PASSPHRASE = "keys of tests keep no secrets"  # noqa: S105 - nor do they
WINDOW = "312011"  # Tottori-shi
KIND = CertificateKind.SIGNATURE
MINUTE = timedelta(minutes=1)
_OFFICERS = {
    "sato": (WINDOW, "reception"),
    "suzuki": (WINDOW, "examiner"),
    **{name: OFFICERS[name] for name in ("tanaka", "ito")},
}
_CURVES = {256: Curve.P256, 384: Curve.P384}


def keys_of(suite: Suite) -> SubjectKeyRule:
    """The rule that allows holders the keys of the suite."""
    match suite.family:
        case KeyFamily.RSA:
            return SubjectKeyRule(rsa=RsaKeys(suite.key_size, suite.key_size))
        case KeyFamily.EC:
            return SubjectKeyRule(curves=frozenset({_CURVES[suite.key_size]}))
        case KeyFamily.ML_DSA:
            return SubjectKeyRule(ml_dsa=frozenset({suite.key_size}))


def request(suite: Suite) -> bytes:
    """A PKCS#10 request in DER on a new key of the suite; a digest of SHA-2 signs it, whatever the suite's is."""
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "holder")])
    digest = {KeyFamily.ML_DSA: None, KeyFamily.EC: hashes.SHA384()}.get(suite.family, hashes.SHA256())
    made = x509.CertificateSigningRequestBuilder(name).sign(kinds.make(suite), digest)
    return made.public_bytes(Encoding.DER)


def one_prefecture(edition: Path = JAPAN_2014, suite: Suite | None = None) -> str:
    """The text of a built-in edition for Tottori alone, whose towns are the fewest; under another suite if one is named."""
    text = edition.read_text(encoding="utf-8")
    text = replaced(text, r"(?s)codes = \[.*?\n\]", 'codes = ["31"]')
    text = replaced(text, "nation = true", "nation = false")
    text = replaced(text, f'name = "{edition.stem}"', 'name = "one-prefecture"')
    return text if suite is None else replaced(text, r'suite = "[^"]*"', f'suite = "{suite.id}"')


def make_home(folder: Path, text: str, clock: str, *, test_keys: bool = True) -> Path:
    """A home of this edition, with four officers; on public test keys where the suite has such, unless it is to go on
    with keys of other suites."""
    edition, home = folder / "edition.toml", folder / "home"
    edition.write_text(text, encoding="utf-8")
    keys = ("--test-keys", "--seed", SEED) if test_keys and '-rsa2048"' in text else ()
    _command("init", "--edition", edition, "--home", home, "--clock", clock, *keys)
    for officer, (office, role) in _OFFICERS.items():
        _command("officer", "add", officer, "--office", office, "--role", role, "--home", home)
    return home


def _command(*words: object) -> None:
    commands.done(commands.run(*words, KAKEHASHI_PASSPHRASE=PASSPHRASE))


@dataclass(frozen=True)
class Desk:
    """A home with the engines that issue, its holders' keys by this rule."""

    world: World
    keys: SubjectKeyRule

    @cached_property
    def issuers(self) -> Issuers:
        """The authorities."""
        practices = {
            authority: replace(
                practice,
                holders={kind: replace(holder, keys=self.keys) for kind, holder in practice.holders.items()},
            )
            for authority, practice in self.world.plan.practices.items()
        }
        return Issuers(self.world.stores, self.world.vault(), practices)

    def issue(self, csrs: Mapping[CertificateKind, bytes], number: int = 1) -> list[IssuedCertificate]:
        """The certificates of a resident, by way of the window and the centre."""
        world = self.world
        desk, at = Registration(self.issuers, world.plan.municipalities, world.chance), world.clock()
        resident = invented_resident(world.plan.municipalities.window(WINDOW))
        case = desk.file("sato", resident, csrs, code=invented_code(number), at=at).case.id
        desk.examine(case, "suzuki", at=at)
        desk.approve(case, "tanaka", at=at)
        return list(desk.issue(case, "ito", at=at))

    def end(self, item: IssuedCertificate) -> None:
        """Revoke a certificate, and publish the list that says so."""
        world, generation = self.world, item.id.generation
        ended = revoke(world.stores, item.id, RevocationReason.SUPERSEDED, "ito", at=world.clock())
        store, issuer = world.stores.of(generation.authority), self.issuers.of(generation)
        publish(store, issuer, ended.scopes, world.repository, at=world.clock())

    def answer(self, item: IssuedCertificate) -> bytes:
        """What the responder says of a certificate."""
        issuer = read_certificate(self.read(f"g/{item.id.generation}/self.cer"), "issuer")
        asked = ask_about(issuer, [item.id.serial], "responder")
        responder = open_responder(self.issuers, item.id.generation, timedelta(hours=1))
        return responder.answer(asked.request, self.world.clock()).octets

    def read(self, path: str) -> bytes:
        """A published file."""
        return (self.world.home.repository / path).read_bytes()


@dataclass(frozen=True)
class Nation:
    """What is published under a suite, and two holders' certificates, of which one was revoked.

    Attributes:
        chain: The cross-certificates from below the anchor to the holders' issuer.
        lists: The authority lists of the chain's issuers, then the holders' partition.
        answer: Of the responder of the holders' issuer, about the good one.
        signed: A CMS message by the repository service, over ``content``.
        at: A minute after the last of it was made.
    """

    suite: Suite
    repository: Path
    anchor: bytes
    chain: tuple[bytes, ...]
    good: IssuedCertificate
    revoked: IssuedCertificate
    lists: tuple[bytes, ...]
    answer: bytes
    signed: bytes
    content: bytes
    policies: tuple[str, ...]
    at: datetime

    @property
    def path(self) -> tuple[bytes, ...]:
        """From below the anchor to the good holder."""
        return (*self.chain, self.good.encoded)

    @property
    def issuers(self) -> tuple[bytes, ...]:
        """Who signed each of the path; each of the lists too."""
        return (self.anchor, *self.chain)

    @property
    def snapshot(self) -> Snapshot:
        """What our verifier reads."""
        return Snapshot.read(self.repository)

    def openssl(self, workspace: Path) -> OpensslJudge:
        """OpenSSL over what is published."""
        return OpensslJudge.over(from_folder(self.repository), self.policies, workspace)


def make_nation(
    folder: Path, suite: Suite, *, text: str | None = None, keys: SubjectKeyRule | None = None,
    csrs: tuple[bytes, bytes] | None = None, clock: str = "2014-09-01T00:00Z",
) -> Nation:  # fmt: skip
    """A nation with two holders of one prefecture.

    ``text`` is its edition, if not japan-2014 under the suite. ``csrs`` are the holders' requests, if not on new keys
    of the suite, and ``keys`` what they may hold.
    """
    home = make_home(folder, text or one_prefecture(suite=suite), clock)
    with open_world(home, lambda: PASSPHRASE) as world:
        desk = Desk(world, keys or keys_of(suite))
        good, revoked = (
            desk.issue({KIND: csr}, number)[0]
            for number, csr in enumerate(csrs or (request(suite), request(suite)), start=1)
        )
        desk.end(revoked)
        generations = ("gpki-bca.g1", "jpki-bridge.g1", "jpki-31.g1")
        lists = [f"g/{generation}/crl/arl.crl" for generation in generations[:-1]]
        lists.append(f"g/{generations[-1]}/crl/{good.record.scope}.crl")
        return Nation(
            suite=suite,
            repository=world.home.repository,
            anchor=desk.read("g/gpki-bca.g1/self.cer"),
            chain=tuple(
                desk.read(f"g/{issuer}/cross/{subject}.cer") for issuer, subject in pairwise(generations)
            ),
            good=good,
            revoked=revoked,
            lists=tuple(map(desk.read, lists)),
            answer=desk.answer(good),
            signed=desk.read("manifest.p7s"),
            content=desk.read("manifest.json"),
            policies=tuple(world.plan.trusted_policies),
            # To Java a certificate is still good in the second of its revocation.
            at=world.clock() + MINUTE,
        )


TOTTORI = GenerationId.parse("jpki-31.g1")
