"""``kakehashi verify``: the relying party at the command line."""

from __future__ import annotations

import re
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any, NoReturn

import click
import msgspec
from asn1crypto import pem
from rich.markup import escape

from bridge.manifest import Marking
from bridge.relying.fetch import SECONDS, FolderSource, HttpSource, Source
from bridge.relying.rejection import PathRejected, Reason
from bridge.relying.revocation import DeltaUsed, ListUsed
from bridge.relying.snapshot import Snapshot
from bridge.relying.verify import Trust, VerifiedPath
from bridge.relying.verify import verify as verify_path
from ca.clock import parse_moment, system_clock, utc_text
from ca.errors import BadInput, KakehashiError
from ca.wire.facts import CERTIFICATE_LIMIT, read_certificate
from front.cli.common import Settings, command_options_home_optional

# PEM is longer than its DER by a third, and may have words around it.
_FILE_LIMIT = 4 * CERTIFICATE_LIMIT
_URL = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*://.*", re.DOTALL)
_CANNOT_TELL = frozenset({Reason.CANNOT_TELL, Reason.UNREADABLE})
# Reasons that concern no one step of a path.
_NOWHERE = frozenset({Reason.NO_PATH, Reason.UNREADABLE})


@dataclass(frozen=True, slots=True)
class _World:
    """What a home gives a verifier: its trust, its moment, and what it publishes."""

    anchor: bytes
    policies: frozenset[str]
    marking: Marking
    at: datetime
    repository: Path


@click.command()
@click.argument("certificate", type=click.Path(path_type=Path))
@click.option(
    "--at", "at_text", metavar="MOMENT", help="Verify as of this moment, with the lists valid then."
)
@click.option(
    "--from",
    "origin",
    metavar="URL_OR_FOLDER",
    help="What is published: http://host[:port]/, or a folder.  [default: the home's repository]",
)
@click.option(
    "--anchor", type=click.Path(path_type=Path), help="The certificate to trust.  [default: the home's]"
)
@click.option(
    "--policy",
    "policies",
    multiple=True,
    metavar="OID",
    help="A policy to accept, in the anchor's domain; may be repeated.  [default: the home's]",
)
@click.option(
    "--production", is_flag=True, help="Trust for production: no test world's certificate is valid."
)
@click.option(
    "--timeout",
    type=click.IntRange(1, 3600),
    default=int(SECONDS),
    show_default=True,
    help="Seconds to wait for a server in all.",
)
@command_options_home_optional
def verify(
    settings: Settings,
    certificate: Path,
    at_text: str | None,
    origin: str | None,
    anchor: Path | None,
    policies: tuple[str, ...],
    production: bool,  # noqa: FBT001 - click calls by keyword
    timeout: int,
) -> None:
    """Verify a certificate from an anchor, through the bridges, with the lists of every step.

    What is published comes from the home, or by --from from a served world or a folder. Trust comes from the home, or
    from --anchor and --policy; never from what is fetched. The lists are those that were the newest at the moment.

    Exit status: 0 if valid; 1 if not valid, if that cannot be told (a list is missing, out of date or not to be had),
    or if the question itself is wrong. The first line names the verdict and, of what failed, step (0 is the anchor),
    place and clause; --json gives one object with verdict, step, place, clause, reason and problem.

    \b
    Examples:
      kakehashi verify 131016-000001-signature.pem --home world
      kakehashi verify 131016-000001-signature.pem --from http://127.0.0.1:8080/ \\
          --anchor gpki.cer --policy 2.999.2014.1.1 --at 2014-10-01T00:00:00Z
    """
    at = None if at_text is None else parse_moment(at_text, "--at")
    leaf = read_certificate_file(certificate)
    world = _world(settings)
    trust = _trust(world, anchor, policies, production=production)
    moment = at or (world.at if world else system_clock())
    with _source(origin, world, timeout) as source:
        try:
            snapshot = Snapshot.read(source)
        except BadInput as error:  # of what is published, not of what was handed in
            _say_no(settings, moment, error, Reason.UNREADABLE, None)
        try:
            path = verify_path(leaf, snapshot, trust, moment)
        except PathRejected as rejected:
            step = None if rejected.reason in _NOWHERE else rejected.step
            _say_no(settings, moment, rejected, rejected.reason, step)
    _say_valid(settings, path, snapshot)


def _world(settings: Settings) -> _World | None:
    """What the home gives, if one is named."""
    if settings.given_home is None:
        if settings.clock is not None:
            raise BadInput("--clock", "is a home's, and none is named", remedy="Use --at")
        return None
    with settings.world() as world:
        repository = world.home.repository
        anchor = read_certificate_file(repository / "g" / f"{world.plan.anchor}.g1" / "self.cer")
        policies = frozenset(world.plan.trusted_policies)
        return _World(anchor, policies, world.plan.marking, world.clock(), repository)


def _trust(
    world: _World | None, anchor: Path | None, policies: tuple[str, ...], *, production: bool
) -> Trust:
    """The trust that the options name, and the home's where they name none."""
    if world is None:
        if anchor is None:
            raise _missing("--anchor", "the file of the certificate to trust")
        if not policies:
            raise _missing("--policy", "the policy to accept, in the anchor's domain")
        marking = Marking.PRODUCTION if production else Marking.TEST
        return Trust((read_certificate_file(anchor),), frozenset(policies), marking)
    return Trust(
        anchors=(world.anchor if anchor is None else read_certificate_file(anchor),),
        policies=frozenset(policies) or world.policies,
        marking=Marking.PRODUCTION if production else world.marking,
    )


def _missing(option: str, what: str) -> BadInput:
    return BadInput(
        option, "is needed without a home", remedy=f"Name {what}; what is fetched is never trusted"
    )


@contextmanager
def _source(origin: str | None, world: _World | None, seconds: float) -> Iterator[Source]:
    """Where what is published is read."""
    if origin is not None and _URL.fullmatch(origin):
        with HttpSource(origin, seconds) as source:
            yield source
    elif origin is not None:
        yield FolderSource(Path(origin))
    elif world is not None:
        yield FolderSource(world.repository)
    else:
        raise BadInput(
            "--from", "is needed without a home", remedy="Name --home, or a URL or folder by --from"
        )


def _say_valid(settings: Settings, path: VerifiedPath, snapshot: Snapshot) -> None:
    facts = [read_certificate(der, f"step {step}") for step, der in enumerate(path.certificates)]
    # By id, for subjects are people. The anchor has issued itself.
    ids = [
        f"{snapshot.generation_of(issuer)}:{certificate.serial:040x}"
        for issuer, certificate in zip([facts[0], *facts], facts, strict=False)
    ]
    fields: dict[str, Any] = {
        "verdict": "valid",
        "at": utc_text(path.at),
        "path": ids,
        "policies": sorted(path.policies),
    }
    if settings.json:
        named = [_named(used) for used in path.lists]
        _print_json({**fields, "lists": named, "step": None, "place": None, "clause": None, "reason": None})
    else:
        settings.tell({**fields, "lists": [_said(used) for used in path.lists]})


def _named(used: ListUsed) -> dict[str, Any]:
    """A list that was asked, and the delta list with it, or why one that is named was not added."""
    fields = _place(used)
    if used.delta is not None:
        fields["delta"] = _place(used.delta)
    if used.without_delta is not None:
        fields["without_delta"] = used.without_delta
    return fields


def _place(used: ListUsed | DeltaUsed) -> dict[str, Any]:
    return {"place": used.place, "number": used.number, "this_update": utc_text(used.this_update)}


def _said(used: ListUsed) -> str:
    words = f"{used.place} number {used.number} of {utc_text(used.this_update)}"
    if used.delta is not None:
        words += f", with its delta list number {used.delta.number} of {utc_text(used.delta.this_update)}"
    return words if used.without_delta is None else f"{words}, without its delta list: {used.without_delta}"


def _say_no(
    settings: Settings, at: datetime, error: KakehashiError, reason: Reason, step: int | None
) -> NoReturn:
    """Say why there is no valid path, and end with status 1."""
    verdict = "cannot tell" if reason in _CANNOT_TELL else "not valid"
    if settings.json:
        _print_json(
            {
                "verdict": verdict,
                "at": utc_text(at),
                "step": step,
                "place": error.place,
                "clause": error.clause,
                "reason": reason.value,
                "problem": error.problem,
            }
        )
    else:
        place = error.place if step is None else f"step {step} ({error.place})"
        clause = f" ({error.clause})" if error.clause else ""
        settings.console().print(f"[bold red]{verdict}[/]: {escape(f'{place}: {error.problem}{clause}')}")
    sys.exit(1)


def _print_json(fields: dict[str, Any]) -> None:
    click.echo(msgspec.json.encode(fields).decode())


def read_certificate_file(path: Path) -> bytes:
    """A certificate's DER, from a file of DER or PEM, or BadInput."""
    try:
        with path.open("rb") as file:
            octets = file.read(_FILE_LIMIT + 1)
        if len(octets) > _FILE_LIMIT:
            raise BadInput(str(path), f"longer than {_FILE_LIMIT} octets")
        if not pem.detect(octets):
            return octets
        label, _, der = pem.unarmor(octets)
    except OSError as error:
        raise BadInput(str(path), f"cannot be read: {error.strerror}") from None
    except ValueError as error:
        raise BadInput(str(path), f"is not PEM: {error}") from None
    if label != "CERTIFICATE":
        raise BadInput(str(path), f"is PEM of {label!r}, not of a certificate")
    return bytes(der)
