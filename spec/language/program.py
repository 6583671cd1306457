"""A machine made ready to run: a layout for its bounds, and its functions linked with a variant's.

Linking copies every function an action reaches and gives the copy a global name space in which the
overridden functions are replaced, so a variant changes one small function and every caller sees it,
without any dispatch in the text of the specification.
"""

from __future__ import annotations

import builtins
import inspect
import itertools
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from enum import Enum
from types import CodeType, FunctionType
from typing import Any, get_type_hints

from spec.language.control import Choices, Crash, Cut, Disabled, Fault, HostCall, Options, host_call
from spec.language.errors import LanguageError, refuse
from spec.language.layout import IdT, Layout, SetT, Shape, ValueT
from spec.language.machine import Bounds, Function, Machine, Variant, Witness, refuse_twins
from spec.language.store import Store
from spec.language.types import ALLOCATOR, Id


class Kind(Enum):
    """How a run of an action ended."""

    DONE = "done"
    DISABLED = "disabled"
    CUT = "cut"
    CRASH = "crash"


@dataclass(frozen=True)
class Outcome:
    """One run: how it ended, the state after it, the errno it reported, the host calls it made.

    `why` names the failed check of a crash or the bound of a cut. After a crash `state` is what was
    there when the check failed. `begun` counts the host calls however the run ended; one in which a
    guard was false or a check failed has no answer, and is not among `calls`. `options` are the
    rows that each call of `fresh` with several could take, if the run was given `ids`.
    """

    kind: Kind
    state: bytes
    result: int = 0
    why: str = ""
    calls: tuple[HostCall, ...] = ()
    begun: int = 0
    options: tuple[Options, ...] = ()


@dataclass(frozen=True)
class Parameter:
    """One parameter of an action and its finite domain when explored."""

    name: str
    type: ValueT


@dataclass(frozen=True)
class Linked:
    """A linked function with typed parameters: an action, an initialiser or a predicate."""

    name: str
    function: Function
    parameters: tuple[Parameter, ...]
    fault: bool = False
    states: int = 1

    def instances(self, layout: Layout) -> Iterator[tuple[int, ...]]:
        """Every combination of the parameters' values, the fault not among them."""
        return itertools.product(*(layout.domain(item.type) for item in self.parameters))


@dataclass(frozen=True)
class Program:
    """A machine with bounds and, if any, a variant: what every engine reads."""

    machine: Machine
    bounds_name: str
    bounds: Bounds
    layout: Layout
    variant: Variant | None
    init: Linked
    actions: tuple[Linked, ...]
    invariants: Mapping[str, Linked]
    witnesses: tuple[Witness, ...]
    witness_rules: Mapping[str, Linked]
    teardown_actions: tuple[str, ...]
    empty: Linked | None
    rank: Linked | None
    _stores: list[Store] = field(default_factory=list, repr=False)

    @property
    def without(self) -> frozenset[str]:
        """The witnesses and actions that the bounds, or the variant, keep away."""
        return frozenset(self.bounds.without + (self.variant.without if self.variant else ()))

    def action(self, name: str) -> Linked:
        """The action of that name; KeyError if there is none."""
        for action in self.actions:
            if action.name == name:
                return action
        raise KeyError(name)

    def store(self) -> Store:
        """A fresh mutable state of this program."""
        return Store(self.layout)

    def initial(self) -> list[bytes]:
        """The frozen initial states, in the order of `init`'s parameters, each once."""
        found: dict[bytes, None] = {}
        for values in self.init.instances(self.layout):
            store = self.store()
            store.clear()
            outcome = self.run(self.init, store.freeze(), values)
            if outcome.kind is Kind.CRASH:
                raise refuse(self.machine.init, f"init fails a check: {outcome.why}")
            if outcome.kind is Kind.DONE:
                found[outcome.state] = None
        if not found:
            why = "init requires, or is limited to, what none of its parameters' values is"
            raise refuse(self.machine.init, f"{why}: there is no initial state")
        return list(found)

    def run(
        self,
        linked: Linked,
        state: bytes,
        values: tuple[int, ...],
        fault: int = 0,
        spelling: bool = False,
        ids: tuple[int, ...] | None = None,
    ) -> Outcome:
        """Run an action on a frozen state. A fault that no call consumed disables it.

        With `spelling` the host calls keep their text, for a trace. With `ids` the calls of `fresh`
        take these rows and not always the first; ids that no call took disable the action, too.
        """
        store = self._store(0)
        store.load(state)
        context, choices = Fault(fault, spelling=spelling), Choices(ids or ())
        token = None if ids is None else ALLOCATOR.set(choices.take)
        kind, result, why = Kind.DONE, 0, ""
        try:
            arguments = [*self.arguments(linked, values), *([context] if linked.fault else [])]
            result = int(linked.function(store.state, *arguments) or 0)
        except Disabled:
            kind = Kind.DISABLED
        except Cut as cut:
            kind, why = Kind.CUT, cut.bound
        except Crash as crash:
            kind, why = Kind.CRASH, crash.why
        finally:
            if token is not None:
                ALLOCATOR.reset(token)
        if context.calls < fault or len(choices.options) < len(choices.ids):
            kind, result, why = Kind.DISABLED, 0, ""
        after = store.freeze() if kind in (Kind.DONE, Kind.CRASH) else state
        calls, options = tuple(context.log), tuple(choices.options)
        return Outcome(kind, after, result, why, calls, context.calls, options)

    def evaluate(self, linked: Linked, *states: bytes, values: tuple[int, ...] = ()) -> Any:
        """The value of a predicate (or rank) on one or two states, with its further parameters.

        A failed check inside a predicate makes it false.
        """
        views = []
        for index, frozen in enumerate(states):
            store = self._store(index)
            store.load(frozen)
            views.append(store.state)
        try:
            return linked.function(*views, *self.arguments(linked, values))
        except Crash:
            return False

    def arguments(self, linked: Linked, values: tuple[int, ...]) -> list[Any]:
        """Plain values (ints) as the typed values an action takes."""
        typed: list[Any] = []
        for parameter, value in zip(linked.parameters, values, strict=True):
            cls = getattr(parameter.type, "cls", None)
            typed.append(
                Id(value) if isinstance(parameter.type, IdT) else cls(value) if cls else value
            )
        return typed

    def _store(self, index: int) -> Store:
        while len(self._stores) <= index:
            self._stores.append(self.store())
        return self._stores[index]


def build(
    machine: Machine,
    bounds: str | Bounds,
    variant: Variant | None = None,
    values: Mapping[str, int] | None = None,
) -> Program:
    """Link a machine with named bounds (some `values` changed) and a variant.

    Raises `LanguageError` for a declaration outside the language, KeyError for unknown bounds.
    """
    given = machine.bounds[bounds] if isinstance(bounds, str) else bounds
    name = bounds if isinstance(bounds, str) else "custom"
    numbers = dict(given.values)
    if values and any(numbers.get(key) != value for key, value in values.items()):
        numbers.update(values)
        given, name = Bounds(numbers, "given on the command line"), "custom"
    refuse_twins(machine)
    layout = _layout(machine, numbers)
    linker = _Linker(machine.copies, dict(variant.overrides) if variant else {})

    def linked(function: Function, states: int = 1) -> Linked:
        return replace(_linked(linker.link(function), layout, states), name=function.__name__)

    teardown = machine.teardown
    program = Program(
        machine=machine,
        bounds_name=name,
        bounds=given,
        layout=layout,
        variant=variant,
        init=linked(machine.init),
        actions=tuple(linked(function) for function in machine.actions),
        invariants={
            item.name: linked(item.function, 2 if item.kind == "on-failure" else 1)
            for item in machine.invariants
        },
        witnesses=machine.witnesses(),
        witness_rules={item.name: linked(item.function) for item in machine.witnesses()},
        teardown_actions=tuple(f.__name__ for f in teardown.actions) if teardown else (),
        empty=linked(teardown.empty) if teardown else None,
        rank=linked(teardown.rank) if teardown else None,
    )
    for original, override in linker.overrides.items():
        if original not in linker.used:
            raise refuse(
                override, f"machine {machine.name} never calls {original.__name__}, overridden here"
            )
    return program


def _layout(machine: Machine, numbers: Mapping[str, int]) -> Layout:
    """The layout of a state: one for all programs of the same numbers."""
    key = tuple(numbers.items())
    if key not in machine.layouts:
        machine.layouts[key] = Layout(machine.state, _shape(machine, numbers), numbers)
    found: Layout = machine.layouts[key]
    return found


def _shape(machine: Machine, numbers: Mapping[str, int]) -> Shape:
    """The sizes and constants that the numbers of some bounds stand for, if for any."""
    try:
        return machine.shape(numbers)
    except (LanguageError, KeyError):
        raise
    except Exception as error:
        said = ", ".join(f"{key}={value}" for key, value in numbers.items())
        why = f"{machine.name} cannot have the bounds {said}: {type(error).__name__}: {error}"
        raise refuse(machine.shape, why) from error


def _linked(function: Function, layout: Layout, states: int) -> Linked:
    hints = get_type_hints(function, include_extras=True)
    names = list(inspect.signature(function).parameters)[states:]
    parameters = []
    for name in names:
        if name not in hints:
            raise refuse(function, f"parameter `{name}` of {function.__name__} has no type")
        if hints[name] is Fault:
            if name != names[-1] or name != "fault":
                raise refuse(function, "the fault is the last parameter and is called `fault`")
            continue
        kind = layout.value_type(function, name, hints[name])
        if isinstance(kind, SetT):
            raise refuse(function, f"parameter `{name}`: a set is no parameter")
        parameters.append(Parameter(name, kind))
    fault = bool(names) and hints[names[-1]] is Fault
    return Linked(function.__name__, function, tuple(parameters), fault, states)


class _Linker:
    """Copies functions so that the names they call mean the variant's functions.

    What reaches no overridden function has one copy (in `plain`) whatever the variant.
    """

    def __init__(
        self, plain: dict[Function, Function], overrides: dict[Function, Function]
    ) -> None:
        self.plain = plain
        self.overrides = overrides
        self.linked: dict[tuple[Function, frozenset[Function]], Function] = {}
        self.open: list[Function] = []
        self.used: set[Function] = set()
        self.changes: dict[Function, bool] = {}

    def link(self, function: Function, kept: frozenset[Function] = frozenset()) -> Function:
        """The linked copy; inside an override its own original stays what it was (`kept`)."""
        if function in self.overrides and function not in kept:
            kept = kept | {function}
            self.used.add(function)
            function = _in_place_of(function, self.overrides[function])
        if not self._changes(function):
            if function not in self.plain:
                self.plain[function] = self._opened(function, frozenset())
            return self.plain[function]
        key = (function, kept)
        if key not in self.linked:
            self.linked[key] = self._opened(function, kept)
        return self.linked[key]

    def _changes(self, function: Function) -> bool:
        """Whether a function reaches one that is overridden."""
        if function not in self.changes:
            called = _called(function) if self.overrides else ()
            self.changes[function] = False
            found = [self._changes(item) for _, item in called]
            self.changes[function] = function in self.overrides or any(found)
        return self.changes[function]

    def _opened(self, function: Function, kept: frozenset[Function]) -> Function:
        if function in self.open:
            raise refuse(function, f"{function.__name__} calls itself; there is no recursion")
        self.open.append(function)
        copy = self._copy(function, kept)
        self.open.pop()
        return copy

    def _copy(self, function: Function, kept: frozenset[Function]) -> Function:
        spec = getattr(function, "__host_call__", None)
        if spec is not None:
            inner = self._copy(function.__wrapped__, kept)  # type: ignore[attr-defined]
            return host_call(spec.event, fails=spec.fails)(inner)
        if not isinstance(function, FunctionType):
            raise refuse(function, f"{function!r} is not a plain function")
        names = dict(function.__globals__)
        for name, called in _called(function):
            names[name] = self.link(called, kept)
        copy = FunctionType(
            function.__code__, names, function.__name__, function.__defaults__, function.__closure__
        )
        return _same(copy, function)


def _called(function: Function) -> Iterator[tuple[str, FunctionType]]:
    """The functions of a specification that a function names."""
    plain: Any = inspect.unwrap(function)
    if isinstance(plain, FunctionType):
        for name in sorted(_names(plain.__code__)):
            value = plain.__globals__.get(name, getattr(builtins, name, None))
            if isinstance(value, FunctionType) and not value.__module__.startswith(
                "spec.language."
            ):
                yield name, value


def _in_place_of(original: Function, override: Function) -> Function:
    """The override, which takes as many parameters as its original."""
    wanted, found = (len(inspect.signature(item).parameters) for item in (original, override))
    if wanted != found:
        takes = f"{override.__name__} takes {found} parameters, {original.__name__} {wanted}"
        raise refuse(override, f"{takes}; an override takes those of what it overrides")
    return override


def _same(copy: FunctionType, original: FunctionType) -> FunctionType:
    copy.__dict__.update(original.__dict__)
    copy.__doc__, copy.__module__ = original.__doc__, original.__module__
    copy.__annotations__, copy.__qualname__ = original.__annotations__, original.__qualname__
    copy.__kwdefaults__ = original.__kwdefaults__
    return copy


def _names(code: CodeType) -> set[str]:
    names = set(code.co_names)
    for constant in code.co_consts:
        if isinstance(constant, CodeType):
            names |= _names(constant)
    return names
