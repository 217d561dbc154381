"""``kakehashi case``: an application from the window to the certificate."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import click
from asn1crypto import pem

from ca.clock import utc_text
from ca.errors import BadInput, NotFound, StorageFailed
from ca.model import CertificateKind
from ca.rules.registration import Case, next_steps
from ca.store import applications, officers
from ca.store.certificates import CertificateState
from front.applicants import read_local, read_post, read_resident
from front.assembly import World
from front.cli.common import Settings, command_options
from front.cli.reception import read_reception, reception_options

OFFICER = click.option("--officer", required=True, help="Who takes this step.")
CASE = click.argument("case_id", metavar="CASE")
NOTE = click.option("--note", help="Why; the office reads it.")
_PAGE = 100  # cases
_DESTROYED = "destroyed when its time was over"
_OUT = click.option(
    "--out",
    type=click.Path(path_type=Path, file_okay=False),
    help="A directory for the certificates, as <case>-<kind>.pem.",
)


@click.group()
def case() -> None:
    """Applications: file, examine, approve, issue. No officer takes two steps of one case."""


@case.command()
@OFFICER
@click.option("--resident", type=click.Path(path_type=Path), help="A resident's particulars (JSON).")
@click.option("--post", type=click.Path(path_type=Path), help="An official post's particulars (JSON).")
@click.option("--local", type=click.Path(path_type=Path), help="A local government's holder (JSON).")
@click.option(
    "--csr", "csrs", multiple=True, required=True, metavar="KIND=FILE",
    help="A kind applied for and its PKCS#10 request; may be given once a kind.",
)  # fmt: skip
@reception_options
@command_options
def file(
    settings: Settings,
    officer: str,
    resident: Path | None,
    post: Path | None,
    local: Path | None,
    csrs: tuple[str, ...],
    **received: Any,
) -> None:
    """Receive an application at the officer's office.

    With --purpose, --document, --card-number or --renews the reception is written down, and held against the rules as at
    a window; an office that keeps it elsewhere leaves them out.

    \b
    Examples:
      openssl req -new -newkey rsa:2048 -sha256 -nodes -subj /CN=x -keyout sig.key -out sig.csr
      kakehashi case file --officer sato --resident hanako.json --csr signature=sig.csr --home world
      kakehashi case file --officer sato --resident hanako.json --csr signature=sig.csr --purpose new \\
          --document driving-licence=2016-05-01 --card-number KA12345 --home world
    """
    if sum(path is not None for path in (resident, post, local)) != 1:
        raise BadInput("case file", "is for one applicant", remedy="Give --resident, --post or --local")
    requests = dict(_read_csr(item) for item in csrs)
    if len(requests) < len(csrs):
        raise BadInput("--csr", "names a kind twice")
    reception = read_reception(**received)
    with settings.world() as world:
        if resident is not None:
            filed = read_resident(resident)
            found = world.registration.file(
                officer,
                filed.resident,
                requests,
                code=filed.code,
                card_expires=filed.card_expires,
                reception=reception,
                at=world.clock(),
            )
        else:
            holder = read_post(post) if post is not None else read_local(local) if local is not None else None
            assert holder is not None, "one of the three is given"
            found = world.registration.file(
                officer, holder, requests, code=None, reception=reception, at=world.clock()
            )
        settings.tell(case_fields(found.case))


@case.command()
@CASE
@OFFICER
@command_options
def examine(settings: Settings, case_id: str, officer: str) -> None:
    """Examine an application at its office; takes another officer than the one who received it.

    \b
    Example:
      kakehashi case examine 131016-000001 --officer suzuki --home world
    """
    _step(settings, lambda world: world.registration.examine(case_id, officer, at=world.clock()))


@case.command("re-examine")
@CASE
@OFFICER
@command_options
def reexamine(settings: Settings, case_id: str, officer: str) -> None:
    """Examine a local government's application once more, at the centre.

    \b
    Example:
      kakehashi case re-examine lg-312011-000001 --officer honda --home world
    """
    _step(settings, lambda world: world.registration.reexamine(case_id, officer, at=world.clock()))


@case.command()
@CASE
@OFFICER
@command_options
def approve(settings: Settings, case_id: str, officer: str) -> None:
    """Approve an examined application at the centre.

    \b
    Example:
      kakehashi case approve 131016-000001 --officer tanaka --home world
    """
    _step(settings, lambda world: world.registration.approve(case_id, officer, at=world.clock()))


@case.command()
@CASE
@OFFICER
@NOTE
@command_options
def reject(settings: Settings, case_id: str, officer: str, note: str | None) -> None:
    """End an application without a certificate.

    \b
    Example:
      kakehashi case reject 131016-000001 --officer suzuki --note "wrong town" --home world
    """
    _step(settings, lambda world: world.registration.reject(case_id, officer, at=world.clock(), note=note))


@case.command()
@CASE
@OFFICER
@_OUT
@command_options
def issue(settings: Settings, case_id: str, officer: str, out: Path | None) -> None:
    """Issue the certificates of an approved application; carries on where an issuance broke off.

    \b
    Example:
      kakehashi case issue 131016-000001 --officer ito --out . --home world
    """
    if out is not None:
        _require_writable(out)
    with settings.world() as world:
        world.registration.issue(case_id, officer, at=world.clock())
        settings.show(_certificate_rows(world, case_id, out))


@case.command()
@CASE
@_OUT
@command_options
def show(settings: Settings, case_id: str, out: Path | None) -> None:
    """Show a case's steps and certificates; with --out, write the certificates again.

    \b
    Example:
      kakehashi case show 131016-000001 --out . --home world
    """
    if out is not None:
        _require_writable(out)
    with settings.world() as world:
        with world.stores.nation.reading() as connection:
            found = applications.find(connection, case_id)
        steps = [f"{taken.step} by {taken.officer} at {utc_text(taken.at)}" for taken in found.case.history]
        rows = _certificate_rows(world, case_id, out)
    fields = case_fields(found.case) | {"steps": steps}
    if settings.json:
        settings.tell(fields | {"certificates": rows})
        return
    settings.tell(fields)
    if rows:
        settings.show(rows)


@case.command("list")
@click.option("--office", help="Only this office's cases.")
@click.option("--after", metavar="CASE", help="The page behind this case.")
@command_options
def list_cases(settings: Settings, office: str | None, after: str | None) -> None:
    """Show cases by number and what each waits for, a page at once.

    \b
    Examples:
      kakehashi case list --office 131016 --home world
      kakehashi case list --office 131016 --after 131016-000100 --home world
    """
    with settings.world() as world, world.stores.nation.reading() as connection:
        wanted = None if office is None else officers.office(connection, office).id
        found = applications.of_office(connection, wanted, after=after, limit=_PAGE + 1)
    more = f"The first {_PAGE}; more with --after {found[_PAGE - 1].id}" if len(found) > _PAGE else None
    settings.show([case_fields(item) for item in found[:_PAGE]], more)


def _step(settings: Settings, take: Callable[[World], Case]) -> None:
    with settings.world() as world:
        settings.tell(case_fields(take(world)))


def _read_csr(item: str) -> tuple[CertificateKind, bytes]:
    kind, _, name = item.partition("=")
    try:
        read = CertificateKind(kind)
    except ValueError:
        raise NotFound(
            f"kind {kind!r}", "is not a kind of certificate", remedy="Write --csr KIND=FILE"
        ) from None
    try:
        with Path(name).open("rb") as opened:
            # One octet over any request's bound: the reader then refuses it as too long.
            return read, opened.read(1 << 20)
    except OSError as error:
        raise BadInput(f"--csr {kind}", f"{name!r} cannot be read: {error.strerror}") from None


def _require_writable(folder: Path) -> None:
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise BadInput("--out", f"{folder} cannot be made: {error.strerror}") from None


def _write(path: Path, content: bytes, case_id: str) -> None:
    try:
        path.write_bytes(content)
    except OSError as error:
        raise StorageFailed(
            str(path),
            f"cannot be written: {error.strerror}",
            remedy=f"The certificate is issued; `kakehashi case show {case_id} --out` writes it again",
        ) from None


def case_fields(found: Case) -> dict[str, object]:
    """A case as commands show it."""
    return {
        "case": found.id,
        "office": found.office,
        "state": None if found.state is None else found.state.value,
        "next": " or ".join(next_steps(found)) or None,
    }


def _certificate_rows(world: World, case_id: str, out: Path | None) -> list[dict[str, object]]:
    """A row a certificate of a case; with ``out``, each issued one is written there."""
    with world.stores.nation.reading() as connection:
        found = applications.find(connection, case_id)
    records = world.stores.certificates(found.certificates)
    rows: list[dict[str, object]] = []
    for record in records:
        file = None
        if out is not None and record.state is CertificateState.ISSUED:
            file = _DESTROYED
            if record.encoded:
                path = out / f"{case_id}-{record.kind}.pem"
                _write(path, pem.armor("CERTIFICATE", record.encoded), case_id)
                file = str(path)
        rows.append(
            {
                "certificate": str(record.id),
                "kind": record.kind.value,
                "state": record.state.value,
                "not_after": utc_text(record.period.not_after),
                "list": f"{record.id.generation}/{record.scope}",
                "file": file,
            }
        )
    return rows
