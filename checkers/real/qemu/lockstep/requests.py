"""What QEMU asks of its host, in the machines' terms; and the one call of it that is to fail."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from checkers.conform.events import Called as Event
from checkers.real.qemu.called import NAMES, Called
from checkers.real.qemu.refusing import FAILS
from checkers.real.qemu.structures import IOMMUFD, VFIO
from spec.language.control import HostCall

EVENTS: Final = {item.name: item.event for item in (*IOMMUFD.values(), *VFIO.values())}
MAPS: Final = frozenset(("iommufd_backend_map_dma", "iommufd_backend_unmap_dma"))
RESET: Final = "vfio_pci_reset"
INFO: Final = "vfio_device_get_info"
REGIONS: Final = "vfio_device_get_region_info"
ABOUT: Final = ("id", "pt_id", "ioas_id", "hwpt_id")
MADE: Final = ("out_ioas_id", "out_hwpt_id", "out_viommu_id")
OF_ERRORS: Final = 3
"""The index of the interrupt that tells of errors."""

SUCCESS: Final = frozenset({("FEATURE", "ENOTTY"), ("IOAS_IOVA_RANGES", "EMSGSIZE")})
"""Answers that say no more than the machines' success: of no migration, and how many ranges."""

Place = tuple[int, int]
"""An area of an address space: its start and its size."""


@dataclass(frozen=True)
class Asked:
    """A call as an event of a log; `part`: of what the machines have as one call, which part."""

    event: Event
    part: Place = (0, 0)
    refused: bool = False


class Requests:
    """Hears the calls of one act, before they are answered, and refuses what stands for `failing`.

    `section` is the machine's row for an area of memory, 0 if it has none.
    """

    def __init__(
        self, device_of: Callable[[int], int], section: Callable[[Place], int],
        expected: Sequence[HostCall],
    ) -> None:
        self.device_of, self.section = device_of, section
        wanted = [number for number, call in enumerate(expected) if call.injected]
        self.failing = [_key(expected[number]) for number in wanted]
        self.turns = [
            sum(_key(call) == _key(expected[number]) for call in expected[: number + 1])
            for number in wanted
        ]  # fmt: skip
        self.devices: list[int] = []
        self.kept: list[bool] = []
        self.counted = Counter[object]()
        self.informed = set[int]()
        self.not_reset = set[int]()

    def __call__(self, name: str, device: int, values: Mapping[str, int]) -> int:
        """The errno of a call that is refused, else 0."""
        dev = device or self.device_of(values.get("dev_id", 0))
        self.devices.append(dev)
        self.kept.append(not self._left_out(name, dev, values))
        if not self.kept[-1]:
            return 0
        event = EVENTS[name]
        part = _part(event, values)
        key = event, dev, self.section(part) if event in MAPS else 0
        self.counted[key, part] += event != RESET or not self.counted[key, part]
        hit = (key, self.counted[key, part]) in zip(self.failing, self.turns, strict=True)
        if hit and event == RESET:
            self.not_reset.add(dev)
        return FAILS[name] if hit else 0

    def _left_out(self, name: str, dev: int, values: Mapping[str, int]) -> bool:
        """Calls that the machines do not have: those for all interrupts but the first.

        And a device behind a root port is asked a second time what it is, for the port's atomics,
        one whose reset is refused with which others it can be reset.
        """
        if name == "GET_INFO":
            again = dev in self.informed
            self.informed.add(dev)
            return again
        if name == "GET_PCI_HOT_RESET_INFO":
            return dev in self.not_reset
        return name == "SET_IRQS" or (name == "GET_IRQ_INFO" and values["index"] != OF_ERRORS)

    def asked(self, calls: Sequence[Called]) -> list[Asked]:
        """The calls of the act, those left out not among them."""
        made = [call for call in calls if call.name != "close"]
        heard = zip(made, self.devices[: len(made)], self.kept[: len(made)], strict=True)
        return [_asked(call, dev) for call, dev, kept in heard if kept]


def _key(call: HostCall) -> tuple[str, int, int]:
    given = call.arguments
    return call.name, int(given.get("dev", 0)), int(given.get("section", 0))


def _part(event: str, values: Mapping[str, int]) -> Place:
    if event in MAPS:
        return values["iova"], values["length"]
    return (values["index"], 0) if event == REGIONS else (0, 0)


def _asked(call: Called, dev: int) -> Asked:
    """A call as the event that QEMU would trace."""
    values, error = call.values, NAMES.get(call.error, "")
    if (call.name, error) in SUCCESS and not call.injected:
        error = ""
    flags = {}
    if call.name == "HWPT_ALLOC":
        flags = {"nest_parent": bool(values["flags"] & 1), "pasid": bool(values["flags"] & 8)}
    if call.name in ("ATTACH_PT", "DETACH_PT"):
        flags = {"pasid": bool(values["flags"] & 1)}
    return Asked(
        Event(
            0, EVENTS[call.name], f"dev{dev}" if dev else "",
            tuple(values[name] for name in ABOUT if name in values)[-1:],
            0 if error else next((values[name] for name in MADE if name in values), 0),
            error, flags,
        ),
        _part(EVENTS[call.name], values), call.injected,
    )  # fmt: skip
