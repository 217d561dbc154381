"""Lint of answers: a right one passes; each rule has a counter-example that breaks it and no other rule."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta, timezone

import pytest

from ca.errors import LintRefused
from ca.lint.rules import findings
from ca.model import Serial
from ca.profiles.extensions import OcspNoCheck
from ca.rules.revocation import status_of
from ca.store import status
from ca.store.status import NOTHING
from ca.suites import SHA256_P256, SHA256_RSA2048, SHA384_P384
from ocsp.lint import LONGEST, RULES, AnswerCandidate, check_answer
from ocsp.messages import AnswerDraft, IssuerHashes, SingleAnswer, read_request
from tests.ocsp_world import BRIDGE, LIFETIME, PREFECTURE, ocsp_world

SECOND = timedelta(seconds=1)


@pytest.fixture(scope="module")
def world(tmp_path_factory):
    with ocsp_world(tmp_path_factory.mktemp("lint") / "world") as opened:
        yield opened


@pytest.fixture(scope="module")
def right(world):
    """A right answer about a good, a revoked and an unknown certificate."""
    good, revoked = world.issue(), world.issue()
    world.revoke(revoked)
    request = read_request(world.request(good.serial, revoked.serial, 5, nonce=b"n" * 16))
    with world.store.reading() as connection:
        known = status.records(connection, PREFECTURE, {Serial(query.serial) for query in request.queries})
    records = tuple(known[Serial(query.serial)] for query in request.queries)
    responder = world.responder()
    draft = AnswerDraft(
        suite=responder.suite,
        responder=responder.facts.certificate.subject_key,
        produced_at=world.now,
        answers=tuple(
            SingleAnswer(
                query,
                status_of(record.issued_at, record.revocation, world.now),
                world.now,
                world.now + LIFETIME,
            )
            for query, record in zip(request.queries, records, strict=True)
        ),
        nonce=request.nonce,
    )
    return AnswerCandidate(draft, request, responder.facts, records, (responder.facts.hashes,) * len(records))


def draft(candidate, **changes):
    return replace(candidate, draft=replace(candidate.draft, **changes))


def first_answer(candidate, **changes):
    first, *others = candidate.draft.answers
    return draft(candidate, answers=(replace(first, **changes), *others))


def every_answer(candidate, **changes):
    return draft(candidate, answers=tuple(replace(one, **changes) for one in candidate.draft.answers))


def facts(candidate, **changes):
    return replace(candidate, responder=replace(candidate.responder, **changes))


def certificate(candidate, **changes):
    return facts(candidate, certificate=replace(candidate.responder.certificate, **changes))


def suite(candidate, **changes):
    return draft(candidate, suite=replace(candidate.draft.suite, **changes))


def after_the_suite(candidate):
    late = candidate.draft.suite.status_until + SECOND
    moved = every_answer(candidate, this_update=late, next_update=late + LIFETIME)
    moved = draft(unending(moved), produced_at=late)
    return certificate(moved, not_after=late + LIFETIME)


def unending(candidate, not_after=None):
    records = tuple(replace(record, not_after=not_after) for record in candidate.records)
    return replace(candidate, records=records)


def preferring(candidate, *algorithms, suites=None):
    """The client prefers these; the key can sign under these suites."""
    wanted = replace(candidate, request=replace(candidate.request, preferred=algorithms))
    return facts(wanted, suites=suites or wanted.responder.suites)


def invalid_since(candidate, since):
    """The revoked one's key was lost then, as its record says too."""
    good, revoked, *others = candidate.draft.answers
    ended = replace(revoked.status.revocation, invalid_since=since)
    said = replace(revoked, status=replace(revoked.status, revocation=ended))
    first, record, *more = candidate.records
    changed = draft(candidate, answers=(good, said, *others))
    return replace(changed, records=(first, replace(record, revocation=ended), *more))


def about_another(candidate):
    """Everything asked, found and said is about another issuer's certificates, in good order."""
    elsewhere = IssuerHashes(dict.fromkeys(candidate.responder.hashes.by_algorithm, (b"n", b"k")))
    queries = tuple(replace(one, name_hash=b"n", key_hash=b"k") for one in candidate.request.queries)
    changed = replace(candidate, request=replace(candidate.request, queries=queries))
    changed = replace(changed, issuers=(elsewhere,) * len(queries))
    pairs = zip(queries, candidate.draft.answers, strict=True)
    return draft(changed, answers=tuple(replace(one, query=query) for query, one in pairs))


def nothing_issued(candidate):
    return replace(candidate, records=(NOTHING, *candidate.records[1:]))


def said_good(candidate):
    good, revoked, *others = candidate.draft.answers
    return draft(candidate, answers=(good, replace(revoked, status=good.status), *others))


COUNTER_EXAMPLES = [
    ("answer_suite_known", lambda it: suite(it, key_size=1024)),
    ("answer_suite_may_sign", after_the_suite),
    ("answer_times", lambda it: first_answer(it, next_update=it.draft.produced_at + LIFETIME / 7)),
    ("answer_this_update", lambda it: first_answer(it, this_update=it.draft.produced_at + SECOND)),
    ("answer_next_update_after", lambda it: first_answer(it, next_update=it.draft.produced_at)),
    ("answer_next_update_near", lambda it: first_answer(it, next_update=it.draft.produced_at + LONGEST + SECOND)),
    ("answer_within_certificate", lambda it: certificate(it, not_before=it.draft.produced_at + SECOND)),
    ("answer_within_certificate", lambda it: certificate(it, not_after=it.draft.produced_at + SECOND)),
    ("answer_responder_key", lambda it: draft(it, responder=bytes(20))),
    ("answer_responder_delegated", lambda it: facts(it, issuer_key=bytes(20))),
    ("answer_responder_delegated", lambda it: facts(it, issuer=it.responder.certificate.subject)),
    ("answer_responder_delegated", lambda it: certificate(it, authority_key=None)),
    ("answer_responder_purpose", lambda it: certificate(it, purposes=frozenset({"1.3.6.1.5.5.7.3.2"}))),
    ("answer_responder_purpose", lambda it: certificate(it, purposes=None)),
    ("answer_responder_purpose", lambda it: certificate(it, key_usage=frozenset())),
    ("answer_responder_no_check", lambda it: certificate(
        it, extensions=tuple(one for one in it.responder.certificate.extensions if one.oid != OcspNoCheck.oid)
    )),
    ("answer_each_query", lambda it: replace(
        it, request=replace(it.request, queries=it.request.queries[::-1])
    )),
    ("answer_each_query", lambda it: replace(it, request=replace(it.request, queries=it.request.queries[:1]))),
    ("answer_own_issuer", lambda it: replace(it, issuers=())),
    ("answer_own_issuer", lambda it: facts(replace(it, issuers=(IssuerHashes({}),) * 3), direct=True)),
    ("answer_for_others", about_another),
    ("answer_suite_preferred", lambda it: preferring(it, SHA384_P384.algorithm, suites=(SHA256_RSA2048, SHA384_P384))),
    ("answer_suite_preferred", lambda it: preferring(it, suites=(SHA384_P384, SHA256_RSA2048))),
    ("answer_invalidity", lambda it: invalid_since(it, it.draft.produced_at + SECOND)),
    ("answer_invalidity", lambda it: invalid_since(it, (it.draft.produced_at - SECOND).replace(microsecond=1))),
    ("answer_invalidity", lambda it: invalid_since(it, it.draft.produced_at.astimezone(timezone(timedelta(hours=9))))),
    ("answer_archive_cutoff", lambda it: first_answer(it, archive_cutoff=it.draft.produced_at)),
    ("answer_archive_cutoff", lambda it: unending(it, it.draft.produced_at - SECOND)),
    ("answer_archive_cutoff", lambda it: every_answer(
        unending(it, it.draft.produced_at - SECOND), archive_cutoff=it.draft.produced_at + SECOND
    )),
    ("answer_by_record", nothing_issued),
    ("answer_by_record", said_good),
    ("answer_by_record", lambda it: replace(it, records=it.records[:1])),
    ("answer_nonce", lambda it: draft(it, nonce=None)),
    ("answer_nonce", lambda it: draft(it, nonce=b"m" * 16)),
    ("answer_nonce", lambda it: replace(it, request=replace(it.request, nonce=None))),
]  # fmt: skip


def test_a_right_answer_passes(right):
    check_answer(right)


BOTH = (SHA256_RSA2048, SHA384_P384)
RETIRED = replace(SHA384_P384, status_until=datetime(2014, 1, 1, tzinfo=UTC))


@pytest.mark.parametrize(
    ("preferred", "suites", "wanted"),
    [
        ((), BOTH, SHA256_RSA2048),
        ((SHA384_P384,), BOTH, SHA384_P384),
        ((SHA256_RSA2048, SHA384_P384), BOTH, SHA256_RSA2048),
        ((SHA384_P384, SHA256_RSA2048), BOTH, SHA384_P384),
        ((SHA256_P256,), BOTH, SHA256_RSA2048),
        ((SHA256_P256, SHA384_P384), BOTH, SHA384_P384),
        ((SHA384_P384,), (SHA256_RSA2048,), SHA256_RSA2048),
        ((SHA384_P384,), (SHA256_RSA2048, RETIRED), SHA256_RSA2048),
    ],
    ids=[
        "nothing preferred", "another", "its own first", "its own second", "never used", "the one that is used",
        "not of its key", "retired",
    ],
)  # fmt: skip
def test_the_clients_order_decides_among_what_the_key_can_and_may(right, preferred, suites, wanted):
    chosen = replace(right.responder, suites=suites).suite_for(
        [suite.algorithm for suite in preferred], right.draft.produced_at
    )
    assert chosen == wanted
    # The rule, which finds the best in its own way, says the same.
    asked = preferring(right, *(suite.algorithm for suite in preferred), suites=suites)
    rule = next(rule for rule in RULES if rule.id == "answer_suite_preferred")
    assert not findings([rule], draft(asked, suite=wanted))
    for other in {*suites, SHA256_P256} - {wanted}:
        assert findings([rule], draft(asked, suite=other))


def test_a_responder_that_is_trusted_directly_may_speak_for_others(right):
    check_answer(facts(about_another(right), direct=True))


@pytest.mark.parametrize(
    ("rule", "change"), COUNTER_EXAMPLES, ids=[f"{i}-{rule}" for i, (rule, _) in enumerate(COUNTER_EXAMPLES)]
)
def test_a_counter_example_breaks_its_rule_alone(right, rule, change):
    wrong = change(right)
    assert {one.rule.id for one in findings(RULES, wrong)} == {rule}
    with pytest.raises(LintRefused) as refused:
        check_answer(wrong)
    assert refused.value.clause == next(one.clause for one in RULES if one.id == rule)


def test_every_rule_has_a_counter_example_and_a_clause_of_its_own():
    assert {rule for rule, _ in COUNTER_EXAMPLES} == {rule.id for rule in RULES}
    assert len({rule.clause for rule in RULES}) == len(RULES)


def test_the_other_issuers_of_a_world_are_told_apart(world, right):
    bridge = world.responder(BRIDGE).facts
    assert not any(bridge.hashes.match(query) for query in right.request.queries)
    assert {one.rule.id for one in findings(RULES, replace(right, responder=bridge))} >= {
        "answer_for_others",
        "answer_responder_key",
    }
