"""VFIO's own rules: who is where, what goes with the last device, and which device is refused."""

from __future__ import annotations

from spec.iommufd.objects import Kind, Object
from spec.iommufd.uapi.state import Driver, second_stage
from spec.language import NONE, NULL, Id, count, invariant, on_failure, sometimes
from spec.memory.section import Section
from spec.smmuv3.iommu_device import smmuv3_accel_knows
from spec.vfio.iommufd import has_host_iommu, same_group, vfio_bypasses_ro
from spec.vfio.listener import mapped, present, vfio_listener_skips
from spec.vfio.state import (
    Containers,
    VFIOAddressSpace,
    VFIODevice,
    VFIOIOASHwpt,
    VFIOIOMMUFDContainer,
    VFIOKind,
    VFIOState,
)


@sometimes
def two_in_a_container(s: VFIOState) -> bool:
    """Two devices share a container."""
    return any(
        a.id != b.id and a.container != NONE and a.container == b.container
        for a in s.vdevs
        for b in s.vdevs
    )


@sometimes
def behind_the_viommu(s: VFIOState) -> bool:
    """A vIOMMU that nests has a device."""
    return any(x.hiod_set for x in s.vdevs)


@sometimes
def gone_and_not_finalized(s: VFIOState) -> bool:
    """A device is unplugged and still attached."""
    return any(x.exited and x.container != NONE for x in s.vdevs)


@sometimes
def group_behind_the_viommu(s: VFIOState) -> bool:
    """Two devices of one group are behind a vIOMMU that nests."""
    return any(
        a.id != b.id and a.hiod_set and b.hiod_set and same_group(s, a.id, b.id)
        for a in s.vdevs
        for b in s.vdevs
    )


@sometimes
def guest_memory_is_mapped(s: Containers) -> bool:
    """A container's IOAS maps something."""
    return any(mapped(s, x.id, y.id) for x in s.containers for y in s.sections)


@sometimes
def destroy_was_refused_to_vfio(s: Containers) -> bool:
    """An id waits for a second attempt to destroy it."""
    return any(o.id in s.deferred for o in s.objects)


@invariant(witness=two_in_a_container)
def vfio_devices_are_in_place(s: VFIOState, vdev: Id[VFIODevice]) -> bool:
    """A device that QEMU has is bound and in a container of its kind; one that it has not, nowhere.

    A PCI device is in an HWPT of its container, attached as QEMU remembers. All but mdevs have a
    host IOMMU device. What the vIOMMU knows is plugged.
    """
    x = s.vdevs[vdev]
    device = s.devices[x.dev]
    if x.container == NONE or x.kind == VFIOKind.LEGACY:
        there = x.container == NONE or s.containers[x.container].be == NONE
        return (
            there
            and (x.container == NONE or s.containers[x.container].space == x.space)
            and x.hwpt == NONE and x.attached == NONE and not x.hiod_set
            and x.hiod == (x.container != NONE) and (x.container != NONE or not x.exited)
            and device.object == NONE
        )
    if device.object == NONE or device.attached != x.attached:
        return False
    container = s.containers[x.container]
    return (
        container.space == x.space
        and container.be == device.fd
        and x.hiod == has_host_iommu(s, vdev)
        and not (x.hiod_set and x.exited)
        and (x.kind == VFIOKind.MDEV) == (x.hwpt == NONE)
        and (x.kind == VFIOKind.MDEV) == (x.attached == NONE)
        and s.objects[device.object].parent == (
            container.ioas_id if x.kind == VFIOKind.MDEV else NONE
        )
        and (x.hwpt == NONE or s.hwpts[x.hwpt].container == x.container)
    )


@invariant(witness=gone_and_not_finalized)
def a_device_is_on_its_hwpt(s: VFIOState, vdev: Id[VFIODevice]) -> bool:
    """What a device is attached to is VFIO's HWPT for it, or one over that of the vIOMMU.

    Only what the vIOMMU has or had until it was unplugged is on one of the vIOMMU's.
    """
    x = s.vdevs[vdev]
    if x.attached == NONE or x.hwpt == NONE:
        return x.attached == NONE
    hwpt = s.hwpts[x.hwpt].hwpt_id
    return x.attached == hwpt or (
        (x.hiod_set or x.exited) and second_stage(s, x.attached) == hwpt
    )


@invariant(witness=two_in_a_container)
def containers_are_as_remembered(s: VFIOState, container: Id[VFIOIOMMUFDContainer]) -> bool:
    """A container has a device, a listener, and an IOAS that no other has, unless it is legacy."""
    x = s.containers[container]
    if x.space == NONE or x.be == NONE:
        return (
            x.be == NONE and x.ioas_id == NONE and not x.bypass_ro and not x.listening
            and not any(y.id in x.missing or y.id in x.stale for y in s.sections)
            and (x.older == NONE if x.space == NONE else
                 any(d.container == container for d in s.vdevs))
        )
    return (
        x.listening
        and x.ioas_id != NONE
        and s.objects[x.ioas_id].kind == Kind.IOAS
        and s.objects[x.ioas_id].fd == x.be
        and x.ioas_id not in s.deferred
        and any(d.container == container for d in s.vdevs)
        and all(y.id == container or y.ioas_id != x.ioas_id for y in s.containers)
    )


@invariant(witness=two_in_a_container)
def hwpts_are_as_remembered(s: VFIOState, row: Id[VFIOIOASHwpt]) -> bool:
    """An HWPT has a device, and is over its container's IOAS with the flag it was made with."""
    x = s.hwpts[row]
    if x.container == NONE:
        return x.hwpt_id == NONE and not x.nest_parent and x.older == NONE
    if x.hwpt_id == NONE or s.containers[x.container].be == NONE:
        return False
    hwpt = s.objects[x.hwpt_id]
    return (
        hwpt.kind == Kind.HWPT_PAGING
        and hwpt.parent == s.containers[x.container].ioas_id
        and hwpt.nest_parent == x.nest_parent
        and not hwpt.auto
        and x.hwpt_id not in s.deferred
        and any(d.hwpt == row for d in s.vdevs)
        and all(y.id == row or y.hwpt_id != x.hwpt_id for y in s.hwpts)
    )


@invariant(witness=two_in_a_container)
def containers_are_listed(s: VFIOState, space: Id[VFIOAddressSpace]) -> bool:
    """The list of an address space has its containers, each once, and ends."""
    container, number = s.spaces[space].newest, 0
    for _ in s.containers:
        if container != NONE:
            if s.containers[container].space != space:
                return False
            number += 1
            container = s.containers[container].older
    return container == NONE and number == count(x.space == space for x in s.containers)


@invariant(witness=two_in_a_container)
def hwpts_are_listed(s: VFIOState, container: Id[VFIOIOMMUFDContainer]) -> bool:
    """The list of a container has its HWPTs, each once, and ends."""
    hwpt, number = s.containers[container].newest_hwpt, 0
    for _ in s.hwpts:
        if hwpt != NONE:
            if s.hwpts[hwpt].container != container:
                return False
            number += 1
            hwpt = s.hwpts[hwpt].older
    return hwpt == NONE and number == count(x.container == container for x in s.hwpts)


@invariant(witness=destroy_was_refused_to_vfio)
def vfio_leaks_nothing(s: VFIOState, obj: Id[Object]) -> bool:
    """A live object is a device, a container's, an HWPT's, the vIOMMU's, or destroyed soon."""
    return (
        s.objects[obj].kind == Kind.FREE
        or obj in s.deferred
        or any(d.object == obj for d in s.devices)
        or any(x.ioas_id == obj for x in s.containers)
        or any(x.hwpt_id == obj for x in s.hwpts)
        or obj in (s.viommu, s.abort_hwpt, s.bypass_hwpt)
    )


@invariant(witness=destroy_was_refused_to_vfio)
def what_waits_is_live(s: Containers, obj: Id[Object]) -> bool:
    """An id that waits to be destroyed names an object, and no device."""
    return obj not in s.deferred or s.objects[obj].kind not in (
        Kind.FREE, Kind.DEVICE, Kind.ACCESS, Kind.VDEVICE, Kind.EVENTQ, Kind.HW_QUEUE
    )


@invariant()
def vfio_asks_for_no_more(s: VFIOState, obj: Id[Object]) -> bool:
    """No HWPT is made with a flag, a queue or a table, or by an attach to an IOAS; no PASIDs.

    No hardware queue is made, nothing is set aside or reserved, and nothing happens on the host.
    """
    o = s.objects[obj]
    return (
        not o.auto and not o.pasid and not o.dirty and not o.open
        and o.fault == NONE and o.device == NONE and o.table == NULL and o.virt_id == NULL
        and o.kind != Kind.HW_QUEUE and o.access == NONE and o.pinned == NONE and not o.allowed
        and not s.closing
        and all(
            d.pasid_attached == NONE and d.reserved_in == NONE and not d.resetting
            for d in s.devices
        )
        and all(g.pasid_hwpt == NONE and not g.taken for g in s.groups)
    )


@invariant(witness=behind_the_viommu)
def nesting_needs_a_nesting_parent(s: VFIOState, vdev: Id[VFIODevice]) -> bool:
    """A device whose vIOMMU nests is on a nesting parent, directly or not."""
    x = s.vdevs[vdev]
    return x.container == NONE or not x.nesting or (
        x.hwpt != NONE and s.hwpts[x.hwpt].nest_parent
    )


@invariant(witness=behind_the_viommu)
def the_viommu_is_for_its_devices(s: VFIOState) -> bool:
    """The vIOMMU object and its two HWPTs are there as long as it has a device, and no longer."""
    used = any(smmuv3_accel_knows(s, x.id) for x in s.vdevs)
    if not used or s.viommu == NONE or s.abort_hwpt == NONE or s.bypass_hwpt == NONE:
        return not used and s.viommu == NONE and s.abort_hwpt == NONE and s.bypass_hwpt == NONE
    return (
        s.driver == Driver.ARM
        and s.objects[s.viommu].kind == Kind.VIOMMU
        and s.viommu not in s.deferred
        and s.abort_hwpt != s.bypass_hwpt
        and of_the_viommu(s, s.abort_hwpt)
        and of_the_viommu(s, s.bypass_hwpt)
    )


def of_the_viommu(s: VFIOState, hwpt: Id[Object]) -> bool:
    """Whether an HWPT is nested under the vIOMMU object, and wanted."""
    o = s.objects[hwpt]
    return o.kind == Kind.HWPT_NESTED and o.parent == s.viommu and hwpt not in s.deferred


@invariant(witness=behind_the_viommu)
def the_viommus_parent_stays(s: VFIOState) -> bool:
    """What the vIOMMU object is made on is an HWPT that VFIO remembers, or will destroy later."""
    return s.viommu == NONE or any(
        x.hwpt_id == s.objects[s.viommu].parent for x in s.hwpts
    )


@invariant(witness=behind_the_viommu)
def a_device_is_over_the_viommus_parent(s: VFIOState, vdev: Id[VFIODevice]) -> bool:
    """The HWPT of each device that the vIOMMU knows is the one that its object is made on."""
    x = s.vdevs[vdev]
    return not smmuv3_accel_knows(s, vdev) or (
        x.hwpt != NONE and s.hwpts[x.hwpt].hwpt_id == s.objects[s.viommu].parent
    )


@invariant(witness=behind_the_viommu)
def gbpa_is_in_force(s: VFIOState, vdev: Id[VFIODevice]) -> bool:
    """Every plugged device that a vIOMMU is to nest for is known to it, and does as GBPA says.

    Where GBPA bypasses VFIO's own HWPT will do. While GBPA.UPDATE is set it is not said yet.
    """
    x = s.vdevs[vdev]
    if x.container == NONE or x.exited or not x.nesting:
        return not x.hiod_set
    if s.driver != Driver.ARM or s.gbpa_update:
        return x.hiod_set
    attached = s.devices[x.dev].attached
    if s.gbpa_abort:
        return x.hiod_set and attached == s.abort_hwpt
    return x.hiod_set and (attached == s.bypass_hwpt or attached == s.hwpts[x.hwpt].hwpt_id)


@invariant(witness=guest_memory_is_mapped)
def containers_map_their_space(
    s: Containers, container: Id[VFIOIOMMUFDContainer], section: Id[Section]
) -> bool:
    """An IOAS maps just what its address space has and the container does not leave out.

    What the kernel refused to map or to unmap is known, and the latter is tried again at once.
    """
    x = s.containers[container]
    if x.be == NONE:
        return True
    wanted = present(s, x.space, section) and not vfio_listener_skips(s, container, section)
    if section in x.stale:
        return not wanted and section not in x.missing
    there = mapped(s, container, section)
    return there == (wanted and section not in x.missing) and (
        wanted or section not in x.missing
    )


@invariant(witness=guest_memory_is_mapped)
def no_mapping_without_an_ioas(s: Containers, obj: Id[Object], section: Id[Section]) -> bool:
    """Only an IOAS maps memory, not what has its id later."""
    return section not in s.objects[obj].areas or s.objects[obj].kind == Kind.IOAS


@invariant(witness=two_in_a_container)
def writeable_only_stays_apart(s: VFIOState, vdev: Id[VFIODevice]) -> bool:
    """A device that must not have read-only mappings below it is where there are none."""
    x = s.vdevs[vdev]
    return x.container == NONE or x.kind == VFIOKind.LEGACY or (
        s.containers[x.container].bypass_ro == vfio_bypasses_ro(s, vdev)
    )


@invariant(witness=two_in_a_container)
def one_container_is_enough(
    s: VFIOState, a: Id[VFIOIOMMUFDContainer], b: Id[VFIOIOMMUFDContainer]
) -> bool:
    """An address space has one container of a kind: another one pins the guest's memory again."""
    one, other = s.containers[a], s.containers[b]
    return a == b or one.space == NONE or (
        one.space != other.space or one.be != other.be or one.bypass_ro != other.bypass_ro
    )


@invariant(witness=two_in_a_container)
def a_device_that_fits_is_not_refused(s: VFIOState, vdev: Id[VFIODevice]) -> bool:
    """No device is found incompatible or unknown: what is made for it, or its group, takes it.

    Unless its group is in another address space, where it cannot go.
    """
    return not s.vdevs[vdev].incompatible


@on_failure(witness=two_in_a_container)
def a_refused_device_changes_nothing(before: VFIOState, s: VFIOState) -> bool:
    """Every device is where it was and attached to what it was, and no object is left behind."""
    return (
        all(
            x.container == before.vdevs[x.id].container
            and x.hwpt == before.vdevs[x.id].hwpt
            and x.attached == before.vdevs[x.id].attached
            and x.hiod_set == before.vdevs[x.id].hiod_set
            for x in s.vdevs
        )
        and all(x.space == before.containers[x.id].space for x in s.containers)
        and all(x.container == before.hwpts[x.id].container for x in s.hwpts)
        and all(
            o.kind == before.objects[o.id].kind
            or (before.objects[o.id].kind == Kind.FREE and o.id in s.deferred)
            for o in s.objects
        )
    )


RULES = (
    vfio_devices_are_in_place,
    a_device_is_on_its_hwpt,
    containers_are_as_remembered,
    hwpts_are_as_remembered,
    containers_are_listed,
    hwpts_are_listed,
    vfio_leaks_nothing,
    what_waits_is_live,
    vfio_asks_for_no_more,
    nesting_needs_a_nesting_parent,
    the_viommu_is_for_its_devices,
    the_viommus_parent_stays,
    a_device_is_over_the_viommus_parent,
    gbpa_is_in_force,
    containers_map_their_space,
    no_mapping_without_an_ioas,
    writeable_only_stays_apart,
    one_container_is_enough,
    a_device_that_fits_is_not_refused,
    a_refused_device_changes_nothing,
)
