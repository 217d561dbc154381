"""A list that is indexed says of every serial what the same list says when it is read from end to end."""

from __future__ import annotations

from datetime import timedelta

import pytest
from asn1crypto import x509
from hypothesis import given
from hypothesis import strategies as st

from bridge.relying.budget import Budget
from bridge.relying.finding.index import IndexedList
from bridge.relying.finding.points import ALL_REASONS
from bridge.relying.revoked.lists import ListSigner, Question, check_signature
from bridge.relying.revoked.status import ask
from bridge.relying.signatures import Signatures
from ca.errors import BadInput, KeyRefused, SuiteRetired
from ca.model import Revocation
from ca.wire import der, walk
from ca.wire.facts import read_certificate
from ca.wire.list_facts import ListFacts, read_list
from tests.relying_world import AT, BRIDGE, PREFECTURE, TOWN, Cert, Crl, World, point_of

FRAME = Crl("x", "full", PREFECTURE, 2, revoked={1: (AT, None)}).der()
REASONS = (None, 1, 4, 6, 8)


def entry(serial: int, days: int, reason: int | None, padding: int) -> bytes:
    """An entry; the padding is an extension of so many octets, so that lengths take one octet, two or three."""
    extensions = []
    if reason is not None:
        extensions.append(der.sequence(b"\x06\x03\x55\x1d\x15", der.value(0x04, der.enumerated(reason))))
    if padding:
        extensions.append(der.sequence(b"\x06\x02\x88\x37", der.value(0x04, der.value(0x04, bytes(padding)))))
    moment = f"{AT + timedelta(days=days):%y%m%d%H%M%SZ}".encode()
    more = [der.sequence(*extensions)] if extensions else []
    return der.sequence(der.integer(serial), der.value(0x17, moment), *more)


def listed(entries: list[bytes]) -> ListFacts:
    """A list of these entries; nobody has signed it."""
    tbs, algorithm, signature = walk.frame(FRAME)
    fields = [field.whole(FRAME) for field in walk.elements(FRAME, tbs.start, tbs.end)]
    fields[5:6] = [der.sequence(*entries)] if entries else []
    whole = der.sequence(der.sequence(*fields), algorithm.whole(FRAME), signature.whole(FRAME))
    return read_list(whole, "here")


def said(source: ListFacts | IndexedList, serial: int) -> Revocation | str | None:
    try:
        return source.revocation(serial)
    except BadInput as error:
        return str(error)


SERIALS = st.one_of(
    st.integers(-300, 300), st.integers(0, 1 << 159), st.sampled_from([1 << 1016, 1 << 1100, 1 << 3000])
)
ENTRIES = st.builds(
    entry, SERIALS, st.integers(-9, 9), st.sampled_from(REASONS), st.sampled_from([0, 1, 90, 200, 70_000])
)


@given(entries=st.lists(ENTRIES, max_size=12), others=st.lists(SERIALS, max_size=5))
def test_the_index_says_what_the_list_says(entries: list[bytes], others: list[int]) -> None:
    """Sorted or not, with one serial twice, negative, or longer than any may be."""
    facts = listed(entries)
    indexed = IndexedList(facts)
    there = [walk.integer(next(walk.elements(one, *inner(one))).whole(one)) for one in entries]
    for serial in (*there, *others, *(number + 1 for number in there)):
        assert said(indexed, serial) == said(facts, serial)
    for serial in there:
        assert said(indexed, serial) is not None


def inner(octets: bytes) -> tuple[int, int]:
    found = walk.only(octets, 0x30)
    return found.start, found.end


@pytest.mark.parametrize("order", [1, -1])
def test_of_one_serial_twice_the_first_entry_counts(order: int) -> None:
    twice = [entry(7, 0, reason, 0) for reason in (1, 4)][::order]
    facts = listed([entry(9, 0, None, 0), *twice, entry(8, 0, None, 0)])
    found = IndexedList(facts).revocation(7)
    assert found is not None
    assert found == facts.revocation(7)
    assert found.reason == (1 if order == 1 else 4)


def test_an_index_takes_four_octets_an_entry() -> None:
    indexed = IndexedList(listed([entry(serial, 0, 4, 0) for serial in range(1, 1001)]))
    assert indexed.revocation(1000) is not None
    assert indexed.revocation(1001) is None
    assert len(indexed._offsets.tobytes()) == 4000


# What a list is believed for.


class NoOthers:
    """Nobody signs lists but the issuer itself."""

    def offered(self, *_: object) -> tuple[()]:
        return ()

    def proven(self, *_: object) -> ListSigner:
        raise AssertionError("nobody was offered")


NO_OTHERS = NoOthers()


def test_each_key_is_tried_for_itself() -> None:
    """That a list was signed by one key says nothing of another of the same name."""
    found = IndexedList(read_list(World().town.der(), "here"))
    signatures = Signatures(AT, Budget())
    right, other = (read_certificate(Cert(PREFECTURE, BRIDGE, key, 1, 9).der(), "CA") for key in (2, 4))
    check_signature(found, right, signatures)
    for _ in range(2):
        with pytest.raises(KeyRefused):
            check_signature(found, other, signatures)
    check_signature(found, right, signatures)


def test_a_list_once_verified_is_refused_when_its_suite_has_ended() -> None:
    found = IndexedList(read_list(World().town.der(), "here"))
    right = read_certificate(Cert(PREFECTURE, BRIDGE, 2, 1, 9).der(), "CA")
    check_signature(found, right, Signatures(AT, Budget()))
    with pytest.raises(SuiteRetired):
        check_signature(found, right, Signatures(AT.replace(year=2999), Budget()))


@pytest.mark.parametrize(
    ("reasons", "tells"), [(None, True), (ALL_REASONS, True), ({"key_compromise", "superseded"}, False)]
)
def test_a_list_tells_of_no_more_than_its_point(reasons: set[str] | None, *, tells: bool) -> None:
    """RFC 5280 6.3.3 (d): of the reasons that both the certificate's point and the list name."""
    world = World()
    point = {"distribution_point": point_of(TOWN), "reasons": reasons and x509.ReasonFlags(set(reasons))}
    world.holder.point = None
    world.holder.more = [("crl_distribution_points", False, x509.CRLDistributionPoints([point]))]
    certificate = read_certificate(world.holder.der(), "holder")
    issuer = read_certificate(world.to_prefecture.der(), "CA")
    asked = Question.of(certificate, issuer, AT)
    lists = [lambda: IndexedList(read_list(world.town.der(), "here"))]
    if tells:
        assert ask(asked, lists, lambda *_: (), NO_OTHERS, Signatures(AT, Budget())).revocation is None
        return
    with pytest.raises(BadInput, match="leave reasons out"):
        ask(asked, lists, lambda *_: (), NO_OTHERS, Signatures(AT, Budget()))
