"""The documentation is held to what is there: its walks are run, its commands, links, paths and tables looked up."""

import os
import re
import secrets
import signal
import socket
import subprocess
import sys
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import get_args, get_origin

import click
import msgspec
import pytest

from bridge.crossing.edition import Edition
from ca.lint.candidate import PROFILES
from ca.model import CertificateKind, Scope
from ca.names import Attribute, DirectoryName
from ca.profiles.extensions import NAMES, Holds, KeyUsage, KeyUse
from ca.profiles.lists import ListPlace, draft_list
from ca.rules.revocation import REASONS_FOR
from ca.suites import SHA256_RSA2048
from front.cli import main

ROOT = Path(__file__).parent.parent
DOCUMENTS = [ROOT / "README.md", ROOT / "CHANGELOG.md", *sorted((ROOT / "docs").glob("*.md"))]
EDITIONS = ROOT / "docs" / "editions.md"
PROFILE_PAGE = ROOT / "docs" / "profiles.md"

FENCE = re.compile(r"^```(\w*)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
MARKED = re.compile(r"^<!-- (walk|prints) -->\n```\w+\n(.*?)^```$", re.MULTILINE | re.DOTALL)
SPAN = re.compile(r"`([^`\n]+)`")
LINK = re.compile(r"\]\(([^)\s]+)\)")
COMMAND = re.compile(r"(?<![\w=.-])kakehashi((?: +[^\s`|;&)\\]+)+)")

each_document = pytest.mark.parametrize("path", DOCUMENTS, ids=lambda path: path.name)


def text_of(path):
    return path.read_text(encoding="utf-8")


def spans(text):
    """What stands in `code`, outside blocks."""
    return SPAN.findall(FENCE.sub("", text))


# Walks: blocks marked `walk` are one shell script; what is marked `prints` is what the block before it prints.


def steps_of(path):
    steps = []
    for mark, body in MARKED.findall(text_of(path)):
        if mark == "walk":
            steps.append([body, None])
        else:
            assert steps[-1][1] is None, "a block prints once"
            steps[-1][1] = body
    return steps


def even(text):
    """The text without empty lines, and with single spaces: how columns are aligned is not compared."""
    lines = (" ".join(line.split()) for line in text.splitlines())
    return "".join(f"{line}\n" for line in lines if line)


def pattern_of(expected):
    """A line `...` stands for any lines, `...` in a line for any characters."""
    lines = []
    for line in even(expected).splitlines():
        parts = [re.escape(part) for part in line.split("...")]
        lines.append(r"(?:.*\n)*?" if line == "..." else f"{'.*?'.join(parts)}\n")
    return re.compile("".join(lines))


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def run_script(script, folder):
    """Run a shell script in a folder, and end whatever it leaves running."""
    environment = {name: value for name, value in os.environ.items() if not name.startswith("KAKEHASHI_")}
    environment |= {
        "PATH": f"{Path(sys.executable).parent}:{environment['PATH']}",
        "KAKEHASHI_PASSPHRASE": secrets.token_hex(16),
        "COLUMNS": "120",
        "NO_COLOR": "1",
    }
    process = subprocess.Popen(
        ["bash", "-c", script],
        cwd=folder,
        env=environment,
        stdin=subprocess.DEVNULL,
        start_new_session=True,
    )
    try:
        return process.wait(timeout=300)
    finally:
        with suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()


@pytest.mark.parametrize("path", [path for path in DOCUMENTS if steps_of(path)], ids=lambda path: path.name)
def test_a_walk_does_what_its_page_says(path, tmp_path):
    steps = steps_of(path)
    blocks = [f"{{\n{script}}} > {tmp_path}/{number}.out 2>&1\n" for number, (script, _) in enumerate(steps)]
    script = "set -e\n" + "".join(blocks).replace("127.0.0.1:8080", f"127.0.0.1:{free_port()}")
    folder = tmp_path / "walk"
    folder.mkdir()
    status = run_script(script, folder)
    outputs = [text_of(file) for file in sorted(tmp_path.glob("*.out"), key=lambda file: int(file.stem))]
    assert status == 0, outputs[-1]
    for (_, expected), output in zip(steps, outputs, strict=True):
        if expected is not None:
            fits = pattern_of(expected).fullmatch(even(output))
            assert fits, f"printed:\n{output}\nexpected:\n{expected}"


def test_the_readme_has_its_walk():
    assert sum(expected is not None for _, expected in steps_of(ROOT / "README.md")) >= 4


@pytest.mark.parametrize(
    ("expected", "printed", "fits"),
    [
        ("a\n", "a\n", True),
        ("a\n", "a\nb\n", False),
        ("a\n...\nc\n", "a\nb\nb\nc\n", True),
        ("number ...\n", "number 7\n", True),
        ("number ...\n", "numbers\n", False),
        ("(x)\n", "x\n", False),
        ("a   b\n\n", "a b\n", True),
    ],
)
def test_what_a_block_prints_is_compared_strictly(expected, printed, fits):
    assert bool(pattern_of(expected).fullmatch(printed)) is fits


# Commands, links, paths.


def commands_of(path):
    """The arguments of every `kakehashi ...` in a block or between backticks."""
    text = text_of(path)
    code = [body.replace("\\\n", " ") for _, body in FENCE.findall(text)] + spans(text)
    return [found.split() for part in code for found in COMMAND.findall(part)]


def resolve(arguments):
    """The command that these arguments start, or raise LookupError for a command or option that is not there."""
    command, known = main, {"--help", "-h", "--version"}
    for argument in arguments:
        if argument.startswith("-"):
            known |= {option for parameter in command.params for option in parameter.opts}
            if argument.partition("=")[0] not in known:
                raise LookupError(argument)
        elif isinstance(command, click.Group):
            command = command.commands[argument]
    return command


@each_document
def test_every_command_that_is_shown_exists(path):
    for arguments in commands_of(path):
        resolve(arguments)


@pytest.mark.parametrize("line", ["inti", "list pubish", "init --editions x", "case file --office x"])
def test_a_command_that_does_not_exist_is_noticed(line):
    with pytest.raises(LookupError):
        resolve(line.split())


def test_commands_are_found_at_all():
    found = {" ".join(arguments[:2]) for path in DOCUMENTS for arguments in commands_of(path)}
    assert found >= {"case file", "case issue", "list publish", "init --edition"}


@each_document
def test_every_relative_link_leads_somewhere(path):
    targets = [target.partition("#")[0] for target in LINK.findall(FENCE.sub("", text_of(path)))]
    broken = [
        target for target in targets if "://" not in target and not (path.parent / target or path).exists()
    ]
    assert broken == []


@each_document
def test_every_path_of_the_repository_that_is_named_exists(path):
    rooms = r"(ca|bridge|ocsp|front|tests|fixtures|docs)/[\w./*-]*"
    named = [span for span in spans(text_of(path)) if re.fullmatch(rooms, span)]
    assert [name for name in named if not any(ROOT.glob(name.rstrip("/")))] == []


# docs/editions.md


def inside(kind, path):
    """The keys of the tables that stand in a value of this type."""
    origin, arguments = get_origin(kind), get_args(kind)
    if origin is dict:
        yield from inside(arguments[1], f"{path}.*")
    elif origin is tuple:
        yield from inside(arguments[0], f"{path}[]")
    elif origin is None and isinstance(kind, type) and issubclass(kind, msgspec.Struct):
        yield from keys_of(kind, f"{path}.")
    else:
        for argument in arguments:
            yield from inside(argument, path)


def keys_of(struct, prefix=""):
    """(key, whether it holds no further table) for every key of an edition."""
    if struct.__struct_config__.tag_field:
        yield f"{prefix}{struct.__struct_config__.tag_field}", True
    for field in msgspec.structs.fields(struct):
        below = list(inside(field.type, f"{prefix}{field.encode_name}"))
        yield f"{prefix}{field.encode_name}", not below
        yield from below


def edition_keys():
    """The same key stands once for both markings."""
    return {
        (re.sub(r"^marking\.(test|production)\.", "marking.*.", key), leaf) for key, leaf in keys_of(Edition)
    }


def test_the_page_on_editions_names_every_key_and_no_other():
    chapter = text_of(EDITIONS).partition("\n## The file\n")[2].partition("\n## ")[0]
    documented = set(re.findall(r"^\| `([^`]+)` \|", chapter, re.MULTILINE))
    assert documented - {key for key, _ in edition_keys()} == set()
    assert {key for key, leaf in edition_keys() if leaf} - documented == set()


# docs/profiles.md

ROW = re.compile(r"^\| (\d+) \| (\w+) \| (yes|no) \|(.*)\|$", re.MULTILINE)


def rows_of(heading):
    """The rows (extension, critical, content) of the table below a heading."""
    section = re.split(r"^#+ ", text_of(PROFILE_PAGE).partition(f"{heading}\n")[2], flags=re.MULTILINE)[0]
    rows = ROW.findall(section)
    assert [int(number) for number, *_ in rows] == list(range(1, len(rows) + 1))
    return [(name, critical == "yes", content.strip()) for _, name, critical, content in rows]


def bit_name(use):
    """The name of a keyUsage bit as RFC 5280 writes it."""
    head, *tail = use.value.split("_")
    name = head + "".join(map(str.capitalize, tail))
    return "cRLSign" if use is KeyUse.CRL_SIGN else name


@pytest.mark.parametrize("kind", CertificateKind)
def test_the_table_of_a_certificate_profile_is_the_profile(kind):
    rows = rows_of(f"### `{kind}`")
    slots = PROFILES[kind].slots
    assert [row[:2] for row in rows] == [(NAMES[slot.extension.oid], slot.critical) for slot in slots]
    for slot, (_, _, content) in zip(slots, rows, strict=True):
        if isinstance(slot.fixed, KeyUsage):
            assert content == ", ".join(bit_name(use) for use in KeyUse if use in slot.fixed.uses)


def test_the_table_of_lists_is_what_a_partition_says():
    now = datetime(2014, 9, 1, tzinfo=UTC)
    name = DirectoryName(((Attribute.C, "JP"),))
    draft = draft_list(
        ListPlace(Scope("signature-131016"), name, Holds.USER),
        suite=SHA256_RSA2048,
        issuer=name,
        key_identifier=bytes(20),
        number=1,
        this_update=now,
        next_update=now + timedelta(days=2),
    )
    rows = [row[:2] for row in rows_of("## Lists")]
    assert rows == [(NAMES[placed.value.oid], placed.critical) for placed in draft.extensions]


def test_the_table_of_reasons_is_complete():
    table = text_of(PROFILE_PAGE).partition("\n## Reasons\n")[2]
    said = {}
    for kinds, words in re.findall(r"^\| (`.*`) \| (.*) \|$", table, re.MULTILINE):
        for kind in SPAN.findall(kinds):
            said[kind] = set() if words.startswith("nothing") else set(words.split(", "))
    assert said == {kind.value: {reason.word for reason in reasons} for kind, reasons in REASONS_FOR.items()}
