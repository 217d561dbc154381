"""The offices of an edition: the sub-offices that it names, and every municipality's window."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from bridge.crossing.edition import Edition, OfficeTable
from ca.errors import EditionRefused
from ca.model import AuthorityId, Office, OfficeId, OfficeKind
from ca.names import Municipalities
from ca.profiles.practice import AuthorityRole, Practice

# Who may issue what an office of this kind applies for.
_ROLES = {
    OfficeKind.MINISTRY: AuthorityRole.GOVERNMENT,
    OfficeKind.LOCAL_GOVERNMENT: AuthorityRole.ORGANISATION,
}
_FOR_RESIDENTS = (AuthorityRole.PREFECTURE, AuthorityRole.NATIONAL)


@dataclass(frozen=True, slots=True)
class OfficeNames:
    """What people call an office, in either language."""

    japanese: str
    english: str


def office_names(edition: Edition, municipalities: Municipalities) -> dict[OfficeId, OfficeNames]:
    """The names of every office: the edition's, and the table's, whose romaji stand for English."""
    names = {
        OfficeId(row.code): OfficeNames(row.name, row.romaji) for row in municipalities if row.has_window
    }
    for table in edition.offices:
        names[OfficeId(table.id)] = OfficeNames(table.japanese_name or table.name, table.name)
    return names


def plan_offices(
    edition: Edition, practices: Mapping[AuthorityId, Practice], municipalities: Municipalities
) -> tuple[Office, ...]:
    """Every office, the named ones first, or EditionRefused saying which does not fit."""
    if len({table.id for table in edition.offices}) < len(edition.offices):
        raise EditionRefused("offices", "an id stands there twice")
    if [table.kind for table in edition.offices].count("centre") != 1:
        raise EditionRefused("offices", "there is not exactly one centre")
    named = [
        _named(table, practices, f"offices[{index}].authority") for index, table in enumerate(edition.offices)
    ]
    return (*named, *_windows(practices, municipalities))


def _named(table: OfficeTable, practices: Mapping[AuthorityId, Practice], where: str) -> Office:
    kind = OfficeKind(table.kind)
    authorities: tuple[AuthorityId, ...] = ()
    if table.authority is not None:
        authorities = (known_authority(table.authority, practices, where),)
    if kind in _ROLES:
        if not authorities:
            raise EditionRefused(where, f"is missing: who issues what a {kind} applies for?")
        (authority,) = authorities
        if practices[authority].role is not _ROLES[kind]:
            raise EditionRefused(
                where, f"{authority} has the role {practices[authority].role}, not {_ROLES[kind]}"
            )
    elif authorities:
        raise EditionRefused(where, f"a {kind} applies for nothing")
    return Office(OfficeId(table.id), kind, table.name, authorities)


def _windows(practices: Mapping[AuthorityId, Practice], municipalities: Municipalities) -> list[Office]:
    """A window for each municipality that an authority serves."""
    serving = [practice for practice in practices.values() if practice.role in _FOR_RESIDENTS]
    windows = []
    for municipality in municipalities:
        here = [practice for practice in serving if practice.serves(municipality)]
        kinds = [kind for practice in here for kind in practice.holders]
        if len(set(kinds)) < len(kinds):
            names = " and ".join(practice.authority for practice in here)
            raise EditionRefused(
                "authorities", f"{names} issue one kind at the window of {municipality.code}"
            )
        if here:
            authorities = tuple(practice.authority for practice in here)
            office = OfficeId(municipality.code)
            windows.append(Office(office, OfficeKind.WINDOW, municipality.name, authorities))
    return windows


def known_authority(name: str, practices: Mapping[AuthorityId, Practice], where: str) -> AuthorityId:
    """The authority of this name, or EditionRefused."""
    authority = AuthorityId(name)
    if authority not in practices:
        raise EditionRefused(where, f"the CA {name!r} is missing from authorities and prefectures")
    return authority
