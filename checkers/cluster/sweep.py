"""Many checks as tasks of a cluster: one for each machine, bounds, variant and engine."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

from checkers.cluster import divided
from checkers.cluster.connection import Cluster, LostError, digest
from checkers.cluster.task import Words, content, done
from checkers.engines import ALL, Engines
from checkers.result import Explorer, Finding, Limits, Verdict
from checkers.runs import Run
from spec.language import Program


def engines(cluster: Cluster, runs: Sequence[Run], limits: Limits) -> list[Engines]:
    """For each run its engines, by name, on a cluster.

    All runs are tasks that are given to it at once. A single exploration is divided instead.
    """
    if len(runs) == 1 and _is_one_exploration(runs[0], limits):
        return [lambda name: partial(divided.check, cluster=cluster)]
    tasks = [
        {name: cluster.submit(done, _words(run, name, limits)) for name in run.engines}
        for run in runs
    ]
    return [partial(_Remote, cluster, own) for own in tasks]


def _is_one_exploration(run: Run, limits: Limits) -> bool:
    return run.engines == ("explicit",) and limits.explorer is not Explorer.REFERENCE


@dataclass(frozen=True)
class _Remote:
    """An engine that waits for what a worker finds.

    The cluster gives the task of a lost worker to others, a few times; then there is a row for it.
    """

    cluster: Cluster
    tasks: Mapping[str, Any]
    name: str

    def __call__(
        self, program: Program, names: frozenset[str], limits: Limits
    ) -> list[Finding]:
        limits.prepared()
        try:
            found: list[Finding] = self.cluster.result(self.tasks[self.name])
        except LostError as error:
            return [Finding(self.name, ALL, Verdict.BOUNDED, str(error))]
        return found


def _words(run: Run, engine: str, limits: Limits) -> Words:
    subject, variant = run.subject, run.subject.program.variant
    if run.judged and variant is not None:
        subject = replace(subject, bounds=variant.bounds)
    names = [_anywhere(name) for name in (subject.machine, subject.variant or "")]
    files = [name.partition(".py:")[0] for name in names if ".py" in name]
    paths = [name if name.endswith(".py") else f"{name}.py" for name in files]
    return Words(
        digest(), tuple((path, content(path)) for path in paths), names[0], names[1] or None,
        subject.bounds, engine, run.rules, limits.seconds, limits.memory_mib, limits.seed,
        limits.explorer, limits.renaming, limits.deeper,
    )  # fmt: skip


def _anywhere(name: str) -> str:
    """A name; that of a file so that it can be found from any folder."""
    return os.path.abspath(name) if ".py" in name else name
