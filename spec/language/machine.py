"""Machines, their bounds, invariants and variants: the top level of a specification."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from types import FunctionType
from typing import Any, Literal, TypeVar

from spec.language.errors import place, refuse
from spec.language.layout import Shape
from spec.language.names import RESERVED
from spec.language.standing import Of, Standing
from spec.language.types import Record, State

F = TypeVar("F", bound=Callable[..., Any])
Function = Callable[..., Any]


@dataclass(frozen=True)
class Source:
    """Where a rule comes from: a document, the patch or rule in it, and the C function.

    `document` is a number of the seeds ("002"), "kernel" for the iommufd rules (`patch` is then the
    rule, "R7.5"), "defects" (`patch` is the id, "V-01"), or "qemu" for what those documents do not
    show: QEMU as released (`patch` is the file, "hw/vfio/iommufd.c").
    """

    document: str
    patch: str
    function: str

    def __str__(self) -> str:
        return " ".join(part for part in (self.document, self.patch, self.function) if part)


def sources_of(function: Function) -> tuple[Source, ...]:
    """The provenance that `mirrors` gave a function; empty if none."""
    return getattr(function, "__sources__", ())


def mirrors(*sources: str) -> Callable[[F], F]:
    """Declare provenance, each as ``"002 15/21 vtd_device_attach_hwpt"`` or ``"kernel R7.5"``."""

    def declare(function: F) -> F:
        function.__sources__ = tuple(_source(function, text) for text in sources)  # type: ignore[attr-defined]
        return function

    return declare


def _source(function: Function, text: str) -> Source:
    found = re.fullmatch(r"(\d{3}|kernel|defects|qemu)(?: (\S+))?(?: (\S+))?", text)
    if not found:
        raise refuse(function, f"source {text!r} is not DOCUMENT PATCH FUNCTION")
    return Source(found[1], found[2] or "", found[3] or "")


def summary(function: Function) -> str:
    """The first line of a docstring."""
    return (function.__doc__ or "").strip().split("\n")[0]


@dataclass(frozen=True)
class Witness:
    """A *sometimes*: a predicate that some reachable state must satisfy."""

    name: str
    function: Function


def sometimes(function: Function) -> Witness:
    """Declare a state predicate ``(s) -> bool`` that must be reachable."""
    return Witness(_dashed(function), function)


@dataclass(frozen=True)
class Invariant:
    """An *always*, with the *sometimes* that keeps it from holding vacuously.

    kind "always": ``(s, ...) -> bool``, further parameters are universally quantified.
    kind "on-failure": ``(before, s) -> bool``, about each step whose action reported an error.
    """

    name: str
    function: Function
    kind: Literal["always", "on-failure"]
    witness: Witness | None


def invariant(witness: Witness | None = None) -> Callable[[Function], Invariant]:
    """Declare an invariant of states."""
    return lambda function: Invariant(_dashed(function), function, "always", witness)


def on_failure(witness: Witness | None = None) -> Callable[[Function], Invariant]:
    """Declare an invariant of the steps whose action returned an error."""
    return lambda function: Invariant(_dashed(function), function, "on-failure", witness)


@dataclass(frozen=True)
class Teardown:
    """How the machine is taken down: from every reachable state, `actions` alone reach `empty`.

    `rank` is a natural number that is 0 in the empty host only; the proof shows that in every other
    state some teardown action lowers it.
    """

    actions: tuple[Function, ...]
    empty: Function
    rank: Function


@dataclass(frozen=True)
class Bounds:
    """Named numbers of a machine, why they suffice, and the exact figures expected with them.

    `states`, `transitions`, `depth`: distinct states, enabled transitions, longest shortest path;
    None where a run is not part of the manifest. `orbits` are the same three where states are taken
    for one that differ in ids which nothing tells apart: then an allocator may give any free id, so
    that a state may be nearer than it is in the kernel. `without` names the
    witnesses and the actions that these bounds are too narrow for, and that must not be reached
    and must not fire with them.
    """

    values: Mapping[str, int]
    why: str = ""
    states: int | None = None
    transitions: int | None = None
    depth: int | None = None
    without: tuple[str, ...] = ()
    orbits: tuple[int, int, int] | None = None

def bounds_like(
    numbers: Mapping[str, int],
    why: str,
    figures: tuple[int, int, int] | None = None,
    orbits: tuple[int, int, int] | None = None,
    without: tuple[str, ...] = (),
    /,
    **changed: int,
) -> Bounds:
    """Bounds with these numbers but for some; `figures` are states, transitions, depth."""
    states, transitions, depth = figures or (None, None, None)
    return Bounds({**numbers, **changed}, why, states, transitions, depth, without, orbits)


@dataclass(frozen=True)
class Machine:
    """A transition system: state type, initial states, actions, bounds, what must hold.

    `init` writes an initial state into a cleared one; its further parameters are enumerated like an
    action's, one initial state for each combination that passes its guards. `shape` turns the
    bounds' numbers into table sizes and constants; without it they are the sizes. `symmetric` are
    records whose rows, if they have the same constants, nothing tells apart: exploring may take
    states for one that differ in their ids only. `title` and `about` are for the book, and `of`
    says what it follows.

    `check` maps an engine to the bounds that it takes in the check of everything, if not the usual
    ones; `exhaust` to those that take longer and are for when there is time.

    `copies` and `layouts` are what programs of this machine have in common, made when first linked.
    """

    name: str
    state: type[State]
    init: Function
    actions: tuple[Function, ...]
    bounds: Mapping[str, Bounds]
    shape: Callable[[Mapping[str, int]], Shape] = Shape
    invariants: tuple[Invariant, ...] = ()
    sometimes: tuple[Witness, ...] = ()
    teardown: Teardown | None = None
    symmetric: tuple[type[Record], ...] = ()
    check: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    exhaust: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    title: str = ""
    about: str = ""
    of: Of | None = None
    copies: dict[Function, Function] = field(
        default_factory=dict, init=False, compare=False, repr=False
    )
    layouts: dict[tuple[tuple[str, int], ...], Any] = field(
        default_factory=dict, init=False, compare=False, repr=False
    )

    def holding(self, *invariants: Invariant, witnesses: tuple[Witness, ...] = ()) -> Machine:
        """This machine with further invariants and witnesses."""
        return replace(
            self,
            invariants=self.invariants + invariants,
            sometimes=self.sometimes + witnesses,
        )

    def witnesses(self) -> tuple[Witness, ...]:
        """Every *sometimes*: the machine's own and those of its invariants, each once."""
        own = {witness.name: witness for witness in self.sometimes}
        for rule in self.invariants:
            if rule.witness is not None:
                own.setdefault(rule.witness.name, rule.witness)
        return tuple(own.values())


@dataclass(frozen=True)
class Variant:
    """Another design: functions that take the place of the reference's.

    `expects` maps the names of the invariants it breaks to the length of the shortest trace that
    shows it, with the named bounds: all that are broken where the last of them is. `without` names
    the witnesses and actions that the design never reaches or lets happen, besides those of its
    bounds. A user's own file expects nothing, and has no standing.
    """

    name: str
    machine: str
    overrides: Mapping[Function, Function]
    expects: Mapping[str, int] = field(default_factory=dict)
    bounds: str = "small"
    standing: Standing | None = None
    about: str = ""
    without: tuple[str, ...] = ()


def overrides(original: Function) -> Callable[[F], F]:
    """Declare that a function takes the place of `original` wherever a machine calls it."""

    def declare(function: F) -> F:
        if not isinstance(original, FunctionType):
            raise refuse(function, f"`overrides` takes a function, not {original!r}; import it")
        function.__overrides__ = original  # type: ignore[attr-defined]
        return function

    return declare


def overriding(*functions: Function) -> dict[Function, Function]:
    """The `overrides` of a variant from functions declared with `overrides`."""
    table: dict[Function, Function] = {}
    for function in functions:
        original = getattr(function, "__overrides__", None)
        if original is None:
            raise refuse(function, f"{function.__name__} does not say what it overrides")
        if original in table:
            raise refuse(function, f"{original.__name__} is overridden twice")
        table[original] = function
    return table


def variant_of(
    machine: str,
    name: str,
    first: Function,
    /,
    *others: Function,
    bounds: str = "small",
    standing: Standing | None = None,
    about: str = "",
    without: tuple[str, ...] = (),
    **expects: int,
) -> Variant:
    """The variant of a machine with these overrides, which breaks the invariants in `expects`.

    Invariants are spelt with underscores there, as their functions are. Without `about` it is about
    what the first override says.
    """
    return Variant(
        name=name,
        machine=machine,
        overrides=overriding(first, *others),
        expects={rule.replace("_", "-"): length for rule, length in expects.items()},
        bounds=bounds,
        standing=standing,
        about=about or summary(first),
        without=without,
    )


def refuse_twins(machine: Machine) -> None:
    """Refuse two rules, two actions or two witnesses of one name, and what is called as a built-in.

    Two invariants may have one witness.
    """
    own = [*machine.sometimes, *(item.witness for item in machine.invariants if item.witness)]
    witnesses = {(item.name, item.function) for item in own}
    for what, named in {
        "action": [(item.__name__, item) for item in machine.actions],
        "invariant": [(item.name, item.function) for item in machine.invariants],
        "witness": sorted(witnesses, key=lambda pair: (pair[0], place(pair[1]))),
    }.items():
        first: dict[str, Function] = {}
        for name, function in named:
            if name in RESERVED:
                raise refuse(function, f"{name} is a rule of every machine; call this another name")
            if name in first:
                file, line = place(first[name])
                why = f"{machine.name} has another {what} called {name}: {file}:{line}"
                raise refuse(function, f"{why}; give one of them another name")
            first[name] = function


def _dashed(function: Function) -> str:
    assert isinstance(function, FunctionType)
    return function.__name__.strip("_").replace("_", "-")
