"""Which variants a kernel does not do, and by which calls that is seen: the shortest there are.

The specification says where a variant parts from the reference. The kernel is asked there.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Final, NamedTuple

from checkers import machines
from checkers.explore.symmetry import orbit_least, symmetry
from checkers.explore.verdicts import check
from checkers.real.linux.batch import Batch, Call
from checkers.real.linux.calls import Kernel
from checkers.real.linux.compare import answered, text
from checkers.real.linux.known import BLOCKS_FIRST, is_of
from checkers.real.linux.plan import Made, calls_at
from checkers.result import Limits, Renaming
from checkers.userfiles import InputError
from spec.language import Machine, Variant
from spec.language.program import Kind, Linked, Program
from spec.language.steps import Step, take

AT: Final = {"uapi-vdevice-outlives": "arm"}
"""Where a variant parts from the reference of a kernel as it is now, if not at its own bounds."""

REASONS: Final = {
    "uapi-pending-said": "what an SMMU's driver says of entries that it has not issued is said by "
    "the module here",
    "uapi-entries-counted": "a device's cache is its own, and those of the module have none",
    "uapi-close-does-not-wait": "a device that is bound holds the iommufd: nobody can ask for its "
    "end before",
}
"""Why a variant is not told apart from a kernel."""

MOST: Final = 4_000
"""How many states up to ids are looked at for a call by which a variant is told apart."""

AFTER: Final = 200
"""How many states after what the variant breaks."""


class Ways(NamedTuple):
    """What two programs say to one call; None: it is no call there, or the kernel goes wrong."""

    reference: Made | None
    variant: Made | None
    wrong: str = ""

    def text(self) -> str:
        """What the two say, in words."""
        ours, theirs = (made and answered(made.call.error, made.call.answer) for made in self[:2])
        if ours == theirs:
            return f"{ours}, and after it something else is to be seen"
        return f"{ours or 'refused'}; the variant: {theirs or self.wrong}"


@dataclass(frozen=True)
class Parting:
    """The calls to a state, and one there to which a variant says something else."""

    path: tuple[Made, ...]
    ways: Ways

    def steps(self) -> tuple[Step, ...]:
        """The steps, the last of them the call."""
        last = self.ways.reference or self.ways.variant
        assert last is not None
        return (*(made.step for made in self.path), last.step)


class Pair:
    """A variant beside the reference: what both say in a state of each."""

    def __init__(self, reference: Kernel, variant: Program) -> None:
        self.reference, self.variant = reference, Kernel(variant)
        self.changed = {
            action.name
            for action in variant.actions
            if reference.program.action(action.name).function is not action.function
        }

    def calls(
        self, states: tuple[bytes, bytes], known: Sequence[Made], every: Sequence[Linked]
    ) -> Iterator[Ways]:
        """What is said to each call of some actions; `known` is what the reference says."""
        same = states[0] == states[1]
        of = [action for action in every if not same or action.name in self.changed]
        names = {action.name for action in of}
        theirs = {
            made.call.question(): made
            for made in calls_at(self.variant, states[1], Counter(), of)
        }
        for ours in known:
            if ours.step.action not in names:
                yield Ways(ours, ours)
                continue
            made = theirs.pop(ours.call.question(), None)
            if made is not None:
                yield Ways(ours, made)
            elif (end := take(self.variant.program, states[1], ours.step)).kind is Kind.CRASH:
                yield Ways(ours, None, end.why)
        for made in theirs.values():
            if take(self.reference.program, states[0], made.step).kind is Kind.DISABLED:
                yield Ways(None, made)

    def alike(self, ways: Ways) -> bool:
        """Whether no difference between the two is to be seen."""
        ours, theirs = ways.reference, ways.variant
        if ours is None or theirs is None:
            return False
        same = ours is theirs or answer(ours.call) == answer(theirs.call)
        return same and self.reference.look(ours.after) == self.variant.look(theirs.after)


def answer(call: Call) -> tuple[int, int]:
    """The answer of a call."""
    return call.error, call.answer


def parting(reference: Kernel, variant: Program) -> Parting | None:
    """Calls by which a variant is told apart from the reference; None if none were found.

    They are on the shortest way to what the variant breaks, or soon after it, if it is to be seen
    there; else they are the shortest of all.
    """
    pair = Pair(reference, variant)
    start, program = (reference.empty, reference.empty), reference.program
    alike = orbit_least(program.layout, symmetry(program, Renaming.IDS))
    return _on_the_way(pair) or _onward(pair, start, (), MOST, alike)


def _on_the_way(pair: Pair) -> Parting | None:
    program = pair.variant.program
    broken = program.variant.expects if program.variant else ()
    found = check(program, frozenset(broken), Limits())
    ways = [finding.violation.steps for finding in found if finding.violation is not None]
    each = (_along(pair, steps) for steps in sorted(ways, key=len))
    return next((parted for parted in each if parted is not None), None)


def _along(pair: Pair, steps: Sequence[Step]) -> Parting | None:
    at, path = (pair.reference.empty, pair.variant.empty), list[Made]()
    for step in steps:
        action = [pair.reference.program.action(step.action)]
        known = list(calls_at(pair.reference, at[0], Counter(), action))
        found = list(pair.calls(at, known, [pair.variant.program.action(step.action)]))
        for ways in found:
            if not pair.alike(ways):
                return Parting(tuple(path), ways)
        same = [ways for ways in found if ways.reference and ways.reference.step == step]
        if not same:
            return None
        both = same[0]
        assert both.reference is not None
        assert both.variant is not None
        at = both.reference.after, both.variant.after
        path.append(both.reference)
    return _onward(pair, at, path, AFTER, bytes)


def _onward(
    pair: Pair, start: tuple[bytes, bytes], before: Sequence[Made], most: int,
    alike: Callable[[bytes], bytes],
) -> Parting | None:  # fmt: skip
    """The shortest way on from two states to a difference that is to be seen."""
    states, came = [start], list[tuple[int, Made]]()
    seen = {(alike(start[0]), alike(start[1]))}
    for node, at in enumerate(states):
        if node == most:
            break
        known = list(calls_at(pair.reference, at[0], Counter()))
        for ways in pair.calls(at, known, pair.variant.program.actions):
            if not pair.alike(ways):
                return Parting((*before, *_path(came, node)), ways)
            assert ways.reference is not None
            assert ways.variant is not None
            after = ways.reference.after, ways.variant.after
            one = (alike(after[0]), alike(after[1]))
            if one not in seen:
                seen.add(one)
                states.append(after)
                came.append((node, ways.reference))
    return None


def _path(came: Sequence[tuple[int, Made]], node: int) -> list[Made]:
    found: list[Made] = []
    while node:
        node, made = came[node - 1]
        found.append(made)
    return found[::-1]


_OTHERWISE: Final = ("path", "call", "look")
"""What the guest says of a record: it did not come so far, or something is otherwise."""


class Held(NamedTuple):
    """Whether a kernel answers as the reference, and as the variant; and whether it came so far."""

    reference: bool
    variant: bool
    reached: bool


def asked(
    kernel: Kernel, found: Sequence[Parting], say: Callable[[Batch], list[str]], first: bool
) -> list[Held]:
    """What a kernel says to the calls of some partings, each made twice in one batch."""
    batch = kernel.batch()
    batch.blocks_first(first)
    places = [
        [_visit(kernel, batch, parting.path, made) for made in parting.ways[:2]]
        for parting in found
    ]
    lines = [line.split() for line in say(batch)]
    if not any(line[:1] == ["done"] for line in lines):
        raise InputError(f"the guest did not come to its end: {lines[-1:]}")
    said = [{int(line[1]) for line in lines if line[:1] == [word]} for word in _OTHERWISE]
    other = set[int]().union(*said)
    return [
        Held(
            bool(ours) and other.isdisjoint(ours), bool(theirs) and other.isdisjoint(theirs),
            said[0].isdisjoint([*ours, *theirs]),
        )
        for ours, theirs in places
    ]


def _visit(kernel: Kernel, batch: Batch, path: Sequence[Made], made: Made | None) -> range:
    """Make a call after others; the records of it. None of a call that there is not."""
    if made is None:
        return range(0)
    node = 0
    for step in path:
        node = batch.node(node, step.call, kernel.look(step.after))
    first = batch.go(node)
    last = batch.call(made.call)
    if made.changes:
        last = batch.look(batch.node(node, made.call, kernel.look(made.after)))
    return range(first, last + 1)


@dataclass(frozen=True)
class Told:
    """What came of a variant: where it parts from the reference, and what a kernel does there.

    `reason`: why it is not asked.
    """

    variant: Variant
    bounds: str
    parting: Parting | None = None
    held: Held | None = None
    reason: str = ""

    @property
    def apart(self) -> bool:
        """The kernel does what the reference says, if it says anything, and not what this does."""
        if self.parting is None or self.held is None or self.held.variant:
            return False
        return self.held.reached and (self.held.reference or self.parting.ways.reference is None)

    def is_explained(self, about: str) -> bool:
        """It is told apart, or is not for a reason, or is what a kernel of this version does."""
        of_it = self.held is not None and self.held.variant and is_of(self.variant, about)
        return self.apart or bool(self.reason) or of_it

    def text(self, program: Program) -> str:
        """The result as a line."""
        if self.parting is None:
            return f"not told apart  {self.variant.name}: {self.reason or 'no call was found'}"
        calls = ", ".join(text(program, self.parting.steps()))
        does = self.held is not None and self.held.variant
        what = "told apart" if self.apart else "as Linux does" if does else "as neither"
        return f"{what}  {self.variant.name} ({self.bounds}): {calls}: {self.parting.ways.text()}"


def told(
    machine: Machine, variants: Sequence[Variant], say: Callable[[Batch], list[str]]
) -> Iterator[tuple[Told, Program]]:
    """Each variant with what a kernel does where it parts from the reference."""
    places: dict[tuple[str, bool], list[Variant]] = {}
    for variant in variants:
        place = AT.get(variant.name, variant.bounds), variant.name in BLOCKS_FIRST
        places.setdefault(place, []).append(variant)
    for (bounds, first), here in places.items():
        reference = machines.program(machine, bounds)
        kernel, found = Kernel(reference), dict[str, Parting]()
        for variant in here:
            reason = REASONS.get(variant.name, "")
            program = machines.program(machine, bounds, variant)
            parted = None if reason else parting(kernel, program)
            if parted is None:
                yield Told(variant, bounds, reason=reason), reference
            else:
                found[variant.name] = parted
        answers = asked(kernel, list(found.values()), say, first) if found else []
        each = {variant.name: variant for variant in here}
        for name, held in zip(found, answers, strict=True):
            yield Told(each[name], bounds, found[name], held), reference
