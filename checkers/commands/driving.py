"""The command that holds a machine against the system itself."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import click
import msgspec
from click.core import ParameterSource
from click.exceptions import Exit

from checkers import machines
from checkers.commands.choosing import subjects
from checkers.commands.confirming import confirmed
from checkers.commands.lockstep import Files, in_lockstep
from checkers.commands.rules_only import Guests, random_guests
from checkers.machines import Subject
from checkers.output import save, write
from checkers.real.linux import apart, selftest
from checkers.real.linux.batch import Way
from checkers.real.linux.compare import text
from checkers.real.linux.drive import Choice, Driven, drive, said
from checkers.real.linux.image import Image, image, ready
from checkers.real.linux.kernel_source import source
from checkers.real.linux.known import known
from checkers.real.linux.recording import recorded
from checkers.real.qemu.lockstep.every_pair import Drive
from checkers.report.row import Status
from checkers.trace.format import Answered
from checkers.trace.record import Names, record_run
from checkers.userfiles import InputError
from checkers.variants import EVERY

MACHINE = "iommufd-objects"
SHOWN = 12
"""How many classes of differences are shown, those with the shortest ways first."""

_OF_QEMU = {"name", "qemu", "without_kvm_check"}
_REPORTED = {*_OF_QEMU, "if_possible", "verbose", "junit_file", "json_file", "traces"}
_OF_KERNEL = {"name", "kernel", "tree"}
WAYS = {
    "--confirm": {*_OF_QEMU, "confirm"},
    "--qemu --rules-only": {*_REPORTED, "rules_only", "runs", "seed", "seconds"},
    "--qemu": {*_REPORTED, "bounds", "variant", "record_file"},
    "--kernel --selftest": {*_OF_KERNEL, "only_selftest", "json_file"},
    "--kernel --variant all": {*_OF_KERNEL, "variant", "json_file"},
    "--kernel --record": {*_OF_KERNEL, "record_file", "bounds", "variant", "seed"},
    "--kernel": {
        *_OF_KERNEL, "bounds", "variant", "runs", "length", "every_id", "blocks_first", "by",
        "scalable", "seed", "traces", "json_file",
    },
}  # fmt: skip
"""The ways to drive, and which parameters each has a use for."""

FOLDER = click.Path(path_type=Path, file_okay=False, exists=True)


@click.command("drive")
@click.argument("name", metavar="MACHINE", required=False)
@click.option(
    "--kernel", "kernel", metavar="[IMAGE]", is_flag=False, flag_value="built",
    help="Linux: the image in this folder, else one that is built once and kept.",
)
@click.option(
    "--qemu", "qemu", metavar="[PATH]", is_flag=False, flag_value="",
    help="QEMU: this program, or its folder, else the machine's, else one that is fetched once.",
)
@click.option(
    "--confirm", metavar="VARIANT",
    help="Do on QEMU what shows a finding of the released one, and say whether it shows.",
)
@click.option(
    "--rules-only", is_flag=True,
    help="With --qemu: random guests, held against what vtd or smmuv3 promise by architecture.",
)
@click.option("--without-kvm-check", is_flag=True, help="Pass over QEMU's check of KVM on Arm.")
@click.option(
    "--seconds", metavar="S", type=click.FloatRange(0), default=0,
    help="With --rules-only: start no further run after so long.  [default: as many as --runs]",
)
@click.option("--if-possible", is_flag=True, help="Only say so where no QEMU can be run.")
@click.option("-v", "--verbose", is_flag=True, help="With --qemu: show more of what was done.")
@click.option("--junit", "junit_file", metavar="FILE", help="With --qemu: as JUnit, too.")
@click.option(
    "--source", "tree", metavar="DIR", type=FOLDER,
    help="The kernel's source to build from.  [default: the newest of Debian's, fetched once]",
)
@click.option(
    "--bounds", metavar="NAME|KEY=N,...", multiple=True,
    help="May be given several times; with --qemu the names of its settings.",
)
@click.option(
    "--variant", metavar="NAME|FILE.py|all",
    help="Hold a variant against it.  all: by which calls of Linux each is told apart from it.",
)
@click.option(
    "--runs", metavar="N", type=click.IntRange(0), default=0,
    help="Only the states of so many random runs.  [default: every state, if not too many]",
)
@click.option(
    "--length", metavar="L", type=click.IntRange(0), default=0,
    help="Not every call in each state, but so many calls after each other in each run.",
)
@click.option(
    "--blocks-first", is_flag=True,
    help="The mock driver blocks a device before it looks at what it is attached to, as Intel's.",
)
@click.option(
    "--by", type=click.Choice([way.name.lower() for way in Way]), default="module",
    show_default=True,
    help="Whose devices: a module's, QEMU's behind VT-d by VFIO's files, the kernel's selftest's.",
)
@click.option("--scalable", is_flag=True, help="VT-d is in its scalable mode; with --by vfio.")
@click.option("--every-id", is_flag=True, help="States that differ in ids alone are several.")
@click.option("--seed", metavar="N", type=click.IntRange(0), default=0, show_default=True)
@click.option(
    "--traces", metavar="DIR", type=click.Path(path_type=Path, file_okay=False),
    help="Save the shortest way to each difference, or defect, there.",
)
@click.option(
    "--record", "record_file", metavar="FILE",
    help="Keep what Linux answers to some calls, and no more; or what QEMU did in lockstep.",
)
@click.option(
    "--selftest", "only_selftest", is_flag=True,
    help="Only run the kernel's own selftest, and say which of its assertions are rows of ours.",
)
@click.option("--json", "json_file", metavar="FILE", help="Results as JSON; - is stdout.")
def drive_command(
    name: str | None, kernel: str | None, qemu: str | None, confirm: str | None, rules_only: bool,
    without_kvm_check: bool, seconds: float, if_possible: bool, verbose: bool,
    junit_file: str | None, tree: Path | None, bounds: Sequence[str], variant: str | None,
    runs: int, length: int, every_id: bool, blocks_first: bool, by: str, scalable: bool, seed: int,
    traces: Path | None, record_file: str | None, only_selftest: bool, json_file: str | None,
) -> None:  # fmt: skip
    """Do the actions of a machine in the system itself, and compare what comes of them.

    With --qemu every pair of an action and a failing host call of the machine is done on QEMU, and
    its calls and the kernel's objects are held against the machine as released.

    Status 1 if Linux answers a call, or QEMU does an action, otherwise than the specification, if a
    guest on QEMU does not get what it is promised, but for what is known of the released one, or if
    what is to be confirmed is not reproduced.
    """
    if confirm is not None:
        _only("--confirm")
        raise Exit(confirmed(confirm, name, qemu or "", without_kvm_check))
    if name is None:
        raise InputError("drive: which MACHINE? only --confirm VARIANT goes without one")
    way = _asked(kernel, qemu, rules_only, only_selftest, variant, record_file)
    _only(way)
    program = Path(qemu) if qemu else None
    if way == "--qemu --rules-only":
        guests = Guests(name, program, without_kvm_check, runs, seed, seconds)
        raise Exit(random_guests(guests, verbose, if_possible, json_file, junit_file, traces))
    if way == "--qemu":
        asked = Drive(program, without_kvm_check, variant or "", bool(record_file))
        files = Files(json_file, junit_file, traces, record_file)
        raise Exit(in_lockstep(name, bounds, asked, verbose, if_possible, files))
    if name != MACHINE:
        raise InputError(f"drive --kernel: it is {MACHINE} that says what the kernel answers")
    whose = _whose(by, scalable, blocks_first)
    booted = _image(kernel or "", tree)
    if way == "--kernel --selftest":
        raise Exit(_selftest(booted, json_file))
    if way == "--kernel --variant all":
        raise Exit(_apart(booted, json_file))
    chosen = subjects([name], variant, bounds)
    if record_file is not None:
        raise Exit(_recorded(chosen, booted, seed, record_file))
    choice = Choice(runs, length, every_id, seed, blocks_first, whose, scalable)
    raise Exit(_held(chosen, booted, choice, traces, json_file))


def _recorded(chosen: Sequence[Subject], booted: Image, seed: int, file: str) -> Status:
    """Keep what Linux answers to some calls."""
    kept = [recorded(subject.program, booted, seed) for subject in chosen]
    write(file, msgspec.json.format(msgspec.json.encode(kept), indent=1).decode() + "\n")
    others = sum(len(item.apart) for item in kept)
    click.echo(f"{file}: {booted.about} in {len(kept)} bounds, {others} calls apart")
    return Status.HOLDS


def _held(
    chosen: Sequence[Subject], booted: Image, choice: Choice, traces: Path | None,
    json_file: str | None,
) -> Status:  # fmt: skip
    """Hold each against Linux, and tell what came of it."""
    done = []
    for subject in chosen:
        driven = _driven(subject, booted, choice)
        click.echo(_told(driven, booted, subject), nl=False, err=json_file == "-")
        if traces is not None:
            _save(driven, subject, booted.about, traces)
        done.append(driven)
    if json_file is not None:
        write(json_file, _document(done, booted))
    held = all(item.holds or item.known for item in done)
    return Status.HOLDS if held else Status.VIOLATED


def _asked(
    kernel: str | None, qemu: str | None, rules_only: bool, selftest: bool, variant: str | None,
    record_file: str | None,
) -> str:  # fmt: skip
    """Which of the ways; `InputError` if it is none."""
    if kernel is None and qemu is None:
        raise InputError("drive: what? say --kernel, or --qemu")
    if kernel is None:
        return "--qemu --rules-only" if rules_only else "--qemu"
    if selftest:
        return "--kernel --selftest"
    if variant == EVERY:
        return "--kernel --variant all"
    return "--kernel --record" if record_file is not None else "--kernel"


def _only(way: str) -> None:
    """`InputError` where something is given that this way has no use for."""
    context = click.get_current_context()
    for item in context.command.params:
        given = context.get_parameter_source(str(item.name)) is ParameterSource.COMMANDLINE
        if given and item.name not in WAYS[way]:
            others = ", ".join(name for name, own in WAYS.items() if item.name in own)
            raise InputError(f"drive {way}: {item.opts[0]} is nothing to it, but to drive {others}")


def _whose(by: str, scalable: bool, blocks_first: bool) -> Way:
    """Whose devices; `InputError` where more is asked than is theirs."""
    way = Way[by.upper()]
    if scalable and way is not Way.VFIO:
        raise InputError("--scalable is a mode of VT-d: say --by vfio, too")
    if way is not Way.MODULE and blocks_first:
        raise InputError(f"--by {by}: --blocks-first is of the module")
    return way


def _driven(subject: Subject, booted: Image, choice: Choice) -> Driven:
    """What Linux does at some bounds; where it differs, as which variant of its version it does."""

    def tell(what: str) -> None:
        click.echo(what, err=True)

    driven = drive(subject.program, booted, choice, tell)
    if driven.holds or subject.variant is not None:
        return driven
    blocks_first = choice.blocks_first or choice.by is Way.VFIO
    for variant in known(booted.about, subject, blocks_first):
        tell(f"{driven.bounds}: {driven.different:,} differ; as {variant.name}")
        program = machines.program(subject.program.machine, subject.bounds, variant)
        again = drive(program, booted, choice, tell)
        if again.holds:
            return replace(driven, known=variant, held_as_known=again.held)
    return driven


def _image(kernel: str, tree: Path | None) -> Image:
    if kernel == "built":
        return image(source(tree))
    if tree is not None:
        raise InputError("--kernel IMAGE is built; --source is for one that is not")
    return ready(Path(kernel))


def _apart(booted: Image, json_file: str | None) -> Status:
    """Whether Linux is told apart from each variant, and by which calls."""
    machine, items = machines.machine(MACHINE), []
    own = [item for item in machines.variants().values() if item.machine == MACHINE]
    for item, program in apart.told(machine, own, lambda batch: said(booted, batch)):
        click.echo(item.text(program), err=json_file == "-")
        calls = text(program, item.parting.steps()) if item.parting else []
        items.append({
            "variant": item.variant.name, "bounds": item.bounds, "apart": item.apart,
            "explained": item.is_explained(booted.about), "calls": calls, "reason": item.reason,
        })  # fmt: skip
    if json_file is not None:
        write(json_file, msgspec.json.format(msgspec.json.encode(items), indent=1).decode() + "\n")
    explained = [item["explained"] for item in items]
    known = sum(bool(item["apart"]) for item in items)
    click.echo(
        f"{booted.about}: {known} of {len(items)} variants are told apart; "
        f"{explained.count(False)} are not, without a reason", err=json_file == "-",
    )  # fmt: skip
    return Status.HOLDS if all(explained) else Status.VIOLATED


def _selftest(booted: Image, json_file: str | None) -> Status:
    """Run it; what came of each test as a table, or as JSON."""
    came, known = selftest.run(booted), selftest.table()
    click.echo("\n".join(selftest.told(came, known, booted.about)), err=json_file == "-")
    if json_file is not None:
        write(json_file, msgspec.json.format(msgspec.json.encode(came), indent=1).decode() + "\n")
    return Status.VIOLATED if selftest.unknown(came, known) else Status.HOLDS


def _told(done: Driven, booted: Image, subject: Subject) -> str:
    """What came of some bounds, as lines."""
    lines = [
        f"{booted.about}, {done.bounds}: {done.where}, {done.states:,} states: "
        f"{done.held:,} calls and {done.looks:,} looks held, {done.different:,} differ, "
        f"{done.unreached:,} not reached, {done.failed:,} allocations failed"
    ]
    if done.known is not None:
        source = done.known.standing.source if done.known.standing else ""
        lines.append(
            f"  known: {done.known.name} ({source}), {done.different:,} calls; with it "
            f"{done.held_as_known:,} calls held, 0 differ"
        )
    lines += [f"  not held: {count:,} {why}" for why, count in done.left_out.items()]
    lines += [f"  a failure inside is answered {name}: {n:,} times" for name, n in done.odd.items()]
    lines += [f"  the kernel warns: {where}" for where in done.warnings]
    shortest = sorted(done.differences.items(), key=lambda item: len(item[1][0].steps))
    for what, found in shortest[:SHOWN]:
        steps = ", ".join(text(subject.program, found[0].steps))
        lines += [
            f"  {len(found):,} times {what}",
            f"    {steps}",
            f"    Linux: {found[0].linux}; the specification: {found[0].specification}",
        ]
    if len(shortest) > SHOWN:
        lines.append(f"  and {len(shortest) - SHOWN} more ways to differ: --json, --traces")
    return "\n".join(lines) + "\n"


def _save(done: Driven, subject: Subject, about: str, folder: Path) -> None:
    """The shortest way to each class of differences, as a trace that can be replayed."""
    folder.mkdir(parents=True, exist_ok=True)
    (initial,) = subject.program.initial()
    names = Names("linux", subject.machine, subject.variant)
    for number, found in enumerate(done.differences.values(), 1):
        first = found[0]
        answered = Answered(
            system=about, what=first.what, specification=first.specification, answer=first.linux
        )
        trace = record_run(subject.program, initial, first.steps, names, answered)
        save(trace, str(folder / f"linux-{done.bounds}-{number}.json"))


def _document(done: Sequence[Driven], booted: Image) -> str:
    items = [
        {
            "kernel": booted.about, "bounds": item.bounds, "where": item.where,
            "states": item.states, "held": item.held, "looks": item.looks,
            "allocations_failed": item.failed, "not_reached": item.unreached,
            "odd": dict(item.odd), "not_held": dict(item.left_out), "warnings": item.warnings,
            "differences": {what: len(found) for what, found in item.differences.items()},
            "known": item.known and item.known.name,
        }
        for item in done
    ]  # fmt: skip
    return msgspec.json.format(msgspec.json.encode(items), indent=1).decode() + "\n"
