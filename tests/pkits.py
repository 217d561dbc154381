"""NIST's Public Key Interoperability Test Suite as cryptography-vectors carries it: every case, and what verifies it.

PKITS (version 1.0.1) numbers 224 cases; with the policy sets that some are to be asked with they are 247, and two more
of 4.8.1 ask without requiring a policy. The verifier gets the whole suite's certificates and lists at once and has to
find the path itself, rather than the few files that PKITS names for a case.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cache
from pathlib import Path

import cryptography_vectors
from asn1crypto import keys
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import dsa
from cryptography.hazmat.primitives.serialization import load_der_public_key

from bridge.manifest import Marking
from bridge.relying.finding.carried import Carried
from bridge.relying.rejection import PathRejected, Reason
from bridge.relying.trust import ListKeys, PolicyDemand, Trust
from bridge.relying.verify import VerifiedPath, verify
from ca.errors import BadInput, KeyRefused

DATA = Path(cryptography_vectors.__file__).parent / "x509" / "PKITS_data"
AT = datetime(2016, 1, 1, tzinfo=UTC)
DSA_WITH_SHA1 = "1.2.840.10040.4.3"


def certificate(name: str) -> bytes:
    return (DATA / "certs" / f"{name}.crt").read_bytes()


def crl(name: str) -> bytes:
    return (DATA / "crls" / f"{name}.crl").read_bytes()


def names(folder: str) -> list[str]:
    return sorted(file.stem for file in (DATA / folder).iterdir())


CAS = tuple(name for name in names("certs") if not name.endswith("EE"))
LISTS = tuple(names("crls"))
ANCHOR = certificate("TrustAnchorRootCertificate")


@cache
def everything() -> Carried:
    """The suite: every certificate but the leaves, and every list. Its anchor is among them and is no step."""
    return Carried(
        certificates=map(certificate, CAS),
        lists=map(crl, LISTS),
    )


class Dsa:
    """DSA with SHA-1, as PKITS 4.1.4 to 4.1.6 use it, and production does not.

    A key without parameters inherits its issuer's (RFC 3279 2.3.2): those of the key that checked a signature before.
    """

    def __init__(self) -> None:
        self._inherited: keys.DSAParams | None = None

    def __call__(self, public_key: bytes, message: bytes, signature: bytes) -> None:
        info = keys.PublicKeyInfo.load(public_key).copy()
        if info["algorithm"]["parameters"].native is None:
            info["algorithm"]["parameters"] = self._inherited
        self._inherited = info["algorithm"]["parameters"].copy()
        found = load_der_public_key(info.dump(force=True))
        assert isinstance(found, dsa.DSAPublicKey)
        try:
            found.verify(signature, message, hashes.SHA1())  # noqa: S303 - what PKITS is signed with
        except InvalidSignature:
            raise KeyRefused("DSA key", "made a wrong signature") from None


@dataclass(frozen=True)
class Case:
    """A case of PKITS, asked with one policy set.

    Attributes:
        number: As PKITS numbers it.
        leaf: The certificate to verify, without the EE at its end.
        policies: The numbers of the NIST test policies to accept; empty for any.
        demand: What else is asked of policies.
        reason: Why it is refused; None if it is valid.
    """

    number: str
    leaf: str
    policies: tuple[int, ...]
    demand: PolicyDemand
    reason: Reason | None

    @property
    def id(self) -> str:
        asked = "".join(f" P{number}" for number in self.policies)
        words = {"explicit": "E", "inhibit_mapping": "M", "inhibit_any": "A"}
        flags = "".join(f" {word}" for field, word in words.items() if getattr(self.demand, field))
        return self.number + asked + flags

    @property
    def der(self) -> bytes:
        return certificate(f"{self.leaf}EE")

    @property
    def oids(self) -> frozenset[str]:
        return frozenset(f"2.16.840.1.101.3.2.1.48.{number}" for number in self.policies)

    def trust(self, list_keys: ListKeys = ListKeys.ANY_OF_ISSUER, *, believes_dsa: bool = True) -> Trust:
        """The trust that PKITS wants: any key of an issuer signs its lists, and DSA is believed."""
        more = {DSA_WITH_SHA1: Dsa()} if believes_dsa else {}
        return Trust((ANCHOR,), self.oids, Marking.TEST, self.demand, list_keys=list_keys, more_suites=more)

    def path(self, trust: Trust, material: Carried | None = None) -> VerifiedPath:
        return verify(self.der, material or everything(), trust, AT)

    def verdict(self, trust: Trust, material: Carried | None = None) -> Reason | None:
        try:
            self.path(trust, material)
        except PathRejected as rejected:
            return rejected.reason
        except BadInput:  # the leaf itself is none
            return Reason.UNREADABLE
        return None


def _case(line: str) -> Case:
    """Number, leaf, what is asked, verdict. Asked: policies, E(xplicit), inhibit M(apping), inhibit A(ny), or -."""
    number, leaf, asked, verdict = line.split()
    words = asked.split("+")
    policies = [int(digit) for word in words for digit in re.findall("[0-9]", word)]
    demand = PolicyDemand(
        explicit="E" in words, inhibit_mapping="M" in words, inhibit_any="A" in words, any_policy=not policies
    )
    reason = None if verdict == "valid" else Reason(verdict.replace("-", " "))
    return Case(number, leaf, tuple(policies), demand, reason)


CASES = [_case(line) for line in Path(__file__).with_name("pkits_cases.txt").read_text().splitlines()]
