"""The bench runs, at a scale at which no figure means anything, and writes down what it measured."""

import json

import pytest

from ca.store.engine import SCHEMA
from tests.bench import CASES, __main__, measure, report
from tests.bench.bench import Bench
from tests.bench.report import Budget, Row
from tests.bench.scale import TINY
from tests.components import COMPONENTS, Component, found

QUICK = ("one-thread",)
FIELDS = {"name", "unit", "ours", "beside", "reference", "ratio", "budget", "met", "scale", "note"}


@pytest.mark.parametrize(
    "cases",
    [QUICK, pytest.param(tuple(name for name in CASES if name not in QUICK), marks=pytest.mark.long)],
    ids=" ".join,
)
def test_every_case_gives_rows_in_bench_json(cases, tmp_path, capsys, monkeypatch):
    monkeypatch.setattr(__main__, "_WIDTH", 400)  # so that no name is broken over two lines
    out = tmp_path / "bench.json"
    status = __main__.main(
        ["--scale", "tiny", "--folder", str(tmp_path / "bench"), "--out", str(out), *cases]
    )
    said = capsys.readouterr().out
    assert status == 0, said
    written = json.loads(out.read_text())
    assert {"processor", "cores", "memory", "python", "openssl", "cryptography"} <= written["machine"].keys()
    rows = written["rows"]
    assert len(rows) >= len(cases)
    for row in rows:
        assert row.keys() == FIELDS
        if row["ours"] is None:
            assert row["note"].startswith("skipped: apt-get install ")
            continue
        assert row["ours"] > 0
        assert (row["reference"] is None) == (row["beside"] == "")
        assert (row["met"] is None) == (row["budget"] is None)
        assert row["name"].split(",")[0] in said
    assert not list((tmp_path / "bench" / "work").iterdir()), "nothing but what is kept stays behind"


def test_a_case_that_fails_says_so_and_costs_the_others_nothing(tmp_path, monkeypatch, capsys):
    def broken(_):
        raise ZeroDivisionError

    monkeypatch.setattr(
        __main__, "CASES", {"broken": broken, "whole": lambda _: iter([Row("whole", ours=1.0)])}
    )
    out = tmp_path / "bench.json"
    assert __main__.main(["--folder", str(tmp_path), "--out", str(out)]) == 1
    capsys.readouterr()
    rows = json.loads(out.read_text())["rows"]
    assert [(row["name"], row["note"]) for row in rows] == [
        ("broken", "failed: ZeroDivisionError"),
        ("whole", ""),
    ]


@pytest.mark.parametrize(
    ("budget", "met"),
    [
        (None, None),
        (Budget("ours", ">=", 5), True),
        (Budget("ours", "<=", 5), True),
        (Budget("ours", "<=", 4.9), False),
        (Budget("ratio", ">=", 0.5), True),
        (Budget("ratio", ">=", 0.6), False),
    ],
    ids=str,
)
def test_a_budget_bounds_our_figure_or_its_ratio(budget, met):
    assert Row("row", ours=5.0, reference=10.0, ratio=0.5, budget=budget).met is met


def test_without_a_figure_no_budget_is_met_or_missed():
    assert Row("row", budget=Budget("ratio", ">=", 0.5)).met is None


def test_a_missing_component_is_named(monkeypatch):
    monkeypatch.setitem(COMPONENTS, "absent", Component("no-such-program", "no-such-package"))
    found.cache_clear()
    assert report.skipped("row", "absent").note == "skipped: apt-get install no-such-package"
    found.cache_clear()


def test_contenders_take_turns_and_the_ratio_is_the_rounds():
    """Both get slower from round to round alike; the ratio stays what it is in each round."""
    turns = []

    def contender(name, figures):
        return lambda: turns.append(name) or next(figures)

    ours, other = measure.in_turn(
        3, contender("a", iter([9.0, 6.0, 3.0])), contender("b", iter([18.0, 12.0, 6.0]))
    )
    assert turns == ["a", "b"] * 3
    assert (ours.figure, ours.ratio) == (6.0, 1.0)
    assert (other.figure, other.ratio) == (12.0, 0.5)


def test_a_home_of_another_schema_is_made_anew(tmp_path):
    bench = Bench(TINY, tmp_path, print)
    for name in ("issued-10", "issued-10-schema-0005", "issued-100", "revoked-10"):
        (bench.kept / name).mkdir(parents=True)
    assert bench.of_schema("issued-10").name == f"issued-10-schema-{SCHEMA}"
    assert {path.name for path in bench.kept.iterdir()} == {"issued-100", "revoked-10"}


def test_the_memory_of_a_command_is_that_of_all_its_processes(tmp_path):
    script = "import subprocess, sys, time; hold = bytearray(40_000_000); len(sys.argv) < 2 or subprocess.run([sys.executable, '-c', sys.argv[1]], check=True); time.sleep(0.5)"
    alone = measure.watched(
        ["python3", "-c", script], tmp_path / "log", {"PATH": "/usr/local/bin:/usr/bin:/bin"}
    )
    both = measure.watched(
        ["python3", "-c", script, script], tmp_path / "log", {"PATH": "/usr/local/bin:/usr/bin:/bin"}
    )
    assert alone.peak > 40_000_000
    assert both.peak > 80_000_000
