"""The demonstration: one resident's life through the served product, where three judges have to agree."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from front.demo.story import Row
from tests import commands
from tests.small_edition import replaced, small_edition

ROOT = Path(__file__).parent.parent
DOUBTED = "the user-authentication certificate, new"

# The same story in two prefectures, up to an expectation that cannot be met.
DOUBTING = f"""
import contextlib
import runpy
import sys
from front.demo import stage, story

edition = sys.argv.pop(1)
command, live, verdict = stage.Stage.command, story.Story._live, story.Story._verdict


def in_two_prefectures(self, *words, **options):
    return command(self, *(edition if word == "japan-2014" else word for word in words), **options)


def doubting(self, question, expected, *others, **options):
    doubted = question == {DOUBTED!r}
    verdict(self, question, "revoked" if doubted else expected, *others, **options)
    if doubted:
        raise StopIteration


def so_far(self):
    with contextlib.suppress(StopIteration):
        live(self)


stage.Stage.command, story.Story._live, story.Story._verdict = in_two_prefectures, so_far, doubting
runpy.run_module("front.demo", run_name="__main__", alter_sys=True)
"""


def run(*words, **environment):
    return subprocess.run(
        [sys.executable, *map(str, words)],
        stdin=subprocess.DEVNULL,
        capture_output=True,
        encoding="utf-8",
        cwd=ROOT,
        env=commands._ENVIRONMENT | environment,
        check=False,
        timeout=300,
    )


@pytest.mark.long
def test_the_story_is_lived_through_and_all_agree(tmp_path):
    folder = tmp_path / "story"
    done = run("-m", "front.demo", "story", "--folder", folder, "--json", "--no-colour")
    assert done.returncode == 0, done.stderr
    told = json.loads(done.stdout)
    rows = told["rows"]
    assert told["agreed"] == len(rows) >= 11
    assert told["seconds"] > 0
    for row in rows:
        assert {row["ours"], row["openssl_verify"], row["openssl_ocsp"]} - {"-"} == {row["expected"]}, row
        assert row["ours"] != "-"
        assert row["openssl_verify"] != "-"
    assert sum(row["openssl_ocsp"] != "-" for row in rows) >= 8
    said = {row["question"]: row["expected"] for row in rows}
    assert said["the signature certificate, new"] == "good"
    assert said["the signature certificate after the move"] == "revoked"
    assert said["the user-authentication certificate after the move"] == "good"
    assert said["a signature made after the move"] == "revoked"
    assert said["the document of before, at its own time"] == "good"
    assert said["the new signature certificate after the late notice"] == "good"
    assert said["the user-authentication certificate after the death"] == "revoked"
    # It is told on the side, without colours.
    for words in ("1. A nation from one file", "$ kakehashi init", "POST /api/cases", "openssl cms -sign"):
        assert words in done.stderr
    assert "\x1b" not in done.stderr
    assert "Traceback" not in done.stderr
    # What the server logged is nobody's business, and what it was told is not in it.
    lines = (folder / "server.log").read_text(encoding="utf-8").splitlines()
    assert sum(line.startswith("{") for line in lines) >= len(lines) - 1
    secret = (folder / "passphrase").read_text().strip()
    for line in lines:
        assert not any(word in line for word in ("花子", "試験町", "kk_", secret, "Traceback")), line
    assert "花子" not in done.stdout
    assert still_running(folder) == []


@pytest.mark.long
def test_one_verdict_that_is_not_as_expected_is_seen_and_fails(tmp_path):
    edition = tmp_path / "edition.toml"
    text = replaced(small_edition(), r'\["13", "31", "33"\]', '["13", "14"]')
    edition.write_text(text, encoding="utf-8")
    folder = tmp_path / "story"
    done = run("-c", DOUBTING, edition, "story", "--folder", folder, "--no-colour", FORCE_COLOR="1")
    assert done.returncode == 1, done.stderr
    assert "1 of 2 rows agreed" in done.stdout
    (line,) = [line for line in done.stdout.splitlines() if "NOT SO" in line]
    assert DOUBTED in line
    assert "good | openssl verify: good | openssl ocsp: good" in plain(line)
    assert done.stdout.count("expected revoked") == 1
    assert not any(f"\x1b[{colour}" in done.stdout for colour in range(30, 50)), "no colours were wanted"
    assert still_running(folder) == []


def plain(line):
    """A line without its bold letters."""
    return line.replace("\x1b[1m", "").replace("\x1b[0m", "")


def still_running(folder):
    """Processes that have to do with this folder."""
    found = []
    for path in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            words = path.read_text().split("\0")
        except OSError:
            continue
        if any(word.startswith(str(folder)) for word in words):
            found.append(words)
    return found


@pytest.mark.parametrize(
    ("ours", "verify", "ocsp", "agreed"),
    [
        ("good", "good", "good", True),
        ("good", "good", "-", True),
        ("revoked", "good", "good", False),
        ("good", "revoked", "good", False),
        ("good", "good", "revoked", False),
        ("good", "good", "unknown", False),
        ("good", "good", "Responder Error: trylater (3)", False),
        ("revoked", "revoked", "revoked", False),
        ("good", "", "good", False),
    ],
)
def test_a_row_agrees_only_if_everybody_says_what_is_expected(ours, verify, ocsp, agreed):
    assert Row("a question", "good", ours, verify, ocsp).agreed is agreed


def test_a_folder_with_other_things_in_it_is_left_alone(tmp_path):
    (tmp_path / "thesis.txt").write_text("three years of work")
    done = run("-m", "front.demo", "story", "--folder", tmp_path)
    assert done.returncode != 0
    assert "is not a demonstration's folder" in done.stderr
    assert [path.name for path in tmp_path.iterdir()] == ["thesis.txt"]
