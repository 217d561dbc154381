"""What a relying party can reach on one day: from the anchors it has, over certificates that it can use, to a key.

A certificate is used if it is in its dates, its signature is by a suite that is believed and understood, its subject's
names are of a form that is compared, and its issuer's status is to be had. The first four are asked of every step of a
path, as RFC 5280 6.1.3 does.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from heapq import heappop, heappush
from itertools import count

from bridge.migrating.plan import Ability, Authority, Generation, NameForm, NewKey, Plan, StatusForm

_FOREVER = 4_000_000
"""An ordinal day after every date."""


_Cost = tuple[int, int, int]
"""Of a path: obstacles, links, steps."""


class Why(StrEnum):
    """Why somebody is left behind."""

    CROSS_NOT_YET = "cross-not-yet"
    CROSS_ENDED = "cross-ended"
    NO_CROSS = "no-cross"
    LINK_NOT_YET = "link-not-yet"
    LINK_ENDED = "link-ended"
    LINKS_NOT_FOLLOWED = "links-not-followed"
    SUITE_NOT_BELIEVED = "suite-not-believed"
    SUITE_NOT_UNDERSTOOD = "suite-not-understood"
    NAMES_NOT_UNDERSTOOD = "names-not-understood"
    KEY_RETIRED = "key-retired"
    LISTS_NOT_SIGNED = "lists-not-signed"
    LIST_FORM_NOT_READ = "list-form-not-read"
    NO_RESPONDER = "no-responder"
    WITHOUT_CERTIFICATE = "without-certificate"
    NOT_REISSUED = "not-reissued"
    BELIEVED_TOO_LONG = "believed-too-long"


@dataclass(frozen=True, slots=True)
class Key:
    """One key of a table's authorities, with its days as ordinals; a last day counts."""

    name: str
    suite: str
    sign_status_until: int
    believed_until: int
    names: NameForm
    lists: frozenset[StatusForm]
    made: int
    retired: int
    responder: tuple[int, int] | None

    def __str__(self) -> str:
        return self.name


@dataclass(frozen=True, slots=True, eq=False)
class Edge:
    """A certificate by one key for another; each is itself alone, also where two say the same."""

    by: Key
    to: Key
    link: bool
    first: int
    last: int

    def __str__(self) -> str:
        return f"the {'link' if self.link else 'cross-certificate'} {self.by} -> {self.to}"


@dataclass(frozen=True, slots=True, order=True)
class Obstacle:
    """What stands in the way, and the certificate or key that it is about."""

    why: Why
    about: str


@dataclass(frozen=True, slots=True)
class Web:
    """The keys of a plan and the certificates among them."""

    keys: Mapping[str, Key]
    edges: tuple[Edge, ...]
    by: Mapping[str, tuple[Edge, ...]]

    def days(self) -> Iterable[int]:
        """The days on which something about it changes."""
        for key in self.keys.values():
            yield from (key.made, key.sign_status_until + 1, key.believed_until + 1, key.retired + 1)
            if key.responder is not None:
                yield from (key.responder[0], key.responder[1] + 1)
        for edge in self.edges:
            yield from (edge.first, edge.last + 1)


def web_of(plan: Plan) -> Web:
    """The keys and certificates that the plan makes or finds."""
    keys = {str(key): key for table in plan.authorities for key in _keys(plan, table)}
    edges = [
        Edge(keys[one.by], keys[one.for_], False, one.from_.toordinal(), one.until.toordinal())
        for one in plan.crosses
    ]
    for table in plan.authorities:
        if table.new is None or table.new.links is None:
            continue
        old, new = (keys[f"{table.id}.{generation}"] for generation in Generation)
        last = (table.new.links_until or plan.period.ends).toordinal()
        edges += [
            Edge(one, other, True, table.new.links.toordinal(), last)
            for one, other in ((old, new), (new, old))
        ]
    by: dict[str, tuple[Edge, ...]] = {}
    for edge in edges:
        by[edge.by.name] = (*by.get(edge.by.name, ()), edge)
    return Web(keys, tuple(edges), by)


def _keys(plan: Plan, table: Authority) -> Iterable[Key]:
    old = table.old
    for generation, key in ((Generation.OLD, old), (Generation.NEW, table.new)):
        if key is None:
            continue
        life = plan.suites[key.suite]
        if isinstance(key, NewKey):
            made, retired = key.key.toordinal(), _FOREVER
            responder = None if key.responder is None else (key.responder.toordinal(), _FOREVER)
        else:
            made = 1
            retired = _FOREVER if key.retirement is None else key.retirement.toordinal()
            last = _FOREVER if key.responder_until is None else key.responder_until.toordinal()
            responder = (1, last) if key.responder else None
        yield Key(
            f"{table.id}.{generation}",
            key.suite,
            life.signs_lists_until.toordinal(),
            life.verify_until.toordinal(),
            key.names,
            frozenset(StatusForm(form) for form in key.lists),
            made,
            retired,
            responder,
        )


def obstacles_of(edge: Edge, ability: Ability, day: int) -> list[Obstacle]:
    """All that keeps a relying party from using a certificate between authorities on this day; the gravest first."""
    about = str(edge)
    found = _belief(edge.by, day)
    if day < edge.first:
        found.append(Obstacle(Why.LINK_NOT_YET if edge.link else Why.CROSS_NOT_YET, about))
    if day > edge.last:
        found.append(Obstacle(Why.LINK_ENDED if edge.link else Why.CROSS_ENDED, about))
    if edge.link and not ability.links:
        found.append(Obstacle(Why.LINKS_NOT_FOLLOWED, about))
    return [*found, *_understanding(edge.by, edge.to, ability), *_status(edge.by, ability, day)]


def holder_obstacles(key: Key, ability: Ability, day: int) -> list[Obstacle]:
    """All that keeps a relying party from using a holder's certificate by a key that it has reached."""
    return [*_belief(key, day), *_understanding(key, key, ability), *_status(key, ability, day)]


def _belief(key: Key, day: int) -> list[Obstacle]:
    if day <= key.believed_until:
        return []
    return [Obstacle(Why.SUITE_NOT_BELIEVED, f"{key.suite}, with which {key} signed")]


def _understanding(signer: Key, named: Key, ability: Ability) -> list[Obstacle]:
    found = []
    if signer.suite not in ability.suites:
        found.append(Obstacle(Why.SUITE_NOT_UNDERSTOOD, f"{signer.suite}, with which {signer} signs"))
    if named.names not in ability.names:
        found.append(Obstacle(Why.NAMES_NOT_UNDERSTOOD, f"{named}, whose names are {named.names}"))
    return found


def _status(key: Key, ability: Ability, day: int) -> list[Obstacle]:
    if day > key.retired:
        return [Obstacle(Why.KEY_RETIRED, f"{key}, which signs its lists no more")]
    if day > key.sign_status_until:
        return [Obstacle(Why.LISTS_NOT_SIGNED, f"{key}, whose suite may sign no list any more")]
    if _tells_status(key, ability, day):
        return []
    why = Why.NO_RESPONDER if StatusForm.OCSP in ability.status else Why.LIST_FORM_NOT_READ
    read = " or ".join(ability.status) or "nothing"
    return [Obstacle(why, f"{key}, for one that reads {read}")]


def _tells_status(key: Key, ability: Ability, day: int) -> bool:
    answers = key.responder is not None and key.responder[0] <= day <= key.responder[1]
    return any(answers if form is StatusForm.OCSP else form in key.lists for form in ability.status)


class View:
    """What one relying party sees of the web on one day."""

    def __init__(self, web: Web, anchor: str, ability: Ability, day: int) -> None:
        self._web, self._anchor, self._ability, self._day = web, anchor, ability, day
        self._lacking = {edge: found for edge in web.edges if (found := obstacles_of(edge, ability, day))}
        self._trusted = [
            key.name
            for generation in ability.trusts
            if (key := web.keys.get(f"{anchor}.{generation}")) is not None and key.made <= day
        ]
        self._found: Mapping[str, Obstacle | None] | None = None
        self.reached = self._reached()

    def _reached(self) -> frozenset[str]:
        """The keys to which a path leads."""
        found, waiting = set(self._trusted), list(self._trusted)
        while waiting:
            for edge in self._web.by.get(waiting.pop(), ()):
                if edge.to.name not in found and edge not in self._lacking:
                    found.add(edge.to.name)
                    waiting.append(edge.to.name)
        return frozenset(found)

    def obstacle_to(self, goal: str) -> Obstacle | None:
        """What keeps the relying party from holders' certificates of a key, or None if nothing does.

        What the holder's certificate lacks itself is told first: no path would help. Else, of all paths, the one that
        lacks least, and on it the first certificate that cannot be used.
        """
        itself = holder_obstacles(self._web.keys[goal], self._ability, self._day)
        if itself:
            return itself[0]
        if goal in self.reached:
            return None
        try:
            return self._firsts()[goal]
        except KeyError:
            about = f"{goal}, to which nothing leads from {self._anchor} as it is trusted"
            return Obstacle(Why.NO_CROSS, about)

    def _firsts(self) -> Mapping[str, Obstacle | None]:
        """The first obstacle on that way to each key to which there is any."""
        if self._found is not None:
            return self._found
        best: dict[str, Obstacle | None] = {}
        order = count()  # keeps equal costs in the plan's order
        waiting: list[tuple[_Cost, int, str, Obstacle | None]] = [
            ((0, 0, 0), next(order), name, None) for name in self._trusted
        ]
        while waiting:
            cost, _, here, first = heappop(waiting)
            if here in best:
                continue
            best[here] = first
            for edge in self._web.by.get(here, ()):
                lacking = self._lacking.get(edge, [])
                further = (cost[0] + len(lacking), cost[1] + edge.link, cost[2] + 1)
                heappush(waiting, (further, next(order), edge.to.name, first or next(iter(lacking), None)))
        self._found = best
        return best
