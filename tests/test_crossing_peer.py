"""A CA that is made with OpenSSL alone is cross-certified, renewed and withdrawn, by commands and files, and OpenSSL judges."""

from __future__ import annotations

import shutil
import sqlite3
from collections.abc import Sequence
from contextlib import closing
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path

import pytest
from asn1crypto import pem

from bridge.crossing.renewal import Renewing
from ca.clock import utc_text
from ca.model import CertificateId, CertificateKind, GenerationId
from ca.store import agreements
from ca.wire import walk
from ca.wire.facts import read_certificate
from front.assembly import open_world
from front.demo.openssl import run as openssl
from front.demo.openssl import write_certificate
from tests.commands import Outcome, done, kakehashi, refused, run
from tests.many_hands import approved
from tests.openssl_peer import NOW, POLICY, OpensslPeer, agreement

AT = NOW + timedelta(hours=1)
SIGNATURE = "2.999.2014.1.1"
TWO = ("--officer", "ito", "--second-officer", "endo")
TABLES = (
    "peers", "agreements", "examinations", "received_certificates", "renewals", "renewal_halves",
    "cross_certificates", "certificates", "revocations",
)  # fmt: skip


@dataclass(frozen=True)
class Scene:
    """Our home and the other CA, with a holder's certificate of each.

    Attributes:
        ours: A holder of ours, and the list in which it would stand.
        theirs: A holder of the other CA's.
    """

    folder: Path
    peer: OpensslPeer
    ours: Path
    scope: str
    theirs: Path

    @property
    def home(self) -> Path:
        return self.folder / "home"

    def run(self, *words: object) -> Outcome:
        return done(run("cross", *words, "--home", self.home, "--json"))

    def refused(self, *words: object, because: str) -> None:
        refused(run("cross", *words, "--home", self.home), because)

    def public(self, path: str) -> bytes:
        return (self.home / "repository" / path).read_bytes()

    def rows(self, table: str) -> list[tuple]:
        with closing(sqlite3.connect(self.home / "store.db")) as connection:
            return sorted(connection.execute(f"SELECT * FROM {table}").fetchall(), key=repr)  # noqa: S608

    def meet(self) -> None:
        """Both halves, each by its way through two officers; the last step publishes the pair."""
        (self.folder / "agreement.toml").write_text(agreement([self.peer.fingerprint]))
        root = ("--self-signed", self.peer.root)
        self.run("agree", self.folder / "agreement.toml", *root, "--officer", "ito")
        self.run("request", "foreign-2014", "--out", self.folder / "ours.csr")
        theirs = self.peer.request("theirs")
        self.run("examine", "foreign-2014", theirs, "--officer", "ito")
        out = self.folder / "for-them.pem"
        self.run("accept", "foreign-2014", theirs, "--officer", "endo", "--out", out)
        ours = self.peer.certify(self.folder / "ours.csr", "for-us")
        self.run("examine", "foreign-2014", ours, "--officer", "endo")
        self.run("accept", "foreign-2014", ours, "--officer", "ito")

    def peer_ends(self) -> str:
        """When the other CA's own certificate ends."""
        _, _, root = pem.unarmor(self.peer.root.read_bytes())
        return utc_text(read_certificate(root, "root").not_after)

    def of_ours(self) -> str:
        """What OpenSSL says of our holder, from the other CA's root."""
        steps = [
            self.peer.folder / "for-us.pem",
            self._pem("g/gpki-bca.g1/cross/jpki-bridge.g1.cer"),
            self._pem("g/jpki-bridge.g1/cross/jpki-13.g1.cer"),
        ]
        lists = [
            self.peer.crl(AT),
            *(
                self._list(f"g/{where}.crl")
                for where in ("gpki-bca.g1/crl/arl", "jpki-bridge.g1/crl/arl", f"jpki-13.g1/crl/{self.scope}")
            ),
        ]
        return verdict(self.ours, self.peer.root, steps, lists, POLICY)

    def of_theirs(self, policy: str = SIGNATURE, cross: str = "g/gpki-bca.g1/cross/foreign.g1.cer") -> str:
        """What OpenSSL says of the other CA's holder, from our anchor."""
        lists = [self._list("g/gpki-bca.g1/crl/arl.crl"), self.peer.crl(AT)]
        return verdict(self.theirs, self._pem("g/gpki-bca.g1/self.cer"), [self._pem(cross)], lists, policy)

    def _pem(self, path: str) -> Path:
        return write_certificate(self.folder / (path.replace("/", "-") + ".pem"), self.public(path))

    def _list(self, path: str) -> Path:
        target = self.folder / (path.replace("/", "-") + ".pem")
        target.write_bytes(pem.armor("X509 CRL", self.public(path)))
        return target


def verdict(leaf: Path, root: Path, steps: Sequence[Path], lists: Sequence[Path], policy: str) -> str:
    """``OK``, or OpenSSL's error."""
    folder = leaf.parent
    for name, parts in (("steps", steps), ("lists", lists)):
        (folder / f"{name}.pem").write_bytes(b"".join(part.read_bytes() for part in parts))
    said = openssl(
        "verify", "-attime", str(int(AT.timestamp())), "-CAfile", root, "-untrusted", folder / "steps.pem",
        "-policy", policy, "-explicit_policy", "-CRLfile", folder / "lists.pem", "-crl_check_all", leaf, check=False,
    )  # fmt: skip
    if said.returncode == 0 and said.stdout.strip().endswith(": OK"):
        return "OK"
    return said.stderr.partition("error ")[2].partition("\n")[0]


@pytest.fixture(scope="module")
def pristine(pristine_staffed_world, tmp_path_factory) -> Scene:
    """Before the two have met."""
    folder = tmp_path_factory.mktemp("crossing")
    home = shutil.copytree(pristine_staffed_world, folder / "home")
    peer = OpensslPeer(folder / "foreign")
    done(run("officer", "add", "endo", "--office", "centre", "--role", "operator", "--home", home))
    done(run("verifier", "add", "e-tax", "--organisation", "e-Tax", "--purpose", "tax", "--contact", "desk",
             "--certificate", client(peer), "--officer", "ito", "--home", home))  # fmt: skip
    with open_world(home, str) as world:
        case = approved(world, 0, 20_000)
        issued = {one.record.kind: one for one in world.registration.issue(case, "ito", at=world.clock())}
    done(run("list", "publish", "--home", home))
    ours = issued[CertificateKind.SIGNATURE]
    assert ours.id.generation == GenerationId.parse("jpki-13.g1")
    return Scene(
        folder, peer, write_certificate(folder / "ours.pem", ours.encoded), ours.record.scope, peer.holder()
    )


def client(peer: OpensslPeer) -> Path:
    """A verifier's certificate, by whomever."""
    peer.key("e-tax")
    request = peer.request("e-tax", "subjectKeyIdentifier = hash", subject=(("CN", "e-tax"),), key="e-tax")
    return peer.certify(request, "e-tax", "keyUsage = digitalSignature\nextendedKeyUsage = clientAuth")


def halves_of(pair: bytes) -> dict[int, bytes]:
    """The certificates of a CertificatePair by their tags (X.509 11.2.3)."""
    frame = walk.only(pair, 0x30)
    return {one.tag & 0x1F: one.contents(pair) for one in walk.elements(pair, frame.start, frame.end)}


@pytest.fixture(scope="module")
def met(pristine) -> Scene:
    shutil.copy(pristine.home / "store.db", pristine.folder / "before.db")
    pristine.meet()
    shutil.copytree(pristine.home, pristine.folder / "met")
    shutil.copy(pristine.peer.folder / "index.txt", pristine.folder / "index.txt")
    return pristine


@pytest.fixture
def scene(met) -> Scene:
    """Just after the two have met."""
    shutil.rmtree(met.home)
    shutil.copytree(met.folder / "met", met.home)
    shutil.copy(met.folder / "index.txt", met.peer.folder / "index.txt")
    return met


def test_holders_of_both_are_valid_from_the_others_root(scene):
    assert scene.of_ours() == "OK"
    assert scene.of_theirs() == "OK"


def test_only_what_was_agreed_is_mapped(scene):
    """The other CA's holder is one under the policy of signatures, and no other."""
    assert "explicit policy" in scene.of_theirs("2.999.2014.1.2")
    assert "explicit policy" in scene.of_theirs(POLICY)


def test_the_pair_is_published_on_both_sides(scene):
    to_them = scene.public("g/gpki-bca.g1/cross/foreign.g1.cer")
    label, _, handed_over = pem.unarmor((scene.folder / "for-them.pem").read_bytes())
    assert (label, handed_over) == ("CERTIFICATE", to_them)
    _, _, to_us = pem.unarmor((scene.peer.folder / "for-us.pem").read_bytes())
    assert halves_of(scene.public("g/gpki-bca.g1/pairs/foreign.g1.ccp")) == {0: to_us, 1: to_them}


def test_the_pair_is_listed(scene):
    rows = [row for row in scene.run("list").json if "foreign.g1" in {row["issuer"], row["subject"]}]
    assert {(row["issuer"], row["kind"], row["state"]) for row in rows} == {
        ("gpki-bca.g1", "issued", "live"), ("foreign.g1", "received", "live"),
    }  # fmt: skip
    ((agreed),) = scene.run("list", "--agreements").json
    assert (agreed["agreement"], agreed["examined"], agreed["accepted"]) == ("foreign-2014", 2, 2)
    assert agreed["contact"] == "pki-desk@foreign.example"
    assert agreed["keys"] == [scene.peer.fingerprint]
    assert f"{SIGNATURE} = {POLICY}" in agreed["map"]
    assert agreed["certify"] == {"path_length": 0, "maximum_days": 1830, "permitted": [], "excluded": []}
    (key,) = scene.run("list", "--peers").json
    assert key["peer"] == "foreign.g1"


def test_the_calendar_has_what_was_agreed_and_issued(scene):
    rows = scene.run("calendar").json
    assert rows == sorted(rows, key=lambda row: row["ends"])
    ends = {(row["what"], row["concerns"]): row["ends"] for row in rows}
    assert ends["agreement", "gpki-bca and foreign"] == "2019-08-31T14:59:59Z"
    assert ends["cross-certificate", "gpki-bca.g1 for foreign.g1"] == "2019-08-31T14:59:59Z"
    assert ends["cross-certificate", "foreign.g1 for gpki-bca.g1"] == "2019-08-31T14:59:59Z"
    assert ends["self-signed", "gpki-bca.g1"] == "2024-08-31T14:59:59Z"
    assert ends["ocsp-responder", "jpki-13.g1"] == "2014-09-30T23:59:59Z"
    assert ends["self-signed", "foreign.g1"] == scene.peer_ends()
    assert {row["what"] for row in scene.run("calendar", "--days", 60).json} == {"ocsp-responder"}
    assert scene.run("calendar", "--until", "2014-09-02T00:00:00Z").json == []
    file = scene.folder / "ends.ics"
    scene.run("calendar", "--ics", file)
    lines = file.read_bytes().split(b"\r\n")
    assert lines[0] == b"BEGIN:VCALENDAR"
    assert lines[-2:] == [b"END:VCALENDAR", b""]
    assert lines.count(b"BEGIN:VEVENT") == lines.count(b"END:VEVENT") == len(rows)
    assert max(map(len, lines)) <= 75
    assert b"DTSTART:20190831T145959Z" in lines
    unfolded = file.read_bytes().replace(b"\r\n ", b"").decode()
    assert "SUMMARY:cross-certificate ends: gpki-bca.g1 for foreign.g1\r\n" in unfolded


def test_a_renewed_half_stands_beside_the_old_one(scene):
    before = scene.public("g/gpki-bca.g1/cross/foreign.g1.cer")
    (step,) = scene.run("renew", "--plan", "again", "--pair", "gpki-bca", "foreign", *TWO).json
    assert (step["issuer"], step["subject"], step["outcome"]) == ("gpki-bca.g1", "foreign.g1", "made")
    after = scene.public("g/gpki-bca.g1/cross/foreign.g1.cer")
    assert after != before
    made = {CertificateId.parse(step[name]).serial for name in ("certificate", "beside")}
    kept = {scene.public(f"g/gpki-bca.g1/cross/foreign.g1/{serial}.cer") for serial in made}
    assert kept == {before, after}
    for serial in made:
        assert scene.of_theirs(cross=f"g/gpki-bca.g1/cross/foreign.g1/{serial}.cer") == "OK"
    assert [row[2] for row in scene.rows("examinations")].count("renewal") == 1
    states = [
        row["state"] for row in scene.run("list", "--all").json
        if (row["issuer"], row["subject"]) == ("gpki-bca.g1", "foreign.g1")
    ]  # fmt: skip
    assert states == ["renewed", "live"]


def test_no_agreement_no_renewal(scene):
    scene.run("end", "foreign-2014", "--officer", "ito")
    told = run(
        "cross",
        "renew",
        "--plan",
        "late",
        "--pair",
        "gpki-bca",
        "foreign",
        *TWO,
        "--home",
        scene.home,
        "--json",
    )
    assert told.status == 1
    (step,) = told.json
    assert step["outcome"].startswith("not made: agreement foreign-2014: was ended")
    assert len(scene.rows("examinations")) == 2


def test_a_renewal_is_by_the_agreement_of_what_it_renews(scene):
    """Not by a later one, which nobody but the officer who wrote it down has looked at."""
    wide = agreement(
        [scene.peer.fingerprint], id='"foreign-wide"', certify="maximum_days = 3000",
        **{"from": "2014-08-02T00:00:00Z", "to": "2030-08-31T14:59:59Z"},
    )  # fmt: skip
    (scene.folder / "wide.toml").write_text(wide)
    scene.run("agree", scene.folder / "wide.toml", "--officer", "ito")
    words = ("renew", "--plan", "again", "--pair", "gpki-bca", "foreign")
    (step,) = scene.run(*words, "--dry-run").json
    terms = {"agreement": "foreign-2014", "path_length": 0, "valid_until": "2019-08-31T14:59:59Z"}
    assert {name: step[name] for name in (*terms, "outcome")} == terms | {"outcome": "to be made"}
    (step,) = scene.run(*words, *TWO).json
    assert {name: step[name] for name in (*terms, "outcome")} == terms | {"outcome": "made"}
    (step,) = scene.run(*words, "--dry-run").json
    assert {name: step[name] for name in (*terms, "outcome")} == terms | {"outcome": "made before"}


def test_whoever_goes_on_with_an_order_accepts_it(scene):
    """The journal names officers who were there."""
    done(run("officer", "add", "kato", "--office", "centre", "--role", "operator", "--home", scene.home))
    with open_world(scene.home, str) as world:
        renewing = Renewing(world.issuers, world.plan, world.chance)
        steps = renewing.propose("again", lambda half: half.is_between("gpki-bca", "foreign"), world.clock())
        renewing.order("again", steps, "ito", "endo", at=world.clock())
    scene.run("renew", "--plan", "again", "--officer", "kato", "--second-officer", "ito")
    with open_world(scene.home, str) as world, world.stores.nation.reading() as connection:
        (renewal,) = [one for one in agreements.all_examinations(connection) if one.what == "renewal"]
    assert (renewal.officer, renewal.second_officer) == ("kato", "ito")


def test_half_of_a_pair_is_not_revoked_on_its_own(scene):
    (half,) = [row for row in scene.run("list").json if row["subject"] == "foreign.g1"]
    refused(
        run(
            "revoke", half["certificate"], "--reason", "superseded", "--officer", "ito", "--home", scene.home
        ),
        "kakehashi cross withdraw",
    )
    assert scene.of_theirs() == "OK"


def test_what_was_issued_is_published_and_given_again_where_its_file_was_not_written(scene):
    """A new key's worth of trouble: the request was accepted, and only the file for the other CA is missing."""
    again = scene.peer.request("again")
    scene.run("examine", "foreign-2014", again, "--officer", "ito")
    words = ("accept", "foreign-2014", again, "--officer", "endo", "--out")
    scene.refused(*words, scene.folder / "nowhere" / "for-them.pem", because="cannot be written")
    published = scene.public("g/gpki-bca.g1/cross/foreign.g1.cer")
    scene.run(*words, scene.folder / "for-them-2.pem")
    assert pem.unarmor((scene.folder / "for-them-2.pem").read_bytes())[2] == published
    assert pem.unarmor((scene.folder / "for-them.pem").read_bytes())[2] != published


def test_a_withdrawn_pair_is_refused_by_its_list_at_once(scene):
    scene.run("renew", "--plan", "again", "--pair", "foreign", "gpki-bca", *TWO)
    told = scene.run("withdraw", "gpki-bca", "foreign", "--reason", "cessationOfOperation", *TWO).json
    assert len(told["withdrawn"]) == 3
    assert told["other_CAs"] == ["foreign"]
    assert told["verifiers"] == ["e-tax"]
    assert [one.partition(" ")[0] for one in told["lists"]] == ["gpki-bca.g1/arl", "gpki-bca.g1/full"]
    serials = sorted((scene.home / "repository" / "g/gpki-bca.g1/cross/foreign.g1").iterdir())
    assert len(serials) == 2
    for path in serials:
        assert "certificate revoked" in scene.of_theirs(cross=f"g/gpki-bca.g1/cross/foreign.g1/{path.name}")
    assert not (scene.home / "repository/g/gpki-bca.g1/cross/foreign.g1.cer").exists()
    assert not (scene.home / "repository/g/gpki-bca.g1/pairs/foreign.g1.ccp").exists()
    assert scene.of_ours() == "OK", "the other half is the other CA's to revoke"
    openssl("ca", "-config", scene.peer.config("end"), "-revoke", scene.peer.folder / "for-us.pem")
    assert "certificate revoked" in scene.of_ours()
    scene.refused(
        "withdraw", "gpki-bca", "foreign", "--reason", "superseded", *TWO, because="no cross-certificate"
    )


def test_whoever_cuts_somebody_off_needs_another_one(scene):
    words = ("withdraw", "gpki-bca", "foreign", "--reason", "cessationOfOperation", "--officer", "ito")
    before = scene.rows("revocations")
    scene.refused(*words, because="cut off 2 certificates of holders and foreign")
    scene.refused(*words, "--second-officer", "ito", because="second officer too")
    scene.refused(*words, "--second-officer", "tanaka", because="not an operator")
    scene.refused(
        "withdraw", "gpki-bca", "foreign", "--reason", "keyCompromise", *TWO, because="is not revoked for"
    )
    scene.refused("withdraw", "gpki-bca", "foreign", "--reason", "superseded", "--issued-by", "jpki-13", *TWO,
                  because="issued by jpki-13")  # fmt: skip
    assert scene.rows("revocations") == before
    assert scene.of_theirs() == "OK"


def test_one_half_of_a_pair_may_go_alone(scene):
    told = scene.run(
        "withdraw", "gpki-bca", "foreign", "--reason", "superseded", "--issued-by", "foreign", *TWO
    ).json
    assert [one.partition(":")[0] for one in told["withdrawn"]] == ["foreign.g1"]
    assert told["lists"] == []
    assert told["verifiers"] == [], "those who trust our anchor lose nothing"
    assert any(one.startswith("jpki-13.g1 from foreign.g1") for one in told["lost"])
    assert scene.of_theirs() == "OK"
    assert halves_of(scene.public("g/gpki-bca.g1/pairs/foreign.g1.ccp")).keys() == {1}


def test_the_impact_counts_who_would_be_cut_off(scene):
    told = scene.run("impact", "jpki-bridge", "jpki-13").json
    assert told["holders"] == ["jpki-13.g1: 1 signature", "jpki-13.g1: 1 user-authentication"]
    assert told["lost"] == [
        "jpki-13.g1 from foreign.g1 (foreign.g1 > gpki-bca.g1 > jpki-bridge.g1 > jpki-13.g1)",
        "jpki-13.g1 from gpki-bca.g1 (gpki-bca.g1 > jpki-bridge.g1 > jpki-13.g1)",
    ]
    assert (told["verifiers"], told["other_CAs"], told["stranded"]) == (["e-tax"], ["foreign"], 3)
    told = scene.run("impact", "jpki-bridge", "jpki-13", "--issued-by", "jpki-13").json
    assert (told["lost"], told["holders"], told["stranded"]) == ([], [], 0)
    scene.refused("impact", "jpki-13", "foreign", because="no cross-certificate")


def test_what_cuts_nobody_off_one_officer_may_withdraw(scene):
    words = ("withdraw", "jpki-13", "jpki-bridge", "--reason", "superseded", "--issued-by", "jpki-13")
    told = scene.run(*words, "--officer", "ito").json
    assert [one.partition(" ")[0] for one in told["lists"]] == ["jpki-13.g1/arl", "jpki-13.g1/full"]
    assert scene.of_ours() == "OK"


def test_a_restored_copy_gets_all_of_it_back(scene):
    """The journal has the agreement, the keys, both officers' words, the certificates and the withdrawal."""
    scene.run("renew", "--plan", "again", "--of", "gpki-bca", *TWO)
    scene.run("end", "foreign-2014", "--officer", "ito")
    scene.run("withdraw", "gpki-bca", "foreign", "--reason", "superseded", *TWO)
    said = {table: scene.rows(table) for table in TABLES}
    assert all(said.values())
    for beside in scene.home.glob("store.db*"):
        beside.unlink()
    shutil.copy(scene.folder / "before.db", scene.home / "store.db")
    assert scene.rows("agreements") == []
    done(kakehashi("journal", "replay", "--home", scene.home))
    now = {table: scene.rows(table) for table in TABLES}
    for table in TABLES:
        assert blind(table, now[table]) == blind(table, said[table]), table


def blind(table: str, rows: list[tuple]) -> list[tuple]:
    """Without the sequence that a replay counts anew."""
    return rows if table != "revocations" else [row[:8] for row in rows]


def test_the_commands_say_what_is_missing(scene):
    two_pairs = ("--pair", "gpki-bca", "foreign", "--pair", "jpki-13", "jpki-31")
    scene.refused("renew", "--plan", "x", *two_pairs, *TWO, because="pair jpki-13 and jpki-31")
    scene.refused("renew", "--plan", "x", "--all", because="two officers")
    scene.refused("renew", "--plan", "x", *TWO, because="names no pairs")
    scene.refused(
        "renew", "--plan", "x", "--all", "--of", "gpki-bca", *TWO, because="more than one selection"
    )
    scene.refused("renew", "--plan", "X", "--all", *TWO, because="--plan")
    scene.refused(
        "renew", "--plan", "x", "--pair", "jpki-13", "gpki-bca", *TWO, because="no such cross-certificate"
    )
    scene.refused(
        "renew",
        "--plan",
        "x",
        "--all",
        "--officer",
        "ito",
        "--second-officer",
        "ito",
        because="second officer",
    )
    scene.refused(
        "examine", "foreign-2014", scene.folder / "none.csr", "--officer", "ito", because="cannot be read"
    )
    scene.refused("calendar", "--until", "2015-01-01T00:00:00Z", "--days", 3, because="--days")
    scene.refused("request", "nothing", "--out", scene.folder / "x", because="agreement 'nothing'")
    years_later = ("--clock", "2020-01-01T00:00:00Z")
    scene.refused(
        "renew", "--plan", "x", "--pair", "gpki-bca", "foreign", *TWO, *years_later, because="has expired"
    )
    assert scene.rows("renewals") == []
