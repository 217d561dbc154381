"""A nation from one file: a world is made, every authority's holders get certificates, and OpenSSL judges them.

For each authority and each kind that it issues, one certificate is issued through file, examine, approve and issue,
verified by this product and by ``openssl verify`` from the government's anchor with policy and lists, then revoked
and verified again. Every verdict has to be as expected, from both.

Where certificates also name the self-signed certificate of their issuer (``authority_key = "all parts"``, as residents'
do in japan-2016), OpenSSL finds no way from the government's anchor: that has to be its error 20, and it judges from
the authority's own root. This product always judges from the government's anchor. The nation of
japan-2008 lives in its own time, and OpenSSL is asked at a level of security that takes SHA-1.
"""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from pathlib import Path

from rich import box
from rich.console import Console
from rich.progress import track
from rich.table import Table

from bridge.relying.finding.snapshot import Snapshot
from bridge.relying.rejection import PathRejected
from bridge.relying.trust import Trust
from bridge.relying.verify import verify
from ca.issuing.cycle import IssuedCertificate
from ca.model import (
    HOLDER_KINDS,
    Applicant,
    AuthorityId,
    CertificateKind,
    GenerationId,
    LocalHolder,
    Office,
    OfficeKind,
    Officer,
    OfficerId,
    OfficialPost,
    RevocationReason,
    Role,
)
from ca.profiles.extensions import AuthorityKeyForm
from ca.revoking.deciding.by_hand import revoke
from ca.revoking.lists.publication import publish
from ca.rules.registration import Step, next_steps
from ca.store import authorities as authority_rows
from ca.store import certificates, officers
from front.assembly import World, open_world
from front.demo.openssl import OpensslJudge, Verdict, from_folder, key_and_request, write_certificate
from front.demo.people import invented_code, invented_resident
from front.demo.stage import Stage

EDITIONS = ("japan-2014", "japan-2016", "japan-2008")
"""The editions whose nations can be judged."""

_CLOCKS = {"japan-2008": "2008-04-22T00:00Z"}  # in their own time, when their suites still sign

_REVOKED = "error 23: certificate revoked"
_NO_WAY = "error 20: unable to get local issuer certificate"


@dataclass(frozen=True, slots=True)
class Row:
    """One certificate's verdicts: by us and by OpenSSL, before and after it is revoked.

    Attributes:
        openssl_anchor: The authority from whose self-signed certificate OpenSSL judges.
        openssl_elsewhere: What OpenSSL says from the nation's anchor, where it judges from another one.
    """

    authority: str
    kind: str
    certificate: str
    ours: str
    openssl: str
    openssl_anchor: str
    openssl_elsewhere: str | None
    ours_revoked: str | None
    openssl_revoked: str | None

    @property
    def agreed(self) -> bool:
        """Whether all verdicts are as expected."""
        return (
            (self.ours, self.openssl) == ("valid", "OK")
            and self.openssl_elsewhere in {None, _NO_WAY}
            and (self.ours_revoked, self.openssl_revoked) in {(None, None), ("revoked", _REVOKED)}
        )


def judge_nation(stage: Stage, edition: str, *, test_keys: bool) -> list[Row]:
    """Make the nation, issue at every authority, and collect both verdicts on every certificate."""
    stage.clear()
    (stage.folder / "holders").mkdir()
    console = stage.console
    stage.chapter("1. A world from one file")
    clock = ["--clock", _CLOCKS[edition]] if edition in _CLOCKS else []
    stage.command("init", "--edition", edition, *clock, options=["--test-keys"] if test_keys else [])
    with open_world(stage.home, stage.secret.read_text().strip) as world:
        stage.chapter("2. Officers, applications, certificates")
        issued = list(_issue_everywhere(world, stage.folder / "holders", console))
        stage.chapter("3. Two verdicts on each, before and after it is revoked")
        return _judge(world, issued, stage.folder / "judge", console)


@dataclass(frozen=True, slots=True)
class _Application:
    """What is applied for at one office, with the files of its requests."""

    office: Office
    applicant: Applicant
    code: int | None
    requests: dict[CertificateKind, Path]


def _issue_everywhere(world: World, folder: Path, console: Console) -> Iterator[IssuedCertificate]:
    """A case at one office of every authority, through all its steps; then what authorities issue themselves."""
    operator, approver, second = _officers(world)
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
        case = world.registration.examine(case.id, window[1], at=at)
        if Step.REEXAMINE in next_steps(case):
            world.registration.reexamine(case.id, second, at=at)
        world.registration.approve(case.id, approver, at=at)
        yield from world.registration.issue(case.id, operator, at=at)
    for store in world.stores.each():
        with store.reading() as connection:
            for service in authority_rows.services(connection):
                record = certificates.find(connection, service.certificate)
                yield IssuedCertificate(record, record.encoded)
    console.print(f"{len(applications)} cases issued, at an office of every authority that has holders.")


def _applications(world: World, folder: Path) -> list[_Application]:
    """For each authority with holders, an application for every kind at its first office."""
    first: dict[AuthorityId, Office] = {}
    for office in world.plan.offices:
        for authority in office.authorities:
            first.setdefault(authority, office)
    wanted = [
        (office, kind) for name, office in first.items() for kind in world.issuers.practice(name).holders
    ]
    with ThreadPoolExecutor(max_workers=2) as pool:
        made = list(pool.map(lambda item: key_and_request(folder, f"{item[0].id}-{item[1]}"), wanted))
    applications = []
    for office in {office.id: office for office in first.values()}.values():
        requests = {
            kind: request for (at, kind), request in zip(wanted, made, strict=True) if at.id == office.id
        }
        if office.kind is OfficeKind.MINISTRY:
            post = OfficialPost(office.name, "Director-General for Examples")
            applications.append(_Application(office, post, None, requests))
        elif office.kind is OfficeKind.LOCAL_GOVERNMENT:
            local = LocalHolder(office.name, None, "Desk for Examples")
            applications.append(_Application(office, local, None, requests))
        else:
            resident = invented_resident(world.plan.municipalities.window(office.id))
            applications.append(_Application(office, resident, 1, requests))
    return applications


def _officers(world: World) -> tuple[OfficerId, OfficerId, OfficerId]:
    """An operator, an approver and an examiner at the centre."""
    centre = next(office for office in world.plan.offices if office.kind is OfficeKind.CENTRE)
    made = tuple(
        Officer(OfficerId(f"centre-{role}"), centre.id, frozenset({role}))
        for role in (Role.OPERATOR, Role.APPROVER, Role.CENTRE_EXAMINER)
    )
    with world.stores.nation.writing() as connection:
        for officer in made:
            officers.add_officer(connection, officer)
    operator, approver, second = (officer.id for officer in made)
    return operator, approver, second


def _window_officers(world: World, office: Office) -> tuple[OfficerId, OfficerId]:
    """A receptionist and an examiner at an office."""
    names = (OfficerId(f"reception-{office.id}"), OfficerId(f"examiner-{office.id}"))
    with world.stores.nation.writing() as connection:
        for name, role in zip(names, (Role.RECEPTION, Role.EXAMINER), strict=True):
            officers.add_officer(connection, Officer(name, office.id, frozenset({role})))
    return names


@dataclass(frozen=True, slots=True)
class _Judges:
    """OpenSSL with the nation's anchor, and for what it cannot follow from there with the issuer's own root."""

    world: World
    nation: OpensslJudge

    def openssl(self, item: IssuedCertificate) -> tuple[AuthorityId, Verdict]:
        """From which authority OpenSSL judges, and what it says from there now."""
        generation = item.id.generation
        judge = self.nation
        if self.all_parts(item):
            judge = judge.trusting(
                generation, self.world.issuers.practice(generation.authority).services.policies
            )
        return GenerationId.parse(judge.manifest.anchor).authority, self._asked(judge, item)

    def elsewhere(self, item: IssuedCertificate) -> Verdict | None:
        """What OpenSSL says from the nation's anchor, if it judges from another one."""
        return self._asked(self.nation, item) if self.all_parts(item) else None

    def all_parts(self, item: IssuedCertificate) -> bool:
        """Whether the certificate also names the self-signed certificate of its issuer."""
        holder = self.world.issuers.practice(item.id.generation.authority).holders.get(item.record.kind)
        return holder is not None and holder.authority_key is AuthorityKeyForm.ALL_PARTS

    def ours(self, item: IssuedCertificate) -> str:
        """This product's verdict, reading nothing but what is published."""
        repository, plan = self.world.home.repository, self.world.plan
        snapshot = Snapshot.read(repository)
        anchor = (repository / f"g/{snapshot.manifest.anchor}/self.cer").read_bytes()
        policies = frozenset(plan.trusted_policies)
        trust = Trust((anchor,), policies, plan.marking, legacy=plan.legacy)
        try:
            verify(item.encoded, snapshot, trust, self.world.clock())
        except PathRejected as rejected:
            return rejected.reason.value
        return "valid"

    def _asked(self, judge: OpensslJudge, item: IssuedCertificate) -> Verdict:
        file = judge.workspace / f"{item.id}.pem"
        level = 0 if self.world.plan.legacy else None  # which takes SHA-1, also where more is usual
        return judge.verify(
            file, item.id.generation, item.record.scope, at=self.world.clock(), auth_level=level
        )


def _judge(world: World, issued: list[IssuedCertificate], folder: Path, console: Console) -> list[Row]:
    """Both verdicts on every certificate; then holders' are revoked, their lists published, and both judge again."""
    judges = _Judges(
        world, OpensslJudge.over(from_folder(world.home.repository), world.plan.trusted_policies, folder)
    )
    rows = []
    for item in track(issued, "verified by both", console=console, transient=True):
        write_certificate(folder / f"{item.id}.pem", item.encoded)
        anchor, theirs = judges.openssl(item)
        elsewhere = judges.elsewhere(item)
        rows.append(
            Row(
                authority=str(item.id.generation.authority),
                kind=item.record.kind.value,
                certificate=str(item.id),
                ours=judges.ours(item),
                openssl=theirs.words,
                openssl_anchor=anchor,
                openssl_elsewhere=None if elsewhere is None else elsewhere.words,
                ours_revoked=None,
                openssl_revoked=None,
            )
        )
    ends = [item for item in issued if item.record.kind in HOLDER_KINDS]
    for item in track(ends, "revoked, lists published", console=console, transient=True):
        _revoke(world, item)
    after = {
        str(item.id): (judges.ours(item), judges.openssl(item)[1].words)
        for item in track(ends, "verified again", console=console, transient=True)
    }
    none = (None, None)
    return [
        replace(row, ours_revoked=ours, openssl_revoked=theirs)
        for row in rows
        for ours, theirs in [after.get(row.certificate, none)]
    ]


def _revoke(world: World, item: IssuedCertificate) -> None:
    """Revoke a holder's certificate and publish the lists that then name it."""
    generation = item.id.generation
    ended = revoke(
        world.stores,
        item.id,
        RevocationReason.CESSATION_OF_OPERATION,
        f"centre-{Role.OPERATOR}",
        at=world.clock(),
    )
    store, issuer = world.stores.of(generation.authority), world.issuers.of(generation)
    publish(store, issuer, ended.scopes, world.repository, at=world.clock())


def show(rows: list[Row], console: Console) -> None:
    """The verdicts as a table."""
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    for name in ("authority", "kind", "ours", "OpenSSL", ""):
        table.add_column(name, no_wrap=name in {"authority", "kind"})
    for row in rows:
        table.add_row(
            row.authority,
            row.kind,
            _then(row.ours, row.ours_revoked),
            _then(row.openssl + ("" if row.openssl_elsewhere is None else "*"), row.openssl_revoked),
            "[green]agreed[/]" if row.agreed else "[red]NOT SO[/]",
        )
    console.print(table)
    for row in rows:
        if row.openssl_elsewhere is not None:
            console.print(
                f"* {row.kind}: OpenSSL judges from {row.openssl_anchor};"
                f" from the nation's anchor it says {row.openssl_elsewhere}",
                markup=False,
            )


def _then(before: str, after: str | None) -> str:
    return before if after is None else f"{before}, then {after.removesuffix(': certificate revoked')}"
