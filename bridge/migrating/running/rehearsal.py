"""A task carried out on a copy of the home, and what relying parties would then say, held against the simulation.

From each generation of each anchor that the plan names, certificates of each key are really verified with what the copy
publishes: some of its holders', and its responder's. The verifier follows links, understands every suite and form; what
a relying party cannot do itself is the simulation's matter. A certificate that the plan says is valid and that is refused
fails the rehearsal.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from enum import StrEnum
from itertools import islice

from bridge.crossing.plan import Plan as Nation
from bridge.migrating.plan import Ability, NameForm, Plan, StatusForm
from bridge.migrating.running.standing import KeyName, Standing
from bridge.migrating.running.tasks import open_tasks
from bridge.migrating.trusting import Obstacle, View, Why, web_of
from bridge.relying.finding.material import Material
from bridge.relying.rejection import PathRejected
from bridge.relying.trust import Trust
from bridge.relying.verify import verify
from ca.model import CertificateId, CertificateKind, GenerationId, RevocationReason
from ca.rules.generations import MAY_SIGN_STATUS, State
from ca.rules.validity import japanese_day
from ca.store import authorities, certificates, holdings, key_needs, lives
from ca.store.certificates import CertificateRecord, CertificateState
from ca.store.connections import Reading
from ca.store.stores import Stores

SAMPLES = 3
"""How many holders of each key are looked at, unless said otherwise."""

_DAY = timedelta(days=1)
_ISSUED = CertificateState.ISSUED
# What a home cannot show: what relying parties decide themselves, and who is called in when.
_NOT_SHOWN = frozenset(
    {Why.SUITE_NOT_BELIEVED, Why.SUITE_NOT_UNDERSTOOD, Why.NAMES_NOT_UNDERSTOOD, Why.LIST_FORM_NOT_READ}
)


class Agreement(StrEnum):
    """What a verdict is, held against the plan's."""

    AS_PLANNED = "as planned"
    STRANDED = "refused, and the plan says valid"
    WIDER = "valid, and the plan says refused"
    NOT_SHOWN = "the plan's word is about relying parties"


@dataclass(frozen=True, slots=True)
class Sample:
    """A certificate that was verified from one anchor.

    Attributes:
        anchor: The key that is trusted.
        key: The key that has issued it.
        planned: What the simulation says stands in the way on that day; before and after what is open of the day.
        found: Why it is refused; None if it is valid.
    """

    anchor: KeyName
    key: KeyName
    certificate: CertificateId
    planned: tuple[Obstacle | None, ...]
    found: str | None

    @property
    def agreement(self) -> Agreement:
        """Whether the home does what the plan says."""
        valid = self.found is None
        if (None in self.planned) if valid else any(self.planned):
            return Agreement.AS_PLANNED
        if not valid:
            return Agreement.STRANDED
        theirs = all(one is not None and one.why in _NOT_SHOWN for one in self.planned)
        return Agreement.NOT_SHOWN if theirs else Agreement.WIDER


@dataclass(frozen=True, slots=True)
class Verifiers:
    """What samples are verified with.

    Attributes:
        material: What the copy publishes.
        nation: Whose policies are asked for.
        at: The moment.
    """

    material: Material = field(repr=False)
    nation: Nation
    at: datetime


def compare(
    stores: Stores, plan: Plan, standing: Standing, verifiers: Verifiers, samples: int = SAMPLES
) -> list[Sample]:
    """Verify samples of each key from each anchor, and say what the plan says of them.

    Args:
        stores: Of the copy, as it is after the task.
        plan: The migration.
        standing: How it stands there.
        verifiers: What is published there.
        samples: How many holders of each key are looked at.
    """
    views = _Views(plan, standing, japanese_day(verifiers.at))
    # Nobody comes across a key before its status is served.
    served = {
        key: generation
        for key, generation in standing.keys.items()
        if standing.states.get(generation) in MAY_SIGN_STATUS | {State.RETIRED}
    }
    names = {party.anchor for party in plan.relying_parties}
    found: list[Sample] = []
    with stores.reading() as reading:
        anchors = {
            key: _self_signed(reading, generation)
            for key, generation in served.items()
            if key.authority in names
        }
        for key, generation in served.items():
            for record in _sampled(reading, generation, samples, verifiers.at):
                for anchor, encoded in anchors.items():
                    reason = _verdict(record.encoded, encoded, verifiers)
                    found.append(Sample(anchor, key, record.id, views.of(anchor, key), reason))
    return found


class _Views:
    """What the simulation says of a day; and, while some of what it asks for by then is open, of the day before that."""

    def __init__(self, plan: Plan, standing: Standing, today: date) -> None:
        self._plan, self._web = plan, web_of(plan)
        late = [task.day for task in open_tasks(plan, standing) if task.day <= today]
        self._days = (today, *([min(late) - _DAY] if late else []))

    def of(self, anchor: KeyName, key: KeyName) -> tuple[Obstacle | None, ...]:
        """What stands between an anchor and a key, on each of these days."""
        name = f"{self._plan.authority_of(key.authority).id}.{key.generation}"
        return tuple(
            View(self._web, anchor.authority, self._all(anchor), day.toordinal()).obstacle_to(name)
            for day in self._days
        )

    def _all(self, anchor: KeyName) -> Ability:
        return Ability(
            trusts=(anchor.generation,),
            suites=tuple(self._plan.suites),
            links=True,
            names=tuple(NameForm),
            status=tuple(StatusForm),
        )


def _self_signed(reading: Reading, generation: GenerationId) -> bytes:
    connection = reading.of(generation.authority)
    serial = authorities.generation(connection, generation).serial
    return certificates.find(connection, CertificateId(generation, serial)).encoded


def _sampled(
    reading: Reading, generation: GenerationId, most: int, at: datetime
) -> Iterator[CertificateRecord]:
    """Some certificates of a key that should be valid: holders', and its responder's."""
    held = holdings.ending_first(reading.nation, generation, 8 * most, at)  # some have been revoked
    standing = [
        life.certificate
        for life in lives.of(reading, held)
        if life.reason in {None, RevocationReason.REMOVE_FROM_CRL}
    ]
    good = (one for one in certificates.several(reading, sorted(standing)) if one.state is _ISSUED)
    yield from islice(good, most)
    for one in key_needs.services(reading, generation, at):
        if one.kind is CertificateKind.OCSP_RESPONDER and one.state is _ISSUED:
            yield one
            return


def _verdict(leaf: bytes, anchor: bytes, verifiers: Verifiers) -> str | None:
    nation = verifiers.nation
    trust = Trust((anchor,), frozenset(nation.trusted_policies), nation.marking, legacy=nation.legacy)
    try:
        verify(leaf, verifiers.material, trust, verifiers.at)
    except PathRejected as rejected:
        return f"{rejected.reason.value}: {rejected}"
    return None
