"""A simulation as a picture over the years: suites, keys, cross-certificates, holders by suite, and who is stranded.

The picture is one SVG file without scripts or anything from elsewhere, for light and dark backgrounds.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date

from bridge.migrating.plan import Plan
from bridge.migrating.reporting import suite_counts
from bridge.migrating.simulation import Fault, Simulation, Verdict
from bridge.svg import Drawing, fitted, width_of

_MARGIN, _LABELS, _YEARS = 28.0, 250.0, 860.0
_LANE, _BAR, _SECTION, _CHART = 24.0, 14.0, 34.0, 150.0
_POINTS = 240
"""How many points a curve has at most."""

_COLOURS: Mapping[str, tuple[str, str]] = {  # on a light page, on a dark one
    "page": ("#ffffff", "#0d1117"),
    "ink": ("#1f2328", "#e6edf3"),
    "soft": ("#59636e", "#9da7b3"),
    "rule": ("#d1d9e0", "#30363d"),
    "deep": ("#1f6feb", "#4c93ff"),
    "pale": ("#a9cbff", "#1d3f75"),
    "bad": ("#c8202c", "#ff6a62"),
    "good": ("#7bc48e", "#235c34"),
    "first": ("#b08800", "#d9a42b"),
    "second": ("#1f6feb", "#4c93ff"),
    "third": ("#8250df", "#a371f7"),
    "fourth": ("#1a7f37", "#3fb950"),
}
_RULES = (
    (".page", "fill:{page}"),
    ("text", "fill:{ink};font:12px system-ui,'Noto Sans','Noto Sans CJK JP','Hiragino Sans',Meiryo,sans-serif"),
    (".head", "font-size:18px;font-weight:600"),
    (".title", "font-size:13px;font-weight:600"),
    (".soft", "fill:{soft};font-size:11px"),
    (".rule", "stroke:{rule}"),
    (".mark", "stroke:{soft};stroke-dasharray:5 3"),
    *((f".{name}", f"fill:{{{name}}}") for name in ("deep", "pale", "bad", "good", "first", "second", "third", "fourth")),
)  # fmt: skip
_AREAS = ("first", "second", "third", "fourth")


@dataclass(slots=True)
class _Chart:
    """The drawing and its scale of days; ``y`` is where the next lane begins."""

    plan: Plan
    drawing: Drawing = field(default_factory=Drawing)
    y: float = _MARGIN

    def x(self, day: date) -> float:
        """Where a day begins; days outside the plan lie on its edge."""
        period = self.plan.period
        share = (day - period.begins).days / ((period.ends - period.begins).days + 1)
        return _MARGIN + _LABELS + _YEARS * min(1.0, max(0.0, share))

    def section(self, title: str) -> None:
        """A heading over the lanes that follow."""
        self.y += _SECTION
        self.drawing.text(_MARGIN, self.y, title, "title")
        self.y += 8

    def lane(self, label: str, bars: Iterable[tuple[date, date, str, str]]) -> None:
        """A row of bars: first day, last day, class, and what is told of it."""
        self.drawing.text(_MARGIN, self.y + _BAR - 2, fitted(label, _LABELS - 12, 12), "soft", label)
        for first, last, kind, told in bars:
            if last < self.plan.period.begins or first > self.plan.period.ends:
                continue
            left = self.x(first)
            width = max(1.5, self.x(date.fromordinal(last.toordinal() + 1)) - left)
            self.drawing.reach(left + width, self.y + _BAR)
            title = f"{label}: {told}, {first} to {last}"
            self.drawing.add(
                "rect", None, title, x=left, y=self.y, width=width, height=_BAR, rx=2, class_=kind
            )
        self.y += _LANE


def plot(simulation: Simulation) -> str:
    """The simulation as an SVG document."""
    plan = simulation.plan
    chart = _Chart(plan)
    chart.drawing.reach(_MARGIN + _LABELS + _YEARS, _MARGIN)
    chart.y += 8
    chart.drawing.text(_MARGIN, chart.y, plan.title, "head")
    first = next(iter(simulation.strandings), None)
    told = "nobody is stranded" if first is None else f"first stranded: {first}"
    chart.y += 20
    chart.drawing.text(_MARGIN, chart.y, fitted(told, _LABELS + _YEARS, 11), "soft", told)
    top = chart.y + 14
    _suites(chart)
    _keys(chart)
    _crosses(chart)
    _holders(chart, simulation)
    _stranded(chart, simulation)
    _calendar(chart, top)
    return chart.drawing.document(f"Migration: {plan.title}", _style(), _MARGIN, "en")


def _suites(chart: _Chart) -> None:
    chart.section("Suites: sign certificates (dark), and are believed (light)")
    begins = chart.plan.period.begins
    for name, life in chart.plan.suites.items():
        chart.lane(
            name,
            [(begins, life.verify_until, "pale", "is believed"), (begins, life.sign_until, "deep", "signs")],
        )


def _keys(chart: _Chart) -> None:
    chart.section("Keys: issue (dark), and are there for lists, status and links (light)")
    period = chart.plan.period
    for table in chart.plan.authorities:
        new, old = table.new, table.old
        retired = old.retirement or period.ends
        issues = period.ends if new is None else date.fromordinal(new.cut_over.toordinal() - 1)
        bars = [(period.begins, retired, "pale", "signs status"), (period.begins, issues, "deep", "issues")]
        chart.lane(f"{table.id}.old", bars)
        if new is not None:
            bars = [(new.key, period.ends, "pale", "is made"), (new.cut_over, period.ends, "deep", "issues")]
            chart.lane(f"{table.id}.new", bars)


def _crosses(chart: _Chart) -> None:
    chart.section("Cross-certificates and links")
    lanes: dict[str, list[tuple[date, date, str, str]]] = {}
    for cross in chart.plan.crosses:
        kind = "deep" if len(lanes.get(f"{cross.by} > {cross.for_}", ())) % 2 == 0 else "pale"
        bar = (cross.from_, cross.until, kind, "is valid")
        lanes.setdefault(f"{cross.by} > {cross.for_}", []).append(bar)
    for table in chart.plan.authorities:
        if table.new is not None and table.new.links is not None:
            until = table.new.links_until or chart.plan.period.ends
            lanes[f"{table.id}, links"] = [(table.new.links, until, "good", "are valid")]
    for label, bars in lanes.items():
        chart.lane(label, bars)


def _holders(chart: _Chart, simulation: Simulation) -> None:
    counts = {name: one for name, one in suite_counts(chart.plan, simulation.cohorts).items() if any(one)}
    without = [sum(day) for day in zip(*(cohort.without for cohort in simulation.cohorts), strict=True)]
    layers = [(name, series, _AREAS[index % 4]) for index, (name, series) in enumerate(counts.items())]
    if any(without):
        layers.append(("without a certificate", without, "bad"))
    if not layers:
        return
    chart.section("Holders by the suite of their certificate")
    most = max(sum(day) for day in zip(*(series for _, series, _ in layers), strict=True))
    floor = [0] * len(layers[0][1])
    for index, (name, series, kind) in enumerate(layers):
        roof = [sum(pair) for pair in zip(floor, series, strict=True)]
        _area(chart, floor, roof, most, kind, name)
        y = chart.y + 12 + 16 * index
        chart.drawing.add("rect", x=_MARGIN, y=y - 9, width=10, height=10, rx=2, class_=kind)
        chart.drawing.text(_MARGIN + 16, y, f"{name}, at most {max(series):,}", "soft")
        floor = roof
    chart.y += max(_CHART, 16.0 * len(layers)) + 8


def _area(chart: _Chart, floor: Sequence[int], roof: Sequence[int], most: int, kind: str, name: str) -> None:
    """What lies between two curves, at so many points that the eye sees all."""
    length = len(roof)
    step = max(1, length // _POINTS)
    days = [*range(0, length - 1, step), length - 1]
    begins = chart.plan.period.begins.toordinal()

    def point(day: int, count: int) -> str:
        height = chart.y + _CHART * (1 - count / max(1, most))
        return f"{chart.x(date.fromordinal(begins + day)):.1f},{height:.1f}"

    edge = [point(day, roof[day]) for day in days] + [point(day, floor[day]) for day in reversed(days)]
    chart.drawing.reach(_MARGIN + _LABELS + _YEARS, chart.y + _CHART)
    chart.drawing.add("polygon", None, name, points=" ".join(edge), class_=kind)


def _stranded(chart: _Chart, simulation: Simulation) -> None:
    chart.section("Relying parties: accept what is held (green), strand its holders (red)")
    valid: dict[str, list[tuple[date, date, str, str]]] = {}
    for row in simulation.rows:
        bars = valid.setdefault(row.relying_party, [])
        bars += [
            (span.first, span.last, "good", f"{row.key} is valid")
            for span in row.spans
            if span.verdict is Verdict.VALID
        ]
    for party, bars in valid.items():
        mine = [one for one in simulation.strandings if one.relying_party == party]
        chart.lane(party, bars + [_red(one) for one in mine])
    left = [_red(one) for one in simulation.strandings if one.relying_party is None]
    chart.lane("holders without what they need", left)


def _red(fault: Fault) -> tuple[date, date, str, str]:
    return fault.first, fault.last, "bad", f"{fault.concerns}, {fault.why}"


def _calendar(chart: _Chart, top: float) -> None:
    """The years as lines, and the phases' first days."""
    period = chart.plan.period
    for year in range(period.begins.year + 1, period.ends.year + 1):
        x = chart.x(date(year, 1, 1))
        chart.drawing.add("line", x1=x, y1=top, x2=x, y2=chart.y, class_="rule")
        chart.drawing.text(x + 3, chart.y + 12, str(year), "soft")
    for day, words in ((chart.plan.phases.both, "both"), (chart.plan.phases.new_only, "new only")):
        if period.begins <= day <= period.ends:
            chart.drawing.add("line", x1=chart.x(day), y1=top, x2=chart.x(day), y2=chart.y, class_="mark")
            chart.drawing.text(chart.x(day) + 3, top + 4, words, "soft")
            chart.drawing.reach(chart.x(day) + 3 + width_of(words, 11), top)


def _style() -> str:
    def filled(index: int) -> str:
        colours = {name: pair[index] for name, pair in _COLOURS.items()}
        return "".join(f"{selector}{{{rule.format_map(colours)}}}" for selector, rule in _RULES)

    return f"{filled(0)}@media (prefers-color-scheme:dark){{{filled(1)}}}"
