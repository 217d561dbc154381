"""``kakehashi verify``: the relying party at the command line."""

from __future__ import annotations

import sys
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

import click

from bridge.relying.finding.fetch import SECONDS
from bridge.relying.finding.material import Material
from bridge.relying.finding.online import Addresses
from bridge.relying.rejection import PathRejected, Reason
from bridge.relying.telling.bundle import bundle
from bridge.relying.telling.bundle_file import pack
from bridge.relying.telling.drawing import draw
from bridge.relying.telling.explaining import explain
from bridge.relying.telling.words import Language
from bridge.relying.trust import Trust
from bridge.relying.verify import VerifiedPath
from bridge.relying.verify import verify as verify_path
from ca.clock import parse_moment, system_clock, utc_text
from ca.errors import BadInput
from ca.suites import SuiteId
from front.cli.common import Settings, command_options_home_optional
from front.cli.explaining_paths import explanation_fields, show
from front.cli.tls import tls_for, tls_options
from front.cli.verdicts import refusal_fields, say, say_no, verdict_fields
from front.cli.verifying_sources import (
    SourceUnreadable,
    legacy_option,
    limits_of,
    opened,
    read_certificate_file,
    trust_of,
    world_of,
)

__all__ = ["read_certificate_file", "verify"]  # other commands read certificates' files too


@click.command()
@click.argument("certificate", type=click.Path(path_type=Path))
@click.option(
    "--at", "at_text", metavar="MOMENT", help="Verify as of this moment, with the lists valid then."
)
@click.option(
    "--from",
    "origin",
    metavar="SOURCE",
    help="What is published: http[s]://host[:port]/, ldap://host[:port], a folder; or a bundle.  "
    "[default: the home's repository]",
)
@click.option(
    "--online",
    type=click.Choice([addresses.value for addresses in Addresses]),
    help="Also ask the servers that certificates and lists name (AIA, SIA, lists, OCSP): at public addresses alone, or "
    "at any, for laboratories.",
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
@legacy_option
@click.option(
    "--timeout",
    type=click.IntRange(1, 3600),
    default=int(SECONDS),
    show_default=True,
    help="Seconds to wait for a server in all.",
)
@click.option("--explain", "explained", is_flag=True, help="Show every candidate path and what ended it.")
@click.option("--svg", type=click.Path(path_type=Path), metavar="FILE", help="Draw the explanation.")
@click.option(
    "--lang",
    type=click.Choice([language.value for language in Language]),
    default=Language.ENGLISH.value,
    show_default=True,
    help="The language of the explanation.",
)
@click.option(
    "--bundle",
    "target",
    type=click.Path(path_type=Path),
    metavar="FILE",
    help="Write a zip file with all that the verdict rests on, and a script for OpenSSL.",
)
@tls_options
@command_options_home_optional
def verify(  # noqa: PLR0913, PLR0917 - an option an argument
    settings: Settings,
    certificate: Path,
    at_text: str | None,
    origin: str | None,
    online: str | None,
    anchor: Path | None,
    policies: tuple[str, ...],
    production: bool,  # noqa: FBT001 - click calls by keyword
    legacy: frozenset[SuiteId],
    timeout: int,
    explained: bool,  # noqa: FBT001
    svg: Path | None,
    lang: str,
    target: Path | None,
    client_cert: Path | None,
    client_key: Path | None,
    tls_ca: Path | None,
) -> None:
    """Verify a certificate from an anchor, through the bridges, with the lists of every step.

    What is published comes from the home, or by --from from a served world, a directory, a folder or a bundle. Trust
    comes from the home, or from --anchor and --policy; never from what is fetched. The lists are those that were the
    newest at the moment. A server that gives its lists to known verifiers alone is shown who asks by --client-cert.

    Exit status: 0 if valid; 1 if not valid, if that cannot be told (a list is missing, out of date or not to be had),
    or if the question itself is wrong. The first line names the verdict and, of what failed, step (0 is the anchor),
    place and clause; --json gives one object with verdict, step, place, clause, reason and problem.

    \b
    Examples:
      kakehashi verify 131016-000001-signature.pem --home world
      kakehashi verify 131016-000001-signature.pem --from http://127.0.0.1:8080/ \\
          --anchor gpki.cer --policy 2.999.2014.1.1 --at 2014-10-01T00:00:00Z
      kakehashi verify 131016-000001-signature.pem --home world --explain --svg path.svg --lang ja
      kakehashi verify 131016-000001-signature.pem --home world --bundle out.zip
    """
    given = None if at_text is None else parse_moment(at_text, "--at")
    leaf = read_certificate_file(certificate)
    world = world_of(settings)
    trust = trust_of(world, anchor, policies, limits_of(timeout), legacy, production=production)
    now = world.at if world else system_clock()
    wanted = _Wanted(explained, svg, target, Language(lang))
    tls = tls_for(origin, client_cert, client_key, tls_ca)
    try:
        with opened(origin, world, trust, None if online is None else Addresses(online), tls) as source:
            moment = given or source.at or now
            outcome = _judge(settings, wanted, leaf, source.material, trust, moment)
    except SourceUnreadable as unreadable:  # what is published, not what was handed in
        moment = given or now
        say_no(settings, refusal_fields(unreadable.error, Reason.UNREADABLE, utc_text(moment), None))
        sys.exit(1)
    if isinstance(outcome, PathRejected):
        sys.exit(1)


@dataclass(frozen=True, slots=True)
class _Wanted:
    """What is wanted beside the verdict."""

    explained: bool
    svg: Path | None
    target: Path | None
    language: Language


def _judge(
    settings: Settings, wanted: _Wanted, leaf: bytes, material: Material, trust: Trust, at: datetime
) -> VerifiedPath | PathRejected:
    """Verify, write the files that are wanted, and print the verdict."""
    explanation = None
    outcome: VerifiedPath | PathRejected
    if wanted.explained or wanted.svg or wanted.target:
        explanation = explain(leaf, material, trust, at)
        outcome = explanation.outcome
    else:
        outcome = _outcome(leaf, material, trust, at)
    fields = verdict_fields(outcome, utc_text(at), material)
    if explanation and wanted.svg:
        _write(wanted.svg, draw(explanation, wanted.language).encode())
    if explanation and wanted.target:
        _write(wanted.target, pack(bundle(leaf, explanation, material, trust), fields))
    if explanation and wanted.explained:
        if settings.json:
            fields |= explanation_fields(explanation, wanted.language)
        say(settings, outcome, fields, material)
        if not settings.json:
            show(explanation, wanted.language, settings.console())
    else:
        say(settings, outcome, fields, material)
    return outcome


def _outcome(leaf: bytes, material: Material, trust: Trust, at: datetime) -> VerifiedPath | PathRejected:
    try:
        return verify_path(leaf, material, trust, at)
    except PathRejected as rejected:
        return rejected


def _write(path: Path, octets: bytes) -> None:
    """Write a file whole or not at all."""
    part = path.with_name(f".{path.name}.part")
    try:
        part.write_bytes(octets)
        part.replace(path)
    except OSError as error:
        part.unlink(missing_ok=True)
        raise BadInput(str(path), f"cannot be written: {error.strerror}") from None
