"""Java's CertPathBuilder as an independent judge of paths: policies, mappings and partitioned lists.

It is given an anchor, the certificates that it may use, and lists; it finds the path itself. What it does not do:
it ignores delta lists, and it does not ask about the anchor's own certificate.
"""

from __future__ import annotations

import subprocess
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from tests.components import require

SOURCE = Path(__file__).parent / "java" / "PathJudge.java"


@dataclass(frozen=True)
class Question:
    """Is the target good at this moment, from this anchor, for one of these policies? All in DER.

    Of a path that is drawn, from the target up, the validator says why it is none where the builder finds nothing.
    """

    target: bytes
    anchor: bytes
    certificates: Sequence[bytes]
    lists: Sequence[bytes]
    policies: Sequence[str]
    at: datetime
    drawn: Sequence[bytes] = ()


@dataclass(frozen=True)
class JavaJudge:
    """The compiled program, and the Java that runs it."""

    folder: Path
    program: str | Path = "java"

    @classmethod
    def compiled(cls, folder: Path) -> JavaJudge:
        """Compile it into this folder; the test is skipped where there is no JDK."""
        require("javac", "java")
        command = ["javac", "-Xlint:all", "-Werror", "-d", folder, SOURCE]
        subprocess.run(command, capture_output=True, check=True, timeout=120)
        return cls(folder)

    def judge(self, questions: Iterable[Question], *properties: str) -> list[str]:
        """For each question ``valid LENGTH`` or ``refused REASON: words``. One process answers all of them.

        ``properties`` are the JVM's.
        """
        posed = [self._posed(number, question) for number, question in enumerate(questions)]
        return self.answers(posed, *properties)

    def answers(self, lines: Sequence[str], *properties: str) -> list[str]:
        """The answers to questions that are posed as the program wants them."""
        done = subprocess.run(
            self._command(*properties),
            input="".join(f"{line}\n" for line in lines), capture_output=True, text=True, check=False, timeout=300,
        )  # fmt: skip
        assert (done.returncode, done.stderr) == (0, ""), done.stderr
        answers = done.stdout.splitlines()
        assert len(answers) == len(lines)
        return answers

    @contextmanager
    def asked(self, *properties: str) -> Iterator[subprocess.Popen[str]]:
        """The program while the block runs, to be asked a line at a time, with these properties of the JVM."""
        process = subprocess.Popen(
            self._command(*properties), stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )
        with process:
            try:
                yield process
            finally:
                process.kill()

    def _command(self, *properties: str) -> list[str | Path]:
        return [self.program, "-XX:TieredStopAtLevel=1", *properties, "-cp", self.folder, "PathJudge"]

    def _posed(self, number: int, question: Question) -> str:
        folder = self.folder / str(number)
        folder.mkdir(exist_ok=True)
        files = {
            "target": [question.target],
            "anchor": [question.anchor],
            "certificates": question.certificates,
            "lists": question.lists,
        } | ({"path": question.drawn} if question.drawn else {})
        for name, contents in files.items():
            (folder / name).write_bytes(b"".join(contents))
        moment = question.at.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
        return f"{folder} {moment} {','.join(question.policies)}"
