"""What there is: machines, bounds, actions, invariants, variants, each with its provenance."""

from __future__ import annotations

import shutil
import sys
import textwrap
from collections.abc import Iterable, Mapping, Sequence
from typing import Final

from msgspec import Struct

from checkers import machines
from checkers.runs import taken
from spec.language import Bounds, Machine
from spec.language.machine import Function, sources_of, summary

LISTS: Final = ("machines", "bounds", "actions", "invariants", "variants")

WIDE: Final = 120
"""Columns of a list that goes to a file or a pipe."""

COLUMNS: Final[Mapping[str, tuple[str, ...]]] = {
    "machines": ("machine", "about", "standing", "bounds", "actions", "invariants"),
    "bounds": ("machine", "bounds", "states", "orbits", "checked by", "why"),
    "actions": ("machine", "action", "about"),
    "invariants": ("machine", "invariant", "kind", "about"),
    "variants": ("machine", "variant", "standing", "bounds", "about", "breaks"),
}
"""The columns of each list: the machine, the name, then members of `more`, or what it is about.

The orbits of bounds are their states up to renaming of ids.
"""


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

    def cell(self, column: str) -> str:
        """What the entry has in a column of its list."""
        if column in ("about", "why"):
            return self.about
        if column == self.kind:
            return self.name
        return self.machine if column == "machine" else str(self.more.get(column, ""))


def listing(what: str, names: Sequence[str]) -> list[Item]:
    """The list called `what`, of the machines named; without names, of all."""
    if what == "variants":
        return list(_variants(names))
    chosen = {name: machines.machine(name) for name in names} if names else machines.registry()
    if what == "machines":
        return [_machine(machine) for machine in chosen.values()]
    if what == "bounds":
        return [
            _bounds(machine, name, item)
            for machine in chosen.values()
            for name, item in machine.bounds.items()
        ]
    if what == "actions":
        return [
            _item(machine, action.__name__, action, "action", {})
            for machine in chosen.values()
            for action in machine.actions
        ]
    return [item for machine in chosen.values() for item in _rules(machine)]


def matching(items: Iterable[Item], match: str) -> list[Item]:
    """The entries that have this text somewhere, whatever its case."""
    return [item for item in items if match.lower() in item.text().lower()]


def shown(what: str, items: Sequence[Item]) -> str:
    """The list as a table; wide columns are wrapped, the machine is left out if there is one."""
    columns = list(COLUMNS[what])
    if what != "machines" and len({item.machine for item in items}) == 1:
        columns.remove("machine")
    rows = [columns, *([item.cell(column) for column in columns] for item in items)]
    widths = [max(len(row[at]) for row in rows) for at in range(len(columns))]
    width = shutil.get_terminal_size().columns if sys.stdout.isatty() else WIDE
    words = [
        max(len(word) for row in rows for word in row[at].split() or [""])
        for at in range(len(columns))
    ]
    while sum(widths) + 2 * (len(columns) - 1) > width and widths != words:
        wrapped = [at for at in range(len(columns)) if widths[at] > words[at]]
        widths[max(wrapped, key=lambda at: widths[at])] -= 1
    return "".join(line for row in rows for line in _lines(row, widths))


def _lines(row: Sequence[str], widths: Sequence[int]) -> Iterable[str]:
    """A row of the table, in as many lines as its longest cell needs."""
    cells = [
        textwrap.wrap(cell, width, break_on_hyphens=False) or [""]
        for cell, width in zip(row, widths, strict=True)
    ]
    for at in range(max(map(len, cells))):
        words = [cell[at] if at < len(cell) else "" for cell in cells]
        padded = [f"{word:<{width}}" for word, width in zip(words, widths, strict=True)]
        yield "  ".join(padded).rstrip() + "\n"


def _machine(machine: Machine) -> Item:
    about = machine.title or summary(machine.state)
    more: dict[str, str | int] = {
        "bounds": ", ".join(machine.bounds),
        "actions": len(machine.actions),
        "invariants": len(machine.invariants),
        **(machine.of.rows() if machine.of else {}),
    }
    return Item(machine.name, machine.name, about, "machine", [], more)


def _bounds(machine: Machine, name: str, bounds: Bounds) -> Item:
    """Bounds, with what they are for and who checks them."""
    takers = [engine for engine, given in taken(machine, "check").items() if name in given]
    takers += [
        f"{engine} (exhaust)" for engine, given in machine.exhaust.items() if name in given
    ]
    numbers = ", ".join(f"{key}={value}" for key, value in bounds.values.items())
    more: dict[str, str | int] = {"numbers": numbers, "checked by": ", ".join(takers)}
    if bounds.states is not None:
        more["states"] = bounds.states
    if bounds.orbits is not None:
        more["orbits"] = bounds.orbits[0]
    return Item(machine.name, name, " ".join(bounds.why.split()), "bounds", [], more)


def _rules(machine: Machine) -> Iterable[Item]:
    for rule in machine.invariants:
        yield _item(machine, rule.name, rule.function, "invariant", {"kind": rule.kind})
    for witness in machine.witnesses():
        yield _item(machine, witness.name, witness.function, "invariant", {"kind": "sometimes"})


def _item(
    machine: Machine, name: str, function: Function, kind: str, more: dict[str, str | int]
) -> Item:
    sources = [str(source) for source in sources_of(function)]
    return Item(machine.name, name, summary(function), kind, sources, more)


def _variants(names: Sequence[str]) -> Iterable[Item]:
    wanted = {machines.machine(name).name for name in names}
    for name, variant in machines.variants().items():
        if not names or variant.machine in wanted:
            about = " ".join(variant.about.split())
            breaks = ", ".join(f"{rule} in {length}" for rule, length in variant.expects.items())
            more: dict[str, str | int] = {"bounds": variant.bounds, "breaks": breaks}
            sources: list[str] = []
            if variant.standing:
                sources = [variant.standing.source] if variant.standing.source else []
                more |= variant.standing.rows()
            yield Item(variant.machine, name, about, "variant", sources, more)
