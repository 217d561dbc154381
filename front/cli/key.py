"""``kakehashi key``: an authority's keys, and the steps from one to the next."""

from __future__ import annotations

from contextlib import suppress
from typing import Any

import click

from bridge.crossing.rekeying import Rekeying
from bridge.crossing.retiring import end_issued
from bridge.repository.contents import publish_all
from bridge.repository.failures import Failures
from ca import suites
from ca.clock import utc_text
from ca.errors import BadInput, Conflict, KeyRefused, NotFound
from ca.issuing.renewal import renew_responders
from ca.issuing.step_undoing import DISCARDED_FOR
from ca.issuing.succession import Succession
from ca.model import AuthorityId, GenerationId, RevocationReason
from ca.rules import generations
from ca.rules.generations import COMING, Keys, Life, State, Step, newest_step
from ca.store import authorities, key_lives, officers
from front.assembly import World
from front.cli.common import Settings, command_options

AUTHORITY = click.argument("authority")
OFFICER = click.option("--officer", required=True, help="An operator of the centre.")
SECOND_OFFICER = click.option("--second-officer", required=True, help="Another operator of the centre.")
EVIDENCE = click.option(
    "--evidence", metavar="TEXT", help="What shows that it is right; kept in the journal. No personal data."
)

_EVIDENCE_LIMIT = 200  # characters

# Up to its cut-over; the others are other commands'.
_STEPS = [step.value for step in Step if step not in {Step.PLAN, Step.RETIRE, Step.DISCARD}]

_TAKEN_BACK = "taken back"


@click.group()
def key() -> None:
    """The keys of authorities: a new one is planned, made, linked with the old one, served, certified, and takes over.

    Every step is taken by the word of two operators of the centre.

    \b
    Begin with:
      kakehashi key plan jpki-31 --officer ito --second-officer endo --home world
      kakehashi key step jpki-31 --to cut-over --officer ito --second-officer endo --home world
    """


@key.command("list")
@click.argument("authority", required=False)
@command_options
def list_(settings: Settings, authority: str | None) -> None:
    """Every key of the authorities, or of one: where it stands, since when, and its next step. Opens no keys.

    A key whose newest step was taken back waits for it to be taken again; one whose plan was taken back, for a plan.

    \b
    Example:
      kakehashi key list jpki-31 --home world
    """
    rows: list[dict[str, object]] = []
    with settings.world() as world:
        wanted = world.plan.practices if authority is None else [known_authority(world, authority)]
        for one in wanted:
            with world.stores.of(one).reading() as connection:
                keys = key_lives.keys_of(connection, one)
                for life in keys.lives:
                    suite = key_lives.suite_of(connection, life.generation)
                    rows.append(_row(keys, life.generation, "" if suite is None else suite.id))
                with suppress(NotFound):
                    waiting = authorities.generation(connection, keys.next_generation)
                    rows.append(_row(keys, waiting.id, waiting.suite.id))
    settings.show(rows if settings.json else [_short(row) for row in rows], "Keys")


@key.command()
@AUTHORITY
@click.option(
    "--suite", "suite_name", metavar="SUITE", help="With which it is to sign; the edition's if not given."
)
@OFFICER
@SECOND_OFFICER
@EVIDENCE
@command_options
def plan(
    settings: Settings,
    authority: str,
    suite_name: str | None,
    officer: str,
    second_officer: str,
    evidence: str | None,
) -> None:
    """Plan an AUTHORITY's next key. Nothing is made yet.

    \b
    Example:
      kakehashi key plan jpki-31 --suite sha384-p384 --officer ito --second-officer endo --home world
    """
    suite = None if suite_name is None else suites.suite(suite_name, "--suite")
    with settings.world() as world:
        name, order = known_authority(world, authority), order_of(world, officer, second_officer, evidence)
        succession = _succession(world)
        coming = succession.keys(name).next_generation
        keys = succession.take(Step.PLAN, coming, suite=suite, at=world.clock(), evidence=order)
    settings.tell(_told(keys, coming, [Step.PLAN]))


@key.command()
@AUTHORITY
@click.option("--to", "to", type=click.Choice(_STEPS), help="Go on to this step; one step if not given.")
@OFFICER
@SECOND_OFFICER
@EVIDENCE
@command_options
def step(
    settings: Settings,
    authority: str,
    to: str | None,
    officer: str,
    second_officer: str,
    evidence: str | None,
) -> None:
    """Take the next step of an AUTHORITY's coming key, or all steps to one, and publish what they make.

    With renew-crosses, every authority of this home that certifies the old key certifies the new one; what has come to
    lack of that is made with every later step. With cut-over the new key issues, its services follow, and it certifies
    whom the old key does. Interrupted, it is given again; when there is nothing left to do, it says so by no step.

    \b
    Example:
      kakehashi key step jpki-31 --to cut-over --officer ito --second-officer endo --home world
    """
    taken: list[Step] = []
    with settings.world() as world:
        name, order = known_authority(world, authority), order_of(world, officer, second_officer, evidence)
        succession = _succession(world)
        coming = _newest(succession.keys(name)).generation
        rekeying = Rekeying(world.issuers, world.plan, world.chance)
        try:
            for one in _way(succession.keys(name), coming, to):
                if one in {Step.RENEW_CROSSES, Step.CUT_OVER}:
                    rekeying.renew_crosses(coming, at=world.clock())
                if one is Step.CUT_OVER:  # it takes over with a responder that is valid
                    with suppress(
                        KeyRefused
                    ):  # a suite is over, or another key is lost: all others are renewed
                        renew_responders(world.issuers, chance=world.chance, at=world.clock())
                succession.take(one, coming, at=world.clock(), evidence=order)
                taken.append(one)
            keys = succession.keys(name)
            # Be it that the command before this one died here, or that what was there is withdrawn.
            if newest_step(keys, coming) in {Step.RENEW_CROSSES, Step.CUT_OVER}:
                rekeying.renew_crosses(coming, at=world.clock())
            if newest_step(keys, coming) is Step.CUT_OVER:
                rekeying.certify_others(coming, at=world.clock())
        finally:  # what was made is published, whatever came then
            _publish(world)
    settings.tell(_told(keys, coming, taken))


@key.command()
@AUTHORITY
@OFFICER
@SECOND_OFFICER
@EVIDENCE
@command_options
def back(settings: Settings, authority: str, officer: str, second_officer: str, evidence: str | None) -> None:
    """Take back the newest step of an AUTHORITY's newest key, which has issued nothing: what it made is revoked.

    \b
    Example:
      kakehashi key back jpki-31 --officer ito --second-officer endo --home world
    """
    with settings.world() as world:
        name, order = known_authority(world, authority), order_of(world, officer, second_officer, evidence)
        succession = _succession(world)
        newest = _newest(succession.keys(name)).generation
        keys = succession.back(newest, at=world.clock(), evidence=order)
        _publish(world)
    settings.tell(_told(keys, newest, [keys.history[-1].step]))


@key.command()
@AUTHORITY
@click.option(
    "--reason",
    "word",
    type=click.Choice([reason.word for reason in DISCARDED_FOR]),
    required=True,
    help="keyCompromise: somebody else may have it, or does.",
)
@OFFICER
@SECOND_OFFICER
@EVIDENCE
@command_options
def discard(
    settings: Settings,
    authority: str,
    word: str,
    officer: str,
    second_officer: str,
    evidence: str | None,
) -> None:
    """Give up an AUTHORITY's coming key, which must not be used: all that it has is revoked, and its number is spent.

    The next plan is of a new key, which follows the one that issues.

    \b
    Example:
      kakehashi key discard jpki-31 --reason keyCompromise --officer ito --second-officer endo --home world
    """
    with settings.world() as world:
        name, order = known_authority(world, authority), order_of(world, officer, second_officer, evidence)
        succession = _succession(world)
        keys = succession.keys(name)
        coming = next((one.generation for one in keys.kept if one.state in COMING), keys.next_generation)
        reason = RevocationReason.parse(word)
        keys = succession.discard(coming, reason, at=world.clock(), evidence=order)
        _publish(world)
    settings.tell(_told(keys, coming, [Step.DISCARD]))


@key.command()
@AUTHORITY
@OFFICER
@SECOND_OFFICER
@EVIDENCE
@command_options
def retire(
    settings: Settings, authority: str, officer: str, second_officer: str, evidence: str | None
) -> None:
    """Retire an AUTHORITY's oldest key that signs lists alone: nothing that holders have of it may be valid any more.

    What it has certified of other authorities of this home, and of services, ends with it, and its last lists say so.
    It is refused while another CA leans on this key alone.

    \b
    Example:
      kakehashi key retire jpki-31 --officer ito --second-officer endo --home world
    """
    with settings.world() as world:
        name, order = known_authority(world, authority), order_of(world, officer, second_officer, evidence)
        succession = _succession(world)
        old = next(
            (one.generation for one in succession.keys(name).lives if one.state is State.STATUS_ONLY), None
        )
        if old is None:
            raise Conflict(f"authority {name}", "has no key that signs lists alone")
        issuing = succession.keys(name).issuing
        assert issuing is not None, "an authority with an old key has one that issues"
        # Be it that the command that cut over died: nobody is cut off whom the new key is to certify.
        Rekeying(world.issuers, world.plan, world.chance).certify_others(issuing.generation, at=world.clock())
        cause = f"retirement of {old}"
        end_issued(world.issuers, old, cause, order, lambda _: _publish(world), world.clock())
        keys = succession.take(Step.RETIRE, old, at=world.clock(), evidence=order)
        _publish(world)
    settings.tell(_told(keys, old, [Step.RETIRE]))


def _succession(world: World) -> Succession:
    return Succession(world.issuers, world.plan.municipalities, world.chance)


def order_of(world: World, officer: str, second_officer: str, evidence: str | None) -> str:
    """What the journal says of why a step is taken, and by whose word; NotFound, NotPermitted, or BadInput."""
    with world.stores.nation.reading() as connection:
        first, second = officers.two_operators(connection, officer, second_officer)
    words = f"by {first.id} and {second.id}"
    if evidence is None:
        return words
    if not evidence.strip() or not evidence.isprintable() or len(evidence) > _EVIDENCE_LIMIT:
        raise BadInput("--evidence", f"is not one line of at most {_EVIDENCE_LIMIT} characters")
    return f"{evidence}, {words}"


def known_authority(world: World, authority: str) -> AuthorityId:
    """The authority of this name, or NotFound."""
    if authority not in world.plan.practices:
        raise NotFound(f"authority {authority}", "is not one of this home's")
    return AuthorityId(authority)


def _newest(keys: Keys) -> Life:
    if not keys.kept:
        raise NotFound(f"authority {keys.authority}", "has no key in this home")
    return keys.kept[-1]


def _way(keys: Keys, coming: GenerationId, to: str | None) -> list[Step]:
    """The steps that are to be taken; none if the last of them was."""
    life = keys.life(coming)
    ahead = generations.next_step(keys, coming)
    # After a cut-over what it makes beside may lack still: the command that died in it is given again.
    if newest_step(keys, coming) is (Step.CUT_OVER if to is None else Step(to)):
        return []
    if life is None or life.state not in COMING or ahead is None:
        raise Conflict(
            f"authority {keys.authority}", "has no key on its way", remedy="`kakehashi key plan` plans one"
        )
    last = ahead if to is None else Step(to)
    return [*generations.missing_steps(life, last, coming), last]


def _publish(world: World) -> None:
    failures = Failures()
    with failures.kept():
        world.publish_changes()
    with failures.kept():
        publish_all(world.issuers, world.plan, world.repository, at=world.clock())
    failures.tell()


def _row(keys: Keys, generation: GenerationId, suite: str) -> dict[str, object]:
    life, ahead = keys.life(generation), generations.next_step(keys, generation)
    moved = [one for one in keys.history if one.generation == generation]
    return {
        "generation": str(generation),
        "suite": suite,
        "state": _TAKEN_BACK if life is None else life.state.value,
        "since": utc_text(moved[-1].at) if moved else None,
        "issues": life is not None and life == keys.issuing,
        "signs_lists": keys.makes_lists(generation),
        "taken_back": moved[-1].step.value if moved and moved[-1].back else None,
        "next_step": None if ahead is None else ahead.value,
    }


def _short(row: dict[str, object]) -> dict[str, object]:
    """For people: the state says what it may sign."""
    shown = {name: row[name] for name in ("generation", "suite", "state", "since", "next_step")}
    return shown if row["taken_back"] is None else {**shown, "next_step": f"{row['next_step']} again"}


def _told(keys: Keys, generation: GenerationId, steps: list[Step]) -> dict[str, Any]:
    life, issuing = keys.life(generation), keys.issuing
    ahead = generations.next_step(keys, generation)
    return {
        "generation": str(generation),
        "steps": [step.value for step in steps],
        "state": None if life is None else life.state.value,
        "issues": None if issuing is None else str(issuing.generation),
        "next_step": None if ahead is None else ahead.value,
    }
