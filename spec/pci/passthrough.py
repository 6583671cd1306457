"""A vfio-pci device between its bus and its vIOMMU, and devices of all kinds that come and go."""

from __future__ import annotations

from spec.iommufd.objects import Errno
from spec.language import NONE, Fault, Id, host_call, mirrors, require
from spec.pci.bus import DeviceType, PCIHost, PCISlot, vfio_pci
from spec.pci.hotplug import (
    do_pci_register_device,
    do_pci_unregister_device,
    pci_device_bypasses_ro,
    pci_device_iommu_address_space,
    pci_device_set_iommu_device,
    pci_device_unset_iommu_device,
    pci_device_wants_nesting_parent,
    qemu_exit,
)
from spec.pci.iommu_ops import notifies_of_maps


@mirrors("004 32/33 hiod", "defects S-37")
def has_host_iommu_device(dev: DeviceType) -> bool:
    """Whether there is an IOMMU of the host behind a device: not behind an mdev."""
    return dev in (DeviceType.VFIO_IOMMUFD, DeviceType.VFIO_LEGACY)


@mirrors("000 02/20 attach_device")
@host_call("vfio_device_attach {slot} ({ret})", fails=Errno.EIO)
def vfio_device_attach(s: PCIHost, slot: Id[PCISlot], nesting: bool, fault: Fault) -> Errno:
    """VFIO maps the device's address space, in an HWPT made as the vIOMMU wants it.

    It has to be told of what is mapped there.
    """
    space = pci_device_iommu_address_space(s, slot)
    if not notifies_of_maps(s, space):
        return Errno.EINVAL
    s.slots[slot].vfio_as = space
    s.slots[slot].nesting_parent = nesting
    s.slots[slot].bypass_ro = nesting and pci_device_bypasses_ro(s, slot)
    return Errno.OK


@mirrors("000 02/20 attach_device")
def vfio_device_detach(s: PCIHost, slot: Id[PCISlot]) -> None:
    """VFIO maps nothing for the device any more, and its host IOMMU device goes."""
    s.slots[slot].vfio_as = NONE
    s.slots[slot].nesting_parent = False
    s.slots[slot].bypass_ro = False
    s.slots[slot].hiod = False


@mirrors("000 02/20 get_viommu_cap", "000 02/20 set_iommu_device")
def vfio_realize(s: PCIHost, slot: Id[PCISlot], fault: Fault) -> Errno:
    """Ask the vIOMMU's flags, attach, make the host IOMMU device, and give it to the vIOMMU."""
    err = vfio_attach(s, slot, fault)
    if err != Errno.OK:
        return err
    err = vfio_hand_over(s, slot, fault)
    if err != Errno.OK:
        vfio_device_detach(s, slot)
    return err


@mirrors("000 02/20 get_viommu_cap", "qemu hw/vfio/iommufd.c iommufd_cdev_autodomains_get")
def vfio_attach(s: PCIHost, slot: Id[PCISlot], fault: Fault) -> Errno:
    """Attach: a device with iommufd, and no mdev, to an HWPT that the vIOMMU may want to nest."""
    nesting = pci_device_wants_nesting_parent(s, slot)
    own_hwpt = s.slots[slot].dev == DeviceType.VFIO_IOMMUFD
    return vfio_device_attach(s, slot, nesting and own_hwpt, fault)


@mirrors("000 02/20 set_iommu_device")
def vfio_hand_over(s: PCIHost, slot: Id[PCISlot], fault: Fault) -> Errno:
    """The host IOMMU device is made and given to the vIOMMU; what follows may still fail."""
    err = Errno.OK
    if has_host_iommu_device(s.slots[slot].dev):
        s.slots[slot].hiod = True
        err = pci_device_set_iommu_device(s, slot, fault)
    if err != Errno.OK:
        return err
    err = vfio_intx_enable(s, slot, fault)
    if err != Errno.OK:
        vfio_take_back(s, slot)
    return err


@mirrors("000 02/20 set_iommu_device")
@host_call("vfio_intx_enable {slot} ({ret})", fails=Errno.EIO)
def vfio_intx_enable(s: PCIHost, slot: Id[PCISlot], fault: Fault) -> Errno:
    """The rest of a device's realize: interrupts, of all that may fail."""
    return Errno.OK


@mirrors("001 12/37 unset_iommu_device")
def vfio_take_back(s: PCIHost, slot: Id[PCISlot]) -> None:
    """The vIOMMU lets go of a host IOMMU device that it was given."""
    if s.slots[slot].hiod:
        pci_device_unset_iommu_device(s, slot)


@mirrors("001 08/37 do_pci_register_device")
def pci_qdev_realize(s: PCIHost, slot: Id[PCISlot], dev: DeviceType, fault: Fault) -> Errno:
    """A device is plugged, cold or hot. Root ports are cold-plugged, and on PCI Express only.

    One that is refused ends QEMU if the command line has it; hot-plugged, it leaves nothing.
    """
    require(s.slots[slot].dev == DeviceType.NONE and dev != DeviceType.NONE)
    if dev == DeviceType.BRIDGE:
        require(not s.machine_ready and s.buses[s.slots[slot].bus].express)
    err = pci_device_comes(s, slot, dev, fault)
    if err != Errno.OK and not s.machine_ready:
        qemu_exit(s)
    return err


@mirrors("001 08/37 do_pci_register_device")
def pci_device_comes(s: PCIHost, slot: Id[PCISlot], dev: DeviceType, fault: Fault) -> Errno:
    """A device is registered on its bus, and realized."""
    if not shpc_has_slot(s, slot):
        return Errno.EINVAL
    err = do_pci_register_device(s, slot, dev)
    if err == Errno.OK and vfio_pci(dev):
        err = vfio_realize(s, slot, fault)
        if err != Errno.OK:
            do_pci_unregister_device(s, slot)
    return err


@mirrors("qemu hw/pci/shpc.c shpc_device_plug_cb")
def shpc_has_slot(s: PCIHost, slot: Id[PCISlot]) -> bool:
    """Whether the hot-plug controller of a PCIe-to-PCI bridge takes a device: not in slot 0.

    QEMU asks it last, and unrealizes what it refuses.
    """
    return s.buses[s.slots[slot].bus].express or s.slots[slot].devfn != 0


@mirrors("001 08/37 do_pci_unregister_device")
def pci_qdev_unrealize(s: PCIHost, slot: Id[PCISlot]) -> None:
    """A device is unplugged; bridges and root ports stay."""
    dev = s.slots[slot].dev
    require(s.machine_ready and dev not in (DeviceType.NONE, DeviceType.BRIDGE))
    if vfio_pci(dev):
        vfio_exit(s, slot)
    do_pci_unregister_device(s, slot)


@mirrors("001 12/37 unset_iommu_device")
def vfio_exit(s: PCIHost, slot: Id[PCISlot]) -> None:
    """The vIOMMU lets go of the device first, then VFIO."""
    vfio_take_back(s, slot)
    vfio_device_detach(s, slot)
