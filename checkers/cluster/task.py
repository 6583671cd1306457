"""One check as a task: in a process of its own on a worker, so that what ends it ends no worker."""

from __future__ import annotations

import hashlib
import os
import pickle
import subprocess
import sys
from dataclasses import dataclass
from typing import Final

from checkers import machines
from checkers.cluster.connection import BEAT, digest
from checkers.engines import ALL, RANDOM, asked, enough
from checkers.machines import Subject, larger
from checkers.parent import die_with_parent
from checkers.result import Explorer, Finding, Limits, Renaming, Verdict
from checkers.userfiles import InputError, regular

PROCESS: Final = (sys.executable, "-c", "from checkers.cluster.task import main; main()")


@dataclass(frozen=True)
class Words:
    """What a worker is asked to do, in words that mean the same on every machine.

    `text` is a digest of this program, `files` are those that the words name, each with a digest.
    """

    text: str
    files: tuple[tuple[str, str], ...]
    machine: str
    variant: str | None
    bounds: str
    engine: str
    rules: frozenset[str]
    seconds: float
    memory_mib: int
    seed: int
    explorer: Explorer | None
    renaming: Renaming | None
    deeper: bool


def done(words: Words) -> list[Finding]:
    """What an engine says of a machine; `InputError` if it cannot be asked that."""
    if words.text != digest():
        raise InputError("a worker has another text of viommu-spec; install the same everywhere")
    with subprocess.Popen(PROCESS, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        output = _output(process, pickle.dumps(words))
    if process.returncode or not output:
        why = f"its process ended without a result, with status {process.returncode}"
        return [Finding(words.engine, ALL, Verdict.BOUNDED, why)]
    found: list[Finding] | str = pickle.loads(output)
    if isinstance(found, str):
        raise InputError(found)
    return found


def _output(process: subprocess.Popen[bytes], given: bytes) -> bytes:
    """What a process says to what it is given; it is ended if nobody waits for that any more."""
    from distributed import get_worker

    worker = get_worker()
    key = worker.get_current_task()
    unsaid: bytes | None = given
    while True:
        try:
            return process.communicate(unsaid, timeout=BEAT)[0]
        except subprocess.TimeoutExpired:
            unsaid = None  # what was given is sent on all the same
            task = worker.state.tasks.get(key)
            if task is None or task.state == "cancelled":
                process.kill()


def main() -> None:
    """The process: words from stdin, findings (or why there are none) to stdout."""
    die_with_parent()
    with os.fdopen(os.dup(1), "wb") as results:
        os.dup2(2, 1)
        words = pickle.load(sys.stdin.buffer)
        try:
            found: list[Finding] | str = _found(words)
        except InputError as error:
            found = str(error)
        pickle.dump(found, results)


def _found(words: Words) -> list[Finding]:
    for file, known in words.files:
        if content(file) != known:
            raise InputError(f"{file}: is another file where the cluster is")
    machine = machines.machine(words.machine)
    variant = None if words.variant is None else machines.variant(words.variant, machine)
    program = machines.program(machine, words.bounds, variant)
    allowed = Limits(
        words.seconds, words.memory_mib, 1, words.seed,
        explorer=words.explorer, renaming=words.renaming, deeper=words.deeper,
    )  # fmt: skip
    if variant is not None and not words.deeper:
        allowed.enough = enough(variant, words.rules)
    if words.engine in RANDOM:
        program = larger(Subject(words.machine, words.variant, program, words.bounds))
    return asked(words.engine, program, words.rules, allowed)


def content(path: str) -> str:
    """A digest of what is in a file of the user's."""
    return hashlib.sha256(regular(path).read_bytes()).hexdigest()
