"""A machine as one Murphi model, for a model checker that shares nothing with ours."""

from __future__ import annotations

from typing import Final

from checkers.cells import raw_value
from checkers.frontend.parse import Parser
from checkers.murphi.actions import Rules
from checkers.murphi.lines import Lines
from checkers.murphi.ranges import Types
from checkers.murphi.routines import Functions
from spec.language.layout import BoolT, Column, SetT
from spec.language.program import Program

HEAD: Final = """\
-- Machine {machine}, bounds {bounds} ({values}){variant}.
-- Written by viommu-spec. For rumur: --deadlock-detection off --symmetry-reduction off.
--
-- The states, and the rules fired, are those of an exploration without renaming of data. Not here:
-- that the machine can be taken down, and what must be reachable. A bound of the model that cuts
-- an action off (a `limit`) only disables it.
"""


def murphi(program: Program) -> str:
    """The text of the model."""
    return _Model(program).text()


class _Model:
    def __init__(self, program: Program) -> None:
        self.program = program
        self.types = Types(program.layout)
        parser = Parser.of(program.layout)
        actions = {parser.function(rule.function) for rule in program.actions}
        self.functions = Functions(self.types, actions)
        refusals = [rule for rule in program.invariants.values() if rule.states == 2]
        self.rules = Rules(self.types, self.functions, parser, refusals)

    def text(self) -> str:
        """Declarations go before what needs them, and are known once that is written."""
        rest = self.rules.out
        for number, state in enumerate(self.program.initial()):
            self._start(rest, number, state)
        for rule in self.program.actions:
            self.rules.write(rule)
        for name, rule in self.program.invariants.items():
            if rule.states == 1:
                rest.line(f'invariant "{name}" {self.rules.always(rule, self.types.now)};')
        out = Lines()
        self._declarations(out)
        for part in (self.functions.constants.out, self.functions.text, rest):
            out.inside(part)
        return out.text()

    def _declarations(self, out: Lines) -> None:
        program, variant = self.program, self.program.variant
        values = ", ".join(f"{key}={value}" for key, value in program.bounds.values.items())
        head = HEAD.format(
            machine=program.machine.name, bounds=program.bounds_name, values=values,
            variant=f", variant {variant.name}" if variant else "",
        )  # fmt: skip
        out.lines(head.splitlines())
        with out.block("const", ""):
            self.types.constants(out)
        with out.block("type", ""):
            self.types.declarations(out)
        out.lines(["var", f"  {self.types.now}: {self.types.state};", ""])

    def _start(self, out: Lines, number: int, state: bytes) -> None:
        with out.block(f'startstate "init {number}"\nbegin', "end;"):
            out.line(f"clear {self.types.now};")
            for column in self.program.layout.columns():
                if column.constants is None:
                    for row in range(1, column.rows + 1):
                        self._cell(out, column, row, raw_value(column, row, state))
        out.line()

    def _cell(self, out: Lines, column: Column, row: int, raw: int) -> None:
        """One cell of an initial state, unless a cleared state has the same there."""
        store, now = self.types.store, self.types.now
        text = str(row) if column.table else ""
        if isinstance(column.type, SetT):
            members = (item + 1 for item in range(raw.bit_length()) if raw >> item & 1)
            out.cells(f"{store.place(column, text, now, str(x))} := true" for x in members)
        elif raw != (0 if isinstance(column.type, BoolT) else store.numbers()[0]):
            literal = self.types.literal(raw, column.type)
            out.line(f"{store.place(column, text, now)} := {literal};")
