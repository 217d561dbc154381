"""Where lists become public: what a repository does for those who make lists."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from typing import BinaryIO, Protocol

from ca.model import GenerationId, Scope


@dataclass(frozen=True, slots=True)
class SignedList:
    """A list to be placed.

    Attributes:
        file: One that the publisher gave for a draft, with the whole list in it.
        delta: Whether it is a delta list.
    """

    scope: Scope
    number: int
    delta: bool
    file: BinaryIO = field(repr=False)


class Publisher(Protocol):
    """Where lists become public."""

    def exclusive(self) -> AbstractContextManager[None]:
        """Admit one publication at a time, in all processes."""
        ...

    def newest(self, generation: GenerationId, scope: Scope, *, delta: bool = False) -> BinaryIO | None:
        """The complete list that relying parties get, or the delta list; None if there is none."""
        ...

    def numbered(self, generation: GenerationId, scope: Scope, number: int) -> BinaryIO | None:
        """The complete list of this number; None if it is lost."""
        ...

    def numbers(self, generation: GenerationId, scope: Scope) -> list[int]:
        """Under which numbers complete lists of this scope lie, in no order."""
        ...

    def delta_path(self, generation: GenerationId, scope: Scope) -> str:
        """Where the delta list lies below the URL of the world."""
        ...

    def draft(self, generation: GenerationId) -> AbstractContextManager[BinaryIO]:
        """An empty file that nobody else reads; it is gone at the end unless it was placed."""
        ...

    def place_lists(self, generation: GenerationId, signed: Sequence[SignedList]) -> None:
        """Make these lists the ones that relying parties get, durably.

        Earlier complete lists stay under their numbers.
        """
        ...
