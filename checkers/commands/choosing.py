"""Which machines, variants, bounds and rules the words of a command line stand for."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field

import click

from checkers import machines
from checkers.engines import rules
from checkers.machines import Subject, choose
from checkers.userfiles import InputError
from spec.language import Machine


@dataclass(frozen=True)
class Session:
    """The words of this command line, and when it began."""

    words: tuple[str, ...] = ()
    since: float = field(default_factory=time.monotonic)


def subjects(names: Sequence[str], variant: str | None, bounds: Sequence[str]) -> list[Subject]:
    """The machines of these names (without one: all), or a variant of one, with each bounds."""
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


def selecting(
    found: Sequence[Subject], selected: Sequence[str]
) -> list[tuple[Subject, frozenset[str]]]:
    """Each machine with those of the selected rules that it has; one without any is left out."""
    if not selected:
        return [(subject, frozenset()) for subject in found]
    known = {name for subject in found for name in rules(subject.program)}
    wanted = {choose(name, known, "invariant") for name in selected}
    chosen = []
    for subject in found:
        its = wanted & set(rules(subject.program))
        if its:
            chosen.append((subject, frozenset(its)))
        else:
            click.echo(f"viommu-spec: {subject.machine} has none of these rules", err=True)
    return chosen
