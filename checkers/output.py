"""Where the results of a check go: a table, traces, and files for other programs."""

from __future__ import annotations

import re
import shlex
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import click
import msgspec
from rich.console import Console, RenderableType
from rich.progress import Progress as Bars
from rich.progress import TextColumn, TimeElapsedColumn

from checkers.machines import Subject
from checkers.report.formats import document, junit, tap
from checkers.report.manifest import MANIFEST
from checkers.report.row import Row, Status
from checkers.report.summary import by_engine, line, needs_more, total, variants_line
from checkers.report.table import headline, traces_text, verdicts, verdicts_of_variants
from checkers.result import Progress, Verdict
from checkers.runs import Run
from checkers.trace.format import GuestTrace, Trace
from checkers.userfiles import InputError

WIDE = 160
"""Columns of a table that goes to a file or a pipe."""


@dataclass
class Output:
    """What the user wants to have of the results, besides the exit status.

    `words` are those of the command line. Where there are many runs, or variants are judged, each
    is a line, and only what is not as it should be is a table; all are, if it is to be `verbose`.
    `deeper` says that variants were looked at further than to what they declare.
    """

    traces: Path | None
    json_file: str | None
    junit_file: str | None
    as_tap: bool
    words: Sequence[str] = ()
    verbose: bool = False
    deeper: bool = False
    in_lines: bool = False
    widths: Sequence[int] = (0, 0, 0)
    judged: list[Row] = field(default_factory=list)

    def prepare(self) -> None:
        """Refuse a place for results before the work rather than after it."""
        if [self.json_file, self.junit_file, "-" if self.as_tap else None].count("-") > 1:
            raise InputError("only one of --json -, --junit - and --tap can have stdout")
        for name in (self.json_file, self.junit_file):
            if name not in (None, "-"):
                write(str(name), "")
        try:
            if self.traces is not None:
                self.traces.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise InputError(f"{self.traces}: {error.strerror or error}") from error

    def begin(self, runs: Sequence[Run]) -> None:
        """These runs will be told."""
        self.in_lines = (len(runs) > 1 or any(run.judged for run in runs)) and not self.verbose
        listed = [run for run in runs if not run.judged]
        names = [
            (run.subject.named, run.subject.program.bounds_name, engine)
            for run in listed
            for engine in run.engines
        ]
        self.widths = [max(map(len, column)) for column in zip(*names, strict=True)] or (0, 0, 0)

    def told(self, run: Run, rows: Sequence[Row]) -> None:
        """A run is done: its line, if lines are wanted."""
        if run.judged:
            self.judged += rows
        elif self.in_lines and not self.as_tap:
            for members in by_engine(rows):
                click.echo(line(members, self.widths), err=self._aside)

    @property
    def _aside(self) -> bool:
        """What is for people goes to stderr, for stdout has another use."""
        return "-" in (self.json_file, self.junit_file)

    def deliver(
        self, rows: Sequence[Row], result: Status, *, interrupted: bool, seconds: float
    ) -> None:
        """Write everything that was asked for."""
        if self.traces is not None:
            _save_traces(rows, self.traces)
        if self.json_file is not None:
            write(self.json_file, document(rows, result))
        if self.junit_file is not None:
            write(self.junit_file, junit(rows))
        if self.as_tap:
            click.echo(tap(rows, interrupted=interrupted), nl=False)
        else:
            self._tell([row for row in rows if row not in self.judged], seconds)
        if interrupted:
            click.echo("viommu-spec: interrupted; this is what is known", err=True)

    def _tell(self, rows: Sequence[Row], seconds: float) -> None:
        console = Console(stderr=self._aside, highlight=False)
        if not console.is_terminal:
            console = Console(stderr=self._aside, highlight=False, width=WIDE)
        if self.judged:
            self._tell_variants(console)
        if self.in_lines and rows:
            click.echo(total(rows, self.judged, seconds), err=self._aside)
        told = [m for m in by_engine(rows) if not self.in_lines or needs_more(m)]
        if not told:
            return
        _print(console, verdicts([row for members in told for row in members], console.width))
        for row in rows:
            if row.finding.rule == MANIFEST and row.finding.verdict is not Verdict.HOLDS:
                click.echo(f"manifest: {row.subject}: {row.finding.detail}", err=self._aside)
        if headline(rows) is None:
            return
        click.echo(traces_text(rows), err=self._aside)
        if self.traces is None:
            again = shlex.join(["viommu-spec", *self.words, "--traces", "DIR"])
            click.echo(f"In full, as files: {again}", err=self._aside)

    def _tell_variants(self, console: Console) -> None:
        off = {row.subject for row in self.judged if row.finding.verdict is not Verdict.HOLDS}
        shown = [row for row in self.judged if self.verbose or row.subject in off]
        if shown:
            _print(console, verdicts_of_variants(shown))
        click.echo(variants_line(self.judged, deeper=self.deeper), err=self._aside)


def _print(console: Console, shown: RenderableType) -> None:
    """Print a table without blanks at the ends of its lines, where nobody sees colours."""
    if console.is_terminal:
        console.print(shown)
        return
    with console.capture() as captured:
        console.print(shown)
    lines = [line.rstrip() for line in captured.get().rstrip("\n").split("\n")]
    click.echo("\n".join([*lines, ""]), err=console.stderr)


def _save_traces(rows: Sequence[Row], folder: Path) -> None:
    taken = set[str]()
    for row in rows:
        if row.trace is None:
            continue
        rule = row.trace.violation.rule if row.trace.violation else "run"
        name = f"{row.machine}-{row.variant or 'reference'}-{rule}-{row.finding.engine}"
        if name in taken:
            name += "-" + re.sub(r"[^\w=]+", "-", row.asked)
        taken.add(name)
        save(row.trace, str(folder / f"{name}.json"))


def save(trace: Trace | GuestTrace, path: str) -> None:
    """Write a trace as JSON to a file; ``-`` is stdout."""
    write(path, msgspec.json.format(msgspec.json.encode(trace), indent=2).decode() + "\n")


def write(path: str, content: str) -> None:
    """Write a file, ``-`` is stdout; `InputError` if that is not possible."""
    if path == "-":
        click.echo(content, nl=False)
        return
    try:
        Path(path).write_text(content, encoding="utf-8")
    except OSError as error:
        raise InputError(f"{path}: {error.strerror or error}") from error


Reporting = Callable[[str], Callable[[Progress], None]]
"""Takes the name of an engine, and answers what tells its progress."""


@contextmanager
def progress(subject: Subject, *, silent: bool) -> Iterator[Reporting]:
    """A line a machine on the terminal, gone when it is done; nothing where there is none."""
    console = Console(stderr=True)
    if silent or not console.is_terminal:
        yield lambda name: lambda progress: None
        return
    columns = (
        TextColumn("{task.description}"),
        TimeElapsedColumn(),
        TextColumn("{task.fields[at]}"),
    )
    name_shown = subject.named
    with Bars(*columns, console=console, transient=True) as bars:
        task = bars.add_task(name_shown, total=None, at="")

        def report(name: str) -> Callable[[Progress], None]:
            bars.update(task, description=f"{name_shown} [{name}]", at="")

            def show(now: Progress) -> None:
                at = f"{now.states} states, {now.frontier} frontier, {now.rate:.0f}/s {now.note}"
                bars.update(task, at=at)

            return show

        yield report
