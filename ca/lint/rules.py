"""The small machinery of lint: a rule has a name, a clause and a sentence, and finds what breaks it.

A finding names what is wrong and never quotes a person's data: findings are shown and logged.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Generic, TypeVar

from ca.errors import LintRefused

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Rule(Generic[T]):
    """One rule about one kind of thing.

    Attributes:
        id: The rule's name in findings: the name of the function that looks.
        clause: The one clause that is its source.
        sentence: What holds wherever the rule is kept.
        look: Yields a short sentence for each breach; nothing when all is well.
    """

    id: str
    clause: str
    sentence: str
    look: Callable[[T], Iterable[str]]


@dataclass(frozen=True, slots=True)
class Finding(Generic[T]):
    """A breach of a rule."""

    rule: Rule[T]
    problem: str

    def __str__(self) -> str:
        return f"{self.rule.id}: {self.problem}"


class RuleBook(Generic[T]):
    """A family of rules, in the order in which they are written. What is decorated cannot be forgotten."""

    def __init__(self) -> None:
        self._rules: list[Rule[T]] = []

    def __iter__(self) -> Iterator[Rule[T]]:
        return iter(self._rules)

    def rule(
        self, clause: str, sentence: str
    ) -> Callable[[Callable[[T], Iterable[str]]], Callable[[T], Iterable[str]]]:
        """Enter the decorated function as a rule."""

        def enter(look: Callable[[T], Iterable[str]]) -> Callable[[T], Iterable[str]]:
            self._rules.append(Rule(look.__name__, clause, sentence, look))
            return look

        return enter


def findings(rules: Iterable[Rule[T]], subject: T) -> list[Finding[T]]:
    """Every breach of these rules, in the order of the rules."""
    return [Finding(rule, problem) for rule in rules for problem in rule.look(subject)]


def refusal(place: str, found: Sequence[Finding[T]]) -> LintRefused:
    """The error that tells these findings, of which there is at least one; its clause is the first one's."""
    return LintRefused(place, "; ".join(map(str, found)), clause=found[0].rule.clause)
