"""Explanations: the verdict is ``verify``'s, every step is shown, nobody is named, and the picture is a good one."""

import ast
import re
import xml.etree.ElementTree as ET
from dataclasses import replace
from pathlib import Path

import pytest
from asn1crypto import core, x509
from cryptography.x509 import ObjectIdentifier, OtherName, SubjectAlternativeName
from hypothesis import given
from hypothesis import strategies as st

from bridge.manifest import Marking
from bridge.relying.budget import Limits
from bridge.relying.finding.snapshot import Snapshot
from bridge.relying.rejection import PathRejected, Reason
from bridge.relying.telling import words
from bridge.relying.telling.clauses import CLAUSES
from bridge.relying.telling.drawing import MOST_POLICIES, draw
from bridge.relying.telling.explaining import explain
from bridge.relying.telling.words import Language, Role, Verdict, Word, verdict_of
from bridge.relying.trust import Trust
from bridge.relying.verify import verify
from bridge.svg import Drawing, clean, fitted, width_of, wrapped
from ca.model import GenerationId
from tests.commands import done, run
from tests.relying_world import (
    AT,
    BRIDGE,
    DAY,
    GPKI_POLICY,
    HOLDER,
    JPKI_POLICY,
    OTHER_POLICY,
    PREFECTURE,
    Cert,
    World,
)

ROOT = Path(__file__).parent.parent
EN, JA = Language
HOLDERS_NAME = HOLDER[-1][1]
PERSON = "Yamada Hanako"
LONG = [f"2.999.1.22.333.4444.55555.666666.7777777.888888888.{number}" for number in range(12)]


def right(world):
    """One candidate."""


def three(world):
    """A bridge of two generations, and a link certificate between them: three candidates."""
    world.authorities["jpki-bridge.g2"] = (BRIDGE, 4)
    world.crosses["gpki-bca.g1", "jpki-bridge.g2"] = replace(world.to_bridge, key=4, serial=0x1002)
    world.crosses["jpki-bridge.g2", "jpki-13.g1"] = replace(world.to_prefecture, signer=4, serial=0x2002)
    world.crosses["jpki-bridge.g2", "jpki-bridge.g1"] = link(BRIDGE, key=1, signer=4, serial=0x2003)
    world.lists["jpki-bridge.g2", "arl"] = [
        replace(world.arl("jpki-bridge.g1"), generation="jpki-bridge.g2", signer=4)
    ]


def link(subject, **keys):
    return Cert(subject, subject, policies=["2.5.29.32.0"], point=subject, **keys)


def eight(world):
    """Two generations of bridge and prefecture, of which one bridge certificate has expired."""
    three(world)
    world.to_bridge.not_after = AT - DAY
    world.authorities["jpki-13.g2"] = (PREFECTURE, 5)
    world.crosses["jpki-bridge.g1", "jpki-13.g2"] = replace(world.to_prefecture, key=5, serial=0x2004)
    world.crosses["jpki-bridge.g2", "jpki-13.g2"] = replace(
        world.to_prefecture, key=5, signer=4, serial=0x2005
    )
    world.crosses["jpki-13.g2", "jpki-13.g1"] = link(PREFECTURE, key=2, signer=5, serial=0x2006)
    world.crosses["jpki-bridge.g1", "jpki-bridge.g2"] = link(BRIDGE, key=4, signer=1, serial=0x2007)


def revoked(world):
    three(world)
    world.town.revoked = {0x3001: (AT - DAY, "key_compromise")}


def without_lists(world):
    world.lists.clear()


def wild(world):
    """Many policies with long names, most of which are lost on the way."""
    world.to_bridge.policies = [GPKI_POLICY, *LONG]
    world.to_bridge.mappings = [(GPKI_POLICY, JPKI_POLICY), (LONG[0], JPKI_POLICY), (LONG[1], LONG[2])]
    world.to_prefecture.policies = [JPKI_POLICY, *LONG[2:4]]
    world.holder.policies = [JPKI_POLICY, LONG[3]]


def broken(world):
    """The policies end at the prefecture."""
    world.to_prefecture.policies = [OTHER_POLICY]


def a_responder(world):
    world.holder.purposes = ["ocsp_signing"]


def a_person(world):
    text = core.UTF8String(PERSON).dump()
    names = SubjectAlternativeName([OtherName(ObjectIdentifier("1.2.392.200149.8.5.5.1"), text)])
    world.holder.more = [("subject_alt_name", False, x509.GeneralNames.load(names.public_bytes()))]


def nobodys(world):
    """No path leads to it."""
    world.holder.issuer = HOLDER


def missing_cross(folder):
    (folder / "g/gpki-bca.g1/cross/jpki-bridge.g1.cer").unlink()
    (folder / "g/jpki-bridge.g1/cross/jpki-13.g1.cer").unlink()


def explained(change, folder, *, policy=GPKI_POLICY, at=AT, limits=None, marking=Marking.TEST, **more):
    world = World()
    change(world)
    published = world.publish(folder / "published")
    if change is unfindable:
        missing_cross(published)
    trust = Trust((world.anchor.der(),), frozenset({policy}), marking, limits=limits or Limits())
    snapshot = Snapshot.read(published)
    leaf = world.holder.der()
    return explain(leaf, snapshot, trust, at, **more), lambda: verify(leaf, snapshot, trust, at)


def unfindable(world):
    """The cross-certificates that the manifest names are not there."""


CASES = [
    (right, {}, Verdict.VALID, 1),
    (three, {}, Verdict.VALID, 3),
    (eight, {}, Verdict.VALID, 8),
    (revoked, {}, Verdict.NOT_VALID, 3),
    (without_lists, {}, Verdict.CANNOT_TELL, 1),
    (wild, {"policy": "2.999.77"}, Verdict.NOT_VALID, 1),
    (broken, {}, Verdict.NOT_VALID, 1),
    (nobodys, {}, Verdict.NOT_VALID, 0),
    (unfindable, {}, Verdict.CANNOT_TELL, 0),
    (right, {"at": AT + 2000 * DAY}, Verdict.NOT_VALID, 1),
    (right, {"marking": Marking.PRODUCTION}, Verdict.NOT_VALID, 1),
    (wild, {"limits": Limits(policy_nodes=2)}, Verdict.CANNOT_TELL, 1),
]
SPENT = [
    (revoked, {"limits": Limits(steps=3)}, Verdict.CANNOT_TELL, 0),
    (revoked, {"limits": Limits(steps=12)}, Verdict.CANNOT_TELL, 2),
    (three, {"limits": Limits(steps=12)}, Verdict.VALID, 2),
    (three, {"limits": Limits(signatures=1)}, Verdict.CANNOT_TELL, 0),
]


@pytest.mark.parametrize(("change", "more", "verdict", "count"), [*CASES, *SPENT])
def test_the_verdict_is_that_of_verify(change, more, verdict, count, tmp_path):
    explanation, ask = explained(change, tmp_path, **more)
    assert explanation.verdict is verdict
    assert (len(explanation.candidates), explanation.hidden) == (count, 0)
    assert explanation.leaf.endswith(f":{0x3001:040x}")
    assert (explanation.spent is not None) == any(more is other for _, other, *_ in SPENT)
    if verdict is Verdict.VALID:
        assert explanation.outcome == explanation.deciding.outcome == ask()
        return
    with pytest.raises(PathRejected) as caught:
        ask()
    rejected, outcome = (
        (one.reason, one.step, one.place, one.problem, one.clause)
        for one in (caught.value, explanation.outcome)
    )
    assert rejected == outcome
    assert verdict_of(caught.value.reason) is verdict


def test_few_candidates_are_shown_and_the_deciding_one_always_is(tmp_path):
    for most in (1, 3):
        explanation, _ = explained(eight, tmp_path / str(most), most=most)
        everything, _ = explained(eight, tmp_path / f"{most} of all")
        assert len(explanation.candidates) == most
        assert explanation.hidden == 8 - most
        assert explanation.deciding in explanation.candidates
        assert explanation.deciding.number == everything.deciding.number


def test_each_step_is_told(tmp_path):
    explanation, _ = explained(eight, tmp_path)
    candidate = max(explanation.candidates, key=lambda one: len(one.steps))
    roles = [step.role for step in candidate.steps]
    assert roles == [Role.ANCHOR, Role.CROSS, Role.LINK, Role.CROSS, Role.LINK, Role.HOLDER]
    assert [step.id.partition(":")[0] for step in candidate.steps][-1] == "jpki-13.g1"
    assert candidate.steps[0].subject == "gpki-bca.g1"
    assert candidate.steps[-1].subject is None
    assert {step.suite for step in candidate.steps} == {"sha256-rsa2048"}
    assert [step.step for step in candidate.steps] == list(range(6))
    deciding = explanation.deciding
    asked = [[(one.kind, one.number) for one in step.asked] for step in deciding.steps]
    assert asked == [[], *[[(Word.LIST, 1)]] * (len(deciding.steps) - 1)]


def test_what_was_asked_before_a_path_ended_is_told(tmp_path):
    explanation, _ = explained(revoked, tmp_path)
    asked = [[one.place for one in step.asked] for step in explanation.deciding.steps]
    assert [len(one) for one in asked] == [0, 1, 1, 1, 1]
    without, _ = explained(without_lists, tmp_path / "without")
    (failed,) = without.candidates[0].steps[1].asked
    assert "publishes no list" in failed.problem
    assert without.candidates[0].steps[2].asked == ()


def test_other_roles(tmp_path):
    explanation, _ = explained(a_responder, tmp_path / "responder")
    assert explanation.candidates[0].steps[-1].role is Role.RESPONDER
    world = World()
    snapshot = Snapshot.read(world.publish(tmp_path / "ca"))
    trust = Trust((world.anchor.der(),), frozenset({GPKI_POLICY}), Marking.TEST)
    of_a_ca = explain(world.to_prefecture.der(), snapshot, trust, AT)
    assert of_a_ca.candidates[0].steps[-1].role is Role.AUTHORITY


def test_an_authority_without_a_name_here_is_told_by_its_key(tmp_path):
    world = World()
    snapshot = Snapshot.read(world.publish(tmp_path))
    snapshot.generation_of = lambda _: None
    trust = Trust((world.anchor.der(),), frozenset({GPKI_POLICY}), Marking.TEST)
    ids = [step.id for step in explain(world.holder.der(), snapshot, trust, AT).candidates[0].steps]
    assert all(re.fullmatch(r"key-[0-9a-f]{8}:[0-9a-f]{40}", one) for one in ids)


# Words


@pytest.mark.parametrize(
    ("table", "kind"),
    [
        (words.REASONS, Reason),
        (words.VERDICTS, Verdict),
        (words.ROLES, Role),
        (words.WORDS, Word),
    ],
)
def test_every_word_is_there_in_both_languages(table, kind):
    assert set(table) == set(kind)
    for said in table.values():
        assert said.en.isascii()
        assert said.en == said.en.strip() != ""
        assert re.search(r"[\u3040-\u30ff\u4e00-\u9fff]", said.ja)
        assert said.en.count("{}") == said.ja.count("{}")


def test_sentences_end_as_sentences_do():
    for said in (*words.REASONS.values(), *CLAUSES.values()):
        assert said.en.endswith(".")
        assert said.ja.endswith("。")
    assert len({said.en for said in CLAUSES.values()}) == len(CLAUSES)


def clauses_of(path):
    """Clauses among a module's strings; docstrings name clauses too, and are not meant."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    told = {id(node.value) for node in ast.walk(tree) if isinstance(node, ast.Expr)}
    for node in ast.walk(tree):
        text = node.value if isinstance(node, ast.Constant) and id(node) not in told else None
        if isinstance(text, str) and re.fullmatch(r"RFC \d+ \d[0-9a-z.,() -]*", text):
            yield text


def test_every_clause_that_an_error_names_has_its_sentence():
    """What a verifier's errors can name: its own rules, and those of the keys that it reads."""
    sources = {*(ROOT / "bridge/relying").rglob("*.py")} - {ROOT / "bridge/relying/telling/clauses.py"}
    named = {
        clause
        for path in [*sources, ROOT / "ca/keys/signer.py", ROOT / "ca/keys/kinds.py"]
        for clause in clauses_of(path)
    }
    assert len(named) > 30
    assert named - CLAUSES.keys() == set()
    assert CLAUSES.keys() - named == set()


# The picture

SVG = "{http://www.w3.org/2000/svg}"
BOXES = {"box", "trust", "failed", "untold", "pill", "lost"}
SIZES = {"head": 19, "name": 15, "soft": 12, "mono": 12, "tiny": 11, "badge": 12}


class Seen:
    """A picture as its parts: boxes and texts with what they cover."""

    def __init__(self, picture):
        self.root = ET.fromstring(picture)  # noqa: S314 - our own
        self.width, self.height = float(self.root.get("width")), float(self.root.get("height"))
        self.boxes = [
            tuple(float(one.get(name)) for name in ("x", "y", "width", "height"))
            for one in self.root.iter(f"{SVG}rect")
            if one.get("class") in BOXES
        ]
        self.texts = [
            (
                float(one.get("x")),
                float(one.get("y")),
                width_of(text_of(one), SIZES.get(one.get("class"), 13)),
                text_of(one),
                one.get("class"),
            )
            for one in self.root.iter(f"{SVG}text")
        ]

    @property
    def words(self):
        return " ".join("".join(self.root.itertext()).split())


def text_of(element):
    """What is written, without what is told when it is pointed at."""
    return (element[-1].tail if len(element) else element.text) or ""


def overlap(one, other):
    return (
        one[0] < other[0] + other[2]
        and other[0] < one[0] + one[2]
        and one[1] < other[1] + other[3]
        and other[1] < one[1] + one[3]
    )


@pytest.mark.parametrize("language", Language)
@pytest.mark.parametrize(("change", "more"), [case[:2] for case in (*CASES, *SPENT)])
def test_nothing_in_a_picture_lies_over_anything_else(change, more, language, tmp_path):
    explanation, _ = explained(change, tmp_path, **more)
    seen = Seen(draw(explanation, language))
    for number, one in enumerate(seen.boxes):
        assert not any(overlap(one, other) for other in seen.boxes[number + 1 :])
        assert 0 < one[0] < one[0] + one[2] <= seen.width
        assert 0 < one[1] < one[1] + one[3] <= seen.height
    for x, y, width, words_, kind in seen.texts:
        inside = [
            box for box in seen.boxes if box[0] <= x <= box[0] + box[2] and box[1] <= y <= box[1] + box[3]
        ]
        if inside and kind != "badge":
            ((left, top, wide, high),) = inside
            assert x + width <= left + wide, words_
            assert top + 8 <= y <= top + high - 4
        elif kind != "badge":
            assert x + width <= seen.width, words_
        assert 0 < y <= seen.height
    lines = [(x, y - 10, width, 10) for x, y, width, _, kind in seen.texts if kind != "badge"]
    for number, one in enumerate(lines):
        assert not any(overlap(one, other) for other in lines[number + 1 :])


@pytest.mark.parametrize("language", Language)
def test_the_picture_tells_what_happened(language, tmp_path):
    explanation, _ = explained(revoked, tmp_path)
    seen = Seen(draw(explanation, language))
    assert words.REASONS[Reason.REVOKED].said(language) in seen.words
    assert "RFC 5280 6.3.3" in seen.words
    for candidate in explanation.candidates:
        for step in candidate.steps:
            assert step.id in seen.words
    kinds = [one.get("class") for one in seen.root.iter()]
    assert kinds.count("failed") == 1 + sum(
        one.verdict is Verdict.NOT_VALID for one in explanation.candidates[1:]
    )
    assert kinds.count("edge") >= 3
    assert kinds.count("arrow") == 2 * sum(len(one.steps) - 1 for one in explanation.candidates)
    assert seen.root.get("{http://www.w3.org/XML/1998/namespace}lang") == language.value


def test_policies_that_are_many_or_lost_are_told_so(tmp_path):
    explanation, _ = explained(wild, tmp_path, policy=OTHER_POLICY)
    picture = draw(explanation, EN)
    assert f"{len(LONG) + 1 - MOST_POLICIES} more" in Seen(picture).words
    assert "lost at step 2" in Seen(picture).words
    assert LONG[3] in Seen(picture).words  # in full, when it is pointed at
    gone, _ = explained(broken, tmp_path / "broken")
    assert "no policy" in Seen(draw(gone, EN)).words


def test_both_pages_have_all_their_colours(tmp_path):
    picture = draw(explained(right, tmp_path)[0], EN)
    style = re.search(r"<style>(.*)</style>", picture, re.DOTALL)[1]
    light, _, dark = style.partition("@media (prefers-color-scheme:dark){")
    assert [rule.partition("{")[0] for rule in light.split("}")] == [
        rule.partition("{")[0] for rule in dark.removesuffix("}").split("}")
    ]
    assert light != dark
    assert "{" not in re.sub(r"[^{}]*\{[^{}]*\}", "", light)
    assert not re.search(r"(href|url\(|@import|<script)", picture)


HOSTILE = '<script>alert("1")</script>&amp;]]>\x00\x1b[2J\u202e\ud800\uffff\n\''


def test_hostile_text_stays_text(tmp_path):
    explanation, _ = explained(revoked, tmp_path)
    deciding = explanation.deciding
    ended = PathRejected(HOSTILE, HOSTILE * 20, step=2, reason=Reason.REVOKED, clause=HOSTILE)
    steps = tuple(replace(step, id=f"{HOSTILE}:{HOSTILE}", suite=HOSTILE) for step in deciding.steps)
    changed = replace(deciding, outcome=ended, steps=steps, graph=None, no_graph=HOSTILE)
    picture = draw(replace(explanation, leaf=HOSTILE, candidates=(changed,), deciding=changed), EN)
    seen = Seen(picture)
    assert "<script" not in picture
    assert '<script>alert("1")</script>&amp;]]>' in seen.words
    assert "\u202e" not in picture


@given(st.text(), st.floats(30, 400))
def test_text_fits_where_it_is_put(text, room):
    assert width_of(fitted(text, room, 12), 12) <= room
    lines = wrapped(text, room, 12)
    assert all(width_of(line, 12) <= room for line in lines)
    assert "".join("".join(lines).split()) == "".join(text.split())


@given(st.text())
def test_any_text_is_well_formed(text):
    drawing = Drawing()
    drawing.text(0, 0, text, "soft", text)
    root = ET.fromstring(drawing.document(text, "", 0, "en"))  # noqa: S314 - our own
    assert text_of(root[-1]) == "".join(root[0].itertext())
    assert ET.fromstring(f"<x>{clean(text)}</x>") is not None  # noqa: S314


def test_names_of_any_length_stay_in_their_boxes(tmp_path):
    world = World()
    snapshot = Snapshot.read(world.publish(tmp_path))
    longest = GenerationId.parse(f"{'a' * 40}.g9999")
    snapshot.generation_of = lambda _: longest
    trust = Trust((world.anchor.der(),), frozenset({GPKI_POLICY}), Marking.TEST)
    seen = Seen(draw(explain(world.holder.der(), snapshot, trust, AT), JA))
    assert str(longest) in seen.words
    for x, y, width, words_, _ in seen.texts:
        for left, top, wide, high in seen.boxes:
            if left <= x <= left + wide and top <= y <= top + high:
                assert x + width <= left + wide, words_


# The command


@pytest.fixture(scope="module")
def toy(tmp_path_factory):
    folder = tmp_path_factory.mktemp("toy")
    for change in (right, three, eight, revoked, a_person, nobodys):
        world = World()
        change(world)
        world.publish(folder / change.__name__)
        (folder / f"{change.__name__}.cer").write_bytes(world.holder.der())
    (folder / "anchor.cer").write_bytes(World().anchor.der())
    return folder


@pytest.fixture
def ask(toy):
    def ask(world, *more):
        trust = ("--anchor", toy / "anchor.cer", "--policy", GPKI_POLICY, "--at", AT.isoformat())
        return run("verify", toy / f"{world}.cer", "--from", toy / world, *trust, *map(str, more))

    return ask


def test_a_valid_path_is_explained(ask):
    said = done(ask("three", "--explain")).stdout
    assert said.startswith("verdict   valid")
    assert "Candidate 1: valid (this one decides)" in said
    assert "Candidate 3: valid" in said
    assert f"jpki-13.g1:{0x3001:040x}" in said
    assert f"{GPKI_POLICY} ← any policy → {JPKI_POLICY}" in said
    assert "asked: list 1 2014-09-30T15:00:00Z g/gpki-bca.g1/crl/arl.crl" in said
    assert f"valid for: {GPKI_POLICY}" in said
    assert "link certificate: jpki-bridge.g1" in said


@pytest.mark.parametrize(
    ("language", "heading", "rule"),
    [
        (
            "en",
            "Candidate 3: not valid (this one decides)",
            "Whether a certificate was revoked is learnt from",
        ),
        ("ja", "候補 3: 無効 (この候補で判定)", "証明書の失効は、発行者の失効リストによって確認されます。"),
    ],
)
def test_what_ended_a_path_is_told_with_its_rule(language, heading, rule, ask):
    said = ask("revoked", "--explain", "--lang", language)
    assert said.status == 1
    assert said.stdout.startswith("not valid: step 4 (the certificate to verify): revoked since ")
    assert heading in said.stdout
    assert "✗ 4" in said.stdout
    assert rule in said.stdout
    assert words.REASONS[Reason.REVOKED].said(Language(language)) in said.stdout
    assert "RFC 5280 6.3.3" in said.stdout


def test_machines_get_the_verdict_and_every_candidate(ask):
    plain = ask("revoked", "--json").json
    machine = ask("revoked", "--json", "--explain", "--lang", "ja").json
    assert {key: machine[key] for key in plain} == plain
    assert [one["number"] for one in machine["candidates"]] == [1, 2, 3]
    assert machine["deciding"] == 3
    assert machine["sentence"] == words.REASONS[Reason.REVOKED].ja
    first = machine["candidates"][0]
    assert (first["step"], first["clause"], first["reason"]) == (3, "RFC 5280 6.3.3", "revoked")
    assert first["authority_policies"] == first["user_policies"] == [GPKI_POLICY]
    assert first["steps"][1] == {
        "step": 1,
        "certificate": f"gpki-bca.g1:{0x1001:040x}",
        "subject": "jpki-bridge.g1",
        "role": "cross-certificate",
        "not_before": "2014-06-23T03:00:00Z",
        "not_after": "2017-06-27T03:00:00Z",
        "suite": "sha256-rsa2048",
        "policies": [
            {"policy": GPKI_POLICY, "expected": [JPKI_POLICY], "parents": ["2.5.29.32.0"], "lost": None}
        ],
        "counters": {"explicit_policy": 0, "policy_mapping": 3, "inhibit_any_policy": 3},
        "asked": [
            {
                "kind": "list",
                "place": "g/gpki-bca.g1/crl/arl.crl",
                "number": 1,
                "this_update": "2014-09-30T15:00:00Z",
                "problem": None,
            }
        ],
    }


@pytest.mark.parametrize(("world", "boxes"), [("right", 4), ("three", 13), ("eight", 40)])
def test_the_picture_is_written_and_the_verdict_is_as_without(world, boxes, ask, tmp_path):
    target = tmp_path / "path.svg"
    assert ask(world, "--svg", target).stdout == ask(world).stdout
    seen = Seen(target.read_text(encoding="utf-8"))
    kinds = [one.get("class") for one in seen.root.iter(f"{SVG}rect")]
    assert sum(kinds.count(kind) for kind in ("box", "trust", "failed", "untold")) == boxes


def test_where_no_path_leads_there_is_still_an_explanation(ask, tmp_path):
    said = ask("nobodys", "--explain", "--svg", tmp_path / "x.svg")
    assert said.status == 1
    assert "There is no candidate path." in said.stdout
    assert words.REASONS[Reason.NO_PATH].en in said.stdout
    assert words.REASONS[Reason.NO_PATH].en in Seen((tmp_path / "x.svg").read_text()).words
    assert ask("nobodys", "--explain", "--json").json["candidates"] == []


@pytest.mark.parametrize("language", ["en", "ja"])
def test_nobody_is_named(language, ask, tmp_path):
    target = tmp_path / "x.svg"
    for more in (["--explain"], ["--explain", "--json"], ["--svg", target]):
        said = ask("a_person", *more, "--lang", language)
        for told in (said.stdout, said.stderr, target.read_text() if target.exists() else ""):
            assert PERSON not in told
            assert HOLDERS_NAME not in told


def test_the_page_tells_of_every_reason_with_its_verdict():
    page = (ROOT / "docs" / "verifying.md").read_text(encoding="utf-8")
    told = re.findall(r"^\| `([a-z ]+)` \| (valid|not valid|cannot tell) \|", page, re.MULTILINE)
    assert told == [(reason.value, verdict_of(reason).value) for reason in Reason]
