"""Commands about single runs: simulate, replay, show."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import click
from click.exceptions import Exit

from checkers import graph
from checkers.commands.choosing import subjects
from checkers.output import save
from checkers.real.qemu.rules.again import again
from checkers.report.row import Status
from checkers.simulate import simulate as random_walk
from checkers.trace.brief import brief
from checkers.trace.export import itf, pytest_module
from checkers.trace.format import GuestTrace
from checkers.trace.guest import guest_text
from checkers.trace.load import Opened, opened
from checkers.trace.page import page
from checkers.trace.record import DoesNotRunError, Names, record, record_run, walk
from checkers.trace.replay import differs, diverges, retold
from checkers.trace.text import answered_lines, text
from checkers.userfiles import InputError, at


@click.command("simulate", short_help="Take random steps.")
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
    (subject,) = subjects([name], variant, [bounds] if bounds else [])
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
    raise Exit(Status.HOLDS if done.violation is None else Status.VIOLATED)


@click.command("replay", short_help="Take the steps of a trace again.")
@click.argument("file", metavar="TRACE.json")
@click.option(
    "--qemu", metavar="PATH", type=click.Path(path_type=Path),
    help="That of a guest on this QEMU.  [default: the machine's, else one that is fetched once]",
)
@click.option("--without-kvm-check", is_flag=True, help="Pass over QEMU's check of KVM on Arm.")
def replay_command(file: str, qemu: Path | None, without_kvm_check: bool) -> None:
    """Take the steps of a trace again; status 1 if anything it says is otherwise now.

    The trace of a guest is done again on a QEMU; status 1 if what was wrong is not.
    """
    trace = opened(file)
    if isinstance(trace, GuestTrace):
        with at(file):
            came = again(trace, qemu, without_kvm_check)
        click.echo(came.text())
        raise Exit(Status.HOLDS if came.reproduced else Status.VIOLATED)
    if qemu is not None or without_kvm_check:
        raise InputError(f"{file}: is of a machine; --qemu is for the trace of a guest")
    found = diverges(trace)
    if found:
        click.echo(f"diverges: {found}")
        raise Exit(Status.VIOLATED)
    count = len(trace.trace.steps)
    end = f", {trace.violation.rule}" if trace.violation.rule else ""
    click.echo(f"reproduced: {count} step{'' if count == 1 else 's'}{end}")
    if trace.trace.answered is not None:
        click.echo("\n".join(answered_lines(trace.trace.answered)))


def _picture(trace: Opened) -> str:
    final = walk(trace.program, trace.violation.initial, trace.violation.steps).states[-1]
    title = f"{trace.trace.machine} after {len(trace.trace.steps)} steps"
    return graph.dot(graph.graph(trace.program, final), title)


def _standing(trace: Opened) -> dict[str, str]:
    """What the variant of a trace is of; nothing for a user's own, and for the reference."""
    variant = trace.program.variant
    return variant.standing.rows() if variant and variant.standing else {}


FORMATS: dict[str, Callable[[Opened], str]] = {
    "text": lambda trace: text(trace.trace, _standing(trace)),
    "brief": lambda trace: brief(trace.trace),
    "html": lambda trace: page(trace.trace, _standing(trace)),
    "dot": _picture,
    "pytest": pytest_module,
    "itf": itf,
}


@click.command("show", short_help="Show a trace as text, a page, a picture or a test.")
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
    """Show a trace as a mail or a browser can have it, or its end as a picture.

    The steps are taken again, and what is shown is what they do now; those of a guest on a QEMU are
    shown as they were.
    """
    trace = opened(file)
    if isinstance(trace, GuestTrace):
        if form not in ("text", "brief"):
            raise InputError(f"{file}: a guest on a QEMU is shown as text or brief, not as {form}")
        click.echo(guest_text(trace, calls=form == "text"), nl=False)
        return
    try:
        now = retold(trace)
        shown = FORMATS[form](replace(trace, trace=now))
    except DoesNotRunError as error:
        raise InputError(f"{file}: does not run: {error}") from error
    other = differs(trace.trace, now)
    if other:
        click.echo(f"viommu-spec: {file}: not as it was recorded: {other}", err=True)
    click.echo(shown, nl=False)
