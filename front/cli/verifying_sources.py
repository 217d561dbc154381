"""Where ``kakehashi verify`` gets what it works with: files, a home, and what is published or was taken away."""

from __future__ import annotations

import re
import ssl
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import datetime
from pathlib import Path

import click
from asn1crypto import pem

from bridge.directory.connection import Server
from bridge.manifest import Marking
from bridge.relying.budget import USUAL, Limits
from bridge.relying.finding.directory import DirectoryMaterial
from bridge.relying.finding.fetch import FolderSource, HttpSource
from bridge.relying.finding.material import Material
from bridge.relying.finding.online import Addresses, Online
from bridge.relying.finding.several import Several
from bridge.relying.finding.snapshot import Snapshot
from bridge.relying.telling.bundle import Bundled
from bridge.relying.telling.bundle_file import unpack
from bridge.relying.trust import Trust
from ca.errors import BadInput
from ca.suites import LEGACY, SuiteId
from ca.wire.facts import CERTIFICATE_LIMIT
from front.cli.common import Settings

# PEM is longer than its DER by a third, and may have words around it.
_FILE_LIMIT = 4 * CERTIFICATE_LIMIT
_URL = re.compile(r"(?P<scheme>[A-Za-z][A-Za-z0-9+.-]*)://.*", re.DOTALL)


legacy_option = click.option(
    "--legacy",
    type=click.Choice(sorted(LEGACY)),
    multiple=True,
    callback=lambda _context, _option, named: frozenset(map(SuiteId, named)),
    help="Also believe signatures of this suite, SHA-1's, until its date; may be repeated.  "
    "[default: those that the home's edition names, else none]",
)


@dataclass(frozen=True, slots=True)
class HomeWorld:
    """What a home gives a verifier: its trust, its moment, and what it publishes.

    Attributes:
        legacy: The legacy suites that its edition names.
    """

    anchor: bytes
    policies: frozenset[str]
    marking: Marking
    at: datetime
    repository: Path
    legacy: frozenset[SuiteId] = frozenset()


class SourceUnreadable(Exception):
    """What is published cannot be read: a verdict of its own, and no wrong question.

    Attributes:
        error: Where and why.
    """

    def __init__(self, error: BadInput) -> None:
        super().__init__(str(error))
        self.error = error


@dataclass(frozen=True, slots=True)
class Opened:
    """A material, and the moment that it is about, if it is a bundle."""

    material: Material
    at: datetime | None = None


def world_of(settings: Settings) -> HomeWorld | None:
    """What the home gives, if one is named."""
    if settings.given_home is None:
        if settings.clock is not None:
            raise BadInput("--clock", "is a home's, and none is named", remedy="Use --at")
        return None
    with settings.world() as world:
        repository = world.home.repository
        anchor = read_certificate_file(repository / "g" / f"{world.plan.anchor}.g1" / "self.cer")
        policies = frozenset(world.plan.trusted_policies)
        return HomeWorld(anchor, policies, world.plan.marking, world.clock(), repository, world.plan.legacy)


def legacy_of_home(settings: Settings) -> frozenset[SuiteId]:
    """The legacy suites that the edition of the home names, if a home is named."""
    if settings.given_home is None:
        return frozenset()
    with settings.world() as world:
        return world.plan.legacy


def trust_of(
    world: HomeWorld | None,
    anchor: Path | None,
    policies: tuple[str, ...],
    limits: Limits,
    legacy: frozenset[SuiteId] = frozenset(),
    *,
    production: bool,
) -> Trust:
    """The trust that the options name, and the home's where they name none."""
    if world is None:
        if anchor is None:
            raise _missing("--anchor", "the file of the certificate to trust")
        if not policies:
            raise _missing("--policy", "the policy to accept, in the anchor's domain")
        marking = Marking.PRODUCTION if production else Marking.TEST
        anchors = (read_certificate_file(anchor),)
        return Trust(anchors, frozenset(policies), marking, limits=limits, legacy=legacy)
    return Trust(
        anchors=(world.anchor if anchor is None else read_certificate_file(anchor),),
        policies=frozenset(policies) or world.policies,
        marking=Marking.PRODUCTION if production else world.marking,
        limits=limits,
        legacy=legacy | world.legacy,
    )


def limits_of(seconds: int) -> Limits:
    """The usual limits, with this patience for a server."""
    return replace(USUAL, seconds=float(seconds))


@contextmanager
def opened(
    origin: str | None,
    world: HomeWorld | None,
    trust: Trust,
    online: Addresses | None,
    tls: ssl.SSLContext | None = None,
) -> Iterator[Opened]:
    """What is published at a URL or in a folder, or a bundle; and besides it what certificates themselves name.

    By ``tls`` a server is spoken to whose URL is one of https; what certificates name is fetched without.

    Raises:
        BadInput: Nothing is named.
        SourceUnreadable: The beginning of what is published cannot be read.
    """
    if online is None:
        with published_at(origin, world, trust.limits, tls) as published:
            yield published
        return
    named = Online(trust.anchors, trust.limits, online)
    if origin is None and world is None:
        yield Opened(named)
        return
    with published_at(origin, world, trust.limits, tls) as published:
        yield Opened(Several(published.material, named), published.at)


@contextmanager
def published_at(
    origin: str | None, world: HomeWorld | None, limits: Limits, tls: ssl.SSLContext | None = None
) -> Iterator[Opened]:
    """What is published at a URL or in a folder, or a bundle; raises as ``opened`` does."""
    scheme = _URL.fullmatch(origin) if origin is not None else None
    if scheme is not None and scheme["scheme"].lower() in {"ldap", "ldaps"}:
        with DirectoryMaterial(Server(scheme.string), limits) as directory:
            yield Opened(directory)
    elif scheme is not None:
        with HttpSource(scheme.string, limits.seconds, tls=tls) as source:
            yield Opened(_read(source))
    elif origin is not None and Path(origin).is_file():
        content = unpack(Path(origin))
        yield Opened(Bundled(content, origin), content.at)
    elif origin is not None:
        yield Opened(_read(FolderSource(Path(origin))))
    elif world is not None:
        yield Opened(_read(FolderSource(world.repository)))
    else:
        raise BadInput(
            "--from",
            "is needed without a home",
            remedy="Name --home, or a URL, folder or bundle by --from, or say --online",
        )


def read_file(path: Path, limit: int) -> bytes:
    """A file's octets, at most so many, or BadInput."""
    try:
        with path.open("rb") as file:
            octets = file.read(limit + 1)
    except OSError as error:
        raise BadInput(str(path), f"cannot be read: {error.strerror}") from None
    if len(octets) > limit:
        raise BadInput(str(path), f"longer than {limit} octets")
    return octets


def read_certificate_file(path: Path) -> bytes:
    """A certificate's DER, from a file of DER or PEM, or BadInput."""
    octets = read_file(path, _FILE_LIMIT)
    try:
        if not pem.detect(octets):
            return octets
        label, _, der = pem.unarmor(octets)
    except ValueError as error:
        raise BadInput(str(path), f"is not PEM: {error}") from None
    if label != "CERTIFICATE":
        raise BadInput(str(path), f"is PEM of {label!r}, not of a certificate")
    return bytes(der)


def _read(source: FolderSource | HttpSource) -> Snapshot:
    try:
        return Snapshot.read(source)
    except BadInput as error:
        raise SourceUnreadable(error) from error


def _missing(option: str, what: str) -> BadInput:
    return BadInput(
        option, "is needed without a home", remedy=f"Name {what}; what is fetched is never trusted"
    )
