"""Three migrations carried out in small nations, and judged by others: at sampled days, what the simulation says is so.

SHA-1/RSA-2048 to SHA-256/RSA-2048 on the days of history, RSA-2048 to P-384, P-384 to ML-DSA-65. What was published on a
day is kept; on each of these days every holder is judged from each anchor by ourselves, by ``openssl verify -attime``
with the level of that day, and by Java with the algorithms of that day.
"""

from __future__ import annotations

import re
import shutil
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from functools import partial
from itertools import pairwise, product
from pathlib import Path

import pytest

from bridge.migrating.plan import Ability, Generation, NameForm, Plan, StatusForm
from bridge.migrating.reading import plan_file
from bridge.migrating.running.doing import Migration, Order
from bridge.migrating.running.tasks import first_moment
from bridge.migrating.simulation import simulate
from bridge.migrating.trusting import Obstacle, View, web_of
from bridge.relying.finding.snapshot import Snapshot
from bridge.relying.rejection import PathRejected
from bridge.relying.trust import Trust
from bridge.relying.verify import verify
from ca.issuing.cycle import IssuedCertificate
from ca.model import ARL, CertificateKind, GenerationId, OfficeId, Officer, OfficerId, Role
from ca.store.officers import add_officer
from ca.suites import ML_DSA_65, SHA384_P384
from front.assembly import World, open_world
from front.demo.openssl import OpensslJudge, from_folder, write_certificate
from front.demo.people import invented_code, invented_resident
from front.rehearsing.rehearsal import migration_of
from tests.engine_world import csr_for
from tests.java_judge import JavaJudge, Question
from tests.modern_judges import NodeJudge, modern_java, of_certificate, of_list
from tests.old_world import short_request
from tests.small_edition import JAPAN_2014, replaced
from tests.suite_world import PASSPHRASE, WINDOW, make_home, one_prefecture, request
from tests.test_migrate_run import TEXT

pytestmark = pytest.mark.long

PLANS = Path(__file__).parent.parent / "fixtures" / "plans"
JAPAN_2008 = JAPAN_2014.with_name("japan-2008.toml")
ANCHOR, ISSUER = "gpki-bca", "jpki-31"
TWO = ("ito", "endo")
OLD, NEW = Generation.OLD, Generation.NEW


@dataclass(frozen=True)
class Case:
    """A migration.

    Attributes:
        edition: The nation's edition.
        begun: When the nation was made.
        plan: The plan's text.
        issued: On which days a holder gets a certificate, and the request.
        days: On which days all are judged.
        over: The first day on which the old suite is believed no more.
        levels: ``openssl verify -auth_level`` before that day, and from it on; None if that OpenSSL knows it not.
        banned: By which words Java bans the old suite from that day on.
    """

    edition: str
    begun: str
    plan: str
    issued: tuple[tuple[date, Callable[[], bytes]], ...]
    days: tuple[date, ...]
    over: date
    levels: tuple[int, int] | None
    banned: str


def _history() -> str:
    text = (PLANS / "japan-2008-2020.toml").read_text(encoding="utf-8")
    text = replaced(text, r"members = \[[^\]]*\]", 'members = ["31"]')
    head, *waves = text.split("[[waves]]")
    return head + "".join(f"[[waves]]{wave}" for wave in waves if f'"{ISSUER}"' in wave)


def _small(text: str) -> str:
    """Without its wave, and with old keys that are there when their suite is believed no more: then that alone counts."""
    text = re.sub("retirement = .*", "retirement = 2031-12-31", text)
    return text.partition("[[waves]]")[0]


def _later(text: str, years: int) -> str:
    return re.sub(r"\b(20[234]\d)-(\d\d-\d\d)", lambda found: f"{int(found[1]) + years}-{found[2]}", text)


def _to_ml_dsa(text: str) -> str:
    names = {"sha256-rsa2048": "sha384-p384", "sha384-p384": "ml-dsa-65"}
    return re.sub("|".join(names), lambda found: names[found[0]], _later(text, 5))


def _keys(edition: str, *kinds: str) -> str:
    listed = ", ".join(f'"{kind}"' for kind in kinds)
    return replaced(edition, r"\[holders\.signature\]", f"[holders.signature]\nkeys = [{listed}]")


CASES = {
    "history": Case(
        edition=one_prefecture(JAPAN_2008),
        begun="2008-04-22T00:30Z",
        plan=_history(),
        issued=(
            (date(2009, 3, 2), partial(short_request, 1)),
            (date(2013, 9, 1), partial(short_request, 2)),
            (date(2015, 12, 20), partial(short_request, 3)),
            (date(2016, 1, 10), partial(csr_for, 1)),
            (date(2019, 1, 5), partial(csr_for, 2)),
        ),
        days=(
            date(2009, 6, 1), date(2014, 10, 15), date(2016, 3, 1), date(2018, 12, 15), date(2020, 3, 30),
            date(2020, 4, 2),
        ),
        over=date(2020, 4, 1),
        levels=(0, 1),
        banned="SHA1",
    ),
    "to P-384": Case(
        edition=_keys(one_prefecture(JAPAN_2014), "rsa-2048", "p-384"),
        begun="2029-01-10T00:30Z",
        plan=_small(TEXT),
        issued=((date(2029, 2, 5), partial(csr_for, 1)), (date(2030, 3, 5), partial(request, SHA384_P384))),
        days=(date(2029, 3, 1), date(2030, 2, 25), date(2030, 6, 3), date(2031, 3, 20), date(2031, 7, 2)),
        over=date(2031, 7, 1),
        levels=(2, 3),
        banned="RSA keySize < 3072",
    ),
    "to ML-DSA-65": Case(
        edition=_keys(one_prefecture(JAPAN_2014, SHA384_P384), "p-384", "ml-dsa-65"),
        begun="2034-01-10T00:30Z",
        plan=_to_ml_dsa(_small(TEXT)),
        issued=(
            (date(2034, 2, 5), partial(request, SHA384_P384)),
            (date(2035, 3, 5), partial(request, ML_DSA_65)),
        ),
        days=(date(2034, 3, 1), date(2035, 2, 25), date(2035, 6, 3), date(2036, 3, 20), date(2036, 7, 2)),
        over=date(2036, 7, 1),
        levels=None,
        banned="SHA384withECDSA",
    ),
}  # fmt: skip


@dataclass
class Lived:
    """A migration that was lived through, with what was published on each sampled day, in a folder each."""

    case: Case
    plan: Plan
    policies: frozenset[str]
    legacy: frozenset[str]
    holders: list[IssuedCertificate] = field(default_factory=list)
    archive: dict[date, Path] = field(default_factory=dict)

    def holder(self, generation: Generation, day: date) -> IssuedCertificate | None:
        """The newest certificate by this key that is in its dates on this day; once the old suite is over, or was."""
        theirs = [
            one
            for one in self.holders
            if one.id.generation == key_of(ISSUER, generation) and one.record.period.not_before <= moment(day)
        ]
        if day < self.case.over:
            theirs = [one for one in theirs if moment(day) <= one.record.period.not_after]
        return theirs[-1] if theirs else None

    def predicted(self, anchor: Generation, holder: Generation, day: date) -> Obstacle | None:
        """What the simulation says stands in the way of who trusts this anchor alone, and can do all else."""
        table = self.plan.authority_of(ISSUER)
        able = Ability(
            trusts=(anchor,), suites=tuple(self.plan.suites), links=True, names=tuple(NameForm), status=tuple(StatusForm)
        )  # fmt: skip
        return View(web_of(self.plan), ANCHOR, able, day.toordinal()).obstacle_to(f"{table.id}.{holder}")


@dataclass(frozen=True)
class Asked:
    """Is this holder good on this day, from this anchor? And what the simulation says."""

    day: date
    anchor: Generation
    holder: Generation
    item: IssuedCertificate
    predicted: Obstacle | None


def key_of(authority: str, generation: Generation) -> GenerationId:
    return GenerationId.parse(f"{authority}.g{1 if generation is OLD else 2}")


def moment(day: date) -> datetime:
    """Noon in Japan."""
    return first_moment(day) + timedelta(hours=12)


@pytest.fixture(scope="module", params=CASES, ids=str)
def lived(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Lived:
    case = CASES[request.param]
    folder = tmp_path_factory.mktemp("lived")
    home = make_home(folder, case.edition, case.begun, test_keys=request.param == "history")
    (folder / "plan.toml").write_text(case.plan, encoding="utf-8")
    plan, digest = plan_file(folder / "plan.toml")
    with open_world(home, lambda: PASSPHRASE) as world:
        with world.stores.nation.writing() as connection:
            endo = Officer(OfficerId("endo"), OfficeId("centre"), frozenset({Role.OPERATOR}))
            add_officer(connection, endo)
        found = Lived(case, plan, frozenset(world.plan.trusted_policies), frozenset(world.plan.legacy))
        migration = migration_of(world, world.issuers, plan, digest)
        migration.require_sound(moment(date.fromisoformat(case.begun[:10])))
        for at, happens in _story(found, world, migration, folder):
            happens(at)
    return found


def _story(
    lived: Lived, world: World, migration: Migration, folder: Path
) -> Iterator[tuple[datetime, Callable[[datetime], object]]]:
    """What happens when: tasks on their days, at dawn; then who gets a certificate, then what is kept of the day."""

    def issue(csr: Callable[[], bytes], at: datetime) -> None:
        desk, number = world.registration, len(lived.holders)
        resident = invented_resident(world.plan.municipalities.window(WINDOW))
        csrs = {CertificateKind.SIGNATURE: csr()}
        case = desk.file("sato", resident, csrs, code=invented_code(number), at=at).case.id
        desk.examine(case, "suzuki", at=at)
        desk.approve(case, "tanaka", at=at)
        lived.holders += desk.issue(case, "ito", at=at)
        migration.publish(at)

    def keep(day: date, at: datetime) -> None:
        migration.publish(at)
        lived.archive[day] = shutil.copytree(world.home.repository, folder / str(day))

    marks = [(moment(day) - timedelta(hours=3), partial(issue, csr)) for day, csr in lived.case.issued]
    marks += [(moment(day) - timedelta(hours=1), partial(keep, day)) for day in lived.case.days]
    for at, happens in sorted(marks, key=lambda mark: mark[0]):
        done = at
        while (task := migration.next(done)) is not None and first_moment(task.day) + timedelta(hours=1) < at:
            done = first_moment(task.day) + timedelta(hours=1)
            yield done, lambda now, task=task: migration.carry_out(task, Order(TWO), now)
        yield at, happens


@pytest.fixture(scope="module")
def asked(lived: Lived) -> list[Asked]:
    """Every question of every sampled day: both anchors, and both holders where there are such."""
    found = []
    for day, anchor, holder in product(lived.case.days, Generation, Generation):
        item = lived.holder(holder, day)
        manifest = (lived.archive[day] / "manifest.json").read_text(encoding="utf-8")
        if item is not None and f'"{key_of(ANCHOR, anchor)}"' in manifest:
            found.append(Asked(day, anchor, holder, item, lived.predicted(anchor, holder, day)))
    return found


# The judges.


def ours(lived: Lived, one: Asked) -> bool:
    folder = lived.archive[one.day]
    snapshot = Snapshot.read(folder)
    trust = Trust((anchor_of(folder, one),), lived.policies, snapshot.marking, legacy=lived.legacy)
    try:
        verify(one.item.encoded, snapshot, trust, moment(one.day))
    except PathRejected:
        return False
    return True


def openssl(lived: Lived, one: Asked, workspace: Path) -> bool:
    """With the level of the day. It is given the path; whether that one is good it says itself."""
    assert lived.case.levels is not None
    before, after = lived.case.levels
    judge = OpensslJudge.over(from_folder(lived.archive[one.day]), lived.policies, workspace)
    judge = judge.trusting(key_of(ANCHOR, one.anchor), lived.policies)
    target = write_certificate(workspace / "target.pem", one.item.encoded)
    level = before if one.day < lived.case.over else after
    verdict = judge.verify(
        target, one.item.id.generation, one.item.record.scope, at=moment(one.day), auth_level=level
    )
    return verdict.accepted


def posed(lived: Lived, one: Asked, workspace: Path) -> Question:
    """For Java: with the certificates of the path alone.

    Given those of several generations of one name it looks for the signers of lists in a circle.
    """
    folder = lived.archive[one.day]
    judge = OpensslJudge.over(from_folder(folder), lived.policies, workspace)
    path = judge.trusting(key_of(ANCHOR, one.anchor), lived.policies).path_to(str(one.item.id.generation))
    lists = [f"g/{generation}/crl/{ARL}.crl" for generation in path[:-1]]
    return Question(
        target=one.item.encoded,
        anchor=anchor_of(folder, one),
        certificates=[(folder / f"g/{by}/cross/{of}.cer").read_bytes() for by, of in pairwise(path)],
        lists=[
            (folder / name).read_bytes() for name in [*lists, f"g/{path[-1]}/crl/{one.item.record.scope}.crl"]
        ],
        policies=sorted(lived.policies),
        at=moment(one.day),
    )


def anchor_of(folder: Path, one: Asked) -> bytes:
    return (folder / f"g/{key_of(ANCHOR, one.anchor)}/self.cer").read_bytes()


@pytest.fixture(scope="module")
def java(lived: Lived, asked: list[Asked], tmp_path_factory: pytest.TempPathFactory) -> dict[Asked, str]:
    """What JDK 25 says, which bans the old suite from the day on which the plan ends it.

    Its own ``denyAfter`` holds lists against the clock of the day on which it runs, not against the moment asked for.
    """
    folder, said = tmp_path_factory.mktemp("java"), dict[Asked, str]()
    judge: JavaJudge = modern_java(folder)
    properties = folder / "java.security"
    for banned, mine in (
        ("", [one for one in asked if one.day < lived.case.over]),
        (lived.case.banned, [one for one in asked if one.day >= lived.case.over]),
    ):
        properties.write_text(f"jdk.certpath.disabledAlgorithms={banned}\n", encoding="utf-8")
        answers = judge.judge(
            [posed(lived, one, folder) for one in mine], f"-Djava.security.properties={properties}"
        )
        said |= zip(mine, answers, strict=True)
    return said


# What is to be so.


def test_the_plan_strands_nobody_and_is_done_as_far_as_its_days_have_come(lived: Lived) -> None:
    lived_through = simulate(lived.plan)
    assert (lived_through.strandings, lived_through.overstays) == ((), ())


def test_we_say_what_the_simulation_says(lived: Lived, asked: list[Asked]) -> None:
    # When suites end that are no legacy, a verifier decides; ours believes RSA-2048 and P-384 longer than these plans.
    mine = [one for one in asked if lived.legacy or one.day < lived.case.over]
    assert [one for one in mine if ours(lived, one) is not (one.predicted is None)] == []
    assert {one.day for one in mine} >= {day for day in lived.case.days if day < lived.case.over}


def test_openssl_says_what_the_simulation_says(lived: Lived, asked: list[Asked], tmp_path: Path) -> None:
    if lived.case.levels is None:
        assert "ml-dsa-65" in lived.plan.suites, "all but this is known to every OpenSSL"
        return
    said = {one: openssl(lived, one, tmp_path) for one in asked}
    assert [one for one, valid in said.items() if valid is not (one.predicted is None)] == []


def test_the_openssl_of_today_confirms_every_signature(lived: Lived) -> None:
    """ML-DSA's too: of every certificate and list that was published on the last day, and of every holder."""
    node, folder = NodeJudge.found(), lived.archive[lived.case.days[-1]]
    signers = {path.parent.name: path.read_bytes() for path in folder.glob("g/*/self.cer")}
    pairs = [
        (signers[path.parts[-3]], of_certificate(path.read_bytes()))
        for path in folder.glob("g/*/cross/*.cer")
    ]
    pairs += [(signers[path.parts[-3]], of_list(path.read_bytes())) for path in folder.glob("g/*/crl/*.crl")]
    pairs += [(signers[str(one.id.generation)], of_certificate(one.encoded)) for one in lived.holders]
    assert set(node.signed(pairs)) == {"right"}


def test_java_says_what_the_simulation_says(java: dict[Asked, str]) -> None:
    wrong = [
        (one.day, one.anchor, one.holder, one.predicted, said)
        for one, said in java.items()
        if said.startswith("valid") is not (one.predicted is None)
    ]
    assert wrong == []


def test_four_of_four_while_both_are_used_and_one_when_the_old_is_over(
    lived: Lived, asked: list[Asked], java: dict[Asked, str]
) -> None:
    """Over the three migrations that is twelve of twelve, twice."""
    for day, valid in (
        (lived.case.days[2], {*product(Generation, Generation)}),
        (lived.case.days[-1], {(NEW, NEW)}),
    ):
        mine = [one for one in asked if one.day == day]
        assert {(one.anchor, one.holder) for one in mine} == {*product(Generation, Generation)}
        assert {(one.anchor, one.holder) for one in mine if one.predicted is None} == valid
        assert {(one.anchor, one.holder) for one in mine if java[one].startswith("valid")} == valid
