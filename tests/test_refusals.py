"""What a Japanese reader is told by a refusal: every one that officers meet has a Japanese sentence, and says the same."""

import ast
import importlib
import re
from pathlib import Path

import pytest

import ca.errors
import front
from ca.errors import BadInput, Conflict, KakehashiError, NotFound, NotPermitted
from ca.model import (
    CertificateKind,
    Office,
    OfficeId,
    OfficeKind,
    Officer,
    OfficerId,
    RevocationReason,
    Role,
)
from ca.rules import custody, identity, registration, self_check
from ca.rules.registration import Case, State, Step, StepTaken
from front.pages.refusals import Refusals
from front.pages.texts import Language, Texts
from tests.engine_world import NOW

ROOT = Path(front.__file__).parent
TEXTS = Texts.read(sorted(ROOT.glob("*/texts")))
REFUSALS = Refusals.of(TEXTS)
ROWS = [row.key for row in REFUSALS.rows]

AT_WORK = (  # where officers are refused
    "ca.rules.registration", "ca.rules.identity", "ca.rules.custody", "ca.rules.self_check", "ca.issuing.receiving",
    "ca.issuing.self_checking", "ca.issuing.intake", "ca.issuing.subject_keys", "ca.issuing.weak_rsa", "ca.issuing.authority", "ca.issuing.standing",
    "ca.revoking.deciding.abolition", "ca.revoking.deciding.at_window", "ca.revoking.deciding.custody",
    "ca.revoking.deciding.delivery", "ca.revoking.deciding.local_delivery", "ca.store.media", "ca.store.self_checks",
    "ca.store.officers", "front.local.access", "front.local.cases", "front.local.ending", "front.local.filing",
    "front.local.media", "front.registration.window_cases", "front.registration.window_case",
    "front.registration.window_requests", "front.console.access", "front.console.audit", "front.console.dashboard",
    "front.console.officers", "front.console.stories", "front.console.verifying", "front.pages.guard",
    "front.pages.visit", "front.signing_in.enrolment",
)  # fmt: skip
OF_OURS = (  # what no officer's deed leads to: a damaged store, or the table of kinds
    "is said to be", "its history has a step", "is a role at",
)  # fmt: skip


def spoken(node, module, names):
    """The texts that an argument may be, with a made-up value in each place."""
    if isinstance(node, ast.Constant):
        return [str(node.value)]
    if isinstance(node, ast.JoinedStr):
        parts = [one.value if isinstance(one, ast.Constant) else "X-1" for one in node.values]
        return ["".join(parts)]
    if isinstance(node, ast.Name):
        if isinstance(value := getattr(module, node.id, None), str):
            return [value]
        return names.get(node.id, [])
    return ["passport"] if ast.unparse(node) == "document.kind" else []


def raised(name):
    """The errors that a module raises, with made-up values."""
    module = importlib.import_module(name)
    tree = ast.parse(Path(module.__file__).read_text("utf-8"))
    assigned = [node for node in ast.walk(tree) if isinstance(node, ast.Assign)]
    names = {
        node.targets[0].id: spoken(node.value, module, {})
        for node in assigned
        if isinstance(node.targets[0], ast.Name) and isinstance(node.value, ast.JoinedStr)
    }
    for node in ast.walk(tree):
        if not (isinstance(node, ast.Raise) and isinstance(node.exc, ast.Call)):
            continue
        kind = getattr(ca.errors, ast.unparse(node.exc.func), None)
        if kind is None or len(node.exc.args) < 2:
            continue
        for place in spoken(node.exc.args[0], module, names) or ["X-1"]:
            for problem in spoken(node.exc.args[1], module, names):
                if not problem.startswith(OF_OURS) and not any(words in problem for words in OF_OURS):
                    yield kind(place, problem)


@pytest.mark.parametrize("module", AT_WORK)
def test_what_is_raised_at_work_has_a_japanese_sentence(module):
    assert [f"{error}" for error in raised(module) if REFUSALS.japanese(error) is None] == []


def test_the_walk_sees_refusals():
    assert len([error for module in AT_WORK for error in raised(module)]) > 80


@pytest.mark.parametrize("key", ROWS)
def test_a_sentence_is_its_own_and_has_no_value_that_the_english_lacks(key):
    words = TEXTS.words[key]
    there, wanted = (
        set(re.findall(r"\{(\w+)\}", words[each])) for each in (Language.ENGLISH, Language.JAPANESE)
    )
    assert wanted <= there
    place, problem = words[Language.ENGLISH].format(**dict.fromkeys(there, "X-1")).split(": ", 1)
    problem, _, remedy = problem.partition(". ")
    error = getattr(ca.errors, key.split(".")[1])(place, problem, remedy=remedy or None)
    told = words[Language.JAPANESE].format(**dict.fromkeys(there, "X-1"))
    assert REFUSALS.japanese(error) == told
    assert re.search("[ぁ-ん]", told)
    assert REFUSALS.japanese(KakehashiError(place, problem)) is None, "another error that reads alike"


OFFICE = Office(OfficeId("131016"), OfficeKind.WINDOW, "千代田区", ())
CLERK = Officer(OfficerId("sato"), OFFICE.id, frozenset({Role.RECEPTION, Role.EXAMINER}))
CASE = Case("131016-000001", OFFICE.id, State.FILED, (StepTaken(Step.FILE, CLERK.id, NOW),))


@pytest.mark.parametrize(
    ("deed", "kind", "told"),
    [
        (
            lambda: registration.take(CASE, Step.EXAMINE, CLERK, OFFICE, NOW),
            NotPermitted,
            "案件 131016-000001 では、すでに「受付」を担当しています。次の段階は別の担当者が行ってください。",
        ),
        (
            lambda: registration.take(CASE, Step.HAND_OVER, CLERK, OFFICE, NOW),
            Conflict,
            "案件 131016-000001 は「審査待ち」です。「交付」はできません。案件を開き直してください。",
        ),
        (
            lambda: registration.require_roles(OfficeKind.CENTRE, frozenset()),
            BadInput,
            "権限を一つ以上選んでください。",
        ),
        (
            lambda: identity.require_identified(
                [identity.SeenDocument(identity.Document.PASSPORT, NOW.date().replace(year=2001))], NOW
            ),
            BadInput,
            "旅券は有効期限が切れています。期限内の書類を求めてください。",
        ),
        (lambda: identity.require_identified([], NOW), BadInput, "確認した書類が足りません"),
        (lambda: custody.medium_id("?"), BadInput, "鍵媒体の番号は"),
        (
            lambda: self_check.require_open(2025, NOW),
            Conflict,
            "2025 年度の自己点検は、センターの確認が済んでいます",
        ),
    ],
    ids=["second step", "out of turn", "no role", "document", "documents", "medium", "reviewed"],
)
def test_rules_are_told_with_their_values_in_japanese(deed, kind, told):
    with pytest.raises(kind) as refused:
        deed()
    assert REFUSALS.japanese(refused.value).startswith(told)


def test_several_values_are_each_told():
    error = NotPermitted("page", f"is for the roles {Role.OPERATOR}, {Role.AUDITOR}")
    assert REFUSALS.japanese(error) == "この画面は、次の権限の担当者だけが使えます: 認証局操作、監査"


def test_reasons_and_kinds_have_their_words():
    newer = Conflict("case X", f"the holder has a newer {CertificateKind.SIGNATURE} certificate")
    assert "署名用電子証明書" in REFUSALS.japanese(newer)
    ended = f"what it renews, jpki-13.g1:00, has ended ({RevocationReason.SUPERSEDED.word})"
    assert "新しい証明書への更新" in REFUSALS.japanese(Conflict("case X", ended))


@pytest.mark.parametrize(
    "error",
    [NotFound("case", "is somewhere else"), Conflict("case: is", "x" * 3000), BadInput("", "")],
)
def test_what_the_table_does_not_know_is_left_as_it_is(error):
    assert REFUSALS.japanese(error) is None
