"""Which of QEMU's trace events are calls of the host, and what each of them says.

An event is named as in QEMU's own trace-events; the specification's host calls are named the same.
"""

from __future__ import annotations

import errno
import os
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final

from checkers.conform.log import Line, UnclearError

DROPPED: Final = frozenset({"dropped_event", "trace_dropped_event"})
"""What other backends write where they could not keep up."""

SILENT: Final = ("vfio_", "vtd_", "smmu_", "smmuv3_", "pci_", "amdvi_", "x86_", "kvm_", "memory_")
"""Families of events that are no call of an iommufd."""

NO_CALLS: Final = frozenset({
    "iommufd_cdev_alloc_ioas", "iommufd_cdev_getfd", "iommufd_cdev_pci_hot_reset_dep_devices",
    "iommufd_change_process",
    "iommu_backend_set_fd", "iommufd_backend_set_dirty", "iommufd_backend_get_dirty_bitmap",
})  # fmt: skip
"""Events that go with a call which another one tells, or with none."""


@dataclass(frozen=True)
class Called:
    """One call in a log. Ids are the log's own; `device` is named as QEMU names it.

    `error`: the errno's name, "" for success, "?" where the log says no more than that it failed.
    """

    line: int
    name: str
    device: str = ""
    objects: tuple[int, ...] = ()
    made: int = 0
    error: str = ""
    flags: Mapping[str, bool] = field(default_factory=dict)


@dataclass(frozen=True)
class Connection:
    """A device's use of the iommufd begins, before it is bound, or ends; `users` are left."""

    line: int
    begins: bool
    users: int


@dataclass(frozen=True)
class Area:
    """A MAP or an UNMAP: no call that the machines spell by address."""

    line: int
    maps: bool
    ioas: int
    start: int
    size: int
    error: str = ""


Event = Called | Area | Connection

_NUMBER: Final = "-?(?:0x[0-9a-f]+|[0-9]+)"
_WORD: Final = "[^ ]+"


def _words(pattern: str) -> re.Pattern[str]:
    """A pattern in which <name> is a number, and <name:> a word."""
    return re.compile(re.sub(r"(?<!\?P)<(\w+)(:?)>", _group, pattern))


def _group(place: re.Match[str]) -> str:
    return f"(?P<{place[1]}>{_WORD if place[2] else _NUMBER})"


_CALLS: Final = {
    "iommufd_cdev_connect_and_bind": _words(
        r"\[iommufd=<fd>\] Successfully bound device <device:> \(fd=\d+\): output devid=<devid>"
    ),
    "iommufd_backend_alloc_ioas": _words(r"iommufd=<fd> ioas=<out>(?: \(<ret>\))?"),
    "iommufd_backend_alloc_hwpt": _words(
        r"iommufd=<fd> dev_id=<devid> pt_id=<on> flags=<flags> hwpt_type=<type> len=<len> "
        r"data_ptr=\S+ out_hwpt=<out> \(<ret>\)"
    ),
    "iommufd_backend_alloc_viommu": _words(
        r"iommufd=<fd> (?:type=\d+ )?dev_id=<devid> (?:type=\d+ )?hwpt_id=<on> "
        r"(?:.* )?viommu_id=<out> \(<ret>\)"
    ),
    "iommufd_backend_alloc_vdev": _words(
        r"iommufd=<fd> dev_id=<devid> viommu_id=<on> virt_id=\S+ vdev_id=<out> \(<ret>\)"
    ),
    "iommufd_viommu_alloc_eventq": _words(
        r"iommufd=<fd> viommu_id=<on> type=\d+ veventq_id=<out> veventq_fd=\S+ \(<ret>\)"
    ),
    "iommufd_backend_invalidate_cache": _words(r"iommufd=<fd> id=<on> .*\(<ret>\)"),
    "iommufd_backend_free_id": _words(r"iommufd=<fd> id=<on> \(<ret>\)"),
    "iommufd_cdev_attach_ioas_hwpt": _words(
        r"\[iommufd=<fd>\] Successfully attached device <device:> \(\d+\)(?: pasid <pasid>)? "
        r"to id=<on>"
    ),
    "iommufd_cdev_detach_ioas_hwpt": _words(
        r"\[iommufd=<fd>\] Successfully detached <device:>(?: pasid <pasid>)?"
    ),
    "iommufd_cdev_device_info": _words(r"<device:> \(\d+\) .*"),
}
_AREA: Final = r"iommufd=<fd> ioas=<on> iova=<iova> size=<size> (?:.* )?\(<ret>\)"
_AREAS: Final = {
    "iommufd_backend_map_dma": _words(_AREA),
    "iommufd_backend_map_file_dma": _words(_AREA),
    "iommufd_backend_unmap_dma": _words(_AREA),
    "iommufd_backend_unmap_dma_non_exist": _words("Unmap nonexistent mapping: " + _AREA),
}
_CONNECTIONS: Final = {
    "iommufd_backend_connect": _words(r"fd=<fd> owned=\d+ users=<users>"),
    "iommufd_backend_disconnect": _words(r"fd=<fd> users=<users>"),
}
_PATTERNS: Final = {**_CALLS, **_AREAS, **_CONNECTIONS}
_NAMED: Final = {
    "iommufd_cdev_pasid_attach_ioas_hwpt": "iommufd_cdev_attach_ioas_hwpt",
    "iommufd_cdev_pasid_detach_ioas_hwpt": "iommufd_cdev_detach_ioas_hwpt",
    "iommufd_cdev_device_info": "vfio_device_get_info",
}
"""Events of later versions, and those that are named otherwise than the call."""

_REPORTS: Final = {
    "iommufd_cdev_attach_ioas_hwpt": _words(
        r"\[iommufd=<fd>\] error attach <device:> \(\d+\)(?: pasid <pasid>)? to id=<on>: "
        r"(?P<why>.*)"
    ),
    "iommufd_cdev_detach_ioas_hwpt": _words(
        r"detach <device:>(?: pasid <pasid>)? from ioas failed: (?P<why>.*)"
    ),
}
"""Calls that are no event where they fail, only a report."""

QUIET_FAILURES: Final = frozenset({
    "iommufd_cdev_connect_and_bind", "iommufd_backend_alloc_ioas", "iommufd_cdev_attach_ioas_hwpt",
    "iommufd_cdev_detach_ioas_hwpt", "vfio_device_get_info",
})  # fmt: skip
"""Calls whose failure a log may leave out: they are events where they succeed."""

VISIBLE: Final = frozenset(_NAMED.get(name, name) for name in _CALLS)
"""The host calls of the specification that a log tells."""


def calls(said: Sequence[Line], known: frozenset[str] = frozenset()) -> Iterator[Event]:
    """The calls of a log in their order; `UnclearError` where it cannot be read.

    `known` are further names of events, which say nothing.
    """
    of_fd, names = set[str](), dict[int, str]()
    for line in said:
        found = _report(line) if not line.event else _event(line, known)
        if found is None:
            continue
        name, match = found
        values = match.groupdict()
        if values.get("fd"):
            of_fd.add(values["fd"])
            if len(of_fd) > 1:
                raise UnclearError(line.number, "the log is of more than one iommufd")
        if name in _AREAS:
            yield _area(line, name, values)
        elif name in _CONNECTIONS:
            yield Connection(line.number, name.endswith("_connect"), _number(values["users"]))
        else:
            yield _call(line, name, values, names)


def _report(line: Line) -> tuple[str, re.Match[str]] | None:
    for name, pattern in _REPORTS.items():
        match = pattern.match(line.text)
        if match is not None:
            return name, match
    return None


def _event(line: Line, known: frozenset[str]) -> tuple[str, re.Match[str]] | None:
    if line.event in DROPPED:
        raise UnclearError(line.number, "events were dropped here")
    name = line.event
    if name.startswith("iommufd_cdev_pasid_"):
        name = _NAMED.get(name, name)
    pattern = _PATTERNS.get(name)
    if pattern is None:
        if name in NO_CALLS or name in known or name.startswith(SILENT):
            return None
        raise UnclearError(line.number, f"{line.event} is no event that is known: --trace-events")
    match = pattern.match(line.text)
    if match is None:
        raise UnclearError(line.number, f"{line.event} is spelled otherwise than in QEMU 11.1")
    return name, match


def _number(text: str | None) -> int:
    return int(text, 0) if text else 0


def _failed(values: Mapping[str, str | None]) -> str:
    """The name of an errno, as far as the log says it."""
    why = values.get("why")
    if why is not None:
        known = {os.strerror(number): name for number, name in errno.errorcode.items()}
        return known.get(why, "?").replace("ENOTSUP", "EOPNOTSUPP")
    number = abs(_number(values.get("ret")))
    if number <= 1:
        return "?" if number else ""
    return errno.errorcode.get(number, "?").replace("ENOTSUP", "EOPNOTSUPP")


def _area(line: Line, name: str, values: Mapping[str, str]) -> Area:
    error = "ENOENT" if name.endswith("non_exist") else _failed(values)
    return Area(
        line.number, "unmap" not in name, _number(values["on"]), _number(values["iova"]),
        _number(values["size"]), error,
    )  # fmt: skip


def _call(
    line: Line, name: str, values: Mapping[str, str | None], names: dict[int, str]
) -> Called:
    error, devid = _failed(values), _number(values.get("devid"))
    device = values.get("device") or ""
    if name == "iommufd_cdev_connect_and_bind":
        names[devid] = device
    elif devid:
        if devid not in names:
            raise UnclearError(line.number, f"device {devid} was bound before the log begins")
        device = names[devid]
    flags = {}
    if values.get("flags"):
        flags = {"nest_parent": bool(_number(values["flags"]) & 1)}
        flags["data"] = _number(values.get("type")) != 0
    if values.get("pasid"):
        flags["pasid"] = _number(values["pasid"]) != 0
    return Called(
        line.number, _NAMED.get(name, name), device,
        (_number(values["on"]),) if values.get("on") else (),
        0 if error else _number(values.get("out")), error, flags,
    )  # fmt: skip
