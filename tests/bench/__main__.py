"""``python -m tests.bench``: measure, print the table, write ``bench.json``."""

from __future__ import annotations

import argparse
import signal
import sys
from pathlib import Path

from rich.console import Console

from tests.bench import CASES, report
from tests.bench.bench import Bench
from tests.bench.report import Row
from tests.bench.scale import SCALES

_WIDTH = 160  # characters, where no terminal says how many


def main(arguments: list[str] | None = None) -> int:
    """Exit status 1 if a case failed; a budget that is not met is for the reader."""
    parser = argparse.ArgumentParser(prog="python -m tests.bench", description=__doc__)
    parser.add_argument("--scale", choices=SCALES, default="quick")
    parser.add_argument("--folder", type=Path, default=Path(".bench"), help="where data is kept")
    parser.add_argument("--out", type=Path, default=Path("bench.json"))
    parser.add_argument("cases", nargs="*", help=f"which to measure, all without any: {', '.join(CASES)}")
    options = parser.parse_args(arguments)
    if unknown := [name for name in options.cases if name not in CASES]:
        parser.error(f"{unknown[0]} is not a case; there are {', '.join(CASES)}")
    console = Console()
    if not console.is_terminal:
        console = Console(width=_WIDTH)
    scale = SCALES[options.scale]
    about = report.machine()
    rows: list[Row] = []
    failed = False
    with console.status("") as status:
        bench = Bench(scale, options.folder.absolute(), status.update)
        for name in options.cases or CASES:
            bench.say(f"{name} ...")
            try:
                for row in CASES[name](bench):
                    rows.append(row)
                    report.write(options.out, scale.name, about, rows)
            except Exception as error:  # noqa: BLE001 - one case must not cost the others their figures
                console.print_exception()
                rows.append(Row(name, note=f"failed: {type(error).__name__}"))
                failed = True
    report.write(options.out, scale.name, about, rows)
    report.show(console, about, rows)
    return int(failed)


if __name__ == "__main__":
    signal.signal(signal.SIGTERM, lambda number, _: sys.exit(128 + number))  # so that servers are ended
    raise SystemExit(main())
