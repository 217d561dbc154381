"""Meshes of CAs for the path search: several generations with links, and many CAs that have all certified each other.

Certificates are handed over as they are (``bridge.relying.finding.carried``), without a repository. Lists cover every CA.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from itertools import pairwise, permutations

from bridge.manifest import Marking
from bridge.relying.budget import USUAL, Limits
from bridge.relying.finding.carried import Carried
from bridge.relying.trust import Trust
from ca.wire import der, walk
from tests.relying_world import (
    ANCHOR,
    AT,
    BRIDGE,
    GPKI_POLICY,
    HOLDER,
    JPKI_POLICY,
    PREFECTURE,
    Cert,
    Crl,
    Steps,
    key_id,
    name,
    o,
    public,
    signed_again,
)

__all__ = ["AT", "Mesh", "crossed", "generations"]


@dataclass
class Mesh:
    """What a verifier is handed: an anchor, a holder's certificate, and everything between."""

    anchor: bytes
    leaf: bytes
    certificates: list[bytes] = field(default_factory=list)
    lists: list[bytes] = field(default_factory=list)

    def material(self) -> Carried:
        return Carried(certificates=self.certificates, lists=self.lists)

    def trust(self, limits: Limits = USUAL) -> Trust:
        return Trust((self.anchor,), frozenset({GPKI_POLICY}), Marking.TEST, limits=limits)


def generations(count: int = 2, *, maps: bool = True) -> Mesh:
    """Three levels of that many generations: each has certified all of the level below, and links all of its own.

    The anchor is the oldest key of the first level, the holder's issuer the newest of the last.
    """
    levels = [(ANCHOR, 0), (BRIDGE, 20), (PREFECTURE, 40)]
    mappings = [(GPKI_POLICY, JPKI_POLICY)] if maps else []
    made: list[Cert] = []
    for (above, first), (below, second) in pairwise(levels):
        for signer in range(count):
            for subject in range(count):
                policies = [GPKI_POLICY if above is ANCHOR else JPKI_POLICY]
                made.append(_cross(below, above, second + subject, first + signer, policies))
                made[-1].mappings = mappings if above is ANCHOR else []
    for steps, first in levels:
        policies = [GPKI_POLICY if steps is ANCHOR else JPKI_POLICY]
        made += [
            _cross(steps, steps, first + new, first + old, policies)
            for old, new in permutations(range(count), 2)
        ]
    last = 40 + count - 1
    leaf = Cert(HOLDER, PREFECTURE, 3, last, 0x3001, ca=False, usage=None, policies=[JPKI_POLICY])
    lists = [Crl("x", "full", steps, first + number) for steps, first in levels for number in range(count)]
    return Mesh(_anchor().der(), leaf.der(), [one.der() for one in made], [one.der() for one in lists])


def _anchor() -> Cert:
    return Cert(ANCHOR, ANCHOR, key=0, signer=0, serial=1, self_signed=True)


def _cross(subject: Steps, issuer: Steps, number: int, signer: int, policies: list[str]) -> Cert:
    return Cert(subject, issuer, number, signer, 0x9000 + 0x100 * number + signer, policies=policies)


def crossed(size: int, *, maps: bool = True) -> Mesh:
    """So many CAs that have all certified each other; the anchor has certified the first, the last the holder.

    Without mappings none of the paths is valid. Made from one template, since thousands are made.
    """
    cas = [(o("MESH", f"{number:03}"), 10 + number) for number in range(size)]
    template = _cross(cas[1][0], cas[0][0], cas[1][1], cas[0][1], [JPKI_POLICY])
    like = _Template(template)
    crosses = [like.between(*pair) for pair in permutations(cas, 2)]
    (first, number), (last, signer) = cas[0], cas[-1]
    entry = _cross(first, ANCHOR, number, 0, [GPKI_POLICY])
    entry.mappings = [(GPKI_POLICY, JPKI_POLICY)] if maps else []
    leaf = Cert(HOLDER, last, 3, signer, 0x3001, ca=False, usage=None, policies=[JPKI_POLICY])
    lists = [Crl("x", "full", ANCHOR, 0), *(Crl("x", "full", steps, number) for steps, number in cas)]
    return Mesh(_anchor().der(), leaf.der(), [entry.der(), *crosses], [one.der() for one in lists])


class _Template:
    """A certificate that many others are made from: names and keys change, the rest stays."""

    def __init__(self, model: Cert) -> None:
        self._octets = model.der()
        self._subject, self._issuer = key_id(model.key), key_id(model.signer)

    def between(self, issuer: tuple[Steps, int], subject: tuple[Steps, int]) -> bytes:
        ids = {self._subject: key_id(subject[1]), self._issuer: key_id(issuer[1])}
        either = re.compile(b"|".join(map(re.escape, ids)), re.DOTALL)

        def change(tbs: bytes) -> bytes:
            inside = walk.only(tbs, 0x30)
            fields = [one.whole(tbs) for one in walk.elements(tbs, inside.start, inside.end)]
            fields[3], fields[5] = name(issuer[0]).dump(), name(subject[0]).dump()
            fields[6] = public(subject[1]).dump()
            fields[7] = either.sub(lambda found: ids[found[0]], fields[7])
            return der.sequence(*fields)

        return signed_again(self._octets, issuer[1], change)
