"""Running the command as people do, and saying what a refusal must look like."""

import json
import os
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

from click.testing import CliRunner

from front.cli import main

COMMAND = Path(sys.executable).with_name("kakehashi")
_ENVIRONMENT = {
    name: value
    for name, value in os.environ.items()
    if not name.startswith("KAKEHASHI_") and name not in {"NO_COLOR", "FORCE_COLOR"}
}


@dataclass(frozen=True)
class Outcome:
    """What a command said, and its exit status."""

    status: int
    stdout: str
    stderr: str

    @property
    def json(self):
        """The standard output as JSON."""
        return json.loads(self.stdout)


def kakehashi(*arguments, **environment: str) -> Outcome:
    """Run the real command in a process of its own, without a terminal. Keywords are environment variables."""
    done = subprocess.run(
        [COMMAND, *map(str, arguments)],
        stdin=subprocess.DEVNULL,
        capture_output=True,
        encoding="utf-8",
        env=_ENVIRONMENT | environment,
        check=False,
        timeout=300,
    )
    return Outcome(done.returncode, done.stdout, done.stderr)


def started(*arguments, **environment: str) -> subprocess.Popen:
    """The same, begun and not waited for."""
    return subprocess.Popen(
        [COMMAND, *map(str, arguments)],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        env=_ENVIRONMENT | environment,
    )


def run(*arguments, **environment: str) -> Outcome:
    """Run the command in this process: as ``kakehashi``, but quick. An error that is not ours is raised."""
    cleared = dict.fromkeys((name for name in os.environ if name.startswith("KAKEHASHI_")), None)
    result = CliRunner().invoke(
        main, [*map(str, arguments)], env=cleared | environment, catch_exceptions=False
    )
    return Outcome(result.exit_code, result.stdout, result.stderr)


def done(outcome: Outcome) -> Outcome:
    """The outcome of a command that must have succeeded."""
    assert outcome.status == 0, outcome.stderr
    return outcome


def refused(outcome: Outcome, *words: str) -> str:
    """The one line of a refusal: exit status 1, nothing else said, and these words in it."""
    assert (outcome.status, outcome.stdout) == (1, ""), outcome
    assert outcome.stderr.startswith("error: "), outcome.stderr
    assert outcome.stderr.endswith("\n"), "the line is whole"
    line = outcome.stderr.rstrip("\n")
    assert line.isprintable(), "one line, and nothing that a terminal would obey"
    for word in words:
        assert word in line, f"{word!r} is not in: {line}"
    return line


def tree(folder: Path) -> dict[str, bytes | None]:
    """Every file below a folder with its content; None for a folder."""
    return {
        str(path.relative_to(folder)): path.read_bytes() if path.is_file() else None
        for path in folder.rglob("*")
    }
