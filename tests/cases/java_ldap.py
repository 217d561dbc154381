"""Java's CertPathBuilder, handed the anchors and the holder's certificate alone: the rest it looks up in a directory.

A slapd holds what is published, as RFC 4523 has it: pairs and lists of authorities at each CA's entry, the lists of towns
at their distribution points' entries. Before each question the entries become the case's.
"""

from __future__ import annotations

import subprocess
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack
from functools import cache
from itertools import groupby
from pathlib import Path

from asn1crypto import core, x509

from bridge.directory.attributes import AUTHORITY_LIST, CERTIFICATE_LIST, CROSS_PAIR, DELTA_LIST
from bridge.directory.connection import Directory
from bridge.directory.names import read_name_text
from ca.errors import BadInput
from tests.cases.general_names import name_der
from tests.cases.java import Java, compiled, pose, read
from tests.cases.judging import Verdict
from tests.cases.world import BuiltCase, MadeList, point_of
from tests.components import require
from tests.relying_world import Steps
from tests.slapd import slapd

_CLASSES = {
    "country_name": "country",
    "organization_name": "organization",
    "organizational_unit_name": "organizationalUnit",
}
_ATTRIBUTES = {
    "country_name": "c",
    "organization_name": "o",
    "organizational_unit_name": "ou",
    "common_name": "cn",
}
_EMPTY: Mapping[str, tuple[bytes, ...]] = dict.fromkeys((CROSS_PAIR, AUTHORITY_LIST, CERTIFICATE_LIST), ())

_NOT_PUBLISHED = Verdict(
    valid=False, word="NOT_PUBLISHED", meaning="the directory refuses a value that it cannot read"
)

Entries = dict[Steps, dict[str, tuple[bytes, ...]]]


class _Pair(core.Sequence):  # type: ignore[misc]  # asn1crypto is untyped
    """CertificatePair (X.509): issued to this CA, and by it."""

    _fields = (
        ("forward", x509.Certificate, {"explicit": 0, "optional": True}),
        ("reverse", x509.Certificate, {"explicit": 1, "optional": True}),
    )


class JavaByLdap:
    """The JDK's PKIX over ``CertStore("LDAP")``."""

    def judge(self, cases: Sequence[BuiltCase], workspace: Path) -> Mapping[str, Verdict]:
        """One server and one process for all cases, one after the other."""
        workspace.mkdir(parents=True)
        java = compiled(workspace.parent / "classes")
        verdicts = {}
        with ExitStack() as stack:
            served = stack.enter_context(slapd(workspace / "slapd"))
            directory = stack.enter_context(served.master())
            # What was looked up for one case is no longer so for the next.
            process = stack.enter_context(java.asked("-Dsun.security.certpath.ldap.cache.lifetime=0"))
            content: Entries = {}
            for number, one in enumerate(cases):
                try:
                    _make(directory, content, _entries(one))
                except BadInput:
                    verdicts[one.case.id] = _NOT_PUBLISHED
                    continue
                line = pose(one, workspace / str(number), (), (), f"ldap={served.port}")
                verdicts[one.case.id] = read(_answer(process, line))
        return verdicts

    def version(self) -> str:
        """The JDK's number, and how it is asked."""
        require("slapd", "ldapsearch")
        return f"Java {Java().version().removeprefix('Java ').partition('.')[0]} by LDAP"


def _answer(process: subprocess.Popen[str], line: str) -> str:
    assert process.stdin is not None
    assert process.stdout is not None
    process.stdin.write(f"{line}\n")
    process.stdin.flush()
    answer = process.stdout.readline()
    assert answer, "the judge ended before its last question"
    return answer.rstrip()


def _make(directory: Directory, content: Entries, wanted: Entries) -> None:
    """Make the directory's content the wanted one."""
    for steps in sorted(wanted.keys() | content.keys(), key=len):
        values = {**_EMPTY, **wanted.get(steps, {})}
        for above in (steps[:length] for length in range(1, len(steps) + 1)):
            if above not in content:
                directory.add(_name(above), _new(above))
                content[above] = dict(_EMPTY)
        if content[steps] != values:
            directory.replace(_name(steps), values)
            content[steps] = values


def _new(steps: Steps) -> dict[str, tuple[bytes, ...]]:
    kind, value = steps[-1]
    classes = ("cRLDistributionPoint",) if kind == "common_name" else (_CLASSES[kind], "pkiCA")
    return {
        "objectClass": tuple(one.encode() for one in classes),
        _ATTRIBUTES[kind]: (value.encode(),),
    }


@cache
def _name(steps: Steps) -> str:
    return read_name_text(name_der(steps), "an entry")


def _entries(built: BuiltCase) -> Entries:
    """What a case publishes, by entry and attribute."""
    found = sorted(_values(built), key=lambda one: one[:2])
    return {
        steps: {
            attribute: tuple(dict.fromkeys(value for *_, value in values))
            for attribute, values in groupby(some, key=lambda one: one[1])
        }
        for steps, some in groupby(found, key=lambda one: one[0])
    }


def _values(built: BuiltCase) -> Iterator[tuple[Steps, str, bytes]]:
    marks = built.marks
    for made in built.crosses:
        certificate = x509.Certificate.load(made.der)
        yield marks(made.draft.subject), CROSS_PAIR, _Pair({"forward": certificate}).dump()
        yield marks(made.draft.issuer), CROSS_PAIR, _Pair({"reverse": certificate}).dump()
    for one in built.newest_lists():
        yield marks(_place(one)), _attribute(one), one.der


def _place(one: MadeList) -> Steps:
    """The entry of the list's distribution point, whatever the list calls itself."""
    return point_of(one.generation, one.scope.removesuffix(".delta"))


def _attribute(one: MadeList) -> str:
    if one.is_delta:
        return DELTA_LIST
    return AUTHORITY_LIST if one.scope == "arl" else CERTIFICATE_LIST
