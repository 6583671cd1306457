"""The whole program: the state, what it is written against, the functions, the search."""

from __future__ import annotations

from dataclasses import dataclass
from importlib.resources import files

from checkers.explore.native.c_functions import CFunctions, sizes_of_tuples
from checkers.explore.native.c_lines import Code
from checkers.explore.native.c_state import CState, Renamed
from checkers.explore.native.c_steps import CSteps
from checkers.frontend import tree as t
from checkers.frontend.effects import Effects
from checkers.frontend.parse import Parser
from spec.language.program import Program

HEADERS = (
    "errno.h", "fcntl.h", "pthread.h", "setjmp.h", "stdatomic.h", "stdint.h", "stdlib.h",
    "string.h", "sys/mman.h", "time.h", "unistd.h",
)  # fmt: skip


@dataclass(frozen=True)
class CProgram:
    """The text, and the names behind its numbers: rules in order, bounds of the model.

    `state_bytes` are those of a state as Python has it.
    """

    text: str
    state_bytes: int
    actions: tuple[str, ...]
    always: tuple[str, ...]
    refusals: tuple[str, ...]
    witnesses: tuple[str, ...]
    bounds: tuple[str, ...]


def c_program(program: Program, renamed: Renamed, wanted: list[str]) -> CProgram:
    """The C program that explores a machine and looks at the wanted rules."""
    parser = Parser.of(program.layout)
    state = CState(program.layout, renamed)
    functions = CFunctions(state, Effects())
    steps = CSteps(program, parser, functions)
    for number, action in enumerate(program.actions):
        steps.action(number, action)
    rules = {name: program.invariants[name] for name in wanted if name in program.invariants}
    always = [name for name, rule in rules.items() if rule.states == 1]
    refusals = [name for name, rule in rules.items() if rule.states == 2]
    for kind, names in (("rules", always), ("refusals", refusals)):
        rows = [(f"{kind}__{n}", rules[name]) for n, name in enumerate(names)]
        steps.table(kind, [(name, steps.rule(name, rule)) for name, rule in rows])
    seen = list(program.witness_rules)
    rows = [(f"witnesses__{n}", program.witness_rules[name]) for n, name in enumerate(seen)]
    steps.table("witnesses", [(name, steps.rule(name, rule)) for name, rule in rows])
    if program.empty is None:
        steps.out.line("static int empty(run *x, state *s, state *after)")
        steps.out.line("{ (void)x; (void)s; (void)after; return 1; }")
    else:
        steps.rule("empty", program.empty)
    out = Code()
    _head(out, program, state, functions, (len(always), len(refusals), len(seen)), parser)
    out.line(functions.out.text())
    out.line("typedef struct { int (*holds)(run *, state *, state *); uint64_t reads; } rule_text;")
    out.line(steps.out.text())
    count = len(program.actions)
    expanders = ", ".join(f"expand_{n}" for n in range(count))
    out.line(f"static void (*const expanders[])(run *) = {{{expanders}}};")
    down = ", ".join(str(int(a.name in program.teardown_actions)) for a in program.actions)
    out.line(f"static const uint8_t tears_down[] = {{{down}}};")
    for name in ("space.c", "search.c", "interface.c", "partition.c"):
        out.line(_file(name))
    bounds = tuple(functions.bounds.texts)
    actions = tuple(action.name for action in program.actions)
    size = max(1, program.layout.size)
    return CProgram(
        out.text(), size, actions, tuple(always), tuple(refusals), tuple(seen), bounds
    )


def _head(
    out: Code, program: Program, state: CState, functions: CFunctions,
    counts: tuple[int, int, int], parser: Parser,
) -> None:
    """Everything that comes before the functions."""
    out.line("#define _GNU_SOURCE")
    for header in HEADERS:
        out.line(f"#include <{header}>")
    out.line()
    numbers = dict(zip(("RULES", "FAILURES", "WITNESSES"), counts, strict=True))
    numbers |= {"ACTIONS": len(program.actions), "BOUNDS": len(functions.bounds.texts)}
    numbers["TOO_MANY_CHOICES"] = 0
    out.line(f"enum {{ {', '.join(f'{name} = {value}' for name, value in numbers.items())} }};")
    out.line()
    state.structure(out)
    state.graph(out)
    out.line(_file("packed.c"))
    out.line(_file("runtime.h"))
    for size in sorted(sizes_of_tuples(_functions(program, parser))):
        out.line(f"typedef struct {{ int v[{size}]; }} several{size};")
    state.constants(out)
    if state.renamed.tables:
        out.line(_file("canonical.c"))
        out.line(_file("choose.c"))
    state.canonical(out)


def _functions(program: Program, parser: Parser) -> list[t.Function]:
    """Every function that is reached."""
    rules = [*program.actions, *program.invariants.values(), *program.witness_rules.values()]
    rules += [rule for rule in (program.empty,) if rule is not None]
    todo = [parser.function(rule.function) for rule in rules]
    seen: dict[t.Function, None] = {}
    while todo:
        function = todo.pop()
        if function not in seen:
            seen[function] = None
            todo += function.called
    return list(seen)


def _file(name: str) -> str:
    return files("checkers.explore.native").joinpath(name).read_text(encoding="utf-8")
