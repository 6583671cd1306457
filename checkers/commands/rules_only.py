"""`drive PLATFORM --qemu --rules-only`: random guests on a running QEMU."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Final

import click
import msgspec

from checkers.output import save, write
from checkers.real.qemu.rules.found import Report, document, junit, lines, rules_only
from checkers.real.qemu.rules.platforms import PLATFORMS
from checkers.report.row import Status
from checkers.userfiles import InputError

RUNS: Final = 150
"""So many find all that is known of the released QEMU, each of them more than once."""


@dataclass(frozen=True)
class Guests:
    """Which guests, on which QEMU, and how many runs, 0 for as many as find what is known."""

    platform: str
    qemu: Path | None
    without_kvm_check: bool
    runs: int
    seed: int
    seconds: float

    def report(self) -> Report:
        """Run them."""
        if self.platform not in PLATFORMS:
            known = " or ".join(PLATFORMS)
            raise InputError(f"--rules-only: no platform is called {self.platform!r}; say {known}")
        return rules_only(
            self.platform, self.qemu, self.without_kvm_check, self.runs or RUNS, self.seed,
            self.seconds,
        )  # fmt: skip


def random_guests(
    guests: Guests, verbose: bool, if_possible: bool, json_file: str | None,
    junit_file: str | None, traces: Path | None,
) -> Status:  # fmt: skip
    """Run random guests and tell what came of them; VIOLATED by what is not known."""
    try:
        report = guests.report()
    except InputError as error:
        if not if_possible:
            raise
        click.echo(f"skipped: {error}", err=True)
        return Status.HOLDS
    click.echo("\n".join(lines(report, verbose)), err=json_file == "-")
    if json_file is not None:
        text = msgspec.json.encode(document(report))
        write(json_file, msgspec.json.format(text, indent=1).decode() + "\n")
    if traces is not None:
        traces.mkdir(parents=True, exist_ok=True)
        for defect in report.defects:
            if defect.trace is not None:
                save(defect.trace, str(traces / f"{guests.platform}-{defect.name}.json"))
    if junit_file is not None:
        write(junit_file, junit(report) + "\n")
    return Status.VIOLATED if report.unknown else Status.HOLDS
