"""Where the results of a check go: a table, traces, and files for other programs."""

from __future__ import annotations

import re
import shlex
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import click
import msgspec
from rich.console import Console, RenderableType
from rich.progress import Progress as Bars
from rich.progress import TextColumn, TimeElapsedColumn

from checkers.machines import InputError, Subject
from checkers.report import (
    MANIFEST,
    Row,
    Status,
    document,
    headline,
    junit,
    tap,
    traces_text,
    verdicts,
    verdicts_of_variants,
)
from checkers.result import Progress, Verdict
from checkers.trace import Trace

WIDE = 160
"""Columns of a table that goes to a file or a pipe."""


@dataclass(frozen=True)
class Output:
    """What the user wants to have of the results, besides the exit status.

    `bounds` are those given; `variants`: the rows say how the built-in variants keep what they
    declare.
    """

    traces: Path | None
    json_file: str | None
    junit_file: str | None
    as_tap: bool
    bounds: Sequence[str]
    variants: bool

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

    def deliver(self, rows: Sequence[Row], result: Status, *, interrupted: bool) -> None:
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
            self._tell(rows, to_stderr="-" in (self.json_file, self.junit_file))
        if interrupted:
            click.echo("viommu-spec: interrupted; this is what is known", err=True)

    def _tell(self, rows: Sequence[Row], *, to_stderr: bool) -> None:
        console = Console(stderr=to_stderr, highlight=False)
        if not console.is_terminal:
            console = Console(stderr=to_stderr, highlight=False, width=WIDE)
        if self.variants:
            _print(console, verdicts_of_variants(rows))
            return
        _print(console, verdicts(rows, console.width))
        for row in rows:
            if row.finding.rule == MANIFEST and row.finding.verdict is not Verdict.HOLDS:
                click.echo(f"manifest: {row.subject}: {row.finding.detail}", err=to_stderr)
        shown = headline(rows)
        if shown is None:
            return
        click.echo(traces_text(rows), err=to_stderr)
        if self.traces is None:
            click.echo(f"In full, as files: {self._again(shown)}", err=to_stderr)

    def _again(self, row: Row) -> str:
        """The command that saves the traces which are shown in brief."""
        assert row.trace is not None
        words = ["viommu-spec", "check", row.trace.machine]
        words += ["--variant", row.trace.variant] if row.trace.variant else []
        words += ["--engine", row.finding.engine] if row.finding.engine != "explicit" else []
        words += ["--bounds", row.asked] if row.asked in self.bounds else []
        return shlex.join([*words, "--traces", "DIR"])


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


def save(trace: Trace, path: str) -> None:
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


@contextmanager
def progress(
    subject: Subject, *, silent: bool
) -> Iterator[Callable[[str], Callable[[Progress], None]]]:
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
    name_shown = subject.program.machine.name
    if subject.variant is not None:
        name_shown += f"/{subject.variant}"
    with Bars(*columns, console=console, transient=True) as bars:
        task = bars.add_task(name_shown, total=None, at="")

        def report(name: str) -> Callable[[Progress], None]:
            bars.update(task, description=f"{name_shown} [{name}]", at="")

            def show(now: Progress) -> None:
                at = f"{now.states} states, {now.frontier} frontier, {now.rate:.0f}/s {now.note}"
                bars.update(task, at=at)

            return show

        yield report
