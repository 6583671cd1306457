"""The types of a machine as Murphi types: subranges with names."""

from __future__ import annotations

from checkers.frontend import tree as t
from checkers.murphi.arrays import BITS, NUMBERS, Store
from checkers.murphi.identifiers import Names
from checkers.murphi.lines import Lines
from spec.language.layout import BoolT, EnumT, IdT, IntT, Layout, SortT

RANGE = "-1024..1023"
"""Ints between two fields; what does not fit a field is found when it is stored."""

LEFT = "-1023..1023"
"""Host calls left before the one that fails; negative once it has failed, or if none is to."""


class Types:
    """Names of types and of the members of enumerations, each declared once it is asked for.

    `state` and `run` are the types of a state and of what a running action works on, `now` is the
    variable that holds the state.
    """

    def __init__(self, layout: Layout) -> None:
        self.layout = layout
        self.names = Names()
        self.state, self.run, self.now = (self.names.give(x) for x in ("State", "Running", "now"))
        self.number = self.names.give("Number")
        self._declared: dict[EnumT | IdT | SortT, tuple[str, str]] = {}
        self._members: dict[tuple[EnumT, int], str] = {}
        self.store = Store(layout, self.names)

    def of(self, kind: t.Type) -> str:
        """The name of a type of plain values; a row is its id."""
        match kind:
            case BoolT():
                return "boolean"
            case IntT():
                return self.number
            case t.RowT(table):
                return self.of(IdT(self.layout.tables[table].record))
            case EnumT() | IdT() | SortT():
                kind = SortT(kind.cls) if isinstance(kind, SortT) else kind
                if kind not in self._declared:
                    self._declared[kind] = self._named(kind)
                return self._declared[kind][0]
        raise TypeError(f"{kind} is no type of values")

    def _named(self, kind: EnumT | IdT | SortT) -> tuple[str, str]:
        match kind:
            case EnumT(cls):
                for member in cls:
                    name = self.names.give(f"{cls.__name__}_{member.name}")
                    self._members[kind, int(member)] = name
                return self.names.give(cls.__name__), f"0..{int(max(cls))}"
            case IdT(record):
                rows = self.layout.table_of(record).rows
                return self.names.give(f"{record.__name__}Id"), f"0..{rows}"
            case SortT(cls):
                return self.names.give(cls.__name__), f"0..{self.layout.carrier(cls)}"

    def literal(self, value: int, kind: t.Type) -> str:
        """A value as text: a member of an enumeration by its name."""
        if isinstance(kind, BoolT):
            return "true" if value else "false"
        if isinstance(kind, EnumT):
            self.of(kind)
            return self._members.get((kind, value), str(value))
        return f"({value})" if value < 0 else str(value)

    def domain(self, kind: t.Type) -> str:
        """The values of a parameter, as the range of a quantifier or a ruleset."""
        match kind:
            case BoolT():
                return "boolean"
            case EnumT(cls):
                return f"{int(min(cls))}..{int(max(cls))}"
            case IntT(lo, hi):
                return f"{lo}..{hi}"
            case IdT() | SortT():
                values = self.layout.domain(kind)
                return f"{values[0]}..{values[-1]}"
        raise TypeError(f"{kind} is no type of a parameter")

    def member(self, name: str, kind: t.Type) -> str:
        """That a parameter is one of its values, where its range has others; empty if not."""
        if not isinstance(kind, EnumT):
            return ""
        if len(kind.cls) == int(max(kind.cls)) - int(min(kind.cls)) + 1:
            return ""
        values = (f"{name} = {self.literal(int(member), kind)}" for member in kind.cls)
        return f"({' | '.join(values)})"

    def constants(self, out: Lines) -> None:
        """The members of the enumerations, and where the columns of the state begin."""
        pairs = ((name, value) for (_, value), name in self._members.items())
        out.cells(f"{name}: {value}" for name, value in [*pairs, *self.store.bases.items()])

    def declarations(self, out: Lines) -> None:
        """All named types, the state and the run last."""
        low, high = self.store.numbers()
        arrays = {NUMBERS: f"{low}..{high}", BITS: "boolean"}
        out.line(f"{self.number}: {RANGE};")
        out.cells(f"{name}: {values}" for name, values in self._declared.values())
        with out.block(f"{self.state}: record", "end;"):
            for name, kind in arrays.items():
                if self.store.sizes[name]:
                    out.line(f"{name}: array [1..{self.store.sizes[name]}] of {kind};")
        with out.block(f"{self.run}: record", "end;"):
            out.cells((f"s: {self.state}", "going: boolean", f"left: {LEFT}"))
