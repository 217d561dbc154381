"""Lint: a valid draft of each kind passes; each rule has a counter-example that breaks it and no other rule."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, timedelta
from functools import reduce
from operator import or_
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ca.chance import SeededChance, SystemChance, new_serial
from ca.errors import BadInput, LintRefused
from ca.keys.signer import key_identifier
from ca.lint import certificates, lists
from ca.lint.candidate import PROFILES
from ca.lint.certificates import check_certificate
from ca.lint.key_info import key_info
from ca.lint.lists import check_list, entry_checker
from ca.lint.rules import findings
from ca.model import CA_KINDS, CertificateKind, Revocation, RevocationReason, Serial
from ca.names import Attribute, DirectoryName
from ca.profiles.drafting import CertificateDraft, PlacedExtension, Subject
from ca.profiles.extensions import (
    ANY_POLICY,
    AuthorityAccess,
    AuthorityKey,
    BasicConstraints,
    CertificatePolicies,
    DeltaBase,
    DistributionPoint,
    ExtendedKeyUsage,
    FreshestPoint,
    Holds,
    IssuerDirectoryName,
    IssuingPoint,
    KeyUsage,
    KeyUse,
    ListNumber,
    OcspNoCheck,
    PolicyConstraints,
    PolicyMappings,
    SubjectAccess,
    SubjectDirectoryName,
    SubjectKey,
    SubjectOtherNames,
)
from ca.profiles.lists import PlacedListExtension, draft_delta, draft_list
from ca.profiles.services import OCSP_SIGNING
from ca.suites import (
    ML_DSA_65_KEYS,
    P256_KEYS,
    P384_KEYS,
    RSA1024_KEYS,
    RSA2048_KEYS,
    RSA3072_KEYS,
    SHA256_RSA2048,
    SUITES,
    KeyFamily,
)
from tests import lint_table
from tests.builders import (
    AUTHORITY,
    NOW,
    POLICY,
    PSEUDONYM,
    RESIDENT,
    draft_of,
    issuer_of,
    key_id,
    list_draft_of,
    list_of,
    public_key,
    revocation_of,
    serial_of,
)
from tests.counterexamples import (
    ALL_BREACHES,
    ALL_ENTRY_BREACHES,
    ALL_LIST_BREACHES,
    COUNTEREXAMPLES,
    CROSS,
    DELTA_URL,
    ENTRY_COUNTEREXAMPLES,
    JST,
    LIST_COUNTEREXAMPLES,
    REPOSITORY,
    SIGNATURE,
    candidate,
    extended,
    forged,
    forged_serial,
    with_item,
    without,
)
from tests.suite_keys import signer_for


def broken(rules: Any, subject: Any) -> set[str]:
    return {finding.rule.id for finding in findings(rules, subject)}


def refusal(check: Callable[..., None], *subject: Any) -> LintRefused | None:
    """The refusal of a check, or None if it passed; nothing else may come of one."""
    try:
        check(*subject)
    except LintRefused as refused:
        return refused
    return None


# Certificates.


@pytest.mark.parametrize("kind", CertificateKind)
def test_a_valid_draft_of_each_kind_passes(kind):
    check_certificate(draft_of(kind), issuer_of(kind), list_of(kind))


def test_a_cross_certificate_within_one_domain_needs_no_mapping():
    assert not broken(certificates.RULES, extended(CROSS, lambda placed: without(placed, PolicyMappings)))


def test_a_cross_certificate_may_repeat_a_key_identifier_that_is_not_our_hash():
    assert not broken(certificates.RULES, candidate(CROSS, SubjectKey(b"another CA's way to.")))


@pytest.mark.parametrize("text", ["000000000", "419900000", "419900500", "420000229", "300000229"])
def test_unknown_parts_of_a_date_of_birth_are_zero(text):
    assert not broken(certificates.RULES, with_item(4, text))


@pytest.mark.parametrize("seed", range(20))
def test_what_the_product_draws_by_chance_has_the_shape_that_lint_wants(seed):
    for chance in (SeededChance(seed), SystemChance()):
        assert not broken(certificates.RULES, candidate(SIGNATURE, serial=new_serial(chance, "test")))


@pytest.mark.parametrize(("rule", "breach"), ALL_BREACHES, ids=[rule for rule, _ in ALL_BREACHES])
def test_a_counterexample_breaks_its_rule_and_no_other(rule, breach):
    assert broken(certificates.RULES, breach()) == {rule}


def test_each_certificate_rule_has_a_counterexample():
    assert COUNTEREXAMPLES.keys() == {rule.id for rule in certificates.RULES}


@pytest.mark.parametrize("kind", CertificateKind)
def test_each_kind_has_a_profile_of_its_own(kind):
    assert PROFILES[kind].kind is kind


def test_a_refusal_tells_every_finding_and_the_first_clause():
    draft = draft_of(SIGNATURE, AuthorityKey(key_id("service")), serial=Serial(7))
    with pytest.raises(LintRefused) as caught:
        check_certificate(draft, issuer_of(SIGNATURE), list_of(SIGNATURE))
    assert caught.value.place == f"signature certificate {Serial(7)}"
    assert caught.value.clause == "RFC 5280 4.1.2.2"
    assert "serial_shape: " in caught.value.problem
    assert "authority_key_is_issuers: " in caught.value.problem


def test_no_finding_tells_who_the_holder_is():
    told = "".join(
        str(finding) for _, breach in ALL_BREACHES for finding in findings(certificates.RULES, breach())
    )
    told += "".join(
        repr(finding.problem) for finding in findings(certificates.RULES, with_item(1, "別の　人"))
    )
    for secret in (RESIDENT.name, "架橋", "見本", "別の", RESIDENT.address, "東京都", "1990", PSEUDONYM[:14]):
        assert secret not in told


@pytest.mark.parametrize("holds", Holds)
def test_a_valid_list_of_each_place_passes(holds):
    check_list(list_draft_of(holds), issuer_of(REPOSITORY))


def test_a_valid_delta_list_passes_and_says_what_its_complete_list_says():
    complete = draft_list(
        **{field: getattr(list_draft_of(Holds.USER), field) for field in ("place", "suite", "issuer")},
        key_identifier=key_id("authority"),
        number=3,
        this_update=NOW,
        next_update=NOW + timedelta(days=1),
        freshest=DELTA_URL,
    )
    delta = draft_delta(complete, 2)
    for draft in (complete, delta):
        check_list(draft, issuer_of(REPOSITORY))
        assert draft.number == 3
        assert draft.extension(IssuingPoint) == complete.extension(IssuingPoint)
    assert (complete.is_delta, delta.is_delta) == (False, True)
    entry_checker(delta)(revocation_of(reason=RevocationReason.REMOVE_FROM_CRL))


@pytest.mark.parametrize(("rule", "breach"), ALL_LIST_BREACHES, ids=[rule for rule, _ in ALL_LIST_BREACHES])
def test_a_list_counterexample_breaks_its_rule_and_no_other(rule, breach):
    subject = breach()
    assert broken(lists.RULES, subject) == {rule}
    with pytest.raises(LintRefused, match=f"^list {subject.draft.place.scope}: {rule}: "):
        check_list(subject.draft, subject.issuer)


@pytest.mark.parametrize(("rule", "breach"), ALL_ENTRY_BREACHES, ids=[rule for rule, _ in ALL_ENTRY_BREACHES])
def test_an_entry_counterexample_breaks_its_rule_and_no_other(rule, breach):
    assert broken(lists.ENTRY_RULES, breach) == {rule}


def test_each_rule_of_lists_and_entries_has_a_counterexample():
    assert LIST_COUNTEREXAMPLES.keys() == {rule.id for rule in lists.RULES}
    assert ENTRY_COUNTEREXAMPLES.keys() == {rule.id for rule in lists.ENTRY_RULES}


@pytest.mark.parametrize(
    ("holds", "reason"),
    [
        (Holds.USER, RevocationReason.CERTIFICATE_HOLD),
        (Holds.USER, RevocationReason.CA_COMPROMISE),  # every certificate of a leaked CA key
        (Holds.CA, RevocationReason.CA_COMPROMISE),
        (Holds.ALL, RevocationReason.UNSPECIFIED),
        (Holds.ALL, RevocationReason.CA_COMPROMISE),
    ],
)
def test_a_reason_stands_where_its_certificates_lie(holds, reason):
    entry_checker(list_draft_of(holds))(revocation_of(reason=reason))


def test_a_refused_entry_names_list_and_serial_and_leaves_the_checker_where_it_was():
    check = entry_checker(list_draft_of(Holds.USER))
    check(revocation_of(1))
    with pytest.raises(LintRefused, match=f"serial {serial_of(3)}: entry_reason: aACompromise") as caught:
        check(revocation_of(3, reason=RevocationReason.AA_COMPROMISE))
    assert caught.value.clause == "RFC 5280 5.3.1"
    check(revocation_of(2))


@given(numbers=st.lists(st.integers(0, (1 << 158) - 1), min_size=2, max_size=20))
def test_entries_pass_exactly_if_their_serials_ascend(numbers):
    draft = list_draft_of(Holds.USER)
    ascending = sorted(set(numbers))
    assert (refusal(_check_all, draft, numbers) is None) == (numbers == ascending)
    assert refusal(_check_all, draft, ascending) is None


def _check_all(draft, numbers):
    check = entry_checker(draft)
    for number in numbers:
        check(revocation_of(number))


# All rules.


def test_each_rule_tells_its_clause_and_its_sentence():
    for rules in (certificates.RULES, lists.RULES, lists.ENTRY_RULES):
        ids = [rule.id for rule in rules]
        assert len(set(ids)) == len(ids)
        clauses = [rule.clause for rule in rules]
        assert len(set(clauses)) == len(clauses), "one rule, one clause"
        assert all(rule.sentence and not rule.sentence.endswith(".") for rule in rules)


def test_the_documentation_has_every_rule():
    assert lint_table.PAGE.read_text(encoding="utf-8").endswith(lint_table.MARK + "\n" + lint_table.table())


# Whatever a draft says, lint passes or refuses it, and what passes keeps the law.

ANY_MOMENTS = st.datetimes(timezones=st.sampled_from([None, UTC, JST]))
TEXTS = st.text(st.characters(codec=None), max_size=80)
NAMES_OF_ANY_KIND = st.lists(st.tuples(st.sampled_from(Attribute), TEXTS), max_size=6).map(
    lambda steps: DirectoryName(tuple(steps))
)
OIDS = st.sampled_from([POLICY, ANY_POLICY, OCSP_SIGNING, "1.40", "", "2.5.", "1.2.392.200149.8.5.5.1"])
URLS = st.none() | TEXTS | st.just("http://a")
SERIALS = st.integers(-1, 1 << 160).map(forged_serial)
VALUES = st.one_of(
    st.builds(KeyUsage, st.frozensets(st.sampled_from(KeyUse))),
    st.builds(ExtendedKeyUsage, st.lists(OIDS, max_size=3).map(tuple)),
    st.builds(BasicConstraints, st.booleans(), st.none() | st.integers(-2, 2)),
    st.builds(CertificatePolicies, st.lists(OIDS, max_size=3).map(tuple), st.none() | TEXTS),
    st.builds(PolicyMappings, st.lists(st.tuples(OIDS, OIDS), max_size=3).map(tuple)),
    st.builds(PolicyConstraints, st.none() | st.integers(-1, 1), st.none() | st.integers(-1, 1)),
    st.builds(SubjectDirectoryName, NAMES_OF_ANY_KIND),
    st.builds(IssuerDirectoryName, NAMES_OF_ANY_KIND),
    st.builds(DistributionPoint, NAMES_OF_ANY_KIND),
    st.builds(SubjectOtherNames, st.lists(st.tuples(OIDS, TEXTS), max_size=7).map(tuple)),
    st.builds(AuthorityAccess, URLS, URLS),
    st.builds(SubjectAccess, TEXTS | st.just("http://a")),
    st.builds(AuthorityKey, st.binary(max_size=21), st.none() | NAMES_OF_ANY_KIND, st.none() | SERIALS),
    st.builds(SubjectKey, st.binary(max_size=21)),
    st.builds(OcspNoCheck),
)
PLACED = st.builds(PlacedExtension, VALUES, st.booleans())


@st.composite
def mutated_drafts(draw) -> CertificateDraft:
    """A valid draft with up to four random changes."""
    draft = draft_of(draw(st.sampled_from(CertificateKind)))
    for _ in range(draw(st.integers(0, 4))):
        extensions = list(draft.extensions)
        index = draw(st.integers(0, len(extensions)))
        match draw(st.sampled_from(["put", "drop", "swap", "flip", "field", "field"])):
            case "put":
                extensions[index : index + draw(st.integers(0, 1))] = [draw(PLACED)]
            case "drop":
                del extensions[index : index + 1]
            case "swap":
                extensions[index : index + 2] = reversed(extensions[index : index + 2])
            case "flip":
                extensions[index : index + 1] = [
                    replace(one, critical=not one.critical) for one in extensions[index : index + 1]
                ]
            case "field":
                draft = draw(_changed_field(draft))
        draft = replace(draft, extensions=tuple(extensions))
    return draft


def _changed_field(draft: CertificateDraft) -> st.SearchStrategy[CertificateDraft]:
    periods = st.builds(forged, st.just(draft.period), not_before=ANY_MOMENTS, not_after=ANY_MOMENTS)
    values: dict[str, st.SearchStrategy[Any]] = {
        "kind": st.sampled_from(CertificateKind),
        "serial": SERIALS,
        "suite": st.builds(
            replace,
            st.just(SHA256_RSA2048),
            key_size=st.integers(),
            sign_until=st.datetimes(timezones=st.just(UTC)),
        ),
        "issuer": NAMES_OF_ANY_KIND,
        "period": periods,
        "subject": st.builds(Subject, NAMES_OF_ANY_KIND, st.binary(max_size=40)),
    }
    return st.one_of(*(st.builds(replace, st.just(draft), **{name: value}) for name, value in values.items()))


@given(draft=mutated_drafts())
def test_lint_passes_or_refuses_whatever_a_draft_says(draft):
    refused = refusal(check_certificate, draft, issuer_of(draft.kind), list_of(draft.kind))
    if refused is not None:
        assert refused.clause
        assert refused.place.startswith(f"{draft.kind} certificate ")
        return
    of_ca = draft.kind in CA_KINDS
    assert draft.issuer == AUTHORITY
    assert (draft.extension(BasicConstraints) is not None) == of_ca
    assert (KeyUse.KEY_CERT_SIGN in draft.extension(KeyUsage).uses) == of_ca
    assert len({placed.value.oid for placed in draft.extensions}) == len(draft.extensions)


@given(
    holds=st.sampled_from(Holds),
    this_update=ANY_MOMENTS,
    next_update=ANY_MOMENTS,
    placed=st.lists(
        st.builds(
            PlacedListExtension,
            st.one_of(
                st.builds(AuthorityKey, st.binary(max_size=21)),
                st.builds(ListNumber, st.integers()),
                st.builds(IssuingPoint, NAMES_OF_ANY_KIND, st.sampled_from(Holds)),
                st.builds(DeltaBase, st.integers()),
                st.builds(FreshestPoint, TEXTS, st.none() | NAMES_OF_ANY_KIND),
            ),
            st.booleans(),
        ),
        max_size=4,
    ),
)
def test_lint_passes_or_refuses_whatever_a_list_says(holds, this_update, next_update, placed):
    usual = list_draft_of(holds)
    draft = replace(
        usual, this_update=this_update, next_update=next_update, extensions=(*usual.extensions, *placed)
    )
    refused = refusal(check_list, draft, issuer_of(REPOSITORY))
    if refused is not None:
        assert refused.clause
    else:
        assert not {type(one.value) for one in placed} - {DeltaBase, FreshestPoint}
        assert this_update < next_update


@given(
    serial=SERIALS,
    moments=st.tuples(ANY_MOMENTS, ANY_MOMENTS),
    reason=st.sampled_from(RevocationReason),
    holds=st.sampled_from(Holds),
)
def test_lint_passes_or_refuses_whatever_an_entry_says(serial, moments, reason, holds):
    draft = list_draft_of(holds)
    refused = refusal(entry_checker(draft), Revocation(serial, moments[0], reason, moments[1]))
    if refused is not None:
        assert refused.clause
    else:
        assert moments[1] <= moments[0] <= draft.this_update


# Public keys.


@pytest.mark.parametrize("suite", SUITES.values(), ids=lambda suite: suite.id)
def test_lint_knows_the_keys_of_every_suite_and_allows_those_that_a_rule_names(suite):
    info = key_info(signer_for(suite).public_key)
    assert (info.family, info.size) == (suite.family, suite.key_size)
    allowing = {rule for rule in (*RULES_OF_KEYS, RSA1024_KEYS) if info.is_allowed(rule)}
    assert allowing == {rule for rule in (*RULES_OF_KEYS, RSA1024_KEYS) if _names(rule, suite)}
    assert info.is_allowed(reduce(or_, RULES_OF_KEYS)) == bool(allowing - {RSA1024_KEYS})


RULES_OF_KEYS = (RSA2048_KEYS, RSA3072_KEYS, P256_KEYS, P384_KEYS, ML_DSA_65_KEYS)


def _names(rule, suite):
    match suite.family:
        case KeyFamily.RSA:
            return rule.rsa is not None and suite.key_size in range(
                rule.rsa.minimum_bits, rule.rsa.maximum_bits + 1
            )
        case KeyFamily.EC:
            return f"P-{suite.key_size}" in rule.curves
        case KeyFamily.ML_DSA:
            return suite.key_size in rule.ml_dsa


@given(cut=st.integers(0, 294), put=st.binary(max_size=3), whose=st.sampled_from(sorted(SUITES)))
def test_no_octets_of_a_key_are_too_odd_to_be_judged(cut, put, whose):
    octets = signer_for(SUITES[whose]).public_key
    info = key_info(octets[:cut] + put + octets[cut + len(put) :])
    if info is not None:
        assert str(info).startswith(("a key", "an "))
        assert not info.is_allowed(RSA2048_KEYS) or info.family is KeyFamily.RSA


@given(
    octets=st.binary(max_size=300) | st.just(public_key("holder")),
    cut=st.integers(0, 300),
    put=st.binary(max_size=3),
)
def test_lint_and_the_door_of_keys_read_a_public_key_alike(octets, cut, put):
    octets = octets[:cut] + put + octets[cut + len(put) :]
    info = key_info(octets)
    try:
        identifier = key_identifier(octets)
    except BadInput:
        assert info is None
    else:
        assert info is not None
        assert identifier == hashlib.sha1(info.bits, usedforsecurity=False).digest()
