"""The pages that are made of the declarations: machines, functions, invariants, variants."""

from __future__ import annotations

import inspect
import sys
from collections.abc import Iterable
from dataclasses import dataclass

from spec.language import Machine, Variant
from spec.language.machine import Function, sources_of, summary
from spec.language.rules import CRASH, TEARDOWN
from viommu_spec import parts, reading
from viommu_spec.rst import blocks, bullets, code, escaped, heading, link, prose, table

KINDS = {"always": "of every reachable state", "on-failure": "of every step that reports an error"}


@dataclass(frozen=True)
class Book:
    """All machines, with their invariants, and all variants."""

    machines: list[Machine]
    variants: list[Variant]

    def pages(self) -> dict[str, str]:
        """The text of every generated page by its name below the directory of generated pages."""
        pages = {f"machines/{item.name}": self.machine(item) for item in self.machines}
        pages |= {f"functions/{name}": self.module(name) for name in self.modules()}
        pages |= {f"invariants/{name}": self.invariant(name) for name in self.invariants()}
        pages |= {f"variants/{item.name}": self.variant(item) for item in self.variants}
        contents = {
            "machines": ("Machines", self._machine_table()),
            "invariants": ("Invariants", self._invariant_table()),
            "variants": ("Variants", self._variant_table()),
            "functions": ("Functions", ""),
        }
        for room, (title, listed) in contents.items():
            pages[f"{room}/index"] = blocks(
                heading(title, 0, f"{room}-index"), listed, parts.toctree(room, pages)
            )
        return pages

    # Machines

    def machine(self, machine: Machine) -> str:
        """A page: what it is, its state, its actions, what must hold, its figures."""
        actions = [self._action(machine, function) for function in machine.actions]
        return blocks(
            heading(machine.title or machine.name, 0, f"machine-{machine.name}"),
            f"Machine ``{machine.name}``.",
            prose(machine.about),
            parts.terms(parts.standing(machine.of)),
            heading("State", 1),
            parts.state(machine),
            heading("Initial states", 1),
            prose(machine.init.__doc__),
            code(reading.source(machine.init)),
            heading("Actions", 1),
            *actions,
            heading("What must hold", 1),
            bullets(
                f"{link(item.name, f'invariant-{item.name}')}: {escaped(summary(item.function))}"
                for item in machine.invariants
            ),
            self._witnesses(machine),
            parts.teardown(machine),
            heading("Bounds", 1),
            parts.bounds(machine),
            self._variants_of(machine),
        )

    def _action(self, machine: Machine, function: Function) -> str:
        name = function.__name__
        return blocks(
            f".. index:: single: {name}; action of {machine.name}",
            heading(name, 2, f"action-{machine.name}-{name}"),
            prose(function.__doc__),
            parts.terms({
                "Parameters": parts.parameters(function),
                "Enabled if": [f"``{guard}``" for guard in reading.guards(function)],
                "Host calls": parts.host_calls(function),
                "Calls": [parts.link_to(item) for item in reading.calls(function)],
                "Mirrors": [escaped(str(item)) for item in sources_of(function)],
            }),
            code(reading.source(function)),
        )  # fmt: skip

    def _witnesses(self, machine: Machine) -> str:
        witnesses = machine.witnesses()
        if not witnesses:
            return ""
        shown = [parts.witness(item) for item in witnesses]
        return blocks(heading("What must be reachable", 1), *shown)

    def _variants_of(self, machine: Machine) -> str:
        own = [item for item in self.variants if item.machine == machine.name]
        if not own:
            return ""
        return blocks(
            heading("Variants", 1),
            bullets(
                f"{link(item.name, f'variant-{item.name}')}: {escaped(item.about)}" for item in own
            ),
        )

    def _machine_table(self) -> str:
        return table(
            ("machine", "what it is", "bounds", "states"),
            (
                (
                    link(machine.name, f"machine-{machine.name}"),
                    escaped(machine.title or machine.name),
                    name,
                    parts.figure(bounds.states),
                )
                for machine in self.machines
                for name, bounds in machine.bounds.items()
            ),
        )

    # Functions

    def modules(self) -> dict[str, list[Function]]:
        """The functions that actions and invariants call, by module, in the order of the source."""
        found: dict[str, dict[Function, None]] = {}
        others = [
            item
            for machine in self.machines
            if machine.teardown
            for item in machine.teardown.actions
            if item not in machine.actions
        ]
        for root in self._roots():
            for item in reading.reached(root):
                found.setdefault(item.__module__, {})[item] = None
        for item in others:
            found.setdefault(item.__module__, {})[item] = None
        return {
            name: sorted(items, key=lambda item: inspect.unwrap(item).__code__.co_firstlineno)
            for name, items in sorted(found.items())
        }

    def _roots(self) -> Iterable[Function]:
        for machine in self.machines:
            yield from (machine.init, *machine.actions)
            yield from (item.function for item in machine.invariants)
            yield from (item.function for item in machine.witnesses())
            if machine.teardown:
                yield from (machine.teardown.empty, machine.teardown.rank)
                yield from machine.teardown.actions
        for variant in self.variants:
            yield from (*variant.overrides, *variant.overrides.values())

    def module(self, name: str) -> str:
        """A page: the functions of one module that several actions may call."""
        return blocks(
            heading(name, 0, f"functions-{name}"),
            prose(sys.modules[name].__doc__),
            *(parts.function(item) for item in self.modules()[name]),
        )

    # Invariants

    def invariants(self) -> dict[str, dict[Function, list[Machine]]]:
        """By name the functions an invariant is (nearly always one), and the machines it is of."""
        found: dict[str, dict[Function, list[Machine]]] = {}
        for machine in self.machines:
            for item in machine.invariants:
                found.setdefault(item.name, {}).setdefault(item.function, []).append(machine)
        return found

    def invariant(self, name: str) -> str:
        """A page: the sentence, its text, who has it, what shows that it says something."""
        texts = [self._reading(name, *item) for item in self.invariants()[name].items()]
        return blocks(heading(name, 0, f"invariant-{name}"), *texts, self._breakers(name))

    def _reading(self, name: str, function: Function, machines: list[Machine]) -> str:
        declared = parts.declared(machines[0], name)
        return blocks(
            f".. index:: single: {name}; invariant",
            prose(function.__doc__),
            parts.terms({
                "Holds": [KINDS[declared.kind]],
                "Machines": [link(item.name, f"machine-{item.name}") for item in machines],
                "Calls": [parts.link_to(item) for item in reading.calls(function)],
                "Mirrors": [escaped(str(item)) for item in sources_of(function)],
            }),
            code(reading.source(function)),
            parts.witness(declared.witness) if declared.witness else "",
        )  # fmt: skip

    def _breakers(self, name: str, level: int = 1) -> str:
        rows = [
            (link(item.name, f"variant-{item.name}"), item.bounds, str(item.expects[name]))
            for item in self.variants
            if name in item.expects
        ]
        if not rows:
            return ""
        return blocks(
            heading("Variants that break it", level),
            table(("variant", "bounds", "steps of the shortest trace"), rows),
        )

    def _invariant_table(self) -> str:
        rows = [
            (
                link(name, f"invariant-{name}"),
                escaped(summary(next(iter(functions)))),
                ", ".join(item.name for machines in functions.values() for item in machines),
            )
            for name, functions in self.invariants().items()
        ]
        built_in = [
            blocks(
                heading(name, 1, f"invariant-{name}"),
                prose(parts.constant(name)),
                self._breakers(name, 2),
            )
            for name in (CRASH, TEARDOWN)
        ]
        return blocks(table(("invariant", "what it says", "machines"), rows), *built_in)

    # Variants

    def variant(self, variant: Variant) -> str:
        """A page: what the design is of, what it changes, and what that breaks."""
        expected = (
            (link(name, f"invariant-{name}"), str(length))
            for name, length in variant.expects.items()
        )
        return blocks(
            heading(variant.name, 0, f"variant-{variant.name}"),
            prose(variant.about),
            parts.terms({
                "Machine": [link(variant.machine, f"machine-{variant.machine}")],
                "Bounds": [variant.bounds],
                **parts.standing(variant.standing),
            }),
            heading("What it breaks", 1),
            table(("invariant", "steps of the shortest trace"), expected)
            or "It is expected to break nothing.",
            heading("What it changes", 1),
            *(parts.beside(*pair) for pair in variant.overrides.items()),
        )  # fmt: skip

    def _variant_table(self) -> str:
        return table(
            ("variant", "machine", "standing", "what it does", "breaks"),
            (
                (
                    link(item.name, f"variant-{item.name}"),
                    link(item.machine, f"machine-{item.machine}"),
                    escaped(str(item.standing or parts.NOTHING)),
                    escaped(item.about),
                    ", ".join(link(name, f"invariant-{name}") for name in item.expects)
                    or parts.NOTHING,
                )
                for item in self.variants
            ),
        )
