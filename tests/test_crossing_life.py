"""What comes of pairs in time: renewed after they expired, never after a withdrawal; reported, shown, and counted."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from cryptography import x509

import bridge.crossing.renewal as renewal_module
from bridge.crossing.desk import CrossingDesk
from bridge.crossing.handed_in import Handed
from bridge.crossing.impact import impact_of, of_pair
from bridge.crossing.pairs import Half, all_halves
from bridge.crossing.renewal import Renewing
from bridge.crossing.reports import Refusal, keep_refusal, read_refusals, read_report
from bridge.crossing.withdrawal import withdraw
from ca.errors import BadInput, Conflict, KeyRefused, NotFound
from ca.issuing import cycle
from ca.issuing.succession import Succession
from ca.model import AuthorityId, CertificateKind, GenerationId, RevocationReason
from ca.store.agreements import RenewalRecord
from tests.commands import done, refused, run
from tests.engine_world import NOW, EngineWorld, engine_world
from tests.openssl_peer import OpensslPeer, agreement
from tests.test_crossing_peer import TWO, Scene, met, pristine, scene  # noqa: F401 - fixtures

FIRST, SECOND = "operator", "operator-2"
GPKI, BRIDGE, TOTTORI = AuthorityId("gpki-bca"), AuthorityId("jpki-bridge"), AuthorityId("jpki-31")
MIDDLE = datetime(2019, 9, 1, tzinfo=UTC)
LATE = datetime(
    2024, 12, 1, tzinfo=UTC
)  # the first keys' own certificates, and all pairs of them, have expired
DAY = timedelta(days=1)
SUPERSEDED = RevocationReason.SUPERSEDED


@pytest.fixture
def world(tmp_path: Path) -> Iterator[EngineWorld]:
    with engine_world(tmp_path / "world") as made:
        yield made


@pytest.fixture(scope="module")
def peer(tmp_path_factory: pytest.TempPathFactory) -> OpensslPeer:
    return OpensslPeer(tmp_path_factory.mktemp("peer") / "foreign")


def renewing(world: EngineWorld) -> Renewing:
    return Renewing(world.issuers, world.plan, world.chance)


def of_tottori(half: Half) -> bool:
    return half.is_between(BRIDGE, TOTTORI)


def of_peer(half: Half) -> bool:
    return half.is_between(GPKI, AuthorityId("foreign"))


def succeed(world: EngineWorld, *authorities: AuthorityId) -> None:
    """New keys in the middle of the old ones' time; no pair is made for them."""
    for authority in authorities:
        succession = Succession(world.issuers, world.plan.municipalities, world.chance)
        succession.succeed(GenerationId(authority, 2), at=MIDDLE)


def ordered(world: EngineWorld, name: str, at: datetime) -> RenewalRecord:
    steps = renewing(world).propose(name, of_tottori, at)
    return renewing(world).order(name, steps, FIRST, SECOND, at=at)


def made(world: EngineWorld, name: str, at: datetime) -> None:
    assert not [one for one in renewing(world).run(ordered(world, name, at), at=at) if one.failure]


def live(world: EngineWorld, first: AuthorityId, second: AuthorityId, at: datetime) -> set[tuple[str, str]]:
    with world.stores.reading() as reading:
        found = [half for half in all_halves(reading) if half.is_between(first, second) and not half.is_link]
    return {(str(half.issuer), str(half.subject)) for half in found if half.state(at) == "live"}


# What has expired.


def test_a_pair_of_the_nation_that_has_expired_is_renewed_between_the_keys_of_now(world):
    succeed(world, BRIDGE, TOTTORI)
    assert live(world, BRIDGE, TOTTORI, LATE) == set()
    made(world, "late", LATE)
    pair = {("jpki-bridge.g2", "jpki-31.g2"), ("jpki-31.g2", "jpki-bridge.g2")}
    assert live(world, BRIDGE, TOTTORI, LATE) == pair
    # The anchor has no key of now, so its pair with the bridge has nothing to stand on.
    left_out = renewing(world).left_out(lambda half: half.is_between(GPKI, BRIDGE), LATE)
    assert len(left_out) == 2
    assert all("so has gpki-bca.g1's own certificate" in str(one.why) for one in left_out)


def test_what_was_withdrawn_is_never_renewed_though_it_had_expired_by_then(world):
    """The withdrawal ends what stood then; the expired ones before carry no mark of it."""
    succeed(world, BRIDGE, TOTTORI)
    waiting = ordered(world, "waiting", LATE)
    made(world, "made", LATE)
    withdraw(world.stores, world.plan, BRIDGE, TOTTORI, SUPERSEDED, [FIRST, SECOND], at=LATE + DAY)
    after = LATE + 2 * DAY
    left_out = renewing(world).left_out(of_tottori, after)
    assert len(left_out) == 2
    assert all("was withdrawn since it was issued" in str(one.why) for one in left_out)
    with pytest.raises(NotFound, match="or may be renewed"):
        renewing(world).propose("again", of_tottori, after)
    failures = [one.failure for one in renewing(world).run(waiting, at=after)]
    assert len(failures) == 2
    assert all(isinstance(one, Conflict) and "was withdrawn since the order" in str(one) for one in failures)
    assert live(world, BRIDGE, TOTTORI, after) == set()


def test_one_half_that_was_withdrawn_does_not_keep_the_other_back(world):
    succeed(world, BRIDGE, TOTTORI)
    made(world, "made", LATE)
    withdraw(
        world.stores,
        world.plan,
        BRIDGE,
        TOTTORI,
        SUPERSEDED,
        [FIRST, SECOND],
        at=LATE + DAY,
        issued_by=TOTTORI,
    )
    steps = renewing(world).propose("again", of_tottori, LATE + 2 * DAY)
    assert [str(step.certificate.generation) for step in steps] == ["jpki-bridge.g2"]


def meet(world: EngineWorld, peer: OpensslPeer, at: datetime, **changes: str) -> CrossingDesk:
    """Our half, of thirty days, by an agreement of five years."""
    desk = CrossingDesk(world.issuers, world.plan, world.chance)
    text = agreement([peer.fingerprint], **{"certify": "path_length = 0\nmaximum_days = 30"} | changes)
    desk.agree(text, "a.toml", [], FIRST, at=at)
    request = Handed.read(peer.request("theirs").read_bytes(), "theirs")
    desk.examine("foreign-2014", request, FIRST, at=at)
    desk.accept("foreign-2014", request, SECOND, at=at)
    return desk


def test_a_peers_half_that_has_expired_is_renewed_as_long_as_its_agreement_stands(world, peer):
    desk = meet(world, peer, NOW)
    after = NOW + timedelta(days=90)
    assert live(world, GPKI, AuthorityId("foreign"), after) == set()
    (step,) = renewing(world).propose("late", of_peer, after)
    order = renewing(world).order("late", [step], FIRST, SECOND, at=after)
    (one,) = renewing(world).run(order, at=after)
    assert one.failure is None
    assert live(world, GPKI, AuthorityId("foreign"), after) == {("gpki-bca.g1", "foreign.g1")}
    again = after + timedelta(days=90)
    desk.end("foreign-2014", FIRST, at=again)
    (left,) = renewing(world).left_out(of_peer, again)
    assert "has expired, and agreement foreign-2014 was ended" in str(left.why)


def test_a_peers_half_whose_agreement_is_over_is_left_out(world, peer):
    meet(world, peer, NOW)
    (left,) = renewing(world).left_out(of_peer, datetime(2019, 12, 1, tzinfo=UTC))
    assert "agreement foreign-2014 is in force from" in str(left.why)


def test_what_is_left_out_is_told_and_what_was_named_is_refused(scene):  # noqa: F811
    """By commands: within all pairs the rest is renewed; named alone it is refused with its reason."""
    at = ("--clock", "2019-09-02T00:00:00Z")
    scene.refused(
        "renew", "--plan", "late", "--pair", "gpki-bca", "foreign", "--dry-run", *at,
        because="has expired, and agreement foreign-2014 is in force from",
    )  # fmt: skip
    rows = scene.run("renew", "--plan", "late", "--of", "gpki-bca", "--dry-run", *at).json
    outcomes = [row["outcome"].partition(":")[0] for row in rows]
    assert (set(outcomes[:-1]), outcomes[-1]) == ({"to be made"}, "left out")
    assert (rows[-1]["issuer"], rows[-1]["subject"]) == ("gpki-bca.g1", "foreign.g1")


# Reports.


def test_a_report_tells_each_pair_of_a_renewal(scene):  # noqa: F811
    copy = scene.folder / "copy.json"
    (step,) = scene.run(
        "renew", "--plan", "again", "--pair", "gpki-bca", "foreign", *TWO, "--report", copy
    ).json
    kept = scene.home / "reports" / "renewal-again.json"
    assert kept.read_bytes() == copy.read_bytes()
    assert kept.stat().st_mode & 0o077 == 0
    said = json.loads(copy.read_text())
    assert (said["plan"], said["ordered_by"]) == ("again", ["ito", "endo"])
    (run_,) = said["runs"]
    assert (run_["made"], run_["failed"], run_["officers"]) == (1, 0, ["ito", "endo"])
    assert run_["began"] <= run_["ended"]
    (told,) = said["steps"]
    assert (told["issuer"], told["subject"], told["agreement"]) == (
        "gpki-bca.g1",
        "foreign.g1",
        "foreign-2014",
    )
    assert (told["outcome"], told["problem"], told["officers"]) == ("made", None, ["ito", "endo"])
    assert run_["began"] <= told["at"] <= run_["ended"]
    for name, key in (("old", "beside"), ("new", "certificate")):
        assert told[name]["certificate"] == step[key]
        serial = step[key].rpartition(":")[2]
        judged = x509.load_der_x509_certificate(scene.public(f"g/gpki-bca.g1/cross/foreign.g1/{serial}.cer"))
        assert datetime.fromisoformat(told[name]["valid_from"]) == judged.not_valid_before_utc
        assert datetime.fromisoformat(told[name]["valid_until"]) == judged.not_valid_after_utc
    # Done again, it says what the first run made, and that a second one was.
    scene.run("renew", "--plan", "again", *TWO)
    again = json.loads(kept.read_text())
    assert again["steps"] == said["steps"]
    assert [one["made"] for one in again["runs"]] == [1, 0]
    # A report that is lost costs who made it when, and nothing else.
    kept.write_text("lost")
    scene.run("renew", "--plan", "again", *TWO)
    (told,) = json.loads(kept.read_text())["steps"]
    assert (told["outcome"], told["at"], told["new"]["certificate"]) == (
        "made before",
        None,
        step["certificate"],
    )
    shown = done(run("cross", "show", "--renewal", "again", "--home", scene.home, "--json")).json
    assert shown == json.loads(kept.read_text())
    table = done(run("cross", "show", "--renewal", "again", "--home", scene.home)).stdout
    assert "made before" in table
    assert "2014-09-01T00:00:00Z" in table
    for name in ("none", "../renewal-again"):
        scene.refused("show", "--renewal", name, because="has no report")


def test_a_run_that_stops_in_between_leaves_its_report(scene, monkeypatch):  # noqa: F811
    """What could not be made is told with its reason; what was not come to, as that; and the next run goes on with both."""
    monkeypatch.setattr(renewal_module, "_AT_ONCE", 1)
    before, turns = cycle.sign, iter(["sign", "refuse", "die"])

    def sign(prepared, at):
        match next(turns):
            case "refuse":
                raise KeyRefused(f"key {prepared.issuer.id}", "the token does not answer")
            case "die":
                raise RuntimeError("something of somebody else's")
        return before(prepared, at)

    words = ("renew", "--plan", "broken", "--of", "jpki-bridge")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(cycle, "sign", sign)
        with pytest.raises(RuntimeError):
            scene.run(*words, *TWO)
    report = read_report(scene.home / "reports", "broken")
    assert report is not None
    assert [one.outcome for one in report.steps[:3]] == ["made", "not made", "not reached"]
    assert {one.outcome for one in report.steps[2:]} == {"not reached"}
    assert "the token does not answer" in (report.steps[1].problem or "")
    (first,) = report.runs
    assert (first.made, first.failed, first.ended is not None) == (1, 1, True)
    scene.run(*words, *TWO)
    after = read_report(scene.home / "reports", "broken")
    assert after is not None
    assert after.runs[0] == first
    assert after.steps[0] == report.steps[0]
    assert {one.outcome for one in after.steps} == {"made", "made before"}, (
        "what was intended is signed at the start"
    )
    assert all(one.new is not None and one.problem is None for one in after.steps)


# Shown.


def test_a_pair_is_shown_with_all_that_befell_it(scene):  # noqa: F811
    deviating = scene.peer.request("deviating", "basicConstraints = critical, CA:TRUE, pathlen:3")
    scene.refused("examine", "foreign-2014", deviating, "--officer", "endo", because="path length")
    scene.run("renew", "--plan", "again", "--pair", "gpki-bca", "foreign", *TWO)
    since = "2014-08-31T00:00:00Z"
    words = ("withdraw", "gpki-bca", "foreign", "--reason", "superseded", "--issued-by", "gpki-bca")
    told = scene.run(*words, "--invalid-since", since, *TWO).json
    assert told["invalid_since"] == since
    shown = scene.run("show", "foreign-2014").json
    by_pair = scene.run("show", "gpki-bca", "foreign").json
    assert shown == by_pair, "there was one agreement"
    assert shown["between"] == ["gpki-bca", "foreign"]
    (agreed,) = shown["agreements"]
    assert (agreed["from"], agreed["to"], agreed["ended_at"]) == (
        "2014-08-01T00:00:00Z", "2019-08-31T14:59:59Z", None,
    )  # fmt: skip
    assert agreed["certify"]["path_length"] == 0
    assert sorted((one["kind"], one["state"], one["agreement"]) for one in shown["halves"]) == [
        ("issued", "withdrawn", "foreign-2014"),
        ("issued", "withdrawn", "foreign-2014"),
        ("received", "live", "foreign-2014"),
    ]
    assert [(one["what"], one["examined_by"], one["accepted_by"]) for one in shown["examinations"]] == [
        ("request", "ito", "endo"), ("certificate", "endo", "ito"), ("renewal", "ito", "endo"),
    ]  # fmt: skip
    (refusal,) = shown["refused"]
    assert (refusal["officer"], refusal["what"], "path length" in refusal["deviation"]) == (
        "endo",
        "request",
        True,
    )
    (renewal,) = shown["renewals"]
    assert (renewal["order"], renewal["outcome"], renewal["officers"]) == ("again", "made", "ito, endo")
    assert {one["invalid_since"] for one in shown["withdrawals"]} == {since}
    assert {one["certificate"] for one in shown["withdrawals"]} == {renewal["certificate"], renewal["beside"]}
    assert shown["deviations"] == []
    table = done(run("cross", "show", "foreign-2014", "--home", scene.home)).stdout
    for word in ("agreements", "halves", "examinations", "refused", "renewals", "withdrawals", "superseded"):
        assert word in table
    # OpenSSL reads the invalidity date in the list that the command published.
    found = x509.load_der_x509_crl(scene.public("g/gpki-bca.g1/crl/arl.crl"))
    dates = {
        one.extensions.get_extension_for_class(x509.InvalidityDate).value.invalidity_date_utc for one in found
    }
    assert dates == {datetime(2014, 8, 31, tzinfo=UTC)}


def test_a_half_that_deviates_now_is_shown(scene):  # noqa: F811
    """Time passes, and what was taken as agreed is not so any more."""
    shown = scene.run("show", "gpki-bca", "foreign", "--clock", "2019-09-02T00:00:00Z").json
    assert {one["state"] for one in shown["halves"]} == {"expired"}
    (deviation,) = shown["deviations"]
    assert deviation["certificate"].startswith("foreign.g1:")
    assert deviation["deviation"].startswith("validity: is not now")


def test_a_pair_of_the_nation_is_shown_without_an_agreement(scene):  # noqa: F811
    shown = scene.run("show", "jpki-bridge", "jpki-13").json
    assert {(one["issuer"], one["state"], one["agreement"]) for one in shown["halves"]} == {
        ("jpki-bridge.g1", "live", None), ("jpki-13.g1", "live", None),
    }  # fmt: skip
    assert shown["agreements"] == shown["examinations"] == shown["renewals"] == shown["withdrawals"] == []


@pytest.mark.parametrize(
    ("words", "because"),
    [
        ((), "needs an agreement, two authorities, or --renewal"),
        (("foreign-2014", "--renewal", "x"), "one of these alone"),
        (("foreign-2020",), "agreement 'foreign-2020': is not known"),
        (("gpki-bca", "jpki-13"), "was never one"),
    ],
)
def test_what_there_is_not_is_said(scene, words, because):  # noqa: F811
    scene.refused("show", *words, because=because)


def test_refusals_are_kept_in_order_and_a_cut_line_costs_itself_alone(tmp_path):
    kept = [
        Refusal(
            agreement="a",
            at=NOW + number * DAY,
            officer="ito",
            what="request",
            digest="00",
            deviations=("x",),
        )
        for number in range(3)
    ]
    assert read_refusals(tmp_path / "reports", "a") == []
    keep_refusal(tmp_path / "reports", kept[0])
    path = tmp_path / "reports" / "deviations-a.jsonl"
    with path.open("ab") as file:
        file.write(b'{"agreement":"a"\n')
    for one in kept[1:]:
        keep_refusal(tmp_path / "reports", one)
    assert read_refusals(tmp_path / "reports", "a") == kept
    assert read_refusals(tmp_path / "reports", "b") == []


# Withdrawn and counted.


def test_an_invalidity_date_lies_before_the_withdrawal_and_needs_a_certificate_of_ours(scene):  # noqa: F811
    words = ("withdraw", "gpki-bca", "foreign", "--reason", "superseded", *TWO, "--invalid-since")
    before = scene.rows("revocations")
    scene.refused(*words, "2014-10-01T00:00:00Z", because="lies after the revocation")
    scene.refused(*words, "soon", because="--invalid-since")
    scene.refused(*words, "2014-08-31T00:00:00Z", "--issued-by", "foreign", because="can say it")
    assert scene.rows("revocations") == before
    assert live_received(scene), "and the peer's half is shown as before"


def live_received(scene: Scene) -> list[dict[str, str]]:  # noqa: F811
    return [row for row in scene.run("list").json if row["kind"] == "received"]


def test_the_impact_tells_what_is_on_its_way_and_does_not_count_it(world, peer):
    """Approved cases, an intended certificate, an order that nobody has carried out, and a request not accepted."""
    at = NOW + DAY
    kinds = (CertificateKind.SIGNATURE,)

    def impact(first: AuthorityId, second: AuthorityId):
        with world.stores.reading() as reading:
            return impact_of(reading, world.plan, of_pair(reading, first, second, at), at)

    world.issued(kinds=kinds, at=at)
    before = impact(BRIDGE, TOTTORI)
    assert (before.stranded, before.coming, before.planned) == (1, (), ())
    world.approved(kinds=kinds, at=at)
    world.filed(kinds=kinds, at=at)
    with pytest.MonkeyPatch.context() as patch:

        def never(*_: object) -> None:
            raise KeyRefused("key jpki-31.g1", "the token does not answer")

        intended = world.approved(kinds=kinds, at=at)
        patch.setattr(cycle, "sign", never)
        patch.setattr("ca.issuing.authority.cycle.sign", never)
        with pytest.raises(KeyRefused):
            world.registration.issue(intended.case.id, "operator", at=at)
    order = ordered(world, "planned", at)
    after = impact(BRIDGE, TOTTORI)
    assert after.stranded == before.stranded
    assert {(str(one.generation), one.kind.value, one.state, one.count) for one in after.coming} == {
        ("jpki-31.g1", "signature", "intended", 1), ("jpki-31.g1", "signature", "approved", 1),
    }  # fmt: skip
    assert {one.partition(" for ")[0] for one in after.planned} == {
        str(step.certificate) for step in order.steps
    }
    assert all("ordered as planned, and not made yet" in one for one in after.planned)
    desk = meet(world, peer, at)
    request = Handed.read(peer.request("again").read_bytes(), "again")
    desk.examine("foreign-2014", request, FIRST, at=at)
    (waiting,) = impact(GPKI, AuthorityId("foreign")).planned
    assert waiting == "request of foreign.g1: examined as number 2, and not accepted yet"


def test_the_commands_say_what_is_counted(scene):  # noqa: F811
    told = scene.run("impact", "jpki-bridge", "jpki-13").json
    assert told["coming"] == told["planned"] == []
    assert "issued and in use" in told["counted"]
    refused(run("cross", "impact", "jpki-13", "foreign", "--home", scene.home), "no cross-certificate")


def test_an_order_name_that_no_file_can_have_is_refused(world):
    with pytest.raises(BadInput, match="--plan"):
        renewing(world).propose("../x", of_tottori, NOW)
