"""What a check was asked to do: the options of the command line, and whether they fit together."""

from __future__ import annotations

import math
import os
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import click

from checkers.engines import ENGINES
from checkers.result import Explorer, Limits, Renaming
from checkers.runs import SUITES, Suite
from checkers.userfiles import InputError
from checkers.variants import EVERY

SECONDS_OF_VARIANT: Final = 300.0
MIB_OF_VARIANT: Final = 4096
"""The limits of a check of a variant if none are given: a design may grow without end."""

FOLDER: Final = click.Path(path_type=Path, file_okay=False)


@dataclass(frozen=True)
class Asked:
    """The options of a check, under their own names."""

    names: tuple[str, ...]
    chosen: str
    explorer: str | None
    symmetry: str | None
    checkpoint: Path | None
    resume: Path | None
    scratch: Path | None
    selected: tuple[str, ...]
    variant: str | None
    bounds: tuple[str, ...]
    suite: Suite | None
    jobs: int
    time_limit: float | None
    memory_limit: int | None
    seed: int
    traces: Path | None
    json_file: str | None
    junit_file: str | None
    as_tap: bool
    verbose: bool
    no_progress: bool
    cluster: str | None
    deeper: bool

    @property
    def engines(self) -> tuple[str, ...]:
        """The engines asked for."""
        return tuple(ENGINES) if self.chosen == "all" else (self.chosen,)

    @property
    def every(self) -> bool:
        """All built-in variants are asked for."""
        return self.variant == EVERY

    @property
    def seconds(self) -> float:
        """The time limit; a variant has one even if none is given."""
        return self._limit(self.time_limit, SECONDS_OF_VARIANT)

    @property
    def mib(self) -> int:
        """The memory limit; a variant has one even if none is given."""
        return int(self._limit(self.memory_limit, MIB_OF_VARIANT))

    def _limit(self, given: float | None, usual: float) -> float:
        if given is not None:
            return given
        return usual if self.variant is not None else 0

    @property
    def keeps(self) -> bool:
        """The levels of the exploration are kept, or taken up."""
        return self.checkpoint is not None or self.resume is not None

    def limits(self) -> Limits:
        """The limits of an engine, from now on."""
        picked = Explorer(self.explorer) if self.explorer else None
        return Limits(
            self.seconds, self.mib, self.jobs, self.seed,
            explorer=Explorer.NATIVE if self.keeps or self.scratch else picked,
            renaming=Renaming(self.symmetry) if self.symmetry else None,
            checkpoint=self.resume or self.checkpoint, resume=self.resume is not None,
            scratch=self.scratch, deeper=self.deeper,
        )  # fmt: skip

    def must_fit(self) -> None:
        """`InputError` for options that mean nothing together."""
        if self.time_limit is not None and not math.isfinite(self.time_limit):
            raise InputError(f"--time-limit {self.time_limit} is no number of seconds")
        if self.symmetry and "explicit" not in self.engines:
            raise InputError("--symmetry is of --engine explicit")
        if self.keeps:
            self._must_keep()
        if self.scratch is not None:
            self._by_native("--scratch is")
            if self.cluster is not None:
                raise InputError("--scratch is of this machine, not of a --cluster")
            if not self.mib:
                raise InputError("--scratch is for what exceeds a --memory-limit; give one")
        if self.deeper and self.variant is None:
            raise InputError("--deeper is of a variant, which may stop early; say which")
        if self.every and (self.selected or self.bounds):
            raise InputError("--variant all checks each variant at its own bounds and rules")
        if self.suite and (self.selected or self.bounds or self.variant):
            raise InputError("--suite has its own bounds, rules and variants")

    def _must_keep(self) -> None:
        self._by_native("--checkpoint and --resume are")
        if self.checkpoint is not None and self.resume is not None:
            raise InputError("--resume keeps its levels where they are; --checkpoint is too much")
        if self.every or self.suite:
            raise InputError("--checkpoint and --resume are of one machine, not of all variants")

    def _by_native(self, what: str) -> None:
        native = self.explorer in (None, Explorer.NATIVE.value)
        if not native or self.engines != ("explicit",):
            raise InputError(f"{what} of --engine explicit --explorer native")


OPTIONS: Final[list[Callable[[Any], Any]]] = [
    click.argument("names", metavar="[MACHINE]...", nargs=-1),
    click.option(
        "--engine", "chosen", type=click.Choice([*ENGINES, "all"]), default="explicit",
        show_default=True, help="Who checks.",
    ),
    click.option(
        "--explorer", type=click.Choice([item.value for item in Explorer]),
        help="How the explicit engine explores; both find the same.  [default: native, where there "
        "is a C compiler]",
    ),
    click.option(
        "--symmetry", type=click.Choice([item.value for item in Renaming]),
        help="What the explicit engine may rename to take two states for one: no, data values, or "
        "ids that nothing tells apart too.  [default: as much as is sound]",
    ),
    click.option(
        "--checkpoint", metavar="DIR", type=FOLDER,
        help="Keep every level of the native explorer there.",
    ),
    click.option(
        "--resume", metavar="DIR", type=FOLDER,
        help="Go on from the last level kept there, keeping those that follow.",
    ),
    click.option(
        "--scratch", metavar="DIR", type=FOLDER,
        help="States beyond the memory limit go to files there while the native explorer runs.",
    ),
    click.option("--invariant", "selected", metavar="NAME", multiple=True, help="Only this rule."),
    click.option(
        "--variant", metavar="NAME|FILE.py|all",
        help="A design that overrides the reference; all: does each break what it declares?",
    ),
    click.option(
        "--deeper", is_flag=True,
        help="Of a variant, go on when all that it declares is broken, to the bounds or a limit.",
    ),
    click.option(
        "--bounds", metavar="NAME|KEY=N,...", multiple=True,
        help="How large the machine is; may be given several times.",
    ),
    click.option(
        "--suite", type=click.Choice(SUITES),
        help="Every machine at the bounds, by the engines, that `make check` (or `make exhaust`) "
        "stands for.",
    ),
    click.option(
        "--jobs", metavar="N", type=click.IntRange(1, 4096), default=os.cpu_count() or 1,
        help="Processes to use.",
    ),
    click.option(
        "--time-limit", metavar="S", type=click.FloatRange(0),
        help="Seconds for each machine and engine, reading and linking included; 0: none.  "
        f"[default: none; {SECONDS_OF_VARIANT:g} for a variant]",
    ),
    click.option(
        "--memory-limit", metavar="MIB", type=click.IntRange(0),
        help="MiB for the process; 0: none. It ends there, unless --scratch has room.  "
        f"[default: none; {MIB_OF_VARIANT} for a variant]",
    ),
    click.option(
        "--seed", metavar="N", type=click.IntRange(0), default=0, help="For random engines."
    ),
    click.option("--traces", metavar="DIR", type=FOLDER, help="Save every trace there, as JSON."),
    click.option("--json", "json_file", metavar="FILE", help="Results as JSON; - is stdout."),
    click.option("--junit", "junit_file", metavar="FILE", help="Results as JUnit; - is stdout."),
    click.option("--tap", "as_tap", is_flag=True, help="Results as TAP on stdout, and no table."),
    click.option("-v", "--verbose", is_flag=True, help="Every rule, also of many machines."),
    click.option("--no-progress", is_flag=True, help="No progress, even in a terminal."),
    click.option(
        "--cluster", metavar="ADDRESS",
        help="Where the scheduler of a Dask cluster listens: several checks are done by its "
        "workers, one exploration is divided among them.",
    ),
]
