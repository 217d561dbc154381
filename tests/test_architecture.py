"""Holds the house in its order: who may import whom, and which things are done in a single place.

Everything is read from the source with ``ast``; nothing is imported. Each rule has counter-examples below, so a
rule that no longer sees what it is for fails too.
"""

import ast
import graphlib
import re
import sys
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent

PACKAGES = {  # what a package may import of ours
    "ca": {"ca"},
    "bridge": {"ca", "bridge"},
    "ocsp": {"ca", "ocsp"},
    "front": {"ca", "bridge", "ocsp", "front"},
}
CA_ORDER = (
    "errors", "birth", "model", "names", "suites", "clock", "chance",
    "rules", "profiles", "lint", "wire", "keys", "journal", "store", "issuing", "revoking",
)  # fmt: skip
SMALLER_ROOMS = {  # what lies within a room, in order
    ("ca", "revoking"): ("feed", "deciding", "lists", "assurance"),
    ("bridge", "relying"): (
        "rejection", "budget", "trust", "signatures", "finding", "policies", "path", "structure", "constraints", "rfc5280",
        "validation", "revoked", "verify", "statements", "sealed", "telling",
    ),
}  # fmt: skip
BRIDGE_ROOMS = {  # what a room of bridge may import of bridge's other rooms
    "manifest": set(),
    "svg": set(),
    "crossing": {"manifest"},
    "directory": set(),
    "repository": {"manifest", "crossing", "directory"},
    "relying": {"manifest", "svg", "directory"},
    "migrating": {"manifest", "svg", "crossing", "relying"},
}
PURE_STANDARD_LIBRARY = {
    "__future__", "calendar", "collections", "dataclasses", "datetime", "enum", "functools", "itertools", "math",
    "re", "types", "typing",
}  # fmt: skip
PUBLIC_KEY_READERS = ("ca/keys/", "ca/issuing/intake.py", "bridge/relying")
CLOCKS = {"time.time", "time.time_ns", "time.gmtime", "time.localtime", "time.ctime", "time.strftime"}
DICE = {"random", "secrets", "uuid", "os.urandom", "os.getrandom"}
LONGEST = 350


@dataclass(frozen=True)
class Import:
    """One imported name, in full: ``from ca.model import Serial`` is ``ca.model.Serial``."""

    name: str
    line: int
    level: int  # dots before a relative import
    at_top: bool

    @property
    def package(self):
        return self.name.partition(".")[0]

    @property
    def room(self):
        return self.name.split(".")[1] if "." in self.name else ""

    @property
    def is_ours(self):
        return self.package in PACKAGES


class Source:
    """A module of ours, as read from its file."""

    def __init__(self, path, text):
        self.path, self.text, self.tree = path, text, ast.parse(text, path)
        parts = Path(path).with_suffix("").parts
        self.parts = parts[:-1] if parts[-1] == "__init__" else parts
        self.package = parts[0]
        self.room = self.parts[1] if len(self.parts) > 1 else ""
        self.nodes = list(ast.walk(self.tree))

    @cached_property
    def imports(self):
        found = []
        for node in self.nodes:
            at_top = node in self.tree.body
            if isinstance(node, ast.Import):
                found += [Import(alias.name, node.lineno, 0, at_top) for alias in node.names]
            elif isinstance(node, ast.ImportFrom):
                prefix = f"{node.module}." if node.module else ""
                found += [Import(prefix + a.name, node.lineno, node.level, at_top) for a in node.names]
        return found

    @cached_property
    def origins(self):
        """Local names and what they were imported as: ``import time as t`` gives t -> time."""
        found = {}
        for node in self.nodes:
            if isinstance(node, ast.Import):
                found |= {a.asname: a.name for a in node.names if a.asname}
            elif isinstance(node, ast.ImportFrom):
                found |= {a.asname or a.name: f"{node.module}.{a.name}" for a in node.names}
        return found

    def full(self, node):
        """The dotted name that an expression stands for: ``t.time`` is ``time.time``; empty if it is no name."""
        if isinstance(node, ast.Name):
            return self.origins.get(node.id, node.id)
        if isinstance(node, ast.Attribute):
            return f"{self.full(node.value)}.{node.attr}"
        return ""

    def of(self, *types):
        return (node for node in self.nodes if isinstance(node, types))


# The rules. Each yields what it finds wrong in one module as (line, words).


def packages_import_downward(source):
    for found in source.imports:
        if found.is_ours and found.package not in PACKAGES[source.package]:
            yield found.line, f"{source.package} imports {found.name}"


def rooms_of_ca_import_downward(source):
    if source.package != "ca":
        return
    if source.room and source.room not in CA_ORDER:
        yield 1, f"ca/{source.room} has no place in the order"
        return
    mine = CA_ORDER.index(source.room) if source.room else -1  # ca/__init__.py imports none of them
    for found in source.imports:
        if found.package != "ca":
            continue
        if found.room not in CA_ORDER or CA_ORDER.index(found.room) > mine:
            yield found.line, f"ca/{source.room} imports {found.name}"


def smaller_rooms_import_downward(source):
    order = SMALLER_ROOMS.get((source.package, source.room))
    if not order or len(source.parts) == 2:
        return
    if source.parts[2] not in order:
        yield 1, f"{source.parts[2]} has no place in {source.package}/{source.room}"
        return
    for found in source.imports:
        package, room, smaller, *_ = [*found.name.split("."), "", ""]
        above = smaller not in order[: order.index(source.parts[2]) + 1]
        if (package, room) == (source.package, source.room) and above:
            yield found.line, f"{source.package}/{source.room}/{source.parts[2]} imports {found.name}"


def rooms_of_bridge_keep_apart(source):
    if source.package != "bridge":
        return
    if source.room and source.room not in BRIDGE_ROOMS:
        yield 1, f"bridge/{source.room} has no place in the order"
        return
    allowed = {source.room, *BRIDGE_ROOMS.get(source.room, ())} - {""}
    for found in source.imports:
        if found.package == "bridge" and found.room not in allowed:
            yield found.line, f"bridge/{source.room} imports {found.name}"


def rules_are_pure(source):
    if (source.package, source.room) != ("ca", "rules"):
        return
    for found in source.imports:
        if found.package != "ca" and found.package not in PURE_STANDARD_LIBRARY:
            yield found.line, f"a pure decision imports {found.name}"
    for node in source.of(ast.Call):
        if source.full(node.func) in {"open", "print", "input"}:
            yield node.lineno, f"a pure decision calls {source.full(node.func)}"


COMMANDS = (
    "front/cli/__init__.py"  # its table names the modules of its commands, each read when it is asked for
)


def imports_are_absolute_and_at_the_top(source):
    for found in source.imports:
        if found.level:
            yield found.line, f"relative import of {found.name}"
        elif found.is_ours and not found.at_top and source.package != "front":
            yield found.line, f"import of {found.name} inside a block"
        if found.name.endswith("TYPE_CHECKING"):
            yield found.line, "an import for the type checker alone hides a circle"
    for node in source.of(ast.Attribute, ast.Name):
        if source.full(node) == "typing.TYPE_CHECKING" and isinstance(node, ast.Attribute):
            yield node.lineno, "an import for the type checker alone hides a circle"
        hidden = {"__import__", "importlib.import_module"} - (
            {"importlib.import_module"} if source.path == COMMANDS else set()
        )
        if source.full(node) in hidden:
            yield node.lineno, "an import that no reader sees"


def pages_go_by_key(source):
    for node in source.of(ast.Call):
        if isinstance(node.func, ast.Attribute) and node.func.attr == "offset":
            yield node.lineno, "a page by its offset reads all the pages before it"


def modules_are_short(source):
    lines = len(source.text.splitlines())
    if lines > LONGEST:
        yield lines, f"{lines} lines, more than {LONGEST}"


def one_place_signs(source):
    if source.path in {"ca/keys/signer.py", "ca/keys/probe.py"}:  # the probe signs by the same door
        return
    knows_keys = any(found.package in {"cryptography", "pkcs11"} for found in source.imports)
    for node in source.of(ast.Call):
        if isinstance(node.func, ast.Attribute) and node.func.attr == "sign":
            receiver = source.full(node.func.value).rpartition(".")[2] or ast.unparse(node.func.value)
            # Our own Signer has a method of this name; where no key library is at hand it can only be that.
            if knows_keys or "key" in receiver.lower() or "private" in receiver.lower():
                yield node.lineno, f"{receiver}.sign() outside ca/keys/signer.py"


def private_keys_stay_in_their_room(source):
    for found in source.imports:
        asymmetric = found.name.startswith("cryptography.hazmat.primitives.asymmetric")
        if (asymmetric or found.package == "pkcs11") and not source.path.startswith(PUBLIC_KEY_READERS):
            yield found.line, f"{found.name} is imported"
    if source.path.startswith("ca/keys/"):
        return
    words = [(found.line, found.name.rpartition(".")[2]) for found in source.imports]
    words += [(node.lineno, node.attr) for node in source.of(ast.Attribute)]
    words += [(node.lineno, node.id) for node in source.of(ast.Name)]
    words += [(node.lineno, node.arg) for node in source.of(ast.arg)]
    for line, word in words:
        if re.search(r"private_?key", word, re.IGNORECASE):
            yield line, f"{word} outside ca/keys"


def one_clock(source):
    if source.path == "ca/clock.py":
        return
    for found in source.imports:
        if found.name in CLOCKS:
            yield found.line, f"{found.name} is imported"
    for node in source.of(ast.Attribute):
        if node.attr in {"now", "utcnow", "today"} or source.full(node) in CLOCKS:
            yield node.lineno, f"{ast.unparse(node)} outside ca/clock.py"


def one_source_of_chance(source):
    if source.path == "ca/chance.py" or source.path.startswith("ca/keys/"):
        return
    for found in source.imports:
        if found.package in DICE or found.name in DICE:
            yield found.line, f"{found.name} is imported"
    for node in source.of(ast.Attribute):
        if source.full(node) in DICE:
            yield node.lineno, f"{source.full(node)} outside ca/chance.py"


def one_reading_of_revoked(source):
    if source.path == "ca/rules/revocation.py":
        return
    words = "ca.rules.revocation.CertificateStatus"
    asked = {  # a status may be asked about: compared, matched, a row of a table
        id(node)
        for parent in source.nodes
        for node in (
            [parent.left, *parent.comparators] if isinstance(parent, ast.Compare)
            else [parent.value] if isinstance(parent, ast.MatchValue)
            else parent.keys if isinstance(parent, ast.Dict)
            else []
        )
    }  # fmt: skip
    for node in source.of(ast.Call):
        if source.full(node.func) in {"ca.rules.revocation.Status", words}:
            yield node.lineno, f"{ast.unparse(node.func)} is made"
    for node in source.of(ast.Attribute):
        if source.full(node.value) == words and id(node) not in asked:
            yield node.lineno, f"{ast.unparse(node)} is given out"
    # A list's own entries are compared with the list's own times there, and a receipt's words with what is said now.
    if source.path.startswith("ca/lint/") or source.path == "ca/revoking/assurance/receipt_checks.py":
        return
    for node in source.of(ast.Compare):
        ordered = any(isinstance(operator, ast.Lt | ast.LtE | ast.Gt | ast.GtE) for operator in node.ops)
        sides = [source.full(side).rpartition(".")[2] for side in (node.left, *node.comparators)]
        if ordered and "revoked_at" in sides:
            yield node.lineno, f"{ast.unparse(node)} reads a revocation"


RULES = (
    packages_import_downward, rooms_of_ca_import_downward, smaller_rooms_import_downward, rooms_of_bridge_keep_apart,
    rules_are_pure,
    imports_are_absolute_and_at_the_top, pages_go_by_key, modules_are_short, one_place_signs, private_keys_stay_in_their_room,
    one_clock, one_source_of_chance, one_reading_of_revoked,
)  # fmt: skip


def circles(sources):
    """The first circle of imports among modules, or None."""
    modules = {".".join(source.parts): source for source in sources}
    graph = {}
    for name, source in modules.items():
        wanted = (found.name for found in source.imports if found.is_ours)
        reached = {whole if whole in modules else whole.rpartition(".")[0] for whole in wanted}
        graph[name] = (reached & modules.keys()) - {name}
    try:
        graphlib.TopologicalSorter(graph).prepare()
    except graphlib.CycleError as error:
        return error.args[1]
    return None


@pytest.fixture(scope="module")
def sources():
    files = [path for package in PACKAGES for path in sorted((ROOT / package).rglob("*.py"))]
    return [Source(path.relative_to(ROOT).as_posix(), path.read_text("utf-8")) for path in files]


def test_the_whole_house_is_read(sources):
    seen = {source.path for source in sources}
    assert {f"{package}/__init__.py" for package in PACKAGES} <= seen
    assert {"ca/model/certificates.py", "ca/rules/revocation.py", "ca/profiles/drafting.py"} <= seen


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.__name__)
def test_the_house_keeps(rule, sources):
    assert [f"{source.path}:{line}: {what}" for source in sources for line, what in rule(source)] == []


def test_no_modules_import_each_other_in_a_circle(sources):
    assert circles(sources) is None
    one, other = Source("ca/a.py", "from ca.b import B"), Source("ca/b.py", "import ca.a")
    assert set(circles([one, other])) == {"ca.a", "ca.b"}


def test_the_order_is_the_one_that_readers_are_told():
    text = " ".join(ast.get_docstring(ast.parse((ROOT / "ca/__init__.py").read_text("utf-8"))).split())
    told = re.search(r"Read in this order: ([a-z, ]+)\.", text)[1]
    assert tuple(told.split(", ")) == CA_ORDER


def test_what_is_allowed_to_pure_rules_is_standard():
    assert sys.stdlib_module_names >= PURE_STANDARD_LIBRARY


COUNTER_EXAMPLES = [
    (packages_import_downward, "ca/model/people.py", "import bridge.crossing.world"),
    (packages_import_downward, "ca/store/tables/issued.py", "from front import assembly"),
    (packages_import_downward, "bridge/relying/path.py", "from ocsp.messages import Request"),
    (packages_import_downward, "ocsp/responder.py", "from bridge.repository import Folder"),
    (packages_import_downward, "ocsp/responder.py", "def late():\n    import front.app"),
    (rooms_of_ca_import_downward, "ca/errors.py", "from ca.model import Serial"),
    (rooms_of_ca_import_downward, "ca/rules/validity.py", "from ca.profiles.practice import Practice"),
    (rooms_of_ca_import_downward, "ca/wire/tbs.py", "from ca import keys"),
    (rooms_of_ca_import_downward, "ca/issuing/cycle.py", "import ca.revoking.deciding.by_hand"),
    (rooms_of_ca_import_downward, "ca/issuing/cycle.py", "from ca.helpers import everything"),
    (rooms_of_ca_import_downward, "ca/helpers.py", ""),
    (rooms_of_ca_import_downward, "ca/__init__.py", "from ca.model import Serial"),
    (smaller_rooms_import_downward, "ca/revoking/feed/events.py", "from ca.revoking.deciding.desk import EventDesk"),
    (smaller_rooms_import_downward, "ca/revoking/feed/events.py", "from ca.revoking import lists"),
    (smaller_rooms_import_downward, "ca/revoking/helpers.py", ""),
    (rooms_of_bridge_keep_apart, "bridge/relying/finding/fetch.py", "from bridge.repository import Folder"),
    (rooms_of_bridge_keep_apart, "bridge/relying/finding/fetch.py", "from bridge import crossing"),
    (rooms_of_bridge_keep_apart, "bridge/crossing/world.py", "from bridge.repository.folder import Folder"),
    (smaller_rooms_import_downward, "bridge/relying/finding/fetch.py", "from bridge.relying.path import Path"),
    (smaller_rooms_import_downward, "bridge/relying/gossip.py", ""),
    (rooms_of_bridge_keep_apart, "bridge/repository.py", "from bridge.relying.verify import verify"),
    (rooms_of_bridge_keep_apart, "bridge/migrating/checking.py", "from bridge.repository.folder import Folder"),
    (rooms_of_bridge_keep_apart, "bridge/helpers.py", ""),
    (rules_are_pure, "ca/rules/validity.py", "from asn1crypto import x509"),
    (rules_are_pure, "ca/rules/validity.py", "import sqlite3"),
    (rules_are_pure, "ca/rules/validity.py", "from pathlib import Path"),
    (rules_are_pure, "ca/rules/__init__.py", "text = open('table.toml').read()"),
    (imports_are_absolute_and_at_the_top, "ca/wire/tbs.py", "from . import extensions"),
    (imports_are_absolute_and_at_the_top, "front/app.py", "from .cli import main"),
    (imports_are_absolute_and_at_the_top, "ca/wire/tbs.py", "def late():\n    from ca.model import Serial"),
    (imports_are_absolute_and_at_the_top, "ca/wire/tbs.py", "if True:\n    import ca.model"),
    (imports_are_absolute_and_at_the_top, "ca/wire/tbs.py", "from typing import TYPE_CHECKING"),
    (imports_are_absolute_and_at_the_top, "ca/wire/tbs.py", "import typing\nif typing.TYPE_CHECKING: pass"),
    (imports_are_absolute_and_at_the_top, "ca/wire/tbs.py", "keys = __import__('ca.keys')"),
    (imports_are_absolute_and_at_the_top, "ca/wire/a.py", "from importlib import import_module as i\ni('ca.keys')"),
    (pages_go_by_key, "ca/store/search.py", "def f(query): return query.limit(100).offset(200)"),
    (modules_are_short, "ca/wire/tbs.py", "a = 1\n" * 351),
    (one_place_signs, "ca/issuing/cycle.py", "def f(private_key): return private_key.sign(b'', p, h)"),
    (one_place_signs, "ca/issuing/cycle.py", "def f(signer): return signer._private.sign(b'')"),
    (one_place_signs, "ca/issuing/cycle.py", "def f(keys): return keys['ca'].sign(b'')"),
    (one_place_signs, "ca/keys/vault.py", "from cryptography import x509\ndef f(it): return it.sign(b'')"),
    (one_place_signs, "ca/wire/lists.py", "from cryptography import x509\nx509.CertificateBuilder().sign(k, h)"),
    (private_keys_stay_in_their_room, "ca/wire/tbs.py",
     "from cryptography.hazmat.primitives.asymmetric import padding"),
    (private_keys_stay_in_their_room, "ocsp/responder.py", "import pkcs11"),
    (private_keys_stay_in_their_room, "front/cli/demo.py",
     "from cryptography.hazmat.primitives.serialization import load_pem_private_key"),
    (private_keys_stay_in_their_room, "ca/issuing/intake.py",
     "from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey"),
    (private_keys_stay_in_their_room, "bridge/relying/verify.py", "def f(rsa): rsa.generate_private_key(3, 2048)"),
    (private_keys_stay_in_their_room, "bridge/crossing/world.py", "def f(private_key): pass"),
    (one_clock, "ca/issuing/cycle.py", "from datetime import datetime\nat = datetime.now()"),
    (one_clock, "front/app.py", "import datetime as d\nat = d.datetime.now(d.UTC)"),
    (one_clock, "ca/store/tables/issued.py", "from datetime import datetime\ncolumn = dict(default=datetime.utcnow)"),
    (one_clock, "front/app.py", "from datetime import date\ntoday = date.today()"),
    (one_clock, "ocsp/cache.py", "import time as t\nat = t.time()"),
    (one_clock, "ocsp/cache.py", "from time import time_ns"),
    (one_clock, "ca/store/lists.py", "from sqlalchemy import func\nat = func.now()"),
    (one_source_of_chance, "ca/issuing/cycle.py", "import secrets"),
    (one_source_of_chance, "ca/issuing/cycle.py", "from random import randbytes"),
    (one_source_of_chance, "front/app.py", "import uuid"),
    (one_source_of_chance, "ca/issuing/cycle.py", "from os import urandom"),
    (one_source_of_chance, "ca/issuing/cycle.py", "import os\nserial = os.urandom(20)"),
    (one_reading_of_revoked, "ocsp/responder.py", "from ca.rules.revocation import Status\nanswer = Status(good)"),
    (one_reading_of_revoked, "ocsp/responder.py",
     "from ca.rules.revocation import CertificateStatus as S\ndef f(row): return S.REVOKED if row else S.GOOD"),
    (one_reading_of_revoked, "ocsp/responder.py", "from ca.rules import revocation\nrevocation.Status(good)"),
    (one_reading_of_revoked, "ocsp/responder.py",
     "from ca.rules.revocation import CertificateStatus\nanswer = CertificateStatus('good')"),
    (one_reading_of_revoked, "ca/store/certificates.py", "def f(row, at): return row.revoked_at <= at"),
    (one_reading_of_revoked, "bridge/relying/revoked/revocation.py", "def f(at, revoked_at): return at > revoked_at"),
]  # fmt: skip


@pytest.mark.parametrize(("rule", "path", "text"), COUNTER_EXAMPLES)
def test_a_counter_example_breaks_its_rule_and_no_other(rule, path, text):
    source = Source(path, text)
    broken = [other for other in RULES if list(other(source))]
    assert rule in broken
    # A private key in a wrong place is seen by two rules, as is an import that goes up and into a block.
    assert set(broken) <= {rule, private_keys_stay_in_their_room, imports_are_absolute_and_at_the_top}


def test_every_rule_has_a_counter_example():
    assert {rule for rule, _, _ in COUNTER_EXAMPLES} == set(RULES)


ASK = "from ca.rules.revocation import CertificateStatus, status_of\n"
INNOCENT = [
    ("ca/clock.py", "from datetime import UTC, datetime\nat = datetime.now(UTC)"),
    ("ca/chance.py", "import secrets\nfrom ca.model import Serial"),
    ("ca/keys/vault.py", "import os\nimport secrets\nname = os.urandom(8)"),
    ("ca/keys/vault.py", "from cryptography.hazmat.primitives.asymmetric import rsa\nrsa.generate_private_key(3, 2048)"),
    ("ca/keys/signer.py", "import cryptography\ndef f(private_key): return private_key.sign(b'', p, h)"),
    ("ca/issuing/cycle.py", "from ca.keys.signer import Signer\ndef f(signer, tbs): return signer.sign(tbs)"),
    ("ca/issuing/intake.py", "from cryptography.hazmat.primitives.asymmetric import padding\nkey.verify(s, m)"),
    ("ca/issuing/cycle.py", "import time\nfrom ca.rules import validity\nstarted = time.monotonic()"),
    ("ca/rules/validity.py", "from collections.abc import Mapping\nfrom ca.model import Period"),
    ("ca/wire/tbs.py", "def late():\n    import shutil\n" + "a = 1\n" * 348),
    ("bridge/repository/folder.py", "from bridge.crossing.world import World\nfrom ca.model import Serial"),
    ("front/cli/__init__.py", "from importlib import import_module\nimport_module('front.cli.batch')"),
    ("front/cli/serve.py", "def serve():\n    from front.app import create\n    from bridge.relying import path"),
    ("ocsp/responder.py", f"{ASK}TAGS = {{CertificateStatus.GOOD: 0}}"),
    ("ocsp/responder.py", f"{ASK}def f(s, row, at): return s is CertificateStatus.GOOD or row.revoked_at == at"),
    ("ocsp/responder.py", f"{ASK}match status_of(a, b, at).status:\n    case CertificateStatus.REVOKED: pass"),
    ("ca/lint/lists.py", "def f(entry, this_update): return entry.revoked_at > this_update"),
]  # fmt: skip


@pytest.mark.parametrize(("path", "text"), INNOCENT)
def test_what_is_allowed_is_not_accused(path, text):
    assert [what for rule in RULES for what in rule(Source(path, text))] == []
