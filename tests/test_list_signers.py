"""Lists signed by another key than the one that issued a certificate: separate keys, other generations, other issuers."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import pytest
from asn1crypto import core, x509

from bridge.manifest import Marking
from bridge.relying.finding.carried import Carried
from bridge.relying.finding.snapshot import Snapshot
from bridge.relying.rejection import PathRejected, Reason
from bridge.relying.trust import ListKeys, Trust
from bridge.relying.verify import VerifiedPath, verify
from ca.wire.facts import read_certificate
from tests.relying_world import (
    ANCHOR,
    AT,
    BRIDGE,
    DAY,
    GPKI_POLICY,
    HOLDER,
    PREFECTURE,
    TOWN,
    Cert,
    Crl,
    Steps,
    World,
    name,
    o,
    point_of,
)

LISTER: Steps = o("LISTER")
STRANGER: Steps = o("STRANGER")
USAGE = {"crl_sign"}


def end(serial: int, issuer: Steps | None = None) -> dict:
    """An entry of the list, and whose certificate it names, if not the list issuer's."""
    more = []
    if issuer is not None:
        names = x509.GeneralNames([x509.GeneralName(name="directory_name", value=name(issuer))])
        more.append(("certificate_issuer", True, names))
    return {"revoked": {serial: (AT - DAY, "key_compromise")}, "entry_more": more}


@dataclasses.dataclass
class Bag:
    """Anchor, prefecture and holder; who signs the prefecture's list is what the tests change."""

    holder: Cert = dataclasses.field(
        default_factory=lambda: Cert(
            HOLDER, PREFECTURE, 3, 2, 0x31, ca=False, usage=None, policies=[GPKI_POLICY]
        )
    )
    certificates: list[Cert] = dataclasses.field(default_factory=list)
    lists: list[Crl] = dataclasses.field(default_factory=list)
    list_keys: ListKeys = ListKeys.SAME_GENERATION

    def verify(self) -> VerifiedPath:
        anchor = Cert(ANCHOR, ANCHOR, 0, 0, 1, self_signed=True)
        prefecture = Cert(PREFECTURE, ANCHOR, 2, 0, 7, policies=[GPKI_POLICY])
        material = Carried(
            certificates=[one.der() for one in (prefecture, *self.certificates)],
            lists=[one.der() for one in (Crl("x", "full", ANCHOR, 0), *self.lists)],
        )
        trust = Trust((anchor.der(),), frozenset({GPKI_POLICY}), Marking.TEST, list_keys=self.list_keys)
        return verify(self.holder.der(), material, trust, AT)

    def rejected(self) -> PathRejected:
        with pytest.raises(PathRejected) as caught:
            self.verify()
        return caught.value

    def cannot_tell(self) -> str:
        error = self.rejected()
        assert error.reason is Reason.CANNOT_TELL
        return error.problem


# A key of the CA for lists alone


def separate(**values: object) -> Bag:
    signer = Cert(PREFECTURE, ANCHOR, 5, 0, 8, ca=False, usage=USAGE)
    return Bag(certificates=[dataclasses.replace(signer, **values)], lists=[Crl("x", "full", PREFECTURE, 5)])


def test_a_separate_key_may_sign_lists() -> None:
    bag = separate()
    used = bag.verify().lists[-1]
    (signer,) = used.signer
    assert read_certificate(signer, "signer").serial == 8
    # What tells that the signer is not revoked comes before its list, for the same step.
    assert [one.step for one in bag.verify().lists] == [1, 2, 2]
    bag.lists[0].revoked = end(0x31)["revoked"]
    assert bag.rejected().reason is Reason.REVOKED


def test_another_ca_below_the_anchor_cannot_make_a_signer_of_this_ones_name() -> None:
    """The peer's list, signed by a key that the peer has certified under the prefecture's name, undoes no revocation."""
    peer = Cert(STRANGER, ANCHOR, 4, 0, 9, policies=[GPKI_POLICY])
    signer = Cert(PREFECTURE, STRANGER, 5, 4, 10, ca=False, usage=USAGE)
    bag = Bag(
        certificates=[peer, signer],
        lists=[
            Crl("x", "full", PREFECTURE, 5),  # of nobody; the newest, so it is asked first
            Crl("x", "full", PREFECTURE, 2, this_update=AT - DAY, **end(0x31)),
        ],
    )
    assert bag.rejected().reason is Reason.REVOKED
    bag.lists.pop()
    assert "no path leads to it by a CA of this one" in bag.cannot_tell()
    bag.list_keys = ListKeys.ANY_OF_ISSUER  # what RFC 5280 6.3.3 (f) asks for
    bag.lists.append(Crl("x", "full", STRANGER, 4))
    assert len(bag.verify().lists[-1].signer) == 2


def test_a_list_that_names_the_certificate_unreadably_is_not_made_up_for_by_another() -> None:
    listed = Crl("x", "full", PREFECTURE, 2, revoked={0x31: (AT - DAY, "remove_from_crl")})
    other = Crl("x", "full", PREFECTURE, 2, this_update=AT - DAY)
    assert "removeFromCRL" in Bag(lists=[listed, other]).cannot_tell()


@pytest.mark.parametrize(
    ("values", "says"),
    [
        ({"usage": {"digital_signature"}}, "may not sign lists"),
        ({"not_after": AT - DAY}, "as a list's signer: expired"),
        ({"signer": 4, "aki_key": 0}, "as a list's signer: is not signed by its issuer's key"),
        ({"issuer": STRANGER, "signer": 4}, "as a list's signer: no path leads to it"),
        ({"more": [("2.999.5", True, b"\x05\x00")]}, "as a list's signer: has a critical extension"),
        ({"key": 6}, "of another key"),
        # With certificates to sign it would be another generation, whose lists are its own.
        ({"usage": {"crl_sign", "key_cert_sign"}, "ca": True}, "of another key of its issuer"),
        ({"usage": None, "ca": True}, "of another key of its issuer"),
    ],
)
def test_no_other_key_may(values: dict, says: str) -> None:
    assert says in separate(**values).cannot_tell()


def test_a_revoked_signer_signs_nothing() -> None:
    bag = separate(serial=9)
    bag.lists.append(Crl("x", "full", ANCHOR, 0, number=2, this_update=AT, **end(9)))
    assert "as a list's signer: revoked since" in bag.cannot_tell()


def test_another_generation_counts_only_where_the_trust_says_so() -> None:
    bag = separate(usage={"crl_sign", "key_cert_sign"}, ca=True)
    bag.cannot_tell()
    bag.list_keys = ListKeys.ANY_OF_ISSUER
    assert bag.verify().lists[-1].signer


def test_a_signer_of_whom_only_its_own_list_tells_proves_nothing() -> None:
    """Self-issued: its own list would be the one that says whether it is revoked."""
    bag = separate(issuer=PREFECTURE, signer=2)
    assert "only its own list tells" in bag.cannot_tell()
    bag.lists.append(Crl("x", "full", PREFECTURE, 2))  # by the key that issued it
    assert bag.verify()


def test_signers_that_tell_of_one_another_prove_nothing() -> None:
    """The list of each is signed by the other."""
    bag = separate(issuer=LISTER, signer=6)
    bag.certificates += [
        Cert(LISTER, ANCHOR, 6, 0, 0x10),
        Cert(LISTER, PREFECTURE, 8, 2, 0x11, ca=False, usage=USAGE),
    ]
    bag.lists.append(Crl("x", "full", LISTER, 8))
    assert bag.cannot_tell()


# Indirect lists


def cited(bag: Bag, issuer: Steps = LISTER, point: Steps | None = None, **more: object) -> Bag:
    """The holder names another issuer for its list (cRLIssuer)."""
    named = x509.GeneralNames([x509.GeneralName(name="directory_name", value=name(issuer))])
    value = {"crl_issuer": named, **more}
    if point is not None:
        value["distribution_point"] = point_of(point)
    bag.holder.more = [("crl_distribution_points", False, x509.CRLDistributionPoints([value]))]
    return bag


def indirect(**values: object) -> Bag:
    lister = Cert(LISTER, ANCHOR, 6, 0, 0x10, ca=False, usage=USAGE)
    found = Crl("x", "full", LISTER, 6, partial={"indirect_crl": True})
    return cited(Bag(certificates=[lister], lists=[dataclasses.replace(found, **values)]))


def test_a_folder_has_the_lists_of_other_issuers_too(tmp_path: Path) -> None:
    """The town's list is issued by the bridge's CA, which the holder's certificate names (cRLIssuer)."""
    world = World()
    named = x509.GeneralNames([x509.GeneralName(name="directory_name", value=name(BRIDGE))])
    points = [{"crl_issuer": named, "distribution_point": point_of(TOWN)}]
    world.holder.point = None
    world.holder.more = [("crl_distribution_points", False, x509.CRLDistributionPoints(points))]
    found = Crl("jpki-bridge.g1", "town", BRIDGE, 1, point=TOWN, partial={"indirect_crl": True})
    world.lists["jpki-bridge.g1", "town"] = [found]
    trust = Trust((world.anchor.der(),), frozenset({GPKI_POLICY}), Marking.TEST)
    path = verify(world.holder.der(), Snapshot.read(world.publish(tmp_path)), trust, AT)
    assert [one.place for one in path.lists][-1] == "g/jpki-bridge.g1/crl/town.crl"
    world.lists["jpki-bridge.g1", "town"] = [dataclasses.replace(found, **end(0x3001, PREFECTURE))]
    with pytest.raises(PathRejected) as caught:
        verify(world.holder.der(), Snapshot.read(world.publish(tmp_path)), trust, AT)
    assert caught.value.reason is Reason.REVOKED


def test_an_indirect_list_speaks_for_who_names_its_issuer() -> None:
    assert len(indirect().verify().lists[-1].signer) == 1
    assert indirect(**end(0x31, PREFECTURE)).rejected().reason is Reason.REVOKED
    # The same serial of another issuer; and of the list's issuer itself, where no entry says otherwise.
    assert indirect(**end(0x31, STRANGER)).verify()
    assert indirect(**end(0x31)).verify()


@pytest.mark.parametrize(
    ("bag", "says"),
    [
        (indirect(partial={}), "it is another issuer's"),
        (indirect(point=TOWN), "of another distribution point"),
        (cited(indirect(), STRANGER), "there was no list"),
        (cited(indirect(point=TOWN), point=HOLDER), "of another distribution point"),
        (cited(indirect(), reasons=x509.ReasonFlags({"superseded"})), "leave reasons out"),
        (dataclasses.replace(indirect(), certificates=[]), "of another key"),
    ],
)
def test_an_indirect_list_speaks_for_nobody_else(bag: Bag, says: str) -> None:
    assert says in bag.cannot_tell()


@pytest.mark.parametrize(
    "bag", [cited(indirect(point=TOWN), point=TOWN), indirect(point=LISTER), cited(indirect(), point=TOWN)]
)
def test_the_point_of_an_indirect_list(bag: Bag) -> None:
    """Named by both; or by the list alone, as its issuer is called (RFC 5280 6.3.3 (b)(2)(i)); or by none."""
    assert bag.verify()


def test_a_relative_name_continues_the_list_issuers() -> None:
    """RFC 5280 4.2.1.13."""
    bag = indirect(point=(*LISTER, ("common_name", "List 1")))
    part = x509.RelativeDistinguishedName(
        [
            x509.NameTypeAndValue(
                {
                    "type": "common_name",
                    "value": x509.DirectoryString("utf8_string", core.UTF8String("list 1")),
                }
            )
        ]
    )
    relative = x509.DistributionPointName(name="name_relative_to_crl_issuer", value=part)
    named = x509.GeneralNames([x509.GeneralName(name="directory_name", value=name(LISTER))])
    points = x509.CRLDistributionPoints([{"crl_issuer": named, "distribution_point": relative}])
    bag.holder.more = [("crl_distribution_points", False, points)]
    assert bag.verify()


def test_entries_go_on_with_the_issuer_before_them() -> None:
    """RFC 5280 5.3.3: an entry without certificateIssuer is of the same issuer as the one before it."""
    found = indirect().lists[0]
    entries = {**end(0x77, PREFECTURE)["revoked"], 0x31: (AT - DAY, "superseded")}
    names = end(0x77, PREFECTURE)["entry_more"]
    first = _Entries("x", "full", LISTER, 6, partial=found.partial, revoked=entries, entry_more=names)
    assert Bag(
        holder=indirect().holder, certificates=indirect().certificates, lists=[first]
    ).rejected().reason is (Reason.REVOKED)


class _Entries(Crl):
    """The extensions that the test gives stand in the first entry alone."""

    def _entry(self, serial: int, ended: tuple) -> dict:
        one = self if serial == next(iter(self.revoked)) else dataclasses.replace(self, entry_more=[])
        return Crl._entry(one, serial, ended)


def test_an_entry_for_others_stands_in_no_plain_list() -> None:
    """RFC 5280 5.3.3: the extension is critical, and known in indirect lists alone."""
    bag = Bag(lists=[Crl("x", "full", PREFECTURE, 2, **end(0x77, STRANGER))])
    assert "an entry has a critical extension" in bag.cannot_tell()


def test_who_is_named_as_the_issuer_of_its_own_list_may_sign_it() -> None:
    """As in PKITS 4.14.30: its CA wanted it so, and nothing else could tell."""
    bag = cited(indirect())
    (lister,) = bag.certificates
    named = x509.GeneralNames([x509.GeneralName(name="directory_name", value=name(LISTER))])
    lister.more = [("crl_distribution_points", False, x509.CRLDistributionPoints([{"crl_issuer": named}]))]
    assert bag.verify()
    bag.lists[0] = dataclasses.replace(bag.lists[0], **end(0x10, ANCHOR))
    assert "as a list's signer: revoked since" in bag.cannot_tell()
