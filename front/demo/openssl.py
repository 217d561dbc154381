"""OpenSSL's command line as an independent party: it makes the holders' keys and judges the certificates.

It is given nothing but published files. Which cross-certificates lead to an authority is read from the manifest,
by breadth first search; everything else OpenSSL decides.
"""

from __future__ import annotations

import base64
import re
import subprocess
from collections import deque
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from itertools import pairwise
from pathlib import Path

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


@dataclass(frozen=True, slots=True)
class OpensslJudge:
    """Judges certificates of a published repository from its anchor, with policy and lists."""

    repository: Path
    manifest: Manifest
    policies: tuple[str, ...]
    workspace: Path

    @classmethod
    def over(cls, repository: Path, policies: Iterable[str], workspace: Path) -> OpensslJudge:
        """A judge over a published folder; ``workspace`` is for the PEM files that it hands to OpenSSL."""
        octets = (repository / MANIFEST).read_bytes()
        manifest = msgspec.json.decode(octets, type=Manifest)
        workspace.mkdir(parents=True, exist_ok=True)
        return cls(repository, manifest, tuple(policies), workspace)

    def verify(
        self,
        certificate: Path,
        issuer: GenerationId,
        scope: Scope,
        *,
        at: datetime,
        without: Sequence[Scope] = (),
    ) -> Verdict:
        """``openssl verify`` of a PEM certificate that ``issuer`` issued and the list ``scope`` would name.

        ``without`` leaves lists out by their scope: what must then be refused.
        """
        path = self.path_to(str(issuer))
        crosses = [f"g/{above}/cross/{below}.cer" for above, below in pairwise(path)]
        # The anchor's own authority list too: -crl_check_all asks about the self-signed certificate.
        scopes = [(generation, Scope("arl")) for generation in path[:-1]] or [(path[0], Scope("arl"))]
        scopes.append((path[-1], scope))
        lists = [f"g/{generation}/crl/{name}.crl" for generation, name in scopes if name not in without]
        policies = [word for policy in self.policies for word in ("-policy", policy)]
        untrusted: list[str | Path] = (
            ["-untrusted", self._pem("path", "CERTIFICATE", crosses)] if crosses else []
        )
        done = run(
            "verify",
            "-attime", str(int(at.timestamp())),
            "-CAfile", self._pem("anchor", "CERTIFICATE", [f"g/{path[0]}/self.cer"]),
            *untrusted,
            *policies, "-explicit_policy",
            "-CRLfile", self._pem("lists", "X509 CRL", lists),
            "-crl_check_all",
            certificate,
            check=False,
        )  # fmt: skip
        words = " ".join((done.stdout + done.stderr).split())
        accepted = done.returncode == 0 and done.stdout.strip().endswith(": OK")
        return Verdict(accepted, "OK" if accepted else _error(words))

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
        target.write_text("".join(_armour(label, (self.repository / file).read_bytes()) for file in files))
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
