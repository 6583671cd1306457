"""The object graph of a state, from its declared types alone: every reference is an edge.

networkx comes when a graph is made: most commands make none, and it takes its time and memory.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from checkers.cells import first_value, raw_value, spelled
from spec.language.control import Crash
from spec.language.layout import Column, IdT, Layout, SetT
from spec.language.program import Program
from spec.language.types import Id, Record

if TYPE_CHECKING:
    from networkx import MultiDiGraph

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


def node(table: str, row: int) -> str:
    """The name of a row's node."""
    return f"{table}[{row}]"


def graph(program: Program, state: bytes) -> MultiDiGraph:
    """The live rows of a state and their references.

    A row is live if its record's own ``live(self) -> bool`` says so; without one, if a field of it
    that is no constant is not at its first value, or a live row refers to it. Nodes have `kind`,
    `label`, `fields`, `live`; a row that is not live is a node only if a live one refers to it.
    Edges have their field's name as key and as `role`.
    """
    from networkx import MultiDiGraph

    layout = program.layout
    views = _views(program, state)
    says = {
        name: bool(view.live())  # type: ignore[attr-defined]
        for name, view in views.items()
        if callable(getattr(type(view), "live", None))
    }
    reached = [MACHINE, *(name for name, yes in says.items() if yes)]
    reached += [n for n in views if n not in says and _written(layout, n, state)]
    drawn: MultiDiGraph = MultiDiGraph()
    edges = list(_edges(layout, state))
    alive: dict[str, None] = {}
    while reached:
        name = reached.pop()
        if name not in alive:
            alive[name] = None
            reached += [e.target for e in edges if e.source == name and says.get(e.target, True)]
    for name in (MACHINE, *views):
        if name in alive or any(e.target == name and e.source in alive for e in edges):
            drawn.add_node(name, **_described(layout, name, state, views), live=name in alive)
    for edge in edges:
        if edge.source in alive:
            drawn.add_edge(edge.source, edge.target, key=edge.role, role=edge.role)
    return drawn


def references(of: MultiDiGraph) -> list[Edge]:
    """All edges of a graph, in the order of the declarations."""
    return [Edge(source, role, target) for source, target, role in of.edges(keys=True)]


def dangling(of: MultiDiGraph) -> list[Edge]:
    """The references to rows that are not live."""
    return [edge for edge in references(of) if not of.nodes[edge.target]["live"]]


def referrers(of: MultiDiGraph, target: str) -> list[Edge]:
    """The references to one node."""
    return [edge for edge in references(of) if edge.target == target]


def unreachable(of: MultiDiGraph, roots: Iterable[str]) -> list[str]:
    """The live rows that no chain of references from `roots` leads to."""
    from networkx import descendants

    seen = set(roots) | {MACHINE}
    for root in list(seen):
        if root in of:
            seen |= descendants(of, root)
    return [name for name in of.nodes if name not in seen and of.nodes[name]["live"]]


def around(of: MultiDiGraph, names: Iterable[str]) -> list[Edge]:
    """The references from and to some nodes: their neighbourhood."""
    chosen = set(names)
    return [edge for edge in references(of) if edge.source in chosen or edge.target in chosen]


def label(program: Program, state: bytes, table: str, row: int) -> str:
    """How people name a row in a state: ``table[row]`` and its record's label, if it has one."""
    name = node(table, row)
    return _label(name, _views(program, state)[name])


def dot(of: MultiDiGraph, title: str = "state") -> str:
    """The graph in the language of graphviz; what dangles is red and dashed, zeros are left out."""
    lines = [f"digraph {_quoted(title)} {{", "  rankdir=LR;", "  node [shape=box];"]
    for name, data in of.nodes(data=True):
        if name == MACHINE and not data["fields"] and not of.degree(name):
            continue
        told = {key: value for key, value in data["fields"].items() if value not in (False, 0)}
        rows = [data["label"], *(f"{key} = {value}" for key, value in told.items())]
        look = "" if data["live"] else ", style=dashed, color=red"
        lines.append(f"  {_quoted(name)} [label={_quoted(chr(10).join(rows))}{look}];")
    for edge in references(of):
        look = "" if of.nodes[edge.target]["live"] else ", style=dashed, color=red"
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


def _described(layout: Layout, name: str, state: bytes, views: dict[str, Record]) -> dict[str, Any]:
    values = {
        column.name: spelled(column.type, raw_value(column, row, state))
        for column, row in _cells(layout, name)
        if not isinstance(column.type, IdT | SetT)
    }
    if name == MACHINE:
        return {"kind": layout.state.__name__, "label": MACHINE, "fields": values}
    view = views[name]
    kind = type(view).__mro__[1].__name__
    return {"kind": kind, "label": _label(name, view), "fields": values}


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
