"""Finding the journal's records that name something: none is missed and none is another's, however files are cut."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from ca.errors import HomeRefused
from ca.journal.entries import EffectEntry, OrderEntry, RevocationEntry
from ca.journal.journal import Journal, records
from ca.journal.mentions import effects_of, mentioning
from ca.journal.segments import head_at, segments

AT = datetime(2014, 9, 1, tzinfo=UTC)
NAMES = ["e-1", "e-11", "1", 'quo"te', "失効"]


def entry(kind: str, name: str) -> EffectEntry | RevocationEntry:
    if kind == "effect":
        return EffectEntry(name, AT, "ended", "rule", ())
    return RevocationEntry("officer ito", "rule", AT, (OrderEntry(name, "keyCompromise", AT, "full"),))


@pytest.fixture
def folder(tmp_path_factory, monkeypatch):
    monkeypatch.setattr("ca.journal.journal.SEGMENT", 400)
    monkeypatch.setattr("os.fsync", lambda _: None)
    return tmp_path_factory


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None, max_examples=40)
@given(
    st.lists(st.tuples(st.sampled_from(["effect", "order"]), st.sampled_from(NAMES)), max_size=12),
    st.sampled_from(NAMES),
    st.integers(0, 12),
)
def test_what_is_found_is_what_a_whole_reading_finds(folder, told, name, place):
    path = folder.mktemp("journal")
    made = Journal(path)
    made.begin()
    for one in told:
        with made.turn() as turn:
            turn.append([entry(*one)])
    every = list(records(path))
    upto = [one for one in every if one.index <= place and told[one.index - 1][1] == name]
    assert list(mentioning(path, name, place)) == [(head_at(path, one.index), one) for one in upto]
    behind = [one for one in every if one.index > place and told[one.index - 1] == ("effect", name)]
    assert [one for _, one in effects_of(path, [name], place)] == behind
    assert list(effects_of(path, [], place)) == []


def test_damage_where_a_record_stands_is_told(folder):
    path = folder.mktemp("journal")
    made = Journal(path)
    made.begin()
    for _ in range(6):
        with made.turn() as turn:
            turn.append([entry("effect", "e-1")])
    last = [*segments(path).values()][-1]
    assert len(segments(path)) > 1
    last.write_bytes(last.read_bytes().replace(b"ended", b"ENDED", 1))
    found = mentioning(path, "e-1")
    with pytest.raises(HomeRefused):
        assert len(list(found)) == 6
