"""Which locals a statement reads, and which of those that a loop binds are read after it."""

from __future__ import annotations

from collections.abc import Sequence

from checkers.frontend import tree as t


def names_read(thing: object) -> set[str]:
    """The locals that an expression reads, those that its quantifiers bind not among them."""
    match thing:
        case t.Local(name, _):
            return {name}
        case t.Quantified(name=name):
            return set().union(*map(names_read, t.parts(thing))) - {name}
    return set().union(*map(names_read, t.parts(thing)))


def read_after(body: Sequence[t.Stmt], loop: t.For) -> set[str] | None:
    """The locals that may be read after a loop in `body` with the value that it left.

    None if it is not there. A loop around it comes again to what is before it.
    """
    for index, statement in enumerate(body):
        found: set[str] | None = None
        if statement is loop:
            found = set()
        elif isinstance(statement, t.For):
            found = read_after(statement.body, loop)
            if found is not None:
                found |= _read_first(statement.body)[0] - {statement.name}
        elif isinstance(statement, t.If):
            found = read_after(statement.then, loop)
            found = read_after(statement.other, loop) if found is None else found
        if found is not None:
            return found | _read_first(body[index + 1 :])[0]
    return None


def _read_first(body: Sequence[t.Stmt]) -> tuple[set[str], set[str]]:
    """The locals that are read before they are bound, and those that are bound in any case."""
    read, sure = set[str](), set[str]()
    for statement in body:
        match statement:
            case t.Assign(names, value):
                read |= names_read(value) - sure
                sure |= set(names)
            case t.If(test, then, other):
                (one, bound_one), (two, bound_two) = _read_first(then), _read_first(other)
                read |= (names_read(test) | one | two) - sure
                sure |= bound_one & bound_two
            case t.For(name=name, body=inner):
                read |= _read_first(inner)[0] - {name} - sure
            case _:
                read |= names_read(statement) - sure
    return read, sure
