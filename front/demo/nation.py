"""A nation from one file: a world is made, every authority's holders get certificates, and OpenSSL judges them.

For each authority and each kind that it issues, one certificate is issued through file, examine, approve and issue,
verified by this product and by ``openssl verify`` from the government's anchor with policy and lists, then revoked
and verified again. Every verdict has to be as expected, from both.
"""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from rich import box
from rich.console import Console
from rich.progress import track
from rich.table import Table

from bridge.relying.rejection import PathRejected
from bridge.relying.snapshot import Snapshot
from bridge.relying.verify import Trust, verify
from ca.issuing.cycle import IssuedCertificate
from ca.model import (
    HOLDER_KINDS,
    AuthorityId,
    CertificateKind,
    Office,
    OfficeKind,
    Officer,
    OfficerId,
    OfficialPost,
    Resident,
    RevocationReason,
    Role,
)
from ca.revoking.orders import revoke
from ca.revoking.publication import publish
from ca.store import authorities as authority_rows
from ca.store import certificates, officers
from front.assembly import World, open_world
from front.demo.openssl import OpensslJudge, from_folder, key_and_request, write_certificate
from front.demo.people import invented_code, invented_resident
from front.demo.stage import Stage

EDITION = "japan-2014"


@dataclass(frozen=True, slots=True)
class Row:
    """One certificate's verdicts: by us and by OpenSSL, before and after it is revoked."""

    authority: str
    kind: str
    certificate: str
    ours: str
    openssl: str
    ours_revoked: str | None
    openssl_revoked: str | None

    @property
    def agreed(self) -> bool:
        """Whether all verdicts are as expected."""
        before = (self.ours, self.openssl) == ("valid", "OK")
        if self.ours_revoked is None:
            return before
        return (
            before
            and self.ours_revoked == "revoked"
            and self.openssl_revoked == "error 23: certificate revoked"
        )


def judge_nation(stage: Stage, *, test_keys: bool) -> list[Row]:
    """Make the nation, issue at every authority, and collect both verdicts on every certificate."""
    stage.clear()
    (stage.folder / "holders").mkdir()
    console = stage.console
    stage.chapter("1. A world from one file")
    stage.command("init", "--edition", EDITION, options=["--test-keys"] if test_keys else [])
    with open_world(stage.home, stage.secret.read_text().strip) as world:
        stage.chapter("2. Officers, applications, certificates")
        issued = list(_issue_everywhere(world, stage.folder / "holders", console))
        stage.chapter("3. Two verdicts on each, before and after it is revoked")
        return _judge(world, issued, stage.folder / "judge", console)


@dataclass(frozen=True, slots=True)
class _Application:
    """What is applied for at one office, with the files of its requests."""

    office: Office
    applicant: Resident | OfficialPost
    code: int | None
    requests: dict[CertificateKind, Path]


def _issue_everywhere(world: World, folder: Path, console: Console) -> Iterator[IssuedCertificate]:
    """A case at one office of every authority, through all its steps; then what authorities issue themselves."""
    operator, approver = _officers(world)
    console.print("Keys and requests by `openssl req`, one for each kind of each authority ...")
    applications = _applications(world, folder)
    for number, application in enumerate(
        track(applications, "file, examine, approve, issue", console=console, transient=True)
    ):
        window = _window_officers(world, application.office)
        at = world.clock()
        case = world.registration.file(
            window[0],
            application.applicant,
            {kind: request.read_bytes() for kind, request in application.requests.items()},
            code=None if application.code is None else invented_code(number + 1),
            at=at,
        ).case
        world.registration.examine(case.id, window[1], at=at)
        world.registration.approve(case.id, approver, at=at)
        yield from world.registration.issue(case.id, operator, at=at)
    with world.store.reading() as connection:
        for service in authority_rows.services(connection):
            record = certificates.find(connection, service.certificate)
            yield IssuedCertificate(record, record.encoded)
    console.print(f"{len(applications)} cases issued, at an office of every authority that has holders.")


def _applications(world: World, folder: Path) -> list[_Application]:
    """For each authority with holders, an application for every kind at its first office."""
    first: dict[AuthorityId, Office] = {}
    for office in world.plan.offices:
        if office.authority is not None:
            first.setdefault(office.authority, office)
    wanted = [
        (office, kind) for name, office in first.items() for kind in world.issuers.practice(name).holders
    ]
    with ThreadPoolExecutor(max_workers=2) as pool:
        made = list(pool.map(lambda item: key_and_request(folder, f"{item[0].id}-{item[1]}"), wanted))
    applications = []
    for office in first.values():
        requests = {
            kind: request for (at, kind), request in zip(wanted, made, strict=True) if at.id == office.id
        }
        if office.kind is OfficeKind.MINISTRY:
            post = OfficialPost(office.name, "Director-General for Examples")
            applications.append(_Application(office, post, None, requests))
        else:
            resident = invented_resident(world.plan.municipalities.window(office.id))
            applications.append(_Application(office, resident, 1, requests))
    return applications


def _officers(world: World) -> tuple[OfficerId, OfficerId]:
    """An operator and an approver at the centre."""
    with world.store.writing() as connection:
        for name, role in (("operator", Role.OPERATOR), ("approver", Role.APPROVER)):
            centre = next(office for office in world.plan.offices if office.kind is OfficeKind.CENTRE)
            officers.add_officer(connection, Officer(OfficerId(name), centre.id, frozenset({role})))
    return OfficerId("operator"), OfficerId("approver")


def _window_officers(world: World, office: Office) -> tuple[OfficerId, OfficerId]:
    """A receptionist and an examiner at an office."""
    names = (OfficerId(f"reception-{office.id}"), OfficerId(f"examiner-{office.id}"))
    with world.store.writing() as connection:
        for name, role in zip(names, (Role.RECEPTION, Role.EXAMINER), strict=True):
            officers.add_officer(connection, Officer(name, office.id, frozenset({role})))
    return names


def _judge(world: World, issued: list[IssuedCertificate], folder: Path, console: Console) -> list[Row]:
    """Both verdicts on every certificate; then holders' are revoked, their lists published, and both judge again."""
    judge = OpensslJudge.over(from_folder(world.home.repository), world.plan.trusted_policies, folder)
    files = {item.id: write_certificate(folder / f"{item.id}.pem", item.encoded) for item in issued}
    before = [
        (
            _ours(world, item, world.clock()),
            judge.verify(files[item.id], item.id.generation, item.record.scope, at=world.clock()),
        )
        for item in track(issued, "verified by both", console=console, transient=True)
    ]
    ends = [item for item in issued if item.record.kind in HOLDER_KINDS]
    for item in track(ends, "revoked, lists published", console=console, transient=True):
        ended = revoke(
            world.store, item.id, RevocationReason.CESSATION_OF_OPERATION, "operator", at=world.clock()
        )
        publish(
            world.store,
            world.issuers.of(item.id.generation),
            ended.scopes,
            world.repository,
            at=world.clock(),
        )
    rows = []
    for item, (ours, theirs) in zip(
        track(issued, "verified again", console=console, transient=True), before, strict=True
    ):
        at = world.clock()
        revoked = item.record.kind in HOLDER_KINDS
        again = (
            judge.verify(files[item.id], item.id.generation, item.record.scope, at=at) if revoked else None
        )
        rows.append(
            Row(
                authority=str(item.id.generation.authority),
                kind=item.record.kind.value,
                certificate=str(item.id),
                ours=ours,
                openssl=theirs.words,
                ours_revoked=_ours(world, item, at) if revoked else None,
                openssl_revoked=again.words if again else None,
            )
        )
    return rows


def _ours(world: World, item: IssuedCertificate, at: datetime) -> str:
    """This product's verdict, reading nothing but what is published."""
    snapshot = Snapshot.read(world.home.repository)
    anchor = (world.home.repository / f"g/{snapshot.manifest.anchor}/self.cer").read_bytes()
    trust = Trust((anchor,), frozenset(world.plan.trusted_policies), world.plan.marking)
    try:
        verify(item.encoded, snapshot, trust, at)
    except PathRejected as rejected:
        return rejected.reason.value
    return "valid"


def show(rows: list[Row], console: Console) -> None:
    """The verdicts as a table."""
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    for name in ("authority", "kind", "ours", "OpenSSL", ""):
        table.add_column(name, no_wrap=True)
    for row in rows:
        table.add_row(
            row.authority,
            row.kind,
            _then(row.ours, row.ours_revoked),
            _then(row.openssl, row.openssl_revoked),
            "[green]agreed[/]" if row.agreed else "[red]NOT SO[/]",
        )
    console.print(table)


def _then(before: str, after: str | None) -> str:
    return before if after is None else f"{before}, then {after.removesuffix(': certificate revoked')}"
