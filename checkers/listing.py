"""What there is: machines, actions, invariants, variants, each with a line and its provenance."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from msgspec import Struct

from checkers import machines
from spec.language import Machine
from spec.language.machine import Function, sources_of, summary

LISTS = ("machines", "actions", "invariants", "variants")


class Item(Struct, frozen=True):
    """One entry of a list."""

    machine: str
    name: str
    about: str
    kind: str
    sources: list[str]
    more: dict[str, str | int]

    def text(self) -> str:
        """The entry as a line, its provenance under it."""
        name = self.name if self.kind == "machine" else f"{self.machine}/{self.name}"
        lines = [f"{name}: {self.about}" if self.about else name]
        if self.more:
            lines.append("    " + ", ".join(f"{key} {value}" for key, value in self.more.items()))
        if self.sources:
            lines.append("    from " + "; ".join(self.sources))
        return "\n".join(lines)


def listing(what: str, names: Sequence[str]) -> list[Item]:
    """The list called `what`, of the machines named; without names, of all."""
    if what == "variants":
        return list(_variants(names))
    chosen = {name: machines.machine(name) for name in names} if names else machines.registry()
    if what == "machines":
        return [_machine(machine) for machine in chosen.values()]
    if what == "actions":
        return [
            _item(machine, action.__name__, action, "action")
            for machine in chosen.values()
            for action in machine.actions
        ]
    return [item for machine in chosen.values() for item in _rules(machine)]


def _machine(machine: Machine) -> Item:
    about = machine.title or summary(machine.state)
    bounds = {
        name: ", ".join(f"{key}={value}" for key, value in item.values.items())
        for name, item in machine.bounds.items()
    }
    return Item(machine.name, machine.name, about, "machine", [], {**bounds})


def _rules(machine: Machine) -> Iterable[Item]:
    for rule in machine.invariants:
        yield _item(machine, rule.name, rule.function, rule.kind)
    for witness in machine.witnesses():
        yield _item(machine, witness.name, witness.function, "sometimes")


def _item(machine: Machine, name: str, function: Function, kind: str) -> Item:
    sources = [str(source) for source in sources_of(function)]
    more: dict[str, str | int] = {} if kind in ("action", "always") else {"kind": kind}
    return Item(machine.name, name, summary(function), kind, sources, more)


def _variants(names: Sequence[str]) -> Iterable[Item]:
    wanted = {machines.machine(name).name for name in names}
    for name, variant in machines.variants().items():
        if not names or variant.machine in wanted:
            about = " ".join(variant.about.split())
            sources = [variant.source] if variant.source else []
            breaks: dict[str, str | int] = {
                f"breaks {rule} in": length for rule, length in variant.expects.items()
            }
            yield Item(variant.machine, name, about, "variant", sources, breaks)
