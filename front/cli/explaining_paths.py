"""What ``kakehashi verify --explain`` shows: every candidate path, for people as tables and for machines as objects."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from rich import box
from rich.console import Console, Group
from rich.table import Table
from rich.text import Text

from bridge.relying.rejection import PathRejected
from bridge.relying.telling.clauses import CLAUSES
from bridge.relying.telling.explaining import Asked, Candidate, Explanation, Step
from bridge.relying.telling.policy_graph import PolicyStep
from bridge.relying.telling.policy_levels import PolicyNode
from bridge.relying.telling.words import REASONS, ROLES, VERDICTS, WORDS, Language, Verdict, Word
from ca.clock import utc_text
from ca.profiles.extensions import ANY_POLICY

_COLOURS = {Verdict.VALID: "green", Verdict.NOT_VALID: "red", Verdict.CANNOT_TELL: "yellow"}
_WIDTH = 130
MOST_POLICIES = 20
"""Policies shown of a step; how many more there are is said."""


def explanation_fields(explanation: Explanation, language: Language) -> dict[str, Any]:
    """An explanation as machines read it, beside the verdict's own fields. The sentences are in the language."""
    outcome, deciding = explanation.outcome, explanation.deciding
    return {
        "accepted": sorted(explanation.accepted),
        "sentence": REASONS[outcome.reason].said(language) if isinstance(outcome, PathRejected) else None,
        "deciding": None if deciding is None else deciding.number,
        "hidden": explanation.hidden,
        "spent": None if explanation.spent is None else explanation.spent.limit,
        "candidates": [_candidate_fields(candidate, language) for candidate in explanation.candidates],
    }


def _candidate_fields(candidate: Candidate, language: Language) -> dict[str, Any]:
    rejected = candidate.rejected
    steps = candidate.graph.steps if candidate.graph else ()
    graphs: list[PolicyStep | None] = [*steps, *[None] * (len(candidate.steps) - len(steps))]
    return {
        "number": candidate.number,
        "verdict": candidate.verdict.value,
        "step": None if rejected is None else rejected.step,
        "place": None if rejected is None else rejected.place,
        "clause": None if rejected is None else rejected.clause,
        "reason": None if rejected is None else rejected.reason.value,
        "problem": None if rejected is None else rejected.problem,
        "sentence": None if rejected is None else REASONS[rejected.reason].said(language),
        "rule": _rule(rejected, language),
        "authority_policies": sorted(candidate.graph.authority) if candidate.graph else None,
        "user_policies": sorted(candidate.graph.user) if candidate.graph else None,
        "policies_end": _break_fields(candidate),
        "no_graph": candidate.no_graph,
        "steps": [_step_fields(step, graph) for step, graph in zip(candidate.steps, graphs, strict=True)],
    }


def _rule(rejected: PathRejected | None, language: Language) -> str | None:
    """What the clause demands, if there are words for it."""
    said = None if rejected is None or rejected.clause is None else CLAUSES.get(rejected.clause)
    return None if said is None else said.said(language)


def _break_fields(candidate: Candidate) -> dict[str, Any] | None:
    broken = candidate.graph.broken if candidate.graph else None
    if broken is None:
        return None
    return {"step": broken.step, "problem": broken.problem, "clause": broken.clause}


def _step_fields(step: Step, graph: PolicyStep | None) -> dict[str, Any]:
    return {
        "step": step.step,
        "certificate": step.id,
        "subject": step.subject,
        "role": step.role.value,
        "not_before": utc_text(step.not_before),
        "not_after": utc_text(step.not_after),
        "suite": step.suite,
        "policies": None if graph is None else [_node_fields(node) for node in graph.nodes],
        "counters": None if graph is None else _counters(graph),
        "asked": [_asked_fields(asked) for asked in step.asked],
    }


def _node_fields(node: PolicyNode) -> dict[str, Any]:
    return {
        "policy": node.policy,
        "expected": sorted(node.expected),
        "parents": sorted(node.parents),
        "lost": node.lost,
    }


def _counters(graph: PolicyStep) -> dict[str, int]:
    counters = graph.counters
    return {
        "explicit_policy": counters.explicit_policy,
        "policy_mapping": counters.policy_mapping,
        "inhibit_any_policy": counters.inhibit_any_policy,
    }


def _binding(graph: PolicyStep) -> list[Word]:
    """The constraints that bind from here on."""
    counters = graph.counters
    found = {
        Word.EXPLICIT: counters.explicit_policy,
        Word.MAPPING: counters.policy_mapping,
        Word.ANY_COUNTS: counters.inhibit_any_policy,
    }
    return [word for word, count in found.items() if count == 0]


def _asked_fields(asked: Asked) -> dict[str, Any]:
    return {
        "kind": asked.kind.value,
        "place": asked.place,
        "number": asked.number,
        "this_update": None if asked.this_update is None else utc_text(asked.this_update),
        "problem": asked.problem,
    }


def show(explanation: Explanation, language: Language, console: Console) -> None:
    """Print an explanation for people; into a file or pipe wide enough that no id is broken."""
    say = _Sayer(language)
    if not console.is_terminal:
        console.width = max(console.width, _WIDTH)
    for candidate in explanation.candidates:
        console.print()
        say.candidate(candidate, console, decides=candidate == explanation.deciding)
    console.print()
    if not explanation.candidates:
        console.print(say.word(Word.NO_CANDIDATE))
    if explanation.hidden:
        console.print(say.word(Word.HIDDEN, explanation.hidden))
    if explanation.spent is not None:
        console.print(Text(f"{say.word(Word.SPENT)} {explanation.spent}"))
    if isinstance(explanation.outcome, PathRejected) and explanation.deciding is None:
        console.print(Text(REASONS[explanation.outcome.reason].said(language)))


class _Sayer:
    """Says parts of an explanation in one language."""

    def __init__(self, language: Language) -> None:
        self._language = language

    def word(self, word: Word, *facts: object) -> str:
        """A word with its facts."""
        return WORDS[word].said(self._language).format(*facts)

    def candidate(self, candidate: Candidate, console: Console, *, decides: bool) -> None:
        """A heading, a table with a row for each step, and the rule that ended it."""
        heading = Text(self.word(Word.CANDIDATE, candidate.number), style="bold")
        verdict = VERDICTS[candidate.verdict].said(self._language)
        heading.append(": ").append(verdict, style=f"bold {_COLOURS[candidate.verdict]}")
        if decides:
            heading.append(f" ({self.word(Word.DECIDES)})")
        console.print(heading)
        table = Table(box=box.SIMPLE_HEAD, show_edge=False, pad_edge=False, show_lines=True)
        table.add_column(self.word(Word.STEP), justify="right")
        table.add_column(self.word(Word.CERTIFICATE), overflow="fold")
        table.add_column(self.word(Word.POLICIES), overflow="fold")
        graphs = candidate.graph.steps if candidate.graph else ()
        failed = None if candidate.rejected is None else candidate.rejected.step
        for step in candidate.steps:
            mark = Text(f"✗ {step.step}", style="bold red") if step.step == failed else Text(str(step.step))
            certificate = Group(*self._certificate(step))
            drawn = graphs[max(0, step.step - 1) : step.step + 1] if step.step < len(graphs) else ()
            policies = self._policies(*drawn)
            table.add_row(mark, certificate, Group(*policies))
        console.print(table)
        console.print(Group(*self._ending(candidate)))

    def _certificate(self, step: Step) -> Iterator[Text]:
        subject = f": {step.subject}" if step.subject else ""
        yield Text(f"{ROLES[step.role].said(self._language)}{subject}", style="bold")
        yield Text(step.id)
        yield Text(f"{utc_text(step.not_before)} → {utc_text(step.not_after)}, {step.suite}")
        for asked in step.asked:
            yield Text(f"{self.word(Word.ASKED)}: {self._asked(asked)}")

    def _asked(self, asked: Asked) -> str:
        number = "" if asked.number is None else f" {asked.number}"
        since = "" if asked.this_update is None else f" {utc_text(asked.this_update)}"
        problem = "" if asked.problem is None else f": {asked.problem}"
        return f"{self.word(asked.kind)}{number}{since} {asked.place}{problem}"

    def _policies(self, *graphs: PolicyStep) -> Iterator[Text]:
        """The policies of the last of two steps, and which constraints begin to bind there."""
        if not graphs:
            return
        above, graph = graphs[0], graphs[-1]
        for node in graph.nodes[:MOST_POLICIES]:
            yield self._node(node)
        if len(graph.nodes) > MOST_POLICIES:
            yield Text(self.word(Word.MORE, len(graph.nodes) - MOST_POLICIES))
        if not graph.nodes:
            yield Text(self.word(Word.NO_POLICY), style="red")
        before = [] if above is graph else _binding(above)
        for word in _binding(graph):
            if word not in before:
                yield Text(f"· {self.word(word)}", style="dim")

    def _node(self, node: PolicyNode) -> Text:
        words = self._policy(node.policy)
        above = node.parents - {node.policy}
        if above:
            words += f" ← {', '.join(map(self._policy, sorted(above)))}"
        if node.expected != {node.policy}:
            words += f" → {', '.join(map(self._policy, sorted(node.expected)))}"
        if node.lost is None:
            return Text(words)
        return Text(f"{words} ({self.word(Word.LOST_AT, node.lost)})", style="dim")

    def _policy(self, policy: str) -> str:
        return self.word(Word.ANY_POLICY) if policy == ANY_POLICY else policy

    def _ending(self, candidate: Candidate) -> Iterator[Text]:
        if candidate.no_graph is not None:
            yield Text(self.word(Word.NOT_DRAWN, candidate.no_graph))
        rejected = candidate.rejected
        if rejected is None:
            assert not isinstance(candidate.outcome, PathRejected)
            policies = ", ".join(sorted(candidate.outcome.policies)) or self.word(Word.NO_POLICY)
            yield Text(f"{self.word(Word.VALID_FOR)}: {policies}", style="green")
            return
        clause = f" ({rejected.clause})" if rejected.clause else ""
        where = self.word(Word.ENDED_HERE, rejected.step)
        yield Text(f"{where}: {rejected.place}: {rejected.problem}{clause}", style="red")
        rule = _rule(rejected, self._language)
        yield Text(f"{REASONS[rejected.reason].said(self._language)}{f' {rule}' if rule else ''}")
