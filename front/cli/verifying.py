"""``kakehashi verify``."""

from __future__ import annotations

from pathlib import Path

import click
from asn1crypto import pem

from bridge.relying.snapshot import Snapshot
from bridge.relying.verify import Trust
from bridge.relying.verify import verify as verify_path
from ca.clock import parse_moment
from ca.errors import BadInput
from front.cli.common import Settings, command_options, moment

_MAXIMUM_SIZE = 1 << 20


@click.command()
@click.argument("certificate", type=click.Path(path_type=Path))
@click.option(
    "--at", "at_text", metavar="MOMENT", help="Verify as of this moment, with the lists valid then."
)
@command_options
def verify(settings: Settings, certificate: Path, at_text: str | None) -> None:
    """Verify a certificate from the world's anchor, through the bridges, with the lists of every step.

    \b
    Example:
      kakehashi verify 131016-000001-signature.pem --home world
    """
    leaf = _read(certificate)
    with settings.world() as world:
        snapshot = Snapshot.read(world.home.repository)
        anchor = world.home.repository / "g" / f"{world.plan.anchor}.g1" / "self.cer"
        trust = Trust(
            anchors=(anchor.read_bytes(),),
            policies=frozenset(world.plan.trusted_policies),
            marking=world.plan.marking,
        )
        at = world.clock() if at_text is None else parse_moment(at_text, "--at")
        path = verify_path(leaf, snapshot, trust, at)
    settings.tell(
        {
            "verdict": "valid",
            "at": moment(at),
            "certificates": len(path.certificates),
            "policies": sorted(path.policies),
            "lists": [f"{used.place} number {used.number}" for used in path.lists],
        }
    )


def _read(path: Path) -> bytes:
    """A certificate's DER, from DER or PEM."""
    try:
        with path.open("rb") as file:
            octets = file.read(_MAXIMUM_SIZE)
        return pem.unarmor(octets)[2] if pem.detect(octets) else octets
    except OSError as error:
        raise BadInput(str(path), f"cannot be read: {error.strerror}") from None
    except ValueError as error:
        raise BadInput(str(path), f"is not PEM: {error}") from None
