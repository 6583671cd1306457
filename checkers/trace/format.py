"""The JSON of a trace, as docs/trace-format.rst describes it, and nothing besides it."""

from __future__ import annotations

from typing import Annotated, Literal

from msgspec import Meta, Struct, field

from checkers.cells import Value

VERSION = 1

Kind = Literal["run", "state", "crash", "on-failure", "teardown", "induction"]


class _Strict(Struct, forbid_unknown_fields=True, frozen=True, kw_only=True):
    """A JSON object whose members are exactly those declared."""


class BoundsUsed(_Strict, frozen=True):
    """The bounds' name ("custom" if none) and all their values."""

    name: str
    values: dict[str, int]


class Call(_Strict, frozen=True):
    """One host call; `event` is its text, `injected` says that it failed by the fault."""

    name: str
    arguments: dict[str, Value]
    result: list[Value]
    event: str
    injected: bool = False


class StepTaken(_Strict, frozen=True):
    """One action, what it asked of the host, what it changed, and the errno it reported.

    `changes` maps ``table[row].field`` (a scalar: ``field``) to the old and the new value. `brief`
    is the action and its parameters in words, rows by their labels: ``plug dev1``. `ids` are the
    rows that calls of `fresh` took, if not the first that were free.
    """

    action: str
    parameters: dict[str, Value]
    fault: int = 0
    ids: list[int] = field(default_factory=list)
    calls: list[Call] = field(default_factory=list)
    changes: dict[str, tuple[Value, Value]] = field(default_factory=dict)
    result: str = "0"
    ends: Literal["done", "crash"] = "done"
    brief: str = ""


class Culprit(_Strict, frozen=True):
    """The value of one of the invariant's parameters, and how people name that object.

    `fields` are those of the row that are not at their first value.
    """

    value: Value
    label: str
    fields: dict[str, Value] = field(default_factory=dict)


class Broken(_Strict, frozen=True):
    """The rule that is broken, in which objects, and what is around them."""

    rule: str
    about: str = ""
    binding: dict[str, Culprit] = field(default_factory=dict)
    why: str = ""
    around: list[str] = field(default_factory=list)


class Answered(_Strict, frozen=True):
    """What a real system said to the last step of a run, or showed after it, and what it was to."""

    system: str
    what: str
    specification: str
    answer: str


class Trace(_Strict, frozen=True):
    """A run of a machine from an initial state, to a violation unless `kind` is "run".

    `initial` has the fields that are not at their first value. `machine` and `variant` are names
    of the specification, or paths of a user's Python files.
    """

    version: int
    machine: str
    variant: str | None
    bounds: BoundsUsed
    kind: Kind
    engine: str
    initial: dict[str, Value]
    steps: list[StepTaken]
    violation: Broken | None = None
    answered: Answered | None = None


class GuestStep(_Strict, frozen=True):
    """An action of a guest on a QEMU: `act` and its numbers, in words `said`, and what came of it.

    `refuse` is which host call of it was to be refused, 0 for none, `refused` the name of the one
    that was. The last `again` of the calls are of the same action taken once more, without one.
    `objects` is what the kernel then has; `due` and `does` are by device and PASID.
    """

    act: str
    given: list[int]
    said: str
    calls: list[Call]
    refuse: int = 0
    refused: str = ""
    again: int = 0
    objects: str = ""
    due: dict[str, str] = field(default_factory=dict)
    does: dict[str, str] = field(default_factory=dict)


class Wrong(_Strict, frozen=True, order=True):
    """What is wrong with a QEMU: the rule, by which action, what it does, after which refusals.

    `refused` is the host call that was refused in that action, `after` one before that is felt.
    """

    rule: str
    act: str
    what: str
    refused: str = ""
    after: str = ""

    def __str__(self) -> str:
        """``translation, HWPT_ALLOC refused: table is due, it stays bypass``."""
        act = f"{self.act}, {self.refused} refused" if self.refused else self.act
        return f"{act}: {self.what}" + (f", after {self.after} refused" if self.after else "")


class GuestTrace(_Strict, frozen=True):
    """A guest on a QEMU, by its actions, to what is wrong after the last of them.

    `known` names the defect of the released QEMU that it is, `log` is what QEMU wrote if it ended.
    """

    version: int
    kind: Literal["guest"]
    platform: str
    qemu: str
    without_kvm_check: bool
    steps: Annotated[list[GuestStep], Meta(min_length=1)]
    violation: Wrong
    known: str = ""
    log: str = ""
