"""`drive --confirm VARIANT`: what was found in a released QEMU, on this one."""

from __future__ import annotations

from pathlib import Path

import click

from checkers import machines
from checkers.real.qemu.confirm import confirm
from checkers.report.row import Status


def confirmed(name: str, machine: str | None, qemu: str, without_kvm_check: bool) -> Status:
    """Run the scenarios of a variant and tell each; VIOLATED if one is not reproduced."""
    variant = machines.variant(name, machines.machine(machine) if machine else None)
    came = []
    for item in confirm(variant, Path(qemu) if qemu else None, without_kvm_check):
        click.echo(item.text())
        came.append(item)
    return Status.VIOLATED if any(item.otherwise for item in came) else Status.HOLDS
