"""Why somebody is not let in. Each reason has its words on the pages; none says more than whoever asks knows already."""

from __future__ import annotations

from enum import Enum

from ca.errors import NotPermitted


class Refusal(Enum):
    """Why, with the status that says it over HTTP."""

    CODE_MISTYPED = ("code_mistyped", 400, "is not an enrolment code", "Type it again, as it was given")
    CODE_WRONG = (
        "code_wrong",
        403,
        "is unknown, was used, or is too old",
        "An authority operator gives a new one",
    )
    CEREMONY_OVER = ("ceremony_over", 403, "was answered already, or too late", "Begin again")
    ANSWER_WRONG = ("answer_wrong", 403, "the authenticator's answer does not hold", "Begin again")
    PASSKEY_UNKNOWN = (
        "passkey_unknown",
        403,
        "the passkey is not, or no longer, known here",
        "An authority operator gives a code to enrol a new one",
    )
    COUNT_BACK = (
        "count_back",
        403,
        "the authenticator counts less than it did: there may be a copy of it",
        "Tell the centre",
    )
    NOT_FRESH = ("not_fresh", 403, "was begun some time ago", "Sign in again, then repeat this")
    TOO_OFTEN = ("too_often", 429, "was tried too often from here", "Wait a minute")

    def __init__(self, word: str, status: int, problem: str, remedy: str) -> None:
        self.word = word
        self.status = status
        self.problem = problem
        self.remedy = remedy


class SignInRefused(NotPermitted):
    """Somebody is not let in, or may not change who is."""

    def __init__(self, reason: Refusal) -> None:
        place = "enrolment code" if reason.word.startswith("code") else "signing in"
        super().__init__(place, reason.problem, remedy=reason.remedy)
        self.reason = reason

    def __reduce__(self) -> tuple[object, ...]:
        return (type(self), (self.reason,))
