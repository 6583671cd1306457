"""The object graph of a state, from its declared types alone: every reference is an edge."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from checkers.cells import Value, first_value, raw_value, spelled
from spec.language.control import Crash
from spec.language.layout import Column, IdT, Layout, SetT
from spec.language.program import Program
from spec.language.types import Id, Record

MACHINE = "machine"
"""The node of the state's scalars."""


@dataclass(frozen=True)
class Edge:
    """A reference: the field `role` of `source` names `target`. Both are names of nodes."""

    source: str
    role: str
    target: str

    def __str__(self) -> str:
        return f"{self.source}.{self.role} -> {self.target}"


@dataclass(frozen=True)
class Node:
    """A row: how people name it, what it holds beside references, and whether it is live."""

    label: str
    fields: dict[str, Value]
    live: bool


@dataclass(frozen=True)
class Graph:
    """The nodes by name, in the order of the declarations, and the references, source by source."""

    nodes: dict[str, Node]
    edges: list[Edge]


def node(table: str, row: int) -> str:
    """The name of a row's node."""
    return f"{table}[{row}]"


def graph(program: Program, state: bytes) -> Graph:
    """The live rows of a state and their references.

    A row is live if its record's own ``live(self) -> bool`` says so; without one, if a field of it
    that is no constant is not at its first value, or a live row refers to it. A row that is not
    live is a node only if a live one refers to it.
    """
    layout = program.layout
    views = _views(program, state)
    says = {
        name: bool(view.live())  # type: ignore[attr-defined]
        for name, view in views.items()
        if callable(getattr(type(view), "live", None))
    }
    reached = [MACHINE, *(name for name, yes in says.items() if yes)]
    reached += [n for n in views if n not in says and _written(layout, n, state)]
    every = list(_edges(layout, state))
    alive: dict[str, None] = {}
    while reached:
        name = reached.pop()
        if name not in alive:
            alive[name] = None
            reached += [e.target for e in every if e.source == name and says.get(e.target, True)]
    edges = [edge for edge in every if edge.source in alive]
    named = {edge.target for edge in edges}
    nodes = {
        name: _described(layout, name, state, views, name in alive)
        for name in (MACHINE, *views)
        if name in alive or name in named
    }
    own = {source: [e for e in edges if e.source == source] for source in nodes}
    pairs = dict.fromkeys((e.source, e.target) for found in own.values() for e in found)
    return Graph(nodes, [e for pair in pairs for e in own[pair[0]] if e.target == pair[1]])


def dangling(of: Graph) -> list[Edge]:
    """The references to rows that are not live."""
    return [edge for edge in of.edges if not of.nodes[edge.target].live]


def around(of: Graph, names: Iterable[str]) -> list[Edge]:
    """The references from and to some nodes: their neighbourhood."""
    chosen = set(names)
    return [edge for edge in of.edges if edge.source in chosen or edge.target in chosen]


def label(program: Program, state: bytes, table: str, row: int) -> str:
    """How people name a row in a state: ``table[row]`` and its record's label, if it has one."""
    name = node(table, row)
    return _label(name, _views(program, state)[name])


def dot(of: Graph, title: str = "state") -> str:
    """The graph in the language of graphviz; what dangles is red and dashed, zeros are left out."""
    lines = [f"digraph {_quoted(title)} {{", "  rankdir=LR;", "  node [shape=box];"]
    for name, found in of.nodes.items():
        if name == MACHINE and not found.fields and not around(of, [MACHINE]):
            continue
        told = {key: value for key, value in found.fields.items() if value not in (False, 0)}
        rows = [found.label, *(f"{key} = {value}" for key, value in told.items())]
        look = "" if found.live else ", style=dashed, color=red"
        lines.append(f"  {_quoted(name)} [label={_quoted(chr(10).join(rows))}{look}];")
    for edge in of.edges:
        look = "" if of.nodes[edge.target].live else ", style=dashed, color=red"
        arrow = f"{_quoted(edge.source)} -> {_quoted(edge.target)}"
        lines.append(f"  {arrow} [label={_quoted(edge.role)}{look}];")
    return "\n".join([*lines, "}", ""])


def _views(program: Program, state: bytes) -> dict[str, Record]:
    store = program.store()
    store.load(state)
    return {
        node(table, row): rows[Id(row)]
        for table, rows in store.tables.items()
        for row in range(1, len(rows) + 1)
    }


def _cells(layout: Layout, name: str) -> Iterator[tuple[Column, int]]:
    """The columns that a node has a cell in, and its row in them."""
    if name == MACHINE:
        yield from ((column, 1) for column in layout.scalars.values())
        return
    table, _, row = name.rstrip("]").rpartition("[")
    yield from ((column, int(row)) for column in layout.tables[table].columns.values())


def _written(layout: Layout, name: str, state: bytes) -> bool:
    return any(
        raw_value(column, row, state) != first_value(column)
        for column, row in _cells(layout, name)
        if column.constants is None
    )


def _edges(layout: Layout, state: bytes) -> Iterator[Edge]:
    for column in layout.columns():
        if not isinstance(column.type, IdT | SetT):
            continue
        target = layout.table_of(column.type.record).name
        for row in range(1, column.rows + 1):
            raw = raw_value(column, row, state)
            source = node(column.table, row) if column.table else MACHINE
            if isinstance(column.type, IdT):
                rows = [raw] if raw else []
            else:
                rows = [bit + 1 for bit in range(raw.bit_length()) if raw >> bit & 1]
            yield from (Edge(source, column.name, node(target, each)) for each in rows)


def _described(
    layout: Layout, name: str, state: bytes, views: dict[str, Record], live: bool
) -> Node:
    values = {
        column.name: spelled(column.type, raw_value(column, row, state))
        for column, row in _cells(layout, name)
        if not isinstance(column.type, IdT | SetT)
    }
    return Node(MACHINE if name == MACHINE else _label(name, views[name]), values, live)


def _label(name: str, view: Record) -> str:
    if type(view).label is Record.label:
        return name
    try:
        said = view.label()
    except Crash:
        return name
    return f"{name} {said}"


def _quoted(text: str) -> str:
    escaped = text.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")
    return f'"{escaped}"'
