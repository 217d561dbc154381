"""The interoperability matrix: every judge's verdict on every case, and whether it is the expected one."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from enum import Enum
from pathlib import Path

from tests.cases.gnutls import Gnutls
from tests.cases.java import Java
from tests.cases.java_ldap import JavaByLdap
from tests.cases.judging import Judge, JudgeEntry, Verdict, judge_entries
from tests.cases.load import Case, Deviation, Family, load
from tests.cases.openssl import Openssl
from tests.cases.ours import Ours
from tests.cases.world import build

JUDGES: Mapping[str, Judge] = {
    "ours": Ours(),
    "openssl": Openssl(),
    "java": Java(),
    "java-ldap": JavaByLdap(),
    "gnutls": Gnutls(),
}
"""Who judges, by the key that files use."""


class Standing(Enum):
    """How a verdict stands to the expected one."""

    AGREES = "agrees"
    DIFFERS = "differs, explained"
    UNEXPLAINED = "differs"
    EXPLAINED_IN_VAIN = "agrees, though a difference is explained"


@dataclass(frozen=True)
class Run:
    """What came of asking every judge about its cases.

    Attributes:
        verdicts: By judge, then by case; what a judge is not asked is not there.
    """

    families: tuple[Family, ...]
    judges: Mapping[str, JudgeEntry]
    verdicts: Mapping[str, Mapping[str, Verdict]]

    @property
    def cases(self) -> Iterator[Case]:
        """All of them, in the order of families."""
        return (case for family in self.families for case in family.cases)

    def deviation(self, judge: str, case: Case) -> Deviation | None:
        """What the case says of a judge that rightly differs."""
        said = dict(case.entry.judges)
        return said.get(judge) or said.get(self.judges[judge].like or "")

    def standing(self, judge: str, case: Case) -> Standing | None:
        """How this verdict stands, None if the judge is not asked."""
        verdict = self.verdicts[judge].get(case.id)
        return None if verdict is None else _standing(case, self.deviation(judge, case), verdict)

    def surprises(self) -> list[str]:
        """Each verdict that is neither expected nor explained, and each explanation that nothing needs."""
        return [
            words for judge in self.judges for words in (*self._unexplained(judge), *self._in_vain(judge))
        ]

    def _unexplained(self, judge: str) -> Iterator[str]:
        name = self.judges[judge].name
        for case in self.cases:
            standing = self.standing(judge, case)
            if standing in (Standing.UNEXPLAINED, Standing.EXPLAINED_IN_VAIN):
                verdict = self.verdicts[judge][case.id]
                said = f"{verdict.word} {verdict.meaning}".strip()
                yield f"{case.id}: {name} {standing.value}: {said}; expected: {case.entry.expect}"

    def _in_vain(self, judge: str) -> Iterator[str]:
        entry = self.judges[judge]
        explained = {case.id: one for case in self.cases if (one := self.deviation(judge, case))}
        known = entry.because or self.judges[entry.like or judge].because
        for case, one in explained.items():
            if case not in self.verdicts[judge] or one.because not in known:
                yield f"{case}: {entry.name} is not asked, or nothing explains {one.because!r}"
        for key in known.keys() - {one.because for one in explained.values()}:
            yield f"{entry.name}: nothing needs the explanation {key!r}"


def run(workspace: Path) -> Run:
    """Build every case and ask every judge."""
    families, judges = load(), judge_entries()
    assert judges.keys() == JUDGES.keys(), "every judge has its entry"
    built = [build(case) for family in families for case in family.cases]
    verdicts = {
        key: JUDGES[key].judge([one for one in built if entry.is_asked(one.case)], workspace / key)
        for key, entry in judges.items()
    }
    return Run(families, judges, verdicts)


def _standing(case: Case, explained: Deviation | None, verdict: Verdict) -> Standing:
    if explained is not None and explained.verdict == "either":
        return Standing.DIFFERS
    if verdict.valid == case.expected.valid:
        return Standing.AGREES if explained is None else Standing.EXPLAINED_IN_VAIN
    return Standing.UNEXPLAINED if explained is None else Standing.DIFFERS
