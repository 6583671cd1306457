"""Measure the engines: a table on stdout, all figures as JSON in a file."""

from __future__ import annotations

import json
import os
import platform
import statistics
import subprocess
import sys
from pathlib import Path
from typing import Any

import click

from benchmarks.cases import CASES, Case, Figures

REPEATED = 3
"""How often a short measurement is made; of the figures, the median is told."""

SHORT = 20.0
"""Seconds; what takes longer is measured once."""

COLUMNS = (
    "states", "transitions", "depth", "seconds", "states/s", "transitions/s", "bytes/state",
    "examples/s", "peak MiB",
)  # fmt: skip
WORDS = ("verdicts", "stopped", "failed")
"""What is told below the line of a case."""

NAME = 34


@click.command(context_settings={"help_option_names": ["-h", "--help"]})
@click.argument("names", metavar="[WORD]...", nargs=-1)
@click.option("--long", is_flag=True, help="Also what takes many minutes.")
@click.option(
    "--output",
    metavar="FILE",
    type=click.Path(path_type=Path, dir_okay=False),
    default=Path("benchmarks/results.json"),
    show_default=True,
    help="All figures, as JSON.",
)
def main(names: tuple[str, ...], long: bool, output: Path) -> None:
    """Measure; with WORDs, only the cases whose names contain all of them."""
    chosen = [case for case in CASES if all(word in case.name for word in names)]
    chosen = [case for case in chosen if long or not case.long]
    if not chosen:
        raise click.UsageError(f"no measurement is called {' '.join(names)}")
    facts = {"cores": os.cpu_count(), "python": platform.python_version()}
    click.echo(f"{facts['cores']} cores, Python {facts['python']}; load {os.getloadavg()[0]:.1f}")
    click.echo(_header())
    results: list[dict[str, Any]] = []
    for case in chosen:
        runs = _runs(case)
        figures = _medians(runs)
        results.append({"name": case.name, "runs": runs, "median": figures})
        click.echo(_line(case, figures, len(runs)))
        document = {"version": 1, **facts, "results": results}
        output.write_text(json.dumps(document, indent=2) + "\n", encoding="utf-8")


def _runs(case: Case) -> list[Figures]:
    """A long measurement once, a short one several times; a failed one is not tried again."""
    runs = [_measured(case)]
    while len(runs) < REPEATED and float(runs[0].get("seconds", SHORT)) < SHORT:
        runs.append(_measured(case))
    return runs


def _measured(case: Case) -> Figures:
    words = [sys.executable, "-m", "benchmarks.measure", case.name]
    done = subprocess.run(words, capture_output=True, text=True, check=False)
    if done.returncode:
        last = (done.stderr.strip().splitlines() or [f"exit status {done.returncode}"])[-1]
        return {"failed": last}
    found: Figures = json.loads(done.stdout)
    return found


def _medians(runs: list[Figures]) -> Figures:
    """The median of each number; a text as the first run has it."""
    found: Figures = {}
    for key, value in runs[0].items():
        numbers = [item for run in runs if not isinstance(item := run.get(key, ""), str)]
        found[key] = value if isinstance(value, str) else statistics.median(numbers)
    return found


def _header() -> str:
    return "measurement".ljust(NAME) + "".join(f"{name:>14}" for name in COLUMNS) + "  runs"


def _line(case: Case, figures: Figures, count: int) -> str:
    cells = "".join(f"{_number(figures.get(name, '')):>14}" for name in COLUMNS)
    name = case.name.ljust(NAME)
    told = [f"    {word}: {figures[word]}" for word in WORDS if figures.get(word)]
    return "\n".join([f"{name}{cells}{count:6}", *told])


def _number(value: float | int | str) -> str:
    if isinstance(value, str):
        return value
    return f"{value:.2f}" if value < 100 and value != int(value) else f"{value:.0f}"


if __name__ == "__main__":
    main()
