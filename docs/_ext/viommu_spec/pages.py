"""The pages that are made of the declarations: machines, functions, invariants, variants."""

from __future__ import annotations

import inspect
import sys
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

from sphinx.pycode import ModuleAnalyzer

from checkers.result import CRASH, TEARDOWN
from spec.language import Bounds, Invariant, Machine, Variant, Witness
from spec.language.machine import Function, sources_of, summary
from viommu_spec import reading
from viommu_spec.rst import blocks, bullets, code, escaped, heading, link, prose, table

NOTHING = "--"
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
                heading(title, 0, f"{room}-index"), listed, _toctree(room, pages)
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
            heading("State", 1),
            _state(machine),
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
            _teardown(machine),
            heading("Bounds", 1),
            _bounds(machine),
            self._variants_of(machine),
        )

    def _action(self, machine: Machine, function: Function) -> str:
        name = function.__name__
        return blocks(
            f".. index:: single: {name}; action of {machine.name}",
            heading(name, 2, f"action-{machine.name}-{name}"),
            prose(function.__doc__),
            code(reading.signature(function)),
            _terms({
                "Enabled if": [f"``{guard}``" for guard in reading.guards(function)],
                "Host calls": _host_calls(function),
                "Calls": [_link_to(item) for item in reading.calls(function)],
                "Mirrors": [escaped(str(item)) for item in sources_of(function)],
            }),
            code(reading.source(function)),
        )  # fmt: skip

    def _witnesses(self, machine: Machine) -> str:
        witnesses = machine.witnesses()
        if not witnesses:
            return ""
        shown = [_witness(item) for item in witnesses]
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
                    _figure(bounds.states),
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
            *(_function(item) for item in self.modules()[name]),
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
        parts = [self._reading(name, *item) for item in self.invariants()[name].items()]
        return blocks(heading(name, 0, f"invariant-{name}"), *parts, self._breakers(name))

    def _reading(self, name: str, function: Function, machines: list[Machine]) -> str:
        declared = _declared(machines[0], name)
        return blocks(
            f".. index:: single: {name}; invariant",
            prose(function.__doc__),
            _terms({
                "Holds": [KINDS[declared.kind]],
                "Machines": [link(item.name, f"machine-{item.name}") for item in machines],
                "Calls": [_link_to(item) for item in reading.calls(function)],
                "Mirrors": [escaped(str(item)) for item in sources_of(function)],
            }),
            code(reading.source(function)),
            _witness(declared.witness) if declared.witness else "",
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
                prose(_constant(name)),
                self._breakers(name, 2),
            )
            for name in (CRASH, TEARDOWN)
        ]
        return blocks(table(("invariant", "what it says", "machines"), rows), *built_in)

    # Variants

    def variant(self, variant: Variant) -> str:
        """A page: where the design was posted, what it changes, and what that breaks."""
        expected = (
            (link(name, f"invariant-{name}"), str(length))
            for name, length in variant.expects.items()
        )
        return blocks(
            heading(variant.name, 0, f"variant-{variant.name}"),
            prose(variant.about),
            _terms({
                "Posted": [escaped(variant.source)] if variant.source else [],
                "Machine": [link(variant.machine, f"machine-{variant.machine}")],
                "Bounds": [variant.bounds],
            }),
            heading("What it breaks", 1),
            table(("invariant", "steps of the shortest trace"), expected)
            or "It is expected to break nothing.",
            heading("What it changes", 1),
            *(_beside(*pair) for pair in variant.overrides.items()),
        )  # fmt: skip

    def _variant_table(self) -> str:
        return table(
            ("variant", "machine", "what it does", "breaks"),
            (
                (
                    link(item.name, f"variant-{item.name}"),
                    link(item.machine, f"machine-{item.machine}"),
                    escaped(item.about),
                    ", ".join(link(name, f"invariant-{name}") for name in item.expects) or NOTHING,
                )
                for item in self.variants
            ),
        )


def _toctree(room: str, pages: dict[str, str]) -> str:
    names = [name.partition("/")[2] for name in pages if name.startswith(f"{room}/")]
    return ".. toctree::\n   :maxdepth: 1\n\n" + "".join(f"   {name}\n" for name in names)


def _terms(terms: dict[str, list[str]]) -> str:
    """A field list of those terms that have something to say."""
    shown: list[str] = []
    for term, items in terms.items():
        if len(items) == 1:
            shown.append(f":{term}: {items[0]}\n")
        elif items:
            shown.append(f":{term}:\n" + "".join(f"   * {item}\n" for item in items))
    return "".join(shown)


def _state(machine: Machine) -> str:
    shown = [prose(machine.state.__doc__), _fields(reading.fields(machine.state))]
    for name, record in reading.tables(machine).items():
        shown += [heading(f"{name}: table of {record.__name__}", 2), prose(record.__doc__)]
        shown.append(_fields(reading.fields(record)))
    for enum in reading.enums(machine):
        shown += [heading(enum.__name__, 2), prose(enum.__doc__)]
        members = ((f"``{item.name}``", str(int(item))) for item in enum)
        shown.append(table(("name", "value"), members))
    for sort in reading.sorts(machine):
        shown += [heading(f"{sort.__name__}: data", 2), prose(sort.__doc__)]
    return blocks(*shown)


def _fields(fields: list[reading.Field]) -> str:
    return table(
        ("field", "values"),
        (
            (f"``{item.name}``", item.values + (" (fixed by the bounds)" if item.constant else ""))
            for item in fields
        ),
    )


def _teardown(machine: Machine) -> str:
    teardown = machine.teardown
    if teardown is None:
        return ""
    steps = ", ".join(
        link(item.__name__, f"action-{machine.name}-{item.__name__}")
        if item in machine.actions
        else _link_to(item)
        for item in teardown.actions
    )
    return blocks(
        heading("Teardown", 1),
        _terms({
            "Actions": [steps],
            "Empty": [escaped(summary(teardown.empty))],
            "Rank": [escaped(summary(teardown.rank))],
        }),
        code(reading.source(teardown.empty)),
        code(reading.source(teardown.rank)),
    )  # fmt: skip


def _bounds(machine: Machine) -> str:
    def row(name: str, bounds: Bounds) -> tuple[str, ...]:
        values = ", ".join(f"``{key}={value}``" for key, value in bounds.values.items())
        figures = (bounds.states, bounds.transitions, bounds.depth)
        cuts = ", ".join(f"{escaped(key)}: {value}" for key, value in bounds.cuts.items())
        return (name, values, escaped(bounds.why), *map(_figure, figures), cuts or NOTHING)

    head = ("bounds", "values", "why", "states", "transitions", "depth", "met")
    return table(head, (row(*item) for item in machine.bounds.items()))


def _figure(number: int | None) -> str:
    return NOTHING if number is None else f"{number:,}"


def _host_calls(function: Function) -> list[str]:
    return [
        f"``{spec.event}``, refused with ``{spec.fails.name}``"
        for spec in reading.host_calls(function)
    ]


def _function(function: Function) -> str:
    return blocks(
        heading(function.__name__, 1, _label(function)),
        prose(function.__doc__),
        _terms({
            "Calls": [_link_to(item) for item in reading.calls(function)],
            "Mirrors": [escaped(str(item)) for item in sources_of(function)],
        }),
        code(reading.source(function)),
    )  # fmt: skip


def _witness(witness: Witness) -> str:
    return blocks(
        f"*Sometimes* ``{witness.name}``: {escaped(summary(witness.function))}",
        code(reading.source(witness.function)),
    )


def _beside(original: Function, override: Function) -> str:
    """The two texts in one row of a table."""
    texts: list[Callable[..., Any]] = [original, override]
    return blocks(
        heading(original.__name__, 2),
        prose(override.__doc__),
        _terms({"Mirrors": [escaped(str(item)) for item in sources_of(override)]}),
        table(
            ("reference", "variant"), [[code(reading.source(item)) for item in texts]], "50 50"
        ).replace(".. list-table::", ".. list-table::\n   :class: beside"),
    )


def _declared(machine: Machine, name: str) -> Invariant:
    return next(item for item in machine.invariants if item.name == name)


def _label(function: Function) -> str:
    return f"fn-{function.__module__}-{function.__name__}"


def _link_to(function: Function) -> str:
    return link(function.__name__, _label(function))


def _constant(value: str) -> str:
    """What `checkers.result` says of the rule that is called so."""
    import checkers.result

    documents = ModuleAnalyzer.for_module("checkers.result").find_attr_docs()
    return next(
        "\n".join(text)
        for (_, name), text in documents.items()
        if getattr(checkers.result, name, None) == value
    )

