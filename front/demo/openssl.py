"""OpenSSL's command line as an independent party: it makes the holders' keys and judges the certificates.

It is given nothing but published files. Which cross-certificates lead to an authority is read from the manifest,
by breadth first search; everything else OpenSSL decides.
"""

from __future__ import annotations

import base64
import re
import subprocess
from collections import deque
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from itertools import pairwise
from pathlib import Path
from urllib.request import urlopen

import msgspec

from bridge.manifest import MANIFEST, Manifest
from ca.model import GenerationId, Scope

_SECONDS = 60


@dataclass(frozen=True, slots=True)
class Verdict:
    """What ``openssl verify`` said: accepted, or the error that it gave."""

    accepted: bool
    words: str


def run(*arguments: str | Path, check: bool = True) -> subprocess.CompletedProcess[str]:
    """Run ``openssl``; output and errors as text."""
    command = ["openssl", *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, timeout=_SECONDS, check=check)  # noqa: S603 - no shell, fixed program


def key_and_request(folder: Path, name: str) -> Path:
    """Make an RSA-2048 key pair and a PKCS#10 request, as a card would; gives the request's file."""
    request = folder / f"{name}.csr"
    run(
        "req", "-new", "-newkey", "rsa:2048", "-sha256", "-nodes", "-subj", "/CN=applicant",
        "-keyout", folder / f"{name}.key", "-out", request,
    )  # fmt: skip
    return request


Read = Callable[[str], bytes]
"""Gives a published file by its path in the repository."""


def from_folder(repository: Path) -> Read:
    """What is published, as files."""
    return lambda path: (repository / path).read_bytes()


def from_url(url: str) -> Read:
    """What is published, over HTTP."""

    def read(path: str) -> bytes:
        with urlopen(f"{url}/{path}", timeout=_SECONDS) as answer:  # noqa: S310 - the demonstration's own server
            content: bytes = answer.read()
        return content

    return read


@dataclass(frozen=True, slots=True)
class OpensslJudge:
    """Judges certificates of a published repository from its anchor, with policy and lists."""

    read: Read
    manifest: Manifest
    policies: tuple[str, ...]
    workspace: Path

    @classmethod
    def over(cls, read: Read, policies: Iterable[str], workspace: Path) -> OpensslJudge:
        """A judge over what is published; ``workspace`` is for the PEM files that it hands to OpenSSL."""
        manifest = msgspec.json.decode(read(MANIFEST), type=Manifest)
        workspace.mkdir(parents=True, exist_ok=True)
        return cls(read, manifest, tuple(policies), workspace)

    def trusting(self, anchor: GenerationId, policies: Iterable[str]) -> OpensslJudge:
        """The same judge with another authority's self-signed certificate as its anchor, and policies of that one."""
        manifest = msgspec.structs.replace(self.manifest, anchor=str(anchor))
        return replace(self, manifest=manifest, policies=tuple(policies))

    def verify(
        self,
        certificate: Path,
        issuer: GenerationId,
        scope: Scope,
        *,
        at: datetime,
        without: Sequence[Scope] = (),
        number: int | None = None,
        auth_level: int | None = None,
    ) -> Verdict:
        """``openssl verify`` of a PEM certificate that ``issuer`` issued and the list ``scope`` would name.

        ``without`` leaves lists out by their scope: what must then be refused. ``number`` takes an earlier list
        of the scope than the newest. ``auth_level`` asks for so much strength of each signature and key: 1 and more
        refuse SHA-1, 3 and more what has less than 128 bits.
        """
        path = self.path_to(str(issuer))
        # The anchor's own authority list too: -crl_check_all asks about the self-signed certificate.
        scopes = [(generation, Scope("arl")) for generation in path[:-1]] or [(path[0], Scope("arl"))]
        lists = [f"g/{generation}/crl/{name}.crl" for generation, name in scopes if name not in without]
        if scope not in without:
            name = scope if number is None else f"{scope}/{number}"
            lists.append(f"g/{path[-1]}/crl/{name}.crl")
        crosses = self._crosses(path)
        untrusted: list[str | Path] = ["-untrusted", crosses] if crosses else []
        done = run(
            "verify",
            "-attime", str(int(at.timestamp())),
            *([] if auth_level is None else ["-auth_level", str(auth_level)]),
            "-CAfile", self._anchor(path),
            *untrusted,
            *self._policies(), "-explicit_policy",
            "-CRLfile", self._pem("lists", "X509 CRL", lists),
            "-crl_check_all",
            certificate,
            check=False,
        )  # fmt: skip
        words = " ".join((done.stdout + done.stderr).split())
        accepted = done.returncode == 0 and done.stdout.strip().endswith(": OK")
        return Verdict(accepted, "OK" if accepted else _error(words))

    def ocsp(self, certificate: Path, issuer: GenerationId, url: str) -> str:
        """``openssl ocsp`` about a PEM certificate, with nonce: good, revoked, unknown, or what went wrong."""
        path = self.path_to(str(issuer))
        crosses = self._crosses(path)
        assert crosses is not None, "a holder's issuer is not the anchor"
        above, below = path[-2:]
        done = run(
            "ocsp",
            "-issuer", self._pem("issuer", "CERTIFICATE", [f"g/{above}/cross/{below}.cer"]),
            "-cert", certificate,
            "-url", url,
            "-CAfile", self._anchor(path),
            "-verify_other", crosses,
            *self._policies(),
            check=False,
        )  # fmt: skip
        said = re.search(rf"{re.escape(str(certificate))}: (\w+)", done.stdout)
        if "Response verify OK" in done.stderr and said:
            return said[1]
        return " ".join((done.stdout + done.stderr).split())[:120]

    def _policies(self) -> list[str]:
        return [word for policy in self.policies for word in ("-policy", policy)]

    def _anchor(self, path: Sequence[str]) -> Path:
        return self._pem("anchor", "CERTIFICATE", [f"g/{path[0]}/self.cer"])

    def _crosses(self, path: Sequence[str]) -> Path | None:
        """The cross-certificates of a path, and no other: OpenSSL's verdict on a whole mesh hangs on its order."""
        files = [f"g/{above}/cross/{below}.cer" for above, below in pairwise(path)]
        return self._pem("path", "CERTIFICATE", files) if files else None

    def path_to(self, issuer: str) -> list[str]:
        """The generations from the anchor to the issuer, by the shortest way through cross-certificates."""
        before: dict[str, str | None] = {self.manifest.anchor: None}
        waiting = deque([self.manifest.anchor])
        while waiting:
            here = waiting.popleft()
            for cross in self.manifest.cross:
                if cross.issuer == here and cross.subject not in before:
                    before[cross.subject] = here
                    waiting.append(cross.subject)
        path: list[str] = []
        step: str | None = issuer
        while step is not None:
            path.insert(0, step)
            step = before[step]
        return path

    def _pem(self, name: str, label: str, files: Sequence[str]) -> Path:
        target = self.workspace / f"{name}.pem"
        target.write_text("".join(_armour(label, self.read(file)) for file in files))
        return target


def write_certificate(path: Path, encoded: bytes) -> Path:
    """Write a certificate as PEM."""
    path.write_text(_armour("CERTIFICATE", encoded))
    return path


def _armour(label: str, encoded: bytes) -> str:
    lines = base64.encodebytes(encoded).decode().replace("\n", "")
    body = "\n".join(lines[start : start + 64] for start in range(0, len(lines), 64))
    return f"-----BEGIN {label}-----\n{body}\n-----END {label}-----\n"


def _error(words: str) -> str:
    """``error 23: certificate revoked`` out of OpenSSL's message."""
    _, found, rest = words.partition("error ")
    if not found:
        return words[:80]
    number, _, rest = rest.partition(" at ")
    _, _, reason = rest.partition("lookup: ")
    # Behind the reason stand further errors, or with -explicit_policy the policies that were found.
    return f"error {number}: {re.split(r' error | Require explicit Policy', reason)[0]}"
