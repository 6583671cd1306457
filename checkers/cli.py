"""The command line: check, list, simulate, replay, show, export."""

from __future__ import annotations

import os
import sys
import traceback
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, NoReturn

import click
import msgspec

from checkers import graph, machines, variants
from checkers.engines import ENGINES, Checked, check, rules
from checkers.listing import LISTS, listing
from checkers.machines import InputError, Subject, choose
from checkers.murphi import murphi
from checkers.output import Output, progress, save, write
from checkers.report import Row, Status, status
from checkers.result import Explorer, Limits, Progress, Renaming
from checkers.simulate import simulate as random_walk
from checkers.trace import (
    DoesNotRunError,
    Names,
    Opened,
    brief,
    diverges,
    opened,
    record,
    record_run,
    text,
)
from checkers.trace.export import itf, pytest_module
from checkers.trace.page import page
from checkers.trace.record import walk
from checkers.variants import EVERY
from spec.language import LanguageError, Machine, Program


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
@click.option(
    "--explorer",
    type=click.Choice([item.value for item in Explorer]),
    help="How the explicit engine explores; all find the same.  [default: it picks]",
)
@click.option(
    "--symmetry",
    type=click.Choice([item.value for item in Renaming]),
    help="What the explicit engine may rename to take two states for one: no, data values, or ids "
    "that the machine declares symmetric too.  [default: ids, but sorts where exact figures of "
    "all states are declared]",
)
@click.option(
    "--checkpoint",
    metavar="DIR",
    type=click.Path(path_type=Path, file_okay=False),
    help="Keep every level of the native explorer there.",
)
@click.option(
    "--resume",
    metavar="DIR",
    type=click.Path(path_type=Path, file_okay=False),
    help="Go on from the last level kept there, keeping those that follow.",
)
@click.option(
    "--scratch",
    metavar="DIR",
    type=click.Path(path_type=Path, file_okay=False),
    help="States beyond the memory limit go to files there while the native explorer runs.",
)
@click.option("--invariant", "selected", metavar="NAME", multiple=True, help="Only this rule.")
@click.option(
    "--variant",
    metavar="NAME|FILE.py|all",
    help="A design that overrides the reference; all: does each break what it declares?",
)
@click.option(
    "--bounds",
    metavar="NAME|KEY=N,...",
    multiple=True,
    help="How large the machine is; may be given several times.",
)
@click.option(
    "--jobs", metavar="N", type=click.IntRange(1), default=os.cpu_count() or 1,
    help="Processes to use.",
)
@click.option(
    "--time-limit",
    metavar="S",
    type=click.FloatRange(0),
    default=0.0,
    help="Seconds for each machine and engine.",
)
@click.option(
    "--memory-limit", metavar="MIB", type=click.IntRange(0), default=0,
    help="MiB for the process. It ends there, unless --scratch has room.",
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
    explorer: str | None,
    symmetry: str | None,
    checkpoint: Path | None,
    resume: Path | None,
    scratch: Path | None,
    selected: tuple[str, ...],
    variant: str | None,
    bounds: tuple[str, ...],
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
    every = variant == EVERY
    output = Output(traces, json_file, junit_file, as_tap, bounds, every)
    output.prepare()
    engines = list(ENGINES) if chosen == "all" else [chosen]
    picked = Explorer(explorer) if explorer else None
    renaming = Renaming(symmetry) if symmetry else None
    if renaming is not None and "explicit" not in engines:
        raise InputError("--symmetry is of --engine explicit")
    if checkpoint is not None or resume is not None:
        picked = _kept(picked, engines, checkpoint, resume, every)
    if scratch is not None:
        picked = _by_native("--scratch is", picked, engines)
        if not memory_limit:
            raise InputError("--scratch is for what exceeds a --memory-limit; give one")

    def limits(report: Callable[[Progress], None]) -> Limits:
        return Limits(
            time_limit, memory_limit, jobs, seed, report, explorer=picked, renaming=renaming,
            checkpoint=resume or checkpoint, resume=resume is not None, scratch=scratch,
        )

    if every:
        if selected or bounds:
            raise InputError("--variant all checks each variant at its own bounds and rules")
        judged = variants.Judged(variants.subjects(names), engines, limits)
        done = _each(
            [(item, frozenset[str]()) for item in judged.subjects],
            lambda item, _, report: judged.next(item, report),
            silent=no_progress,
        )
        judged.close()
    else:
        subjects = _selecting(_subjects(names, variant, bounds), selected)
        if (checkpoint is not None or resume is not None) and len(subjects) != 1:
            raise InputError("--checkpoint and --resume are of one machine with one set of bounds")
        done = _each(
            subjects,
            lambda item, its, report: check(item, engines, its, lambda n: limits(report(n))),
            silent=no_progress,
        )
    result = status(done.rows, interrupted=done.interrupted)
    output.deliver(done.rows, result, interrupted=done.interrupted)
    sys.exit(result)


def _kept(
    picked: Explorer | None, engines: Sequence[str], checkpoint: Path | None, resume: Path | None,
    every: bool,
) -> Explorer:
    """The explorer that keeps its levels, if all else fits with that."""
    picked = _by_native("--checkpoint and --resume are", picked, engines)
    if checkpoint is not None and resume is not None:
        raise InputError("--resume keeps its levels where they are; --checkpoint is too much")
    if every:
        raise InputError("--checkpoint and --resume are of one machine, not of all variants")
    return picked


def _by_native(what: str, picked: Explorer | None, engines: Sequence[str]) -> Explorer:
    """The native explorer, if no other engine or explorer is asked for."""
    if picked not in (None, Explorer.NATIVE) or engines != ["explicit"]:
        raise InputError(f"{what} of --engine explicit --explorer native")
    return Explorer.NATIVE


Reporting = Callable[[str], Callable[[Progress], None]]


def _each(
    chosen: Sequence[tuple[Subject, frozenset[str]]],
    run: Callable[[Subject, frozenset[str], Reporting], Checked],
    *,
    silent: bool,
) -> Checked:
    """The results of all, until Ctrl-C."""
    rows = list[Row]()
    for subject, its_rules in chosen:
        with progress(subject, silent=silent) as report:
            done = run(subject, its_rules, report)
        rows += done.rows
        if done.interrupted:
            return Checked(rows, True)
    return Checked(rows, False)


def _subjects(names: Sequence[str], variant: str | None, bounds: Sequence[str]) -> list[Subject]:
    if variant is None:
        of = {name: machines.machine(name) for name in names or machines.registry()}
        return [
            Subject(name, None, machines.program(machine, given), given)
            for name, machine in of.items()
            for given in _having(name, machine, bounds, of)
        ]
    if len(names) > 1:
        raise InputError("a variant is of one machine; name at most one")
    named = machines.machine(names[0]) if names else None
    found = machines.variant(variant, named)
    name = names[0] if names else found.machine
    machine = named or machines.machine(name)
    return [
        Subject(name, variant, machines.program(machine, given, found), given)
        for given in bounds or [""]
    ]


def _having(
    name: str, machine: Machine, bounds: Sequence[str], of: Mapping[str, Machine]
) -> Iterator[str]:
    """The bounds to check a machine with: of those given, the ones that it has."""
    for given in bounds or [""]:
        called = given.split(",")[0].strip()
        some_have = any(called in each.bounds for each in of.values())
        if called not in machine.bounds and some_have:
            click.echo(f"viommu-spec: {name} has no bounds {called!r}: skipped", err=True)
        else:
            yield given


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
    (subject,) = _subjects([name], variant, [bounds] if bounds else [])
    program = subject.program
    done = random_walk(program, steps, seed)
    names = Names("simulate", subject.machine, subject.variant)
    if done.violation is None:
        trace = record_run(program, done.initial, done.steps, names)
    else:
        trace = record(program, done.violation, names)
    if file is not None:
        save(trace, file)
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
    "brief": lambda trace: brief(trace.trace),
    "html": lambda trace: page(trace.trace),
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
    help="html: a page; dot: the objects at its end; itf: Apalache.",
)
def show_command(file: str, form: str) -> None:
    """Show a trace as a mail or a browser can have it, or its end as a picture."""
    trace = opened(file)
    try:
        click.echo(FORMATS[form](trace), nl=False)
    except DoesNotRunError as error:
        raise InputError(f"{file}: does not run: {error}") from error


EXPORTS: dict[str, Callable[[Program], str]] = {"murphi": murphi}


@main.command("export")
@click.argument("name", metavar="MACHINE")
@click.option("--murphi", "form", flag_value="murphi", help="As a Murphi model, for rumur.")
@click.option("--bounds", metavar="NAME|KEY=N,...", default="")
@click.option("--variant", metavar="NAME|FILE.py")
@click.option("-o", "--output", "file", metavar="FILE", default="-", help="- is stdout.")
def export_command(
    name: str, form: str | None, bounds: str, variant: str | None, file: str
) -> None:
    """Write a machine as the model of another model checker."""
    if form is None:
        raise InputError(f"export: as what? say --{', --'.join(EXPORTS)}")
    (subject,) = _subjects([name], variant, [bounds] if bounds else [])
    try:
        write(file, EXPORTS[form](subject.program))
    except LanguageError as error:
        raise InputError(str(error)) from error
