"""The door for lists of revoked certificates: the list's own statements once, then each entry as it passes."""

# ruff: noqa: D103 - a rule is documented by its sentence
from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from datetime import timedelta
from types import MappingProxyType

from ca.lint import parts
from ca.lint.candidate import IssuerFacts
from ca.lint.rules import Rule, RuleBook, findings, refusal
from ca.model import ARL, CA_KINDS, FULL, HOLDER_KINDS, Revocation, RevocationReason
from ca.names import DirectoryName
from ca.profiles.extensions import (
    NAMES,
    AuthorityKey,
    DeltaBase,
    FreshestPoint,
    Holds,
    IssuingPoint,
    ListNumber,
)
from ca.profiles.lists import ListDraft
from ca.rules.revocation import REASONS_FOR
from ca.suites import Use

LONGEST = timedelta(days=31)
"""How far nextUpdate may lie ahead: a replayed list hides what was revoked after it for no longer than this."""

# Which reasons a list may name follows from the kinds that lie in it. A leaked CA key ends its holders' certificates
# too, and then each says cACompromise (domain: "CA key leaked").
_OF_HOLDERS = frozenset({RevocationReason.CA_COMPROMISE}).union(*(REASONS_FOR[kind] for kind in HOLDER_KINDS))
REASONS_IN: Mapping[Holds, frozenset[RevocationReason]] = MappingProxyType(
    {
        Holds.USER: _OF_HOLDERS,
        Holds.CA: frozenset[RevocationReason]().union(*(REASONS_FOR[kind] for kind in CA_KINDS)),
        Holds.ALL: _OF_HOLDERS.union(*REASONS_FOR.values()),
    }
)
"""For which reasons an entry may stand in a complete list, by what the list is for."""


def reasons_in(holds: Holds, *, delta: bool) -> frozenset[RevocationReason]:
    """For which reasons an entry may stand in a complete list for such certificates, or in a delta list."""
    # Only what was on hold is removed again, and CA certificates are never on hold.
    if delta and holds is not Holds.CA:
        return REASONS_IN[holds] | {RevocationReason.REMOVE_FROM_CRL}
    return REASONS_IN[holds]


@dataclass(frozen=True, slots=True)
class ListCandidate:
    """A list's draft on its way to the signer, and the key that is to sign it."""

    draft: ListDraft
    issuer: IssuerFacts

    def names(self) -> Iterator[tuple[str, DirectoryName]]:
        """Every name in the list, with the word for where it stands."""
        yield "the issuer", self.draft.issuer
        for placed in self.draft.extensions:
            if isinstance(placed.value, IssuingPoint | FreshestPoint) and placed.value.name is not None:
                yield NAMES[placed.value.oid], placed.value.name


@dataclass(frozen=True, slots=True)
class Entry:
    """An entry, the list that it is to stand in, and the serial before it (0: it is the first)."""

    revocation: Revocation
    draft: ListDraft
    after: int


_LISTS: RuleBook[ListCandidate] = RuleBook()
_ENTRIES: RuleBook[Entry] = RuleBook()


@_LISTS.rule("RFC 5280 5.1.1.2", "the suite is one that the product knows, with its own hash and key size")
def list_suite_known(candidate: ListCandidate) -> Iterator[str]:
    yield from parts.altered_suite(candidate.draft.suite)


@_LISTS.rule("NIST SP 800-131A 3", "the suite may sign at thisUpdate")
def list_suite_may_sign(candidate: ListCandidate) -> Iterator[str]:
    yield from parts.retired_suite(candidate.draft.suite, Use.SIGN_STATUS, candidate.draft.this_update)


@_LISTS.rule("RFC 5280 5.1.2.3", "the issuer is named exactly as the authority whose key signs")
def list_issuer_is_signer(candidate: ListCandidate) -> Iterator[str]:
    if candidate.draft.issuer != candidate.issuer.name:
        yield "the issuer is not the authority that is to sign"


@_LISTS.rule("RFC 5280 5.1.2.3, appendix A.1", "names are not empty, within their bounds and fit to be shown")
def list_names(candidate: ListCandidate) -> Iterator[str]:
    for place, name in candidate.names():
        if not name.steps:
            yield f"{place} has an empty name"
        yield from parts.wrong_countries(place, name)
        yield from parts.wrong_lengths(place, name)
        yield from parts.unfit_values(place, name)


@_LISTS.rule("RFC 5280 5.1.2.4", "thisUpdate and nextUpdate are in UTC, to the second")
def list_times(candidate: ListCandidate) -> Iterator[str]:
    yield from parts.wrong_moment("thisUpdate", candidate.draft.this_update)
    yield from parts.wrong_moment("nextUpdate", candidate.draft.next_update)


@_LISTS.rule("RFC 5280 5.1.2.5", "nextUpdate lies after thisUpdate")
def list_next_update_after(candidate: ListCandidate) -> Iterator[str]:
    if parts.instant(candidate.draft.next_update) <= parts.instant(candidate.draft.this_update):
        yield "nextUpdate does not lie after thisUpdate"


@_LISTS.rule("JPKI profile, nextUpdate", f"nextUpdate lies at most {LONGEST.days} days ahead")
def list_next_update_near(candidate: ListCandidate) -> Iterator[str]:
    if parts.instant(candidate.draft.next_update) - parts.instant(candidate.draft.this_update) > LONGEST:
        yield f"nextUpdate lies more than {LONGEST.days} days after thisUpdate"


@_LISTS.rule("RFC 5280 5.2", "no extension stands twice")
def list_extension_once(candidate: ListCandidate) -> Iterator[str]:
    oids = [placed.value.oid for placed in candidate.draft.extensions]
    for oid in sorted({oid for oid in oids if oids.count(oid) > 1}):
        yield f"{NAMES[oid]} stands {oids.count(oid)} times"


@_LISTS.rule("RFC 5280 5.2.1", "a list names the key that signed it")
def list_authority_key_there(candidate: ListCandidate) -> Iterator[str]:
    if candidate.draft.extension(AuthorityKey) is None:
        yield "authorityKeyIdentifier is missing"


@_LISTS.rule("RFC 5280 5.2.1, keyIdentifier", "authorityKeyIdentifier is the issuer's subjectKeyIdentifier")
def list_authority_key_is_issuers(candidate: ListCandidate) -> Iterator[str]:
    key = candidate.draft.extension(AuthorityKey)
    if key is not None and key.key_identifier != candidate.issuer.key_identifier:
        yield "authorityKeyIdentifier is another key's"


@_LISTS.rule("RFC 5280 5.2.3", "a list has a number")
def list_number_there(candidate: ListCandidate) -> Iterator[str]:
    if candidate.draft.extension(ListNumber) is None:
        yield "cRLNumber is missing"


@_LISTS.rule("RFC 5280 5.2.3, range", "a list's number is positive, at most 20 octets")
def list_number_range(candidate: ListCandidate) -> Iterator[str]:
    number = candidate.draft.extension(ListNumber)
    if number is not None and not 0 < number.number < 1 << 159:
        yield "cRLNumber is not positive, or longer than 20 octets"


@_LISTS.rule("RFC 5280 5.2.1 and 5.2.3, criticality", "authorityKeyIdentifier and cRLNumber are not critical")
def list_never_critical(candidate: ListCandidate) -> Iterator[str]:
    for placed in candidate.draft.extensions:
        if placed.critical and isinstance(placed.value, AuthorityKey | ListNumber):
            yield f"{NAMES[placed.value.oid]} is critical"


@_LISTS.rule("RFC 5280 5.2.5, criticality", "issuingDistributionPoint is critical")
def list_point_critical(candidate: ListCandidate) -> Iterator[str]:
    for placed in candidate.draft.extensions:
        if isinstance(placed.value, IssuingPoint) and not placed.critical:
            yield "issuingDistributionPoint is not critical"


@_LISTS.rule(
    "RFC 5280 5.2.5, complete lists", "a partial list says which part it is, the full list has no part"
)
def list_point_there(candidate: ListCandidate) -> Iterator[str]:
    there = candidate.draft.extension(IssuingPoint) is not None
    if there == (candidate.draft.place.holds is Holds.ALL):
        yield f"issuingDistributionPoint is {'there' if there else 'missing'}"


@_LISTS.rule("RFC 5280 5.2.5, distributionPoint", "the point is the one that the listed certificates carry")
def list_point_of_place(candidate: ListCandidate) -> Iterator[str]:
    point, place = candidate.draft.extension(IssuingPoint), candidate.draft.place
    if point is not None and place.point is not None and point.name != place.point:
        yield "issuingDistributionPoint is another partition's"


@_LISTS.rule(
    "RFC 5280 5.2.5, onlyContains", "a partial list says for which certificates it is, as its place does"
)
def list_point_holds(candidate: ListCandidate) -> Iterator[str]:
    point, place = candidate.draft.extension(IssuingPoint), candidate.draft.place
    if point is None or place.holds is Holds.ALL:
        return
    # Both flags absent would claim that the list is for all certificates with this point.
    if point.holds is not place.holds:
        yield "issuingDistributionPoint is for other certificates than the place"


@_LISTS.rule(
    "JPKI profile, scopes",
    "the scope says what the list is for, and only the authority list has the CA's name",
)
def list_scope(candidate: ListCandidate) -> Iterator[str]:
    place = candidate.draft.place
    wanted = {FULL: Holds.ALL, ARL: Holds.CA}.get(place.scope, Holds.USER)
    if place.holds is not wanted:
        yield f"scope {place.scope} is not for {place.holds} certificates"
    if place.point is not None and (place.point == candidate.issuer.name) != (place.holds is Holds.CA):
        yield "the authority list's point alone is the issuer's own name"


@_LISTS.rule("RFC 5280 5.2.4, criticality", "deltaCRLIndicator is critical")
def list_delta_critical(candidate: ListCandidate) -> Iterator[str]:
    for placed in candidate.draft.extensions:
        if isinstance(placed.value, DeltaBase) and not placed.critical:
            yield "deltaCRLIndicator is not critical"


@_LISTS.rule(
    "RFC 5280 5.2.4, BaseCRLNumber", "a delta list builds on a list with a positive number below its own"
)
def list_delta_base(candidate: ListCandidate) -> Iterator[str]:
    base, number = candidate.draft.extension(DeltaBase), candidate.draft.extension(ListNumber)
    if base is not None and number is not None and not 0 < base.number < number.number:
        yield "BaseCRLNumber is not positive, or not below the list's own number"


@_LISTS.rule("RFC 5280 5.2.6, criticality", "freshestCRL is not critical")
def list_freshest_not_critical(candidate: ListCandidate) -> Iterator[str]:
    for placed in candidate.draft.extensions:
        if isinstance(placed.value, FreshestPoint) and placed.critical:
            yield "freshestCRL is critical"


@_LISTS.rule("RFC 5280 5.2.6, delta CRLs", "only a complete list says where its delta list lies")
def list_freshest_of_complete(candidate: ListCandidate) -> Iterator[str]:
    if candidate.draft.is_delta and candidate.draft.extension(FreshestPoint) is not None:
        yield "freshestCRL stands in a delta list"


@_LISTS.rule("RFC 5280 6.3.3 (c)(2)", "a delta list is found under the name of its complete list's point")
def list_freshest_point(candidate: ListCandidate) -> Iterator[str]:
    freshest = candidate.draft.extension(FreshestPoint)
    if freshest is not None and freshest.name != candidate.draft.place.point:
        yield "freshestCRL names another point"


@_LISTS.rule("RFC 5280 4.2.1.13, URIs", "the delta list lies under a plain http URL")
def list_freshest_url(candidate: ListCandidate) -> Iterator[str]:
    freshest = candidate.draft.extension(FreshestPoint)
    if freshest is not None and not parts.is_plain_http(freshest.url):
        yield "freshestCRL is not under a plain http URL"


@_ENTRIES.rule("RFC 5280 5.1.2.6, userCertificate", "an entry's serial is positive, at most 20 octets")
def entry_serial(entry: Entry) -> Iterator[str]:
    if not 0 < entry.revocation.serial.value < 1 << 159:
        yield "the serial is not positive, or longer than 20 octets"


@_ENTRIES.rule("RFC 5280 5.1.2.6", "entries ascend by serial, and none stands twice")
def entry_order(entry: Entry) -> Iterator[str]:
    # The standard wants no order; ours is the store's, and a second entry for a serial cannot hide in it.
    if entry.after and entry.revocation.serial.value <= entry.after:
        yield "the serial is not above the one before it"


@_ENTRIES.rule("RFC 5280 5.1.2.6, revocationDate", "an entry's moments are in UTC, to the second")
def entry_times(entry: Entry) -> Iterator[str]:
    revoked_at, since = entry.revocation.revoked_at, entry.revocation.invalid_since
    yield from parts.wrong_moment("revocationDate", revoked_at)
    if since is not None:
        yield from parts.wrong_moment("invalidityDate", since)


@_ENTRIES.rule("RFC 5280 5.1.2.4, thisUpdate", "what a list names was revoked when the list was made")
def entry_revoked_by_then(entry: Entry) -> Iterator[str]:
    if parts.instant(entry.revocation.revoked_at) > parts.instant(entry.draft.this_update):
        yield "revoked after thisUpdate"


@_ENTRIES.rule(
    "RFC 5280 5.3.1",
    "an entry's reason is one for certificates of this list; removeFromCRL is for delta lists",
)
def entry_reason(entry: Entry) -> Iterator[str]:
    if entry.revocation.reason not in reasons_in(entry.draft.place.holds, delta=entry.draft.is_delta):
        yield f"{entry.revocation.reason.word} is no reason in this list"


@_ENTRIES.rule("RFC 5280 5.3.2", "a key was lost before its certificate was revoked, not after")
def entry_invalidity(entry: Entry) -> Iterator[str]:
    since = entry.revocation.invalid_since
    if since is not None and parts.instant(since) > parts.instant(entry.revocation.revoked_at):
        yield "invalidityDate lies after revocationDate"


RULES: tuple[Rule[ListCandidate], ...] = tuple(_LISTS)
"""Every rule about a list's own statements."""

ENTRY_RULES: tuple[Rule[Entry], ...] = tuple(_ENTRIES)
"""Every rule about an entry."""


def check_list(draft: ListDraft, issuer: IssuerFacts) -> None:
    """Look at what a list says besides its entries, before it becomes bytes.

    Raises:
        LintRefused: With every finding, each after its rule's name; the clause is the first one's.
    """
    if found := findings(RULES, ListCandidate(draft, issuer)):
        raise refusal(f"list {draft.place.scope}", found)


def entry_checker(draft: ListDraft) -> Callable[[Revocation], None]:
    """What looks at each entry of one list, called with all of them in their order; raises LintRefused."""
    after = 0

    def check_entry(revocation: Revocation) -> None:
        nonlocal after
        if found := findings(ENTRY_RULES, Entry(revocation, draft, after)):
            raise refusal(f"list {draft.place.scope}, serial {revocation.serial}", found)
        after = revocation.serial.value

    return check_entry
