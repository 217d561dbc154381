"""Java's path validation as a judge: of toy worlds, and of the nation of each edition, beside OpenSSL and ourselves."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from functools import cache
from pathlib import Path

import msgspec
import pytest
from asn1crypto import x509

from bridge.relying.finding.snapshot import Snapshot
from bridge.relying.rejection import PathRejected
from bridge.relying.trust import Trust
from bridge.relying.verify import verify
from ca.issuing.cycle import IssuedCertificate
from ca.model import LOCAL_KINDS, RESIDENT_KINDS, CertificateKind, LocalHolder, OfficialPost, RevocationReason
from ca.revoking.deciding.by_hand import revoke
from ca.revoking.lists.publication import publish
from ca.rules.registration import Step, next_steps
from front.assembly import World as OpenedWorld
from front.assembly import open_world
from front.demo.openssl import OpensslJudge, from_folder, write_certificate
from front.demo.people import invented_code, invented_resident
from tests import commands
from tests.engine_world import csr_for
from tests.java_judge import JavaJudge, Question
from tests.relying_world import AT, World
from tests.small_edition import OFFICERS, SEED, TOKYO
from tests.test_relying import CASES


@pytest.fixture(scope="module")
def java(tmp_path_factory) -> JavaJudge:
    return JavaJudge.compiled(tmp_path_factory.mktemp("java"))


# Toy worlds: each with one thing that is not right (tests/test_relying.py), judged without the manifest.

DIFFERS = {
    "expired list": "Java grants clocks a quarter of an hour",
    "another's entry with an unknown critical extension": "Java reads the certificate's own entry only",
    "list signed with SHA-1": "the JDK bans SHA-1 under TLS servers' roots only",
    "holder signed with SHA-1": "the JDK bans SHA-1 under TLS servers' roots only",
    "the bridge is for clients": "Java asks the target only for its extended key usage",
    "test world, production trust": "that a test world is none is our rule",
    "test prefecture below a production anchor": "that a test world is none is our rule",
    "a world that says it is for tests": "that a test world is none is our rule",
}
"""Where Java accepts what we refuse, and why. It refuses nothing that we accept."""


@pytest.fixture(scope="module")
def toys(java: JavaJudge) -> dict[str, str]:
    return dict(zip((case.id for case in CASES), java.judge(map(posed, CASES)), strict=True))


def posed(case) -> Question:
    world = World()
    case.change(world)
    at = AT + case.at
    newest = [
        max(then, key=lambda one: one.this_update)
        for (_, scope), found in world.lists.items()
        if scope != "full" and (then := [one for one in found if one.this_update <= at])
    ]
    return Question(
        target=world.holder.der(),
        anchor=world.anchor.der(),
        certificates=[cross.der() for cross in world.crosses.values()],
        lists=[one.der() for one in newest],
        policies=[case.policy],
        at=at,
    )


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.id)
def test_java_says_what_we_say_of_a_toy_world(case, toys: dict[str, str]) -> None:
    accepted = toys[case.id] == "valid 3"
    assert accepted == (case.reason is None or case.id in DIFFERS), toys[case.id]


def test_every_difference_is_one_of_a_case() -> None:
    assert DIFFERS.keys() <= {case.id for case in CASES if case.reason is not None}


# The nation of each edition: certificates that the product issued, lists that it published.

APPLICATIONS = {
    RESIDENT_KINDS: ("sato", "suzuki"),
    (CertificateKind.OFFICIAL_POST,): ("mori", "endo"),
    LOCAL_KINDS: ("honda", "wada"),
}
"""Which kinds one application is for, and who receives and who examines it."""

MORE_OFFICERS = {"endo": ("ministry-1", "examiner")}
LOCAL_OFFICERS = {
    "honda": ("local-2", "reception"),
    "wada": ("local-2", "examiner"),
    "nomura": ("centre", "centre-examiner"),
}

HOLDERS = {
    "small": (*RESIDENT_KINDS, CertificateKind.OFFICIAL_POST),
    "japan-2016": (*RESIDENT_KINDS, CertificateKind.OFFICIAL_POST, *LOCAL_KINDS),
}
"""Whose certificates are judged, by the edition."""

ALL_PARTS = {("japan-2016", kind) for kind in RESIDENT_KINDS}
"""Whose authority key identifier also names the self-signed certificate of the issuer. To OpenSSL a cross-certificate
is then not the issuer's, so it judges these from the national root."""


@dataclass(frozen=True)
class Nation:
    """A published world, with a good and a revoked certificate of each kind of holder, at one moment."""

    edition: str
    repository: Path
    trust: Trust
    at: datetime
    good: dict[CertificateKind, IssuedCertificate]
    revoked: dict[CertificateKind, IssuedCertificate]
    openssl: OpensslJudge

    def question(self, item: IssuedCertificate, *without: str) -> Question:
        """Java gets every cross-certificate of the nation, and finds the way itself."""
        path = self.openssl.path_to(str(item.id.generation))
        lists = [f"g/{generation}/crl/arl.crl" for generation in path[:-1]]
        lists.append(f"g/{path[-1]}/crl/{item.record.scope}.crl")
        return Question(
            target=item.encoded,
            anchor=self.trust.anchors[0],
            certificates=[self.openssl.read(cross.certificate) for cross in self.openssl.manifest.cross],
            lists=[self.openssl.read(file) for file in lists if not file.endswith(without)],
            policies=sorted(self.trust.policies),
            at=self.at,
        )

    def asked_of_openssl(self, item: IssuedCertificate) -> str:
        file = write_certificate(self.openssl.workspace / f"{item.id}.pem", item.encoded)
        return self.openssl.verify(file, item.id.generation, item.record.scope, at=self.at).words

    def asked_of_us(self, item: IssuedCertificate) -> str:
        try:
            verify(item.encoded, Snapshot.read(self.repository), self.trust, self.at)
        except PathRejected as rejected:
            return rejected.reason.value
        return "valid"


@pytest.fixture(scope="module")
def nations(edition_file, tmp_path_factory) -> Callable[[str], Nation]:
    """A nation by its edition's name, made once."""
    files = {"small": edition_file}
    return cache(lambda name: make(name, files.get(name, name), tmp_path_factory.mktemp(name)))


@pytest.fixture
def nation(request, nations) -> Nation:
    return nations(request.param)


def make(name: str, edition: Path | str, folder: Path) -> Nation:
    home = folder / "home"
    commands.done(commands.run("init", "--edition", edition, "--test-keys", "--seed", SEED, "--home", home))
    officers = OFFICERS | MORE_OFFICERS | (LOCAL_OFFICERS if name == "japan-2016" else {})
    for officer, (office, role) in officers.items():
        arguments = ("officer", "add", officer, "--office", office, "--role", role, "--home", home)
        commands.done(commands.run(*arguments))
    with open_world(home, lambda: "") as world:
        good, revoked = (issued(world, HOLDERS[name], number) for number in (1, 2))
        for item in revoked.values():
            ended = revoke(world.stores, item.id, RevocationReason.SUPERSEDED, "ito", at=world.clock())
            generation = item.id.generation
            store, issuer = world.stores.of(generation.authority), world.issuers.of(generation)
            publish(store, issuer, ended.scopes, world.repository, at=world.clock())
        repository, policies = world.home.repository, world.plan.trusted_policies
        openssl = OpensslJudge.over(from_folder(repository), policies, folder / "openssl")
        anchor = openssl.read(f"g/{openssl.manifest.anchor}/self.cer")
        trust = Trust((anchor,), frozenset(policies), world.plan.marking)
        # To Java a certificate is still good in the second of its revocation.
        at = world.clock() + timedelta(minutes=1)
        return Nation(name, repository, trust, at, good, revoked, openssl)


def issued(
    world: OpenedWorld, wanted: tuple[CertificateKind, ...], number: int
) -> dict[CertificateKind, IssuedCertificate]:
    """A certificate of each wanted kind."""
    at, desk = world.clock(), world.registration
    made = {}
    for kinds, (reception, examiner) in APPLICATIONS.items():
        if not set(kinds) <= set(wanted):
            continue
        match kinds:
            case (CertificateKind.OFFICIAL_POST,):
                applicant, code = OfficialPost("Ministry of Examples", f"Minister {number}"), None
            case (CertificateKind.LG_POST, *_):
                applicant, code = LocalHolder("City of Kakehashi", "General Affairs", f"Mayor {number}"), None
            case _:
                applicant = invented_resident(world.plan.municipalities.window(TOKYO))
                code = invented_code(number)
        csrs = {kind: csr_for(10 * number + wanted.index(kind)) for kind in kinds}
        case_id = desk.file(reception, applicant, csrs, code=code, at=at).case.id
        if Step.REEXAMINE in next_steps(desk.examine(case_id, examiner, at=at)):
            desk.reexamine(case_id, "nomura", at=at)
        desk.approve(case_id, "tanaka", at=at)
        made |= {item.record.kind: item for item in desk.issue(case_id, "ito", at=at)}
    return made


@pytest.mark.parametrize(
    ("nation", "kind"),
    [(edition, kind) for edition, kinds in HOLDERS.items() for kind in kinds],
    indirect=["nation"],
)
class TestANation:
    def test_a_good_certificate(self, kind, nation: Nation, java: JavaJudge) -> None:
        item = nation.good[kind]
        length = len(nation.openssl.path_to(str(item.id.generation)))
        assert java.judge([nation.question(item)]) == [f"valid {length}"]
        assert nation.asked_of_us(item) == "valid"
        others = (
            "error 20: unable to get local issuer certificate"
            if (nation.edition, kind) in ALL_PARTS
            else "OK"
        )
        assert nation.asked_of_openssl(item) == others

    def test_a_revoked_certificate(self, kind, nation: Nation, java: JavaJudge) -> None:
        item = nation.revoked[kind]
        (answer,) = java.judge([nation.question(item)])
        assert answer.startswith("refused REVOKED: Certificate has been revoked, reason: SUPERSEDED,")
        assert nation.asked_of_us(item) == "revoked"

    def test_what_java_refuses(self, kind, nation: Nation, java: JavaJudge) -> None:
        """It can say no, and for the right reason."""
        question = nation.question(nation.good[kind])
        another_policy = replace(question, policies=["2.999.77"])
        no_list = nation.question(nation.good[kind], f"{nation.good[kind].record.scope}.crl")
        no_arl = nation.question(nation.good[kind], "arl.crl")
        assert [answer.split(":")[0] for answer in java.judge([another_policy, no_list, no_arl])] == [
            "refused INVALID_POLICY",
            "refused UNDETERMINED_REVOCATION_STATUS",
            "refused UNDETERMINED_REVOCATION_STATUS",
        ]

    def test_from_the_national_root(self, kind, nation: Nation, java: JavaJudge) -> None:
        """From the issuer's own certificate and for the certificate's own policy, OpenSSL judges every kind."""
        good, revoked = nation.good[kind], nation.revoked[kind]
        policy = x509.Certificate.load(good.encoded).certificate_policies_value[0]["policy_identifier"].dotted
        manifest = msgspec.structs.replace(nation.openssl.manifest, anchor=str(good.id.generation))
        openssl = replace(nation.openssl, manifest=manifest, policies=(policy,))
        root = openssl.read(f"g/{good.id.generation}/self.cer")
        national = replace(
            nation, openssl=openssl, trust=Trust((root,), frozenset({policy}), nation.trust.marking)
        )
        assert national.asked_of_openssl(good) == "OK"
        assert national.asked_of_openssl(revoked) == "error 23: certificate revoked"
        answers = java.judge([national.question(good), national.question(revoked)])
        assert [answer.split(":")[0] for answer in answers] == ["valid 1", "refused REVOKED"]
        assert [national.asked_of_us(item) for item in (good, revoked)] == ["valid", "revoked"]
