"""How the keys, cross-certificates and holders of a plan stand in a home, read from its store.

A plan's ``id.old`` and ``id.new`` are two generations of an authority that follow each other. Which two, the store says:
those whose steps name this plan, be it that it was edited since; else by the suites that the plan gives them.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime

from bridge.crossing.plan import Plan as Nation
from bridge.migrating.plan import Authority, Generation, Plan
from bridge.migrating.running.evidence import Evidence
from bridge.migrating.running.reissue import Progress, progress
from ca.model import AuthorityId, CertificateId, CertificateKind, GenerationId
from ca.rules.generations import COMING, Keys, State
from ca.rules.validity import japanese_day
from ca.store import authorities, certificates, key_lives, key_needs, responders
from ca.store.certificates import CertificateRecord, CertificateState
from ca.store.connections import Reading


@dataclass(frozen=True, slots=True, order=True)
class KeyName:
    """What the plan calls a key."""

    authority: AuthorityId
    generation: Generation

    def __str__(self) -> str:
        return f"{self.authority}.{self.generation}"

    @classmethod
    def each(cls, tables: Mapping[str, Authority], text: str) -> Iterator[KeyName]:
        """The keys that ``id.old`` or ``id.new`` names: of each authority that the table stands for."""
        name, _, generation = text.rpartition(".")
        for one in tables[name].ids:
            yield cls(AuthorityId(one), Generation(generation))


@dataclass(frozen=True, slots=True)
class Standing:
    """What the store says of what a plan speaks of.

    Attributes:
        keys: Which generations its keys are, made or not; of authorities that are this home's.
        states: Where those stand that are planned or more.
        suites: With which suite each of them signs, or will.
        made: How long the longest certificate of one for another lasts that was ever made.
        crosses: The same of those that are in force.
        unanswered: The keys whose responder was ended.
        waves: How far each wave is, by its place in the plan, if holders were counted.
        day: The day in Japan for which this is said.
        edited: SHA-256 of the plan's file as it was when steps were taken by it, oldest first, if it was another then.
    """

    keys: Mapping[KeyName, GenerationId]
    states: Mapping[GenerationId, State]
    suites: Mapping[GenerationId, str]
    made: Mapping[tuple[GenerationId, GenerationId], datetime]
    crosses: Mapping[tuple[GenerationId, GenerationId], datetime]
    unanswered: frozenset[GenerationId]
    waves: Mapping[int, Progress]
    day: date
    edited: tuple[str, ...] = ()


def read_standing(
    reading: Reading, nation: Nation, plan: Plan, digest: str, at: datetime, *, waves: bool = False
) -> Standing:
    """How what the plan speaks of stands now; what is not this home's is left out.

    Args:
        reading: Transactions in the home's databases.
        nation: What the home's edition comes to.
        plan: The migration.
        digest: SHA-256 of its file as it is now; steps name the plan and the file as it was when they were taken.
        at: Now.
        waves: Whether holders are counted too, which takes a pass through all that is held.
    """
    keys: dict[KeyName, GenerationId] = {}
    states: dict[GenerationId, State] = {}
    named: dict[GenerationId, str] = {}
    taken: list[_Taken] = []
    for table in plan.authorities:
        for name in map(AuthorityId, table.ids):
            if name not in nation.practices:
                continue
            connection = reading.of(name)
            mine = key_lives.keys_of(connection, name)
            suites = {
                life.generation: found.id
                for life in mine.lives
                if (found := key_lives.suite_of(connection, life.generation)) is not None
            }
            steps = list(_by_plan(plan, mine, key_lives.evidence_of(connection, name)))
            taken += steps
            old = _by_evidence(mine, steps) or _by_suites(table, mine, suites)
            pair = old, mine.successor(old)
            keys |= dict(zip((KeyName(name, one) for one in Generation), pair, strict=True))
            states |= {life.generation: life.state for life in mine.lives}
            named |= suites
    made, in_force = _crosses(reading, at)
    return Standing(
        keys,
        states,
        named,
        made,
        in_force,
        frozenset(one for one in keys.values() if _responder_ended(reading, one)),
        _waves(reading, nation, plan, keys, at) if waves else {},
        japanese_day(at),
        tuple(one for one in _digests(taken) if one != digest),
    )


@dataclass(frozen=True, slots=True)
class _Taken:
    """A step that was taken by a plan of this name, with the key that it calls the old or the new one."""

    at: datetime
    digest: str
    key: Generation
    generation: GenerationId


def _digests(taken: Iterable[_Taken]) -> Iterable[str]:
    """What the plan's file was by turns, each once."""
    return dict.fromkeys(one.digest for one in sorted(taken, key=lambda one: one.at))


def _by_plan(plan: Plan, keys: Keys, evidence: Sequence[str | None]) -> Iterator[_Taken]:
    for step, text in zip(keys.history, evidence, strict=True):
        found = None if text is None else Evidence.read(text)
        if found is None or found.plan != plan.name:
            continue
        for key in Generation:
            if f" of {KeyName(keys.authority, key)} of " in found.task:
                yield _Taken(step.at, found.digest, key, step.generation)


def _by_evidence(keys: Keys, steps: Sequence[_Taken]) -> GenerationId | None:
    """The old key, by the newest step of the plan whose key is not given up; None if there is none."""
    for one in reversed(steps):
        if one.key is Generation.OLD:
            return one.generation
        life = keys.life(one.generation)
        if life is not None and life.state is not State.DISCARDED:
            return keys.predecessor(one.generation)
    return None


def _by_suites(table: Authority, keys: Keys, suites: Mapping[GenerationId, str]) -> GenerationId:
    """The old key: the one that issues, unless the one that issues is the plan's new one already."""
    if keys.issuing is None:
        return GenerationId(keys.authority, 1)
    issuing = keys.issuing.generation
    before = keys.predecessor(issuing)
    coming = any(life.state in COMING for life in keys.lives)
    if coming or table.new is None or before is None:
        return issuing
    moved = (suites.get(before), suites.get(issuing)) == (table.old.suite, table.new.suite)
    return before if moved and table.old.suite != table.new.suite else issuing


_Lasting = dict[tuple[GenerationId, GenerationId], datetime]


def _crosses(reading: Reading, at: datetime) -> tuple[_Lasting, _Lasting]:
    """What was made, whatever became of it, and what is in force."""
    pairs: dict[CertificateId, GenerationId] = {
        made: subject
        for connection in reading.each()
        for state in (CertificateState.ISSUED, CertificateState.INTENDED)
        for subject, made in authorities.crosses(connection, state)
    }

    def lasting(records: Iterable[CertificateRecord]) -> _Lasting:
        found: _Lasting = {}
        for record in records:
            pair = record.id.generation, pairs[record.id]
            found[pair] = max(record.period.not_after, found.get(pair, record.period.not_after))
        return found

    return lasting(certificates.several(reading, pairs)), lasting(key_needs.in_force(reading, pairs, at))


def _responder_ended(reading: Reading, generation: GenerationId) -> bool:
    there = responders.newest(reading.of(generation.authority), generation)
    return any(one.ended for one in there if one.kind is CertificateKind.OCSP_RESPONDER)


def _waves(
    reading: Reading, nation: Nation, plan: Plan, keys: Mapping[KeyName, GenerationId], at: datetime
) -> dict[int, Progress]:
    ours = {
        index: wave
        for index, wave in enumerate(plan.waves)
        if AuthorityId(wave.authority) in nation.practices
    }
    pairs = {
        name: (keys[KeyName(name, Generation.OLD)], keys[KeyName(name, Generation.NEW)])
        for name in {AuthorityId(wave.authority) for wave in ours.values()}
    }
    return dict(zip(ours, progress(reading, nation, list(ours.values()), pairs, at), strict=True))
