"""The watcher: a right world gives no finding; each thing that can be wrong gives its own, seen over real HTTP.

What is published is tampered with as somebody could who has the keys: lists, heads and manifest are signed anew.
"""

from __future__ import annotations

import json
import shutil
import sqlite3
import threading
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from asn1crypto import core, crl
from hypothesis import given
from hypothesis import strategies as st
from werkzeug.serving import WSGIRequestHandler, make_server

from bridge.manifest import JOURNAL_HEAD, MANIFEST
from bridge.relying.finding.fetch import HttpSource
from bridge.repository.contents import publish_certificates, publish_lists, publish_manifest
from bridge.repository.heads import publish_head
from bridge.repository.signing import sign_statement
from ca.chance import SystemChance
from ca.errors import BadInput
from ca.journal.entries import OrderEntry, RevocationEntry
from ca.keys.vault import KeyId
from ca.model import CertificateId, CertificateKind, GenerationId, Revocation, RevocationReason, Serial
from ca.profiles.practice import ListPractice
from ca.revoking.assurance import watch
from ca.revoking.assurance.sights import StatusSight, gone, pack, unpack
from ca.revoking.assurance.watch import FindingKind, Suspicion
from ca.revoking.lists.publication import publish_changes
from ca.store import authorities, certificates
from ca.wire.cms import detached_signature
from front.watching.memory import Memory
from front.watching.rounds import Look, Watched
from tests import commands
from tests.http_servers import serving, unused_url
from tests.ocsp_world import ANCHOR, PREFECTURE, OcspWorld, ocsp_world
from tests.served_world import issued, served, small_home, wait_until

HOUR = timedelta(hours=1)
SIGNATURES = f"g/{PREFECTURE}/crl/signature-312011.crl"
AUTHENTICATIONS = f"g/{PREFECTURE}/crl/user-authentication-312011.crl"


# A world and its server


@dataclass
class Stage:
    """A published world that can be tampered with: its own copy of the folder, and of the watcher's memory."""

    world: OcspWorld
    folder: Path
    memory: Path
    revoked: CertificateId
    held: CertificateId
    good: CertificateId
    at: datetime
    answers: bool = True

    def read(self, path: str) -> bytes:
        return (self.folder / path).read_bytes()

    def write(self, path: str, octets: bytes) -> None:
        target = self.folder / path
        target.parent.mkdir(parents=True, exist_ok=True)
        target.unlink(missing_ok=True)  # the newest list is also there under its number
        target.write_bytes(octets)

    def sign(self, path: str, content: bytes) -> None:
        """Place a statement with the world's own signature."""
        self.write(path, content)
        signature = sign_statement(self.world.issuers, self.world.plan, content, at=self.at)
        self.write(str(Path(path).with_suffix(".p7s")), signature)

    def head(self, **changes: Any) -> None:
        """Place another head, signed."""
        head = json.loads(self.read(JOURNAL_HEAD)) | changes
        self.sign(JOURNAL_HEAD, json.dumps(head).encode())

    def relist(
        self, path: str, change: Callable[[Any], object], generation: GenerationId = PREFECTURE
    ) -> None:
        """Change a list's TBSCertList and have its issuer sign it."""
        found = crl.CertificateList.load(self.read(path))
        tbs = found["tbs_cert_list"].copy()
        change(tbs)
        issuer = self.world.issuers.of(generation)
        signature = issuer.signer.sign(tbs.dump(force=True), issuer.record.suite)
        signed = crl.CertificateList(
            {
                "tbs_cert_list": tbs,
                "signature_algorithm": found["signature_algorithm"],
                "signature": signature,
            }
        )
        self.write(path, signed.dump(force=True))

    def look(self, url: str, memory: Path | None = None, sample: int = 25) -> Watched:
        with Memory.opened(memory) as opened, HttpSource(url) as source, opened.round():
            return Look(source, opened, self.at, SystemChance(), sample=sample).look()

    def answer(self, environ: dict[str, Any], start_response: Callable[..., Any]) -> list[bytes]:
        path = environ["PATH_INFO"].lstrip("/")
        if path.startswith("ocsp/"):
            if not self.answers:
                start_response("503 Service Unavailable", [])
                return [b""]
            return list(self.world.application(lambda: self.at)(environ, start_response))
        file = self.folder / path
        if not file.is_file():
            start_response("404 Not Found", [("Content-Length", "0")])
            return [b""]
        octets = file.read_bytes()
        start_response("200 OK", [("Content-Length", str(len(octets)))])
        return [octets]

    @contextmanager
    def served(self) -> Iterator[str]:
        server = make_server("127.0.0.1", 0, self.answer, threaded=True, request_handler=_Quiet)
        thread = threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True)
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_port}/"
        finally:
            server.shutdown()
            thread.join(10)
            server.server_close()


class _Quiet(WSGIRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True

    def log(self, *_: Any) -> None:
        """Say nothing."""


@pytest.fixture(scope="module")
def right(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stage]:
    """A published world, and the memory of one who has looked at it once."""
    folder = tmp_path_factory.mktemp("watched")
    with ocsp_world(folder / "world") as world:
        revoked, held, good = world.issue(), world.issue(), world.issue()
        world.revoke(revoked, RevocationReason.AFFILIATION_CHANGED)
        world.revoke(held, RevocationReason.CERTIFICATE_HOLD)
        publish_all(world, world.now)
        stage = Stage(
            world, world.repository.folder, folder / "memory.db", revoked, held, good, world.now + HOUR / 60
        )
        with stage.served() as url:
            assert stage.look(url, stage.memory).findings == []
        yield stage


@pytest.fixture
def stage(right: Stage, tmp_path: Path) -> Stage:
    shutil.copytree(right.folder, tmp_path / "published")
    shutil.copy(right.memory, tmp_path / "memory.db")
    return Stage(
        right.world, tmp_path / "published", tmp_path / "memory.db",
        right.revoked, right.held, right.good, right.at,
    )  # fmt: skip


def publish_all(world: OcspWorld, at: datetime) -> None:
    for record in world.stores.generations():
        publish_lists(world.issuers, record.id, world.repository, at=at)
    publish_certificates(world.stores, world.repository)
    publish_manifest(world.issuers, world.plan, world.repository, at=at)
    publish_head(world.issuers, world.plan, world.repository, at=at)


# Tampering: each takes the stage and changes what is published


def extension(tbs: Any, name: str) -> Any:
    return next(one for one in tbs["crl_extensions"] if one["extn_id"].native == name)


def number(tbs: Any, by: int = 1) -> None:
    one = extension(tbs, "crl_number")
    one["extn_value"] = core.Integer(one["extn_value"].parsed.native + by)


def moments(tbs: Any, this_update: datetime, next_update: datetime) -> None:
    tbs["this_update"] = crl.Time({"utc_time": this_update})
    tbs["next_update"] = crl.Time({"utc_time": next_update})


def without(serial: Serial) -> Callable[[Any], None]:
    def change(tbs: Any) -> None:
        number(tbs)
        kept = [one for one in tbs["revoked_certificates"] if one["user_certificate"].native != serial.value]
        tbs["revoked_certificates"] = kept

    return change


def naming(
    serial: Serial, revoked_at: datetime, reason: str = "affiliation_changed"
) -> Callable[[Any], None]:
    def change(tbs: Any) -> None:
        number(tbs)
        there = list(tbs["revoked_certificates"] or ())
        tbs["revoked_certificates"] = [
            *there,
            {
                "user_certificate": serial.value,
                "revocation_date": crl.Time({"utc_time": revoked_at}),
                "crl_entry_extensions": [{"extn_id": "crl_reason", "critical": False, "extn_value": reason}],
            },
        ]

    return change


def late(stage: Stage) -> None:
    stage.relist(SIGNATURES, lambda tbs: moments(tbs, stage.at - 40 * HOUR, stage.at + 8 * HOUR))


def out_of_date(stage: Stage) -> None:
    stage.relist(SIGNATURES, lambda tbs: moments(tbs, stage.at - 40 * HOUR, stage.at - HOUR))


def early(stage: Stage) -> None:
    stage.relist(SIGNATURES, lambda tbs: (number(tbs), moments(tbs, stage.at + HOUR, stage.at + 8 * HOUR)))


def number_back(stage: Stage) -> None:
    stage.relist(SIGNATURES, lambda tbs: number(tbs, -1))


def number_again(stage: Stage) -> None:
    stage.relist(SIGNATURES, lambda tbs: moments(tbs, stage.at, stage.at + 8 * HOUR))


def older_under_a_higher_number(stage: Stage) -> None:
    stage.relist(SIGNATURES, lambda tbs: (number(tbs), moments(tbs, stage.at - HOUR, stage.at + 47 * HOUR)))


def vanished(stage: Stage) -> None:
    stage.relist(SIGNATURES, without(stage.revoked.serial))


def vanished_on_hold(stage: Stage) -> None:
    stage.relist(SIGNATURES, without(stage.held.serial))


def file_missing(stage: Stage) -> None:
    (stage.folder / SIGNATURES).unlink()


def manifest_line_missing(stage: Stage) -> None:
    manifest = json.loads(stage.read(MANIFEST))
    manifest["lists"] = [one for one in manifest["lists"] if one["url"] != SIGNATURES]
    stage.sign(MANIFEST, json.dumps(manifest).encode())


def another_town(stage: Stage) -> None:
    stage.write(SIGNATURES, stage.read(SIGNATURES.replace("312011", "312029")))


def point_not_critical(stage: Stage) -> None:
    def change(tbs: Any) -> None:
        number(tbs)
        extension(tbs, "issuing_distribution_point")["critical"] = False

    stage.relist(SIGNATURES, change)


def point_missing(stage: Stage) -> None:
    def change(tbs: Any) -> None:
        number(tbs)
        kept = [one for one in tbs["crl_extensions"] if one["extn_id"].native != "issuing_distribution_point"]
        tbs["crl_extensions"] = kept

    stage.relist(SIGNATURES, change)


def signature_flipped(stage: Stage) -> None:
    octets = stage.read(SIGNATURES)
    stage.write(SIGNATURES, octets[:-1] + bytes((octets[-1] ^ 1,)))


def another_key(stage: Stage) -> None:
    stage.relist(SIGNATURES, number, generation=ANCHOR)


def another_authority(stage: Stage) -> None:
    stage.write(f"g/{PREFECTURE}/crl/full.crl", stage.read(f"g/{ANCHOR}/crl/full.crl"))


def garbage(stage: Stage) -> None:
    stage.write(SIGNATURES, b"\x30\x80garbage")


def cut_short(stage: Stage) -> None:
    stage.write(SIGNATURES, stage.read(SIGNATURES)[:-40])


def without_number(stage: Stage) -> None:
    def change(tbs: Any) -> None:
        tbs["crl_extensions"] = [
            one for one in tbs["crl_extensions"] if one["extn_id"].native != "crl_number"
        ]

    stage.relist(SIGNATURES, change)


def another_issuer_certificate(stage: Stage) -> None:
    stage.write(f"g/{PREFECTURE}/self.cer", stage.read(f"g/{ANCHOR}/self.cer"))


def listed_and_good(stage: Stage) -> None:
    stage.relist(AUTHENTICATIONS, naming(stage.good.serial, stage.at - HOUR))


def listed_for_another_reason(stage: Stage) -> None:
    stage.relist(
        AUTHENTICATIONS, naming(stage.revoked.serial, stage.world.now.replace(microsecond=0), "superseded")
    )


def listed_since_another_time(stage: Stage) -> None:
    stage.relist(AUTHENTICATIONS, naming(stage.revoked.serial, stage.world.now - HOUR))


def listed_and_unknown(stage: Stage) -> None:
    stage.relist(AUTHENTICATIONS, naming(Serial(0x0123456789ABCDEF), stage.at - HOUR))


def no_answers(stage: Stage) -> None:
    stage.answers = False


def head_missing(stage: Stage) -> None:
    (stage.folder / JOURNAL_HEAD).unlink()


def head_of_another_world(stage: Stage) -> None:
    stage.head(world="elsewhere")


def head_without_signature(stage: Stage) -> None:
    (stage.folder / "journal/head.p7s").unlink()


def head_with_another_signature(stage: Stage) -> None:
    shutil.copy(stage.folder / "manifest.p7s", stage.folder / "journal/head.p7s")


def head_late(stage: Stage) -> None:
    stage.head(at=(stage.at - 3 * HOUR).isoformat())


def head_back(stage: Stage) -> None:
    stage.head(count=1)


def head_forked(stage: Stage) -> None:
    stage.head(digest="0" * 64)


def kept_head_changed(stage: Stage) -> None:
    head = json.loads(stage.read(JOURNAL_HEAD))
    stage.sign(f"journal/heads/{head['count']}.json", json.dumps(head | {"digest": "1" * 64}).encode())
    stage.head(count=head["count"] + 5, digest="2" * 64)


def kept_head_gone(stage: Stage) -> None:
    shutil.rmtree(stage.folder / "journal/heads")


def manifest_without_signature(stage: Stage) -> None:
    (stage.folder / "manifest.p7s").unlink()


def manifest_changed(stage: Stage) -> None:
    stage.write(MANIFEST, stage.read(MANIFEST) + b"\n")


def manifest_signed_by_a_responder(stage: Stage) -> None:
    """A key of the same authority, with a valid path: but not the repository's."""
    world, content = stage.world, stage.read(MANIFEST)
    with world.store.reading() as connection:
        service = next(
            one
            for one in authorities.services(connection)
            if (one.certificate.generation.authority, one.kind)
            == (world.plan.repository, CertificateKind.OCSP_RESPONDER)
        )
        certificate = certificates.find(connection, service.certificate).encoded
    signature = detached_signature(
        content,
        signer_certificate=certificate,
        other_certificates=[],
        suite=world.issuers.issuing(world.plan.repository).record.suite,
        sign=world.vault.signer(KeyId(service.key)).sign,
        at=stage.at,
    )
    stage.write("manifest.p7s", signature)


def manifest_is_html(stage: Stage) -> None:
    stage.write(MANIFEST, b"<!DOCTYPE html>")


def another_world(stage: Stage) -> None:
    manifest = json.loads(stage.read(MANIFEST)) | {"world": "elsewhere"}
    stage.sign(MANIFEST, json.dumps(manifest).encode())
    stage.head(world="elsewhere")
    shutil.rmtree(stage.folder / "journal/heads")


def nothing(_: Stage) -> None:
    """Leave everything as it is."""


K = FindingKind
FRESH, REMEMBERED = "at the first look", "after another look"
ROWS = [
    (nothing, REMEMBERED, {}),
    (nothing, FRESH, {}),
    (late, FRESH, {K.LIST_LATE: SIGNATURES}),
    (out_of_date, FRESH, {K.LIST_LATE: SIGNATURES}),
    (early, REMEMBERED, {K.LIST_EARLY: SIGNATURES}),
    (number_back, REMEMBERED, {K.NUMBER_BACK: SIGNATURES}),
    (number_again, REMEMBERED, {K.NUMBER_BACK: SIGNATURES}),
    (older_under_a_higher_number, REMEMBERED, {K.NUMBER_BACK: SIGNATURES}),
    (vanished, REMEMBERED, {K.ENTRY_VANISHED: SIGNATURES}),
    (vanished_on_hold, REMEMBERED, {K.ENTRY_VANISHED: SIGNATURES}),
    (file_missing, FRESH, {K.PARTITION_MISSING: SIGNATURES}),
    (manifest_line_missing, REMEMBERED, {K.PARTITION_MISSING: SIGNATURES}),
    (another_town, FRESH, {K.POINT_WRONG: SIGNATURES}),
    (point_not_critical, REMEMBERED, {K.POINT_WRONG: SIGNATURES}),
    (point_missing, REMEMBERED, {K.POINT_WRONG: SIGNATURES}),
    (signature_flipped, FRESH, {K.SIGNATURE_WRONG: SIGNATURES}),
    (another_key, REMEMBERED, {K.SIGNATURE_WRONG: SIGNATURES}),
    (another_authority, FRESH, {K.SIGNATURE_WRONG: f"g/{PREFECTURE}/crl/full.crl"}),
    (garbage, REMEMBERED, {K.LIST_UNREADABLE: SIGNATURES}),
    (cut_short, REMEMBERED, {K.LIST_UNREADABLE: SIGNATURES}),
    (without_number, REMEMBERED, {K.LIST_UNREADABLE: SIGNATURES}),
    (another_issuer_certificate, REMEMBERED, {K.SIGNATURE_WRONG: f"g/{PREFECTURE}/self.cer"}),
    (listed_and_good, REMEMBERED, {K.STATUS_DISAGREES: "{good}"}),
    (listed_for_another_reason, REMEMBERED, {K.STATUS_DISAGREES: "{revoked}"}),
    (listed_since_another_time, REMEMBERED, {K.STATUS_DISAGREES: "{revoked}"}),
    (listed_and_unknown, REMEMBERED, {K.STATUS_DISAGREES: f"{PREFECTURE}:{0x0123456789ABCDEF:040x}"}),
    (no_answers, REMEMBERED, {K.STATUS_MISSING: f"ocsp/{PREFECTURE}"}),
    (head_missing, REMEMBERED, {K.HEAD_MISSING: JOURNAL_HEAD}),
    (head_of_another_world, REMEMBERED, {K.HEAD_MISSING: JOURNAL_HEAD}),
    (head_without_signature, REMEMBERED, {K.HEAD_UNSIGNED: JOURNAL_HEAD}),
    (head_with_another_signature, REMEMBERED, {K.HEAD_UNSIGNED: JOURNAL_HEAD}),
    (head_late, FRESH, {K.HEAD_LATE: JOURNAL_HEAD}),
    (head_back, REMEMBERED, {K.HEAD_BACK: JOURNAL_HEAD}),
    (head_forked, REMEMBERED, {K.HEAD_FORKED: JOURNAL_HEAD}),
    (kept_head_changed, REMEMBERED, {K.HEAD_FORKED: "journal/heads/"}),
    (kept_head_gone, REMEMBERED, {K.HEAD_FORKED: "journal/heads/"}),
    (manifest_without_signature, FRESH, {K.SIGNATURE_WRONG: MANIFEST}),
    (manifest_changed, REMEMBERED, {K.SIGNATURE_WRONG: MANIFEST}),
    (manifest_signed_by_a_responder, REMEMBERED, {K.SIGNATURE_WRONG: MANIFEST}),
    (manifest_is_html, REMEMBERED, {K.UNREACHABLE: MANIFEST}),
    (another_world, FRESH, {}),
    (another_world, REMEMBERED, {K.WORLD_DIFFERS: MANIFEST, K.HEAD_FORKED: "journal/heads/"}),
]  # fmt: skip


@pytest.mark.parametrize(
    ("tamper", "when", "expected"), ROWS, ids=lambda value: getattr(value, "__name__", None)
)
def test_what_is_wrong_is_found_and_nothing_else(stage, tamper, when, expected):
    tamper(stage)
    with stage.served() as url:
        found = stage.look(url, stage.memory if when == REMEMBERED else None).findings
    assert {one.kind for one in found} == set(expected), found
    for one in found:
        place = expected[one.kind].format(good=stage.good, revoked=stage.revoked)
        if one.kind is not FindingKind.STATUS_MISSING:  # no responder answers then
            assert one.place.startswith(place), one


# A world with delta lists

DELTA = SIGNATURES.replace(".crl", ".delta.crl")


@pytest.fixture(scope="module")
def right_deltas(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stage]:
    """A world an hour later: its delta lists name an end and take off a hold; the full list pauses, its delta does not."""
    folder = tmp_path_factory.mktemp("watched-deltas")
    with ocsp_world(folder / "world") as world:
        practise(world, ListPractice(delta=True))
        ended, early, held, later = (world.issue() for _ in range(4))
        world.revoke(ended, RevocationReason.AFFILIATION_CHANGED)
        world.revoke(held, RevocationReason.CERTIFICATE_HOLD)
        publish_all(world, world.now)
        half, at = world.now + HOUR / 2, world.now + HOUR
        world.revoke(early, RevocationReason.AFFILIATION_CHANGED, at=half)
        publish_changes(world.issuers, world.repository, at=half)  # the first that have delta lists
        practise(world, ListPractice(delta=True, full_pause=2 * HOUR))
        world.revoke(later, RevocationReason.AFFILIATION_CHANGED, at=at)
        let_go(world, held, at)
        made = publish_changes(world.issuers, world.repository, at=at)
        assert {(one.scope, one.base is None) for one in made} == {
            ("signature-312011", True),
            ("signature-312011", False),
            ("full", False),
        }
        publish_manifest(world.issuers, world.plan, world.repository, at=at)
        publish_head(world.issuers, world.plan, world.repository, at=at)
        stage = Stage(
            world, world.repository.folder, folder / "memory.db", ended, held, later, at + HOUR / 60
        )
        with stage.served() as url:
            assert stage.look(url, stage.memory).findings == []
        yield stage


def practise(world: OcspWorld, lists: ListPractice) -> None:
    world.issuers.practices = {
        authority: replace(practice, lists=lists) for authority, practice in world.issuers.practices.items()
    }


def let_go(world: OcspWorld, held: CertificateId, at: datetime) -> None:
    order = OrderEntry(str(held), "removeFromCRL", at.replace(microsecond=0), "signature-312011")
    with world.stores.recording() as recording:
        recording.note(RevocationEntry("officer operator", "found again", at, (order,)))


@pytest.fixture
def deltas(right_deltas: Stage, tmp_path: Path) -> Stage:
    right = right_deltas
    shutil.copytree(right.folder, tmp_path / "published")
    shutil.copy(right.memory, tmp_path / "memory.db")
    return replace(right, folder=tmp_path / "published", memory=tmp_path / "memory.db")


def delta_missing(stage: Stage) -> None:
    (stage.folder / DELTA).unlink()


def delta_garbage(stage: Stage) -> None:
    stage.write(DELTA, b"garbage")


def delta_is_complete(stage: Stage) -> None:
    stage.write(DELTA, stage.read(SIGNATURES))


def delta_of_another_list(stage: Stage) -> None:
    stage.write(DELTA, stage.read(f"g/{PREFECTURE}/crl/full.delta.crl"))


def delta_number_back(stage: Stage) -> None:
    stage.relist(DELTA, lambda tbs: number(tbs, -1))


def delta_point_not_critical(stage: Stage) -> None:
    stage.relist(
        DELTA, lambda tbs: extension(tbs, "issuing_distribution_point").__setitem__("critical", False)
    )


def delta_mark_not_critical(stage: Stage) -> None:
    stage.relist(DELTA, lambda tbs: extension(tbs, "delta_crl_indicator").__setitem__("critical", False))


def delta_out_of_date(stage: Stage) -> None:
    stage.relist(DELTA, lambda tbs: moments(tbs, stage.at - 60 * HOUR, stage.at - 12 * HOUR))


def delta_signed_by_another(stage: Stage) -> None:
    stage.relist(DELTA, number, generation=ANCHOR)


def delta_of_an_unknown_base(stage: Stage) -> None:
    def change(tbs: Any) -> None:
        extension(tbs, "delta_crl_indicator")["extn_value"] = core.Integer(7)

    stage.relist(DELTA, change)


def delta_lets_an_end_go(stage: Stage) -> None:
    """What was ended for good before the base, beside all that the right one says."""
    stage.relist(DELTA, naming(stage.revoked.serial, stage.world.now, "remove_from_crl"))


def delta_emptied(stage: Stage) -> None:
    stage.relist(DELTA, lambda tbs: (number(tbs), tbs.__delitem__("revoked_certificates")))


def freshest_elsewhere(stage: Stage) -> None:
    """freshestCRL names another town's delta list."""

    def change(tbs: Any) -> None:
        one = extension(tbs, "freshest_crl")
        one["extn_value"] = core.ParsableOctetString(
            one["extn_value"].contents.replace(b"312011.delta", b"312029.delta")
        )

    stage.relist(SIGNATURES, change)


DELTA_ROWS = [
    (nothing, {}),
    (delta_missing, {K.PARTITION_MISSING: DELTA}),
    (delta_garbage, {K.LIST_UNREADABLE: DELTA}),
    (delta_is_complete, {K.LIST_UNREADABLE: DELTA}),
    (delta_of_another_list, {K.POINT_WRONG: DELTA}),
    (delta_number_back, {K.NUMBER_BACK: DELTA}),
    (delta_point_not_critical, {K.POINT_WRONG: DELTA}),
    (delta_mark_not_critical, {K.POINT_WRONG: DELTA}),
    (delta_out_of_date, {K.LIST_LATE: DELTA}),
    (delta_signed_by_another, {K.SIGNATURE_WRONG: DELTA}),
    (delta_of_an_unknown_base, {K.BASE_UNKNOWN: DELTA}),
    (delta_lets_an_end_go, {K.ENTRY_VANISHED: DELTA}),
    (delta_emptied, {K.ENTRY_VANISHED: DELTA}),
    (freshest_elsewhere, {K.POINT_WRONG: SIGNATURES}),
]


@pytest.mark.parametrize(
    ("tamper", "expected"), DELTA_ROWS, ids=lambda value: getattr(value, "__name__", None)
)
@pytest.mark.parametrize("when", [FRESH, REMEMBERED])
def test_what_is_wrong_with_a_delta_list_is_found(deltas, tamper, expected, when):
    tamper(deltas)
    memory = deltas.memory if when == REMEMBERED else None
    with deltas.served() as url:
        found = deltas.look(url, memory).findings
    places = {(one.kind, one.place) for one in found}
    # Beside its own finding, whoever has looked before sees another list under the same number.
    if when == REMEMBERED and tamper is not nothing:
        places -= {(K.NUMBER_BACK, place) for place in expected.values()} - set(expected.items())
    assert places == set(expected.items()), found


def test_what_is_wrong_with_a_delta_list_stays_reported_until_it_is_mended(deltas):
    right = deltas.read(DELTA)
    with deltas.served() as url:
        for tamper in (delta_lets_an_end_go, delta_emptied, delta_missing):
            tamper(deltas)
            for _ in range(2):
                (found,) = deltas.look(url, deltas.memory).findings
                assert found.place == DELTA
            deltas.write(DELTA, right)
            assert deltas.look(url, deltas.memory).findings == []


def test_a_delta_list_may_take_off_only_holds_that_were_let_go(deltas):
    """The full list pauses and still has the certificate on hold; without its being good, none may take it off."""
    full = f"g/{PREFECTURE}/crl/full.delta.crl"
    with deltas.served() as url:
        assert deltas.look(url).findings == []
        deltas.answers = False
        found = [one.place for one in deltas.look(url).findings if one.kind is K.ENTRY_VANISHED]
        assert found == [full]


def test_a_world_may_end_its_delta_lists(deltas):
    def change(tbs: Any) -> None:
        number(tbs)
        tbs["crl_extensions"] = [
            one for one in tbs["crl_extensions"] if one["extn_id"].native != "freshest_crl"
        ]

    deltas.relist(SIGNATURES, change)
    delta_missing(deltas)
    with deltas.served() as url:
        assert deltas.look(url, deltas.memory).findings == []


def test_every_kind_of_finding_is_found_somewhere_here():
    shown = {kind for row in (*ROWS, *DELTA_ROWS) for kind in row[-1]}
    assert shown | {FindingKind.LIST_BEHIND, FindingKind.HEAD_DISAGREES} == set(FindingKind)


# What is remembered


def test_a_finding_stays_until_it_is_mended_and_keeps_its_moment(stage):
    right, begun = stage.read(SIGNATURES), stage.at
    number_back(stage)
    with stage.served() as url:
        for minutes in (0, 5):
            stage.at = begun + timedelta(minutes=minutes)
            (found,) = stage.look(url, stage.memory).findings
            assert (found.kind, found.since) == (FindingKind.NUMBER_BACK, begun)
        stage.write(SIGNATURES, right)
        assert stage.look(url, stage.memory).findings == []


def test_an_entry_that_was_lost_has_to_come_back(stage):
    before = stage.read(SIGNATURES)
    vanished(stage)
    with stage.served() as url:
        assert [one.kind for one in stage.look(url, stage.memory).findings] == [FindingKind.ENTRY_VANISHED]
        stage.relist(SIGNATURES, number)  # a later list is no better
        assert [one.kind for one in stage.look(url, stage.memory).findings] == [FindingKind.ENTRY_VANISHED]
        stage.write(SIGNATURES, before)
        stage.relist(SIGNATURES, lambda tbs: number(tbs, 3))
        assert stage.look(url, stage.memory).findings == []


def test_what_a_dead_server_cannot_show_is_not_mended(stage):
    number_back(stage)
    with stage.served() as url:
        begun = stage.look(url, stage.memory).findings[0].since
    stage.at += timedelta(minutes=1)
    seen = stage.look(unused_url(), stage.memory)
    assert [one.kind for one in seen.findings] == [FindingKind.UNREACHABLE]
    with stage.served() as url:
        (found,) = stage.look(url, stage.memory).findings
    assert (found.kind, found.since) == (FindingKind.NUMBER_BACK, begun)


def test_without_answers_nothing_explains_a_lost_entry(stage):
    vanished(stage)
    with stage.served() as url:
        (found,) = stage.look(url, stage.memory, sample=0).findings
    assert found.kind is FindingKind.ENTRY_VANISHED


def test_an_entry_that_has_expired_may_leave(tmp_path):
    with _own_world(tmp_path) as (stage, url):
        stage.world.change(stage.revoked, not_after=stage.at - HOUR)
        vanished(stage)
        assert stage.look(url, stage.memory).findings == []
        # From now on it is not asked for any more.
        stage.world.change(stage.revoked, not_after=stage.at + HOUR)
        assert stage.look(url, stage.memory).findings == []


def test_a_hold_that_was_lifted_may_leave_and_is_behind_for_a_while(tmp_path):
    with _own_world(tmp_path) as (stage, url):
        order = OrderEntry(
            str(stage.held), "removeFromCRL", stage.at.replace(microsecond=0), "signature-312011"
        )
        with stage.world.stores.recording() as recording:
            recording.note(RevocationEntry("officer operator", "found again", stage.at, (order,)))
        for _ in range(20):  # samples are by chance, and it counts from the first that shows it
            assert (
                stage.look(url, stage.memory).findings == []
            )  # the list is behind, as it may be for a moment
        begun = stage.at
        stage.at += watch.PATIENCE[FindingKind.LIST_BEHIND]
        found = _until(lambda: stage.look(url, stage.memory).findings)
        assert {(one.kind, one.place, one.since) for one in found} == {
            (FindingKind.LIST_BEHIND, str(stage.held), begun)
        }
        publish_all(stage.world, stage.at)
        stage.relist(SIGNATURES, without(stage.held.serial))
        stage.relist(f"g/{PREFECTURE}/crl/full.crl", without(stage.held.serial))
        assert stage.look(url, stage.memory).findings == []


def test_a_list_knows_more_than_the_journal(stage):
    """An entry made since the last head, and a later head that has not grown."""
    with stage.served() as url:
        stage.at += HOUR
        stage.relist(
            AUTHENTICATIONS,
            lambda tbs: (
                naming(stage.revoked.serial, stage.at)(tbs),
                moments(tbs, stage.at, stage.at + 48 * HOUR),
            ),
        )
        kinds = {one.kind for one in stage.look(url, stage.memory, sample=0).findings}
        assert kinds == set()  # the head may follow
        stage.at += HOUR / 2
        stage.head(at=stage.at.isoformat())
        for _ in range(2):
            (found,) = stage.look(url, stage.memory, sample=0).findings
            assert (found.kind, found.place) == (FindingKind.HEAD_DISAGREES, AUTHENTICATIONS)
        head = json.loads(stage.read(JOURNAL_HEAD))
        stage.head(count=head["count"] + 1, digest="5" * 64)
        assert stage.look(url, stage.memory, sample=0).findings == []


@contextmanager
def _own_world(folder: Path) -> Iterator[tuple[Stage, str]]:
    """A world whose store may be changed too, seen once."""
    with ocsp_world(folder / "world") as world:
        revoked, held, good = world.issue(), world.issue(), world.issue()
        world.revoke(revoked, RevocationReason.AFFILIATION_CHANGED)
        world.revoke(held, RevocationReason.CERTIFICATE_HOLD)
        publish_all(world, world.now)
        at = world.now + HOUR / 60
        stage = Stage(world, world.repository.folder, folder / "memory.db", revoked, held, good, at)
        with stage.served() as url:
            assert stage.look(url, stage.memory).findings == []
            yield stage, url


def _until(findings: Callable[[], list[Any]]) -> list[Any]:
    """Samples are by chance."""
    return next(found for _ in range(50) if (found := findings()))


def other_database(file: Path) -> None:
    with closing(sqlite3.connect(file)) as connection:
        connection.execute("CREATE TABLE lists (place TEXT)")


@pytest.mark.parametrize("make", [lambda file: file.write_bytes(b"no database" * 100), other_database])
def test_another_file_is_no_memory(tmp_path, make):
    make(tmp_path / "memory.db")
    with pytest.raises(BadInput, match="not a watcher's memory"), Memory.opened(tmp_path / "memory.db"):
        pass


def test_a_round_that_breaks_off_is_not_remembered(stage):
    number_back(stage)
    before = stage.memory.read_bytes()
    with stage.served() as url, Memory.opened(stage.memory) as memory, HttpSource(url) as source:

        def stop(done, _):
            if done == 3:
                raise KeyboardInterrupt

        with pytest.raises(KeyboardInterrupt), memory.round():
            Look(source, memory, stage.at, SystemChance(), tell=stop).look()
    assert stage.memory.read_bytes() == before


# Judgement alone

SERIALS = st.integers(1, (1 << 159) - 1).map(Serial)


@given(st.sets(SERIALS), st.sets(SERIALS), st.sets(SERIALS))
def test_what_is_gone_is_the_difference(kept, lost, new):
    before, now = pack(kept | lost), pack(kept | new)
    assert set(unpack(gone(before, now))) == (kept | lost) - (kept | new)


@given(st.lists(st.integers(0, 5000), max_size=6, unique=True), st.lists(st.integers(0, 5000), max_size=6))
def test_what_is_gone_is_found_among_long_runs(lost, new):
    whole = [Serial(2 * value + 2) for value in range(5000)]
    before = pack(whole)
    now = pack(
        [*(one for place, one in enumerate(whole) if place not in lost), *(Serial(2 * n + 1) for n in new)]
    )
    assert list(unpack(gone(before, now))) == sorted(whole[place] for place in lost if place < len(whole))


AT = datetime(2014, 9, 1, tzinfo=UTC)
KEY, MOVED, HOLD, LIFTED = (
    RevocationReason.KEY_COMPROMISE,
    RevocationReason.AFFILIATION_CHANGED,
    RevocationReason.CERTIFICATE_HOLD,
    RevocationReason.REMOVE_FROM_CRL,
)
BEHIND, DISAGREES = FindingKind.LIST_BEHIND, FindingKind.STATUS_DISAGREES


@pytest.mark.parametrize(
    ("listed", "said", "expected"),
    [
        (MOVED, MOVED, None),
        (MOVED, KEY, BEHIND),
        (HOLD, MOVED, BEHIND),
        (HOLD, "good", BEHIND),
        (MOVED, "good", DISAGREES),
        (MOVED, HOLD, DISAGREES),
        (KEY, MOVED, DISAGREES),
        (HOLD, "unknown", DISAGREES),
        (MOVED, "unknown", DISAGREES),
    ],
)
def test_a_status_may_only_be_newer_than_the_list(listed, said, expected):
    entry = Revocation(Serial(7), AT, listed)
    revocation = Revocation(Serial(7), AT, said) if isinstance(said, RevocationReason) else None
    sight = StatusSight(Serial(7), known=said != "unknown", revocation=revocation)
    assert [one.kind for one in watch.look_at_status("place", entry, sight)] == (
        [expected] if expected else []
    )


def test_a_number_that_was_never_issued_is_never_good():
    for known, expected in ((True, [DISAGREES]), (False, [])):
        said = StatusSight(Serial(7), known=known)
        assert [one.kind for one in watch.look_at_unissued("ocsp/x.g1", said)] == expected


def test_a_suspicion_counts_once_it_has_lasted():
    suspicion, other = Suspicion(BEHIND, "one", "words"), Suspicion(DISAGREES, "other", "words")
    patience = watch.PATIENCE[BEHIND]
    findings, since = watch.settle([suspicion, other], {}, AT)
    assert [one.kind for one in findings] == [DISAGREES]
    findings, since = watch.settle([suspicion], since, AT + patience)
    assert [(one.kind, one.since) for one in findings] == [(BEHIND, AT)]
    assert watch.settle([], since, AT + patience) == ([], {})


# The command


def test_the_command_watches_a_served_world(tmp_path):
    home = small_home(tmp_path / "home")
    anchor = home.folder / "repository" / "g" / "gpki-bca.g1" / "self.cer"
    with served(home) as server:
        wait_until(lambda: server.get(f"/{JOURNAL_HEAD}").status == 200, "a head is published")
        certificate = issued(server, kinds=("signature",))["signature"]["certificate"]
        options = ("--trust", anchor, "--state", tmp_path / "state.db", "--once", "--json")

        def look():
            return commands.run("watch", server.url, *options, "--clock", f"{home.now():%Y-%m-%dT%H:%M:%SZ}")

        done = look()
        assert (done.status, done.json["findings"]) == (0, []), done
        assert done.json["lists"] > 10
        answer = server.post(
            f"/api/certificates/{certificate}/revocation", {"reason": "keyCompromise"}, key="ito"
        )
        assert answer.status == 200
        wait_until(home.lists_agree, "the lists say so")
        done = look()
        assert (done.status, done.json["findings"]) == (0, []), done
        assert done.json["entries"] == 2
        assert done.json["statuses"] > 0


def test_the_command_says_what_is_wrong(stage):
    with serving(stage.folder) as server:
        clock = ("--clock", f"{stage.at:%Y-%m-%dT%H:%M:%SZ}")
        options = ("--once", "--sample", "0", "--state", stage.memory, *clock)
        done = commands.run("watch", server.url, *options)
        assert done.status == 0, done
        assert "nothing wrong" in done.stdout
        number_back(stage)
        done = commands.run("watch", server.url, *options)
        assert done.status == 1
        assert "1 finding " in done.stdout
        assert "number back" in done.stdout
    done = commands.run("watch", "ftp://nowhere", "--once")
    assert done.status == 1
    assert "not of the form http" in done.stderr
