"""A migration plan as values: what is done when, by whom, and for whom.

A plan leads a set of authorities from an old key to a new one. All dates are days in Japan. An ``until`` names the last
day that counts, a ``from`` the first.
"""

from __future__ import annotations

from datetime import date
from enum import StrEnum
from typing import Annotated, Literal

import msgspec

from ca.errors import BadInput

LONGEST_DAYS = 36_525
"""How many days a plan may cover: a hundred years."""

MOST_AUTHORITIES = 10_000

MOST_WAVE_DAYS = 10_000_000
"""How many days times waves are lived through: every municipality of the nation for 14 years, in a minute or two."""

Word = Annotated[str, msgspec.Meta(pattern=r"\A[a-z0-9][a-z0-9-]{0,39}\Z")]
_Text = Annotated[str, msgspec.Meta(pattern=r"\A[^\x00-\x1f\x7f]{1,120}\Z")]
_Count = Annotated[int, msgspec.Meta(ge=0, le=1_000_000_000)]
_Days = Annotated[int, msgspec.Meta(ge=1, le=LONGEST_DAYS)]


class PlanRefused(BadInput):
    """A file that does not describe a migration."""


class Generation(StrEnum):
    """Which of an authority's two keys."""

    OLD = "old"
    NEW = "new"


class NameForm(StrEnum):
    """How the names in a key's certificates are written (RFC 5280 4.1.2.4, 7.1)."""

    PRINTABLE = "printable"
    UTF8 = "utf8"


class StatusForm(StrEnum):
    """How a verifier learns what is revoked: a full list, one partitioned by a critical scope, or an answer."""

    FULL = "full"
    PARTITIONED = "partitioned"
    OCSP = "ocsp"


class _Table(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A table of the file: every key known, every value of its type."""


class SuiteLife(_Table, frozen=True, kw_only=True):
    """How long a suite signs and is believed. May-sign is not may-verify.

    Attributes:
        sign_until: The last day on which it signs certificates.
        lists_until: The last day on which it signs lists and answers; ``sign_until`` unless given.
        verify_until: The last day on which it is believed.
    """

    sign_until: date
    verify_until: date
    lists_until: date | None = None

    @property
    def signs_lists_until(self) -> date:
        """The last day on which it signs lists and answers."""
        return self.lists_until or self.sign_until


class Period(_Table, frozen=True, kw_only=True):
    """The days that the plan covers, both ends included."""

    begins: date
    ends: date


class Phases(_Table, frozen=True, kw_only=True):
    """The first day of each later phase: both old and new are used; only the new is. Before that: only the old."""

    both: date
    new_only: date


class HolderTable(_Table, frozen=True, kw_only=True):
    """What holders' certificates last, and what holders do then.

    Attributes:
        renewal_days: How long before its end they come for the next one, which supersedes it.
        lapsing_percent: How many of them let it run out instead, and come no more.
    """

    days: _Days
    renewal_days: Annotated[int, msgspec.Meta(ge=0, le=3_650)] = 30
    lapsing_percent: Annotated[int, msgspec.Meta(ge=0, le=100)] = 0


class OldKey(_Table, frozen=True, kw_only=True):
    """The key that an authority has.

    Attributes:
        responder: Whether a responder answers for it.
        responder_until: The last day that it does; as long as the key unless given.
        retirement: The last day that it signs anything; none if it stays.
    """

    suite: str
    names: NameForm = NameForm.PRINTABLE
    lists: tuple[Literal["full", "partitioned"], ...]
    responder: bool = False
    responder_until: date | None = None
    retirement: date | None = None


class NewKey(_Table, frozen=True, kw_only=True):
    """The key that it gets.

    Attributes:
        key: The day on which it is made, and certified by itself.
        links: The first day of NewWithOld and OldWithNew; none are made unless given.
        links_until: Their last day; they last as long as the plan unless given.
        responder: The first day on which a responder answers for it; never unless given.
        cut_over: The first day on which it issues; the old one issues no more.
    """

    suite: str
    names: NameForm = NameForm.UTF8
    lists: tuple[Literal["full", "partitioned"], ...]
    key: date
    links: date | None = None
    links_until: date | None = None
    responder: date | None = None
    cut_over: date


class Authority(_Table, frozen=True, kw_only=True):
    """An authority, or several that are alike.

    Attributes:
        members: What follows the id and a hyphen in the names of several: ``jpki`` with ``13`` is ``jpki-13``.
        issues: Whether it certifies holders.
        new: None for one that keeps its key.
    """

    id: Word
    members: tuple[Word, ...] = ()
    issues: bool = False
    old: OldKey
    new: NewKey | None = None

    @property
    def ids(self) -> tuple[str, ...]:
        """The names of the authorities that it stands for."""
        return tuple(f"{self.id}-{member}" for member in self.members) or (self.id,)


class Cross(_Table, frozen=True, kw_only=True):
    """A certificate by one authority's key for another's; keys are named ``id.old`` and ``id.new``."""

    by: str
    for_: str = msgspec.field(name="for")
    from_: date = msgspec.field(name="from")
    until: date


class Ability(_Table, frozen=True, kw_only=True):
    """What a relying party can do from a day on.

    Attributes:
        from_: None for what it could from the beginning.
        trusts: The generations of its anchor that are installed.
        suites: The suites that it understands and believes.
        links: Whether it follows link certificates.
        names: The forms of names that it compares.
        status: The forms of status that it reads; one of them is enough.
    """

    from_: date | None = msgspec.field(name="from", default=None)
    trusts: tuple[Generation, ...]
    suites: tuple[str, ...]
    links: bool
    names: tuple[NameForm, ...]
    status: tuple[StatusForm, ...]


class RelyingParty(_Table, frozen=True, kw_only=True):
    """Who verifies, from which anchor, with what; and the last day to which the plan promises to carry it."""

    id: Word
    anchor: Word
    carried_until: date | None = None
    abilities: Annotated[tuple[Ability, ...], msgspec.Meta(min_length=1, max_length=100)]


class Wave(_Table, frozen=True, kw_only=True):
    """Holders of some municipalities, and how many of them its windows serve on a working day.

    Attributes:
        authority: Who certifies them.
        holders: How many hold a certificate when the plan begins.
        begins, ends: When those with an old certificate are called in before it ends; they are not unless given.
    """

    authority: Word
    municipalities: Annotated[tuple[str, ...], msgspec.Meta(min_length=1, max_length=2_000)]
    holders: _Count
    daily: _Count
    begins: date | None = None
    ends: date | None = None


class Plan(_Table, frozen=True, kw_only=True):
    """The file as a whole; what its keys mean stands in docs/migrating.md."""

    format: int
    name: Word
    title: _Text
    period: Period
    phases: Phases
    suites: dict[Word, SuiteLife]
    holders: HolderTable
    authorities: Annotated[tuple[Authority, ...], msgspec.Meta(min_length=1)]
    crosses: tuple[Cross, ...] = ()
    relying_parties: Annotated[tuple[RelyingParty, ...], msgspec.Meta(min_length=1)]
    waves: tuple[Wave, ...] = ()

    def authority_of(self, member: str) -> Authority:
        """The table that stands for this authority."""
        return next(one for one in self.authorities if member in one.ids)
