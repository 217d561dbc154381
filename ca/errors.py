"""The error tree. An error carries facts (place, problem, clause, remedy) and knows nothing of HTTP or exit codes.

Facts never hold secrets or personal data: they are shown to people and written to logs.
"""

from __future__ import annotations

from collections.abc import Mapping


class KakehashiError(Exception):
    """Something that the caller can understand and act on.

    Attributes:
        place: Where it is wrong: a file, a line, a field, a certificate id.
        problem: What is wrong there, as a short sentence without a full stop.
        clause: The rule that is broken (an RFC clause, an article), if one is.
        remedy: What to do next, if there is something to do.
    """

    def __init__(
        self, place: str, problem: str, *, clause: str | None = None, remedy: str | None = None
    ) -> None:
        super().__init__(place, problem, clause, remedy)
        self.place = place
        self.problem = problem
        self.clause = clause
        self.remedy = remedy

    def __reduce__(self) -> tuple[object, ...]:
        # Errors cross process borders; the facts that are keyword-only travel as attributes.
        return (type(self), (self.place, self.problem), vars(self).copy())

    def __str__(self) -> str:
        clause = f" ({self.clause})" if self.clause else ""
        remedy = f". {self.remedy}" if self.remedy else ""
        return f"{self.place}: {self.problem}{clause}{remedy}"


class BadInput(KakehashiError):
    """What was handed in is refused before anything was done."""


class CsrRefused(BadInput):
    """A certification request that is not one, is not signed by its key, or holds a key we do not certify."""


class EditionRefused(BadInput):
    """An edition file that does not describe a world."""


class NotFound(KakehashiError):
    """What was named does not exist: a municipality, an office, an officer, a case, a certificate."""


class NotPermitted(KakehashiError):
    """The officer may not do this: wrong role, another office's case, or a second step of one case."""


class ArchiveDestroyed(NotFound):
    """What was archived is there no more: its time was over, and its key was destroyed."""


class Conflict(KakehashiError):
    """What was asked does not fit the state that things are in."""


class HomeRefused(KakehashiError):
    """A home directory that cannot be worked in."""


class HomeHalfMade(HomeRefused):
    """A home whose making was interrupted; making it again completes it."""


class HomeTooNew(HomeRefused):
    """A home made by a newer version of the product."""


class HomeBusy(HomeRefused):
    """A home, or its store, that another process holds locked."""


class StorageFailed(KakehashiError):
    """The disk or the database refused a write; nothing of the step was kept."""


class PassphraseRefused(KakehashiError):
    """No passphrase, a wrong one, or one too weak to make a home with."""


class KeyRefused(KakehashiError):
    """A key file that is missing, damaged, or belongs to another key; a key that may not sign this."""


class TokenFailed(KeyRefused):
    """A token that is missing, locked, or gone. What was to be signed waits, and is signed once it is back."""


class SuiteRetired(KeyRefused):
    """A signature suite outside its life for the use asked for."""


class LintRefused(KakehashiError):
    """What was drafted breaks a rule of its profile or of the standards; it is not signed."""


class RevocationRefused(Conflict):
    """A change of revocation state that the rules do not allow."""


class ListBlocked(KakehashiError):
    """A signed list that the publish gate keeps back. The last one that passed stays where relying parties get it.

    Attributes:
        reason: The word of ``ca.rules.list_changes.Block`` for what is wrong.
        facts: Numbers that tell more, by name; those that two officers may release, if they may.
    """

    def __init__(
        self,
        place: str,
        problem: str,
        *,
        reason: str = "",
        facts: Mapping[str, int] | None = None,
        clause: str | None = None,
        remedy: str | None = None,
    ) -> None:
        super().__init__(place, problem, clause=clause, remedy=remedy)
        self.reason = reason
        self.facts = dict(facts or {})
