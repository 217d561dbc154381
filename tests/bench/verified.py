"""The relying party: a holder verified through two bridges, beside three others; long lists; the first path in a mesh."""

from __future__ import annotations

import subprocess
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from importlib.util import find_spec
from pathlib import Path
from statistics import median

from asn1crypto import pem, x509
from pyhanko_certvalidator.authority import CertTrustAnchor
from pyhanko_certvalidator.context import ValidationContext
from pyhanko_certvalidator.path import ValidationPath
from pyhanko_certvalidator.policy_decl import NO_REVOCATION, CertRevTrustPolicy, PKIXValidationParams
from pyhanko_certvalidator.validate import validate_path

from bridge.directory.connection import Server
from bridge.manifest import Marking
from bridge.relying.budget import USUAL
from bridge.relying.finding.directory import DirectoryMaterial
from bridge.relying.finding.snapshot import Snapshot
from bridge.relying.trust import Trust
from bridge.relying.verify import verify
from bridge.repository.directory import publish_entries
from bridge.repository.layout import self_signed_path, service_path
from ca.clock import system_clock
from ca.model import CertificateKind, GenerationId
from ca.suites import KeyFamily
from tests.bench import homes, measure, revoked, verifiable, verified_parts
from tests.bench.bench import Bench
from tests.bench.report import Budget, Row, skipped
from tests.bench.verifiable import Mesh
from tests.java_judge import JavaJudge, Question
from tests.relying_world import AT, GPKI_POLICY, World
from tests.slapd import slapd

_LISTS = (
    "gpki-bca.g1/crl/arl.crl",
    "jpki-bridge.g1/crl/arl.crl",
    "jpki-13.g1/crl/signature-131016.crl",
)
_ANCHOR_LEVELS = 3


def rows(bench: Bench) -> Iterator[Row]:
    """Warm: the snapshot is read, and each signature of a CA and of a list was seen to be right by this process."""
    count = bench.scale.verified
    with bench.fresh("verify") as folder:
        leaves = verifiable.holders(count)
        published = verifiable.published(folder / "few", 1)
        ours = _verifying(published)
        ours(leaves[:1])
        names = ["pyhanko-certvalidator, the path given, without revocation"]
        others: list[Callable[[], float]] = [partial(measure.rate, count, partial(_by_library, leaves))]
        if missing := skipped("verify, beside openssl", "openssl"):
            yield missing
        else:
            some = leaves[: max(1, count // 10)]
            names.append("openssl verify, a process each")
            others.append(partial(_by_openssl, folder, published, some))
        if missing := skipped("verify, beside Java", "javac"):
            yield missing
        else:
            names.append("Java's CertPathBuilder, one process, its start left out")
            others.append(partial(_by_java, JavaJudge.compiled(folder), published, leaves))
        standings = measure.in_turn(
            bench.scale.rounds, partial(measure.rate, count, partial(ours, leaves)), *others
        )
        for name, standing in zip(names, standings[1:], strict=True):
            yield Row(
                "verify a holder through two bridges, warm", "paths/s", standings[0].figure, name,
                standing.figure, standing.ratio, Budget("ours", ">=", 300),
            )  # fmt: skip
        yield from verified_parts.rows(
            "verify a holder through two bridges, warm", count * bench.scale.rounds,
            lambda: [ours(leaves) for _ in range(bench.scale.rounds)],
        )  # fmt: skip
        bench.say(f"a list of {bench.scale.listed:,} entries ...")
        yield _long_list(bench, folder, published, leaves)


def _long_list(bench: Bench, folder: Path, published: Path, leaves: Sequence[bytes]) -> Row:
    entries = bench.scale.listed
    long = verifiable.published(folder / "many", entries)
    begun = time.perf_counter()
    verifying = _verifying(long)
    verifying(leaves[:1])
    cold = time.perf_counter() - begun
    few = _verifying(published)
    few(leaves[:1])
    added = []
    for _ in range(bench.scale.rounds):
        spent = [_seconds(partial(each, leaves)) / len(leaves) for each in (verifying, few)]
        added.append(1000 * (spent[0] - spent[1]))
    return Row(
        f"what a list of {entries:,} entries adds to a warm verification", "ms", max(median(added), 0.001),
        budget=Budget("ours", "<=", 2), note=f"the first, which reads and checks the list, takes {cold:.2g} s",
    )  # fmt: skip


def paths(bench: Bench) -> Iterator[Row]:
    """Cold: nothing but reading the certificates was done before."""
    levels, generations, bridges = _ANCHOR_LEVELS, 2, bench.scale.bridges
    yield from _first_path(
        bench, f"first valid path in a mesh of {levels} levels x {generations} generations",
        verifiable.levels(levels, generations), 50,
    )  # fmt: skip
    yield from _first_path(
        bench, f"first valid path through {bridges} CAs, each certified by all others",
        verifiable.crossed(bridges), 1000,
    )  # fmt: skip


def directory(bench: Bench) -> Iterator[Row]:
    """Cold: a connection, the certificates and the lists by their directory names, all of it each time."""
    for tool in ("slapd", "ldapsearch"):
        if missing := skipped("verify, cold from LDAP", tool):
            yield missing
            return
    if find_spec("ldap") is None:
        yield Row(
            "verify, cold from LDAP",
            note="skipped: apt-get install libldap2-dev libsasl2-dev, then make test",
        )
        return
    with bench.fresh("ldap") as folder, slapd(folder / "slapd") as server:
        repository = homes.make_home(folder, family=KeyFamily.EC) / "repository"
        with server.master() as master:
            publish_entries(repository, master, lambda *_: None)
        leaf = (repository / service_path(revoked.TOTTORI, CertificateKind.OCSP_RESPONDER)).read_bytes()
        with homes.opened(repository.parent, KeyFamily.EC) as opened:
            plan = opened.world.plan
        anchor = (repository / self_signed_path(GenerationId(plan.anchor, 1))).read_bytes()
        trust, now = Trust((anchor,), frozenset(plan.trusted_policies), Marking.TEST), system_clock()

        def once() -> None:
            with DirectoryMaterial(Server(server.url), USUAL) as material:
                verify(leaf, material, trust, now)

        spent = [_seconds(once) for _ in range(bench.scale.rounds)]
    yield Row(
        "verify a responder through two bridges, cold from LDAP", "ms", 1000 * median(spent),
        note="slapd beside it; two cross-certificates, their authority lists, its issuer's list",
    )  # fmt: skip


def _first_path(bench: Bench, name: str, mesh: Mesh, most: float) -> Iterator[Row]:
    def once() -> None:
        verify(mesh.leaf, mesh.material, mesh.trust, AT)

    rounds = bench.scale.rounds
    spent = [_seconds(once) for _ in range(rounds)]
    yield Row(
        name, "ms", 1000 * median(spent), budget=Budget("ours", "<=", most),
        note=f"{mesh.crosses:,} CA certificates; revocation is asked",
    )  # fmt: skip
    yield from verified_parts.rows(name, rounds, lambda: [once() for _ in range(rounds)])


def _seconds(work: Callable[[], object]) -> float:
    begun = time.perf_counter()
    work()
    return time.perf_counter() - begun


def _verifying(published: Path) -> Callable[[Sequence[bytes]], None]:
    """Verifies with one snapshot and one trust, as a server does that is asked again and again."""
    snapshot, trust = Snapshot.read(published), verifiable.trust()

    def verifying(leaves: Sequence[bytes]) -> None:
        for leaf in leaves:
            verify(leaf, snapshot, trust, AT)

    return verifying


def _by_library(leaves: Sequence[bytes]) -> None:
    world = World()
    anchor = CertTrustAnchor(x509.Certificate.load(world.anchor.der()))
    between = [x509.Certificate.load(cross.der()) for cross in (world.to_bridge, world.to_prefecture)]
    asked = PKIXValidationParams(
        user_initial_policy_set=frozenset({GPKI_POLICY}), initial_explicit_policy=True
    )
    for leaf in leaves:
        context = ValidationContext(
            trust_roots=[], moment=AT, revinfo_policy=CertRevTrustPolicy(NO_REVOCATION), time_tolerance=None
        )
        validate_path(context, ValidationPath(anchor, between, x509.Certificate.load(leaf)), parameters=asked)


def _by_openssl(folder: Path, published: Path, leaves: Sequence[bytes]) -> float:
    world = World()
    lists = [(published / "g" / path).read_bytes() for path in _LISTS]
    files = {
        "anchor": [("CERTIFICATE", world.anchor.der())],
        "crosses": [("CERTIFICATE", one.der()) for one in (world.to_bridge, world.to_prefecture)],
        "lists": [("X509 CRL", one) for one in lists],
    } | {f"leaf{number}": [("CERTIFICATE", leaf)] for number, leaf in enumerate(leaves)}
    for name, things in files.items():
        (folder / f"{name}.pem").write_bytes(b"".join(pem.armor(*thing) for thing in things))
    command = [
        "openssl", "verify", "-attime", str(int(AT.timestamp())), "-CAfile", "anchor.pem", "-untrusted",
        "crosses.pem", "-CRLfile", "lists.pem", "-crl_check_all", "-policy", GPKI_POLICY, "-explicit_policy",
    ]  # fmt: skip

    def one_by_one() -> None:
        for number in range(len(leaves)):
            subprocess.run([*command, f"leaf{number}.pem"], cwd=folder, check=True, capture_output=True)

    return measure.rate(len(leaves), one_by_one)


def _by_java(judge: JavaJudge, published: Path, leaves: Sequence[bytes]) -> float:
    world = World()
    asked = [
        Question(
            target=leaf,
            anchor=world.anchor.der(),
            certificates=[world.to_bridge.der(), world.to_prefecture.der()],
            lists=[(published / "g" / path).read_bytes() for path in _LISTS],
            policies=[GPKI_POLICY],
            at=AT,
        )
        for leaf in leaves
    ]
    spent = []
    for questions in (asked[:1], asked):
        with _timed(spent):
            answers = judge.judge(questions)
        assert all(answer.startswith("valid") for answer in answers), answers
    return (len(leaves) - 1) / (spent[1] - spent[0]) if len(leaves) > 1 else 1 / spent[0]


@contextmanager
def _timed(spent: list[float]) -> Iterator[None]:
    begun = time.perf_counter()
    yield
    spent.append(time.perf_counter() - begun)
