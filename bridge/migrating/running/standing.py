"""How the keys, cross-certificates and holders of a plan stand in a home, read from its store.

A plan's ``id.old`` and ``id.new`` are two generations of an authority that follow each other. Which two, the store says:
those of which a step names this plan; else by the suites that the plan gives them.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import date, datetime

from bridge.crossing.plan import Plan as Nation
from bridge.migrating.plan import Authority, Generation, Plan
from bridge.migrating.running.reissue import Progress, progress
from ca.model import AuthorityId, CertificateId, CertificateKind, GenerationId
from ca.rules.generations import COMING, Keys, State, Step
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
        silent: The keys whose responder was ended.
        waves: How far each wave is, by its place in the plan, if holders were counted.
        day: The day in Japan for which this is said.
    """

    keys: Mapping[KeyName, GenerationId]
    states: Mapping[GenerationId, State]
    suites: Mapping[GenerationId, str]
    made: Mapping[tuple[GenerationId, GenerationId], datetime]
    crosses: Mapping[tuple[GenerationId, GenerationId], datetime]
    silent: frozenset[GenerationId]
    waves: Mapping[int, Progress]
    day: date


def read_standing(
    reading: Reading, nation: Nation, plan: Plan, digest: str, at: datetime, *, waves: bool = False
) -> Standing:
    """How what the plan speaks of stands now; what is not this home's is left out.

    Args:
        reading: Transactions in the home's databases.
        nation: What the home's edition comes to.
        plan: The migration.
        digest: SHA-256 of its file, by which steps name it.
        at: Now.
        waves: Whether holders are counted too, which takes a pass through all that is held.
    """
    keys: dict[KeyName, GenerationId] = {}
    states: dict[GenerationId, State] = {}
    named: dict[GenerationId, str] = {}
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
            told = zip(mine.history, key_lives.evidence_of(connection, name), strict=True)
            number = _by_evidence(
                [(one.step, one.generation) for one, text in told if digest in (text or "")]
            )
            old = number or _by_suites(table, mine, suites)
            pair = GenerationId(name, old), GenerationId(name, old + 1)
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
        frozenset(one for one in keys.values() if _is_silent(reading, one)),
        _waves(reading, nation, plan, keys, at) if waves else {},
        japanese_day(at),
    )


def _by_evidence(steps: list[tuple[Step, GenerationId]]) -> int | None:
    """The old key's number, by the steps that name the plan; None if none does."""
    return next((one.number if step is Step.RETIRE else one.number - 1 for step, one in steps), None)


def _by_suites(table: Authority, keys: Keys, suites: Mapping[GenerationId, str]) -> int:
    """The old key's number: the one that issues, unless the one that issues is the plan's new one already."""
    issuing = keys.issuing
    if issuing is None:
        return 1
    number = issuing.generation.number
    before = GenerationId(keys.authority, number - 1) if number > 1 else None
    coming = keys.lives[-1].state in COMING
    if coming or table.new is None or before is None:
        return number
    moved = (suites.get(before), suites.get(issuing.generation)) == (table.old.suite, table.new.suite)
    return number - 1 if moved and table.old.suite != table.new.suite else number


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


def _is_silent(reading: Reading, generation: GenerationId) -> bool:
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
