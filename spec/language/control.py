"""Guards, checks, bounds, and the host that may say no: the verbs of an action."""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable
from dataclasses import dataclass, field
from enum import IntEnum
from typing import Any, ParamSpec, TypeVar, get_type_hints

from spec.language.errors import refuse

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
    """Guard of the model alone: if false the action is cut off here, and `bound` is counted as met."""
    if not condition:
        raise Cut(bound)


@dataclass
class HostCall:
    """One call of the host in a run: its event as QEMU's trace-events spell it, and its result."""

    name: str
    arguments: dict[str, Any]
    result: Any
    injected: bool
    event: str


@dataclass
class Fault:
    """Which host call of an action fails: the `index`-th (from 1), or none of them (0).

    An action has at most one parameter of this type. A fault that no call consumes disables the
    action, so each failing call is exactly one transition.
    """

    index: int = 0
    calls: int = 0
    log: list[HostCall] = field(default_factory=list)

    def strikes(self) -> bool:
        """Count one host call; true if it is the one to fail."""
        self.calls += 1
        return self.calls == self.index


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

        @functools.wraps(function)
        def call(*args: P.args, **kwargs: P.kwargs) -> T:
            fault: Fault = args[position]  # type: ignore[assignment]
            struck = fault.strikes()
            if struck:
                result: Any = fails if spec.arity == 1 else (fails, *([0] * (spec.arity - 1)))
            else:
                result = function(*args, **kwargs)
            values = dict(zip(parameters, args, strict=True))
            fault.log.append(HostCall(spec.name, values, result, struck, spec.event))
            return result  # type: ignore[no-any-return]

        spec = HostCallSpec(event.split()[0], event, fails, _arity(function))
        call.__host_call__ = spec  # type: ignore[attr-defined]
        return call

    return declare


def _arity(function: Callable[..., Any]) -> int:
    answer = get_type_hints(function).get("return")
    elements = getattr(answer, "__args__", None)
    return len(elements) if elements and getattr(answer, "__origin__", None) is tuple else 1
