"""A whole machine, read before any engine runs: what is not in the language is refused once."""

from __future__ import annotations

from checkers.frontend.parse import Parser
from checkers.frontend.scalarsets import declared
from spec.language.program import Linked, Program


def read(program: Program) -> None:
    """Read every function of a program, its initial states and what it says of its symmetry.

    Raises `LanguageError`. Functions are kept by `Parser.of`, so to read them again costs nothing.
    """
    parser = Parser.of(program.layout)
    rules: list[Linked | None] = [program.init, *program.actions, *program.invariants.values()]
    rules += [*program.witness_rules.values(), program.empty, program.rank]
    for rule in rules:
        if rule is not None:
            parser.function(rule.function)
    program.initial()
    if program.variant is None:
        declared(program)
