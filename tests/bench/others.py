"""The same certificates by other tools: a process of OpenSSL's for each, and Go's library."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

from tests.bench.bench import PROCESSES, Bench
from tests.bench.measure import run
from tests.bench.report import Row, skipped
from tests.components import found

_GO = Path(__file__).parent / "go"
_TOOLS = {"openssl x509 -req": "openssl", "Go x509.CreateCertificate": "go"}

# About what a resident's certificate says, as far as `openssl x509` can say it.
_EXTENSIONS = """
keyUsage = critical, digitalSignature
extendedKeyUsage = clientAuth
certificatePolicies = 1.2.392.200149.8.5.1.0.30
subjectAltName = otherName:1.2.392.200149.8.5.5.1;UTF8:12345678901234567890123456789012
issuerAltName = dirName:issuer
crlDistributionPoints = point
authorityInfoAccess = OCSP;URI:http://127.0.0.1:8080/ocsp/jpki-31.g1
authorityKeyIdentifier = keyid
subjectKeyIdentifier = hash
[issuer]
C = JP
O = JPKI-TEST
OU = Tottori CA
[point]
fullname = dirName:place
[place]
C = JP
O = JPKI-TEST
OU = CRL Distribution Points
CN = Tottori-shi CRLDP
"""


def contenders(
    bench: Bench, folder: Path, requests: Sequence[bytes]
) -> Iterator[tuple[str, Callable[[], object], int]]:
    """(name, the work, how many certificates it makes) of each tool that is here."""
    if found("openssl") is None:
        return
    _authority(folder)
    parts = [folder / f"part-{index}" for index in range(PROCESSES)]
    for index, part in enumerate(parts):
        part.mkdir()
        for number, request in enumerate(requests[index::PROCESSES]):
            (part / f"{number}.csr").write_bytes(request)
    yield (
        f"openssl x509 -req, {PROCESSES} loops, a process a certificate",
        lambda: _openssl(folder, parts),
        len(requests),
    )
    if found("go") is None:
        return
    program = _go_program(bench)
    turns = max(1, 3 * bench.scale.others // len(requests))
    yield (
        f"Go x509.CreateCertificate, {PROCESSES} threads, no store",
        lambda: run(
            [program, folder / "ca.crt", folder / "ca.key", turns, *parts],
            env=os.environ | {"GOMAXPROCS": str(PROCESSES)},
        ),
        turns * len(requests),
    )


def missing() -> Iterator[Row]:
    """Rows that say which tools are not here."""
    for name, component in _TOOLS.items():
        if row := skipped(name, component):
            yield row


def _authority(folder: Path) -> None:
    """A key and certificate of OpenSSL's own."""
    (folder / "extensions").write_text(_EXTENSIONS)
    made = ("-newkey", "rsa:2048", "-nodes", "-keyout", folder / "ca.key", "-out", folder / "ca.crt")
    run(["openssl", "req", "-x509", *made, "-subj", "/C=JP/O=JPKI-TEST/OU=Tottori CA", "-days", "30"])


def _openssl(folder: Path, parts: Sequence[Path]) -> None:
    script = (
        'for csr in "$1"/*.csr; do openssl x509 -req -inform DER -in "$csr" -CA "$2"/ca.crt -CAkey "$2"/ca.key '
        '-days 1800 -sha256 -extfile "$2"/extensions -out "$csr".crt 2>"$1"/log || { cat "$1"/log >&2; exit 1; }; done'
    )
    loops = [subprocess.Popen(["sh", "-c", script, "sh", str(part), str(folder)]) for part in parts]
    if any(loop.wait() for loop in loops):
        raise RuntimeError("openssl x509 -req failed")


def _go_program(bench: Bench) -> Path:
    """The program of tests/bench/go, compiled if it has changed."""
    program = bench.kept / "issue-go"
    newest = max(path.stat().st_mtime for path in _GO.iterdir())
    if not program.exists() or program.stat().st_mtime < newest:
        run(["go", "build", "-o", program, "."], cwd=_GO, env=os.environ | {"GOFLAGS": "-mod=mod", "GOTOOLCHAIN": "local"})  # fmt: skip
    return program
