"""OpenSSL: ``openssl verify``, handed the drawn path.

``-untrusted`` holds the path's cross-certificates alone: given a whole mesh, its verdict depends on the order of the
file, and a CA's self-signed certificate ends the path too early. ``-CRLfile`` holds the newest list of every scope at
the moment, with the anchor's own list for its self-signed certificate, about which ``-crl_check_all`` asks too.
"""

from __future__ import annotations

import re
import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path

from asn1crypto import pem

from tests.cases.judging import Verdict
from tests.cases.world import BuiltCase
from tests.components import require

_DEMANDS = {"inhibit mapping": "-inhibit_map", "inhibit any": "-inhibit_any"}


class Openssl:
    """The command line."""

    def judge(self, cases: Sequence[BuiltCase], workspace: Path) -> Mapping[str, Verdict]:
        """A process a case."""
        return {one.case.id: self.verdict(one, workspace / one.case.id) for one in cases}

    def version(self) -> str:
        """As it says itself."""
        require("openssl")
        return subprocess.run(
            ["openssl", "version"], capture_output=True, text=True, check=True
        ).stdout.strip()

    def verdict(self, built: BuiltCase, folder: Path, *, revocation: bool = True) -> Verdict:
        """What it says of the drawn path; without ``revocation`` it is given no lists and asks for none."""
        folder.mkdir(parents=True)
        entry = built.case.entry
        command = ["openssl", "verify", "-auth_level", "1", "-attime", str(int(built.at.timestamp()))]
        command += [
            "-CAfile",
            _pem(folder / "anchors.pem", "CERTIFICATE", [one.der for one in built.anchors]),
        ]
        if built.path[:-1]:
            crosses = [one.der for one in built.path[:-1]]
            command += ["-untrusted", _pem(folder / "path.pem", "CERTIFICATE", crosses)]
        command += [word for one in entry.policies for word in ("-policy", one)]
        command += ["-explicit_policy"] if "implicit" not in entry.demand else []
        command += [_DEMANDS[one] for one in entry.demand if one in _DEMANDS]
        lists = built.newest_lists() if revocation else ()
        if lists:
            command += ["-CRLfile", _pem(folder / "lists.pem", "X509 CRL", [one.der for one in lists])]
        if revocation:
            command += ["-crl_check_all"]
        if any(one.is_delta for one in lists):
            command += ["-use_deltas"]
        command += [_pem(folder / "leaf.pem", "CERTIFICATE", [built.leaf])]
        done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=60)
        return _read(done)


def _read(done: subprocess.CompletedProcess[str]) -> Verdict:
    if done.returncode == 0 and done.stdout.strip().endswith(": OK"):
        return Verdict(valid=True, word="OK")
    said = " ".join((done.stdout + done.stderr).split())
    found = re.search(r"error (\d+) at \d+ depth lookup: (.*?)(?: error | [A-Z]+ = | Require |$)", said)
    assert found is not None, said
    return Verdict(valid=False, word=found[1], meaning=found[2])


def _pem(path: Path, label: str, contents: Sequence[bytes]) -> str:
    path.write_bytes(b"".join(pem.armor(label, one) for one in contents))
    return str(path)
