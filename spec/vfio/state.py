"""What QEMU's VFIO core remembers: containers in address spaces, HWPTs in containers, devices."""

from __future__ import annotations

from enum import IntEnum
from typing import Annotated

from spec.iommufd.objects import Device, Iommufd, Object
from spec.iommufd.uapi.state import Uapi
from spec.language import CONST, Id, IdSet, Range, Record, Table
from spec.memory.section import Section


class VFIOAddressSpace(Record):
    """An address space that devices are in: their view of system memory, or what a vIOMMU maps.

    `translated` are the sections that the guest's vIOMMU maps there; system memory has none.
    `newest` is the container that was made last, which is tried first.
    """

    iommu: Annotated[bool, CONST]
    translated: IdSet[Section]
    newest: Id[VFIOIOMMUFDContainer]


class VFIOIOMMUFDContainer(Record):
    """The IOAS of an address space on an iommufd. A row is free while `space` is none.

    A container without an iommufd is of the legacy kind, which has its own tables in the kernel.
    `older` is the one made before in the space, `newest_hwpt` its HWPT that is tried first.
    `bypass_ro`: it maps nothing read-only. `missing`: what the kernel refused to map, `stale`: what
    it refused to unmap, and is asked again before the next event.
    """

    space: Id[VFIOAddressSpace]
    be: Id[Iommufd]
    ioas_id: Id[Object]
    older: Id[VFIOIOMMUFDContainer]
    newest_hwpt: Id[VFIOIOASHwpt]
    bypass_ro: bool
    listening: bool
    missing: IdSet[Section]
    stale: IdSet[Section]


class VFIOIOASHwpt(Record):
    """An HWPT of a container and the flag it was made with. A row is free without a container.

    `older` is the one made before in the container.
    """

    container: Id[VFIOIOMMUFDContainer]
    hwpt_id: Id[Object]
    older: Id[VFIOIOASHwpt]
    nest_parent: bool


class VFIOKind(IntEnum):
    """What a VFIO device is: a PCI device with iommufd or the legacy backend, or an mdev."""

    PCI = 0
    LEGACY = 1
    MDEV = 2


class VFIODevice(Record):
    """A VFIO device of the guest, in the address space that its slot on the PCI buses gives it.

    `nesting`: the vIOMMU before it wants nesting parents. `early`: it came before its vIOMMU, which
    VFIO finds only when it goes. `unfit`: its IOMMU has not what the vIOMMU shows the guest.

    `container` and `hwpt` are where it is, `attached` is what QEMU has attached it to, `hiod` its
    host IOMMU device, which the vIOMMU knows while `hiod_set`. `exited`: it is unplugged, and its
    instance not yet finalized. `incompatible`: the kernel's last answer was that nothing there is
    for it.
    """

    kind: Annotated[VFIOKind, CONST]
    dev: Annotated[Id[Device], CONST]
    space: Annotated[Id[VFIOAddressSpace], CONST]
    slot: Annotated[int, Range(1, 15), CONST]
    nesting: Annotated[bool, CONST]
    early: Annotated[bool, CONST]
    unfit: Annotated[bool, CONST]
    container: Id[VFIOIOMMUFDContainer]
    hwpt: Id[VFIOIOASHwpt]
    attached: Id[Object]
    hiod: bool
    hiod_set: bool
    exited: bool
    incompatible: bool

    def label(self) -> str:
        """A name such as QEMU gives to a device."""
        return f"dev{int(self.id)}"


class Deferring(Uapi):
    """The host below; `deferred` are ids whose DESTROY was refused and that are destroyed later."""

    deferred: IdSet[Object]


class Containers(Deferring):
    """What listeners keep equal: address spaces and the containers in them."""

    spaces: Table[VFIOAddressSpace]
    containers: Table[VFIOIOMMUFDContainer]
    hwpts: Table[VFIOIOASHwpt]


class VFIOState(Containers):
    """QEMU's VFIO core, the accelerated vIOMMU before some of its devices, and the host below.

    `viommu`, `abort_hwpt` and `bypass_hwpt` are what the vIOMMU has made, none without a device.
    `gbpa_abort`: the guest's GBPA.ABORT; `gbpa_update`: not every device is there yet.
    """

    gbpa_abort: bool
    gbpa_update: bool
    viommu: Id[Object]
    abort_hwpt: Id[Object]
    bypass_hwpt: Id[Object]
    vdevs: Table[VFIODevice]
