"""A vIOMMU that is made, learns of host IOMMUs, and says whether the guest may leave."""

from __future__ import annotations

from spec.iommufd.objects import Errno
from spec.language import NONE, Fault, Id, host_call, limit, mirrors, require
from spec.migration.state import (
    Capabilities,
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


@mirrors("001 27/37 smmu_realize", "defects S-40")
def migrate_del_blocker(s: Migration, qemu: Id[Qemu]) -> None:
    """The guest may leave, as far as this vIOMMU goes."""
    if s.qemus[qemu].blockers > 0:
        s.qemus[qemu].blockers -= 1


@mirrors("001 27/37 smmu_realize")
def viommu_realize(s: Migration, qemu: Id[Qemu], fits: bool, fault: Fault) -> Errno:
    """The vIOMMU of the command line is made; what else the user asked of it may not fit."""
    require(not s.qemus[qemu].realized and not s.qemus[qemu].ready)
    err = accel_init(s, qemu, fault)
    if err == Errno.OK and not fits:
        err = Errno.EINVAL
    if err != Errno.OK:
        viommu_realize_failed(s, qemu)
        return err
    vtd_cap_init(s, s.qemus[qemu].cap, s.user)
    s.qemus[qemu].realized = True
    return Errno.OK


@mirrors("001 27/37 smmuv3_accel_init", "defects S-40")
def accel_init(s: Migration, qemu: Id[Qemu], fault: Fault) -> Errno:
    """An accelerated vIOMMU waits for the end of the command line, and blocks migration."""
    if not s.accel:
        return Errno.OK
    s.qemus[qemu].notifier = True
    return migrate_add_blocker(s, qemu, fault)


@mirrors("001 27/37 smmu_realize", "defects S-40")
def viommu_realize_failed(s: Migration, qemu: Id[Qemu]) -> None:
    """What a vIOMMU has registered goes with it."""
    s.qemus[qemu].notifier = False
    migrate_del_blocker(s, qemu)


@mirrors("002 06/21 hiod_iommufd_get_cap")
@host_call("iommufd_backend_get_device_info {host} ({ret})", fails=Errno.EIO)
def iommufd_backend_get_device_info(s: Migration, host: Id[HostIOMMU], fault: Fault) -> Errno:
    """The kernel tells what an IOMMU of the host can do."""
    return Errno.OK


@mirrors("003 v1 unset_iommu_device", "002 10/21 vtd_dev_set_iommu_device")
def vtd_dev_set_iommu_device(
    s: Migration, dev: Id[Device], host: Id[HostIOMMU], fault: Fault
) -> Errno:
    """A device is plugged: cold, and the vIOMMU follows its host; hot, and it must be as good."""
    qemu = s.devices[dev].qemu
    require(s.devices[dev].host == NONE and s.hosts[host].qemu == qemu and s.qemus[qemu].realized)
    err = iommufd_backend_get_device_info(s, host, fault)
    if err == Errno.OK:
        err = vtd_check_hdev(s, qemu, host, fault)
    if err == Errno.OK:
        s.devices[dev].host = host
    return err


@mirrors("003 v1 vtd_check_hdev", "002 09/21 vtd_check_hiod")
def vtd_check_hdev(s: Migration, qemu: Id[Qemu], host: Id[HostIOMMU], fault: Fault) -> Errno:
    """Hold the vIOMMU against an IOMMU of the host; until the machine is ready it gives way."""
    if host_can(s, host, s.qemus[qemu].cap):
        return Errno.OK
    if s.qemus[qemu].ready:
        return Errno.EINVAL
    err = vtd_block_migration(s, qemu, fault)
    if err == Errno.OK:
        vtd_sync_hdev(s, s.qemus[qemu].cap, host)
    return err


@mirrors("003 v1 migration")
def vtd_block_migration(s: Migration, qemu: Id[Qemu], fault: Fault) -> Errno:
    """Before the capabilities change the guest is kept from leaving, once."""
    if s.qemus[qemu].blockers > 0:
        return Errno.OK
    return migrate_add_blocker(s, qemu, fault)


@mirrors("003 v1 mgaw", "003 v1 sync")
def vtd_sync_hdev(s: Migration, cap: Id[Capabilities], host: Id[HostIOMMU]) -> None:
    """The vIOMMU promises no more than an IOMMU of the host can do, and no more than before."""
    if s.hosts[host].aw_bits < s.capabilities[cap].aw_bits:
        s.capabilities[cap].aw_bits = s.hosts[host].aw_bits
    for f in s.feature_bits:
        if f.id not in s.hosts[host].features:
            s.capabilities[cap].features.discard(f.id)


@mirrors("003 v1 unset_iommu_device")
def vtd_dev_unset_iommu_device(s: Migration, dev: Id[Device]) -> None:
    """A device is unplugged; the vIOMMU stays what it was made."""
    require(s.devices[dev].host != NONE and s.qemus[s.devices[dev].qemu].ready)
    s.devices[dev].host = NONE


@mirrors("001 27/37 smmu_realize")
def viommu_unrealize(s: Migration, qemu: Id[Qemu]) -> None:
    """The vIOMMU goes, and what it has registered."""
    s.qemus[qemu].notifier = False
    migrate_del_blocker(s, qemu)
    no_capabilities(s, s.qemus[qemu].cap)
    s.qemus[qemu].realized = False
