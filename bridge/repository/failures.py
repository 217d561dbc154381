"""What goes wrong in a publication: nothing keeps back what comes after it, and the failure is told at the end."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

from ca.errors import KakehashiError, ListBlocked, SuiteRetired

# A list that is kept back is known for long, and that a key may sign none any more for longer.
_KNOWN = (ListBlocked, SuiteRetired)


@dataclass(frozen=True, slots=True)
class Failures:
    """What went wrong in steps that do not wait for one another."""

    found: list[KakehashiError] = field(default_factory=list)

    @contextmanager
    def kept(self) -> Iterator[None]:
        """Take a step; should it fail, the next one is taken all the same."""
        try:
            yield
        except KakehashiError as error:
            self.found.append(error)

    def tell(self) -> None:
        """Raise the first failure of the kind that is least known of, if there was any.

        Raises:
            SuiteRetired: A key may sign no lists any more; all else was done.
            ListBlocked: A list is kept back; nothing else is wrong, but that some keys may sign none.
        """
        if self.found:
            raise min(self.found, key=_rank)


def _rank(error: KakehashiError) -> int:
    """How little it tells: 0 for what nobody knows of."""
    return next((rank for rank, kind in enumerate(_KNOWN, start=1) if isinstance(error, kind)), 0)
