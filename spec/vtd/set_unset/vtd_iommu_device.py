"""The machine `vtd-iommu-device`: host IOMMU devices are set and unset."""

from __future__ import annotations

from collections.abc import Mapping

from spec.language import NONE, Bounds, Machine, Of, Shape, Teardown, bits, count
from spec.vtd.set_unset.device import (
    Phase,
    SetUnset,
    destroy_deferred,
    guest_binds,
    guest_unbinds,
    set_again,
    unset_unasked,
    vfio_exitfn,
    vfio_instance_finalize,
    vfio_pci_realize,
)


def shape(values: Mapping[str, int]) -> Shape:
    """`aliased` is a mask of the slots behind a bridge."""
    slots = values["slots"]
    return Shape(
        {"slots": slots, "devices": values["devices"]},
        {"slots": {"aliased": bits(values["aliased"], slots)}},
    )


def init(s: SetUnset, fsts: bool) -> None:
    """There is a vIOMMU, and no device."""
    s.fsts = fsts


def nothing_is_there(s: SetUnset) -> bool:
    """No device is there, nothing of one lives, and the vIOMMU has no entry."""
    return all(x.hiod == NONE for x in s.slots) and all(
        x.phase == Phase.ABSENT and x.refs == 0 and not x.parent and x.nested == 0
        for x in s.devices
    )


def left(s: SetUnset) -> int:
    """What every step of a teardown lowers."""
    realized = count(x.phase == Phase.REALIZED for x in s.devices)
    there = count(x.phase != Phase.ABSENT for x in s.devices)
    late = sum_of_deferred(s)
    return realized + realized + realized + there + there + late


def sum_of_deferred(s: SetUnset) -> int:
    """How many HWPTs are to be destroyed later."""
    return (
        count(x.deferred > 0 for x in s.devices)
        + count(x.deferred > 1 for x in s.devices)
        + count(x.deferred > 2 for x in s.devices)
    )


VTD_IOMMU_DEVICE = Machine(
    name="vtd-iommu-device",
    check={"explicit": ("small", "standard"), "symbolic": ("standard",)},
    title="Set and unset: the host IOMMU devices that VT-d has",
    about="""
    VFIO hands the host IOMMU device of each passthrough device to the vIOMMU (002 10/21), which has
    one entry for each bus and devfn and holds the device by it; VFIO holds it, too. A device that
    leaves is unset as it leaves its bus, and detached when it is finalized, which may be later.

    Events: a device comes to a slot, its own or one behind a bridge, fits or not, and may fail
    after it was set; a slot is set again with the same device or another, unset though nothing is
    there; the guest binds and unbinds a device and a PASID of it; a device leaves, bound or not;
    it is finalized, before or after the next comes to its slot; what the host would not destroy is
    asked for again. In each of them any one host call may fail.

    Not here: which entries the guest has and what is due while remapping is on, which pasid-cache
    has; what is compared, which vtd-capabilities has; what VFIO makes beside one HWPT.
    """,
    of=Of(
        "reference",
        "VT-d of QEMU 11.1, put right: what is bound is unbound before an entry goes.",
        "QEMU 11.1",
        kernel="not: of the kernel there is that a parent is in use by what is nested over it",
        qemu="not step by step: the scenarios V-25, vtd-unplug and vtd-refused-plug of `make qemu` "
        "plug and unplug devices, bound or not, and refuse each call",
    ),
    state=SetUnset,
    init=init,
    actions=(
        vfio_pci_realize, vfio_exitfn, vfio_instance_finalize, set_again, unset_unasked,
        guest_binds, guest_unbinds, destroy_deferred,
    ),
    shape=shape,
    teardown=Teardown(
        actions=(vfio_exitfn, vfio_instance_finalize, destroy_deferred),
        empty=nothing_is_there, rank=left,
    ),
    bounds={
        "small": Bounds(
            {"slots": 2, "devices": 1, "aliased": 0b10},
            "One device, that comes to a slot of its own or behind a bridge.",
            18, 147, 5,
        ),
        "standard": Bounds(
            {"slots": 3, "devices": 2, "aliased": 0b110},
            "Two devices, a slot of its own, and two behind one bridge: one may come to the slot "
            "that the other has left, or both be behind the bridge.",
            138, 2426, 10, orbits=(69, 1251, 10),
        ),
    },
)  # fmt: skip
