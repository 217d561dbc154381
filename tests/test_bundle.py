"""Bundles: OpenSSL alone comes to the same verdict in an empty folder, and so do we when we read them back."""

import contextlib
import io
import json
import os
import subprocess
import warnings
import zipfile
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import timedelta

import pytest
from asn1crypto import core, pem, x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509 import ReasonFlags, load_der_x509_certificate, ocsp
from hypothesis import given
from hypothesis import strategies as st

from bridge.manifest import Marking
from bridge.relying.finding.carried import Carried
from bridge.relying.finding.several import Several
from bridge.relying.finding.snapshot import Snapshot
from bridge.relying.rejection import PathRejected, Reason
from bridge.relying.telling.bundle import Bundled, bundle
from bridge.relying.telling.bundle_file import MOST_FILES, pack, unpack
from bridge.relying.telling.explaining import explain
from bridge.relying.trust import PolicyDemand, Trust
from bridge.relying.verify import VerifiedPath, verify
from ca.errors import BadInput
from tests import pkits
from tests.commands import done, refused, run
from tests.relying_world import (
    AT,
    BRIDGE,
    DAY,
    GPKI_POLICY,
    JPKI_POLICY,
    OTHER_POLICY,
    Cert,
    World,
    key,
)

USUAL = PolicyDemand()


def nothing(world):
    """The right world as it is."""


@dataclass(frozen=True)
class Case:
    """One change to the right world, our verdict, and check.sh's exit status."""

    id: str
    change: Callable[[World], object] = nothing
    reason: Reason | None = None
    policy: str = GPKI_POLICY
    at: timedelta = timedelta()
    marking: Marking = Marking.TEST
    anchor: Callable[[World], bytes] = lambda world: world.anchor.der()
    demand: PolicyDemand = USUAL
    status: int | None = None
    says: str = ""

    @property
    def expected(self):
        return self.status if self.status is not None else int(self.reason is not None)


def end(world):
    world.town.revoked = {0x3001: (AT - DAY, "affiliation_changed")}


def end_the_prefecture(world):
    world.arl("jpki-bridge.g1").revoked = {0x2001: (AT - DAY, "ca_compromise")}


def without(generation, scope):
    return lambda world: world.lists.pop((generation, scope))


def out_of_date(world):
    world.town.next_update = AT - DAY / 8


def plain(world):
    """A production world: no name of it ends in -TEST."""

    def without_mark(steps):
        return steps and tuple((kind, value.removesuffix("-TEST")) for kind, value in steps)

    everything = [world.anchor, *world.crosses.values(), world.holder]
    for one in [*everything, *(one for found in world.lists.values() for one in found)]:
        for field in {"subject", "issuer", "point"} & vars(one).keys():
            setattr(one, field, without_mark(getattr(one, field)))
    world.authorities = {
        key: (without_mark(steps), number) for key, (steps, number) in world.authorities.items()
    }
    world.marking = "production"


def plain_but_marked(world):
    plain(world)
    world.marking = "test"


def no_anchors_list(world):
    """The anchor's own certificate names a point of which no list is published."""
    world.anchor.point = BRIDGE


def two_generations(world):
    """A bridge of two generations, joined by a link certificate; the straight path has no list."""
    world.authorities["jpki-bridge.g2"] = (BRIDGE, 4)
    world.crosses["gpki-bca.g1", "jpki-bridge.g2"] = replace(world.to_bridge, key=4, serial=0x1002)
    world.crosses["jpki-bridge.g2", "jpki-bridge.g1"] = Cert(
        BRIDGE, BRIDGE, key=1, signer=4, serial=0x2003, policies=[JPKI_POLICY], point=BRIDGE
    )
    arl = replace(world.arl("jpki-bridge.g1"), generation="jpki-bridge.g2", signer=4)
    world.lists["jpki-bridge.g2", "arl"] = [arl]
    del world.crosses["gpki-bca.g1", "jpki-bridge.g1"]


def wrong_signature(world):
    world.to_prefecture.signer, world.to_prefecture.aki_key = 4, 1


def not_a_ca(world):
    world.to_prefecture.ca = False


def unknown_critical(world):
    world.holder.more = [("2.999.5.5", True, core.ParsableOctetString(b"\x05\x00"))]


def purposes(world):
    world.to_prefecture.purposes = ["server_auth"]


CASES = [
    Case("valid"),
    Case("valid with a policy too many"),
    Case("valid yesterday", end, at=-DAY / 4, reason=Reason.REVOKED),
    Case("revoked", end, Reason.REVOKED),
    Case("a CA revoked", end_the_prefecture, Reason.REVOKED),
    Case("expired", at=timedelta(days=1001), reason=Reason.EXPIRED),
    Case("not yet valid", at=-timedelta(days=101), reason=Reason.NOT_YET_VALID),
    Case("wrong policy", policy=OTHER_POLICY, reason=Reason.POLICY),
    Case("no mapping allowed", demand=PolicyDemand(inhibit_mapping=True), reason=Reason.POLICY),
    Case("test world in production", marking=Marking.PRODUCTION, reason=Reason.TEST_WORLD, says="test world"),
    Case("production", plain, marking=Marking.PRODUCTION),
    Case("marked in its manifest alone", plain_but_marked, Reason.TEST_WORLD, marking=Marking.PRODUCTION),
    Case("list missing", without("jpki-13.g1", "signature-131016"), Reason.CANNOT_TELL),
    Case("list of a CA missing", without("jpki-bridge.g1", "arl"), Reason.CANNOT_TELL),
    Case("list out of date", out_of_date, Reason.CANNOT_TELL),
    Case("no list of the anchor's own", no_anchors_list),
    Case("no list of the anchor's own, revoked", lambda w: [no_anchors_list(w), end(w)], Reason.REVOKED),
    Case("link certificate", two_generations),
    Case("the bridge itself is trusted", anchor=lambda w: w.to_bridge.der(), policy=JPKI_POLICY),
    Case(
        "the bridge itself is trusted, revoked",
        end,
        Reason.REVOKED,
        anchor=lambda w: w.to_bridge.der(),
        policy=JPKI_POLICY,
    ),
    Case("another anchor", reason=Reason.NO_PATH, anchor=lambda w: replace(w.anchor, key=5, signer=5).der()),
    Case("wrong signature", wrong_signature, Reason.SIGNATURE),
    Case("a holder as issuer", not_a_ca, Reason.STRUCTURE),
    Case("unknown and critical", unknown_critical, Reason.STRUCTURE),
    # OpenSSL looks at the purposes of CAs for a purpose that it was asked for alone.
    Case("a CA's key for servers", purposes, Reason.STRUCTURE, status=2, says="disagree"),
]  # fmt: skip


@dataclass(frozen=True)
class Made:
    """A case verified: what came of it, and its bundle's octets."""

    leaf: bytes
    trust: Trust
    at: object
    outcome: object
    octets: bytes
    snapshot: Snapshot


def made(case, folder):
    world = World()
    case.change(world)
    snapshot = Snapshot.read(world.publish(folder / "published"))
    trust = Trust((case.anchor(world),), frozenset({case.policy}), case.marking, case.demand)
    leaf, at = world.holder.der(), AT + case.at
    explanation = explain(leaf, snapshot, trust, at)
    octets = pack(bundle(leaf, explanation, snapshot, trust), {"verdict": explanation.verdict.value})
    return Made(leaf, trust, at, explanation.outcome, octets, snapshot)


def check(octets, folder):
    """Run check.sh in a folder that was empty, with nothing else in reach."""
    folder.mkdir()
    with zipfile.ZipFile(io.BytesIO(octets)) as archive:
        archive.extractall(folder)
    environment = {"PATH": os.environ["PATH"], "OPENSSL_CONF": "/dev/null", "LC_ALL": "C"}
    return subprocess.run(
        ["sh", folder / "check.sh"], cwd="/", env=environment, capture_output=True, text=True, check=False
    )


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.id)
def test_openssl_alone_comes_to_the_same_verdict(case, tmp_path):
    one = made(case, tmp_path)
    assert getattr(one.outcome, "reason", None) is case.reason
    said = check(one.octets, tmp_path / "unpacked")
    assert said.returncode == case.expected, said.stdout + said.stderr
    assert case.says in said.stdout + said.stderr


@pytest.mark.parametrize(
    ("name", "change"),
    [
        ("lists/3.pem", lambda world: pem.armor("X509 CRL", world.town.der())),
        ("path/3.pem", lambda world: pem.armor("CERTIFICATE", world.holder.der())),
        ("trust/anchors.pem", lambda world: pem.armor("CERTIFICATE", world.anchor.der())),
    ],
)
def test_the_script_judges_what_lies_there_and_not_what_the_verdict_says(name, change, tmp_path):
    """A file of the folder is changed for another that was made as rightly: the verdict is no longer OpenSSL's."""
    other = World()
    end(other)
    other.holder.policies = [OTHER_POLICY]
    other.anchor.key = other.anchor.signer = 5
    octets = rebuilt(made(CASES[0], tmp_path).octets, {name: change(other)})
    said = check(octets, tmp_path / "unpacked")
    assert said.returncode == 2
    assert "OpenSSL: refused; verdict.json: accepted" in said.stdout


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.id)
def test_we_come_to_the_same_verdict_from_the_bundle(case, tmp_path):
    one = made(case, tmp_path)
    (tmp_path / "out.zip").write_bytes(one.octets)
    material = Bundled(unpack(tmp_path / "out.zip"), "out.zip")
    if case.reason is None:
        again = verify(one.leaf, material, one.trust, one.at)
        assert isinstance(one.outcome, VerifiedPath)
        assert again.certificates == one.outcome.certificates
        assert again.policies == one.outcome.policies
        assert [used.der for used in again.lists] == [used.der for used in one.outcome.lists]
    else:
        with pytest.raises(PathRejected) as caught:
            verify(one.leaf, material, one.trust, one.at)
        assert (caught.value.reason, caught.value.step) == (case.reason, one.outcome.step)


@pytest.mark.parametrize("case", CASES[:4], ids=lambda case: case.id)
def test_a_bundle_made_of_a_bundle_is_the_same(case, tmp_path):
    one = made(case, tmp_path)
    (tmp_path / "out.zip").write_bytes(one.octets)
    content = unpack(tmp_path / "out.zip")
    material = Bundled(content, "out.zip")
    explanation = explain(one.leaf, material, one.trust, one.at)
    again = pack(bundle(one.leaf, explanation, material, one.trust), {"verdict": explanation.verdict.value})
    assert again == one.octets


# Delta lists and answers


URL = "http://repository.example/jpki/g/jpki-13.g1/crl/signature-131016.delta.crl"


def with_a_delta(folder, *, complete=(), delta=(), until=None):
    """The town's list names a delta list; each tells of these serials."""
    world, old = World(), AT - DAY / 4
    names = [x509.GeneralName(name="uniform_resource_identifier", value=x509.URI(URL))]
    point = x509.DistributionPointName(name="full_name", value=x509.GeneralNames(names))
    town = world.town
    town.number, town.next_update = 3, until or town.next_update
    town.more = [("freshest_crl", False, x509.CRLDistributionPoints([{"distribution_point": point}]))]
    town.revoked = dict.fromkeys(complete, (old, "superseded"))
    newer = replace(
        town,
        number=5,
        next_update=AT + DAY / 2,
        more=[("delta_crl_indicator", True, core.Integer(2))],
        revoked=dict.fromkeys(delta, (old, "superseded")),
    )
    published = world.publish(folder / "published")
    (published / "g/jpki-13.g1/crl/signature-131016.delta.crl").write_bytes(newer.der())
    snapshot = Snapshot.read(published)
    trust = Trust((world.anchor.der(),), frozenset({GPKI_POLICY}), Marking.TEST)
    return made_of(world.holder.der(), snapshot, trust)


def made_of(leaf, material, trust):
    explanation = explain(leaf, material, trust, AT)
    octets = pack(bundle(leaf, explanation, material, trust), {"verdict": explanation.verdict.value})
    return Made(leaf, trust, AT, explanation.outcome, octets, material)


@pytest.mark.parametrize(
    ("lists", "reason", "status"),
    [
        ({"complete": [0x77], "delta": [0x88]}, None, 0),
        ({"complete": [0x3001], "delta": []}, Reason.REVOKED, 1),
        ({"complete": [], "delta": [0x3001]}, Reason.REVOKED, 2),
        ({"until": AT - DAY / 8}, None, 2),
    ],
    ids=["says nothing new", "complete list says it", "delta list says it", "complete list is old"],
)
def test_where_a_delta_list_decides_openssl_is_no_judge_and_we_are(lists, reason, status, tmp_path):
    one = with_a_delta(tmp_path, **lists)
    assert getattr(one.outcome, "reason", None) is reason
    said = check(one.octets, tmp_path / "unpacked")
    assert said.returncode == status, said.stdout + said.stderr
    assert ("a delta list decides here" in said.stderr) == (status == 2)
    (tmp_path / "out.zip").write_bytes(one.octets)
    content = unpack(tmp_path / "out.zip")
    assert len(content.deltas) == 1
    again = explain(one.leaf, Bundled(content, "out.zip"), one.trust, AT).outcome
    assert getattr(again, "reason", None) is reason


def answer(issuer, certificate, signer, *, revoked=None, digest=hashes.SHA1):
    """An OCSP response by the issuer's own key."""
    subject = load_der_x509_certificate(certificate.der())
    above = load_der_x509_certificate(issuer.der())
    return (
        ocsp.OCSPResponseBuilder()
        .add_response(
            subject,
            above,
            digest(),
            ocsp.OCSPCertStatus.REVOKED if revoked else ocsp.OCSPCertStatus.GOOD,
            AT - DAY / 8,
            AT + DAY / 8,
            revoked,
            ReasonFlags.superseded if revoked else None,
        )
        .responder_id(ocsp.OCSPResponderEncoding.HASH, above)
        .sign(key(signer), hashes.SHA256())
        .public_bytes(Encoding.DER)
    )


@pytest.mark.parametrize("digest", [hashes.SHA1, hashes.SHA256])
@pytest.mark.parametrize("revoked", [None, AT - DAY])
def test_openssl_reads_the_answer_where_there_is_no_list(digest, revoked, tmp_path):
    world = World()
    del world.lists["jpki-13.g1", "signature-131016"]
    snapshot = Snapshot.read(world.publish(tmp_path / "published"))
    said = answer(world.to_prefecture, world.holder, 2, revoked=revoked, digest=digest)
    trust = Trust((world.anchor.der(),), frozenset({GPKI_POLICY}), Marking.TEST)
    one = made_of(world.holder.der(), Several(snapshot, Carried(answers=[said])), trust)
    assert getattr(one.outcome, "reason", None) is (Reason.REVOKED if revoked else None)
    checked = check(one.octets, tmp_path / "unpacked")
    assert checked.returncode == (1 if revoked else 0), checked.stdout + checked.stderr
    (tmp_path / "out.zip").write_bytes(one.octets)
    again = explain(one.leaf, Bundled(unpack(tmp_path / "out.zip"), "out.zip"), trust, AT).outcome
    assert getattr(again, "reason", None) is getattr(one.outcome, "reason", None)


# PKITS

NO_JUDGE = {
    "4.1.4": "DSA with SHA-1, which OpenSSL is asked not to believe",
    "4.1.5": "DSA with SHA-1, which OpenSSL is asked not to believe",
    "4.14.30": "a list that tells of its own signer, which OpenSSL does not follow",
    "4.15.4": "a delta list revokes it",
    "4.15.5": "a delta list takes it off",
}


@pytest.mark.long
@pytest.mark.parametrize("case", pkits.CASES, ids=lambda case: case.id)
def test_every_pkits_case_is_bundled(case, tmp_path):
    """OpenSSL and we come to the same verdict from the bundle, but where OpenSSL is no judge."""
    if case.number == "4.1.6":
        return  # cannot be read
    material, trust = pkits.everything(), case.trust()
    explanation = explain(case.der, material, trust, pkits.AT)
    octets = pack(bundle(case.der, explanation, material, trust), {})
    said = check(octets, tmp_path / "unpacked")
    expected = 2 if case.number in NO_JUDGE else int(case.reason is not None)
    assert said.returncode == expected, said.stdout + said.stderr
    (tmp_path / "out.zip").write_bytes(octets)
    again = explain(case.der, Bundled(unpack(tmp_path / "out.zip"), "out.zip"), trust, pkits.AT)
    assert getattr(again.outcome, "reason", None) is case.reason


# The file


@pytest.fixture(scope="module")
def right(tmp_path_factory):
    return made(CASES[0], tmp_path_factory.mktemp("right")).octets


def test_the_same_verification_makes_the_same_octets(right, tmp_path):
    assert made(CASES[0], tmp_path).octets == right
    with zipfile.ZipFile(io.BytesIO(right)) as archive:
        assert {entry.date_time for entry in archive.infolist()} == {(1980, 1, 1, 0, 0, 0)}
        assert archive.getinfo("check.sh").external_attr >> 16 == 0o100755
        assert archive.namelist() == [
            "check.sh",
            "verdict.json",
            "bundle.json",
            "trust/anchors.pem",
            *(f"path/{number}.pem" for number in (1, 2, 3)),
            *(f"lists/{number}.pem" for number in (1, 2, 3)),
        ]


def rebuilt(octets, changes, compression=zipfile.ZIP_DEFLATED, more=()):
    """The same file with other contents under some names; None leaves one out."""
    target = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(octets)) as old, zipfile.ZipFile(target, "w", compression) as new:
        for entry in old.namelist():
            content = changes.get(entry, old.read(entry))
            if content is not None:
                new.writestr(entry, content)
        for entry, content in more:
            with warnings.catch_warnings():  # zipfile warns of a name that stands twice
                warnings.simplefilter("ignore")
                new.writestr(entry, content)
    return target.getvalue()


def index_with(octets, **changes):
    with zipfile.ZipFile(io.BytesIO(octets)) as archive:
        return json.dumps(json.loads(archive.read("bundle.json")) | changes).encode()


def in_the_index(octets):
    """Octets changed within the contents of bundle.json."""
    at = octets.index(b"bundle.json") + 60
    return octets[:at] + bytes(60) + octets[at + 60 :]


BOMB = b"\0" * (100 * 1024 * 1024)
PEM = pem.armor("CERTIFICATE", b"x")


@pytest.mark.parametrize(
    ("spoil", "words"),
    [
        (lambda octets: octets[:0], "is not a zip file"),
        (lambda octets: octets[:2] + bytes(100), "is not a zip file"),
        (lambda octets: octets[:-5], "is not a zip file"),
        (lambda octets: octets + b"more", "is not a zip file"),
        (in_the_index, "is not a bundle, or is damaged"),
        (lambda octets: octets[: len(octets) // 2] + octets[-22:], "is not a bundle"),
        (lambda octets: rebuilt(octets, {"bundle.json": None}), "bundle.json: is missing"),
        (lambda octets: rebuilt(octets, {"bundle.json": b"{}"}), "is not the index of a bundle"),
        (lambda octets: rebuilt(octets, {"bundle.json": b"[" * 100_000}), "is not the index of a bundle"),
        (lambda octets: rebuilt(octets, {"bundle.json": BOMB}), "bundle.json: longer than"),
        (lambda octets: rebuilt(octets, {"path/1.pem": BOMB}), "path/1.pem: longer than"),
        (lambda octets: rebuilt(octets, {"path/1.pem": None}), "path/1.pem: is missing"),
        (lambda octets: rebuilt(octets, {"path/1.pem": b"x"}), "path/1.pem: is not PEM of one CERTIFICATE"),
        (lambda octets: rebuilt(octets, {"path/1.pem": PEM + PEM}), "is not PEM of one CERTIFICATE"),
        (lambda octets: rebuilt(octets, {"lists/1.pem": PEM}), "is not PEM of one X509 CRL"),
        (lambda octets: rebuilt(octets, {"trust/anchors.pem": PEM * 2}), "does not hold 1 certificates"),
        (lambda octets: rebuilt(octets, {}, zipfile.ZIP_BZIP2), "packed in a way"),
        (lambda octets: rebuilt(octets, {}, more=[("path/1.pem", b"x")]), "has a name twice"),
        (
            lambda octets: rebuilt(octets, {}, more=[(f"x{n}", b"") for n in range(MOST_FILES)]),
            "more than|zip file of at most",
        ),
        (lambda octets: rebuilt(octets, {"bundle.json": index_with(octets, format=2)}), "format 1"),
        (lambda octets: rebuilt(octets, {"bundle.json": index_with(octets, path=10**9)}), "format 1"),
        (lambda octets: rebuilt(octets, {"bundle.json": index_with(octets, lists=99)}), "4.pem: is missing"),
        (lambda octets: rebuilt(octets, {"bundle.json": index_with(octets, at="2014-10-01")}), "format 1"),
        (
            lambda octets: rebuilt(octets, {"bundle.json": index_with(octets, at="2014-10-01T00:00:00")}),
            "without its zone",
        ),
        (
            lambda octets: rebuilt(
                octets,
                {
                    "bundle.json": index_with(
                        octets, hindrance={"obstacle": "spent", "place": "\x1b[2J", "problem": "x"}
                    )
                },
            ),
            "cannot be printed",
        ),
        (
            lambda octets: rebuilt(
                octets,
                {
                    "bundle.json": index_with(
                        octets, names=[{"name": "", "key_identifier": "", "generation": "../x"}]
                    )
                },
            ),
            "generation",
        ),
    ],
)
def test_a_file_that_is_no_bundle_is_refused(spoil, words, right, tmp_path):
    path = tmp_path / "out.zip"
    path.write_bytes(spoil(right))
    with pytest.raises(BadInput, match=words):
        unpack(path)


def test_names_that_lead_out_are_never_followed(right, tmp_path):
    path = tmp_path / "out.zip"
    path.write_bytes(rebuilt(right, {}, more=[("../evil", b"x"), ("/etc/evil", b"x"), ("path/../9", b"x")]))
    unpack(path)
    assert sorted(file.name for file in tmp_path.parent.rglob("*evil*")) == []


@given(place=st.integers(0, 1 << 20), octet=st.integers(0, 255), keep=st.integers(0, 1 << 20) | st.none())
def test_a_damaged_file_is_refused_or_still_reads(place, octet, keep, right, tmp_path_factory):
    """Whatever octet is changed, or wherever the file ends: BadInput, or a bundle."""
    octets = bytearray(right)
    octets[place % len(octets)] = octet
    path = tmp_path_factory.getbasetemp() / "damaged.zip"
    path.write_bytes(octets if keep is None else octets[: keep % len(octets)])
    with contextlib.suppress(BadInput):
        Bundled(unpack(path), "damaged.zip")


# The command


@pytest.fixture(scope="module")
def toy(tmp_path_factory):
    folder = tmp_path_factory.mktemp("toy")
    world = World()
    end(world)
    world.publish(folder / "revoked")
    world = World()
    world.publish(folder / "published")
    (folder / "anchor.cer").write_bytes(world.anchor.der())
    (folder / "holder.cer").write_bytes(world.holder.der())
    return folder


def asked(toy, origin, *more):
    trust = ("--anchor", toy / "anchor.cer", "--policy", GPKI_POLICY)
    return run("verify", toy / "holder.cer", "--from", origin, *trust, *map(str, more))


@pytest.mark.parametrize(("source", "status"), [("published", 0), ("revoked", 1)])
def test_the_command_writes_a_bundle_and_reads_it_back(source, status, toy, tmp_path):
    """The moment is the bundle's; the trust is the reader's."""
    target = tmp_path / "out.zip"
    first = asked(toy, toy / source, "--at", AT.isoformat(), "--bundle", target, "--json")
    assert first.status == status
    again = asked(toy, target, "--json")
    assert again.status == status
    differing = {key for key in first.json if first.json[key] != again.json[key]}
    assert differing <= {"lists"}  # they lie elsewhere
    assert check(target.read_bytes(), tmp_path / "unpacked").returncode == status
    assert json.loads((tmp_path / "unpacked" / "verdict.json").read_text()) == first.json
    assert [path.name for path in tmp_path.iterdir() if path.name.startswith(".")] == []


def test_a_bundle_brings_no_trust(toy, tmp_path):
    target = tmp_path / "out.zip"
    done(asked(toy, toy / "published", "--at", AT.isoformat(), "--bundle", target))
    refused(run("verify", toy / "holder.cer", "--from", target), "--anchor: is needed without a home")
    other = tmp_path / "other.cer"
    other.write_bytes(replace(World().anchor, key=5, signer=5).der())
    said = run("verify", toy / "holder.cer", "--from", target, "--anchor", other, "--policy", GPKI_POLICY)
    assert (said.status, said.stdout.split(":")[0]) == (1, "not valid")


def test_a_bundle_that_cannot_be_written_is_an_error(toy, tmp_path):
    target = tmp_path / "nowhere" / "out.zip"
    said = asked(toy, toy / "published", "--at", AT.isoformat(), "--bundle", target)
    refused(said, "out.zip: cannot be written: No such file or directory")


def test_a_file_that_is_no_bundle_is_named(toy):
    refused(asked(toy, toy / "holder.cer"), "holder.cer: is not a zip file of at most")
