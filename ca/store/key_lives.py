"""Where each key of an authority stands, and what was done with it, as the rules of generations have it.

The journal's records make it, one after the other; which steps may be taken is for the rules to say before that.
"""

from __future__ import annotations

from collections.abc import Collection

from sqlalchemy import Connection, delete, insert, select, update

from ca.journal.entries import KeyStepEntry
from ca.model import AuthorityId, GenerationId
from ca.rules.generations import COMING, MAY_SIGN_STATUS, OVER, Keys, Life, State, Step, StepTaken, moved
from ca.store.tables import key_lives, key_steps
from ca.suites import Suite, suite


def keys_of(connection: Connection, authority: AuthorityId) -> Keys:
    """An authority's keys and what was done with them; none if it has none in this home."""
    lives, steps = key_lives.c, key_steps.c
    states = select(lives.number, lives.state).where(lives.authority == authority).order_by(lives.number)
    taken = select(key_steps).where(steps.authority == authority).order_by(steps.journal_index)
    return Keys(
        authority,
        tuple(
            Life(GenerationId(authority, row.number), State(row.state)) for row in connection.execute(states)
        ),
        tuple(
            StepTaken(Step(row.step), GenerationId.parse(row.generation), row.at, row.back)
            for row in connection.execute(taken)
        ),
    )


def life_of(connection: Connection, generation: GenerationId) -> Life | None:
    """Where this key stands, if it is planned or more, and this home's."""
    query = select(key_lives.c.state).where(key_lives.c.generation == str(generation))
    state = connection.execute(query).scalar_one_or_none()
    return None if state is None else Life(generation, State(state))


def predecessor(connection: Connection, generation: GenerationId) -> GenerationId | None:
    """The authority's key that this one follows; None for the first."""
    return keys_of(connection, generation.authority).predecessor(generation)


def suite_of(connection: Connection, generation: GenerationId) -> Suite | None:
    """With which suite this key is planned to sign, or signs; None if it is not planned."""
    query = select(key_lives.c.suite).where(key_lives.c.generation == str(generation))
    found = connection.execute(query).scalar_one_or_none()
    return None if found is None else suite(found, f"generation {generation}")


def evidence_of(connection: Connection, authority: AuthorityId) -> list[str | None]:
    """What each step of the authority's history was taken on, in its order."""
    query = select(key_steps.c.evidence).where(key_steps.c.authority == authority)
    return list(connection.execute(query.order_by(key_steps.c.journal_index)).scalars())


def standing(connection: Connection, states: Collection[State]) -> frozenset[GenerationId]:
    """The keys of this database that stand so."""
    query = select(key_lives.c.generation).where(key_lives.c.state.in_(states))
    return frozenset(GenerationId.parse(text) for text in connection.execute(query).scalars())


def signing_status(connection: Connection) -> frozenset[GenerationId]:
    """The keys of this database whose status is served: they make lists, and have responders."""
    return standing(connection, MAY_SIGN_STATUS)


def making_lists(connection: Connection) -> frozenset[GenerationId]:
    """The keys of this database that make lists: those whose status is served, and those on their way for which it was."""
    lives, steps = key_lives.c, key_steps.c
    # Few have been served and wait again; a nation's keys are planned on one day.
    served = (
        select(lives.generation)
        .join(key_steps, steps.generation == lives.generation)
        .where(lives.state.in_(COMING - MAY_SIGN_STATUS), steps.step == Step.SERVE_STATUS)
    )
    waiting = {GenerationId.parse(text) for text in connection.execute(served.distinct()).scalars()}
    again = {one for one in waiting if keys_of(connection, one.authority).makes_lists(one)}
    return signing_status(connection) | again


def public(connection: Connection) -> frozenset[GenerationId]:
    """The keys of this database that anybody may come across: those that make lists, or did until they retired."""
    return making_lists(connection) | standing(connection, {State.RETIRED})


def take_over(connection: Connection, generation: GenerationId, used: Suite) -> None:
    """Have a key that was never planned issue from now on, and those before it sign status alone.

    So it is with an authority's first key, and so it was with every key before their steps were written down.
    """
    if life_of(connection, generation) is not None:
        return
    older = (key_lives.c.authority == generation.authority) & (key_lives.c.number < generation.number)
    going = older & key_lives.c.state.not_in(OVER)
    connection.execute(update(key_lives).where(going).values(state=State.STATUS_ONLY))
    _add(connection, generation, used.id, State.ACTIVE)


def note_step(connection: Connection, entry: KeyStepEntry, index: int) -> None:
    """Write down a step that the record of this index tells of, if it is not known."""
    generation, step = GenerationId.parse(entry.generation), Step(entry.step)
    steps = key_steps.c
    known = select(steps.journal_index).where(
        steps.authority == generation.authority, steps.journal_index == index
    )
    if connection.execute(known).first() is not None:
        return
    before = keys_of(connection, generation.authority)
    after = moved(before, StepTaken(step, generation, entry.at, entry.back))
    there = {life.generation: life.state for life in before.lives}
    for life in after.lives:
        if life.generation not in there:
            _add(connection, life.generation, entry.suite, life.state)
        elif there.pop(life.generation) is not life.state:
            changed = update(key_lives).where(key_lives.c.generation == str(life.generation))
            connection.execute(changed.values(state=life.state))
    for gone in there.keys() - {life.generation for life in after.lives}:
        connection.execute(delete(key_lives).where(key_lives.c.generation == str(gone)))
    values = {
        "authority": generation.authority,
        "journal_index": index,
        "generation": str(generation),
        "suite": entry.suite,
        "step": step,
        "back": entry.back,
        "at": entry.at,
        "evidence": entry.evidence,
    }
    connection.execute(insert(key_steps).values(values))


def _add(connection: Connection, generation: GenerationId, used: str, state: State) -> None:
    values = {
        "generation": str(generation),
        "authority": generation.authority,
        "number": generation.number,
        "suite": used,
        "state": state,
    }
    connection.execute(insert(key_lives).values(values))
