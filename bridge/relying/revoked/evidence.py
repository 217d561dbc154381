"""What a verdict on revocation rests on: the lists and answers that were asked, kept so that others can ask them too."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from datetime import datetime

from ca.model import GenerationId


@dataclass(frozen=True, slots=True)
class DeltaUsed:
    """A delta list that was added to a complete list: where it lies, which one, from when, and its DER."""

    place: str
    number: int | None
    this_update: datetime
    der: bytes = field(default=b"", repr=False)


@dataclass(frozen=True, slots=True)
class ListUsed:
    """A list that was asked: whose, where it lies, which one, and from when.

    Attributes:
        generation: Whose key signed it, as the source calls it; None if it has no name for it.
        delta: The delta list that was added to it, if one was.
        without_delta: Why a delta list that is named was not added; None if none is named, or none is newer.
        der: The list.
        step: Which certificate of the path it was asked about.
        signer: The certificates (DER) from below the path's anchor down to the one whose key signed the list, if the
            issuer's own key did not; else empty.
    """

    generation: GenerationId | None
    place: str
    number: int | None
    this_update: datetime
    delta: DeltaUsed | None = None
    without_delta: str | None = None
    der: bytes = field(default=b"", repr=False)
    step: int = 0
    signer: tuple[bytes, ...] = field(default=(), repr=False)


@dataclass(frozen=True, slots=True)
class AnswerUsed:
    """An OCSP response that was asked.

    Attributes:
        generation: Whose certificate it speaks of, as the source calls it.
        step: Which certificate of the path it was asked about.
    """

    generation: GenerationId | None
    place: str
    this_update: datetime
    next_update: datetime | None
    der: bytes = field(default=b"", repr=False)
    step: int = 0


@dataclass(frozen=True, slots=True)
class Evidence:
    """All that was asked about the certificates of a path, from the anchor down."""

    lists: tuple[ListUsed, ...] = ()
    answers: tuple[AnswerUsed, ...] = ()

    def __add__(self, more: Evidence) -> Evidence:
        """This, and more."""
        return Evidence(self.lists + more.lists, self.answers + more.answers)

    def at_step(self, step: int) -> Evidence:
        """The same for the sake of this step: it tells of who signed what was asked there."""
        return Evidence(
            tuple(replace(one, step=step) for one in self.lists),
            tuple(replace(one, step=step) for one in self.answers),
        )


NOTHING = Evidence()
"""Nothing was asked, since nothing had to be."""
