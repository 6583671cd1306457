"""QEMU's calls and the kernel's objects after them, held against what the machine says.

All that may differ is here, and in `requests.py` what is left out, each with its reason:

- a section of the machine is several areas of the guest's memory: one call of the machine's is a
  call for each of them, all are answered the same, and those of one kind in a row go by address; a
  section that the guest has not is not asked for;
- VFIO_DEVICE_GET_REGION_INFO stands for those of all regions, until the first that is refused;
- a device is reset once or several times in a row;
- where all devices are reset, or go where GBPA says, QEMU takes the last plugged one first.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby, zip_longest
from operator import itemgetter
from typing import Final, TypeVar

from checkers.cells import Value, condensed
from checkers.conform.events import Called as Event
from checkers.conform.names import Names, error_of, fits
from checkers.conform.told import spelled
from checkers.real.qemu.lockstep.requests import MAPS, REGIONS, RESET, Asked, Place
from checkers.real.qemu.spec_kernel import SLOTS
from spec.language.control import HostCall
from spec.language.layout import Layout

T = TypeVar("T")

ATTACH: Final = "iommufd_cdev_attach_ioas_hwpt"
REGION_ROWS: Final = (0, 1, 2, 3, 4, 5, 7)
"""The regions that a PCI device is asked for: its BARs and its configuration space."""

SAME: Final = Names(
    tuple((f"dev{row}", row) for row in range(1, 10)),
    tuple((row, row) for row in range(SLOTS + 1)),
)
"""Both give the lowest id that is free: so each id is that of the machine's row."""

HELD: Final = {
    "objects": (
        "kind", "refs", "parent", "nest_parent", "enforced", "writeable_only", "second", "auto",
        "pasid", "dirty", "fault", "device", "open",
    ),
    "devices": ("object", "attached", "through", "pasid_attached"),
    "groups": ("hwpt", "pasid_hwpt"),
}  # fmt: skip
"""What is compared of the kernel's objects; what an IOAS maps is compared by its areas."""

Sections = Mapping[int, tuple[Place, ...]]
"""The areas of the guest's memory that each section of the machine stands for."""


@dataclass(frozen=True)
class Other:
    """What is otherwise: the machine's words, and QEMU's."""

    expected: str
    found: str


def other_calls(
    expected: Sequence[HostCall], asked: Sequence[Asked], sections: Sections, *,
    any_order: bool, ends: bool,
) -> Other | None:
    """The first call that is not as expected; `ends`: QEMU ends in the last of them."""
    there = [call for call in expected if _is_there(call, sections)]
    ours = _runs(there, lambda call: _run(call, any_order))
    theirs = _runs(asked, lambda item: _run_of(item, any_order))
    for number, (mine, found) in enumerate(zip_longest(ours, theirs), 1):
        last = ends and number == len(ours)
        if mine is None or found is None or not _same(mine, found, sections, last):
            return Other(
                "; ".join(call.text() for call in mine or ()) or "no further call",
                "; ".join(map(said, found or ())) or "no further call",
            )
    return None


def said(item: Asked) -> str:
    """A call of QEMU's in words."""
    part = f" {item.part[0]:#x}+{item.part[1]:#x}" if item.part[1] else ""
    return spelled(item.event) + part + (" refused" if item.refused else "")


def _is_there(call: HostCall, sections: Sections) -> bool:
    return "section" not in call.arguments or bool(sections[int(call.arguments["section"])])


def _runs(items: Sequence[T], of: Callable[[T], object]) -> list[list[T]]:
    """Calls in a row that are of one run; one that is of none is alone."""
    keys = [(of(item), 0 if of(item) else turn) for turn, item in enumerate(items)]
    grouped = groupby(zip(keys, items, strict=True), itemgetter(0))
    return [[item for _, item in run] for _, run in grouped]


def _run(call: HostCall, any_order: bool) -> object:
    """Calls that are one run: those of one change of an IOAS, all resets, one device's regions."""
    if call.name in MAPS:
        return call.name, int(call.arguments["ioas"])
    if call.name == RESET or (any_order and call.name == ATTACH):
        return call.name
    return None


def _run_of(item: Asked, any_order: bool) -> object:
    event = item.event
    if event.name in MAPS:
        return event.name, event.objects[0]
    if event.name == RESET or (any_order and event.name == ATTACH):
        return event.name
    if event.name == REGIONS:
        return event.name, event.device
    return None


def _same(
    mine: Sequence[HostCall], found: Sequence[Asked], sections: Sections, last: bool
) -> bool:
    name = mine[0].name
    if name != found[0].event.name:
        return False
    if name in MAPS:
        return _same_areas(mine, found, sections, last)
    if name == RESET:
        return {(_device(call), error_of(call)) for call in mine} == {
            (item.event.device, item.event.error) for item in found
        }
    if name == REGIONS:
        rows = [item.part[0] for item in found]
        if error_of(mine[0]):
            return len(found) == 1 and _fits(mine[0], found[0].event)
        every = all(_fits(mine[0], item.event) for item in found)
        return every and rows == list(REGION_ROWS)
    order = {_device(call): turn for turn, call in enumerate(mine)}
    ordered = sorted(found, key=lambda item: order.get(item.event.device, len(order)))
    return len(mine) == len(found) and all(
        _fits(call, item.event) for call, item in zip(mine, ordered, strict=True)
    )


def _device(call: HostCall) -> str:
    return f"dev{int(call.arguments['dev'])}" if "dev" in call.arguments else ""


def _fits(call: HostCall, event: Event) -> bool:
    return error_of(call) == event.error and fits(call, event, SAME) == SAME


def _same_areas(
    mine: Sequence[HostCall], found: Sequence[Asked], sections: Sections, last: bool
) -> bool:
    """The areas of these sections, each answered as its section; the last run may end before."""
    wanted = sorted(
        (area, error_of(call)) for call in mine for area in sections[int(call.arguments["section"])]
    )
    asked = sorted((item.part, item.event.error) for item in found)
    if not last:
        return asked == wanted
    refused = [error for _, error in wanted if error]
    return found[-1].event.error in refused and not any(item.event.error for item in found[:-1])


def objects(layout: Layout, state: bytes) -> dict[str, Value]:
    """What is compared of the kernel's objects in a state."""
    found = {}
    for name, value in condensed(layout, state).items():
        table, _, field = name.rpartition(".")
        if field in HELD.get(table.partition("[")[0], ()):
            found[name] = value
    return found


def areas(layout: Layout, state: bytes, sections: Sections) -> dict[int, list[Place]]:
    """What each IOAS maps, by the machine."""
    found = {}
    for name, value in condensed(layout, state).items():
        if name.startswith("objects[") and name.endswith(".areas") and isinstance(value, list):
            row = int(name[len("objects[") : name.index("]")])
            mapped = sorted(area for section in value for area in sections[section])
            if mapped:
                found[row] = mapped
    return found


def other_objects(
    ours: Mapping[str, object], theirs: Mapping[str, object]
) -> Iterator[tuple[str, Other]]:
    """What is otherwise in the kernel than the machine says."""
    for name in sorted({*ours, *theirs}):
        mine, found = ours.get(name), theirs.get(name)
        if mine != found:
            yield name, Other(f"{name} is {mine}", f"{name} is {found}")
