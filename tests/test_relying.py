"""The relying party on toy worlds, with OpenSSL's verdict beside ours."""

from __future__ import annotations

import asyncio
import dataclasses
import json
import pickle
import shutil
from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path

import pytest
from asn1crypto import core, x509
from hypothesis import given
from hypothesis import strategies as st
from pyhanko_certvalidator.authority import CertTrustAnchor, TrustQualifiers
from pyhanko_certvalidator.context import ValidationContext
from pyhanko_certvalidator.errors import PathValidationError
from pyhanko_certvalidator.path import ValidationPath
from pyhanko_certvalidator.policy_decl import (
    NO_REVOCATION,
    CertRevTrustPolicy,
    PKIXValidationParams,
    intersect_policy_sets,
)
from pyhanko_certvalidator.validate import validate_path

from bridge.manifest import Marking
from bridge.relying.budget import Budget, Limits
from bridge.relying.finding.snapshot import Snapshot
from bridge.relying.path import candidates
from bridge.relying.rejection import BudgetSpent, PathRejected, Reason
from bridge.relying.trust import Trust
from bridge.relying.verify import VerifiedPath, verify
from ca.errors import BadInput
from ca.model import RevocationReason
from ca.wire.facts import read_certificate
from tests.relying_world import (
    AT,
    BRIDGE,
    DAY,
    GPKI_POLICY,
    HOLDER,
    JPKI_POLICY,
    OTHER_POLICY,
    OTHER_TOWN,
    PREFECTURE,
    TOWN,
    Cert,
    Crl,
    Steps,
    World,
    name,
    o,
)

UNKNOWN_OID = "2.999.5.5"
UNKNOWN_CRITICAL = (UNKNOWN_OID, True, b"\x05\x00")


@dataclass(frozen=True)
class Case:
    """One thing changed in the right world, what we say, and whether OpenSSL accepts.

    Where the two differ, the reason stands beside the case; ``None`` where OpenSSL's versions differ.
    """

    id: str
    change: Callable[[World], object]
    reason: Reason | None = None
    step: int | None = None
    openssl: bool | None = False
    policy: str = GPKI_POLICY
    at: timedelta = timedelta()
    marking: Marking = Marking.TEST
    says: str = ""


def end(serial: int, when: timedelta = -DAY, reason: str | None = "affiliation_changed") -> dict:
    return {serial: (AT + when, reason)}


def change(target: Callable[[World], object], **values: object) -> Callable[[World], None]:
    def apply(world: World) -> None:
        for field, value in values.items():
            setattr(target(world), field, value)

    return apply


def nothing(world: World) -> None:
    """The right world as it is."""


def holder(**values: object) -> Callable[[World], None]:
    return change(lambda world: world.holder, **values)


def bridge(**values: object) -> Callable[[World], None]:
    return change(lambda world: world.to_bridge, **values)


def prefecture(**values: object) -> Callable[[World], None]:
    return change(lambda world: world.to_prefecture, **values)


def town(**values: object) -> Callable[[World], None]:
    return change(lambda world: world.town, **values)


def arl(generation: str, **values: object) -> Callable[[World], None]:
    return change(lambda world: world.arl(generation), **values)


def revoked_by_the_later_list(world: World) -> None:
    world.later_list("jpki-13.g1", "signature-131016", revoked=end(0x3001, DAY / 4))
    for generation, scope in world.lists:
        if scope == "arl":
            world.later_list(generation, scope)


def without_list(generation: str, scope: str) -> Callable[[World], object]:
    return lambda world: world.lists.pop((generation, scope))


def production(world: World) -> None:
    """The same world without -TEST in any name, marked for production."""

    def plain(steps: Steps | None) -> Steps | None:
        return steps and tuple((kind, value.removesuffix("-TEST")) for kind, value in steps)

    everything = [world.anchor, *world.crosses.values(), world.holder]
    for one in [*everything, *(one for found in world.lists.values() for one in found)]:
        for field in {"subject", "issuer", "point"} & vars(one).keys():
            setattr(one, field, plain(getattr(one, field)))
    world.authorities = {key: (plain(steps), number) for key, (steps, number) in world.authorities.items()}
    world.marking = "production"


def production_with_a_test_prefecture(world: World) -> None:
    production(world)
    world.to_prefecture.subject = world.holder.issuer = PREFECTURE
    for (generation, _), found in world.lists.items():
        for one in found:
            one.issuer = PREFECTURE if generation == "jpki-13.g1" else one.issuer
    world.authorities["jpki-13.g1"] = (PREFECTURE, 2)


def production_names_marked_test(world: World) -> None:
    production(world)
    world.marking = "test"


UPPER = tuple(
    (kind, f"  {value.upper()} ") if kind != "country_name" else (kind, value) for kind, value in PREFECTURE
)
ELSEWHERE = x509.NameConstraints(
    {"permitted_subtrees": [{"base": x509.GeneralName(name="directory_name", value=name(o("ELSEWHERE")))}]}
)

CASES = [
    Case("good", nothing, openssl=True),
    # Revocation
    Case(
        "revoked in the town's list",
        town(revoked=end(0x3001)),
        Reason.REVOKED,
        3,
        says="revoked since 2014-09-30T03:00:00Z, affiliationChanged",
    ),
    Case("another holder is revoked", town(revoked=end(0x3002)), openssl=True),
    Case(
        "revoked without a reason",
        town(revoked=end(0x3001, reason=None)),
        Reason.REVOKED,
        3,
        says="unspecified",
    ),
    # OpenSSL does not look at an entry's date.
    Case("revoked from a later moment on", town(revoked=end(0x3001, DAY / 4)), openssl=False),
    Case(
        "cross-certificate of the bridge revoked",
        arl("gpki-bca.g1", revoked=end(0x1001, reason="ca_compromise")),
        Reason.REVOKED,
        1,
    ),
    Case(
        "cross-certificate of the prefecture revoked",
        arl("jpki-bridge.g1", revoked=end(0x2001)),
        Reason.REVOKED,
        2,
    ),
    Case(
        "in the past, before the revocation",
        revoked_by_the_later_list,
        openssl=True,
    ),
    Case("after that revocation", revoked_by_the_later_list, Reason.REVOKED, 3, at=DAY),
    Case("before the first list", nothing, Reason.CANNOT_TELL, 1, at=-DAY),
    # Lists that do not speak
    Case("list of another town", town(point=OTHER_TOWN, listed_under=TOWN), Reason.CANNOT_TELL, 3),
    Case("the bridge's ARL is missing", without_list("jpki-bridge.g1", "arl"), Reason.CANNOT_TELL, 2),
    Case(
        "the town's list is missing",
        without_list("jpki-13.g1", "signature-131016"),
        Reason.CANNOT_TELL,
        3,
    ),
    Case("expired list", town(next_update=AT - timedelta(seconds=1)), Reason.CANNOT_TELL, 3),
    # OpenSSL counts the last second as over.
    Case("list at its last second", town(next_update=AT)),
    Case("list for CA certificates", town(holds="ca"), Reason.CANNOT_TELL, 3),
    Case("ARL for users", arl("jpki-bridge.g1", holds="user"), Reason.CANNOT_TELL, 2),
    Case("list signed by another key", town(signer=4, aki_key=2), Reason.CANNOT_TELL, 3),
    Case("list that names another key", town(aki_key=4), Reason.CANNOT_TELL, 3),
    Case("list of another issuer", town(issuer=BRIDGE), Reason.CANNOT_TELL, 3),
    # OpenSSL took a delta list for a whole one up to 3.0.19; 3.0.22 refuses it.
    Case("delta list", town(delta=True), Reason.CANNOT_TELL, 3, openssl=None),
    # OpenSSL reads an indirect list only if it is told to.
    Case("indirect list of the issuer's own", town(partial={"indirect_crl": True}), openssl=False),
    Case(
        "revoked in an indirect list of the issuer's own",
        town(partial={"indirect_crl": True}, revoked=end(0x3001)),
        Reason.REVOKED,
        3,
    ),
    Case(
        "list of some reasons",
        town(partial={"only_some_reasons": {"key_compromise"}}),
        Reason.CANNOT_TELL,
        3,
    ),
    Case("list with an unknown critical extension", town(more=[UNKNOWN_CRITICAL]), Reason.CANNOT_TELL, 3),
    Case(
        "another's entry with an unknown critical extension",
        town(revoked=end(0x3002), entry_more=[UNKNOWN_CRITICAL]),
        Reason.CANNOT_TELL,
        3,
    ),
    # OpenSSL's security level concerns certificates only.
    Case("list signed with SHA-1", town(digest="sha1"), Reason.CANNOT_TELL, 3, openssl=True),
    Case(
        "prefecture's key may not sign lists",
        prefecture(usage={"key_cert_sign"}),
        Reason.CANNOT_TELL,
        3,
    ),
    # Policies
    Case("another policy asked for", nothing, Reason.POLICY, 3, policy=OTHER_POLICY),
    Case(
        "the holder's own policy asked for, unmapped",
        nothing,
        Reason.POLICY,
        3,
        policy=JPKI_POLICY,
    ),
    Case("mapping missing", bridge(mappings=[]), Reason.POLICY, 2),
    Case("holder without a policy", holder(policies=[]), Reason.POLICY, 3),
    Case("holder of another policy", holder(policies=[OTHER_POLICY]), Reason.POLICY, 3),
    Case("any policy on the way", prefecture(policies=["2.5.29.32.0"]), openssl=True),
    Case("mapped to any policy", bridge(mappings=[(GPKI_POLICY, "2.5.29.32.0")]), Reason.POLICY, 1),
    # Validity
    Case("expired holder", holder(not_after=AT - timedelta(seconds=1)), Reason.EXPIRED, 3),
    # Again OpenSSL counts the last second as over.
    Case("the last valid second", holder(not_after=AT)),
    Case("holder not yet valid", holder(not_before=AT + timedelta(seconds=1)), Reason.NOT_YET_VALID, 3),
    Case("expired cross-certificate", bridge(not_after=AT - DAY), Reason.EXPIRED, 1),
    Case("expired anchor", change(lambda world: world.anchor, not_after=AT - DAY), Reason.EXPIRED, 0),
    # Signatures
    Case("holder signed by another key", holder(signer=4, aki_key=2), Reason.SIGNATURE, 3),
    Case("cross-certificate signed by another key", prefecture(signer=4, aki_key=1), Reason.SIGNATURE, 2),
    Case("holder signed with SHA-1", holder(digest="sha1"), Reason.ALGORITHM, 3),
    Case("issuer of the name with another key", holder(aki_key=4), Reason.NO_PATH, 0),
    # Structure
    Case("unknown critical extension", holder(more=[UNKNOWN_CRITICAL]), Reason.STRUCTURE, 3),
    Case("unknown extension", holder(more=[(UNKNOWN_OID, False, b"\x05\x00")]), openssl=True),
    Case("unknown critical extension above", bridge(more=[UNKNOWN_CRITICAL]), Reason.STRUCTURE, 1),
    Case(
        "an extension twice",
        holder(more=[("key_usage", True, x509.KeyUsage({"digital_signature"}))]),
        Reason.STRUCTURE,
        3,
    ),
    # OpenSSL does not look for unknown extensions that come twice.
    Case(
        "an unknown extension twice",
        holder(more=[(UNKNOWN_OID, False, b"\x05\x00")] * 2),
        Reason.STRUCTURE,
        3,
        openssl=True,
    ),
    Case("version 1 with extensions", holder(version="v1"), Reason.STRUCTURE, 3, openssl=True),
    Case("the prefecture is no CA", prefecture(ca=False), Reason.STRUCTURE, 2),
    Case("the bridge may not certify", bridge(usage={"crl_sign"}), Reason.STRUCTURE, 1),
    # OpenSSL asks this only for a purpose.
    Case("the bridge is for clients", bridge(purposes=["client_auth"]), Reason.STRUCTURE, 1, openssl=True),
    Case("the bridge may be the last CA", bridge(path_length=0), Reason.CONSTRAINT, 2),
    Case(
        "names outside the permitted tree",
        bridge(more=[("name_constraints", True, ELSEWHERE)]),
        Reason.CONSTRAINT,
        2,
    ),
    # Names
    Case("issuer's name in capitals and spaces", holder(issuer=UPPER), openssl=True),
    # The holder's three-part AKI names the prefecture's self-signed certificate: OpenSSL's error 20.
    Case(
        "AKI with issuer and serial of another certificate",
        holder(
            aki={
                "authority_cert_issuer": x509.GeneralNames(
                    [x509.GeneralName(name="directory_name", value=name(PREFECTURE))]
                ),
                "authority_cert_serial_number": 0x7777,
            }
        ),
        openssl=False,
    ),
    # Law 8; OpenSSL knows nothing of it.
    Case(
        "test world, production trust",
        nothing,
        Reason.TEST_WORLD,
        0,
        openssl=True,
        marking=Marking.PRODUCTION,
    ),
    Case(
        "test prefecture below a production anchor",
        production_with_a_test_prefecture,
        Reason.TEST_WORLD,
        2,
        openssl=True,
        marking=Marking.PRODUCTION,
    ),
    Case(
        "a world that says it is for tests",
        production_names_marked_test,
        Reason.TEST_WORLD,
        0,
        openssl=True,
        marking=Marking.PRODUCTION,
    ),
    Case("production world, test trust", production, openssl=True),
    Case("production world, production trust", production, openssl=True, marking=Marking.PRODUCTION),
]


def trust(world: World, case: Case) -> Trust:
    return Trust((world.anchor.der(),), frozenset({case.policy}), case.marking)


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.id)
def test_verdicts(case: Case, tmp_path: Path) -> None:
    world = World()
    case.change(world)
    snapshot = Snapshot.read(world.publish(tmp_path / "published"))
    leaf, at = world.holder.der(), AT + case.at
    if case.reason is None:
        verified = verify(leaf, snapshot, trust(world, case), at)
        assert verified.certificates[0] == world.anchor.der()
        assert verified.certificates[-1] == leaf
        assert verified.policies == {case.policy}
        assert [used.generation.authority for used in verified.lists] == [
            "gpki-bca",
            "jpki-bridge",
            "jpki-13",
        ]
    else:
        with pytest.raises(PathRejected) as caught:
            verify(leaf, snapshot, trust(world, case), at)
        assert (caught.value.reason, caught.value.step) == (case.reason, case.step), str(caught.value)
        assert case.says in caught.value.problem
        assert caught.value.clause or case.reason is Reason.TEST_WORLD
    if case.openssl is not None:
        assert world.openssl_accepts(tmp_path / "openssl", case.policy, at) is case.openssl


@pytest.fixture(scope="module")
def right(tmp_path_factory: pytest.TempPathFactory) -> tuple[World, Path]:
    world = World()
    return world, world.publish(tmp_path_factory.mktemp("published"))


TEST_TRUST = Trust((World().anchor.der(),), frozenset({GPKI_POLICY}), Marking.TEST)


def rejected(
    leaf: bytes, folder: Path, trust: Trust = TEST_TRUST, at: timedelta = timedelta()
) -> PathRejected:
    with pytest.raises(PathRejected) as caught:
        verify(leaf, Snapshot.read(folder), trust, AT + at)
    return caught.value


# What proves a check, and what trust must say


def test_only_verify_makes_a_verified_path(right: tuple[World, Path]) -> None:
    world, folder = right
    with pytest.raises(TypeError):
        VerifiedPath((b"",), frozenset({GPKI_POLICY}), AT, ())
    verified = verify(world.holder.der(), Snapshot.read(folder), TEST_TRUST, AT)
    with pytest.raises(TypeError):
        dataclasses.replace(verified, policies=frozenset({OTHER_POLICY}))


def test_verifying_works_inside_an_event_loop(right: tuple[World, Path]) -> None:
    world, folder = right

    async def journey() -> VerifiedPath:
        return verify(world.holder.der(), Snapshot.read(folder), TEST_TRUST, AT)

    assert asyncio.run(journey()).policies == {GPKI_POLICY}


@pytest.mark.parametrize(
    ("anchors", "policies"),
    [
        ((), {GPKI_POLICY}),
        ((b"anchor",), set()),
        ((b"anchor",), {"2.5.29.32.0"}),
        ((b"anchor",), {"any_policy"}),
        ((b"anchor",), {GPKI_POLICY, ""}),
    ],
)
def test_trust_says_what_it_accepts(anchors: tuple[bytes, ...], policies: set[str]) -> None:
    with pytest.raises(BadInput):
        Trust(anchors, frozenset(policies), Marking.TEST)


def test_an_error_tells_nothing_of_the_holder(right: tuple[World, Path]) -> None:
    _, folder = right
    world = World()
    world.holder.subject = (*HOLDER[:-1], ("common_name", "Hanako"))
    world.holder.more = [("name_constraints", True, ELSEWHERE)]
    world.to_prefecture.more = [("name_constraints", True, ELSEWHERE)]
    error = rejected(world.holder.der(), world.publish(folder.parent / "constrained"))
    assert error.reason is Reason.CONSTRAINT
    assert "Hanako" not in f"{error!r} {error} {error.__cause__!r}"
    assert "Hanako" not in repr(read_certificate(world.holder.der(), "here"))


# Bad input


@pytest.mark.parametrize(
    "leaf",
    [
        b"",
        b"\x30",
        b"\x30\x80\x00\x00",
        b"\x30\x03\x02\x01\x00",
        b"0" * 70_000,
        b"-----BEGIN CERTIFICATE-----",
    ],
)
def test_garbage_is_refused(leaf: bytes, right: tuple[World, Path]) -> None:
    with pytest.raises(BadInput, match="the certificate to verify"):
        verify(leaf, Snapshot.read(right[1]), TEST_TRUST, AT)


@given(octets=st.binary(max_size=300))
def test_random_octets_are_refused(octets: bytes, right: tuple[World, Path]) -> None:
    with pytest.raises(BadInput):
        verify(octets, Snapshot.read(right[1]), TEST_TRUST, AT)


@given(data=st.data())
def test_a_changed_certificate_never_verifies(data: st.DataObject, right: tuple[World, Path]) -> None:
    leaf = bytearray(LEAF)
    place = data.draw(st.integers(0, len(leaf) - 1))
    leaf[place] ^= data.draw(st.integers(1, 255))
    with pytest.raises((BadInput, PathRejected)):
        verify(bytes(leaf), Snapshot.read(right[1]), TEST_TRUST, AT)


LEAF = World().holder.der()


@pytest.fixture(scope="module")
def spare(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, bytes]:
    """A published folder whose town's only list may be overwritten, and that list.

    Its numbered copies are gone: an untouched one would rightly speak in place of a newest list that says it is of
    tomorrow.
    """
    folder = World().publish(tmp_path_factory.mktemp("spare"))
    shutil.rmtree(folder / "g/jpki-13.g1/crl/signature-131016")
    return folder, (folder / "g/jpki-13.g1/crl/signature-131016.crl").read_bytes()


@given(data=st.data())
def test_a_changed_list_never_speaks(data: st.DataObject, spare: tuple[Path, bytes]) -> None:
    folder, octets = spare[0], bytearray(spare[1])
    octets[data.draw(st.integers(0, len(octets) - 1))] ^= data.draw(st.integers(1, 255))
    (folder / "g/jpki-13.g1/crl/signature-131016.crl").write_bytes(octets)
    assert rejected(LEAF, folder).reason is Reason.CANNOT_TELL


def test_a_newest_list_of_tomorrow_gives_way_to_the_one_before(tmp_path: Path) -> None:
    folder = World().publish(tmp_path)
    newest = folder / "g/jpki-13.g1/crl/signature-131016.crl"
    kept = newest.read_bytes()
    newest.write_bytes(kept.replace(b"\x17\x0d14", b"\x17\x0d34", 1))
    assert newest.read_bytes() != kept
    verified = verify(LEAF, Snapshot.read(folder), TEST_TRUST, AT)
    assert [used.place for used in verified.lists][-1].endswith("signature-131016/1.crl")


def edit(folder: Path, change: Callable[[dict], object]) -> None:
    file = folder / "manifest.json"
    manifest = json.loads(file.read_bytes())
    change(manifest)
    file.write_text(json.dumps(manifest))


@pytest.mark.parametrize(
    ("change", "place"),
    [
        (lambda m: m.update(format=2), "format"),
        (lambda m: m.update(marking="both"), "marking"),
        (lambda m: m.pop("lists"), "lists"),
        (lambda m: m["lists"][0].update(url="../secret.crl"), r"lists\[0\].url"),
        (lambda m: m["lists"][0].update(url="g/../../secret.crl"), r"lists\[0\].url"),
        (lambda m: m["lists"][0].update(url="/etc/passwd"), r"lists\[0\].url"),
        (lambda m: m["cross"][1].update(certificate="g\\secret.cer"), r"cross\[1\].certificate"),
        (lambda m: m["cross"][1].update(certificate="g/self.cer\n"), r"cross\[1\].certificate"),
        (lambda m: m["lists"].append(m["lists"][0]), r"lists\[5\]"),
        (lambda m: m["authorities"].append(m["authorities"][0]), r"authorities\[3\]"),
        (lambda m: m["authorities"][1].update(name="AAAA"), r"authorities\[1\].name"),
        (lambda m: m["authorities"][1].update(generation="JPKI"), "generation"),
    ],
)
def test_a_broken_manifest_is_refused(change: Callable[[dict], object], place: str, tmp_path: Path) -> None:
    folder = World().publish(tmp_path)
    edit(folder, change)
    with pytest.raises(BadInput, match=place):
        Snapshot.read(folder)


@pytest.mark.parametrize("contents", [None, b"", b"[" * 100_000, b"\xff\xfe", b'{"format": 1}'])
def test_what_is_no_manifest_is_refused(contents: bytes | None, tmp_path: Path) -> None:
    if contents is not None:
        (tmp_path / "manifest.json").write_bytes(contents)
    with pytest.raises(BadInput, match=r"manifest\.json"):
        Snapshot.read(tmp_path)


def test_a_link_out_of_the_folder_is_not_followed(tmp_path: Path) -> None:
    folder = World().publish(tmp_path / "published")
    file = folder / "g/jpki-13.g1/crl/signature-131016.crl"
    outside = file.rename(tmp_path / "outside.crl")
    file.symlink_to(outside)
    error = rejected(LEAF, folder)
    assert (error.reason, error.place) == (Reason.CANNOT_TELL, "g/jpki-13.g1/crl/signature-131016.crl")
    assert "out of the published folder" in error.problem


def test_a_missing_cross_certificate_is_named(tmp_path: Path) -> None:
    folder = World().publish(tmp_path)
    (folder / "g/gpki-bca.g1/cross/jpki-bridge.g1.cer").unlink()
    error = rejected(LEAF, folder)
    assert (error.reason, error.place) == (Reason.UNREADABLE, "g/gpki-bca.g1/cross/jpki-bridge.g1.cer")


# Lists of another time


@pytest.mark.parametrize("day", range(6))
def test_the_list_of_the_day_is_asked(day: int, tmp_path: Path) -> None:
    """Revoked on day 2, put on hold nowhere, and gone from the lists on day 4: each day has its own answer."""
    world = World()
    for number in range(1, 5):
        gone = end(0x3001, 2 * DAY) if number in (2, 3) else {}
        world.later_list("jpki-13.g1", "signature-131016", revoked=gone)
        world.later_list("gpki-bca.g1", "arl")
        world.later_list("jpki-bridge.g1", "arl")
    folder = world.publish(tmp_path)
    if day in (2, 3):
        assert rejected(LEAF, folder, at=day * DAY).reason is Reason.REVOKED
    elif day == 5:
        error = rejected(LEAF, folder, at=day * DAY)
        assert (error.reason, error.step) == (Reason.CANNOT_TELL, 1)
        assert "out of date" in error.problem
    else:
        lists = verify(LEAF, Snapshot.read(folder), TEST_TRUST, AT + day * DAY).lists
        assert [used.number for used in lists] == [day + 1] * 3


def test_the_revocation_is_told(tmp_path: Path) -> None:
    world = World()
    world.town.revoked = end(0x3001, reason="certificate_hold")
    revocation = rejected(LEAF, world.publish(tmp_path)).revocation
    assert revocation is not None
    assert (revocation.reason, revocation.revoked_at) == (RevocationReason.CERTIFICATE_HOLD, AT - DAY)


# The repository's services


NO_CHECK = ("ocsp_no_check", False, core.Null())


@pytest.mark.parametrize(
    ("purposes", "more"),
    [
        (["ocsp_signing"], [NO_CHECK]),
        (["ocsp_signing"], []),
        (["client_auth"], [NO_CHECK]),
        (None, [NO_CHECK]),
    ],
)
def test_a_responder_is_asked_about_as_any_other(
    purposes: list[str] | None, more: list, tmp_path: Path
) -> None:
    """RFC 6960 4.2.2.2.1 spares who has an answer in hand. Without a point, the full list speaks for a certificate."""
    responder = Cert(
        o("JPKI", "OCSP"),
        PREFECTURE,
        key=5,
        signer=2,
        serial=0x4001,
        ca=False,
        usage={"digital_signature"},
        policies=[JPKI_POLICY],
        purposes=purposes,
        more=more,
    )
    world = World()
    verified = verify(responder.der(), Snapshot.read(world.publish(tmp_path / "good")), TEST_TRUST, AT)
    assert [used.place for used in verified.lists[2:]] == ["g/jpki-13.g1/crl/full.crl"]
    world.lists["jpki-13.g1", "full"][0].revoked = end(0x4001)
    assert rejected(responder.der(), world.publish(tmp_path / "ended")).reason is Reason.REVOKED
    del world.lists["jpki-13.g1", "full"]
    assert rejected(responder.der(), world.publish(tmp_path / "without")).reason is Reason.CANNOT_TELL


# Candidate paths


def found(leaf: bytes, folder: Path, budget: Budget | None = None) -> list[list[str]]:
    """The places of each candidate path, in order."""
    anchors = [read_certificate(TEST_TRUST.anchors[0], "anchor")]
    holder = read_certificate(leaf, "holder")
    paths = candidates(holder, Snapshot.read(folder), anchors, budget or Budget(), [])
    return [[certificate.place for certificate in path.certificates] for path in paths]


def cross(subject: str, issuer: str, keys: dict[str, tuple[Steps, int]], **values) -> Cert:
    (subject_name, key), (issuer_name, signer) = keys[subject], keys[issuer]
    return Cert(
        subject_name,
        issuer_name,
        key=key,
        signer=signer,
        serial=0x9000 + key * 0x100 + signer,
        policies=[GPKI_POLICY],
        point=issuer_name,
        **values,
    )


def test_the_shortest_path_comes_first(tmp_path: Path) -> None:
    world = World()
    world.crosses["gpki-bca.g1", "jpki-13.g1"] = cross("jpki-13.g1", "gpki-bca.g1", world.authorities)
    places = found(LEAF, world.publish(tmp_path))
    assert [len(path) for path in places] == [3, 4]
    assert places[0] == ["anchor", "g/gpki-bca.g1/cross/jpki-13.g1.cer", "holder"]


def test_the_second_path_is_taken_and_the_most_telling_reason_raised(tmp_path: Path) -> None:
    """The direct cross-certificate maps no policy, so the way over the bridge counts; then that one is revoked."""
    world = World()
    world.crosses["gpki-bca.g1", "jpki-13.g1"] = cross("jpki-13.g1", "gpki-bca.g1", world.authorities)
    verified = verify(LEAF, Snapshot.read(world.publish(tmp_path)), TEST_TRUST, AT)
    assert len(verified.certificates) == 4
    world.arl("jpki-bridge.g1").revoked = end(0x2001)
    error = rejected(LEAF, world.publish(tmp_path))
    assert (error.reason, error.step) == (Reason.REVOKED, 2)


def test_issuer_and_serial_rank_and_never_exclude(tmp_path: Path) -> None:
    world = World()
    world.crosses["gpki-bca.g1", "jpki-13.g1"] = cross("jpki-13.g1", "gpki-bca.g1", world.authorities)
    world.authorities["jpki-bridge.g2"] = (BRIDGE, 6)
    world.crosses["jpki-bridge.g2", "jpki-13.g1"] = cross("jpki-13.g1", "jpki-bridge.g2", world.authorities)
    world.crosses["gpki-bca.g1", "jpki-bridge.g2"] = cross("jpki-bridge.g2", "gpki-bca.g1", world.authorities)
    exact = world.crosses["jpki-bridge.g2", "jpki-13.g1"]
    named = [x509.GeneralName(name="directory_name", value=name(exact.issuer))]
    world.holder.aki = {
        "authority_cert_issuer": x509.GeneralNames(named),
        "authority_cert_serial_number": exact.serial,
    }
    places = found(world.holder.der(), world.publish(tmp_path))
    assert [path[1:-1] for path in places] == [
        ["g/gpki-bca.g1/cross/jpki-13.g1.cer"],
        ["g/gpki-bca.g1/cross/jpki-bridge.g2.cer", "g/jpki-bridge.g2/cross/jpki-13.g1.cer"],
        ["g/gpki-bca.g1/cross/jpki-bridge.g1.cer", "g/jpki-bridge.g1/cross/jpki-13.g1.cer"],
    ]


def test_a_self_signed_certificate_is_no_step(tmp_path: Path) -> None:
    world = World()
    for generation in ("jpki-13.g1", "jpki-bridge.g1", "gpki-bca.g1"):
        world.crosses[generation, generation] = cross(
            generation, generation, world.authorities, self_signed=True
        )
    assert [len(path) for path in found(LEAF, world.publish(tmp_path))] == [4]


def test_a_new_key_is_reached_by_a_link_certificate(tmp_path: Path) -> None:
    """NewWithOld: self-issued, not self-signed (RFC 4210 4.4)."""
    world = World()
    world.authorities["jpki-13.g2"] = (PREFECTURE, 7)
    link = replace_policies(cross("jpki-13.g2", "jpki-13.g1", world.authorities), [JPKI_POLICY])
    world.crosses["jpki-13.g1", "jpki-13.g2"] = link
    world.holder.signer = 7
    world.lists["jpki-13.g1", "arl"] = [Crl("jpki-13.g1", "arl", PREFECTURE, 2, point=PREFECTURE, holds="ca")]
    (town,) = world.lists.pop(("jpki-13.g1", "signature-131016"))
    world.lists["jpki-13.g2", "signature-131016"] = [
        dataclasses.replace(town, generation="jpki-13.g2", signer=7)
    ]
    verified = verify(world.holder.der(), Snapshot.read(world.publish(tmp_path / "p")), TEST_TRUST, AT)
    assert len(verified.certificates) == 5
    assert world.openssl_accepts(tmp_path / "o", GPKI_POLICY, AT)


def replace_policies(certificate: Cert, policies: list[str]) -> Cert:
    return dataclasses.replace(certificate, policies=policies)


def mesh(size: int) -> World:
    """Every CA has certified every other, and none of them the prefecture's policy."""
    world = World()
    for number in range(size):
        world.authorities[f"mesh-{number}.g1"] = (o("MESH", str(number)), 10 + number)
    world.crosses = {
        (issuer, subject): cross(subject, issuer, world.authorities)
        for issuer in world.authorities
        for subject in world.authorities
        if issuer != subject
    }
    return world


def test_no_path_runs_in_a_circle(tmp_path: Path) -> None:
    places = found(LEAF, mesh(1).publish(tmp_path))
    # From the anchor over any of the two others in any order to the prefecture: 1 + 2 + 2.
    assert sorted(len(path) for path in places) == [3, 4, 4, 5, 5]


def test_a_mesh_ends_in_a_spent_budget(tmp_path: Path) -> None:
    folder = mesh(7).publish(tmp_path)
    with pytest.raises(BudgetSpent):
        found(LEAF, folder, Budget(Limits(steps=500)))
    error = rejected(LEAF, folder)
    assert error.reason is Reason.CANNOT_TELL
    assert "cannot tell, because" in error.problem
    assert isinstance(error.__cause__, BudgetSpent)


@pytest.mark.parametrize(
    ("limit", "count"),
    [
        ("steps", Budget.step),
        ("paths", Budget.path),
        ("signatures", Budget.signature),
        ("fetches", Budget.fetch),
        ("octets", lambda budget: budget.receive(1)),
    ],
)
def test_a_budget_is_spent_exactly(limit: str, count: Callable[[Budget], None]) -> None:
    budget = Budget(dataclasses.replace(Limits(), **{limit: 2}))
    count(budget)
    count(budget)
    with pytest.raises(BudgetSpent) as caught:
        count(budget)
    assert caught.value.limit == limit
    assert vars(pickle.loads(pickle.dumps(caught.value))) == vars(caught.value)  # noqa: S301 - its own


def test_a_rejection_travels_to_another_process() -> None:
    error = PathRejected("here", "is wrong", step=2, reason=Reason.POLICY, clause="RFC 5280 6.1.3")
    there = pickle.loads(pickle.dumps(error))  # noqa: S301 - its own
    assert (vars(there), str(there)) == (vars(error), str(error))


@given(st.lists(st.tuples(st.sampled_from(Reason), st.integers(0, 4)), min_size=1))
def test_the_most_telling_reason_does_not_depend_on_luck(reasons: list[tuple[Reason, int]]) -> None:
    """The maximum by reason, then by step; of equals the first stays."""
    errors = [PathRejected(str(i), "", step=step, reason=reason) for i, (reason, step) in enumerate(reasons)]
    best = errors[0]
    for error in errors[1:]:
        best = error.more_telling_than(best)
    order = list(Reason)
    assert best is max(errors, key=lambda error: (order.index(error.reason), error.step))


# Traps of the library under 6.1: while these hold, verify.py must go around them


def judge(world: World, asked: PKIXValidationParams, qualifiers: TrustQualifiers | None) -> None:
    load = x509.Certificate.load
    anchor = CertTrustAnchor(load(world.anchor.der()), qualifiers)
    path = ValidationPath(
        anchor, [load(world.to_bridge.der()), load(world.to_prefecture.der())], load(world.holder.der())
    )
    context = ValidationContext(trust_roots=[], moment=AT, revinfo_policy=CertRevTrustPolicy(NO_REVOCATION))
    validate_path(context, path, asked)


def test_qualifiers_on_the_anchor_lose_the_policy_asked_for() -> None:
    asked = PKIXValidationParams(frozenset({OTHER_POLICY}), initial_explicit_policy=True)
    with pytest.raises(PathValidationError):
        judge(World(), asked, None)
    judge(World(), asked, TrustQualifiers(standard_parameters=PKIXValidationParams()))  # accepted: the trap


def test_merging_parameters_loses_the_explicit_policy() -> None:
    explicit = PKIXValidationParams(frozenset({OTHER_POLICY}), initial_explicit_policy=True)
    assert not explicit.merge(PKIXValidationParams()).initial_explicit_policy
    assert intersect_policy_sets(frozenset({"x"}), frozenset({"any_policy"})) == {"any_policy"}
