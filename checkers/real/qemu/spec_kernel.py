"""The specification as the kernel: requests with ids, answered by actions of `iommufd-objects`."""

from __future__ import annotations

import errno
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, Final

from checkers.real.qemu.unmodelled import (
    OF_ADDRESSES,
    OF_STREAM,
    SMMUV3,
    VTD,
    WRITEABLE,
    Areas,
    context_of,
    info,
)
from invariants import complete
from spec.iommufd.objects import Kind
from spec.iommufd.uapi.invalidate import Entry
from spec.iommufd.uapi.iommufd_objects import IOMMUFD_OBJECTS
from spec.iommufd.uapi.state import Driver, Version, tombstone
from spec.language import Shape, Variant, bits
from spec.language.machine import Bounds
from spec.language.program import Kind as End
from spec.language.program import build
from spec.language.rules import Breach, broken_by_state

SLOTS: Final = 31
TABLES: Final = 15
VIRT_IDS: Final = 15
WRITEABLE_SECTION: Final = 1
READ_ONLY_SECTION: Final = 2

HWPT_FLAGS: Final = {"nest_parent": 1, "dirty": 2, "pasid": 8}
FAULT_ID_VALID: Final = 4


class NotModelledError(Exception):
    """The program asked for what the specification has no answer to, or made too many objects."""


@dataclass(frozen=True)
class Hardware:
    """The host: its IOMMU's driver, how many devices it has, what each of them can (bit 0: dev1).

    `groups`: fewer than devices if the first ones share one. `version`: of the kernel.
    """

    driver: Driver
    devices: int = 2
    groups: int = 0
    errata: int = 0
    can_pasid: int = 0
    can_dirty: int = 0
    incoherent: int = 0
    on_second_iommu: int = 0
    version: Version = Version.V6_19


def _shape(values: Mapping[str, int]) -> Shape:
    """As `iommufd-objects`, with the erratum, and a section that is mapped to be read only."""
    shape = IOMMUFD_OBJECTS.shape(values)
    constants = {name: dict(table) for name, table in shape.constants.items()}
    constants["devices"]["erratum"] = bits(values["errata"], values["devices"])
    constants["sections"]["readonly"] = (False, True)
    return Shape(shape.sizes, constants)


HOST: Final = complete(replace(IOMMUFD_OBJECTS, shape=_shape))


class SpecKernel:
    """One open /dev/iommu. Each method is a request: an errno and what the kernel fills in."""

    def __init__(self, hardware: Hardware, variant: Variant | None = None) -> None:
        self.hardware = hardware
        values = dict(IOMMUFD_OBJECTS.bounds["large"].values)
        own = {name: int(value) for name, value in vars(hardware).items()}
        values.update(own, groups=hardware.groups or hardware.devices, slots=SLOTS, tables=TABLES,
                      virt_ids=VIRT_IDS, sections=2, queues=1, hw_queues=1)  # fmt: skip
        self.program = build(HOST, Bounds(values), variant)
        (self.state,) = self.program.initial()
        self._store = self.program.store()
        self.areas: dict[int, Areas] = {}
        self.tables: dict[int, int] = {}
        self.virt_ids: dict[int, int] = {}
        self.pasids: dict[int, int] = {}
        self.data: dict[int, int] = {}
        self.told: Mapping[str, int] = {}
        self.told_type = SMMUV3 if hardware.driver == Driver.ARM else VTD

    def view(self) -> Any:
        """The present state, to look at."""
        self._store.load(self.state)
        return self._store.state

    def broken(self) -> list[Breach]:
        """The rules of `iommufd-objects` that the state breaks: none, whatever was asked."""
        return list(broken_by_state(self.program, self.state, tuple(self.program.invariants)))

    def step(self, action: str, **values: int) -> int:
        """Take an action of the specification; the errno that it answers."""
        linked = self.program.action(action)
        given = tuple(values[item.name] for item in linked.parameters)
        outcome = self.program.run(linked, self.state, given)
        if outcome.kind is not End.DONE:
            said = outcome.why or "the bounds leave no room for it"
            raise NotModelledError(f"{action}{given}: {outcome.kind.value}: {said}")
        self.state = outcome.state
        return outcome.result

    def _made(self, action: str, out: str, **values: int) -> tuple[int, dict[str, int]]:
        """Take an action that makes an object; its id, if it does."""
        before = self._kinds()
        error = self.step(action, **values)
        new = [row for row, kind in enumerate(self._kinds(), 1) if kind and not before[row - 1]]
        return error, {} if error else {out: new[0]}

    def _kinds(self) -> bytes:
        column = self.program.layout.tables["objects"].columns["kind"]
        return self.state[column.base : column.base + column.size]

    def kind(self, obj: int) -> Kind:
        """What an id names."""
        row = self._id(obj)
        return Kind.FREE if tombstone(self.view(), row) else Kind(self._kinds()[row - 1])

    def _id(self, obj: int) -> Any:
        """A row of the specification's table; of an id that it has not, one that is free."""
        row = obj if 0 < obj <= SLOTS else self._kinds().rfind(Kind.FREE) + 1
        return self._store.ids["objects"](row)

    def device_of(self, obj: int) -> int:
        """The device whose object an id names, 0 if none."""
        return next((int(d.id) for d in self.view().devices if obj and d.object == obj), 0)

    def bound(self, dev: int) -> bool:
        """Whether a device is bound."""
        return bool(self.view().devices[dev].object)

    def bind(self, dev: int) -> tuple[int, dict[str, int]]:
        """VFIO_DEVICE_BIND_IOMMUFD."""
        return self._made("bind", "out_devid", dev=dev)

    def unbind(self, dev: int) -> None:
        """The device's file is closed."""
        self.step("unbind", dev=dev)
        self.pasids.pop(dev, None)

    def ioas_alloc(self) -> tuple[int, dict[str, int]]:
        """IOMMU_IOAS_ALLOC."""
        error, made = self._made("ioas_alloc", "out_ioas_id")
        self.areas[made["out_ioas_id"]] = Areas()
        return error, made

    def map(self, ioas: int, start: int, size: int, flags: int) -> int:
        """IOMMU_IOAS_MAP at a fixed address."""
        writeable = bool(flags & WRITEABLE)
        if self.kind(ioas) != Kind.IOAS:
            return errno.ENOENT
        areas = self.areas[ioas]
        error = areas.map_refusal(start, size)
        if not error and not areas.any(writeable):
            section = WRITEABLE_SECTION if writeable else READ_ONLY_SECTION
            error = self.step("ioas_map", ioas=ioas, section=section)
        if not error:
            areas.areas[start] = (size, writeable)
        return error

    def unmap(self, ioas: int, start: int, size: int) -> tuple[int, dict[str, int]]:
        """IOMMU_IOAS_UNMAP of a range; how much it was."""
        if self.kind(ioas) != Kind.IOAS:
            return errno.ENOENT, {}
        areas = self.areas[ioas]
        gone = areas.within(start, size)
        if not gone:
            return errno.ENOENT, {}
        length = 0
        for area in gone:
            length += areas.areas[area][0]
            _, writeable = areas.areas.pop(area)
            if not areas.any(writeable):
                section = WRITEABLE_SECTION if writeable else READ_ONLY_SECTION
                self.step("ioas_unmap", ioas=ioas, section=section)
        return 0, {"length": length}

    def hw_info(self, dev_id: int, kind: int) -> tuple[int, dict[str, int], bytes]:
        """IOMMU_GET_HW_INFO; `kind` is the type that is asked for, 0 for the device's own."""
        dev = self.device_of(dev_id)
        if not dev:
            return errno.ENOENT, {}, b""
        own = SMMUV3 if self.hardware.driver == Driver.ARM else VTD
        error = self.step("get_hw_info", dev=dev, its_type=int(kind in (0, own)))
        device = self.view().devices[dev]
        content = info(own, bool(device.erratum), self.told)
        answer = {
            "data_len": len(content), "out_data_type": self.told_type,
            "out_max_pasid_log2": 20 if device.can_pasid else 0,
            "out_capabilities": int(device.can_dirty),
        }  # fmt: skip
        return error, {} if error else answer, content

    def hwpt_alloc(
        self, dev_id: int, pt: int, flags: int, fault_id: int, data: tuple[int, ...]
    ) -> tuple[int, dict[str, int]]:
        """IOMMU_HWPT_ALLOC; `data`, if any: the guest's table, or an SMMU's entry's first word."""
        dev = self.device_of(dev_id)
        if not dev:
            return errno.ENOENT, {}
        pt = self._id(pt)
        asked = {name: int(bool(flags & bit)) for name, bit in HWPT_FLAGS.items()}
        if flags & FAULT_ID_VALID:
            return self._made("hwpt_alloc_with_fault", "out_hwpt_id", dev=dev, pt=pt,
                              fault_id=self._id(fault_id), **asked)  # fmt: skip
        if not data:
            return self._made("hwpt_alloc_on_ioas", "out_hwpt_id", dev=dev, pt=pt, **asked)
        table = context_of(data[0]) if self.hardware.driver == Driver.ARM else data[0] or 1
        error, made = self._made("hwpt_alloc_nested", "out_hwpt_id", dev=dev, pt=pt,
                                 table=self._carrier(table), **asked)  # fmt: skip
        if made:
            self.data[made["out_hwpt_id"]] = data[0]
        return error, made

    def _carrier(self, table: int) -> int:
        """The value of the specification that stands for a table; one that is free if it is new."""
        if table == 0:
            return 0
        used = {int(o.table) for o in self.view().objects}
        self.tables = {name: value for name, value in self.tables.items() if value in used}
        return _named(self.tables, table, TABLES, "tables")

    def viommu_alloc(self, dev_id: int, hwpt: int) -> tuple[int, dict[str, int]]:
        """IOMMU_VIOMMU_ALLOC."""
        dev = self.device_of(dev_id)
        if not dev:
            return errno.ENOENT, {}
        return self._made("viommu_alloc", "out_viommu_id", dev=dev, hwpt=self._id(hwpt))

    def vdevice_alloc(
        self, dev_id: int, viommu: int, virt_id: int
    ) -> tuple[int, dict[str, int]]:
        """IOMMU_VDEVICE_ALLOC."""
        dev = self.device_of(dev_id)
        if not dev:
            return errno.ENOENT, {}
        known = _named(self.virt_ids, virt_id, VIRT_IDS, "stream ids")
        return self._made("vdevice_alloc", "out_vdevice_id", dev=dev, viommu=self._id(viommu),
                          virt_id=known)  # fmt: skip

    def veventq_alloc(self, viommu: int) -> tuple[int, dict[str, int]]:
        """IOMMU_VEVENTQ_ALLOC, but for its file."""
        return self._made("veventq_alloc", "out_veventq_id", viommu=self._id(viommu))

    def close_queue(self, queue: int) -> None:
        """The file of a queue is closed."""
        self.step("close_file", queue=queue)

    def invalidate(self, target: int, entries: tuple[int, ...]) -> tuple[int, dict[str, int]]:
        """IOMMU_HWPT_INVALIDATE, entry by entry; how many were done. An entry is its first word."""
        done = error = 0
        for entry in entries:
            error = self._invalidate(target, entry)
            if error:
                break
            done += 1
        return error, {"entry_num": done}

    def _invalidate(self, target: int, word: int) -> int:
        entry, virt_id = Entry.NONE, 0
        if self.hardware.driver == Driver.ARM:
            if word & 0xFF in OF_STREAM:
                entry, virt_id = Entry.OF_DEVICE, self.virt_ids.get(word >> 32, VIRT_IDS)
            elif word & 0xFF not in OF_ADDRESSES:
                entry = Entry.BAD_FLAG
        return self.step(
            "hwpt_invalidate", target=self._id(target), last=int(entry), virt_id=virt_id
        )

    def attach(self, dev: int, pt: int, pasid: int) -> tuple[int, dict[str, int]]:
        """VFIO_DEVICE_ATTACH_IOMMUFD_PT: attach, or replace what is attached."""
        known = self.pasids.setdefault(dev, pasid) if pasid else 0
        if pasid and pasid != known:
            raise NotModelledError(f"dev{dev}: a second PASID, {pasid} beside {known}")
        own = self.view().devices[dev]
        again = own.pasid_attached if pasid else own.attached
        action = "replace" if again else "attach"
        error = self.step(action, dev=dev, pasid=int(pasid > 0), pt=self._id(pt))
        if error:
            return error, {}
        own = self.view().devices[dev]
        return 0, {"pt_id": int(own.pasid_attached if pasid else own.attached)}

    def detach(self, dev: int, pasid: int) -> int:
        """VFIO_DEVICE_DETACH_IOMMUFD_PT."""
        if pasid and self.pasids.get(dev, pasid) != pasid:
            raise NotModelledError(f"dev{dev}: a second PASID, {pasid}")
        error = self.step("detach", dev=dev, pasid=int(pasid > 0))
        if pasid and not error:
            self.pasids.pop(dev, None)
        return error

    def destroy(self, obj: int) -> int:
        """IOMMU_DESTROY."""
        return self.step("destroy", obj=self._id(obj))

    def objects(self) -> str:
        """Every object and device, in a line."""
        s = self.view()
        words = []
        for o in s.objects:
            if o.kind == Kind.FREE:
                continue
            over = f"<{int(o.parent)}" if o.parent else ""
            kept = f"{o.kind.name}{over} users={o.refs - 1}"
            words.append(f"{int(o.id)}:{'tombstone' if tombstone(s, o.id) else kept}")
        for d in s.devices:
            words.append(f"dev{int(d.id)} {_place(d)}")
        return "; ".join(words)


def _place(d: Any) -> str:
    if not d.object:
        return "unbound"
    on = f"@{int(d.object)} on {int(d.through) or 'BLOCKED'}"
    return on + (f", PASID on {int(d.pasid_attached)}" if d.pasid_attached else "")


def _named(names: dict[int, int], value: int, most: int, what: str) -> int:
    """The small number that stands for a value."""
    if value not in names:
        free = next((n for n in range(1, most + 1) if n not in names.values()), 0)
        if not free:
            raise NotModelledError(f"more than {most} {what}")
        names[value] = free
    return names[value]
