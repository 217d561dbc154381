"""Java's CertPathBuilder, handed every certificate and the newest lists: it finds a path itself. One process for all cases."""

from __future__ import annotations

import re
import subprocess
from collections.abc import Mapping, Sequence
from functools import cache
from pathlib import Path

from tests.cases.judging import Verdict
from tests.cases.world import BuiltCase
from tests.components import require
from tests.java_judge import JavaJudge

_MEANINGLESS = frozenset({"UNSPECIFIED", "NO_PATH", "ENDLESS"})
"""Reasons whose messages tell more; others' messages hold names and dates."""


class Java:
    """The JDK's PKIX, given the certificates."""

    def judge(self, cases: Sequence[BuiltCase], workspace: Path) -> Mapping[str, Verdict]:
        """Every case in one process."""
        workspace.mkdir(parents=True)
        judge = compiled(workspace.parent / "classes")
        lines = [
            pose(
                one,
                workspace / str(number),
                [made.der for made in one.crosses],
                [made.der for made in one.newest_lists()],
            )
            for number, one in enumerate(cases)
        ]
        answers = judge.answers(lines)
        return {one.case.id: read(answer) for one, answer in zip(cases, answers, strict=True)}

    def version(self) -> str:
        """The JDK's number."""
        require("java", "javac")
        command = ["java", "-XshowSettings:properties", "-version"]
        said = subprocess.run(command, capture_output=True, text=True, check=True).stderr
        found = re.search(r"java\.version = (\S+)", said)
        assert found is not None, said
        return f"Java {found[1]}"


@cache
def compiled(folder: Path) -> JavaJudge:
    """The program, compiled once into this folder."""
    folder.mkdir()
    return JavaJudge.compiled(folder)


def pose(
    built: BuiltCase, folder: Path, certificates: Sequence[bytes], lists: Sequence[bytes], *options: str
) -> str:
    """The question about a case as ``PathJudge`` reads it, with what it is handed over in a folder."""
    folder.mkdir()
    (folder / "target").write_bytes(built.leaf)
    (folder / "anchor").write_bytes(b"".join(anchor.der for anchor in built.anchors))
    (folder / "certificates").write_bytes(b"".join(certificates))
    (folder / "path").write_bytes(b"".join(made.der for made in reversed(built.path)))
    (folder / "lists").write_bytes(b"".join(lists))
    entry = built.case.entry
    words = [*options, *(demand.replace(" ", "-") for demand in entry.demand)]
    line = [str(folder), f"{built.at:%Y-%m-%dT%H:%M:%SZ}", ",".join(entry.policies)]
    return " ".join(line + [",".join(words)] * bool(words))


def read(answer: str) -> Verdict:
    """The reason alone, and what it says more where the reason says nothing."""
    verdict, _, rest = answer.partition(" ")
    if verdict == "valid":
        return Verdict(valid=True, word="valid")
    reason, _, message = rest.partition(": ")
    return Verdict(valid=False, word=reason, meaning=message if reason in _MEANINGLESS else "")
