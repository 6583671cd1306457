"""Where variants part from the reference, and what is made of what a kernel says there."""

from __future__ import annotations

from pathlib import Path

import pytest

from checkers.machines import machine, program, variants
from checkers.real.linux.apart import AT, REASONS, Parting, Told, parting, told
from checkers.real.linux.batch import Batch, Op
from checkers.real.linux.calls import Kernel
from checkers.real.linux.compare import text
from checkers.real.linux.known import BLOCKS_FIRST

OBJECTS = machine("iommufd-objects")
OWN = {name: item for name, item in variants().items() if item.machine == OBJECTS.name}
DONE = "done calls=1 looks=1 differ=0 unreached=0 failed=0 visits=1"
BOOK = Path(__file__).parents[4] / "docs/linux.rst"


def parted(name: str, bounds: str) -> Parting:
    found = parting(Kernel(program(OBJECTS, bounds)), program(OBJECTS, bounds, OWN[name]))
    assert found is not None
    return found


def calls(name: str, bounds: str) -> list[str]:
    return [step.action for step in parted(name, bounds).steps()]


def test_every_name_in_the_tables_is_a_variant_and_the_book_has_each() -> None:
    assert {*AT, *REASONS, *BLOCKS_FIRST} <= {*OWN}
    rows = BOOK.read_text().partition(".. variants told apart\n")[2].split("\n\n")[0]
    listed = [line.split("``")[1] for line in rows.splitlines() if "``" in line[:4]]
    assert sorted(listed) == sorted(OWN)


def test_another_answer_on_the_way_to_a_breach_is_where_a_variant_parts() -> None:
    assert calls("uapi-destroy-while-held", "arm") == ["bind", "destroy"]
    assert parted("uapi-destroy-while-held", "arm").ways.text() == "EBUSY; the variant: 0, id 0"


def test_a_call_that_goes_wrong_is_another_answer() -> None:
    ways = parted("uapi-stranger-replaces", "groups").ways
    assert ways.text() == "EINVAL; the variant: success, and not attached"


def test_a_call_that_is_none_in_the_reference_is_refused_there() -> None:
    found = parted("uapi-two-owners", "host")
    assert found.ways.reference is None
    assert [step.action for step in found.steps()] == ["bind", "take_group"]


def test_what_differs_unseen_is_followed_to_where_it_is_seen() -> None:
    """A tombstone that remembers is one to the user, until an entry names the guest's id."""
    assert calls("uapi-tombstones-remember", "arm,bound_first=1") == [
        "bind", "ioas_alloc", "hwpt_alloc_on_ioas", "viommu_alloc", "vdevice_alloc", "unbind",
        "hwpt_invalidate",
    ]  # fmt: skip


def test_what_a_breach_alone_does_not_show_is_seen_soon_after_it() -> None:
    """An id that went with its vDEVICE is missed by the next event that there is a queue for."""
    assert calls("uapi-id-goes", "events")[-4:] == [
        "attach", "destroy", "veventq_alloc", "report_event",
    ]  # fmt: skip


def answering(name: str, *words: str) -> Told:
    """A variant, and a kernel that says each word of the call there: first ours, then its."""

    def say(batch: Batch) -> list[str]:
        places = [
            place
            for place, (call, _) in enumerate(batch.calls())
            if call.op not in (Op.GO, Op.LOOK)
        ]
        said = zip(places[-len(words) :], words, strict=True)
        return [*(f"{word} {place} 0 0" for place, word in said if word), DONE]

    ((found, _),) = told(OBJECTS, [OWN[name]], say)
    return found


@pytest.mark.parametrize(
    ("name", "words", "apart", "explained"),
    [
        ("uapi-destroy-while-held", ("", "call"), True, True),
        ("uapi-destroy-while-held", ("call", ""), False, False),
        ("uapi-destroy-while-held", ("call", "call"), False, False),
        ("uapi-destroy-while-held", ("path", "path"), False, False),
        ("linux-7.3-unreserved", ("look", ""), False, True),
        ("linux-7.3-unreserved", ("call", "call"), False, False),
        ("uapi-two-owners", ("call",), True, True),
        ("uapi-two-owners", ("path",), False, False),
        ("uapi-stranger-replaces", ("",), True, True),
        ("uapi-stranger-replaces", ("call",), False, False),
    ],
)
def test_told_apart_is_what_does_as_the_reference_and_not_as_the_variant(
    name: str, words: tuple[str, ...], apart: bool, explained: bool
) -> None:
    found = answering(name, *words)
    assert found.apart is apart
    assert found.is_explained("Linux 7.3.4") is explained
    assert found.held is not None
    if found.held.variant:
        assert not found.is_explained("Linux 9.9")


def test_what_is_not_asked_says_why() -> None:
    ((found, reference),) = told(OBJECTS, [OWN["uapi-pending-said"]], lambda batch: [DONE])
    assert not found.apart
    assert found.is_explained("Linux 9.9")
    assert found.text(reference).endswith(REASONS["uapi-pending-said"])


def test_the_calls_are_said() -> None:
    found = answering("uapi-destroy-while-held", "", "call")
    assert found.parting is not None
    reference = program(OBJECTS, "arm")
    assert found.text(reference) == (
        "told apart  uapi-destroy-while-held (arm): "
        f"{', '.join(text(reference, found.parting.steps()))}: EBUSY; the variant: 0, id 0"
    )
