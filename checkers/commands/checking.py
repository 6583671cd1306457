"""The command that checks: one machine, some, a variant, or all that there is."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from functools import partial, reduce
from typing import Any

import click
from click.exceptions import Exit

from checkers.commands.asked import OPTIONS, Asked
from checkers.commands.choosing import Session, selecting, subjects
from checkers.engines import Checked
from checkers.output import Output, Reporting, progress
from checkers.report.row import Row, status
from checkers.result import Limits, Verdict
from checkers.runs import Run, suite, together
from checkers.userfiles import InputError
from checkers.variants import subjects as variants
from checkers.watch import limits_met, watching


def _with_options(function: Callable[..., None]) -> Callable[..., None]:
    return reduce(lambda done, option: option(done), reversed(OPTIONS), function)


@click.command("check", short_help="Check that the rules of machines hold.")
@_with_options
@click.pass_obj
def check_command(session: Session, /, **words: Any) -> None:
    """Check that the rules of machines hold; without MACHINE, of all machines."""
    asked = Asked(**words)
    asked.must_fit()
    output = Output(
        asked.traces, asked.json_file, asked.junit_file, asked.as_tap, session.words,
        asked.verbose, asked.deeper,
    )  # fmt: skip
    output.prepare()
    with watching(limits_met(asked.seconds, asked.mib, session.since)):
        runs = _planned(asked)
    output.begin(runs)
    done = _made(runs, asked, output, session.since)
    result = status(done.rows, interrupted=done.interrupted)
    output.deliver(
        done.rows, result, interrupted=done.interrupted, seconds=time.monotonic() - session.since
    )
    raise Exit(result)


def _planned(asked: Asked) -> list[Run]:
    """The runs that were asked for."""
    if asked.suite is not None:
        return suite(asked.suite, asked.names)
    if asked.every:
        return [Run(item, asked.engines, judged=True) for item in variants(asked.names)]
    chosen = selecting(subjects(asked.names, asked.variant, asked.bounds), asked.selected)
    if asked.keeps and len(chosen) != 1:
        raise InputError("--checkpoint and --resume are of one machine with one set of bounds")
    return [Run(subject, asked.engines, its_rules) for subject, its_rules in chosen]


def _made(runs: Sequence[Run], asked: Asked, output: Output, since: float) -> Checked:
    """The results of all runs, until Ctrl-C; each is told as it comes."""
    rows = list[Row]()
    many = asked.jobs > 1 and len(runs) > 1 and (asked.suite is not None or asked.every)
    if asked.cluster is not None:
        coming = _elsewhere(runs, asked, since, asked.cluster)
    else:
        coming = _beside(runs, asked) if many else _in_turn(runs, asked, since)
    try:
        for run, done in zip(runs, coming, strict=True):
            found = [_with_usual_limit(row, asked) for row in done.rows]
            rows += found
            output.told(run, found)
            if done.interrupted:
                return Checked(rows, True)
    except KeyboardInterrupt:
        return Checked(rows, True)
    return Checked(rows, False)


def _beside(runs: Sequence[Run], asked: Asked) -> Iterator[Checked]:
    """Several runs at a time."""
    return together(runs, asked.jobs, lambda run, name: replace(asked.limits(), jobs=1))


def _elsewhere(
    runs: Sequence[Run], asked: Asked, since: float, address: str
) -> Iterator[Checked]:
    """All runs at a time by the workers of a cluster, or the only one by all of them together."""
    from checkers.cluster.connection import connected
    from checkers.cluster.sweep import engines

    with connected(address) as cluster:
        finding = engines(cluster, runs, asked.limits())
        for run, own in zip(runs, finding, strict=True):
            with progress(run.subject, silent=asked.no_progress) as report:
                yield run.results(partial(_limits, run, report, asked, [since]), own)


def _in_turn(runs: Sequence[Run], asked: Asked, since: float) -> Iterator[Checked]:
    """One run after the other, each with all processes; the first began with the command."""
    for number, run in enumerate(runs):
        begun = [since] if number == 0 else []
        with progress(run.subject, silent=asked.no_progress) as report:
            yield run.results(partial(_limits, run, report, asked, begun))


def _limits(
    run: Run, report: Reporting, asked: Asked, begun: list[float], name: str
) -> Limits:
    """The limits of an engine in this run; its time began when that is said."""
    limits = replace(asked.limits(), progress=report(name))
    if begun:
        limits.since = begun.pop()
    if not run.judged:
        limits.found = lambda rule, depth: _say(run, rule, depth)
    return limits


def _say(run: Run, rule: str, depth: int) -> None:
    """A violation is said when it is found, however long the rest may take."""
    steps = f"{depth} step{'' if depth == 1 else 's'}"
    click.echo(f"viommu-spec: {run.subject.named}: {rule} is violated in {steps}", err=True)


def _with_usual_limit(row: Row, asked: Asked) -> Row:
    """The row, saying of a limit that was met that nobody asked for it."""
    finding = row.finding
    for what, given in (("time", asked.time_limit), ("memory", asked.memory_limit)):
        met = f"{what} limit of" in finding.detail and finding.verdict is Verdict.BOUNDED
        if met and given is None:
            more = f"{finding.detail}; the usual one of a variant: --{what}-limit sets another"
            return replace(row, finding=replace(finding, detail=more))
    return row
