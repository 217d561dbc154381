"""One private key is one key, whatever its octets: the other point over one x, another exponent of one modulus."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from itertools import count
from math import gcd
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from hypothesis import given
from hypothesis import strategies as st

from ca.errors import Conflict, CsrRefused
from ca.issuing import standing
from ca.issuing.batch import BatchRow
from ca.issuing.issuer import Issuers
from ca.keys.kinds import EXPONENT
from ca.keys.vault import KeyId
from ca.model import RESIDENT_KINDS, CertificateKind, RevocationReason, resident_code
from ca.revoking.deciding.by_hand import revoke
from ca.rules.registration import State, Step
from ca.store import applications
from ca.suites import (
    MAXIMUM_EXPONENT,
    ML_DSA_65,
    P256_KEYS,
    P384_KEYS,
    RSA1024_KEYS,
    RSA2048_KEYS,
    SHA256_P256,
    RsaKeys,
    SubjectKeyRule,
)
from ca.wire.same_keys import same_key
from front.assembly import open_world
from tests.engine_world import NOW, EngineWorld, csr_of, engine_world, holder_key
from tests.old_world import short_request
from tests.suite_keys import signer_for
from tests.suite_world import KIND, PASSPHRASE, Desk, make_home, one_prefecture
from tests.test_batch import answers, issue, problem, row

SIGNATURE, USER_AUTHENTICATION = RESIDENT_KINDS
LATER = NOW + timedelta(hours=1)
SOMEBODY_ELSE = resident_code("00000000027")
USED, ONE_KEY = "its key is in another certificate or application", "asks for two kinds with one key"
COMPROMISED = "its key was reported compromised"

# SP 800-186 3.2.1: how many points the curves have.
ORDERS = {
    ec.SECP256R1: 0xFFFFFFFF00000000FFFFFFFFFFFFFFFFBCE6FAADA7179E84F3B9CAC2FC632551,
    ec.SECP384R1: 0xFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFC7634D81F4372DDF581A0DB248B0A77AECEC196ACCC52973,
}
CURVES = [ec.SECP256R1(), ec.SECP384R1()]
Key = rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey


def info_of(key: Key) -> bytes:
    return key.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)


def mirrored(key: ec.EllipticCurvePrivateKey) -> ec.EllipticCurvePrivateKey:
    """What whoever has the key has too: n - d."""
    number = key.private_numbers().private_value
    return ec.derive_private_key(ORDERS[type(key.curve)] - number, key.curve)


def with_another_exponent(key: rsa.RSAPrivateKey) -> rsa.RSAPrivateKey:
    """What whoever has the key has too: the same primes."""
    known = key.private_numbers()
    p, q = known.p, known.q
    exponent = next(e for e in count(EXPONENT + 2, 2) if gcd(e, (p - 1) * (q - 1)) == 1)
    d = rsa.rsa_recover_private_exponent(exponent, p, q)
    return rsa.RSAPrivateNumbers(
        p=p, q=q, d=d, dmp1=rsa.rsa_crt_dmp1(d, p), dmq1=rsa.rsa_crt_dmq1(d, q), iqmp=rsa.rsa_crt_iqmp(p, q),
        public_numbers=rsa.RSAPublicNumbers(exponent, p * q),
    ).private_key(unsafe_skip_rsa_key_validation=True)  # fmt: skip


@pytest.mark.parametrize("curve", CURVES, ids=lambda curve: curve.name)
@given(number=st.integers(1, 2**256 - 2**225))
def test_a_point_has_the_other_over_its_x_beside_it(curve: ec.EllipticCurve, number: int) -> None:
    """The library reckons the other point from n - d; octet by octet it is the one that we name."""
    key = ec.derive_private_key(number, curve)
    point, other = info_of(key), info_of(mirrored(key))
    assert same_key(point) == (point, other)
    assert same_key(other) == (other, point)


@pytest.mark.parametrize(
    "info",
    [
        info_of(holder_key(1)), signer_for(ML_DSA_65).public_key, info_of(ec.derive_private_key(5, ec.SECP521R1())),
        info_of(ec.derive_private_key(5, CURVES[0]))[:-1], info_of(ec.derive_private_key(5, CURVES[0])) + b"\0", b"",
    ],
    ids=["RSA", "ML-DSA", "another curve", "too short", "too long", "nothing"],
)  # fmt: skip
def test_others_are_alone(info: bytes) -> None:
    assert same_key(info) == (info,)


# Worlds, their holders' keys by a rule of the test.


def under(world: EngineWorld, rule: SubjectKeyRule) -> None:
    """From now on the world's holders have keys by this rule."""
    practices = {
        authority: replace(
            practice, holders={kind: replace(one, keys=rule) for kind, one in practice.holders.items()}
        )
        for authority, practice in world.plan.practices.items()
    }
    world.issuers = Issuers(world.stores, world.vault, practices)


@pytest.fixture
def world(tmp_path: Path) -> Iterator[EngineWorld]:
    with engine_world(tmp_path / "world") as made:
        under(made, RSA2048_KEYS | P256_KEYS | P384_KEYS)
        yield made


Ask = Callable[[EngineWorld, Key, Key], Any]
"""Something is done with the first key; gives the requests that then ask for the second, which is the same key."""


def asks(key: Key) -> dict[CertificateKind, bytes]:
    return {SIGNATURE: csr_of(key, "asks")}


def another_holder(world: EngineWorld, key: Key, twin: Key) -> dict[CertificateKind, bytes]:
    world.issued(csrs=asks(key))
    return asks(twin)


def other_kind(world: EngineWorld, key: Key, twin: Key) -> dict[CertificateKind, bytes]:
    world.issued(csrs=asks(key))
    return {USER_AUTHENTICATION: csr_of(twin, "other kind")}


def both_kinds(_: EngineWorld, key: Key, twin: Key) -> dict[CertificateKind, bytes]:
    return {**asks(key), USER_AUTHENTICATION: csr_of(twin, "both kinds")}


def open_case(world: EngineWorld, key: Key, twin: Key) -> dict[CertificateKind, bytes]:
    world.filed(csrs=asks(key))
    return asks(twin)


def earlier_row(world: EngineWorld, key: Key, twin: Key) -> dict[CertificateKind, bytes]:
    issue(world, row(world, 1001, csrs=tuple(asks(key).items())))
    return asks(twin)


def compromised(world: EngineWorld, key: Key, twin: Key) -> dict[CertificateKind, bytes]:
    issued = world.issued(csrs=asks(key))
    reason = RevocationReason.KEY_COMPROMISE
    revoke(world.stores, issued[SIGNATURE].id, reason, "operator", at=NOW)
    return asks(twin)


WAYS: dict[str, tuple[Ask, str]] = {
    "another holder": (another_holder, USED),
    "another kind": (other_kind, USED),
    "both kinds at once": (both_kinds, ONE_KEY),
    "an open case": (open_case, USED),
    "a row of a batch": (earlier_row, USED),
    "reported compromised": (compromised, COMPROMISED),
}
KEYS: dict[str, Callable[[], ec.EllipticCurvePrivateKey]] = {
    "P-256": lambda: ec.generate_private_key(CURVES[0]),
    "P-384": lambda: ec.generate_private_key(CURVES[1]),
}


@pytest.mark.parametrize("name", WAYS)
@pytest.mark.parametrize("kind", KEYS)
def test_the_other_point_is_the_same_key(world: EngineWorld, kind: str, name: str) -> None:
    ask, said = WAYS[name]
    key = KEYS[kind]()
    csrs = ask(world, key, mirrored(key))
    with pytest.raises(CsrRefused, match=said):
        world.filed(csrs=csrs, code=SOMEBODY_ELSE, at=LATER)
    issue(world, row(world, csrs=tuple(csrs.items())), at=LATER)
    assert said in problem(world)


def test_both_points_in_one_group_are_certified_once(world: EngineWorld) -> None:
    key = KEYS["P-256"]()
    rows: list[BatchRow] = [
        row(world, number, csrs=tuple(asks(one).items()))
        for number, one in enumerate((key, mirrored(key)), 1)
    ]
    done = issue(world, *rows)
    assert (done.issued, done.refused) == (1, 1)
    assert USED in problem(world, 2)
    assert [answer.problem is None for answer in answers(world)] == [True, False]


def test_both_points_in_cases_that_stand_already_are_certified_once(
    world: EngineWorld, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As a store may have them from the time when they passed for two keys."""
    key = KEYS["P-256"]()
    with monkeypatch.context() as then:
        then.setattr(standing, "same_key", lambda info: (info,))
        first, second = (world.approved(csrs=asks(one)).case.id for one in (key, mirrored(key)))
    world.registration.issue(first, "operator", at=LATER)
    with pytest.raises(Conflict, match="has been certified meanwhile"):
        world.registration.issue(second, "operator", at=LATER)


@pytest.mark.parametrize("twin", [lambda key: key, mirrored], ids=["itself", "its other point"])
def test_an_authority_on_a_curve_has_both_points(tmp_path: Path, twin: Callable[[Any], Key]) -> None:
    home = make_home(tmp_path, one_prefecture(suite=SHA256_P256), "2014-09-01T00:00Z")
    with open_world(home, lambda: PASSPHRASE) as opened:
        desk = Desk(opened, P256_KEYS)
        own = opened.vault()._signer(KeyId("jpki-31.g1"))._private
        with pytest.raises(CsrRefused, match=USED):
            desk.issue({KIND: csr_of(twin(own), "holder")})


@pytest.mark.parametrize("name", WAYS)
def test_another_exponent_of_a_modulus_is_refused(world: EngineWorld, name: str) -> None:
    ask, _ = WAYS[name]
    key = holder_key(900)
    csrs = ask(world, key, with_another_exponent(key))
    with pytest.raises(CsrRefused, match="its RSA exponent is not 65537"):
        world.filed(csrs=csrs, code=SOMEBODY_ELSE, at=LATER)
    issue(world, row(world, csrs=tuple(csrs.items())), at=LATER)
    assert "its RSA exponent is not 65537" in problem(world)


# The rule for holders' keys is asked again where the intent is written.

YEAR_ENDS = datetime(2015, 12, 31, 6, tzinfo=UTC)
ANY_EXPONENT = SubjectKeyRule(RsaKeys(2048, 4096, maximum_exponent=MAXIMUM_EXPONENT))


@pytest.mark.parametrize(
    ("filed_under", "issued_under", "csr", "days", "said"),
    [
        (RSA1024_KEYS, RSA1024_KEYS, lambda: short_request(1), (YEAR_ENDS, YEAR_ENDS + timedelta(days=8)),
         "its RSA key has 1024 bits; 2048 are the least"),
        (ANY_EXPONENT, RSA2048_KEYS, lambda: csr_of(with_another_exponent(holder_key(1)), "x"), (NOW, LATER),
         "its RSA exponent is not 65537"),
        (RSA2048_KEYS, P256_KEYS, lambda: csr_of(holder_key(1), "x"), (NOW, LATER),
         "holds an RSA key; certified is P-256"),
    ],
    ids=["its time is over", "filed under an earlier version", "the edition has moved on"],
)  # fmt: skip
def test_a_key_is_judged_on_the_day_of_issue(
    world: EngineWorld, filed_under: SubjectKeyRule, issued_under: SubjectKeyRule, csr: Callable[[], bytes],
    days: tuple[datetime, datetime], said: str,
) -> None:  # fmt: skip
    filed, later = days
    under(world, filed_under)
    case = world.approved(csrs={SIGNATURE: csr()}, at=filed).case.id
    under(world, issued_under)
    before = world.dump()
    with pytest.raises(CsrRefused) as refused:
        world.registration.issue(case, "operator", at=later)
    assert f"case {case}, signature request: {said}" in str(refused.value)
    assert world.dump() == before
    # The case is not stuck.
    world.registration.reject(case, "operator", at=later)
    with world.store.reading() as connection:
        found = applications.find(connection, case).case
    assert (found.state, found.history[-1].step) == (State.REJECTED, Step.REJECT)


def test_what_ends_in_this_second_is_still_held(world: EngineWorld) -> None:
    (issued,) = world.issued(kinds=(SIGNATURE,)).values()
    last = issued.record.period.not_after
    holder = applications_holder(world, issued.record.application)
    with world.stores.reading() as reading:
        found = standing.standing_of(reading, [holder], [])
    assert [one.certificate for one in found.live(holder, last.replace(microsecond=999_999))] == [issued.id]
    assert found.live(holder, last + timedelta(seconds=1)) == []


def applications_holder(world: EngineWorld, case: Any) -> bytes:
    with world.store.reading() as connection:
        holder = applications.find(connection, case).holder
    assert holder is not None
    return holder
