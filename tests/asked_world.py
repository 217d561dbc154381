"""A small nation that lives today, served by ``kakehashi serve``, and what its clients have in their hands.

Clients compare an answer's moments with the machine's clock, and find the responder by the URL in the certificate; so
this world runs on the machine's time, and its certificates say where it is served. What the responder does not know was
issued by a copy of the home: a certificate in good order, with a number that was never given.
"""

from __future__ import annotations

import re
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import cached_property
from pathlib import Path

from bridge.repository.layout import cross_path, self_signed_path, service_path
from ca.model import CertificateId, CertificateKind, GenerationId, RevocationReason
from ca.revoking.deciding.by_hand import revoke
from front.assembly import open_world
from front.demo.served import free_port
from tests import commands, served_world, small_edition
from tests.served_world import Home, Served, holders

ANCHOR, BRIDGE, PREFECTURE = (
    GenerationId.parse(f"{name}.g1") for name in ("gpki-bca", "jpki-bridge", "jpki-13")
)
STATUSES = ("good", "revoked", "unknown")
SUSPECTED = timedelta(hours=1)
"""How long before its revocation the revoked certificate's key is suspected to have been lost."""


@dataclass(frozen=True)
class AskedWorld:
    """A served world with a certificate of each status.

    Attributes:
        ids: The good, the revoked and the unknown certificate.
        encoded: The same in DER.
        revoked_at: From when the revoked one counts as such.
        folder: For what a client needs as files.
    """

    server: Served
    ids: dict[str, CertificateId]
    encoded: dict[str, bytes]
    revoked_at: datetime
    folder: Path

    @property
    def url(self) -> str:
        """Of the prefecture's own responder: the one that the certificates name."""
        return f"{self.server.url}/ocsp/{PREFECTURE}"

    @property
    def national_url(self) -> str:
        """Of the responder for all the nation."""
        return f"{self.server.url}/ocsp/national"

    @cached_property
    def published(self) -> dict[str, bytes]:
        """What a client fetched from the repository before: the anchor, the path's certificates, the responders'."""
        paths = {
            "anchor": self_signed_path(ANCHOR),
            "bridge": cross_path(ANCHOR, BRIDGE),
            "prefecture": cross_path(BRIDGE, PREFECTURE),
            "root": self_signed_path(PREFECTURE),
            "responder": service_path(PREFECTURE, CertificateKind.OCSP_RESPONDER),
            "national": service_path(ANCHOR, CertificateKind.NATIONAL_RESPONDER),
        }
        found = {}
        for name, path in paths.items():
            answer = self.server.get(f"/{path}")
            assert answer.status == 200, path
            found[name] = answer.body
        return found

    def pem(self, *names: str) -> Path:
        """A file of these certificates in PEM."""
        target = self.folder / f"{'-'.join(names)}.pem"
        if not target.exists():
            known = self.published | self.encoded
            command = ["openssl", "x509", "-inform", "DER"]
            done = [
                subprocess.run(command, input=known[name], capture_output=True, check=True) for name in names
            ]
            target.write_bytes(b"".join(one.stdout for one in done))
        return target


@contextmanager
def asked_world(folder: Path, *options: str) -> Iterator[AskedWorld]:
    """The world in this folder, served with these options."""
    port = free_port()
    home = _made(folder, port)
    copy = Home(folder / "copy", home.keys, home.epoch)
    shutil.copytree(home.folder, copy.folder)
    good, revoked = (one.certificates["signature"] for one in holders(home, 2))
    # A world of test keys gives its numbers in one order, so that the copy's first two are the home's.
    unknown = holders(copy, 3)[-1].certificates["signature"]
    assert unknown.serial not in {good.serial, revoked.serial}
    with open_world(home.folder, lambda: "") as world:
        at = world.clock()
        encoded = {
            name: record.encoded
            for name, record in zip(
                ("good", "revoked"), world.stores.certificates([good, revoked]), strict=True
            )
        }
        revoke(
            world.stores,
            revoked,
            RevocationReason.KEY_COMPROMISE,
            "ito",
            at=at,
            invalid_since=at.replace(microsecond=0) - SUSPECTED,
        )
    with open_world(copy.folder, lambda: "") as world:
        (record,) = world.stores.certificates([unknown])
    ids = dict(zip(STATUSES, (good, revoked, unknown), strict=True))
    files = folder / "files"
    files.mkdir()
    with served_world.served(home, *options, port=port) as server:
        yield AskedWorld(server, ids, encoded | {"unknown": record.encoded}, at.replace(microsecond=0), files)


def _made(folder: Path, port: int) -> Home:
    """A home made yesterday, whose clock is the machine's from now on."""
    now = datetime.now(UTC)
    edition = folder / "edition.toml"
    edition.write_text(_edition(), encoding="utf-8")
    home = folder / "home"
    commands.done(
        commands.run(
            "init", "--edition", edition, "--test-keys", "--seed", small_edition.SEED,
            "--url", f"http://127.0.0.1:{port}", "--clock", f"{now - timedelta(days=1):%Y-%m-%dT%H:%MZ}+1",
            "--home", home,
        )
    )  # fmt: skip
    keys = served_world.staff(home)
    description = (home / "home.toml").read_text(encoding="utf-8")
    for name, value in (("start", now.isoformat()), ("epoch", now.isoformat()), ("speed", "1.0")):
        description, changed = re.subn(rf"(?m)^{name} = .*$", f"{name} = {value}", description)
        assert changed == 1
    (home / "home.toml").write_text(description, encoding="utf-8")
    return Home(home, keys, now)


def _edition() -> str:
    """Tokyo and Tottori, and a responder for all the nation."""
    text = served_world.edition()
    wanted = "national_responder = true\n"
    return (
        text.replace("[status]\n", f"[status]\n{wanted}")
        if "[status]\n" in text
        else f"{text}\n[status]\n{wanted}"
    )
