"""What the declarations of a specification say of themselves: fields, guards, calls, host calls."""

from __future__ import annotations

import ast
import inspect
import textwrap
from collections.abc import Iterator
from dataclasses import dataclass
from enum import IntEnum
from types import CodeType, FunctionType
from typing import Annotated, Any, get_args, get_origin, get_type_hints

from spec.language import Fault, Id, IdSet, Machine, Range, Record, Sort, Table
from spec.language.control import HostCallSpec
from spec.language.machine import Function
from spec.language.types import Const, Nullable


@dataclass(frozen=True)
class Field:
    """A field as the book shows it: its name, its values in words, whether the bounds fix it."""

    name: str
    values: str
    constant: bool


def fields(owner: type) -> list[Field]:
    """The fields of a record, or the scalars of a state."""
    hints = get_type_hints(owner, include_extras=True)
    return [
        Field(name, words(hint), any(isinstance(mark, Const) for mark in get_args(hint)[1:]))
        for name, hint in hints.items()
        if not name.startswith("_") and get_origin(hint) is not Table
    ]


def tables(machine: Machine) -> dict[str, type[Record]]:
    """The tables of a machine's state and what their rows are."""
    hints = get_type_hints(machine.state)
    return {name: get_args(hint)[0] for name, hint in hints.items() if get_origin(hint) is Table}


def words(hint: Any) -> str:
    """The values of an annotation in words."""
    marks = get_args(hint)[1:] if get_origin(hint) is Annotated else ()
    base = get_args(hint)[0] if marks else hint
    for mark in marks:
        if isinstance(mark, Range):
            return f"{mark.lo} to {mark.hi}"
    if get_origin(base) is Id:
        return f"id of {get_args(base)[0].__name__}, or none"
    if get_origin(base) is IdSet:
        return f"set of ids of {get_args(base)[0].__name__}"
    if isinstance(base, type) and issubclass(base, Sort):
        nullable = any(isinstance(mark, Nullable) for mark in marks)
        return f"value of {base.__name__}{', or null' if nullable else ''}"
    return "true or false" if base is bool else str(base.__name__)


def enums(machine: Machine) -> list[type[IntEnum]]:
    """The enumerations in the fields and parameters of a machine, each once, by name."""
    owners: list[Any] = [machine.state, *tables(machine).values(), machine.init, *machine.actions]
    return _types(owners, IntEnum)


def sorts(machine: Machine) -> list[type[Sort]]:
    """The data sorts in the fields and parameters of a machine, each once, by name."""
    owners: list[Any] = [machine.state, *tables(machine).values(), machine.init, *machine.actions]
    return _types(owners, Sort)


def source(function: Function) -> str:
    """The full text of a function with its decorators."""
    return textwrap.dedent(inspect.getsource(inspect.unwrap(function)))


def parameters(function: Function) -> list[Field]:
    """The parameters of an action, of which each combination of values is a transition."""
    hints = get_type_hints(inspect.unwrap(function), include_extras=True)
    found = []
    for name in list(inspect.signature(function).parameters)[1:]:
        if hints[name] is Fault:
            found.append(Field(name, "which of the host calls is refused, or none", False))
        else:
            never_none = get_origin(hints[name]) is Id
            values = words(hints[name])
            values = values.removesuffix(", or none") if never_none else values
            found.append(Field(name, values, False))
    return found


def guards(function: Function) -> list[str]:
    """The conditions of the `require`s with which a function begins, its own or of one it calls."""
    found: list[str] = []
    for statement in _tree(function).body:
        match statement:
            case ast.Expr(ast.Constant()) | ast.Assign(targets=[ast.Name()]) | ast.AnnAssign():
                continue
            case ast.Expr(ast.Call(ast.Name("require"), [condition])):
                segment = ast.get_source_segment(source(function), condition) or ""
                found.append(" ".join(segment.split()))
            case ast.Expr(ast.Call(ast.Name(name), arguments)):
                called = inspect.unwrap(function).__globals__.get(name)
                if not _only_guards(called, [ast.unparse(item) for item in arguments]):
                    break
                found += guards(called)
            case _:
                break
    return found


def _only_guards(function: Any, arguments: list[str]) -> bool:
    """Whether a function is nothing but `require`s, and is called in the words it is written in."""
    if not _is_spec(function):
        return False
    node = _tree(function)
    body = [item for item in node.body if not isinstance(getattr(item, "value", 0), ast.Constant)]
    same = [item.arg for item in node.args.args] == arguments
    return same and len(guards(function)) == len(body)


def calls(function: Function) -> list[Function]:
    """The functions of the specification that a function calls, each once, by name."""
    plain = inspect.unwrap(function)
    values = (plain.__globals__.get(name) for name in sorted(_names(plain.__code__)))
    found = {id(value): value for value in values if _is_spec(value)}
    return [value for value in found.values() if value is not function]


def reached(function: Function) -> list[Function]:
    """The functions that a function calls, those that these call, and so on, each once."""
    found: dict[Function, None] = {}
    pending = calls(function)
    while pending:
        item = pending.pop(0)
        if item not in found:
            found[item] = None
            pending.extend(calls(item))
    return list(found)


def host_calls(function: Function) -> list[HostCallSpec]:
    """The host calls that an action may make, by name."""
    specs = [getattr(item, "__host_call__", None) for item in (function, *reached(function))]
    return sorted((spec for spec in specs if spec is not None), key=lambda spec: str(spec.name))


def _types(owners: list[Any], base: type) -> list[Any]:
    found: dict[str, Any] = {}
    for owner in owners:
        for hint in get_type_hints(inspect.unwrap(owner)).values():
            for item in (hint, *get_args(hint)):
                if isinstance(item, type) and issubclass(item, base):
                    found[item.__name__] = item
    return [found[name] for name in sorted(found)]


def _tree(function: Function) -> ast.FunctionDef:
    node = ast.parse(source(function)).body[0]
    assert isinstance(node, ast.FunctionDef)
    return node


def _is_spec(value: Any) -> bool:
    return isinstance(value, FunctionType) and not value.__module__.startswith("spec.language")


def _names(code: CodeType) -> Iterator[str]:
    yield from code.co_names
    for constant in code.co_consts:
        if isinstance(constant, CodeType):
            yield from _names(constant)
