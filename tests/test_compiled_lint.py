"""Compiled lint: rules say truly what they read, and what is left of them judges a series as all of them would."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ca.errors import LintRefused
from ca.lint import compiled
from ca.lint.candidate import CONSTANTS, PROFILES, Candidate, CertificateRules, Part, Varying
from ca.lint.certificates import RULES, check_certificate
from ca.lint.compiled import CompiledLint, rules_for
from ca.lint.rules import findings
from ca.model import CertificateKind
from ca.profiles.drafting import CertificateDraft, Subject
from ca.profiles.extensions import AuthorityKey, OcspNoCheck, PolicyMappings, SubjectKey, SubjectOtherNames
from tests.builders import draft_of, issuer_of, key_id, list_of
from tests.counterexamples import ALL_BREACHES, CROSS, SIGNATURE, extended, forged_serial, without
from tests.test_lint import mutated_drafts

MARKED = [rule for rule in RULES if rule.reads is not None]
EXTENSIONS = frozenset(slot.extension for profile in PROFILES.values() for slot in profile.slots)
EVERYTHING: frozenset[Varying] = frozenset({*Part, *EXTENSIONS})

# What a rule really touches.


class Recording:
    """Stands for a slot of a frozen class and tells that somebody read it."""

    def __init__(self, slot: Any, part: Varying, seen: set[Varying]) -> None:
        self.slot, self.part, self.seen = slot, part, seen

    def __get__(self, instance: Any, owner: Any = None) -> Any:
        if instance is None:
            return self
        self.seen.add(self.part)
        return self.slot.__get__(instance, owner)

    def __set__(self, instance: Any, value: Any) -> None:
        self.slot.__set__(instance, value)


@pytest.fixture
def seen(monkeypatch) -> set[Varying]:
    """The parts that were read since it was last cleared."""
    seen: set[Varying] = set()
    fields = [
        (CertificateDraft, "serial", Part.SERIAL),
        (CertificateDraft, "period", Part.VALIDITY),
        (Subject, "name", Part.SUBJECT_NAME),
        (Subject, "public_key", Part.PUBLIC_KEY),
        *((kind, field.name, kind) for kind in EXTENSIONS for field in dataclasses.fields(kind)),
    ]
    for owner, name, part in fields:
        monkeypatch.setattr(owner, name, Recording(owner.__dict__[name], part, seen))
    return seen


def candidates() -> Iterator[Candidate]:
    for kind in CertificateKind:
        yield Candidate.of(draft_of(kind), issuer_of(kind), list_of(kind))
    yield extended(CROSS, lambda placed: without(placed, PolicyMappings))
    for _, breach in ALL_BREACHES:
        yield breach()


def test_a_rule_reads_what_it_says_and_nothing_else(seen):
    read: dict[str, set[Varying]] = {rule.id: set() for rule in MARKED}
    for candidate in candidates():
        for rule in MARKED:
            fresh = replace(candidate)  # without the names that another rule has found
            seen.clear()
            assert all(rule.look(fresh))
            read[rule.id] |= seen
    # ocspNoCheck has nothing that could be read.
    assert read == {rule.id: rule.reads - {OcspNoCheck} for rule in MARKED}


@given(draft=mutated_drafts())
def test_what_a_rule_does_not_read_does_not_change_what_it_finds(draft):
    """Beside the recording, which sees only what is read in the drafts it is shown."""
    usual = draft_of(draft.kind)
    for rule in MARKED:
        mixed = transplanted(usual, draft, EVERYTHING - rule.reads)
        assert told([rule], mixed) == told([rule], usual)


def transplanted(draft: CertificateDraft, donor: CertificateDraft, parts: frozenset[Varying]):
    """The draft with these parts as the donor has them."""

    def chosen(part: Varying, own: Any, other: Any) -> Any:
        return other if part in parts else own

    def value(own: Any) -> Any:
        other = donor.extension(type(own))
        return own if other is None else chosen(type(own), own, other)

    return replace(
        draft,
        serial=chosen(Part.SERIAL, draft.serial, donor.serial),
        period=chosen(Part.VALIDITY, draft.period, donor.period),
        subject=Subject(
            chosen(Part.SUBJECT_NAME, draft.subject.name, donor.subject.name),
            chosen(Part.PUBLIC_KEY, draft.subject.public_key, donor.subject.public_key),
        ),
        extensions=tuple(replace(placed, value=value(placed.value)) for placed in draft.extensions),
    )


def told(rules: Any, draft: CertificateDraft) -> list[str]:
    return [
        str(finding)
        for finding in findings(rules, Candidate.of(draft, issuer_of(draft.kind), list_of(draft.kind)))
    ]


# One verdict.


def verdict(check: Any, *arguments: Any) -> tuple[str, str, str | None] | None:
    try:
        check(*arguments)
    except LintRefused as refused:
        return refused.place, refused.problem, refused.clause
    return None


def judge(kind: CertificateKind, donor: CertificateDraft, varying: frozenset[Varying]) -> bool:
    """Whether a certificate of a series that got its varying parts from the donor passes, by both ways."""
    issuer, place = issuer_of(kind), list_of(kind)
    lint = CompiledLint.begin(draft_of(kind), issuer, place, varying)
    draft = transplanted(draft_of(kind), donor, varying)
    found = verdict(lint.check, draft)
    assert found == verdict(check_certificate, draft, issuer, place)
    return found is None


@given(
    kind=st.sampled_from(CertificateKind),
    donor=mutated_drafts() | st.sampled_from([breach for _, breach in ALL_BREACHES]).map(lambda b: b().draft),
    varying=st.frozensets(st.sampled_from(sorted(EVERYTHING, key=str))),
)
def test_a_series_is_judged_as_each_certificate_alone(kind, donor, varying):
    judge(kind, donor, varying)


def test_a_series_refuses_the_counterexamples_that_vary():
    refused = set()
    for rule, breach in ALL_BREACHES:
        draft = breach().draft
        assert judge(draft.kind, draft_of(draft.kind), EVERYTHING)
        if not judge(draft.kind, draft, EVERYTHING):
            refused.add(rule)
    # The rest of them are broken by a wrong profile, a wrong issuer, or what is constant in a series.
    assert refused >= OF_HOLDERS


OF_HOLDERS = {
    *(
        "serial_shape",
        "validity_in_utc",
        "validity_forwards",
        "validity_within_issuer",
        "validity_ends_a_day",
    ),
    *("names_not_empty", "names_country", "names_lengths", "names_text", "public_key_frame"),
    *("authority_key_is_issuers", "subject_key_length", "subject_key_is_hash", "point_of_holders"),
    *("status_url", "identifiers", "policies_once", "pseudonym", "signature_subject"),
    *("user_authentication_subject", "items_complete", "items_text", "items_substitutes"),
    *("items_birth_date", "items_sex", "point_of_list", "list_of_municipality", "policies_of_practice"),
    *("issuer_name_in_japanese", "subject_key_is_not_issuers", "subject_key_of_practice"),
}


def test_a_wrong_mark_would_be_seen(monkeypatch):
    """The judge is awake: were serials not read, a bad one would pass."""
    monkeypatch.setattr(compiled, "RULES", [replace(rule, reads=CONSTANTS) for rule in RULES])
    with pytest.raises(AssertionError):
        judge(SIGNATURE, draft_of(SIGNATURE, serial=forged_serial(-1)), frozenset({Part.SERIAL}))


# The little that is to say beside.


def test_a_series_begins_with_a_certificate_that_keeps_every_rule():
    draft = draft_of(SIGNATURE, AuthorityKey(key_id("service")))
    with pytest.raises(LintRefused, match="authority_key_is_issuers"):
        CompiledLint.begin(draft, issuer_of(SIGNATURE), list_of(SIGNATURE), [Part.SERIAL])


def test_a_rule_without_a_mark_is_always_asked(monkeypatch):
    book = CertificateRules()

    @book.rule("a clause", "a sentence")
    def unmarked(candidate: Candidate) -> Iterator[str]:
        yield f"{candidate.draft.kind} is looked at"

    monkeypatch.setattr(compiled, "RULES", tuple(book))
    for kind in CertificateKind:
        assert [rule.id for rule in rules_for(kind, frozenset())] == ["unmarked"]


@pytest.mark.parametrize("kind", CertificateKind)
def test_little_is_left_of_lint_in_a_series(kind):
    own = {*Part, SubjectKey, SubjectOtherNames}
    assert len(rules_for(kind, frozenset(own))) < len(RULES) / 2
    assert not [rule for rule in rules_for(kind, frozenset({Part.SERIAL})) if rule.id != "serial_shape"]
