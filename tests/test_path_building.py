"""The path search in meshes, friendly and hostile: what comes first, and that it always ends within the limits."""

from __future__ import annotations

import dataclasses
from datetime import timedelta
from functools import partial

import pytest
from asn1crypto import x509

from bridge.relying.budget import USUAL, Budget, Limits
from bridge.relying.finding.carried import Carried
from bridge.relying.path import CandidatePath, candidates
from bridge.relying.rejection import BudgetSpent, PathRejected, Reason
from bridge.relying.verify import VerifiedPath, judged, verify
from ca.errors import BadInput
from ca.wire.facts import read_certificate
from tests.mesh_world import Mesh, crossed, generations
from tests.relying_world import (
    ANCHOR,
    AT,
    BRIDGE,
    DAY,
    GPKI_POLICY,
    HOLDER,
    JPKI_POLICY,
    OTHER_POLICY,
    PREFECTURE,
    Cert,
    Crl,
    name,
)


def rejected(mesh: Mesh, limits: Limits = USUAL) -> PathRejected:
    with pytest.raises(PathRejected) as caught:
        verify(mesh.leaf, mesh.material(), mesh.trust(limits), AT)
    return caught.value


def found(mesh: Mesh, limits: Limits = USUAL) -> list[CandidatePath]:
    holder, anchor = read_certificate(mesh.leaf, "holder"), read_certificate(mesh.anchor, "anchor")
    return list(candidates(holder, mesh.material(), [anchor], Budget(limits), [], AT))


def test_a_path_length_below_zero_is_none() -> None:
    """RFC 5280 4.2.1.9: INTEGER (0..MAX). One below 0 would never be reached, and lift those above it."""
    for length in (-1, -(1 << 40)):
        encoded = Cert(BRIDGE, ANCHOR, 1, 0, 5, path_length=length).der()
        with pytest.raises(BadInput, match=r"cannot be read|is not"):
            read_certificate(encoded, "the bridge")


# Generations and links


def test_three_levels_of_two_generations() -> None:
    """Found at once: the shortest path is right; those through link certificates come later."""
    mesh = generations(2)
    first = next(judged(mesh.leaf, mesh.material(), mesh.trust(), AT))
    assert isinstance(first.outcome, VerifiedPath)
    lengths = [len(path.certificates) for path in found(mesh)]
    assert lengths == sorted(lengths)
    assert (lengths[0], lengths[-1], len(lengths)) == (4, 7, 16)


def test_no_candidate_comes_twice_and_none_runs_in_a_circle() -> None:
    paths = found(generations(3), Limits(steps=10**6, paths=10**6))
    assert len({path.certificates for path in paths}) == len(paths) > 100
    for path in paths:
        ends = [(one.subject, one.public_key) for one in path.certificates]
        assert len(set(ends)) == len(ends)


def test_every_generation_needs_its_link_where_only_the_newest_keys_are_crossed() -> None:
    """The anchor's key certifies nothing but its successor: the way leads over every link in turn."""
    mesh = generations(3)
    newest = {"0": 2, "20": 22, "40": 42}
    keep = []
    for der in mesh.certificates:
        facts = read_certificate(der, "cross")
        number, signer = divmod(facts.serial - 0x9000, 0x100)
        link = facts.issuer == facts.subject
        if (link and number == signer + 1) or (
            not link and number in newest.values() and signer in newest.values()
        ):
            keep.append(der)
    verified = verify(mesh.leaf, dataclasses.replace(mesh, certificates=keep).material(), mesh.trust(), AT)
    assert len(verified.certificates) == 6  # anchor, two links, bridge, prefecture, holder


# The order


def fork(**values: object) -> list[int]:
    """Two prefecture certificates by the anchor, one of them changed; the serials in the order of candidates."""
    usual = Cert(PREFECTURE, ANCHOR, 2, 0, 0x11, policies=[GPKI_POLICY])
    other = dataclasses.replace(usual, serial=0x12, **values)
    leaf = Cert(HOLDER, PREFECTURE, 3, 2, 0x31, ca=False, usage=None, policies=[GPKI_POLICY])
    anchor = Cert(ANCHOR, ANCHOR, 0, 0, 1, self_signed=True)
    mesh = Mesh(anchor.der(), leaf.der(), [other.der(), usual.der()])
    return [path.certificates[1].serial for path in found(mesh)]


@pytest.mark.parametrize(
    "values",
    [
        {"not_after": AT - DAY},
        {"not_before": AT + timedelta(seconds=1)},
        {"policies": [OTHER_POLICY]},
        {"policies": []},
        {"mappings": [(GPKI_POLICY, OTHER_POLICY)]},
        {"digest": "sha1"},
    ],
)
def test_the_likelier_comes_first_and_the_other_is_not_left_out(values: dict) -> None:
    assert fork(**values) == [0x11, 0x12]


@pytest.mark.parametrize(
    "values", [{}, {"policies": ["2.5.29.32.0"]}, {"policies": [OTHER_POLICY, GPKI_POLICY]}]
)
def test_the_likely_stay_in_the_order_of_the_source(values: dict) -> None:
    assert fork(**values) == [0x12, 0x11]


# Hostile: a verdict, or "cannot tell", and never valid


def test_fifty_bridges_fully_crossed() -> None:
    mesh = crossed(50)
    assert len(verify(mesh.leaf, mesh.material(), mesh.trust(), AT).certificates) == 4
    (entry, *_) = crossed(2, maps=False).certificates  # the anchor's certificate for the first of them
    error = rejected(dataclasses.replace(mesh, certificates=[entry, *mesh.certificates[1:]]))
    assert error.reason is Reason.CANNOT_TELL
    assert "cannot tell, because the search for paths" in error.problem


@pytest.mark.parametrize(
    ("limits", "spent"),
    [
        (Limits(steps=30), "steps"),
        (Limits(paths=3), "paths"),
        (Limits(signatures=4), "signatures"),
    ],
)
def test_each_limit_ends_the_search_by_its_name(limits: Limits, spent: str) -> None:
    error = rejected(generations(3, maps=False), limits)
    assert error.reason is Reason.CANNOT_TELL
    assert isinstance(error.__cause__, BudgetSpent)
    assert error.__cause__.limit == spent


def test_a_path_may_be_as_long_as_the_limit_and_no_longer() -> None:
    mesh = generations(2)
    assert max(len(path.certificates) for path in found(mesh, Limits(certificates=6))) == 6
    assert found(mesh, Limits(certificates=3)) == []


def chain(*between: Cert, leaf: Cert | None = None, lists: int = 3) -> Mesh:
    """Anchor, what stands between, and a holder under the prefecture."""
    leaf = leaf or Cert(HOLDER, PREFECTURE, 3, 2, 0x31, ca=False, usage=None, policies=[GPKI_POLICY])
    anchor = Cert(ANCHOR, ANCHOR, 0, 0, 1, self_signed=True)
    signers = [(ANCHOR, 0), (PREFECTURE, 2), (BRIDGE, 1)][:lists]
    made = [Crl("x", "full", steps, number).der() for steps, number in signers]
    return Mesh(anchor.der(), leaf.der(), [one.der() for one in between], made)


def test_many_cas_of_one_name_and_key() -> None:
    """They differ in nothing but their serials and their use: none is right, or only the last."""
    wrong = [Cert(PREFECTURE, ANCHOR, 2, 0, 100 + number, policies=[OTHER_POLICY]) for number in range(120)]
    error = rejected(chain(*wrong))
    assert error.reason is Reason.CANNOT_TELL
    assert isinstance(error.__cause__, BudgetSpent)
    right = Cert(PREFECTURE, ANCHOR, 2, 0, 99, policies=[GPKI_POLICY])
    verified = verify(chain(*wrong, right).leaf, chain(*wrong, right).material(), chain().trust(), AT)
    assert read_certificate(verified.certificates[1], "CA").serial == 99  # ranked first by its policy


def oids(count: int) -> list[str]:
    return [f"2.999.{number}" for number in range(1000, 1000 + count)]


def test_a_certificate_with_100000_policies_is_too_long_to_be_read() -> None:
    """No certificate of so many octets is read, neither the holder's nor one on the way."""
    octets = Cert(PREFECTURE, ANCHOR, 2, 0, 7, policies=oids(100)).der() + bytes(700_000)
    mesh = chain()
    mesh.certificates = [octets]
    assert rejected(mesh).reason is Reason.UNREADABLE
    with pytest.raises(BadInput, match="octets; 1 to"):
        verify(octets, mesh.material(), mesh.trust(), AT)


@pytest.mark.parametrize(
    ("count", "reason"), [(400, None), (600, Reason.CANNOT_TELL), (6000, Reason.CANNOT_TELL)]
)
def test_many_policies_in_one_certificate(count: int, reason: Reason | None) -> None:
    mesh = chain(Cert(PREFECTURE, ANCHOR, 2, 0, 7, policies=[*oids(count), GPKI_POLICY]))
    if reason is None:
        assert verify(mesh.leaf, mesh.material(), mesh.trust(), AT).policies == {GPKI_POLICY}
    else:
        error = rejected(mesh)
        assert (error.reason, error.step) == (reason, 1)
        assert "policies and mappings" in error.problem


@pytest.mark.parametrize(("width", "reason"), [(10, None), (16, Reason.CANNOT_TELL)])
def test_a_policy_mapping_explosion(width: int, reason: Reason | None) -> None:
    """Each policy is mapped to each: a tree would grow by the width at every level, the graph does not."""
    ours = [GPKI_POLICY, *oids(width - 1)]
    every = [(one, other) for one in ours for other in ours]
    between = [
        Cert(BRIDGE, ANCHOR, 1, 0, 5, policies=ours, mappings=every),
        Cert(BRIDGE, BRIDGE, 4, 1, 6, policies=ours, mappings=every),
        Cert(PREFECTURE, BRIDGE, 2, 4, 7, policies=ours, mappings=every),
    ]
    mesh = chain(*between)
    mesh.lists.append(Crl("x", "full", BRIDGE, 4).der())
    if reason is None:
        assert verify(mesh.leaf, mesh.material(), mesh.trust(), AT).policies == {GPKI_POLICY}
    else:
        assert rejected(mesh).reason is reason


def test_the_policy_graph_has_a_limit_of_its_own() -> None:
    mesh = chain(Cert(PREFECTURE, ANCHOR, 2, 0, 7, policies=[*oids(50), GPKI_POLICY]))
    error = rejected(mesh, Limits(policy_nodes=20))
    assert (error.reason, error.step, error.clause) == (Reason.CANNOT_TELL, 1, "RFC 9618 3.4")


def test_loops_and_dead_ends() -> None:
    """Two bridges that have certified each other and a CA of its own that nobody has: no way leads in."""
    between = [
        Cert(PREFECTURE, BRIDGE, 2, 1, 5, policies=[GPKI_POLICY]),
        Cert(BRIDGE, PREFECTURE, 1, 2, 6, policies=[GPKI_POLICY]),
        Cert(BRIDGE, BRIDGE, 1, 1, 7, policies=[GPKI_POLICY], self_signed=True),
        Cert(BRIDGE, BRIDGE, 4, 1, 8, policies=[GPKI_POLICY]),
        Cert(BRIDGE, BRIDGE, 1, 4, 9, policies=[GPKI_POLICY]),
    ]
    assert rejected(chain(*between)).reason is Reason.NO_PATH


def test_an_unknown_critical_extension_in_the_anchor_ends_the_path() -> None:
    mesh = chain(Cert(PREFECTURE, ANCHOR, 2, 0, 7, policies=[GPKI_POLICY]))
    assert verify(mesh.leaf, mesh.material(), mesh.trust(), AT)
    unknown = [("2.999.5.5", True, b"\x05\x00")]
    mesh.anchor = Cert(ANCHOR, ANCHOR, 0, 0, 1, self_signed=True, more=unknown).der()
    error = rejected(mesh)
    assert (error.reason, error.step) == (Reason.STRUCTURE, 0)


def test_several_anchors_are_all_tried() -> None:
    """The second anchor is the prefecture itself: then the path has no step between."""
    mesh = chain(Cert(PREFECTURE, ANCHOR, 2, 0, 7, policies=[GPKI_POLICY]))
    prefecture = Cert(PREFECTURE, PREFECTURE, 2, 2, 8, self_signed=True).der()
    trust = dataclasses.replace(mesh.trust(), anchors=(mesh.anchor, prefecture))
    assert len(verify(mesh.leaf, mesh.material(), trust, AT).certificates) == 2
    # Expired, it is no reason to refuse what the other anchor vouches for.
    expired = Cert(PREFECTURE, PREFECTURE, 2, 2, 8, self_signed=True, not_after=AT - DAY).der()
    trust = dataclasses.replace(trust, anchors=(expired, mesh.anchor))
    assert len(verify(mesh.leaf, mesh.material(), trust, AT).certificates) == 3


class Offering(Carried):
    """Offers the same certificates again and again, and unreadable ones between."""

    def issuers(self, certificate):
        for read in super().issuers(certificate):
            yield from [read] * 50
            yield partial(read_certificate, b"\x30\x00", "garbage")


def test_what_is_offered_again_and_again_is_judged_once() -> None:
    mesh = chain(Cert(PREFECTURE, ANCHOR, 2, 0, 7, policies=[OTHER_POLICY]))
    material = Offering(certificates=mesh.certificates, lists=mesh.lists)
    unreadable: list[BadInput] = []
    outcomes = list(judged(mesh.leaf, material, mesh.trust(), AT, unreadable))
    assert [one.outcome.reason for one in outcomes if isinstance(one.outcome, PathRejected)] == [
        Reason.POLICY
    ]
    assert [error.place for error in unreadable] == ["garbage"]


def test_a_name_alone_is_no_issuer() -> None:
    """Two keys of one name: the holder's certificate names one of them by its key identifier."""
    other = Cert(PREFECTURE, ANCHOR, 5, 0, 6, policies=[GPKI_POLICY])
    right = Cert(PREFECTURE, ANCHOR, 2, 0, 7, policies=[GPKI_POLICY])
    assert [path.certificates[1].serial for path in found(chain(other, right))] == [7]
    leaf = Cert(HOLDER, PREFECTURE, 3, 2, 0x31, ca=False, usage=None, policies=[JPKI_POLICY])
    leaf.aki = {
        "authority_cert_issuer": x509.GeneralNames(
            [x509.GeneralName(name="directory_name", value=name(ANCHOR))]
        ),
        "authority_cert_serial_number": 6,
    }
    assert [path.certificates[1].serial for path in found(chain(other, right, leaf=leaf))] == [7]
