"""What a relying party is measured with: towns with long lists, and meshes of CAs; made with none of our issuing code."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from itertools import pairwise, product
from pathlib import Path

from asn1crypto import parser
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import padding

from bridge.manifest import Marking
from bridge.relying.finding.carried import Carried
from bridge.relying.trust import Trust
from ca.wire import der
from tests import relying_world as toy
from tests.relying_world import AT, DAY, GPKI_POLICY, Cert, Crl, Steps, World, o

_FIRST_SERIAL = 1 << 24  # four octets each, as many as the one that all others are made from


def holders(count: int) -> list[bytes]:
    """Certificates of one town, which no list names."""
    holder = World().holder
    return [replace(holder, serial=holder.serial + number).der() for number in range(count)]


def trust() -> Trust:
    """In the toy world's anchor."""
    return Trust((World().anchor.der(),), frozenset({GPKI_POLICY}), Marking.TEST)


def published(folder: Path, entries: int) -> Path:
    """The toy world with so many certificates on the town's list."""
    world = World()
    world.town.revoked = {_FIRST_SERIAL: (AT - DAY, "key_compromise")}
    world.publish(folder)
    newest = folder / "g/jpki-13.g1/crl/signature-131016.crl"
    newest.unlink()  # a link to the numbered one
    newest.write_bytes(_lengthened(world.town, entries))
    return folder


def _lengthened(town: Crl, entries: int) -> bytes:
    """The list with its one entry so many times, each with a serial of its own; signed anew."""
    tbs, algorithm, _ = _children(town.der())
    parts = list(_children(tbs))
    place = next(
        number for number, part in enumerate(parts) if number > 3 and part[0] == 0x30
    )  # behind version, algorithm, issuer and times
    (entry,) = _children(parts[place])
    written = der.integer(_FIRST_SERIAL)
    assert entry.count(written) == 1
    parts[place] = der.sequence(
        *(entry.replace(written, der.integer(_FIRST_SERIAL + number)) for number in range(entries))
    )
    tbs = der.sequence(*parts)
    signature = toy.key(town.signer).sign(tbs, padding.PKCS1v15(), hashes.SHA256())
    return der.sequence(tbs, algorithm, der.bit_string(signature))


def _children(encoded: bytes) -> Iterator[bytes]:
    """The elements within one."""
    _, _, _, _, content, _ = parser.parse(encoded, strict=True)
    at = 0
    while at < len(content):
        _, _, _, header, inner, trailer = parser.parse(content[at:])
        length = len(header) + len(inner) + len(trailer)
        yield content[at : at + length]
        at += length


@dataclass(frozen=True)
class Mesh:
    """A holder below a mesh, and what a verifier finds of it.

    Attributes:
        crosses: How many CA certificates there are besides the anchor's.
    """

    leaf: bytes
    material: Carried
    trust: Trust
    crosses: int


def levels(count: int, generations: int) -> Mesh:
    """An anchor, then so many CAs one below another, of so many generations each.

    Every generation is cross-certified with every one of the next CA in both directions, and linked with every other
    one of its own; the anchor has certified all of the first.
    """
    cas = [
        [_Ca(o(f"LEVEL{level}"), 1 + level * generations + number) for number in range(generations)]
        for level in range(count)
    ]
    crosses = [(_ANCHOR, ca) for ca in cas[0]]
    for upper, lower in pairwise(cas):
        crosses += [pair for one, other in product(upper, lower) for pair in ((one, other), (other, one))]
    for ca in cas:
        crosses += [(one, other) for one, other in product(ca, ca) if one is not other]
    return _mesh(crosses, cas[-1][-1])


def crossed(count: int) -> Mesh:
    """So many CAs, each of which has certified every other one; the anchor knows the first, the holder is the last's."""
    cas = [_Ca(o(f"BRIDGE{number}"), 1 + number) for number in range(count)]
    crosses = [(one, other) for one, other in product(cas, cas) if one is not other]
    return _mesh([(_ANCHOR, cas[0]), *crosses], cas[-1])


@dataclass(frozen=True)
class _Ca:
    name: Steps
    key: int


_ANCHOR = _Ca(toy.ANCHOR, 0)


def _mesh(crosses: list[tuple[_Ca, _Ca]], last: _Ca) -> Mesh:
    certificates = [
        Cert(
            subject.name, issuer.name, key=subject.key, signer=issuer.key, serial=0x1000 + number,
            policies=[GPKI_POLICY], point=issuer.name,
        ).der()
        for number, (issuer, subject) in enumerate(crosses)
    ]  # fmt: skip
    issuers = {ca.key: ca for pair in crosses for ca in pair}.values()
    lists = [Crl("", "arl", ca.name, ca.key, point=ca.name, holds="ca").der() for ca in issuers]
    town = (*last.name, ("common_name", "Town CRLDP"))
    lists.append(Crl("", "town", last.name, last.key, point=town, holds="user").der())
    holder = Cert(
        toy.HOLDER, last.name, key=last.key + 1, signer=last.key, serial=0x9000, ca=False,
        usage={"digital_signature"}, policies=[GPKI_POLICY], point=town,
    )  # fmt: skip
    anchor = Cert(toy.ANCHOR, toy.ANCHOR, key=0, signer=0, serial=1, self_signed=True, policies=[GPKI_POLICY])
    return Mesh(
        holder.der(),
        Carried(certificates=certificates, lists=lists, marking=Marking.TEST),
        Trust((anchor.der(),), frozenset({GPKI_POLICY}), Marking.TEST),
        len(certificates),
    )
