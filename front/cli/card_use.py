"""What a holder does with a card: see how its certificates stand, sign, log in, ask for revocation."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path
from typing import Any

import click

from bridge.relying.finding.fetch import SECONDS, HttpSource
from ca.chance import SystemChance
from ca.clock import utc_text
from ca.errors import BadInput, NotFound
from ca.model import RESIDENT_KINDS, CertificateKind
from ca.suites import SuiteId
from ca.wire.facts import read_certificate
from front.card.card import Card
from front.card.challenge import CHALLENGE_LIMIT, answer_challenge
from front.card.files import About
from front.card.key import CardKey
from front.card.published import chain_of
from front.card.requests import make_request
from front.card.signing import FILE_LIMIT, is_pdf, sign_file
from front.card.state import State, by_lists, by_responder
from front.card.statements import MEDIA_TYPE, STATED_LIMIT
from front.cli.card_common import (
    card_options,
    kind_option,
    moment_of,
    open_card,
    origin_option,
    pin_of,
    pin_option,
    published,
    write_new,
)
from front.cli.common import Settings, command_options_home_optional
from front.cli.verifying_sources import legacy_option, limits_of, read_file, trust_of, world_of

REVOCATION_PATH = "api/revocation-requests"
"""Where a served world takes requests."""


@click.command()
@click.option("--offline", is_flag=True, help="Ask nobody how the certificates stand.")
@click.option("--lists", is_flag=True, help="Look in the published lists, in the place of asking responders.")
@click.option(
    "--signature-pin-file",
    type=click.Path(path_type=Path),
    help="With --lists: a file whose first line is the signature PIN, without which that certificate is not read.",
)
@click.option("--ocsp", metavar="URL", help="Ask this responder, in the place of those that are named.")
@click.option(
    "--anchor",
    type=click.Path(path_type=Path),
    help="With --lists: the certificate to trust.  [default: the home's]",
)
@click.option(
    "--policy",
    "policies",
    multiple=True,
    metavar="OID",
    help="With --lists: a policy to accept; may be repeated.  [default: the home's]",
)
@legacy_option
@origin_option
@card_options
@command_options_home_optional
def info(  # noqa: PLR0913, PLR0917 - an option an argument
    settings: Settings,
    folder: Path,
    module: str | None,
    offline: bool,  # noqa: FBT001 - click calls by keyword
    lists: bool,  # noqa: FBT001
    signature_pin_file: Path | None,
    ocsp: str | None,
    anchor: Path | None,
    policies: tuple[str, ...],
    legacy: frozenset[SuiteId],
    origin: str | None,
) -> None:
    """Show the card: its number, the tries that are left, and how its certificates stand.

    How they stand is asked of the responders that they name (OCSP), or with --lists looked up in what is published.

    \b
    Examples:
      kakehashi card info --card hanako
      kakehashi card info --card hanako --lists --home world
    """
    found = open_card(folder, module)
    states: dict[CertificateKind, State] = {}
    abouts = {kind: about for kind in RESIDENT_KINDS if (about := found.about(kind))}
    if lists and not offline:
        certificates = _readable(found, abouts, signature_pin_file)
        with published(settings, origin) as (snapshot, world):
            limits = limits_of(int(SECONDS))
            trust = trust_of(world, anchor, policies, limits, legacy, production=False)
            at = moment_of(world)
            states = {kind: by_lists(der, snapshot, trust, at) for kind, der in certificates.items()}
    elif not offline:
        home = world_of(settings)
        at, believed = moment_of(home), legacy | home.legacy if home else legacy
        states = {kind: by_responder(about, at, url=ocsp, legacy=believed) for kind, about in abouts.items()}
    fields: dict[str, Any] = {"card": found.number, "suite": found.suite.id}
    rows = [_row(found, kind, abouts.get(kind), states.get(kind)) for kind in RESIDENT_KINDS]
    if settings.json:
        settings.tell({**fields, "applications": rows})
        return
    for row in rows:
        ended = " ".join(row[name] for name in ("since", "reason") if row[name])
        lines = [f"PIN: {row['pin']}"]
        lines += [f"{row['serial']} until {row['until']}"] if row["serial"] else ["no certificate"]
        lines += [" ".join(filter(None, (row["state"], ended, row["problem"])))] if row["state"] else []
        fields[row["kind"]] = lines
    settings.tell(fields)


def _readable(
    found: Card, abouts: dict[CertificateKind, About], signature_pin_file: Path | None
) -> dict[CertificateKind, bytes]:
    """The certificates that can be read: the signature's only by its PIN."""
    certificates = {kind: about.certificate for kind, about in abouts.items() if about.certificate}
    if signature_pin_file is not None:
        kind = CertificateKind.SIGNATURE
        with found.unlocked(kind, pin_of(kind, signature_pin_file, "--signature-pin-file")) as key:
            certificates[kind] = key.require_certificate()
    return certificates


def _row(found: Card, kind: CertificateKind, about: About | None, state: State | None) -> dict[str, Any]:
    pin = found.pin(kind)
    left = pin.left()
    revocation = state.revocation if state else None
    return {
        "kind": kind.value,
        "pin": f"{left} of {pin.rule.tries} tries left" if left else "locked",
        "serial": f"{about.serial:040x}" if about else None,
        "until": utc_text(about.not_after) if about else None,
        "state": state.word.value if state else None,
        "since": utc_text(revocation.revoked_at) if revocation else None,
        "reason": revocation.reason.word if revocation else None,
        "problem": state.problem if state else None,
    }


@click.command()
@click.argument("file", type=click.Path(path_type=Path))
@click.option(
    "--out",
    type=click.Path(path_type=Path),
    help="The new file.  [default: FILE.p7s, or for a PDF its name with -signed]",
)
@click.option("--cms", is_flag=True, help="Sign a PDF as any file, by a signature beside it.")
@pin_option
@origin_option
@card_options
@command_options_home_optional
def sign(
    settings: Settings,
    folder: Path,
    module: str | None,
    file: Path,
    out: Path | None,
    cms: bool,  # noqa: FBT001 - click calls by keyword
    pin_file: Path | None,
    origin: str | None,
) -> None:
    """Sign a file with the signature key: a PDF within itself (PAdES), any other by a CMS signature beside it.

    With --home or --from the certificates that lead to the holder's go along.

    \b
    Examples:
      kakehashi card sign letter.txt --card hanako --home world
      openssl cms -verify -binary -inform DER -in letter.txt.p7s -content letter.txt -noverify -out /dev/null
    """
    content = read_file(file, FILE_LIMIT)
    found = open_card(folder, module)
    within = is_pdf(content) and not cms
    target = out or (file.with_name(f"{file.stem}-signed.pdf") if within else Path(f"{file}.p7s"))
    kind = CertificateKind.SIGNATURE
    with found.unlocked(kind, pin_of(kind, pin_file, "--pin-file")) as key:
        chain, at = _chain(settings, key, origin)
        if within:
            from front.card.pdf import sign_pdf  # noqa: PLC0415 - pyHanko takes long to load

            signed = sign_pdf(content, key, chain, at)
        else:
            signed = sign_file(content, key, chain, at)
    write_new(target, signed)
    form = "PAdES" if within else "CMS"
    settings.tell({"signed": str(file), "form": form, "file": str(target), "at": utc_text(at)})


def _chain(settings: Settings, key: CardKey, origin: str | None) -> tuple[tuple[bytes, ...], datetime]:
    """The certificates that lead to the key's, as far as something published is named; and the moment."""
    if settings.given_home is None and origin is None:
        return (), moment_of(world_of(settings))
    facts = read_certificate(key.require_certificate(), f"card {key.number}, {key.kind} certificate")
    with published(settings, origin) as (snapshot, world):
        at = moment_of(world)
        return chain_of(facts, snapshot, at), at


@click.command()
@click.argument("challenge", type=click.Path(path_type=Path))
@click.option(
    "--audience", required=True, help="The service that you mean to log in to, as it is known to you."
)
@click.option("--out", required=True, type=click.Path(path_type=Path), help="The new file for the answer.")
@pin_option
@card_options
@command_options_home_optional
def login(
    settings: Settings,
    folder: Path,
    module: str | None,
    challenge: Path,
    audience: str,
    out: Path,
    pin_file: Path | None,
) -> None:
    """Answer a service's challenge with the user-authentication key, if it is the service that you name.

    \b
    Example:
      kakehashi card login challenge.json --audience https://portal.example --out answer.json --card hanako
    """
    asked = read_file(challenge, CHALLENGE_LIMIT)
    found = open_card(folder, module)
    at = moment_of(world_of(settings))
    kind = CertificateKind.USER_AUTHENTICATION
    with found.unlocked(kind, pin_of(kind, pin_file, "--pin-file")) as key:
        answer = answer_challenge(asked, audience, key, at)
    write_new(out, answer)
    settings.tell({"card": found.number, "audience": audience, "file": str(out)})


@click.command()
@kind_option
@click.option(
    "--by",
    "signer",
    type=click.Choice([kind.value for kind in RESIDENT_KINDS]),
    default=CertificateKind.USER_AUTHENTICATION.value,
    show_default=True,
    help="Which key asks. The signature key asks for its own certificate's end alone.",
)
@click.option("--out", type=click.Path(path_type=Path), help="The new file for the request.")
@click.option("--to", "url", metavar="URL", help="Send it to this served world: http://host[:port]/.")
@pin_option
@card_options
@command_options_home_optional
def revoke(
    settings: Settings,
    folder: Path,
    module: str | None,
    kind: str,
    signer: str,
    out: Path | None,
    url: str | None,
    pin_file: Path | None,
) -> None:
    """Ask for the end of one of the card's certificates, as its holder (cessationOfOperation).

    Nothing on line is for a card that is lost or a key that has leaked: tell the telephone desk, or a window.

    \b
    Example:
      kakehashi card revoke --kind signature --card hanako --out request.json
    """
    if (out is None) == (url is None):
        raise BadInput("card revoke", "is either kept or sent", remedy="Give --out, or --to")
    wanted, by = CertificateKind(kind), CertificateKind(signer)
    if url is not None and by is CertificateKind.SIGNATURE:
        raise BadInput(
            "--to",
            "would send the signature certificate, and with it name and address, in the clear",
            remedy="Ask by the user-authentication key, or keep the request by --out",
        )
    found = open_card(folder, module)
    about = found.about(wanted)
    if about is None:
        raise NotFound(f"card {found.number}", f"has no {kind} certificate")
    at = moment_of(world_of(settings))
    with found.unlocked(by, pin_of(by, pin_file, "--pin-file")) as key:
        request = make_request(wanted, about, key, SystemChance(), at)
    fields = {"card": found.number, "kind": kind, "serial": f"{about.serial:040x}"}
    if out is not None:
        write_new(out, request)
        settings.tell({**fields, "file": str(out)})
    elif url is not None:
        with HttpSource(url) as world:
            answer = world.ask(REVOCATION_PATH, request, MEDIA_TYPE, STATED_LIMIT)
        settings.tell({**fields, "answer": answer.decode("utf-8", "replace")})
