"""Guards, checks, bounds, and the host that may say no: the verbs of an action."""

from __future__ import annotations

import functools
import inspect
import string
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from enum import IntEnum
from typing import Any, ParamSpec, TypeVar, get_args, get_origin, get_type_hints

from spec.language.errors import refuse
from spec.language.types import NONE, Id, Record, Table

P = ParamSpec("P")
T = TypeVar("T")


class Disabled(Exception):
    """A guard was false: the action is not enabled with these parameters."""


class Cut(Exception):
    """A bound of the model, not of the system, stopped the action."""

    def __init__(self, bound: str) -> None:
        super().__init__(bound)
        self.bound = bound


class Crash(Exception):
    """A check failed: the real code would assert or go wrong here."""

    def __init__(self, why: str) -> None:
        super().__init__(why)
        self.why = why


def require(condition: bool) -> None:
    """Guard: if false, the action is not enabled."""
    if not condition:
        raise Disabled


def check(condition: bool, why: str) -> None:
    """What the real code would assert or die of: if false, a violation named `why`."""
    if not condition:
        raise Crash(why)


def limit(condition: bool, bound: str) -> None:
    """Guard of the model alone: if false the action is cut off here and `bound` counts as met."""
    if not condition:
        raise Cut(bound)


@dataclass
class HostCall:
    """One call of the host in a run: its arguments, its result, and the event it is declared with.

    `spelled` has the text of each argument, and of ``ret`` and ``out``, as it was at the call: a
    row is spelled by its label, if its record has one, for the row may be another object later.
    Empty unless the run was asked to spell its calls.
    """

    name: str
    arguments: dict[str, Any]
    result: Any
    injected: bool
    event: str
    spelled: dict[str, str]

    def text(self) -> str:
        """The event as QEMU's trace-events spell it."""
        return self.event.format_map(self.spelled)


@dataclass
class Fault:
    """Which host call of an action fails: the `index`-th (from 1), or none of them (0).

    An action has at most one parameter of this type. A fault that no call consumes disables the
    action, so each failing call is exactly one transition. `spelling` has the calls keep their
    texts, which takes as long as the rest of a run.
    """

    index: int = 0
    calls: int = 0
    log: list[HostCall] = field(default_factory=list)
    spelling: bool = False

    def strikes(self) -> bool:
        """Count one host call; true if it is the one to fail."""
        self.calls += 1
        return self.calls == self.index


@dataclass(frozen=True)
class Options:
    """The rows of a table that one call of `fresh` could take, two or more, in row order.

    The last is 0 if for a later row the condition fails a check: who looks at all rows sees that,
    who takes the first does not.
    """

    table: str
    rows: tuple[int, ...]


@dataclass
class Choices:
    """Which rows the calls of `fresh` in one run take: `ids` in turn, and then the first ones.

    Only calls with several `options` count.
    """

    ids: tuple[int, ...] = ()
    options: list[Options] = field(default_factory=list)

    def take(self, rows: Iterable[Id[Any]]) -> Id[Any]:
        """The row that this call takes. An id that is no candidate disables the action."""
        found: list[Id[Any]] = []
        failed = None
        try:
            found.extend(rows)
        except Crash as crash:
            failed = crash
        if failed and not found:
            raise failed
        if not failed and len(found) < 2:
            return found[0] if found else NONE
        turn = len(self.options)
        options = Options(found[0].table, (*map(int, found), *([0] if failed else [])))
        self.options.append(options)
        wanted = self.ids[turn] if turn < len(self.ids) else options.rows[0]
        require(wanted in options.rows)
        if failed and wanted == 0:
            raise failed
        return Id(wanted)


@dataclass(frozen=True)
class HostCallSpec:
    """What `host_call` declares of a function: event text, the errno of a refusal, result arity."""

    name: str
    event: str
    fails: IntEnum
    arity: int


def host_call(event: str, *, fails: IntEnum) -> Callable[[Callable[P, T]], Callable[P, T]]:
    """Declare a function as one call of the host, which may fail for reasons outside the model.

    The function takes ``fault: Fault`` and returns an errno, or a tuple that begins with one. When
    the fault strikes, the body does not run and the answer is `fails` (and zeros). `event` is the
    line of QEMU's trace-events: its first word is the name, ``{argument}`` the function's own
    arguments, ``{ret}`` the errno, ``{out}`` the second element of the answer.
    """

    def declare(function: Callable[P, T]) -> Callable[P, T]:
        parameters = list(inspect.signature(function).parameters)
        if "fault" not in parameters:
            raise refuse(function, "a host call takes a parameter `fault: Fault`")
        position = parameters.index("fault")
        hints = get_type_hints(function)

        @functools.wraps(function)
        def call(*args: P.args, **kwargs: P.kwargs) -> T:
            fault: Fault = args[position]  # type: ignore[assignment]
            values = dict(zip(parameters, args, strict=True))
            spelled = {
                name: _spell(args[0], value, hints.get(name))
                for name, value in values.items()
                if fault.spelling and name in places
            }
            struck = fault.strikes()
            if struck:
                result: Any = fails if spec.arity == 1 else (fails, *([0] * (spec.arity - 1)))
            else:
                result = function(*args, **kwargs)
            if fault.spelling:
                spelled |= _answer(args[0], result if spec.arity > 1 else (result, 0), returned)
            fault.log.append(HostCall(spec.name, values, result, struck, spec.event, spelled))
            return result  # type: ignore[no-any-return]

        spec = HostCallSpec(event.split()[0], event, fails, _arity(function))
        returned = get_args(hints.get("return"))[1] if spec.arity > 1 else None
        places = {name for _, name, _, _ in string.Formatter().parse(event) if name is not None}
        for name in sorted(places - {*parameters, "ret", *(["out"] if spec.arity > 1 else [])}):
            raise refuse(function, f"the event names {{{name}}}, which is no argument of the call")
        call.__host_call__ = spec  # type: ignore[attr-defined]
        return call

    return declare


def _arity(function: Callable[..., Any]) -> int:
    answer = get_type_hints(function).get("return")
    elements = getattr(answer, "__args__", None)
    return len(elements) if elements and getattr(answer, "__origin__", None) is tuple else 1


def _spell(s: Any, value: Any, hint: Any) -> str:
    """The text of a value in an event: an enum by its name, a row by its label if it has one."""
    if get_origin(hint) is Id and value != 0:
        name = _table_name(type(s).__base__, get_args(hint)[0])
        value = getattr(s, name)[value] if name else value
    if isinstance(value, Record):
        if type(value).label is Record.label:
            return str(int(value.id))
        try:
            return value.label()
        except Crash:
            return str(int(value.id))
    return value.name if isinstance(value, IntEnum) else str(int(value))


def _answer(s: Any, result: tuple[Any, ...], returned: Any) -> dict[str, str]:
    """The text of an answer: the errno as ``ret``, what was made as ``out``."""
    ret, out = result[:2]
    errno = f"-{ret.name}" if ret and isinstance(ret, IntEnum) else str(int(ret))
    return {"ret": errno, "out": _spell(s, out, returned)}


@functools.cache
def _table_name(state: type, record: Any) -> str:
    """The table of `record` in a state type, or of one derived from it; empty if there is none."""
    for name, hint in get_type_hints(state).items():
        if get_origin(hint) is Table and issubclass(get_args(hint)[0], record):
            return name
    return ""
