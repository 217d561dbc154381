"""By what a task of a plan was ordered, as the journal says it with a key's step, and with what ends."""

from __future__ import annotations

import re
from dataclasses import dataclass

_SHA256 = "[0-9a-f]{64}"
_NOT_REHEARSED = "not rehearsed"
_FORM = re.compile(
    rf"plan (?P<plan>[a-z0-9-]+) sha256:(?P<digest>{_SHA256}), (?P<task>.+ of [0-9-]+), "
    rf"by (?P<first>.+) and (?P<second>.+), (?:{_NOT_REHEARSED}|rehearsal sha256:(?P<rehearsed>{_SHA256}))"
)


@dataclass(frozen=True, slots=True)
class Evidence:
    """The plan, the task, and by whose word; no personal data.

    Attributes:
        plan: The plan's name, by which a home knows it: one that is edited goes on.
        digest: SHA-256 of its file as it was then, in hexadecimal digits.
        task: What the task was called, ``of`` the day that the plan gave it.
        officers: Two operators of the centre.
        rehearsed: SHA-256 of the rehearsal's report; None without one.
    """

    plan: str
    digest: str
    task: str
    officers: tuple[str, str]
    rehearsed: str | None = None

    def __str__(self) -> str:
        first, second = self.officers
        how = _NOT_REHEARSED if self.rehearsed is None else f"rehearsal sha256:{self.rehearsed}"
        return f"plan {self.plan} sha256:{self.digest}, {self.task}, by {first} and {second}, {how}"

    @classmethod
    def read(cls, text: str) -> Evidence | None:
        """What such words say; None for any others.

        An operator's own (``kakehashi key step --evidence``) end with who said them, which these do not.
        """
        found = _FORM.fullmatch(text)
        if found is None:
            return None
        officers = found["first"], found["second"]
        return cls(found["plan"], found["digest"], found["task"], officers, found["rehearsed"])
