"""The recurring parts of a page: field tables, figures, provenance, two texts side by side."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from sphinx.pycode import ModuleAnalyzer

from spec.language import Bounds, Invariant, Machine, Of, Standing, Witness, names
from spec.language.machine import Function, sources_of, summary
from viommu_spec import reading
from viommu_spec.rst import blocks, code, escaped, heading, link, prose, table

NOTHING = "--"


def toctree(room: str, pages: dict[str, str]) -> str:
    """The contents of a room."""
    names = [name.partition("/")[2] for name in pages if name.startswith(f"{room}/")]
    return ".. toctree::\n   :maxdepth: 1\n\n" + "".join(f"   {name}\n" for name in names)


def terms(terms: dict[str, list[str]]) -> str:
    """A field list of those terms that have something to say."""
    shown: list[str] = []
    for term, items in terms.items():
        if len(items) == 1:
            shown.append(f":{term}: {items[0]}\n")
        elif items:
            shown.append(f":{term}:\n" + "".join(f"   * {item}\n" for item in items))
    return "".join(shown)


def standing(said: Of | Standing | None) -> dict[str, list[str]]:
    """What a machine or a variant is of, as terms of a field list."""
    rows = said.rows() if said else {}
    return {name.capitalize(): [escaped(text)] for name, text in rows.items()}


def state(machine: Machine) -> str:
    """The scalars, the tables, and the values of enumerations and sorts."""
    shown = [prose(machine.state.__doc__), fields(reading.fields(machine.state))]
    for name, record in reading.tables(machine).items():
        shown += [heading(f"{name}: table of {record.__name__}", 2), prose(record.__doc__)]
        shown.append(fields(reading.fields(record)))
    for enum in reading.enums(machine):
        shown += [heading(enum.__name__, 2), prose(enum.__doc__)]
        members = ((f"``{item.name}``", str(int(item))) for item in enum)
        shown.append(table(("name", "value"), members))
    for sort in reading.sorts(machine):
        shown += [heading(f"{sort.__name__}: data", 2), prose(sort.__doc__)]
    return blocks(*shown)


def fields(fields: list[reading.Field]) -> str:
    """A table of fields and their values."""
    return table(
        ("field", "values"),
        (
            (f"``{item.name}``", item.values + (" (fixed by the bounds)" if item.constant else ""))
            for item in fields
        ),
    )


def teardown(machine: Machine) -> str:
    """How a machine is taken down; empty if it does not say."""
    teardown = machine.teardown
    if teardown is None:
        return ""
    steps = ", ".join(
        link(item.__name__, f"action-{machine.name}-{item.__name__}")
        if item in machine.actions
        else link_to(item)
        for item in teardown.actions
    )
    return blocks(
        heading("Teardown", 1),
        terms({
            "Actions": [steps],
            "Empty": [escaped(summary(teardown.empty))],
            "Rank": [escaped(summary(teardown.rank))],
        }),
        code(reading.source(teardown.empty)),
        code(reading.source(teardown.rank)),
    )  # fmt: skip


def bounds(machine: Machine) -> str:
    """The manifest: the exact figures of each of the bounds, why these, and their numbers."""

    def row(name: str, bounds: Bounds) -> tuple[str, ...]:
        return (name, *map(figure, (bounds.states, bounds.transitions, bounds.depth)))

    def reason(name: str, bounds: Bounds) -> str:
        narrow = ", ".join(map(escaped, bounds.without))
        too_narrow = f" Too narrow for {narrow}." if narrow else ""
        return f"{name}\n   {escaped(bounds.why) or NOTHING}{too_narrow}\n"

    named = machine.bounds
    keys = dict.fromkeys(key for bounds in named.values() for key in bounds.values)
    values = (
        (f"``{key}``", *(str(bounds.values.get(key, NOTHING)) for bounds in named.values()))
        for key in keys
    )
    return blocks(
        table(("bounds", "states", "transitions", "depth"), (row(*item) for item in named.items())),
        "".join(reason(*item) for item in named.items()),
        table(("number", *named), values),
    )


def figure(number: int | None) -> str:
    """A number, or a dash where the manifest has none."""
    return NOTHING if number is None else f"{number:,}"


def parameters(function: Function) -> list[str]:
    """The parameters of an action and their values."""
    return [f"``{item.name}``: {item.values}" for item in reading.parameters(function)]


def host_calls(function: Function) -> list[str]:
    """The host calls of an action and what each is refused with."""
    return [
        f"``{spec.event}``, refused with ``{spec.fails.name}``"
        for spec in reading.host_calls(function)
    ]


def function(function: Function) -> str:
    """A function that is called by others."""
    return blocks(
        heading(function.__name__, 1, label(function)),
        prose(function.__doc__),
        terms({
            "Calls": [link_to(item) for item in reading.calls(function)],
            "Mirrors": [escaped(str(item)) for item in sources_of(function)],
        }),
        code(reading.source(function)),
    )  # fmt: skip


def witness(witness: Witness) -> str:
    """A *sometimes* with its text."""
    return blocks(
        f"*Sometimes* ``{witness.name}``: {escaped(summary(witness.function))}",
        code(reading.source(witness.function)),
    )


def beside(original: Function, override: Function) -> str:
    """The two texts in one row of a table."""
    texts: list[Callable[..., Any]] = [original, override]
    return blocks(
        heading(original.__name__, 2),
        prose(override.__doc__),
        terms({"Mirrors": [escaped(str(item)) for item in sources_of(override)]}),
        table(
            ("reference", "variant"), [[code(reading.source(item)) for item in texts]], "50 50"
        ).replace(".. list-table::", ".. list-table::\n   :class: beside"),
    )


def declared(machine: Machine, name: str) -> Invariant:
    """The invariant of a machine that has this name."""
    return next(item for item in machine.invariants if item.name == name)


def label(function: Function) -> str:
    """The target of links to a function."""
    return f"fn-{function.__module__}-{function.__name__}"


def link_to(function: Function) -> str:
    """A link to a function."""
    return link(function.__name__, label(function))


def constant(value: str) -> str:
    """What the language says of the rule, of every machine, that is called so."""
    documents = ModuleAnalyzer.for_module(names.__name__).find_attr_docs()
    return next(
        "\n".join(text)
        for (_, name), text in documents.items()
        if getattr(names, name, None) == value
    )
