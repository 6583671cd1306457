"""Measure: a table on stdout, all figures as JSON in a file, and as a page of the book if asked."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import click

from benchmarks.cases import CASES, Case
from benchmarks.facts import facts
from benchmarks.figures import Figures
from benchmarks.page import page
from benchmarks.results import RATES, Ratios, differing, medians, ratios, result

REPEATED = 5
"""How often a short measurement is made; of the figures, the median is told."""

SHORT = 40.0
"""Seconds; what takes longer is measured once."""

COLUMNS = (
    "states", "transitions", "depth", "seconds", "cpu s", "prepare s", "states/s", "states/cpu s",
    "transitions/s", "bytes/state", "examples/s", "peak MiB",
)  # fmt: skip
WORDS = ("verdicts", "stopped", "absent", "failed")
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
@click.option(
    "--page",
    "book",
    metavar="FILE",
    type=click.Path(path_type=Path, dir_okay=False),
    help="The medians, as a page of the book.",
)
@click.option(
    "--runs", "repeated", type=click.IntRange(1), default=REPEATED, show_default=True,
    help="How often what is short is measured.",
)
def main(
    names: tuple[str, ...], long: bool, output: Path, book: Path | None, repeated: int
) -> None:
    """Measure; with WORDs, only the cases whose names contain all of them."""
    chosen = [case for case in CASES if set(names) <= set(case.name.split())]
    chosen = [case for case in chosen if long or not case.long]
    if not chosen:
        raise click.UsageError(f"no measurement is called {' '.join(names)}")
    load = round(os.getloadavg()[0], 1)
    document: dict[str, Any] = {"version": 2, **facts(), "load": load, "results": []}
    click.echo(", ".join(f"{key} {value}" for key, value in document.items() if key != "results"))
    click.echo(_header())
    results = document["results"]
    for case in chosen:
        runs = _runs(case, repeated)
        results.append(result(case, runs))
        click.echo(_line(case, medians(runs), len(runs)))
        document["ratios"] = {rate: ratios(results, rate) for rate in RATES}
        output.write_text(json.dumps(document, indent=2) + "\n", encoding="utf-8")
    for rate, of in document["ratios"].items():
        click.echo("\n".join(_told(rate, of)))
    if book is not None:
        book.write_text(page(document), encoding="utf-8")
    if wrong := differing(results):
        click.echo("\n".join(wrong), err=True)
        sys.exit(1)


def _told(rate: str, found: Ratios) -> list[str]:
    """How many times a peer each of our explorers is."""
    return [
        f"{subject}, {rate}: {own} is "
        + ", ".join(f"{times:.2f} x {peer}" for peer, times in of.items())
        for subject, owns in found.items()
        for own, of in owns.items()
    ]


def _runs(case: Case, repeated: int = REPEATED) -> list[Figures]:
    """A long measurement once, a short one several times; a failed one is not tried again."""
    runs = [_measured(case)]
    while len(runs) < repeated and float(runs[0].get("seconds", SHORT)) < SHORT:
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


def _header() -> str:
    return "measurement".ljust(NAME) + "".join(f"{name:>14}" for name in COLUMNS) + "  runs"


def _line(case: Case, figures: Figures, count: int) -> str:
    cells = "".join(f"{_number(figures.get(name, '')):>14}" for name in COLUMNS)
    told = [f"    {word}: {figures[word]}" for word in WORDS if figures.get(word)]
    return "\n".join([f"{case.name.ljust(NAME)}{cells}{count:6}", *told])


def _number(value: float | int | str) -> str:
    if isinstance(value, str):
        return value
    return f"{value:.2f}" if value < 100 and value != int(value) else f"{value:.0f}"


if __name__ == "__main__":
    main()
