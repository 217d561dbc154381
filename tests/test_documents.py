"""The documentation is held to what is there: its walks are run, its commands, links, paths and tables looked up."""

import logging
import os
import re
import secrets
import signal
import socket
import subprocess
import sys
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from io import BytesIO
from pathlib import Path
from typing import get_args, get_origin

import click
import msgspec
import pytest

from bridge.crossing.edition import Edition
from ca.journal.entries import Entry
from ca.lint.candidate import PROFILES
from ca.model import CertificateKind, Scope
from ca.names import Attribute, DirectoryName
from ca.profiles.extensions import NAMES, Holds, KeyUsage, KeyUse
from ca.profiles.lists import ListPlace, draft_list
from ca.revoking.assurance.receipts import Statement
from ca.revoking.assurance.watch import FindingKind
from ca.revoking.deciding.people import EventOutcome
from ca.revoking.feed.files import read_feed
from ca.revoking.feed.in_csv import COLUMNS as COLUMNS_OF_FEEDS
from ca.revoking.feed.in_csv import WORDS
from ca.rules.list_changes import Block
from ca.rules.registration import State
from ca.rules.residents import LAPSES, REASONS, Act
from ca.rules.revocation import REASONS_FOR
from ca.store.certificates import CertificateState
from ca.suites import SHA256_RSA2048, SUITES
from front import problems
from front.app import create_app
from front.applicants import (
    LocalParticulars,
    PostParticulars,
    ReceptionParticulars,
    ResidentParticulars,
)
from front.assembly import open_world
from front.batches.source import COLUMNS
from front.cli import main
from front.logs import LOGGER, Lines
from tests.components import require

ROOT = Path(__file__).parent.parent
DOCUMENTS = [ROOT / "README.md", ROOT / "CHANGELOG.md", *sorted((ROOT / "docs").glob("*.md"))]
EDITIONS = ROOT / "docs" / "editions.md"
PROFILE_PAGE = ROOT / "docs" / "profiles.md"
API_PAGE = ROOT / "docs" / "api.md"
WINDOW_PAGE = ROOT / "docs" / "windows.md"
FEED_PAGE = ROOT / "docs" / "event-feed.md"
OPERATING = ROOT / "docs" / "operating.md"
REVOCATION = ROOT / "docs" / "revocation.md"

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


# Each takes half a minute of a processor: the README's goes with every change, the others with the long tests.
WALKS = [pytest.param(path, id=path.name, marks=pytest.mark.long) for path in DOCUMENTS if steps_of(path)]


@pytest.mark.parametrize("path", WALKS)
def test_a_walk_does_what_its_page_says(path, tmp_path):
    steps = steps_of(path)
    if any("curl " in script for script, _ in steps):
        require("curl")
    if any("kakehashi card " in script for script, _ in steps):
        require("softhsm2")
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
            command = command.get_command(click.Context(command), argument)
            if command is None:
                raise LookupError(argument)
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


def test_the_page_on_editions_names_every_suite():
    (row,) = re.findall(r"^\| `suite` \|.*$", text_of(EDITIONS), re.MULTILINE)
    assert set(SUITES) <= set(SPAN.findall(row))


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


# docs/api.md

ROUTE = re.compile(r"^(GET|POST) (/\S*)$")
PLACE = re.compile(r"<[^>]+>")
CHOICE = re.compile(r"<any\(([^)]*)\):\w+>")


def section(path, heading):
    """What stands below a heading, up to the next one."""
    return re.split(r"^#+ ", text_of(path).partition(f"\n{heading}\n")[2], flags=re.MULTILINE)[0]


def documented_routes():
    lines = text_of(API_PAGE).partition("\n## ")[0].splitlines()
    cells = [line.split("|")[1] for line in lines if line.startswith("| `")]
    return [match.groups() for cell in cells for span in SPAN.findall(cell) if (match := ROUTE.match(span))]


@pytest.fixture
def app(pristine_world):
    with open_world(pristine_world, pytest.fail) as world:
        yield create_app(world)


def spelt_out(rule):
    """The paths of a rule, which names its steps in one place."""
    choice = CHOICE.search(rule)
    return [rule.replace(choice[0], step) for step in re.findall(r"\w+", choice[1])] if choice else [rule]


PAGES = {"pages", "signing_in", "window", "local", "console"}  # the blueprints that people look at


def is_page(rule):
    return rule.endpoint.partition(".")[0] in PAGES


def test_the_page_on_windows_names_every_page_and_no_other(app):
    there = {
        PLACE.sub("<>", rule.rule)
        for rule in app.url_map.iter_rules()
        if is_page(rule) and "GET" in rule.methods and not rule.endpoint.startswith("pages.")
    }
    rows = re.findall(r"^\| (`/[^|]*`) \|", text_of(WINDOW_PAGE), re.MULTILINE)
    assert {PLACE.sub("<>", path) for row in rows for path in SPAN.findall(row)} == there


def test_the_page_on_the_interface_names_every_route_and_no_other(app):
    there = {
        (method, PLACE.sub("<>", path))
        for rule in app.url_map.iter_rules()
        if not is_page(rule)
        for method in rule.methods - {"HEAD", "OPTIONS"}
        for path in spelt_out(rule.rule)
    }
    ocsp = {("GET", "/ocsp/<>/<>"), ("POST", "/ocsp/<>")}
    assert {(method, PLACE.sub("<>", path)) for method, path in documented_routes()} == there | ocsp


def test_what_the_page_calls_open_takes_no_key_and_the_rest_takes_one(app):
    keys = dict(
        re.findall(r"^\| `((?:GET|POST) [^`]+)`.*? \| (-|officer|feed) \|", text_of(API_PAGE), re.MULTILINE)
    )
    assert set(keys.values()) == {"-", "officer", "feed"}
    client = app.test_client()
    for route, key in keys.items():
        method, path = route.split()
        if not path.startswith("/ocsp/"):
            with client.open(PLACE.sub("x", path), method=method) as answer:
                assert (answer.status_code == 401) is (key != "-"), route


def test_the_table_of_errors_is_the_one_that_decides():
    rows = re.findall(r"^\| (\d{3}) \| `(\w+)` \|", section(API_PAGE, "## Errors"), re.MULTILINE)
    assert {name: int(status) for status, name in rows} == {
        kind.__name__: status for kind, status in problems.STATUS.items()
    }


def test_the_states_of_cases_and_certificates_are_all_named():
    text = " ".join(text_of(API_PAGE).split())
    ((cases, certificates),) = re.findall(r"A case is (.*?)\. Its certificates are (.*?), and only", text)
    assert SPAN.findall(cases) == list(State)
    assert SPAN.findall(certificates) == list(CertificateState)


def test_the_fields_of_applicants_are_those_that_are_read():
    rows = re.findall(r"^\| (`(?:resident|post|local|reception)\.[^|]+) \|", text_of(API_PAGE), re.MULTILINE)
    said = {name for row in rows for name in SPAN.findall(row)}
    assert said == {
        f"{prefix}.{field}"
        for prefix, kind in (
            ("resident", ResidentParticulars),
            ("post", PostParticulars),
            ("local", LocalParticulars),
            ("reception", ReceptionParticulars),
        )
        for field in kind.__struct_fields__
    }


def test_the_fields_of_a_log_line_are_those_of_the_table(app):
    rows = re.findall(r"^\| (`[^|]*`) \| ([^|]+) \|", section(API_PAGE, "## Logs"), re.MULTILINE)
    fields = {where.strip("` "): SPAN.findall(names) for names, where in rows}
    lines = []
    handler = logging.Handler()
    handler.emit = lambda record: lines.append(msgspec.json.decode(Lines().format(record)))
    level = LOGGER.level
    LOGGER.addHandler(handler)
    LOGGER.setLevel(logging.INFO)
    try:
        app.test_client().get("/health")
    finally:
        LOGGER.removeHandler(handler)
        LOGGER.setLevel(level)
    assert [list(line) for line in lines] == [fields["every line"] + fields["request"]]


# docs/operating.md


def columns_below(words):
    """The first cells of the table that follows these words."""
    table = text_of(OPERATING).partition(f"{words}\n\n")[2].partition("\n\n")[0]
    _, _, *rows = table.splitlines()
    return [SPAN.findall(row)[0] for row in rows]


def test_the_columns_of_a_batch_are_those_that_are_read():
    assert tuple(columns_below("in any order, and no others:")) == COLUMNS


def test_the_columns_of_the_results_are_those_that_the_walk_printed():
    printed = next(text for _, text in steps_of(OPERATING) if text and "results.csv" in text)
    assert ",".join(columns_below("And `results.csv` has these:")) in printed.splitlines()


# docs/event-feed.md


def rows_below(heading, page=FEED_PAGE):
    """The cells of the tables below a heading, without the heads."""
    rows = [line for line in section(page, heading).splitlines() if line.startswith("| `")]
    return [[cell.strip() for cell in row.strip("|").split("|")] for row in rows]


def test_the_table_of_lapses_is_the_law_of_the_product():
    words = {Act.KEEPS: "kept", Act.HOLDS: "held", Act.RELEASES: "ended if held", Act.ENDS: "ended"}
    assert [
        [row[0].strip("`"), *row[1:3], *row[4:]] for row in rows_below("## What ends which certificate")
    ] == [
        [
            kind,
            *WORDS[kind],
            *(words[acts[held]] for held in (CertificateKind.SIGNATURE, CertificateKind.USER_AUTHENTICATION)),
            REASONS[kind].word if kind in REASONS else "",
        ]
        for kind, acts in LAPSES.items()
    ]


def test_the_columns_of_csv_are_those_that_are_read():
    shown = {
        row[0].strip("`"): row[1].strip("`") for row in rows_below("## CSV") if len(SPAN.findall(row[1])) == 1
    }
    assert {heading: field for heading, field in shown.items() if not heading.isascii()} == dict(
        COLUMNS_OF_FEEDS
    )


def test_every_outcome_of_an_event_is_explained():
    assert [row[0].strip("`") for row in rows_below("## Outcomes")][: len(EventOutcome)] == [
        outcome.value for outcome in EventOutcome
    ]


def test_the_feed_that_is_shown_is_one():
    shown = next(body for language, body in FENCE.findall(text_of(FEED_PAGE)) if language == "json")
    feed = read_feed(BytesIO(shown.encode()), "shown", bytes(32))
    assert (feed.name, len(feed.changes)) == ("chiyoda", 1)


# docs/revocation.md


def first_cells(heading):
    """What the tables below a heading of the page on revocation have in their first cells."""
    return [row[0].strip("`") for row in rows_below(heading, REVOCATION)]


def test_every_reason_of_the_gate_and_every_finding_of_the_watcher_is_explained():
    assert first_cells("## The publish gate") == [block.value for block in Block]
    assert first_cells("## The watcher") == [kind.value for kind in FindingKind]


def test_the_records_of_the_journal_are_those_of_the_table():
    said = {row[0].strip("`"): SPAN.findall(row[1]) for row in rows_below("## The journal", REVOCATION)}
    assert said == {kind.__struct_config__.tag: list(kind.__struct_fields__) for kind in get_args(Entry)}


def test_the_fields_of_a_receipt_are_those_of_the_table():
    said = {name for row in rows_below("## Receipts", REVOCATION) for name in SPAN.findall(row[0])}
    assert said == set(Statement.__struct_fields__) - {"format"}
