"""The command line: check, list, simulate, replay, show."""

from __future__ import annotations

import os
import sys
import traceback
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NoReturn

import click
import msgspec
from rich.console import Console
from rich.progress import Progress as Bars
from rich.progress import TextColumn, TimeElapsedColumn

from checkers import graph, machines
from checkers.engines import ENGINES, Checked, check, rules
from checkers.listing import LISTS, listing
from checkers.machines import InputError, Subject, choose
from checkers.report import (
    MANIFEST,
    Row,
    Status,
    details,
    document,
    junit,
    status,
    tap,
    traces_text,
    verdicts,
)
from checkers.result import Limits, Progress, Verdict
from checkers.simulate import simulate as random_walk
from checkers.trace import (
    DoesNotRunError,
    Names,
    Opened,
    Trace,
    diverges,
    opened,
    record,
    record_run,
    text,
)
from checkers.trace.export import itf, pytest_module
from checkers.trace.record import walk

WIDE = 160
"""Columns of a table that goes to a file or a pipe."""


class _Commands(click.Group):
    """Says what is wrong in one line, and ends with the documented statuses."""

    def main(self, *args: Any, **kwargs: Any) -> NoReturn:
        """Run a command and exit."""
        kwargs["standalone_mode"] = False
        try:
            sys.exit(super().main(*args, **kwargs))
        except click.exceptions.NoArgsIsHelpError:
            _fail("which command? see viommu-spec --help")
        except click.ClickException as error:
            _fail(error.format_message())
        except InputError as error:
            _fail(str(error))
        except (click.Abort, KeyboardInterrupt):
            click.echo("viommu-spec: interrupted", err=True)
            sys.exit(Status.INCONCLUSIVE)
        except BrokenPipeError:
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
            sys.exit(Status.INCONCLUSIVE)
        except Exception:
            traceback.print_exc()
            click.echo("viommu-spec: this is a defect of the program, no verdict", err=True)
            sys.exit(Status.INCONCLUSIVE)


def _fail(message: str) -> NoReturn:
    click.echo(f"viommu-spec: {' '.join(message.split())}", err=True)
    sys.exit(Status.WRONG_INPUT)


@click.group(cls=_Commands, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(package_name="viommu-spec")
def main() -> None:
    """An executable specification of nested IOMMU translation.

    Exit status: 0 all hold; 1 a violation, or a replay that diverges; 2 the input was wrong;
    3 inconclusive.
    """


@main.command("check")
@click.argument("names", metavar="[MACHINE]...", nargs=-1)
@click.option(
    "--engine",
    "chosen",
    type=click.Choice([*ENGINES, "all"]),
    default="explicit",
    show_default=True,
    help="Who checks.",
)
@click.option("--invariant", "selected", metavar="NAME", multiple=True, help="Only this rule.")
@click.option("--variant", metavar="NAME|FILE.py", help="A design that overrides the reference.")
@click.option("--bounds", metavar="NAME|KEY=N,...", default="", help="How large the machine is.")
@click.option("--jobs", metavar="N", type=click.IntRange(1), default=1, help="Processes to use.")
@click.option(
    "--time-limit",
    metavar="S",
    type=click.FloatRange(0),
    default=0.0,
    help="Seconds for each machine and engine.",
)
@click.option(
    "--memory-limit", metavar="MIB", type=click.IntRange(0), default=0, help="MiB for the process."
)
@click.option("--seed", metavar="N", type=click.IntRange(0), default=0, help="For random engines.")
@click.option(
    "--traces",
    metavar="DIR",
    type=click.Path(path_type=Path, file_okay=False),
    help="Save every trace there, as JSON.",
)
@click.option("--json", "json_file", metavar="FILE", help="Results as JSON; - is stdout.")
@click.option("--junit", "junit_file", metavar="FILE", help="Results as JUnit XML; - is stdout.")
@click.option("--tap", "as_tap", is_flag=True, help="Results as TAP on stdout, and no table.")
@click.option("--no-progress", is_flag=True, help="No progress, even in a terminal.")
def check_command(
    names: tuple[str, ...],
    chosen: str,
    selected: tuple[str, ...],
    variant: str | None,
    bounds: str,
    jobs: int,
    time_limit: float,
    memory_limit: int,
    seed: int,
    traces: Path | None,
    json_file: str | None,
    junit_file: str | None,
    as_tap: bool,
    no_progress: bool,
) -> None:
    """Check that the rules of machines hold; without MACHINE, of all machines."""
    if [json_file, junit_file, "-" if as_tap else None].count("-") > 1:
        raise InputError("only one of --json -, --junit - and --tap can have stdout")
    _prepare([json_file, junit_file], traces)
    engines = list(ENGINES) if chosen == "all" else [chosen]
    chosen_subjects = _selecting(_subjects(names, variant, bounds), selected)

    def limits(report: Callable[[Progress], None]) -> Limits:
        return Limits(time_limit, memory_limit, jobs, seed, report)

    rows, interrupted = list[Row](), False
    for subject, its_rules in chosen_subjects:
        done = _checked(subject, engines, its_rules, limits, silent=no_progress)
        rows += done.rows
        interrupted = done.interrupted
        if interrupted:
            break
    result = status(rows, interrupted=interrupted)
    if traces is not None:
        _save_traces(rows, traces)
    if json_file is not None:
        _write(json_file, document(rows, result))
    if junit_file is not None:
        _write(junit_file, junit(rows))
    if as_tap:
        click.echo(tap(rows, interrupted=interrupted), nl=False)
    else:
        _tell(rows, to_stderr="-" in (json_file, junit_file), saved=traces is not None)
    if interrupted:
        click.echo("viommu-spec: interrupted; this is what is known", err=True)
    sys.exit(result)


def _subjects(names: Sequence[str], variant: str | None, bounds: str) -> list[Subject]:
    if variant is None:
        return [
            Subject(name, None, machines.program(machines.machine(name), bounds))
            for name in names or machines.registry()
        ]
    if len(names) > 1:
        raise InputError("a variant is of one machine; name at most one")
    of = machines.machine(names[0]) if names else None
    found = machines.variant(variant, of)
    name = names[0] if names else found.machine
    machine = of or machines.machine(name)
    return [Subject(name, variant, machines.program(machine, bounds, found))]


def _selecting(
    subjects: Sequence[Subject], selected: Sequence[str]
) -> list[tuple[Subject, frozenset[str]]]:
    """Each machine with those of the selected rules that it has; one without any is left out."""
    if not selected:
        return [(subject, frozenset()) for subject in subjects]
    known = {name for subject in subjects for name in rules(subject.program)}
    wanted = {choose(name, known, "invariant") for name in selected}
    found = []
    for subject in subjects:
        its = wanted & set(rules(subject.program))
        if its:
            found.append((subject, frozenset(its)))
        else:
            click.echo(f"viommu-spec: {subject.machine} has none of these rules", err=True)
    return found


def _checked(
    subject: Subject,
    engines: Sequence[str],
    selected: frozenset[str],
    limits: Callable[[Callable[[Progress], None]], Limits],
    *,
    silent: bool,
) -> Checked:
    with _progress(subject, silent=silent) as report:
        return check(subject, engines, selected, lambda name: limits(report(name)))


@contextmanager
def _progress(
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
    with Bars(*columns, console=console, transient=True) as bars:
        task = bars.add_task(subject.program.machine.name, total=None, at="")

        def report(name: str) -> Callable[[Progress], None]:
            bars.update(task, description=f"{subject.program.machine.name} [{name}]", at="")

            def show(now: Progress) -> None:
                at = f"{now.states} states, {now.frontier} frontier, {now.rate:.0f}/s {now.note}"
                bars.update(task, at=at)

            return show

        yield report


def _tell(rows: Sequence[Row], *, to_stderr: bool, saved: bool) -> None:
    console = Console(stderr=to_stderr, highlight=False)
    if not console.is_terminal:
        console = Console(stderr=to_stderr, highlight=False, width=WIDE)
    console.print(verdicts(rows, console.width))
    for line in details(rows, console.width):
        click.echo(line, err=to_stderr)
    for row in rows:
        if row.finding.rule == MANIFEST and row.finding.verdict is not Verdict.HOLDS:
            click.echo(f"manifest: {row.subject}: {row.finding.detail}", err=to_stderr)
    shown = traces_text(rows)
    if not shown:
        return
    click.echo(shown, err=to_stderr)
    if not saved:
        trace = next(row.trace for row in rows if row.trace is not None)
        words = [trace.machine, *(["--variant", trace.variant] if trace.variant else [])]
        again = f"viommu-spec check {' '.join(words)} --traces DIR"
        click.echo(f"To save every trace: {again}", err=to_stderr)


def _prepare(files: Sequence[str | None], folder: Path | None) -> None:
    """Refuse a place for results before the work rather than after it."""
    for name in files:
        if name not in (None, "-"):
            _write(str(name), "")
    try:
        if folder is not None:
            folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise InputError(f"{folder}: {error.strerror or error}") from error


def _save_traces(rows: Sequence[Row], folder: Path) -> None:
    for row in rows:
        if row.trace is not None:
            parts = (row.machine, row.variant or "reference", row.finding.rule, row.finding.engine)
            _save(row.trace, str(folder / f"{'-'.join(parts)}.json"))


def _save(trace: Trace, path: str) -> None:
    _write(path, msgspec.json.format(msgspec.json.encode(trace), indent=2).decode() + "\n")


def _write(path: str, content: str) -> None:
    if path == "-":
        click.echo(content, nl=False)
        return
    try:
        Path(path).write_text(content, encoding="utf-8")
    except OSError as error:
        raise InputError(f"{path}: {error.strerror or error}") from error


@main.command("list")
@click.argument("what", type=click.Choice(LISTS))
@click.argument("names", metavar="[MACHINE]...", nargs=-1)
@click.option("--json", "as_json", is_flag=True, help="As JSON.")
def list_command(what: str, names: tuple[str, ...], as_json: bool) -> None:
    """Show machines, their actions or invariants, or the variants, with their provenance."""
    found = listing(what, names)
    if as_json:
        click.echo(msgspec.json.format(msgspec.json.encode(found), indent=2).decode())
        return
    for item in found:
        click.echo(item.text())


@main.command("simulate")
@click.argument("name", metavar="MACHINE")
@click.option("--steps", metavar="N", type=click.IntRange(1), default=20, show_default=True)
@click.option("--seed", metavar="N", type=click.IntRange(0), default=0, show_default=True)
@click.option("--variant", metavar="NAME|FILE.py")
@click.option("--bounds", metavar="NAME|KEY=N,...", default="")
@click.option("--trace", "file", metavar="FILE", help="Save the run as a trace; - is stdout.")
def simulate_command(
    name: str, steps: int, seed: int, variant: str | None, bounds: str, file: str | None
) -> None:
    """Take random steps, the same for the same seed; stop where a rule is broken."""
    (subject,) = _subjects([name], variant, bounds)
    program = subject.program
    done = random_walk(program, steps, seed)
    names = Names("simulate", subject.machine, subject.variant)
    if done.violation is None:
        trace = record_run(program, done.initial, done.steps, names)
    else:
        trace = record(program, done.violation, names)
    if file is not None:
        _save(trace, file)
    click.echo(text(trace), nl=False, err=file == "-")
    if done.stuck:
        click.echo("no action is enabled here", err=file == "-")
    sys.exit(Status.HOLDS if done.violation is None else Status.VIOLATED)


@main.command("replay")
@click.argument("file", metavar="TRACE.json")
def replay_command(file: str) -> None:
    """Take the steps of a trace again; status 1 if they now go another way."""
    trace = opened(file)
    found = diverges(trace)
    if found:
        click.echo(f"diverges: {found}")
        sys.exit(Status.VIOLATED)
    count = len(trace.trace.steps)
    end = f", {trace.violation.rule}" if trace.violation.rule else ""
    click.echo(f"reproduced: {count} step{'' if count == 1 else 's'}{end}")


def _picture(trace: Opened) -> str:
    final = walk(trace.program, trace.violation.initial, trace.violation.steps).states[-1]
    title = f"{trace.trace.machine} after {len(trace.trace.steps)} steps"
    return graph.dot(graph.graph(trace.program, final), title)


FORMATS: dict[str, Callable[[Opened], str]] = {
    "text": lambda trace: text(trace.trace),
    "dot": _picture,
    "pytest": pytest_module,
    "itf": itf,
}


@main.command("show")
@click.argument("file", metavar="TRACE.json")
@click.option(
    "--format",
    "form",
    type=click.Choice(list(FORMATS)),
    default="text",
    show_default=True,
    help="dot: the objects at its end; itf: Apalache.",
)
def show_command(file: str, form: str) -> None:
    """Show a trace as a mail can have it, or the objects at its end as a picture."""
    trace = opened(file)
    try:
        click.echo(FORMATS[form](trace), nl=False)
    except DoesNotRunError as error:
        raise InputError(f"{file}: does not run: {error}") from error
