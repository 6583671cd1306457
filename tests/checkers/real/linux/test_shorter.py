"""What is left of a way to a difference, with a guest that is none."""

from __future__ import annotations

from collections.abc import Callable

from checkers.machines import machine, program
from checkers.real.linux.batch import Batch, Op
from checkers.real.linux.calls import Kernel
from checkers.real.linux.compare import Difference
from checkers.real.linux.plan import as_it_is
from checkers.real.linux.shorter import FINELY, shortest
from spec.language.steps import Step

KERNEL = Kernel(program(machine("iommufd-objects"), "small"))
DONE = "done calls=1 looks=1 differ=1 unreached=0 failed=0 visits=1"
WHAT = "destroy of DEVICE: 0, not EBUSY"


def wrong_if_there_is(*ops: Op) -> tuple[list[int], Callable[[Batch], list[str]]]:
    """A kernel that destroys a device after these calls, and how many batches it was asked."""
    asked = list[int]()

    def say(batch: Batch) -> list[str]:
        node, lines = 0, list[str]()
        for place, (call, named) in enumerate(batch.calls()):
            if call.op is Op.GO:
                node = named
            elif call.op is Op.DESTROY and {*ops} <= {*made(batch, node)}:
                lines.append(f"call {place} 0 0")
        asked.append(len(lines))
        return [*lines, DONE]

    def made(batch: Batch, node: int) -> list[Op]:
        found = list[Op]()
        while node:
            node, call = batch.came(node)
            found.append(call.op)
        return found

    return asked, say


BIND, IOAS = Step("bind", (1,)), Step("ioas_alloc", ())
AWAY, OTHER, UNBIND = Step("destroy", (2,)), Step("bind", (2,)), Step("unbind", (2,))
LAST = Step("destroy", (1,))


def test_what_is_not_needed_is_left_out() -> None:
    asked, say = wrong_if_there_is(Op.IOAS)
    long = (BIND, OTHER, UNBIND, IOAS, AWAY, IOAS, LAST)
    found = shortest(KERNEL, Difference(WHAT, long, "EBUSY", "0"), as_it_is, say)
    assert found.steps == (BIND, IOAS, LAST)
    assert (found.what, found.specification, found.linux) == (WHAT, "EBUSY", "0, id 0")
    assert len(asked) == 2


def test_a_long_way_is_cut_by_halves() -> None:
    _, say = wrong_if_there_is(Op.IOAS)
    long = (BIND, *(OTHER, UNBIND) * FINELY, IOAS, LAST)
    found = shortest(KERNEL, Difference(WHAT, long, "EBUSY", "0"), as_it_is, say)
    assert found.steps == (BIND, IOAS, LAST)


def test_what_is_of_another_class_is_no_shorter_way() -> None:
    _, say = wrong_if_there_is(Op.IOAS)
    given = Difference("another", (BIND, OTHER, IOAS, LAST), "EBUSY", "0")
    assert shortest(KERNEL, given, as_it_is, say) is given
