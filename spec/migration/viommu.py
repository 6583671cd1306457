"""A vIOMMU that is made, is held against host IOMMUs, and says whether the guest may leave."""

from __future__ import annotations

from spec.iommufd.objects import Errno
from spec.language import NONE, Fault, Id, host_call, limit, mirrors, require
from spec.migration.state import (
    Device,
    HostIOMMU,
    Migration,
    Qemu,
    host_can,
    no_capabilities,
    vtd_cap_init,
)


@mirrors("001 27/37 migrate_add_blocker")
@host_call("migrate_add_blocker {qemu} ({ret})", fails=Errno.EBUSY)
def migrate_add_blocker(s: Migration, qemu: Id[Qemu], fault: Fault) -> Errno:
    """The guest may not leave any more: refused under -only-migratable, and while it leaves."""
    if s.only_migratable:
        return Errno.EACCES
    limit(s.qemus[qemu].blockers < 3, "blockers")
    s.qemus[qemu].blockers += 1
    return Errno.OK


@mirrors("001 27/37 smmu_realize")
def viommu_realize(s: Migration, qemu: Id[Qemu], fits: bool, fault: Fault) -> Errno:
    """The vIOMMU of the command line is made; what else the user asked of it may not fit.

    If it cannot be made QEMU ends.
    """
    require(not s.qemus[qemu].realized and not s.qemus[qemu].ready)
    err = smmuv3_block_migration(s, qemu, fault)
    if err == Errno.OK and not fits:
        err = Errno.EINVAL
    if err != Errno.OK:
        qemu_ends(s, qemu)
        return err
    vtd_init(s, qemu)
    s.qemus[qemu].realized = True
    return Errno.OK


@mirrors("001 27/37 smmu_realize")
def smmuv3_block_migration(s: Migration, qemu: Id[Qemu], fault: Fault) -> Errno:
    """An accelerated SMMU blocks migration; VT-d does not."""
    return migrate_add_blocker(s, qemu, fault) if s.accel else Errno.OK


@mirrors("qemu hw/i386/intel_iommu.c vtd_init")
def vtd_init(s: Migration, qemu: Id[Qemu]) -> None:
    """The registers say what the command line asked for: when a vIOMMU is made, and at resets."""
    vtd_cap_init(s, s.qemus[qemu].cap, s.qemus[qemu].user)


@mirrors("qemu system/vl.c device_init_func")
def qemu_ends(s: Migration, qemu: Id[Qemu]) -> None:
    """A QEMU ends, with its devices, its vIOMMU and what that has registered."""
    q = s.qemus[qemu]
    for x in s.devices:
        if x.qemu == qemu:
            x.host = NONE
    q.blockers = 0
    q.realized = False
    q.ready = False
    no_capabilities(s, q.cap)
    no_capabilities(s, q.frozen)


@mirrors("002 06/21 hiod_iommufd_get_cap")
@host_call("iommufd_backend_get_device_info {host} ({ret})", fails=Errno.EIO)
def iommufd_backend_get_device_info(s: Migration, host: Id[HostIOMMU], fault: Fault) -> Errno:
    """The kernel tells what an IOMMU of the host can do."""
    return Errno.OK


@mirrors(
    "qemu hw/i386/intel_iommu.c vtd_dev_set_iommu_device", "002 10/21 vtd_dev_set_iommu_device"
)
def vtd_dev_set_iommu_device(
    s: Migration, dev: Id[Device], host: Id[HostIOMMU], fault: Fault
) -> Errno:
    """A device is plugged, cold or hot: its host has all that the vIOMMU has, or it is refused.

    A device of the command line that is refused ends QEMU.
    """
    qemu = s.devices[dev].qemu
    require(s.devices[dev].host == NONE and s.hosts[host].qemu == qemu and s.qemus[qemu].realized)
    err = iommufd_backend_get_device_info(s, host, fault)
    if err == Errno.OK:
        err = vtd_check_hiod(s, qemu, host, fault)
    if err == Errno.OK:
        s.devices[dev].host = host
    elif not s.qemus[qemu].ready:
        qemu_ends(s, qemu)
    return err


@mirrors("qemu hw/i386/intel_iommu.c vtd_check_hiod", "002 09/21 vtd_check_hiod")
def vtd_check_hiod(s: Migration, qemu: Id[Qemu], host: Id[HostIOMMU], fault: Fault) -> Errno:
    """Hold the vIOMMU against an IOMMU of the host: it does not give way."""
    return Errno.OK if host_can(s, host, s.qemus[qemu].cap) else Errno.EINVAL


@mirrors("qemu hw/i386/intel_iommu.c vtd_dev_unset_iommu_device")
def vtd_dev_unset_iommu_device(s: Migration, dev: Id[Device]) -> None:
    """A device is unplugged; the vIOMMU stays what it was made."""
    require(s.devices[dev].host != NONE and s.qemus[s.devices[dev].qemu].ready)
    s.devices[dev].host = NONE
