"""What the verifier makes of delta lists: of a toy world's, with OpenSSL's verdict beside ours, and of our own."""

from __future__ import annotations

import dataclasses
import subprocess
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path

import pytest
from asn1crypto import core, pem, x509

from bridge.manifest import Marking
from bridge.relying.finding.snapshot import Snapshot
from bridge.relying.rejection import PathRejected, Reason
from bridge.relying.revoked.evidence import DeltaUsed, ListUsed
from bridge.relying.trust import Trust
from bridge.relying.verify import VerifiedPath, verify
from bridge.repository.contents import publish_manifest
from bridge.repository.layout import delta_path, list_path
from ca.clock import utc_text
from ca.issuing.cycle import IssuedCertificate
from ca.journal.entries import OrderEntry, RevocationEntry
from ca.model import ARL, CertificateKind, GenerationId, RevocationReason
from ca.profiles.practice import ListPractice
from front.cli import verdicts
from tests.engine_world import NOW, EngineWorld, engine_world
from tests.ocsp_world import publish_certificates_alone
from tests.relying_world import (
    AT,
    BRIDGE,
    DAY,
    GPKI_POLICY,
    OTHER_TOWN,
    TOWN,
    Crl,
    World,
    name,
)
from tests.test_publication import PARTITION, TOTTORI, end, practise, publish_now

SECOND, HOUR = timedelta(seconds=1), timedelta(hours=1)
HOLDER = 0x3001
COMPLETE = "g/jpki-13.g1/crl/signature-131016.crl"
DELTA = "g/jpki-13.g1/crl/signature-131016.delta.crl"
URL = f"http://repository.example/jpki/{DELTA}"
REVOKED, CANNOT_TELL = Reason.REVOKED, Reason.CANNOT_TELL


def freshest(*urls: str) -> tuple[str, bool, object]:
    """freshestCRL as our lists have it: a URL, and the point's name."""
    names = [x509.GeneralName(name="uniform_resource_identifier", value=x509.URI(url)) for url in urls]
    names.append(x509.GeneralName(name="directory_name", value=name(TOWN)))
    point = x509.DistributionPointName(name="full_name", value=x509.GeneralNames(names))
    return "freshest_crl", False, x509.CRLDistributionPoints([{"distribution_point": point}])


def indicator(base: int) -> tuple[str, bool, object]:
    return "delta_crl_indicator", True, core.Integer(base)


def ended(reason: str | None, serial: int = HOLDER) -> dict:
    return {serial: (AT - DAY / 4, reason)}


@dataclass
class Pair:
    """The town's complete list, number 3 and half a day old, and a delta list, number 5 and an hour old."""

    world: World
    complete: Crl
    delta: Crl
    folder: Path
    contents: bytes | None = None

    @classmethod
    def of(cls, folder: Path) -> Pair:
        world = World()
        complete = world.town
        complete.number, complete.more = 3, [freshest(URL)]
        delta = dataclasses.replace(complete, number=5, this_update=AT - HOUR, more=[indicator(2)])
        return cls(world, complete, delta, folder)

    def publish(self) -> Path:
        folder = self.world.publish(self.folder / "published")
        (folder / DELTA).write_bytes(self.delta.der() if self.contents is None else self.contents)
        return folder

    def verify(self) -> VerifiedPath:
        trust = Trust((self.world.anchor.der(),), frozenset({GPKI_POLICY}), Marking.TEST)
        return verify(self.world.holder.der(), Snapshot.read(self.publish()), trust, AT)

    def openssl_accepts(self) -> bool:
        """OpenSSL's verdict with both lists; it does not ask who names the delta list."""
        folder = self.folder / "openssl"
        self.world.openssl_accepts(folder, GPKI_POLICY, AT)
        with (folder / "lists.pem").open("ab") as lists:
            lists.write(pem.armor("X509 CRL", self.delta.der()))
        command = "openssl verify -CAfile anchor.pem -untrusted cross.pem -CRLfile lists.pem -crl_check_all"
        command += " -use_deltas -extended_crl -auth_level 1 -explicit_policy -policy_print"
        command += f" -policy {GPKI_POLICY} -attime {int(AT.timestamp())} holder.pem"
        return subprocess.run(command.split(), cwd=folder, capture_output=True, check=False).returncode == 0


@pytest.fixture
def pair(tmp_path: Path) -> Pair:
    return Pair.of(tmp_path)


Change = Callable[[Pair], object]


def complete(**values: object) -> Change:
    return lambda pair: [setattr(pair.complete, field, value) for field, value in values.items()]


def delta(**values: object) -> Change:
    return lambda pair: [setattr(pair.delta, field, value) for field, value in values.items()]


def both(*changes: Change) -> Change:
    return lambda pair: [change(pair) for change in changes]


HELD = complete(revoked=ended("certificate_hold"))
LIFTS = delta(revoked=ended("remove_from_crl"))
ENDS = delta(revoked=ended("key_compromise"))


@dataclass(frozen=True)
class Added:
    """The delta list is added: what the two say together, and OpenSSL's verdict (None: it says something else)."""

    id: str
    change: Change
    reason: Reason | None = None
    openssl: bool | None = True
    says: str = ""


ADDED = [
    Added("nothing has changed", delta()),
    Added("revoked since", ENDS, REVOKED, openssl=False, says="keyCompromise"),
    Added("another was revoked since", delta(revoked=ended("superseded", 0x3002))),
    Added("a hold was lifted", both(HELD, LIFTS)),
    Added("a hold has become final", both(HELD, ENDS), REVOKED, openssl=False, says="keyCompromise"),
    Added(
        "another's hold was lifted",
        both(HELD, delta(revoked=ended("remove_from_crl", 0x3002))),
        REVOKED,
        False,
    ),
    Added("what was never listed is removed", LIFTS),
    Added("revoked before, and unchanged", complete(revoked=ended("superseded")), REVOKED, openssl=False),
    Added("the base is the complete list itself", both(HELD, LIFTS, delta(more=[indicator(3)]))),
    Added("the last second of the delta list", both(LIFTS, delta(next_update=AT)), openssl=None),
    # RFC 5280 6.3.3 (a)(1)(i)
    Added("the complete list has run out", complete(next_update=AT - SECOND)),
    Added(
        "the complete list has run out, and revoked since",
        both(complete(next_update=AT - SECOND), ENDS),
        REVOKED,
        openssl=False,
    ),
    # RFC 5280 5.3.1: an end for good is not taken back. OpenSSL takes it off.
    Added(
        "an end for good is taken back",
        both(complete(revoked=ended("superseded")), LIFTS),
        CANNOT_TELL,
        says="removes what was not on hold",
    ),
]


@pytest.mark.parametrize("case", ADDED, ids=lambda case: case.id)
def test_a_delta_list_is_added(case: Added, pair: Pair) -> None:
    case.change(pair)
    if case.reason is None:
        used = pair.verify().lists[-1]
        assert (used.place, used.number) == (COMPLETE, 3)
        assert used.delta is not None
        assert (used.delta.place, used.delta.number, used.delta.this_update) == (DELTA, 5, AT - HOUR)
        assert used.without_delta is None
    else:
        with pytest.raises(PathRejected) as caught:
            pair.verify()
        assert (caught.value.reason, caught.value.step) == (case.reason, 3)
        assert case.says in caught.value.problem
    if case.openssl is not None:
        assert pair.openssl_accepts() is case.openssl


UNUSABLE: dict[str, tuple[Change, str]] = {
    "expired": (delta(next_update=AT - SECOND), "it is out of date (RFC 5280 6.3.3 (a))"),
    "of a later moment": (delta(this_update=AT + SECOND), "it is of a later time"),
    "of a newer base": (delta(more=[indicator(4)]), "(RFC 5280 5.2.4 (c))"),
    "of another point": (delta(point=OTHER_TOWN), "(RFC 5280 6.3.3 (c)(2))"),
    "of all points": (delta(point=None, holds="all"), "(RFC 5280 6.3.3 (c)(2))"),
    "of other kinds": (delta(holds="all"), "(RFC 5280 6.3.3 (c)(2))"),
    "of fewer reasons": (delta(partial={"only_some_reasons": {"superseded"}}), "(RFC 5280 6.3.3 (c)(2))"),
    "of another issuer": (delta(issuer=BRIDGE), "(RFC 5280 6.3.3 (c)(1))"),
    "of another key": (delta(signer=4), "(RFC 5280 6.3.3 (c)(3))"),
    "signed by another key": (delta(signer=4, aki_key=2), "signature"),
    "signed with SHA-1": (delta(digest="sha1"), "is believed only where it is named"),
    "no delta list": (delta(more=[]), "it is no delta list"),
    "with an unknown critical extension": (
        delta(more=[indicator(2), ("2.999.5.5", True, b"\x05\x00")]),
        "not known here",
    ),
    "with an unknown critical extension at an entry": (
        both(ENDS, delta(entry_more=[("2.999.5.5", True, b"\x05\x00")])),
        "an entry has a critical extension",
    ),
    "garbage": (lambda pair: setattr(pair, "contents", b"\x30\x03\x02\x01\x00"), "cannot be read as DER"),
    "somewhere else": (
        complete(more=[freshest(URL.replace(".delta", ".fresh"))]),
        "is not in the published folder",
    ),
}


@pytest.mark.parametrize("id", UNUSABLE)
def test_a_delta_list_that_cannot_be_used_says_nothing(id: str, pair: Pair) -> None:  # noqa: A002 - the case's name
    """The complete list decides alone while it is current, whatever the other says; then nobody can tell."""
    change, why = UNUSABLE[id]
    change(pair)
    used = pair.verify().lists[-1]
    assert (used.number, used.delta) == (3, None)
    assert used.without_delta is not None
    assert why in used.without_delta
    for said, reason in ((HELD, REVOKED), (complete(revoked={}, next_update=AT - SECOND), CANNOT_TELL)):
        said(pair)
        pair.delta.revoked = ended("remove_from_crl")
        with pytest.raises(PathRejected) as caught:
            pair.verify()
        assert (caught.value.reason, caught.value.step) == (reason, 3)


@pytest.mark.parametrize(
    ("change", "number"),
    {
        "nobody names it": (complete(more=[]), 3),
        "it lies with another's lists": (complete(more=[freshest(URL.replace("13.g1", "14.g1"))]), 3),
        "it is as old": (delta(number=3), 3),
        "it is older": (delta(number=2), 3),
    }.values(),
)
def test_a_delta_list_that_is_not_meant_is_not_asked(change: Change, number: int, pair: Pair) -> None:
    both(change, ENDS)(pair)
    used = pair.verify().lists[-1]
    assert (used.number, used.delta, used.without_delta) == (number, None, None)


@pytest.mark.parametrize(
    "change",
    {
        "the certificate names it": lambda pair: (
            setattr(pair.complete, "more", []),
            pair.world.holder.more.append(freshest(URL)),
        ),
        "under another host": complete(more=[freshest(f"ldap://elsewhere.example:389/{DELTA}")]),
        "the first of two is dead": complete(more=[freshest(URL.replace(".delta", ".gone"), URL)]),
    }.values(),
)
def test_where_delta_lists_are_found(change: Change, pair: Pair) -> None:
    both(change, ENDS)(pair)
    with pytest.raises(PathRejected) as caught:
        pair.verify()
    assert caught.value.reason is REVOKED


def test_the_newest_of_several_delta_lists_counts(pair: Pair) -> None:
    pair.complete.more = [freshest(URL.replace(".delta", ".newer"), URL)]
    both(HELD, ENDS)(pair)
    newer = dataclasses.replace(pair.delta, number=6, revoked=ended("remove_from_crl"))
    (pair.publish() / DELTA.replace(".delta", ".newer")).write_bytes(newer.der())
    added = pair.verify().lists[-1].delta
    assert added is not None
    assert added.number == 6


def test_a_dead_url_is_not_told_of_when_another_leads_to_a_delta_list(pair: Pair) -> None:
    pair.complete.more = [freshest(URL.replace(".delta", ".gone"), URL)]
    used = pair.verify().lists[-1]
    assert used.delta is not None
    assert used.without_delta is None


def test_a_list_of_another_form_of_point_is_none_of_ours(pair: Pair) -> None:
    """Of a name relative to the issuer no file is known: a snapshot finds delta lists by URL."""
    step = name((("common_name", "delta"),)).chosen[0]
    point = x509.DistributionPointName(name="name_relative_to_crl_issuer", value=step)
    pair.complete.more = [
        ("freshest_crl", False, x509.CRLDistributionPoints([{"distribution_point": point}]))
    ]
    ENDS(pair)
    used = pair.verify().lists[-1]
    assert (used.delta, used.without_delta) == (None, None)


# Our own.


@pytest.fixture
def world(tmp_path: Path) -> Iterator[EngineWorld]:
    with engine_world(tmp_path / "world") as made:
        practise(made, ListPractice(delta=True))
        yield made


def test_our_delta_lists_bring_an_older_complete_list_up_to_date(world: EngineWorld) -> None:
    """A mirror that has yesterday's complete list and today's delta list says what today's complete list says."""
    kind, hold = CertificateKind.SIGNATURE, RevocationReason.CERTIFICATE_HOLD
    good, ended_late, lifted, held = (world.issued(kinds=(kind,))[kind] for _ in range(4))
    for bridge in ("gpki-bca.g1", "jpki-bridge.g1"):
        publish_now(world, ARL, generation=GenerationId.parse(bridge))
    publish_now(world, PARTITION)
    for item in (lifted, held):
        end(world, item.id, hold)
    before, _ = publish_now(world, PARTITION, at=NOW + HOUR)
    end(world, ended_late.id, RevocationReason.KEY_COMPROMISE, at=NOW + HOUR)
    lift = OrderEntry(str(lifted.id), RevocationReason.REMOVE_FROM_CRL.word, NOW + HOUR, PARTITION)
    with world.stores.recording() as recording:
        recording.note(RevocationEntry("officer operator", "found", NOW + HOUR, (lift,)))
    now, _ = publish_now(world, PARTITION, at=NOW + 2 * HOUR)
    publish_certificates_alone(world.stores, world.repository)
    publish_manifest(world.issuers, world.plan, world.repository, at=NOW)

    def said(numbers: tuple[int, int | None]) -> dict[str, Reason | None]:
        return {
            word: verdict(world, item, numbers)
            for word, item in (("good", good), ("ended", ended_late), ("lifted", lifted), ("held", held))
        }

    expected = {"good": None, "ended": REVOKED, "lifted": None, "held": REVOKED}
    assert said((now.number, None)) == expected
    folder = world.repository.folder
    newest = folder / list_path(TOTTORI, PARTITION)
    newest.unlink()
    newest.write_bytes((folder / list_path(TOTTORI, PARTITION, before.number)).read_bytes())
    assert said((before.number, now.number)) == expected
    (folder / delta_path(TOTTORI, PARTITION)).unlink()
    assert said((before.number, None)) == {"good": None, "ended": None, "lifted": REVOKED, "held": REVOKED}


def verdict(world: EngineWorld, item: IssuedCertificate, numbers: tuple[int, int | None]) -> Reason | None:
    folder = world.repository.folder
    anchor = (folder / "g/gpki-bca.g1/self.cer").read_bytes()
    trust = Trust((anchor,), frozenset(world.plan.trusted_policies), Marking.TEST)
    try:
        used = verify(item.encoded, Snapshot.read(folder), trust, NOW + 2 * HOUR).lists[-1]
    except PathRejected as rejected:
        return rejected.reason
    assert (used.number, used.delta and used.delta.number) == numbers
    return None


# What the command says of them.


def test_a_delta_list_that_was_added_or_not_is_named() -> None:
    complete = ListUsed(GenerationId.parse("jpki-13.g1"), "a.crl", 3, AT)
    fields = {"place": "a.crl", "number": 3, "this_update": utc_text(AT)}
    assert (verdicts._named(complete), verdicts._said(complete)) == (
        fields,
        f"a.crl number 3 of {utc_text(AT)}",
    )
    added = dataclasses.replace(complete, delta=DeltaUsed("a.delta.crl", 5, AT + HOUR))
    assert verdicts._named(added)["delta"] == {
        "place": "a.delta.crl",
        "number": 5,
        "this_update": utc_text(AT + HOUR),
    }
    assert verdicts._said(added).endswith(f", with its delta list number 5 of {utc_text(AT + HOUR)}")
    without = dataclasses.replace(complete, without_delta="is not there")
    assert verdicts._named(without)["without_delta"] == "is not there"
    assert verdicts._said(without).endswith(", without its delta list: is not there")
