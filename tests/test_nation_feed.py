"""The standing example: 2,000 events in 1,000 invented lives, what is in them, and what the desk makes of each life."""

import csv
import io
import json
from collections import Counter, defaultdict
from datetime import datetime, timedelta
from hashlib import sha256

import pytest
from sqlalchemy import insert, select

from ca.keys.codes import keyed_code
from ca.model import (
    CertificateId,
    CertificateKind,
    GenerationId,
    Period,
    RevocationReason,
    Serial,
    partition_scope,
    resident_code,
)
from ca.names import Municipalities
from ca.revoking.deciding.desk import EventDesk
from ca.revoking.feed.files import read_feed, read_file
from ca.rules.residents import ChangeKind
from ca.store import holdings
from ca.store.tables import certificates, revocations
from fixtures import make
from tests.engine_world import engine_world

KEY = bytes(32)
NUMBERS = sorted(make.SENT)
SIGNATURE, AUTHENTICATION = (CertificateKind(kind) for kind in ("signature", "user-authentication"))


def octets(name):
    return (make.FOLDER / name).read_bytes()


@pytest.fixture(scope="module")
def told():
    """The events of each file as their fields."""
    return {
        number: [json.loads(line) for line in octets(f"nation-{number}.jsonl").splitlines()[1:-1]]
        for number in NUMBERS
    }


@pytest.fixture(scope="module")
def held():
    """The rows of the table of holders."""
    return list(csv.DictReader(io.StringIO(octets("nation-holders.csv").decode(), newline="")))


def moment(text):
    return datetime.fromisoformat(text)


def test_making_it_anew_gives_the_same_octets():
    assert {name: len(content) for name, content in make.files().items()} == {
        path.name: path.stat().st_size for path in make.FOLDER.glob("nation-*")
    }
    assert all(octets(name) == content for name, content in make.files().items())


def test_it_is_as_large_as_it_says(told, held):
    assert sum(map(len, told.values())) == 2000
    codes = {row["code"] for row in held}
    assert len(codes) == 1000
    assert all(resident_code(code) for code in codes)
    table = Municipalities.read(make.FOLDER.parent / "municipalities.csv")
    assert len({table.window(row["municipality"]).prefecture for row in held}) == 47
    assert max(moment(row["decided"]) for row in held) < make.SENT[NUMBERS[-1]]


def test_every_kind_of_event_is_in_it(told):
    assert {event["kind"] for events in told.values() for event in events} == set(ChangeKind)


class TestWhatIsAwkward:
    """Each kind of it at least five times, told from the files alone."""

    FEW = 5

    def test_early_and_late(self, told, held):
        early = [e for number in NUMBERS for e in told[number] if moment(e["effective"]) > make.SENT[number]]
        decided = {(row["code"], moment(row["decided"])) for row in held}
        late = [
            event
            for events in told.values()
            for event in events
            for code, at in decided
            if code == event["code"] and moment(event["effective"]) < at < moment(event["notified"])
        ]
        assert min(len(early), len(late)) >= self.FEW
        assert all(
            moment(event["notified"]) <= make.SENT[number] for number in NUMBERS for event in told[number]
        )

    def test_out_of_order(self, told):
        effects = defaultdict(list)
        for number in NUMBERS:
            for event in told[number]:
                effects[event["code"]].append(moment(event["effective"]))
        assert sum(sorted(each) != each for each in effects.values()) >= self.FEW

    def test_twice_and_under_a_taken_id(self, told):
        by_id = defaultdict(list)
        for number in NUMBERS:
            for event in told[number]:
                by_id[event["event"]].append(event)
        several = [events for events in by_id.values() if len(events) > 1]
        twice = [events for events in several if all(event == events[0] for event in events)]
        taken = [events for events in several if any(event["kind"] != events[0]["kind"] for event in events)]
        assert min(len(twice), len(taken)) >= self.FEW
        assert len(twice) + len(taken) == len(several)

    def test_unknown_residents_and_older_codes(self, told, held):
        changed = [event for number in NUMBERS for event in told[number] if "new_code" in event]
        known = {row["code"] for row in held} | {event["new_code"] for event in changed}
        unknown = [e for number in NUMBERS for e in told[number] if e["code"] not in known]
        older = [
            (event, other)
            for event in changed
            for number in NUMBERS
            for other in told[number]
            if other["code"] == event["code"] and moment(other["effective"]) > moment(event["effective"])
        ]
        in_use = [event for event in changed if event["new_code"] in {row["code"] for row in held}]
        assert min(len(unknown), len(older), len(in_use)) >= self.FEW

    def test_withdrawn_in_time_too_late_and_before_the_notice(self, told):
        place = {event["event"]: (number, event) for number in reversed(NUMBERS) for event in told[number]}
        sorts = Counter()
        for number in NUMBERS:
            for event in told[number]:
                if event["kind"] != "notice-withdrawn":
                    continue
                if "withdraws" not in event:
                    sorts["no name"] += 1
                    continue
                told_in, notice = place[event["withdraws"]]
                assert notice["code"] == event["code"]
                in_time = moment(event["effective"]) < moment(notice["effective"])
                sorts[in_time, (told_in > number) - (told_in < number)] += 1
        assert sorts.keys() == {"no name", (True, 1), (True, -1), (False, -1)}
        assert min(sorts.values()) >= self.FEW


def test_the_rendition_says_the_same_as_its_file():
    rows = octets("nation-4.csv")
    with pytest.raises(UnicodeDecodeError):
        rows.decode("utf-8")
    found = read_file(io.BytesIO(rows), "x", "nation-4.csv", KEY)
    assert found == read_feed(io.BytesIO(octets("nation-4.jsonl")), "x", KEY)


# What comes of each life: the outcome of its events in the order of telling, and how the signature and the
# user-authentication certificates end, the first of each before those that came later.

E, K, H, W, Q, U = "ended", "nothing ended", "held", "waiting", "quarantined", "unknown resident"
STAYS, GONE, HOLD = None, RevocationReason.AFFILIATION_CHANGED, RevocationReason.CERTIFICATE_HOLD
CEASED, LOST_KEY = RevocationReason.CESSATION_OF_OPERATION, RevocationReason.KEY_COMPROMISE
NEWER, NONE = RevocationReason.SUPERSEDED, RevocationReason.UNSPECIFIED
COMES_TO = (
    ([E], [GONE], [STAYS]),  # moved within
    ([E], [GONE], [GONE]),  # moved abroad
    ([E], [GONE], [GONE]),  # died
    ([E, E], [GONE], [GONE]),  # moved out, then removed
    ([E, K], [GONE], [STAYS]),  # name, then address
    ([E, K], [GONE], [STAYS]),  # sex and name at once
    ([E], [GONE], [STAYS]),  # birth date
    ([K, E], [GONE], [STAYS]),  # moved in, then address
    ([E, E], [GONE], [GONE]),  # four items, then death
    ([K, E], [GONE], [STAYS]),  # other items, then moved within
    ([E, K], [CEASED], [CEASED]),  # card returned, then moved within
    ([E], [CEASED], [CEASED]),  # card lapsed
    ([E, E], [CEASED], [CEASED]),  # given up, one after the other
    ([E], [STAYS], [CEASED]),  # user authentication given up
    ([E], [NONE], [NONE]),  # discarded
    ([E], [NONE], [NONE]),  # record differs
    ([H], [HOLD], [HOLD]),  # lost
    ([E], [LOST_KEY], [LOST_KEY]),  # key compromised
    ([E], [NEWER, STAYS], [STAYS]),  # signature renewed
    ([E], [STAYS], [NEWER, STAYS]),  # user authentication renewed
    ([E, K, E], [GONE], [GONE]),  # out, in, death
    ([H, E], [CEASED], [CEASED]),  # lost, found
    ([H, E], [GONE], [GONE]),  # lost, death
    ([E, E], [LOST_KEY], [LOST_KEY]),  # moved out, key compromised
    ([K, E, K, K, K], [GONE], [STAYS]),  # a life of five
    ([E], [GONE, STAYS], [STAYS]),  # told late, after a newer certificate was decided on
    ([W, K], [GONE], [STAYS]),  # told early
    ([E, K], [GONE], [GONE]),  # the move is told after the death
    ([K, E, K], [CEASED], [CEASED]),  # found is told before lost
    ([W, K], [STAYS], [STAYS]),  # withdrawn in time
    ([K, K], [STAYS], [STAYS]),  # withdrawn before the notice itself is told
    ([E, K], [GONE], [STAYS]),  # withdrawn after the effect
    ([E, Q], [GONE], [GONE]),  # withdrawn in time, and told when the lists said so already
    ([W, K], [GONE], [STAYS]),  # withdrawn without saying what
    ([K, E], [GONE], [GONE]),  # death under the older code
    ([K, E, E], [GONE], [CEASED]),  # name under the newer code, card lapsed under the older
    ([K, K, E], [GONE], [GONE]),  # abroad under the oldest of three codes
    ([U, E], [GONE], [STAYS]),  # a move under a code that is linked later
    ([Q, E], [GONE], [STAYS]),  # the new code is another resident's
    ([E, K], [GONE], [STAYS]),  # four items, other items; and it is this resident's code
)


@pytest.fixture(scope="module")
def world(tmp_path_factory):
    with engine_world(tmp_path_factory.mktemp("nation") / "world") as made:
        yield made


@pytest.fixture(scope="module")
def kept(world, held):
    """The certificates that the residents hold, as rows without certificates: (code, kind) -> ids in their order."""
    generation, found, records, rows = GenerationId.parse("jpki-31.g1"), defaultdict(list), [], []
    for number, row in enumerate(held, start=1):
        decided = moment(row["decided"])
        certificate = CertificateId(generation, Serial((1 << 158) + number))
        kind = CertificateKind(row["kind"])
        period = Period(decided, decided + timedelta(days=1095))
        scope, key = partition_scope(kind, row["municipality"]), sha256(str(number).encode()).digest()
        holder = keyed_code(world.vault.code_key(), resident_code(row["code"]))
        records.append(holdings.HoldingRecord(certificate, kind, scope, period, key, holder, decided))
        rows.append(
            {
                "generation": str(generation),
                "serial": certificate.serial.octets,
                "kind": kind,
                "scope": scope,
                "state": "issued",
                "not_before": period.not_before,
                "not_after": period.not_after,
                "intended_at": decided,
                "subject_key": key,
                "application": None,
            }
        )
        found[row["code"], kind].append(certificate)
    with world.store.writing() as connection:
        holdings.add(connection, records)
        connection.execute(insert(certificates), rows)
    return found


@pytest.fixture(scope="module")
def outcomes(world, kept):  # noqa: ARG001 - the certificates are there first
    """What the desk said of each event, file by file; each is applied when it was sent."""
    desk, said = EventDesk(world.stores), {}
    for number in NUMBERS:
        feed = read_feed(io.BytesIO(octets(f"nation-{number}.jsonl")), "feed", world.vault.code_key())
        said[number] = desk.apply(feed, at=make.SENT[number])
    return said


@pytest.fixture(scope="module")
def lives(told, outcomes):
    """Code of the first hour -> outcomes of the resident's events in the order of telling."""
    first = {}
    for number in NUMBERS:
        for event in told[number]:
            if "new_code" in event:
                first.setdefault(event["new_code"], first.get(event["code"], event["code"]))
    owners = {make.code(resident) for resident in range(make.RESIDENTS)}
    found, seen = defaultdict(list), set()
    for number in NUMBERS:
        for event, outcome in zip(told[number], outcomes[number], strict=True):
            if event["event"] not in seen:
                code = event["code"]
                found[code if code in owners else first.get(code, code)].append(outcome.outcome.value)
            seen.add(event["event"])
    return found


@pytest.mark.parametrize("number", range(len(make.LIVES)))
def test_a_life_comes_to_what_the_rules_say(number, world, kept, lives):
    with world.store.reading() as connection:
        query = select(revocations.c.serial, revocations.c.reason)
        reasons = {row.serial: RevocationReason(row.reason) for row in connection.execute(query)}
    expected, signature, authentication = COMES_TO[number]
    for resident in range(number, make.RESIDENTS, len(make.LIVES)):
        code = make.code(resident)
        assert lives[code] == expected, resident
        for kind, ends in ((SIGNATURE, signature), (AUTHENTICATION, authentication)):
            found = [reasons.get(certificate.serial.octets) for certificate in kept[code, kind]]
            assert found == ends, (resident, kind)


def test_what_is_told_again_is_replayed_and_what_contradicts_is_set_apart(told, outcomes):
    first, said = {}, Counter()
    for number in NUMBERS:
        for event, outcome in zip(told[number], outcomes[number], strict=True):
            if event["event"] in first:
                said[event == first[event["event"]], outcome.outcome.value] += 1
            first.setdefault(event["event"], event)
    again = make.EVENTS - len(first) - make.CONFLICTS
    assert said == {(True, "replayed"): again, (False, "quarantined"): make.CONFLICTS}


def test_what_concerns_nobody_is_written_down(lives):
    assert {tuple(lives[make.stranger(number)]) for number in range(make.STRANGERS)} == {(U,)}


def test_sending_it_all_again_in_any_order_changes_nothing(world, outcomes):  # noqa: ARG001 - applied before
    before = world.dump()
    desk, at = EventDesk(world.stores), make.SENT[NUMBERS[-1]]
    for name in ("nation-4.csv", *(f"nation-{number}.jsonl" for number in reversed(NUMBERS))):
        feed = read_file(io.BytesIO(octets(name)), "feed", name, world.vault.code_key())
        assert {outcome.outcome.value for outcome in desk.apply(feed, at=at)} == {"replayed"}
    assert world.dump() == before
