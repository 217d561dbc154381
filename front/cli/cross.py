"""``kakehashi cross``: agreements with other CAs, their requests and certificates, and two officers."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Any

import click
from asn1crypto import pem

from bridge.crossing.agreement import Agreement
from bridge.crossing.desk import CrossingDesk
from bridge.crossing.deviations import Deviates, digest_of
from bridge.crossing.examining import FitCertificate
from bridge.crossing.handed_in import Handed, certificate_der
from bridge.crossing.reports import Refusal, keep_refusal
from bridge.repository.contents import publish_certificates, publish_manifest
from bridge.repository.heads import publish_head
from ca.clock import utc_text
from ca.errors import BadInput
from ca.issuing.cycle import Prepared
from ca.model import GenerationId
from front.assembly import World
from front.cli.common import Settings, command_options

_LIMIT = 1 << 18

AGREEMENT = click.argument("agreement")
OFFICER = click.option("--officer", required=True, help="An operator of the centre.")
SECOND = click.option("--second-officer", help="Another operator of the centre.")


@click.group()
def cross() -> None:
    """Cross-certification: with CAs of others by agreements, and the renewal and withdrawal of every pair.

    Requests and certificates travel as files. What another CA hands in, one officer examines and another one accepts.
    """


@cross.command()
@click.argument("file", type=click.Path(path_type=Path))
@click.option(
    "--self-signed",
    "self_signed",
    type=click.Path(path_type=Path),
    multiple=True,
    metavar="FILE",
    help="The other CA's own certificate for one of its keys, PEM or DER; may be given more than once.",
)
@OFFICER
@command_options
def agree(settings: Settings, file: Path, self_signed: tuple[Path, ...], officer: str) -> None:
    """Write down an agreement with another CA, from a TOML FILE (docs/crossing.md says what stands there).

    \b
    Example:
      kakehashi cross agree foreign.toml --self-signed foreign-root.pem --officer ito --home world
    """
    try:
        text = _read(file).decode()
    except UnicodeDecodeError:
        raise BadInput(str(file), "is not UTF-8") from None
    given = [(str(path), certificate_der(_read(path), str(path))) for path in self_signed]
    with settings.world() as world:
        made = desk_of(world).agree(text, str(file), given, officer, at=world.clock())
        if given:
            publish_changes(world)
    settings.tell(_agreement_fields(made))


@cross.command("end")
@AGREEMENT
@OFFICER
@command_options
def end_agreement(settings: Settings, agreement: str, officer: str) -> None:
    """End an AGREEMENT before its time: nothing more is issued or accepted by it. Its pair is withdrawn on its own.

    \b
    Example:
      kakehashi cross end foreign-2014 --officer ito --home world
    """
    with settings.world() as world:
        ended = desk_of(world).end(agreement, officer, at=world.clock())
    settings.tell(
        {"agreement": ended.id, "ended_at": None if ended.ended_at is None else utc_text(ended.ended_at)}
    )


@cross.command()
@AGREEMENT
@click.option(
    "--out", type=click.Path(path_type=Path, dir_okay=False), required=True, metavar="FILE",
    help="Where the request goes, as PEM.",
)  # fmt: skip
@click.option(
    "--key", "key_name", metavar="GENERATION",
    help="For this key of ours, which is on its way and whose status is served; the one that issues if not given.",
)  # fmt: skip
@command_options
def request(settings: Settings, agreement: str, out: Path, key_name: str | None) -> None:
    """Write a request (PKCS#10) for the other CA of an AGREEMENT to certify the key that issues for us, or will.

    \b
    Examples:
      kakehashi cross request foreign-2014 --out ours.csr --home world
      kakehashi cross request foreign-2014 --key gpki-bca.g2 --out ours.csr --home world
    """
    key = None if key_name is None else GenerationId.parse(key_name)
    with settings.world() as world:
        made = desk_of(world).request(agreement, key=key, at=world.clock())
    _write(out, "CERTIFICATE REQUEST", made)
    settings.tell({"agreement": agreement, "request": str(out), "sha256": hashlib.sha256(made).hexdigest()})


@cross.command()
@AGREEMENT
@click.argument("file", type=click.Path(path_type=Path))
@OFFICER
@command_options
def examine(settings: Settings, agreement: str, file: Path, officer: str) -> None:
    """Hold the other CA's FILE against an AGREEMENT: its request, or the certificate that it has issued to us.

    Every deviation is told with its clause, and kept (`kakehashi cross show`). Without any, another operator can accept
    the same file.

    \b
    Example:
      kakehashi cross examine foreign-2014 theirs.csr --officer ito --home world
    """
    handed = _handed(file)
    with settings.world() as world:
        at = world.clock()
        try:
            examined, found = desk_of(world).examine(agreement, handed, officer, at=at)
        except Deviates as error:
            refusal = Refusal(
                agreement=agreement,
                at=at,
                officer=officer,
                what=handed.what.value,
                digest=digest_of(handed.encoded).hex(),
                deviations=error.deviations,
            )
            keep_refusal(world.home.reports, refusal)
            raise
    settings.tell(
        {
            "examination": examined.number,
            "agreement": examined.agreement,
            "file": str(file),
            "what": examined.what.value,
            "sha256": examined.digest.hex(),
            "issuer": str(examined.ours if isinstance(found, Prepared) else examined.peer),
            "subject": str(examined.peer if isinstance(found, Prepared) else examined.ours),
            **_period(found),
            "examined_by": examined.officer,
            "missing": "another operator, to accept it",
        }
    )


@cross.command()
@AGREEMENT
@click.argument("file", type=click.Path(path_type=Path))
@click.option(
    "--out", type=click.Path(path_type=Path, dir_okay=False), metavar="FILE",
    help="Where the cross-certificate that is issued goes, as PEM, for the other CA.",
)  # fmt: skip
@click.option("--officer", required=True, help="An operator of the centre; not the one who examined it.")
@command_options
def accept(settings: Settings, agreement: str, file: Path, out: Path | None, officer: str) -> None:
    """Accept the FILE that another officer has examined: issue on a request, or take the other CA's certificate.

    The same again gives what was issued, for the file that could not be written the first time.

    \b
    Example:
      kakehashi cross accept foreign-2014 theirs.csr --out for-them.pem --officer endo --home world
    """
    handed = _handed(file)
    with settings.world() as world:
        accepted = desk_of(world).accept(agreement, handed, officer, at=world.clock())
        fields: dict[str, Any] = {"examination": accepted.examination, "agreement": agreement}
        if accepted.issued is not None:
            fields["issued"] = str(accepted.issued.id)
        if accepted.received is not None:
            fields |= {
                "received": f"{accepted.received.issuer}:{accepted.received.serial}",
                "for": str(accepted.received.subject),
            }
        publish_changes(world)
    if accepted.issued is not None and out is not None:
        _write(out, "CERTIFICATE", accepted.issued.encoded)
        fields["out"] = str(out)
    settings.tell(fields)


def desk_of(world: World) -> CrossingDesk:
    """Where cross-certification is done in this world."""
    return CrossingDesk(world.issuers, world.plan, world.chance)


def publish_changes(world: World) -> int:
    """Publish what has changed of certificates and pairs; gives how many files were written."""
    at = world.clock()
    files = publish_certificates(world.stores, world.repository)
    files += publish_manifest(world.issuers, world.plan, world.repository, at=at)
    return files + publish_head(world.issuers, world.plan, world.repository, at=at)


def _handed(path: Path) -> Handed:
    return Handed.read(_read(path), str(path))


def _read(path: Path) -> bytes:
    try:
        with path.open("rb") as file:
            octets = file.read(_LIMIT + 1)
    except OSError as error:
        raise BadInput(str(path), f"cannot be read: {error.strerror}") from None
    if len(octets) > _LIMIT:
        raise BadInput(str(path), f"is longer than {_LIMIT} octets")
    return octets


def _write(path: Path, label: str, encoded: bytes) -> None:
    try:
        path.write_bytes(pem.armor(label, encoded))
    except OSError as error:
        raise BadInput(str(path), f"cannot be written: {error.strerror}") from None


def _period(found: Prepared | FitCertificate) -> dict[str, str]:
    period = found.record.period if isinstance(found, Prepared) else found.period
    return {"valid_from": utc_text(period.not_before), "valid_until": utc_text(period.not_after)}


def _agreement_fields(made: Agreement) -> dict[str, Any]:
    return {
        "agreement": made.id,
        "title": made.title,
        "from": utc_text(made.begins),
        "to": utc_text(made.ends),
        "ours": made.ours,
        "peer": made.peer,
        "name": str(made.name),
        "keys": sorted(key.hex() for key in made.keys),
        "map": [f"{ours} = {theirs}" for ours, theirs in made.certify.mappings.pairs],
    }
