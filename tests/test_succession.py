"""A new key for an authority: what it signs, what the old one goes on signing, and that OpenSSL follows the links."""

from __future__ import annotations

import os
import random
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest
from asn1crypto import pem

from bridge.repository.contents import publish_all, publish_lists
from bridge.repository.layout import cross_path, list_path, self_signed_path
from ca.errors import Conflict, KeyRefused, NotFound
from ca.issuing import founding
from ca.issuing.cycle import IssuedCertificate
from ca.issuing.renewal import renew_responders
from ca.issuing.succession import Succession
from ca.model import ARL, AuthorityId, CertificateId, CertificateKind, GenerationId, RevocationReason
from ca.revoking.deciding.by_hand import revoke
from ca.revoking.lists.publication import publish_changes
from ca.store import authorities, certificates, lists, responders
from ca.wire.facts import read_certificate
from front.demo.openssl import run as openssl
from front.demo.openssl import write_certificate
from front.demo.people import invented_code
from tests import rings, sudden_death
from tests.engine_world import NOW, EngineWorld, Running, engine_world, lines, opened, preload

preload(__name__)
TOTTORI = AuthorityId("jpki-31")
OLD, NEW = GenerationId(TOTTORI, 1), GenerationId(TOTTORI, 2)
BRIDGE, ANCHOR = GenerationId.parse("jpki-bridge.g1"), GenerationId.parse("gpki-bca.g1")
LATER = NOW + timedelta(days=20)
SIGNATURE = CertificateKind.SIGNATURE


@pytest.fixture
def world(tmp_path: Path) -> Iterator[EngineWorld]:
    with engine_world(tmp_path / "world") as made:
        yield made


def succession(world: EngineWorld) -> Succession:
    return Succession(world.issuers, world.plan.municipalities, world.chance)


def publish(world: EngineWorld) -> None:
    publish_all(world.issuers, world.plan, world.repository, at=LATER)


def test_a_succession_makes_all_that_a_generation_has(world):
    new = succession(world).succeed(NEW, at=LATER)
    old = world.issuers.of(OLD)
    assert new.record.public_key != old.record.public_key
    assert new.practice is old.practice
    with world.stores.nation.reading() as connection:
        assert authorities.issuing_generation(connection, TOTTORI) == NEW
        links = {
            (made.generation, subject): certificates.find(connection, made)
            for subject, made in authorities.crosses(connection)
            if made.generation.authority == subject.authority
        }
        assert links.keys() == {(OLD, NEW), (NEW, OLD)}
        assert lists.places_of(connection, NEW) == lists.places_of(connection, OLD)
        (responder,) = responders.newest(connection, NEW)
        own = certificates.find(connection, CertificateId(NEW, new.record.serial))
        assert certificates.intended(connection) == []
    assert own.kind is CertificateKind.SELF_SIGNED
    assert responder.key == "jpki-31.g2.ocsp"
    for (issuer, subject), link in links.items():
        facts = read_certificate(link.encoded, "link")
        assert link.kind is CertificateKind.LINK
        assert facts.public_key == world.issuers.of(subject).record.public_key
        assert facts.authority_key is not None
        assert facts.authority_key.key_identifier == world.issuers.of(issuer).key_identifier
        assert facts.not_before == LATER
        assert facts.not_after == old.record.period.not_after


def test_a_succession_that_is_complete_changes_nothing(world):
    succession(world).succeed(NEW, at=LATER)
    before = world.dump()
    succession(world).succeed(NEW, at=LATER)
    assert world.dump() == before


def holder(world: EngineWorld, number: int) -> IssuedCertificate:
    """A signature certificate of a resident of this number."""
    return world.issued(code=invented_code(number), at=LATER)[SIGNATURE]


def test_the_new_key_signs_and_the_old_one_ends_what_it_signed(world):
    """Lists of both go on; what the old key issued ends on the old key's lists alone."""
    before = holder(world, 1)
    succession(world).succeed(NEW, at=LATER)
    publish(world)
    after = holder(world, 2)
    assert [one.id.generation for one in (before, after)] == [OLD, NEW]
    assert before.record.scope == after.record.scope
    facts = read_certificate(after.encoded, "after")
    assert facts.authority_key is not None
    assert facts.authority_key.key_identifier == world.issuers.of(NEW).key_identifier
    for one, generation in ((before, OLD), (after, NEW)):
        ended = revoke(world.stores, one.id, RevocationReason.SUPERSEDED, "operator", at=LATER)
        made = publish_changes(world.issuers, world.repository, at=LATER)
        assert {(record.generation, record.scope) for record in made} == {
            (generation, scope) for scope in ended.scopes
        }
        assert [record.entries for record in made] == [1, 1]


def test_the_lists_of_both_keys_are_made_again_in_their_time(world):
    succession(world).succeed(NEW, at=LATER)
    publish(world)
    much_later = LATER + timedelta(days=2)
    for generation in (OLD, NEW):
        made = publish_lists(world.issuers, generation, world.repository, at=much_later)
        with world.stores.nation.reading() as connection:
            places = lists.places_of(connection, generation)
        assert {record.scope for record in made} == {place.scope for place in places}


def test_the_old_keys_responder_is_renewed_as_long_as_somebody_may_ask(world):
    holder(world, 1)
    succession(world).succeed(NEW, at=LATER)
    at = NOW + timedelta(days=25)
    renewed = renew_responders(world.issuers, chance=world.chance, at=at)
    assert OLD in {one.id.generation for one in renewed}
    assert NEW not in {one.id.generation for one in renewed}, "that one is new"


def test_openssl_follows_the_links_both_ways(world, tmp_path):
    """From the nation's anchor over the old key to what the new one signed; from the new key to what the old one signed."""
    before = holder(world, 1)
    succession(world).succeed(NEW, at=LATER)
    after = holder(world, 2)
    publish(world)

    def public(path: str) -> bytes:
        return (world.repository.folder / path).read_bytes()

    def cross(issuer: GenerationId, subject: GenerationId) -> bytes:
        return public(cross_path(issuer, subject))

    def verified(
        leaf: IssuedCertificate, anchor: GenerationId, *steps: tuple[GenerationId, GenerationId]
    ) -> bool:
        signers = [anchor, *(subject for _, subject in steps)]
        wanted = [list_path(signer, ARL) for signer in signers[:-1] or [anchor]]
        if anchor == signers[-1]:
            wanted = [list_path(anchor, ARL)]
        wanted.append(list_path(signers[-1], leaf.record.scope))
        (tmp_path / "lists.pem").write_bytes(b"".join(pem.armor("X509 CRL", public(path)) for path in wanted))
        write_certificate(tmp_path / "anchor.pem", public(self_signed_path(anchor)))
        write_certificate(tmp_path / "leaf.pem", leaf.encoded)
        (tmp_path / "steps.pem").write_bytes(
            b"".join(pem.armor("CERTIFICATE", cross(*step)) for step in steps)
        )
        said = openssl(
            "verify", "-attime", str(int(LATER.timestamp())), "-CAfile", tmp_path / "anchor.pem",
            *(("-untrusted", tmp_path / "steps.pem") if steps else ()), "-explicit_policy",
            "-policy", "1.2.392.200149.8.5.1.0.20" if anchor == NEW else "2.999.2014.1.1",
            "-CRLfile", tmp_path / "lists.pem", "-crl_check_all", tmp_path / "leaf.pem", check=False,
        )  # fmt: skip
        return said.returncode == 0

    assert verified(after, ANCHOR, (ANCHOR, BRIDGE), (BRIDGE, OLD), (OLD, NEW))
    assert verified(before, NEW, (NEW, OLD))
    assert not verified(after, ANCHOR, (ANCHOR, BRIDGE), (BRIDGE, OLD))


def test_generations_follow_each_other(world):
    third = GenerationId(TOTTORI, 3)
    with pytest.raises(Conflict, match="follow each other"):
        succession(world).succeed(third, at=LATER)
    with pytest.raises(NotFound):
        succession(world).succeed(GenerationId(AuthorityId("nobody"), 2), at=LATER)
    with pytest.raises(Conflict, match="follow each other"):
        succession(world).succeed(OLD, at=LATER)
    succession(world).succeed(NEW, at=LATER)
    succession(world).succeed(third, at=LATER)
    with world.stores.nation.reading() as connection:
        links = [
            (made.generation.number, subject.number)
            for subject, made in authorities.crosses(connection)
            if made.generation.authority == subject.authority
        ]
    assert sorted(links) == [(1, 2), (2, 1), (2, 3), (3, 2)]


def test_a_quicker_process_has_made_it_all(world, monkeypatch):
    """What is there is looked at again where it is written down: nothing is made twice."""
    inner = []

    def race(name, before):
        def slow(*words, **more):
            made = before(*words, **more)
            if name not in inner:
                inner.append(name)
                succession(world).succeed(NEW, at=LATER)
            return made

        return slow

    for name in ("found", "link", "service"):
        monkeypatch.setattr(f"ca.issuing.step_making.{name}", race(name, getattr(founding, name)))
    succession(world).succeed(NEW, at=LATER)
    assert inner == ["found", "link", "service"]
    before = world.dump()
    with world.stores.nation.reading() as connection:
        made = [one for one in authorities.services(connection) if one.certificate.generation == NEW]
        links = [
            one for one, made in authorities.crosses(connection) if one.authority == made.generation.authority
        ]
        assert certificates.intended(connection) == []
    assert (len(made), len(links)) == (1, 2)
    succession(world).succeed(NEW, at=LATER)
    assert world.dump() == before


@pytest.mark.parametrize("name", ["found", "link", "service"])
def test_an_interrupted_succession_is_resumed(world, monkeypatch, name):
    def dies(*_, **__):
        raise KeyRefused("key", "the token does not answer")

    with monkeypatch.context() as patch:
        patch.setattr(f"ca.issuing.step_making.{name}", dies)
        with pytest.raises(KeyRefused):
            succession(world).succeed(NEW, at=LATER)
    succession(world).succeed(NEW, at=LATER)
    with world.stores.nation.reading() as connection:
        assert authorities.issuing_generation(connection, TOTTORI) == NEW
        assert [one.generation for one in responders.newest(connection, NEW)] == [NEW]
        assert (
            sum(one.authority == it.generation.authority for one, it in authorities.crosses(connection)) == 2
        )


# Sudden death.


def succeed_mortally(folder: Path, seed: int) -> None:
    sudden_death.CALLS = 8
    dice = random.Random(seed)
    with opened(folder) as world:
        sudden_death.mortal(dice, folder / "deaths")
        succession(world).succeed(NEW, at=LATER)
    os._exit(0)


@pytest.mark.deeper
def test_an_interrupted_succession_is_completed(tmp_path, world):
    """What comes out is what comes out when nobody dies."""
    succession(world).succeed(NEW, at=LATER)
    wanted, deaths = world.dump(), 0
    for trial in range(max(2, rings.KILLS // 10)):
        folder = tmp_path / f"world-{trial}"
        with engine_world(folder):
            pass
        for seed in range(1000 * trial, 1000 * trial + 200):
            code = Running(succeed_mortally, folder, seed).wait()
            if code == 0:
                break
            assert code == -9
        with opened(folder) as other:
            found = other.dump()
        assert made_of(found) == made_of(wanted)
        deaths += len(lines(folder / "deaths"))
    assert deaths, "somebody died"


def made_of(dump: dict[str, list[tuple[object, ...]]]) -> dict[str, object]:
    """Certificates and all that belongs to them: serials are a seeded world's, and so the same."""
    tables = (
        "generations",
        "certificates",
        "certificate_bytes",
        "cross_certificates",
        "service_certificates",
        "list_places",
    )
    return {name: rows for name, rows in dump.items() if name.partition(" ")[2] in tables}
