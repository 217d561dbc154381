"""``kakehashi card``: a software card as its holder has it. This module makes and tends one; card_use signs with it."""

from __future__ import annotations

from pathlib import Path

import click
from asn1crypto import pem

from ca.chance import SystemChance
from ca.model import RESIDENT_KINDS, CertificateKind
from ca.suites import SHA256_RSA2048, SUITES, SuiteId
from front.card.card import Card
from front.cli.card_common import (
    card_options,
    kind_option,
    moment_of,
    new_pin_option,
    open_card,
    origin_option,
    pin_of,
    pin_option,
    published,
    secret_of,
    write_new,
)
from front.cli.card_use import info, login, revoke, sign
from front.cli.common import Settings, command_options_home_optional
from front.cli.verifying_sources import legacy_option, read_certificate_file, world_of


@click.group()
def card() -> None:
    """A holder's card in software: two key pairs behind PINs, which sign, log in, and ask for revocation.

    A PIN is read from a file or at the terminal, never from the command line. The signature PIN locks after 5 wrong
    tries in a row, the authentication PIN after 3. A folder that can be copied is no chip: docs/card.md says what that
    means.
    """


@card.command()
@click.option("--number", required=True, help="The card's number: 8 to 12 capital letters and digits.")
@click.option(
    "--signature-pin-file",
    type=click.Path(path_type=Path),
    help="A file whose first line is the signature PIN: 6 to 16 letters and digits; else a prompt.",
)
@click.option(
    "--authentication-pin-file",
    type=click.Path(path_type=Path),
    help="A file whose first line is the authentication PIN: 4 digits; else a prompt.",
)
@click.option(
    "--unlock-code-file",
    type=click.Path(path_type=Path),
    help="Write the unlock code to this new file.  [default: it is printed]",
)
@click.option(
    "--suite",
    type=click.Choice(list(SUITES)),
    default=SHA256_RSA2048.id,
    show_default=True,
    help="What the card's keys are and sign with.",
)
@card_options
@command_options_home_optional
def new(
    settings: Settings,
    folder: Path,
    module: str | None,
    number: str,
    signature_pin_file: Path | None,
    authentication_pin_file: Path | None,
    unlock_code_file: Path | None,
    suite: str,
) -> None:
    """Make a card: both key pairs are made in it, and never leave it.

    Whoever has the unlock code can set new PINs. Keep it elsewhere than the card.

    \b
    Example:
      kakehashi card new --card hanako --number HANAKO0001
    """
    files = zip(
        RESIDENT_KINDS,
        (signature_pin_file, authentication_pin_file),
        ("--signature-pin-file", "--authentication-pin-file"),
        strict=True,
    )
    pins = {kind: pin_of(kind, file, option, new=True) for kind, file, option in files}
    made, code = Card.make(
        folder, number, pins, suite=SUITES[SuiteId(suite)], chance=SystemChance(), module=module
    )
    if unlock_code_file is not None:
        write_new(unlock_code_file, f"{code}\n".encode(), mode=0o600)
    settings.tell(
        {
            "card": made.number,
            "folder": str(folder),
            "suite": made.suite.id,
            "unlock_code": code if unlock_code_file is None else f"in {unlock_code_file}",
        }
    )


@card.command()
@kind_option
@click.option("--out", required=True, type=click.Path(path_type=Path), help="The new file.")
@pin_option
@card_options
@command_options_home_optional
def csr(
    settings: Settings, folder: Path, module: str | None, kind: str, out: Path, pin_file: Path | None
) -> None:
    """Write a certification request (PKCS#10) for one of the card's keys, signed by it.

    \b
    Example:
      kakehashi card csr --card hanako --kind signature --out signature.csr
      kakehashi case file --officer sato --resident hanako.json --csr signature=signature.csr --home world
    """
    application = CertificateKind(kind)
    found = open_card(folder, module)
    moment = moment_of(world_of(settings))
    with found.unlocked(application, pin_of(application, pin_file, "--pin-file")) as key:
        request = key.request(moment)
    write_new(out, pem.armor("CERTIFICATE REQUEST", request))
    settings.tell({"card": found.number, "kind": kind, "file": str(out)})


@card.command()
@click.argument("certificate", type=click.Path(path_type=Path))
@pin_option
@legacy_option
@origin_option
@card_options
@command_options_home_optional
def load(
    settings: Settings,
    folder: Path,
    module: str | None,
    certificate: Path,
    pin_file: Path | None,
    origin: str | None,
    legacy: frozenset[SuiteId],
) -> None:
    """Take an issued certificate into the card, if it is for one of its keys and a published issuer has signed it.

    \b
    Example:
      kakehashi card load 131016-000001-signature.pem --card hanako --home world
    """
    encoded = read_certificate_file(certificate)
    found = open_card(folder, module)
    kind = found.kind_for(encoded)
    with published(settings, origin) as (snapshot, world):
        believed = legacy | world.legacy if world else legacy
        found.load(encoded, pin_of(kind, pin_file, "--pin-file"), snapshot, moment_of(world), believed)
    settings.tell({"card": found.number, "kind": kind.value, "certificate": str(certificate)})


@card.command("change-pin")
@kind_option
@pin_option
@new_pin_option
@card_options
@command_options_home_optional
def change_pin(
    settings: Settings,
    folder: Path,
    module: str | None,
    kind: str,
    pin_file: Path | None,
    new_pin_file: Path | None,
) -> None:
    """Have a new PIN in the place of one that you know.

    \b
    Example:
      kakehashi card change-pin --card hanako --kind signature
    """
    application = CertificateKind(kind)
    found = open_card(folder, module)
    pin = pin_of(application, pin_file, "--pin-file")
    found.change_pin(application, pin, pin_of(application, new_pin_file, "--new-pin-file", new=True))
    settings.tell({"card": found.number, "kind": kind, "pin": "changed"})


@card.command()
@kind_option
@click.option(
    "--unlock-code-file",
    type=click.Path(path_type=Path),
    help="A file whose first line is the unlock code; else a prompt.",
)
@new_pin_option
@card_options
@command_options_home_optional
def unlock(
    settings: Settings,
    folder: Path,
    module: str | None,
    kind: str,
    unlock_code_file: Path | None,
    new_pin_file: Path | None,
) -> None:
    """Set a new PIN by the unlock code, where one is locked or forgotten.

    \b
    Example:
      kakehashi card unlock --card hanako --kind user-authentication
    """
    application = CertificateKind(kind)
    found = open_card(folder, module)
    code = secret_of("unlock code", unlock_code_file, "--unlock-code-file")
    pin = pin_of(application, new_pin_file, "--new-pin-file", new=True)
    found.unlock(application, code, pin, SystemChance())
    settings.tell({"card": found.number, "kind": kind, "tries_left": found.pin(application).left()})


for command in (info, sign, login, revoke):
    card.add_command(command)
