"""An explanation as a picture: each candidate a row of boxes from the anchor to the holder, its policies beneath.

The picture is one SVG file without scripts or anything from elsewhere, for light and dark backgrounds.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from bridge.relying.telling.explaining import Candidate, Explanation, Step
from bridge.relying.telling.policy_graph import PolicyStep
from bridge.relying.telling.policy_levels import PolicyNode
from bridge.relying.telling.words import REASONS, ROLES, VERDICTS, WORDS, Language, Verdict, Word
from bridge.svg import Drawing, fitted, width_of, wrapped
from ca.profiles.extensions import ANY_POLICY

MOST_POLICIES = 8
"""Policies drawn at a step; how many more there are is said."""

_MARGIN, _COLUMN, _GAP, _PADDING = 36.0, 264.0, 56.0, 14.0
_BOX, _LINE, _LEAST_WIDTH = 134.0, 18.0, 760.0
_PILL, _MAPPED_PILL, _PILL_GAP = 28.0, 46.0, 9.0

_COLOURS: Mapping[str, tuple[str, str]] = {  # on a light page, on a dark one
    "page": ("#ffffff", "#0d1117"),
    "ink": ("#1f2328", "#e6edf3"),
    "soft": ("#59636e", "#9da7b3"),
    "rule": ("#d1d9e0", "#3d444d"),
    "box": ("#f6f8fa", "#161c24"),
    "trust": ("#e3f1ff", "#12243d"),
    "trust-line": ("#4b96e6", "#3c82d6"),
    "good": ("#1a7f37", "#3fb950"),
    "good-fill": ("#e6f8ea", "#12261e"),
    "bad": ("#c8202c", "#ff6a62"),
    "bad-fill": ("#ffeeec", "#2d1618"),
    "open": ("#8a5d00", "#d9a42b"),
    "open-fill": ("#fff6dc", "#2b2310"),
    "badge-ink": ("#ffffff", "#0d1117"),
}
_RULES = (
    (".page", "fill:{page}"),
    ("text", "fill:{ink};font:13px system-ui,'Noto Sans','Noto Sans CJK JP','Noto Sans JP','Hiragino Sans',Meiryo,sans-serif"),
    (".head", "font-size:19px;font-weight:600"),
    (".name", "font-size:15px;font-weight:600"),
    (".role", "font-weight:600"),
    (".soft", "fill:{soft};font-size:12px"),
    (".mono", "font-family:ui-monospace,'DejaVu Sans Mono','Noto Sans Mono CJK JP',Menlo,Consolas,monospace;font-size:12px"),
    (".tiny", "fill:{soft};font-family:ui-monospace,'DejaVu Sans Mono',Menlo,Consolas,monospace;font-size:11px"),
    (".box", "fill:{box};stroke:{rule}"),
    (".trust", "fill:{trust};stroke:{trust-line}"),
    (".failed", "fill:{bad-fill};stroke:{bad};stroke-width:2"),
    (".untold", "fill:{open-fill};stroke:{open};stroke-width:2"),
    (".pill", "fill:{good-fill};stroke:{good}"),
    (".lost", "fill:none;stroke:{soft};stroke-dasharray:4 3"),
    (".arrow", "stroke:{soft};stroke-width:1.5;fill:{soft}"),
    (".edge", "fill:none;stroke:{good};stroke-width:1.3"),
    (".edge-lost", "fill:none;stroke:{soft};stroke-dasharray:4 3"),
    (".rule", "stroke:{rule}"),
    (".valid", "fill:{good}"),
    (".not-valid", "fill:{bad}"),
    (".cannot-tell", "fill:{open}"),
    (".badge", "fill:{badge-ink};font-size:12px;font-weight:600;text-anchor:middle"),
    (".mark", "stroke:{badge-ink};stroke-width:2.2;stroke-linecap:round"),
    (".bad", "fill:{bad}"),
    (".open", "fill:{open}"),
)  # fmt: skip


def draw(explanation: Explanation, language: Language) -> str:
    """The picture of an explanation: an SVG document."""
    picture = _Picture(language, _width(explanation))
    picture.head(explanation)
    for candidate in explanation.candidates:
        picture.candidate(candidate, decides=candidate == explanation.deciding)
    picture.tail(explanation)
    title = f"{WORDS[Word.VERIFICATION].said(language)} {explanation.leaf}"
    return picture.drawing.document(title, _style(), _MARGIN, language.value)


def _style() -> str:
    light, dark = (
        "".join(
            f"{selector}{{{rule.format_map({name: pair[page] for name, pair in _COLOURS.items()})}}}"
            for selector, rule in _RULES
        )
        for page in (0, 1)
    )
    return f"{light}@media (prefers-color-scheme:dark){{{dark}}}"


def _width(explanation: Explanation) -> float:
    """Of what is drawn, without margins: that of the longest candidate."""
    longest = max((len(one.steps) for one in explanation.candidates), default=0)
    return max(_LEAST_WIDTH, longest * (_COLUMN + _GAP) - _GAP)


def _generations(issuer: str, step: Step, room: float) -> str:
    """Who certifies whom, each with half of the room if both are long."""
    words = f"{issuer} → {step.subject}"
    if step.subject is None or step.step == 0:
        return issuer
    if width_of(words, 12) <= room:
        return words
    half = (room - width_of(" → ", 12)) / 2
    return f"{fitted(issuer, half, 12)} → {fitted(step.subject, half, 12)}"


def _class(verdict: Verdict) -> str:
    return verdict.value.replace(" ", "-")


@dataclass(frozen=True, slots=True)
class _Place:
    """Where a policy of a step was drawn: the middle of its left and right side."""

    left: float
    right: float
    y: float


class _Picture:
    """A picture while it is drawn, from above to below."""

    def __init__(self, language: Language, width: float) -> None:
        self.drawing = Drawing()
        self._language = language
        self._width = width
        self._y = _MARGIN
        self.drawing.reach(_MARGIN + width, _MARGIN)

    def head(self, explanation: Explanation) -> None:
        """What was verified, when, and the verdict."""
        self._y += 16
        badge = self._badge(_MARGIN, explanation.verdict)
        words = f"{self._say(Word.VERIFICATION)} {explanation.leaf}"
        room = self._width - badge - 12
        self.drawing.text(_MARGIN + badge + 12, self._y, fitted(words, room, 19), "head", words)
        self._y += 26
        accepted = ", ".join(sorted(explanation.accepted)) or self._say(Word.ANY_POLICY)
        at = f"{self._say(Word.AT)} {explanation.at:%Y-%m-%dT%H:%M:%SZ}"
        self._lines(f"{at} · {self._say(Word.ACCEPTED)}: {accepted}", "soft", 12)

    def candidate(self, candidate: Candidate, *, decides: bool) -> None:
        """One row."""
        self._y += 10
        self.drawing.add("line", x1=_MARGIN, x2=_MARGIN + self._width, y1=self._y, y2=self._y, class_="rule")
        self._y += 32
        badge = self._badge(_MARGIN, candidate.verdict)
        name = self._say(Word.CANDIDATE, candidate.number)
        self.drawing.text(_MARGIN + badge + 12, self._y, name, "name")
        more = self._say(Word.STEPS, len(candidate.steps))
        if decides:
            more += f" · {self._say(Word.DECIDES)}"
        self.drawing.text(_MARGIN + badge + 28 + width_of(name, 15), self._y, more, "soft")
        self._y += 24
        self._ending(candidate)
        for step in candidate.steps:
            self._box(candidate, step)
        self._y += _BOX + 24
        self._policies(candidate)

    def tail(self, explanation: Explanation) -> None:
        """What is not shown."""
        self._y += 12
        if explanation.deciding is None and isinstance(explanation.outcome, Exception):
            self._lines(REASONS[explanation.outcome.reason].said(self._language), "name", 15)
            self._lines(str(explanation.outcome), "soft", 12)
        if not explanation.candidates:
            self._lines(self._say(Word.NO_CANDIDATE), "soft", 12)
        if explanation.hidden:
            self._lines(self._say(Word.HIDDEN, explanation.hidden), "soft", 12)
        if explanation.spent is not None:
            self._lines(f"{self._say(Word.SPENT)} ({explanation.spent})", "soft", 12)
        self.drawing.reach(_MARGIN, self._y - _LINE)

    def _ending(self, candidate: Candidate) -> None:
        """The rule that ended it, or what it is valid for."""
        rejected = candidate.rejected
        if rejected is None:
            assert not isinstance(candidate.outcome, Exception)
            policies = ", ".join(sorted(candidate.outcome.policies)) or self._say(Word.NO_POLICY)
            self._lines(f"{self._say(Word.VALID_FOR)}: {policies}", "soft", 12)
        else:
            kind = "open" if candidate.verdict is Verdict.CANNOT_TELL else "bad"
            self._lines(REASONS[rejected.reason].said(self._language), kind, 13)
            where = self._say(Word.ENDED_HERE, rejected.step)
            clause = f" · {rejected.clause}" if rejected.clause else ""
            self._lines(f"{where}{clause} · {rejected.place}: {rejected.problem}", "soft", 12)
        self._y += 4

    def _box(self, candidate: Candidate, step: Step) -> None:
        """One certificate, and the arrow to it."""
        x, y = self._x(step.step), self._y
        failed = candidate.rejected is not None and candidate.rejected.step == step.step
        untold = candidate.verdict is Verdict.CANNOT_TELL
        kind = ("untold" if untold else "failed") if failed else "box" if step.step else "trust"
        between = f"{step.not_before:%Y-%m-%dT%H:%M:%SZ} → {step.not_after:%Y-%m-%dT%H:%M:%SZ}"
        self.drawing.box(x, y, _COLUMN, _BOX, kind, f"{step.id} · {between} · {step.suite}")
        generation, _, serial = step.id.partition(":")
        room = _COLUMN - 2 * _PADDING
        lines = [
            (ROLES[step.role].said(self._language), "role", 13.0),
            (_generations(generation, step, room), "mono", 12.0),
            (serial, "tiny", 11.0),
            (f"{step.not_before:%Y-%m-%d} → {step.not_after:%Y-%m-%d}", "soft", 12.0),
            (step.suite, "soft", 12.0),
            (self._asked(step), "soft", 12.0),
        ]
        for number, (words, style, size) in enumerate(lines):
            space = room - 24 if number == 0 else room  # the step's number stands beside the first line
            self.drawing.text(x + _PADDING, y + 24 + number * 19, fitted(words, space, size), style)
        corner = str(step.step)
        self.drawing.text(x + _COLUMN - _PADDING - width_of(corner, 12), y + 24, corner, "soft")
        if step.step:
            self._arrow(x - _GAP, x, y + _BOX / 2)
        if failed:
            self._cross(x + _COLUMN - 3, y + 3, candidate.verdict)

    def _asked(self, step: Step) -> str:
        """The first list or answer in short, and how many more."""
        used = [one for one in step.asked if one.this_update is not None]
        if not used:
            return ""
        first, more = used[0], len(step.asked) - 1
        number = "" if first.number is None else f" {first.number}"
        rest = f" +{more}" if more else ""
        return f"{self._say(first.kind)}{number} · {first.this_update:%Y-%m-%d}{rest}"

    def _policies(self, candidate: Candidate) -> None:
        """The policy graph, a column beneath each box."""
        if candidate.graph is None:
            self._lines(self._say(Word.NOT_DRAWN, candidate.no_graph or ""), "soft", 12)
            return
        self._lines(self._say(Word.POLICIES), "soft", 12)
        self._y -= 6
        above: dict[str, _Place] = {}
        lowest = self._y
        for step in candidate.graph.steps:
            places, end = self._column(step, above)
            above, lowest = places, max(lowest, end)
        self._y = lowest + 12

    def _column(self, step: PolicyStep, above: Mapping[str, _Place]) -> tuple[dict[str, _Place], float]:
        """The policies of one step, with the lines from those above; where each stands, and where the column ends."""
        x, y = self._x(step.step), self._y
        places: dict[str, _Place] = {}
        for node in step.nodes[:MOST_POLICIES]:
            mapped = node.expected != {node.policy}
            height = _MAPPED_PILL if mapped else _PILL
            place = _Place(x, x + _COLUMN, y + height / 2)
            for parent in sorted(node.parents & above.keys()):
                self._edge(above[parent], place, "edge" if node.lost is None else "edge-lost")
            self._pill(node, x, y, height)
            places[node.policy] = place
            y += height + _PILL_GAP
        if len(step.nodes) > MOST_POLICIES:
            words = self._say(Word.MORE, len(step.nodes) - MOST_POLICIES)
            self.drawing.text(x + _PADDING, y + 12, words, "soft")
            y += _LINE + _PILL_GAP
        if not step.nodes:
            self.drawing.text(x + _PADDING, y + 18, self._say(Word.NO_POLICY), "bad")
            y += _PILL + _PILL_GAP
        self.drawing.reach(x, y)
        return places, y

    def _pill(self, node: PolicyNode, x: float, y: float, height: float) -> None:
        policy, expected = self._policy(node.policy), ", ".join(map(self._policy, sorted(node.expected)))
        lost = "" if node.lost is None else self._say(Word.LOST_AT, node.lost)
        told = f"{policy} → {expected}" + (f" ({lost})" if lost else "")
        self.drawing.box(x, y, _COLUMN, height, "pill" if node.lost is None else "lost", told)
        room = _COLUMN - 2 * _PADDING - (width_of(lost, 12) + 10 if lost else 0)
        self.drawing.text(x + _PADDING, y + 19, fitted(policy, room, 12), "mono")
        if lost:
            self.drawing.text(x + _COLUMN - _PADDING - width_of(lost, 12), y + 19, lost, "soft")
        if height > _PILL:
            room = _COLUMN - 2 * _PADDING
            self.drawing.text(x + _PADDING, y + 37, fitted(f"→ {expected}", room, 11), "tiny")

    def _edge(self, begin: _Place, end: _Place, kind: str) -> None:
        middle = (begin.right + end.left) / 2
        path = f"M{begin.right:.1f} {begin.y:.1f}C{middle:.1f} {begin.y:.1f} {middle:.1f} {end.y:.1f} {end.left:.1f} {end.y:.1f}"
        self.drawing.add("path", d=path, class_=kind)

    def _arrow(self, begin: float, end: float, y: float) -> None:
        self.drawing.add("line", x1=begin + 6, x2=end - 12, y1=y, y2=y, class_="arrow")
        self.drawing.add("path", d=f"M{end - 5:.1f} {y:.1f}l-10 -5v10z", class_="arrow")

    def _cross(self, x: float, y: float, verdict: Verdict) -> None:
        self.drawing.add("circle", cx=x, cy=y, r=11, class_=_class(verdict))
        self.drawing.add("path", d=f"M{x - 4:.1f} {y - 4:.1f}l8 8m0 -8l-8 8", class_="mark")
        self.drawing.reach(x + 11, y)

    def _badge(self, x: float, verdict: Verdict) -> float:
        """The verdict on its colour, its base line at the pen; gives its width."""
        words = VERDICTS[verdict].said(self._language)
        width = width_of(words, 12) + 20
        self.drawing.add("rect", x=x, y=self._y - 16, width=width, height=22, rx=11, class_=_class(verdict))
        self.drawing.text(x + width / 2, self._y - 1, words, "badge")
        return width

    def _lines(self, words: str, kind: str, size: float) -> None:
        for line in wrapped(words, self._width, size):
            self.drawing.text(_MARGIN, self._y, line, kind)
            self._y += _LINE

    def _x(self, step: int) -> float:
        return _MARGIN + step * (_COLUMN + _GAP)

    def _policy(self, policy: str) -> str:
        return self._say(Word.ANY_POLICY) if policy == ANY_POLICY else policy

    def _say(self, word: Word, *facts: object) -> str:
        return WORDS[word].said(self._language).format(*facts)
