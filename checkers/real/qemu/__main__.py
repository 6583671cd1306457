"""`python -m checkers.real.qemu`: every scenario on a QEMU, held against what was recorded."""

from __future__ import annotations

import difflib
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Final

import click

from checkers.real.qemu.every_tale import GROUPS, told
from checkers.real.qemu.root import binary
from checkers.real.qemu.start import ARM
from checkers.real.qemu.tale import Tale
from checkers.userfiles import InputError

TRACE: Final = ("iommufd*", "vfio*")
"""What `viommu-spec conform` reads."""


@click.command()
@click.argument("names", nargs=-1)
@click.option("--qemu", type=click.Path(path_type=Path), help="A program of QEMU, or its folder.")
@click.option("--without-kvm-check", is_flag=True, help="Pass over the check of KVM on Arm.")
@click.option("--recorded", type=click.Path(path_type=Path), help="Calls to compare with.")
@click.option("--record", is_flag=True, help="Write these instead.")
@click.option(
    "--logs", type=click.Path(path_type=Path, exists=True, file_okay=False),
    help="Have QEMU trace its calls, and keep what it says there.",
)
@click.option("--if-possible", is_flag=True, help="Only say so where no QEMU can be run.")
@click.option("-v", "--verbose", is_flag=True, help="Show every call.")
def main(
    names: tuple[str, ...], qemu: Path | None, without_kvm_check: bool, recorded: Path | None,
    record: bool, logs: Path | None, if_possible: bool, verbose: bool,
) -> None:
    """Run scenarios: all, or those named."""
    given = Tale(qemu, without_kvm_check, trace=TRACE if logs else ())
    try:
        sys.exit(_run(names, given, recorded, record, logs, verbose))
    except InputError as error:
        click.echo(f"{'skipped' if if_possible else 'error'}: {error}", err=True)
        sys.exit(0 if if_possible else 2)


def _run(
    names: tuple[str, ...], given: Tale, recorded: Path | None, record: bool, logs: Path | None,
    verbose: bool,
) -> int:
    tales = [name for _, _, group in GROUPS for name in group]
    for name in names:
        if name not in tales:
            raise InputError(f"{name}: no such scenario; there are {', '.join(tales)}")
    wanted = [name for name in tales if name in names or not names]
    differ = 0
    for title, program, group in GROUPS:
        chosen = [name for name in wanted if name in group]
        if not chosen:
            continue
        if program == ARM and not given.without_kvm_check:
            click.echo(f"{title}: skipped, for the binary wants KVM there; --without-kvm-check")
            continue
        note = ", its check of KVM passed over" if program == ARM else ""
        click.echo(f"{title}: QEMU {binary(program, given.qemu).version}{note}")
        for name in chosen:
            differ += _tell(name, group[name], given, recorded, record, logs, verbose)
    return 1 if differ else 0


def _tell(
    name: str, scenario: Callable[[Tale], str], given: Tale, recorded: Path | None, record: bool,
    logs: Path | None, verbose: bool,
) -> bool:
    """Run one; whether it goes otherwise than it should."""
    start = time.monotonic()
    tale = Tale(given.qemu, given.without_kvm_check, trace=given.trace)
    said, wrong = told(tale, scenario)
    came = f"otherwise: {wrong}" if wrong else said
    click.echo(f"  {name:22} {time.monotonic() - start:4.1f} s  {came}")
    if verbose:
        click.echo("".join(f"    {line}\n" for line in tale.lines), nl=False)
    if logs is not None:
        (logs / f"{name}.log").write_text(tale.log)
    if recorded is None or wrong:
        return bool(wrong)
    file = recorded / f"{name}.txt"
    text = [f"{line}\n" for line in tale.lines]
    if record:
        file.write_text("".join(text))
        return False
    if not file.is_file():
        raise InputError(f"{file}: no such record; make it with --record")
    before = file.read_text().splitlines(keepends=True)
    difference = list(difflib.unified_diff(before, text, str(file), name, n=1))
    click.echo("".join(f"    {line}" for line in difference), nl=False)
    return bool(difference)


if __name__ == "__main__":
    main()
