"""A small nation that lives today, its responders over HTTP, and clients that ask them.

``openssl ocsp`` compares an answer's moments with the machine's own clock, so this world is made a day ago. Its
keys are PUBLIC TEST KEYS; a world is made once a process and copied.
"""

from __future__ import annotations

import atexit
import io
import shutil
import subprocess
import tempfile
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import cache, cached_property
from pathlib import Path
from typing import Any
from wsgiref.util import setup_testing_defaults
from wsgiref.validate import validator

import msgspec
from asn1crypto import algos, ocsp, x509
from sqlalchemy import update
from werkzeug.serving import WSGIRequestHandler, make_server

from bridge.crossing.edition import edition_text, municipalities_path, read_edition
from bridge.crossing.plan import Plan, make_plan
from bridge.crossing.world import WorldMaker
from bridge.manifest import Marking
from bridge.repository.contents import publish_certificates
from bridge.repository.folder import Repository
from bridge.repository.layout import cross_path, list_path, self_signed_path
from ca.chance import SeededChance
from ca.clock import system_clock
from ca.issuing import cycle
from ca.issuing.cycle import Intended
from ca.issuing.founding import service
from ca.issuing.issuer import Issuers
from ca.keys.vault import KeyId, TestVault
from ca.model import (
    CertificateId,
    CertificateKind,
    GenerationId,
    OfficeId,
    Officer,
    OfficerId,
    RevocationReason,
    Serial,
)
from ca.names import Municipalities
from ca.revoking.deciding.by_hand import revoke
from ca.store import authorities, lists, officers
from ca.store.engine import Store, sqlite_url
from ca.store.schema import migrate
from ca.store.stores import Stores
from ca.store.tables import certificates
from ocsp.national import NATIONAL, open_national
from ocsp.responder import Responder, open_responder
from ocsp.wsgi import OcspApplication
from tests.engine_world import OFFICERS, SEED, URL, EngineWorld, journal_of, plan_for

CODES = ("31",)
BEGIN = system_clock().replace(microsecond=0) - timedelta(days=1)
ISSUED = BEGIN + timedelta(minutes=1)
LIFETIME = timedelta(hours=1)
ANCHOR, BRIDGE, PREFECTURE = (
    GenerationId.parse(f"{name}.g1") for name in ("gpki-bca", "jpki-bridge", "jpki-31")
)
SHA1, SHA256 = "sha1", "sha256"
NONCE = "1.3.6.1.5.5.7.48.1.2"
MALFORMED, INTERNAL, LATER, UNAUTHORIZED = (bytes((0x30, 3, 0x0A, 1, status)) for status in (1, 2, 3, 6))
"""The four error responses, octet for octet (RFC 6960 4.2.1)."""


@dataclass
class OcspWorld(EngineWorld):
    """An engine world with its responders."""

    def __post_init__(self) -> None:
        self.now = BEGIN + timedelta(hours=1)

    def responder(self, generation: GenerationId = PREFECTURE, lifetime: timedelta = LIFETIME) -> Responder:
        return open_responder(self.issuers, generation, lifetime)

    def national(self) -> Responder:
        return open_national(self.issuers, self.plan.anchor, self.stores.each())

    def application(self, clock: Any = None) -> OcspApplication:
        def lookup(text: str) -> Responder:
            return self.national() if text == NATIONAL else self.responder(GenerationId.parse(text))

        return OcspApplication(lookup, clock or (lambda: self.now))

    @cached_property
    def issuer_certificate(self) -> x509.Certificate:
        """The prefecture's, as its bridge certified it."""
        return x509.Certificate.load((self.repository.folder / cross_path(BRIDGE, PREFECTURE)).read_bytes())

    @cached_property
    def foreign_certificate(self) -> x509.Certificate:
        return x509.Certificate.load((self.repository.folder / self_signed_path(BRIDGE)).read_bytes())

    def issue(self, kind: CertificateKind = CertificateKind.SIGNATURE) -> CertificateId:
        return self.issued(kinds=(kind,), at=ISSUED)[kind].id

    def revoke(
        self,
        certificate: CertificateId,
        reason: RevocationReason = RevocationReason.KEY_COMPROMISE,
        at: datetime | None = None,
        **more: Any,
    ) -> None:
        revoke(self.stores, certificate, reason, "operator", at=at or self.now, **more)

    def change(self, certificate: CertificateId, **values: Any) -> None:
        """Alter a certificate's row, as no code of the product does."""
        with self.store.writing() as connection:
            connection.execute(
                update(certificates)
                .where(
                    certificates.c.generation == str(certificate.generation),
                    certificates.c.serial == certificate.serial.octets,
                )
                .values(**values)
            )

    def renew_responder(self, at: datetime, *, days: int = 30) -> CertificateId:
        """Give the prefecture's responder a new key and certificate."""
        issuer = self.issuers.of(PREFECTURE)
        key = KeyId(f"{PREFECTURE}.ocsp.{at:%Y%m%d%H%M%S}")
        prepared = service(
            issuer,
            CertificateKind.OCSP_RESPONDER,
            public_key=self.vault.create(key, issuer.record.suite).public_key,
            days=days,
            purpose=key,
            chance=self.chance,
            at=at,
        )
        with self.stores.recording() as recording:
            cycle.intend(recording, [Intended(prepared, service_key=key)], at)
        with self.stores.recording() as recording:
            cycle.complete(recording, [cycle.sign(prepared, at)], at)
        return prepared.record.id

    def request(self, *serials: Serial | int, **options: Any) -> bytes:
        return request_for(self.issuer_certificate, *serials, **options)


@contextmanager
def ocsp_world(folder: Path, *, national: bool = False) -> Iterator[OcspWorld]:
    """A fresh world in this folder, with a responder for all the nation if that is wanted."""
    shutil.copytree(_template(national=national), folder, dirs_exist_ok=True)
    plan = _plan(national=national)
    store = Store.open(sqlite_url(folder / "store.db"))
    vault = TestVault.open(folder / "keys")
    issuers = Issuers(Stores(store, journal_of(folder)), vault, plan.practices)
    try:
        yield OcspWorld(
            folder,
            plan,
            issuers.stores,
            vault,
            issuers,
            Repository(folder / "repository"),
            SeededChance(SEED),
        )
    finally:
        store.close()


def _plan(*, national: bool) -> Plan:
    if not national:
        return plan_for(CODES)
    place, octets = edition_text("japan-2014")
    edition = read_edition(octets, place)
    edition = msgspec.structs.replace(
        edition,
        prefectures=msgspec.structs.replace(edition.prefectures, codes=CODES, nation=False),
        status=msgspec.structs.replace(edition.status, national_responder=True),
    )
    return make_plan(
        edition, Marking.TEST, URL, Municipalities.read(municipalities_path(edition, place)), place
    )


@cache
def _template(*, national: bool) -> Path:
    folder = Path(tempfile.mkdtemp(prefix="kakehashi-ocsp-"))
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    store = Store.open(sqlite_url(folder / "store.db"))
    migrate(store)
    vault = TestVault.make(folder / "keys", SEED)
    stores = Stores(store, journal_of(folder))
    plan = _plan(national=national)
    WorldMaker(plan, stores, vault, SeededChance(SEED), BEGIN, lambda _: None).make()
    there = {office.id for office in plan.offices}
    with store.writing() as connection:
        for name, office, role in OFFICERS:
            if office in there:
                officers.add_officer(
                    connection, Officer(OfficerId(name), OfficeId(office), frozenset({role}))
                )
    publish_certificates_alone(stores, Repository(folder / "repository"))
    store.close()
    return folder


def publish_certificates_alone(stores: Stores, repository: Repository) -> None:
    """Without lists nothing may lead to an authority: they are there while its certificates are placed, and empty."""
    with stores.nation.reading() as connection:
        paths = [
            list_path(record.id, place.scope)
            for record in authorities.all_generations(connection)
            for place in lists.places_of(connection, record.id)
        ]
    missing = [path for path in paths if not repository.has(path)]
    repository.place([(path, b"") for path in missing])
    publish_certificates(stores, repository)
    repository.withdraw(missing)


# Requests, made by asn1crypto: the product never sees how.


def cert_id(issuer: x509.Certificate, serial: Serial | int, algorithm: str = SHA1) -> ocsp.CertId:
    """A CertID, without the NULL that OpenSSL writes behind the hash function's identifier."""
    hashed = {SHA1: "sha1", SHA256: "sha256"}[algorithm]
    return ocsp.CertId(
        {
            "hash_algorithm": algos.DigestAlgorithm({"algorithm": algorithm}),
            "issuer_name_hash": getattr(issuer.subject, hashed),
            "issuer_key_hash": getattr(issuer.public_key, hashed),
            "serial_number": serial.value if isinstance(serial, Serial) else serial,
        }
    )


def request_for(
    issuer: x509.Certificate,
    *serials: Serial | int,
    algorithm: str = SHA1,
    nonce: bytes | None = None,
    extensions: Sequence[dict[str, Any]] = (),
    query_extensions: Sequence[dict[str, Any]] = (),
) -> bytes:
    return request_of(
        [cert_id(issuer, serial, algorithm) for serial in serials],
        nonce=nonce,
        extensions=extensions,
        query_extensions=query_extensions,
    )


def request_of(
    identifiers: Sequence[ocsp.CertId],
    *,
    nonce: bytes | None = None,
    extensions: Sequence[dict[str, Any]] = (),
    query_extensions: Sequence[dict[str, Any]] = (),
) -> bytes:
    tbs: dict[str, Any] = {
        "request_list": [
            {"req_cert": identifier, "single_request_extensions": list(query_extensions)}
            if query_extensions
            else {"req_cert": identifier}
            for identifier in identifiers
        ]
    }
    wanted = list(extensions)
    if nonce is not None:
        wanted.append({"extn_id": "nonce", "critical": False, "extn_value": nonce})
    if wanted:
        tbs["request_extensions"] = wanted
    return ocsp.OCSPRequest({"tbs_request": tbs}).dump()


# The callable, driven under the eyes of the standard library's judge of WSGI.


@dataclass(frozen=True)
class Reply:
    status: int
    headers: dict[str, str]
    body: bytes


class CountingInput(io.BytesIO):
    """A body that knows how much of it was read."""

    read_octets = 0

    def read(self, size: int | None = -1, /) -> bytes:
        octets = super().read(size)
        self.read_octets += len(octets)
        return octets


def call(application: OcspApplication, method: str, path: str, body: Any = b"", **environ: Any) -> Reply:
    """One HTTP request without a network. Keywords go into the environment; None takes a word out."""
    stream = body if isinstance(body, io.BytesIO) else io.BytesIO(body)
    values: dict[str, Any] = {
        "REQUEST_METHOD": method,
        "SCRIPT_NAME": "",
        "PATH_INFO": path,
        "QUERY_STRING": "",
        "wsgi.input": stream,
    }
    if method == "POST":
        values["CONTENT_TYPE"] = "application/ocsp-request"
        values["CONTENT_LENGTH"] = str(len(stream.getbuffer()))
    values |= environ
    values = {name: value for name, value in values.items() if value is not None}
    setup_testing_defaults(values)
    seen: list[Any] = []

    def start_response(status: str, headers: list[tuple[str, str]], exc_info: Any = None) -> Any:
        assert exc_info is None
        seen.append((int(status[:3]), dict(headers)))
        return lambda _: None

    answer = validator(application)(values, start_response)
    try:
        octets = b"".join(answer)
    finally:
        answer.close()
    ((status, headers),) = seen
    assert headers["Content-Length"] == str(len(octets))
    return Reply(status, headers, octets)


def post(
    application: OcspApplication, body: Any, generation: GenerationId = PREFECTURE, **environ: Any
) -> Reply:
    return call(application, "POST", f"/ocsp/{generation}", body, **environ)


class _Quiet(WSGIRequestHandler):
    def log(self, *_: Any) -> None:
        """Say nothing."""


@contextmanager
def served(application: OcspApplication) -> Iterator[str]:
    """The callable behind a real server in a thread; gives the URL of the prefecture's responder."""
    server = make_server("127.0.0.1", 0, application, threaded=True, request_handler=_Quiet)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}/ocsp/{PREFECTURE}"
    finally:
        server.shutdown()
        thread.join(10)
        server.server_close()


@dataclass(frozen=True)
class OpensslClient:
    """``openssl ocsp`` with nothing but published files: the anchor, and the path's cross-certificates."""

    repository: Path
    workspace: Path

    def ask(self, *arguments: str | Path, sha256: bool = False) -> str:
        """What it says, or AssertionError with it if it does not verify the answer."""
        done = subprocess.run(
            [
                "openssl", "ocsp",
                *(["-sha256"] if sha256 else []),  # before what it is for
                "-issuer", self._pem("issuer", cross_path(BRIDGE, PREFECTURE)),
                *arguments,
                "-CAfile", self._pem("anchor", self_signed_path(ANCHOR)),
                "-verify_other",
                self._pem("path", cross_path(BRIDGE, PREFECTURE), cross_path(ANCHOR, BRIDGE)),
            ],
            capture_output=True, text=True, check=False, timeout=60,
        )  # fmt: skip
        said = done.stdout + done.stderr
        assert done.returncode == 0, said
        return said

    def certificate(self, encoded: bytes, name: str = "certificate") -> Path:
        return self._write(name, encoded)

    def _pem(self, name: str, *paths: str) -> Path:
        return self._write(name, *((self.repository / path).read_bytes() for path in paths))

    def _write(self, name: str, *encoded: bytes) -> Path:
        target = self.workspace / f"{name}.pem"
        pems = [
            subprocess.run(
                ["openssl", "x509", "-inform", "DER"], input=one, capture_output=True, check=True
            ).stdout
            for one in encoded
        ]
        target.write_bytes(b"".join(pems))
        return target
